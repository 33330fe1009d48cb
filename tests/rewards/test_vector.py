"""`vector_rewarded` and `scalarised`: several rewards a step, and back to one."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.envs.cohort import Cohort
from longplay.envs.session import AdLoad
from longplay.rewards import (
    ActiveDay,
    Ended,
    Gap,
    Minutes,
    Potential,
    Returned,
    Revenue,
    Skips,
    State,
    Survey,
    Survival,
    rewarded,
)
from longplay.rewards.scalarise import GGI, Chebyshev, CVaR, Lexicographic, Linear
from longplay.rewards.vector import scalarised, vector_rewarded

WISHES = [Minutes(), Revenue(), ActiveDay() - 0.1 * Skips()]
LABELS = [wish.label for wish in WISHES]
WEIGHTS = (0.5, 2.0, -1.0)
SETTINGS = {"scenario": "bench", "decision": "session", "horizon_days": 3.0}


@pytest.mark.parametrize(
    ("wish", "low", "high"),
    [
        (Survey().named("asked"), 0.0, 1.0),
        (-2.0 * Survey().named("asked"), -2.0, 0.0),
        ((Survey() - 3.0 * Ended()).named("a") - Ended(), -4.0, 1.0),
        (Survey() * Returned(days=3) * 0.5, 0.0, 0.5),
        (Minutes() * Survival(), 0.0, np.inf),
        ((Survey() - Ended()).named("a") * (Ended() - 2.0 * Survey()).named("b"), -2.0, 2.0),
        (0.0 * Minutes() + Ended(), 0.0, 1.0),
        (Ended() * Potential(State("tenure")), -np.inf, np.inf),
        (Minutes() - Skips(), -np.inf, np.inf),
    ],
    ids=str,
)
def test_the_reward_space_is_as_narrow_as_the_parts_say(wish, low, high):
    space = vector_rewarded(cohort(), [wish]).reward_space
    assert (space.low.tolist(), space.high.tolist()) == ([low], [high])


def cohort(n=8, **changes):
    return Cohort("AdLoad", n, **(SETTINGS | {"threads": 1} | changes))


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_cohort_is_paid_a_vector_a_user(mode):
    env, plain = vector_rewarded(cohort(autoreset_mode=mode), WISHES), cohort(autoreset_mode=mode)
    env.reset(seed=1)
    plain.reset(seed=1)
    rng, blanks = np.random.default_rng(0), 0
    for _ in range(120):
        actions = rng.integers(0, 22, 8)
        obs, reward, terminated, truncated, info = env.step(actions)
        wanted = plain.step(actions)
        assert np.array_equal(obs, wanted[0])
        assert np.array_equal(terminated, wanted[2])
        assert np.array_equal(truncated, wanted[3])
        assert reward.shape == (8, 3)
        for i, (wish, label) in enumerate(zip(WISHES, LABELS, strict=True)):
            assert np.array_equal(reward[:, i], wish(plain.outcomes))
            assert np.array_equal(info["reward_parts"][label], reward[:, i])
        assert all(row in env.reward_space for row in reward)
        blank = plain.outcomes["fetches"] == 0
        assert not reward[blank].any()
        blanks += blank.sum()
    assert (blanks == 0) == (mode == AutoresetMode.SAME_STEP)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_objectives_that_look_at_states_are_paid_as_each_is_alone(mode):
    wishes = [Survival(), Potential(State("active_rate")), Minutes() * Survival()]
    env = vector_rewarded(cohort(autoreset_mode=mode), wishes)
    alone = [rewarded(cohort(autoreset_mode=mode), wish) for wish in wishes]
    for one in (env, *alone):
        one.reset(seed=6)
    rng = np.random.default_rng(0)
    for _ in range(40):
        actions = rng.integers(0, 22, 8)
        reward = env.step(actions)[1]
        assert np.array_equal(reward, np.stack([one.step(actions)[1] for one in alone], axis=-1))
    single = vector_rewarded(gym.make("longplay/AdLoad-v0", **SETTINGS), wishes)
    many = vector_rewarded(cohort(), wishes)
    single.reset(seed=6)
    many.reset(seed=6)
    assert np.array_equal(single.step(9)[1], many.step(np.full(8, 9))[1][0])


@pytest.mark.parametrize("last", [None, Linear(WEIGHTS), GGI((1.0, 0.5, 0.25))], ids=str)
def test_one_user_is_paid_like_the_same_user_in_a_cohort(last):
    many = vector_rewarded(cohort(), WISHES)
    one = vector_rewarded(gym.make("longplay/AdLoad-v0", **SETTINGS), WISHES)
    if last is not None:
        many, one = scalarised(many, last, per_step=True), scalarised(one, last, per_step=True)
    many.reset(seed=4)
    one.reset(seed=4)
    for _ in range(30):
        _, rewards, _, truncated, infos = many.step(np.full(8, 9))
        _, reward, _, _, info = one.step(9)
        assert type(reward) is (np.ndarray if last is None else float)
        assert np.array_equal(reward, rewards[0])
        assert info["reward_parts"] == {k: v[0] for k, v in infos["reward_parts"].items()}
        assert ("vector_reward" in info) == ("vector_reward" in infos) == (last is not None)
        for key in ("vector_reward", "reward_weights"):
            assert (key in info) == (key in infos)
            assert np.array_equal(info.get(key, 0), infos[key][0] if key in infos else 0)
        if truncated[0]:
            break


def test_the_reward_space_lies_where_mo_gymnasium_looks_for_it():
    single = vector_rewarded(gym.make("longplay/AdLoad-v0", **SETTINGS), WISHES)
    many = vector_rewarded(cohort(), [0.1 * Minutes(), -1.0 * Skips(), Gap() - Minutes()])
    assert single.reward_space.shape == single.unwrapped.reward_space.shape == (3,)
    assert many.unwrapped.reward_space == many.reward_space
    # By hand from the signals' ranges: minutes, skips and gap reach from 0 up.
    assert many.reward_space.low.tolist() == [0.0, -np.inf, -np.inf]
    assert many.reward_space.high.tolist() == [np.inf, 0.0, Gap.range[1]]
    again = gym.make(single.spec)  # wrapper and all
    again.reset(seed=1)
    assert again.step(again.action_space.sample())[1].shape == (3,)


class LinearReward(gym.Wrapper):
    """MO-Gymnasium's wrapper of that name, as far as it concerns an environment."""

    def __init__(self, env, weight):
        super().__init__(env)
        assert weight.shape == self.env.unwrapped.reward_space.shape
        self.w = weight

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        info["vector_reward"] = reward
        info["reward_weights"] = self.w
        return observation, np.dot(reward, self.w), terminated, truncated, info


