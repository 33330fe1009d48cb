"""The record types of the world: one line a field (meaning, unit, range; hidden or seen).

*Seen* is what a platform could log or compute from its own logs; *hidden* is what only the
simulator knows. The split is made by the two halves of USER and OUTCOME below, and
`spaces.py` is the only reader that decides which of the seen fields a policy gets.

Records are NumPy structured arrays of `np.record`, so `user.fatigue` reads the same in plain
Python and in compiled code. They are built by field name, never by position.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TOPICS = 16  # topics of a catalogue, and the dimensions of taste
PAST = 64  # plays that a user remembers; a power of 2
SHELF = 64  # entries of a user's quantised topic shelf: P(topic) in steps of 1/64
SLATE = 10  # positions of a fetch
INTENTS = ("listen_now", "background", "explore", "look_up")

# Where ads may stand among the ten positions of a fetch (1-based), and every way to put at most
# two of them there: no ad, 6 single and 15 double layouts. The 21 that show an ad stand for the
# 21 arms of the literature; the positions are ours, not theirs.
AD_POSITIONS = (2, 3, 5, 7, 8, 10)
LAYOUTS: tuple[tuple[int, ...], ...] = (
    (),
    *combinations(AD_POSITIONS, 1),
    *combinations(AD_POSITIONS, 2),
)


Field = tuple[str, str] | tuple[str, str, tuple[int, ...]]


def record(fields: list[Field]) -> np.dtype[np.void]:
    """An aligned record dtype whose scalars allow attribute access.

    Raises:
        ValueError: for a field named like an attribute every record has ("item", "view").
    """
    taken = [name for name, *_ in fields if hasattr(np.record, name)]
    if taken:
        raise ValueError(f"fields {taken} would hide attributes of np.record: choose other names.")
    return np.dtype((np.record, np.dtype(fields, align=True)))


# Who the user is and when it is. Seen, except the seed and the user's number.
IDENTITY: list[Field] = [
    ("seed", "i8"),  # world seed: with `user` and `luck` the key of every draw
    ("user", "i8"),  # the person's number, 0 .. 2^48-1; lane + (life << 32)
    ("luck", "i8"),  # 0 for the one real life; other values give a fork other luck
    ("clock", "f8"),  # now [h since the study began; negative in youth]
    ("birth", "f8"),  # when the account was opened [h], <= 0
    ("phase", "f8"),  # hour at clock 0, counted from a Monday 00:00 [h], >= 0
    ("session", "i8"),  # number of the present session, 0 = first after birth
    ("fetch", "i8"),  # number of the present fetch in it, 0 = first
]

# Hidden: traits, drawn once at birth by population.py.
TRAITS: list[Field] = [
    ("taste", "f4", (TOPICS,)),  # what the user likes; affinity = taste . item vector [1]
    ("curiosity", "f8"),  # d_u, the appetite for novelty that is the person's own [1]
    ("skippiness", "f8"),  # added to minus the log of the dwell scale [1]
    ("lean", "f8"),  # added to the log-odds of background sessions [1]
    ("stamina", "f8"),  # subtracted from the log-odds of leaving [1]
    ("tempo", "f8"),  # omega, frailty: added to the log return hazard [1]
    ("chronotype", "f8"),  # shift of the daily rhythm [h]
    ("habit_rate", "f8"),  # alpha, habit formed on an active day [1/day]
    ("ad_aversion", "f8"),  # multiplies what ads cost this user [1], mean 1
    ("churn_propensity", "f8"),  # p, churn probability per renewal period at S = 0 [0, 1]
]

# Hidden: moods, changed by the laws.
MOODS: list[Field] = [
    ("intent", "i8"),  # index into INTENTS, sticky within a session
    ("fatigue", "f8"),  # F, within-session fatigue [1], >= 0
    ("restless", "f8"),  # r, how much of late was skipped, this session [0, 1]
    ("appetite", "f8"),  # d, liking of novelty, added to utility per unit of novelty [1]
    ("satiation", "f4", (TOPICS,)),  # x, boredom of each topic [1], >= 0
    ("satisfaction", "f8"),  # S, slow satisfaction [0, 1]
    ("habit", "f8"),  # H, automaticity [0, 1]
    ("ad_memory", "f8"),  # A, remembered ad load [ads/h], >= 0
    ("notified", "f8"),  # N, remembered notification load [1/day], >= 0
    ("blindness", "f8"),  # U, log multiplier of the ad click propensity [1]; < 0 is blind
    ("enjoyment", "f8"),  # g, moving average of the value of what was met this session [1]
    ("goal", "f8"),  # G, what the session has given towards its goal [1]
    ("goal_wanted", "f8"),  # G*, what this session is for; reached: a good exit [1]
    ("patience", "f8"),  # titles that may still be passed over in a row [1]
    ("session_value", "f8"),  # sum of experienced value this session [1]
    ("session_weight", "f8"),  # number of experiences in that sum [1]
    ("bad_exit", "f8"),  # 1 if the last session ended badly [0, 1]
]

# Seen: what the platform logs, or computes from its own logs.
LOGS: list[Field] = [
    ("guess", "f4", (TOPICS,)),  # the platform's estimate of `taste` [1]
    ("shelf", "u1", (SHELF,)),  # topics to recommend, by the platform's estimate of their share
    ("past", "i4", (PAST,)),  # the last plays, each at its number modulo PAST: id + 1, 0 is none
    ("plays", "i8"),  # number of plays written down there
    ("topic_minutes", "f4", (TOPICS,)),  # minutes played by topic, fading over days [min]
    ("session_start", "f8"),  # [h]
    ("session_minutes", "f8"),  # minutes played this session [min]
    ("session_plays", "f8"),
    ("session_skips", "f8"),
    ("session_likes", "f8"),
    ("session_ads", "f8"),  # ads seen this session
    ("session_clicks", "f8"),  # ads clicked this session
    ("last_plays", "f8"),  # of the last fetch
    ("last_skips", "f8"),
    ("last_minutes", "f8"),
    ("last_ads", "f8"),
    ("since_ad", "f8"),  # organic positions looked at since the last ad seen, at most 99
    ("away", "f8"),  # gap before this session [h]
    ("day", "i8"),  # calendar day of the last session's start [days since clock 0, floored]
    ("streak", "f8"),  # active days in a row up to `day`
    ("active_rate", "f8"),  # moving average of active days [1/day], 0..1
    ("visit_rate", "f8"),  # moving average of sessions per day [1/day]
    ("minutes_rate", "f8"),  # moving average of minutes played per session [min]
    ("skip_rate", "f8"),  # moving average of skips per play of a session [1]
    ("like_rate", "f8"),  # moving average of likes per play of a session [1]
    ("ad_rate", "f8"),  # moving average of ads per hour of session [ads/h]
    ("click_rate", "f8"),  # moving average of clicks per ad of a session [1]
    ("survey", "f8"),  # last survey answer [0, 1]; 0.5 before the first
    ("survey_day", "f8"),  # when it was given [h]
]

# Whether this life is over. Seen in the step that ends it.
FATE: list[Field] = [
    ("gone", "u1"),  # 1: churned, will never return
    ("over", "u1"),  # 1: gone, or past the horizon
    ("open", "u1"),  # 1: a session is under way
]

USER = record(IDENTITY + TRAITS + MOODS + LOGS + FATE)
HIDDEN = tuple(name for name, *_ in TRAITS + MOODS)  # fields of USER no platform can see

ITEM = record(  # 96 bytes: an item lies on two lines of memory, see memory.py
    [
        ("vector", "f4", (TOPICS,)),  # its place in taste space; affinity = taste . vector [1]
        ("attraction", "f4"),  # a, how much it draws the eye [1], standard normal
        ("quality", "f4"),  # the platform's noisy estimate of `value` [1]
        ("novelty", "f4"),  # distance from the well-known [0, 1]
        ("freshness", "f4"),  # 1 = released now, falling to 0 with age [0, 1]
        ("value", "f4"),  # q, how good it is once met [1], standard normal; hidden
        ("minutes", "f4"),  # duration [min]
        ("topic", "i4"),  # 0 .. TOPICS-1
        ("blank", "f4"),  # fills the 96 bytes
    ]
)

SLOT = record(  # one position of the fetch
    [
        ("start", "f8"),  # clock at which it was met [h]
        ("minutes", "f4"),  # played [min]
        ("shows", "i4"),  # item id; -1 for an ad
        ("seen", "u1"),  # the user looked at it
        ("played", "u1"),  # an item was started, or an ad clicked
        ("skipped", "u1"),  # played for less than the skip limit of the world
        ("liked", "u1"),
        ("saved", "u1"),
        ("shared", "u1"),
        ("hid", "u1"),  # the user asked not to see it again
    ]
)

# What one step of a policy led to. Sums over the fetches of the step (one fetch, or a session).
OUTCOME_SEEN: list[Field] = [
    ("user", "i8"),
    ("clock", "f8"),  # when the decision was made [h]
    ("fetches", "f8"),  # fetches lived through; 0 marks a blank row (a reset, a finished life)
    ("minutes", "f8"),  # played [min]
    ("looked", "f8"),  # organic positions looked at
    ("plays", "f8"),
    ("skips", "f8"),
    ("likes", "f8"),
    ("saves", "f8"),
    ("shares", "f8"),
    ("hides", "f8"),
    ("novelty", "f8"),  # sum of the novelty, to the user, of what was played beyond the skip limit
    ("repeats", "f8"),  # of these plays, items the user remembered
    ("ads", "f8"),  # ads placed
    ("ad_views", "f8"),
    ("ad_clicks", "f8"),
    ("revenue", "f8"),  # [money]
    ("duplicates", "f8"),  # repeated choices in slates, each replaced (see spaces.decode_slate)
    ("survey", "f8"),  # answer [0, 1], nan if none was given
    ("ended", "f8"),  # 1 if the session ended in this step
    ("away", "f8"),  # time away after the session [h]; 0 within one; inf for ever
    ("gap", "f8"),  # time from this decision to the next [h]; inf for ever
    ("discount", "f8"),  # gamma_day ** (gap / 24); 0 for ever
    ("active_day", "f8"),  # 1 if the session that ended was the first of its calendar day
]
OUTCOME_HIDDEN: list[Field] = [
    ("value", "f8"),  # sum of experienced value
    ("good_exit", "f8"),  # 1 if the session ended with its goal reached
    ("bad_exit", "f8"),  # 1 if it ended with patience gone
    ("satisfied_day", "f8"),  # `active_day` times satisfaction at the session's end [0, 1]
]
OUTCOME = record(OUTCOME_SEEN + OUTCOME_HIDDEN)
HIDDEN_OUTCOMES = tuple(name for name, *_ in OUTCOME_HIDDEN)

# How a cohort is watched: one row, handed to the loop. No user can feel any of it.
STUDY = record(
    [
        ("horizon", "f8"),  # visits from here on are outside the study [h]
        ("log_gamma", "f8"),  # logarithm of the discount of an hour [1/h]
        ("hold", "i8"),  # 1: an action holds for the whole session
        ("ranker", "i8"),  # who fills the slate: PRODUCTION, CHOSEN or WEIGHED
        ("youth_layout", "i8"),  # layout under which users grow up
        ("oracle", "i8"),  # 1: hidden features follow the seen ones in an observation
    ]
)
PRODUCTION, CHOSEN, WEIGHED = 0, 1, 2


class Desk(NamedTuple):
    """The platform's side of a cohort: what it decided and what it may choose from."""

    layouts: npt.NDArray[np.int64]  # (n,) index into LAYOUTS
    slates: npt.NDArray[np.int64]  # (n, k) item ids
    scores: npt.NDArray[np.float32]  # (n, k) of the items in the slate, where weights rank
    duplicates: npt.NDArray[np.float64]  # (n,) repeated choices replaced in the slate
    weights: npt.NDArray[np.float32]  # (n, s) of the scorers
    candidates: npt.NDArray[np.int64]  # (n, m) item ids
    features: npt.NDArray[np.float32]  # (n, m, f)
    topics: npt.NDArray[np.float32]  # (n, TOPICS, 2) rest and share of each topic, of the features
