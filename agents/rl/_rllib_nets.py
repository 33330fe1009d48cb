"""What is ours inside RLlib: a net begun as SB3 begins its own, and estimators in calendar time.

RLlib discounts every decision by one gamma. Here each step is discounted by the time that passed
in it, d_t = gamma_day ** (gap_t / 24), told by the infos of its episode (_rllib_env.py):

    PPO   the temporal difference and its sum (_buffers.py, equations 1 and 2)
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.connectors.learner import GeneralAdvantageEstimation
from ray.rllib.core.columns import Columns
from ray.rllib.core.distribution.torch.torch_distribution import TorchMultiCategorical
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI, ValueFunctionAPI
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.evaluation.postprocessing import Postprocessing
from torch import nn

from longplay.agents.rl._rllib_env import DISCOUNT

Floats = npt.NDArray[np.float32]


def tower(inputs: int, hidden: tuple[int, ...], outputs: int, last: float) -> nn.Sequential:
    """Tanh layers, orthogonal at first; `last` is the gain of the last one."""
    sizes = (inputs, *hidden, outputs)
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes), start=1):
        layer = nn.Linear(a, b)
        nn.init.orthogonal_(layer.weight, 2.0**0.5 if i < len(sizes) - 1 else last)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class ActorCritic(TorchRLModule, InferenceOnlyAPI, ValueFunctionAPI):
    """A policy and a value, apart from each other, as SB3's MlpPolicy has them.

    `model_config`: "net", sizes of the hidden layers; "log_std", log of the spread of continuous
    actions at first; "expected", the value of every state at first.
    """

    def setup(self) -> None:
        """Make the nets."""
        chosen: Any = self.model_config
        seen: Any = self.observation_space
        space: Any = self.action_space
        inputs, net = seen.shape[0], tuple(chosen["net"])
        self.weighed = isinstance(space, spaces.Box)
        if isinstance(space, spaces.MultiDiscrete):
            sizes = [int(n) for n in space.nvec]
            several: Any = TorchMultiCategorical
            self.action_dist_cls = several.get_partial_dist_cls(space=space, input_lens=sizes)
            outputs = sum(sizes)
        else:
            outputs = space.shape[0] if self.weighed else int(space.n)
        self.policy = tower(inputs, net, outputs, 0.01)
        self.value = tower(inputs, net, 1, 1.0)
        final: Any = self.value[-1]
        nn.init.constant_(final.bias, chosen["expected"])
        if self.weighed:
            self.log_std = nn.Parameter(torch.full((outputs,), float(chosen["log_std"])))

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTION_DIST_INPUTS: self._spread(self.policy, batch)}

    def _spread(self, policy: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        told: torch.Tensor = policy(batch[Columns.OBS])
        if self.weighed:
            told = torch.cat([told, self.log_std.expand_as(told)], dim=-1)
        return told

    def compute_values(self, batch: dict[str, Any], embeddings: Any = None) -> torch.Tensor:
        """V of every row, (rows,)."""
        values: torch.Tensor = self.value(batch[Columns.OBS])
        return values.squeeze(-1)

    def get_non_inference_attributes(self) -> list[str]:
        """What runners can do without."""
        return ["value"]


def discounts_of(episode: Any, steps: int) -> npt.NDArray[np.float64]:
    """d_t of the first `steps` steps of an episode: the info after a step tells its discount."""
    infos = episode.get_infos(slice(1, steps + 1))
    return np.array([info[DISCOUNT] for info in infos], np.float64)


def calendar_gae(
    rewards: Floats,
    values: Floats,
    discounts: npt.NDArray[np.float64],
    terminated: bool,
    lambda_: float,
) -> Floats:
    """Advantages of one piece of a life, (n,): _buffers.py, equations 1 and 2.

    Args:
        rewards: (n,).
        values: (n + 1,) of every observation, the last one included.
        discounts: (n,).
        terminated: whether the life ended with the last step; else V of the last observation
            stands for what follows.
        lambda_: per decision.
    """
    n = len(rewards)
    ahead = discounts.copy()
    if terminated:
        ahead[n - 1] = 0.0
    delta = rewards + ahead * values[1:] - values[:-1]
    advantages = np.zeros(n, np.float64)
    sum_ahead = 0.0
    for t in reversed(range(n)):
        sum_ahead = delta[t] + (discounts[t] * lambda_ * sum_ahead if t < n - 1 else 0.0)
        advantages[t] = sum_ahead
    return advantages.astype(np.float32)


class CalendarGAE(GeneralAdvantageEstimation):
    """RLlib's estimator of advantages, with a discount for every step of its own.

    Advantages are standardised over the decisions of the batch, as RLlib does, but without the
    step that AddOneTsToEpisodesAndTruncate adds to every episode, whose advantage means nothing.
    """

    def __call__(
        self, *, rl_module: Any, episodes: list[Any], batch: dict[str, Any], **kwargs: Any
    ) -> Any:
        """Add advantages and value targets to the batch of every module."""
        lives = list(self.single_agent_episode_iterator(episodes, agents_that_stepped_only=False))
        for name, columns in batch.items():
            with torch.no_grad():
                valued = rl_module[name].unwrapped().compute_values(columns)
            values = valued.cpu().numpy()
            rewards = columns[Columns.REWARDS].cpu().numpy()
            over = columns[Columns.TERMINATEDS].cpu().numpy()
            advantages, targets = np.zeros_like(values), np.zeros_like(values)
            real = np.zeros(len(values), bool)
            at = 0
            for life in lives:
                n = len(life) - 1  # without the step added
                here = slice(at, at + n)
                advantages[here] = calendar_gae(
                    rewards[here],
                    values[at : at + n + 1],
                    discounts_of(life, n),
                    bool(over[at + n - 1]),
                    self.lambda_,
                )
                targets[here] = advantages[here] + values[here]
                real[here] = True
                at += n + 1
            assert at == len(values)
            kept = advantages[real]
            advantages[real] = (kept - kept.mean()) / max(1e-4, float(kept.std()))
            for key, column in (
                (Postprocessing.ADVANTAGES, advantages),
                (Postprocessing.VALUE_TARGETS, targets),
            ):
                columns[key] = torch.from_numpy(column).to(valued.device)
        return batch


def swap(pipeline: Any, old: type[ConnectorV2], new: ConnectorV2) -> None:
    """Put a connector in another's place; an error if RLlib has none such."""
    for i, piece in enumerate(pipeline.connectors):
        if type(piece) is old:
            pipeline.connectors[i] = new
            return
    raise RuntimeError(
        f"RLlib's learner has no {old.__name__}; use the version of Ray in constraints.txt"
    )


class SB3Adam:
    """A learner's Adam with SB3's epsilon."""

    def configure_optimizers_for_module(self, module_id: Any, config: Any = None) -> None:
        """Register it."""
        this: Any = self
        params = this.get_parameters(this.module[module_id])
        this.register_optimizer(
            module_id=module_id,
            optimizer=torch.optim.Adam(params, eps=1e-5),
            params=params,
            lr_or_lr_schedule=config.lr,
        )


class CalendarPPOLearner(SB3Adam, PPOTorchLearner):
    """PPO's learner with CalendarGAE."""

    def build(self) -> None:
        """Build, then put the estimator in."""
        super().build()
        config: Any = self.config
        ours = CalendarGAE(gamma=1.0, lambda_=config.lambda_)  # type: ignore[no-untyped-call]
        swap(self._learner_connector, GeneralAdvantageEstimation, ours)
