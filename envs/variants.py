"""Worlds that differ a little from another: what if what was believed of people is not so?

    find_world("bench").shifted(6)                    "bench shifted 6"
    find_world("bench").perturbed(0.2, seed=3)        "bench perturbed 0.2 seed 3"
    find_world("bench").without("habit").shifted(6)   "bench without habit shifted 6"

A policy trained in one of them and tested in another tells what it owes to knowing the world
(`longplay misspecify`). Mechanisms are switched off by ablations.py.
"""

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from longplay.envs.bounds import BOUNDS, INF

if TYPE_CHECKING:
    from longplay.envs.scenarios import World

NAME = re.compile(
    r"(?P<plain>.+?)"
    r"(?: without (?P<without>.+?))?"
    r"(?: shifted (?P<hours>\S+))?"
    r"(?: perturbed (?P<share>\S+) seed (?P<seed>\S+))?"
)
# not people: what retrieves and asks, and what is drawn as a whole number or a seed
KEPT = ("serving", "survey", "catalogue.items", "catalogue.seed")


class Variant(NamedTuple):
    """A variant's name, taken apart."""

    plain: str  # name of the scenario
    without: tuple[str, ...]  # mechanisms that are switched off
    hours: float | None  # the rhythm is shifted by
    share: float | None  # parameters are perturbed by
    seed: int  # of the perturbation

    def of(self, world: "World") -> "World":
        """This variant of a world.

        Raises:
            ValueError: for a mechanism that does not exist, or a number out of range.
        """
        if self.without:
            world = world.without(*self.without)
        if self.hours is not None:
            world = world.shifted(self.hours)
        if self.share is not None:
            world = world.perturbed(self.share, self.seed)
        return world


def parse(name: str) -> Variant:
    """A name such as "bench without habit, fatigue shifted 6 perturbed 0.2 seed 3", taken apart.

    Raises:
        ValueError: for a number that is none.
    """
    found = NAME.fullmatch(name)
    if found is None:
        return Variant(name, (), None, None, 0)
    part = found.groupdict()
    try:
        return Variant(
            part["plain"],
            tuple(part["without"].split(", ")) if part["without"] else (),
            None if part["hours"] is None else float(part["hours"]),
            None if part["share"] is None else float(part["share"]),
            int(part["seed"] or 0),
        )
    except ValueError:
        raise ValueError(
            f'scenario={name!r}: wanted numbers, as in "{part["plain"]} shifted 6" or '
            f'"{part["plain"]} perturbed 0.2 seed 3".'
        ) from None


def shifted(world: "World", hours: float) -> "World":
    """The world in which everything of the day happens `hours` later by the clock.

    Raises:
        ValueError: unless hours lies between -24 and 24.
    """
    if not -24.0 <= hours <= 24.0:
        raise ValueError(f"shifted {hours}: wanted hours between -24 and 24.")
    return world.replace(
        f"{world.name} shifted {hours:g}",
        returning={"night": (world.returning.night + hours) % 24.0},
        intent={"noon": tuple((noon + hours) % 24.0 for noon in world.intent.noon)},
    )


def perturbed(world: "World", share: float, seed: int) -> "World":
    """The world in which every number of every law is a little off, by chance.

    Each number x of the laws, the people and the catalogue becomes x exp(e), e uniform between
    -ln(1 + share) and ln(1 + share), cut to the bounds of bounds.py; 0 stays 0. The platform's own
    (KEPT) and how a study is judged stay as they are. A parameter's draw depends on its name and
    the seed alone, so that a new law changes no other's.

    Raises:
        ValueError: unless 0 <= share <= 1 and seed is at least 0.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"perturbed {share}: wanted a share from 0 to 1, such as 0.2.")
    if seed < 0:
        raise ValueError(f"perturbed by seed {seed}: wanted a whole number of at least 0.")
    reach = np.log1p(share)
    changes: dict[str, dict[str, Any]] = {}
    for part, values in world.parameters().items():
        for name, value in values._asdict().items():
            where = f"{part}.{name}"
            if part in KEPT or where in KEPT:
                continue
            rng = np.random.default_rng([seed, *where.encode()])
            factor = np.exp(rng.uniform(-reach, reach, np.shape(value)))
            off = np.clip(np.asarray(value) * factor, *BOUNDS.get(where, (-INF, INF)))
            changes.setdefault(part, {})[name] = tuple(off) if np.ndim(value) else float(off)
    return world.replace(f"{world.name} perturbed {share:g} seed {seed}", **changes)
