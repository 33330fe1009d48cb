"""One trial: train an agent with each seed, judge each policy, and tell what it came to.

Trials are judged on people of their own, held out of training and met by nobody else: those of
`longplay compare` stay untouched, for the best of the sweep to be judged on (`confirm`). All trials
meet the same people with the same luck.

A trial's result is JSON, and does not depend on where or when it was made, but for `seconds` and
`machine`. A trial whose agent or objective breaks down (a ValueError, or a metric that is no
number) has failed; that is a result, too.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longplay.experiments.evaluate import Evaluation, evaluate
from longplay.experiments.execution.jobs import Told
from longplay.experiments.execution.parts import one_torch_thread
from longplay.experiments.run import Refused, replacing, write_json
from longplay.experiments.settings import (
    cohort_maker,
    find_objective,
    find_task,
    training_maker,
)
from longplay.experiments.sweep.config import Sweep
from longplay.experiments.sweep.knobs import entry_of
from longplay.experiments.sweep.search import Trial
from longplay.experiments.tables import final_figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from longplay.experiments.events import EventLog, HParam

Result = dict[str, Any]  # JSON values
Log = Callable[[str, float, int], None]

SWEEP_PEOPLE = 200_000  # added to a seed: whom trials are judged on; compare's have 0
DONE, FAILED, STOPPED = "done", "failed", "stopped"
WINNER = "winner"


@dataclass(frozen=True)
class Job:
    """One trial to be done with a budget."""

    config: Sweep
    trial: Trial
    budget: int  # decisions to learn from, per seed
    folder: Path  # of the run
    world: Any  # the World of the trial: who does it need not have its scenario's file
    threads: int = 1  # of a process
    winner: bool = False  # train with new seeds, judge on compare's people, keep the policies

    def __str__(self) -> str:
        """The job in words."""
        if self.winner:
            return f"{self.trial}, once more"
        return f"{self.trial}" + (f", {self.budget:,} decisions" if not self.last else "")

    @property
    def last(self) -> bool:
        """Whether this is all a trial can get."""
        return self.budget == budget_of(self.config, self.trial)

    @property
    def file(self) -> Path:
        """Where the result lies, once it is complete."""
        if self.winner:
            return self.folder / f"{WINNER}.json"
        if self.last:
            return trial_file(self.folder, self.trial)
        return self.folder / "rungs" / f"{self.trial.number:05d}-{self.budget}.json"

    @property
    def events(self) -> Path:
        """Where TensorBoard's events lie: one run a trial."""
        name = WINNER if self.winner else f"trial-{self.trial.number:05d}"
        rung = "" if self.last else f"-at-{self.budget}"
        return self.folder / "tensorboard" / f"{name}{rung}"


def budget_of(config: Sweep, trial: Trial) -> int:
    """All the decisions that a trial may learn from, per seed."""
    return int(trial.params.get("train_steps", config.train_steps))


def trial_file(folder: Path, trial: Trial) -> Path:
    """Where a trial's last result lies."""
    return folder / "trials" / f"{trial.number:05d}.json"


def do_trial(job: Job, told: Told) -> None:
    """Do a trial, and leave its result and its curves in the run's folder."""
    with event_log(job) as events:
        result = run_trial(job, told, events.log)
        log_result(events, job, result)
    write_json(job.file, result)


def run_trial(job: Job, told: Told, log: Log) -> Result:
    """Train and judge with every seed; writes no file but a winner's policies."""
    began = time.perf_counter()
    first = job.config.seeds if job.winner else 0
    seeds: list[Result] = []
    error = ""
    try:
        for i, seed in enumerate(range(first, first + job.config.seeds)):

            def part(what: str, share: float, i: int = i) -> None:
                told(what, (i + share) / job.config.seeds)

            def tagged(name: str, value: float, step: int, seed: int = seed) -> None:
                log(f"seed-{seed}/{name}", value, step)

            seeds.append(one_seed(job, seed, part, tagged))
    except Refused:  # all was looked up beforehand: this machine lacks what the first one had
        raise
    except ValueError as failure:
        error = " ".join(str(failure).split())
    if not error and not math.isfinite(score_of(job.config, seeds)):
        error = f"{job.config.metric} is not a number"
    return {
        "number": job.trial.number,
        "params": dict(job.trial.params),
        "train_steps": job.budget,
        "status": FAILED if error else DONE,
        "error": error,
        "seeds": [] if error else seeds,
        "seconds": round(time.perf_counter() - began, 3),
        "machine": {
            "host": platform.node(),
            "process": os.getpid(),
            "threads": os.environ.get("NUMBA_NUM_THREADS", ""),
        },
    }


def one_seed(job: Job, seed: int, told: Told, log: Log) -> Result:
    """Train with one seed and judge the policy: means over people, and their spread."""
    from longplay.agents.registry import train

    config, params = job.config, job.trial.params
    entry, settings = entry_of(config, params), config.settings(params)
    here: dict[str, Any] = {"scenario": job.world, "threads": job.threads}
    told("training", 0.0)
    with one_torch_thread(entry.spec.extra):
        policy = train(
            entry.spec,
            made(training_maker(settings, entry), here),
            seed=seed,
            budget_steps=job.budget,
            progress=lambda steps: told("training", min(steps / job.budget, 1.0) / 2),
            log=log,
            task=find_task(config.world),
        )
        if job.winner:
            with replacing(job.folder / WINNER / f"seed-{seed}") as half:
                policy.save(half)
        evaluation = evaluate(
            policy,
            made(cohort_maker(settings, entry), here),
            users=config.users,
            seed=seed + (0 if job.winner else SWEEP_PEOPLE),
            objective=find_objective(settings.reward),
            progress=lambda share: told("evaluating", 0.5 + share / 2),
        )
    return told_of(config, seed, evaluation)


def made(make_cohort: Callable[..., Any], here: Mapping[str, Any]) -> Callable[..., Any]:
    """A maker of cohorts, with keywords of the trial."""
    return lambda num_envs, **overrides: make_cohort(num_envs, **{**here, **overrides})


def told_of(config: Sweep, seed: int, evaluation: Evaluation) -> Result:
    """What is kept of an evaluation."""
    figures = {name.partition("/")[2]: x for name, x in final_figures(evaluation).items()}
    values = evaluation.users[config.metric]
    return {
        "seed": seed,
        "users": len(values),
        "steps": evaluation.steps,
        "figures": figures,
        "variance": float(values.var(ddof=1)) if len(values) > 1 else 0.0,  # of the metric
    }


def score_of(config: Sweep, seeds: list[Result]) -> float:
    """The metric of a trial: the mean over its seeds."""
    return float(np.mean([one["figures"][config.metric] for one in seeds]))


@contextmanager
def event_log(job: Job) -> Iterator[EventLog]:
    """The TensorBoard run of a job; what a stopped attempt left is removed."""
    from longplay.experiments.events import EventLog

    if job.events.exists():
        shutil.rmtree(job.events)
    with EventLog(job.events) as events:
        yield events


def log_result(events: EventLog, job: Job, result: Result) -> None:
    """The trial's settings and final figures, for TensorBoard's HPARAMS tab."""
    known: dict[str, HParam] = {name: shown(x) for name, x in job.trial.params.items()}
    events.hparams({**known, "train_steps": job.budget})
    for name in result["seeds"][0]["figures"] if result["seeds"] else ():
        mean = float(np.mean([one["figures"][name] for one in result["seeds"]]))
        events.log(f"final/{name}", mean, job.budget)


def shown(value: Any) -> HParam:
    """A value as TensorBoard and tables take it: lists and tables as text."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
