"""The story of a fetch: what must add up, what must come in order, and what follows from what."""

from typing import Any

import numpy as np
import pytest

from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import SCENARIOS, find_world
from longplay.envs.spaces import ITEM_FEATURES, layout_index

KINDS: dict[str, dict[str, Any]] = {
    "AdLoad": {"task": "AdLoad"},
    "weights": {"task": "Feed", "action": "weights"},
    "slate": {"task": "Feed", "action": "slate"},
    "item": {"task": "Feed", "action": "item"},
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def cohort_of(kind: str, num_envs: int = 200, **more: Any) -> Cohort:
    settings = {"scenario": "bench", "threads": 1, "candidates": 30} | KINDS[kind] | more
    cohort = Cohort(num_envs=num_envs, **settings)
    cohort.reset(seed=7)
    cohort.action_space.seed(3)
    return cohort


def t_value(differences: np.ndarray) -> float:
    """Mean of paired differences, in standard errors."""
    return float(differences.mean() / (differences.std(ddof=1) / np.sqrt(len(differences))))


# What must add up.


@EVERY_KIND
def test_a_fetch_is_the_sum_of_its_positions(kind: str) -> None:
    cohort = cohort_of(kind, autoreset_mode="DISABLED")
    world, total = cohort.world, 0.0
    for _ in range(15):
        cohort.step(cohort.action_space.sample())
        out, slots = cohort.outcomes, cohort.slots
        lived = out["fetches"] == 1
        assert (out["fetches"][~lived] == 0).all()
        out, slots = out[lived], slots[lived]
        ad = slots["shows"] < 0
        item = ~ad
        played = (slots["played"] == 1) & item
        items = cohort.shop.items[np.where(ad, 0, slots["shows"])]

        np.testing.assert_array_equal(out["looked"], (item & (slots["seen"] == 1)).sum(axis=1))
        np.testing.assert_array_equal(out["plays"], played.sum(axis=1))
        for field, name in (
            ("skips", "skipped"),
            ("likes", "liked"),
            ("saves", "saved"),
            ("shares", "shared"),
            ("hides", "hid"),
        ):
            np.testing.assert_array_equal(out[field], slots[name].sum(axis=1))
        np.testing.assert_allclose(out["minutes"], slots["minutes"].sum(axis=1), rtol=1e-5)
        stayed = played & (slots["skipped"] == 0)
        np.testing.assert_allclose(
            out["novelty"], (items["novelty"] * stayed).sum(axis=1), rtol=1e-5, atol=1e-9
        )
        np.testing.assert_array_equal(out["ads"], ad.sum(axis=1))
        views = (ad & (slots["seen"] == 1)).sum(axis=1)
        clicks = (ad & (slots["played"] == 1)).sum(axis=1)
        np.testing.assert_array_equal(out["ad_views"], views)
        np.testing.assert_array_equal(out["ad_clicks"], clicks)
        paid = views * world.ads.price_view + clicks * world.ads.price_click
        np.testing.assert_allclose(out["revenue"], paid, rtol=1e-12)
        total += out["plays"].sum() + out["ad_clicks"].sum()
    assert total > 100


@EVERY_KIND
def test_feedback_follows_from_what_was_met(kind: str) -> None:
    cohort = cohort_of(kind)
    limit = cohort.world.dwell.skip / 60.0
    for _ in range(15):
        cohort.step(cohort.action_space.sample())
        slots = cohort.slots[cohort.outcomes["fetches"] == 1]
        ad = slots["shows"] < 0
        length = cohort.shop.items["minutes"][np.where(ad, 0, slots["shows"])]
        for name in ("played", "skipped", "liked", "saved", "shared", "hid"):
            assert (slots["seen"] >= slots[name]).all()
        assert (slots["seen"][~ad] >= slots["played"][~ad]).all()
        item = slots[~ad]
        assert ((item["minutes"] > 0) == (item["played"] == 1)).all()
        assert (slots["minutes"][ad] == 0).all()
        assert (item["minutes"] <= length[~ad] * (1 + 1e-6)).all()
        short = (item["played"] == 1) & (item["minutes"] < limit * (1 - 1e-6))
        long = (item["played"] == 1) & (item["minutes"] > limit * (1 + 1e-6))
        assert (item["skipped"][short] == 1).all() and (item["skipped"][long] == 0).all()
        whole = item["minutes"] >= length[~ad] * (1 - 1e-6)
        for name in ("liked", "saved", "shared"):  # delight follows an item played to its end
            assert whole[item[name] == 1].all()
        assert (item["saved"] >= item["shared"]).all()
        assert (item["skipped"] >= item["hid"]).all()


@EVERY_KIND
def test_nothing_is_met_below_where_the_user_stopped_looking(kind: str) -> None:
    cohort = cohort_of(kind)
    stopped = 0
    for _ in range(15):
        cohort.step(cohort.action_space.sample())
        slots = cohort.slots[cohort.outcomes["fetches"] == 1]
        # An ad that is not seen may have been overlooked; an item that is not was not reached.
        unseen = (slots["seen"] == 0) & (slots["shows"] >= 0)
        below = np.maximum.accumulate(unseen, axis=1)
        for name in ("seen", "played", "minutes", "skipped", "liked", "saved", "shared", "hid"):
            assert (slots[name][below] == 0).all()
        stopped += below.any(axis=1).sum()
        first = slots[:, 0]
        assert ((first["seen"] == 1) | (first["shows"] < 0)).all()  # everybody looks at the top
    assert stopped > 100 or kind == "item"


@pytest.mark.parametrize(
    ("kind", "decision"),
    [*((kind, "fetch") for kind in KINDS), ("AdLoad", "session"), ("weights", "session")],
)
def test_time_passes_and_gaps_lead_from_decision_to_decision(kind: str, decision: str) -> None:
    cohort = cohort_of(kind, autoreset_mode="DISABLED", decision=decision)
    world = cohort.world
    ends = 0
    for _ in range(25):
        before = cohort.users["clock"].copy()
        live = ~cohort.over
        cohort.step(cohort.action_space.sample())
        out, users = cohort.outcomes, cohort.users
        np.testing.assert_array_equal(out["clock"][live], before[live])
        stays = live & (users["gone"] == 0)
        np.testing.assert_array_equal(out["gap"][stays], (users["clock"] - before)[stays])
        # A position takes time, so does a play; nothing is faster than what was played.
        assert (
            out["gap"][stays] * 60.0 >= out["minutes"][stays] + out["away"][stays] * 60 - 1e-9
        ).all()
        assert (out["gap"][stays] > 0).all()
        wanted = world.gamma_day ** (out["gap"][stays] / 24.0)
        np.testing.assert_allclose(out["discount"][stays], wanted, rtol=1e-12)
        left = live & (out["ended"] == 1)
        assert (out["away"][left] >= world.returning.least).all()
        assert (out["away"][live & ~left] == 0).all()
        np.testing.assert_array_equal(users["away"][stays & left], out["away"][stays & left])
        gone = live & (users["gone"] == 1)
        assert np.isinf(out["gap"][gone]).all() and (out["discount"][gone] == 0).all()
        if decision == "session":
            assert (out["ended"][live] == 1).all()
        # Plays come one after another, within the fetch.
        plays = (cohort.slots["played"] == 1) & (cohort.slots["shows"] >= 0)
        start = np.where(plays, cohort.slots["start"], -np.inf)[stays]
        reached = np.maximum.accumulate(start, axis=1)
        assert (start[:, 1:] > reached[:, :-1])[plays[stays][:, 1:]].all()
        ends += left.sum()
    assert ends > 100


@pytest.mark.parametrize("scenario", SCENARIOS)
@EVERY_KIND
def test_moods_keep_to_their_ranges(kind: str, scenario: str) -> None:
    cohort = cohort_of(kind, scenario=scenario, horizon_days=30.0)
    for _ in range(60):
        cohort.step(cohort.action_space.sample())
        u = cohort.users
        for name in u.dtype.names:
            assert np.isfinite(u[name]).all(), name
        for name in ("satisfaction", "habit", "churn_propensity", "survey", "active_rate"):
            assert ((u[name] >= 0) & (u[name] <= 1)).all(), name
        for name in ("fatigue", "satiation", "ad_memory", "goal", "streak", "topic_minutes"):
            assert (u[name] >= 0).all(), name
        for name in ("skip_rate", "like_rate", "click_rate", "bad_exit"):
            assert ((u[name] >= 0) & (u[name] <= 1)).all(), name
        assert (u["blindness"] <= 0).all()
        assert (u["goal"] < u["goal_wanted"]).all()
        titles = np.array(cohort.world.intent.titles)[u["intent"]]
        assert ((u["patience"] > 0) & (u["patience"] <= titles)).all()
        assert (u["clock"] >= u["session_start"]).all() and (u["session_start"] >= u["birth"]).all()
        out = cohort.outcomes
        assert ((out["satisfied_day"] >= 0) & (out["satisfied_day"] <= out["active_day"])).all()
        assert (out["good_exit"] + out["bad_exit"] <= out["ended"]).all()


def test_every_active_day_is_counted_once() -> None:
    # Against the calendar: the days on which a session with a play began.
    cohort = cohort_of(
        "AdLoad", 60, autoreset_mode="DISABLED", horizon_days=20.0, decision="session"
    )
    before = cohort.users["day"].copy()
    days: list[set[int]] = [set() for _ in range(60)]
    counted = np.zeros(60)
    while not cohort.over.all():
        start = np.floor((cohort.users["clock"] + cohort.users["phase"]) / 24.0).astype(int)
        live = ~cohort.over
        cohort.step(np.zeros(60, np.int64))
        for i in np.flatnonzero(live & (cohort.outcomes["plays"] > 0)):
            if start[i] > before[i]:
                days[i].add(int(start[i]))
        counted += cohort.outcomes["active_day"]
    np.testing.assert_array_equal(counted, [len(mine) for mine in days])
    assert counted.sum() > 200


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_everybody_enters_within_the_first_days(scenario: str) -> None:
    # A study begins with the first visit after hour 0, and whoever enters was seen lately: nobody
    # stays away for more than eight days in youth.
    cohort = cohort_of("AdLoad", 4000, scenario=scenario)
    first = cohort.users["clock"]
    assert first.min() >= 0.0 and first.max() <= 9.0 * 24.0
    assert np.median(first) < 2.0 * 24.0
    np.testing.assert_array_equal(first, cohort.users["session_start"])
    assert (cohort.users["fetch"] == 0).all()
    assert (cohort.users["away"] <= 8.0 * 24.0).all()
    assert not cohort.over.any()


# What is held for a session is the same fetches.


EXACT = (
    "fetches", "looked", "plays", "skips", "likes", "saves", "shares", "hides", "ads", "ad_views",
    "ad_clicks", "ended", "away", "active_day", "satisfied_day", "good_exit", "bad_exit",
)  # fmt: skip
SUMMED = ("minutes", "revenue", "novelty", "value", "gap")


def chosen(lanes: np.ndarray, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The state ``one`` for some lanes, ``other`` for the rest."""

    def pick(a: Any, b: Any) -> Any:
        if isinstance(a, list):
            return [pick(x, y) for x, y in zip(a, b, strict=True)]
        mixed = b.copy()
        mixed[lanes] = a[lanes]
        return mixed

    return {name: pick(one[name], other[name]) for name in one}


@pytest.mark.parametrize("kind", ["AdLoad", "weights"])
def test_a_session_is_the_sum_of_its_fetches(kind: str) -> None:
    n = 60
    whole = cohort_of(kind, n, decision="session", autoreset_mode="DISABLED", horizon_days=9.0)
    parts = cohort_of(kind, n, decision="fetch", autoreset_mode="DISABLED", horizon_days=9.0)
    actions = whole.action_space.sample()
    several = 0
    for _ in range(8):
        whole.step(actions)
        sums = {name: np.zeros(n) for name in (*EXACT, *SUMMED)}
        clock = parts.users["clock"].copy()
        waiting = np.zeros(n, bool)
        while not waiting.all():
            before = parts.state()
            parts.step(actions)
            for name, total in sums.items():
                total += np.where(waiting, 0.0, parts.outcomes[name])
            over = waiting | parts.over | (parts.outcomes["ended"] == 1)
            parts.restore(chosen(waiting, before, parts.state()))  # their next session waits
            waiting = over
        lived = whole.outcomes["fetches"] > 0
        np.testing.assert_array_equal(whole.outcomes["clock"][lived], clock[lived])
        for name in EXACT:
            np.testing.assert_array_equal(whole.outcomes[name], sums[name], err_msg=name)
        for name in SUMMED:  # a sum of sums may differ from one sum in its last bits
            wanted = sums[name]
            np.testing.assert_allclose(whole.outcomes[name], wanted, rtol=1e-12, atol=1e-12)
        for name in whole.users.dtype.names:  # and who it leaves behind is the same to the bit
            assert whole.users[name].tobytes() == parts.users[name].tobytes(), name
        several += (whole.outcomes["fetches"] > 1).sum()
    assert several > 50


# What follows from what.


def test_order_of_a_slate_matters() -> None:
    # One item the user will love and nine they will not, best first or best last: people look
    # from the top, so the first order gives more minutes. Same users, same luck.
    cohort = cohort_of("slate", 2000, candidates=60)
    items = cohort.shop.items[cohort._desk.candidates]
    liking = np.einsum("nt,nmt->nm", cohort.users["taste"], items["vector"])
    liking += 0.5 * items["value"] + 0.5 * items["attraction"]
    order = np.argsort(-liking, axis=1)
    best_first = np.concatenate([order[:, :1], order[:, -9:]], axis=1)
    forks = cohort.fork(2)
    forks.step(np.stack([best_first, best_first[:, ::-1]], axis=1).reshape(4000, 10))
    minutes = forks.outcomes["minutes"].reshape(2000, 2)
    assert t_value(minutes[:, 0] - minutes[:, 1]) > 4.0


def test_position_decides_who_sees_an_ad() -> None:
    cohort = cohort_of("AdLoad", 2000)
    forks = cohort.fork(2)
    forks.step(np.tile([layout_index((2,)), layout_index((10,))], 2000))
    views = forks.outcomes["ad_views"].reshape(2000, 2)
    assert t_value(views[:, 0] - views[:, 1]) > 4.0


def held_for(cohort: Cohort, actions: np.ndarray, days: float) -> dict[str, np.ndarray]:
    """Live for some days under the same actions; sums per user."""
    names = ("revenue", "active_day", "minutes", "ad_views", "satisfied_day")
    sums = {name: np.zeros(cohort.num_envs) for name in names}
    while True:
        live = ~cohort.over & (cohort.users["clock"] < 24.0 * days)
        if not live.any():
            return sums
        cohort.step(actions)
        for name, total in sums.items():
            total += np.where(live, cohort.outcomes[name], 0.0)


def test_ads_pay_now_and_cost_returns_in_bench() -> None:
    n = 400
    cohort = cohort_of("AdLoad", n, decision="session", horizon_days=28.0)
    forks = cohort.fork(2)
    sums = held_for(forks, np.tile([0, layout_index((2, 3))], n), 28.0)
    pairs = {name: total.reshape(n, 2) for name, total in sums.items()}
    assert (pairs["revenue"][:, 0] == 0.0).all()
    assert t_value(pairs["revenue"][:, 1]) > 4.0
    assert t_value(pairs["active_day"][:, 0] - pairs["active_day"][:, 1]) > 4.0
    satisfaction = forks.users["satisfaction"].reshape(n, 2)
    assert t_value(satisfaction[:, 0] - satisfaction[:, 1]) > 4.0


def test_satisfaction_follows_value_and_not_what_draws_the_eye() -> None:
    # Where attraction and value part ways, slates by attraction are played more and please less.
    clickbait = find_world("bench").replace("clickbait", catalogue={"attraction_value": -0.8})
    assert clickbait.satisfaction.link == 0.0
    n = 300
    cohort = cohort_of("slate", n, scenario=clickbait, candidates=60, autoreset_mode="DISABLED")
    forks = cohort.fork(2)
    columns = [ITEM_FEATURES.index(name) for name in ("attraction", "quality")]
    column = np.tile(columns, n)
    looked, plays = np.zeros(2 * n), np.zeros(2 * n)
    for _ in range(40):
        table = forks._desk.features
        score = table[np.arange(2 * n), :, column]
        forks.step(np.argsort(-score, axis=1)[:, :10])
        looked += forks.outcomes["looked"]
        plays += forks.outcomes["plays"]
    rate = (plays / looked).reshape(n, 2)
    satisfaction = forks.users["satisfaction"].reshape(n, 2)
    assert t_value(rate[:, 0] - rate[:, 1]) > 4.0
    assert t_value(satisfaction[:, 1] - satisfaction[:, 0]) > 4.0


def first_sessions(minutes: float, link: float) -> tuple[np.ndarray, np.ndarray]:
    """Minutes of everybody's first session, and the satisfaction it leaves (300,)."""
    world = find_world("bench").replace(
        f"items of {minutes} min, link {link}",
        catalogue={"minutes": minutes},
        # Nothing about minutes decides when they leave,
        satisfaction={"link": link, "engaged": 0.0},
        fatigue={"per_minute": 0.0},
        intent={"goal": (1e9,) * 4},
        leaving={"longest": 1e9},
        population={"youth": 0.001},  # nor did they live through anything before.
    )
    cohort = cohort_of("AdLoad", 300, scenario=world, decision="session", horizon_days=1e3)
    assert (cohort.users["session"] == 0).all()
    cohort.step(np.zeros(300, np.int64))
    return cohort.outcomes["minutes"].copy(), cohort.users["satisfaction"].copy()


def test_longer_plays_do_not_please_unless_linked() -> None:
    # The same people meet the same items, once short and once three times as long.
    short, pleased = first_sessions(3.0, link=0.0)
    long, as_pleased = first_sessions(9.0, link=0.0)
    busy = long > short
    assert busy.mean() > 0.8
    np.testing.assert_array_equal(as_pleased, pleased)
    for link in (0.05, -0.05):
        _, some = first_sessions(3.0, link)
        _, more = first_sessions(9.0, link)
        assert (np.sign(link) * (more - some)[busy] > 0).mean() > 0.9


def test_habit_at_birth_outlives_the_first_active_day() -> None:
    world = find_world("bench").replace(
        "old hands", population={"habit_start": 50.0, "youth": 0.01}
    )
    cohort = Cohort("AdLoad", 500, scenario=world, threads=1)
    cohort.reset(seed=0)
    assert cohort.users["habit"].mean() > 0.95
    for _ in range(5):
        cohort.step(np.zeros(500, int))
    assert cohort.users["habit"].mean() > 0.9  # at most nine missed days at 1.15 % each
    assert cohort.users["active_rate"].mean() > 0.4


def test_every_study_begins_with_a_visit_at_hour_0() -> None:
    cohort = Cohort("AdLoad", 2000, scenario="bench", threads=1, horizon_days=0.1)
    cohort.reset(seed=3)
    assert (cohort.users["clock"] == 0.0).all()
    assert (cohort.users["session_start"] == 0.0).all()
    assert (cohort.users["birth"] <= 0.0).all()
    assert not cohort.over.any()
    night = (cohort.users["phase"] - cohort.users["chronotype"]) % 24.0
    quiet = (night > 3.0) & (night < 6.0)  # two hours about each user's own middle of the night
    assert quiet.mean() < 0.03  # hours stay what they are: few visits fall there


def test_a_clicked_ad_is_no_play() -> None:
    """With `first` so high that a first play always ends a session, an ad click does not."""
    world = find_world("bench").replace(
        "eager", ads={"click": 1.0, "seen": 1.0}, leaving={"first": 60.0, "ad": 0.0}
    )
    cohort = Cohort("AdLoad", 2000, scenario=world, threads=1)
    cohort.reset(seed=1)
    cohort.step(np.full(2000, layout_index((2, 3))))
    slots = cohort.slots
    played = (slots["played"] == 1) & (slots["shows"] >= 0)
    after = played[:, 0] & (slots["seen"][:, 1] == 1)
    assert not after.any()  # the play at 1 ended it: nobody came to the ad at 2
    one = played.sum(axis=1) <= 1
    assert one.all()


def test_laws_that_turn_time_back_are_held() -> None:
    def hours_away(u, pull, hour, chronotype, limit, table, p):  # type: ignore[no-untyped-def]
        return float("nan") if u < 0.5 else -3.0

    world = find_world("bench").with_laws("back", hours_away=hours_away)
    cohort = Cohort("AdLoad", 8, scenario=world, threads=1, horizon_days=0.05)
    cohort.reset(seed=0)
    for _ in range(20):
        cohort.step(np.zeros(8, int))
        ahead = cohort.outcomes["gap"][cohort.outcomes["fetches"] > 0]
        assert (ahead > 0.0).all()
        assert np.isfinite(cohort.users["clock"]).all()
