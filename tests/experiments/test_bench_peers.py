"""Speed beside peers: what surrounds the measurement. Nothing here needs the network."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longplay.experiments.bench import peers
from longplay.experiments.bench.peers import main, players
from longplay.experiments.bench.peers.contests import (
    CONTESTS,
    PEERS,
    Contest,
    DidNotRun,
    Player,
    held,
    rows_of,
)
from longplay.experiments.bench.peers.page import page
from longplay.experiments.bench.peers.place import NoNetwork, NotThere, Peer, Place, reason
from longplay.experiments.bench.peers.standins import write

OLD = '''
import framework.nn.functional as F
from framework import nn, compat
from settings import configurable


class Agent(nn.Module):
    schedule = compat.v1.schedule(0.5)

    @framework_free
    def act(self): ...


@configurable
class World:
    def step(self):
        return 7


def by_agent():
    return 1 if F.softmax(2.0) else 0


def by_number():
    return 1.0 + F.scale
'''.replace("    @framework_free\n", "")  # fmt: skip


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose agents want frameworks that are not there, and whose world does not."""
    (tmp_path / "old_package.py").write_text(OLD)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("framework", "settings"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it could not be imported
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_an_old_package_runs_on_stand_ins_and_rests_on_none(old: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="framework"):
        importlib.import_module("old_package")
    names = write(old, ["framework.nn.functional", "framework.compat", "settings"])
    assert names == ["framework", "framework.nn", "framework.nn.functional", "framework.compat",
                     "settings"]  # fmt: skip
    importlib.invalidate_caches()
    package = importlib.import_module("old_package")
    assert package.World().step() == 7  # decorated, and still itself
    with pytest.raises(RuntimeError, match=r"framework.nn.functional is a stand-in"):
        package.by_agent()
    with pytest.raises(TypeError):
        package.by_number()
    for name in [name for name in sys.modules if name.split(".")[0] in ("framework", "settings")]:
        del sys.modules[name]


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "numpy").mkdir()
    (tmp_path / "six.py").touch()
    assert write(tmp_path, ["numpy.linalg", "six.moves", "torch"]) == ["torch"]
    assert not list((tmp_path / "numpy").iterdir())


def test_the_reason_is_the_last_exception() -> None:
    text = """
      error: subprocess-exited-with-error
        File "<string>", line 12, in <module>
      ModuleNotFoundError: No module named 'pkg_resources'
      [end of output]
    error: subprocess-exited-with-error
    note: This is likely not a problem with pip.
    """
    assert reason(text) == "ModuleNotFoundError: No module named 'pkg_resources'"
    assert reason("WARNING: x\nERROR: No matching distribution found for y\n").startswith(
        "ERROR: N"
    )
    assert reason("killed\n\n") == "killed"
    assert reason("") == "no reason was given"
    assert len(reason("E" * 500)) == 200


class Pip:
    """pip, answering with one text and return code."""

    def __init__(self, told: str, code: int) -> None:
        self.told, self.code = told, code

    def __call__(self, place: Place, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, self.code, "1.2.3\n", self.told)


OFFLINE = """WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(
'<pip._vendor.urllib3>: Failed to establish a new connection: [Errno -2] Name not known')'
ERROR: Could not find a version that satisfies the requirement recsim (from versions: none)
ERROR: No matching distribution found for recsim"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A place that was made without making one."""

    def make(self: Place, folder: Path) -> None:
        self.python, self.modules = Path(sys.executable), tmp_path

    monkeypatch.setattr(Place, "__init__", make)
    return Place(tmp_path)


def test_installing(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    peer = Peer("Old", "old", ("numpy",), ("tensorflow",))
    monkeypatch.setattr(Place, "_run", Pip("", 0))
    assert place.install(peer) == "1.2.3"
    assert (tmp_path / "tensorflow" / "__init__.py").is_file()
    monkeypatch.setattr(Place, "_run", Pip(OFFLINE, 1))
    with pytest.raises(NoNetwork, match="No matching distribution found for recsim"):
        place.install(peer)
    monkeypatch.setattr(Place, "_run", Pip(OFFLINE.split("\n", 2)[2], 1))  # only not published
    with pytest.raises(NotThere, match="No matching distribution found for recsim"):
        place.install(peer)


def test_what_installs_and_does_not_start_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: Place, *words: str) -> subprocess.CompletedProcess[str]:
        failed = words == ("-c", "import no_such.world")
        return subprocess.CompletedProcess(words, int(failed), "1.2.3", "Traceback\nKeyError: 'x'")

    monkeypatch.setattr(Place, "_run", run)
    assert place.install(Peer("Old", "old", whole=True, module="json")) == "1.2.3"
    with pytest.raises(NotThere, match="it does not start: KeyError: 'x'"):
        place.install(Peer("Old", "old", whole=True, module="no_such.world"))


