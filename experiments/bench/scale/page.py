"""The page: what was measured, what was fitted, and what it says about a billion people."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

from longplay.experiments.bench.scale.curves import (
    SCENARIOS,
    Curves,
    Found,
    Sizes,
    counting,
    lived,
    per_day,
    walls,
)
from longplay.experiments.bench.scale.fits import Estimate, Fit

PEOPLE = 1e9
HORIZONS = (1.0, 7.0, 28.0)  # [days]
HOUR = 3.6e9  # [us]
MOST = 1 << 32  # people a world can tell apart


def cpu_hours(curves: Curves, scenario: str, days: float, people: float = PEOPLE) -> Estimate:
    """CPU time of so many people for so long, without the starts of processes [h]."""
    return curves.lives[scenario].at(1.0, days).times(people / HOUR)


def feed_hours(curves: Curves, fetches: float, days: float, people: float = PEOPLE) -> Estimate:
    """The same for slates of 10 of 100, at so many fetches a user-day [h]."""
    return curves.fetch.at(1.0, 10.0, 100.0).times(people * days * fetches / HOUR)


def cores_in_an_hour(hours: float) -> int:
    """Cores that do so many CPU-hours within one hour."""
    return math.ceil(hours)


def sharing(found: Found) -> float | None:
    """CPU time of a user-day with all workers over that with one, at the largest common size."""
    by_users: dict[int, dict[int, float]] = {}
    for job, walks in found.walks:
        by_users.setdefault(job.users, {})[walks[0].workers] = per_day(job, walks)
    both = {users: costs for users, costs in by_users.items() if len(costs) > 1}
    if not both:
        return None
    costs = both[max(both)]
    return costs[max(costs)] / costs[min(costs)]


def fetches_a_day(found: Found, scenario: str, days: float) -> float:
    """Fetches of a user-day at the measured horizon nearest to this one."""
    mine = [(job, walks) for job, walks in found.lives if job.scenario == scenario]
    job, walks = min(mine, key=lambda point: abs(point[0].days - days))
    return walks[0].fetches / job.users / job.days


def as_json(sizes: Sizes, found: Found, curves: Curves) -> dict[str, Any]:
    """Points, fits and what follows from them, for a JSON file."""
    return {
        "reference": statistics.median(found.beside),
        "reference_unit": "million random look-ups in 16 MB per CPU-second",
        "users": [_point(job, walks) for job, walks in found.walks],
        "days": [_point(job, walks) for job, walks in found.lives],
        "counted": [_point(job, walks) for job, walks in found.books],
        "feed": [
            {"slate": slate, "candidates": candidates, "us_per_fetch": costs}
            for slate, candidates, costs in found.fetches
        ],
        "fits": {
            "us per user-day = day + start * workers / users / days": {
                f"{workers} workers": fit.as_json() for workers, fit in curves.users.items()
            },
            "us per person = birth + day * days": {
                scenario: fit.as_json() for scenario, fit in curves.lives.items()
            },
            "us per Feed fetch = fetch + shown * slate + offered * candidates": (
                curves.fetch.as_json()
            ),
        },
        "a_billion_people_cpu_hours": {
            scenario: {f"{days:g} days": cpu_hours(curves, scenario, days).mid for days in HORIZONS}
            for scenario in SCENARIOS
        },
    }


def _point(job: Any, walks: list[Any]) -> dict[str, Any]:
    return {
        "users": job.users,
        "days": job.days,
        "scenario": job.scenario,
        "workers": walks[0].workers,
        "fetches": walks[0].fetches,
        "cpu_s": [walk.cpu for walk in walks],
        "start_cpu_s": [walk.start for walk in walks],
        "wall_s": [walk.wall for walk in walks],
        "peak_mb": [walk.peak for walk in walks],
    }


def page(about: Mapping[str, Any], sizes: Sizes, found: Found, curves: Curves) -> str:
    """docs/scale.md."""
    machine, versions = about["machine"], about["versions"]
    head = f"""# What a user-day costs, up to a billion people

Made by `{about["command"]}`. Do not edit by hand.

{machine["processor"]}, {machine["cpus"]} cores, {machine["system"]}; \
Python {versions["python"]}, numba {versions["numba"]}, numpy {versions["numpy"]}; the reference \
loop (random look-ups in 16 MB) ran at {statistics.median(found.beside):.0f} million per \
CPU-second. Costs are CPU time: they hold beside other work, as far as caches and clocks are not \
shared. Wall times hold only on an idle machine. Medians of the repetitions.

![Measured points and fitted curves](scale.svg)
"""
    return "\n".join(
        [head, _users(sizes, found, curves), _lives(found, curves), _feed(found, curves),
         _billion(found, curves), _assumptions(found, curves)]
    )  # fmt: skip


def _told(x: Estimate, digits: int = 2) -> str:
    return f"{x.mid:.{digits}f} ({x.low:.{digits}f} .. {x.high:.{digits}f})"


def _missed(fit: Fit) -> str:
    return f"largest miss {100 * fit.worst:.0f} %"


def _users(sizes: Sizes, found: Found, curves: Curves) -> str:
    rows = "\n".join(
        f"| {job.users:,} | {walks[0].workers} | {len(walks)} | {per_day(job, walks):.2f} | "
        f"{walls(job, walks):.2f} | {max(walk.peak for walk in walks):.0f} |"
        for job, walks in found.walks
    )
    fits = "\n".join(
        f"- {workers} worker{'s' if workers > 1 else ''}: day = {_told(fit.rate('day'))} us, "
        f"start = {_told(fit.rate('start'))} s; {_missed(fit)}."
        for workers, fit in curves.users.items()
    )
    return f"""## Users and workers

