"""Small multiples: who is hurt, what the policies do, and how they learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from longplay.experiments.report.figures import (
    NARROW,
    WIDE,
    Box,
    Figure,
    css,
    dashes,
    important,
    short,
)
from longplay.experiments.report.findings import Findings, Row
from longplay.experiments.report.svg import Canvas, Point, Scale, nice_ticks, spread, text_width
from longplay.experiments.report.wording import percent
from longplay.experiments.stats import Columns, Floats

Line = list[Point]  # points (x, y) in data units
BINS = 57  # of the distribution of changes; odd: the middle one holds no change
POINTS = 120  # of a curve at most; longer ones are averaged over windows


def means_by(keys: Sequence[Floats], y: Floats) -> dict[tuple[float, ...], float]:
    """Mean of y for each combination of keys, in order."""
    groups: dict[tuple[float, ...], list[float]] = {}
    for key, value in zip(zip(*(k.tolist() for k in keys), strict=True), y.tolist(), strict=True):
        groups.setdefault(key, []).append(value)
    return {key: math.fsum(values) / len(values) for key, values in sorted(groups.items())}


def thinned(line: Line) -> Line:
    """At most POINTS points: means over windows of equal length."""
    if len(line) <= POINTS:
        return line
    return [
        (float(part[:, 0].mean()), float(part[:, 1].mean()))
        for part in np.array_split(np.array(line), POINTS)
    ]


def numbers(table: Columns, name: str, keep: np.ndarray) -> Floats:
    """A column as floats, of the rows to keep."""
    out: Floats = np.asarray(table[name])[keep].astype(np.float64)
    return out


def grid(panels: int, wide: bool, height: float, columns: int) -> tuple[Canvas, list[Box]]:
    """A canvas with a box for each panel, room for its title and axes left free."""
    columns = min(columns, panels) if wide else 1
    width = WIDE if wide else NARROW
    step = width / columns
    lines = math.ceil(panels / columns)
    boxes = [
        (
            step * (i % columns) + 50,
            height * (i // columns) + 44,
            step * (i % columns + 1) - 14,
            height * (i // columns + 1) - 52,
        )
        for i in range(panels)
    ]
    return Canvas(width, height * lines), boxes


# --- who is hurt ---------------------------------------------------------------------------


def hurt(found: Findings) -> Figure | None:
    """Distribution of each user's change against the baseline; None without a baseline."""
    rows = [row for row in found.contenders if row.hurt is not None]
    if found.baseline is None or not rows:
        return None
    base = found.baseline.name
    said = "; ".join(f"{row.name}: {percent(row.hurt.worse)} worse off" for row in rows if row.hurt)
    return Figure.draw(
        "hurt",
        "Who is hurt",
        f"Each user's satisfied days minus the same user's under {base}, with the same luck: share "
        "of users by change, each row on its own height; what lies beyond counts into the last "
        "bars; the dark line is the median. Part of a change is chance that a policy sets off, not "
        "harm that it does.",
        f"Distributions of changes in satisfied days against {base}. {said}.",
        lambda wide: _hurt(found, rows, wide),
    )


def _hurt(found: Findings, rows: Sequence[Row], wide: bool) -> Canvas:
    step, top = (66.0, 26.0) if wide else (84.0, 26.0)
    bottom = top + step * len(rows)
    canvas = Canvas(WIDE if wide else NARROW, bottom + 46)
    left, right = (190.0, WIDE - 190.0) if wide else (10.0, NARROW - 10.0)
    changes = [found.change(row).ravel() for row in rows]
    low, high = np.quantile(np.concatenate(changes), [0.002, 0.998])
    reach = max(-float(low), float(high), 1e-6)
    base_name = short(found.baseline.name, 120.0) if found.baseline else ""
    xs = Scale(-reach, reach, left, right)
    canvas.x_axis(
        xs, bottom, f"change in satisfied days against {base_name}", top, 8 if wide else 4
    )
    edges = np.linspace(-reach, reach, BINS + 1)
    for i, (row, change) in enumerate(zip(rows, changes, strict=True)):
        base = top + step * (i + 1)
        share = np.histogram(np.clip(change, -reach, reach), edges)[0] / len(change)
        _ridge(canvas, share, edges, xs, base, step - (14 if wide else 30))
        assert row.hurt is not None
        worse, better = percent(row.hurt.worse), percent(row.hurt.better)
        strong = " strong" if row is found.leader else ""
        if wide:
            canvas.text((0, base - 24), short(row.name, 175), "name" + strong)
            canvas.text((0, base - 7), f"worse {worse}", "worse-text")
            canvas.text((right + 16, base - 7), f"better {better}", "better-text")
        else:
            canvas.text((left, base - step + 20), short(row.name, 130), "name halo" + strong)
            canvas.text((left, base - step + 36), f"worse {worse}", "worse-text halo")
            canvas.text((right, base - step + 20), f"better {better}", "better-text halo", "end")
        canvas.line((left, base), (right, base), "axis")
        middle = float(np.median(change))
        canvas.line(
            (xs(middle), base), (xs(middle), base - step + 20), "median", f"median {middle:.2f}"
        )
    canvas.line((xs(0), top), (xs(0), bottom), "zero")
    return canvas


