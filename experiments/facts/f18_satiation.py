"""F18: a topic bores when repeated and rebounds when withheld, and planning pays if topics differ.

Rewards fall with consecutive exposures and rebound when an arm is not pulled; if arms share one
deterministic dynamics the greedy policy, which then takes turns, is optimal; if they do not,
looking ahead is better (Leqi, Kilinc-Karzan, Lipton, Montgomery, NeurIPS 2021,
https://papers.nips.cc/paper/2021/hash/2109737282d2c2de4fc5534be26c9bb6-Abstract.html [L]).

Simulated, twice. On the law alone: arms b_c - lambda_c x_c with x_c by the law of satiation, one
pull an hour; the best of all sequences against greedy, for arms that are alike and for arms drawn
with other b, lambda, gain and half-life. In the whole world: a platform that serves each user the
one topic it takes him to like best. The same people live there with satiation and without it; the
ratio of their titles played to satisfaction per title looked at shows boredom apart from whatever
else changes: by the number of the fetch in sessions after a day of rest, and in first fetches by
the rest before them.

Departures. The planner is exact, by trying all sequences, not the paper's. Who is bored leaves
sooner, so the two worlds' sessions of several fetches are not those of quite the same people.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from longplay.envs.laws.satiation import Satiation, next_satiation, remaining
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

FETCHES = 5
RESTS = (0.0, 3.0, 12.0, 36.0, np.inf)  # edges of the rest before a session [h]
RESTED = 24.0  # what counts as a day of rest [h]
ONE_TOPIC = 50.0  # sharpness with which the shelf follows the estimate of taste
DRAWS = 20  # of arms that differ


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 60.0
    pulls: int = 9  # length of the sequences that are tried
    arms: int = 3


SETTINGS = {"full": Settings(1200), "quick": Settings(250, days=21.0, pulls=7)}
FACT = Fact(
    id="F18",
    title="A topic bores when repeated, rebounds when withheld; planning pays if topics differ",
    source="Leqi et al., NeurIPS 2021, https://papers.nips.cc/paper/2021/hash/"
    "2109737282d2c2de4fc5534be26c9bb6-Abstract.html",
    mark="[L]",
    expected="monotone down and up; greedy optimal for equal arms, beaten for others",
    checks=(
        Check("down", "largest step of the ratio from fetch to fetch [%]", -100.0, 0.0),
        Check("up", "smallest step of the ratio from shorter to longer rest [%]", 0.0),
        Check("alike", "best sequence over greedy, equal arms [%]", -1e-9, 1e-9),
        Check("unlike", "best sequence over greedy, arms that differ [%]", 1e-9),
    ),
)


@dataclass(frozen=True)
class Arms:
    """Arms b - lambda x."""

    base: Floats  # b (arms,)
    weight: Floats  # lambda (arms,)
    laws: tuple[Satiation, ...]


def rewards_of(arms: Arms, sequences: Floats) -> Floats:
    """Sum of rewards of each sequence of pulls (n, pulls), one an hour, from rest."""
    plain: Any = next_satiation  # the law in plain Python takes arrays
    total = np.zeros(len(sequences))
    for arm, law in enumerate(arms.laws):
        bored = np.zeros(len(sequences))
        kept = remaining(1.0, law)
        for pull in sequences.T:
            chosen = pull == arm
            total += np.where(chosen, arms.base[arm] - arms.weight[arm] * bored, 0.0)
            bored = kept * plain.py_func(bored, chosen, law)
    return total


def greedy(arms: Arms, pulls: int) -> Floats:
    """The sequence that always takes what pays most now, (1, pulls)."""
    bored = np.zeros(len(arms.laws))
    taken = []
    for _ in range(pulls):
        arm = int((arms.base - arms.weight * bored).argmax())
        taken.append(arm)
        for c, law in enumerate(arms.laws):
            bored[c] = remaining(1.0, law) * next_satiation(bored[c], float(c == arm), law)
    return np.array([taken])


def advantage(arms: Arms, pulls: int) -> float:
    """The best of all sequences over the greedy one [%]."""
    every = np.array(list(product(range(len(arms.laws)), repeat=pulls)))
    best = rewards_of(arms, every).max()
    return 100 * float(best / rewards_of(arms, greedy(arms, pulls))[0] - 1)


def unlike(rng: np.random.Generator, count: int) -> Arms:
    """Arms that differ in everything; ranges are free choices."""
    laws = tuple(
        Satiation(half_life=float(h), gain=float(g))
        for h, g in zip(rng.uniform(1, 12, count), rng.uniform(0.1, 0.5, count), strict=True)
    )
    return Arms(rng.uniform(0.8, 1.2, count), rng.uniform(0.5, 1.0, count), laws)


def alike(law: Satiation, count: int) -> Arms:
    """Arms with the world's own satiation."""
    return Arms(np.ones(count), np.ones(count), (law,) * count)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Any]:
    """Ratios by fetch and by rest, and what looking ahead gains [%]."""
    sums = lab.sums(live, settings.people, settings, seed)
    rng = np.random.default_rng(seed)
    draws = [advantage(unlike(rng, settings.arms), settings.pulls) for _ in range(DRAWS)]
    return {
        "by_fetch": bored_over_fresh(sums["by_fetch"]),
        "by_rest": bored_over_fresh(sums["by_rest"]),
        "alike": advantage(alike(lab.world.satiation, settings.arms), settings.pulls),
        "unlike": np.mean(draws),
    }


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """`plays` of some people by fetch and by rest, with satiation and without: (2, 2, n)."""
    by_fetch, by_rest = [], []
    for world, gain in enumerate((lab.world.satiation.gain, 0.0)):
        fetches, rests = plays(lab, people, settings, seed, gain)
        by_fetch.append(fetches)
        by_rest.append(rests)
        lab.told((world + 1) / 2)
    return {"by_fetch": np.stack(by_fetch), "by_rest": np.stack(by_rest)}


