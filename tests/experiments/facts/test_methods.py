"""What facts compute from their experiments, against closed forms and published numbers."""

import numpy as np
import pytest
from pytest import approx

from longplay.envs.laws.habit import Habit
from longplay.envs.laws.satiation import Satiation
from longplay.envs.scenarios import find_world
from longplay.experiments.facts import abtests
from longplay.experiments.facts import f06_blindness as blindness
from longplay.experiments.facts import f08_short_sight as short_sight
from longplay.experiments.facts import f18_satiation as satiation
from longplay.experiments.facts import f21_habit as habit
from longplay.experiments.facts import f25_retention_rate as retention
from longplay.experiments.facts import f35_surrogate as surrogate
from longplay.experiments.facts.lab import Lab


def test_learning_is_found_again_from_its_curve() -> None:
    days = np.array([7.0, 21.0, 45.0, 90.0, 180.0])
    whole, rate = blindness.fitted(days, -0.3 * (1 - np.exp(-0.012 * days)))
    assert (whole, rate) == approx((-0.3, 0.012), rel=0.01)


def test_the_best_load_is_the_top_of_a_parabola() -> None:
    load = np.array([2.0, 4.0, 5.0, 9.0])
    assert short_sight.best_load(load, 7 - (load - 4.6) ** 2) == approx(4.6)
    assert short_sight.best_load(load, load) == 9.0  # at the edge, the edge


def test_alike_arms_take_turns_and_that_is_best() -> None:
    # By hand, half kept each hour, gain 1: a topic pulled every other hour pays 1, 1, then
    # 1 - 1/4, 1 - 1/4: in all 3.5.
    arms = satiation.alike(Satiation(half_life=1.0, gain=1.0), 2)
    turns = satiation.greedy(arms, 4)
    assert turns.tolist() == [[0, 1, 0, 1]]
    assert satiation.rewards_of(arms, turns) == approx([3.5])
    assert satiation.advantage(arms, 4) == approx(0.0, abs=1e-12)


def test_looking_ahead_never_loses() -> None:
    rng = np.random.default_rng(0)
    gains = [satiation.advantage(satiation.unlike(rng, 2), 6) for _ in range(20)]
    assert min(gains) > -1e-12
    assert max(gains) > 0.1


def test_a_habit_curve_gives_back_its_time_to_95_percent() -> None:
    days = np.arange(1, 85)
    reached, fit = habit.fitted(days, 0.8 * (1 - np.exp(-np.log(20) / 66 * days)))
    assert reached == approx(66, rel=0.02)
    assert fit == approx(1.0, abs=1e-4)


def test_a_miss_costs_what_the_law_says() -> None:
    # By hand: rate 1/2, no fading. Three days give 7/8, two of them 3/4: one seventh is lost.
    lost = habit.one_miss(np.array([0, 1, 2]), 0.0, 0.5, Habit(fade=0.0))
    assert lost == approx(100 / 7)


def test_sbg_agrees_with_the_published_cohort() -> None:
    # Fader & Hardie 2007: of 1000 customers 631, 468, 382 and 326 renewed.
    shares = retention.sbg_losses(np.array(0.764), np.array(1.296), 4)
    left = 1000 * (1 - np.cumsum(shares[:-1]))
    assert left == approx([631, 468, 382, 326], abs=6)
    assert shares.sum() == approx(1.0)


def test_sbg_gains_where_rates_rise_and_only_there() -> None:
    published = np.array([1.0, 0.631, 0.468, 0.382, 0.326])
    assert retention.gain_of_sbg(published) > 0.01
    assert retention.gain_of_sbg(0.7 ** np.arange(6)) == approx(0.0, abs=1e-3)


def test_calls_of_trials_by_hand() -> None:
    one = np.array([3.0, -3.0, 1.0])
    none = np.zeros(3)
    trials = surrogate.Trials(one, 2 * one, none, none, 1.0, 1.0)
    index, truth = trials.both()
    assert truth.tolist() == [1.0, -1.0, 0.0]
    assert index.tolist() == [1.0, -1.0, 1.0]
    assert surrogate.scores(trials) == {
        "agreement": approx(2 / 3),
        "recall": 1.0,
        "precision": 0.5,
        "harmful": 0.0,
    }


@pytest.mark.parametrize("count", [1, 50])
def test_changes_stay_within_the_design(count: int) -> None:
    levers = abtests.drawn(np.random.default_rng(1), count)
    assert (np.abs(levers) <= abtests.WIDEST).all()
    assert abtests.features(levers).shape == (count, 9)


