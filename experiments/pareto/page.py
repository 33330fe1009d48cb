"""A Pareto front, told and drawn.

    longplay compare --preset demo --out runs/demo
    python -m longplay.experiments.pareto.page runs/demo --figure front.svg

Reads the tables of one run of `longplay compare`; `pareto` says what is computed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.paired import Panel
from longplay.experiments.pareto import PARTS, Exchange, Front, Member, front_of


def page(front: Front) -> str:
    """The front as Markdown."""
    words = [part.replace("_", " ") for part in front.parts]
    linear = ["linear"] if len(words) == 2 else []
    lines = [
        "| on the front | " + " | ".join([*words, "of redrawn studies", *linear]) + " |",
        "|---|" + "---:|" * (len(words) + 1 + len(linear)),
    ]
    for member in sorted((m for m in front.members if m.front), key=lambda m: m.means[0].mean):
        cells = [*map(str, member.means), f"{100 * member.share:.0f} %"]
        cells += ["yes" if member.linear else "no"] if linear else []
        lines.append(f"| {member.name} | " + " | ".join(cells) + " |")
    for where, steps in (("front", front.exchanges), ("hull", front.prices)):
        if steps:
            head = f"| along the {where}, from | to | {words[0]} for one of {words[1]} |"
            lines += ["", head, "|---|---|---:|"]
            lines += [f"| {x.start} | {x.end} | {x.rate} |" for x in steps]
    at = ", ".join(f"{x:g}" for x in front.reference)
    lines += ["", f"Hypervolume above ({at}): {front.volume}. Expected utility: {front.utility}."]
    return "\n".join(lines) + "\n"


def picture(front: Front, labels: Sequence[str] | None = None) -> str:
    """A front of two parts as SVG: policies, intervals, and the exchange rates on its hull.

    Args:
        front: of two parts.
        labels: of the two axes; None takes the names of the parts.
    """
    if len(front.parts) != 2:
        raise ValueError(f"a front of {len(front.parts)} parts cannot be drawn; take two of them")
    first, second = (part.replace("_", " ") for part in front.parts)
    words = labels or [f"{first} per user", f"{second} per user"]
    rest = [m for m in front.members if not m.front]
    best = sorted((m for m in front.members if m.front), key=lambda m: m.means[0].mean)
    hull = [m for m in best if m.linear]
    curves = [
        Curve("front", *_places(best), colour=0),
        Curve("hull", *_places(hull), dashed=True, colour=3),
    ]
    for member in best:
        a, b = member.means
        curves.append(Curve("", [a.low, a.high], [b.mean, b.mean], colour=2))
        curves.append(Curve("", [a.mean, a.mean], [b.low, b.high], colour=2))
    curves.append(Curve("on it, with intervals", *_places(best), points=True, colour=2))
    if rest:
        curves.append(Curve("dominated", *_places(rest), points=True, colour=1))
    at = {m.name: [x.mean for x in m.means] for m in best}
    notes = []
    for i, x in enumerate(front.prices, 1):
        (x0, y0), (x1, y1) = at[x.start], at[x.end]
        notes.append(((x0 + x1) / 2, (y0 + y1) / 2, f"{i}"))
    told = [f"{i}: {_short(x)}" for i, x in enumerate(front.prices, 1)]
    head = [f"{first} for one of {second}"] if told else []
    alt = f"Front of {words[0]} and {words[1]}. {' '.join([*head, *told])}"
    return chart(alt, words[0], words[1], curves, notes=notes, corner=[*head, *told])


def _short(x: Exchange) -> str:
    """Two digits are enough in a picture."""
    rate = f"{x.rate.mean:.2g} [{x.rate.low:.2g}, {x.rate.high:.2g}]"
    return f"{x.start} to {x.end}: {rate}"


def _places(members: Sequence[Member]) -> tuple[list[float], list[float]]:
    return [m.means[0].mean for m in members], [m.means[1].mean for m in members]


def main() -> int:
    """Print the front of a run, and draw it."""
    asked = argparse.ArgumentParser(description="The Pareto front of a run of longplay compare.")
    asked.add_argument("run", type=Path, help="folder of a run of longplay compare")
    asked.add_argument("--parts", nargs="+", default=list(PARTS), help="columns of its metrics")
    asked.add_argument("--figure", type=Path, help="SVG file to write, of two parts")
    given = asked.parse_args()
    file = given.run / "metrics.parquet"
    if not file.exists():
        print(f"{given.run} holds no metrics.parquet; name a finished run", file=sys.stderr)
        return 2
    import polars as pl

    table = pl.read_parquet(file)
    try:
        columns = {name: table[name].to_numpy() for name in table.columns}
        front = front_of(Panel.of(columns, given.parts), given.parts)
        if given.figure is not None:
            given.figure.write_text(picture(front), encoding="utf-8")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(page(front), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
