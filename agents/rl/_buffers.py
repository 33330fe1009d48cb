"""SB3 buffers in calendar time: each step is discounted by the time that passed in it.

Decisions lie unequal times apart (a semi-Markov decision process): d_t = gamma_day ** (gap_t / 24)
takes the place of the constant gamma in the temporal difference and in the estimator,

    delta_t = r_t + d_t V(s_{t+1}) - V(s_t)                                                 (1)
    A_t     = delta_t + d_t lambda A_{t+1}                                                  (2)

(Schulman et al. 2016, eq. 11 and 16, with d_t for gamma). lambda stays per decision: it trades
bias for variance and is no matter of time. With equal d_t both are SB3's own, bit for bit.

The discounts come from the clock of a CohortVecEnv.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3.common.buffers import DictRolloutBuffer, ReplayBuffer, RolloutBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from longplay.agents.rl._vecenv import Clock


class _CalendarRollout(RolloutBuffer):
    """The part that the two rollout buffers share."""

    discounts: npt.NDArray[np.float64]  # (steps, users)

    def __init__(self, *args: Any, clock: Clock | None = None, **kwargs: Any) -> None:
        self.clock = clock
        super().__init__(*args, **kwargs)
        if not self.gamma > 0.0:
            raise ValueError(
                f"gamma={self.gamma} came; the clock tells the discounts, so give gamma=1.0 (and "
                "for short sight CohortVecEnv(..., gamma_day=0.0))"
            )

    def reset(self) -> None:
        """Forget the rollout."""
        super().reset()
        self.discounts = np.zeros((self.buffer_size, self.n_envs))

    def add(
        self,
        obs: Any,
        action: npt.NDArray[Any],
        reward: npt.NDArray[Any],
        episode_start: npt.NDArray[Any],
        value: torch.Tensor,
        log_prob: torch.Tensor,
    ) -> None:
        """Keep a step and its discount, which the clock tells.

        SB3 has already added gamma * V(terminal observation) to the rewards of users who were cut
        off at the horizon; d_t takes the place of that gamma too.
        """
        clock = _running(self.clock, self.n_envs)
        assert clock.discounts is not None
        assert clock.rewards is not None
        assert clock.truncated is not None
        bootstrapped = reward - clock.rewards
        if np.any(bootstrapped[~clock.truncated]):
            raise RuntimeError(
                "the rewards of this step are not those of the clock's VecEnv; give the clock of "
                "the very VecEnv that is learnt from, and scale rewards by its reward_scale "
                "instead of VecNormalize (norm_reward=False)"
            )
        if np.any(bootstrapped):
            reward = reward + bootstrapped * (clock.discounts / self.gamma - 1.0)
        self.discounts[self.pos] = clock.discounts
        super().add(obs, action, reward, episode_start, value, log_prob)

    def compute_returns_and_advantage(
        self, last_values: torch.Tensor, dones: npt.NDArray[Any]
    ) -> None:
        """Equations (1) and (2), backwards in time; returns = advantages + values."""
        next_values = last_values.clone().cpu().numpy().flatten()
        alive = 1.0 - dones.astype(np.float32)
        advantage = np.zeros(self.n_envs, np.float32)
        for t in reversed(range(self.buffer_size)):
            d = self.discounts[t].astype(np.float32)
            d_lambda = (self.discounts[t] * self.gae_lambda).astype(np.float32)
            delta = self.rewards[t] + d * next_values * alive - self.values[t]
            advantage = delta + d_lambda * alive * advantage
            self.advantages[t] = advantage
            next_values = self.values[t]
            alive = 1.0 - self.episode_starts[t]
        self.returns = self.advantages + self.values


class CalendarRolloutBuffer(_CalendarRollout):
    """A RolloutBuffer (for PPO, A2C) that discounts each step by the time that passed in it.

    Pass `rollout_buffer_class=CalendarRolloutBuffer, rollout_buffer_kwargs={"clock": venv.clock}`
    and `gamma=1.0`, which is not used.
    """


class CalendarDictRolloutBuffer(_CalendarRollout, DictRolloutBuffer):
    """CalendarRolloutBuffer for dict observations."""


class CalendarReplayBuffer(ReplayBuffer):
    """A ReplayBuffer (for DQN, SAC, TD3) that stores each step's discount and returns it.

    Pass `replay_buffer_class=CalendarReplayBuffer, replay_buffer_kwargs={"clock": venv.clock}`;
    gamma is not used. Box observations only.
    """

    def __init__(self, *args: Any, clock: Clock | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.optimize_memory_usage:
            raise ValueError(
                "optimize_memory_usage=True came; CalendarReplayBuffer keeps both observations of "
                "a step: leave it False"
            )
        self.clock = clock
        self.discounts = np.zeros((self.buffer_size, self.n_envs), np.float32)

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Keep a step and its discount, which the clock tells."""
        self.discounts[self.pos] = _running(self.clock, self.n_envs).discounts
        super().add(*args, **kwargs)

    def _get_samples(
        self, batch_inds: npt.NDArray[Any], env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        at = batch_inds, np.random.randint(0, self.n_envs, size=len(batch_inds))  # noqa: NPY002
        dones = self.dones[at] * (1 - self.timeouts[at])  # cut off is not the end
        return ReplayBufferSamples(
            observations=self.to_torch(self._normalize_obs(self.observations[at], env)),  # type: ignore[arg-type]
            actions=self.to_torch(self.actions[at]),
            next_observations=self.to_torch(self._normalize_obs(self.next_observations[at], env)),  # type: ignore[arg-type]
            dones=self.to_torch(dones.reshape(-1, 1)),
            rewards=self.to_torch(self._normalize_reward(self.rewards[at].reshape(-1, 1), env)),
            discounts=self.to_torch(self.discounts[at].reshape(-1, 1)),
        )


def _running(clock: Clock | None, n_envs: int) -> Clock:
    """The clock, if it has told a step of `n_envs` users."""
    if clock is None or clock.discounts is None:
        raise RuntimeError(
            "the buffer has no running clock; pass the keyword clock=venv.clock of the "
            "CohortVecEnv learnt from (a loaded model: model.rollout_buffer.clock = venv.clock)"
        )
    if len(clock.discounts) != n_envs:
        raise RuntimeError(
            f"the clock tells of {len(clock.discounts)} users, the buffer is for {n_envs}; give "
            "the clock of the very VecEnv that is learnt from"
        )
    return clock
