"""The pictures of a calibration's report, each drawn wide and narrow (report/figures.py)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from longplay.experiments.fitting.identify import Identified
from longplay.experiments.fitting.playlog import Floats
from longplay.experiments.fitting.realism import Row
from longplay.experiments.report.figures import NARROW, WIDE, Figure, short
from longplay.experiments.report.svg import Canvas, Scale

EDGE = 0.5  # errors beyond this are drawn at the edge
BANDS = (0.2, 0.1)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WORDS = {
    "learner": "after the fit",
    "fixed": "before it",
    "bandit": "real",
}  # kind of mark -> what it stands for


def legend() -> str:
    """What the marks stand for."""
    items = []
    for kind, words in WORDS.items():
        canvas = Canvas(16, 16)
        canvas.marker((8, 8), kind, f"k-{kind} dot")
        items.append(
            f'<li><svg viewBox="0 0 16 16" aria-hidden="true">{canvas.parts[0]}</svg>{words}</li>'
        )
    return f'<ul class="legend" aria-label="Marks">{"".join(items)}</ul>'


def dots(
    key: str, title: str, rows: Sequence[Row], before: Mapping[str, float], why: str
) -> Figure:
    """Simulated over real for every figure, with bands of 10 and 20 %."""
    caption = (
        f"{why} Relative error of the simulated figure; shaded: within 10 % and 20 %. Grey line: "
        "95 % interval of the real figure, where it is known. Beyond ±50 % marks stand at the edge."
    )
    said = "; ".join(f"{row.name} {100 * row.error:+.0f} %" for row in rows)
    return Figure.draw(
        key, title, caption, f"Dot plot of errors. {said}.",
        lambda wide: _dots(rows, before, wide),
    )  # fmt: skip


def _dots(rows: Sequence[Row], before: Mapping[str, float], wide: bool) -> Canvas:
    step, top = (21.0, 8.0) if wide else (34.0, 8.0)
    bottom = top + step * len(rows) + 6
    canvas = Canvas(WIDE if wide else NARROW, bottom + 46)
    left, right = (250.0, WIDE - 90.0) if wide else (12.0, NARROW - 12.0)
    scale = Scale(-100 * EDGE, 100 * EDGE, left, right)
    for band in BANDS:
        canvas.rect((scale(-100 * band), top), (scale(100 * band), bottom), "k-learner band")
    canvas.x_axis(scale, bottom, "(simulated − real) / real [%]", top, 6 if wide else 4)
    canvas.line((scale(0), top), (scale(0), bottom), "zero")
    for i, row in enumerate(rows):
        y = top + step * (i + 0.5) + (0 if wide else 8)
        error = f"{100 * row.error:+.1f} %".replace("-", "−") if row.error == row.error else "none"
        if wide:
            canvas.text((left - 14, y + 4), short(row.name, left - 20), "name", "end")
            canvas.text((WIDE - 8, y + 4), error, "number", "end")
        else:
            canvas.text((left, y - 10), short(row.name, 220), "name halo")
            canvas.text((right, y - 10), error, "tick halo", "end")
        if row.standard_error > 0 and row.real:
            reach = 100 * min(EDGE, 1.96 * row.standard_error / abs(row.real))
            canvas.line((scale(-reach), y), (scale(reach), y), "axis", "the real figure's interval")
        old = before.get(row.name, math.nan)
        for error_, kind in ((old, "fixed"), (row.error, "learner")):
            if math.isfinite(error_):
                x = scale(100 * max(-EDGE, min(EDGE, error_)))
                words = f"{row.name}, {WORDS[kind]}: {100 * error_:+.1f} %"
                size = 4.6 if kind == "learner" else 3.4
                canvas.marker((x, y), kind, f"k-{kind} dot", words, size)
    return canvas


def profile(name: str, real: Floats, simulated: Sequence[float]) -> Figure:
    """Shares of plays by hour or weekday, real and simulated."""
    far = 0.5 * sum(abs(a - b) for a, b in zip(real, simulated, strict=True))
    words = {
        "hours": "Hour 0 is the middle of each user's quietest five hours.",
        "weekdays": "Weeks begin on Monday.",
    }
    caption = (
        f"{words.get(name, '')} {100 * far:.1f} % of plays would have to move for the two to agree."
    )
    return Figure.draw(
        name, f"Plays by {name[:-1]}", caption.strip(), f"Lines of shares by {name[:-1]}.",
        lambda wide: _profile(name, [float(x) for x in real], simulated, wide),
    )  # fmt: skip


def _profile(name: str, real: Sequence[float], simulated: Sequence[float], wide: bool) -> Canvas:
    canvas = Canvas(WIDE if wide else NARROW, 300)
    left, right, top, bottom = 46.0, (WIDE if wide else NARROW) - 60.0, 30.0, 256.0
    high = 100 * max(*real, *simulated)
    up = Scale(0.0, 1.08 * high, bottom, top)
    across = Scale(0.0, len(real) - 1.0, left, right)
    canvas.y_axis(up, left, right, "share of plays [%]")
    for i in range(len(real)):
        if len(real) <= len(DAYS) or i % (3 if wide else 6) == 0:
            text = DAYS[i] if name == "weekdays" else str(i)
            canvas.text((across(i), bottom + 17), text, "tick", "middle")
    canvas.line((left, bottom), (right, bottom), "axis")
    for values, kind, dash in ((real, "bandit", ""), (simulated, "learner", " d1")):
        points = [(across(i), up(100 * v)) for i, v in enumerate(values)]
        canvas.path(points, f"k-{kind} curve{dash}")
        for i, point in enumerate(points):
            words = f"{WORDS[kind]}, {name[:-1]} {i}: {100 * values[i]:.2f} %"
            canvas.marker(point, kind, f"k-{kind} dot", words, 2.8)
    ends = sorted([(up(100 * real[-1]), "real", "bandit"),
                   (up(100 * simulated[-1]), "fitted", "learner")])  # fmt: skip
    apart = max(0.0, 14.0 - (ends[1][0] - ends[0][0])) / 2
    for (y, words, kind), shift in zip(ends, (-apart, apart), strict=True):
        canvas.text((right + 9, y + 4 + shift), words, f"k-{kind} mark")
    return canvas


def knobs(found: Identified) -> Figure:
    """Where each knob stood and stands within its bounds, and how well it is held."""
    caption = (
        "Each line is a knob's range between its bounds; bold names: pinned. Blue: about one "
        "standard error to both sides, the other knobs following. Small ticks: fits from "
        "other starts that are as good."
    )
    said = "; ".join(f"{one.knob.path} {one.after:.3g}" for one in found.knobs)
    return Figure.draw(
        "knobs", "The knobs, before and after", caption, f"Knobs in their ranges. {said}.",
        lambda wide: _knobs(found, wide),
    )  # fmt: skip


def _knobs(found: Identified, wide: bool) -> Canvas:
    step, top = (28.0, 8.0) if wide else (42.0, 8.0)
    canvas = Canvas(WIDE if wide else NARROW, top + step * len(found.knobs) + 12)
    left, right = (270.0, WIDE - 100.0) if wide else (50.0, NARROW - 56.0)
    for i, one in enumerate(found.knobs):
        y = top + step * (i + 0.5) + (0 if wide else 8)
        scale = Scale(0.0, 1.0, left, right)
        name = one.knob.path
        bold = " strong" if one.pinned else ""
        if wide:
            canvas.text((left - 62, y + 4), short(name, 200), "name" + bold, "end")
        else:
            canvas.text((4, y - 12), short(name, 320), "name" + bold)
        for bound, x, anchor in ((one.knob.low, left - 9, "end"), (one.knob.high, right + 9, "")):
            canvas.text((x, y + 4), f"{bound:g}".replace("-", "−"), "tick", anchor or "start")
        canvas.line((left, y), (right, y), "axis")
        low, high = (one.knob.to_unit(end) for end in one.ends)
        canvas.line((scale(low), y), (scale(high), y), "k-learner whisker thin")
        for value in one.starts:
            x = scale(one.knob.to_unit(value))
            canvas.line((x, y + 5), (x, y + 11), "k-learner seed")
        marks = ((one.before, "fixed", 3.6), (one.after, "learner", 4.8))
        for value, kind, size in marks:
            words = f"{one.knob.path}, {WORDS[kind]}: {value:.4g}"
            x = scale(one.knob.to_unit(value))
            canvas.marker((x, y), kind, f"k-{kind} dot", words, size)
    return canvas
