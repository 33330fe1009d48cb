"""What a comparison says in the end: the report's data, and a table for the terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from longplay.experiments.populations.crowd import Crowd
from longplay.experiments.run import Columns, Part, RunFolder
from longplay.experiments.tables import curves_table, metrics_table, retention_table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from longplay.experiments.report import ReportData
    from longplay.experiments.report.findings import Findings, Row
    from longplay.experiments.settings import Entry, Settings
    from longplay.experiments.stats import Interval

MYOPIC, ORACLES = "myopic", ("oracle", "patient")  # 0 and 1 of headroom closed; the first is it
CURVES = ("rollout/ep_rew_mean", "train/reward")  # learning curve of the report: the first logged
MEASURE = "ads per fetch"
WIDE = 110  # columns of a terminal that has room for both ends of all intervals


def report_data(
    settings: Settings,
    entries: Sequence[Entry],
    run: RunFolder,
    parts: Sequence[Part],
    seconds: float,
    references: Path | None = None,
) -> ReportData:
    """Everything the report needs.

    seconds: wall time of this command. references: a file to take the ends of headroom closed
    from, if the agents did not take part; None for what is stored with the package.
    """
    from longplay.experiments.references.stored import find
    from longplay.experiments.report import Agent, ReportData, Stored
    from longplay.experiments.settings import find_objective, find_scenario, find_task

    task, world = find_task(settings.world), find_scenario(settings.scenario)
    horizon = settings.horizon_days
    labels = [entry.label for entry in entries]
    oracle = next((name for name in ORACLES if name in labels), "")
    ends = (MYOPIC, oracle or ORACLES[0])
    stored, note = None, ""
    if MYOPIC not in labels or not oracle:
        found, note = find(settings, references)
        if found is not None:
            ends, stored = (found.myopic, found.oracle), Stored(found.values, found.made_by)
    return ReportData(
        question=f"Does patience pay in {task} on {settings.scenario}?",
        task=task,
        world=settings.scenario,
        agents=[
            Agent(
                entry.label,
                entry.kind,
                entry.spec.privileged,
                f"{entry.spec.about}; decides once a {entry.decision}",
                entry.paid and settings.reward is not None,
            )
            for entry in entries
        ],
        metrics=metrics_table(parts),
        retention=retention_table(parts),
        day_value=float(world.day_value),
        gamma_day=float(world.gamma_day),
        horizon_days=float(world.horizon_days if horizon is None else horizon),
        made=how_made(run, parts, seconds),
        myopic=ends[0],
        oracle=ends[1],
        people=people_in(parts),
        stored=stored,
        limits=[*([note] if note else []), *reward_limits(settings, entries)],
        reward=str(find_objective(settings.reward) or ""),
        curves=report_curves(parts),
        behaviour=report_behaviour(parts) if task == "AdLoad" else None,
    )


def people_in(parts: Sequence[Part]) -> int:
    """Users in each seed if groups of them are told of; 0 if each is."""
    told = parts[0].evaluation
    return told.number if isinstance(told, Crowd) else 0


def reward_limits(settings: Settings, entries: Sequence[Entry]) -> list[str]:
    """What a run's own reward does not change, in sentences."""
    if settings.reward is None:
        return []
    said = []
    deaf = [entry.label for entry in entries if entry.spec.policy.learns and not entry.paid]
    if deaf:
        said.append(
            f"The reward of the run did not reach {', '.join(deaf)}: bandits that pick items "
            "learn from what each position earned."
        )
    if any(entry.spec.privileged for entry in entries):
        said.append("The privileged references pursue the value, not the reward of the run.")
    return said


def how_made(run: RunFolder, parts: Sequence[Part], seconds: float) -> dict[str, str]:
    """Label and text of each fact about how the run was made."""
    known = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    machine = known["machine"]
    train = sum(part.train_seconds for part in parts)
    evaluate = sum(part.evaluate_seconds for part in parts)
    made = {
        "command": known["command"],
        "begun": known["begun"],
        "wall time": f"{seconds:.0f} s (parts already done by an earlier run not counted)",
        "work": f"{train:.0f} s of training and {evaluate:.0f} s of evaluation, one thread each",
        "versions": ", ".join(f"{name} {number}" for name, number in known["versions"].items()),
        "machine": f"{machine['processor']}, {machine['cpus']} CPUs, {machine['system']}",
    }
    return made | ({"commit": known["commit"]} if known["commit"] else {})


def report_curves(parts: Sequence[Part]) -> Columns | None:
    """One learning curve per agent that logged one: agent, seed, step, value."""
    table = curves_table(parts)
    if not table["agent"].size:
        return None
    keep = np.zeros(table["agent"].size, bool)
    for agent in np.unique(table["agent"]):
        own = table["agent"] == agent
        for name in CURVES:
            if (own & (table["name"] == name)).any():
                keep |= own & (table["name"] == name)
                break
    if not keep.any():
        return None
    return {name: table[name][keep] for name in ("agent", "seed", "step", "value")}


