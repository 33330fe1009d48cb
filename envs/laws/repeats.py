"""Repeats: what was played comes back, the sooner the likelier.

    P(an offer repeats the item of lag d) = share P(d) exp(-(d - 1) / cutoff)                (1)
    P(d) = P(d <= x < d + 1),  density of x ~ x^(-decay) on [1, PAST + 1)                    (2)

d counts distinct items back: 1 is what was played last. A power law of recency with exponential
cut-off, times quality: Anderson, Kumar, Tomkins, Vassilvitskii, WWW 2014 [L for the form, no
exponents found]. Quality enters by what is remembered: an item is kept when it was played to
satisfaction and dropped when it is skipped. People ask for repeats, and the platform offers them
in place of something new: repeats are 15 to 59 % of consumption (Benson, Kumar, Tomkins, WWW 2016
[L]). What is remembered is no longer novel.
"""

import math
from typing import Any, NamedTuple

from longplay.envs.compiled import law
from longplay.envs.state import PAST


class Repeats(NamedTuple):
    """Parameters."""

    # largest probability that an offer is a repeat; 0: nothing is remembered [1]; free choice
    share: float = 0.0
    # exponent of recency, more is more recent [1]; free choice
    decay: float = 0.6
    # lag beyond which repeats become rare [items]; free choice
    cutoff: float = 40.0
    # pull of an item one remembers, added to its utility [log-odds]; free choice
    warmth: float = 0.5


@law
def lag_drawn(u: float, p: Repeats) -> int:
    """Equation (2): a lag 1 .. PAST, by inversion of ``u`` in (0, 1)."""
    power = 1.0 - p.decay
    if abs(power) < 1e-9:
        x = math.exp(u * math.log(PAST + 1.0))
    else:
        far = math.exp(power * math.log(PAST + 1.0))
        x = math.exp(math.log(1.0 + u * (far - 1.0)) / power)
    return min(PAST, int(x))


@law
def p_repeat(lag: int, p: Repeats) -> float:
    """Equation (1), given the lag drawn: whether the offer is that repeat."""
    return p.share * math.exp(-(lag - 1.0) / p.cutoff)


@law
def lag_of(past: Any, item: int) -> int:
    """How long ago ``item`` was played: its lag in ``past`` (PAST,), 0 if it is not remembered.

    ``past`` holds item ids + 1, the last one played first; 0 is empty.
    """
    lag = 0
    for k in range(PAST):  # to the end: a loop without a way out is done eight at a time
        if past[k] == item + 1:
            lag = k + 1
    return lag


@law
def remember(past: Any, item: int, lag: int) -> None:
    """Put ``item``, of this lag or new (0), in front; the oldest is forgotten for a new one."""
    last = lag - 1 if lag > 0 else PAST - 1
    for k in range(last, 0, -1):
        past[k] = past[k - 1]
    past[0] = item + 1


@law
def forget(past: Any, lag: int) -> None:
    """Drop the item of this lag; 0 drops nothing."""
    if lag > 0:
        for k in range(lag - 1, PAST - 1):
            past[k] = past[k + 1]
        past[PAST - 1] = 0
