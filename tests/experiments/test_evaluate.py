"""Evaluation: sums worked out by hand, days, the horizon's cut, and the same luck for everybody."""

from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
from pytest import approx

from longplay.agents.fixed import fixed
from longplay.agents.policy import Act, BasePolicy
from longplay.envs.cohort import Cohort
from longplay.envs.state import OUTCOME, USER
from longplay.experiments.evaluate import (
    DAYS,
    EVALUATION_SEED,
    HELD_OUT,
    METRIC,
    Evaluation,
    NotFinite,
    Tally,
    beyond_horizon,
    evaluate,
)
from longplay.rewards import (
    Minutes,
    Objective,
    Potential,
    Returned1d,
    Skips,
    State,
    Step,
    per_user,
    record,
)
from longplay.rewards.step import Values


def make_cohort(num_envs: int, **keywords: Any) -> Cohort:
    given = {"task": "AdLoad", "scenario": "bench", "decision": "session", "horizon_days": 8.0}
    return Cohort(num_envs=num_envs, **{**given, **keywords})


class Told:
    """A cohort of which only what a Tally reads is there."""

    def __init__(self, users: int, gamma: float, day_value: float, horizon: float) -> None:
        self.num_envs = users
        self.world = SimpleNamespace(gamma_day=gamma, day_value=day_value, horizon_days=horizon)
        self.horizon_days = horizon
        self.users = np.zeros(users, USER)
        self.users["user"] = HELD_OUT + np.arange(users)
        self.single_action_space = gym.spaces.Discrete(3)


def tallied(cohort: Any, steps: list[dict[int, dict[str, float]]]) -> Evaluation:
    """Play a script: each step maps a user to the fields of OUTCOME that are not zero."""
    tally = Tally(cohort)
    for step in steps:
        out = np.zeros(cohort.num_envs, OUTCOME)
        gone = np.zeros(cohort.num_envs, bool)
        action = np.zeros(cohort.num_envs, np.int64)
        for user, fields in step.items():
            for name, value in ({"fetches": 1.0, "ended": 1.0} | fields).items():
                if name == "gone":
                    gone[user] = bool(value)
                elif name == "action":
                    action[user] = int(value)
                else:
                    out[name][user] = value
        tally.add(out, action, gone)
    return tally.result()


def test_sums_worked_out_by_hand() -> None:
    # gamma 1/2 a day, a satisfied day is worth 2, horizon 10 days.
    # User 0: day 0: revenue 1, satisfied 0.5; day 1: revenue 3; day 9: revenue 512, minutes 1024.
    #   revenue = 1 + 3/2 + 512/512 = 3.5; value = 3.5 + 2 * 0.5 = 4.5
    #   the last 7 days hold 1: beyond = (1/128) / (1 - 1/128) = 1/127
    # User 1: day 2 (48 h): revenue 4, and never comes back: revenue = 4/4 = 1.
    told = tallied(
        Told(2, gamma=0.5, day_value=2.0, horizon=10.0),
        [
            {
                0: {"revenue": 1.0, "satisfied_day": 0.5, "active_day": 1.0},
                1: {"clock": 48.0, "revenue": 4.0, "active_day": 1.0, "gone": 1},
            },
            {0: {"clock": 24.0, "revenue": 3.0}},
            {0: {"clock": 216.0, "revenue": 512.0, "minutes": 1024.0, "active_day": 1.0}},
        ],
    )
    a, b = told.users
    assert a["revenue"] == approx(3.5) and a["value"] == approx(4.5)
    assert a["minutes"] == approx(2.0) and a["undiscounted_minutes"] == 1024.0
    assert a["undiscounted_revenue"] == 516.0
    assert a["active_days"] == approx(1 + 1 / 512) and a["undiscounted_active_days"] == 2.0
    assert (a["churned"], a["days_alive"]) == (0, 10)
    assert a["beyond"] == approx(1 / 127)
    assert b["revenue"] == approx(1.0) and b["value"] == approx(1.0)
    assert (b["churned"], b["days_alive"], b["beyond"]) == (1, 2, 0)
    assert told.cut_off == approx((1 / 127) / (4.5 + 1.0 + 1 / 127))
    assert told.value == approx(2.75)
    assert told.steps == 4
    assert list(told.users["user"]) == [HELD_OUT, HELD_OUT + 1]


