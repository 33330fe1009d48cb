"""Floors: `constrained(env, objective, floor)` pays for an objective, and for keeping a floor.

    floor = Floor(Returned1d(), 0.90, scale=0.03)      # at least 0.9 returns a day per session
    env = constrained(cohort, Revenue(), floor)        # a Cohort, or a CohortVecEnv

The policy is to maximise the objective subject to J >= d, where J is a signal's rate per session
or per day and d the floor. Reward of a step, and the multiplier that a controller sets:

    reward = (objective + lambda c signal) / (1 + lambda)                                   (1)
    Delta  = d - J                                                                          (2)
    I      = [I + Delta]_+                                                                  (3)
    lambda = [Kp Delta + Ki I + Kd [Delta - Delta']_+]_+                                    (4)

lambda multiplier [1]; c worth of one unit of the signal at lambda = 1 [objective / signal]; J rate
over a rolling window of what was last lived through; Delta' the Delta before. (2) to (4) are the
controller of Stooke, Achiam and Abbeel (2020), "Responsive safety in reinforcement learning by
PID Lagrangian methods" (arXiv 2007.03964), there for a ceiling on costs, here for a floor; the
1 / (1 + lambda) of (1) is theirs too: rewards keep their size, whatever lambda is. Ours: the first
Delta has no derivative; lambda stays below `Gains.highest` and I below `highest / Ki`, so that a
floor that cannot be reached does not wind the integral up for ever.

(1) pays for the signal and leaves out the constant -lambda d of the Lagrangian. For a rate per
session that constant would be paid per session: with J below the floor it would punish visits.
So at equal lambda a policy is paid for more sessions as well as for better ones.

Formula: (1). Unit: that of the objective; c brings the signal to it. Range: between the objective
and c times the signal, of which it is a weighted mean. Source: Stooke, Achiam and Abbeel (2020),
for (1) to (4) but for what is called ours above. What it leaves invariant: at lambda = 0 the reward
is the objective's, number for number.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from longplay.rewards.objective import Objective, total
from longplay.rewards.settings import real
from longplay.rewards.signals import Signal
from longplay.rewards.step import Outcomes
from longplay.rewards.wrappers import rewarded

E = TypeVar("E")
PER = ("session", "day")


@dataclass(frozen=True)
class Gains:
    """How strongly the multiplier answers to what is missing; free choices.

    Per unit of the rate: with ``integral=2.0``, a rate that is 0.01 too low raises lambda by 0.02
    at every update.
    """

    proportional: float = 10.0  # Kp, >= 0
    integral: float = 2.0  # Ki, >= 0
    derivative: float = 0.0  # Kd, >= 0
    highest: float = 100.0  # lambda goes no further, > 0

    def __post_init__(self) -> None:
        for name in ("proportional", "integral", "derivative"):
            value = _number(f"{name} of Gains", getattr(self, name))
            if value < 0.0:
                raise ValueError(
                    f"{name}={value} of Gains would reward what breaks the floor; wanted 0 or more"
                )
        if not _number("highest of Gains", self.highest) > 0.0:
            raise ValueError(f"highest={self.highest} of Gains; wanted a number above 0, e.g. 100")
        if self.proportional == self.integral == self.derivative == 0.0:
            raise ValueError("all Gains are 0, so lambda would never move; give integral=2.0, say")


class PID(NamedTuple):
    """State of the controller, equations (3) and (4). A step makes a new one."""

    value: float = 0.0  # lambda, 0 .. gains.highest
    integral: float = 0.0  # I, >= 0
    missing: float = math.nan  # the last Delta; nan before the first

    def step(self, missing: float, gains: Gains) -> "PID":
        """The state after ``missing`` (Delta) was seen."""
        most = gains.highest / gains.integral if gains.integral > 0.0 else math.inf
        integral = min(max(self.integral + missing, 0.0), most)
        rise = 0.0 if math.isnan(self.missing) else max(missing - self.missing, 0.0)
        value = gains.proportional * missing + gains.derivative * rise
        if gains.integral > 0.0:
            value += gains.integral * integral
        return PID(min(max(value, 0.0), gains.highest), integral, missing)


@dataclass(frozen=True)
class Floor:
    """What is to be kept: at least ``at_least`` of a signal per session or per day.

    Formula: J >= d. Unit: that of the signal a session, or a day. Range: per session that of the
    signal; per day from its least number upwards. Source: a constraint on a rate, as in Stooke et
    al. (2020), there a ceiling. What it leaves invariant: the objective, wherever lambda is 0.

    A day is a day of a person's study from their first visit to the horizon, whether they come
    or not: those who left for ever count with all the days that they miss. J is measured over
    whatever the learner tries, exploration included. All numbers are free choices.

    Raises:
        TypeError: `signal` is no signal, or a setting no number.
        ValueError: `at_least` outside the signal's range, or a setting out of its own.
    """

    signal: Signal  # more of it is better
    at_least: float  # d [signal / session, or signal / day]
    per: str = "session"  # or "day"
    scale: float = 1.0  # c, worth of one unit of the signal at lambda = 1 [objective / signal], > 0
    window: int = 20_000  # sessions or days (of all users together) that J is taken over
    every: int = 2_000  # sessions or days between updates of lambda
    gains: Gains = field(default_factory=Gains)

    def __post_init__(self) -> None:
        if not isinstance(self.signal, Signal):
            raise TypeError(f"{self.signal!r} is no signal; a floor needs one, e.g. Returned1d()")
        if not isinstance(self.gains, Gains):
            raise TypeError(f"gains={self.gains!r}; give Gains(proportional=..., integral=...)")
        if self.per not in PER:
            raise ValueError(f"per={self.per!r} came; wanted 'session' or 'day'")
        self._check_rate()
        if not _number(f"scale of {self}", self.scale) > 0.0:
            raise ValueError(f"scale={self.scale} of the floor; wanted a number above 0")
        for name in ("window", "every"):
            count = getattr(self, name)
            if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
                raise ValueError(f"{name}={count!r} of the floor; wanted a whole number, 1 or more")
            object.__setattr__(self, name, int(count))

    def _check_rate(self) -> None:
        """A signal ranges per row; only per session is that the range of the rate as well."""
        rate = _number("at_least", self.at_least)
        low, high = self.signal.range
        high = high if self.per == "session" else math.inf
        if not low <= rate <= high:
            raise ValueError(
                f"at_least={rate:g} lies outside the range of {self.signal.label} per {self.per}, "
                f"{low:g}..{high:g}; give a floor that can be reached"
            )

    @property
    def label(self) -> str:
        """Its name among the reward parts."""
        return f"floor({self.signal.label})"

    def __str__(self) -> str:
        return f"{self.signal.label} per {self.per} >= {self.at_least:g}"


class Constraint:
    """A floor at work: the rolling rate J and the multiplier lambda. It has state; save it.

    Args:
        floor: what is to be kept.
        horizon_days: end of every person's study [day], for a floor per day.
    """

    def __init__(self, floor: Floor, horizon_days: float = math.inf) -> None:
        if floor.per == "day" and not math.isfinite(horizon_days):
            raise ValueError("a floor per day needs horizon_days, at which absences end")
        self.floor = floor
        self.horizon = 24.0 * horizon_days  # [h]
        self.pid = PID()
        self.forget()

    def forget(self) -> None:
        """Forget what was lived through; the multiplier stays."""
        self._rows: deque[tuple[float, float]] = deque()  # (signal, count) of a step, oldest first
        self._total = self._fresh = 0.0  # counts in the window, and since the last update

    @property
    def multiplier(self) -> float:
        """lambda, which the next step is paid with."""
        return self.pid.value

    @property
    def achieved(self) -> float:
        """J over the window as far as it is filled; nan if nothing has been counted."""
        if not self._total > 0.0:
            return math.nan
        return math.fsum(signal for signal, _ in self._rows) / self._total

    def observe(self, outcomes: Outcomes) -> None:
        """Count a step of OUTCOME (n,); update lambda when it is time."""
        signal = float(self.floor.signal(outcomes).sum())
        count = float(self._counts(outcomes).sum())
        if signal == count == 0.0:
            return
        self._rows.append((signal, count))
        self._total += count
        self._fresh += count
        while len(self._rows) > 1 and self._total - self._rows[0][1] >= self.floor.window:
            self._total -= self._rows.popleft()[1]
        if self._total >= self.floor.window and self._fresh >= self.floor.every:
            self._total = math.fsum(count for _, count in self._rows)  # no rounding builds up
            self._fresh = 0.0
            self.pid = self.pid.step(self.floor.at_least - self.achieved, self.floor.gains)

    def _counts(self, outcomes: Outcomes) -> Any:
        """Sessions that ended, or days that went by, in every row (n,)."""
        lived = outcomes["fetches"] > 0
        if self.floor.per == "session":
            return np.where(lived, outcomes["ended"], 0.0)
        until = np.minimum(outcomes["clock"] + outcomes["gap"], self.horizon)
        return np.where(lived, np.maximum(until - outcomes["clock"], 0.0) / 24.0, 0.0)

    def info(self) -> dict[str, float]:
        """{"lambda", "achieved", "floor"}."""
        return {
            "lambda": self.multiplier,
            "achieved": self.achieved,
            "floor": float(self.floor.at_least),
        }

    def state(self) -> dict[str, Any]:
        """JSON values that `restore` goes on from, as if there had been no break."""
        known = None if math.isnan(self.pid.missing) else self.pid.missing
        return {
            "floor": str(self.floor),
            "lambda": self.pid.value,
            "integral": self.pid.integral,
            "missing": known,
            "rows": [list(row) for row in self._rows],
            "total": self._total,
            "fresh": self._fresh,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave; ValueError if it is damaged or of another floor."""
        try:
            floor, missing = state["floor"], state["missing"]
            numbers = [float(state[name]) for name in ("lambda", "integral", "total", "fresh")]
            rows = [(float(signal), float(count)) for signal, count in state["rows"]]
            missing = math.nan if missing is None else _number("missing", missing)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"this is no state of a constraint ({type(error).__name__}: {error}); give what "
                "state() gave"
            ) from error
        if floor != str(self.floor):
            raise ValueError(
                f"the state is of the floor {floor!r}, this one is {str(self.floor)!r}; restore "
                "it into the same floor"
            )
        told = [*numbers, *(count for _, count in rows)]
        if not (all(math.isfinite(x) and x >= 0.0 for x in told) and np.all(np.isfinite(rows))):
            raise ValueError(
                "the state holds a number below 0 or not finite; give what state() gave"
            )
        value, integral, self._total, self._fresh = numbers
        self.pid, self._rows = PID(value, integral, missing), deque(rows)


