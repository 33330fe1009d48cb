"""F1: hours of listening fall linearly in ads per hour.

Nine arms of Pandora's listeners lived with 2.7 to 5.0 ads per hour for 21 months. Hours fell by
2.075 % (standard error .226) and active days by 1.897 % (.129) for an extra ad per hour, in a
straight line (Huang, Reiley, Riabov 2018, https://ssrn.com/abstract=3166676; linear [L], numbers
[S], as reported by gwern.net/banner).

Simulated: the same people with the same luck in nine arms. All spend 60 days at the middle load;
then each arm mixes two layouts, drawn anew for each session, for 21 months. Effects are those of
months 19 to 21, on everybody who was there at the start.

Departures. An hour of listening is an hour of songs and ads: whether the field's hours hold the
ads is not said where we could read it. `slope_songs` counts songs alone; it is steeper, since an
ad takes the place of a song. Deaths count by their probability (lab.watch). The field's listeners
were of all ages; these are at most 74 days old when the arms part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import MONTH, Lab, by_arm, parted, undying, watch
from longplay.experiments.facts.picture import Curve, chart

LIGHT, HEAVY = (7,), (3, 7)  # layouts that are mixed: about 2.6 and 6.6 ads per hour
CONTROL = 0.3  # share of the heavy one before the arms part
COLUMNS = ("minutes", "active_day", "ad_views")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    arms: int = 9
    months: int = 21
    before: float = 60.0  # days before the arms part
    least: float = 0.03  # share of heavy sessions in the first arm
    most: float = 0.60  # and in the last


SETTINGS = {"full": Settings(350), "quick": Settings(45, arms=3, months=12)}
FACT = Fact(
    id="F1",
    title="Hours fall linearly in ads per hour",
    source="Huang, Reiley, Riabov 2018, https://ssrn.com/abstract=3166676; gwern.net/banner",
    mark="[L] linear, [S] numbers",
    expected="-2.08 % hours and -1.90 % active days for an extra ad per hour",
    origin="fitted",
    checks=(
        # by month 12 some four fifths of the effect of month 21 are there (F2)
        Check("slope", "hours, for an ad per hour more [%]", -2.7, -1.5, quick=(-2.2, -1.2)),
        Check("linear", "R2 of the straight line [1]", 0.95, 1.0, quick=(0.8, 1.0)),
        Check("days_to_hours", "slope of active days over slope of hours [1]", 0.8, 1.0),
        Check("slope_songs", "hours of songs alone, for an ad per hour more [%]"),
        Check("least_ads", "ads per hour in the first arm [1/h]"),
        Check("most_ads", "ads per hour in the last arm [1/h]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """A person's last three months by arm: hours, songs [h], days, ads; (arms,)."""
    sums = lab.sums(live, settings.people, settings, seed, arms=settings.arms)
    songs, days, ads = (sums[name] / settings.people for name in COLUMNS)
    songs /= 60.0
    hours = songs + ads * lab.world.ads.seconds / 3600.0
    return {"songs": songs, "days": days, "ads": ads, "hours": hours}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """COLUMNS of some people in the last three months, by arm (arms,)."""
    arms, end = settings.arms, settings.before + settings.months * MONTH
    shares = np.repeat(np.linspace(settings.least, settings.most, arms), len(people))
    cohort = lab.cohort(len(people), arms, end, seed, world=undying(lab.world), first=people.start)
    choose = parted(LIGHT, HEAVY, CONTROL, shares, settings.before)
    edges = [end - 3 * MONTH, end]
    sums = watch(cohort, choose, COLUMNS, edges, lab.told, mortal=lab.world)
    return {name: by_arm(sums[name], arms)[:, 0] for name in COLUMNS}


def slope_of(x: Floats, y: Floats, at: float) -> tuple[float, float]:
    """Slope of y on x in % of the fitted value at ``at``, and R2."""
    slope, level = np.polyfit(x, y, 1)
    left = y - (level + slope * x)
    return 100 * slope / (level + slope * at), 1 - float(
        (left**2).sum() / ((y - y.mean()) ** 2).sum()
    )


def read(series: Series) -> dict[str, float]:
    """Straight lines through the arms."""
    ads = series["ads"] / series["hours"]
    middle = float(ads[len(ads) // 2])
    hours, linear = slope_of(ads, series["hours"], middle)
    days, _ = slope_of(ads, series["days"], middle)
    songs, _ = slope_of(ads, series["songs"], middle)
    return {
        "slope": hours,
        "linear": linear,
        "days_to_hours": days / hours,
        "slope_songs": songs,
        "least_ads": float(ads[0]),
        "most_ads": float(ads[-1]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Hours and days by ads per hour, in % of the middle arm."""
    ads = series["ads"] / series["hours"]
    middle = len(ads) // 2

    def change(name: str) -> Floats:
        values: Floats = 100 * (series[name] / series[name][middle] - 1)
        return values

    line = np.polyval(np.polyfit(ads, change("hours"), 1), ads)
    return chart(
        f"Hours fall by {-readings['slope']:.2f} % for an ad per hour more.",
        "ads per hour",
        "months 19-21, against the middle arm [%]",
        [
            Curve("hours", ads, change("hours"), points=True, colour=0),
            Curve("", ads, line, colour=0),
            Curve("active days", ads, change("days"), points=True, colour=1),
        ],
    )
