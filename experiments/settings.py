"""What is compared with what: settings, and looking up every name in them.

Whatever is wrong is refused with one sentence, before anything is written or trained.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from longplay.experiments.evaluate import REWARD
from longplay.experiments.run import Refused

if TYPE_CHECKING:
    from longplay.agents.registry import AgentSpec
    from longplay.envs.cohort import Cohort
    from longplay.experiments.report import Kind
    from longplay.rewards import Objective

Decision = Literal["fetch", "session"]
Observe = Literal["platform", "oracle"]


AGENTS = ("random", "fixed-3-7", "linucb", "ppo", "myopic", "patient")
MOST = {"seeds": 1000, "users": 10_000_000, "train-steps": 10**10}  # more is a slip of the hand
MOST_COMPARED = 10**9  # users of a comparison, which keeps no row of each


@dataclass(frozen=True)
class Settings:
    """What is compared with what: two runs with equal settings give equal numbers."""

    world: str = "longplay/AdLoad-v0"  # id of the world; see `longplay worlds`
    scenario: str = "bench"  # named parameters of the world; see `longplay worlds`
    decision: Decision = "session"  # how long an action holds
    observe: Observe = "platform"  # what policies see; oracle adds hidden moods
    agents: tuple[str, ...] = AGENTS  # names, or NAME@fetch, NAME@session; see `longplay agents`
    seeds: int = 3  # training seeds 0, 1, ..., each with its own held-out people
    users: int = 1000  # held-out people per seed
    train_steps: int = 500_000  # decisions an agent may learn from, per seed
    horizon_days: float | None = None  # how long each user is watched; None: as the world says
    reward: str | None = None  # formula that learners are paid by; None: the world's own reward


@dataclass(frozen=True)
class Entry:
    """One agent of a comparison, looked up."""

    label: str  # as asked for
    spec: AgentSpec
    decision: Decision

    @property
    def kind(self) -> Kind:
        """The report's word for it."""
        if self.spec.privileged:
            return "reference"
        if self.spec.extra in ("rl", "ray"):
            return "learner"
        return "bandit" if self.spec.policy.learns else "fixed"

    @property
    def paid(self) -> bool:
        """Whether it learns from the reward of a step.

        Bandits that pick items do not: they learn from what each position earned.
        """
        picks = any(asks.get("action") in ("slate", "item") for asks in self.spec.asks.values())
        return self.spec.policy.learns and not (self.kind == "bandit" and picks)


def check(settings: Settings) -> list[Entry]:
    """Look everything up; Refused with one sentence about the first thing that is wrong."""
    _within("seeds", settings.seeds, "a comparison needs at least 1 seed (3 give fair intervals)")
    _within(
        "users",
        settings.users,
        "an evaluation needs at least 1 user (1000 are plenty)",
        most=MOST_COMPARED,
    )
    _within("train-steps", settings.train_steps, "learning takes at least 1 decision")
    for name, known in (("decision", Decision), ("observe", Observe)):
        came = getattr(settings, name)
        if came not in get_args(known):
            raise Refused(f"{name}={came!r}; wanted {' or '.join(get_args(known))}.")
    if settings.horizon_days is not None and not 0 < settings.horizon_days < float("inf"):
        raise Refused(
            f"horizon-days={settings.horizon_days:g}; wanted a finite number above 0 (days)."
        )
    task = find_task(settings.world)
    find_scenario(settings.scenario)
    objective = find_objective(settings.reward)
    if not settings.agents:
        raise Refused("no agents came; name at least one, such as --agents random linucb.")
    twice = [label for label in settings.agents if settings.agents.count(label) > 1]
    if twice:
        raise Refused(f"agent {twice[0]!r} came twice; name each agent once.")
    entries = [find_entry(label, settings.decision, task) for label in settings.agents]
    for entry in entries:
        try:
            cohort = cohort_maker(settings, entry)(1)
        except (ValueError, TypeError) as error:
            raise Refused(f"agent {entry.label!r} cannot play here: {error}") from None
        if objective is not None:
            check_paid(cohort, objective)
    return entries


def check_paid(
    cohort: Cohort,
    objective: Objective,
    called: str = "reward",
    horizon: str = "--horizon-days",
) -> None:
    """Refused if a cohort cannot be paid by an objective: a study shorter than it looks ahead.

    called: the user's word for the objective.
    horizon: the option that sets how long people are watched.
    """
    from longplay.rewards import rewarded

    if objective.window_days > cohort.horizon_days:
        raise Refused(
            f"{called}: {objective} looks {objective.window_days:g} days ahead, the study lasts "
            f"{cohort.horizon_days:g}; give {horizon} of at least that, or a shorter window."
        )
    try:
        rewarded(cohort, objective)
    except (ValueError, TypeError) as error:
        raise not_paid(error, called) from None


def not_paid(error: Exception, called: str = "reward") -> Refused:
    """What is wrong with an objective, as a sentence."""
    text = " ".join(str(error).split())
    return Refused(f"{called}: {text}{'' if text.endswith(('.', '?')) else '.'}")


def _within(name: str, came: int, reason: str, most: int | None = None) -> None:
    most = most or MOST[name]
    if came < 1:
        raise Refused(f"{name}={came}; {reason}.")
    if came > most:
        raise Refused(f"{name}={came}; wanted at most {most:,}.")


def world_ids() -> list[str]:
    """Ids of all worlds, reference worlds included."""
    import gymnasium

    importlib.import_module("longplay.envs")  # registers them
    return sorted(
        name for name, spec in gymnasium.registry.items()
        if name.startswith("longplay/") and spec.vector_entry_point is not None
    )  # fmt: skip


