"""A/B tests scored by an objective: the effect of a treatment on each named part, per user.

    wish = 0.7 * Minutes() - 0.3 * Skips() + 2 * Returned1d()
    control = record(cohort, as_it_is, seed=7, parts=wish.needs)
    treatment = record(cohort, with_fewer_ads, seed=7, parts=wish.needs)
    print(abtest(wish, control, treatment))

The unit is the user: a part is summed over all decisions of a user first, so that decisions of one
person, which hang together, are not counted as if they were many people. With sums x_i under
control and y_i under treatment there are two ways to an interval at 95 % (or another `level`).

**Paired**, where both logs hold the same people: with d_i = y_i - x_i of n people,

    effect = mean(d),  se = sd(d) / sqrt(n),  interval = effect +- t(n - 1) se                (1)

In a simulation the same people meet the same luck in both logs (common random numbers), so much of
what users differ by cancels. No field experiment can do that.

**Welch**, where the logs hold different people, n under control and m under treatment:

    effect = mean(y) - mean(x),  se^2 = var(x) / n + var(y) / m                               (2)
    df = se^4 / ((var(x) / n)^2 / (n - 1) + (var(y) / m)^2 / (m - 1))

(Welch 1947; degrees of freedom after Satterthwaite 1946.) Of normal sums (1) is exact and (2) a
close approximation; of other sums both are near with many users, the less skewed the fewer. Parts
are not corrected for their number.

A Potential changes no order of policies only in sums that discount as the world does: summed
plainly it may reverse it, and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
import numpy.typing as npt

from longplay.rewards import Objective, Potential, PresentValue, Step, per_user
from longplay.rewards.objective import as_objective
from longplay.rewards.sums import Named, Product

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

LEVEL = 0.95
POWER = 0.8  # chance that an effect is found, in the note on users needed
TOTAL = "total"
LARGEST = 1e300  # sum of a user; what is told of them still is a number


@dataclass(frozen=True)
class Effect:
    """What a treatment changes, per user, in one part of an objective or in the whole."""

    label: str
    control: float  # mean of a user under control
    treatment: float  # mean of a user under treatment
    effect: float  # treatment - control
    low: float  # ends of the interval
    high: float
    se: float  # standard error of the effect
    df: float  # degrees of freedom of the interval; nan: no user differs from another
    p: float  # two-sided: chance of an effect of this size or more, were there none
    spread: float  # se of one pair (or of one user in each log): se of n is spread / sqrt(n)

    @property
    def sign(self) -> int:
        """1: above zero, -1: below zero, 0: the interval includes zero."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    @property
    def relative(self) -> float:
        """Effect as a share of the mean under control; nan where that is 0."""
        return self.effect / abs(self.control) if self.control else math.nan

    def users_needed(
        self, effect: float | None = None, power: float = POWER, level: float = LEVEL
    ) -> float:
        """Pairs, or users in each log, that would find an effect with this chance.

        n = ((z_(1 - (1 - level)/2) + z_power) spread / effect)^2, rounded up: the normal
        approximation, for users as variable as those seen.

        Args:
            effect: to be found, in the units of the part; None for the one seen.
            power: chance to find it, in (0, 1).
            level: of the interval that must leave out 0, in (0, 1).

        Raises:
            ValueError: power or level lies outside of (0, 1), or the effect is nan.
            TypeError: one of them is no number.
        """
        size = self.effect if effect is None else float(effect)
        for name, value in (("power", power), ("level", level)):
            if not 0.0 < _number(name, value) < 1.0:
                raise ValueError(f"{name}={value}; wanted a chance between 0 and 1")
        if math.isnan(size):
            raise ValueError("effect=nan; wanted a number in the units of the part")
        if size == 0.0:
            return math.inf
        from scipy.stats import norm

        reach = float(norm.ppf(0.5 + level / 2) + norm.ppf(power))
        ratio = reach * self.spread / size
        needed = ratio * ratio
        return max(2.0, float(math.ceil(needed))) if math.isfinite(needed) else needed


