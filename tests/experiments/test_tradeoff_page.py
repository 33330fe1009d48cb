"""The page of a trade-off: differences are paired; where there is none, none is claimed."""

import numpy as np

from longplay.experiments.paired import Panel
from longplay.experiments.studies.tradeoff import PARTS, claims, differences, spoken


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
