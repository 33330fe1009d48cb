"""Intervals over users and seeds, from numbers paired by user.

A study has agents, training seeds and users; within a seed every agent meets the same users with
the same luck. The **hierarchical bootstrap** draws seeds with replacement, then users within each
drawn seed, the same ones for all agents (Davison & Hinkley 1997, sec. 3.8), as multinomial
weights: one matrix of weights serves every agent, quantity and difference.

Left plain, it is wrong in two ways. It counts the noise of users almost twice (users are redrawn
within redrawn seeds), and it cannot see beyond the few seeds there are. So each interval is
stretched about its estimate, to the reach of a t interval with the right variance:

    V_users = variance of the estimate when users alone are redrawn, S (n - 1) degrees of freedom
    V_seeds = (S - 1)/S sum_s (T_(-s) - mean T_(-s))^2, S - 1 degrees of freedom   (the jackknife
              over S seeds, Tukey 1958; it estimates the whole variance, users' noise included)
    reach   = t(S (n - 1)) sqrt(V_users), and where V_seeds > V_users / 2 (seeds may well differ)
              at least t(S - 1) sqrt(V_seeds)

The half is a free choice: at 1, the 95 % interval of three seeds covers as little as 92.6 %; at 0
it is twice too wide where seeds do not differ. How often the 95 % interval of a mean covers the
truth, in 1,500 simulated studies each; seeds differ by d standard errors of a seed's mean:

    seeds x users   1 x 100   3 x 60                5 x 60    10 x 30   2 x 60
    d               0         0     0.3   1    3    1    3    1         1    3
    stretched       94        98    98    96   96   96   95   95        94   89   [%]
    plain           93        98    97    92   83   96   90   98        91   73   [%]

Two seeds are too few, whatever the method. With one, the interval covers users only, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.experiments.paired import Columns, Floats, Panel

__all__ = [
    "Bootstrap",
    "Columns",
    "Draws",
    "Floats",
    "Hurt",
    "Interval",
    "Panel",
    "pairing_gain",
    "who_is_hurt",
]

LEVEL = 0.95
DRAWS = 2_000
QUANTILES = (0.1, 0.5, 0.9)
CELLS = 4_000_000  # largest scratch array [cells]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    mean: float  # the estimate (a mean, a difference, a ratio, a quantile)
    low: float
    high: float
    seeds: int = 1  # training seeds it stands on
    users: int = 1  # users in each seed
    note: str = ""  # why there is no number, if there is none

    @property
    def covers(self) -> str:
        """What the interval speaks for."""
        return "users and seeds" if self.seeds > 1 else "users only (one training seed)"

    @property
    def sign(self) -> int:
        """1: above zero, -1: below zero, 0: the interval includes zero or is unknown."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return self.note or "unknown"
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


