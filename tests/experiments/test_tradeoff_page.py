"""The page of a trade-off: differences are paired; where there is none, none is claimed."""

import json
from pathlib import Path

import numpy as np
import pytest

from longplay.experiments.paired import Panel
from longplay.experiments.studies.tradeoff import PARTS, claims, differences, page, spoken


def test_differences_are_those_of_the_same_people() -> None:
    rng = np.random.default_rng(0)
    people = rng.normal(10.0, 5.0, (3, 200))  # people differ by far more than policies do
    columns = {part: np.stack([people + 0.1, people]) for part in PARTS}
    panel = Panel(("patient", "myopic"), (0, 1, 2), columns)
    found = differences(panel, list(panel.agents), [("patient", "myopic")])
    gap = found["patient", "myopic", "value"]
    assert abs(gap.mean - 0.1) < 1e-12
    assert gap.low > 0.09
    assert gap.high < 0.11
    assert spoken(gap).startswith("+0.100 [")


def test_no_difference_is_no_proof() -> None:
    rng = np.random.default_rng(1)
    columns = {part: rng.normal(size=(2, 3, 100)) for part in PARTS}
    panel = Panel(("ppo", "linucb"), (0, 1, 2), columns)
    gap = differences(panel, ["ppo", "linucb"], [("ppo", "linucb")])["ppo", "linucb", "value"]
    assert gap.low < 0 < gap.high


def test_claims_speak_of_agents_that_ran() -> None:
    assert claims(["ppo", "linucb", "fixed-none", "fixed-3-7", "myopic"]) == [
        ("fixed-3-7", "myopic"),
        ("ppo", "linucb"),
        ("ppo", "fixed-3-7"),
    ]


def test_agents_count_by_what_they_are() -> None:
    # AdLoad: squarecb is a bandit and dqn a learner, at whatever level they decide
    assert claims(["random", "squarecb", "dqn@fetch", "fixed-none", "fixed-3-7"]) == [
        ("dqn@fetch", "squarecb"),
        ("dqn@fetch", "fixed-3-7"),
    ]
    # Feed: rules are what neither learns nor sees hidden state, chance apart
    names = ["random", "clickbait", "affinity", "linucb", "ppo-slate", "myopic", "patient"]
    assert claims(names, "Feed") == [
        ("clickbait", "myopic"),
        ("affinity", "myopic"),
        ("patient", "myopic"),
        ("patient", "clickbait"),
        ("patient", "affinity"),
        ("ppo-slate", "linucb"),
        ("ppo-slate", "clickbait"),
        ("ppo-slate", "affinity"),
    ]
    assert claims(["gone-since", "random"]) == []


def test_the_page_speaks_of_the_run_it_was_given(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    agents = ("linucb", "ppo-slate", "clickbait")
    settings = {"world": "longplay/Feed-v0", "scenario": "music", "decision": "fetch", "seeds": 2}
    settings |= {"users": 30, "train_steps": 4000}
    (tmp_path / "config.json").write_text(json.dumps({"settings": settings}))
    rng = np.random.default_rng(2)
    people = rng.normal(size=(2, 30))
    rows = [
        {"agent": agent, "seed": seed, "user": user}
        | dict.fromkeys(PARTS, float(people[seed, user] + gain))
        for agent, gain in zip(agents, (0.0, 1.0, 2.0), strict=True)
        for seed in range(2)
        for user in range(30)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "metrics.parquet")
    text = page(tmp_path)
    assert text.startswith("# Does patience pay in `music`? (longplay/Feed-v0)\n")
    assert "from a run of `longplay compare` (longplay/Feed-v0, scenario `music`" in text
    assert "1 of 2 claims hold" in text  # above the bandit, below the rule
    assert "| ppo-slate | linucb | +1.000 [+1.000, +1.000]" in text
    (tmp_path / "environment.json").write_text('{"command": "longplay compare --world w"}')
    assert "from a run of `longplay compare --world w` (" in page(tmp_path)
