"""The report's pictures, each drawn twice: wide for a desk, narrow for a phone.

Shape and colour say what kind of agent it is; whiskers and bands are 95 % intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longplay.experiments.report.findings import Findings, Row
from longplay.experiments.report.svg import Canvas, Point, Scale, spread, text_width, tick_texts
from longplay.experiments.report.wording import (
    amount,
    common_digits,
    inline,
    mean_and_range,
    percent,
)

Box = tuple[float, float, float, float]  # left, top, right, bottom [px]

WIDE, NARROW = 940.0, 372.0  # widths [px]


@dataclass(frozen=True)
class Figure:
    """One picture with its words."""

    key: str
    title: str
    caption: str
    wide: str  # <svg>
    narrow: str  # <svg>

    @classmethod
    def draw(
        cls, key: str, title: str, caption: str, alt: str, picture: Callable[[bool], Canvas]
    ) -> Figure:
        """Draw both versions."""
        wide, narrow = picture(True).render("wide", alt), picture(False).render("narrow", alt)
        return cls(key, title, caption, wide, narrow)


def kind(row: Row) -> str:
    """The shape and colour of an agent."""
    return "reference" if row.agent.privileged else row.agent.kind


def css(row: Row, *more: str) -> str:
    """CSS classes of a mark of this agent."""
    return " ".join((f"k-{kind(row)}", *more))


def short(name: str, room: float) -> str:
    """A name cut to a width."""
    if text_width(name) <= room:
        return name
    while name and text_width(name + "…") > room:
        name = name[:-1]
    return name + "…"


def dashes(found: Findings) -> dict[str, str]:
    """Agent -> dash pattern, so that agents of one kind can be told apart in lines."""
    count: dict[str, int] = {}
    patterns = {}
    for row in found.rows:
        n = count.get(kind(row), 0)
        count[kind(row)] = n + 1
        patterns[row.name] = f"d{n % 4}"
    return patterns


def important(found: Findings) -> set[str]:
    """Agents drawn in full strength where there are many lines."""
    some = [found.leader, found.best_bandit, found.baseline]
    some += [found.row(found.data.myopic), found.row(found.data.oracle)]
    return {row.name for row in some if row is not None}


# --- 1 value ---------------------------------------------------------------------------------


def forest(found: Findings) -> Figure:
    """Value of each agent with its interval; the references as lines."""
    ends = [found.row(found.data.myopic), found.row(found.data.oracle)]
    lines = [row for row in ends if row is not None and row.agent.privileged]
    rows = [row for row in found.rows if row not in lines]
    said = "; ".join(f"{row.name} {inline(row.value)}" for row in found.rows)
    caption = "Value per user, best first: mean with 95 % interval."
    if len(found.panel.seeds) > 1:
        caption += " Small ticks: each seed on its own."
    if lines:
        caption += f" Lines: {' and '.join(r.name for r in lines)}, privileged, with intervals."
    return Figure.draw(
        "value",
        "Who wins in the long run",
        caption,
        f"Forest plot of value per user. {said}.",
        lambda wide: _forest(found, rows, lines, wide),
    )


def _forest(found: Findings, rows: Sequence[Row], lines: Sequence[Row], wide: bool) -> Canvas:
    step, top = 38.0 if wide else 50.0, 40.0 if lines else 8.0
    bottom = top + step * len(rows) + 6
    canvas = Canvas(WIDE if wide else NARROW, bottom + 46)
    names = max((text_width(row.name) for row in rows), default=0.0)
    left = min(max(names + 34, 90.0), 230.0) if wide else 10.0
    right = WIDE - 176 if wide else NARROW - 10
    values = [x for r in (*rows, *lines) for x in (r.value.low, r.value.mean, r.value.high)]
    values += [x for row in rows for x in row.value_by_seed]
    scale = Scale.around(values, left, right)
    _reference_lines(canvas, lines, scale, (top, bottom), right if wide else NARROW)
    canvas.x_axis(scale, bottom, "value per user [money]", top, 7 if wide else 4)
    digits = common_digits([row.value for row in rows])
    for i, row in enumerate(rows):
        y = top + step * (i + 0.5) + (0 if wide else 10)
        mean, interval = mean_and_range(row.value, digits=digits)
        title = f"{row.name}: {mean} {interval}"
        strong = " strong" if row is found.leader else ""
        if wide:
            canvas.text((left - 14, y + 4), short(row.name, 205), "name" + strong, "end")
            canvas.text((WIDE - 112, y + 4), mean, "number" + strong, "end")
            canvas.text((WIDE - 104, y + 4), interval, "tick")
        else:
            name = short(row.name, 170)
            canvas.text((left, y - 14), name, "name halo" + strong)
            place = left + 1.12 * text_width(name) + 10
            canvas.text((place, y - 14), f"{mean} {interval}", "tick halo")
        if len(row.value_by_seed) > 1:
            for value in row.value_by_seed:
                canvas.line((scale(value), y + 6), (scale(value), y + 13), css(row, "seed"))
        canvas.line(
            (scale(row.value.low), y), (scale(row.value.high), y), css(row, "whisker"), title
        )
        canvas.marker((scale(row.value.mean), y), kind(row), css(row, "dot"), title)
    return canvas


def _reference_lines(
    canvas: Canvas, rows: Sequence[Row], scale: Scale, span: Point, edge: float
) -> None:
    """Vertical lines with their intervals as bands; labels on top lean away from each other."""
    ordered = sorted(rows, key=lambda r: r.value.mean)
    digits = common_digits([row.value for row in rows])
    for i, row in enumerate(ordered):
        x = scale(row.value.mean)
        title = f"{row.name}: {inline(row.value)}"
        band = (scale(row.value.low), span[0]), (scale(row.value.high), span[1])
        canvas.rect(*band, css(row, "band"), title)
        canvas.line((x, span[0]), (x, span[1]), css(row, "rule"), title)
        text = f"{row.name} {amount(row.value.mean, digits)}"
        width = text_width(text) * 1.15  # it is set in half-bold
        start = x + 3 if i else x + 3 - width
        start = min(max(start, 0.0), edge - width)
        canvas.text((start, span[0] - 10), text, css(row, "mark"))


# --- 2 trade-off -----------------------------------------------------------------------------


def tradeoff(found: Findings) -> Figure:
    """Satisfied days against revenue, with lines of equal value."""
    said = "; ".join(
        f"{row.name}: revenue {inline(row.means['revenue'])}, satisfied days "
        f"{inline(row.means['satisfied_days'])}"
        for row in found.rows
    )
    rate = f"{found.data.day_value:g}"
    return Figure.draw(
        "tradeoff",
        "What it costs: users against the platform",
        "Satisfied active days against revenue, per user and discounted; whiskers are 95 % "
        f"intervals. Dashed lines join points of equal value at {rate} money per satisfied day: "
        "further to the upper right is worth more.",
        f"Scatter plot of satisfied active days against revenue. {said}.",
        lambda wide: _tradeoff(found, wide),
    )


def _tradeoff(found: Findings, wide: bool) -> Canvas:
    width, height = (WIDE, 470.0) if wide else (NARROW, 400.0)
    canvas = Canvas(width, height)
    left, right, top, bottom = 52.0, width - 14, 34.0, height - 48
    ends = {
        name: [v for r in found.rows for v in (r.means[name].low, r.means[name].high)]
        for name in ("revenue", "satisfied_days")
    }
    xs = Scale.around(ends["revenue"], left, right, 0.09)
    ys = Scale.around(ends["satisfied_days"], bottom, top, 0.09)
    canvas.x_axis(xs, bottom, "revenue per user [money]", top, 7 if wide else 4)
    canvas.y_axis(ys, left, right, "satisfied active days per user", 6)
    taken = _iso_value(canvas, xs, ys, found.data.day_value, 7 if wide else 5)
    spots: list[tuple[Row, Point]] = []
    for row in reversed(found.rows):
        revenue, days = row.means["revenue"], row.means["satisfied_days"]
        x, y = xs(revenue.mean), ys(days.mean)
        title = f"{row.name}: revenue {inline(revenue)}, satisfied days {inline(days)}"
        canvas.line((xs(revenue.low), y), (xs(revenue.high), y), css(row, "whisker thin"))
        canvas.line((x, ys(days.low)), (x, ys(days.high)), css(row, "whisker thin"))
        canvas.marker((x, y), kind(row), css(row, "dot"), title, 6.5)
        taken.append((x - 8, y - 8, x + 8, y + 8))
        taken.append((xs(revenue.low) - 2, y - 2, xs(revenue.high) + 2, y + 2))
        taken.append((x - 2, ys(days.high) - 2, x + 2, ys(days.low) + 2))
        spots.append((row, (x, y)))
    for row, point in reversed(spots):
        strong = " strong" if row is found.leader else ""
        box, far = _free_place(row.name, point, taken, (left, top, right, bottom))
        taken.append(box)
        if far:
            foot = min(max(point[0], box[0]), box[2]), box[1] if box[1] > point[1] else box[3]
            canvas.line(point, foot, css(row, "leader"))
        canvas.text((box[0], box[3] - 3), row.name, "name halo" + strong)
    return canvas


def _free_place(name: str, point: Point, taken: Sequence[Box], frame: Box) -> tuple[Box, bool]:
    """A box for a label: the nearest place around its point that covers little; is it far?"""
    width = text_width(name) * 1.08
    best: tuple[float, Box, bool] | None = None
    for distance in (11.0, 24.0, 40.0, 58.0, 78.0):
        for step in range(16):
            angle = math.pi * (2 * step + 1) / 16  # the first ones are right of the point
            x = point[0] + distance * math.cos(angle)
            y = point[1] - distance * math.sin(angle)
            start = x - width * (0.5 - 0.5 * math.cos(angle))
            box = (start, y - 8, start + width, y + 7)
            covered = sum(
                max(0.0, min(box[2], b[2]) - max(box[0], b[0]))
                * max(0.0, min(box[3], b[3]) - max(box[1], b[1]))
                for b in taken
            )
            outside = (frame[0] - box[0], box[2] - frame[2], frame[1] - box[1], box[3] - frame[3])
            cost = covered + 50 * max(0.0, *outside) + 1.2 * distance
            if best is None or cost < best[0]:
                best = cost, box, distance > 30
    assert best is not None
    return best[1], best[2]


def _iso_value(canvas: Canvas, xs: Scale, ys: Scale, rate: float, about: int) -> list[Box]:
    """Dashed lines revenue + rate * days = constant; returns where their labels are."""
    boxes: list[Box] = []
    if rate <= 0:
        return boxes
    values = Scale(xs.low + rate * ys.low, xs.high + rate * ys.high, 0, 1)
    ticks = values.ticks(about)
    for value, text in zip(ticks, tick_texts(ticks), strict=True):
        # both ends of the line within the frame: at the left or top, at the right or bottom
        upper = min(ys.high, (value - xs.low) / rate)
        lower = max(ys.low, (value - xs.high) / rate)
        if upper - lower < 0.04 * (ys.high - ys.low):
            continue
        a, b = (value - rate * upper, upper), (value - rate * lower, lower)
        start, end = (xs(a[0]), ys(a[1])), (xs(b[0]), ys(b[1]))
        canvas.line(start, end, "iso", f"value {text}")
        at_right = b[0] >= xs.high - 1e-9 * abs(xs.high)
        place = (end[0] - 4, end[1] - 5) if at_right else (end[0] - 5, end[1] - 5)
        canvas.text(place, f"value {text}", "iso-text halo", "end")
        boxes.append(
            (place[0] - text_width(f"value {text}"), place[1] - 11, place[0], place[1] + 3)
        )
    return boxes


# --- 3 retention -----------------------------------------------------------------------------


def retention(found: Findings) -> Figure | None:
    """Share of users active on each day; None when nobody was watched."""
    rows = [row for row in found.rows if any(day > 0 for day in row.retention)]
    if not rows:
        return None
    days = sorted({day for row in rows for day in row.retention})
    said = "; ".join(
        f"{row.name} "
        + ", ".join(f"D{d} {percent(row.retention[d])}" for d in (7, 28, 60) if d in row.retention)
        for row in rows
    )
    return Figure.draw(
        "retention",
        "Who comes back",
        f"Users active on day D1 to D{days[-1]}, counted from each user's first day in the study. "
        "Bands are 95 % intervals, day by day. Full strength: the winner, the best bandit and the "
        "references.",
        f"Line chart of retention. {said}.",
        lambda wide: _retention(found, rows, wide),
    )


def _retention(found: Findings, rows: Sequence[Row], wide: bool) -> Canvas:
    width, height = (WIDE, 420.0) if wide else (NARROW, 380.0)
    canvas = Canvas(width, height)
    room = 150.0 if wide else 92.0
    left, right, top, bottom = 46.0, width - room, 34.0, height - 48
    days = [day for row in rows for day in row.retention if day > 0]
    most = max(row.retention[d].high for row in rows for d in row.retention if d > 0)
    least = min(row.retention[d].low for row in rows for d in row.retention if d > 0)
    floor = 0.0 if least < 0.4 * most else 100 * least * 0.97
    xs, ys = Scale(1, max(days), left, right), Scale(floor, 100 * most * 1.03, bottom, top)
    canvas.y_axis(ys, left, right, "users active [%]", 5)
    for day in (d for d in (1, 7, 14, 21, 28, 35, 42, 49, 56, 60) if d <= max(days)):
        if wide or day in (1, 14, 28, 42, 60):
            canvas.line((xs(day), top), (xs(day), bottom), "grid")
            canvas.text((xs(day), bottom + 17), f"D{day}", "tick", "middle")
    canvas.line((left, bottom), (right, bottom), "axis")
    strong, dash = important(found), dashes(found)
    ordered = sorted(rows, key=lambda r: (r is found.leader, r.name in strong))
    for row in ordered:
        marks = [(day, x) for day, x in row.retention.items() if day > 0]
        faint = "" if row.name in strong else "faint"
        if row.name in strong:
            edge = [(xs(d), ys(100 * x.high)) for d, x in marks]
            edge += [(xs(d), ys(100 * x.low)) for d, x in reversed(marks)]
            canvas.path(edge, css(row, "band"), close=True)
        points = [(xs(d), ys(100 * x.mean)) for d, x in marks]
        canvas.path(points, css(row, "curve", dash[row.name], faint), title=row.name)
    _end_labels(
        canvas,
        [(row, ys(100 * list(row.retention.values())[-1].mean)) for row in ordered],
        right,
        (top, bottom),
        room,
        strong,
    )
    return canvas


def _end_labels(
    canvas: Canvas,
    ends: Sequence[tuple[Row, float]],
    right: float,
    span: tuple[float, float],
    room: float,
    strong: set[str],
) -> None:
    """Names at the ends of lines, pushed apart, each with a thin leader to its line."""
    places = spread([y for _, y in ends], 15.0, *span)
    for (row, y), place in zip(ends, places, strict=True):
        faint = "" if row.name in strong else "faint"
        canvas.line((right + 2, y), (right + 16, place), css(row, "leader", faint))
        canvas.text((right + 19, place + 4), short(row.name, room - 22), css(row, "mark", faint))
