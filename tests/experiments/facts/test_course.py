"""Measurements in shards: the same bits however they are cut, whoever walks them, what dies."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for library in ("scipy", "tyro", "rich"):
    pytest.importorskip(library)

from hypothesis import strategies as st

from longplay.envs.files import write_world
from longplay.envs.scenarios import find_world
from longplay.experiments.cli import main
from longplay.experiments.execution.jobs import DONE, LOST, Processes
from longplay.experiments.facts import stages
from longplay.experiments.facts.course import Course, Job, Shard, do_item
from longplay.experiments.facts.fact import choose, find_facts
from longplay.experiments.facts.harness import measure_all, open_folder, plan
from longplay.experiments.facts.lab import Lab
from longplay.experiments.run import Refused, write_arrays

MUSIC = find_world("music")
FLOATS = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1e-9, 1.0 / 3.0])


# --- measurements -----------------------------------------------------------------------------


def parts(folder: Path) -> dict[str, bytes]:
    """Everything that was measured, as bits."""
    found = {}
    for path in sorted((folder / "parts").glob("*.npz")):
        with np.load(path) as saved:
            found |= {f"{path.name}/{name}": saved[name].tobytes() for name in saved.files}
    return found


def quiet(job: Any, what: str, share: float) -> None:
    pass


@pytest.mark.parametrize("name", find_facts())
def test_a_measurement_is_the_same_bits_in_shards_of_any_size_and_order(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, Careless: Any
) -> None:
    """Shards done in any order, some of them twice, against one worker who does it all."""
    one = find_facts()[name]
    monkeypatch.setattr(stages, "LANES", 30)
    whole = one.measure(Lab(MUSIC), one.settings["quick"], 0)
    job = Job(name, 0, "music", True, tmp_path / "run")
    careless, seen = Careless(int(name[1:])), []
    course = Course([job], lambda _, what, share: seen.append((what, share)), size=2)
    careless.run(do_item, course.first(), course.watch, course.then)
    with np.load(job.part) as saved:
        for key, value in whole.items():
            assert saved[key].tobytes() == np.asarray(value).tobytes(), key
    assert not job.stages.exists()
    assert [what for what, _ in seen].count(DONE) == 1
    shards = [item for item in careless.done if isinstance(item, Shard)]
    assert len(shards) == len(set(shards))
    assert shards or name == "F39"  # whose bandits learn from everybody, every week


def jobs_of(folder: Path, *names: str, quick: bool = True) -> tuple[Any, list[Job]]:
    facts = choose(names)
    return facts, plan(facts, "music", quick, 2, folder)


CUT = ("F24", "F33")  # F24 is cut in its quick run, too, and F33 is not


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one worker."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    facts, jobs = jobs_of(folder, *CUT)
    measure_all(facts, jobs, executor=Processes(1), watch=quiet, size=1000)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 8])
def test_any_number_of_processes_measures_the_same(
    whole: Path, tmp_path: Path, processes: int
) -> None:
    facts, jobs = jobs_of(tmp_path / "run", *CUT)
    measure_all(facts, jobs, executor=Processes(processes), watch=quiet)
    assert parts(tmp_path / "run") == parts(whole)


class Deadly(Processes):
    """Kills a worker that is at a shard."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.asked = 0  # jobs that wait for a stage
        self.lost: list[Any] = []

    def run(self, work: Any, jobs: Sequence[Any], watch: Any, then: Any = None) -> None:
        def look(item: Any, what: str, share: float) -> None:
            watch(item, what, share)
            self.asked += isinstance(item, Job) and what == DONE
            if what == LOST:
                self.lost.append(item)
            elif self.asked == len(jobs) and not self.lost and share < 0.5:
                multiprocessing.active_children()[0].kill()

        super().run(work, jobs, look, then)


