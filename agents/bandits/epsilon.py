"""Epsilon-greedy on ridge regressions."""

from typing import Any

import numpy as np

from longplay.agents.bandits import choosing
from longplay.agents.bandits.base import LAYOUTS_OR_ITEMS, Floats, LinearBandit
from longplay.agents.policy import Act
from longplay.agents.registry import agent


@agent(
    "epsilon-greedy",
    about="the best expected reward of one decision; one decision in ten at random",
    asks=LAYOUTS_OR_ITEMS,
)
class EpsilonGreedy(LinearBandit):
    """With probability epsilon uniform over arms (or ordered slates), else the best means.

    Propensities are exact: epsilon / K + (1 - epsilon) x the arm's share among the best, and
    epsilon (M - K)! / M! + (1 - epsilon) x the slate's share among the best slates.
    """

    def __init__(self, *, epsilon: float = 0.1, **rest: Any) -> None:
        if not 0.0 <= epsilon <= 1.0:
            raise ValueError(f"epsilon={epsilon}; wanted a probability in [0, 1]")
        super().__init__(**rest)
        self.epsilon = epsilon

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {"epsilon": self.epsilon, **super().config()}

    def choose_arm(self, z: Floats, rng: np.random.Generator) -> Act:
        """Choose one of the arms for each row."""
        return choosing.epsilon_greedy(self.ridge.means(z), self.epsilon, rng)

    def choose_slate(self, z: Floats, k: int, rng: np.random.Generator) -> Act:
        """Choose the K best candidates, or K at random."""
        return choosing.epsilon_slate(self.item_means(z), k, self.epsilon, rng)
