"""A/B tests: effects worked out by hand, intervals that cover, and agreement with SciPy."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

scipy_stats = pytest.importorskip("scipy.stats")

from longplay.agents.fixed import fixed  # noqa: E402
from longplay.envs.cohort import Cohort  # noqa: E402
from longplay.envs.spaces import USER_FEATURES  # noqa: E402
from longplay.envs.state import OUTCOME  # noqa: E402
from longplay.experiments.abtest import abtest  # noqa: E402
from longplay.experiments.abtest import abtest as compared  # noqa: E402
from longplay.experiments.evaluate import EVALUATION_SEED, HELD_OUT, evaluate  # noqa: E402
from longplay.rewards import (  # noqa: E402
    Minutes,
    Objective,
    Plays,
    Potential,
    PresentValue,
    Returned1d,
    Skips,
    State,
    Step,
    parse,
    record,
)

WISH = 2 * Minutes() - Skips()


def log(*rows, **more):
    """A log of rows (user, minutes, skips)."""
    out = np.zeros(len(rows), OUTCOME)
    out["fetches"] = 1.0
    for i, (user, minutes, skips) in enumerate(rows):
        out["user"][i], out["minutes"][i], out["skips"][i] = user, minutes, skips
    return Step(out, **more)


def minutes_of(users, minutes):
    """A log in which each user decided once."""
    out = np.zeros(len(users), OUTCOME)
    out["fetches"], out["user"], out["minutes"] = 1.0, users, minutes
    return Step(out)


def test_paired_by_hand():
    # Sums of minutes: users 1, 2, 3 have 3, 2, 5 under control and 4, 4, 8 under treatment.
    # d = 1, 2, 3: mean 2, variance 1, se = 1 / sqrt(3); t(2) at 97.5 % = 4.302653
    control = log((1, 1, 1), (2, 2, 0), (1, 2, 0), (3, 5, 2))
    treatment = log((3, 8, 2), (1, 4, 1), (2, 1, 0), (2, 3, 0))
    told = abtest(Minutes() - 0.5 * Skips(), control, treatment)
    assert told.paired and told.users == (3, 3)
    minutes = told.parts["minutes"]
    assert (minutes.control, minutes.treatment) == (approx(10 / 3), approx(16 / 3))
    assert minutes.effect == approx(2.0) and minutes.se == approx(1 / math.sqrt(3))
    assert minutes.low == approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)
    assert minutes.high == approx(2 + 4.302653 / math.sqrt(3), abs=1e-6)
    assert (minutes.df, minutes.sign) == (2, 0)
    assert minutes.relative == approx(0.6)
    # Skips are as they were, user by user: -0.5, 0, -1 in both; the total is that of minutes
    skips = told.parts["skips"]
    assert (skips.control, skips.effect, skips.low, skips.high) == (-0.5, 0.0, 0.0, 0.0)
    assert skips.p == 1.0 and math.isnan(skips.df)
    assert told.total.effect == approx(2.0) and told.total.se == approx(minutes.se)
    # (1.959964 + 0.841621)^2 * 1 / 2^2 = 1.96 pairs, and never fewer than 2; for 0.5: 31.4
    assert told.total.users_needed() == 2 and told.total.users_needed(0.5) == 32


def test_welch_by_hand():
    # x = 1, 3 (mean 2, variance 2) and y = 4, 6, 8 (mean 6, variance 4)
    # se^2 = 2/2 + 4/3 = 7/3; df = (7/3)^2 / (1^2 / 1 + (4/3)^2 / 2) = (49/9) / (17/9) = 49/17
    told = abtest(Minutes(), log((1, 1, 0), (2, 3, 0)), log((3, 4, 0), (4, 6, 0), (5, 8, 0)))
    assert not told.paired and told.users == (2, 3)
    assert list(told.parts) == ["minutes"]
    total = told.total
    assert (
        total.effect == 4.0 and total.se == approx(math.sqrt(7 / 3)) and total.df == approx(49 / 17)
    )
    assert total.users_needed() == math.ceil((1.959964 + 0.841621) ** 2 * 6 / 16)


def test_who_never_acted_counts_nothing():
    # People 1..4 took part. Under treatment 3 and 4 never acted: sums 1, 1, 0, 0.
    control, treatment = log(*((u, 1, 0) for u in (1, 2, 3, 4))), log((1, 1, 0), (2, 1, 0))
    told = abtest(Minutes(), control, treatment, users=[4, 3, 2, 1])
    assert told.paired and told.total.effect == -0.5
    # As groups of other people: the control of 8, of whom 4 never came, has mean 1/2
    told = abtest(Minutes(), control, log((9, 1, 0), (10, 1, 0)), users=(range(1, 9), [9, 10]))
    assert not told.paired and told.users == (8, 2) and told.total.control == 0.5
    blank = np.zeros(5, OUTCOME)  # rows of a finished life
    padded = Step(np.concatenate([treatment.outcomes.base, blank]))
    again = abtest(Minutes(), control, padded, users=[1, 2, 3, 4])
    assert again.total == abtest(Minutes(), control, treatment, users=[1, 2, 3, 4]).total


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_it_agrees_with_scipy(level):
    rng = np.random.default_rng(3)
    x, y = rng.gamma(2.0, 3.0, 40), rng.gamma(2.5, 3.0, 55)
    people = np.arange(100, 140)
    same = abtest(
        Minutes(), minutes_of(people, x), minutes_of(people[::-1], y[:40][::-1]), level=level
    )
    check(same.total, scipy_stats.ttest_rel(y[:40], x), level)
    other = abtest(Minutes(), minutes_of(people, x), minutes_of(np.arange(55), y), level=level)
    check(other.total, scipy_stats.ttest_ind(y, x, equal_var=False), level)
    # The same people, not taken in pairs
    loose = abtest(
        Minutes(), minutes_of(people, x), minutes_of(people, y[:40]), paired=False, level=level
    )
    check(loose.total, scipy_stats.ttest_ind(y[:40], x, equal_var=False), level)


def check(effect, scipys, level):
    ends = scipys.confidence_interval(level)
    assert (effect.low, effect.high) == (approx(ends.low, rel=1e-12), approx(ends.high, rel=1e-12))
    assert effect.p == approx(scipys.pvalue, rel=1e-9) and effect.df == approx(scipys.df)


@pytest.mark.parametrize("paired", [True, False])
def test_intervals_cover(paired):
    # Each person has a taste (gamma: skewed); the treatment adds 0.3 minutes on average.
    rng, hits, runs = np.random.default_rng(11), 0, 1000
    people = np.arange(80)
    for _ in range(runs):
        taste, luck = rng.gamma(4.0, 0.5, (2, 80)), rng.normal(0.3, 0.6, 80)
        treated = (taste[0] if paired else taste[1]) + luck
        told = abtest(
            Minutes(), minutes_of(people, taste[0]), minutes_of(people + 80 * (not paired), treated)
        )
        assert told.paired == paired
        hits += told.total.low <= 0.3 <= told.total.high
    assert 0.92 <= hits / runs <= 0.98


def test_power_is_what_it_says():
    # As many pairs as are needed for an effect of 0.5 find it in about 80 of 100 tests.
    rng = np.random.default_rng(5)
    people = np.arange(400)
    zero = np.zeros(400)
    pilot = abtest(
        Minutes(), minutes_of(people, zero), minutes_of(people, rng.normal(0.5, 1.0, 400))
    )
    n = int(pilot.total.users_needed(0.5))
    assert n == approx(((1.959964 + 0.841621) / 0.5) ** 2, rel=0.25)  # sd 1, estimated
    found = 0
    for _ in range(1000):
        y = rng.normal(0.5, pilot.total.spread, n)
        told = abtest(Minutes(), minutes_of(people[:n], zero[:n]), minutes_of(people[:n], y))
        found += told.total.sign == 1
    assert 0.74 <= found / 1000 <= 0.86


row = st.tuples(st.integers(0, 5), st.floats(0, 90), st.integers(0, 9))
rows = st.lists(row, max_size=12)


@given(rows, rows, st.randoms(use_true_random=False))
def test_parts_sum_to_the_total_and_order_does_not_matter(some, others, random):
    control, treatment = log(*some), log(*others)
    told = abtest(WISH, control, treatment, users=range(6))
    parts = told.parts.values()
    for field in ("control", "treatment", "effect"):
        assert sum(getattr(p, field) for p in parts) == approx(getattr(told.total, field), abs=1e-9)
    assert told.total.low <= told.total.effect <= told.total.high
    mixed = random.sample(some, len(some))
    again = abtest(WISH, log(*mixed), treatment, users=range(5, -1, -1))
    assert again.total.effect == approx(told.total.effect, abs=1e-9)
    # Swapped, everything changes its sign; asked for twice as much, its size
    swapped = abtest(WISH, treatment, control, users=range(6)).total
    assert (swapped.effect, swapped.low) == (approx(-told.total.effect), approx(-told.total.high))
    double = abtest(2 * WISH, control, treatment, users=range(6)).total
    assert (double.low, double.p) == (approx(2 * told.total.low), approx(told.total.p))


# --- with simulated people --------------------------------------------------------------------


def people(**changes):
    settings = {"scenario": "bench", "decision": "session", "horizon_days": 8.0, "threads": 1}
    return Cohort("AdLoad", 60, **{**settings, "autoreset_mode": "Disabled", **changes})


def acting(policy):
    rng = np.random.default_rng(0)
    return lambda obs: policy.act(obs, rng).action


def lives(policy, objective, seed=7, **changes):
    return record(people(**changes), acting(policy), seed=seed, parts=objective.needs)


LONG = parse("0.7 * minutes - 0.3 * skips + 2 * returned_1d + potential(state.active_rate)")


def test_the_same_policy_has_no_effect_and_the_same_luck_sharpens():
    control = lives(fixed(), LONG)
    gamma = people().world.gamma_day

    def abtest(*logs, **more):
        return compared(*logs, gamma_day=gamma, **more)

    nothing = abtest(LONG, control, lives(fixed(), LONG))
    assert nothing.paired and nothing.total.effect == nothing.total.se == 0.0
    heavy = lives(fixed(2, 3), LONG)
    told = abtest(LONG, control, heavy)
    assert told.total.sign == -1  # ads drive people away
    loose = abtest(LONG, control, heavy, paired=False)
    assert loose.total.effect == approx(told.total.effect) and loose.total.se > told.total.se
    others = lives(fixed(2, 3), LONG, first_user=1000)
    assert not abtest(LONG, control, others).paired


def test_one_objective_scores_a_test_as_compare_does():
    # Discounted by the world's gamma it is the difference of what evaluate tells, part by part.
    def make_cohort(num_envs, **keywords):
        return Cohort("AdLoad", num_envs, scenario="bench", decision="session", horizon_days=8.0,
                      threads=1, **keywords)  # fmt: skip

    policies = fixed(), fixed(3, 7)
    control, treatment = (
        lives(p, LONG, seed=EVALUATION_SEED, first_user=HELD_OUT) for p in policies
    )
    gamma = people().world.gamma_day
    told = abtest(LONG, control, treatment, gamma_day=gamma)
    x, y = (evaluate(p, make_cohort, users=60, seed=0, objective=LONG).users for p in policies)
    assert list(told.parts) == [n.removeprefix("reward:") for n in x.dtype.names if ":" in n]
    for label, part in told.parts.items():
        change = y[f"reward:{label}"] - x[f"reward:{label}"]
        assert part.effect == approx(change.mean(), rel=1e-9, abs=1e-12)
        assert part.se == approx(change.std(ddof=1) / math.sqrt(60), rel=1e-9)
    assert told.total.effect == approx((y["reward"] - x["reward"]).mean(), rel=1e-9)


def test_a_potential_is_told_as_the_world_discounts_or_not_at_all():
    # By hand, gamma 1/2, phi .25 at the start. Control: one day, the end, phi 0: -.25. Treatment:
    # phi .75 on the next day, .75 / 2 - .25 = .125, then the end, -.75: discounted .125 - .375.
    # Discounted both are -phi(s_0); plainly summed, the longer life is worth -.625.
    def life(rows):
        out = np.zeros(2 * len(rows), OUTCOME)
        state, after = np.zeros((2, 2 * len(rows), len(USER_FEATURES)), np.float32)
        out["fetches"], out["user"] = 1.0, np.repeat([1, 2], len(rows))
        column = USER_FEATURES.index("active_rate")
        for i, (clock, phi, discount, then) in enumerate(rows * 2):
            out["clock"][i], out["discount"][i] = clock, discount
            state[i, column], after[i, column] = phi, then
        return Step(out, state, after)

    shaped = parse("potential(state.active_rate)")
    logs = life([(0, 0.25, 0, 0)]), life([(0, 0.25, 0.5, 0.75), (24, 0.75, 0, 0)])
    for wish in (shaped, Minutes() + shaped, shaped.named("shaped") + Minutes(), shaped * Plays()):
        with pytest.raises(
            ValueError, match=r"potential\(.* give gamma_day=cohort.world.gamma_day"
        ):
            abtest(wish, *logs)
    given = abtest(shaped, *logs, gamma_day=0.5).total
    assert (given.control, given.treatment, given.effect) == (-0.25, -0.25, 0.0)
    built = shaped * PresentValue(gamma_day=0.5)
    assert abtest(built, *logs).total.effect == 0.0
    assert abtest(built.named("shaped") + Minutes(), *logs).parts["shaped"].effect == 0.0
    assert abtest(shaped, *logs, gamma_day=1).total.effect == -0.375  # who says so gets it


@pytest.mark.parametrize("paired", [True, False])
def test_numbers_of_any_size_are_told_alike(paired):
    control, treatment = log((1, 1, 1), (2, 2, 0), (3, 5, 2)), log((1, 4, 1), (2, 4, 0), (3, 9, 2))
    told = abtest(Minutes(), control, treatment, paired=paired).total
    for power in (-600, -3, 600):  # 2^600 is 4e180
        scaled = abtest(2.0**power * Minutes(), control, treatment, paired=paired).total
        assert (scaled.p, scaled.df) == (told.p, told.df)
        for field in ("control", "treatment", "effect", "low", "high", "se", "spread"):
            assert getattr(scaled, field) == 2.0**power * getattr(told, field)
        assert scaled.users_needed() == told.users_needed()


def test_it_prints_a_table():
    control, treatment = log((1, 1, 1), (2, 2, 0), (3, 5, 2)), log((1, 4, 1), (2, 4, 0), (3, 8, 2))
    lines = str(abtest(WISH, control, treatment)).splitlines()
    assert lines[0].split() == [
        "part",
        "control",
        "treatment",
        "effect",
        "95",
        "%",
        "interval",
        "p",
    ]
    assert [line.split()[0] for line in lines[1:4]] == ["minutes", "skips", "total"]
    assert lines[1].split()[1:4] == ["5.333", "10.67", "+5.333"]
    assert lines[4].startswith("2.0 * minutes - 1.0 * skips, per user; 3 people in both logs,")
    assert "about" in lines[4] and lines[4].endswith("pairs.")
    assert len(str(abtest(Minutes(), control, treatment)).splitlines()) == 3


# --- what is refused --------------------------------------------------------------------------

GOOD = log((1, 1, 0), (2, 2, 0), (3, 3, 0))
REFUSED = [
    ({"objective": "minutes"}, TypeError, "'minutes' is no objective; give signals"),
    ({"control": GOOD.outcomes}, TypeError, "control is a ndarray; give a log"),
    ({"treatment": None}, TypeError, "treatment is a NoneType; give a log"),
    ({"treatment": Step(np.zeros((2, 2), OUTCOME))}, ValueError, r"shape \(2, 2\); give one row"),
    ({"objective": State("tenure")}, ValueError, "state.tenure needs state"),
    ({"objective": Potential(State("tenure")), "gamma_day": 0.9}, ValueError, "needs state"),
    ({"objective": Minutes() + Skips().named("total")}, ValueError, "'total', as their sum is"),
    ({"objective": 1e300 * Minutes()}, ValueError, r"in control exceed 1e\+300; weigh it by less"),
    ({"treatment": log((1, 1, 0))}, ValueError, "treatment has 1 people; .* at least 2"),
    ({"treatment": log()}, ValueError, "treatment has 0 people"),
    ({"treatment": log((2, 1, 0), (9, 1, 0))}, ValueError, r"share 1 of 3 and 2 people: neither"),
    ({"treatment": log((8, 1, 0), (9, 1, 0)), "paired": True}, ValueError, "share 0 of 3 and 2"),
    ({"users": [1, 2]}, ValueError, "user 3 acts in control and is not among its users"),
    ({"users": ([1, 2, 3], [1, 2])}, ValueError, "user 3 acts in treatment"),
    ({"users": [1, 2, 3, 3]}, ValueError, "users names 3 twice"),
    ({"users": [1.5, 2, 3]}, ValueError, "users came as float64"),
    ({"users": 3}, ValueError, r"of shape \(\)"),
    ({"users": [[1, 2], [1]]}, ValueError, "several lengths; give the whole numbers"),
    ({"users": ([1, 2, 3], [[1, 2], [1]])}, ValueError, "several lengths; give the whole numbers"),
    ({"gamma_day": 0.0}, ValueError, "gamma_day=0.0; a discount"),
    ({"gamma_day": 1.5}, ValueError, "gamma_day=1.5"),
    ({"gamma_day": "0.9"}, TypeError, "gamma_day='0.9'; wanted a number"),
    ({"level": 95}, ValueError, "level=95; wanted a chance"),
    ({"level": None}, TypeError, "level=None; wanted a number"),
    ({"paired": "no"}, TypeError, "paired='no'; wanted True, False or None"),
    ({"treatment": log((1, math.inf, 0), (2, 1, 0), (3, 1, 0))}, ValueError,
     "minutes of treatment is not finite"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "error", "words"), REFUSED)
def test_what_cannot_be_compared_is_refused(changes, error, words):
    given = {"objective": Minutes(), "control": GOOD, "treatment": GOOD} | changes
    with pytest.raises(error, match=words):
        abtest(given.pop("objective"), given.pop("control"), given.pop("treatment"), **given)


def test_power_is_asked_for_rightly():
    effect = abtest(Minutes(), GOOD, log((1, 1, 0), (2, 5, 0), (3, 4, 0))).total
    with pytest.raises(ValueError, match=r"power=80; wanted a chance between 0 and 1"):
        effect.users_needed(power=80)
    with pytest.raises(ValueError, match="effect=nan"):
        effect.users_needed(math.nan)
    assert effect.users_needed(0.0) == math.inf
    assert effect.users_needed(1e-300) == math.inf
    with pytest.raises(TypeError, match="power='much'"):
        effect.users_needed(power="much")
    sure = dataclasses.replace(effect, spread=0.0)
    assert sure.users_needed() == 2
    # Of nothing there is nothing to find, however little people vary
    assert dataclasses.replace(sure, effect=0.0).users_needed() == math.inf
    assert "takes about" not in str(abtest(Minutes(), GOOD, GOOD))


def test_an_objective_of_ones_own_is_scored_alike():
    class Half(Objective):
        label = "half"  # type: ignore[assignment]

        def evaluate(self, outcomes):
            return 0.5 * outcomes["minutes"]

        def to_dict(self):
            return {}

    told = abtest(Half(), GOOD, log((1, 3, 0), (2, 4, 0), (3, 5, 0)))
    assert told.parts["half"].effect == 1.0


def test_products_and_names_are_single_parts():
    wish = (Minutes() - Skips()).named("joy") + 2 * Plays() * Returned1d()
    told = abtest(wish, GOOD, GOOD)
    assert list(told.parts) == ["joy", "plays * returned_1d"]
