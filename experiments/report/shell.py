"""The shell of a page: what every page has in common, whatever it tells.

A page asks nothing of the network: style and pictures are in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from longplay.experiments.run import replacing


@dataclass(frozen=True)
class Page:
    """A page: plain text, which is escaped, and parts that are HTML already."""

    title: str
    kicker: str  # what it is about, in a line above the question
    question: str
    headline: str  # the answer
    details: Sequence[str]
    body: Sequence[str]  # HTML, section by section
    footer: str
    clear: bool = False  # whether the answer is told apart from chance
    cards: str = ""  # HTML
    legend: str = ""  # HTML
    style: str = ""  # CSS beyond that of all pages

    def html(self) -> str:
        """The whole page."""
        files = resources.files(__package__)
        return Template(files.joinpath("page.html").read_text(encoding="utf-8")).substitute(
            style=files.joinpath("style.css").read_text(encoding="utf-8") + self.style,
            title=escape(self.title),
            kicker=escape(self.kicker),
            question=escape(self.question),
            clear=" clear" if self.clear else "",
            headline=escape(self.headline),
            details="".join(f"<li>{escape(text)}</li>" for text in self.details),
            cards=self.cards,
            legend=self.legend,
            body="\n".join(self.body),
            footer=escape(self.footer),
        )


def write_html(folder: Path, html: str) -> Path:
    """Write `folder/report.html`, whole or not at all, and return its path."""
    path = Path(folder) / "report.html"
    with replacing(path) as half:
        half.write_text(html, encoding="utf-8")
    return path
