"""Who is measured against whom, at the same slate and the same candidates."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from longplay.experiments.bench.peers import players
from longplay.experiments.bench.peers.place import Peer, reason
from longplay.experiments.bench.processes import variables
from longplay.experiments.bench.rows import Row, reference

PEOPLE = 256  # side by side in a cohort of ours
TARGET = 200.0  # times RecSim's interest evolution at 10 of 100

PEERS = (
    Peer("RecSim", "recsim", ("absl-py", "gym", "numpy"),
         ("tensorflow", "gin.tf", "dopamine.discrete_domains")),
    Peer("SARDINE", "sardine-rec", ("gymnasium", "numpy")),
    Peer("reco-gym", "recogym", ("gym", "numba", "pandas", "scikit-learn", "scipy", "tqdm"),
         ("tensorflow", "torch.nn.functional", "torch.optim", "torch.sparse", "matplotlib.pyplot")),
    Peer("SCOPE-RL", "scope-rl", ("gym", "scikit-learn")),
    Peer("MARS-Gym", "mars-gym", whole=True, module="mars_gym.gym"),
    Peer("RL4RS", "rl4rs", whole=True, module="rl4rs"),
    Peer("RecSim NG", "recsim-ng", whole=True, module="recsim_ng.lib.tensorflow.runtime",
         large=True),
)  # fmt: skip

# Those that publish no package: a repository to be cloned, with data or weights of its own.
UNPUBLISHED = {
    "KuaiSim": "https://github.com/Applied-Machine-Learning-Lab/KuaiSim",
    "VirtualTaobao": "https://github.com/eyounx/VirtualTaobao",
    "EasyRL4Rec": "https://github.com/chongminggao/EasyRL4Rec",
}


@dataclass(frozen=True)
class Player:
    """A world at the start of a contest."""

    name: str
    kind: str  # key of players.PLAYERS
    peer: str | None = None  # None: ours
    people: int = 1


@dataclass(frozen=True)
class Contest:
    """Theirs and ours at the same numbers: the first is theirs, the others are ours."""

    about: str
    slate: int
    candidates: int
    players: tuple[Player, ...]
    target: float | None = None  # for each of our cohorts, over theirs


def ours(world: str, people: int = PEOPLE) -> Player:
    """One of our worlds."""
    return Player(f"longplay/{world}-v0 x{people}", world, people=people)


INTEREST = Player("RecSim interest evolution", "recsim-interest", "RecSim")
SATISFACTION = Player("RecSim long-term satisfaction", "recsim-satisfaction", "RecSim")
SARDINE = Player("SARDINE SlateTopK-Bored-v0", "sardine", "SARDINE")
CONTESTS = (
    Contest("interest evolution", 10, 100,
            (INTEREST, ours("InterestEvolution"), ours("Feed"), ours("InterestEvolution", 1)),
            TARGET),
    Contest("interest evolution as RecSim has it", 3, 10,
            (INTEREST, ours("InterestEvolution"), ours("InterestEvolution", 1))),
    Contest("long-term satisfaction", 1, 10, (SATISFACTION, ours("ChocKale"))),
    Contest("slates of a catalogue, SARDINE's default", 10, 1000, (SARDINE, ours("Feed"))),
    Contest("slates, SARDINE with fewer items", 10, 100, (SARDINE, ours("Feed"))),
    Contest("one item, reco-gym", 1, 100,
            (Player("reco-gym-v1", "recogym", "reco-gym"), ours("Feed"))),
    Contest("one item, SCOPE-RL", 1, 100,
            (Player("recgym RECEnv", "recgym", "SCOPE-RL"), ours("Feed"))),
)  # fmt: skip


class DidNotRun(RuntimeError):
    """A player's process ended before it answered; the message is its last words."""


class Process:
    """A player in a process of its own, which measures itself when asked."""

    def __init__(self, process: subprocess.Popen[str], complaints: IO[str]) -> None:
        self.process = process
        self.complaints = complaints
        self.answer()  # ready

    def answer(self) -> str:
        """Its next line."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            self.process.wait()
            self.complaints.seek(0)
            raise DidNotRun(reason(self.complaints.read()))
        return line

    def speed(self, seconds: float) -> float:
        """Fetches per CPU-second, here and now."""
        with suppress(BrokenPipeError):  # it ended: the answer says why
            print(seconds, file=self.process.stdin, flush=True)
        fetches, spent = json.loads(self.answer())
        return float(fetches / spent)


@contextmanager
def started(contest: Contest, player: Player, python: str | Path) -> Iterator[Process]:
    """A player's process, warmed up; it ends with the context.

    Raises:
        DidNotRun: its world does not run here.
    """
    numbers = (contest.slate, contest.candidates, player.people)
    script = (str(python), "-P", str(Path(players.__file__)))  # -P: its folder holds no modules
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            [*script, player.kind, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=variables(python),
        ) as process,
    ):
        try:
            yield Process(process, complaints)
        finally:
            process.kill()


def held(
    contest: Contest, theirs: str | Path, mine: str | Path, repetitions: int, seconds: float
) -> list[Row]:
    """The rows of one contest. All take turns, so that they meet the same weather.

    Raises:
        DidNotRun: one of the worlds does not run here.
    """
    reference(1)  # compiled now, if need be
    with ExitStack() as stack:
        at_work = [
            stack.enter_context(started(contest, player, theirs if player.peer else mine))
            for player in contest.players
        ]
        speeds: list[list[float]] = [[] for _ in at_work]
        beside = []
        for _ in range(repetitions):
            beside.append(reference())
            for speed, process in zip(speeds, at_work, strict=True):
                speed.append(process.speed(seconds))
    return rows_of(contest, speeds, statistics.median(beside))


def rows_of(contest: Contest, speeds: Sequence[Sequence[float]], beside: float) -> list[Row]:
    """A row a player, then a row for each of ours over theirs, turn by turn."""
    rows = [
        Row(player.name, "fetches/s", tuple(speed), reference=beside)
        for player, speed in zip(contest.players, speeds, strict=True)
    ]
    theirs = contest.players[0]
    for player, speed in zip(contest.players[1:], speeds[1:], strict=True):
        ratios = tuple(mine / other for mine, other in zip(speed, speeds[0], strict=True))
        target = contest.target if player.people > 1 else None
        rows.append(Row(f"{player.kind} x{player.people} over {theirs.peer}", "x", ratios, target,
                        "more"))  # fmt: skip
    return rows
