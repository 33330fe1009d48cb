"""Completion with and without the bias of durations: by hand, by property, and in simulation."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.cohort import Cohort
from longplay.envs.state import ITEM, OUTCOME, SLOT
from longplay.rewards import (
    Completion,
    Discovery,
    Finished,
    FittedCompletion,
    Minutes,
    Objective,
    Plays,
    Step,
    find_signal,
    parse,
    record,
)
from longplay.rewards.completion import Durations, duration_table, ranks
from longplay.rewards.watching import Watcher

DAYS = 7


def catalogue(*minutes):
    items = np.zeros(len(minutes), ITEM)
    items["minutes"] = minutes
    return items


def step_of(rows, items, fetches=1.0):
    """Rows of (item, minutes) pairs, played; (item, None) was passed over, item -1 is an ad."""
    most = max(map(len, rows))
    slots = np.zeros((len(rows), most), SLOT)
    slots["shows"] = -1
    out = np.zeros(len(rows), OUTCOME)
    out["fetches"] = fetches
    for i, row in enumerate(rows):
        for j, (item, minutes) in enumerate(row):
            slots["seen"][i, j] = 1
            slots["shows"][i, j] = item
            slots["played"][i, j] = minutes is not None
            slots["minutes"][i, j] = minutes or 0.0
        out["plays"][i] = sum(item >= 0 and m is not None for item, m in row)
    return Step(out, slots=slots, items=items)


TWO_BANDS = Durations(np.array([3.0]), np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 6.0]]))


def test_by_hand():
    # Items of 2 and of 6 minutes, bands below and from 3 minutes on. One minute is the median of
    # the short (1/2) and half way to the median of the long (1/4); two minutes are the short one's
    # end (1) and the long one's median (1/2). An ad that was clicked does not count.
    items = catalogue(2.0, 6.0)
    fitted = FittedCompletion("mine", TWO_BANDS)
    step = step_of(
        [[(0, 1.0), (1, 1.0)], [(0, 2.0), (-1, 9.0)], [(1, 2.0), (0, None)], [(1, 5.4)]], items
    )
    # 5.4 minutes of six: 1/2 + 1/2 * 3.4 / 4 = .925, and finished at 90 %
    assert fitted(step) == pytest.approx([0.75, 1.0, 0.5, 0.925], abs=1e-3)
    assert Finished()(step).tolist() == [0.0, 1.0, 0.0, 1.0]
    assert Finished(share=0.5)(step).tolist() == [1.0, 1.0, 0.0, 1.0]


def test_ranks_by_hand():
    knots = np.array([0.0, 1.0, 1.0, 1.0, 4.0])
    # 1 is reached at 1/4, 1/2 and 3/4: the middle is 1/2. 2.5 lies half way from 3/4 to 1.
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.5, 4.0, 9.0])
    assert ranks(values, knots).tolist() == [0.0, 0.0, 0.125, 0.5, 0.875, 1.0, 1.0]
    assert ranks(np.array([1.0, 2.0, 3.0]), np.full(3, 2.0)).tolist() == [0.0, 0.5, 1.0]


@given(
    st.lists(st.floats(0.0, 50.0), min_size=2, max_size=40),
    st.lists(st.floats(-1.0, 60.0), min_size=1, max_size=10),
)
def test_ranks_rise_and_undo_quantiles(sample, values):
    knots = np.quantile(sample, np.linspace(0, 1, 9))
    found = ranks(np.sort(values), knots)
    assert np.all((found >= 0.0) & (found <= 1.0))
    assert np.all(np.diff(found) >= -1e-12)
    rising = np.flatnonzero(np.diff(knots, prepend=-1.0, append=99.0)[:-1] > 0)
    alone = [k for k in rising if k == 8 or knots[k + 1] > knots[k]]
    assert ranks(knots[alone], knots) == pytest.approx(np.array(alone) / 8.0, abs=1e-9)


PLAY = st.tuples(st.integers(-1, 4), st.one_of(st.none(), st.floats(0.0, 20.0, width=32)))


@given(
    rows=st.lists(st.lists(PLAY, min_size=1, max_size=5), min_size=1, max_size=5),
    panel=st.sampled_from(["pooled", "music", "shortvideo", "community", "bench"]),
)
def test_between_no_play_and_all_and_more_is_more(rows, panel):
    items = catalogue(0.3, 1.0, 3.5, 4.0, 12.0)
    step = step_of(rows, items)
    longer = step_of([[(i, m and m + 0.5) for i, m in row] for row in rows], items)
    for signal in (Completion(panel), Finished()):
        values = signal(step)
        assert np.all((values >= 0.0) & (values <= step.outcomes["plays"] + 1e-6))
        assert np.all(signal(longer) >= values - 1e-6)
        assert values.tolist() == [signal(step[i : i + 1])[0] for i in range(len(rows))]
        assert np.array_equal(signal(step[None]), values[None])


@pytest.fixture(scope="module", params=["bench", "shortvideo"])
def plays(request):
    """Plays of two lots of people under random slates, a row each."""
    halves = []
    for seed in (31, 32):
        cohort = Cohort(
            "Feed", 80, scenario=request.param, action="slate", autoreset_mode="Disabled",
            horizon_days=DAYS, threads=1,
        )  # fmt: skip
        cohort.action_space.seed(seed)

        def act(_, cohort=cohort):
            return cohort.action_space.sample()

        log = record(cohort, act, seed=seed, parts=("slots", "items"))
        assert np.all(log.outcomes["fetches"] == 1.0)
        slots = log.slots[(log.slots["played"] == 1) & (log.slots["shows"] >= 0)]
        out = np.zeros(len(slots), OUTCOME)
        out["fetches"] = 1.0
        halves.append((log, Step(out, slots=slots[:, None], items=log.items)))
    return request.param, halves


def by_length(step, values, groups=8):
    """Mean of the values of plays in groups of equal size by duration, and its standard error."""
    length = step.items["minutes"][step.slots["shows"][:, 0]]
    found = np.array_split(values[np.argsort(length, kind="stable")], groups)
    return np.array([g.mean() for g in found]), max(g.std() / np.sqrt(len(g)) for g in found)


def test_a_threshold_favours_short_items_and_a_quantile_does_not(plays):
    scenario, ((log, _), (_, others)) = plays
    threshold, error = by_length(others, Finished()(others))
    assert threshold[0] - threshold[-1] > 5.0 * error
    assert np.corrcoef(threshold, np.arange(8))[0, 1] < -0.8
    for completion in (Completion.fit(log), Completion(scenario)):
        quantile, error = by_length(others, completion(others))
        # people differ in how long they play: another lot has another level, flat all the same
        assert quantile == pytest.approx(np.full(8, quantile.mean()), abs=4.0 * error)
        assert quantile.mean() == pytest.approx(0.5, abs=0.07)


def test_on_the_log_that_was_fitted_a_play_counts_a_half(plays):
    _, ((log, own), _) = plays
    fitted = Completion.fit(log, bands=8)
    assert fitted(own).mean() == pytest.approx(0.5, abs=0.005)
    quantile, _ = by_length(own, fitted(own))
    assert quantile == pytest.approx(np.full(8, 0.5), abs=0.02)


def test_fitted_completion_is_handed_in_by_name_and_saved(plays):
    _, ((log, own), _) = plays
    mine = Completion.fit(log, "mine", bands=4)
    objective = 0.5 * mine - 0.25 * Plays() + Minutes()
    assert parse("0.5 * mine - 0.25 * plays + minutes", mine=mine) == objective
    back = Objective.from_dict(json.loads(json.dumps(objective.to_dict())))
    assert back == objective
    assert hash(back) == hash(objective)
    assert np.array_equal(back(own), objective(own))
    assert mine != Completion.fit(log, "mine", bands=5)


def test_each_log_weighs_alike():
    items = catalogue(2.0)
    short, long = step_of([[(0, 0.5)]] * 30, items), step_of([[(0, 1.5)]] * 300, items)
    table = duration_table([short, long], bands=1)
    assert table.edges.tolist() == []
    assert ranks(np.array([0.4, 0.5, 1.0, 1.5, 1.6]), table.quantiles[0])[[0, 2, 4]] == (
        pytest.approx([0.0, 0.5, 1.0], abs=0.02)
    )


def test_steps_that_are_sessions_are_not_fitted():
    items = catalogue(2.0)
    with pytest.raises(ValueError, match="0 plays came to fit 1 bands"):
        Completion.fit(step_of([[(0, 1.0)]] * 99, items, fetches=2.0), bands=1)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Finished(share=0.0), "wanted a number in"),
        (lambda: Finished(share="all"), "wanted a number in"),
        (lambda: Completion(panel="kuairand"), "panel='kuairand' is unknown"),
        (lambda: Completion.fit(step_of([[(0, 1.0)]], catalogue(2.0))), "give a longer log"),
        (lambda: Completion.fit(step_of([[(0, 1.0)]], None)), "needs items"),
        (lambda: Completion.fit(step_of([[(0, 1.0)]], catalogue(2.0)), bands=0), "bands=0"),
        (lambda: FittedCompletion("two words", TWO_BANDS), "wanted one word"),
        (lambda: FittedCompletion("x", Durations(np.zeros(2), np.zeros((1, 3)))), "one row"),
        (lambda: FittedCompletion("x", Durations(np.zeros(0), np.array([[2.0, 1.0]]))), "rise"),
        (lambda: FittedCompletion("x", Durations(np.zeros(0), np.array([[np.nan]]))), "rise"),
    ],
)
def test_what_cannot_be_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("name", ["completion", "finished", "discovery"])
def test_an_item_beyond_the_catalogue_is_refused(name):
    with pytest.raises(ValueError, match="slots show item 7, and items has 1"):
        find_signal(name)(step_of([[(0, 1.0)], [(7, 1.0)]], catalogue(2.0)))


def test_slots_without_some_fields_of_the_world_are_read_too():
    step = step_of([[(0, 1.0), (1, 1.0)]], catalogue(2.0, 6.0))
    thin = step.slots[["minutes", "shows", "played"]].copy()
    less = Step(step.outcomes, slots=thin, items=step.items)
    with pytest.raises(ValueError, match="no field"):
        Completion()(less)
    full = np.zeros(step.slots.shape, [(n, SLOT[n]) for n in reversed(SLOT.names)])
    for field in SLOT.names:
        full[field] = step.slots[field]
    other = Step(step.outcomes, slots=full, items=step.items)
    assert Completion()(other).tolist() == Completion()(step).tolist()


def test_bands_are_found_anew_for_a_catalogue_that_is_another_or_was_changed():
    # A minute is the median of the short item (1/2), and half way to the long one's (1/4).
    fitted = FittedCompletion("mine", TWO_BANDS)
    row = [[(0, 1.0)]]
    short, long = catalogue(2.0), catalogue(6.0)
    for items in (short, long):
        items.flags.writeable = False
    for items, worth in ((short, 0.5), (long, 0.25), (short, 0.5)):
        step = step_of(row, items)
        assert fitted(step) == fitted(step) == pytest.approx([worth], abs=1e-3)
    open_to_change = catalogue(2.0)
    assert fitted(step_of(row, open_to_change)) == pytest.approx([0.5], abs=1e-3)
    open_to_change["minutes"] = 6.0
    assert fitted(step_of(row, open_to_change)) == pytest.approx([0.25], abs=1e-3)


@pytest.mark.parametrize("signal", [Finished(), Discovery()], ids=str)
def test_what_items_are_is_found_anew_for_another_catalogue(signal):
    # Of a short and a long item, 1.9 minutes finish the short one only.
    row = [[(0, 1.9)]]
    closed = [catalogue(2.0), catalogue(6.0)]
    for items in closed:
        items["novelty"] = 1.0
        items.flags.writeable = False
    for items, worth in zip(closed * 2, [1.0, 0.0] * 2, strict=True):
        assert signal(step_of(row, items)).tolist() == [worth]
    thawed = closed[0]
    thawed.flags.writeable = True
    thawed["minutes"] = 6.0
    assert signal(step_of(row, thawed)).tolist() == [0.0]


def test_environments_of_one_catalogue_hand_out_the_same_items():
    def handed_out():
        env = Cohort("AdLoad", 2, scenario="bench", threads=1)
        watcher = Watcher(env, ("items",))
        obs, _ = env.reset(seed=1)
        watcher.begin(obs)
        obs, *_, info = env.step(env.action_space.sample())
        return watcher.step(obs, info).items

    first, second = handed_out(), handed_out()
    assert first is second
    assert not first.flags.writeable
    assert "value" not in first.dtype.names


def test_a_catalogue_without_items_is_refused():
    with pytest.raises(ValueError, match="items without an item; give cohort.shop.items"):
        Completion()(step_of([[(-1, None)]], catalogue()))
