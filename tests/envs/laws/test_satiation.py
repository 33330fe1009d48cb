"""Satiation: boredom under exposure, rebound at rest."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.satiation import Satiation, faded, next_satiation, remaining

SATIATION = Satiation()
LEVELS = st.floats(0.0, 20.0)
GAPS = st.floats(0.0, 100.0)


def test_worked_example() -> None:
    # By hand: 12 hours are two half-lives of 6.
    assert faded(1.0, 12.0, 6.0) == approx(0.25)
    # By hand: 3 hours are half a half-life of 6; 1 / sqrt(2).
    assert remaining(3.0, SATIATION) == approx(0.7071068, abs=1e-7)
    # By hand: 0.1 + 0.06.
    assert next_satiation(0.1, 1.0, SATIATION) == approx(0.16)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(faded, (0.0, 9.0), (0.0, 200.0), (0.5, 48.0))
    agrees(remaining, (0.0, 200.0), SATIATION)
    agrees(next_satiation, (0.0, 9.0), (0.0, 5.0), SATIATION)


def test_steady_state_is_gain_over_1_minus_gamma() -> None:
    """One play every 2 hours: gamma = 2^(-2/6) = 0.7937005; 0.06 / 0.2062995 = 0.2908394."""
    bored = 0.0
    for _ in range(200):
        bored = next_satiation(faded(bored, 2.0, SATIATION.half_life), 1.0, SATIATION)
    assert bored == approx(0.2908394, abs=1e-6)


def test_boredom_rises_with_a_streak_and_rebounds(rises: Callable[..., None]) -> None:
    streak = [0.0]
    for _ in range(20):
        streak.append(next_satiation(faded(streak[-1], 0.1, 6.0), 1.0, SATIATION))
    rises(streak)
    rises(-faded(streak[-1], gap, 6.0) for gap in (0.0, 1.0, 6.0, 24.0, 96.0))


@given(LEVELS, GAPS, GAPS, st.floats(0.1, 100.0))
def test_two_rests_are_one(level: float, one: float, two: float, half_life: float) -> None:
    twice = faded(faded(level, one, half_life), two, half_life)
    assert twice == approx(faded(level, one + two, half_life), abs=1e-12)


@given(LEVELS, GAPS, st.floats(0.0, 10.0))
def test_never_negative_and_rest_never_bores(level: float, gap: float, exposure: float) -> None:
    assert 0.0 <= faded(level, gap, 6.0) <= level
    assert level * remaining(gap, SATIATION) == approx(faded(level, gap, 6.0), abs=1e-12)
    assert next_satiation(level, exposure, SATIATION) >= level


@given(LEVELS)
def test_limits(level: float) -> None:
    assert faded(level, 0.0, 6.0) == level
    assert next_satiation(level, 0.0, SATIATION) == level
    assert next_satiation(level, 9.0, SATIATION._replace(gain=0.0)) == level
