"""Worlds with a known answer, small enough to learn within seconds."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv


class TwoGaps(VectorEnv):
    """At every visit: 1 now and back in three days (action 0), or 0.8 and back tomorrow (1).

    At 0.9 a day, for ever: 1 / (1 - 0.9^3) = 3.69 against 0.8 / (1 - 0.9) = 8. Counted by visits,
    or without patience, 1 beats 0.8. The study watches `horizon` days and bootstraps through.
    """

    def __init__(self, num_envs: int = 32, horizon: float = 20.0, gamma_day: float = 0.9) -> None:
        self.num_envs, self.horizon, self.gamma_day = num_envs, horizon, gamma_day
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.single_action_space = gym.spaces.Discrete(2)
        self.observation_space = gym.vector.utils.batch_space(
            self.single_observation_space, num_envs
        )
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)
        self.day = np.zeros(num_envs)

    def look(self) -> Any:
        """A useless observation: noise, and a constant."""
        noise = self.np_random.uniform(-1.0, 1.0, self.num_envs)
        return np.stack([noise, np.ones(self.num_envs)], axis=1).astype(np.float32)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        """Everyone anew, at staggered ages."""
        super().reset(seed=seed)
        self.day = np.linspace(0.0, self.horizon, self.num_envs, endpoint=False)
        return self.look(), {}

    def earn(self, actions: Any) -> Any:
        """Reward and gap [h] of a visit, each (n,)."""
        patient = np.asarray(actions) == 1
        return np.where(patient, 0.8, 1.0), np.where(patient, 24.0, 72.0)

    def step(self, actions: Any) -> Any:
        """One visit."""
        reward, gap = self.earn(actions)
        self.day += gap / 24.0
        truncated = self.day >= self.horizon
        info = {"gap_h": gap, "discount": self.gamma_day ** (gap / 24.0)}
        if truncated.any():
            info |= {"final_obs": self.look(), "_final_obs": truncated}
            self.day[truncated] = 0.0
        return self.look(), reward, np.zeros(self.num_envs, bool), truncated, info


class BetweenGaps(TwoGaps):
    """TwoGaps with all that lies between: x = 0 is hasty, x = 1 patient, the action 2 x - 1.

    1 - 0.2 x now, and back in 3 - 2 x days. At 0.9 a day patience is best for ever, V = 8, and
    Q(x) = 1 - 0.2 x + 0.9^(3 - 2 x) 8. Counted by visits at 0.9, haste is: V = 10.
    """

    def __init__(self, num_envs: int = 32, horizon: float = 20.0, gamma_day: float = 0.9) -> None:
        super().__init__(num_envs, horizon, gamma_day)
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)

    def earn(self, actions: Any) -> Any:
        """Reward and gap [h] of a visit, each (n,)."""
        x = (np.asarray(actions, np.float64)[:, 0] + 1.0) / 2.0
        return 1.0 - 0.2 * x, 72.0 - 48.0 * x


@pytest.fixture
def two_gaps() -> type[TwoGaps]:
    return TwoGaps


@pytest.fixture
def between_gaps() -> type[BetweenGaps]:
    return BetweenGaps
