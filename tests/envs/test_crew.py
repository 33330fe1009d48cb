"""Threads that share a range: each user once, no hands used twice, errors when all is still."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.crew import Crew, cut


@given(n=st.integers(0, 300), size=st.integers(1, 9))
def test_pieces_cover_the_range_once_and_in_order(n: int, size: int) -> None:
    pieces = cut(n, size)
    assert [i for lo, hi in pieces for i in range(lo, hi)] == list(range(n))
    assert len(pieces) <= 2 * size


def test_the_large_pieces_come_first_and_are_three_quarters() -> None:
    assert cut(16, 2) == [(0, 6), (6, 12), (12, 14), (14, 16)]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 1000])
def test_each_user_is_lived_once_and_no_hands_are_used_twice_at_a_time(n: int, size: int) -> None:
    times = [0] * n
    busy = [threading.Lock() for _ in range(size)]

    def work(lo: int, hi: int, member: int) -> None:
        assert busy[member].acquire(blocking=False)
        for i in range(lo, hi):
            times[i] += 1
        busy[member].release()

    crew = Crew(size)
    for _ in range(5):
        crew.share(n, work)
    assert times == [5] * n


@pytest.mark.parametrize("broken", [0, 13, 31])
def test_an_error_is_raised_once_all_hands_are_still(broken: int) -> None:
    running = threading.Semaphore(0)

    def work(lo: int, hi: int, member: int) -> None:
        running.release()
        try:
            if lo <= broken < hi:
                raise ValueError(f"user {broken}")
        finally:
            running.acquire()

    with pytest.raises(ValueError, match=f"user {broken}"):
        Crew(4).share(32, work)
    assert not running.acquire(blocking=False)


def test_helpers_do_take_part() -> None:
    both = threading.Barrier(2, timeout=60)

    def work(lo: int, hi: int, member: int) -> None:
        if hi <= 12:  # one of the two large pieces
            both.wait()  # passes only if two threads are here at once

    Crew(2).share(16, work)