class Draws(NamedTuple):
    """Estimates and their bootstrap draws; the last axis holds the quantities."""

    point: Floats  # (k,) the estimates
    both: Floats  # (draws, k) seeds and users redrawn
    users: Floats  # (draws, k) users alone redrawn
    without: Floats  # (seeds, k) estimate without each seed; (0, k) with one seed

    def of(self, rule: Callable[[Floats], Floats]) -> Draws:
        """A function of the estimates: `rule` maps (..., k) to (..., k')."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return Draws(rule(self.point), rule(self.both), rule(self.users), rule(self.without))

    def difference(self, a: int, b: int) -> Draws:
        """Quantity `a` minus quantity `b`, as one quantity."""
        return self.of(lambda m: m[..., a : a + 1] - m[..., b : b + 1])


class Bootstrap:
    """One set of redrawn seeds and users, shared by everything it is asked.

    Args:
        seeds, users: training seeds, and users in each.
        rng: where the draws come from; equal generators give equal intervals.
        draws: how often to redraw.
        level: probability that an interval should cover.
        plain: leave the percentile intervals unstretched (see the module).

    Takes 4 bytes per draw, seed and user of memory.
    """

    def __init__(
        self,
        seeds: int,
        users: int,
        rng: np.random.Generator,
        draws: int = DRAWS,
        level: float = LEVEL,
        plain: bool = False,
    ) -> None:
        if seeds < 1 or users < 1 or draws < 2:
            raise ValueError(
                f"seeds={seeds}, users={users}, draws={draws}; wanted at least 1, 1 and 2"
            )
        self.seeds, self.users, self.draws = seeds, users, draws
        self.level, self.plain, self._key = level, plain, rng.integers(2**62, size=4)
        self.chosen = rng.integers(0, seeds, (draws, seeds), dtype=np.int32)
        self._both = np.empty((draws, seeds * users), np.uint16)
        self._users = np.empty_like(self._both) if seeds > 1 else self._both
        rows = max(1, CELLS // (seeds * users))
        for start in range(0, draws, rows):
            self._fill(slice(start, min(start + rows, draws)), rng)

    def _fill(self, rows: slice, rng: np.random.Generator) -> None:
        """Draw users with replacement in each slot; count them under the seed of the slot."""
        chosen = self.chosen[rows]
        shape = (len(chosen), self.seeds, self.users)
        user = rng.integers(0, self.users, shape, dtype=np.int32)
        row = np.arange(len(chosen), dtype=np.int64)[:, None] * self.seeds
        cells = len(chosen) * self.seeds * self.users
        for target, seed in ((self._both, chosen), (self._users, np.arange(self.seeds)[None])):
            flat = ((row + seed) * self.users)[:, :, None] + user
            count = np.bincount(flat.ravel(), minlength=cells)
            target[rows] = count.reshape(len(chosen), -1)
            if target is self._users:
                break

    def _flat(self, values: Floats) -> Floats:
        values = np.asarray(values, np.float64)
        if values.shape[-2:] != (self.seeds, self.users):
            raise ValueError(
                f"values of shape {values.shape}; wanted (..., seeds, users) = "
                f"(..., {self.seeds}, {self.users})"
            )
        return values.reshape(-1, self.seeds * self.users)

    def means(self, values: Floats) -> Draws:
        """Means over users and seeds; values (k, seeds, users) or (seeds, users)."""
        flat = self._flat(values)
        point = flat.mean(axis=1)
        centred = (flat - point[:, None]).T / flat.shape[1]  # constants stay constant exactly
        both = point + self._weighted(self._both, centred)
        users = both if self.seeds == 1 else point + self._weighted(self._users, centred)
        per_seed = flat.reshape(len(flat), self.seeds, self.users).mean(axis=2).T  # (seeds, k)
        without = np.empty((0, len(flat)))
        if self.seeds > 1:
            without = point + (point - per_seed) / (self.seeds - 1)
        return Draws(point, both, users, without)

    def _weighted(self, weights: npt.NDArray[np.uint16], columns: Floats) -> Floats:
        rows = max(1, CELLS // weights.shape[1])
        parts = [
            weights[i : i + rows].astype(np.float64) @ columns for i in range(0, len(weights), rows)
        ]
        return np.concatenate(parts)

    def quantiles(self, values: Floats, at: Sequence[float] = QUANTILES) -> Draws:
        """Quantiles over the users of all seeds (the smallest value with enough below it).

        values (k, seeds, users); the draws hold k * len(at) quantities, `at` fastest.
        """
        flat, seed = self._flat(values), np.repeat(np.arange(self.seeds), self.users)
        ones = np.ones((1, flat.shape[1]), np.uint16)
        left = (seed != np.arange(self.seeds)[:, None]).astype(np.uint16)
        left = left if self.seeds > 1 else left[:0]
        sets = [ones, self._both, self._users, left]
        if self.seeds == 1:
            sets[2] = sets[1][:0]
        done = [np.concatenate([_weighted_quantiles(x, w, at) for x in flat], axis=1) for w in sets]
        users = done[1] if self.seeds == 1 else done[2]
        return Draws(done[0][0], done[1], users, done[3])

    def intervals(self, draws: Draws) -> list[Interval]:
        """One interval per quantity."""
        noise = draws.users.var(axis=0, ddof=1) * self.users / max(self.users - 1, 1)
        n = len(draws.without)
        between = draws.without.var(axis=0) * (n - 1) if n else np.zeros_like(noise)
        return self._stretched(draws.point, draws.both, self._reach(noise, between))

    def interval(self, draws: Draws) -> Interval:
        """The interval of the only quantity."""
        (only,) = self.intervals(draws)
        return only

    def mean(self, values: Floats) -> Interval:
        """Interval of the mean of values (seeds, users)."""
        return self.interval(self.means(values))

    def shares(
        self,
        counts: npt.NDArray[Any],
        users: npt.NDArray[Any],
        curve: npt.NDArray[Any] | None = None,
    ) -> list[Interval]:
        """Intervals of shares known only as counts out of `users`; both (k, seeds).

        Redrawing n users of whom a share p is active gives a binomial(n, p): no rows are needed.
        With none or all active in every seed the far end is the exact one-sided bound,
        alpha/2 = (1 - bound)^(users), since redrawing cannot show what was never seen.

        `curve` (k,) says which shares are days of one curve. V_seeds / V_users is then averaged
        over the curve, and t(S - 1) is used where it exceeds 1.5: bands are smooth, and cover 96,
        95, 94, 94, 94 % (600 simulated studies of 3 seeds, d = 0, 0.5, 1, 2, 3 as above).
        """
        if counts.shape != users.shape or counts.shape[1:] != (self.seeds,):
            raise ValueError(
                f"counts {counts.shape} and users {users.shape}; wanted (k, {self.seeds}) for both"
            )
        if (users < 1).any() or (counts < 0).any() or (counts > users).any():
            raise ValueError("counts must lie in 0 .. users, and users be at least 1")
        p = counts / users
        rng = np.random.default_rng(self._key)  # the answer must not depend on earlier questions
        drawn = np.empty((self.draws, len(p)))
        rows = max(1, CELLS // max(1, p.size))
        for i in range(0, self.draws, rows):
            chosen = self.chosen[i : i + rows]
            size = users.T[chosen]  # (rows, seeds, k)
            drawn[i : i + rows] = (rng.binomial(size, p.T[chosen]) / size).mean(axis=1)
        noise = (p * (1 - p) / np.maximum(users - 1, 1)).sum(axis=1) / self.seeds**2
        between = p.var(axis=1, ddof=1) / self.seeds if self.seeds > 1 else np.zeros(len(p))
        clear = 0.5
        if curve is not None:
            ratio = np.divide(between, noise, out=np.ones(len(p)), where=noise > 0)
            between, clear = noise * _means_within(curve, ratio), 1.5
        found = self._stretched(p.mean(axis=1), drawn, self._reach(noise, between, clear))
        return [self._unit(x, int(n)) for x, n in zip(found, users.sum(axis=1), strict=True)]

    def fractions(self, holds: npt.NDArray[np.bool_]) -> list[Interval]:
        """Intervals of the share of users for whom something holds; (k, seeds, users)."""
        found = self.intervals(self.means(holds.astype(np.float64)))
        return [self._unit(x, self.seeds * self.users) for x in found]

    def _unit(self, x: Interval, users: int) -> Interval:
        """Keep a share within [0, 1], and honest where it is 0 or 1."""
        bound = 1 - ((1 - self.level) / 2) ** (1 / users)
        low = 1 - bound if x.mean == 1 else max(x.low, 0.0)
        high = bound if x.mean == 0 else min(x.high, 1.0)
        return replace(x, low=low, high=high)

    def _reach(self, noise: Floats, between: Floats, clear: float = 0.5) -> Floats:
        """Half the width of the interval, as the module says: V_users, V_seeds -> reach."""
        from scipy.stats import t

        tail = (1 - self.level) / 2
        reach: Floats = np.sqrt(noise) * -t.ppf(tail, max(self.seeds * (self.users - 1), 1))
        if self.seeds > 1:
            wide = np.sqrt(between) * -t.ppf(tail, self.seeds - 1)
            reach = np.where(between > clear * noise, np.maximum(reach, wide), reach)
        return reach

    def _stretched(self, point: Floats, draws: Floats, reach: Floats) -> list[Interval]:
        """Percentiles of the draws, stretched about the estimate to their reach."""
        from scipy.stats import norm

        tail = (1 - self.level) / 2
        low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
        if not self.plain:
            spread = draws.std(axis=0, ddof=1) * -norm.ppf(tail)
            factor = np.divide(reach, spread, out=np.ones_like(point), where=spread > 0)
            low, high = point + (low - point) * factor, point + (high - point) * factor
        return [
            Interval(float(m), float(a), float(b), self.seeds, self.users)
            for m, a, b in zip(point, low, high, strict=True)
        ]

    def headroom(self, values: Floats, myopic: int, oracle: int) -> list[Interval]:
        """Headroom closed, (J - J_myopic) / (J_oracle - J_myopic), of every agent.

        values (agents, seeds, users). When the interval of the denominator includes 0 the scale
        means nothing: the intervals are nan, with a note that says so.
        """
        draws = self.means(values)
        scale = self.interval(draws.difference(oracle, myopic))
        if scale.sign <= 0:
            note = f"oracle - myopic is {scale}: not clearly above 0, so there is no scale"
            nan = Interval(math.nan, math.nan, math.nan, self.seeds, self.users, note)
            return [nan] * len(draws.point)

        def closed(m: Floats) -> Floats:
            zero = m[..., myopic : myopic + 1]
            return (m - zero) / (m[..., oracle : oracle + 1] - zero)

        return self.intervals(draws.of(closed))


def _means_within(label: npt.NDArray[Any], x: Floats) -> Floats:
    """Each value replaced by the mean of all values that share its label."""
    _, group = np.unique(label, return_inverse=True)
    means: Floats = np.bincount(group, weights=x) / np.bincount(group)
    return means[group]


def _weighted_quantiles(
    values: Floats, weights: npt.NDArray[np.uint16], at: Sequence[float]
) -> Floats:
    """Inverse-cdf quantiles of values (n,) under each row of weights (rows, n): (rows, at)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    found = np.empty((len(weights), len(at)))
    rows = max(1, CELLS // len(values))
    for i in range(0, len(weights), rows):
        below = np.cumsum(weights[i : i + rows, order], axis=1, dtype=np.int32)
        total = below[:, -1:].astype(np.float64)
        for j, q in enumerate(at):
            # 1e-9: 0.1 * 30 is a little above 3 in floating point
            found[i : i + rows, j] = ordered[(below < q * total - 1e-9).sum(axis=1)]
    return found


def pairing_gain(a: Floats, b: Floats) -> float:
    """Variance of a difference of means with other users, over that with the same: (seeds, users).

    How many times more users an unpaired comparison needs. With equal variances and correlation
    rho it is 1 / (1 - rho). inf when the paired difference is constant.
    """
    paired = (a - b).var(axis=1).mean()
    apart = a.var(axis=1).mean() + b.var(axis=1).mean()
    if paired > 0:
        return float(apart / paired)
    return math.inf if apart > 0 else 1.0


@dataclass(frozen=True)
class Hurt:
    """Who gains and who loses under an agent, user by user against a baseline."""

    worse: Interval  # share of users with less than under the baseline [0, 1]
    better: Interval  # share with more [0, 1]
    decile: Interval  # lower decile of users under the agent
    effects: tuple[Interval, ...]  # quantile treatment effects at QUANTILES: the agent's quantile
    #   minus the baseline's (quantiles of who is where, not of the same person's change)


def who_is_hurt(
    bootstrap: Bootstrap, values: Floats, baseline: int, tolerance: float = 1e-9
) -> list[Hurt]:
    """Per agent, what each user gains or loses against the baseline; values (agents, seeds, users).

    Same people, same luck: a user who is worse off is worse off because of the policy, but part
    of it is luck that the policy set off (another song, another visit), not lasting harm.
    """
    change = values - values[baseline]
    worse = bootstrap.fractions(change < -tolerance)
    better = bootstrap.fractions(change > tolerance)
    draws = bootstrap.quantiles(values, QUANTILES)
    n = len(QUANTILES)
    quantiles = bootstrap.intervals(draws)

    def against(m: Floats) -> Floats:
        of_baseline: Floats = np.concatenate(
            [m[..., baseline * n : (baseline + 1) * n]] * len(values), -1
        )
        return m - of_baseline

    effects = bootstrap.intervals(draws.of(against))
    return [
        Hurt(worse[i], better[i], quantiles[i * n], tuple(effects[i * n : (i + 1) * n]))
        for i in range(len(values))
    ]
