"""Satisfaction: fed by value, not by engagement."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.satisfaction import (
    Satisfaction,
    experience_of,
    felt,
    next_satisfaction,
)

SATISFACTION = Satisfaction()
UNIT = st.floats(0.0, 1.0)
SIZES = st.floats(-10.0, 10.0)
EXITS = st.sampled_from([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])


def test_worked_example() -> None:
    # By hand: value 1.2 + 0.6 * 0.8 - 0.5 * 0.4 = 1.48.
    assert experience_of(0.8, 1.2, 0.4, 3.0, SATISFACTION) == approx(1.48)
    # By hand: sigmoid(0) + 0.10 - 0.004 * 5 * 1.5 = 0.57; with patience gone 0.5 - 0.25 - 0.03.
    assert felt(0.0, 1.0, 0.0, 5.0, 1.5, SATISFACTION) == approx(0.57)
    assert felt(0.0, 0.0, 1.0, 5.0, 1.5, SATISFACTION) == approx(0.22)
    # By hand: 0.5 + 0.06 (0.58 - 0.5).
    assert next_satisfaction(0.5, 0.58, SATISFACTION) == approx(0.5048)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    size, one = (-3.0, 3.0), (0.0, 1.0)
    agrees(experience_of, size, size, (0.0, 3.0), (0.0, 60.0), SATISFACTION)
    agrees(felt, size, one, one, (0.0, 60.0), (0.0, 4.0), SATISFACTION)
    agrees(next_satisfaction, one, one, SATISFACTION)


@given(SIZES, SIZES, st.floats(0.0, 600.0))
def test_minutes_alone_satisfy_nobody(affinity: float, value: float, minutes: float) -> None:
    """No circle: what is rewarded as engagement does not by itself make people come back."""
    short = experience_of(affinity, value, 0.0, 0.0, SATISFACTION)
    assert experience_of(affinity, value, 0.0, minutes, SATISFACTION) == short


def test_the_link_may_be_made_of_either_sign() -> None:
    # By hand: 1.48 - 0.1 * 3, 1.48 + 0.1 * 3.
    assert experience_of(0.8, 1.2, 0.4, 3.0, SATISFACTION._replace(link=-0.1)) == approx(1.18)
    assert experience_of(0.8, 1.2, 0.4, 3.0, SATISFACTION._replace(link=0.1)) == approx(1.78)


@given(UNIT, SIZES, EXITS, st.floats(0.0, 200.0), st.floats(0.0, 10.0))
def test_between_0_and_1(
    s: float, mean: float, exits: tuple[float, float], ads: float, aversion: float
) -> None:
    v = felt(mean, *exits, ads, aversion, SATISFACTION)
    assert 0.0 <= v <= 1.0
    assert min(s, v) - 1e-12 <= next_satisfaction(s, v, SATISFACTION) <= max(s, v) + 1e-12


@given(SIZES, st.floats(0.0, 60.0), st.floats(0.0, 3.0), st.floats(0.0, 5.0))
def test_monotone(mean: float, ads: float, aversion: float, more: float) -> None:
    v = felt(mean, 0.0, 0.0, ads, aversion, SATISFACTION)
    assert felt(mean + more, 0.0, 0.0, ads, aversion, SATISFACTION) >= v
    assert felt(mean, 0.0, 0.0, ads + more, aversion, SATISFACTION) <= v
    assert felt(mean, 0.0, 0.0, ads, aversion + more, SATISFACTION) <= v
    assert felt(mean, 1.0, 0.0, ads, aversion, SATISFACTION) >= v
    assert felt(mean, 0.0, 1.0, ads, aversion, SATISFACTION) <= v


def test_a_steady_diet_is_approached_geometrically() -> None:
    """After n sessions the distance to v is (1 - kappa)^n of what it was."""
    s = 0.2
    for _ in range(30):
        s = next_satisfaction(s, 0.7, SATISFACTION)
    assert s == approx(0.7 - 0.5 * 0.94**30)


def test_limits() -> None:
    assert next_satisfaction(0.3, 0.9, SATISFACTION._replace(kappa=0.0)) == 0.3
    assert next_satisfaction(0.3, 0.3, SATISFACTION) == 0.3
    assert felt(-50.0, 0.0, 1.0, 0.0, 1.0, SATISFACTION) == 0.0
    assert felt(50.0, 1.0, 0.0, 0.0, 1.0, SATISFACTION) == 1.0


def test_a_skip_disappoints_who_wants_music_now_more_than_who_browses() -> None:
    """The sign of Mehrotra et al. 2019: passing over is bad news listening, good news browsing."""
    listen, _, explore, _ = SATISFACTION.passed
    assert listen < 0.0 < explore
    listen, _, explore, _ = SATISFACTION.skipped
    assert listen < explore <= 0.0
