"""The diary's pictures: a calendar of visits, a week a row, and moods over the days of the study.

Each is drawn wide and narrow, as in the report. Marks carry data attributes that the page's script
reads: ``data-s`` life and visit of a bar, ``data-day`` how days lie on a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from longplay.envs.render import WEEKDAYS
from longplay.experiments.diary.record import Life, Parting
from longplay.experiments.report.figures import NARROW, WIDE, Box, Figure
from longplay.experiments.report.panels import grid
from longplay.experiments.report.svg import Canvas, Scale
from longplay.experiments.report.wording import amount

Floats = npt.NDArray[np.float64]

WEEK = 168.0  # [h]
SIDES = ("k-one", "k-two")  # colour of each life
LEAST = 2.4  # width of the shortest bar [px]
# Top and bottom of a bar in its lane, 0..1: how it ended can be told without colour.
PLACES = {"good": (0.06, 0.62), "left": (0.34, 0.66), "bad": (0.38, 0.94)}


@dataclass(frozen=True)
class Visit:
    """One session of a life."""

    number: int  # 0 = the first of the study
    fetches: slice  # of the life's records
    start: float  # [h]
    end: float  # [h]
    exit: str  # good, bad or left


@dataclass(frozen=True)
class Days:
    """One or two lives of the same person, laid out in time."""

    lives: tuple[Life, ...]
    horizon_days: float
    phase: float  # hour at clock 0, counted from a Monday 00:00 [h]
    part: Parting | None  # of the two lives
    visits: list[list[Visit]] = field(init=False)  # of each life

    def __post_init__(self) -> None:
        object.__setattr__(self, "visits", [visits(life) for life in self.lives])

    @property
    def parted(self) -> float | None:
        """Clock of the first fetch that was lived otherwise [h]."""
        if self.part is None or self.part.lived is None:
            return None
        return float(self.lives[0].before["clock"][self.part.lived])

    def watched(self, life: Life) -> float:
        """Clock up to which a life is in the study: its last minute, or the horizon [h]."""
        return life.end if life.churned else 24.0 * self.horizon_days


def visits(life: Life) -> list[Visit]:
    """The sessions of a life with their hours and how they ended."""
    found = []
    spans = life.sessions()
    for number, span in enumerate(spans):
        out = life.outcomes[span]
        later = span.stop < len(life.before)
        away = float(out["away"][-1])
        end = float(life.before["clock"][span.stop]) - away if later else life.end
        exit_ = "good" if out["good_exit"].any() else "bad" if out["bad_exit"].any() else "left"
        found.append(Visit(number, span, float(life.before["clock"][span.start]), end, exit_))
    return found


# --- calendar --------------------------------------------------------------------------------


def calendar(days: Days) -> Figure:
    """All visits, a week a row, one lane for each life."""
    said = "; ".join(
        f"{life.agent}: {len(found)} visits"
        for life, found in zip(days.lives, days.visits, strict=True)
    )
    return Figure.draw(
        "calendar",
        "The weeks",
        "Each row is a week from Monday to Sunday, each bar a visit; choose one to see it below.",
        f"Calendar of visits. {said}.",
        lambda wide: _calendar(days, wide),
    )


def _calendar(days: Days, wide: bool) -> Canvas:
    first = math.floor(days.phase / WEEK)  # the week in which the study begins
    rows = math.ceil((days.phase + max(days.watched(life) for life in days.lives)) / WEEK) - first
    lane, gap = (17.0, 12.0) if wide else (17.0, 16.0)
    height = lane * len(days.lives) + 2.0 * (len(days.lives) - 1)
    top = 24.0
    canvas = Canvas(WIDE if wide else NARROW, top + rows * (height + gap) + 2)
    hours = Scale(0.0, WEEK, 62.0 if wide else 22.0, canvas.width - 2)
    for day, name in enumerate(WEEKDAYS):
        canvas.text((hours(24.0 * day + 12.0), 12), name, "label", "middle")
    for row in range(rows):
        y = top + row * (height + gap)
        canvas.text((0, y + height / 2 + 4), f"week {row + 1}" if wide else f"{row + 1}", "tick")
        for day in range(8):
            canvas.line((hours(24.0 * day), y - 4), (hours(24.0 * day), y + height + 4), "grid")
        begins = (first + row) * WEEK - days.phase  # clock of this Monday [h]
        for side in range(len(days.lives)):
            _lane(canvas, days, side, begins, hours, (y + side * (lane + 2.0), lane))
        parted = days.parted
        if parted is not None and begins <= parted < begins + WEEK:
            x = hours(parted - begins)
            canvas.line((x, y - 5), (x, y + height + 5), "parted")
            canvas.path([(x - 5, y - 10), (x + 5, y - 10), (x, y - 2)], "parts", close=True)
    return canvas


def _lane(
    canvas: Canvas, days: Days, side: int, begins: float, hours: Scale, at: tuple[float, float]
) -> None:
    """One life's part of one week; ``at`` is its top and height."""
    y, height = at
    life = days.lives[side]
    end = days.watched(life)
    low, high = max(begins, 0.0), min(begins + WEEK, end)
    if low < high:
        canvas.rect(
            (hours(low - begins), y), (hours(high - begins), y + height), f"{SIDES[side]} lane"
        )
    for visit in days.visits[side]:
        if not begins <= visit.start < begins + WEEK:
            continue
        x = hours(visit.start - begins)
        width = max(hours(min(visit.end - begins, WEEK)) - x, LEAST)
        over, under = PLACES[visit.exit]
        canvas.parts.append(
            f'<rect class="{visit.exit}" data-s="{side}-{visit.number}" x="{x:.1f}" '
            f'y="{y + over * height:.1f}" width="{width:.1f}" '
            f'height="{(under - over) * height:.1f}"/>'
        )
    if life.churned and begins <= end < begins + WEEK:
        x, middle = min(hours(end - begins) + 8, hours.end - 5), y + height / 2
        canvas.line((x - 4, middle - 4), (x + 4, middle + 4), f"{SIDES[side]} gone")
        canvas.line((x - 4, middle + 4), (x + 4, middle - 4), f"{SIDES[side]} gone")


