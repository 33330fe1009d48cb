"""Rewards: what a step is worth, as objects that compose.

`rewarded(env, 0.7 * Minutes() - 0.3 * Skips())` is the same world, paid by that objective.
"""

from longplay.rewards.belief import TraceBelief, traces_of
from longplay.rewards.completion import Completion, Finished, FittedCompletion
from longplay.rewards.discontent import Abandonment, Dissatisfaction, FastSkips, FatigueEstimate
from longplay.rewards.discovery import (
    Discovery,
    DiversityMultiplier,
    Generalist,
    Repeats,
    RevisitMultiplier,
    TopicEntropy,
)
from longplay.rewards.fitted import Fitted
from longplay.rewards.formula import parse
from longplay.rewards.intent import Scrolls, Skips, predicted_intent
from longplay.rewards.logs import per_user, record
from longplay.rewards.models import logistic, ridge
from longplay.rewards.objective import Objective
from longplay.rewards.preference import Preference
from longplay.rewards.progressive import progress, progressive
from longplay.rewards.returns import Gap, PresentValue, Returned, Returned1d, Returned7d, Survival
from longplay.rewards.rlur import ReturnTime
from longplay.rewards.scalarise import GGI, Chebyshev, CVaR, Lexicographic, Linear
from longplay.rewards.shaping import Potential, State
from longplay.rewards.signals import (
    SIGNALS,
    ActiveDay,
    AdClicks,
    Ads,
    AdViews,
    Answered,
    Duplicates,
    Ended,
    Hides,
    Likes,
    Looked,
    Minutes,
    Novelty,
    Plays,
    Revenue,
    Saves,
    Shares,
    Signal,
    Survey,
    find_signal,
)
from longplay.rewards.step import Step, joined
from longplay.rewards.sums import Named, Product, WeightedSum
from longplay.rewards.surrogates import SurrogateIndex
from longplay.rewards.values import ValueModel
from longplay.rewards.vector import scalarised, vector_rewarded
from longplay.rewards.wrappers import rewarded

__all__ = [
    "GGI",
    "SIGNALS",
    "Abandonment",
    "ActiveDay",
    "AdClicks",
    "AdViews",
    "Ads",
    "Answered",
    "CVaR",
    "Chebyshev",
    "Completion",
    "Discovery",
    "Dissatisfaction",
    "DiversityMultiplier",
    "Duplicates",
    "Ended",
    "FastSkips",
    "FatigueEstimate",
    "Finished",
    "Fitted",
    "FittedCompletion",
    "Gap",
    "Generalist",
    "Hides",
    "Lexicographic",
    "Likes",
    "Linear",
    "Looked",
    "Minutes",
    "Named",
    "Novelty",
    "Objective",
    "Plays",
    "Potential",
    "Preference",
    "PresentValue",
    "Product",
    "Repeats",
    "ReturnTime",
    "Returned",
    "Returned1d",
    "Returned7d",
    "Revenue",
    "RevisitMultiplier",
    "Saves",
    "Scrolls",
    "Shares",
    "Signal",
    "Skips",
    "State",
    "Step",
    "SurrogateIndex",
    "Survey",
    "Survival",
    "TopicEntropy",
    "TraceBelief",
    "ValueModel",
    "WeightedSum",
    "find_signal",
    "joined",
    "logistic",
    "parse",
    "per_user",
    "predicted_intent",
    "progress",
    "progressive",
    "record",
    "rewarded",
    "ridge",
    "scalarised",
    "traces_of",
    "vector_rewarded",
]
