"""Attention: looking on, and falling silent."""

import math
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from scipy import stats

from longplay.envs.laws.attention import Attention, minutes_paused, p_look_on

PAUSING = Attention(pause_chance=0.1, pause_minutes=10.0, pause_longest=29.0)


def test_worked_example() -> None:
    assert p_look_on(0.0, 0, Attention()) == 0.94
    assert p_look_on(1.0, 1, Attention()) == 0.995
    # By hand: half of the 10 % who fall silent do so for more than the median, 10 ln 2.
    assert minutes_paused(0.05, PAUSING) == approx(6.931472, abs=1e-6)
    # By hand: u = 0.1 exp(-3) gives 30 min, cut at 29.
    assert minutes_paused(0.1 * math.exp(-3.0), PAUSING) == 29.0


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(p_look_on, (-0.5, 0.5), range(4), Attention())
    agrees(minutes_paused, (0.0001, 0.9999), PAUSING)


def test_a_chooser_sees_10_to_20_titles() -> None:
    """Who passes everything over looks at 1 / (1 - lambda) titles (Gomez-Uribe & Hunt 2015)."""
    for chooser in (0, 3):  # who wants to listen now, and who looks something up
        titles = 1.0 / (1.0 - p_look_on(0.0, chooser, Attention()))
        assert 10.0 <= titles <= 20.0


def test_without_a_chance_nobody_falls_silent() -> None:
    never = Attention(pause_chance=0.0)
    assert all(minutes_paused(u, never) == 0.0 for u in (1e-9, 0.3, 1.0 - 1e-9))


def test_silences_are_exponential_and_cut() -> None:
    u = np.random.default_rng(1).random(50_000)
    paused = np.array([minutes_paused(x, PAUSING) for x in u])
    silent = paused[paused > 0.0]
    assert stats.binomtest(len(silent), len(u), 0.1).pvalue > 0.001
    at_longest = (silent == 29.0).sum()
    assert stats.binomtest(int(at_longest), len(silent), math.exp(-2.9)).pvalue > 0.001
    below = silent[silent < 29.0]
    assert stats.kstest(below, stats.truncexpon(b=2.9, scale=10.0).cdf).pvalue > 0.001


@given(st.floats(1e-9, 1.0 - 1e-9), st.floats(0.0, 1.0), st.floats(0.0, 100.0))
def test_a_silence_is_never_negative_nor_a_session_end(
    u: float, chance: float, mean: float
) -> None:
    p = Attention(pause_chance=chance, pause_minutes=mean)
    assert 0.0 <= minutes_paused(u, p) <= p.pause_longest


def test_less_luck_longer_silence(rises: Callable[..., None]) -> None:
    rises(minutes_paused(u, PAUSING) for u in (0.1, 0.05, 0.01, 0.001))
