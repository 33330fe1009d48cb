"""F9: people who see no ads do not value the service more.

Facebook keeps a few of its users without ads for years. What they asked for to give it up for a
month was not different from what those with ads asked: $31.95 on average, and a difference of
$3.18, a tenth of it, would have been found (Brynjolfsson et al. 2024, 53,166 people,
https://inigomedina.co (Consumer welfare and online ads);
https://www.socialscienceregistry.org/trials/16160 [L]).

Simulated: after 60 days with ads for all, one arm goes on at the default load, one without ads, for
fifteen months; the same people with the same luck. What is stated is the answer to the world's
survey, a noisy and somewhat kind word on satisfaction: the mean answer of the last three months of
each person who is there and gave one.

Departures. A statement on satisfaction, not a price; theirs lived without ads for years. People are
asked after every session here, not after one in fifty, so that a few hundred give answers enough.
Who is gone is not asked, and the satisfied answer more often, in both arms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import MONTH, Lab, Layouts, clock_days
from longplay.experiments.facts.picture import Curve, chart

LAYOUT = (3,)  # about 3.6 ads per hour, the load of Pandora's control arm
USUAL, FREE = 0, 1


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    months: int = 15
    before: float = 60.0  # days before the arms part


SETTINGS = {"full": Settings(500), "quick": Settings(80, months=9)}
FACT = Fact(
    id="F9",
    title="People who see no ads do not value the service more",
    source="Brynjolfsson et al. 2024, https://inigomedina.co (Consumer welfare and online ads); "
    "https://www.socialscienceregistry.org/trials/16160",
    mark="[L]",
    expected="no difference; one of 10 % would have been found",
    tier="report",
    checks=(
        Check("stated", "satisfaction stated without ads [% of that with ads]", -10.0, 10.0),
        Check("felt", "satisfaction felt without ads [% of that with ads]"),
        Check("mean", "satisfaction stated with ads [0..1]"),
        Check("answers", "answers of a person in the last three months"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Mean over people of what they stated and felt, (2,) by arm, and stated by month too."""
    sums = lab.sums(live, settings.people, settings, seed, arms=2)
    means = {name: sums[name][0] / sums[name][1] for name in ("stated", "felt", "monthly")}
    return {**means, "answers": sums["answers"] / sums["stated"][1].sum()}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Any]:
    """`per_person` of what some people stated and felt, late and by month; their late answers."""
    months = settings.months
    world = lab.world.replace("asked", survey={"rate": 1.0})
    some, none = layout_index(LAYOUT), layout_index(())
    arm = np.repeat([USUAL, FREE], len(people))

    def choose(cohort: Cohort) -> Layouts:
        return np.where((arm == FREE) & (clock_days(cohort) >= settings.before), none, some)

    end = settings.before + months * MONTH
    cohort = lab.cohort(len(people), 2, end, seed, world=world, first=people.start)
    answers, stated, days, felt = np.zeros((4, cohort.num_envs, months))
    while not cohort.over.all():
        cohort.step(choose(cohort))
        out = cohort.outcomes
        month = np.floor((out["clock"] / 24.0 - settings.before) / MONTH).astype(np.int64)
        inside = (out["fetches"] > 0) & (month >= 0) & (month < months)
        lanes = np.flatnonzero(inside)
        gave = np.flatnonzero(inside & np.isfinite(out["survey"]))
        answers[gave, month[gave]] += 1.0
        stated[gave, month[gave]] += out["survey"][gave]
        days[lanes, month[lanes]] += out["active_day"][lanes]
        felt[lanes, month[lanes]] += out["satisfied_day"][lanes]
        lab.told(float(cohort.over.mean()))
    return {
        "stated": per_person(stated[:, -3:].sum(axis=1), answers[:, -3:].sum(axis=1)),
        "felt": per_person(felt[:, -3:].sum(axis=1), days[:, -3:].sum(axis=1)),
        "answers": answers[:, -3:].sum(),
        "monthly": per_person(stated, answers),
    }


def per_person(total: Floats, count: Floats) -> Floats:
    """Sum over the people of each arm of their own means, and how many have one, (2, 2, ...).

    total, count (2 * people, ...): of each lane, the usual arm first.
    """
    some = count > 0
    own = np.divide(total, count, out=np.zeros_like(total), where=some)
    arms = (2, -1, *total.shape[1:])
    return np.stack([own.reshape(arms).sum(axis=1), some.reshape(arms).sum(axis=1)])


def read(series: Series) -> dict[str, float]:
    """What is stated and felt without ads beside with them."""

    def change(name: str) -> float:
        return 100.0 * float(series[name][FREE] / series[name][USUAL] - 1.0)

    return {
        "stated": change("stated"),
        "felt": change("felt"),
        "mean": float(series["stated"][USUAL]),
        "answers": float(series["answers"]),
    }


def figure(series: Series, readings: Readings) -> str:
    """What is stated by month."""
    with_ads, without = series["monthly"]
    months = np.arange(1, len(with_ads) + 1)
    return chart(
        f"Without ads people state {readings['stated']:.1f} % more satisfaction.",
        "month since the arms parted",
        "satisfaction stated",
        [Curve("with ads", months, with_ads), Curve("without", months, without, colour=1)],
        expected=(0.9 * readings["mean"], 1.1 * readings["mean"]),
    )
