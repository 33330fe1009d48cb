"""Learners on longplay/Tiny-v0: PPO and DQN find the optimum, and miss it when short-sighted.

What was learned is evaluated exactly: the greedy policy in every state, by the linear system.
"""

from typing import Any

import numpy as np
import pytest

from longplay.envs.reference.tiny import STATES, TinyCohort, model

FOUND = 0.95  # of the optimum; the best constant load reaches 0.912
LANES = 64


def share_of_optimum(agent: Any) -> float:
    """What the greedy policy of an agent is worth, as a share of the optimum."""
    policy, _ = agent.predict(np.arange(STATES), deterministic=True)
    return model().worth_of(policy) / model().optimum().worth


def ppo(gamma: float, steps: int) -> Any:
    from stable_baselines3 import PPO

    from longplay.agents.rl import CohortVecEnv

    agent = PPO(
        "MlpPolicy",
        CohortVecEnv(TinyCohort(LANES)),
        gamma=gamma,
        n_steps=32,
        batch_size=512,
        n_epochs=6,
        learning_rate=5e-3,
        ent_coef=0.003,
        policy_kwargs={"net_arch": [32]},
        seed=0,
        device="cpu",
    )
    return agent.learn(steps)


def dqn(gamma: float, steps: int) -> Any:
    from stable_baselines3 import DQN

    from longplay.agents.rl import CohortVecEnv

    agent = DQN(
        "MlpPolicy",
        CohortVecEnv(TinyCohort(LANES), reward_scale=0.1),
        gamma=gamma,
        learning_rate=lambda left: 1e-2 * left,  # what is left of noise at the end
        batch_size=1024,
        buffer_size=100_000,
        learning_starts=2000,
        train_freq=1,
        gradient_steps=4,
        target_update_interval=5 * LANES,
        exploration_fraction=0.3,
        exploration_final_eps=0.5,
        policy_kwargs={"net_arch": []},  # the state is one-hot: a table
        seed=0,
        device="cpu",
    )
    return agent.learn(steps)


@pytest.mark.extras
def test_ppo_finds_the_optimum() -> None:
    pytest.importorskip("stable_baselines3")
    assert share_of_optimum(ppo(gamma=model().discount, steps=100_000)) >= FOUND


@pytest.mark.extras
def test_dqn_finds_the_optimum() -> None:
    pytest.importorskip("stable_baselines3")
    assert share_of_optimum(dqn(gamma=model().discount, steps=100_000)) >= FOUND


@pytest.mark.extras
def test_short_sighted_learners_find_the_myopic_policy() -> None:
    pytest.importorskip("stable_baselines3")
    myopic = model().worth_of(model().myopic()) / model().optimum().worth
    assert share_of_optimum(ppo(gamma=0.0, steps=30_000)) == pytest.approx(myopic, abs=0.02)
    assert share_of_optimum(dqn(gamma=0.0, steps=30_000)) == pytest.approx(myopic, abs=0.02)
