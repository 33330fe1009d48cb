"""Dwell: for how long what was started is played, and when that is a skip.

    T ~ least + Weibull(k, scale), cut at the item's end                                     (1)
    scale = s0 exp(b match - skippiness - c[z] - swing r) (length / 60 s)^stretch            (2)
    match = affinity + value/2 - satiation
    r' = r + pace (skipped - r),  r = start at the beginning of a session                    (3)

k < 1 is negative ageing: early screening, then settled (Liu, White, Dumais, SIGIR 2010 [L,
sign]). k = 0.245 and s0 = 945 s fit the skip survival of Spotify listeners (Lamere 2014: 24.1 %
gone by 5 s, 35.1 % by 30 s, 48.6 % before the end) [D]; that is a mixture over people, so one
user's k is larger. r is restlessness: in listening histories a skip follows a skip in 57 % of
cases and a play in 15 % (docs/realism.md), which differences between people do not explain.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.elementary import exp


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
    # time in which nobody has reacted yet [s]; fitted by scenario, 0 is none
    least: float = 0.0
    # power of the item's length in the scale [1]; fitted by scenario, 0: length does not matter
    stretch: float = 0.0
    # taken off the log of scale per unit of restlessness [1]; fitted by scenario, 0 is none
    swing: float = 0.0
    # weight of one item in restlessness [1]; fitted by scenario
    pace: float = 0.5
    # restlessness at the start of a session [0, 1]; free choice
    start: float = 0.25
    # played for less than this is a skip [s]; 30-second rule of the data
    skip: float = 30.0


@law
def match_of(affinity: float, value: float, satiation: float) -> float:
    """The match in (2): how well the item meets the user once it plays [1]."""
    return affinity + 0.5 * value - satiation


@law
def dwell_seconds(
    u: float, match: float, skippiness: float, length: float, intent: int, p: Dwell
) -> float:
    """Equation (1) by inversion of ``u`` in (0, 1), at most ``length`` [s].

    ``skippiness`` is the person's, with what restlessness adds to it.
    """
    log_scale = p.match * match - skippiness - p.hurry[intent]
    if p.stretch != 0.0:
        log_scale += p.stretch * math.log(length / 60.0)
    return min(length, p.least + p.scale * exp(log_scale + math.log(-math.log(u)) / p.weibull))


@law
def impatience(skippiness: float, restless: float, p: Dwell) -> float:
    """What a person and their restlessness take off the log of scale, in (2)."""
    return skippiness + p.swing * restless


@law
def next_restless(restless: float, skipped: float, p: Dwell) -> float:
    """Equation (3)."""
    return restless + p.pace * (skipped - restless)
