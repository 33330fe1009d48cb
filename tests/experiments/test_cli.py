"""The command line as a user meets it: a real process, one sentence for every mistake."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

for library in ("polars", "scipy", "tensorboard", "tyro", "rich"):
    pytest.importorskip(library)

from longplay.experiments.cli import COMMANDS, PRESETS, main
from longplay.experiments.run import RunFolder
from longplay.experiments.settings import Settings, check

# what is typed -> words that the one sentence must hold
MISTAKES = {
    "compre": ["'compre'", "did you mean compare"],
    "--verion": ["'--verion'"],
    "worlds musik": ["'musik'", "did you mean music"],
    "worlds a b": ["'a b'", "at most one"],
    "agents all": ["'all'"],
    "compare --usres 3": ["'--usres'", "did you mean --users"],
    "compare --users": ["--users", "without a value"],
    "compare --users --seeds 3": ["--users", "without a value"],
    "compare --users many": ["--users many", "whole number"],
    "compare --users 1.5": ["--users 1.5", "whole number"],
    "compare --users=1e3": ["--users 1e3", "whole number"],
    "compare --horizon-days soon": ["--horizon-days soon", "a number"],
    "compare --decision day": ["--decision day", "fetch or session"],
    "compare --observe all": ["--observe all", "platform or oracle"],
    "compare random linucb": ["'random'", "belongs to no option"],
    "compare --users 3 4": ["'4'", "belongs to no option"],
    "compare --preset dmeo": ["'dmeo'", "did you mean demo"],
    "compare --users 0": ["users=0", "at least 1"],
    "compare --users -5": ["users=-5", "at least 1"],
    "compare --seeds -1": ["seeds=-1", "at least 1"],
    "compare --train-steps 0": ["train-steps=0"],
    "compare --jobs 0": ["jobs=0"],
    "compare --seeds 1001": ["seeds=1001", "at most 1,000"],
    "compare --users 1000000001": ["users=1000000001", "at most 1,000,000,000"],
    "compare --train-steps 10000000001": ["train-steps=10000000001", "at most 10,000,000,000"],
    "compare --resume=maybe": ["--resume takes no value", "'maybe'"],
    "realism --overwrite=yes": ["--overwrite takes no value", "'yes'"],
    "compare --agents random --out=": ["--out came empty"],
    "realism --out=": ["--out came empty"],
    f"compare --agents random --out {'x' * 300}": ["cannot be used"],
    f"compare --agents random --resume --out {'x' * 300}": ["cannot be used"],
    f"realism --out {'x' * 300}": ["cannot be used"],
    f"calibrate --targets {'x' * 300}": ["cannot be used"],
    "calibrate --evaluations -1": ["--evaluations -1", "at least 1"],
    "compare --horizon-days -3": ["horizon-days=-3", "above 0"],
    "compare --horizon-days nan": ["horizon-days=nan", "above 0"],
    "compare --horizon-days inf": ["horizon-days=inf"],
    "compare --reward": ["--reward", "without a value"],
    "compare --reward minuts": ["'minuts'", "Did you mean minutes?"],
    "compare --reward -skpis": ["'skpis'", "Did you mean skips or"],
    "compare --reward (reward:=minutes)+skips": ["a part is called 'reward'", "rename it"],
    "compare --name -q --agents nobody": ["'nobody'"],
    "compare --reward 0.7*minutes-": ["'0.7*minutes-'", "no formula"],
    "compare --agents random --reward returned_7d --horizon-days 2": ["returned_7d looks 7 days",
                                                                      "the study lasts 2",
                                                                      "give --horizon-days of"],
    "compare --world longplay/AdLaod-v0": ["'longplay/AdLaod-v0'", "mean longplay/AdLoad-v0"],
    "compare --world longplay/Tiny-v0": ["longplay/Tiny-v0", "reference world", "AdLoad-v0 or"],
    "compare --world CartPole-v1": ["'CartPole-v1'", "longplay/AdLoad-v0"],
    "compare --scenario bensh": ["'bensh'", "did you mean bench"],
    "compare --agents": ["--agents", "without a value"],
    "compare --agents linusb": ["'linusb'", "did you mean linucb"],
    "compare --agents fixed-4-5": ["'fixed-4-5'", "2, 3, 5, 7, 8 and 10"],
    "compare --agents fixed-3-5-7": ["'fixed-3-5-7'", "at most twice"],
    "compare --agents linucb@day": ["'linucb@day'", "@fetch or @session"],
    "compare --agents random random": ["'random'", "twice"],
    "compare --agents random,random": ["'random'", "twice"],
    "compare --agents clickbait": ["'clickbait'", "Feed, not AdLoad"],
    "compare --world longplay/Feed-v0 --agents fixed-3-7": ["'fixed-3-7'", "AdLoad, not Feed"],
    "compare --name a/b": ["'a/b'"],
    "compare --resume": ["--resume", "--out"],
    "compare --agents random --resume --out nowhere": ["nowhere", "--resume"],
    "compare --agents random --out taken": ["taken exists already"],
    "compare --agents random --resume --out taken": ["taken", "config.json"],
    "compare --agents random --out taken/thesis.txt/run": ["taken/thesis.txt/run cannot be made"],
}  # fmt: skip


BLOCK = """
import importlib.abc, sys
class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {library!r}:
            raise ModuleNotFoundError(name=name)
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == {library!r} else find(name, *rest)
sys.meta_path.insert(0, Gone())
"""


def longplay(where: Path, *words: str, without: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in an empty folder; as if the library ``without`` were not installed."""
    code = "import sys; from longplay.experiments.cli import main; sys.exit(main())"
    if without:
        code = f"{BLOCK.format(library=without)}\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=where, capture_output=True, text=True, timeout=120, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_gets_one_sentence(typed: str, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    ran = longplay(tmp_path, *typed.split())
    assert_one_sentence(ran, *MISTAKES[typed])
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["taken", "taken/thesis.txt"]
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "mine"


