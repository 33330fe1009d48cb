"""Pictures of facts: one small chart each, as an SVG file that stands by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longplay.experiments.report.svg import Canvas, Scale, text_width

SIZE = (640.0, 330.0)  # [px]
LEFT, RIGHT, TOP, BOTTOM = 62.0, 18.0, 44.0, 52.0
STYLE = """<style>
svg{font-family:system-ui,sans-serif;color:#1c2733;background:#fff}
text{fill:#1c2733}.tick{fill:#5d6b7a}.grid{stroke:#e3e8ee}.axis{stroke:#8795a5}
path{fill:none;stroke-width:2.2}circle{stroke:none}
.c0{stroke:#1f6feb}.c1{stroke:#d9480f}.c2{stroke:#2b8a3e}.c3{stroke:#862e9c}
circle.c0{fill:#1f6feb}circle.c1{fill:#d9480f}circle.c2{fill:#2b8a3e}circle.c3{fill:#862e9c}
.dashed{stroke-dasharray:5 4}rect.range{fill:#2b8a3e;fill-opacity:.13}
</style>"""


@dataclass(frozen=True)
class Curve:
    """Points or a line of a chart."""

    name: str
    x: npt.ArrayLike
    y: npt.ArrayLike
    points: bool = False
    dashed: bool = False
    colour: int | None = None  # 0..3; None takes the next one


def chart(
    alt: str,
    x_label: str,
    y_label: str,
    curves: Sequence[Curve],
    expected: tuple[float, float] | None = None,
    notes: Sequence[tuple[float, float, str]] = (),
    corner: Sequence[str] = (),
) -> str:
    """Curves over common axes, with a legend; ``expected`` is a band of y drawn behind them.

    ``notes`` (x, y, text) stand to the upper right of their places, ``corner`` holds lines of
    text at the top right.
    """
    canvas = Canvas(*SIZE)
    xs = np.concatenate([np.asarray(c.x, float).ravel() for c in curves])
    ys = np.concatenate([np.asarray(c.y, float).ravel() for c in curves])
    across = Scale.around([*xs], LEFT, SIZE[0] - RIGHT)
    up = Scale.around([*ys, *(expected or ())], SIZE[1] - BOTTOM, TOP)
    if expected is not None:
        canvas.rect((LEFT, up(expected[0])), (SIZE[0] - RIGHT, up(expected[1])), "range")
    canvas.x_axis(across, SIZE[1] - BOTTOM, x_label, TOP)
    canvas.y_axis(up, LEFT, SIZE[0] - RIGHT, y_label)
    at = SIZE[0] - RIGHT
    for number, curve in reversed(list(enumerate(curves))):
        colour = f"c{number % 4 if curve.colour is None else curve.colour}"
        pairs = zip(np.asarray(curve.x, float), np.asarray(curve.y, float), strict=True)
        places = [(across(x), up(y)) for x, y in pairs if np.isfinite(x) and np.isfinite(y)]
        at -= text_width(curve.name) + 34 if curve.name else 0
        if curve.points:
            for place in places:
                canvas.marker(place, "point", colour, size=3.6)
            if curve.name:
                canvas.marker((at + 16, 28), "point", colour, size=3.6)
        else:
            dashed = f"{colour} dashed" if curve.dashed else colour
            canvas.path(places, dashed, title=curve.name)
            if curve.name:
                canvas.line((at + 4, 28), (at + 22, 28), dashed)
        if curve.name:
            canvas.text((at + 27, 32), curve.name)
    for x, y, text in notes:
        canvas.text((across(x) + 5, up(y) - 5), text)
    for line, text in enumerate(corner):
        canvas.text((SIZE[0] - RIGHT - 4, TOP + 16 + 17 * line), text, anchor="end")
    return standing(canvas, alt)


def standing(canvas: Canvas, alt: str) -> str:
    """A canvas as an SVG file that stands by itself."""
    head, _, body = canvas.render("fact", alt).partition(">")
    size = f'xmlns="http://www.w3.org/2000/svg" width="{canvas.width:g}" height="{canvas.height:g}"'
    return f"{head.replace('<svg', f'<svg {size}', 1)}>{STYLE}{body}\n"
