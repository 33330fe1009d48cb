"""What is stepped: cohorts, one user, and the layers around them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.session import AdLoad
from longplay.experiments.bench.rows import Row, Sizes, random_actions, repeated, stepper


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
from longplay.experiments.bench.rows import stepper
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
