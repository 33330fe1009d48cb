"""Simulations that are kept: found again bit for bit, and only for what gave them."""

import json
import math

import numpy as np
import pytest

from longplay.envs.scenarios import find_world
from longplay.experiments.fitting.calibrate import turned
from longplay.experiments.fitting.evaluations import Evaluations, key_of
from longplay.experiments.fitting.playlog import Figures
from longplay.experiments.run import Refused

MUSIC = find_world("music")
TOLD = Figures(
    users=3,
    plays=40,
    sessions=7,
    scalars={"third": 1.0 / 3.0, "tiny": 5e-324, "none": math.nan},
    profiles={"hours": np.array([0.1, 0.2, 0.7])},
    counts={"third": 9},
)


class Simulator:
    """Gives TOLD and counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    def __call__(self, world):
        self.asked += 1
        return TOLD


def same(one, other):
    """Whether two figures are equal bit for bit."""
    assert (one.users, one.plays, one.sessions) == (other.users, other.plays, other.sessions)
    assert one.counts == other.counts and one.scalars.keys() == other.scalars.keys()
    for name, value in one.scalars.items():
        there = other.scalars[name]
        assert value == there or (math.isnan(value) and math.isnan(there))
    for name, shares in one.profiles.items():
        assert np.array_equal(shares, other.profiles[name])


def test_a_simulation_is_done_once_and_comes_back_bit_for_bit(tmp_path):
    path, simulate, fresh = tmp_path / "e.jsonl", Simulator(), []
    for _ in range(2):  # the second time from the file
        figures_of = Evaluations(path, "code", fresh.append).remembered(simulate, {"users": 3})
        same(figures_of(MUSIC), TOLD)
        same(figures_of(MUSIC), TOLD)
    assert simulate.asked == 1
    assert fresh == [True, False, False, False]
    assert len(path.read_text().splitlines()) == 1


def test_another_number_setting_or_code_is_another_simulation_and_another_name_is_not(tmp_path):
    path, simulate = tmp_path / "e.jsonl", Simulator()

    def ask(world=MUSIC, code="code", **settings):
        Evaluations(path, code).remembered(simulate, {"users": 3, **settings})(world)
        return simulate.asked

    assert ask() == 1
    assert ask(MUSIC.replace("other", about="words")) == 1
    assert ask(turned(MUSIC, {"returning.rate": 0.2})) == 2
    assert ask(MUSIC.replace("music", gamma_day=0.9)) == 3
    assert ask(users=4) == 4
    assert ask(code="newer") == 5
    assert ask() == 5


def test_the_smallest_change_of_a_number_is_a_change():
    rate = math.nextafter(MUSIC.returning.rate, 1.0)
    assert key_of(MUSIC.replace("music", returning={"rate": rate}), {}) != key_of(MUSIC, {})


def test_an_unfinished_last_line_is_taken_off_and_done_again(tmp_path):
    path, simulate = tmp_path / "e.jsonl", Simulator()
    worlds = [turned(MUSIC, {"returning.rate": rate}) for rate in (0.1, 0.2, 0.3)]
    figures_of = Evaluations(path, "code").remembered(simulate, {})
    for world in worlds:
        figures_of(world)
    whole = path.read_bytes()
    for cut in (1, 60, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        simulate.asked = 0
        figures_of = Evaluations(path, "code").remembered(simulate, {})
        for world in worlds:
            same(figures_of(world), TOLD)
        assert simulate.asked == 1
        assert path.read_bytes() == whole


@pytest.mark.parametrize("line", ["{", "[]", '{"key": "k"}', json.dumps({"users": 1})])
def test_a_damaged_line_is_refused_by_its_number(tmp_path, line):
    path = tmp_path / "e.jsonl"
    Evaluations(path, "code").remembered(Simulator(), {})(MUSIC)
    good = path.read_text()
    path.write_text(good + line + "\n" + good)
    with pytest.raises(Refused, match="damaged in line 2"):
        Evaluations(path, "code")
