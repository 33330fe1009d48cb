"""F4: how many ads there are matters, how they are grouped into breaks hardly does.

Pandora's arms differed in the number of breaks per hour and of ads per break. What counted was
their product, the ads per hour; at the same ads per hour the grouping was of second order, with a
slight preference for more and shorter breaks in the version of 2025 (Huang, Reiley, Riabov 2018,
https://ssrn.com/abstract=3166676; QME 2025, https://ideas.repec.org/a/kap/qmktec/
v23y2025i3d10.1007_s11129-025-09294-7.html [L]).

Simulated: the same people with the same luck in three arms, after 60 days in the second. Half of
all sessions, drawn anew, are without ads. The others have, in the first arm, two ads in one break,
(2, 3) or (7, 8); in the second, two breaks of one ad, (2, 7) or (3, 8); in the third, one ad, at 2,
3, 7 or 8. So all three put their
ads at the same positions equally often, the first two as many of them, near the load of Pandora's
control, the third half as many. Effects are those of the last three months, on everybody who was
there at the start. What is left of a difference in ads per hour between the first two is taken off
by the slope between the last two.

Departures. Breaks lie between songs of a list of ten rather than at times. Nothing in the laws
tells a break of two from two breaks: what can differ is when in a session an ad tires, and what it
finds on the way. Deaths count by their probability (lab.watch). In a run where every session had
ads, 6.4 per hour, which is beyond Pandora's heaviest arm, the share was 0.31 [0.26, 0.35].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import (
    MONTH,
    Lab,
    Layouts,
    by_arm,
    clock_days,
    luck,
    undying,
    watch,
)
from longplay.experiments.facts.picture import Curve, chart

LAYOUTS = (  # of the sessions of each arm that have ads: one long break, two short, half the ads
    ((2, 3), (7, 8), (2, 3), (7, 8)),
    ((2, 7), (3, 8), (2, 7), (3, 8)),
    ((2,), (3,), (7,), (8,)),
)
LONG, SHORT, HALF = range(3)
COLUMNS = ("minutes", "active_day", "ad_views")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    months: int = 15
    before: float = 60.0  # days before the arms part


SETTINGS = {"full": Settings(600), "quick": Settings(70, months=9)}
FACT = Fact(
    id="F4",
    title="How many ads there are matters, how they are grouped hardly does",
    source="Huang, Reiley, Riabov 2018, https://ssrn.com/abstract=3166676; QME 2025, https://"
    "ideas.repec.org/a/kap/qmktec/v23y2025i3d10.1007_s11129-025-09294-7.html",
    mark="[L]",
    expected="the grouping has less than 1/4 of the effect of an ad per hour more",
    tier="report",
    checks=(
        Check("share", "effect of one long break over that of an ad per hour more", -0.25, 0.25),
        Check("grouping", "hours, one long break against two short ones [%]"),
        Check("slope", "hours, for an ad per hour more [%]", high=0.0),
        Check("days", "active days, one long break against two short ones [%]"),
        Check("load", "ads per hour with two short breaks [1/h]"),
        Check("apart", "ads per hour with one long break less those with two short ones [1/h]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """A person's hours, days and ads by arm in the last three months, (arms,)."""
    sums = lab.sums(live, settings.people, settings, seed, arms=len(LAYOUTS))
    songs, days, ads = (sums[name] / settings.people for name in COLUMNS)
    return {"hours": songs / 60.0 + ads * lab.world.ads.seconds / 3600.0, "days": days, "ads": ads}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """COLUMNS of some people by arm in the last three months, (arms,)."""
    arms = len(LAYOUTS)
    menu = np.array([[layout_index(layout) for layout in arm + 4 * ((),)] for arm in LAYOUTS])
    arm = np.repeat(np.arange(arms), len(people))

    def choose(cohort: Cohort) -> Layouts:
        now = np.where(clock_days(cohort) < settings.before, SHORT, arm)
        layouts: Layouts = menu[now, (len(menu[0]) * luck(cohort, 4)).astype(np.int64)]
        return layouts

    end = settings.before + settings.months * MONTH
    cohort = lab.cohort(len(people), arms, end, seed, world=undying(lab.world), first=people.start)
    edges = [end - 3 * MONTH, end]
    sums = watch(cohort, choose, COLUMNS, edges, lab.told, mortal=lab.world)
    return {name: by_arm(sums[name], arms)[:, 0] for name in COLUMNS}


def beyond_load(values: Floats, load: Floats) -> tuple[float, float]:
    """Effect of one long break at the load of two short ones, and of an ad per hour more [%].

    ``values`` and ``load`` (arms,); in % of the value with two short breaks.
    """
    slope = (values[SHORT] - values[HALF]) / (load[SHORT] - load[HALF])
    rest = values[LONG] - values[SHORT] - slope * (load[LONG] - load[SHORT])
    return 100.0 * float(rest / values[SHORT]), 100.0 * float(slope / values[SHORT])


def read(series: Series) -> dict[str, float]:
    """Effects on hours and days."""
    load = series["ads"] / series["hours"]
    grouping, slope = beyond_load(series["hours"], load)
    return {
        "share": grouping / slope,
        "grouping": grouping,
        "slope": slope,
        "days": beyond_load(series["days"], load)[0],
        "load": float(load[SHORT]),
        "apart": float(load[LONG] - load[SHORT]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Hours by ads per hour of the three arms."""
    load = series["ads"] / series["hours"]
    hours = 100.0 * (series["hours"] / series["hours"][SHORT] - 1.0)
    both = [HALF, SHORT]
    return chart(
        f"One long break does {readings['share']:.2f} of what an ad per hour more does.",
        "ads per hour",
        "hours, against two short breaks [%]",
        [
            Curve("short breaks", load[both], hours[both], points=True, colour=0),
            Curve("", load[both], hours[both], colour=0),
            Curve("one long break", load[:1], hours[:1], points=True, colour=1),
        ],
    )
