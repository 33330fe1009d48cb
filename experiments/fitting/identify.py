"""What the figures say about a world's parameters, and what they leave open.

Two views, because each can be wrong where the other is right:

*Other starts.* The fit is repeated from other points of the knobs' box: half-way from the
scenario's own point to a random one. Those whose cost ends within 1.1 times the best one plus 1
(one figure 15 % off) fit as well; how far their knobs lie apart is what the figures leave open.

*Slopes.* At the fitted point, the terms r of the cost (calibrate.py, equation (1)) are
differentiated over a wide step h to both sides,

    J[i, k] = (r_i(theta + h e_k) - r_i(theta - h e_k)) / 2 h                               (1)

once for each half of the people, A and B. What chance does to one half it does not do to the
other, so

    M = (J_A^T J_B + J_B^T J_A) / 2                                                         (2)

is the curvature of the cost with the noise of simulation left out on average (J^T J has it in
every entry, and would call a knob that does nothing but reshuffle luck well determined). Moving
by t along a unit vector v raises the cost by t^2 v^T M v. What is left of the cost at the best
point, per spare figure, is the unit that rises are measured by,

    s^2 = cost / (terms - knobs),  at least 0.01 (figures 1.5 % off)                        (3)

and a knob's *reach* is its standard error by least squares, where the bounds count as knowledge
too: anywhere between them alone is a standard error of 1 / sqrt(12) = 0.29 of the range,

    reach_k = sqrt([(M_+ / s^2 + 12 I)^-1]_kk),  M_+: M with no eigenvalue below 0.         (4)

A direction is *flat* if moving along it by a quarter of the knobs' ranges raises the cost by less
than s^2. A knob is *pinned* if its reach is at most an eighth of its range and starts that fit as
well lie within a quarter of it. The limits are free choices. Not validated beyond the one case in
docs/calibration.md.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from longplay.envs.scenarios import World
from longplay.experiments.fitting.calibrate import (
    Fit,
    Knob,
    get,
    residuals,
    side_by_side,
    turned,
    values_at,
)
from longplay.experiments.fitting.playlog import Figures, Floats
from longplay.experiments.fitting.realism import Targets

STEP = 0.1  # h of (1), as a part of a knob's range
FLAT = 16.0  # eigenvalues of M / s^2 below this are flat directions: a quarter of the range
BOUNDS = 12.0  # what the bounds alone say about a knob: 1 / variance of anywhere between them
LEAST = 0.01  # of s^2
NARROW = 0.125  # reach of a pinned knob, as a part of its range
TOGETHER = 0.25  # spread of a pinned knob over starts that fit as well
LOOSER, MORE = 1.1, 1.0  # starts fit as well up to LOOSER * best cost + MORE
TOLD = 5  # directions put in words, flattest first
NAMED = 0.3  # parts of a direction below this are not named


@dataclass(frozen=True)
class Direction:
    """A combination of knobs that the figures hardly see."""

    rise: float  # of the cost if a quarter of the ranges is moved [s^2]; by luck below 0
    parts: dict[str, float]  # of the unit vector, the largest first

    def words(self) -> str:
        """The combination in words."""
        ends = [f"{path} {'up' if part > 0 else 'down'}" for path, part in self.parts.items()]
        return " with ".join([", ".join(ends[:-1]), ends[-1]]) if len(ends) > 1 else ends[0]


@dataclass(frozen=True)
class Standing:
    """One knob: what it was, what it is, and how well the figures hold it."""

    knob: Knob
    before: float
    after: float
    reach: float  # (4), in units of the range; at most 0.29
    ends: tuple[float, float]  # the value one reach below and above, within the bounds
    starts: tuple[float, ...]  # its values in the fits that are as good as the best, best first
    pinned: bool


@dataclass(frozen=True)
class Identified:
    """Every knob, and the directions that are flat."""

    knobs: tuple[Standing, ...]
    flat: tuple[Direction, ...]
    costs: tuple[float, ...]  # of all fits: the scenario's own start, then the others
    kept: tuple[int, ...]  # which of them are as good as the best


def other_starts(world: World, knobs: Sequence[Knob], number: int, seed: int) -> list[World]:
    """The world at other points of the knobs' box, always the same for a seed."""
    rng = np.random.default_rng([seed, len(knobs)])
    here = np.array([knob.to_unit(get(world, knob.path)) for knob in knobs])
    points = [0.5 * (here + rng.random(len(knobs))) for _ in range(number)]
    return [turned(world, values_at(knobs, x)) for x in points]


def as_good(costs: Sequence[float]) -> tuple[int, ...]:
    """The fits whose cost is near the best one's, best first."""
    limit = LOOSER * min(costs) + MORE
    order = sorted(range(len(costs)), key=lambda i: costs[i])
    return tuple(i for i in order if costs[i] <= limit)


