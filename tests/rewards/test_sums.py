"""Products and names: algebra by hand, and the same object after printing and JSON."""

import json
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.cohort import Cohort
from longplay.envs.state import OUTCOME
from longplay.rewards import (
    Likes,
    Minutes,
    Named,
    Objective,
    Plays,
    Potential,
    Product,
    Returned,
    Skips,
    State,
    Step,
    Survival,
    WeightedSum,
    joined,
    parse,
    per_user,
    record,
    rewarded,
)

LEAF = st.sampled_from([Minutes(), Skips(), Likes(), Returned(days=3.0), State("tenure")])
WEIGHT = st.floats(-9, 9).map(lambda w: round(w, 3))
TREES = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda t: t[0] + t[1]),
        st.tuples(inner, inner).map(lambda t: t[0] * t[1]),
        st.tuples(WEIGHT, inner).map(lambda t: t[0] * t[1]),
        inner.map(lambda o: o.named(f"n{crc32(str(o).encode())}")),
    ),
    max_leaves=6,
)


def batch(n=12, seed=0):
    rng = np.random.default_rng(seed)
    out = np.zeros(n, OUTCOME)
    for name in out.dtype.names:
        out[name] = rng.integers(0, 9, n)
    out["fetches"][::5] = 0
    return Step(out, rng.random((n, 30)), rng.random((n, 30)))


def test_by_hand():
    out = np.zeros(2, OUTCOME)
    out["minutes"], out["skips"], out["likes"], out["fetches"] = [10, 4], [2, 5], [3, 0], 1
    # (0.5 * 10 - 2) * 3 = 9;  nothing liked is worth nothing
    assert ((0.5 * Minutes() - Skips()) * Likes())(out).tolist() == [9.0, 0.0]
    parts = ((0.5 * Minutes() - Skips()) * Likes()).parts(out)
    assert {k: v.tolist() for k, v in parts.items()} == {
        "minutes * likes": [15.0, 0.0],
        "skips * likes": [-6.0, 0.0],
    }
    pleasure = (0.5 * Minutes() - Skips()).named("pleasure")
    assert {k: v.tolist() for k, v in (2 * pleasure).parts(out).items()} == {"pleasure": [6, -6]}


def test_formulas():
    joy = (Minutes() - 2 * Skips()).named("joy")
    assert str(joy) == "(joy := 1.0 * minutes - 2.0 * skips)"
    assert str(3 * joy * Survival()) == ("3.0 * (joy := 1.0 * minutes - 2.0 * skips) * survival")
    assert repr(joy * Likes()) == ("1.0 * (1.0 * Minutes() - 2.0 * Skips()).named('joy') * Likes()")
    assert parse("(joy := minutes - 2 * skips)") == joy
    assert parse("state.tenure * minutes") == State("tenure") * Minutes()
    assert parse("potential(2 * state.tenure)") == Potential(2 * State("tenure"))
    assert parse("returned(days=3.0) * 2") == 2 * Returned(days=3.0)


@given(TREES)
def test_any_composition_prints_saves_and_judges_row_by_row(objective):
    assert parse(str(objective)) == objective
    assert Objective.from_dict(json.loads(json.dumps(objective.to_dict()))) == objective
    step = batch()
    values = objective(step)
    assert values.tolist() == [objective(step[i : i + 1])[0] for i in range(len(step))]
    assert np.all(values[::5] == 0.0)
    assert sum(objective.parts(step).values()) == pytest.approx(values)


@given(TREES, TREES, TREES)
def test_multiplication_distributes_and_commutes(a, b, c):
    step = batch()
    both, apart, turned = (a + b) * c, a * c + b * c, c * (a + b)
    size = 1e-9 * (1 + np.abs(a(step)).max() + np.abs(b(step)).max()) * (1 + np.abs(c(step)).max())
    assert both(step) == pytest.approx(((a(step) + b(step)) * c(step)), abs=size)
    assert both == turned
    assert apart(step) == pytest.approx(both(step), abs=size)


def test_equal_products_are_one_part():
    assert Minutes() * Likes() == Likes() * Minutes()
    assert Minutes() * Likes() + Likes() * Minutes() == 2 * (Minutes() * Likes())
    assert Minutes() * Minutes() != Minutes() * Likes()
    assert hash(Minutes() * Likes()) == hash(Likes() * Minutes())


def test_a_fitted_objective_is_named_in_a_formula():
    index = (Minutes() - Plays()).named("index")
    assert parse("2 * minutes + 3 * index", index=index) == 2 * Minutes() + 3 * index


def test_what_is_handed_in_hides_neither_settings_nor_words_of_the_language():
    mine = (Minutes() - Plays()).named("mine")
    assert parse("minutes + gap", gap=mine) == Minutes() + mine
    with pytest.raises(ValueError, match="gap was handed in and takes no settings"):
        parse("gap(cap_days=3)", gap=mine)
    for name in ("state", "potential"):
        with pytest.raises(ValueError, match=f"{name} has a meaning of its own in formulas"):
            parse("state.tenure * minutes", **{name: mine})


def test_needs_and_window_are_those_of_the_parts():
    wish = (Minutes() * Returned(days=30)).named("loyal") + State("tenure") * Likes()
    assert wish.needs == {"state"}
    assert wish.window_days == 30
    assert Minutes().needs == frozenset()
    assert (Minutes() + Likes()).window_days == 0.0


