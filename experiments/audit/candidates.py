"""The policies an audit searches: simple ones, so that a find can be read.

On Feed a policy is a fixed weighing of the six scorers: each scorer alone, up or down; random
directions; and the usual policy's weights, each moved by a normal number of sd NEAR. On AdLoad it
is one of the 22 layouts for all, or one of two layouts by a threshold on what the platform sees of
a user:

    score = w_a a + w_b b,    layout = high where score > cut, else low                     (1)

a, b two of SEEN; w_a, w_b uniform in -1 .. 1, cut uniform in the middle half of the scores there
could be if both lay in 0 .. 1. The families are free choices: what they cannot express is not
searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from longplay.agents.fixed import FixedLayout, Weights, production_weights
from longplay.agents.policy import Act, BasePolicy, Obs
from longplay.envs.spaces import SCORERS, USER_FEATURES, layout_index
from longplay.envs.state import LAYOUTS

if TYPE_CHECKING:
    from longplay.agents.policy import Policy

BASES = {"Feed": "production", "AdLoad": "fixed-3-7"}  # what every policy is set beside
BASE_LAYOUT = (3, 7)
NEAR = 0.4  # free choice: beside the usual weights of 1, 0.5, 0.5 and 0.1
# features a threshold may look at: what they count from 0 on, scaled to about 0 .. 1
SEEN = (
    "tenure", "away", "streak", "active_rate", "minutes_rate", "skip_rate", "ad_rate", "survey",
    "fetch", "session_ads",
)  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """A policy to be tried, with its words."""

    name: str
    about: str  # what it does
    policy: Policy
    settings: Mapping[str, Any]  # JSON values that make it again; of a trained one, how


class Threshold(BasePolicy):
    """Equation (1): one of two ad layouts, by a linear score of what the platform sees.

    Args:
        weights: feature (of USER_FEATURES) to its weight in the score.
        cut: of the score.
        low, high: positions of the ads at and below the cut, and above it.
    """

    name = "threshold"

    def __init__(
        self, weights: Mapping[str, float], cut: float, low: Sequence[int], high: Sequence[int]
    ) -> None:
        for feature in weights:
            if feature not in USER_FEATURES:
                raise ValueError(
                    f"no feature {feature!r}; the features are {', '.join(USER_FEATURES)}"
                )
        self.weights, self.cut = dict(weights), float(cut)
        self.low, self.high = tuple(low), tuple(high)
        self.columns = [USER_FEATURES.index(feature) for feature in self.weights]
        self.vector = np.array([*self.weights.values()], np.float64)
        self.layouts = layout_index(self.low), layout_index(self.high)

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {
            "weights": self.weights,
            "cut": self.cut,
            "low": list(self.low),
            "high": list(self.high),
        }

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user; obs (n, D)."""
        above = obs[:, self.columns].astype(np.float64) @ self.vector > self.cut
        low, high = self.layouts
        layout: npt.NDArray[np.int64] = np.where(above, high, low).astype(np.int64)
        return Act(layout, np.ones(len(layout)))


def candidates(task: str, count: int, rng: np.random.Generator) -> list[Candidate]:
    """``count`` policies of a task; the first ones of a longer list are those of a shorter one."""
    kinds: dict[str, tuple[Callable[[np.random.Generator], Iterator[Candidate]], ...]] = {
        "Feed": (single_rankings, rankings, near_rankings),
        "AdLoad": (layouts, thresholds),
    }
    makers = [make(child) for make, child in zip(kinds[task], rng.spawn(len(kinds[task])),
                                                 strict=True)]  # fmt: skip
    found: list[Candidate] = []
    while len(found) < count:  # by turns; the first kind is used up some time
        found += [one for one in (next(maker, None) for maker in makers) if one is not None]
    return found[:count]


def single_rankings(rng: np.random.Generator) -> Iterator[Candidate]:
    """Each scorer alone, its highest first and its lowest first, in random order."""
    rules = [{scorer: sign} for scorer in SCORERS for sign in (1.0, -1.0)]
    for at in rng.permutation(len(rules)):
        ((scorer, sign),) = rules[at].items()
        name = f"{'most' if sign > 0 else 'least'}-{scorer}"
        yield ranking(name, rules[at])


def rankings(rng: np.random.Generator) -> Iterator[Candidate]:
    """Directions uniform on the sphere, scaled to a largest weight of 1 in size."""
    number = 0
    while True:
        number += 1
        yield scaled_ranking(f"ranking-{number}", rng.standard_normal(len(SCORERS)))


def near_rankings(rng: np.random.Generator) -> Iterator[Candidate]:
    """The usual policy's weights, moved, and scaled to a largest weight of 1 in size."""
    usual = production_weights()
    number = 0
    while True:
        number += 1
        yield scaled_ranking(f"near-{number}", usual + NEAR * rng.standard_normal(len(SCORERS)))


def scaled_ranking(name: str, direction: npt.NDArray[np.float64]) -> Candidate:
    """A weighing in this direction, rounded as it is told."""
    drawn = np.round(direction / np.abs(direction).max(), 2)
    return ranking(name, {s: float(w) for s, w in zip(SCORERS, drawn, strict=True) if w})


def ranking(name: str, weights: Mapping[str, float]) -> Candidate:
    """A fixed weighing of scorers."""
    told = " ".join(f"{weight:+g} {scorer}" for scorer, weight in weights.items())
    return Candidate(name, f"ranks by {told}", Weights(**weights), {"weights": dict(weights)})


def layouts(rng: np.random.Generator) -> Iterator[Candidate]:
    """Each layout but the base's, for everybody, in random order."""
    others = [positions for positions in LAYOUTS if positions != BASE_LAYOUT]
    for at in rng.permutation(len(others)):
        policy = FixedLayout(others[at])
        yield Candidate(policy.name, f"{placed(others[at])} for all", policy, policy.config())


def thresholds(rng: np.random.Generator) -> Iterator[Candidate]:
    """Rules of equation (1)."""
    number = 0
    while True:
        number += 1
        names = [SEEN[at] for at in sorted(rng.choice(len(SEEN), 2, replace=False))]
        drawn = np.round(rng.uniform(-1.0, 1.0, 2), 2)
        ends = np.minimum(drawn, 0.0).sum(), np.maximum(drawn, 0.0).sum()
        cut = round(float(np.interp(rng.uniform(0.25, 0.75), (0.0, 1.0), ends)), 2)
        low, high = (LAYOUTS[at] for at in rng.choice(len(LAYOUTS), 2, replace=False))
        policy = Threshold(dict(zip(names, drawn.tolist(), strict=True)), cut, low, high)
        told = " ".join(f"{weight:+g} {name}" for name, weight in policy.weights.items())
        about = f"{placed(high)} where {told} > {cut:g}, else {placed(low)}"
        yield Candidate(f"threshold-{number}", about, policy, policy.config())


def placed(positions: Sequence[int]) -> str:
    """A layout in words."""
    return f"ads at {' and '.join(map(str, positions))}" if positions else "no ad"
