"""Where a fetch spends its time, and how far that is from what this machine could do.

    python -m longplay.experiments.bench.roofline

Three tables. *Limits*: what small loops reach here, on one thread: arithmetic, copying, reading at
random, exponentials and random numbers. *Work*: bytes and arithmetic of a fetch, counted and not
measured. *Time*: nanoseconds of CPU time a fetch, as it is and with one thing less at a time.
docs/speed.md reads them.
"""

from __future__ import annotations

import ast
import inspect
import statistics
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs import draws, spaces, step
from longplay.envs.cohort import Cohort
from longplay.envs.compiled import law
from longplay.envs.elementary import exp
from longplay.envs.laws.leaving import hazard_leaving
from longplay.envs.scenarios import find_world
from longplay.envs.state import ITEM, OUTCOME, SLOT, TOPICS, USER
from longplay.experiments.bench.rows import random_actions, stepper

LINE = 64  # bytes that memory hands over at a time
REPEATS = 9
TASKS: dict[str, dict[str, Any]] = {"AdLoad": {}, "Feed": {"action": "slate"}}


class Fact(NamedTuple):
    """One line of a table."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        """The printed line."""
        return f"  {self.name:<58} {self.value:>9.3g} {self.unit}"


def seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of ``work``: the median of some calls after the first."""
    work()
    samples = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        samples.append(time.process_time() - start)
    return statistics.median(samples)


# Limits


@law
def _multiply_and_add(numbers: Any, times: int) -> None:
    """Sixteen multiplications and additions a number, as wide as the compiler makes them."""
    for _ in range(times):
        for i in range(len(numbers)):
            x = numbers[i]
            for _ in range(16):
                x = x * 0.999 + 0.001
            numbers[i] = x


@law
def _exponentials(numbers: Any, times: int) -> float:
    total = 0.0
    for _ in range(times):
        for i in range(len(numbers)):
            total += exp(numbers[i])
    return total


@law
def _chase(following: Any, times: int) -> int:
    """Each place says where to look next: nothing can be asked for ahead."""
    at = 0
    for _ in range(times):
        at = following[at]
    return at


@law
def _visit(items: Any, order: Any) -> float:
    """Both lines of items in any order, which a processor may ask for ahead."""
    total = 0.0
    for j in range(len(order)):
        item = items[order[j]]
        total += item.vector[0] + item.minutes
    return total


@law
def _blocks(times: int, dice: Any) -> None:
    for i in range(times):
        draws.many_words(1, 0, i, 2, 3, draws.POSITION, 8, dice)