def test_without_a_network_one_sentence_and_exit_code_2(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Place, "_run", Pip(OFFLINE, 1))
    assert main([]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "pip cannot reach its index" in told and "go online" in told


def test_what_cannot_be_installed_is_named_with_its_reason(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(Place, "_run", Pip("ERROR: Requires-Python <3.8", 1))
    assert main(["--out", str(tmp_path / "new")]) == 0
    assert "RecSim         recsim       pip does not install it: ERROR: Requires-Python <3.8" in (
        capsys.readouterr().out
    )
    told = (tmp_path / "new" / "peers-speed.json").read_text()
    assert "Requires-Python" in told and '"contests": []' in told
    told = (tmp_path / "new" / "peers-speed.md").read_text()
    assert "| RecSim | `recsim` | pip does not install it: ERROR: Requires-Python <3.8 |" in told
    assert "| RecSim NG | `recsim-ng` | gigabytes; tried by `--large` |" in told


def test_ratios_are_taken_turn_by_turn() -> None:
    contest = Contest(
        "a", 3, 10, (Player("theirs", "t", "RecSim"), Player("ours", "o", people=4),
                     Player("one", "o")), 200.0,
    )  # fmt: skip
    rows = rows_of(contest, [[10.0, 20.0, 40.0], [1000.0, 6000.0, 9000.0], [5.0, 5.0, 5.0]], 99.0)
    assert [row.name for row in rows][3:] == ["o x4 over RecSim", "o x1 over RecSim"]
    many, one = rows[3:]
    assert many.samples == (100.0, 300.0, 225.0)  # by hand: 1000/10, 6000/20, 9000/40
    assert (many.median, many.met) == (225.0, True)
    assert (one.samples, one.met) == ((0.5, 0.25, 0.125), None)
    assert rows[0].reference == 99.0


def test_the_page_tells_what_was_wanted_and_what_did_not_run() -> None:
    contest = CONTESTS[0]
    rows = rows_of(contest, [[2000.0], [300_000.0], [500_000.0], [8000.0]], 99.0)
    missing = {"one item": "it does not run: ImportError: no six"}
    about = {
        "command": "a command",
        "machine": {"processor": "a chip", "cpus": 2, "system": "a system"},
        "versions": {"python": "3.11"},
    }
    told = page(about, {"RecSim": "0.1.5"}, missing, [(contest, rows)], 1.0)
    for line in (
        "## Interest evolution: 10 of 100",
        "| RecSim interest evolution | 2,000 fetches/s | 2,000 .. 2,000 |  |",
        "| InterestEvolution x256 over RecSim | 150 x | 150 .. 150 | wanted 200: **missed** |",
        "| Feed x256 over RecSim | 250 x | 250 .. 250 | wanted 200: reached |",
        "| InterestEvolution x1 over RecSim | 4 x | 4 .. 4 |  |",
        "| RecSim | `recsim` | 0.1.5 |",
        "- one item: it does not run: ImportError: no six",
    ):
        assert line in told.splitlines()


def test_worlds_of_ours_take_part(tmp_path: Path) -> None:
    """A contest between two of ours, each in a process of its own."""
    contest = Contest(
        "a", 2, 5, (Player("one", "InterestEvolution"), Player("many", "InterestEvolution",
                                                                people=3)),
    )  # fmt: skip
    rows = held(contest, sys.executable, sys.executable, 2, 0.01)
    assert [len(row.samples) for row in rows] == [2, 2, 2]
    assert all(sample > 0.0 for row in rows for sample in row.samples)


def test_a_world_that_does_not_run_says_why() -> None:
    contest = Contest("a", 1, 5, (Player("none", "recsim-interest", "RecSim"),))
    with pytest.raises(DidNotRun, match="ModuleNotFoundError: No module named 'recsim'"):
        held(contest, sys.executable, sys.executable, 1, 0.01)


def test_single_lives_are_renewed_where_they_end() -> None:
    lives: list[list[int]] = []

    def step(action: int) -> bool:
        lives[-1].append(action)
        return len(lives[-1]) == 3

    go = players.singly(step, lambda: lives.append([]), [4, 5])
    assert go(4) == 4
    assert go(1) == 1
    assert lives == [[4, 5, 4], [5, 4]]


def test_measuring_stops_at_the_seconds_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.4, 0.8, 1.2])
    monkeypatch.setattr(players.time, "process_time", lambda: next(clock))
    assert players.measured(lambda times: 10 * times, 1.0, 5) == (150, 1.2)


@pytest.mark.parametrize(
    ("kind", "slate"),
    [("Feed", 1), ("Feed", 2), ("InterestEvolution", 1), ("InterestEvolution", 2), ("ChocKale", 1)],
)
def test_cohorts_count_a_fetch_a_person(kind: str, slate: int) -> None:
    assert players.PLAYERS[kind](slate, 5, 3)(2) == 6


def test_the_folder_goes_when_the_command_is_ended() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end, peers.folder_for_now() as folder:
        (folder / "some").touch()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10.0)
    assert end.value.code == 143
    assert not folder.exists()
    assert signal.getsignal(signal.SIGTERM) == before


def test_every_contest_is_between_known_ones() -> None:
    known = {peer.name for peer in PEERS}
    for contest in CONTESTS:
        first, *others = contest.players
        assert first.peer in known
        assert {player.kind for player in contest.players} <= set(players.PLAYERS)
        assert others and all(player.peer is None for player in others)


def test_refusals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "Place", lambda _: pytest.fail("made"))
    for words, told in (
        (["--repetitions", "0"], "more than 0"),
        (["--seconds", "nan"], "more than 0"),
    ):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 2
        assert told in capsys.readouterr().err
