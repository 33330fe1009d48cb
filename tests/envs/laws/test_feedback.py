"""Feedback: four acts and the delight behind them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.feedback import Feedback, delight_of, p_hide, p_like, p_save, p_share

FEEDBACK = Feedback()
SIZES = st.floats(-8.0, 8.0)


def test_worked_example() -> None:
    # By hand: value 0.8 + affinity 1 / 2 - satiation 0.2 = 1.1.
    assert delight_of(1.0, 0.8, 0.2) == approx(1.1)
    # By hand: 1 / (1 + exp(1.9)), 1 / (1 + exp(2.9)), 1 / (1 + exp(5.4)).
    assert p_like(1.1, FEEDBACK) == approx(0.1301085, abs=1e-7)
    assert p_save(1.1, FEEDBACK) == approx(0.0521536, abs=1e-7)
    assert p_share(1.1, FEEDBACK) == approx(0.0044963, abs=1e-7)
    # By hand: let-down 1 - (-1) = 2; 1 / (1 + exp(5.5 - 2)).
    assert p_hide(-1.0, 1.0, FEEDBACK) == approx(0.0293122, abs=1e-7)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(delight_of, (-3.0, 3.0), (-3.0, 3.0), (0.0, 3.0))
    for act in (p_like, p_save, p_share):
        agrees(act, (-5.0, 5.0), FEEDBACK)
    agrees(p_hide, (-5.0, 5.0), (-3.0, 3.0), FEEDBACK)


@given(SIZES)
def test_the_costlier_act_is_the_rarer(delight: float) -> None:
    acts = [p(delight, FEEDBACK) for p in (p_share, p_save, p_like)]
    assert 0.0 <= acts[0] < acts[1] < acts[2] <= 1.0


@given(SIZES, SIZES, st.floats(0.0, 3.0))
def test_monotone(delight: float, attraction: float, more: float) -> None:
    for act in (p_like, p_save, p_share):
        assert act(delight + more, FEEDBACK) >= act(delight, FEEDBACK)
    hides = p_hide(delight, attraction, FEEDBACK)
    assert p_hide(delight + more, attraction, FEEDBACK) <= hides
    assert p_hide(delight, attraction + more, FEEDBACK) >= hides
    assert 0.0 <= hides <= 1.0


@pytest.mark.parametrize("delight", [-2.0, 0.0, 3.0])
def test_without_slope_acts_tell_nothing(delight: float) -> None:
    dull = Feedback(slope=0.0)
    assert p_like(delight, dull) == p_like(0.0, FEEDBACK)
    assert p_hide(delight, 2.0, dull) == p_hide(0.0, 0.0, FEEDBACK)
