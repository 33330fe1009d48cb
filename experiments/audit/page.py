"""What an audit leaves behind: audit.md, audit.json and audit.svg."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longplay.experiments.audit.candidates import Candidate
from longplay.experiments.audit.study import REPORT, Audit, Confirmed, Findings, checked
from longplay.experiments.audit.trace import Trace, trace
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.report.wording import amount, inline
from longplay.experiments.run import replacing, versions, write_json
from longplay.experiments.settings import find_scenario
from longplay.experiments.stats import Interval

if TYPE_CHECKING:
    from longplay.rewards import Objective

FORMAT = "longplay audit 1"
HEADS = {
    "reward": "the reward",
    "value": "true value [money]",
    "satisfied_days": "satisfied days",
    "revenue": "revenue [money]",
    "active_days": "active days",
    "minutes": "minutes played",
}
SHOWN = 10  # searched policies in the table


def write(folder: Path, found: Findings, command: Sequence[str]) -> str:
    """Write the files; returns what is said on screen."""
    worst = found.worst
    told = trace(found, worst, checked(found.asked)) if worst else None
    write_json(folder / "audit.json", as_json(found, told, command))
    for name, text in (
        ("audit.svg", figure(found)),
        (REPORT, page(found, told, command)),
    ):
        with replacing(folder / name) as half:
            half.write_text(text, encoding="utf-8")
    lines = [answer(found), *(["", *table(worst)] if worst else []), ""]
    if told:
        lines += [told.text, ""]
    return "\n".join([*lines, f"report       {folder / 'audit.md'}"])


def settings_of(asked: Audit, objective: Objective) -> dict[str, Any]:
    """What decides the numbers."""
    kept = {**dataclasses.asdict(asked), "reward": str(objective)}
    del kept["out"]
    return kept


def answer(found: Findings) -> str:
    """The finding in a sentence or two."""
    worst, reward = found.worst, f"`{found.objective}`"
    tried = f"{len(found.searched)} policies"
    if worst is not None:
        more, less = worst.change["reward"], negative(worst.change["value"])
        again = len(found.confirmed)
        of_them = f"worst of the {again}" if again > 1 else "one"
        return (
            f"{reward} can be gamed. The {of_them} looked at again, of {tried} tried, is "
            f"{worst.candidate.name} ({worst.candidate.about}): beside {found.base.name} it raises "
            f"the reward by {inline(more)} a person{share_of(found, more, 'reward')} while true "
            f"value falls by {inline(less)}{share_of(found, less, 'value')}."
        )
    if all(one.reward.low == one.reward.high == 0.0 for one in found.searched):
        return f"{reward} was the same under all of {tried}: nothing here moves it."
    raised = [one for one in found.searched if one.reward.sign > 0]
    if not raised:
        return (
            f"None of {tried} surely raised {reward} beside {found.base.name}, so none gamed it. "
            "That is no proof: see what was searched."
        )
    return (
        f"No gaming of {reward} was found: {len(raised)} of {tried} surely raised it, and none of "
        "these was confirmed to lower true value. That is no proof: see what was searched."
    )


def share_of(found: Findings, change: Interval, measure: str) -> str:
    """A change as a share of the base, if that has a scale."""
    base = float(found.base_scores[measure].mean())
    return f" ({100.0 * change.mean / base:.0f} %)" if base > 0.0 else ""


def negative(x: Interval) -> Interval:
    """The interval of the opposite."""
    return dataclasses.replace(x, mean=-x.mean, low=-x.high, high=-x.low)


def table(one: Confirmed) -> list[str]:
    """A confirmed policy beside the base, as a Markdown table."""
    lines = ["| a person, discounted | " + f"change under {one.candidate.name} |", "|---|---:|"]
    lines += [f"| {head} | {inline(one.change[name], plus=True)} |" for name, head in HEADS.items()]
    return lines


def page(found: Findings, told: Trace | None, command: Sequence[str]) -> str:
    """audit.md."""
    parts = [
        f"# Audit of `{found.objective}`",
        "",
        answer(found),
        "",
        f"Made by `{shlex.join(command)}`.",
        "",
        *confirmations(found),
        *searches(found),
    ]
    if told is not None:
        parts += ["## One life under both", "", "```text", told.text, "```", ""]
    return "\n".join(parts)


def confirmations(found: Findings) -> list[str]:
    """What was looked at again."""
    asked, world = found.asked, find_scenario(found.asked.scenario)
    lines = [
        "## Confirmed on other people",
        "",
        f"Differences to {found.base.name} ({found.base.about}), means over {asked.users} people "
        "whom neither the search nor the training has met, taken person by person: same people, "
        f"same luck; sums over a life, discounted by the calendar ({world.gamma_day:g} a day). "
        f"True value is revenue plus {world.day_value:g} for a satisfied active day; satisfaction "
        "is hidden from every platform.",
        "",
    ]
    if not found.confirmed:
        return [*lines, "The search left nothing to confirm.", ""]
    count = len(found.confirmed)
    lines += [
        f"Intervals cover {100.0 * found.level:.4g} % each, so that with {count} of them looked "
        "at, one that does not game the reward passes for one that does in about 2.5 % of audits; "
        "in more where few people make most of a difference (docs/audit.md).",
        "",
        "| policy | what it does | games it | " + " | ".join(HEADS.values()) + " |",
        "|---|---|---|" + "---:|" * len(HEADS),
    ]
    for one in found.confirmed:
        cells = " | ".join(inline(one.change[name], plus=True) for name in HEADS)
        verdict = "**yes**" if one.gamed else "no"
        lines.append(f"| {one.candidate.name} | {one.candidate.about} | {verdict} | {cells} |")
    return [*lines, ""]


def searches(found: Findings) -> list[str]:
    """What was searched."""
    gamed = sum(one.gamed for one in found.searched)
    order = sorted(found.searched, key=lambda one: (not one.gamed, -one.reward.mean))
    lines = [
        "## Searched",
        "",
        "![Change of the reward and of true value under every policy searched](audit.svg)",
        "",
        f"{len(found.searched)} policies on other {search_users(found)} people; {gamed} raised the "
        "reward while value fell, both with their 95 % intervals. "
        + (f"No policy was trained on the reward: {found.untrained}. " if found.untrained else "")
        + agreement(found),
        "",
        f"Those that gamed it first, then by the reward; {min(SHOWN, len(order))} of "
        f"{len(order)}, all in audit.json.",
        "",
        "| policy | what it does | the reward | true value [money] |",
        "|---|---|---:|---:|",
    ]  # fmt: skip
    for one in order[:SHOWN]:
        lines.append(
            f"| {one.candidate.name} | {one.candidate.about} | {inline(one.reward, plus=True)} | "
            f"{inline(one.value, plus=True)} |"
        )
    return [*lines, ""]


def search_users(found: Findings) -> int:
    """People of the search."""
    return found.searched[0].reward.users


def agreement(found: Findings) -> str:
    """How reward and value went together."""
    if math.isnan(found.agreement):
        return "Reward or value was the same under all."
    return (
        f"Over them, the rank correlation of the two changes is {amount(found.agreement, 2)} "
        "(1: the reward ranks policies as value does)."
    )


def figure(found: Findings) -> str:
    """Every policy searched, and what was confirmed, with its intervals."""
    xs = [one.reward.mean for one in found.searched]
    ys = [one.value.mean for one in found.searched]
    again = [(one.change["reward"], one.change["value"]) for one in found.confirmed]
    wide = [*xs, 0.0, *(x.low for x, _ in again), *(x.high for x, _ in again)]
    high = [*ys, 0.0, *(y.low for _, y in again), *(y.high for _, y in again)]
    curves = [
        Curve("searched", xs, ys, points=True, colour=0),
        Curve("", [0.0, 0.0], [min(high), max(high)], dashed=True, colour=2),
        Curve("", [min(wide), max(wide)], [0.0, 0.0], dashed=True, colour=2),
    ]
    if again:
        curves.append(
            Curve("looked at again", [x.mean for x, _ in again], [y.mean for _, y in again],
                  points=True, colour=1)
        )  # fmt: skip
    for x, y in again:
        curves.append(Curve("", [x.low, x.high], [y.mean, y.mean], colour=1))
        curves.append(Curve("", [x.mean, x.mean], [y.low, y.high], colour=1))
    alt = f"{answer(found)} Gamed is the quarter below and to the right of the dashed lines."
    return chart(alt, "change of the reward, per person", "change of true value [money]", curves)


def as_json(found: Findings, told: Trace | None, command: Sequence[str]) -> dict[str, Any]:
    """audit.json."""
    worst = found.worst
    return {
        "format": FORMAT,
        "gamed": worst is not None,
        "answer": answer(found),
        "worst": None if worst is None else worst.candidate.name,
        "settings": settings_of(found.asked, found.objective),
        "base": {
            "name": found.base.name,
            "means": {name: float(found.base_scores[name].mean()) for name in HEADS},
        },
        "level": found.level,
        "confirmed": [
            {
                **spoken(one.candidate),
                "gamed": one.gamed,
                "change": {name: numbers(one.change[name]) for name in HEADS},
            }
            for one in found.confirmed
        ],
        "searched": [
            {
                **spoken(one.candidate),
                "gamed": one.gamed,
                "reward": numbers(one.reward),
                "value": numbers(one.value),
            }
            for one in found.searched
        ],
        "agreement": None if math.isnan(found.agreement) else found.agreement,
        "untrained": found.untrained,
        "trace": None if told is None else told.text.splitlines(),
        "command": shlex.join(command),
        "versions": versions(),
    }


def spoken(one: Candidate) -> dict[str, Any]:
    """A policy by name, words and settings."""
    return {"name": one.name, "about": one.about, "settings": dict(one.settings)}


def numbers(x: Interval) -> dict[str, float]:
    """An interval as it is kept."""
    return {"mean": x.mean, "low": x.low, "high": x.high}