@pytest.mark.slow
def test_a_shard_whose_worker_is_killed_is_walked_again_and_counts_once(tmp_path: Path) -> None:
    facts, jobs = jobs_of(tmp_path / "unharmed", "F12", quick=False)
    measure_all(facts, jobs, executor=Processes(1), watch=quiet)
    facts, jobs = jobs_of(tmp_path / "run", "F12", quick=False)
    deadly, told = Deadly(2), []
    measure_all(
        facts, jobs, executor=deadly, watch=lambda job, what, share: told.append((job, what))
    )
    assert parts(tmp_path / "run") == parts(tmp_path / "unharmed")
    assert deadly.lost and all(isinstance(item, Shard) for item in deadly.lost)
    assert [what for _, what in told].count(DONE) == len(jobs)
    assert [what for _, what in told].count(LOST) == len(deadly.lost)


def test_a_stopped_run_goes_on_with_the_shards_that_are_missing(
    whole: Path, tmp_path: Path, Careless: Any
) -> None:
    facts, jobs = jobs_of(tmp_path / "run", *CUT)
    weak, careless = Careless(3, most=6), Careless(4)
    with pytest.raises(Careless.Stopped):
        measure_all(facts, jobs, executor=weak, watch=quiet, size=1)
    measure_all(facts, jobs, executor=careless, watch=quiet, size=1)
    assert parts(tmp_path / "run") == parts(whole)
    before, after = (
        {item for item in one.done if isinstance(item, Shard)} for one in (weak, careless)
    )
    assert before and after and not before & after


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    _, (job, _) = jobs_of(tmp_path / "run", "F24")
    course = Course([job], quiet)
    do_item(job, lambda what, share: None)
    shards = course.then(job)
    assert len(shards) > 1
    for shard in shards:
        assert isinstance(shard, Shard)
        shard.path.parent.mkdir(exist_ok=True)
        shard.path.write_bytes(b"half of it")
    again = Course([job], quiet)
    with pytest.raises(Refused, match=r"0-1.npz is damaged; delete it and run again with --resume"):
        again.then(job)


def test_a_shard_of_another_run_is_named(tmp_path: Path) -> None:
    """Whole files, in the wrong place: of another seed, or of other numbers."""
    _, jobs = jobs_of(tmp_path / "run", "F24")
    shards = []
    for job in jobs:
        do_item(job, lambda what, share: None)
        (shard, _) = Course([job], quiet).then(job)
        do_item(shard, lambda what, share: None)
        shards.append(shard)
    (mine, _) = shards
    shards[1].path.rename(mine.path)
    with pytest.raises(Refused, match=r"0-1.npz is damaged; delete it"):
        finish(jobs[0])
    write_arrays(mine.path, mine.notes, {"x": np.zeros((3, 1)), "x.lost": np.zeros(1, bool)})
    with pytest.raises(Refused, match=r"stage-0 do not fit together; delete them and run again"):
        finish(jobs[0])


def finish(job: Job) -> None:
    """Do what is left of a job."""
    course = Course([job], quiet)
    Processes(1).run(do_item, course.first(), course.watch, course.then)


def test_a_damaged_answer_is_found_by_walking_its_stage_again(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    facts, jobs = jobs_of(folder, *CUT)
    (job,) = [job for job in jobs if job.fact == "F24" and job.seed == 0]
    course = Course([job], quiet)
    do_item(job, lambda what, share: None)
    for shard in course.then(job):
        do_item(shard, lambda what, share: None)
        course.then(shard)
    assert job.answered == 1
    job.answer(0).write_bytes(b"half of it")
    measure_all(facts, jobs, executor=Processes(1), watch=quiet)
    assert parts(folder) == parts(whole)


def test_what_is_left_of_stages_when_a_job_is_done_goes(tmp_path: Path) -> None:
    _, (job, _) = jobs_of(tmp_path / "run", "F24")
    do_item(job, lambda what, share: None)
    job.part.write_bytes(b"done")
    assert job.stages.is_dir()
    assert Course([job], quiet).first() == []
    assert not job.stages.exists()


def test_progress_never_goes_back_and_ends_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "LANES", 60)
    facts, jobs = jobs_of(tmp_path / "run", "F45", "F10")
    seen: dict[Job, list[tuple[str, float]]] = {job: [] for job in jobs}
    measure_all(
        facts, jobs, executor=Processes(1),
        watch=lambda job, what, share: seen[job].append((what, share)),
    )  # fmt: skip
    for told in seen.values():
        shares = [share for _, share in told]
        assert shares == sorted(shares)
        assert [share == 1.0 for share in shares] == [what == DONE for what, _ in told]