def test_blank_rows_count_for_nothing() -> None:
    cohort = Told(1, 0.9, 1.0, 30.0)
    first = {0: {"clock": 5.0, "revenue": 1.0, "minutes": 2.0, "ads": 1.0}}
    # what a finished life leaves in its row must not matter, whatever stands in it
    blank = {0: {"clock": 99.0, "revenue": 7.0, "fetches": 0.0, "gone": 1}}
    whole, padded = tallied(cohort, [first]), tallied(cohort, [first, blank, blank])
    assert whole.users.tobytes() == padded.users.tobytes()
    assert np.array_equal(whole.active, padded.active) and whole.steps == padded.steps == 1


def test_retention_counts_days_from_the_users_own_first_session() -> None:
    # User 0 starts on day 0 and comes again on day 1 (twice) and day 3. A session begun at 23:00
    # of day 1 and ended on day 2 is a session of day 1. User 1 starts on day 2, returns on day 3.
    told = tallied(
        Told(2, 0.9, 1.0, 5.0),
        [
            {0: {"clock": 10.0}, 1: {"clock": 50.0}},
            {0: {"clock": 30.0}, 1: {"clock": 71.9}},
            {0: {"clock": 47.0, "ended": 0.0}, 1: {"clock": 72.0}},
            {0: {"clock": 49.0}},
            {0: {"clock": 80.0}},
        ],
    )
    assert list(np.flatnonzero(told.active[0])) == [0, 1, 3]
    assert list(np.flatnonzero(told.active[1])) == [0, 1]
    active, watched = told.retention()
    # Day d of user 1 is calendar day 2 + d: within 5 days, only 0, 1, 2 are watched.
    assert list(watched[:6]) == [2, 2, 2, 1, 1, 0]
    assert list(active[:6]) == [2, 2, 0, 1, 0, 0]
    assert len(active) == DAYS == 61


def test_a_user_watched_for_longer_than_the_curve_counts_in_all_of_it() -> None:
    told = tallied(Told(1, 0.9, 1.0, 90.0), [{0: {"clock": 24.0 * d}} for d in (0, 60, 61, 89)])
    active, watched = told.retention()
    assert list(np.flatnonzero(active)) == [0, 60]
    assert watched.min() == watched.max() == 1


def test_ads_by_position_tenure_and_action() -> None:
    cohort = Told(1, 0.9, 1.0, 30.0)
    cohort.users["birth"] = -6.5 * 24.0  # 6.5 days old at the start
    told = tallied(
        cohort,
        [
            {0: {"fetches": 3.0, "ads": 3.0, "ended": 0.0, "action": 1}},
            {0: {"fetches": 1.0, "ads": 2.0, "clock": 11.9, "action": 2}},  # fetch 3; 6.996 days
            {0: {"fetches": 12.0, "ads": 0.0, "clock": 12.1, "action": 1}},  # new session; 7.004
        ],
    )
    # Fetches by position: 3 + 1 in the first session; 12 in the second, three of them in the last
    assert told.by_position[:, 0].tolist() == [2, 2, 2, 2, 1, 1, 1, 1, 1, 3]
    assert told.by_position[:, 1].tolist() == [1, 1, 1, 2, 0, 0, 0, 0, 0, 0]
    assert told.by_tenure[:2].tolist() == [[4, 5], [12, 0]]
    assert told.by_action.tolist() == [0, 15, 1]


