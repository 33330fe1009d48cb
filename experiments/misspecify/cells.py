"""What was found: a matrix of agents, worlds trained under and worlds tested in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from longplay.experiments.paired import Floats
from longplay.experiments.report.wording import inline
from longplay.experiments.run import Columns, RunFolder
from longplay.experiments.stats import Bootstrap, Interval

if TYPE_CHECKING:
    from rich.table import Table

    from longplay.experiments.misspecify.study import Misspecify

SEED = 79  # of the bootstrap


@dataclass(frozen=True)
class Cell:
    """One agent, trained under one world and tested in another."""

    agent: str
    trained: str
    tested: str
    value: Interval  # of a person, in the world tested in [money]
    loss: Interval | None  # value minus that of the same agent trained in the world it is tested
    #   in, person by person; None: is that one, or there is none

    @property
    def own(self) -> bool:
        """Whether it is tested where it was trained."""
        return self.trained == self.tested


@dataclass(frozen=True)
class Matrix:
    """Every cell of a study."""

    asked: Misspecify
    command: str
    cells: tuple[Cell, ...]

    @property
    def agents(self) -> list[str]:
        """Agents in the order in which they were asked for."""
        return list(dict.fromkeys(cell.agent for cell in self.cells))

    def of(self, agent: str, trained: str, tested: str) -> Cell:
        """The cell of an agent and two worlds."""
        wanted = (agent, trained, tested)
        return next(c for c in self.cells if (c.agent, c.trained, c.tested) == wanted)

    def answer(self) -> str:
        """The worst loss in one sentence."""
        known = [cell for cell in self.cells if cell.loss is not None]
        if not known:
            return "No test world was trained in: the table has values, and no losses."
        sure = [cell for cell in known if cell.loss is not None and cell.loss.sign < 0]
        if not sure:
            return "No wrong belief costs anything that could be told apart from nothing."
        worst = min(sure, key=lambda cell: cell.loss.mean if cell.loss else 0.0)
        assert worst.loss is not None
        return (
            f"{len(sure)} of {len(known)} wrong beliefs cost value. The dearest: {worst.agent}, "
            f"trained under {worst.trained} and tested in {worst.tested}: "
            f"{inline(worst.loss, plus=True)} a person."
        )

    def table(self) -> Columns:
        """One row a cell; no loss is nan."""
        nan = Interval(np.nan, np.nan, np.nan)
        columns: Columns = {
            name: np.array([getattr(cell, name) for cell in self.cells])
            for name in ("agent", "trained", "tested")
        }
        for name, found in (
            ("value", [cell.value for cell in self.cells]),
            ("loss", [cell.loss or nan for cell in self.cells]),
        ):
            columns[name] = np.array([x.mean for x in found])
            columns[f"{name}_low"] = np.array([x.low for x in found])
            columns[f"{name}_high"] = np.array([x.high for x in found])
        return columns

    def shown(self, agent: str) -> Table:
        """One agent's matrix for the terminal."""
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=f"{agent}: value, and what is lost", box=box.SIMPLE_HEAD)
        table.add_column("trained under")
        for tested in self.asked.tests:
            table.add_column(escape(f"in {tested}"), justify="right")
        for trained in self.asked.train:
            cells = [self.of(agent, trained, tested) for tested in self.asked.tests]
            texts = [f"{inline(c.value)}\n{lost(c)}".strip() for c in cells]
            table.add_row(escape(trained), *(escape(text) for text in texts))
        return table


def lost(cell: Cell) -> str:
    """The loss in words."""
    return inline(cell.loss, plus=True) if cell.loss else "(its own world)" if cell.own else ""


def matrix_of(asked: Misspecify, run: RunFolder) -> Matrix:
    """Read every part of a finished run."""
    import json

    from longplay.experiments.misspecify.study import folder_of

    cells: list[Cell] = []
    boot = Bootstrap(asked.seeds, asked.users, np.random.default_rng(SEED))
    for agent in asked.settings("").agents:
        for tested in asked.tests:
            values = np.array(
                [
                    [
                        folder_of(run, asked, trained, tested)
                        .load_part(agent, seed)
                        .evaluation.users["value"]
                        for seed in range(asked.seeds)
                    ]
                    for trained in asked.train
                ]
            )
            cells += column(boot, values, agent, asked.train, tested)
    known = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    return Matrix(asked, str(known["command"]), tuple(cells))


def column(
    boot: Bootstrap, values: Floats, agent: str, trained: Sequence[str], tested: str
) -> list[Cell]:
    """The cells of one agent in one test world; values (worlds trained under, seeds, users)."""
    means = boot.means(values)
    intervals = boot.intervals(means)
    own = trained.index(tested) if tested in trained else None
    losses: list[Any] = [
        None if own is None or i == own else boot.interval(means.difference(i, own))
        for i in range(len(trained))
    ]
    return [
        Cell(agent, name, tested, value, loss)
        for name, value, loss in zip(trained, intervals, losses, strict=True)
    ]
