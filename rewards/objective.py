"""An objective: what an OUTCOME batch is worth, in named parts, as one object.

    objective = 0.7 * Minutes() - 0.3 * Skips()
    objective(outcomes)            # float64, one number a row
    objective.parts(outcomes)      # {"minutes": ..., "skips": ...}; they sum to the call
    str(objective)                 # "0.7 * minutes - 0.3 * skips"; `formula.parse` reads it back
    Objective.from_dict(objective.to_dict()) == objective

Rows in which nobody acted (`fetches == 0`: a reset step, a finished life) are worth exactly 0.
An objective sees the visible fields alone: the hidden ones are cut off before it is asked.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from longplay.envs.state import HIDDEN_OUTCOMES

Outcomes = npt.NDArray[Any]  # OUTCOME, any shape
Values = npt.NDArray[np.float64]  # the same shape


class Objective(ABC):
    """What a batch of outcomes is worth. Objectives add, subtract and take scalar weights.

    A subclass gives `label`, `evaluate`, and, to be saved, a `kind` of its own with `to_dict` and
    `_from_dict`.
    """

    __array_ufunc__ = None  # np.float64(0.7) * objective is ours to answer
    kind: ClassVar[str] = ""
    _kinds: ClassVar[dict[str, type["Objective"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            Objective._kinds[cls.kind] = cls

    @property
    @abstractmethod
    def label(self) -> str:
        """Its name as a part: in `parts`, in formulas, in TensorBoard."""

    @abstractmethod
    def evaluate(self, outcomes: Outcomes) -> Values:
        """Worth of rows in which somebody acted; `outcomes` has visible fields only."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """JSON values that `from_dict` reads back."""

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "Objective":
        raise NotImplementedError(f"{cls.__name__} cannot be read from JSON")

    def terms(self) -> tuple[tuple[float, "Objective"], ...]:
        """The weighted sum that it is: itself, once."""
        return ((1.0, self),)

    def __call__(self, outcomes: Outcomes) -> Values:
        """Worth of every row: the sum of `parts`.

        Args:
            outcomes: OUTCOME of any shape, e.g. `cohort.outcomes` (n,).

        Returns:
            float64 of that shape.

        Raises:
            TypeError: `outcomes` is not an OUTCOME array.
        """
        return total(self.parts(outcomes))

    def parts(self, outcomes: Outcomes) -> dict[str, Values]:
        """Worth of every row by label of the term, weights included."""
        seen = visible(outcomes)
        lived = seen["fetches"] > 0
        return {
            term.label: np.where(lived, weight * term.evaluate(seen), 0.0)
            for weight, term in self.terms()
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Objective":
        """The objective that `to_dict` wrote; ValueError if it is none."""
        kind = data.get("kind") if isinstance(data, Mapping) else None
        if kind not in Objective._kinds:
            raise ValueError(
                f"{data!r} is no objective: 'kind' is {kind!r}; wanted what to_dict() writes, "
                f"with one of {', '.join(sorted(Objective._kinds))}"
            )
        try:
            return Objective._kinds[kind]._from_dict(data)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{data!r} is a damaged objective ({error}); wanted what to_dict() writes"
            ) from error

    def __mul__(self, weight: object) -> "WeightedSum":
        factor = _weight(weight, self.label)
        return WeightedSum((factor * w, term) for w, term in self.terms())

    __rmul__ = __mul__

    def __truediv__(self, divisor: object) -> "WeightedSum":
        if isinstance(divisor, Real) and divisor == 0:
            raise ValueError(f"{self} / 0 has no value; divide by a number that is not 0")
        return self * (1.0 / _weight(divisor, self.label))

    def __neg__(self) -> "WeightedSum":
        return self * -1.0

    def __add__(self, other: object) -> "WeightedSum":
        return WeightedSum((*self.terms(), *_objective(other, self).terms()))

    def __sub__(self, other: object) -> "WeightedSum":
        return self + -1.0 * _objective(other, self)

    def __radd__(self, other: object) -> "WeightedSum":
        if isinstance(other, Real) and other == 0:  # sum() begins with 0
            return WeightedSum(self.terms())
        return _objective(other, self) + self

    def __str__(self) -> str:
        return self.label


class WeightedSum(Objective):
    """A weighted sum of objectives; equal ones are merged, so every label stands once.

    Two sums are equal if they have the same weights for the same terms, in whatever order. What
    it leaves invariant: multiplied by a positive number, it ranks policies as before.

    Args:
        terms: (weight, objective) pairs; sums among them are opened up.

    Raises:
        ValueError: a weight is nan or infinite, no terms, or two different terms of one label.
        TypeError: a weight is no number or a term no objective.
    """

    kind: ClassVar[str] = "sum"

    def __init__(self, terms: Iterable[tuple[float, Objective]]) -> None:
        merged: dict[Objective, float] = {}
        for weight, term in terms:
            if not isinstance(term, Objective):
                raise TypeError(f"{term!r} is no objective; give signals, e.g. Minutes()")
            outer = _weight(weight, term.label)
            for inner, part in term.terms():
                merged[part] = _weight(merged.get(part, 0.0) + outer * inner, part.label)
        if not merged:
            raise ValueError("a weighted sum needs a term; give signals, e.g. [(1.0, Minutes())]")
        labels = [term.label for term in merged]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"two different terms are called {label!r}; rename one")
        self._terms = tuple((weight, term) for term, weight in merged.items())

    def terms(self) -> tuple[tuple[float, Objective], ...]:
        """(weight, term) pairs, in the order in which they were written."""
        return self._terms

    @property
    def label(self) -> str:
        """The formula, in brackets if it has several terms."""
        return f"({self})" if len(self._terms) > 1 else str(self)

    def evaluate(self, outcomes: Outcomes) -> Values:
        """Weighted sum of the terms."""
        return total({t.label: weight * t.evaluate(outcomes) for weight, t in self._terms})

    def to_dict(self) -> dict[str, Any]:
        """{"kind": "sum", "terms": [[weight, term], ...]}."""
        return {"kind": self.kind, "terms": [[w, term.to_dict()] for w, term in self._terms]}

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "WeightedSum":
        return cls((weight, Objective.from_dict(term)) for weight, term in data["terms"])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WeightedSum):
            return NotImplemented
        return {t: w for w, t in self._terms} == {t: w for w, t in other._terms}

    def __hash__(self) -> int:
        return hash(frozenset(self._terms))

    def __str__(self) -> str:
        return self._formula(str)

    def __repr__(self) -> str:
        return self._formula(repr)

    def _formula(self, show: Any) -> str:
        text = ""
        for i, (weight, term) in enumerate(self._terms):
            negative = math.copysign(1.0, weight) < 0
            sign = (" - " if negative else " + ") if i else ("-" if negative else "")
            text += f"{sign}{abs(weight)!r} * {show(term)}"
        return text


def total(parts: Mapping[str, Values]) -> Values:
    """The sum of parts, in their order."""
    values = list(parts.values())
    out = np.array(values[0], np.float64)
    for value in values[1:]:
        out += value
    return out


def visible(outcomes: Outcomes) -> Outcomes:
    """A view of `outcomes` without its hidden fields; TypeError if it is no OUTCOME array."""
    names = getattr(getattr(outcomes, "dtype", None), "names", None)
    if not names or "fetches" not in names:
        kind = getattr(outcomes, "dtype", type(outcomes).__name__)
        raise TypeError(
            f"outcomes of type {kind} came; an objective judges an OUTCOME array: "
            "give cohort.outcomes, or records of longplay.envs.state.OUTCOME"
        )
    return outcomes[[name for name in names if name not in HIDDEN_OUTCOMES]]


def _weight(weight: object, label: str) -> float:
    """`weight` as a finite float."""
    if isinstance(weight, (bool, np.bool_)) or not isinstance(weight, Real):
        raise TypeError(
            f"{weight!r} cannot weigh {label}; a weight is one real number: "
            "signals add up, they do not multiply"
        )
    try:
        number = float(weight)
    except OverflowError:  # an int or a fraction beyond 1.8e308
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"weight {number} of {label} is not finite; give a finite number")
    return number


def _objective(other: object, mine: Objective) -> Objective:
    if not isinstance(other, Objective):
        raise TypeError(
            f"{other!r} cannot be added to {mine}; add another signal (a constant would also pay "
            "for steps in which nothing happened)"
        )
    return other
