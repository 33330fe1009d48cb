"""RLlib's configs for our agents: its defaults, set to what SB3 learns with, piece by piece."""

from typing import TYPE_CHECKING, Any

from ray.rllib.algorithms.appo import APPOConfig
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from longplay.agents.rl._rllib_env import People
from longplay.agents.rl._rllib_learners import (
    CalendarAPPOLearner,
    CalendarDQNLearner,
    CalendarPPOLearner,
    add_discounts,
)
from longplay.agents.rl._rllib_nets import ActorCritic, QNet
from longplay.agents.rl._rllib_training import Witness
from longplay.agents.rl._towers import Shape

if TYPE_CHECKING:
    from longplay.agents.rl.rllib import RLlibAPPOSettings, RLlibDQNSettings, RLlibPPOSettings


def _common(
    config: Any, people: People, chosen: Any, module: type, learner: type, **net: Any
) -> Any:
    """What all three share: runners, connectors, nets, and what happens when runners die."""
    return (
        config.framework("torch")
        .env_runners(
            num_env_runners=chosen.runners,
            num_envs_per_env_runner=people.num_envs,
            gym_env_vectorize_mode="vector_entry_point",
        )
        .learners(num_learners=0, learner_class=learner)
        .callbacks(Witness)
        .rl_module(
            rl_module_spec=RLModuleSpec(
                module_class=module, model_config={"net": tuple(chosen.net), **net}
            )
        )
        .reporting(min_time_s_per_iteration=0)
        .debugging(seed=people.seed)
        .fault_tolerance(
            restart_failed_env_runners=chosen.restarts,
            ignore_env_runner_failures=not chosen.restarts,
            num_consecutive_env_runner_failures_tolerance=100,
            delay_between_env_runner_restarts_s=2.0,
            env_runner_health_probe_timeout_s=5.0,
            env_runner_restore_timeout_s=30.0,
        )
    )


def _falling(rate: float, budget_steps: int) -> list[list[float]]:
    """Linearly to 0 over the budget, in RLlib's words."""
    return [[0, rate], [budget_steps, 0.0]]


def ppo(people: People, chosen: "RLlibPPOSettings", budget_steps: int, expected: float) -> Any:
    """PPO as sb3.py has it; where RLlib's own defaults differ, they are named here.

    RLlib adds a penalty on the change of policy (`use_kl_loss`), cuts value errors off above 10
    (`vf_clip_param`), weighs them by 1, never clips gradients, keeps its rate, and draws its
    first weights otherwise. It standardises advantages over the rollout, SB3 over a minibatch.
    """
    batch = people.num_envs * max(1, chosen.runners) * chosen.n_steps
    config = _common(
        PPOConfig(), people, chosen, ActorCritic, CalendarPPOLearner,  # type: ignore[no-untyped-call]
        log_std=chosen.log_std, expected=expected,
    )  # fmt: skip
    return config.env_runners(rollout_fragment_length=chosen.n_steps).training(
        lr=_falling(_rate(chosen, people), budget_steps),
        gamma=1.0,  # not used: discounts come with the steps
        lambda_=chosen.gae_lambda,
        entropy_coeff=chosen.ent_coef,
        clip_param=chosen.clip_range,
        use_kl_loss=False,
        vf_clip_param=float("inf"),
        vf_loss_coeff=0.5,
        grad_clip=0.5,
        train_batch_size_per_learner=batch,
        minibatch_size=min(chosen.batch_size, batch),
        num_epochs=chosen.n_epochs,
    )


def appo(people: People, chosen: "RLlibAPPOSettings", budget_steps: int, expected: float) -> Any:
    """APPO: PPO's clipped loss on V-trace's advantages, while runners sample on."""
    config = _common(
        APPOConfig(), people, chosen, ActorCritic, CalendarAPPOLearner,  # type: ignore[no-untyped-call]
        log_std=chosen.log_std, expected=expected,
    )  # fmt: skip
    return (
        config.env_runners(rollout_fragment_length=chosen.n_steps)
        .learners(learner_connector=add_discounts)
        .training(
            lr=_falling(_rate(chosen, people), budget_steps),
            gamma=1.0,  # not used: discounts come with the steps
            entropy_coeff=chosen.ent_coef,
            clip_param=chosen.clip_range,
            use_kl_loss=False,
            vf_loss_coeff=0.5,
            grad_clip=chosen.grad_clip,
            train_batch_size_per_learner=people.num_envs * chosen.n_steps,
            circular_buffer_num_batches=chosen.batches_kept,
            circular_buffer_iterations_per_batch=chosen.uses_per_batch,
            target_network_update_freq=1,
        )
    )


def dqn(people: People, chosen: "RLlibDQNSettings", budget_steps: int, expected: float) -> Any:
    """DQN as sb3.py has it: neither double nor dueling, with a uniform replay buffer."""
    lanes = people.num_envs * max(1, chosen.runners)
    explored = max(1, int(chosen.exploration_fraction * budget_steps))
    config = _common(
        DQNConfig(), people, chosen, QNet, CalendarDQNLearner,  # type: ignore[no-untyped-call]
        expected=expected, double_q=False,
        epsilon=[[0, 1.0], [explored, chosen.exploration_final_eps]],
    )  # fmt: skip
    # RLlib's ratio counts one runner more than there are, as if this process sampled too
    counted = people.num_envs * (chosen.runners + 1)
    return (
        config.env_runners(rollout_fragment_length=1)
        .learners(learner_connector=add_discounts)
        .training(
            lr=_falling(chosen.learning_rate, budget_steps),
            gamma=1.0,  # not used: discounts come with the steps
            n_step=1,
            double_q=False,
            dueling=False,
            num_atoms=1,
            td_error_loss_fn="huber",
            grad_clip=10.0,
            train_batch_size_per_learner=chosen.batch_size,
            training_intensity=chosen.gradient_steps * chosen.batch_size / counted,
            num_steps_sampled_before_learning_starts=8 * lanes,
            target_network_update_freq=chosen.target_update_interval,
            tau=1.0,
            replay_buffer_config={"type": "EpisodeReplayBuffer", "capacity": chosen.buffer_size},
        )
    )


def fill_first(config: Any, begun: int) -> None:
    """After `begun` decisions DQN's memory is gone; it fills again before learning goes on."""
    if isinstance(config, DQNConfig):
        config.num_steps_sampled_before_learning_starts += begun


def _rate(chosen: Any, people: People) -> float:
    """A Gaussian over weights that steps too far never comes back."""
    if chosen.learning_rate is not None:
        return float(chosen.learning_rate)
    return 7e-4 if Shape.of(people).kind == "weights" else 2e-3
