"""F34: early variety and an early second visit foretell who stays, and pay as factors of a reward.

Among users of little activity, the entropy of the topics of two weeks and the time until they
visited again were the best early signals of who would become more active (area under the curve .57
to .63, random forests); as factors of a recommender's reward they gained .12 % visits and .14 %
enjoyment (Wang et al., KDD 2022 [S]).

Simulated, the signals: people live with a middle load of ads. Of the third with the fewest active
days in the first two weeks, who has at least the median of all people's in weeks 11 and 12?
Each signal of the first two weeks is scored by the area under its curve, and all together by that
of a logistic regression on people it did not learn from.

Simulated, the reward: Feed, ranked by weights. Each session's weights are moved at random around
those of production, which gives the direction in which a reward R grows. One ranking goes a step
that way for R0, the minutes of the session, and one a step of equal length for

    R = R0 exp(5 (D' - D)) (1 + 10 [back within T0])

D the entropy of topics before and after the session [nat], T0 the median absence (to 1.6 %, the
width of a bucket of populations.sketch). Other people then live under both.

Departures. The two signals are not the best ones here: the mere number of visits tells more
(`rival`). Logistic regression for random forests. One step of a gradient for a deep recommender,
and both factors are put in together. Topics count by the platform's tally, which fades within days.
Enjoyment is satisfaction on active days, which only a simulator knows; theirs was asked. A small
gain is one up to 3 %, which is the range of F28. Ours are larger since the step for minutes alone
is a step away from quality (`for_minutes`): in this world a visit ends when its goal is reached,
and good items reach it sooner. With goals out of reach the same step goes towards quality (+0.75).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.agents.fixed import production_weights
from longplay.envs.cohort import Cohort
from longplay.envs.spaces import SCORERS
from longplay.envs.state import TOPICS
from longplay.envs.step import LOG_HOURS
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, by_arm, luck, mixture, undying, watch
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.facts.prediction import auc, logistic
from longplay.experiments.facts.stages import OTHERS, Arrays
from longplay.experiments.populations import sketch

EARLY = 14.0  # [day]
OUTCOME = (70.0, 84.0)  # [day]
SIGNALS = (
    "variety", "revisit", "active days", "visits", "minutes", "plays", "likes", "skips", "novelty",
)  # fmt: skip
# Weights of SCORERS that trials begin from: half of production's, so that none is clipped.
START = 0.5 * production_weights()
JITTER, STRIDE = 0.15, 0.25  # of weights: sd of the trial, length of the step; free choice
VARIETY, BACK = 5.0, 10.0  # m and c of the reward, Wang et al. [S]
ONLY_MINUTES, ALL = 0, 1  # rewards


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int  # whose signals are noted
    tried_on: int  # under weights moved at random
    lived: int  # under each of the two steps
    tried_days: float = 28.0
    lived_days: float = 56.0


SETTINGS = {"full": Settings(2000, 1500, 1000), "quick": Settings(500, 150, 100)}
FACT = Fact(
    id="F34",
    title="Early variety and an early second visit foretell who stays",
    source="Wang et al., KDD 2022",
    mark="[S]",
    expected="areas under the curve .57 to .63 (.55 to .70); gains of visits and enjoyment small",
    tier="report",
    checks=(
        # quick: areas of about 160 people, 3 seeds: sd .03; gains of 100 people: sd 1 %
        Check("variety", "area under the curve of topic entropy [1]", 0.55, 0.70, (0.50, 0.80)),
        Check("revisit", "area of the time until a second visit [1]", 0.55, 0.70, (0.50, 0.80)),
        Check("all", "area of all signals of two weeks [1]", 0.55, 0.70, (0.50, 0.80)),
        Check("rival", "area of the best of the other signals [1]"),
        Check("visits", "visits, for the two factors in the reward [%]", 0.0, 3.0, (-4.0, 5.0)),
        Check("enjoyment", "enjoyment, for the two factors [%]", 0.0, 3.0, (-4.0, 5.0)),
        Check("for_minutes", "quality's component of the unit step for minutes alone [1]"),
        Check("converted", "share of the third that reach the median of all [%]"),
    ),
)


def entropy(minutes: Floats) -> Floats:
    """Of the shares of topics, (n,) [nat], from minutes (n, topics)."""
    shares = minutes / np.maximum(minutes.sum(axis=1, keepdims=True), 1e-9)
    nats: Floats = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1)
    return nats


def topics_at_end(cohort: Cohort) -> Floats:
    """The platform's tally at the end of each lane's last session, (lanes, topics) [min].

    After a step the tally is that of the next visit: it has faded through the absence.
    """
    away = cohort.outcomes["away"]
    kept = np.exp(-np.where(np.isfinite(away), away, 0.0) / LOG_HOURS)
    tally: Floats = cohort.users["topic_minutes"] / np.maximum(kept, 1e-12)[:, None]
    return tally


def signals(lab: Lab, people: range, seed: int) -> Arrays:
    """SIGNALS of the first two weeks (people, 9), and active days of late weeks (people,).

    A row for each of some people, as areas are of ranks.
    """
    number = len(people)
    cohort = lab.cohort(number, 1, OUTCOME[1], seed, first=people.start)
    choose = mixture((7,), (3, 7), 0.5)
    minutes = np.zeros((number, TOPICS))
    sums = dict.fromkeys(("active_day", "ended", "minutes", "plays", "likes", "skips", "novelty"))
    early = {name: np.zeros(number) for name in sums}
    late = np.zeros(number)
    second = np.full(number, 24.0 * EARLY)  # who is not back within two weeks counts as if then
    while not cohort.over.all():
        before = cohort.users["topic_minutes"].astype(float)
        visit = cohort.users["session"].copy()
        cohort.step(choose(cohort))
        out = cohort.outcomes
        day = out["clock"] / 24.0
        lived = out["fetches"] > 0
        now = lived & (day < EARLY)
        minutes[now] += np.maximum(topics_at_end(cohort) - before, 0.0)[now]
        for name, total in early.items():
            total[now] += out[name][now]
        first = now & (visit == cohort.users["session"] - 1) & (early["ended"] == 1)
        second[first] = np.minimum(out["away"][first], second[first])
        late[lived & (day >= OUTCOME[0])] += out["active_day"][lived & (day >= OUTCOME[0])]
    plays = np.maximum(early["plays"], 1.0)
    table = np.column_stack(
        [
            entropy(minutes),
            -second,
            early["active_day"],
            early["ended"],
            early["minutes"],
            early["plays"],
            *(early[name] / plays for name in ("likes", "skips", "novelty")),
        ]
    )
    return {"signals": table.astype(np.float32), "late": late.astype(np.float32)}


def areas(table: Floats, days: Floats) -> tuple[Floats, float, float]:
    """Area of each signal (9,), of all of them together, and the share converted."""
    early, late = days
    low = np.flatnonzero(early <= np.quantile(early, 1 / 3))
    converted = late[low] >= np.median(late)
    alone = np.array([auc(column, converted) for column in table[low].T])
    learn = low % 2 == 0
    model = logistic(table[low][learn], converted[learn])
    together = auc(model.log_odds(table[low][~learn]), converted[~learn])
    return alone, together, float(converted.mean())


def slopes(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """How rewards rise with the trials of some people: sums over sessions.

    Of R0 (scorers,); of R without its last factor, by the bucket of the absence that follows
    (BUCKETS, scorers), so that T0 can be set when all absences are known; and these (BUCKETS,).
    """
    number = len(people)
    cohort = lab.cohort(
        number, 1, settings.tried_days, seed, first=people.start,
        task="Feed", action="weights", decision="session",
    )  # fmt: skip
    rows: list[Floats] = []
    while not cohort.over.all():
        before = entropy(cohort.users["topic_minutes"].astype(float))
        trial = np.sqrt(12.0) * np.stack(
            [luck(cohort, salt) - 0.5 for salt in range(len(SCORERS))], axis=1
        )
        cohort.step((START + JITTER * trial).astype(np.float32))
        out = cohort.outcomes
        more = entropy(topics_at_end(cohort)) - before
        columns = np.column_stack([np.arange(number), out["minutes"], more, out["away"], trial])
        rows.append(columns[out["fetches"] > 0])
    table = np.concatenate(rows)
    trial = beside_usual(table[:, 0].astype(np.int64), table[:, 4:])
    minutes, more, away = table[:, 1:4].T
    varied = (minutes * np.exp(VARIETY * more))[:, None] * trial
    bucket = sketch.buckets(away)
    by_away = [np.bincount(bucket, column, sketch.BUCKETS) for column in varied.T]
    return {
        "minutes": minutes @ trial,
        "varied": np.stack(by_away, axis=1),
        "away": sketch.counted(away).astype(np.float64),
    }


def beside_usual(person: Any, trial: Floats) -> Floats:
    """Trials (n, f) less the mean of each person's (n,): what a person is like plays no part."""
    number = np.maximum(np.bincount(person), 1)[:, None]
    usual = np.stack([np.bincount(person, column) for column in trial.T], axis=1) / number
    beside: Floats = trial - usual[person]
    return beside


