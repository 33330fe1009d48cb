"""Trials in processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from longplay.experiments.execution import jobs
from longplay.experiments.sweep.carry import Execute
from longplay.experiments.sweep.trial import Job, do_trial


def in_processes(number: int) -> Execute:
    """Do trials in at most `number` processes at a time; results do not depend on it."""

    def execute(todo: Sequence[Job], done: Callable[[Job], None]) -> None:
        def watch(job: Any, what: str, share: float) -> None:
            if what == jobs.DONE:
                done(job)

        jobs.run_jobs(do_trial, todo, processes=number, watch=watch)

    return execute
