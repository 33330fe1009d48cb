"""What a run of facts says: a table on screen and a page in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from longplay.experiments.facts.judge import MISSES, Judged, Verdict

if TYPE_CHECKING:
    from rich.table import Table


def number(x: float) -> str:
    """Three digits, without an exponent where there need be none."""
    if not math.isfinite(x):
        return "unknown" if math.isnan(x) else "∞" if x > 0 else "-∞"
    digits = max(0, 2 - math.floor(math.log10(abs(x)))) if x else 0
    return f"{x:.{digits}f}" if digits <= 6 else f"{x:.2g}"


def measured(verdict: Verdict) -> str:
    """-2.07 [-2.2, -1.9]."""
    found = verdict.measured
    return f"{number(found.mean)} [{number(found.low)}, {number(found.high)}]"


def span(verdict: Verdict) -> str:
    """The range: -2.7 to -1.5, above 0, or nothing."""
    low, high = verdict.low, verdict.high
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf:
        return f"≥ {low:g}"
    return f"≤ {high:g}" if low == -math.inf else f"{low:g} to {high:g}"


def summary(judged: Sequence[Judged]) -> str:
    """How many gates hold, and how many of these are predictions."""
    gates = [one for one in judged if one.found.fact.tier == "gate"]
    holding = [one for one in gates if one.holds]
    predictions = sum(one.found.fact.origin == "predicted" for one in holding)
    told = f"{len(holding)} of {len(gates)} gates hold; {predictions} of these are predictions."
    missing = [one.found.fact.id for one in gates if not one.holds]
    return f"{told} Missing: {', '.join(missing)}." if missing else told


def table(judged: Sequence[Judged]) -> Table:
    """The table on screen."""
    from rich.table import Table

    shown = Table("fact", "tier", "origin", "number", "measured [95 %]", "range", "verdict")
    for one in judged:
        fact = one.found.fact
        head = [fact.id, fact.tier, fact.origin]
        for verdict in one.verdicts:
            word = f"[bold red]{verdict.word}[/]" if verdict.word == MISSES else verdict.word
            shown.add_row(*head, verdict.check.name, measured(verdict), span(verdict), word)
            head = ["", "", ""]
    return shown


def page(judged: Sequence[Judged], content: Any, pictures: str = "") -> str:
    """The page, from the judged facts and what `harness.as_json` tells of the run.

    pictures: what links to pictures begin with, such as "facts/".
    """
    command = content["environment"]["command"]
    lines = [
        f"# Field experiments in simulation: the `{content['scenario']}` scenario",
        "",
        f"Made by `{command}` ({content['kind']} run, {content['seeds']} seeds). Do not edit by "
        "hand.",
        "",
        summary(judged),
        "",
        "*Fitted*: parameters of the world were chosen with this fact in view, or taken from its "
        "source. *Predicted*: none was. All facts share one world and its parameters, where a fact "
        "does not say otherwise. Each number is read from the mean over seeds; its 95 % interval "
        "is the jackknife's over seeds. A gate holds when every interval overlaps its range and no "
        "estimate has the wrong sign; a number "
        "without a range is only shown. Marks: [L] read in the source, [S] as reported by others, "
        "[M] from memory, [D] derived.",
        "",
        "| fact | finding | tier | origin | verdict |",
        "|---|---|---|---|---|",
    ]
    for one in judged:
        fact = one.found.fact
        word = "holds" if one.holds else "**misses**"
        lines.append(f"| {fact.id} | {fact.title} | {fact.tier} | {fact.origin} | {word} |")
    for one in judged:
        lines += section(one, pictures)
    return "\n".join(lines) + "\n"


def section(judged: Judged, pictures: str) -> list[str]:
    """One fact: its words, numbers and picture."""
    fact = judged.found.fact
    told = judged.found.about.strip().partition("\n\n")[2]
    lines = [
        "",
        f"## {fact.id}: {fact.title}",
        "",
        told,
        "",
        f"Expected: {fact.expected}. {fact.tier.capitalize()}, {fact.origin}. Source: "
        f"{fact.source} ({fact.mark}).",
        "",
        "| number | measured [95 %] | range | verdict |",
        "|---|---:|---:|---|",
    ]
    for verdict in judged.verdicts:
        about = f"{verdict.check.name}: {verdict.check.about}"
        word = f"**{verdict.word}**" if verdict.word == MISSES else verdict.word
        lines.append(f"| {about} | {measured(verdict)} | {span(verdict)} | {word} |")
    return [*lines, "", f"![{fact.title}]({pictures}{fact.id}.svg)"]
