"""SAC on a chain with a continuous action and a closed form, and on Feed."""

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

import torch
from stable_baselines3 import SAC

from longplay.agents.registry import AGENTS, load, train
from longplay.agents.rl import CohortVecEnv
from longplay.agents.rl.sac import SACPolicy
from longplay.envs.cohort import Cohort

pytestmark = pytest.mark.extras

RNG = np.random.default_rng(0)
LANES = 32
SMALL = {
    "lanes": LANES,
    "batch_size": 128,
    "gradient_steps": 2,
    "learning_rate": 5e-3,
    "tau": 0.05,
    "ent_coef": 1e-4,
    "net": (32,),
}
BRIEF = {"lanes": 8, "batch_size": 32, "gradient_steps": 1, "net": (8,)}
X = np.array([0.0, 0.5, 1.0])
PATIENT = 1.0 - 0.2 * X + 0.9 ** (3.0 - 2.0 * X) * 8.0  # Q*(x) in days: 6.832, 7.380, 8
HASTY = 1.0 - 0.2 * X + 0.9 * 10.0  # Q*(x) counted by visits: 10, 9.9, 9.8


def patience(model, n=200):
    """The x that is chosen, whatever the noise that is seen (n,)."""
    obs = np.stack([np.linspace(-1, 1, n), np.ones(n)], axis=1).astype(np.float32)
    return (SACPolicy(model).act(obs, RNG).action[:, 0] + 1.0) / 2.0


def critic(model):
    """The least of both critics at each of X, for a user with noise 0."""
    obs = torch.tensor([[0.0, 1.0]] * 3)
    with torch.no_grad():
        both = model.critic(obs, torch.tensor(2.0 * X[:, None] - 1.0, dtype=torch.float32))
    return torch.cat(both, dim=1).min(dim=1).values.numpy()


def test_sac_waits_where_waiting_pays_and_its_critic_is_the_closed_form(between_gaps):
    policy = SACPolicy.train(lambda n: between_gaps(n), seed=0, budget_steps=12_000, **SMALL)
    assert patience(policy.model).min() > 0.95
    assert critic(policy.model) / policy.reward_scale == pytest.approx(PATIENT, rel=0.05)


def test_sac_that_counts_visits_instead_of_days_misses_both(between_gaps):
    # SB3's own buffer. Always in haste is worth 1 / (1 - 0.9^3) = 3.69 of 8.
    venv = CohortVecEnv(between_gaps(LANES), reward_scale=0.2)
    model = SAC(
        "MlpPolicy",
        venv,
        learning_rate=lambda left: 5e-3 * left,
        learning_starts=8 * LANES,
        batch_size=128,
        gamma=0.9,
        train_freq=1,
        gradient_steps=2,
        tau=0.05,
        ent_coef=1e-4,
        policy_kwargs={"net_arch": [32]},
        seed=0,
        device="cpu",
    )
    model.learn(12_000)
    assert patience(model).max() < 0.05
    learnt = critic(model) / 0.2
    assert learnt == pytest.approx(HASTY, rel=0.05)
    assert np.all(learnt > 1.15 * PATIENT)  # at x = 1 by 22 %, at x = 0 by 46 %


def feed(num_envs=1, **changes):
    settings = {"scenario": "bench", "candidates": 12, "slate_size": 3, "threads": 1}
    return Cohort("Feed", num_envs, **(settings | changes))


def test_it_is_trained_on_feed_saved_and_loaded_by_name(tmp_path):
    assert AGENTS["sac"].tasks == ("Feed",)
    logged = {}
    policy = train(
        "sac",
        lambda n, **asked: feed(n, **asked),
        seed=0,
        budget_steps=128 * 10,  # it learns in the last two steps
        log=lambda name, value, step: logged.setdefault(name, value),
    )
    assert policy.model.num_timesteps == 1280
    assert policy.model._n_updates > 0
    policy.save(tmp_path / "sac")
    back = load(tmp_path / "sac")
    assert type(back) is SACPolicy
    cohort = feed(20)
    obs, _ = cohort.reset(seed=0)
    mine, theirs = (p.act(obs, RNG) for p in (policy, back))
    assert np.array_equal(mine.action, theirs.action)
    assert mine.action in cohort.action_space
    assert np.all(mine.propensity == 1.0)


def test_a_seed_repeats_a_training_bit_for_bit():
    nets = [
        SACPolicy.train(feed, seed=seed, budget_steps=256, **BRIEF).model.policy.state_dict()
        for seed in (0, 0, 1)
    ]
    assert all(torch.equal(nets[0][key], nets[1][key]) for key in nets[0])
    assert not all(torch.equal(nets[0][key], nets[2][key]) for key in nets[0])


def test_the_greedy_action_is_that_of_sb3():
    policy = SACPolicy.train(feed, seed=0, budget_steps=128, **BRIEF)
    obs, _ = feed(20).reset(seed=0)
    theirs, _ = policy.model.predict(obs, deterministic=True)
    assert policy.act(obs, RNG).action == pytest.approx(theirs, abs=1e-6)


def test_drawn_weights_have_the_spread_of_its_policy():
    policy = SACPolicy.train(feed, seed=0, budget_steps=128, **BRIEF)
    policy.explore = True
    obs = np.repeat(feed(1).reset(seed=0)[0], 20_000, axis=0)
    act = policy.act(obs, np.random.default_rng(0))
    assert np.all(np.isnan(act.propensity))
    with torch.no_grad():
        mean, log_std, _ = policy.model.actor.get_action_dist_params(torch.tensor(obs[:1]))
    raw = np.arctanh(act.action.astype(float))  # tanh undone; the space is -1..1
    assert raw.mean(axis=0) == pytest.approx(mean.numpy()[0], abs=0.05)
    assert raw.std(axis=0) == pytest.approx(log_std.exp().numpy()[0], rel=0.05)


@pytest.mark.parametrize("changes", [{"task": "AdLoad"}, {"task": "Feed", "action": "slate"}])
def test_what_is_no_weight_is_refused(changes):
    settings = {"scenario": "bench", "threads": 1} | changes
    with pytest.raises(ValueError, match='make the cohort with task "Feed" and action="weights"'):
        SACPolicy.build(Cohort(num_envs=2, **settings), **BRIEF)
