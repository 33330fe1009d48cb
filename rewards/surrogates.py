"""Surrogate indices: the long term foretold from the first days of a user.

    h(S) = E[ Y | S ],   S_j = sum of signal j,  Y = sum of the outcome                        (1)

S over a user's first `days`, Y over the first `horizon_days`: Athey, Chetty, Imbens and Kang 2019
(https://www.nber.org/papers/w26463 [S]). The mean of h over the treated less that over the control
is the effect on Y if whatever is done to people moves Y through S alone (*surrogacy*), and if Y
follows from S as it did in the log that h was fitted to (*comparability*). Neither can be seen in
the data; `longplay.experiments.studies.surrogacy` shows what happens where the first fails.

    index14 = SurrogateIndex.fit(log, [Minutes(), ActiveDay()], ActiveDay(), days=14,
                                 horizon_days=60, name="index14")
    users, worth = index14.score(other_log)      # h(S) of every user
    rewarded(cohort, 0.1 * index14.reward())     # paid step by step
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from longplay.rewards.fitted import Fitted, check_watched, report_of
from longplay.rewards.logs import per_user
from longplay.rewards.models import Learner, LinearModel, Model, crossfit, ridge
from longplay.rewards.objective import Objective
from longplay.rewards.settings import positive, real
from longplay.rewards.step import Step, Values


class SurrogateIndex(Fitted):
    """Equation (1): a score of users from their first days, and a reward.

    Formula, of a step: sum_j w_j s_j(step) 1[clock < 24 days], with the weights w_j of a linear h:
    what the step adds to h. Over a user's first days it sums to h(S) - h(0); so what it leaves
    invariant is the order of policies by their mean index, and nothing beyond the window is paid.
    Unit: that of the outcome. Range: any. Source: Athey et al. 2019 [S].

    A boosted h is no sum over steps: what a step adds depends on all that was before. It scores
    users, and refuses to be a reward; `Potential(ValueModel.fit(..., learner=Boosting()))` pays
    for the change of a boosted forecast.

    Args:
        name: its label.
        model: of the sums of the signals.
        signals: objectives of a step; at least one.
        days: the window of the signals [day].
        horizon_days: that of the outcome [day], > days.
        outcome: the formula of what is foretold, for the reader.
        report: how well it did out of fold.

    Raises:
        ValueError: no model, no signals, or a horizon that is no longer than the window.
    """

    kind: ClassVar[str] = "surrogate_index"

    def __init__(
        self,
        name: str = "index",
        model: Model | None = None,
        signals: Sequence[Objective] = (),
        days: float = 14.0,
        horizon_days: float = 60.0,
        outcome: str = "",
        report: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, model, report or {})  # type: ignore[arg-type]
        _check_windows(name, days, horizon_days, signals)
        if self.model.features != len(signals):
            raise ValueError(
                f"{name} has {len(signals)} signals and a model of {self.model.features}; fit it "
                "with SurrogateIndex.fit(log, signals, outcome)"
            )
        self.signals = tuple(signals)
        self.days, self.horizon_days = float(days), float(horizon_days)
        self.outcome = outcome
        self.out_of_fold: tuple[npt.NDArray[np.int64], Values] | None = None

    @classmethod
    def fit(
        cls,
        log: Step,
        signals: Sequence[Objective],
        outcome: Objective,
        *,
        days: float = 14.0,
        horizon_days: float = 60.0,
        name: str = "index",
        learner: Learner | None = None,
        folds: int = 5,
        seed: int = 0,
    ) -> "SurrogateIndex":
        """Fit (1) to a log of whole lives.

        Args:
            log: see `record`; its people are watched for `horizon_days` or longer.
            signals: what is summed over the first `days`.
            outcome: what is summed over the first `horizon_days`.
            days, horizon_days: the windows [day].
            name: its label.
            learner: `ridge()` if none is given; or longplay.experiments.boosting.Boosting().
            folds, seed: of the users, for out-of-fold R2 and calibration.

        Raises:
            ValueError: the log is too short, or the signals explain nothing of the outcome: the
                interval of out-of-fold R2 reaches down to 0.
        """
        _check_windows(name, days, horizon_days, signals)
        check_watched(log, horizon_days, name)
        users, sums = early_sums(log, signals, days)
        _, later = early_sums(log, [outcome], horizon_days)
        found = crossfit(
            sums,
            later[:, 0],
            users,
            ridge() if learner is None else learner,
            folds=folds,
            seed=seed,
            what=name,
        )
        index = cls(name, found.model, signals, days, horizon_days, str(outcome), report_of(found))
        index.out_of_fold = users, found.predicted
        return index

    def score(self, log: Step) -> tuple[npt.NDArray[np.int64], Values]:
        """h(S) of every user of a log: their numbers (users,), sorted, and worths (users,).

        Score other people than it was fitted to; of those, `out_of_fold` has what models of other
        folds said: users and worths, until it is saved.

        Raises:
            ValueError: the log ends before the window.
        """
        check_watched(log, self.days, self.name)
        users, sums = early_sums(log, self.signals, self.days)
        return users, self.model.predict(sums)

    def reward(self) -> "SurrogateIndex":
        """Itself, if it can be paid step by step.

        Raises:
            ValueError: its model is not linear.
        """
        if not isinstance(self.model, LinearModel):
            raise ValueError(
                f"{self.name} is boosted, so what a step adds depends on all that was before; fit "
                "it with ridge(), or reward Potential(ValueModel.fit(log, objective, "
                "learner=Boosting()))"
            )
        return self

    def proxy(self) -> Objective:
        """The weighted sum of signals that a linear index pays within its window, and always.

        Raises:
            ValueError: its model is not linear.
        """
        weights = self.reward().model.weights  # type: ignore[union-attr]
        total: Objective = sum(  # type: ignore[assignment]
            float(w) * signal for w, signal in zip(weights, self.signals, strict=True)
        )
        return total

    @property
    def needs(self) -> frozenset[str]:  # type: ignore[override]
        """What its signals need. ValueError of a boosted one, which is no reward."""
        self.reward()
        return frozenset().union(*(signal.needs for signal in self.signals))

    @property
    def window_days(self) -> float:  # type: ignore[override]
        """As far as the signals look, at least its window, in which a study must not end."""
        return max(self.days, *(signal.window_days for signal in self.signals))

    def judge(self, step: Step) -> Values:
        """What the step adds to h, in the window."""
        model = self.reward().model
        added = np.zeros(step.outcomes.shape)
        for weight, signal in zip(model.weights, self.signals, strict=True):  # type: ignore[union-attr]
            added += weight * signal.judge(step)
        return np.where(step.outcomes["clock"] < 24.0 * self.days, added, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """All that it was made of."""
        return {
            "kind": self.kind,
            "name": self.name,
            "model": self.model.to_dict(),
            "signals": [signal.to_dict() for signal in self.signals],
            "days": self.days,
            "horizon_days": self.horizon_days,
            "outcome": self.outcome,
            "report": self.report,
        }

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "SurrogateIndex":
        signals = [Objective.from_dict(signal) for signal in data["signals"]]
        found = super()._from_dict({**data, "signals": signals})
        assert isinstance(found, SurrogateIndex)
        return found


def early_sums(
    log: Step, signals: Sequence[Objective], days: float
) -> tuple[npt.NDArray[np.int64], Values]:
    """Sums of signals over each user's first days: users (n,), sorted, and sums (n, signals)."""
    early = log.outcomes["clock"] < 24.0 * days
    columns = [per_user(log, np.where(early, signal(log), 0.0)) for signal in signals]
    return columns[0][0], np.stack([sums for _, sums in columns], axis=1)


def _check_windows(
    name: str, days: float, horizon_days: float, signals: Sequence[Objective]
) -> None:
    days, ahead = positive(days, "days", name, 14), real(horizon_days)
    if ahead is None or not days < ahead < math.inf:
        raise ValueError(
            f"horizon_days={horizon_days!r} of {name} is not beyond its window of {days:g} days; "
            "look further ahead, e.g. 60, or shorten the window"
        )
    if not signals:
        raise ValueError(f"{name} has no signals; give some, e.g. [Minutes(), ActiveDay()]")
    for signal in signals:
        if not isinstance(signal, Objective):
            raise TypeError(f"{signal!r} of {name} is no objective; give signals, e.g. Minutes()")
