"""What a discounted return of random actions is like: the scale that rewards are learnt in."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]


class Returns(NamedTuple):
    """What a discounted return of random actions is like."""

    mean: float
    size: float  # root mean square, > 0


def returns_of(rewards: Floats, discounts: Floats) -> Returns:
    """Estimate it from rewards and discounts of single steps, of any shape.

    Were rewards independent with mean m and standard deviation s, and every discount d, a return
    would have mean m / (1 - d) and variance s^2 / (1 - d^2). That is enough to scale rewards by.
    """
    d = min(float(np.mean(discounts)), 0.9999)
    mean = float(np.mean(rewards)) / (1.0 - d)
    size = math.sqrt(mean**2 + float(np.var(rewards)) / (1.0 - d**2))
    return Returns(mean, size if math.isfinite(size) and size > 0.0 else 1.0)
