"""F26: the longer away, the less likely back; and most likely at the same hour.

The hazard of return falls with absence and has a daily and a weekly rhythm (Kapoor et al., KDD
2014, https://conservancy.umn.edu/items/8a9a3594-6106-4c15-9e62-d17986dbe006; Jing & Smola, WSDM
2017 [L, qualitative]).

Simulated: absences over twelve weeks without ads, by the hour; the hazard of an hour is the share
of those still away that come back in it. Its fall is read from day to day, at the same hours; its
rhythm from the same hour a day later beside half a day earlier and later.

Departures. The law of return has this form, so the signs are built in; what is checked is that
they survive people who differ, which alone makes a pooled hazard fall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

HOURS = 24 * 9
DAY = 24


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 84.0


SETTINGS = {"full": Settings(800), "quick": Settings(120)}
FACT = Fact(
    id="F26",
    title="The longer away, the less likely back; and most likely at the same hour",
    source="Kapoor et al., KDD 2014; Jing & Smola, WSDM 2017",
    mark="[L]",
    expected="hazard falls with absence; peaks after 24 hours and after 7 days",
    tier="report",
    origin="fitted",
    checks=(
        Check("fall", "hazard of the third day over that of the first [1]", high=1.0),
        Check("day", "hazard after 24 hours over those after 12 and 36 [1]", low=1.0),
        Check("week", "hazard of day 7 over those of days 6 and 8 [1]", low=1.0),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Returns and people still away by hour of absence, (2, hours)."""
    returns = lab.sums(live, settings.people, settings, seed)["returns"]
    still_away = np.cumsum(returns[::-1])[::-1]  # of those who come back at all
    return {"counts": np.stack([returns[:HOURS], still_away[:HOURS]])}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """Returns of some people by hour of absence, (HOURS + 1,), the last of all later ones."""
    cohort = lab.cohort(len(people), 1, settings.days, seed, first=people.start)
    no_ads = np.zeros(len(people), np.int64)
    returns = np.zeros(HOURS + 1)
    while not cohort.over.all():
        cohort.step(no_ads)
        out = cohort.outcomes
        away = out["away"][(out["fetches"] > 0) & (out["ended"] > 0)]
        hour = np.minimum(away[np.isfinite(away)], HOURS).astype(np.int64)
        returns += np.bincount(hour, minlength=HOURS + 1)
    return {"returns": returns}


def read(series: Series) -> dict[str, float]:
    """Hazards of hours and of days."""
    returns, away = series["counts"]
    hazard = returns / np.maximum(away, 1e-9)
    daily = returns.reshape(-1, DAY).sum(axis=1) / away[::DAY]

    def around(hour: int) -> float:
        return float(hazard[hour - 2 : hour + 3].mean())

    return {
        "fall": float(daily[2] / daily[0]),
        "day": around(24) / (0.5 * (around(12) + around(36))),
        "week": float(daily[6] / (0.5 * (daily[5] + daily[7]))),
    }


def figure(series: Series, readings: Readings) -> str:
    """The hazard by hour, over four days."""
    returns, away = series["counts"]
    shown = np.arange(1, 4 * DAY)
    return chart(
        f"The hazard of day 3 is {readings['fall']:.2f} times that of day 1.",
        "hours away",
        "hazard of return [1/h]",
        [Curve("measured", shown, (returns / np.maximum(away, 1e-9))[shown])],
    )
