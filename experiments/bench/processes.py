"""What is measured in a process of its own: memory, and the time from start to first step."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from longplay.experiments.bench.rows import Row, Sizes

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

PEAK = """
import resource, sys
from longplay.envs.cohort import Cohort
from longplay.experiments.bench.rows import stepper
users, warm, steps = map(int, sys.argv[1:])
def peak():  # [MB]
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
go = stepper(Cohort("AdLoad", users, scenario="bench"), warm)
before = peak()
go(steps)
print(before, peak() - before)
"""

START = """
import gymnasium
env = gymnasium.make("longplay.envs:longplay/AdLoad-v0", scenario="bench")
env.reset(seed=1)
env.step(0)
"""


def variables(python: str | Path = sys.executable) -> dict[str, str]:
    """Of a process of this Python: one thread; and another Python sees no modules of ours."""
    kept = dict(os.environ)
    if str(python) != sys.executable:
        kept.pop("PYTHONPATH", None)
    return kept | ONE_THREAD


def run(code: str, *arguments: int, **changes: str) -> str:
    """What a Python process prints that runs this code."""
    words = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | changes)
    if done.returncode != 0:
        raise RuntimeError(f"a process of the benchmark failed: {done.stderr.strip()[-400:]}")
    return done.stdout


def memory(sizes: Sizes) -> Iterator[Row]:
    """Peak memory of a process with a large cohort, and what it grows by when that goes on."""
    name = f"memory of {sizes.crowd} AdLoad users"
    grown = f"growth over {sizes.long_run} steps, {sizes.users} users"
    try:
        import resource  # noqa: F401
    except ImportError:
        yield Row(name, "MB", target=1000.0, note="not measured: this system does not tell.")
        return
    run(PEAK, 1, 1, 1)  # compiles, if need be: that takes memory which living does not
    peak, _ = map(float, run(PEAK, sizes.crowd, 2, 1).split())
    yield Row(name, "MB", (peak,), 1000.0, note="the whole process, at its largest")
    _, growth = map(float, run(PEAK, sizes.users, 10 * sizes.warm, sizes.long_run).split())
    yield Row(grown, "MB", (growth,), 1.0, note="of the peak; below 1 is none")


def start_up(sizes: Sizes) -> Iterator[Row]:
    """From the start of Python to the first step taken [s], compiled code on disk or not."""
    run(START)  # compiles, if need be
    name = "start to first step, warm"
    yield Row(name, "s", tuple(seconds(START) for _ in range(sizes.processes)), 2.0)
    if sizes.cold:
        with tempfile.TemporaryDirectory() as folder:
            once = seconds(START, XDG_CACHE_HOME=folder)
        yield Row("the same, compiling", "s", (once,))


def seconds(code: str, **changes: str) -> float:
    """Wall time of a Python process that runs this code."""
    start = time.perf_counter()
    run(code, **changes)
    return time.perf_counter() - start
