"""A cohort as RLlib steps it: NEXT_STEP autoreset, flat observations, discounts in every info."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from longplay.agents.policy import MakeCohort, Obs
from longplay.agents.rl._returns import Returns, returns_of

DISCOUNT = "discount"  # key of the only thing that infos hold
Floats = npt.NDArray[Any]


class People(VectorEnv[Floats, Any, Any]):
    """Users for one of RLlib's env runners.

    RLlib's runners take the observation after a last step as the terminal one, and the step after
    it as a reset that makes no transition: that is NEXT_STEP. Under SAME_STEP it would, without a
    word, take the next user's first observation for where the last one's life ended.

    Observations are one row a user (a dict's parts side by side, in the order of its space).
    `infos` hold the discount from the decision just made to the next, nothing else: RLlib makes a
    dict of them for every user and step.

    Args:
        make_cohort: makes the cohort; must honour `autoreset_mode` and `first_user`.
        num_envs: users side by side.
        seed: of their world; RLlib's own seeds, which differ by runner, are not heeded.
        gamma_day: discount per day; None takes `info["discount"]`, the world's.
        reward_scale: multiplies the rewards handed out.
        place: which runner's users these are; each place has users of its own.
    """

    def __init__(
        self,
        make_cohort: MakeCohort,
        num_envs: int,
        *,
        seed: int,
        gamma_day: float | None = None,
        reward_scale: float = 1.0,
        place: int = 0,
    ) -> None:
        if gamma_day is not None and not 0.0 <= gamma_day <= 1.0:
            raise ValueError(f"gamma_day={gamma_day} came; a discount per day lies in 0..1")
        self.make_cohort = make_cohort
        self.num_envs = num_envs
        self.seed = seed
        self.gamma_day = gamma_day
        self.reward_scale = reward_scale
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        self.parts: dict[str, float] = {}  # sums of the reward's parts since `taken_parts`
        self.steps = 0
        self.take_place(place)

    def take_place(self, place: int) -> None:
        """Serve the users of another place, from the next `reset` on."""
        asks: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        if place:
            asks["first_user"] = place * self.num_envs
        venv = self.make_cohort(self.num_envs, **asks)
        mode = venv.metadata.get("autoreset_mode")
        if mode != AutoresetMode.NEXT_STEP:
            raise ValueError(
                f"make_cohort gave autoreset_mode={mode}; RLlib wants NEXT_STEP: hand on the "
                "keyword arguments of make_cohort to the Cohort"
            )
        self.venv, self.place = venv, place
        self.single_action_space, self.action_space = venv.single_action_space, venv.action_space
        self.single_observation_space = flat_space(venv.single_observation_space)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._resting = np.zeros(self.num_envs, bool)  # whose next step only resets

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Floats, dict[str, Any]]:
        """Begin every life anew, in the world of `self.seed`."""
        obs, _ = self.venv.reset(seed=self.seed, options=options)
        self._resting[:] = False
        return flat(obs), {DISCOUNT: np.ones(self.num_envs)}

    def step(self, actions: Any) -> tuple[Floats, Floats, Any, Any, dict[str, Any]]:
        """Step all users once; those whose lives are over begin the next one."""
        obs, rewards, terminated, truncated, info = self.venv.step(actions)
        for label, part in info.get("reward_parts", {}).items():
            self.parts[label] = self.parts.get(label, 0.0) + float(part.sum())
        self.steps += int((~self._resting).sum())
        self._resting = terminated | truncated
        scaled = np.asarray(rewards, np.float64) * self.reward_scale
        return flat(obs), scaled, terminated, truncated, {DISCOUNT: self._discounts(info)}

    def taken_parts(self) -> dict[str, float]:
        """Mean of every part of the reward over the decisions since last asked."""
        means = {label: total / max(1, self.steps) for label, total in self.parts.items()}
        self.parts, self.steps = {}, 0
        return means

    def _discounts(self, info: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        if self.gamma_day is None:
            return np.asarray(info["discount"], np.float64)
        gap = np.asarray(info["gap_h"], np.float64)
        return np.where(np.isinf(gap), 0.0, self.gamma_day ** (gap / 24.0))

    def close_extras(self, **kwargs: Any) -> None:
        """Close the vector environment."""
        self.venv.close()


def flat(obs: Obs) -> Floats:
    """An observation as one array of rows; the parts of a dict side by side."""
    if isinstance(obs, Mapping):
        return np.concatenate([np.asarray(part) for part in obs.values()], axis=1)
    return np.asarray(obs)


def flat_space(space: Any) -> Box:
    """The space of one row of `flat`."""
    parts = list(space.spaces.values()) if hasattr(space, "spaces") else [space]
    low, high = (np.concatenate([getattr(part, end) for part in parts]) for end in ("low", "high"))
    return Box(low, high, dtype=parts[0].dtype)


def random_returns(people: People, *, steps: int = 64) -> Returns:
    """Estimate the discounted return of random actions from a few steps of all users."""
    actions = people.action_space
    actions.seed(people.seed)
    people.reset()
    rewards, discounts = [], []
    resting = np.zeros(people.num_envs, bool)
    for _ in range(steps):
        _, reward, terminated, truncated, info = people.step(actions.sample())
        rewards.append(reward[~resting])
        discounts.append(info[DISCOUNT][~resting])
        resting = terminated | truncated
    people.taken_parts()
    return returns_of(np.concatenate(rewards), np.concatenate(discounts))
