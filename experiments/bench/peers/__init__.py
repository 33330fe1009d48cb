"""Side by side with peers: `python -m longplay.experiments.bench.peers` (`make bench-peers`).

Makes a throw-away environment, installs into it with pip what other simulators have published,
measures theirs and ours in turns, and removes it again. The same slate, the same number of
candidates, random actions drawn beforehand, one thread; fetches (slates shown to one person) per
second of CPU time, new lives included. What cannot be installed or run is named, with the reason
that was found. It needs the network for pip, and takes about three minutes.

What is compared is speed alone: the worlds differ in what they simulate. InterestEvolution and
ChocKale are RecSim's own worlds, so that there the same thing is done; Feed does more.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longplay.experiments.bench.peers.contests import (
    CONTESTS,
    PEERS,
    UNPUBLISHED,
    Contest,
    DidNotRun,
    held,
)
from longplay.experiments.bench.peers.page import page
from longplay.experiments.bench.peers.place import NoNetwork, NotThere, Peer, Place
from longplay.experiments.bench.rows import HEAD, Row
from longplay.experiments.run import environment, write_json

PROGRAM = "python -m longplay.experiments.bench.peers"


@dataclass
class Found:
    """What came of it."""

    versions: dict[str, str] = field(default_factory=dict)  # of the peers that are installed
    missing: dict[str, str] = field(default_factory=dict)  # peer or contest -> why not
    contests: list[tuple[Contest, list[Row]]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For a JSON file."""
        return {
            "peers": self.versions,
            "not_measured": self.missing,
            "not_published_as_packages": UNPUBLISHED,
            "contests": [
                {
                    "about": contest.about,
                    "slate": contest.slate,
                    "candidates": contest.candidates,
                    "rows": [row.as_json() for row in rows],
                }
                for contest, rows in self.contests
            ],
        }


@contextmanager
def folder_for_now() -> Iterator[Path]:
    """A folder that goes when the context ends, also where that is by SIGTERM."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="longplay-peers-") as folder:
            yield Path(folder)
    finally:
        signal.signal(signal.SIGTERM, before)


def install(folder: Path, peers: Sequence[Peer], found: Found) -> Place:
    """Install every peer, or say why not; the place where those are that have contests.

    Raises:
        NoNetwork: pip cannot reach its index, so that none of them can be had.
    """
    shared = Place(folder / "shared")
    for peer in peers:
        place = Place(folder / peer.package) if peer.whole else shared
        try:
            told = found.versions[peer.name] = place.install(peer)
        except NotThere as why:
            told = found.missing[peer.name] = str(why)
        print(f"{peer.name:<14} {peer.package:<12} {told}", flush=True)
    for name, address in UNPUBLISHED.items():
        print(f"{name:<14} {'no package':<12} {address}")
    return shared


def contend(place: Place, found: Found, repetitions: int, seconds: float) -> None:
    """Hold every contest of those that are there."""
    print(f"\n{HEAD}")
    for contest in CONTESTS:
        if contest.players[0].peer not in found.versions:
            continue
        title = f"{contest.about}, {contest.slate} of {contest.candidates}"
        print(f"\n{title}", flush=True)
        try:
            rows = held(contest, place.python, sys.executable, repetitions, seconds)
        except DidNotRun as why:
            found.missing[title] = f"it does not run: {why}"
            print(found.missing[title])
            continue
        found.contests.append((contest, rows))
        for row in rows:
            print(row, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; write page and JSON. 2: pip cannot reach its index."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Speed beside other simulators.")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"), metavar="FOLDER",
                        help="for peers-speed.md and peers-speed.json (runs/peers)")  # fmt: skip
    parser.add_argument("--repetitions", type=int, default=7, help="turns of every world (7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU-seconds of a turn (1)")
    parser.add_argument("--large", action="store_true", help="try what takes gigabytes, too")
    asked = sys.argv[1:] if arguments is None else [*arguments]
    options = parser.parse_args(asked)
    if options.repetitions < 1 or not options.seconds > 0.0:
        parser.error("--repetitions and --seconds must be more than 0.")
    about = environment([*PROGRAM.split(), *asked])
    machine = about["machine"]
    print(f"{machine['processor']}, {machine['cpus']} cores, {machine['system']}\n")
    found = Found()
    with folder_for_now() as folder:
        peers = [peer for peer in PEERS if options.large or not peer.large]
        try:
            place = install(folder, peers, found)
        except NoNetwork:
            print(
                "bench-peers installs the peers with pip, and pip cannot reach its index: "
                "go online, or point pip to an index you can reach (PIP_INDEX_URL).",
                file=sys.stderr,
            )
            return 2
        contend(place, found, options.repetitions, options.seconds)
    print("\nfetches/s: slates shown to one person, per CPU-second; xN: N people side by side.")
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / "peers-speed.json", about | found.as_json())
    told = page(about, found.versions, found.missing, found.contests, options.seconds)
    (options.out / "peers-speed.md").write_text(told, encoding="utf-8")
    print(f"written: {options.out / 'peers-speed.md'}, peers-speed.json")
    return 0
