"""F32: ranking by engagement shows people more of what they do not prefer.

Against a chronological feed, Twitter's engagement ranking amplified anger by .47 and partisanship
by .24 standard deviations, and users did not prefer the political tweets it chose (Milli et al.,
PNAS Nexus 2025, https://arxiv.org/abs/2305.16941 [L]).

Simulated: Feed in `music` with what draws the eye and what is good set apart (correlation -0.3, as
clickbait has it), ranked by attraction, by value as the platform estimates it, and by freshness
alone. Engagement is plays over items looked at; value is the experience of an item looked at.

Departures. Music for tweets, and a world variant: in `music` itself attraction and value go
together (0.3), where a ranking by attraction is no loss; `harmony` is the same comparison where the
two are one, and shows no gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.scenarios import World
from longplay.envs.spaces import SCORERS
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

RANKINGS = ("attraction", "quality", "freshness")
ATTRACTION, VALUE, TIME = range(3)
COLUMNS = ("plays", "value", "looked")
LOOKED = COLUMNS.index("looked")
# Correlation of attraction and value: clickbait is about, or cannot be.
WORLDS = {"bait": -0.3, "harmony": 1.0}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 14.0


SETTINGS = {"full": Settings(400), "quick": Settings(80)}
FACT = Fact(
    id="F32",
    title="Ranking by engagement shows people more of what they do not prefer",
    source="Milli et al., PNAS Nexus 2025, https://arxiv.org/abs/2305.16941",
    mark="[L]",
    expected="engagement up, value below the chronological feed; no gap where attraction is value",
    tier="report",
    checks=(
        Check("engagement", "plays per look, attraction over chronological [%]", low=0.0),
        Check("value", "value per look, attraction less chronological [sd of items]", high=0.0),
        Check("best", "value per look, value ranking less chronological [sd of items]", low=0.0),
        Check(
            "harmony", "value per look, attraction less chronological, where they are one", low=0.0
        ),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Plays and value per look by ranking (2, rankings), in either of WORLDS."""
    sums = lab.sums(live, settings.people, settings, seed)
    return {name: sums[name][:LOOKED] / sums[name][LOOKED] for name in WORLDS}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """COLUMNS of some people by ranking (3, rankings), in either of WORLDS."""
    found = {name: np.zeros((len(COLUMNS), len(RANKINGS))) for name in WORLDS}
    for row, (name, together) in enumerate(WORLDS.items()):
        world = lab.world.replace(name, catalogue={"attraction_value": together})
        for at, ranking in enumerate(RANKINGS):
            found[name][:, at] = ranked(lab, people, world, ranking, settings, seed)
            lab.told((row * len(RANKINGS) + at + 1) / (len(WORLDS) * len(RANKINGS)))
    return found


def ranked(
    lab: Lab, people: range, world: World, ranking: str, settings: Settings, seed: int
) -> Floats:
    """COLUMNS of some people under a ranking, (3,)."""
    cohort = lab.cohort(len(people), 1, settings.days, seed, world=world, first=people.start,
                        task="Feed", action="weights")  # fmt: skip
    weights = np.zeros((len(people), len(SCORERS)), np.float32)
    weights[:, SCORERS.index(ranking)] = 1.0
    found = np.zeros(len(COLUMNS))
    while not cohort.over.all():
        cohort.step(weights)
        found += [cohort.outcomes[name].sum() for name in COLUMNS]
    return found


def read(series: Series) -> dict[str, float]:
    """Differences to the chronological feed."""
    (plays, value), (_, together) = series["bait"], series["harmony"]
    return {
        "engagement": 100.0 * float(plays[ATTRACTION] / plays[TIME] - 1.0),
        "value": float(value[ATTRACTION] - value[TIME]),
        "best": float(value[VALUE] - value[TIME]),
        "harmony": float(together[ATTRACTION] - together[TIME]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Engagement against value."""
    plays, value = series["bait"]
    names = ("by attraction", "by estimated value", "chronological")
    return chart(
        f"Ranking by attraction changes value by {readings['value']:.2f}.",
        "plays per look",
        "value per look",
        [
            Curve(name, [plays[at]], [value[at]], points=True, colour=at)
            for at, name in enumerate(names)
        ],
    )
