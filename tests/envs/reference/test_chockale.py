"""longplay/ChocKale-v0: published dynamics by hand and by distribution, and where patience pays."""

import math

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss
from scipy.optimize import brentq
from scipy.stats import kstest

from longplay.envs.reference.chockale import (
    PUBLISHED,
    ChocKale,
    ChocKaleCohort,
    break_even,
    engagement_of,
    next_exposure,
    satisfaction_of,
)

ITEMS = 60
KALE, CHOC = 0, 1  # candidates when clickbait=(0, 1)


def test_an_item_by_hand() -> None:
    # c = 0.25 at SAT 0.5: log-mean (0.25 * 5 + 0.75 * 4) * 0.5 = 2.125, one sd above: e^3.125.
    assert engagement_of(0.5, 0.25, 1.0, PUBLISHED) == pytest.approx(22.7599, abs=1e-4)
    # 0.7 * 1 - 2 * 0.5 + 0.05 * 2 = -0.2
    assert next_exposure(1.0, 1.0, 2.0, PUBLISHED) == pytest.approx(-0.2)
    assert next_exposure(1.0, 0.0, 0.0, PUBLISHED) == pytest.approx(1.7)
    # 1 / (1 + exp(-0.3 * 2)) = 1 / 1.548812
    taste = PUBLISHED._replace(sensitivity=0.3)
    assert satisfaction_of(2.0, taste) == pytest.approx(0.645656, abs=1e-6)


def test_draws_are_distributed_as_published() -> None:
    cohort = ChocKaleCohort(4000, sensitivity=0.3)
    obs, info = cohort.reset(seed=1)
    exposure, mood = info["hidden"]["exposure"], info["hidden"]["satisfaction"]
    assert kstest(exposure, "uniform", (-0.5 / 0.3, 1.0 / 0.3)).pvalue > 0.01
    assert kstest(obs[:, :10].ravel(), "uniform").pvalue > 0.01
    assert (obs[:, 10] == 0.0).all()
    acts = np.arange(4000) % 10
    seen, reward, *_, info = cohort.step(acts)
    c = obs[np.arange(4000), acts]
    np.testing.assert_allclose(cohort.outcomes["clickbait"], c, atol=1e-7)
    noise = np.log(reward) - (4.0 + c) * mood
    drift = info["hidden"]["exposure"] - (0.7 * exposure - 2.0 * (c - 0.5))
    assert kstest(noise, "norm").pvalue > 0.01
    assert kstest(drift, "norm", (0.0, 0.05)).pvalue > 0.01
    assert abs(np.corrcoef(noise, drift)[0, 1]) < 0.05
    assert kstest(seen[:, :10].ravel(), "uniform").pvalue > 0.01
    assert (seen[:, :10] != obs[:, :10]).mean() > 0.99  # offered anew


@pytest.mark.parametrize("candidate", [0, 7])
def test_a_life_is_sixty_items_whatever_is_consumed(candidate: int) -> None:
    env = ChocKale(sensitivity=0.3)
    env.reset(seed=4)
    for t in range(1, ITEMS + 1):
        *_, terminated, truncated, info = env.step(candidate)
        assert (terminated, truncated) == (t == ITEMS, False)
        assert info["discount"] == (0.0 if terminated else 1.0)


def test_engagement_is_seen_up_to_a_hundred_and_paid_in_full() -> None:
    cohort = ChocKaleCohort(2000, sensitivity=0.3, clickbait=(0.0,))
    cohort.reset(seed=1)
    for _ in range(10):
        obs, reward, *_ = cohort.step(np.zeros(2000, int))
        np.testing.assert_allclose(obs[:, 1], np.minimum(reward, 100.0), rtol=1e-6)
    assert reward.max() > 100.0 == obs[:, 1].max()


def expected_engagement(clickbait: float, sensitivity: float) -> float:
    """Mean engagement an item of a life at one clickbait, by quadrature over NPE: no simulation.

    NPE_t is m^t NPE_0 + (1 - 2 c)(1 - m^t) / (1 - m), plus noise of variance
    eta^2 (1 - m^2t) / (1 - m^2); engagement given NPE has mean exp(mu SAT + 1/2).
    """
    m, eta = 0.7, 0.05
    x, p = leggauss(40)
    z, q = hermegauss(20)
    weights = np.outer(p / 2.0, q / q.sum())
    total = 0.0
    for t in range(ITEMS):
        mean = m**t * x * 0.5 / (1 - m) + (1 - 2 * clickbait) * (1 - m**t) / (1 - m)
        spread = eta * math.sqrt((1 - m ** (2 * t)) / (1 - m**2))
        mood = 1.0 / (1.0 + np.exp(-sensitivity * (mean[:, None] + spread * z)))
        total += (weights * np.exp((4.0 + clickbait) * mood + 0.5)).sum()
    return float(total / ITEMS)