@dataclass(frozen=True)
class ABTest:
    """The result of `abtest`: an effect for each part, and for their sum."""

    objective: Objective
    paired: bool  # the same people in both logs
    users: tuple[int, int]  # under control, under treatment
    level: float
    parts: Mapping[str, Effect]  # by label, in the objective's order
    total: Effect

    def __str__(self) -> str:
        """A table: a row a part, the total last, and what it stands on."""
        rows = [*self.parts.values(), self.total] if len(self.parts) > 1 else [self.total]
        heads = ("part", "control", "treatment", "effect", f"{100 * self.level:g} % interval", "p")
        cells = [heads, *(_cells(row) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in cells
        ]
        return "\n".join([*lines, self.note()])

    def note(self) -> str:
        """How it was compared, and how many users the effect of the total would have needed."""
        n, m = self.users
        who = f"{n} people in both logs, paired" if self.paired else f"{n} and {m} people, Welch"
        needed = self.total.users_needed(level=self.level)
        if not math.isfinite(needed):
            return f"{self.objective}, per user; {who}."
        what = "pairs" if self.paired else "users in each log"
        return (
            f"{self.objective}, per user; {who}. To find a total effect of this size with "
            f"{100 * POWER:g} % chance takes about {needed:,.0f} {what}."
        )


def _cells(row: Effect) -> tuple[str, ...]:
    ends = f"[{row.low:.4g}, {row.high:.4g}]"
    numbers = (f"{x:.4g}" for x in (row.control, row.treatment))
    return (row.label, *numbers, f"{row.effect:+.4g}", ends, f"{row.p:.2g}")


def abtest(
    objective: Objective,
    control: Step,
    treatment: Step,
    *,
    users: npt.ArrayLike | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    paired: bool | None = None,
    gamma_day: float | None = None,
    level: float = LEVEL,
) -> ABTest:
    """The effect of a treatment on an objective, part by part and in total, per user.

    Args:
        objective: what is asked for; each of its parts is told by its label.
        control: the log without the treatment, of `longplay.rewards.record` or of your own.
        treatment: the log with it.
        users: numbers of all people who took part, if some may never have acted: they count 0.
            One sequence if they are the same under both, a tuple (control, treatment) of two
            sequences if not. None: whoever acts in a log took part in it, and nobody else.
        paired: equation (1) or (2); None pairs where both logs hold the same people. Numbers must
            mean the same people in both logs; those of another world seed are others.
        gamma_day: discount of a calendar day from clock 0, in (0, 1]; the world's
            (`cohort.world.gamma_day`) gives what `longplay compare` tells. None sums plainly.
        level: of the intervals, in (0, 1).

    Raises:
        TypeError: `objective` is no Objective, a log no Step, or a setting no number.
        ValueError: a log lacks what the objective needs, a log has fewer than 2 people, the people
            of both overlap in part or are not those of `users`, a setting is out of range, or a
            Potential comes without a discount.
    """
    _check(objective, control, treatment)
    _check_settings(objective, paired, gamma_day, level)
    gamma = 1.0 if gamma_day is None else gamma_day
    logs = {"control": control, "treatment": treatment}
    sums = {name: _sums(objective, log, gamma, name) for name, log in logs.items()}
    people = _people([numbers for numbers, _ in sums.values()], users)
    for (name, (numbers, _)), crowd in zip(sums.items(), people, strict=True):
        _check_people(name, crowd, numbers)
    pair = is_paired(people, paired)
    x, y = (_of(crowd, *own) for crowd, own in zip(people, sums.values(), strict=True))
    labels = [term.label for _, term in objective.terms()]
    named = zip([*labels, TOTAL], x, y, strict=True)
    rows = [effect_of(label, a, b, pair, level) for label, a, b in named]
    return ABTest(
        objective=objective,
        paired=pair,
        users=(len(people[0]), len(people[1])),
        level=level,
        parts=dict(zip(labels, rows, strict=False)),
        total=rows[-1],
    )


def _check(objective: object, control: object, treatment: object) -> None:
    as_objective(objective)
    for name, log in (("control", control), ("treatment", treatment)):
        if not isinstance(log, Step):
            raise TypeError(
                f"{name} is a {type(log).__name__}; give a log: what longplay.rewards.record "
                "returns, or a longplay.rewards.Step with a row a decision"
            )
        if log.outcomes.ndim != 1:
            raise ValueError(
                f"{name} has shape {log.outcomes.shape}; give one row a decision, (rows,)"
            )


def _check_settings(objective: Objective, paired: object, gamma_day: object, level: object) -> None:
    labels = [term.label for _, term in objective.terms()]
    if TOTAL in labels and len(labels) > 1:
        raise ValueError(f"a part of {objective} is called {TOTAL!r}, as their sum is; rename it")
    if gamma_day is None:
        bare = next((term for _, term in objective.terms() if _undiscounted(term)), None)
        if bare is not None:
            raise ValueError(
                f"{bare} cancels along a life only in sums that discount as the world does; give "
                "gamma_day=cohort.world.gamma_day, or multiply it by PresentValue of that gamma_day"
            )
    elif not 0.0 < _number("gamma_day", gamma_day) <= 1.0:
        raise ValueError(f"gamma_day={gamma_day}; a discount per day lies above 0, at most at 1")
    if not 0.0 < _number("level", level) < 1.0:
        raise ValueError(f"level={level}; wanted a chance between 0 and 1, e.g. 0.95")
    if not (paired is None or isinstance(paired, (bool, np.bool_))):
        raise TypeError(f"paired={paired!r}; wanted True, False or None, which looks at the logs")


def _number(name: str, value: object) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r}; wanted a number")
    return float(value)


def _undiscounted(part: Objective) -> bool:
    """Whether a Potential is in it that nothing discounts."""
    if isinstance(part, Named):
        return any(_undiscounted(term) for _, term in part.inner.terms())
    if isinstance(part, Product):
        discounted = any(isinstance(factor, PresentValue) for factor in part.factors)
        return not discounted and any(_undiscounted(factor) for factor in part.factors)
    return isinstance(part, Potential)


