"""Ablations: each switch changes lives where its mechanism is at work, and is off for good."""

import numpy as np
import numpy.typing as npt
import pytest
from pytest import approx

from longplay.envs.ablations import ABLATIONS
from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import World, find_world
from longplay.envs.spaces import layout_index

FULL = find_world("bench").replace(
    "full",
    dwell={"swing": 2.0},
    repeats={"share": 0.5},
    discovery={"joy": 0.3, "grow": 0.05},
    notifications={"per_day": 3.0},
)  # every mechanism at work


def lived(world: World, users: int = 96, steps: int = 40) -> dict[str, npt.NDArray[np.float64]]:
    """The outcomes of people who meet two ads in every fetch, by field (steps, users)."""
    cohort = Cohort("AdLoad", users, scenario=world, decision="session", autoreset_mode="DISABLED")
    cohort.reset(seed=3)
    rows = []
    for _ in range(steps):
        cohort.step(np.full(users, layout_index((2, 5))))
        rows.append(cohort.outcomes.copy())
    table = np.stack(rows)
    return {name: table[name] for name in table.dtype.names or ()}


@pytest.fixture(scope="module")
def full() -> dict[str, npt.NDArray[np.float64]]:
    return lived(FULL)


@pytest.mark.parametrize("name", ABLATIONS)
def test_each_switch_is_felt_and_idempotent(
    name: str, full: dict[str, npt.NDArray[np.float64]]
) -> None:
    without = FULL.without(name)
    assert without.name == f"full without {name}"
    assert without.parameters() != FULL.parameters()
    for part, values in without.without(name).parameters().items():
        for field, value in values._asdict().items():
            assert value == approx(getattr(getattr(without, part), field), rel=1e-12), (part, field)
    after = lived(without)
    assert any(not np.array_equal(full[field], after[field], equal_nan=True) for field in full), (
        name
    )


def test_switches_add_up_in_any_order() -> None:
    both = FULL.without("habit", "repeats")
    other = FULL.without("repeats").without("habit")
    assert both.parameters() == other.parameters()
    assert other.name == "full without repeats, habit"


def test_worlds_without_are_found_by_name() -> None:
    assert find_world("bench without habit, fatigue") == find_world("bench").without(
        "habit", "fatigue"
    )
    with pytest.raises(
        ValueError, match=r"'habbit' is no mechanism of a world. Did you mean 'habit'"
    ):
        find_world("bench without habbit")
    with pytest.raises(ValueError, match="came without a mechanism"):
        FULL.without()


def test_without_repeats_nothing_is_remembered(full: dict[str, npt.NDArray[np.float64]]) -> None:
    assert full["repeats"].sum() > 0.0
    assert lived(FULL.without("repeats"))["repeats"].sum() == 0.0


def test_without_intent_a_skip_means_the_same_to_all() -> None:
    """By hand: bench's shares are 4, 3, 2, 1 tenths; (12*4 + 20*3 + 30*2 + 8) / 10 = 17.6."""
    alike = FULL.without("intent")
    assert alike.intent.titles == approx((17.6,) * 4)
    assert alike.intent.share == FULL.intent.share
    assert len(set(alike.satisfaction.skipped)) == 1


def test_without_ad_memory_past_ads_leave_no_trace() -> None:
    """Two who differ in nothing but the ads they remember come back in the same hour."""
    for world, same in ((FULL.without("ad-memory"), True), (FULL, False)):
        cohort = Cohort("AdLoad", 64, scenario=world, decision="session", autoreset_mode="DISABLED")
        cohort.reset(seed=9)
        state = cohort.state()
        gaps = []
        for memory in (0.0, 30.0):
            cohort.restore(state)
            cohort.users["ad_memory"] = memory
            cohort.step(np.zeros(64, np.int64))
            gaps.append(cohort.outcomes["gap"].copy())
        assert np.array_equal(*gaps) == same


def test_one_churn_propensity_for_all() -> None:
    """By hand: the mean of Beta(0.764, 1.296) is 0.764 / 2.06 = 0.3708738."""
    cohort = Cohort("AdLoad", 200, scenario=FULL.without("churn-spread"))
    cohort.reset(seed=1)
    assert cohort.users["churn_propensity"] == approx(0.3708738, abs=2e-3)
