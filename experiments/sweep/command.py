"""The command `longplay sweep`: a line as each trial is done, a table at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from longplay.experiments.board import beside_python
from longplay.experiments.execution.endings import noted
from longplay.experiments.execution.jobs import JobFailed
from longplay.experiments.execution.ray_jobs import HERE
from longplay.experiments.run import Refused, RunFolder
from longplay.experiments.sweep.carry import Execute, carry_out, check_sweep, open_run
from longplay.experiments.sweep.config import Stop, check_numbers, read_config
from longplay.experiments.sweep.config import Sweep as Config
from longplay.experiments.sweep.processes import in_processes
from longplay.experiments.sweep.results import row_of, spoken
from longplay.experiments.sweep.trial import FAILED, Job, Result


@dataclass(frozen=True)
class Sweep:
    """Vary settings of agents and worlds: longplay sweep CONFIG.toml [OPTIONS].

    CONFIG.toml says what varies and how: see docs/sweeps.md. The numbers depend on it alone, and
    not on --jobs, --ray or --cpus, unless --stop asha.
    """

    out: Path | None = None  # folder of the run, must not exist; None: runs/TIME-NAME
    resume: bool = False  # do what is missing in the stopped run in --out
    jobs: int | None = None  # processes; None: one per core
    ray: str | None = None  # on Ray: an ADDRESS (HOST:PORT, auto), or alone for this machine's own
    cpus: int = 1  # of each trial on Ray
    stop: Stop | None = (
        None  # end poor trials early: halving, or asha on Ray; None: as the file says
    )


def command(asked: Sweep, files: Sequence[str], words: Sequence[str]) -> int:
    """Run a sweep; returns the exit code."""
    if len(files) != 1:
        came = " and ".join(map(repr, files)) or "none"
        raise Refused(f"longplay sweep takes one CONFIG.toml; {came} came.")
    config = read_config(Path(files[0]))
    if asked.stop is not None:
        config = replace(config, stop=asked.stop)
        check_numbers(config)
    jobs = check_options(asked, config)
    trials = check_sweep(config)
    name = Path(files[0]).stem
    out = asked.out or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    number = len(trials) or config.trials or 0
    with executor(asked, jobs) as execute:  # before anything is written: it may be refused
        run = open_run(config, out, ["longplay", "sweep", *words], asked.resume)
        try:
            found = carry_out(
                config, run, execute, in_processes(jobs), Teller(config, number), asked.cpus
            )
        except KeyboardInterrupt:
            return stopped(run, number, "stopped", 130)
        except JobFailed as failure:
            return stopped(run, number, noted(run.path, failure, str(failure.job)), 1)
        except OSError as error:
            return stopped(run, number, f"the system refused: {error.strerror or error}", 1)
    show(found, run)
    return 0 if found.best is not None else 1


def check_options(asked: Sweep, config: Config) -> int:
    """The number of processes; Refused if options do not go together."""
    if asked.resume and asked.out is None:
        raise Refused("--resume came without --out; name the folder of the run to go on with.")
    jobs = asked.jobs if asked.jobs is not None else os.cpu_count() or 1
    if jobs < 1:
        raise Refused(f"jobs={jobs}; wanted at least 1 process.")
    if asked.cpus < 1:
        raise Refused(f"cpus={asked.cpus}; wanted at least 1 for a trial.")
    if asked.ray is None and asked.cpus != 1:
        raise Refused(f"cpus={asked.cpus} came without --ray; here a trial has one process.")
    if asked.ray is not None and asked.ray != HERE and asked.jobs is not None:
        raise Refused(
            f"jobs={jobs} came with --ray {asked.ray}; a cluster does as many trials at a time as "
            "it has room for."
        )
    if config.stop == "asha" and asked.ray is None:
        raise Refused('stop = "asha" is done by Ray; add --ray, or take stop = "halving".')
    return jobs


@contextmanager
def executor(asked: Sweep, jobs: int) -> Iterator[Execute]:
    """Who does the trials."""
    if asked.ray is None:
        yield in_processes(jobs)
        return
    from longplay.experiments.sweep.tune import on_tune

    address = None if asked.ray == HERE else asked.ray
    with on_tune(address, asked.jobs if address is None else None, asked.cpus) as execute:
        yield execute


class Teller:
    """Says what came of each trial, on stderr."""

    def __init__(self, config: Config, number: int) -> None:
        self.config, self.number = config, number

    def __call__(self, job: Job, result: Result) -> None:
        """Told of a new result."""
        row = row_of(self.config, result)
        came = f"failed, {row.error}" if row.status == FAILED else (
            f"{self.config.metric} {row.metric.mean:.4g}"
        )  # fmt: skip
        print(
            f"longplay: {job} (of {self.number}; {spoken(row.params)}): {came}; "
            f"{result['seconds']:.0f} s.",
            file=sys.stderr,
            flush=True,
        )


def stopped(run: RunFolder, number: int, why: str, code: int) -> int:
    """Say how a stopped sweep goes on."""
    done = len(list((run.path / "trials").glob("*.json")))
    print(
        f"longplay: {why}; {done} of {number} trials are done and kept in {run.path}; go on with "
        f"--resume --out {run.path} and the same options.",
        file=sys.stderr,
    )
    return code


def show(found: Any, run: RunFolder) -> None:
    """The table, the answer and where the rest lies, on stdout."""
    from rich.console import Console

    Console().print(found.table())
    print(f"{found.answer()}\n")
    lines = {
        "report": str(run.report),
        "table": str(run.path / "trials.parquet"),
        "TensorBoard": f"{beside_python('tensorboard')} --logdir {run.tensorboard}",
    }
    for label, text in lines.items():
        print(f"{label:<13}{text}")
