"""The laboratory: people in arms of an experiment, watched by calendar.

An arm is a copy of the same people with the same luck: lane ``arm * people + person``. What
happens is summed over periods of the study, lane by lane; a user's sessions count in the period
in which they begin. Nobody waits for anybody: users' clocks differ between steps, so whatever
changes with the calendar is decided by each user's own clock.

People are walked block by block (stages.py), by `Lab.sums` or `Lab.rows`, so that any number of
workers can share a measurement. A walk is a function of the module,

    walk(lab, people: range, ...) -> arrays by name

that makes a cohort of these people (`Lab.cohort` of ``len(people)``, ``first=people.start``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.cohort import Cohort
from longplay.envs.compiled import compiled
from longplay.envs.laws.churn import p_gone
from longplay.envs.scenarios import World, packed
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.stages import Arrays, Ask, Kind, Share, Stage, here

Floats = npt.NDArray[np.float64]
Layouts = npt.NDArray[np.int64]
Choose = Callable[[Cohort], Layouts]  # the layout of every lane

MONTH = 30.4375  # [day]


@dataclass(frozen=True)
class Lab:
    """What a measurement may use: a world, and people who live in it.

    Args:
        world: where they live.
        told: told how far the measurement is.
        ask: who walks people for `sums` and `rows`; this process, if nobody else.
    """

    world: World
    told: Share = lambda share: None
    ask: Ask = here

    def sums(
        self,
        walk: Callable[..., Mapping[str, Any]],
        people: int,
        *more: Any,
        arms: int = 1,
        first: int = 0,
    ) -> dict[str, Floats]:
        """Sums over people of what ``walk(lab, some people, *more)`` finds of some.

        arms: lanes of a person, which say how many people are walked side by side.
        first: number of the first person.
        """
        return self._asked("sums", walk, people, more, arms, first)

    def rows(
        self,
        walk: Callable[..., Mapping[str, Any]],
        people: int,
        *more: Any,
        arms: int = 1,
        first: int = 0,
    ) -> Arrays:
        """Rows that ``walk(lab, some people, *more)`` finds of some, in the order of people.

        For what cannot be told by sums: memory grows with people. Ask for rows last: what is known
        goes with every later shard.
        """
        return self._asked("rows", walk, people, more, arms, first)

    def _asked(
        self,
        kind: Kind,
        walk: Callable[..., Mapping[str, Any]],
        people: int,
        more: tuple[Any, ...],
        arms: int,
        first: int,
    ) -> Arrays:
        def of_some(some: range, told: Share) -> Mapping[str, Any]:
            return walk(replace(self, told=told), some, *more)

        return self.ask(Stage(kind, of_some, people, arms, first), self.told)

    def cohort(
        self,
        people: int,
        arms: int,
        days: float,
        seed: int,
        *,
        world: World | None = None,
        first: int = 0,
        **settings: Any,
    ) -> Cohort:
        """``arms`` copies of ``people`` users (first, first + 1, ...), ready for the first step."""
        given = {"task": "AdLoad", "decision": "session"} | settings
        cohort = Cohort(
            num_envs=arms * people,
            scenario=self.world if world is None else world,
            autoreset_mode="DISABLED",
            horizon_days=days,
            threads=1,
            copy=False,
            **given,
        )
        numbers = first + np.tile(np.arange(people), arms)
        cohort.reset(seed=seed, options={"users": numbers})
        return cohort

    def go_on(self, cohort: Cohort, days: float, world: World | None = None) -> Cohort:
        """The same people, watched until ``days`` and, if one is given, in another world.

        Who had reached the old horizon lives on. Near that horizon nobody stayed away for more
        than eight days beyond it: a study in stages has no longer absences there.
        """
        settings = cohort._settings | {"horizon_days": days}
        if world is not None:
            settings["scenario"] = world
        later = Cohort(num_envs=cohort.num_envs, **settings)
        later.restore(cohort.state())
        later.users["over"] = later.users["gone"]
        return later


def luck(cohort: Cohort, salt: int) -> Floats:
    """A uniform number per lane that depends on the person, the session and ``salt`` alone."""
    users = cohort.users
    with np.errstate(over="ignore"):
        word = users["user"].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        word += users["session"].astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)
        word += np.uint64(salt % 2**32) * np.uint64(0x8CB92BA72F3D8DD7)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            word = (word ^ (word >> np.uint64(shift))) * np.uint64(factor)
        word ^= word >> np.uint64(31)
    numbers: Floats = (word >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers


def clock_days(cohort: Cohort) -> Floats:
    """Each user's own time since the study began [day]."""
    days: Floats = cohort.users["clock"] / 24.0
    return days


