"""What an objective costs, beside the step that it judges."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.experiments.bench.rows import Row, Sizes, random_actions, repeated
from longplay.rewards import (
    Abandonment,
    ActiveDay,
    Completion,
    Discovery,
    Dissatisfaction,
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
    TopicEntropy,
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
        "what was found": Minutes() + Discovery(),
        "how sessions end": Minutes() - Abandonment("bad"),
        "displeasure": Minutes() - Dissatisfaction(),
        "variety of topics": Minutes() + TopicEntropy(),
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
    """Steps without and with a reward, in turns, so that both meet the same weather.

    There are two cohorts of the same people, and halfway they change roles: where a cohort lies in
    memory makes its steps quicker or slower by as much as a reward costs. Every repetition takes
    the same steps of the same lives, so that its range tells of the machine alone.
    """
    pair = [Cohort("AdLoad", sizes.users, scenario="bench", threads=1) for _ in range(2)]
    paid: list[Any] = [rewarded(cohort, objective) for cohort in pair]
    actions = random_actions(pair[0])

    def once(env: Any, action: Any) -> float:
        start = time.process_time()
        env.step(action)
        return time.process_time() - start

    def measure() -> float:
        bare = with_it = 0.0
        for one, other in ((pair[0], paid[1]), (pair[1], paid[0])):
            one.reset(seed=1)
            other.reset(seed=1)
            for step in range(sizes.warm + sizes.steps):
                action = actions[step % len(actions)]
                if step % 2:
                    less, more = once(one, action), once(other, action)
                else:  # who comes second finds the code at hand
                    more, less = once(other, action), once(one, action)
                if step >= sizes.warm:
                    bare += less
                    with_it += more
        return 100.0 * (with_it / bare - 1.0)

    samples, beside = repeated(measure, sizes.repetitions)
    return Row(name, "% of a step", samples, TARGET, "less", beside)
