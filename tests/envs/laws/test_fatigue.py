"""Fatigue: what tires, and what rest restores."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.fatigue import Fatigue, next_fatigue, rested

FATIGUE = Fatigue()
LEVELS = st.floats(0.0, 20.0)
AMOUNTS = st.floats(0.0, 60.0)


def test_worked_example() -> None:
    # By hand: 0.5 + 0.004 * 4 + 0.01 * 1 + 0.10 * 1 * 1.5 = 0.5 + 0.016 + 0.01 + 0.15.
    assert next_fatigue(0.5, 4.0, 1.0, 1.0, 1.5, FATIGUE) == approx(0.676)
    # By hand: 6 hours are two half-lives of 3.
    assert rested(1.0, 6.0, FATIGUE) == approx(0.25)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(next_fatigue, (0.0, 9.0), (0.0, 9.0), (0.0, 9.0), (0.0, 2.0), (0.0, 5.0), FATIGUE)
    agrees(rested, (0.0, 9.0), (0.0, 99.0), FATIGUE)


@given(LEVELS, AMOUNTS, AMOUNTS, AMOUNTS, st.floats(0.0, 5.0))
def test_sessions_never_rest(f: float, minutes: float, passed: float, ads: float, a: float) -> None:
    assert next_fatigue(f, minutes, passed, ads, a, FATIGUE) >= f >= 0.0


@given(LEVELS, st.floats(0.0, 500.0))
def test_rest_never_tires(fatigue: float, gap: float) -> None:
    assert 0.0 <= rested(fatigue, gap, FATIGUE) <= fatigue


@given(LEVELS, st.floats(0.0, 48.0), st.floats(0.0, 48.0))
def test_two_rests_are_one(fatigue: float, one: float, two: float) -> None:
    twice = rested(rested(fatigue, one, FATIGUE), two, FATIGUE)
    assert twice == approx(rested(fatigue, one + two, FATIGUE), abs=1e-12)


@given(LEVELS)
def test_limits(fatigue: float) -> None:
    assert rested(fatigue, 0.0, FATIGUE) == fatigue
    assert rested(fatigue, 5.0, FATIGUE._replace(half_life=1e15)) == approx(fatigue)
    assert next_fatigue(fatigue, 0.0, 0.0, 0.0, 2.0, FATIGUE) == fatigue
    tireless = Fatigue(per_minute=0.0, per_pass=0.0, per_ad=0.0)
    assert next_fatigue(fatigue, 60.0, 9.0, 9.0, 5.0, tireless) == fatigue


def test_an_ad_tires_in_proportion_to_aversion() -> None:
    one, two = (next_fatigue(0.0, 0.0, 0.0, 1.0, a, FATIGUE) for a in (1.0, 2.0))
    assert two == approx(2.0 * one)
