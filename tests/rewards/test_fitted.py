"""Fitted objectives: worked examples, known worlds, saving, and who is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import USER_FEATURES
from longplay.envs.state import OUTCOME
from longplay.rewards import (
    ActiveDay,
    Ended,
    Likes,
    Minutes,
    Objective,
    Potential,
    Returned7d,
    Skips,
    State,
    Step,
    parse,
    per_user,
    record,
    rewarded,
)
from longplay.rewards.models import LinearModel, Trees, logistic, ridge
from longplay.rewards.rlur import WHO, ReturnTime
from longplay.rewards.surrogates import SurrogateIndex, early_sums
from longplay.rewards.values import ValueModel, discount_of, worth_ahead

TREES = {"feature": [0, -1, -1], "threshold": [0.5, 0, 0], "left": [1, 0, 0], "right": [2, 0, 0]}


def trees(features):
    return Trees(1.0, [0], value=[0.0, -2.0, 3.0], features=features, **TREES)


def rows(n, **columns):
    """Outcomes of people in sessions; a day to the next decision unless said otherwise."""
    out = np.zeros(n, OUTCOME)
    out["fetches"], out["gap"], out["discount"], out["survey"] = 1, 24.0, 0.95, np.nan
    for name, values in columns.items():
        out[name] = values
    return out


def weights_on(**named):
    """A linear model of USER_FEATURES."""
    weights = np.zeros(len(USER_FEATURES))
    for name, weight in named.items():
        weights[USER_FEATURES.index(name)] = weight
    return weights


INDEX = SurrogateIndex(
    "index2", LinearModel(7.0, [0.5, -2.0]), [Minutes(), Skips()], days=2.0, horizon_days=9.0
)
VALUE = ValueModel("value", LinearModel(1.0, weights_on(tenure=2.0, away=-0.5)))
AWAY = ReturnTime("away", LinearModel(0.0, weights_on(visit_rate=2.0)[:9]), t_beta=10.0)
FITTED = [INDEX, VALUE, AWAY]
MINUTES = (Minutes(),)


# By hand.


def test_an_index_by_hand():
    out = rows(
        4, user=[3, 3, 4, 3], clock=[0, 30, 47, 48], minutes=[10, 4, 6, 9], skips=[1, 0, 2, 1]
    )
    # 0.5 * 10 - 2 = 3; 2; 3 - 4 = -1; the fourth lies beyond two days
    assert INDEX(out).tolist() == [3.0, 2.0, -1.0, 0.0]
    users, worth = INDEX.score(Step(out))
    assert (users.tolist(), worth.tolist()) == ([3, 4], [12.0, 6.0])
    assert str(INDEX.proxy()) == "0.5 * minutes - 2.0 * skips"


def test_a_value_by_hand():
    state = np.zeros((2, 30), np.float32)
    state[1, USER_FEATURES.index("tenure")], state[1, USER_FEATURES.index("away")] = 0.5, 1.0
    step = Step(rows(2), state, state[::-1])
    assert VALUE(step).tolist() == [1.0, 1.5]  # 1 + 2 * 0.5 - 0.5
    # 0.95 * 1.5 - 1 and 0.95 * 1 - 1.5
    assert Potential(VALUE)(step) == pytest.approx([0.425, -0.55])


def test_return_time_by_hand():
    # x = 0: back within 10 h with probability 1/2, so 5 h are expected at least: 8 / 5 = 1.6;
    # log-odds 2: 1 - T' = 0.1192, 8 / 1.192 = 6.7, cut at 3; 60 / 5 = 12, cut; never: 3; inside: 0
    state = np.zeros((5, 30), np.float32)
    state[1, USER_FEATURES.index("visit_rate")] = 1.0
    out = rows(5, ended=[1, 1, 1, 1, 0], away=[8.0, 8.0, 60.0, np.inf, 0.0])
    assert AWAY(Step(out, state)) == pytest.approx([1.6, 3.0, 3.0, 3.0, 0.0])
    assert AWAY.soon(state[:2]) == pytest.approx([0.5, 1 / (1 + np.exp(-2.0))])
    assert AWAY.window_days == pytest.approx(3.0 * 10.0 / 24.0)


def test_worth_ahead_by_hand():
    out = rows(
        5, user=[1, 2, 1, 1, 1], clock=[0, 0, 24, 36, 72], gap=[24, np.inf, 12, 36, 24],
        discount=[0.5, 0.0, 0.5**0.5, 0.5**1.5, 0.5],
    )  # fmt: skip
    values = np.array([1.0, 8.0, 2.0, 4.0, 16.0])
    ahead, known = worth_ahead(Step(out), values, 2.0, discount_of(Step(out)))
    # gamma 1/2; from 0 to 48 h: 1 + 2/2 + 4 / 2^1.5; 8 alone; from 24 to 72: 2 + 4 / 2^0.5; 36 to
    # 84: 4 + 16 / 2^1.5; 72 on: 16, unknown like the two before, for the log ends at 96
    assert ahead == pytest.approx([2 + 2**0.5, 8.0, 2 + 2**1.5, 4 + 2**2.5, 16.0])
    assert known.tolist() == [True, True, True, True, False]


# Properties.

NUMBERS = st.lists(st.floats(0.0, 100.0), min_size=6, max_size=6)


@given(NUMBERS, NUMBERS, st.integers(0, 2**31))
@pytest.mark.parametrize("objective", FITTED, ids=lambda o: o.name)
def test_a_batch_is_its_rows_and_json_comes_back(objective, minutes, away, seed):
    rng = np.random.default_rng(seed)
    out = rows(6, minutes=minutes, away=away, ended=rng.integers(0, 2, 6), skips=away)
    out["fetches"][::3] = 0
    out["clock"] = rng.uniform(0.0, 96.0, 6)
    step = Step(out, rng.normal(size=(6, 30)).astype(np.float32))
    values = objective(step)
    assert np.array_equal(values, [objective(step[i : i + 1])[0] for i in range(6)])
    assert np.all(values[::3] == 0.0)
    again = Objective.from_dict(json.loads(json.dumps(objective.to_dict())))
    assert again == objective and hash(again) == hash(objective)
    assert np.array_equal(again(step), values)


@given(NUMBERS, st.integers(0, 2**31))
def test_return_time_stays_in_its_range_and_rises_with_time_away(hours, seed):
    state = np.repeat(np.random.default_rng(seed).normal(size=(1, 30)), 6, axis=0)
    values = AWAY(Step(rows(6, ended=1, away=np.sort(hours)), state))
    assert np.all((values >= 0.0) & (values <= 3.0)) and np.all(np.diff(values) >= 0.0)


@given(st.integers(0, 2**31))
def test_what_an_index_pays_sums_to_the_score(seed):
    rng = np.random.default_rng(seed)
    n = 40
    out = rows(n, user=rng.integers(0, 5, n), clock=rng.uniform(0, 96, n), gap=96.0,
               minutes=rng.exponential(9, n), skips=rng.integers(0, 4, n))  # fmt: skip
    users, paid = per_user(Step(out), INDEX(out))
    known, worth = INDEX.score(Step(out))
    assert np.array_equal(users, known)
    assert paid + 7.0 == pytest.approx(worth, abs=1e-9)


def test_formulas_and_sums_take_them_by_name():
    text = "minutes + 2.0 * index2 - away + potential(value)"
    whole = parse(text, index2=INDEX, away=AWAY, value=VALUE)
    assert str(whole) == "1.0 * minutes + 2.0 * index2 - 1.0 * away + 1.0 * potential(value)"
    assert parse(str(whole), index2=INDEX, away=AWAY, value=VALUE) == whole
    assert Objective.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole
    assert whole.needs == {"state", "next_state"}
    assert whole.window_days == 2.0
    longer = SurrogateIndex("i", LinearModel(0.0, [1.0]), [Returned7d()], 2.0, 9.0)
    assert longer.window_days == 7.0


# Fitted to lives.


@pytest.fixture(scope="module")
def log():
    people = Cohort("AdLoad", 400, scenario="bench", decision="session", horizon_days=30.0,
                    autoreset_mode="DISABLED", threads=1)  # fmt: skip
    rng = np.random.default_rng(0)
    return record(
        people, lambda obs: rng.integers(0, 22, 400), seed=2, parts=("state", "next_state")
    )


def test_an_index_is_the_regression_of_the_long_term(log):
    signals = [Minutes(), ActiveDay(), Ended()]
    index = SurrogateIndex.fit(
        log, signals, ActiveDay(), days=7, horizon_days=28, learner=ridge(0.0)
    )
    users, sums = early_sums(log, signals, 7.0)
    late = log.outcomes["clock"] < 24.0 * 28
    days = per_user(log, np.where(late, log.outcomes["active_day"], 0.0))[1]
    wanted = np.linalg.lstsq(np.column_stack([np.ones(len(users)), sums]), days)[0]
    assert np.array([index.model.start, *index.model.weights]) == pytest.approx(wanted, rel=1e-6)
    assert index.score(log)[1].mean() == pytest.approx(days.mean())
    assert 0.2 < index.report["low"] < index.report["r2"] < index.report["high"] < 0.95
    assert index.report["users"] == 400
    # out of fold it knows less of each user, and about the same of the mean
    known, apart = index.out_of_fold
    assert np.array_equal(known, users)
    errors = [np.mean((worth - days) ** 2) for worth in (index.score(log)[1], apart)]
    assert errors[0] < errors[1] < 1.1 * errors[0]
    assert 1 - errors[1] / days.var() == pytest.approx(index.report["r2"], abs=0.02)


def test_a_value_tells_active_people_from_others(log):
    value = ValueModel.fit(log, ActiveDay(), days=14)
    assert value.gamma_day == pytest.approx(0.95)
    assert value.report["low"] > 0.1
    first = log.outcomes["clock"] == 0
    _, days = per_user(log, log.outcomes["active_day"])
    assert np.corrcoef(value.on_states(log.state[first]), days)[0, 1] > 0.3
    shaped = Potential(value)(log)
    assert np.isfinite(shaped).all() and shaped.std() > 0


def test_return_time_is_calibrated(log):
    cost = ReturnTime.fit(log)
    ended = log.outcomes["ended"] > 0
    back = log.outcomes["away"][ended] <= cost.t_beta
    assert back.mean() == pytest.approx(0.6, abs=0.01)
    predicted, actual, error = np.array(cost.report["deciles"]).T
    assert np.abs(predicted - actual).max() < 0.1 and np.all(np.diff(predicted) > 0)
    assert len(error) == 10
    # by Markov's inequality the mean of T is at least (1 - T') T_beta: uncut, the ratio is >= 1
    lasting = log.outcomes["away"][ended & np.isfinite(log.outcomes["away"])]
    soon = cost.soon(log.state[ended]).mean()
    assert lasting.mean() >= (1 - soon) * cost.t_beta


def test_fitted_rewards_pay_like_any_other(log):
    index = SurrogateIndex.fit(log, [Minutes(), ActiveDay()], ActiveDay(), days=7, horizon_days=28)
    whole = Minutes() + index - ReturnTime.fit(log) + Potential(ValueModel.fit(log, Minutes()))
    env = rewarded(Cohort("AdLoad", 6, scenario="bench", horizon_days=30.0, threads=1), whole)
    env.reset(seed=1)
    for _ in range(20):
        _, reward, *_, info = env.step(np.full(6, 3))
        assert sum(info["reward_parts"].values()) == pytest.approx(reward)
        assert set(info["reward_parts"]) == {"minutes", "index", "return_time", "potential(value)"}


# Refused.


@pytest.mark.parametrize("kind", [SurrogateIndex, ValueModel, ReturnTime])
def test_before_fitting_there_is_nothing(kind):
    with pytest.raises(ValueError, match=rf"is used before fitting.*{kind.__name__}\.fit\(log"):
        kind()
    with pytest.raises(ValueError, match="wanted one word"):
        kind("two words", LinearModel(0.0, [1.0]))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda log: index(log, days=14, horizon_days=14), "is not beyond its window of 14 days"),
        (lambda log: index(log, days=-1), "days=-1 of index"),
        (lambda log: index(log, signals=[]), "has no signals"),
        (lambda log: index(log, horizon_days=60), "looks 60 days ahead, and the log ends on day 3"),
        (lambda log: index(log, signals=[Noise()]), "index explains nothing: out-of-fold R2"),
        (lambda log: index(log[:0]), "the log is empty"),
        (lambda log: ValueModel.fit(log, Minutes(), days=60), "value looks 60 days ahead"),
        (lambda log: ValueModel.fit(log, Minutes(), days=0), "days=0 of value"),
        (lambda log: ValueModel.fit(Step(log.outcomes), Minutes()), "value needs state"),
        (lambda log: ValueModel.fit(log, Noise()), "value explains nothing"),
        (lambda log: ValueModel("v", LinearModel(0.0, [1.0])), "takes 1 features, a state has 30"),
        (lambda log: ReturnTime.fit(log, beta=1.0), "beta=1.0 of return_time"),
        (lambda log: ReturnTime.fit(log, beta=0.9999), "no finite quantile"),
        (lambda log: ReturnTime.fit(log, alpha=0), "alpha=0 of return_time"),
        (lambda log: ReturnTime.fit(log, features=["habit"]), "it is hidden"),
        (lambda log: ReturnTime.fit(log, features=[]), "has no features"),
        (lambda log: ReturnTime("r", LinearModel(0.0, [1.0])), "9 features and a model of 1"),
        (lambda log: ReturnTime.fit(log[log.outcomes["ended"] == 2]), "no session of the log"),
        (lambda log: SurrogateIndex("i", LinearModel(0.0, [1.0, 2.0]), [Likes()]), "has 1 signals"),
    ],
)
def test_bad_objectives_fail_at_construction(log, make, says):
    with pytest.raises(ValueError, match=says):
        make(log)


def index(log, signals=MINUTES, **windows):
    return SurrogateIndex.fit(
        log, signals, ActiveDay(), **({"days": 7, "horizon_days": 28} | windows)
    )


class Noise(Objective):
    """Tells nothing: the fraction of a hash of user and time."""

    label = "noise"

    def evaluate(self, outcomes):
        return np.modf(np.sin(outcomes["clock"] * 991.0 + outcomes["user"]) * 43758.5)[0]

    def to_dict(self):
        return {}


def test_a_study_shorter_than_the_window_is_refused():
    short = Cohort("AdLoad", 2, scenario="bench", horizon_days=1.5)
    with pytest.raises(ValueError, match="index2 looks 2 days ahead, the study lasts 1.5"):
        rewarded(short, INDEX)


def test_a_boosted_index_scores_and_is_no_reward():
    boosted = SurrogateIndex("b", trees(2), [Minutes(), Skips()], 2.0, 9.0)
    out = rows(2, user=[1, 2], clock=0.0, minutes=[0.4, 0.6], gap=72.0)
    assert boosted.score(Step(out))[1].tolist() == [-1.0, 4.0]
    cohort = Cohort("AdLoad", 2, scenario="bench")
    for use in (lambda: rewarded(cohort, 2 * boosted + Minutes()), lambda: boosted(out),
                boosted.proxy, boosted.reward):  # fmt: skip
        with pytest.raises(ValueError, match="b is boosted, so what a step adds depends"):
            use()


def test_other_uses_of_boosted_models():
    value = ValueModel("v", trees(30))
    state = np.zeros((2, 30))
    state[1, 0] = 0.6
    assert value.on_states(state).tolist() == [-1.0, 4.0]
    assert Potential(value).needs == {"state", "next_state"}
    cost = ReturnTime("r", trees(9), WHO)
    assert cost.soon(state) == pytest.approx(1 / (1 + np.exp([1.0, -4.0])))
    assert Objective.from_dict(cost.to_dict()) == cost
    assert (State("tenure") * value).on_states(state).tolist() == [0.0, 0.0]


def test_logistic_is_the_learner_of_return_time(log):
    assert ReturnTime.fit(log, learner=logistic()) == ReturnTime.fit(log)


@pytest.mark.parametrize("name", ["state", "potential", "text"])
def test_words_that_formulas_keep_for_themselves_name_nothing_fitted(name):
    with pytest.raises(ValueError, match="have a meaning of their own in formulas"):
        ValueModel(name, VALUE.model)
    assert ValueModel("\ufb01ne", VALUE.model).label == "fine"  # as a parser reads it