def assert_one_sentence(ran: subprocess.CompletedProcess[str], *words: str) -> None:
    assert ran.returncode == 2, ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1 and ran.stderr.endswith("\n"), ran.stderr
    assert ran.stderr.startswith("longplay: ")
    assert ran.stderr.rstrip()[-1] in '.?"'
    for word in words:
        assert word in ran.stderr


@pytest.mark.parametrize(
    ("typed", "library", "extra"),
    [
        ("compare --agents ppo", "torch", "rl"),
        ("compare --agents ppo", "stable_baselines3", "rl"),
        ("compare --agents random", "tyro", "experiments"),
        ("compare --agents random", "rich", "experiments"),
        ("compare --agents random", "polars", "experiments"),
        ("compare --agents random", "scipy", "experiments"),
        ("worlds", "rich", "experiments"),
    ],
)
def test_a_missing_extra_is_named(typed: str, library: str, extra: str, tmp_path: Path) -> None:
    ran = longplay(tmp_path, *typed.split(), without=library)
    assert_one_sentence(ran, library, f'pip install "longplay[{extra}]"')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("typed", ["", "--help", "compare --help", "worlds --help", "agents -h"])
def test_help_is_no_mistake(typed: str, tmp_path: Path) -> None:
    ran = longplay(tmp_path, *typed.split())
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "usage: longplay" in ran.stdout


def test_help_says_what_options_mean(tmp_path: Path) -> None:
    told = " ".join(longplay(tmp_path, "compare", "--help").stdout.replace("│", " ").split())
    for text in ("held-out people per seed", "how long an action holds", "{fetch,session}"):
        assert text in told
    assert "noqa" not in told


def test_version_worlds_and_agents(tmp_path: Path) -> None:
    from importlib.metadata import version

    assert longplay(tmp_path, "--version").stdout == f"longplay {version('longplay')}\n"
    listed = longplay(tmp_path, "worlds").stdout
    for name in ("longplay/AdLoad-v0", "longplay/Feed-v0", "longplay/Tiny-v0", "music", "bench"):
        assert name in listed
    listed = longplay(tmp_path, "agents").stdout
    for name in ("random", "linucb", "fixed-3-7"):
        assert name in listed


def test_every_knob_is_listed_with_its_value_unit_and_source(tmp_path: Path) -> None:
    from longplay.envs.scenarios import SCENARIOS
    from longplay.experiments.worlds import knobs

    listed = [line.split() for line in longplay(tmp_path, "worlds", "bench").stdout.splitlines()]
    heads = [words[:1] for words in listed]
    world = SCENARIOS["bench"]
    for law, values in world.parameters().items():
        at = heads.index([law])
        for name in values._fields:
            assert [name] in heads[at:]
    found = {f"{knob.law}.{knob.name}": knob for knob in knobs(world)}
    clicks = found["ads.click"]
    assert clicks.about.startswith("click probability") and "free choice" in clicks.about
    assert clicks.default == type(world.ads)._field_defaults["click"]
    assert found["world.gamma_day"].value == world.gamma_day
    assert "fmt" not in found["returning.day"].about and "rhythm" in found["returning.day"].about
    changed = world.replace("mine", ads={"click": 0.5})
    marks = {knob.name: knob.changed for knob in knobs(changed) if knob.law == "ads"}
    assert marks["click"] and not marks["seconds"]


