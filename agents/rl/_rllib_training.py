"""Around RLlib's `Algorithm`: build it on a cohort, train it, watch it, keep checkpoints."""

import json
import logging
import shutil
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ray.exceptions import RayError
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.tune.registry import register_env

from longplay.agents.policy import Log, Progress
from longplay.agents.rl._rllib_env import People

RUNNERS, LEARNERS, MODULE = "env_runners", "learners", "default_policy"
SAMPLED = "num_env_steps_sampled_lifetime"
NAMES = {  # RLlib's name of a figure: SB3's, so that TensorBoard lays them over each other
    "episode_return_mean": "rollout/ep_rew_mean",
    "episode_len_mean": "rollout/ep_len_mean",
}
PARTS = "reward_parts"
MAY_CHANGE = ("address", "restarts", "patience_s", "checkpoint_every")  # from run to run


class NoSamples(RuntimeError):
    """Env runners have given no samples for longer than anybody wants to wait."""


class Witness(RLlibCallback):
    """Gives every runner users of its own, and tells what rewards were made of."""

    def on_environment_created(self, *, env: Any, env_context: Any, **kwargs: Any) -> None:
        """Place the users of a remote runner apart from those of the others."""
        place = env.place + int(env_context.worker_index)
        if place != env.place:
            env.take_place(place)

    def on_sample_end(  # type: ignore[override]
        self, *, env_runner: Any, metrics_logger: Any, **kwargs: Any
    ) -> None:
        """Log the mean of every part of the reward."""
        for label, mean in env_runner.env.unwrapped.taken_parts().items():
            metrics_logger.log_value((PARTS, label), mean, window=1)


@contextmanager
def built(config: Any, people: People) -> Iterator[Any]:
    """The algorithm of a config whose env is People like those given; stopped afterwards."""
    name = f"longplay-{uuid.uuid4().hex}"
    make, seed = people.make_cohort, people.seed
    how: dict[str, Any] = {"gamma_day": people.gamma_day, "reward_scale": people.reward_scale,
           "place": people.place}  # fmt: skip
    register_env(name, lambda asked: People(make, asked["num_envs"], seed=seed, **how))
    config.environment(
        name,
        observation_space=people.single_observation_space,
        action_space=people.single_action_space,
    )
    with _quiet():
        algorithm = config.build_algo()
        try:
            if algorithm.local_replay_buffer is not None:  # RLlib seeds all chance but this one
                algorithm.local_replay_buffer.rng = np.random.default_rng([seed, 1])
            yield algorithm
        finally:
            folder = Path(algorithm.logdir)
            algorithm.stop()
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()  # Ray makes one for every algorithm, among its results


@contextmanager
def _quiet() -> Iterator[None]:
    """Without RLlib's remarks on itself; what the watchdog has to say is heard."""
    logger = logging.getLogger("ray.rllib")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category in (DeprecationWarning, FutureWarning, ResourceWarning):
                warnings.simplefilter("ignore", category)
            warnings.filterwarnings("ignore", module=r"(ray|gymnasium|torch)\b")
            yield
    finally:
        logger.setLevel(before)


class Watchdog:
    """Sees to it that samples keep coming in.

    RLlib waits for ever when no runner is left, and calls every round of it an iteration. This
    says so aloud every 20 seconds, or three times, and ends it after `patience_s`.
    """

    def __init__(self, runners: int, *, patience_s: float) -> None:
        self.runners = runners
        self.patience_s = patience_s
        self.loud_s = min(20.0, patience_s / 3.0)
        self.most = 0
        self.since = self.said = time.monotonic()

    def see(self, sampled: int, alive: int) -> None:
        """Take note of how many decisions were sampled so far, and how many runners live."""
        now = time.monotonic()
        if sampled > self.most:
            self.most, self.since, self.said = sampled, now, now
            return
        silent = now - self.since
        told = (
            f"no samples from RLlib's env runners for {silent:.0f} s ({alive} of {self.runners} "
            f"alive, {self.most:,} decisions so far)"
        )
        if silent >= self.patience_s:
            raise NoSamples(
                f"{told}; training ends here: look after the cluster's nodes, and go on from the "
                "checkpoint if there is one."
            )
        if now - self.said >= self.loud_s:
            self.said = now
            warnings.warn(f"{told}; waiting {self.patience_s - silent:.0f} s more.", stacklevel=2)


def sampled_by(algorithm: Any) -> int:
    """Decisions sampled so far, in this run and the ones it resumed."""
    told = algorithm.metrics.peek((RUNNERS, SAMPLED), default=0)
    return 0 if told is None or not np.isfinite(told) else int(told)


