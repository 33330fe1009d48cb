"""``longplay calibrate``: a scenario fitted to real figures, in a folder that can be gone on with.

    longplay calibrate --scenario music --log events.parquet --out runs/ours

The folder holds

    config.json         what was asked; --resume must ask the same
    environment.json    command, versions, machine
    evaluations.jsonl   every simulation that was done (evaluations.py); --resume starts from these
    bad_rows.csv        rows of the log that were left out, with --log (eventlog.py)
    scenario.json       the fitted world: gym.make(..., scenario="runs/ours/scenario.json")
    result.json         every number of the report
    report.html         fit, checks, profiles, knobs and what the figures leave open

The rhythm is fitted, then the knobs from several starts (calibrate.py), then the rhythm again;
then comes what the figures say about each knob (identify.py), and the comparison on other people
with other luck. The same options give the same files bit for bit, however often the work was
stopped and whatever --jobs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longplay.envs.files import write_world
from longplay.envs.scenarios import World, find_world
from longplay.experiments.fitting.calibrate import (
    KNOBS_OF,
    Fit,
    Knob,
    fit,
    fit_rhythm,
    side_by_side,
    simulator,
)
from longplay.experiments.fitting.evaluations import Evaluations, Simulate, code_hash, key_of
from longplay.experiments.fitting.eventlog import EventLog, read_log
from longplay.experiments.fitting.identify import (
    Identified,
    identified,
    in_words,
    other_starts,
    slopes,
)
from longplay.experiments.fitting.logtargets import targets_of
from longplay.experiments.fitting.playlog import Figures
from longplay.experiments.fitting.realism import (
    Row,
    Targets,
    check_ranges,
    read_targets,
    rows_of,
    table,
    target_names,
)
from longplay.experiments.run import Refused, RunFolder, exists, replacing, write_json

DAYS = 366.0  # window to simulate for figures that do not come from a log [days]
ROUNDS = 4  # of the rhythm, before and after the knobs
CHECKED = 2  # times as many people in the last comparison
NEXT_SEED = 1000  # the last comparison's seed is so much higher


@dataclass(frozen=True)
class Calibrate:
    """Fit a scenario's free parameters to figures of real logs, or to a log of your own.

    The numbers depend on the options down to --starts, and not on --jobs.
    """

    scenario: str = "music"  # world to start from; see `longplay worlds`
    targets: str | None = (
        None  # figures of real logs: a name, or a JSON file; None: its own, or music
    )
    log: Path | None = None  # your own event log instead, .parquet or .csv; docs/calibration.md
    users: int = 120  # simulated users in each evaluation
    days: float | None = None  # length of the window, at least 60; None: the log's own, or 366
    seed: int = 1  # of the world, and of the other starts
    evaluations: int = 100  # about how many simulations to spend on the knobs from each start
    starts: int = 3  # points to start from: the scenario's own, and others
    out: Path = Path("calibration")  # folder to make
    resume: bool = False  # go on with the stopped work in --out
    jobs: int | None = None  # simulations side by side; None: one per core

    def line(self) -> str:
        """The command that gives the same numbers again."""
        words = ["longplay", "calibrate"]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and field.name not in ("resume", "jobs"):
                words += [f"--{field.name}", f"{value:g}" if field.name == "days" else str(value)]
        return shlex.join(words)


@dataclass(frozen=True)
class Calibrated:
    """All that a calibration found."""

    asked: Calibrate
    days: float
    targets: Targets
    before: World
    after: World
    rows_before: tuple[Row, ...]  # of the scenario as it was, on the people of the last comparison
    rows: tuple[Row, ...]  # of the fitted world, on the same
    profiles: dict[str, list[float]]  # of the fitted world
    found: Identified

    def as_json(self) -> dict[str, Any]:
        """Plain data for result.json; unknown numbers are null."""
        knobs = [
            {
                "knob": one.knob.path,
                "low": one.knob.low,
                "high": one.knob.high,
                "before": one.before,
                "after": one.after,
                "pinned": one.pinned,
                "reach": one.reach,
                "ends": list(one.ends),
                "starts": list(one.starts),
            }
            for one in self.found.knobs
        ]
        return {
            "days": self.days,
            "targets": self.targets.name,
            "knobs": knobs,
            "day": list(self.after.returning.day),
            "week": list(self.after.returning.week),
            "costs": list(self.found.costs),
            "kept": list(self.found.kept),
            "flat": [dataclasses.asdict(way) for way in self.found.flat],
            "words": in_words(self.found),
            "rows": [_plain(row) for row in self.rows],
            "rows_before": [_plain(row) for row in self.rows_before],
            "profiles": {
                name: {"real": real.tolist(), "simulated": self.profiles[name]}
                for name, real in self.targets.profiles.items()
            },
        }


def command(
    asked: Calibrate, words: Sequence[str] = (), knobs: Sequence[Knob] | None = None
) -> int:
    """Calibrate with progress on stderr and the outcome on stdout; returns the exit code.

    ``knobs`` None takes those that figures of this kind say something about.

    Raises:
        Refused: a setting is out of range, a name is unknown, the log cannot be used, the folder
            exists or cannot be gone on with.
    """
    from longplay.experiments.fitting.calibration_page import write_page
    from longplay.experiments.fitting.progress import Progress

    world, targets, days, log = prepare(asked)
    knobs = KNOBS_OF[targets.kind] if knobs is None else knobs
    for line in log.summary.lines() if log else ():
        print(line)
    asked_for = config(asked, world, targets, days, knobs)
    if asked.resume:
        folder = RunFolder.reopen(asked.out, asked_for)
    else:
        folder = RunFolder.create(asked.out, asked_for, ["longplay", "calibrate", *words])
    if log:
        log.write_bad_rows(folder.path / "bad_rows.csv")
    try:
        with Progress(planned(asked, knobs), sys.stderr) as progress:
            kept = Evaluations(
                folder.path / "evaluations.jsonl", asked_for["code"], progress.evaluated
            )
            result = carry_out(asked, days, world, targets, knobs, kept, progress.said)
    except KeyboardInterrupt:
        print(
            f"longplay: stopped; every simulation done is kept in {asked.out}; go on with "
            f"--resume --out {asked.out} and the same options.",
            file=sys.stderr,
        )
        return 130
    with replacing(folder.path / "scenario.json") as half:
        write_world(result.after, half)
    write_json(folder.path / "result.json", result.as_json())
    write_page(folder.path, result)
    print(table(result.rows))
    for sentence in in_words(result.found):
        print(sentence)
    print(f"scenario  {folder.path / 'scenario.json'}")
    print(f"report    {folder.report}")
    folder.unlock()
    return 0


def prepare(asked: Calibrate) -> tuple[World, Targets, float, EventLog | None]:
    """Everything looked up: the world, the targets, the window, and the log if there is one."""
    if asked.targets is not None and asked.log is not None:
        raise Refused("--targets and --log came both; give the one that should be fitted.")
    for name in ("evaluations", "starts"):
        if getattr(asked, name) < 1:
            raise Refused(f"--{name} {getattr(asked, name)}: wanted at least 1.")
    if asked.jobs is not None and asked.jobs < 1:
        raise Refused(f"--jobs {asked.jobs}: wanted at least 1.")
    if asked.users < 2:
        raise Refused(f"--users {asked.users}: wanted at least 2, for two halves.")
    check_ranges(asked.users, DAYS if asked.days is None else asked.days, asked.seed)
    if exists(asked.out) and not asked.resume:
        raise Refused(
            f"{asked.out} exists already and nothing in it was touched; give another --out, or "
            "--resume to go on with the work in it."
        )
    try:
        world = find_world(asked.scenario)
        if asked.log is None:
            own = world.name if world.name in target_names() else "music"
            targets, days, log = read_targets(asked.targets or own), DAYS, None
        else:
            log = read_log(asked.log)
            targets, days = targets_of(log)
    except Refused:
        raise
    except ValueError as fault:
        raise Refused(str(fault)) from None
    return world, targets, days if asked.days is None else asked.days, log


def config(
    asked: Calibrate, world: World, targets: Targets, days: float, knobs: Sequence[Knob]
) -> dict[str, Any]:
    """What the numbers depend on."""
    real = [sorted(targets.scalars.items()), sorted(targets.fitted)]
    real += [(name, shares.tolist()) for name, shares in sorted(targets.profiles.items())]
    return {
        "scenario": key_of(world, {"name": world.name}),
        "targets": f"{targets.name} {hashlib.sha256(repr(real).encode()).hexdigest()[:16]}",
        "users": asked.users,
        "days": days,
        "seed": asked.seed,
        "evaluations": asked.evaluations,
        "starts": asked.starts,
        "knobs": [knob.path for knob in knobs],
        "bounds": [[knob.low, knob.high, knob.log] for knob in knobs],
        "code": code_hash(),
    }


def planned(asked: Calibrate, knobs: Sequence[Knob]) -> int:
    """How many simulations there will be at most, about."""
    each = max(2, asked.evaluations // (len(knobs) + 1)) * (len(knobs) + 1)
    return 2 * ROUNDS + asked.starts * each + 4 * len(knobs) + 2


def carry_out(
    asked: Calibrate,
    days: float,
    world: World,
    targets: Targets,
    knobs: Sequence[Knob],
    kept: Evaluations,
    said: Callable[[str], None] = lambda _: None,
) -> Calibrated:
    """The whole calibration, with every simulation kept."""
    jobs = asked.jobs or os.cpu_count() or 1

    def people(users: int, seed: int, first_user: int = 0) -> Simulate:
        named = {"users": users, "days": days, "seed": seed, "first_user": first_user}
        return kept.remembered(simulator(users, days, seed, 1, first_user, targets), named)

    simulate = people(asked.users, asked.seed)
    said("the rhythm of day and week")
    world_rhythm = fit_rhythm(world, targets, simulate, ROUNDS, lambda _: None)
    fits: list[Fit] = []
    others = other_starts(world_rhythm, knobs, asked.starts - 1, asked.seed)
    for number, start in enumerate([world_rhythm, *others], 1):
        said(f"knobs, start {number} of {asked.starts}")
        fits.append(
            fit(start, targets, knobs, simulate, evaluations=asked.evaluations,
                report=lambda _: None, jobs=jobs)
        )  # fmt: skip
    best = min(fits, key=lambda one: one.cost)
    said("the rhythm once more")
    after = fit_rhythm(best.world, targets, simulate, ROUNDS, lambda _: None)
    after = dataclasses.replace(
        after,
        name=f"{world.name} calibrated",
        about=f"{world.name}, fitted by longplay calibrate to the figures of {targets.name}.",
    )
    said("what the figures hold")
    half = asked.users // 2
    halves = (people(half, asked.seed), people(asked.users - half, asked.seed, half))
    one, other = (slopes(after, targets, knobs, side, jobs) for side in halves)
    said("other people, other luck")
    fresh = people(CHECKED * asked.users, asked.seed + NEXT_SEED)
    told_before, told = side_by_side(fresh, [world, after], jobs)
    for figures in (told_before, told):
        _check_lives(figures, days)
    return Calibrated(
        asked=asked,
        days=days,
        targets=targets,
        before=world,
        after=after,
        rows_before=rows_of(targets, told_before),
        rows=rows_of(targets, told),
        profiles={name: shares.tolist() for name, shares in told.profiles.items()},
        found=identified(world, after, fits, knobs, (one, other)),
    )


def _check_lives(told: Figures, days: float) -> None:
    if not told.scalars:
        raise Refused(
            f"Of the simulated users nobody was active for 60 of {days:g} days; pass more --users "
            "or --days."
        )


def _plain(row: Row) -> dict[str, Any]:
    values = vars(row).items()
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values}