def simulated(candidate: int, sensitivity: float) -> tuple[float, float]:
    """Mean engagement an item over whole lives, and its standard error over users."""
    n = 20_000
    cohort = ChocKaleCohort(n, sensitivity=sensitivity, clickbait=(0.0, 1.0))
    cohort.reset(seed=8)
    total = np.zeros(n)
    for _ in range(ITEMS):
        total += cohort.step(np.full(n, candidate))[1]
    return float(total.mean() / ITEMS), float(total.std() / ITEMS / math.sqrt(n))


@pytest.mark.parametrize(
    ("sensitivity", "choc", "kale"),
    # As quoted with one decimal from a simulation of the original; the quadrature above gives
    # 19.31 and 12.57, 13.64 and 16.67, 6.93 and 29.55.
    [(0.01, 19.4, 12.6), (0.1, 13.7, 16.7), (0.3, 6.9, 29.6)],
)
def test_engagement_of_pure_diets(sensitivity: float, choc: float, kale: float) -> None:
    for candidate, quoted in ((CHOC, choc), (KALE, kale)):
        exact = expected_engagement(float(candidate), sensitivity)
        mean, error = simulated(candidate, sensitivity)
        assert error < 0.002 * mean
        assert abs(mean - exact) < 3.0 * error
        assert abs(exact - quoted) < 0.1


def best_lives(sensitivity: float) -> tuple[float, float, float]:
    """Mean engagement an item (from NPE 0) of the best policy, always choc, and always kale.

    By dynamic programming over NPE and time, on a grid, for clickbait 0, 0.1 .. 1.
    """
    grid = np.linspace(-4.0, 4.0, 1601)
    z, q = hermegauss(5)
    q = q / q.sum()
    mood = 1.0 / (1.0 + np.exp(-sensitivity * grid))

    def ahead(values: np.ndarray, c: float) -> np.ndarray:
        after = 0.7 * grid[:, None] - 2.0 * (c - 0.5) + 0.05 * z
        return np.exp((4.0 + c) * mood + 0.5) + np.interp(after, grid, values) @ q

    best = choc = kale = np.zeros_like(grid)
    for _ in range(ITEMS):
        best = np.max([ahead(best, c) for c in np.linspace(0.0, 1.0, 11)], axis=0)
        choc, kale = ahead(choc, 1.0), ahead(kale, 0.0)
    middle = len(grid) // 2
    return best[middle] / ITEMS, choc[middle] / ITEMS, kale[middle] / ITEMS


def test_constant_diets_change_places_at_the_break_even() -> None:
    # sigma* = (1 - m) ln(mu_choc / mu_kale) is of the steady state; sixty items need a little more.
    assert break_even() == pytest.approx(0.3 * math.log(1.25)) == pytest.approx(0.0669, abs=5e-5)
    for factor, choc_wins in ((0.15, True), (0.95, True), (1.1, False), (4.5, False)):
        pair = [expected_engagement(c, factor * break_even()) for c in (0.0, 1.0)]
        assert (pair[1] > pair[0]) == choc_wins
    diets = np.linspace(0.0, 1.0, 11)
    for factor, best in ((0.15, 1.0), (0.8, 1.0), (1.0, 0.6), (1.5, 0.0), (4.5, 0.0)):
        earned = [expected_engagement(c, factor * break_even()) for c in diets]
        assert diets[np.argmax(earned)] == pytest.approx(best)  # mixed only near sigma*


def test_the_myopic_diet_is_the_best_of_all_only_well_below_it() -> None:
    for sensitivity in (0.01, 0.04):
        best, choc, kale = best_lives(sensitivity)
        assert best == pytest.approx(choc, rel=1e-9) and kale < choc
    # From about 0.043 on, one who reads the mood and changes between the two does better.
    best, choc, kale = best_lives(0.06)
    assert kale < choc < 0.97 * best
    best, choc, kale = best_lives(0.1)
    assert choc < kale < best
    best, choc, kale = best_lives(0.3)
    assert best > 4.0 * choc and best == pytest.approx(kale, rel=0.03)


def test_the_break_even_is_where_steady_states_earn_alike() -> None:
    def gap(sensitivity: float) -> float:
        taste = PUBLISHED._replace(sensitivity=sensitivity)
        low, high = satisfaction_of(-1.0 / 0.3, taste), satisfaction_of(1.0 / 0.3, taste)
        return engagement_of(low, 1.0, 0.0, taste) - engagement_of(high, 0.0, 0.0, taste)

    assert brentq(gap, 0.0, 1.0) == pytest.approx(break_even(), rel=1e-9)


def test_in_the_env_the_myopic_choice_loses_above_the_break_even() -> None:
    def mean_return(sensitivity: float, clickbaity: bool) -> float:
        cohort = ChocKaleCohort(4000, sensitivity=sensitivity)
        obs, _ = cohort.reset(seed=2)
        total = 0.0
        for _ in range(ITEMS):
            scores = obs[:, :10]
            acts = scores.argmax(axis=1) if clickbaity else scores.argmin(axis=1)
            obs, reward, *_ = cohort.step(acts)
            total += reward.mean()
        return total

    assert mean_return(0.01, True) > 1.3 * mean_return(0.01, False)
    assert mean_return(0.3, False) > 2.0 * mean_return(0.3, True)
