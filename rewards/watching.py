"""Watching an environment: what an objective needs of each step, beyond its outcomes."""

import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded

from longplay.envs.cohort import Cohort
from longplay.envs.session import Session
from longplay.envs.spaces import USER_FEATURES
from longplay.rewards.objective import Objective
from longplay.rewards.step import HIDDEN_ITEMS, WHAT, Step, without

BEFORE = frozenset({"state", "topics", "next_topics"})  # what was before, or is set beside it
SEEN = len(USER_FEATURES)  # what comes first in every observation; hidden features may follow


class Watcher:
    """Gathers the Steps of an env, one user or many, with the parts that are needed.

    Call `begin` with the observations of a reset, and `step` with what a step returned.

    Args:
        env: a gymnasium.Env around one Session, or a VectorEnv around a Cohort.
        needs: names of parts of a Step beyond its outcomes; longplay.rewards.step.WHAT has them.
        whose: who needs them, for messages.

    Raises:
        TypeError: `env` reports no outcomes, or not what is needed.
        ValueError: a part of that name does not exist.
    """

    def __init__(self, env: Any, needs: Iterable[str], whose: object = "this log") -> None:
        base = env.unwrapped
        if not hasattr(base, "outcomes"):
            raise TypeError(
                f"{env} reports no outcomes; reward a longplay environment (environments inside "
                "another vector: reward each before it is put there)"
            )
        self.needs = frozenset(needs)
        cohort = base.cohort if isinstance(base, Session) else base
        if self.needs:
            _check(env, base, cohort, self.needs, whose)
        self._base = base
        self._cohort = cohort
        self._single = isinstance(base, Session)
        self._state: npt.NDArray[Any] | None = None
        self._topics: npt.NDArray[Any] | None = None
        self._states_kept, self._topics_kept = Kept(), Kept()
        self._born: list[tuple[npt.NDArray[Any], ...]] = []  # arrays, lanes, rows of newborns
        self._whose = whose
        self._begun = not self.needs & BEFORE  # nobody needs what was before the step

    def begin(self, obs: Any) -> None:
        """A reset (of some lanes, or all) led to these observations."""
        if self.needs:
            self._state, self._topics, self._born = self._kept(obs), self._minutes(), []
            self._begun = True

    def step(self, obs: Any, info: dict[str, Any]) -> Step:
        """The step that led to these observations; ResetNeeded if no `begin` came before.

        Like the outcomes of the env, its parts are written over by later steps and resets: copy
        what is to stay, e.g. by picking rows, `step[np.flatnonzero(...)]`.
        """
        outcomes = self._base.outcomes
        if not self.needs:
            return Step(outcomes)
        if not self._begun:
            raise ResetNeeded(
                f"{self._whose} needs what was before the step, and the life began before this "
                "wrapper saw it: call reset on this wrapper first"
            )
        for table, lanes, rows in self._born:
            table[lanes] = rows
        state, topics = self._state, self._topics
        self._state, self._topics, self._born = self._kept(obs), self._minutes(), []
        next_state = self._state if "next_state" in self.needs else None
        next_topics = self._topics
        if topics is not None and next_topics is not None:
            over = np.flatnonzero(self._over(info))
            self._end(next_topics, over, topics[over])
        if next_state is not None:
            for lanes, seen in self._cohort.ended:
                self._end(next_state, lanes, _user(seen)[:, :SEEN])
        return Step(
            outcomes,
            state,
            next_state,
            self._base.slots if "slots" in self.needs else None,
            topics,
            next_topics,
            catalogue(self._cohort) if "items" in self.needs else None,
        )

    def _end(self, table: npt.NDArray[Any], lanes: npt.NDArray[Any], last: Any) -> None:
        """Rows of lives that ended become ``last``; newborns are told of in the next step."""
        if len(lanes):
            self._born.append((table, lanes, table[lanes]))
            table[lanes] = last

    def _over(self, info: dict[str, Any]) -> npt.NDArray[np.bool_]:
        """Whose life this step ended, or had ended before (n,)."""
        if "_final_obs" in info:
            return np.asarray(info["_final_obs"], bool)
        return np.asarray(self._cohort.users["over"] > 0)

    def _states(self, obs: Any) -> npt.NDArray[Any] | None:
        """USER_FEATURES (n, 30), a view of the observations."""
        if not self.needs & {"state", "next_state"}:
            return None
        rows = _user(obs)
        return rows[None, :SEEN] if self._single else rows[:, :SEEN]

    def _kept(self, obs: Any) -> npt.NDArray[Any] | None:
        """The same as an array of our own: observations are handed out, and may be written to."""
        rows = self._states(obs)
        return None if rows is None else self._states_kept.copy_of(rows)

    def _minutes(self) -> npt.NDArray[Any] | None:
        """Minutes played by topic (n, 16), as an array of our own."""
        if not self.needs & {"topics", "next_topics"}:
            return None
        return self._topics_kept.copy_of(self._cohort.users["topic_minutes"])


