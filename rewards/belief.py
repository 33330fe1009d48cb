"""The progressive filter: what days seen so far say of the days to come.

A trace is a row of `days` numbers, 1 where a user was active that day. With a prior N(mu, Sigma) of
the mean trace of a group (an item's listeners), and noise of covariance V of each member,

    m | seen = mu + Sigma_k (Sigma_kk + W)^-1 (ybar_k - mu_k),   W_ij = V_ij / max(n_i, n_j)    (1)
    Sigma | seen = Sigma - Sigma_k (Sigma_kk + W)^-1 Sigma_k'                                   (2)

n_d members have shown day d, ybar_d their mean, k the first day that nobody has shown: a day seen
by some already counts. The belief on the days of a whole trace has mean 1'm and variance 1'Sigma 1.
"Impatient bandits", McDonald et al., KDD 2023, and their code (spotify-research/impatient-bandits,
belief.py) [L]; priors are fitted as there: mu the mean of groups' means, Sigma their covariance, V
the mean covariance within groups.

A single user is a group of one whose own days are asked for: `TraceBelief.of_users` sets Sigma to
the covariance of users' traces and V to 0. Then 1'm is the days seen plus those expected, and
`progressive(env, belief)` pays for its change.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled
from longplay.rewards.models import Floats, Ints
from longplay.rewards.step import Step

DAYS = 59  # of a trace, in the source


class TraceBelief:
    """A prior of traces, and what becomes of it: equations (1) and (2).

    Formula: 1'm, the days of a whole trace that are expected. Unit: day. Range: about 0 .. days; a
    Gaussian knows no bounds. Source: McDonald et al., KDD 2023, and their code [L]. What it leaves
    invariant: days already seen, where the noise is 0. As a reward it is paid by `progressive`.

    Args:
        mean: mu (days,).
        covariance: Sigma (days, days), symmetric, no eigenvalue below 0.
        noise: V (days, days), likewise.

    Raises:
        ValueError: shapes that do not fit, a number that is not finite, or no covariance.
    """

    def __init__(
        self, mean: npt.ArrayLike, covariance: npt.ArrayLike, noise: npt.ArrayLike
    ) -> None:
        self.mean = np.array(mean, np.float64)
        self.covariance = np.array(covariance, np.float64)
        self.noise = np.array(noise, np.float64)
        self.days = len(self.mean) if self.mean.ndim == 1 else 0
        for name, square in (("covariance", self.covariance), ("noise", self.noise)):
            if self.days == 0 or square.shape != (self.days, self.days):
                raise ValueError(
                    f"{name} of shape {square.shape} for a mean of shape {self.mean.shape}; wanted "
                    "(days, days) and (days,); make it with TraceBelief.fit(traces, groups)"
                )
            if not (np.isfinite(square).all() and np.isfinite(self.mean).all()):
                raise ValueError(f"{name} or mean is not finite; fit them to finite traces")
            least, most = np.linalg.eigvalsh(square)[[0, -1]]
            if not np.allclose(square, square.T) or least < -1e-8 * max(most, 1e-300):
                raise ValueError(f"{name} is no covariance: not symmetric, or a variance below 0")

    @classmethod
    def fit(cls, traces: npt.ArrayLike, groups: npt.NDArray[Any]) -> "TraceBelief":
        """Priors by empirical Bayes, from traces (users, days) in groups (users,).

        As in the source, the covariance of groups' means holds some of the members' noise: take
        groups of many members.

        Raises:
            ValueError: fewer than two groups of at least two members.
        """
        rows = np.asarray(traces, np.float64)
        _, at, size = np.unique(groups, return_inverse=True, return_counts=True)
        kept = np.flatnonzero(size >= 2)
        if len(kept) < 2:
            raise ValueError(
                f"{len(kept)} groups have two members or more; give at least two such groups, or "
                "take TraceBelief.of_users for single users"
            )
        means = np.zeros((len(size), rows.shape[1]))
        np.add.at(means, at, rows)
        means /= size[:, None]
        inside = np.flatnonzero(size[at] >= 2)
        off = (rows - means[at])[inside]
        weight = 1.0 / (size[at[inside]] - 1.0)
        noise = (off * weight[:, None]).T @ off / len(kept)
        between = np.cov(means[kept].T).reshape(noise.shape)
        return cls(means[kept].mean(axis=0), between, _even(noise))

    @classmethod
    def of_users(cls, traces: npt.ArrayLike, jitter: float = 1e-6) -> "TraceBelief":
        """The belief about single users' own traces (users, days), without noise.

        Args:
            traces: of users like those it is to be used for; many more than days.
            jitter: added to every day's variance, for days on which nobody differs.

        Raises:
            ValueError: fewer than two users.
        """
        rows = np.asarray(traces, np.float64)
        if rows.ndim != 2 or len(rows) < 2:
            raise ValueError(
                f"traces of shape {rows.shape}; wanted (users, days), two users or more"
            )
        days = rows.shape[1]
        square = np.cov(rows.T).reshape(days, days) + jitter * np.eye(days)
        return cls(rows.mean(axis=0), square, np.zeros((days, days)))

    def posterior(self, counts: npt.ArrayLike, means: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Equations (1) and (2) for one group: m (days,) and Sigma (days, days).

        Args:
            counts: members who have shown each day (days,), never rising.
            means: their means (days,); not looked at where nobody has.

        Raises:
            ValueError: another shape, or counts that rise.
        """
        n, ybar = np.asarray(counts, np.float64), np.asarray(means, np.float64)
        if n.shape != (self.days,) or ybar.shape != (self.days,):
            raise ValueError(
                f"counts of shape {n.shape} and means of shape {ybar.shape}; wanted ({self.days},)"
            )
        if (np.diff(n) > 0).any() or n[-1] < 0:
            raise ValueError(
                "counts rise from day to day; who has shown a day has shown all before"
            )
        k = int(np.count_nonzero(n > 0))
        if k == 0:
            return self.mean.copy(), self.covariance.copy()
        seen = self.covariance[:k, :k] + self.noise[:k, :k] / np.maximum(n[:k, None], n[None, :k])
        gain = np.linalg.solve(seen, self.covariance[:k]).T
        mean = self.mean + gain @ (ybar[:k] - self.mean[:k])
        return mean, _even(self.covariance - gain @ self.covariance[:k])

    def total(self, counts: npt.ArrayLike, means: npt.ArrayLike) -> tuple[float, float]:
        """Mean and variance of the belief on the days of a whole trace: what to draw for Thompson.

        Arguments and errors are those of `posterior`.
        """
        mean, square = self.posterior(counts, means)
        return float(mean.sum()), max(0.0, float(square.sum()))

    @cached_property
    def weights(self) -> tuple[Floats, Floats]:
        """E[days of the trace | first k of one user] = start[k] + y[:k] . slopes[k, :k].

        Returns:
            start (days + 1,) and slopes (days + 1, days), 0 beyond k.
        """
        start, slopes = np.zeros(self.days + 1), np.zeros((self.days + 1, self.days))
        start[0] = self.mean.sum()
        for k in range(1, self.days + 1):
            seen = (self.covariance + self.noise)[:k, :k]
            slopes[k, :k] = np.linalg.solve(seen, self.covariance[:k].sum(axis=1))
            start[k] = self.mean.sum() - slopes[k, :k] @ self.mean[:k]
        return start, slopes

    def expected(self, traces: npt.ArrayLike, known: npt.ArrayLike) -> Floats:
        """Days of the whole trace that each user is expected to show.

        Args:
            traces: (users, days); days from `known` on are not looked at.
            known: how many days each has shown, 0 .. days (users,).

        Raises:
            ValueError: another shape.
        """
        rows, k = np.asarray(traces, np.float64), np.asarray(known, np.int64)
        if rows.shape != (*k.shape, self.days) or k.ndim != 1 or (k < 0).any():
            raise ValueError(
                f"traces of shape {rows.shape}, known of shape {k.shape}; wanted "
                f"(users, {self.days}) and (users,)"
            )
        out = np.empty(len(k))
        _expect(rows, np.minimum(k, self.days), *self.weights, out)
        return out

    def to_dict(self) -> dict[str, Any]:
        """JSON values that `from_dict` reads back."""
        names = ("mean", "covariance", "noise")
        return {"kind": "trace_belief"} | {name: getattr(self, name).tolist() for name in names}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "TraceBelief":
        """What `to_dict` wrote; ValueError if it is none."""
        try:
            return TraceBelief(data["mean"], data["covariance"], data["noise"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"a damaged belief ({error}); wanted what to_dict() writes") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TraceBelief) and other.to_dict() == self.to_dict()

    __hash__ = None  # type: ignore[assignment]


def traces_of(log: Step, days: int = DAYS) -> tuple[Ints, Floats]:
    """Active days of a log's users: their numbers (n,), sorted, and traces (n, days) of 0 and 1.

    Day d is active if a decision was made in its 24 hours, counted from the study's beginning,
    which is the user's first visit.

    Raises:
        ValueError: the log ends before the last day does.
    """
    from longplay.rewards.fitted import check_watched

    check_watched(log, days, f"a trace of {days} days")
    users, at = np.unique(log.outcomes["user"], return_inverse=True)
    day = np.floor(log.outcomes["clock"] / 24.0).astype(np.int64)
    traces = np.zeros((len(users), days))
    inside = day < days
    traces[at[inside], day[inside]] = 1.0
    return users, traces


@compiled
def _expect(traces: Any, known: Any, start: Any, slopes: Any, out: Any) -> None:
    for i in range(len(known)):
        k = known[i]
        total = start[k]
        for d in range(k):
            total += slopes[k, d] * traces[i, d]
        out[i] = total


def _even(square: Floats) -> Floats:
    return 0.5 * (square + square.T)
