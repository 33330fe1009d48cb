"""longplay/InterestEvolution-v0: interests that follow what is watched, after RecSim and SlateQ.

    P(click i) = (u . d_i + 1) / sum,  P(none) = 2 / sum                                    (1)
    u_k' = u_k +/- 0.3 (1 - |u_k|) (1 - u_k),  + with probability (u_k + 1) / 2             (2)
    B' = B - w + alpha w q,  w = min(B, 4)     after a click                                (3)
    B' = B - 0.5                               without one                                  (4)

u interests; d_i the topic of item i as one-hot, so that u . d_i = u_k; k the topic clicked; B time
left [min]; w minutes watched; q quality of the item. Read in google-research/recsim,
recsim/environments/interest_evolution.py, as built by its create_environment [L]; Ie et al. 2019,
arXiv 1905.12767. The weights of (1) are RecSim's proportional choice: score - min_normalizer, with
min_normalizer -1 for the items and for no_click_mass 1 alike. In (2) only the interest in the
topic watched moves, as d is one-hot.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from longplay.envs import draws
from longplay.envs.arguments import at_most, positive
from longplay.envs.compiled import compiled, law
from longplay.envs.memory import Lender
from longplay.envs.reference.base import LIFE, RESULT, Array, ReferenceCohort, ReferenceEnv
from longplay.envs.spaces import decode_slate

TOPICS = 20  # [L]
BUDGET = 200.0  # time a user begins with [min] [L]
LENGTH = 4.0  # of every item [min] [L]
NO_CLICK = 2.0  # weight of choosing none: no_click_mass 1 and min_normalizer -1 [L]
PENALTY = 0.5  # time lost when nothing is clicked [min] [L]
UPDATE = 0.3  # alpha_y_intercept: step of an interest at 0 [L]
ALPHA = 0.9 / 3.4  # user_update_alpha: share of the time watched that quality gives or takes [L]
QUALITY_SPREAD = 0.1  # standard deviation of quality in a topic [L]; named variance there
QUALITY = np.concatenate([np.linspace(-3.0, 0.0, 14), np.linspace(0.0, 3.0, 6)])  # by topic [L]
QUALITY_BOUND = 100.0  # of an observed quality [L]
RESPONSE = ("clicked", "minutes", "quality")  # what is seen of each position of the last slate

USER = np.dtype([*LIFE, ("interests", np.float64, TOPICS), ("budget", np.float64)])
OUTCOME = np.dtype(
    [
        *RESULT,
        ("position", np.int64),  # clicked, 0 .. k-1; -1 for none
        ("topic", np.int64),  # of the item clicked; -1 for none
        ("quality", np.float64),  # of the item clicked; 0 for none
        ("duplicates", np.float64),  # repeated indices of the slate
    ]
)


@law
def weight_of(interest: float) -> float:
    """Weight of an item in the choice, equation (1)."""
    return interest + 1.0


@law
def next_interest(interest: float, draw: float) -> float:
    """Equation (2), within [-1, 1]; ``draw`` is uniform."""
    change = UPDATE * (1.0 - abs(interest)) * (1.0 - interest)
    moved = interest + change if draw < 0.5 * (interest + 1.0) else interest - change
    return min(1.0, max(-1.0, moved))


@law
def next_budget(budget: float, watched: float, quality: float) -> float:
    """Equation (3)."""
    return budget - watched + ALPHA * watched * quality


@compiled
def admit(users: Any, lanes: Any) -> None:
    """Births: interests uniform in (-1, 1)."""
    for lane in lanes:
        u = users[lane]
        u.budget = BUDGET
        for j in range(0, TOPICS, 4):
            four = draws.words(u.seed, 0, u.user, 0, 0, draws.BIRTH, j >> 2)
            for k in range(4):
                u.interests[j + k] = 2.0 * draws.unit(four[k]) - 1.0


@compiled
def offer(users: Any, lanes: Any, topics: Any, table: Any, dice: Any) -> None:
    """New candidates for the users of some lanes: topics (n, m), uniform; table (n, m 20), one-hot.

    A block of four words serves four candidates; dice (4, a quarter of m rounded up to eights).
    """
    m = topics.shape[1]
    for lane in lanes:
        u, row = users[lane], table[lane]
        draws.many_words(u.seed, 0, u.user, 0, u.step, draws.SERVE, (m + 3) // 4, dice)
        row[:] = 0.0
        for j in range(m):
            topic = int(TOPICS * draws.unit(dice[j & 3, j >> 2]))
            topics[lane, j] = topic
            row[j * TOPICS + topic] = 1.0


@law
def quality_of(u: Any, candidate: int, topic: int) -> float:
    """Quality of one of a user's present candidates: normal about that of its topic."""
    w0, w1, _, _ = draws.words(
        u.seed, 0, u.user, 1 + (candidate >> 8), u.step, draws.SERVE, candidate & 255
    )
    quality: float = QUALITY[topic] + QUALITY_SPREAD * draws.normal(w0, w1)
    return quality


