"""Sums and quantiles of crowds: the same in any order and split, and right."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from longplay.experiments.populations.exact import HIGHEST, UNIT, Sums
from longplay.experiments.populations.sketch import (
    BUCKETS,
    HALF,
    LOWEST,
    PARTS,
    buckets,
    counted,
    middle,
    quantiles,
)

numbers = st.lists(
    st.floats(-1e15, 1e15) | st.floats(-1.0, 1.0) | st.sampled_from([0.1, 1e15, -1e15, 5e-324]),
    min_size=1,
    max_size=60,
)


def summed(values: list[float]) -> Sums:
    sums = Sums((1, 1))
    sums.add_at(np.zeros(len(values), np.int64), np.array([values]))
    return sums


def test_worked_example() -> None:
    # 2^50 + 2^-10 - 2^50 = 2^-10, of which floating point keeps nothing.
    values = [2.0**50, 2.0**-10, -(2.0**50)]
    assert sum(values) == 0.0
    sums = summed(values)
    assert sums.values()[0, 0] == 2.0**-10
    assert sums.whole() == [2 ** (UNIT - 10)]
    assert sums.means([3])[0, 0] == 2.0**-10 / 3


@settings(max_examples=150, deadline=None)
@given(numbers, st.randoms(use_true_random=False), st.integers(0, 60))
def test_any_order_and_any_split_gives_the_same_bits(values, random, cut) -> None:  # type: ignore[no-untyped-def]
    whole = summed(values)
    mixed = random.sample(values, len(values))
    left, right = Sums((1, 1)), Sums((1, 1))
    for part, own in ((left, mixed[:cut]), (right, mixed[cut:])):
        for value in own:  # one by one, and merged
            part.add(np.array([[value]]))
    right.merge(left)
    assert right.limbs.tobytes() == whole.limbs.tobytes()


@settings(max_examples=150, deadline=None)
@given(numbers)
def test_a_sum_is_within_half_a_unit_a_number_and_exact_from_2_to_the_minus_8(values) -> None:  # type: ignore[no-untyped-def]
    off = abs(Fraction(summed(values).whole()[0], 2**UNIT) - sum(map(Fraction, values)))
    assert off <= Fraction(len(values), 2 ** (UNIT + 1))
    large = [x for x in values if abs(x) >= 2**-8] or [0.0]
    assert summed(large).values()[0, 0] == math.fsum(large)


def test_many_sums_at_once_add_into_their_own_cells() -> None:
    rng = np.random.default_rng(0)
    values, cells = rng.normal(size=(3, 5000)) * 1e3, rng.integers(0, 7, 5000)
    sums = Sums((3, 7))
    sums.add_at(cells, values)
    for row in range(3):
        for cell in range(7):
            assert sums.values()[row, cell] == math.fsum(values[row, cells == cell])


@pytest.mark.parametrize("gone", [math.nan, math.inf, -math.inf, HIGHEST])
def test_what_is_no_number_or_too_large_makes_its_own_sum_unknown(gone: float) -> None:
    sums = Sums((1, 3))
    sums.add_at(np.array([0, 1, 1, 2]), np.array([[1.0, gone, 2.0, 3.0]]))
    assert np.isnan(sums.values()[0]).tolist() == [False, True, False]
    other = Sums((1, 3))
    other.merge(sums)
    assert np.isnan(other.values()[0]).tolist() == [False, True, False]


def test_sums_survive_being_kept() -> None:
    sums = summed([1.5, -0.1, math.pi])
    again = Sums.of(sums.limbs.copy(), sums.lost.copy())
    assert again.values()[0, 0] == sums.values()[0, 0]


# --- the sketch -------------------------------------------------------------------------------


def test_buckets_worked_out_by_hand() -> None:
    # [1, 2) has 64 buckets of width 1/64: 1.5 is at the start of the 33rd, whose middle is
    # 1.5 + 1/128. Powers of 2 from 2^-40: 1 is the 41st.
    one = HALF + 1 + 40 * PARTS
    assert buckets(np.array([1.0, 1.5, -1.5, 0.0, 2.0**-41])).tolist() == [
        one, one + 32, 2 * HALF - one - 32, HALF, HALF,
    ]  # fmt: skip
    assert middle(np.array([one + 32, HALF, 2 * HALF - one - 32])).tolist() == [
        1.5 + 1 / 128, 0.0, -1.5 - 1 / 128,
    ]  # fmt: skip
    assert buckets(np.array([math.inf, -math.inf, 1e300])).tolist() == [2 * HALF, 0, 2 * HALF]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=80), st.floats(0.0, 1.0))
def test_quantiles_are_within_their_stated_error(values: list[float], q: float) -> None:
    ordered = sorted(values)
    exact = ordered[min(max(math.ceil(q * len(values) - 1e-9), 1), len(values)) - 1]
    found = quantiles(counted(np.array(values)), [q])[0]
    assert found == approx(exact, rel=1 / (2 * PARTS), abs=2.0**LOWEST)


def test_sketches_add_up_and_leave_nan_out() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=500), rng.lognormal(size=700)
    together = counted(np.concatenate([a, b, [math.nan]]))
    assert np.array_equal(together, counted(a) + counted(b))
    assert together.sum() == 1200 and together.shape == (BUCKETS,)
    assert np.isnan(quantiles(counted(np.zeros(0)), [0.5])).all()
