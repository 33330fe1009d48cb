"""Crowds and shards: equal to the table of all users, however they were cut and by whom."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from longplay.agents.fixed import Random, fixed
from longplay.envs.cohort import Cohort
from longplay.experiments.evaluate import BATCH, Evaluation, blocks, evaluate, walk_blocks
from longplay.experiments.populations import shards as shards_module
from longplay.experiments.populations.crowd import GROUPS, Crowd
from longplay.experiments.populations.shards import (
    crowd_of,
    gathered,
    people,
    shard_size,
    shards_of,
)
from longplay.rewards import Minutes, Skips

WISH = (0.7 * Minutes() - 0.3 * Skips()).named("wish")


def make_cohort(num_envs: int, **keywords: Any) -> Cohort:
    given = {"task": "AdLoad", "scenario": "bench", "decision": "session", "horizon_days": 3.0}
    return Cohort(num_envs=num_envs, threads=1, **{**given, **keywords})


@pytest.fixture(scope="module")
def walked() -> list[Evaluation]:
    """2600 people in small blocks."""
    return list(walk_blocks(fixed(3, 7), make_cohort, blocks(0, 2600, 512), 1, WISH))


@pytest.fixture(scope="module")
def crowds(walked: list[Evaluation]) -> list[Crowd]:
    return [Crowd.of_block(block) for block in walked]


def bits(told: Crowd | Evaluation) -> list[bytes]:
    if isinstance(told, Crowd):
        return [array.tobytes() for array in told.arrays().values()]
    return [np.asarray(getattr(told, f.name)).tobytes() for f in dataclasses.fields(told)]


def test_groups_are_the_means_of_their_users(walked: list[Evaluation], crowds: list[Crowd]) -> None:
    table, crowd = gathered([walked]), crowd_of(crowds)
    assert isinstance(table, Evaluation)
    users, group = table.users, np.arange(2600) % GROUPS
    assert crowd.number == 2600 and crowd.people.tolist() == np.bincount(group).tolist()
    assert crowd.users.dtype == users.dtype and len(crowd.users) == GROUPS
    assert "reward:wish" in crowd.columns
    for name in crowd.columns:
        for g in (0, 1, 599, 600, 999):
            # Of a number below 2^-8 half a unit of 2^-60 may be lost
            exact = sum(map(Fraction, users[name][group == g].tolist())) / int(crowd.people[g])
            assert abs(Fraction(float(crowd.users[name][g])) - exact) <= (
                Fraction(1, 2**60) + abs(exact) / 2**53
            )
        own = sum(map(Fraction, users[name].tolist())) / 2600
        assert crowd.mean(name) == pytest.approx(float(own), rel=1e-15, abs=2.0**-60)
    assert crowd.users["undiscounted_fetches"].sum() > 0


def test_everything_else_is_that_of_the_table(
    walked: list[Evaluation], crowds: list[Crowd]
) -> None:
    table, crowd = gathered([walked]), crowd_of(crowds)
    assert crowd.steps == table.steps > 0
    assert crowd.cut_off == pytest.approx(table.cut_off, rel=1e-12)
    for ours, theirs in zip(crowd.retention(), table.retention(), strict=True):
        assert ours.tolist() == theirs.tolist()
    for name in ("by_tenure", "by_position", "by_action"):
        assert np.array_equal(getattr(crowd, name), getattr(table, name))
    assert crowd.reward_columns == table.reward_columns == ("reward", "reward:wish")
    exact = np.quantile(table.users["value"], [0.1, 0.5, 0.9], method="inverted_cdf")
    assert crowd.quantiles("value", [0.1, 0.5, 0.9]) == pytest.approx(exact, rel=1 / 128)


def test_order_grouping_and_copies_do_not_matter(crowds: list[Crowd]) -> None:
    whole = bits(crowd_of(crowds))
    assert bits(crowd_of(reversed(crowds))) == whole
    pieces = [crowd_of(crowds[3:]), crowd_of(crowds[:1]), crowd_of(crowds[1:3])]
    assert bits(crowd_of(pieces)) == whole
    assert bits(crowd_of([*pieces, pieces[0], *pieces])) == whole  # each counts once


def test_shards_that_overlap_are_refused(crowds: list[Crowd]) -> None:
    first = crowd_of(crowds[:2])
    with pytest.raises(ValueError, match="1 of 2 blocks are counted already"):
        first.merge(crowd_of(crowds[1:3]))
    with pytest.raises(ValueError, match="wanted"):
        first.merge(Crowd(("value",), 0))


def test_a_crowd_survives_being_kept(crowds: list[Crowd]) -> None:
    crowd = crowd_of(crowds)
    again = Crowd.of_arrays(crowd.arrays())
    assert bits(again) == bits(crowd) and again.users.tobytes() == crowd.users.tobytes()
    with pytest.raises(ValueError, match="people of shape"):
        Crowd.of_arrays({**crowd.arrays(), "people": np.zeros(3, np.int64)})


def test_without_discount_what_lies_beyond_is_unknown(walked: list[Evaluation]) -> None:
    users = walked[0].users.copy()
    users["beyond"] = np.nan
    crowd = Crowd.of_block(dataclasses.replace(walked[0], users=users))
    assert np.isnan(crowd.users["beyond"]).all() and np.isnan(crowd.cut_off)
    assert np.isfinite(crowd.users["value"]).all() and np.isfinite(crowd.value)


# --- shards -----------------------------------------------------------------------------------


def in_shards(policy: Any, size: int, order: Sequence[int], users: int = 9000) -> Any:
    ends = shards_of(users, size)
    told = {i: people(policy, make_cohort, ends[i], users=users, seed=0) for i in order}
    return gathered(told[i] for i in (sorted(told) if users <= shards_module.KEEP else order))


@pytest.mark.parametrize("keep", [20_000, 0])
@pytest.mark.parametrize("name", ["fixed", "random"])
def test_any_size_of_shards_gives_the_same_bits(
    name: str, keep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "KEEP", keep)
    policy = fixed(3, 7) if name == "fixed" else Random("discrete", [22])
    one = in_shards(policy, 3 * BATCH, [0])
    assert isinstance(one, Crowd if keep == 0 else Evaluation)
    assert bits(in_shards(policy, BATCH, [2, 0, 1])) == bits(one)
    assert bits(in_shards(policy, 2 * BATCH, [1, 0])) == bits(one)
    if keep:
        plain = evaluate(policy, make_cohort, users=9000, seed=0)
        assert bits(plain) == bits(one)


def test_shards_cover_every_user_once() -> None:
    for users in (1, BATCH, 16_384, 16_385, 1_000_000, 10_000_000):
        ends = shards_of(users)
        assert ends[0][0] == 0 and ends[-1][1] == users
        assert all(a[1] == b[0] and b[0] % BATCH == 0 for a, b in pairwise(ends))
        assert len(ends) <= 256 and shard_size(users) >= 16_384
    assert len(shards_of(16_384)) == 1 and len(shards_of(16_385)) == 2


def test_a_shard_that_cuts_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="size=5000; wanted a multiple of 4096"):
        shards_of(9000, 5000)
    with pytest.raises(ValueError, match="first=100; wanted a multiple of 4096"):
        blocks(100, 9000)
