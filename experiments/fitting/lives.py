"""Simulated lives as logs, of the kinds that real ones come in.

Three kinds are set beside real logs: plays of those who are alive at the end (playlog.py),
impressions (impressions.py) and events of newcomers (newcomers.py). All are lived without ads,
under the production ranker.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import World
from longplay.experiments.fitting import impressions, newcomers
from longplay.experiments.fitting.playlog import Figures, Floats, Plays, figures

LEAST_DAYS = 60  # [days]; a life watched for less is not compared, as in the real logs


class People(NamedTuple):
    """Who is simulated, and how."""

    users: int
    days: float  # length of the window of plays
    seed: int  # of the world
    first_user: int = 0  # number of the first person
    threads: int | None = None  # of the cohort


def figures_of(
    world: World, kind: str, people: People, watched_days: Sequence[float] = ()
) -> Figures:
    """The figures of one kind of log, "plays", "impressions" or "newcomers", of these people.

    Newcomers are watched for as long as the real ones: ``watched_days`` are quantiles of that.
    """
    users, days, seed, first, threads = people
    if kind == "impressions":
        log = impressions.simulate(world, users, seed=seed, first_user=first, threads=threads)
        return impressions.figures(log)
    if kind == "newcomers":
        at = (np.arange(users) + 0.5) / users
        watched = np.interp(at, np.linspace(0.0, 1.0, len(watched_days)), watched_days)
        until = 24.0 * np.maximum(watched, 0.01)
        return newcomers.figures(newcomers.simulate(world, until, seed, first, threads))
    return figures(simulate_plays(world, users, days, seed, first, threads))


def simulate_plays(
    world: World | str,
    users: int = 400,
    days: float = 366.0,
    seed: int = 0,
    first_user: int = 0,
    threads: int | None = None,
) -> Plays:
    """The plays of simulated users who are alive to the end of the window, ad-free.

    The production ranker fills every fetch. Starts are hours since the Monday 00:00 before the
    study, in the users' local time, so days and weeks are the users' own.

    Args:
        world: a scenario's name, or a world.
        users: lives to begin with; those who churn are left out, as real exports leave them out.
        days: length of the window.
        seed: seed of the world.
        first_user: number of the first person.
        threads: threads of the cohort.
    """
    cohort = Cohort(
        task="AdLoad",
        num_envs=users,
        scenario=world,
        decision="fetch",
        autoreset_mode="Disabled",
        horizon_days=days,
        first_user=first_user,
        threads=threads,
    )
    cohort.reset(seed=seed)
    no_ads = np.zeros(users, np.int64)  # layout 0 places no ads
    lanes: list[npt.NDArray[np.int32]] = []
    starts: list[Floats] = []
    minutes: list[npt.NDArray[np.float32]] = []
    items: list[npt.NDArray[np.int32]] = []
    while not cohort.users["over"].all():
        cohort.step(no_ads)
        slots = cohort.slots  # (users, 10)
        lived = cohort.outcomes["fetches"] > 0
        heard = lived[:, None] & (slots["shows"] >= 0) & (slots["played"] != 0)
        lanes.append(np.nonzero(heard)[0].astype(np.int32))
        starts.append(slots["start"][heard])
        minutes.append(slots["minutes"][heard].astype(np.float32))
        items.append(slots["shows"][heard])
    lane = np.concatenate(lanes)
    alive = cohort.users["gone"] == 0
    order = np.argsort(lane, kind="stable")  # each lane's plays are in order of time already
    order = order[alive[lane[order]]]
    lane = lane[order]
    clock = np.concatenate(starts)[order]
    played = np.concatenate(minutes)[order].astype(np.float64)
    local = clock + cohort.users["phase"][lane]
    inside = clock < days * 24.0  # a last session may run over the end of the window
    item = np.concatenate(items)[order][inside]
    return long_lives(Plays(lane[inside].astype(np.int64), local[inside], played[inside], item))


def long_lives(plays: Plays, least_days: float = LEAST_DAYS) -> Plays:
    """The plays of users with at least ``least_days`` between their first and last start."""
    users = int(plays.user.max()) + 1 if plays.user.size else 0
    first = np.full(users, np.inf)
    last = np.full(users, -np.inf)
    np.minimum.at(first, plays.user, plays.start)
    np.maximum.at(last, plays.user, plays.start)
    keep = (last - first >= least_days * 24.0)[plays.user]
    item = None if plays.item is None else plays.item[keep]
    return Plays(plays.user[keep], plays.start[keep], plays.minutes[keep], item)
