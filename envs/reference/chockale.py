"""longplay/ChocKale-v0: long-term satisfaction, after RecSim.

    engagement e = exp(N([c mu_choc + (1 - c) mu_kale] SAT, [c sd_choc + (1 - c) sd_kale]^2))  (1)
    NPE' = m NPE - 2 (c - 0.5) + N(0, eta^2)                                                   (2)
    SAT = 1 / (1 + exp(-sigma NPE))                                                            (3)

c clickbait of the item, 0 (kale) .. 1 (chocolate); NPE net positive exposure, hidden; SAT
satisfaction. Read in google-research/recsim, recsim/environments/long_term_satisfaction.py [L];
Ie et al. 2019, arXiv 1909.04847. Equation (1) scales the mean of the *logarithm*, and (2) has a
minus: the class docstring there says otherwise, the code does this.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from longplay.envs import draws
from longplay.envs.arguments import at_most, positive
from longplay.envs.compiled import compiled, law
from longplay.envs.reference.base import LIFE, RESULT, Array, ReferenceCohort, ReferenceEnv

SHOWN = 100.0  # engagement is observed up to here [L]; the reward is not cut

USER = np.dtype([*LIFE, ("exposure", np.float64), ("satisfaction", np.float64)])
OUTCOME = np.dtype([*RESULT, ("clickbait", np.float64)])  # of the item consumed


class Taste(NamedTuple):
    """Parameters of a user; the defaults are the published ones [L]."""

    sensitivity: float = 0.01  # sigma, how much exposure moves satisfaction
    memory: float = 0.7  # m, share of the exposure kept from item to item
    innovation: float = 0.05  # eta, noise of the exposure
    choc: float = 5.0  # mu_choc, log-engagement with chocolate at satisfaction 1
    choc_spread: float = 1.0  # sd_choc
    kale: float = 4.0  # mu_kale
    kale_spread: float = 1.0  # sd_kale
    items: int = 60  # time budget: items consumed in a life


PUBLISHED = Taste()


@law
def satisfaction_of(exposure: float, p: Taste) -> float:
    """Equation (3)."""
    return 1.0 / (1.0 + math.exp(-p.sensitivity * exposure))


@law
def next_exposure(exposure: float, clickbait: float, noise: float, p: Taste) -> float:
    """Equation (2); ``noise`` is standard normal."""
    return p.memory * exposure - 2.0 * (clickbait - 0.5) + p.innovation * noise


@law
def engagement_of(satisfaction: float, clickbait: float, noise: float, p: Taste) -> float:
    """Equation (1); ``noise`` is standard normal."""
    mean = (clickbait * p.choc + (1.0 - clickbait) * p.kale) * satisfaction
    spread = clickbait * p.choc_spread + (1.0 - clickbait) * p.kale_spread
    return math.exp(mean + spread * noise)


def break_even(p: Taste = PUBLISHED) -> float:
    """The sensitivity above which always kale beats always chocolate in the long run.

    In the steady state NPE = -/+ 1 / (1 - m) for always chocolate / kale, and with equal spreads
    the two earn alike where mu_choc SAT(-) = mu_kale SAT(+):

        sigma* = (1 - m) ln(mu_choc / mu_kale)                              0.0669 by default [D]
    """
    return (1.0 - p.memory) * math.log(p.choc / p.kale)


@compiled
def admit(users: Any, lanes: Any, p: Taste) -> None:
    """Births: NPE is uniform in (-0.5, 0.5) / (1 - m)."""
    for lane in lanes:
        u = users[lane]
        word, _, _, _ = draws.words(u.seed, 0, u.user, 0, 0, draws.BIRTH, 0)
        u.exposure = (draws.unit(word) - 0.5) / (1.0 - p.memory)
        u.satisfaction = satisfaction_of(u.exposure, p)


@compiled
def offer(users: Any, table: Any) -> None:
    """New candidates for every user: clickbait scores (n, m), uniform in (0, 1)."""
    for i in range(len(users)):
        u = users[i]
        for j in range(0, table.shape[1], 4):
            four = draws.words(u.seed, 0, u.user, 0, u.step, draws.SERVE, j >> 2)
            for k in range(min(4, table.shape[1] - j)):
                table[i, j + k] = draws.unit(four[k])


@compiled
def advance(users: Any, choices: Any, table: Any, outcomes: Any, p: Taste) -> None:
    """Every user whose time is not spent consumes the chosen item."""
    for i in range(len(users)):
        u, out = users[i], outcomes[i]
        if u.over:
            continue
        w0, w1, w2, w3 = draws.words(u.seed, 0, u.user, 0, u.step, draws.POSITION, 0)
        clickbait = table[i, choices[i]]
        out.clickbait = clickbait
        # 1. Engagement, by the satisfaction so far.
        out.reward = engagement_of(u.satisfaction, clickbait, draws.normal(w0, w1), p)
        # 2. What was consumed moves satisfaction.
        u.exposure = next_exposure(u.exposure, clickbait, draws.normal(w2, w3), p)
        u.satisfaction = satisfaction_of(u.exposure, p)
        # 3. Time is spent, whatever was consumed.
        u.step += 1
        if u.step >= p.items:
            u.over = 1
        else:
            out.discount = 1.0


class ChocKaleCohort(ReferenceCohort):
    """The vector form of longplay/ChocKale-v0: see ChocKale, and ReferenceCohort for the rest."""

    user_type = USER
    outcome_type = OUTCOME
    hidden = ("exposure", "satisfaction")
    choice = "candidate"

    def __init__(
        self,
        num_envs: int = 1,
        *,
        sensitivity: float = PUBLISHED.sensitivity,
        candidates: int = 10,
        clickbait: Sequence[float] | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        first_user: int = 0,
    ) -> None:
        self.taste = PUBLISHED._replace(sensitivity=checked_sensitivity(sensitivity))
        self._fixed = None if clickbait is None else checked_scores(clickbait)
        if self._fixed is not None:
            candidates = len(self._fixed)
        self.candidates = at_most("candidates", positive("candidates", candidates), 1000)
        high = np.ones(self.candidates + 1, np.float32)
        high[-1] = SHOWN
        seen = gym.spaces.Box(np.zeros_like(high), high, dtype=np.float32)
        items: gym.Space[Any] = gym.spaces.Discrete(self.candidates)
        super().__init__(num_envs, autoreset_mode, first_user, seen, items)
        self._table = np.zeros((self.num_envs, self.candidates))
        if self._fixed is not None:
            self._table[:] = self._fixed

    def _admit(self, lanes: Array) -> None:
        admit(self.users, lanes, self.taste)

    def _live(self, actions: Array) -> None:
        advance(self.users, actions, self._table, self.outcomes, self.taste)

    def _observation(self) -> Any:
        if self._fixed is None:
            offer(self.users, self._table)
        rows = np.empty((self.num_envs, self.candidates + 1), np.float32)
        rows[:, :-1] = self._table
        began = self.users["step"] > 0  # a life just begun has not engaged yet
        rows[:, -1] = np.where(began, np.minimum(self.outcomes["reward"], SHOWN), 0.0)
        return rows


def checked_sensitivity(value: Any) -> float:
    """A finite number of at least 0 as a float, else a ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"sensitivity={value!r}: wanted a number.")
    if not 0.0 <= value < math.inf:
        raise ValueError(f"sensitivity={value}: wanted a finite number of at least 0.")
    return float(value)


