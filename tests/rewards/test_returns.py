"""Long-term readings, by hand and by what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.cohort import Cohort
from longplay.envs.session import AdLoad
from longplay.envs.state import OUTCOME
from longplay.rewards import (
    Minutes,
    PresentValue,
    Returned,
    Returned1d,
    Returned7d,
    Revenue,
    RevisitMultiplier,
    Survival,
    per_user,
    record,
    rewarded,
)

AWAY = st.one_of(st.just(np.inf), st.floats(0.0, 5000.0))


def sessions(away, ended=1.0, **fields):
    out = np.zeros(len(away), OUTCOME)
    out["fetches"], out["ended"], out["away"] = 1.0, ended, away
    for name, value in fields.items():
        out[name] = value
    return out


def test_returned_by_hand():
    out = sessions([0.5, 72.0, 72.1, np.inf])
    assert Returned(days=3)(out).tolist() == [1, 1, 0, 0]
    assert Returned(days=3)(sessions([0.0], ended=0.0)).tolist() == [0]


@given(st.lists(AWAY, min_size=1, max_size=8), st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_longer_window_never_misses_a_return(away, a, b):
    out = sessions(away)
    short, long = sorted((a, b))
    assert np.all(Returned(days=short)(out) <= Returned(days=long)(out))
    assert np.array_equal(Returned(days=1)(out), Returned1d()(out))
    assert np.array_equal(Returned(days=7)(out), Returned7d()(out))


def test_survival_by_hand():
    # half-life 2 days = 48 h: 2^(-24/48) = .707107, 2^(-96/48) = .25; within a session 1
    out = sessions([24.0, 96.0, np.inf])
    assert Survival(half_life_days=2)(out) == pytest.approx([0.707107, 0.25, 0.0], abs=1e-6)
    assert Survival()(sessions([0.0], ended=0.0)).tolist() == [1.0]
    weighted = Minutes() * Survival(half_life_days=2)
    assert weighted(sessions([96.0], minutes=20.0)).tolist() == [5.0]


@given(st.lists(AWAY, min_size=1, max_size=8), st.floats(0.01, 100), st.floats(0, 500))
def test_survival_weighs_less_the_longer_one_is_away(away, half_life, minutes):
    out = sessions(np.sort(away), minutes=minutes)
    worth = (Minutes() * Survival(half_life_days=half_life))(out)
    assert np.all(np.diff(worth) <= 0.0)
    assert np.all((worth >= 0.0) & (worth <= minutes))


@pytest.mark.parametrize("days", [1e308, np.finfo(float).max])
def test_for_ever_is_beyond_the_longest_window_and_half_life(days):
    out = sessions([0.0, 24.0, np.inf])
    assert Survival(half_life_days=days)(out).tolist() == [1.0, 1.0, 0.0]
    assert Returned(days=days)(out).tolist() == [1.0, 1.0, 0.0]
    assert RevisitMultiplier(days=days)(out).tolist() == [11.0, 11.0, 1.0]
    assert (Minutes() * Survival(half_life_days=days))(out).tolist() == [0.0, 0.0, 0.0]


def test_the_shortest_half_life_forgives_no_absence():
    assert Survival(half_life_days=5e-324)(sessions([0.0, 24.0, np.inf])).tolist() == [1, 0, 0]


def test_present_value_by_hand():
    # 0.9^(48/24) = 0.81
    out = sessions([1.0, 1.0], clock=[0.0, 48.0], revenue=2.0)
    assert PresentValue(gamma_day=0.9)(out) == pytest.approx([1.0, 0.81])
    assert (Revenue() * PresentValue(gamma_day=0.9))(out) == pytest.approx([2.0, 1.62])
    assert PresentValue(gamma_day=1.0)(out).tolist() == [1.0, 1.0]


def test_it_sums_to_the_lifetime_value_that_a_calendar_discount_gives():
    cohort = Cohort("AdLoad", 20, scenario="bench", horizon_days=20.0, autoreset_mode="Disabled")
    log = record(cohort, lambda obs: np.full(20, 9), seed=1)
    users, worth = per_user(log, (Revenue() * PresentValue(gamma_day=0.97))(log))
    for user, found in zip(users.tolist(), worth.tolist(), strict=True):
        mine = log.outcomes[log.outcomes["user"] == user]
        wanted, discount = 0.0, 0.97 ** (mine["clock"][0] / 24.0)
        for revenue, gap in zip(mine["revenue"], mine["gap"], strict=True):
            wanted += discount * revenue
            discount *= 0.97 ** (gap / 24.0)
        assert found == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("signal", [Returned, Survival])
@pytest.mark.parametrize("wrong", [0.0, -1.0, np.inf, np.nan, "7", 10**400])
def test_times_must_be_finite_and_above_0(signal, wrong):
    setting = "days" if signal is Returned else "half_life_days"
    with pytest.raises(ValueError, match=f"{setting}=.*wanted a finite number above 0"):
        signal(**{setting: wrong})


@pytest.mark.parametrize("wrong", [0.0, 1.1, np.nan, "1"])
def test_a_discount_lies_between_0_and_1(wrong):
    with pytest.raises(ValueError, match=r"wanted a number in \(0, 1\]"):
        PresentValue(gamma_day=wrong)


def test_a_study_shorter_than_the_window_is_refused():
    wish = Minutes() + 2 * Returned(days=30) * Minutes()
    with pytest.raises(ValueError, match="looks 30 days ahead, the study lasts 14; give horizon"):
        rewarded(Cohort("AdLoad", 2, scenario="bench", horizon_days=14.0), wish)
    with pytest.raises(ValueError, match="looks 30 days ahead"):
        rewarded(AdLoad(scenario="bench", horizon_days=14.0), wish.named("wish"))
    rewarded(Cohort("AdLoad", 2, scenario="bench", horizon_days=30.0), wish)
