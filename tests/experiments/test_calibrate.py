"""The fitting: knobs turn what they say, and known parameters are found again."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.scenarios import find_world
from longplay.experiments.fitting.calibrate import (
    KNOBS,
    Knob,
    fit,
    fit_rhythm,
    get,
    residuals,
    turned,
)
from longplay.experiments.fitting.playlog import Figures
from longplay.experiments.fitting.realism import Targets, read_targets

MUSIC = find_world("music")


def made(scalars, profiles=None):
    """Figures with these values and nothing else."""
    return Figures(1, 1, 1, scalars, profiles or {}, {})


def wanted(scalars, profiles=None, fitted=None):
    """Targets with these values, all of them fitted unless said otherwise."""
    names = frozenset(scalars) | frozenset(profiles or {}) if fitted is None else frozenset(fitted)
    return Targets("t", "", "", "", (), scalars, profiles or {}, {}, names)


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.path)
def test_every_knob_turns_its_number_and_nothing_else(knob):
    value = knob.from_unit(0.3)
    world = turned(MUSIC, {knob.path: value})
    assert get(world, knob.path) == approx(value)
    back = turned(world, {knob.path: get(MUSIC, knob.path)})
    for part, values in back.parameters().items():
        for name, number in values._asdict().items():
            assert number == approx(getattr(getattr(MUSIC, part), name)), f"{part}.{name}"


def test_every_knob_starts_within_its_bounds():
    for knob in KNOBS:
        assert knob.low <= get(MUSIC, knob.path) <= knob.high, knob.path


def test_a_path_into_a_tuple_moves_one_and_a_path_to_it_moves_all():
    one = turned(MUSIC, {"leaving.bias.2": -1.0}).leaving.bias
    assert one[2] == approx(-1.0)
    assert (one[0], one[1], one[3]) == approx(tuple(np.array(MUSIC.leaving.bias)[[0, 1, 3]]))
    mean = np.mean(MUSIC.leaving.bias)
    all_ = turned(MUSIC, {"leaving.bias": mean + 0.25}).leaving.bias
    assert np.subtract(all_, MUSIC.leaving.bias) == approx(0.25)


@pytest.mark.parametrize("path", ["returning.rat", "leaving.bias.9", "nothing.rate", "name"])
def test_a_path_that_leads_nowhere_is_refused(path):
    with pytest.raises(ValueError, match="No number at"):
        turned(MUSIC, {path: 1.0})


@given(st.floats(0.0, 1.0), st.booleans())
def test_a_knob_goes_to_the_unit_interval_and_back(at, log):
    knob = Knob("x", 0.05, 20.0, log)
    assert knob.to_unit(knob.from_unit(at)) == approx(at, abs=1e-9)
    assert 0.05 * (1 - 1e-12) <= knob.from_unit(at) <= 20.0 * (1 + 1e-12)


def test_residuals_by_hand():
    targets = wanted(
        {"gap_hours.user.p50": 5.0, "active_next.streak.1": 0.8, "other": 1.0},
        fitted=["gap_hours.user.p50", "active_next.streak.1"],
    )
    terms = residuals(
        made({"gap_hours.user.p50": 10.0, "active_next.streak.1": 0.6, "other": 9.0}), targets
    )
    # ln 2 / 0.15; ln(0.6 / 0.8) / 0.15; a third of ln(0.4 / 0.2) / 0.15; nothing for `other`.
    assert terms == approx([4.62098, -1.91788, 1.54033], abs=1e-5)


def test_a_figure_nobody_gave_counts_as_a_miss():
    terms = residuals(made({"gap_hours.user.p50": math.nan}), wanted({"gap_hours.user.p50": 5.0}))
    assert terms == approx([1.0 / 0.15])


def test_known_parameters_are_found_again():
    # Figures that are products of powers of two knobs, and so in closed form.
    knobs = (
        Knob("returning.rate", 0.05, 2.0, log=True),
        Knob("returning.pause", 0.1, 10.0, log=True),
    )

    def simulate(world):
        rate, pause = world.returning.rate, world.returning.pause
        return made({"a": rate**1.5 * pause, "b": pause**0.5 / rate, "c": rate})

    truth = turned(MUSIC, {"returning.rate": 0.7, "returning.pause": 0.6})
    found = fit(
        MUSIC, wanted(simulate(truth).scalars), knobs, simulate, anchor=1e-6, report=lambda _: None
    )
    assert found.world.returning.rate == approx(0.7, rel=0.01)
    assert found.world.returning.pause == approx(0.6, rel=0.01)
    assert found.cost < 0.01


def test_the_anchor_holds_a_knob_no_figure_speaks_about_and_doubt_says_so():
    knobs = (
        Knob("returning.rate", 0.05, 2.0, log=True),
        Knob("returning.habit", 0.0, 2.5),
    )

    def simulate(world):
        return made({"a": world.returning.rate})

    found = fit(MUSIC, wanted({"a": 0.9}), knobs, simulate, report=lambda _: None)
    assert found.world.returning.rate == approx(0.9, rel=0.03)
    assert found.world.returning.habit == approx(MUSIC.returning.habit, abs=1e-6)
    assert found.doubt["returning.habit"] > 10 * found.doubt["returning.rate"]


def test_the_rhythm_is_found_again():
    # Shares that follow the multipliers, smeared over the hour before and after.
    def simulate(world):
        day = np.array(world.returning.day)
        smeared = 0.6 * day + 0.2 * np.roll(day, 1) + 0.2 * np.roll(day, -1)
        week = np.array(world.returning.week)
        return made({}, {"hours": smeared / smeared.sum(), "weekdays": week / week.sum()})

    day = tuple(1.0 + 0.9 * np.cos(2.0 * np.pi * (np.arange(24) - 12) / 24))
    goal = simulate(
        MUSIC.replace("goal", returning={"day": day, "week": (1, 1, 1, 1, 1, 0.5, 0.7)})
    )
    goal = goal.profiles
    flat = MUSIC.replace("flat", returning={"day": (1.0,) * 24, "week": (1.0,) * 7})
    world = fit_rhythm(flat, wanted({}, goal), simulate, rounds=30, report=lambda _: None)
    reached = simulate(world).profiles
    assert reached["hours"] == approx(goal["hours"], rel=0.02)
    assert reached["weekdays"] == approx(goal["weekdays"], rel=0.001)
    assert np.mean(world.returning.day) == approx(1.0)


def test_the_music_targets_name_what_is_fitted():
    targets = read_targets("music")
    named = set(targets.scalars) | set(targets.profiles)
    assert targets.fitted <= named
    families = {name.split(".")[0] for name in targets.fitted}
    assert families == {
        "sessions_per_day",
        "session_minutes",
        "session_plays",
        "gap_hours",
        "active_next",
        "skip_rate",
        "skip_after",
        "repeats",
        "hours",
        "weekdays",
    }
    for shares in targets.profiles.values():
        assert shares.sum() == approx(1.0, abs=0.001)
