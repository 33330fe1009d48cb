"""F38: a shelf ranked by early signs of a lasting bond beats one ranked by clicks.

A shelf of podcasts was ranked by an estimate of how often a listener would come back to a show in
60 days, learnt from the first days of each; active days rose by 2.4 % over all, and by more than
50 % per impression on new shows (Zhang et al., JMLR, https://arxiv.org/abs/2501.07761 [S]).

Simulated: Feed over a small catalogue of items, which the ranking of production and the people's
memory bring up again. Some people live with that ranking, much disturbed at random. Of every item
is noted how often it is played when looked at, and on how many of the 7 and 28 days after a
person's first look that person plays it. Half of the items are old: a straight line foretells their
days of 28 among half of the people, fitted to plays per look and the days of 7 among the other
half. The other half of the items are new:
nothing is known of them but those early signs. Then other people live with a shelf: the first three
positions of each slate go to new items that they never played, by plays per look or by the line.
Counted are the days on which an item is played in the 28 after its first look, all items of the
shelf alike; and everybody's active days.

Departures. Production's small weight of freshness is left out. Songs for shows: nobody subscribes,
and what brings an item back is the platform's own ranking and its memory of past plays, so that a
bond is also that ranking's liking of an item. The small catalogue makes it possible at all: of 100
000 items hardly one is met twice. No bandit: all early signs are gathered before, and the two
shelves then stand still. The overall gain is in all active days, not in those with the shelf's
items. Nobody is lost in the meantime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.agents.fixed import production_weights
from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import World
from longplay.envs.spaces import ITEM_FEATURES
from longplay.envs.state import SLATE
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, undying
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.facts.stages import OTHERS

Ints = npt.NDArray[np.int64]
ITEMS = 2000  # in the catalogue; free choice
SHORT, LONG = 7, 28  # of signs and of what they foretell [day]
SHELF = 3  # positions; free choice
DISTURBED = 1.0  # sd of what is added to production's scores; free choice
PRIOR = 10.0  # first looks that the mean of all items counts as
WEIGHTS = production_weights(ITEM_FEATURES)
WEIGHTS[ITEM_FEATURES.index("freshness")] = 0.0
BY_CLICKS, BY_SIGNS = 0, 1


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int  # of whom the signs are learnt
    shown: int  # each shelf
    learning: int = 42  # [day]
    days: int = 60


SETTINGS = {"full": Settings(450, 300), "quick": Settings(120, 60)}
FACT = Fact(
    id="F38",
    title="A shelf ranked by early signs of a lasting bond beats one ranked by clicks",
    source="Zhang et al., JMLR, https://arxiv.org/abs/2501.07761",
    mark="[S]",
    expected="active days up (2.4 %), and by more per look on new items (over 50 %)",
    tier="report",
    checks=(
        # quick: 60 people with each shelf: sd 1.5 % of active days, 15 % of days per look
        Check("overall", "active days, by signs over by clicks [%]", low=0.0, quick=(-6.0, 100.0)),
        Check("new", "days per first look on a new item [%]", low=0.0, quick=(-50.0, 1000.0)),
        Check("more", "the latter gain less the former [points]", low=0.0, quick=(-50.0, 1000.0)),
        Check("foretold", "correlation of fitted and true days of the old items fitted to"),
        Check("clicks", "correlation of plays per look and true days of old items"),
    ),
)


@dataclass(frozen=True)
class Looks:
    """Items looked at, row by row, in the order of time of each lane."""

    lane: Ints
    item: Ints
    day: Ints
    place: Ints  # position, from 0
    started: npt.NDArray[np.bool_]
    played: npt.NDArray[np.bool_]  # and not skipped


def feed(world: World) -> dict[str, Any]:
    """What makes a cohort one of Feed over the small catalogue."""
    small = undying(world.replace("small", catalogue={"items": float(ITEMS)}))
    return {"world": small, "task": "Feed", "action": "slate", "decision": "fetch"}


def live(cohort: Cohort, choose: Callable[[Cohort], Ints]) -> tuple[Looks, Floats]:
    """All looks until the horizon, and active days by lane."""
    active = np.zeros(cohort.num_envs)
    parts: list[list[Any]] = []
    while not cohort.over.all():
        cohort.step(choose(cohort))
        out = cohort.outcomes
        active += out["active_day"]
        lanes = np.flatnonzero(out["fetches"] > 0)
        at, place = np.nonzero(cohort.slots["seen"][lanes])
        slots = cohort.slots[lanes[at], place]
        day = np.floor(out["clock"][lanes[at]] / 24.0).astype(np.int64)
        good = (slots["played"] == 1) & (slots["skipped"] == 0)
        parts.append([lanes[at], slots["shows"].astype(np.int64), day, place,
                      slots["played"] == 1, good])  # fmt: skip
    return Looks(*(np.concatenate(columns) for columns in zip(*parts, strict=True))), active


def bonds(looks: Looks, until: int) -> tuple[Ints, Ints, Ints]:
    """First looks up to day ``until``: their rows, and days with the item in SHORT and LONG.

    A day counts if the item is played on it, from the day after the first look on.
    """
    key = looks.lane * ITEMS + looks.item
    keys, first = np.unique(key, return_index=True)
    began = looks.day[first]
    where = np.searchsorted(keys, key)
    later = looks.day - began[where]
    again = np.unique(np.stack([where, later])[:, looks.played & (later > 0)], axis=1)
    days = [np.bincount(again[0, again[1] <= most], minlength=len(keys)) for most in (SHORT, LONG)]
    known = began <= until
    return first[known], days[0][known], days[1][known]


def by_item(item: Ints, value: npt.NDArray[Any]) -> Floats:
    """Sums of values (n,) and their number by item, (2, ITEMS)."""
    return np.stack([np.bincount(item, weight, ITEMS) for weight in (value, np.ones(len(item)))])


def means(found: Floats, prior: float = PRIOR) -> Floats:
    """Of `by_item`, (ITEMS,), each drawn towards the mean of all by ``prior`` more of these."""
    sums, number = found
    drawn: Floats = (sums + prior * sums.sum() / number.sum()) / (number + prior)
    return drawn


def noted(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """What is noted of every item among some people, sums and numbers (2, ITEMS).

    Plays of looks and days of SHORT after first ones, by people of even number; the truth, days of
    LONG, by the others.
    """
    cohort = lab.cohort(
        len(people), 1, settings.learning, seed, first=people.start, **feed(lab.world)
    )
    looks, _ = live(cohort, disturbed(np.random.default_rng((seed, people.start))))
    rows, short, long = bonds(looks, settings.learning - LONG)
    item, even = looks.item[rows], (people.start + looks.lane[rows]) % 2 == 0
    all_even = (people.start + looks.lane) % 2 == 0
    return {
        "clicks": by_item(looks.item[all_even], looks.started[all_even]),
        "signs": by_item(item[even], short[even]),
        "truth": by_item(item[~even], long[~even]),
    }


def learnt(found: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Scores of items by clicks and by signs, (2, ITEMS); their correlations with the truth (2,).

    From what was `noted`; the line is fitted to old (even) items.
    """
    clicks, signs = means(found["clicks"]), means(found["signs"])
    truth, number = means(found["truth"], prior=0.1), found["truth"][1]
    old = np.flatnonzero((np.arange(ITEMS) % 2 == 0) & (number > 0))
    x = np.column_stack([np.ones(ITEMS), clicks, signs])
    root = np.sqrt(number[old])[:, None]
    line: Any = np.linalg.lstsq(root * x[old], root[:, 0] * truth[old], rcond=None)[0]
    scores = np.stack([clicks, x @ line])
    return scores, np.array([weighed(one[old], truth[old], number[old]) for one in scores])


