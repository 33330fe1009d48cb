"""Fitting a world's free parameters to the figures of real logs.

Simulation-based least squares. For knobs theta, each evaluation simulates the same people with
the same luck (common random numbers), so the objective is a function of theta alone, and asks for

    min  sum_i [ln(simulated_i / real_i) / 0.15]^2  +  anchor * |theta - start|^2              (1)

over the fitted figures; theta lives in the unit cube between each knob's bounds (in the logarithm
where a knob is a rate). Probabilities also enter by their complements, at a third of the weight,
because 0.99 for 0.94 is a small error of p and a large one of 1 - p. The weak anchor holds knobs
that the figures say nothing about where they were: their start is the literature's value or ours.
Gauss-Newton steps come from scipy.optimize.least_squares with wide finite differences, whose
simulations may run side by side. The command `longplay calibrate` is in calibration.py.

The 24 + 7 rhythm knobs are fitted apart, by a fixed point: the logarithm of each multiplier gains
0.8 ln(real share / simulated share) and the shares are simulated again (2). Between hours the gain
is averaged with weights 1/4, 1/2, 1/4: sessions smear the hours, and undoing that to the last
digit would make a saw of the noise.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from longplay.envs.scenarios import World
from longplay.experiments.fitting.lives import LEAST_DAYS, People, figures_of, simulate_plays
from longplay.experiments.fitting.playlog import Figures, Floats, figures
from longplay.experiments.fitting.realism import Targets
from longplay.experiments.run import Refused

COMPLEMENT = 1.0 / 3.0  # weight of 1 - p beside p
PROBABILITIES = ("active_next.",)  # figures that also enter by their complement
BAND = 0.15  # relative misfit of a figure that counts as one unit in (1)
DAMPING = 0.8  # of the rhythm's fixed point (2)
LEAST_SHARE = 1e-5  # an hour or weekday with a smaller share of plays counts as one with this


class Knob(NamedTuple):
    """A free number of a world: where it stands and how far it may go."""

    path: str  # "returning.rate"; "leaving.bias.0" one of a tuple, "leaving.bias" their mean
    low: float
    high: float
    log: bool = False  # moves in proportion

    def to_unit(self, value: float) -> float:
        """Where ``value`` lies between the bounds [0, 1]."""
        low, high = self._ends()
        at = ((math.log(max(value, self.low)) if self.log else value) - low) / (high - low)
        return min(1.0, max(0.0, at))

    def from_unit(self, at: float) -> float:
        """The value at ``at`` of the way between the bounds."""
        low, high = self._ends()
        value = low + at * (high - low)
        return math.exp(value) if self.log else value

    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)


KNOBS = (
    Knob("returning.rate", 0.05, 2.0, log=True),
    Knob("returning.pause", 0.1, 10.0, log=True),
    Knob("returning.slowing", 0.1, 1.2),
    Knob("returning.habit", 0.0, 2.5),
    Knob("population.tempo_sd", 0.1, 1.5),
    Knob("leaving.bias", -7.0, -2.0),
    Knob("leaving.first", 0.0, 4.0),
    Knob("leaving.fatigue", 0.0, 2.0),
    Knob("population.stamina_sd", 0.05, 1.5),
    Knob("intent.share.3", 0.02, 0.5, log=True),
    Knob("attention.pause_chance", 0.01, 0.4, log=True),
    Knob("attention.pause_minutes", 2.0, 25.0),
    Knob("dwell.scale", 100.0, 1e6, log=True),
    Knob("dwell.swing", 0.0, 12.0),
    Knob("dwell.hurry.1", -1.5, -0.1),
    Knob("dwell.hurry.3", -1.0, 6.0),
    Knob("population.skippiness_sd", 0.2, 5.0),
    Knob("catalogue.minutes", 3.2, 4.0),
    Knob("repeats.share", 0.0, 1.0),
    Knob("repeats.decay", 0.0, 2.0),
)
IMPRESSION_KNOBS = (
    Knob("dwell.weibull", 0.3, 1.5),
    Knob("dwell.scale", 3.0, 60.0, log=True),
    Knob("dwell.least", 0.2, 1.5),
    Knob("dwell.stretch", 0.0, 1.0),
    Knob("dwell.match", 0.0, 2.0),
    Knob("dwell.swing", 0.0, 4.0),
    Knob("dwell.hurry.1", -4.0, 0.0),
    Knob("dwell.hurry.2", -1.0, 2.0),
    Knob("population.skippiness_sd", 0.2, 3.0),
    Knob("feedback.like", -9.0, -2.0),
    Knob("feedback.save", -10.0, -2.0),
    Knob("feedback.share", -10.0, -2.0),
    Knob("feedback.hide", -12.0, -3.0),
    Knob("feedback.early", 0.02, 1.0),
    Knob("feedback.late", 0.02, 1.0),
    Knob("feedback.slope", 0.2, 2.5),
)
NEWCOMER_KNOBS = (
    Knob("returning.rate", 0.005, 1.0, log=True),
    Knob("returning.pause", 0.05, 10.0, log=True),
    Knob("returning.slowing", 0.1, 1.5),
    Knob("returning.habit", 0.0, 6.0),
    Knob("population.tempo_sd", 0.1, 3.0),
    Knob("population.churn_a", 0.05, 3.0, log=True),
    Knob("population.churn_b", 0.05, 10.0, log=True),
    Knob("population.habit_median", 0.005, 0.5, log=True),
    Knob("population.habit_spread", 0.1, 2.0),
    Knob("churn.period", 0.1, 60.0, log=True),
    Knob("churn.habit", 0.0, 10.0),
    Knob("churn.satisfaction", 0.0, 4.0),
)
KNOBS_OF = {"plays": KNOBS, "impressions": IMPRESSION_KNOBS, "newcomers": NEWCOMER_KNOBS}


def get(world: World, path: str) -> float:
    """The number at ``path`` in a world; of a tuple, its mean.

    Raises:
        ValueError: the path leads nowhere.
    """
    node: Any = world
    try:
        for name in path.split("."):
            node = node[int(name)] if name.isdigit() else getattr(node, name)
        return float(np.mean(node))
    except (AttributeError, IndexError, TypeError) as fault:
        raise ValueError(
            f"No number at {path!r} in world {world.name!r}; paths look like 'returning.rate' or "
            "'leaving.bias.0'."
        ) from fault


def turned(world: World, values: Mapping[str, float]) -> World:
    """The world with the numbers at some paths replaced; the world itself stays as it is.

    A path to a whole tuple moves all its numbers alike, until their mean is the value.

    Raises:
        ValueError: a path leads nowhere.
    """
    for path, value in values.items():
        shift = float(value) - get(world, path)
        part, name, *at = path.split(".")
        old = getattr(getattr(world, part), name)
        new: float | tuple[float, ...]
        if at:
            new = tuple(v + shift * (i == int(at[0])) for i, v in enumerate(old))
        elif isinstance(old, tuple):
            new = tuple(v + shift for v in old)
        else:
            new = float(value)
        world = world.replace(world.name, **{part: {name: new}})
    return world


def residuals(simulated: Figures, targets: Targets) -> Floats:
    """The sum's terms in (1) for the fitted scalar figures, before squaring.

    A figure that the simulation cannot give (nobody was ever idle for a week) counts as a miss
    by a factor of e.
    """
    out = []
    for name, real in targets.scalars.items():
        if name not in targets.fitted:
            continue
        value = simulated.scalars.get(name, math.nan)
        out.append(_log_ratio(value, real) / BAND)
        if name.startswith(PROBABILITIES) and real < 1.0:
            out.append(COMPLEMENT * _log_ratio(1.0 - value, 1.0 - real) / BAND)
    return np.array(out)


def _log_ratio(value: float, real: float) -> float:
    if not math.isfinite(value):
        return 1.0
    return math.log(max(value, 1e-3 * real) / real)


@dataclass(frozen=True)
class Fit:
    """A fitted world and how it was found."""

    world: World
    values: dict[str, float]  # of the knobs
    cost: float  # (1) without the anchor
    evaluations: int
    doubt: dict[str, float]  # standard error of each knob in units of its range; large: flat


def fit(
    world: World,
    targets: Targets,
    knobs: Sequence[Knob],
    simulate: Callable[[World], Figures],
    anchor: float = 0.3,
    step: float = 0.1,
    evaluations: int = 200,
    report: Callable[[str], None] = print,
    jobs: int = 1,
) -> Fit:
    """Turn ``knobs`` of ``world`` until its figures are those of ``targets``: equation (1).

    Args:
        world: where to start.
        targets: figures wanted; only the fitted ones count.
        knobs: what may be turned.
        simulate: a world's figures; the same world must give the same figures.
        anchor: pull of the starting point.
        step: of the finite differences, as a part of a knob's range; wide, because lives that
            differ a little soon differ by chance.
        evaluations: about how many simulations to spend.
        report: told of progress, one line at a time.
        jobs: simulations side by side, in threads; the result does not depend on it.
    """
    try:
        from scipy.optimize import least_squares
    except ImportError:
        raise Refused(
            'Fitting needs scipy, which is not installed; run: pip install "longplay[experiments]"'
        ) from None

    start = np.array([knob.to_unit(get(world, knob.path)) for knob in knobs])
    search = _Search(world, targets, tuple(knobs), simulate, start, anchor, report, jobs)
    margin = 1e-6
    found = least_squares(
        lambda shifted: search.terms_at([shifted - 1.0])[0],
        np.clip(start, margin, 1.0 - margin) + 1.0,
        jac=lambda shifted: search.slopes_at(shifted - 1.0, step),
        bounds=(np.full(len(knobs), 1.0), np.full(len(knobs), 2.0)),
        x_scale=1.0,
        ftol=1e-3,
        xtol=1e-3,
        max_nfev=max(2, evaluations // (len(knobs) + 1)),
    )
    values = values_at(knobs, found.x - 1.0)
    terms = found.fun[: -len(knobs)]
    spread = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac)))
    doubt = {k.path: float(s) for k, s in zip(knobs, spread, strict=True)}
    cost = float((terms**2).sum())
    return Fit(turned(world, values), values, cost, len(search.seen), doubt)


def values_at(knobs: Sequence[Knob], x: Floats) -> dict[str, float]:
    """The knobs' values at a point of the unit cube."""
    return {k.path: k.from_unit(float(a)) for k, a in zip(knobs, x, strict=True)}


