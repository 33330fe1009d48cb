"""Discovery and variety: what was found and kept, over how many topics, and who comes back.

    Discovery             sum over kept plays of novelty, times (1 - share of repeats)          (1)
    TopicEntropy      H = -sum_k s_k log s_k,  s the shares of topics in minutes [nat]          (2)
    DiversityMultiplier   exp(m (H_t - H_{t-1})),  m = 5                                        (3)
    RevisitMultiplier     1 + c 1[back within days],  c = 10                                    (4)
    Generalist            1 - GS,  GS = sum_k s_k cos(v_k, mu),  mu = sum_k s_k v_k             (5)

(3) and (4) are factors of a reward, from Wang et al., KDD 2022 [S], where H is over two weeks; here
it is over the platform's tally of minutes by topic, which fades within days (100 h). (5) is the
generalist-specialist score of Anderson et al., WWW 2020, doi 10.1145/3366423.3380281 [S; the
definition L].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled
from longplay.envs.state import TOPICS
from longplay.rewards.plays import LAST_FETCH, ROUNDED, OfItems, over_plays
from longplay.rewards.returns import hours
from longplay.rewards.settings import positive, share, up_to
from longplay.rewards.signals import Signal
from longplay.rewards.step import Outcomes, Step, Values

Floats = npt.NDArray[np.float32]
LEAST = np.float32(1e-20)  # minutes below which nothing was played
CHUNK = 1024  # rows whose logarithms are taken at once, and stay near the processor


@dataclass(frozen=True)
class Repeats(Signal):
    """Items played beyond the skip limit that the user remembered."""

    name = "repeats"


@OfItems
def lengths_and_novelty(items: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Duration [min] and novelty of a catalogue, (items, 2)."""
    return np.stack([items["minutes"], items["novelty"]], axis=1)


@compiled
def sum_novelty(slots: Any, items: Any, share: float, out: Any) -> int:
    """The novelty of kept plays of every row, items (items, 2) as `lengths_and_novelty` has them.

    Returns the first item beyond the catalogue, or -1. What is no play is read as one of item 0,
    and counts 0: see completion.sum_ranks.
    """
    for i in range(len(slots)):
        total = 0.0
        for slot in slots[i]:
            if slot.shows >= len(items):
                return int(slot.shows)
            play = slot.played * (slot.shows >= 0)
            length, novelty = items[play * slot.shows]
            finished = slot.minutes >= share * length
            kept = play * (finished | (slot.liked == 1) | (slot.saved == 1))
            total += kept * novelty
        out[i] = total
    return -1


@dataclass(frozen=True)
class Discovery(Signal):
    """Novelty that stuck: of what was liked, saved or finished, how much was new.

    `Novelty()` counts whatever was not skipped; a find is what one keeps. The catalogue tells how
    novel an item is, not who remembers it: so the sum is multiplied by the share of the step's
    plays beyond the skip limit that were no repeats.
    """

    name = "discovery"
    formula = (
        "sum over plays in the slots, liked, saved or of at least `share` of the duration, of the "
        "item's novelty, times 1 - repeats / max(plays - skips, 1)"
    )
    source = "our own; discovery beside familiarity: Mehrotra, CIKM 2021 [L, abstract]"
    leaves = LAST_FETCH
    needs = frozenset({"slots", "items"})
    share: float = 0.9  # of the duration, in (0, 1]; free choice

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", share(self.share, "share", self.name, 0.9))

    def judge(self, step: Step) -> Values:
        """Equation (1)."""
        found = over_plays(step, self, sum_novelty, lengths_and_novelty, self.share * ROUNDED)
        out = step.outcomes
        known = out["repeats"] / np.maximum(out["plays"] - out["skips"], 1.0)
        return np.asarray(found * np.maximum(1.0 - known, 0.0), np.float64)


@compiled
def sum_topics(minutes: Any, weights: Any, total: Any, weighted: Any) -> None:
    """Sums over topics of minutes (n, k), and of minutes times weights (n, k)."""
    for i in range(len(minutes)):
        a = b = np.float32(0.0)
        for k in range(minutes.shape[1]):
            a += minutes[i, k]
            b += minutes[i, k] * weights[i, k]
        total[i] = a
        weighted[i] = b


def by_row(minutes: npt.NDArray[Any]) -> Floats:
    """Minutes (..., k) as (n, k) in one piece."""
    return np.ascontiguousarray(minutes.reshape(-1, minutes.shape[-1]), np.float32)


def entropy(minutes: npt.NDArray[Any]) -> tuple[Values, Floats]:
    """Equation (2) of minutes by topic (..., k), to 1e-5, 0 where there are none; and their sum."""
    rows = by_row(minutes)
    total, weighted = np.empty((2, len(rows)), np.float32)
    room = np.empty((min(CHUNK, len(rows)), rows.shape[1]), np.float32)
    for first in range(0, len(rows), CHUNK):
        some = slice(first, first + CHUNK)
        logs = room[: len(rows) - first]
        np.log(np.maximum(rows[some], LEAST, out=logs), out=logs)
        sum_topics(rows[some], logs, total[some], weighted[some])
    np.maximum(total, LEAST, out=total)
    nats = (np.log(total) - weighted / total).astype(np.float64)
    np.minimum(np.maximum(nats, 0.0, out=nats), np.log(rows.shape[1]), out=nats)
    shape = minutes.shape[:-1]
    return nats.reshape(shape), total.reshape(shape)


