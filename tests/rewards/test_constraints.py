"""Floors: the controller by hand, its properties, a plant with a closed form, and the wrapper."""

import json
import math

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.cohort import Cohort
from longplay.envs.state import OUTCOME
from longplay.rewards import ActiveDay, Minutes, Returned1d, Revenue, rewarded
from longplay.rewards.constraints import PID, Constraint, Floor, Gains, constrained

FLOOR = Floor(Returned1d(), 0.9, scale=0.03, window=60, every=20)
NEVER = Floor(Returned1d(), 0.9, scale=0.03, window=10**9)  # lambda stays as it is


def cohort(n=8, **changes):
    settings = {"scenario": "bench", "decision": "session", "horizon_days": 3.0, "threads": 1}
    return Cohort("AdLoad", n, **(settings | changes))


# The controller.


def test_the_controller_by_hand():
    gains = Gains(proportional=2.0, integral=0.5, derivative=4.0)
    told = []
    pid = PID()
    for missing in (0.1, 0.2, -0.4, 0.1):
        pid = pid.step(missing, gains)
        told.append((pid.value, pid.integral))
    # 2 * 0.1 + 0.5 * 0.1                         = 0.25   I = 0.1; no rise is known yet
    # 2 * 0.2 + 0.5 * 0.3 + 4 * (0.2 - 0.1)       = 0.95   I = 0.3
    # 2 * -0.4 + 0.5 * 0 + 4 * [-0.6]_+ = -0.8 -> 0        I = [0.3 - 0.4]_+ = 0
    # 2 * 0.1 + 0.5 * 0.1 + 4 * (0.1 + 0.4)       = 2.25   I = 0.1
    assert told == [pytest.approx(pair) for pair in [(0.25, 0.1), (0.95, 0.3), (0, 0), (2.25, 0.1)]]


MISSING = st.floats(-2.0, 2.0)
GAIN = st.floats(0.0, 20.0)
GAINS = st.builds(
    Gains, proportional=GAIN, integral=st.floats(0.01, 20.0), derivative=GAIN,
    highest=st.floats(0.1, 50.0),
)  # fmt: skip


@given(GAINS, st.lists(MISSING, max_size=30), MISSING, st.floats(0.0, 2.0))
def test_lambda_is_in_range_and_never_falls_when_more_is_missing(gains, past, missing, more):
    pid = PID()
    for seen in past:
        pid = pid.step(seen, gains)
    less, greater = pid.step(missing, gains), pid.step(missing + more, gains)
    assert 0.0 <= less.value <= greater.value <= gains.highest
    assert 0.0 <= less.integral <= greater.integral


@given(GAINS, st.lists(MISSING, max_size=30), st.integers(1, 200), st.floats(0.01, 1.0))
def test_nothing_winds_up(gains, past, steps, size):
    pid = PID()
    for seen in past:
        pid = pid.step(seen, gains)
    easy = hard = pid
    for _ in range(steps):
        easy, hard = easy.step(-size, gains), hard.step(size, gains)
    # however long a floor was exceeded, falling below it is answered at once ...
    if steps * size >= pid.integral:
        assert easy.integral == 0.0
        wanted = min(gains.highest, gains.integral * size)
        assert easy.step(size, gains).value >= wanted * (1.0 - 1e-12)
    # ... and however long it was out of reach, lambda falls as soon as it is exceeded
    assert hard.integral * gains.integral <= gains.highest * (1.0 + 1e-12)
    after = hard.step(-size, gains).value
    assert after == 0.0 or after <= gains.highest - gains.integral * size + 1e-9


