"""Switching mechanisms off, one by one: what a result owes to each of them.

    find_world("music").without("habit", "satiation")
    gym.make("longplay/AdLoad-v0", scenario="music without habit, satiation")

Each entry turns a world's parameters so that the mechanism has no effect, and leaves the rest. A
mechanism that a scenario does not use is off already. The numbers group them: M1 attention, M2
dwell, M3 leaving, M4 intent, M5 satiation, M6 repeats, M7 satisfaction, M8 habit, M9 return and
churn, M10 ads, M11 discovery, M12 notifications.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from longplay.envs.scenarios import World

Changes = dict[str, dict[str, Any]]
EVEN = 1e6  # of a beta distribution: so large that all draws are its mean


def _alike(world: "World") -> Changes:
    """All intents behave as the average one, weighted by their shares."""
    share = np.array(world.intent.share) / sum(world.intent.share)
    changes: Changes = {}
    for part, names in {
        "intent": ("titles", "goal"),
        "attention": ("on_passed", "on_played"),
        "choice": ("bias", "explore"),
        "dwell": ("hurry",),
        "leaving": ("bias",),
        "satisfaction": ("skipped", "passed"),
    }.items():
        law = getattr(world, part)
        changes[part] = {name: (float(share @ getattr(law, name)),) * 4 for name in names}
    return changes


def _flat_rhythm(world: "World") -> Changes:
    """Every hour and every day as likely as the average one."""
    law = world.returning
    return {
        "returning": {
            "day": (float(np.mean(law.day)),) * 24,
            "week": (float(np.mean(law.week)),) * 7,
        },
        "intent": {"daytime": (0.0,) * 4},
    }


def _one_churn(world: "World") -> Changes:
    """The same churn propensity for everybody, the mean."""
    a, b = world.population.churn_a, world.population.churn_b
    return {"population": {"churn_a": EVEN * a / (a + b), "churn_b": EVEN * b / (a + b)}}


def _plain(**changes: dict[str, Any]) -> Callable[["World"], Changes]:
    """The same changes in every world."""
    return lambda world: changes


ABLATIONS: dict[str, Callable[["World"], Changes]] = {
    # M1 everybody looks on from position to position
    "cascade": _plain(attention={"on_passed": (1.0,) * 4, "on_played": (1.0,) * 4}),
    # M2 a play ends as likely at any moment: no early screening
    "screening": _plain(dwell={"weibull": 1.0}),
    # M2 a skip does not make another one likelier
    "restlessness": _plain(dwell={"swing": 0.0}),
    # M3 how a session ends leaves nothing behind
    "exits": _plain(satisfaction={"good": 0.0, "bad": 0.0}, returning={"bad_exit": 0.0}),
    # M3 a tired user stays as long as a fresh one
    "fatigue": _plain(leaving={"fatigue": 0.0, "tired_ad": 0.0}),
    # M4 one intent for all sessions: nothing flips
    "intent": _alike,
    # M5 topics never bore
    "satiation": _plain(satiation={"gain": 0.0}),
    # M6 nothing is remembered or offered again
    "repeats": _plain(repeats={"share": 0.0}),
    # M7 what draws the eye is what is good
    "clickbait": _plain(catalogue={"attraction_value": 1.0}),
    # M7 satisfaction changes neither the return nor the churn
    "mood": _plain(returning={"satisfaction": 0.0}, churn={"satisfaction": 0.0}),
    # M8 habit changes neither the return nor the churn
    "habit": _plain(returning={"habit": 0.0, "insulation": 0.0}, churn={"habit": 0.0}),
    # M8 all form habits alike
    "habit-spread": _plain(population={"habit_spread": 0.0}),
    # M9 a long absence is as likely to end as a short one
    "absence": _plain(returning={"slowing": 0.0}),
    # M9 no hours of the day, no days of the week
    "rhythm": _flat_rhythm,
    # M9 all return at the same pace
    "frailty": _plain(population={"tempo_sd": 0.0}),
    # M9 all churn alike
    "churn-spread": _one_churn,
    # M10 ads seen in the past change neither the return nor the churn
    "ad-memory": _plain(returning={"ads": 0.0}, churn={"ads": 0.0}),
    # M10 ads are never overlooked for their quality
    "blindness": _plain(ads={"blinding": 0.0}),
    # M10 ads do not disturb a session
    "ad-strain": _plain(
        leaving={"ad": 0.0}, fatigue={"per_ad": 0.0}, satisfaction={"ads": 0.0}
    ),
    # M11 the appetite for new things neither pleases nor grows
    "discovery": _plain(discovery={"joy": 0.0, "grow": 0.0}),
    # M12 no notifications
    "notifications": _plain(notifications={"per_day": 0.0}),
}  # fmt: skip


def ablated(world: "World", names: tuple[str, ...]) -> "World":
    """The world without these mechanisms.

    Raises:
        ValueError: for a mechanism that is not in ABLATIONS, or none at all.
    """
    from longplay.envs.scenarios import suggestion

    if not names:
        raise ValueError(f"without() came without a mechanism.{suggestion('', ABLATIONS)}")
    plain = world.name.partition(" without ")[0]
    before = world.name.partition(" without ")[2]
    for name in names:
        if name not in ABLATIONS:
            raise ValueError(f"{name!r} is no mechanism of a world.{suggestion(name, ABLATIONS)}")
        changes: dict[str, Any] = dict(ABLATIONS[name](world))
        world = world.replace(world.name, **changes)
    return world.replace(f"{plain} without {', '.join([*filter(None, [before]), *names])}")
