"""Returning: when the user comes back.

    h(t) = rate (1 + t / pause)^(-slowing) rhythm(hour) week(day) exp(pull)                  (1)
    pull = omega_u + b_H H + (1 - insulation H) (b_S (S - 1/2) - b_bad bad) - b_A A aversion (2)

t hours since the session ended, h hazard [1/h]. Cox form after Kapoor, Sun, Srivastava, Ye, KDD
2014 [L]: a baseline that falls with absence, a daily and a weekly season, frailty omega. Habit H
raises the return and dulls its sensitivity to satisfaction S (cue-driven responding, Wood & Neal
2007 [M]); bad is 1 after a bad exit, A the remembered ad load. Sessions closer than `least` are
one session by definition (30-minute rule of the data).
Within an hour of the clock the hazard is constant, and its slowing is renewed when the absence
has grown by a tenth, from a table in steps of an eighth of an hour, up to 2048 h, after which it
stays; the draw inverts the hazard integrated that way, from `least` on.
Coefficients are free choices or fitted by the scenario.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import law
from longplay.envs.elementary import exp


class Returning(NamedTuple):
    """Parameters."""

    # hazard just after a session [1/h]; fitted by scenario
    rate: float = 0.35
    # absence after which the hazard begins to slow [h]; fitted by scenario
    pause: float = 1.5
    # exponent of the slowing [1]; fitted by scenario
    slowing: float = 0.5
    # b_H, log hazard per unit of habit [1]; fitted by scenario
    habit: float = 1.0
    # how far full habit dulls the mood [0, 1]; free choice
    insulation: float = 0.5
    # b_S, log hazard per unit of satisfaction [1]; free choice
    satisfaction: float = 1.0
    # b_bad, taken off the log hazard after a bad exit [1]; free choice
    bad_exit: float = 0.2
    # b_A, taken off the log hazard per remembered ad per hour [h]; free choice
    ads: float = 0.04
    # shortest gap [h]; 30-minute rule of the data
    least: float = 0.5
    # daily rhythm from its hour 0, in the night's quiet, on [1]; fitted by scenario
    day: tuple[float, ...] = (
        0.05, 0.05, 0.08, 0.2, 0.4, 0.7, 0.9, 1.1, 1.2, 1.3, 1.3, 1.3,
        1.3, 1.4, 1.3, 1.2, 1.1, 1.1, 1.0, 0.9, 0.7, 0.4, 0.2, 0.1,
    )  # fmt: skip
    # weekly rhythm, Monday to Sunday [1]; fitted by scenario
    week: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.9)
    # clock hour of the rhythm's hour 0 at chronotype 0 [h]; free choice
    night: float = 4.0


EIGHTHS = 8 * 2048  # of an hour: the length of the table of the slowing


def slowing_table(p: Returning) -> npt.NDArray[np.float32]:
    """(1 + t / pause)^(-slowing) of equation (1) every eighth of an hour, (EIGHTHS,)."""
    hours = np.arange(EIGHTHS) / 8.0
    return ((1.0 + hours / p.pause) ** -p.slowing).astype(np.float32)


@law
def log_return(
    tempo: float,
    habit: float,
    satisfaction: float,
    bad_exit: float,
    ad_memory: float,
    aversion: float,
    p: Returning,
) -> float:
    """Equation (2): what the user's state adds to the log hazard."""
    mood = p.satisfaction * (satisfaction - 0.5) - p.bad_exit * bad_exit
    return (
        tempo + p.habit * habit + (1.0 - p.insulation * habit) * mood - p.ads * ad_memory * aversion
    )


@law
def hours_away(
    u: float,
    log_return: float,
    hour_of_week: float,
    chronotype: float,
    limit: float,
    table: Any,
    p: Returning,
) -> float:
    """Equation (1): time away [h] by inversion of ``u`` in (0, 1); at most ``limit``.

    ``hour_of_week`` is the moment of leaving, Monday 00:00 = 0; ``table`` is `slowing_table`.
    """
    left = -math.log(u) * exp(-log_return) / p.rate
    away = p.least
    at = hour_of_week + away
    step = 1.0 - (at - math.floor(at))  # to the next full hour
    weekday, of_day = int(math.floor(at)) // 24 % 7, int(math.floor(at)) % 24
    hour = int(math.floor(math.floor(at) - p.night - chronotype + 48.0)) % 24
    slowed = 1.0
    fresh = 0.0  # absence at which `slowed` was last looked up
    while away < limit:
        if away > 1.1 * fresh:
            slowed = float(table[min(int(8.0 * away + 0.5), EIGHTHS - 1)])
            fresh = away
        hazard = p.day[hour] * p.week[weekday] * slowed
        if hazard * step >= left:
            return min(limit, away + left / hazard)
        left -= hazard * step
        away += step
        step = 1.0
        hour = hour + 1 if hour < 23 else 0
        of_day += 1
        if of_day == 24:
            of_day = 0
            weekday = weekday + 1 if weekday < 6 else 0
    return limit
