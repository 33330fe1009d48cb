"""Ads: memory, blindness and clicks."""

import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.ads import Ads, blended, next_ad_memory, next_blindness, p_click

ADS = Ads()
LOADS = st.floats(0.0, 100.0)
DAYS = st.floats(0.0, 1000.0)


def test_worked_example() -> None:
    # By hand: 0.015 exp(-0.1) = 0.015 * 0.9048374.
    assert p_click(-0.1, ADS) == approx(0.01357256, abs=1e-8)
    # By hand: 6 + (2 - 6) exp(-0.012 * 10) = 6 - 4 * 0.8869204.
    assert next_ad_memory(2.0, 6.0, 10.0, ADS) == approx(2.4523183, abs=1e-6)
    # By hand: U* = -0.05 (1 - 0.5) 4 = -0.1; U = -0.1 (1 - exp(-0.36)) = -0.1 * 0.3023237.
    assert next_blindness(0.0, 4.0, 30.0, ADS) == approx(-0.03023237, abs=1e-8)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(p_click, (-3.0, 1.0), ADS)
    agrees(blended, (-5.0, 5.0), (-5.0, 5.0), (0.0, 100.0), (0.0, 1.0))
    agrees(next_ad_memory, (0.0, 30.0), (0.0, 30.0), (0.0, 100.0), ADS)
    agrees(next_blindness, (-2.0, 0.0), (0.0, 30.0), (0.0, 100.0), ADS)


def test_half_life_is_58_days() -> None:
    """Hohnhold et al. 2015: 0.012 a day; ln 2 / 0.012 = 57.76 days, to learn and to un-learn."""
    assert next_ad_memory(8.0, 0.0, 57.762, ADS) == approx(4.0, abs=1e-4)
    assert next_ad_memory(0.0, 8.0, 57.762, ADS) == approx(4.0, abs=1e-4)
    assert next_blindness(-0.2, 0.0, 57.762, ADS) == approx(-0.1, abs=1e-5)


def test_a_study_of_90_days_sees_two_thirds() -> None:
    """Of the full effect: 1 - exp(-0.012 * 90) = 0.660 (Hohnhold et al.: about 65 %)."""
    full = next_blindness(0.0, 5.0, 1e6, ADS)
    assert next_blindness(0.0, 5.0, 90.0, ADS) / full == approx(0.6604, abs=1e-4)


def test_limits() -> None:
    assert next_ad_memory(3.0, 9.0, 0.0, ADS) == 3.0
    assert next_ad_memory(3.0, 9.0, 50.0, ADS._replace(memory=0.0)) == 3.0
    assert next_ad_memory(3.0, 9.0, 1e9, ADS) == 9.0
    assert next_blindness(-0.3, 9.0, 50.0, ADS._replace(learning=0.0)) == approx(-0.3)
    assert p_click(0.0, ADS) == ADS.click
    assert p_click(1e3, ADS) == 1.0


def test_good_ads_make_nobody_blind() -> None:
    assert next_blindness(0.0, 20.0, 100.0, ADS._replace(quality=1.0)) == 0.0
    assert next_blindness(0.0, 20.0, 100.0, ADS._replace(quality=0.0)) < 0.0


@given(LOADS, LOADS, DAYS)
def test_memory_lies_between_where_it_was_and_the_load(
    memory: float, load: float, t: float
) -> None:
    after = next_ad_memory(memory, load, t, ADS)
    slack = 1e-12 * max(memory, load)
    assert min(memory, load) - slack <= after <= max(memory, load) + slack


@given(LOADS, LOADS, st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_two_gaps_are_one(memory: float, load: float, one: float, two: float) -> None:
    """The exponential is exact: how a stretch of days is cut changes nothing."""
    halfway = next_ad_memory(memory, load, one, ADS)
    whole = next_ad_memory(memory, load, one + two, ADS)
    assert next_ad_memory(halfway, load, two, ADS) == approx(whole, rel=1e-9, abs=1e-12)


@given(st.floats(-50.0, 50.0))
def test_clicks_are_a_probability(blindness: float) -> None:
    assert 0.0 <= p_click(blindness, ADS) <= 1.0


def test_monotone(rises: Callable[..., None]) -> None:
    loads = [0.0, 1.0, 3.0, 10.0]
    rises(next_ad_memory(2.0, load, 5.0, ADS) for load in loads)
    rises(-next_blindness(0.0, load, 5.0, ADS) for load in loads)
    rises(p_click(math.log(x), ADS) for x in (0.1, 0.5, 1.0, 2.0))
