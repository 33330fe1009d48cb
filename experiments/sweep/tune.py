"""Trials on a Ray cluster, through Ray Tune.

Tune hands out the trials that are missing, with `cpus` processors each, and starts anew what was
lost with a worker. A worker tells its result and its curves; the run's folder is written by the
driver alone, so that nodes need no file system in common. The folder is also the only thing that
resuming reads: of Tune itself nothing is kept.

With `stop = "asha"` Tune ends poor trials by ASHA (Li et al. 2020): a trial goes from rung to
rung, each trained from scratch with its own budget, unless it is behind the best third (1 / eta) of
those that came to the rung before it. Which ones are stopped therefore depends on timing; the
numbers of each do not.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from longplay.agents.cluster import NoCluster, on_ray
from longplay.experiments.execution.jobs import JobFailed
from longplay.experiments.run import Refused, write_json
from longplay.experiments.settings import require_extra
from longplay.experiments.sweep.carry import Execute, budgets_of, end_early
from longplay.experiments.sweep.results import read_result
from longplay.experiments.sweep.trial import (
    FAILED,
    Job,
    Result,
    event_log,
    log_result,
    run_trial,
    score_of,
)

Point = tuple[str, float, int]  # of a curve: name, value, step

ATTEMPTS = 3  # how often a trial whose worker was lost is begun anew
BUDGET, SCORE, TOLD = "budget", "score", "told"  # what a worker reports
QUIET = {  # of Tune: what it prints and writes is ours to say
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
}


@contextmanager
def on_tune(
    address: str | None, trials: int | None = None, cpus: int = 1, temporary: str | None = None
) -> Iterator[Execute]:
    """Be connected to a cluster that does trials; Refused if there is none.

    Args:
        address: "HOST:PORT", "auto", or None for one of this machine's own.
        trials: of a cluster of this machine's own: how many at a time; None: as it has room for.
        cpus: processors of each trial; numba has as many threads.
        temporary: as in `on_ray`.
    """
    require_extra("ray", "--ray")
    own = None if trials is None or address is not None else trials * cpus
    try:
        with on_ray(address, cpus=own, threads=cpus, temporary=temporary) as nodes:
            room = max(node["Resources"].get("CPU", 0.0) for node in nodes)
            if room < cpus:
                raise Refused(
                    f"cpus={cpus}; the largest node has {room:g}: give --cpus of at most that."
                )
            yield functools.partial(execute, cpus=cpus)
    except NoCluster as error:
        raise Refused(str(error)) from None


def execute(todo: Sequence[Job], done: Callable[[Job], None], cpus: int = 1) -> None:
    """Do jobs on the cluster that this process is connected to.

    Raises:
        JobFailed: a trial's worker was lost too often, or raised what is no result.
        OSError: a result could not be written.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    from ray import tune

    keeper = keeper_of(todo, done)
    jobs = {number: replace(job, folder=Path()) for number, job in enumerate(todo)}
    known = {number: known_of(job) for number, job in enumerate(todo)}
    with tempfile.TemporaryDirectory(prefix="longplay-tune-") as folder:
        tuner = tune.Tuner(
            tune.with_resources(functools.partial(work, jobs=jobs, known=known), {"cpu": cpus}),
            param_space={"job": tune.grid_search(list(jobs))},
            tune_config=tune.TuneConfig(scheduler=scheduler_of(todo[0]), reuse_actors=True),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=folder,
                failure_config=tune.FailureConfig(max_failures=ATTEMPTS),
                callbacks=[keeper],
                stop=stopper_of(keeper),
                verbose=0,
            ),
        )
        tuner.fit()
    if keeper.error is not None:
        raise keeper.error


