"""What does a retention floor cost in revenue?

    python -m longplay.experiments.studies.floors --out docs

AdLoad, scenario `bench`, one decision a session. PPO maximises revenue subject to at least d
returns within a day per session, for five floors d between what PPO achieves that knows revenue
alone (.89) and a platform without ads (.95). Each policy, greedy, is then walked through the study
with held-out people, whom no training has met; what it achieves is their undiscounted sum of
returns over their sum of sessions. J in training is that of the exploring policy. lambda's drift
is how far its mean moves from the first to the second half of the last quarter of training, as a
share of its mean over that quarter.

Last seen (3 seeds, 1,000,000 decisions, 1000 people; docs/floors.md), means over seeds:

    floor   achieved   revenue [money / person]   lambda   drift
    none    .897       3.13
    .90     .908       2.98                       0.01     1.36
    .91     .924       2.62                       0.25     1.43
    .92     .923       2.60                       0.24     1.49
    .93     .942       1.42                       3.78     0.24
    .94     .944       0.89                       7.92     0.06

All five floors are kept, and revenue falls as the floor rises. Not so in every seed: J is a noisy
measure (20,000 sessions are the lives of some 170 people, and have a standard error of .010 under
a fixed layout), the lower floors are overshot by up to .03, and one seed has less revenue under .91
than under .92. lambda settles where the floor binds (.94, within 6 %), not where it returns to 0.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from longplay.agents.registry import train
from longplay.envs.cohort import Cohort
from longplay.experiments.evaluate import EVALUATION_SEED, HELD_OUT
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.studies.trainings import Study, Table, command
from longplay.rewards import Objective, Returned1d, Revenue, rewarded
from longplay.rewards.constraints import Floor, Gains, constrained

if TYPE_CHECKING:
    from longplay.agents.policy import Policy


FLOORS = (0.90, 0.91, 0.92, 0.93, 0.94)  # d [returns / session]; free choice
NAME = "floors"
# Of the controller; free choices. A return is worth, at lambda = 1, ten ad-heavy sessions' revenue:
# with a tenth of that, lambda must climb to 10 and more, and training ends before.
SCALE = 0.3  # [money]
GAINS = Gains(proportional=5.0, integral=4.0)
WINDOW = 30_000  # sessions that J is taken over
EVERY = 5_000  # sessions between updates of lambda


@dataclass(frozen=True)
class Settings:
    """Sizes of the study."""

    seeds: int = 3
    decisions: int = 1_000_000  # of a training
    users: int = 1000  # held-out people
    jobs: int = 2


class Run(NamedTuple):
    """What one policy came to."""

    floor: float  # d [returns / session]; nan: none
    achieved: float  # by held-out people [returns / session]
    trained: float  # J at the end of training [returns / session]; nan without a floor
    revenue: float  # of held-out people [money / person]
    multiplier: float  # mean lambda of the last quarter of training
    drift: float  # of lambda in that quarter [1]


def cohort(num_envs: int, **changes: Any) -> Cohort:
    """People of the study's world."""
    return Cohort("AdLoad", num_envs, scenario="bench", decision="session", threads=1, **changes)


def learn(floor: Floor | None, seed: int, steps: int) -> tuple[Policy, dict[str, list[float]]]:
    """PPO under a floor, and what its constraint was logged to be."""
    objective: Objective = Revenue()
    logged: dict[str, list[float]] = {"lambda": [], "achieved": []}

    def make(num_envs: int, **changes: Any) -> Any:
        people = cohort(num_envs, **changes)
        return (
            rewarded(people, objective) if floor is None else constrained(people, objective, floor)
        )

    def log(name: str, value: float, step: int) -> None:
        kind, _, part = name.partition("/")
        if kind == "constraint" and part in logged:
            logged[part].append(value)

    policy = train("ppo", make, seed=seed, budget_steps=steps, task="AdLoad", log=log)
    return policy, logged


def walk(policy: Policy, users: int, seed: int) -> tuple[float, float]:
    """Returns within a day per session, and revenue per person, of held-out people."""
    people = cohort(users, first_user=HELD_OUT, autoreset_mode="Disabled")
    obs, _ = people.reset(seed=EVALUATION_SEED + seed)
    policy.bind(people)
    rng = np.random.default_rng([EVALUATION_SEED, seed])
    returns = sessions = revenue = 0.0
    actions = np.zeros(users, np.int64)
    while not people.over.all():
        here = ~people.over
        actions[here] = policy.act(obs[here], rng).action
        obs, *_ = people.step(actions)
        out = people.outcomes
        returns += float(Returned1d()(out).sum())
        sessions += float(out["ended"].sum())
        revenue += float(out["revenue"].sum())
    return returns / sessions, revenue / users


