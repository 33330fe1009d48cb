"""Measurements in blocks: the same bits however they are cut, whoever walks them, whatever dies."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import dataclasses
import itertools
import math
import multiprocessing
import os
import signal
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for library in ("scipy", "tyro", "rich"):
    pytest.importorskip(library)

from hypothesis import given
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
from longplay.experiments.facts.stages import Rows, Stage, Totals, merged
from longplay.experiments.run import Refused, write_arrays

MUSIC = find_world("music")
FLOATS = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1e-9, 1.0 / 3.0])


# --- tallies ----------------------------------------------------------------------------------


@given(
    values=st.lists(st.lists(FLOATS, min_size=2, max_size=2), min_size=1, max_size=8),
    data=st.data(),
)
def test_totals_are_the_same_bits_in_any_order_and_any_cut(
    values: list[list[float]], data: st.DataObject
) -> None:
    whole = Totals()
    for row in values:
        whole.add({"x": np.array(row), "one": 1})
    order = data.draw(st.permutations(values))
    at = data.draw(st.integers(0, len(values)))
    shards = []
    for some in filter(None, (order[:at], order[at:])):
        shard = Totals()
        for row in some:
            shard.add({"x": np.array(row), "one": 1})
        shards.append(shard.arrays())
    answer = merged("sums", shards)
    assert answer["x"].tobytes() == whole.answer()["x"].tobytes()
    assert answer["one"] == len(values)
    true = [math.fsum(column) for column in zip(*values, strict=True)]
    np.testing.assert_allclose(answer["x"], true, rtol=1e-15, atol=len(values) * 2.0**-60)


def test_what_is_unknown_in_a_block_is_unknown_in_the_sum() -> None:
    totals = Totals()
    totals.add({"x": np.array([1.0, math.nan])})
    totals.add({"x": np.array([2.0, 5.0])})
    kept = Totals.of_arrays(totals.arrays())
    np.testing.assert_array_equal(kept.answer()["x"], [3.0, math.nan])


def test_sums_of_other_names_or_shapes_are_refused() -> None:
    totals = Totals()
    totals.add({"x": np.zeros(2)})
    for other in ({"y": np.zeros(2)}, {"x": np.zeros(1)}, {"x": np.zeros(2), "y": 1.0}):
        with pytest.raises(ValueError, match="as of the blocks before"):
            totals.add(other)
        others = Totals()
        others.add(other)
        with pytest.raises(ValueError, match="as of the blocks before"):
            totals.merge(others)


def test_rows_stay_in_the_order_of_people_and_keep_their_type() -> None:
    shards = []
    for some in (range(3), range(3, 4), range(4, 9)):
        rows = Rows()
        rows.add({"person": np.array(some, np.int16), "twice": np.array([[2.0 * i] for i in some])})
        shards.append(rows.arrays())
    answer = merged("rows", shards)
    assert answer["person"].tolist() == list(range(9))
    assert answer["person"].dtype == np.int16 and answer["twice"].shape == (9, 1)


@given(people=st.integers(1, 5000), arms=st.integers(1, 2000), first=st.integers(0, 1 << 24))
def test_blocks_hold_everybody_once(people: int, arms: int, first: int) -> None:
    blocks = Stage("sums", lambda some, told: {}, people, arms, first).blocks
    assert blocks[0].start == first and blocks[-1].stop == first + people
    assert all(one.stop == other.start for one, other in itertools.pairwise(blocks))
    assert all(len(some) == 1 or len(some) * arms <= stages.LANES for some in blocks)


def test_a_stage_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="people=0 came; wanted at least 1 person"):
        Lab(MUSIC).sums(lambda lab, some: {}, 0)


def test_a_lab_asks_block_by_block_and_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stages, "LANES", 40)
    told: list[float] = []
    walked: list[range] = []

    def walk(lab: Lab, some: range, power: int) -> dict[str, Any]:
        walked.append(some)
        lab.told(0.5)
        return {"sum": sum(person**power for person in some)}

    lab = Lab(MUSIC, told.append)
    assert lab.sums(walk, 10, 2, arms=10, first=5)["sum"] == sum(i**2 for i in range(5, 15))
    assert walked == [range(5, 9), range(9, 13), range(13, 15)]
    assert told == pytest.approx([1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1])


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


def test_memory_does_not_grow_with_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LANES", 60)
    one = find_facts()["F1"]

    def peak(people: int) -> int:
        settings = dataclasses.replace(one.settings["quick"], people=people, months=4)
        tracemalloc.start()
        one.measure(Lab(MUSIC), settings, 0)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(20)  # the catalogue is drawn
    assert peak(200) < 1.1 * peak(20)


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


def test_people_whom_a_test_meets_are_not_those_of_the_search() -> None:
    with pytest.raises(ValueError, match="people=1000001 from number 0 on came; wanted none"):
        Stage("sums", lambda some, told: {}, stages.OTHERS + 1)
    assert Stage("sums", lambda some, told: {}, 5, first=stages.OTHERS).blocks == [
        range(stages.OTHERS, stages.OTHERS + 5)
    ]


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
    end = time.monotonic() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in workers):  # they end by themselves
        assert time.monotonic() < end
        time.sleep(0.05)
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