@compiled
def tell_qualities(users: Any, topics: Any, qualities: Any) -> None:
    """Qualities of all candidates (n, m)."""
    for i in range(len(users)):
        for j in range(topics.shape[1]):
            qualities[i, j] = quality_of(users[i], j, topics[i, j])


@law
def chosen(interests: Any, slate: Any, topics: Any, draw: float) -> int:
    """The position that is clicked, or -1, by equation (1)."""
    total = NO_CLICK
    for choice in slate:
        total += weight_of(interests[topics[choice]])
    left = draw * total
    for position in range(len(slate)):
        left -= weight_of(interests[topics[slate[position]]])
        if left < 0.0:
            return position
    return -1


@compiled
def advance(users: Any, slates: Any, topics: Any, responses: Any, outcomes: Any) -> None:
    """Every user with time left looks at a slate (candidate indices), and clicks at most once."""
    for i in range(len(users)):
        u, out = users[i], outcomes[i]
        out.position = -1
        out.topic = -1
        responses[i] = 0.0
        if u.over:
            continue
        w0, w1, _, _ = draws.words(u.seed, 0, u.user, 0, u.step, draws.POSITION, 0)
        # 1. Choice.
        at = chosen(u.interests, slates[i], topics[i], draws.unit(w0))
        for position in range(slates.shape[1]):
            candidate = slates[i, position]
            responses[i, position, 2] = quality_of(u, candidate, topics[i, candidate])
        if at < 0:
            # 2a. Nothing appeals: time is lost.
            u.budget -= PENALTY
        else:
            # 2b. It is watched, changes interests, and is worth its time or not.
            out.position = at
            out.topic = topics[i, slates[i, at]]
            out.quality = responses[i, at, 2]
            out.reward = min(u.budget, LENGTH)
            responses[i, at, 0] = 1.0
            responses[i, at, 1] = out.reward
            u.interests[out.topic] = next_interest(u.interests[out.topic], draws.unit(w1))
            u.budget = next_budget(u.budget, out.reward, out.quality)
        # 3. Who has no time left goes.
        u.step += 1
        if u.budget <= 0.0:
            u.over = 1
        else:
            out.discount = 1.0