@dataclass
class _Search:
    """The terms of (1) at points of the unit cube, each point simulated once."""

    world: World
    targets: Targets
    knobs: tuple[Knob, ...]
    simulate: Callable[[World], Figures]
    start: Floats  # (knobs,)
    anchor: float
    report: Callable[[str], None]
    jobs: int
    seen: dict[bytes, Floats] = field(default_factory=dict)
    best: float = math.inf

    def terms_at(self, points: Sequence[Floats]) -> list[Floats]:
        """The terms at several points, the anchor's last."""
        fresh = {x.tobytes(): x for x in points if x.tobytes() not in self.seen}
        worlds = [turned(self.world, values_at(self.knobs, x)) for x in fresh.values()]
        for (key, x), told in zip(
            fresh.items(), side_by_side(self.simulate, worlds, self.jobs), strict=True
        ):
            terms = residuals(told, self.targets)
            self.seen[key] = np.concatenate([terms, math.sqrt(self.anchor) * (x - self.start)])
            cost = float((terms**2).sum())
            if cost < self.best:
                self.best = cost
                worst = BAND * float(np.abs(terms).max())
                self.report(f"{len(self.seen):4d} simulations: cost {cost:8.3f}, worst {worst:.2f}")
        return [self.seen[x.tobytes()] for x in points]

    def slopes_at(self, x: Floats, step: float) -> Floats:
        """Finite differences over ``step``, away from the nearer bound; (terms, knobs)."""
        signed = np.where(x <= 0.5, step, -step)
        here, *there = self.terms_at([x, *(x + np.diag(signed))])
        return np.stack([(f - here) / h for f, h in zip(there, signed, strict=True)], axis=1)


