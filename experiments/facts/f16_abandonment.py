"""F16: much of leaving is good leaving, and more so for who came to look something up.

Of the searches that end without a click a significant share ends well, more on phones (Li, Huffman,
Tokuda, SIGIR 2009, https://research.google.com/pubs/pub35486.html [L]), and only about one in five
abandonments has nothing to do with satisfaction (Diriye, White, Buscher, Dumais, CIKM 2012,
https://paperexplained.cn/articles/paper/detail/e8bc64a157591a4187c9d60c98edf9e343194c30 [L]).

Simulated: four weeks of visits without ads. A log shows of each only that it ended; here it is
known whether the goal was reached, patience was gone, or neither, by what one came for.

Departures. Music, not search: nothing is answered without a play, so all ends of visits are taken,
not those without one. No share is published for feeds: the sign between intents is checked, the
shares are only shown. That a look-up has the smallest goal is a parameter of intent, a free choice.
Who looks something up meets the same slates as everybody, not an answer. It misses in `music`: to
fit the skips of the histories, who looks something up skips most of what plays, and a goal is
reached by what is heard. If those who look something up were no hastier than those who listen now,
71 % of their visits would end well, and 63 % of those to explore.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.state import INTENTS
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

LOOK_UP, EXPLORE = INTENTS.index("look_up"), INTENTS.index("explore")
ENDS = ("goal reached", "patience gone", "neither")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 28.0


SETTINGS = {"full": Settings(2000), "quick": Settings(400)}
FACT = Fact(
    id="F16",
    title="Much of leaving is good leaving, more so for who looks something up",
    source="Li, Huffman, Tokuda, SIGIR 2009, https://research.google.com/pubs/pub35486.html; "
    "Diriye et al., CIKM 2012, https://paperexplained.cn/articles/paper/detail/"
    "e8bc64a157591a4187c9d60c98edf9e343194c30",
    mark="[L]",
    expected="a significant share ends well; look-up more than explore",
    tier="report",
    checks=(
        Check("apart", "good ends of look-up visits less those of explore [points]", low=0.0),
        Check("good", "of all visits that end with the goal reached [%]"),
        Check("bad", "of all visits that end with patience gone [%]"),
        Check("unrelated", "of all visits that end for neither; in search 1 in 5 [%]"),
        Check("look_up", "of look-up visits that end with the goal reached [%]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Visits by intent and end, (4, 3)."""
    return lab.sums(live, settings.people, settings, seed)


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """What `measure` counts, of some people."""
    cohort = lab.cohort(len(people), 1, settings.days, seed, first=people.start)
    no_ads = np.zeros(len(people), np.int64)
    counts = np.zeros((len(INTENTS), len(ENDS)))
    while not cohort.over.all():
        intent = cohort.users["intent"].copy()
        cohort.step(no_ads)
        out = cohort.outcomes
        ended = out["ended"] > 0
        end = np.where(out["good_exit"] > 0, 0, np.where(out["bad_exit"] > 0, 1, 2))
        cell = (len(ENDS) * intent + end)[ended]
        counts += np.bincount(cell, minlength=counts.size).reshape(counts.shape)
        lab.told(float(cohort.over.mean()))
    return {"counts": counts}


def shares(counts: Floats) -> Floats:
    """Of the visits of each intent, in each end [%]."""
    share: Floats = 100.0 * counts / counts.sum(axis=1, keepdims=True)
    return share


def read(series: Series) -> dict[str, float]:
    """Shares of ends, of all visits and of two intents."""
    by_intent = shares(series["counts"])
    good, bad, neither = shares(series["counts"].sum(axis=0, keepdims=True))[0]
    return {
        "apart": float(by_intent[LOOK_UP, 0] - by_intent[EXPLORE, 0]),
        "good": float(good),
        "bad": float(bad),
        "unrelated": float(neither),
        "look_up": float(by_intent[LOOK_UP, 0]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Ends of visits by intent."""
    by_intent = shares(series["counts"])
    places = np.arange(len(INTENTS), dtype=float)
    return chart(
        f"{readings['good']:.0f} % of visits end with their goal reached.",
        "intent: 0 listen now, 1 background, 2 explore, 3 look up",
        "of visits [%]",
        [
            Curve(name, places, by_intent[:, at], points=True, colour=at)
            for at, name in enumerate(ENDS)
        ],
    )
