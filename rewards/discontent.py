"""Discontent: how a session most likely ended, how tired it left, and what was thrown away fast.

    Abandonment("bad")   P(patience gone | behaviour), where the session ended                  (1)
    Abandonment("good")  P(goal reached | behaviour), where the session ended                   (2)
    FatigueEstimate      max(0, w . behaviour + w_0), where the session ended                   (3)
    FastSkips            plays left within `seconds`, in runs of at least `run`                 (4)
    Dissatisfaction      hides + a fast_skips + b fatigue                                       (5)

A log says of a session only that it ended; much of leaving is good leaving (Li, Huffman, Tokuda,
SIGIR 2009 [L]). (1) and (2) are one softmax over good, bad and neither, of behaviour.SESSION and
behaviour.ENDING; (3) is a line of behaviour.SESSION. Both were fitted to a panel (panels.py) whose
exits and fatigue were read from the hidden state when they were fitted, and never since.

On people held out: the area under the curve of (1) and (2), log loss [nat] of the softmax beside
that of the panel's shares, and the share of the variance that (3) explains; for the scenario's own
table, and in brackets for the pooled one.

                 good        bad          log loss            by shares    fatigue R2
    music        .88 (.87)   .99 (.99)    0.39 (0.43)         0.80         .78 (.50)
    bench        .83 (.82)   .99 (.96)    0.44 (0.47)         0.67         .64 (.52)
    shortvideo   .92 (.89)   .99 (.99)    0.29 (0.32)         0.52         .54 (.24)
    community    .80 (.78)   none left    0.19 (0.20)         0.23         .67 (-.29)

Hardly anybody leaves badly in `bench` (1 in 1000), and in `community` nobody; there the table says
little. The pooled table ranks, but its shares are those of no one world, and of fatigue in
`community` it knows less than the mean does: take a panel of one's own where the level matters.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.envs.compiled import compiled
from longplay.rewards import behaviour
from longplay.rewards.panels import POOLED, known, table
from longplay.rewards.settings import count, positive, up_to
from longplay.rewards.signals import Signal
from longplay.rewards.step import Step, Values

ENDS = ("good", "bad")  # classes 0 and 1 of the table; 2 is neither
WORTH = dict(zip(ENDS, np.eye(behaviour.CLASSES), strict=False))  # 1 for that class
AT_THE_END = "0 within a session"
MOST_PLAYS = 62  # of a row of slots, one bit each; slates have at most 50 positions


@dataclass(frozen=True)
class Abandonment(Signal):
    """How likely the session that ended here ended well, or badly; 0 within a session.

    `Abandonment("bad")` is a cost, `Abandonment("good")` a gain: leaving as such is neither.
    """

    name, range = "abandonment", (0.0, 1.0)
    formula = "1[ended] P(end | behaviour of the session and of its last fetch)"
    source = "good abandonment: Li, Huffman, Tokuda, SIGIR 2009 [L]; model and features our own"
    leaves = AT_THE_END
    needs = frozenset({"state", "slots"})
    end: str = "bad"  # "good" or "bad"
    panel: str = POOLED

    def __post_init__(self) -> None:
        if self.end not in ENDS:
            raise ValueError(f"end={self.end!r} of abandonment; wanted 'good' or 'bad'")
        known(self.panel, "endings")

    def judge(self, step: Step) -> Values:
        """Equation (1) or (2)."""
        for part in ("state", "slots"):
            step.need(part, self)
        chance = behaviour.mean_of(step, table("endings", self.panel), WORTH[self.end])
        return behaviour.at_the_end(step, chance)


@dataclass(frozen=True)
class FatigueEstimate(Signal):
    """How tired the session most likely left the user; 0 within a session. A cost.

    An estimate of a hidden mood from minutes, plays, skips, ads and time away, that are logged.
    """

    name = "fatigue_estimate"
    formula = "1[ended] max(0, w . behaviour of the session + w_0)"
    source = "our own: least squares on a panel; the mood is that of envs/laws/fatigue.py"
    leaves = AT_THE_END
    needs = frozenset({"state"})
    panel: str = POOLED

    def __post_init__(self) -> None:
        known(self.panel, "fatigue")

    def judge(self, step: Step) -> Values:
        """Equation (3)."""
        step.need("state", self)
        return tiredness(step, self.panel)


def tiredness(step: Step, panel: str) -> Values:
    """Equation (3) of every row, by this panel's table."""
    level = behaviour.scores(step, table("fatigue", panel))[0]
    return behaviour.at_the_end(step, np.maximum(level, 0.0))


