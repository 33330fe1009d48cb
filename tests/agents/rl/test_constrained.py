"""PPO under a floor: it is logged, and on a toy it ends where the arithmetic says."""

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from longplay.agents.rl import CohortVecEnv
from longplay.agents.rl.sb3 import PPOPolicy
from longplay.envs.cohort import Cohort
from longplay.envs.state import OUTCOME
from longplay.rewards import Minutes, Returned1d, Revenue
from longplay.rewards.constraints import ConstrainedVector, Floor, Gains, constrained

pytestmark = pytest.mark.extras


class AdOrReturn(gym.vector.VectorEnv):
    """A session with an ad (action 1) earns 1 and the user is away for two days; else 0 and back.

    Revenue is 1 - J, J the rate of returns within a day. At lambda = 1 both actions are paid
    alike, so a learner that meets a floor d does it with lambda near 1, showing 1 - d of the ads.
    """

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}
        self.single_observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.single_action_space = gym.spaces.Discrete(2)
        spaces = self.single_observation_space, self.single_action_space
        self.observation_space, self.action_space = (
            gym.vector.utils.batch_space(space, num_envs) for space in spaces
        )
        self.outcomes = np.zeros(num_envs, OUTCOME)

    def reset(self, *, seed=None, options=None):
        return np.ones((self.num_envs, 2), np.float32), {}

    def step(self, actions):
        ad = np.asarray(actions) == 1
        self.outcomes["fetches"] = self.outcomes["ended"] = 1.0
        self.outcomes["revenue"] = ad
        self.outcomes["away"] = self.outcomes["gap"] = np.where(ad, 48.0, 12.0)
        flags = np.zeros(self.num_envs, bool)
        told = {"discount": np.full(self.num_envs, 0.9)}
        return np.ones((self.num_envs, 2), np.float32), ad.astype(float), flags, flags, told


def learn(at_least, steps=40_000, seed=0):
    """J and lambda, update after update."""
    floor = Floor(
        Returned1d(), at_least, window=1024, every=256, gains=Gains(2.0, 0.05, derivative=2.0)
    )
    logged = {}
    PPOPolicy.train(
        lambda n: constrained(AdOrReturn(n), Revenue(), floor),
        seed=seed,
        budget_steps=steps,
        log=lambda name, value, _: logged.setdefault(name, []).append(value),
        lanes=32,
        n_steps=16,
        batch_size=128,
        n_epochs=4,
        net=(16,),
        ent_coef=0.01,
    )
    return np.array(logged["constraint/achieved"]), np.array(logged["constraint/lambda"])


@pytest.mark.parametrize("at_least", [0.3, 0.8])
def test_ppo_ends_at_the_floor_with_lambda_at_its_price(at_least):
    # Paid for revenue alone, it shows ads to all: J = 0.
    achieved, multiplier = learn(at_least)
    last = len(achieved) // 4
    assert achieved[-last:].mean() == pytest.approx(at_least, abs=0.02)
    assert multiplier[-last:].mean() == pytest.approx(1.0, abs=0.05)


def test_without_a_floor_to_keep_it_gives_the_returns_up():
    achieved, multiplier = learn(0.0, steps=10_000)
    assert achieved[-1] < 0.05
    assert multiplier[-1] == 0.0


def test_what_the_constraint_comes_to_is_logged():
    floor = Floor(Returned1d(), 0.99, scale=0.03, window=64, every=32)
    logged = {}

    def make(num_envs):
        people = Cohort(
            "AdLoad", num_envs, scenario="bench", decision="session", horizon_days=10.0, threads=1
        )
        return constrained(people, Revenue(), floor)

    PPOPolicy.train(
        make,
        seed=0,
        budget_steps=256,
        log=lambda name, value, step: logged.setdefault(name, []).append(value),
        lanes=8,
        n_steps=8,
        batch_size=32,
        n_epochs=1,
        net=(8,),
    )
    assert set(logged["constraint/floor"]) == {0.99}
    assert logged["constraint/lambda"][-1] > 0.0
    assert all(0.0 <= rate <= 1.0 for rate in logged["constraint/achieved"])
    assert {"reward/revenue", "reward/floor(returned_1d)"} <= set(logged)


def test_a_vecenv_is_constrained_inside():
    floor = Floor(Returned1d(), 0.9)
    people = Cohort("AdLoad", 4, scenario="bench", decision="session", threads=1)
    venv = constrained(CohortVecEnv(people, reward_scale=2.0), Minutes(), floor)
    assert type(venv) is CohortVecEnv
    assert type(venv.venv) is ConstrainedVector
    assert venv.get_attr("constraint")[0] is venv.venv.constraint
    venv.seed(1)
    venv.reset()
    _, rewards, _, _ = venv.step(np.zeros(4, int))
    assert rewards == pytest.approx(2.0 * sum(venv.info["reward_parts"].values()), rel=1e-6)
    assert venv.info["constraint"]["floor"] == 0.9
