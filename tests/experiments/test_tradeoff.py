"""In `bench` patience pays: shown on held-out people who meet every policy with the same luck."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from longplay.agents.fixed import FixedLayout
from longplay.agents.privileged import Myopic, Patient
from longplay.envs.cohort import Cohort
from longplay.experiments.evaluate import Evaluation, evaluate

PEOPLE = 400


def make_cohort(num_envs: int, **settings: Any) -> Cohort:
    return Cohort(
        "AdLoad", num_envs, **{"scenario": "bench", "decision": "session", "threads": 1, **settings}
    )


def lives(policy: Any) -> Evaluation:
    return evaluate(policy, make_cohort, users=PEOPLE, seed=0)


@pytest.fixture(scope="module")
def myopic() -> Evaluation:
    return lives(Myopic.train(make_cohort, seed=0, budget_steps=1, users=256, replicas=4))


@pytest.fixture(scope="module")
def rule() -> Evaluation:
    return lives(FixedLayout(positions=(7, 8)))


def surely_more(more: Evaluation, less: Evaluation, name: str = "value") -> bool:
    """The 95 % interval of the paired difference lies above 0."""
    gain: npt.NDArray[np.float64] = more.users[name] - less.users[name]
    return bool(gain.mean() > 1.96 * gain.std() / np.sqrt(len(gain)))


def test_a_fixed_rule_beats_the_best_myopic_policy(myopic: Evaluation, rule: Evaluation) -> None:
    assert surely_more(rule, myopic)
    assert surely_more(rule, myopic, "revenue")  # in money alone, too
    assert surely_more(rule, myopic, "satisfied_days")


def test_myopic_earns_more_at_once(myopic: Evaluation, rule: Evaluation) -> None:
    per_fetch = [e.users["revenue"].sum() / e.users["fetches"].sum() for e in (myopic, rule)]
    assert per_fetch[0] > 1.1 * per_fetch[1]


def test_a_patient_policy_beats_both(myopic: Evaluation, rule: Evaluation) -> None:
    patient = lives(Patient.train(make_cohort, seed=0, budget_steps=1, users=512, judges=128))
    assert surely_more(patient, myopic)
    assert surely_more(patient, rule)


def test_little_is_cut_off_by_the_horizon(myopic: Evaluation, rule: Evaluation) -> None:
    assert rule.cut_off < 0.03
    assert myopic.cut_off < 0.03
