"""`progressive(env, belief)`: a step is paid what it adds to the days a user is expected to come.

    F = E[days | trace up to the next decision] - E[days | trace up to this one]               (1)

`days` are the active ones among the `belief.days` that begin with a user's first visit (see
belief.py). Over a life the terms cancel to the days on which the user came, less what was expected
at the first visit: every policy is paid its active days, only sooner. An absence is paid for, too:
days without a visit are seen to be empty. Who is lost for ever is known at once in a simulator, and
all days left are empty; a platform would come to know it day by day.

Unlike an objective it remembers: a step alone does not say on which days the user came before. So
it is a wrapper, which may lie around another: `progressive(rewarded(env, Revenue()), belief,
weight=0.5, keep=True)` adds half of (1) to the revenue.

Formula: (1), times `weight`. Unit: day. Range: -days .. days. Source: the belief of "Impatient
bandits" [L], paid by its changes; the latter is ours. What it leaves invariant: the order of
policies by mean active days within the trace, for a learner that does not discount; one that does
is paid for days as early as they can be foretold.
"""

import math
from typing import Any, TypeVar, cast

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorWrapper

from longplay.envs.compiled import compiled
from longplay.rewards.belief import TraceBelief
from longplay.rewards.models import Floats, Ints
from longplay.rewards.step import Step, Values

E = TypeVar("E")
LABEL = "expected_days"  # of the part in info["reward_parts"]


def progressive(env: E, belief: TraceBelief, weight: float = 1.0, keep: bool = False) -> E:
    """`env`, paid by equation (1).

    Args:
        env: a gymnasium.Env around one Session, a VectorEnv around a Cohort, or a VecEnv that
            offers `rewrap`.
        belief: about single users' traces, see `TraceBelief.of_users`.
        weight: of (1), finite.
        keep: add to the reward of `env`, in place of putting it away.

    Raises:
        TypeError: `env` is none of these, or `belief` is no belief.
        ValueError: the study is shorter than the belief's trace, or the weight is not finite.
    """
    if not isinstance(belief, TraceBelief):
        raise TypeError(
            f"{belief!r} is no belief; make one with TraceBelief.of_users(traces_of(log)[1])"
        )
    if not (isinstance(weight, (int, float)) and math.isfinite(weight)):
        raise ValueError(f"weight={weight!r} of the belief is not finite; give a finite number")
    if isinstance(env, VectorEnv):
        return cast(E, ProgressiveVector(env, belief, weight, keep))
    if isinstance(env, gymnasium.Env):
        return cast(E, Progressive(env, belief, weight, keep))
    if hasattr(type(env), "rewrap"):
        wrap = cast(Any, env).rewrap
        return cast(E, wrap(lambda inner: progressive(inner, belief, weight, keep)))
    raise TypeError(
        f"{type(env).__name__} cannot be rewarded; give a gymnasium.Env, a VectorEnv or a "
        "CohortVecEnv"
    )


def progress(log: Step, belief: TraceBelief) -> Values:
    """Equation (1) for every row of a log of whole lives, (rows,)."""
    users, lanes = np.unique(log.outcomes["user"], return_inverse=True)
    return Memory(len(users), belief).pay(log.outcomes, lanes.astype(np.int64))


class Memory:
    """The traces of the people in some lanes, and what each step adds to them."""

    def __init__(self, lanes: int, belief: TraceBelief) -> None:
        self.belief = belief
        self.users: Ints = np.full(lanes, -1)
        self.traces = np.zeros((lanes, belief.days), np.uint8)

    def forget(self, lanes: Any) -> None:
        """New people are in these lanes."""
        self.users[lanes] = -1

    def pay(self, outcomes: Any, lanes: Ints) -> Floats:
        """Equation (1) of outcomes (n,) in `lanes` (n,), in order of time; 0 of blank rows."""
        out = np.zeros(len(lanes))
        user, clock, gap = (np.ascontiguousarray(outcomes[k]) for k in ("user", "clock", "gap"))
        lived = np.asarray(outcomes["fetches"] > 0)
        start, slopes = self.belief.weights
        _pay(user, clock, gap, lived, lanes, self.users, self.traces, start, slopes, out)
        return out


