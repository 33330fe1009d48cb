"""PPO and DQN: they find the known answer, miss it when made to, and keep the policy protocol."""

import json

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

import torch
from stable_baselines3 import PPO

from longplay.agents.policy import Policy
from longplay.agents.registry import AGENTS, load, train
from longplay.agents.rl import CohortVecEnv
from longplay.agents.rl.sac import SACPolicy
from longplay.agents.rl.sb3 import DQNPolicy, PPOPolicy
from longplay.envs.cohort import Cohort
from longplay.rewards import Likes, Minutes, rewarded

pytestmark = pytest.mark.extras

RNG = np.random.default_rng(0)
PPO_SMALL = {"lanes": 32, "n_steps": 16, "batch_size": 128, "n_epochs": 4, "net": (16,)}
DQN_SMALL = {
    "lanes": 32,
    "batch_size": 128,
    "gradient_steps": 4,
    "learning_rate": 5e-3,
    "target_update_interval": 128,
    "net": (16,),
}


def patience(policy, n=200):
    """Share of patient actions in TwoGaps, whatever the noise that is seen."""
    obs = np.stack([np.linspace(-1, 1, n), np.ones(n)], axis=1).astype(np.float32)
    return policy.act(obs, RNG).action.mean()


@pytest.mark.parametrize("seed", [0, 1])
def test_ppo_waits_where_waiting_pays(two_gaps, seed):
    policy = PPOPolicy.train(lambda n: two_gaps(n), seed=seed, budget_steps=12_000, **PPO_SMALL)
    assert patience(policy) == 1.0


def test_ppo_with_short_sight_misses_it(two_gaps):
    policy = PPOPolicy.train(
        lambda n: two_gaps(n), seed=0, budget_steps=12_000, gamma_day=0.0, **PPO_SMALL
    )
    assert patience(policy) == 0.0


def test_ppo_that_counts_visits_instead_of_days_misses_it(two_gaps):
    # SB3's own buffer: every visit is discounted alike, and 1 a visit beats 0.8.
    venv = CohortVecEnv(two_gaps(32))
    model = PPO(
        "MlpPolicy",
        venv,
        n_steps=16,
        batch_size=128,
        n_epochs=4,
        learning_rate=1e-3,
        gamma=0.9,
        policy_kwargs={"net_arch": [16]},
        seed=0,
        device="cpu",
    )
    model.learn(12_000)
    assert patience(PPOPolicy(model)) == 0.0


def test_dqn_knows_what_waiting_is_worth(two_gaps):
    policy = DQNPolicy.train(lambda n: two_gaps(n), seed=0, budget_steps=16_000, **DQN_SMALL)
    assert patience(policy) == 1.0
    obs = torch.tensor([[0.0, 1.0]])
    with torch.no_grad():
        hasty, patient = policy.model.q_net(obs)[0].numpy() / policy.reward_scale
    # Q(patient) = 0.8 / (1 - 0.9) = 8;  Q(hasty) = 1 + 0.9^3 * 8 = 6.83
    assert patient == pytest.approx(8.0, rel=0.1)
    assert hasty == pytest.approx(6.83, rel=0.1)
    # cut off at 20 days, it would be worth 8 * (1 - 0.9^20) = 7 at most: SB3 bootstraps through


def test_dqn_with_short_sight_misses_it(two_gaps):
    policy = DQNPolicy.train(
        lambda n: two_gaps(n), seed=0, budget_steps=4_000, gamma_day=0.0, **DQN_SMALL
    )
    assert patience(policy) == 0.0


def adload(num_envs=1, **changes):
    settings = {"scenario": "bench", "decision": "session", "horizon_days": 10.0, "threads": 1}
    return Cohort("AdLoad", num_envs, **(settings | changes))


def feed(num_envs=1, **changes):
    settings = {"scenario": "bench", "candidates": 12, "slate_size": 3, "threads": 1}
    return Cohort("Feed", num_envs, **(settings | changes))


BRIEF = {"lanes": 8, "n_steps": 8, "batch_size": 32, "n_epochs": 1, "net": (8,)}
BRIEF_DQN = {"lanes": 8, "batch_size": 32, "gradient_steps": 1, "net": (8,)}
KINDS = {
    "ppo layouts": (PPOPolicy, adload, BRIEF),
    "ppo weights": (PPOPolicy, feed, BRIEF),
    "ppo slates": (PPOPolicy, lambda n=1: feed(n, action="slate"), BRIEF),
    "ppo items": (PPOPolicy, lambda n=1: feed(n, action="item"), BRIEF),
    "dqn layouts": (DQNPolicy, adload, BRIEF_DQN),
    "sac weights": (SACPolicy, feed, BRIEF_DQN),
}


@pytest.fixture(scope="module", params=KINDS)
def trained(request):
    """A policy hardly trained, a cohort that it fits, and that cohort's observations."""
    cls, make, settings = KINDS[request.param]
    policy = cls.train(make, seed=0, budget_steps=128, **settings)
    cohort = make(40)
    obs, _ = cohort.reset(seed=0)
    return policy, cohort, obs


def test_it_is_a_policy_that_the_cohort_understands(trained):
    policy, cohort, obs = trained
    assert isinstance(policy, Policy)
    policy.bind(cohort)
    for policy.explore in (True, False):
        act = policy.act(obs, np.random.default_rng(0))
        assert act.action in cohort.action_space
        assert act.propensity.shape == (40,)
        cohort.step(act.action)
    assert np.all(act.propensity == 1.0)  # greedy
    again = policy.act(obs, np.random.default_rng(1)).action
    assert np.array_equal(act.action, again)  # and therefore without chance


