"""The best fixed rule: the best of all, and told apart on people of its own."""

from typing import Any

import numpy as np
import pytest

from longplay.agents.best_fixed import BestLayout, BestWeights, score_weights
from longplay.agents.privileged import JUDGES, best_of, surely_positive
from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import find_world

# Ads are paid and cost nothing: the most of them is best, whatever else is shown.
HARMLESS = find_world("bench").without("ad-memory", "ad-strain", "blindness")


def test_the_best_of_many_is_found_by_few_and_told_apart_by_all() -> None:
    asked: list[tuple[int, int]] = []

    def heat(candidate: int, users: int) -> float:
        asked.append((candidate, users))
        # With few users 3 looks best, with all of them 7 is.
        return float(candidate == 3) * 2 + (candidate == 7) * (1.0 if users < 100 else 3.0)

    assert best_of(10, heat, 100) == 7
    assert sorted(asked[:10]) == [(i, 25) for i in range(10)]
    assert len(asked) == 15 and {users for _, users in asked[10:]} == {100}


@pytest.mark.parametrize(("shift", "sure"), [(0.0, False), (0.1, False), (0.3, True), (-3, False)])
def test_a_gain_is_sure_when_its_interval_leaves_out_zero(shift: float, sure: bool) -> None:
    # 100 differences of standard deviation 1: the interval reaches 0.196 to either side.
    gain = np.tile([-1.0, 1.0], 50) * np.sqrt(99 / 100) + shift
    assert surely_positive(gain) is sure


def test_every_layout_is_tried_and_the_one_that_earns_most_is_shown() -> None:
    firsts = set()

    def make_cohort(n: int, **settings: Any) -> Cohort:
        firsts.add(settings["first_user"])
        known = {"scenario": HARMLESS, "decision": "session", "threads": 1, "horizon_days": 7.0}
        return Cohort("AdLoad", n, **{**known, **settings})

    policy = BestLayout.train(make_cohort, seed=0, budget_steps=1, users=64)
    assert policy.positions == (2, 3)  # most seen: the earliest two
    assert firsts == {JUDGES}  # people nobody is judged on


def test_score_weights_are_different_and_within_bounds() -> None:
    rules = score_weights()
    assert len(rules) == 29
    assert len({tuple(sorted(rule.items())) for rule in rules}) == len(rules)
    assert all(-1.0 <= weight <= 1.0 and weight for rule in rules for weight in rule.values())


def test_on_feed_the_best_rule_is_worth_more_than_clickbait() -> None:
    def make_cohort(n: int, **settings: Any) -> Cohort:
        known = {"scenario": "bench", "action": "weights", "threads": 1, "horizon_days": 14.0}
        return Cohort("Feed", n, **{**known, "decision": "session", "candidates": 30, **settings})

    policy = BestWeights.train(make_cohort, seed=0, budget_steps=1, users=64)
    assert policy.weights in score_weights()
    assert policy.weights.get("quality", 0.0) > 0.0  # what lasts comes from value
