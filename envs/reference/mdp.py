"""A finite Markov decision process, and its exact answers (Puterman 1994, chapter 6 [M])."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Optimum(NamedTuple):
    """The best that can be done."""

    worth: float  # expected discounted reward of a life from its start
    values: Floats  # (S,) the same from each state
    policy: Ints  # (S,) an action for each state that attains it


@dataclass(frozen=True, eq=False)
class MDP:
    """States 0 .. S-1, actions 0 .. A-1, and what follows.

    A last state that leads only to itself, at reward 0, stands for the end of a life.
    """

    P: Floats  # (S, A, S) probability of the next state
    R: Floats  # (S, A) expected reward of the step
    discount: float  # from one step to the next, in [0, 1)
    start: Floats  # (S,) probability of the first state

    def values_of(self, policy: Any) -> Floats:
        """Expected discounted reward from each state (S,), solved exactly.

        Args:
            policy: (S,) an action for each state.

        Raises:
            ValueError: for another shape, or an action out of range.
        """
        states, actions = self.R.shape
        acts = np.asarray(policy)
        if acts.shape != (states,) or acts.dtype.kind not in "iu":
            raise ValueError(f"policy: wanted {states} whole numbers, an action for each state.")
        if acts.min() < 0 or acts.max() >= actions:
            raise ValueError(f"policy: an action lies outside 0..{actions - 1}.")
        every = np.arange(states)
        solved = np.linalg.solve(
            np.eye(states) - self.discount * self.P[every, acts], self.R[every, acts]
        )
        return np.asarray(solved, np.float64)

    def worth_of(self, policy: Any) -> float:
        """Expected discounted reward of a life from its start, under ``policy`` (S,)."""
        return float(self.start @ self.values_of(policy))

    def myopic(self) -> Ints:
        """The policy (S,) with the largest reward of the step; ties go to the lower action."""
        return np.asarray(self.R.argmax(axis=1), np.int64)

    def optimum(self) -> Optimum:
        """The best policy, by policy iteration; exact but for rounding."""
        every = np.arange(len(self.R))
        policy = self.myopic()
        while True:
            values = self.values_of(policy)
            ahead = self.R + self.discount * self.P @ values  # (S, A)
            better = ahead.max(axis=1) > ahead[every, policy] + 1e-10  # more than rounding
            if not better.any():
                return Optimum(float(self.start @ values), values, policy)
            policy = np.where(better, ahead.argmax(axis=1), policy)
