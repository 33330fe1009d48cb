"""longplay/Tiny-v0: the laws by hand, the matrices by draws, the optimum by another method."""

import gymnasium as gym
import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import chi2

from longplay.envs.lanes import seen_after
from longplay.envs.reference import tiny
from longplay.envs.reference.tiny import GONE, LOADS, STATES, Tiny, TinyCohort, model, state_of


def test_a_visit_by_hand() -> None:
    # f = 2, long rest, 3 ads: g = min(4, 0 + 3) = 3; revenue 3 (1 - 0.24) = 2.28.
    assert tiny.next_fatigue(2, 2, 3) == 3
    assert tiny.next_fatigue(4, 1, 3) == 4 and tiny.next_fatigue(0, 2, 0) == 0
    assert tiny.revenue(2, 3) == pytest.approx(2.28)
    # Up 0.35 (1 - 3/4) = 0.0875; down 0.5 * 3/4 = 0.375; churn at s' = 2: 0.005 + 0.35/4.
    assert tiny.p_up(3) == pytest.approx(0.0875)
    assert tiny.p_down(3) == pytest.approx(0.375)
    assert tiny.p_churn(2) == pytest.approx(0.0925)


def test_a_row_of_the_matrix_by_hand() -> None:
    # From (s, f) = (2, 2) with 3 ads: a long rest leads to g = 3, a short one to g = 4.
    row = model().P[state_of(2, 2), 3]
    # Half the time g = 3; mood up with 0.0875, and then churn is 0.005 + 0.35/8 = 0.04875.
    assert row[state_of(3, 3)] == pytest.approx(0.5 * 0.0875 * (1.0 - 0.04875))
    # The other half g = 4, where nothing rises and half fall: s' = 1, churn 0.18.
    assert row[state_of(1, 4)] == pytest.approx(0.5 * 0.5 * (1.0 - 0.18))
    assert row[state_of(3, 4)] == 0.0
    assert model().R[state_of(2, 2), 3] == pytest.approx(2.28)


def test_the_matrices_are_probabilities() -> None:
    mdp = model()
    assert mdp.P.shape == (STATES, LOADS, STATES) and mdp.P.min() >= 0.0
    np.testing.assert_allclose(mdp.P.sum(axis=2), 1.0, atol=1e-12)
    assert mdp.start.sum() == pytest.approx(1.0) and mdp.start[GONE] == 0.0
    assert (mdp.P[GONE, :, GONE] == 1.0).all() and (mdp.R[GONE] == 0.0).all()
    # Every visit can be the last, so no life is endless.
    assert (mdp.P[:GONE, :, GONE] >= 0.005).all()


def chi_square(counts: np.ndarray, p: np.ndarray) -> float:
    """Probability of as bad a fit, if ``counts`` were drawn with probabilities ``p``."""
    assert counts[p == 0.0].sum() == 0  # nothing impossible happens
    kept = counts.sum() * p >= 5.0
    told = np.append(counts[kept], counts[~kept].sum())
    wanted = np.append(counts.sum() * p[kept], counts.sum() * p[~kept].sum())
    told, wanted = told[wanted > 0.0], wanted[wanted > 0.0]
    return float(chi2.sf(((told - wanted) ** 2 / wanted).sum(), len(told) - 1))


def test_sampled_lives_follow_the_published_matrices() -> None:
    n, mdp = 4000, model()
    cohort = TinyCohort(n)
    rng = np.random.default_rng(5)
    state, _ = cohort.reset(seed=11)
    assert chi_square(np.bincount(state, minlength=STATES), mdp.start) > 0.01
    counts = np.zeros((STATES, LOADS, STATES))
    for _ in range(300):
        # No ads for half of them, so that calm states are visited too.
        ads = rng.integers(LOADS, size=n) * (np.arange(n) % 2)
        seen, reward, gone, cut, info = cohort.step(ads)
        np.testing.assert_allclose(reward, mdp.R[state, ads])
        reached = seen_after(seen, info)
        assert ((reached == GONE) == gone).all() and not cut.any()
        np.testing.assert_array_equal(info["discount"], np.where(gone, 0.0, mdp.discount))
        np.add.at(counts, (state, ads, reached), 1)
        state = seen
    visited = counts.sum(axis=2) >= 100
    assert visited[:GONE].mean() > 0.8
    fits = [chi_square(counts[s, a], mdp.P[s, a]) for s, a in np.argwhere(visited)]
    # Of some 120 tests that are right, the least is above 0.01 / 120 in 99 of 100 seeds.
    assert min(fits) > 0.01 / len(fits)


def test_the_optimum_is_that_of_the_linear_programme() -> None:
    # Puterman 1994, section 6.9: the least v with v >= R_a + discount P_a v for every action a.
    mdp = model()
    ahead = np.eye(STATES)[:, None, :] - mdp.discount * mdp.P  # (S, A, S)
    solved = linprog(
        np.ones(STATES), -ahead.reshape(-1, STATES), -mdp.R.ravel(), bounds=(None, None)
    )
    assert solved.status == 0
    np.testing.assert_allclose(mdp.optimum().values, solved.x, atol=1e-6)
    assert mdp.optimum().worth == pytest.approx(mdp.start @ solved.x, abs=1e-6)


def test_the_optimal_policy_earns_the_optimum_in_the_env() -> None:
    n, best = 40_000, Tiny().optimum()
    cohort = TinyCohort(n, autoreset_mode="DISABLED")
    state, _ = cohort.reset(seed=2)
    earned, weight = np.zeros(n), np.ones(n)
    for _ in range(3000):
        state, reward, gone, *_, info = cohort.step(best.policy[state])
        earned += weight * reward
        weight *= info["discount"]
        if gone.all():
            break
    assert gone.all()
    error = earned.std() / np.sqrt(n)
    assert error < 0.005 * best.worth
    assert abs(earned.mean() - best.worth) < 3.0 * error


def test_short_sight_and_constant_loads_miss_by_what_the_page_says() -> None:
    mdp = gym.make("longplay/Tiny-v0").unwrapped.mdp  # type: ignore[attr-defined]
    best = mdp.optimum()
    assert best.worth == pytest.approx(18.47, abs=0.005)
    assert (mdp.myopic()[:GONE] == 3).all()
    assert mdp.worth_of(mdp.myopic()) / best.worth == pytest.approx(0.586, abs=5e-4)
    constant = [mdp.worth_of(np.full(STATES, ads)) / best.worth for ads in range(LOADS)]
    assert max(constant) == constant[1] == pytest.approx(0.912, abs=5e-4)


def test_the_optimum_shows_ads_to_the_rested_and_satisfied() -> None:
    policy = Tiny().optimum().policy[:GONE].reshape(7, 5)
    assert set(policy.ravel()) == {0, 1, 2, 3}
    assert policy[6].tolist() == [3, 2, 1, 0, 0]  # the more tired, the fewer
    assert (policy[0] == 3).all()  # and who is all but lost is milked


def test_the_published_matrices_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Tiny().mdp.P[0, 0, 0] = 1.0