def test_linear_pays_as_mo_gymnasium_does():
    make = lambda: vector_rewarded(gym.make("longplay/AdLoad-v0", **SETTINGS), WISHES)  # noqa: E731
    ours, theirs = scalarised(make(), Linear(WEIGHTS)), LinearReward(make(), np.array(WEIGHTS))
    ours.reset(seed=2)
    theirs.reset(seed=2)
    over = False
    while not over:
        _, reward, terminated, truncated, info = ours.step(9)
        _, wanted, _, _, known = theirs.step(9)
        over = terminated or truncated
        assert reward == pytest.approx(wanted)
        for key in ("vector_reward", "reward_weights"):
            assert np.array_equal(info[key], known[key])


class Treasure(gym.Env):
    """A foreign environment by that convention: one step, a vector."""

    reward_space = gym.spaces.Box(-1.0, 1.0, (2,))
    observation_space = action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        return 0, np.array([0.7, -1.0], np.float32), True, False, {}


def test_other_environments_of_the_convention_can_be_scalarised():
    _, reward, *_, info = scalarised(Treasure(), Linear((1.0, 0.5))).step(0)
    assert reward == pytest.approx(0.2)
    assert info["reward_parts"] == pytest.approx({"x1": 0.7, "x2": -0.5})
    _, reward, *_ = scalarised(Treasure(), GGI((1.0, 0.5)), per_step=True).step(0)
    assert reward == pytest.approx(-0.65)


def test_linear_is_the_weighted_sum_of_objectives():
    env = scalarised(vector_rewarded(cohort(), WISHES), Linear(WEIGHTS))
    total = sum(weight * wish for weight, wish in zip(WEIGHTS, WISHES, strict=True))
    plain = rewarded(cohort(), total)
    env.reset(seed=3)
    plain.reset(seed=3)
    for action in range(20):
        _, reward, _, _, info = env.step(np.full(8, action))
        _, wanted, *_ = plain.step(np.full(8, action))
        assert reward == pytest.approx(wanted, abs=1e-9)
        assert list(info["reward_parts"]) == LABELS
        assert np.array_equal(sum(info["reward_parts"].values()), reward)


@given(
    st.tuples(*[st.integers(-40, 40).map(lambda i: i / 8)] * 3).filter(any),
    st.integers(0, 2**31 - 1),
)
@settings(max_examples=25)
def test_any_weights_pay_the_weighted_sum_of_the_vector(weights, seed):
    env = scalarised(vector_rewarded(cohort(4), WISHES), Linear(weights))
    env.reset(seed=seed)
    _, reward, _, _, info = env.step(np.full(4, seed % 22))
    assert reward == pytest.approx(info["vector_reward"] @ np.array(weights), abs=1e-9)
    assert reward == pytest.approx(sum(info["reward_parts"].values()), abs=1e-9)
    assert info["reward_weights"].tolist() == [list(weights)] * 4


