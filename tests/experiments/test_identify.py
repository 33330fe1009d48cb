"""What the figures leave open: worlds whose figures are closed forms of their knobs."""

import math

import numpy as np
import pytest
from pytest import approx

from longplay.envs.scenarios import find_world
from longplay.experiments.fitting.calibrate import Fit, Knob, get, turned
from longplay.experiments.fitting.identify import (
    as_good,
    curvature,
    flat_directions,
    identified,
    in_words,
    other_starts,
    reaches,
    slopes,
    unit,
)
from longplay.experiments.fitting.playlog import Figures
from longplay.experiments.fitting.realism import Targets

MUSIC = find_world("music")
RATE = Knob("returning.rate", 0.05, 2.0, log=True)
PAUSE = Knob("returning.pause", 0.1, 10.0, log=True)
HABIT = Knob("returning.habit", 0.0, 2.5)
KNOBS = (RATE, PAUSE, HABIT)


def made(scalars):
    """Figures with these values and nothing else."""
    return Figures(1, 1, 1, scalars, {}, {})


def simulate(world):
    """Two figures that see the rate and, twice, the product of rate and pause; none the habit."""
    rate, pause = world.returning.rate, world.returning.pause
    return made({"rate": rate, "both": rate * pause})


TRUTH = simulate(MUSIC).scalars
TARGETS = Targets("t", "", "", "", (), TRUTH, {}, {}, frozenset(TRUTH))


def test_slopes_by_hand():
    # ln(rate) rises by ln 40 over the range, ln(rate pause) by ln 40 and by ln 100; / 0.15.
    found = slopes(MUSIC, TARGETS, KNOBS, simulate)
    wanted = np.array([[math.log(40), 0, 0], [math.log(40), math.log(100), 0]]) / 0.15
    assert found == approx(wanted)


def test_slopes_keep_within_the_bounds():
    edge = turned(MUSIC, {"returning.rate": 2.0})
    seen = []
    found = slopes(edge, TARGETS, (RATE,), lambda world: seen.append(world) or simulate(world))
    assert max(world.returning.rate for world in seen) <= 2.0 * (1 + 1e-12)
    assert found[:, 0] == approx(math.log(40) / 0.15)


def test_reach_by_hand():
    # In units of s^2, with 12 for the bounds: 1 / sqrt(100 + 12), 1 / sqrt(25 + 12), 1 / sqrt(12);
    # a curvature that is negative by luck counts as none.
    reach = reaches(np.diag([100.0, 25.0, 0.0, -3.0]))
    assert reach == approx([0.094491, 0.164399, 0.288675, 0.288675], abs=1e-6)
    # Two knobs seen only by their sum: the difference is as free as the bounds leave it.
    reach = reaches(50.0 * np.ones((2, 2)))
    assert reach == approx([math.sqrt(0.5 / 112 + 0.5 / 12)] * 2)


def test_the_unit_is_what_is_left_of_the_cost_for_each_spare_figure():
    assert unit(6.0, terms=15, knobs=3) == approx(0.5)
    assert unit(1e-9, terms=15, knobs=3) == 0.01
    assert unit(6.0, terms=3, knobs=3) == 6.0


def test_a_direction_is_named_by_its_parts():
    (way,) = flat_directions(np.array([[50, 50, 0], [50, 50, 0], [0, 0, 900.0]]), KNOBS)
    assert {path: abs(part) for path, part in way.parts.items()} == approx(
        {"returning.rate": math.sqrt(0.5), "returning.pause": math.sqrt(0.5)}
    )
    assert "up" in way.words() and "down" in way.words()
    (alone,) = flat_directions(np.diag([900.0, 900.0, 1.0]), KNOBS)
    assert alone.words() == "returning.habit up"
    assert alone.rise == approx(1 / 16)


def test_luck_that_differs_between_halves_is_no_curvature():
    """A knob that only reshuffles luck: J^T J calls it well determined, (2) does not."""
    rng = np.random.default_rng(3)
    real = np.zeros((400, 2))
    real[:, 0] = 1.0
    one, other = (real + rng.normal(size=real.shape) for _ in range(2))
    m = curvature(one, other)
    assert (one.T @ one)[1, 1] == approx(400, rel=0.25)
    assert abs(m[1, 1]) < 80  # standard deviation 20
    assert m[0, 0] == approx(400, abs=160)
    assert np.array_equal(m, m.T)


def test_what_is_pinned_and_what_is_open():
    both = slopes(MUSIC, TARGETS, KNOBS, simulate)
    values = {knob.path: get(MUSIC, knob.path) for knob in KNOBS}
    fits = [
        Fit(MUSIC, values, 3.0, 9, {}),
        Fit(MUSIC, {**values, "returning.habit": 0.1}, 3.5, 9, {}),
        Fit(MUSIC, {**values, "returning.rate": 1.9}, 40.0, 9, {}),
    ]
    found = identified(MUSIC, MUSIC, fits, KNOBS, (both, both))
    assert [one.pinned for one in found.knobs] == [True, True, False]
    assert found.kept == (0, 1)  # 3.5 <= 1.1 * 3 + 1; the third, 40, does not count
    assert found.knobs[2].starts == (values["returning.habit"], 0.1)
    assert found.knobs[2].reach == approx(1 / math.sqrt(12))
    # The habit is 1.28 between 0 and 2.5, and 0.288675 of 2.5 is 0.721688.
    here = values["returning.habit"]
    assert found.knobs[2].ends == approx((here - 0.721688, here + 0.721688), abs=1e-6)
    said = " ".join(in_words(found))
    assert "pin down 2 of 3 knobs" in said and "leave open: returning.habit" in said
    assert "By itself, returning.habit is hardly seen" in said
    assert "1 of 2 other starts ended as well" in said


def test_a_knob_that_starts_disagree_about_is_open_however_steep_the_slopes():
    both = slopes(MUSIC, TARGETS, (RATE,), simulate)
    fits = [Fit(MUSIC, {RATE.path: rate}, 1.0, 9, {}) for rate in (0.126, 1.2)]
    (one,) = identified(MUSIC, MUSIC, fits, (RATE,), (both, both)).knobs
    assert one.reach < 0.05 and not one.pinned


@pytest.mark.parametrize(
    ("costs", "kept"),
    [([10, 11, 12.1], (0, 1)), ([10, 12.0], (0, 1)), ([30, 10, 12], (1, 2)), ([math.inf, 5], (1,))],
)
def test_as_good_is_a_tenth_and_one_more(costs, kept):
    assert as_good(costs) == kept


def test_other_starts_lie_in_the_box_half_way_and_are_the_same_for_a_seed():
    worlds = other_starts(MUSIC, KNOBS, 20, seed=4)
    again = other_starts(MUSIC, KNOBS, 20, seed=4)
    assert [w.returning for w in worlds] == [w.returning for w in again]
    assert worlds[0].returning != other_starts(MUSIC, KNOBS, 1, seed=5)[0].returning
    for knob in KNOBS:
        here = knob.to_unit(get(MUSIC, knob.path))
        there = [knob.to_unit(get(world, knob.path)) for world in worlds]
        assert all(0.5 * here <= at <= 0.5 * here + 0.5 for at in there)
        assert max(there) - min(there) > 0.25
