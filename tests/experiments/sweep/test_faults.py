"""Faults on one machine: processes are killed, the disk is full. Nothing is lost or done twice.

Every test compares with the unharmed sweep, bit for bit.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from longplay.experiments.sweep.carry import carry_out, check_sweep, open_run
from longplay.experiments.sweep.config import read_config
from longplay.experiments.sweep.processes import in_processes

pytestmark = [pytest.mark.extras, pytest.mark.slow]

FILE = """
[sweep]
agent = "linucb"
seeds = 1
users = 20
train_steps = 60_000
horizon_days = 5
[over]
agent.alpha = [0.25, 0.5, 1.0, 2.0]
world.fatigue.per_ad = [0.05, 0.3]
"""
TRIALS = 8
PATIENCE = 300.0  # for anything to happen at all [s]


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep as it should be; beside its folder lies its file."""
    folder = tmp_path_factory.mktemp("unharmed")
    (folder / "mine.toml").write_text(FILE)
    config = read_config(folder / "mine.toml")
    check_sweep(config)
    run = open_run(config, folder / "run", ["longplay", "sweep", "mine.toml"], False)
    found = carry_out(config, run, in_processes(1), in_processes(1))
    assert len(found.rows) == TRIALS
    return folder


def begin(file: Path, out: Path, *more: str, jobs: int = 2) -> subprocess.Popen[str]:
    """Start `longplay sweep` as a process of its own."""
    words = ["sweep", str(file), "--out", str(out), "--jobs", str(jobs), *more]
    return subprocess.Popen(
        [sys.executable, "-m", "longplay.experiments", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(holds: Callable[[], bool]) -> None:
    """Wait for something."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def done(out: Path) -> dict[str, int]:
    """The trials that are done, and when each was."""
    return {file.name: file.stat().st_mtime_ns for file in (out / "trials").glob("*.json")}


def descendants(process: int) -> list[int]:
    """All processes that a process and its children started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def workers_of(process: int) -> list[int]:
    """The worker processes of a driver: those of its children that were spawned to work."""
    return [
        child
        for child in descendants(process)
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()
    ]


def alive(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def check_same(out: Path, unharmed: Path) -> None:
    """Every trial is there once, with the numbers it should have, and so is the winner."""
    assert sorted(done(out)) == [f"{n:05d}.json" for n in range(TRIALS)]
    ours, theirs = (pl.read_parquet(f / "trials.parquet") for f in (out, unharmed / "run"))
    assert ours.equals(theirs)
    assert ours.height == TRIALS
    pages = [(f / "report.html").read_text().split("How it was made")[0]
             for f in (out, unharmed / "run")]  # fmt: skip
    assert pages[0] == pages[1]
    assert not [file for file in out.rglob(".half-*")]


def check_resumed(file: Path, out: Path, kept: dict[str, int]) -> None:
    """Going on does what is missing, and only that."""
    again = begin(file, out, "--resume", jobs=1)
    _, told = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, told
    for name, when in kept.items():
        assert done(out)[name] == when
    assert told.count("longplay: trial") == TRIALS - len(kept) + 1  # and the best once more


@pytest.mark.parametrize("where", [(), ("--ray",)], ids=["here", "ray"])
def test_a_killed_driver_leaves_what_is_done(
    where: tuple[str, ...], unharmed: Path, tmp_path: Path
) -> None:
    if where:
        pytest.importorskip("ray")
    file, out = unharmed / "mine.toml", tmp_path / "run"
    driver = begin(file, out, *where)
    until(lambda: len(done(out)) >= 2)
    started = descendants(driver.pid)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    assert len(started) >= 2
    until(lambda: not any(map(alive, started)))  # they end by themselves
    kept = done(out)
    assert 2 <= len(kept) < TRIALS
    check_resumed(file, out, kept)
    check_same(out, unharmed)


def test_a_killed_worker_costs_no_trial(unharmed: Path, tmp_path: Path) -> None:
    file, out = unharmed / "mine.toml", tmp_path / "run"
    driver = begin(file, out)
    until(lambda: len(done(out)) >= 2)
    os.kill(workers_of(driver.pid)[0], signal.SIGKILL)
    _, told = driver.communicate(timeout=PATIENCE)
    if driver.returncode:  # it stops with a sentence, or does the trial again
        assert driver.returncode == 1
        assert "was ended from outside" in told
        assert f"go on with --resume --out {out}" in told
        check_resumed(file, out, done(out))
    check_same(out, unharmed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 48 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(words, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this machine lets us mount no tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_sweep_with_one_sentence(unharmed: Path, small_disk: Path) -> None:
    file, out = unharmed / "mine.toml", small_disk / "run"
    driver = begin(file, out)
    _, told = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 1
    last = told.strip().splitlines()[-1]
    assert "No space left on device" in last
    assert f"go on with --resume --out {out}" in last
    assert "Traceback" not in told
    kept = done(out)
    assert len(kept) < TRIALS
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    check_resumed(file, out, kept)
    check_same(out, unharmed)
