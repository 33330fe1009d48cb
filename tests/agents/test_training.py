"""Every agent without a network, on the real worlds: found, trained, served, saved, loaded."""

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.agents import registry
from longplay.agents.policy import BasePolicy, Policy, online
from longplay.agents.registry import AGENTS
from longplay.envs.cohort import Cohort
from longplay.rewards import Minutes, Skips, rewarded

SMALL = {
    "myopic": {"users": 40, "replicas": 2},
    "best-fixed": {"users": 16},
    "oracle": {"users": 40, "judges": 16, "days": 2.0, "rounds": 3},
    "patient": {"users": 40, "judges": 16, "days": 2.0, "hold_days": (1.0,)},
}
PAIRS = [
    (name, task)
    for name, spec in AGENTS.items()
    for task in spec.tasks
    if spec.extra in (None, "bandits")
    and (not name.startswith("fixed-") or name in ("fixed-none", "fixed-3-7"))
]


def maker(task: str) -> Any:
    """make_cohort of a task in the world of short horizons."""

    def make_cohort(num_envs: int, **overrides: Any) -> Cohort:
        settings = {"scenario": "bench", "horizon_days": 10.0, "threads": 1, "candidates": 30}
        return Cohort(task, num_envs, **{**settings, **overrides})

    return make_cohort


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_trained_served_saved_and_loaded(name: str, task: str, tmp_path: Path) -> None:
    spec = AGENTS[name]
    if spec.extra == "bandits":
        pytest.importorskip("vowpalwabbit")
    small = {**spec.settings, **SMALL.get(name, {})}
    told: list[int] = []
    policy = registry.train(
        dataclasses.replace(spec, settings=small),
        maker(task),
        seed=0,
        budget_steps=1500,
        progress=told.append,
        task=task,
    )
    assert policy.name == name
    assert told == sorted(told)
    assert told[-1] >= 1500
    policy.save(tmp_path / "p")
    twin = registry.load(tmp_path / "p")
    assert type(twin) is type(policy)

    cohort = maker(task)(50, **spec.cohort_kwargs(task))
    acts = []
    for one in (policy, twin):
        obs, _ = cohort.reset(seed=2)
        one.bind(cohort)
        rng = np.random.default_rng(0)
        for _ in range(3):
            act = one.act(obs, rng)
            assert cohort.action_space.contains(act.action)
            assert act.propensity.shape == (50,)
            assert ((act.propensity > 0) & (act.propensity <= 1)).all()
            obs, *_ = cohort.step(act.action)
        acts.append(act)
    assert (acts[0].action == acts[1].action).all()
    assert acts[0].propensity == pytest.approx(acts[1].propensity)


def earned(policy: Policy, task: str, **asks: Any) -> Any:
    """Mean reward of 40 decisions in each of 400 lanes of held-out users."""
    cohort = maker(task)(400, first_user=1 << 24, **asks)
    policy.bind(cohort)
    return np.mean([batch.reward for batch in online(cohort, policy, seed=7, rounds=40)], axis=0)


def assert_earns_more_than_chance(policy: Policy, task: str, **asks: Any) -> None:
    """In the same 400 lanes, by at least a fifth, and by four standard errors."""
    chance = earned(AGENTS["random"].policy.build(maker(task)(1, **asks)), task, **asks)
    gain = earned(policy, task, **asks) - chance
    print(f"{policy.name} on {task}: {gain.mean() / chance.mean():+.0%} over random")
    assert gain.mean() > 0.2 * chance.mean()
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(gain))


@pytest.mark.parametrize("task", ["AdLoad", "Feed"])
@pytest.mark.parametrize("name", ["epsilon-greedy", "linucb", "lints"])
def test_bandits_learn_to_earn_at_once(name: str, task: str) -> None:
    asks = AGENTS[name].cohort_kwargs(task)
    learnt = registry.train(name, maker(task), seed=0, budget_steps=15_000, task=task)
    assert_earns_more_than_chance(learnt, task, **asks)


def test_squarecb_learns_to_earn_at_once() -> None:
    pytest.importorskip("vowpalwabbit")
    learnt = registry.train("squarecb", maker("AdLoad"), seed=0, budget_steps=6_000, task="AdLoad")
    assert_earns_more_than_chance(learnt, "AdLoad")


def test_training_sees_only_the_people_it_is_given_and_repeats_itself() -> None:
    twice = [
        registry.train("linucb", maker("AdLoad"), seed=3, budget_steps=2_000, task="AdLoad")
        for _ in range(2)
    ]
    first, second = (policy.arrays() for policy in twice)  # type: ignore[attr-defined]
    assert all(np.array_equal(first[key], second[key]) for key in first)
    other = registry.train("linucb", maker("AdLoad"), seed=4, budget_steps=2_000, task="AdLoad")
    assert not np.array_equal(first["cross"], other.arrays()["cross"])  # type: ignore[attr-defined]


