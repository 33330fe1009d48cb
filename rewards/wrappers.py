"""`rewarded(env, objective)`: the same world, paid by another objective.

One function for one user (Session, or any gymnasium.Env around one), for many (Cohort, or any
VectorEnv around one), and for an SB3 VecEnv over a cohort; it returns the same kind. Spaces, spec
and observations stay as they are; `info["reward_parts"]` holds the parts whose sum the reward is.

Rewards are of the users who acted: a step that only resets a life, or steps a finished one
(autoreset modes NEXT_STEP and DISABLED), pays 0. With SAME_STEP the reward belongs to the life
that ended, as do the parts, and the observation to the one that begins.

Reset and step through the outermost wrapper. A reset of the inner environment past it goes unseen:
objectives of states would then pay the next step from where the former life stood.
"""

from typing import Any, TypeVar, cast

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorWrapper

from longplay.rewards.objective import Objective, as_objective, total
from longplay.rewards.watching import Watcher, Watching, check_window

E = TypeVar("E")


def rewarded(env: E, objective: Objective) -> E:
    """`env` with `objective` as its reward.

    Args:
        env: a gymnasium.Env around one Session (also from gym.make), a VectorEnv around a Cohort
            (also from gym.make_vec), or a VecEnv that offers `rewrap`, such as CohortVecEnv.
        objective: a signal or a sum of signals, e.g. `0.7 * Minutes() - 0.3 * Skips()`.

    Raises:
        TypeError: `env` is none of these or does not show what the objective needs, or
            `objective` is none.
        ValueError: the study is shorter than the objective looks ahead.
    """
    as_objective(objective)
    if isinstance(env, VectorEnv):
        return cast(E, RewardedVector(env, objective))
    if isinstance(env, gymnasium.Env):
        return cast(E, Rewarded(env, objective))
    if hasattr(type(env), "rewrap"):  # of the type: SB3's wrappers forward attributes
        return cast(E, cast(Any, env).rewrap(lambda inner: rewarded(inner, objective)))
    if hasattr(env, "rewrap"):
        raise TypeError(
            f"{type(env).__name__} lies around the VecEnv to be rewarded and would be lost; "
            "reward that one first, then wrap it"
        )
    raise TypeError(
        f"{type(env).__name__} cannot be rewarded; give a gymnasium.Env, a VectorEnv or a "
        "CohortVecEnv (environments inside another vector: reward each before it is put there)"
    )


class Rewarded(Watching, gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """One user's environment, paid by an objective. Made by `rewarded`."""

    def __init__(self, env: gymnasium.Env[Any, Any], objective: Objective) -> None:
        RecordConstructorArgs.__init__(self, objective=objective)
        gymnasium.Wrapper.__init__(self, env)
        self.objective = objective
        check_window(env, objective)
        self._watcher = Watcher(env, objective.needs, objective)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step, and pay by the objective."""
        obs, _, terminated, truncated, info = self.env.step(action)
        parts = self.objective.parts(self._watcher.step(obs, info))
        single = {label: float(np.sum(part)) for label, part in parts.items()}
        return obs, sum(single.values()), terminated, truncated, {**info, "reward_parts": single}


class RewardedVector(Watching, VectorWrapper):
    """A cohort, paid by an objective. Made by `rewarded`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], objective: Objective) -> None:
        super().__init__(env)
        self.objective = objective
        check_window(env, objective)
        self._watcher = Watcher(env, objective.needs, objective)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all users, and pay by the objective."""
        obs, _, terminated, truncated, info = self.env.step(actions)
        parts = self.objective.parts(self._watcher.step(obs, info))
        return obs, total(parts), terminated, truncated, {**info, "reward_parts": parts}
