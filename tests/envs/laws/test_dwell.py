"""Dwell: a Weibull cut at the item's end, and the skips of Spotify's listeners."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from scipy import stats

from longplay.envs.laws.dwell import (
    Dwell,
    dwell_seconds,
    impatience,
    match_of,
    next_restless,
)

DWELL = Dwell()
DRAWS = st.floats(1e-9, 1.0 - 1e-9)
MATCHES = st.floats(-5.0, 5.0)


def test_worked_example() -> None:
    # By hand: 0.8 + 1.2 / 2 - 0.4 = 1.
    assert match_of(0.8, 1.2, 0.4) == approx(1.0)
    # By hand: u = 1/e leaves the scale, 945 exp(0.5 * 2 - 0.5 - 0.8) = 945 * 0.7408182.
    assert dwell_seconds(1 / math.e, 2.0, 0.5, 900.0, 2, DWELL) == approx(700.0732, abs=1e-3)
    assert dwell_seconds(1 / math.e, 2.0, 0.5, 200.0, 2, DWELL) == 200.0
    # By hand: the median, 945 (ln 2)^(1 / 0.245) = 945 exp(-0.3665129 / 0.245) = 945 * 0.2240301.
    assert dwell_seconds(0.5, 0.0, 0.0, 900.0, 0, DWELL) == approx(211.7084, abs=1e-2)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(match_of, (-3.0, 3.0), (-3.0, 3.0), (0.0, 3.0))
    one = (1e-6, 1.0 - 1e-6)
    agrees(dwell_seconds, one, (-3.0, 3.0), (-2.0, 2.0), (30.0, 900.0), range(4), DWELL)


@pytest.mark.parametrize(("seconds", "gone"), [(5.0, 0.2414), (30.0, 0.3505), (180.0, 0.486)])
def test_skips_are_those_of_lamere_2014(seconds: float, gone: float) -> None:
    """At match 0, by quantiles; the fit itself misses the three shares by up to 0.2 points."""
    u = (np.arange(20_000) + 0.5) / 20_000
    played = np.array([dwell_seconds(x, 0.0, 0.0, 1e9, 0, DWELL) for x in u])
    assert np.mean(played < seconds) == approx(gone, abs=0.0025)
    assert np.mean(played < seconds) == approx(
        1 - math.exp(-((seconds / 945.0) ** 0.245)), abs=1e-4
    )


@pytest.mark.parametrize("match", [-1.0, 0.0, 2.0])
def test_weibull_cut_at_the_end(match: float) -> None:
    u = np.random.default_rng(2).random(20_000)
    played = np.array([dwell_seconds(x, match, 0.3, 200.0, 1, DWELL) for x in u])
    weibull = stats.weibull_min(0.245, scale=945.0 * math.exp(0.5 * match - 0.3 + 1.0))
    to_the_end = int((played == 200.0).sum())
    assert stats.binomtest(to_the_end, len(u), weibull.sf(200.0)).pvalue > 0.001
    cut = played[played < 200.0]
    assert stats.kstest(cut, lambda t: weibull.cdf(t) / weibull.cdf(200.0)).pvalue > 0.001


@given(DRAWS, MATCHES, st.floats(-5.0, 5.0), st.floats(1.0, 4000.0), st.integers(0, 3))
def test_never_negative_never_past_the_end(
    u: float, match: float, skippiness: float, length: float, intent: int
) -> None:
    assert 0.0 <= dwell_seconds(u, match, skippiness, length, intent, DWELL) <= length


@given(DRAWS, MATCHES, st.floats(0.0, 3.0))
def test_monotone(u: float, match: float, more: float) -> None:
    played = dwell_seconds(u, match, 0.0, 900.0, 0, DWELL)
    assert dwell_seconds(u, match + more, 0.0, 900.0, 0, DWELL) >= played
    assert dwell_seconds(u, match, more, 900.0, 0, DWELL) <= played


def test_who_stayed_a_while_stays_on(rises: Callable[..., None]) -> None:
    """Negative ageing: the chance to leave within 5 s falls with the seconds already played."""
    u = (np.arange(20_000) + 0.5) / 20_000
    played = np.array([dwell_seconds(x, 0.0, 0.0, 1e9, 0, DWELL) for x in u])
    at = (0.0, 5.0, 20.0, 60.0, 120.0)
    rises(-np.mean(played[played >= t] < t + 5.0) for t in at)


def test_background_skips_less_than_attentive_listening() -> None:
    u = (np.arange(2_000) + 0.5) / 2_000
    skips = [
        np.mean([dwell_seconds(x, 0.0, 0.0, 216.0, z, DWELL) < DWELL.skip for x in u])
        for z in range(4)
    ]
    assert skips[1] == min(skips)


def test_restlessness_by_hand() -> None:
    p = DWELL._replace(swing=2.0, pace=0.5)
    # By hand: 0.4 + 0.5 (1 - 0.4) and 0.4 + 0.5 (0 - 0.4).
    assert next_restless(0.4, 1.0, p) == approx(0.7)
    assert next_restless(0.4, 0.0, p) == approx(0.2)
    # By hand: 0.3 + 2 * 0.4.
    assert impatience(0.3, 0.4, p) == approx(1.1)
    assert impatience(0.3, 0.4, p._replace(swing=0.0)) == 0.3


@given(st.floats(0.0, 1.0), st.booleans(), st.floats(0.0, 1.0))
def test_restlessness_stays_in_0_to_1(restless: float, skipped: bool, pace: float) -> None:
    after = next_restless(restless, float(skipped), DWELL._replace(pace=pace))
    assert min(restless, float(skipped)) <= after + 1e-12
    assert after <= max(restless, float(skipped)) + 1e-12


def test_a_first_moment_and_the_length_by_hand() -> None:
    p = Dwell(weibull=1.0, scale=10.0, hurry=(0.0,) * 4, least=1.0, stretch=0.5)
    # By hand: u = 1/e leaves 1 + 10 (240 / 60)^0.5 = 21; at 60 s, 1 + 10.
    assert dwell_seconds(1 / math.e, 0.0, 0.0, 240.0, 0, p) == approx(21.0)
    assert dwell_seconds(1 / math.e, 0.0, 0.0, 60.0, 0, p) == approx(11.0)
    assert dwell_seconds(1 - 1e-9, 0.0, 0.0, 60.0, 0, p) == approx(1.0, abs=1e-6)  # none sooner
    assert dwell_seconds(1 / math.e, 0.0, 0.0, 0.5, 0, p) == 0.5  # but the end is the end
