"""Discovery: an appetite that good surprises feed and rest brings home."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.discovery import Discovery, joy_of, next_appetite, settled

DISCOVERY = Discovery(joy=0.5, grow=0.1, half_life=60.0, most=2.0, least=-1.0)
APPETITES = st.floats(-1.0, 2.0)


def test_worked_example() -> None:
    # By hand: 0.5 * 0.8 * 0.5.
    assert joy_of(0.8, 0.5, DISCOVERY) == approx(0.2)
    # By hand: 0.5 + 0.1 * 0.8 * 0.5 * (2 - 0.5) = 0.56; downwards 0.5 - 0.04 * 1.5 = 0.44.
    assert next_appetite(0.5, 0.8, 0.5, DISCOVERY) == approx(0.56)
    assert next_appetite(0.5, 0.8, -0.5, DISCOVERY) == approx(0.44)
    # By hand: 60 days are one half-life: half of the 0.6 gained is left.
    assert settled(0.9, 0.3, 24.0 * 60.0, DISCOVERY) == approx(0.6)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(joy_of, (-1.0, 2.0), (0.0, 1.0), DISCOVERY)
    agrees(next_appetite, (-1.0, 2.0), (0.0, 1.0), (-3.0, 3.0), DISCOVERY)
    agrees(settled, (-1.0, 2.0), (-1.0, 2.0), (0.0, 4000.0), DISCOVERY)


@given(APPETITES, st.floats(0.0, 1.0), st.floats(-9.0, 9.0), st.floats(0.0, 50.0))
def test_appetite_stays_within_its_bounds_and_moves_with_the_experience(
    appetite: float, novelty: float, experience: float, grow: float
) -> None:
    after = next_appetite(appetite, novelty, experience, DISCOVERY._replace(grow=grow))
    assert -1.0 - 1e-12 <= after <= 2.0 + 1e-12
    assert (after - appetite) * experience >= 0.0


@given(st.floats(-3.0, 4.0), st.floats(-3.0, 3.0))
def test_limits(appetite: float, experience: float) -> None:
    off = DISCOVERY._replace(grow=0.0, joy=0.0)
    assert next_appetite(appetite, 1.0, experience, off) == appetite
    assert next_appetite(appetite, 0.0, experience, DISCOVERY) == appetite  # nothing new
    assert joy_of(appetite, 1.0, off) == 0.0
    assert settled(appetite, appetite, 1000.0, DISCOVERY) == appetite