def ring(size: int) -> npt.NDArray[np.int64]:
    """A walk through ``size`` bytes that visits one place a line, in random order."""
    lines = size // LINE
    order = np.random.default_rng(0).permutation(lines) * (LINE // 8)
    following = np.zeros(lines * (LINE // 8), np.int64)
    following[order] = np.roll(order, -1)
    return following


def limits() -> Iterator[Fact]:
    """What small loops reach on one thread."""
    few = np.full(1024, 0.5)
    work = seconds(lambda: _multiply_and_add(few, 500))
    yield Fact("double multiplications and additions", 500 * 1024 * 32 / work / 1e9, "G/s")
    table = np.ones(1 << 23)
    copy = np.zeros_like(table)
    work = seconds(lambda: np.copyto(copy, table))
    yield Fact("copying 64 MB, bytes read and written", 2 * table.nbytes / work / 1e9, "GB/s")
    for name, size in (("16 kB", 1 << 14), ("512 kB", 1 << 19), ("8 MB", 1 << 23)):
        walk = ring(size)
        work = seconds(lambda walk=walk: _chase(walk, 200_000))  # type: ignore[misc]
        yield Fact(f"reading at random in {name}, one after the other", work / 2e5 * 1e9, "ns")
    items = Cohort("AdLoad", scenario="bench").shop.items
    order = np.random.default_rng(1).integers(len(items), size=100_000)
    work = seconds(lambda: _visit(items, order))
    yield Fact("an item of the catalogue (two lines), asked for ahead", work / 1e5 * 1e9, "ns")
    work = seconds(lambda: _exponentials(few, 200))
    yield Fact("an exponential in a loop", work / 200 / 1024 * 1e9, "ns")
    dice = draws.blank_dice(1, 8)[0]
    work = seconds(lambda: _blocks(20_000, dice))
    yield Fact("a Philox block of four words, eight at a time", work / 160_000 * 1e9, "ns")


# Work

ELEMENTARY = {"exp": 16, "log": 18, "sqrt": 1, "cos": 18, "dot": 2 * TOPICS - 1}  # operations


def arithmetic(function: Any, listed: int = 1) -> int:
    """Arithmetic that the source of a law spells out, that of the laws it calls included.

    Both sides of a branch count, so this is the most a call can do. A loop over the topics counts
    TOPICS times, one over a list ``listed`` times, any other one once.
    """
    plain = getattr(function, "py_func", function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    return _operations(tree, plain.__globals__, listed)


def _operations(node: ast.AST, names: dict[str, Any], listed: int) -> int:
    inner = sum(_operations(child, names, listed) for child in ast.iter_child_nodes(node))
    if isinstance(node, ast.For):
        over = ast.unparse(node.iter)
        return inner * (TOPICS if "TOPICS" in over else listed if "ids" in over else 1)
    if isinstance(node, ast.BinOp | ast.AugAssign):
        bits = isinstance(node.op, ast.BitAnd | ast.BitOr | ast.LShift | ast.RShift)
        return inner + (0 if bits else 1)
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in ELEMENTARY:
            return inner + ELEMENTARY[name]
        callee = names.get(name, getattr(draws, name, None))
        if hasattr(callee, "py_func"):
            return inner + arithmetic(callee)
    return inner


def lived(cohort: Cohort, steps: int) -> dict[str, float]:
    """What happens in a fetch, on average."""
    actions = random_actions(cohort)
    cohort.reset(seed=1)
    total = {name: 0.0 for name in ("looked", "ad_views", "plays", "ended", "fetches")}
    for taken in range(steps):
        cohort.step(actions[taken % len(actions)])
        for name in total:
            total[name] += float(cohort.outcomes[name].sum())
    fetches = total.pop("fetches")
    return {name: count / fetches for name, count in total.items()}


def work(task: str, **settings: Any) -> Iterator[Fact]:
    """Bytes and arithmetic of a fetch."""
    cohort = Cohort(task, 1024, scenario="bench", **settings)
    mean = lived(cohort, 40)
    for name, unit in (("looked", "items"), ("ad_views", "ads"), ("ended", "sessions")):
        yield Fact(
            {"looked": "looked at", "ad_views": "seen", "ended": "ended"}[name], mean[name], unit
        )
    m = cohort.candidates
    met = mean["looked"] * (arithmetic(step.meet_item) + arithmetic(hazard_leaving))
    ends = mean["ended"] * sum(map(arithmetic, (step.close_session, step.stay_away)))
    draw = (m or cohort.slate_size) * arithmetic(spaces.draw_item)
    told = arithmetic(spaces.observe) + (arithmetic(spaces.describe, m) if m else 0)
    for name, count in (
        ("items met, and leaving", met),
        ("sessions ended", ends),
        ("the list drawn", draw),
        ("observation and features", told),
        ("all", met + ends + draw + told),
    ):
        yield Fact(f"arithmetic at most: {name}", count, "operations")
    read = (m or cohort.slate_size) * 2 * LINE
    records = 2 * (USER.itemsize + OUTCOME.itemsize + cohort.slate_size * SLOT.itemsize)
    shown = 4 * sum(int(np.prod(space.shape or ())) for space in _boxes(cohort))
    yield Fact("memory: lines of the catalogue", read, "bytes")
    yield Fact("memory: the person, outcome and slots, read and written", records, "bytes")
    yield Fact("memory: observation written", shown, "bytes")


def _boxes(cohort: Cohort) -> list[Any]:
    space: Any = cohort.single_observation_space
    return list(space.values()) if hasattr(space, "values") else [space]


# Time


def nanoseconds(task: str, users: int = 4096, **settings: Any) -> float:
    """CPU time of a fetch [ns]."""
    common: dict[str, Any] = {"scenario": "bench", "threads": 1}
    cohort = Cohort(task, users, **(common | settings))
    go = stepper(cohort, 20)
    steps = max(1, 40_000 // users)
    return seconds(lambda: go(steps)) / steps / users * 1e9


def births(task: str, **settings: Any) -> float:
    """CPU time of next lives (their youth included), a fetch [ns]."""
    cohort = Cohort(task, 4096, scenario="bench", threads=1, **settings)
    spent = [0.0]
    admit = cohort._kernel.admit

    def timed(*arguments: Any) -> None:
        start = time.process_time()
        admit(*arguments)
        spent[0] += time.process_time() - start

    go = stepper(cohort, 20)
    cohort._kernel = cohort._kernel._replace(advance=cohort._kernel.advance, admit=timed)
    go(100)
    return spent[0] / 100 / 4096 * 1e9


def a_position(alike: bool, people: int = 24, copies: int = 1024, steps: int = 12) -> float:
    """CPU time of the loop over users by position looked at [ns], median over people.

    alike: all lanes live the life of one person, so that the processor foresees every branch;
    else each lane another life.
    """
    samples = []
    start: dict[str, Any] = {"scenario": "bench", "autoreset_mode": "DISABLED", "threads": 1}
    for person in range(people):
        lanes = 1 if alike else copies
        cohort = Cohort("AdLoad", lanes, first_user=10_000 * person, **start)
        cohort.reset(seed=3)
        cohort = cohort.fork(copies if alike else 1)
        layouts = np.full(copies, 9)
        spent = looked = 0.0
        for taken in range(steps):
            began = time.process_time()
            cohort.step(layouts)
            if taken >= 2:
                spent += time.process_time() - began
                looked += float(cohort.slots["seen"][cohort.outcomes["fetches"] > 0].sum())
        if looked > 0.0:
            samples.append(spent / looked * 1e9)
    return statistics.median(samples)


def times() -> Iterator[Fact]:
    """A fetch as it is, and with one thing less."""
    small = find_world("bench").replace("small", catalogue={"items": 3200})
    for task, more in TASKS.items():
        whole = nanoseconds(task, **more)
        yield Fact(f"{task}: a fetch", whole, "ns")
        yield Fact(f"{task}: of these, next lives with their youth", births(task, **more), "ns")
        for name, other in (
            ("with a catalogue that fits the core's own cache", {"scenario": small}),
            ("with 256 users, who fit it", {"users": 256}),
            ("with 1024 users", {"users": 1024}),
            ("without handing out copies", {"copy": False}),
        ):
            yield Fact(f"{task}: {name}", nanoseconds(task, **(more | other)), "ns")
    few, many = (nanoseconds("Feed", action="slate", candidates=m) for m in (20, 100))
    yield Fact("Feed: a candidate, from 20 to 100 of them", (many - few) / 80, "ns")
    yield Fact("AdLoad: a position, everybody another life", a_position(False), "ns")
    yield Fact("AdLoad: a position, all lanes the same life", a_position(True), "ns")


def main() -> None:
    """Print the three tables."""
    print("Limits of this machine, one thread")
    for fact in limits():
        print(fact, flush=True)
    for task, more in TASKS.items():
        print(f"\nWork of a fetch, {task}")
        for fact in work(task, **more):
            print(fact, flush=True)
    print(f"\nTime (a person has {USER.itemsize} bytes, an item {ITEM.itemsize})")
    for fact in times():
        print(fact, flush=True)


if __name__ == "__main__":
    main()
