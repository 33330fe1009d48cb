"""The command `longplay diary`: whose life, under which policies, and where the page goes."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longplay.experiments.diary.record import Life, live
from longplay.experiments.evaluate import HELD_OUT, evaluate
from longplay.experiments.run import Refused, RunFolder, exists, make_room, replacing
from longplay.experiments.settings import (
    Decision,
    Entry,
    Settings,
    check,
    cohort_maker,
    find_task,
)

if TYPE_CHECKING:
    from longplay.agents.policy import Policy

AGENTS = {"AdLoad": ("fixed-3-7", "patient"), "Feed": ("production", "clickbait")}
FIND = 200  # people looked through for one worth watching
MOST_DAYS = 400.0  # longer lives make pages too large


@dataclass(frozen=True)
class Diary:
    """Watch one person's life under one or two policies, fetch by fetch, on one HTML page.

    Without --user, the person is chosen: among the first 200, the one whose lives under the two
    policies differ most in satisfied days; for one policy, the one in the middle.
    """

    world: str | None = None  # id of the world; None: longplay/AdLoad-v0, or as in --run
    scenario: str | None = None  # named parameters of the world; None: bench, or as in --run
    agents: tuple[str, ...] = ()  # one or two names; none: fixed-3-7 patient, or as in --run
    run: Path | None = None  # folder of a finished comparison, for agents that learn
    user: int | None = None  # number of the held-out person, 0, 1, ..., or as in metrics.parquet
    seed: int = 0  # of the evaluation, and of the checkpoints in --run
    days: float | None = None  # how long the person is watched; None: as the world says
    decision: Decision | None = None  # how long an action holds; None: fetch, or as in --run
    out: Path = Path("diary.html")  # page to write, must not exist


@dataclass(frozen=True)
class Story:
    """What the page is about: the lives, and how they were chosen."""

    settings: Settings
    entries: tuple[Entry, ...]
    seed: int
    run: Path | None  # where trained agents come from
    person: int  # number, from HELD_OUT on
    why: str  # this person, in a sentence
    lives: tuple[Life, ...]
    items: Any  # ITEM (n,), the catalogue
    horizon_days: float


def command(asked: Diary) -> int:
    """Live the lives and write the page; returns the exit code 0.

    Raises:
        Refused: a name is unknown, a policy must be trained first, or the page exists.
    """
    from longplay.experiments.diary.page import page

    if exists(asked.out):
        raise Refused(f"{asked.out} exists already and was not touched; give another --out.")
    settings, entries = look_up(asked)
    make_room(asked.out)
    story = tell(
        settings, entries, seed=asked.seed, user=asked.user, run=asked.run, say=_say_on_screen
    )
    with replacing(asked.out) as half:
        half.write_text(page(story), encoding="utf-8")
    print(story.why)
    print(f"diary        {asked.out}")
    return 0


def _say_on_screen(text: str) -> None:
    print(f"longplay: {text}", file=sys.stderr)


def look_up(asked: Diary) -> tuple[Settings, tuple[Entry, ...]]:
    """The settings of the lives and their agents; Refused if something does not fit."""
    base = Settings(decision="fetch", agents=())
    if asked.run is not None:
        base = settings_of(asked.run)
        for name in ("world", "decision"):
            came, had = getattr(asked, name), getattr(base, name)
            if came not in (None, had):
                raise Refused(
                    f"--{name} {came} came, but the agents in {asked.run} learnt with {had}; leave "
                    f"--{name} away, or name another --run."
                )
    given = {name: getattr(asked, name) for name in ("world", "scenario", "decision")}
    settings = dataclasses.replace(base, **{k: v for k, v in given.items() if v is not None})
    agents = tuple(name for word in asked.agents for name in word.split(",") if name)
    agents = agents or base.agents[:2] or AGENTS[find_task(settings.world)]
    if len(agents) > 2:
        raise Refused(f"{len(agents)} agents came; a diary sets at most 2 side by side.")
    days = settings.horizon_days if asked.days is None else asked.days
    if days is not None and not 0.0 < days <= MOST_DAYS:
        raise Refused(f"days={days:g}; wanted more than 0 and at most {MOST_DAYS:g}.")
    if not 0 <= asked.seed < 2**31:
        raise Refused(f"seed={asked.seed}; wanted a whole number in 0 .. 2^31 - 1.")
    if asked.user is not None and not 0 <= asked.user < 2 * HELD_OUT:
        raise Refused(f"user={asked.user}; wanted the number of a person, 0 .. {2 * HELD_OUT - 1}.")
    # Whatever they were paid: a diary shows lives, and may be shorter than a reward looks ahead.
    settings = dataclasses.replace(settings, agents=agents, horizon_days=days, reward=None)
    once = check(dataclasses.replace(settings, agents=tuple(dict.fromkeys(agents))))
    by_label = {entry.label: entry for entry in once}
    entries = tuple(by_label[label] for label in agents)
    for entry in entries:
        saved_policy(asked.run, entry, asked.seed, find_task(settings.world))
    return settings, entries


def settings_of(folder: Path) -> Settings:
    """The settings a comparison was run with; Refused if the folder holds none."""
    try:
        kept = json.loads((folder / "config.json").read_text(encoding="utf-8"))["settings"]
        return Settings(**{**kept, "agents": tuple(kept["agents"])})
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(
            f"{folder} is no folder of a comparison; give the --out of a longplay compare."
        ) from None


def saved_policy(run: Path | None, entry: Entry, seed: int, task: str) -> Path | None:
    """The checkpoint of an agent, if there is one; Refused if it learns and there is none."""
    path = None if run is None else RunFolder(run).checkpoint(entry.label, seed)
    if path is not None and path.is_dir():
        return path
    if entry.spec.others.get(task, entry.spec.policy).learns:
        where = "no --run came" if run is None else f"{run} holds none for seed {seed}"
        raise Refused(
            f"agent {entry.label!r} learns and must be trained first, but {where}; name a folder "
            "that longplay compare made with it: --run FOLDER."
        )
    return None


def tell(
    settings: Settings,
    entries: Sequence[Entry],
    *,
    seed: int = 0,
    user: int | None = None,
    run: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Story:
    """Choose the person, if none is named, and live through their life under each agent.

    Args:
        settings: the world, its scenario, and how long people are watched.
        entries: one or two agents, as `look_up` gives them.
        seed: of the evaluation, and of the checkpoints in ``run``.
        user: number of the person, from 0 or from HELD_OUT on; None chooses one. Policies that
            draw at random are looked through with other draws than they live with here.
        run: folder of a finished comparison, for agents that learn.
        say: told what takes its time.
    """
    policies, task = [], find_task(settings.world)
    for entry in entries:
        if entry.spec.privileged and saved_policy(run, entry, seed, task) is None:
            say(f"{entry.label} is made ready on other people...")
        policies.append(policy_of(settings, entry, seed, run))
    if user is None:
        say(f"looking for a life among {FIND} people...")
        person, why = choose(settings, entries, policies, seed)
    else:
        person = user if user >= HELD_OUT else HELD_OUT + user
        why = f"Person {person - HELD_OUT} was asked for."
    lives = []
    for entry, policy in zip(entries, policies, strict=True):
        cohort = cohort_maker(settings, entry)(1, decision="fetch", autoreset_mode="Disabled")
        hold = entry.decision == "session"
        lives.append(live(policy, cohort, agent=entry.label, seed=seed, person=person, hold=hold))
    return Story(
        settings=settings,
        entries=tuple(entries),
        seed=seed,
        run=run,
        person=person,
        why=why,
        lives=tuple(lives),
        items=cohort.shop.items,
        horizon_days=cohort.horizon_days,
    )


def policy_of(settings: Settings, entry: Entry, seed: int, run: Path | None) -> Policy:
    """The agent ready to act: loaded, or made; privileged references fit themselves to others."""
    from longplay.agents.registry import train

    task = find_task(settings.world)
    path = saved_policy(run, entry, seed, task)
    if path is None:
        make_cohort = cohort_maker(settings, entry)
        return train(entry.spec, make_cohort, seed=seed, budget_steps=1, task=task)
    try:
        return entry.spec.load(path)
    except (ValueError, OSError) as fault:
        raise Refused(f"agent {entry.label!r} cannot be loaded: {fault}.") from None


def choose(
    settings: Settings, entries: Sequence[Entry], policies: Sequence[Policy], seed: int
) -> tuple[int, str]:
    """A person worth watching among the first FIND, and why."""
    import numpy as np

    days = np.array(
        [
            evaluate(policy, cohort_maker(settings, entry), users=FIND, seed=seed).users[
                "undiscounted_satisfied_days"
            ]
            for entry, policy in zip(entries, policies, strict=True)
        ]
    )
    if len(entries) == 1:
        at = int(np.argsort(days[0], kind="stable")[FIND // 2])
        what = f"whose satisfied days under {entries[0].label} lie in the middle"
    else:
        at = int(np.argmax(np.abs(days[0] - days[1])))
        what = (
            "whose lives under the two policies differ most in satisfied days, so not a typical one"
        )
    return HELD_OUT + at, f"Chosen: among the first {FIND} people, person {at} is the one {what}."
