"""The diary's page: one file that asks nothing of the network.

Whatever came from outside (names of agents and worlds) is escaped in the markup; the page's script
writes text only, and no other script may run.
"""

from __future__ import annotations

import base64
import hashlib
import math
import shlex
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from longplay.experiments import report
from longplay.experiments.diary.choose import Story
from longplay.experiments.diary.journal import as_script, journal, person_facts
from longplay.experiments.diary.record import Life, parting
from longplay.experiments.diary.weeks import SIDES, Days, calendar, moods
from longplay.experiments.evaluate import HELD_OUT
from longplay.experiments.report.svg import Canvas
from longplay.experiments.report.wording import amount
from longplay.experiments.settings import find_task

COLUMNS = (  # of the totals: name, head, unit, digits
    ("sessions", "visits", "", 0),
    ("active_days", "active days", "", 0),
    ("satisfied_days", "satisfied days", "", 1),
    ("minutes", "played", "min", 0),
    ("plays", "plays", "", 0),
    ("skips", "skips", "", 0),
    ("likes", "likes", "", 0),
)
AD_COLUMNS = (
    ("ads", "ads placed", "", 0),
    ("ad_views", "ads seen", "", 0),
    ("ad_clicks", "ad clicks", "", 0),
    ("revenue", "revenue", "money", 2),
)
CELLS = (  # how a position is drawn: class, text, second mark, what it means; page.js draws them
    ("played", "9", "", "played, with its topic and how much of it"),
    ("skipped", "9", "", "skipped"),
    ("passed", "9", "", "looked at, passed over"),
    ("unlooked", "9", "", "never looked at"),
)
AD_CELLS = (
    ("ad", "ad", "", "ad seen"),
    ("ad", "ad", "✓", "clicked"),
    ("ad missed", "ad", "", "not seen"),
)


def page(story: Story) -> str:
    """The whole page."""
    lives, task = story.lives, find_task(story.settings.world)
    days = Days(
        lives=lives,
        horizon_days=story.horizon_days,
        phase=float(lives[0].before["phase"][0]),
        part=parting(*lives) if len(lives) == 2 else None,
    )
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    weeks, felt = calendar(days), moods(days, task)
    heading = f"{story.horizon_days:g} days of person {story.person - HELD_OUT}"
    facts = person_facts(lives[0])
    return Template(_file("page.html")).substitute(
        hash=f"sha256-{digest}",
        title=escape(f"{heading}: {' and '.join(life.agent for life in lives)}"),
        style=resources.files(report).joinpath("style.css").read_text("utf-8") + _file("page.css"),
        kicker=escape(_kicker(story, task)),
        heading=escape(heading),
        headline=escape(headline(lives, story.horizon_days)),
        details="".join(f"<li>{escape(said)}</li>" for said in _details(story, days)),
        policies=_policies(story),
        totals=totals_table(lives, task),
        weeks_title=escape(weeks.title),
        weeks_caption=escape(weeks.caption),
        weeks=weeks.wide + weeks.narrow,
        marks=_marks(days),
        visit_note=escape(_visit_note(lives)),
        cells=_cells(task),
        moods_title=escape(felt.title),
        moods_caption=escape(felt.caption),
        moods=felt.wide + felt.narrow,
        person=_terms(facts),
        made=_terms(_made(story)),
        footer="Written by longplay. Same command, same bytes.",
        journal=as_script(journal(days, story.items, task)),
        script=script,
    )


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _kicker(story: Story, task: str) -> str:
    spans = dict.fromkeys(f"one decision a {entry.decision}" for entry in story.entries)
    return (
        f"longplay diary · {task} on {story.settings.scenario} · seed {story.seed} · "
        f"{' and '.join(spans)}"
    )


# --- words -----------------------------------------------------------------------------------


def headline(lives: Sequence[Life], horizon_days: float) -> str:
    """What became of the person under each policy."""
    said = []
    for life in lives:
        total = life.totals()
        fate = f"leaves for good on day {math.floor(life.end / 24.0) + 1}"
        if not life.churned:
            fate = f"is still here after {horizon_days:g} days"
        good = amount(total["satisfied_days"], 1)
        said.append(f"under {life.agent} this person {fate}, with {good} satisfied days")
    text = "; ".join(said) + "."
    return text[0].upper() + text[1:]


def _details(story: Story, days: Days) -> list[str]:
    said, chance = [story.why], ""
    if len(days.lives) == 2:
        said.append(_parting_words(days))
        chance = (
            ": once lives part, the same luck falls on other moments, and much of what follows is "
            "chance"
        )
    said.append(
        "Hidden moods are shown, and the true value of items: this is a diagnostic, and no "
        "platform sees them."
    )
    said.append(
        f"One life shows how, not how often{chance}. What holds on average, longplay compare tells."
    )
    return said


def _parting_words(days: Days) -> str:
    part = days.part
    luck = "Both lives have the same luck"
    if part is None or (part.shown is None and part.lived is None):
        return f"{luck}, and were never shown anything different: they are the same life."
    shown = "nothing" if part.shown is None else _place(days, part.shown)
    if part.lived is None:
        return f"{luck}. What is shown differs from {shown} on, and it made no difference."
    if part.shown == part.lived:
        return f"{luck}. They part at {shown}: something else is shown, and something else comes."
    return (
        f"{luck}. What is shown differs from {shown} on; the lives part at "
        f"{_place(days, part.lived)}."
    )


