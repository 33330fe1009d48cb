"""F25: the retention rate of a cohort rises with tenure, though nobody becomes more loyal.

Of 1000 customers 631, 468, 382 and 326 renewed: rates .631, .742, .816, .853, which rise because
the fickle go first; the shifted-beta-geometric model fits, the geometric one does not (Fader &
Hardie 2007, https://docslib.org/doc/2276465/a-spreadsheet-literate-non-statisticians-guide-to-the-
beta [L]).

Simulated: a cohort without ads; a period is 60 days; the rate is the share of those alive at its
start who are at its end. Both models are fitted to the periods of loss by maximum likelihood.
Then people whose satisfaction and habit are frozen and whose propensity to leave is one and the
same: their hazard should not change with tenure.

Departures. The field's periods are years of contracts; that churn has the beta form is in the
world, that the rate of a cohort whose moods move rises is not. Only shapes are compared. Time in
a session is not at risk, so of frozen people those with short sessions go a little sooner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.scenarios import World
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

PROPENSITY = 0.3  # of the frozen people, each period at satisfaction and habit 0
SHARPNESS = 1e6  # a + b of the beta they are drawn from: all alike
FROZEN_PERIODS = 6


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    periods: int = 8


SETTINGS = {"full": Settings(1800), "quick": Settings(300, periods=6)}
FACT = Fact(
    id="F25",
    title="The retention rate of a cohort rises with tenure, though nobody becomes more loyal",
    source="Fader & Hardie 2007, https://docslib.org/doc/2276465/"
    "a-spreadsheet-literate-non-statisticians-guide-to-the-beta",
    mark="[L]",
    expected="rates rise (.631, .742, .816, .853); sBG beats geometric; individual hazards flat",
    checks=(
        Check("rise", "slope of the rate on the period [%]", 0.0),
        Check("last_over_first", "last rate less the first [%]", 0.0),
        Check("sbg_gain", "log likelihood of sBG over geometric, for 1000 people", 0.0),
        Check("frozen_slope", "slope of frozen people's hazard on the period, of its mean [%]",
              -3.0, 3.0),
        Check("first_rate", "rate of the first period [1]"),
    ),
)  # fmt: skip


def losses(lab: Lab, people: range, world: World, periods: int, seed: int) -> Floats:
    """How many of some people are lost in each period, (periods,)."""
    days = world.churn.period * periods
    cohort = lab.cohort(len(people), 1, days, seed, world=world, first=people.start)
    without_ads = np.zeros(len(people), np.int64)
    while not cohort.over.all():
        cohort.step(without_ads)
    gone = cohort.users["gone"] == 1
    lost_in = (cohort.users["clock"][gone] / (24 * world.churn.period)).astype(int)
    return np.bincount(np.minimum(lost_in, periods - 1), minlength=periods).astype(np.float64)


def frozen(world: World) -> World:
    """People all alike in propensity, whose satisfaction and habit never move."""
    a = SHARPNESS * PROPENSITY
    return world.replace(
        "frozen",
        satisfaction={"kappa": 0.0},
        habit={"fade": 0.0},
        population={"habit_median": 0.0, "churn_a": a, "churn_b": SHARPNESS - a},
    )


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Shares alive by period, of the cohort and of the frozen people."""
    lost = lab.sums(live, settings.people, settings, seed)
    return {
        name: 1.0 - np.append(0.0, np.cumsum(each)) / settings.people for name, each in lost.items()
    }


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """Losses by period of some people, and of as many that are frozen."""
    alive = losses(lab, people, lab.world, settings.periods, seed)
    lab.told(settings.periods / (settings.periods + FROZEN_PERIODS))
    still = losses(lab, people, frozen(lab.world), FROZEN_PERIODS, seed)
    return {"alive": alive, "frozen": still}


def sbg_losses(a: Floats, b: Floats, periods: int) -> Floats:
    """Share lost in each period and share that stays, (..., periods + 1); Fader & Hardie 2007."""
    share = a / (a + b)
    shares, stay = [], np.ones_like(share)
    for period in range(1, periods + 1):
        shares.append(share)
        stay = stay - share
        share = share * (b + period - 1) / (a + b + period)
    return np.stack([*shares, stay], axis=-1)


def gain_of_sbg(alive: Floats) -> float:
    """Largest log likelihood per person of sBG less that of the geometric model."""
    counts = np.append(-np.diff(alive), alive[-1])
    lived = alive[:-1].sum()
    theta = (1 - alive[-1]) / lived
    geometric = (1 - alive[-1]) * np.log(theta) + (lived - 1 + alive[-1]) * np.log(1 - theta)
    mean = np.linspace(0.005, 0.6, 240)[:, None]
    size = np.geomspace(0.05, 500.0, 240)[None, :]
    shares = sbg_losses(mean * size, (1 - mean) * size, len(alive) - 1)
    return float((counts * np.log(np.maximum(shares, 1e-300))).sum(axis=-1).max() - geometric)


def rates(alive: Floats) -> Floats:
    """Retention rate of each period."""
    rate: Floats = alive[1:] / alive[:-1]
    return rate


def read(series: Series) -> dict[str, float]:
    """Slopes, and the gain in likelihood."""
    rate, hazard = rates(series["alive"]), 1 - rates(series["frozen"])
    period = np.arange(len(rate))
    return {
        "rise": 100 * float(np.polyfit(period, rate, 1)[0]),
        "last_over_first": 100 * float(rate[-1] - rate[0]),
        "sbg_gain": 1000 * gain_of_sbg(series["alive"]),
        "frozen_slope": 100
        * float(np.polyfit(np.arange(len(hazard)), hazard, 1)[0] / hazard.mean()),
        "first_rate": float(rate[0]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Retention rate by period."""
    rate, still = rates(series["alive"]), rates(series["frozen"])
    return chart(
        f"The rate rises by {readings['rise']:.2f} points a period.",
        "period of 60 days",
        "share that stays",
        [
            Curve("cohort", np.arange(1, len(rate) + 1), rate),
            Curve("frozen people", np.arange(1, len(still) + 1), still),
        ],
    )
