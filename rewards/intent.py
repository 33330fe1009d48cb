"""Skips and scrolls, read by what the user most likely came for.

    Skips(given="intent")       skips * sum_z weight_z P(z | behaviour)                         (1)
    Skips(given="listen_now")   skips * P(listen_now | behaviour)                               (2)

and the same of Scrolls, titles looked at and passed over. "Scrolling can indicate negative
experience when the goal is to quickly listen to music now, but positive when the goal is to browse"
(Mehrotra et al., WWW 2019, doi 10.1145/3308558.3313613 [L, sign]): so a count that is the same for
both tells little. P(z | behaviour) is a softmax of what a log has of the session up to the end of
the step (behaviour.SESSION), fitted to a panel that was asked (panels.py). Nothing hidden is read.

On people held out (log loss in nat, beside that of guessing by the panel's shares alone):

                        pooled table            the scenario's own      by shares alone
                        accuracy  log loss      accuracy  log loss      accuracy  log loss
    music               .64       0.79          .67       0.74          .47       1.14
    bench               .59       0.90          .61       0.86          .41       1.23
    shortvideo          .56       1.02          .62       0.90          .42       1.22
    community           .41       1.23          .42       1.20          .39       1.27

The panel was also asked how the session felt. weight_z is the slope of that answer on the count
among sessions of intent z, turned round, and the largest is 1. For skips, pooled: listen-now .49,
background .27, explore .27, look-up 1; for scrolls .38, .34, .19, 1. They order the intents as the
source does, browsing below listening now, but in this world no slope turns positive (fact F15). So
weighed, skips follow how sessions felt better than the plain count does; with the source's signs,
`weights=(1.0, 0.5, -0.5, 1.0)`, they follow it less well (experiments/studies/proxies.py).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from longplay.envs.state import INTENTS
from longplay.rewards import behaviour
from longplay.rewards.panels import POOLED, known, table
from longplay.rewards.settings import real
from longplay.rewards.signals import Signal
from longplay.rewards.step import Outcomes, Step, Values

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


@dataclass(frozen=True, repr=False)
class Meant:
    """A count, as it is or by what it most likely meant: what Skips and Scrolls share."""

    name: ClassVar[str]
    given: str = ""  # nothing: the plain count; "intent": equation (1); one of INTENTS: (2)
    weights: tuple[float, ...] = ()  # of INTENTS, for given="intent"; empty: the panel's
    panel: str = POOLED  # whose tables

    def __post_init__(self) -> None:
        if self.given not in GIVEN:
            raise ValueError(
                f"given={self.given!r} of {self.name}; wanted {', '.join(map(repr, GIVEN[1:]))}, "
                "or nothing for the plain count"
            )
        object.__setattr__(self, "weights", _weights(self.weights, self.name))
        known(self.panel, "intent")
        if self.given:
            object.__setattr__(self, "needs", frozenset({"state"}))
        if self.given == "intent" and min(self.meaning()) < 0.0:
            object.__setattr__(self, "range", (-math.inf, math.inf))

    def meaning(self) -> tuple[float, ...]:
        """What one counts against the user, by intent."""
        return self.weights or tuple(table("intent", self.panel, self.name).tolist())

    def __repr__(self) -> str:
        """Skips(given='intent'): settings that differ from their defaults."""
        settings = str(self).removeprefix(self.name)
        return f"{type(self).__name__}{settings or '()'}"

    def count(self, outcomes: Outcomes) -> Values:
        """What is counted."""
        raise NotImplementedError

    def judge(self, step: Step) -> Values:
        """Equation (1), (2), or the count."""
        count = self.count(step.outcomes)
        if not self.given:
            return count
        step.need("state", self)
        if self.given == "intent":
            worth = self.meaning()
        else:
            worth = tuple(float(name == self.given) for name in INTENTS)
        mean = behaviour.mean_of(step, table("intent", self.panel), worth)
        return np.asarray(count * mean.reshape(count.shape), np.float64)


@dataclass(frozen=True, repr=False)
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


@dataclass(frozen=True, repr=False)
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


def _weights(weights: object, name: str) -> tuple[float, ...]:
    """No weights, or a tuple of floats, one an intent; ValueError otherwise."""
    given = weights if isinstance(weights, (tuple, list)) else (None,)
    found = [w for w in map(real, given) if w is not None and abs(w) <= 1e9]
    if len(given) not in (0, len(INTENTS)) or len(found) < len(given):
        raise ValueError(
            f"weights={weights!r} of {name}; wanted four numbers within 1e9, for "
            f"{', '.join(INTENTS)}, or none for the panel's"
        )
    return tuple(found)
