"""Churn: the shifted beta-geometric, and what moves it."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from scipy import stats
from scipy.special import betaln

from longplay.envs.laws.churn import Churn, p_gone

CHURN = Churn()
A, B = 0.764, 1.296  # Fader & Hardie's cohort
PROPENSITIES = st.floats(0.0, 1.0)
UNIT = st.floats(0.0, 1.0)
LOADS = st.floats(0.0, 30.0)


def test_worked_example() -> None:
    # By hand: exponent -1.5 * 0.6 - 0.5 * 0.2 + 0.02 * 10 * 0.5 = -0.9; 0.3 exp(-0.9) = 0.1219709.
    assert p_gone(0.3, 0.6, 0.2, 10.0, 0.5, 60.0, CHURN) == approx(0.1219709, abs=1e-7)
    # By hand: half a period, 1 - sqrt(1 - 0.1219709) = 1 - 0.9370320.
    assert p_gone(0.3, 0.6, 0.2, 10.0, 0.5, 30.0, CHURN) == approx(0.0629680, abs=1e-6)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    one = (0.0, 1.0)
    agrees(p_gone, one, one, one, (0.0, 20.0), (0.0, 4.0), (0.0, 400.0), CHURN)


def test_limits() -> None:
    assert p_gone(0.5, 0.5, 0.5, 5.0, 1.0, 0.0, CHURN) == 0.0
    assert p_gone(0.0, 0.5, 0.5, 5.0, 1.0, 60.0, CHURN) == 0.0
    assert p_gone(1.0, 0.0, 0.0, 50.0, 5.0, 60.0, CHURN) == approx(0.999)


@given(PROPENSITIES, UNIT, UNIT, LOADS, st.floats(0.0, 300.0), st.floats(0.0, 300.0))
def test_survival_is_multiplicative(
    u: float, s: float, h: float, load: float, one: float, two: float
) -> None:
    """To survive a gap is to survive its two halves: no gap is safer for being cut."""

    def stays(days: float) -> float:
        return 1.0 - p_gone(u, s, h, load, 1.0, days, CHURN)

    assert stays(one + two) == approx(stays(one) * stays(two), abs=1e-12)


@given(PROPENSITIES, UNIT, UNIT, LOADS, st.floats(0.0, 4.0), st.floats(0.0, 400.0))
def test_probability(u: float, s: float, h: float, load: float, aversion: float, t: float) -> None:
    assert 0.0 <= p_gone(u, s, h, load, aversion, t, CHURN) <= 1.0


def test_monotone(rises: Callable[..., None]) -> None:
    scale = np.linspace(0.0, 1.0, 6)
    rises(p_gone(x, 0.5, 0.5, 5.0, 1.0, 30.0, CHURN) for x in scale)
    rises(-p_gone(0.4, x, 0.5, 5.0, 1.0, 30.0, CHURN) for x in scale)
    rises(-p_gone(0.4, 0.5, x, 5.0, 1.0, 30.0, CHURN) for x in scale)
    rises(p_gone(0.4, 0.5, 0.5, 20.0 * x, 1.0, 30.0, CHURN) for x in scale)
    rises(p_gone(0.4, 0.5, 0.5, 5.0, 3.0 * x, 30.0, CHURN) for x in scale)
    rises(p_gone(0.4, 0.5, 0.5, 5.0, 1.0, 90.0 * x, CHURN) for x in scale)


def test_a_cohort_is_shifted_beta_geometric() -> None:
    """Over p ~ Beta(a, b) the share alive after n periods is B(a, b + n) / B(a, b).

    And that is the cohort of Fader & Hardie 2007 within two customers in a hundred.
    """
    people = stats.beta(A, B).ppf((np.arange(20_000) + 0.5) / 20_000)
    for n, seen in enumerate((0.631, 0.468, 0.382, 0.326), start=1):
        alive = np.mean(
            [1 - p_gone(p, 0.0, 0.0, 0.0, 1.0, n * CHURN.period, CHURN) for p in people]
        )
        assert alive == approx(np.exp(betaln(A, B + n) - betaln(A, B)), abs=2e-3)
        assert alive == approx(seen, abs=0.02)


def test_the_fickle_go_first(rises: Callable[..., None]) -> None:
    """Each one's hazard is constant; the retention rate of the cohort rises all the same."""
    people = stats.beta(A, B).ppf((np.arange(2_000) + 0.5) / 2_000)
    alive = [
        np.mean([1 - p_gone(p, 0.0, 0.0, 0.0, 1.0, n * CHURN.period, CHURN) for p in people])
        for n in range(6)
    ]
    rates = np.array(alive[1:]) / np.array(alive[:-1])
    assert (np.diff(rates) > 0.02).all()
    same = [1 - p_gone(0.4, 0.0, 0.0, 0.0, 1.0, n * CHURN.period, CHURN) for n in range(6)]
    assert np.array(same[1:]) / np.array(same[:-1]) == approx(np.full(5, 0.6))
