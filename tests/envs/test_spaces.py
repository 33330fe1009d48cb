"""What a policy may see and do: hidden things stay hidden, features and decoding are as said."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs import spaces
from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import find_world
from longplay.envs.spaces import BOUND, ITEM_FEATURES, NEW_DAYS, SCORERS, USER_FEATURES
from longplay.envs.state import CHOSEN, HIDDEN, HIDDEN_OUTCOMES, PRODUCTION, SHELF, WEIGHED

KINDS: dict[str, dict[str, Any]] = {
    "AdLoad": {"task": "AdLoad"},
    "weights": {"task": "Feed", "action": "weights"},
    "slate": {"task": "Feed", "action": "slate"},
    "item": {"task": "Feed", "action": "item"},
}
RANKERS = {"AdLoad": PRODUCTION, "weights": WEIGHED, "slate": CHOSEN, "item": CHOSEN}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def lived(kind: str, users: int = 24, steps: int = 12, **more: Any) -> Cohort:
    """A cohort some steps into its life under random actions."""
    settings = {"scenario": "bench", "threads": 1} | KINDS[kind] | more
    cohort = Cohort(num_envs=users, **settings)
    cohort.reset(seed=7)
    cohort.action_space.seed(11)
    for _ in range(steps):
        cohort.step(cohort.action_space.sample())
    return cohort


def seen_again(cohort: Cohort, kind: str) -> list[np.ndarray]:
    """Serve and observe every user anew, from the records as they are now."""
    desk = type(cohort._desk)(*(array.copy() for array in cohort._desk))
    rows = np.zeros_like(cohort._rows)
    study = cohort._study[0]
    for i in range(cohort.num_envs):
        user, world = cohort.users[i], cohort._params[0]
        if kind == "AdLoad":
            desk.slates[i] = -1  # to be filled by the production ranker
        else:
            desk.candidates[i] = -1
        spaces.serve(user, desk, i, RANKERS[kind], cohort.shop, cohort._dice[0], world)
        spaces.observe(user, desk, i, rows[i], study["oracle"], world)
    return [rows, desk.slates if kind == "AdLoad" else desk.candidates, desk.features]


# Hidden and seen.


@EVERY_KIND
def test_hidden_fields_never_reach_a_platform_observation(kind: str) -> None:
    cohort = lived(kind)
    rng = np.random.default_rng(5)
    honest = seen_again(cohort, kind)
    np.testing.assert_array_equal(honest[0], cohort._rows)  # the desk of the loop, made again
    np.testing.assert_array_equal(honest[2], cohort._desk.features)

    order = np.roll(np.arange(cohort.num_envs), 1)
    for name in HIDDEN:
        cohort.users[name] = cohort.users[name][order]
    for before, after in zip(honest, seen_again(cohort, kind), strict=True):
        np.testing.assert_array_equal(before, after)

    for name in HIDDEN:  # anything computed from nan would be nan
        field = cohort.users[name]
        floats = field.dtype.kind == "f"
        cohort.users[name] = np.nan if floats else rng.integers(0, 4, field.shape)
    for before, after in zip(honest, seen_again(cohort, kind), strict=True):
        np.testing.assert_array_equal(before, after)


@EVERY_KIND
def test_hidden_fields_reach_the_oracle(kind: str) -> None:
    cohort = lived(kind, observe="oracle")
    honest = seen_again(cohort, kind)[0]
    shown = len(cohort.feature_names) - len(spaces.HIDDEN_FEATURES)
    for name in HIDDEN:
        cohort.users[name] = cohort.users[name][np.roll(np.arange(cohort.num_envs), 1)]
    permuted = seen_again(cohort, kind)[0]
    np.testing.assert_array_equal(permuted[:, :shown], honest[:, :shown])
    np.testing.assert_array_equal(permuted[:, shown:], np.roll(honest[:, shown:], 1, axis=0))
    assert (permuted != honest).any(axis=0)[shown:].mean() > 0.5


def test_oracle_row_shows_what_its_names_say() -> None:
    cohort = lived("AdLoad", observe="oracle")
    columns = dict(zip(cohort.feature_names, cohort._rows.T, strict=True))
    users = cohort.users
    for name in ("fatigue", "satisfaction", "habit", "blindness", "enjoyment", "ad_aversion"):
        np.testing.assert_allclose(columns[name], users[name], rtol=1e-6)
    np.testing.assert_allclose(columns["satiation"], users["satiation"].mean(axis=1), rtol=1e-5)
    left = users["goal_wanted"] - users["goal"]
    np.testing.assert_allclose(columns["goal_left"], np.clip(0.1 * left, -10, 10), rtol=1e-5)
    intents = np.stack([columns[f"intent_{z}"] for z in spaces.INTENTS], axis=1)
    np.testing.assert_array_equal(intents.argmax(axis=1), users["intent"])
    np.testing.assert_array_equal(intents.sum(axis=1), 1.0)


@pytest.mark.parametrize("observe", ["platform", "oracle"])
def test_hidden_outcomes_never_reach_an_observation(observe: str) -> None:
    # Two cohorts with the same luck; in one, what the outcome hides is spoilt after every step.
    honest, spoilt = (lived("weights", users=8, steps=0, observe=observe) for _ in range(2))
    for _ in range(20):
        actions = honest.action_space.sample()
        for name in HIDDEN_OUTCOMES:
            spoilt.outcomes[name] = np.nan
        one, other = honest.step(actions)[0], spoilt.step(actions)[0]
        np.testing.assert_array_equal(one, other)


def test_infos_show_hidden_state_under_hidden_only() -> None:
    cohort = lived("AdLoad")
    info = cohort.step(cohort.action_space.sample())[-1]
    assert set(info) - {"final_obs", "_final_obs"} == {"gap_h", "discount", "hidden"}
    assert set(info["hidden"]) == set(HIDDEN)
    np.testing.assert_array_equal(info["hidden"]["fatigue"], cohort.users["fatigue"])


@EVERY_KIND
def test_time_since_the_study_began_is_not_seen(kind: str) -> None:
    # The same person at the same hour of another week of the study looks the same: only
    # differences of times are seen, and what they are the platform knows from its own logs.
    cohort = lived(kind)
    honest = seen_again(cohort, kind)
    for name in ("clock", "birth", "session_start", "survey_day"):
        cohort.users[name] += 4 * 168.0
    cohort.users["day"] += 4 * 7
    for before, after in zip(honest, seen_again(cohort, kind), strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-6)
    # The hour is seen, so a shift by less than a week is.
    cohort.users["clock"] += 5.0
    assert (seen_again(cohort, kind)[0] != honest[0]).any()


def test_tenure_counts_from_the_account_and_stops_after_four_weeks() -> None:
    # Tenure is days since the account was opened, up to NEW_DAYS: newcomers are told from
    # regulars, but a regular's day 30 of the study looks like day 60. An unanswered survey counts
    # from the same moment, so its age stops too.
    cohort = lived("AdLoad", steps=0, decision="session", autoreset_mode="DISABLED")
    tenure, age = USER_FEATURES.index("tenure"), USER_FEATURES.index("survey_age")
    late = 0
    while not cohort.over.all():
        days = (cohort.users["clock"] - cohort.users["birth"]) / 24.0
        share = np.minimum(days, NEW_DAYS) / (np.minimum(days, NEW_DAYS) + NEW_DAYS)
        live = ~cohort.over
        np.testing.assert_allclose(cohort._rows[live, tenure], share[live], rtol=1e-6)
        old = live & (cohort.users["clock"] > 24.0 * NEW_DAYS)
        late += old.sum()
        assert (cohort._rows[old, tenure] == 0.5).all()
        assert (cohort._rows[live, age] <= 0.5).all()
        cohort.step(np.zeros(cohort.num_envs, np.int64))
    assert late > 100


# Features, against an independent computation.


def share_of(x: Any, half: float) -> Any:
    return x / (x + half)


def expected_user_row(u: Any) -> dict[str, float]:
    """USER_FEATURES of one user, by name, as their comments in state.py say."""
    hour = np.floor(u["clock"] + u["phase"]) % 168 + 0.5
    minutes = u["topic_minutes"].astype(float)
    return {
        "hour_sin": np.sin(2 * np.pi * hour / 24),
        "hour_cos": np.cos(2 * np.pi * hour / 24),
        "week_sin": np.sin(2 * np.pi * hour / 168),
        "week_cos": np.cos(2 * np.pi * hour / 168),
        "tenure": share_of(min((u["clock"] - u["birth"]) / 24, NEW_DAYS), NEW_DAYS),
        "away": share_of(u["away"], 24),
        "streak": share_of(u["streak"], 7),
        "active_rate": u["active_rate"],
        "visit_rate": 0.3 * u["visit_rate"],
        "minutes_rate": share_of(u["minutes_rate"], 30),
        "skip_rate": u["skip_rate"],
        "like_rate": 5 * u["like_rate"],
        "ad_rate": share_of(u["ad_rate"], 10),
        "click_rate": 10 * u["click_rate"],
        "survey": u["survey"],
        "survey_age": share_of(min((u["clock"] - u["survey_day"]) / 24, NEW_DAYS), NEW_DAYS),
        "fetch": share_of(u["fetch"], 3),
        "session_time": share_of(u["clock"] - u["session_start"], 0.5),
        "session_minutes": share_of(u["session_minutes"], 30),
        "session_plays": share_of(u["session_plays"], 10),
        "session_skips": share_of(u["session_skips"], 3),
        "session_likes": share_of(u["session_likes"], 1),
        "session_ads": share_of(u["session_ads"], 3),
        "last_plays": 0.1 * u["last_plays"],
        "last_skips": 0.1 * u["last_skips"],
        "last_minutes": share_of(u["last_minutes"], 20),
        "last_ads": 0.5 * u["last_ads"],
        "since_ad": share_of(u["since_ad"], 10),
        "topic_focus": minutes.max() / (1 + minutes.sum()),
        "topic_recent": share_of(minutes.sum(), 60),
    }


def expected_item_table(cohort: Cohort, i: int) -> np.ndarray:
    """ITEM_FEATURES of one user's candidates, (m, f)."""
    u, items = cohort.users[i], cohort.shop.items[cohort._desk.candidates[i]]
    minutes = u["topic_minutes"].astype(float)
    listened = minutes[items["topic"]]
    columns = {
        "affinity": items["vector"].astype(float) @ u["guess"].astype(float),
        "attraction": items["attraction"],
        "quality": items["quality"],
        "novelty": items["novelty"],
        "freshness": items["freshness"],
        "rest": 1 - np.minimum(1, listened / 60),
        "minutes": 0.1 * items["minutes"],
        "share": listened / (1 + minutes.sum()),
    }
    return np.stack([columns[name] for name in ITEM_FEATURES], axis=1)


