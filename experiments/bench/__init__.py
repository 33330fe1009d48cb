"""Speed and memory, measured where you are: `python -m longplay.experiments.bench`.

Each row is a figure with its target beside it: the median of several repetitions, and their
range. Throughput is counted per second of CPU time on one thread, with random actions drawn
beforehand and everything else included (candidates, decoding, the step, next lives,
observations, infos); nothing is timed before it was compiled.

CPU time still depends on what else the machine does, above all on who shares its caches: the
same code has been seen to run half as fast again on the other core. So a loop that looks up
random places of a large table runs beside every repetition, and its speed is the row's
*reference*: of two figures taken at the same reference, the difference is ours.

    python -m longplay.experiments.bench --json bench.json     (`make bench`)
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from longplay.experiments.bench.processes import memory, start_up
from longplay.experiments.bench.rewards import rewards
from longplay.experiments.bench.rows import HEAD, Row, Sizes
from longplay.experiments.bench.steps import adload, feed, one_user, two_threads, vecenv
from longplay.experiments.run import environment, write_json

PARTS = (adload, feed, two_threads, one_user, vecenv, rewards, memory, start_up)


def report(rows: Sequence[Row], began: Sequence[float] | None) -> dict[str, Any]:
    """Everything, for a JSON file: the machine, its load at the start, the rows."""
    about = environment(["python", "-m", "longplay.experiments.bench"])
    return about | {
        "load_average": None if began is None else list(began),
        "reference_unit": "million random look-ups in 16 MB per CPU-second",
        "rows": [row.as_json() for row in rows],
    }


def measured(sizes: Sizes) -> Iterator[Row]:
    """All rows, each as soon as it is known."""
    for part in PARTS:
        yield from part(sizes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; write the JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m longplay.experiments.bench", description="Speed and memory of the worlds."
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures there")
    options = parser.parse_args(arguments)
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no folder {options.json.parent}; make it.")
    began = os.getloadavg() if hasattr(os, "getloadavg") else None
    about = environment([])
    versions, machine = about["versions"], about["machine"]
    print(f"{machine['processor']}, {machine['cpus']} cores, {machine['system']}")
    print(", ".join(f"{k} {versions[k]}" for k in ("python", "numba", "numpy", "gymnasium")))
    if began is not None:
        print(f"load average at the start {began[0]:.1f}")
    print(f"\n{HEAD}")
    rows = []
    for row in measured(Sizes()):
        rows.append(row)
        print(row, flush=True)
    print("\nreference: million random look-ups in 16 MB per CPU-second, of a loop run beside.")
    if options.json is not None:
        write_json(options.json, report(rows, began))
        print(f"written: {options.json}")
