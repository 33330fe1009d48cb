"""The course of measurements: what can be done now, by anybody, and what is left.

A *job* is one fact with one seed. It measures until it asks for a stage (stages.py) that is longer
than a block: then it notes that in its folder and stops. The stage is cut into shards, any worker
walks them, in any order; when the last one is there its answer is written, and the job begins anew
with it. What a worker does depends on the files of its job alone, so that it may be done again.

    parts/F1-0.npz           what seed 0 measured of F1: the job is done
    parts/F1-0/              until then:
        asked-0.json         stage 0 is waited for: its kind and how many blocks it has
        stage-0/0-4.npz      blocks 0 .. 3 of it
        answer-0.npz         all of it
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from longplay.envs.scenarios import find_world
from longplay.experiments.execution.jobs import DONE, LOST, Told, Watch
from longplay.experiments.execution.pieces import Piece
from longplay.experiments.facts.fact import choose
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.stages import Arrays, Share, Stage, merged
from longplay.experiments.run import Refused, reading, write_arrays, write_json

WORLD = "world.json"  # in the run's folder: a copy of the scenario's file, if it is one
MOST = 256  # shards of a stage, at most; free choice
MEASURING = "measuring"


@dataclass(frozen=True)
class Job:
    """One fact with one seed."""

    fact: str
    seed: int
    scenario: str
    quick: bool
    folder: Path

    @property
    def kind(self) -> str:
        """The name of the settings."""
        return "quick" if self.quick else "full"

    @property
    def file(self) -> Path | None:
        """The scenario's file, if it is one."""
        return Path(self.scenario) if self.scenario.endswith(".json") else None

    @property
    def settled(self) -> Job:
        """The same job in the world as it was when the run was begun."""
        copy = self.folder / WORLD
        return replace(self, scenario=str(copy)) if self.file and copy.is_file() else self

    @property
    def notes(self) -> dict[str, Any]:
        """What is noted in the file of its result."""
        return {"fact": self.fact, "seed": self.seed}

    def needs(self) -> dict[str, Path]:
        """What it reads besides itself: a world kept in a file, and the answers that are known."""
        world = {WORLD: self.file} if self.file else {}
        known = sorted(self.stages.glob("answer-*.npz"))
        return world | {str(path.relative_to(self.folder)): path for path in known}

    def moved(self, folder: Path) -> Job:
        """The same job in another folder, which holds what it needs."""
        scenario = str(folder / WORLD) if self.file else self.scenario
        return replace(self, folder=folder, scenario=scenario)

    @property
    def part(self) -> Path:
        """Where its result lies."""
        return self.folder / "parts" / f"{self.fact}-{self.seed}.npz"

    @property
    def stages(self) -> Path:
        """Where its stages lie until there is a result."""
        return self.part.with_suffix("")

    def asked(self, number: int) -> Path:
        """What is there once a stage is waited for."""
        return self.stages / f"asked-{number}.json"

    def answer(self, number: int) -> Path:
        """What is there once a stage is done."""
        return self.stages / f"answer-{number}.npz"

    @property
    def answered(self) -> int:
        """How many stages are done; they are numbered from 0."""
        number = 0
        while self.answer(number).is_file():
            number += 1
        return number


@dataclass(frozen=True)
class Shard(Piece):
    """Blocks first .. until - 1 of a stage that a job waits for."""

    job: Job
    stage: int
    first: int
    until: int

    @property
    def fact(self) -> str:
        """Whose it is."""
        return self.job.fact

    @property
    def notes(self) -> dict[str, Any]:
        """What is noted in its file."""
        return self.job.notes | {"stage": self.stage, "blocks": [self.first, self.until]}

    @property
    def path(self) -> Path:
        """Where its tally lies, once it is complete."""
        return self.job.stages / f"stage-{self.stage}" / f"{self.first}-{self.until}.npz"


Item = Job | Shard


# --- done by a worker ------------------------------------------------------------------------


class Stopped(Exception):
    """A measurement is left at the stage it came for, or cannot go on without."""


class Questions:
    """Answers the stages of a measurement that are known, and stops it at the first other one.

    Args:
        job: whose measurement it is.
        shard: blocks to be walked when their stage is asked for.
    """

    def __init__(self, job: Job, shard: Shard | None = None) -> None:
        self.job, self.shard = job, shard
        self.number = -1  # of the stage asked for last

    def __call__(self, stage: Stage, told: Share) -> Arrays:
        """The answer to the next stage; Stopped if it is not known, or its shard is walked."""
        self.number += 1
        answer, blocks, shard = self.job.answer(self.number), stage.blocks, self.shard
        if not answer.is_file():
            if shard is not None:
                own = stage.walked(blocks[shard.first : shard.until], told)
                write_arrays(shard.path, shard.notes, own.arrays())
                raise Stopped
            if len(blocks) > 1:
                asked = {"kind": stage.kind, "blocks": len(blocks)}
                write_json(self.job.asked(self.number), asked)
                raise Stopped
            write_arrays(answer, {}, stage.walked(blocks, told).answer())
        with reading(answer) as (_, arrays):
            return arrays


