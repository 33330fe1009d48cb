"""Threads that share the users of a cohort.

Waking a thread takes about a tenth of a millisecond, and no two cores are equally fast at any
moment. So each thread first takes a large piece of the users, and then, as soon as it is free,
one of the small pieces that are left. Who does which piece depends on chance; no result does,
because users do not meet and their luck is counted, not drawn in order.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise

LARGE, SMALL = 3, 1  # relative sizes of the two pieces a thread


def cut(n: int, size: int) -> list[tuple[int, int]]:
    """The pieces of 0 .. n-1 for so many threads, the large ones first."""
    sums = list(accumulate([LARGE] * size + [SMALL] * size, initial=0))
    marks = (n * mark // sums[-1] for mark in sums)
    return [(lo, hi) for lo, hi in pairwise(marks) if lo < hi]


class Crew:
    """The calling thread, and helpers that are started when there is work to share."""

    def __init__(self, size: int) -> None:
        """A crew of so many threads, the caller among them."""
        self.size = size
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def share(self, n: int, work: Callable[[int, int, int], None]) -> None:
        """Do ``work(lo, hi, member)`` for pieces that cover 0 .. n-1, side by side.

        ``member`` (0 .. size-1) is whose hands are used: no two calls at the same time have the
        same. What a piece raises is raised here, when all hands are still.
        """
        if self.size == 1 or n <= 1:
            work(0, n, 0)
            return
        pieces = iter(cut(n, self.size))

        def take_part(member: int) -> None:
            for lo, hi in pieces:  # the threads share one iterator
                work(lo, hi, member)

        helpers = [self._helpers().submit(take_part, member) for member in range(1, self.size)]
        try:
            take_part(0)
        finally:
            late = [helper for helper in helpers if not helper.cancel()]
            for helper in late:
                helper.exception()
        for helper in late:
            helper.result()

    def _helpers(self) -> ThreadPoolExecutor:
        """The threads of this process; a forked child makes its own."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = (os.getpid(), ThreadPoolExecutor(self.size - 1, "longplay"))
        return self._pool[1]
