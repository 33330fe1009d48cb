"""LinUCB: optimism in the face of uncertainty."""

from typing import Any

import numpy as np

from longplay.agents.bandits import choosing
from longplay.agents.bandits.base import LAYOUTS_OR_ITEMS, Floats, LinearBandit
from longplay.agents.policy import Act
from longplay.agents.registry import agent


@agent(
    "linucb",
    about="the best upper confidence bound on the reward of one decision",
    asks=LAYOUTS_OR_ITEMS,
)
class LinUCB(LinearBandit):
    """score = mean + alpha width, disjoint over arms, shared over items.

    Li, Chu, Langford and Schapire 2010, algorithm 1, with batches for single rows; alpha is in
    units of the reward's spread (see linear.py). A whole cohort acts between two updates, so early
    on it tries the same arm many times over. Propensity: 1, shared between ties.
    """

    def __init__(self, *, alpha: float = 1.0, **rest: Any) -> None:
        if alpha < 0.0:
            raise ValueError(f"alpha={alpha}; wanted 0 or more, in practice 0.25 to 1.5")
        super().__init__(**rest)
        self.alpha = alpha

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {"alpha": self.alpha, **super().config()}

    def choose_arm(self, z: Floats, rng: np.random.Generator) -> Act:
        """Choose one of the arms for each row."""
        return choosing.greedy(self.ridge.means(z) + self.alpha * self.ridge.widths(z), rng)

    def choose_slate(self, z: Floats, k: int, rng: np.random.Generator) -> Act:
        """Choose the K candidates of the highest bounds."""
        return choosing.epsilon_slate(
            self.item_means(z) + self.alpha * self.item_widths(z), k, 0.0, rng
        )
