"""What the later facts compute, against closed forms, hand-worked numbers and other programs."""

import numpy as np
import pytest
from pytest import approx

from longplay.experiments.facts import f40_survey as survey
from longplay.experiments.facts.prediction import auc, logistic


def test_logistic_regression_agrees_with_a_general_optimiser() -> None:
    minimize = pytest.importorskip("scipy.optimize").minimize
    rng = np.random.default_rng(40)
    x = rng.normal(2.0, [1.0, 3.0], (400, 2))
    y = rng.random(400) < 1 / (1 + np.exp(-(0.4 + 0.8 * (x[:, 0] - 2))))
    z = (x - x.mean(axis=0)) / x.std(axis=0)

    def loss(w: np.ndarray) -> float:
        odds = w[0] + z @ w[1:]
        return float((np.logaddexp(0, odds) - y * odds).sum() + 0.5 * (w[1:] ** 2).sum())

    best = minimize(loss, np.zeros(3), tol=1e-12).x
    found = logistic(x, y)
    assert [found.start, *found.weights] == approx(best, abs=1e-5)
    assert found.log_odds(x) == approx(best[0] + z @ best[1:], abs=1e-4)


def test_logistic_regression_of_what_can_be_told_without_error_is_finite() -> None:
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    odds = logistic(x, np.array([False, False, True, True])).log_odds(x)
    assert np.isfinite(odds).all()
    assert (odds > 0).tolist() == [False, False, True, True]


def test_area_under_the_curve_by_hand() -> None:
    # Pairs of a yes (2, 3) and a no (1, 2): 2 > 1, 2 = 2, 3 > 1, 3 > 2: 3.5 of 4.
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    assert auc(scores, np.array([False, True, False, True])) == approx(3.5 / 4)


def test_mutual_information_of_a_coin_with_itself_and_with_another() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 2, (2, 4000))
    assert survey.information(one, one) == approx(1.0, abs=2e-3)
    assert survey.information(one, other) == approx(0.0, abs=2e-3)


def test_accuracy_is_that_of_rows_not_learnt_from() -> None:
    x = np.array([[-1.0], [1.0], [-2.0], [2.0], [-3.0], [3.0]])
    y = x[:, 0] > 0
    learn = np.array([True, True, True, True, False, False])
    assert survey.accuracy(x, y, learn) == 100.0
    y[4] = True  # of the two that are tried, one is called wrongly
    assert survey.accuracy(x, y, learn) == 50.0
