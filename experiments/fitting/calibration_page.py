"""The report of a calibration: one self-contained page in the look of the comparison's report.

Every number comes from a `Calibrated`; pictures are calibration_pictures.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from longplay.experiments.fitting import calibration_pictures as pictures
from longplay.experiments.fitting.identify import in_words
from longplay.experiments.fitting.lives import LEAST_DAYS
from longplay.experiments.fitting.realism import DEFINED, Row
from longplay.experiments.report.figures import Figure
from longplay.experiments.report.shell import Page, write_html

if TYPE_CHECKING:
    from longplay.experiments.fitting.calibration import Calibrated

NEAR, WIDE = 0.10, 0.20  # the two bands
MOST_MISSES = 12  # told one by one


def write_page(folder: Path, result: Calibrated) -> Path:
    """Write `folder/report.html`, whole or not at all, and return its path."""
    return write_html(folder, page(result))


def page(result: Calibrated) -> str:
    """The whole page."""
    fitted, checks = parted(result.rows)
    near = within(result.rows, NEAR)
    question = f"How near does {result.before.name} come to {real_name(result)}?"
    return Page(
        title=f"{near} of {len(result.rows)} within 10 %: {question}",
        kicker=f"longplay · calibration of {result.before.name} · {result.asked.users} simulated "
        f"users over {result.days:g} days · {result.asked.starts} "
        f"start{'s' * (result.asked.starts > 1)}",
        question=question,
        clear=near >= 0.5 * len(result.rows),
        headline=f"{near} of {len(result.rows)} figures are within 10 % of the real ones and "
        f"{within(result.rows, WIDE)} within 20 %, on people and luck that the fit has not seen.",
        details=_details(result),
        cards=_cards(result),
        legend=pictures.legend(),
        body=_sections(result, fitted, checks),
        footer="Written by longplay calibrate; every number is in result.json beside this file.",
    ).html()


def _details(result: Calibrated) -> list[str]:
    """What stands under the headline."""
    fitted, checks = parted(result.rows)
    return [
        f"Of the {len(fitted)} figures that the knobs were turned for, {within(fitted, NEAR)} are "
        f"within 10 %; of the {len(checks)} held out as checks, {within(checks, NEAR)}.",
        f"Before the fit, {within(result.rows_before, NEAR)} of all were.",
        in_words(result.found)[0],
    ]


def real_name(result: Calibrated) -> str:
    """What the figures are of, in a word or two."""
    name = result.targets.name
    return "your log" if result.asked.log is not None else f"the figures called {name}"


def parted(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The fitted rows and the checks."""
    return [row for row in rows if row.fitted], [row for row in rows if not row.fitted]


def within(rows: Sequence[Row], band: float) -> int:
    """How many rows are no further off than ``band``."""
    return sum(abs(row.error) <= band for row in rows)


def _cards(result: Calibrated) -> str:
    fitted, checks = parted(result.rows)
    pinned = sum(one.pinned for one in result.found.knobs)
    before = within(result.rows_before, NEAR)
    cards = [
        (f"{within(fitted, NEAR)} of {len(fitted)}", "fitted figures within 10 %"),
        (f"{within(checks, NEAR)} of {len(checks)}", "checks within 10 %"),
        (f"{before} of {len(result.rows)}", "of all, before the fit"),
        (f"{pinned} of {len(result.found.knobs)}", "knobs pinned down by the figures"),
    ]
    items = "".join(
        f'<li><span class="mean">{escape(number)}</span><span class="what">{escape(what)}</span>'
        "</li>"
        for number, what in cards
    )
    return f'<ul class="cards">{items}</ul>'


def _sections(result: Calibrated, fitted: list[Row], checks: list[Row]) -> list[str]:
    """The body, section by section."""
    before = {row.name: row.error for row in result.rows_before}
    sections = []
    for key, title, rows, why in (
        ("fitted", "Figures that were fitted", fitted, "The knobs were turned for these."),
        ("checks", "Figures held out as checks", checks, "No knob was turned for these."),
    ):
        if rows:
            picture = pictures.dots(key, title, rows, before, why)
            sections.append(_figure(picture, _rows_table(title, rows)))
    for name in result.targets.profiles:
        picture = pictures.profile(name, result.targets.profiles[name], result.profiles[name])
        sections.append(_figure(picture, ""))
    sections.append(_figure(pictures.knobs(result.found), _knobs_table(result)))
    sections.append(_misses(result))
    sections.append(_made(result))
    return sections


def _figure(figure: Figure, after: str) -> str:
    return (
        f'<section id="{figure.key}"><h2>{escape(figure.title)}</h2>'
        f"<figure><figcaption>{escape(figure.caption)}</figcaption>"
        f"{figure.wide}{figure.narrow}</figure>{after}</section>"
    )


