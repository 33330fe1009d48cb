"""Stable-Baselines3's PPO and DQN behind the policy protocol, in calendar time.

They learn from the cohort's reward, discounted by the time between decisions (_buffers.py), so
that a user who stays away costs what is not earned meanwhile. They decide as often as the cohort
they are given: with `decision="session"` an action holds for a whole visit, which shortens the way
from an ad to the return it delays.

The saved model is SB3's own zip: `PPO.load(folder / "model.zip")` reads it too. Such a file holds
pickles; load none that you do not trust.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, get_type_hints

import numpy as np
import numpy.typing as npt

from longplay.agents.extras import require
from longplay.agents.policy import (
    HEADER,
    Act,
    BasePolicy,
    Log,
    MakeCohort,
    Obs,
    Progress,
    read_header,
    undamaged,
    write_header,
)
from longplay.agents.registry import agent
from longplay.agents.rl.threads import one_torch_thread
from longplay.envs.cohort import Cohort

MODEL = "model.zip"


@dataclass(frozen=True)
class PPOSettings:
    """How PPO learns. Chosen on AdLoad, scenario `bench`, `decision="session"`."""

    lanes: int = 128  # users served side by side
    n_steps: int = 32  # decisions of each between updates
    batch_size: int = 1024
    n_epochs: int = 6
    learning_rate: float | None = None  # falls linearly to 0; None: 2e-3, of weights 7e-4
    gae_lambda: float = 0.9  # per decision
    ent_coef: float = 0.003
    clip_range: float = 0.2
    log_std: float = -0.7  # log of the spread of continuous actions at first
    net: tuple[int, ...] = (64, 64)  # hidden layers, of policy and of value
    gamma_day: float | None = None  # discount of a day; None: the world's


@dataclass(frozen=True)
class DQNSettings:
    """How DQN learns. Chosen on AdLoad, scenario `bench`, `decision="session"`."""

    lanes: int = 128  # users served side by side
    buffer_size: int = 200_000  # decisions remembered
    batch_size: int = 512
    gradient_steps: int = 4  # per step of all users
    learning_rate: float = 1e-3  # falls linearly to 0
    target_update_interval: int = 1_000  # decisions
    exploration_fraction: float = 0.5  # of the budget, in which epsilon falls from 1 ...
    exploration_final_eps: float = 0.05  # ... to this
    net: tuple[int, ...] = (64, 64)
    gamma_day: float | None = None  # discount of a day; None: the world's


class SB3Policy(BasePolicy):
    """What PPO, DQN and SAC share: the model, its file, and the way to and from it."""

    learns = True
    explore = False
    algorithm: ClassVar[str]  # name of the class in stable_baselines3

    def __init__(self, model: Any, reward_scale: float = 1.0) -> None:
        self.model = model
        self.reward_scale = reward_scale  # values of the model are this times the reward's

    def config(self) -> dict[str, Any]:
        """What the model does not say itself."""
        return {"reward_scale": self.reward_scale}

    def bind(self, cohort: Cohort) -> None:
        """Check that the cohort is of the kind learnt from."""
        for kind in ("observation_space", "action_space"):
            learnt, given = getattr(self.model, kind), getattr(cohort, f"single_{kind}")
            if learnt != given:
                raise ValueError(
                    f"{self.name or self.algorithm} learnt with {kind} {learnt}, this cohort has "
                    f"{given}; make the cohort with the same task, decision, action and observe"
                )

    def save(self, path: Path) -> None:
        """Write policy.json and SB3's model.zip."""
        folder = Path(path)
        write_header(folder, self, self.config())
        self.model.save(folder / MODEL)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a folder that this class wrote; ValueError if it is damaged."""
        require("rl", cls.algorithm)
        import stable_baselines3

        folder = Path(path)
        header = read_header(folder, cls)
        algorithm = getattr(stable_baselines3, cls.algorithm)
        with undamaged(folder / MODEL):
            model = algorithm.load(folder / MODEL, device="cpu")
        with undamaged(folder / HEADER):
            policy = cls(model, **header["config"])
        policy.name, policy.explore = header["name"], header["explore"]
        return policy

    @classmethod
    def build(cls, cohort: Cohort, **settings: Any) -> Self:
        """An untrained policy that fits the cohort."""
        return cls.train(lambda num_envs, **_: cohort, seed=0, budget_steps=0, **settings)

    @classmethod
    def train(
        cls,
        make_cohort: MakeCohort,
        *,
        seed: int,
        budget_steps: int,
        progress: Progress | None = None,
        log: Log | None = None,
        tensorboard: Path | None = None,
        **settings: Any,
    ) -> Self:
        """Learn from the cohort's reward for about `budget_steps` decisions over all users.

        Args:
            make_cohort: makes the cohort to learn from; a rewarded one is welcome.
            seed: of the users, the net and the sampling.
            budget_steps: decisions; PPO rounds up to whole rollouts. 0 only builds.
            progress: called with the number of decisions made so far.
            log: called with every number that SB3 logs.
            tensorboard: folder for SB3's TensorBoard events.
            settings: fields of PPOSettings, DQNSettings or SACSettings (sac.py).
        """
        require("rl", cls.algorithm)
        from longplay.agents.rl._learning import Reporter, logger_to, random_returns
        from longplay.agents.rl._vecenv import CohortVecEnv

        chosen = cls._settings(settings)
        probe = CohortVecEnv(make_cohort(chosen.lanes), gamma_day=chosen.gamma_day)
        returns = random_returns(probe, seed=seed) if budget_steps > 0 else None
        scale = 1.0 / returns.size if returns is not None else 1.0
        venv = CohortVecEnv(probe.venv, gamma_day=chosen.gamma_day, reward_scale=scale)
        model = cls._model(venv, chosen, seed)
        policy = cls(model, scale)
        if returns is not None:
            policy._expect(returns.mean * scale)
            model.set_logger(logger_to(tensorboard, log))
            with one_torch_thread():
                model.learn(budget_steps, callback=Reporter(venv, budget_steps, progress))
        model.env = model.replay_buffer = None  # users and memories stay behind
        return policy

    @classmethod
    def tunable(cls) -> dict[str, Any]:
        """Fields of PPOSettings, DQNSettings or SACSettings, with their types."""
        return get_type_hints(type(cls._settings({})))

    @classmethod
    def _settings(cls, changes: dict[str, Any]) -> Any:
        raise NotImplementedError

    @classmethod
    def _model(cls, venv: Any, chosen: Any, seed: int) -> Any:
        raise NotImplementedError

    def _expect(self, value: float) -> None:
        """Begin with this value of every state."""


@agent("ppo", about="PPO in calendar time (SB3)", extra="rl")
@agent(
    "ppo-slate",
    about="PPO that picks the items of a slate one by one (SB3)",
    tasks=("Feed",),
    extra="rl",
    asks={"Feed": {"action": "slate"}},
)
class PPOPolicy(SB3Policy):
    """Proximal policy optimisation (Schulman et al. 2017), with calendar discounts.

    With `explore` it samples and reports the probability of what it sampled (of the whole slate,
    if the action is one; nan for weights, which have a density). Without, it takes the likeliest
    action, with propensity 1.
    """

    algorithm = "PPO"

    @classmethod
    def _settings(cls, changes: dict[str, Any]) -> PPOSettings:
        return replace(PPOSettings(), **changes)

    @classmethod
    def _model(cls, venv: Any, chosen: Any, seed: int) -> Any:
        from stable_baselines3 import PPO

        from longplay.agents.rl._buffers import CalendarDictRolloutBuffer, CalendarRolloutBuffer

        nested = hasattr(venv.observation_space, "spaces")
        rate = chosen.learning_rate
        if rate is None:  # a Gaussian over weights that steps too far never comes back
            rate = 7e-4 if venv.action_space.dtype.kind == "f" else 2e-3
        return PPO(
            "MultiInputPolicy" if nested else "MlpPolicy",
            venv,
            n_steps=chosen.n_steps,
            batch_size=min(chosen.batch_size, chosen.lanes * chosen.n_steps),
            n_epochs=chosen.n_epochs,
            learning_rate=lambda left: rate * left,
            gamma=1.0,
            gae_lambda=chosen.gae_lambda,
            ent_coef=chosen.ent_coef,
            clip_range=chosen.clip_range,
            policy_kwargs={"net_arch": list(chosen.net), "log_std_init": chosen.log_std},
            rollout_buffer_class=CalendarDictRolloutBuffer if nested else CalendarRolloutBuffer,
            rollout_buffer_kwargs={"clock": venv.clock},
            seed=seed,
            device="cpu",
        )

    def _expect(self, value: float) -> None:
        self.model.policy.value_net.bias.data.fill_(value)

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Sample from the policy's distribution, or take its mode."""
        import torch

        net = self.model.policy
        net.set_training_mode(False)
        with torch.no_grad():
            spread = net.get_distribution(net.obs_to_tensor(obs)[0]).distribution
        if isinstance(spread, list):  # one categorical a position of the slate
            draws = [_choose(_numpy(one.probs), rng, self.explore) for one in spread]
            action = np.stack([a for a, _ in draws], axis=1)
            return Act(action, np.prod([p for _, p in draws], axis=0))
        if hasattr(spread, "probs"):
            return Act(*_choose(_numpy(spread.probs), rng, self.explore))
        space = self.model.action_space
        weights, width = _numpy(spread.mean), _numpy(spread.stddev)
        if self.explore:
            weights = weights + width * rng.standard_normal(weights.shape)
        sure = np.full(len(weights), np.nan if self.explore else 1.0)
        return Act(np.clip(weights, space.low, space.high).astype(space.dtype), sure)


