"""Figures of a play log: sessions, gaps, habit, skips and rhythms, by fixed definitions.

The same code reads simulated lives and a user's own log, so that both are measured alike:

- a play has a user, a start [h] and the minutes played. Hour 0 is a Monday, 00:00;
- a session is a user's plays with at most 30 minutes between the latest end so far and the next
  start. Session minutes run from its first start to its last end, pauses included. A gap is the
  time from a session's end to the start of the next, so it is longer than half an hour;
- *user* figures take the quantile of every user and average over users; *pooled* ones take all
  users' sessions together;
- sessions per day: a user's sessions over the days between the first and the last play;
- an active day is a calendar day on which a play started. A streak of exactly k days ends (or
  goes on) the day after; idle days are those between two active ones;
- a skip is a play under 30 seconds. Position 0 is a session's first play;
- a repeat is a play of an item that the user has played before in the log. Repeats are judged
  after a user's first 90 days: the share of plays that are repeats, by user; the share whose last
  play was at most 1 or 7 days before, and the median time since it, pooled;
- the hour profile is each user's share of plays by hour, rotated so that hour 0 is the middle of
  the quietest five hours, averaged over users.

Everything is NumPy over whole columns; a million plays take about half a second.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PAUSE = 0.5  # longest pause within a session [h]
SKIP = 0.5  # a play shorter than this is a skip [min]
QUANTILES = (0.1, 0.5, 0.9)
STREAKS = (1, 2, 3, 5, 7, 10, 14, 21)  # [days]
IDLE = (1, 2, 3, 4, 5, 7, 10, 14)  # [days]
LATER = (1, 2, 3, 7, 14, 28)  # [days]
SETTLED = 90.0  # repeats are judged from this day of a user on [days]
POSITIONS = (0, 1, 2, 3, 5, 8, 12, 20, 30, 50)


class Plays(NamedTuple):
    """A play log, one row a play, in any order."""

    user: Ints  # (n,)
    start: Floats  # (n,) [h]; hour 0 is a Monday, 00:00
    minutes: Floats  # (n,) [min]
    item: Ints | None = None  # (n,), where it is known what was played


@dataclass(frozen=True)
class Figures:
    """What a play log looks like, in numbers that two logs can be compared by."""

    users: int
    plays: int
    sessions: int
    scalars: dict[str, float]  # by name, such as "gap_hours.user.p50"; nan where nothing fell
    profiles: dict[str, Floats]  # shares that sum to 1: "hours" (24,), "weekdays" (7,)
    counts: dict[str, int]  # cases behind the probabilities among the scalars


@dataclass(frozen=True)
class Sessions:
    """The sessions of an ordered play log, by user and then by time."""

    user: Ints  # (s,) 0 .. users - 1
    start: Floats  # (s,) [h]
    end: Floats  # (s,) [h]
    plays: Ints  # (s,)
    first: Ints  # (s,) row of the first play

    @property
    def minutes(self) -> Floats:
        """From the first start to the last end [min]."""
        return (self.end - self.start) * 60.0

    def gaps(self) -> tuple[Ints, Floats]:
        """The user and the length [h] of each gap between two sessions of a user."""
        same = self.user[1:] == self.user[:-1]
        return self.user[1:][same], (self.start[1:] - self.end[:-1])[same]


def figures(plays: Plays) -> Figures:
    """The figures of a play log; see the top of this file for their definitions.

    Raises:
        ValueError: the columns differ in length, hold nothing, or hold what is not a number.
    """
    log = ordered(plays)
    users = int(log.user[-1]) + 1
    sessions = sessions_of(log)
    scalars: dict[str, float] = {}
    counts: dict[str, int] = {}
    _session_figures(scalars, log, sessions, users)
    _skip_figures(scalars, log, sessions, users)
    _day_figures(scalars, counts, log, users)
    if log.item is not None:
        _repeat_figures(scalars, log, log.item, users)
    profiles = {
        "hours": hour_profile(log.user, log.start, users),
        "weekdays": _shares(log.user, np.floor(log.start / 24.0) % 7, users, 7).mean(axis=0),
    }
    return Figures(users, log.user.size, sessions.user.size, scalars, profiles, counts)


def ordered(plays: Plays) -> Plays:
    """The log by user and start, users renumbered 0, 1, ... in the order of their numbers."""
    user = np.asarray(plays.user)
    start = np.asarray(plays.start, np.float64)
    minutes = np.asarray(plays.minutes, np.float64)
    item = None if plays.item is None else np.asarray(plays.item)
    columns = [user, start, minutes] if item is None else [user, start, minutes, item]
    if user.ndim != 1 or any(column.shape != user.shape for column in columns):
        shapes = ", ".join(str(column.shape) for column in columns)
        raise ValueError(
            f"A play log with columns of shapes {shapes}; wanted columns of one length."
        )
    if user.size == 0:
        raise ValueError("A play log without plays; figures need at least one.")
    if not (np.isfinite(start).all() and np.isfinite(minutes).all() and minutes.min() >= 0):
        raise ValueError(
            "A play log with starts or minutes that are negative or no numbers; drop these rows."
        )
    later = user[1:] > user[:-1]
    longer = (start[1:] == start[:-1]) & (minutes[1:] >= minutes[:-1])
    after = (start[1:] > start[:-1]) | longer  # the longer of two plays at once comes last
    if not (later | ((user[1:] == user[:-1]) & after)).all():
        order = np.lexsort((minutes, start, user))
        user, start, minutes = user[order], start[order], minutes[order]
        item = None if item is None else item[order]
        later = user[1:] != user[:-1]
    number = np.zeros(user.size, np.int64)
    np.cumsum(later, out=number[1:])
    return Plays(number, start, minutes, item)


def sessions_of(log: Plays) -> Sessions:
    """The sessions of an ordered log, by the 30-minute rule."""
    end = log.start + log.minutes / 60.0
    bounds = np.flatnonzero(np.diff(log.user, prepend=-1, append=log.user[-1] + 1))
    latest = np.empty_like(end)  # latest end of the user's plays so far
    for begin, stop in itertools.pairwise(bounds):
        np.maximum.accumulate(end[begin:stop], out=latest[begin:stop])
    fresh = np.ones(end.size, bool)
    fresh[1:] = log.start[1:] - latest[:-1] > PAUSE
    fresh[bounds[:-1]] = True
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], end.size) - 1
    return Sessions(log.user[first], log.start[first], latest[last], last - first + 1, first)


def user_quantiles(user: Ints, value: Floats, users: int, q: float) -> Floats:
    """The q-quantile of each user's values, linear between ranks; (users,), nan for none."""
    order = np.lexsort((value, user))
    sorted_ = value[order]
    number = np.bincount(user, minlength=users)
    begin = np.cumsum(number) - number
    rank = q * np.maximum(number - 1, 0)
    low = np.floor(rank).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(number - 1, 0))
    out = np.full(users, np.nan)
    some = number > 0
    a = sorted_[(begin + low)[some]]
    b = sorted_[(begin + high)[some]]
    out[some] = a + (b - a) * (rank - low)[some]
    return out