def directions(found: Mapping[str, Floats]) -> Floats:
    """Where R0 and R grow the fastest, from `slopes`: unit steps of the weights, (2, scorers)."""
    below = np.cumsum(found["away"])
    median = int(np.searchsorted(below, 0.5 * below[-1]))  # who is in its bucket is not back
    varied = found["varied"]
    both = np.stack([found["minutes"], varied.sum(axis=0) + BACK * varied[:median].sum(axis=0)])
    steps: Floats = both / np.linalg.norm(both, axis=1, keepdims=True)
    return steps


def live(
    lab: Lab, people: range, settings: Settings, steps: Floats, seed: int
) -> dict[str, Floats]:
    """Visits, satisfied days and active days of some people, by reward: (2, 3)."""
    days = settings.lived_days
    weights = np.repeat(START + STRIDE * steps, len(people), axis=0).astype(np.float32)
    cohort = lab.cohort(
        len(people), 2, days, seed, world=undying(lab.world), first=people.start,
        task="Feed", action="weights", decision="session",
    )  # fmt: skip

    def choose(cohort: Cohort) -> Any:
        return weights

    columns = ("ended", "satisfied_day", "active_day")
    sums = watch(cohort, choose, columns, [0.0, days], lab.told, mortal=lab.world)
    return {"lived": np.stack([by_arm(sums[name], 2)[:, 0] for name in columns], axis=1)}


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Any]:
    """Areas of signals, and what people did under two rewards."""
    steps = directions(lab.sums(slopes, settings.tried_on, settings, seed))
    sums = lab.sums(live, settings.lived, settings, steps, seed, arms=2, first=OTHERS)
    rows = lab.rows(signals, settings.people, seed)
    table, late = (rows[name].astype(np.float64) for name in ("signals", "late"))
    days = np.stack([table[:, SIGNALS.index("active days")], late])
    alone, together, converted = areas(table, days)
    return {
        "alone": alone,
        "all": together,
        "converted": 100.0 * converted,
        "lived": sums["lived"] / settings.lived,
        "steps": steps,
    }


