"""Fitted objectives: what all that hold a model have in common.

They are made by `fit(log, ...)`, have a name of their own, by which a formula may call them
(`parse("minutes + 2 * index14", index14=fitted)`), and are kept whole in JSON: coefficients, trees
and how well they did out of fold.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from longplay.rewards.models import Crossfit, LinearModel, Model, Trees, read_model
from longplay.rewards.objective import Objective
from longplay.rewards.settings import callable_word
from longplay.rewards.step import Step


class Fitted(Objective):
    """An objective with a fitted model, called `name`.

    Args:
        name: its label: one word, none of those that formulas keep for themselves.
        model: what it predicts with.
        report: how well it did out of fold: `r2`, `low`, `high`, `users` and calibration
            `deciles` (see models.Crossfit), or nothing.

    Raises:
        ValueError: no model came, or `name` is no such word.
    """

    def __init__(self, name: str, model: Model, report: Mapping[str, Any]) -> None:
        name = callable_word(name)
        if not isinstance(model, (LinearModel, Trees)):
            raise ValueError(
                f"{name} is used before fitting: model={model!r}; make it with "
                f"{type(self).__name__}.fit(log, ...), or read a fitted one with from_dict"
            )
        self.name = name
        self.model = model
        self.report = dict(report)

    @property
    def label(self) -> str:
        """The name given at the fit."""
        return self.name

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "Fitted":
        given = {key: value for key, value in data.items() if key != "kind"}
        return cls(**given | {"model": read_model(given["model"])})

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.to_dict() == self.to_dict()

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def report_of(fit: Crossfit) -> dict[str, Any]:
    """What is kept of a fit, as JSON values."""
    return {
        "r2": fit.r2,
        "low": fit.low,
        "high": fit.high,
        "users": fit.users,
        "deciles": fit.deciles().tolist(),
    }


def watched_until(log: Step) -> float:
    """The day until which a log watches its people; infinite if all were lost before."""
    out = log.outcomes
    ends = out["clock"] + out["gap"]
    known = ends[np.isfinite(ends)]
    last = np.zeros(0)
    if len(known):
        users, at = np.unique(out["user"], return_inverse=True)
        latest = np.zeros(len(users))
        np.maximum.at(latest, at, ends)
        last = latest[np.isfinite(latest)]
    return float(last.min() / 24.0) if len(last) else np.inf


def check_watched(log: Step, days: float, what: str) -> None:
    """ValueError if `log` ends before `days`."""
    if len(log) == 0:
        raise ValueError(f"{what}: the log is empty; record people first")
    until = watched_until(log)
    if until < days:
        raise ValueError(
            f"{what} looks {days:g} days ahead, and the log ends on day {until:.4g}; record a "
            f"study of at least {days:g} days (horizon_days), or look less far"
        )
