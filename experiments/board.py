"""A comparison on screen: progress bars while it runs, a table and what to open at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longplay.experiments.execution.endings import FAILURE, failed, interrupted, no_room
from longplay.experiments.execution.jobs import DONE, LOST, JobFailed

if TYPE_CHECKING:
    from longplay.experiments.execution.jobs import Executor
    from longplay.experiments.execution.parts import Job
    from longplay.experiments.settings import Settings

STAGES = {"training": (0.0, 0.5), "evaluating": (0.5, 0.5)}  # of a part: from, share


class Board:
    """One bar for everything, and one for each part under way."""

    def __init__(self, console: Any, parts: int, done: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        self.bars = Progress(
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=32),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeLeft(),
            console=console,
        )
        self.parts, self.finished = parts, done
        self.shares: dict[tuple[str, int], float] = {}
        self.rows: dict[tuple[str, int], Any] = {}
        self.learning: set[tuple[str, int]] = set()  # parts of which half is training
        self.whole = self.bars.add_task(self._title(), total=float(parts), completed=done)

    def _title(self) -> str:
        return f"{self.finished} of {self.parts} parts"

    def watch(self, job: Job, what: str, share: float) -> None:
        """Told by the jobs."""
        key = (job.label, job.seed)
        if what == LOST:
            self.bars.console.print(
                f"longplay: a worker on {job.label}, seed {job.seed} was lost; its work is done "
                "again.", soft_wrap=True, highlight=False, markup=False,
            )  # fmt: skip
        elif what == DONE:
            if key in self.rows:
                self.bars.remove_task(self.rows.pop(key))
            self.shares.pop(key, None)
            self.finished += 1
        else:
            if key not in self.rows:
                self.rows[key] = self.bars.add_task("", total=1.0)
            if what == "training":
                self.learning.add(key)
            start, width = STAGES[what] if key in self.learning else (0.0, 1.0)
            self.shares[key] = start + width * share
            title = f"  {job.label}, seed {job.seed}: {what}"
            self.bars.update(self.rows[key], description=title, completed=self.shares[key])
        now = self.finished + sum(self.shares.values())
        self.bars.update(self.whole, description=self._title(), completed=now)


def compare_on_screen(
    settings: Settings,
    out: Path,
    command: Sequence[str],
    executor: Executor,
    resume: bool,
    references: Path | None = None,
) -> int:
    """Run a comparison with progress on stderr and its results on stdout; returns the exit code."""
    from longplay.experiments.cli import need
    from longplay.experiments.compare import carry_out, check_references, open_run
    from longplay.experiments.settings import check

    need("rich", "longplay compare")
    from rich.console import Console

    from longplay.experiments.summary import summary

    entries = check(settings)
    check_references(settings, references)
    run = open_run(settings, out, command, resume)
    keys = [(entry.label, seed) for entry in entries for seed in range(settings.seeds)]

    def finished() -> int:
        return sum(run.part(*key).is_file() for key in keys)

    screen, results = Console(stderr=True), Console()
    board = Board(screen, len(keys), finished())
    try:
        with board.bars:
            data = carry_out(
                settings, entries, run, executor=executor, watch=board.watch,
                references=references,
            )  # fmt: skip
    except KeyboardInterrupt:
        kept = f"{finished()} of {len(keys)} parts are done and kept"
        return interrupted(screen, out, kept)
    except JobFailed as failure:
        what = f"{failure.job.label}, seed {failure.job.seed}"
        return failed(screen, out, failure, what)
    except OSError as error:
        return no_room(screen, out, error)
    (out / FAILURE).unlink(missing_ok=True)  # of an earlier try
    table, notes, answer = summary(data, results.width)
    results.print(table, "")
    results.print(notes, "", answer, "", sep="\n", highlight=False, markup=False)
    lines = {
        "report": str(run.report),
        "tables": f"{run.path}/*.parquet",
        "TensorBoard": f"{beside_python('tensorboard')} --logdir {run.tensorboard}",
    }
    for label, text in lines.items():
        results.print(f"{label:<13}{text}", soft_wrap=True, highlight=False, markup=False)
    return 0


def beside_python(program: str) -> str:
    """How to call a program installed with this Python: by its path, seen from here, if need be."""
    folder = Path(sys.executable).parent
    if (
        str(folder) in os.environ.get("PATH", "").split(os.pathsep)
        or not (folder / program).exists()
    ):
        return program
    return os.path.relpath(folder / program)
