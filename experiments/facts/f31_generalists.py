"""F31: generalists stay on the platform, specialists stay in their communities.

Who is active in communities far apart stays on the platform more; who is active in communities
close together stays in each of them more, on Reddit twice and on GitHub ten times as much (Waller &
Anderson, WWW 2019, https://doi.org/10.1145/3308558.3313729 [S]). How far apart is told by

    GS(u) = sum_j w_j cos(c_j, m) / sum_j w_j,   m = sum_j w_j c_j / sum_j w_j                (1)

over communities j with vectors c_j and activities w_j of the person u: 1 for a specialist.

Simulated: half a year without ads. Communities are the topics; c_j is the mean vector of a topic's
items, w_j the minutes it was played in the first four weeks. People are put in the order of GS and
the third of generalists is set beside the third of specialists: in the probability to be on the
platform from then to the end, and, of those who are, in the share of their topics of the first four
weeks (LEAST minutes or more) that they still play in the last four. No relation is to show as a
miss, so a relation has to be of RELATED points, a free choice.

Departures. Topics for communities, listening for contributions. Their vectors were learnt from who
is active where; here topics are at right angles but for the spread of items, so that GS is nearly
the root of the sum of squared shares, which no likeness of topics enters. Nobody is lost in the
simulation: each person counts by the probability that he is still there.

Neither half is in this world. Churn knows satisfaction and habit, not breadth: generalists have the
more habit, specialists are the more satisfied among people who play as much, and the two cancel.
Tastes never drift and the platform offers a little of everything: hardly a topic is given up. Where
it counts as kept only if it is played LEAST minutes again (`community_much`), specialists keep
fewer: more of theirs were just above LEAST.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from longplay.envs.population import Shop
from longplay.envs.scenarios import packed
from longplay.envs.state import TOPICS
from longplay.experiments.facts.f34_signals import topics_at_end
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, outlive, undying
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.facts.stages import Arrays

WEEKS = 28.0  # length of the first and of the last weeks [day]
LEAST = 10.0  # of a topic in the first weeks that counts as one's own [min]; free choice
TINY = 1e-3  # what counts as played at all [min]; the tally is of single precision
RELATED = 2.0  # least difference that counts as a relation [points]; free choice
GROUPS = 9  # of people by GS, shown in the picture; three make a third
STRATA = 5  # of people who play about as much


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 182.0


SETTINGS = {"full": Settings(1500), "quick": Settings(250)}
FACT = Fact(
    id="F31",
    title="Generalists stay on the platform, specialists stay in their communities",
    source="Waller & Anderson, WWW 2019, https://doi.org/10.1145/3308558.3313729",
    mark="[S]",
    expected="opposite signs: generalists stay on the platform more, specialists in communities",
    tier="report",
    checks=(
        Check("platform", "generalists less specialists, still on the platform [points]",
              low=RELATED),
        Check("community", "specialists less generalists, topics still played [points]",
              low=RELATED),
        Check("platform_alike", "`platform`, of people who play about as much [points]"),
        Check("community_much", "`community`, of topics played as long again [points]"),
        Check("stay", "of all people, still on the platform [%]"),
        Check("kept", "of all topics, still played [%]"),
        Check("habit", "generalists less specialists [1]"),
        Check("satisfaction", "specialists less generalists who play about as much [1]"),
        Check("spread", "GS of specialists less that of generalists [1]"),
    ),
)  # fmt: skip


def gs_score(activity: Floats, centres: Floats) -> Floats:
    """Equation (1), (n,), of activities (n, k) in communities at ``centres`` (k, d); nan if none.

    It does not depend on the length of m, which is left undivided.
    """
    directions = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    middle = activity @ centres
    total, length = activity.sum(axis=1), np.linalg.norm(middle, axis=1)
    along = (activity * (middle @ directions.T)).sum(axis=1)
    scores: Floats = np.divide(
        along, total * length, out=np.full(len(activity), np.nan), where=total * length > 0
    )
    return scores


def centres_of(shop: Shop) -> Floats:
    """The mean vector of each topic's items, (TOPICS, dimensions)."""
    vectors = shop.items["vector"].astype(np.float64)
    means: Floats = np.add.reduceat(vectors, shop.starts[:-1]) / np.diff(shop.starts)[:, None]
    return means


def standing(score: Floats) -> Floats:
    """The share of the others that each one's score is above, in [0, 1), (n,)."""
    place = np.empty(len(score))
    place[np.argsort(score, kind="stable")] = np.arange(len(score)) / max(len(score), 1)
    return place


def standing_among_alike(score: Floats, amount: Floats) -> Floats:
    """`standing` among those of the same fifth of ``amount`` (n,)."""
    stratum = (STRATA * standing(amount)).astype(np.int64)
    place = np.empty(len(score))
    for each in range(STRATA):
        place[stratum == each] = standing(score[stratum == each])
    return place


def by_group(place: Floats, value: Floats, weight: Floats) -> Floats:
    """Weighted sums of ``value`` and sums of weights by group of `standing`, (2, GROUPS)."""
    group = (GROUPS * place).astype(np.int64)
    return np.stack([np.bincount(group, w, GROUPS) for w in (weight * value, weight)])


