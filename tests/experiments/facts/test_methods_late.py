"""What the later facts compute, against closed forms, hand-worked numbers and other programs."""

import numpy as np
import pytest
from pytest import approx

from longplay.envs.scenarios import find_world
from longplay.experiments.facts import f34_signals as signals
from longplay.experiments.facts import f36_proxies as proxies
from longplay.experiments.facts import f38_shelf as shelf
from longplay.experiments.facts import f39_return_bandit as bandits
from longplay.experiments.facts import f40_survey as survey
from longplay.experiments.facts import f45_index as index
from longplay.experiments.facts.lab import Lab, mixture, undying, watch
from longplay.experiments.facts.prediction import auc, logistic
from longplay.experiments.populations import sketch


def test_logistic_regression_agrees_with_a_general_optimiser() -> None:
    minimize = pytest.importorskip("scipy.optimize").minimize
    rng = np.random.default_rng(40)
    x = rng.normal(2.0, [1.0, 3.0], (400, 2))
    y = rng.random(400) < 1 / (1 + np.exp(-(0.4 + 0.8 * (x[:, 0] - 2))))
    z = (x - x.mean(axis=0)) / x.std(axis=0)

    def loss(w: np.ndarray) -> float:
        odds = w[0] + z @ w[1:]
        return float((np.logaddexp(0, odds) - y * odds).sum() + 0.5 * (w[1:] ** 2).sum())

    best = minimize(loss, np.zeros(3), tol=1e-12).x
    found = logistic(x, y)
    assert [found.start, *found.weights] == approx(best, abs=1e-5)
    assert found.log_odds(x) == approx(best[0] + z @ best[1:], abs=1e-4)


def test_logistic_regression_of_what_can_be_told_without_error_is_finite() -> None:
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    odds = logistic(x, np.array([False, False, True, True])).log_odds(x)
    assert np.isfinite(odds).all()
    assert (odds > 0).tolist() == [False, False, True, True]


def test_area_under_the_curve_by_hand() -> None:
    # Pairs of a yes (2, 3) and a no (1, 2): 2 > 1, 2 = 2, 3 > 1, 3 > 2: 3.5 of 4.
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    assert auc(scores, np.array([False, True, False, True])) == approx(3.5 / 4)


def test_mutual_information_of_a_coin_with_itself_and_with_another() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 2, (2, 4000))
    assert survey.information(one, one) == approx(1.0, abs=2e-3)
    assert survey.information(one, other) == approx(0.0, abs=2e-3)


def test_accuracy_is_that_of_rows_not_learnt_from() -> None:
    x = np.array([[-1.0], [1.0], [-2.0], [2.0], [-3.0], [3.0]])
    y = x[:, 0] > 0
    learn = np.array([True, True, True, True, False, False])
    assert survey.accuracy(x, y, learn) == 100.0
    y[4] = True  # of the two that are tried, one is called wrongly
    assert survey.accuracy(x, y, learn) == 50.0


def test_entropy_by_hand() -> None:
    minutes = np.array([[1.0, 1.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0], [3.0, 1.0, 0.0, 0.0]])
    mixed = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert signals.entropy(minutes) == approx([np.log(2), 0.0, mixed])


def test_the_tally_grows_by_the_minutes_played() -> None:
    """The fading of an absence is undone: what is new in the tally is what the session played."""
    cohort = Lab(find_world("music")).cohort(50, 1, 10.0, seed=4)
    for _ in range(5):
        before = cohort.users["topic_minutes"].sum(axis=1)
        cohort.step(np.zeros(50, np.int64))
        lived = cohort.outcomes["fetches"] > 0
        grown = signals.topics_at_end(cohort).sum(axis=1) - before
        assert grown[lived] == approx(cohort.outcomes["minutes"][lived], rel=1e-3, abs=1e-3)


def test_a_reward_rises_where_it_was_built_to_rise() -> None:
    rng = np.random.default_rng(34)
    person, trial = rng.integers(0, 100, 40_000), rng.normal(size=(40_000, 3))
    reward = 50.0 * person + trial @ [3.0, 0.0, -4.0] + rng.normal(size=40_000)
    slope = reward @ signals.beside_usual(person, trial)
    assert slope / np.linalg.norm(slope) == approx([0.6, 0.0, -0.8], abs=0.02)


