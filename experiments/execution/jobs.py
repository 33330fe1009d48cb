"""Many independent jobs over a few processes, with progress, that stop cleanly.

Workers are spawned (never forked: numba's and torch's threads do not survive it), use one thread
each, take one job after the other, and end by themselves when their parent dies. A job's result
must not depend on who does it; it leaves its result in files and returns nothing. So a job whose
worker was lost is done once more, by a new worker, and counts once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from longplay.agents.cluster import THREAD_VARIABLES

Told = Callable[[str, float], None]  # (what it is doing, share done 0..1)
Work = Callable[[Any, Told], None]  # (job, told); must be importable by name
Watch = Callable[[Any, str, float], None]  # (job, what it is doing, share done 0..1)
Then = Callable[[Any], Iterable[Any]]  # job that is done -> jobs that can be done now

PAUSE = 0.2  # least time between two reports of one worker [s]
DONE = "done"
LOST = "lost"  # its worker was, and it is done again from its start
TRIES = 2  # workers that a job may have, one after the other


class JobFailed(RuntimeError):
    """A job raised; the message is its error, `detail` the worker's traceback."""

    def __init__(self, job: Any, message: str, detail: str) -> None:
        super().__init__(message)
        self.job = job
        self.detail = detail


class Executor(Protocol):
    """Who does jobs: `Processes` on this machine, or `ray_jobs.RayTasks` on a cluster."""

    def run(self, work: Work, jobs: Sequence[Any], watch: Watch, then: Then | None = None) -> None:
        """Do all jobs, and those that `then` says can be done once one is.

        ``watch(job, "done", 1.0)`` is called as soon as a job is finished, and then ``then(job)``;
        ``watch(job, "lost", 0.0)`` when its worker was lost and it is done again. On the first
        failure, or on KeyboardInterrupt, the other workers are ended and the error is raised.
        """


def run_jobs(work: Work, jobs: Sequence[Any], *, processes: int, watch: Watch) -> None:
    """Do all jobs, at most ``processes`` at a time; see `Executor.run`."""
    Processes(processes).run(work, jobs, watch)


class Processes:
    """Jobs over so many processes at a time; 1 does them here, without a new process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def run(self, work: Work, jobs: Sequence[Any], watch: Watch, then: Then | None = None) -> None:
        """Do all jobs; see `Executor.run`."""
        if self.number == 1 or (len(jobs) <= 1 and then is None):
            do_here(work, jobs, watch, then)
            return
        crew = Crew(work, self.number)
        try:
            crew.supervise(jobs, watch, then)
        finally:
            crew.dismiss()


def do_here(work: Work, jobs: Sequence[Any], watch: Watch, then: Then | None) -> None:
    """Do all jobs one after the other, in this process."""
    waiting = deque(jobs)
    while waiting:
        job = waiting.popleft()
        try:
            with one_blas_thread():
                work(job, throttled(partial(watch, job)))
        except Exception as error:
            raise JobFailed(job, *told_of_error(error)) from error
        watch(job, DONE, 1.0)
        waiting.extend(then(job) if then else ())


def one_blas_thread() -> AbstractContextManager[object]:
    """What a worker has: with more threads, products of matrices end in other last bits."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # it comes with longplay[experiments]
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


class Losses:
    """Which jobs lost a worker, since they were handed out."""

    def __init__(self) -> None:
        self._jobs: list[Any] = []  # one entry a loss

    def again(self, job: Any, how: str) -> None:
        """Note a loss; JobFailed if the job has lost as many workers as it may have."""
        self._jobs.append(job)
        if sum(known is job for known in self._jobs) >= TRIES:
            raise JobFailed(job, f"{how}, twice; is the machine out of memory?", "")

    def forget(self, job: Any) -> None:
        """The job is done; it may be handed out once more, for what comes next."""
        self._jobs = [known for known in self._jobs if known is not job]


class Crew:
    """Worker processes, hired as there is work for them."""

    def __init__(self, work: Work, most: int) -> None:
        self.work, self.most = work, most
        self.workers: dict[Connection, BaseProcess] = {}
        self.idle: list[Connection] = []
        self.at_work: dict[Connection, Any] = {}
        self.losses = Losses()

    def supervise(self, jobs: Sequence[Any], watch: Watch, then: Then | None) -> None:
        """Hand out jobs and listen until all are done."""
        waiting = deque(jobs)
        while waiting or self.at_work:
            while waiting and (self.idle or len(self.workers) < self.most):
                self._give(waiting.popleft())
            for line in wait(list(self.at_work)):
                assert isinstance(line, Connection)
                job = self.at_work[line]
                try:
                    what, share, *error = line.recv()
                except (EOFError, OSError):
                    self._bury(line, job)
                    watch(job, LOST, 0.0)
                    waiting.appendleft(job)
                    continue
                if error:
                    raise JobFailed(job, *error)
                watch(job, what, share)
                if what == DONE:
                    del self.at_work[line]
                    self.idle.append(line)
                    self.losses.forget(job)
                    waiting.extend(then(job) if then else ())

    def _give(self, job: Any) -> None:
        while self.idle and not self.workers[self.idle[-1]].is_alive():  # killed while it waited
            self._let_go(self.idle.pop())
        if not self.idle:
            process, line = _hire(self.work)
            self.workers[line] = process
            self.idle.append(line)
        line = self.idle.pop()
        self.at_work[line] = job
        with suppress(BrokenPipeError, ConnectionResetError):  # noticed when we listen
            line.send(job)

    def _bury(self, line: Connection, job: Any) -> None:
        """Forget a worker that is gone; JobFailed if its job may not be tried again."""
        del self.at_work[line]
        process = self._let_go(line)
        self.losses.again(
            job,
            f"the process that worked on it was ended from outside (exit code {process.exitcode})",
        )

    def _let_go(self, line: Connection) -> BaseProcess:
        process = self.workers.pop(line)
        line.close()
        process.join()
        return process

    def dismiss(self) -> None:
        """End all workers, whatever they are doing."""
        for line, process in self.workers.items():
            line.close()
            process.terminate()
        for process in self.workers.values():
            process.join()


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
            work(job, throttled(lambda what, share: line.send((what, share))))
            line.send((DONE, 1.0))
        except (BrokenPipeError, ConnectionResetError):
            return  # the parent is gone
        except Exception as error:
            line.send(("failed", 1.0, *told_of_error(error)))


def told_of_error(error: Exception) -> tuple[str, str]:
    """An error in one line, and its traceback."""
    return f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))


def throttled(told: Told) -> Told:
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
