"""The report: one self-contained page: who wins in the long run, by how much, and who is hurt.

    path = write_report(folder, ReportData(question=..., agents=[...], metrics=..., ...))

`ReportData` is all it needs; every number on the page is computed from its tables (`findings`).
A table is a mapping from column name to a one-dimensional array, all of the same length; from
polars: `{name: frame[name].to_numpy() for name in frame.columns}`. Whatever came from outside
(names, commands) is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from longplay.experiments.report import figures, panels, rewards
from longplay.experiments.report.figures import Figure
from longplay.experiments.report.findings import DAYS, Findings, ReportData, Row, find
from longplay.experiments.report.notes import definitions, how_made, limits
from longplay.experiments.report.shell import Page, write_html
from longplay.experiments.report.svg import Canvas
from longplay.experiments.report.wording import (
    NONE,
    answer,
    common_digits,
    digits_of,
    mean_and_range,
)
from longplay.experiments.stats import QUANTILES, Interval

KINDS = {
    "learner": "learned, by reinforcement",
    "bandit": "bandit, trained on immediate reward",
    "fixed": "fixed rule",
    "reference": "privileged reference",
}


def write_report(folder: Path, data: ReportData) -> Path:
    """Write `folder/report.html`, whole or not at all, and return its path.

    Raises ValueError when the tables do not fit together (see `findings.find`).
    """
    return write_html(folder, page(find(data)))


def page(found: Findings) -> str:
    """The whole page."""
    data, said = found.data, answer(found)
    seeds, users = len(found.panel.seeds), _count(found.users, "held-out user")
    people = f"{users} in each of {_count(seeds, 'seed')}" if seeds > 1 else f"{users}, one seed"
    return Page(
        title=f"{said.verdict}: {data.question}",
        kicker=f"longplay · {data.task} on {data.world} · {_count(len(found.rows), 'agent')} · "
        f"{people}",
        question=data.question,
        clear=said.clear,
        headline=said.headline,
        details=said.details,
        cards=_cards(found),
        legend=_legend(found),
        body=_sections(found),
        footer="Written by longplay from the tables beside this file: metrics and retention.",
    ).html()


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}".replace(",", "\u202f")


def _sections(found: Findings) -> list[str]:
    """The body, section by section."""
    pictures: list[tuple[Figure | None, str]] = [
        (figures.forest(found), _agents_table(found)),
        (rewards.parts(found), _reward_table(found)),
        (figures.tradeoff(found), ""),
        (figures.retention(found), ""),
        (panels.hurt(found), _hurt_table(found)),
        (panels.behaviour(found), ""),
        (panels.curves(found), ""),
    ]
    sections = [_figure(picture, after) for picture, after in pictures if picture is not None]
    who = "".join(
        f"<dt>{escape(row.name)}</dt><dd>{escape(_about(row))}</dd>" for row in found.rows
    )
    sections.append(f'<section id="agents"><h2>Who took part</h2><dl>{who}</dl></section>')
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{v}</dd>" for k, v in how_made(found))
    terms = "".join(
        f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in definitions(found).items()
    )
    bounds = "".join(f"<li>{escape(sentence)}</li>" for sentence in limits(found))
    sections.append(f'<section id="made"><h2>How it was made</h2><dl>{facts}</dl></section>')
    sections.append(f'<section id="terms"><h2>What the columns mean</h2><dl>{terms}</dl></section>')
    sections.append(
        f'<section id="limits"><h2>Limits</h2><ul class="limits">{bounds}</ul></section>'
    )
    return sections


def _about(row: Row) -> str:
    words = KINDS[figures.kind(row)]
    return f"{row.agent.about} ({words})" if row.agent.about else words


def _figure(figure: Figure, after: str) -> str:
    return (
        f'<section id="{figure.key}"><h2>{escape(figure.title)}</h2>'
        f"<figure><figcaption>{escape(figure.caption)}</figcaption>"
        f"{figure.wide}{figure.narrow}</figure>{after}</section>"
    )


def _cards(found: Findings) -> str:
    """The few numbers to remember."""
    leader = found.leader
    cards = [(f"value of {leader.name}, per user", mean_and_range(leader.value))]
    if found.duels:
        duel = found.duels[0]
        what = f"more than {duel.other.name}, same users"
        cards.append((what, mean_and_range(duel.lead, plus=True)))
    if leader.closed is not None:
        cards.append(("of the headroom closed", _percent(leader.closed)))
    if leader.hurt is not None and found.baseline is not None:
        what = f"of users have fewer satisfied days than under {found.baseline.name}"
        cards.append((what, _percent(leader.hurt.worse)))
    items = "".join(
        f'<li><span class="mean">{mean} <small>{interval}</small></span>'
        f'<span class="what">{escape(what)}</span></li>'
        for what, (mean, interval) in cards
    )
    return f'<ul class="cards">{items}</ul>'


def _percent(x: Interval) -> tuple[str, str]:
    mean, interval = mean_and_range(x, 100.0, digits=min(digits_of(x, 100.0), 1))
    return (f"{mean} %", interval) if interval else (mean, "")


def _legend(found: Findings) -> str:
    present = dict.fromkeys(figures.kind(row) for row in found.rows)
    items = []
    for kind, words in KINDS.items():
        if kind in present:
            canvas = Canvas(16, 16)
            canvas.marker((8, 8), kind, f"k-{kind} dot")
            items.append(
                f'<li><svg viewBox="0 0 16 16" aria-hidden="true">{canvas.parts[0]}</svg>'
                f"{escape(words)}</li>"
            )
    return f'<ul class="legend" aria-label="Kinds of agents">{"".join(items)}</ul>'


# --- tables ----------------------------------------------------------------------------------


Column = Sequence[Interval | None]


def _cells(column: Column, scale: float = 1.0, plus: bool = False, css: str = "") -> list[str]:
    """Table cells of one column: estimates over their intervals, with equal digits."""
    digits = common_digits(column, scale)
    mark = f' class="{css}"' if css else ""
    cells = []
    for x in column:
        mean, interval = (NONE, "") if x is None else mean_and_range(x, scale, plus, digits)
        if x is not None and x.low == x.high:
            interval = ""  # known exactly: a reference on its own scale, a policy without ads
        cells.append(f"<td{mark}>{mean}<small>{interval}</small></td>")
    return cells


def _verdicts(found: Findings) -> list[str]:
    """The column that tests each agent against the best bandit."""
    cells = _cells([row.lead for row in found.rows], plus=True)
    words = {1: ("better", "up"), -1: ("worse", "down"), 0: ("not told apart", "")}
    for i, row in enumerate(found.rows):
        if row is found.best_bandit:
            cells[i] = "<td>(itself)</td>"
        elif row.lead is not None:
            word, css = words[row.lead.sign]
            cells[i] = cells[i].replace("</td>", f'<small class="{css}">{word}</small></td>')
    return cells


def _name(row: Row) -> str:
    badge = ' <span class="badge">privileged</span>' if row.agent.privileged else ""
    return f'<th scope="row">{escape(row.name)}{badge}</th>'


def _table(
    label: str,
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Row],
    columns: Sequence[list[str]],
    leader: Row,
) -> str:
    """A table that scrolls in its own frame; `columns` hold a cell for each row."""
    top = "".join(
        f'<th scope="col">{escape(head)}<small>{escape(unit)}</small></th>' for head, unit in heads
    )
    body = []
    for row, *cells in zip(rows, *columns, strict=True):
        best = ' class="best"' if row is leader else ""
        body.append(f"<tr{best}>{_name(row)}{''.join(cells)}</tr>")
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _agents_table(found: Findings) -> str:
    """Every agent with its value, the parts of it, and the tests."""
    rows = found.rows
    heads = [("agent", ""), ("value", "money")]
    columns = [_cells([row.value for row in rows], css="first")]
    if found.best_bandit is not None:
        heads.append((f"against {found.best_bandit.name}", "value, same users"))
        columns.append(_verdicts(found))
    if any(row.closed is not None for row in rows):
        heads.append(("headroom closed", "%"))
        columns.append(_cells([row.closed for row in rows], 100.0))
    heads += [("revenue", "money"), ("satisfied days", ""), ("played", "min"), ("ads", "per hour")]
    columns += [
        _cells([row.means[name] for row in rows])
        for name in ("revenue", "satisfied_days", "minutes")
    ]
    columns.append(_cells([row.ads_per_hour for row in rows]))
    for day in DAYS:
        if any(day in row.retention for row in rows):
            heads.append((f"D{day}", "% active"))
            columns.append(_cells([row.retention.get(day) for row in rows], 100.0))
    note = (
        "Means per user with 95 % intervals over "
        f"{found.leader.value.covers}; shaded: the leader. Value = revenue + "
        f"{found.data.day_value:g} × satisfied days."
    )
    if any(row.agent.privileged for row in rows):
        note += " Privileged agents see hidden state or try things out on copies of users: no"
        note += " platform could, so they are references and never win."
    table = _table("Agents", heads, rows, columns, found.leader)
    return table + f'<p class="note">{escape(note)}</p>'


def _reward_table(found: Findings) -> str:
    """The run's own reward and its parts, most reward first."""
    rows = found.by_reward
    if not rows:
        return ""
    heads = [("agent", ""), ("reward", "")]
    columns = [_cells([row.reward for row in rows], css="first")]
    if len(rows[0].parts) > 1:
        for part in rows[0].parts:
            heads.append((part, ""))
            columns.append(_cells([row.parts[part] for row in rows]))
    heads.append(("value", "money"))
    columns.append(_cells([row.value for row in rows]))
    note = (
        f"Means per user with 95 % intervals over {found.leader.value.covers}, weights included, "
        "most reward first; shaded: the leader by value. The parts sum to the reward."
    )
    table = _table("Reward", heads, rows, columns, found.leader)
    return table + f'<p class="note">{escape(note)}</p>'


def _hurt_table(found: Findings) -> str:
    """Who gains and who loses, against the baseline."""
    rows = [row for row in found.contenders if row.hurt is not None]
    hurts = [row.hurt for row in rows if row.hurt is not None]
    heads = [("agent", ""), ("worse off", "% of users"), ("better off", "% of users")]
    heads.append(("lower decile", "satisfied days"))
    heads += [(f"effect at {q:g}", "satisfied days") for q in QUANTILES]
    columns = [
        _cells([hurt.worse for hurt in hurts], 100.0),
        _cells([hurt.better for hurt in hurts], 100.0),
        _cells([hurt.decile for hurt in hurts]),
        *(_cells([hurt.effects[i] for hurt in hurts], plus=True) for i in range(len(QUANTILES))),
    ]
    base = found.baseline.name if found.baseline else ""
    note = (
        f"Satisfied days against {base}. Effect at q: the q-quantile of users under the agent "
        "minus the q-quantile under the baseline (whoever stands there in each)."
    )
    table = _table("Who is hurt", heads, rows, columns, found.leader)
    return table + f'<p class="note">{escape(note)}</p>'
