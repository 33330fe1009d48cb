"""Around SB3's `learn`: progress, logs, and a scale for rewards."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat

from longplay.agents.policy import Log, Progress
from longplay.agents.rl._returns import Returns, returns_of
from longplay.agents.rl._vecenv import CohortVecEnv


class LogWriter(KVWriter):
    """Hands every number that SB3 logs to a function (name, value, decisions made so far)."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Pass on the numbers."""
        for name, value in sorted(key_values.items()):
            if isinstance(value, (int, float, np.number)):
                self.log(name, float(value), step)

    def close(self) -> None:
        """Nothing is held open."""


def logger_to(folder: Path | None, log: Log | None) -> Logger:
    """SB3's logger: TensorBoard events into `folder`, numbers to `log`; either may be None."""
    outputs: list[KVWriter] = []
    if folder is not None:
        outputs.append(TensorBoardOutputFormat(str(folder)))
    if log is not None:
        outputs.append(LogWriter(log))
    return Logger(folder=None if folder is None else str(folder), output_formats=outputs)


class Reporter(BaseCallback):
    """Tells the progress, about a hundred times a run, and logs what the reward was made of.

    That is the mean of every reward part, and the numbers of `info["constraint"]` as they last
    were (those that are not yet known, nan, are left out).
    """

    def __init__(self, venv: CohortVecEnv, budget_steps: int, progress: Progress | None) -> None:
        super().__init__()
        self.venv = venv
        self.every = max(1, budget_steps // 100)
        self.progress = progress
        self.told = 0
        self.steps = 0
        self.parts: dict[str, float] = {}

    def _on_step(self) -> bool:
        self.steps += 1
        for label, part in self.venv.info.get("reward_parts", {}).items():
            self.parts[label] = self.parts.get(label, 0.0) + float(part.mean())
        if self.progress is not None and self.num_timesteps - self.told >= self.every:
            self.told = self.num_timesteps
            self.progress(self.num_timesteps)
        return True

    def _on_rollout_end(self) -> None:
        for label, value in self.parts.items():
            self.logger.record(f"reward/{label}", value / max(1, self.steps))
        for label, value in self.venv.info.get("constraint", {}).items():
            if math.isfinite(value):
                self.logger.record(f"constraint/{label}", float(value))
        self.parts, self.steps = {}, 0

    def _on_training_end(self) -> None:
        if self.progress is not None:
            self.progress(self.num_timesteps)


def random_returns(venv: CohortVecEnv, *, seed: int, steps: int = 64) -> Returns:
    """Estimate the discounted return of random actions from a few steps of all users."""
    actions = venv.venv.action_space
    actions.seed(seed)
    venv.seed(seed)
    venv.reset()
    rewards, discounts = [], []
    for _ in range(steps):
        rewards.append(venv.step(actions.sample())[1])
        discounts.append(venv.discounts)
    return returns_of(np.array(rewards), np.array(discounts))
