"""The run folder: whole files only, nothing overwritten, and a killed run ends like any other."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

for library in ("polars", "scipy", "tensorboard", "tyro", "rich"):
    pytest.importorskip(library)

import polars
from pytest import approx

from longplay.experiments.evaluate import METRIC, Evaluation
from longplay.experiments.run import TEMPORARY, Part, Refused, RunFolder, replacing
from longplay.experiments.tables import (
    behaviour_table,
    curves_table,
    metrics_table,
    retention_table,
)

CONFIG = {"settings": {"users": 3, "agents": ["a", "b"]}, "sources": "x"}


def a_part(agent: str = "a", seed: int = 0) -> Part:
    users = np.zeros(2, METRIC)
    users["user"] = [7, 8]
    users["value"] = [3.0, 5.0]
    users["beyond"] = [0.0, 2.0]
    active = np.zeros((2, 61), bool)
    active[:, 0] = True
    active[1, 2] = True
    told = Evaluation(
        users=users,
        active=active,
        watched=np.array([61, 3]),
        by_tenure=np.arange(12.0).reshape(6, 2),
        by_position=np.ones((10, 2)),
        by_action=np.array([4.0, 6.0]),
        steps=10,
    )
    return Part(agent, seed, told, [("train/reward", 5, 0.5), ("loss", 9, 0.25)], 1.5, 2.5)


def test_a_part_comes_back_as_it_was(tmp_path: Path) -> None:
    run, part = RunFolder(tmp_path), a_part("linucb@fetch", 3)
    run.save_part(part)
    back = run.load_part("linucb@fetch", 3)
    assert back.evaluation.users.tobytes() == part.evaluation.users.tobytes()
    assert np.array_equal(back.evaluation.active, part.evaluation.active)
    assert back.evaluation.steps == 10
    assert back.curve == part.curve
    assert (back.train_seconds, back.evaluate_seconds) == (1.5, 2.5)


def test_tables() -> None:
    parts = [a_part("a", 0), a_part("b", 1)]
    metrics = metrics_table(parts)
    assert metrics["agent"].tolist() == ["a", "a", "b", "b"]
    assert metrics["seed"].tolist() == [0, 0, 1, 1]
    # beyond 0 and 2 of a mean of (3 + 5 + 0 + 2) / 2 = 5: 0 and 0.4; their mean is 2 / 10
    assert metrics["cut_off"].tolist() == approx([0.0, 0.4, 0.0, 0.4])
    assert metrics["cut_off"][:2].mean() == approx(parts[0].evaluation.cut_off)
    retention = retention_table(parts)
    assert len(retention["day"]) == 122
    assert retention["users"][:4].tolist() == [2, 2, 2, 1]
    assert retention["active"][:4].tolist() == [2, 0, 1, 0]
    behaviour = behaviour_table(parts)
    row = (behaviour["agent"] == "b") & (behaviour["axis"] == "tenure") & (behaviour["x"] == 7)
    assert (behaviour["fetches"][row], behaviour["ads"][row]) == (2, 3)
    assert curves_table(parts)["step"].tolist() == [5, 9, 5, 9]


def test_an_existing_folder_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(Refused, match="exists already"):
        RunFolder.create(tmp_path / "run", CONFIG, ["longplay"])
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["thesis.txt"]
    with pytest.raises(Refused, match=r"another --out\.$"):  # no advice that does not exist
        RunFolder.create(tmp_path / "run", CONFIG, ["longplay"], resumable=False)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Refused, match="exists already"):
        RunFolder.create(tmp_path / "file", CONFIG, ["longplay"])
    with pytest.raises(Refused, match=r"cannot be made \(.*\); give an --out"):
        RunFolder.create(tmp_path / "file" / "run", CONFIG, ["longplay"])


def test_environment_tells_what_made_it(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG, ["longplay", "compare", "--name", "a b"])
    told = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert told["command"] == "longplay compare --name 'a b'"
    assert told["versions"]["numpy"] == np.__version__
    assert told["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["machine"]["cpus"] == os.cpu_count()


def test_reopening_wants_the_same_configuration(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(Refused, match="leave --resume away"):
        RunFolder.reopen(path, CONFIG)
    RunFolder.create(path, CONFIG, ["longplay"])
    RunFolder.reopen(path, CONFIG)
    with pytest.raises(Refused, match="begun with users=3, not 4,"):
        RunFolder.reopen(path, {**CONFIG, "settings": {"users": 4, "agents": ["a", "b"]}})
    with pytest.raises(Refused, match="agents=a b, not a b c,"):
        RunFolder.reopen(path, {**CONFIG, "settings": {"users": 3, "agents": ["a", "b", "c"]}})
    with pytest.raises(Refused, match="sources=x, not y,"):
        RunFolder.reopen(path, {**CONFIG, "sources": "y"})
    for text in ("{", "[]", "3", "null"):
        (path / "config.json").write_text(text)
        with pytest.raises(Refused, match=r"no readable config\.json"):
            RunFolder.reopen(path, CONFIG)


def test_one_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "run"
    first = RunFolder.create(path, CONFIG, ["longplay"])
    half = path / f"{TEMPORARY}1-metrics.parquet"
    half.write_bytes(b"PAR1")
    with pytest.raises(Refused, match=r"another longplay is working in .*run; wait for it or"):
        RunFolder.reopen(path, CONFIG)
    assert half.exists(), "what the first one writes is left alone"
    first.unlock()
    second = RunFolder.reopen(path, CONFIG)
    assert not half.exists()
    with pytest.raises(Refused, match="another longplay"):
        RunFolder.reopen(path, CONFIG)
    del second  # gone, as when its process ends
    RunFolder.reopen(path, CONFIG)


@pytest.mark.parametrize("harm", ["text", "empty", "short", "array", "bits", "notes"])
def test_a_damaged_part_is_named(tmp_path: Path, harm: str) -> None:
    run = RunFolder(tmp_path)
    run.save_part(a_part())
    path = run.part("a", 0)
    whole = path.read_bytes()
    middle = len(whole) // 3
    if harm == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif harm == "notes":
        np.savez(path, notes=np.array("[]"))
    else:
        path.write_bytes(
            {
                "text": b"hi",
                "empty": b"",
                "short": whole[:-9],
                "bits": whole[:middle] + bytes(99) + whole[middle + 99 :],
            }[harm]
        )
    with pytest.raises(Refused, match=r"seed-0\.npz is damaged; delete it and run again with"):
        run.load_part("a", 0)


def test_too_long_a_path_is_refused(tmp_path: Path) -> None:
    for begin in (
        lambda path: RunFolder.create(path, CONFIG, ["longplay"]),
        lambda path: RunFolder.reopen(path, CONFIG),
    ):
        with pytest.raises(Refused, match="cannot be used"):
            begin(tmp_path / ("x" * 300))
    assert not list(tmp_path.iterdir())


def test_reopening_sweeps_what_was_half_written(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", CONFIG, ["longplay"])
    run.save_part(a_part())
    half = run.path / "parts" / "a" / f"{TEMPORARY}1-seed-1.npz"
    half.write_bytes(b"PK")
    folder = run.path / "checkpoints" / "a" / f"{TEMPORARY}1-seed-1"
    folder.mkdir(parents=True)
    (folder / "policy.json").write_text("{")
    run.unlock()
    RunFolder.reopen(run.path, CONFIG)
    assert not half.exists() and not folder.exists()
    assert run.part("a", 0).is_file()


def test_replacing_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    with replacing(path) as half:
        half.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as half:
        half.write_text("new, but only ha")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    folder = tmp_path / "folder"
    for content in ("old", "new"):
        with replacing(folder) as half:
            half.mkdir()
            (half / content).write_text(content)
    assert [p.name for p in folder.iterdir()] == ["new"]


def longplay(folder: Path, *extra: str) -> subprocess.Popen[str]:
    options = [
        "--agents",
        "linucb",
        "fixed-3-7",
        "random",
        "--seeds",
        "2",
        "--users",
        "30",
        "--horizon-days",
        "6",
    ]
    words = ["compare", *options, "--train-steps", "30000", "--out", str(folder), *extra]
    return subprocess.Popen(
        [sys.executable, "-m", "longplay.experiments", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=hear_interrupts,
    )  # fmt: skip


def hear_interrupts() -> None:
    """A shell's jobs in the background are deaf to Ctrl-C, and so would be all they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def frames(folder: Path) -> list[polars.DataFrame]:
    names = ("metrics", "retention", "behaviour")
    return [polars.read_parquet(folder / f"{name}.parquet") for name in names]


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "unharmed"
    finish(longplay(folder, "--jobs", "1"))
    return folder


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_run_ends_like_an_unharmed_one(unharmed: Path, tmp_path: Path, jobs: str) -> None:
    folder = tmp_path / "run"
    process = longplay(folder, "--jobs", jobs)
    deadline = time.monotonic() + 240
    while not list(folder.glob("parts/*/seed-*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / "metrics.parquet").exists(), "it was done before it could be killed"
    done = {path: path.stat().st_mtime_ns for path in folder.glob("parts/*/seed-*.npz")}
    assert done
    finish(longplay(folder, "--jobs", jobs, "--resume"))
    for ours, theirs in zip(frames(folder), frames(unharmed), strict=True):
        assert ours.equals(theirs)
    assert {path: path.stat().st_mtime_ns for path in done} == done, "finished parts are not redone"
    assert (folder / "report.html").is_file()
    assert not list(folder.rglob(f"{TEMPORARY}*"))


def test_results_do_not_depend_on_the_number_of_jobs(unharmed: Path, tmp_path: Path) -> None:
    finish(longplay(tmp_path / "run", "--jobs", "2"))
    for ours, theirs in zip(frames(tmp_path / "run"), frames(unharmed), strict=True):
        assert ours.equals(theirs)


def test_resuming_a_finished_run_trains_nothing(unharmed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(unharmed, folder)
    parts = {path: path.read_bytes() for path in folder.glob("parts/*/*")}
    (folder / "report.html").unlink()
    finish(longplay(folder, "--resume"))
    assert {path: path.read_bytes() for path in folder.glob("parts/*/*")} == parts
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupting_keeps_what_is_done(tmp_path: Path, jobs: str) -> None:
    folder = tmp_path / "run"
    process = longplay(folder, "--jobs", jobs)
    deadline = time.monotonic() + 240
    while not list(folder.glob("parts/*/seed-*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group hears it
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    last = err.strip().splitlines()[-1]
    assert last.startswith("longplay: stopped;") and "--resume" in last and str(folder) in last
    assert "Traceback" not in err
    assert list(folder.glob("parts/*/seed-*.npz"))
    assert not list(folder.rglob(f"{TEMPORARY}*"))


def test_tensorboard_holds_curves_final_figures_and_hparams(unharmed: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    frame = polars.read_parquet(unharmed / "metrics.parquet")
    for agent, seed in (("linucb", 0), ("fixed-3-7", 1)):
        events = EventAccumulator(str(unharmed / "tensorboard" / agent / f"seed-{seed}"))
        events.Reload()
        rows = frame.filter((polars.col("agent") == agent) & (polars.col("seed") == seed))
        (final,) = events.Scalars("final/value")
        assert final.value == approx(rows["value"].mean(), rel=1e-6)
        assert final.step == 30_000
        curve = events.Scalars("retention/by_day")
        assert [point.step for point in curve] == list(range(len(curve)))
        assert curve[0].value == 1.0  # a user's study starts with a session
        assert "_hparams_/session_start_info" in events.summary_metadata
        assert ("train/reward" in events.Tags()["scalars"]) == (agent == "linucb")


def test_checkpoints_act_as_the_trained_policy_did(unharmed: Path) -> None:
    from longplay.agents.registry import load
    from longplay.experiments.evaluate import evaluate
    from longplay.experiments.settings import Settings, cohort_maker, find_entry

    settings = Settings(horizon_days=6.0, users=30)
    policy = load(unharmed / "checkpoints" / "linucb" / "seed-1")
    entry = find_entry("linucb", "session", "AdLoad")
    told = evaluate(policy, cohort_maker(settings, entry), users=30, seed=1)
    frame = polars.read_parquet(unharmed / "metrics.parquet")
    rows = frame.filter((polars.col("agent") == "linucb") & (polars.col("seed") == 1))
    assert rows["value"].to_list() == told.users["value"].tolist()
