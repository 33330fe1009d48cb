"""Scalarisers: from several objectives to one number, or to one choice.

A policy gives every user a return vector x (d objectives, each to be maximised). What to make of
it is a statement about who is judged, and it decides where a scalariser may stand:

    SER   u(E[x])     of the mean vector: scalarised expected returns. The users together are to
                      have some of each; one may have only the first, another only the second.
    ESR   E[u(x)]     of every user's own vector: expected scalarised returns. Each user is to
                      have some of each.
    users rho(w'x)    of how one return is spread over the users: CVaR.
    step  sum u(r_t)  of every step's own vector. It is SER and ESR at once if u is linear, and
                      neither otherwise: a sum of minima is not the minimum of sums.

(Roijers et al. 2013, JAIR 48; Hayes et al. 2022, JAAMAS 36.) `of` takes the returns of a
policy's users, (..., users, d), and applies the scalariser as its `criterion` says; `best` chooses
among policies. `vector.scalarised` pays an environment's steps, and refuses what is not
linear unless it is asked for a sum of per-step values in so many words.

    GGI((1.0, 0.5)).of(returns)                       # a number a policy
    str(GGI((1.0, 0.5)))   # "1.0 * sorted(E[x1], E[x2])[1] + 0.5 * sorted(E[x1], E[x2])[2]"
    Preference.from_dict(GGI((1.0, 0.5)).to_dict())   # equals the original

Everything is NumPy on whole arrays. One row of a batch equals the same row alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from longplay.rewards.preference import (
    Preference,
    Scalariser,
    Utility,
    Values,
    as_vectors,
    check_criterion,
    dot,
    number,
    numbers,
)
from longplay.rewards.settings import sum_text

__all__ = [
    "GGI",
    "CVaR",
    "Chebyshev",
    "Lexicographic",
    "Linear",
    "Preference",
    "Scalariser",
    "Utility",
]


@dataclass(frozen=True)
class Linear(Utility):
    """A weighted sum of the objectives.

        u(x) = sum_i w_i x_i                                                            (1)

    Formula: (1), of SER, ESR and per step alike, being linear. Unit: of w times x. Range: any.
    Source: Roijers et al. 2013, JAIR 48. What it leaves invariant: a positive factor on all w ranks
    policies as before. Blind spot: over any w it reaches only points on the convex hull of what
    policies attain (Das and Dennis 1997); a balanced policy below the chord of two extremes is
    never chosen.

    Args:
        weights: (d,) finite, not all 0.
    """

    kind: ClassVar[str] = "linear"
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", numbers(self.weights, "linear weights"))
        if not any(self.weights):
            raise ValueError(f"linear weights {self.weights} are all 0; give one that is not")

    @property
    def criterion(self) -> str:
        """Of the mean ("ser"); being linear, of every user ("esr") as well."""
        return "ser"

    @property
    def dimension(self) -> int:
        """How many objectives it judges."""
        return len(self.weights)

    def __call__(self, vectors: npt.ArrayLike) -> Values:
        """Equation (1): (..., d) -> (...)."""
        return dot(self.weights, as_vectors(vectors, self.dimension))

    def _body(self, names: Sequence[str]) -> str:
        return sum_text(self.weights, names)


@dataclass(frozen=True)
class Chebyshev(Utility):
    """How far the worst objective stays below an ideal, as a loss.

        u(x) = -max_i w_i (z_i - x_i) - rho sum_i (z_i - x_i)                           (2)

    Formula: (2), the weighted Chebyshev distance to an ideal z >= x; the augmented one if rho > 0.
    Where x exceeds z it goes on counting, unlike |z - x|, so that more is never worse. Per
    criterion: "ser" (a point of the front of mean returns) or "esr"; never per step unless asked
    for. Unit: of w times x. Range: at most 0 if z is ideal. Source: Steuer and Choo 1983; of what
    lies beyond z, Wierzbicki's achievement function, 1980. What it leaves invariant: the same shift
    of x and z.

    With rho = 0 the best point is at least weakly Pareto optimal, with rho > 0 Pareto optimal. With
    rho = 0 every Pareto optimal point is the best one for w_i = 1 / (z_i - x_i), z above all
    points, concave parts of the front included, where `Linear` never arrives; the larger rho, the
    more of these it misses, as `Linear` does.

    Args:
        weights: (d,) finite and above 0.
        ideal: z, (d,) finite; the best that each objective could be, or more.
        rho: weight of the sum, at least 0; small, e.g. 0.01.
        criterion: "ser" or "esr".
    """

    kind: ClassVar[str] = "chebyshev"
    weights: tuple[float, ...]
    ideal: tuple[float, ...]
    rho: float = 0.0
    criterion: str = "ser"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", numbers(self.weights, "chebyshev weights"))
        object.__setattr__(self, "ideal", numbers(self.ideal, "the ideal of chebyshev"))
        object.__setattr__(self, "rho", number(self.rho, "rho of chebyshev"))
        check_criterion(self.criterion, self.kind)
        if min(self.weights) <= 0:
            raise ValueError(f"chebyshev weights {self.weights}; each must be above 0")
        if len(self.ideal) != len(self.weights):
            raise ValueError(
                f"{len(self.weights)} weights and an ideal of {len(self.ideal)} numbers; "
                "give chebyshev one of each an objective"
            )
        if self.rho < 0:
            raise ValueError(f"rho={self.rho} of chebyshev would pay for losses; give 0 or more")

    @property
    def dimension(self) -> int:
        """How many objectives it judges."""
        return len(self.weights)

    def __call__(self, vectors: npt.ArrayLike) -> Values:
        """Equation (2): (..., d) -> (...)."""
        short = np.array(self.ideal) - as_vectors(vectors, self.dimension)  # (..., d)
        worst = (short * np.array(self.weights)).max(axis=-1)
        return np.asarray(-worst - self.rho * dot((1.0,) * self.dimension, short))

    def _body(self, names: Sequence[str]) -> str:
        short = [f"({z!r} - {name})" for z, name in zip(self.ideal, names, strict=True)]
        worst = ", ".join(f"{w!r} * {s}" for w, s in zip(self.weights, short, strict=True))
        tail = f" - {self.rho!r} * ({' + '.join(short)})" if self.rho else ""
        return f"-max({worst}){tail}"


@dataclass(frozen=True)
class GGI(Utility):
    """The generalised Gini index: the least objective counts most.

        u(x) = sum_i w_i x_(i),  x_(1) <= x_(2) <= ... <= x_(d),  w_1 >= w_2 >= ... >= 0  (3)

    Formula: (3). Source: Weymark 1981; of bandits with several metrics, Busa-Fekete et al. 2017 and
    Mehrotra, Xue and Lalmas 2020. Per criterion: "ser" (the users' means are balanced) or "esr"
    (every user's own vector is); never per step unless asked for. Unit: of w times x; the
    objectives are compared with each other, so bring them to one scale first, e.g.
    `0.1 * Minutes()`. Range: any. What it leaves invariant: the order of objectives, and a positive
    factor on w ranks policies as before. Concave, and no smaller after a transfer from a larger
    objective to a smaller one that does not cross it (Pigou-Dalton); larger by (w_i - w_j) times
    the transfer from rank j to rank i < j, while ranks stay.

    Args:
        weights: (d,) finite, at least 0, none larger than the one before, the first above 0;
            1, 1/2, 1/4, ... is the usual choice. Equal ones make it a sum.
        criterion: "ser" or "esr".
    """

    kind: ClassVar[str] = "ggi"
    weights: tuple[float, ...]
    criterion: str = "ser"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", numbers(self.weights, "ggi weights"))
        check_criterion(self.criterion, self.kind)
        falling = all(a >= b for a, b in zip(self.weights, self.weights[1:], strict=False))
        if not falling or self.weights[-1] < 0 or self.weights[0] <= 0:
            raise ValueError(
                f"ggi weights {self.weights}; wanted numbers that never rise, the first above 0 "
                "and none below 0: the first weighs the least objective, e.g. (1, 0.5, 0.25)"
            )

    @property
    def dimension(self) -> int:
        """How many objectives it judges."""
        return len(self.weights)

    def __call__(self, vectors: npt.ArrayLike) -> Values:
        """Equation (3): (..., d) -> (...)."""
        return dot(self.weights, np.sort(as_vectors(vectors, self.dimension), axis=-1))

    def _body(self, names: Sequence[str]) -> str:
        inner = ", ".join(names)
        ranks = [f"sorted({inner})[{i + 1}]" for i in range(len(names))]
        return sum_text(self.weights, ranks)


@dataclass(frozen=True)
class CVaR(Scalariser):
    """Conditional value at risk over users: the mean return of the worst-off share of them.

        CVaR_a = max_v v - E[(v - R)+] / a,  R = sum_i w_i x_i                          (4)

    Formula: (4). Source: Rockafellar and Uryasev 2000, for gains. The best v is the a-quantile; the
    value is the mean of the worst a n of n users, of whom the last counts with the fraction that is
    left. Of users' returns only: a step has no users to compare, so it is never paid per step.
    Unit: of w times x. Range: between the least return and the mean, which it is at a = 1.
    What it leaves invariant: who the users are; CVaR(c + b R) = c + b CVaR(R) for b > 0.

    Args:
        share: a, in (0, 1].
        weights: (d,) of the return R; finite, not all 0.
    """

    kind: ClassVar[str] = "cvar"
    share: float
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", number(self.share, "share of cvar"))
        object.__setattr__(self, "weights", Linear(self.weights).weights)
        if not 0 < self.share <= 1:
            raise ValueError(f"share={self.share} of cvar; wanted above 0 and at most 1, e.g. 0.1")

    @property
    def criterion(self) -> str:
        """How one return is spread over the users."""
        return "users"

    @property
    def dimension(self) -> int:
        """How many objectives it judges."""
        return len(self.weights)

    def of(self, returns: npt.ArrayLike) -> Values:
        """Equation (4): (..., users, d) -> (...)."""
        return np.asarray(self.per_user(returns).mean(axis=-1))

    def per_user(self, returns: npt.ArrayLike) -> Values:
        """v - (v - R)+ / a at the best v, whose mean over users is the value: -> (..., users).

        v is the smallest return with a share a of users at or below it; since (4) is flat in v
        at its maximum, the error of a mean of these is that of the value to first order.
        """
        users = dot(self.weights, self._returns(returns))  # (..., users)
        n = users.shape[-1]
        last = min(max(math.ceil(self.share * n), 1), n) - 1
        v = np.sort(users, axis=-1)[..., last : last + 1]
        return np.asarray(v - np.maximum(v - users, 0.0) / self.share)

    def formula(self, names: Sequence[str]) -> str:
        """cvar(share; weighted sum)."""
        self._check(names)
        return f"cvar({self.share!r}; {sum_text(self.weights, names)})"


@dataclass(frozen=True)
class Lexicographic(Preference):
    """First things first: of the policies nearly best in the first objective, the best in the next.

        K_0 = all,  K_i = {k in K_(i-1): m_ki >= max over K_(i-1) of m_i - slack_i},
        choice = argmax over K_(d-1) of m_d,  m = E[x]                                  (5)

    Formula: (5). Source: with slack, Wray, Zilberstein and Mouaddib 2015. Of mean returns
    (SER), and no number: what is nearly best depends on what else there is, so it is neither paid
    per step nor averaged. Unit: none; slack is in that of its objective. Range: one of the
    policies. What it leaves invariant: what is added to an objective of all policies alike.

    Args:
        slack: (d - 1,) how far below the best is as good, in the units of each objective but the
            last; finite, at least 0.
    """

    kind: ClassVar[str] = "lexicographic"
    slack: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "slack", numbers(self.slack, "slack of lexicographic"))
        if min(self.slack) < 0:
            raise ValueError(f"slack {self.slack} of lexicographic; each must be 0 or more")

    @property
    def criterion(self) -> str:
        """Mean returns are compared."""
        return "ser"

    @property
    def dimension(self) -> int:
        """How many objectives it judges."""
        return len(self.slack) + 1

    def best(self, returns: npt.ArrayLike) -> int:
        """Equation (5); the first of equals. returns (policies, users, d)."""
        means = self._candidates(returns).mean(axis=1)  # (policies, d)
        kept = np.arange(len(means))
        for i, slack in enumerate((*self.slack, 0.0)):
            column = means[kept, i]
            kept = kept[column >= column.max() - slack]
        return int(kept[0])

    def formula(self, names: Sequence[str]) -> str:
        """The order of the objectives and the slack of each."""
        self._check(names)
        firsts = [f"E[{n}] within {s!r}" for n, s in zip(names[:-1], self.slack, strict=True)]
        return f"lexicographic({', then '.join([*firsts, f'E[{names[-1]}]'])})"
