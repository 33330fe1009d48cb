"""Which proxy weights make PPO that decides by fetch reach PPO that decides by session?

    python -m longplay.experiments.studies.proxy_weights --out docs

AdLoad, scenario `bench`: ads pay now and cost returns later. PPO is trained to the same budget on
revenue plus one proxy, deciding at every fetch or once a session, with one of two clocks: discounts
of the calendar (the buffers of longplay.agents.rl), or a constant gamma of 0.998 a decision, as
libraries have it. What counts is the value of held-out people (experiments/evaluate.py): revenue
and satisfied days. Proxies are paid at every step by one objective, in money.

Last seen (5 seeds, 300,000 decisions, 500 people; docs/proxy-weights.md): under the calendar none
is needed: by fetch on revenue alone is worth -.006 [-.063, +.056] beside by session. A clock that
counts decisions costs .056 [-.010, .115], and no proxy tried wins it back for sure: a small cost
of absence comes nearest (-.036 [-.097, +.034]), paying for active days makes it worse the more is
paid (-.074 to -.131), and a potential, harmless under the calendar, misleads most (-.178 [-.237,
-.113]). That PPO by fetch collapses to most ads, as was seen in an early trial with this gamma, is
not seen here: it shows 1.12 ads a fetch for 1.00 by session.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import VectorWrapper

from longplay.envs.cohort import Cohort
from longplay.experiments.evaluate import evaluate
from longplay.experiments.facts.picture import standing
from longplay.experiments.report.svg import Canvas, Scale
from longplay.experiments.stats import Bootstrap
from longplay.experiments.studies.trainings import Study, Table, command
from longplay.rewards import parse, rewarded

GAMMA = 0.998  # of a decision, for the clock that counts decisions
NAME = "proxy-weights"


@dataclass(frozen=True)
class Settings:
    """Sizes of the study."""

    seeds: int = 5
    decisions: int = 300_000  # of training
    users: int = 500  # held out, per seed
    jobs: int = 2


@dataclass(frozen=True)
class Arm:
    """A way to train."""

    decision: str  # "fetch" or "session"
    calendar: bool  # discounts of the calendar, or GAMMA a decision
    reward: str

    def __str__(self) -> str:
        clock = "calendar" if self.calendar else f"gamma {GAMMA}"
        return f"{self.decision}, {clock}: {self.reward}"


PROXIES = (
    "revenue",
    "revenue + 0.05 * active_day",
    "revenue + 0.1 * active_day",
    "revenue + 0.2 * active_day",
    "revenue + 0.4 * active_day",
    "revenue + 0.05 * returned_1d",
    "revenue - 0.02 * gap(cap_days=14)",
    "revenue + potential(2.0 * state.active_rate)",
)
ARMS = (
    Arm("session", True, "revenue"),
    Arm("session", False, "revenue"),
    Arm("fetch", True, "revenue"),
    Arm("fetch", True, "revenue + 0.05 * active_day"),
    *(Arm("fetch", False, reward) for reward in PROXIES),
)
GOAL = ARMS[0]


class Counted(VectorWrapper):
    """Every decision discounted alike, as libraries do: by GAMMA, and by 0 at the end of a life."""

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, and forget how long it took."""
        obs, reward, terminated, truncated, info = self.env.step(actions)
        return obs, reward, terminated, truncated, {**info, "discount": GAMMA * ~terminated}


def make_cohort(decision: str, num_envs: int, **overrides: Any) -> Cohort:
    """AdLoad in `bench`."""
    return Cohort("AdLoad", num_envs, scenario="bench", decision=decision, threads=1, **overrides)


def trained(arm: Arm, seed: int, settings: Settings) -> Table:
    """Train an arm and evaluate it: per held-out user its value, revenue and satisfied days."""
    from longplay.agents.rl.sb3 import PPOPolicy

    make: Any = partial(make_cohort, arm.decision)

    def make_paid(num_envs: int, **overrides: Any) -> Any:
        paid = rewarded(make(num_envs, **overrides), parse(arm.reward))
        return paid if arm.calendar else Counted(paid)

    policy = PPOPolicy.train(make_paid, seed=seed, budget_steps=settings.decisions)
    users = evaluate(policy, make, users=settings.users, seed=seed).users
    ads = users["undiscounted_ad_views"].sum() / users["undiscounted_fetches"].sum()
    table = {name: users[name].tolist() for name in ("value", "revenue", "satisfied_days")}
    return {**table, "ads_per_fetch": [float(ads)]}


