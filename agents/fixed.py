"""Rules that do not learn: random actions, fixed ad layouts, constant ranking weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from longplay.agents.policy import Act, BasePolicy, Obs, users_in
from longplay.agents.registry import agent
from longplay.envs.spaces import ITEM_FEATURES, SCORERS, layout_index, table_of
from longplay.envs.state import LAYOUTS

if TYPE_CHECKING:
    from longplay.envs.cohort import Cohort

# Weights of the platform's scores in the agent `production`, by scorer [1]; free choice.
PRODUCTION: Mapping[str, Any] = MappingProxyType(
    {"affinity": 1.0, "attraction": 0.5, "quality": 0.5, "freshness": 0.1}
)


def production_weights(scores: Sequence[str] = SCORERS) -> npt.NDArray[np.float64]:
    """PRODUCTION as an array, a weight for each of `scores`; 0 for those it does not weigh."""
    return np.array([PRODUCTION.get(name, 0.0) for name in scores])


@agent("random", about="every action equally likely")
class Random(BasePolicy):
    """Uniform over the actions: layouts, items, ordered slates without repeats, or a box.

    kind: "discrete" (sizes: number of actions), "slate" (sizes: candidates, slots) or
    "box" (sizes: numbers a vector, each uniform in -1..1; the propensity is then a density).
    """

    def __init__(self, kind: str, sizes: list[int]) -> None:
        self.kind, self.sizes = kind, list(sizes)

    @classmethod
    def build(cls, cohort: Cohort, **settings: Any) -> Self:
        """Random for the action space of `cohort`."""
        space = cohort.single_action_space
        if isinstance(space, gym.spaces.Discrete):
            return cls("discrete", [int(space.n)])
        if isinstance(space, gym.spaces.MultiDiscrete):
            return cls("slate", [int(space.nvec[0]), len(space.nvec)])
        if isinstance(space, gym.spaces.Box):
            return cls("box", [math.prod(space.shape)])
        raise ValueError(f"no random policy for {space}; wanted Discrete, MultiDiscrete or Box")

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {"kind": self.kind, "sizes": self.sizes}

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user."""
        n = users_in(obs)
        action: npt.NDArray[Any]
        if self.kind == "discrete":
            action, p = rng.integers(0, self.sizes[0], n), 1.0 / self.sizes[0]
        elif self.kind == "slate":
            candidates, k = self.sizes
            action = rng.random((n, candidates)).argsort(axis=1)[:, :k]
            p = 1.0 / math.perm(candidates, k)
        else:
            action = rng.uniform(-1.0, 1.0, (n, self.sizes[0])).astype(np.float32)
            p = 0.5 ** self.sizes[0]
        return Act(action, np.full(n, p))


class FixedLayout(BasePolicy):
    """The same ad layout in every fetch; positions are counted from 1."""

    def __init__(self, positions: tuple[int, ...] | list[int]) -> None:
        self.positions = tuple(int(p) for p in positions)
        self.layout = layout_index(self.positions)
        self.name = layout_name(self.positions)

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {"positions": list(self.positions)}

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user."""
        n = users_in(obs)
        return Act(np.full(n, self.layout, np.int64), np.ones(n))


def fixed(*positions: int) -> FixedLayout:
    """Policy of one layout: positions 3, 7 are the classic one, none at all shows no ad."""
    return FixedLayout(positions)


def layout_name(positions: tuple[int, ...]) -> str:
    """The agent's name of a layout: fixed-3-7, fixed-none."""
    return "-".join(["fixed", *map(str, positions)] if positions else ["fixed", "none"])


for _positions in LAYOUTS:
    _places = " and ".join(map(str, _positions))
    agent(
        layout_name(_positions),
        about=f"an ad at {_places} in every fetch" if _positions else "never an ad",
        tasks=("AdLoad",),
        positions=_positions,
    )(FixedLayout)


@agent(
    "production",
    about="constant weights over the platform's scores: affinity, attraction, quality, freshness",
    tasks=("Feed",),
    asks={"Feed": {"action": "weights"}},
    **PRODUCTION,
)
@agent(
    "clickbait",
    about="what draws the eye first, whoever looks",
    tasks=("Feed",),
    asks={"Feed": {"action": "weights"}},
    attraction=1.0,
)
class Weights(BasePolicy):
    """The same score weights in every fetch; scores that are not named weigh nothing."""

    def __init__(self, **weights: float) -> None:
        for scorer, weight in weights.items():
            if scorer not in SCORERS:
                raise ValueError(f"no scorer {scorer!r}; the scorers are {', '.join(SCORERS)}")
            if not -1.0 <= weight <= 1.0:
                raise ValueError(f"weight {scorer}={weight}; wanted a number in -1..1")
        self.weights = weights
        self.vector = np.array([weights.get(scorer, 0.0) for scorer in SCORERS], np.float32)

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return dict(self.weights)

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user."""
        n = users_in(obs)
        return Act(np.tile(self.vector, (n, 1)), np.ones(n))


@agent(
    "affinity",
    about="the slate of the best predicted affinity",
    tasks=("Feed",),
    asks={"Feed": {"action": "slate"}},
)
class TopAffinity(BasePolicy):
    """The K candidates (or the one) of the highest affinity as the platform predicts it."""

    def __init__(self, slate: int) -> None:
        self.slate = slate

    @classmethod
    def build(cls, cohort: Cohort, **settings: Any) -> Self:
        """For the slate size of `cohort`; 0 for one item."""
        space = cohort.single_action_space
        if not isinstance(cohort.single_observation_space, gym.spaces.Dict):
            raise ValueError("affinity ranks candidates; play Feed with action='slate' or 'item'")
        return cls(slate=len(space.nvec) if isinstance(space, gym.spaces.MultiDiscrete) else 0)

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {"slate": self.slate}

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user."""
        affinity = table_of(obs["candidates"])[:, :, ITEM_FEATURES.index("affinity")]
        order = np.argsort(-affinity, axis=1, kind="stable")
        action = order[:, : self.slate] if self.slate else order[:, 0]
        return Act(action, np.ones(len(action)))
