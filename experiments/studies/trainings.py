"""Studies that train: every arm once a seed, each in a process, each result kept in a file.

A study gives its arms and a function `(arm, seed, settings) -> table`; what was done stays in
`--parts`, so that a stopped study goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from longplay.experiments.execution.jobs import run_jobs

Table = dict[str, Any]  # JSON values
Train = Callable[[Any, int, Any], Table]  # (arm, seed, settings); importable by name


@dataclass(frozen=True)
class Study:
    """A question, and how to answer it."""

    name: str  # of the page and the figure
    doc: str
    arms: Sequence[Any]  # each with a str() of its own
    settings: Any  # dataclass of whole numbers with `seeds` and `jobs`
    train: Train
    page: Callable[[dict[str, list[Table]], Any], str]  # tables by str(arm), one a seed
    figure: Callable[[dict[str, list[Table]], Any], str]  # SVG


@dataclass(frozen=True)
class Job:
    """One training."""

    train: Train
    arm: Any
    seed: int
    settings: Any
    file: Path


def work(job: Job, told: Any) -> None:
    """Train, and leave the table in the job's file."""
    told("training", 0.0)
    table = json.dumps(job.train(job.arm, job.seed, job.settings))
    whole = job.file.with_suffix(".part")
    whole.write_text(table)
    whole.rename(job.file)


def key(arm: Any) -> str:
    """A file's name for an arm: of what it says, so that arms may come and go."""
    return hashlib.sha256(str(arm).encode()).hexdigest()[:12]


def command(study: Study, arguments: Sequence[str] | None = None) -> int:
    """Train what is missing, write the page and the figure into --out, print the page."""
    asked = argparse.ArgumentParser(description=study.doc.partition("\n")[0])
    asked.add_argument("--out", type=Path, required=True, help="folder of page and figure")
    asked.add_argument("--parts", type=Path, default=Path("runs", study.name), help="of results")
    for name, default in asdict(study.settings).items():
        asked.add_argument(f"--{name}", type=int, default=default)
    options = asked.parse_args(arguments)
    settings = type(study.settings)(**{n: getattr(options, n) for n in asdict(study.settings)})
    for name, number in asdict(settings).items():
        if number < 1:
            asked.error(f"--{name} {number}: wanted at least 1.")
    parts: Path = options.parts
    parts.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    size = "-".join(
        str(value) for name, value in asdict(settings).items() if name not in ("seeds", "jobs")
    )
    jobs = [
        Job(study.train, arm, seed, settings, parts / f"{key(arm)}-{seed}-{size}.json")
        for seed in range(settings.seeds)
        for arm in study.arms
    ]
    run_jobs(
        work,
        [job for job in jobs if not job.file.exists()],
        processes=settings.jobs,
        watch=lambda job, doing, share: print(
            f"{job.arm}, seed {job.seed}: {doing}", file=sys.stderr
        ),
    )
    tables: dict[str, list[Table]] = {str(arm): [] for arm in study.arms}
    for job in jobs:
        tables[str(job.arm)].append(json.loads(job.file.read_text()))
    page = study.page(tables, settings)
    (options.out / f"{study.name}.md").write_text(page)
    (options.out / f"{study.name}.svg").write_text(study.figure(tables, settings))
    print(page, end="")
    return 0