# --- the command ------------------------------------------------------------------------------

WORDS = ["facts", "--only", "F1", "F24", "--seeds", "2"]


def test_another_run_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    _, jobs = jobs_of(out, "F24")
    open_folder(jobs, ["longplay"], resume=False)
    for words, told in (
        (["--only", "F24", "--seeds", "3", "--quick"], "seeds=2, not 3"),
        (["--only", "F24", "--seeds", "2"], "kind=quick, not full"),
        (["--only", "F1", "F24", "--seeds", "2", "--quick"], "facts=F24, not F1 F24"),
    ):
        assert main(["facts", *words, "--out", str(out), "--resume"]) == 2
        assert told in capsys.readouterr().err
    mine = tmp_path / "mine.json"
    write_world(find_world("bench"), mine)
    words = ["facts", "--only", "F24", "--seeds", "2", "--scenario", str(mine), "--resume", "--out"]
    open_folder(plan(choose(("F24",)), str(mine), False, 2, tmp_path / "b"), ["longplay"], False)
    mine.unlink()
    write_world(find_world("music"), mine)
    assert main([*words, str(tmp_path / "b")]) == 2
    assert "begun with hash of the world=" in capsys.readouterr().err
    assert main(["facts", "--quick", "--out", str(tmp_path / "none"), "--resume"]) == 2
    assert "is no folder of a run" in capsys.readouterr().err


@pytest.mark.slow
def test_rows_products_and_a_world_of_ones_own_are_the_same_anywhere(
    tmp_path: Path, commands: Any
) -> None:
    """F40 asks for rows and fits to them; F45 has two stages, of which one is of products."""
    pytest.importorskip("ray")
    mine = tmp_path / "mine.json"
    write_world(MUSIC, mine)
    words = ["facts", "--only", "F40", "F45", "--seeds", "2", "--scenario", str(mine)]
    found = []
    for number, where in enumerate((["--jobs", "1"], ["--jobs", "3"], ["--ray"])):
        process = commands.longplay(*words, *where, "--out", str(tmp_path / f"run {number}"))
        said, _ = process.communicate(timeout=300)
        assert process.returncode in (0, 1), said
        found.append(parts(tmp_path / f"run {number}"))
    assert found[0] and found[0] == found[1] == found[2]


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory, commands: Any) -> Path:
    folder = tmp_path_factory.mktemp("unharmed") / "run"
    process = commands.longplay(*WORDS, "--jobs", "2", "--out", str(folder))
    said, _ = process.communicate(timeout=300)
    assert process.returncode in (0, 1), said
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize("where", [["--jobs", "2"], ["--ray"]])
def test_a_killed_driver_is_resumed_and_no_shard_is_walked_twice(
    unharmed: Path, tmp_path: Path, where: list[str], commands: Any
) -> None:
    if "--ray" in where:
        pytest.importorskip("ray")
    out = tmp_path / "run"
    process = commands.longplay(*WORDS, *where, "--out", str(out))

    def shards() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in out.glob("parts/*/stage-*/*-*.npz")}

    commands.wait_for(lambda: len(shards()) >= 2, process)
    workers = commands.workers_of(process.pid)
    if workers:
        os.kill(workers[0], signal.SIGKILL)
    process.kill()
    process.communicate()
    commands.wait_for_end(workers)
    kept, again = shards(), {}
    process = commands.longplay(*WORDS, *where, "--out", str(out), "--resume")
    while process.poll() is None:
        try:
            again |= shards()
        except OSError:
            continue
        time.sleep(0.02)
    said, _ = process.communicate()
    assert process.returncode in (0, 1), said
    assert {path: again[path] for path in kept} == kept
    assert parts(out) == parts(unharmed)
    for name in ("facts.md", "F1.svg", "F24.svg"):
        told = [(folder / name).read_text().splitlines() for folder in (out, unharmed)]
        assert [line for line in told[0] if "Made by" not in line] == [
            line for line in told[1] if "Made by" not in line
        ]
