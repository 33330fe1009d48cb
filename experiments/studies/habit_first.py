"""Habit first: does the learned ad policy invest while habit forms, and harvest later?

    python -m longplay.experiments.studies.habit_first --out docs

PPO learns the ad load of AdLoad `bench` by session, from revenue discounted by the calendar, in the
world as it is and in the same world where habit changes nothing (`bench without habit`). Held-out
people are then watched under what was learnt: ads a fetch while the account is young and habit
still forms, and later, each person beside themselves. Investing means fewer ads first. The policy
sees no habit, only what goes with it: tenure (28 days at most), active days, visits, streaks.

Last seen (3 seeds, 300,000 decisions, 600 people; docs/habit-first.md): it does invest. After the
first three weeks a person gets .27 [.23, .31], .23 [.20, .27] and .23 [.19, .27] more ads a fetch.
Most of that is not for habit's sake: where habit changes nothing it is .20, .14 and .16, since who
is young there is as likely to leave, and satisfaction has yet to grow. Habit is behind the rest, a
quarter to two fifths.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.cohort import Cohort
from longplay.experiments.evaluate import EVALUATION_SEED, HELD_OUT
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.stats import Interval
from longplay.experiments.studies.trainings import Study, Table, command

NAME = "habit-first"
WORLDS = ("bench", "bench without habit")
YOUNG = 21.0  # age of the account up to which habit forms fastest [day]; free choice
AGES = np.arange(14.0, 78.0, 7.0)  # edges of the picture [day]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """Sizes of the study."""

    seeds: int = 3
    decisions: int = 300_000  # of training
    users: int = 600  # held out, per seed
    jobs: int = 2


def make_cohort(scenario: str, num_envs: int, **overrides: Any) -> Cohort:
    """AdLoad by session."""
    keywords = {"scenario": scenario, "decision": "session", "threads": 1, **overrides}
    return Cohort("AdLoad", num_envs, **keywords)


def watched(scenario: str, seed: int, settings: Settings) -> Table:
    """Train, then watch: fetches and ads of every held-out person in each week of age, and habit.

    Returns:
        "fetches", "ads" and "habit" (summed over fetches), each (users, len(AGES)).
    """
    from longplay.agents.rl.sb3 import PPOPolicy

    make: Any = partial(make_cohort, scenario)
    policy = PPOPolicy.train(make, seed=seed, budget_steps=settings.decisions)
    cohort: Cohort = make(settings.users, first_user=HELD_OUT, autoreset_mode="Disabled")
    obs, _ = cohort.reset(seed=EVALUATION_SEED + seed)
    rng = np.random.default_rng(seed)
    births = cohort.users["birth"].copy()
    sums = {name: np.zeros((settings.users, len(AGES))) for name in ("fetches", "ads", "habit")}
    while not cohort.over.all():
        habit = cohort.users["habit"].copy()
        obs, *_ = cohort.step(policy.act(obs, rng).action)
        out = cohort.outcomes
        age = (out["clock"] - births) / 24.0
        lived = (out["fetches"] > 0) & (age >= AGES[0])
        at = np.flatnonzero(lived), np.searchsorted(AGES, age[lived], side="right") - 1
        for name, amount in (
            ("fetches", out["fetches"]),
            ("ads", out["ads"]),
            ("habit", habit * out["fetches"]),
        ):
            np.add.at(sums[name], at, amount[lived])
    return {name: table.tolist() for name, table in sums.items()}


def later_less_early(table: Table, name: str = "ads") -> Interval:
    """A person's `name` a fetch later, less that of their account's first YOUNG days.

    Over the people with fetches in both; 95 % by the normal approximation over people.
    """
    fetches, amount = np.array(table["fetches"]), np.array(table[name])
    young = AGES < YOUNG
    early, late = fetches[:, young].sum(axis=1), fetches[:, ~young].sum(axis=1)
    both = (early > 0) & (late > 0)
    change = (
        amount[both][:, ~young].sum(axis=1) / late[both]
        - amount[both][:, young].sum(axis=1) / early[both]
    )
    mean, reach = float(change.mean()), 1.96 * float(change.std(ddof=1)) / math.sqrt(len(change))
    return Interval(mean, mean - reach, mean + reach)


def by_age(tables: Sequence[Table], name: str) -> Floats:
    """`name` a fetch by week of age, over all people and seeds (len(AGES),)."""
    fetches = sum(np.array(t["fetches"]).sum(axis=0) for t in tables)
    amount: Floats = sum(np.array(t[name]).sum(axis=0) for t in tables) / np.maximum(fetches, 1.0)
    return amount


def page(tables: dict[str, list[Table]], settings: Settings) -> str:
    """The study as Markdown."""
    lines = [
        "# Does the learned ad policy invest while habit forms, and harvest later?",
        "",
        f"Made by `python -m longplay.experiments.studies.habit_first` ({settings.seeds} seeds, "
        f"{settings.decisions:,} decisions of training, {settings.users} held-out people in each). "
        "Do not edit by hand.",
        "",
        f"Ads a fetch after the account's first {YOUNG:g} days, less those before, each person "
        "beside themselves, with a 95 % interval over people; one column a training seed. Above 0 "
        "is investing first and harvesting later. The policy is PPO by session on revenue, "
        "discounted by the calendar.",
        "",
        f"![Ads a fetch by age of the account]({NAME}.svg)",
        "",
        "| world | " + " | ".join(f"seed {s}" for s in range(settings.seeds)) + " | habit, later |",
        "|---|" + "---:|" * (settings.seeds + 1),
    ]
    for world, mine in tables.items():
        cells = [later_less_early(table) for table in mine]
        habit = np.mean([later_less_early(table, "habit").mean for table in mine])
        lines.append(
            f"| {world} | "
            + " | ".join(f"{x.mean:+.3f} [{x.low:+.3f}, {x.high:+.3f}]" for x in cells)
            + f" | {habit:+.3f} |"
        )
    lines += ["", "| age of the account from [day] | " + " | ".join(f"{a:g}" for a in AGES) + " |"]
    lines.append("|---|" + "---:|" * len(AGES))
    for world, mine in tables.items():
        for name in ("ads", "habit"):
            line = " | ".join(f"{x:.2f}" for x in by_age(mine, name))
            lines.append(f"| {world}: {name} a fetch | {line} |")
    return "\n".join(lines) + "\n"


def figure(tables: dict[str, list[Table]], settings: Settings) -> str:
    """Ads a fetch by age of the account, a line a world."""
    curves = [Curve(world, AGES + 3.5, by_age(mine, "ads")) for world, mine in tables.items()]
    return chart(
        "Ads a fetch by age of the account, with and without habit.",
        "age of the account [day]",
        "ads a fetch",
        curves,
    )


STUDY = Study(NAME, __doc__ or "", WORLDS, Settings(), watched, page, figure)

if __name__ == "__main__":
    sys.exit(command(STUDY))
