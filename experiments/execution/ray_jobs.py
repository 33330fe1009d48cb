"""The same jobs as Ray tasks, on this machine or on a cluster.

The machines of a cluster share no disk. So a task works in a folder of its own, which holds what
its job needs (a checkpoint, say) and is gone after it; what the job left there comes back through
Ray's object store, and the driver, who alone writes into the run's folder, puts it in its place.
A task whose worker or node is lost is done once more, and counts once.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import zipfile
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from longplay.experiments.execution.jobs import (
    DONE,
    LOST,
    Executor,
    JobFailed,
    Losses,
    Processes,
    Then,
    Told,
    Watch,
    Work,
    throttled,
    told_of_error,
)
from longplay.experiments.run import TEMPORARY, Refused

HERE = "here"  # the address of a cluster of this machine's own
LISTEN = 0.5  # how often the driver looks what was told [s]
AT_ONCE = 1000  # tasks handed to Ray at a time


class Portable(Protocol):
    """A job that can be done in another folder than its run's."""

    @property
    def folder(self) -> Path:
        """Of the run."""

    def needs(self) -> Mapping[str, Path]:
        """Files and folders it reads: their place in the folder it works in -> where they are."""

    def moved(self, folder: Path) -> Self:
        """The same job in another folder."""


class RayTasks:
    """Jobs as Ray tasks of one processor each.

    Args:
        address: "HOST:PORT" of a cluster's head, or "auto"; None starts one on this machine.
        cpus: of a cluster started here; None: as many as there are.
        temporary: folder for the logs of a cluster started here; None: Ray's own.
    """

    def __init__(
        self, address: str | None = None, cpus: int | None = None, temporary: str | None = None
    ) -> None:
        self.address, self.cpus, self.temporary = address, cpus, temporary

    def run(self, work: Work, jobs: Sequence[Any], watch: Watch, then: Then | None = None) -> None:
        """Do all jobs, which must be `Portable`; see `jobs.Executor.run`.

        Raises:
            Refused: no cluster answers at the address, or Ray is not installed.
        """
        from longplay.agents.cluster import NoCluster, on_ray
        from longplay.agents.extras import MissingExtra

        if not jobs:
            return
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(on_ray(self.address, cpus=self.cpus, temporary=self.temporary))
            except (NoCluster, MissingExtra) as error:
                raise Refused(str(error)) from None
            _Tasks(work, watch).supervise(jobs, then)


class _Tasks:
    """Tasks under way on the cluster this process is connected to."""

    def __init__(self, work: Work, watch: Watch) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self.work, self.watch = work, watch
        self.ear: Any = ray.remote(_Ear).options(num_cpus=0, scheduling_strategy=here).remote()
        self.task: Any = ray.remote(_work_away).options(num_cpus=1, max_retries=0)
        self.under_way: dict[Any, tuple[int, Any]] = {}  # its answer to be -> number, job
        self.luggage: dict[tuple[tuple[str, Path], ...], Any] = {}  # what is needed, on the cluster
        self.losses = Losses()
        self.number = 0

    def supervise(self, jobs: Sequence[Any], then: Then | None) -> None:
        """Hand out jobs, and put what they leave in its place, until all are done."""
        import ray

        waiting = deque(jobs)
        try:
            while waiting or self.under_way:
                while waiting and len(self.under_way) < AT_ONCE:
                    self._give(waiting.popleft())
                done, _ = ray.wait(list(self.under_way), timeout=LISTEN)
                self._listen()
                for answer in done:
                    _, job = self.under_way.pop(answer)
                    if self._received(answer, job):
                        self.losses.forget(job)
                        self.watch(job, DONE, 1.0)
                        waiting.extend(then(job) if then else ())
                    else:
                        waiting.appendleft(job)
        finally:
            for answer in self.under_way:
                ray.cancel(answer, force=True)

    def _give(self, job: Any) -> None:
        self.number += 1
        home = job.moved(Path())  # its folder here means nothing there
        answer = self.task.remote(self.work, home, self._packed(job), self.ear, self.number)
        self.under_way[answer] = (self.number, job)

    def _packed(self, job: Any) -> Any:
        """What a job needs, put into Ray's object store once for all that need the same."""
        import ray

        needs = job.needs()
        key = tuple(sorted(needs.items()))
        if key not in self.luggage:
            if len(self.luggage) >= AT_ONCE:
                self.luggage.clear()
            self.luggage[key] = ray.put(pack(needs))
        return self.luggage[key]

    def _listen(self) -> None:
        import ray

        jobs = dict(self.under_way.values())
        with contextlib.suppress(ray.exceptions.RayError):  # progress is lost, not work
            for number, (what, share) in ray.get(self.ear.heard.remote()).items():
                if number in jobs:
                    self.watch(jobs[number], what, share)

    def _received(self, answer: Any, job: Any) -> bool:
        """Put what a job left in its place; False if its worker was lost, and it is to be redone.

        JobFailed if it raised, or lost its worker for the second time.
        """
        import ray

        try:
            left, error = ray.get(answer)
        except ray.exceptions.RayError as lost:
            self.losses.again(job, f"the Ray worker that had it was lost ({type(lost).__name__})")
            self.watch(job, LOST, 0.0)
            return False
        if error:
            raise JobFailed(job, *error)
        land(left, job.folder)
        return True


