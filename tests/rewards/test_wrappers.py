"""`rewarded`: one function, and the same pay, for one user, a cohort and SB3's VecEnv."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

import longplay.envs  # noqa: F401
from longplay.envs.cohort import Cohort
from longplay.envs.session import AdLoad
from longplay.rewards import (
    ActiveDay,
    Gap,
    Minutes,
    Potential,
    Revenue,
    Skips,
    State,
    Survey,
    rewarded,
    vector_rewarded,
)
from longplay.rewards.watching import Watcher

OBJECTIVE = 0.7 * Minutes() - 0.3 * Skips() + 2 * ActiveDay() - 0.1 * Gap()
MODES = list(AutoresetMode)


def cohort(n=8, **changes):
    settings = {"scenario": "bench", "decision": "session", "horizon_days": 3.0, "threads": 1}
    return Cohort("AdLoad", n, **(settings | changes))


@pytest.mark.parametrize("mode", MODES)
def test_topics_are_those_of_who_acted_and_newborns_bring_their_own(mode):
    env = cohort(autoreset_mode=mode)
    watcher = Watcher(env, ("topics", "next_topics"))
    obs, _ = env.reset(seed=1)
    watcher.begin(obs)
    rng, ends = np.random.default_rng(0), 0
    for _ in range(120):
        before = env.users["topic_minutes"].copy()
        obs, _, terminated, truncated, info = env.step(rng.integers(0, 22, 8))
        step = watcher.step(obs, info)
        over = terminated | truncated
        if mode != AutoresetMode.SAME_STEP:
            over = env.users["over"] > 0
        assert np.array_equal(step.topics, before)
        assert np.array_equal(step.next_topics[~over], env.users["topic_minutes"][~over])
        assert np.array_equal(step.next_topics[over], before[over])
        ends += over.sum()
        if mode == AutoresetMode.DISABLED and over[:4].any():
            obs, _ = env.reset(options={"reset_mask": over})
            watcher.begin(obs)
    assert ends > 8


@pytest.mark.parametrize("mode", MODES)
def test_it_pays_what_the_objective_says_of_those_who_acted(mode):
    env = rewarded(cohort(autoreset_mode=mode), OBJECTIVE)
    plain = cohort(autoreset_mode=mode)
    obs, _ = env.reset(seed=1)
    plain.reset(seed=1)
    rng, blanks, ends = np.random.default_rng(0), 0, 0
    for _ in range(120):
        actions = rng.integers(0, 22, 8)
        obs, reward, terminated, truncated, info = env.step(actions)
        wanted = plain.step(actions)
        assert np.array_equal(obs, wanted[0])
        assert np.array_equal(terminated, wanted[2])
        assert np.array_equal(truncated, wanted[3])
        assert np.array_equal(reward, OBJECTIVE(plain.outcomes))
        parts = info["reward_parts"]
        assert list(parts) == ["minutes", "skips", "active_day", "gap"]
        assert np.array_equal(sum(parts.values()), reward)
        assert {*info} == {*wanted[4], "reward_parts"}
        blank = plain.outcomes["fetches"] == 0
        assert np.all(reward[blank] == 0.0)
        assert np.all(reward[~blank] != 0.0)
        blanks, ends = blanks + blank.sum(), ends + (terminated | truncated).sum()
    assert ends > 0
    assert (blanks == 0) == (mode == AutoresetMode.SAME_STEP)


def test_one_user_is_paid_like_the_same_user_in_a_cohort():
    many = rewarded(cohort(), OBJECTIVE)
    one = rewarded(gym.make("longplay/AdLoad-v0", **settings()), OBJECTIVE)
    many.reset(seed=4)
    one.reset(seed=4)
    for _ in range(30):
        _, rewards, _, truncated, infos = many.step(np.full(8, 9))
        _, reward, _, _, info = one.step(9)
        assert type(reward) is float
        assert reward == pytest.approx(rewards[0], rel=1e-12)  # sum() differs by Python version
        assert info["reward_parts"] == {k: v[0] for k, v in infos["reward_parts"].items()}
        assert info["gap_h"] == infos["gap_h"][0]
        if truncated[0]:
            break


def settings(**changes):
    return {"scenario": "bench", "decision": "session", "horizon_days": 3.0} | changes


@pytest.mark.parametrize("name", ["longplay/AdLoad-v0", "longplay/Feed-v0"])
def test_it_keeps_the_kind_the_spaces_and_the_spec(name):
    single = gym.make(name, scenario="bench")
    env = rewarded(single, Revenue())
    assert isinstance(env, gym.Env)
    assert env.observation_space == single.observation_space
    assert env.action_space == single.action_space
    assert env.spec.id == name
    again = gym.make(env.spec)  # wrapper and all
    again.reset(seed=1)
    assert again.step(again.action_space.sample())[4]["reward_parts"].keys() == {"revenue"}

    plain = gym.make_vec(name, num_envs=3, scenario="bench")
    vector = rewarded(plain, Revenue())
    assert isinstance(vector, VectorEnv)
    assert vector.single_observation_space == plain.single_observation_space
    assert vector.single_action_space == plain.single_action_space
    assert vector.metadata["autoreset_mode"] == plain.metadata["autoreset_mode"]
    assert vector.spec == plain.spec
    assert vector.num_envs == 3


@pytest.mark.parametrize("name", ["longplay/AdLoad-v0", "longplay/Feed-v0"])
def test_gymnasiums_checker_finds_nothing(name):
    env = rewarded(gym.make(name, scenario="bench"), OBJECTIVE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # The checker greets every wrapper with this one.
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        check_env(env, skip_render_check=True)


def test_rewards_can_be_put_on_each_env_of_a_vector():
    makers = [lambda: rewarded(AdLoad(**settings()), OBJECTIVE) for _ in range(3)]
    env = SyncVectorEnv(makers)
    env.reset(seed=[1, 2, 3])
    _, reward, _, _, info = env.step(np.array([0, 9, 21]))
    assert reward == pytest.approx(sum(info["reward_parts"][k] for k in PARTS))
    with pytest.raises(TypeError, match="reward each before it is put there"):
        rewarded(env, OBJECTIVE)


PARTS = ["minutes", "skips", "active_day", "gap"]


def test_a_reward_may_be_replaced_by_another():
    twice = rewarded(rewarded(cohort(), Minutes()), Survey())
    twice.reset(seed=1)
    _, reward, _, _, info = twice.step(np.zeros(8, int))
    assert np.array_equal(reward, Survey()(twice.unwrapped.outcomes))
    assert list(info["reward_parts"]) == ["survey"]


@pytest.mark.parametrize("wrong", ["0.7 * minutes", Minutes, lambda outcomes: outcomes["minutes"]])
def test_what_is_no_objective_is_refused(wrong):
    with pytest.raises(TypeError, match="give signals and weights"):
        rewarded(cohort(), wrong)


@pytest.mark.parametrize("wrong", [None, 3, "longplay/AdLoad-v0"])
def test_what_is_no_environment_is_refused(wrong):
    with pytest.raises(TypeError, match="cannot be rewarded"):
        rewarded(wrong, Minutes())


def test_other_environments_are_refused():
    with pytest.raises(TypeError, match="reports no outcomes"):
        rewarded(gym.make("CartPole-v1"), Minutes())


SHAPED = Minutes() + Potential(State("tenure"))
MAKERS = [lambda: AdLoad(**settings()), cohort]


@pytest.mark.parametrize("make", MAKERS, ids=["one", "many"])
def test_observations_are_the_callers_to_write_to(make):
    env, calm = rewarded(make(), SHAPED), rewarded(make(), SHAPED)
    action = 9 if isinstance(env, gym.Env) else np.full(8, 9)
    obs, _ = env.reset(seed=1)
    calm.reset(seed=1)
    for _ in range(3):
        obs[:] = 99.0
        obs, reward, *_ = env.step(action)
        assert np.array_equal(reward, calm.step(action)[1])


@pytest.mark.parametrize("make", MAKERS, ids=["one", "many"])
@pytest.mark.parametrize("wrap", [rewarded, lambda env, wish: vector_rewarded(env, [wish])])
def test_a_wrapper_that_comes_in_the_middle_of_a_life_asks_for_its_reset(make, wrap):
    inner = make()
    action = 9 if isinstance(inner, gym.Env) else np.full(8, 9)
    inner.reset(seed=1)
    wrap(inner, Minutes()).step(action)  # which needs nothing of before
    late = wrap(inner, SHAPED)
    with pytest.raises(ResetNeeded, match="call reset on this wrapper first"):
        late.step(action)
    late.reset(seed=1)
    late.step(action)
