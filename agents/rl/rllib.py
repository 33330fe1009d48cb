"""RLlib's PPO behind the policy protocol, in calendar time, with env runners here or far away.

They learn as SB3's do (sb3.py): from the cohort's reward, discounted by the time between
decisions, deciding as often as the cohort they are given. By default the only env runner lives in
this process; `runners=2` puts two onto the Ray cluster at `address`, or onto one started here.

A saved policy is policy.json and arrays.npz, as that of any other agent: acting takes NumPy and
no Ray.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from longplay.agents.cluster import on_ray
from longplay.agents.extras import require
from longplay.agents.policy import Act, BasePolicy, Log, MakeCohort, Obs, Progress
from longplay.agents.registry import agent
from longplay.agents.rl._rllib_env import People, flat, flat_space, random_returns
from longplay.agents.rl.sb3 import _choose, _one_thread
from longplay.envs.cohort import Cohort
from longplay.envs.compiled import compiled

Layers = list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]  # weights (in, out), biases


@dataclass(frozen=True)
class Spread:
    """What a policy takes and gives: numbers it sees, and the kind of its actions."""

    inputs: int
    kind: str  # "one" of n choices, "several" choices, or "weights"
    sizes: tuple[int, ...]  # choices of each decision, or (weights,)

    @classmethod
    def of(cls, venv: Any) -> "Spread":
        """That of a vector environment."""
        seen, space = flat_space(venv.single_observation_space), venv.single_action_space
        if hasattr(space, "nvec"):
            return cls(seen.shape[0], "several", tuple(int(n) for n in space.nvec))
        if hasattr(space, "n"):
            return cls(seen.shape[0], "one", (int(space.n),))
        return cls(seen.shape[0], "weights", (space.shape[0],))


@compiled
def dense(x: Any, weight: Any, bias: Any, out: Any) -> None:
    """out = x weight + bias, summed in the order of the inputs.

    A row comes out the same to the last bit whatever rows stand around it, which a library's
    matrix product does not promise.
    """
    for i in range(x.shape[0]):
        for k in range(weight.shape[1]):
            out[i, k] = bias[k]
        for j in range(weight.shape[0]):
            for k in range(weight.shape[1]):
                out[i, k] += x[i, j] * weight[j, k]


def forward(x: npt.NDArray[np.float32], layers: Layers) -> npt.NDArray[np.float32]:
    """The last layer's output, (n, out), of tanh layers."""
    x = np.ascontiguousarray(x, np.float32)
    for i, (weight, bias) in enumerate(layers):
        out = np.empty((len(x), len(bias)), np.float32)
        dense(x, weight, bias, out)
        x = np.tanh(out) if i < len(layers) - 1 else out
    return x


@dataclass(frozen=True)
class RLlibPPOSettings:
    """How PPO learns: what SB3's PPO learns with here (sb3.py), and where its runners live."""

    lanes: int = 128  # users served side by side, over all runners
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
    runners: int = 0  # remote env runners; 0: the only one lives in this process
    address: str | None = None  # of a Ray cluster, "HOST:PORT" or "auto"; None starts one here
    restarts: bool = True  # whether runners that die are started anew
    patience_s: float = 180.0  # how long training waits while no runner gives samples
    checkpoint_every: int = 50_000  # decisions between checkpoints, if a folder is given