def _place(days: Days, fetch: int) -> str:
    visit = next(v for v in days.visits[0] if fetch < v.fetches.stop)
    return f"fetch {fetch - visit.fetches.start + 1} of visit {visit.number + 1}"


def _visit_note(lives: Sequence[Life]) -> str:
    note = "A row is a fetch: its positions from the top of the screen down."
    if len(lives) == 2:
        note += (
            " Beside the visit, the other life's: the same visit up to the parting, after it the "
            "nearest in time."
        )
    return note


def _made(story: Story) -> dict[str, str]:
    asked = story.settings
    entries = [f"{entry.label}: {entry.spec.about}" for entry in story.entries]
    words = ["longplay", "diary", "--world", asked.world, "--scenario", asked.scenario,
             "--agents", *(entry.label for entry in story.entries),
             "--user", str(story.person - HELD_OUT), "--seed", str(story.seed),
             "--days", f"{story.horizon_days:g}", "--decision", asked.decision]  # fmt: skip
    words += ["--run", str(story.run)] if story.run is not None else []
    return {
        "again": shlex.join(words),
        "person": f"{story.person} in the tables of longplay compare, seed {story.seed}",
        "policies": "; ".join(entries),
        "totals": "plain sums over the life, not discounted; a satisfied day is an active day "
        "times the satisfaction at the end of its first visit",
    }


# --- markup ----------------------------------------------------------------------------------


def _terms(facts: dict[str, str]) -> str:
    return "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())


def _policies(story: Story) -> str:
    items = []
    for side, entry in zip(SIDES, story.entries, strict=False):
        badge = ' <span class="badge">privileged</span>' if entry.spec.privileged else ""
        about = entry.spec.about.removeprefix("privileged: ")
        items.append(
            f'<li class="{side}"><span class="dot"></span><strong>{escape(entry.label)}</strong>'
            f"{badge} {escape(about)}</li>"
        )
    return f'<ul class="legend" aria-label="Policies">{"".join(items)}</ul>'


def totals_table(lives: Sequence[Life], task: str) -> str:
    """The sums of each life, and their difference."""
    columns = COLUMNS + (AD_COLUMNS if task == "AdLoad" else ())
    heads = "".join(
        f'<th scope="col">{head}<small>{unit}</small></th>' for _, head, unit, _ in columns
    )
    sums = [life.totals() for life in lives]
    rows = []
    for side, life, total in zip(SIDES, lives, sums, strict=False):
        cells = "".join(f"<td>{amount(total[name], n)}</td>" for name, _, _, n in columns)
        end = f"day {math.floor(life.end / 24.0) + 1}" if life.churned else "still here"
        rows.append(
            f'<tr class="{side}"><th scope="row"><span class="dot"></span>{escape(life.agent)}'
            f"</th>{cells}<td>{end}</td></tr>"
        )
    if len(sums) == 2:
        one, two = sums
        cells = "".join(
            f"<td>{amount(two[name] - one[name], n, plus=True)}</td>" for name, _, _, n in columns
        )
        rows.append(f'<tr class="gap"><th scope="row">difference</th>{cells}<td></td></tr>')
    return (
        '<div class="scroll" role="region" tabindex="0" aria-label="Totals">'
        f'<table class="diary-totals"><thead><tr><th scope="col">policy</th>{heads}'
        f'<th scope="col">left for good</th></tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def _marks(days: Days) -> str:
    """The legend of the calendar."""
    words = {
        "good": "left well, its goal reached",
        "left": "left",
        "bad": "left badly, no patience",
    }
    items = []
    for exit_, text in words.items():
        tops = {"good": (1, 9), "left": (5, 11), "bad": (7, 15)}
        canvas = Canvas(16, 16)
        canvas.rect((6, tops[exit_][0]), (10, tops[exit_][1]), exit_)
        items.append((canvas, text))
    canvas = Canvas(16, 16)
    canvas.rect((0, 3), (16, 13), "k-one lane")
    items.append((canvas, "still a user"))
    if any(life.churned for life in days.lives):
        canvas = Canvas(16, 16)
        canvas.line((4, 4), (12, 12), "k-one gone")
        canvas.line((4, 12), (12, 4), "k-one gone")
        items.append((canvas, "left for good"))
    if days.parted is not None:
        canvas = Canvas(16, 16)
        canvas.path([(3, 3), (13, 3), (8, 12)], "parts", close=True)
        items.append((canvas, "the lives part"))
    return "".join(
        f'<li><svg viewBox="0 0 16 16" aria-hidden="true">{"".join(canvas.parts)}</svg>{text}</li>'
        for canvas, text in items
    )


def _cells(task: str) -> str:
    """The legend of a fetch."""
    items = []
    for css, text, mark, words in CELLS + (AD_CELLS if task == "AdLoad" else ()):
        inside = f"<i>{text}</i>" + (f"<s>{mark}</s>" if mark else "")
        inside += "<u></u>" if css == "played" else ""
        items.append(f'<li><span class="cell {css}" aria-hidden="true">{inside}</span>{words}</li>')
    items.append("<li>♥ liked, ★ saved, ↗ shared, ✕ asked not to see again</li>")
    return "".join(items)
