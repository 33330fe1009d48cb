"""The parts of a comparison: one agent trained and evaluated with one seed, and its pieces.

A part of few users is one `Job`, done whole by one worker. A part of many is a `Training`, which
leaves a checkpoint, and then a `Shard` for each run of users, which leaves what it counted; the
last step, `close_part`, puts the shards together. What a worker does depends on its job alone, so
that a job may be done by anybody, and again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from longplay.agents.rl import threads
from longplay.experiments.evaluate import Evaluation
from longplay.experiments.execution.jobs import Told
from longplay.experiments.execution.pieces import Piece
from longplay.experiments.populations.crowd import Crowd
from longplay.experiments.populations.shards import Counted, gathered, people
from longplay.experiments.run import (
    Curve,
    Part,
    RunFolder,
    curve_arrays,
    curve_of,
    reading,
    replacing,
    told_arrays,
    told_of,
    write_arrays,
)
from longplay.experiments.settings import (
    Entry,
    Settings,
    cohort_maker,
    find_entry,
    find_objective,
    find_task,
    training_maker,
)
from longplay.experiments.tables import final_figures

if TYPE_CHECKING:
    from longplay.agents.policy import Policy
    from longplay.experiments.events import EventLog, HParam

WORLD = "world.json"  # where a job that is done elsewhere finds the scenario's file
TRAINED = "trained.npz"  # beside the shards: the checkpoint is complete


@dataclass(frozen=True)
class Job:
    """One part to be done."""

    settings: Settings
    label: str
    seed: int
    folder: Path

    def needs(self) -> dict[str, Path]:
        """What it reads besides its settings: a world kept in a file."""
        file = self.settings.scenario
        return {WORLD: Path(file)} if file.endswith(".json") else {}

    def moved(self, folder: Path) -> Job:
        """The same job in another folder, which holds what it needs."""
        scenario = str(folder / WORLD) if self.needs() else self.settings.scenario
        return replace(self, folder=folder, settings=replace(self.settings, scenario=scenario))

    @property
    def entry(self) -> Entry:
        """The agent, looked up."""
        return find_entry(self.label, self.settings.decision, find_task(self.settings.world))


@dataclass(frozen=True)
class PartPiece(Piece):
    """What can be done of a part by itself."""

    job: Job

    @property
    def label(self) -> str:
        """The agent."""
        return self.job.label

    @property
    def shards(self) -> Path:
        """Where pieces leave what they did."""
        return RunFolder(self.folder).shards(self.label, self.seed)


@dataclass(frozen=True)
class Training(PartPiece):
    """The training of a part that is evaluated in shards."""

    @property
    def path(self) -> Path:
        """What is there once it is done."""
        return self.shards / TRAINED


@dataclass(frozen=True)
class Shard(PartPiece):
    """Users first .. until - 1 of a part, to be evaluated once it is trained."""

    first: int
    until: int

    def needs(self) -> dict[str, Path]:
        """What it reads: the part's checkpoint, and what a Job reads."""
        job = self.job
        checkpoint = RunFolder(job.folder).checkpoint(job.label, job.seed)
        return {str(checkpoint.relative_to(job.folder)): checkpoint, **job.needs()}

    @property
    def path(self) -> Path:
        """Where its result lies, once it is complete."""
        return self.shards / f"{self.first}-{self.until}.npz"


Item = Job | Training | Shard


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


def do_item(item: Item, told: Told) -> None:
    """Do a part, or a piece of one."""
    if isinstance(item, Shard):
        do_shard(item, told)
    elif isinstance(item, Training):
        do_training(item, told)
    else:
        do_part(item, told)


def do_part(job: Job, told: Told) -> None:
    """Train and evaluate one agent with one seed, and leave the results in the run's folder."""
    with trained(job, told) as (policy, tensorboard, curve, seconds):
        began = time.perf_counter()
        evaluation = evaluated(policy, job, lambda share: told("evaluating", share))
        part = Part(job.label, job.seed, evaluation, curve, seconds, time.perf_counter() - began)
        log_evaluation(tensorboard, job, evaluation)
    RunFolder(job.folder).save_part(part)


def do_training(item: Training, told: Told) -> None:
    """Train one agent with one seed, and leave its checkpoint and what it logged."""
    with trained(item.job, told) as (_, _, curve, seconds):
        pass
    write_arrays(item.path, {"train_seconds": seconds}, curve_arrays(curve))


