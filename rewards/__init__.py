"""Rewards: what a step is worth, as objects that compose.

`rewarded(env, 0.7 * Minutes() - 0.3 * Skips())` is the same world, paid by that objective.
"""

from longplay.rewards.formula import parse
from longplay.rewards.objective import Objective, WeightedSum
from longplay.rewards.signals import (
    SIGNALS,
    ActiveDay,
    AdClicks,
    Ads,
    AdViews,
    Answered,
    Duplicates,
    Ended,
    Gap,
    Hides,
    Likes,
    Looked,
    Minutes,
    Novelty,
    Plays,
    Returned1d,
    Returned7d,
    Revenue,
    Saves,
    Shares,
    Signal,
    Skips,
    Survey,
    find_signal,
)
from longplay.rewards.wrappers import rewarded

__all__ = [
    "SIGNALS",
    "ActiveDay",
    "AdClicks",
    "AdViews",
    "Ads",
    "Answered",
    "Duplicates",
    "Ended",
    "Gap",
    "Hides",
    "Likes",
    "Looked",
    "Minutes",
    "Novelty",
    "Objective",
    "Plays",
    "Returned1d",
    "Returned7d",
    "Revenue",
    "Saves",
    "Shares",
    "Signal",
    "Skips",
    "Survey",
    "WeightedSum",
    "find_signal",
    "parse",
    "rewarded",
]