# --- moods -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mood:
    """One line over a life: a field of USER at the end of each visit, or a sum so far."""

    name: str
    unit: str
    series: Callable[[Life, list[Visit]], Floats]  # (visits + 1,): before all, after each
    low: float = 0.0  # of the axis
    high: float | None = None  # None: the largest value


def after_visits(name: str) -> Callable[[Life, list[Visit]], Floats]:
    """A hidden field of USER before the first visit and after each; of a vector, the mean."""

    def series(life: Life, found: list[Visit]) -> Floats:
        rows = np.concatenate([life.before, life.after])
        at = [0, *(visit.fetches.stop for visit in found)]
        values = np.asarray(rows[name][at], np.float64)
        return values.mean(axis=1) if values.ndim > 1 else values

    return series


def so_far(name: str) -> Callable[[Life, list[Visit]], Floats]:
    """A field of OUTCOME, summed over the visits so far."""

    def series(life: Life, found: list[Visit]) -> Floats:
        sums = np.concatenate([[0.0], np.cumsum(life.outcomes[name])])
        return np.asarray(sums[[0, *(visit.fetches.stop for visit in found)]])

    return series


def most_tired(life: Life, found: list[Visit]) -> Floats:
    """The highest fatigue that a fetch of each visit began with."""
    tired = [float(life.before["fatigue"][visit.fetches].max()) for visit in found]
    return np.array([float(life.before["fatigue"][0]), *tired])


MOODS = {
    "AdLoad": (
        Mood("satisfied days so far", "", so_far("satisfied_day")),
        Mood("revenue so far", "money", so_far("revenue")),
        Mood("satisfaction", "0 to 1, hidden", after_visits("satisfaction"), high=1.0),
        Mood("ad memory", "ads/h, hidden", after_visits("ad_memory")),
        Mood("habit", "0 to 1, hidden", after_visits("habit"), high=1.0),
        Mood("fatigue", "highest of the visit, hidden", most_tired),
    ),
    "Feed": (
        Mood("satisfied days so far", "", so_far("satisfied_day")),
        Mood("played so far", "min", so_far("minutes")),
        Mood("satisfaction", "0 to 1, hidden", after_visits("satisfaction"), high=1.0),
        Mood("boredom", "satiation on coming back, hidden", after_visits("satiation")),
        Mood("habit", "0 to 1, hidden", after_visits("habit"), high=1.0),
        Mood("fatigue", "highest of the visit, hidden", most_tired),
    ),
}


def moods(days: Days, task: str) -> Figure:
    """How the person feels, and what it sums up to, visit by visit."""
    lines = MOODS[task]
    ends = [
        f"{life.agent}: "
        + ", ".join(f"{m.name} {amount(float(m.series(life, v)[-1]), 2)}" for m in lines)
        for life, v in zip(days.lives, days.visits, strict=True)
    ]
    return Figure.draw(
        "moods",
        "How it felt",
        "Each line changes at the end of a visit and stays until the end of the next one.",
        f"Lines over the days of the study. At the end, {'; '.join(ends)}.",
        lambda wide: _moods(days, lines, wide),
    )


def _moods(days: Days, lines: Sequence[Mood], wide: bool) -> Canvas:
    canvas, boxes = grid(len(lines), wide, 200.0, 2)
    for mood, box in zip(lines, boxes, strict=True):
        _mood(canvas, days, mood, box, wide)
    return canvas


def _mood(canvas: Canvas, days: Days, mood: Mood, box: Box, wide: bool) -> None:
    left, top, right, bottom = box
    values = [mood.series(life, found) for life, found in zip(days.lives, days.visits, strict=True)]
    most = max(float(v.max()) for v in values)
    xs = Scale(0.0, days.horizon_days, left, right)
    ys = Scale(mood.low, mood.high or 1.06 * most or 1.0, bottom, top)
    canvas.text((left, top - 12), mood.name, "strong")
    canvas.text((right, top - 12), mood.unit, "tick", "end")
    canvas.x_axis(xs, bottom, "day of the study", top, 6 if wide else 5)
    canvas.y_axis(ys, left, right, "", 4)
    for side, (life, found) in enumerate(zip(days.lives, days.visits, strict=True)):
        steps = [(xs(0.0), ys(values[side][0]))]
        for visit, value in zip(found, values[side][1:], strict=True):
            x = xs(min(visit.end / 24.0, days.horizon_days))
            steps += [(x, steps[-1][1]), (x, ys(value))]
        if not life.churned:
            steps.append((xs(days.horizon_days), steps[-1][1]))
        canvas.path(steps, f"{SIDES[side]} curve side-{side}")
        if life.churned:
            x, y = steps[-1]
            canvas.line((x - 4, y - 4), (x + 4, y + 4), f"{SIDES[side]} gone")
            canvas.line((x - 4, y + 4), (x + 4, y - 4), f"{SIDES[side]} gone")
    if days.parted is not None:
        x = xs(days.parted / 24.0)
        canvas.line((x, top), (x, bottom), "parted")
    canvas.parts.append(
        f'<line class="cursor" data-day="{left:.1f} {right:.1f} {days.horizon_days:g}" '
        f'y1="{top:.1f}" y2="{bottom:.1f}"/>'
    )
