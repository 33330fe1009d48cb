"""Several rewards at once: `vector_rewarded(env, [Minutes(), Revenue()])`, and back to one.

By MO-Gymnasium's convention (checked against mo-gymnasium 1.3.2): `step` returns a float64 vector
as its reward, (d,) of one user, (n, d) of a cohort; `env.unwrapped.reward_space` is the Box of one
user's vector; and `scalarised` stands where `LinearReward` does, with the vector in
`info["vector_reward"]`. What reads that convention, reads these environments.

Rewards are of the users who acted, as in `rewarded`: blank rows hold zeros.
"""

from collections.abc import Iterable
from typing import Any, TypeVar, cast

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorWrapper

from longplay.rewards.objective import Objective, as_objective
from longplay.rewards.scalarise import Linear, Preference, Utility
from longplay.rewards.step import Step
from longplay.rewards.sums import Named, Product, WeightedSum
from longplay.rewards.watching import Watcher, Watching, check_window

E = TypeVar("E")
Vectors = npt.NDArray[np.float64]  # (..., d)


def vector_rewarded(env: E, objectives: Iterable[Objective]) -> E:
    """`env` with one reward for each objective.

    `info["reward_parts"]` holds the columns by label. The reward space is also set on the bottom
    environment, since learners ask `env.unwrapped` for it; the last wrapper has the say.

    Args:
        env: a gymnasium.Env around one Session, or a VectorEnv around a Cohort.
        objectives: d >= 1 objectives with different labels, e.g. [Minutes(), -1.0 * Skips()].

    Raises:
        TypeError: `env` is none of these or does not show what an objective needs, or an objective
            is none.
        ValueError: no objective, two of one label, or a study shorter than one looks ahead.
    """
    given = _objectives(objectives)
    if isinstance(env, VectorEnv):
        return cast(E, VectorRewardedVector(env, given))
    if isinstance(env, gymnasium.Env):
        return cast(E, VectorRewarded(env, given))
    if hasattr(env, "rewrap"):
        raise TypeError(
            f"{type(env).__name__} takes one reward a user; give it the vector environment "
            "scalarised: CohortVecEnv(scalarised(vector_rewarded(cohort, ...), Linear(...)))"
        )
    raise TypeError(
        f"{type(env).__name__} cannot be given vector rewards; give a gymnasium.Env or a VectorEnv"
    )


def scalarised(env: E, scalariser: Preference, *, per_step: bool = False) -> E:
    """`env`, whose rewards are vectors, paid by one number a step.

    What `Linear` pays sums up to its value of the return. Of any other utility u it does not: the
    sum of u(reward) over steps is not u(return), and to maximise it is another aim. So it is
    refused unless `per_step=True` says that every step's own vector is meant. CVaR compares users
    and `Lexicographic` policies; neither can be paid per step.

    `info["vector_reward"]` holds the vectors, `info["reward_parts"]` the weighted columns of
    `Linear` (others: the one number), and `info["reward_weights"]` its weights.

    Args:
        env: a gymnasium.Env or VectorEnv with `env.unwrapped.reward_space`: of `vector_rewarded`,
            or any by MO-Gymnasium's convention.
        scalariser: `Linear`, or with `per_step` another `Utility`.
        per_step: whether a nonlinear utility is meant of every step's own vector.

    Raises:
        TypeError: `env` has no vector rewards, or `scalariser` is none that a step can be paid by.
        ValueError: another number of objectives, or a nonlinear utility without `per_step`.
    """
    utility = _payable(scalariser, per_step)
    if not isinstance(env, (VectorEnv, gymnasium.Env)):
        raise TypeError(
            f"{type(env).__name__} cannot be scalarised; give a gymnasium.Env or a VectorEnv "
            "with vector rewards, then wrap it for SB3"
        )
    space = getattr(env.unwrapped, "reward_space", None)
    if space is None:
        raise TypeError(f"{env} has no vector rewards; give it some with vector_rewarded first")
    if space.shape != (utility.dimension,):
        raise ValueError(
            f"{utility} judges {utility.dimension} objectives, and rewards of shape {space.shape} "
            "come; give one weight for each"
        )
    if isinstance(env, VectorEnv):
        return cast(E, ScalarisedVector(env, utility))
    return cast(E, Scalarised(env, utility))


