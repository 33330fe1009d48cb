"""The bandits on a problem with a known answer, and as policies."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.agents.bandits.base import LinearBandit
from longplay.agents.bandits.epsilon import EpsilonGreedy
from longplay.agents.bandits.lints import LinTS
from longplay.agents.bandits.linucb import LinUCB
from longplay.agents.policy import Batch
from longplay.envs.spaces import ITEM_FEATURES, table_of
from longplay.envs.state import OUTCOME, SLOT

D, ARMS, T, AT_ONCE = 5, 10, 5000, 10
F = len(ITEM_FEATURES)
EVERY = [EpsilonGreedy, LinUCB, LinTS]


def batch(**known: Any) -> Batch:
    """A batch in which only what a bandit reads is filled in."""
    n = len(known["action"])
    blank: dict[str, Any] = {name: np.zeros(n) for name in Batch._fields}
    blank["outcomes"] = np.zeros(n, OUTCOME)
    blank["outcomes"]["fetches"] = 1.0
    blank["slots"] = np.zeros((n, 10), SLOT)
    return Batch(**{**blank, **known})


def gap_closed(policy: LinearBandit, seed: int) -> float:
    """Share of the way from random to oracle on a logistic problem, over T decisions."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(ARMS, D))
    earned = chance = best = 0.0
    for _ in range(T // AT_ONCE):
        x = rng.normal(size=(AT_ONCE, D))
        p = 1.0 / (1.0 + np.exp(-x @ theta.T))
        act = policy.act(x, rng)
        mine = p[np.arange(AT_ONCE), act.action]
        reward = (rng.random(AT_ONCE) < mine).astype(float)
        policy.update(batch(obs=x, action=act.action, reward=reward))
        earned, chance, best = earned + mine.sum(), chance + p.mean(1).sum(), best + p.max(1).sum()
    return float((earned - chance) / (best - chance))


@pytest.fixture(scope="module")
def closed() -> dict[str, float]:
    """Mean over the same 4 problems for each method."""
    methods: dict[str, tuple[type[LinearBandit], dict[str, float]]] = {
        "epsilon 0.1": (EpsilonGreedy, {"epsilon": 0.1}),
        "epsilon 1": (EpsilonGreedy, {"epsilon": 1.0}),
        "linucb 1": (LinUCB, {"alpha": 1.0}),
        "lints 0.5": (LinTS, {"v": 0.5}),
        "lints 1": (LinTS, {"v": 1.0}),
    }
    return {
        name: float(
            np.mean([gap_closed(cls(arms=ARMS, features=D, **kw), seed) for seed in range(4)])
        )
        for name, (cls, kw) in methods.items()
    }


def test_every_method_closes_most_of_the_gap(closed: dict[str, float]) -> None:
    print(closed)
    for name in ("epsilon 0.1", "linucb 1", "lints 0.5", "lints 1"):
        assert closed[name] > 0.6, closed
    # a bandit that always explores must not pass this test
    assert abs(closed["epsilon 1"]) < 0.05


def test_thompson_with_v_1_explores_too_much(closed: dict[str, float]) -> None:
    assert closed["lints 1"] < closed["lints 0.5"] - 0.02, closed


def test_linucb_is_above_thompson(closed: dict[str, float]) -> None:
    assert closed["linucb 1"] > closed["lints 1"], closed


def items(n: int, rng: np.random.Generator, candidates: int = 8) -> dict[str, np.ndarray]:
    """Observations of the item problem: 2 user features, and candidates flat as envs give them."""
    return {
        "user": rng.normal(size=(n, 2)).astype(np.float32),
        "candidates": rng.normal(size=(n, candidates * F)).astype(np.float32),
    }


def slots_of(
    obs: dict[str, np.ndarray], slate: np.ndarray, seen: int, ad_at: int | None = None
) -> np.ndarray:
    """What a user logs who looks at the first positions; minutes = 1 + feature 0 x user 1."""
    slots = np.zeros((len(slate), 10), SLOT)
    slots["shows"] = -1
    places = [j for j in range(10) if j != ad_at][: slate.shape[1]]
    for j, place in enumerate(places):
        picked = table_of(obs["candidates"])[np.arange(len(slate)), slate[:, j]]
        slots["shows"][:, place] = slate[:, j]
        slots["minutes"][:, place] = 1.0 + picked[:, 0] * obs["user"][:, 1]
    slots["seen"][:, :seen] = 1
    slots["minutes"][:, seen:] = 1e6  # must never be read
    slots["minutes"][slots["shows"] < 0] = -1e6  # same
    return slots


@pytest.mark.parametrize("cls", EVERY)
def test_items_are_learnt_from_where_the_user_looked(cls: type[LinearBandit]) -> None:
    rng = np.random.default_rng(8)
    policy = cls(arms=0, features=F, slate=4, crossed=[1])
    for _ in range(30):
        obs = items(64, rng)
        act = policy.act(obs, rng)
        slots = slots_of(obs, act.action, seen=3, ad_at=1)
        policy.update(batch(obs=obs, action=act.action, slots=slots))
    policy.explore = False
    obs = items(256, rng)
    slate = policy.act(obs, rng).action
    truth = table_of(obs["candidates"])[:, :, 0] * obs["user"][:, 1:2]
    first = np.take_along_axis(truth, slate, axis=1)
    assert (first == -np.sort(-truth, axis=1)[:, :4]).mean() > 0.95


def test_rows_that_were_not_lived_are_not_learnt_from() -> None:
    rng = np.random.default_rng(9)
    policy = EpsilonGreedy(arms=3, features=2)
    step = batch(obs=rng.normal(size=(6, 2)), action=np.arange(6) % 3, reward=np.ones(6))
    step.outcomes["fetches"][:4] = 0.0
    policy.update(step)
    assert policy.ridge.counts.tolist() == [0.0, 1.0, 1.0]


def test_one_item_is_a_slate_of_one() -> None:
    obs = items(7, np.random.default_rng(0))
    act = EpsilonGreedy(arms=0, features=F, slate=0).act(obs, np.random.default_rng(1))
    assert act.action.shape == (7,)
    assert act.propensity == pytest.approx(1 / 8)  # all tied, so uniform with or without epsilon


def test_the_propensity_of_a_thompson_slate_is_said_to_be_unknown() -> None:
    act = LinTS(arms=0, features=F, slate=2).act(
        items(7, np.random.default_rng(0)), np.random.default_rng(1)
    )
    assert np.isnan(act.propensity).all()


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize("kind", ["layouts", "items"])
def test_saved_and_loaded_acts_the_same(cls: type[LinearBandit], kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    if kind == "layouts":
        policy, obs = cls(arms=4, features=3), rng.normal(size=(50, 3))
        act = policy.act(obs, rng)
        policy.update(batch(obs=obs, action=act.action, reward=rng.normal(size=50)))
    else:
        policy, obs = cls(arms=0, features=F, slate=3, crossed=(1,)), items(50, rng)
        act = policy.act(obs, rng)
        policy.update(batch(obs=obs, action=act.action, slots=slots_of(obs, act.action, seen=2)))
    policy.name = "mine"
    policy.save(tmp_path / "policy")
    twin = cls.load(tmp_path / "policy")
    assert twin.name == "mine"
    assert twin.config() == policy.config()
    ours = policy.act(obs, np.random.default_rng(11))
    theirs = twin.act(obs, np.random.default_rng(11))
    assert (ours.action == theirs.action).all()
    assert ours.propensity == pytest.approx(theirs.propensity, abs=1e-12, nan_ok=True)


def test_a_folder_with_lost_or_damaged_arrays_is_refused(tmp_path: Path) -> None:
    LinUCB(arms=4, features=3).save(tmp_path)
    file, header = tmp_path / "arrays.npz", tmp_path / "policy.json"
    whole = file.read_bytes()
    with np.load(file) as saved:
        arrays = dict(saved)
    fewer = {name: array for name, array in arrays.items() if name != "cross"}

    def assert_damaged(says: str = "") -> None:
        wanted = rf"arrays\.npz is damaged: train and save the policy again \(.*{says}"
        with pytest.raises(ValueError, match=wanted):
            LinUCB.load(tmp_path)

    file.unlink()
    assert_damaged("it holds no arrays; wanted cross, moments, origin, squares")
    for content in (b"", b"not an archive", whole[: len(whole) // 2], b"PK" + whole[9:]):
        file.write_bytes(content)
        assert_damaged()
    np.savez(file, **fewer)  # type: ignore[arg-type]
    assert_damaged("it holds moments, origin, squares; wanted cross")
    np.savez(file, **{**arrays, "moments": np.zeros(2)})  # type: ignore[arg-type]
    assert_damaged("moments of shape")
    np.savez(file, **{**arrays, "cross": np.array([{}])})  # type: ignore[arg-type]
    assert_damaged("allow_pickle")

    # saved before the header named the arrays
    said = json.loads(header.read_text())
    header.write_text(json.dumps({key: said[key] for key in said if key != "arrays"}))
    np.savez(file, **fewer)  # type: ignore[arg-type]
    assert_damaged("KeyError")
    file.write_bytes(whole)
    LinUCB.load(tmp_path)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [(EpsilonGreedy, {"epsilon": 1.5}), (LinUCB, {"alpha": -1.0}), (LinTS, {"v": 0.0})],
)
def test_refuses_settings_without_meaning(cls: type[LinearBandit], wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="; wanted"):
        cls(arms=2, features=2, **wrong)
