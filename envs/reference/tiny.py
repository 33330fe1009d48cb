"""longplay/Tiny-v0: a life with ads in 35 states, small enough to be solved exactly.

A world of our own; every number is a free choice, chosen so that acting for the moment misses
the optimum by two fifths, and every constant ad load by a twelfth.

    g = min(4, max(0, f - rest) + a)                                                        (1)
    P(mood up) = up (1 - g/4),  P(mood down) = down g/4                                     (2)
    P(churn) = floor + low fall^s'                                                          (3)
    reward = a (1 - blind f)                                                                (4)

s satisfaction, 0..6; f fatigue before and g after the visit, 0..4; a ads shown, 0..3;
rest is 2 with probability 1/2, else 1. A step is a visit.
"""

from functools import cache
from itertools import product
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from longplay.envs import draws
from longplay.envs.compiled import compiled, law
from longplay.envs.reference.base import LIFE, RESULT, Array, ReferenceCohort, ReferenceEnv
from longplay.envs.reference.mdp import MDP, Optimum

MOODS = 7  # levels of satisfaction
TIRED = 5  # levels of fatigue
LOADS = 4  # ads shown: 0 .. 3
GONE = MOODS * TIRED  # the state after churn
STATES = GONE + 1

DISCOUNT = 0.98  # per visit
REST = 0.5  # probability of a long rest between visits
UP = 0.35  # probability that mood rises, when rested
DOWN = 0.5  # probability that mood falls, when most tired
FLOOR = 0.005  # probability of churn, however satisfied
LOW = 0.35  # further probability of churn, at satisfaction 0
FALL = 0.5  # factor on it for each level of satisfaction
BLIND = 0.12  # share of an ad's worth that each level of fatigue takes

USER = np.dtype([*LIFE, ("satisfaction", np.int64), ("fatigue", np.int64)])


@law
def next_fatigue(fatigue: int, rest: int, ads: int) -> int:
    """Equation (1): 0 .. TIRED - 1."""
    return min(TIRED - 1, max(0, fatigue - rest) + ads)


@law
def p_up(fatigue: int) -> float:
    """Probability that satisfaction rises by a level, equation (2)."""
    return UP * (1.0 - fatigue / (TIRED - 1))


@law
def p_down(fatigue: int) -> float:
    """Probability that it falls by a level, equation (2)."""
    return DOWN * fatigue / (TIRED - 1)


@law
def p_churn(satisfaction: int) -> float:
    """Probability that this visit was the last, equation (3)."""
    return FLOOR + LOW * FALL**satisfaction


@law
def revenue(fatigue: int, ads: int) -> float:
    """Equation (4)."""
    return ads * (1.0 - BLIND * fatigue)


@law
def moved(satisfaction: int, by: int) -> int:
    """Satisfaction, within its levels."""
    return min(MOODS - 1, max(0, satisfaction + by))


@compiled
def admit(users: Any, lanes: Any) -> None:
    """Births: rested, in a mood drawn evenly from all levels."""
    for lane in lanes:
        u = users[lane]
        word, _, _, _ = draws.words(u.seed, 0, u.user, 0, 0, draws.BIRTH, 0)
        u.satisfaction = int(MOODS * draws.unit(word))


@compiled
def advance(users: Any, ads: Any, outcomes: Any) -> None:
    """One visit of every user who is still there."""
    for i in range(len(users)):
        u, out = users[i], outcomes[i]
        if u.over:
            continue
        w0, w1, w2, _ = draws.words(u.seed, 0, u.user, 0, u.step, draws.ABSENCE, 0)
        # 1. Ads earn.
        out.reward = revenue(u.fatigue, ads[i])
        # 2. They tire; time away has restored.
        rest = 2 if draws.unit(w0) < REST else 1
        u.fatigue = next_fatigue(u.fatigue, rest, ads[i])
        # 3. Mood follows fatigue.
        x = draws.unit(w1)
        up = p_up(u.fatigue)
        by = 1 if x < up else (-1 if x >= 1.0 - p_down(u.fatigue) else 0)
        u.satisfaction = moved(u.satisfaction, by)
        # 4. They come back, or do not.
        u.step += 1
        if draws.unit(w2) < p_churn(u.satisfaction):
            u.over = 1
        else:
            out.discount = DISCOUNT