def find_task(world: str) -> str:
    """The task of a world's id ("longplay/AdLoad-v0" -> "AdLoad"); Refused if there is none."""
    from longplay.envs.arguments import TASKS

    tasks = {name: name.rpartition("/")[2].rpartition("-v")[0] for name in world_ids()}
    known = [name for name, task in tasks.items() if task in TASKS]
    if world in tasks and world not in known:
        raise Refused(
            f"{world} is a reference world: it has no scenarios, and no agent of a comparison "
            f"plays it; compare on {' or '.join(known)}, or train on it yourself, with "
            f"gymnasium.make({world!r})."
        )
    if world not in known:
        raise Refused(f"There is no world {world!r}{did_you_mean(world, known)}")
    return tasks[world]


def find_scenario(name: str) -> Any:
    """The World of a scenario's name, or of a scenario file; Refused if there is none."""
    from longplay.envs.scenarios import SCENARIOS, find_world
    from longplay.envs.variants import NAME

    if not is_scenario(name):
        plain = NAME.fullmatch(name)
        near = did_you_mean(plain["plain"] if plain else name, SCENARIOS)
        raise Refused(f"There is no scenario {name!r}{near}")
    try:
        return find_world(name)
    except ValueError as error:
        raise Refused(str(error)) from None


def is_scenario(name: str) -> bool:
    """Whether it is meant to be one: a known name, a variant of one, or the path of a file."""
    from longplay.envs.scenarios import SCENARIOS
    from longplay.envs.variants import NAME

    found = NAME.fullmatch(name)
    return name.endswith(".json") or (found is not None and found["plain"] in SCENARIOS)


def find_objective(reward: str | None) -> Objective | None:
    """The objective that a formula says, None for the world's own; Refused if it is no formula."""
    return None if reward is None else read_objective(reward)


def read_objective(formula: str, called: str = "reward") -> Objective:
    """The objective that a formula says; Refused with one sentence if it is none."""
    from longplay.rewards import parse

    try:
        objective = parse(formula)
    except (ValueError, TypeError) as error:
        raise not_paid(error, called) from None
    labels = [term.label for _, term in objective.terms()]
    if REWARD in labels and len(labels) > 1:
        raise Refused(f"{called}: a part is called {REWARD!r}, as their sum is; rename it.")
    return objective


def find_entry(label: str, decision: Decision, task: str) -> Entry:
    """Look up ``"linucb"`` or ``"linucb@fetch"``; Refused if it cannot play this task here."""
    from longplay.agents.registry import AGENTS as known

    name, at, level = label.partition("@")
    if at and level not in get_args(Decision):
        raise Refused(
            f"agent {label!r} asks for the decision {level!r}; wanted @fetch or @session."
        )
    if name not in known:
        layout = re.fullmatch(r"fixed((?:-\d+)+)", name)
        rule = "" if not layout else ": ads may stand at most twice among 2, 3, 5, 7, 8 and 10"
        raise Refused(f"There is no agent {name!r}{rule}{did_you_mean(name, known)}")
    spec = known[name]
    if task not in spec.tasks:
        others = sorted(other for other in known if task in known[other].tasks)
        raise Refused(
            f"agent {name!r} plays {' and '.join(spec.tasks)}, not {task}; choose among "
            f"{', '.join(others)}."
        )
    require_extra(spec.extra, f"agent {name!r}")
    asks = spec.cohort_kwargs(task)
    if asks.get("action") in ("slate", "item"):  # candidates change with every fetch
        decision = "fetch"
    asks["decision"] = level if at else asks.get("decision", decision)
    return Entry(label, dataclasses.replace(spec, asks={task: asks}), asks["decision"])


def cohort_maker(settings: Settings, entry: Entry) -> Callable[..., Cohort]:
    """``make_cohort(num_envs, **overrides)`` for an agent's training and evaluation."""
    from longplay.envs.cohort import Cohort

    task = find_task(settings.world)
    keywords: dict[str, Any] = {
        "task": task,
        "scenario": settings.scenario,
        "observe": settings.observe,
        "horizon_days": settings.horizon_days,
        "threads": 1,
        **entry.spec.cohort_kwargs(task),
    }

    def make_cohort(num_envs: int, **overrides: Any) -> Cohort:
        return Cohort(num_envs=num_envs, **{**keywords, **overrides})

    return make_cohort


def training_maker(settings: Settings, entry: Entry) -> Callable[..., Cohort]:
    """What an agent is trained on: its cohorts, paid by the run's reward if it learns from one.

    Fixed rules have nothing to learn, and references pursue the world's own value: their cohorts
    stay as they are.
    """
    from longplay.rewards import rewarded

    make_cohort = cohort_maker(settings, entry)
    objective = find_objective(settings.reward)
    if objective is None or not entry.paid:
        return make_cohort

    def make_paid(num_envs: int, **overrides: Any) -> Cohort:
        return rewarded(make_cohort(num_envs, **overrides), objective)

    return make_paid


def require_extra(extra: str | None, wanted_by: str) -> None:
    """Refused unless every library of an extra can be found. Imports nothing."""
    from longplay.agents.extras import MissingExtra, require

    try:
        require(extra, wanted_by)
    except MissingExtra as error:
        raise Refused(str(error)) from None


def did_you_mean(came: str, known: Iterable[str]) -> str:
    """The end of a sentence: "; did you mean X?", or all known names (of layouts, one)."""
    names = list(known)
    tails = {name.rpartition("/")[2].lower(): name for name in names}
    near = difflib.get_close_matches(came.rpartition("/")[2].lower(), tails, n=1, cutoff=0.4)
    if near:
        return f"; did you mean {tails[near[0]]}?"
    layouts = [name for name in names if name.startswith("fixed-") and name != "fixed-3-7"]
    return f"; there are: {', '.join(name for name in names if name not in layouts)}."