@EVERY_KIND
def test_user_features_are_as_named(kind: str) -> None:
    cohort = lived(kind)
    for i in range(cohort.num_envs):
        row = expected_user_row(cohort.users[i])
        assert tuple(row) == USER_FEATURES == cohort.feature_names[: len(row)]
        wanted = np.clip(list(row.values()), -BOUND, BOUND)
        np.testing.assert_allclose(cohort._rows[i, : len(row)], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["slate", "item"])
def test_item_features_are_as_named(kind: str) -> None:
    cohort = lived(kind)
    obs = cohort.step(cohort.action_space.sample())[0]
    table = spaces.table_of(obs["candidates"])
    assert table.shape == (cohort.num_envs, cohort.candidates, len(ITEM_FEATURES))
    for i in range(cohort.num_envs):
        np.testing.assert_allclose(table[i], expected_item_table(cohort, i), rtol=1e-4, atol=1e-5)


def test_summary_is_mean_and_best_of_each_scorer() -> None:
    cohort = lived("weights")
    for i in range(cohort.num_envs):
        table = expected_item_table(cohort, i)[:, : len(SCORERS)]
        summary = cohort._rows[i, len(USER_FEATURES) :]
        wanted = np.concatenate([table.mean(axis=0), table.max(axis=0)])
        np.testing.assert_allclose(summary, wanted, rtol=1e-4, atol=1e-5)


