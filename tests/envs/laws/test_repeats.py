"""Repeats: recency as a power law with a cut-off, and a memory that moves to the front."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.repeats import Repeats, forget, lag_drawn, lag_of, p_repeat, remember
from longplay.envs.state import PAST

REPEATS = Repeats(share=0.8, decay=0.6, cutoff=40.0)


def test_worked_example() -> None:
    # By hand: x = (1 + 0.5 (65^0.4 - 1))^(1 / 0.4) = (1 + 0.5 * 4.3112)^2.5 = 3.1556^2.5 = 17.69.
    assert lag_drawn(0.5, REPEATS) == 17
    # By hand: with decay 1, x = 65^0.5 = 8.06.
    assert lag_drawn(0.5, REPEATS._replace(decay=1.0)) == 8
    # By hand: 0.8 exp(-20 / 40) = 0.8 * 0.6065307.
    assert p_repeat(21, REPEATS) == approx(0.4852245, abs=1e-7)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(lag_drawn, (0.001, 0.999), REPEATS)
    agrees(p_repeat, range(1, 65), REPEATS)


@pytest.mark.parametrize("decay", [0.3, 1.0, 1.7])
def test_lags_fall_as_the_power_law_says(decay: float) -> None:
    """The share of each lag is the integral of x^-decay over its unit, worked out apart."""
    p = REPEATS._replace(decay=decay)
    u = (np.arange(200_000) + 0.5) / 200_000
    share = np.bincount([lag_drawn(x, p) for x in u], minlength=PAST + 1)[1:] / len(u)
    edges = np.arange(1.0, PAST + 2)
    mass = np.log(edges) if decay == 1.0 else edges ** (1.0 - decay) / (1.0 - decay)
    assert share == approx(np.diff(mass) / (mass[-1] - mass[0]), abs=2e-5)


@given(st.floats(1e-9, 1 - 1e-9), st.floats(0.0, 3.0))
def test_a_lag_lies_in_the_memory(u: float, decay: float) -> None:
    assert 1 <= lag_drawn(u, REPEATS._replace(decay=decay)) <= PAST


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 90)), max_size=300))
def test_memory_is_what_a_plain_list_would_be(events: list[tuple[bool, int]]) -> None:
    """Plays move to the front, skips drop out; against Python's own list."""
    past = np.zeros(PAST, np.int32)
    expected: list[int] = []
    for played, item in events:
        lag = lag_of(past, item)
        assert lag == (expected.index(item) + 1 if item in expected else 0)
        if item in expected:
            expected.remove(item)
        if played:
            remember(past, item, lag)
            expected = [item, *expected][:PAST]
        else:
            forget(past, lag)
        assert [int(id_) - 1 for id_ in past if id_ > 0] == expected