@given(st.floats(0.05, 0.95), st.floats(0.1, 5.0), st.floats(0.1, 0.9), st.floats(0.2, 2.0))
def test_a_linear_plant_goes_to_the_floor_as_the_closed_form_says(level, slope, floor, rate):
    # J = level + slope * lambda and the integral alone: lambda_t = lambda* (1 - (1 - Ki slope)^t)
    gains = Gains(proportional=0.0, integral=rate / slope, highest=1e9)
    wanted = max(floor - level, 0.0) / slope
    pid, overshoots = PID(), rate > 1.0  # then lambda may meet 0 on its way
    for t in range(1, 100):
        pid = pid.step(floor - (level + slope * pid.value), gains)
        if not overshoots:
            assert pid.value == pytest.approx(wanted * (1.0 - (1.0 - rate) ** t), abs=1e-9)
    if rate < 1.8:
        assert level + slope * pid.value == pytest.approx(max(floor, level), abs=1e-3)


def test_a_floor_out_of_reach_ends_at_the_highest_lambda_and_comes_back():
    gains = Gains(proportional=0.0, integral=1.0, highest=5.0)
    pid = PID()
    for _ in range(1000):
        pid = pid.step(0.1, gains)
    assert pid.value == pytest.approx(5.0)
    assert pid.step(-0.5, gains).value == pytest.approx(4.5)


# What is measured.


def rows(**columns):
    """OUTCOME rows in which somebody acted."""
    out = np.zeros(len(next(iter(columns.values()))), OUTCOME)
    out["fetches"] = 1.0
    for name, values in columns.items():
        out[name] = values
    return out


def test_the_rate_per_session_by_hand():
    constraint = Constraint(Floor(Minutes(), 5.0, window=3, every=1, gains=Gains(1.0, 0.5)))
    assert math.isnan(constraint.achieved)
    constraint.observe(rows(ended=[1, 0], minutes=[4.0, 3.0]))
    assert constraint.achieved == 7.0  # one session ended, 7 minutes were played
    assert constraint.multiplier == 0.0  # the window of three is not full
    constraint.observe(rows(ended=[1, 1], minutes=[1.0, 1.0]))
    assert constraint.achieved == 3.0  # 9 minutes in three sessions
    assert constraint.multiplier == pytest.approx(1.0 * 2.0 + 0.5 * 2.0)
    constraint.observe(rows(ended=[1, 0], minutes=[6.0, 0.0]))
    assert constraint.achieved == pytest.approx(8.0 / 3.0)  # the first step has left the window


def test_the_rate_per_day_by_hand():
    constraint = Constraint(Floor(ActiveDay(), 0.3, per="day"), horizon_days=10.0)
    constraint.observe(
        rows(
            ended=[1, 1, 1],
            active_day=[1, 1, 0],
            clock=[0.0, 48.0, 216.0],
            gap=[36.0, np.inf, 100.0],  # back after 1.5 days; gone with 8 left; 1 day left
        )
    )
    assert constraint.achieved == pytest.approx(2.0 / (1.5 + 8.0 + 1.0))
    blank = rows(clock=[0.0], gap=[24.0])
    blank["fetches"] = 0.0
    constraint.observe(blank)
    assert constraint.achieved == pytest.approx(2.0 / 10.5)


def test_a_life_counts_all_days_from_its_first_visit_to_the_horizon():
    people = cohort(200, autoreset_mode="Disabled", horizon_days=20.0)
    constraint = Constraint(Floor(ActiveDay(), 0.3, per="day", window=10**6), 20.0)
    people.reset(seed=1)
    first, active = np.full(200, np.nan), 0.0
    while not people.over.all():
        people.step(np.full(200, 9))
        out = people.outcomes
        lived = out["fetches"] > 0
        first = np.where(np.isnan(first) & lived, out["clock"], first)
        active += out["active_day"][lived].sum()
        constraint.observe(out)
    days = np.maximum(20.0 - first / 24.0, 0.0).sum()
    assert constraint.achieved == pytest.approx(active / days)