@contextmanager
def trained(job: Job, told: Told) -> Iterator[tuple[Policy, EventLog, Curve, float]]:
    """Train, save, and yield the policy, its TensorBoard, what it logged and how long it took [s].

    What is evaluated is what the checkpoint holds, lazy refits included.
    """
    from longplay.agents.registry import train
    from longplay.experiments.events import EventLog

    settings, run, entry = job.settings, RunFolder(job.folder), job.entry
    curve: Curve = []
    events = run.events(job.label, job.seed)
    if events.exists():
        shutil.rmtree(events)  # of a part that was stopped: it is done again from the start
    with EventLog(events) as tensorboard, one_torch_thread(entry.spec.extra):

        def log(name: str, value: float, step: int) -> None:
            tensorboard.log(name, value, step)
            curve.append((name, int(step), float(value)))

        def training(share: float) -> None:
            if entry.kind != "fixed":  # which are only built
                told("training", min(share, 1.0))

        training(0.0)
        began = time.perf_counter()
        policy = train(
            entry.spec,
            training_maker(settings, entry),
            seed=job.seed,
            budget_steps=settings.train_steps,
            progress=lambda done: training(done / settings.train_steps),
            log=log,
            task=find_task(settings.world),
        )
        seconds = time.perf_counter() - began
        save_policy(policy, run.checkpoint(job.label, job.seed))
        yield policy, tensorboard, curve, seconds


def do_shard(shard: Shard, told: Told) -> None:
    """Evaluate some users under the policy of the part's checkpoint, and leave what it counted."""
    from longplay.agents.registry import load

    job = shard.job
    began = time.perf_counter()
    with one_torch_thread(job.entry.spec.extra):
        pieces = counted(
            load(RunFolder(job.folder).checkpoint(job.label, job.seed)),
            job,
            (shard.first, shard.until),
            lambda share: told("evaluating", share),
        )
    notes = {"evaluate_seconds": time.perf_counter() - began}
    told_of_each: list[Evaluation | Crowd] = [pieces] if isinstance(pieces, Crowd) else list(pieces)
    arrays = {
        f"{i}/{name}": array
        for i, piece in enumerate(told_of_each)
        for name, array in told_arrays(piece).items()
    }
    write_arrays(shard.path, notes, arrays)


def evaluated(policy: Policy, job: Job, progress: Callable[[float], None]) -> Evaluation | Crowd:
    """Evaluate all users of a part, as if it were one shard."""
    return gathered([counted(policy, job, (0, job.settings.users), progress)])


def counted(
    policy: Policy, job: Job, shard: tuple[int, int], progress: Callable[[float], None]
) -> Counted:
    """Evaluate the users of a shard of a part."""
    return people(
        policy,
        cohort_maker(job.settings, job.entry),
        shard,
        users=job.settings.users,
        seed=job.seed,
        objective=find_objective(job.settings.reward),
        progress=progress,
    )


def close_part(job: Job, shards: Sequence[Shard]) -> None:
    """Put the shards of a trained part together, each once, and leave its results.

    Refused if one of them cannot be read.
    """
    from longplay.experiments.events import EventLog

    run, seconds = RunFolder(job.folder), 0.0
    with reading(Training(job).path) as (notes, saved):
        train_seconds, curve = notes["train_seconds"], curve_of(saved)

    def read() -> Iterator[Counted]:
        nonlocal seconds
        for shard in shards:
            with reading(shard.path) as (notes, saved):
                seconds += notes["evaluate_seconds"]
                piece = unpacked(saved)
            yield piece

    evaluation = gathered(read())
    with EventLog(run.events(job.label, job.seed)) as tensorboard:
        log_evaluation(tensorboard, job, evaluation)
    run.save_part(Part(job.label, job.seed, evaluation, curve, train_seconds, seconds))
    shutil.rmtree(run.shards(job.label, job.seed))


def unpacked(saved: Mapping[str, npt.NDArray[Any]]) -> Counted:
    """What a shard left, from the arrays of its file."""
    pieces: dict[int, dict[str, npt.NDArray[Any]]] = {}
    for name, array in saved.items():
        number, _, field = name.partition("/")
        pieces.setdefault(int(number), {})[field] = array
    told = [told_of(pieces[i]) for i in sorted(pieces)]
    if isinstance(told[0], Crowd):
        return told[0]
    return [piece for piece in told if isinstance(piece, Evaluation)]


def log_evaluation(events: EventLog, job: Job, told: Evaluation | Crowd) -> None:
    """Hyperparameters, final figures and the retention curve (its step is the day)."""
    budget = job.settings.train_steps
    known: dict[str, HParam] = {
        "agent": job.label, "seed": job.seed, "scenario": job.settings.scenario,
        "decision": job.entry.decision, "train_steps": budget,
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


def one_torch_thread(extra: str | None) -> AbstractContextManager[None]:
    """One thread for torch, if the agent needs it."""
    return threads.one_torch_thread() if extra in ("rl", "ray") else nullcontext()
