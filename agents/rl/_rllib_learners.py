"""RLlib's learners in calendar time.

RLlib discounts every decision by one gamma. Here each step is discounted by the time that passed
in it, d_t = gamma_day ** (gap_t / 24), which the infos of its episode tell (_rllib_env.py):

    PPO   the temporal difference and its sum, _buffers.py, equations (1) and (2)
    APPO  V-trace (Espeholt et al. 2018, eq. 1), with d_t for gamma
    DQN   the target r_t + d_t Q(s_{t+1}, a*)

RLlib lengthens every piece of a life by a step without a meaning, whose observation is the last
one, to learn the value there. Where this step should be nothing, it is made nothing here.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ray.rllib.algorithms.appo.torch.appo_torch_learner import APPOTorchLearner
from ray.rllib.algorithms.dqn.torch.dqn_torch_learner import DQNTorchLearner
from ray.rllib.algorithms.impala.torch.vtrace_torch_v2 import make_time_major
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.connectors.learner import GeneralAdvantageEstimation
from ray.rllib.core.columns import Columns
from ray.rllib.evaluation.postprocessing import Postprocessing

from longplay.agents.rl._rllib_env import DISCOUNT

Floats = npt.NDArray[np.float32]


def discounts_of(life: Any, steps: int) -> npt.NDArray[np.float64]:
    """d_t of the first steps of an episode, (steps,): the info after a step tells it."""
    infos = life.get_infos(slice(1, steps + 1))
    return np.array([info[DISCOUNT] for info in infos], np.float64)


class AddDiscounts(ConnectorV2):
    """Puts the discount of every step into the batch."""

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Add the column DISCOUNT."""
        lives = self.single_agent_episode_iterator(episodes, agents_that_stepped_only=False)
        for i, life in enumerate(lives):
            if "_" not in life.id_:  # as RLlib's next piece would: rows are kept by this name, and
                life.id_ += f"_{i}"  # a replay gives several steps of one life
            n = len(life)
            told = discounts_of(life, n).astype(np.float32)
            self.add_n_batch_items(batch, DISCOUNT, list(told), n, life)
        return batch


def add_discounts(observations: Any, actions: Any) -> AddDiscounts:
    """RLlib asks for connectors by the spaces they are to work on."""
    return AddDiscounts(observations, actions)


def calendar_gae(
    rewards: Floats,
    values: Floats,
    discounts: npt.NDArray[np.float64],
    terminated: bool,
    lambda_: float,
) -> Floats:
    """Advantages of one piece of a life, (n,): _buffers.py, equations (1) and (2).

    Args:
        rewards: (n,).
        values: (n + 1,), of every observation, the last one included.
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
    follows = 0.0
    for t in reversed(range(n)):
        follows = delta[t] + ahead[t] * lambda_ * follows
        advantages[t] = follows
    return advantages.astype(np.float32)


class CalendarGAE(GeneralAdvantageEstimation):
    """RLlib's estimator of advantages, with a discount for every step of its own.

    Advantages are standardised over the decisions of the batch, as RLlib does, but without the
    steps added to every piece of a life, whose advantages mean nothing.
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
            advantages = np.zeros_like(values)
            at = 0
            for life in lives:
                n = len(life)  # the added step included
                here = slice(at, at + n - 1)
                advantages[here] = calendar_gae(
                    rewards[here],
                    values[at : at + n],
                    discounts_of(life, n - 1),
                    bool(over[at + n - 2]),
                    self.lambda_,
                )
                at += n
            if at != len(values):
                raise RuntimeError(
                    f"RLlib's batch has {len(values)} rows for lives of {at} steps; use the "
                    "version of Ray in constraints.txt"
                )
            targets = advantages + values
            real = columns[Columns.LOSS_MASK].cpu().numpy()
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


class WithGamma:
    """A learner's config with one gamma a step, (steps, pieces) or (rows,), in place of one."""

    def __init__(self, config: Any, gamma: torch.Tensor) -> None:
        self._config = config
        self.gamma = gamma

    def __getattr__(self, name: str) -> Any:
        return getattr(self._config, name)


class CalendarAPPOLearner(SB3Adam, APPOTorchLearner):  # type: ignore[misc]
    """APPO's learner with V-trace in calendar time.

    The step added to every piece of a life gets its own value for a reward. With RLlib's own 0,
    its temporal difference is -V, which V-trace carries back into the step before: the value of
    where the piece was cut off would be taken away again, as if every piece ended in churn.
    """

    def compute_loss_for_module(
        self, *, module_id: Any, config: Any, batch: Any, fwd_out: dict[str, Any]
    ) -> Any:
        """RLlib's loss."""
        with torch.no_grad():
            module: Any = self.module[module_id].unwrapped()
            values = module.compute_values(batch)
        real = batch[Columns.LOSS_MASK]
        changed = {**batch, Columns.REWARDS: torch.where(real, batch[Columns.REWARDS], values)}
        gamma = make_time_major(
            batch[DISCOUNT],
            trajectory_len=config.get_rollout_fragment_length(),
            recurrent_seq_len=batch.get("seq_lens"),
        )
        timed: Any = WithGamma(config, gamma)
        return super().compute_loss_for_module(
            module_id=module_id, config=timed, batch=changed, fwd_out=fwd_out
        )


class CalendarDQNLearner(DQNTorchLearner):
    """DQN's learner with a discount for every transition of its own."""

    def compute_loss_for_module(
        self, *, module_id: Any, config: Any, batch: Any, fwd_out: dict[str, Any]
    ) -> Any:
        """RLlib's loss."""
        if not (batch["n_step"] == 1).all():
            raise ValueError(f"n_step={batch['n_step']}; transitions of one step are wanted")
        timed: Any = WithGamma(config, batch[DISCOUNT])
        return super().compute_loss_for_module(
            module_id=module_id, config=timed, batch=batch, fwd_out=fwd_out
        )
