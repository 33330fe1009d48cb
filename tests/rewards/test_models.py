"""Models: arithmetic by hand, agreement with plain least squares, and who is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from longplay.rewards.models import (
    LinearModel,
    Trees,
    chance,
    crossfit,
    logistic,
    read_model,
    ridge,
)

# Feature 0 at most 2: left, 10; else feature 1 at most 0.5: -1, else 4. Another: a leaf of 3.
STUMP = Trees(
    100.0,
    [0, 5],
    feature=[0, -1, 1, -1, -1, -1],
    threshold=[2.0, 0.0, 0.5, 0.0, 0.0, 0.0],
    left=[1, 0, 3, 0, 0, 0],
    right=[2, 0, 4, 0, 0, 0],
    value=[0.0, 10.0, 0.0, -1.0, 4.0, 3.0],
    features=2,
)
ROWS = arrays(np.float64, (7, 2), elements=st.floats(-10.0, 10.0))


def test_by_hand():
    # 1 + 2 * 3 - 0.5 * 4 = 5
    assert LinearModel(1.0, [2.0, -0.5]).predict([3.0, 4.0]) == 5.0
    # 2 goes left: 100 + 10 + 3; 2.5 right, then 0.5 left: 100 - 1 + 3, and 0.6 right: 100 + 4 + 3
    assert STUMP.predict([[2.0, 9.0], [2.5, 0.5], [2.5, 0.6]]).tolist() == [113.0, 102.0, 107.0]


@given(ROWS)
@pytest.mark.parametrize("model", [LinearModel(0.1, [0.3, -0.7]), STUMP])
def test_a_batch_is_its_rows_and_json_comes_back(model, rows):
    values = model.predict(rows)
    assert np.array_equal(values, [model.predict(row) for row in rows])
    assert np.array_equal(model.predict(rows.reshape(7, 1, 2)), values[:, None])
    again = read_model(json.loads(json.dumps(model.to_dict())))
    assert np.array_equal(again.predict(rows), values)


def test_models_refuse_what_they_are_not():
    with pytest.raises(ValueError, match=r"rows of shape \(3,\); the model was fitted to 2"):
        STUMP.predict([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="not finite"):
        LinearModel(np.nan, [1.0])
    with pytest.raises(ValueError, match="unknown; there are linear, trees"):
        read_model({"model": "forest"})
    looped = STUMP.to_dict() | {"left": [0, 0, 3, 0, 0, 0]}
    with pytest.raises(ValueError, match="a child before its parent"):
        read_model(looped)


def test_ridge_is_least_squares_with_a_penalty():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) * [1.0, 10.0, 0.1] + 5.0
    y = x @ [1.0, -2.0, 30.0] + 7.0 + rng.normal(size=300)
    rows = np.column_stack([np.ones(300), x])
    plain = np.linalg.lstsq(rows, y)[0]
    found = ridge(0.0)(x, y)
    assert np.array([found.start, *found.weights]) == pytest.approx(plain, rel=1e-9)
    # of one standardised feature: w = z.y / (n + penalty), shrunk from z.y / n
    one, half = ridge(0.0)(x[:, :1], y), ridge(300.0)(x[:, :1], y)
    assert half.weights == pytest.approx(one.weights / 2, rel=1e-12)
    same = ridge()(np.column_stack([x, np.full(300, 4.0)]), y)
    assert same.weights[3] == 0.0
    with pytest.raises(ValueError, match="penalty=-1"):
        ridge(-1)


def test_logistic_finds_the_log_odds():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40_000, 2))
    y = (rng.random(40_000) < chance(0.5 + x @ [1.0, -2.0])).astype(float)
    found = logistic()(x, y)
    assert found.start == pytest.approx(0.5, abs=0.05)
    assert found.weights == pytest.approx([1.0, -2.0], abs=0.06)
    # at the optimum the mean of predictions is that of y (no penalty on the start)
    assert chance(found.predict(x)).mean() == pytest.approx(y.mean(), abs=1e-8)


def test_crossfit_predicts_users_it_has_not_seen():
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(400), 3)
    mood = rng.normal(size=400)[users]  # one number a user: what rows of a user share is no gain
    x = np.column_stack([rng.normal(size=1200), mood])
    y = 2.0 * x[:, 0] + rng.normal(size=1200)
    fit = crossfit(x, y, users, ridge())
    # var(2 x) = 4 of a variance of 5; R2 of 1200 rows has sd 2 sqrt(0.8) 0.2 / sqrt(1200) = 0.0103
    assert fit.r2 == pytest.approx(0.8, abs=4 * 0.0103)
    assert (fit.high - fit.low) / 2 == pytest.approx(1.96 * 0.0103, rel=0.25)
    assert fit.users == 400
    deciles = fit.deciles()
    assert deciles.shape == (10, 3)
    assert np.abs(deciles[:, 0] - deciles[:, 1]).max() < 5 * deciles[:, 2].max()
    # the same rows under other names of users stand in other folds, but in no other order
    assert np.corrcoef(fit.predicted, y)[0, 1] > 0.85


def test_r2_covers_the_truth_as_often_as_it_says():
    # y = x + e, both of variance 1: R2 = 1/2 of the best line; 200 studies of 300 users
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        x = rng.normal(size=(300, 1))
        fit = crossfit(x, x[:, 0] + rng.normal(size=300), np.arange(300), ridge(), folds=2)
        inside += fit.low < 0.5 < fit.high
    assert inside >= 180  # 95 % of 200 less 3.2 sd


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_refused(seed):
    rng = np.random.default_rng(seed)
    with pytest.raises(ValueError, match=r"index explains nothing: out-of-fold R2 is -?0\.\d+ \["):
        crossfit(
            rng.normal(size=(300, 3)), rng.normal(size=300), np.arange(300), ridge(), what="index"
        )


def test_rows_that_cannot_be_fitted_are_refused():
    x, y, users = np.ones((30, 1)), np.arange(30.0), np.arange(30)
    with pytest.raises(ValueError, match="30 users came for 20 folds"):
        crossfit(x, y, users, ridge(), folds=20)
    with pytest.raises(ValueError, match="the outcome is 0 in every row"):
        crossfit(x, 0 * y, users, ridge())
    with pytest.raises(ValueError, match="not finite"):
        crossfit(x * np.inf, y, users, ridge())
