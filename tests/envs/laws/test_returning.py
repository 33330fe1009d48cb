"""Returning: the pull, and the hour of the next visit."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from scipy import stats

from longplay.envs.laws import returning
from longplay.envs.laws.returning import Returning, log_return, slowing_table

RETURNING = Returning()
FLAT = Returning(rate=0.5, slowing=0.0, day=(1.0,) * 24, week=(1.0,) * 7)
UNEVEN = Returning(rate=0.3, week=(1.0, 1.2, 0.8, 1.0, 1.5, 0.4, 0.6))
EVER = 20_000.0  # [h]
DRAWS = st.floats(1e-9, 1.0 - 1e-9)
HOURS = st.floats(0.0, 167.99)
Floats = npt.NDArray[np.float64]


def hours_away(
    u: float, pull: float, leaves: float, chronotype: float, limit: float, p: Returning
) -> float:
    """The law, with the table of its parameters."""
    return returning.hours_away(u, pull, leaves, chronotype, limit, slowing_table(p), p)


def integrated(away: float, leaves: float, p: Returning, slowed: Callable[[Any], Floats]) -> float:
    """The hazard of equation (1) summed from `least` to ``away``, by the midpoints of 0.001 h."""
    cells = max(1, round((away - p.least) / 0.001))
    width = (away - p.least) / cells
    t = p.least + (np.arange(cells) + 0.5) * width
    hour = np.floor(leaves + t).astype(int)
    shifted = np.floor(hour - p.night).astype(int)
    rhythm = np.take(p.day, shifted % 24) * np.take(p.week, hour // 24 % 7)
    return float(np.sum(rhythm * slowed(t)) * width * p.rate)


def test_worked_example() -> None:
    # By hand: mood 1 (0.7 - 0.5) = 0.2; 0.2 + 0.5 + (1 - 0.25) 0.2 - 0.04 * 3 * 1.5 = 0.67.
    assert log_return(0.2, 0.5, 0.7, 0.0, 3.0, 1.5, RETURNING) == approx(0.67)
    # By hand: after a bad exit the mood is 0.2 - 0.2 = 0.
    assert log_return(0.2, 0.5, 0.7, 1.0, 3.0, 1.5, RETURNING) == approx(0.52)
    # By hand: at 0.5 per hour the mean is 2 h, met by u = 1/e, after the least gap of 0.5.
    assert hours_away(1 / math.e, 0.0, 8.0, 0.0, EVER, FLAT) == approx(2.5)
    assert hours_away(1 / math.e, math.log(2.0), 8.0, 0.0, EVER, FLAT) == approx(1.5)


def test_worked_example_with_a_rhythm() -> None:
    """Leaves at 8:00, so the hazard starts at 8:30: 0.2 up to 9:00, 1 from then on.

    By hand, to spend 0.6: half an hour at 0.2 is 0.1; the other 0.5 take half an hour at 1. So
    the visit is at 9:30, after 1.5 h.
    """
    day = tuple(0.2 if hour == 8 else 1.0 for hour in range(24))
    p = Returning(rate=1.0, slowing=0.0, day=day, week=(1.0,) * 7, night=0.0)
    assert hours_away(math.exp(-0.6), 0.0, 8.0, 0.0, EVER, p) == approx(1.5)
    # An hour later in everything: this user's 8 o'clock is the clock's 9.
    assert hours_away(math.exp(-0.6), 0.0, 9.0, 1.0, EVER, p) == approx(1.5)
    # By hand: on a Tuesday (32:00) of weight 2 the half hour spends 0.2, and 0.4 take 0.2 h.
    tuesday = p._replace(week=(1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    assert hours_away(math.exp(-0.6), 0.0, 32.0, 0.0, EVER, tuesday) == approx(1.2)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    one = (0.0, 1.0)
    agrees(log_return, (-2.0, 2.0), one, one, one, (0.0, 20.0), (0.0, 4.0), RETURNING)
    u = (1e-6, 1.0 - 1e-6)
    table = slowing_table(RETURNING)
    limits = (1.0, 3000.0)
    law = returning.hours_away
    agrees(law, u, (-2.0, 2.0), (0.0, 168.0), (-4.0, 4.0), limits, table, RETURNING)


def test_the_quiet_hour_is_the_same_whenever_one_leaves() -> None:
    """Nobody of chronotype 0.5 returns in the clock hour whose start is 5 by their own clock."""
    day = tuple(1e-9 if hour == 5 else 1.0 for hour in range(24))
    p = Returning(rate=0.2, slowing=0.0, least=0.0, day=day, week=(1.0,) * 7, night=0.0)
    for leaves in (0.0, 2.3, 3.9, 4.4, 4.6, 5.5):
        back = [leaves + hours_away(u, 0.0, leaves, 0.5, EVER, p) for u in np.linspace(0.01, 1, 99)]
        hours = np.floor(np.array(back[:-1]) + 1e-6) % 24
        assert 6 not in hours
        assert {5, 7} <= set(hours) or leaves > 5.0


def test_flat_and_unslowed_is_a_shifted_exponential() -> None:
    u = np.random.default_rng(6).random(5_000)
    away = np.array([hours_away(x, 0.4, 100.3, 1.7, EVER, FLAT) for x in u])
    hazard = 0.5 * math.exp(0.4)
    assert stats.kstest(away, stats.expon(loc=0.5, scale=1.0 / hazard).cdf).pvalue > 0.001


@pytest.mark.parametrize("leaves", [0.0, 22.75, 119.4, 167.9])
@pytest.mark.parametrize("chronotype", [-2.0, 0.0, 0.4, 3.7])
def test_survival_is_the_integrated_hazard(leaves: float, chronotype: float) -> None:
    """With the rhythms of day and week: P(away > t) = exp(-integral), t after t."""
    p = UNEVEN._replace(slowing=0.0)
    shifted = p._replace(night=p.night + chronotype)
    for u in np.linspace(0.02, 0.98, 9):
        away = hours_away(u, -1.0, leaves, chronotype, EVER, p)
        spent = integrated(away, leaves, shifted, np.ones_like) * math.exp(-1.0)
        assert spent == approx(-math.log(u), rel=2e-3, abs=2e-4)


@pytest.mark.parametrize("leaves", [7.6, 150.1])
def test_slowing_lags_by_less_than_an_hour_and_a_tenth(leaves: float) -> None:
    """The slowing in use at t is that of some moment from (t - 1 h) / 1.1 to t, as documented.

    So the integrated hazard lies between those two, and is near the exact one. The table rounds
    the moment by half an eighth of an hour.
    """
    p = UNEVEN
    tired = -1.0

    def exact(t: Floats) -> Floats:
        return (1.0 + t / p.pause) ** -p.slowing

    def latest(t: Floats) -> Floats:
        return exact(np.maximum(p.least, (t - 1.0) / 1.1))

    distances = []
    for u in np.linspace(0.02, 0.98, 17):
        away = hours_away(u, tired, leaves, 0.0, EVER, p)
        low, high = (math.exp(tired) * integrated(away, leaves, p, f) for f in (exact, latest))
        assert low * 0.998 - 2e-4 <= -math.log(u) <= high * 1.002 + 2e-4
        distances.append(abs(math.exp(-low) - u))
    assert max(distances) < 0.05


@given(DRAWS, st.floats(-3.0, 3.0), HOURS, st.floats(-5.0, 5.0), st.floats(0.5, 5000.0))
def test_a_gap_has_a_least_and_a_limit(
    u: float, pull: float, leaves: float, chronotype: float, limit: float
) -> None:
    assert 0.5 <= hours_away(u, pull, leaves, chronotype, limit, RETURNING) <= limit


@given(st.floats(1e-6, 0.9), st.floats(-2.0, 2.0), HOURS, st.floats(0.0, 0.1), st.floats(0.0, 2.0))
def test_the_drawn_bring_sooner_returns(
    u: float, pull: float, leaves: float, luck: float, more: float
) -> None:
    away = hours_away(u, pull, leaves, 0.0, EVER, RETURNING)
    assert hours_away(u, pull + more, leaves, 0.0, EVER, RETURNING) <= away + 1e-9
    assert hours_away(u + luck, pull, leaves, 0.0, EVER, RETURNING) <= away + 1e-9


@given(st.floats(0.0, 0.99), st.floats(0.0, 0.99), st.floats(0.0, 20.0), st.floats(0.0, 1.0))
def test_what_draws_people_back(habit: float, mood: float, load: float, more: float) -> None:
    def pull(h: float = habit, s: float = mood, bad: float = 0.0, a: float = load) -> float:
        return log_return(0.0, h, s, bad, a, 1.0, RETURNING)

    assert pull(s=min(1.0, mood + more)) >= pull()
    assert pull(bad=1.0) <= pull()
    assert pull(a=load + more) <= pull()
    # At the defaults habit draws even the dissatisfied: 1 - 0.5 * mood > 0.
    assert pull(h=min(1.0, habit + more)) >= pull()


def test_full_habit_fully_insulated_feels_nothing() -> None:
    p = Returning(insulation=1.0)
    pulls = {log_return(0.0, 1.0, s, bad, 0.0, 1.0, p) for s in (0.0, 1.0) for bad in (0.0, 1.0)}
    assert pulls == {p.habit}


def test_absence_slows_the_return() -> None:
    """With no rhythm, who has been away for long is likelier to stay away another hour."""
    p = FLAT._replace(slowing=0.8, rate=0.2)
    u = (np.arange(4_000) + 0.5) / 4_000
    away = np.array([hours_away(x, 0.0, 0.0, 0.0, EVER, p) for x in u])
    returns = [np.mean(away[away >= t] < t + 1.0) for t in (0.5, 4.0, 24.0, 96.0)]
    assert (np.diff(returns) < 0.0).all()


def test_people_come_back_by_day() -> None:
    """Leaving at midnight, fewer return between 4 and 8 than between 10 and 14."""
    u = (np.arange(4_000) + 0.5) / 4_000
    hours = np.array([hours_away(x, -1.0, 24.0, 0.0, EVER, RETURNING) for x in u]) % 24.0
    night = np.mean((hours >= 4.0) & (hours < 8.0))
    noon = np.mean((hours >= 10.0) & (hours < 14.0))
    assert night < 0.3 * noon


def test_the_table_of_the_slowing() -> None:
    # By hand: pause 1.5, exponent 0.5: after 4.5 h (36 eighths) 1 / sqrt(1 + 3) = 1/2.
    table = slowing_table(RETURNING)
    assert table[0] == 1.0
    assert table[36] == approx(0.5)
    assert (np.diff(table) < 0.0).all()


def test_beyond_the_table_the_hazard_falls_no_more() -> None:
    """With a flat rhythm what is left of a long absence is exponential, at the table's end."""
    p = FLAT._replace(slowing=1.0, rate=0.2)
    end = len(slowing_table(p)) / 8.0
    away = [hours_away(math.exp(-spent), 0.0, 0.5, 0.0, 1e9, p) for spent in (20.0, 21.0, 22.0)]
    assert away[0] > end
    assert away[1] - away[0] == approx(1.0 / (0.2 * slowing_table(p)[-1]), rel=1e-6)
    assert away[2] - away[1] == approx(away[1] - away[0], rel=1e-6)