def read(series: Series) -> dict[str, float]:
    """Areas and gains."""
    alone, (base, both) = series["alone"], series["lived"]
    enjoyment = series["lived"][:, 1] / series["lived"][:, 2]
    return {
        "variety": float(alone[0]),
        "revisit": float(alone[1]),
        "rival": float(alone[2:].max()),
        "all": float(series["all"]),
        "visits": 100.0 * float(both[0] / base[0] - 1.0),
        "enjoyment": 100.0 * float(enjoyment[ALL] / enjoyment[ONLY_MINUTES] - 1.0),
        "for_minutes": float(series["steps"][ONLY_MINUTES, SCORERS.index("quality")]),
        "converted": float(series["converted"]),
    }


def figure(series: Series, readings: Readings) -> str:
    """The area under the curve of each signal, as far as it goes."""
    order = np.arange(len(SIGNALS))
    return chart(
        f"Topic entropy has an area of {readings['variety']:.2f}, a second visit one of "
        f"{readings['revisit']:.2f}.",
        "; ".join(f"{at + 1} {name}" for at, name in enumerate(SIGNALS)),
        "area under the curve",
        [
            Curve("named by the source", order[:2] + 1, series["alone"][:2], points=True),
            Curve("other signals", order[2:] + 1, series["alone"][2:], points=True, colour=1),
        ],
        expected=(0.55, 0.70),
    )