def test_a_bandit_learns_from_the_reward_around_its_cohort() -> None:
    wish = 0.5 * Minutes() - 0.3 * Skips()
    logged: dict[str, list[float]] = {}

    def paid(num_envs: int, **overrides: Any) -> Cohort:
        return rewarded(maker("AdLoad")(num_envs, **overrides), wish)

    def log(name: str, value: float, step: int) -> None:
        logged.setdefault(name, []).append(value)

    policy = registry.train("linucb", paid, seed=0, budget_steps=8_000, log=log, task="AdLoad")
    assert list(logged) == ["train/reward", "reward/minutes", "reward/skips"]
    for whole, minutes, skips in zip(*logged.values(), strict=True):
        assert whole == pytest.approx(minutes + skips)
        assert minutes > 0.0 > skips
    assert registry.train("random", paid, seed=0, budget_steps=1).name == "random"  # looks for it
    plain = registry.train("linucb", maker("AdLoad"), seed=0, budget_steps=8_000, task="AdLoad")
    mine, theirs = (p.arrays()["cross"] for p in (policy, plain))  # type: ignore[attr-defined]
    assert not np.array_equal(mine, theirs)

    env, served = paid(32), AGENTS["random"].policy.build(maker("AdLoad")(1))
    for batch in online(env, served, seed=1, rounds=9):
        assert np.array_equal(batch.reward, wish(batch.outcomes))
        assert list(batch.reward_parts) == ["minutes", "skips"]
    assert not next(online(maker("AdLoad")(4), served, seed=1, rounds=1)).reward_parts


def test_references_pursue_the_value_whatever_is_paid() -> None:
    small = dataclasses.replace(AGENTS["myopic"], settings=SMALL["myopic"])

    def paid(num_envs: int, **overrides: Any) -> Cohort:
        return rewarded(maker("AdLoad")(num_envs, **overrides), Skips())

    ours, theirs = (registry.train(small, make, seed=0, budget_steps=1).arrays()  # type: ignore[attr-defined]
                    for make in (paid, maker("AdLoad")))  # fmt: skip
    assert ours and all(np.array_equal(ours[key], theirs[key]) for key in theirs)


def test_a_batch_ends_a_life_where_it_ended() -> None:
    cohort = maker("AdLoad")(64, horizon_days=1.0)
    policy = AGENTS["random"].policy.build(cohort)
    batches = list(online(cohort, policy, seed=0, rounds=60))
    ended = 0
    for batch, then in pairwise(batches):
        over = batch.terminated | batch.truncated
        ended += int(over.sum())
        assert (batch.outcomes["fetches"] == 1).all()
        assert (batch.discount[batch.terminated] == 0).all()
        assert (batch.discount[~batch.terminated] > 0).all()
        assert (batch.next_obs[~over] == then.obs[~over]).all()
        assert (batch.next_obs[over] != then.obs[over]).any(axis=1).all()
    assert ended > 20


def test_items_cannot_be_learnt_from_whole_sessions() -> None:
    with pytest.raises(ValueError, match="decision"):
        registry.train(
            "linucb",
            lambda n, **kw: maker("Feed")(n, **{**kw, "decision": "session"}),
            seed=0,
            budget_steps=10,
            task="Feed",
        )


@pytest.mark.parametrize("name", ["epsilon-greedy", "linucb"])
def test_saving_changes_nothing(name: str, tmp_path: Path) -> None:
    def make(n: int, **settings: Any) -> Cohort:
        return Cohort("AdLoad", n, **{"scenario": "bench", "threads": 1, **settings})

    policy = registry.train(name, make, seed=0, budget_steps=256 * 23, task="AdLoad")
    cohort = make(300)
    obs, _ = cohort.reset(seed=9)
    before = policy.act(obs, np.random.default_rng(0)).action
    policy.save(tmp_path / name)
    assert (policy.act(obs, np.random.default_rng(0)).action == before).all()


def test_what_may_be_tuned() -> None:
    """Keyword arguments with defaults, of the class and those it hands the rest to."""
    assert AGENTS["random"].policy.tunable() == {}
    known = AGENTS["epsilon-greedy"].policy.tunable()
    assert known["epsilon"] is float
    assert "credit" in known  # of LinearBandit
    assert "features" not in known  # has no default: the cohort says it
    assert "users" in AGENTS["best-fixed"].policy.tunable()  # of its own `train`

    @dataclass(frozen=True)
    class Settings:
        lanes: int = 8
        rate: float | None = None

    class Learner(BasePolicy):
        settings = Settings

    assert Learner.tunable() == {"lanes": int, "rate": float | None}
