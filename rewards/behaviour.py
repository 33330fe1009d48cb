"""Behaviour: what a session looked like up to the end of a step, as numbers that a log has.

SESSION tells of the session so far: what came before the step (from the state at the decision) and
the step itself (from its outcomes), so that it hardly matters whether decisions are made by fetch
or by session. ENDING tells of the last fetch, position by position. Models fitted to panels
(panels.py) stand on these. All is one compiled loop over rows; a row never feels another.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled, law
from longplay.envs.spaces import USER_FEATURES, share_of
from longplay.envs.state import SLOT
from longplay.rewards.step import Step, Values

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
COLUMNS = ("minutes", "plays", "skips", "likes", "fetches", "ad_views", "looked", "ended")
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
def tell_session(x: Any, state: Any, done: Any, i: int, history: Any, so_far: Any, h: Any) -> None:
    """SESSION of row i into x."""
    for k in range(len(history)):
        x[k] = state[i, history[k]]
    at = len(history)
    for k in range(6):
        before = min(float(state[i, so_far[k]]), 0.99999)
        x[at + k] = h[k] * before / (1.0 - before) + done[k, i]
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
    x[at + 6] = (done[6, i] - done[1, i]) / max(done[6, i], 1.0)
    x[at + 7] = done[7, i]


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
def score(x: Any, weights: Any, out: Any, i: int) -> None:
    """x . weights + their last row, into the four columns of out."""
    k = len(x)
    a, b, c, d = weights[k, 0], weights[k, 1], weights[k, 2], weights[k, 3]
    for f in range(k):
        value = x[f]
        a += value * weights[f, 0]
        b += value * weights[f, 1]
        c += value * weights[f, 2]
        d += value * weights[f, 3]
    out[0, i] = a
    out[1, i] = b
    out[2, i] = c
    out[3, i] = d


@compiled
def session_scores(
    rows: Any,
    state: Any,
    done: Any,
    weights: Any,
    x: Any,
    out: Any,
    history: Any,
    so_far: Any,
    h: Any,
) -> None:
    """Scores of some rows, from SESSION; x is room for one row, or for all of them to be kept."""
    for at in range(len(rows)):
        row = x[at % len(x)]
        tell_session(row, state, done, rows[at], history, so_far, h)
        score(row, weights, out, at)


@compiled
def ending_scores(
    rows: Any,
    state: Any,
    done: Any,
    slots: Any,
    weights: Any,
    x: Any,
    out: Any,
    history: Any,
    so_far: Any,
    h: Any,
) -> None:
    """Scores of some rows, from SESSION and ENDING."""
    for at in range(len(rows)):
        row = x[at % len(x)]
        tell_session(row, state, done, rows[at], history, so_far, h)
        tell_ending(row, len(row) - 8, slots[rows[at]])
        score(row, weights, out, at)


def features(step: Step, ending: bool) -> Floats:
    """SESSION, or SESSION and ENDING, of every row, (n, f): what a model is fitted to."""
    names = len(SESSION) + (len(ENDING) if ending else 0)
    rows = np.arange(step.outcomes.size)
    x = np.empty((max(len(rows), 1), names))
    _run(step, rows, np.zeros((names + 1, CLASSES)), x)
    return x[: len(rows)]


def scores(step: Step, weights: Floats, rows: Any = None) -> Floats:
    """Linear scores (4, rows) of weights (f + 1, 4) of SESSION, or of it with ENDING.

    Args:
        step: any shape; its rows are counted as if it were flat.
        weights: as panels.table gives them.
        rows: numbers of rows (rows,); None takes all.
    """
    rows = np.arange(step.outcomes.size) if rows is None else rows
    return _run(step, rows, weights, np.empty((1, len(weights) - 1)))


def chances(step: Step, weights: Floats, rows: Any = None) -> Floats:
    """Softmax of the scores: probabilities (4, rows)."""
    out = scores(step, weights, rows)
    out -= out.max(axis=0)
    np.exp(out, out=out)
    out /= ((out[0] + out[1]) + out[2]) + out[3]
    return out


def _run(step: Step, rows: Any, weights: Floats, x: Floats) -> Floats:
    outcomes = step.outcomes.reshape(-1)
    state = step.need("state", "a model of behaviour")
    state = np.ascontiguousarray(state.reshape(-1, state.shape[-1]), np.float32)
    done = np.empty((len(COLUMNS), len(outcomes)))
    for k, name in enumerate(COLUMNS):
        done[k] = outcomes[name]
    out = np.empty((CLASSES, len(rows)))
    places = (_HISTORY, _SO_FAR, _HALVES)
    if x.shape[1] == len(SESSION):
        session_scores(rows, state, done, weights, x, out, *places)
    else:
        slots = records(step.need("slots", "a model of a session's end"), len(outcomes))
        ending_scores(rows, state, done, slots, weights, x, out, *places)
    return out


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
    slots = slots.reshape(rows, slots.shape[-1])
    if slots.dtype == SLOT:
        return np.ascontiguousarray(slots)
    out = np.zeros(slots.shape, SLOT)
    for name in SLOT.names or ():
        out[name] = slots[name]
    return out
