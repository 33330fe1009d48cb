"""A sweep's file: what it may say, and the sentence that every slip gets."""

from pathlib import Path
from typing import Any

import pytest

from longplay.experiments.run import Refused
from longplay.experiments.sweep.carry import check_sweep
from longplay.experiments.sweep.config import Choices, Range, Sweep, config_of, read_config

pytestmark = pytest.mark.extras

SMALL = {"agent": "linucb", "seeds": 1, "users": 5, "train_steps": 300, "horizon_days": 4}


def of(over: dict[str, Any], **sweep: Any) -> Sweep:
    return config_of({"sweep": SMALL | sweep, "over": over})


def test_a_file_says_it_all(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        """
        [sweep]
        agent = "ppo"
        search = "random"
        trials = 7
        [over]
        scenario = ["bench", "music"]
        agent.learning_rate = {low = 1e-4, high = 1e-2, log = true}
        agent.net = [[64, 64], [128]]
        [over.world]
        day_value = {choices = [0.05, 0.1]}
        fatigue.per_ad = {low = 0, high = 1}
        """
    )
    config = read_config(file)
    assert (config.agent, config.trials, config.seeds) == ("ppo", 7, Sweep().seeds)
    assert config.over == {
        "scenario": Choices(("bench", "music")),
        "agent.learning_rate": Range(1e-4, 1e-2, log=True),
        "agent.net": Choices(([64, 64], [128])),
        "world.day_value": Choices((0.05, 0.1)),
        "world.fatigue.per_ad": Range(0, 1),
    }


