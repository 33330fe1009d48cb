"""Repeats: what was played comes back, the sooner the likelier.

    P(an offer repeats the play of lag d) = share d^(-decay) exp(-(d - 1) / cutoff) / c      (1)

d = 1 is the last play, up to PAST; c makes the powers sum to 1, so that `share` is the probability
without the cut-off. A power law of recency with exponential cut-off, times quality: Anderson,
Kumar, Tomkins, Vassilvitskii, WWW 2014 [L for the form, no exponents found]. Quality enters by
what is remembered: plays to satisfaction, each once, so that what is played often is offered
often; an item that is skipped is struck out. People ask for repeats, and the platform offers them
in place of something new: repeats are 15 to 59 % of consumption (Benson, Kumar, Tomkins, WWW 2016
[L]). What is remembered is no longer novel, and has a pull of its own.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import law
from longplay.envs.state import PAST


class Repeats(NamedTuple):
    """Parameters."""

    # probability that an offer is a repeat, before the cut-off; 0: none is [1]; free choice
    share: float = 0.0
    # exponent of recency, more is more recent [1]; free choice
    decay: float = 0.6
    # lag beyond which repeats become rare [plays]; free choice
    cutoff: float = 40.0
    # pull of an item one remembers, added to its utility [log-odds]; free choice
    warmth: float = 0.5


FINE = 4096  # entries of the table of lags


def lag_table(p: Repeats) -> npt.NDArray[np.uint8]:
    """Equation (1) as a table (FINE,): the lag of an offer by a uniform index; 0 is no repeat."""
    lag = np.arange(1.0, PAST + 1.0)
    power = lag**-p.decay
    chance = p.share * power / power.sum() * np.exp(-(lag - 1.0) / p.cutoff)
    table = np.searchsorted(np.cumsum(chance), (np.arange(FINE) + 0.5) / FINE) + 1
    return np.where(table > PAST, 0, table).astype(np.uint8)


@law
def is_known(past: Any, item: int) -> bool:
    """Whether ``item`` is among the ids + 1 in ``past`` (PAST,); 0 there is nothing.

    Sought as the smallest difference of bits, 0 being a hit: without a way out of the loop, and in
    32 bits, a processor compares many at a time.
    """
    wanted = np.int32(item + 1)
    nearest = np.uint32(0xFFFFFFFF)
    for k in range(PAST):
        nearest = min(nearest, np.uint32(past[k] ^ wanted))
    return bool(nearest == 0)


@law
def remember(past: Any, plays: int, item: int) -> None:
    """Write down ``item`` as the play of this number, over the one PAST plays ago."""
    past[plays & (PAST - 1)] = item + 1


@law
def remembered(past: Any, plays: int, lag: int) -> int:
    """The item played ``lag`` plays before the one of this number; -1 for none."""
    item: int = past[(plays - lag) & (PAST - 1)] - 1
    return item


@law
def forget(past: Any, item: int) -> None:
    """Strike the item out wherever it stands."""
    for k in range(PAST):
        if past[k] == item + 1:
            past[k] = 0
