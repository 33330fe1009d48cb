"""CohortVecEnv: agrees with SB3's own vector of monitored envs, and with the cohort it holds."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

pytest.importorskip("stable_baselines3")

from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from longplay.agents.rl import CohortVecEnv
from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import find_world
from longplay.rewards import Minutes, Skips, rewarded

pytestmark = pytest.mark.extras


class Ticking(gym.Wrapper):
    """Adds a discount to the info of a step, another one at the last."""

    def step(self, action):
        obs, reward, terminated, truncated, info = self.env.step(action)
        return obs, reward, terminated, truncated, info | {"discount": 0.5 if terminated else 0.9}


class AsDict(gym.ObservationWrapper):
    """A dict observation of two parts."""

    def __init__(self, env):
        super().__init__(env)
        box = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.observation_space = gym.spaces.Dict({"cart": box, "pole": box})

    def observation(self, observation):
        return {"cart": observation[:2], "pole": observation[2:]}


def cartpole(nested):
    env = Ticking(gym.make("CartPole-v1", max_episode_steps=25))
    return AsDict(env) if nested else env


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)
    return np.array_equal(a, b)


@pytest.mark.parametrize("nested", [False, True])
def test_it_agrees_with_sb3s_vector_of_monitored_envs(nested):
    makers = [lambda: cartpole(nested) for _ in range(6)]
    ours = CohortVecEnv(SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP))
    theirs = DummyVecEnv([lambda: Monitor(cartpole(nested)) for _ in range(6)])
    theirs.seed(5)
    ours.seed(5)  # a vector env spreads one seed over its envs as SB3 does
    assert same(ours.reset(), theirs.reset())
    rng, ends = np.random.default_rng(0), {True: 0, False: 0}
    for _ in range(120):
        actions = (rng.random(6) < np.linspace(0.5, 0.6, 6)).astype(int)
        mine, wanted = ours.step(actions), theirs.step(actions)
        assert same(mine[0], wanted[0])
        assert np.array_equal(mine[1], wanted[1])
        assert np.array_equal(mine[2], wanted[2])
        assert mine[1].dtype == np.float32
        for i in range(6):
            if not mine[2][i]:
                assert mine[3][i] == {}
                assert ours.discounts[i] == 0.9
                continue
            info, known = mine[3][i], wanted[3][i]
            assert same(info["terminal_observation"], known["terminal_observation"])
            assert info["TimeLimit.truncated"] == known["TimeLimit.truncated"]
            assert info["episode"]["r"] == known["episode"]["r"]
            assert info["episode"]["l"] == known["episode"]["l"]
            assert info["episode"]["t"] >= 0.0
            assert ours.discounts[i] == (0.9 if info["TimeLimit.truncated"] else 0.5)
            ends[info["TimeLimit.truncated"]] += 1
    assert min(ends.values()) > 0  # both ends were met


@pytest.fixture(scope="module")
def short():
    """A cohort of short lives, and its VecEnv."""

    def make(**changes):
        settings = {"scenario": "bench", "decision": "session", "horizon_days": 4.0, "threads": 1}
        return Cohort("AdLoad", 12, **(settings | changes))

    return make


def test_it_tells_what_the_cohort_lives_through(short):
    alone, venv = short(), CohortVecEnv(short())
    obs, _ = alone.reset(seed=3)
    venv.seed(3)
    assert np.array_equal(venv.reset(), obs)
    sums, counts, ended = np.zeros(12), np.zeros(12, int), 0
    rng = np.random.default_rng(0)
    for _ in range(150):
        actions = rng.integers(0, 22, 12)
        obs, reward, terminated, truncated, info = alone.step(actions)
        mine, rewards, dones, infos = venv.step(actions)
        sums += reward
        counts += 1
        assert np.array_equal(mine, obs)
        assert np.array_equal(rewards, reward.astype(np.float32))
        assert np.array_equal(dones, terminated | truncated)
        assert np.array_equal(venv.discounts, alone.outcomes["discount"])
        for i in np.flatnonzero(dones):
            assert infos[i]["episode"]["r"] == pytest.approx(sums[i], abs=1e-12)
            assert infos[i]["episode"]["l"] == counts[i]
            assert infos[i]["TimeLimit.truncated"] == truncated[i]
            assert np.array_equal(infos[i]["terminal_observation"], info["final_obs"][i])
            sums[i], counts[i], ended = 0.0, 0, ended + 1
    assert ended > 12


def test_a_churned_user_is_no_time_limit(short):
    quitters = find_world("bench").replace("quitters", population={"churn_a": 50.0})
    venv = CohortVecEnv(short(horizon_days=300.0, scenario=quitters))
    venv.seed(0)
    venv.reset()
    churned = 0
    for _ in range(100):
        _, _, dones, infos = venv.step(np.full(12, 21))
        for i in np.flatnonzero(dones):
            assert not infos[i]["TimeLimit.truncated"]
            assert venv.discounts[i] == 0.0
            churned += 1
    assert churned > 0


def test_its_own_discount_per_day(short):
    venv = CohortVecEnv(short(), gamma_day=0.5)
    venv.seed(1)
    venv.reset()
    venv.step(np.zeros(12, int))
    assert venv.discounts == pytest.approx(0.5 ** (venv.info["gap_h"] / 24.0))


def test_rewards_are_scaled_and_episodes_are_not(short):
    plain, tenfold = CohortVecEnv(short()), CohortVecEnv(short(), reward_scale=10.0)
    for venv in (plain, tenfold):
        venv.seed(1)
        venv.reset()
    episodes = 0
    for _ in range(80):
        (_, a, _, one), (_, b, _, ten) = plain.step(np.full(12, 9)), tenfold.step(np.full(12, 9))
        assert b == pytest.approx(10.0 * a)
        for i in range(12):
            assert one[i].get("episode", {}).get("r") == ten[i].get("episode", {}).get("r")
            episodes += "episode" in one[i]
    assert episodes > 0


def test_infos_of_unfinished_users_cost_nothing(two_gaps):
    venv = CohortVecEnv(two_gaps(12, horizon=1000.0))
    venv.reset()
    first, second = (venv.step(np.zeros(12, int))[3] for _ in range(2))
    assert first is second
    assert first == tuple({} for _ in range(12))


def test_rewrap_puts_a_reward_inside(short):
    venv = CohortVecEnv(short(), gamma_day=0.5, reward_scale=2.0)
    objective = 0.7 * Minutes() - 0.3 * Skips()
    paid = rewarded(venv, objective)
    assert type(paid) is CohortVecEnv
    paid.seed(1)
    paid.reset()
    _, rewards, _, _ = paid.step(np.zeros(12, int))
    wanted = objective(paid.venv.unwrapped.outcomes)
    assert rewards == pytest.approx(2.0 * wanted, rel=1e-6)
    assert np.array_equal(sum(paid.info["reward_parts"].values()), wanted)
    assert paid.discounts == pytest.approx(0.5 ** (paid.info["gap_h"] / 24.0))


def test_a_reward_around_an_sb3_wrapper_would_be_lost_and_is_refused(short):
    with pytest.raises(TypeError, match="reward that one first, then wrap it"):
        rewarded(VecNormalize(CohortVecEnv(short())), Minutes())


def test_attributes_and_methods(short):
    venv = rewarded(CohortVecEnv(short()), Minutes())
    venv.seed(1)
    venv.reset()
    assert venv.get_attr("task") == ["AdLoad"] * 12
    assert venv.get_attr("over", indices=[2, 3]) == [False, False]
    assert venv.get_attr("render_mode", indices=0) == [None]
    assert venv.has_attr("world")
    assert not venv.has_attr("moon")
    with pytest.raises(AttributeError, match="neither Cohort nor a wrapper of it has 'moon'"):
        venv.get_attr("moon")
    assert [s["users"].shape for s in venv.env_method("state", indices=[0])] == [(12,)]
    venv.set_attr("note", "hello")
    assert venv.get_attr("note", indices=5) == ["hello"]
    with pytest.raises(ValueError, match="leave indices out"):
        venv.set_attr("note", "bye", indices=[1])
    assert venv.env_is_wrapped(Monitor) == [True] * 12
    assert venv.env_is_wrapped(gym.wrappers.TimeLimit, indices=[0]) == [False]


def test_the_same_seed_is_the_same_world_and_none_a_new_one(short):
    venv = CohortVecEnv(short())
    assert venv.seed(4) == [4] * 12
    first = venv.reset()
    assert not np.array_equal(venv.reset(), first)  # the next lives
    venv.seed(4)
    assert np.array_equal(venv.reset(), first)
    venv.seed()
    assert not np.array_equal(venv.reset(), first)


def test_options_reach_the_cohort_once(short):
    venv = CohortVecEnv(short())
    venv.set_options({"users": np.arange(12) + 700})
    venv.reset()
    assert venv.venv.unwrapped.users["user"].tolist() == list(range(700, 712))
    venv.reset()
    assert venv.venv.unwrapped.users["user"][0] != 700


def test_pictures(short):
    venv = CohortVecEnv(short(render_mode="rgb_array"))
    venv.seed(1)
    venv.reset()
    venv.step(np.zeros(12, int))
    images, frames = venv.get_images(), venv.venv.render()
    assert len({image.shape for image in images}) == 1
    for image, frame in zip(images, frames, strict=True):
        height, width, _ = frame.shape
        assert np.array_equal(image[:height, :width], frame)
        assert np.all(image[height:] == 255)
    assert venv.render().ndim == 3  # tiled
    assert CohortVecEnv(short()).get_images() == [None]


def test_a_clock_is_pickled_without_its_users(short):
    venv = CohortVecEnv(short())
    venv.reset()
    venv.step(np.zeros(12, int))
    assert pickle.loads(pickle.dumps(venv.clock)).discounts is None


def test_discounts_need_a_step(short):
    with pytest.raises(RuntimeError, match="call step"):
        _ = CohortVecEnv(short()).discounts


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_other_autoreset_modes_are_refused(short, mode):
    with pytest.raises(ValueError, match="SAME_STEP"):
        CohortVecEnv(short(autoreset_mode=mode))


@pytest.mark.parametrize("gamma", [-0.1, 1.1, np.nan])
def test_impossible_discounts_are_refused(short, gamma):
    with pytest.raises(ValueError, match="gamma_day"):
        CohortVecEnv(short(), gamma_day=gamma)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
def test_impossible_scales_are_refused(short, scale):
    with pytest.raises(ValueError, match="reward_scale"):
        CohortVecEnv(short(), reward_scale=scale)


def test_what_is_no_cohort_is_refused(short):
    with pytest.raises(TypeError, match="give a Cohort"):
        CohortVecEnv(gym.make("CartPole-v1"))
    with pytest.raises(ValueError, match="leave copy True"):
        CohortVecEnv(short(copy=False))


def test_an_env_that_tells_no_discount_is_named():
    venv = CohortVecEnv(
        SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    )
    venv.reset()
    with pytest.raises(KeyError, match="has no 'discount'"):
        venv.step(np.zeros(2, int))


def test_sb3_trains_evaluates_and_wraps_it(short):
    venv = VecNormalize(CohortVecEnv(short()))
    model = PPO("MlpPolicy", venv, n_steps=8, batch_size=48, n_epochs=1, device="cpu", seed=0)
    model.learn(300)
    mean, _ = evaluate_policy(model, CohortVecEnv(short()), n_eval_episodes=12)
    assert np.isfinite(mean)
    assert mean > 0.0
