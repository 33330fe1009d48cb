"""From what seeds measured to a verdict.

A number T is read from the mean of the series over all S seeds. Its interval is the jackknife's
(Tukey 1958), as in stats.py:

    V = (S - 1)/S sum_s (T_(-s) - mean T_(-s))^2,   T +- t(S - 1) sqrt(V)                    (1)

For a number that is a mean over seeds this is the t interval. A check holds when the interval
overlaps the range and, where the range lies on one side of 0, T lies on that side too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.experiments.facts.fact import Check, Found, Series
from longplay.experiments.stats import LEVEL, Interval

HOLDS, MISSES, SHOWN = "holds", "misses", "shown"


@dataclass(frozen=True)
class Verdict:
    """One checked number."""

    check: Check
    measured: Interval
    low: float
    high: float
    word: str  # HOLDS, MISSES or SHOWN


@dataclass(frozen=True)
class Judged:
    """One fact with its numbers and its verdict."""

    found: Found
    verdicts: tuple[Verdict, ...]
    series: Series  # means over seeds

    @property
    def holds(self) -> bool:
        """No checked number misses."""
        return all(verdict.word != MISSES for verdict in self.verdicts)

    @property
    def readings(self) -> dict[str, float]:
        """The numbers by name."""
        return {verdict.check.name: verdict.measured.mean for verdict in self.verdicts}


def verdict_of(measured: Interval, low: float, high: float) -> str:
    """Whether an interval overlaps a range, with the right sign of the estimate."""
    if low == -math.inf and high == math.inf:
        return SHOWN
    if not math.isfinite(measured.mean):
        return MISSES
    overlaps = measured.low <= high and measured.high >= low
    right_sign = not (low >= 0 > measured.mean or high <= 0 < measured.mean)
    return HOLDS if overlaps and right_sign else MISSES


def mean_series(parts: Sequence[Mapping[str, Any]]) -> Series:
    """The mean over seeds of every number and array."""
    return {name: np.mean([np.asarray(part[name]) for part in parts], axis=0) for name in parts[0]}


def jackknife(whole: float, without: Sequence[float]) -> Interval:
    """Equation (1); one seed has no interval: it is the estimate itself."""
    from scipy.stats import t

    seeds = len(without)
    if seeds < 2:
        return Interval(whole, whole, whole, seeds)
    spread = np.asarray(without) - np.mean(without)
    variance = (seeds - 1) / seeds * float((spread**2).sum())
    reach = float(t.ppf((1 + LEVEL) / 2, seeds - 1)) * math.sqrt(variance)
    return Interval(whole, whole - reach, whole + reach, seeds)


def judge(found: Found, parts: Sequence[Mapping[str, Any]], quick: bool) -> Judged:
    """A fact's numbers from what each seed measured."""
    series = mean_series(parts)
    whole = found.read(series)
    left_out = [
        found.read(mean_series([*parts[:s], *parts[s + 1 :]]))
        for s in range(len(parts))
        if len(parts) > 1
    ]
    verdicts = []
    for check in found.fact.checks:
        name = check.name
        measured = jackknife(float(whole[name]), [float(one[name]) for one in left_out])
        low, high = check.range(quick)
        verdicts.append(Verdict(check, measured, low, high, verdict_of(measured, low, high)))
    return Judged(found, tuple(verdicts), series)
