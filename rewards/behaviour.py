"""Behaviour: what a session looked like up to the end of a step, as numbers that a log has.

SESSION tells of the session so far: what came before the step (from the state at the decision) and
the step itself (from its outcomes), so that it hardly matters whether decisions are made by fetch
or by session. ENDING tells of the last fetch, position by position. Models fitted to panels
(panels.py) stand on these. All is one compiled loop over rows; a row never feels another. Such a
model takes about a twentieth of the time of a step of AdLoad; two of them, and what hands them the
state, more than a tenth.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled, law
from longplay.envs.spaces import USER_FEATURES, share_of
from longplay.envs.state import OUTCOME, SLOT
from longplay.rewards.step import Step, Values, visible

Floats = npt.NDArray[np.float64]

HISTORY = (  # of the state, as they are; all but the hours stay what they are within a session
    "hour_sin", "hour_cos", "away", "active_rate", "visit_rate", "minutes_rate", "skip_rate",
    "like_rate", "ad_rate",
)  # fmt: skip
SO_FAR = (  # of the session: x / (x + half) with x the sum of state and outcome
    "minutes", "plays", "skips", "likes", "fetches", "ads",
)  # fmt: skip
SESSION = (
    *HISTORY,
    *SO_FAR,
    "skips_per_play", "minutes_per_play", "plays_per_fetch",  # of the session so far
    "raw_minutes", "raw_fetches", "raw_ads",  # the sums themselves, times 0.01, 0.1 and 0.1
    "passed",  # titles passed over per title looked at, in this step
    "ended",
)  # fmt: skip
ENDING = (  # of the last fetch
    "last_seen", "last_plays", "last_kept",  # positions, times 0.1; kept: played and not skipped
    "missed",  # positions in a row, at the end, that were passed over or skipped, times 0.1
    "kept_last", "ad_last",  # what was seen last: a play that was no skip, an ad
    "full", "last_minutes",  # 1 if all was seen; m / (m + 3) of the last play's minutes m
)  # fmt: skip
HALVES = (30.0, 10.0, 3.0, 1.0, 3.0, 3.0)  # of SO_FAR, as spaces.observe squeezes them
VISIBLE = visible(np.zeros(0, OUTCOME)).dtype  # outcomes as a Step has them
CLASSES = 4  # columns of every table of weights; fewer classes leave the rest at -1e9

_HISTORY = np.array([USER_FEATURES.index(name) for name in HISTORY])
_SO_FAR = np.array(
    [
        USER_FEATURES.index(name)
        for name in (
            *("session_minutes", "session_plays", "session_skips", "session_likes"),
            *("fetch", "session_ads"),
        )
    ]
)
_HALVES = np.array(HALVES)


@law
def tell_session(x: Any, state: Any, out: Any, history: Any, so_far: Any, h: Any) -> None:
    """SESSION of one row, its state (30,) and its outcome, into x."""
    for k in range(len(history)):
        x[k] = state[history[k]]
    at = len(history)
    for k in range(6):
        before = min(float(state[so_far[k]]), 0.99999)
        x[at + k] = h[k] * before / (1.0 - before)
    x[at] += out.minutes
    x[at + 1] += out.plays
    x[at + 2] += out.skips
    x[at + 3] += out.likes
    x[at + 4] += out.fetches
    x[at + 5] += out.ad_views
    minutes, plays, skips = x[at], x[at + 1], x[at + 2]
    fetches, ads = x[at + 4], x[at + 5]
    for k in range(6):
        x[at + k] = share_of(x[at + k], h[k])
    at += 6
    x[at] = skips / max(plays, 1.0)
    x[at + 1] = share_of(minutes / max(plays, 1.0), 3.0)
    x[at + 2] = 0.1 * plays / max(fetches, 1.0)
    x[at + 3] = 0.01 * minutes
    x[at + 4] = 0.1 * fetches
    x[at + 5] = 0.1 * ads
    x[at + 6] = (out.looked - out.plays) / max(out.looked, 1.0)
    x[at + 7] = out.ended


@law
def tell_ending(x: Any, at: int, slots: Any) -> None:
    """ENDING of the slots (k,) of one row into x, from place `at`."""
    looks = plays = kept = missed = kept_last = ad_last = last = 0.0
    for slot in slots:
        if slot.seen == 0:
            continue
        looks += 1.0
        kept_last = ad_last = 0.0
        if slot.shows < 0:
            ad_last = 1.0
            continue
        if slot.played == 1:
            plays += 1.0
            last = slot.minutes
        if slot.played == 1 and slot.skipped == 0:
            kept += 1.0
            kept_last = 1.0
            missed = 0.0
        else:
            missed += 1.0
    x[at] = 0.1 * looks
    x[at + 1] = 0.1 * plays
    x[at + 2] = 0.1 * kept
    x[at + 3] = 0.1 * missed
    x[at + 4] = kept_last
    x[at + 5] = ad_last
    x[at + 6] = 1.0 if looks == len(slots) else 0.0
    x[at + 7] = share_of(last, 3.0)


@law
def score(x: Any, weights: Any, below: bool, out: Any, i: int) -> None:
    """x . weights + their last row, into the four columns of out; less their largest, if below."""
    k = len(x)
    a, b, c, d = weights[k, 0], weights[k, 1], weights[k, 2], weights[k, 3]
    for f in range(k):
        value = x[f]
        a += value * weights[f, 0]
        b += value * weights[f, 1]
        c += value * weights[f, 2]
        d += value * weights[f, 3]
    most = max(max(a, b), max(c, d)) if below else 0.0
    out[0, i] = a - most
    out[1, i] = b - most
    out[2, i] = c - most
    out[3, i] = d - most


@compiled
def session_scores(
    rows: Any,
    state: Any,
    outcomes: Any,
    weights: Any,
    below: bool,
    x: Any,
    out: Any,
    history: Any,
    so_far: Any,
    h: Any,
) -> None:
    """Scores of some rows, from SESSION; x is room for one row, or for all of them to be kept."""
    for at in range(len(rows)):
        i, row = rows[at], x[at % len(x)]
        tell_session(row, state[i], outcomes[i], history, so_far, h)
        score(row, weights, below, out, at)


@compiled
def ending_scores(
    rows: Any,
    state: Any,
    outcomes: Any,
    slots: Any,
    weights: Any,
    below: bool,
    x: Any,
    out: Any,
    history: Any,
    so_far: Any,
    h: Any,
) -> None:
    """Scores of some rows, from SESSION and ENDING."""
    for at in range(len(rows)):
        i, row = rows[at], x[at % len(x)]
        tell_session(row, state[i], outcomes[i], history, so_far, h)
        tell_ending(row, len(row) - 8, slots[i])
        score(row, weights, below, out, at)


@compiled
def mix(shares: Any, weights: Any, out: Any) -> None:
    """The mean of four weights, each row's by its own shares (4, n)."""
    for i in range(shares.shape[1]):
        whole = total = 0.0  # in double precision, so that shares sum to 1
        for k in range(CLASSES):
            whole += shares[k, i]
            total += weights[k] * shares[k, i]
        out[i] = total / whole


