"""Intervals: against closed forms, scipy, and simulated studies whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("scipy")
pytestmark = pytest.mark.extras

from longplay.experiments.stats import (  # noqa: E402
    Bootstrap,
    Interval,
    Panel,
    pairing_gain,
    who_is_hurt,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def boot(seeds, users, seed=1, **options):
    return Bootstrap(seeds, users, rng(seed), **options)


def width(x):
    return x.high - x.low


def same(a, b):
    return (a.mean, a.low, a.high) == (b.mean, b.low, b.high)


# --- means -----------------------------------------------------------------------------------


def test_mean_of_seed_means_by_hand():
    found = boot(2, 3).mean(np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 8.0]]))
    assert found.mean == pytest.approx(4.0)
    assert found.low < 4.0 < found.high


def test_equal_generators_give_equal_intervals():
    x = rng().normal(size=(4, 3, 50))
    first, second = (boot(3, 50, seed=7).intervals(boot(3, 50, seed=7).means(x)) for _ in "ab")
    assert first == second
    other = boot(3, 50, seed=8)
    assert other.intervals(other.means(x)) != first


def test_weights_redraw_every_user_of_every_drawn_seed():
    b = boot(3, 40, draws=500)
    both = b._both.reshape(500, 3, 40)
    assert_array_equal(b._users.reshape(500, 3, 40).sum(axis=2), 40)
    drawn = np.stack([(b.chosen == s).sum(axis=1) for s in range(3)], axis=1)
    assert_array_equal(both.sum(axis=2), drawn * 40)
    assert both.max() > 3  # with replacement


def test_users_alone_has_the_variance_of_a_mean():
    x = rng().normal(size=(1, 2, 300))
    b = boot(2, 300, draws=8000)
    wanted = x.var(axis=2).sum() / 300 / 4  # of the mean of two means of 300
    assert b.means(x).users.var() == pytest.approx(wanted, rel=0.06)


def test_one_seed_agrees_with_scipy():
    from scipy.stats import bootstrap

    x = rng(3).gamma(2.0, 5.0, 400)
    b = boot(1, 400, draws=9999, plain=True)
    theirs = bootstrap((x,), np.mean, n_resamples=9999, method="percentile", rng=rng(5))
    low, high = theirs.confidence_interval
    ours = b.mean(x[None])
    assert_allclose([ours.low, ours.high], [low, high], atol=0.04 * (high - low))
    stretched = boot(1, 400, draws=9999).mean(x[None])  # only n/(n-1) and t for normal
    assert 1.0 < width(stretched) / width(ours) < 1.02


def test_one_seed_agrees_with_scipy_on_a_paired_ratio():
    from scipy.stats import bootstrap

    top = rng(3).gamma(2.0, 5.0, 300)
    bottom = top + rng(4).gamma(2.0, 5.0, 300)

    def ratio(a, b, axis=-1):
        return a.mean(axis) / b.mean(axis)

    theirs = bootstrap((top, bottom), ratio, paired=True, vectorized=True, method="percentile",
                       rng=rng(5))  # fmt: skip
    b = boot(1, 300, draws=9999, plain=True)
    ours = b.interval(
        b.means(np.stack([top, bottom])[:, None]).of(lambda m: m[..., :1] / m[..., 1:])
    )
    low, high = theirs.confidence_interval
    assert_allclose([ours.low, ours.high], [low, high], atol=0.05 * (high - low))


@pytest.mark.parametrize(
    ("seeds", "users", "between", "most"),
    [
        (1, 100, 0.0, 0.98),
        (3, 60, 0.0, 0.995),  # allowed to be too wide: it cannot know that seeds do not differ
        (3, 60, 1.0, 0.985),
        (3, 60, 3.0, 0.98),
        (5, 60, 1.0, 0.98),
        (10, 30, 1.0, 0.98),
    ],
)
def test_intervals_cover_the_truth(seeds, users, between, most):
    # `between`: how far seeds differ, in standard errors of a seed's mean.
    draw, hits = rng(11), 0
    for _ in range(400):
        x = draw.normal(size=(seeds, users))
        x += between / math.sqrt(users) * draw.normal(size=(seeds, 1))
        found = Bootstrap(seeds, users, draw, draws=600).mean(x)
        hits += found.low <= 0.0 <= found.high
    assert 0.92 <= hits / 400 <= most


def test_the_plain_interval_misses_where_seeds_differ():
    # The method that is wrong must be seen to be wrong: three seeds, far apart.
    draw, plain, ours = rng(12), 0, 0
    for _ in range(300):
        x = draw.normal(size=(3, 60)) + 3 / math.sqrt(60) * draw.normal(size=(3, 1))
        for kind in (True, False):
            found = Bootstrap(3, 60, draw, draws=300, plain=kind).mean(x)
            hit = found.low <= 0.0 <= found.high
            plain, ours = plain + (hit and kind), ours + (hit and not kind)
    assert plain / 300 < 0.88 < 0.92 <= ours / 300


def test_stretched_to_a_t_test_over_seeds_when_seeds_differ():
    from scipy.stats import ttest_1samp

    x = np.array([[0.0], [1.0], [5.0]]) + rng().normal(size=(3, 200)) * 0.01
    found = boot(3, 200, draws=20_000).mean(x)
    theirs = ttest_1samp(x.mean(axis=1), 0.0).confidence_interval()
    # the bootstrap of three points is not quite normal, so its percentiles are not at 1.96
    assert width(found) == pytest.approx(theirs.high - theirs.low, rel=0.15)


# --- pairing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_pairing_shrinks_the_interval_by_the_closed_form(rho):
    # Var(a - b) = 2 (1 - rho) against 2: width ratio sqrt(1 - rho).
    z = rng(2).normal(size=(2, 1, 4000))
    a, b = z[0], rho * z[0] + math.sqrt(1 - rho**2) * z[1]
    bootstrap = boot(1, 4000)
    paired = bootstrap.interval(bootstrap.means(np.stack([a, b])).difference(0, 1))
    apart = math.hypot(width(bootstrap.mean(a)), width(bootstrap.mean(b)))
    assert (width(paired) / apart) ** 2 == pytest.approx(1 - rho, abs=0.08)
    assert 1 / pairing_gain(a, b) == pytest.approx(1 - rho, abs=0.04)


def test_pairing_gain_at_its_limits():
    a = rng().normal(size=(2, 50))
    assert pairing_gain(a, a + 3.0) > 1e20
    assert pairing_gain(a, a) == math.inf
    assert pairing_gain(np.ones((2, 5)), np.zeros((2, 5))) == 1.0


def test_a_shift_for_everyone_is_known_exactly():
    a = rng().normal(10.0, 5.0, size=(3, 80))
    b = boot(3, 80)
    found = b.interval(b.means(np.stack([a + 1.5, a])).difference(0, 1))
    assert_allclose([found.mean, found.low, found.high], 1.5, rtol=1e-9)
    assert found.sign == 1


# --- degenerate ------------------------------------------------------------------------------


@pytest.mark.parametrize(("seeds", "users"), [(1, 1), (1, 20), (3, 20), (3, 1)])
def test_constant_data_has_no_width(seeds, users):
    found = boot(seeds, users).mean(np.full((seeds, users), 0.1))
    assert found.mean == pytest.approx(0.1) and width(found) == pytest.approx(0.0, abs=1e-15)


def test_says_what_it_covers():
    assert "users only" in boot(1, 10).mean(rng().normal(size=(1, 10))).covers
    assert boot(2, 10).mean(rng().normal(size=(2, 10))).covers == "users and seeds"


def test_bad_shapes_say_what_was_wanted():
    with pytest.raises(ValueError, match=r"wanted \(..., seeds, users\) = \(..., 2, 5\)"):
        boot(2, 5).mean(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="seeds=0"):
        boot(0, 5)


@given(st.integers(1, 4), st.integers(2, 30), st.integers(0, 2**31), st.floats(-1e6, 1e6),
       st.floats(1e-3, 1e3))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_moves_and_scales_with_the_data(seeds, users, seed, shift, scale):
    x = rng(seed).normal(size=(seeds, users))
    b = boot(seeds, users, draws=200)
    one, other = b.mean(x), b.mean(shift + scale * x)
    wanted = shift + scale * np.array([one.low, one.mean, one.high])
    assert_allclose([other.low, other.mean, other.high], wanted, rtol=1e-6, atol=1e-6 * scale)


# --- headroom --------------------------------------------------------------------------------


def test_headroom_of_the_references_is_zero_and_one():
    base = rng().normal(50.0, 10.0, size=(3, 200))
    noise = rng(1).normal(size=(3, 3, 200))
    values = base + np.array([0.0, 10.0, 5.0])[:, None, None] + noise
    myopic, oracle, middle = boot(3, 200).headroom(values, 0, 1)
    assert (myopic.mean, myopic.low, myopic.high) == (0.0, 0.0, 0.0)
    assert (oracle.mean, oracle.low, oracle.high) == (1.0, 1.0, 1.0)
    assert middle.mean == pytest.approx(0.5, abs=0.02)
    assert middle.low < 0.5 < middle.high and width(middle) < 0.1


def test_headroom_without_room_says_so():
    values = rng().normal(size=(3, 2, 50))
    for found in boot(2, 50).headroom(values, 0, 1):
        assert math.isnan(found.mean) and found.sign == 0
        assert "oracle - myopic is" in str(found)


def test_headroom_with_the_references_swapped_says_so():
    base = rng().normal(size=(1, 1, 50))
    values = base + np.array([10.0, 0.0, 5.0])[:, None, None]
    assert "not clearly above 0" in str(boot(1, 50).headroom(values, 0, 1)[2])


def test_headroom_covers_the_truth():
    # True room 2, of which 1 is closed: 0.5.
    draw, hits = rng(13), 0
    for _ in range(300):
        base = draw.normal(size=(1, 3, 80))
        seeds = 0.1 * draw.normal(size=(3, 3, 1))
        values = base + 0.5 * draw.normal(size=(3, 3, 80)) + seeds
        values += np.array([0.0, 2.0, 1.0])[:, None, None]
        found = Bootstrap(3, 80, draw, draws=300).headroom(values, 0, 1)[2]
        hits += found.low <= 0.5 <= found.high
    assert 0.92 <= hits / 300 <= 0.98


# --- shares ----------------------------------------------------------------------------------


def test_shares_from_counts_agree_with_rows():
    rows = rng().random((2, 3, 150)) < np.array([0.3, 0.7])[:, None, None]
    b = boot(3, 150, draws=6000)
    from_counts = b.shares(rows.sum(axis=2), np.full((2, 3), 150))
    for a, c in zip(b.fractions(rows), from_counts, strict=True):
        assert a.mean == pytest.approx(c.mean)
        assert_allclose([a.low, a.high], [c.low, c.high], atol=0.06 * width(a))


def test_shares_do_not_depend_on_earlier_questions():
    counts, users = np.array([[3, 4]]), np.array([[10, 10]])
    b = boot(2, 10)
    first = b.shares(counts, users)
    b.mean(rng().normal(size=(2, 10)))
    assert b.shares(counts, users) == first


def test_none_of_the_users_is_not_zero_for_certain():
    # Clopper and Pearson's interval for 0 of 100: [0, 1 - 0.025^(1/100)] = [0, 0.0362]
    none, every = boot(1, 100).shares(np.array([[0], [100]]), np.array([[100], [100]]))
    assert (none.mean, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.0362, abs=1e-4)
    assert (every.mean, every.high) == (1.0, 1.0)
    assert every.low == pytest.approx(1 - 0.0362, abs=1e-4)


def test_shares_stay_within_the_unit_interval():
    counts = np.array([[1, 0, 1]]), np.array([[40, 40, 40]])
    (found,) = boot(3, 40).shares(*counts)
    assert 0.0 <= found.low <= found.mean <= found.high <= 1.0


@pytest.mark.parametrize("between", [0.0, 3.0])
def test_bands_of_a_curve_cover_the_truth_day_by_day(between):
    # Users differ for good (beta), so days of one curve are not independent.
    draw, hits, n, days = rng(15), [], 200, 12
    spread = between * math.sqrt(0.35 * 0.65 / n)
    for _ in range(150):
        p = draw.beta(1.05, 1.95, size=(3, n, 1)) + spread * draw.normal(size=(3, 1, 1))
        counts = (draw.random((3, n, days)) < p).sum(axis=1).T
        found = Bootstrap(3, n, draw, draws=300).shares(
            counts, np.full((days, 3), n), curve=np.zeros(days)
        )
        hits += [x.low <= 0.35 <= x.high for x in found]
    assert 0.90 <= np.mean(hits) <= 0.99


def test_a_curve_shares_what_it_knows_of_its_seeds():
    # A day on which seeds agree by chance gets no narrow band among days where they differ.
    counts = np.array([[30, 50, 70], [50, 50, 50], [70, 50, 30]])
    users = np.full((3, 3), 100)
    b = boot(3, 100)
    alone, together = b.shares(counts, users), b.shares(counts, users, curve=np.zeros(3))
    assert width(together[1]) > 2 * width(alone[1])
    apart = b.shares(counts, users, curve=np.array([0, 1, 0]))
    assert width(apart[1]) < 0.5 * width(together[1])


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match=r"0 .. users"):
        boot(1, 10).shares(np.array([[11]]), np.array([[10]]))


# --- who is hurt -----------------------------------------------------------------------------


def test_quantiles_are_those_of_numpy():
    x = rng().normal(size=(2, 3, 57))
    found = boot(3, 57).quantiles(x, (0.1, 0.25, 0.9)).point.reshape(2, 3)
    wanted = np.quantile(x.reshape(2, -1), (0.1, 0.25, 0.9), axis=1, method="inverted_cdf").T
    assert_array_equal(found, wanted)


def test_quantile_draws_are_those_of_the_redrawn_users():
    x = rng().normal(size=(1, 2, 30))
    b = boot(2, 30, draws=50)
    found = b.quantiles(x, (0.1, 0.5)).both
    for weights, got in zip(b._both, found, strict=True):
        redrawn = np.repeat(x.ravel(), weights)
        assert_array_equal(got, np.quantile(redrawn, (0.1, 0.5), method="inverted_cdf"))


def test_quantile_effects_see_what_the_mean_hides():
    # The best-served half gains 2, the worst-served half loses 2: the mean does not move.
    base = rng().normal(0.0, 1.0, size=(3, 400))
    treated = base + np.where(base > np.median(base), 2.0, -2.0)
    b = boot(3, 400)
    hurt = who_is_hurt(b, np.stack([base, treated]), baseline=0)[1]
    assert b.mean(treated - base).mean == pytest.approx(0.0, abs=1e-12)
    assert hurt.worse.mean == pytest.approx(0.5) and hurt.better.mean == pytest.approx(0.5)
    low, _, high = hurt.effects
    assert low.mean == pytest.approx(-2.0) and low.sign == -1
    assert high.mean == pytest.approx(2.0) and high.sign == 1
    assert hurt.decile.mean == np.quantile(treated, 0.1, method="inverted_cdf")


def test_nobody_is_hurt_by_the_baseline_itself():
    x = rng().normal(size=(2, 2, 50))
    itself = who_is_hurt(boot(2, 50), x, baseline=1)[1]
    assert itself.worse.mean == itself.better.mean == 0.0
    assert all(same(e, Interval(0.0, 0.0, 0.0)) for e in itself.effects)


def test_lower_decile_covers_the_truth():
    # The 0.1 quantile of a standard normal is -1.2816.
    draw, hits = rng(14), 0
    for _ in range(200):
        x = draw.normal(size=(1, 2, 150))
        b = Bootstrap(2, 150, draw, draws=300)
        found = b.interval(b.quantiles(x, (0.1,)))
        hits += found.low <= -1.2816 <= found.high
    assert 0.91 <= hits / 200 <= 0.995


# --- tables ----------------------------------------------------------------------------------


def table(agents=("b", "a"), seeds=(0, 1), users=(10, 11, 12)):
    rows = [(a, s, u) for a in agents for s in seeds for u in users]
    agent, seed, user = (np.array(x) for x in zip(*rows, strict=True))
    return {"agent": agent, "seed": seed, "user": user, "value": np.arange(float(len(rows)))}


def test_panel_reads_rows_in_any_order():
    columns = table()
    mixed = rng().permutation(12)
    straight = Panel.of(columns, ["value"])
    assert straight.agents == ("b", "a") and straight.seeds == (0, 1) and straight.users == 3
    assert_array_equal(straight["value"], np.arange(12.0).reshape(2, 2, 3))
    shuffled = Panel.of({k: v[mixed] for k, v in columns.items()}, ["value"])
    for name in "ab":
        assert_array_equal(
            shuffled["value"][shuffled.index(name)], straight["value"][straight.index(name)]
        )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: {k: v[:-1] for k, v in t.items()}, "11 rows for 2 agents"),
        (lambda t: {**t, "user": np.where(np.arange(12) == 0, 99, t["user"])}, "users differ"),
        (lambda t: {**t, "user": np.where(t["user"] == 11, 10, t["user"])}, "a user comes twice"),
        (lambda t: {**t, "seed": np.where(np.arange(12) == 0, 1, t["seed"])}, "seeds differ"),
        (lambda t: {k: v for k, v in t.items() if k != "seed"}, "no column 'seed'"),
        (lambda t: {**t, "value": t["value"] * math.nan}, "not finite"),
    ],
)
def test_a_table_that_is_not_paired_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        Panel.of(change(table()), ["value"])
