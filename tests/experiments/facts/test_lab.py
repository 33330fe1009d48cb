"""The laboratory: same people, fair coins, deaths by probability, and lives in stages."""

import numpy as np
import pytest
from pytest import approx

from longplay.envs.scenarios import find_world
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.lab import Lab, by_arm, luck, mixture, undying, watch

MUSIC = find_world("music")
LAB = Lab(MUSIC)


def test_arms_under_one_layout_are_bit_for_bit_alike() -> None:
    cohort = LAB.cohort(20, 2, 20.0, seed=3)
    sums = watch(cohort, mixture((7,), (3, 7), 0.5), ("minutes", "ad_views"), [0.0, 10.0, 20.0])
    for values in sums.values():
        one, other = values.reshape(2, 20, 2)
        assert np.array_equal(one, other)
        assert (by_arm(values, 2)[0] == one.sum(axis=0)).all()


def test_coins_are_fair_and_fresh_for_each_person_session_and_salt() -> None:
    kstest = pytest.importorskip("scipy.stats").kstest
    cohort = LAB.cohort(4000, 1, 1.0, seed=0)
    first = luck(cohort, 1)
    assert kstest(first, "uniform").pvalue > 0.01
    cohort.users["session"] += 1
    for other in (luck(cohort, 1), luck(cohort, 2)):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.05


def test_a_larger_share_only_adds_heavy_sessions() -> None:
    cohort = LAB.cohort(200, 1, 1.0, seed=0)
    heavy = layout_index((3, 7))
    few = mixture((7,), (3, 7), 0.3)(cohort) == heavy
    many = mixture((7,), (3, 7), 0.6)(cohort) == heavy
    assert (many | ~few).all()
    assert few.mean() == approx(0.3, abs=0.1)


def test_deaths_by_probability_agree_with_real_deaths() -> None:
    """The weighted sums of the undying have the mean of mortal people, and less noise."""
    world = MUSIC.replace("fickle", churn={"period": 10.0})
    lab, people, days = Lab(world), 1500, 40.0
    choose, edges = mixture((7,), (7,), 0.0), [0.0, days]
    real = watch(lab.cohort(people, 1, days, 1), choose, ("ended",), edges)["ended"]
    cohort = lab.cohort(people, 1, days, 1, world=undying(world))
    weighed = watch(cohort, choose, ("ended",), edges, mortal=world)["ended"]
    error = np.std(real - weighed) / np.sqrt(people)
    assert abs(real.mean() - weighed.mean()) < 3 * error
    assert weighed.std() < real.std()


def test_a_life_in_two_stages_is_the_life_in_one() -> None:
    """But for those whom an absence of more than eight days led across the seam."""
    choose, edges = mixture((7,), (3, 7), 0.5), [0.0, 10.0, 20.0]
    whole = watch(LAB.cohort(60, 1, 20.0, 2), choose, ("minutes",), edges)["minutes"]
    cohort = LAB.cohort(60, 1, 10.0, 2)
    first = watch(cohort, choose, ("minutes",), edges)["minutes"]
    second = watch(LAB.go_on(cohort, 20.0), choose, ("minutes",), edges)["minutes"]
    same = np.isclose(first + second, whole)
    assert same[:, 0].all()
    assert same[:, 1].mean() > 0.9


def test_expected_clicks_have_the_mean_of_clicks() -> None:
    columns = ("ad_clicks", "expected_clicks", "ad_views")
    sums = watch(LAB.cohort(800, 1, 60.0, 5), mixture((3, 7), (3, 7), 0.0), columns, [0.0, 60.0])
    clicks, expected, views = (sums[name].sum() for name in columns)
    assert abs(clicks - expected) < 3 * np.sqrt(clicks)
    assert expected < MUSIC.ads.click * views  # they have begun to overlook ads
