"""exp, in line and to the last bit as glibc computes it.

A step takes some thirty exponentials a fetch, and a call to the system's library costs as much as
the exponential itself: the call, a wrapper that looks after errno, and every number that is kept
in a register is put away and fetched again. So the step has its own, after the algorithm of
Szabolcs Nagy (ARM optimized routines 2018, `exp.c`; glibc since 2.28):

    exp(x) = 2^(i/128) 2^k exp(r),   x = (128 k + i) ln2/128 + r,  0 <= i < 128               (1)
    exp(r) ~ 1 + r + C2 r^2 + C3 r^3 + C4 r^4 + C5 r^5                                        (2)

with its constants and its order of operations, so that the bits are those of glibc on a processor
with fused multiply-add; the error is 0.511 units in the last place. It does not depend on the
library of the machine any more. What is beyond +-512, nan included, is left to `math.exp`.
"""

import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import types
from numba.extending import intrinsic, overload

from longplay.envs.compiled import OPTIONS

STEPS = 128  # of an octave
PER_STEP = 184.6649652337873  # 128 / ln2
LN2_HIGH, LN2_LOW = -0.005415212348111709, -1.2864023111638346e-14  # their sum is -ln2 / 128
ROUNDER = 6755399441055744.0  # 1.5 * 2^52: a number added to it is rounded to a whole one
C2, C3 = 0.49999999999996786, 0.16666666666665886
C4, C5 = 0.0416666808410674, 0.008333335853059549


def powers_of_two() -> npt.NDArray[np.int64]:
    """2^(i/128) as bits (128, 2): what the double nearest to it lacks [1], and that double.

    The exponents are less by i/128, which `exp` adds together with k.
    """
    rows = np.zeros((STEPS, 2), np.int64)
    with localcontext() as context:
        context.prec = 60
        root = Decimal(2) ** (Decimal(1) / STEPS)
        for i in range(STEPS):
            near = float(root**i)
            lacks = float(root**i / Decimal(near) - 1)
            rows[i] = np.array([lacks, near]).view(np.int64)
            rows[i, 1] -= i << 45
    return rows


POWERS = powers_of_two()


@intrinsic
def _multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), generate


_fused: Any = _multiply_add
_INLINE: Any = OPTIONS


def exp(x: float) -> float:
    """e^x; in plain Python `math.exp`."""
    return math.exp(x)


@overload(exp, jit_options=_INLINE)
def _exp(x: float) -> Any:
    powers = POWERS

    def implementation(x: float) -> float:
        if not abs(x) < 512.0:
            return math.exp(x)
        rounded = _fused(PER_STEP, x, ROUNDER)
        bits = np.float64(rounded).view(np.int64)
        whole = rounded - ROUNDER
        r = _fused(whole, LN2_LOW, _fused(whole, LN2_HIGH, x))
        i = bits & (STEPS - 1)
        scale = np.int64(powers[i, 1] + (bits << 45)).view(np.float64)
        rest = np.int64(powers[i, 0]).view(np.float64) + r
        square = r * r
        rest = _fused(_fused(r, C3, C2), square, rest)
        rest = _fused(square * square, _fused(r, C5, C4), rest)
        result: float = _fused(scale, rest, scale)
        return result

    return implementation


def wrapped(x: float, period: float) -> float:
    """x modulo ``period`` > 0, in [0, period]; in plain Python ``x % period``."""
    return x % period


@overload(wrapped, jit_options=_INLINE)
def _wrapped(x, period):  # type: ignore[no-untyped-def]
    def implementation(x, period):  # type: ignore[no-untyped-def]
        # One rounding only, so the rest is that of the library's loop of subtractions. A quotient
        # just below a whole number may have been rounded up to it.
        rest = _fused(-math.floor(x / period), period, x)
        return rest + period if rest < 0.0 else rest

    return implementation
