"""Privileged references on Feed: slates by what each candidate would do to the user.

For every candidate the laws give, from hidden taste, boredom, intent and the item's true value,

    minutes   P(play) E[minutes | play]                                                       (1)
    worth     P(play) E[experience, or what a skip costs | play] + P(pass) glance passed      (2)

and a slate is the K candidates of the highest weighted sum, best first. Each item is judged by
itself: what one item of a slate does to the next is left out, so these are very good slates, not
the best. What a weighing of the two leads to in the long run is searched for by `patient`, one for
everybody, and by `oracle` with forks of people, one for each hidden state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longplay.agents import rollouts
from longplay.agents.policy import Act, Log, MakeCohort, Obs, Progress
from longplay.agents.privileged import JUDGES, Patient, Privileged, milestones
from longplay.agents.registry import agent
from longplay.envs.cohort import Cohort
from longplay.envs.compiled import compiled, recompiled
from longplay.envs.laws.choice import p_play, utility
from longplay.envs.laws.discovery import joy_of
from longplay.envs.laws.dwell import dwell_seconds, impatience, match_of
from longplay.envs.laws.repeats import is_known
from longplay.envs.laws.satisfaction import experience_of
from longplay.envs.scenarios import Law, packed
from longplay.envs.state import Desk
from longplay.envs.vectors import dot

Floats = npt.NDArray[np.float64]

SIGNALS = ("minutes", "worth")
POINTS = 25  # of the dwell time's distribution, for its mean
ASKS: Mapping[str, Mapping[str, Any]] = {"Feed": {"action": "slate", "decision": "fetch"}}


@compiled
def _foresee(users: Any, rows: Any, offered: Any, items: Any, world: Any, out: Any) -> None:
    """Equations (1) and (2) for candidates offered (n, m) to users[rows], into out (n, m, 2)."""
    w = world[0]
    for r in range(len(rows)):
        u = users[rows[r]]
        z = u.intent
        for j in range(offered.shape[1]):
            item = items[offered[r, j]]
            affinity = dot(u.taste, item.vector)
            bored = float(u.satiation[item.topic])
            known = w.repeats.share > 0.0 and is_known(u.past, offered[r, j])
            novelty = 0.0 if known else item.novelty
            draw = utility(affinity, item.attraction, novelty, bored, u.appetite, z, w.choice)
            if known:
                draw += w.repeats.warmth
            play = p_play(draw, z, w.choice)
            match = match_of(affinity, item.value, bored)
            length = item.minutes * 60.0
            haste = impatience(u.skippiness, u.restless, w.dwell)
            joy = joy_of(u.appetite, novelty, w.discovery)
            minutes, felt = 0.0, 0.0
            for q in range(POINTS):
                seconds = dwell_seconds((q + 0.5) / POINTS, match, haste, length, z, w.dwell)
                minutes += seconds / 60.0
                if seconds >= w.dwell.skip:
                    felt += joy + experience_of(
                        affinity, item.value, bored, seconds / 60.0, w.satisfaction
                    )
                else:
                    felt += w.satisfaction.skipped[z]
            passed = w.satisfaction.glance * w.satisfaction.passed[z]
            out[r, j, 0] = play * minutes / POINTS
            out[r, j, 1] = play * felt / POINTS + (1.0 - play) * passed


@lru_cache(maxsize=16)
def _foresight(laws: tuple[tuple[str, Law], ...]) -> Law:
    """The loop with these laws replaced."""
    if not laws:
        return _foresee
    known = {name: law for name, law in laws if name in globals()}
    foresee: Law = recompiled(globals(), known)["_foresee"]
    return foresee


def foresee(cohort: Cohort, rows: npt.NDArray[np.int64]) -> Floats:
    """(len(rows), m, 2) the SIGNALS of the candidates before the users of these rows."""
    offered = Desk(*cohort.state()["desk"]).candidates[rows]
    out = np.empty((*offered.shape, len(SIGNALS)))
    law = _foresight(cohort.world.laws)
    law(cohort.users, rows, offered, cohort.shop.items, packed(cohort.world), out)
    return out


ANGLES = (0.0, 30.0, 60.0, 90.0, 120.0)  # tried by `patient` [degree]
HALFWAY = 15.0
MENU = (30.0, 45.0, 60.0, 75.0, 90.0, 105.0, 120.0, 135.0)  # chosen from by `oracle` [degree]


def weighing(angle: float) -> Floats:
    """(2,) weights of SIGNALS at an angle in degrees."""
    return np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])


class WeighedSlate(Privileged):
    """The K candidates of the highest weighted sum of SIGNALS."""

    task = "Feed"

    def __init__(self, weights: tuple[float, ...] | list[float] = (1.0, 0.0)) -> None:
        super().__init__()
        self.weights = tuple(float(w) for w in weights)

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {"weights": list(self.weights)}

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user of the bound cohort; what is observed is not looked at."""
        cohort = self.served(obs)
        return Act(slates(cohort, np.array(self.weights)), np.ones(cohort.num_envs))