def side_by_side(
    simulate: Callable[[World], Figures], worlds: Sequence[World], jobs: int
) -> list[Figures]:
    """The figures of several worlds, ``jobs`` at a time; the compiled loops let threads run.

    On an error or Ctrl-C, what is under way is finished and nothing more is begun.
    """
    if jobs == 1 or len(worlds) < 2:
        return [simulate(world) for world in worlds]
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(simulate, world) for world in worlds]
        try:
            return [told.result() for told in waiting]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def fit_rhythm(
    world: World,
    targets: Targets,
    simulate: Callable[[World], Figures],
    rounds: int = 4,
    report: Callable[[str], None] = print,
) -> World:
    """Turn the daily and weekly multipliers until the profiles are those of ``targets`` (2).

    Their means stay 1, so that the return rate keeps its meaning. Targets that tell nothing of
    hours and weekdays leave the world as it is.
    """
    if not {"hours", "weekdays"} <= set(targets.profiles):
        return world
    for number in range(rounds):
        shares = simulate(world).profiles
        if not shares:
            raise Refused(
                f"In world {world.name!r} nobody is active for {LEAST_DAYS} days, so there are no "
                "figures to compare; simulate more users or days, or start from another world."
            )
        rhythm: dict[str, tuple[float, ...]] = {}
        for name, part in (("hours", "day"), ("weekdays", "week")):
            wanted = np.maximum(targets.profiles[name], LEAST_SHARE)
            gain = DAMPING * np.log(wanted / np.maximum(shares[name], LEAST_SHARE))
            if part == "day":
                gain = 0.5 * gain + 0.25 * (np.roll(gain, 1) + np.roll(gain, -1))
            raised = np.array(getattr(world.returning, part)) * np.exp(gain)
            rhythm[part] = tuple((raised / raised.mean()).tolist())
            off = 0.5 * np.abs(targets.profiles[name] - shares[name]).sum()
            report(f"rhythm, round {number + 1}: {name} total variation {off:.4f}")
        world = world.replace(world.name, returning=rhythm)
    return world


def simulator(
    users: int,
    days: float,
    seed: int,
    threads: int | None = None,
    first_user: int = 0,
    targets: Targets | None = None,
) -> Callable[[World], Figures]:
    """Figures of a world by simulating always the same people with the same luck.

    The kind of figures is that of ``targets``; None takes plays. Of a world where nobody stays
    long enough to be compared, there are none.
    """
    if targets is not None and targets.kind != "plays":
        kind, watched = targets.kind, targets.watched_days
        people = People(users, days, seed, first_user, threads)
        return lambda world: figures_of(world, kind, people, watched)

    def simulate(world: World) -> Figures:
        plays = simulate_plays(world, users, days, seed, first_user, threads)
        return figures(plays) if plays.user.size else Figures(0, 0, 0, {}, {}, {})

    return simulate
