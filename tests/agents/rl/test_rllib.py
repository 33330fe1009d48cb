"""PPO, APPO and DQN by RLlib: they find the known answer, miss it when made to, and keep the policy
protocol; one table ranks them with SB3's and with bandits."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

pytest.importorskip("ray")

from longplay.agents.cluster import on_ray
from longplay.agents.policy import Policy
from longplay.agents.registry import AGENTS, load, train
from longplay.agents.rl._towers import forward, relu
from longplay.agents.rl.rllib import RLlibAPPOPolicy, RLlibDQNPolicy, RLlibPPOPolicy
from longplay.envs.cohort import Cohort
from longplay.rewards import Likes, Minutes, rewarded

pytestmark = [pytest.mark.extras, pytest.mark.filterwarnings("ignore")]  # RLlib's own
slow = pytest.mark.slow

RNG = np.random.default_rng(0)
PPO_SMALL = {"lanes": 32, "n_steps": 16, "batch_size": 128, "n_epochs": 4, "net": (16,)}
APPO_SMALL = {"lanes": 32, "n_steps": 8, "net": (16,), "learning_rate": 5e-3}
DQN_SMALL = {
    "lanes": 32,
    "batch_size": 64,
    "learning_rate": 5e-3,
    "target_update_interval": 128,
    "net": (16,),
}


@pytest.fixture(scope="module")
def cluster() -> Any:
    with on_ray(cpus=2) as nodes:
        yield nodes


@pytest.fixture
def gaps(two_gaps: Any) -> Any:
    """TwoGaps with the autoreset that RLlib wants, by visits too: every discount then alike."""

    class NextStepGaps(two_gaps):
        def __init__(self, num_envs: int, by_visits: bool = False) -> None:
            super().__init__(num_envs)
            self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
            self.by_visits = by_visits
            self.over = np.zeros(num_envs, bool)

        def step(self, actions: Any) -> Any:
            """Begin anew where a life is over, visit once elsewhere."""
            reward, gap = self.earn(actions)
            reward[self.over], gap[self.over] = 0.0, 0.0
            self.day[self.over] = 0.0
            self.day += gap / 24.0
            self.over = self.day >= self.horizon
            discount = np.full(len(gap), 0.9) if self.by_visits else self.gamma_day ** (gap / 24.0)
            info = {"gap_h": gap, "discount": discount}
            return self.look(), reward, np.zeros(self.num_envs, bool), self.over, info

    return NextStepGaps


def patience(policy: Any, n: int = 200) -> float:
    """Share of patient actions in TwoGaps, whatever the noise that is seen."""
    obs = np.stack([np.linspace(-1, 1, n), np.ones(n)], axis=1).astype(np.float32)
    return float(policy.act(obs, RNG).action.mean())


@slow
@pytest.mark.parametrize(
    ("cls", "steps", "small"),
    [
        (RLlibPPOPolicy, 12_000, PPO_SMALL),
        (RLlibAPPOPolicy, 20_000, APPO_SMALL),
    ],
)
def test_they_wait_where_waiting_pays(
    cluster: Any, gaps: Any, cls: Any, steps: int, small: Any
) -> None:
    policy = cls.train(lambda n, **_: gaps(n), seed=0, budget_steps=steps, **small)
    assert patience(policy) == 1.0


@slow
def test_dqn_knows_what_waiting_is_worth(cluster: Any, gaps: Any) -> None:
    small = {**DQN_SMALL, "batch_size": 128}
    policy = RLlibDQNPolicy.train(lambda n, **_: gaps(n), seed=0, budget_steps=16_000, **small)
    (told,) = forward(np.array([[0.0, 1.0]], np.float32), policy.layers, relu)
    # Q(patient) = 0.8 / (1 - 0.9) = 8;  Q(hasty) = 1 + 0.9^3 * 8 = 6.83
    assert told / policy.reward_scale == pytest.approx([6.83, 8.0], rel=0.1)


@slow
def test_visits_instead_of_days_and_short_sight_miss_it(cluster: Any, gaps: Any) -> None:
    # Every visit discounted alike, as RLlib's own gamma would, 1 a visit beats 0.8.
    asked: dict[str, Any] = {"seed": 0, "budget_steps": 12_000, **PPO_SMALL}
    counting = RLlibPPOPolicy.train(lambda n, **_: gaps(n, by_visits=True), **asked)
    assert patience(counting) == 0.0
    hasty = RLlibPPOPolicy.train(lambda n, **_: gaps(n), **asked, gamma_day=0.0)
    assert patience(hasty) == 0.0


def adload(num_envs: int = 1, **changes: Any) -> Cohort:
    settings = {"scenario": "bench", "decision": "session", "horizon_days": 10.0, "threads": 1}
    return Cohort("AdLoad", num_envs, **{**settings, **changes})


def feed(num_envs: int = 1, **changes: Any) -> Cohort:
    settings = {"scenario": "bench", "candidates": 12, "threads": 1}
    return Cohort("Feed", num_envs, **{**settings, **changes})


BRIEF = {"lanes": 8, "n_steps": 8, "batch_size": 32, "n_epochs": 1, "net": (8,)}
BRIEF_APPO = {"lanes": 8, "n_steps": 8, "net": (8,)}
BRIEF_DQN = {"lanes": 8, "batch_size": 32, "net": (8,)}
KINDS: dict[str, Any] = {
    "ppo layouts": (RLlibPPOPolicy, adload, BRIEF),
    "ppo weights": (RLlibPPOPolicy, feed, BRIEF),
    "ppo slates": (
        RLlibPPOPolicy,
        lambda n=1, **k: feed(n, action="slate", slate_size=3, **k),
        BRIEF,
    ),
    "appo items": (RLlibAPPOPolicy, lambda n=1, **k: feed(n, action="item", **k), BRIEF_APPO),
    "dqn layouts": (RLlibDQNPolicy, adload, BRIEF_DQN),
}


@slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_policy_that_saves_and_acts_alike(cluster: Any, kind: str, tmp_path: Path) -> None:
    cls, make, settings = KINDS[kind]
    policy = cls.train(make, seed=0, budget_steps=200, **settings)
    assert isinstance(policy, Policy)
    keeps_the_protocol(policy, make)
    policy.name, policy.explore = "test", True
    policy.save(tmp_path / "policy")
    twin = cls.load(tmp_path / "policy")
    assert (twin.name, twin.explore) == ("test", True)
    obs, _ = make(40).reset(seed=0)
    for policy.explore in (True, False):
        twin.explore = policy.explore
        mine, theirs = (p.act(obs, np.random.default_rng(3)) for p in (policy, twin))
        assert np.array_equal(mine.action, theirs.action)
        assert np.array_equal(mine.propensity, theirs.propensity, equal_nan=True)


def keeps_the_protocol(policy: Any, make: Any) -> None:
    """The cohort takes its acts, and its propensities are how often it does them."""
    cohort = make(40)
    obs, _ = cohort.reset(seed=0)
    policy.bind(cohort)
    for policy.explore in (True, False):
        act = policy.act(obs, np.random.default_rng(0))
        assert act.action in cohort.action_space
        assert act.propensity.shape == (40,)
        cohort.step(act.action)
    assert np.all(act.propensity == 1.0)  # greedy, and therefore without chance
    assert np.array_equal(act.action, policy.act(obs, np.random.default_rng(1)).action)
    policy.explore = True
    first = {k: v[:1] for k, v in obs.items()} if isinstance(obs, dict) else obs[:1]
    many = (
        {k: np.repeat(v, 20_000, axis=0) for k, v in first.items()}
        if isinstance(first, dict)
        else np.repeat(first, 20_000, axis=0)
    )
    act = policy.act(many, np.random.default_rng(0))
    if isinstance(cohort.single_action_space, gym.spaces.Box):
        assert np.all(np.isnan(act.propensity))  # weights have a density, no probability
        assert act.action.std() > 0.1
        return
    rows = act.action.reshape(20_000, -1)
    kinds, which, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    said = np.zeros(len(kinds))
    said[which.ravel()] = act.propensity
    assert np.array_equal(said[which.ravel()], act.propensity)  # one chance an action
    assert np.all(np.abs(counts / 20_000 - said) < 5.0 * np.sqrt(said / 20_000) + 1e-4)


@slow
@pytest.mark.parametrize(("cls", "small"), [(RLlibPPOPolicy, BRIEF), (RLlibDQNPolicy, BRIEF_DQN)])
def test_a_seed_repeats_a_training_bit_for_bit(cluster: Any, cls: Any, small: Any) -> None:
    nets = [cls.train(adload, seed=seed, budget_steps=256, **small).arrays() for seed in (0, 0, 1)]
    assert all(np.array_equal(nets[0][key], nets[1][key]) for key in nets[0])
    assert not all(np.array_equal(nets[0][key], nets[2][key]) for key in nets[0])


@slow
def test_training_is_told_and_logged_with_runners_elsewhere(cluster: Any) -> None:
    told: list[int] = []
    logged: dict[str, list[tuple[int, float]]] = {}

    def make(num_envs: int, **asked: Any) -> Any:
        return rewarded(adload(num_envs, **{**asked, "horizon_days": 1.0}), Minutes() + 2 * Likes())

    RLlibPPOPolicy.train(
        make,
        seed=0,
        budget_steps=1024,
        progress=told.append,
        log=lambda name, value, step: logged.setdefault(name, []).append((step, value)),
        **{**BRIEF, "runners": 2, "n_steps": 32},
    )
    assert told == sorted(told)
    assert told[-1] >= 1024
    steps, minutes = zip(*logged["reward/minutes"], strict=True)
    assert all(0.0 < value < 500.0 for value in minutes)
    assert list(steps) == told
    assert "reward/likes" in logged
    returns = [value for _, value in logged["rollout/ep_rew_mean"]]
    assert all(value > min(minutes) for value in returns)  # of a day, in the reward's own unit
    assert all(np.isfinite(value) for _, value in logged["train/total_loss"])


class Stop(Exception):
    pass


@slow
def test_a_killed_driver_goes_on_from_its_checkpoint(cluster: Any, tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        **BRIEF, "seed": 0, "budget_steps": 2_000, "checkpoint": tmp_path / "kept",
        "checkpoint_every": 300,
    }  # fmt: skip
    seen: list[int] = []

    def until_1000(made: int) -> None:
        seen.append(made)
        if made > 1000:
            raise Stop

    with pytest.raises(Stop):
        RLlibPPOPolicy.train(adload, progress=until_1000, **asked)
    said = json.loads((tmp_path / "kept" / "longplay.json").read_text())
    assert 600 < said["sampled"] <= seen[-2]
    went_on: list[int] = []
    rates: list[float] = []

    def log(name: str, value: float, step: int) -> None:
        if name == "train/default_optimizer_learning_rate":
            rates.append(value)

    policy = RLlibPPOPolicy.train(adload, progress=went_on.append, log=log, **asked)
    assert said["sampled"] < went_on[0] <= said["sampled"] + 2 * 64
    assert went_on[-1] >= 2_000
    assert len(went_on) < 2_000 / 64 - 8  # and not from the start
    assert rates == sorted(rates, reverse=True)
    assert rates[0] < 2e-3 * (1 - said["sampled"] / 2_000) + 1e-9
    assert policy.layers[0][0].any()
    with pytest.raises(ValueError, match=r"checkpoint with net=\[8\], this training has \[9\]"):
        RLlibPPOPolicy.train(adload, **{**asked, "net": (9,)})
    assert not list(tmp_path.glob("kept.*"))  # no half of one is left


@slow
def test_one_table_ranks_sb3_rllib_and_bandits(tmp_path: Path) -> None:
    from longplay.experiments.compare import compare
    from longplay.experiments.settings import Settings

    agents = ("ppo", "rllib-ppo", "linucb", "fixed-3-7")
    settings = Settings(agents=agents, seeds=1, users=60, train_steps=4_500, horizon_days=20.0)
    data = compare(settings, tmp_path / "run", jobs=2)
    assert {row.name for row in data.agents} == set(agents)
    policy = load(tmp_path / "run" / "checkpoints" / "rllib-ppo" / "seed-0")
    assert isinstance(policy, RLlibPPOPolicy)
    events = list((tmp_path / "run" / "tensorboard" / "rllib-ppo").rglob("events.out.tfevents*"))
    assert events


# Without Ray running.


def test_they_are_registered() -> None:
    names = {name for name, spec in AGENTS.items() if spec.extra == "ray"}
    assert names == {"rllib-ppo", "rllib-ppo-slate", "rllib-appo", "rllib-dqn"}
    assert AGENTS["rllib-ppo"].cohort_kwargs("AdLoad") == {}
    assert AGENTS["rllib-ppo-slate"].cohort_kwargs("Feed") == {"action": "slate"}


@pytest.mark.parametrize("name", ["rllib-ppo", "rllib-appo", "rllib-dqn"])
def test_untrained_ones_are_built_saved_and_loaded(name: str, tmp_path: Path) -> None:
    policy: Any = train(name, lambda n, **asked: adload(n, **asked), seed=0, budget_steps=0)
    assert policy.name == name
    assert not policy.explore
    keeps_the_protocol(policy, adload)
    policy.save(tmp_path / name)
    assert type(load(tmp_path / name)) is type(policy)


def test_a_policy_meets_only_the_kind_of_cohort_it_knows() -> None:
    policy = RLlibPPOPolicy.build(adload(4), **BRIEF)
    policy.bind(adload(7))
    for other in (adload(4, observe="oracle"), feed(4)):
        with pytest.raises(ValueError, match="make the cohort with the same task, decision"):
            policy.bind(other)


def test_damaged_folders_are_refused_in_one_sentence(tmp_path: Path) -> None:
    policy = RLlibPPOPolicy.build(adload(4), **BRIEF)
    arrays = policy.arrays()
    policy.save(tmp_path / "policy")
    file = tmp_path / "policy" / "arrays.npz"
    whole = file.read_bytes()
    for content in (b"", b"no zip", whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"arrays\.npz is damaged: train and save the policy"):
            RLlibPPOPolicy.load(tmp_path / "policy")
    np.savez(file, **{**arrays, "weight_1": np.zeros((8, 21))})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"arrays\.npz is damaged: .* they do not fit"):
        RLlibPPOPolicy.load(tmp_path / "policy")


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(TypeError, match="learning_speed"):
        RLlibPPOPolicy.train(adload, seed=0, budget_steps=8, learning_speed=1.0)
    with pytest.raises(ValueError, match=r"lanes=8 cannot be shared evenly by runners=3"):
        RLlibPPOPolicy.train(adload, seed=0, budget_steps=8, **{**BRIEF, "runners": 3})
    fields = {field.name for field in dataclasses.fields(RLlibPPOPolicy.settings)}
    assert {"runners", "address", "restarts", "patience_s"} <= fields
