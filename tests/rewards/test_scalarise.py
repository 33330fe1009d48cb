"""Scalarisers: hand-worked numbers, what each leaves invariant, and whom each judges."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from longplay.rewards.scalarise import GGI, Chebyshev, CVaR, Lexicographic, Linear, Preference

ALL = [
    Linear((1.0, -0.5)),
    Chebyshev((0.5, 2.0), (3.0, 4.0)),
    Chebyshev((0.5, 2.0), (3.0, 4.0), rho=0.01, criterion="esr"),
    GGI((1.0, 0.5)),
    GGI((1.0, 0.5), criterion="esr"),
    CVaR(0.1, (1.0, 2.0)),
    Lexicographic((0.25,)),
]
UTILITIES = ALL[:5]
NUMBERS = st.integers(-1000, 1000).map(lambda i: i / 8)  # sums of them are exact


def some(*shape):
    return arrays(np.float64, shape, elements=NUMBERS)


def falling(d):
    """Weights of GGI: any that never rise."""
    return st.lists(st.integers(0, 16), min_size=d, max_size=d).map(
        lambda steps: tuple(float(x) for x in np.cumsum([*steps[:-1], steps[-1] + 1])[::-1])
    )


@pytest.mark.parametrize(
    "returns", [[["a", "b"]], [[1, 2], [1]], np.ones((3, 2)) * 1j, [[1j, 2]], [[None, 1.0]], None]
)
def test_returns_that_are_no_real_numbers_are_refused(returns):
    with pytest.raises(ValueError, match=r"no real numbers of equal length; wanted \(..., 2\)"):
        GGI((1.0, 0.5)).of(returns)


def test_numbers_of_any_kind_are_returns():
    # (1, 3) sorted: 1 * 1 + 0.5 * 3
    for returns in ([[Fraction(1), 3]], [[1, 3]], np.array([[1, 3]], np.float32), [[True, 3]]):
        assert GGI((1.0, 0.5)).of(returns) == 2.5


# --- hand-worked numbers ---------------------------------------------------------------------


def test_linear_worked_example():
    # By hand: 0.7 * 10 - 0.3 * 5 = 7 - 1.5
    assert Linear((0.7, -0.3))([10.0, 5.0]) == pytest.approx(5.5)


def test_chebyshev_worked_example():
    # By hand: shortfalls (4 - 1, 2 - 1.5) = (3, 0.5), weighted (1.5, 1): -1.5 - 0.1 * 3.5
    assert Chebyshev((0.5, 2.0), (4.0, 2.0))([1.0, 1.5]) == -1.5
    assert Chebyshev((0.5, 2.0), (4.0, 2.0), rho=0.1)([1.0, 1.5]) == pytest.approx(-1.85)


def test_ggi_golden_value():
    # (1, 2, 3) after sorting: 1 * 1 + 0.5 * 2 + 0.25 * 3
    assert GGI((1.0, 0.5, 0.25))([3.0, 1.0, 2.0]) == 2.75


def test_cvar_worked_example():
    # Worst 0.3 of 5 users is 1.5 users: (1 + 0.5 * 2) / 1.5, the second with half its weight.
    users = np.array([5.0, 2.0, 1.0, 4.0, 3.0])[:, None]
    assert CVaR(0.3).of(users) == pytest.approx(4 / 3)
    assert CVaR(0.4).of(users) == pytest.approx(1.5)
    assert CVaR(1.0).of(users) == pytest.approx(3.0)
    assert CVaR(0.01).of(users) == pytest.approx(1.0)


def test_lexicographic_worked_example():
    policies = np.array([[10.0, 0.0, 9.0], [9.6, 2.0, 0.0], [9.5, 5.0, 1.0], [8.0, 9.0, 9.0]])
    returns = policies[:, None, :]  # one user each
    assert Lexicographic((0.0, 0.0)).best(returns) == 0
    assert Lexicographic((0.5, 0.0)).best(returns) == 2  # 9.5 is within 0.5 of 10
    assert Lexicographic((0.4, 0.0)).best(returns) == 1
    assert Lexicographic((0.5, 3.0)).best(returns) == 2  # (9.6, 2) is as good, its third is not
    assert Lexicographic((2.0, 0.0)).best(returns) == 3
    assert Lexicographic((0.5, 5.0)).best(returns) == 0  # all three pass, the third decides


# --- of whom: SER, ESR, users ----------------------------------------------------------------

ARMS = np.array([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])


def test_ggi_of_the_mean_vector_mixes_two_arms_and_ggi_per_step_takes_the_third():
    mean, each = GGI((1.0, 0.5)), GGI((1.0, 0.5), criterion="esr")
    # All shares of the three arms in twentieths, as 20 users under each mixture.
    mixtures = [(i, j, 20 - i - j) for i in range(21) for j in range(21 - i)]
    returns = np.array([np.repeat(ARMS, mixture, axis=0) for mixture in mixtures])
    assert mixtures[mean.best(returns)] == (10, 10, 0)
    assert mean.of(returns).max() == pytest.approx(0.75)  # (.5, .5): 0.5 + 0.5 * 0.5
    assert mixtures[each.best(returns)] == (0, 0, 20)
    assert each.of(returns).max() == pytest.approx(0.6)  # (.4, .4): 0.4 + 0.5 * 0.4
    assert each.of(returns[mean.best(returns)]) == pytest.approx(0.5)  # 0 + 0.5 * 1 each


@given(some(6, 2))
def test_linear_is_ser_and_esr_and_per_step(returns):
    linear = Linear((0.5, -2.0))
    assert linear.of(returns) == pytest.approx(linear(returns).mean())
    assert linear(returns.sum(axis=0)) == pytest.approx(linear(returns).sum())


@given(some(6, 2))
def test_concave_utilities_of_the_mean_are_no_less_than_their_mean(returns):
    # Jensen: SER >= ESR, and they are equal where all users have the same vector.
    pairs = [
        (GGI((1.0, 0.5)), GGI((1.0, 0.5), criterion="esr")),
        (Chebyshev((1.0, 2.0), (9.0, 9.0)), Chebyshev((1.0, 2.0), (9.0, 9.0), criterion="esr")),
    ]
    for ser, esr in pairs:
        assert ser.of(returns) >= esr.of(returns) - 1e-9
        same = np.broadcast_to(returns[:1], returns.shape)
        assert ser.of(same) == pytest.approx(esr.of(same))


# --- what each reaches and leaves invariant --------------------------------------------------

CONCAVE = np.array([[0.0, 1.0], [0.4, 0.4], [1.0, 0.0]])[:, None, :]  # one user each


def test_linear_reaches_only_the_convex_hull_and_chebyshev_the_point_between():
    weights = [(w, 1.0 - w) for w in np.linspace(0.0, 1.0, 1001)]
    assert {Linear(w).best(CONCAVE) for w in weights} == {0, 2}
    # By hand: worst shortfall 0.5 * 1 at the ends and 0.5 * 0.6 in between.
    assert Chebyshev((0.5, 0.5), (1.0, 1.0)).best(CONCAVE) == 1
    assert Chebyshev((0.5, 0.5), (1.0, 1.0)).of(CONCAVE) == pytest.approx([-0.5, -0.3, -0.5])


@given(some(7, 3), st.integers(0, 6))
def test_chebyshev_reaches_every_pareto_optimal_point(points, i):
    others = np.delete(points, i, axis=0)
    beaten = (others >= points[i]).all(axis=1)
    assume(not beaten.any())
    ideal = points.max(axis=0) + 1.0
    found = Chebyshev(tuple(1.0 / (ideal - points[i])), tuple(ideal)).of(points[:, None, :])
    assert found.argmax() == i
    assert found[i] == pytest.approx(-1.0)


def test_a_large_rho_misses_points_that_rho_0_reaches():
    # By hand: -1 - 4 * 1.2 = -5.8 in between, -1 / 0.6 - 4 * 1 = -5.67 at the ends
    weights = (1.0 / 0.6, 1.0 / 0.6)
    assert Chebyshev(weights, (1.0, 1.0)).best(CONCAVE) == 1
    assert Chebyshev(weights, (1.0, 1.0), rho=4.0).best(CONCAVE) == 0


@given(some(2, 3), st.integers(0, 2), st.integers(1, 80))
def test_more_of_one_objective_is_never_worse(points, i, more):
    gained = points[0].copy()
    gained[i] += more / 8
    for utility in (GGI((4.0, 2.0, 1.0)), Chebyshev((1.0, 2.0, 3.0), (1.0, 0.0, 2.0))):
        assert utility(gained) >= utility(points[0])
    augmented = Chebyshev((1.0, 2.0, 3.0), (1.0, 0.0, 2.0), rho=0.125)
    assert augmented(gained) > augmented(points[0])


@given(some(2, 3), falling(3), st.integers(0, 8))
def test_ggi_is_concave_and_symmetric(points, weights, eighths):
    ggi, share = GGI(weights), eighths / 8
    a, b = points
    between = ggi(share * a + (1 - share) * b)
    assert between >= share * ggi(a) + (1 - share) * ggi(b) - 1e-9
    for order in ([0, 2, 1], [1, 0, 2], [2, 1, 0]):
        assert ggi(a[order]) == ggi(a)


@given(some(3), falling(3), st.integers(0, 8))
def test_ggi_likes_a_transfer_from_more_to_less(point, weights, sixteenths):
    rich, poor = point.argmax(), point.argmin()
    gift = (point[rich] - point[poor]) * sixteenths / 16  # at most half: they do not change places
    after = point.copy()
    after[rich] -= gift
    after[poor] += gift
    assert GGI(weights)(after) >= GGI(weights)(point) - 1e-9


@given(some(3))
def test_ggi_of_equal_weights_is_a_sum(point):
    assert GGI((2.0, 2.0, 2.0))(point) == pytest.approx(2 * point.sum())


@given(some(3), NUMBERS)
def test_chebyshev_is_the_same_after_a_shift_of_all(point, shift):
    here = Chebyshev((1.0, 2.0, 3.0), (5.0, 0.0, -2.0), rho=0.5)
    there = Chebyshev((1.0, 2.0, 3.0), (5.0 + shift, shift, shift - 2.0), rho=0.5)
    assert there(point + shift) == pytest.approx(here(point), abs=1e-9)


SHARES = st.integers(1, 100).map(lambda i: i / 100)


@given(arrays(np.float64, st.integers(1, 30), elements=NUMBERS), SHARES)
def test_cvar_is_the_mean_of_the_worst_share(users, share):
    """Rockafellar and Uryasev's maximum, against sorting and against a search over v."""
    n = len(users)
    weights = np.clip(share * n - np.arange(n), 0.0, 1.0)  # the user at the boundary: a fraction
    worst = (np.sort(users) * weights).sum() / (share * n)
    searched = max(v - np.maximum(v - users, 0.0).mean() / share for v in users)
    value = CVaR(share).of(users[:, None])
    assert value == pytest.approx(worst, abs=1e-9)
    assert value == pytest.approx(searched, abs=1e-9)
    assert users.min() - 1e-9 <= value <= users.mean() + 1e-9


