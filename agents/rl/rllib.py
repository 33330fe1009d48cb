"""RLlib's PPO, APPO and DQN behind the policy protocol, in calendar time, with runners anywhere.

They learn as SB3's do (sb3.py): from the cohort's reward, discounted by the time between
decisions, deciding as often as the cohort they are given. By default the only env runner lives in
this process; `runners=2` puts two onto the Ray cluster at `address`, or onto one started here.

A saved policy is policy.json and arrays.npz, as that of any other agent: acting takes NumPy and
no Ray.
"""

import os
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
from longplay.agents.rl._rllib_env import People, flat, random_returns
from longplay.agents.rl._towers import Layers, Shape, forward, relu, softmax
from longplay.agents.rl.sb3 import DQNSettings, PPOSettings, _choose
from longplay.agents.rl.threads import one_torch_thread
from longplay.envs.cohort import Cohort


@dataclass(frozen=True)
class Runners:
    """Where env runners live, and what happens when they die."""

    runners: int = 0  # remote env runners; 0: the only one lives in this process
    address: str | None = None  # of a Ray cluster, "HOST:PORT" or "auto"; None starts one here
    restarts: bool = True  # whether runners that die are started anew
    patience_s: float = 180.0  # how long training waits while no runner gives samples
    checkpoint_every: int = 50_000  # decisions between checkpoints, if a folder is given


@dataclass(frozen=True)
class RLlibPPOSettings(PPOSettings, Runners):
    """How PPO learns: as SB3's (sb3.py); lanes are shared by all runners."""


@dataclass(frozen=True)
class RLlibAPPOSettings(Runners):
    """How APPO learns; free choices."""

    lanes: int = 64  # users served side by side, over all runners
    n_steps: int = 16  # decisions of each in a batch
    learning_rate: float | None = None  # falls linearly to 0; None: 2e-3, of weights 7e-4
    batches_kept: int = 4  # batches that the learner draws from
    uses_per_batch: int = 4  # gradient steps on each batch
    ent_coef: float = 0.003
    clip_range: float = 0.2
    grad_clip: float = 0.5
    log_std: float = -0.7  # log of the spread of continuous actions at first
    net: tuple[int, ...] = (64, 64)  # hidden layers, of policy and of value
    gamma_day: float | None = None  # discount of a day; None: the world's


@dataclass(frozen=True)
class RLlibDQNSettings(DQNSettings, Runners):
    """How DQN learns: as SB3's (sb3.py), on smaller batches, as RLlib's replay is slow."""

    batch_size: int = 256