def features(step: Step, ending: bool) -> Floats:
    """SESSION, or SESSION and ENDING, of every row, (n, f): what a model is fitted to."""
    names = len(SESSION) + (len(ENDING) if ending else 0)
    rows = np.arange(step.outcomes.size)
    x = np.empty((max(len(rows), 1), names))
    _run(step, rows, np.zeros((names + 1, CLASSES)), x, np.empty((CLASSES, len(rows))), False)
    return x[: len(rows)]


def scores(step: Step, weights: Floats, rows: Any = None) -> Floats:
    """Linear scores (4, rows) of weights (f + 1, 4) of SESSION, or of it with ENDING.

    Args:
        step: any shape; its rows are counted as if it were flat.
        weights: as panels.table gives them.
        rows: numbers of rows (rows,); None takes all.
    """
    rows = np.arange(step.outcomes.size) if rows is None else rows
    out = np.empty((CLASSES, len(rows)))
    _run(step, rows, weights, np.empty((1, len(weights) - 1)), out, False)
    return out


def mean_of(step: Step, weights: Floats, worth: Any, rows: Any = None) -> Floats:
    """The mean (rows,) of what each class is worth (4,), by softmax of the scores.

    Chances are good to 1e-6: their exponentials are taken in single precision.
    """
    rows = np.arange(step.outcomes.size) if rows is None else rows
    shares = np.empty((CLASSES, len(rows)), np.float32)
    _run(step, rows, weights, np.empty((1, len(weights) - 1)), shares, True)
    np.exp(shares, out=shares)
    out = np.empty(len(rows))
    mix(shares, np.asarray(worth, np.float64), out)
    return out


def chances(step: Step, weights: Floats, rows: Any = None) -> Floats:
    """Softmax of the scores: probabilities (4, rows)."""
    return np.stack([mean_of(step, weights, worth, rows) for worth in np.eye(CLASSES)])


def _run(step: Step, rows: Any, weights: Floats, x: Floats, out: Any, below: bool) -> None:
    state = step.need("state", "a model of behaviour")
    state = np.ascontiguousarray(state.reshape(-1, state.shape[-1]), np.float32)
    outcomes = alike(step.outcomes.reshape(-1), VISIBLE)
    places = (_HISTORY, _SO_FAR, _HALVES)
    if x.shape[1] == len(SESSION):
        session_scores(rows, state, outcomes, weights, below, x, out, *places)
    else:
        slots = records(step.need("slots", "a model of a session's end"), len(outcomes))
        ending_scores(rows, state, outcomes, slots, weights, below, x, out, *places)


def ends(step: Step) -> npt.NDArray[np.intp]:
    """Numbers of the rows in which a session ended."""
    return np.flatnonzero(step.outcomes["ended"] > 0)


def spread(step: Step, rows: Any, values: Floats) -> Values:
    """Values of some rows, and 0 in all others, in the shape of the outcomes."""
    out = np.zeros(step.outcomes.size)
    out[rows] = values
    return out.reshape(step.outcomes.shape)


def records(slots: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    """Slots (..., k) as SLOT (rows, k), in one piece of memory: what compiled loops take."""
    return alike(slots.reshape(rows, slots.shape[-1]), SLOT)


def alike(found: npt.NDArray[Any], wanted: np.dtype[Any]) -> npt.NDArray[Any]:
    """Records laid out as `wanted`, in one piece, so that loops are compiled for one layout."""
    if found.dtype == wanted:
        return np.ascontiguousarray(found)
    out = np.zeros(found.shape, wanted)
    for name in wanted.names or ():
        out[name] = found[name]
    return out
