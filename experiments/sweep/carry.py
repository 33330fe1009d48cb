"""A sweep carried out: which trials are missing, who does them, what they came to.

The folder of a sweep, as that of any run (run.py), with

    trials/00007.json     a trial's last result, written whole when it is done: resume reads these
    rungs/00007-11111.json   what it came to with a smaller budget, under early stopping
    winner.json           the best, trained with new seeds and judged on people no trial has met
    winner/seed-2/        its policies, for ``longplay.agents.registry.load``
    trials.parquet        one row per trial
    tensorboard/          one run per trial, with its settings
    report.html

Who does the trials (processes here, or Ray) is an `Execute`; it leaves the results in the files.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longplay.experiments.compare import require_libraries
from longplay.experiments.run import Refused, RunFolder, write_json
from longplay.experiments.settings import find_scenario
from longplay.experiments.sweep.config import Sweep
from longplay.experiments.sweep.knobs import check_config, world_of
from longplay.experiments.sweep.results import Findings, read_result, read_trial, row_of
from longplay.experiments.sweep.search import Optuna, Trial, all_trials, require_optuna
from longplay.experiments.sweep.trial import (
    DONE,
    FAILED,
    STOPPED,
    Job,
    Result,
    budget_of,
    score_of,
    shown,
    trial_file,
)

if TYPE_CHECKING:
    from longplay.experiments.events import HParam

# do these jobs; told of each as it is finished
Execute = Callable[[Sequence[Job], Callable[[Job], None]], None]
Tell = Callable[[Job, Result], None]


def check_sweep(config: Sweep) -> list[Trial]:
    """Look everything up, and the trials that are known beforehand; Refused if anything is wrong.

    Nothing is written or trained.
    """
    if config.search == "optuna":
        require_optuna()
    trials = all_trials(config)
    check_config(config, trials)
    return trials


def open_run(config: Sweep, folder: Path, command: Sequence[str], resume: bool) -> RunFolder:
    """The folder of a new sweep, or of a stopped one; Refused if it cannot be what is asked."""
    require_libraries()
    settings = run_config(config)
    if resume:
        return RunFolder.reopen(folder, settings)
    return RunFolder.create(folder, settings, command)


def run_config(config: Sweep) -> dict[str, Any]:
    """What must be the same for two sweeps to give the same numbers."""
    from longplay.experiments import compare
    from longplay.experiments.references.stored import world_hash

    rooms = compare.run_config(config.settings({}))
    scenarios = config.over["scenario"].ends if "scenario" in config.over else (config.scenario,)
    return {
        "sweep": dataclasses.asdict(config),
        **{name: value for name, value in rooms.items() if name != "settings"},
        "worlds": {name: world_hash(find_scenario(name)) for name in scenarios},
    }


def carry_out(
    config: Sweep,
    run: RunFolder,
    execute: Execute,
    here: Execute,
    told: Tell = lambda job, result: None,
    threads: int = 1,
) -> Findings:
    """Do every trial that is not done yet, then the best once more; write table and report.

    Args:
        config: checked by `check_sweep`.
        run: as `open_run` gives it; unlocked in the end.
        execute: who does the trials.
        here: who trains the best once more, whose policies are kept in the run's folder.
        told: of each result that is new.
        threads: of each process.
    """
    doer = Doer(config, run.path, execute, told, threads)
    try:
        try:
            if config.search == "optuna":
                trials = asked_for(config, doer)
            else:
                trials = all_trials(config)
                if config.stop == "halving":
                    halve(doer, trials)
                else:
                    doer.finish(trials)
            found = Findings(config, command_of(run), rows_of(config, run.path, trials))
            if config.confirm and found.best is not None:
                local = dataclasses.replace(doer, execute=here, threads=1)
                job = dataclasses.replace(local.job(trials[found.best.number]), winner=True)
                local.do([job])
                winner = row_of(config, read_result(job.file))
                found = dataclasses.replace(found, winner=winner)
        finally:
            run.sweep()
        write_up(found, run)
        return found
    finally:
        run.unlock()


@dataclasses.dataclass(frozen=True)
class Doer:
    """Gets results: from their files, or else from who makes them."""

    config: Sweep
    folder: Path
    execute: Execute
    told: Tell
    threads: int = 1

    def job(self, trial: Trial, budget: int | None = None) -> Job:
        """The job of a trial, with all its budget or less."""
        budget = budget or budget_of(self.config, trial)
        world = world_of(self.config, trial.params)
        return Job(self.config, trial, budget, self.folder, world, self.threads)

    def do(self, jobs: Sequence[Job]) -> list[Result]:
        """The results of jobs, in their order; those that have none yet are done."""
        todo = [job for job in jobs if not job.file.is_file()]
        if todo:
            self.execute(todo, lambda job: self.told(job, read_result(job.file)))
        return [read_result(job.file) for job in jobs]

    def finish(self, trials: Sequence[Trial]) -> list[Result]:
        """The last results of trials, in their order."""
        todo = [self.job(t) for t in trials if not trial_file(self.folder, t).is_file()]
        if todo:
            self.execute(todo, lambda job: self.told(job, read_trial(self.folder, job.trial)))
        return [read_trial(self.folder, trial) for trial in trials]


def asked_for(config: Sweep, doer: Doer) -> list[Trial]:
    """The trials that optuna asks for, one batch after the other, all done.

    On resuming, it is asked and told again of what is done.
    """
    search, trials = Optuna(config), list[Trial]()
    while batch := search.ask():
        results = doer.finish(batch)
        search.tell([score_of(config, x["seeds"]) if x["status"] == DONE else None
                     for x in results])  # fmt: skip
        trials += batch
    return trials


def budgets_of(config: Sweep) -> list[int]:
    """The rungs of early stopping: decisions to learn from, rising to all."""
    steps = config.train_steps
    return [-(-steps // config.eta**k) for k in reversed(range(config.rungs))]


def halve(doer: Doer, trials: Sequence[Trial]) -> None:
    """Successive halving (Jamieson & Talwalkar 2016): from rung to rung, one in `eta` goes on.

    Every rung is trained from scratch with its own budget, since agents plan for all they get (a
    falling learning rate, say): who reaches the end is what it would be without early stopping.
    With eta = 3 that costs half as much again for those.
    """
    config, alive = doer.config, list(trials)
    for budget in budgets_of(config):
        results = doer.do([doer.job(trial, budget) for trial in alive])
        if budget == config.train_steps:
            return
        sound = [(t, x) for t, x in zip(alive, results, strict=True) if x["status"] == DONE]
        sign = -1 if config.goal == "max" else 1
        sound.sort(key=lambda one: (sign * score_of(config, one[1]["seeds"]), one[0].number))
        chosen = {trial.number for trial, _ in sound[: -(-len(sound) // config.eta)]}
        for trial, result in zip(alive, results, strict=True):
            if trial.number not in chosen:
                end_early(doer.folder, trial, result)
        alive = [trial for trial in alive if trial.number in chosen]


def end_early(folder: Path, trial: Trial, result: Result) -> None:
    """Keep a rung's result as a trial's last one: stopped, unless it failed."""
    if trial_file(folder, trial).is_file():
        return
    status = FAILED if result["status"] == FAILED else STOPPED
    write_json(trial_file(folder, trial), {**result, "status": status})


def rows_of(config: Sweep, folder: Path, trials: Sequence[Trial]) -> tuple[Any, ...]:
    """The rows of all trials; Refused unless there is one file a trial, and no other."""
    here = {file.stem for file in (folder / "trials").glob("*.json")}
    due = {trial_file(folder, trial).stem for trial in trials}
    if here != due:
        odd = sorted(here ^ due)[0]
        raise Refused(f"{folder / 'trials'} does not hold one file a trial: see {odd}.json.")
    return tuple(row_of(config, read_trial(folder, trial)) for trial in trials)


def command_of(run: RunFolder) -> str:
    """The command that a run was begun with."""
    import json

    known = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    return str(known["command"])


def write_up(found: Findings, run: RunFolder) -> None:
    """The table, TensorBoard's overview and the report."""
    from longplay.experiments.events import EventLog
    from longplay.experiments.sweep.page import write_page

    run.write_table("trials", found.columns())
    overview = run.tensorboard / "overview"
    if overview.exists():
        shutil.rmtree(overview)
    choices = {name: kinds([row.params[name] for row in found.rows]) for name in found.config.over}
    with EventLog(overview) as events:
        names = found.best.figures if found.best is not None else {}
        events.experiment(choices, [f"final/{name}" for name in names])
    write_page(run.path, found)


def kinds(values: Sequence[Any]) -> list[HParam]:
    """The values that a setting took, each once and all of one type, as TensorBoard wants them."""
    texts = [shown(value) for value in values]
    if all(isinstance(x, int | float) and not isinstance(x, bool) for x in texts):
        return sorted({float(x) for x in texts})
    return sorted({str(x) for x in texts})