def slates(cohort: Cohort, weights: Floats) -> npt.NDArray[np.int64]:
    """(n, K), or (n,) of single items, the candidates of the highest weighted sum, best first.

    weights: (2,), or (n, 2) one row a user.
    """
    k = cohort.slate_size
    chosen = np.tile(np.arange(k), (cohort.num_envs, 1))  # for finished lives, anything
    rows = np.flatnonzero(~cohort.over)
    if len(rows):
        each = np.broadcast_to(weights, (cohort.num_envs, len(SIGNALS)))[rows]
        score = np.einsum("nms,ns->nm", foresee(cohort, rows), each)
        chosen[rows] = np.argsort(-score, axis=1, kind="stable")[:, :k]
    return chosen[:, 0] if cohort.interface == "item" else chosen


@agent(
    "myopic",
    about="privileged: the most expected minutes of each item, given all hidden state",
    tasks=("Feed",),
    privileged=True,
    asks=ASKS,
)
class MyopicSlate(WeighedSlate):
    """The K candidates of the most expected minutes, equation (1)."""


@agent(
    "patient",
    about="privileged: the best long run found by weighing what slates do, given all hidden state",
    tasks=("Feed",),
    privileged=True,
    asks=ASKS,
)
class PatientSlate(WeighedSlate):
    """The weighing of minutes and worth under which the lives of training users are worth most.

    score = cos(angle) minutes + sin(angle) worth, both in units of their spread; 0 degrees is
    myopic, beyond 90 minutes count against an item. Angles are tried on `judges` users and `days`
    days of life, same users, same luck: first ANGLES, then half as far to either side of the best.
    """

    @classmethod
    def train(
        cls,
        make_cohort: MakeCohort,
        *,
        seed: int,
        budget_steps: int,
        progress: Progress | None = None,
        log: Log | None = None,
        judges: int = 96,
        days: float = 35.0,
        **settings: Any,
    ) -> Self:
        """Search on training users; the budget of decisions does not matter."""
        told = milestones(progress, budget_steps)
        court = make_cohort(judges, autoreset_mode="DISABLED", first_user=JUDGES, horizon_days=days)
        court.reset(seed=seed)
        spread = spread_of(court)
        tried: dict[float, float] = {}

        def attempt(angles: tuple[float, ...]) -> float:
            for angle in angles:
                tried[angle] = life_value(court, weighing(angle) / spread, seed)
                told(len(tried) / (len(ANGLES) + 2))
            return max(tried, key=lambda angle: tried[angle])

        best = attempt(ANGLES)
        best = attempt((best - HALFWAY, best + HALFWAY))
        if log is not None:
            log("train/angle", best, budget_steps)
            log("train/value", tried[best], budget_steps)
        return cls(weights=tuple(float(w) for w in weighing(best) / spread))


@agent(
    "oracle",
    about="privileged: the weighing that suits a hidden state, improved round by round by forks",
    tasks=("Feed",),
    privileged=True,
    asks=ASKS,
    rounds=6,
    judges=1024,
)
class OracleSlate(Patient):
    """Policy improvement by rollouts over weighings, from the best fixed one on; see `Patient`.

    A choice is an angle of MENU, as `PatientSlate` has them.
    spread: (2,) of SIGNALS among training users, the unit of each.
    """

    task = "Feed"
    arms = len(MENU)

    def __init__(self, *, spread: Sequence[float] = (1.0, 1.0), **settings: Any) -> None:
        super().__init__(**settings)
        self.spread = tuple(float(s) for s in spread)
        self._weights = np.stack([weighing(angle) for angle in MENU]) / self.spread

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {**super().config(), "spread": list(self.spread)}

    def play(self, cohort: Cohort, choice: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(n, K) slates, or (n,) items, by the weighings of these choices (n,)."""
        return slates(cohort, self._weights[choice])

    @classmethod
    def scales(cls, make_cohort: MakeCohort, seed: int) -> dict[str, Any]:
        """The spread of SIGNALS among training users."""
        some = make_cohort(96, autoreset_mode="DISABLED", first_user=JUDGES)
        some.reset(seed=seed)
        return {"spread": spread_of(some)}


def spread_of(cohort: Cohort) -> Floats:
    """(2,) standard deviation of SIGNALS over users and their candidates."""
    signals = foresee(cohort, np.arange(cohort.num_envs))
    spread: Floats = signals.reshape(-1, len(SIGNALS)).std(axis=0)
    return spread


def life_value(court: Cohort, weights: Floats, seed: int) -> float:
    """Mean discounted value of whole lives under these weights."""
    return float(rollouts.whole_lives(court, lambda cohort: slates(cohort, weights), seed).mean())
