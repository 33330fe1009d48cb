"""Sweeps on Ray Tune: the same numbers as in processes, whatever happens to a worker."""

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from longplay.agents.cluster import on_ray
from longplay.envs.files import write_world
from longplay.envs.scenarios import find_world
from longplay.experiments.execution.jobs import JobFailed
from longplay.experiments.run import Refused
from longplay.experiments.sweep.carry import Execute, Findings, carry_out, check_sweep, open_run
from longplay.experiments.sweep.config import Choices, Range, Sweep
from longplay.experiments.sweep.processes import in_processes
from longplay.experiments.sweep.trial import Job
from longplay.experiments.sweep.tune import on_tune

pytestmark = [pytest.mark.extras, pytest.mark.slow]

SMALL = Sweep(
    agent="linucb",
    seeds=1,
    users=8,
    train_steps=2_000,
    horizon_days=4.0,
    confirm=False,
    over={"agent.alpha": Choices((0.0, 0.5, 2.0)), "world.day_value": Choices((0.05, 0.1))},
)
HERE = in_processes(1)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One cluster for all; on_tune uses the connection there is."""
    pytest.importorskip("ray")
    folder = tempfile.mkdtemp(prefix="lp-")  # short: Ray's sockets have long names
    with on_ray(cpus=2, threads=2, temporary=folder):
        yield
    shutil.rmtree(folder, ignore_errors=True)


def swept(config: Sweep, folder: Path, execute: Execute, resume: bool = False) -> Findings:
    check_sweep(config)
    run = open_run(config, folder, ["longplay", "sweep", "x.toml"], resume)
    return carry_out(config, run, execute, HERE, threads=2 if execute is not HERE else 1)


def test_the_same_table_bit_for_bit(tmp_path: Path) -> None:
    over = {**SMALL.over, "agent.alpha": Range(0.1, 2.0)}
    drawn = replace(SMALL, search="random", trials=4, over=over, seeds=2)
    for name, config in (("grid", SMALL), ("random", drawn)):
        here = swept(config, tmp_path / f"{name}-here", HERE)
        with on_tune(None, cpus=2) as execute:
            there = swept(config, tmp_path / f"{name}-ray", execute)
        assert there.rows == here.rows
        tables = [tmp_path / f"{name}-{n}" / "trials.parquet" for n in ("here", "ray")]
        a, b = (pl.read_parquet(table) for table in tables)
        assert a.equals(b)
    # each trial had its processors, and numba as many threads
    results = [json.loads(f.read_text()) for f in (tmp_path / "grid-ray/trials").iterdir()]
    assert {x["machine"]["threads"] for x in results} == {"2"}
    assert os.getpid() not in {x["machine"]["process"] for x in results}
    runs = {path.name for path in (tmp_path / "grid-ray" / "tensorboard").iterdir()}
    assert runs == {"overview", *(f"trial-{n:05d}" for n in range(6))}


def test_a_trial_wants_no_more_than_a_node_has() -> None:
    with pytest.raises(Refused, match="cpus=99; the largest node has 2"), on_tune(None, cpus=99):
        pass


def test_a_killed_worker_is_begun_anew_and_counted_once(tmp_path: Path) -> None:
    config = replace(SMALL, train_steps=400_000, over={"agent.alpha": Choices((0.5, 2.0))})
    whole = swept(config, tmp_path / "whole", HERE)
    killed: list[int] = []

    def kill() -> None:
        """End the first worker that is at work on a trial."""
        while not killed:
            time.sleep(0.05)
            for name in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = name.read_text()
                    parent = int((name.parent / "stat").read_text().rpartition(")")[2].split()[1])
                    spent = int((name.parent / "stat").read_text().rpartition(")")[2].split()[11])
                except OSError:
                    continue
                if "ray::" in words and "train" in words and spent > 0 and ours(parent):
                    time.sleep(2.0)
                    os.kill(int(name.parent.name), signal.SIGKILL)
                    killed.append(int(name.parent.name))
                    return

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    with on_tune(None, cpus=2) as execute:
        found = swept(config, tmp_path / "hurt", execute)
    assert killed
    assert found.rows == whole.rows
    assert len(list((tmp_path / "hurt" / "trials").iterdir())) == 2


def ours(process: int) -> bool:
    """Whether a process descends from this one."""
    while process > 1:
        if process == os.getpid():
            return True
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def test_asha_ends_some_early_and_changes_no_number(tmp_path: Path) -> None:
    over = {"agent.alpha": Choices((0.0, 0.3, 0.6, 1.0, 1.5, 2.0))}
    config = replace(SMALL, stop="asha", eta=2, rungs=3, train_steps=8_000, over=over)
    with on_tune(None, cpus=1) as execute:
        found = swept(config, tmp_path / "asha", execute)
    assert [row.number for row in found.rows] == list(range(6))
    assert {row.status for row in found.rows} == {"done", "stopped"}
    assert {row.train_steps for row in found.rows} <= {2_000, 4_000, 8_000}
    plain = swept(replace(config, stop="no"), tmp_path / "plain", HERE)
    for row in found.rows:
        if row.done:
            assert row == plain.rows[row.number]
    # on resuming, a rung that is known is not trained again
    best = found.best
    assert best is not None
    file = tmp_path / "asha" / "trials" / f"{best.number:05d}.json"
    rung = tmp_path / "asha" / "rungs" / f"{best.number:05d}-4000.json"
    before = rung.stat().st_mtime_ns
    file.unlink()
    with on_tune(None, cpus=1) as execute:
        again = swept(config, tmp_path / "asha", execute, resume=True)
    assert again.rows == found.rows
    assert rung.stat().st_mtime_ns == before


def test_a_scenario_file_need_not_be_where_the_worker_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_world(find_world("bench"), "mine.json")
    over = {"agent.alpha": Choices((0.5,))}
    config = replace(SMALL, scenario="mine.json", over=over)
    with on_tune(None, cpus=2) as execute:
        found = swept(config, tmp_path / "run", execute)
    same = swept(replace(config, scenario="bench"), tmp_path / "same", HERE)
    assert found.rows == same.rows


def test_what_a_node_lacks_stops_the_sweep_with_its_sentence(tmp_path: Path) -> None:
    run = open_run(SMALL, tmp_path / "run", ["longplay"], False)
    unknown = replace(SMALL, agent="nobody")  # as if the worker's longplay had no such agent
    said = "Refused: There is no agent 'nobody'"
    with pytest.raises(JobFailed, match=said), on_tune(None, cpus=2) as execute:
        carry_out(unknown, run, execute, HERE)
    assert not list((tmp_path / "run" / "trials").glob("*"))  # none is taken for a failed trial


def test_what_cannot_be_written_stops_the_sweep(tmp_path: Path) -> None:
    config = replace(SMALL, over={"agent.alpha": Choices((0.5, 2.0))})

    @contextmanager
    def on_broken() -> Iterator[Execute]:
        with on_tune(None, cpus=2) as execute:

            def broken(todo: Sequence[Job], done: Callable[[Job], None]) -> None:
                (tmp_path / "run" / "trials").write_text("in the way")
                execute(todo, done)

            yield broken

    with pytest.raises(OSError), on_broken() as execute:
        swept(config, tmp_path / "run", execute)
    (tmp_path / "run" / "trials").unlink()
    with on_tune(None, cpus=2) as execute:
        assert swept(config, tmp_path / "run", execute, resume=True).best is not None
