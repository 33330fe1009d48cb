"""What a comparison found: every number of the report, from the tables of per-user results.

One bootstrap serves all numbers, so that they agree with each other: the same seeds and users are
redrawn for every agent and quantity (see `stats`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from longplay.experiments.evaluate import PART, REWARD, reward_columns
from longplay.experiments.stats import (
    Bootstrap,
    Columns,
    Floats,
    Hurt,
    Interval,
    Panel,
    pairing_gain,
    who_is_hurt,
)

Kind = Literal["fixed", "bandit", "learner", "reference"]

DAYS = (7, 28, 60)  # retention in the table
PARTS = ("value", "revenue", "satisfied_days", "active_days", "minutes")  # means in the table
SEED = 20_240  # of the report's own bootstrap: the same tables give the same report


@dataclass(frozen=True)
class Agent:
    """One row of the report's table."""

    name: str  # as in the column `agent` of the tables
    kind: Kind = "fixed"  # "bandit": the winner is tested against the best of these
    privileged: bool = False  # sees hidden state or forks users: a reference, never a winner
    about: str = ""  # what it is, in half a sentence
    paid: bool = False  # learnt from the run's reward, if it has one of its own


@dataclass(frozen=True)
class Stored:
    """The ends of headroom closed from an earlier run on the same people with the same luck."""

    values: Floats  # (2, seeds, users) value of each user under `myopic` and `oracle` [money]
    made_by: str  # the command


@dataclass(frozen=True)
class ReportData:
    """What a comparison hands to the report."""

    question: str  # the title: "Does patience pay in AdLoad on bench?"
    task: str  # "AdLoad" or "Feed"
    world: str  # name of the scenario
    agents: Sequence[Agent]  # in the order in which they were asked for
    metrics: Columns  # one row per agent, seed and user: agent, seed, user, value, revenue,
    #   satisfied_days, active_days, minutes, ad_views, cut_off; may hold more. Sums are
    #   discounted by calendar; every agent meets the same users in a seed. The mean of cut_off
    #   is the share of the value beyond the horizon
    retention: Columns  # one row per agent, seed and day: agent, seed, day, active, users
    day_value: float  # exchange rate: money per satisfied active day
    gamma_day: float  # discount per day
    horizon_days: float  # how long each user is watched
    made: Mapping[str, str] = field(default_factory=dict)  # label -> text for "How it was made":
    #   {"command": "longplay compare ...", "versions": "...", "machine": ..., "wall time": ...}
    myopic: str = "myopic"  # agent that is 0 on the scale of headroom closed
    oracle: str = "patient"  # agent that is 1; either may be missing from the tables
    baseline: str = ""  # agent against which "who is hurt" is read; "": the best bandit, or if
    #   it leads (or there is none) the best fixed rule
    curves: Columns | None = None  # training: agent, seed, step, value
    behaviour: Columns | None = None  # agent, axis ("fetch of the session"), x, measure
    #   ("ads per fetch"), y; one panel per (axis, measure); repeated rows are averaged
    limits: Sequence[str] = ()  # further sentences for "Limits"
    people: int = (
        0  # users in each seed, where a row of metrics is a group of them; 0: a row is one
    )
    stored: Stored | None = None  # the two ends of the scale, where the agents took no part
    reward: str = ""  # formula that learners were paid by; "": the world's own. With one, metrics
    #   hold reward and its parts, reward:PART, discounted by calendar


@dataclass(frozen=True)
class Row:
    """What was found about one agent."""

    agent: Agent
    means: Mapping[str, Interval]  # of PARTS, per user
    ads_per_hour: Interval  # ads seen per hour played
    retention: Mapping[int, Interval]  # day -> share of users active on that day
    value_by_seed: tuple[float, ...]
    closed: Interval | None  # headroom closed; None: no references
    lead: Interval | None  # value minus that of the best bandit, same users; None: is it, or none
    hurt: Hurt | None  # satisfied days against the baseline; None: is it, or there is none
    reward: Interval | None = None  # what the run's reward came to, per user; None: it has none
    parts: Mapping[str, Interval] = field(default_factory=dict)  # of it, by name

    @property
    def name(self) -> str:
        """Name of the agent."""
        return self.agent.name

    @property
    def value(self) -> Interval:
        """Value per user [money]."""
        return self.means["value"]


@dataclass(frozen=True)
class Duel:
    """The leader against another agent, user by user."""

    other: Row
    lead: Interval  # value of the leader minus value of the other [money]
    gain: float  # how many times more users an unpaired comparison would need
    turning_rate: float  # money per satisfied day at which the order of the two turns; nan: none


