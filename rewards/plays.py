"""Plays: the slots of a step beside the catalogue that their items are looked up in."""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.rewards.behaviour import records
from longplay.rewards.step import Step, Values

ROUNDED = 1.0 - 1e-6  # of a share: minutes are kept in single precision
LAST_FETCH = (
    "plays that are not in the slots: of a step that is a session, all but its last fetch's"
)
KNOWN = 8  # so many catalogues are known again


class OfItems:
    """Numbers of every item, in one piece: found once for a catalogue that is not to be written to.

    Of a large catalogue, records lie too far apart to look plays up in them. A read-only view is
    taken at its word: what it is a view of must not change either.
    """

    def __init__(self, find: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> None:
        self._find = find
        self._known: tuple[tuple[weakref.ref[Any], npt.NDArray[Any]], ...] = ()

    def __call__(self, items: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Numbers of these items, (items, ...)."""
        if items.flags.writeable:
            return self._find(items)
        for catalogue, numbers in self._known:
            if catalogue() is items:
                return numbers
        found = self._find(items)
        alive = [known for known in self._known if known[0]() is not None]
        self._known = ((weakref.ref(items), found), *alive[: KNOWN - 1])
        return found


@OfItems
def lengths(items: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Durations of a catalogue (items,) [min]."""
    return np.ascontiguousarray(items["minutes"])


def over_plays(step: Step, who: object, loop: Any, of_items: OfItems, *numbers: Any) -> Values:
    """What a loop over the slots of every row finds, in the shape of the outcomes.

    Args:
        step: with slots and items.
        who: who asks, for messages.
        loop: takes slots (n, k), what `of_items` says of the catalogue, `numbers` and the array to
            fill (n,); gives the first item that the catalogue does not have, or -1.

    Raises:
        ValueError: no items, or slots that show others.
    """
    items = step.need("items", who)
    slots = step.need("slots", who)
    if not len(items):
        raise ValueError(f"{who} got items without an item; give cohort.shop.items")
    out = np.empty(step.outcomes.size)
    wrong = loop(records(slots, len(out)), of_items(items), *numbers, out)
    if wrong >= 0:
        raise ValueError(
            f"slots show item {wrong}, and items has {len(items)}; give the catalogue of the same "
            "world, cohort.shop.items"
        )
    return out.reshape(step.outcomes.shape)
