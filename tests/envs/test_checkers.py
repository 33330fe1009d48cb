"""The checkers of Gymnasium and SB3, over every registered id and keyword combination."""

import inspect
import warnings
from collections.abc import Iterator
from itertools import product
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.utils.env_checker import check_env

import longplay.envs  # noqa: F401  (registers the ids)
from longplay.envs.arguments import ACTIONS
from longplay.envs.scenarios import SCENARIOS
from longplay.envs.session import Session

REFERENCE: dict[str, tuple[dict[str, Any], ...]] = {
    "longplay/ChocKale-v0": ({}, {"sensitivity": 0.3, "clickbait": (0.0, 1.0)}),
    "longplay/InterestEvolution-v0": ({}, {"observe_budget": True}, {"slate_size": 1}),
}
OURS = [spec for name, spec in gym.registry.items() if name.startswith("longplay/")]


def offers(spec: EnvSpec) -> Iterator[dict[str, Any]]:
    """Every combination of the keywords that the docs of this id offer."""
    assert spec.entry_point is not None
    maker = load_env_creator(spec.entry_point) if isinstance(spec.entry_point, str) else None
    if not (inspect.isclass(maker) and issubclass(maker, Session)):
        yield from REFERENCE.get(spec.id, ({},))
        return
    actions = ACTIONS if maker.task == "Feed" else (None,)
    every = product(SCENARIOS, ("fetch", "session"), ("platform", "oracle"), actions)
    for scenario, decision, observe, action in every:
        if decision == "session" and action in ("slate", "item"):
            continue  # these cannot be held for a session, and are refused
        words = {"scenario": scenario, "decision": decision, "observe": observe}
        yield words | ({"action": action} if action else {})


EVERY = [
    pytest.param(spec.id, words, id=" ".join([spec.id, *map(str, words.values())]))
    for spec in OURS
    for words in offers(spec)
]


def test_there_is_something_to_check() -> None:
    ids = {spec.id for spec in OURS}
    assert ids >= {"longplay/AdLoad-v0", "longplay/Feed-v0", "longplay/Tiny-v0", *REFERENCE}
    assert len(EVERY) >= len(SCENARIOS) * (4 + 8) + 1 + 2 + 3


@pytest.mark.parametrize(("name", "words"), EVERY)
def test_gymnasium_finds_no_fault(name: str, words: dict[str, Any]) -> None:
    env = gym.make(name, **words).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)  # makes it again for each render mode, and draws


@pytest.mark.extras
@pytest.mark.parametrize(("name", "words"), EVERY)
def test_stable_baselines_finds_no_fault(name: str, words: dict[str, Any]) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    modes = gym.make(name, **words).metadata["render_modes"]
    for render_mode in modes or (None,):
        env = gym.make(name, render_mode=render_mode, **words).unwrapped
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            checker.check_env(env, warn=True, skip_render_check=not modes)