@pytest.mark.parametrize(
    ("over", "sweep", "said"),
    [
        ({}, {}, "nothing stands under"),
        ({"agent": {"alfa": [1.0]}}, {}, "no setting 'agent.alfa'; did you mean agent.alpha"),
        ({"world": {"fatigue": {"per_add": [1.0]}}}, {}, "did you mean world.fatigue.per_ad"),
        ({"decisions": ["fetch"]}, {}, "no setting 'decisions'; did you mean decision"),
        ({"qqqqqqqq": [1]}, {}, "wanted agent, scenario,"),
        ({"agent": {"alpha": []}}, {}, "the list is empty"),
        ({"agent": {"alpha": {}}}, {}, "agent.alpha is empty"),
        ({"agent": {"alpha": 1.0}}, {}, r"wanted a list of values, such as \[1.0\]"),
        ({"agent": {"alpha": [1.0, 1.0]}}, {}, "1.0 came twice"),
        ({"agent": {"alpha": {"low": 2, "high": 1, "points": 2}}}, {}, "wanted low below high"),
        ({"agent": {"alpha": {"low": 1, "high": 1}}}, {}, "wanted low below high"),
        ({"agent": {"alpha": {"low": 0, "high": 1, "log": True}}}, {}, "has no logarithm"),
        ({"agent": {"alpha": {"low": 0}}}, {}, "has no 'high'"),
        ({"agent": {"alpha": {"low": 0, "hihg": 1}}}, {}, "did you mean high"),
        ({"agent": {"alpha": {"low": 0.0, "high": float("inf")}}}, {}, "wanted finite numbers"),
        ({"agent": {"alpha": {"low": "a", "high": 1}}}, {}, "low='a'; wanted a number"),
        ({"agent": {"alpha": {"low": 0, "high": 1}}}, {}, "a grid needs a list"),
        ({"agent": {"alpha": {"low": 0, "high": 1, "points": 1}}}, {}, "points=1; wanted at least"),
        ({"agent": {"alpha": {"choices": [1], "low": 1}}}, {}, "leave one of both away"),
        ({"agent": {"alpha": {"low": 0, "high": 2, "points": 3}}}, {}, "write 0.0 and 2.0, or"),
        ({"world": {"day_value": {"low": 0, "high": 1, "points": 2}}}, {}, "takes any number"),
        ({"agent": {"alpha": ["much"]}}, {}, "alpha='much'; wanted a number"),
        ({"agent": {"alpha": [True]}}, {}, "alpha=True; wanted a number"),
        ({"agent": {"alpha": [1.0, -1.0]}}, {}, "cannot be made so: alpha=-1.0"),
        ({"world": {"ads": {"seen": [0.5, 2.0]}}}, {}, "ads.seen=2.0: wanted at least 0"),
        ({"world": {"intent": {"share": [[1.0]]}}}, {}, "wanted 4 number"),
        ({"scenario": ["bench", "bensh"]}, {}, "no scenario 'bensh'; did you mean bench"),
        ({"agent": ["linucb", "linucp"]}, {}, "no agent 'linucp'; did you mean linucb"),
        ({"train_steps": [100, 0]}, {}, "train-steps=0"),
        ({"train_steps": [0.5]}, {}, "train_steps=0.5; wanted a whole number"),
        ({"agent": {"alpha": [1.0]}}, {"agent": "random"}, "none that could be varied"),
        ({"agent": {"alpha": [1.0]}}, {"metric": "valeu"}, "no metric 'valeu'; did you mean value"),
        ({"agent": {"alpha": [1.0]}}, {"metric": "reward"}, "no metric 'reward'"),
        ({"agent": {"alpha": [1.0]}}, {"sedes": 3}, "no setting 'sedes'; did you mean seeds"),
        ({"agent": {"alpha": [1.0]}}, {"seeds": 2.5}, "seeds=2.5; wanted a whole number"),
        ({"agent": {"alpha": [1.0]}}, {"seeds": 0}, "seeds=0"),
        ({"agent": {"alpha": [1.0]}}, {"goal": "up"}, 'goal=\'up\'; wanted "max" or "min"'),
        ({"agent": {"alpha": [1.0]}}, {"trials": 3}, "leave trials away"),
        ({"agent": {"alpha": [1.0]}}, {"search": "random"}, "came without trials"),
        ({"agent": {"alpha": [1.0]}}, {"search": "random", "trials": 0}, "trials=0; wanted at"),
        ({"agent": {"alpha": [1.0]}}, {"reward": "minuets"}, "minuets"),
        ({"train_steps": [100]}, {"stop": "halving"}, "early stopping varies it too"),
        (
            {"agent": {"alpha": [1.0]}},
            {"stop": "halving", "search": "optuna", "trials": 3},
            "take a grid or random",
        ),
        ({"agent": {"alpha": [1.0]}}, {"stop": "halving", "train_steps": 8}, "cannot be parted"),
        (
            {"agent": {"alpha": {"low": 1, "high": 2, "points": 3}}},
            {"search": "random", "trials": 3},
            "points are of a grid",
        ),
    ],
)  # fmt: skip
def test_slips_are_refused(over: dict[str, Any], sweep: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        check_sweep(of(over, **sweep))


def test_settings_of_learners_are_known_and_tried() -> None:
    pytest.importorskip("stable_baselines3")
    check_sweep(of({"agent": {"learning_rate": [1e-3], "net": [[8], [8, 8]]}}, agent="ppo"))
    for agent in ("ppo", "dqn"):
        check_sweep(of({"agent": {"gamma_day": [0.9], "batch_size": [64]}}, agent=agent))
    with pytest.raises(Refused, match=r"agent.net=\['a'\]; wanted a list of whole numbers"):
        check_sweep(of({"agent": {"net": [["a"]]}}, agent="ppo"))
    with pytest.raises(Refused, match="did you mean agent.learning_rate"):
        check_sweep(of({"agent": {"learn_rate": [0.1]}}, agent="ppo"))
    # what varies must be a setting of every agent that takes part
    with pytest.raises(Refused, match="agent 'dqn' has no setting 'agent.clip_range'"):
        check_sweep(of({"agent": ["ppo", "dqn"], "agent.clip_range": [0.2]}))


def test_whole_numbers_are_for_settings_that_take_whole_numbers() -> None:
    search = {"search": "random", "trials": 3}
    check_sweep(of({"world": {"youth_layout": {"low": 0, "high": 5}}}, **search))
    check_sweep(of({"train_steps": {"low": 100, "high": 500, "log": True}}, **search))
    with pytest.raises(Refused, match="horizon_days takes any number"):
        check_sweep(of({"horizon_days": {"low": 4, "high": 5}}, **search))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "odd.toml").write_text("[sweep\n")
    with pytest.raises(Refused, match="is no TOML file"):
        read_config(tmp_path / "odd.toml")
    (tmp_path / "odd.toml").write_text("[swep]\n")
    with pytest.raises(Refused, match="did you mean sweep"):
        read_config(tmp_path / "odd.toml")
    (tmp_path / "odd.toml").write_text("over = 3\n")
    with pytest.raises(Refused, match="over holds 3; wanted a table"):
        read_config(tmp_path / "odd.toml")
