"""Weighted sums: arithmetic by hand, and the same object after printing, JSON and regrouping."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.state import HIDDEN_OUTCOMES, OUTCOME
from longplay.rewards import (
    SIGNALS,
    Gap,
    Likes,
    Minutes,
    Objective,
    Plays,
    Skips,
    Step,
    WeightedSum,
    find_signal,
    parse,
)

WEIGHTS = st.floats(-1e6, 1e6)
SIGNAL = st.one_of(
    st.sampled_from(list(SIGNALS)).map(find_signal),
    st.floats(0.1, 100.0).map(lambda days: Gap(cap_days=days)),
)
SUMS = st.lists(st.tuples(WEIGHTS, SIGNAL), min_size=1, max_size=6).map(WeightedSum)


MINUTES = {"kind": "signal", "name": "minutes"}
SUM = {"kind": "sum", "terms": [[1.0, MINUTES], [2.0, {"kind": "signal", "name": "skips"}]]}


def batch(n=50, seed=0):
    """Random outcomes of which every fifth row is blank."""
    rng = np.random.default_rng(seed)
    out = np.zeros(n, OUTCOME)
    for name in out.dtype.names:
        out[name] = rng.integers(0, 9, n)
    out["survey"] = np.where(rng.random(n) < 0.5, np.nan, rng.random(n))
    out["away"] = np.where(rng.random(n) < 0.2, np.inf, rng.exponential(50.0, n))
    out["fetches"][::5] = 0
    return out


def test_by_hand():
    out = np.zeros(3, OUTCOME)
    out["minutes"], out["skips"], out["fetches"] = [10.0, 0.0, 7.0], [2.0, 5.0, 1.0], [1, 1, 0]
    objective = 0.7 * Minutes() - 0.3 * Skips()
    # 0.7 * 10 - 0.3 * 2 = 6.4;  -0.3 * 5 = -1.5;  the third row is blank
    assert objective(out) == pytest.approx([6.4, -1.5, 0.0], abs=1e-12)
    assert objective(out)[2] == 0.0
    assert {k: v.tolist() for k, v in objective.parts(out).items()} == {
        "minutes": [7.0, 0.0, 0.0],
        "skips": [-0.6, -1.5, 0.0],
    }


@pytest.mark.parametrize("form", ["pickled", "record", "masked", "strided", "single"])
def test_outcomes_of_any_make_show_the_same_fields(form):
    plain = batch()
    made = {
        "pickled": lambda: pickle.loads(pickle.dumps(plain)),  # its dtype is equal, not the same
        "record": lambda: plain.view(np.recarray),
        "masked": lambda: np.ma.array(plain),
        "strided": lambda: np.repeat(plain, 2)[::2],
        "single": lambda: plain[7],
    }[form]()
    shown, wanted = Step(made).outcomes, Step(plain).outcomes
    assert shown.dtype.names == wanted.dtype.names
    assert not {*HIDDEN_OUTCOMES} & {*shown.dtype.names}
    rows = 7 if form == "single" else slice(None)
    for name in wanted.dtype.names:
        assert np.array_equal(shown[name], wanted[name][rows], equal_nan=True)


@given(objective=SUMS)
def test_parts_sum_to_the_call_and_a_batch_is_its_rows(objective, around):
    out = around(batch(15))
    values = objective(out)
    assert np.array_equal(sum(objective.parts(out).values()), values)
    assert np.array_equal(np.concatenate([objective(out[i : i + 1]) for i in range(15)]), values)
    assert np.all(values[::5] == 0.0)
    assert np.all(np.isfinite(values))


@given(SUMS)
def test_printing_and_json_come_back_as_the_same_object(objective):
    assert parse(str(objective)) == objective
    assert Objective.from_dict(json.loads(json.dumps(objective.to_dict()))) == objective


@given(a=SUMS, b=SUMS, weight=WEIGHTS)
def test_it_is_linear(a, b, weight, around):
    out = around(batch())
    assert (a + b)(out) == pytest.approx(a(out) + b(out), rel=1e-9, abs=1e-3)
    assert (a - b)(out) == pytest.approx(a(out) - b(out), rel=1e-9, abs=1e-3)
    assert (weight * a)(out) == pytest.approx(weight * a(out), rel=1e-9, abs=1e-3)
    assert (-a)(out) == pytest.approx(-a(out))


def test_formulas():
    assert str(0.7 * Minutes() - 0.3 * Skips()) == "0.7 * minutes - 0.3 * skips"
    assert repr(0.7 * Minutes() - 0.3 * Skips()) == "0.7 * Minutes() - 0.3 * Skips()"
    assert str(-2 * Gap(cap_days=30.0) / 4) == "-0.5 * gap(cap_days=30.0)"
    assert str(Minutes()) == "minutes"


def test_equal_terms_merge_and_order_does_not_matter():
    assert Minutes() + Minutes() + Skips() == 2 * Minutes() + 1.0 * Skips()
    assert Minutes() + Skips() == Skips() + Minutes()
    assert hash(Minutes() + Skips()) == hash(Skips() + Minutes())
    assert Minutes() + Skips() != Minutes() + 2 * Skips()
    assert Gap() + Gap(cap_days=7.0) != 2 * Gap()
    assert sum([Minutes(), Skips()]) == Minutes() + Skips()
    assert 2 * (Minutes() - (Skips() - Likes())) == 2 * Minutes() - 2 * Skips() + 2 * Likes()


def test_two_caps_of_one_signal_are_two_parts():
    assert list((Gap() - Gap(cap_days=7.0)).parts(batch())) == ["gap", "gap(cap_days=7.0)"]


def test_numpy_numbers_weigh_like_numbers():
    assert np.float64(0.5) * Minutes() == 0.5 * Minutes() == Minutes() * np.float32(0.5)
    assert str(np.float64(0.5) * Minutes()) == "0.5 * minutes"


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf, np.nan, 10**400])
def test_weights_must_be_finite(weight):
    with pytest.raises(ValueError, match="of minutes is not finite"):
        weight * Minutes()
    with pytest.raises(ValueError, match="of minutes is not finite"):
        WeightedSum([(weight, Minutes())])


def test_weights_must_stay_finite():
    with pytest.raises(ValueError, match="not finite"):
        1e308 * (1e308 * Minutes())
    with pytest.raises(ValueError, match="divide by a number that is not 0"):
        Minutes() / 0


@pytest.mark.parametrize("weight", ["2", None, True, [1.0], np.ones(3)])
def test_weights_must_be_numbers(weight):
    with pytest.raises(TypeError, match="a weight is one real number"):
        Minutes() * weight


@pytest.mark.parametrize("other", [1.0, "minutes", None])
def test_only_objectives_add_up(other):
    with pytest.raises(TypeError, match="add another signal"):
        Minutes() + other
    with pytest.raises(TypeError, match="add another signal"):
        Minutes() - other
    with pytest.raises(TypeError, match="add another signal"):
        other + Minutes()


def test_empty_and_foreign_sums_are_refused():
    with pytest.raises(ValueError, match="needs a term"):
        WeightedSum([])
    with pytest.raises(TypeError, match="no objective"):
        WeightedSum([(1.0, "minutes")])


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("minutes", Minutes()),
        ("2*(minutes - skips)/4", 0.5 * Minutes() - 0.5 * Skips()),
        ("-minutes + +likes * 2 * 3", -1.0 * Minutes() + 6.0 * Likes()),
        ("gap(cap_days=30)", Gap(cap_days=30)),
        (" minutes\n", Minutes()),
    ],
)
def test_formulas_are_read(text, objective):
    assert parse(text) == objective


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0.7 * minuts", "Did you mean minutes"),
        ("0.7 minutes", "is no formula"),
        ("minutes + 1", "add another signal"),
        ("3.0", "names no signal"),
        ("", "is no formula"),
        (7, "it is no text"),
        ("1 / 0 * minutes", "no objective"),
        ("minutes / 0", "not 0"),
        ("1e999 * minutes", "not finite"),
        ("1" * 400 + " * minutes", "not finite"),
        ("0.5 * " + "1" * 400 + " * minutes", "no objective"),
        ("satisfied_day", "hidden"),
        ("__import__('os')", "neither signal nor number"),
        ("minutes.__class__", "neither signal nor number"),
        ("gap(days=3)", "has no setting 'days'"),
        ("gap(cap_days=True)", "neither signal nor number"),
        ("minutes ** 2", "neither signal nor number"),
        ("gap(cap_days=1, cap_days=2)", "cap_days of gap is set more than once"),
        ("minutes\ud800", "is no formula: it holds a character that no text can have"),
        ("minutes\0", "is no formula"),
    ],
)
def test_what_is_no_formula_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_formulas_that_are_too_long_or_too_deep_are_refused():
    for text in ("-" * 5000 + "minutes", "minutes+" * 5000 + "minutes"):
        with pytest.raises(ValueError, match=f"{len(text)} characters; a formula has at most 2000"):
            parse(text)
    with pytest.raises(ValueError, match="nested too deeply"):
        parse("-" * 1990 + "minutes")
    assert parse("minutes+" * 200 + "minutes") == 201 * Minutes()


def test_integers_beyond_every_float_are_refused():
    with pytest.raises(ValueError, match="of minutes is not finite"):
        -(10**5000) * Minutes()
    with pytest.raises(ValueError, match="of minutes is not finite"):
        Minutes() / 10**400


@pytest.mark.parametrize(
    "data",
    [
        {},
        None,
        {"kind": "product"},
        {"kind": "sum"},
        {"kind": "sum", "terms": [[1.0]]},
        {"kind": "sum", "terms": [["1", {"kind": "signal", "name": "minutes"}]]},
        {"kind": "sum", "terms": [[math.nan, {"kind": "signal", "name": "minutes"}]]},
        {"kind": "signal"},
        {"kind": "signal", "name": "minuts"},
        {"kind": "signal", "name": "gap", "days": 3},
        {"kind": "signal", "name": "value"},
    ],
)
def test_damaged_json_is_refused(data):
    with pytest.raises(ValueError, match=SAYS):
        Objective.from_dict(data)


SAYS = "to_dict|There is no signal|has no setting|is hidden|not finite"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"kind": []}, "'kind' is \\[\\]; wanted what to_dict"),
        ({"kind": "sum", "terms": [[1, 2, 3]]}, "terms are no list of .weight, term."),
        ({"kind": "sum", "terms": 3}, "is a damaged objective"),
        ({"kind": "product", "factors": [1, 2]}, "1 is no objective"),
        ({"kind": "named", "name": "x", "inner": MINUTES, "unit": "min"}, "'unit' means nothing"),
        ({"kind": "state", "name": "tenure", "scale": 2}, "'scale' means nothing"),
        ({"kind": "product", "factors": [SUM, MINUTES]}, "a factor is the sum"),
    ],
)
def test_damage_is_told_in_one_sentence(data, says):
    with pytest.raises(ValueError, match=says) as caught:
        Objective.from_dict(data)
    assert "\n" not in str(caught.value)


def test_json_that_is_nested_too_deeply_is_refused():
    data = MINUTES
    for _ in range(3000):
        data = {"kind": "named", "name": "joy", "inner": data}
    with pytest.raises(ValueError, match="is nested too deeply") as caught:
        Objective.from_dict(data)
    assert len(str(caught.value)) < 500


def test_a_new_kind_of_objective_composes_prints_and_is_saved():
    class Clipped(Objective):
        kind = "test_clipped"

        def __init__(self, inner, top):
            self.inner, self.top = inner, top

        @property
        def label(self):
            return f"clipped_{self.inner.label}"

        def judge(self, step):
            return np.minimum(self.inner.judge(step), self.top)

        def to_dict(self):
            return {"kind": self.kind, "inner": self.inner.to_dict(), "top": self.top}

        @classmethod
        def _from_dict(cls, data):
            return cls(Objective.from_dict(data["inner"]), data["top"])

    try:
        out = batch()
        objective = 2 * Clipped(Minutes() + Plays(), 3.0) - Skips()
        lived = out["fetches"] > 0
        wanted = 2 * np.minimum(out["minutes"] + out["plays"], 3.0) - out["skips"]
        assert np.array_equal(objective(out), np.where(lived, wanted, 0.0))
        back = Objective.from_dict(json.loads(json.dumps(objective.to_dict())))
        assert np.array_equal(back(out), objective(out))
        assert str(objective) == "2.0 * clipped_(1.0 * minutes + 1.0 * plays) - 1.0 * skips"
    finally:
        del Objective._kinds["test_clipped"]
