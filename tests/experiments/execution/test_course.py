"""Comparisons in shards: the same files whoever does them, whatever is killed, counted once."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for library in ("polars", "tensorboard", "scipy", "tyro", "rich"):
    pytest.importorskip(library)

from longplay.experiments.compare import compare
from longplay.experiments.execution.course import Course
from longplay.experiments.execution.jobs import DONE, LOST
from longplay.experiments.execution.parts import Job, Shard, Training, all_jobs, do_item
from longplay.experiments.populations import shards as shards_module
from longplay.experiments.populations.crowd import GROUPS
from longplay.experiments.run import Refused, RunFolder
from longplay.experiments.settings import Settings, check

pytestmark = pytest.mark.extras
SMALL = Settings(
    agents=("fixed-3-7", "random", "linucb"), seeds=1, users=9000, train_steps=500, horizon_days=2.0
)
TABLES = ("metrics", "retention", "behaviour")


def tables(folder: Path) -> dict[str, bytes]:
    """Every column of every table, as bits."""
    import polars

    return {
        f"{table}/{name}": column.to_numpy().tobytes()
        if column.dtype.is_numeric()
        else repr(column.to_list()).encode()
        for table in TABLES
        for name, column in polars.read_parquet(folder / f"{table}.parquet").to_dict().items()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of which every part is done as one job."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    compare(SMALL, folder)
    assert not list(folder.rglob("*.shards"))
    return folder


def test_shards_in_any_order_and_twice_give_the_same_tables(
    whole: Path, tmp_path: Path, Careless: Any
) -> None:
    careless = Careless(0)
    seen: list[tuple[str, str, float]] = []
    compare(
        SMALL, tmp_path / "run", executor=careless, shard=4096,
        watch=lambda job, what, share: seen.append((job.label, what, share)),
    )  # fmt: skip
    assert tables(tmp_path / "run") == tables(whole)
    shards = [item for item in careless.done if isinstance(item, Shard)]
    assert len(shards) == 9 and sum(isinstance(item, Training) for item in careless.done) == 3
    assert sorted(label for label, what, _ in seen if what == DONE) == sorted(SMALL.agents)
    for label in SMALL.agents:
        shares = [share for name, what, share in seen if name == label and what == "evaluating"]
        assert shares == sorted(shares) and shares[-1] == 1.0
    assert not list((tmp_path / "run").rglob("*.shards"))


def test_a_stopped_part_goes_on_with_the_shards_that_are_missing(
    whole: Path, tmp_path: Path, Careless: Any
) -> None:
    weak, careless = Careless(3, most=5), Careless(4)
    with pytest.raises(Careless.Stopped):
        compare(SMALL, tmp_path / "run", executor=weak, shard=4096)
    compare(SMALL, tmp_path / "run", executor=careless, shard=4096, resume=True)
    assert tables(tmp_path / "run") == tables(whole)
    assert len(weak.done) == 5 and not set(weak.done) & set(careless.done)
    assert len(set(weak.done) | set(careless.done)) == 12


def test_a_part_of_which_only_the_end_is_missing_is_closed(whole: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(SMALL, agents=("fixed-3-7",))
    compare(dataclasses.replace(SMALL, users=1), tmp_path / "a")
    run = RunFolder(tmp_path / "b")
    jobs = all_jobs(settings, check(settings), run)
    ignored: list[str] = []

    def watch(job: Job, what: str, share: float) -> None:
        ignored.append(what)

    course = Course(jobs, watch, 4096)
    for item in course.first():
        do_item(item, lambda what, share: None)
        for shard in course.then(item):
            do_item(shard, lambda what, share: None)
    assert not run.part("fixed-3-7", 0).exists() and DONE not in ignored
    assert Course(jobs, watch, 4096).first() == []
    assert ignored == [DONE]
    told = run.load_part("fixed-3-7", 0).evaluation
    kept = RunFolder(whole).load_part("fixed-3-7", 0).evaluation
    assert told.users.tobytes() == kept.users.tobytes()


def test_many_users_are_told_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import polars

    monkeypatch.setattr(shards_module, "KEEP", 0)
    settings = dataclasses.replace(SMALL, agents=("fixed-3-7", "fixed-none"))
    data = compare(settings, tmp_path / "run")
    assert data.people == 9000 and data.metrics["user"].size == 2 * GROUPS
    page = (tmp_path / "run" / "report.html").read_text().replace("\u202f", ",")
    assert "9,000 held-out users" in page and "1,000 groups of 9 users each" in page
    assert "Who is hurt" not in page and "worse off" not in page.replace("better or worse off", "")
    table = polars.read_parquet(tmp_path / "run" / "quantiles.parquet")
    own = table.filter(agent="fixed-none", column="revenue")
    assert own["y"].to_list() == [0.0] * own.height and own.height == 9
    middle = table.filter(agent="fixed-3-7", column="satisfied_days", q=0.5)["y"][0]
    assert middle == pytest.approx(data.metrics["satisfied_days"].mean(), rel=0.3)
    plain = dataclasses.replace(settings, users=300)
    monkeypatch.undo()
    assert compare(plain, tmp_path / "few").people == 0
    assert not (tmp_path / "few" / "quantiles.parquet").exists()


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    settings = dataclasses.replace(SMALL, agents=("fixed-3-7",))
    jobs = all_jobs(settings, check(settings), RunFolder(tmp_path))
    course = Course(jobs, lambda job, what, share: None, 4096)
    (training,) = course.first()
    do_item(training, lambda what, share: None)
    shards = course.then(training)
    for shard in shards:
        assert isinstance(shard, Shard)
        shard.path.write_bytes(b"half of it")
    with pytest.raises(Refused, match=r"0-4096.npz is damaged; delete it and run again"):
        Course(jobs, lambda job, what, share: None, 4096).first()


# --- processes --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 8])
def test_any_number_of_processes_gives_the_same_tables(
    whole: Path, tmp_path: Path, processes: int
) -> None:
    compare(SMALL, tmp_path / "run", jobs=processes, shard=4096)
    assert tables(tmp_path / "run") == tables(whole)


@pytest.mark.slow
def test_ppo_is_the_same_in_shards(tmp_path: Path, Careless: Any) -> None:
    pytest.importorskip("stable_baselines3")
    settings = dataclasses.replace(SMALL, agents=("ppo",), train_steps=2000)
    compare(settings, tmp_path / "one")
    compare(settings, tmp_path / "two", executor=Careless(1), shard=4096)
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


@pytest.mark.slow
def test_a_shard_whose_worker_is_killed_is_done_again_and_counts_once(
    whole: Path, tmp_path: Path
) -> None:
    lost: list[str] = []

    def watch(job: Job, what: str, share: float) -> None:
        if what == LOST:
            lost.append(job.label)
        elif what == "evaluating" and len(lost) < 1:
            multiprocessing.active_children()[0].kill()

    compare(SMALL, tmp_path / "run", jobs=2, shard=4096, watch=watch)
    assert lost and tables(tmp_path / "run") == tables(whole)


# --- the command ------------------------------------------------------------------------------

WORDS = ["compare", "--agents", "fixed-3-7", "--users", "98000", "--horizon-days", "20",
         "--seeds", "1", "--jobs", "2"]  # fmt: skip


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory, commands: Any) -> Path:
    folder = tmp_path_factory.mktemp("unharmed") / "run"
    process = commands.longplay(*WORDS, "--out", str(folder))
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_killing_two_workers_of_a_running_comparison_changes_nothing(
    unharmed: Path, tmp_path: Path, commands: Any
) -> None:
    out = tmp_path / "run"
    process = commands.longplay(*WORDS, "--out", str(out))
    for shards in (0, 2):
        commands.wait_for(lambda n=shards: len(list(out.rglob("*-*.npz"))) >= n, process)
        commands.wait_for(lambda: len(commands.workers_of(process.pid)) == 2, process)
        time.sleep(0.5)
        os.kill(commands.workers_of(process.pid)[0], signal.SIGKILL)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert said.count("was lost; its work is done again") == 2
    assert tables(out) == tables(unharmed)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize("where", [[], ["--ray"]])
def test_a_killed_driver_is_resumed_and_no_shard_is_done_twice(
    unharmed: Path, tmp_path: Path, where: list[str], commands: Any
) -> None:
    if where:
        pytest.importorskip("ray")
    out = tmp_path / "run"
    process = commands.longplay(*WORDS, *where, "--out", str(out))
    shards = out / "parts" / "fixed-3-7" / "seed-0.shards"
    commands.wait_for(lambda: len(list(shards.glob("[0-9]*.npz"))) >= 2, process)
    workers = commands.workers_of(process.pid)
    process.kill()
    process.communicate()
    commands.wait_for_end(workers)
    kept = {path.name: path.stat().st_mtime_ns for path in shards.glob("[0-9]*.npz")}
    process = commands.longplay(*WORDS, *where, "--out", str(out), "--resume")
    again: dict[str, int] = {}
    while process.poll() is None:
        for path in shards.glob("[0-9]*.npz"):
            try:
                again[path.name] = path.stat().st_mtime_ns
            except OSError:
                continue
        time.sleep(0.02)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert {name: again[name] for name in kept} == kept
    assert tables(out) == tables(unharmed)
    assert np.sum(RunFolder(out).load_part("fixed-3-7", 0).evaluation.people) == 98_000  # type: ignore[union-attr]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for some shards, and not for all."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_resumed(
    unharmed: Path, small_disk: Path, commands: Any
) -> None:
    out = small_disk / "run"
    process = commands.longplay(*WORDS, "--out", str(out))
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 1 and "No space left on device" in said
    assert f"go on with --resume --out {out}" in said.replace("\n", " ")
    assert not list(out.rglob(".half-*")) and "Traceback" not in said
    kept = {path.name for path in out.rglob("[0-9]*-*.npz")}
    assert kept  # some shards are there, whole
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    process = commands.longplay(*WORDS, "--out", str(out), "--resume")
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert tables(out) == tables(unharmed)
