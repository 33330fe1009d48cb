"""The best fixed rule of a world, as a reference: what can be had without looking at anybody.

Chosen by the value of whole lives of training users, so it is judged on other people and under
other luck than it was chosen on: the best of many tried is not rewarded for having been lucky.
"""

from __future__ import annotations

import itertools
from typing import Any, Self

import numpy as np

from longplay.agents import rollouts
from longplay.agents.fixed import PRODUCTION, FixedLayout, Weights
from longplay.agents.policy import Log, MakeCohort, Progress
from longplay.agents.privileged import ARMS, JUDGES, best_fixed, best_of, milestones
from longplay.agents.registry import agent
from longplay.envs.spaces import SCORERS
from longplay.envs.state import LAYOUTS

USERS = 1024  # training users on whom the last five are told apart


@agent(
    "best-fixed",
    about="privileged: the fixed rule of the highest value over whole lives of training users",
    tasks=("AdLoad",),
    privileged=True,
)
class BestLayout(FixedLayout):
    """The best of all 22 ad layouts, the same in every fetch."""

    @classmethod
    def train(
        cls,
        make_cohort: MakeCohort,
        *,
        seed: int,
        budget_steps: int,
        progress: Progress | None = None,
        log: Log | None = None,
        users: int = USERS,
        **settings: Any,
    ) -> Self:
        """Try every layout on training users; the budget of decisions does not matter."""
        best = best_fixed(make_cohort, ARMS, rollouts.as_chosen, seed=seed, users=users)
        milestones(progress, budget_steps)(1.0)
        return cls(LAYOUTS[best])


def score_weights() -> list[dict[str, float]]:
    """The rules tried on Feed: 29 of them, a free choice.

    Each of the six scorers alone; affinity 1 with attraction in -0.5, 0, 0.5, quality in 0, 0.5, 1
    and rest in 0, 0.5; the same without rest and with quality 1 and affinity 0 or 0.5; and the
    agent `production`.
    """
    rules = [{scorer: 1.0} for scorer in SCORERS]
    for attraction, quality, rest in itertools.product((-0.5, 0.0, 0.5), (0.0, 0.5, 1.0), (0, 0.5)):
        rules.append(dict(affinity=1.0, attraction=attraction, quality=quality, rest=rest))
    for affinity, attraction in itertools.product((0.0, 0.5), (-0.5, 0.0, 0.5)):
        rules.append(dict(affinity=affinity, attraction=attraction, quality=1.0))
    rules.append(dict(PRODUCTION))
    tried = [{name: w for name, w in rule.items() if w} for rule in rules]
    return [rule for i, rule in enumerate(tried) if rule not in tried[:i]]


@agent(
    "best-fixed",
    about="privileged: the fixed rule of the highest value over whole lives of training users",
    tasks=("Feed",),
    privileged=True,
    asks={"Feed": {"action": "weights"}},
)
class BestWeights(Weights):
    """The best of `score_weights`, the same in every fetch."""

    @classmethod
    def train(
        cls,
        make_cohort: MakeCohort,
        *,
        seed: int,
        budget_steps: int,
        progress: Progress | None = None,
        log: Log | None = None,
        users: int = USERS // 2,
        **settings: Any,
    ) -> Self:
        """Try every rule on training users; the budget of decisions does not matter."""
        rules = score_weights()

        def heat(rule: int, n: int) -> float:
            court = make_cohort(n, autoreset_mode="DISABLED", first_user=JUDGES)
            row = Weights(**rules[rule]).vector
            lives = rollouts.whole_lives(court, lambda c: np.tile(row, (c.num_envs, 1)), seed)
            return float(lives.mean())

        best = best_of(len(rules), heat, users)
        milestones(progress, budget_steps)(1.0)
        return cls(**rules[best])
