"""Objectives combined: weighted sums, products and names; what `+`, `*` and `named` make.

w_1 o_1 + w_2 o_2        WeightedSum: every label stands once
o_1 * o_2                Product, of rows; sums are multiplied out, so that parts stay parts
o.named("x")             Named: one part, printed (x := o)
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, ClassVar

from longplay.rewards.objective import Objective, as_objective, taken, total
from longplay.rewards.settings import real, sum_text, word
from longplay.rewards.step import Step, Values

MOST_TERMS = 1000  # of a product that is multiplied out


class WeightedSum(Objective):
    """A weighted sum of objectives; equal ones are merged, so every label stands once.

    Formula: sum_i w_i o_i. Unit: that of every w_i o_i; a weight is an exchange rate, which brings
    its term to the unit of the others. Range: the sum of those of the w_i o_i. Source: the linear
    scalarisation of several rewards, e.g. Roijers et al. 2013, JAIR 48; the weights are free
    choices. What it leaves invariant: multiplied by a positive number, it ranks policies as before.

    Two sums are equal if they have the same weights for the same terms, in whatever order.

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
            outer = weight_of(weight, as_objective(term).label)
            for inner, part in term.terms():
                merged[part] = weight_of(merged.get(part, 0.0) + outer * inner, part.label)
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

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """What its terms need."""
        return frozenset().union(*(term.needs for _, term in self._terms))

    @property
    def window_days(self) -> float:  # type: ignore[override]
        """As far as the term that looks furthest."""
        return max(term.window_days for _, term in self._terms)

    def judge(self, step: Step) -> Values:
        """Weighted sum of the terms."""
        return total({t.label: weight * t.judge(step) for weight, t in self._terms})

    def on_states(self, states: Any) -> Values:
        """Weighted sum of the terms."""
        return total({t.label: weight * t.on_states(states) for weight, t in self._terms})

    def to_dict(self) -> dict[str, Any]:
        """{"kind": "sum", "terms": [[weight, term], ...]}."""
        return {"kind": self.kind, "terms": [[w, term.to_dict()] for w, term in self._terms]}

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "WeightedSum":
        (terms,) = taken(data, "terms")
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in terms):
            raise TypeError("terms are no list of [weight, term]")
        return cls((weight, Objective.from_dict(term)) for weight, term in terms)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WeightedSum):
            return NotImplemented
        return {t: w for w, t in self._terms} == {t: w for w, t in other._terms}

    def __hash__(self) -> int:
        return hash(frozenset(self._terms))

    def __str__(self) -> str:
        return sum_text(self._weights(), [str(term) for _, term in self._terms])

    def __repr__(self) -> str:
        return sum_text(self._weights(), [repr(term) for _, term in self._terms])

    def _weights(self) -> list[float]:
        return [weight for weight, _ in self._terms]


class Product(Objective):
    """Objectives multiplied row by row; made by `*`, which multiplies sums out.

    Formula: prod_i o_i, row by row. Unit: the product of theirs. Range: of two factors within
    [0, a] and [0, b], [0, a b]. Source: our own composition; multipliers of a reward as in Wang et
    al., KDD 2022 [S]. What it leaves invariant: a row worth 0 by any factor is worth 0;
    the order of the factors does not matter.

    Args:
        factors: at least two objectives, none of them a sum.

    Raises:
        ValueError: fewer than two factors, or one is a sum.
        TypeError: a factor is no objective.
    """

    kind: ClassVar[str] = "product"

    def __init__(self, factors: Iterable[Objective]) -> None:
        self.factors: tuple[Objective, ...] = ()
        for factor in factors:
            if isinstance(as_objective(factor), WeightedSum):
                raise ValueError(
                    f"a factor is the sum {factor}; write products with *, which multiplies sums "
                    'out, or make it one factor: (...).named("joy")'
                )
            self.factors += factor.factors if isinstance(factor, Product) else (factor,)
        if len(self.factors) < 2:
            raise ValueError("a product needs two factors; write e.g. Minutes() * Returned(days=7)")

    @property
    def label(self) -> str:
        """The factors, with stars between."""
        return " * ".join(factor.label for factor in self.factors)

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """What its factors need."""
        return frozenset().union(*(factor.needs for factor in self.factors))

    @property
    def window_days(self) -> float:  # type: ignore[override]
        """As far as the factor that looks furthest."""
        return max(factor.window_days for factor in self.factors)

    def judge(self, step: Step) -> Values:
        """The product, row by row."""
        return _product([factor.judge(step) for factor in self.factors])

    def on_states(self, states: Any) -> Values:
        """The product, state by state."""
        return _product([factor.on_states(states) for factor in self.factors])

    def to_dict(self) -> dict[str, Any]:
        """{"kind": "product", "factors": [...]}."""
        return {"kind": self.kind, "factors": [factor.to_dict() for factor in self.factors]}

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "Product":
        (factors,) = taken(data, "factors")
        return cls(Objective.from_dict(factor) for factor in factors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Product):
            return NotImplemented
        return Counter(self.factors) == Counter(other.factors)

    def __hash__(self) -> int:
        return hash(frozenset(Counter(self.factors).items()))

    def __str__(self) -> str:
        return " * ".join(map(str, self.factors))

    def __repr__(self) -> str:
        return " * ".join(map(repr, self.factors))


