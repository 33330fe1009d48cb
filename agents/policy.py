"""What a policy is: it acts on a whole cohort at once and says how likely each act was.

    act(obs, rng) -> Act       what to do now, for every user of the cohort
    update(batch)              learn from what one step led to
    bind(cohort)               called before acting on a cohort
    save(folder), load(folder) one folder: policy.json, and arrays.npz if there are arrays

`BasePolicy` gives all but `act`. Nothing is pickled, so loading a folder runs no code of its own.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    NamedTuple,
    Protocol,
    Self,
    cast,
    get_type_hints,
    runtime_checkable,
)

import numpy as np
import numpy.typing as npt

from longplay.envs.lanes import seen_after

if TYPE_CHECKING:
    from longplay.envs.cohort import Cohort

FORMAT = 1  # of the folder; a change that old folders do not survive adds one
HEADER = "policy.json"
ARRAYS = "arrays.npz"

Obs = Any  # float32 (n, D), or {"user": (n, D), "candidates": (n, M * F)}; see spaces.table_of
Progress = Callable[[int], None]  # (decisions made so far)
Log = Callable[[str, float, int], None]  # (name, value, decisions made so far)


def users_in(obs: Obs) -> int:
    """How many users an observation shows."""
    return len(obs["user"] if isinstance(obs, Mapping) else obs)


class MakeCohort(Protocol):
    """Makes a cohort of `num_envs` users of the study's world and task."""

    def __call__(self, num_envs: int, **overrides: Any) -> Cohort:
        """Make it; `overrides` are keyword arguments of Cohort."""


class Act(NamedTuple):
    """What a policy does to n users, and how likely it was to do just that."""

    action: npt.NDArray[Any]  # (n,) or (n, K), as the cohort's action space
    propensity: npt.NDArray[np.float64]  # (n,) of the whole action; nan: no closed form


class Batch(NamedTuple):
    """One step of a cohort of n users, as a policy learns from it."""

    obs: Obs
    action: npt.NDArray[Any]
    propensity: npt.NDArray[np.float64]  # (n,)
    reward: npt.NDArray[np.float64]  # (n,)
    next_obs: Obs  # where the life went on or ended; never a newborn's
    terminated: npt.NDArray[np.bool_]  # (n,) churned
    truncated: npt.NDArray[np.bool_]  # (n,) past the horizon
    discount: npt.NDArray[np.float64]  # (n,) gamma_day ** (gap / 24); 0 for ever
    outcomes: npt.NDArray[np.void]  # OUTCOME[n]; fetches == 0 marks a blank row
    slots: npt.NDArray[np.void]  # SLOT[n, 10] of the last fetch
    reward_parts: Mapping[str, npt.NDArray[np.float64]] = MappingProxyType({})  # (n,) by name;
    #   empty unless the cohort is a rewarded one


@runtime_checkable
class Policy(Protocol):
    """What the experiments ask of a policy."""

    name: str

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user."""

    def update(self, batch: Batch) -> None:
        """Learn from one step."""

    def bind(self, cohort: Cohort) -> None:
        """Meet the cohort to be served next."""

    def save(self, path: Path) -> None:
        """Write everything needed to act again into a new or empty folder."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""