def hour_profile(user: Ints, start: Floats, users: int) -> Floats:
    """Share of plays by hour, hour 0 the middle of each user's quietest five hours; (24,)."""
    shares = _shares(user, np.floor(start % 24.0), users, 24)
    window = sum(np.roll(shares, shift, axis=1) for shift in range(-2, 3))  # centred on its hour
    # Sums of five shares may differ in the last bit between equal windows: round, take the first.
    quietest = np.argmin(np.round(window, 12), axis=1)
    hours = (quietest[:, None] + np.arange(24)) % 24
    profile: Floats = np.take_along_axis(shares, hours, axis=1).mean(axis=0)
    return profile


def _shares(user: Ints, group: Floats, users: int, groups: int) -> Floats:
    """Each user's share of plays by group; (users, groups), rows sum to 1."""
    cell = user * groups + group.astype(np.int64)
    plays = np.bincount(cell, minlength=users * groups).reshape(users, groups).astype(np.float64)
    shares: Floats = plays / plays.sum(axis=1, keepdims=True)
    return shares


def _spread(into: dict[str, float], name: str, values: Floats) -> None:
    """Quantiles and mean over users, under ``name``."""
    known = values[np.isfinite(values)]
    for q in QUANTILES:
        into[f"{name}.p{q * 100:.0f}"] = float(np.quantile(known, q)) if known.size else np.nan
    into[f"{name}.mean"] = float(known.mean()) if known.size else np.nan


def _session_figures(into: dict[str, float], log: Plays, sessions: Sessions, users: int) -> None:
    """Sessions per day, session length, gaps, and where sessions end."""
    first = np.flatnonzero(np.diff(log.user, prepend=-1))
    per_user = np.bincount(sessions.user, minlength=users)
    last_end = np.maximum.reduceat(log.start + log.minutes / 60.0, first)
    days = np.maximum(last_end - log.start[first], 1e-9) / 24.0
    _spread(into, "sessions_per_day", np.where(days * 24.0 > PAUSE, per_user / days, np.nan))
    gap_user, gap = sessions.gaps()
    for name, user, value in (
        ("session_minutes", sessions.user, sessions.minutes),
        ("session_plays", sessions.user, sessions.plays.astype(float)),
        ("gap_hours", gap_user, gap),
    ):
        for q in QUANTILES:
            label = f"p{q * 100:.0f}"
            own = user_quantiles(user, value, users, q)
            into[f"{name}.user.{label}"] = _mean(own)
            into[f"{name}.pooled.{label}"] = float(np.quantile(value, q)) if value.size else np.nan
    for k in POSITIONS:
        reached = np.bincount(sessions.user[sessions.plays > k], minlength=users)
        ended = np.bincount(sessions.user[sessions.plays == k + 1], minlength=users)
        into[f"end_hazard.{k}"] = _mean(_ratio(ended, reached))


