"""What plays: one world of ours or of theirs, stepped with random actions in its own process.

    python players.py PLAYER SLATE CANDIDATES PEOPLE

It says "ready" when the world was built and warmed up, then answers every number of CPU-seconds
on its standard input with how many fetches it did and the CPU-seconds they took, as JSON. A fetch
is one slate shown to one person (reco-gym and recgym show one item). Actions are drawn beforehand;
new lives are part of the time, whoever's they are.

The file runs under the Python of the throw-away environment too, so that it stands on the standard
library, on numpy and on the one package whose world it builds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

Go = Callable[[int], int]  # steps so many times; how many fetches that were
Player = Callable[[int, int, int], Go]  # of slate, candidates, people side by side
CHUNK = 50  # steps of one person between two looks at the clock


def slates(slate: int, candidates: int, count: int = 512) -> list[Any]:
    """Random slates of different candidates (slate,)."""
    import numpy as np

    rng = np.random.default_rng(7)
    return [rng.choice(candidates, slate, replace=False) for _ in range(count)]


def items(candidates: int) -> list[int]:
    """Random items, one an action."""
    return [int(slate[0]) for slate in slates(1, candidates)]


def singly(step: Callable[[Any], Any], renew: Callable[[], Any], actions: Sequence[Any]) -> Go:
    """One person after the other: ``step`` says whether a life is over, ``renew`` begins one."""
    renew()
    at = 0

    def go(times: int) -> int:
        nonlocal at
        for _ in range(times):
            if step(actions[at % len(actions)]):
                renew()
            at += 1
        return times

    return go


def gymnasium_player(env: Any, actions: Sequence[Any]) -> Go:
    """One person in an environment whose steps tell both ends apart."""

    def step(action: Any) -> bool:
        _, _, terminated, truncated, _ = env.step(action)
        return bool(terminated or truncated)

    return singly(step, env.reset, actions)


# Theirs.


def recsim(world: str) -> Player:
    """RecSim's environments, with new documents in each step, as its own main file has them."""

    def player(slate: int, candidates: int, people: int) -> Go:
        module = import_module(f"recsim.environments.{world}")
        config = {
            "slate_size": slate,
            "num_candidates": candidates,
            "resample_documents": True,
            "seed": 0,
        }
        env = module.create_environment(config)
        return singly(lambda action: env.step(action)[2], env.reset, slates(slate, candidates))

    return player


def sardine(slate: int, candidates: int, people: int) -> Go:
    """SARDINE's slates for users who get bored, without Gymnasium's wrappers."""
    import numpy as np

    gym = import_module("gymnasium")
    import_module("sardine")
    np.random.seed(0)  # noqa: NPY002  its own catalogue is drawn from there
    own = {} if candidates == 1000 else {"num_items": candidates, "env_embedds": None}
    env = gym.make("sardine/SlateTopK-Bored-v0", slate_size=slate, **own).unwrapped
    return gymnasium_player(env, slates(slate, candidates))


def recogym(slate: int, candidates: int, people: int) -> Go:
    """reco-gym's second world; what a user looks at unasked happens within a step."""
    import numpy as np

    scipy: Any = import_module("scipy")
    scipy.rand = np.random.rand  # gone from scipy; one of its agents imports it
    worlds = import_module("recogym.envs.reco_env_v1")
    env = worlds.RecoEnv1()
    env.init_gym({**worlds.env_1_args, "num_products": candidates, "random_seed": 0})
    users = 0

    def renew() -> None:
        nonlocal users
        over = True
        while over:  # some leave before anything was recommended
            env.reset(users)
            users += 1
            over = env.step(None)[2]

    return singly(lambda action: env.step(action)[2], renew, items(candidates))


def recgym(slate: int, candidates: int, people: int) -> Go:
    """The recommender of SCOPE-RL's recgym."""
    env = import_module("recgym").RECEnv(n_items=candidates, random_state=0)
    return gymnasium_player(env, items(candidates))


# Ours.


def feed(slate: int, candidates: int, people: int) -> Go:
    """longplay/Feed-v0, all features of the candidates observed."""
    from longplay.envs.cohort import Cohort

    cohort = Cohort(
        "Feed",
        people,
        scenario="bench",
        action="item" if slate == 1 else "slate",
        slate_size=slate,
        candidates=candidates,
        threads=1,
    )
    return crowd(cohort)


def interest(slate: int, candidates: int, people: int) -> Go:
    """longplay/InterestEvolution-v0, as a cohort or as the single environment."""
    from longplay.envs.reference.interest import InterestEvolution, InterestEvolutionCohort

    if people > 1:
        return crowd(InterestEvolutionCohort(people, slate_size=slate, candidates=candidates))
    env = InterestEvolution(slate_size=slate, candidates=candidates)
    env.reset(seed=1)
    return gymnasium_player(env, slates(slate, candidates))


def chockale(slate: int, candidates: int, people: int) -> Go:
    """longplay/ChocKale-v0, one of its items a step."""
    from longplay.envs.reference.chockale import ChocKaleCohort

    return crowd(ChocKaleCohort(people, candidates=candidates))


def crowd(cohort: Any) -> Go:
    """People side by side, on one thread."""
    from longplay.experiments.bench.rows import stepper

    step_all = stepper(cohort, 5)

    def go(times: int) -> int:
        step_all(times)
        return times * int(cohort.num_envs)

    return go


PLAYERS: dict[str, Player] = {
    "recsim-interest": recsim("interest_evolution"),
    "recsim-satisfaction": recsim("long_term_satisfaction"),
    "sardine": sardine,
    "recogym": recogym,
    "recgym": recgym,
    "Feed": feed,
    "InterestEvolution": interest,
    "ChocKale": chockale,
}


def measured(go: Go, seconds: float, chunk: int) -> tuple[int, float]:
    """Fetches done in at least so many CPU-seconds, and the CPU-seconds they took."""
    fetches, start = 0, time.process_time()
    while True:
        fetches += go(chunk)
        spent = time.process_time() - start
        if spent >= seconds:
            return fetches, spent


def main(arguments: Sequence[str]) -> None:
    """Build the world, then measure as often as asked."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a package prints is no answer
    name, (slate, candidates, people) = arguments[0], map(int, arguments[1:4])
    go = PLAYERS[name](slate, candidates, people)
    chunk = CHUNK if people == 1 else 1
    go(chunk)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(measured(go, float(line), chunk)), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
