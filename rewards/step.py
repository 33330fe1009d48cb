"""A step: what an objective may look at, and nothing that a platform could not log.

    Step(outcomes)                                   enough for most signals
    Step(outcomes, state, next_state, ...)           what `rewarded` hands to those that need more

`OUTCOMES`, `SLOTS` and `ITEMS` are the visible fields; `Step` cuts the hidden ones off, so that no
objective reads them by accident. A log is a Step with a row a decision.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.spaces import USER_FEATURES
from longplay.envs.state import HIDDEN_OUTCOMES, OUTCOME, TOPICS

Outcomes = npt.NDArray[Any]  # OUTCOME, any shape
Values = npt.NDArray[np.float64]  # the same shape

HIDDEN_ITEMS = ("value",)  # fields of ITEM that no platform can see
WHAT = {  # the parts of a Step beyond its outcomes, in words
    "state": "what the user looked like at the decision",
    "next_state": "what the user looked like afterwards",
    "slots": "the last fetch, position by position",
    "topics": "minutes played by topic, before",
    "next_topics": "minutes played by topic, after",
    "items": "the catalogue",
}

WIDE = {  # numbers a decision
    "state": len(USER_FEATURES),
    "next_state": len(USER_FEATURES),
    "topics": TOPICS,
    "next_topics": TOPICS,
}


@dataclass(frozen=True, eq=False)
class Step:
    """Decisions and what each led to; all but `items` begin with the shape of `outcomes`, (...).

    Raises:
        TypeError: `outcomes` is no OUTCOME array.
        ValueError: a part has another shape.
    """

    outcomes: Outcomes  # OUTCOME (...)
    state: npt.NDArray[Any] | None = None  # (..., 30) USER_FEATURES at the decision
    next_state: npt.NDArray[Any] | None = None  # (..., 30) at the next, or where the life ended
    slots: npt.NDArray[Any] | None = None  # SLOT (..., k) the last fetch of the step
    topics: npt.NDArray[Any] | None = None  # (..., 16) [min], fading, at the decision
    next_topics: npt.NDArray[Any] | None = None  # (..., 16) [min], after; of the dead: as before
    items: npt.NDArray[Any] | None = None  # ITEM (items,) of the catalogue, to look `shows` up in

    def __post_init__(self) -> None:
        object.__setattr__(self, "outcomes", visible(self.outcomes))
        if self.items is not None:
            object.__setattr__(self, "items", without(self.items, HIDDEN_ITEMS))
        for name in WHAT:
            part = getattr(self, name)
            if part is not None and name != "items":
                if not isinstance(part, (np.ndarray, np.void)):
                    part = _array(part, name)
                    object.__setattr__(self, name, part)
                lead = part.shape[: self.outcomes.ndim]
                if lead != self.outcomes.shape:
                    raise ValueError(
                        f"{name} has shape {part.shape}, outcomes {self.outcomes.shape}; "
                        "give one row a decision in both"
                    )
                wide = WIDE.get(name)
                if wide and part.shape[self.outcomes.ndim :] != (wide,):
                    raise ValueError(
                        f"{name} has shape {part.shape}; wanted {wide} numbers a decision: "
                        f"{(*self.outcomes.shape, wide)}"
                    )

    def need(self, name: str, objective: object) -> npt.NDArray[Any]:
        """The part `name`; ValueError that says who needs it where it is absent."""
        part: npt.NDArray[Any] | None = getattr(self, name)
        if part is None:
            raise ValueError(
                f"{objective} needs {name}, {WHAT[name]}, and outcomes without it came; give a "
                f"longplay.rewards.Step with {name} (rewarded(env, ...) does)"
            )
        return part

    def __getitem__(self, rows: Any) -> "Step":
        """Some of the rows; the catalogue stays whole."""
        parts = {name: getattr(self, name) for name in NAMES}
        return Step(**{k: v if v is None or k == "items" else v[rows] for k, v in parts.items()})

    def __len__(self) -> int:
        if not self.outcomes.ndim:
            raise TypeError("a single decision has no length; keep a row of one: step[i : i + 1]")
        return len(self.outcomes)


NAMES = tuple(f.name for f in fields(Step))


def joined(steps: Sequence[Step]) -> Step:
    """One Step with the rows of all, in their order; all must have the same parts.

    Raises:
        ValueError: no steps, or some have a part that others lack.
    """
    if not steps:
        raise ValueError("no steps came; a log needs at least one")
    whole: dict[str, Any] = {}
    for name in NAMES:
        parts = [getattr(step, name) for step in steps]
        given = [part for part in parts if part is not None]
        if len(given) not in (0, len(parts)):
            raise ValueError(f"{name} is in {len(given)} of {len(parts)} steps; give it in all")
        if name == "items":
            whole[name] = given[0] if given else None
        else:
            whole[name] = np.concatenate(given) if given else None
    return Step(**whole)


def _array(part: object, name: str) -> npt.NDArray[Any]:
    """Nested lists of numbers as an array; ValueError if they are none."""
    if name in WIDE:
        try:
            return np.asarray(part, np.float64)
        except (TypeError, ValueError):
            pass
    raise ValueError(f"{name} is a {type(part).__name__}; give an array with one row a decision")


def visible(outcomes: Outcomes) -> Outcomes:
    """A view of `outcomes` without its hidden fields; TypeError if it is no OUTCOME array."""
    if type(outcomes) is np.ndarray and outcomes.dtype is OUTCOME:  # as a cohort's are: quicker
        return outcomes.view(VISIBLE)
    names = getattr(getattr(outcomes, "dtype", None), "names", None)
    if not names or "fetches" not in names:
        kind = getattr(outcomes, "dtype", type(outcomes).__name__)
        raise TypeError(
            f"outcomes of type {kind} came; an objective judges an OUTCOME array: "
            "give cohort.outcomes, or records of longplay.envs.state.OUTCOME"
        )
    return without(outcomes, HIDDEN_OUTCOMES)


def without(records: npt.NDArray[Any], hidden: Iterable[str]) -> npt.NDArray[Any]:
    """A view of `records` without the `hidden` fields; the records themselves if there are none."""
    every = records.dtype.names or ()
    names = [name for name in every if name not in hidden]
    return records if len(names) == len(every) else records[names]


VISIBLE = without(np.zeros(0, OUTCOME), HIDDEN_OUTCOMES).dtype  # of outcomes as a Step has them
