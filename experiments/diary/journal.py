"""The diary's data: every visit, fetch and position of the lives, as the page's script reads them.

Rows are lists, to be small; page.js names their places once, at its top, in the same order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.render import moment, tell_end
from longplay.envs.spaces import SCORERS
from longplay.envs.state import INTENTS
from longplay.experiments.diary.record import Life, Records
from longplay.experiments.diary.weeks import Days, Visit

ACTS = ("seen", "played", "skipped", "liked", "saved", "shared", "hid")  # bits of a position
SLOW = {"AdLoad": ("satisfaction", "habit", "ad_memory"), "Feed": ("satisfaction", "habit")}
Row = list[Any]


def journal(days: Days, items: Records, task: str) -> dict[str, Any]:
    """Everything the script shows.

    Args:
        days: the lives.
        items: ITEM (n,), the catalogue.
        task: decides which moods go with a visit.
    """
    part = days.part
    return {
        "agents": [life.agent for life in days.lives],
        "intents": [name.replace("_", " ") for name in INTENTS],
        "moods": [name.replace("_", " ") for name in SLOW[task]],
        "shown": None if part is None else part.shown,
        "lived": None if part is None else part.lived,
        "lives": [
            life_rows(life, found, items, SLOW[task])
            for life, found in zip(days.lives, days.visits, strict=True)
        ],
    }


def life_rows(
    life: Life, found: Sequence[Visit], items: Records, slow: Sequence[str]
) -> dict[str, Any]:
    """One life: its visits, its fetches, and the distinct actions of the policy as text."""
    actions: dict[str, int] = {}
    fetches = []
    for f in range(len(life.before)):
        said = tell_action(life.actions[f])
        number = actions.setdefault(said, len(actions))
        fetches.append(fetch_row(life, f, number, items))
    rows = [visit_row(life, visit, slow) for visit in found]
    return {"visits": rows, "fetches": fetches, "actions": list(actions)}


def visit_row(life: Life, visit: Visit, slow: Sequence[str]) -> Row:
    """When it was, what it was for, what it came to, and the slow moods before and after."""
    span = visit.fetches
    out, user = life.outcomes[span], life.before[span.start]
    later = life.before[span.stop] if span.stop < len(life.before) else life.after[0]
    return [
        round(visit.start, 3),
        round(visit.end, 3),
        visit.exit,
        moment(user, visit.start),
        int(user["intent"]),
        tell_end(out[-1], bool(later["over"])),
        span.start,
        span.stop - span.start,
        round(float(out["minutes"].sum()), 1),
        int(out["ad_views"].sum()),
        round(float(out["satisfied_day"].sum()), 3),
        [round(float(user[name]), 3) for name in slow],
        [round(float(later[name]), 3) for name in slow],
    ]


def fetch_row(life: Life, f: int, action: int, items: Records) -> Row:
    """The person as they came to it, what the policy did, and the positions."""
    user = life.before[f]
    return [
        moment(user, user["clock"]),
        round(float(user["fatigue"]), 2),
        round(float(user["enjoyment"]), 2),
        round(float(user["goal"]), 1),
        round(float(user["goal_wanted"]), 1),
        round(float(user["patience"]), 1),
        action,
        [position_row(slot, items) for slot in life.slots[f]],
    ]


def position_row(slot: Any, items: Records) -> Row:
    """What stood there and what came of it: bits of ACTS first, then the item (none of an ad)."""
    bits = sum(1 << i for i, act in enumerate(ACTS) if slot[act])
    if slot["shows"] < 0:
        return [bits]
    item = items[slot["shows"]]
    row: Row = [bits, int(slot["shows"]), int(item["topic"])]
    if slot["seen"]:
        row += [
            round(float(slot["minutes"]), 2),
            round(float(item["minutes"]), 2),
            round(float(item["attraction"]), 1),
            round(float(item["value"]), 1),
        ]
    return row


def tell_action(action: npt.NDArray[Any]) -> str:
    """What the policy did, in words; "" where the slate itself says it."""
    if action.dtype.kind != "f":
        return ""
    named = zip(SCORERS, action.tolist(), strict=True)
    return ", ".join(f"{name} {value:.2g}" for name, value in named if value) or "no weights"


def as_script(data: Mapping[str, Any]) -> str:
    """JSON that no markup can be read into.

    Raises:
        ValueError: for a number that JSON does not know (nan, inf).
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def person_facts(life: Life) -> dict[str, str]:
    """What kind of person this is: traits, all hidden but the age of the account."""
    user = life.before[0]
    likes = np.argsort(-user["taste"])[:3].tolist()
    return {
        "account opened": f"{-float(user['birth']) / 24.0:.1f} days before the study",
        "likes best": "topics " + ", ".join(f"{topic} ({user['taste'][topic]:+.1f})"
                                            for topic in likes),
        "ad aversion": f"{float(user['ad_aversion']):.2f} (the mean is 1)",
        "appetite for novelty": f"{float(user['curiosity']):+.2f}",
        "impatience": f"{float(user['skippiness']):+.2f} (skippiness; the mean is 0)",
        "pace": f"comes back {math.exp(float(user['tempo'])):.2f} times as readily as the middle "
                "one, all else equal",
        "churn propensity": f"{float(user['churn_propensity']):.2f} at worst, per renewal",
        "habit forms": f"{float(user['habit_rate']):.3f} per active day",
    }  # fmt: skip
