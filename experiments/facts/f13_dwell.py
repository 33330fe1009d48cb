"""F13: dwell ages negatively: who has stayed stays on.

The Weibull shape of dwell times on web pages is below 1 for nearly all of them: early screening,
then settled reading (Liu, White, Dumais, SIGIR 2010, https://www.microsoft.com/en-us/research/
publication/understanding-web-browsing-behaviors-through-weibull-analysis-of-dwell-time/ [L, sign];
98.5 % of pages [M]).

Simulated: two weeks of `music` without ads. A Weibull is fitted by maximum likelihood to the plays
of each group of items: a topic's most popular 40, its next 160, and its others; plays that reached
the end count as cut there.

Departures. Songs, not pages, and groups of items: one item of a hundred thousand is played too
seldom for a fit of its own. The law of dwell is a Weibull of shape 0.245, so the sign is built in;
that people and matches of all kinds are mixed can only lower it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.population import Shop
from longplay.envs.state import TOPICS
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

PLACES = (40, 200)  # edges of the pieces of a topic, in places; free choice
PIECES = len(PLACES) + 1
GROUPS = TOPICS * PIECES
SHAPES = np.linspace(0.05, 1.6, 156)  # grid of k

Ints = npt.NDArray[np.int64]


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


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """The shape of each group of items, (groups,); nan where no play was left before its end."""
    sums = lab.sums(live, settings.people, settings, seed)
    fits = zip(sums["uncut"], sums["logs"], sums["powers"], strict=True)
    return {"shapes": np.array([shape_of(*one) for one in fits])}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Any]:
    """What is to be known of the plays of some people, by group of items: `known_of`."""
    cohort = lab.cohort(len(people), 1, settings.days, seed, decision="fetch", first=people.start)
    no_ads = np.zeros(len(people), np.int64)
    groups, times, uncut = [], [], []
    while not cohort.over.all():
        cohort.step(no_ads)
        slots = cohort.slots[cohort.outcomes["fetches"] > 0]
        plays = slots[(slots["played"] == 1) & (slots["shows"] >= 0)]
        length = cohort.shop.items["minutes"][plays["shows"]]
        groups.append(group_of(plays["shows"], cohort.shop))
        times.append(np.maximum(60.0 * plays["minutes"].astype(np.float64), 1e-3))
        uncut.append((plays["minutes"] < 0.999 * length).astype(np.float64))
        lab.told(float(cohort.over.mean()))
    return known_of(np.concatenate(groups), np.concatenate(times), np.concatenate(uncut))


def group_of(shows: Ints, shop: Shop) -> Ints:
    """The group of each of these items (n,): its topic's, and of that the piece of its place."""
    topic = shop.items["topic"][shows]
    group: Ints = topic * PIECES + np.digitize(shows - shop.starts[topic], PLACES)
    return group


def known_of(group: Ints, seconds: Floats, uncut: Floats) -> dict[str, Any]:
    """Uncut times (where ``uncut`` is 1), their sum of ln t (groups,); sums of t^k (groups, k)."""
    logs = np.log(seconds)
    powers = [np.bincount(group, np.exp(k * logs), GROUPS) for k in SHAPES]
    return {
        "uncut": np.bincount(group, uncut, GROUPS),
        "logs": np.bincount(group, uncut * logs, GROUPS),
        "powers": np.stack(powers, axis=1),
    }


def shape_of(uncut: float, logs: float, powers: Floats) -> float:
    """Maximum-likelihood Weibull shape of times, of which d = ``uncut`` are not cut; nan for d = 0.

    For a shape k the scale is known, and the log-likelihood is d ln k + (k - 1) sum ln t - d ln
    (sum t^k / d) up to a constant, with ``logs`` the sum of ln t over the uncut times and
    ``powers`` the sums of t^k over all times; the best k of a grid is taken.
    """
    if not uncut:
        return np.nan
    likelihood = uncut * np.log(SHAPES) + (SHAPES - 1.0) * logs - uncut * np.log(powers / uncut)
    return float(SHAPES[int(likelihood.argmax())])


def fitted(series: Series) -> Floats:
    """The shapes of the groups that were played in every seed, sorted."""
    shapes: Floats = np.sort(series["shapes"][np.isfinite(series["shapes"])])
    return shapes


def read(series: Series) -> dict[str, float]:
    """How many groups age negatively."""
    shapes = fitted(series)
    return {"below_1": 100.0 * float((shapes < 1.0).mean()), "median": float(np.median(shapes))}


def figure(series: Series, readings: Readings) -> str:
    """The shapes, sorted."""
    shapes = fitted(series)
    share = 100.0 * (np.arange(len(shapes)) + 0.5) / len(shapes)
    return chart(
        f"The median shape is {readings['median']:.2f}.",
        "share of groups of items [%]",
        "Weibull shape",
        [Curve("measured", share, shapes), Curve("no ageing", share, 0 * share + 1, dashed=True)],
    )
