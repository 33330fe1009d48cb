"""Evaluation: what one policy does to held-out users, user by user.

Every policy meets the same people (``first_user = HELD_OUT``, never seen in training) with the
same luck (the world seed), so that differences between two policies can be taken user by user.
Lives are not restarted: a user who churned, or reached the horizon, is done.

What a policy is worth is a calendar-discounted sum over a user's decisions k,

    value = sum_k gamma^(t_k / 24) (revenue_k + day_value satisfied_day_k)              (1)

gamma discount of one day [1], t_k clock of the decision [h], day_value the money that the world
gives to one satisfied active day. Sums are streamed: memory does not grow with the steps.

A reward other than the world's is told beside the value, and never instead of it: with an
objective r = sum_p r_p in parts p, two kinds of columns,

    reward:p = sum_k gamma^(t_k / 24) r_p,k,    reward = sum_p reward:p                   (3)

**What the horizon cuts off.** Say the last w = min(7, H) days before the horizon H [days] gave
the discounted value W. Had value gone on at that week's mean rate r for ever, then with
delta = -ln gamma

    W = r gamma^H (gamma^-w - 1) / delta,    beyond = r gamma^H / delta = W gamma^w / (1 - gamma^w)

so ``beyond`` needs no r (2), and share = beyond / (value + beyond). At a constant rate from day 0
the share is gamma^H exactly. An audience that still shrinks gives less than (2) says, one that
still grows gives more. Without discounting (gamma = 1) there is no finite answer: nan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from longplay.rewards.watching import Watcher

if TYPE_CHECKING:
    from longplay.agents.policy import Policy
    from longplay.envs.cohort import Cohort
    from longplay.rewards import Objective

Floats = npt.NDArray[np.float64]
Records = npt.NDArray[np.void]

HELD_OUT = 1 << 24  # number of the first user of every evaluation; training starts at 0
EVALUATION_SEED = 400_000  # of an evaluation's world, + the run's seed; no tuning has seen it
DAYS = 61  # days of the retention curve, D0 .. D60
BATCH = 4096  # users walked side by side, at most
LAST_DAYS = 7.0  # the week before the horizon, see (2)
POSITIONS = 10  # fetches of a session told apart; the last one holds all later ones
TENURE_DAYS = (
    7.0,
    14.0,
    30.0,
    60.0,
    120.0,
)  # upper ends of the account ages told apart; then older

# What is summed over a user's decisions: our name, and the field of OUTCOME.
SUMMED = {
    "revenue": "revenue",  # [money]
    "satisfied_days": "satisfied_day",  # active days times satisfaction on them
    "active_days": "active_day",
    "minutes": "minutes",  # played [min]
    "ad_views": "ad_views",
    "ad_clicks": "ad_clicks",
    "plays": "plays",
    "skips": "skips",
    "fetches": "fetches",
}

METRIC = np.dtype(  # one row a user
    [("user", "u8")]  # the person's number, from HELD_OUT on
    + [(name, "f8") for name in SUMMED]  # calendar-discounted sums
    + [(f"undiscounted_{name}", "f8") for name in SUMMED]  # plain sums
    + [
        ("value", "f8"),  # equation (1) [money]
        ("churned", "f8"),  # 1: left for ever before the horizon
        ("days_alive", "f8"),  # from the study's start to the last decision, or the horizon [days]
        ("beyond", "f8"),  # equation (2), the value estimated beyond the horizon [money]
    ]
)
LARGEST = 1e15  # sum of a reward over a life; its square is a number even to learners, in float32

REWARD, PART = "reward", "reward:"  # columns of equation (3), of runs with an objective

Progress = Callable[[float], None]  # told the share that is done, 0..1


@dataclass(frozen=True)
class Evaluation:
    """What a policy did to n users, and what became of them."""

    users: Records  # METRIC[n], and the columns of (3) if there was an objective
    active: npt.NDArray[np.bool_]  # (n, DAYS) had a session on day d of their own study
    watched: npt.NDArray[np.int64]  # (n,) days of their own study before the horizon, 0..DAYS
    by_tenure: Floats  # (len(TENURE_DAYS) + 1, 2) fetches and ads, by age of the account
    by_position: Floats  # (POSITIONS, 2) fetches and ads, by the fetch's number in its session
    by_action: Floats  # (actions,) fetches under each action; empty unless actions are Discrete
    steps: int  # decisions taken

    def mean(self, column: str) -> float:
        """Mean of a column over users."""
        return float(self.users[column].mean())

    @property
    def value(self) -> float:
        """Mean value of a user, equation (1) [money]."""
        return self.mean("value")

    @property
    def cut_off(self) -> float:
        """Estimated share of the value that lies beyond the horizon, equation (2) [0, 1]."""
        total = float(self.users["value"].sum() + self.users["beyond"].sum())
        return float(self.users["beyond"].sum()) / total if total else 0.0

    @property
    def reward_columns(self) -> tuple[str, ...]:
        """Names of the columns of equation (3); empty without an objective."""
        return reward_columns(self.users.dtype.names or ())

    def retention(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Users active on each day of their study, and users watched on it: (DAYS,) both."""
        watched = np.arange(DAYS) < self.watched[:, None]  # (n, DAYS)
        return (self.active & watched).sum(axis=0), watched.sum(axis=0)