class Watched(NamedTuple):
    """What is known of people after the study."""

    minutes: Floats  # by topic in the first and in the last weeks (2, people, TOPICS)
    there: Floats  # probability to be there after the first weeks and at the end (2, people)
    score: Floats  # GS of the first weeks (people,)
    habit: Floats  # at the end (people,)
    satisfaction: Floats  # at the end (people,)


def watched(lab: Lab, people: range, settings: Settings, seed: int) -> Watched:
    """Some people who live through the study without ads."""
    number = len(people)
    cohort = lab.cohort(
        number, 1, settings.days, seed, world=undying(lab.world), first=people.start
    )
    without_ads = np.zeros(number, np.int64)
    law = packed(lab.world)
    minutes = np.zeros((2, number, TOPICS))
    alive, there = np.ones(number), np.ones((2, number))
    while not cohort.over.all():
        before = cohort.users["topic_minutes"].astype(np.float64)
        cohort.step(without_ads)
        out = cohort.outcomes
        outlive(cohort.users, out, alive, law)
        lived, day = out["fetches"] > 0, out["clock"] / 24.0
        played = np.maximum(topics_at_end(cohort) - before, 0.0)
        early, late = lived & (day < WEEKS), lived & (day >= settings.days - WEEKS)
        minutes[0, early] += played[early]
        minutes[1, late] += played[late]
        there[0, early] = alive[early]
        lab.told(float(cohort.over.mean()))
    there[1] = alive
    score = gs_score(minutes[0], centres_of(cohort.shop))
    moods = (cohort.users[name].astype(np.float64) for name in ("habit", "satisfaction"))
    return Watched(minutes, there, score, *moods)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Sums by group of GS, (2, GROUPS) each; ``alike`` among people alike in minutes."""
    kept = lab.rows(live, settings.people, settings, seed)
    rows = {name: values.astype(np.float64) for name, values in kept.items()}
    place = standing(rows["score"])
    alike = standing_among_alike(rows["score"], rows["minutes"])
    then, present, every = rows["then"], rows["present"], np.ones(len(place))
    return {
        "platform": by_group(place, rows["stay"], then),
        "platform_alike": by_group(alike, rows["stay"], then),
        "community": by_group(place, rows["kept"], present),
        "community_much": by_group(place, rows["much"], present),
        "habit": by_group(place, rows["habit"], every),
        "satisfaction": by_group(alike, rows["satisfaction"], every),
        "score": by_group(place, rows["score"], every),
    }


def live(lab: Lab, people: range, settings: Settings, seed: int) -> Arrays:
    """Of those of some people who took part: a row each, as groups are by rank among all."""
    seen = watched(lab, people, settings, seed)
    took_part = (seen.minutes[0] >= LEAST).any(axis=1)
    first, last = seen.minutes[:, took_part]
    then, end = seen.there[:, took_part]
    score, habit, satisfaction = (values[took_part] for values in seen[2:])
    mine = first >= LEAST
    kept, much = ((mine & (last >= least)).sum(axis=1) for least in (TINY, LEAST))
    rows = {
        "minutes": first.sum(axis=1),
        "then": then,
        "stay": end / then,
        "kept": kept / mine.sum(axis=1),  # shares of topics
        "much": much / mine.sum(axis=1),
        "present": np.where((last >= TINY).any(axis=1), end, 0.0),  # there, and plays at all
        "habit": habit,
        "satisfaction": satisfaction,
    }
    return {"score": score} | {name: values.astype(np.float32) for name, values in rows.items()}


def generalists_less_specialists(sums: Floats) -> float:
    """Difference of the means of the lowest and the highest third of GS."""
    values, weights = sums.reshape(2, 3, -1).sum(axis=2)
    means = values / weights
    return float(means[0] - means[-1])


def read(series: Series) -> dict[str, float]:
    """Differences of thirds, and levels."""
    gap = {name: generalists_less_specialists(series[name]) for name in series}
    level = {name: float(np.divide(*series[name].sum(axis=1))) for name in series}
    return {
        "platform": 100.0 * gap["platform"],
        "platform_alike": 100.0 * gap["platform_alike"],
        "community": -100.0 * gap["community"],
        "community_much": -100.0 * gap["community_much"],
        "stay": 100.0 * level["platform"],
        "kept": 100.0 * level["community"],
        "habit": gap["habit"],
        "satisfaction": -gap["satisfaction"],
        "spread": -gap["score"],
    }


def figure(series: Series, readings: Readings) -> str:
    """Who stays on the platform, and which topics are still played, by GS."""
    score, stay, kept = (
        series[name][0] / series[name][1] for name in ("score", "platform", "community")
    )
    return chart(
        f"Generalists are on the platform {readings['platform']:.1f} points more, specialists in "
        f"their topics {readings['community']:.1f}.",
        "GS: generalists left, specialists right",
        "still there [%]",
        [
            Curve("on the platform", score, 100.0 * stay),
            Curve("in a topic", score, 100.0 * kept),
        ],
    )
