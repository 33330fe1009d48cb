"""The page of a study: one matrix an agent, in the look of the report."""

from __future__ import annotations

from html import escape
from pathlib import Path

from longplay.experiments.misspecify.cells import Cell, Matrix
from longplay.experiments.report.figures import NARROW, WIDE, Figure, short
from longplay.experiments.report.shell import Page, write_html
from longplay.experiments.report.svg import Canvas
from longplay.experiments.report.wording import NONE, amount, inline

SHADES = 4  # of a loss that is told apart from 0, by its size beside the largest
STYLE = "".join(f"svg .s{i} {{ fill-opacity: {0.5 * i / SHADES:.2f}; }}\n" for i in range(1, 5))
STYLE += "svg .cell { fill: none; stroke: var(--hair); }\n"


def write_page(folder: Path, matrix: Matrix) -> Path:
    """Write `folder/report.html`, whole or not at all, and return its path."""
    return write_html(folder, page(matrix))


def page(matrix: Matrix) -> str:
    """The whole page."""
    asked = matrix.asked
    question = "What does it cost to believe the wrong thing about people?"
    task = asked.world.rpartition("/")[2]
    return Page(
        title=f"{question} {task}",
        kicker=f"longplay · {task} · {asked.seeds} seeds of {asked.users} held-out people in each "
        f"test world · {asked.train_steps:,} decisions of training",
        question=question,
        clear=any(c.loss is not None and c.loss.sign < 0 for c in matrix.cells),
        headline=matrix.answer(),
        details=how_to_read(),
        body=[*(section(matrix, agent) for agent in matrix.agents), made(matrix)],
        footer="Written by longplay from the parts beside this file.",
        style=STYLE,
    ).html()


def how_to_read() -> list[str]:
    """What the numbers are."""
    return [
        "Rows: the world an agent was trained under. Columns: the world it was tested in.",
        "Value: what a person is worth in the test world, to platform and themselves, discounted "
        "by the calendar [money], with its 95 % interval over people and seeds. Values of "
        "different columns are of different worlds: compare within a column.",
        "Loss: the value minus that of the same agent trained in the test world itself, person by "
        "person: same people, same luck. Red: surely below 0; blue: surely above.",
    ]


def section(matrix: Matrix, agent: str) -> str:
    """One agent: picture and table."""
    cells = [cell for cell in matrix.cells if cell.agent == agent]
    alt = "; ".join(
        f"trained under {c.trained}, tested in {c.tested}: {inline(c.value)}" for c in cells
    )
    figure = Figure.draw(
        f"matrix-{matrix.agents.index(agent)}",
        agent,
        "Trained under (rows), tested in (columns): value, and under it what is lost.",
        f"Matrix of {agent}. {alt}.",
        lambda wide: picture(matrix, agent, wide),
    )
    return (
        f'<section id="{figure.key}"><h2>{escape(agent)}</h2><figure><figcaption>'
        f"{escape(figure.caption)}</figcaption>{figure.wide}{figure.narrow}</figure>"
        f"{table(matrix, agent)}</section>"
    )


def picture(matrix: Matrix, agent: str, wide: bool) -> Canvas:
    """The matrix: a cell for each pair of worlds, shaded by the loss where it is sure."""
    train, test = matrix.asked.train, matrix.asked.tests
    left, step, top = (250.0 if wide else 110.0), (52.0 if wide else 46.0), 30.0
    width = min(((WIDE if wide else NARROW) - left) / len(test), 190.0)
    canvas = Canvas(WIDE if wide else NARROW, top + step * len(train) + 4)
    found = [c.loss for c in matrix.cells if c.agent == agent and c.loss and c.loss.sign]
    largest = max((abs(loss.mean) for loss in found), default=1.0)
    for k, tested in enumerate(test):
        canvas.text((left + width * (k + 0.5), 18), short(tested, width - 6), "tick", "middle")
    for i, trained in enumerate(train):
        y = top + step * i
        canvas.text((left - 10, y + step / 2 + 4), short(trained, left - 16), "name", "end")
        for k, tested in enumerate(test):
            cell = matrix.of(agent, trained, tested)
            x = left + width * k
            corners = (x + 2, y + 2), (x + width - 2, y + step - 2)
            canvas.rect(*corners, shade(cell, largest), told(cell), radius=4)
            canvas.rect(*corners, "cell", radius=4)
            middle = x + width / 2
            strong = "number strong" if cell.own else "number"
            canvas.text((middle, y + step / 2 - 2), amount(cell.value.mean, 3), strong, "middle")
            canvas.text((middle, y + step / 2 + 14), under(cell), "number", "middle")
    return canvas


def shade(cell: Cell, largest: float) -> str:
    """CSS classes of a cell's ground."""
    if cell.loss is None or not cell.loss.sign:
        return "cell"
    depth = max(1, min(SHADES, round(SHADES * abs(cell.loss.mean) / largest)))
    return f"{'worse' if cell.loss.sign < 0 else 'better'} s{depth}"


def under(cell: Cell) -> str:
    """The second line of a cell."""
    return amount(cell.loss.mean, 3, plus=True) if cell.loss else "own world" if cell.own else ""


def told(cell: Cell) -> str:
    """A cell in words."""
    said = f"trained under {cell.trained}, tested in {cell.tested}: {inline(cell.value)}"
    return said + (f", loss {inline(cell.loss, plus=True)}" if cell.loss else "")


def table(matrix: Matrix, agent: str) -> str:
    """Every cell with its intervals."""
    heads = "".join(f'<th scope="col">in {escape(name)}</th>' for name in matrix.asked.tests)
    rows = []
    for trained in matrix.asked.train:
        cells = (matrix.of(agent, trained, tested) for tested in matrix.asked.tests)
        body = "".join(
            f"<td>{escape(inline(c.value))}<small>"
            f"{escape(inline(c.loss, plus=True) if c.loss else 'own world' if c.own else NONE)}"
            "</small></td>"
            for c in cells
        )
        rows.append(f'<tr><th scope="row">{escape(trained)}</th>{body}</tr>')
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(agent)}"><table>'
        f'<thead><tr><th scope="col">trained under</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def made(matrix: Matrix) -> str:
    """How it was made."""
    return (
        '<section id="made"><h2>How it was made</h2><dl><dt>command</dt>'
        f"<dd><code>{escape(matrix.command)}</code></dd></dl></section>"
    )