def test_a_reward_that_rises_with_early_returns_leads_to_them() -> None:
    """By hand: of absences 1, 2, 4 the median is 2, so what varied before the first counts 11."""
    at = sketch.buckets(np.array([1.0, 2.0, 4.0]))
    varied = np.zeros((sketch.BUCKETS, 2))
    varied[at] = [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    away = np.bincount(at, minlength=sketch.BUCKETS).astype(np.float64)
    found = {"minutes": np.array([3.0, 4.0]), "varied": varied, "away": away}
    steps = signals.directions(found)
    assert steps == approx(np.array([[0.6, 0.8], [11 / 125**0.5, 2 / 125**0.5]]))


def test_signals_that_tell_all_or_nothing() -> None:
    rng = np.random.default_rng(2)
    early = np.repeat([1.0, 5.0, 9.0], 200)
    late = np.concatenate([rng.integers(0, 14, 200), np.full(400, 7.0)])
    table = np.column_stack([late, -late, rng.normal(size=600)])
    alone, together, converted = signals.areas(table, np.stack([early, late]))
    assert alone[:2] == approx([1.0, 0.0])
    assert alone[2] == approx(0.5, abs=0.1)
    assert together == approx(1.0, abs=0.01)
    assert converted == approx((late[:200] >= 7).mean())


def test_sensitivity_and_directionality_by_hand() -> None:
    seen = np.array([[3.0, 1.0], [-3.0, -1.0], [1.0, 5.0], [2.0, -1.0]])
    assert proxies.sensitivity(seen).tolist() == [0.75, 0.25]
    # The north star moves by 4, -1, 2, 1: the first metric agrees always, the second but in the
    # last test: (4 + 1 + 2 - 1) / 8.
    star = np.array([4.0, -1.0, 2.0, 1.0])
    assert proxies.directionality(seen, star) == approx([1.0, 0.75])


def test_mixtures_are_in_their_own_standard_errors() -> None:
    rng = np.random.default_rng(36)
    correlation = np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.3], [0.0, 0.3, 1.0]])
    noise = rng.multivariate_normal(np.zeros(3), correlation, 20_000)
    weights = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 0.5]])
    assert proxies.in_errors(noise, weights, correlation).std(axis=0) == approx(1.0, abs=0.02)
    few = proxies.mixtures(rng)
    count = (few > 0).sum(axis=1)
    assert (count.min(), count.max()) == (1, proxies.IN_MIXTURE)


def test_a_proxy_that_is_the_north_star_with_less_noise_is_never_wrong() -> None:
    star = np.array([[3.0], [-2.5], [0.5], [0.1]])
    trials = proxies.Trials(star, star)
    gain, direction, recall, precision = proxies.judged(
        trials, slice(0, 4), 4 * star[:, 0], 4 * star
    )
    assert (gain, direction, recall, precision) == approx((1.5, 1.0, 1.0, 1.0))


def test_the_index_is_the_regression_on_early_weeks() -> None:
    rng = np.random.default_rng(45)
    days = rng.integers(0, 8, (300, index.WEEKS)).astype(float)
    found = index.index_of(index.moments(days))
    rows = np.column_stack([np.ones(300), days[:, : index.EARLY]])
    assert found == approx(np.linalg.lstsq(rows, days.mean(axis=1), rcond=None)[0][1:])


def test_an_effect_that_is_all_in_the_surrogates_is_found_by_the_index() -> None:
    """Who is helped keeps the gain as others keep theirs: index and truth are one."""
    rng = np.random.default_rng(46)
    person = np.repeat(rng.uniform(1, 6, (500, 1)), index.WEEKS, axis=1)
    series = {
        "lived": np.stack([person.mean(axis=0), 1.1 * person.mean(axis=0)]),
        "moments": index.moments(person + rng.normal(scale=1e-3, size=person.shape)),
    }
    assert index.read(series)["index"] == approx(1.0, abs=1e-3)


def test_weights_of_the_living_pass_from_stage_to_stage() -> None:
    world = find_world("music")
    choose, edges = mixture((7,), (7,), 0.0), [0.0, 20.0]

    def sums(alive: np.ndarray | None) -> np.ndarray:
        cohort = Lab(undying(world)).cohort(40, 1, 20.0, seed=6)
        return watch(cohort, choose, ("minutes",), edges, mortal=world, alive=alive)["minutes"]

    whole, half = np.ones(40), np.full(40, 0.5)
    assert sums(half) == approx(0.5 * sums(whole))
    assert sums(None) == approx(sums(np.ones(40)))
    assert half == approx(0.5 * whole)
    assert 0.5 < whole.mean() < 1.0  # some would have been lost

    lab = Lab(undying(world))
    first, alive = lab.cohort(40, 1, 10.0, seed=6), np.ones(40)
    watch(first, choose, ("minutes",), [0.0, 10.0], mortal=world, alive=alive)

    def later(weight: np.ndarray) -> np.ndarray:
        cohort, period = lab.go_on(first, 20.0), [10.0, 20.0]
        return watch(cohort, choose, ("minutes",), period, mortal=world, alive=weight)["minutes"]

    kept = alive.copy()
    assert later(alive) == approx(kept[:, None] * later(np.ones(40)))
    assert (alive < kept).any()


