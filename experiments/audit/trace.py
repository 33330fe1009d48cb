"""One person's life under the usual policy and under the worst that was found, in plain text.

Same person, same luck, so that the two lives differ only by what was done to them. What no
platform could know is marked as hidden.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from longplay.experiments.audit.candidates import Candidate
from longplay.experiments.audit.score import Scores
from longplay.experiments.audit.study import Confirmed, Findings
from longplay.experiments.diary.record import Life, live, parting
from longplay.experiments.evaluate import HELD_OUT
from longplay.experiments.report.wording import amount
from longplay.experiments.settings import check, cohort_maker, find_task

if TYPE_CHECKING:
    from longplay.experiments.settings import Settings

WEEK = 168.0  # [h]
ROWS = 12  # weeks told, at most
# what a week is told by: head, and the key of `week`; what is in brackets is hidden
COLUMNS = {
    "Feed": {"visits": "visits", "minutes": "minutes", "eye": "attraction", "(good)": "value",
             "(satisf.)": "satisfaction"},
    "AdLoad": {"visits": "visits", "minutes": "minutes", "ads": "ads", "(ad mem.)": "ad_memory",
               "(satisf.)": "satisfaction"},
}  # fmt: skip
LEGEND = {
    "Feed": "eye, (good): mean attraction and value of the items looked at [sd of items].",
    "AdLoad": "ads: seen in the week. (ad mem.): remembered ads per hour at the week's end.",
}


@dataclass(frozen=True)
class Trace:
    """The lives of one person."""

    person: int  # number, from HELD_OUT on
    why: str
    lives: tuple[Life, Life]  # under the base, under the policy
    text: str


def trace(found: Findings, worst: Confirmed, settings: Settings) -> Trace:
    """Choose the person, live both lives, and tell them."""
    at, why = typical(found.base_scores, worst.scores)
    make_cohort = cohort_maker(settings, check(settings)[0])
    pair, items = [], None
    for one in (found.base, worst.candidate):
        cohort = make_cohort(1, decision="fetch", autoreset_mode="Disabled")
        life = live(one.policy, cohort, agent=one.name, seed=found.asked.seed,
                    person=HELD_OUT + at, hold=settings.decision == "session")  # fmt: skip
        pair.append(life)
        items = cohort.shop.items
    lives = pair[0], pair[1]
    told = [
        why,
        meeting(*lives),
        "",
        *weeks(lives, items, find_task(settings.world), cohort.horizon_days),
        "",
        *(
            ending(life, one, scores, at, cohort.horizon_days)
            for life, one, scores in zip(
                lives,
                (found.base, worst.candidate),
                (found.base_scores, worst.scores),
                strict=True,
            )
        ),
    ]
    return Trace(HELD_OUT + at, why, lives, "\n".join(told))


def typical(base: Scores, worst: Scores) -> tuple[int, str]:
    """The person in the middle of those whose reward rises while their value falls, and why."""
    loss = worst["value"] - base["value"]
    hurt = np.flatnonzero((worst["reward"] > base["reward"]) & (loss < 0.0))
    if not len(hurt):
        at = int(np.argmin(loss))
        return at, (
            f"Person {at}: nobody's reward rises while their value falls (some raise the one, "
            "others lose the other); this one loses most. Same luck under both policies."
        )
    at = int(hurt[np.argsort(loss[hurt], kind="stable")[len(hurt) // 2]])
    return at, (
        f"Person {at}: of the {len(hurt)} of {len(loss)} people whose reward rises while their "
        "value falls, the one whose loss is in the middle. Same luck under both policies."
    )


def meeting(one: Life, other: Life) -> str:
    """Where the lives part."""
    part = parting(one, other)
    if part.lived is None:
        return "The two lives never part."
    visit = int(np.searchsorted([span.stop for span in one.sessions()], part.lived, "right")) + 1
    day = float(one.before["clock"][part.lived]) / 24.0
    return f"The lives part in visit {visit}, on day {day:.1f}."


def weeks(lives: tuple[Life, Life], items: Any, task: str, horizon_days: float) -> list[str]:
    """A row a week: the same columns for both lives, side by side."""
    columns = COLUMNS[task]
    width = {head: max(len(head), 7) for head in columns}
    block = sum(width.values()) + 2 * len(columns)
    count = math.ceil(24.0 * horizon_days / WEEK)
    rows = [
        (f"{'':6}|" + "|".join(f" {life.agent:^{block - 1}}" for life in lives)).rstrip(),
        f"{'week':<6}|"
        + "|".join("".join(f"  {head:>{width[head]}}" for head in columns) for _ in lives),
    ]
    for number in range(min(count, ROWS)):
        cells = []
        for life in lives:
            told = week(life, number, items)
            cells.append(
                "".join(f"  {told.get(key, ''):>{width[h]}}" for h, key in columns.items())
            )
        rows.append((f"{number + 1:<6}|" + "|".join(cells)).rstrip())
    if count > ROWS:
        rows.append(f"... and {count - ROWS} more weeks")
    return [*rows, f"{LEGEND[task]} In brackets: hidden from every platform."]


def week(life: Life, number: int, items: Any) -> Mapping[str, str]:
    """One week of a life, in words; of a week without a visit, only that."""
    clock = life.before["clock"]
    rows = np.flatnonzero((clock >= WEEK * number) & (clock < WEEK * (number + 1)))
    if not len(rows):
        gone = life.churned and life.end < WEEK * (number + 1)
        return {"visits": "gone" if gone else "0"}
    last = rows[-1] + 1
    later = life.before[last] if last < len(life.before) else life.after[0]
    out, slots = life.outcomes[rows], life.slots[rows]
    shown = slots["shows"][(slots["seen"] == 1) & (slots["shows"] >= 0)]
    told = {
        "visits": str(int((life.before["fetch"][rows] == 0).sum())),
        "minutes": amount(float(out["minutes"].sum()), 0),
        "ads": amount(float(out["ad_views"].sum()), 0),
        "ad_memory": amount(float(later["ad_memory"]), 1),
        "satisfaction": amount(float(later["satisfaction"]), 2),
    }
    for name in ("attraction", "value"):
        if len(shown):
            told[name] = amount(float(items[name][shown].mean()), 2, plus=True)
    return told


def ending(life: Life, one: Candidate, scores: Scores, at: int, horizon_days: float) -> str:
    """What a life came to."""
    total = life.totals()
    end = (
        f"left for ever on day {life.end / 24.0:.0f}"
        if life.churned
        else f"still there on day {horizon_days:g}"
    )
    days = f"{total['satisfied_days']:.1f} satisfied days (hidden)"
    return (
        f"{one.name}: {total['sessions']:.0f} visits on {total['active_days']:.0f} days, "
        f"{amount(total['minutes'], 0)} min, {days}; {end}. Discounted: reward "
        f"{amount(float(scores['reward'][at]), 2)}, value {amount(float(scores['value'][at]), 3)}."
    )
