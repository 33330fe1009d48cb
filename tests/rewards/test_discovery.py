"""Discovery, variety and the two multipliers: by hand, by property, and against other code."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from longplay.envs.cohort import Cohort
from longplay.envs.state import ITEM, OUTCOME, SLOT, TOPICS
from longplay.experiments.facts.f31_generalists import centres_of, gs_score
from longplay.rewards import (
    Discovery,
    DiversityMultiplier,
    Generalist,
    Minutes,
    Objective,
    RevisitMultiplier,
    Step,
    TopicEntropy,
    parse,
    rewarded,
)
from longplay.rewards.watching import Watcher


def tally(*rows):
    """Minutes by topic, (n, 16)."""
    found = np.zeros((len(rows), TOPICS), np.float32)
    for i, row in enumerate(rows):
        found[i, : len(row)] = row
    return found


def step_of(before, after, **fields):
    out = np.zeros(len(after), OUTCOME)
    out["fetches"] = 1.0
    for name, value in fields.items():
        out[name] = value
    return Step(out, topics=before, next_topics=after)


def test_entropy_by_hand():
    # half and half: log 2 = .693147; .5, .25, .25: 1.5 log 2 = 1.039721; one topic, or none: 0
    after = tally([7, 7], [2, 1, 1], [5], [])
    step = step_of(after, after)
    assert TopicEntropy()(step) == pytest.approx([0.693147, 1.039721, 0, 0], abs=1e-5)
    even = np.full((1, TOPICS), 3.0, np.float32)
    assert TopicEntropy()(step_of(even, even)) == pytest.approx([math.log(16)], abs=1e-5)


def test_multipliers_by_hand():
    # From one topic to two alike the entropy grows by log 2: 2^5 = 32; back again 1/32; m = 1: 2.
    before, after = tally([60], [40, 40], [80, 20]), tally([40, 40], [60], [160, 40])
    step = step_of(before, after, minutes=10.0)
    assert DiversityMultiplier()(step) == pytest.approx([32, 1 / 32, 1.0], rel=1e-4)
    assert DiversityMultiplier(m=1)(step) == pytest.approx([2, 0.5, 1.0], rel=1e-4)
    # less than an hour in the tally tells nothing, unless one says so
    few = step_of(tally([59]), tally([50, 50]))
    assert DiversityMultiplier()(few).tolist() == [1.0]
    assert DiversityMultiplier(least_minutes=59)(few) == pytest.approx([32], rel=1e-4)
    assert (Minutes() * DiversityMultiplier())(step) == pytest.approx([320, 0.3125, 10], rel=1e-4)
    step = step_of(before, after, minutes=10.0, ended=[1.0, 1.0, 0.0], away=[24.0, 24.1, 0.0])
    assert RevisitMultiplier()(step).tolist() == [11.0, 1.0, 1.0]
    assert RevisitMultiplier(days=2, c=0.5)(step).tolist() == [1.5, 1.5, 1.0]
    assert (Minutes() * RevisitMultiplier())(step).tolist() == [110.0, 10.0, 10.0]
    assert RevisitMultiplier()(step_of(before, after, ended=1.0, away=np.inf)).tolist() == [1.0] * 3


def test_generalists_by_hand():
    # shares .6 and .4: GS = sqrt(.36 + .16) = .721110; all sixteen alike: GS = 1/4; one topic: 1
    after = tally([6, 4], [1] * 16, [9], [])
    assert Generalist()(step_of(after, after)) == pytest.approx([0.278890, 0.75, 0, 0], abs=1e-6)


ROWS = st.lists(
    st.lists(st.floats(0.0, 1000.0, width=32), min_size=TOPICS, max_size=TOPICS),
    min_size=2,
    max_size=6,
)


@given(rows=ROWS, times=st.floats(0.125, 100.0, width=32))
def test_variety_knows_shares_alone(rows, times):
    after = tally(*rows)
    step = step_of(after[::-1].copy(), after)
    entropy, generalist = TopicEntropy()(step), Generalist()(step)
    played = after.sum(axis=1) > 1e-3
    for i in np.flatnonzero(played):
        assert entropy[i] == pytest.approx(stats.entropy(after[i].astype(float)), abs=1e-5)
    assert np.all((entropy >= 0.0) & (entropy <= TopicEntropy.range[1]))
    assert np.all((generalist >= 0.0) & (generalist <= 0.75 + 1e-6))
    # Of all with the same GS = exp(-H_2 / 2), Renyi's entropy of order 2 is at most Shannon's.
    assert np.all(-2.0 * np.log(1.0 - generalist[played]) <= entropy[played] + 1e-4)
    more = step_of(after, np.float32(times) * after)
    assert TopicEntropy()(more)[played] == pytest.approx(entropy[played], abs=2e-5)
    assert Generalist()(more)[played] == pytest.approx(generalist[played], abs=1e-5)
    factor = DiversityMultiplier(least_minutes=0)(step)
    assert factor * factor[::-1] == pytest.approx(np.ones(len(rows)), rel=1e-2)
    for signal in (TopicEntropy(), Generalist(), DiversityMultiplier(), RevisitMultiplier()):
        values = signal(step)
        low, high = signal.range
        assert np.all((values >= low) & (values <= high * (1 + 1e-6))), signal
        assert values.tolist() == [signal(step[i : i + 1])[0] for i in range(len(rows))]


def test_even_shares_reach_the_top_of_the_range_and_no_more():
    even = tally(*[np.full(TOPICS, m) for m in (1.0, 3.0, 7.7, 1e-6, 1e6)])
    found = TopicEntropy()(step_of(even, even))
    assert np.all(found <= TopicEntropy.range[1])
    assert found == pytest.approx(np.full(5, math.log(TOPICS)), abs=1e-5)


@given(
    away=st.lists(st.one_of(st.just(np.inf), st.floats(0.0, 500.0)), min_size=1, max_size=6),
    days=st.floats(0.1, 30.0),
    c=st.floats(0.0, 50.0),
)
def test_coming_back_sooner_never_pays_less(away, days, c):
    blank = tally(*[[1.0]] * len(away))
    step = step_of(blank, blank, ended=1.0, away=away)
    values = RevisitMultiplier(days, c)(step)
    assert set(values.tolist()) <= {1.0, 1.0 + c}
    assert np.all(np.diff(values[np.argsort(away)]) <= 0.0)
    assert np.all(RevisitMultiplier(days + 1, c)(step) >= values)
    assert RevisitMultiplier(days, c).window_days == days


def test_in_the_world_they_are_what_other_code_says():
    cohort = Cohort("AdLoad", 300, scenario="bench", decision="session", threads=1)
    watcher = Watcher(cohort, ("topics", "next_topics"))
    obs, _ = cohort.reset(seed=3)
    watcher.begin(obs)
    for _ in range(10):
        obs, _, _, _, info = cohort.step(np.zeros(300, int))
        step = watcher.step(obs, info)
    minutes = step.next_topics.astype(float)
    # The score of F31, whose topics have the mean vectors of their items: right angles but for
    # the spread of the catalogue.
    centred = gs_score(minutes, centres_of(cohort.shop))
    known = ~np.isnan(centred)
    assert Generalist()(step)[known] == pytest.approx(1.0 - centred[known], abs=0.01)
    assert TopicEntropy()(step) == pytest.approx(stats.entropy(minutes, axis=1), abs=1e-5)
    gain = stats.entropy(minutes, axis=1) - stats.entropy(step.topics.astype(float), axis=1)
    wanted = np.where(step.topics.sum(axis=1) >= 60, np.exp(5 * gain), 1.0)
    assert DiversityMultiplier()(step) == pytest.approx(wanted, rel=1e-3)
    assert 100 < (wanted != 1.0).sum() < 300


def find(kept, novelty=(0.8, 0.5), repeats=0.0, plays=2.0, skips=0.0):
    """A step of two plays of items of 2 and 4 minutes: (minutes, liked, saved) each."""
    items = np.zeros(2, ITEM)
    items["minutes"], items["novelty"] = [2.0, 4.0], novelty
    slots = np.zeros((1, 3), SLOT)
    slots["shows"] = [0, 1, -1]
    slots["played"] = [1, 1, 1]
    for j, (minutes, liked, saved) in enumerate(kept):
        slots["minutes"][0, j], slots["liked"][0, j], slots["saved"][0, j] = minutes, liked, saved
    out = np.zeros(1, OUTCOME)
    out["fetches"], out["repeats"], out["plays"], out["skips"] = 1.0, repeats, plays, skips
    return Step(out, slots=slots, items=items)


def test_discovery_by_hand():
    assert Discovery()(find([(2.0, 0, 0), (1.0, 0, 0)])) == pytest.approx([0.8])  # one finished
    assert Discovery()(find([(1.0, 0, 0), (1.0, 1, 0)])) == pytest.approx([0.5])  # one liked
    assert Discovery()(find([(1.0, 0, 1), (3.6, 0, 0)])) == pytest.approx([1.3])  # saved, finished
    assert Discovery()(find([(1.0, 0, 0), (1.0, 0, 0)])).tolist() == [0.0]
    assert Discovery(share=0.5)(find([(1.0, 0, 0), (1.0, 0, 0)])) == pytest.approx([0.8])
    # one of two plays was a repeat, which one the log does not tell: half
    assert Discovery()(find([(2.0, 0, 0), (4.0, 0, 0)], repeats=1.0)) == pytest.approx([0.65])
    assert Discovery()(find([(2.0, 0, 0), (4.0, 0, 0)], repeats=2.0)).tolist() == [0.0]


@given(
    minutes=st.tuples(st.floats(0, 5), st.floats(0, 5)),
    liked=st.integers(0, 1),
    novelty=st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)),
    repeats=st.integers(0, 2),
)
def test_discovery_is_less_than_all_novelty_and_grows_with_reactions(
    minutes, liked, novelty, repeats
):
    (a, b), fields = minutes, {"novelty": novelty, "repeats": float(repeats)}
    value = Discovery()(find([(a, 0, 0), (b, liked, 0)], **fields))[0]
    assert 0.0 <= value <= sum(novelty) + 1e-6
    assert Discovery()(find([(a, 1, 0), (b, liked, 0)], **fields))[0] >= value
    assert Discovery()(find([(a + 1, 0, 0), (b, liked, 0)], **fields))[0] >= value


def test_a_life_that_ends_multiplies_by_one():
    objective = DiversityMultiplier() + RevisitMultiplier()
    env = rewarded(Cohort("AdLoad", 200, scenario="bench", decision="session"), objective)
    env.reset(seed=0)
    died = 0
    for _ in range(30):
        _, _, terminated, _, info = env.step(np.full(200, 13))
        died += terminated.sum()
        for part in info["reward_parts"].values():
            assert part[terminated] == pytest.approx(np.ones(terminated.sum()), abs=1e-12)
    assert died > 0


def test_they_print_and_are_saved():
    for signal in (RevisitMultiplier(2, 5.0), DiversityMultiplier(m=2), Discovery(0.5)):
        assert parse(str(signal)) == signal
        assert Objective.from_dict(json.loads(json.dumps(signal.to_dict()))) == signal
    objective = Minutes() * DiversityMultiplier() * RevisitMultiplier(days=2)
    assert parse(str(objective)) == objective
    assert objective.window_days == 2.0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: RevisitMultiplier(days=0), "days=0 of revisit_multiplier"),
        (lambda: RevisitMultiplier(days=math.nan), "wanted a finite number"),
        (lambda: RevisitMultiplier(c=-1), "c=-1 of revisit_multiplier"),
        (lambda: DiversityMultiplier(m=-1), "m=-1 of diversity_multiplier"),
        (lambda: DiversityMultiplier(least_minutes=-1), "least_minutes=-1"),
        (lambda: DiversityMultiplier(m="5"), "wanted a number of 0 .. 100"),
        (lambda: Discovery(share=2.0), "share=2.0 of discovery"),
        (lambda: TopicEntropy()(np.zeros(1, OUTCOME)), "topic_entropy needs next_topics"),
        (lambda: Generalist()(np.zeros(1, OUTCOME)), "generalist needs next_topics"),
    ],
)
def test_what_cannot_be_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
