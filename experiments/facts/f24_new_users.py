"""F24: of new users most are gone after a day, and the loss slows down.

Of the users of all apps about 25 % are back on day 1, 10 to 13 % on day 7 and 4 to 7 % on day 30
(marketing reports: https://steptechglobal.com/?p=537, https://unstar.app/blog/app-retention-
benchmarks-2026 [L, marketing-grade]). Straightened by logarithms, the curve from day 1 to day 30
has a slope of -0.35 to -0.47; day 7 is .45 to .60 of day 1, and day 30 .44 to .52 of day 7 [D].

Simulated: newcomers of `community`, whatever world the other facts are in: it is the only scenario
that begins with a person's first visit. Active on day k is active on that very day.

Departures. Contributors to question-and-answer sites, to whose returns the scenario is fitted, are
not users of apps: their level is near by chance, and the curve of those sites is flatter from day 7
to day 28 (.60) than that of apps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.fitting.newcomers import simulate

LONGEST = 30
APPS = {1: 25.0, 7: 11.5, 30: 5.5}  # middles of the published ranges [%]


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int


SETTINGS = {"full": Settings(6000), "quick": Settings(1500)}
FACT = Fact(
    id="F24",
    title="Of new users most are gone after a day, and the loss slows down",
    source="https://steptechglobal.com/?p=537; https://unstar.app/blog/app-retention-benchmarks-2026",
    mark="[L] marketing-grade, [D] shape",
    expected="slope -0.35 to -0.47; day 7 over day 1 .45 to .60; day 30 over day 7 .44 to .52",
    tier="report",
    checks=(
        Check("slope", "log-log slope of retention from day 1 to day 30 [1]", -0.47, -0.35),
        Check("day_7", "retention of day 7 over that of day 1 [1]", 0.45, 0.60),
        Check("day_30", "retention of day 30 over that of day 7 [1]", 0.44, 0.52),
        Check("level", "retention of day 1 [%]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Share of newcomers active on each day after their first, (LONGEST + 1,)."""
    sums = lab.sums(live, settings.people, seed)
    return {"active": sums["active"] / settings.people}


def live(lab: Lab, people: range, seed: int) -> dict[str, Floats]:
    """How many of some newcomers are active on each day after their first, (LONGEST + 1,)."""
    until = np.full(len(people), 24.0 * (LONGEST + 2))
    events = simulate("community", until, seed, first_user=people.start, threads=1)
    birth = np.full(len(people), np.inf)
    np.minimum.at(birth, events.user, events.time)
    day = (np.floor(events.time / 24.0) - np.floor(birth / 24.0)[events.user]).astype(np.int64)
    active = np.zeros((len(people), LONGEST + 1))
    inside = day <= LONGEST
    active[events.user[inside], day[inside]] = 1.0
    return {"active": active.sum(axis=0)}


def read(series: Series) -> dict[str, float]:
    """Slope and ratios; single days are averaged with their neighbours but for day 1."""
    active = series["active"]
    days = np.arange(1, LONGEST + 1)
    slope, _ = np.polyfit(np.log(days), np.log(active[1:]), 1)
    week, month = active[6:9].mean(), active[28:31].mean()
    return {
        "slope": float(slope),
        "day_7": float(week / active[1]),
        "day_30": float(month / week),
        "level": 100.0 * float(active[1]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Retention by day."""
    days = np.arange(1, LONGEST + 1)
    return chart(
        f"Retention falls with a log-log slope of {readings['slope']:.2f}.",
        "days after the first",
        "active [%]",
        [
            Curve("simulated", days, 100.0 * series["active"][1:]),
            Curve("apps", list(APPS), list(APPS.values()), points=True, colour=1),
        ],
    )