def constrained(env: E, objective: Objective, floor: Floor) -> E:
    """`env`, paid by `objective` and for keeping `floor`: equation (1).

    `info["reward_parts"]` holds the parts that the reward is the sum of, those of the objective
    and `floor.label`; `info["constraint"]` holds lambda as it was paid with, J after the step and
    the floor; `env.constraint` is the Constraint, whose `state()` can be saved. A reset forgets
    the window and keeps the multiplier.

    Rewards change as lambda does. PPO forgets old ones by itself; a replay buffer does not.

    Args:
        env: a VectorEnv around a Cohort, or a CohortVecEnv.
        objective: a signal or a sum of signals.
        floor: what is to be kept.

    Raises:
        TypeError: `env`, `objective` or `floor` is something else.
    """
    if not isinstance(floor, Floor):
        raise TypeError(f"{floor!r} is no floor; give one, e.g. Floor(Returned1d(), 0.9)")
    if isinstance(env, VectorEnv):
        return cast(E, ConstrainedVector(rewarded(env, objective), floor))
    if hasattr(type(env), "rewrap"):  # of the type: SB3's wrappers forward attributes
        return cast(E, cast(Any, env).rewrap(lambda inner: constrained(inner, objective, floor)))
    raise TypeError(
        f"{type(env).__name__} cannot be constrained: a rate needs many users; give a Cohort, a "
        "VectorEnv around one, or a CohortVecEnv (and wrap that afterwards)"
    )