def evaluate(
    policy: Policy,
    make_cohort: Callable[..., Cohort],
    *,
    users: int,
    seed: int,
    objective: Objective | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Evaluation:
    """Walk ``users`` held-out people through the study under ``policy``, which does not learn.

    Args:
        policy: asked for its action in every decision; never updated.
        make_cohort: ``make_cohort(num_envs, **keywords of Cohort)``, as in `agents.registry`.
        users: how many people, at least 1.
        seed: of the run; the world's is ``EVALUATION_SEED + seed``.
        objective: told in parts, equation (3); it changes nothing that happens.
        batch: people walked side by side. Policies that draw see other draws under another batch.
        progress: told the share done, 0..1, after each decision.

    Raises:
        NotFinite: a part of the objective sums to no number.
    """
    if users < 1:
        raise ValueError(f"users={users}; an evaluation needs at least 1 user.")
    ranges = blocks(0, users, batch)
    parts = list(walk_blocks(policy, make_cohort, ranges, seed, objective, progress))
    return parts[0] if len(parts) == 1 else joined(parts)


def blocks(first: int, until: int, batch: int = BATCH) -> list[range]:
    """Users first .. until - 1 in blocks; a block is walked side by side, as one cohort.

    What a policy draws depends on its block, so `first` must be where a block begins.
    """
    if first % batch:
        raise ValueError(f"first={first}; wanted a multiple of {batch}, where a block begins")
    return [range(at, min(at + batch, until)) for at in range(first, until, batch)]


def walk_blocks(
    policy: Policy,
    make_cohort: Callable[..., Cohort],
    ranges: Sequence[range],
    seed: int,
    objective: Objective | None = None,
    progress: Progress | None = None,
) -> Iterator[Evaluation]:
    """The evaluation of each block of users in turn; see `evaluate`."""
    users = sum(map(len, ranges))
    done = 0
    for own in ranges:
        cohort = make_cohort(len(own), first_user=HELD_OUT + own.start, autoreset_mode="Disabled")

        def told(share: float, done: int = done, number: int = len(own)) -> None:
            if progress is not None:
                progress((done + share * number) / users)

        rng = np.random.default_rng((EVALUATION_SEED + seed, own.start))
        yield walk(policy, cohort, EVALUATION_SEED + seed, rng, told, objective)
        done += len(own)


def walk(
    policy: Policy,
    cohort: Cohort,
    seed: int,
    rng: np.random.Generator,
    told: Progress,
    objective: Objective | None = None,
) -> Evaluation:
    """Every user of one cohort (autoreset disabled), from the study's start to the end of all."""
    watcher = Watcher(cohort, () if objective is None else objective.needs, objective)
    obs, _ = cohort.reset(seed=seed)
    watcher.begin(obs)
    policy.bind(cohort)
    tally = Tally(cohort)
    horizon = 24.0 * tally.horizon_days
    while not cohort.over.all():
        action = policy.act(obs, rng).action
        obs, _, terminated, _, info = cohort.step(action)
        out = cohort.outcomes
        if not (out["fetches"] > 0).any():
            raise RuntimeError("no user acted in a step, yet some are not over; the world hangs.")
        parts: Mapping[str, Floats] = {}
        if objective is not None:
            with np.errstate(over="ignore", invalid="ignore"):  # Tally.add looks
                parts = objective.parts(watcher.step(obs, info))
        tally.add(out, action, np.asarray(terminated, bool), parts)
        told(float(np.where(cohort.over, 1.0, np.minimum(tally.clock / horizon, 1.0)).mean()))
    return tally.result()


class NotFinite(ValueError):
    """A reward sums to no number, or to one that is too large to be squared."""


def check_finite(label: str, sums: Floats) -> None:
    """NotFinite unless all sums (n,) of a reward, or of a part, are numbers within LARGEST."""
    lost = np.flatnonzero(~(np.abs(sums) < LARGEST))
    if len(lost):
        raise NotFinite(
            f"{label} sums to {sums[lost[0]]:g} for some people; weigh it by less, or mend what "
            "it is made of"
        )


class Tally:
    """The streaming sums over a cohort of n users: fixed memory, however long they live."""

    def __init__(self, cohort: Cohort) -> None:
        n = cohort.num_envs
        world = cohort.world
        self.gamma = float(world.gamma_day)
        self.day_value = float(world.day_value)
        horizon = getattr(cohort, "horizon_days", None)  # the cohort's own, if it was given one
        self.horizon_days = float(world.horizon_days if horizon is None else horizon)
        self.births = cohort.users["birth"].copy()
        self.numbers = cohort.users["user"].copy()
        self.sums = np.zeros((len(SUMMED), n))  # calendar-discounted
        self.plain = np.zeros((len(SUMMED), n))
        self.rewards: dict[str, Floats] = {}  # part -> (n,) discounted sums
        self.churned = np.zeros(n)
        self.clock = np.zeros(n)  # of the last decision [h]
        self.first_day = np.full(n, -1, np.int64)  # calendar day of the first session
        self.active = np.zeros((n, DAYS), bool)
        self.last_week = np.zeros(n)  # value of the last LAST_DAYS, discounted
        self.fresh = np.ones(n, bool)  # the next decision opens a session
        self.position = np.zeros(n)  # fetches of this session so far
        self.by_tenure = np.zeros((len(TENURE_DAYS) + 1, 2))
        self.by_position = np.zeros((POSITIONS, 2))
        actions = getattr(cohort.single_action_space, "n", 0)
        self.by_action = np.zeros(int(actions))
        self.steps = 0

    def add(
        self,
        out: Records,
        action: npt.NDArray[Any],
        terminated: npt.NDArray[Any],
        parts: Mapping[str, Floats] = MappingProxyType({}),
    ) -> None:
        """Count one step. ``out`` OUTCOME[n]; blank rows (nobody acted) count for nothing.

        parts: what the step was worth by an objective, (n,) by part.

        Raises:
            NotFinite: so far a part sums to no number.
        """
        on = np.flatnonzero(out["fetches"] > 0)  # late in a study they are few
        out = out[on]
        clock = self.clock[on] = out["clock"]
        weight = self.gamma ** (clock / 24.0)
        fields = np.stack([out[field] for field in SUMMED.values()])
        self.sums[:, on] += weight * fields
        self.plain[:, on] += fields
        for label, part in parts.items():
            sums = self.rewards.setdefault(label, np.zeros(len(self.clock)))
            with np.errstate(over="ignore", invalid="ignore"):
                sums[on] += weight * part[on]
            check_finite(label, sums[on])
        worth = out["revenue"] + self.day_value * out["satisfied_day"]
        late = clock >= 24.0 * (self.horizon_days - LAST_DAYS)
        self.last_week[on] += np.where(late, weight * worth, 0.0)
        self.churned[on] += terminated[on]
        self.steps += len(on)
        self._count_days(on[self.fresh[on]], clock[self.fresh[on]])
        self._count_ads(out, (clock - self.births[on]) / 24.0, self.position[on])
        if self.by_action.size:
            self.by_action += np.bincount(
                action.reshape(-1)[on], weights=out["fetches"], minlength=self.by_action.size
            )
        self.fresh[on] = out["ended"] > 0
        self.position[on] = np.where(self.fresh[on], 0.0, self.position[on] + out["fetches"])

    def _count_days(self, lanes: npt.NDArray[np.int64], clock: Floats) -> None:
        """Mark the day on which a session starts, counted from the user's own first day."""
        today = np.floor(clock / 24.0).astype(np.int64)
        first = self.first_day[lanes] = np.where(
            self.first_day[lanes] < 0, today, self.first_day[lanes]
        )
        seen = today - first < DAYS
        self.active[lanes[seen], (today - first)[seen]] = True

    def _count_ads(self, out: Records, age: Floats, position: Floats) -> None:
        """Fetches and ads by age of the account [days], and by position in the session.

        All fetches of one step carry the same decision, so each has ads / fetches of its ads.
        """
        fetches, ads = out["fetches"], out["ads"]
        bucket = np.searchsorted(TENURE_DAYS, age, side="right")
        for column, counts in enumerate((fetches, ads)):
            self.by_tenure[:, column] += np.bincount(
                bucket, weights=counts, minlength=len(self.by_tenure)
            )
        end, rate = position + fetches, ads / fetches
        for spot in range(POSITIONS):
            upper = end if spot == POSITIONS - 1 else np.minimum(end, spot + 1.0)
            here = np.maximum(upper - np.maximum(position, spot), 0.0)
            self.by_position[spot] += here.sum(), (here * rate).sum()

    def result(self) -> Evaluation:
        """The evaluation, once every life is over."""
        users: Records = np.zeros(len(self.numbers), METRIC)
        users["user"], users["churned"] = self.numbers, self.churned
        for name, sums, plain in zip(SUMMED, self.sums, self.plain, strict=True):
            users[name], users[f"undiscounted_{name}"] = sums, plain
        users["value"] = users["revenue"] + self.day_value * users["satisfied_days"]
        alive = self.churned == 0
        users["days_alive"] = np.where(alive, self.horizon_days, self.clock / 24.0)
        users["beyond"] = beyond_horizon(self.last_week, self.gamma, self.horizon_days)
        users = with_rewards(users, self.rewards)
        days = np.floor(self.horizon_days).astype(np.int64) - self.first_day
        return Evaluation(
            users=users,
            active=self.active,
            watched=np.where(self.first_day < 0, 0, np.clip(days, 0, DAYS)),
            by_tenure=self.by_tenure,
            by_position=self.by_position,
            by_action=self.by_action,
            steps=self.steps,
        )


def with_rewards(users: Records, parts: Mapping[str, Floats]) -> Records:
    """METRIC[n] with the columns of equation (3); as they were without parts."""
    if not parts:
        return users
    with np.errstate(over="ignore", invalid="ignore"):
        columns = {REWARD: np.sum(list(parts.values()), axis=0)}
    check_finite(REWARD, columns[REWARD])
    columns |= {PART + label: part for label, part in parts.items()}
    told = np.zeros(len(users), [*METRIC.descr, *((name, "f8") for name in columns)])
    for name in METRIC.names or ():
        told[name] = users[name]
    for name, column in columns.items():
        told[name] = column
    return told


def reward_columns(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that are columns of equation (3): the whole first, then its parts."""
    return tuple(name for name in names if name == REWARD or name.startswith(PART))


def beyond_horizon(last_week: Floats, gamma_day: float, horizon_days: float) -> Floats:
    """Equation (2): value estimated beyond the horizon, from the discounted value of its last week.

    Args:
        last_week: (n,) discounted value of the last ``min(7, horizon_days)`` days.
        gamma_day: discount of one day, in (0, 1]; 1 has no finite answer and gives nan.
        horizon_days: length of the study [days].
    """
    if gamma_day >= 1.0:
        return np.full_like(last_week, np.nan)
    kept = gamma_day ** min(LAST_DAYS, horizon_days)
    return np.asarray(last_week * kept / (1.0 - kept))


def joined(parts: list[Evaluation]) -> Evaluation:
    """One evaluation of all users of several."""
    return Evaluation(
        users=np.concatenate([part.users for part in parts]),
        active=np.concatenate([part.active for part in parts]),
        watched=np.concatenate([part.watched for part in parts]),
        by_tenure=np.sum([part.by_tenure for part in parts], axis=0),
        by_position=np.sum([part.by_position for part in parts], axis=0),
        by_action=np.sum([part.by_action for part in parts], axis=0),
        steps=sum(part.steps for part in parts),
    )
