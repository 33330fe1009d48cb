"""Choice: what is played of what was looked at."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.choice import Choice, p_play, sigmoid, utility

CHOICE = Choice()
SIZES = st.floats(-20.0, 20.0)
INTENTS = st.integers(0, 3)


def test_worked_example() -> None:
    # By hand, exploring (2): 1.2 + 0.5 * 0.5 + 0.3 (0.3 + 0.8) - 0.6 * 0.4 = 1.54.
    assert utility(1.2, 0.5, 0.3, 0.4, 0.3, 2, CHOICE) == approx(1.54, abs=1e-12)
    # By hand: bias 0; 1 / (1 + exp(-1.54)) = 1 / 1.2143811.
    assert p_play(1.54, 2, CHOICE) == approx(0.8234648, abs=1e-7)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(sigmoid, (-30.0, 30.0))
    agrees(utility, (-3.0, 3.0), (-3.0, 3.0), (0.0, 1.0), (0.0, 3.0), (-1.0, 2.0), range(4), CHOICE)
    agrees(p_play, (-9.0, 9.0), range(4), CHOICE)


@given(SIZES)
def test_sigmoid_is_symmetric_about_a_half(x: float) -> None:
    assert sigmoid(x) + sigmoid(-x) == approx(1.0, abs=1e-12)
    assert sigmoid(0.0) == 0.5


def test_sigmoid_far_out_is_0_and_1() -> None:
    assert sigmoid(-1e4) == 0.0
    assert sigmoid(1e4) == 1.0


@given(SIZES, INTENTS)
def test_play_is_a_probability(u: float, intent: int) -> None:
    assert 0.0 <= p_play(u, intent, CHOICE) <= 1.0


@given(SIZES, SIZES, st.floats(0.0, 1.0), st.floats(0.0, 5.0), SIZES, INTENTS, st.floats(0.0, 2.0))
def test_monotone(f: float, a: float, n: float, x: float, d: float, z: int, more: float) -> None:
    base = utility(f, a, n, x, d, z, CHOICE)
    assert utility(f + more, a, n, x, d, z, CHOICE) >= base
    assert utility(f, a + more, n, x, d, z, CHOICE) >= base
    assert utility(f, a, n, x + more, d, z, CHOICE) <= base
    assert utility(f, a, n, x, d + more, z, CHOICE) >= base
    assert p_play(base + more, z, CHOICE) >= p_play(base, z, CHOICE)


@given(SIZES, SIZES, INTENTS)
def test_appetite_needs_novelty(appetite: float, other: float, intent: int) -> None:
    known = [utility(1.0, 0.0, 0.0, 0.0, d, intent, CHOICE) for d in (appetite, other)]
    assert known[0] == known[1]


def test_without_coefficients_only_the_bias_is_left() -> None:
    blind = Choice(affinity=0.0, attraction=0.0, satiation=0.0, explore=(0.0, 0.0, 0.0, 0.0))
    draw = utility(2.0, -1.0, 0.7, 3.0, 0.0, 3, blind)
    assert p_play(draw, 3, blind) == approx(sigmoid(-0.5))
