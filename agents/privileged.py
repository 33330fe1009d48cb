"""Privileged references on AdLoad: they see what people feel, and try what would happen.

`myopic` is the best policy for the reward of one decision; `patient` looks for the best one in
the long run. Both are ceilings to measure others by, not contenders: they read the hidden state
of the cohort they are bound to, and learn from forks of training users. Neither sees the users
it is evaluated on before it serves them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from longplay.agents import rollouts
from longplay.agents.hidden import COLUMNS, Surface, describe
from longplay.agents.policy import Act, BasePolicy, Log, MakeCohort, Obs, Progress, users_in
from longplay.agents.registry import agent
from longplay.envs.state import LAYOUTS

if TYPE_CHECKING:
    from longplay.envs.cohort import Cohort

Floats = npt.NDArray[np.float64]
Users = npt.NDArray[np.void]
ARMS = len(LAYOUTS)
JUDGES = 1 << 22  # number of the first training user on whom fits are judged, not made
REST_UNITS = 60  # of the value of what comes after a rollout
PROFILES = 3  # rank of what users differ in over layouts: how many ads, and how early


class Privileged(BasePolicy):
    """A policy that reads the cohort it is bound to."""

    task = "AdLoad"

    def __init__(self) -> None:
        self._cohort: Cohort | None = None

    def bind(self, cohort: Cohort) -> None:
        """Keep the cohort, to read minds."""
        if cohort.task != self.task:
            raise ValueError(f"{type(self).__name__} plays {self.task}, not {cohort.task}")
        self._cohort = cohort

    def served(self, obs: Obs) -> Cohort:
        """The bound cohort, of which `obs` must be the observations."""
        if self._cohort is None:
            raise RuntimeError("a privileged policy reads its cohort: call bind(cohort) first")
        if users_in(obs) != self._cohort.num_envs:
            raise ValueError(
                f"{users_in(obs)} observations for a policy bound to {self._cohort.num_envs} "
                "users; bind it to the cohort it serves"
            )
        return self._cohort


class Amortised(Privileged):
    """The choice of the highest fitted value: a Surface over describe(users), an output a choice.

    A choice is one of a menu of `arms`; here a layout.
    default: what is chosen where the fit says nothing: all values are gains over it.
    """

    arms = ARMS

    def __init__(self, *, default: int = 0, units: int = 100) -> None:
        super().__init__()
        self.default, self.units = default, units
        self.surface = Surface(len(COLUMNS), self.arms, units)

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {"default": self.default, "units": self.units}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The fitted surface."""
        return dict(self.surface.arrays("surface_"))

    def set_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back what `arrays` gave."""
        self.surface.set_arrays(arrays, "surface_")

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user of the bound cohort; what is observed is not looked at."""
        cohort = self.served(obs)
        choice = rollouts.decide(self.rule, cohort)
        return Act(self.play(cohort, choice), np.ones(len(choice)))

    def play(self, cohort: Cohort, choice: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(n, ...) the actions that choices (n,) of the menu stand for."""
        return rollouts.as_chosen(cohort, choice)

    def rule(self, users: Users) -> npt.NDArray[np.int64]:
        """(n,) choices for USER rows (n,)."""
        value = self.surface(describe(users))
        best: npt.NDArray[np.int64] = value.argmax(axis=1)
        idle = value[np.arange(len(value)), best] <= value[:, self.default]
        return np.where(idle, self.default, best)


def constant(choice: int) -> rollouts.Rule:
    """The rule that always makes this choice."""
    return lambda users: np.full(len(users), choice, np.int64)


def milestones(progress: Progress | None, budget_steps: int) -> Callable[[float], None]:
    """Tell progress, in decisions of the budget, which share of the work is done."""
    return lambda share: progress(int(share * budget_steps)) if progress else None


@agent(
    "myopic",
    about="privileged: the highest expected reward of one decision, given all hidden state",
    tasks=("AdLoad",),
    privileged=True,
)
class Myopic(Amortised):
    """The layout of the highest expected reward of one decision (a fetch, or a session).

    Learnt from forks: `users` x 2 moments of lives under random layouts, each forked into
    `replicas` lucks and all layouts, one decision lived, the mean reward fitted on hidden state.
    The fit is used only if it earns more than the best single layout on other training users:
    where that layout is best for everybody, a fit can but err. `MyopicByForks` does without.
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
        users: int = 1200,
        replicas: int = 8,
        **settings: Any,
    ) -> Self:
        """Learn from forks of training users; the budget of decisions does not matter."""
        told = milestones(progress, budget_steps)
        rng = np.random.default_rng([seed, 2])
        tables, rewards = [], []
        for first_user in (0, JUDGES):
            states = rollouts.capture(
                make_cohort,
                lambda u: rng.integers(0, ARMS, len(u)),
                users=users,
                moments=1,
                seed=seed,
                first_user=first_user,
            )
            tables.append(states["users"])
            rewards.append(rollouts.immediate(make_cohort, states, ARMS, replicas))
            told(0.9 if first_user else 0.45)
        reward = rewards[0]
        policy = cls(default=int(reward.mean(axis=0).argmax()), **settings)
        gain = reward - reward[:, [policy.default]]
        explained = policy.surface.fit(describe(tables[0]), gain, PROFILES)
        row = np.arange(len(tables[1]))
        earned = rewards[1][row, policy.rule(tables[1])].mean()
        if earned <= rewards[1][:, policy.default].mean():
            policy.surface.b[:] = 0.0
            explained = 0.0
        if log is not None:
            log("train/explained", explained, budget_steps)
        told(1.0)
        return policy


