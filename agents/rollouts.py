"""What if: users forked at moments of their lives, and lived on under other actions. Privileged.

    capture     moments of lives under a policy, drawn as the calendar discount weighs them
    branch      forks of each moment: `lucks` fresh lucks, and under each the same for all actions
    immediate   reward of one decision, for every action
    onward      discounted value of the days that follow, if the first ones hold one action
    whole_lives value of whole lives, for paired comparisons

Value is money: revenue + world.day_value x satisfied active days, discounted by the calendar
(world.gamma_day per day).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled
from longplay.envs.laws.ads import p_click

if TYPE_CHECKING:
    from longplay.agents.policy import MakeCohort
    from longplay.envs.cohort import Cohort

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
LANES = 20_000  # forks stepped at a time; more do not fit the caches


class Rule(Protocol):
    """A privileged rule: one choice of a menu for whole users, hidden state and all."""

    def __call__(self, users: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
        """(n,) choices for USER rows (n,)."""


class Play(Protocol):
    """What choices of a menu mean: the actions to take."""

    def __call__(self, cohort: Cohort, choice: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """(n, ...) actions for choices (n,); finished lives take any action."""


def as_chosen(cohort: Cohort, choice: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The menu of AdLoad: a choice is a layout."""
    return choice


def decide(rule: Rule, cohort: Cohort, among: Bools | None = None) -> npt.NDArray[np.int64]:
    """(n,) the rule's choices for living users (of `among`); 0 elsewhere."""
    choice = np.zeros(cohort.num_envs, np.int64)
    rows = np.flatnonzero(~cohort.over if among is None else ~cohort.over & among)
    if len(rows):
        choice[rows] = rule(cohort.users[rows])
    return choice


@compiled
def _per_view(blindness: Floats, p: Any, out: Floats) -> None:
    for i in range(len(blindness)):
        out[i] = p.price_view + p.price_click * p_click(blindness[i], p)


