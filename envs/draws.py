"""Random numbers that are a function of who, when and what for.

Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011) turns a 128-bit counter and a 64-bit key into four 32-bit words. Here

    key     = world seed, mixed with the fork's luck
    counter = (user low, user high | purpose | slot, session, fetch)

so that the draw for slot 3 of fetch 2 of session 41 of person 7 is the same number whatever
else happens: in any cohort, thread or order, under any policy. Nothing has a state.

Words are held in int64 and masked, which compiled code and plain Python agree on.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import law

MASK = 0xFFFFFFFF

# Purposes: what a draw is for. Never reuse a number: the same draw would serve two ends.
BIRTH = 0
VISIT = 1
SERVE = 2
POSITION = 3
ABSENCE = 5
SURVEY = 6


@law
def philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """Philox4x32-10: four words of 32 bits from a counter and a key."""
    for _ in range(10):
        p0 = 0xD2511F53 * c0
        p1 = 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            ((p1 >> 32) & MASK) ^ c1 ^ k0,
            p1 & MASK,
            ((p0 >> 32) & MASK) ^ c3 ^ k1,
            p0 & MASK,
        )
        k0 = (k0 + 0x9E3779B9) & MASK
        k1 = (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


@law
def words(
    seed: int, luck: int, user: int, session: int, fetch: int, purpose: int, slot: int
) -> tuple[int, int, int, int]:
    """Four 32-bit words for this person, moment and purpose."""
    key = seed ^ (luck * 0x9E3779B97F4A7C1)
    high = ((user >> 32) & 0xFFFF) << 16
    return philox(
        user & MASK,
        high | (purpose << 8) | slot,
        session & MASK,
        fetch & MASK,
        key & MASK,
        (key >> 32) & MASK,
    )


@law
def many_words(
    seed: int, luck: int, user: int, session: int, fetch: int, purpose: int, n: int, dice: Any
) -> None:
    """`words` of the slots 0 .. n-1, into ``dice`` (4, at least n rounded up to eights).

    Eight at a time: a processor with wide registers makes them for the price of one.
    """
    for slot in range((n + 7) // 8 * 8):
        w0, w1, w2, w3 = words(seed, luck, user, session, fetch, purpose, slot)
        dice[0, slot] = w0
        dice[1, slot] = w1
        dice[2, slot] = w2
        dice[3, slot] = w3


def blank_dice(threads: int, n: int) -> npt.NDArray[np.int64]:
    """Room for the `many_words` of n slots in each thread, (threads, 4, n rounded up)."""
    return np.zeros((threads, 4, (n + 7) // 8 * 8), np.int64)


@law
def unit(word: int) -> float:
    """A word as a number in the open interval (0, 1)."""
    return (word + 0.5) * 2.3283064365386963e-10  # 2^-32


@law
def lower(word: int) -> float:
    """The lower 16 bits of a word as a number in (0, 1), for draws that need no more."""
    return ((word & 0xFFFF) + 0.5) / 65536.0


@law
def upper(word: int) -> float:
    """The upper 16 bits of a word as a number in (0, 1)."""
    return ((word >> 16) + 0.5) / 65536.0


@law
def normal(word: int, other: int) -> float:
    """A standard normal from two words (Box and Muller 1958)."""
    return math.sqrt(-2.0 * math.log(unit(word))) * math.cos(2.0 * math.pi * unit(other))


@law
def gamma(shape: float, seed: int, user: int, slot: int) -> float:
    """A Gamma(shape, 1) draw at birth (Marsaglia and Tsang 2000), ``slot`` telling draws apart.

    A shape below 1 is boosted: Gamma(a) = Gamma(a + 1) U^(1/a).
    """
    boosted = shape + 1.0 if shape < 1.0 else shape
    d = boosted - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    draw = d
    spare = 0.5
    for attempt in range(64):  # fails to accept with probability < 1e-80
        w0, w1, w2, w3 = words(seed, 0, user, attempt, 0, BIRTH, slot)
        x = normal(w0, w1)
        v = (1.0 + c * x) ** 3
        spare = unit(w3)
        if v > 0.0 and math.log(unit(w2)) < 0.5 * x * x + d - d * v + d * math.log(v):
            draw = d * v
            break
    if shape < 1.0:
        draw *= spare ** (1.0 / shape)
    return draw
