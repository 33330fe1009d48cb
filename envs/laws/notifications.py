"""Notifications: they bring people back today and wear them out over months.

    pull += lift log(1 + n) - wear N                     on the log return hazard            (1)
    N' = n + (N - n) exp(-rate t)                                                            (2)
    v -= nuisance n                                      on how a session felt               (3)

n notifications a day, a setting of the world and no action of a policy; N the load remembered
[1/day], t days. With fewer of them usage fell at first and was up after a year, with satisfaction
(Meta 2022, "Notifications: why less is more" [L, sign]): a lift at once against a slow cost in
the return. Form and sizes are free choices.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.laws.ads import blended


class Notifications(NamedTuple):
    """Parameters."""

    # n, notifications sent to everybody [1/day]; free choice, 0 is none
    per_day: float = 0.0
    # what they add to the log return hazard, per unit of log(1 + n) [1]; free choice
    lift: float = 0.10
    # taken off the log return hazard per remembered notification a day [day]; free choice
    wear: float = 0.05
    # rate of the memory [1/day]; free choice: half of it after 69 days
    memory: float = 0.010
    # taken off how a session felt, per notification a day [day]; free choice
    nuisance: float = 0.01


@law
def notified_pull(load: float, p: Notifications) -> float:
    """Equation (1): what notifications add to the log return hazard, ``load`` remembered."""
    return p.lift * math.log(1.0 + p.per_day) - p.wear * load


@law
def next_load(load: float, days: float, p: Notifications) -> float:
    """Equation (2): load remembered [1/day] after ``days``."""
    return blended(load, p.per_day, days, p.memory)


@law
def nuisance_of(p: Notifications) -> float:
    """Equation (3): what is taken off how a session felt."""
    return p.nuisance * p.per_day
