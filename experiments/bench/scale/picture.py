"""One figure: the measured points and the fitted curves, in four panels."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longplay.experiments.bench.scale.curves import SCENARIOS, Curves, Found, lived, per_day
from longplay.experiments.bench.scale.fits import Fit
from longplay.experiments.facts.picture import standing
from longplay.experiments.report.svg import Canvas, Point, Scale, tick_texts

WIDTH, HEIGHT = 460.0, 270.0  # of a panel [px]
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 58.0, 46.0


@dataclass(frozen=True)
class Line:
    """Points and the curve fitted to them."""

    name: str
    points: Sequence[Point]
    curve: Callable[[float], float]


def figure(found: Found, curves: Curves) -> str:
    """The SVG file."""
    canvas = Canvas(2 * WIDTH, 2 * HEIGHT)
    panel(canvas, (0, 0), "CPU time of a user-day [us]", "people", users(found, curves), logs=True)
    panel(canvas, (1, 0), "CPU time of a person [us]", "days watched", lives(found, curves))
    at_slate, at_candidates = fetches(found, curves)
    panel(canvas, (0, 1), "CPU time of a Feed fetch [us]", "slate K", [at_slate])
    panel(canvas, (1, 1), "CPU time of a Feed fetch [us]", "candidates M", [at_candidates])
    return standing(canvas, "Cost against users and workers, days, slate and candidates.")


def users(found: Found, curves: Curves) -> list[Line]:
    """A line a number of workers."""
    lines = []
    for workers, fit in curves.users.items():
        mine = [point for point in found.walks if point[1][0].workers == workers]

        def curve(people: float, fit: Fit = fit, per: float = workers / mine[0][0].days) -> float:
            return fit.at(1.0, 1e6 * per / people).mid

        points = [(float(job.users), per_day(job, walks)) for job, walks in mine]
        many = f"{workers} worker{'s' if workers > 1 else ''}"
        lines.append(Line(f"{many}, {fit.rate('start').mid:.2f} s to start", points, curve))
    return lines


def lives(found: Found, curves: Curves) -> list[Line]:
    """A line a scenario."""

    def curve(scenario: str) -> Callable[[float], float]:
        return lambda days: curves.lives[scenario].at(1.0, days).mid

    return [
        Line(
            scenario,
            [(job.days, lived(job, ws)) for job, ws in found.lives if job.scenario == scenario],
            curve(scenario),
        )
        for scenario in SCENARIOS
    ]


def fetches(found: Found, curves: Curves) -> tuple[Line, Line]:
    """Against the slate and against the candidates, the other as it is most often."""
    shown = _most([slate for slate, _, _ in found.fetches])
    offered = _most([candidates for _, candidates, _ in found.fetches])
    middle = [(k, m, statistics.median(costs)) for k, m, costs in found.fetches]
    return (
        Line(f"M = {offered}", [(k, cost) for k, m, cost in middle if m == offered],
             lambda slate: curves.fetch.at(1.0, slate, offered).mid),
        Line(f"K = {shown}", [(m, cost) for k, m, cost in middle if k == shown],
             lambda candidates: curves.fetch.at(1.0, shown, candidates).mid),
    )  # fmt: skip


def _most(numbers: Sequence[int]) -> int:
    return max(sorted(set(numbers)), key=numbers.count)


def panel(
    canvas: Canvas,
    place: tuple[int, int],
    title: str,
    label: str,
    lines: Sequence[Line],
    logs: bool = False,
) -> None:
    """Points and curves over common axes, both logarithmic where asked."""
    warp: Callable[[float], float] = math.log10 if logs else float
    unwarp: Callable[[float], float] = (lambda x: 10.0**x) if logs else float
    x0, y0 = WIDTH * place[0], HEIGHT * place[1]
    left, right, top, bottom = x0 + LEFT, x0 + WIDTH - RIGHT, y0 + TOP, y0 + HEIGHT - BOTTOM
    points = [point for line in lines for point in line.points]
    floor = [] if logs else [0.0]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    steps = [unwarp(warp(low) + (warp(high) - warp(low)) * i / 60) for i in range(61)]
    curves = [[(x, line.curve(x)) for x in steps] for line in lines]
    curves = [[(x, y) for x, y in curve if y > 0.0 or not logs] for curve in curves]
    drawn = [*points, *(place for curve in curves for place in curve)]
    across = Scale.around([*(warp(x) for x, _ in drawn), *floor], left, right, 0.03)
    up = Scale.around([*(warp(y) for _, y in drawn), *floor], bottom, top, 0.06)
    canvas.text((x0 + 4, y0 + 18), title, "label")
    axes(canvas, across, up, label, unwarp)
    at = left
    for number, (line, curve) in enumerate(zip(lines, curves, strict=True)):
        colour = f"c{number}"
        canvas.path([(across(warp(x)), up(warp(y))) for x, y in curve], colour)
        for x, y in line.points:
            canvas.marker((across(warp(x)), up(warp(y))), "point", colour, f"{x:g}: {y:.3g}", 3.6)
        canvas.marker((at + 6, y0 + 38), "point", colour, size=3.6)
        canvas.text((at + 14, y0 + 42), line.name)
        at += (right - left) / len(lines)


def axes(
    canvas: Canvas, across: Scale, up: Scale, label: str, unwarp: Callable[[float], float]
) -> None:
    """Grid, ticks and the label under them; round numbers on logarithmic axes, too."""
    logs = unwarp is not float
    for scale, is_x in ((across, True), (up, False)):
        ticks = _round_powers(scale) if logs else scale.ticks(6)
        texts = [_power(tick) for tick in ticks] if logs else tick_texts(ticks)
        for tick, text in zip(ticks, texts, strict=True):
            if is_x:
                canvas.line((scale(tick), up.end), (scale(tick), up.start), "grid")
                canvas.text((scale(tick), up.start + 16), text, "tick", "middle")
            else:
                canvas.line((across.start, scale(tick)), (across.end, scale(tick)), "grid")
                canvas.text((across.start - 6, scale(tick) + 4), text, "tick", "end")
    canvas.line((across.start, up.start), (across.end, up.start), "axis")
    canvas.text(((across.start + across.end) / 2, up.start + 34), label, "label", "middle")


def _round_powers(scale: Scale) -> list[float]:
    """Logarithms of 1, 10, 100 .. on the scale; of 2 and 5 times them, too, where it is short."""
    parts = (1.0,) if scale.high - scale.low > 2.5 else (1.0, 2.0, 5.0)
    whole = range(math.floor(scale.low), math.ceil(scale.high) + 1)
    ticks = [power + math.log10(part) for power in whole for part in parts]
    return [tick for tick in ticks if scale.low <= tick <= scale.high]


def _power(exponent: float) -> str:
    """Ten to so many, as people write it."""
    size = 10.0**exponent
    for unit, mark in ((1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{size / unit:g}{mark}"
    return f"{size:g}"