class BasePolicy:
    """A policy that learns nothing and remembers only its settings.

    A subclass gives `act`; one with settings gives `config` (JSON values, passed back to its
    constructor by `load`); one that learns gives `update`, `arrays` and `set_arrays`.
    """

    name: str = ""
    learns: bool = False  # whether `train` plays at all
    explore: bool = True  # False: act greedily; `train` leaves learners so

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to act")

    def update(self, batch: Batch) -> None:
        """Learn nothing."""

    def bind(self, cohort: Cohort) -> None:
        """Need nothing of the cohort."""

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as JSON values."""
        return {}

    @classmethod
    def tunable(cls) -> dict[str, Any]:
        """The settings of `train` with their types, by name: what a sweep may vary.

        The fields of its dataclass `settings`, if it has one; else the keywords with defaults of
        its own `train`, if it has one, or of its constructor.
        """
        settings = getattr(cls, "settings", None)
        if isinstance(settings, type) and is_dataclass(settings):
            return get_type_hints(settings)
        theirs = vars(BasePolicy)["train"].__func__
        own = cls.train.__func__  # type: ignore[attr-defined]
        if own is not theirs:
            given = _keywords(theirs)
            return {name: kind for name, kind in _keywords(own).items() if name not in given}
        found: dict[str, Any] = {}
        for kind in cls.__mro__:  # as long as they hand the rest on
            if init := vars(kind).get("__init__"):
                found = {**_keywords(init), **found}
                parameters = inspect.signature(init).parameters.values()
                if all(x.kind is not x.VAR_KEYWORD for x in parameters):
                    break
        return found

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What was learnt."""
        return {}

    def set_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back what `arrays` gave."""

    def save(self, path: Path) -> None:
        """Write policy.json and, if anything was learnt, arrays.npz."""
        folder = Path(path)
        arrays = self.arrays()
        write_header(folder, self, self.config(), arrays)
        if arrays:
            np.savez(folder / ARRAYS, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a folder that this class wrote; ValueError if it is damaged."""
        folder = Path(path)
        header = read_header(folder, cls)
        with undamaged(folder / HEADER):
            policy = cls(**header["config"])
        policy.name = header["name"]
        policy.explore = header["explore"]
        with undamaged(folder / ARRAYS):
            arrays = read_arrays(folder / ARRAYS)
            wanted = header.get("arrays")  # None: saved before the header named them
            if wanted is not None and sorted(arrays) != sorted(wanted):
                raise ValueError(f"it holds {_listed(arrays)}; wanted {_listed(wanted)}")
            if arrays:
                policy.set_arrays(arrays)
        return policy

    @classmethod
    def build(cls, cohort: Cohort, **settings: Any) -> Self:
        """An untrained policy that fits the action and observation space of `cohort`."""
        return cls(**settings)

    @classmethod
    def train(
        cls,
        make_cohort: MakeCohort,
        *,
        seed: int,
        budget_steps: int,
        progress: Progress | None = None,
        log: Log | None = None,
        **settings: Any,
    ) -> Self:
        """Learn online, on the immediate reward of each step, for `budget_steps` decisions.

        A policy that does not learn is only built. What comes back has `explore = False`.
        `make_cohort` may give a VectorWrapper around a cohort that pays another reward; the parts
        in its `info["reward_parts"]` are logged as reward/PART.
        """
        paid = make_cohort(LANES if cls.learns else 1)
        cohort = cast("Cohort", paid.unwrapped)
        policy = cls.build(cohort, **settings)
        policy.bind(cohort)
        if not cls.learns:
            if progress is not None:
                progress(budget_steps)
            return policy
        rounds = max(1, -(-budget_steps // cohort.num_envs))
        earned = Earned()
        for i, batch in enumerate(online(paid, policy, seed=seed, rounds=rounds), start=1):
            policy.update(batch)
            earned.add(batch)
            if progress is not None:
                progress(i * cohort.num_envs)
            if log is not None and (i % LOG_EVERY == 0 or i == rounds):
                for name, mean in earned.taken().items():
                    log(name, mean, i * cohort.num_envs)
        policy.explore = False
        policy.settle()
        return policy

    def settle(self) -> None:
        """Work in all that was learnt; called when training ends. Learners that put it off do."""


LANES = 256  # users served at a time while learning online
LOG_EVERY = 20  # rounds


class Earned:
    """Mean reward of a decision, and of each part of it, over the rounds since the last look."""

    def __init__(self) -> None:
        self.rounds = 0
        self.sums: dict[str, float] = {}

    def add(self, batch: Batch) -> None:
        """Count one round."""
        self.rounds += 1
        means = {"train/reward": batch.reward}
        means |= {f"reward/{label}": part for label, part in batch.reward_parts.items()}
        for name, values in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(values.mean())

    def taken(self) -> dict[str, float]:
        """The means by name of the log; counting begins anew."""
        means = {name: total / self.rounds for name, total in self.sums.items()}
        self.rounds, self.sums = 0, {}
        return means


def online(paid: Cohort, policy: Policy, *, seed: int, rounds: int) -> Iterator[Batch]:
    """Serve a cohort, rewarded or not, and yield each round as a Batch of arrays of its own."""
    rng = np.random.default_rng([seed, 0])
    cohort = cast("Cohort", paid.unwrapped)
    obs, _ = paid.reset(seed=seed)
    for _ in range(rounds):
        act = policy.act(obs, rng)
        next_obs, reward, terminated, truncated, info = paid.step(act.action)
        yield Batch(
            obs=obs,
            action=act.action,
            propensity=act.propensity,
            reward=np.asarray(reward, np.float64),
            next_obs=seen_after(next_obs, info),
            terminated=terminated,
            truncated=truncated,
            discount=info["discount"],
            outcomes=cohort.outcomes.copy(),
            slots=cohort.slots.copy(),
            reward_parts=info.get("reward_parts", MappingProxyType({})),
        )
        obs = next_obs


def write_header(
    folder: Path, policy: Any, config: Mapping[str, Any], arrays: Iterable[str] = ()
) -> None:
    """Write policy.json into `folder`, which is made if need be and must hold no policy yet.

    `arrays` are the names in arrays.npz: without them a folder that lost it would look whole.
    """
    if (folder / HEADER).exists():
        raise FileExistsError(f"{folder} already holds a policy; save into another folder")
    folder.mkdir(parents=True, exist_ok=True)
    header = {
        "format": FORMAT,
        "policy": type(policy).__name__,
        "name": policy.name,
        "explore": bool(getattr(policy, "explore", True)),
        "config": dict(config),
        "arrays": sorted(arrays),
    }
    (folder / HEADER).write_text(json.dumps(header, indent=2) + "\n", encoding="utf-8")


def read_header(folder: Path, cls: type | None = None) -> dict[str, Any]:
    """Read policy.json; ValueError if it is damaged, too new, or of another class than `cls`."""
    file = Path(folder) / HEADER
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no {HEADER}; give a folder that save() wrote")
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
        written, kind = header["format"], header["policy"]
        header["name"], header["config"], header["explore"]
        if written == FORMAT:
            _check_types(header)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{file} is not a policy's header ({error}); save the policy anew"
        ) from error
    if written != FORMAT:
        raise ValueError(
            f"{file} has format {written}; this version reads format {FORMAT}: train it anew"
        )
    if cls is not None and kind != cls.__name__:
        raise ValueError(f"{folder} holds a {kind}, not a {cls.__name__}; use {kind}.load")
    return dict(header)


def _check_types(header: Mapping[str, Any]) -> None:
    for key, kind in {"policy": str, "name": str, "explore": bool, "config": dict}.items():
        if not isinstance(header[key], kind):
            raise TypeError(f"{key} is {header[key]!r}, wanted a {kind.__name__}")
    names = header.get("arrays", [])
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise TypeError(f"arrays is {names!r}, wanted a list of names")


def read_arrays(file: Path) -> dict[str, npt.NDArray[Any]]:
    """What an npz holds, by name; nothing if there is no such file."""
    if not file.exists():
        return {}
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        return dict(arrays)


@contextmanager
def undamaged(file: Path) -> Iterator[None]:
    """Whatever fails while `file` is read is one ValueError that names it and the remedy."""
    try:
        yield
    except ImportError:
        raise  # a missing library is no damage
    except Exception as error:  # numpy, zipfile, zlib, torch and constructors each raise their own
        raise ValueError(
            f"{file} is damaged: train and save the policy again ({type(error).__name__}: {error})"
        ) from error


def _keywords(function: Any) -> dict[str, Any]:
    """Keyword arguments that have defaults, with their types."""
    hints = get_type_hints(function)
    named = [
        x.name
        for x in inspect.signature(function).parameters.values()
        if x.kind is x.KEYWORD_ONLY and x.default is not x.empty
    ]
    return {name: hints.get(name, Any) for name in named}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no arrays"
