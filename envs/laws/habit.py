"""Habit: grows with every active day, fades with every missed one.

    active day:  H' = H + alpha_u (1 - H)                                                    (1)
    missed day:  H' = (1 - delta) H                                                          (2)

The curve of Lally, van Jaarsveld, Potts, Wardle, EJSP 2010 (doi 10.1002/ejsp.674):
y = a - b exp(-c x), 95 % of the asymptote after 18 to 254 days [L], median 66 [S]; so alpha =
1 - 20^(-1/t95) has median 0.044 per day [D]. Missing one opportunity does no material harm [L],
so delta is small: a half-life of 60 days gives 0.0115 [D; the half-life itself a free choice].
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.elementary import exp


class Habit(NamedTuple):
    """Parameters; alpha_u is a trait, see population.py."""

    # delta, habit lost on a missed day [1/day]; half-life of 60 days, free choice
    fade: float = 0.0115


@law
def next_habit(habit: float, rate: float, missed_days: float, p: Habit) -> float:
    """H at the start of an active day: (2) for each missed day, then (1) for this one."""
    kept = habit * exp(missed_days * math.log(1.0 - p.fade))
    return kept + rate * (1.0 - kept)