class MyopicByForks(Privileged):
    """Myopic by brute force: before each decision every user is forked, and all layouts tried.

    replicas: lucks each layout is tried under. Costs ARMS x replicas decisions for each one made.
    """

    def __init__(self, *, replicas: int = 8) -> None:
        super().__init__()
        self.replicas = replicas

    def config(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return {"replicas": self.replicas}

    def act(self, obs: Obs, rng: np.random.Generator) -> Act:
        """Choose for every user of the bound cohort."""
        cohort = self.served(obs)
        forks = cohort.fork(self.replicas, luck="fresh").fork(ARMS, luck="same")
        tried = np.tile(np.arange(ARMS), cohort.num_envs * self.replicas)
        revenue, _ = rollouts.step_for_money(forks, tried)
        mean = revenue.reshape(-1, self.replicas, ARMS).mean(axis=1)
        return Act(mean.argmax(axis=1), np.ones(len(mean)))


@agent(
    "oracle",
    about="privileged: patient, improved round by round until a round gains nothing clear",
    tasks=("AdLoad",),
    privileged=True,
    rounds=6,
    judges=1024,
)
@agent(
    "patient",
    about="privileged: the best long run found by forked rollouts, given all hidden state",
    tasks=("AdLoad",),
    privileged=True,
)
class Patient(Amortised):
    """Policy improvement by rollouts, from the best fixed choice on, with hidden state.

    A choice is a layout here, and a weighing in privileged_feed.py. Each round, under the policy
    so far: `users` x 2 moments of lives are forked; each choice is held for some days
    (`hold_days`, one number a round, the last for all later ones) and the policy followed to the
    end of `days`; what comes after is a value fitted by temporal differences on forks that
    followed the policy at once. The value of each choice beside the others is fitted on hidden
    state over all rounds so far, and the best one made. A round is kept only if it pays on whole
    lives of `judges` other training users, same users, same luck. Rounds beyond those of
    `hold_days` go on, to `rounds` in all (None: no further ones), until the 95 % interval of what
    one gains on these lives includes 0.

    Holding a choice longer than one decision makes its effect stand out from luck; that is exact
    only as far as effects add up. So this is a lower bound of the best long run, not the best.
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
        users: int = 1200,
        judges: int = 512,
        days: float = 5.0,
        hold_days: tuple[float, ...] = (1.0, 0.5),
        rounds: int | None = None,
        **settings: Any,
    ) -> Self:
        """Learn from forks of training users; the budget of decisions does not matter."""
        told = milestones(progress, budget_steps)
        settings |= cls.scales(make_cohort, seed)
        play = cls(**settings).play
        default = best_fixed(make_cohort, cls.arms, play, seed=seed, users=max(64, judges // 2))
        policy = cls(default=default, **settings)
        rule = constant(default)
        court = make_cohort(judges, autoreset_mode="DISABLED", first_user=JUDGES)
        value = rollouts.lives_under(court, rule, seed, play)
        told(0.2)
        tables: list[Floats] = []
        gains: list[Floats] = []
        most = len(hold_days) if rounds is None else rounds
        for i in range(most):
            hold = hold_days[min(i, len(hold_days) - 1)]
            states = rollouts.capture(
                make_cohort, rule, users=users, moments=2, seed=seed + i, play=play
            )
            lived = rollouts.onward(
                make_cohort,
                states,
                rule,
                actions=cls.arms,
                lucks=1,
                days=days,
                hold_days=hold,
                play=play,
            )
            gains.append(gains_of_choices(states, lived))
            tables.append(describe(states["users"]))
            better = cls(default=default, **settings)
            explained = better.surface.fit(np.concatenate(tables), np.concatenate(gains), PROFILES)
            reached = rollouts.lives_under(court, better.rule, seed, play)
            if log is not None:
                log("train/explained", explained, budget_steps)
                log("train/value", float(reached.mean()), budget_steps)
            told(0.2 + 0.8 * (i + 1) / most)
            gain = reached - value
            if gain.mean() > 0.0:
                policy, rule, value = better, better.rule, reached
            if i + 1 >= len(hold_days) and not surely_positive(gain):
                break
        told(1.0)
        return policy

    @classmethod
    def scales(cls, make_cohort: MakeCohort, seed: int) -> dict[str, Any]:
        """Keyword arguments that the menu needs, from training users; layouts need none."""
        return {}


def surely_positive(gain: Floats) -> bool:
    """Whether the normal 95 % interval of the mean of paired differences (n,) lies above 0."""
    return bool(gain.mean() > 1.96 * gain.std(ddof=1) / np.sqrt(len(gain)))


def gains_of_choices(states: dict[str, Any], lived: rollouts.Onward) -> Floats:
    """(states, arms) long-run value of holding each choice, less the mean over choices [money].

    lived: days on from `states` under one luck, the last fork following the rule at once.
    """
    value, weight = lived.value[:, 0], lived.weight[:, 0]
    after = describe(lived.users.reshape(-1)).reshape(*value.shape, -1)
    rest = Surface(len(COLUMNS), 1, REST_UNITS)
    rest.fit_future(describe(states["users"]), value[:, -1], weight[:, -1], after[:, -1])
    value = value + weight * rest(after.reshape(-1, len(COLUMNS))).reshape(value.shape)
    tried = value[:, :-1]
    return np.asarray(tried - tried.mean(axis=1, keepdims=True))


def best_fixed(
    make_cohort: MakeCohort, arms: int, play: rollouts.Play, *, seed: int, users: int
) -> int:
    """The choice of the highest value over whole lives, if always made; see `best_of`."""

    def heat(choice: int, n: int) -> float:
        bench = make_cohort(n, autoreset_mode="DISABLED", first_user=JUDGES)
        return float(rollouts.lives_under(bench, constant(choice), seed, play).mean())

    return best_of(arms, heat, users)


def best_of(candidates: int, heat: Callable[[int, int], float], users: int) -> int:
    """The candidate of the highest `heat`(candidate, number of users).

    All are tried on `users` / 4 training users, the best five on all; same people, same luck.
    """
    first = np.array([heat(i, max(16, users // 4)) for i in range(candidates)])
    last = np.argsort(-first)[:5]
    return int(last[np.argmax([heat(int(i), users) for i in last])])
