"""Memory: asking ahead changes nothing, records lie on lines, and what is lent is left alone."""

import numpy as np
import pytest

from longplay.envs import memory
from longplay.envs.compiled import law
from longplay.envs.memory import LARGE, Lender, aligned_zeros, as_bytes, fetch_ahead
from longplay.envs.population import open_shop
from longplay.envs.scenarios import find_world
from longplay.envs.state import ITEM, OUTCOME, USER


def large(value: float) -> np.ndarray:
    return np.full(LARGE // 8, value)


def test_what_is_held_is_never_written_again() -> None:
    lender = Lender()
    held = [lender.copy_of(large(value)) for value in range(3 * memory.KEPT)]
    for value, copy in enumerate(held):
        assert (copy == value).all()


def test_what_was_let_go_serves_again() -> None:
    lender = Lender()
    address = lender.copy_of(large(1.0)).ctypes.data  # nobody keeps the copy
    again = lender.copy_of(large(2.0))
    assert again.ctypes.data == address
    assert (again == 2.0).all()


@pytest.mark.parametrize(
    "part",
    [lambda a: a[7:9], lambda a: a.reshape(2, -1), memoryview],
    ids=["slice", "table", "view"],
)
def test_a_view_holds_its_copy(part) -> None:
    lender = Lender()
    view = part(lender.copy_of(large(1.0)))
    lender.copy_of(large(2.0))
    assert (np.asarray(view) == 1.0).all()


def test_a_copy_is_a_copy_whatever_its_size() -> None:
    lender = Lender()
    for array in (np.arange(3), large(4.0), large(5.0).reshape(4, -1).astype(np.float32)):
        copy = lender.copy_of(array)
        np.testing.assert_array_equal(copy, array)
        assert copy.dtype == array.dtype
        assert not np.shares_memory(copy, array)


def test_a_collector_of_copies_does_not_make_the_lender_remember_them_all() -> None:
    lender = Lender()
    held = [lender.copy_of(large(0.0)) for _ in range(5 * memory.KEPT)]
    assert len(held) == 5 * memory.KEPT
    assert sum(map(len, lender._lent.values())) <= memory.KEPT


def test_items_lie_on_two_lines_each() -> None:
    assert ITEM.itemsize == 96
    for items in (aligned_zeros(7, ITEM), open_shop(find_world("bench").catalogue).items):
        start = items.ctypes.data
        for item in range(len(items[:100])):
            first, last = start + 96 * item, start + 96 * item + 95
            assert last // memory.LINE - first // memory.LINE == 1
    blank = aligned_zeros(3, USER)
    assert blank.shape == (3,)
    assert not as_bytes(blank).any()


def test_bytes_are_the_same_memory_row_by_row() -> None:
    outcomes = np.zeros(5, OUTCOME)
    outcomes["minutes"] = np.arange(5.0)
    rows = as_bytes(outcomes)
    assert rows.shape == (5, OUTCOME.itemsize)
    rows[3] = rows[1]
    np.testing.assert_array_equal(outcomes["minutes"], [0.0, 1.0, 2.0, 1.0, 4.0])


@law
def value_of(items, at):
    fetch_ahead(items[at])
    return items[at].value


def test_asking_ahead_changes_nothing_compiled_or_plain() -> None:
    items = aligned_zeros(3, ITEM)
    items["value"] = [1.0, 2.0, 3.0]
    before = items.copy()
    assert [value_of(items, at) for at in range(3)] == [1.0, 2.0, 3.0]
    assert fetch_ahead(items[0]) is None
    np.testing.assert_array_equal(items, before)