def _ridge(
    canvas: Canvas, share: Floats, edges: Floats, xs: Scale, base: float, height: float
) -> None:
    """A histogram on a base line: left of zero in the colour of loss, right of it of gain."""
    most = float(np.sort(share)[-2:].mean()) or 1.0  # a pile at zero must not flatten the rest
    for value, a, b in zip(share, edges, edges[1:], strict=False):
        if value > 0:
            side = "same" if a < 0 < b else "worse" if b <= 0 else "better"
            y = base - height * min(float(value) / most, 1.0)
            canvas.rect((xs(a) + 0.4, base), (xs(b) - 0.4, y), side, f"{100 * value:.1f} %")


# --- learning --------------------------------------------------------------------------------


def curves(found: Findings) -> Figure | None:
    """Training curves, an agent a panel; None when nothing was logged."""
    table = found.data.curves
    if table is None or not len(table["agent"]):
        return None
    names = np.asarray(table["agent"]).astype(str)
    finite = np.isfinite(np.asarray(table["value"], np.float64))
    by_agent: list[tuple[Row, dict[int, Line]]] = []
    for row in found.rows:
        keep = (names == row.name) & finite
        if keep.any():
            by_agent.append((row, _by_seed(table, keep)))
    if not by_agent:
        return None
    said = "; ".join(
        f"{row.name} from {_edge(seeds, 0):.3g} to {_edge(seeds, -1):.3g}"
        for row, seeds in by_agent
    )
    return Figure.draw(
        "curves",
        "How they learned",
        "What each agent was trained on, against decisions: thin lines are seeds, the thick line "
        "their mean. Each panel has a scale of its own; it is the agent's own reward while it "
        "explores, not the value above.",
        f"Training curves. {said}.",
        lambda wide: _curves(by_agent, wide),
    )


def _by_seed(table: Columns, keep: np.ndarray) -> dict[int, Line]:
    seed, step, value = (numbers(table, name, keep) for name in ("seed", "step", "value"))
    out: dict[int, Line] = {}
    for (s, x), y in means_by((seed, step), value).items():
        out.setdefault(int(s), []).append((x, y))
    return {s: thinned(line) for s, line in out.items()}


def _edge(seeds: Mapping[int, Line], at: int) -> float:
    return float(np.mean([line[at][1] for line in seeds.values()]))


def _mean_line(seeds: Mapping[int, Line]) -> Line:
    """Mean over seeds on a common grid, as far as all seeds reach."""
    low = max(line[0][0] for line in seeds.values())
    high = min(line[-1][0] for line in seeds.values())
    if len(seeds) < 2 or not high > low:
        return []
    xs = np.linspace(low, high, 80)
    ys = [np.interp(xs, *np.array(line).T) for line in seeds.values()]
    return list(zip(xs.tolist(), np.mean(ys, axis=0).tolist(), strict=True))


def _curves(by_agent: Sequence[tuple[Row, dict[int, Line]]], wide: bool) -> Canvas:
    canvas, boxes = grid(len(by_agent), wide, 240.0, 3)
    for (row, seeds), (left, top, right, bottom) in zip(by_agent, boxes, strict=True):
        points = [point for line in seeds.values() for point in line]
        most = max(x for x, _ in points)
        xs = Scale(0.0, most or 1.0, left, right)
        ys = Scale.around([y for _, y in points], bottom, top, 0.08)
        canvas.text((left - 42, top - 18), short(row.name, right - left), "name")
        canvas.y_axis(ys, left, right, "", 4)
        canvas.x_axis(xs, bottom, "decisions", bottom, 4)
        for line in seeds.values():
            thin = " thin" if len(seeds) > 1 else ""
            canvas.path([(xs(x), ys(y)) for x, y in line], css(row, "curve" + thin))
        mean = _mean_line(seeds)
        if mean:
            canvas.path([(xs(x), ys(y)) for x, y in mean], css(row, "curve"))
    return canvas