def do_item(item: Item, told: Told) -> None:
    """Measure as far as it goes, or walk a shard, and leave what was found."""
    job, shard = (item, None) if isinstance(item, Job) else (item.job, item)
    found = choose((job.fact,))[job.fact]
    world = find_world(job.scenario)
    lab = Lab(world, lambda share: told(MEASURING, share), Questions(job, shard))
    try:
        measured = found.measure(lab, found.settings[job.kind], job.seed)
    except Stopped:
        return
    write_arrays(job.part, job.notes, {name: np.asarray(value) for name, value in measured.items()})


# --- done by whoever started the run ---------------------------------------------------------


class Course:
    """All jobs of a run that are not done yet.

    Args:
        jobs: all of them.
        watch: told of jobs: (Job, what is being done, share).
        size: blocks of a shard; None: one, or so many that there are MOST shards.
    """

    def __init__(self, jobs: Iterable[Job], watch: Watch, size: int | None = None) -> None:
        self.jobs = []
        for job in jobs:
            if job.part.is_file():
                shutil.rmtree(job.stages, ignore_errors=True)
            else:
                self.jobs.append(job)
        self.seen, self.size = watch, size
        self.kinds: dict[Job, Any] = {}  # of the stage that a job waits for
        self.shards: dict[Job, list[Shard]] = {}
        self.left: dict[Job, set[Shard]] = {}
        self.under_way: dict[Shard, float] = {}  # share done of each

    def first(self) -> list[Item]:
        """What can be done at once; what a stopped run left of stages is looked through."""
        for job in self.jobs:
            for answer in job.stages.glob("answer-*.npz"):
                if not is_readable(answer):  # its stage is walked again
                    answer.unlink()
        return [*self.jobs]

    def then(self, item: Item) -> Sequence[Item]:
        """What can be done once an item is."""
        if isinstance(item, Shard):
            self.left[item.job].discard(item)
            self.under_way.pop(item, None)
            return [] if self.left[item.job] else self.closed(item.job)
        if item.part.is_file():
            shutil.rmtree(item.stages, ignore_errors=True)
            return []
        self.cut(item)
        return [s for s in self.shards[item] if s in self.left[item]] or self.closed(item)

    def cut(self, job: Job) -> None:
        """Make shards of the stage that a job waits for; some may be there, of a stopped run."""
        number = job.answered
        asked = json.loads(job.asked(number).read_text(encoding="utf-8"))
        self.kinds[job], blocks = asked["kind"], asked["blocks"]
        size = self.size or -(-blocks // MOST)
        ends = [(at, min(at + size, blocks)) for at in range(0, blocks, size)]
        self.shards[job] = [Shard(job, number, *pair) for pair in ends]
        self.left[job] = {shard for shard in self.shards[job] if not shard.path.is_file()}

    def closed(self, job: Job) -> list[Item]:
        """Put the shards of a stage together, each once; the job can go on."""
        shards = self.shards[job]
        kept = (read(shard.path, shard.notes) for shard in shards)
        try:
            answer = merged(self.kinds[job], kept)
        except Refused:
            raise
        except (KeyError, ValueError):
            raise Refused(
                f"the shards in {shards[0].path.parent} do not fit together; delete them and run "
                "again with --resume."
            ) from None
        write_arrays(job.answer(shards[0].stage), {}, answer)
        shutil.rmtree(shards[0].path.parent)
        return [job]

    def watch(self, item: Item, what: str, share: float) -> None:
        """Told by the executor."""
        if isinstance(item, Shard):
            job, stage = item.job, item.stage
            self.under_way[item] = share
            what = what if what == LOST else MEASURING
            shards, left = self.shards[job], self.left[job]
            done = sum(self.under_way.get(shard, 0.0) if shard in left else 1.0 for shard in shards)
            self.seen(job, what, so_far(stage, done / len(shards)))
        elif what != DONE:
            self.seen(item, what, so_far(item.answered, share))
        elif item.part.is_file():
            self.seen(item, DONE, 1.0)


def so_far(stage: int, share: float) -> float:
    """How far a job is [0, 1) that has done a share of a stage.

    Its first stage is taken for nine tenths of the work, the next for nine tenths of the rest.
    """
    return 1.0 - 0.1**stage * (1.0 - 0.9 * share)


def read(path: Path, notes: Mapping[str, Any]) -> Arrays:
    """The arrays of a file; Refused unless it is whole, and the one with these notes."""
    with reading(path) as (noted, arrays):
        if noted != notes:
            raise ValueError
    return arrays


def is_readable(path: Path) -> bool:
    """Whether a file of arrays is whole."""
    try:
        with reading(path):
            return True
    except Refused:
        return False
