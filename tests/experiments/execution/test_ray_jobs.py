"""Jobs as Ray tasks: what they need goes along, what they leave comes back, and counts once."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for library in ("ray", "polars", "tensorboard", "scipy", "tyro", "rich"):
    pytest.importorskip(library)

from longplay.agents.cluster import on_ray
from longplay.envs.files import write_world
from longplay.envs.scenarios import find_world
from longplay.experiments.compare import compare
from longplay.experiments.execution.jobs import DONE, LOST, JobFailed, Processes
from longplay.experiments.execution.parts import Item, Job, Shard, do_item
from longplay.experiments.execution.ray_jobs import (
    HERE,
    RayTasks,
    executor_of,
    land,
    pack,
    with_address,
)
from longplay.experiments.run import Refused
from longplay.experiments.settings import Settings

pytestmark = pytest.mark.extras
SMALL = Settings(
    agents=("fixed-3-7", "linucb"), seeds=1, users=9000, train_steps=500, horizon_days=2.0
)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--ray"], [f"--ray={HERE}"]),
        (["--ray", "--resume"], [f"--ray={HERE}", "--resume"]),
        (["--ray", "auto", "--resume"], ["--ray", "auto", "--resume"]),
        (["--ray=10.0.0.1:6379"], ["--ray=10.0.0.1:6379"]),
    ],
)
def test_ray_without_an_address_is_this_machine(words: list[str], wanted: list[str]) -> None:
    assert with_address(words) == wanted


def test_options_choose_who_does_the_jobs() -> None:
    processes, here, there = executor_of(None, 3), executor_of(HERE, 2), executor_of("auto", None)
    assert isinstance(processes, Processes) and processes.number == 3
    assert isinstance(here, RayTasks) and (here.address, here.cpus) == (None, 2)
    assert isinstance(there, RayTasks) and (there.address, there.cpus) == ("auto", None)
    with pytest.raises(Refused, match="jobs=2 came with --ray auto; a cluster does"):
        executor_of("auto", 2)
    with pytest.raises(Refused, match="jobs=0; wanted at least 1"):
        executor_of(None, 0)


def test_no_cluster_is_one_sentence() -> None:
    with pytest.raises(Refused, match="no Ray cluster answers at '127.0.0.1:9'"):
        RayTasks("127.0.0.1:9").run(do_item, [1], lambda job, what, share: None)


def test_a_job_moves_with_the_file_of_its_world(tmp_path: Path) -> None:
    settings = dataclasses.replace(SMALL, scenario="worlds/mine.json")
    shard = Shard(Job(settings, "linucb", 1, tmp_path), 0, 4096)
    assert shard.needs() == {
        "world.json": Path("worlds/mine.json"),
        "checkpoints/linucb/seed-1": tmp_path / "checkpoints/linucb/seed-1",
    }
    there = shard.moved(Path()).moved(Path("/there"))
    assert there.job.settings.scenario == "/there/world.json"
    assert there.path == Path("/there") / shard.path.relative_to(tmp_path)
    plain = Job(SMALL, "linucb", 1, tmp_path)
    assert plain.needs() == {} and plain.moved(Path("/there")).settings == SMALL


def test_what_was_left_takes_the_place_of_what_a_stopped_job_left(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    for folder, names in (
        (there, ("tensorboard/a/seed-0/events.2", "parts/a/seed-0.npz")),
        (here, ("tensorboard/a/seed-0/events.1", "tensorboard/b/seed-0/x", "parts/a/seed-1.npz")),
    ):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
    land(pack({name: there / name for name in ("tensorboard", "parts")}), here)
    files = sorted(str(path.relative_to(here)) for path in here.rglob("*") if path.is_file())
    assert files == ["parts/a/seed-0.npz", "parts/a/seed-1.npz", "tensorboard/a/seed-0/events.2",
                     "tensorboard/b/seed-0/x"]  # fmt: skip


# --- a cluster --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with on_ray(cpus=2):
        yield


def tables(folder: Path) -> dict[str, Any]:
    import polars

    return {
        f"{table}/{name}": column.to_numpy().tobytes()
        if column.dtype.is_numeric()
        else column.to_list()
        for table in ("metrics", "retention", "behaviour")
        for name, column in polars.read_parquet(folder / f"{table}.parquet").to_dict().items()
    }


def our_tasks() -> list[int]:
    """Processes of Ray that work on a task of ours: grandchildren of this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            if words.startswith(b"ray::_work_away") and parent(parent(int(folder.name))) == (
                os.getpid()
            ):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def parent(process: int) -> int:
    stat = Path(f"/proc/{process}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    compare(SMALL, folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_tasks_of_which_one_is_killed_give_the_same_tables(
    whole: Path, tmp_path: Path, cluster: None
) -> None:
    seen: list[tuple[str, str]] = []
    killed: list[int] = []

    def watch(job: Job, what: str, share: float) -> None:
        seen.append((job.label, what))

    class Killing(RayTasks):
        def run(self, work: Any, jobs: Any, watch: Any, then: Any = None) -> None:
            def killer(item: Item, what: str, share: float) -> None:
                watch(item, what, share)
                if isinstance(item, Shard) and what == DONE and not killed:
                    end = time.monotonic() + 30
                    while not (tasks := our_tasks()):
                        assert time.monotonic() < end
                    killed.append(tasks[0])
                    os.kill(tasks[0], signal.SIGKILL)

            super().run(work, jobs, killer, then)

    out = tmp_path / "run"
    compare(SMALL, out, executor=Killing(), shard=4096, watch=watch)
    assert killed and [what for _, what in seen].count(LOST) >= 1
    assert tables(out) == tables(whole)
    for label in SMALL.agents:
        assert (out / "checkpoints" / label / "seed-0" / "policy.json").is_file()
        assert len(list((out / "tensorboard" / label / "seed-0").iterdir())) == 2  # train, evaluate
        assert (label, DONE) in seen
    assert not list(out.rglob("*.shards")) and not list(out.rglob(".half-*"))