def test_a_saved_policy_acts_alike(trained, tmp_path):
    policy, _, obs = trained
    policy.name, policy.explore = "test", True
    policy.save(tmp_path / "policy")
    back = type(policy).load(tmp_path / "policy")
    assert (back.name, back.explore) == ("test", True)
    for explore in (True, False):
        policy.explore = back.explore = explore
        mine, theirs = (p.act(obs, np.random.default_rng(3)) for p in (policy, back))
        assert np.array_equal(mine.action, theirs.action)
        assert np.array_equal(mine.propensity, theirs.propensity, equal_nan=True)


def test_propensities_are_how_often_it_does_it(trained):
    policy, _, obs = trained
    policy.explore = True
    first = {k: v[:1] for k, v in obs.items()} if isinstance(obs, dict) else obs[:1]
    many = (
        {k: np.repeat(v, 20_000, axis=0) for k, v in first.items()}
        if isinstance(first, dict)
        else np.repeat(first, 20_000, axis=0)
    )
    act = policy.act(many, np.random.default_rng(0))
    if isinstance(policy.model.action_space, gym.spaces.Box):
        assert np.all(np.isnan(act.propensity))  # weights have a density, no probability
        assert act.action.std() > 0.1
        return
    rows = act.action.reshape(20_000, -1)
    kinds, which, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    said = np.zeros(len(kinds))
    said[which.ravel()] = act.propensity
    assert np.array_equal(said[which.ravel()], act.propensity)  # one chance an action
    assert np.all(np.abs(counts / 20_000 - said) < 5.0 * np.sqrt(said / 20_000) + 1e-4)
    if len(kinds) < 30:
        assert said.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("cls", "small"), [(PPOPolicy, BRIEF), (DQNPolicy, BRIEF_DQN)])
def test_a_seed_repeats_a_training_bit_for_bit(cls, small):
    nets = [
        cls.train(adload, seed=seed, budget_steps=256, **small).model.policy.state_dict()
        for seed in (0, 0, 1)
    ]
    assert all(torch.equal(nets[0][key], nets[1][key]) for key in nets[0])
    assert not all(torch.equal(nets[0][key], nets[2][key]) for key in nets[0])


@pytest.mark.parametrize(("cls", "small"), [(PPOPolicy, BRIEF), (DQNPolicy, BRIEF_DQN)])
def test_training_is_told_and_logged(cls, small, tmp_path):
    told, logged = [], {}

    def make(num_envs):
        return rewarded(adload(num_envs, horizon_days=1.0), Minutes() + 2 * Likes())

    policy = cls.train(
        make,
        seed=0,
        budget_steps=512,
        progress=told.append,
        log=lambda name, value, step: logged.setdefault(name, []).append((step, value)),
        tensorboard=tmp_path,
        **small,
    )
    assert told == sorted(told)
    assert told[-1] >= 512
    assert policy.model.num_timesteps == told[-1]
    steps, minutes = zip(*logged["reward/minutes"], strict=True)
    assert all(0.0 < value < 500.0 for value in minutes)
    assert list(steps) == sorted(steps)
    assert "reward/likes" in logged
    assert "rollout/ep_rew_mean" in logged
    assert [f.name.startswith("events.out.tfevents") for f in tmp_path.iterdir()] == [True]


def test_a_policy_meets_only_the_kind_of_cohort_it_knows():
    policy = PPOPolicy.build(adload(4), **BRIEF)
    policy.bind(adload(7))
    with pytest.raises(ValueError, match="observation_space"):
        policy.bind(adload(4, observe="oracle"))
    with pytest.raises(ValueError, match="space"):
        policy.bind(feed(4))


def test_torch_keeps_its_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        PPOPolicy.train(adload, seed=0, budget_steps=1, **BRIEF)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_damaged_folders_are_refused_in_one_sentence(tmp_path):
    PPOPolicy.build(adload(4), **BRIEF).save(tmp_path)
    model, header = tmp_path / "model.zip", tmp_path / "policy.json"
    whole, said = model.read_bytes(), json.loads(header.read_text())
    header.write_text(json.dumps({**said, "config": {"speed": 1}}))
    with pytest.raises(ValueError, match=r"policy\.json is damaged: train and save the policy"):
        PPOPolicy.load(tmp_path)
    header.write_text(json.dumps(said))
    for content in (b"", b"no zip", whole[: len(whole) // 2]):
        model.write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.zip is damaged: train and save the policy"):
            PPOPolicy.load(tmp_path)
    model.unlink()
    with pytest.raises(ValueError, match=r"model\.zip is damaged"):
        PPOPolicy.load(tmp_path)


def test_unknown_settings_are_refused():
    with pytest.raises(TypeError, match="learning_speed"):
        PPOPolicy.train(adload, seed=0, budget_steps=8, learning_speed=1.0)


def test_they_are_registered_trained_and_loaded_by_name(tmp_path):
    names = [name for name, spec in AGENTS.items() if spec.extra == "rl"]
    assert {"ppo", "dqn"} <= set(names)
    for name in ("ppo", "dqn"):  # they play at the level of the cohort they are given
        assert AGENTS[name].cohort_kwargs("AdLoad") == {}

    def make(num_envs, **asked):
        return adload(num_envs, **asked)

    policy = train("ppo", make, seed=0, budget_steps=1)
    assert policy.name == "ppo"
    assert not policy.explore
    policy.save(tmp_path / "ppo")
    assert type(load(tmp_path / "ppo")) is PPOPolicy
