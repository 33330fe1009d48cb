"""The figures of a user's own log as targets, in the form of targets/music.json.

The same figures are fitted as for `music`, the others are checks. As in the real logs
behind `music`, only users with 60 days or more between their first and last play count. Standard
errors leave out a tenth of the users at a time (the grouped jackknife of Miller 1974,
The jackknife: a review, Biometrika 61).
"""

import math

import numpy as np

from longplay.experiments.fitting.calibrate import LEAST_SHARE
from longplay.experiments.fitting.eventlog import EventLog
from longplay.experiments.fitting.lives import LEAST_DAYS, long_lives
from longplay.experiments.fitting.playlog import Figures, Floats, Plays, figures
from longplay.experiments.fitting.realism import Targets, read_targets
from longplay.experiments.run import Refused

LEAST_USERS = 10  # with long lives; free choice: quantiles over fewer people say little
GROUPS = 10  # of users, for standard errors
LONGEST = 366.0  # simulated window at most, unless asked for [days]


def targets_of(log: EventLog) -> tuple[Targets, float]:
    """The log's figures as targets, and the window to simulate [days].

    The window is the median time between a user's first and last play, rounded up, at most 366:
    simulated people who stay are seen for the whole window.

    Raises:
        Refused: fewer than 10 users were active over 60 days or more.
    """
    kept = long_lives(log.plays)
    number = np.unique(kept.user).size
    if number < LEAST_USERS:
        longest = float(_spans(log.plays).max())
        raise Refused(
            f"{log.summary.path}: {number} users have {LEAST_DAYS} days or more between first and "
            f"last play (the longest: {longest:.1f} days); wanted at least {LEAST_USERS} of them."
        )
    found = figures(kept)
    scalars = {k: v for k, v in found.scalars.items() if math.isfinite(v) and v > 0.0}
    profiles = {
        name: np.maximum(shares, LEAST_SHARE) / np.maximum(shares, LEAST_SHARE).sum()
        for name, shares in found.profiles.items()
    }
    fitted = read_targets("music").fitted & (set(scalars) | set(profiles))
    without = sorted(set(found.scalars) - set(scalars))
    caveats = [
        f"{number} of {log.summary.users} users count: those with {LEAST_DAYS} days or more "
        "between first and last play.",
        *log.summary.lines()[1:],
    ]
    if without:
        caveats.append(f"Unknown or 0 in this log, and not compared: {', '.join(without)}.")
    targets = Targets(
        name="log",
        about=f"An event log: {found.plays:,} plays in {found.sessions:,} sessions of "
        f"{found.users:,} users, {log.summary.first} to {log.summary.last}.",
        source=f"Computed from {log.summary.path}.",
        licence="",
        caveats=tuple(caveats),
        scalars=scalars,
        profiles=profiles,
        standard_errors=standard_errors(kept, found),
        fitted=frozenset(fitted),
    )
    return targets, min(LONGEST, float(math.ceil(np.median(_spans(kept)))))


def standard_errors(plays: Plays, whole: Figures) -> dict[str, float]:
    """By leaving out each group of users in turn.

    There is none where a figure is unknown without some group, or never moves, as medians of
    whole numbers may.
    """
    number = np.unique(plays.user, return_inverse=True)[1]
    groups = min(GROUPS, int(number.max()) + 1)
    if groups < 2:
        return {}
    told = []
    for group in range(groups):
        keep = number % groups != group
        item = None if plays.item is None else plays.item[keep]
        rest = Plays(plays.user[keep], plays.start[keep], plays.minutes[keep], item)
        told.append(figures(rest).scalars)
    errors = {}
    for name in whole.scalars:
        values = np.array([scalars.get(name, math.nan) for scalars in told])
        if np.isfinite(values).all() and values.var() > 0.0:
            errors[name] = math.sqrt((groups - 1) * float(values.var()))
    return errors


def _spans(plays: Plays) -> Floats:
    """Days between each user's first and last play; (users,)."""
    number = np.unique(plays.user, return_inverse=True)[1]
    first = np.full(int(number.max()) + 1, np.inf)
    last = np.full_like(first, -np.inf)
    np.minimum.at(first, number, plays.start)
    np.maximum.at(last, number, plays.start)
    spans: Floats = (last - first) / 24.0
    return spans
