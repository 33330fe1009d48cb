"""Leaving: the hazard after each position."""

import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.leaving import Leaving, hazard_leaving

LEAVING = Leaving()
LEVELS = st.floats(0.0, 10.0)
SIZES = st.floats(-5.0, 5.0)
INTENTS = st.integers(0, 3)


def test_worked_example() -> None:
    # By hand: strain 0.25 (1 + 0.5) 1.5 = 0.5625;
    # -3 + 0.8 * 0.5 - 0.5 * 0.2 - 0.1 + 0.5625 = -2.2375; 1 / (1 + exp(2.2375)) = 1 / 10.36988.
    hazard = hazard_leaving(0.5, 0.2, 0.1, 1.0, 1.5, 0.0, 0, LEAVING)
    assert hazard == approx(0.0964331, abs=1e-6)
    # By hand: a first play, nothing else: -4 + 0.8 = -3.2; 1 / (1 + exp(3.2)) = 1 / 25.53253.
    hazard = hazard_leaving(0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1, LEAVING)
    assert hazard == approx(0.0391657, abs=1e-7)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    size, one = (-3.0, 3.0), (0.0, 1.0)
    agrees(hazard_leaving, (0.0, 5.0), size, size, one, (0.0, 4.0), one, range(4), LEAVING)


@given(
    LEVELS, SIZES, SIZES, st.sampled_from([0.0, 1.0]), LEVELS, st.sampled_from([0.0, 1.0]), INTENTS
)
def test_probability(
    f: float, g: float, stamina: float, ad: float, aversion: float, first: float, z: int
) -> None:
    assert 0.0 <= hazard_leaving(f, g, stamina, ad, aversion, first, z, LEAVING) <= 1.0


@given(LEVELS, SIZES, SIZES, LEVELS, INTENTS, st.floats(0.0, 2.0))
def test_monotone(f: float, g: float, stamina: float, aversion: float, z: int, more: float) -> None:
    base = hazard_leaving(f, g, stamina, 1.0, aversion, 0.0, z, LEAVING)
    assert hazard_leaving(f + more, g, stamina, 1.0, aversion, 0.0, z, LEAVING) >= base
    assert hazard_leaving(f, g, stamina, 1.0, aversion + more, 0.0, z, LEAVING) >= base
    assert hazard_leaving(f, g, stamina, 1.0, aversion, more, z, LEAVING) >= base
    assert hazard_leaving(f, g + more, stamina, 1.0, aversion, 0.0, z, LEAVING) <= base
    assert hazard_leaving(f, g, stamina + more, 1.0, aversion, 0.0, z, LEAVING) <= base
    assert hazard_leaving(f, g, stamina, 0.0, aversion, 0.0, z, LEAVING) <= base


@given(LEVELS, LEVELS, LEVELS)
def test_aversion_needs_an_ad(fatigue: float, aversion: float, other: float) -> None:
    calm = [hazard_leaving(fatigue, 0.0, 0.0, 0.0, a, 0.0, 0, LEAVING) for a in (aversion, other)]
    assert calm[0] == calm[1]


def test_an_ad_is_worse_for_the_tired() -> None:
    """In log-odds an ad adds 0.25 (1 + F): 0.25 when fresh, 0.75 at fatigue 2."""

    def added(fatigue: float) -> float:
        odds = [
            h / (1.0 - h)
            for h in (
                hazard_leaving(fatigue, 0.0, 0.0, ad, 1.0, 0.0, 0, LEAVING) for ad in (0.0, 1.0)
            )
        ]
        return math.log(odds[1] / odds[0])

    assert added(0.0) == approx(0.25)
    assert added(2.0) == approx(0.75)