def check_room(runners: int, nodes: list[dict[str, Any]]) -> None:
    """ValueError if a cluster has no processor for every runner: RLlib would wait for ever."""
    there = sum(node["Resources"].get("CPU", 0.0) for node in nodes)
    if runners > there:
        raise ValueError(
            f"runners={runners} need a processor each, and the Ray cluster has {there:g}; give "
            "fewer runners, or let more nodes join"
        )


def alive(algorithm: Any) -> int:
    """How many env runners live; the one of this process counts if it samples."""
    group = algorithm.env_runner_group
    remote: int = group.num_healthy_remote_workers()
    return remote if algorithm.config.num_env_runners else 1


def learn(
    algorithm: Any,
    budget_steps: int,
    *,
    reward_scale: float,
    patience_s: float,
    checkpoint: "Checkpoint | None" = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> None:
    """Train until `budget_steps` decisions were sampled."""
    runners = algorithm.config.num_env_runners or 1
    dog = Watchdog(runners, patience_s=patience_s)
    while (sampled := sampled_by(algorithm)) < budget_steps:
        try:
            result = algorithm.train()
        except RayError as error:
            raise NoSamples(
                f"RLlib stopped after {sampled:,} decisions ({_first_line(error)}); look after "
                "the cluster's nodes, and go on from the checkpoint if there is one."
            ) from error
        sampled = sampled_by(algorithm)
        dog.see(sampled, alive(algorithm))
        if log is not None:
            for name, value in sorted(figures(result, reward_scale).items()):
                log(name, value, sampled)
        if progress is not None:
            progress(sampled)
        if checkpoint is not None:
            checkpoint.keep(algorithm, sampled)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0].strip()}"


def figures(result: Mapping[str, Any], reward_scale: float) -> dict[str, float]:
    """The numbers of one iteration worth a curve, by the names SB3 gives to its own."""
    told: dict[str, Any] = {}
    rollout = result.get(RUNNERS, {})
    for theirs, ours in NAMES.items():
        told[ours] = rollout.get(theirs)
    if told["rollout/ep_rew_mean"] is not None:
        told["rollout/ep_rew_mean"] /= reward_scale
    for label, mean in rollout.get(PARTS, {}).items():
        told[f"reward/{label}"] = mean
    for name, value in result.get(LEARNERS, {}).get(MODULE, {}).items():
        told[f"train/{name}"] = value
    numbers = {k: float(v) for k, v in told.items() if np.ndim(v) == 0 and _is_number(v)}
    return {name: value for name, value in numbers.items() if np.isfinite(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


class Checkpoint:
    """RLlib's own checkpoint in a folder, replaced as a whole every so many decisions.

    It keeps nets, optimiser, and how far training came; not the users, who begin new lives, and
    of DQN not what it remembers. RLlib's files hold pickles; load none that you do not trust.

    Args:
        folder: of the checkpoint; need not exist.
        every: decisions between two checkpoints.
        about: what two trainings must have in common to go on from each other.

    Raises:
        ValueError: the folder holds the checkpoint of another training.
    """

    def __init__(self, folder: Path, *, every: int, about: Mapping[str, Any]) -> None:
        self.folder, self.every = Path(folder), every
        self.about = json.loads(json.dumps(about))
        self.kept = 0  # decisions at the last checkpoint
        self.resumed = 0  # how often training went on from it, this time included
        if not self._header.exists() and self._old.exists():
            self._old.rename(self.folder)  # stopped between the two renamings
        if self._header.exists():
            said = self._read()
            self.kept, self.resumed = said["sampled"], 1 + said["resumed"]

    @property
    def _header(self) -> Path:
        return self.folder / "longplay.json"

    @property
    def _old(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.old")

    def _read(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self._header.read_text(encoding="utf-8"))
        for key in self.about | said["about"]:
            if key in MAY_CHANGE:
                continue
            was, now = said["about"].get(key), self.about.get(key)
            if was != now:
                raise ValueError(
                    f"{self.folder} holds a checkpoint with {key}={was!r}, this training has "
                    f"{now!r}; give another folder, or the same settings"
                )
        return said

    def restore(self, algorithm: Any) -> None:
        """Go on from it."""
        algorithm.restore_from_path(str((self.folder / "algorithm").resolve()))

    def keep(self, algorithm: Any, sampled: int) -> None:
        """Write one if it is due."""
        if sampled - self.kept < self.every:
            return
        half = self.folder.with_name(f"{self.folder.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        algorithm.save_to_path(str((half / "algorithm").resolve()))
        said = {"about": self.about, "sampled": sampled, "resumed": self.resumed}
        (half / "longplay.json").write_text(json.dumps(said), encoding="utf-8")
        shutil.rmtree(self._old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(self._old)
        half.rename(self.folder)
        shutil.rmtree(self._old, ignore_errors=True)
        self.kept = sampled
