"""Sums that are the same bits in any order, however the numbers were split among workers.

A number x is rounded to the nearest multiple of u = 2^-60 and held as a whole number of u in
three limbs of 40 bits,

    x = u (l0 + 2^40 l1 + 2^80 l2),    0 <= l0, l1 < 2^40, l2 of any sign,

and whole numbers add up exactly. So a sum is off by at most u / 2 a number, and by nothing for
numbers of 2^-8 and more (or 0), whose last bit is a multiple of u. `Sums.means` divides the whole
sum by a whole count, rounded once. Fixed-point accumulators are Kulisch's (2013, Computer
Arithmetic and Validity, ch. 8); three limbs are what money, minutes and counts need.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LIMBS, BITS, UNIT = 3, 40, 60  # limbs, bits of each, and u = 2^-UNIT
MASK = (1 << BITS) - 1
HIGHEST = 2.0**60  # a number from here on, or none (nan, inf), makes its sum unknown
AT_ONCE = 1 << 20  # numbers added between two carries: 2^20 limbs of 2^40 fit into 2^63


class Sums:
    """Cells, each a sum: any shape, all 0 to begin with."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.limbs: Ints = np.zeros((LIMBS, *shape), np.int64)
        self.lost: npt.NDArray[np.bool_] = np.zeros(shape, bool)  # a number was none, or too large

    @classmethod
    def of(cls, limbs: Ints, lost: npt.NDArray[np.bool_]) -> Self:
        """Sums as they were kept."""
        sums = cls(limbs.shape[1:])
        sums.limbs, sums.lost = limbs.astype(np.int64), lost.astype(bool)
        return sums

    def add(self, values: Floats) -> None:
        """Add one number to every cell; values have the cells' shape."""
        pieces, lost = _split(values)
        self.limbs += pieces
        self.lost |= lost
        self._carry()

    def add_at(self, cells: Ints, values: Floats) -> None:
        """Add values (rows, n) to cells of sums of shape (rows, m): value i of a row to cells[i].

        cells (n,) may name a cell any number of times.
        """
        for start in range(0, len(cells), AT_ONCE):
            own = slice(start, start + AT_ONCE)
            pieces, lost = _split(values[:, own])
            for limb, piece in zip(self.limbs, pieces, strict=True):
                for row, numbers in zip(limb, piece, strict=True):
                    np.add.at(row, cells[own], numbers)
            for row, gone in zip(self.lost, lost, strict=True):
                row[cells[own][gone]] = True
            self._carry()

    def merge(self, other: Sums) -> None:
        """Add the sums of others, cell by cell."""
        self.limbs += other.limbs
        self.lost |= other.lost
        self._carry()

    def _carry(self) -> None:
        """Bring limbs into their range, so that equal sums are equal bits."""
        low, middle, high = self.limbs
        middle += low >> BITS
        low &= MASK
        high += middle >> BITS
        middle &= MASK

    def whole(self) -> list[int]:
        """The sums in units of 2^-UNIT, cell by cell in C order."""
        low, middle, high = (limb.ravel().tolist() for limb in self.limbs)
        return [
            (c << 2 * BITS) + (b << BITS) + a for a, b, c in zip(low, middle, high, strict=True)
        ]

    def means(self, counts: Iterable[int]) -> Floats:
        """Sums over counts, of cell by cell in C order; correctly rounded, nan where lost."""
        found = [x / (n << UNIT) for x, n in zip(self.whole(), counts, strict=True)]
        means = np.array(found).reshape(self.lost.shape)
        means[self.lost] = np.nan
        return means

    def values(self) -> Floats:
        """The sums, correctly rounded; nan where lost."""
        return self.means([1] * self.lost.size)


def _split(values: Floats) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Limbs of numbers, (LIMBS, *shape), and which are none or too large (they count as 0)."""
    values = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):
        lost = ~(np.abs(values) < HIGHEST)
    x = np.where(lost, 0.0, np.abs(values))
    high = np.floor(x * 2.0 ** (UNIT - 2 * BITS))
    x = x - high * 2.0 ** (2 * BITS - UNIT)  # exact, as is what follows: leading bits are removed
    middle = np.floor(x * 2.0 ** (UNIT - BITS))
    low = np.rint((x - middle * 2.0 ** (BITS - UNIT)) * 2.0**UNIT)
    sign = np.where(values < 0, -1, 1)
    return np.stack([low, middle, high]).astype(np.int64) * sign, lost
