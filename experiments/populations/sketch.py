"""Quantiles of any number of values, from counts: two sketches merge by adding, in any order.

Each power of 2 is divided into PARTS buckets of equal width, as in an HdrHistogram; a bucket's
middle is then within 1 / (2 PARTS) of every value in it, relatively. A value's bucket follows from
its bits alone, so no rounding can put it elsewhere on another machine. Values nearer to 0 than
2^LOWEST count as 0, those beyond 2^HIGHEST into the last bucket; nan is counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PARTS = 64  # buckets of a power of 2: at most 0.8 % off
LOWEST, HIGHEST = -40, 60  # powers of 2 told apart
HALF = (HIGHEST - LOWEST) * PARTS  # buckets of one sign
BUCKETS = 2 * HALF + 1  # negative ones from far to near, 0, positive ones


def buckets(values: Floats) -> Ints:
    """The bucket of each value, 0 .. BUCKETS - 1; none of them may be nan."""
    size = np.minimum(np.abs(values), 2.0**HIGHEST)
    part, power = np.frexp(size)  # size = part * 2^power, part in [1/2, 1)
    spot = (power.astype(np.int64) - 1 - LOWEST) * PARTS
    spot += np.floor((2.0 * part - 1.0) * PARTS).astype(np.int64)
    spot = np.minimum(spot, HALF - 1)
    return np.where(
        size < 2.0**LOWEST, HALF, np.where(values > 0, HALF + 1 + spot, HALF - 1 - spot)
    )


def middle(bucket: Ints) -> Floats:
    """The value that stands for each bucket."""
    spot = np.abs(bucket - HALF) - 1
    power, part = np.divmod(np.maximum(spot, 0), PARTS)
    size = np.ldexp(1.0 + (part + 0.5) / PARTS, (power + LOWEST).astype(np.int32))
    return np.where(bucket == HALF, 0.0, np.where(bucket > HALF, size, -size))


def counted(values: Floats) -> Ints:
    """The sketch of some values: how many fell into each bucket, (BUCKETS,); nan into none."""
    return np.bincount(buckets(values[~np.isnan(values)]), minlength=BUCKETS).astype(np.int64)


def quantiles(counts: Ints, at: Sequence[float]) -> Floats:
    """Inverse-cdf quantiles: the smallest value with at least a share `at` of all at or below it.

    Within 1 / (2 PARTS) of the exact one, relatively; nan if nothing was counted.
    """
    below = np.cumsum(counts)
    total = int(below[-1])
    if not total:
        return np.full(len(at), np.nan)
    ranks = [min(max(int(np.ceil(q * total - 1e-9)), 1), total) for q in at]
    return middle(np.searchsorted(below, ranks).astype(np.int64))