def judged(tables: dict[str, list[Table]], users: int) -> list[dict[str, Any]]:
    """For each arm its value, and value beyond that of GOAL, person by person."""
    names = [str(arm) for arm in ARMS]
    values = np.array(
        [[t["value"] for t in tables[name]] for name in names]
    )  # (arms, seeds, users)
    boot = Bootstrap(values.shape[1], users, np.random.default_rng(7))
    means = boot.means(values)
    rows = []
    for at, name in enumerate(names):
        beyond = boot.interval(means.difference(at, names.index(str(GOAL))))
        rows.append(
            {
                "name": name,
                "value": float(values[at].mean()),
                "beyond": beyond,
                **{
                    part: float(np.mean([np.mean(t[part]) for t in tables[name]]))
                    for part in ("revenue", "satisfied_days", "ads_per_fetch")
                },
            }
        )
    return rows


def page(tables: dict[str, list[Table]], settings: Settings) -> str:
    """The study as Markdown."""
    rows = judged(tables, settings.users)
    lines = [
        "# Which proxy weights make fetch-level PPO reach session-level PPO?",
        "",
        f"Made by `python -m longplay.experiments.studies.proxy_weights` ({settings.seeds} seeds, "
        f"{settings.decisions:,} decisions of training, {settings.users} held-out people in each). "
        "Do not edit by hand.",
        "",
        "AdLoad, scenario `bench`. Every arm is PPO of the same size, paid by the formula. "
        f"`calendar` discounts by the time that passed; `gamma {GAMMA}` counts decisions, as "
        "libraries do. Value is revenue and satisfied days of held-out people; *beyond* is the "
        f"difference to `{GOAL}`, person by person, with a 95 % interval over people and seeds.",
        "",
        f"![Value beyond the goal, a line an arm]({NAME}.svg)",
        "",
        "| arm | value | beyond | revenue | satisfied days | ads a fetch |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        x = row["beyond"]
        lines.append(
            f"| {row['name']} | {row['value']:.3f} | {x.mean:+.3f} [{x.low:+.3f}, {x.high:+.3f}] | "
            f"{row['revenue']:.3f} | {row['satisfied_days']:.2f} | {row['ads_per_fetch']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def figure(tables: dict[str, list[Table]], settings: Settings) -> str:
    """Value beyond the goal with its interval, a line an arm."""
    rows = judged(tables, settings.users)
    line, left = 25.0, 425.0
    bottom = 50.0 + line * len(rows)
    canvas = Canvas(780.0, bottom + 46.0)
    ends = [x for row in rows for x in (row["beyond"].low, row["beyond"].high)]
    across = Scale.around([0.0, *ends], left, 765.0)
    canvas.x_axis(across, bottom, "value beyond that of the first, a person [money]", 40.0)
    canvas.line((across(0.0), 40.0), (across(0.0), bottom), "axis")
    colours = {("session", True): 0, ("session", False): 3, ("fetch", True): 2, ("fetch", False): 1}
    for at, (arm, row) in enumerate(zip(ARMS, rows, strict=True)):
        y, colour = 54.0 + line * at, f"c{colours[arm.decision, arm.calendar]}"
        beyond = row["beyond"]
        canvas.text((0.0, y + 4.0), row["name"])
        canvas.line((across(beyond.low), y), (across(beyond.high), y), colour)
        canvas.marker((across(beyond.mean), y), "point", colour, size=4.0)
    return standing(canvas, "Value of every arm beyond that of session-level PPO, with intervals.")


STUDY = Study(NAME, __doc__ or "", ARMS, Settings(), trained, page, figure)

if __name__ == "__main__":
    sys.exit(command(STUDY))
