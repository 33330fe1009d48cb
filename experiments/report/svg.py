"""Pictures drawn by hand: a small canvas that writes SVG.

Colours are the page's CSS variables, so that a picture follows light and dark mode; text is text,
so that it can be searched, scaled and read aloud.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

TEXT = 12.5  # font size [px]

Point = tuple[float, float]


def text_width(text: str, size: float = TEXT) -> float:
    """Rough width of a text in a wide sans-serif font [px]."""
    narrow = sum(c in "ijl.,:;|![]()' ft-r" for c in text)
    wide = sum(c in "mwMW@%" for c in text)
    return size * (0.61 * len(text) - 0.25 * narrow + 0.28 * wide)


def nice_ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers within [low, high], about so many: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [round(i * step, digits) + 0.0 for i in range(first, last + 1)]


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Ticks as text, with the digits that tell them apart: 0, 0.5, 1; or 0, 50k, 100k."""
    step = min((abs(b - a) for a, b in pairwise(ticks)), default=1.0)
    for size, mark in ((1e6, "M"), (1e3, "k")):
        if max(abs(t) for t in ticks) >= 10 * size and step >= size / 10:
            return [f"{t / size:g}{mark}" if t else "0" for t in ticks]
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 1
    return [f"{t:.{digits}f}".replace("-", "−") for t in ticks]


@dataclass(frozen=True)
class Scale:
    """A linear map from data to pixels."""

    low: float
    high: float
    start: float  # pixel of low
    end: float  # pixel of high

    def __call__(self, x: float) -> float:
        """Pixel of a value."""
        width = self.high - self.low
        share = (x - self.low) / width if width else 0.5
        return self.start + share * (self.end - self.start)

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float, pad: float = 0.05) -> Scale:
        """A scale that holds all finite values with some room on both sides."""
        finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        room = pad * (high - low) or max(abs(high), 1.0) * 0.1
        return cls(low - room, high + room, start, end)

    def ticks(self, about: int) -> list[float]:
        """Round numbers on the scale."""
        return nice_ticks(self.low, self.high, about)


@dataclass
class Canvas:
    """An SVG picture under construction; y points down, units are pixels."""

    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def line(self, a: Point, b: Point, css: str = "", title: str = "") -> None:
        """A straight line."""
        place = f'x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"'
        self._add("line", place, css, title)

    def rect(self, a: Point, b: Point, css: str, title: str = "", radius: float = 0) -> None:
        """A rectangle between two corners."""
        (x, y), (w, h) = (min(a[0], b[0]), min(a[1], b[1])), (abs(b[0] - a[0]), abs(b[1] - a[1]))
        place = f'x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"'
        self._add("rect", place + (f' rx="{radius:g}"' if radius else ""), css, title)

    def path(self, points: Sequence[Point], css: str, close: bool = False, title: str = "") -> None:
        """A line through points, or the area that they bound."""
        d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if close else "")
        self._add("path", f'd="{d}"', css, title)

    def text(
        self, at: Point, text: str, css: str = "", anchor: str = "start", turn: float = 0
    ) -> None:
        """A text; anchor is start, middle or end."""
        place = f'x="{at[0]:.1f}" y="{at[1]:.1f}"'
        if anchor != "start":
            place += f' text-anchor="{anchor}"'
        if turn:
            place += f' transform="rotate({turn:g} {at[0]:.1f} {at[1]:.1f})"'
        mark = f' class="{css}"' if css else ""
        self.parts.append(f"<text {place}{mark}>{escape(text)}</text>")

    def marker(self, at: Point, kind: str, css: str, title: str = "", size: float = 5.5) -> None:
        """A point, whose shape tells the kind apart without colour."""
        x, y = at
        r = size
        shapes: dict[str, list[Point]] = {
            "bandit": [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
            "fixed": [(x, y - 1.3 * r), (x + 1.3 * r, y), (x, y + 1.3 * r), (x - 1.3 * r, y)],
            "reference": [(x, y - 1.3 * r), (x + 1.2 * r, y + r), (x - 1.2 * r, y + r)],
        }
        if kind in shapes:
            self.path(shapes[kind], css, close=True, title=title)
        else:
            self._add("circle", f'cx="{x:.1f}" cy="{y:.1f}" r="{r:g}"', css, title)

    def _add(self, tag: str, place: str, css: str, title: str) -> None:
        mark = f' class="{css}"' if css else ""
        if title:
            self.parts.append(f"<{tag} {place}{mark}><title>{escape(title)}</title></{tag}>")
        else:
            self.parts.append(f"<{tag} {place}{mark}/>")

    def x_axis(self, scale: Scale, y: float, label: str, top: float, about: int = 6) -> None:
        """Ticks, grid lines up to `top`, and a label under them."""
        ticks = scale.ticks(about)
        for tick, text in zip(ticks, tick_texts(ticks), strict=True):
            x = scale(tick)
            self.line((x, top), (x, y), "grid")
            self.text((x, y + 17), text, "tick", "middle")
        self.line((scale.start, y), (scale.end, y), "axis")
        self.text(((scale.start + scale.end) / 2, y + 36), label, "label", "middle")

    def y_axis(self, scale: Scale, x: float, right: float, label: str, about: int = 5) -> None:
        """Ticks, grid lines to `right`, and a label at the top left."""
        ticks = scale.ticks(about)
        for tick, text in zip(ticks, tick_texts(ticks), strict=True):
            y = scale(tick)
            self.line((x, y), (right, y), "grid")
            self.text((x - 7, y + 4), text, "tick", "end")
        if label:
            self.text((0, scale.end - 12), label, "label")

    def render(self, css: str, alt: str) -> str:
        """The picture as an <svg> element; `alt` is what a screen reader says."""
        size = f"0 0 {self.width:g} {self.height:g}"
        return (
            f'<svg class="{css}" viewBox="{size}" style="max-width:{self.width:g}px" role="img" '
            f'aria-label="{escape(alt)}" font-size="{TEXT}">{"".join(self.parts)}</svg>'
        )


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, at least `gap` apart and within [low, high] if they fit."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = list(wanted)
    for _ in range(60):  # push neighbours apart, each by half of what is missing
        for i, j in pairwise(order):
            short = max(0.0, gap - (placed[j] - placed[i]))
            placed[i] -= short / 2
            placed[j] += short / 2
    edge = high
    for i in reversed(order):
        edge = placed[i] = min(placed[i], edge)
        edge -= gap
    edge = low
    for i in order:
        edge = placed[i] = max(placed[i], edge)
        edge += gap
    return placed
