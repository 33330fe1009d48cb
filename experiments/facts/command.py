"""``longplay facts``: options, progress on stderr, the table on stdout."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longplay.experiments.execution.endings import FAILURE, failed, interrupted, no_room
from longplay.experiments.execution.jobs import DONE, LOST, JobFailed, Watch
from longplay.experiments.execution.ray_jobs import executor_of
from longplay.experiments.facts.fact import choose
from longplay.experiments.facts.harness import (
    as_json,
    measure_all,
    open_folder,
    plan,
    room_for_page,
    write,
    write_page,
)
from longplay.experiments.facts.page import summary, table
from longplay.experiments.run import Refused


@dataclass(frozen=True)
class Facts:
    """Reproduce published field experiments in simulation, and say which gates hold.

    Exit code 0 when all gates hold, 1 when one misses.
    """

    only: tuple[str, ...] = ()  # facts to measure, such as F1 F5; none: all
    scenario: str = "music"  # world to measure in; see `longplay worlds`
    quick: bool = False  # fewer people and wider intervals: a minute in all
    seeds: int = 5  # worlds of other people; intervals are over them
    jobs: int | None = None  # processes; None: one per core
    ray: str | None = None  # on Ray: an ADDRESS (HOST:PORT, auto), or alone for this machine's own
    out: Path | None = None  # folder to write; must not exist, but with --resume
    resume: bool = False  # go on with the stopped run in --out
    page: Path | None = None  # the page once more, here: a .md, its pictures in a folder beside it
    overwrite: bool = False  # replace --page and its pictures


def command(asked: Facts, words: Sequence[str]) -> int:
    """Measure, judge, print and write; returns the exit code.

    Raises:
        Refused: an option is out of range, a name is unknown, the folder exists, or it holds no
            run of the same with ``resume``.
    """
    from rich.console import Console

    if asked.out is None:
        raise Refused("facts came without --out; name the folder to write.")
    executor = executor_of(asked.ray, asked.jobs)
    facts = choose(asked.only)
    jobs = plan(facts, asked.scenario, asked.quick, asked.seeds, asked.out)
    if asked.page and asked.page.absolute().is_relative_to(asked.out.absolute()):
        raise Refused(f"page={asked.page} lies in --out, which has its own; name one elsewhere.")
    pictures = room_for_page(asked.page, facts, asked.overwrite) if asked.page else None
    run = open_folder(jobs, ["longplay", "facts", *words], asked.resume)
    screen, results = Console(stderr=True), Console()

    def finished() -> int:
        return sum(job.part.is_file() for job in jobs)

    try:
        with progress(screen, len(jobs), finished()) as watch:
            judged = measure_all(facts, jobs, executor=executor, watch=watch)
        content = as_json(judged, jobs[0], asked.seeds)
        write(asked.out, judged, content)
        if asked.page and pictures:
            write_page(asked.page, pictures, judged, content)
        (asked.out / FAILURE).unlink(missing_ok=True)  # of an earlier try
    except KeyboardInterrupt:
        return interrupted(screen, asked.out, f"{finished()} of {len(jobs)} are measured and kept")
    except JobFailed as failure:
        return failed(screen, asked.out, failure, f"{failure.job.fact}, seed {failure.job.seed}")
    except OSError as error:
        return no_room(screen, asked.out, error)
    finally:
        run.sweep()
        run.unlock()
    results.print(table(judged))
    made = str(asked.page or asked.out / "facts.md")
    results.print(summary(judged), made, sep="\n", highlight=False, markup=False, soft_wrap=True)
    missing = [one for one in judged if one.found.fact.tier == "gate" and not one.holds]
    return 1 if missing else 0


@contextlib.contextmanager
def progress(screen: Any, jobs: int, done: int) -> Any:
    """One line for all jobs, of which some may be done; gives the function that is told of them."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    shares: dict[tuple[str, int], float] = {}
    finished = done
    with Progress(*columns, console=screen) as bar:
        line = bar.add_task(f"{done} of {jobs} measured", total=float(jobs), completed=done)

        def watch(job: Any, what: str, share: float) -> None:
            nonlocal finished
            if what == LOST:
                screen.print(
                    f"longplay: a worker on {job.fact}, seed {job.seed} was lost; its work is done "
                    "again.", highlight=False, markup=False,
                )  # fmt: skip
            finished += what == DONE
            shares[job.fact, job.seed] = share
            told = f"{finished} of {jobs} measured; {job.fact}, seed {job.seed}"
            bar.update(line, description=told, completed=done + sum(shares.values()))

        told: Watch = watch
        yield told
