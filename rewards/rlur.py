"""Return time, set beside the return time that was to be expected: the reward of RLUR.

    r = min(T / ((1 - T'(x)) T_beta), alpha)                                                   (1)

T time away after a session [h], T_beta a quantile of it, T'(x) the probability that a user who
looks like x is back within T_beta, by a classifier fitted to a log. By Markov's inequality
E[T | x] >= (1 - T'(x)) T_beta, so (1) sets T beside a lower bound of its mean: someone who comes
daily and someone who comes weekly are judged by the same measure. Cai et al., WWW 2023,
arXiv 2302.01724 [S], who minimise it; alpha = 3 is theirs, beta = 0.6 a free choice.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled
from longplay.envs.spaces import HIDDEN_FEATURES, USER_FEATURES
from longplay.rewards.fitted import Fitted, report_of, watched_until
from longplay.rewards.models import (
    Floats,
    Learner,
    Model,
    chance,
    crossfit,
    logistic,
    spread_out,
)
from longplay.rewards.settings import positive
from longplay.rewards.step import Step, Values

WHO = USER_FEATURES[:9]  # time of day and week; tenure, away, streak, active_rate, visit_rate
LEAST = 1e-12  # of 1 - T'(x): who is sure to be back soon, and is not, costs alpha


class ReturnTime(Fitted):
    """Equation (1): how long the user stayed away, as a multiple of what was to be expected.

    Formula: 1[ended] min(T / ((1 - T'(x)) T_beta), alpha); alpha for those who never return, 0
    within a session. Unit: 1. Range: 0 .. alpha. A cost: weigh it below 0. Source: Cai et al., WWW
    2023 [S]. What it leaves invariant: 0 within a session, so deciding by fetch or by session comes
    to the same sum as far as x does not change in between; multiplied by T_beta (1 - T'(x)) it is
    the time away as it was. It does not leave the order of policies as it is under time away: it
    weighs the hours of those who come often more.

    x are features of the user at the decision. Whatever moves x is forgiven: if ads drive people
    away and x tells of ads, they were expected to stay away. So x is by default when it is and how
    often the user comes, and leaves out what a policy moves within days (minutes, skips, ads) or
    within the session. With ads in x it gets the sign of an ad load's effect wrong
    (docs/surrogacy.md).

    Args:
        name: its label.
        model: of the log-odds of being back within `t_beta`, from `features`.
        features: of USER_FEATURES.
        t_beta: a quantile of the time away [h].
        alpha: the highest value.
        report: how well it did out of fold.
    """

    kind: ClassVar[str] = "return_time"
    needs = frozenset({"state"})

    def __init__(
        self,
        name: str = "return_time",
        model: Model | None = None,
        features: Sequence[str] = WHO,
        t_beta: float = 24.0,
        alpha: float = 3.0,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, model, report or {})  # type: ignore[arg-type]
        self.t_beta = positive(t_beta, "t_beta", name, 24)
        self.alpha = positive(alpha, "alpha", name, 3)
        if self.model.features != len(features):
            raise ValueError(
                f"{name} has {len(features)} features and a model of {self.model.features}; fit it "
                "with ReturnTime.fit(log)"
            )
        self.features = tuple(features)
        at = _columns(self.features, name)
        self._whole = spread_out(self.model, at, len(USER_FEATURES))

    @classmethod
    def fit(
        cls,
        log: Step,
        *,
        name: str = "return_time",
        beta: float = 0.6,
        alpha: float = 3.0,
        features: Sequence[str] = WHO,
        learner: Learner | None = None,
        folds: int = 5,
        seed: int = 0,
    ) -> "ReturnTime":
        """Fit T' to the ends of sessions in a log.

        Args:
            log: see `record`, with "state".
            name: its label.
            beta: T_beta is the quantile of time away at this share of returns, in (0, 1).
            alpha: the highest value, > 0.
            features: names of USER_FEATURES.
            learner: of log-odds: `logistic()` if none is given; or
                longplay.experiments.boosting.Boosting(odds=True).
            folds, seed: of the users, for the check that it explains anything.

        Raises:
            ValueError: a setting makes no sense, the log is too short, or the features explain
                nothing of who is back soon.
        """
        if not (isinstance(beta, (int, float)) and 0.0 < beta < 1.0):
            raise ValueError(f"beta={beta!r} of {name}; wanted a share between 0 and 1, e.g. 0.6")
        at = _columns(features, name)
        state = log.need("state", name)
        out = log.outcomes
        ended = out["ended"] > 0
        if not ended.any():
            raise ValueError(f"{name}: no session of the log ended; record longer lives")
        t_beta = float(np.quantile(out["away"][ended], beta, method="lower"))
        if not math.isfinite(t_beta):
            raise ValueError(
                f"{name}: at least {1 - beta:.0%} of the log's sessions were the last, so time "
                f"away has no finite quantile at beta={beta:g}; lower beta"
            )
        rows = ended & (out["clock"] + t_beta <= 24.0 * watched_until(log))
        if not rows.any():
            raise ValueError(
                f"{name} looks {t_beta:.4g} h ahead, and the log is shorter; record a longer "
                "study (horizon_days), or lower beta"
            )
        found = crossfit(
            np.asarray(state, np.float64)[rows][:, at],
            (out["away"][rows] <= t_beta).astype(np.float64),
            out["user"][rows],
            logistic() if learner is None else learner,
            folds=folds,
            seed=seed,
            odds=True,
            what=name,
        )
        return cls(name, found.model, features, t_beta, alpha, report_of(found))

    @property
    def window_days(self) -> float:  # type: ignore[override]
        """When its value is known at the latest: alpha T_beta [day]."""
        return self.alpha * self.t_beta / 24.0

    def soon(self, states: npt.ArrayLike) -> Floats:
        """T'(x): the probability to be back within `t_beta`, of states (..., 30)."""
        return chance(self._whole.predict(states))

    def judge(self, step: Step) -> Values:
        """Equation (1)."""
        out = step.outcomes
        odds = self._whole.predict(step.need("state", self))
        found = np.zeros(odds.shape)
        _times(
            odds.reshape(-1),
            np.asarray(out["ended"]).reshape(-1),
            np.asarray(out["away"]).reshape(-1),
            self.t_beta,
            self.alpha,
            found.reshape(-1),
        )
        return found

    def to_dict(self) -> dict[str, Any]:
        """All that it was made of."""
        return {
            "kind": self.kind,
            "name": self.name,
            "model": self.model.to_dict(),
            "features": list(self.features),
            "t_beta": self.t_beta,
            "alpha": self.alpha,
            "report": self.report,
        }


@compiled
def _times(odds: Any, ended: Any, away: Any, t_beta: float, alpha: float, out: Any) -> None:
    """Equation (1) where a session ended; 1 - T' is the chance of minus the log-odds."""
    for i in range(len(odds)):
        if ended[i] > 0.0:
            late = max(1.0 / (1.0 + math.exp(min(odds[i], 700.0))), LEAST)
            out[i] = min(away[i] / (late * t_beta), alpha)


def _columns(features: Sequence[str], name: str) -> npt.NDArray[np.int64]:
    for feature in features:
        if feature not in USER_FEATURES:
            hidden = "; it is hidden, and no platform can log it" * (feature in HIDDEN_FEATURES)
            raise ValueError(
                f"{name}: a state has no feature {feature!r}{hidden}; there are "
                f"{', '.join(USER_FEATURES)}"
            )
    if not features:
        raise ValueError(f"{name} has no features; give some, e.g. ['active_rate', 'visit_rate']")
    return np.array([USER_FEATURES.index(feature) for feature in features])
