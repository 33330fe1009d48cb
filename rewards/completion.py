"""Completion: how much of what was started was played, with the bias of durations taken out.

    Finished(share)   sum over plays of 1[minutes >= share d]                                   (1)
    Completion        sum over plays of F_b(minutes),  b the band of durations that d lies in   (2)

d the item's duration, F_b the distribution function of the minutes played of items in band b.
Short items are finished more often whatever they are worth, so (1) favours them; (2) sets a play
beside plays of items of its length, and averages 1/2 in every band of the log it was fitted to.
The quantile in a duration group is that of D2Q (Zhan et al., KDD 2022 [L, abstract]); to pay it as
a reward is our own.

Seen under random slates, by eighths of the plays from the shortest item to the longest: (1) falls
from .61 to .53 in `bench`, from .64 to .60 in `music` and from .26 to .03 in `shortvideo`; (2) by
the scenario's own table stays within .49 .. .50, .48 .. .50 and .47 .. .47. The pooled table mixes
what skipping is in four worlds: it stays within .51 .. .55 and .50 .. .56 in the first two, but
falls from .45 to .28 in `shortvideo`. Where durations differ much, fit a table of one's own.

Both read the slots of a step: all plays where a step is one fetch, those of the session's last
fetch where it is a session.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled
from longplay.rewards.objective import Objective, taken
from longplay.rewards.panels import POOLED, known, table
from longplay.rewards.plays import LAST_FETCH, ROUNDED, OfItems, lengths, over_plays
from longplay.rewards.settings import callable_word, share
from longplay.rewards.signals import Signal
from longplay.rewards.step import Step, Values

Floats = npt.NDArray[np.float64]
BANDS, LEVELS = 16, 33  # of a fitted table; free choice
FEWEST = 20  # plays that a band needs
CELLS = 1024  # up to the longest play of a band; probabilities are looked up, not searched


class Durations(NamedTuple):
    """Minutes played, by band of durations: a table of quantiles."""

    edges: Floats  # (bands - 1,) durations between bands, rising [min]
    quantiles: Floats  # (bands, levels) minutes at equal steps of probability, 0 .. 1 [min]

    def to_lists(self) -> dict[str, Any]:
        """As JSON values."""
        return {"edges": self.edges.tolist(), "quantiles": self.quantiles.tolist()}


def duration_table(logs: Sequence[Step], bands: int = BANDS, name: str = "durations") -> Durations:
    """The table of the plays in some logs, each log weighing alike.

    Args:
        logs: Steps with slots and items; only rows of one fetch are used, whose plays are known.
        bands: number of bands, with about as many plays each; fewer where durations coincide.
        name: who asks, for messages.

    Raises:
        ValueError: a log lacks parts, or there are fewer than FEWEST plays a band.
    """
    if not (isinstance(bands, int) and bands >= 1):
        raise ValueError(f"bands={bands!r} of {name}; wanted a whole number of at least 1, e.g. 16")
    length, minutes, weight = (
        np.concatenate(part) for part in zip(*map(_plays, logs), strict=True)
    )
    if len(length) < FEWEST * bands:
        raise ValueError(
            f"{len(length)} plays came to fit {bands} bands of durations; give a longer log "
            f"(rows of one fetch; {FEWEST} plays a band) or fewer bands"
        )
    order = np.argsort(length, kind="stable")
    length, minutes, weight = length[order], minutes[order], weight[order]
    reached = np.cumsum(weight) / weight.sum()
    at = np.searchsorted(reached, np.arange(1, bands) / bands)
    edges = np.unique(length[at])
    band = np.searchsorted(edges, length, side="right")
    full = [np.flatnonzero(band == b) for b in range(len(edges) + 1)]
    full = [rows for rows in full if len(rows)]  # the first is empty where its edge is the least
    edges = edges[len(edges) + 1 - len(full) :]
    levels = np.linspace(0.0, 1.0, LEVELS)
    found = [_quantiles(minutes[rows], weight[rows], levels) for rows in full]
    quantiles: Floats = np.stack(found)
    return Durations(edges.round(6), quantiles.round(6))


def _plays(log: Step) -> tuple[Floats, Floats, Floats]:
    """Duration, minutes played and weight of every play in rows of one fetch."""
    slots = log.need("slots", "a table of durations")[log.outcomes["fetches"] == 1.0]
    items = log.need("items", "a table of durations")
    plays = slots[(slots["played"] == 1) & (slots["shows"] >= 0)]
    number = max(len(plays), 1)
    return (
        items["minutes"][plays["shows"]].astype(np.float64),
        plays["minutes"].astype(np.float64),
        np.full(len(plays), 1.0 / number),
    )


def _quantiles(values: Floats, weight: Floats, levels: Floats) -> Floats:
    """Weighted quantiles: the value at which the middle of its own weight is reached."""
    order = np.argsort(values, kind="stable")
    values, weight = values[order], weight[order]
    middle = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    return np.asarray(np.interp(levels, middle, values), np.float64)


class Grid:
    """A table as the loop reads it: probabilities at equal steps of minutes, in CELLS a band."""

    def __init__(self, durations: Durations) -> None:
        tops = np.maximum(durations.quantiles[:, -1], 1e-6)
        at = tops[:, None] * np.linspace(0.0, 1.0, CELLS + 1)
        chances = [ranks(row, knots) for row, knots in zip(at, durations.quantiles, strict=True)]
        self.edges = np.asarray(durations.edges, np.float32)  # (bands - 1,) [min]
        self.cells = np.asarray(CELLS / tops, np.float32)  # (bands,) cells a minute [1/min]
        beyond = np.ones((len(tops), 1))  # longer than any play of the band
        self.chances = np.hstack([np.stack(chances), beyond]).astype(np.float32)  # CELLS + 2 a band
        self.bands = OfItems(self._bands)

    def _bands(self, items: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
        """The band of every item (items,)."""
        return np.searchsorted(self.edges, items["minutes"], "right").astype(np.uint16)

    def judge(self, step: Step, who: object) -> Values:
        """Equation (2)."""
        return over_plays(step, who, sum_ranks, self.bands, self.cells, self.chances)


def ranks(values: Floats, knots: Floats) -> Floats:
    """The probabilities at which `knots` (levels,), quantiles at equal steps, reach values (n,).

    Linear between knots; the middle of those that are all equal to the value.
    """
    last = len(knots) - 1
    below, reached = (np.searchsorted(knots, values, side) for side in ("left", "right"))
    equal = 0.5 * (below + reached - 1) / last
    between = np.clip(below, 1, last)
    left, right = knots[between - 1], knots[between]
    step = np.where(right > left, right - left, 1.0)
    inside = (between - 1 + (np.clip(values, left, right) - left) / step) / last
    inside[below > last] = 1.0
    return np.asarray(np.where(below < reached, equal, inside), np.float64)


@compiled
def sum_ranks(slots: Any, bands: Any, cells: Any, chances: Any, out: Any) -> int:
    """Equation (2) of every row. Returns the first item beyond the catalogue, or -1.

    What is no play is read as one of item 0, and counts 0: whether a slot holds a play is a coin
    toss, and a branch on it would cost more.
    """
    last = chances.shape[1] - 1
    for i in range(len(slots)):
        total = 0.0
        for slot in slots[i]:
            if slot.shows >= len(bands):
                return int(slot.shows)
            play = slot.played * (slot.shows >= 0)
            band = bands[play * slot.shows]
            place = min(max(slot.minutes * cells[band], np.float32(0.0)), np.float32(last))
            cell = min(int(place), last - 1)
            low, high = chances[band, cell], chances[band, cell + 1]
            total += play * (low + (place - cell) * (high - low))
        out[i] = total
    return -1


@compiled
def count_finished(slots: Any, durations: Any, share: float, out: Any) -> int:
    """Equation (1) of every row. Returns the first item beyond the catalogue, or -1."""
    for i in range(len(slots)):
        total = 0
        for slot in slots[i]:
            if slot.shows >= len(durations):
                return int(slot.shows)
            play = slot.played * (slot.shows >= 0)
            total += play * (slot.minutes >= share * durations[play * slot.shows])
        out[i] = total
    return -1


@dataclass(frozen=True)
class Finished(Signal):
    """Plays of at least `share` of the item's duration. It favours short items; see Completion."""

    name = "finished"
    formula = "sum over plays in the slots of 1[minutes >= share duration]"
    source = "classic completion at a threshold; 90 % a free choice"
    leaves = LAST_FETCH
    needs = frozenset({"slots", "items"})
    share: float = 0.9  # of the duration, in (0, 1]

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", share(self.share, "share", self.name, 0.9))

    def judge(self, step: Step) -> Values:
        """Equation (1)."""
        return over_plays(step, self, count_finished, lengths, self.share * ROUNDED)