def work(config: dict[str, Any], jobs: dict[int, Job], known: dict[int, dict[int, Result]]) -> None:
    """One of Tune's trials, in a worker: every rung that a job has, reported one by one.

    What goes wrong is reported too: Tune would begin it anew, as if the worker had been lost.
    """
    from ray import tune

    number = config["job"]
    for job in rungs_of(jobs[number]):
        curves: list[Point] = []

        def log(name: str, value: float, step: int, curves: list[Point] = curves) -> None:
            curves.append((name, float(value), int(step)))

        try:
            result = known[number].get(job.budget) or run_trial(job, lambda what, share: None, log)
        except Exception as error:
            raised = {"error": (f"{type(error).__name__}: {error}", traceback.format_exc())}
            tune.report({BUDGET: job.budget, SCORE: worst(job), TOLD: json.dumps(raised)})
            return
        failed = result["status"] == FAILED
        score = worst(job) if failed else score_of(job.config, result["seeds"])
        told = {"result": result, "curves": curves}
        tune.report({BUDGET: job.budget, SCORE: score, TOLD: json.dumps(told)})
        if failed:
            return


def worst(job: Job) -> float:
    """A score that nobody is behind."""
    return float("-inf") if job.config.goal == "max" else float("inf")


def rungs_of(job: Job) -> list[Job]:
    """The budgets that a job goes through."""
    if job.config.stop != "asha":
        return [job]
    return [replace(job, budget=budget) for budget in budgets_of(job.config)]


def known_of(job: Job) -> dict[int, Result]:
    """What is known of a stopped sweep: results of rungs, by budget."""
    files = [rung.file for rung in rungs_of(job)[:-1] if rung.file.is_file()]
    results = [read_result(file) for file in files]
    return {result["train_steps"]: result for result in results}


def scheduler_of(job: Job) -> Any:
    """ASHA, or None."""
    config = job.config
    if config.stop != "asha":
        return None
    from ray.tune.schedulers import ASHAScheduler

    return ASHAScheduler(
        time_attr=BUDGET,
        metric=SCORE,
        mode=config.goal,
        max_t=config.train_steps,
        grace_period=max(config.train_steps // config.eta ** (config.rungs - 1), 1),
        reduction_factor=config.eta,
    )


def keeper_of(todo: Sequence[Job], done: Callable[[Job], None]) -> Any:
    """A callback of Tune that writes what workers tell into the run's folder.

    Its `error` is the first thing that went wrong; from then on nothing is written.
    """
    from ray import tune

    class Keeper(tune.Callback):
        def __init__(self) -> None:
            self.error: Exception | None = None

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
        ) -> None:
            """Write a result, its curves first, as `do_trial` does."""
            whole = todo[trial.config["job"]]
            job = replace(whole, budget=result[BUDGET])
            told = json.loads(result[TOLD])
            if self.error is not None or job.file.is_file():  # told again by a worker begun anew
                return
            if "error" in told:
                self.error = JobFailed(job, *told["error"])
                return
            kept = self.written(keep, job, told["result"], told["curves"])
            if kept and job.budget == whole.budget:
                done(job)

        def on_trial_complete(
            self, iteration: int, trials: list[Any], trial: Any, **_: Any
        ) -> None:
            """Write what was stopped early, or failed before its last rung."""
            job = todo[trial.config["job"]]
            if self.error is not None or job.file.is_file():
                return
            result = json.loads(trial.last_result[TOLD])["result"]
            if self.written(end_early, job.folder, job.trial, result):
                done(job)

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            """A trial was begun anew too often."""
            why = f"its worker was lost {ATTEMPTS + 1} times; is a node out of memory?"
            lost = JobFailed(todo[trial.config["job"]], why, str(trial.get_error()))
            self.error = self.error or lost

        def written(self, write: Callable[..., None], *given: Any) -> bool:
            """Write; False if that failed."""
            try:
                write(*given)
            except OSError as error:
                self.error = error
            return self.error is None

    return Keeper()


def stopper_of(keeper: Any) -> Any:
    """What ends everything once something went wrong."""
    from ray import tune

    class Stopper(tune.Stopper):
        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            return False

        def stop_all(self) -> bool:
            """Whether something went wrong."""
            return keeper.error is not None

    return Stopper()


def keep(job: Job, result: Result, curves: Sequence[Point]) -> None:
    """Leave a result and its curves in the run's folder."""
    with event_log(job) as events:
        for name, value, step in curves:
            events.log(name, value, step)
        log_result(events, job, result)
    write_json(job.file, result)
