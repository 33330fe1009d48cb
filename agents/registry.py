"""Every agent by name.

A class registers itself where it stands:

    @agent("linucb", about="...", tasks=("AdLoad", "Feed"), asks={"Feed": {"action": "slate"}})
    class LinUCB(BasePolicy): ...

and is found by scanning the package, so no list of agents is kept anywhere. Scanning imports
every module of longplay.agents whose name does not begin with an underscore; such a module must
import with the core alone (numpy, numba, gymnasium) and import heavier libraries inside functions.
A module that cannot (a subclass of a torch class, say) takes an underscore.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from longplay.agents.extras import require
from longplay.agents.policy import BasePolicy, Log, MakeCohort, Policy, Progress, read_header

P = TypeVar("P", bound=type[BasePolicy])
TASKS = ("AdLoad", "Feed")


@dataclass(frozen=True)
class AgentSpec:
    """An agent: a policy class with settings, and what it needs around it."""

    name: str
    about: str  # one line
    policy: type[BasePolicy]
    tasks: tuple[str, ...] = TASKS
    privileged: bool = False  # sees hidden state: a reference, not a contender
    extra: str | None = None  # of the package, needed to train and to act
    asks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # task -> for its Cohort
    settings: Mapping[str, Any] = field(default_factory=dict)  # for build and train of `policy`
    others: Mapping[str, type[BasePolicy]] = field(default_factory=dict)  # task -> other class

    def cohort_kwargs(self, task: str) -> dict[str, Any]:
        """Keyword arguments that a cohort of `task` must have to be served by this agent."""
        if task not in self.tasks:
            raise ValueError(
                f"agent {self.name!r} does not play {task!r}; it plays {' and '.join(self.tasks)}"
            )
        return dict(self.asks.get(task, {}))

    def load(self, path: Path) -> Policy:
        """Read a saved policy of this agent."""
        require(self.extra, f"agent {self.name!r}")
        kind = read_header(path)["policy"]
        named = {cls.__name__: cls for cls in self.others.values()}
        return named.get(kind, self.policy).load(path)


class Registry(Mapping[str, AgentSpec]):
    """Agents by name; fills itself when first looked at."""

    def __init__(self) -> None:
        self._specs: dict[str, AgentSpec] = {}
        self._scanned = False

    def add(self, spec: AgentSpec) -> None:
        """Enter an agent; ValueError if its name is taken by another class on one of its tasks."""
        known = self._specs.get(spec.name)
        if known is None or known.policy.__qualname__ == spec.policy.__qualname__:
            self._specs[spec.name] = spec
            return
        if set(known.tasks) & set(spec.tasks):
            raise ValueError(
                f"agent {spec.name!r} is already {known.policy.__qualname__}; "
                f"register {spec.policy.__qualname__} by another name"
            )
        self._specs[spec.name] = replace(
            known,
            tasks=known.tasks + spec.tasks,
            asks={**known.asks, **spec.asks},
            others={**known.others, **dict.fromkeys(spec.tasks, spec.policy)},
        )

    def _scan(self) -> None:
        if self._scanned:
            return
        package = importlib.import_module("longplay.agents")
        for module in pkgutil.walk_packages(package.__path__, "longplay.agents."):
            if not module.name.rpartition(".")[2].startswith("_"):
                importlib.import_module(module.name)
        self._scanned = True

    def __getitem__(self, name: str) -> AgentSpec:
        self._scan()
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(sorted(self._specs))

    def __len__(self) -> int:
        self._scan()
        return len(self._specs)


AGENTS = Registry()


def agent(
    name: str,
    *,
    about: str,
    tasks: tuple[str, ...] = TASKS,
    privileged: bool = False,
    extra: str | None = None,
    asks: Mapping[str, Mapping[str, Any]] | None = None,
    **settings: Any,
) -> Callable[[P], P]:
    """Register a policy class by name; `settings` go to its `build` and `train`.

    One class may be registered by several names with other settings. One name may stand for
    different classes on different tasks; the settings are then the first one's.
    """

    def register(policy: P) -> P:
        AGENTS.add(
            AgentSpec(name, about, policy, tasks, privileged, extra, dict(asks or {}), settings)
        )
        return policy

    return register


def find_agent(name: str | AgentSpec) -> AgentSpec:
    """The agent of that name; ValueError with the nearest names if there is none."""
    if isinstance(name, AgentSpec):
        return name
    if name in AGENTS:
        return AGENTS[name]
    near = difflib.get_close_matches(name, list(AGENTS), n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(AGENTS)}."
    raise ValueError(f"There is no agent {name!r}. {hint}")


def train(
    spec: str | AgentSpec,
    make_cohort: MakeCohort,
    *,
    seed: int,
    budget_steps: int,
    progress: Progress | None = None,
    log: Log | None = None,
    task: str | None = None,
) -> Policy:
    """Train an agent on cohorts that `make_cohort` makes, and return its policy.

    Each class says how it learns: bandits online on the reward of a step, RL through its library,
    fixed rules not at all. `make_cohort` may pay another reward than the task's (a VectorWrapper
    around a cohort); privileged references pursue the world's value whatever it pays. What the
    agent asks of a cohort (`spec.asks`) is added to every call of it. budget_steps counts decisions
    over all users. `task` saves making a cohort of one only to see its task.
    """
    found = find_agent(spec)
    require(found.extra, f"agent {found.name!r}")
    if task is None:
        task = cast(Any, make_cohort(1).unwrapped).task
    asks = found.cohort_kwargs(task)

    def make(num_envs: int, **overrides: Any) -> Any:
        people = make_cohort(num_envs, **{**asks, **overrides})
        return people.unwrapped if found.privileged else people

    learner = found.others.get(task, found.policy)
    policy = learner.train(
        make,
        seed=seed,
        budget_steps=budget_steps,
        progress=progress,
        log=log,
        **(found.settings if learner is found.policy else {}),
    )
    policy.name = found.name
    return policy


def load(path: Path) -> Policy:
    """Read a saved policy, whichever agent wrote it."""
    return find_agent(str(read_header(path)["name"])).load(path)
