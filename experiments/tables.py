"""The tables of a run: plain columns of one length, from its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.experiments.evaluate import DAYS, SUMMED, TENURE_DAYS, Evaluation
from longplay.experiments.populations.crowd import Crowd
from longplay.experiments.run import Columns, Part

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def metrics_table(parts: Sequence[Part]) -> Columns:
    """One row per agent, seed and user; of a crowd, per group of users, with their means.

    Sums are discounted by calendar, with their plain counterparts as ``undiscounted_*``.
    ``cut_off`` is the user's value estimated beyond the horizon over the mean value of a user of
    that agent and seed: its mean over users is the share of the value that the horizon cuts off.
    A run with a reward of its own has ``reward`` and its parts, ``reward:PART``, discounted too.
    """
    columns: dict[str, list[npt.NDArray[Any]]] = {}
    for part in parts:
        users = part.evaluation.users
        n = users.size
        whole = float((users["value"] + users["beyond"]).mean())
        row: Columns = {"agent": np.full(n, part.agent), "seed": np.full(n, part.seed)}
        row |= {name: users[name] for name in users.dtype.names or ()}
        row["cut_off"] = users["beyond"] / whole if whole else np.zeros(n)
        for name, column in row.items():
            columns.setdefault(name, []).append(column)
    return {name: np.concatenate(pieces) for name, pieces in columns.items()}


def quantiles_table(parts: Sequence[Part]) -> Columns:
    """Quantiles over users, of parts that keep no row a user: agent, seed, column, q, y.

    They come from counts in buckets and are within 0.8 %.
    """
    rows = [
        (part.agent, part.seed, column, q, y)
        for part in parts
        if isinstance(told := part.evaluation, Crowd)
        for column in told.sketched
        for q, y in zip(QUANTILES, told.quantiles(column, QUANTILES), strict=True)
    ]
    names = ("agent", "seed", "column", "q", "y")
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}


def retention_table(parts: Sequence[Part]) -> Columns:
    """One row per agent, seed and day of a user's own study: users active, users watched."""
    counts = [part.evaluation.retention() for part in parts]
    return {
        "agent": np.repeat([part.agent for part in parts], DAYS),
        "seed": np.repeat([part.seed for part in parts], DAYS),
        "day": np.tile(np.arange(DAYS), len(parts)),
        "active": np.concatenate([active for active, _ in counts]),
        "users": np.concatenate([watched for _, watched in counts]),
    }


def behaviour_table(parts: Sequence[Part]) -> Columns:
    """What policies did: fetches and ads by agent, seed, axis and x.

    Axes: "tenure" (x: age of the account [days], lower end of its bucket), "position" (x: number
    of the fetch in its session, 0 = first; the last holds all later ones), "action" (x: action).
    """
    rows: list[tuple[str, int, str, float, float, float]] = []
    for part in parts:
        told = part.evaluation
        for low, (fetches, ads) in zip((0.0, *TENURE_DAYS), told.by_tenure, strict=True):
            rows.append((part.agent, part.seed, "tenure", low, fetches, ads))
        for spot, (fetches, ads) in enumerate(told.by_position):
            rows.append((part.agent, part.seed, "position", float(spot), fetches, ads))
        for action, fetches in enumerate(told.by_action):
            rows.append((part.agent, part.seed, "action", float(action), fetches, np.nan))
    names = ("agent", "seed", "axis", "x", "fetches", "ads")
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}


def curves_table(parts: Sequence[Part]) -> Columns:
    """What agents logged while training: agent, seed, name, step, value."""
    rows = [(part.agent, part.seed, *point) for part in parts for point in part.curve]
    names = ("agent", "seed", "name", "step", "value")
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)}


def final_figures(told: Evaluation | Crowd) -> dict[str, float]:
    """The last word on one agent and seed, by TensorBoard's tag: means over users."""
    names = ("value", *SUMMED, "churned", *told.reward_columns)
    means = {name: told.mean(name) for name in names}
    return {f"final/{name}": mean for name, mean in (means | {"cut_off": told.cut_off}).items()}
