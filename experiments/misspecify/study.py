"""Train agents in some worlds and test each in others: the command `longplay misspecify`.

    longplay misspecify --train bench "bench without habit" --agents linucb ppo

Training is that of `longplay compare`, one part for each world, agent and seed; a further part
evaluates the trained policy in each other world. In a test world all policies meet the same
held-out people with the same luck, so that what a wrong belief costs is read person by person.

    FOLDER/under/0-bench/               what was trained in the first world, as in a run folder,
                                        with its evaluation in that world
    FOLDER/under/0-bench/in/1-music/    its evaluation in another
    FOLDER/cells.parquet                one row per agent, world trained under and world tested in
    FOLDER/report.html
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longplay.experiments.compare import require_libraries
from longplay.experiments.execution.jobs import Told, Watch, run_jobs
from longplay.experiments.execution.parts import (
    Job,
    all_jobs,
    do_part,
    evaluated,
    is_done,
    one_torch_thread,
)
from longplay.experiments.run import Part, Refused, RunFolder
from longplay.experiments.settings import (
    Decision,
    Entry,
    Observe,
    Settings,
    check,
    find_entry,
    find_scenario,
    find_task,
)

if TYPE_CHECKING:
    from longplay.experiments.misspecify.cells import Matrix


@dataclass(frozen=True)
class Misspecify:
    """Train agents in some worlds, test them in others, and show what wrong beliefs cost.

    Worlds are scenarios, scenario files or variants: "bench without habit", "bench shifted 6",
    "bench perturbed 0.2 seed 3". A loss is told for test worlds that are trained in, too.
    """

    world: str = "longplay/AdLoad-v0"  # id of the world; see `longplay worlds`
    train: tuple[str, ...] = ("bench", "bench without habit")  # worlds to train in
    test: tuple[str, ...] = ()  # worlds to test in; none: the same
    agents: tuple[str, ...] = ("linucb", "ppo")  # see `longplay agents`
    decision: Decision = "session"  # how long an action holds
    observe: Observe = "platform"  # what policies see; oracle adds hidden moods
    seeds: int = 3  # training seeds, each with its own held-out people
    users: int = 500  # held-out people per seed
    train_steps: int = 200_000  # decisions an agent may learn from, per world and seed
    horizon_days: float | None = None  # how long each user is watched; None: as the world says
    out: Path | None = None  # folder of the run, must not exist; None: runs/TIME-misspecify
    resume: bool = False  # go on with the stopped run in --out
    jobs: int | None = None  # processes; None: one per core

    @property
    def tests(self) -> tuple[str, ...]:
        """The worlds to test in."""
        return self.test or self.train

    def settings(self, scenario: str) -> Settings:
        """What is trained in one world; agents may also be split by commas."""
        agents = [name for word in self.agents for name in word.split(",") if name]
        return Settings(
            world=self.world,
            scenario=scenario,
            decision=self.decision,
            observe=self.observe,
            agents=tuple(agents),
            seeds=self.seeds,
            users=self.users,
            train_steps=self.train_steps,
            horizon_days=self.horizon_days,
        )


@dataclass(frozen=True)
class Crossing:
    """A trained agent to be tested in another world than its own."""

    job: Job  # that trained it
    test: str
    folder: Path

    @property
    def label(self) -> str:
        """The agent."""
        return self.job.label

    @property
    def seed(self) -> int:
        """Its training seed."""
        return self.job.seed


def check_all(asked: Misspecify) -> list[Entry]:
    """Look everything up; Refused with one sentence about the first thing that is wrong."""
    for option, names in (("train", asked.train), ("test", asked.tests)):
        if not names:
            raise Refused(f"no --{option} came; name at least one world, such as bench.")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise Refused(f"--{option} {twice[0]!r} came twice; name each world once.")
    entries = [check(asked.settings(name)) for name in dict.fromkeys((*asked.train, *asked.tests))]
    return entries[0]


def run_config(asked: Misspecify) -> dict[str, Any]:
    """What must be the same for two runs to give the same numbers."""
    from longplay.experiments import compare
    from longplay.experiments.references.stored import world_hash

    names = dict.fromkeys((*asked.train, *asked.tests))
    return {
        **compare.run_config(asked.settings("")),
        "train": list(asked.train),
        "test": list(asked.tests),
        "worlds": {name: world_hash(find_scenario(name)) for name in names},
    }


def folder_of(run: RunFolder, asked: Misspecify, trained: str, tested: str) -> RunFolder:
    """Where the evaluations of what was trained in one world, tested in another, lie."""
    own = run.path / "under" / _slug(asked.train, trained)
    return RunFolder(own if trained == tested else own / "in" / _slug(asked.tests, tested))


def _slug(names: Sequence[str], name: str) -> str:
    plain = re.sub(r"[^\w.@+-]+", "-", Path(name).name.removesuffix(".json"))
    return f"{names.index(name)}-{plain}"


def do_crossing(crossing: Crossing, told: Told) -> None:
    """Evaluate a trained agent in another world, and leave the result in its folder."""
    from longplay.agents import registry

    job = crossing.job
    settings = dataclasses.replace(job.settings, scenario=crossing.test)
    entry = find_entry(job.label, settings.decision, find_task(settings.world))
    began = time.perf_counter()
    with one_torch_thread(entry.spec.extra):
        evaluation = evaluated(
            registry.load(RunFolder(job.folder).checkpoint(job.label, job.seed)),
            dataclasses.replace(job, settings=settings),
            lambda share: told("evaluating", share),
        )
    seconds = time.perf_counter() - began
    RunFolder(crossing.folder).save_part(Part(job.label, job.seed, evaluation, [], 0.0, seconds))


def carry_out(
    asked: Misspecify,
    entries: Sequence[Entry],
    run: RunFolder,
    *,
    jobs: int = 1,
    watch: Watch | None = None,
) -> Matrix:
    """Do every part that is not done yet, then write the table and the report."""
    from longplay.experiments.misspecify.cells import matrix_of
    from longplay.experiments.misspecify.page import write_page

    seen = watch or (lambda job, what, share: None)
    trained = {
        name: all_jobs(asked.settings(name), entries, folder_of(run, asked, name, name))
        for name in asked.train
    }
    crossings = [
        Crossing(job, test, folder_of(run, asked, name, test).path)
        for name, own in trained.items() for test in asked.tests if test != name for job in own
    ]  # fmt: skip
    try:
        try:
            todo = [job for own in trained.values() for job in own if not is_done(job)]
            run_jobs(do_part, todo, processes=jobs, watch=seen)
            left = [x for x in crossings if not RunFolder(x.folder).part(x.label, x.seed).is_file()]
            run_jobs(do_crossing, left, processes=jobs, watch=seen)
        finally:
            run.sweep()
        matrix = matrix_of(asked, run)
        run.write_table("cells", matrix.table())
        write_page(run.path, matrix)
        return matrix
    finally:
        run.unlock()


def study(
    asked: Misspecify,
    folder: Path,
    *,
    command: Sequence[str] = ("longplay", "misspecify"),
    jobs: int = 1,
    watch: Watch | None = None,
) -> Matrix:
    """Run a whole study into a folder; the arguments are those of compare.compare."""
    entries = check_all(asked)
    require_libraries()
    config = run_config(asked)
    run = (
        RunFolder.reopen(folder, config)
        if asked.resume
        else RunFolder.create(folder, config, command)
    )
    return carry_out(asked, entries, run, jobs=jobs, watch=watch)


def command(asked: Misspecify, words: Sequence[str]) -> int:
    """Run a study with a line on stderr as each part is done; returns the exit code."""
    from rich.console import Console

    from longplay.experiments.execution.jobs import DONE, LOST, JobFailed

    if asked.resume and asked.out is None:
        raise Refused("--resume came without --out; name the folder of the run to go on with.")
    jobs = asked.jobs if asked.jobs is not None else os.cpu_count() or 1
    if jobs < 1:
        raise Refused(f"jobs={jobs}; wanted at least 1 process.")
    out = asked.out or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-misspecify"

    def watch(job: Job | Crossing, what: str, share: float) -> None:
        if what == DONE:
            print(f"longplay: {spoken(job)}: done.", file=sys.stderr)
        elif what == LOST:
            print(f"longplay: {spoken(job)}: a worker was lost; done again.", file=sys.stderr)

    typed = ["longplay", "misspecify", *words]
    try:
        matrix = study(asked, out, command=typed, jobs=jobs, watch=watch)
    except JobFailed as failure:
        print(
            f"longplay: {spoken(failure.job)} failed ({failure}); go on with --resume --out {out} "
            "and the same options.",
            file=sys.stderr,
        )
        return 1
    console = Console()
    for agent in matrix.agents:
        console.print(matrix.shown(agent), "")
    print(f"{matrix.answer()}\n\nreport  {out / 'report.html'}\ntable   {out / 'cells.parquet'}")
    return 0


def spoken(job: Job | Crossing) -> str:
    """What a part is, in words."""
    own = job.job if isinstance(job, Crossing) else job
    said = f"{job.label} trained under {own.settings.scenario!r}, seed {job.seed}"
    return said + (f", tested in {job.test!r}" if isinstance(job, Crossing) else "")
