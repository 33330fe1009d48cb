"""F45: a surrogate index of a sixth of the time comes near the effect on the whole.

Of a job training (GAIN) the effect on employment was .064 as a mean of 36 quarters. The mean of the
first six said .117; an index of these six quarters, learnt from people of whom all 36 were known,
said .061 (Athey, Chetty, Imbens, Kang 2019, https://www.nber.org/papers/w26463 [S]).

Simulated: for three weeks one arm meets better slates, which reach less deep into the platform's
ranking; then all live as before. Weeks stand for quarters: the outcome is the mean of the active
days of 36 weeks, and the surrogates are those of each of the first six. The index is the linear
regression of the outcome on the surrogates among other people, who live as ever.

Departures. Near the end of the help nobody stays away for more than eight days beyond it
(lab.go_on). What is changed, how much and for how long is a free choice: a help that ends and then
fades, as a training does; three weeks and a tenth of the reach, after a trial with a third, whose
effects were too small beside their noise (index 2.1 of the truth, .4 to 3.8). Deaths count by their
probability (lab.watch). `last` is the effect of the last week before the index is drawn up.

The index promises too much: a week's active days tell above all who a person is and whether they
are still there, which lasts, so that a gain of one day in each of the six weeks counts as one of
three quarters of a day for ever (`kept`). The help moved satisfaction, which fades: by .045 at its
end, .009 three weeks later and .001 after another six (a trial with 500 people). What is moved and
what tells people apart were more alike in the training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.envs.scenarios import World
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, mixture, undying, watch
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.facts.stages import OTHERS

WEEKS, EARLY, HELPED = 36, 6, 3
REACH = 0.1  # of a usual slate; free choice


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int  # in each arm
    others: int  # who give the index


SETTINGS = {"full": Settings(900, 1500), "quick": Settings(80, 200)}
FACT = Fact(
    id="F45",
    title="A surrogate index of a sixth of the time comes near the effect on the whole",
    source="Athey, Chetty, Imbens, Kang 2019, https://www.nber.org/papers/w26463",
    mark="[S]",
    expected="index within 25 % of the truth; the mean of the same time off by more than 50 %",
    tier="report",
    checks=(
        # quick: effects of 80 people: sd of a ratio about .5
        Check("index", "index over true effect [1]", 0.75, 1.25, (0.0, 2.5)),
        Check("naive", "early mean over true effect [1]", low=1.5, quick=(0.5, 100.0)),
        Check("truth", "effect on the active days of a week, mean of 36 [%]"),
        Check("kept", "what the index makes of a gain of 1 in each early week [1]"),
        Check("last", "effect in the sixth week over the true effect [1]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Active days by week without and with help, (2, 36); `moments` of other people, a person."""
    lived = lab.sums(live, settings.people, seed)["lived"]
    others = lab.sums(live_as_ever, settings.others, seed, first=OTHERS)["moments"]
    return {"lived": lived / settings.people, "moments": others / settings.others}


def live(lab: Lab, people: range, seed: int) -> dict[str, Floats]:
    """Active days of some people by week without and with help, (2, 36)."""
    better = lab.world.replace("better", serving={"reach": REACH * lab.world.serving.reach})
    lived = []
    for arm, first in enumerate((lab.world, better)):
        lived.append(in_turn(lab, first, people, seed))
        lab.told((arm + 1) / 2)
    return {"lived": np.stack(lived)}


def in_turn(lab: Lab, first: World, people: range, seed: int) -> Floats:
    """Active days by week, (36,), in one world at first and in the usual one then.

    Weighted by the probability to be still there.
    """
    choose, alive = mixture((7,), (3, 7), 0.5), np.ones(len(people))
    edges = 7.0 * np.arange(HELPED + 1)
    cohort = lab.cohort(
        len(people), 1, float(edges[-1]), seed, world=undying(first), first=people.start
    )
    early = watch(cohort, choose, ("active_day",), edges, mortal=first, alive=alive)
    later = 7.0 * np.arange(HELPED, WEEKS + 1)
    cohort = lab.go_on(cohort, float(later[-1]), undying(lab.world))
    late = watch(cohort, choose, ("active_day",), later, mortal=lab.world, alive=alive)
    days = np.concatenate([early["active_day"], late["active_day"]], axis=1)
    by_week: Floats = days.sum(axis=0)
    return by_week


def live_as_ever(lab: Lab, people: range, seed: int) -> dict[str, Floats]:
    """`moments` of some people whom nobody helps."""
    cohort = lab.cohort(len(people), 1, 7.0 * WEEKS, seed, first=people.start)
    choose = mixture((7,), (3, 7), 0.5)
    sums = watch(cohort, choose, ("active_day",), 7.0 * np.arange(WEEKS + 1), lab.told)
    return {"moments": moments(sums["active_day"])}


def moments(days: Floats) -> Floats:
    """Products of 1, the surrogates and the outcome, (8, 8), summed over days (people, 36)."""
    row = np.column_stack([np.ones(len(days)), days[:, :EARLY], days.mean(axis=1)])
    products: Floats = row.T @ row
    return products


def index_of(products: Floats) -> Floats:
    """Weights of the surrogates in the linear regression of the outcome, (6,)."""
    solved: Any = np.linalg.solve(products[:-1, :-1], products[:-1, -1])
    weights: Floats = solved[1:]
    return weights


def read(series: Series) -> dict[str, float]:
    """Index and early mean over the true effect."""
    usual, helped = series["lived"]
    effect = helped - usual
    truth = effect.mean()
    index = index_of(series["moments"])
    return {
        "index": float(effect[:EARLY] @ index / truth),
        "naive": float(effect[:EARLY].mean() / truth),
        "truth": 100.0 * float(truth / usual.mean()),
        "kept": float(index.sum()),
        "last": float(effect[EARLY - 1] / truth),
    }


def figure(series: Series, readings: Readings) -> str:
    """The effect by week, with its mean, the early mean and the index."""
    usual, helped = series["lived"]
    effect = helped - usual
    truth = float(effect.mean())
    weeks = np.arange(1, WEEKS + 1)
    ends = [1, WEEKS]
    return chart(
        f"The index is {readings['index']:.2f} of the true effect, the early mean "
        f"{readings['naive']:.2f}.",
        "week",
        "effect on active days of a week",
        [
            Curve("effect", weeks, effect),
            Curve("its mean", ends, [truth] * 2, colour=2),
            Curve("index", ends, [truth * readings["index"]] * 2, dashed=True, colour=1),
            Curve("early mean", [1, EARLY], [truth * readings["naive"]] * 2, dashed=True, colour=3),
        ],
    )
