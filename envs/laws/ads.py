"""Ads: seen, clicked, paid for; remembered, and in time overlooked.

    P(view) = seen                                                                            (1)
    P(click | view) = click exp(U) relevance
    revenue = price_view * view + price_click * click
    A' = a / (weight) moving average of ads per hour, rate beta_A per day                      (2)
    U' = U + beta_U (U* - U) per day of exposure, U* = -k (1 - quality) ads_per_hour           (3)

beta = 0.012 per day (half-life about 60 days), the same for learning and un-learning, driven by
ad quality: Hohnhold, O'Brien, Tang, KDD 2015 [S]. Load memory slows the return (returning.py);
listening falls linearly in ads per hour, -2.1 % per extra ad per hour (Huang, Reiley, Riabov
2018 [L, S]). U* and prices are free choices.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law


class Ads(NamedTuple):
    """Parameters."""

    seen: float = 0.95  # probability that an ad reached is seen [1]; free choice
    seconds: float = 25.0  # an ad takes this long [s]; free choice
    click: float = 0.015  # click probability of a seen ad at U = 0 [1]; free choice
    price_view: float = 0.010  # [money per view]; free choice
    price_click: float = 0.20  # [money per click]; free choice
    memory: float = 0.012  # beta_A, rate of the load memory [1/day]; Hohnhold et al. 2015 [S]
    learning: float = 0.012  # beta_U, rate of ad blindness [1/day]; Hohnhold et al. 2015 [S]
    quality: float = 0.5  # of the ads shown [0, 1]; free choice
    blinding: float = 0.05  # k, blindness of ads of quality 0 per ad and hour [h]; free choice


@law
def p_click(blindness: float, p: Ads) -> float:
    """Equation (1): click probability of an ad that was seen, at most 1."""
    return min(1.0, p.click * math.exp(blindness))


@law
def blended(level: float, target: float, days: float, rate: float) -> float:
    """``level`` drawn towards ``target`` for ``days`` at ``rate`` per day: exact exponential."""
    return target + (level - target) * math.exp(-rate * days)


@law
def next_ad_memory(memory: float, ads_per_hour: float, days: float, p: Ads) -> float:
    """Equation (2): load memory [ads/h] after ``days`` at ``ads_per_hour``."""
    return blended(memory, ads_per_hour, days, p.memory)


@law
def next_blindness(blindness: float, ads_per_hour: float, days: float, p: Ads) -> float:
    """Equation (3): log multiplier of the click propensity after ``days``."""
    return blended(blindness, -p.blinding * (1.0 - p.quality) * ads_per_hour, days, p.learning)
