"""Dwell: for how long what was started is played, and when that is a skip.

    T ~ Weibull(k, scale), cut at the item's end                                             (1)
    scale = s0 exp(b match - skippiness - c[z]),  match = affinity + value/2 - satiation     (2)

k < 1 is negative ageing: early screening, then settled (Liu, White, Dumais, SIGIR 2010 [L,
sign]). k = 0.245 and s0 = 945 s fit the skip survival of Spotify listeners (Lamere 2014: 24.1 %
gone by 5 s, 35.1 % by 30 s, 48.6 % before the end) [D]; that is a mixture over people, so one
user's k is larger.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law


class Dwell(NamedTuple):
    """Parameters; tuples are for listen-now, background, explore, look-up."""

    # k, shape [1]; least squares on Lamere 2014 [D]
    weibull: float = 0.245
    # s0, scale at match 0 [s]; same fit [D]
    scale: float = 945.0
    # b, log of scale per unit of match [1]; free choice
    match: float = 0.5
    # c, taken off the log of scale, by intent [1]; free choice
    hurry: tuple[float, ...] = (0.0, -1.0, 0.8, 0.0)
    # played for less than this is a skip [s]; 30-second rule of the data
    skip: float = 30.0


@law
def match_of(affinity: float, value: float, satiation: float) -> float:
    """Equation (2): how well the item meets the user once it plays [1]."""
    return affinity + 0.5 * value - satiation


@law
def dwell_seconds(
    u: float, match: float, skippiness: float, length: float, intent: int, p: Dwell
) -> float:
    """Equation (1) by inversion of ``u`` in (0, 1), at most ``length`` [s]."""
    log_scale = p.match * match - skippiness - p.hurry[intent]
    return min(length, p.scale * math.exp(log_scale + math.log(-math.log(u)) / p.weibull))
