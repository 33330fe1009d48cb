"""Calendar buffers: worked out by hand, against brute force, and against SB3's own."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("stable_baselines3")

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

from longplay.agents.rl import (
    CalendarDictRolloutBuffer,
    CalendarReplayBuffer,
    CalendarRolloutBuffer,
    Clock,
    CohortVecEnv,
)

pytestmark = pytest.mark.extras

OBS = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
ACTION = gym.spaces.Discrete(2)


def filled(rows, *, lam, gamma=1.0, last, dones, kind=CalendarRolloutBuffer, space=OBS):
    """A buffer after the given steps: dicts of reward, bootstrap, start, value, d; (n,) each."""
    clock, n = Clock(), len(rows[0]["reward"])
    extra = {"clock": clock} if kind.__name__.startswith("Calendar") else {}
    buffer = kind(len(rows), space, ACTION, "cpu", gae_lambda=lam, gamma=gamma, n_envs=n, **extra)
    zero = np.zeros((n, 1), np.float32)
    obs = {key: zero for key in space.spaces} if isinstance(space, gym.spaces.Dict) else zero
    for row in rows:
        bootstrap = np.asarray(row.get("bootstrap", np.zeros(n)), np.float32)
        clock.rewards = np.asarray(row["reward"], np.float32)
        clock.discounts = np.asarray(row["d"], np.float64)
        clock.truncated = bootstrap != 0
        buffer.add(
            obs,
            np.zeros((n, 1), np.int64),
            clock.rewards + np.float32(gamma) * bootstrap,  # as SB3 does
            np.asarray(row["start"], np.float32),
            torch.tensor(np.asarray(row["value"], np.float32)),
            torch.zeros(n),
        )
    buffer.compute_returns_and_advantage(torch.tensor(last, dtype=torch.float32), np.array(dones))
    return buffer


def test_three_steps_by_hand():
    rows = [
        {"reward": [1.0], "value": [0.5], "d": [0.9], "start": [1]},
        {"reward": [2.0], "value": [0.6], "d": [0.5], "start": [0]},
        {"reward": [3.0], "value": [0.7], "d": [0.25], "start": [0]},
    ]
    buffer = filled(rows, lam=0.8, last=[0.8], dones=[False])
    # delta_2 = 3 + .25 * .8 - .7 = 2.5                     A_2 = 2.5
    # delta_1 = 2 + .5  * .7 - .6 = 1.75                    A_1 = 1.75 + .5 * .8 * 2.5  = 2.75
    # delta_0 = 1 + .9  * .6 - .5 = 1.04                    A_0 = 1.04 + .9 * .8 * 2.75 = 3.02
    assert buffer.advantages[:, 0] == pytest.approx([3.02, 2.75, 2.5], abs=1e-6)
    assert buffer.returns[:, 0] == pytest.approx([3.52, 3.35, 3.2], abs=1e-6)


def test_churn_and_the_horizon_by_hand():
    # Two users end at the second step, one for ever, one cut off where V(terminal) = 1.
    rows = [
        {"reward": [1.0, 1.0], "value": [0.5, 0.5], "d": [0.9, 0.9], "start": [0, 0]},
        {"reward": [2.0, 2.0], "value": [0.6, 0.6], "d": [0.0, 0.5], "start": [0, 0]}
        | {"bootstrap": [0.0, 1.0]},
        {"reward": [3.0, 3.0], "value": [0.7, 0.7], "d": [0.25, 0.25], "start": [1, 1]},
    ]
    buffer = filled(rows, lam=0.8, last=[0.8, 0.8], dones=[False, True])
    # churned:  A_1 = 2 - .6           = 1.4,  A_0 = 1.04 + .72 * 1.4 = 2.048,  A_2 = 2.5
    # cut off:  A_1 = 2 + .5 * 1 - .6  = 1.9,  A_0 = 1.04 + .72 * 1.9 = 2.408,  A_2 = 3 - .7
    assert buffer.advantages[:, 0] == pytest.approx([2.048, 1.4, 2.5], abs=1e-6)
    assert buffer.advantages[:, 1] == pytest.approx([2.408, 1.9, 2.3], abs=1e-6)


UNIT = st.floats(0.0, 1.0, width=32)
STEP = st.fixed_dictionaries({"reward": UNIT, "value": UNIT, "d": UNIT, "start": st.booleans()})


@given(st.lists(STEP, min_size=1, max_size=12), UNIT, st.booleans())
def test_with_lambda_1_the_return_is_the_discounted_sum(steps, last, done):
    rows = [{key: [value] for key, value in step.items()} for step in steps]
    buffer = filled(rows, lam=1.0, last=[last], dones=[done])
    for t in range(len(steps)):
        wanted, weight = 0.0, 1.0
        for u in range(t, len(steps)):
            wanted += weight * steps[u]["reward"]
            weight *= steps[u]["d"]
            final = u + 1 == len(steps)
            if done if final else steps[u + 1]["start"]:
                break
            wanted += weight * last if final else 0.0
        assert buffer.returns[t, 0] == pytest.approx(wanted, abs=1e-4)


@given(
    st.lists(STEP, min_size=1, max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.sampled_from([0.0, 0.3, 0.95, 1.0]),
    st.sampled_from([0.3, 0.99, 1.0]),
)
@pytest.mark.parametrize("nested", [False, True])
def test_equal_gaps_are_sb3s_own_buffer_bit_for_bit(nested, steps, cut, lam, gamma):
    rows = [
        {key: [value] for key, value in step.items()}
        | {"d": [gamma], "bootstrap": [0.7 if stop else 0.0]}
        for step, stop in zip(steps, cut, strict=False)
    ]
    space = gym.spaces.Dict({"user": OBS}) if nested else OBS
    kinds = (
        (CalendarDictRolloutBuffer, DictRolloutBuffer)
        if nested
        else (CalendarRolloutBuffer, RolloutBuffer)
    )
    ours, theirs = (
        filled(rows, lam=lam, gamma=gamma, last=[0.4], dones=[False], kind=kind, space=space)
        for kind in kinds
    )
    for name in ("advantages", "returns", "rewards", "values"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype


def test_ppo_with_equal_gaps_learns_what_sb3s_own_ppo_learns(two_gaps):
    class Daily(two_gaps):
        """Every gap a day."""

        def step(self, actions):
            obs, reward, terminated, truncated, info = super().step(actions)
            return obs, reward, terminated, truncated, info | {"discount": np.full(4, 0.9)}

    learnt = []
    for ours in (False, True):
        venv = CohortVecEnv(Daily(4, horizon=9.0))
        calendar = {
            "rollout_buffer_class": CalendarRolloutBuffer,
            "rollout_buffer_kwargs": {"clock": venv.clock},
        }
        model = PPO(
            "MlpPolicy",
            venv,
            n_steps=16,
            batch_size=32,
            n_epochs=2,
            gamma=0.9,
            seed=1,
            device="cpu",
            **(calendar if ours else {}),
        )
        model.learn(256)
        learnt.append(model.policy.state_dict())
    assert all(torch.equal(learnt[0][key], learnt[1][key]) for key in learnt[0])


def replay(clock, **kwargs):
    return CalendarReplayBuffer(60, OBS, ACTION, "cpu", n_envs=3, clock=clock, **kwargs)


def test_every_transition_comes_back_with_its_own_discount():
    clock = Clock()
    buffer = replay(clock)
    rng = np.random.default_rng(0)
    for step in range(27):  # more than the 20 that fit
        # each transition is told apart by its observation, from which all else follows
        obs = (step * 3 + np.arange(3.0).reshape(3, 1)) / 100.0
        clock.discounts = obs[:, 0] / 2.0
        dones, cut = rng.random(3) < 0.5, rng.random(3) < 0.5
        buffer.add(
            obs,
            obs + 0.001 + 0.01 * (dones & ~cut)[:, None],
            np.arange(3) % 2,
            4.0 * obs[:, 0],
            dones,
            [{"TimeLimit.truncated": bool(c)} for c in cut],
        )
    sample = buffer.sample(500)
    obs = sample.observations.numpy()
    assert len(np.unique(obs)) == 60  # all that fit are met
    assert obs.min() == pytest.approx(0.21)  # the oldest seven steps are gone
    assert sample.discounts.numpy() == pytest.approx(obs / 2.0)
    assert sample.rewards.numpy() == pytest.approx(4.0 * obs)
    ended = sample.next_observations.numpy() - obs > 0.005  # churned, not merely cut off
    assert np.array_equal(sample.dones.numpy() == 1.0, ended)
    assert 0 < ended.sum() < 500


def test_a_buffer_without_a_running_clock_says_so():
    with pytest.raises(RuntimeError, match="clock=venv"):
        replay(None).add(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3), None, [])
    with pytest.raises(RuntimeError, match="clock=venv"):
        replay(Clock()).add(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3), None, [])
    with pytest.raises(ValueError, match="leave it False"):
        replay(Clock(), optimize_memory_usage=True, handle_timeout_termination=False)


def test_a_clock_of_other_users_is_refused(two_gaps):
    mine, other = CohortVecEnv(two_gaps(4)), CohortVecEnv(two_gaps(5))
    other.reset()
    other.step(np.zeros(5, int))
    for clock in (other.clock, Clock()):
        model = PPO(
            "MlpPolicy",
            mine,
            n_steps=8,
            batch_size=32,
            device="cpu",
            rollout_buffer_class=CalendarRolloutBuffer,
            rollout_buffer_kwargs={"clock": clock},
        )
        with pytest.raises(RuntimeError, match=r"clock of the very VecEnv|clock=venv\.clock"):
            model.learn(32)


def test_rewards_changed_on_their_way_are_refused(two_gaps):
    from stable_baselines3.common.vec_env import VecNormalize

    venv = VecNormalize(CohortVecEnv(two_gaps(4)))
    model = PPO(
        "MlpPolicy",
        venv,
        n_steps=8,
        batch_size=32,
        gamma=1.0,
        device="cpu",
        rollout_buffer_class=CalendarRolloutBuffer,
        rollout_buffer_kwargs={"clock": venv.clock},
    )
    with pytest.raises(RuntimeError, match="norm_reward=False"):
        model.learn(32)


def test_gamma_0_would_hide_what_sb3_bootstraps_and_is_refused():
    with pytest.raises(ValueError, match="give gamma=1"):
        CalendarRolloutBuffer(1, OBS, ACTION, "cpu", gamma=0.0, clock=Clock())
