"""Ridge against the paper's one-row algorithm, and what standardising must not change."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longplay.agents.bandits.linear import Ridge

Floats = npt.NDArray[np.float64]


def linucb_row_by_row(
    x: Floats, arm: npt.NDArray[np.int64], reward: Floats, arms: int, lam: float
) -> tuple[Floats, Floats]:
    """Li et al. 2010, algorithm 1, with Sherman-Morrison: A^-1 and theta of every arm."""
    d = x.shape[1]
    inverse = np.array([np.eye(d) / lam for _ in range(arms)])
    b = np.zeros((arms, d))
    for row, k, r in zip(x, arm, reward, strict=True):
        ax = inverse[k] @ row
        inverse[k] -= np.outer(ax, ax) / (1.0 + row @ ax)
        b[k] += r * row
    return inverse, np.einsum("kde,ke->kd", inverse, b)


def test_golden_linucb_scores() -> None:
    # Scores on which three implementations agree (an independent one, mabwiser 2.7.4 and
    # obp 0.5.7): 200 rows, d = 4, K = 3, alpha = 1.25, lam = 1, all drawn from default_rng(0).
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    arm = rng.integers(0, 3, 200)
    reward = rng.random(200)
    new = rng.normal(size=(1, 4))
    ridge = Ridge(3, 4, raw=True, refit_after=0.0)
    for start in range(0, 200, 8):
        rows = slice(start, start + 8)
        ridge.update(x[rows], arm[rows], reward[rows])
    z = ridge.standardise(new)
    scores = ridge.means(z) + 1.25 * ridge.widths(z)
    assert scores[0] == pytest.approx([0.2205508576, 0.1535866642, 0.1361385510], abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), lam=st.floats(0.01, 100.0), batch=st.integers(1, 60))
def test_batches_equal_one_row_at_a_time(seed: int, lam: float, batch: int) -> None:
    rng = np.random.default_rng(seed)
    x, arm = rng.normal(size=(60, 3)), rng.integers(0, 4, 60)
    reward = rng.normal(size=60)
    ridge = Ridge(4, 3, lam=lam, raw=True, refit_after=0.0)
    for start in range(0, 60, batch):
        rows = slice(start, start + batch)
        ridge.update(x[rows], arm[rows], reward[rows])
    inverse, theta = linucb_row_by_row(x, arm, reward, 4, lam)
    new = rng.normal(size=(5, 3))
    z = ridge.standardise(new)
    assert ridge.means(z) == pytest.approx(new @ theta.T, abs=1e-10)
    width = np.sqrt(np.einsum("nd,kde,ne->nk", new, inverse, new))
    assert ridge.widths(z) == pytest.approx(width, abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 80))
def test_standardised_fit_equals_one_fit_on_all_the_past(seed: int, batch: int) -> None:
    # However the rows came, the fit is the plain ridge on rows standardised by all of them.
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 3)) * [1e-3, 1.0, 1e3] + [5.0, -7.0, 1e4]
    arm = rng.integers(0, 2, 80)
    reward = rng.normal(10.0, 3.0, 80)
    ridge = Ridge(2, 3, lam=2.0, refit_after=0.0)
    for start in range(0, 80, batch):
        rows = slice(start, start + batch)
        ridge.update(x[rows], arm[rows], reward[rows])
    z = np.c_[np.ones(80), (x - x.mean(0)) / x.std(0)]
    assert ridge.standardise(x) == pytest.approx(z, abs=1e-6)
    for k in range(2):
        mine = z[arm == k]
        a = 2.0 * np.eye(4) + mine.T @ mine
        theta = np.linalg.solve(a, mine.T @ (reward[arm == k] - reward.mean()))
        assert ridge.means(z)[:, k] == pytest.approx(reward.mean() + z @ theta, abs=1e-6)
        width = reward.std() * np.sqrt(np.einsum("nd,de,ne->n", z, np.linalg.inv(a), z))
        assert ridge.widths(z)[:, k] == pytest.approx(width, rel=1e-6)


def test_units_of_the_context_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    x, arm, reward = rng.normal(size=(50, 3)), rng.integers(0, 2, 50), rng.normal(size=50)
    scale, shift = np.array([10.0, 0.1, 60.0]), np.array([1.0, 100.0, -3.0])
    plain, other = Ridge(2, 3), Ridge(2, 3)
    plain.update(x, arm, reward)
    other.update(x * scale + shift, arm, reward)
    ours = plain.means(plain.standardise(x))
    assert other.means(other.standardise(x * scale + shift)) == pytest.approx(ours, abs=1e-9)


def test_a_feature_that_never_varies_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    x, arm, reward = rng.normal(size=(50, 2)), rng.integers(0, 2, 50), rng.normal(size=50)
    with_constant = np.c_[x, np.full(50, 99.0)]
    plain, wider = Ridge(2, 2), Ridge(2, 3)
    plain.update(x, arm, reward)
    wider.update(with_constant, arm, reward)
    z = wider.standardise(with_constant)
    assert wider.means(z) == pytest.approx(plain.means(plain.standardise(x)), abs=1e-9)
    assert np.isfinite(wider.widths(z)).all()


def test_an_arm_without_data_is_thought_average() -> None:
    ridge = Ridge(2, 1)
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    ridge.update(x, np.zeros(4, np.int64), np.array([5.0, 5.0, 6.0, 8.0]))
    assert ridge.means(ridge.standardise(x))[:, 1] == pytest.approx([6.0] * 4)


def test_forgetting_halves_the_past() -> None:
    # By hand, no features but the intercept, raw off: batches of means 0 and 3 with weights 1/2
    # and 1 over 4 rows each: mean reward (0.5 * 0 + 1 * 3) / 1.5 = 2.
    ridge = Ridge(1, 1, forget=0.5, refit_after=0.0)
    x = np.array([[1.0], [2.0], [3.0], [4.0]])
    ridge.update(x, np.zeros(4, np.int64), np.zeros(4))
    ridge.update(x, np.zeros(4, np.int64), np.full(4, 3.0))
    assert ridge.counts == pytest.approx([6.0])
    assert ridge.means(ridge.standardise(np.array([[2.5]]))) == pytest.approx(2.0)


def test_draws_of_theta_have_the_posterior_spread() -> None:
    rng = np.random.default_rng(5)
    ridge = Ridge(2, 2)
    reward = rng.normal(size=40)
    ridge.update(rng.normal(size=(40, 2)), rng.integers(0, 2, 40), reward)
    z = ridge.standardise(np.array([[0.3, -1.2]]))
    draws = reward.mean() + ridge.sample(200_000, rng, 0.5) @ z[0]
    # standard errors: sd / sqrt(200 000) and sd / sqrt(400 000); five of them
    sd = 0.5 * ridge.widths(z)[0]
    assert np.all(np.abs(draws.mean(0) - ridge.means(z)[0]) < 5 * sd / np.sqrt(200_000))
    assert np.all(np.abs(draws.std(0) - sd) < 5 * sd / np.sqrt(400_000))


@pytest.mark.parametrize("wrong", [{"lam": 0.0}, {"forget": 0.0}, {"forget": 1.5}])
def test_refuses_settings_without_meaning(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="="):
        Ridge(2, 2, **wrong)  # type: ignore[arg-type]
