"""Retention does not follow from the clicks that are rewarded.

In a simulator where return grows with engagement, whoever maximises clicks "improves retention" by
construction. Here the link from engagement to satisfaction is a parameter, 0 unless set, and a
click-maximiser is seen to win clicks and lose people.
"""

import numpy as np
import numpy.typing as npt
import pytest

from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import World, find_world
from longplay.envs.spaces import SCORERS

USERS = 800


def lived(world: World, **weights: float) -> dict[str, npt.NDArray[np.float64]]:
    """What people do in 77 days under these weights of the scorers, by user."""
    cohort = Cohort("Feed", USERS, scenario=world, decision="session", autoreset_mode="DISABLED")
    cohort.reset(seed=2)
    action = np.array([weights.get(name, 0.0) for name in SCORERS], np.float32)
    sums = {name: np.zeros(USERS) for name in ("plays", "looked", "active_day")}
    while not cohort.over.all():
        cohort.step(np.tile(action, (USERS, 1)))
        for name in sums:
            sums[name] += cohort.outcomes[name]
    return sums | {"stayed": (cohort.users["gone"] == 0).astype(float)}


def gain(world: World) -> tuple[float, npt.NDArray[np.float64]]:
    """Of a click-maximiser over an indifferent ranker: in plays per look, and in active days."""
    clicks, plain = lived(world, attraction=1.0, affinity=0.5), lived(world)
    rate = [each["plays"].sum() / each["looked"].sum() for each in (clicks, plain)]
    return rate[0] - rate[1], clicks["active_day"] - plain["active_day"]


@pytest.fixture(scope="module")
def unlinked() -> tuple[float, npt.NDArray[np.float64]]:
    world = find_world("bench")
    assert world.satisfaction.link == 0.0
    return gain(world)


def test_a_click_maximiser_wins_clicks_and_does_not_raise_retention(
    unlinked: tuple[float, npt.NDArray[np.float64]],
) -> None:
    clicks, days = unlinked
    assert clicks > 0.02  # it does what it is for
    upper = days.mean() + 1.96 * days.std(ddof=1) / np.sqrt(USERS)
    assert upper < 0.0, days.mean()


def test_with_a_link_clicks_would_seem_to_do_less_harm(
    unlinked: tuple[float, npt.NDArray[np.float64]],
) -> None:
    """The trap is a parameter: the more engagement feeds satisfaction, the less clickbait costs."""
    _, without = unlinked
    linked = find_world("bench").replace("linked", satisfaction={"link": 1.0})
    _, days = gain(linked)
    better = days - without
    assert better.mean() - 1.96 * better.std(ddof=1) / np.sqrt(USERS) > 0.0


def test_no_scenario_has_the_link() -> None:
    from longplay.envs.scenarios import SCENARIOS

    assert {name for name, world in SCENARIOS.items() if world.satisfaction.link != 0.0} == set()
