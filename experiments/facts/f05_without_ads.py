"""F5: without ads people come only a little more.

Hiding 82 % of Facebook's ads raised the time spent there by 6 % (Warwick working paper 1602,
https://warwick.ac.uk/fac/soc/economics/research/workingpapers/manage/ [L]); Pandora's straight
line gives +7.5 % for no ads, Gwern.net saw 14 %, LinkedIn at least 12 % [S].

Simulated: 60 days with ads for all; then one arm goes on as before, one meets no ads at all, and
in one each session is without ads with probability .82. Time is that of months 10 to 12, songs
and ads together, of everybody who was there at the start.

Departures. A blocker hides each ad by itself; here whole sessions are spared. Deaths count by
their probability (lab.watch).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import MONTH, Lab, by_arm, clock_days, luck, undying, watch
from longplay.experiments.facts.picture import Curve, chart

LAYOUT = (3,)  # about 3.6 ads per hour, the load of Pandora's control arm
HIDDEN = (0.0, 0.82, 1.0)  # share of sessions that are spared, by arm
COLUMNS = ("minutes", "ad_views")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    months: int = 12
    before: float = 60.0  # days before the arms part


SETTINGS = {"full": Settings(500), "quick": Settings(70, months=9)}
FACT = Fact(
    id="F5",
    title="Without ads people come only a little more",
    source="Warwick working paper 1602, https://warwick.ac.uk/fac/soc/economics/research/"
    "workingpapers/manage/; Huang, Reiley, Riabov 2018; gwern.net/banner",
    mark="[L], [S] the rest",
    expected="+6 % time with 82 % of ads hidden; +7.5 to +14 % with none",
    checks=(
        Check("no_ads", "time without ads [%]", 4.0, 15.0, quick=(3.0, 15.0)),
        Check("most_hidden", "time with 82 % of ads hidden [%]", 4.0, 15.0, quick=(3.0, 15.0)),
        Check("no_ads_songs", "hours of songs alone without ads [%]"),
        Check("ads_before", "ads per hour of the arm with ads [1/h]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """A person's hours, songs [h] and ads by arm and month after the parting, (arms, months)."""
    sums = lab.sums(live, settings.people, settings, seed, arms=len(HIDDEN))
    songs, ads = (sums[name] / settings.people for name in COLUMNS)
    songs /= 60.0
    return {"hours": songs + ads * lab.world.ads.seconds / 3600.0, "songs": songs, "ads": ads}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """COLUMNS of some people by arm and month, (arms, months)."""
    arms = len(HIDDEN)
    none, some = layout_index(()), layout_index(LAYOUT)
    spared = np.repeat(HIDDEN, len(people))

    def choose(cohort: Cohort) -> np.ndarray:
        free = (luck(cohort, 5) < spared) & (clock_days(cohort) >= settings.before)
        return np.where(free, none, some)

    edges = settings.before + MONTH * np.arange(settings.months + 1)
    world = undying(lab.world)
    cohort = lab.cohort(len(people), arms, edges[-1], seed, world=world, first=people.start)
    sums = watch(cohort, choose, COLUMNS, edges, lab.told, mortal=lab.world)
    return {name: by_arm(sums[name], arms) for name in COLUMNS}


def read(series: Series) -> dict[str, float]:
    """Gains of the last three months over the arm with ads."""
    hours, songs = (series[name][:, -3:].sum(axis=1) for name in ("hours", "songs"))
    return {
        "no_ads": 100 * float(hours[2] / hours[0] - 1),
        "most_hidden": 100 * float(hours[1] / hours[0] - 1),
        "no_ads_songs": 100 * float(songs[2] / songs[0] - 1),
        "ads_before": float(series["ads"][0, -3:].sum() / hours[0]),
    }


def figure(series: Series, readings: Readings) -> str:
    """The gain in time by month."""
    gain = 100 * (series["hours"] / series["hours"][0] - 1)
    months = np.arange(1, gain.shape[1] + 1)
    return chart(
        f"Without ads time rises by {readings['no_ads']:.1f} %.",
        "month",
        "time, against the arm with ads [%]",
        [Curve("no ads", months, gain[2]), Curve("82 % hidden", months, gain[1])],
        expected=(4.0, 15.0),
    )