def _table(label: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls in its own frame; the first cell of a row is its name."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def signed(share: float) -> str:
    """A relative error in percent, such as +3.1 %."""
    return "unknown" if math.isnan(share) else f"{100 * share:+.1f} %".replace("-", "−")


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.4g}".replace("-", "−")


def _rows_table(label: str, rows: Sequence[Row]) -> str:
    cells = []
    for row in rows:
        name = row.name
        if not math.isnan(row.distance):
            name += f" (worst sizeable bin; total variation {row.distance:.3f})"
        spread = row.standard_error
        known = "" if math.isnan(spread) else f"{1.96 * spread:.3g}"
        cells.append(
            (name, _number(row.real), known, _number(row.simulated), signed(row.error))
        )  # fmt: skip
    return _table(label, ("figure", "real", "±", "simulated", "error"), cells)


def _knobs_table(result: Calibrated) -> str:
    cells = []
    for one in result.found.knobs:
        starts = ", ".join(_number(value) for value in one.starts)
        cells.append(
            (
                one.knob.path,
                _number(one.before),
                _number(one.after),
                f"{_number(one.ends[0])} to {_number(one.ends[1])}",
                starts,
                "yes" if one.pinned else "no",
            )
        )
    heads = ("knob", "before", "after", "reach", "in starts as good, best first", "pinned")
    words = "".join(f"<li>{escape(text)}</li>" for text in in_words(result.found))
    return (
        _table("Knobs", heads, cells)
        + '<p class="note">Reach: about one standard error: what the figures and the bounds leave '
        "open, all other knobs being free too; by the bounds alone 0.29 of the range. Pinned: the "
        "reach is at most an eighth of the knob's range to each side, and starts that fit as well "
        "lie within a quarter of it."
        f'</p><h2>What the figures leave open</h2><ul class="limits">{words}</ul>'
    )


def _misses(result: Calibrated) -> str:
    rows = sorted(
        (row for row in result.rows if not abs(row.error) <= WIDE),
        key=lambda row: -math.inf if math.isnan(row.error) else -abs(row.error),
    )
    items = []
    for row in rows[:MOST_MISSES]:
        text = f"{row.name}: {signed(row.error)}"
        text += f" (real {_number(row.real)}, simulated {_number(row.simulated)}"
        text += ", fitted)" if row.fitted else ", a check)"
        if row.standard_error > 0 and abs(row.simulated - row.real) <= 1.96 * row.standard_error:
            text += ", within the uncertainty of the real figure"
        reason = result.targets.reasons.get(row.name)
        items.append(text + (f": {reason}" if reason else "."))
    if len(rows) > MOST_MISSES:
        items.append(f"and {len(rows) - MOST_MISSES} more; see the tables above.")
    said = "".join(f"<li>{escape(item)}</li>" for item in items)
    told = f'<ul class="limits">{said}</ul>' if items else "<p>Nothing does.</p>"
    return f'<section id="misses"><h2>What misses by more than 20 %</h2>{told}</section>'


def _who(kind: str) -> str:
    if kind != "plays":
        return ""
    return f"; who is alive at the end and was active for {LEAST_DAYS} days or more"


def _reading(kind: str) -> str:
    if kind != "plays":
        return f"Definitions: experiments/fitting/{DEFINED[kind]}. "
    return (
        "A user figure takes each user's quantile and averages over users; a pooled one takes all "
        "sessions together. "
    )


def _made(result: Calibrated) -> str:
    asked = result.asked
    facts = [
        ("command", f"<code>{escape(asked.line())}</code>"),
        ("real", escape(" ".join([result.targets.about, result.targets.source]))),
        *(("", escape(caveat)) for caveat in result.targets.caveats),
        (
            "simulated",
            f"No ads, the production ranker{_who(result.targets.kind)}. The fit uses world seed "
            f"{asked.seed}; the comparison on this page other people, twice as many, with another "
            "seed.",
        ),
        (
            "figures",
            f"{_reading(result.targets.kind)}A fixed part of them is fitted, the rest are checks. "
            "Of a profile, the error is that of the worst bin with at least half of an even share.",
        ),
        (
            "use it",
            f"<code>gym.make(&quot;longplay/AdLoad-v0&quot;, scenario=&quot;"
            f"{escape(str(asked.out / 'scenario.json'))}&quot;)</code>",
        ),
        (
            "not in the data",
            "A play log without experiments says nothing about what ads do to people, nor about "
            "why they leave for good: those parameters stay as the scenario had them.",
        ),
    ]
    items = "".join(f"<dt>{escape(name)}</dt><dd>{text}</dd>" for name, text in facts)
    return f'<section id="made"><h2>How it was made</h2><dl>{items}</dl></section>'
