"""F17: people look from the top and stop at what they choose: at early ranks a cascade fits best.

Of four hypotheses on how a click depends on the rank, the cascade explained the clicks on a search
engine best at the early ranks: no effect of rank, a mixture of relevance and blind clicks, an
examination that decays with the rank, and a look from the top down that ends with the first click
(Craswell, Zoeter, Taylor, Ramsey, WSDM 2008, https://www.semanticscholar.org/paper/
1ba36a2a1609cf09e2a08eb4712555848d5d728c [L]). Of item d at rank i they say it is clicked with

    baseline  r_d        mixture  l r_d + (1 - l) b_i        examination  r_d x_i
    cascade   r_d prod_{j above} (1 - r_j)                                                   (1)
    cascade with stops   r_d prod_{j above} s (1 - r_j)                                      (2)

(2) is no hypothesis of theirs; it stands beside them.

Simulated: people who come to look something up, in a small catalogue of which each slate shows ten
items in random order. A click is the first play of a visit's first fetch. The models are fitted by
maximum likelihood to the slates of half of the people, each item with an r of its own; what is
compared is the cross-entropy of clicks at ranks 1 to 5 on those of the other half.

Departures. Theirs swapped neighbours in a search engine's results; here the order is random.
Attention is a cascade by its law, set to this source, but some stop looking at each rank, 8 % of
those who look something up. So the plain cascade misses: most slates are clicked at the first two
ranks, and of those that are not, more and more were left. In a world where nobody stops it fits
best, by 7 bit per 1000 titles. Plays after the first, which the law allows and search does not, are
left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.state import SLATE, TOPICS
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

RANKS = 5
MODELS = ("cascade", "examination", "mixture", "baseline", "cascade with stops")
CASCADE, EXAMINATION, MIXTURE, BASELINE, STOPS = range(5)
ROUNDS = 60  # of EM
PER_TOPIC = 20  # items of a topic: enough for a slate, few enough to be met often; free choice

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 28.0


SETTINGS = {"full": Settings(2000), "quick": Settings(300)}
FACT = Fact(
    id="F17",
    title="People look from the top and stop at what they choose",
    source="Craswell, Zoeter, Taylor, Ramsey, WSDM 2008, https://www.semanticscholar.org/paper/"
    "1ba36a2a1609cf09e2a08eb4712555848d5d728c",
    mark="[L]",
    expected="the cascade fits best at ranks 1 to 5",
    tier="report",
    origin="fitted",
    checks=(
        Check("decay", "cross-entropy, examination less cascade [bit/1000 titles]", low=0.0),
        Check("next_best", "cross-entropy, best of the others less cascade", low=0.0),
        Check("stops", "cross-entropy, best of the others less cascade with stops"),
        Check("cascade", "cross-entropy of the cascade [bit/1000 titles]"),
        Check("top", "share of slates clicked at rank 1 [%]"),
        Check("fifth", "share of slates first clicked at rank 5 [%]"),
    ),
)


def clicks_of(things: Ints, first: Ints) -> Floats:
    """1 where a slate (n, ranks) was clicked first, at rank ``first`` (n,); ranks for nowhere."""
    clicks: Floats = (np.arange(things.shape[1]) == first[:, None]).astype(np.float64)
    return clicks


def rates(clicks: Floats, chances: Floats, things: Ints, items: int) -> Floats:
    """Clicks over chances of each item, drawn to the mean of all by one chance (items,)."""
    mean = clicks.sum() / chances.sum()
    many = np.bincount(things.ravel(), chances.ravel(), items)
    rate: Floats = (np.bincount(things.ravel(), clicks.ravel(), items) + mean) / (many + 1.0)
    return rate


def cascade(things: Ints, clicks: Floats, items: int) -> Floats:
    """r of equation (1), cascade: clicks over the times looked at (items,)."""
    looked = 1.0 - np.cumsum(clicks, axis=1) + clicks
    return rates(clicks, looked, things, items)


def p_cascade(r: Floats, things: Ints, on: float = 1.0) -> Floats:
    """Equation (1), cascade, or (2) with s = ``on`` (n, ranks)."""
    reached = np.cumprod(on * (1.0 - r[things]), axis=1)
    p: Floats = r[things] * np.column_stack([np.ones(len(things)), reached[:, :-1]])
    return p


def examination(things: Ints, clicks: Floats, items: int) -> tuple[Floats, Floats]:
    """r (items,) and x (ranks,) of equation (1), by EM over whether a title was looked at."""
    r, mean = rates(clicks, np.ones_like(clicks), things, items), clicks.mean(axis=0)
    r, x = np.minimum(0.9, r / r.max()), mean / mean.max()
    for _ in range(ROUNDS):
        own = r[things]
        looked = np.where(clicks == 1.0, 1.0, x * (1.0 - own) / np.maximum(1.0 - x * own, 1e-12))
        r, x = rates(clicks, looked, things, items), looked.mean(axis=0)
    return r, x


def mixture(things: Ints, clicks: Floats, items: int) -> tuple[Floats, Floats, float]:
    """r (items,), b (ranks,) and l of equation (1), by EM over which of the two decided."""
    r, b, share = rates(clicks, np.ones_like(clicks), things, items), clicks.mean(axis=0), 0.5
    for _ in range(ROUNDS):
        own = np.where(clicks == 1.0, r[things], 1.0 - r[things])
        blind = np.where(clicks == 1.0, b, 1.0 - b)
        by_item = share * own / (share * own + (1.0 - share) * blind)
        r = rates(by_item * clicks, by_item, things, items)
        b = ((1.0 - by_item) * clicks).sum(axis=0) / (1.0 - by_item).sum(axis=0)
        share = float(by_item.mean())
    return r, b, share


def stopping(things: Ints, clicks: Floats, items: int) -> tuple[Floats, float]:
    """r (items,) and s of equation (2), by EM over how far those who never clicked looked."""
    r, on = cascade(things, clicks, items), 0.9
    none = clicks.sum(axis=1) == 0.0
    looked = 1.0 - np.cumsum(clicks, axis=1) + clicks
    for _ in range(ROUNDS):
        passed = 1.0 - r[things[none]]
        reached, later = np.ones_like(passed), np.ones_like(passed)
        reached[:, 1:] = np.cumprod(on * passed[:, :-1], axis=1)
        later[:, -1] = passed[:, -1]  # no click from here on, if looked at
        for rank in range(passed.shape[1] - 2, -1, -1):
            later[:, rank] = passed[:, rank] * (1.0 - on + on * later[:, rank + 1])
        looked[none] = reached * later / later[:, :1]
        r = rates(clicks, looked, things, items)
        on = float(looked[:, 1:].sum() / (looked - clicks)[:, :-1].sum())
    return r, on


def cross_entropy(p: Floats, clicks: Floats) -> Floats:
    """Of clicks (n, ranks) under p, by rank [bit] (ranks,)."""
    p = np.clip(p, 1e-9, 1.0 - 1e-9)
    bits: Floats = -np.mean(np.where(clicks == 1.0, np.log2(p), np.log2(1.0 - p)), axis=0)
    return bits


def compared(learn: tuple[Ints, Floats], test: tuple[Ints, Floats], items: int) -> Floats:
    """Cross-entropy of MODELS by rank on slates they were not fitted to, (5, ranks) [bit]."""
    things, clicks = test
    r, x = examination(*learn, items)
    own, b, share = mixture(*learn, items)
    of_stops, on = stopping(*learn, items)
    flat = rates(learn[1], np.ones_like(learn[1]), learn[0], items)
    p = (
        p_cascade(cascade(*learn, items), things),
        r[things] * x,
        share * own[things] + (1.0 - share) * b,
        flat[things],
        p_cascade(of_stops, things, on),
    )
    return np.stack([cross_entropy(one, clicks) for one in p])


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Cross-entropy of MODELS by rank (5, ranks), and where slates were clicked first (ranks,)."""
    rows = lab.rows(live, settings.people, settings, seed)
    shown, even = rows["things"].astype(np.int64), rows["even"]
    clicks = clicks_of(shown, rows["first"])
    halves = [(shown[half], clicks[half]) for half in (even, ~even)]
    items = PER_TOPIC * TOPICS
    found = compared(halves[0], halves[1], items) + compared(halves[1], halves[0], items)
    return {"bits": 0.5 * found, "first": clicks.mean(axis=0)}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, npt.NDArray[Any]]:
    """The slates of some people, whether their numbers are even, and where each was clicked first.

    Rows, since EM goes through all slates again and again: 12 bytes a slate.
    """
    world = lab.world.replace(
        "looking something up",
        intent={"share": (0.0, 0.0, 0.0, 1.0)},
        catalogue={"items": float(PER_TOPIC * TOPICS)},
    )
    cohort = lab.cohort(len(people), 1, settings.days, seed, world=world, task="Feed",
                        action="slate", decision="fetch", candidates=SLATE,
                        first=people.start)  # fmt: skip
    rng = np.random.default_rng((seed, people.start))
    even, things, first = [], [], []
    while not cohort.over.all():
        page_one = cohort.users["fetch"] == 0
        cohort.step(rng.random((len(people), SLATE)).argsort(axis=1))
        lived = np.flatnonzero(page_one & (cohort.outcomes["fetches"] > 0))
        slots = cohort.slots[lived, :RANKS]
        played = slots["played"] == 1
        even.append((people.start + lived) % 2 == 0)
        things.append(slots["shows"].astype(np.int16))
        first.append(np.where(played.any(axis=1), played.argmax(axis=1), RANKS).astype(np.int8))
        lab.told(float(cohort.over.mean()))
    return {
        "even": np.concatenate(even),
        "things": np.concatenate(things),
        "first": np.concatenate(first),
    }


def read(series: Series) -> dict[str, float]:
    """Differences of cross-entropy over ranks 1 to 5."""
    bits = 1000.0 * series["bits"].mean(axis=1)
    others = float(bits[[EXAMINATION, MIXTURE, BASELINE]].min())
    return {
        "decay": float(bits[EXAMINATION] - bits[CASCADE]),
        "next_best": others - float(bits[CASCADE]),
        "stops": others - float(bits[STOPS]),
        "cascade": float(bits[CASCADE]),
        "top": 100.0 * float(series["first"][0]),
        "fifth": 100.0 * float(series["first"][4]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Cross-entropy beyond the cascade's, by rank."""
    ranks = np.arange(1.0, RANKS + 1.0)
    beyond = 1000.0 * (series["bits"] - series["bits"][0])
    return chart(
        f"Examination needs {readings['decay']:.1f} bit per 1000 titles more than the cascade.",
        "rank",
        "bit per 1000 titles",
        [
            Curve(MODELS[at], ranks, beyond[at], colour=colour)
            for colour, at in enumerate((CASCADE, EXAMINATION, MIXTURE, STOPS))
        ],
    )