@dataclass(frozen=True)
class Findings:
    """Everything found."""

    data: ReportData
    panel: Panel
    rows: tuple[Row, ...]  # best first
    best_bandit: Row | None
    baseline: Row | None
    duels: tuple[Duel, ...]  # the leader against the best bandit (if there is one), the runner-up

    @cached_property
    def contenders(self) -> tuple[Row, ...]:
        """Agents that play by the rules, best first; the privileged if there are no others."""
        return tuple(r for r in self.rows if not r.agent.privileged) or self.rows

    @property
    def leader(self) -> Row:
        """The contender of highest value."""
        return self.contenders[0]

    @cached_property
    def by_reward(self) -> tuple[Row, ...]:
        """All agents, most of the run's own reward first; empty if it has none."""
        paid = [row for row in self.rows if row.reward is not None]
        return tuple(sorted(paid, key=lambda row: -row.reward.mean if row.reward else 0.0))

    @property
    def users(self) -> int:
        """Users in each seed."""
        return self.data.people or self.panel.users

    @property
    def won(self) -> bool:
        """The leader is told apart from everybody it was tested against."""
        return bool(self.duels) and all(duel.lead.sign > 0 for duel in self.duels)

    def row(self, name: str) -> Row | None:
        """The row of an agent, if it took part."""
        return next((r for r in self.rows if r.name == name), None)

    def change(self, row: Row) -> Floats:
        """Satisfied days of each user minus those under the baseline: (seeds, users)."""
        assert self.baseline is not None
        days = self.panel["satisfied_days"]
        out: Floats = days[self.panel.index(row.name)] - days[self.panel.index(self.baseline.name)]
        return out

    @property
    def cut_off(self) -> tuple[str, float]:
        """The agent that loses the largest share of its value to the horizon, and that share."""
        if "cut_off" not in self.data.metrics:
            return "", math.nan
        names = np.asarray(self.data.metrics["agent"]).astype(str)
        share = np.asarray(self.data.metrics["cut_off"], np.float64)
        found = [(float(share[names == r.name].mean()), r.name) for r in self.rows]
        worst, name = max(found, key=lambda x: -math.inf if math.isnan(x[0]) else x[0])
        return name, worst


def find(data: ReportData, seed: int = SEED) -> Findings:
    """Compute every number of the report.

    Raises ValueError when the tables are not paired, or name agents that `data.agents` lacks.
    """
    extra = [n for n in ("undiscounted_ad_views", "undiscounted_minutes") if n in data.metrics]
    extra += reward_columns(data.metrics) if data.reward else ()
    panel = Panel.of(data.metrics, (*PARTS, "ad_views", *extra))
    known = {agent.name: agent for agent in data.agents}
    missing = [name for name in panel.agents if name not in known]
    if missing:
        raise ValueError(
            f"the metrics hold agent {missing[0]!r}, which is not in data.agents: "
            f"{', '.join(known)}"
        )
    boot = Bootstrap(len(panel.seeds), panel.users, np.random.default_rng(seed))
    agents = [known[name] for name in panel.agents]
    value = panel["value"].mean(axis=(1, 2))
    bandit = _best(value, [a.kind == "bandit" and not a.privileged for a in agents])
    baseline = _baseline(data, panel, value, bandit)
    order = np.argsort(-value, kind="stable").tolist()
    made = _rows(data, panel, boot, agents, bandit, baseline)
    rows = tuple(made[i] for i in order)
    open_to = [i for i in order if not agents[i].privileged] or order
    against = list(dict.fromkeys(i for i in (bandit, *open_to[1:2]) if i not in (None, open_to[0])))
    return Findings(
        data=data,
        panel=panel,
        rows=rows,
        best_bandit=None if bandit is None else made[bandit],
        baseline=None if baseline is None else made[baseline],
        duels=tuple(_duel(panel, boot, made, open_to[0], i) for i in against if i is not None),
    )


def _best(value: Floats, among: Sequence[bool]) -> int | None:
    chosen = [i for i, yes in enumerate(among) if yes]
    return max(chosen, key=lambda i: float(value[i])) if chosen else None


def _baseline(data: ReportData, panel: Panel, value: Floats, bandit: int | None) -> int | None:
    """The agent asked for; else the best bandit, fixed rule or any other that does not lead.

    None where rows are groups: who is hurt is a question about persons.
    """
    if data.people:
        return None
    if data.baseline:
        if data.baseline not in panel.agents:
            raise ValueError(
                f"baseline={data.baseline!r} took no part; choose among {', '.join(panel.agents)}"
            )
        return panel.index(data.baseline)
    known = {agent.name: agent for agent in data.agents}
    agents = [known[name] for name in panel.agents]
    leader = _best(value, [not a.privileged for a in agents])
    if bandit is not None and bandit != leader:
        return bandit
    others = [not a.privileged and i != leader for i, a in enumerate(agents)]
    fixed = _best(value, [o and a.kind == "fixed" for o, a in zip(others, agents, strict=True)])
    return fixed if fixed is not None else _best(value, others)


