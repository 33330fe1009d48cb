"""Simulated figures that are kept: every simulation of a calibration is done once.

`evaluations.jsonl` holds one line a simulation, appended as soon as it is done:

    {"key": "<hash>", "users": 134, "plays": 2283853, "sessions": ..., "scalars": {...},
     "profiles": {...}, "counts": {...}}

The key is a hash over every parameter of the world, the simulator's settings and the sources of
the code, so that a figure is found again only for exactly what gave it. Numbers are written so
that they come back bit for bit; unknown ones are null. A kill can only leave the last line
unfinished, and such a line is taken off.
"""

import hashlib
import json
import math
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from longplay.envs.compiled import ROOM, sources_hash
from longplay.envs.files import page_of
from longplay.envs.scenarios import World
from longplay.experiments.fitting.playlog import Figures
from longplay.experiments.run import Refused

Simulate = Callable[[World], Figures]


def code_hash() -> str:
    """A hash of the sources that figures depend on: the worlds, and this folder."""
    fitting = sources_hash(ROOM.parent / "experiments" / "fitting")
    return f"{sources_hash()}-{fitting}"


def key_of(world: World, settings: Mapping[str, Any]) -> str:
    """A hash of a world's numbers, whatever its name, and of the settings."""
    page = {k: v for k, v in page_of(world).items() if k not in ("name", "about")}
    text = json.dumps([page, dict(settings)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Evaluations:
    """The simulations of one folder, kept in a file; safe to use from several threads.

    Args:
        path: of the file; made if it is not there.
        code: hash of the sources; see `code_hash`.
        watch: told after every evaluation whether it was simulated anew.

    Raises:
        Refused: a line before the last one cannot be read.
    """

    def __init__(
        self, path: Path, code: str, watch: Callable[[bool], None] = lambda fresh: None
    ) -> None:
        self.path, self.code, self.watch = path, code, watch
        self.kept = _read(path)
        self.lock = threading.Lock()

    def remembered(self, simulate: Simulate, settings: Mapping[str, Any]) -> Simulate:
        """The simulator, asked only for what is not kept yet.

        Args:
            simulate: a world's figures.
            settings: everything the figures depend on beside the world: users, days, seed, ...
        """

        def figures_of(world: World) -> Figures:
            key = key_of(world, {**settings, "code": self.code})
            with self.lock:
                row = self.kept.get(key)
            fresh = row is None
            if row is None:
                row = _row(simulate(world))
                line = json.dumps({"key": key, **row}, allow_nan=False) + "\n"
                with self.lock, self.path.open("a", encoding="utf-8") as file:
                    file.write(line)
                    self.kept[key] = row
            self.watch(fresh)
            return _figures(row)

        return figures_of


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The lines by their keys; an unfinished last line is cut off the file."""
    if not path.exists():
        return {}
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    kept = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            _figures(row)
            kept[row.pop("key")] = row
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refused(
                f"{path} is damaged in line {number}; delete that line and run again with --resume."
            ) from None
    return kept


def _row(told: Figures) -> dict[str, Any]:
    return {
        "users": told.users,
        "plays": told.plays,
        "sessions": told.sessions,
        "scalars": {k: float(v) if math.isfinite(v) else None for k, v in told.scalars.items()},
        "profiles": {k: v.tolist() for k, v in told.profiles.items()},
        "counts": {k: int(v) for k, v in told.counts.items()},
    }


def _figures(row: Mapping[str, Any]) -> Figures:
    return Figures(
        users=row["users"],
        plays=row["plays"],
        sessions=row["sessions"],
        scalars={k: math.nan if v is None else v for k, v in row["scalars"].items()},
        profiles={k: np.array(v, float) for k, v in row["profiles"].items()},
        counts=row["counts"],
    )