def settled(history: Sequence[float]) -> tuple[float, float]:
    """Mean of the last quarter of a history, and its drift there; nan without eight entries."""
    last = np.asarray(history, float)[-(len(history) // 4) :]
    if len(history) < 8:
        return float("nan"), float("nan")
    half = len(last) // 2
    mean = float(last.mean())
    moved = abs(float(last[half:].mean()) - float(last[:half].mean()))
    return mean, moved / mean if mean > 0.0 else moved


def run(at_least: float, seed: int, settings: Settings) -> Table:
    """Train under one floor (0: revenue alone) and walk: a Run as JSON values."""
    floor = None
    if at_least > 0.0:
        signal = Returned1d()
        floor = Floor(signal, at_least, scale=SCALE, window=WINDOW, every=EVERY, gains=GAINS)
    policy, logged = learn(floor, seed, settings.decisions)
    achieved, revenue = walk(policy, settings.users, seed)
    trained = logged["achieved"][-1] if logged["achieved"] else math.nan
    found = Run(at_least or math.nan, achieved, trained, revenue, *settled(logged["lambda"]))
    return found._asdict()


def by_floor(runs: Sequence[Run]) -> list[Run]:
    """Means over seeds, revenue alone (nan) first, then by rising floor."""
    floors = sorted({r.floor for r in runs if r.floor == r.floor})
    groups = [[r for r in runs if r.floor != r.floor]]
    groups += [[r for r in runs if r.floor == floor] for floor in floors]
    return [Run(*np.mean(group, axis=0).tolist()) for group in groups if group]


def runs_of(tables: Mapping[str, Sequence[Table]]) -> list[Run]:
    """Every run, arm by arm."""
    return [Run(**table) for mine in tables.values() for table in mine]


def page(tables: Mapping[str, Sequence[Table]], settings: Settings) -> str:
    """The study as Markdown."""
    runs = runs_of(tables)
    means = by_floor(runs)
    kept = sum(one.achieved >= one.floor - 0.01 for one in means[1:])
    lines = [
        "# What does a retention floor cost in revenue?",
        "",
        f"Made by `python -m longplay.experiments.studies.floors` ({settings.seeds} seeds, "
        f"{settings.decisions:,} decisions of training, {settings.users} held-out people in each). "
        "Do not edit by hand.",
        "",
        "AdLoad, scenario `bench`, by session. PPO maximises revenue subject to so many returns "
        "within a day per session (`longplay.rewards.constrained`); held-out people then live "
        "under what was learnt. Means over seeds, and the seeds themselves in brackets.",
        "",
        f"{kept} of {len(means) - 1} floors are kept to within .01.",
        "",
        f"![Revenue against returns achieved]({NAME}.svg)",
        "",
        "| floor | achieved | J in training | revenue [money / person] | lambda | drift |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for mean in means:
        mine = [one for one in runs if f"{one.floor:.3f}" == f"{mean.floor:.3f}"]
        floor = f"{mean.floor:.2f}" if mean.floor == mean.floor else "none"
        cells = [
            f"{getattr(mean, name):.{digits}f} ("
            + ", ".join(f"{getattr(one, name):.{digits}f}" for one in mine)
            + ")"
            for name, digits in (("achieved", 3), ("trained", 3), ("revenue", 2), ("multiplier", 2),
                                 ("drift", 2))
        ]  # fmt: skip
        lines.append("| " + " | ".join([floor, *cells]).replace("nan", "-") + " |")
    return "\n".join(lines) + "\n"


def figure(tables: Mapping[str, Sequence[Table]], settings: Settings) -> str:
    """Revenue and what was achieved, by floor, as SVG."""
    runs = runs_of(tables)
    means = by_floor(runs)
    return chart(
        "revenue per person against the returns within a day per session that were achieved",
        "returns within a day per session, held-out people",
        "revenue [money]",
        [
            Curve("a run", [r.achieved for r in runs], [r.revenue for r in runs], points=True),
            Curve("mean over seeds", [r.achieved for r in means], [r.revenue for r in means]),
            Curve(
                "floor asked for", [r.floor for r in means], [r.revenue for r in means], dashed=True
            ),
        ],
    )


STUDY = Study(NAME, __doc__ or "", (0.0, *FLOORS), Settings(), run, page, figure)

if __name__ == "__main__":
    sys.exit(command(STUDY))
