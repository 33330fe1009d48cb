"""Who does jobs in processes, and what is counted as a loss."""

import multiprocessing
import operator
from typing import Any

import numpy as np
import pytest

from longplay.experiments.execution.jobs import DONE, TRIES, JobFailed, Losses, Processes, do_here

# A job is a name, and the work on it a function of job and told that does nothing.
WORK: Any = operator.is_


def test_workers_that_were_killed_while_they_waited_are_no_loss() -> None:
    told: list[tuple[str, str]] = []

    def then(job: str) -> list[str]:
        if sum(what == DONE for _, what in told) != 2:
            return []
        for child in multiprocessing.active_children():
            child.kill()
            child.join()
        return ["c", "d", "e"]

    Processes(2).run(WORK, ["a", "b"], lambda job, what, share: told.append((job, what)), then)
    assert sorted(told) == [(job, DONE) for job in "abcde"]


def test_a_job_that_is_done_may_be_lost_anew() -> None:
    losses, job = Losses(), object()
    for _ in range(3):
        losses.again(job, "killed")
        losses.forget(job)
    losses.again(job, "killed")
    losses.again(object(), "killed")
    assert TRIES == 2
    with pytest.raises(JobFailed, match="killed, twice"):
        losses.again(job, "killed")


def test_products_of_matrices_are_those_of_one_thread_here_too() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    rows = np.random.default_rng(0).normal(size=(50, 3))
    assert (rows.T @ rows).shape == (3, 3)  # the library is there
    threads: list[int] = []

    def work(job: str, told: Any) -> None:
        threads.extend(one["num_threads"] for one in threadpoolctl.threadpool_info()
                       if one["user_api"] == "blas")  # fmt: skip

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        do_here(work, ["a"], lambda job, what, share: None, None)
    assert threads and set(threads) == {1}