@pytest.mark.parametrize(
    "rule", [GGI((1.0, 0.5, 0.25)), Chebyshev((1.0, 1.0, 1.0), (60.0, 1.0, 1.0))], ids=str
)
def test_a_nonlinear_scalariser_is_of_returns_unless_steps_are_asked_for(rule):
    env = vector_rewarded(cohort(autoreset_mode=AutoresetMode.DISABLED), WISHES)
    with pytest.raises(ValueError, match="say per_step=True"):
        scalarised(env, rule)
    paid = scalarised(env, rule, per_step=True)
    paid.reset(seed=5)
    returns, total = np.zeros((8, 3)), np.zeros(8)
    for _ in range(40):
        _, reward, _, _, info = paid.step(np.full(8, 9))
        acted = env.unwrapped.outcomes["fetches"] > 0
        assert np.array_equal(reward, np.where(acted, rule(info["vector_reward"]), 0.0))
        assert np.array_equal(sum(info["reward_parts"].values()), reward)
        returns, total = returns + info["vector_reward"], total + reward
    assert not acted.all()  # a finished life is paid nothing, though u(0) may not be 0
    assert abs(total - rule(returns)).max() > 0.1  # the two aims are not the same


@pytest.mark.parametrize("rule", [CVaR(0.1, (1.0, 1.0, 1.0)), Lexicographic((0.1, 0.1))], ids=str)
def test_what_compares_users_or_policies_is_never_paid_per_step(rule):
    env = vector_rewarded(cohort(), WISHES)
    for per_step in (False, True):
        with pytest.raises(TypeError, match="cannot be paid per step"):
            scalarised(env, rule, per_step=per_step)


def test_rewards_can_be_put_on_each_env_of_a_vector():
    makers = [
        lambda: scalarised(vector_rewarded(AdLoad(**SETTINGS), WISHES), Linear(WEIGHTS))
        for _ in range(3)
    ]
    env = SyncVectorEnv(makers)
    env.reset(seed=[1, 2, 3])
    _, reward, _, _, info = env.step(np.array([0, 9, 21]))
    assert info["vector_reward"].shape == (3, 3)
    assert reward == pytest.approx(info["vector_reward"] @ WEIGHTS)


@pytest.mark.extras
def test_sb3_is_paid_the_scalarised_reward():
    from longplay.agents.rl import CohortVecEnv

    people = CohortVecEnv(scalarised(vector_rewarded(cohort(), WISHES), Linear(WEIGHTS)))
    people.seed(1)
    people.reset()
    _, reward, _, _ = people.step(np.full(8, 9))
    wanted = Linear(WEIGHTS)(people.info["vector_reward"])
    assert np.array_equal(reward, wanted.astype(np.float32))
    with pytest.raises(TypeError, match="takes one reward a user"):
        vector_rewarded(people, WISHES)
    with pytest.raises(TypeError, match="cannot be scalarised"):
        scalarised(people, Linear(WEIGHTS))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: vector_rewarded(cohort(), Minutes()), TypeError, "a list of objectives"),
        (lambda: vector_rewarded(cohort(), 3), TypeError, "a list of objectives"),
        (lambda: vector_rewarded(cohort(), []), ValueError, "at least one"),
        (lambda: vector_rewarded(cohort(), [Minutes]), TypeError, "no objective"),
        (lambda: vector_rewarded(cohort(), [Minutes(), Minutes()]), ValueError, "called 'minutes'"),
        (lambda: vector_rewarded(None, WISHES), TypeError, "cannot be given vector rewards"),
        (lambda: vector_rewarded(gym.make("CartPole-v1"), WISHES), TypeError, "no outcomes"),
        (
            lambda: vector_rewarded(cohort(), [Minutes(), Returned(days=7)]),
            ValueError,
            "days ahead",
        ),
        (lambda: scalarised(cohort(), Linear((1.0,))), TypeError, "vector_rewarded first"),
        (lambda: scalarised(None, Linear((1.0,))), TypeError, "cannot be scalarised"),
        (lambda: scalarised(vector_rewarded(cohort(), WISHES), (1, 2)), TypeError, "no scalariser"),
        (
            lambda: scalarised(vector_rewarded(cohort(), WISHES), Linear((1.0, 2.0))),
            ValueError,
            "one weight for each",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_a_reward_made_scalar_in_between_is_found_out():
    env = scalarised(rewarded(vector_rewarded(cohort(), WISHES), Minutes()), Linear(WEIGHTS))
    env.reset(seed=1)
    with pytest.raises(ValueError, match="scalarise first"):
        env.step(np.zeros(8, int))
