"""Many independent jobs over a few processes, with progress, that stop cleanly.

Workers are spawned (never forked: numba's and torch's threads do not survive it), use one thread
each, take one job after the other, and end by themselves when their parent dies. A job's result
must not depend on who does it; it leaves its result in files and returns nothing.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

Told = Callable[[str, float], None]  # (what it is doing, share done 0..1)
Work = Callable[[Any, Told], None]  # (job, told); must be importable by name
Watch = Callable[[Any, str, float], None]  # (job, what it is doing, share done 0..1)

THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                    "OPENBLAS_NUM_THREADS")  # fmt: skip
PAUSE = 0.2  # least time between two reports of one worker [s]
DONE = "done"


class JobFailed(RuntimeError):
    """A job raised; the message is its error, `detail` the worker's traceback."""

    def __init__(self, job: Any, message: str, detail: str) -> None:
        super().__init__(message)
        self.job = job
        self.detail = detail


def run_jobs(work: Work, jobs: Sequence[Any], *, processes: int, watch: Watch) -> None:
    """Do all jobs, at most ``processes`` at a time; 1 does them here, without a new process.

    ``watch(job, "done", 1.0)`` is called as soon as a job is finished. On the first failure, or
    on KeyboardInterrupt, the other workers are ended and the error is raised.
    """
    if processes == 1 or len(jobs) <= 1:
        for job in jobs:
            try:
                work(job, _throttled(partial(watch, job)))
            except Exception as error:
                raise JobFailed(job, *_told_of(error)) from error
            watch(job, DONE, 1.0)
        return
    crew = [_hire(work) for _ in range(min(processes, len(jobs)))]
    try:
        _supervise(crew, list(jobs), watch)
    finally:
        for process, line in crew:
            line.close()
            process.terminate()
        for process, _ in crew:
            process.join()


def _supervise(
    crew: list[tuple[BaseProcess, Connection]], waiting: list[Any], watch: Watch
) -> None:
    """Hand out jobs and listen until all are done."""
    at_work: dict[Connection, Any] = {}
    for _, line in crew:
        _give(line, waiting, at_work)
    while at_work:
        ready = wait(list(at_work))
        for line in [line for line in at_work if line in ready]:
            job = at_work[line]
            try:
                what, share, *error = line.recv()
            except (EOFError, ConnectionResetError):
                process = next(process for process, end in crew if end is line)
                process.join()
                code = process.exitcode
                raise JobFailed(
                    job, f"the process that worked on it was ended from outside (exit code {code})"
                    "; is the machine out of memory?", ""
                ) from None  # fmt: skip
            if error:
                raise JobFailed(job, *error)
            watch(job, what, share)
            if what == DONE:
                del at_work[line]
                _give(line, waiting, at_work)


def _give(line: Connection, waiting: list[Any], at_work: dict[Connection, Any]) -> None:
    if waiting:
        at_work[line] = job = waiting.pop(0)
        with suppress(BrokenPipeError):  # a worker that has died is noticed when we listen
            line.send(job)


def _hire(work: Work) -> tuple[BaseProcess, Connection]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_worker, args=(work, theirs), daemon=True)
    with _thread_variables(), _deaf_to_interrupts():  # both are inherited from the first moment
        process.start()
    theirs.close()
    return process, ours


def _worker(work: Work, line: Connection) -> None:
    """The loop of one worker: ends when the line does."""
    while True:
        try:
            job = line.recv()
        except EOFError:
            return
        try:
            work(job, _throttled(lambda what, share: line.send((what, share))))
            line.send((DONE, 1.0))
        except (BrokenPipeError, ConnectionResetError):
            return  # the parent is gone
        except Exception as error:
            line.send(("failed", 1.0, *_told_of(error)))


def _told_of(error: Exception) -> tuple[str, str]:
    """An error in one line, and its traceback."""
    return f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))


def _throttled(told: Told) -> Told:
    """Passes on a report when the last one is PAUSE old, or when what is done changes."""
    last_time, last_what = 0.0, ""

    def tell(what: str, share: float) -> None:
        nonlocal last_time, last_what
        now = time.monotonic()
        if what != last_what or now - last_time >= PAUSE:
            last_time, last_what = now, what
            told(what, share)

    return tell


@contextmanager
def _thread_variables() -> Iterator[None]:
    """The environment says one thread; what stood there before comes back."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C is the parent's to handle: children begin life ignoring it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
