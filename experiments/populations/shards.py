"""Shards: runs of whole blocks of users, evaluated by anybody, in any order.

The *block* of `evaluate.BATCH` users is the unit of luck (what a policy draws is keyed by the
block) and of arithmetic (torch's last bits may depend on how many rows it is given). A shard is
some blocks. So neither the size of shards nor who does them changes a number.
Up to KEEP users, what is known of each user is kept, a list of blocks in order; beyond, blocks are
summed into a `Crowd`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, cast

from longplay.experiments.evaluate import (
    BATCH,
    Evaluation,
    Progress,
    blocks,
    joined,
    walk_blocks,
)
from longplay.experiments.populations.crowd import Crowd

if TYPE_CHECKING:
    from longplay.agents.policy import Policy
    from longplay.envs.cohort import Cohort
    from longplay.rewards import Objective

KEEP = 20_000  # users of whom a table is kept, a row each; free choice: the report's bootstrap
#   takes 8 kB for each of them and each seed
LEAST = 4  # blocks of a shard, at least: some seconds of work
MOST = 256  # shards of a part, at most: some 0.5 MB on disk each while it is under way

Counted = Crowd | list[Evaluation]  # what a shard leaves


def shard_size(users: int) -> int:
    """Users in a shard of so many, a whole number of blocks."""
    return BATCH * max(LEAST, -(-users // (BATCH * MOST)))


def shards_of(users: int, size: int | None = None) -> list[tuple[int, int]]:
    """First user and end of each shard; ``size`` must be a multiple of the block."""
    size = size or shard_size(users)
    if size % BATCH:
        raise ValueError(f"size={size}; wanted a multiple of {BATCH}, the users of a block")
    return [(first, min(first + size, users)) for first in range(0, users, size)]


def people(
    policy: Policy,
    make_cohort: Callable[..., Cohort],
    shard: tuple[int, int],
    *,
    users: int,
    seed: int,
    objective: Objective | None = None,
    progress: Progress | None = None,
) -> Counted:
    """Evaluate the users of one shard; arguments as of `evaluate.evaluate`.

    users: of the whole part, which say whether there is a table or a crowd.
    """
    ranges = blocks(*shard)
    told = walk_blocks(policy, make_cohort, ranges, seed, objective, progress)
    return list(told) if users <= KEEP else crowd_of(Crowd.of_block(block) for block in told)


def crowd_of(crowds: Iterable[Crowd]) -> Crowd:
    """One crowd of all; it does not depend on their order, nor on any that comes twice."""
    whole: Crowd | None = None
    for crowd in crowds:
        whole = whole or crowd.nobody()
        whole.merge(crowd)
    if whole is None:
        raise ValueError("no crowd came; wanted at least one")
    return whole


def gathered(shards: Iterable[Counted]) -> Evaluation | Crowd:
    """The whole part from its shards, which must come in order if they are tables."""
    each = iter(shards)
    first = next(each)
    if isinstance(first, Crowd):
        return crowd_of(shard for shard in chain([first], each) if isinstance(shard, Crowd))
    tables = [table for shard in chain([first], each) for table in cast(list[Evaluation], shard)]
    return tables[0] if len(tables) == 1 else joined(tables)
