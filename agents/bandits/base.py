"""What the linear bandits share: contexts, the regression, learning from a cohort's step.

Two problems, told apart by the cohort's action:

layouts   a Discrete action on a flat observation (AdLoad). Context = the observation, one model
          an arm, reward = the step's reward.
items     Feed with action "slate" or "item". Context = [item features, item features x a few user
          features], one model shared by all items; the slate is the K best scores. Learnt from
          the positions the user looked at, each with its own reward: minutes played, or played
          yes or no. An item deep in the slate is not learnt from unless seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from longplay.agents.bandits import choosing
from longplay.agents.bandits.linear import Ridge
from longplay.agents.policy import Act, BasePolicy, Batch, Obs
from longplay.envs.spaces import ITEM_FEATURES, USER_FEATURES, table_of

if TYPE_CHECKING:
    from longplay.envs.cohort import Cohort

Floats = npt.NDArray[np.float64]

LAYOUTS_OR_ITEMS: Mapping[str, Mapping[str, Any]] = {"Feed": {"action": "slate"}}
BLOCK = 512  # users whose candidates are scored at a time; bounds the memory
# User features to multiply item features with. None: in bench, crossing with the skip rate or
# counters of the session earned no more minutes.
CROSSED: tuple[str, ...] = ()


class LinearBandit(BasePolicy):
    """A bandit on ridge regressions. A subclass says how to choose: `choose_arm`, `choose_slate`.

    arms: arms of the layout problem; 0 for items.
    features: columns of the observation, or of a candidate.
    slate: items a slate; 0 for layouts, and for an action that is one item not in a slate.
    crossed: user columns that item features are multiplied with.
    credit: "minutes" or "played", the reward of an item.
    ridge: keyword arguments of Ridge.
    """

    learns = True

    def __init__(
        self,
        *,
        arms: int,
        features: int,
        slate: int = 0,
        crossed: tuple[int, ...] | list[int] = (),
        credit: str = "minutes",
        ridge: Mapping[str, Any] | None = None,
    ) -> None:
        if credit not in ("minutes", "played"):
            raise ValueError(f"credit={credit!r}; wanted 'minutes' or 'played'")
        self.arms, self.features, self.slate = arms, features, slate
        self.crossed, self.credit = tuple(crossed), credit
        self.ridge_settings = dict(ridge or {})
        models = arms if arms else 1
        width = features if arms else features * (1 + len(self.crossed))
        self.ridge = Ridge(models, width, **self.ridge_settings)

    @classmethod
    def build(cls, cohort: Cohort, **settings: Any) -> Self:
        """An untrained bandit for the actions and observations of `cohort`."""
        action, obs = cohort.single_action_space, cohort.single_observation_space
        if isinstance(obs, gym.spaces.Dict):
            if cohort.decision != "fetch":
                raise ValueError(
                    f"decision={cohort.decision!r} with items; a session shows many slates and "
                    "only the last is logged position by position: use decision='fetch'"
                )
            slate = len(action.nvec) if isinstance(action, gym.spaces.MultiDiscrete) else 0
            settings.setdefault("crossed", _columns(CROSSED))
            return cls(arms=0, features=len(ITEM_FEATURES), slate=slate, **settings)
        if not isinstance(action, gym.spaces.Discrete) or obs.shape is None:
            raise ValueError(
                f"{cls.__name__} cannot choose from {action}; it plays AdLoad, and Feed with "
                "action='slate' or 'item'"
            )
        return cls(arms=int(action.n), features=obs.shape[0], **settings)

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {
            "arms": self.arms,
            "features": self.features,
            "slate": self.slate,
            "crossed": list(self.crossed),
            "credit": self.credit,
            "ridge": self.ridge_settings,
        }

    def settle(self) -> None:
        """Work in all rows that have come."""
        self.ridge.settle()

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The moments of the regressions."""
        return dict(self.ridge.arrays())

    def set_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back what `arrays` gave."""
        self.ridge.set_arrays(arrays)

    def choose_arm(self, z: Floats, rng: np.random.Generator) -> Act:
        """Choose one of the arms for each row z (n, d) of standardised contexts."""
        raise NotImplementedError

    def choose_slate(self, z: Floats, k: int, rng: np.random.Generator) -> Act:
        """Choose (n, k) of the candidates z (n, M, d), best first."""
        raise NotImplementedError

    def item_means(self, z: Floats) -> Floats:
        """(n, M) expected rewards of candidates z (n, M, d)."""
        means: Floats = self.ridge.means(z.reshape(-1, z.shape[2])).reshape(z.shape[:2])
        return means

    def item_widths(self, z: Floats) -> Floats:
        """(n, M) widths of candidates z (n, M, d)."""
        widths: Floats = self.ridge.widths(z.reshape(-1, z.shape[2])).reshape(z.shape[:2])
        return widths

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user."""
        if self.arms:
            z = self.ridge.standardise(np.asarray(obs, np.float64))
            if self.explore:
                return self.choose_arm(z, rng)
            return choosing.greedy(self.ridge.means(z), rng)
        blocks = [
            self._act_on_items(
                {key: value[start : start + BLOCK] for key, value in obs.items()}, rng
            )
            for start in range(0, len(obs["user"]), BLOCK)
        ]
        action = np.concatenate([block.action for block in blocks])
        return Act(
            action if self.slate else action[:, 0],
            np.concatenate([block.propensity for block in blocks]),
        )

    def _act_on_items(self, obs: Mapping[str, Any], rng: np.random.Generator) -> Act:
        z = self.ridge.standardise(self._item_contexts(obs["user"], table_of(obs["candidates"])))
        k = max(self.slate, 1)
        if self.explore:
            return self.choose_slate(z, k, rng)
        return choosing.epsilon_slate(self.item_means(z), k, 0.0, rng)

    def _item_contexts(self, user: npt.NDArray[Any], items: npt.NDArray[Any]) -> Floats:
        """(..., features x (1 + crossed)) of users (..., D) and items (..., F) of the same rows."""
        items = np.asarray(items, np.float64)
        if items.ndim == user.ndim + 1:
            user = user[:, None, :]
        parts = [items] + [items * user[..., column, None] for column in self.crossed]
        return np.concatenate(parts, axis=-1)

    def update(self, batch: Batch) -> None:
        """Learn from the rows that were lived."""
        lived = np.flatnonzero(batch.outcomes["fetches"] > 0)
        if self.arms:
            x = np.asarray(batch.obs[lived], np.float64)
            self.ridge.update(x, np.asarray(batch.action)[lived], batch.reward[lived])
            return
        k = max(self.slate, 1)
        slots = batch.slots[lived]
        organic = slots["shows"] >= 0
        place = np.cumsum(organic, axis=1) - 1  # of an item in the slate; ads push items down
        rows, position = np.nonzero(organic & (slots["seen"] > 0) & (place < k))
        chosen = np.asarray(batch.action)[lived].reshape(len(lived), k)
        picked = chosen[rows, place[rows, position]]
        user = batch.obs["user"][lived][rows]
        items = table_of(batch.obs["candidates"])[lived[rows], picked]
        reward = np.asarray(slots[self.credit][rows, position], np.float64)
        self.ridge.update(self._item_contexts(user, items), np.zeros(len(rows), np.int64), reward)


def _columns(names: tuple[str, ...]) -> tuple[int, ...]:
    """Columns of the user features of these names."""
    return tuple(USER_FEATURES.index(name) for name in names)
