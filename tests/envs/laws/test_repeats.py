"""Repeats: recency as a power law with a cut-off, and a memory of the last plays."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.repeats import (
    FINE,
    Repeats,
    forget,
    is_known,
    lag_table,
    remember,
    remembered,
)
from longplay.envs.state import PAST

SHARES = st.floats(0.0, 1.0)


def shares_of(p: Repeats) -> list[float]:
    """How often the table says each lag, 0 .. PAST."""
    return (np.bincount(lag_table(p), minlength=PAST + 1) / FINE).tolist()


def test_worked_example() -> None:
    """By hand, decay 1: c = 1 + 1/2 + ... + 1/64 = 4.7438909.

    Lag 1: 0.8 / 4.7438909 = 0.1686379. Lag 2: half of it, times exp(-1/40) = 0.0822373.
    """
    shares = shares_of(Repeats(share=0.8, decay=1.0, cutoff=40.0))
    assert shares[1] == approx(0.1686379, abs=1 / FINE)
    assert shares[2] == approx(0.0822373, abs=1 / FINE)


@given(SHARES, st.floats(0.0, 3.0), st.floats(0.5, 1e6))
def test_the_table_is_the_equation(share: float, decay: float, cutoff: float) -> None:
    """Against the sum written out; without a cut-off the shares add up to `share`."""
    shares = shares_of(Repeats(share, decay, cutoff))
    c = sum(d**-decay for d in range(1, PAST + 1))
    expected = [share * d**-decay / c * np.exp(-(d - 1) / cutoff) for d in range(1, PAST + 1)]
    assert shares[1:] == approx(expected, abs=1 / FINE)
    assert sum(shares[1:]) == approx(sum(expected), abs=1 / FINE)
    if cutoff > 1e5:
        assert sum(shares[1:]) == approx(share, abs=1 / FINE + 1e-3)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 90)), max_size=300))
def test_memory_is_what_a_plain_list_would_be(events: list[tuple[bool, int]]) -> None:
    """Plays are appended, skips strike out; against Python's own list."""
    past = np.zeros(PAST, np.int32)
    expected: list[int] = []
    for played, item in events:
        last = expected[-PAST:]
        assert is_known(past, item) == (item in last)
        for lag in range(1, PAST + 1):
            heard = last[-lag] if lag <= len(last) else -1
            assert remembered(past, len(expected), lag) == heard
        if played:
            remember(past, len(expected), item)
            expected.append(item)
        else:
            forget(past, item)
            expected = [-1 if other == item else other for other in expected]


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    past = np.arange(PAST, dtype=np.int32)
    agrees(is_known, past, range(0, 200))
    agrees(remembered, past, range(0, 500), range(1, PAST + 1))
