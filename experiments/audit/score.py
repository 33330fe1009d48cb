"""What a policy does to people, in the audited reward and in what it stands for.

Of every person, over the whole study and discounted by the calendar (gamma the world's, of a day):

    reward = sum_k gamma^(t_k / 24) reward_k,    value as in evaluate.py, equation (1)      (1)

Policies meet the same people with the same luck, so that differences are taken person by person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from longplay.experiments.evaluate import BATCH, Tally, check_finite
from longplay.experiments.paired import Floats
from longplay.experiments.stats import Bootstrap, Interval
from longplay.rewards import Objective, rewarded

if TYPE_CHECKING:
    from longplay.agents.policy import Policy
    from longplay.envs.cohort import Cohort

# Of every person; all but the first two are parts of the picture, not of the verdict.
MEASURES = ("reward", "value", "satisfied_days", "revenue", "active_days", "minutes")
SEED = 80  # of the bootstrap
Scores = Mapping[str, Floats]  # measure -> (users,)


def score(
    policy: Policy,
    make_cohort: Callable[..., Cohort],
    objective: Objective,
    *,
    users: int,
    first_user: int,
    seed: int,
    batch: int = BATCH,
) -> dict[str, Floats]:
    """MEASURES of each person under a policy that does not learn.

    Args:
        policy: asked for its action in every decision.
        make_cohort: ``make_cohort(num_envs, **keywords of Cohort)``.
        objective: the audited reward.
        users: how many people, from ``first_user`` on.
        seed: of the world.
        batch: people walked side by side; the numbers do not depend on it unless the policy draws.

    Raises:
        NotFinite: the objective sums to no number.
    """
    parts: list[dict[str, Floats]] = []
    for first in range(0, users, batch):
        cohort = make_cohort(
            min(batch, users - first),
            first_user=first_user + first,
            autoreset_mode="Disabled",
            threads=None,
        )
        parts.append(live(policy, cohort, objective, seed, np.random.default_rng((seed, first))))
    return {name: np.concatenate([part[name] for part in parts]) for name in MEASURES}


def live(
    policy: Policy, cohort: Cohort, objective: Objective, seed: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """Every person of one cohort, from the study's start to the end of all: equation (1)."""
    env = rewarded(cohort, objective)
    obs, _ = env.reset(seed=seed)
    policy.bind(cohort)
    tally = Tally(cohort)
    earned = np.zeros(cohort.num_envs)
    while not cohort.over.all():
        action = policy.act(obs, rng).action
        with np.errstate(over="ignore", invalid="ignore"):  # sums are looked at below
            obs, reward, terminated, _, _ = env.step(action)
            out = cohort.outcomes
            weight = np.where(out["fetches"] > 0, tally.gamma ** (out["clock"] / 24.0), 0.0)
            earned += weight * reward
        check_finite(str(objective), earned)
        tally.add(out, action, np.asarray(terminated, bool))
    people = tally.result().users
    return {"reward": earned, **{name: people[name].copy() for name in MEASURES[1:]}}


def intervals(values: Sequence[Floats], level: float = 0.95) -> list[Interval]:
    """Intervals over people of the means of values, each (users,)."""
    stacked = np.stack(values)[:, None, :]  # (k, seeds = 1, users)
    boot = Bootstrap(1, stacked.shape[2], np.random.default_rng(SEED), level=level)
    return boot.intervals(boot.means(stacked))
