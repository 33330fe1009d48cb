"""Stable-Baselines3's SAC behind the policy protocol, in calendar time: actions are weights.

Like PPO and DQN (sb3.py) it learns from the cohort's reward, discounted by the time between
decisions. Its replay buffer keeps flat observations alone.
"""

from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np

from longplay.agents.policy import Act, Obs
from longplay.agents.registry import agent
from longplay.agents.rl.sb3 import SB3Policy


@dataclass(frozen=True)
class SACSettings:
    """How SAC learns; free choices, not tuned."""

    lanes: int = 128  # users served side by side
    buffer_size: int = 200_000  # decisions remembered
    batch_size: int = 512
    gradient_steps: int = 4  # per step of all users
    learning_rate: float = 1e-3  # falls linearly to 0
    tau: float = 0.02  # share of the critics that their targets take over at a gradient step
    ent_coef: float | None = None  # worth of a nat [return of random actions]; None: learnt
    net: tuple[int, ...] = (64, 64)  # hidden layers, of policy and of each critic
    gamma_day: float | None = None  # discount of a day; None: the world's


@agent("sac", about="SAC in calendar time (SB3)", tasks=("Feed",), extra="rl")
class SACPolicy(SB3Policy):
    """Soft actor-critic (Haarnoja et al. 2018), with calendar discounts.

    With `explore` it draws weights from its policy and reports nan: they have a density, no
    probability. Without, it takes the middle of the squashed Gaussian, with propensity 1.
    """

    algorithm = "SAC"

    @classmethod
    def _settings(cls, changes: dict[str, Any]) -> SACSettings:
        return replace(SACSettings(), **changes)

    @classmethod
    def _model(cls, venv: Any, chosen: Any, seed: int) -> Any:
        from stable_baselines3 import SAC

        from longplay.agents.rl._buffers import CalendarReplayBuffer

        for kind in ("observation_space", "action_space"):
            if not isinstance(getattr(venv, kind), gym.spaces.Box):
                raise ValueError(
                    f"{kind} {getattr(venv, kind)} came; SAC learns weights from flat "
                    'observations: make the cohort with task "Feed" and action="weights"'
                )
        rate = chosen.learning_rate
        return SAC(
            "MlpPolicy",
            venv,
            learning_rate=lambda left: rate * left,
            buffer_size=chosen.buffer_size,
            learning_starts=8 * chosen.lanes,
            batch_size=chosen.batch_size,
            tau=chosen.tau,
            gamma=1.0,
            train_freq=1,
            gradient_steps=chosen.gradient_steps,
            # SB3 begins with 1.0; returns are scaled to about 1, a decision's reward is far below
            ent_coef="auto_0.01" if chosen.ent_coef is None else chosen.ent_coef,
            policy_kwargs={"net_arch": list(chosen.net)},
            replay_buffer_class=CalendarReplayBuffer,
            replay_buffer_kwargs={"clock": venv.clock},
            seed=seed,
            device="cpu",
        )

    def _expect(self, value: float) -> None:
        for critics in (self.model.critic, self.model.critic_target):
            for net in critics.q_networks:
                net[-1].bias.data.fill_(value)

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Draw weights from the policy, or take its middle."""
        import torch

        policy, space = self.model.policy, self.model.action_space
        policy.set_training_mode(False)
        with torch.no_grad():
            mean, log_std, _ = policy.actor.get_action_dist_params(policy.obs_to_tensor(obs)[0])
        raw = mean.cpu().numpy().astype(np.float64)
        if self.explore:
            raw = raw + np.exp(log_std.cpu().numpy()) * rng.standard_normal(raw.shape)
        weights = policy.unscale_action(np.tanh(raw))
        sure = np.full(len(weights), np.nan if self.explore else 1.0)
        return Act(np.clip(weights, space.low, space.high).astype(space.dtype), sure)
