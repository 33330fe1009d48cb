"""This checkout and another one, stepped in turns: which is faster, on a machine that is busy.

    git worktree add ../before some-commit
    python -m longplay.experiments.bench.turns ../before

Two processes hold the same cohort, one by each checkout, and take turns of a few steps, so that
both meet the same weather; a figure is the median of the turns, per second of CPU time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

COHORTS = {
    "AdLoad, bench": "('AdLoad', {users}, scenario='bench', threads=1)",
    "AdLoad, music": "('AdLoad', {users}, scenario='music', threads=1)",
    "Feed slates, bench": "('Feed', {users}, scenario='bench', action='slate', threads=1)",
    "Feed weights, bench": "('Feed', {users}, scenario='bench', action='weights', threads=1)",
}
WORKER = """
import sys, time
from longplay.envs.cohort import Cohort
from longplay.experiments.bench.rows import stepper
go = stepper(Cohort{cohort}, 20)
print("ready", flush=True)
for line in sys.stdin:
    start = time.process_time()
    go(int(line))
    print(int(line) * {users} / (time.process_time() - start) / 1e6, flush=True)
"""


def in_turns(roots: Sequence[Path], cohort: str, users: int, turns: int, steps: int) -> list[float]:
    """Million fetches per CPU-second of each checkout, the median of the turns.

    Raises:
        RuntimeError: if one of them cannot step the cohort; what it said is on stderr.
    """
    words = WORKER.format(cohort=cohort.format(users=users), users=users)
    samples: list[list[float]] = [[] for _ in roots]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", words],
                    env=os.environ | {"PYTHONPATH": str(root.resolve() / ".static")},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for root in roots
        ]
        for worker in workers:
            if not worker.stdout or not worker.stdout.readline():
                raise RuntimeError("a checkout could not step its cohort: see above.")
        for _ in range(turns):
            for worker, mine in zip(workers, samples, strict=True):
                assert worker.stdin and worker.stdout
                print(steps, file=worker.stdin, flush=True)
                mine.append(float(worker.stdout.readline()))
    return [statistics.median(mine) for mine in samples]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line a cohort: before, now, and their ratio."""
    parser = argparse.ArgumentParser(
        prog="python -m longplay.experiments.bench.turns",
        description="This checkout and another one, stepped in turns.",
    )
    parser.add_argument("before", type=Path, help="the root of the other checkout")
    parser.add_argument("--users", type=int, default=4096)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--steps", type=int, default=8, help="of a turn")
    options = parser.parse_args(arguments)
    if not (options.before / ".static").is_dir():
        parser.error(f"{options.before}: wanted the root of a checkout of longplay.")
    here = Path(__file__).resolve().parents[2]
    print(f"{'million fetches per CPU-second':<32} {'before':>8} {'now':>8} {'ratio':>8}")
    for name, cohort in COHORTS.items():
        old, new = in_turns(
            (options.before, here), cohort, options.users, options.turns, options.steps
        )
        print(f"{name:<32} {old:>8.3f} {new:>8.3f} {new / old:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
