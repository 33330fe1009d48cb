"""What an objective costs, beside the step that it judges."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.experiments.bench.rows import Row, Sizes, random_actions, repeated
from longplay.rewards import (
    ActiveDay,
    Completion,
    FastSkips,
    Hides,
    Minutes,
    Objective,
    Potential,
    Returned,
    ReturnTime,
    Skips,
    State,
    SurrogateIndex,
    Survival,
    ValueModel,
    record,
    rewarded,
)

TARGET = 10.0  # percent of the step


def objectives(sizes: Sizes) -> dict[str, Objective]:
    """One objective of each sort, in the words of the table."""
    users = max(100, sizes.users // 10)
    cohort = Cohort("AdLoad", users, scenario="bench", decision="session", horizon_days=21.0,
                    autoreset_mode="Disabled", threads=1)  # fmt: skip
    log = record(cohort, lambda obs: np.full(users, 9), seed=2, parts=("state", "next_state"))
    early = [Minutes(), ActiveDay(), Skips()]
    index = SurrogateIndex.fit(log, early, ActiveDay(), days=7, horizon_days=20, name="index")
    value = ValueModel.fit(log, ActiveDay(), days=7)
    return {
        "a sum of signals": 0.7 * Minutes() - 0.3 * Skips() - 5.0 * Hides() + Returned(days=7),
        "a product": (Minutes() - 2.0 * Skips()).named("joy") * Survival(),
        "an intent's skips": 0.7 * Minutes() - 0.3 * Skips(given="intent") - 5.0 * Hides(),
        "plays, slot by slot": Minutes() + Completion(),
        "the same, read twice": Minutes() + Completion() - FastSkips(),
        "a potential": Minutes() + Potential(2.0 * State("active_rate") - State("skip_rate")),
        "a surrogate index": Minutes() + index,
        "a potential of values": Minutes() + Potential(value),
        "return time, RLUR": Minutes() - ReturnTime.fit(log, name="away"),
    }


def rewards(sizes: Sizes) -> Iterator[Row]:
    """What `rewarded` adds to a step of AdLoad, the quicker world, in percent of CPU time."""
    for name, objective in objectives(sizes).items():
        yield overhead(f"reward: {name}, {sizes.users} users", objective, sizes)


def overhead(name: str, objective: Objective, sizes: Sizes) -> Row:
    """Steps without and with a reward, in turns, so that both meet the same weather."""
    plain, inner = (
        Cohort("AdLoad", sizes.users, scenario="bench", threads=1) for _ in range(2)
    )  # two of the same people
    paid: Any = rewarded(inner, objective)
    actions = random_actions(plain)
    for env in (plain, paid):
        env.reset(seed=1)
    taken = 0

    def once(env: Any) -> float:
        start = time.process_time()
        env.step(actions[taken % len(actions)])
        return time.process_time() - start

    def measure() -> float:
        nonlocal taken
        bare = with_it = 0.0
        for _ in range(sizes.steps):
            bare += once(plain)
            with_it += once(paid)
            taken += 1
        return 100.0 * (with_it / bare - 1.0)

    for _ in range(sizes.warm):
        once(plain)
        once(paid)
        taken += 1
    samples, beside = repeated(measure, sizes.repetitions)
    return Row(name, "% of a step", samples, TARGET, "less", beside)
