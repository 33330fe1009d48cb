"""Compiling: edited laws are seen, unedited ones are not compiled again, replaced ones are used."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.envs import compiled, step
from longplay.envs.cohort import Cohort
from longplay.envs.compiled import cache_folder, recompiled, sources_hash
from longplay.envs.laws import fatigue
from longplay.envs.laws.fatigue import Fatigue

ROOM = Path(compiled.__file__).parent

# Calls a law (`rested`, in fatigue.py) that calls a law of another file (`faded`, satiation.py).
# numba by itself would go on using the old `faded`, since it looks at the caller's file alone.
SCRIPT = """
import sys
import longplay.envs
from longplay.envs.laws.fatigue import Fatigue, rested
assert longplay.envs.__file__.startswith(sys.argv[1]), longplay.envs.__file__
print(rested(1.0, 3.0, Fatigue()), sum(rested.stats.cache_hits.values()))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of this room that a new process imports as longplay.envs."""
    copy = tmp_path / "longplay" / "envs"
    shutil.copytree(ROOM, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run(tree: Path, cache: Path) -> tuple[float, int]:
    """What the law says in a new process, and how often its code came from the disk."""
    root = tree.parents[1]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root)],
        env=os.environ | {"PYTHONPATH": str(root), "XDG_CACHE_HOME": str(cache)},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result, hits = done.stdout.split()
    return float(result), int(hits)


def files(cache: Path) -> set[Path]:
    return {path for path in cache.rglob("*") if path.is_file()}


def edit(path: Path, old: str, new: str) -> None:
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))


def test_an_edited_law_is_seen_and_an_unedited_one_not_compiled_again(
    tree: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    # By hand: three hours are one half-life.
    assert run(tree, cache) == (0.5, 0)
    first = files(cache)
    assert first

    assert run(tree, cache) == (0.5, 1)
    assert files(cache) == first

    # Rest now helps twice as fast; the caller's file stays as it was.
    edit(tree / "laws" / "satiation.py", "* gap / half_life", "* 2.0 * gap / half_life")
    assert run(tree, cache) == (0.25, 0)
    assert files(cache) > first

    # And back again: the old code is still there.
    edit(tree / "laws" / "satiation.py", "* 2.0 * gap / half_life", "* gap / half_life")
    second = files(cache)
    assert run(tree, cache) == (0.5, 1)
    assert files(cache) == second


def test_the_hash_is_of_every_source_file(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "ROOM", tree)
    hashes = [sources_hash()]
    assert hashes == [sources_hash()]
    (tree / "notes.txt").write_text("no source")
    assert sources_hash() == hashes[0]
    for name in ("laws/habit.py", "step.py", "compiled.py"):
        with (tree / name).open("a") as file:
            file.write("# edited\n")
        hashes.append(sources_hash())
    (tree / "laws" / "habit.py").rename(tree / "laws" / "habits.py")
    hashes.append(sources_hash())
    monkeypatch.setattr("numba.__version__", "0.0")
    hashes.append(sources_hash())
    assert len(set(hashes)) == len(hashes) == 6


def test_the_cache_lies_where_it_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "longplay" / "kernels" / sources_hash()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    assert cache_folder().is_relative_to(tmp_path / "me" / ".cache" / "longplay")


def test_without_a_writable_cache_a_private_folder_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = cache_folder()
    assert folder.is_dir()
    assert folder.parent == tmp_path


def never(level: float, gap: float, half_life: float) -> float:
    """No rest helps."""
    return level


def test_recompiled_replaces_a_law_and_leaves_the_original() -> None:
    before = dict(vars(fatigue))
    fresh = recompiled(vars(fatigue), {"faded": never})
    assert fresh["rested"](1.0, 3.0, Fatigue()) == 1.0
    assert fatigue.rested(1.0, 3.0, Fatigue()) == 0.5
    assert fresh["rested"].py_func(1.0, 3.0, Fatigue()) == 1.0
    assert fresh["Fatigue"] is Fatigue
    assert vars(fatigue) == before


def averaged(level: float, gap: float, half_life: float) -> float:
    """A law that allocates: the mean of some levels."""
    return float(np.array([level, 0.0, gap / half_life]).mean())


def test_a_replaced_law_may_allocate() -> None:
    rested = recompiled(vars(fatigue), {"faded": averaged})["rested"]
    assert rested(2.0, 3.0, Fatigue()) == 1.0  # by hand: (2 + 0 + 3/3) / 3


def test_recompiled_takes_compiled_laws_too() -> None:
    rested = recompiled({**vars(fatigue)}, {"faded": compiled.law(never)})["rested"]
    assert rested(1.0, 3.0, Fatigue()) == 1.0


def test_recompiled_builds_every_function_of_the_step_anew() -> None:
    """All of them, for any may be a caller of the replaced law; none is compiled until called."""
    fresh = recompiled(vars(step), {"next_fatigue": fatigue.next_fatigue})
    own = {
        name
        for name, thing in vars(step).items()
        if hasattr(thing, "py_func") and thing.py_func.__module__ == step.__name__
    }
    assert {"advance", "admit", "live_fetch", "meet_item"} <= own
    for name in own:
        assert fresh[name] is not getattr(step, name)
        assert fresh[name].py_func.__globals__ is fresh
        assert fresh[name].py_func.__code__ is getattr(step, name).py_func.__code__
    assert fresh["hours_away"] is vars(step)["hours_away"]


def test_lives_touch_no_global_generator() -> None:
    """Draws are functions of who and when: the state of np.random and random stays as it was."""
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    before: Any = (np.random.get_state(), random.getstate())  # noqa: NPY002
    cohort = Cohort("AdLoad", num_envs=8, scenario="bench", horizon_days=5.0)
    cohort.reset(seed=1)
    for _ in range(20):
        cohort.step(np.full(8, 3))
    after: Any = (np.random.get_state(), random.getstate())  # noqa: NPY002
    assert (before[0][1] == after[0][1]).all()
    assert before[0][2:] == after[0][2:]
    assert before[1] == after[1]

    # Nor do they listen to it: whatever its state, lives are the same.
    lives = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        cohort.reset(seed=1)
        for _ in range(20):
            cohort.step(np.full(8, 3))
        lives.append(cohort.users.copy())
    assert (lives[0] == lives[1]).all()