@dataclass(frozen=True)
class Completion(Signal):
    """How long plays lasted beside plays of items of their length: quantiles, summed over plays.

    A play counts 1/2 on average, whatever the item's duration: `Completion() - 0.5 * Plays()` pays
    for being played longer than others of its length, and nothing for being short. The table is of
    a panel (`panel`, see panels.py); `Completion.fit(log)` takes it from a log of one's own.
    """

    name = "completion"
    formula = "sum over plays in the slots of F_b(minutes), b the item's band of durations"
    source = "watch-time quantile by duration group: D2Q, Zhan et al., KDD 2022 [L, abstract]"
    leaves = "durations: the mean of a play is 1/2 in every band, on the log that was fitted"
    needs = frozenset({"slots", "items"})
    panel: str = POOLED

    def __post_init__(self) -> None:
        known(self.panel, "durations")

    @staticmethod
    def fit(log: Step, name: str = "completion_fitted", bands: int = BANDS) -> "FittedCompletion":
        """The same with a table of this log; formulas take it by name: `parse(text, name=...)`.

        Raises:
            ValueError: `name` is no identifier, the log lacks slots or items, or is too short.
        """
        return FittedCompletion(name, duration_table([log], bands, name))

    def judge(self, step: Step) -> Values:
        """Equation (2)."""
        return _shipped(self.panel).judge(step, self)


