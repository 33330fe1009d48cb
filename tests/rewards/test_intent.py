"""Skips and scrolls by what they mean: by hand, and against an implementation in plain NumPy."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import USER_FEATURES
from longplay.envs.state import HIDDEN, HIDDEN_OUTCOMES, INTENTS, OUTCOME
from longplay.rewards import (
    SIGNALS,
    Minutes,
    Objective,
    Scrolls,
    Skips,
    Step,
    find_signal,
    parse,
    predicted_intent,
    rewarded,
)
from longplay.rewards.behaviour import CLASSES, SESSION, features, scores
from longplay.rewards.panels import POOLED, read, table
from longplay.rewards.step import WHAT
from longplay.rewards.watching import Watcher

PANELS = (POOLED, "music", "shortvideo", "community", "bench")


def outcomes(n=1, **fields):
    out = np.zeros(n, OUTCOME)
    out["fetches"], out["survey"] = 1.0, np.nan
    for name, value in fields.items():
        out[name] = value
    return out


def state(n=1, **fields):
    found = np.zeros((n, len(USER_FEATURES)), np.float32)
    for name, value in fields.items():
        found[:, USER_FEATURES.index(name)] = value
    return found


def test_features_by_hand():
    # Before: 15 minutes (15 / 45 = 1/3 in the observation), 5 plays (1/3), 1 skip (1/4), 1 fetch
    # (1/4), no ad. Now: 30 minutes, 5 plays, 2 skips of 8 looked at, in one fetch that ended.
    # So far then 45 minutes, 10 plays, 3 skips, 0 likes, 2 fetches, 0 ads.
    before = state(
        hour_cos=1.0, skip_rate=0.2, session_minutes=1 / 3, session_plays=1 / 3,
        session_skips=1 / 4, fetch=1 / 4,
    )  # fmt: skip
    now = outcomes(minutes=30.0, plays=5.0, skips=2.0, looked=8.0, ended=1.0)
    found = dict(zip(SESSION, features(Step(now, before), False)[0], strict=True))
    wanted = {
        "hour_cos": 1.0, "skip_rate": 0.2, "minutes": 45 / 75, "plays": 10 / 20, "skips": 3 / 6,
        "likes": 0.0, "fetches": 2 / 5, "ads": 0.0, "skips_per_play": 0.3,
        "minutes_per_play": 4.5 / 7.5, "plays_per_fetch": 0.5, "raw_minutes": 0.45,
        "raw_fetches": 0.2, "passed": 3 / 8, "ended": 1.0,
    }  # fmt: skip
    for name in SESSION:
        assert found[name] == pytest.approx(wanted.get(name, 0.0), abs=1e-6), name


def test_meaning_by_hand():
    # One skip of four and P = (.5, .25, .25, 0) at weights (1, 0, -1, 2): 4 (.5 - .25) = 1.
    chances = np.array([0.5, 0.25, 0.25, 0.0])
    step = Step(outcomes(skips=4.0, looked=9.0, plays=6.0), state())
    p = predicted_intent(step)[:, 0]
    weights = (1.0, 0.0, -1.0, 2.0)
    assert 4.0 * (chances @ weights) == 1.0
    assert Skips("intent", weights)(step) == pytest.approx(4.0 * (p @ weights))
    assert Scrolls("intent", weights)(step) == pytest.approx(3.0 * (p @ weights))
    for at, name in enumerate(INTENTS):
        assert Skips(name)(step) == pytest.approx(4.0 * p[at])
    assert Skips()(step).tolist() == [4.0]
    assert Scrolls()(step).tolist() == [3.0]


@pytest.mark.parametrize("panel", PANELS)
def test_chances_are_a_softmax_of_the_features(panel, around):
    step = around(outcomes(40, minutes=12.0, plays=5.0, looked=7.0, skips=2.0, likes=1.0))
    x = features(step, False)
    weights = table("intent", panel)
    known = np.column_stack([x, np.ones(len(x))])
    raw = known @ weights
    lost = scores(step, weights).T - raw
    assert np.all(np.abs(lost) <= (len(weights) + 1) * 2.0**-24 * (np.abs(known) @ np.abs(weights)))
    wanted = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    found = predicted_intent(step, panel).T
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)  # in single precision
    assert found.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-12)


ROWS = st.lists(
    st.tuples(*(st.integers(0, 10) for _ in range(4)), st.floats(-10, 10)), min_size=1, max_size=5
)


@given(rows=ROWS, panel=st.sampled_from(PANELS))
def test_shares_of_intents_sum_to_the_count_and_a_batch_is_its_rows(rows, panel):
    plays, skips, passed, fetches, feature = np.array(rows, np.float64).T
    out = outcomes(len(rows), plays=plays, skips=skips, looked=plays + passed, fetches=fetches)
    seen = np.repeat(feature.astype(np.float32)[:, None], len(USER_FEATURES), axis=1)
    step = Step(out, seen)
    for signal in (Skips, Scrolls):
        shares = [signal(z, panel=panel)(step) for z in INTENTS]
        assert np.all(np.array(shares) >= 0.0)
        assert sum(shares) == pytest.approx(signal()(step), abs=1e-9)
        given_ = signal("intent", panel=panel)
        weights = given_.meaning()
        assert np.max(np.abs(weights)) in (0.0, 1.0)
        values = given_(step)
        assert values == pytest.approx(
            sum(w * share for w, share in zip(weights, shares, strict=True)), abs=1e-9
        )
        low, high = given_.range
        assert np.all((values >= low) & (values <= high))
        assert values.tolist() == [given_(step[i : i + 1])[0] for i in range(len(rows))]
        assert np.all(values[fetches == 0] == 0.0)


def test_the_formula_of_the_issue():
    objective = 0.7 * Minutes() - 0.3 * Skips(given="intent")
    assert str(objective) == "0.7 * minutes - 0.3 * skips(given='intent')"
    assert repr(objective) == "0.7 * Minutes() - 0.3 * Skips(given='intent')"
    assert parse(str(objective)) == objective
    assert Objective.from_dict(json.loads(json.dumps(objective.to_dict()))) == objective
    assert Skips().needs == frozenset()
    assert objective.needs == {"state"}
    with pytest.raises(ValueError, match="needs state"):
        objective(outcomes())


def test_settings_come_back_from_text_and_json():
    signal = Skips("intent", (1, 0, -0.5, 1), "bench")
    assert str(signal) == "skips(given='intent', weights=(1.0, 0.0, -0.5, 1.0), panel='bench')"
    assert parse(str(signal)) == signal
    assert Objective.from_dict(json.loads(json.dumps(signal.to_dict()))) == signal
    assert hash(Objective.from_dict(json.loads(json.dumps(signal.to_dict())))) == hash(signal)
    assert Skips().range == (0.0, math.inf)
    assert signal.range == (-math.inf, math.inf)


@pytest.mark.parametrize("signal", [Skips, Scrolls])
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"given": "browse"}, "wanted 'intent', 'listen_now'"),
        ({"given": None}, "wanted 'intent'"),
        ({"weights": (1.0, 2.0)}, "wanted four numbers"),
        ({"weights": (1.0, 2.0, 3.0, math.nan)}, "wanted four numbers"),
        ({"weights": (1.0, 2.0, 3.0, "4")}, "wanted four numbers"),
        ({"weights": 1.0}, "wanted four numbers"),
        ({"panel": "musik"}, "did you mean 'music'"),
        ({"panel": 3}, "there are pooled, music"),
    ],
)
def test_wrong_settings_are_refused(signal, settings, says):
    with pytest.raises(ValueError, match=says):
        signal(**settings)


@pytest.mark.parametrize("model", ["intent", "endings", "fatigue"])
def test_the_fitted_files_are_of_these_features(model):
    data = read(model)
    assert tuple(data["panels"]) == PANELS
    assert data["features"][: len(SESSION)] == list(SESSION)
    for panel in PANELS:
        weights = table(model, panel)
        assert weights.shape == (len(data["features"]) + 1, CLASSES)
        assert np.isfinite(weights).all()
        with pytest.raises(ValueError, match="read-only"):
            weights[0, 0] = 1.0


@pytest.mark.parametrize("panel", PANELS)
def test_the_files_tell_that_guessing_by_behaviour_beats_guessing_by_shares(panel):
    for figures in read("intent")["panels"][panel]["held_out"].values():
        assert figures["log_loss"] < figures["base_log_loss"]
    for figures in read("endings")["panels"][panel]["held_out"].values():
        assert figures["log_loss"] < figures["base_log_loss"]


def intents_met(scenario, panel):
    """What people who were in no panel came for, and what is predicted of it."""
    cohort = Cohort("AdLoad", 300, scenario=scenario, autoreset_mode="Disabled", horizon_days=7)
    cohort.action_space.seed(3)
    watcher = Watcher(cohort, ("state",))
    obs, _ = cohort.reset(seed=4321)
    watcher.begin(obs)
    true, chances = [], []
    while not cohort.over.all():
        intent = cohort.users["intent"].copy()
        obs, _, _, _, info = cohort.step(cohort.action_space.sample())
        step = watcher.step(obs, info)
        rows = np.flatnonzero(step.outcomes["fetches"] > 0)
        true.append(intent[rows])
        chances.append(predicted_intent(step, panel)[:, rows])
    return np.concatenate(true), np.concatenate(chances, 1)


@pytest.mark.parametrize("scenario", ["bench", "music"])
@pytest.mark.parametrize("own", [True, False])
def test_intent_is_foretold_of_people_in_no_panel(scenario, own):
    panel = scenario if own else POOLED
    true, chances = intents_met(scenario, panel)
    shares = np.bincount(true, minlength=4) / len(true)
    surprise = -np.log(chances[true, np.arange(len(true))]).mean()
    base = -(shares * np.log(shares)).sum()
    assert surprise < base - 0.2  # the files say: .3 and more
    assert (chances.argmax(axis=0) == true).mean() > shares.max() + 0.1
    assert chances.mean(axis=1) == pytest.approx(shares, abs=0.1)


def test_nothing_hidden_is_read_at_run_time():
    cohort = Cohort("Feed", 200, scenario="bench", action="slate", threads=1)
    cohort.action_space.seed(0)
    watcher = Watcher(cohort, WHAT)
    obs, _ = cohort.reset(seed=9)
    watcher.begin(obs)
    for _ in range(5):
        obs, _, _, _, info = cohort.step(cohort.action_space.sample())
        step = watcher.step(obs, info)
    signals = [find_signal(name) for name in SIGNALS]
    signals += [Skips("intent"), Scrolls("intent"), *map(Skips, INTENTS)]
    before = [signal(step) for signal in signals]
    order = np.random.default_rng(0).permutation(200)
    for name in HIDDEN:
        cohort.users[name] = cohort.users[name][order]
    for name in HIDDEN_OUTCOMES:
        cohort.outcomes[name] = cohort.outcomes[name][order] + 1.0
    for signal, values in zip(signals, before, strict=True):
        assert np.array_equal(signal(step), values), signal


@pytest.mark.parametrize("decision", ["fetch", "session"])
def test_it_pays_an_environment_and_one_user_as_many(decision):
    objective = 0.7 * Minutes() - 0.3 * Skips(given="intent") - 0.1 * Scrolls("explore")
    many = rewarded(Cohort("AdLoad", 3, scenario="bench", decision=decision), objective)
    one = rewarded(Cohort("AdLoad", 1, scenario="bench", decision=decision), objective)
    many.reset(seed=5)
    one.reset(seed=5)
    for layout in (0, 5, 13, 21):
        _, rewards, _, _, info = many.step(np.full(3, layout))
        _, alone, _, _, _ = one.step(np.full(1, layout))
        assert alone[0] == rewards[0]
        assert sum(info["reward_parts"].values()) == pytest.approx(rewards)
