"""F14: a quarter of songs is skipped within 5 seconds, half before the end.

Of the plays of Spotify listeners 24.1 % were skipped within 5 s, 35.1 % within 30 s and 48.6 %
before the end; the more attentive the listener, the more, and less in the background (Lamere 2014,
https://musicmachinery.com/2014/05/02/the-skip/ [L]; numbers via netimperative.com).

Simulated: two weeks of `music` without ads; plays by how long they lasted, and those that reached
the end. Background sessions beside the others.

Departures. `music` is fitted to histories of fifty people who skip 27 % of plays within 30 s, fewer
than Lamere's listeners; its plays are what a production ranker offers, theirs were of all kinds.
So fewer plays end before the song does: 38 % here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.state import INTENTS
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

TIMES = np.array([5.0, 30.0, 60.0, 120.0, 180.0])  # [s]
FOUND = np.array([24.1, 35.1])  # Lamere 2014 [%]
BEFORE_END = 48.6  # [%]
BAND = 6.0  # [percentage points]
BACKGROUND = INTENTS.index("background")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 14.0


SETTINGS = {"full": Settings(800), "quick": Settings(120)}
FACT = Fact(
    id="F14",
    title="A quarter of songs is skipped within 5 seconds, half before the end",
    source="Lamere 2014, https://musicmachinery.com/2014/05/02/the-skip/",
    mark="[L], [S] numbers",
    expected="24.1 % in 5 s, 35.1 % in 30 s, 48.6 % before the end; fewer in the background",
    tier="report",
    checks=(
        Check("in_5", "of plays skipped within 5 s [%]", 18.1, 30.1),
        Check("in_30", "of plays skipped within 30 s [%]", 29.1, 41.1),
        Check("before_end", "of plays that end before the song does [%]", 42.6, 54.6),
        Check("background", "skipped in 30 s in the background less elsewhere [points]", high=0.0),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Plays, those over by each of TIMES, and those not played whole: (2, 2 + times).

    The first row is of background sessions, the second of the others.
    """
    return lab.sums(live, settings.people, settings, seed)


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """What `measure` counts, of some people."""
    cohort = lab.cohort(len(people), 1, settings.days, seed, decision="fetch", first=people.start)
    no_ads = np.zeros(len(people), np.int64)
    counts = np.zeros((2, 2 + len(TIMES)))
    while not cohort.over.all():
        background = cohort.users["intent"] == BACKGROUND
        cohort.step(no_ads)
        lived = cohort.outcomes["fetches"] > 0
        for row, among in enumerate((background & lived, ~background & lived)):
            slots = cohort.slots[among]
            plays = slots[(slots["played"] == 1) & (slots["shows"] >= 0)]
            seconds = 60.0 * plays["minutes"].astype(np.float64)
            length = 60.0 * cohort.shop.items["minutes"][plays["shows"]]
            counts[row, 0] += len(plays)
            counts[row, 1] += (seconds < 0.999 * length).sum()
            counts[row, 2:] += (seconds[:, None] < TIMES).sum(axis=0)
        lab.told(float(cohort.over.mean()))
    return {"counts": counts}


def read(series: Series) -> dict[str, float]:
    """Shares of all plays [%], and the difference that the background makes."""
    counts = series["counts"]
    share = 100.0 * counts[:, 1:] / counts[:, :1]
    whole = 100.0 * counts[:, 1:].sum(axis=0) / counts[:, 0].sum()
    return {
        "in_5": float(whole[1]),
        "in_30": float(whole[2]),
        "before_end": float(whole[0]),
        "background": float(share[0, 2] - share[1, 2]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Plays over by a time."""
    counts = series["counts"]
    over = 100.0 * counts[:, 2:].sum(axis=0) / counts[:, 0].sum()
    return chart(
        f"{readings['in_30']:.0f} % of plays are skipped within 30 s.",
        "seconds",
        "plays that are over [%]",
        [
            Curve("simulated", TIMES, over),
            Curve("Spotify 2014", TIMES[:2], FOUND, points=True, colour=1),
        ],
    )