def test_the_window_rolls_as_counted_anew():
    env = constrained(cohort(), Revenue(), FLOOR)
    env.reset(seed=2)
    seen, updates = [], []
    for _ in range(60):
        _, _, _, _, info = env.step(np.full(8, 9))
        out = env.unwrapped.outcomes
        seen.append((((out["ended"] > 0) & (out["away"] <= 24.0)).sum(), out["ended"].sum()))
        kept = 0  # the fewest last steps that hold 60 sessions
        while kept < len(seen) and sum(count for _, count in seen[len(seen) - kept :]) < 60:
            kept += 1
        last = seen[len(seen) - kept :]
        wanted = sum(back for back, _ in last) / sum(count for _, count in last)
        assert info["constraint"]["achieved"] == pytest.approx(wanted)
        updates.append(info["constraint"]["lambda"])
    changes = np.flatnonzero(np.diff(updates))
    # 8 sessions a step: the window is full in the 8th; 20 more have ended after every 3 steps
    assert changes[0] == 7
    assert len(changes) > 5
    assert set(np.diff(changes)) <= {3, 6, 9}


# What is paid.


def test_the_reward_by_hand():
    # (0.06 + 2 * 0.03 * 1) / (1 + 2) = 0.04 for who is back, 0.02 for who is not
    env = constrained(cohort(2), Revenue(), NEVER)
    env.constraint.pid = PID(value=2.0)
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.full(2, 9))
    out = env.unwrapped.outcomes
    back = (out["away"] <= 24.0).astype(float)
    assert reward == pytest.approx((out["revenue"] + 0.06 * back) / 3.0)
    assert list(info["reward_parts"]) == ["revenue", "floor(returned_1d)"]
    assert info["reward_parts"]["floor(returned_1d)"] == pytest.approx(0.02 * back)
    assert info["constraint"] == {"lambda": 2.0, "achieved": back.mean(), "floor": 0.9}


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_parts_sum_to_the_reward_and_blank_rows_pay_nothing(mode):
    brief = Floor(Returned1d(), 0.95, scale=0.03, window=20, every=5)
    env = constrained(cohort(autoreset_mode=mode), Revenue() + 0.01 * Minutes(), brief)
    env.reset(seed=1)
    rng, moved = np.random.default_rng(0), set()
    for _ in range(80):
        _, reward, _, _, info = env.step(rng.integers(0, 22, 8))
        assert np.array_equal(sum(info["reward_parts"].values()), reward)
        assert np.all(reward[env.unwrapped.outcomes["fetches"] == 0] == 0.0)
        moved.add(info["constraint"]["lambda"])
    assert len(moved) > 3


def test_at_lambda_0_it_is_the_objective_number_for_number():
    ours, theirs = constrained(cohort(), Revenue(), NEVER), rewarded(cohort(), Revenue())
    ours.reset(seed=1)
    theirs.reset(seed=1)
    for _ in range(40):
        assert np.array_equal(ours.step(np.full(8, 9))[1], theirs.step(np.full(8, 9))[1])


def test_one_user_is_paid_as_in_a_cohort():
    many = constrained(cohort(), Revenue(), NEVER)
    alone = [constrained(cohort(1, first_user=i), Revenue(), NEVER) for i in range(8)]
    for env in (many, *alone):
        env.constraint.pid = PID(value=0.7)
        env.reset(seed=3)
    for _ in range(12):
        each = [env.step(np.full(1, 9))[1][0] for env in alone]
        assert np.array_equal(many.step(np.full(8, 9))[1], each)


@given(st.floats(0.0, 100.0), st.floats(1e-3, 10.0))
def test_rewards_keep_their_size_whatever_lambda_is(multiplier, scale):
    env = constrained(PAID, Revenue(), Floor(Returned1d(), 0.9, scale=scale, window=10**9))
    env.constraint.pid = PID(value=multiplier)
    env.reset(seed=5)
    _, reward, _, _, _ = env.step(np.full(8, 9))
    out = env.unwrapped.outcomes
    both = np.stack([out["revenue"], scale * (out["away"] <= 24.0)])
    assert np.all(reward >= both.min(axis=0) - 1e-12)
    assert np.all(reward <= both.max(axis=0) + 1e-12)


PAID = cohort()


# State.


