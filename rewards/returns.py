"""Long-term readings: whether and when the user came back, and what a life is worth.

They are signals like any other, and multiply: `Minutes() * Survival()` counts minutes as far as
the user survives them, `Minutes() * PresentValue(gamma_day=0.99)` sums to the worth of a life.

All are read at the end of a session from `away`, the hours until the next. A platform knows them
that much later; a simulator knows them at once.
"""

import math
import sys
from dataclasses import dataclass

import numpy as np

from longplay.rewards.settings import positive, share
from longplay.rewards.signals import Signal
from longplay.rewards.step import Outcomes, Values

ENDS = "0 within a session, so deciding by fetch or by session comes to the same sum"


class Within:
    """Back within `window_days` of the session's end: what the signals of return share."""

    window_days: float

    def evaluate(self, outcomes: Outcomes) -> Values:
        """Ended, and away for at most so many days."""
        back = (outcomes["ended"] > 0) & (outcomes["away"] <= hours(self.window_days))
        return back.astype(np.float64)


@dataclass(frozen=True)
class Returned(Within, Signal):
    """1 if the session ended and the user is back within `days`; 0 within a session.

    It is known only `days` later: a live platform would credit it with that delay, and a study
    must last at least that long.

    Towards the study's end it comes out too high where `days` > 8: nobody who comes back stays
    away for more than eight days beyond `horizon_days` (see Gap), so after a session on day d all
    of them are back within horizon_days - d + 8 days. Only those who never return count 0 there.
    """

    name, range = "returned", (0.0, 1.0)
    formula = "1[ended] 1[away <= 24 days]"
    source = "classic day-N return, read session by session"
    leaves = ENDS
    days: float = 7.0  # [day], > 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", positive(self.days, "days", self.name, 7))

    @property
    def window_days(self) -> float:  # type: ignore[override]
        """How long after the session it is known."""
        return self.days


@dataclass(frozen=True)
class Returned1d(Within, Signal):
    """1 if the session ended and the user is back within 24 h: `Returned(days=1)` by its name."""

    name, range = "returned_1d", (0.0, 1.0)
    formula = "1[ended] 1[away <= 24]"
    source = Returned.source
    leaves = ENDS
    window_days = 1.0


@dataclass(frozen=True)
class Returned7d(Within, Signal):
    """1 if the session ended and the user is back within 168 h: `Returned(days=7)` by its name."""

    name, range = "returned_7d", (0.0, 1.0)
    formula = "1[ended] 1[away <= 168]"
    source = Returned.source
    leaves = ENDS
    window_days = 7.0


@dataclass(frozen=True)
class Gap(Signal):
    """Return time: days away after a session, at most `cap_days`, also for those who never return.

    0 within a session. A cost: weigh it below 0. Not to be confused with the outcome's field
    `gap`, hours from this decision to the next, which is also time spent in the session.

    Towards the study's end an absence counts less than it would earlier: nobody who comes back
    stays away for more than eight days beyond `horizon_days` (envs/step.py, `stay_away`), so
    after a session on day d it counts at most horizon_days - d + 8 days. Only those who never
    return (terminated, `away` is inf) count `cap_days` at any age.
    """

    name, unit = "gap", "day"
    formula = "1[ended] min(away / 24, cap_days)"
    source = "return time as the cost that RLUR minimises: Cai et al., WWW 2023 [S]"
    leaves = ENDS
    cap_days: float = 60.0  # [day], > 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "cap_days", positive(self.cap_days, "cap_days", self.name, 60))

    def evaluate(self, outcomes: Outcomes) -> Values:
        """min(away / 24, cap_days) where the session ended."""
        away = np.minimum(outcomes["away"] / 24.0, self.cap_days)
        return np.where(outcomes["ended"] > 0, away, 0.0)


@dataclass(frozen=True)
class Survival(Signal):
    """How surely the user survived this step: a factor, 1 within a session, 0 for ever away.

    After a session it halves with every `half_life_days` of absence. `Minutes() * Survival()`
    is survival-weighted value: minutes count as far as people come back from them.

    Towards the study's end it comes out higher than it would earlier: nobody who comes back stays
    away for more than eight days beyond `horizon_days` (see Gap), so after a session on day d it is
    at least 2^(-(horizon_days - d + 8) / half_life_days) of whoever returns.
    """

    name, range = "survival", (0.0, 1.0)
    formula = "2^(-away / (24 half_life_days)), 1 within a session"
    source = "our own: an absence read as a chance of return that halves; half-life a free choice"
    leaves = "as a factor, what it multiplies within a session and before an immediate return"
    half_life_days: float = 7.0  # [day], > 0

    def __post_init__(self) -> None:
        half_life = positive(self.half_life_days, "half_life_days", self.name, 7)
        object.__setattr__(self, "half_life_days", half_life)

    def evaluate(self, outcomes: Outcomes) -> Values:
        """Halved by every half-life of absence."""
        away = np.where(outcomes["ended"] > 0, outcomes["away"], 0.0)
        with np.errstate(over="ignore"):  # of the shortest half-lives: 2^-inf is 0
            return np.asarray(np.exp2(-away / hours(self.half_life_days)), np.float64)


@dataclass(frozen=True)
class PresentValue(Signal):
    """What a unit is worth today that comes at this decision's time: a factor, `gamma_day` a day.

    `Minutes() * PresentValue()` sums over a life to its lifetime value in minutes. Use it to score
    logs, or with learners that do not discount; those that discount by the calendar do it already.
    """

    name, range = "present_value", (0.0, 1.0)
    formula = "gamma_day^(clock / 24), clock in hours since the study began"
    source = "discounted lifetime value, e.g. Fader and Hardie on customer lifetime value [M]"
    leaves = "as a factor, at gamma_day = 1 everything"
    gamma_day: float = 0.99  # discount of a day, in (0, 1]

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma_day", share(self.gamma_day, "gamma_day", self.name, 0.99))

    def evaluate(self, outcomes: Outcomes) -> Values:
        """The discount of the decision's clock."""
        worth = np.exp(math.log(self.gamma_day) * outcomes["clock"] / 24.0)
        return np.asarray(worth, np.float64)


def hours(days: float) -> float:
    """Days in hours; finite, so that for ever away stays beyond the longest of windows."""
    return min(24.0 * days, sys.float_info.max)
