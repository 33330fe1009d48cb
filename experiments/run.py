"""The run folder: everything a comparison leaves behind, each file whole or not there.

    config.json          the settings; a resumed run must have the same
    environment.json     command, versions, commit, machine, when
    parts/               one file per agent and seed, written when it is done: resume reads these;
                         until then, in a large comparison, one for each shard of users
    metrics.parquet      one row per agent, seed and user; beyond 20,000 users, group
    quantiles.parquet    quantiles over users, where rows are groups
    retention.parquet    one row per agent, seed and day
    behaviour.parquet    ads per fetch by age of the account and by fetch of the session; actions
    checkpoints/         one folder per agent and seed, for ``longplay.agents.registry.load``
    tensorboard/         one run per agent and seed
    report.html
    .lock                held by the longplay that works here; it stays, empty

A file is written under a hidden temporary name and then renamed, so that a kill at any moment
leaves no half-written one.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.experiments.evaluate import Evaluation
from longplay.experiments.populations.crowd import Crowd

Columns = dict[str, npt.NDArray[Any]]
Arrays = dict[str, npt.NDArray[Any]]
Curve = list[tuple[str, int, float]]  # (name, decisions made so far, value)

FORMAT = 2  # of the folder
ENVIRONMENT = "environment.json"
TEMPORARY = ".half-"  # prefix of what is being written
DAMAGED = (ValueError, OSError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
PACKAGES = ("longplay", "numpy", "numba", "gymnasium", "torch", "stable-baselines3", "sb3-contrib",
            "vowpalwabbit", "scipy", "polars", "pyarrow", "matplotlib", "tensorboard", "tyro",
            "rich")  # fmt: skip


class Refused(ValueError):
    """What was asked cannot be done; the message is one sentence: what came, what to do."""


@dataclass(frozen=True)
class Part:
    """One agent trained and evaluated with one seed."""

    agent: str  # as it was asked for: "linucb@fetch"
    seed: int
    evaluation: Evaluation | Crowd
    curve: Curve  # what was logged while training
    train_seconds: float
    evaluate_seconds: float


class RunFolder:
    """The files of one run, by name."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.report = self.path / "report.html"
        self.tensorboard = self.path / "tensorboard"
        self.unlock: Callable[[], object] = lambda: None  # lets another longplay work here

    @classmethod
    def create(
        cls,
        path: Path,
        config: Mapping[str, Any],
        command: Sequence[str],
        *,
        resumable: bool = True,
    ) -> RunFolder:
        """Make a new folder, and lock it; Refused if anything is there already.

        resumable: whether the command has a --resume, to be told of.
        """
        path = Path(path)
        taken = Refused(
            f"{path} exists already and nothing in it was touched; give another --out"
            + (", or --resume to go on with the run in it." if resumable else ".")
        )
        if exists(path):
            raise taken
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except OSError as error:
            if exists(path):  # another one was faster
                raise taken from None
            raise Refused(
                f"{path} cannot be made ({error.strerror}); give an --out that can be written to."
            ) from None
        folder = cls(path)
        folder.lock()
        try:
            write_json(path / ENVIRONMENT, environment(command))
            write_json(path / "config.json", {"format": FORMAT, **config})
        except OSError:  # a full disk: what cannot be resumed does not stay
            shutil.rmtree(path, ignore_errors=True)
            raise
        return folder

    @classmethod
    def reopen(cls, path: Path, config: Mapping[str, Any]) -> RunFolder:
        """Go on with a run, and lock it; Refused unless its configuration is the same."""
        path = Path(path)
        if not (exists(path) and path.is_dir()):
            raise Refused(f"{path} is no folder of a run; leave --resume away to begin one there.")
        try:
            before = json.loads((path / "config.json").read_text(encoding="utf-8"))
            if not isinstance(before, dict):
                raise ValueError
        except (OSError, ValueError):
            raise Refused(
                f"{path} holds no readable config.json and cannot be resumed; give another --out."
            ) from None
        wanted = json.loads(json.dumps({"format": FORMAT, **config}))
        difference = first_difference(before, wanted)
        if difference:
            raise Refused(
                f"{path} was begun with {difference} and cannot be resumed so; give another --out, "
                "or the settings (see config.json) and the code it was begun with."
            )
        folder = cls(path)
        folder.lock()
        folder.sweep()
        return folder

    def lock(self) -> None:
        """Keep others out until `unlock`, or until this object or process is gone.

        Refused if another one holds the lock. Where there is no flock (Windows), nothing is locked.
        """
        try:
            import fcntl
        except ImportError:
            return
        file = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o666)  # not inherited
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise Refused(
                f"another longplay is working in {self.path}; wait for it or name another folder."
            ) from None
        except OSError:  # a file system without locks
            os.close(file)
            return
        self.unlock = weakref.finalize(self, os.close, file)

    def sweep(self) -> None:
        """Remove what was being written when the run was stopped."""
        for half in list(self.path.rglob(f"{TEMPORARY}*")):
            shutil.rmtree(half) if half.is_dir() else half.unlink(missing_ok=True)

    def checkpoint(self, agent: str, seed: int) -> Path:
        """Where the trained policy lies."""
        return self.path / "checkpoints" / agent / f"seed-{seed}"

    def events(self, agent: str, seed: int) -> Path:
        """Where TensorBoard's events lie."""
        return self.tensorboard / agent / f"seed-{seed}"

    def part(self, agent: str, seed: int) -> Path:
        """Where the results lie, once they are complete."""
        return self.path / "parts" / agent / f"seed-{seed}.npz"

    def shards(self, agent: str, seed: int) -> Path:
        """Where the results of shards of users lie until there is a part."""
        return self.path / "parts" / agent / f"seed-{seed}.shards"

    def save_part(self, part: Part) -> None:
        """Write the results of one agent and seed: from now on they are done."""
        notes = {
            "agent": part.agent,
            "seed": part.seed,
            "train_seconds": part.train_seconds,
            "evaluate_seconds": part.evaluate_seconds,
        }
        arrays = {**told_arrays(part.evaluation), **curve_arrays(part.curve)}
        write_arrays(self.part(part.agent, part.seed), notes, arrays)

    def load_part(self, agent: str, seed: int) -> Part:
        """Read what `save_part` wrote; Refused if it cannot be read."""
        with reading(self.part(agent, seed)) as (notes, saved):
            told, curve = told_of(saved), curve_of(saved)
            seconds = (notes["train_seconds"], notes["evaluate_seconds"])
        return Part(agent, seed, told, curve, *seconds)

    def write_table(self, name: str, columns: Columns) -> None:
        """Write ``<name>.parquet``."""
        import polars

        with replacing(self.path / f"{name}.parquet") as half:
            polars.DataFrame(columns).write_parquet(half)


