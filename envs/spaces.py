"""What a policy may see and do: the only place that decides it.

Seeing: `observe` writes a row of USER_FEATURES, from seen fields of USER alone; with
``observe="oracle"`` HIDDEN_FEATURES follow. Elapsed time since the study began is not shown, so
that nobody can harvest before its end: people enter at different ages, and what counts days
(tenure, streak, age of the survey) counts four weeks at most. In a study shorter than that, it
does tell something of the time.

Doing: a fetch needs a slate and an ad layout. Who fills the slate is the *ranker*: production
(AdLoad), the policy's own choice among candidates (Feed "slate", "item"), or the policy's
weights over named scorers (Feed "weights").
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs import draws
from longplay.envs.compiled import compiled, law
from longplay.envs.laws.repeats import FINE, is_known, remembered
from longplay.envs.memory import fetch_ahead
from longplay.envs.state import INTENTS, PRODUCTION, SHELF, TOPICS, Desk
from longplay.envs.state import LAYOUTS as LAYOUTS
from longplay.envs.vectors import dot

USER_FEATURES = (
    "hour_sin", "hour_cos", "week_sin", "week_cos",
    "tenure", "away", "streak", "active_rate", "visit_rate",
    "minutes_rate", "skip_rate", "like_rate", "ad_rate", "click_rate",
    "survey", "survey_age",
    "fetch", "session_time", "session_minutes", "session_plays", "session_skips",
    "session_likes", "session_ads",
    "last_plays", "last_skips", "last_minutes", "last_ads", "since_ad",
    "topic_focus", "topic_recent",
)  # fmt: skip
HIDDEN_FEATURES = (
    *(f"intent_{name}" for name in INTENTS),
    "fatigue", "satiation", "satisfaction", "habit", "ad_memory", "blindness", "enjoyment",
    "goal_left", "patience", "bad_exit", "restless", "notified",
    "appetite", "curiosity", "skippiness", "lean", "stamina", "tempo", "chronotype", "habit_rate",
    "ad_aversion", "churn_propensity",
)  # fmt: skip
ITEM_FEATURES = (
    "affinity", "attraction", "quality", "novelty", "freshness", "rest", "minutes", "share",
)  # fmt: skip
SCORERS = ITEM_FEATURES[:6]  # what the weights of the "weights" action weigh
SUMMARY_FEATURES = (
    *(f"mean_{name}" for name in SCORERS),
    *(f"best_{name}" for name in SCORERS),
)
# tenure, streak and the survey's age count no further [day]: else they would tell the time
NEW_DAYS = 28.0
BOUND = 10.0  # features are scaled to the order of 1 and cut here

AHEAD = 32  # so many items of a list are asked of memory before the first is read

MASKS = np.array([sum(1 << p for p in layout) for layout in LAYOUTS], dtype=np.int64)

_WEEK = 2.0 * np.pi * (np.arange(168) + 0.5) / 168.0
CLOCK = np.stack(  # (168, 4): sine and cosine of the hour of the day, and of the week
    [f(k * _WEEK) for k in (7, 1) for f in (np.sin, np.cos)], axis=1
).astype(np.float32)


class Serving(NamedTuple):
    """How the platform retrieves items for a user."""

    # share of a topic's ranking that production slates reach into [1]; free choice
    reach: float = 0.30
    # share of it that the candidates of Feed reach into [1]; free choice
    candidates_reach: float = 1.0


def layout_index(positions: tuple[int, ...]) -> int:
    """The index of an ad layout given its positions, e.g. ``(3, 7)``.

    Raises:
        ValueError: if no layout puts ads there.
    """
    wanted = tuple(sorted(positions))
    if wanted not in LAYOUTS:
        raise ValueError(
            f"layout={positions}: ads may stand at most twice among the positions 2, 3, 5, 7, 8 "
            "and 10; choose one of longplay.envs.spaces.LAYOUTS."
        )
    return LAYOUTS.index(wanted)


def table_of(candidates: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A flat "candidates" observation (..., m * f) as a table (..., m, f) of ITEM_FEATURES."""
    return candidates.reshape(*candidates.shape[:-1], -1, len(ITEM_FEATURES))


@law
def ad_mask(layout: int) -> int:
    """Bit p is set where the layout shows an ad at position p (1-based)."""
    mask: int = MASKS[layout]
    return mask


@law
def clipped(x: float) -> float:
    """``x`` within the bounds of an observation."""
    return min(BOUND, max(-BOUND, x))


@law
def share_of(x: float, half: float) -> float:
    """``x`` >= 0 squeezed into [0, 1): 1/2 at ``half``. Cheaper than a logarithm."""
    return x / (x + half)


@law
def draw_item(u: Any, word: int, rank: int, of: int, reach: float, starts: Any) -> int:
    """An item for a user: a topic from the shelf, and in it an item of stratum ``rank`` of ``of``.

    Within a topic the ranking is drawn at v^2, v uniform in a stratum of width ``reach``, so the
    top is denser; adding the rank keeps the items of one list apart.
    """
    topic = u.shelf[word & (SHELF - 1)]
    start = starts[topic]
    room = starts[topic + 1] - start - of
    v = reach * (rank + ((word >> 6) + 0.5) * 1.4901161193847656e-08)  # 2^-26
    item: int = start + rank + int(room * v * v)
    return item


