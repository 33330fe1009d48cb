"""A/B tests in great number: a design of changes that is lived through, and tests drawn from it.

Platforms change three things, the levers: how many sessions show two ads more or none at all, how
deep slates reach into a ranking, and how sharply they follow the estimate of taste. People live
through a design of such changes with the same luck, and a quadratic surface gives the effect of
any change on what is measured of a user. The noise of two arms of n users each is that of means:
normal, with the covariance of 2 / n times that of people of the control, corrected for what was
known of each before. So a test costs one draw of a change and one of noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.envs.scenarios import World
from longplay.experiments.facts.fact import Floats
from longplay.experiments.facts.lab import Lab, mixture, undying, watch
from longplay.experiments.facts.stages import OTHERS

KNOWN = ("active_rate", "visit_rate", "minutes_rate", "streak")  # of each user at the start
USUAL, MORE = (8,), (2, 3)  # ad layouts
LEVERS = 3
SIZES = np.array([0.02, 0.03, 0.02])  # of changes: share of sessions, two logs; free choice
WIDEST = np.array([1.0, 1.2, 0.9])  # range of the design; free choice
TAIL = 1.3  # degrees of freedom of the sizes, Azevedo et al., JPE 2020 [M]
Z = 1.959964  # of a two-sided test at 5 %
TINY = 1e-12  # share of the largest singular value that is lost in rounding


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int  # who live through each change of the design
    control: int  # people who give the covariance
    changes: int = 24


@dataclass(frozen=True)
class Watched:
    """What is measured of each person in a test."""

    columns: tuple[str, ...]  # of outcomes, summed over periods
    edges: tuple[float, ...]  # of the periods [day]
    metrics: Callable[[Mapping[str, Floats]], Floats]  # from sums (people, periods): (people, m)


def changed(lab: Lab, lever: Floats) -> World:
    """The platform with its retrieval changed."""
    world = lab.world
    return world.replace(
        "changed",
        serving={"reach": min(1.0, world.serving.reach * float(np.exp(lever[1])))},
        population={"focus": world.population.focus * float(np.exp(lever[2]))},
    )


def live(
    lab: Lab, people: range, watched: Watched, lever: Floats, seed: int, mortal: bool
) -> tuple[Floats, Floats]:
    """KNOWN of some people, (people, 4), and what is measured of them under a change (people, m).

    ``mortal`` people can be lost; others count by the probability of their deaths.
    """
    world = changed(lab, lever)
    cohort = lab.cohort(
        len(people), 1, watched.edges[-1], seed,
        world=world if mortal else undying(world), first=people.start,
    )  # fmt: skip
    known = np.column_stack([cohort.users[name] for name in KNOWN]).astype(np.float64)
    choose = mixture(USUAL, MORE if lever[0] > 0 else (), abs(float(lever[0])), salt=35)
    sums = watch(cohort, choose, watched.columns, watched.edges, mortal=None if mortal else world)
    return known, watched.metrics(sums)


def compared(
    lab: Lab, people: range, levers: Floats, seed: int, watched: Watched
) -> dict[str, Floats]:
    """What each change moves, summed over some people who live without it, too: (changes, m)."""

    def lived(lever: Floats) -> Floats:
        return live(lab, people, watched, lever, seed, mortal=False)[1]

    base = lived(np.zeros(LEVERS))
    moved = np.zeros((len(levers), base.shape[1]))
    for at, lever in enumerate(levers):
        moved[at] = (lived(lever) - base).sum(axis=0)
        lab.told((at + 2) / (len(levers) + 1))
    return {"moved": moved}


def products(lab: Lab, people: range, seed: int, watched: Watched) -> dict[str, Floats]:
    """Sums over some people of the control, who can be lost, of products of 1, KNOWN and metrics.

    They are a matrix (1 + 4 + m, 1 + 4 + m).
    """
    known, found = live(lab, people, watched, np.zeros(LEVERS), seed, mortal=True)
    values = np.column_stack([np.ones(len(people)), known, found])
    return {"products": values.T @ values}


def covariance_of_rest(products: Floats, known: int) -> Floats:
    """Covariance of what regressions on the first ``known`` values leave of the others, (m, m).

    ``products`` (1 + known + m, 1 + known + m) are sums of those of 1 and all values of n people.
    The covariance is over n - 1. Values are measured in their root mean squares, so that what
    hardly varies, and would be told by cancelled digits alone, is left out of the regressions.
    """
    people = products[0, 0]
    size = np.sqrt(np.diag(products) / people)
    size[size == 0.0] = 1.0
    moments = products / people / np.outer(size, size)
    about = (moments - np.outer(moments[0], moments[0]))[1:, 1:]  # their means
    beside = about[:known, known:]
    weights: Any = np.linalg.lstsq(about[:known, :known], beside, rcond=TINY)[0]
    left = (about[known:, known:] - beside.T @ weights) * people / (people - 1.0)
    covariance: Floats = left * np.outer(size[1 + known :], size[1 + known :])
    return (covariance + covariance.T) / 2.0


def features(levers: Floats) -> Floats:
    """Linear, square and mixed terms, (n, 9)."""
    pairs = [levers[:, i] * levers[:, j] for i in range(LEVERS) for j in range(i, LEVERS)]
    terms: Floats = np.column_stack([levers, *pairs])
    return terms


def surface_of(lab: Lab, settings: Settings, seed: int, watched: Watched) -> dict[str, Floats]:
    """The surface of effects (9, m), and the covariance of the control's people (m, m).

    The latter is of their metrics corrected for KNOWN.
    """
    rng = np.random.default_rng(seed)
    levers = rng.uniform(-WIDEST, WIDEST, (settings.changes, LEVERS))
    moved = lab.sums(compared, settings.people, levers, seed, watched)["moved"]
    control = lab.sums(products, settings.control, seed, watched, first=OTHERS)["products"]
    surface: Any = np.linalg.lstsq(features(levers), moved / settings.people, rcond=None)[0]
    return {"surface": surface, "covariance": covariance_of_rest(control, len(KNOWN))}


def drawn(rng: np.random.Generator, count: int) -> Floats:
    """Changes of A/B tests, mostly small, (n, 3)."""
    sizes = SIZES / np.sqrt(rng.chisquare(TAIL, (count, 1)) / TAIL)
    levers: Floats = np.clip(sizes * rng.normal(size=(count, LEVERS)), -WIDEST, WIDEST)
    return levers


def arm_between(share: Callable[[float], float], wanted: float) -> tuple[float, float]:
    """Logs of two neighbouring sizes of an arm, between which ``share`` comes to exceed ``wanted``.

    share: of tests that are significant with arms of so many users [log]; it rises with them.
    Sizes from ten to 10^9 users are tried.
    """
    low, high = float(np.log(10.0)), float(np.log(1e9))
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if share(middle) > wanted else (middle, high)
    return low, high
