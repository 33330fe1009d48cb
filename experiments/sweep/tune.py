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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from longplay.agents.cluster import NoCluster, on_ray
from longplay.experiments.jobs import JobFailed
from longplay.experiments.run import Refused, write_json
from longplay.experiments.settings import require_extra
from longplay.experiments.sweep.carry import Execute, budgets_of, end_early
from longplay.experiments.sweep.trial import (
    FAILED,
    Job,
    Result,
    event_log,
    log_result,
    run_trial,
    score_of,
)

ATTEMPTS = 3  # how often a trial whose worker was lost is begun anew
BUDGET, SCORE, TOLD = "budget", "score", "told"  # what a worker reports
QUIET = {  # of Tune: what it prints and writes is ours to say
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
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
            tune_config=tune.TuneConfig(scheduler=scheduler_of(todo[0])),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=folder,
                failure_config=tune.FailureConfig(max_failures=ATTEMPTS),
                callbacks=[keeper],
                verbose=0,
            ),
        )
        results = tuner.fit()
    if keeper.error is not None:
        raise keeper.error
    for number, error in enumerate(results.errors):
        lost = todo[keeper.failed[number] if number < len(keeper.failed) else 0]
        last = str(error).strip().splitlines()[-1]
        raise JobFailed(lost, last, str(error))


def work(config: dict[str, Any], jobs: dict[int, Job], known: dict[int, dict[int, Result]]) -> None:
    """One of Tune's trials, in a worker: every rung that a job has, reported one by one."""
    from ray import tune

    number = config["job"]
    for job in rungs_of(jobs[number]):
        curves: list[tuple[str, float, int]] = []
        result = known[number].get(job.budget)
        if result is None:
            result = run_trial(job, lambda what, share: None, lambda *x, to=curves: to.append(x))
        failed = result["status"] == FAILED
        worst = float("-inf") if job.config.goal == "max" else float("inf")
        score = worst if failed else score_of(job.config, result["seeds"])
        told = json.dumps({"result": result, "curves": curves})
        tune.report({BUDGET: job.budget, SCORE: score, TOLD: told})
        if failed:
            return


def rungs_of(job: Job) -> list[Job]:
    """The budgets that a job goes through."""
    if job.config.stop != "asha":
        return [job]
    return [replace(job, budget=budget) for budget in budgets_of(job.config)]


def known_of(job: Job) -> dict[int, Result]:
    """What is known of a stopped sweep: results of rungs, by budget."""
    rungs = {rung.budget: rung.file for rung in rungs_of(job)[:-1]}
    return {
        budget: json.loads(file.read_text(encoding="utf-8"))
        for budget, file in rungs.items() if file.is_file()
    }  # fmt: skip


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

    Its `error` is the first OSError of writing, after which nothing more is begun; its `failed`
    the places in `todo` of what went wrong.
    """
    from ray import tune

    class Keeper(tune.Callback):
        def __init__(self) -> None:
            self.error: OSError | None = None
            self.failed: list[int] = []

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
        ) -> None:
            """Write a result, its curves first, as `do_trial` does."""
            job = replace(todo[trial.config["job"]], budget=result[BUDGET])
            told = json.loads(result[TOLD])
            if job.file.is_file():  # told again by a worker that was begun anew, or known
                return
            self.guarded(trials, keep, job, told["result"], told["curves"])
            if job.last and self.error is None:
                done(job)

        def on_trial_complete(
            self, iteration: int, trials: list[Any], trial: Any, **_: Any
        ) -> None:
            """Write what was stopped early, or failed before its last rung."""
            job = todo[trial.config["job"]]
            if job.file.is_file() or not trial.last_result or self.error is not None:
                return
            result = json.loads(trial.last_result[TOLD])["result"]
            self.guarded(trials, end_early, job.folder, job.trial, result)
            if self.error is None:
                done(job)

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
            """Remember whose error it is."""
            self.failed.append(trial.config["job"])

        def guarded(self, trials: list[Any], write: Callable[..., None], *given: Any) -> None:
            """Write, unless that failed before."""
            if self.error is None:
                try:
                    write(*given)
                except OSError as error:
                    self.error = error

    return Keeper()


def keep(job: Job, result: Result, curves: list[tuple[str, float, int]]) -> None:
    """Leave a result and its curves in the run's folder."""
    with event_log(job) as events:
        for name, value, step in curves:
            events.log(name, value, int(step))
        log_result(events, job, result)
    write_json(job.file, result)