AdLoad, `bench`, by session, one fixed layout, {sizes.days:g} days; a worker walks its people in
blocks of 4096, one block after the other, so that its memory does not grow with them. CPU time is
that of whole processes, start and compiled code's loading included. Under every number of workers
the same people did exactly the same number of fetches.

| people | workers | times | CPU [us / user-day] | wall [us / user-day] | memory [MB / worker] |
|---:|---:|---:|---:|---:|---:|
{rows}

Fitted, with relative errors: CPU per user-day = day + start * workers / (people * days),
95 % intervals of the fit:

{fits}
"""


def _lives(found: Found, curves: Curves) -> str:
    rows = []
    for job, walks in found.lives:
        cost = lived(job, walks)
        rows.append(
            f"| {job.scenario} | {job.days:g} | {cost:.1f} | {cost / job.days:.2f} | "
            f"{walks[0].fetches / job.users / job.days:.2f} | "
            f"{walks[0].fetches / job.users / cost:.2f} |"
        )
    fits = "\n".join(
        f"- `{scenario}`: birth = {_told(fit.rate('birth'), 1)} us, day = {_told(fit.rate('day'))} "
        f"us; {_missed(fit)}."
        for scenario, fit in curves.lives.items()
    )
    table = "\n".join(rows)
    return f"""## Days

A person is born and lives through an unwatched youth before the study begins: that is the larger
part of a short study. After that, a day costs what is done in it.

| scenario | days | CPU [us / person] | [us / user-day] | fetches / user-day | M fetches / CPU-s |
|---|---:|---:|---:|---:|---:|
{table}

Fitted: CPU per person = birth + day * days:

{fits}
"""


def _feed(found: Found, curves: Curves) -> str:
    rows = "\n".join(
        f"| {slate} | {candidates} | {statistics.median(costs):.2f} | "
        f"{curves.fetch.at(1.0, slate, candidates).mid:.2f} |"
        for slate, candidates, costs in found.fetches
    )
    fit = curves.fetch
    return f"""## Slate and candidates

Feed, `bench`, random slates of K of M candidates, all features of the candidates observed.

| K | M | CPU [us / fetch] | fitted |
|---:|---:|---:|---:|
{rows}

Fitted: CPU per fetch = fetch + shown * K + offered * M, with fetch = {_told(fit.rate("fetch"))},
shown = {_told(fit.rate("shown"), 3)}, offered = {_told(fit.rate("offered"), 4)} us;
{_missed(fit)}. It is a summary and no law: people do not look at every position, so that the
tenth costs less than the first.
"""


def _billion(found: Found, curves: Curves) -> str:
    rows = []
    for scenario in SCENARIOS:
        for days in HORIZONS:
            hours = cpu_hours(curves, scenario, days)
            feed = feed_hours(curves, fetches_a_day(found, scenario, days), days)
            rows.append(
                f"| {scenario} | {days:g} | {_told(hours, 1)} | "
                f"{cores_in_an_hour(hours.mid)} | {feed.mid:.1f} |"
            )
    peak = max(walk.peak for _, walks in found.walks for walk in walks)
    table = "\n".join(rows)
    return f"""## A billion people

| scenario | days | AdLoad [CPU-hours] | cores for it within an hour | Feed, 10 of 100 [CPU-hours] |
|---|---:|---:|---:|---:|
{table}

Memory is {peak:.0f} MB a worker, whatever the number of people. What an hour of a core costs in
money is yours to fill in.
"""


def _assumptions(found: Found, curves: Curves) -> str:
    largest = max(job.users for job, _ in found.walks)
    start = max(fit.rate("start").mid for fit in curves.users.values())
    shared = sharing(found)
    told = "was not measured" if shared is None else f"was {shared:.2f} times that of one alone"
    return f"""This assumes, one by one:

1. A person costs at a billion what a person cost at {largest:,}, the most that were walked. People
   do not meet, and a person is a function of seed and number, so nothing is shared that could
   grow; a world tells {MOST:,} people apart.
2. Your core is like this one. Run the command on yours; the reference loop says how they compare.
3. All cores of a machine at work cost no more than one. Here a user-day with all workers
   {told}.
4. Blocks of 4096 people fill every worker, and {start:.1f} s of start are spent once a worker:
   workers that take thousands of blocks each, not one.
5. No worker is lost, waits for the slowest, or talks to the others: scheduling, networks and
   faults are not in these figures.
6. The policy costs nothing: a fixed layout. A network that acts adds its own cost, every decision.
7. Only totals are kept. With all that `longplay compare` counts of a person, the CPU time
   of a user-day is {counting(found):.2f} times that. Rows by person would be stored on top.
8. People come as often as under this layout: what is done to them changes how often they come,
   and a day without visits costs nearly nothing.
9. Days go on as the fitted line does; the intervals say how well the points lie on it, and not
   whether it goes on. The horizons here lie within those measured.
10. For Feed: a user-day has as many fetches as AdLoad's, each decided by itself, and births cost
    nothing beside them.
"""
