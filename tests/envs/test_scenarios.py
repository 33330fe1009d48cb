"""Worlds: changing a parameter, replacing a law, and what is refused."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pytest import approx

from longplay.envs.bounds import BOUNDS
from longplay.envs.cohort import Cohort
from longplay.envs.laws.fatigue import Fatigue
from longplay.envs.laws.habit import Habit
from longplay.envs.scenarios import SCENARIOS, World, find_world, kernel_of, packed
from longplay.envs.spaces import layout_index

BENCH = find_world("bench")
WIDE: Any = (1.0, 2.0)  # where one number is wanted


def lived(world: World, steps: int = 30) -> npt.NDArray[np.void]:
    """The outcomes of 64 people who are shown two ads in every fetch."""
    cohort = Cohort("AdLoad", num_envs=64, scenario=world, decision="session")
    cohort.reset(seed=3)
    rows = []
    for _ in range(steps):
        cohort.step(np.full(64, layout_index((2, 5))))
        rows.append(cohort.outcomes.copy())
    return np.concatenate(rows)


@pytest.fixture(scope="module")
def usual() -> npt.NDArray[np.void]:
    return lived(BENCH)


# Changing.


def test_replace_changes_one_parameter_and_nothing_else() -> None:
    calm = BENCH.replace("calm", fatigue={"per_ad": 0.0}, gamma_day=0.98)
    assert calm.name == "calm"
    assert calm.fatigue == BENCH.fatigue._replace(per_ad=0.0)
    assert calm.gamma_day == 0.98
    kept = {"fatigue", "gamma_day", "name"}
    for field in dataclasses.fields(World):
        if field.name not in kept:
            assert getattr(calm, field.name) == getattr(BENCH, field.name)
    assert BENCH.fatigue.per_ad != 0.0


def test_replace_takes_a_whole_tuple_and_whole_numbers() -> None:
    world = BENCH.replace("whole", fatigue=Fatigue(per_ad=0.5), habit={"fade": 0})
    assert world.fatigue == Fatigue(per_ad=0.5)
    assert world.habit == Habit(fade=0.0)
    tilted = BENCH.replace("tilted", intent={"share": [1, 0, 0, 0]})
    assert tilted.intent.share == (1.0, 0.0, 0.0, 0.0)


def test_a_changed_parameter_is_felt(usual: npt.NDArray[np.void]) -> None:
    """Ads that tire twenty times as much shorten sessions."""
    tired = lived(BENCH.replace("tired", fatigue={"per_ad": 2.0}))
    assert tired["looked"].mean() < 0.8 * usual["looked"].mean()


def test_another_law_is_felt(usual: npt.NDArray[np.void]) -> None:
    """The example of the README: one's own fatigue, in ten lines.

    An ad doubles fatigue and adds three: most who see one leave soon after.
    """

    def next_fatigue(
        fatigue: float, minutes: float, passed: float, ads: float, aversion: float, p: Fatigue
    ) -> float:
        return fatigue + ads * (3.0 + fatigue)

    mine = BENCH.with_laws("mine", next_fatigue=next_fatigue)
    tired = lived(mine)
    looked, tired_looked = (rows["looked"][rows["ad_views"] > 0] for rows in (usual, tired))
    assert tired_looked.mean() < 0.7 * looked.mean()
    assert kernel_of(mine.laws) is kernel_of(mine.replace("again", gamma_day=0.9).laws)
    assert kernel_of(BENCH.laws) is not kernel_of(mine.laws)
    again = lived(BENCH, steps=1)
    for field in ("clock", "looked", "minutes", "revenue", "gap"):
        assert (again[field] == usual[field][:64]).all()


def test_only_laws_are_replaced() -> None:
    """Not the machinery around them, nor what a law is made of elsewhere."""
    for name in ("serve", "give_birth", "advance", "faded", "dot"):
        with pytest.raises(ValueError, match=f"{name!r} is no law of the step"):
            BENCH.with_laws("x", **{name: math.exp})


def test_with_laws_adds_to_those_replaced_before() -> None:
    def fresh(fatigue: float, gap: float, p: Any) -> float:
        return 0.0

    def modest(u: float, intent: int, p: Any) -> float:
        return u

    mine = BENCH.with_laws("one", rested=fresh).with_laws("two", next_goal=modest)
    assert dict(mine.laws) == {"rested": fresh, "next_goal": modest}
    assert BENCH.laws == ()


def test_clickbait_is_music_with_one_number_changed() -> None:
    changed = find_world("clickbait").replace("music", about=SCENARIOS["music"].about)
    assert changed != SCENARIOS["music"]
    assert changed.replace("music", catalogue={"attraction_value": 0.3}) == SCENARIOS["music"]


# Refusing.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: find_world("bensh"), r"scenario='bensh' is unknown\. Did you mean 'bench'\?"),
        (lambda: find_world("zzz"), r"scenario='zzz' is unknown\. There are: music, shortvideo"),
        (
            lambda: BENCH.replace("x", fatigu={"per_ad": 1.0}),
            r"'fatigu' is no part of a world\. Did you mean 'fatigue'\?",
        ),
        (
            lambda: BENCH.replace("x", fatigue={"per_add": 1.0}),
            r"fatigue has no parameter 'per_add'\. Did you mean 'per_ad'\?",
        ),
        (
            lambda: BENCH.with_laws("x", next_fatige=math.exp),
            r"'next_fatige' is no law of the step\. Did you mean 'next_fatigue'\?",
        ),
    ],
)
def test_a_slip_of_the_pen_is_named(change: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        change()


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("fatigue", {"per_ad": (1.0, 2.0)}, r"fatigue\.per_ad=\(1\.0, 2\.0\): wanted one number"),
        ("intent", {"share": 0.25}, r"intent\.share=0\.25: wanted 4 number"),
        ("intent", {"share": (0.5, 0.5)}, r"intent\.share=\(0\.5, 0\.5\): wanted 4 number"),
        ("returning", {"day": (1.0,) * 23}, r"returning\.day=.*: wanted 24 number"),
        ("fatigue", Fatigue(per_ad=WIDE), r"fatigue\.per_ad=\(1\.0, 2\.0\): wanted one number"),
        ("fatigue", 3.0, r"fatigue=3\.0: wanted a Fatigue or a dict"),
        ("gamma_day", {"a": 1.0}, r"gamma_day=\{'a': 1\.0\}: wanted a number"),
        ("fatigue", "strong", r"fatigue='strong': wanted a Fatigue or a dict"),
        ("fatigue", Habit(), r"fatigue=Habit\(.*\): wanted a Fatigue or a dict"),
    ],
)
def test_other_shapes_are_refused(part: str, change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BENCH.replace("x", **{part: change})


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_no_parameter_may_be_nan_or_infinite(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"fatigue\.per_ad=.*: every parameter"):
        BENCH.replace("x", fatigue={"per_ad": wrong})
    with pytest.raises(ValueError, match=r"intent\.share=.*finite"):
        BENCH.replace("x", intent={"share": (0.1, wrong, 0.1, 0.1)})
    with pytest.raises(ValueError, match=r"habit\.fade=.*finite"):
        World("x", "", habit=Habit(fade=wrong))
    with pytest.raises(ValueError, match=r"gamma_day=.*\(0, 1\]"):
        BENCH.replace("x", gamma_day=wrong)


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("gamma_day", 0.0),
        ("gamma_day", 1.01),
        ("horizon_days", 0.0),
        ("horizon_days", math.inf),
        ("day_value", math.nan),
        ("youth_layout", -1),
        ("youth_layout", 22),
    ],
)
def test_no_world_has_such_settings(setting: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=f"{setting}={wrong}"):
        BENCH.replace("x", **{setting: wrong})


def test_a_world_is_asked_for_by_name_or_is_itself() -> None:
    assert find_world("music") is SCENARIOS["music"]
    assert find_world(BENCH) is BENCH
    with pytest.raises(TypeError, match=r"scenario=3: wanted the name of a scenario or a World"):
        find_world(3)  # type: ignore[arg-type]


def test_worlds_are_frozen_and_comparable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        BENCH.gamma_day = 0.5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        BENCH.fatigue.per_ad = 0.5  # type: ignore[misc]
    same = BENCH.replace("bench")
    assert same == BENCH
    assert hash(same) == hash(BENCH)
    assert BENCH.replace("bench", fatigue={"per_ad": 9.0}) != BENCH


# Packing.


@pytest.mark.parametrize("name", SCENARIOS)
def test_packing_keeps_every_number(name: str) -> None:
    world = SCENARIOS[name]
    row: Any = packed(world)
    assert row.shape == (1,)
    assert set(row.dtype.names) == {*world.parameters(), "tables"}
    for part, values in world.parameters().items():
        assert row.dtype[part].names == values._fields
        for field, value in values._asdict().items():
            assert row[part][field][0] == approx(value, rel=0, abs=0), (part, field)
            assert getattr(getattr(row[0], part), field) == approx(value, rel=0, abs=0)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_known_by_its_own_name_and_can_be_lived_in(name: str) -> None:
    world = SCENARIOS[name]
    assert world.name == name
    assert world.about
    rows = lived(world, steps=3)
    assert (rows["fetches"] >= 1.0).all()
    assert (rows["looked"] >= 0.0).all()
    numbers = [rows[n] for n in rows.dtype.names or () if n not in ("survey", "away", "gap")]
    assert np.isfinite(np.stack(numbers)).all()


@pytest.mark.parametrize(
    ("law", "change"),
    [
        ("serving", {"reach": 1.1}),
        ("serving", {"candidates_reach": 0.0}),
        ("returning", {"rate": -0.1}),
        ("returning", {"least": -1.0}),
        ("dwell", {"scale": -10.0}),
        ("ads", {"seconds": -1.0}),
        ("attention", {"look": -1e3}),
        ("satiation", {"half_life": 0.0}),
        ("catalogue", {"attraction_value": 5.0}),
        ("catalogue", {"items": -5.0}),
    ],
)
def test_worlds_that_cannot_be_lived_are_refused(law: str, change: dict[str, float]) -> None:
    (name,) = change
    with pytest.raises(ValueError, match=rf"^{law}\.{name}=.*: wanted "):
        find_world("bench").replace("odd", **{law: change})


def test_every_bound_is_of_a_parameter() -> None:
    known = {
        f"{part}.{name}"
        for part, values in find_world("bench").parameters().items()
        for name in values._fields
    }
    assert set(BOUNDS) <= known


def test_functions_that_are_no_such_law_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 6 arguments"):
        find_world("bench").with_laws("odd", next_fatigue=lambda fatigue: fatigue)
    with pytest.raises(ValueError, match="wanted a function"):
        find_world("bench").with_laws("odd", next_fatigue=3)  # type: ignore[arg-type]


def test_a_refused_reset_changes_nothing() -> None:
    cohort = Cohort("AdLoad", 4, scenario="bench", threads=1)
    cohort.reset(seed=1)
    with pytest.raises(ValueError, match="4 whole numbers"):
        cohort.reset(options={"users": [1, 2]})
    with pytest.raises(ValueError, match="seed=-1"):
        cohort.reset(seed=[5, 6, -1, 7])
    cohort.reset()
    assert (cohort.users["user"] >> 32 == 1).all()
    assert (cohort.users["seed"] == 1).all()
