"""Measure facts seed by seed over processes, judge them, and write what came out.

A job is one fact with one seed; its result lies in ``parts/`` until all are done, and stays.
The folder, each file whole or not there:

    facts.json   settings, environment, every number with its interval, range and verdict
    facts.md     the page: summary, table, one section a fact with its picture
    F1.svg ...   the pictures
    parts/       what each seed measured, as arrays
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from longplay.envs.scenarios import find_world
from longplay.experiments.execution.jobs import Executor, Told, Watch
from longplay.experiments.facts.fact import Found, choose
from longplay.experiments.facts.judge import Judged, judge
from longplay.experiments.facts.lab import Lab
from longplay.experiments.run import Refused, environment, exists, make_room, replacing, write_json

FORMAT = 1  # of facts.json
WORLD = "world.json"  # where a job that is done elsewhere finds the scenario's file
LEAST_SEEDS = 2


@dataclass(frozen=True)
class Job:
    """One fact with one seed."""

    fact: str
    seed: int
    scenario: str
    quick: bool
    folder: Path

    def needs(self) -> dict[str, Path]:
        """What it reads besides itself: a world kept in a file."""
        return {WORLD: Path(self.scenario)} if self.scenario.endswith(".json") else {}

    def moved(self, folder: Path) -> Job:
        """The same job in another folder, which holds what it needs."""
        scenario = str(folder / WORLD) if self.needs() else self.scenario
        return replace(self, folder=folder, scenario=scenario)

    @property
    def part(self) -> Path:
        """Where its result lies."""
        return self.folder / "parts" / f"{self.fact}-{self.seed}.npz"


def work(job: Job, told: Told) -> None:
    """Measure, and leave the result in `Job.part`."""
    found = choose((job.fact,))[job.fact]
    lab = Lab(find_world(job.scenario), lambda share: told("measuring", share))
    measured = found.measure(lab, found.settings[kind(job.quick)], job.seed)
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in measured.items()}
    with replacing(job.part) as half, half.open("wb") as file:
        np.savez_compressed(file, **arrays)


def kind(quick: bool) -> str:
    """The name of the settings."""
    return "quick" if quick else "full"


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


def make_folder(folder: Path) -> None:
    """A new folder; Refused if anything is there already."""
    if exists(folder):
        raise Refused(f"{folder} exists already and nothing in it was touched; give another --out.")
    try:
        (folder / "parts").mkdir(parents=True)
    except OSError as error:
        raise Refused(
            f"{folder} cannot be made ({error.strerror}); give an --out that can be written to."
        ) from None


def measure_all(
    facts: Mapping[str, Found], jobs: Sequence[Job], *, executor: Executor, watch: Watch
) -> list[Judged]:
    """Do all jobs and judge each fact."""
    executor.run(work, jobs, watch)
    judged = []
    for name, found in facts.items():
        parts = []
        for job in jobs:
            if job.fact == name:
                with np.load(job.part, allow_pickle=False) as saved:
                    parts.append(dict(saved))
        judged.append(judge(found, parts, jobs[0].quick))
    return judged


def as_json(judged: Sequence[Judged], job: Job, seeds: int, command: Sequence[str]) -> Any:
    """Everything as plain numbers and texts; an end of a range that is open is null."""
    return {
        "format": FORMAT,
        "scenario": job.scenario,
        "kind": kind(job.quick),
        "seeds": seeds,
        "environment": environment(command),
        "facts": [one_as_json(one, job.quick) for one in judged],
    }


def one_as_json(judged: Judged, quick: bool) -> dict[str, Any]:
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
        "settings": asdict(judged.found.settings[kind(quick)]),
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