class RLlibPolicy(BasePolicy):
    """What RLlib's agents share: a net as plain arrays, and the way to them."""

    learns = True
    explore = False
    settings: ClassVar[type[Any]]
    algorithm: ClassVar[str]  # RLlib's name of it
    net: ClassVar[str]  # the tower of its module that acts

    def __init__(
        self, inputs: int, kind: str, sizes: tuple[int, ...], reward_scale: float = 1.0
    ) -> None:
        self.shape = Shape(int(inputs), str(kind), tuple(int(n) for n in sizes))
        self.reward_scale = float(reward_scale)  # values learnt are this times the reward's
        self.layers: Layers = []
        self.log_std: npt.NDArray[np.float32] = np.zeros(0, np.float32)

    def config(self) -> dict[str, Any]:
        """What the arrays do not say themselves."""
        return {**asdict(self.shape), "reward_scale": self.reward_scale}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """weight_0, bias_0, ... of the layers; log_std of weights."""
        told: dict[str, npt.NDArray[Any]] = {}
        for i, (weight, bias) in enumerate(self.layers):
            told |= {f"weight_{i}": weight, f"bias_{i}": bias}
        return told | ({"log_std": self.log_std} if self.shape.kind == "weights" else {})

    def set_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back what `arrays` gave."""
        depth = sum(name.startswith("weight_") for name in arrays)
        self.layers = [
            (np.ascontiguousarray(arrays[f"weight_{i}"], np.float32),
             np.ascontiguousarray(arrays[f"bias_{i}"], np.float32))
            for i in range(depth)
        ]  # fmt: skip
        self.log_std = np.asarray(arrays.get("log_std", np.zeros(0)), np.float32)
        widths = [self.shape.inputs, *(len(bias) for _, bias in self.layers)]
        shapes = [weight.shape for weight, _ in self.layers]
        if shapes != list(pairwise(widths)) or widths[-1] != sum(self.shape.sizes):
            raise ValueError(f"its layers have sizes {widths}; they do not fit {self.shape}")

    def bind(self, cohort: Cohort) -> None:
        """Check that the cohort is of the kind learnt from."""
        given = Shape.of(cohort)
        if given != self.shape:
            raise ValueError(
                f"{self.name or self.algorithm} learnt with {self.shape}, this cohort has "
                f"{given}; make the cohort with the same task, decision, action and observe"
            )

    @classmethod
    def build(cls, cohort: Cohort, **settings: Any) -> Self:
        """An untrained policy that fits the cohort; every action is as likely."""
        chosen, shape = replace(cls.settings(), **settings), Shape.of(cohort)
        policy = cls(**asdict(shape), **cls._kept(chosen))
        widths = [shape.inputs, *chosen.net, sum(shape.sizes)]
        arrays: dict[str, npt.NDArray[Any]] = {}
        for i, (a, b) in enumerate(pairwise(widths)):
            arrays |= {f"weight_{i}": np.zeros((a, b)), f"bias_{i}": np.zeros(b)}
        if shape.kind == "weights":
            arrays["log_std"] = np.full(shape.sizes, chosen.log_std)
        policy.set_arrays(arrays)
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
        chosen = replace(cls.settings(), **settings)
        require("ray", cls.algorithm)
        if budget_steps < 1:
            return cls.build(make_cohort(1), **settings)
        from longplay.agents.rl import _rllib_configs as configs
        from longplay.agents.rl import _rllib_training as training

        kept, place = None, 0
        if checkpoint is not None:
            about = {"algorithm": cls.algorithm, "seed": seed, "budget_steps": budget_steps,
                     **asdict(chosen)}  # fmt: skip
            kept = training.Checkpoint(checkpoint, every=chosen.checkpoint_every, about=about)
            place = kept.resumed * max(1, chosen.runners)  # nobody is met a second time
        people, expected = _gather(make_cohort, chosen, seed, place)
        here = None if chosen.address else max(chosen.runners, os.cpu_count() or 1)
        with on_ray(chosen.address, cpus=here) as nodes, one_torch_thread():
            training.check_room(chosen.runners, nodes)
            configure = getattr(configs, cls.algorithm.lower())
            config = configure(people, chosen, budget_steps, expected)
            if kept is not None:
                configs.fill_first(config, kept.kept)
            with training.built(config, people) as algorithm:
                if kept is not None and kept.resumed:
                    kept.restore(algorithm)
                training.learn(
                    algorithm,
                    budget_steps,
                    reward_scale=people.reward_scale,
                    patience_s=chosen.patience_s,
                    checkpoint=kept,
                    progress=progress,
                    log=log,
                )
                shape = asdict(Shape.of(people))
                policy = cls(**shape, reward_scale=people.reward_scale, **cls._kept(chosen))
                policy.set_arrays(cls._learnt(algorithm))
        return policy

    @classmethod
    def _kept(cls, chosen: Any) -> dict[str, Any]:
        """Settings that matter for acting: keyword arguments of the constructor."""
        return {}

    @classmethod
    def _learnt(cls, algorithm: Any) -> dict[str, npt.NDArray[Any]]:
        """The arrays of the net that acts."""
        state = algorithm.learner_group.get_weights()["default_policy"]
        at = sorted(int(k.split(".")[1]) for k in state if k.startswith(f"{cls.net}.")
                    and k.endswith(".weight"))  # fmt: skip
        told = {}
        for i, layer in enumerate(at):
            told[f"weight_{i}"] = np.asarray(state[f"{cls.net}.{layer}.weight"]).T
            told[f"bias_{i}"] = np.asarray(state[f"{cls.net}.{layer}.bias"])
        return told | ({"log_std": np.asarray(state["log_std"])} if "log_std" in state else {})


def _gather(make_cohort: MakeCohort, chosen: Any, seed: int, place: int) -> tuple[People, float]:
    """The users of one runner, with rewards scaled to returns of about 1, and what to expect."""
    runners = max(1, chosen.runners)
    if chosen.lanes % runners:
        raise ValueError(
            f"lanes={chosen.lanes} cannot be shared evenly by runners={runners}; give a multiple "
            "of it"
        )
    returns = random_returns(
        People(make_cohort, chosen.lanes, seed=seed, gamma_day=chosen.gamma_day)
    )
    scale = 1.0 / returns.size
    people = People(
        make_cohort,
        chosen.lanes // runners,
        seed=seed,
        gamma_day=chosen.gamma_day,
        reward_scale=scale,
        place=place,
    )
    return people, returns.mean * scale


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

    settings: ClassVar[type[Any]] = RLlibPPOSettings
    algorithm, net = "PPO", "policy"

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Sample from the policy's distribution, or take its mode."""
        out = forward(flat(obs), self.layers).astype(np.float64)
        if self.shape.kind == "weights":
            if self.explore:
                out = out + np.exp(self.log_std) * rng.standard_normal(out.shape)
            sure = np.full(len(out), np.nan if self.explore else 1.0)
            return Act(np.clip(out, -1.0, 1.0).astype(np.float32), sure)
        each = np.split(out, np.cumsum(self.shape.sizes)[:-1], axis=1)
        draws = [_choose(softmax(part), rng, self.explore) for part in each]
        if self.shape.kind == "one":
            return Act(*draws[0])
        action = np.stack([a for a, _ in draws], axis=1)
        return Act(action, np.prod([p for _, p in draws], axis=0))


