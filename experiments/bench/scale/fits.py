"""Least squares: a cost as a sum of known things times unknown rates.

    y_i = sum_j x_ij beta_j (1 + e_i)                                                       (1)

Errors are relative, so that a point of 1 us counts like one of 1000 us: rows of (1) are divided by
y_i. With n points, p rates, R the relative residuals and t Student's quantile at n - p,

    beta = (X'X)^-1 X'1,   s^2 = R'R / (n - p),   beta_j +- t s sqrt((X'X)^-1_jj)           (2)

The intervals say how well points lie on the curve and not whether the curve goes on beyond them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number and its interval."""

    mid: float
    low: float
    high: float

    def times(self, factor: float, plus: float = 0.0) -> Estimate:
        """The same in another unit (factor > 0), moved by ``plus``."""
        low, mid, high = (factor * x + plus for x in (self.low, self.mid, self.high))
        return Estimate(mid, low, high)


@dataclass(frozen=True)
class Fit:
    """A fitted curve (2)."""

    names: tuple[str, ...]
    beta: Floats  # (p,)
    spread: Floats  # (p, p) covariance of beta
    quantile: float  # t of (2)
    worst: float  # largest relative residual, in size [1]

    def at(self, *x: float) -> Estimate:
        """The curve where its known things are x (p,)."""
        place = np.asarray(x, float)
        mid = float(place @ self.beta)
        half = self.quantile * math.sqrt(max(0.0, float(place @ self.spread @ place)))
        return Estimate(mid, mid - half, mid + half)

    def rate(self, name: str) -> Estimate:
        """One of the rates beta."""
        return self.at(*(float(name == other) for other in self.names))

    def as_json(self) -> dict[str, Any]:
        """For a JSON file."""
        rates = {name: asdict(self.rate(name)) for name in self.names}
        return {"rates": rates, "largest_relative_residual": self.worst, "level": LEVEL}


def fitted(names: Sequence[str], x: npt.ArrayLike, y: npt.ArrayLike) -> Fit:
    """Fit (1) by (2).

    Args:
        names: of the rates (p,).
        x: known things (n, p).
        y: costs (n,), above 0.

    Raises:
        ValueError: no more points than rates, or rates that these points do not tell apart.
    """
    from scipy.stats import t

    y = np.asarray(y, float)
    scaled = np.asarray(x, float) / y[:, None]
    n, p = scaled.shape
    if n <= p or np.linalg.matrix_rank(scaled) < p:
        raise ValueError(f"{n} points do not tell {p} rates and an error apart: {list(names)}.")
    inverse = np.linalg.inv(scaled.T @ scaled)
    beta = inverse @ scaled.sum(axis=0)
    residuals = scaled @ beta - 1.0
    spread = inverse * float(residuals @ residuals) / (n - p)
    quantile = float(t.ppf(0.5 + LEVEL / 2.0, n - p))
    return Fit(tuple(names), beta, spread, quantile, float(np.abs(residuals).max()))
