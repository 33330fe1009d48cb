"""Intent: what a session is for, and what makes it a good one."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from scipy import stats

from longplay.envs.laws.intent import Intent, choose_intent, next_goal, weight_intent

INTENT = Intent()
HOURS = st.floats(0.0, 24.0)


def test_worked_example() -> None:
    # By hand: background at 20:00, 6 hours from its noon at 14:00: swing 0; 0.30 exp(0.5).
    assert weight_intent(1, 0.5, 20.0, INTENT) == approx(0.4946164, abs=1e-7)
    # By hand: listen-now at its noon, 18:00, and opposite: 0.40 (1 + 0.1), 0.40 (1 - 0.1).
    assert weight_intent(0, 0.5, 18.0, INTENT) == approx(0.44)
    assert weight_intent(0, 0.5, 6.0, INTENT) == approx(0.36)
    # By hand: exploring at 3:00 is 6 hours, across midnight, from 21:00.
    assert weight_intent(2, 0.5, 3.0, INTENT) == approx(0.20)
    # By hand: u = 1/e is the mean of an exponential.
    assert next_goal(1 / math.e, 1, INTENT) == approx(25.0)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(weight_intent, range(4), (-2.0, 2.0), (0.0, 24.0), INTENT)
    agrees(choose_intent, (0.0, 1.0), (-2.0, 2.0), (0.0, 24.0), INTENT)
    agrees(next_goal, (1e-6, 1.0), range(4), INTENT)


def test_without_swing_shares_are_the_quantiles() -> None:
    """By hand: shares 0.4, 0.3, 0.2, 0.1 end at 0.4, 0.7, 0.9 and 1."""
    steady = Intent(daytime=(0.0, 0.0, 0.0, 0.0))
    drawn = [choose_intent(u, 0.0, 5.0, steady) for u in (0.39, 0.41, 0.69, 0.71, 0.89, 0.91)]
    assert drawn == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(("lean", "hour"), [(0.0, 9.5), (-1.0, 23.0), (1.5, 14.0)])
def test_intents_come_in_proportion_to_their_weights(lean: float, hour: float) -> None:
    u = np.random.default_rng(3).random(20_000)
    drawn = np.bincount([choose_intent(x, lean, hour, INTENT) for x in u], minlength=4)
    weights = np.array([weight_intent(z, lean, hour, INTENT) for z in range(4)])
    assert stats.chisquare(drawn, len(u) * weights / weights.sum()).pvalue > 0.001


def test_goals_are_exponential() -> None:
    u = np.random.default_rng(4).random(20_000)
    for intent, mean in enumerate(INTENT.goal):
        goals = [next_goal(x, intent, INTENT) for x in u]
        assert stats.kstest(goals, stats.expon(scale=mean).cdf).pvalue > 0.001


@given(st.integers(0, 3), st.floats(-4.0, 4.0), HOURS)
def test_weights_are_positive(intent: int, lean: float, hour: float) -> None:
    assert weight_intent(intent, lean, hour, INTENT) > 0.0


@given(st.floats(-4.0, 4.0), HOURS)
def test_lean_moves_background_alone(lean: float, hour: float) -> None:
    for intent in range(4):
        ratio = weight_intent(intent, lean, hour, INTENT) / weight_intent(intent, 0.0, hour, INTENT)
        assert ratio == approx(math.exp(lean) if intent == 1 else 1.0)


@pytest.mark.parametrize("intent", range(4))
def test_the_swing_cancels_over_a_day(intent: int) -> None:
    hours = (np.arange(2400) + 0.5) / 100.0
    mean = np.mean([weight_intent(intent, 0.0, h, INTENT) for h in hours])
    assert mean == approx(INTENT.share[intent], rel=1e-6)


@given(st.floats(1e-12, 1.0 - 1e-12), st.floats(-4.0, 4.0), HOURS)
def test_the_draw_is_an_intent_with_a_goal(u: float, lean: float, hour: float) -> None:
    intent = choose_intent(u, lean, hour, INTENT)
    assert intent in range(4)
    assert next_goal(u, intent, INTENT) > 0.0
