"""Signals against numbers worked out by hand, and against what they promise of any outcome."""

import inspect
import json
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.state import HIDDEN, HIDDEN_OUTCOMES, OUTCOME
from longplay.rewards import (
    SIGNALS,
    Discovery,
    Dissatisfaction,
    DiversityMultiplier,
    FastSkips,
    Finished,
    Gap,
    Minutes,
    Objective,
    PresentValue,
    Returned,
    RevisitMultiplier,
    Signal,
    Survey,
    Survival,
    find_signal,
    parse,
)

ZERO_ONE = st.sampled_from([0.0, 1.0])
COUNT = st.integers(0, 40).map(float)
PLAIN = [
    *("minutes", "looked", "plays", "skips", "likes", "saves", "shares", "hides", "novelty"),
    *("repeats", "duplicates", "ads", "ad_views", "ad_clicks", "revenue", "ended", "active_day"),
]
FIELDS = {name: COUNT for name in OUTCOME.names} | {
    "user": st.integers(0, 2**40),
    "minutes": st.floats(0.0, 500.0),
    "novelty": st.floats(0.0, 40.0),
    "revenue": st.floats(0.0, 10.0),
    "survey": st.one_of(st.just(np.nan), st.floats(0.0, 1.0)),
    "ended": ZERO_ONE,
    "active_day": ZERO_ONE,
    "away": st.one_of(st.just(np.inf), st.floats(0.0, 5000.0)),
    "fetches": st.integers(0, 3).map(float),
}
ROW = st.fixed_dictionaries(FIELDS)


def outcomes(*rows, **everywhere):
    """OUTCOME rows by field name; one fetch and no survey answer unless said otherwise."""
    batch = np.zeros(len(rows), OUTCOME)
    for i, row in enumerate(rows):
        for name, value in ({"fetches": 1.0, "survey": np.nan} | everywhere | row).items():
            batch[name][i] = value
    return batch


@pytest.mark.parametrize("name", PLAIN)
def test_plain_signals_are_their_field_and_no_other(name):
    batch = outcomes({name: 1.0}, {other: 1.0 for other in OUTCOME.names if other != name})
    assert find_signal(name)(batch).tolist() == [1.0, 0.0]


def test_returns_by_hand():
    batch = outcomes(
        {"ended": 1.0, "away": 24.0},
        {"ended": 1.0, "away": 24.1},
        {"ended": 1.0, "away": 168.0},
        {"ended": 1.0, "away": np.inf},
        {"ended": 0.0, "away": 0.0},  # still in the session: nobody has returned
    )
    assert find_signal("returned_1d")(batch).tolist() == [1, 0, 0, 0, 0]
    assert find_signal("returned_7d")(batch).tolist() == [1, 1, 1, 0, 0]


def test_gap_by_hand():
    # 12 h are half a day; 100 days and for ever are cut to 60 days, or to 2 where that is asked.
    batch = outcomes({"away": 12.0}, {"away": 2400.0}, {"away": np.inf}, ended=1.0)
    assert Gap()(batch).tolist() == [0.5, 60.0, 60.0]
    assert Gap(cap_days=2)(batch).tolist() == [0.5, 2.0, 2.0]
    within = outcomes({"away": 0.0, "gap": 0.3, "ended": 0.0})
    assert Gap()(within).tolist() == [0.0]


def test_survey_by_hand():
    batch = outcomes({"survey": 0.8}, {"survey": 0.0}, {"survey": np.nan})
    assert Survey()(batch).tolist() == [0.8, 0.0, 0.0]
    assert find_signal("answered")(batch).tolist() == [1.0, 1.0, 0.0]


@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_every_signal_is_finite_in_range_and_blind_to_blank_rows_and_neighbours(rows, around):
    batch = outcomes(*rows)
    step = around(batch)
    for signal in map(find_signal, SIGNALS):
        values = signal(step)
        assert values.dtype == np.float64
        assert values.shape == batch.shape
        low, high = signal.range
        assert np.all((values >= low) & (values <= high) & np.isfinite(values)), signal
        assert np.all(values[batch["fetches"] == 0] == 0.0), signal
        assert values.tolist() == [signal(step[i : i + 1])[0] for i in range(len(batch))]
        assert np.array_equal(signal(step[None]), values[None])


@given(row=ROW, hidden=st.lists(st.floats(-5, 5), min_size=4, max_size=4))
def test_no_signal_feels_a_hidden_field(row, hidden, around):
    before, after = outcomes(row), outcomes(row)
    for field, value in zip(HIDDEN_OUTCOMES, hidden, strict=True):
        after[field] = value
    before, after = around(before), around(after)
    for signal in map(find_signal, SIGNALS):
        assert signal(before) == signal(after)