class VectorRewarded(Watching, gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """One user's environment, paid by several objectives. Made by `vector_rewarded`."""

    def __init__(self, env: gymnasium.Env[Any, Any], objectives: Iterable[Objective]) -> None:
        given = _objectives(objectives)
        RecordConstructorArgs.__init__(self, objectives=given)
        gymnasium.Wrapper.__init__(self, env)
        self.objectives = given
        self._watcher = _watcher(env, given)
        self.reward_space = _set_space(env, given)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and pay a vector (d,)."""
        obs, _, terminated, truncated, info = self.env.step(action)
        reward = _reward(self.objectives, self._watcher.step(obs, info))[0]
        parts = {o.label: float(x) for o, x in zip(self.objectives, reward, strict=True)}
        return obs, reward, terminated, truncated, {**info, "reward_parts": parts}


class VectorRewardedVector(Watching, VectorWrapper):
    """A cohort, paid by several objectives. Made by `vector_rewarded`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], objectives: Iterable[Objective]) -> None:
        super().__init__(env)
        self.objectives = _objectives(objectives)
        self._watcher = _watcher(env, self.objectives)
        self.reward_space = _set_space(env, self.objectives)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all users, and pay vectors (n, d)."""
        obs, _, terminated, truncated, info = self.env.step(actions)
        reward = _reward(self.objectives, self._watcher.step(obs, info))
        parts = {o.label: reward[:, i] for i, o in enumerate(self.objectives)}
        return obs, reward, terminated, truncated, {**info, "reward_parts": parts}


class Scalarised(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """One user's environment, its vector rewards made one number. Made by `scalarised`."""

    def __init__(self, env: gymnasium.Env[Any, Any], scalariser: Utility) -> None:
        RecordConstructorArgs.__init__(self, scalariser=scalariser)
        gymnasium.Wrapper.__init__(self, env)
        self.scalariser = scalariser
        self._names = _names_of(env, scalariser.dimension)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step, and pay one number."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        vectors = np.reshape(np.asarray(reward, np.float64), (1, -1))
        paid, more = _scalar(self.scalariser, vectors, _acted(self.env), self._names)
        parts = {name: float(x[0]) for name, x in more.pop("reward_parts").items()}
        single = {key: value[0] for key, value in more.items()} | {"reward_parts": parts}
        return obs, float(paid[0]), terminated, truncated, {**info, **single}


class ScalarisedVector(VectorWrapper):
    """A cohort, its vector rewards made one number a user. Made by `scalarised`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], scalariser: Utility) -> None:
        super().__init__(env)
        self.scalariser = scalariser
        self._names = _names_of(env, scalariser.dimension)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all users, and pay (n,)."""
        obs, reward, terminated, truncated, info = self.env.step(actions)
        vectors = np.asarray(reward, np.float64)
        paid, more = _scalar(self.scalariser, vectors, _acted(self.env), self._names)
        return obs, paid, terminated, truncated, {**info, **more}


def _objectives(objectives: Iterable[Objective]) -> tuple[Objective, ...]:
    if isinstance(objectives, Objective) or not hasattr(objectives, "__iter__"):
        raise TypeError(
            f"{objectives!r} came; give a list of objectives, e.g. [Minutes(), Revenue()]; "
            "for a single one there is rewarded"
        )
    given = tuple(map(as_objective, objectives))
    if not given:
        raise ValueError("no objectives came; give at least one, e.g. [Minutes(), Revenue()]")
    labels = [objective.label for objective in given]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"two objectives are called {label!r}; give each once")
    return given


def _payable(scalariser: object, per_step: bool) -> Utility:
    """The scalariser as one that a step can be paid by."""
    if not isinstance(scalariser, Preference):
        raise TypeError(f"{scalariser!r} is no scalariser; give one, e.g. Linear((1.0, 0.5))")
    if not isinstance(scalariser, Utility):
        raise TypeError(
            f"{scalariser} compares {'users' if scalariser.criterion == 'users' else 'policies'} "
            "and cannot be paid per step; pay a Linear one, and judge the returns by its `best`"
        )
    if not isinstance(scalariser, Linear) and not per_step:
        raise ValueError(
            f"{scalariser} is of returns, and its values per step do not sum up to it; pay a "
            "Linear one and judge returns by `of`, or say per_step=True if each step is meant"
        )
    return scalariser