def checked_scores(scores: Any) -> Array:
    """Clickbait scores (m,) in 0..1, else a ValueError."""
    try:
        row = np.asarray(scores, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"clickbait={scores!r}: wanted numbers in 0..1, one a candidate."
        ) from error
    if row.ndim != 1 or len(row) == 0 or not ((row >= 0.0) & (row <= 1.0)).all():
        raise ValueError(f"clickbait={scores!r}: wanted numbers in 0..1, one a candidate.")
    return row


class ChocKale(ReferenceEnv):
    """Chocolate or kale: what engages now lowers the mood that scales all later engagement.

    RecSim's long-term satisfaction. Each step offers ten items; the user consumes the one that is
    chosen. The mood is hidden, and must be read from engagement.

    **Action**: Discrete(10), the candidate to consume.

    **Observation**: Box (11,), float32.

    ===== ================================================ ========
    0..9  clickbait of the candidates; kale 0, chocolate 1 [0, 1]
    10    engagement with the last item; 0 before the first [0, 100]
    ===== ================================================ ========

    Engagement is cut at 100 to be seen, as published. Scale it before feeding a network, e.g.
    with Gymnasium's NormalizeObservation.

    **Reward**: engagement with the item, not cut.

    **Ends**: terminated after 60 items, always: the user's time is spent, as in the original,
    where the episode is done. Satisfaction shortens nothing, and nobody returns. How much time is
    left is hidden, as there. No horizon: nobody is truncated.

    **Known answer**: always the most clickbait is best for the step. Of the two pure diets,
    chocolate earns more below ``sensitivity`` sigma* = (1 - m) ln(mu_choc / mu_kale) = 0.0669
    (``break_even()``, of the steady state), kale above. By dynamic programming over the hidden
    mood, nothing beats always chocolate up to about 0.043; from there on, changing with the mood
    does. So the published default 0.01 **has no trade-off**; use 0.1 or more for one. Mean
    engagement an item, pure chocolate against pure kale: 19.3 and 12.6 at 0.01, 13.6 and 16.7 at
    0.1, 6.9 and 29.6 at 0.3 [D].

    **Info**: ``discount`` (1; 0 after the last item); ``hidden``: ``exposure`` (NPE) and
    ``satisfaction`` (SAT).

    **Arguments**: ``sensitivity`` (0.01); ``candidates`` (10, a free choice: RecSim has no
    default); ``clickbait``, fixed scores of the candidates instead of uniform draws at each step,
    e.g. ``(0.0, 1.0)`` for pure kale and pure chocolate; ``first_user``, number of the first
    person.

    **Departures**: the original takes a slate of which the user always consumes the first item;
    here the action is that item. Clicks, which are certain, are not observed. Candidates are new
    at each step (``resample_documents=True`` there). Draws are functions of seed, person and step;
    the original's dynamics ignore its seed.

    **Source**: google-research/recsim, recsim/environments/long_term_satisfaction.py [L].

    **Versions**: v0, first.
    """

    crowd = ChocKaleCohort
