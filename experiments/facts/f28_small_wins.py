"""F28: what the best long-run policy wins over a tuned ranker is small, and takes weeks.

Reinforcement learning for retention raised app opens of a short-video app by .45 % and daily users
by .2 %, converging after about 100 days (Cai et al., WWW 2023, https://arxiv.org/abs/2302.01724
[S]); surrogates of the long run brought a large platform .08 to .14 % (Wang et al., KDD 2022 [S]).

Simulated: people live on Feed for 18 weeks. In place of the best that reinforcement learning finds,
the best of 29 weighings of the platform's scores is taken, found on other people by their visits
within `search_days`: all rules on a few, the best FINAL of them on four times as many. Then the
same people with the same luck live under it and under the production ranker; visits and active days
of the last eight weeks.

Departures. Constant weights are weaker than a policy that looks at the user, and the ranker is
the platform's by name, tuned to nothing: the first makes the win too small, the second too large.
Weights are searched beforehand, not learnt in the test, so what takes weeks here is people, not
the learner. Deaths count by their probability (lab.watch).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.agents.best_fixed import score_weights
from longplay.agents.fixed import PRODUCTION
from longplay.envs.spaces import SCORERS
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, by_arm, undying, watch
from longplay.experiments.facts.picture import Curve, chart

FINAL = 5
TRAINING = 1 << 22  # number of the first person the weights are searched on
WEEKS = 8  # at the end, whose visits are compared
COLUMNS = ("ended", "active_day")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int  # in the test
    judges: int  # on whom all weights are tried
    search_days: float = 56.0
    weeks: int = 18


SETTINGS = {"full": Settings(400, 45), "quick": Settings(60, 12, search_days=28.0)}
FACT = Fact(
    id="F28",
    title="What the best long-run policy wins over a tuned ranker is small, and takes weeks",
    source="Cai et al., WWW 2023, https://arxiv.org/abs/2302.01724; Wang et al., KDD 2022",
    mark="[S]",
    expected="visits +0.1 to +3 %; more than +10 % would be an unrealistic coupling",
    tier="report",
    checks=(
        Check("visits", "of the last eight weeks, best weights against production [%]", 0.1, 3.0),
        Check("days", "active days of the last eight weeks [%]"),
        Check("first", "visits of the first two weeks [%]"),
        Check("median_rule", "visits of the median rule in the search, against production [%]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Visits and days by week under production and the best weights, (2, 2, weeks)."""
    best, median = search(lab, settings, seed)
    edges = [7.0 * week for week in range(settings.weeks + 1)]
    lived = led_to(lab, (PRODUCTION, best), settings.people, 0, edges, seed)
    return {"lived": lived, "median_rule": np.array(median)}


def search(lab: Lab, settings: Settings, seed: int) -> tuple[dict[str, float], float]:
    """The rule of most visits, and the visits of the median rule against production [%]."""
    rules = score_weights()

    def visits(rules: Sequence[Mapping[str, float]], people: int) -> Floats:
        edges = (0.0, settings.search_days)
        found: Floats = led_to(lab, rules, people, TRAINING, edges, seed)[:, 0, 0]
        return found

    few = visits(rules, settings.judges)
    final = [rules[at] for at in np.argsort(-few, kind="stable")[:FINAL]]
    best = final[int(visits(final, 4 * settings.judges).argmax())]
    usual = few[rules.index(dict(PRODUCTION))]
    return best, 100.0 * float(np.median(few) / usual - 1.0)


def led_to(
    lab: Lab,
    rules: Sequence[Mapping[str, float]],
    people: int,
    first: int,
    edges: Sequence[float],
    seed: int,
) -> Floats:
    """COLUMNS summed over people by rule and period, (rules, 2, periods)."""
    sums = lab.sums(live, people, rules, edges, seed, arms=len(rules), first=first)
    return np.stack([sums[name] for name in COLUMNS], axis=1)


def live(
    lab: Lab,
    people: range,
    rules: Sequence[Mapping[str, float]],
    edges: Sequence[float],
    seed: int,
) -> dict[str, Floats]:
    """COLUMNS of some people by rule and period, (rules, periods)."""
    arms = len(rules)
    cohort = lab.cohort(len(people), arms, edges[-1], seed, world=undying(lab.world),
                        first=people.start, task="Feed", action="weights")  # fmt: skip
    rows = np.array([[rule.get(name, 0.0) for name in SCORERS] for rule in rules], np.float32)
    weights: Any = np.repeat(rows, len(people), axis=0)
    sums = watch(cohort, lambda cohort: weights, COLUMNS, edges, lab.told, mortal=lab.world)
    return {name: by_arm(sums[name], arms) for name in COLUMNS}


def change(lived: Floats, weeks: slice) -> tuple[float, float]:
    """Of visits and active days in these weeks by the best weights, against production [%]."""
    usual, best = lived[:, :, weeks].sum(axis=2)
    visits, days = 100.0 * (best / usual - 1.0)
    return float(visits), float(days)


def read(series: Series) -> dict[str, float]:
    """Changes at the end and at the beginning."""
    visits, days = change(series["lived"], slice(-WEEKS, None))
    return {
        "visits": visits,
        "days": days,
        "first": change(series["lived"], slice(0, 2))[0],
        "median_rule": float(series["median_rule"]),
    }


def figure(series: Series, readings: Readings) -> str:
    """The change by week."""
    usual, best = series["lived"]
    visits, days = 100.0 * (best / usual - 1.0)
    weeks = np.arange(1, len(visits) + 1)
    return chart(
        f"The best weights bring {readings['visits']:.1f} % more visits.",
        "week",
        "against production [%]",
        [Curve("visits", weeks, visits), Curve("active days", weeks, days, colour=1)],
        expected=(0.1, 3.0),
    )
