"""Churn: some absences never end.

    P(gone during a gap of t days) = 1 - (1 - p_u exp(-b_S S - b_H H + b_A A aversion))^(t / period)        (1)

Shifted-beta-geometric: p_u ~ Beta(a, b) per renewal period, Fader & Hardie 2007; a = 0.764 and
b = 1.296 fit their cohort (1000, 631, 468, 382, 326) [D], annual contracts, so their shape only.
The dependence on satisfaction is M9's, on habit and ads a free choice. A user's own hazard is
constant while the moods are: the retention rate of a cohort rises because the fickle go first.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law


class Churn(NamedTuple):
    """Parameters; p_u is a trait, see population.py."""

    period: float = 60.0  # renewal period [day]; free choice
    satisfaction: float = 1.5  # b_S [1]; free choice
    habit: float = 0.5  # b_H [1]; free choice
    ads: float = 0.02  # b_A per remembered ad per hour [h]; free choice


@law
def p_gone(
    propensity: float,
    satisfaction: float,
    habit: float,
    ad_memory: float,
    aversion: float,
    days: float,
    p: Churn,
) -> float:
    """Equation (1): probability that the user is lost in a gap of ``days``."""
    exponent = -p.satisfaction * satisfaction - p.habit * habit + p.ads * ad_memory * aversion
    per_period = min(0.999, propensity * math.exp(exponent))
    return 1.0 - math.exp(days / p.period * math.log(1.0 - per_period))
