"""Does patience pay? The paired differences that prove a world's trade-off, as a page.

    longplay compare --preset demo --out runs/demo
    python -m longplay.experiments.studies.tradeoff runs/demo > docs/tradeoff.md

Reads the tables of one run of `longplay compare`. Every difference is taken user by user, on the
same people with the same luck; the interval is over users and seeds (see stats.py). Last seen:
docs/tradeoff.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from longplay.agents.registry import AGENTS
from longplay.experiments.paired import Panel
from longplay.experiments.stats import Bootstrap, Interval

PARTS = {"value": "value [money]", "revenue": "revenue [money]", "satisfied_days": "satisfied days"}
SEED = 77  # of the bootstrap


def differences(panel: Panel, names: Sequence[str], pairs: Any) -> dict[Any, Interval]:
    """The paired difference of each (better, worse) pair of agents in each of PARTS."""
    boot = Bootstrap(len(panel.seeds), panel.users, np.random.default_rng(SEED))
    found = {}
    for part in PARTS:
        means = boot.means(panel[part])
        for better, worse in pairs:
            gap = means.difference(names.index(better), names.index(worse))
            found[better, worse, part] = boot.interval(gap)
    return found


def kind_of(name: str, task: str = "AdLoad") -> str:
    """What an agent of a run is to the proof; "" if nothing (no ads, by chance, unknown)."""
    base = name.partition("@")[0]
    spec = AGENTS.get(base)
    if spec is None or base in ("random", "fixed-none"):
        return ""
    if spec.privileged:
        return base  # "myopic" or "patient"
    if not spec.others.get(task, spec.policy).learns:
        return "rule"
    return "learner" if spec.extra in ("rl", "ray") else "bandit"


def claims(names: Sequence[str], task: str = "AdLoad") -> list[tuple[str, str]]:
    """What a proof needs: rules and patience over myopia, learning over every bandit and rule."""
    kinds = ("rule", "bandit", "learner", "myopic", "patient")
    rules, bandits, learners, myopic, patient = (
        [name for name in names if kind_of(name, task) == kind] for kind in kinds
    )
    return [
        *itertools.product(rules, myopic),
        *itertools.product(patient, myopic),
        *itertools.product(patient, rules),
        *itertools.product(learners, (*bandits, *rules)),
    ]


def command_of(run: Path) -> str:
    """The command that made a run, as it is noted there."""
    try:
        return str(json.loads((run / "environment.json").read_text(encoding="utf-8"))["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return "longplay compare"


def page(run: Path) -> str:
    """The Markdown page of a run folder."""
    import polars as pl

    config = json.loads((run / "config.json").read_text())["settings"]
    table = pl.read_parquet(run / "metrics.parquet")
    panel = Panel.of({name: table[name].to_numpy() for name in table.columns}, list(PARTS))
    names = list(panel.agents)
    task = config["world"].rpartition("/")[2].rpartition("-v")[0]
    pairs = claims(names, task)
    found = differences(panel, names, pairs)
    held = sum(found[a, b, "value"].low > 0 for a, b in pairs)
    lines = [
        f"# Does patience pay in `{config['scenario']}`? ({config['world']})",
        "",
        "Made by `python -m longplay.experiments.studies.tradeoff` from a run of "
        f"`{command_of(run)}` ({config['world']}, scenario `{config['scenario']}`, "
        f"decision `{config['decision']}`, {config['seeds']} seeds, {config['users']} held-out "
        f"people in each, {config['train_steps']:,} decisions of training). Do not edit by hand.",
        "",
        "Differences are means over people, taken person by person: the same people with the same "
        "luck under both policies. Value is revenue plus the world's price of a satisfied active "
        "day, discounted by the calendar. Intervals cover 95 %, over people and seeds. `myopic` "
        "and `patient` see hidden state: references no platform could run. Bandits learn from "
        "immediate reward.",
        "",
        f"{held} of {len(pairs)} claims hold: the difference in value lies above 0 with its whole "
        "interval.",
        "",
        "| more | than | " + " | ".join(PARTS.values()) + " |",
        "|---|---|" + "---:|" * len(PARTS),
    ]
    for a, b in pairs:
        cells = [spoken(found[a, b, part]) for part in PARTS]
        lines.append(f"| {a} | {b} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def spoken(x: Interval) -> str:
    """+0.12 [0.10, 0.14]."""
    return f"{x.mean:+.3f} [{x.low:+.3f}, {x.high:+.3f}]"


def main() -> int:
    """Print the page of a run."""
    asked = argparse.ArgumentParser(description="The page of a run's trade-off.")
    asked.add_argument("run", type=Path, help="folder of a run of longplay compare")
    run = asked.parse_args().run
    if not (run / "metrics.parquet").exists():
        print(f"{run} holds no metrics.parquet; name the folder of a finished run", file=sys.stderr)
        return 2
    print(page(run), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
