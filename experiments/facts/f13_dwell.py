"""F13: dwell ages negatively: who has stayed stays on.

The Weibull shape of dwell times on web pages is below 1 for nearly all of them: early screening,
then settled reading (Liu, White, Dumais, SIGIR 2010, https://www.microsoft.com/en-us/research/
publication/understanding-web-browsing-behaviors-through-weibull-analysis-of-dwell-time/ [L, sign];
98.5 % of pages [M]).

Simulated: two weeks of `music` without ads. A Weibull is fitted by maximum likelihood to the plays
of every fiftieth of the catalogue, by rank in the order of popularity; plays that reached the end
count as cut there.

Departures. Songs, not pages, and groups of items: one item of a hundred thousand is played too
seldom for a fit of its own. The law of dwell is a Weibull of shape 0.245, so the sign is built in;
that people and matches of all kinds are mixed can only lower it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

GROUPS = 50
SHAPES = np.linspace(0.05, 1.6, 156)  # grid of k


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 14.0


SETTINGS = {"full": Settings(600), "quick": Settings(150)}
FACT = Fact(
    id="F13",
    title="Dwell ages negatively: who has stayed stays on",
    source="Liu, White, Dumais, SIGIR 2010",
    mark="[L], [M] share",
    expected="Weibull shape below 1 for more than 90 % of items",
    tier="report",
    origin="fitted",
    checks=(
        Check("below_1", "share of groups of items with a shape below 1 [%]", 90.0, 100.0),
        Check("median", "shape, median over groups [1]"),
    ),
)


def shape_of(seconds: Floats, ended: Floats) -> float:
    """Maximum-likelihood Weibull shape of times, of which some (``ended``) are not cut.

    For a shape k the scale is known, and the log-likelihood is d ln k + (k - 1) sum ln t - d ln
    (sum t^k / d) up to a constant, d the number of uncut times; the best k of a grid is taken.
    """
    uncut = ended > 0.0
    d = float(uncut.sum())
    logs = np.log(seconds)
    sums = np.exp(np.outer(SHAPES, logs)).sum(axis=1)
    likelihood = d * np.log(SHAPES) + (SHAPES - 1.0) * logs[uncut].sum() - d * np.log(sums / d)
    return float(SHAPES[int(likelihood.argmax())])


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """The shape of each group of items, (groups,)."""
    cohort = lab.cohort(settings.people, 1, settings.days, seed, decision="fetch")
    no_ads = np.zeros(settings.people, np.int64)
    items: list[Floats] = []
    while not cohort.over.all():
        cohort.step(no_ads)
        slots = cohort.slots[cohort.outcomes["fetches"] > 0]
        plays = slots[(slots["played"] == 1) & (slots["shows"] >= 0)]
        length = cohort.shop.items["minutes"][plays["shows"]]
        seconds = np.maximum(60.0 * plays["minutes"], 1e-3)
        ended = plays["minutes"] < 0.999 * length
        items.append(np.column_stack([plays["shows"], seconds, ended]))
    table = np.concatenate(items)
    table = table[np.argsort(table[:, 0], kind="stable")]
    parts = np.array_split(table, GROUPS)
    return {"shapes": np.array([shape_of(part[:, 1], part[:, 2]) for part in parts])}


def read(series: Series) -> dict[str, float]:
    """How many groups age negatively."""
    shapes = series["shapes"]
    return {"below_1": 100.0 * float((shapes < 1.0).mean()), "median": float(np.median(shapes))}


def figure(series: Series, readings: Readings) -> str:
    """The shapes, sorted."""
    shapes = np.sort(series["shapes"])
    share = 100.0 * (np.arange(len(shapes)) + 0.5) / len(shapes)
    return chart(
        f"The median shape is {readings['median']:.2f}.",
        "share of groups of items [%]",
        "Weibull shape",
        [Curve("measured", share, shapes), Curve("no ageing", share, 0 * share + 1, dashed=True)],
    )