@given(some(9, 1), SHARES, NUMBERS, st.integers(1, 8))
def test_cvar_follows_a_change_of_scale_and_forgets_who_is_who(users, share, shift, factor):
    cvar = CVaR(share)
    assert cvar.of(shift + factor * users) == pytest.approx(
        shift + factor * cvar.of(users), abs=1e-8
    )
    assert cvar.of(users[::-1]) == pytest.approx(cvar.of(users), abs=1e-9)


@given(some(5, 4, 2), NUMBERS)
def test_lexicographic_keeps_within_its_slack(returns, shift):
    rule = Lexicographic((1.0,))
    means = returns.mean(axis=1)
    chosen = means[rule.best(returns)]
    assert chosen[0] >= means[:, 0].max() - 1.0
    better = means[:, 1] > chosen[1]
    assert (means[better, 0] < means[:, 0].max() - 1.0).all()
    assert rule.best(returns + shift) == rule.best(returns)


@pytest.mark.parametrize("rule", [ALL[0], ALL[2], ALL[4], ALL[5]], ids=str)
@given(returns=some(6, 4, 2))
def test_a_batch_equals_one_after_the_other(rule, returns):
    batch = rule.of(returns)
    assert batch.shape == (6,)
    assert batch.tolist() == [float(rule.of(one)) for one in returns]
    assert rule.best(returns) == int(np.argmax(batch))
    if rule in UTILITIES:
        assert np.array_equal(rule(returns), [[rule(x) for x in users] for users in returns])


