"""Cost against scale: `python -m longplay.experiments.bench.scale` (`make bench-scale`).

How much CPU time a user-day takes, against the number of users (10^3 .. 10^7), of worker
processes (1, 2), of days, and what a fetch takes against its slate and its candidates; fitted
curves; and what they say about a billion people, with every assumption. Ten million people are
walked for a week, in blocks, in bounded memory. By its parts the whole is about 500 s of CPU time,
most of it those ten million: five to six minutes on two idle cores.

    python -m longplay.experiments.bench.scale --out docs     (the page in docs/scale.md)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from longplay.experiments.bench.scale.curves import Sizes, fit_curves, measured
from longplay.experiments.bench.scale.page import HORIZONS, as_json, cpu_hours, page
from longplay.experiments.bench.scale.picture import figure
from longplay.experiments.run import environment, write_json

PROGRAM = "python -m longplay.experiments.bench.scale"


def main(arguments: Sequence[str] | None = None, sizes: Sizes | None = None) -> None:
    """Measure, print, fit, and write page, figure and JSON."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Cost against scale.")
    parser.add_argument("--out", type=Path, default=Path("runs/scale"), metavar="FOLDER",
                        help="for scale.md, scale.svg, scale.json (runs/scale)")  # fmt: skip
    asked = sys.argv[1:] if arguments is None else [*arguments]
    options = parser.parse_args(asked)
    options.out.mkdir(parents=True, exist_ok=True)
    sizes = sizes or Sizes()
    about = environment([*PROGRAM.split(), *asked])
    print(f"{about['machine']['processor']}, {about['machine']['cpus']} cores\n")
    found = measured(sizes, lambda line: print(line, flush=True))
    fits = fit_curves(sizes, found)
    write_json(options.out / "scale.json", about | as_json(sizes, found, fits))
    (options.out / "scale.svg").write_text(figure(found, fits), encoding="utf-8")
    (options.out / "scale.md").write_text(page(about, sizes, found, fits), encoding="utf-8")
    print(f"\na billion people for {HORIZONS[-1]:g} days: "
          f"{cpu_hours(fits, 'bench', HORIZONS[-1]).mid:.1f} CPU-hours (bench)")  # fmt: skip
    print(f"written: {options.out / 'scale.md'}, scale.svg, scale.json")
