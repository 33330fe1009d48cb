"""The nets that RLlib trains here: plain towers of layers, begun as SB3 begins its own."""

from itertools import pairwise
from typing import Any

import torch
from gymnasium import spaces
from ray.rllib.algorithms.dqn.default_dqn_rl_module import QF_PREDS
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.core.columns import Columns
from ray.rllib.core.distribution.torch.torch_distribution import TorchMultiCategorical
from ray.rllib.core.learner.utils import make_target_network
from ray.rllib.core.rl_module.apis import (
    TARGET_NETWORK_ACTION_DIST_INPUTS,
    InferenceOnlyAPI,
    TargetNetworkAPI,
    ValueFunctionAPI,
)
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.utils.schedules.scheduler import Scheduler
from torch import nn


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


class ActorCritic(TorchRLModule, InferenceOnlyAPI, ValueFunctionAPI, TargetNetworkAPI):
    """A policy and a value, apart from each other, as SB3's MlpPolicy has them.

    APPO's learner also keeps an older copy of the policy.

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
        return ["value", "older"]

    def make_target_networks(self) -> None:
        """Begin the older policy."""
        self.older = make_target_network(self.policy)

    def get_target_network_pairs(self) -> list[tuple[Any, Any]]:
        """What follows what. The spread of weights, one number each, is not held back."""
        return [(self.policy, self.older)]

    def forward_target(self, batch: dict[str, Any]) -> dict[str, Any]:
        """What the older policy would do."""
        return {TARGET_NETWORK_ACTION_DIST_INPUTS: self._spread(self.older, batch)}


class QNet(DefaultDQNTorchRLModule):
    """A value of every action; RLlib's DQN module with SB3's net of ReLU layers for its own.

    `model_config`: "net", "expected" as ActorCritic; "epsilon", share of random actions, a number
    or RLlib's schedule; "double_q", whether the net in use chooses what its older copy values.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        TorchRLModule.__init__(self, *args, **kwargs)

    def setup(self) -> None:
        """Make the net."""
        chosen: Any = self.model_config
        seen: Any = self.observation_space
        space: Any = self.action_space
        self.uses_dueling, self.num_atoms = False, 1
        self.uses_double_q = bool(chosen["double_q"])
        self.epsilon_schedule = Scheduler(
            fixed_value_or_schedule=chosen["epsilon"], framework=self.framework
        )
        self.encoder = nn.Identity()
        sizes = (seen.shape[0], *chosen["net"], int(space.n))
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.af = nn.Sequential(*layers[:-1])
        final: Any = self.af[-1]
        nn.init.constant_(final.bias, chosen["expected"])

    def get_initial_state(self) -> dict[str, Any]:
        """None: it remembers nothing."""
        return {}

    def _qf_forward_helper(self, batch: dict[str, Any], encoder: Any, head: Any) -> dict[str, Any]:
        return {QF_PREDS: head(batch[Columns.OBS])}