EVALUATED = ("users", "active", "watched", "by_tenure", "by_position", "by_action")


def told_arrays(told: Evaluation | Crowd) -> Arrays:
    """Everything that an evaluation tells, to be kept."""
    if isinstance(told, Crowd):
        return told.arrays()
    return {**{name: getattr(told, name) for name in EVALUATED}, "steps": np.array(told.steps)}


def told_of(saved: Mapping[str, npt.NDArray[Any]]) -> Evaluation | Crowd:
    """What `told_arrays` gave."""
    if "people" in saved:
        return Crowd.of_arrays(saved)
    return Evaluation(**{name: saved[name] for name in EVALUATED}, steps=int(saved["steps"]))


def curve_arrays(curve: Curve) -> Arrays:
    """What was logged while training, to be kept."""
    return {
        "curve_name": np.array([name for name, _, _ in curve], dtype=np.str_),
        "curve_step": np.array([step for _, step, _ in curve], dtype=np.int64),
        "curve_value": np.array([value for _, _, value in curve], dtype=np.float64),
    }


def curve_of(saved: Mapping[str, npt.NDArray[Any]]) -> Curve:
    """What `curve_arrays` gave."""
    columns = (saved[f"curve_{name}"].tolist() for name in ("name", "step", "value"))
    return list(zip(*columns, strict=True))


def write_arrays(path: Path, notes: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write arrays with some notes (JSON values) in one file, whole or not at all."""
    with replacing(path) as half, half.open("wb") as file:
        np.savez_compressed(file, notes=np.array(json.dumps(notes)), **arrays)


@contextmanager
def reading(path: Path) -> Iterator[tuple[dict[str, Any], Arrays]]:
    """The notes and arrays of a file; whatever fails while they are read is one Refused."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            arrays = dict(saved)
        yield json.loads(str(arrays.pop("notes"))), arrays
    except DAMAGED:
        raise Refused(f"{path} is damaged; delete it and run again with --resume.") from None


def exists(path: Path) -> bool:
    """Whether anything is at ``path``; Refused if that cannot be a path (too long, say)."""
    try:
        return path.exists()
    except OSError as error:
        raise Refused(
            f"{_short(path)} cannot be used ({error.strerror}); give another path."
        ) from None


def make_room(path: Path) -> None:
    """Make the folders above a file that will be written; Refused if it could not be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        reason = "it is a folder" if path.is_dir() else ""
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise Refused(f"{_short(path)} cannot be written ({reason}); name another file.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place on success, and vanishes on error.

    It may become a file, or a folder (which replaces a folder).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        yield half
        if half.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(half, path)
    except BaseException:
        shutil.rmtree(half) if half.is_dir() else half.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON, whole or not at all."""
    with replacing(path) as half:
        half.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def environment(command: Sequence[str]) -> dict[str, Any]:
    """Where and with what a run was made."""
    import shlex

    return {
        "command": shlex.join(command),
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": {"python": platform.python_version(), **versions()},
        "commit": commit(),
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cpus": os.cpu_count(),
        },
    }


def versions() -> dict[str, str]:
    """Versions of the packages that results may depend on, as far as they are installed."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit of the checkout this runs from, "+changes" if edited; None outside of one."""
    root = Path(__file__).resolve().parents[1]
    if not ((root / ".git").exists() and (root / "pyproject.toml").is_file()):
        return None

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def processor() -> str:
    """The processor's name, as well as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first entry that two configurations do not share: "users=3, not 4"; "" if there is none.

    Nested settings are compared one by one.
    """
    for key in dict.fromkeys([*now, *before]):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            inner = first_difference(old, new)
            if inner:
                return inner
        elif old != new:
            return f"{key}={_short(old)}, not {_short(new)},"
    return ""


def _short(value: Any) -> str:
    text = " ".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