def slopes(
    world: World,
    targets: Targets,
    knobs: Sequence[Knob],
    simulate: Callable[[World], Figures],
    jobs: int = 1,
) -> Floats:
    """Equation (1), inside the bounds; (terms, knobs)."""
    here = np.array([knob.to_unit(get(world, knob.path)) for knob in knobs])
    above, below = np.minimum(here + STEP, 1.0), np.maximum(here - STEP, 0.0)
    points = []
    for k in range(len(knobs)):
        for end in (above, below):
            x = here.copy()
            x[k] = end[k]
            points.append(turned(world, values_at(knobs, x)))
    terms = [residuals(told, targets) for told in side_by_side(simulate, points, jobs)]
    rises = [up - down for up, down in zip(terms[::2], terms[1::2], strict=True)]
    found: Floats = np.stack(rises, axis=1) / (above - below)
    return found


def curvature(one: Floats, other: Floats) -> Floats:
    """Equation (2), from the slopes of the two halves of the people; (knobs, knobs)."""
    cross = one.T @ other
    both: Floats = 0.5 * (cross + cross.T)
    return both


def unit(cost: float, terms: int, knobs: int) -> float:
    """Equation (3)."""
    return max(cost / max(1, terms - knobs), LEAST)


def reaches(m: Floats) -> Floats:
    """Equation (4) from M / s^2, in units of the knobs' ranges; (knobs,)."""
    values, vectors = np.linalg.eigh(m)
    reach: Floats = np.sqrt((vectors**2 / (np.maximum(values, 0.0) + BOUNDS)).sum(axis=1))
    return reach


def flat_directions(m: Floats, knobs: Sequence[Knob]) -> tuple[Direction, ...]:
    """The eigenvectors of M / s^2 that hardly raise the cost, flattest first."""
    values, vectors = np.linalg.eigh(m)
    found = []
    for value, vector in zip(values, vectors.T, strict=True):
        if value < FLAT:
            v = vector * np.sign(vector[np.argmax(np.abs(vector))])
            order = np.argsort(-np.abs(v), kind="stable")
            parts = {knobs[i].path: float(v[i]) for i in order if abs(v[i]) >= NAMED}
            found.append(Direction(float(value) / 16.0, parts or {knobs[order[0]].path: 1.0}))
    return tuple(found)


def identified(
    before: World,
    after: World,
    fits: Sequence[Fit],
    knobs: Sequence[Knob],
    halves: tuple[Floats, Floats],
) -> Identified:
    """Put both views together.

    Args:
        before: the scenario as it was.
        after: the fitted world.
        fits: from the scenario's own start, then from the others.
        knobs: what was turned.
        halves: slopes at ``after`` of the two halves of the people, each (terms, knobs).
    """
    costs = [one.cost if math.isfinite(one.cost) else math.inf for one in fits]
    kept = as_good(costs)
    m = curvature(*halves) / unit(min(costs), *halves[0].shape)
    standings = []
    for knob, reach in zip(knobs, reaches(m), strict=True):
        value = get(after, knob.path)
        at = knob.to_unit(value)
        ends = (knob.from_unit(max(0.0, at - reach)), knob.from_unit(min(1.0, at + reach)))
        starts = tuple(fits[i].values[knob.path] for i in kept)
        units = [knob.to_unit(v) for v in starts]
        pinned = bool(reach <= NARROW and max(units) - min(units) <= TOGETHER)
        standings.append(
            Standing(knob, get(before, knob.path), value, float(reach), ends, starts, pinned)
        )
    return Identified(tuple(standings), flat_directions(m, knobs), tuple(costs), kept)


def in_words(found: Identified) -> list[str]:
    """What the figures do not pin down, in sentences."""
    loose = [one.knob.path for one in found.knobs if not one.pinned]
    said = []
    if not loose:
        said.append(f"All {len(found.knobs)} knobs are pinned down by the figures.")
    else:
        said.append(
            f"The figures pin down {len(found.knobs) - len(loose)} of {len(found.knobs)} knobs. "
            f"They leave open: {', '.join(loose)}. Another value of these fits about as well, so "
            "nothing should be concluded from the value found."
        )
    for way in found.flat[:TOLD]:
        if len(way.parts) > 1:
            said.append(f"Together, {way.words()} changes hardly anything that the figures see.")
        else:
            said.append(f"By itself, {next(iter(way.parts))} is hardly seen by the figures.")
    if len(found.flat) > TOLD:
        said.append(f"There are {len(found.flat) - TOLD} more such directions, each less flat.")
    others = len(found.costs) - 1
    if others:
        good = len(found.kept) - (0 in found.kept)
        told = ", ".join(f"{cost:.1f}" for cost in found.costs)
        said.append(
            f"{good} of {others} other start{'s' * (others > 1)} ended as well as the best "
            f"(costs, the scenario's own start first: {told}; as good is up to "
            f"{LOOSER:g} × the best + {MORE:g})."
        )
        if len(found.kept) == 1:
            said.append(
                "With a single fit as good as the best, the spread over starts says nothing; the "
                "reach rests on the slopes alone."
            )
    return said
