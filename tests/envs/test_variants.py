"""Variants of a world: named, within bounds, and off by what they say."""

import numpy as np
import pytest
from pytest import approx

from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import SCENARIOS, World, find_world
from longplay.envs.variants import KEPT, parse

BENCH = find_world("bench")


def numbers(world: World) -> dict[str, float]:
    """Every number of every law by name."""
    return {
        f"{part}.{name}.{i}": x
        for part, values in world.parameters().items()
        for name, value in values._asdict().items()
        for i, x in enumerate(np.atleast_1d(value))
    }


def hours_of_visits(world: World) -> np.ndarray:
    """Clock hours at which 400 people came back in ten days without ads."""
    cohort = Cohort("AdLoad", 400, scenario=world, decision="session", horizon_days=10.0)
    cohort.reset(seed=3)
    seen = []
    for _ in range(12):
        cohort.step(np.zeros(400, np.int64))
        seen.append((cohort.users["clock"] + cohort.users["phase"]) % 24.0)
    return np.concatenate(seen)


def circular_mean(hours: np.ndarray) -> float:
    """Mean hour on a clock of 24."""
    angle = np.angle(np.exp(2j * np.pi * hours / 24.0).mean())
    return float(angle * 24.0 / (2 * np.pi) % 24.0)


def test_a_shift_moves_the_hours_at_which_people_come() -> None:
    before, after = hours_of_visits(BENCH), hours_of_visits(BENCH.shifted(6))
    moved = (circular_mean(after) - circular_mean(before)) % 24.0
    assert moved == approx(6.0, abs=0.75)


def test_a_shift_by_hand() -> None:
    world = BENCH.shifted(6)
    assert world.returning.night == BENCH.returning.night + 6.0
    assert world.intent.noon == (0.0, 20.0, 3.0, 18.0)  # 18, 14, 21 and 12 o'clock, six later
    assert world.returning.day == BENCH.returning.day
    assert BENCH.shifted(-5).returning.night == (BENCH.returning.night - 5.0) % 24.0
    assert BENCH.shifted(6).shifted(-6).parameters() == BENCH.parameters()


@pytest.mark.parametrize("name", sorted(SCENARIOS))
@pytest.mark.parametrize("seed", range(5))
def test_a_perturbation_is_of_the_size_it_says(name: str, seed: int) -> None:
    before = numbers(SCENARIOS[name])
    after = numbers(SCENARIOS[name].perturbed(0.2, seed))  # a World: its bounds are kept
    kept = {where for where in before if where.startswith(KEPT)}
    assert all(after[where] == before[where] for where in kept)
    ratios = np.array([after[w] / before[w] for w in before if before[w] and w not in kept])
    assert np.abs(np.log(ratios)).max() <= np.log(1.2) + 1e-12
    assert all(after[where] == 0.0 for where in before if before[where] == 0.0)
    inside = np.log(ratios[ratios != 1.0])
    assert len(inside) > 0.9 * len(ratios)
    # uniform within +-ln 1.2: standard deviation ln 1.2 / sqrt 3; what is cut to 1 takes a little
    assert inside.std() == approx(np.log(1.2) / np.sqrt(3), rel=0.15)


def test_a_perturbation_depends_on_its_seed_and_nothing_else() -> None:
    assert BENCH.perturbed(0.2, 3) == BENCH.perturbed(0.2, 3)
    assert numbers(BENCH.perturbed(0.2, 3)) != numbers(BENCH.perturbed(0.2, 4))
    assert BENCH.perturbed(0.0, 3).parameters() == BENCH.parameters()
    factor = [
        SCENARIOS[n].perturbed(0.2, 1).leaving.ad / SCENARIOS[n].leaving.ad for n in SCENARIOS
    ]
    assert factor == approx([factor[0]] * len(factor))  # of the name, not of the value


def test_a_perturbed_world_can_be_lived_in() -> None:
    cohort = Cohort("AdLoad", 50, scenario="bench perturbed 0.2 seed 1", decision="session")
    cohort.reset(seed=0)
    for _ in range(20):
        cohort.step(np.full(50, 13))
    assert np.isfinite(cohort.outcomes["revenue"]).all()


def test_variants_are_found_by_the_name_they_bear() -> None:
    names = (
        "bench shifted 6",
        "bench shifted -2.5",
        "bench perturbed 0.2 seed 3",
        "music shifted 6 perturbed 0.1 seed 0",
        "bench without habit, fatigue shifted 3 perturbed 0.1 seed 2",
    )
    for name in names:
        assert find_world(name).name == name
    assert find_world(names[0]) == BENCH.shifted(6)
    assert find_world(names[2]) == BENCH.perturbed(0.2, 3)
    assert parse("bench without habit, fatigue shifted 3").without == ("habit", "fatigue")
    assert parse("bench") == ("bench", (), None, None, 0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bench shifted soon", 'wanted numbers, as in "bench shifted 6"'),
        ("bench shifted 30", "between -24 and 24"),
        ("bench perturbed 2 seed 1", "a share from 0 to 1"),
        ("bench perturbed nan seed 1", "a share from 0 to 1"),
        ("bench perturbed 0.2 seed -1", "at least 0"),
        ("bench perturbed 0.2", "unknown"),
        ("bensh shifted 6", "Did you mean 'bench'"),
    ],
)
def test_mistakes_are_told(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        find_world(name)