def step_for_money(cohort: Cohort, action: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Step, and return (n,) the revenue and the satisfied days it brought.

    Clicks are rare and worth much, so revenue is counted as its expectation given the ads seen
    (a user's click probability moves only when a session ends). In a world with replaced laws,
    where that may not hold, it is the plain revenue.
    """
    price = np.empty(cohort.num_envs)
    _per_view(cohort.users["blindness"].copy(), cohort.world.ads, price)
    cohort.step(action)
    out = cohort.outcomes
    lived = out["fetches"] > 0
    revenue = out["revenue"] if cohort.world.laws else out["ad_views"] * price
    return np.where(lived, revenue, 0.0), np.where(lived, out["satisfied_day"], 0.0)


def step_for_value(cohort: Cohort, action: npt.NDArray[Any]) -> Floats:
    """Step, and return (n,) what it was worth."""
    revenue, days = step_for_money(cohort, action)
    return revenue + cohort.world.day_value * days


def discount(cohort: Cohort, since: Floats | float = 0.0) -> Floats:
    """(n,) weight of the last step, from the hour `since` on."""
    weight: Floats = cohort.world.gamma_day ** ((cohort.outcomes["clock"] - since) / 24.0)
    return weight


def whole_lives(cohort: Cohort, choose: Callable[[Cohort], npt.NDArray[Any]], seed: int) -> Floats:
    """(n,) discounted value of each user's life in the study; `choose` gives the actions."""
    cohort.reset(seed=seed)
    total = np.zeros(cohort.num_envs)
    while not cohort.over.all():
        worth = step_for_value(cohort, choose(cohort))
        total += discount(cohort) * worth
    return total


def lives_under(cohort: Cohort, rule: Rule, seed: int, play: Play = as_chosen) -> Floats:
    """(n,) discounted value of each user's life under a rule."""
    return whole_lives(cohort, lambda served: play(served, decide(rule, served)), seed)


def unending(make_cohort: MakeCohort, users: int, first_user: int = 0) -> Cohort:
    """A cohort whose study lasts twice as long as the world's: no moment of interest is cut."""
    days = 2.0 * make_cohort(1).horizon_days
    return make_cohort(users, autoreset_mode="DISABLED", horizon_days=days, first_user=first_user)


def rows_of(state: dict[str, Any], rows: npt.NDArray[Any]) -> dict[str, Any]:
    """A cohort's state with these rows only."""
    return {
        name: [array[rows] for array in value] if isinstance(value, list) else value[rows]
        for name, value in state.items()
    }


def joined(states: list[dict[str, Any]]) -> dict[str, Any]:
    """States one after the other."""
    first = states[0]
    return {
        name: [np.concatenate(parts) for parts in zip(*(s[name] for s in states), strict=True)]
        if isinstance(first[name], list)
        else np.concatenate([s[name] for s in states])
        for name in first
    }


def capture(
    make_cohort: MakeCohort,
    rule: Rule,
    *,
    users: int,
    moments: int,
    seed: int,
    first_user: int = 0,
    play: Play = as_chosen,
) -> dict[str, Any]:
    """Up to users x moments states of lives under `rule`, each just before a decision.

    A moment is the first decision after a time drawn from the discounted days of the study, plus
    up to 4 more decisions, so that sessions are met in their middle too. Lives that ended before
    their moment are left out.
    """
    rng = np.random.default_rng([seed, 1])
    cohort = unending(make_cohort, users, first_user=first_user)
    gamma, days = cohort.world.gamma_day, 0.5 * cohort.horizon_days
    drawn = rng.random((moments, users))
    when = 24.0 * days * drawn
    if gamma < 1.0:
        when = 24.0 * np.log1p(drawn * (gamma**days - 1.0)) / np.log(gamma)
    wait = rng.integers(0, 5, (moments, users))
    taken = np.zeros((moments, users), bool)
    cohort.reset(seed=seed)
    pieces: list[dict[str, Any]] = []
    while True:
        here = ~cohort.over & (cohort.users["clock"] >= when) & ~taken
        now = here & (wait <= 0)
        wait[here] -= 1
        taken |= now
        if now.any():
            state = cohort.state()
            pieces += [rows_of(state, np.flatnonzero(row)) for row in now if row.any()]
        cohort.users["over"][taken.all(axis=0)] = 1  # these lives have been seen
        if cohort.over.all():
            return joined(pieces)
        cohort.step(play(cohort, decide(rule, cohort)))


def branch(make_cohort: MakeCohort, states: dict[str, Any], actions: int, lucks: int) -> Cohort:
    """Forks of captured states: lane (i x lucks + r) x actions + a is state i, luck r, action a.

    The `actions` forks of one luck share it, so that their differences are due to the actions.
    """
    count = len(states["users"])
    cohort = unending(make_cohort, count)
    cohort.restore(states)
    cohort.users["over"] = 0
    return cohort.fork(lucks, luck="fresh").fork(actions, luck="same")


def immediate(make_cohort: MakeCohort, states: dict[str, Any], actions: int, lucks: int) -> Floats:
    """(states, actions) mean reward of one decision over `lucks` fresh lucks."""
    count = len(states["users"])
    means = np.empty((count, actions))
    at_once = max(1, LANES // (lucks * actions))
    for lo in range(0, count, at_once):
        rows = np.arange(lo, min(lo + at_once, count))
        forks = branch(make_cohort, rows_of(states, rows), actions, lucks)
        revenue, _ = step_for_money(forks, np.tile(np.arange(actions), len(rows) * lucks))
        means[rows] = revenue.reshape(-1, lucks, actions).mean(axis=1)
    return means


class Onward(NamedTuple):
    """Days lived from captured states on; arrays of (states, lucks, actions + 1)."""

    value: Floats  # discounted to the state
    weight: Floats  # discount at the end; 0 for the churned
    users: npt.NDArray[np.void]  # USER at the end


def onward(
    make_cohort: MakeCohort,
    states: dict[str, Any],
    rule: Rule,
    *,
    actions: int,
    lucks: int,
    days: float,
    hold_days: float,
    play: Play = as_chosen,
) -> Onward:
    """Live `days` on from each state: each action held for `hold_days`, then `rule`.

    An action is a choice of the menu that `play` plays. The last of the `actions` + 1 forks
    follows the rule at once. hold_days = 0 holds an action for one decision.
    """
    count = len(states["users"])
    at_once = max(1, LANES // (lucks * (actions + 1)))
    parts = []
    for lo in range(0, count, at_once):
        some = rows_of(states, np.arange(lo, min(lo + at_once, count)))
        forks = branch(make_cohort, some, actions + 1, lucks)
        parts.append(_live_on(forks, rule, actions, days, hold_days, play))
    shape = (count, lucks, actions + 1)
    return Onward(*(np.concatenate(field).reshape(shape) for field in zip(*parts, strict=True)))


def _live_on(
    forks: Cohort, rule: Rule, actions: int, days: float, hold_days: float, play: Play
) -> Onward:
    world = forks.world
    start = forks.users["clock"].copy()
    first = np.arange(forks.num_envs) % (actions + 1)
    value = np.zeros(forks.num_envs)
    held = first < actions
    while not forks.over.all():
        choice = np.where(held, first, decide(rule, forks, ~held))
        worth = step_for_value(forks, play(forks, choice))
        value += discount(forks, start) * worth
        clock = forks.users["clock"]
        held &= clock < start + 24.0 * hold_days
        forks.users["over"][clock >= start + 24.0 * days] = 1  # seen enough
    weight = world.gamma_day ** ((forks.users["clock"] - start) / 24.0)
    return Onward(value, np.where(forks.users["gone"] > 0, 0.0, weight), forks.users)
