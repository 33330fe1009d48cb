"""Compare: train agents on a world, evaluate them on the same held-out people, and report.

One *part* is one agent trained and evaluated with one seed. Parts know nothing of each other, so
they run in any number of processes, in any order, and a stopped comparison goes on where it was.
An agent is asked for by name, ``"linucb"``, or with a decision level of its own,
``"linucb@fetch"``: trained and evaluated at that level, while the others use the level they ask
for, or the run's.
Privileged agents (they see hidden state, or try things out on forked users) are references: they
span the scale of headroom closed and are never contenders.
A run may have a reward of its own, a formula: agents that learn from the reward of a step are paid
by it, and the evaluation tells its parts for everybody. They are still compared by value.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longplay.experiments.execution.course import Course
from longplay.experiments.execution.jobs import Executor, Processes, Watch
from longplay.experiments.execution.parts import all_jobs, do_item
from longplay.experiments.run import Refused, RunFolder
from longplay.experiments.settings import Entry, Settings, check, find_scenario
from longplay.experiments.summary import people_in, report_data
from longplay.experiments.tables import (
    behaviour_table,
    final_figures,
    metrics_table,
    quantiles_table,
    retention_table,
)

if TYPE_CHECKING:
    from longplay.experiments.report import ReportData


def compare(
    settings: Settings,
    folder: Path,
    *,
    command: Sequence[str] = ("longplay", "compare"),
    jobs: int = 1,
    resume: bool = False,
    watch: Watch | None = None,
    references: Path | None = None,
    executor: Executor | None = None,
    shard: int | None = None,
) -> ReportData:
    """Run a whole comparison into a folder, and write its tables and report.

    Args:
        settings: what is compared; checked before anything is written.
        folder: must not exist, or with ``resume`` hold a run of the same settings.
        command: the words that were typed, kept with the run.
        jobs: processes at a time, at least 1. Results do not depend on it.
        watch: told (Job, what is being done, share) as parts go on; "done" ends one.
        references: a file of `longplay references` of this world, for headroom closed.
        executor: who does the jobs; None: ``jobs`` processes of this machine.
        shard: users evaluated as one job, a multiple of 4096; None: by their number. Results do
            not depend on it.
    """
    entries = check(settings)
    check_references(settings, references)
    run = open_run(settings, folder, command, resume)
    return carry_out(
        settings, entries, run, watch=watch, references=references,
        executor=executor or Processes(jobs), shard=shard,
    )  # fmt: skip


def check_references(settings: Settings, references: Path | None) -> None:
    """Refused if a file of references does not belong to the world of a comparison."""
    from longplay.experiments.references.stored import find

    if references is not None:
        find(settings, references)


def open_run(
    settings: Settings, folder: Path, command: Sequence[str], resume: bool = False
) -> RunFolder:
    """The folder of a new run, or of a stopped one; Refused if it cannot be what is asked."""
    from longplay.experiments.references.stored import world_hash

    require_libraries()
    config = {
        **run_config(settings),
        "hash of the world": world_hash(find_scenario(settings.scenario)),
    }
    return RunFolder.reopen(folder, config) if resume else RunFolder.create(folder, config, command)


def require_libraries() -> None:
    """Refused unless every library that a comparison needs can be found. Imports nothing."""
    for library in ("polars", "tensorboard", "scipy"):
        if importlib.util.find_spec(library) is None:
            raise Refused(
                f"a comparison needs {library}, which is not installed; "
                'run: pip install "longplay[experiments]"'
            )


def carry_out(
    settings: Settings,
    entries: Sequence[Entry],
    run: RunFolder,
    *,
    executor: Executor,
    watch: Watch | None = None,
    references: Path | None = None,
    shard: int | None = None,
) -> ReportData:
    """Do every part that is not done yet, then write tables and report; see `compare`."""
    began = time.perf_counter()
    try:
        jobs = all_jobs(settings, entries, run)
        course = Course(jobs, watch or (lambda job, what, share: None), shard)
        try:
            executor.run(do_item, course.first(), course.watch, course.then)
        finally:
            run.sweep()
        return finish(settings, entries, run, time.perf_counter() - began, references)
    finally:
        run.unlock()


def run_config(settings: Settings) -> dict[str, Any]:
    """What must be the same for two runs to give the same numbers."""
    from longplay.envs.compiled import ROOM, sources_hash

    config: dict[str, Any] = {"settings": dataclasses.asdict(settings)}
    for room in ("envs", "agents", "rewards"):
        config[f"hash of longplay.{room}"] = sources_hash(ROOM.parent / room)
    return config


def finish(
    settings: Settings,
    entries: Sequence[Entry],
    run: RunFolder,
    seconds: float,
    references: Path | None = None,
) -> ReportData:
    """Tables, TensorBoard's overview and the report, from the parts."""
    from longplay.experiments.events import EventLog
    from longplay.experiments.report import write_report

    parts = [
        run.load_part(entry.label, seed) for entry in entries for seed in range(settings.seeds)
    ]
    tables = {
        "metrics": metrics_table(parts),
        "retention": retention_table(parts),
        "behaviour": behaviour_table(parts),
    }
    if people_in(parts):
        tables["quantiles"] = quantiles_table(parts)
    for name, columns in tables.items():
        run.write_table(name, columns)
    overview = run.tensorboard / "overview"
    if overview.exists():
        shutil.rmtree(overview)
    with EventLog(overview) as tensorboard:
        tensorboard.experiment(
            {
                "agent": settings.agents,
                "seed": range(settings.seeds),
                "decision": sorted({entry.decision for entry in entries}),
            },
            list(final_figures(parts[0].evaluation)),
        )
    data = report_data(settings, entries, run, parts, seconds, references)
    write_report(run.path, data)
    return data
