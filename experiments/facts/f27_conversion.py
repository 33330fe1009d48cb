"""F27: who comes seldom rarely becomes one who comes often, and slowly.

Of the people who visited a large platform seldom 2.3 % came often five months later, after 15.3
weeks on average, median 14 (Wang et al., "Surrogate for long-term user experience in recommender
systems", KDD 2022, doi 10.1145/3534678.3539073 [S]).

Simulated: people lead their lives without ads, under the production ranker. When a year is over,
each fourth week asks who was there on at least one and at most LIGHT of the last 28 days: these
come seldom, and are followed for 20 weeks more. The first week with at least HEAVY active days in
it and the three before is that of the conversion. One person may be asked about several times.

Departures. Where we could read it the paper's bounds of seldom and often are not given: one day a
week and four days a week, over four weeks, are our reading, set before anything was measured. The
share depends on them: see `to_three` for three days a week. So does it on who is followed: of
newcomers who come seldom in their first weeks, when there is no habit yet, one in five converts
(`new`); theirs were users of all ages, ours are a year old. It misses: in `music`, fitted to people
who listen on most days, hardly one in a hundred comes seldom, and months vary by chance. Without
habit in the return as many convert, and of those who ever come often within 20 weeks only some do
so in the last four (`last`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, watch
from longplay.experiments.facts.picture import Curve, chart

LIGHT, HEAVY, LESS_HEAVY = 4.0, 16.0, 12.0  # active days in four weeks; free choice
BEFORE, AFTER = 4, 20  # weeks
STARTS = 8  # times that people are asked about, four weeks apart
PUBLISHED = 2.3  # [%]


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    settled: int = 52  # weeks until people are asked about


SETTINGS = {"full": Settings(1700), "quick": Settings(350, settled=16)}
FACT = Fact(
    id="F27",
    title="Who comes seldom rarely becomes one who comes often, and slowly",
    source="Wang et al., KDD 2022, doi 10.1145/3534678.3539073",
    mark="[S]",
    expected="2.3 % within five months, after a median of 14 weeks",
    tier="report",
    checks=(
        # in the quick run people are four months old, and a handful converts
        Check("converted", "of who came seldom, within 20 weeks [%]", 1.0, 5.0),
        Check("median", "weeks until then, 20 if nobody converts", 10.0, 18.0, (1.0, 20.0)),
        Check("mean", "weeks until then"),
        Check("light", "share of people who come seldom [%]"),
        Check("to_three", "who come on three days a week within 20 weeks [%]"),
        Check("last", "who come often in the last four of the 20 weeks [%]"),
        Check("new", "`converted` of newcomers [%]"),
    ),
)


def conversion(days: Floats, heavy: float) -> Floats:
    """Week of the first four weeks with ``heavy`` days, (people,); inf for never.

    ``days`` (people, BEFORE + weeks) active days by week; weeks count from 1 after BEFORE.
    """
    sums = np.cumsum(days, axis=1)
    trailing = sums[:, BEFORE:] - sums[:, :-BEFORE]
    reached = trailing >= heavy
    week: Floats = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)
    return week


def followed(days: Floats, start: int) -> Floats:
    """Weeks of those who come seldom in the four from ``start``, (of them, BEFORE + AFTER)."""
    own = days[:, start : start + BEFORE + AFTER]
    base = own[:, :BEFORE].sum(axis=1)
    seldom: Floats = own[(base >= 1.0) & (base <= LIGHT)]
    return seldom


def converted(days: Floats) -> Floats:
    """How many convert by week to either bound, (2, AFTER), of `followed` (n, BEFORE + AFTER)."""
    by_week = np.zeros((2, AFTER))
    for row, heavy in enumerate((HEAVY, LESS_HEAVY)):
        week = conversion(days, heavy)
        by_week[row] = np.bincount(week[np.isfinite(week)].astype(int), minlength=AFTER + 1)[1:]
    return by_week


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """People asked about, those who come seldom, and conversions; of settled and new people."""
    return lab.sums(live, settings.people, settings, seed)


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """The counts of `measure` among some people."""
    starts = settings.settled + BEFORE * np.arange(STARTS)
    weeks = int(starts[-1]) + BEFORE + AFTER
    cohort = lab.cohort(len(people), 1, 7.0 * weeks, seed, first=people.start)
    none = np.zeros(len(people), np.int64)
    edges = 7.0 * np.arange(weeks + 1)
    days = watch(cohort, lambda cohort: none, ("active_day",), edges, lab.told)["active_day"]
    light = np.concatenate([followed(days, int(start)) for start in starts])
    new = followed(days, 0)
    there = sum((days[:, start : start + BEFORE].sum(axis=1) > 0).sum() for start in starts)
    return {
        "people": np.array(float(there)),
        "light": np.array(float(len(light))),
        "weeks": converted(light),
        "last": np.array(float((light[:, -BEFORE:].sum(axis=1) >= HEAVY).sum())),
        "new": np.array([len(new), converted(new)[0].sum()]),
    }


def read(series: Series) -> dict[str, float]:
    """Shares, and the weeks until conversion."""
    heavy, less = series["weeks"]
    weeks = np.arange(1.0, AFTER + 1.0)
    many, light = float(heavy.sum()), float(series["light"])
    middle = int((np.cumsum(heavy) >= 0.5 * many).argmax())
    return {
        "converted": 100.0 * many / light,
        "median": float(weeks[middle]) if many else float(AFTER),
        "mean": float(weeks @ heavy) / many if many else float(AFTER),
        "light": 100.0 * light / float(series["people"]),
        "to_three": 100.0 * float(less.sum()) / light,
        "last": 100.0 * float(series["last"]) / light,
        "new": 100.0 * float(series["new"][1] / series["new"][0]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Those converted by week."""
    weeks = np.arange(1.0, AFTER + 1.0)
    to_date = 100.0 * np.cumsum(series["weeks"], axis=1) / series["light"]
    return chart(
        f"{readings['converted']:.1f} % of those who come seldom come often within 20 weeks.",
        "week",
        "converted to date [%]",
        [
            Curve("4 days a week", weeks, to_date[0]),
            Curve("3 days a week", weeks, to_date[1]),
            Curve("published", [AFTER], [PUBLISHED], points=True, colour=2),
        ],
    )
