"""Speed and memory, measured where you are: `python -m longplay.experiments.bench`.

Each row is a figure with its target beside it: the median of several repetitions, and their
range. Throughput is counted per second of CPU time on one thread, with random actions drawn
beforehand and everything else included (candidates, decoding, the step, next lives,
observations, infos); nothing is timed before it was compiled.

CPU time still depends on what else the machine does, above all on who shares its caches: the
same code has been seen to run half as fast again on the other core. So a loop that looks up
random places of a large table runs beside every repetition, and its speed is the row's
*reference*: of two figures taken at the same reference, the difference is ours.

    python -m longplay.experiments.bench --json bench.json     (`make bench`)
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from longplay.envs import draws
from longplay.envs.cohort import Cohort
from longplay.envs.compiled import law
from longplay.envs.session import AdLoad
from longplay.experiments.run import environment, write_json

Samples = list[float]


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the targets are for these numbers."""

    users: int = 4096  # of a cohort
    crowd: int = 100_000  # of the cohort whose memory is measured
    lanes: int = 256  # of a Stable-Baselines3 VecEnv
    warm: int = 20  # steps before anything is timed
    steps: int = 40  # cohort steps per repetition
    quick_steps: int = 1000  # steps of one user, or of the VecEnv, per repetition
    long_run: int = 1000  # steps over which memory must not grow
    repetitions: int = 7
    pairs: int = 25  # repetitions of one thread beside two
    processes: int = 3  # fresh processes per row of start-up times
    cold: bool = True  # measure compiling, too


@dataclass(frozen=True)
class Row:
    """One figure, its repetitions and its target."""

    name: str
    unit: str
    samples: tuple[float, ...] = ()  # empty where it could not be measured: see note
    target: float | None = None
    better: Literal["more", "less"] = "less"
    reference: float | None = None  # median speed of the reference loop beside it [M look-ups/s]
    note: str = ""

    @property
    def median(self) -> float | None:
        """The figure."""
        return statistics.median(self.samples) if self.samples else None

    @property
    def met(self) -> bool | None:
        """Whether the figure reaches its target; None without one of them."""
        if self.median is None or self.target is None:
            return None
        return self.median >= self.target if self.better == "more" else self.median <= self.target

    def as_json(self) -> dict[str, Any]:
        """The row for a JSON file."""
        ends = {"min": min(self.samples), "max": max(self.samples)} if self.samples else {}
        return asdict(self) | {"median": self.median, "met": self.met} | ends

    def __str__(self) -> str:
        """The row of the printed table."""
        name = f"{self.name:<38}"
        if self.median is None:
            return f"{name} {self.note}"
        sign = ">=" if self.better == "more" else "<="
        target = "" if self.target is None else f"{sign} {self.target:g}"
        verdict = {True: "reached", False: "MISSED", None: ""}[self.met]
        spread = f"{_short(min(self.samples))} .. {_short(max(self.samples))}"
        reference = "" if self.reference is None else f"{self.reference:.0f}"
        return (
            f"{name} {_short(self.median):>8} {self.unit:<11} {spread:<18} {target:>8} "
            f"{verdict:<8} {reference:>9}  {self.note}"
        ).rstrip()


HEAD = (
    f"{'figure':<38} {'median':>8} {'':<11} {'min .. max':<18} {'target':>8} {'':<8} "
    f"{'reference':>9}"
)


def _short(number: float) -> str:
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"


TABLE = np.arange(1 << 21) % 1009  # 16 MB, more than a core's own caches


@law
def _look_up(times: int, table: Any) -> int:
    """The reference loop: random draws, each of which reads a place of the table."""
    total = 0
    for i in range(times):
        total += table[draws.philox(i, 1, 2, 3, 4, 5)[1] & (len(table) - 1)]
    return total


def reference(times: int = 1_000_000) -> float:
    """Speed of the reference loop, here and now [M look-ups per CPU-second]."""
    start = time.process_time()
    _look_up(times, TABLE)
    return times / max(time.process_time() - start, 1e-9) / 1e6


def repeated(measure: Callable[[], float], repetitions: int) -> tuple[tuple[float, ...], float]:
    """Samples of a measurement, and the median reference beside them."""
    _look_up(1, TABLE)
    beside = [reference()]
    samples = []
    for _ in range(repetitions):
        samples.append(measure())
        beside.append(reference())
    return tuple(samples), statistics.median(beside)