@pytest.mark.parametrize("name", ["", "two words", "1st", None, "a-b", "if"])
def test_names_are_words(name):
    with pytest.raises(ValueError, match="wanted one word"):
        Minutes().named(name)


def test_names_are_kept_as_python_reads_them():
    wish = Minutes().named("\ufb01nd")  # the ligature fi, which a parser takes for two letters
    assert wish.name == "find"
    assert parse(str(wish)) == wish
    with pytest.raises(TypeError, match="is no objective; give signals"):
        Named("joy", 3)


def test_damaged_combinations_are_refused():
    with pytest.raises(ValueError, match="two factors"):
        Product([Minutes()])
    with pytest.raises(ValueError, match=r"a factor is the sum .*; write products with \*"):
        Product((Minutes() + Skips(), Likes()))
    with pytest.raises(ValueError, match="a factor is the sum"):
        Product((Minutes(), Potential(2 * State("tenure")), 2 * Likes()))
    for factors in ((1, 2), (Minutes(), "likes")):
        with pytest.raises(TypeError, match="is no objective; give signals"):
            Product(factors)
    with pytest.raises(ValueError, match="two different terms are called 'skips'"):
        Minutes().named("skips") + Skips()
    many = WeightedSum((1.0, Returned(days=float(k))) for k in range(1, 60))
    with pytest.raises(ValueError, match="are more than 1000; name one"):
        many * many
    assert len((many.named("many") * many).terms()) == 59
    for data in ({"kind": "product", "factors": []}, {"kind": "named", "name": "x"}):
        with pytest.raises(ValueError):
            Objective.from_dict(data)
    for text in ("(x := 3)", "(3 := minutes)", "potential(minutes)", "minutes / skips"):
        with pytest.raises(ValueError):
            parse(text)
    assert isinstance(Minutes().named("x"), Named)


def test_a_log_is_labelled_as_the_env_was_paid():
    wish = (0.7 * Minutes() - 0.3 * Skips()) * Survival() + Potential(State("active_rate"))
    cohort = Cohort("AdLoad", 9, scenario="bench", horizon_days=5.0, autoreset_mode="Disabled")
    log = record(cohort, lambda obs: np.full(9, 9), seed=4, parts=wish.needs)
    env = rewarded(cohort, wish)
    env.reset(seed=4)
    paid = []
    while not cohort.over.all():
        reward = env.step(np.full(9, 9))[1]
        paid.extend(reward[cohort.outcomes["fetches"] > 0])
    assert wish(log).tolist() == paid


def test_logs_of_whole_lives_are_wanted():
    with pytest.raises(ValueError, match="a log is of whole lives"):
        record(Cohort("AdLoad", 2, scenario="bench"), lambda obs: np.zeros(2, int), seed=1)
    with pytest.raises(ValueError, match="this log needs moods, and a Step has no such part"):
        record(
            Cohort("AdLoad", 2, scenario="bench", autoreset_mode="Disabled"),
            lambda obs: np.zeros(2, int),
            seed=1,
            parts={"moods"},
        )


def test_steps_are_joined_in_order_and_hidden_fields_are_gone():
    a, b = batch(3, 1), batch(4, 2)
    whole = joined([a, b])
    assert len(whole) == 7
    assert np.array_equal(whole.state, np.concatenate([a.state, b.state]))
    assert np.array_equal(whole[3:].outcomes, b.outcomes)
    assert "value" not in whole.outcomes.dtype.names
    with pytest.raises(ValueError, match="state is in 1 of 2 steps"):
        joined([a, Step(b.outcomes)])
    with pytest.raises(ValueError, match="at least one"):
        joined([])
    with pytest.raises(ValueError, match="one row a decision"):
        Step(a.outcomes, b.state)


def test_a_step_takes_lists_and_says_what_is_wrong_with_them():
    out = np.zeros(3, OUTCOME)
    out["fetches"] = 1
    assert State("tenure")(Step(out, state=[[0.5] * 30] * 3)).tolist() == [0.5] * 3
    with pytest.raises(ValueError, match=r"state has shape \(3, 5\); wanted 30 numbers"):
        Step(out, state=np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"next_topics has shape \(3, 30\); wanted 16 numbers"):
        Step(out, next_topics=np.zeros((3, 30)))
    for wrong in ("abc", [[0] * 30, [0]], 5j):
        with pytest.raises(ValueError, match="give an array with one row a decision"):
            Step(out, state=wrong)
    with pytest.raises(ValueError, match="slots is a list; give an array"):
        Step(out, slots=[1, 2, 3])


def test_a_single_decision_is_judged_and_has_no_length():
    step = batch(3)
    assert (Minutes() + State("tenure"))(step[1]) == (Minutes() + State("tenure"))(step)[1]
    with pytest.raises(TypeError, match="a single decision has no length"):
        len(step[1])


@pytest.mark.parametrize("values", [1.0, np.ones(2), np.ones((3, 2)), np.ones(())])
def test_sums_of_users_want_a_number_a_row(values):
    with pytest.raises(ValueError, match=r"values of shape .* for a log of shape \(3,\)"):
        per_user(batch(3), values)
