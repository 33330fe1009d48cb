"""A figure with its target and the reference beside it, and how it is measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from longplay.envs import draws
from longplay.envs.cohort import Cohort
from longplay.envs.compiled import law


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
        name = f"{self.name:<{NAMES}}"
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


NAMES = 42  # letters, as the longest name has
HEAD = (
    f"{'figure':<{NAMES}} {'median':>8} {'':<11} {'min .. max':<18} {'target':>8} {'':<8} "
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