def _user(obs: Any) -> npt.NDArray[Any]:
    """What an observation, or a batch of them, tells of the user."""
    return np.asarray(obs["user"] if isinstance(obs, dict) else obs)


_CATALOGUES: dict[int, npt.NDArray[Any]] = {}  # views, by what they are views of


def catalogue(cohort: Cohort) -> npt.NDArray[Any]:
    """The catalogue (items,) as a platform sees it; one object, so that it is known again."""
    items = cohort.shop.items
    view = _CATALOGUES.get(id(items))
    if view is None:
        view = without(items, HIDDEN_ITEMS).view()  # of its own, to be closed to writing
        view.flags.writeable = False
        _CATALOGUES[id(items)] = view
        weakref.finalize(items, _CATALOGUES.pop, id(items), None)
    return view


class Kept:
    """Copies in two pieces of memory, in turns; new memory would cost page faults."""

    def __init__(self) -> None:
        self._last: npt.NDArray[Any] | None = None
        self._spare: npt.NDArray[Any] | None = None  # the one before, to be written over

    def copy_of(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A copy, not written over before the next but one."""
        mine = self._spare if self._spare is not None else np.empty_like(rows, order="C")
        self._last, self._spare = mine, self._last
        np.copyto(mine, rows)
        return mine


class Watching:
    """What wrappers with a Watcher have in common: they look at every reset."""

    env: Any
    _watcher: Watcher

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset, and look."""
        obs, info = self.env.reset(seed=seed, options=options)
        self._watcher.begin(obs)
        return obs, info


def check_window(env: Any, objective: Objective) -> None:
    """ValueError if the study of `env` is shorter than `objective` looks ahead."""
    base = env.unwrapped
    days = getattr(getattr(base, "cohort", base), "horizon_days", None)
    if days is not None and objective.window_days > days:
        raise ValueError(
            f"{objective} looks {objective.window_days:g} days ahead, the study lasts {days:g}; "
            "give horizon_days of at least that, or a shorter window"
        )


def _check(env: Any, base: Any, cohort: Any, needs: frozenset[str], whose: object) -> None:
    """Refuse an env that does not show the observations of AdLoad or Feed as they are."""
    unknown = needs - set(WHAT)
    if unknown:
        raise ValueError(
            f"{whose} needs {', '.join(sorted(unknown))}, and a Step has no such part; it has "
            f"{', '.join(WHAT)}"
        )
    if not isinstance(cohort, Cohort):
        raise TypeError(
            f"{whose} needs {', '.join(sorted(needs))}, which {base} does not have; "
            "reward AdLoad or Feed, or write a reward of outcomes alone"
        )
    name = "observation_space" if base is not cohort else "single_observation_space"
    if getattr(env, name) != getattr(base, name):
        raise TypeError(
            f"{whose} reads observations, and {env} changes them; reward the inner environment "
            "first, then wrap it"
        )
