"""Behaviour: what a session looked like up to the end of a step, as numbers that a log has.

SESSION tells of the session so far: what came before the step (from the state at the decision) and
the step itself (from its outcomes), so that it hardly matters whether decisions are made by fetch
or by session. ENDING tells of the last fetch, position by position. Models fitted to panels
(panels.py) stand on these. All is one compiled loop over blocks of rows; a row never feels another.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled, law
from longplay.envs.spaces import USER_FEATURES, share_of
from longplay.envs.state import SLOT
from longplay.rewards.step import VISIBLE, Step, Values

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
CLASSES = 4  # columns of every table of weights; fewer classes leave the rest at -1e9

ROWS = 32  # taken at once, feature by feature: so the compiler reckons several rows in one go
MINUTES, PLAYS, SKIPS, LIKES, FETCHES, ADS = range(6)  # of SO_FAR
FRESH = len(SO_FAR)  # raw numbers: SO_FAR as the state has them, then as the step added to them,
LOOKED = 2 * len(SO_FAR)  # then titles looked at in the step
ENDED = SESSION.index("ended")

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
_HALVES = np.array(HALVES, np.float32)
_single: Any = np.float32  # the loops reckon in single precision
_ZERO, _ONE, _THREE, _TENTH, _HUNDREDTH = map(_single, (0.0, 1.0, 3.0, 0.1, 0.01))
_LESS = _single(0.99999)  # than 1: what stands for a sum beyond all bounds


@law
def gather(x: Any, raw: Any, many: int, first: int, state: Any, outcomes: Any) -> None:
    """What rows `first` and on bring, as columns: HISTORY and `ended` into x, the rest into raw."""
    for r in range(many):
        row = state[first + r]
        for k in range(len(HISTORY)):
            x[k, r] = row[_HISTORY[k]]
        for k in range(len(SO_FAR)):
            raw[k, r] = row[_SO_FAR[k]]
        out = outcomes[first + r]
        raw[FRESH + MINUTES, r] = out.minutes
        raw[FRESH + PLAYS, r] = out.plays
        raw[FRESH + SKIPS, r] = out.skips
        raw[FRESH + LIKES, r] = out.likes
        raw[FRESH + FETCHES, r] = out.fetches
        raw[FRESH + ADS, r] = out.ad_views
        raw[LOOKED, r] = out.looked
        x[ENDED, r] = out.ended


@law
def tell_session(x: Any, raw: Any, many: int) -> None:
    """The rest of SESSION into x (f, ROWS); raw then holds sums of the session."""
    at = len(HISTORY)
    for k in range(len(SO_FAR)):
        half = _HALVES[k]
        for r in range(many):
            before = min(raw[k, r], _LESS)
            raw[k, r] = half * before / (_ONE - before) + raw[FRESH + k, r]
            x[at + k, r] = share_of(raw[k, r], half)
    at += len(SO_FAR)
    for r in range(many):
        x[at, r] = raw[SKIPS, r] / max(raw[PLAYS, r], _ONE)
    for r in range(many):
        x[at + 1, r] = share_of(raw[MINUTES, r] / max(raw[PLAYS, r], _ONE), _THREE)
    for r in range(many):
        x[at + 2, r] = _TENTH * raw[PLAYS, r] / max(raw[FETCHES, r], _ONE)
    for r in range(many):
        x[at + 3, r] = _HUNDREDTH * raw[MINUTES, r]
        x[at + 4, r] = _TENTH * raw[FETCHES, r]
        x[at + 5, r] = _TENTH * raw[ADS, r]
    for r in range(many):
        passed = raw[LOOKED, r] - raw[FRESH + PLAYS, r]
        x[at + 6, r] = passed / max(raw[LOOKED, r], _ONE)


@compiled
def tell_ending(slots: Any, out: Any) -> None:
    """ENDING of slots (n, k) into out (8, n).

    No branch hangs on what a slot holds, which is a coin toss.
    """
    for i in range(len(slots)):
        looks = organics = plays = kept = reached = kept_last = ad_last = 0
        last = _ZERO
        for slot in slots[i]:
            seen = int(slot.seen)
            organic = seen & int(slot.shows >= 0)
            play = organic & int(slot.played)
            keep = play & (1 - int(slot.skipped))
            looks += seen
            organics += organic
            plays += play
            kept += keep
            reached = organics if keep else reached
            kept_last = keep if seen else kept_last
            ad_last = seen - organic if seen else ad_last
            minutes = slot.minutes  # read it anyhow: not to read it would be a branch
            last = minutes if play else last
        out[0, i] = _TENTH * np.float32(looks)
        out[1, i] = _TENTH * np.float32(plays)
        out[2, i] = _TENTH * np.float32(kept)
        out[3, i] = _TENTH * np.float32(organics - reached)
        out[4, i] = kept_last
        out[5, i] = ad_last
        out[6, i] = 1.0 if looks == slots.shape[1] else 0.0
        out[7, i] = share_of(last, _THREE)


@law
def score(sums: Any, x: Any, many: int, weights: Any, below: bool) -> None:
    """x . weights + their last row, into sums (4, ROWS); less their largest, if below."""
    own = weights[len(x)]
    for c in range(CLASSES):
        for r in range(many):
            sums[c, r] = own[c]
    for f in range(len(x)):
        a, b, c, d = weights[f, 0], weights[f, 1], weights[f, 2], weights[f, 3]
        for r in range(many):
            value = x[f, r]
            sums[0, r] += value * a
            sums[1, r] += value * b
            sums[2, r] += value * c
            sums[3, r] += value * d
    if below:
        for r in range(many):
            most = max(max(sums[0, r], sums[1, r]), max(sums[2, r], sums[3, r]))
            for c in range(CLASSES):
                sums[c, r] -= most


@compiled
def all_scores(
    state: Any, outcomes: Any, ending: Any, weights: Any, below: bool, room: Any, out: Any
) -> None:
    """Scores of all rows into out (4, n), from SESSION and what else is told, ending (k, n).

    Room for a block of rows: features x (f, ROWS), raw numbers (LOOKED + 1, ROWS), sums (4, ROWS).
    """
    x, raw, sums = room
    for first in range(0, len(outcomes), ROWS):
        many = min(ROWS, len(outcomes) - first)
        gather(x, raw, many, first, state, outcomes)
        tell_session(x, raw, many)
        for k in range(len(ending)):
            for r in range(many):
                x[len(SESSION) + k, r] = ending[k, first + r]
        score(sums, x, many, weights, below)
        for c in range(CLASSES):
            for r in range(many):
                out[c, first + r] = sums[c, r]


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
    out = np.empty((step.outcomes.size, names))
    for k in range(0, names, CLASSES):  # as scores of weights that are 1 for one feature each
        weights = np.eye(names + 1, CLASSES, -k)
        weights[-1] = 0.0
        out[:, k : k + CLASSES] = scores(step, weights)[: names - k].T
    return out


def scores(step: Step, weights: Floats) -> Floats:
    """Linear scores (4, n) of weights (f + 1, 4) of SESSION, or of it with ENDING.

    In single precision: good to (f + 2) 2^-24 sum |x w|, x the features and 1.

    Args:
        step: any shape; its rows are counted as if it were flat.
        weights: as panels.table gives them.
    """
    out = np.empty((CLASSES, step.outcomes.size))
    _run(step, weights, out, False)
    return out


def mean_of(step: Step, weights: Floats, worth: Any) -> Floats:
    """The mean (n,) of what each class is worth (4,), by softmax of the scores.

    A chance is off by at most twice what a score is (see there), and 1e-6, of itself.
    """
    shares = np.empty((CLASSES, step.outcomes.size), np.float32)
    _run(step, weights, shares, True)
    np.exp(shares, out=shares)
    out = np.empty(step.outcomes.size)
    mix(shares, np.asarray(worth, np.float64), out)
    return out


def chances(step: Step, weights: Floats) -> Floats:
    """Softmax of the scores: probabilities (4, n)."""
    return np.stack([mean_of(step, weights, worth) for worth in np.eye(CLASSES)])


def _run(step: Step, weights: Floats, out: Any, below: bool) -> None:
    state = step.need("state", "a model of behaviour")
    state = np.ascontiguousarray(state.reshape(-1, state.shape[-1]), np.float32)
    outcomes = alike(step.outcomes.reshape(-1), VISIBLE)
    sizes = (len(weights) - 1, LOOKED + 1, CLASSES)
    room = tuple(np.empty((size, ROWS), np.float32) for size in sizes)
    weights = np.asarray(weights, np.float32)
    ending = np.empty((len(weights) - 1 - len(SESSION), len(outcomes)), np.float32)
    if len(ending):
        slots = step.need("slots", "a model of a session's end")
        tell_ending(records(slots, len(outcomes)), ending)
    all_scores(state, outcomes, ending, weights, below, room, out)


def at_the_end(step: Step, values: Floats) -> Values:
    """Values (n,) where a session ended, 0 elsewhere, in the shape of the outcomes.

    All rows were judged: half of them cost as much, for memory is fetched ahead in rows.
    """
    ended = step.outcomes["ended"] > 0
    return np.where(ended, values.reshape(ended.shape), 0.0)


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
