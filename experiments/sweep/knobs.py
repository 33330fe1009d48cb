"""The settings that a sweep may vary, and a look at each value before anything is trained."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from longplay.experiments.evaluate import REWARD, SUMMED
from longplay.experiments.run import Refused
from longplay.experiments.settings import (
    Entry,
    Settings,
    check,
    cohort_maker,
    did_you_mean,
    find_entry,
    find_objective,
    find_scenario,
    find_task,
)
from longplay.experiments.sweep.config import PLAIN, Range, Sweep, check_type, fits
from longplay.experiments.sweep.search import Trial

AGENT, WORLD = "agent.", "world."  # how names of their settings begin


def check_config(config: Sweep, trials: Iterable[Trial]) -> None:
    """Look up every setting and try every value; Refused about the first thing that is wrong.

    trials: all that are known beforehand.
    """
    for name in config.over:
        check_name(config, name)
    check_metric(config)
    tried = list(corners(config))
    for params in [*tried, *(trial.params for trial in trials)]:
        look_up(config.settings(params))
        world_of(config, params)
    for params in tried:
        check_agent(config, params)


def corners(config: Sweep) -> Iterator[dict[str, Any]]:
    """The first value of everything, and every choice and end of a range, one at a time."""
    first = {name: values.ends[0] for name, values in config.over.items()}
    yield first
    for name, values in config.over.items():
        for end in values.ends[1:]:
            yield first | {name: end}


def check_name(config: Sweep, name: str) -> None:
    """Refused unless there is such a setting, and its values are of its type."""
    values = config.over[name]
    agents = config.over["agent"].ends if "agent" in config.over else (config.agent,)
    known = [*PLAIN, *(WORLD + knob for knob in world_knobs())]
    wanted: Any = None
    for label in agents:
        check_type("agent", label, str)
        settings = agent_knobs(agent_of(config, label))
        known += [AGENT + knob for knob in settings]
        if name.startswith(AGENT):
            if name.removeprefix(AGENT) not in settings:
                near = did_you_mean(name, [AGENT + k for k in settings])
                none = f"; agent {label!r} has none that could be varied."
                raise Refused(
                    f"agent {label!r} has no setting {name!r}{near if settings else none}"
                )
            wanted = settings[name.removeprefix(AGENT)]
    if name not in known:
        raise Refused(f"there is no setting {name!r}{near_of(name, known)}")
    if name in PLAIN:
        wanted = typing.get_type_hints(Sweep)[name]
    if wanted is not None:
        for value in values.ends:
            check_type(name, value, wanted)
    takes_any = name.startswith(WORLD) and name != f"{WORLD}youth_layout"
    if isinstance(values, Range) and values.whole and (takes_any or (wanted and fits(0.5, wanted))):
        raise Refused(
            f"{name} takes any number, and a range from {values.low} to {values.high} has whole "
            f"ones only; write {float(values.low)} and {float(values.high)}, or a list."
        )


def near_of(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown setting: the nearest one, or where they are listed."""
    near = did_you_mean(name, dict.fromkeys(known))
    if near.startswith("; did"):
        return near
    return (
        f"; wanted {', '.join(PLAIN)}, agent.NAME, or world.LAW.NAME (`longplay worlds bench` "
        "lists those)."
    )


def agent_of(config: Sweep, label: str) -> Entry:
    """An agent of the sweep, looked up."""
    return find_entry(label, config.decision, find_task(config.world))


def agent_knobs(entry: Entry) -> dict[str, Any]:
    """The settings of an agent on its task, with their types."""
    (task,) = entry.spec.asks
    if task in entry.spec.others:  # registered settings are not handed to these
        return {}
    return entry.spec.policy.tunable()


@cache
def world_knobs() -> tuple[str, ...]:
    """The parameters of a world by name: "fatigue.per_ad", "day_value"."""
    from longplay.envs.scenarios import World

    blank = World("", "")
    parts = blank.parameters()
    laws = [f"{part}.{name}" for part, values in parts.items() for name in values._fields]
    # the horizon is a setting of the sweep
    apart = (*parts, "name", "about", "laws", "horizon_days")
    return (*laws, *(f.name for f in dataclasses.fields(blank) if f.name not in apart))


def world_of(config: Sweep, params: Mapping[str, Any]) -> Any:
    """The World of a trial: its scenario, with the trial's parameters; Refused if it cannot be."""
    world = find_scenario(params.get("scenario", config.scenario))
    changes: dict[str, Any] = {}
    for name, value in params.items():
        if name.startswith(WORLD):
            part, _, field = name.removeprefix(WORLD).partition(".")
            if field:
                changes.setdefault(part, {})[field] = value
            else:
                changes[part] = value
    try:
        return world.replace(world.name, **changes)
    except (ValueError, TypeError) as error:
        raise Refused(f"world.{error}") from None


def entry_of(config: Sweep, params: Mapping[str, Any]) -> Entry:
    """The agent of a trial, with the trial's settings."""
    settings = config.settings(params)
    entry = find_entry(settings.agents[0], settings.decision, find_task(config.world))
    own = {
        name.removeprefix(AGENT): tuple(value) if isinstance(value, list) else value
        for name, value in params.items()
        if name.startswith(AGENT)
    }
    spec = dataclasses.replace(entry.spec, settings={**entry.spec.settings, **own})
    return dataclasses.replace(entry, spec=spec)


def check_metric(config: Sweep) -> None:
    """Refused unless the metric is told of every trial, and means the same in all."""
    known = ["value", *SUMMED, "churned"]
    objective = find_objective(config.reward)
    if objective is not None and "reward" not in config.over:
        known += [REWARD, *(f"{REWARD}:{term.label}" for _, term in objective.terms())]
    if config.metric not in known:
        raise Refused(f"there is no metric {config.metric!r}{did_you_mean(config.metric, known)}")


@cache
def look_up(settings: Settings) -> None:
    """Refused unless everything in the settings is there and goes together."""
    check(settings)


def check_agent(config: Sweep, params: Mapping[str, Any]) -> None:
    """Refused unless the agent can be built with the trial's settings; nothing is trained."""
    from longplay.agents.registry import train

    entry = entry_of(config, params)
    own = {name: value for name, value in params.items() if name.startswith(AGENT)}
    if not own or entry.spec.privileged:  # those search whole lives even then
        return
    make_cohort = cohort_maker(config.settings(params), entry)
    try:
        train(entry.spec, make_cohort, seed=0, budget_steps=0, task=find_task(config.world))
    except (ValueError, TypeError, AssertionError) as error:
        said = ", ".join(f"{name}={value!r}" for name, value in own.items())
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Refused(f"{said}: agent {entry.label!r} cannot be made so: {reason}") from None
