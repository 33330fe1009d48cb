"""What is measured: costs against users, workers, days, slate and candidates."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from longplay.envs.cohort import Cohort
from longplay.experiments.bench.rows import reference, stepper
from longplay.experiments.bench.scale.fits import Fit, fitted
from longplay.experiments.bench.scale.walk import Job, Walked, walked

SCENARIOS = ("bench", "music")


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    users: tuple[tuple[int, int], ...] = (  # how many people, how often
        (1_000, 5), (10_000, 5), (100_000, 3), (1_000_000, 1), (10_000_000, 1),
    )  # fmt: skip
    alone: int = 1_000_000  # more people than these are walked by all workers only
    workers: tuple[int, ...] = (1, 2)
    days: float = 7.0
    horizons: tuple[float, ...] = (1.0, 3.0, 7.0, 14.0, 28.0)  # [days]
    crowd: int = 20_000  # people of every horizon
    repetitions: int = 3
    slates: tuple[int, ...] = (1, 5, 10, 20, 40)
    candidates: tuple[int, ...] = (50, 100, 200, 400, 800)
    lanes: int = 1024  # people of a Feed cohort
    warm: int = 10  # steps of it before anything is timed
    steps: int = 20  # of a repetition


@dataclass
class Found:
    """What was measured, point by point."""

    walks: list[tuple[Job, list[Walked]]] = field(default_factory=list)  # by users and workers
    lives: list[tuple[Job, list[Walked]]] = field(default_factory=list)  # by scenario and days
    books: list[tuple[Job, list[Walked]]] = field(default_factory=list)  # totals; an evaluation
    fetches: list[tuple[int, int, list[float]]] = field(default_factory=list)  # K, M, [us]
    beside: list[float] = field(default_factory=list)  # reference loop [M look-ups/s]


Told = Callable[[str], None]


def measured(sizes: Sizes, told: Told) -> Found:
    """Everything; ``told`` hears every point as soon as it is known."""
    found = Found()
    reference(1)
    walk_users(sizes, found, told)
    walk_days(sizes, found, told)
    keep_books(sizes, found, told)
    step_feeds(sizes, found, told)
    return found


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def crews(sizes: Sizes, users: int) -> tuple[int, ...]:
    """Numbers of workers that so many people are walked by."""
    able = tuple(crew for crew in sizes.workers if crew <= cores()) or (1,)
    return able if users <= sizes.alone else able[-1:]


def walk_users(sizes: Sizes, found: Found, told: Told) -> None:
    """Cost of a user-day against users, by each number of workers.

    Raises:
        RuntimeError: the same people did not do the same under another number of workers.
    """
    told(f"AdLoad, bench, by session, fixed layout, {sizes.days:g} days\n{WALK_HEAD}")
    walked(Job(1, 1.0), 1)  # compiles, if need be: that takes memory which walking does not
    for users, times in sizes.users:
        job = Job(users, sizes.days)
        fetches = set()
        for workers in crews(sizes, users):
            walks = []
            for _ in range(times):
                found.beside.append(reference())
                walks.append(walked(job, workers))
            found.walks.append((job, walks))
            fetches |= {walk.fetches for walk in walks}
            told(walk_row(job, walks))
        if len(fetches) > 1:
            raise RuntimeError(f"{users} people did {sorted(fetches)} fetches by worker and turn: "
                               "they should do the same.")  # fmt: skip


def walk_days(sizes: Sizes, found: Found, told: Told) -> None:
    """Cost of a person against the days watched, in each scenario."""
    for scenario in SCENARIOS:
        told(f"\nAdLoad, {scenario}, {sizes.crowd} people, 1 worker\n{WALK_HEAD}")
        for days in sizes.horizons:
            job = Job(sizes.crowd, days, scenario=scenario)
            found.beside.append(reference())
            walks = [walked(job) for _ in range(sizes.repetitions)]
            found.lives.append((job, walks))
            told(walk_row(job, walks))


def keep_books(sizes: Sizes, found: Found, told: Told) -> None:
    """Cost of the same with totals alone and with all that an evaluation counts, in turns."""
    told(f"\nAdLoad, bench: totals; then all that `longplay compare` counts\n{WALK_HEAD}")
    jobs = [Job(sizes.crowd, sizes.days, counted=counted) for counted in (False, True)]
    turns = [[walked(job) for job in jobs] for _ in range(sizes.repetitions)]
    for job, walks in zip(jobs, zip(*turns, strict=True), strict=True):
        found.books.append((job, list(walks)))
        told(walk_row(job, walks))


def step_feeds(sizes: Sizes, found: Found, told: Told) -> None:
    """Cost of a fetch of Feed against slate and candidates, all features observed."""
    told(f"\nFeed, bench, random slates, {sizes.lanes} people side by side, 1 thread\n{FEED_HEAD}")
    for slate, candidates in shapes(sizes):
        cohort = Cohort("Feed", sizes.lanes, scenario="bench", action="slate", slate_size=slate,
                        candidates=candidates, threads=1)  # fmt: skip
        go = stepper(cohort, sizes.warm)
        found.beside.append(reference())
        costs = []
        for _ in range(sizes.repetitions):
            start = time.process_time()
            go(sizes.steps)
            costs.append((time.process_time() - start) / sizes.steps / sizes.lanes * 1e6)
        found.fetches.append((slate, candidates, costs))
        told(f"{slate:>5} {candidates:>10} {statistics.median(costs):>14.2f}")


def shapes(sizes: Sizes) -> Iterator[tuple[int, int]]:
    """Slates at 100 candidates, candidates at slates of 10, and the far corner."""
    middle = sizes.candidates[1], sizes.slates[len(sizes.slates) // 2]
    wanted = [(slate, middle[0]) for slate in sizes.slates]
    wanted += [(middle[1], candidates) for candidates in sizes.candidates]
    wanted.append((sizes.slates[-1], sizes.candidates[-1]))
    yield from dict.fromkeys(wanted)


# What was found, in numbers.


def per_day(job: Job, walks: Sequence[Walked]) -> float:
    """CPU time of a user-day, processes and all [us]."""
    return statistics.median(walk.cpu for walk in walks) / job.users / job.days * 1e6


def walls(job: Job, walks: Sequence[Walked]) -> float:
    """Wall time of a user-day [us]."""
    return statistics.median(walk.wall for walk in walks) / job.users / job.days * 1e6


WALK_HEAD = (
    f"{'users':>9} {'days':>5} {'workers':>8} {'CPU us/user-day':>16} {'wall us/user-day':>17} "
    f"{'fetches/user-day':>17} {'MB/worker':>10}"
)
FEED_HEAD = f"{'slate':>5} {'candidates':>10} {'CPU us/fetch':>14}"


def walk_row(job: Job, walks: Sequence[Walked]) -> str:
    """The row of the printed table."""
    first = walks[0]
    return (
        f"{job.users:>9} {job.days:>5g} {first.workers:>8} {per_day(job, walks):>16.3f} "
        f"{walls(job, walks):>17.3f} {first.fetches / job.users / job.days:>17.3f} "
        f"{max(walk.peak for walk in walks):>10.0f}"
    )


@dataclass(frozen=True)
class Curves:
    """The fitted curves."""

    users: dict[int, Fit]  # by workers w: us/user-day = day + start w / users
    lives: dict[str, Fit]  # by scenario: us/person = birth + day H
    fetch: Fit  # us/fetch = fetch + shown K + offered M


def fit_curves(sizes: Sizes, found: Found) -> Curves:
    """Fit everything, by the medians of the points."""
    users = {}
    for workers in sorted({walks[0].workers for _, walks in found.walks}):
        mine = [(job, walks) for job, walks in found.walks if walks[0].workers == workers]
        x = [(1.0, 1e6 * workers / job.users / job.days) for job, _ in mine]
        users[workers] = fitted(("day", "start"), x, [per_day(*point) for point in mine])
    lives = {}
    for scenario in SCENARIOS:
        some = [(job, walks) for job, walks in found.lives if job.scenario == scenario]
        costs = [lived(job, walks) for job, walks in some]
        lives[scenario] = fitted(("birth", "day"), [(1.0, job.days) for job, _ in some], costs)
    fetch = fitted(
        ("fetch", "shown", "offered"),
        [(1.0, slate, candidates) for slate, candidates, _ in found.fetches],
        [statistics.median(costs) for *_, costs in found.fetches],
    )
    return Curves(users, lives, fetch)


def counting(found: Found) -> float:
    """What an evaluation costs over totals alone, as a factor."""
    (plain, totals), (counted, all_of_it) = found.books
    return lived(counted, all_of_it) / lived(plain, totals)


def lived(job: Job, walks: Sequence[Walked]) -> float:
    """CPU time of a person from birth to horizon, without the start of the process [us]."""
    return statistics.median(walk.cpu - walk.start for walk in walks) / job.users * 1e6