class RLlibPolicy(BasePolicy):
    """What RLlib's agents share: a net as plain arrays, and the way to them."""

    learns = True
    explore = False
    algorithm: ClassVar[str]

    def __init__(
        self, inputs: int, kind: str, sizes: tuple[int, ...], reward_scale: float = 1.0
    ) -> None:
        self.spread = Spread(int(inputs), str(kind), tuple(int(n) for n in sizes))
        self.reward_scale = float(reward_scale)  # values learnt are this times the reward's
        self.layers: Layers = []
        self.log_std: npt.NDArray[np.float32] = np.zeros(0, np.float32)

    def config(self) -> dict[str, Any]:
        """What the arrays do not say themselves."""
        return {**asdict(self.spread), "reward_scale": self.reward_scale}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """weight_0, bias_0, ... of the layers; log_std of weights."""
        told: dict[str, npt.NDArray[Any]] = {}
        for i, (weight, bias) in enumerate(self.layers):
            told |= {f"weight_{i}": weight, f"bias_{i}": bias}
        return told | ({"log_std": self.log_std} if self.spread.kind == "weights" else {})

    def set_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back what `arrays` gave."""
        depth = sum(name.startswith("weight_") for name in arrays)
        self.layers = [
            (np.ascontiguousarray(arrays[f"weight_{i}"], np.float32),
             np.ascontiguousarray(arrays[f"bias_{i}"], np.float32))
            for i in range(depth)
        ]  # fmt: skip
        self.log_std = np.asarray(arrays.get("log_std", np.zeros(0)), np.float32)
        widths = [self.spread.inputs, *(len(bias) for _, bias in self.layers)]
        shapes = [weight.shape for weight, _ in self.layers]
        if shapes != list(pairwise(widths)) or widths[-1] != sum(self.spread.sizes):
            raise ValueError(f"its layers have sizes {widths}; they do not fit {self.spread}")

    def bind(self, cohort: Cohort) -> None:
        """Check that the cohort is of the kind learnt from."""
        given = Spread.of(cohort)
        if given != self.spread:
            raise ValueError(
                f"{self.name or self.algorithm} learnt with {self.spread}, this cohort has "
                f"{given}; make the cohort with the same task, decision, action and observe"
            )

    @classmethod
    def build(cls, cohort: Cohort, **settings: Any) -> Self:
        """An untrained policy that fits the cohort; every action is as likely."""
        chosen, spread = cls._settings(settings), Spread.of(cohort)
        policy = cls(**asdict(spread))
        widths = [spread.inputs, *chosen.net, sum(spread.sizes)]
        arrays: dict[str, npt.NDArray[Any]] = {}
        for i, (a, b) in enumerate(pairwise(widths)):
            arrays |= {f"weight_{i}": np.zeros((a, b)), f"bias_{i}": np.zeros(b)}
        policy.set_arrays(arrays | {"log_std": np.full(spread.sizes[:1], chosen.log_std)})
        return policy

    @classmethod
    def train(
        cls,
        make_cohort: MakeCohort,
        *,
        seed: int,
        budget_steps: int,
        progress: Progress | None = None,
        log: Log | None = None,
        checkpoint: Path | None = None,
        **settings: Any,
    ) -> Self:
        """Learn from the cohort's reward for about `budget_steps` decisions over all users.

        Args:
            make_cohort: makes the cohort to learn from; a rewarded one is welcome. It is called
                with `autoreset_mode` and `first_user`, and sent to remote runners by cloudpickle.
            seed: of the users, the net and the sampling.
            budget_steps: decisions; rounded up to whole rollouts. 0 only builds.
            progress: called with the number of decisions made so far.
            log: called with the numbers of every iteration.
            checkpoint: folder for RLlib's checkpoint, written every `checkpoint_every` decisions;
                a training that finds one of the same settings there goes on from it.
            settings: fields of the agent's settings.

        Raises:
            NoSamples: env runners have given nothing for `patience_s` seconds.
        """
        chosen = cls._settings(settings)
        require("ray", cls.algorithm)
        if budget_steps < 1:
            return cls.build(make_cohort(1), **settings)
        from longplay.agents.rl import _rllib_training as training

        kept = None
        if checkpoint is not None:
            about = {"algorithm": cls.algorithm, "seed": seed, "budget_steps": budget_steps,
                     **asdict(chosen)}  # fmt: skip
            kept = training.Checkpoint(checkpoint, every=chosen.checkpoint_every, about=about)
        probe = People(make_cohort, chosen.lanes, seed=seed, gamma_day=chosen.gamma_day)
        returns = random_returns(probe)
        scale = 1.0 / returns.size
        each = chosen.lanes // max(1, chosen.runners)
        people = People(
            make_cohort, each, seed=seed, gamma_day=chosen.gamma_day, reward_scale=scale
        )
        with on_ray(chosen.address), _one_thread():
            config = cls._config(people, chosen, budget_steps, returns.mean * scale)
            config.debugging(seed=seed)
            with training.built(config, people, chosen.runners) as algorithm:
                if kept is not None and kept.found() is not None:
                    kept.restore(algorithm)
                training.learn(
                    algorithm,
                    budget_steps,
                    reward_scale=scale,
                    patience_s=chosen.patience_s,
                    checkpoint=kept,
                    progress=progress,
                    log=log,
                )
                policy = cls(**asdict(Spread.of(people)), reward_scale=scale)
                policy.set_arrays(cls._learnt(algorithm))
        return policy

    @classmethod
    def _settings(cls, changes: dict[str, Any]) -> Any:
        raise NotImplementedError

    @classmethod
    def _config(cls, people: People, chosen: Any, budget_steps: int, expected: float) -> Any:
        raise NotImplementedError

    @classmethod
    def _learnt(cls, algorithm: Any) -> dict[str, npt.NDArray[Any]]:
        """The arrays of the policy's net."""
        state = algorithm.learner_group.get_weights()["default_policy"]
        names = sorted({int(k.split(".")[1]) for k in state if k.startswith("policy.")})
        told = {}
        for i, layer in enumerate(names):
            told[f"weight_{i}"] = np.asarray(state[f"policy.{layer}.weight"]).T
            told[f"bias_{i}"] = np.asarray(state[f"policy.{layer}.bias"])
        return told | ({"log_std": np.asarray(state["log_std"])} if "log_std" in state else {})


