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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longplay.experiments.evaluate import Evaluation, evaluate
from longplay.experiments.jobs import Told, Watch, run_jobs
from longplay.experiments.run import Curve, Part, Refused, RunFolder, replacing
from longplay.experiments.settings import (
    Entry,
    Settings,
    check,
    cohort_maker,
    find_entry,
    find_objective,
    find_task,
    training_maker,
)
from longplay.experiments.summary import report_data
from longplay.experiments.tables import (
    behaviour_table,
    final_figures,
    metrics_table,
    retention_table,
)

if TYPE_CHECKING:
    from longplay.experiments.events import EventLog, HParam
    from longplay.experiments.report import ReportData


@dataclass(frozen=True)
class Job:
    """One part to be done."""

    settings: Settings
    label: str
    seed: int
    folder: Path


def compare(
    settings: Settings,
    folder: Path,
    *,
    command: Sequence[str] = ("longplay", "compare"),
    jobs: int = 1,
    resume: bool = False,
    watch: Watch | None = None,
    references: Path | None = None,
) -> ReportData:
    """Run a whole comparison into a folder, and write its tables and report.

    Args:
        settings: what is compared; checked before anything is written.
        folder: must not exist, or with ``resume`` hold a run of the same settings.
        command: the words that were typed, kept with the run.
        jobs: processes at a time, at least 1. Results do not depend on it.
        watch: told (Job, what is being done, share) as parts go on; "done" ends one.
        references: a file of `longplay references` of this world, for headroom closed.
    """
    entries = check(settings)
    check_references(settings, references)
    run = open_run(settings, folder, command, resume)
    return carry_out(settings, entries, run, jobs=jobs, watch=watch, references=references)


def check_references(settings: Settings, references: Path | None) -> None:
    """Refused if a file of references does not belong to the world of a comparison."""
    from longplay.experiments.references.stored import find

    if references is not None:
        find(settings, references)


def open_run(
    settings: Settings, folder: Path, command: Sequence[str], resume: bool = False
) -> RunFolder:
    """The folder of a new run, or of a stopped one; Refused if it cannot be what is asked."""
    require_libraries()
    config = run_config(settings)
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
    jobs: int = 1,
    watch: Watch | None = None,
    references: Path | None = None,
) -> ReportData:
    """Do every part that is not done yet, then write tables and report."""
    began = time.perf_counter()
    try:
        todo = [job for job in all_jobs(settings, entries, run) if not is_done(job)]
        try:
            run_jobs(do_part, todo, processes=jobs, watch=watch or (lambda job, what, share: None))
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


def all_jobs(settings: Settings, entries: Sequence[Entry], run: RunFolder) -> list[Job]:
    """All parts, the long ones first, so that no process is left alone with one at the end."""
    weight = {"learner": 0, "reference": 1, "bandit": 2, "fixed": 3}
    order = sorted(entries, key=lambda entry: weight[entry.kind])
    return [
        Job(settings, entry.label, seed, run.path)
        for entry in order for seed in range(settings.seeds)
    ]  # fmt: skip


def is_done(job: Job) -> bool:
    """Whether the results of a part are complete."""
    return RunFolder(job.folder).part(job.label, job.seed).is_file()


def do_part(job: Job, told: Told) -> None:
    """Train and evaluate one agent with one seed, and leave the results in the run's folder."""
    from longplay.agents.registry import train
    from longplay.experiments.events import EventLog

    settings, run = job.settings, RunFolder(job.folder)
    entry = find_entry(job.label, settings.decision, find_task(settings.world))
    curve: Curve = []
    events = run.events(job.label, job.seed)
    if events.exists():
        shutil.rmtree(events)  # of a part that was stopped: it is done again from the start
    with EventLog(events) as tensorboard, one_torch_thread(entry.spec.extra):

        def log(name: str, value: float, step: int) -> None:
            tensorboard.log(name, value, step)
            curve.append((name, int(step), float(value)))

        told("training", 0.0)
        began = time.perf_counter()
        policy = train(
            entry.spec,
            training_maker(settings, entry),
            seed=job.seed,
            budget_steps=settings.train_steps,
            progress=lambda done: told("training", min(done / settings.train_steps, 1.0)),
            log=log,
            task=find_task(settings.world),
        )
        trained = time.perf_counter()
        # Saved first: what is evaluated is what the checkpoint holds, lazy refits included.
        save_policy(policy, run.checkpoint(job.label, job.seed))
        evaluation = evaluate(
            policy,
            cohort_maker(settings, entry),
            users=settings.users,
            seed=job.seed,
            objective=find_objective(settings.reward),
            progress=lambda share: told("evaluating", share),
        )
        part = Part(
            job.label, job.seed, evaluation, curve, trained - began, time.perf_counter() - trained
        )
        log_evaluation(tensorboard, job, entry, evaluation)
    run.save_part(part)


def log_evaluation(events: EventLog, job: Job, entry: Entry, told: Evaluation) -> None:
    """Hyperparameters, final figures and the retention curve (its step is the day)."""
    budget = job.settings.train_steps
    known: dict[str, HParam] = {
        "agent": job.label, "seed": job.seed, "scenario": job.settings.scenario,
        "decision": entry.decision, "train_steps": budget,
    }  # fmt: skip
    if job.settings.reward is not None:
        known["reward"] = job.settings.reward
    events.hparams(known)
    for tag, value in final_figures(told).items():
        events.log(tag, value, budget)
    for day, (active, watched) in enumerate(zip(*told.retention(), strict=True)):
        if watched:
            events.log("retention/by_day", active / watched, day)


def save_policy(policy: Any, path: Path) -> None:
    """Save a policy, whole or not at all."""
    with replacing(path) as half:
        policy.save(half)


@contextmanager
def one_torch_thread(extra: str | None) -> Iterator[None]:
    """One thread for torch, if the agent needs it: equal results on any number of cores."""
    if extra not in ("rl", "ray"):
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