@compiled
def _pay(
    user: Any,
    clock: Any,
    gap: Any,
    lived: Any,
    lanes: Any,
    users: Any,
    traces: Any,
    start: Any,
    slopes: Any,
    out: Any,
) -> None:
    """What Memory.pay says; `users` and `traces` are brought up to date."""
    days = traces.shape[1]
    for i in range(len(lanes)):
        if not lived[i]:
            continue
        trace = traces[lanes[i]]
        if users[lanes[i]] != user[i]:
            users[lanes[i]] = user[i]
            for d in range(days):
                trace[d] = 0
        now = int(min(clock[i] / 24.0, float(days)))  # the day, or `days` if it lies beyond
        if now >= days:
            continue
        trace[now] = 1
        then = int(min((clock[i] + gap[i]) / 24.0, float(days)))
        if then == now:
            continue
        before = start[now + 1]
        for d in range(now + 1):
            before += slopes[now + 1, d] * trace[d]
        known = min(then + 1, days)
        if then < days:
            trace[then] = 1
        after = start[known]
        for d in range(known):
            after += slopes[known, d] * trace[d]
        out[i] = after - before


class Progressive(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """One user's environment, paid by equation (1). Made by `progressive`."""

    def __init__(
        self, env: gymnasium.Env[Any, Any], belief: TraceBelief, weight: float, keep: bool
    ) -> None:
        RecordConstructorArgs.__init__(self, belief=belief, weight=weight, keep=keep)
        gymnasium.Wrapper.__init__(self, env)
        _check(env, belief)
        self.weight, self.keep = weight, keep
        self._memory = Memory(1, belief)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset, and forget."""
        self._memory.forget(0)
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step, and pay by the belief."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        outcomes: Any = cast(Any, self.env.unwrapped).outcomes
        part = float(self.weight * self._memory.pay(outcomes, np.zeros(1, np.int64))[0])
        others = info.get("reward_parts", {"inner": float(reward)}) if self.keep else {}
        paid = float(reward) + part if self.keep else part
        return obs, paid, terminated, truncated, {**info, "reward_parts": {**others, LABEL: part}}


class ProgressiveVector(VectorWrapper):
    """A cohort, paid by equation (1). Made by `progressive`."""

    def __init__(
        self, env: VectorEnv[Any, Any, Any], belief: TraceBelief, weight: float, keep: bool
    ) -> None:
        super().__init__(env)
        _check(env, belief)
        self.weight, self.keep = weight, keep
        self._memory = Memory(env.num_envs, belief)
        self._lanes = np.arange(env.num_envs)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset, and forget."""
        mask = (options or {}).get("reset_mask")
        self._memory.forget(slice(None) if mask is None else np.asarray(mask, bool))
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all users, and pay by the belief."""
        obs, reward, terminated, truncated, info = self.env.step(actions)
        outcomes: Any = cast(Any, self.env.unwrapped).outcomes
        part = self.weight * self._memory.pay(outcomes, self._lanes)
        others = info.get("reward_parts", {"inner": reward}) if self.keep else {}
        paid = reward + part if self.keep else part
        return obs, paid, terminated, truncated, {**info, "reward_parts": {**others, LABEL: part}}


def _check(env: Any, belief: TraceBelief) -> None:
    """TypeError if `env` reports no outcomes; ValueError if its study ends before the trace."""
    base = env.unwrapped
    if not hasattr(base, "outcomes"):
        raise TypeError(
            f"{env} reports no outcomes; reward a longplay environment (environments inside "
            "another vector: reward each before it is put there)"
        )
    days = getattr(getattr(base, "cohort", base), "horizon_days", math.inf)
    if days < belief.days:
        raise ValueError(
            f"the belief is about {belief.days} days, the study lasts {days:g}; give horizon_days "
            "of at least that, or a belief of shorter traces"
        )