@pytest.mark.parametrize("typed", ["worlds", "worlds bench", "agents", "compare --agents linusb"])
def test_torch_is_not_loaded_to_look_around(typed: str, tmp_path: Path) -> None:
    code = (
        "import sys; from longplay.experiments.cli import main; main(sys.argv[1:]); "
        "print('heavy:', {'torch', 'ray', 'matplotlib', 'polars'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *typed.split()], cwd=tmp_path, capture_output=True, text=True
    )  # fmt: skip
    assert ran.stdout.endswith("heavy: set()\n")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "runs/a"), "No space left on device (runs/a)"),
        (OSError("odd"), "odd"),
        (MemoryError("Unable to allocate 7 TiB"), "memory ran out"),
    ],
)
def test_a_machine_at_its_end_gets_one_sentence(
    error: BaseException,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(words: list[str]) -> int:
        raise error

    monkeypatch.setitem(COMMANDS, "worlds", fail)
    assert main(["worlds"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("longplay: ") and words in told
    assert told.count("\n") == 1 and told.endswith(".\n")


def test_a_failure_is_told_though_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: Any, **keywords: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunFolder, "save_part", fail)
    monkeypatch.setattr(Path, "write_text", full_for("failure.txt", Path.write_text))
    words = "compare --agents random --seeds 1 --users 2 --horizon-days 1 --train-steps 1 --jobs 1"
    assert main([*words.split(), "--out", str(tmp_path / "run")]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "random, seed 0 failed (OSError: [Errno 28] No space left on device); go on" in told


def full_for(name: str, write: Any) -> Any:
    """``write``, but the disk is full when it comes to files of that name."""

    def write_or_fail(path: Path, *args: Any, **keywords: Any) -> Any:
        if path.name == name:
            raise OSError(28, "No space left on device")
        return write(path, *args, **keywords)

    return write_or_fail


def test_a_second_longplay_in_the_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from longplay.experiments.compare import open_run

    settings = Settings(agents=("random",), seeds=1, users=2, horizon_days=1.0, train_steps=1)
    first = open_run(settings, tmp_path / "run", ["longplay"])
    words = "compare --agents random --seeds 1 --users 2 --horizon-days 1 --train-steps 1 --jobs 1"
    asked = [*words.split(), "--resume", "--out", str(tmp_path / "run")]
    assert main(asked) == 2
    assert "another longplay is working in" in capsys.readouterr().err
    first.unlock()
    assert main(asked) == 0
    part = first.part("random", 0)
    part.write_bytes(b"hi")
    assert main(asked) == 2
    assert "seed-0.npz is damaged; delete it" in capsys.readouterr().err
    part.unlink()
    assert main(asked) == 0


def test_presets_are_sound() -> None:
    pytest.importorskip("stable_baselines3")
    for preset in PRESETS.values():
        entries = check(preset.settings())
        assert {"reference", "bandit", "learner", "fixed"} == {entry.kind for entry in entries}


def test_options_change_a_preset(tmp_path: Path) -> None:
    ran = longplay(tmp_path, "compare", "--preset", "demo", "--users", "0")
    assert_one_sentence(ran, "users=0")


def test_a_run_from_the_command_line(tmp_path: Path) -> None:
    words = "compare --agents random,fixed-none --seeds 1 --users 12 --horizon-days 4 --name try"
    ran = longplay(tmp_path, *words.split())
    assert ran.returncode == 0, ran.stderr
    (folder,) = (tmp_path / "runs").glob("*-try")
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.json", "environment.json", "parts", "metrics.parquet", "retention.parquet",
        "behaviour.parquet", "checkpoints", "tensorboard", "report.html", ".lock",
    }  # fmt: skip
    assert f"{folder.relative_to(tmp_path)}/report.html" in ran.stdout
    assert "tensorboard --logdir" in ran.stdout
    for agent in ("random", "fixed-none"):
        assert agent in ran.stdout
    assert "users only (one training seed)" in " ".join(ran.stdout.split())
