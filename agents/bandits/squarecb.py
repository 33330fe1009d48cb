"""SquareCB through Vowpal Wabbit: explore in inverse proportion to the expected loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from longplay.agents.extras import require
from longplay.agents.policy import (
    HEADER,
    Act,
    BasePolicy,
    Batch,
    Obs,
    read_header,
    undamaged,
    write_header,
)
from longplay.agents.registry import agent

if TYPE_CHECKING:
    from longplay.envs.cohort import Cohort

MODEL = "model.vw"


@agent(
    "squarecb",
    about="SquareCB of Vowpal Wabbit on the reward of one decision (slow: one user at a time)",
    tasks=("AdLoad",),
    extra="bandits",
)
class SquareCB(BasePolicy):
    """p_a = 1 / (K + gamma (cost_a - cost_best)) for all but the best arm, which takes the rest.

    Foster & Rakhlin 2020, as `--cb_explore_adf --squarecb` has it. Context and arm are crossed,
    so the regression is disjoint over arms up to the learning rate they share. VW minimises cost:
    it is given minus the reward over its running scale. VW reads one example at a time, so this
    agent does loop over users: about 0.2 ms a decision, where a linear bandit takes a few us.
    """

    learns = True

    def __init__(self, *, arms: int, gamma: float = 100.0, learning_rate: float = 0.5) -> None:
        require("bandits", "squarecb")
        self.arms, self.gamma, self.learning_rate = arms, gamma, learning_rate
        self.scale = [0.0, 0.0]  # sum of squared rewards, rows
        self._open(
            f"--cb_explore_adf --squarecb --gamma_scale {gamma} --learning_rate {learning_rate} "
            "--interactions ca --random_seed 1"
        )

    def _open(self, arguments: str) -> None:
        import vowpalwabbit  # type: ignore[import-untyped, unused-ignore]

        self._vw = vowpalwabbit.Workspace(f"{arguments} --quiet")

    @classmethod
    def build(cls, cohort: Cohort, **settings: Any) -> Self:
        """For the arms of `cohort`."""
        space = cohort.single_action_space
        if not isinstance(space, gym.spaces.Discrete):
            raise ValueError(f"squarecb cannot choose from {space}; it plays AdLoad")
        return cls(arms=int(space.n), **settings)

    def _example(self, row: npt.NDArray[Any], label: tuple[int, float, float] | None) -> list[str]:
        """One decision in VW's text format; `label` is (arm, cost, propensity)."""
        numbers = " ".join(f"{i}:{value:.6g}" for i, value in enumerate(row))
        lines = [f"shared |c {numbers}"]
        for k in range(self.arms):
            cost = f"0:{label[1]:.6g}:{label[2]:.6g} " if label and label[0] == k else ""
            lines.append(f"{cost}|a {k}")
        return lines

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user."""
        p = np.array([self._vw.predict(self._example(row, None)) for row in obs], np.float64)
        p /= p.sum(axis=1, keepdims=True)
        if not self.explore:  # the best arm has the largest probability
            return Act(p.argmax(axis=1), np.ones(len(p)))
        action = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1).clip(0, self.arms - 1)
        return Act(action, p[np.arange(len(p)), action])

    def update(self, batch: Batch) -> None:
        """Learn from the rows that were lived, one by one."""
        lived = np.flatnonzero(batch.outcomes["fetches"] > 0)
        if len(lived) == 0:
            return
        self.scale[0] += float((batch.reward[lived] ** 2).sum())
        self.scale[1] += len(lived)
        unit = np.sqrt(self.scale[0] / self.scale[1]) or 1.0
        for i in lived:
            label = (int(batch.action[i]), -batch.reward[i] / unit, batch.propensity[i])
            self._vw.learn(self._example(batch.obs[i], label))

    def save(self, path: Path) -> None:
        """Write policy.json and VW's own model file."""
        folder = Path(path)
        settings = {"arms": self.arms, "gamma": self.gamma, "learning_rate": self.learning_rate}
        write_header(folder, self, {**settings, "scale": self.scale})
        self._vw.save(str(folder / MODEL))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a folder that this class wrote; ValueError if it is damaged."""
        header = read_header(path, cls)
        config = dict(header["config"])
        with undamaged(Path(path) / HEADER):
            scale = config.pop("scale")
            policy = cls(**config)
            policy.scale = list(scale)
        policy.name, policy.explore = header["name"], header["explore"]
        policy._vw.finish()
        with undamaged(Path(path) / MODEL):
            policy._open(f"-i {Path(path) / MODEL}")
        return policy
