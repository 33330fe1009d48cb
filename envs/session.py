"""One user as a gymnasium.Env: a cohort of one, without a physics of its own."""

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from longplay.envs.cohort import Cohort
from longplay.envs.state import HIDDEN, USER

VECTORS = tuple(name for name in HIDDEN if USER[name].shape)  # hidden fields with an entry a topic


class Session(gym.Env[Any, Any]):
    """A user's life, decision by decision; the base of AdLoad and Feed.

    Takes the arguments of :class:`longplay.envs.cohort.Cohort` but for those of a crowd. Person
    ``first_user + i`` here lives the very life of lane ``i`` of a cohort with the same seed.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}
    task = "AdLoad"

    def __init__(self, *, render_mode: str | None = None, **settings: Any) -> None:
        for word in ("num_envs", "autoreset_mode", "threads", "copy", "task"):
            if word in settings:
                raise TypeError(f"{word} belongs to a cohort of many users, not to a single env.")
        self.cohort = Cohort(
            self.task,
            1,
            autoreset_mode=AutoresetMode.DISABLED,
            threads=1,
            copy=False,
            render_mode=render_mode,
            **settings,
        )
        self.render_mode = render_mode
        self.observation_space = self.cohort.single_observation_space
        self.action_space = self.cohort.single_action_space
        self._boxed = isinstance(self.observation_space, gym.spaces.Box)
        self._watch()

    def _watch(self) -> None:
        """Keep views of the fields that every step reads: looking one up costs a microsecond."""
        users, outcomes = self.cohort.users, self.cohort.outcomes
        self._views = {
            "over": users["over"],
            "gone": users["gone"],
            "gap": outcomes["gap"],
            "discount": outcomes["discount"],
        }
        self._hidden = users[list(HIDDEN)].view(np.ndarray)

    def __getstate__(self) -> dict[str, Any]:
        """All but the views, which are of memory that a pickle does not share."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_views", "_hidden")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back, and look again."""
        self.__dict__.update(state)
        self._watch()

    @property
    def outcomes(self) -> npt.NDArray[np.void]:
        """OUTCOME (1,): what the last step led to."""
        return self.cohort.outcomes

    @property
    def slots(self) -> npt.NDArray[np.void]:
        """SLOT (1, k): the last fetch, position by position."""
        return self.cohort.slots

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """The first decision in the life of the next person; the first person of ``seed``."""
        super().reset(seed=seed)
        observation, _ = self.cohort.reset(seed=seed, options=options)
        return self._first(observation), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Live through one decision.

        Returns:
            observation, reward (revenue [money] or minutes), terminated (the user churned),
            truncated (the study ended), info.

        Raises:
            gymnasium.error.ResetNeeded: if the life is over.
            ValueError: for an action outside the action space.
        """
        cohort = self.cohort
        over = self._views["over"]
        if over[0]:
            raise gym.error.ResetNeeded("this life is over: call reset() for the next person.")
        observation, reward, _, _, _ = cohort.step((action,))
        gone = bool(self._views["gone"][0])
        truncated = bool(over[0]) and not gone
        return self._first(observation), float(reward[0]), gone, truncated, self._info()

    def _first(self, observation: Any) -> Any:
        if self._boxed:
            return observation[0].copy()
        return {name: part[0].copy() for name, part in observation.items()}

    def _info(self) -> dict[str, Any]:
        hidden = dict(zip(HIDDEN, self._hidden[0].item(), strict=True))
        for name in VECTORS:  # the others are plain numbers
            hidden[name] = hidden[name].copy()
        return {
            "gap_h": float(self._views["gap"][0]),
            "discount": float(self._views["discount"][0]),
            "hidden": hidden,
        }

    def render(self) -> Any:
        """The last fetch as text ("ansi") or as uint8 (height, width, 3) ("rgb_array")."""
        frames = self.cohort.render()
        return None if frames is None else frames[0]


class AdLoad(Session):
    """Where to put ads into a feed that people leave, and come back to, or not.

    A production ranker fills each fetch of ten positions; the agent chooses its ad layout. Ads
    earn at once. They also tire, drive people out of the session, are remembered for days, and
    in time are overlooked. What pays now is not what pays in two months.

    **Action**: Discrete(22), an ad layout.

    ===== ==================================================================================
    0     no ad
    1-6   one ad, at position 2, 3, 5, 7, 8 or 10
    7-21  two ads, at two of these positions; ``spaces.layout_index((3, 7))`` is the classic
    ===== ==================================================================================

    **Observation**: Box(-10, 10, (30,), float32): what a platform could log, scaled to the order
    of 1. The names are ``spaces.USER_FEATURES``: time of day and week (sine, cosine), log tenure,
    log hours since the last session, streak, moving averages (active days, sessions per day,
    minutes, skips, likes, ads per hour, ad clicks), the last survey answer and its age, the
    present session so far, the last fetch, positions since the last ad, how narrow the listening
    is. ``observe="oracle"`` appends ``spaces.HIDDEN_FEATURES``, the moods and traits.

    **Reward**: revenue of the step [money]; short-sighted on purpose. Compose others with
    ``longplay.rewards``.

    **Ends**: terminated when the user churns; truncated when the next visit would fall beyond
    the horizon (``horizon_days``, 77 days by default).

    **Info**: ``gap_h``, hours from this decision to the next; ``discount``, gamma_day ** (gap_h /
    24); ``hidden``, the hidden fields of the user, for diagnostics.

    **Arguments**: ``scenario`` ("music", "bench", or a World), ``decision`` ("fetch" or
    "session"), ``observe`` ("platform" or "oracle"), ``horizon_days``, ``first_user``,
    ``render_mode``.

    **Versions**: v0, first.
    """

    task = "AdLoad"


class Feed(Session):
    """What to play to people whose taste tires, in which order, day after day.

    Each fetch offers M = 100 candidates of a catalogue of 100 000 items; the agent decides on an
    ordered slate of K = 10. People look from the top and stop looking: order matters.
    Attraction and value are two scores: what draws the eye may disappoint.

    **Action**, by ``action=``:

    ========= ======================= ====================================================
    "weights" Box(-1, 1, (6,))        weights of ``spaces.SCORERS``; the slate is the top 10
    "slate"   MultiDiscrete([100]*10) candidate indices in order; a repeated index is replaced
                                      by the lowest one not yet used, and counted in
                                      ``outcomes["duplicates"]``
    "item"    Discrete(100)           one candidate, K = 1
    ========= ======================= ====================================================

    **Observation**: with "weights" Box (42,): ``spaces.USER_FEATURES`` and the mean and best of
    each scorer over the candidates. With "slate" and "item" a Dict of "user" (30,) and
    "candidates" (800,), the flat table (100, 8) of ``spaces.ITEM_FEATURES``;
    ``spaces.table_of`` gives it its shape back. ``observe="oracle"`` appends the hidden features
    to the user's row.

    **Reward**: minutes played in the step [min]; short-sighted on purpose.

    **Ends**, **Info**, **Arguments**: as for AdLoad; further ``action``, ``candidates``,
    ``slate_size``. ``decision="session"`` holds weights for a session; slates cannot be held.

    **Versions**: v0, first.
    """

    task = "Feed"
