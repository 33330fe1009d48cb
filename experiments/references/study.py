"""What chance, one rule, greed and foresight reach in a world: the command `longplay references`.

    longplay references --world longplay/AdLoad-v0 --scenario bench --users 1000
    longplay references --world longplay/Tiny-v0

It is a comparison (compare.py) of the world's reference agents, which train on people of their
own and are judged on the held-out people of every comparison. The best fixed rule is chosen on
training people, so that the best of many is not rewarded for luck. In Tiny everything is exact.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from longplay.experiments.execution.ray_jobs import executor_of
from longplay.experiments.paired import Floats, Panel
from longplay.experiments.populations.shards import KEEP
from longplay.experiments.references.stored import (
    FORMAT,
    ROLES,
    SHIPPED,
    VERSION,
    command_for,
    key_of,
    written,
)
from longplay.experiments.run import Refused, RunFolder, versions, write_json
from longplay.experiments.settings import (
    Decision,
    Settings,
    check,
    find_task,
    world_ids,
)
from longplay.experiments.stats import Bootstrap, Interval

SEED = 78  # of the bootstrap
PARTS = ("value", "revenue", "satisfied_days")
PAIRS = (("rule", "chance"), ("rule", "myopic"), ("oracle", "myopic"), ("oracle", "rule"))
BUDGET = 100  # decisions: the references do not learn from a budget


@dataclass(frozen=True)
class References:
    """Find what chance, the best fixed rule, greed and foresight reach in a world.

    Without --out the result is kept with the package, if the scenario is one of its own, and used
    by longplay compare; with it, the result is references.json in that folder.
    """

    world: str = "longplay/AdLoad-v0"  # id of the world; Tiny is solved exactly
    scenario: str = "bench"  # name of a scenario, or the path of a scenario file
    decision: Decision = "session"  # how long an action holds
    seeds: int = 3  # training seeds, each with its own held-out people
    users: int = 500  # held-out people per seed
    horizon_days: float | None = None  # how long each user is watched; None: as the world says
    out: Path | None = None  # folder of the run; None: runs/TIME-references-...
    resume: bool = False  # go on with the stopped run in --out
    jobs: int | None = None  # processes; None: one per core
    ray: str | None = None  # on Ray: an ADDRESS (HOST:PORT, auto), or alone for this machine's own


def command(asked: References, words: Sequence[str]) -> int:
    """Make the references of one world; returns the exit code."""
    if asked.world in exact_worlds():
        return exact_command(asked)
    task = find_task(asked.world)
    settings = Settings(
        world=asked.world,
        scenario=asked.scenario,
        decision=asked.decision,
        agents=tuple(ROLES[task].values()),
        seeds=asked.seeds,
        users=asked.users,
        train_steps=BUDGET,
        horizon_days=asked.horizon_days,
    )
    check(settings)
    if settings.users > KEEP:
        raise Refused(
            f"users={settings.users}; references are kept user by user, of at most {KEEP:,}."
        )
    keep = place_of(settings, asked.out)
    scenario = re.sub(r"[^\w.@+-]+", "-", Path(asked.scenario).name.removesuffix(".json"))
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-references-{task}-{scenario}"
    out = asked.out or Path("runs") / name
    executor = executor_of(asked.ray, asked.jobs)
    if asked.resume and asked.out is None:
        raise Refused("--resume came without --out; name the folder of the run to go on with.")

    from longplay.experiments import board

    typed = ["longplay", "references", *words]
    began = time.perf_counter()
    code = board.compare_on_screen(settings, out, typed, executor, asked.resume)
    if code == 0:
        page = page_of(settings, RunFolder(out), shlex.join(typed), time.perf_counter() - began)
        write_json(keep, page)
        print("", *said(page), f"references   {keep}", sep="\n")
    return code


def place_of(settings: Settings, out: Path | None) -> Path:
    """Where the result is kept; Refused if there is no place for it."""
    from longplay.envs.scenarios import SCENARIOS

    if out is not None:
        return out / "references.json"
    task, known = find_task(settings.world), settings.scenario in SCENARIOS
    plain = settings.decision == "session" and settings.horizon_days is None
    if not (known and plain and os.access(SHIPPED, os.W_OK)):
        raise Refused(
            "only the plain scenarios of the package have their references kept with it, where it "
            "can be written to; name a folder for these with --out."
        )
    return SHIPPED / f"{task}-{settings.scenario}.json"


def page_of(settings: Settings, run: RunFolder, typed: str, seconds: float) -> dict[str, Any]:
    """The content of the file, from a finished run."""
    import polars

    table = polars.read_parquet(run.path / "metrics.parquet")
    panel = Panel.of({name: table[name].to_numpy() for name in table.columns}, PARTS)
    roles = ROLES[find_task(settings.world)]
    boot = Bootstrap(len(panel.seeds), panel.users, np.random.default_rng(SEED))
    means = {part: boot.means(panel[part]) for part in PARTS}
    gains: dict[str, dict[str, Any]] = {}
    for more, less in PAIRS:
        a, b = panel.index(roles[more]), panel.index(roles[less])
        gains[f"{roles[more]} over {roles[less]}"] = {
            part: numbers(boot.interval(means[part].difference(a, b))) for part in PARTS
        }
    intervals = {part: boot.intervals(means[part]) for part in PARTS}
    return {
        "format": FORMAT,
        "version": VERSION,
        "scenario": settings.scenario,
        "key": key_of(settings),
        "seeds": settings.seeds,
        "users": settings.users,
        "roles": dict(roles),
        "chosen": chosen_rules(run, roles["rule"], settings.seeds),
        "reached": {
            name: {part: numbers(intervals[part][i]) for part in PARTS}
            for i, name in enumerate(panel.agents)
        },
        "gains": gains,
        "command": typed,
        "renew": command_for(settings) + f" --seeds {settings.seeds} --users {settings.users}",
        "versions": versions(),
        "seconds": round(seconds),
        "value_by_user": {
            roles[end]: written(panel["value"][panel.index(roles[end])])
            for end in ("myopic", "oracle")
        },
    }


def numbers(x: Interval) -> dict[str, float]:
    """An interval as it is kept."""
    return {"mean": round(x.mean, 6), "low": round(x.low, 6), "high": round(x.high, 6)}


def chosen_rules(run: RunFolder, agent: str, seeds: int) -> list[Any]:
    """The rule that was best on training people, one for each seed."""
    from longplay.agents.policy import read_header

    return [read_header(run.checkpoint(agent, seed))["config"] for seed in range(seeds)]


def said(page: Mapping[str, Any]) -> list[str]:
    """The gains in value, one line each."""
    lines = []
    for pair, parts in page["gains"].items():
        x = parts["value"]
        lines.append(f"{pair}: value {x['mean']:+.3f} [{x['low']:+.3f}, {x['high']:+.3f}]")
    return lines


# --- worlds that publish their optimum -------------------------------------------------------


def exact_worlds() -> list[str]:
    """Ids of the reference worlds that publish matrices and an exact optimum."""
    import gymnasium

    found = []
    for name in world_ids():
        crowd = gymnasium.registry[name].vector_entry_point
        if crowd is not None and hasattr(loaded(crowd), "mdp"):
            found.append(name)
    return found


def loaded(entry: Any) -> Any:
    """The class behind an entry point."""
    from gymnasium.envs.registration import load_env_creator

    return load_env_creator(entry) if isinstance(entry, str) else entry


def exact(world: str) -> dict[str, Any]:
    """Expected discounted reward of a life under each reference, without error; see mdp.py.

    "rule" is the best action that never changes, "chance" every action equally likely.
    """
    import gymnasium

    mdp = loaded(gymnasium.registry[world].vector_entry_point)(1).mdp
    states, actions = mdp.R.shape
    rules = [mdp.worth_of(np.full(states, action, np.int64)) for action in range(actions)]
    return {
        "chance": worth_of_chance(mdp),
        "rule": max(rules),
        "the rule's action": int(np.argmax(rules)),
        "myopic": mdp.worth_of(mdp.myopic()),
        "oracle": mdp.optimum().worth,
    }


def worth_of_chance(mdp: Any) -> float:
    """Expected discounted reward if every action is as likely in every state."""
    P, R = mdp.P.mean(axis=1), mdp.R.mean(axis=1)
    values: Floats = np.linalg.solve(np.eye(len(R)) - mdp.discount * P, R)
    return float(mdp.start @ values)


def exact_command(asked: References) -> int:
    """Print, and with --out keep, the exact references of a world."""
    plain = References()
    for name in ("scenario", "seeds", "users", "horizon_days", "decision"):
        if getattr(asked, name) != getattr(plain, name):
            raise Refused(
                f"{asked.world} is solved exactly: it takes no --{name.replace('_', '-')}."
            )
    found = exact(asked.world)
    for role, worth in found.items():
        print(f"{role:<18} {worth:.4f}" if isinstance(worth, float) else f"{role:<18} {worth}")
    if asked.out is not None:
        if asked.out.exists():
            raise Refused(f"{asked.out} exists already and nothing in it was touched.")
        asked.out.mkdir(parents=True)
        text = {"format": "longplay exact references", "world": asked.world, "worth": found}
        write_json(asked.out / "references.json", text)
        print(f"references         {asked.out / 'references.json'}")
    return 0
