"""A worker of its own process: people, block after block, from their first day to the horizon.

    python -m longplay.experiments.bench.scale.walk '{"users": 10000, "first": 0, ...}'

A block is a cohort whose lanes are filled with the next people when all of the present ones are
done, so that memory does not grow with their number. Everybody lives under one fixed ad layout;
kept are totals alone, which do not depend on how people are shared out, or, where asked, what an
evaluation counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from longplay.experiments.bench.processes import variables

LAYOUT = 9  # one ad at position 3, one at 7: "fixed-3-7"
SEED = 1
BLOCK = 4096  # people side by side


@dataclass(frozen=True)
class Job:
    """Some people, for some days."""

    users: int
    days: float
    first: int = 0  # number of the first of them
    scenario: str = "bench"
    block: int = BLOCK
    counted: bool = False  # all that `longplay compare` counts of a person, instead of totals


@dataclass(frozen=True)
class Walked:
    """What became of a job, and what it cost; of several workers, all together."""

    users: int
    fetches: int
    cpu: float  # of the whole process, from its start [s]
    start: float  # CPU time before the first person was born [s]
    wall: float  # from the start of the processes to the end of the last [s]
    peak: float  # memory of a worker, the largest [MB]
    workers: int = 1


def walk(job: Job) -> int:
    """Let the people of a job live; how many fetches they did."""
    if job.counted:
        return evaluated(job)
    import numpy as np

    from longplay.envs.cohort import Cohort

    fetches = 0
    cohort: Cohort | None = None
    for first in range(job.first, job.first + job.users, job.block):
        number = min(job.block, job.first + job.users - first)
        if cohort is None or cohort.num_envs != number:
            cohort = Cohort(
                "AdLoad", number, scenario=job.scenario, decision="session",
                horizon_days=job.days, autoreset_mode="Disabled", threads=1,
            )  # fmt: skip
        cohort.reset(seed=SEED, options={"users": np.arange(first, first + number)})
        layouts = np.full(number, LAYOUT)
        while not cohort.over.all():
            cohort.step(layouts)
            fetches += int(cohort.outcomes["fetches"].sum())
    return fetches


def evaluated(job: Job) -> int:
    """The same as an evaluation does it, which knows everybody by themselves."""
    from longplay.agents.fixed import FixedLayout
    from longplay.envs.cohort import Cohort
    from longplay.experiments.evaluate import evaluate

    def make(number: int, **settings: Any) -> Cohort:
        return Cohort("AdLoad", number, scenario=job.scenario, decision="session",
                      horizon_days=job.days, threads=1, **settings)  # fmt: skip

    found = evaluate(FixedLayout((3, 7)), make, users=job.users, seed=SEED, batch=job.block)
    return int(found.users["undiscounted_fetches"].sum())


def shared(job: Job, workers: int) -> list[Job]:
    """The job in as many nearly equal parts, one a worker."""
    edges = [job.first + job.users * part // workers for part in range(workers + 1)]
    return [replace(job, first=begin, users=end - begin) for begin, end in pairwise(edges)]


def walked(job: Job, workers: int = 1) -> Walked:
    """A job done by so many processes side by side.

    Raises:
        RuntimeError: a process failed, with its last words.
    """
    begun = time.perf_counter()
    module = ("-m", "longplay.experiments.bench.scale.walk")
    processes = [
        subprocess.Popen(
            [sys.executable, *module, json.dumps(asdict(part))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=variables(),
        )
        for part in shared(job, workers)
    ]
    try:
        answers = [process.communicate() for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, complaints) in zip(processes, answers, strict=True):
        if process.returncode != 0:
            raise RuntimeError(f"a worker of the benchmark failed: {complaints.strip()[-400:]}")
    parts: list[dict[str, Any]] = [json.loads(told) for told, _ in answers]
    return Walked(
        users=job.users,
        fetches=sum(part["fetches"] for part in parts),
        cpu=sum(part["cpu"] for part in parts),
        start=sum(part["start"] for part in parts),
        wall=time.perf_counter() - begun,
        peak=max(part["peak"] for part in parts),
        workers=workers,
    )


def peak() -> float:
    """Memory of this process at its largest [MB]; nan where the system does not tell."""
    try:
        import resource
    except ImportError:
        return float("nan")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main(arguments: Sequence[str]) -> None:
    """Do the job given as JSON; print what it cost."""
    job = Job(**json.loads(arguments[0]))
    walk(replace(job, users=1, days=0.01))  # modules, compiled code and catalogue are loaded
    start = time.process_time()
    fetches = walk(job)
    print(json.dumps({"fetches": fetches, "cpu": time.process_time(), "start": start,
                      "peak": peak()}))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
