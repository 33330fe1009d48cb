"""Habit: the curve of Lally et al. 2010, and what a missed day costs."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.habit import Habit, next_habit

HABIT = Habit()
MEDIAN = 0.044  # [1/day]
UNIT = st.floats(0.0, 1.0)


def grown(rate: float, missed: Iterable[float], habit: float = 0.0) -> float:
    """Habit after active days, each after some missed ones."""
    for days in missed:
        habit = next_habit(habit, rate, days, HABIT)
    return habit


def test_worked_example() -> None:
    # By hand: 0.5 + 0.044 * 0.5.
    assert next_habit(0.5, MEDIAN, 0.0, HABIT) == approx(0.522)
    # By hand: 0.5 * 0.9885^2 = 0.4885661, then + 0.044 * 0.5114339.
    assert next_habit(0.5, MEDIAN, 2.0, HABIT) == approx(0.5110692, abs=1e-7)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(next_habit, (0.0, 1.0), (0.0, 0.9), (0.0, 400.0), HABIT)


@pytest.mark.parametrize(("rate", "days"), [(0.1533, 18), (MEDIAN, 66), (0.0117, 254)])
def test_95_percent_after_18_to_254_days(rate: float, days: int) -> None:
    """Lally et al. 2010; the closed form of a daily habit is 1 - (1 - alpha)^n."""
    habit = grown(rate, [0.0] * days)
    assert habit == approx(1.0 - (1.0 - rate) ** days, abs=1e-12)
    assert habit == approx(0.95, abs=0.002)


@pytest.mark.parametrize("when", [5, 30, 60])
def test_one_missed_day_does_no_material_harm(when: int) -> None:
    """Lally et al. 2010; here less than 2 % of the habit of day 66, and never a gain."""
    missed = [0.0] * 65
    missed[when] = 1.0
    with_miss, without = grown(MEDIAN, missed), grown(MEDIAN, [0.0] * 66)
    assert 0.98 * without < with_miss < without


def test_half_life_is_60_days() -> None:
    assert next_habit(0.8, 0.0, 60.0, HABIT) == approx(0.4, abs=0.001)


def test_limits() -> None:
    assert next_habit(0.4, 0.0, 0.0, HABIT) == 0.4
    assert next_habit(0.4, 0.0, 99.0, Habit(fade=0.0)) == 0.4
    assert next_habit(0.4, 1.0, 99.0, HABIT) == approx(1.0)
    assert next_habit(0.4, 0.0, 1e6, HABIT) == approx(0.0)


def test_a_weekly_habit_settles_where_growth_meets_loss() -> None:
    """The fixed point of H = k H + r (1 - k H), k = (1 - delta)^6, is r / (1 - k (1 - r))."""
    kept = (1.0 - 0.0115) ** 6
    assert grown(0.1, [6.0] * 2000) == approx(0.1 / (1.0 - kept * 0.9))


@given(UNIT, UNIT, st.floats(0.0, 1000.0))
def test_habit_stays_between_0_and_1(habit: float, rate: float, missed: float) -> None:
    assert 0.0 <= next_habit(habit, rate, missed, HABIT) <= 1.0


@given(UNIT, st.floats(0.0, 0.5), st.floats(0.0, 100.0), st.floats(0.0, 0.5))
def test_monotone(habit: float, rate: float, missed: float, more: float) -> None:
    slack = 1e-15
    after = next_habit(habit, rate, missed, HABIT)
    assert next_habit(habit, rate + more, missed, HABIT) >= after - slack
    assert next_habit(habit, rate, missed + 10.0 * more, HABIT) <= after + slack
    assert next_habit(min(1.0, habit + more), rate, missed, HABIT) >= after - slack