def report_behaviour(parts: Sequence[Part]) -> Columns:
    """Ads per fetch by age of the account and by fetch of the session, over all seeds."""
    from longplay.experiments.evaluate import TENURE_DAYS

    rows: list[tuple[str, str, float, str, float]] = []
    for agent in dict.fromkeys(part.agent for part in parts):
        own = [part.evaluation for part in parts if part.agent == agent]
        tables = (
            ("age of the account [days]", (0.0, *TENURE_DAYS), sum(x.by_tenure for x in own)),
            ("fetch of the session", range(1, 99), sum(x.by_position for x in own)),
        )
        for axis, marks, table in tables:
            for x, (fetches, ads) in zip(marks, np.asarray(table), strict=False):
                if fetches:
                    rows.append((agent, axis, float(x), MEASURE, ads / fetches))
    names = ("agent", "axis", "x", "measure", "y")
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}


def summary(data: ReportData, width: int = 80) -> tuple[RenderableType, str, str]:
    """A compact table with 95 % intervals, best agent first; how to read it; and the answer.

    A run with a reward of its own has a second table, of its parts. The numbers are the report's.
    On a terminal narrower than WIDE the parts of the value, and of the reward, get half the width
    of their interval instead of its ends.
    """
    from rich.console import Group

    from longplay.experiments.report.findings import find
    from longplay.experiments.report.wording import answer

    found, wide = find(data), width >= WIDE
    day = max((d for row in found.rows for d in row.retention if d <= 28), default=0)
    columns = [
        ("value", _cells([row.value for row in found.rows])),
        ("revenue", _cells([row.means["revenue"] for row in found.rows], half=not wide)),
        ("happy days", _cells([row.means["satisfied_days"] for row in found.rows], half=not wide)),
        (f"D{day} %", _cells([row.retention.get(day) for row in found.rows], 100.0, not wide)),
    ]
    if any(row.closed is not None for row in found.rows):
        columns.append(("headroom %", _cells([row.closed for row in found.rows], 100.0)))
    table = _table(found, found.rows, columns, wide)
    rewards = found.by_reward
    if rewards:
        columns = [("reward", _cells([row.reward for row in rewards], half=not wide))]
        if len(rewards[0].parts) > 1:
            for part in rewards[0].parts:
                cells = _cells([row.parts[part] for row in rewards], half=not wide)
                columns.append((part, cells))
        table = Group(table, "", _table(found, rewards, columns, wide))
    notes = [f"Mean per user [95 % interval] over {found.leader.value.covers}"]
    notes[0] += "" if wide else ", or ± half of it"
    notes.append(f"happy days: satisfied active days; D{day}: active on that day")
    if rewards:
        notes.append(f"reward: {data.reward}, discounted, in its parts")
    if any(row.agent.privileged for row in found.rows):
        notes.append("* sees hidden state: a reference")
    if data.stored is not None:
        notes.append(
            f"headroom from {data.myopic} to {data.oracle}: references stored for this world"
        )
    worst, share = found.cut_off
    if math.isfinite(share):
        notes.append(f"the horizon cuts off an estimated {100 * share:.1f} % at most ({worst})")
    text = " ".join(["; ".join(notes) + ".", *data.limits])
    return table, text, answer(found).headline


def _table(
    found: Findings, rows: Sequence[Row], columns: Sequence[tuple[str, list[str]]], wide: bool
) -> RenderableType:
    """One line an agent; the leader stands out."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 2 if wide else 0, 0, 0))
    table.add_column("agent")
    for head, _ in columns:
        table.add_column(escape(head), justify="right")
    for row, *texts in zip(rows, *(cells for _, cells in columns), strict=True):
        style = "bold" if row is found.leader else "dim" if row.agent.privileged else ""
        name = row.name + (" *" if row.agent.privileged else "")
        table.add_row(name, *(escape(text) for text in texts), style=style)
    return table


def _cells(column: Sequence[Interval | None], scale: float = 1.0, half: bool = False) -> list[str]:
    """A column of estimates with their intervals, in digits that suit all of it."""
    from longplay.experiments.report.wording import NONE, amount, common_digits, mean_and_range

    digits = common_digits(column, scale)
    cells = []
    for x in column:
        mean, ends = (NONE, "") if x is None else mean_and_range(x, scale, digits=digits)
        if x is not None and ends and half:
            ends = "±" + amount(scale * (x.high - x.low) / 2, digits)
        cells.append(f"{mean} {ends}".strip())
    return cells