@pytest.mark.parametrize(("gamma", "horizon"), [(0.95, 70), (0.9, 7), (0.99, 365), (0.8, 3)])
def test_a_constant_rate_is_cut_off_by_gamma_to_the_horizon(gamma: float, horizon: int) -> None:
    # Of sum_{d>=0} gamma^d, the horizon H leaves sum_{d>=H} gamma^d, a share of gamma^H.
    days = [{0: {"clock": 24.0 * d, "revenue": 0.3, "satisfied_day": 0.2}} for d in range(horizon)]
    told = tallied(Told(1, gamma, 5.0, float(horizon)), days)
    assert told.cut_off == approx(gamma**horizon, rel=1e-12)


def test_beyond_the_horizon_in_continuous_time_and_without_discount() -> None:
    # W = r gamma^H (gamma^-7 - 1) / delta must give beyond = r gamma^H / delta
    r, gamma, horizon = 2.0, 0.97, 40.0
    delta = -np.log(gamma)
    last_week = np.array([r * gamma**horizon * (gamma**-7 - 1) / delta])
    assert beyond_horizon(last_week, gamma, horizon) == approx(r * gamma**horizon / delta)
    assert np.isnan(beyond_horizon(last_week, 1.0, horizon)).all()


def test_streamed_sums_agree_with_a_plain_loop_over_one_user_at_a_time() -> None:
    told = evaluate(fixed(3, 7), make_cohort, users=5, seed=2)
    for row in told.users:
        life = make_cohort(1, first_user=int(row["user"]), autoreset_mode="Disabled")
        life.reset(seed=EVALUATION_SEED + 2)
        value = minutes = decisions = 0.0
        while not life.over[0]:
            life.step(np.array([fixed(3, 7).layout]))
            out = life.outcomes[0]
            weight = life.world.gamma_day ** (out["clock"] / 24)
            value += weight * (out["revenue"] + life.world.day_value * out["satisfied_day"])
            minutes += out["minutes"]
            decisions += 1
        assert row["value"] == approx(value, rel=1e-12)
        assert row["undiscounted_minutes"] == approx(minutes, rel=1e-12)
        assert row["churned"] == life.users["gone"][0]


def test_fetches_are_placed_where_the_world_says_they_were() -> None:
    seen = np.zeros(10)

    class Watching(BasePolicy):
        def bind(self, cohort: Cohort) -> None:
            self.cohort = cohort

        def act(self, obs: Any, rng: np.random.Generator) -> Act:
            live = ~self.cohort.over
            np.add.at(seen, np.minimum(self.cohort.users["fetch"][live], 9), 1)
            return Act(np.zeros(len(obs), np.int64), np.ones(len(obs)))

    def by_fetch(num_envs: int, **keywords: Any) -> Cohort:
        return make_cohort(num_envs, decision="fetch", **keywords)

    told = evaluate(Watching(), by_fetch, users=6, seed=0)
    assert told.by_position[:, 0].tolist() == seen.tolist()
    assert told.by_tenure[:, 0].sum() == seen.sum() == told.steps
    assert told.by_action[0] == seen.sum() and not told.by_action[1:].any()


def test_equal_policies_give_exactly_equal_users() -> None:
    one = evaluate(fixed(2, 5), make_cohort, users=20, seed=1)
    two = evaluate(fixed(2, 5), make_cohort, users=20, seed=1)
    assert one.users.tobytes() == two.users.tobytes()
    other = evaluate(fixed(), make_cohort, users=20, seed=1)
    assert np.array_equal(one.users["user"], other.users["user"])
    assert not other.users["revenue"].any() and one.users["revenue"].any()
    elsewhere = evaluate(fixed(2, 5), make_cohort, users=20, seed=3)
    assert (one.users["value"] != elsewhere.users["value"]).mean() > 0.5


