"""Ads: seen, clicked, paid for; remembered, and in time overlooked.

    P(click | seen) = click exp(U)                                                           (1)
    A' = a + (A - a) exp(-beta_A t)                                                          (2)
    U' = U* + (U - U*) exp(-beta_U t),  U* = -k (1 - quality) a                              (3)

A remembered ad load [ads/h], U log multiplier of the click propensity [1], a ads per hour of the
session that ended [ads/h], t days since the session before it [day]. An ad that is reached is
seen with probability `seen`; what is seen and what is clicked is paid for.

A rate of 0.012 per day (half-life about 60 days), the same for learning and for un-learning, and
driven by the quality of ads: Hohnhold, O'Brien, Tang, KDD 2015 [S]. The load memory slows the
return (returning.py): listening falls linearly in ads per hour, by 2.1 % for an extra ad per
hour (Huang, Reiley, Riabov 2018 [L; the number S]). The size of U* and the prices are free
choices.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.elementary import exp


class Ads(NamedTuple):
    """Parameters."""

    # probability that an ad reached is seen [1]; free choice
    seen: float = 0.95
    # time an ad takes [s]; free choice
    seconds: float = 25.0
    # click probability of a seen ad at U = 0 [1]; free choice
    click: float = 0.015
    # paid for an ad seen [money]; free choice
    price_view: float = 0.010
    # paid for an ad clicked [money]; free choice
    price_click: float = 0.20
    # beta_A, rate of the load memory [1/day]; Hohnhold et al. 2015 [S]
    memory: float = 0.012
    # beta_U, rate of ad blindness [1/day]; Hohnhold et al. 2015 [S]
    learning: float = 0.012
    # quality of the ads shown [0, 1]; free choice
    quality: float = 0.5
    # k, blindness that ads of quality 0 lead to, per ad and hour [h]; free choice
    blinding: float = 0.05


@law
def p_click(blindness: float, p: Ads) -> float:
    """Equation (1): click probability of an ad that was seen, at most 1."""
    return min(1.0, p.click * exp(blindness))


@law
def blended(level: float, target: float, days: float, rate: float) -> float:
    """``level`` drawn towards ``target`` for ``days`` at ``rate`` per day: exact exponential."""
    return target + (level - target) * exp(-rate * days)


@law
def next_ad_memory(memory: float, ads_per_hour: float, days: float, p: Ads) -> float:
    """Equation (2): load memory [ads/h] after ``days`` at ``ads_per_hour``."""
    return blended(memory, ads_per_hour, days, p.memory)


@law
def next_blindness(blindness: float, ads_per_hour: float, days: float, p: Ads) -> float:
    """Equation (3): log multiplier of the click propensity after ``days``."""
    return blended(blindness, -p.blinding * (1.0 - p.quality) * ads_per_hour, days, p.learning)
