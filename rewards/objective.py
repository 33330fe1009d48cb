"""An objective: what outcomes are worth, in named parts, as one object.

    objective = 0.7 * Minutes() - 0.3 * Skips()
    objective(outcomes)            # float64, one number a row
    objective.parts(outcomes)      # {"minutes": ..., "skips": ...}; they sum to the call
    str(objective)                 # "0.7 * minutes - 0.3 * skips"; `formula.parse` reads it back
    Objective.from_dict(objective.to_dict()) == objective

Objectives add, subtract, multiply with numbers and with each other, and take names:
`(0.7 * Minutes() - 0.3 * Skips()).named("pleasure") * Returned(days=7)`.

Rows in which nobody acted (`fetches == 0`: a reset step, a finished life) are worth exactly 0.
An objective sees what a platform could log alone: hidden fields are cut off before it is asked.
"""

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from longplay.rewards.step import Outcomes, Step, Values


class Objective(ABC):
    """What a batch of outcomes is worth. Objectives add, subtract and take scalar weights.

    A subclass gives `label`; `evaluate(outcomes)`, or `judge(step)` and `needs` if it looks at more
    than outcomes; and, to be saved, a `kind` of its own with `to_dict` and `_from_dict`.
    """

    __array_ufunc__ = None  # np.float64(0.7) * objective is ours to answer
    kind: ClassVar[str] = ""
    needs: frozenset[str] = frozenset()  # parts of a Step beyond its outcomes
    window_days: float = 0.0  # how far beyond its step it looks [day]
    _kinds: ClassVar[dict[str, type["Objective"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            Objective._kinds[cls.kind] = cls

    @property
    @abstractmethod
    def label(self) -> str:
        """Its name as a part: in `parts`, in formulas, in TensorBoard."""

    def evaluate(self, outcomes: Outcomes) -> Values:
        """Worth of rows in which somebody acted; `outcomes` has visible fields only."""
        raise NotImplementedError(f"{type(self).__name__} gives neither evaluate nor judge")

    def judge(self, step: Step) -> Values:
        """Worth of the rows of a step in which somebody acted."""
        return self.evaluate(step.outcomes)

    def on_states(self, states: Any) -> Values:
        """Worth of states (..., 30) rather than of steps, for objectives that are such; see State.

        Raises:
            TypeError: it is none.
        """
        raise TypeError(
            f"{self} is no function of a state: it tells of a step; build potentials of State(...) "
            "or of a model fitted to states"
        )

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """JSON values that `from_dict` reads back."""

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "Objective":
        raise NotImplementedError(f"{cls.__name__} cannot be read from JSON")

    def terms(self) -> tuple[tuple[float, "Objective"], ...]:
        """The weighted sum that it is: itself, once."""
        return ((1.0, self),)

    def __call__(self, step: Step | Outcomes) -> Values:
        """Worth of every row: the sum of `parts`.

        Args:
            step: a Step, or an OUTCOME array of any shape, e.g. `cohort.outcomes` (n,).

        Returns:
            float64 of the outcomes' shape.

        Raises:
            TypeError: neither came.
            ValueError: it needs more than these outcomes tell.
        """
        return total(self.parts(step))

    def parts(self, step: Step | Outcomes) -> dict[str, Values]:
        """Worth of every row by label of the term, weights included."""
        seen = step if isinstance(step, Step) else Step(step)
        fetches = seen.outcomes["fetches"]
        worth = {term.label: np.asarray(weight * term.judge(seen)) for weight, term in self.terms()}
        if np.count_nonzero(fetches) == fetches.size:  # as with SAME_STEP always
            return worth
        return {label: np.where(fetches > 0, part, 0.0) for label, part in worth.items()}

    def named(self, name: str) -> "Objective":
        """The same, as one part of that name.

        Raises:
            ValueError: `name` is no identifier.
        """
        from longplay.rewards.sums import Named

        return Named(name, self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Objective":
        """The objective that `to_dict` wrote; ValueError if it is none."""
        shown = reprlib.repr(data)
        kind = data.get("kind") if isinstance(data, Mapping) else None
        if not isinstance(kind, str) or kind not in Objective._kinds:
            raise ValueError(
                f"{shown} is no objective: 'kind' is {reprlib.repr(kind)}; wanted what to_dict() "
                f"writes, with one of {', '.join(sorted(Objective._kinds))}"
            )
        try:
            return Objective._kinds[kind]._from_dict(data)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{shown} is a damaged objective ({error}); wanted what to_dict() writes"
            ) from error
        except RecursionError:
            raise ValueError(
                f"{shown} is nested too deeply; wanted what to_dict() writes"
            ) from None

    # What combinations become lies in sums.py, which builds on this file.

    def __mul__(self, other: object) -> "Objective":
        from longplay.rewards.sums import multiplied

        return multiplied(self, other)

    __rmul__ = __mul__

    def __truediv__(self, divisor: object) -> "Objective":
        from longplay.rewards.sums import divided

        return divided(self, divisor)

    def __neg__(self) -> "Objective":
        return self * -1.0

    def __add__(self, other: object) -> "Objective":
        from longplay.rewards.sums import added

        return added(self, other)

    def __radd__(self, other: object) -> "Objective":
        from longplay.rewards.sums import added_to

        return added_to(self, other)

    def __sub__(self, other: object) -> "Objective":
        from longplay.rewards.sums import subtracted

        return subtracted(self, other)

    def __str__(self) -> str:
        return self.label


def as_objective(given: object) -> Objective:
    """What was given, if it is an objective; TypeError otherwise."""
    if not isinstance(given, Objective):
        raise TypeError(
            f"{given!r} is no objective; give signals and weights, "
            "e.g. 0.7 * Minutes() - 0.3 * Skips(), or parse a formula"
        )
    return given


def taken(data: Mapping[str, Any], *keys: str) -> list[Any]:
    """What `data` holds of these keys; KeyError if one is missing, TypeError if there are more."""
    others = [key for key in data if key not in ("kind", *keys)]
    if others:
        raise TypeError(f"{', '.join(map(repr, others))} means nothing here")
    return [data[key] for key in keys]


def total(parts: Mapping[str, Values]) -> Values:
    """The sum of parts, in their order."""
    values = list(parts.values())
    out = np.array(values[0], np.float64)
    for value in values[1:]:
        out += value
    return out