class _Ear:
    """An actor beside the driver that is told how far the tasks are."""

    def __init__(self) -> None:
        self.told: dict[int, tuple[str, float]] = {}

    def tell(self, number: int, what: str, share: float) -> None:
        """Note how far a task is."""
        self.told[number] = (what, share)

    def heard(self) -> dict[int, tuple[str, float]]:
        """What was told since the last time."""
        heard, self.told = self.told, {}
        return heard


def _work_away(
    work: Work, job: Portable, luggage: bytes, ear: Any, number: int
) -> tuple[bytes, tuple[str, str] | None]:
    """Do a job in a folder of its own: what it left, and what it raised if it did."""

    def tell(what: str, share: float) -> None:
        ear.tell.remote(number, what, share)

    told: Told = throttled(tell)
    with tempfile.TemporaryDirectory(prefix="longplay-") as name:
        folder = Path(name)
        with zipfile.ZipFile(io.BytesIO(luggage)) as packed:
            packed.extractall(folder)
            brought = {folder / entry for entry in packed.namelist()}
        try:
            work(job.moved(folder), told)
        except Exception as error:
            return b"", told_of_error(error)
        left = {str(path.relative_to(folder)): path for path in files_in(folder) - brought}
        return pack(left), None


def files_in(path: Path) -> set[Path]:
    """All files below a folder, or the file itself."""
    return {path} if path.is_file() else {file for file in path.rglob("*") if file.is_file()}


def pack(things: Mapping[str, Path]) -> bytes:
    """Files and folders as one piece, by their name in it."""
    parcel = io.BytesIO()
    with zipfile.ZipFile(parcel, "w") as packed:
        for name, thing in sorted(things.items()):
            for file in sorted(files_in(thing)):
                packed.write(file, Path(name) / file.relative_to(thing))
    return parcel.getvalue()


def land(parcel: bytes, folder: Path) -> None:
    """Put what a job left into the run's folder, its results (parts/...) last and each file whole.

    A folder three deep (checkpoints/AGENT/seed-0) takes the place of one that is there, of a job
    that was stopped.
    """
    half = folder / f"{TEMPORARY}{os.getpid()}-parcel"
    try:
        with zipfile.ZipFile(io.BytesIO(parcel)) as packed:
            packed.extractall(half)
            names = sorted(Path(name) for name in packed.namelist())
        results = [name for name in names if name.parts[0] == "parts"]
        for place in dict.fromkeys(Path(*n.parts[:3]) for n in names if n not in results):
            shutil.rmtree(folder / place, ignore_errors=True)
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            os.replace(half / place, folder / place)
        for name in results:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(half / name, folder / name)
    finally:
        shutil.rmtree(half, ignore_errors=True)


# --- the option ------------------------------------------------------------------------------


def with_address(words: Sequence[str]) -> list[str]:
    """The words of a command, where ``--ray`` without an ADDRESS has got one.

    What follows is none if it is an option, or the file of a sweep.
    """
    given = []
    for word, following in zip(words, [*words, "--"][1:], strict=True):
        alone = word == "--ray" and (following.startswith("-") or following.endswith(".toml"))
        given.append(f"--ray={HERE}" if alone else word)
    return given


def executor_of(ray: str | None, jobs: int | None) -> Executor:
    """Who does the jobs, by the options --ray and --jobs; Refused if they do not go together."""
    if jobs is not None and jobs < 1:
        raise Refused(f"jobs={jobs}; wanted at least 1 process.")
    if ray is None:
        return Processes(jobs if jobs is not None else os.cpu_count() or 1)
    from longplay.experiments.settings import require_extra

    require_extra("ray", "--ray")
    if ray == HERE:
        return RayTasks(cpus=jobs)
    if jobs is not None:
        raise Refused(
            f"jobs={jobs} came with --ray {ray}; a cluster does as many jobs at a time as it has "
            "processors."
        )
    return RayTasks(ray)
