"""Rules that do not learn, and how agents are found by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from longplay.agents import registry
from longplay.agents.extras import MissingExtra
from longplay.agents.fixed import (
    PRODUCTION,
    FixedLayout,
    Random,
    TopAffinity,
    Weights,
    fixed,
)
from longplay.agents.policy import BasePolicy, Policy
from longplay.agents.registry import AGENTS, TASKS, find_agent
from longplay.envs.spaces import ITEM_FEATURES, SCORERS
from longplay.envs.state import LAYOUTS

RNG = np.random.default_rng(0)
OBS = np.zeros((5, 3), np.float32)


def test_the_classic_layout_and_none() -> None:
    assert [LAYOUTS[a] for a in fixed(3, 7).act(OBS, RNG).action] == [(3, 7)] * 5
    assert [LAYOUTS[a] for a in fixed().act(OBS, RNG).action] == [()] * 5
    assert fixed(7, 3).act(OBS, RNG).propensity.tolist() == [1.0] * 5


def test_every_layout_has_a_name_that_finds_it() -> None:
    for positions in LAYOUTS:
        policy = FixedLayout(positions)
        spec = find_agent(policy.name)
        assert spec.settings["positions"] == positions
        assert spec.tasks == ("AdLoad",)
    assert find_agent("fixed-none").settings["positions"] == ()


def test_random_is_uniform_over_layouts() -> None:
    act = Random("discrete", [22]).act(np.zeros((220_000, 1)), np.random.default_rng(1))
    assert set(act.propensity) == {1 / 22}
    # standard error of a count with mean 10 000 is below 100
    assert np.all(np.abs(np.bincount(act.action, minlength=22) - 10_000) < 500)


def test_random_slates_do_not_repeat_and_are_uniform() -> None:
    obs = {"user": np.zeros((60_000, 1)), "candidates": np.zeros((60_000, 4 * 8))}
    act = Random("slate", [4, 2]).act(obs, np.random.default_rng(2))
    assert set(act.propensity) == {1 / 12}
    counts = np.bincount(act.action @ [4, 1], minlength=16).reshape(4, 4)
    assert (counts.diagonal() == 0).all()
    assert np.all(np.abs(counts[~np.eye(4, dtype=bool)] - 5_000) < 350)  # five standard errors


def test_random_weights_fill_the_box_and_say_their_density() -> None:
    act = Random("box", [3]).act(np.zeros((10_000, 1)), np.random.default_rng(3))
    assert act.action.dtype == np.float32
    assert act.action.min() >= -1.0
    assert act.action.max() <= 1.0
    assert np.abs(act.action.mean(axis=0)).max() < 5 / np.sqrt(3 * 10_000)
    assert set(act.propensity) == {0.125}


def test_weights_are_named_and_in_range() -> None:
    act = Weights(quality=0.5, affinity=1.0).act(OBS, RNG)
    row = dict(zip(SCORERS, act.action[4], strict=True))
    assert row.pop("quality") == 0.5
    assert row.pop("affinity") == 1.0
    assert set(row.values()) == {0.0}
    with pytest.raises(ValueError, match="no scorer 'charm'; the scorers are affinity"):
        Weights(charm=1.0)
    with pytest.raises(ValueError, match="quality=3"):
        Weights(quality=3.0)


def test_production_weighs_four_scores() -> None:
    spec = find_agent("production")
    assert spec.settings == PRODUCTION
    row = dict(zip(SCORERS, Weights(**spec.settings).act(OBS, RNG).action[0].tolist(), strict=True))
    assert {name: w for name, w in row.items() if w} == approx(
        {"affinity": 1.0, "attraction": 0.5, "quality": 0.5, "freshness": 0.1}
    )


def test_top_affinity_orders_candidates() -> None:
    candidates = np.zeros((1, 4, len(ITEM_FEATURES)))
    candidates[0, :, ITEM_FEATURES.index("affinity")] = [0.1, 0.9, -0.3, 0.5]
    obs = {"user": np.zeros((1, 2)), "candidates": candidates.reshape(1, -1)}
    assert TopAffinity(slate=3).act(obs, RNG).action.tolist() == [[1, 3, 0]]
    assert TopAffinity(slate=0).act(obs, RNG).action.tolist() == [1]


def test_agents_are_told_apart_and_say_what_they_are() -> None:
    assert {"random", "fixed-3-7", "linucb", "lints", "epsilon-greedy", "squarecb"} <= set(AGENTS)
    for name, spec in AGENTS.items():
        assert spec.name == name
        assert spec.about
        assert spec.tasks
        assert set(spec.tasks) <= set(TASKS)
        assert set(spec.asks) <= set(spec.tasks)
        assert issubclass(spec.policy, BasePolicy)


def test_an_unknown_agent_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"There is no agent 'linubc'\. Did you mean linucb"):
        find_agent("linubc")
    with pytest.raises(ValueError, match="Known: "):
        find_agent("zzzzzzzz")


def test_an_agent_says_which_tasks_it_plays() -> None:
    with pytest.raises(ValueError, match="'fixed-3-7' does not play 'Feed'; it plays AdLoad"):
        find_agent("fixed-3-7").cohort_kwargs("Feed")


def test_two_classes_cannot_share_a_name() -> None:
    class Impostor(BasePolicy):
        pass

    with pytest.raises(ValueError, match="'random' is already Random"):
        registry.agent("random", about="not random")(Impostor)
    assert AGENTS["random"].policy is Random


def test_a_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "longplay\[bandits\]"'):
        registry.train("squarecb", None, seed=0, budget_steps=1, task="AdLoad")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "policy", [fixed(3, 7), Random("slate", [10, 3]), Weights(quality=0.5), TopAffinity(slate=2)]
)
def test_saved_and_loaded_by_its_own_class(policy: BasePolicy, tmp_path: Path) -> None:
    policy.save(tmp_path / "p")
    twin = type(policy).load(tmp_path / "p")
    assert isinstance(twin, Policy)
    assert twin.config() == policy.config()
    with pytest.raises(ValueError, match=f"holds a {type(policy).__name__}, not a BasePolicy"):
        BasePolicy.load(tmp_path / "p")
    with pytest.raises(FileExistsError, match="already holds a policy"):
        policy.save(tmp_path / "p")


def test_load_finds_the_agent_that_wrote_a_folder(tmp_path: Path) -> None:
    fixed(2, 8).save(tmp_path / "p")
    loaded = registry.load(tmp_path / "p")
    assert isinstance(loaded, FixedLayout)
    assert loaded.positions == (2, 8)


def test_folders_that_are_no_policies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no policy\.json"):
        registry.load(tmp_path)
    fixed(3).save(tmp_path / "p")
    file = tmp_path / "p" / "policy.json"
    header = json.loads(file.read_text())
    file.write_text(json.dumps({**header, "format": 99}))
    with pytest.raises(ValueError, match="has format 99; this version reads format 1"):
        registry.load(tmp_path / "p")
    file.write_text("not json")
    with pytest.raises(ValueError, match="is not a policy's header"):
        registry.load(tmp_path / "p")
    file.write_text(json.dumps({"format": 1}))
    with pytest.raises(ValueError, match="is not a policy's header"):
        registry.load(tmp_path / "p")


@pytest.mark.parametrize(
    "wrong",
    [{"explore": "no"}, {"config": [1]}, {"name": 7}, {"policy": ["x"]}, {"arrays": "moments"}],
)
def test_a_header_of_wrong_types_is_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    fixed(3).save(tmp_path)
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **wrong}))
    with pytest.raises(ValueError, match=f"is not a policy's header .{next(iter(wrong))} is"):
        registry.load(tmp_path)


def test_settings_that_the_class_does_not_know_are_damage(tmp_path: Path) -> None:
    fixed(3).save(tmp_path)
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "config": {"speed": 1}}))
    with pytest.raises(ValueError, match=r"policy\.json is damaged: train and save the policy"):
        registry.load(tmp_path)