@EVERY_KIND
@pytest.mark.parametrize("observe", ["platform", "oracle"])
@pytest.mark.parametrize("scenario", ["bench", "music"])
def test_observations_stay_within_their_space(kind: str, observe: str, scenario: str) -> None:
    cohort = lived(kind, users=32, steps=0, observe=observe, scenario=scenario, horizon_days=9.0)
    for _ in range(40):
        obs = cohort.step(cohort.action_space.sample())[0]
        assert obs in cohort.observation_space  # shape, dtype, bounds; nan is outside


# Layouts.


def test_layouts_are_all_ways_to_place_at_most_two_ads() -> None:
    allowed = (2, 3, 5, 7, 8, 10)
    every = [ads for k in range(3) for ads in combinations(allowed, k)]
    assert len(every) == 22
    assert sorted(spaces.LAYOUTS) == sorted(every)
    assert spaces.LAYOUTS[0] == ()


@pytest.mark.parametrize("index", range(22))
def test_layout_shows_ads_where_it_says(index: int) -> None:
    positions = spaces.LAYOUTS[index]
    assert spaces.layout_index(positions) == index
    assert spaces.layout_index(positions[::-1]) == index  # in any order
    cohort = Cohort("AdLoad", 4, scenario="bench", threads=1)
    cohort.reset(seed=7)
    cohort.step(np.full(4, index))
    for lane in range(4):
        ads = tuple(int(p) + 1 for p in np.flatnonzero(cohort.slots["shows"][lane] < 0))
        assert ads == positions
    assert (cohort.outcomes["ads"] == len(positions)).all()