def state_of(satisfaction: Any, fatigue: Any) -> Any:
    """The number of a state: ``satisfaction * 5 + fatigue``."""
    return satisfaction * TIRED + fatigue


@cache
def model() -> MDP:
    """The world as matrices: every branch of a visit, weighed by the laws above."""
    P = np.zeros((STATES, LOADS, STATES))
    R = np.zeros((STATES, LOADS))
    P[GONE, :, GONE] = 1.0
    for s, f, ads in product(range(MOODS), range(TIRED), range(LOADS)):
        here = state_of(s, f)
        R[here, ads] = revenue(f, ads)
        for rest, p_rest in ((2, REST), (1, 1.0 - REST)):
            tired = next_fatigue(f, rest, ads)
            rises, falls = p_up(tired), p_down(tired)
            for by, p_mood in ((1, rises), (-1, falls), (0, 1.0 - rises - falls)):
                mood = moved(s, by)
                gone = p_churn(mood)
                P[here, ads, state_of(mood, tired)] += p_rest * p_mood * (1.0 - gone)
                P[here, ads, GONE] += p_rest * p_mood * gone
    start = np.zeros(STATES)
    start[state_of(np.arange(MOODS), 0)] = 1.0 / MOODS
    for array in (P, R, start):
        array.flags.writeable = False
    return MDP(P, R, DISCOUNT, start)


class TinyCohort(ReferenceCohort):
    """The vector form of longplay/Tiny-v0: see Tiny, and ReferenceCohort for the arguments."""

    user_type = USER
    outcome_type = np.dtype(RESULT)
    choice = "ads"

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        first_user: int = 0,
    ) -> None:
        states: gym.Space[Any] = gym.spaces.Discrete(STATES)
        loads: gym.Space[Any] = gym.spaces.Discrete(LOADS)
        super().__init__(num_envs, autoreset_mode, first_user, states, loads)

    def _admit(self, lanes: Array) -> None:
        admit(self.users, lanes)

    def _live(self, actions: Array) -> None:
        advance(self.users, actions, self.outcomes)

    def _observation(self) -> Any:
        state = state_of(self.users["satisfaction"], self.users["fatigue"])
        return np.where(self.users["over"], GONE, state)

    @property
    def mdp(self) -> MDP:
        """Transitions ``P[s, a, s']``, rewards ``R[s, a]``, discount and start distribution."""
        return model()

    def optimum(self) -> Optimum:
        """The best worth, values and policy, computed exactly."""
        return model().optimum()


class Tiny(ReferenceEnv):
    """How many ads to show to one who tires of them: solved exactly, optimum known.

    Ads earn at once. They tire; who is tired grows dissatisfied; who is dissatisfied does not
    come back. A step is a visit, and everything is seen.

    **Action**: Discrete(4), the number of ads in this visit.

    **Observation**: Discrete(36), the state ``satisfaction * 5 + fatigue``.

    ============ ======== ===========================================
    satisfaction 0..6     6 is best
    fatigue      0..4     0 is rested
    state 35              gone: the observation that ends a life
    ============ ======== ===========================================

    **Reward**: revenue of the visit, ``ads * (1 - 0.12 fatigue)`` [price of an ad].

    **Ends**: terminated when the user churns, which can follow any visit. No horizon: nobody is
    truncated.

    **Known answer**: ``env.unwrapped.mdp`` holds ``P[s, a, s']``, ``R[s, a]``, ``discount``
    (0.98 a visit) and ``start``; ``env.unwrapped.optimum()`` the best worth (18.47 from the start),
    values and policy; ``mdp.worth_of(policy)`` is exact for any policy. Always the most
    ads, which is best for the visit, reaches 0.586 of the optimum; the best constant load, 1 ad,
    reaches 0.912.

    **Info**: ``discount``, from this visit to the next; 0 after churn.

    **Arguments**: ``first_user``, number of the first person.

    **Source**: our own (tiny.py); all numbers are free choices, not validated against data.

    **Versions**: v0, first.
    """

    crowd = TinyCohort

    @property
    def mdp(self) -> MDP:
        """Transitions ``P[s, a, s']``, rewards ``R[s, a]``, discount and start distribution."""
        return model()

    def optimum(self) -> Optimum:
        """The best worth, values and policy, computed exactly."""
        return model().optimum()
