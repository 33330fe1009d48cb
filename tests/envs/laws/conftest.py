"""What the tests of all laws share."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from pytest import approx


@pytest.fixture
def agrees() -> Callable[..., None]:
    """Check that a law compiled is the law as written, on random inputs.

    ``agrees(law, (0.0, 3.0), range(4), Fatigue())``: a pair is drawn from uniformly, a range
    likewise, parameters are passed on.
    """

    def check(law: Any, *inputs: Any) -> None:
        rng = np.random.default_rng(0)

        def draw(given: Any) -> Any:
            if isinstance(given, range):
                return int(rng.choice(given))
            return float(rng.uniform(*given)) if type(given) is tuple else given

        for _ in range(200):
            drawn = [draw(given) for given in inputs]
            assert law(*drawn) == approx(law.py_func(*drawn), rel=1e-12, abs=1e-15), drawn

    return check


@pytest.fixture
def rises() -> Callable[..., None]:
    """Check that every number is above the one before it."""

    def check(numbers: Iterable[float]) -> None:
        steps = np.diff(np.asarray(list(numbers)))
        assert len(steps) > 0
        assert (steps > 0.0).all(), steps

    return check
