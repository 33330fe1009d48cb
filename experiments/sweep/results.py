"""What a sweep found: its trials as rows, the best of them, one table.

An interval is about the mean over people and seeds, 95 %, of the kind described in stats.py, from
each seed's mean and variance alone: with S seeds of n people,

    V_users = mean of the seeds' variances / (S n)
    V_seeds = variance of the seeds' means / S
    reach   = t(S (n - 1)) sqrt(V_users),
              and where V_seeds > V_users / 2 at least t(S - 1) sqrt(V_seeds)

All trials meet the same people with the same luck, so that two trials differ more surely than their
intervals look.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longplay.experiments.run import Columns, Refused
from longplay.experiments.stats import LEVEL, Interval
from longplay.experiments.sweep.config import Sweep
from longplay.experiments.sweep.search import Trial
from longplay.experiments.sweep.trial import DONE, FAILED, Result, shown, trial_file

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 30  # rows of the table on the terminal


@dataclass(frozen=True)
class Row:
    """A trial and what came of it."""

    number: int
    params: Mapping[str, Any]
    train_steps: int  # decisions learnt from, per seed
    status: str  # done, stopped (early), failed
    error: str
    metric: Interval  # nan if it failed
    by_seed: tuple[float, ...]
    figures: Mapping[str, float]  # means over people and seeds

    @property
    def done(self) -> bool:
        """Whether it went to its end."""
        return self.status == DONE


@dataclass(frozen=True)
class Findings:
    """A finished sweep."""

    config: Sweep
    command: str
    rows: tuple[Row, ...]  # by number
    winner: Row | None = None  # the best, trained with new seeds and judged on other people

    @cached_property
    def ranked(self) -> list[Row]:
        """Best first: what went to its end, then what was stopped (later ones first), then failed.

        Equals stand in the order of their numbers.
        """
        sign = -1 if self.config.goal == "max" else 1

        def place(row: Row) -> tuple[int, int, float, int]:
            failed = row.status == FAILED
            score = math.inf if failed else sign * row.metric.mean
            return (failed, -row.train_steps * (not row.done), score, row.number)

        return sorted(self.rows, key=lambda row: (not row.done, *place(row)))

    @property
    def best(self) -> Row | None:
        """The best trial that went to its end."""
        first = self.ranked[0] if self.ranked else None
        return first if first is not None and first.done else None

    def answer(self) -> str:
        """What was found, in a sentence or two."""
        from longplay.experiments.report.wording import inline

        best, metric = self.best, self.config.metric
        failed = [row for row in self.rows if row.status == FAILED]
        if best is None:
            return f"All {len(self.rows)} trials failed; the first: {failed[0].error}."
        said = f"Best of {len(self.rows)}: trial {best.number} ({spoken(best.params)}), {metric} "
        said += f"{inline(best.metric)}."
        if self.winner is not None and self.winner.done:
            said += (
                f" Trained with {self.winner.metric.seeds} new seeds and judged on people no trial "
                f"has met: {inline(self.winner.metric)}."
            )
        if failed:
            said += (
                f" {len(failed)} failed; the first: trial {failed[0].number}, {failed[0].error}."
            )
        return said

    def columns(self) -> Columns:
        """One row a trial, by number."""
        columns: Columns = {
            "trial": np.array([row.number for row in self.rows]),
            "status": np.array([row.status for row in self.rows]),
        }
        for name in self.config.over:
            values = [shown(row.params[name]) for row in self.rows]
            plain = all(isinstance(v, int | float) for v in values)
            columns[name] = np.array(values if plain else [str(v) for v in values])
        columns["learnt_from"] = np.array([row.train_steps for row in self.rows])
        metric = self.config.metric
        for end in ("low", "high"):
            columns[f"{metric}_{end}"] = np.array([getattr(r.metric, end) for r in self.rows])
        names = dict.fromkeys(name for row in self.rows for name in row.figures)
        for name in names:
            columns[f"mean_{name}"] = np.array([row.figures.get(name, np.nan) for row in self.rows])
        columns["error"] = np.array([row.error for row in self.rows])
        return columns

    def table(self) -> Table:
        """The best trials, for the terminal."""
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        from longplay.experiments.report.wording import common_digits, mean_and_range

        digits = common_digits([row.metric for row in self.ranked])
        names = self.config.varied or list(self.config.over)
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("trial", justify="right")
        for name in names:
            table.add_column(escape(short_name(name)), justify="right")
        table.add_column(escape(self.config.metric), justify="right")
        table.add_column("")
        for row in self.ranked[:SHOWN]:
            cells = [str(row.number), *(str(shown(row.params[name])) for name in names)]
            told = " ".join(mean_and_range(row.metric, digits=digits)).strip()
            table.add_row(*map(escape, [*cells, told, note(row)]))
        if len(self.rows) > SHOWN:
            table.caption = f"and {len(self.rows) - SHOWN} more"
        return table


def note(row: Row) -> str:
    """What is to be said of a row, if anything."""
    if row.status == FAILED:
        return f"failed: {row.error}"
    return "" if row.done else f"stopped at {row.train_steps:,}"


def short_name(name: str) -> str:
    """A setting's name as a column's: without "agent." or "world."."""
    head, dot, tail = name.partition(".")
    return tail if dot and head in ("agent", "world") else name


def spoken(params: Mapping[str, Any]) -> str:
    """The values of a trial in words."""
    return ", ".join(f"{short_name(name)} = {shown(value)}" for name, value in params.items())


def row_of(config: Sweep, result: Result) -> Row:
    """A result as a row."""
    seeds = result["seeds"]
    names = list(seeds[0]["figures"]) if seeds else []
    figures = {n: float(np.mean([one["figures"][n] for one in seeds])) for n in names}
    by_seed = tuple(one["figures"][config.metric] for one in seeds)
    return Row(
        number=result["number"],
        params=result["params"],
        train_steps=result["train_steps"],
        status=result["status"],
        error=result["error"],
        metric=interval(by_seed, [one["variance"] for one in seeds], config.users),
        by_seed=by_seed,
        figures=figures,
    )


def interval(means: Sequence[float], variances: Sequence[float], users: int) -> Interval:
    """The interval of the mean of seeds' means; nan without any.

    Args:
        means: (S,) of each seed.
        variances: (S,) over the people of each seed.
        users: people in each seed.
    """
    if not means:
        return Interval(math.nan, math.nan, math.nan, note="failed")
    from scipy.stats import t

    seeds, tail = len(means), (1 - LEVEL) / 2
    mean = float(np.mean(means))
    noise = float(np.mean(variances)) / (seeds * users)
    reach = math.sqrt(noise) * -float(t.ppf(tail, max(seeds * (users - 1), 1)))
    if seeds > 1:
        between = float(np.var(means, ddof=1)) / seeds
        if between > noise / 2:
            reach = max(reach, math.sqrt(between) * -float(t.ppf(tail, seeds - 1)))
    return Interval(mean, mean - reach, mean + reach, seeds, users)


def read_result(file: Path) -> Result:
    """A result from its file; Refused if it cannot be read."""
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        result["number"], result["params"], result["status"], result["seeds"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(f"{file} is damaged; delete it and run again with --resume.") from None
    return dict(result)


def read_trial(folder: Path, trial: Trial) -> Result:
    """The last result of a trial; Refused if it is of other values than the trial's."""
    file = trial_file(folder, trial)
    result = read_result(file)
    if result["params"] != json.loads(json.dumps(dict(trial.params))):
        raise Refused(
            f"{file} holds a trial of {spoken(result['params'])}, where {spoken(trial.params)} is "
            "due; was it made with another version of optuna? Give another --out."
        )
    return result