@pytest.mark.parametrize("positions", [(1,), (4,), (2, 2), (2, 3, 5), (3, 6), (0,), (11,)])
def test_impossible_layout_is_refused(positions: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"layout=\(.*\): ads may stand .*LAYOUTS"):
        spaces.layout_index(positions)


# Candidates and slates.


@given(
    seed=st.integers(0, 2**40),
    candidates=st.integers(1, 90),
    reach=st.floats(0.01, 1.0),
    ranker=st.sampled_from(["AdLoad", "slate"]),
)
def test_lists_hold_distinct_items(seed: int, candidates: int, reach: float, ranker: str) -> None:
    world = find_world("bench").replace(
        "small",
        catalogue={"items": 1600.0},  # 100 a topic: the smallest that 90 candidates allow
        serving={"reach": reach, "candidates_reach": reach},
        population={"focus": 6.0, "youth": 1.0},  # nearly all from one topic
    )
    settings: dict[str, Any] = {"task": "AdLoad"}
    if ranker == "slate":
        few = min(candidates, 10)
        settings = {"task": "Feed", "action": "slate", "candidates": candidates, "slate_size": few}
    cohort = Cohort(num_envs=3, scenario=world, threads=1, **settings)
    cohort.reset(seed=seed)
    for _ in range(3):
        lists = cohort._desk.candidates if cohort.task == "Feed" else cohort._desk.slates
        for ids in lists:
            assert len(set(ids.tolist())) == len(ids)
            assert ids.min() >= 0 and ids.max() < 1600
        cohort.step(cohort.action_space.sample())


def test_topics_come_from_the_shelf() -> None:
    cohort = lived("slate", users=64)
    topics = cohort.shop.items["topic"][cohort._desk.candidates]
    for user, mine in zip(cohort.users, topics, strict=True):
        assert set(mine) <= set(user["shelf"])
    # Over users, a topic is offered as often as it lies on their shelves.
    shelves = np.stack([np.bincount(u["shelf"], minlength=16) for u in cohort.users]) / SHELF
    offered = np.stack([np.bincount(t, minlength=16) for t in topics]) / cohort.candidates
    # Largest of 1024 multinomial deviations, each of sd <= 0.05: 5 sd.
    assert np.abs(shelves - offered).max() < 0.25
    assert np.corrcoef(shelves.ravel(), offered.ravel())[0, 1] > 0.9