def test_rates_of_arms_are_counts_over_exposures() -> None:
    rng = np.random.default_rng(39)
    arm = rng.integers(0, bandits.ARMS, 600)
    exposure = rng.uniform(1, 9, 600)
    count = rng.poisson(exposure * (0.5 + 0.1 * arm)).astype(float)
    found = bandits.fitted(np.eye(bandits.ARMS)[arm], count, exposure, ridge=1e-9)
    rates = np.bincount(arm, count) / np.bincount(arm, exposure)
    usual = np.log(count.sum() / exposure.sum())
    assert usual + found.weights == approx(np.log(rates), abs=1e-6)
    # Of a Poisson count n the logarithm has the variance 1 / n.
    assert np.diag(found.covariance) * np.bincount(arm, count) == approx(1.0, abs=0.15)


def test_one_bandit_wants_clicks_and_the_other_clicks_times_returns() -> None:
    rng = np.random.default_rng(40)
    arm = rng.integers(0, bandits.ARMS, 900)
    plays = rng.poisson(100 * np.array([0.5, 0.9, 0.8, 0.4, 0.4, 0.4])[arm])
    visits = rng.poisson(40 * np.array([1.0, 1.0, 1.5, 1.0, 1.0, 1.0])[arm])
    known = rng.normal(size=(900, len(bandits.KNOWN)))
    flat = np.full(900, 100.0)
    seen = np.column_stack([arm, known, plays, flat, visits, 10 * flat])
    assert bandits.chosen(bandits.CLICKS, seen) == 1
    assert bandits.chosen(bandits.BOTH, seen) == 2


def test_growth_of_a_linear_regret_and_of_one_that_grows_by_the_root() -> None:
    assert bandits.growth(np.full(16, 0.3)) == approx(1.0)
    root = np.diff(np.sqrt(np.arange(17)))
    # By hand: (4 - sqrt 8) / 8 a week over (sqrt 8 - 1) / 7 a week.
    assert bandits.growth(root) == approx((4 - 8**0.5) / 8 / ((8**0.5 - 1) / 7))


def test_days_with_an_item_are_counted_from_the_first_look() -> None:
    """By hand: looks of (lane, item, day, played)."""
    rows = np.array(
        [
            (0, 5, 1, 1),  # the first look: its own day does not count
            (0, 5, 1, 1),
            (0, 5, 3, 1),
            (0, 5, 3, 1),  # the same day once more
            (0, 5, 4, 0),  # not played
            (0, 5, 8, 1),  # day 7: still SHORT
            (0, 5, 20, 1),
            (0, 5, 30, 1),  # day 29: too late
            (1, 5, 2, 0),
            (1, 7, 9, 1),  # begins too late to be followed
        ]
    )
    lane, item, day, played = rows.T
    place = np.zeros(len(rows), np.int64)
    looks = shelf.Looks(lane, item, day, place, played == 1, played == 1)
    first, short, long = shelf.bonds(looks, until=2)
    assert (looks.lane[first] * 10 + looks.item[first]).tolist() == [5, 15]
    assert short.tolist() == [2, 0]
    assert long.tolist() == [3, 0]


def test_means_by_item_are_drawn_towards_the_mean_of_all() -> None:
    found = shelf.by_item(np.array([0, 0, 1]), np.array([1.0, 1.0, 0.0]))
    means = shelf.means(found, prior=1.0)
    assert means[:3] == approx([(2 + 2 / 3) / 3, (2 / 3) / 2, 2 / 3])


def test_a_shelf_holds_the_best_new_items_that_were_never_played() -> None:
    world = find_world("music").replace("small", catalogue={"items": float(shelf.ITEMS)})
    cohort = Lab(world).cohort(6, 1, 20.0, 0, task="Feed", action="slate", decision="fetch")
    scores = np.random.default_rng(38).random((6, shelf.ITEMS))
    choose = shelf.shelved(scores)
    played: list[set[int]] = [set() for _ in range(6)]
    for _ in range(20):
        offered = cohort._desk.candidates.copy()
        slates = choose(cohort)
        for lane in np.flatnonzero(~cohort.over):
            new = [i for i in offered[lane] if i % 2 == 1 and i not in played[lane]]
            wanted = sorted(set(new), key=lambda i: -scores[lane, i])[: shelf.SHELF]
            assert offered[lane][slates[lane, : shelf.SHELF]].tolist() == wanted
        cohort.step(slates)
        for lane in np.flatnonzero(cohort.outcomes["fetches"] > 0):
            slots = cohort.slots[lane]
            played[lane] |= set(slots["shows"][slots["played"] == 1].tolist())
    assert min(len(items) for items in played) > 10
