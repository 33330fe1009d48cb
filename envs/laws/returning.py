"""Returning: when the user comes back.

    h(t) = rate * (1 + t / pause)^(-slowing) * rhythm(hour) * week(day)
           * exp(omega_u + b_H H + (1 - insulation H) (b_S (S - 1/2) - b_bad bad) - b_A A aversion)   (1)

t hours since the session ended, hazard per hour; Cox form after Kapoor, Sun, Srivastava, Ye, KDD 2014 [L]: a
baseline that falls with absence, a daily and weekly season, frailty omega. Habit raises the
return and dulls its sensitivity to satisfaction (cue-driven responding, Wood & Neal 2007 [M]).
Sessions closer than `least` are one session by definition (30-minute rule of the data).
Within an hour of the clock the hazard is constant, and its slowing is renewed when the absence
has grown by a tenth; the draw inverts the hazard integrated that way.
Coefficients are free choices or fitted by the scenario.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law


class Returning(NamedTuple):
    """Parameters."""

    rate: float = 0.35  # hazard just after a session [1/h]; fitted by scenario
    pause: float = 1.5  # absence after which the hazard begins to slow [h]; fitted by scenario
    slowing: float = 0.5  # exponent of the slowing [1]; fitted by scenario
    habit: float = 1.0  # b_H [1]; fitted by scenario
    insulation: float = 0.5  # habit's dulling of mood [1], 0..1; free choice
    satisfaction: float = 1.0  # b_S [1]; free choice
    bad_exit: float = 0.2  # b_bad [1]; free choice
    ads: float = 0.04  # b_A per remembered ad per hour [h]; free choice
    least: float = 0.5  # shortest gap [h]; 30-minute rule
    day: tuple[float, ...] = (
        0.05, 0.05, 0.08, 0.2, 0.4, 0.7, 0.9, 1.1, 1.2, 1.3, 1.3, 1.3,
        1.3, 1.4, 1.3, 1.2, 1.1, 1.1, 1.0, 0.9, 0.7, 0.4, 0.2, 0.1,
    )  # rhythm, hour 0 is the middle of the night's quiet [1]; fitted by scenario  # fmt: skip
    week: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.9)  # Monday to Sunday [1]; fitted by scenario
    night: float = 4.0  # the clock hour of rhythm hour 0 at chronotype 0 [h]; free choice


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
    """The exponent in (1): what the user's state adds to the log hazard."""
    mood = p.satisfaction * (satisfaction - 0.5) - p.bad_exit * bad_exit
    return (
        tempo
        + p.habit * habit
        + (1.0 - p.insulation * habit) * mood
        - p.ads * ad_memory * aversion
    )


@law
def hours_away(
    u: float, log_return: float, hour_of_week: float, chronotype: float, limit: float, p: Returning
) -> float:
    """Time away [h] by inversion of ``u`` in (0, 1); at most ``limit``.

    ``hour_of_week`` is the moment of leaving, Monday 00:00 = 0.
    """
    left = -math.log(u) * math.exp(-log_return) / p.rate
    away = p.least
    at = hour_of_week + away
    step = 1.0 - (at - math.floor(at))  # to the next full hour
    clock = int(math.floor(at)) % 168
    hour = int(math.floor(at - p.night - chronotype + 48.0)) % 24
    slowed = 1.0
    fresh = 0.0  # absence at which `slowed` was last computed
    while away < limit:
        if away > 1.1 * fresh:
            slowed = math.exp(-p.slowing * math.log(1.0 + away / p.pause))
            fresh = away
        hazard = p.day[hour] * p.week[clock // 24] * slowed
        if hazard * step >= left:
            return min(limit, away + left / hazard)
        left -= hazard * step
        away += step
        step = 1.0
        clock = clock + 1 if clock < 167 else 0
        hour = hour + 1 if hour < 23 else 0
    return limit