# What is stepped.


def random_actions(cohort: Cohort, count: int = 16) -> list[npt.NDArray[Any]]:
    """Some batches of random actions, drawn beforehand."""
    cohort.action_space.seed(7)
    return [np.asarray(cohort.action_space.sample()) for _ in range(count)]


def stepper(cohort: Cohort, warm: int) -> Callable[[int], None]:
    """A function that steps this cohort so many times; warmed up."""
    actions = random_actions(cohort)
    cohort.reset(seed=1)
    taken = 0

    def go(steps: int) -> None:
        nonlocal taken
        for _ in range(steps):
            cohort.step(actions[taken % len(actions)])
            taken += 1

    go(warm)
    return go


def throughput(name: str, target: float, sizes: Sizes, cohort: Cohort) -> Row:
    """Million fetches per CPU-second on one thread."""
    go = stepper(cohort, sizes.warm)

    def measure() -> float:
        start = time.process_time()
        go(sizes.steps)
        return cohort.num_envs * sizes.steps / (time.process_time() - start) / 1e6

    samples, beside = repeated(measure, sizes.repetitions)
    return Row(name, "M fetches/s", samples, target, "more", beside)


def adload(sizes: Sizes) -> Iterator[Row]:
    """AdLoad cohorts."""
    for scenario in ("bench", "music"):
        cohort = Cohort("AdLoad", sizes.users, scenario=scenario, threads=1)
        yield throughput(f"AdLoad, {scenario}, {sizes.users} users", 1.0, sizes, cohort)


def feed(sizes: Sizes) -> Iterator[Row]:
    """Feed cohorts: slates of 10 of 100 candidates, all of their features observed."""
    cohort = Cohort("Feed", sizes.users, scenario="bench", action="slate", threads=1)
    yield throughput(f"Feed slates, bench, {sizes.users} users", 0.25, sizes, cohort)


def two_threads(sizes: Sizes) -> Iterator[Row]:
    """How much sooner two threads are done than one; and two processes that share nothing.

    The second row is what the machine gives: two cores that share a clock, a cache or a pipeline
    are less than twice one. All take turns, so that they meet the same weather.
    """
    names = ("two threads over one, AdLoad", "two processes over one, AdLoad")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (cores or 1) < 2:
        for name in names:
            yield Row(name, "x", better="more", note="not measured: one core here.")
        return
    one, two = (
        stepper(Cohort("AdLoad", sizes.users, scenario="bench", threads=threads), sizes.warm)
        for threads in (1, 2)
    )

    def wall(go: Callable[[int], None]) -> float:
        start = time.perf_counter()
        go(sizes.steps)
        return time.perf_counter() - start

    threads, processes = [], []
    with halves(sizes) as both:
        for _ in range(sizes.pairs):
            alone = wall(one)
            threads.append(alone / wall(two))
            processes.append(alone / wall(both))
    yield Row(names[0], "x", tuple(threads), 1.7, "more", note="wall time: both cores must be free")
    yield Row(names[1], "x", tuple(processes), better="more", note="what this machine gives")


HALF = """
import sys
from longplay.envs.cohort import Cohort
from longplay.experiments.bench import stepper
users, first, warm = map(int, sys.argv[1:])
go = stepper(Cohort("AdLoad", users, scenario="bench", first_user=first, threads=1), warm)
print("ready", flush=True)
for steps in sys.stdin:
    go(int(steps))
    print("done", flush=True)
"""


@contextmanager
def halves(sizes: Sizes) -> Iterator[Callable[[int], None]]:
    """A function that steps the cohort so many times, half of it in each of two processes."""
    half = sizes.users // 2
    with ExitStack() as stack:
        both = []
        for first in (0, half):
            words = [sys.executable, "-c", HALF, str(half), str(first), str(sizes.warm)]
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            both.append(stack.enter_context(process))

        def wait() -> None:
            for process in both:
                if not process.stdout or not process.stdout.readline():
                    raise RuntimeError("a process of the benchmark failed: see above.")

        def go(steps: int) -> None:
            for process in both:
                print(steps, file=process.stdin, flush=True)
            wait()

        wait()
        yield go


