"""Tiny at two speeds: days between visits differ by state and action, and the answer is exact.

A visit of longplay/Tiny-v0 is followed by 1 + 2 a f days, a ads shown and f the fatigue they met:
who is shown ads when tired stays away. At 0.98 a day the discount of a step is

    D(s, a) = 0.98^(1 + 2 a f),     v_pi = (I - D_pi P_pi)^-1 R_pi.

Counted by visits this is Tiny itself, whose best policy, worked out exactly, is worth 0.576 of the
optimum here. Learners in calendar time must come to 0.95.
"""

import numpy as np
import pytest
from gymnasium.vector import VectorWrapper

pytest.importorskip("stable_baselines3")

import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.buffers import RolloutBuffer

from longplay.agents.rl import CalendarReplayBuffer, CalendarRolloutBuffer, CohortVecEnv
from longplay.envs.reference.mdp import MDP
from longplay.envs.reference.tiny import DISCOUNT, GONE, LOADS, STATES, TIRED, TinyCohort, model

pytestmark = pytest.mark.extras

FOUND = 0.95  # of the optimum; the best constant load reaches 0.542
MISSED = 0.576  # of the optimum: the best policy of those who count visits
LANES = 64
SCALE = 0.02  # errors of a life's worth stay below 1, where SB3's Huber loss is a square
EVERY = np.arange(STATES)


def days(states, ads):
    """Days from a visit to the next."""
    fatigue = np.where(np.asarray(states) == GONE, 0, np.asarray(states) % TIRED)
    return 1.0 + 2.0 * np.asarray(ads) * fatigue


D = DISCOUNT ** days(EVERY[:, None], np.arange(LOADS))  # (S, A)


class TwoSpeeds(VectorWrapper):
    """Tiny, whose steps last 1 + 2 a f days."""

    def reset(self, **kwargs):
        self.state, info = self.env.reset(**kwargs)
        return self.state, info

    def step(self, actions):
        gap = days(self.state, actions)
        self.state, reward, over, cut, info = self.env.step(actions)
        info |= {"gap_h": 24.0 * gap, "discount": np.where(over, 0.0, DISCOUNT**gap)}
        return self.state, reward, over, cut, info


def two_speeds(**kwargs):
    return CohortVecEnv(TwoSpeeds(TinyCohort(LANES)), **kwargs)


def folded():
    """The same world with one discount: a step that lasts longer ends more lives, at no reward."""
    mdp, most = model(), D.max()
    P = mdp.P * (D / most)[:, :, None]
    P[:, :, GONE] += 1.0 - P.sum(axis=2)
    return MDP(P, mdp.R, most, mdp.start)


def values_of(chances, discounts=D):
    """Exact values (S,) of a policy that takes actions with these chances (S, A)."""
    mdp = model()
    P = np.einsum("sa,sa,sax->sx", chances, discounts, mdp.P)
    return np.linalg.solve(np.eye(STATES) - P, (chances * mdp.R).sum(axis=1))


def share_of_optimum(policy):
    """What a policy (S,) is worth here, as a share of the optimum."""
    return folded().start @ values_of(np.eye(LOADS)[policy]) / folded().optimum().worth


def greedy(agent):
    return agent.predict(EVERY, deterministic=True)[0]


def test_the_exact_answers_agree():
    best = folded().optimum()
    assert best.values == pytest.approx(values_of(np.eye(LOADS)[best.policy]))
    ahead = model().R + D * (model().P @ best.values)  # Bellman, with a discount a step
    assert best.values == pytest.approx(ahead.max(axis=1))
    assert best.worth == pytest.approx(16.961, abs=5e-4)


def test_the_best_of_those_who_count_visits_misses_by_two_fifths():
    assert share_of_optimum(model().optimum().policy) == pytest.approx(MISSED, abs=5e-4)
    constant = [share_of_optimum(np.full(STATES, ads)) for ads in range(LOADS)]
    assert max(constant) == pytest.approx(0.542, abs=5e-4)


def rolled_out(kind, lam, steps=400, **extra):
    """Steps of random actions under exact values: states, actions and advantages (steps, n)."""
    chances = np.full((STATES, LOADS), 1.0 / LOADS)
    values = values_of(chances)
    venv = two_speeds()
    if kind is CalendarRolloutBuffer:
        extra["clock"] = venv.clock
    spaces = venv.observation_space, venv.action_space
    buffer = kind(steps, *spaces, "cpu", gae_lambda=lam, n_envs=LANES, **extra)
    rng = np.random.default_rng(3)
    venv.seed(3)
    obs, start = venv.reset(), np.ones(LANES)
    for _ in range(steps):
        actions = rng.integers(LOADS, size=LANES)
        seen, rewards, dones, _ = venv.step(actions)
        now = torch.tensor(values[obs], dtype=torch.float32)
        buffer.add(obs, actions, rewards, start, now, torch.zeros(LANES))
        obs, start = seen, dones.astype(float)
    last = torch.tensor(values[obs], dtype=torch.float32)
    buffer.compute_returns_and_advantage(last, start.astype(bool))
    states = buffer.observations.reshape(steps, LANES).astype(int)
    return states, buffer.actions.reshape(steps, LANES).astype(int), buffer.advantages, values


