"""What a measurement asks of people: exact sums and rows, block by block."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import dataclasses
import itertools
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

for library in ("scipy", "tyro", "rich"):
    pytest.importorskip(library)

from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.scenarios import find_world
from longplay.experiments.facts import stages
from longplay.experiments.facts.fact import find_facts
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.stages import Rows, Stage, Totals, merged

MUSIC = find_world("music")
FLOATS = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1e-9, 1.0 / 3.0])
STARTS = st.integers(0, 900_000) | st.integers(stages.OTHERS, 1 << 24)  # of people, or of others


# --- tallies ----------------------------------------------------------------------------------


@given(
    values=st.lists(st.lists(FLOATS, min_size=2, max_size=2), min_size=1, max_size=8),
    data=st.data(),
)
def test_totals_are_the_same_bits_in_any_order_and_any_cut(
    values: list[list[float]], data: st.DataObject
) -> None:
    whole = Totals()
    for row in values:
        whole.add({"x": np.array(row), "one": 1})
    order = data.draw(st.permutations(values))
    at = data.draw(st.integers(0, len(values)))
    shards = []
    for some in filter(None, (order[:at], order[at:])):
        shard = Totals()
        for row in some:
            shard.add({"x": np.array(row), "one": 1})
        shards.append(shard.arrays())
    answer = merged("sums", shards)
    assert answer["x"].tobytes() == whole.answer()["x"].tobytes()
    assert answer["one"] == len(values)
    true = [math.fsum(column) for column in zip(*values, strict=True)]
    np.testing.assert_allclose(answer["x"], true, rtol=1e-15, atol=len(values) * 2.0**-60)


def test_what_is_unknown_in_a_block_is_unknown_in_the_sum() -> None:
    totals = Totals()
    totals.add({"x": np.array([1.0, math.nan])})
    totals.add({"x": np.array([2.0, 5.0])})
    kept = Totals.of_arrays(totals.arrays())
    np.testing.assert_array_equal(kept.answer()["x"], [3.0, math.nan])


def test_sums_of_other_names_or_shapes_are_refused() -> None:
    totals = Totals()
    totals.add({"x": np.zeros(2)})
    for other in ({"y": np.zeros(2)}, {"x": np.zeros(1)}, {"x": np.zeros(2), "y": 1.0}):
        with pytest.raises(ValueError, match="as of the blocks before"):
            totals.add(other)
        others = Totals()
        others.add(other)
        with pytest.raises(ValueError, match="as of the blocks before"):
            totals.merge(others)


def test_rows_stay_in_the_order_of_people_and_keep_their_type() -> None:
    shards = []
    for some in (range(3), range(3, 4), range(4, 9)):
        rows = Rows()
        rows.add({"person": np.array(some, np.int16), "twice": np.array([[2.0 * i] for i in some])})
        shards.append(rows.arrays())
    answer = merged("rows", shards)
    assert answer["person"].tolist() == list(range(9))
    assert answer["person"].dtype == np.int16 and answer["twice"].shape == (9, 1)


@given(
    people=st.integers(1, 5000),
    arms=st.integers(1, 2000),
    first=st.integers(0, 900_000) | st.integers(stages.OTHERS, 1 << 24),
)
def test_blocks_hold_everybody_once(people: int, arms: int, first: int) -> None:
    blocks = Stage("sums", lambda some, told: {}, people, arms, first).blocks
    assert blocks[0].start == first and blocks[-1].stop == first + people
    assert all(one.stop == other.start for one, other in itertools.pairwise(blocks))
    assert all(len(some) == 1 or len(some) * arms <= stages.LANES for some in blocks)


def test_a_stage_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="people=0 came; wanted at least 1 person"):
        Lab(MUSIC).sums(lambda lab, some: {}, 0)


def test_a_lab_asks_block_by_block_and_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stages, "LANES", 40)
    told: list[float] = []
    walked: list[range] = []

    def walk(lab: Lab, some: range, power: int) -> dict[str, Any]:
        walked.append(some)
        lab.told(0.5)
        return {"sum": sum(person**power for person in some)}

    lab = Lab(MUSIC, told.append)
    assert lab.sums(walk, 10, 2, arms=10, first=5)["sum"] == sum(i**2 for i in range(5, 15))
    assert walked == [range(5, 9), range(9, 13), range(13, 15)]
    assert told == pytest.approx([1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1])


def test_people_whom_a_test_meets_are_not_those_of_the_search() -> None:
    with pytest.raises(ValueError, match="people=1000001 from number 0 on came; wanted none"):
        Stage("sums", lambda some, told: {}, stages.OTHERS + 1)
    assert Stage("sums", lambda some, told: {}, 5, first=stages.OTHERS).blocks == [
        range(stages.OTHERS, stages.OTHERS + 5)
    ]


def test_memory_does_not_grow_with_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LANES", 60)
    one = find_facts()["F1"]

    def peak(people: int) -> int:
        settings = dataclasses.replace(one.settings["quick"], people=people, months=4)
        tracemalloc.start()
        one.measure(Lab(MUSIC), settings, 0)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(20)  # the catalogue is drawn
    assert peak(200) < 1.1 * peak(20)