def mixture(
    light: Sequence[int], heavy: Sequence[int], share: float | Floats, salt: int = 1
) -> Choose:
    """The heavy layout in a ``share`` (lanes,) of sessions, at random, and the light one else."""
    low, high = layout_index(tuple(light)), layout_index(tuple(heavy))

    def choose(cohort: Cohort) -> Layouts:
        return np.where(luck(cohort, salt) < share, high, low)

    return choose


def parted(
    light: Sequence[int],
    heavy: Sequence[int],
    before: float,
    after: Floats,
    day: float,
    salt: int = 1,
) -> Choose:
    """A `mixture` with the share ``before`` until ``day``, and ``after`` (lanes,) from then on."""
    low, high = layout_index(tuple(light)), layout_index(tuple(heavy))

    def choose(cohort: Cohort) -> Layouts:
        share = np.where(clock_days(cohort) < day, before, after)
        return np.where(luck(cohort, salt) < share, high, low)

    return choose


def p_click_times_views(cohort: Cohort, blindness: Floats) -> Floats:
    """Clicks a lane was to be expected to make on the ads it saw in the last step."""
    clicks: Floats = np.exp(blindness) * cohort.outcomes["ad_views"] * cohort.world.ads.click
    return clicks


@compiled
def outlive(users: Any, outs: Any, alive: Any, world: Any) -> None:
    """Multiply ``alive`` (lanes,) by the probability of coming back from the last absence."""
    w = world[0]
    for i in range(len(users)):
        u = users[i]
        out = outs[i]
        if out.fetches > 0.0 and out.ended == 1.0:
            alive[i] *= 1.0 - p_gone(
                u.churn_propensity,
                u.satisfaction,
                u.habit,
                u.ad_memory,
                u.ad_aversion,
                out.away / 24.0,
                w.churn,
            )


def undying(world: World) -> World:
    """The same world, in which nobody is ever lost: churn is left to `watch`'s ``mortal``."""
    return world.replace(f"{world.name}, undying", churn={"period": 1e12})


def watch(
    cohort: Cohort,
    choose: Choose,
    columns: Sequence[str],
    edges: Sequence[float] | npt.NDArray[Any],
    told: Callable[[float], None] = lambda share: None,
    mortal: World | None = None,
    alive: Floats | None = None,
) -> dict[str, Floats]:
    """Live to the horizon; sums of OUTCOME columns by lane and period, (lanes, periods).

    In a cohort of an `undying` world, ``mortal`` is the world by whose law of churn each sum is
    weighted: what a user does counts by the probability that he is still there. The mean is that
    of mortal people, without the noise of who dies. ``alive`` (lanes,), 1 for all if none is
    given, is the weight of each lane at the start; it is brought up to date in place, for a life
    that goes on in another stage.

    ``edges`` are the ends of the periods [day]; ``"expected_clicks"`` counts clicks by their
    probability, which only a simulator knows.
    """
    bounds = 24.0 * np.asarray(edges, np.float64)
    sums = {name: np.zeros((cohort.num_envs, len(bounds) - 1)) for name in columns}
    alive = np.ones(cohort.num_envs) if alive is None else alive
    before = alive.copy()
    law = packed(cohort.world if mortal is None else mortal)
    steps = 0
    while not cohort.over.all():
        blindness = cohort.users["blindness"].copy()
        cohort.step(choose(cohort))
        out = cohort.outcomes
        before[:] = alive
        if mortal is not None:
            outlive(cohort.users, out, alive, law)
        lanes = np.flatnonzero(out["fetches"] > 0)
        period = np.searchsorted(bounds, out["clock"][lanes], side="right") - 1
        inside = (period >= 0) & (period < len(bounds) - 1)
        lanes, period = lanes[inside], period[inside]
        for name, total in sums.items():
            if name == "expected_clicks":
                total[lanes, period] += (before * p_click_times_views(cohort, blindness))[lanes]
            else:
                total[lanes, period] += before[lanes] * out[name][lanes]
        steps += 1
        if steps % 50 == 0:
            told(float(np.minimum(cohort.users["clock"] / (24 * cohort.horizon_days), 1).mean()))
    return sums


def by_arm(values: Floats, arms: int) -> Floats:
    """Sums over people, (arms, periods), of values (lanes, periods)."""
    total: Floats = values.reshape(arms, -1, values.shape[1]).sum(axis=1)
    return total
