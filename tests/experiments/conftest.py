"""Executors that make every mistake an executor may, and commands that run beside a test."""

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from longplay.experiments.execution.jobs import DONE, Then, Watch, Work, do_here


class Careless:
    """Does items in any order, and now and then one twice; ``most`` of them, then it is stopped."""

    class Stopped(Exception):
        pass

    def __init__(self, seed: int, most: int | None = None) -> None:
        self.rng, self.most = random.Random(seed), most
        self.done: list[Any] = []

    def run(self, work: Work, jobs: Sequence[Any], watch: Watch, then: Then | None = None) -> None:
        waiting = list(jobs)
        while waiting:
            item = waiting.pop(self.rng.randrange(len(waiting)))
            for _ in range(self.rng.choice((1, 2))):
                do_here(work, [item], lambda job, what, share: None, None)
            self.done.append(item)
            watch(item, DONE, 1.0)
            if len(self.done) == self.most:
                raise self.Stopped
            waiting += then(item) if then else ()


@pytest.fixture(scope="session", name="Careless")
def careless() -> type[Careless]:
    """The class of an executor without a plan."""
    return Careless


def longplay(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "longplay.experiments", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def workers_of(driver: int) -> list[int]:
    """The processes that a longplay has spawned for its jobs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == driver and b"spawn_main" in words:
            found.append(int(folder.name))
    return found


def wait_for(happened: Any, process: subprocess.Popen[str]) -> None:
    """Wait until something has happened, while the command goes on."""
    end = time.monotonic() + 300
    while not happened():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_for_end(workers: Sequence[int]) -> None:
    """Wait until workers whose driver is gone have ended by themselves."""
    end = time.monotonic() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="session")
def commands() -> SimpleNamespace:
    """Commands in processes of their own, and what to do with them."""
    return SimpleNamespace(longplay=longplay, workers_of=workers_of, wait_for=wait_for,
                           wait_for_end=wait_for_end)  # fmt: skip
