"""A crowd: what became of more users than a table can hold, in a memory that does not grow.

Users are put into GROUPS groups by their number, so that the same people are in the same group
under every agent: a row of `Crowd.users` is the mean over a group, and rows are paired as users
are in a small comparison. As people are drawn independently of their number, the groups of a
crowd differ only by chance, and an interval over n group means has the width of one over all
their users. Groups differ by one person at most.

Everything is counted in whole numbers or exact sums (`exact`), block by block. So a crowd depends
on which blocks it holds, and not on the order, the shards or the workers they came by; a block
that comes twice counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longplay.experiments.evaluate import (
    DAYS,
    HELD_OUT,
    METRIC,
    POSITIONS,
    REWARD,
    TENURE_DAYS,
    Evaluation,
    reward_columns,
)
from longplay.experiments.populations.exact import UNIT, Sums
from longplay.experiments.populations.sketch import BUCKETS, counted, quantiles

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]

GROUPS = 1000  # free choice: as many rows as a small comparison has users
SKETCHED = ("value", "revenue", "satisfied_days", "minutes", REWARD)  # columns with quantiles
SPENT = (len(TENURE_DAYS) + 1) * 2 + POSITIONS * 2  # cells of by_tenure and by_position


class Crowd:
    """The sums over any number of blocks of users; what an `Evaluation` tells, told of groups.

    Args:
        columns: what is summed over users, without "user".
        actions: how many actions are told apart; 0 if they are not Discrete.
    """

    def __init__(self, columns: Sequence[str], actions: int) -> None:
        self.columns = tuple(columns)
        self.sketched = tuple(name for name in SKETCHED if name in self.columns)
        self.blocks: Ints = np.zeros(0, np.int64)  # number of each block's first user, in order
        self.people: Ints = np.zeros(GROUPS, np.int64)
        self.sums = Sums((len(self.columns), GROUPS))
        self.spent = Sums((SPENT + actions,))
        self.days: Ints = np.zeros((2, DAYS), np.int64)  # users active, users watched
        self.sketches: Ints = np.zeros((len(self.sketched), BUCKETS), np.int64)
        self.steps = 0

    @classmethod
    def of_block(cls, told: Evaluation) -> Self:
        """The crowd of one block of users."""
        columns = [name for name in told.users.dtype.names or () if name != "user"]
        crowd = cls(columns, told.by_action.size)
        number = told.users["user"].astype(np.int64) - HELD_OUT
        group = number % GROUPS
        crowd.blocks = number[:1].copy()
        crowd.people += np.bincount(group, minlength=GROUPS)
        crowd.sums.add_at(group, np.stack([told.users[name] for name in columns]))
        by = (told.by_tenure, told.by_position, told.by_action)
        crowd.spent.add(np.concatenate([table.ravel() for table in by]))
        crowd.days += np.stack(told.retention())
        for sketch, name in zip(crowd.sketches, crowd.sketched, strict=True):
            sketch += counted(told.users[name])
        crowd.steps = told.steps
        return crowd

    def nobody(self) -> Crowd:
        """A crowd of nobody yet, of which the same is told."""
        return Crowd(self.columns, self.spent.lost.size - SPENT)

    def merge(self, other: Crowd) -> None:
        """Add another crowd; what was added before changes nothing.

        Raises:
            ValueError: some of its blocks are in already and some are not, or its columns differ.
        """
        if self.columns != other.columns:
            raise ValueError(f"columns {other.columns} came; wanted {self.columns}")
        known = np.isin(other.blocks, self.blocks)
        if known.all():
            return
        if known.any():
            raise ValueError(
                f"{known.sum()} of {known.size} blocks are counted already; merge whole shards"
            )
        self.blocks = np.sort(np.concatenate([self.blocks, other.blocks]))
        self.people += other.people
        self.sums.merge(other.sums)
        self.spent.merge(other.spent)
        self.days += other.days
        self.sketches += other.sketches
        self.steps += other.steps

    @property
    def users(self) -> npt.NDArray[np.void]:
        """METRIC[groups] and the columns of a reward: means over each group; "user" is its number.

        The means are exact sums over whole numbers of people, rounded once.
        """
        met = np.flatnonzero(self.people)
        rewards = [(name, "f8") for name in reward_columns(self.columns)]
        table = np.zeros(len(met), [*METRIC.descr, *rewards] if rewards else METRIC)
        people = np.tile(np.maximum(self.people, 1), len(self.columns)).tolist()
        table["user"] = met
        for name, means in zip(self.columns, self.sums.means(people), strict=True):
            table[name] = means[met]
        return table

    @property
    def number(self) -> int:
        """How many users."""
        return int(self.people.sum())

    def mean(self, column: str) -> float:
        """Mean of a column over all users."""
        row = self.columns.index(column)
        own = Sums.of(self.sums.limbs[:, row], self.sums.lost[row])
        return float("nan") if own.lost.any() else sum(own.whole()) / (self.number << UNIT)

    @property
    def value(self) -> float:
        """Mean value of a user [money]."""
        return self.mean("value")

    @property
    def cut_off(self) -> float:
        """Estimated share of the value that lies beyond the horizon [0, 1]."""
        beyond = self.mean("beyond")
        whole = self.value + beyond
        return beyond / whole if whole else 0.0

    @property
    def reward_columns(self) -> tuple[str, ...]:
        """Names of the columns of a reward and its parts; empty without an objective."""
        return reward_columns(self.columns)

    def retention(self) -> tuple[Ints, Ints]:
        """Users active on each day of their study, and users watched on it: (DAYS,) both."""
        return self.days[0], self.days[1]

    @property
    def by_tenure(self) -> Floats:
        """(len(TENURE_DAYS) + 1, 2) fetches and ads, by age of the account."""
        return self.spent.values()[: SPENT - POSITIONS * 2].reshape(-1, 2)

    @property
    def by_position(self) -> Floats:
        """(POSITIONS, 2) fetches and ads, by the fetch's number in its session."""
        return self.spent.values()[SPENT - POSITIONS * 2 : SPENT].reshape(-1, 2)

    @property
    def by_action(self) -> Floats:
        """(actions,) fetches under each action."""
        return self.spent.values()[SPENT:]

    def quantiles(self, column: str, at: Sequence[float]) -> Floats:
        """Quantiles of a column over users, within 0.8 %; one of `sketched`."""
        return quantiles(self.sketches[self.sketched.index(column)], at)

    def arrays(self) -> Arrays:
        """Everything, to be kept."""
        return {
            "columns": np.array(self.columns, dtype=np.str_),
            "blocks": self.blocks,
            "people": self.people,
            "sums": self.sums.limbs,
            "lost": self.sums.lost,
            "spent": self.spent.limbs,
            "spent_lost": self.spent.lost,
            "days": self.days,
            "sketches": self.sketches,
            "steps": np.array(self.steps),
        }

    @classmethod
    def of_arrays(cls, kept: Mapping[str, npt.NDArray[Any]]) -> Self:
        """What `arrays` gave; ValueError if shapes do not fit."""
        spent = Sums.of(kept["spent"], kept["spent_lost"])
        crowd = cls(kept["columns"].tolist(), spent.lost.size - SPENT)
        sums = Sums.of(kept["sums"], kept["lost"])
        for name in ("people", "days", "sketches"):
            if kept[name].shape != getattr(crowd, name).shape:
                raise ValueError(f"{name} of shape {kept[name].shape} came")
            setattr(crowd, name, kept[name].astype(np.int64))
        if sums.lost.shape != crowd.sums.lost.shape:
            raise ValueError(f"sums of shape {sums.lost.shape} came")
        crowd.sums, crowd.spent, crowd.steps = sums, spent, int(kept["steps"])
        crowd.blocks = kept["blocks"].astype(np.int64)
        return crowd
