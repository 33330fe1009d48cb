"""Value models: what the days ahead are worth, told from what the user looks like now.

    phi(s) = E[ sum_k gamma_day^((t_k - t) / 24) r_k | s ],   t <= t_k < t + 24 days           (1)

r_k what the objective pays for the decision at t_k [h]. A model of (1) on the 30 USER_FEATURES is
a potential, `Potential(ValueModel.fit(log, Minutes()))`, which pays for progress at once and
changes no optimum.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled
from longplay.envs.spaces import USER_FEATURES
from longplay.rewards.fitted import Fitted, check_watched, report_of, watched_until
from longplay.rewards.models import Learner, Model, crossfit, ridge
from longplay.rewards.objective import Objective
from longplay.rewards.settings import positive
from longplay.rewards.step import Step, Values


class ValueModel(Fitted):
    """Equation (1), fitted to a log: a function of the state.

    Formula: (1), by a model of the 30 features of `longplay.envs.spaces.USER_FEATURES`. Unit: that
    of the objective. Range: any. Source: fitted values as potentials, Ng, Harada and Russell, ICML
    1999 [M]; the days ahead are cut at `days`, so that no guess stands behind the log's end. What
    it leaves invariant: as a potential, the order of policies (see shaping.Potential); by itself
    it tells of the time before the step, which the step's action cannot change.

    It is the value under the policy of the log, in the world of the log, whose discount it takes.

    Args:
        name: its label.
        model: of USER_FEATURES.
        days: how far ahead it sums [day].
        gamma_day: discount of a day.
        objective: the formula of what it sums, for the reader.
        report: how well it did out of fold.
    """

    kind: ClassVar[str] = "value_model"
    needs = frozenset({"state"})

    def __init__(
        self,
        name: str = "value",
        model: Model | None = None,
        days: float = 28.0,
        gamma_day: float = 0.95,
        objective: str = "",
        report: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, model, report or {})  # type: ignore[arg-type]
        if self.model.features != len(USER_FEATURES):
            raise ValueError(
                f"{name} takes {self.model.features} features, a state has {len(USER_FEATURES)}; "
                "fit it with ValueModel.fit(log, objective)"
            )
        self.days, self.gamma_day, self.objective = float(days), float(gamma_day), objective

    @classmethod
    def fit(
        cls,
        log: Step,
        objective: Objective,
        *,
        name: str = "value",
        days: float = 28.0,
        learner: Learner | None = None,
        folds: int = 5,
        seed: int = 0,
    ) -> "ValueModel":
        """Fit (1) to the decisions of a log that see `days` ahead.

        Args:
            log: whole lives (see `record`), with "state" and what the objective needs.
            objective: whose sum is the value.
            name: its label.
            days: how far ahead it sums [day].
            learner: `ridge()` if none is given; or longplay.experiments.boosting.Boosting().
            folds, seed: of the users, for the check that it explains anything.

        Raises:
            ValueError: the log is shorter than `days`, lacks a part, or the state explains nothing.
        """
        days = positive(days, "days", name, 28)
        state = np.asarray(log.need("state", name), np.float64)
        check_watched(log, days, name)
        gamma = discount_of(log)
        ahead, known = worth_ahead(log, objective(log), days, gamma)
        found = crossfit(
            state[known],
            ahead[known],
            log.outcomes["user"][known],
            ridge() if learner is None else learner,
            folds=folds,
            seed=seed,
            what=name,
        )
        return cls(name, found.model, days, gamma, str(objective), report_of(found))

    def judge(self, step: Step) -> Values:
        """What the days ahead were worth at the decision."""
        return self.on_states(step.need("state", self))

    def on_states(self, states: Any) -> Values:
        """What the days ahead are worth in states (..., 30)."""
        return self.model.predict(states)

    def to_dict(self) -> dict[str, Any]:
        """All that it was made of."""
        return {
            "kind": self.kind,
            "name": self.name,
            "model": self.model.to_dict(),
            "days": self.days,
            "gamma_day": self.gamma_day,
            "objective": self.objective,
            "report": self.report,
        }


def discount_of(log: Step) -> float:
    """The discount of a day that the log's world used."""
    out = log.outcomes
    at = np.flatnonzero((out["gap"] > 0.0) & (out["discount"] > 0.0))
    if not len(at):
        return 1.0
    longest = at[np.argmax(out["gap"][at])]
    return float(out["discount"][longest] ** (24.0 / out["gap"][longest]))


def worth_ahead(
    log: Step, values: Values, days: float, gamma_day: float
) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Equation (1) for every row of a log, and which rows see `days` ahead: both (rows,).

    Those within `days` of the log's end do not, not even of people who were lost by then: kept
    alone, they would make late states look worse than they are.
    """
    out = log.outcomes
    _, who = np.unique(out["user"], return_inverse=True)
    order = np.lexsort((out["clock"], who))
    ahead = np.empty(len(order))
    clock = np.asarray(out["clock"], np.float64)
    ahead[order] = _ahead(
        who[order], clock[order], values[order], 24.0 * days, math.log(gamma_day) / 24.0
    )
    return ahead, clock + 24.0 * days <= 24.0 * watched_until(log)


def _ahead(
    who: npt.NDArray[np.int64], clock: Values, values: Values, hours: float, rate: float
) -> Values:
    """Sums over a window, of rows sorted by user and time: to the end of a life, less its tail."""
    to_end, stop = np.empty(len(clock)), np.empty(len(clock), np.int64)
    _sum_backwards(who, clock, np.asarray(values, np.float64), hours, rate, to_end, stop)
    inside = np.minimum(stop, len(clock) - 1)
    tail = np.where(
        (stop < len(clock)) & (who[inside] == who),
        np.exp(rate * (clock[inside] - clock)) * to_end[inside],
        0.0,
    )
    return np.asarray(to_end - tail, np.float64)


@compiled
def _sum_backwards(
    who: Any, clock: Any, values: Any, hours: float, rate: float, to_end: Any, stop: Any
) -> None:
    """Discounted sums to each life's end, and the first row beyond each row's window."""
    end = len(who)
    for k in range(len(who) - 1, -1, -1):
        if k + 1 < len(who) and who[k + 1] == who[k]:
            to_end[k] = values[k] + math.exp(rate * (clock[k + 1] - clock[k])) * to_end[k + 1]
        else:
            to_end[k] = values[k]
            end = k + 1
        while end - 1 > k and clock[end - 1] >= clock[k] + hours:
            end -= 1
        stop[k] = end
