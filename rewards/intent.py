"""Skips and scrolls, read by what the user most likely came for.

    Skips(given="intent")       skips * sum_z weight_z P(z | behaviour)                         (1)
    Skips(given="listen_now")   skips * P(listen_now | behaviour)                               (2)

and the same of Scrolls, titles looked at and passed over. "Scrolling can indicate negative
experience when the goal is to quickly listen to music now, but positive when the goal is to browse"
(Mehrotra et al., WWW 2019, doi 10.1145/3308558.3313613 [L, sign]): so a count that is the same for
both tells little. P(z | behaviour) is a softmax of what a log has of the session up to the end of
the step (behaviour.SESSION), fitted to a panel that was asked (panels.py). Nothing hidden is read.

What it is worth on people held out, against always guessing the panel's shares: accuracy, and log
loss [nat], of the pooled table and of the scenario's own.

    %(figures)s
"""

import math
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from longplay.envs.state import INTENTS
from longplay.rewards import behaviour
from longplay.rewards.panels import POOLED, known, table
from longplay.rewards.signals import Signal
from longplay.rewards.step import Outcomes, Step, Values

# how much one counts against the user, by intent [1]: above 0 to listen now, below 0 to browse,
# Mehrotra et al., WWW 2019 [L, sign]; sizes, and the other two, free choices
WEIGHTS = (1.0, 0.5, -0.5, 1.0)
GIVEN = ("", "intent", *INTENTS)


def predicted_intent(step: Step, panel: str = POOLED) -> Values:
    """P(intent | behaviour), (4, ...) in the order of INTENTS, of every row.

    Args:
        step: a Step with `state`.
        panel: whose table: "pooled", or a scenario's.

    Raises:
        ValueError: the step has no state, or there is no such panel.
    """
    found = behaviour.chances(step, table("intent", panel))
    return found.reshape(len(INTENTS), *step.outcomes.shape)


@dataclass(frozen=True)
class Meant:
    """A count, as it is or by what it most likely meant: what Skips and Scrolls share."""

    name: ClassVar[str]
    given: str = ""  # nothing: the plain count; "intent": equation (1); one of INTENTS: (2)
    weights: tuple[float, ...] = WEIGHTS  # of INTENTS, for given="intent"
    panel: str = POOLED  # whose table of intents

    def __post_init__(self) -> None:
        if self.given not in GIVEN:
            raise ValueError(
                f"given={self.given!r} of {self.name}; wanted {', '.join(map(repr, GIVEN[1:]))}, "
                "or nothing for the plain count"
            )
        object.__setattr__(self, "weights", _four(self.weights, self.name))
        known(self.panel, "intent")
        if self.given:
            object.__setattr__(self, "needs", frozenset({"state"}))
        if self.given == "intent" and min(self.weights) < 0.0:
            object.__setattr__(self, "range", (-math.inf, math.inf))

    def count(self, outcomes: Outcomes) -> Values:
        """What is counted."""
        raise NotImplementedError

    def judge(self, step: Step) -> Values:
        """Equation (1), (2), or the count."""
        count = self.count(step.outcomes)
        if not self.given:
            return count
        chances = predicted_intent(step, self.panel)
        if self.given != "intent":
            return np.asarray(count * chances[INTENTS.index(self.given)], np.float64)
        meaning = self.weights[0] * chances[0]
        for weight, chance in zip(self.weights[1:], chances[1:], strict=True):
            meaning += weight * chance
        return np.asarray(count * meaning, np.float64)


@dataclass(frozen=True)
class Skips(Meant, Signal):
    """Items left before the world's skip limit; with `given`, by what that most likely meant.

    `Skips(given="intent")` weighs each skip by `weights` of the predicted intent, so it is a cost,
    to be weighed below 0, that spares who browses; its range then reaches below 0.
    """

    name = "skips"
    formula = 'skips; given="intent": skips sum_z weight_z P(z); given=z: skips P(z)'
    source = (
        "logged: a field of OUTCOME (envs/state.py); that the meaning turns with the intent, "
        "Mehrotra et al., WWW 2019 [L, sign], weights free choices"
    )
    leaves = "the plain count, summed over a session's steps; with given, steps without a skip"

    def count(self, outcomes: Outcomes) -> Values:
        """Skips."""
        return np.asarray(outcomes["skips"], np.float64)


@dataclass(frozen=True)
class Scrolls(Meant, Signal):
    """Titles looked at and passed over; with `given`, by what that most likely meant.

    `Scrolls(given="intent")` weighs each by `weights` of the predicted intent: a cost, to be
    weighed below 0, that pays for who browses; its range then reaches below 0.
    """

    name = "scrolls"
    formula = (
        'looked - plays; given="intent": (looked - plays) sum_z weight_z P(z); given=z: '
        "(looked - plays) P(z)"
    )
    source = (
        "logged: fields of OUTCOME (envs/state.py); that the meaning turns with the intent, "
        "Mehrotra et al., WWW 2019 [L, sign], weights free choices"
    )
    leaves = "the plain count, summed over a session's steps; with given, steps without a scroll"

    def count(self, outcomes: Outcomes) -> Values:
        """Looked at, less played."""
        return np.maximum(np.asarray(outcomes["looked"] - outcomes["plays"], np.float64), 0.0)


def _four(weights: object, name: str) -> tuple[float, ...]:
    """Weights as a tuple of floats, one an intent; ValueError otherwise."""
    good = isinstance(weights, (tuple, list)) and len(weights) == len(INTENTS)
    for weight in weights if good and isinstance(weights, (tuple, list)) else ():
        number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        good = good and number and abs(weight) <= sys.float_info.max
    if not (good and isinstance(weights, (tuple, list))):
        raise ValueError(
            f"weights={weights!r} of {name}; wanted four finite numbers, for {', '.join(INTENTS)}"
        )
    return tuple(map(float, weights))