def test_batches_change_nothing() -> None:
    whole = evaluate(fixed(3), make_cohort, users=11, seed=0)
    pieces = evaluate(fixed(3), make_cohort, users=11, seed=0, batch=4)
    assert whole.users.tobytes() == pieces.users.tobytes()
    assert np.array_equal(whole.active, pieces.active)
    assert np.array_equal(whole.watched, pieces.watched)
    assert whole.by_tenure == approx(pieces.by_tenure)
    assert whole.steps == pieces.steps


def test_held_out_people_are_not_those_of_training() -> None:
    told = evaluate(fixed(), make_cohort, users=3, seed=0)
    trained_on = make_cohort(256)
    trained_on.reset(seed=0)
    assert told.users["user"].tolist() == [HELD_OUT, HELD_OUT + 1, HELD_OUT + 2]
    assert not set(told.users["user"]) & set(trained_on.users["user"])


def test_progress_rises_to_one_and_no_learning_happens() -> None:
    shares: list[float] = []

    class Frozen(BasePolicy):
        def act(self, obs: npt.NDArray[Any], rng: np.random.Generator) -> Act:
            return Act(rng.integers(0, 22, len(obs)), np.full(len(obs), 1 / 22))

        def update(self, batch: Any) -> None:
            raise AssertionError("an evaluation must not teach")

    evaluate(Frozen(), make_cohort, users=9, seed=0, batch=5, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == approx(1.0) and shares[0] < 0.5


def test_no_users_is_refused() -> None:
    with pytest.raises(ValueError, match="users=0"):
        evaluate(fixed(), make_cohort, users=0, seed=0)


# --- a reward of one's own --------------------------------------------------------------------


def test_parts_of_a_reward_worked_out_by_hand() -> None:
    # gamma 1/2 a day. User 0 is paid 4 and -1 on day 0, 6 and -2 on day 1 (half), and in a step
    # of user 1 alone, on day 2, user 0's row is blank. User 1 is paid 8 and 0 on day 2 (a quarter).
    tally = Tally(Told(2, gamma=0.5, day_value=2.0, horizon=10.0))  # type: ignore[arg-type]
    script = [((0.0, 48.0), (4.0, 0.0), (-1.0, 0.0)), ((24.0, 0.0), (6.0, 0.0), (-2.0, 0.0)),
              ((0.0, 48.0), (0.0, 8.0), (0.0, 0.0))]  # fmt: skip
    for who, (clock, joy, pain) in zip((0, 0, 1), script, strict=True):
        out = np.zeros(2, OUTCOME)
        out["fetches"][who] = out["ended"][who] = 1.0
        out["clock"] = clock
        parts = {"joy": np.array(joy), "pain": np.array(pain)}
        tally.add(out, np.zeros(2, np.int64), np.zeros(2, bool), parts)
    told = tally.result()
    assert told.reward_columns == ("reward", "reward:joy", "reward:pain")
    assert told.users["reward:joy"].tolist() == [4 + 6 / 2, 8 / 4]
    assert told.users["reward:pain"].tolist() == [-1 - 2 / 2, 0.0]
    assert told.users["reward"].tolist() == [5.0, 2.0]
    assert told.users["user"].tolist() == [HELD_OUT, HELD_OUT + 1]


@pytest.mark.parametrize(
    "reward", [1e308 * Minutes(), -1e308 * (Minutes() * Minutes()), 1e15 * Minutes()]
)
def test_a_reward_that_sums_to_no_number_is_refused(reward: Objective) -> None:
    with pytest.raises(
        NotFinite, match=r"sums to (-?inf|.*e\+1\d) for some people; weigh it by less"
    ):
        evaluate(fixed(3), make_cohort, users=11, seed=0, objective=reward)


WISH = 0.7 * Minutes() - 0.3 * Skips() + 2 * Returned1d()


def test_an_objective_changes_nothing_that_happens() -> None:
    plain = evaluate(fixed(3), make_cohort, users=11, seed=0)
    asked = evaluate(fixed(3), make_cohort, users=11, seed=0, objective=WISH)
    assert plain.users.dtype == METRIC and plain.reward_columns == ()
    for name in METRIC.names or ():
        assert np.array_equal(asked.users[name], plain.users[name])
    assert asked.users["reward:minutes"] == approx(0.7 * plain.users["minutes"])
    assert asked.users["reward:skips"] == approx(-0.3 * plain.users["skips"])
    parts = [asked.users[name] for name in asked.reward_columns[1:]]
    assert asked.users["reward"] == approx(np.sum(parts, axis=0))
    pieces = evaluate(fixed(3), make_cohort, users=11, seed=0, objective=WISH, batch=4)
    assert pieces.users.tobytes() == asked.users.tobytes()


def test_an_objective_may_look_at_states() -> None:
    # Along a life that ends, a potential's discounted sum is -phi(s_0) gamma^(t_0 / 24), whatever
    # was done; see rewards/shaping.py. State and clock of the start are looked up elsewhere.
    def long(num_envs: int, **keywords: Any) -> Cohort:
        return make_cohort(num_envs, **{**keywords, "horizon_days": 120.0})

    phi = 2 * State("active_rate") + State("tenure")
    told = evaluate(fixed(2, 3), long, users=40, seed=0, objective=Potential(phi)).users
    start = long(40, first_user=HELD_OUT, autoreset_mode="Disabled")
    obs, _ = start.reset(seed=EVALUATION_SEED)
    start.step(np.zeros(40, np.int64))
    first = start.world.gamma_day ** (start.outcomes["clock"] / 24.0)
    gone = told["churned"] == 1
    assert gone.sum() > 5
    wanted = -first * phi.on_states(obs)
    assert told["reward"][gone] == approx(wanted[gone], rel=1e-6)


class Everything(Objective):
    """Needs every part of a Step: minutes of the last fetch on items, by their topics' past."""

    label = "everything"  # type: ignore[assignment]
    needs = frozenset({"state", "next_state", "slots", "topics", "next_topics", "items"})

    def judge(self, step: Step) -> Values:
        slots, items = step.need("slots", self), step.need("items", self)
        shown = slots["shows"] >= 0
        age = np.where(shown, items["minutes"][np.maximum(slots["shows"], 0)], 0.0).sum(axis=-1)
        moved = step.need("next_topics", self).sum(-1) - step.need("topics", self).sum(-1)
        grown = step.need("next_state", self).sum(-1) - step.need("state", self).sum(-1)
        return np.asarray(age + moved + grown, np.float64)

    def to_dict(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("task", ["AdLoad", "Feed"])
def test_an_objective_may_need_every_part_of_a_step(task: str) -> None:
    asks: dict[str, Any] = {"task": task, "decision": "fetch", "horizon_days": 3.0}
    asks |= {"action": "slate"} if task == "Feed" else {}

    def here(num_envs: int, **keywords: Any) -> Cohort:
        return make_cohort(num_envs, **{**asks, **keywords})

    class First(BasePolicy):
        def act(self, obs: Any, rng: np.random.Generator) -> Act:
            n = len(obs["user"] if task == "Feed" else obs)
            action = np.tile(np.arange(10), (n, 1)) if task == "Feed" else np.full(n, 9)
            return Act(action, np.ones(n))

    objective = Everything()
    told = evaluate(First(), here, users=6, seed=0, objective=objective, batch=4).users
    cohort = here(6, first_user=HELD_OUT, autoreset_mode="Disabled")
    rng = np.random.default_rng(0)
    log = record(
        cohort, lambda o: First().act(o, rng).action, seed=EVALUATION_SEED, parts=objective.needs
    )
    weight = cohort.world.gamma_day ** (log.outcomes["clock"] / 24.0)
    users, sums = per_user(log, weight * objective(log))
    assert users.tolist() == told["user"].tolist()
    assert told["reward:everything"] == approx(sums, rel=1e-9) and (sums != 0).all()
