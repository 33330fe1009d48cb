"""Measure facts seed by seed, judge them, and write what came out.

Who measures, and how the work is cut, is course.py's. The folder, each file whole or not there:

    config.json  what was asked for, of which code; a resumed run must have the same
    environment.json  command, versions, machine, when
    facts.json   settings, environment, every number with its interval, range and verdict
    facts.md     the page: summary, table, one section a fact with its picture
    F1.svg ...   the pictures
    world.json   a copy of the scenario's file, if it is one
    parts/       what each seed measured, as arrays; see course.py
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from longplay.envs.scenarios import find_world
from longplay.experiments.execution.jobs import Executor, Watch
from longplay.experiments.facts.course import WORLD, Course, Job, do_item, read
from longplay.experiments.facts.fact import Found
from longplay.experiments.facts.judge import Judged, judge
from longplay.experiments.run import (
    ENVIRONMENT,
    Refused,
    RunFolder,
    exists,
    make_room,
    replacing,
    write_json,
)

FORMAT = 1  # of facts.json
LEAST_SEEDS = 2
# whose code decides what is measured
ROOMS = ("envs", "agents", *(f"experiments/{room}" for room in ("facts", "fitting", "populations")))


def plan(
    facts: Mapping[str, Found], scenario: str, quick: bool, seeds: int, folder: Path
) -> list[Job]:
    """All jobs, seed by seed."""
    if seeds < LEAST_SEEDS:
        raise Refused(f"seeds={seeds}; wanted at least {LEAST_SEEDS}: intervals are over seeds.")
    try:
        find_world(scenario)
    except ValueError as error:
        raise Refused(str(error)) from None
    return [Job(name, seed, scenario, quick, folder) for seed in range(seeds) for name in facts]


def open_folder(jobs: Sequence[Job], command: Sequence[str], resume: bool) -> RunFolder:
    """The folder of a new run, or of a stopped one; Refused if it cannot be what is asked."""
    from longplay.envs.compiled import ROOM, sources_hash
    from longplay.experiments.references.stored import world_hash

    job = jobs[0]
    config: dict[str, Any] = {
        "facts": list(dict.fromkeys(job.fact for job in jobs)),
        "scenario": job.scenario,
        "hash of the world": world_hash(find_world(job.scenario)),
        "kind": job.kind,
        "seeds": 1 + max(job.seed for job in jobs),
    }
    for room in ROOMS:
        config[f"hash of longplay.{room.replace('/', '.')}"] = sources_hash(ROOM.parent / room)
    if resume:
        return RunFolder.reopen(job.folder, config)
    run = RunFolder.create(job.folder, config, command)
    if job.file is not None:  # so that nobody changes it in the meantime
        with replacing(job.folder / WORLD) as half:
            shutil.copyfile(job.file, half)
    return run


def measure_all(
    facts: Mapping[str, Found],
    jobs: Sequence[Job],
    *,
    executor: Executor,
    watch: Watch,
    size: int | None = None,
) -> list[Judged]:
    """Do all jobs that are not done yet, and judge each fact.

    size: blocks of a shard; None: by their number. Results do not depend on it.
    """
    course = Course([job.settled for job in jobs], watch, size)
    executor.run(do_item, course.first(), course.watch, course.then)
    measured = {
        name: [read(job.part, job.notes) for job in jobs if job.fact == name] for name in facts
    }
    return [judge(found, measured[name], jobs[0].quick) for name, found in facts.items()]


def as_json(judged: Sequence[Judged], job: Job, seeds: int) -> Any:
    """Everything as plain numbers and texts; an end of a range that is open is null.

    The command is the one that the run was begun with.
    """
    return {
        "format": FORMAT,
        "scenario": job.scenario,
        "kind": job.kind,
        "seeds": seeds,
        "environment": json.loads((job.folder / ENVIRONMENT).read_text(encoding="utf-8")),
        "facts": [one_as_json(one, job.kind) for one in judged],
    }


def one_as_json(judged: Judged, kind: str) -> dict[str, Any]:
    """One fact."""
    fact = judged.found.fact
    return {
        "id": fact.id,
        "title": fact.title,
        "source": fact.source,
        "mark": fact.mark,
        "tier": fact.tier,
        "origin": fact.origin,
        "expected": fact.expected,
        "settings": asdict(judged.found.settings[kind]),
        "holds": judged.holds,
        "checks": [
            {
                "name": verdict.check.name,
                "about": verdict.check.about,
                "measured": finite(verdict.measured.mean),
                "interval": [finite(verdict.measured.low), finite(verdict.measured.high)],
                "range": [finite(verdict.low), finite(verdict.high)],
                "verdict": verdict.word,
            }
            for verdict in judged.verdicts
        ],
    }


def finite(x: float) -> float | None:
    """The number, or None for one that JSON cannot hold."""
    return float(x) if np.isfinite(x) else None


def write(folder: Path, judged: Sequence[Judged], content: Any) -> None:
    """facts.json, the page and its pictures."""
    write_page(folder / "facts.md", folder, judged, content)
    write_json(folder / "facts.json", content)


def write_page(path: Path, pictures: Path, judged: Sequence[Judged], content: Any) -> None:
    """The page, with its pictures in a folder: the page's own, or one beside it."""
    from longplay.experiments.facts.page import page

    for one in judged:
        with replacing(pictures / f"{one.found.fact.id}.svg") as half:
            half.write_text(one.found.figure(one.series, one.readings), encoding="utf-8")
    links = "" if pictures == path.parent else f"{quote(pictures.name)}/"
    with replacing(path) as half:
        half.write_text(page(judged, content, links), encoding="utf-8")


def room_for_page(path: Path, facts: Iterable[str], overwrite: bool) -> Path:
    """The folder for the pictures of a page: docs/facts for docs/facts.md.

    Raises:
        Refused: if the page or a picture is there already, or cannot be written.
    """
    if path.suffix != ".md":
        raise Refused(f"page={path}; wanted a name that ends in .md, as docs/facts.md.")
    pictures = path.with_suffix("")
    files = [path, *(pictures / f"{name}.svg" for name in facts)]
    for file in files:
        if exists(file) and not overwrite:
            raise Refused(f"{file} exists; pass --overwrite to replace it, or name another --page.")
    for file in files:
        make_room(file)
    return pictures
