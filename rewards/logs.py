"""Logs: what happened to people under a policy, as one Step with a row a decision.

    log = record(cohort, act, seed=7, parts=("state", "next_state"))
    objective(log)                             # labels every decision
    users, worth = per_user(log, objective(log))

Objectives that need more than outcomes say so (`objective.needs`); pass that as `parts`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv

from longplay.rewards.step import Step, Values, joined
from longplay.rewards.watching import Watcher

Act = Callable[[Any], npt.NDArray[Any]]  # observations of all users -> actions


def record(
    env: VectorEnv[Any, Any, Any], act: Act, *, seed: int, parts: Iterable[str] = ()
) -> Step:
    """The whole lives of an env's users within its study, decision by decision.

    Args:
        env: a VectorEnv around a Cohort with autoreset mode DISABLED.
        act: chooses actions for all users; those of the dead change nothing, but must be actions of
            the world, too.
        seed: of the world.
        parts: names of parts of a Step beyond its outcomes.

    Returns:
        a Step (rows,), in order of time; the rows of one user are in the order of their life.

    Raises:
        ValueError: another autoreset mode.
        TypeError: `env` does not show the parts.
    """
    if env.metadata.get("autoreset_mode") != AutoresetMode.DISABLED:
        raise ValueError(
            f"autoreset_mode={env.metadata.get('autoreset_mode')} came; a log is of whole lives: "
            'make the environment with autoreset_mode="Disabled"'
        )
    watcher = Watcher(env, parts)
    base: Any = env.unwrapped
    obs, _ = env.reset(seed=seed)
    watcher.begin(obs)
    steps = []
    while not base.over.all():
        obs, _, _, _, info = env.step(act(obs))
        step = watcher.step(obs, info)
        steps.append(step[np.flatnonzero(step.outcomes["fetches"] > 0)])
    return joined(steps)


def per_user(log: Step, values: Values) -> tuple[npt.NDArray[np.int64], Values]:
    """Sums of `values` (rows,) by user: their numbers (users,), sorted, and the sums (users,).

    Raises:
        ValueError: not one number a row of the log.
    """
    if np.shape(values) != log.outcomes.shape or log.outcomes.ndim != 1:
        raise ValueError(
            f"values of shape {np.shape(values)} came for a log of shape {log.outcomes.shape}; "
            "give one number a row, e.g. objective(log)"
        )
    users, at = np.unique(log.outcomes["user"], return_inverse=True)
    return users, np.asarray(np.bincount(at, values, len(users)), np.float64)