def test_features_by_hand() -> None:
    assert abtests.features(np.array([[1.0, 2.0, 3.0]])).tolist() == [[1, 2, 3, 1, 2, 3, 4, 6, 9]]


def test_a_covariance_from_products_is_that_of_residuals() -> None:
    """Also of values far from 0, and with one of no variance among what is known."""
    rng = np.random.default_rng(35)
    known = np.column_stack([rng.normal(size=(500, 2)), np.full(500, 0.1), np.zeros(500)])
    metrics = rng.normal(size=(500, 3)) + known[:, [0, 1, 0]] * [1.0, -2.0, 3.0] + [0.0, 1e3, 9.0]
    values = np.column_stack([np.ones(500), known, metrics])
    line = np.linalg.lstsq(values[:, :5], metrics, rcond=None)[0]
    direct = np.cov((metrics - values[:, :5] @ line).T)
    assert abtests.covariance_of_rest(values.T @ values, 4) == approx(direct, rel=1e-8, abs=1e-8)


def test_an_arm_is_as_large_as_it_must_be() -> None:
    """A tenth is significant beyond 5000 users: the two sizes lie next to each other around it."""
    least = np.log(5000.0)
    low, high = abtests.arm_between(lambda arm: 0.1 if arm > least else 0.0, wanted=0.05)
    assert (low, high) == (least, np.nextafter(least, np.inf))


def test_the_weibull_shape_is_found_again_with_times_cut_at_an_end() -> None:
    """Times of shape 0.4 and scale 90, cut at 200: the fit sees through the cut."""
    from longplay.experiments.facts.f13_dwell import known_of, shape_of

    rng = np.random.default_rng(13)
    times = 90.0 * rng.weibull(0.4, 20_000)
    seconds = np.append(np.minimum(times, 200.0), rng.exponential(5.0, 20_000))
    uncut = np.append(times < 200.0, np.ones(20_000)).astype(float)
    known = known_of(np.repeat([0, 2], 20_000), seconds, uncut)
    fits = zip(known["uncut"], known["logs"], known["powers"], strict=True)
    shapes = [shape_of(*one) for one in fits]
    assert shapes[0] == approx(0.4, abs=0.02)
    assert np.isnan(shapes[1])  # nothing was played
    assert shapes[2] == approx(1.0, abs=0.02)


def test_the_groups_of_items_are_pieces_of_topics() -> None:
    from longplay.experiments.facts.f13_dwell import GROUPS, PIECES, PLACES, group_of

    shop = Lab(find_world("music")).cohort(1, 1, 1.0, seed=0).shop
    group = group_of(np.arange(len(shop.items)), shop)
    assert (np.diff(group) >= 0).all()
    assert (group // PIECES == shop.items["topic"]).all()
    sizes = np.bincount(group, minlength=GROUPS).reshape(-1, PIECES)
    assert (sizes[:, :-1] == np.diff(PLACES, prepend=0)).all()


def test_a_median_is_told_from_counts() -> None:
    from longplay.experiments.facts.f12_patience import median_of

    # By hand: of 1, 1, 3 it is 1; of 1, 1, 3, 4 it lies between 1 and 3; of nothing it is none.
    assert median_of(np.array([0.0, 2.0, 0.0, 1.0])) == 1.0
    assert median_of(np.array([0.0, 2.0, 0.0, 1.0, 1.0])) == 2.0
    assert np.isnan(median_of(np.zeros(4)))


def test_a_constant_hazard_of_return_neither_falls_nor_has_a_rhythm() -> None:
    """By hand: of those still away a fiftieth is back in every hour; then all ratios are 1.

    A hazard that halves after the second day gives a third day of (1 - .99^24) / (1 - .98^24).
    """
    from longplay.experiments.facts.f26_return_hazard import HOURS, read

    def found(hazard: np.ndarray) -> dict[str, float]:
        away = np.cumprod(np.append(1.0, 1.0 - hazard))
        returns = -np.diff(away)
        returns[-1] += away[-1]  # whoever is left comes back in the last hour
        return read({"counts": np.stack([returns, away[:-1]])})

    assert list(found(np.full(HOURS, 0.02)).values()) == approx([1.0, 1.0, 1.0])
    slower = np.where(np.arange(HOURS) < 48, 0.02, 0.01)
    assert found(slower)["fall"] == approx((1 - 0.99**24) / (1 - 0.98**24))