def z_scores(states, actions, advantages, wanted):
    """(mean advantage - wanted) / its standard error, of every pair met 100 times and uncertain."""
    scores = []
    for s, a in np.ndindex(STATES, LOADS):
        met = advantages[(states == s) & (actions == a)].astype(float)
        if len(met) >= 100:
            scores.append((met.mean() - wanted[s, a]) / (met.std() / np.sqrt(len(met))))
    assert len(scores) > 40
    return np.array(scores)


@pytest.mark.parametrize("lam", [0.0, 0.9])
def test_the_mean_advantage_of_the_rollout_buffer_is_exact(lam):
    states, actions, advantages, values = rolled_out(CalendarRolloutBuffer, lam)
    exact = model().R + D * (model().P @ values) - values[:, None]
    # of some 80 scores that are right, the largest is below 4.5 in 999 of 1000 seeds
    assert np.abs(z_scores(states, actions, advantages, exact)).max() < 4.5


def test_a_constant_gamma_is_off_by_what_the_closed_form_says():
    states, actions, advantages, values = rolled_out(RolloutBuffer, 0.0, gamma=DISCOUNT)
    ahead = model().P @ values  # E[V(s')] (S, A)
    exact = model().R + D * ahead - values[:, None]
    bias = (DISCOUNT - D) * ahead
    assert np.abs(z_scores(states, actions, advantages, exact + bias)).max() < 4.5
    assert np.abs(z_scores(states, actions, advantages, exact)).max() > 30.0
    assert bias.max() > 0.2 * values.max()  # it adds as much as a fifth of the best life's worth


def ppo(calendar, steps=50_000):
    venv = two_speeds()
    own = {
        "rollout_buffer_class": CalendarRolloutBuffer,
        "rollout_buffer_kwargs": {"clock": venv.clock},
    }
    agent = PPO(
        "MlpPolicy",
        venv,
        gamma=1.0 if calendar else DISCOUNT,
        n_steps=32,
        batch_size=512,
        n_epochs=6,
        learning_rate=lambda left: 5e-3 * left,
        ent_coef=0.003,
        policy_kwargs={"net_arch": [32]},
        seed=0,
        device="cpu",
        **(own if calendar else {}),
    )
    return agent.learn(steps)


def critic_and_truth(agent):
    """What newcomers are worth: as its critic says, and exactly, under the policy it has."""
    everyone = torch.tensor(EVERY)
    with torch.no_grad():
        spread = agent.policy.get_distribution(everyone).distribution
        learnt = agent.policy.predict_values(everyone).numpy()[:, 0]
    chances = spread.probs.numpy().astype(float)
    start = model().start
    return start @ learnt, start @ values_of(chances)


def test_ppo_finds_the_optimum_and_knows_what_it_is_worth():
    agent = ppo(calendar=True)
    assert share_of_optimum(greedy(agent)) >= FOUND
    learnt, exact = critic_and_truth(agent)
    assert learnt == pytest.approx(exact, rel=0.05)


def test_ppo_that_counts_visits_misses_both():
    agent = ppo(calendar=False)
    assert share_of_optimum(greedy(agent)) <= MISSED + 0.1
    learnt, exact = critic_and_truth(agent)
    assert learnt > 1.4 * exact


def dqn(calendar, steps=60_000):
    venv = two_speeds(reward_scale=SCALE)
    own = {
        "replay_buffer_class": CalendarReplayBuffer,
        "replay_buffer_kwargs": {"clock": venv.clock},
    }
    agent = DQN(
        "MlpPolicy",
        venv,
        gamma=DISCOUNT,  # which the calendar buffer overrules
        learning_rate=lambda left: 2e-3 * left,
        batch_size=1024,
        buffer_size=100_000,
        learning_starts=2000,
        train_freq=1,
        gradient_steps=2,
        target_update_interval=5 * LANES,
        exploration_fraction=0.3,
        exploration_final_eps=0.5,
        policy_kwargs={"net_arch": []},  # the state is one-hot: a table
        seed=0,
        device="cpu",
        **(own if calendar else {}),
    )
    return agent.learn(steps)


def worth_learnt(agent):
    """What its best actions are worth to newcomers, as the agent says."""
    with torch.no_grad():
        best = agent.q_net(torch.tensor(EVERY)).numpy().max(axis=1)
    return model().start @ best / SCALE


def test_dqn_finds_the_optimum_and_what_it_is_worth():
    agent = dqn(calendar=True)
    assert share_of_optimum(greedy(agent)) >= FOUND
    assert worth_learnt(agent) == pytest.approx(folded().optimum().worth, rel=0.05)


def test_dqn_that_counts_visits_misses_both():
    agent = dqn(calendar=False)
    assert share_of_optimum(greedy(agent)) <= MISSED + 0.1
    # it believes in the 18.47 of Tiny, 8.9 % above the best there is
    assert model().optimum().worth / folded().optimum().worth == pytest.approx(1.089, abs=5e-4)
    assert worth_learnt(agent) > 1.07 * folded().optimum().worth
