"""LinTS: Thompson sampling on linear regressions."""

from typing import Any

import numpy as np

from longplay.agents.bandits import choosing
from longplay.agents.bandits.base import LAYOUTS_OR_ITEMS, Floats, LinearBandit
from longplay.agents.policy import Act
from longplay.agents.registry import agent


@agent(
    "lints",
    about="the best of one draw from what the reward of one decision may be",
    asks=LAYOUTS_OR_ITEMS,
)
class LinTS(LinearBandit):
    """theta ~ N(theta_hat, v^2 A^-1), drawn for every user anew; the best mean under the draw.

    v is a temperature, in units of the reward's spread (see linear.py); 1 explores too much. Arms
    are disjoint, so the scores of one user are independent normals: they are drawn themselves, and
    the propensity of the arm is an integral in one dimension (choosing.p_best). Items share one
    theta, their scores hang together, and the propensity of a slate or item has no closed form:
    it is nan.
    """

    def __init__(self, *, v: float = 0.5, **rest: Any) -> None:
        if v <= 0.0:
            raise ValueError(f"v={v}; wanted a temperature above 0; for none use epsilon-greedy")
        super().__init__(**rest)
        self.v = v

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {"v": self.v, **super().config()}

    def choose_arm(self, z: Floats, rng: np.random.Generator) -> Act:
        """Choose one of the arms for each row."""
        mean, sd = self.ridge.means(z), self.v * self.ridge.widths(z)
        action = (mean + sd * rng.standard_normal(mean.shape)).argmax(axis=1)
        return Act(action, choosing.p_best(mean, sd, action))

    def choose_slate(self, z: Floats, k: int, rng: np.random.Generator) -> Act:
        """Choose the K best candidates under one draw of theta for each user."""
        theta = self.ridge.sample(len(z), rng, self.v)[:, 0]
        slate = choosing.top_k(np.einsum("nmd,nd->nm", z, theta), k, rng)
        return Act(slate, np.full(len(z), np.nan))
