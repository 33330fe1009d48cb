"""Tables of per-user results, read as arrays that are paired by user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Columns = Mapping[str, npt.NDArray[Any]]  # a table: column name -> array; all of one length
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Per-user numbers of several agents over the same users."""

    agents: tuple[str, ...]
    seeds: tuple[int, ...]
    columns: dict[str, Floats]  # name -> (agents, seeds, users)

    def __getitem__(self, column: str) -> Floats:
        return self.columns[column]

    def index(self, agent: str) -> int:
        """Row of an agent."""
        return self.agents.index(agent)

    @property
    def users(self) -> int:
        """Users in each seed."""
        return int(next(iter(self.columns.values())).shape[2])

    @classmethod
    def of(cls, metrics: Columns, names: Sequence[str]) -> Panel:
        """Read the columns `names` of a table with one row per agent, seed and user.

        Raises ValueError when a column is missing or the table is not paired: every agent must
        have every seed, with the same users in it, once each.
        """
        for name in ("agent", "seed", "user", *names):
            if name not in metrics:
                have = ", ".join(metrics)
                raise ValueError(f"the metrics have no column {name!r}; they have: {have}")
        agent = np.asarray(metrics["agent"]).astype(str)
        seed, user = np.asarray(metrics["seed"]), np.asarray(metrics["user"])
        agents = tuple(dict.fromkeys(agent.tolist()))  # in order of appearance
        seeds = np.unique(seed)
        cells = len(agents) * len(seeds)
        if not cells or len(agent) % cells:
            raise ValueError(_unpaired(f"{len(agent)} rows for {len(agents)} agents", seeds))
        rank = {name: i for i, name in enumerate(agents)}
        number = np.array([rank[name] for name in agent.tolist()])
        order = np.lexsort((user, seed, number))
        shape = (len(agents), len(seeds), len(agent) // cells)
        in_order = [x[order].reshape(shape) for x in (number, seed, user)]
        wanted = [np.arange(shape[0])[:, None, None], seeds[:, None], in_order[2][:1]]
        for what, got, want in zip(("agents", "seeds", "users"), in_order, wanted, strict=True):
            if not np.array_equal(got, np.broadcast_to(want, shape)):
                raise ValueError(_unpaired(f"the {what} differ", seeds))
        if (np.diff(in_order[2], axis=2) == 0).any():
            raise ValueError(_unpaired("a user comes twice", seeds))
        columns = {n: np.asarray(metrics[n], np.float64)[order].reshape(shape) for n in names}
        for name, values in columns.items():
            if not np.isfinite(values).all():
                raise ValueError(f"the metrics' column {name!r} holds values that are not finite")
        return cls(agents, tuple(int(s) for s in seeds), columns)


def _unpaired(found: str, seeds: npt.NDArray[Any]) -> str:
    return (
        f"the metrics are not paired: {found}; every agent needs the same users, once each, "
        f"in each of the {len(seeds)} seeds. Evaluate all agents in one run."
    )
