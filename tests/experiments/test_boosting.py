"""Boosting: what comes back predicts as scikit-learn does, without it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from longplay.envs.cohort import Cohort
from longplay.experiments.boosting import Boosting, exported, start_of
from longplay.rewards import ActiveDay, Minutes, Objective, Potential, Skips, record
from longplay.rewards.models import read_model, ridge
from longplay.rewards.rlur import ReturnTime
from longplay.rewards.surrogates import SurrogateIndex
from longplay.rewards.values import ValueModel

pytestmark = pytest.mark.extras


def table(n=800, features=5):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, features))
    return x, np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=n)


def test_predictions_are_scikit_learns():
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    x, y = table()
    new = np.random.default_rng(1).normal(size=(5000, 5))
    given = {"n_estimators": 40, "max_depth": 4, "random_state": 3}
    fitted = GradientBoostingRegressor(**given).fit(x, y)
    ours = exported(fitted, start_of(y, odds=False))
    assert np.array_equal(ours.predict(new), fitted.predict(new))
    yes = (y > 0).astype(float)
    sorter = GradientBoostingClassifier(**given).fit(x, yes)
    ours = exported(sorter, start_of(yes, odds=True))
    assert ours.predict(new) == pytest.approx(sorter.decision_function(new), abs=1e-12)
    again = read_model(json.loads(json.dumps(ours.to_dict())))
    assert np.array_equal(again.predict(new), ours.predict(new))


def test_ridge_is_scikit_learns():
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = table()
    theirs = make_pipeline(StandardScaler(), Ridge(alpha=30.0)).fit(x, y)
    assert ridge(30.0)(x, y).predict(x) == pytest.approx(theirs.predict(x), abs=1e-10)


def test_it_finds_what_no_line_does():
    x, y = table(2000)
    new, truth = table(4000)
    boosted, line = (learn(x, y).predict(new) for learn in (Boosting(), ridge()))
    off = [np.mean((guess - truth) ** 2) / truth.var() for guess in (boosted, line)]
    assert off[0] < 0.4 < 0.7 < off[1]


def test_fitted_objectives_learn_by_it():
    people = Cohort("AdLoad", 150, scenario="bench", decision="session", horizon_days=12.0,
                    autoreset_mode="DISABLED", threads=1)  # fmt: skip
    log = record(people, lambda obs: np.full(150, 9), seed=2, parts=("state", "next_state"))
    few = Boosting(trees=20, depth=2)
    value = ValueModel.fit(log, Minutes(), days=5, learner=few)
    cost = ReturnTime.fit(log, learner=Boosting(trees=20, depth=2, odds=True))
    index = SurrogateIndex.fit(
        log, [Minutes(), Skips()], ActiveDay(), days=4, horizon_days=12, learner=few
    )
    whole = Minutes() - cost + Potential(value)
    values = whole(log)
    again = Objective.from_dict(json.loads(json.dumps(whole.to_dict())))
    assert again == whole
    assert np.array_equal(again(log), values)
    assert (
        Objective.from_dict(index.to_dict()).score(log)[1].tolist() == index.score(log)[1].tolist()
    )


def test_rewards_are_read_without_scikit_learn():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import longplay.rewards, longplay.rewards.surrogates, longplay.rewards.values\n"
        "import longplay.rewards.rlur, longplay.rewards.progressive, longplay.experiments.boosting"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
