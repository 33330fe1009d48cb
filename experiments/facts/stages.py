"""Stages: what a measurement asks of people, walked block by block by whoever helps.

A measurement asks its Lab for sums over people, or for rows of them. Each such question is a
*stage*: a walk over a run of people, one block of them after the other. A block has as many people
as make about LANES lanes, and is the unit of luck (what is drawn beside the people's own is keyed
by the block) and of arithmetic. Sums over blocks are exact (populations.exact), and rows are put
in the order of people. So an answer depends neither on who walks a block, nor on the order, nor on
how many blocks make a shard; a shard that is walked twice counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from longplay.experiments.populations.exact import Sums

Arrays = dict[str, npt.NDArray[Any]]
Share = Callable[[float], None]  # told the share that is done, 0..1
Walk = Callable[[range, Share], Mapping[str, Any]]  # some people -> what is to be summed, or rows
Kind = Literal["sums", "rows"]

LANES = 1000  # of a block, at most; free choice: fewer lanes cost more a person, more cut coarser
OTHERS = 1_000_000  # from this number on people are others: on whom a rule is tried, say
LOST = ".lost"  # after a name: which cells of its sums are unknown


@dataclass(frozen=True)
class Stage:
    """People first .. first + people - 1, each in so many arms, and what is done with them."""

    kind: Kind
    walk: Walk
    people: int
    arms: int = 1
    first: int = 0

    def __post_init__(self) -> None:
        if self.people < 1:
            raise ValueError(f"people={self.people} came; wanted at least 1 person to be walked")
        if self.first < OTHERS < self.first + self.people:
            raise ValueError(
                f"people={self.people} from number {self.first} on came; wanted none beyond "
                f"{OTHERS:,}, where the people begin on whom is tried what the first ones test"
            )

    @property
    def blocks(self) -> Sequence[range]:
        """The people of each block."""
        size = max(1, LANES // self.arms)
        end = self.first + self.people
        return [range(at, min(at + size, end)) for at in range(self.first, end, size)]

    def walked(self, blocks: Sequence[range], told: Share = lambda share: None) -> Totals | Rows:
        """The tally of some blocks; those of rows must come in order."""
        tally = TALLIES[self.kind]()
        for at, people in enumerate(blocks):

            def so_far(share: float, at: int = at) -> None:
                told((at + min(share, 1.0)) / len(blocks))

            tally.add(self.walk(people, so_far))
            so_far(1.0)
        return tally


class Totals:
    """Sums over blocks, cell by cell of each array: the same bits in any order."""

    def __init__(self) -> None:
        self.sums: dict[str, Sums] = {}

    def add(self, found: Mapping[str, Any]) -> None:
        """Take a block in; ValueError if its names or shapes are not those of the others."""
        values = {name: np.asarray(value, np.float64) for name, value in found.items()}
        self._expect({name: value.shape for name, value in values.items()})
        for name, value in values.items():
            self.sums[name].add(value)

    def merge(self, other: Totals) -> None:
        """Take other blocks in, in any order; ValueError as `add`."""
        self._expect(other.shapes)
        for name, sums in other.sums.items():
            self.sums[name].merge(sums)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the sums, by name."""
        return {name: sums.lost.shape for name, sums in self.sums.items()}

    def _expect(self, shapes: dict[str, tuple[int, ...]]) -> None:
        if not self.sums:
            self.sums = {name: Sums(shape) for name, shape in shapes.items()}
        if self.shapes != shapes:
            raise ValueError(
                f"sums of {shapes} came; wanted {self.shapes}, as of the blocks before"
            )

    def answer(self) -> Arrays:
        """The sums, correctly rounded; nan where a block's was none."""
        return {name: sums.values() for name, sums in self.sums.items()}

    def arrays(self) -> Arrays:
        """The limbs of all sums, and what is lost."""
        limbs = {name: sums.limbs for name, sums in self.sums.items()}
        return limbs | {name + LOST: sums.lost for name, sums in self.sums.items()}

    @classmethod
    def of_arrays(cls, kept: Mapping[str, npt.NDArray[Any]]) -> Self:
        """What `arrays` gave."""
        totals = cls()
        names = [name for name in kept if not name.endswith(LOST)]
        totals.sums = {name: Sums.of(kept[name], kept[name + LOST]) for name in names}
        return totals


class Rows:
    """Rows of people, block after block."""

    def __init__(self) -> None:
        self.found: dict[str, list[npt.NDArray[Any]]] = {}

    def add(self, found: Mapping[str, Any]) -> None:
        """Take a block in; its people must follow those that are known."""
        for name, rows in found.items():
            self.found.setdefault(name, []).append(np.asarray(rows))

    def merge(self, other: Rows) -> None:
        """Take the blocks of people in who follow one's own."""
        for name, rows in other.found.items():
            self.found.setdefault(name, []).extend(rows)

    def answer(self) -> Arrays:
        """All rows in the order of people."""
        return {name: np.concatenate(rows) for name, rows in self.found.items()}

    def arrays(self) -> Arrays:
        """All rows, too."""
        return self.answer()

    @classmethod
    def of_arrays(cls, kept: Mapping[str, npt.NDArray[Any]]) -> Self:
        """What `arrays` gave."""
        rows = cls()
        rows.add(kept)
        return rows


TALLIES: dict[Kind, type[Totals | Rows]] = {"sums": Totals, "rows": Rows}


def merged(kind: Kind, shards: Iterable[Mapping[str, npt.NDArray[Any]]]) -> Arrays:
    """The answer from what the shards of a stage left (`arrays`), which must come in order."""
    whole: Any = TALLIES[kind]()
    for kept in shards:
        whole.merge(TALLIES[kind].of_arrays(kept))
    answer: Arrays = whole.answer()
    return answer


Ask = Callable[[Stage, Share], Arrays]  # how a stage is done: its answer


def here(stage: Stage, told: Share) -> Arrays:
    """Walk all of a stage in this process."""
    return stage.walked(stage.blocks, told).answer()
