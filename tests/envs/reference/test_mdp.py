"""Exact answers of finite decision processes, against hand and another method."""

import itertools

import numpy as np
import pytest

from longplay.envs.reference.mdp import MDP


def two_doors() -> MDP:
    """State 0: take 1 and go to the end (2), or take 0 and wait in 1, where 2 is paid for good."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 2] = P[0, 1, 1] = P[1, :, 1] = P[2, :, 2] = 1.0
    R = np.array([[1.0, 0.0], [2.0, 2.0], [0.0, 0.0]])
    return MDP(P, R, 0.5, np.array([1.0, 0.0, 0.0]))


def random_mdp(seed: int) -> MDP:
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(4, 0.3), size=(4, 3))
    return MDP(P, rng.normal(size=(4, 3)), 0.9, rng.dirichlet(np.ones(4)))


def test_worked_example() -> None:
    # By hand: v(1) = 2 / (1 - 0.5) = 4; from 0, waiting is worth 0.5 * 4 = 2, more than 1.
    best = two_doors().optimum()
    np.testing.assert_allclose(best.values, [2.0, 4.0, 0.0], atol=1e-12)
    assert best.policy[0] == 1
    assert best.worth == pytest.approx(2.0)
    assert two_doors().myopic()[0] == 0
    assert two_doors().worth_of(two_doors().myopic()) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_no_policy_of_all_is_better(seed: int) -> None:
    mdp = random_mdp(seed)
    every = [np.array(policy) for policy in itertools.product(range(3), repeat=4)]
    values = np.array([mdp.values_of(policy) for policy in every])  # (81, 4)
    np.testing.assert_allclose(mdp.optimum().values, values.max(axis=0), atol=1e-9)
    assert mdp.optimum().worth == pytest.approx(max(map(mdp.worth_of, every)))


def test_values_are_those_of_walking_on_and_on() -> None:
    mdp = random_mdp(9)
    policy, values = np.array([2, 0, 1, 1]), np.zeros(4)
    for _ in range(400):
        values = mdp.R[range(4), policy] + mdp.discount * mdp.P[range(4), policy] @ values
    np.testing.assert_allclose(mdp.values_of(policy), values, atol=1e-12)


@pytest.mark.parametrize("wrong", [[0, 1], [0.0, 1.0, 0.0], [0, 2, 0], [0, -1, 0]])
def test_no_policy_is_refused_in_a_sentence(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^policy: "):
        two_doors().values_of(np.array(wrong))
