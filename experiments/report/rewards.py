"""What was asked for: the reward that learners were paid by, part by part, as small multiples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from longplay.experiments.report.figures import NARROW, WIDE, Figure, css, kind, short
from longplay.experiments.report.findings import Findings, Row
from longplay.experiments.report.svg import Canvas, Scale, text_width
from longplay.experiments.report.wording import inline
from longplay.experiments.stats import Interval

COLUMNS = 3  # panels side by side on a desk
WHOLE = "reward"  # title of the panel of the sum
STEP = 24.0  # height of a row [px]
HEAD, FOOT = 34.0, 50.0  # room above and below the rows of a panel [px]
GAP = 26.0  # between panels side by side [px]

Panels = Mapping[str, Sequence[Interval]]  # title -> an interval for each row


def parts(found: Findings) -> Figure | None:
    """The reward of each agent and its parts, a panel each; None in a run without its own."""
    rows = found.by_reward
    if not rows:
        return None
    panels: dict[str, Sequence[Interval]] = {WHOLE: [r.reward for r in rows if r.reward]}
    if len(rows[0].parts) > 1:
        panels |= {part: [row.parts[part] for row in rows] for part in rows[0].parts}
    said = "; ".join(
        f"{row.name} "
        + ", ".join(f"{title} {inline(intervals[i])}" for title, intervals in panels.items())
        for i, row in enumerate(rows)
    )
    return Figure.draw(
        "reward",
        "What was asked for",
        f"The reward of this run: {found.data.reward}. A user's sum over the study, discounted by "
        f"calendar, weights included: mean with 95 % interval, most reward first, each panel on a "
        f"scale of its own. {_who_was_paid(rows)} Who wins is judged by value all the same.",
        f"Small multiples of the reward and its parts. {said}.",
        lambda wide: _parts(found, rows, panels, wide),
    )


def _who_was_paid(rows: Sequence[Row]) -> str:
    paid = [row.name for row in rows if row.agent.paid]
    return f"Learnt from it: {', '.join(paid) or 'nobody'}."


def _parts(found: Findings, rows: Sequence[Row], panels: Panels, wide: bool) -> Canvas:
    names = max(text_width(row.name) for row in rows)
    margin = min(max(names + 16, 70.0), 170.0 if wide else 120.0)
    across = min(COLUMNS, len(panels)) if wide else 1
    height = HEAD + STEP * len(rows) + FOOT
    width = WIDE if wide else NARROW
    room = (width - margin - 10 - GAP * (across - 1)) / across
    canvas = Canvas(width, height * math.ceil(len(panels) / across))
    for i, (title, intervals) in enumerate(panels.items()):
        left = margin + (room + GAP) * (i % across)
        top = height * (i // across) + HEAD
        if i % across == 0:
            for j, row in enumerate(rows):
                strong = " strong" if row is found.leader else ""
                at = (margin - 12, top + STEP * (j + 0.5) + 4)
                canvas.text(at, short(row.name, margin - 12), "name" + strong, "end")
        _panel(canvas, title, rows, intervals, (left, top, left + room))
    return canvas


def _panel(
    canvas: Canvas,
    title: str,
    rows: Sequence[Row],
    intervals: Sequence[Interval],
    place: tuple[float, float, float],
) -> None:
    """One part: a row an agent; place is left, top, right [px]."""
    left, top, right = place
    bottom = top + STEP * len(rows) + 4
    ends = [end for x in intervals for end in (x.low, x.mean, x.high)]
    xs = Scale.around(ends, left, right, 0.06)
    canvas.text((left, top - 12), short(title, right - left), "label")
    canvas.x_axis(xs, bottom, "per user", top, 4)
    if xs.low < 0.0 < xs.high:
        canvas.line((xs(0.0), top), (xs(0.0), bottom), "zero")
    for j, (row, x) in enumerate(zip(rows, intervals, strict=True)):
        y = top + STEP * (j + 0.5)
        says = f"{row.name}, {title}: {inline(x)}"
        canvas.line((xs(x.low), y), (xs(x.high), y), css(row, "whisker"), says)
        canvas.marker((xs(x.mean), y), kind(row), css(row, "dot"), says)
