"""Potential-based shaping: pay for progress at once, and change no optimum.

    F = d phi(s') - phi(s),   d = gamma_day^(gap / 24),   phi(end of a life) = 0              (1)

s and s' the states at this decision and the next, gap the hours between them. Summed with the
discounts along a life the terms cancel to -phi(s_0), whatever was done: every policy gains the same
constant, so their order stays (Ng, Harada and Russell, ICML 1999, for d = gamma [M]; with the
discount of the time that passed it holds for decisions unequal times apart, and phi must be 0 where
a life ends). A study's horizon is no end: there the learner goes on from phi(s').

phi is a formula of State(...), or a model fitted to states: `Potential(2 * State("active_rate"))`.
"""

import difflib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from longplay.envs.spaces import HIDDEN_FEATURES, USER_FEATURES
from longplay.rewards.objective import Objective, taken
from longplay.rewards.step import Step, Values


class State(Objective):
    """What the user looked like at the decision: one number of the observation.

    Formula: the feature of `longplay.envs.spaces.USER_FEATURES` of that name. Unit: 1; features are
    scaled to the order of 1, each by a quantity of its own (envs/spaces.py). Range: -10 .. 10.
    Source: what AdLoad and Feed observe, logged. What it leaves invariant: it tells of the time
    before the step, so the step's action cannot change it. For potentials, and as a factor:
    `Minutes() * State("tenure")`. Printed `state.tenure`.

    Raises:
        ValueError: there is no such feature, or it is hidden.
    """

    kind: ClassVar[str] = "state"
    needs = frozenset({"state"})

    def __init__(self, name: str) -> None:
        if name not in USER_FEATURES:
            if name in HIDDEN_FEATURES:
                raise ValueError(f"state.{name} is hidden: no platform can log it; use survey")
            near = difflib.get_close_matches(str(name), USER_FEATURES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(USER_FEATURES)}"
            raise ValueError(f"there is no state.{name}; {hint}")
        self.name = name
        self._at = USER_FEATURES.index(name)

    @property
    def label(self) -> str:
        """state.name."""
        return f"state.{self.name}"

    def judge(self, step: Step) -> Values:
        """The feature at the decision."""
        return self.on_states(step.need("state", self))

    def on_states(self, states: Any) -> Values:
        """The feature of states (..., 30)."""
        return np.asarray(states[..., self._at], np.float64)

    def to_dict(self) -> dict[str, Any]:
        """{"kind": "state", "name": ...}."""
        return {"kind": self.kind, "name": self.name}

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "State":
        return cls(*taken(data, "name"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and other.name == self.name

    def __hash__(self) -> int:
        return hash((State, self.name))

    def __str__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"State({self.name!r})"


class Potential(Objective):
    """Equation (1): the change of a potential, discounted by the calendar.

    Formula: d phi(s') - phi(s), d = gamma_day^(gap / 24) of the world, 0 at the end of a life.
    Unit: that of phi. Range: any; between -max phi and max phi for phi >= 0. Source: Ng, Harada and
    Russell, ICML 1999 [M], there for d = gamma. What it leaves invariant: the order of policies,
    and with it the optimum, for a learner that discounts each step as the world does
    (`CalendarRolloutBuffer`, `CalendarReplayBuffer`, or none at gamma 1).

    With a constant gamma per decision the terms do not cancel, and the optimum may move. Neither
    do they in sums over a log that are not discounted, which can turn the order of policies round
    (in `bench`, layouts 9 and 21): multiply by `PresentValue(gamma_day=...)` of the world. And a
    log that is cut at the horizon keeps d phi(s_T) of the last state, d discounted from its start;
    small where the study is long, and no sign of a better policy.

    Args:
        phi: an objective on states: a formula of State(...), or a model fitted to states.

    Raises:
        TypeError: phi is no function of the state.
    """

    kind: ClassVar[str] = "potential"
    needs = frozenset({"state", "next_state"})

    def __init__(self, phi: Objective) -> None:
        if not isinstance(phi, Objective):
            raise TypeError(f"{phi!r} is no potential; give one of State(...)")
        phi.on_states(np.zeros((1, len(USER_FEATURES)), np.float32))
        self.phi = phi

    @property
    def label(self) -> str:
        """potential(phi)."""
        return f"potential({self.phi})"

    def judge(self, step: Step) -> Values:
        """d phi(s') - phi(s)."""
        now = self.phi.on_states(step.need("state", self))
        then = self.phi.on_states(step.need("next_state", self))
        return np.asarray(step.outcomes["discount"] * then - now, np.float64)

    def to_dict(self) -> dict[str, Any]:
        """{"kind": "potential", "phi": ...}."""
        return {"kind": self.kind, "phi": self.phi.to_dict()}

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "Potential":
        (phi,) = taken(data, "phi")
        return cls(Objective.from_dict(phi))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Potential) and other.phi == self.phi

    def __hash__(self) -> int:
        return hash((Potential, self.phi))

    def __str__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"Potential({self.phi!r})"