# --- printed, kept, refused ------------------------------------------------------------------


@pytest.mark.parametrize("rule", ALL, ids=str)
def test_json_brings_it_back(rule):
    again = Preference.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert again == rule
    assert hash(again) == hash(rule)
    assert str(again) == str(rule)
    assert repr(again) == repr(rule)


def test_it_prints_itself_as_a_formula():
    assert [str(rule) for rule in ALL] == [
        "1.0 * E[x1] - 0.5 * E[x2]",
        "-max(0.5 * (3.0 - E[x1]), 2.0 * (4.0 - E[x2]))",
        "E[-max(0.5 * (3.0 - x1), 2.0 * (4.0 - x2)) - 0.01 * ((3.0 - x1) + (4.0 - x2))]",
        "1.0 * sorted(E[x1], E[x2])[1] + 0.5 * sorted(E[x1], E[x2])[2]",
        "E[1.0 * sorted(x1, x2)[1] + 0.5 * sorted(x1, x2)[2]]",
        "cvar(0.1; 1.0 * x1 + 2.0 * x2)",
        "lexicographic(E[x1] within 0.25, then E[x2])",
    ]
    assert ALL[0].formula(["minutes", "ads"]) == "1.0 * E[minutes] - 0.5 * E[ads]"
    for rule in ALL:
        with pytest.raises(ValueError, match="give one each"):
            rule.formula(["minutes"])


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Linear(()), ValueError, "at least one number"),
        (lambda: Linear((0.0, 0.0)), ValueError, "all 0"),
        (lambda: Linear((float("nan"),)), ValueError, "not finite"),
        (lambda: Linear((10**400,)), ValueError, "not finite"),
        (lambda: Linear(0.5), TypeError, "a number for each objective"),
        (lambda: Linear("12"), TypeError, "a number for each objective"),
        (lambda: Linear((True, 1.0)), TypeError, "no number"),
        (lambda: Chebyshev((1.0, 0.0), (1.0, 1.0)), ValueError, "above 0"),
        (lambda: Chebyshev((1.0, 1.0), (1.0,)), ValueError, "one of each"),
        (lambda: Chebyshev((1.0,), (1.0,), rho=-0.1), ValueError, "0 or more"),
        (lambda: Chebyshev((1.0,), (float("inf"),)), ValueError, "not finite"),
        (lambda: Chebyshev((1.0,), (1.0,), criterion="step"), ValueError, "'ser'"),
        (lambda: GGI((0.5, 1.0)), ValueError, "never rise"),
        (lambda: GGI((1.0, -0.5)), ValueError, "none below 0"),
        (lambda: GGI((0.0, 0.0)), ValueError, "the first above 0"),
        (lambda: GGI((1.0,), criterion=["ser"]), ValueError, "'esr'"),
        (lambda: CVaR(0.0), ValueError, "above 0 and at most 1"),
        (lambda: CVaR(1.1), ValueError, "above 0 and at most 1"),
        (lambda: CVaR("0.1"), TypeError, "no number"),
        (lambda: CVaR(0.5, (0.0,)), ValueError, "all 0"),
        (lambda: Lexicographic(()), ValueError, "at least one number"),
        (lambda: Lexicographic((-1.0,)), ValueError, "0 or more"),
        (lambda: Preference.from_dict({"kind": "sum"}), ValueError, "no scalariser"),
        (lambda: Preference.from_dict({"kind": []}), ValueError, "no scalariser"),
        (lambda: Preference.from_dict([1]), ValueError, "no scalariser"),
        (lambda: Preference.from_dict({"kind": "ggi"}), ValueError, "damaged"),
        (lambda: Preference.from_dict({"kind": "cvar", "share": 2}), ValueError, "damaged"),
    ],
)
def test_what_means_nothing_fails_at_construction(make, error, says):
    with pytest.raises(error, match=says):
        make()


@pytest.mark.parametrize("rule", ALL, ids=str)
def test_returns_of_another_shape_are_refused(rule):
    wrong = [np.zeros((2, 3, 3)), np.zeros((2, 0, 2)), np.zeros(2), np.zeros((0, 3, 2))]
    for returns in wrong:
        with pytest.raises(ValueError, match="wanted"):
            rule.best(returns)
    with pytest.raises(ValueError, match="not finite"):
        rule.best(np.full((2, 3, 2), np.nan))