def _sums(objective: Objective, log: Step, gamma_day: float, name: str) -> tuple[Numbers, Floats]:
    """Who acted (users,), sorted, and the sums of each part (parts, users)."""
    acted = log[np.flatnonzero(log.outcomes["fetches"] > 0)]
    weight = gamma_day ** (acted.outcomes["clock"] / 24.0)
    told = objective.parts(acted)
    for label, values in told.items():
        if not np.isfinite(values).all():
            raise ValueError(
                f"{label} of {name} is not finite in some rows; mend the log or the objective"
            )
    found = [per_user(acted, weight * values) for values in told.values()]
    sums = np.stack([sums for _, sums in found])
    with np.errstate(over="ignore"):
        whole = np.abs(sums).sum(axis=0)
    if not (whole < LARGEST).all():
        raise ValueError(f"sums of {objective} in {name} exceed {LARGEST:g}; weigh it by less")
    return found[0][0].astype(np.int64), sums


def _people(acted: Sequence[Numbers], users: object) -> list[Numbers]:
    """Who took part, under control and under treatment; sorted."""
    if users is None:
        return list(acted)
    both = users if isinstance(users, tuple) and len(users) == 2 and np.ndim(users[0]) else None
    given = []
    for came in both or (users, users):
        try:
            given.append(np.asarray(came))
        except (ValueError, TypeError):
            raise ValueError(
                "users came in sequences of several lengths; give the whole numbers of the people, "
                "one sequence for both logs or a tuple of two"
            ) from None
    for one in given:
        if one.ndim != 1 or one.dtype.kind not in "iu":
            raise ValueError(
                f"users came as {one.dtype} of shape {one.shape}; give the whole numbers of the "
                "people, one sequence for both logs or a tuple of two"
            )
        if len(np.unique(one)) < len(one):
            raise ValueError(f"users names {_first_twice(one)} twice; name each person once")
    return [np.sort(one.astype(np.int64)) for one in given]


def _first_twice(numbers: npt.NDArray[np.integer]) -> int:
    found, count = np.unique(numbers, return_counts=True)
    return int(found[count > 1][0])


def _check_people(name: str, crowd: Numbers, acted: Numbers) -> None:
    strangers = np.setdiff1d(acted, crowd)
    if len(strangers):
        raise ValueError(
            f"user {strangers[0]} acts in {name} and is not among its users; name all who took part"
        )
    if len(crowd) < 2:
        raise ValueError(f"{name} has {len(crowd)} people; an interval needs at least 2")


def is_paired(people: Sequence[Numbers], paired: bool | None) -> bool:
    """Whether to pair; ValueError where the people do not allow it, or leave it open."""
    x, y = people
    same = np.array_equal(x, y)
    shared = len(np.intersect1d(x, y))
    if paired and not same:
        raise ValueError(
            f"paired=True, but the logs share {shared} of {len(x)} and {len(y)} "
            "people; give logs of the same people, or users=... if some never acted"
        )
    if paired is None and shared and not same:
        raise ValueError(
            f"the logs share {shared} of {len(x)} and {len(y)} people: neither the "
            "same nor others; give users=..., the numbers of all who took part (who never acted "
            "counts 0), or paired=False if equal numbers mean different people"
        )
    return same if paired is None else paired


def _of(crowd: Numbers, acted: Numbers, sums: Floats) -> Floats:
    """Sums (parts, users) of everybody in a crowd, 0 of those who never acted; last, their sum."""
    whole = np.zeros((len(sums), len(crowd)))
    whole[:, np.searchsorted(crowd, acted)] = sums
    return np.vstack([whole, whole.sum(axis=0)])


def effect_of(label: str, x: Floats, y: Floats, paired: bool, level: float) -> Effect:
    """Equation (1) or (2) for one part: sums x (n,) under control and y (m,) under treatment."""
    from scipy.stats import t

    n, m = len(x), len(y)
    # Numbers about 1, so that no square overflows; a power of 2 leaves every digit as it is.
    _, size = np.frexp(max(np.abs(x).max(), np.abs(y).max()))
    x, y = np.ldexp(x, -size), np.ldexp(y, -size)
    if paired:
        change = y - x
        effect, variance, df = float(change.mean()), float(change.var(ddof=1)), float(n - 1)
        se = math.sqrt(variance / n)
    else:
        a, b = float(x.var(ddof=1)), float(y.var(ddof=1))
        effect, variance = float(y.mean() - x.mean()), a + b
        square = a / n + b / m
        se = math.sqrt(square)
        parts = (a / n) ** 2 / (n - 1) + (b / m) ** 2 / (m - 1)
        df = square**2 / parts if parts > 0.0 else math.nan
    if se > 0.0:
        reach = float(t.ppf(0.5 + level / 2, df)) * se
        p = float(2.0 * t.sf(abs(effect) / se, df))
    else:  # nobody differs from anybody
        reach, p, df = 0.0, float(effect == 0.0), math.nan
    numbers = {
        "control": float(x.mean()),
        "treatment": float(y.mean()),
        "effect": effect,
        "low": effect - reach,
        "high": effect + reach,
        "se": se,
        "spread": math.sqrt(variance),
    }
    told = {name: math.ldexp(number, int(size)) for name, number in numbers.items()}
    return Effect(label=label, df=df, p=p, **told)