def test_what_was_saved_goes_on_as_if_there_had_been_no_break():
    env = constrained(cohort(), Revenue(), FLOOR)
    env.reset(seed=1)
    for _ in range(30):
        env.step(np.full(8, 9))
    saved = json.loads(json.dumps(env.constraint.state(), allow_nan=False))
    other = Constraint(FLOOR)
    other.restore(saved)
    for _ in range(30):
        env.step(np.full(8, 9))
        other.observe(env.unwrapped.outcomes)
        assert other.info() == env.constraint.info()
    assert env.constraint.multiplier > 0.0
    assert other.state() == env.constraint.state()


def test_a_reset_forgets_the_window_and_keeps_the_multiplier():
    env = constrained(cohort(), Revenue(), FLOOR)
    env.reset(seed=1)
    for _ in range(30):
        env.step(np.full(8, 9))
    before = env.constraint.multiplier
    env.reset()
    assert env.constraint.multiplier == before > 0.0
    assert math.isnan(env.constraint.achieved)


def test_a_new_constraint_can_be_saved_and_other_states_are_refused():
    constraint = Constraint(FLOOR)
    state = constraint.state()
    constraint.restore(json.loads(json.dumps(state, allow_nan=False)))
    with pytest.raises(ValueError, match="restore it into the same floor"):
        Constraint(Floor(Returned1d(), 0.8)).restore(state)
    damaged = [{}, state | {"lambda": "x"}, state | {"rows": [1]}, state | {"missing": math.inf}]
    for bad in damaged:
        with pytest.raises(ValueError, match=r"give what state\(\) gave"):
            constraint.restore(bad)
    for bad in (state | {"lambda": -1.0}, state | {"rows": [[math.nan, 1.0]]}):
        with pytest.raises(ValueError, match="below 0 or not finite"):
            constraint.restore(bad)
    assert constraint.state() == state  # a refused state changes nothing


# Mistakes.


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"at_least": 1.2}, r"outside the range of returned_1d per session, 0\.\.1"),
        ({"at_least": -0.1}, "outside the range"),
        ({"at_least": math.nan}, "at_least is nan; wanted a finite number"),
        ({"at_least": 0.9, "per": "week"}, "wanted 'session' or 'day'"),
        ({"at_least": 0.9, "window": 0}, "window=0 of the floor; wanted a whole number"),
        ({"at_least": 0.9, "every": 2.5}, r"every=2\.5 of the floor; wanted a whole number"),
        ({"at_least": 0.9, "scale": 0.0}, r"scale=0\.0 of the floor; wanted a number above 0"),
        ({"at_least": 0.9, "scale": math.inf}, "finite"),
    ],
)
def test_bad_floors_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Floor(Returned1d(), **settings)


@pytest.mark.parametrize("name", ["proportional", "integral", "derivative", "highest"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_bad_gains_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}.* of Gains.*wanted|{name}=-1.0 of Gains"):
        Gains(**{name: value})


def test_other_kinds_are_refused():
    for value in ("0.9", True):
        with pytest.raises(TypeError, match="at_least is .*; wanted a number"):
            Floor(Returned1d(), value)
    with pytest.raises(TypeError, match="a floor needs one"):
        Floor(Revenue() + Minutes(), 0.9)
    with pytest.raises(TypeError, match=r"give Gains\("):
        Floor(Returned1d(), 0.9, gains=1.0)
    with pytest.raises(ValueError, match="lambda would never move"):
        Gains(0.0, 0.0, 0.0)
    with pytest.raises(TypeError, match=r"e\.g\. Floor\(Returned1d\(\), 0\.9\)"):
        constrained(cohort(), Revenue(), 0.9)
    with pytest.raises(TypeError, match="no objective"):
        constrained(cohort(), "revenue", FLOOR)
    with pytest.raises(TypeError, match="a rate needs many users"):
        constrained(object(), Revenue(), FLOOR)
    with pytest.raises(ValueError, match="needs horizon_days"):
        Constraint(Floor(ActiveDay(), 0.3, per="day"))