def weighed(a: Floats, b: Floats, weight: Floats) -> float:
    """The correlation of a and b (n,) with weights."""
    moments = np.cov(np.stack([a, b]), aweights=weight)
    return float(moments[0, 1] / np.sqrt(moments[0, 0] * moments[1, 1]))


def disturbed(rng: np.random.Generator) -> Callable[[Cohort], Ints]:
    """The ranking of production, disturbed at random."""

    def choose(cohort: Cohort) -> Ints:
        score = cohort._desk.features @ WEIGHTS
        return best(score + DISTURBED * rng.normal(size=score.shape))

    return choose


def best(score: Floats) -> Ints:
    """The SLATE highest of each row, best first."""
    return np.argsort(-score, axis=1, kind="stable")[:, :SLATE]


def shelved(scores: Floats) -> Callable[[Cohort], Ints]:
    """Production's ranking below a shelf by each lane's ``scores`` (lanes, ITEMS)."""
    played = np.zeros(scores.shape, bool)
    lane = np.arange(len(scores))[:, None]

    def choose(cohort: Cohort) -> Ints:
        known = (cohort.slots["played"] == 1) & (cohort.outcomes["fetches"] > 0)[:, None]
        at, place = np.nonzero(known)
        played[at, cohort.slots["shows"][at, place]] = True
        offered = cohort._desk.candidates
        fits = (offered % 2 == 1) & ~played[lane, offered]
        score = cohort._desk.features @ WEIGHTS
        wish = np.where(fits, scores[lane, offered], -np.inf)
        top = np.argsort(-wish, axis=1, kind="stable")[:, :SHELF]
        lift = np.where(np.isfinite(wish[lane, top]), 1e6 * (SHELF - np.arange(SHELF)), 0.0)
        score[lane, top] += lift
        return best(score)

    return choose


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Looks on the shelf, days with its items and active days of a person, by ranking, (2, 3)."""
    scores, foretold = learnt(lab.sums(noted, settings.people, settings, seed))
    sums = lab.sums(shown, settings.shown, settings, scores, seed, arms=2, first=OTHERS)
    return {"lived": sums["lived"] / settings.shown, "foretold": foretold, "scores": scores}


def shown(
    lab: Lab, people: range, settings: Settings, scores: Floats, seed: int
) -> dict[str, Floats]:
    """The sums of `measure` over some people with each shelf, (2, 3)."""
    number = len(people)
    cohort = lab.cohort(number, 2, settings.days, seed, first=people.start, **feed(lab.world))
    looks, active = live(cohort, shelved(np.repeat(scores, number, axis=0)))
    rows, _, long = bonds(looks, settings.days - LONG)
    shelf = (looks.place[rows] < SHELF) & (looks.item[rows] % 2 == 1)
    arm = looks.lane[rows] // number
    lived = np.stack(
        [
            np.bincount(arm[shelf], minlength=2),
            np.bincount(arm[shelf], long[shelf], 2),
            active.reshape(2, -1).sum(axis=1),
        ],
        axis=1,
    )
    return {"lived": lived}


def read(series: Series) -> dict[str, float]:
    """Gains of the ranking by signs."""
    looks, days, active = series["lived"].T
    bond = days / looks
    overall = 100.0 * float(active[BY_SIGNS] / active[BY_CLICKS] - 1.0)
    new = 100.0 * float(bond[BY_SIGNS] / bond[BY_CLICKS] - 1.0)
    return {
        "overall": overall,
        "new": new,
        "more": new - overall,
        "foretold": float(series["foretold"][BY_SIGNS]),
        "clicks": float(series["foretold"][BY_CLICKS]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Foretold days over plays per look, new items."""
    clicks, days = series["scores"][:, 1::2]
    return chart(
        f"By early signs a new item is played on {readings['new']:.0f} % more days.",
        "plays per look",
        "foretold days with the item, of 28",
        [Curve("new items", clicks, days, points=True)],
    )