def _skip_figures(into: dict[str, float], log: Plays, sessions: Sessions, users: int) -> None:
    """How often plays are skips, by user, by position, and after a skip or a play."""
    skip = log.minutes < SKIP
    number = np.bincount(log.user, minlength=users)
    into["skip_rate.pooled"] = float(skip.mean())
    _spread(into, "skip_rate", np.bincount(log.user, skip, users) / number)
    position = np.arange(log.user.size) - np.repeat(sessions.first, sessions.plays)
    for k in POSITIONS:
        here = position == k
        met = np.bincount(log.user[here], minlength=users)
        into[f"skip_by_position.{k}"] = _mean(
            _ratio(np.bincount(log.user[here], skip[here], users), met)
        )
    inside = position[1:] > 0
    for name, before in (("play", ~skip[:-1]), ("skip", skip[:-1])):
        pair = inside & before
        user = log.user[1:][pair]
        again = np.bincount(user, skip[1:][pair], users)
        into[f"skip_after.{name}"] = _mean(_ratio(again, np.bincount(user, minlength=users)))


def _day_figures(into: dict[str, float], counts: dict[str, int], log: Plays, users: int) -> None:
    """Active days, and how likely one follows a streak, an absence, or a day k days before."""
    calendar = np.floor(log.start / 24.0).astype(np.int64)
    new = np.ones(calendar.size, bool)
    new[1:] = (calendar[1:] != calendar[:-1]) | (log.user[1:] != log.user[:-1])
    at = np.flatnonzero(new)
    user, day = log.user[at], calendar[at]
    bounds = np.flatnonzero(np.diff(user, prepend=-1, append=users))
    first, last = day[bounds[:-1]], day[bounds[1:] - 1]
    _spread(into, "active_share", np.diff(bounds) / (last - first + 1))
    hours = np.add.reduceat(log.minutes, at) / 60.0
    _spread(into, "hours_per_active_day", user_quantiles(user, hours, users, 0.5))

    same = user[1:] == user[:-1]
    step = np.where(same, day[1:] - day[:-1], 0)  # days to the user's next active day; 0: none
    begins = np.ones(day.size, bool)
    begins[1:] = step != 1
    index = np.arange(day.size)
    streak = index - np.maximum.accumulate(np.where(begins, index, 0)) + 1
    for k in STREAKS:
        cases = step[(streak[:-1] == k) & same]
        _share(into, counts, f"active_next.streak.{k}", cases == 1)
    away = step[step > 1] - 1
    for k in IDLE:
        _share(into, counts, f"active_next.idle.{k}", away[away >= k] == k)
    wide = int(day.max() - day.min()) + max(LATER) + 2
    key = user * wide + (day - day.min())  # rising
    for k in LATER:
        watched = day + k <= last[user]
        wanted = key[watched] + k
        found = np.searchsorted(key, wanted)
        hit = key[np.minimum(found, key.size - 1)] == wanted
        _share(into, counts, f"active_after.{k}", hit)


def _repeat_figures(into: dict[str, float], log: Plays, items: Ints, users: int) -> None:
    """How much of what is played was played before, and how long ago."""
    first = np.flatnonzero(np.diff(log.user, prepend=-1))
    settled = log.start >= np.repeat(
        log.start[first] + 24.0 * SETTLED, np.diff(np.append(first, log.user.size))
    )
    order = np.lexsort((items, log.user))  # stable: each item's plays stay in order of time
    user, item, start = log.user[order], items[order], log.start[order]
    again = np.zeros(user.size, bool)
    again[1:] = (user[1:] == user[:-1]) & (item[1:] == item[:-1])
    days = np.full(user.size, np.inf)  # since the item's last play
    days[1:][again[1:]] = (np.diff(start) / 24.0)[again[1:]]
    judged = settled[order]
    number = np.bincount(user[judged], minlength=users)
    repeated = np.bincount(user[judged], again[judged], users)
    into["repeats"] = _mean(_ratio(repeated, number))
    days = days[judged]
    for limit in (1, 7):
        into[f"repeats.within.{limit}"] = float((days <= limit).mean()) if days.size else np.nan
    known = days[np.isfinite(days)]
    into["repeats.gap_days.p50"] = float(np.median(known)) if known.size else np.nan


def _share(
    into: dict[str, float], counts: dict[str, int], name: str, cases: npt.NDArray[np.bool_]
) -> None:
    """The share of true cases and their number; nan for none."""
    into[name] = float(cases.mean()) if cases.size else np.nan
    counts[name] = cases.size


def _ratio(part: npt.NDArray[np.number], whole: npt.NDArray[np.number]) -> Floats:
    """part / whole, nan where whole is 0."""
    out = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def _mean(values: Floats) -> float:
    """The mean of the numbers among ``values``; nan if there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan
