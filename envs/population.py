"""Births: people drawn from a population, and the catalogue they meet.

A person's traits are a function of (seed, number) alone: see draws.py. The catalogue is drawn
once per world and shared by everybody.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs import draws
from longplay.envs.compiled import law
from longplay.envs.elementary import exp
from longplay.envs.memory import aligned_zeros
from longplay.envs.state import ITEM, SHELF, TOPICS


class Population(NamedTuple):
    """How people differ."""

    # spread of liking between topics [1]; free choice
    taste: float = 0.9
    # error of the platform's estimate of taste [1]; free choice
    guess: float = 0.5
    # how sharply the platform's shelf follows its estimate [1]; free choice
    focus: float = 1.2
    # mean liking of novelty [1]; free choice
    appetite: float = 0.3
    # spread of it [1]; free choice
    appetite_sd: float = 0.5
    # spread of impatience with what plays [log s]; fitted by scenario
    skippiness_sd: float = 0.8
    # spread of the lean to background sessions [1]; free choice
    lean_sd: float = 0.8
    # spread of the log-odds of leaving [1]; fitted by scenario
    stamina_sd: float = 0.5
    # spread of the log return hazard: frailty [1]; fitted by scenario
    tempo_sd: float = 0.7
    # spread of the daily rhythm [h]; free choice
    chronotype_sd: float = 1.5
    # of alpha [1/day]; Lally 2010, 66 days to 95 % [D]
    habit_median: float = 0.044
    # spread of log alpha [1]; 5-95 % is about Lally's 18 to 254 days [D]
    habit_spread: float = 0.774
    # mean habit at the opening of the account, exponential, at most 1 [1]; free choice: none yet
    habit_start: float = 0.0
    # satisfaction at birth [0, 1]; free choice
    satisfaction_start: float = 0.6
    # spread of log ad aversion; its mean is 1 [1]; free choice
    aversion_sd: float = 0.5
    # Beta(a, b) of the churn propensity; Fader & Hardie 2007 [D]
    churn_a: float = 0.764
    # Beta(a, b) of the churn propensity; Fader & Hardie 2007 [D]
    churn_b: float = 1.296
    # age at the study's start, uniform in 0 .. youth [day]; free choice
    youth: float = 14.0


class Catalogue(NamedTuple):
    """What there is to play."""

    # how many items there are [items]; size of a mid-sized catalogue, free choice
    items: float = 100_000.0
    # of an item's vector around its topic's [1]; free choice
    spread: float = 0.35
    # correlation of attraction and value, below 0 clickbait [-1, 1]; free choice
    attraction_value: float = 0.3
    # correlation of the platform's quality estimate with value [1]; free choice
    estimate: float = 0.7
    # median duration [min]; free choice (a song)
    minutes: float = 3.6
    # spread of the logarithm of the duration [1]; free choice
    minutes_spread: float = 0.30
    # share of the items that are of another, shorter kind [1]; free choice, 0 is none
    short_share: float = 0.0
    # median duration of that kind [min]; free choice
    short_minutes: float = 0.3
    # spread of the logarithm of its duration [1]; free choice
    short_spread: float = 0.5
    # seed of the catalogue's draws [1]; free choice
    seed: float = 20.0


@law
def give_birth(u: Any, number: int, seed: int, w: Any) -> None:
    """Fill a blank USER with the person of this number, at the moment the account is opened."""
    p = w.population
    u.seed = seed
    u.user = number
    for k in range(TOPICS):
        w0, w1, w2, w3 = draws.words(seed, 0, number, 0, 0, draws.BIRTH, k)
        u.taste[k] = p.taste * draws.normal(w0, w1)
        error = p.guess * draws.normal(w2, w3)
        u.guess[k] = (u.taste[k] + error) / (1.0 + p.guess * p.guess)
    stock_shelf(u, p.focus)

    w0, w1, w2, w3 = draws.words(seed, 0, number, 0, 0, draws.BIRTH, 16)
    u.curiosity = p.appetite + p.appetite_sd * draws.normal(w0, w1)
    u.appetite = u.curiosity
    u.skippiness = p.skippiness_sd * draws.normal(w2, w3)
    w0, w1, w2, w3 = draws.words(seed, 0, number, 0, 0, draws.BIRTH, 17)
    u.lean = p.lean_sd * draws.normal(w0, w1)
    u.stamina = p.stamina_sd * draws.normal(w2, w3)
    w0, w1, w2, w3 = draws.words(seed, 0, number, 0, 0, draws.BIRTH, 18)
    u.tempo = p.tempo_sd * draws.normal(w0, w1)
    u.chronotype = p.chronotype_sd * draws.normal(w2, w3)
    w0, w1, w2, w3 = draws.words(seed, 0, number, 0, 0, draws.BIRTH, 19)
    u.habit_rate = min(0.9, p.habit_median * exp(p.habit_spread * draws.normal(w0, w1)))
    spread = p.aversion_sd
    u.ad_aversion = exp(spread * draws.normal(w2, w3) - 0.5 * spread * spread)
    a = draws.gamma(p.churn_a, seed, number, 30)
    b = draws.gamma(p.churn_b, seed, number, 31)
    u.churn_propensity = a / (a + b)
    w0, w1, w2, w3 = draws.words(seed, 0, number, 0, 0, draws.BIRTH, 20)
    u.habit = min(1.0, -p.habit_start * math.log(draws.unit(w0)))
    u.satisfaction = p.satisfaction_start
    u.birth = -24.0 * p.youth * draws.unit(w1)
    u.phase = 168.0 * draws.unit(w2)

    u.clock = u.birth
    u.session = -1
    u.day = int(math.floor((u.birth + u.phase) / 24.0)) - 1
    u.active_rate = 0.5
    u.visit_rate = 1.0
    u.minutes_rate = 20.0
    u.survey = 0.5
    u.survey_day = u.birth
    u.since_ad = 99.0


@law
def stock_shelf(u: Any, focus: float) -> None:
    """The shelf: 64 topic entries in proportion to exp(focus * guess), by quantiles."""
    total = 0.0
    for k in range(TOPICS):
        total += exp(focus * u.guess[k])
    reached = exp(focus * u.guess[0])
    topic = 0
    for entry in range(SHELF):
        while reached < (entry + 0.5) / SHELF * total and topic < TOPICS - 1:
            topic += 1
            reached += exp(focus * u.guess[topic])
        u.shelf[entry] = topic


class Shop(NamedTuple):
    """A drawn catalogue: items sorted by topic, in a topic by the platform's estimate."""

    items: npt.NDArray[np.void]  # ITEM (n,)
    starts: npt.NDArray[np.int64]  # (TOPICS + 1,), where each topic begins


@lru_cache(maxsize=8)
def open_shop(p: Catalogue) -> Shop:
    """Draw the catalogue ``p``; the same arrays for the same parameters, never to be written."""
    rng = np.random.Generator(np.random.Philox(int(p.seed)))
    n = int(p.items)
    topic = np.sort(np.arange(n) % TOPICS)
    attraction, own, guess = rng.standard_normal((3, n))
    value = p.attraction_value * attraction + math.sqrt(1 - p.attraction_value**2) * own
    quality = p.estimate * value + math.sqrt(1 - p.estimate**2) * guess
    popularity = quality + attraction  # what a production ranker sorts by

    items = aligned_zeros(n, ITEM)
    order = np.lexsort((-popularity, topic))
    items["topic"] = topic
    items["attraction"] = attraction[order]
    items["value"] = value[order]
    items["quality"] = quality[order]
    rank = np.concatenate([np.arange(c) / c for c in np.bincount(topic, minlength=TOPICS)])
    items["novelty"] = np.clip(rank + 0.15 * rng.standard_normal(n), 0, 1)
    items["freshness"] = np.exp(-rng.exponential(2.0, n))
    spread = rng.standard_normal(n)
    items["vector"] = p.spread * rng.standard_normal((n, TOPICS)) / math.sqrt(TOPICS)
    items["vector"][np.arange(n), topic] += 1.0
    short = rng.random(n) < p.short_share
    minutes = np.where(
        short,
        p.short_minutes * np.exp(p.short_spread * spread),
        p.minutes * np.exp(p.minutes_spread * spread),
    )
    items["minutes"] = np.clip(minutes, 0.05, 60)
    starts = np.searchsorted(topic, np.arange(TOPICS + 1)).astype(np.int64)
    for array in (items, starts):
        array.setflags(write=False)
    return Shop(items, starts)