def _watcher(env: Any, objectives: tuple[Objective, ...]) -> Watcher:
    """Gathers what all objectives need."""
    for objective in objectives:
        check_window(env, objective)
    whose = [str(objective) for objective in objectives if objective.needs]
    needs = frozenset[str]().union(*(objective.needs for objective in objectives))
    return Watcher(env, needs, " and ".join(whose))


def _set_space(env: Any, objectives: tuple[Objective, ...]) -> Box:
    """The Box of one user's vector, also set at the bottom of `env`."""
    low, high = np.array([_range(objective) for objective in objectives]).T
    space = Box(low, high, dtype=np.float64)
    env.unwrapped.reward_space = space
    return space


def _range(objective: Objective) -> tuple[float, float]:
    """Bounds of an objective in any row; blank rows are 0."""
    low, high = _bounds(objective)
    return min(low, 0.0), max(high, 0.0)


def _bounds(objective: Objective) -> tuple[float, float]:
    """Bounds in rows in which somebody acted, from the ranges of terms, factors, what is named."""
    if isinstance(objective, Named):
        return _bounds(objective.inner)
    if isinstance(objective, Product):
        low, high = _bounds(objective.factors[0])
        for factor in objective.factors[1:]:
            ends = [_times(a, b) for a in (low, high) for b in _bounds(factor)]
            low, high = min(ends), max(ends)
        return low, high
    if isinstance(objective, WeightedSum):
        low = high = 0.0
        for weight, term in objective.terms():
            ends = [_times(weight, end) for end in _bounds(term)]
            low, high = low + min(ends), high + max(ends)
        return low, high
    return getattr(objective, "range", (-np.inf, np.inf))


def _times(a: float, b: float) -> float:
    """a b; nothing times however much is nothing."""
    return a * b if a and b else 0.0


def _acted(env: Any) -> Any:
    """Which users acted in the last step; everybody, where the environment cannot tell."""
    outcomes = getattr(env.unwrapped, "outcomes", None)
    return True if outcomes is None else np.reshape(outcomes["fetches"] > 0, (-1,))


def _reward(objectives: tuple[Objective, ...], step: Step) -> Vectors:
    """(n, d) of n users; one user is a cohort of one."""
    return np.stack([np.reshape(objective(step), (-1,)) for objective in objectives], axis=-1)


def _scalar(
    utility: Utility, vectors: Vectors, acted: Any, names: tuple[str, ...]
) -> tuple[npt.NDArray[np.float64], dict[str, Any]]:
    """Rewards (n,) and what to add to the info."""
    if vectors.ndim != 2 or vectors.shape[1] != utility.dimension:
        raise ValueError(
            f"rewards of shape {vectors.shape} came to be scalarised by {utility}; a wrapper in "
            "between has made them something else: scalarise first"
        )
    if isinstance(utility, Linear):
        pairs = zip(names, utility.weights, vectors.T, strict=True)
        parts = {name: weight * column for name, weight, column in pairs}
        weights = np.broadcast_to(np.array(utility.weights), vectors.shape)
        more: dict[str, Any] = {"vector_reward": vectors, "reward_weights": weights}
        return utility(vectors), more | {"reward_parts": parts}
    paid = np.where(acted, utility(vectors), 0.0)
    return paid, {"vector_reward": vectors, "reward_parts": {f"{utility.kind} per step": paid}}


def _names_of(env: Any, dimension: int) -> tuple[str, ...]:
    """Labels of the objectives, if `vector_rewarded` made them; else x1, x2, ..."""
    while env is not None:
        if isinstance(env, (VectorRewarded, VectorRewardedVector)):
            return tuple(objective.label for objective in env.objectives)
        env = getattr(env, "env", None)
    return tuple(f"x{i + 1}" for i in range(dimension))
