"""F12: who wants something now and finds nothing gives up after 10 to 20 titles.

Netflix: members lose interest after 60 to 90 seconds of choosing, having looked at 10 to 20
titles, on one or two screens (Gomez-Uribe & Hunt 2015 [S], as reported by
https://www.businessinsider.com/how-long-netflix-thinks-it-takes-to-choose-content-2016-2).

Simulated: a platform turned upside down: its shelf holds the topics it takes the user to like
least, and of them it shows what fits least and is worst. Of the sessions of people who want
something to listen to now and end with patience gone, those are taken in which nothing was played
to satisfaction: titles looked at, and seconds until leaving.

Departures. Music, not films. The number of titles and the time of a look are parameters of the
world taken from this source, so its medians can hardly miss: that the whole way from a slate to a
bad exit keeps them is what is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.populations import sketch

LISTEN_NOW = 0
UPSIDE_DOWN = -3.0  # sharpness with which the shelf follows the estimate of taste
MOST = 1000  # titles that are told apart; more count as so many, free choice
BINS = np.arange(0.0, 181.0, 5.0)  # of the time until leaving [s]


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 14.0


SETTINGS = {"full": Settings(2500), "quick": Settings(250)}
FACT = Fact(
    id="F12",
    title="Who wants something now and finds nothing gives up after 10 to 20 titles",
    source="Gomez-Uribe & Hunt 2015; https://www.businessinsider.com/"
    "how-long-netflix-thinks-it-takes-to-choose-content-2016-2",
    mark="[S]",
    expected="10 to 20 titles, 60 to 90 seconds",
    origin="fitted",
    checks=(
        Check("titles", "looked at before giving up, median", 10.0, 20.0),
        Check("seconds", "until giving up, median [s]", 60.0, 90.0),
        Check("gave_up", "share of listen-now sessions that end so [%]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Any]:
    """Medians of titles and seconds, the share of such sessions, and a histogram of seconds.

    Seconds to 0.8 %, as a sketch tells them.
    """
    sums = lab.sums(live, settings.people, settings, seed)
    in_vain = sums["titles"].sum()
    return {
        "titles": median_of(sums["titles"]),
        "seconds": sketch.quantiles(sums["seconds"].astype(np.int64), [0.5])[0],
        "gave_up": 100.0 * in_vain / sums["wanted_now"],
        "histogram": sums["histogram"] / in_vain,
    }


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Any]:
    """Sessions of some people that ended in vain, by titles and by seconds; and all listen-now."""
    world = lab.world.replace("upside down", population={"focus": UPSIDE_DOWN})
    cohort = lab.cohort(len(people), 1, settings.days, seed, world=world, task="Feed",
                        decision="fetch", action="weights", first=people.start)  # fmt: skip
    worst_first = np.full(cohort.action_space.shape or (), -1.0, np.float32)
    looked, played = np.zeros((2, len(people)))
    titles, seconds = [np.zeros(0)], [np.zeros(0)]
    wanted_now = 0
    while not cohort.over.all():
        now = cohort.users["intent"] == LISTEN_NOW
        began = cohort.users["session_start"].copy()
        cohort.step(worst_first)
        out = cohort.outcomes
        looked += out["looked"]
        played += out["plays"] - out["skips"]
        ended = (out["fetches"] > 0) & (out["ended"] > 0)
        left = cohort.users["clock"] - np.where(np.isfinite(out["away"]), out["away"], 0.0)
        wanted_now += int((ended & now).sum())
        in_vain = ended & now & (out["bad_exit"] > 0) & (played == 0)
        titles.append(looked[in_vain])
        seconds.append(3600.0 * (left - began)[in_vain])
        looked[ended] = played[ended] = 0.0
        lab.told(float(cohort.over.mean()))
    all_titles, all_seconds = np.concatenate(titles), np.concatenate(seconds)
    return {
        "titles": np.bincount(np.minimum(all_titles, MOST).astype(np.int64), minlength=MOST + 1),
        "seconds": sketch.counted(all_seconds),
        "histogram": np.histogram(all_seconds, BINS)[0],
        "wanted_now": wanted_now,
    }


def median_of(counts: Floats) -> float:
    """The median of whole numbers of which 0, 1, ... came ``counts`` times; nan if none came."""
    below = np.cumsum(counts)
    many = int(below[-1])
    if not many:
        return np.nan
    return float(np.searchsorted(below, [(many + 1) // 2, many // 2 + 1]).mean())


def figure(series: Series, readings: Readings) -> str:
    """How long people searched in vain."""
    middles = (BINS[1:] + BINS[:-1]) / 2
    return chart(
        f"People give up after {readings['titles']:.0f} titles and {readings['seconds']:.0f} s.",
        "seconds until giving up",
        "share of vain sessions, bins of 5 s",
        [Curve("measured", middles, series["histogram"])],
    )