def plays(
    lab: Lab, people: range, settings: Settings, seed: int, gain: float
) -> tuple[Floats, Floats]:
    """Titles played to satisfaction, and looked at: by fetch, and by rest in first fetches."""
    world = lab.world.replace(
        "one topic", population={"focus": ONE_TOPIC}, satiation={"gain": gain}
    )
    cohort = lab.cohort(
        len(people), 1, settings.days, seed, world=world, decision="fetch", first=people.start
    )
    by_fetch, by_rest = np.zeros((2, FETCHES)), np.zeros((2, len(RESTS) - 1))
    without_ads = np.zeros(len(people), np.int64)
    while not cohort.over.all():
        fetch, rest = cohort.users["fetch"].copy(), cohort.users["away"].copy()
        cohort.step(without_ads)
        out = cohort.outcomes
        counts = np.stack([out["plays"] - out["skips"], out["looked"]])
        for k in range(FETCHES):
            by_fetch[:, k] += counts[:, (fetch == k) & (rest >= RESTED)].sum(axis=1)
        for k in range(len(RESTS) - 1):
            bin_ = (fetch == 0) & (rest >= RESTS[k]) & (rest < RESTS[k + 1])
            by_rest[:, k] += counts[:, bin_].sum(axis=1)
    return by_fetch, by_rest


def bored_over_fresh(counts: Floats) -> Floats:
    """Played per title looked at, with satiation over without, of counts (2, 2, n)."""
    bored, fresh = counts[:, 0] / counts[:, 1]
    ratio: Floats = bored / fresh
    return ratio


def read(series: Series) -> dict[str, float]:
    """The steps, and the gains of looking ahead."""
    return {
        "down": 100 * float(np.diff(series["by_fetch"]).max()),
        "up": 100 * float(np.diff(series["by_rest"]).min()),
        "alike": float(series["alike"]),
        "unlike": float(series["unlike"]),
    }


def figure(series: Series, readings: Readings) -> str:
    """The ratio by fetch, and by rest."""
    steps = np.arange(1, FETCHES + 1)
    rests = np.arange(1, len(RESTS))
    return chart(
        "The play rate falls from fetch to fetch and rises with rest.",
        "fetch of the session; rest: under 3 h, 3-12 h, 12-36 h, more",
        "play rate with boredom over that without",
        [
            Curve("streak of one topic", steps, series["by_fetch"]),
            Curve("first fetch by rest", rests, series["by_rest"]),
        ],
    )