@pytest.mark.slow
def test_a_world_kept_in_a_file_goes_along(tmp_path: Path, cluster: None) -> None:
    write_world(find_world("bench without habit"), str(tmp_path / "mine.json"))
    settings = dataclasses.replace(
        SMALL, agents=("random",), users=50, scenario=str(tmp_path / "mine.json")
    )
    compare(settings, tmp_path / "here")
    compare(settings, tmp_path / "there", executor=RayTasks())
    assert tables(tmp_path / "here") == tables(tmp_path / "there")


@pytest.mark.slow
def test_an_error_in_a_task_is_told_with_its_traceback(tmp_path: Path, cluster: None) -> None:
    job = Job(SMALL, "no-such-agent", 0, tmp_path)
    with pytest.raises(JobFailed, match="no-such-agent") as failure:
        RayTasks().run(do_item, [job], lambda job, what, share: None)
    assert failure.value.job is job and "find_entry" in failure.value.detail


@pytest.mark.slow
def test_a_cluster_that_loses_a_node_gives_the_same_tables(whole: Path, tmp_path: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    if ray.is_initialized():
        ray.shutdown()
    lost: list[str] = []
    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = two.add_node(num_cpus=1)

        def watch(job: Job, what: str, share: float) -> None:
            if what == LOST:
                lost.append(job.label)

        class Losing(RayTasks):
            def run(self, work: Any, jobs: Any, watch: Any, then: Any = None) -> None:
                done: list[Item] = []

                def loser(item: Item, what: str, share: float) -> None:
                    watch(item, what, share)
                    if what == DONE:
                        done.append(item)
                        if len(done) == 4:
                            two.remove_node(second, allow_graceful=False)

                super().run(work, jobs, loser, then)

        out = tmp_path / "run"
        compare(SMALL, out, executor=Losing(two.address), shard=4096, watch=watch)
        assert tables(out) == tables(whole)
    finally:
        two.shutdown()