def one_user(sizes: Sizes) -> Iterator[Row]:
    """A step of a single env [us]: the class itself, and what gym.make puts around it."""
    import gymnasium as gym

    import longplay.envs  # noqa: F401  registers the ids

    made = gym.make("longplay/AdLoad-v0", scenario="bench")
    for name, env in (("one AdLoad env", AdLoad(scenario="bench")), ("the same by gym.make", made)):
        layouts = np.random.default_rng(7).integers(22, size=512).tolist()
        env.reset(seed=1)

        def measure(env: gym.Env[Any, Any] = env, layouts: list[int] = layouts) -> float:
            spent = 0.0
            start = time.process_time()
            for step in range(sizes.quick_steps):
                _, _, terminated, truncated, _ = env.step(layouts[step % len(layouts)])
                if terminated or truncated:  # a birth is no step
                    spent += time.process_time() - start
                    env.reset()
                    start = time.process_time()
            return (spent + time.process_time() - start) / sizes.quick_steps * 1e6

        samples, beside = repeated(measure, sizes.repetitions)
        yield Row(name, "us/step", samples, 25.0, "less", beside)


def vecenv(sizes: Sizes) -> Iterator[Row]:
    """What the Stable-Baselines3 VecEnv costs over its cohort, per step of all users [us]."""
    name = f"SB3 VecEnv over its cohort, {sizes.lanes} users"
    try:
        from longplay.agents.rl import CohortVecEnv
    except ImportError:
        note = 'not measured: install the extra "rl" (pip install "longplay[rl]").'
        yield Row(name, "us/step", target=60.0, note=note)
        return
    plain, inner = (
        Cohort("AdLoad", sizes.lanes, scenario="bench", threads=1) for _ in range(2)
    )  # two of the same people: what differs is the layer between
    go = stepper(plain, sizes.warm)
    wrapped = CohortVecEnv(inner)
    actions = random_actions(inner)
    wrapped.seed(1)
    wrapped.reset()
    for step in range(sizes.warm):
        wrapped.step(actions[step % len(actions)])
    taken = sizes.warm

    def measure() -> float:
        nonlocal taken
        core = over = 0.0
        for _ in range(sizes.quick_steps):  # in turns, so that both meet the same weather
            start = time.process_time()
            go(1)
            middle = time.process_time()
            wrapped.step(actions[taken % len(actions)])
            over += time.process_time() - middle
            core += middle - start
            taken += 1
        return (over - core) / sizes.quick_steps * 1e6

    samples, beside = repeated(measure, sizes.repetitions)
    yield Row(name, "us/step", samples, 60.0, "less", beside)


# What runs in a process of its own.

PEAK = """
import resource, sys
from longplay.envs.cohort import Cohort
from longplay.experiments.bench import stepper
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


# All of it.

PARTS = (adload, feed, two_threads, one_user, vecenv, memory, start_up)


def report(rows: Sequence[Row], began: Sequence[float] | None) -> dict[str, Any]:
    """Everything, for a JSON file: the machine, its load at the start, the rows."""
    about = environment(["python", "-m", "longplay.experiments.bench"])
    return about | {
        "load_average": None if began is None else list(began),
        "reference_unit": "million random look-ups in 16 MB per CPU-second",
        "rows": [row.as_json() for row in rows],
    }


def measured(sizes: Sizes) -> Iterator[Row]:
    """All rows, each as soon as it is known."""
    for part in PARTS:
        yield from part(sizes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; write the JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m longplay.experiments.bench", description="Speed and memory of the worlds."
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures there")
    options = parser.parse_args(arguments)
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no folder {options.json.parent}; make it.")
    began = os.getloadavg() if hasattr(os, "getloadavg") else None
    about = environment([])
    versions, machine = about["versions"], about["machine"]
    print(f"{machine['processor']}, {machine['cpus']} cores, {machine['system']}")
    print(", ".join(f"{k} {versions[k]}" for k in ("python", "numba", "numpy", "gymnasium")))
    if began is not None:
        print(f"load average at the start {began[0]:.1f}")
    print(f"\n{HEAD}")
    rows = []
    for row in measured(Sizes()):
        rows.append(row)
        print(row, flush=True)
    print("\nreference: million random look-ups in 16 MB per CPU-second, of a loop run beside.")
    if options.json is not None:
        write_json(options.json, report(rows, began))
        print(f"written: {options.json}")


if __name__ == "__main__":
    main()
