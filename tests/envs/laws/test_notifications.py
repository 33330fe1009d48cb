"""Notifications: a lift at once, a cost that builds up over months."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from longplay.envs.laws.notifications import Notifications, next_load, notified_pull, nuisance_of

FIVE = Notifications(per_day=5.0, lift=0.10, wear=0.05, memory=0.010, nuisance=0.01)


def test_worked_example() -> None:
    # By hand: 0.1 ln 6 - 0.05 * 2 = 0.1791759 - 0.1.
    assert notified_pull(2.0, FIVE) == approx(0.0791759, abs=1e-7)
    # By hand: 5 (1 - exp(-1)) after 100 days from nothing.
    assert next_load(0.0, 100.0, FIVE) == approx(3.1606028, abs=1e-7)
    assert nuisance_of(FIVE) == approx(0.05)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(notified_pull, (0.0, 9.0), FIVE)
    agrees(next_load, (0.0, 9.0), (0.0, 400.0), FIVE)
    agrees(nuisance_of, FIVE)


def test_what_is_gained_at_once_is_lost_in_time() -> None:
    """By hand: at N = n the pull is 0.1 ln 6 - 0.25 < 0, at N = 0 it is 0.1 ln 6 > 0."""
    assert notified_pull(0.0, FIVE) > 0.0 > notified_pull(next_load(0.0, 1e4, FIVE), FIVE)


@given(st.floats(0.0, 1e3), st.floats(0.0, 1e4))
def test_none_at_all_is_no_law_at_all(load: float, days: float) -> None:
    none = Notifications(per_day=0.0)
    assert notified_pull(0.0, none) == 0.0
    assert nuisance_of(none) == 0.0
    assert next_load(0.0, days, none) == 0.0
    assert next_load(load, days, none) <= load  # what was sent before is forgotten
