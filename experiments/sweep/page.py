"""The page of a sweep: one picture, the metric against each setting that varied, and one table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from longplay.experiments.report.figures import NARROW, WIDE, Figure, short
from longplay.experiments.report.shell import Page, write_html
from longplay.experiments.report.svg import Canvas, Scale, tick_texts
from longplay.experiments.report.wording import common_digits, inline, mean_and_range
from longplay.experiments.sweep.config import Range, Sweep
from longplay.experiments.sweep.results import Findings, Row, note, short_name, spoken
from longplay.experiments.sweep.trial import FAILED, shown

MOST_PANELS = 8
MOST_ROWS = 200
MOST_KINDS = 6  # numbers of a list that stand side by side; more are put to scale
HEIGHT = 230.0  # of a panel [px]


def write_page(folder: Path, found: Findings) -> Path:
    """Write `folder/report.html`, whole or not at all, and return its path."""
    return write_html(folder, page(found))


def page(found: Findings) -> str:
    """The whole page."""
    config = found.config
    question = (
        f"Which settings make {config.metric} {'large' if config.goal == 'max' else 'small'}?"
    )
    task = config.world.rpartition("/")[2]
    return Page(
        title=f"{question} {task}",
        kicker=f"longplay · {task} · {len(found.rows)} trials ({config.search}) · {config.seeds} "
        f"seeds of {config.users} people each",
        question=question,
        headline=found.answer(),
        details=how_to_read(found),
        body=[section(found), table(found), made(found)],
        footer="Written by longplay from the trials beside this file.",
    ).html()


def how_to_read(found: Findings) -> list[str]:
    """What the numbers are."""
    said = [
        f"A trial's {found.config.metric} is the mean over its seeds' people, with its 95 % "
        "interval over people and seeds. All trials meet the same people with the same luck, so "
        "two trials differ more surely than their intervals look.",
    ]
    if found.winner is not None:
        said.append(
            "The best of many looks better than it is. It was therefore trained once more, with "
            "seeds that no trial used, and judged on people that no trial met: that number is fair."
        )
    if any(row.status == "stopped" for row in found.rows):
        said.append("Trials that were stopped early stand hollow, at what they had come to.")
    return said


def section(found: Findings) -> str:
    """The picture with its heading."""
    names = panels_of(found.config)
    if not names:
        return ""
    alt = "; ".join(f"{spoken(row.params)}: {inline(row.metric)}" for row in found.ranked[:10])
    figure = Figure.draw(
        "settings",
        "What each setting does",
        f"{found.config.metric} of each trial against each setting that varied, with its interval; "
        "the best trial is ringed.",
        f"{found.config.metric} by setting, best first. {alt}.",
        lambda wide: picture(found, names, wide),
    )
    return (
        f'<section id="{figure.key}"><h2>{escape(figure.title)}</h2><figure><figcaption>'
        f"{escape(figure.caption)}</figcaption>{figure.wide}{figure.narrow}</figure></section>"
    )


def panels_of(config: Sweep) -> list[str]:
    """The settings that get a panel."""
    return config.varied[:MOST_PANELS]


def picture(found: Findings, names: Sequence[str], wide: bool) -> Canvas:
    """A panel for each setting."""
    columns = min(2 if wide else 1, len(names))
    width = (WIDE if wide else NARROW) / columns
    lines = -(-len(names) // columns)
    canvas = Canvas(WIDE if wide else NARROW, HEIGHT * lines)
    for i, name in enumerate(names):
        left, top = width * (i % columns), HEIGHT * (i // columns)
        panel(canvas, found, name, (left + 52, top + 26, left + width - 14, top + HEIGHT - 46))
    return canvas


def panel(
    canvas: Canvas, found: Findings, name: str, box: tuple[float, float, float, float]
) -> None:
    """The metric against one setting."""
    left, top, right, bottom = box
    rows = [row for row in found.rows if row.status != FAILED]
    ends = [x for r in rows for x in (r.metric.low, r.metric.high)]
    up = Scale.around(ends, bottom, top)
    canvas.y_axis(up, left, right, "", 4)
    canvas.text((left - 44, top - 10), found.config.metric, "label")
    across = Axis(found, name, left, right)
    across.draw(canvas, top, bottom)
    for row in sorted(rows, key=lambda row: (row.done, row is found.best)):
        x, y = across(row), up(row.metric.mean)
        canvas.line((x, up(row.metric.low)), (x, up(row.metric.high)), "k-learner whisker thin")
        css = "k-learner dot" if row.done else "k-reference dot"
        canvas.marker((x, y), "learner", css, told(found, row), 4.0)
        if row is found.best:
            canvas.marker((x, y), "learner", "k-learner curve", told(found, row), 8.5)


class Axis:
    """Where the values of a setting lie on a panel: numbers to scale, all else side by side."""

    def __init__(self, found: Findings, name: str, left: float, right: float) -> None:
        self.name = name
        ranged = found.config.over[name]
        values = [row.params[name] for row in found.rows]
        self.kinds: list[str] = []
        if isinstance(ranged, Range):
            self.log = ranged.log
        else:
            values = list(ranged.values)
            plain = all(isinstance(x, int | float) and not isinstance(x, bool) for x in values)
            if not plain or len(values) <= MOST_KINDS:
                self.kinds = [str(shown(value)) for value in values]
            self.log = plain and min(values) > 0 and max(values) >= 20 * min(values)
        places = (
            [-0.5, len(self.kinds) - 0.5] if self.kinds else [self.place(value) for value in values]
        )
        self.scale = Scale.around(places, left, right, 0.0 if self.kinds else 0.06)
        self.right = right
        self.left = left

    def place(self, value: Any) -> float:
        """A value before the scale."""
        if self.kinds:
            return float(self.kinds.index(str(shown(value))))
        return math.log10(value) if self.log else float(value)

    def __call__(self, row: Row) -> float:
        """Where a trial lies; those of one kind stand side by side, by their numbers."""
        x = self.scale(self.place(row.params[self.name]))
        if not self.kinds:
            return x
        room = 0.5 * (self.right - self.left) / len(self.kinds)
        return x + room * ((row.number * 0.618) % 1.0 - 0.5)

    def draw(self, canvas: Canvas, top: float, bottom: float) -> None:
        """The axis with its ticks and its name."""
        for x, text in self.ticks():
            canvas.line((x, top), (x, bottom), "grid")
            canvas.text((x, bottom + 17), text, "tick", "middle")
        canvas.line((self.left, bottom), (self.right, bottom), "axis")
        middle = (self.left + self.right) / 2
        canvas.text((middle, bottom + 36), short_name(self.name), "label", "middle")

    def ticks(self) -> list[tuple[float, str]]:
        """Places and texts."""
        if self.kinds:
            room = (self.right - self.left) / len(self.kinds) - 4
            return [(self.scale(i), short(kind, room)) for i, kind in enumerate(self.kinds)]
        if not self.log:
            ticks = self.scale.ticks(5)
            return list(zip(map(self.scale, ticks), tick_texts(ticks), strict=True))
        low, high = 10**self.scale.low, 10**self.scale.high
        steps = (1,) if high / low > 300 else (1, 3) if high / low > 8 else (1, 2, 5)
        powers = range(math.floor(self.scale.low), math.ceil(self.scale.high) + 1)
        found = [m * 10.0**p for p in powers for m in steps]
        return [(self.scale(math.log10(x)), f"{x:g}") for x in found if low <= x <= high]


def told(found: Findings, row: Row) -> str:
    """A trial in words."""
    said = f"trial {row.number}: {spoken(row.params)}: {found.config.metric} {inline(row.metric)}"
    return said + (f", {note(row)}" if note(row) else "")


def table(found: Findings) -> str:
    """The trials, best first."""
    names = found.config.varied or list(found.config.over)
    heads = "".join(
        f'<th scope="col">{escape(text)}</th>'
        for text in ("trial", *map(short_name, names), found.config.metric, "each seed", "")
    )
    digits = common_digits([row.metric for row in found.ranked])
    rows = []
    for row in found.ranked[:MOST_ROWS]:
        seeds = ", ".join(f"{x:.4g}" for x in row.by_seed)
        mean = " ".join(mean_and_range(row.metric, digits=digits)).strip()
        cells = [*(str(shown(row.params[n])) for n in names), mean, seeds, note(row)]
        body = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{row.number}</th>{body}</tr>')
    left = len(found.rows) - MOST_ROWS
    rest = f'<p class="note">And {left} more in trials.parquet.</p>' if left > 0 else ""
    return (
        '<section id="trials"><h2>Trials, best first</h2><div class="scroll" role="region" '
        'tabindex="0" aria-label="trials"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>{rest}"
        "</section>"
    )


def made(found: Findings) -> str:
    """How it was made."""
    return (
        '<section id="made"><h2>How it was made</h2><dl><dt>command</dt>'
        f"<dd><code>{escape(found.command)}</code></dd></dl></section>"
    )