@lru_cache(maxsize=8)
def _shipped(panel: str) -> Grid:
    return Grid(
        Durations(table("durations", panel, "edges"), table("durations", panel, "quantiles"))
    )


class FittedCompletion(Objective):
    """Completion by a table of one's own; made by `Completion.fit`.

    Formula: sum over plays in the slots of F_b(minutes), b the item's band of durations, F_b by the
    table. Unit: 1. Range: 0 .. plays in the slots. Source: D2Q, Zhan et al., KDD 2022 [L,
    abstract], with a table of one's own log. What it leaves invariant: durations; the mean of a
    play is 1/2 in every band, on the log that was fitted.

    Raises:
        ValueError: `name` is no identifier, or the table none.
    """

    kind: ClassVar[str] = "completion"
    needs = frozenset({"slots", "items"})

    def __init__(self, name: str, durations: Durations) -> None:
        edges = np.asarray(durations.edges, np.float64)
        quantiles = np.asarray(durations.quantiles, np.float64)
        if quantiles.shape[:1] != (len(edges) + 1,) or quantiles.ndim != 2 or not quantiles.size:
            raise ValueError(
                f"{name}: {len(edges)} edges and quantiles of shape {quantiles.shape} came; wanted "
                "one row of quantiles more than edges, as Completion.fit(log) gives"
            )
        steps = np.diff(quantiles, axis=1)
        if not (np.all(np.diff(edges) > 0) and np.all(steps >= 0) and np.all(quantiles >= 0)):
            raise ValueError(f"{name}: edges and quantiles must rise; fit it with Completion.fit")
        self.name = callable_word(name, " of a completion")
        self.durations = Durations(edges, quantiles)
        self._grid = Grid(self.durations)

    @property
    def label(self) -> str:
        """The name."""
        return self.name

    def judge(self, step: Step) -> Values:
        """Equation (2)."""
        return self._grid.judge(step, self)

    def to_dict(self) -> dict[str, Any]:
        """{"kind": "completion", "name": ..., "edges": ..., "quantiles": ...}."""
        return {"kind": self.kind, "name": self.name, **self.durations.to_lists()}

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "FittedCompletion":
        name, edges, quantiles = taken(data, "name", "edges", "quantiles")
        return cls(name, Durations(np.array(edges), np.array(quantiles)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FittedCompletion) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.name, self.durations.edges.tobytes(), self.durations.quantiles.tobytes()))

    def __repr__(self) -> str:
        return f"FittedCompletion({self.name!r})"