@agent("rllib-appo", about="APPO in calendar time (RLlib)", extra="ray")
class RLlibAPPOPolicy(RLlibPPOPolicy):
    """Asynchronous PPO (Luo et al. 2020, "IMPACT") by RLlib, with V-trace in calendar time.

    Runners sample while a thread learns, so that the same seed does not give the same net twice.
    """

    settings = RLlibAPPOSettings
    algorithm, net = "APPO", "policy"


@agent("rllib-dqn", about="DQN in calendar time (RLlib)", tasks=("AdLoad",), extra="ray")
class RLlibDQNPolicy(RLlibPolicy):
    """Deep Q-learning (Mnih et al. 2015) by RLlib, with calendar discounts.

    With `explore` it acts at random with the epsilon it ended training with, and reports the
    probability of what it did; without, greedily, with propensity 1.
    """

    settings = RLlibDQNSettings
    algorithm, net = "DQN", "af"

    def __init__(self, *args: Any, epsilon: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epsilon = float(epsilon)  # share of random actions while exploring

    def config(self) -> dict[str, Any]:
        """What the arrays do not say themselves."""
        return {**super().config(), "epsilon": self.epsilon}

    @classmethod
    def _kept(cls, chosen: Any) -> dict[str, Any]:
        return {"epsilon": chosen.exploration_final_eps}

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """The action of the highest value, or with probability epsilon any."""
        values = forward(flat(obs), self.layers, relu)
        n, actions = values.shape
        epsilon = self.epsilon if self.explore else 0.0
        chances = np.full((n, actions), epsilon / actions)
        chances[np.arange(n), values.argmax(axis=1)] += 1.0 - epsilon
        return Act(*_choose(chances, rng, self.explore))
