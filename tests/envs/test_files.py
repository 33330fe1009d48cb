"""Scenario files: what is written is read, and nothing else is."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import longplay.envs  # noqa: F401  registers the ids
from longplay.envs.files import read_world, write_world
from longplay.envs.laws.fatigue import next_fatigue
from longplay.envs.scenarios import SCENARIOS, find_world


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_world_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    write_world(SCENARIOS[name], tmp_path / "w.json")
    assert read_world(tmp_path / "w.json") == SCENARIOS[name]


def test_a_parameter_younger_than_the_file_has_its_default(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    write_world(SCENARIOS["bench"].replace("old", ads={"memory": 0.7}), path)
    page = json.loads(path.read_text())
    del page["laws"]["ads"]["seen"], page["laws"]["survey"]
    path.write_text(json.dumps(page))
    assert read_world(path) == SCENARIOS["bench"].replace("old", ads={"memory": 0.7})


def test_a_path_is_a_scenario_of_gym_make(tmp_path: Path) -> None:
    mine = find_world("bench").replace("mine", ads={"seen": 0.5}, horizon_days=20.0)
    write_world(mine, tmp_path / "mine.json")
    envs = [
        gym.make("longplay/AdLoad-v0", scenario=scenario)
        for scenario in (str(tmp_path / "mine.json"), mine)
    ]
    assert np.array_equal(*(env.reset(seed=4)[0] for env in envs))
    assert np.array_equal(*(env.step(5)[0] for env in envs))


def test_nothing_is_overwritten_and_laws_are_not_lost_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    write_world(SCENARIOS["bench"], path)
    with pytest.raises(FileExistsError):
        write_world(SCENARIOS["music"], path)
    own = SCENARIOS["bench"].with_laws("own", next_fatigue=next_fatigue)
    with pytest.raises(ValueError, match=r"has laws of its own \(next_fatigue\)"):
        write_world(own, tmp_path / "own.json")
    assert not (tmp_path / "own.json").exists()


def damaged(page: dict[str, Any], how: str) -> Any:
    if how == "other":
        return {"format": "something"}
    if how == "version":
        page["version"] = 99
    if how == "lacks":
        del page["settings"]
    if how == "unknown":
        page["laws"]["adds"] = {}
    if how == "value":
        page["laws"]["ads"]["seen"] = 1.5
    if how == "shape":
        page["laws"]["intent"]["share"] = [1.0, 2.0]
    if how == "text":
        page["laws"]["ads"]["seen"] = "half"
    if how == "setting":
        page["settings"]["gamma_day"] = 2.0
    if how == "list":
        page["laws"] = []
    return page


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("other", "is no scenario file"),
        ("version", "has version 99; this longplay reads version 1"),
        ("lacks", "the file lacks 'settings'"),
        ("unknown", "laws has 'adds', which does not exist"),
        ("value", r"ads.seen=1.5: wanted at least 0, at most 1"),
        ("shape", r"intent.share=.*wanted 4 number"),
        ("text", "ads.seen='half': wanted numbers"),
        ("setting", "gamma_day=2.0"),
        ("list", "wanted names with values"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(how: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    write_world(SCENARIOS["bench"], path)
    path.write_text(json.dumps(damaged(json.loads(path.read_text()), how)))
    with pytest.raises(ValueError, match=told) as refused:
        find_world(str(path))
    assert "w.json" in str(refused.value)


def test_a_file_that_is_not_there_or_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        find_world(str(tmp_path / "none.json"))
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match="is no JSON file"):
        find_world(str(tmp_path / "bad.json"))
