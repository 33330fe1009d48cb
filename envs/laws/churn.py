"""Churn: some absences never end.

    P(gone in a gap of t) = 1 - (1 - p)^(t / period)                                         (1)
    p = p_u exp(-b_S S - b_H H + b_A A aversion), at most 0.999                              (2)

Shifted-beta-geometric: p_u ~ Beta(a, b) per renewal period, Fader & Hardie 2007; a = 0.764 and
b = 1.296 fit their cohort (1000, 631, 468, 382, 326) [D], annual contracts, so their shape only.
That satisfaction S, habit H and the remembered ad load A move it is a free choice. A user's own
hazard is constant while the moods are: the retention rate of a cohort rises because the fickle
go first.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.elementary import exp


class Churn(NamedTuple):
    """Parameters; p_u is a trait, see population.py."""

    # renewal period [day]; free choice
    period: float = 60.0
    # b_S, what satisfaction takes off the log of p [1]; free choice
    satisfaction: float = 1.5
    # b_H, what habit takes off the log of p [1]; free choice
    habit: float = 0.5
    # b_A, what a remembered ad per hour adds to the log of p [h]; free choice
    ads: float = 0.02


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
    """Equations (1) and (2): probability that the user is lost in a gap of ``days``."""
    exponent = -p.satisfaction * satisfaction - p.habit * habit + p.ads * ad_memory * aversion
    per_period = min(0.999, propensity * exp(exponent))
    return 1.0 - exp(days / p.period * math.log(1.0 - per_period))
