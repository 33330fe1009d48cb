"""The ground: packaging, pins, links and import rules. Runs with the core alone."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("agents", "envs", "experiments", "rewards")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
HEAVY = (
    "matplotlib",
    "optuna",
    "pandas",
    "polars",
    "pyarrow",
    "ray",
    "rich",
    "sb3_contrib",
    "stable_baselines3",
    "tensorboard",
    "torch",
    "tyro",
    "vowpalwabbit",
)


def library(requirement: str) -> str:
    """The normal form of the name in `requirement`: "ray[tune]>=2" is ray."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, f"{requirement!r} names no library"
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def pins() -> dict[str, str]:
    """Library to version, from constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    lines = [line.partition("#")[0].strip() for line in lines]
    return {library(line): line.partition("==")[2] for line in lines if line}


def packages() -> list[str]:
    """Every sub-package of the rooms that lies on the disk."""
    folders = [p.parent.relative_to(ROOT) for r in ROOMS for p in (ROOT / r).rglob("__init__.py")]
    return sorted("longplay." + ".".join(folder.parts) for folder in folders)


def data_files() -> list[Path]:
    """Every file of the rooms that is not Python source, relative to the root."""
    found = []
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts:
                found.append(path.relative_to(ROOT))
    return found


def test_every_sub_package_is_listed() -> None:
    assert PROJECT["tool"]["setuptools"]["packages"] == packages()


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert [f for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_rooms_map_to_top_level_folders() -> None:
    mapped = PROJECT["tool"]["setuptools"]["package-dir"]
    assert mapped == {f"longplay.{room}": room for room in ROOMS}
    assert all((ROOT / room).is_dir() for room in ROOMS)


def test_every_data_file_is_packaged() -> None:
    globs = PROJECT["tool"]["setuptools"]["package-data"]
    for path in data_files():
        room, *inside = path.parts
        patterns = [p.removeprefix("**/") for p in globs[f"longplay.{room}"]]
        assert any(fnmatch(inside[-1], p) for p in patterns), f"{path} would not be installed"


def test_every_room_is_typed() -> None:
    assert all((ROOT / room / "py.typed").is_file() for room in ROOMS)


def test_every_requirement_is_pinned() -> None:
    wanted = [*PROJECT["project"]["dependencies"], *(r for rs in EXTRAS.values() for r in rs)]
    missing = {library(requirement) for requirement in wanted} - {"longplay", *pins()}
    assert missing == set(), "pin them in constraints.txt"


def test_every_pin_is_exact() -> None:
    assert {name for name, version in pins().items() if not re.fullmatch(r"[\w.+!]+", version)} == (
        set()
    )


def test_the_core_is_three_libraries() -> None:
    dependencies = PROJECT["project"]["dependencies"]
    assert {library(r) for r in dependencies} == {"gymnasium", "numba", "numpy"}


def test_extras_named_in_the_docs_exist() -> None:
    named: set[str] = set()
    for path in [*ROOT.glob("*.md"), *(p for r in ROOMS for p in (ROOT / r).rglob("*.py"))]:
        for group in re.findall(r"longplay\[([a-z0-9,]+)\]", path.read_text()):
            named |= set(group.split(","))
    assert named <= set(EXTRAS)


def test_static_links_are_relative_and_lead_to_the_rooms() -> None:
    folder = ROOT / ".static" / "longplay"
    if not folder.is_dir():
        pytest.skip("an sdist carries no links")
    assert sorted(os.listdir(folder)) == sorted(ROOMS)
    for room in ROOMS:
        assert os.readlink(folder / room) == f"../../{room}"
        assert (folder / room).resolve() == (ROOT / room).resolve()


def test_core_imports_nothing_heavy() -> None:
    # Every module of the rooms that promise it, in a fresh process. numba imports SciPy where it
    # finds it; hidden away here, it cannot be needed.
    program = f"""
import importlib, pkgutil, sys
sys.modules["scipy"] = None
import longplay.agents, longplay.envs, longplay.rewards
for room in (longplay.envs, longplay.rewards, longplay.agents):
    for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        if not module.name.startswith("longplay.agents.rl"):
            importlib.import_module(module.name)
print(sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_main_module_imports_nothing_heavy() -> None:
    # `longplay --help` must not wait for torch.
    program = """
import sys
import longplay.experiments.cli
print(sorted({"torch", "ray", "matplotlib", "polars"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(sdist, wheel built from the unpacked sdist), made in a copy of the tree."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("dist")
    skip = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "build", "runs")
    shutil.copytree(ROOT, folder / "tree", symlinks=True, ignore=skip)

    def build(kind: str, tree: Path) -> Path:
        program = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder)!r})"
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tree, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        (made,) = folder.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[kind])
        return made

    sdist = build("sdist", folder / "tree")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return sdist, build("wheel", unpacked)


def test_wheel_holds_all_of_the_rooms_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = {n for n in wheel.namelist() if ".dist-info/" not in n}
        licences = [n for n in wheel.namelist() if n.endswith("licenses/LICENSE")]
    modules = {p.relative_to(ROOT) for room in ROOMS for p in (ROOT / room).rglob("*.py")}
    assert names == {f"longplay/{p.as_posix()}" for p in {*modules, *data_files()}}
    assert len(licences) == 1


def test_sdist_carries_the_tests_and_the_pins(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    tests = {p.relative_to(ROOT).as_posix() for p in (ROOT / "tests").rglob("*.py")}
    assert names >= tests | {"LICENSE", "Makefile", "constraints.txt", "pyproject.toml"}


def test_wheel_imports(built: tuple[Path, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        wheel.extractall(tmp_path)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import longplay.agents, longplay.envs, longplay.experiments, longplay.rewards
for room in (longplay.agents, longplay.envs, longplay.experiments, longplay.rewards):
    assert room.__file__.startswith({str(tmp_path)!r}), room.__file__
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