class Named(Objective):
    """An objective as one part with a name of its own: what a report should tell of it.

    Formula: that of what is named. Unit: its own. Range: its own. Source: its own. What it leaves
    invariant: every value; only the parts are told as one. Printed `(name := formula)`.

    Args:
        name: one word; letters that Python takes for others (NFKC) are written as those.
        inner: what is named.

    Raises:
        ValueError: `name` is no identifier.
        TypeError: `inner` is no objective.
    """

    kind: ClassVar[str] = "named"

    def __init__(self, name: str, inner: Objective) -> None:
        self.inner = as_objective(inner)
        self.name = word(name, f" of {inner}")

    @property
    def label(self) -> str:
        """The name."""
        return self.name

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """What the inner one needs."""
        return self.inner.needs

    @property
    def window_days(self) -> float:  # type: ignore[override]
        """As far as the inner one."""
        return self.inner.window_days

    def judge(self, step: Step) -> Values:
        """What the inner one says."""
        return self.inner.judge(step)

    def on_states(self, states: Any) -> Values:
        """What the inner one says."""
        return self.inner.on_states(states)

    def to_dict(self) -> dict[str, Any]:
        """{"kind": "named", "name": ..., "inner": ...}."""
        return {"kind": self.kind, "name": self.name, "inner": self.inner.to_dict()}

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "Named":
        name, inner = taken(data, "name", "inner")
        return cls(name, Objective.from_dict(inner))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Named):
            return NotImplemented
        return self.name == other.name and self.inner == other.inner

    def __hash__(self) -> int:
        return hash((self.name, self.inner))

    def __str__(self) -> str:
        return f"({self.name} := {self.inner})"

    def __repr__(self) -> str:
        return f"({self.inner!r}).named({self.name!r})"


def multiplied(a: Objective, b: object) -> WeightedSum:
    """`a * b`, b a number or an objective: every term of one with every term of the other."""
    if not isinstance(b, Objective):
        factor = weight_of(b, a.label)
        return WeightedSum((factor * w, term) for w, term in a.terms())
    if len(a.terms()) * len(b.terms()) > MOST_TERMS:
        raise ValueError(
            f"{len(a.terms())} terms times {len(b.terms())} are more than {MOST_TERMS}; name one "
            "of the sums, then it is one factor"
        )
    return WeightedSum((v * w, Product((s, t))) for v, s in a.terms() for w, t in b.terms())


def divided(a: Objective, divisor: object) -> WeightedSum:
    """`a / divisor`, a number."""
    if isinstance(divisor, Real) and divisor == 0:
        raise ValueError(f"{a} / 0 has no value; divide by a number that is not 0")
    return multiplied(a, 1.0 / weight_of(divisor, a.label))


def added(a: Objective, b: object) -> WeightedSum:
    """`a + b`."""
    return WeightedSum((*a.terms(), *_objective(b, a).terms()))


def added_to(a: Objective, b: object) -> WeightedSum:
    """`b + a`, where b is no objective: only 0 will do, with which sum() begins."""
    if isinstance(b, Real) and b == 0:
        return WeightedSum(a.terms())
    return added(_objective(b, a), a)


def subtracted(a: Objective, b: object) -> WeightedSum:
    """`a - b`."""
    return added(a, multiplied(_objective(b, a), -1.0))


def weight_of(weight: object, label: str) -> float:
    """`weight` as a finite float."""
    number = real(weight)
    if number is None:
        raise TypeError(
            f"{weight!r} cannot weigh {label}; a weight is one real number, or another objective"
        )
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


def _product(values: list[Values]) -> Values:
    out = values[0] * values[1]
    for value in values[2:]:
        out *= value
    return out
