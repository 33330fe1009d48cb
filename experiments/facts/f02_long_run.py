"""F2: the long-run effect of ads is three times that of the first month.

Pandora's 21 months showed three times the sensitivity of a month-long experiment, and the effect
took more than a year to be fully realised (Huang, Reiley, Riabov 2018; Quantitative Marketing and
Economics 2025, https://ideas.repec.org/a/kap/qmktec/v23y2025i3d10.1007_s11129-025-09294-7.html
[L]).

Simulated: the lightest and the heaviest arm of F1, month by month. Hours are those of songs and
ads. What is there at once is the satisfaction that ads cost, and the songs whose place they take;
what comes slowly is that satisfaction and the remembered load move churn, which adds up.

Departures: those of F1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.experiments.facts.f01_ad_load import CONTROL, HEAVY, LIGHT
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import MONTH, Lab, by_arm, parted, undying, watch
from longplay.experiments.facts.picture import Curve, chart

COLUMNS = ("minutes", "ad_views")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    months: int = 21
    before: float = 60.0  # days before the arms part
    least: float = 0.03  # share of heavy sessions in the light arm
    most: float = 0.60  # and in the heavy one


SETTINGS = {"full": Settings(1100), "quick": Settings(40, most=1.0)}
FACT = Fact(
    id="F2",
    title="The long-run effect of ads is three times that of the first month",
    source="Huang, Reiley, Riabov 2018, https://ssrn.com/abstract=3166676; QME 2025, https://"
    "ideas.repec.org/a/kap/qmktec/v23y2025i3d10.1007_s11129-025-09294-7.html",
    mark="[L]",
    expected="month 21 three times month 1; more than a year to the full effect",
    origin="fitted",
    checks=(
        Check("ratio", "effect on hours in month 21 over that in month 1 [1]", 2.0, 4.0),
        Check("after_a_year", "effect of month 12 over that of month 21 [1]", 0.3, 0.95),
        Check("first", "effect of month 1, for an ad per hour more [%]"),
        Check("last", "effect of month 21, for an ad per hour more [%]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """A person's hours and ads in both arms by month since the arms parted, (2, months)."""
    sums = lab.sums(live, settings.people, settings, seed, arms=2)
    songs, ads = (sums[name] / settings.people for name in COLUMNS)
    return {"hours": songs / 60.0 + ads * lab.world.ads.seconds / 3600.0, "ads": ads}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """COLUMNS of some people by arm and month, (2, months)."""
    edges = settings.before + MONTH * np.arange(settings.months + 1)
    world = undying(lab.world)
    cohort = lab.cohort(len(people), 2, edges[-1], seed, world=world, first=people.start)
    shares = np.repeat([settings.least, settings.most], len(people))
    choose = parted(LIGHT, HEAVY, CONTROL, shares, settings.before)
    sums = watch(cohort, choose, COLUMNS, edges, lab.told, mortal=lab.world)
    return {name: by_arm(sums[name], 2) for name in COLUMNS}


def effects(series: Series) -> Floats:
    """Effect on hours by month, for an ad per hour more [%], (months,)."""
    light, heavy = series["hours"]
    load = series["ads"].sum(axis=1) / series["hours"].sum(axis=1)
    change: Floats = 200 * (heavy - light) / (heavy + light) / (load[1] - load[0])
    return change


def read(series: Series) -> dict[str, float]:
    """The first month, the last one, and the twelfth (with its two neighbours)."""
    effect = effects(series)
    return {
        "ratio": float(effect[-1] / effect[0]),
        "after_a_year": float(effect[10:13].mean() / effect[-3:].mean()),
        "first": float(effect[0]),
        "last": float(effect[-1]),
    }


def figure(series: Series, readings: Readings) -> str:
    """The effect by month."""
    effect = effects(series)
    months = np.arange(1, len(effect) + 1)
    return chart(
        f"The effect of month 21 is {readings['ratio']:.1f} times that of month 1.",
        "month since the arms parted",
        "hours, for an ad per hour more [%]",
        [Curve("measured", months, effect), Curve("no effect", months, 0 * effect, dashed=True)],
    )