@compiled
def count_fast(slots: Any, minutes: float, run: int, out: Any) -> None:
    """Equation (4) of every row.

    The plays of a row are the bits of a number, 1 for a fast one. A bit that r - 1 others follow
    outlives r - 1 times `bits & bits >> 1`; from it the run grows back by `bits | bits << 1`. No
    branch hangs on whether a slot holds a play, which is a coin toss.
    """
    shifts = min(run, MOST_PLAYS + 1) - 1
    for i in range(len(slots)):
        bits = 0
        for slot in slots[i]:
            play = int((slot.shows >= 0) & (slot.played == 1))
            bits = (bits << play) | (play & int(slot.minutes < minutes))
        for _ in range(shifts):
            bits &= bits >> 1
        for _ in range(shifts):
            bits |= bits << 1
        total = 0
        while bits:
            bits &= bits - 1  # takes the lowest one away
            total += 1
        out[i] = total


@dataclass(frozen=True)
class FastSkips(Signal):
    """Plays left within `seconds`, as far as they stand in runs of at least `run`. A cost.

    One fast skip is a taste; several in a row say that the list is wrong. What was passed over and
    ads do not break a run, a longer play does. Of the slots: all plays where a step is one fetch,
    those of its last fetch where it is a session.
    """

    name = "fast_skips"
    formula = "plays with minutes < seconds / 60, in runs of at least `run` of the slots"
    source = "our own; a skip follows a skip in 57 % of cases (docs/realism.md); both free choices"
    leaves = "plays of at least `seconds`; of a step that is a session, all but the last fetch"
    needs = frozenset({"slots"})
    seconds: float = 10.0  # [s], > 0
    run: int = 2  # plays in a row, at least 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "seconds", positive(self.seconds, "seconds", self.name, 10))
        object.__setattr__(self, "run", count(self.run, "run", self.name, 2))

    def judge(self, step: Step) -> Values:
        """Equation (4)."""
        return fast_plays(step, self, self.seconds, self.run)


def fast_plays(step: Step, who: object, seconds: float, run: int) -> Values:
    """Equation (4) of every row: plays left within `seconds` [s], in runs of at least `run`."""
    out = np.empty(step.outcomes.size)
    slots = behaviour.records(step.need("slots", who), len(out))
    if slots.shape[1] > MOST_PLAYS:
        raise ValueError(
            f"{who} got slots of {slots.shape[1]} positions; it reads at most {MOST_PLAYS}"
        )
    count_fast(slots, seconds / 60.0, run, out)
    return out.reshape(step.outcomes.shape)


@dataclass(frozen=True)
class Dissatisfaction(Signal):
    """One number for what a log shows of displeasure: hides, fast skips, and fatigue. A cost.

    A default to start from. To see its parts apart, write the sum out:
    `Hides() + 0.2 * FastSkips() + 0.5 * FatigueEstimate()`.
    """

    name = "dissatisfaction"
    formula = "hides + fast_skips_weight fast_skips + fatigue_weight fatigue_estimate"
    source = "our own composition; weights free choices"
    leaves = "steps without a hide, a run of fast skips or a session's end"
    needs = frozenset({"state", "slots"})
    fast_skips_weight: float = 0.2  # hides that a fast skip is worth [1], >= 0
    fatigue_weight: float = 0.5  # hides that a unit of fatigue is worth [1], >= 0
    panel: str = POOLED

    def __post_init__(self) -> None:
        for name in ("fast_skips_weight", "fatigue_weight"):
            weight = up_to(1e9, getattr(self, name), name, self.name, 0.2)
            object.__setattr__(self, name, weight)
        known(self.panel, "fatigue")

    def judge(self, step: Step) -> Values:
        """Equation (5)."""
        for part in ("state", "slots"):
            step.need(part, self)
        out = fast_plays(step, self, FastSkips.seconds, FastSkips.run)
        out *= self.fast_skips_weight
        out += self.fatigue_weight * tiredness(step, self.panel)
        out += step.outcomes["hides"]
        return out