def _rows(
    data: ReportData,
    panel: Panel,
    boot: Bootstrap,
    agents: Sequence[Agent],
    bandit: int | None,
    baseline: int | None,
) -> list[Row]:
    """One row per agent, in the order of the panel."""
    n = len(agents)
    means = {
        name: at_least(0.0, boot.intervals(boot.means(panel[name])), bool(panel[name].min() >= 0))
        for name in PARTS
    }
    plain = "undiscounted_" if "undiscounted_ad_views" in panel.columns else ""
    both = boot.means(np.concatenate([panel[plain + "ad_views"], panel[plain + "minutes"]]))
    rates = boot.intervals(both.of(lambda m: _per_hour(m[..., :n], m[..., n:])))
    per_hour = at_least(0.0, rates)
    retention = retention_by_day(data, panel, boot)
    values = boot.means(panel["value"])
    closed: list[Interval] | None = None
    if data.myopic in panel.agents and data.oracle in panel.agents:
        ends = panel.index(data.myopic), panel.index(data.oracle)
        closed = boot.headroom(panel["value"], *ends)
    elif data.stored is not None:
        closed = boot.headroom(np.concatenate([panel["value"], data.stored.values]), n, n + 1)[:n]
    leads: list[Interval] | None = None
    if bandit is not None:
        leads = boot.intervals(values.of(lambda m: m - m[..., bandit : bandit + 1]))
    hurt = None if baseline is None else who_is_hurt(boot, panel["satisfied_days"], baseline)
    by_seed = panel["value"].mean(axis=2)
    columns = reward_columns(panel.columns)
    rewards = {n: of_one_sign(boot.intervals(boot.means(panel[n])), panel[n]) for n in columns}
    return [
        Row(
            agent=agent,
            means={name: means[name][i] for name in PARTS},
            ads_per_hour=per_hour[i],
            retention=retention.get(agent.name, {}),
            value_by_seed=tuple(float(x) for x in by_seed[i]),
            closed=closed[i] if closed else None,
            lead=leads[i] if leads and i != bandit else None,
            hurt=hurt[i] if hurt and i != baseline else None,
            reward=rewards[REWARD][i] if rewards else None,
            parts={n.removeprefix(PART): rewards[n][i] for n in columns if n != REWARD},
        )
        for i, agent in enumerate(agents)
    ]


def at_least(bound: float, found: list[Interval], known: bool = True) -> list[Interval]:
    """Intervals cut at a bound that the quantity is known to keep: few seeds reach beyond it."""
    return [replace(x, low=max(x.low, bound)) if known else x for x in found]


def of_one_sign(found: list[Interval], values: Floats) -> list[Interval]:
    """Intervals of means cut at 0, where no user's value lies on its other side."""
    found = at_least(0.0, found, bool(values.min() >= 0))
    if values.max() > 0:
        return found
    return [replace(x, high=min(x.high, 0.0)) for x in found]


def _per_hour(count: Floats, minutes: Floats) -> Floats:
    """Count per hour; 0 where nothing was played."""
    return 60.0 * np.divide(count, minutes, out=np.zeros_like(count), where=minutes > 0)


def _duel(panel: Panel, boot: Bootstrap, rows: Sequence[Row], a: int, b: int) -> Duel:
    revenue, days = (
        float((panel[name][a] - panel[name][b]).mean()) for name in ("revenue", "satisfied_days")
    )
    turns = -revenue / days if days else math.nan
    return Duel(
        other=rows[b],
        lead=boot.interval(boot.means(panel["value"][[a, b]]).difference(0, 1)),
        gain=pairing_gain(panel["value"][a], panel["value"][b]),
        turning_rate=turns if turns > 0 else math.nan,
    )


def retention_by_day(
    data: ReportData, panel: Panel, boot: Bootstrap
) -> dict[str, dict[int, Interval]]:
    """Agent -> day -> share of users active on that day, for days on which users were watched."""
    table = data.retention
    agent = np.asarray(table["agent"]).astype(str)
    counts: dict[tuple[str, int], dict[int, tuple[int, int]]] = {}
    columns = (table[name].tolist() for name in ("seed", "day", "active", "users"))
    for name, seed, day, active, users in zip(agent.tolist(), *columns, strict=True):
        counts.setdefault((name, int(day)), {})[int(seed)] = (int(active), int(users))
    keys = [
        key
        for key, by_seed in counts.items()
        if set(by_seed) == set(panel.seeds) and all(users for _, users in by_seed.values())
    ]
    if not keys:
        return {}
    both = np.array([[counts[key][seed] for seed in panel.seeds] for key in keys])
    found: dict[str, dict[int, Interval]] = {}
    shares = boot.shares(both[..., 0], both[..., 1], np.array([name for name, _ in keys]))
    for (name, day), interval in zip(keys, shares, strict=True):
        found.setdefault(name, {})[day] = interval
    return {name: dict(sorted(days.items())) for name, days in found.items()}