@law
def serve(u: Any, desk: Any, i: int, ranker: int, shop: Any, dice: Any, w: Any) -> None:
    """Set the desk of user ``i`` for the present fetch: a filled slate, or candidates."""
    if ranker == PRODUCTION:
        fill(u, desk.slates[i], w.serving.reach, shop, dice, w)
        return
    fill(u, desk.candidates[i], w.serving.candidates_reach, shop, dice, w)
    describe(u, desk.candidates[i], desk.features[i], desk.topics[i], shop, w)


@law
def fill(u: Any, ids: Any, reach: float, shop: Any, dice: Any, w: Any) -> None:
    """Draw the distinct items of a list, best-ranked strata first, some of them repeats."""
    n = len(ids)
    reach /= n
    blocks = (n + 3) // 4
    draws.many_words(u.seed, u.luck, u.user, u.session, u.fetch, draws.SERVE, blocks, dice)
    for at in range(n):
        ids[at] = draw_item(u, dice[at & 3, at >> 2], at, n, reach, shop.starts)
    if w.repeats.share > 0.0:
        repeat(u, ids, dice, w)
    for at in range(min(n, AHEAD)):
        fetch_ahead(shop.items[ids[at]])


@law
def repeat(u: Any, ids: Any, dice: Any, w: Any) -> None:
    """Put items that the user has played before in the place of some; all stay distinct.

    The lag is drawn by those bits of the item's word that are too fine to move it in its ranking.
    """
    n = len(ids)
    for at in range(n):
        lag = w.tables.lag[(dice[at & 3, at >> 2] >> 6) & (FINE - 1)]
        item = remembered(u.past, u.plays, lag) if lag > 0 else -1
        if item >= 0:
            there = 0
            for j in range(n):
                there += ids[j] == item
            if there == 0:
                ids[at] = item


@law
def describe(u: Any, ids: Any, features: Any, topics: Any, shop: Any, w: Any) -> None:
    """ITEM_FEATURES of the candidates ``ids``, as the platform knows them, into (m, f).

    What depends on the topic alone, its rest and its share, is worked out once a topic, into
    ``topics`` (TOPICS, 2).
    """
    total = 1.0
    for k in range(TOPICS):
        total += u.topic_minutes[k]
    for k in range(TOPICS):
        minutes = u.topic_minutes[k]
        topics[k, 0] = 1.0 - min(1.0, minutes / 60.0)
        topics[k, 1] = minutes / total
    remembers = w.repeats.share > 0.0
    for j in range(len(ids)):
        item = shop.items[ids[j]]
        row = features[j]
        if j + AHEAD < len(ids):
            fetch_ahead(shop.items[ids[j + AHEAD]])
        attraction, quality, novelty, freshness = (
            item.attraction,
            item.quality,
            item.novelty,
            item.freshness,
        )
        rest, share = topics[item.topic, 0], topics[item.topic, 1]
        length = 0.1 * item.minutes
        row[0] = clipped(dot(u.guess, item.vector))
        row[1] = attraction
        row[2] = quality
        row[3] = novelty
        row[4] = freshness
        row[5] = rest
        row[6] = length
        row[7] = share
        if remembers and is_known(u.past, ids[j]):
            row[3] = 0.0


@law
def rank_by_weights(desk: Any, i: int) -> None:
    """The slate of the highest ``weights . features``, best first; ties go to the earlier."""
    ids, features, weights = desk.candidates[i], desk.features[i], desk.weights[i]
    slate, scores = desk.slates[i], desk.scores[i]
    k = len(slate)
    found = 0
    for j in range(len(ids)):
        score = np.float32(0.0)
        for s in range(len(weights)):
            score += weights[s] * features[j, s]
        if found == k and score <= scores[k - 1]:
            continue
        at = found if found < k else k - 1
        while at > 0 and scores[at - 1] < score:
            scores[at] = scores[at - 1]
            slate[at] = slate[at - 1]
            at -= 1
        scores[at] = score
        slate[at] = ids[j]
        found = min(k, found + 1)


