"""What a fact is, and where facts are found.

A file ``fNN_name.py`` of this folder holds one:

    SETTINGS = {"full": Settings(...), "quick": Settings(...)}   # a frozen dataclass
    FACT = Fact(id="F1", ..., checks=(Check("slope", ...), ...))
    measure(lab, settings, seed) -> dict of numbers and arrays   # the experiment, one seed
    read(series) -> dict of numbers    # the checked ones, from what `measure` gave, averaged
    figure(series, readings) -> str    # an SVG picture

`read` may be left out where `measure` gives the checked numbers themselves. It sees averages over
seeds, and each set of all seeds but one: so ratios, fits and correlations are taken once, of
everything, and the interval comes from leaving seeds out (judge.py).
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from longplay.experiments import facts
from longplay.experiments.facts.lab import Lab
from longplay.experiments.run import Refused
from longplay.experiments.settings import did_you_mean

Floats = npt.NDArray[np.float64]
Series = dict[str, Floats]
Readings = Mapping[str, float]
INF = float("inf")
NAME = re.compile(r"f(\d+)_\w+")


@dataclass(frozen=True)
class Check:
    """A number of a fact and the range it should lie in; without a range it is only shown."""

    name: str
    about: str  # what it is, with its unit
    low: float = -INF
    high: float = INF
    quick: tuple[float, float] | None = None  # range of the quick run, where it differs

    def range(self, quick: bool) -> tuple[float, float]:
        """The range in the full or the quick run."""
        return self.quick if quick and self.quick is not None else (self.low, self.high)


@dataclass(frozen=True)
class Fact:
    """A published finding, and what is checked of it."""

    id: str  # "F1"
    title: str
    source: str  # with its address
    mark: str  # [L], [S], [M], [D]: how it was read
    expected: str
    checks: tuple[Check, ...]
    tier: Literal["gate", "report"] = "gate"
    origin: Literal["fitted", "predicted"] = "predicted"  # were parameters chosen for it?


@dataclass(frozen=True)
class Found:
    """A fact with its experiment."""

    fact: Fact
    about: str  # the module's docstring
    settings: Mapping[str, Any]  # "full", "quick"
    measure: Callable[[Lab, Any, int], Mapping[str, Any]]
    read: Callable[[Series], Mapping[str, float]]
    figure: Callable[[Series, Readings], str]

    @classmethod
    def of(cls, module: ModuleType) -> Found:
        """Read a module; AttributeError if it lacks something."""
        fact: Fact = module.FACT

        def same(series: Series) -> Mapping[str, float]:
            return {check.name: float(series[check.name]) for check in fact.checks}

        read = getattr(module, "read", same)
        about = module.__doc__ or ""
        return cls(fact, about, module.SETTINGS, module.measure, read, module.figure)


def find_facts() -> dict[str, Found]:
    """All facts of this folder by id, in the order of their numbers.

    Raises:
        ValueError: if two files hold the same id.
    """
    found: dict[str, Found] = {}
    names = [m.name for m in pkgutil.iter_modules(facts.__path__) if NAME.fullmatch(m.name)]
    for name in sorted(names, key=lambda name: (int(name[1 : name.index("_")]), name)):
        one = Found.of(importlib.import_module(f"{facts.__name__}.{name}"))
        if one.fact.id in found:
            raise ValueError(f"two files hold the fact {one.fact.id!r}; one of them is {name}.py.")
        found[one.fact.id] = one
    return found


def choose(only: tuple[str, ...]) -> dict[str, Found]:
    """The facts of these ids (any case, commas allowed); all of them if none is named."""
    found = find_facts()
    if not only:
        return found
    wanted = dict.fromkeys(name.upper() for word in only for name in word.split(",") if name)
    if not wanted:
        raise Refused(
            f"only={' '.join(only)!r} names no fact; name some, as F1 F5, or leave it away for all."
        )
    for name in wanted:
        if name not in found:
            raise Refused(f"There is no fact {name!r}{did_you_mean(name, found)}")
    return {name: found[name] for name in found if name in wanted}
