"""The course of a comparison: which pieces can be done now, how far each part is, what is left.

It gives an executor its first jobs, answers what can be done once one is, and tells how far the
*parts* are: whoever watches does not see the pieces. A part is closed here, by whoever started
the comparison, as soon as its last shard is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from longplay.experiments.execution.jobs import DONE, LOST, Watch
from longplay.experiments.execution.parts import Item, Job, Shard, Training, close_part, is_done
from longplay.experiments.populations.shards import shards_of


class Course:
    """All parts of a comparison that are not done yet.

    Args:
        jobs: the parts.
        watch: told of parts: (Job, what is being done, share).
        size: users of a shard; None: as `shards.shard_size` says.
    """

    def __init__(self, jobs: Iterable[Job], watch: Watch, size: int | None = None) -> None:
        self.parts = [job for job in jobs if not is_done(job)]
        self.seen = watch
        self.shards = {
            job: [Shard(job, *ends) for ends in shards_of(job.settings.users, size)]
            for job in self.parts
        }
        self.left = {
            job: {shard for shard in shards if not shard.path.is_file()}
            for job, shards in self.shards.items()
        }
        self.under_way: dict[Shard, float] = {}  # share done of each

    def first(self) -> list[Item]:
        """What can be done at once; parts of which only the end is missing are closed."""
        items: list[Item] = []
        for job in self.parts:
            if len(self.shards[job]) == 1:
                items.append(job)
            elif not Training(job).path.is_file():
                self.left[job] = set(self.shards[job])  # of another checkpoint, if of any
                items.append(Training(job))
            else:
                items += self.missing(job)
        return items

    def missing(self, job: Job) -> Sequence[Shard]:
        """The shards of a trained part that are not there; it is closed if they all are."""
        if not self.left[job]:
            close_part(job, self.shards[job])
            self.seen(job, DONE, 1.0)
        return [shard for shard in self.shards[job] if shard in self.left[job]]

    def watch(self, item: Item, what: str, share: float) -> None:
        """Told by the executor."""
        if isinstance(item, Job):
            self.seen(item, what, share)
        elif isinstance(item, Training):
            if what != DONE:
                self.seen(item.job, what, share)
        else:
            self.under_way[item] = share
            self.seen(item.job, what if what == LOST else "evaluating", self.share(item.job))

    def then(self, item: Item) -> Sequence[Item]:
        """What can be done once an item is."""
        if isinstance(item, Training):
            return self.missing(item.job)
        if isinstance(item, Shard):
            self.left[item.job].discard(item)
            self.under_way.pop(item, None)
            if not self.left[item.job]:
                self.missing(item.job)
        return []

    def share(self, job: Job) -> float:
        """Share of a part's users that are evaluated."""
        left = sum(
            (shard.until - shard.first) * (1.0 - self.under_way.get(shard, 0.0))
            for shard in self.left[job]
        )
        return 1.0 - left / job.settings.users
