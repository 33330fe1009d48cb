"""Figures of newcomers: who comes back, on which day, and after how long.

An event has a user and a time. A visit: events of one user with at most 30 minutes between them; a
gap runs from its last event to the next visit's first. Days count from a user's first event, as
calendar days: day k is the k-th after it.

- ``day.k``: the share active on day k, of those watched for k days and more;
- ``later.k``: the share active on day k or later; among people watched for longer it is higher, so
  it is compared on equal watches;
- ``gap_hours``: quantiles of all gaps; ``visits``: quantiles over users of their number of visits;
- ``again.k``: the share of a user's active days that are followed by another k days later.

The same code reads a log and simulated lives: contributing to a site is a visit.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import World
from longplay.experiments.fitting.playlog import Figures, Floats, Ints

PAUSE = 0.5  # longest pause within a visit [h]
DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 28, 60, 90)
AGAIN = (1, 2, 3, 7, 14, 28)
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


class Events(NamedTuple):
    """An event log in any order, and how long each user was watched."""

    user: Ints  # (n,) 0 .. users - 1; every user has an event
    time: Floats  # (n,) [h], hour 0 a midnight
    until: Floats  # (users,) end of the watch [h]


def figures(log: Events) -> Figures:
    """The figures of an event log; see the top of this file.

    Raises:
        ValueError: the columns differ in length or hold nothing, or a user has no event.
    """
    if log.user.shape != log.time.shape or log.user.ndim != 1 or log.user.size == 0:
        raise ValueError(
            f"An event log of shapes {log.user.shape}, {log.time.shape}; wanted two columns of one "
            "length, with at least one event."
        )
    users = len(log.until)
    if set(np.unique(log.user)) != set(range(users)):
        raise ValueError(f"An event log of {users} users in which not each of them has an event.")
    order = np.lexsort((log.time, log.user))
    user, time = log.user[order], log.time[order]
    same = user[1:] == user[:-1]
    apart = np.diff(time)
    fresh = np.append(True, ~same | (apart > PAUSE))
    gaps = apart[same & (apart > PAUSE)]
    scalars: dict[str, float] = {}
    counts: dict[str, int] = {}
    visits = np.bincount(user[fresh], minlength=users).astype(float)
    for name, values in (("gap_hours", gaps), ("visits", visits)):
        for q in QUANTILES:
            known = values.size > 0
            scalars[f"{name}.p{100 * q:.0f}"] = float(np.quantile(values, q)) if known else np.nan
    first = np.flatnonzero(np.append(True, ~same))
    birth = np.floor(time[first] / 24.0)
    watched = np.floor(log.until / 24.0) - birth  # whole days after the first
    since = np.floor(time / 24.0) - birth[user]
    _return_figures(scalars, counts, user, since, watched)
    return Figures(users, user.size, int(visits.sum()), scalars, {}, counts)


def _return_figures(
    into: dict[str, float], counts: dict[str, int], user: Ints, since: Floats, watched: Floats
) -> None:
    """Who is active on which day: of newcomers, and after any active day."""
    users = len(watched)
    longest = int(max(watched.max(), since.max())) + 1
    active = np.zeros((users, longest + max(AGAIN) + 1), bool)
    active[user, since.astype(np.int64)] = True
    last = np.where(active, np.arange(active.shape[1]), 0).max(axis=1)
    for k in DAYS:
        seen = watched >= k
        counts[f"day.{k}"] = int(seen.sum())
        into[f"day.{k}"] = _mean(active[seen, min(k, active.shape[1] - 1)])
        into[f"later.{k}"] = _mean(last[seen] >= k)
    day = np.arange(longest)
    for k in AGAIN:
        judged = active[:, :longest] & (day[None, :] + k <= watched[:, None])
        into[f"again.{k}"] = _mean(active[:, k : longest + k][judged])


def _mean(cases: npt.NDArray[np.bool_]) -> float:
    return float(cases.mean()) if cases.size else np.nan


def simulate(
    world: World | str,
    until: Floats,
    seed: int = 0,
    first_user: int = 0,
    threads: int | None = None,
) -> Events:
    """The visits of simulated newcomers, person i watched for ``until[i]`` hours from the first.

    Their first visit is the first of their life, if the world's people have no youth.
    """
    users = len(until)
    cohort = Cohort(
        "AdLoad",
        users,
        scenario=world,
        decision="session",
        autoreset_mode="DISABLED",
        horizon_days=float(until.max()) / 24.0,
        first_user=first_user,
        threads=threads,
    )
    cohort.reset(seed=seed)
    no_ads = np.zeros(users, np.int64)
    phase = cohort.users["phase"].copy()
    lanes: list[Ints] = []
    times: list[Floats] = []
    while True:
        live = np.flatnonzero(~cohort.over & (cohort.users["clock"] < until))
        if live.size == 0:
            break
        start = cohort.users["clock"][live]
        cohort.step(no_ads)
        with np.errstate(invalid="ignore"):  # inf - inf after the last visit
            lasted = (cohort.outcomes["gap"] - cohort.outcomes["away"])[live]
        lanes += [live, live]
        times += [start, start + np.nan_to_num(lasted)]
    lane = np.concatenate(lanes)
    return Events(lane, np.concatenate(times) + phase[lane], until + phase)
