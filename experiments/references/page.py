"""The references stored with the package, as a page.

    python -m longplay.experiments.references.page > docs/references.md

Last seen: docs/references.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from longplay.experiments.references.stored import SHIPPED, read
from longplay.experiments.references.study import exact, exact_worlds

HEADS = {"value": "value [money]", "revenue": "revenue [money]", "satisfied_days": "satisfied days"}
OPENING = """# References: chance, one rule, greed and foresight

Made by `python -m longplay.experiments.references.page` from what `longplay references` stored
with the package. Do not edit by hand.

Each world below is played by four references. `random` takes every action equally often.
`best-fixed` never changes: on AdLoad the best of all 22 layouts, on Feed the best of 29 vectors of
score weights (`agents/best_fixed.py` lists them), chosen by whole lives of training people and
judged on others. `myopic` sees everything hidden and takes what is best for the moment: on AdLoad
the layout of the highest expected revenue of one decision, on Feed the slate of the most expected
minutes. The last sees everything hidden and looks ahead. On AdLoad, `oracle`: from the best fixed
rule on, lives are forked, every layout is tried in each fork under the same luck, a better policy
is fitted and becomes the next base, until the 95 % interval of what a round gains includes 0 (2 to
6 rounds). On Feed, `patient`: the best weighing of what each item gives in minutes and in lasting
worth, found on whole lives of training people; it does not fork. Both are lower bounds of the best
long run, not the best. Forks were tried on Feed, too: `oracle` there may choose another weighing in
every hidden state. In `bench` no round gained anything over the best weighing for all, since hidden
state did not tell which weighing does better (variance explained out of sample: -0.3 to 0 %, with 8
weighings held for a day and with 3 held for five).

Means are per person, discounted by the calendar; intervals cover 95 %, over people and seeds.
Differences are taken person by person: same people, same luck.
"""


def page() -> str:
    """The whole page, in Markdown."""
    parts = [OPENING]
    for file in sorted(SHIPPED.glob("*.json")):
        parts.append("\n".join(section(read(file))))
    parts.append("\n".join(exact_section()))
    return "\n".join(parts)


def section(kept: Mapping[str, Any]) -> list[str]:
    """One world: what each reached, and the differences."""
    task, roles = kept["key"]["task"], kept["roles"]
    over_myopic = [kept["gains"][f"{roles[role]} over myopic"] for role in ("rule", "oracle")]
    pays = any(gain["value"]["low"] > 0.0 for gain in over_myopic)
    chosen = "; ".join(dict.fromkeys(spoken_rule(rule) for rule in kept["chosen"]))
    return [
        f"## `{kept['scenario']}`, longplay/{task}-v0",
        "",
        f"Patience {'pays' if pays else 'does not clearly pay'} here. {kept['seeds']} seeds, "
        f"{kept['users']} held-out people in each, made in {kept['seconds']} s by "
        f"`{kept['command']}`. Best fixed rule: {chosen}.",
        "",
        *table("reference", kept["reached"], sign=""),
        "",
        *table("difference", kept["gains"], sign="+"),
        "",
    ]


def spoken_rule(rule: Mapping[str, Any]) -> str:
    """The settings of a fixed rule in words."""
    if "positions" in rule:
        return (
            "ads at " + " and ".join(map(str, rule["positions"])) if rule["positions"] else "no ad"
        )
    return ", ".join(f"{name} {weight:g}" for name, weight in rule.items())


def table(head: str, rows: Mapping[str, Any], sign: str) -> list[str]:
    """Rows of intervals as a Markdown table."""
    lines = [f"| {head} | " + " | ".join(HEADS.values()) + " |", "|---|" + "---:|" * len(HEADS)]
    for name, parts in rows.items():
        cells = (parts[part] for part in HEADS)
        texts = [
            f"{x['mean']:{sign}.3f} [{x['low']:{sign}.3f}, {x['high']:{sign}.3f}]" for x in cells
        ]
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return lines


def exact_section() -> Sequence[str]:
    """The worlds that are solved exactly."""
    lines = []
    for world in exact_worlds():
        found = exact(world)
        action = found["the rule's action"]
        lines += [
            f"## {world}",
            "",
            "Expected discounted reward of a life, solved exactly (no interval).",
            "",
            "| chance | best constant action | myopic | optimum |",
            "|---:|---:|---:|---:|",
            f"| {found['chance']:.3f} | {found['rule']:.3f} (action {action}) "
            f"| {found['myopic']:.3f} | {found['oracle']:.3f} |",
        ]
    return [*lines, ""]


if __name__ == "__main__":
    sys.stdout.write(page())