def resolve(choices: list[int], candidates: int) -> tuple[list[int], int]:
    """The documented rule, in plain Python: a repeat becomes the lowest index not yet chosen."""
    slate: list[int] = []
    repeats = 0
    for choice in choices:
        if choice in slate:
            repeats += 1
            choice = min(set(range(candidates)) - set(slate))
        slate.append(choice)
    return slate, repeats


@given(data=st.data(), candidates=st.integers(1, 12))
def test_repeats_in_a_slate_are_resolved_by_the_rule(data: st.DataObject, candidates: int) -> None:
    k = data.draw(st.integers(1, candidates))
    row = st.lists(st.integers(0, candidates - 1), min_size=k, max_size=k)
    choices = data.draw(st.lists(row, min_size=1, max_size=4))
    n = len(choices)
    ids = np.random.default_rng(k).permuted(np.tile(np.arange(candidates) + 500, (n, 1)), axis=1)
    slates, repeats = np.zeros((n, k), np.int64), np.full(n, 99.0)
    assert spaces.decode_slate(np.array(choices), ids, slates, repeats) == -1
    for i, chosen in enumerate(choices):
        slate, count = resolve(chosen, candidates)
        assert slates[i].tolist() == ids[i, slate].tolist()
        assert repeats[i] == count
        assert len(set(slate)) == k


def test_repeats_are_counted_in_the_outcome() -> None:
    cohort = lived("slate", users=3, steps=0)
    offered = cohort._desk.candidates.copy()
    cohort.step(np.array([np.arange(10), [4] * 10, [9, 8, 7, 6, 5, 9, 8, 1, 0, 0]]))
    np.testing.assert_array_equal(cohort.outcomes["duplicates"], [0, 9, 5])
    # By hand: 9 8 7 6 5, then 9 -> 0, 8 -> 1, and 1, 0, 0 were chosen meanwhile -> 2, 3, 4.
    wanted = [9, 8, 7, 6, 5, 0, 1, 2, 3, 4]
    assert resolve([9, 8, 7, 6, 5, 9, 8, 1, 0, 0], 100) == (wanted, 5)
    np.testing.assert_array_equal(
        cohort.slots["shows"][1], offered[1, [4, 0, 1, 2, 3, 5, 6, 7, 8, 9]]
    )
    np.testing.assert_array_equal(cohort.slots["shows"][2], offered[2, wanted])


def ranked(features: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k highest scores in single precision, ties to the earlier."""
    score = np.zeros(len(features), np.float32)
    for s in range(len(weights)):
        score += weights[s] * features[:, s]
    return np.argsort(-score, kind="stable")[:k]


@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(1, 40),
    coarse=st.booleans(),
    weights=st.lists(st.floats(-1, 1, width=32), min_size=6, max_size=6),
)
def test_weights_rank_like_a_sort(seed: int, m: int, coarse: bool, weights: list[float]) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, m + 1))
    desk = spaces.blank_desk(1, k, m, True)
    desk.candidates[:] = rng.permutation(m) + 100
    values = rng.normal(size=(m, len(ITEM_FEATURES)))
    desk.features[:] = np.round(values) if coarse else values  # coarse: many ties
    desk.weights[:] = np.round(weights) if coarse else weights
    spaces.rank_by_weights(desk, 0)
    order = ranked(desk.features[0], desk.weights[0], k)
    assert desk.slates[0].tolist() == desk.candidates[0, order].tolist()


def test_weights_decide_what_is_shown() -> None:
    cohort = lived("weights", users=16)
    table, offered = cohort._desk.features.copy(), cohort._desk.candidates.copy()
    weights = np.random.default_rng(3).uniform(-1, 1, (16, 6)).astype(np.float32)
    cohort.step(weights)
    for i in range(16):
        shown = offered[i, ranked(table[i], weights[i], 10)]
        np.testing.assert_array_equal(cohort.slots["shows"][i], shown)


def test_zero_weights_keep_the_order_of_candidates() -> None:
    cohort = lived("weights", users=4)
    offered = cohort._desk.candidates.copy()
    cohort.step(np.zeros((4, 6), np.float32))
    np.testing.assert_array_equal(cohort.slots["shows"], offered[:, :10])
