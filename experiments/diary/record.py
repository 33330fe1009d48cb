"""Lives on record: one person under one policy after the other, every fetch kept.

The world draws its luck by who, when and what for, so the same person meets the same luck under
every policy: what differs between two lives is what the policies did, and what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from longplay.experiments.evaluate import EVALUATION_SEED, HELD_OUT

if TYPE_CHECKING:
    from longplay.agents.policy import Policy
    from longplay.envs.cohort import Cohort

Records = npt.NDArray[np.void]

# The sums of a life, each with the field of OUTCOME it adds up.
TOTALS = {
    "sessions": "ended",
    "active_days": "active_day",  # days with a session
    "satisfied_days": "satisfied_day",  # active days times satisfaction on them
    "minutes": "minutes",  # played [min]
    "plays": "plays",
    "skips": "skips",
    "likes": "likes",
    "ads": "ads",  # placed, seen or not
    "ad_views": "ad_views",
    "ad_clicks": "ad_clicks",
    "revenue": "revenue",  # [money]
}
PLACED = ("user", "fetches", "ads", "duplicates")  # fields of OUTCOME the person had no part in


@dataclass(frozen=True)
class Life:
    """One person's life in a study under one policy; f fetches of k positions."""

    agent: str  # as it was asked for
    before: Records  # USER (f,), the person as they came to each fetch
    outcomes: Records  # OUTCOME (f,), what each fetch led to
    slots: Records  # SLOT (f, k), position by position
    actions: npt.NDArray[Any]  # (f, ...), the policy's action in force
    after: Records  # USER (1,), the person at the end: churned, or back beyond the horizon

    @property
    def churned(self) -> bool:
        """Whether the person left for ever."""
        return bool(self.after["gone"][0])

    @property
    def end(self) -> float:
        """Clock at which the last session ended [h]."""
        last = self.outcomes[-1]
        away = 0.0 if self.churned else float(last["away"])
        return float(self.after["clock"][0]) - away

    def sessions(self) -> list[slice]:
        """The fetches of each session, in order."""
        starts = np.flatnonzero(np.diff(self.before["session"], prepend=-1)).tolist()
        return [slice(a, b) for a, b in pairwise([*starts, len(self.before)])]

    def totals(self) -> dict[str, float]:
        """The sums of TOTALS over the whole life, undiscounted."""
        return {name: float(self.outcomes[field].sum()) for name, field in TOTALS.items()}


@dataclass(frozen=True)
class Parting:
    """Where two lives part: numbers of fetches, counted over the life from 0; None for never."""

    shown: int | None  # the first fetch in which something else was shown
    lived: int | None  # the first of which something else came: looks, plays, ads met, absence


def live(
    policy: Policy, cohort: Cohort, *, agent: str, seed: int, person: int, hold: bool = False
) -> Life:
    """Live through one person's whole life, and keep everything.

    Args:
        policy: who serves them.
        cohort: of one lane, autoreset disabled, ``decision="fetch"``.
        agent: name of the policy, for the record.
        seed: of the evaluation; the world's is ``EVALUATION_SEED + seed``.
        person: number of the person.
        hold: whether an action holds for a whole session; the same life as in a cohort of
            ``decision="session"``, but with each fetch on record.
    """
    rng = np.random.default_rng((EVALUATION_SEED + seed, abs(person - HELD_OUT)))
    obs, _ = cohort.reset(seed=EVALUATION_SEED + seed, options={"users": [person]})
    policy.bind(cohort)
    rows: list[tuple[Any, Any, Any, Any]] = []
    action: npt.NDArray[Any] | None = None
    while not cohort.over[0]:
        if action is None or not hold or cohort.users["fetch"][0] == 0:
            action = np.array(policy.act(obs, rng).action)
        before = cohort.users.copy()
        obs, *_ = cohort.step(action)
        rows.append((before, cohort.outcomes.copy(), cohort.slots.copy(), action))
    before, outcomes, slots, actions = (
        np.concatenate(column) for column in zip(*rows, strict=True)
    )
    return Life(agent, before, outcomes, slots, actions, cohort.users.copy())


def parting(one: Life, other: Life) -> Parting:
    """Where two lives of the same person part."""
    n = min(len(one.before), len(other.before))
    shown = (one.slots["shows"][:n] != other.slots["shows"][:n]).any(axis=1)
    lived = np.zeros(n, bool)
    for name in one.outcomes.dtype.names or ():
        if name not in PLACED:
            a, b = one.outcomes[name][:n], other.outcomes[name][:n]
            lived |= (a != b) & ~(np.isnan(a) & np.isnan(b))
    return Parting(first(shown), first(lived))


def first(marks: npt.NDArray[np.bool_]) -> int | None:
    """The first place that is marked, if one is."""
    return int(marks.argmax()) if marks.any() else None