@pytest.mark.parametrize("name", [*HIDDEN_OUTCOMES, *HIDDEN])
def test_hidden_fields_are_refused_with_the_reason(name):
    with pytest.raises(ValueError, match=f"'{name}' is hidden.*evaluation only"):
        find_signal(name)


def test_a_signal_of_ones_own_cannot_read_hidden_fields_either():
    @dataclass(frozen=True)
    class Peek(Signal):
        name = "test_peek"

        def evaluate(self, outcomes):
            return outcomes["value"]

    try:
        with pytest.raises(ValueError, match="no field of name value"):
            Peek()(outcomes({}))
        with pytest.raises(ValueError, match="is hidden"):

            class Value(Signal):
                name = "value"
    finally:
        del SIGNALS._signals["test_peek"]


def test_a_signal_of_ones_own_is_found_by_name():
    @dataclass(frozen=True)
    class Binge(Signal):
        name, unit, range = "test_binge", "1", (0.0, 1.0)
        bar: float = 60.0

        def evaluate(self, outcomes):
            return (outcomes["minutes"] > self.bar).astype(np.float64)

    try:
        batch = outcomes({"minutes": 61.0}, {"minutes": 59.0})
        assert find_signal("test_binge")(batch).tolist() == [1.0, 0.0]
        assert find_signal("test_binge", bar=10.0)(batch).tolist() == [1.0, 1.0]
    finally:
        del SIGNALS._signals["test_binge"]


def test_a_taken_name_is_refused():
    with pytest.raises(ValueError, match="'minutes' is already Minutes"):

        class Other(Signal):
            name = "minutes"


@pytest.mark.parametrize(
    ("name", "hint"), [("minuts", "Did you mean minutes"), ("zzz", "Known: minutes")]
)
def test_unknown_names_get_the_nearest(name, hint):
    with pytest.raises(ValueError, match=f"no signal '{name}'. {hint}"):
        find_signal(name)


@pytest.mark.parametrize("cap", [0.0, -1.0, np.inf, np.nan, 10**400, "60"])
def test_a_gap_needs_a_finite_cap(cap):
    with pytest.raises(ValueError, match="cap_days"):
        Gap(cap_days=cap)


def test_unknown_settings_are_named():
    with pytest.raises(ValueError, match="'gap' has no setting 'days'; it has cap_days"):
        find_signal("gap", days=3)


@pytest.mark.parametrize("wrong", [np.zeros(3), [1.0, 2.0], None, np.zeros(3, [("minutes", "f8")])])
def test_what_is_no_outcome_is_refused(wrong):
    with pytest.raises(TypeError, match="give cohort"):
        Minutes()(wrong)


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_tells_what_it_is(name):
    signal = SIGNALS[name]
    assert signal.name == name
    assert inspect.getdoc(signal) != inspect.getdoc(Signal)
    assert not inspect.getdoc(signal).startswith(signal.__name__ + "(")  # dataclass's own
    assert signal.unit in ("1", "min", "day", "money", "nat")
    assert len(signal.source) > 10
    assert len(signal.leaves) > 10
    assert signal.formula or name in OUTCOME.names, "give a formula"
    assert all(f.default is not None for f in fields(signal))


SETTINGS = [
    (Gap, "cap_days", 3),
    (Returned, "days", 3),
    (Survival, "half_life_days", 3),
    (PresentValue, "gamma_day", 1),
    (Finished, "share", 1),
    (Discovery, "share", 1),
    (DiversityMultiplier, "m", 2),
    (DiversityMultiplier, "least_minutes", 3),
    (RevisitMultiplier, "c", 3),
    (FastSkips, "seconds", 3),
    (FastSkips, "run", 3),
    (Dissatisfaction, "fatigue_weight", 3),
]


@pytest.mark.parametrize(("signal", "setting", "number"), SETTINGS)
def test_settings_are_kept_as_plain_numbers_and_print_what_is_read_back(signal, setting, number):
    plain = signal(**{setting: number})
    kinds = [np.int64] if setting == "run" else [np.int64, np.float32, np.float64, Fraction]
    for kind in kinds:
        same = signal(**{setting: kind(number)})
        assert same == plain
        assert str(same) == str(plain)
        assert type(getattr(same, setting)) in (int, float)
        assert parse(str(same)) == same
        assert Objective.from_dict(json.loads(json.dumps(same.to_dict()))) == same
    for wrong in (True, np.True_, "1", None, 1j):
        with pytest.raises(ValueError, match=f"{setting}=.*wanted a"):
            signal(**{setting: wrong})