@agent("rllib-ppo", about="PPO in calendar time (RLlib)", extra="ray")
@agent(
    "rllib-ppo-slate",
    about="PPO that picks the items of a slate one by one (RLlib)",
    tasks=("Feed",),
    extra="ray",
    asks={"Feed": {"action": "slate"}},
)
class RLlibPPOPolicy(RLlibPolicy):
    """Proximal policy optimisation (Schulman et al. 2017) by RLlib, with calendar discounts.

    With `explore` it samples and reports the probability of what it sampled (of the whole slate,
    if the action is one; nan for weights, which have a density). Without, it takes the likeliest
    action, with propensity 1.
    """

    algorithm = "PPO"

    @classmethod
    def _settings(cls, changes: dict[str, Any]) -> RLlibPPOSettings:
        return replace(RLlibPPOSettings(), **changes)

    @classmethod
    def _config(
        cls, people: People, chosen: RLlibPPOSettings, budget_steps: int, expected: float
    ) -> Any:
        from ray.rllib.algorithms.ppo import PPOConfig
        from ray.rllib.core.rl_module.rl_module import RLModuleSpec

        from longplay.agents.rl._rllib_nets import ActorCritic, CalendarPPOLearner
        from longplay.agents.rl._rllib_training import Witness

        rate = chosen.learning_rate
        if rate is None:  # as sb3.py
            rate = 7e-4 if Spread.of(people).kind == "weights" else 2e-3
        batch = people.num_envs * max(1, chosen.runners) * chosen.n_steps
        return (
            PPOConfig()  # type: ignore[no-untyped-call]
            .framework("torch")
            .env_runners(
                num_env_runners=chosen.runners,
                num_envs_per_env_runner=people.num_envs,
                gym_env_vectorize_mode="vector_entry_point",
                rollout_fragment_length=chosen.n_steps,
            )
            .learners(learner_class=CalendarPPOLearner)
            .callbacks(Witness)
            .rl_module(
                rl_module_spec=RLModuleSpec(
                    module_class=ActorCritic,
                    model_config={
                        "net": chosen.net, "log_std": chosen.log_std, "expected": expected,
                    },
                )
            )
            .training(
                lr=[[0, rate], [max(budget_steps, 1), 0.0]],
                gamma=1.0,
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
            .fault_tolerance(
                restart_failed_env_runners=chosen.restarts,
                ignore_env_runner_failures=not chosen.restarts,
                num_consecutive_env_runner_failures_tolerance=100,
                delay_between_env_runner_restarts_s=2.0,
                env_runner_health_probe_timeout_s=5.0,
                env_runner_restore_timeout_s=30.0,
            )
        )  # fmt: skip

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Sample from the policy's distribution, or take its mode."""
        out = forward(flat(obs), self.layers).astype(np.float64)
        if self.spread.kind == "weights":
            if self.explore:
                out = out + np.exp(self.log_std) * rng.standard_normal(out.shape)
            sure = np.full(len(out), np.nan if self.explore else 1.0)
            return Act(np.clip(out, -1.0, 1.0).astype(np.float32), sure)
        each = np.split(out, np.cumsum(self.spread.sizes)[:-1], axis=1)
        draws = [_choose(softmax(part), rng, self.explore) for part in each]
        if self.spread.kind == "one":
            return Act(*draws[0])
        action = np.stack([a for a, _ in draws], axis=1)
        return Act(action, np.prod([p for _, p in draws], axis=0))


def softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Chances of each row of scores (n, a)."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