# --- behaviour -------------------------------------------------------------------------------


def behaviour(found: Findings) -> Figure | None:
    """What the policies do, a panel per (axis, measure); None when nothing was given."""
    table = found.data.behaviour
    if table is None or not len(table["agent"]):
        return None
    names = np.asarray(table["agent"]).astype(str)
    axis, measure = (np.asarray(table[n]).astype(str) for n in ("axis", "measure"))
    panels: list[tuple[str, str, list[tuple[Row, Line]]]] = []
    for a, m in dict.fromkeys(zip(axis.tolist(), measure.tolist(), strict=True)):
        lines = []
        for row in found.rows:
            keep = (names == row.name) & (axis == a) & (measure == m)
            if keep.any():
                x, y = numbers(table, "x", keep), numbers(table, "y", keep)
                lines.append((row, [(k[0], v) for k, v in means_by((x,), y).items()]))
        if lines:
            panels.append((a, m, lines))
    if not panels:
        return None
    said = "; ".join(
        f"{m} by {a}: "
        + ", ".join(f"{r.name} from {line[0][1]:.3g} to {line[-1][1]:.3g}" for r, line in lines)
        for a, m, lines in panels
    )
    return Figure.draw(
        "behaviour",
        "What the policies do",
        "Averages over all held-out users and seeds, without intervals. Who is still there differs "
        "between policies, so a slope over time mixes what a policy does with whom it has kept.",
        f"What the policies do. {said}.",
        lambda wide: _behaviour(found, panels, wide),
    )


def _behaviour(
    found: Findings, panels: Sequence[tuple[str, str, list[tuple[Row, Line]]]], wide: bool
) -> Canvas:
    canvas, boxes = grid(len(panels), wide, 330.0, 2)
    strong, dash = important(found), dashes(found)
    for (axis, measure, lines), (left, top, right, bottom) in zip(panels, boxes, strict=True):
        room = min(max(text_width(row.name) for row, _ in lines) + 24, 132.0)
        right -= room - 14
        xs = Scale.around([x for _, line in lines for x, _ in line], left, right, 0.03)
        ys = Scale.around([0.0, *(y for _, line in lines for _, y in line)], bottom, top, 0.05)
        ys = Scale(min(0.0, ys.low) if ys.low < -1e-9 and _negative(lines) else 0.0, ys.high,
                   bottom, top)  # fmt: skip
        canvas.text((left - 42, top - 18), measure, "label")
        canvas.y_axis(ys, left, right, "", 5)
        _marks(canvas, lines, xs, bottom, axis)
        ends = spread([ys(line[-1][1]) for _, line in lines], 14.5, top, bottom)
        for (row, line), place in zip(lines, ends, strict=True):
            faint = "" if row.name in strong else "faint"
            points = [(xs(x), ys(y)) for x, y in line]
            canvas.path(points, css(row, "curve", dash[row.name], faint), title=row.name)
            for point, (x, y) in zip(points, line, strict=True):
                canvas.marker(point, "", css(row, "dot", faint), f"{row.name}, {x:g}: {y:.3g}", 2.6)
            canvas.line((right + 2, points[-1][1]), (right + 14, place), css(row, "leader", faint))
            canvas.text((right + 17, place + 4), short(row.name, room - 20),
                        css(row, "mark", faint))  # fmt: skip
    return canvas


def _negative(lines: Sequence[tuple[Row, Line]]) -> bool:
    return any(y < 0 for _, line in lines for _, y in line)


def _marks(
    canvas: Canvas, lines: Sequence[tuple[Row, Line]], xs: Scale, bottom: float, label: str
) -> None:
    """The x axis, with ticks where the data is, if that is a handful of places."""
    places = sorted({x for _, line in lines for x, _ in line})
    ticks = places if len(places) <= 12 else nice_ticks(xs.low, xs.high, 6)
    last = -math.inf
    for tick in ticks:
        x = xs(tick)
        if x - last >= 22:
            canvas.text((x, bottom + 17), f"{tick:g}", "tick", "middle")
            last = x
    canvas.line((xs.start, bottom), (xs.end, bottom), "axis")
    canvas.text(((xs.start + xs.end) / 2, bottom + 36), label, "label", "middle")