class ConstrainedVector(VectorWrapper):
    """A rewarded cohort that is also paid for keeping a floor. Made by `constrained`."""

    def __init__(self, env: VectorEnv[Any, Any, Any], floor: Floor) -> None:
        super().__init__(env)
        horizon = getattr(env.unwrapped, "horizon_days", math.inf)
        self.constraint = Constraint(floor, float(horizon))

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Begin anew; a reset of all users forgets the window."""
        if not (options and "reset_mask" in options):
            self.constraint.forget()
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all users, pay by equation (1) and count what they did."""
        obs, _, terminated, truncated, info = self.env.step(actions)
        outcomes: Outcomes = cast(Any, self.env.unwrapped).outcomes
        floor = self.constraint.floor
        multiplier = self.constraint.multiplier
        parts = {k: part / (1.0 + multiplier) for k, part in info["reward_parts"].items()}
        share = multiplier / (1.0 + multiplier)
        parts[floor.label] = share * floor.scale * floor.signal(outcomes)
        self.constraint.observe(outcomes)
        told = {**self.constraint.info(), "lambda": multiplier}
        info = {**info, "reward_parts": parts, "constraint": told}
        return obs, total(parts), terminated, truncated, info


def _number(name: str, value: object) -> float:
    """`value` as a finite float."""
    found = real(value)
    if found is None:
        raise TypeError(f"{name} is {value!r}; wanted a number")
    if not math.isfinite(found):
        raise ValueError(f"{name} is {found}; wanted a finite number")
    return found