@law
def observe(u: Any, desk: Any, i: int, row: Any, oracle: int, w: Any) -> None:
    """What a policy sees of user ``i``, in the order of USER_FEATURES [+ SUMMARY] [+ HIDDEN]."""
    times = CLOCK
    hour = int(u.clock + u.phase + 168_000_000.0) % 168
    for k in range(4):
        row[k] = times[hour, k]
    row[4] = share_of(min((u.clock - u.birth) / 24.0, NEW_DAYS), NEW_DAYS)
    row[5] = share_of(u.away, 24.0)
    row[6] = share_of(min(u.streak, NEW_DAYS), 7.0)
    row[7] = u.active_rate
    row[8] = 0.3 * u.visit_rate
    row[9] = share_of(u.minutes_rate, 30.0)
    row[10] = u.skip_rate
    row[11] = 5.0 * u.like_rate
    row[12] = share_of(u.ad_rate, 10.0)
    row[13] = 10.0 * u.click_rate
    row[14] = u.survey
    row[15] = share_of(min((u.clock - u.survey_day) / 24.0, NEW_DAYS), NEW_DAYS)
    row[16] = share_of(float(u.fetch), 3.0)
    row[17] = share_of(u.clock - u.session_start, 0.5)
    row[18] = share_of(u.session_minutes, 30.0)
    row[19] = share_of(u.session_plays, 10.0)
    row[20] = share_of(u.session_skips, 3.0)
    row[21] = share_of(u.session_likes, 1.0)
    row[22] = share_of(u.session_ads, 3.0)
    row[23] = 0.1 * u.last_plays
    row[24] = 0.1 * u.last_skips
    row[25] = share_of(u.last_minutes, 20.0)
    row[26] = 0.5 * u.last_ads
    row[27] = share_of(u.since_ad, 10.0)
    most = 0.0
    total = 0.0
    for k in range(TOPICS):
        most = max(most, u.topic_minutes[k])
        total += u.topic_minutes[k]
    row[28] = most / (1.0 + total)
    row[29] = share_of(total, 60.0)
    at = 30
    if desk.weights.shape[1] > 0:
        at = summarise(desk.features[i], row, at)
    if oracle == 1:
        reveal(u, row, at, w)
    for k in range(len(row)):
        row[k] = clipped(row[k])


@law
def summarise(features: Any, row: Any, at: int) -> int:
    """Mean and best of each scorer over the candidates; returns the next free column."""
    m = len(features)
    for s in range(6):
        total = np.float32(0.0)
        best = features[0, s]
        for j in range(m):
            total += features[j, s]
            best = max(best, features[j, s])
        row[at + s] = total / m
        row[at + 6 + s] = best
    return at + 12


@law
def reveal(u: Any, row: Any, at: int, w: Any) -> None:
    """HIDDEN_FEATURES, for ceilings and diagnostics."""
    for z in range(4):
        row[at + z] = 1.0 if u.intent == z else 0.0
    bored = 0.0
    for k in range(TOPICS):
        bored += u.satiation[k]
    row[at + 4] = u.fatigue
    row[at + 5] = bored / TOPICS
    row[at + 6] = u.satisfaction
    row[at + 7] = u.habit
    row[at + 8] = 0.1 * u.ad_memory
    row[at + 9] = u.blindness
    row[at + 10] = u.enjoyment
    row[at + 11] = 0.1 * (u.goal_wanted - u.goal)
    row[at + 12] = 0.1 * u.patience
    row[at + 13] = u.bad_exit
    row[at + 14] = u.restless
    row[at + 15] = u.notified
    row[at + 16] = u.appetite
    row[at + 17] = u.curiosity
    row[at + 18] = u.skippiness
    row[at + 19] = u.lean
    row[at + 20] = u.stamina
    row[at + 21] = u.tempo
    row[at + 22] = 0.3 * u.chronotype
    row[at + 23] = 5.0 * u.habit_rate
    row[at + 24] = u.ad_aversion
    row[at + 25] = u.churn_propensity


def decode_slate(
    choices: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.int64],
    slates: npt.NDArray[np.int64],
    duplicates: npt.NDArray[np.float64],
) -> int:
    """Turn candidate indices (n, k) into item ids, resolving repeats.

    A repeated index is replaced by the lowest index not chosen anywhere in the slate so far, and
    counted in ``duplicates`` (n,).

    Returns:
        -1, or the first user whose choice is out of range (nothing further is decoded).
    """
    last_chosen_by = np.full(candidates.shape[1], -1)
    wrong: int = _decode(choices, candidates, slates, duplicates, last_chosen_by)
    return wrong


@compiled
def _decode(choices: Any, candidates: Any, slates: Any, duplicates: Any, chosen_by: Any) -> int:
    """`decode_slate`; ``chosen_by`` (m,): the user who chose the candidate last."""
    n, k = choices.shape
    m = candidates.shape[1]
    for i in range(n):
        duplicates[i] = 0.0
        spare = 0
        for j in range(k):
            choice = choices[i, j]
            if choice < 0 or choice >= m:
                return i
            if chosen_by[choice] == i:
                duplicates[i] += 1.0
                while chosen_by[spare] == i:
                    spare += 1
                choice = spare
            chosen_by[choice] = i
            slates[i, j] = candidates[i, choice]
    return -1


def blank_desk(users: int, slate: int, candidates: int, weighed: bool) -> Desk:
    """An empty Desk for so many users; ``candidates`` 0 where production fills the slate."""
    features = len(ITEM_FEATURES) if candidates else 0
    weights: npt.NDArray[np.float32] = np.zeros((users, len(SCORERS) if weighed else 0), np.float32)
    return Desk(
        layouts=np.zeros(users, np.int64),
        slates=np.zeros((users, slate), np.int64),
        scores=np.zeros((users, slate), np.float32),
        duplicates=np.zeros(users),
        weights=weights,
        candidates=np.zeros((users, candidates), np.int64),
        features=np.zeros((users, candidates, features), np.float32),
        topics=np.zeros((users, TOPICS if candidates else 0, 2), np.float32),
    )
