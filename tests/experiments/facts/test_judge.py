"""Intervals and verdicts, against numbers worked out by hand."""

import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pytest import approx

pytest.importorskip("scipy")

from longplay.experiments.facts.fact import Check, Fact, Found
from longplay.experiments.facts.judge import (
    HOLDS,
    MISSES,
    SHOWN,
    Interval,
    jackknife,
    judge,
    verdict_of,
)


def module(**more: Any) -> ModuleType:
    """A file with a fact about `x`."""
    made = ModuleType("f99_made_up", "F99: made up.\n\nTold here.")
    fact = Fact("F99", "made up", "nobody", "[M]", "x near 2", (Check("x", "a number", 1.5, 2.5),))
    everything = {"FACT": fact, "SETTINGS": {}, "measure": None, "figure": None, **more}
    for name, value in everything.items():
        setattr(made, name, value)
    return made


def test_the_interval_of_a_mean_is_the_t_interval() -> None:
    # By hand: 1, 2, 3 have mean 2 and standard error 1/sqrt(3); t(2) at 97.5 % is 4.3027.
    left_out = [2.5, 2.0, 1.5]
    found = jackknife(2.0, left_out)
    assert (found.low, found.high) == approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)


def test_one_seed_has_no_interval() -> None:
    found = jackknife(2.0, [])
    assert (found.low, found.mean, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("mean", "low", "high", "of", "to", "word"),
    [
        (2.0, 1.0, 3.0, 2.5, 4.0, HOLDS),  # overlaps
        (2.0, 1.0, 3.0, 3.5, 4.0, MISSES),  # below the range
        (2.0, 1.0, 3.0, -4.0, 0.9, MISSES),  # above it
        (-0.1, -1.0, 0.8, 0.0, math.inf, MISSES),  # overlaps, but the sign is wrong
        (0.1, -1.0, 0.8, 0.0, math.inf, HOLDS),
        (0.1, -1.0, 0.8, -5.0, 0.0, MISSES),
        (0.1, -1.0, 0.8, -0.5, 0.5, HOLDS),  # a range about 0 has no sign
        (math.nan, math.nan, math.nan, 0.0, 1.0, MISSES),
        (2.0, 1.0, 3.0, -math.inf, math.inf, SHOWN),
    ],
)
def test_verdicts(mean: float, low: float, high: float, of: float, to: float, word: str) -> None:
    assert verdict_of(Interval(mean, low, high), of, to) == word


def test_numbers_that_are_measured_are_averaged() -> None:
    judged = judge(Found.of(module()), [{"x": 1.0}, {"x": 2.0}, {"x": 3.0}], quick=False)
    (verdict,) = judged.verdicts
    assert verdict.measured.mean == 2.0
    assert verdict.measured.high == approx(2 + 4.3027 / 3**0.5, abs=1e-4)
    assert judged.holds


def test_a_ratio_is_read_once_of_all_seeds() -> None:
    def read(series: Any) -> dict[str, float]:
        return {"x": float(series["a"] / series["b"])}

    parts = [{"a": np.array(a), "b": np.array(b)} for a, b in ((1.0, 1.0), (5.0, 2.0))]
    judged = judge(Found.of(module(read=read)), parts, quick=False)
    # Ratio of sums 6/3 = 2, not the mean of ratios 1.75; without a seed 2.5 and 1.
    measured = judged.verdicts[0].measured
    assert measured.mean == 2.0
    # By hand: V = 1/2 (0.75^2 + 0.75^2) = 0.5625; t(1) at 97.5 % is 12.7062.
    assert measured.high - measured.mean == approx(12.7062 * 0.75, rel=1e-4)


def test_the_quick_range_stands_in_the_quick_run_only() -> None:
    check = Check("x", "a number", 1.0, 2.0, quick=(0.0, 3.0))
    assert check.range(quick=True) == (0.0, 3.0)
    assert check.range(quick=False) == (1.0, 2.0)