class InterestEvolutionCohort(ReferenceCohort):
    """The vector form of longplay/InterestEvolution-v0: see InterestEvolution, ReferenceCohort.

    Attributes:
        topics: (n, m) topics of the present candidates.
    """

    user_type = USER
    outcome_type = OUTCOME
    hidden = ("budget",)
    choice = "candidate"

    def __init__(
        self,
        num_envs: int = 1,
        *,
        candidates: int = 10,
        slate_size: int = 3,
        observe_budget: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        first_user: int = 0,
    ) -> None:
        self.candidates = at_most("candidates", positive("candidates", candidates), 1000)
        self.slate_size = at_most("slate_size", positive("slate_size", slate_size), 50)
        if self.slate_size > self.candidates:
            raise ValueError(
                f"slate_size={self.slate_size} is larger than candidates={self.candidates}: "
                "a slate is chosen among the candidates; offer more of them."
            )
        self.observe_budget = bool(observe_budget)
        box, m, k = gym.spaces.Box, self.candidates, self.slate_size
        high = np.tile(np.array([1.0, LENGTH, QUALITY_BOUND], np.float32), k)
        low = np.tile(np.array([0.0, 0.0, -QUALITY_BOUND], np.float32), k)
        seen = gym.spaces.Dict(
            {
                "user": box(-1.0, 1.0, (TOPICS + self.observe_budget,), np.float32),
                "candidates": box(0.0, 1.0, (m * TOPICS,), np.float32),
                "response": box(low, high, dtype=np.float32),
            }
        )
        slate = gym.spaces.MultiDiscrete([m] * k)
        super().__init__(num_envs, autoreset_mode, first_user, seen, slate)
        n = self.num_envs
        self.topics = np.zeros((n, m), np.int64)
        self._lanes = np.arange(n)
        self._table = np.zeros((n, m * TOPICS), np.float32)
        self._dice = draws.blank_dice(1, (m + 3) // 4)[0]
        self._lender = Lender()
        self._indices = np.tile(np.arange(m), (n, 1))
        self._slates = np.zeros((n, k), np.int64)
        self._duplicates = np.zeros(n)
        self._responses = np.zeros((n, k, len(RESPONSE)))

    @property
    def qualities(self) -> Array:
        """(n, m) qualities of the present candidates, which no observation shows beforehand."""
        told = np.empty(self.topics.shape)
        tell_qualities(self.users, self.topics, told)
        return told

    def _admit(self, lanes: Array) -> None:
        admit(self.users, lanes)

    def _live(self, actions: Array) -> None:
        decode_slate(actions, self._indices, self._slates, self._duplicates)
        acting = self.users["over"] == 0
        self.outcomes["duplicates"] = np.where(acting, self._duplicates, 0.0)
        advance(self.users, self._slates, self.topics, self._responses, self.outcomes)

    def _observation(self) -> Any:
        return self._told(self._lender.room_for(self._table), self._lanes)

    def _observation_after(self, before: Any, lanes: Array) -> Any:
        return self._told(before["candidates"], lanes)

    def _told(self, table: Array, lanes: Array) -> Any:
        """The observation, with new candidates for some lanes written into the table."""
        offer(self.users, lanes, self.topics, table, self._dice)
        n = self.num_envs
        user = np.empty((n, TOPICS + self.observe_budget), np.float32)
        user[:, :TOPICS] = self.users["interests"]
        if self.observe_budget:
            user[:, TOPICS] = np.clip(self.users["budget"] / BUDGET, 0.0, 1.0)
        response = self._responses.reshape(n, -1).astype(np.float32)
        response[self.users["step"] == 0] = 0.0  # a life just begun has not responded yet
        return {"user": user, "candidates": table, "response": response}


class InterestEvolution(ReferenceEnv):
    """Slates for interests that move: what attracts and what is worth its time are unrelated.

    RecSim's interest evolution, the world of SlateQ. Each step offers ten items of twenty topics;
    the agent shows three; the user watches at most one. Good items give time back, and so buy a
    longer session; seven topics in ten are "trashy". Attraction says nothing about quality.

    **Action**: MultiDiscrete([10] * 3), candidate indices in order. A repeated index is replaced
    by the lowest one not yet used, and counted in ``outcomes["duplicates"]``. Order does not
    matter to this user.

    **Observation**: a Dict of float32.

    ============ ====== ============================================== ===============
    "user"       (20,)  interests u                                    [-1, 1]
    "candidates" (200,) their topics: the flat table (10, 20), one-hot [0, 1]
    "response"   (9,)   to the last slate: the flat table (3, 3) of    [0, 1], [0, 4],
                        clicked, minutes [min] and quality             [-100, 100]
    ============ ====== ============================================== ===============

    The response is 0 before the first slate. As in the original, the quality of a shown item (in
    practice -3.5..3.5) is seen afterwards, and never beforehand.
    ``observe_budget=True`` appends the time left, B / 200 in [0, 1], to "user" (21,). The
    original hides it, and so the reason for which quality pays; with it, and with the value of no
    click in the learner, SlateQ went from 168 to 203 minutes in trials of ours.

    **Reward**: minutes watched in the step, at most 4.

    **Ends**: terminated when the time is spent (B <= 0). No horizon: nobody is truncated.

    **Known answer**: minutes in a life, published with 5000 users (Ie et al. 2019): random slates
    159.2, the three of highest affinity 166.3 (+4.46 %). The original code, run again with 400
    users: 161.0 +- 1.2 and 168.1 +- 2.2. Here, with 20 000: 160.6 +- 0.2 and 168.0 +- 0.3, +4.6 %
    +- 0.2 (95 %).

    **Info**: ``discount`` (1; 0 after the end); ``hidden``: ``budget`` [min].

    **Arguments**: ``candidates`` (10), ``slate_size`` (3), ``observe_budget`` (False),
    ``first_user``, number of the first person.

    **Departures**: candidates are new at each step (``resample_documents=True`` there). "liked",
    which is always 0, and the cluster of a shown item, which "candidates" told before, are not
    repeated in the response. Draws are functions of seed, person and step.

    **Source**: google-research/recsim, recsim/environments/interest_evolution.py [L].

    **Versions**: v0, first.
    """

    crowd = InterestEvolutionCohort