@agent("dqn", about="DQN in calendar time (SB3)", tasks=("AdLoad",), extra="rl")
class DQNPolicy(SB3Policy):
    """Deep Q-learning (Mnih et al. 2015), with calendar discounts.

    With `explore` it acts at random with the epsilon it ended training with, and reports the
    probability of what it did; without, greedily, with propensity 1.
    """

    algorithm = "DQN"

    @classmethod
    def _settings(cls, changes: dict[str, Any]) -> DQNSettings:
        return replace(DQNSettings(), **changes)

    @classmethod
    def _model(cls, venv: Any, chosen: Any, seed: int) -> Any:
        from stable_baselines3 import DQN

        from longplay.agents.rl._buffers import CalendarReplayBuffer

        rate = chosen.learning_rate
        return DQN(
            "MlpPolicy",
            venv,
            learning_rate=lambda left: rate * left,
            buffer_size=chosen.buffer_size,
            learning_starts=8 * chosen.lanes,
            batch_size=chosen.batch_size,
            gamma=1.0,
            train_freq=1,
            gradient_steps=chosen.gradient_steps,
            target_update_interval=chosen.target_update_interval,
            exploration_fraction=chosen.exploration_fraction,
            exploration_final_eps=chosen.exploration_final_eps,
            policy_kwargs={"net_arch": list(chosen.net)},
            replay_buffer_class=CalendarReplayBuffer,
            replay_buffer_kwargs={"clock": venv.clock},
            seed=seed,
            device="cpu",
        )

    def _expect(self, value: float) -> None:
        for net in (self.model.q_net, self.model.q_net_target):
            net.q_net[-1].bias.data.fill_(value)

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """The action of the highest value, or with probability epsilon any."""
        import torch

        net = self.model.q_net
        net.set_training_mode(False)
        with torch.no_grad():
            values = _numpy(net(net.obs_to_tensor(obs)[0]))
        n, actions = values.shape
        epsilon = self.model.exploration_final_eps if self.explore else 0.0
        chances = np.full((n, actions), epsilon / actions)
        chances[np.arange(n), values.argmax(axis=1)] += 1.0 - epsilon
        return Act(*_choose(chances, rng, self.explore))


def _numpy(tensor: Any) -> npt.NDArray[np.float64]:
    return np.asarray(tensor.cpu().numpy(), np.float64)


def _choose(
    chances: npt.NDArray[np.float64], rng: np.random.Generator, sample: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """An index a row of `chances` (n, a), drawn or the likeliest, and its probability (n,)."""
    if not sample:
        return chances.argmax(axis=1), np.ones(len(chances))
    chances = chances / chances.sum(axis=1, keepdims=True)
    drawn = rng.random((len(chances), 1))
    index = np.minimum((chances.cumsum(axis=1) <= drawn).sum(axis=1), chances.shape[1] - 1)
    return index, chances[np.arange(len(chances)), index]
