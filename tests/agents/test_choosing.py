"""Choices and their probabilities: what is claimed is what is counted."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.agents.bandits import choosing

N = 200_000


def counted(actions: np.ndarray, arms: int) -> np.ndarray:
    """Shares of each arm among N draws."""
    return np.bincount(actions, minlength=arms) / len(actions)


def test_greedy_takes_the_best_and_shares_ties() -> None:
    rng = np.random.default_rng(0)
    act = choosing.greedy(np.tile([1.0, 3.0, 3.0, 2.0], (N, 1)), rng)
    assert set(act.propensity) == {0.5}
    # five standard errors of a share of one half
    assert counted(act.action, 4) == pytest.approx([0, 0.5, 0.5, 0], abs=5 * 0.5 / math.sqrt(N))


def test_epsilon_greedy_propensities_by_hand_and_by_count() -> None:
    # epsilon = 0.2 over 4 arms, two of them best: 0.05 each, and 0.8 / 2 more for the best.
    rng = np.random.default_rng(1)
    act = choosing.epsilon_greedy(np.tile([1.0, 3.0, 3.0, 2.0], (N, 1)), 0.2, rng)
    claimed = np.array([0.05, 0.45, 0.45, 0.05])
    assert act.propensity == pytest.approx(claimed[act.action], abs=1e-12)
    assert counted(act.action, 4) == pytest.approx(claimed, abs=5 * 0.5 / math.sqrt(N))


@pytest.mark.parametrize("score", [[4.0, 1.0, 3.0, 2.0], [3.0, 3.0, 1.0, 3.0], [0.0] * 4])
@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_slate_propensities_are_the_shares_of_every_slate(
    score: list[float], epsilon: float
) -> None:
    rng = np.random.default_rng(2)
    every = np.array(list(permutations(range(4), 2)))
    claimed = epsilon * choosing.p_random_slate(4, 2) + (1 - epsilon) * choosing.p_top_k(
        np.tile(score, (12, 1)), every
    )
    assert claimed.sum() == pytest.approx(1.0, abs=1e-12)
    act = choosing.epsilon_slate(np.tile(score, (N, 1)), 2, epsilon, rng)
    code = act.action @ [4, 1]
    shares = counted(code, 16)[every @ [4, 1]]
    assert shares == pytest.approx(claimed, abs=5 * 0.5 / math.sqrt(N))
    lookup = dict(zip(every @ [4, 1], claimed, strict=True))
    assert act.propensity == pytest.approx([lookup[c] for c in code], abs=1e-12)


@given(seed=st.integers(0, 2**32), ties=st.booleans())
def test_top_k_is_sorted_and_without_repeats(seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 4, (6, 9)).astype(float) if ties else rng.normal(size=(6, 9))
    slate = choosing.top_k(score, 5, rng)
    chosen = np.take_along_axis(score, slate, axis=1)
    assert (np.diff(chosen, axis=1) <= 0).all()
    assert all(len(set(row)) == 5 for row in slate)
    assert chosen == pytest.approx(-np.sort(-score, axis=1)[:, :5])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), unequal=st.floats(0.0, 3.0), arms=st.integers(2, 22))
def test_p_best_sums_to_one_over_arms(seed: int, unequal: float, arms: int) -> None:
    # unequal = 3 makes widths that differ by factors of thousands
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=arms)
    sd = np.exp(unequal * rng.normal(size=arms))
    rows = np.tile(mean, (arms, 1)), np.tile(sd, (arms, 1))
    assert choosing.p_best(*rows, np.arange(arms)).sum() == pytest.approx(1.0, abs=1e-6)


def test_p_best_of_two_arms_is_a_normal_tail() -> None:
    # P(X1 > X0) = Phi((m1 - m0) / sqrt(s0^2 + s1^2)) = Phi(0.5 / 2.5)
    p = choosing.p_best(np.array([[1.0, 1.5]]), np.array([[1.5, 2.0]]), np.array([1]))
    assert p == pytest.approx(0.5 * math.erfc(-0.2 / math.sqrt(2)), abs=1e-9)


@pytest.mark.parametrize("unequal", [0.0, 1.0, 2.5])
def test_p_best_equals_adaptive_quadrature(unequal: float) -> None:
    stats, integrate = pytest.importorskip("scipy.stats"), pytest.importorskip("scipy.integrate")
    rng = np.random.default_rng(6)
    for arm in range(6):
        mean, sd = rng.normal(size=6), np.exp(unequal * rng.normal(size=6))

        def integrand(t: float, m=mean, s=sd, a=arm) -> float:  # type: ignore[no-untyped-def]
            others = np.delete(np.arange(6), a)
            return float(
                stats.norm.pdf(t) * stats.norm.cdf((m[a] + s[a] * t - m[others]) / s[others]).prod()
            )

        steps = np.clip((np.delete(mean, arm) - mean[arm]) / sd[arm], -7.9, 7.9)
        truth = integrate.quad(integrand, -8, 8, points=steps, epsabs=1e-10, limit=500)[0]
        ours = choosing.p_best(mean[None], sd[None], np.array([arm]))[0]
        assert ours == pytest.approx(truth, abs=1e-7)


def test_p_best_equals_what_draws_count() -> None:
    rng = np.random.default_rng(7)
    mean, sd = rng.normal(size=22), np.exp(rng.normal(size=22))
    best = (mean + sd * rng.standard_normal((N, 22))).argmax(axis=1)
    rows = np.tile(mean, (22, 1)), np.tile(sd, (22, 1))
    claimed = choosing.p_best(*rows, np.arange(22))
    error = np.sqrt(claimed * (1 - claimed) / N)
    assert np.all(np.abs(counted(best, 22) - claimed) < 5 * error + 1e-5)