@dataclass(frozen=True)
class TopicEntropy(Signal):
    """How evenly the user's minutes are spread over topics, after the step: entropy.

    It is a level, not a gain: summed over steps it also counts steps. To pay for what a step adds,
    use DiversityMultiplier.
    """

    name, unit, range = "topic_entropy", "nat", (0.0, float(np.log(TOPICS)))
    formula = "-sum_k s_k log s_k, s the shares of next_topics; 0 where nothing was played"
    source = "early signal of Wang et al., KDD 2022 [S], there over two weeks"
    leaves = "minutes: only their shares count"
    needs = frozenset({"next_topics"})

    def judge(self, step: Step) -> Values:
        """Equation (2)."""
        return entropy(step.need("next_topics", self))[0]


@dataclass(frozen=True)
class DiversityMultiplier(Signal):
    """A factor: above 1 where a step spread the user's minutes over topics, below 1 where not.

    `Minutes() * DiversityMultiplier()` is a surrogate reward of its source; 1 where the entropy
    of topics stayed what it was, as in the step in which a life ends, and where the tally held
    less than `least_minutes` before the step: of a tally that is nearly empty the first plays move
    the entropy by up to log 16, and a hundredth of all steps would outweigh all others.
    """

    name, range = "diversity_multiplier", (0.0, float(16.0**5))
    formula = "exp(m (H(next_topics) - H(topics))); 1 where topics hold less than least_minutes"
    source = "Wang et al., KDD 2022 [S]: m = 5, there over two weeks"
    leaves = "as a factor, what it multiplies where the shares of topics stay what they were"
    needs = frozenset({"topics", "next_topics"})
    m: float = 5.0  # [1/nat], >= 0
    least_minutes: float = 60.0  # [min], >= 0; free choice

    def __post_init__(self) -> None:
        object.__setattr__(self, "m", up_to(100.0, self.m, "m", self.name, 5))
        least = up_to(1e9, self.least_minutes, "least_minutes", self.name, 60)
        object.__setattr__(self, "least_minutes", least)
        object.__setattr__(self, "range", (0.0, float(TOPICS) ** self.m * (1.0 + 1e-6)))

    def judge(self, step: Step) -> Values:
        """Equation (3)."""
        before, minutes = entropy(step.need("topics", self))
        after, _ = entropy(step.need("next_topics", self))
        gain = np.where(minutes >= self.least_minutes, after - before, 0.0)
        return np.asarray(np.exp(self.m * gain), np.float64)


@dataclass(frozen=True)
class RevisitMultiplier(Signal):
    """A factor: 1 + c where the session ended and the user is back within `days`, else 1.

    `Minutes() * RevisitMultiplier()` is a surrogate reward of its source. Within a session it is 1.
    """

    name, range = "revisit_multiplier", (0.0, 11.0)
    formula = "1 + c 1[ended] 1[away <= 24 days]"
    source = "Wang et al., KDD 2022 [S]: c = 10; the window is not given there, 1 day a free choice"
    leaves = "as a factor, what it multiplies within a session and where nobody is back in time"
    days: float = 1.0  # [day], > 0
    c: float = 10.0  # [1], >= 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", positive(self.days, "days", self.name, 1))
        object.__setattr__(self, "c", up_to(1e9, self.c, "c", self.name, 10))
        object.__setattr__(self, "range", (0.0, 1.0 + self.c))

    @property
    def window_days(self) -> float:  # type: ignore[override]
        """How long after the session it is known."""
        return self.days

    def evaluate(self, outcomes: Outcomes) -> Values:
        """Equation (4)."""
        back = (outcomes["ended"] > 0) & (outcomes["away"] <= hours(self.days))
        return np.where(back, 1.0 + self.c, 1.0)


@dataclass(frozen=True)
class Generalist(Signal):
    """How much of a generalist the user is after the step: 1 less their specialist score GS.

    0 is who plays one topic alone, 3/4 who plays all sixteen alike. GS is of the user's minutes by
    topic, not of the step's plays: it is a trait of a person, "remarkably stable" over a year in
    its source, of which ten plays tell little. A topic's vector v_k is taken to be its own axis,
    which the mean of its items is but for chance, so that GS is the root of the sum of squared
    shares. A level, not a gain, as TopicEntropy is.
    """

    name, range = "generalist", (0.0, 1.0)
    formula = "1 - sqrt(sum_k s_k^2), s the shares of next_topics; 0 where nothing was played"
    source = "generalist-specialist score: Anderson et al., WWW 2020 [S; definition L]"
    leaves = "minutes: only their shares count"
    needs = frozenset({"next_topics"})

    def judge(self, step: Step) -> Values:
        """Equation (5)."""
        minutes = step.need("next_topics", self)
        rows = by_row(minutes)
        total, squares = np.empty((2, len(rows)), np.float32)
        sum_topics(rows, rows, total, squares)
        score = np.minimum(np.sqrt(squares) / np.maximum(total, LEAST), 1.0)
        worth = np.where(total > LEAST, 1.0 - score, 0.0)
        return worth.astype(np.float64).reshape(minutes.shape[:-1])
