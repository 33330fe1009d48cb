"""What the reference worlds share: many users as a VectorEnv, and one user as a cohort of one."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from longplay.envs.arguments import autoreset, check_first_user, positive
from longplay.envs.lanes import Lanes, last_seen, rows_of

Array = npt.NDArray[Any]
Field = tuple[Any, ...]  # of a numpy record type: name, type[, shape]

LIFE: list[Field] = [  # what every user record of a reference world begins with
    ("seed", np.int64),  # of the world
    ("user", np.int64),  # number of the person
    ("step", np.int64),  # decisions lived through
    ("over", np.uint8),  # whether the life is over
]
RESULT: list[Field] = [  # what every outcome record begins with
    ("reward", np.float64),
    ("discount", np.float64),  # from this decision to the next; 0 after the last
]


class ReferenceCohort(Lanes):
    """Users of one reference world, stepped together; each world has its own heir.

    Actions, observations, rewards and ends are those of the single env, with a leading axis of
    users. Which person lives in which lane is told in :class:`longplay.envs.lanes.Lanes`; results
    do not depend on the number of lanes.

    Args:
        num_envs: number of users (lanes).
        autoreset_mode: SAME_STEP, NEXT_STEP or DISABLED. In DISABLED a finished lane is frozen:
            its outcomes are blank, until ``reset(options={"reset_mask": mask})``.
        first_user: number of the person in lane 0.

    Attributes:
        users: records (n,), the state of the users, hidden fields included.
        outcomes: records (n,), what the last step led to, of the users who acted.

    ``info`` holds ``discount`` (n,), and, where the world hides anything, ``hidden``, a dict of
    arrays (n,). With SAME_STEP, in a step that ends a life, ``final_obs`` too, objects (n,): the
    last observation of each life that ended, None elsewhere, and its mask ``_final_obs`` (one batch
    of all: `lanes.seen_after`); outcomes and discount are of the life that acted, hidden fields of
    the one that goes on.
    """

    metadata: dict[str, Any] = {"render_modes": []}
    user_type: np.dtype[Any]  # of the records in `users`: LIFE and the world's own fields
    outcome_type = np.dtype(RESULT)
    hidden: tuple[str, ...] = ()  # fields of `users` that no observation shows
    choice = "action"  # what an action is, for messages

    def __init__(
        self,
        num_envs: int,
        autoreset_mode: AutoresetMode | str,
        first_user: int,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
    ) -> None:
        self.num_envs = positive("num_envs", num_envs)
        self.autoreset_mode = autoreset(autoreset_mode)
        self.first_user = check_first_user(first_user)
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = batch_space(observation_space, self.num_envs)
        self.action_space = batch_space(action_space, self.num_envs)
        self._choices = int(np.max(getattr(action_space, "nvec", getattr(action_space, "n", 0))))
        self.users: Array = np.zeros(self.num_envs, self.user_type)
        self.outcomes: Array = np.zeros(self.num_envs, self.outcome_type)
        self._open_lanes()

    # What a world tells.

    def _admit(self, lanes: Array) -> None:
        """Let the people whose seed and number stand in these lanes be born."""
        raise NotImplementedError

    def _live(self, actions: Array) -> None:
        """One decision of every user whose life is not over: users and outcomes."""
        raise NotImplementedError

    def _observation(self) -> Any:
        """What all lanes see, as the caller's own arrays."""
        raise NotImplementedError

    def _observation_after(self, before: Any, lanes: Array) -> Any:
        """What all lanes see now that others live in these.

        `before` is what they saw until now, the lanes' own; it may be written over.
        """
        return self._observation()

    # Living.

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """New people in all lanes, or in those of ``options["reset_mask"]``.

        Args:
            seed: of the world, one for all lanes or one a lane: the same seed gives the same
                people with the same luck. None goes on to the next person of each lane (and
                draws a seed at the first reset).
            options: "reset_mask", bool (n,); "users", the numbers of the people to meet (n,).

        Returns:
            observations of all lanes, and infos.
        """
        lanes, numbers = self._next_people(seed, options)
        self._bear(lanes, numbers)
        self.outcomes[lanes] = 0
        return self._observation(), self._info()

    def _bear(self, lanes: Array, numbers: Array) -> None:
        self.users[lanes] = 0
        self.users["user"][lanes] = numbers
        self.users["seed"][lanes] = self._seeds[lanes]
        self._admit(lanes)

    def step(
        self, actions: Any
    ) -> tuple[Any, npt.NDArray[np.float64], Array, Array, dict[str, Any]]:
        """Live through one decision of every user.

        Args:
            actions: whole numbers, as `action_space`.

        Returns:
            observations, rewards (n,) float64, terminated (n,), truncated (n,) (nobody: these
            worlds have no horizon), infos.

        Raises:
            ValueError: for an action outside the action space, naming the first such user.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._lives[0] < 0:
            raise gym.error.ResetNeeded("step() came before reset(): call reset(seed=...) first.")
        self.outcomes[:] = 0
        self._live(self._checked(actions))
        over = self.users["over"].astype(bool)
        same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        lanes = np.flatnonzero(over if same_step else self._finished)  # go on with the next person
        info: dict[str, Any] = {}
        before = self._observation() if same_step and len(lanes) > 0 else None
        if before is not None:
            final = last_seen(self.num_envs, [(lanes, rows_of(before, lanes))])
            info = {"final_obs": final, "_final_obs": over.copy()}
        self._lives[lanes] += 1
        self._bear(lanes, self._numbers(lanes))
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            over &= ~self._finished
            self._finished = over.copy()
        info |= self._info()
        reward = self.outcomes["reward"].copy()
        seen = self._observation() if before is None else self._observation_after(before, lanes)
        return seen, reward, over, np.zeros_like(over), info

    def _checked(self, actions: Any) -> Array:
        """The actions as int64, refusing what lies outside the space."""
        wanted = self.action_space.shape
        acts = np.asarray(actions)
        if acts.shape != wanted:
            raise ValueError(
                f"actions have shape {acts.shape}, wanted {wanted}: one row a user "
                f"({self.num_envs})."
            )
        if acts.dtype.kind not in "iu":
            raise ValueError(f"actions have dtype {acts.dtype}: wanted whole numbers.")
        wrong = np.argwhere((acts < 0) | (acts >= self._choices))
        if len(wrong) > 0:
            came = acts[tuple(wrong[0])]
            raise ValueError(
                f"{self.choice}={came} for user {wrong[0][0]}: wanted 0..{self._choices - 1}."
            )
        return acts.astype(np.int64)

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {"discount": self.outcomes["discount"].copy()}
        if self.hidden:
            info["hidden"] = {name: self.users[name].copy() for name in self.hidden}
        return info


class ReferenceEnv(gym.Env[Any, Any]):
    """One user: a cohort of one, without a physics of its own; each world has its own heir.

    Person ``first_user + i`` here lives the very life of lane ``i`` of a cohort with the same
    seed.
    """

    metadata: dict[str, Any] = {"render_modes": []}
    crowd: type[ReferenceCohort]  # the vector form

    def __init__(self, *, render_mode: str | None = None, **settings: Any) -> None:
        if render_mode is not None:
            raise ValueError(f"render_mode={render_mode!r}: this world is not drawn; leave it out.")
        for word in ("num_envs", "autoreset_mode"):
            if word in settings:
                raise TypeError(f"{word} belongs to a cohort of many users, not to a single env.")
        maker: Any = self.crowd
        self.cohort: ReferenceCohort = maker(1, autoreset_mode=AutoresetMode.DISABLED, **settings)
        self.observation_space = self.cohort.single_observation_space
        self.action_space = self.cohort.single_action_space

    @property
    def outcomes(self) -> Array:
        """Record (1,): what the last step led to."""
        return self.cohort.outcomes

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """The first decision in the life of the next person; the first person of ``seed``."""
        super().reset(seed=seed)
        observation, info = self.cohort.reset(seed=seed, options=options)
        return first(observation), first(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Live through one decision.

        Returns:
            observation, reward, terminated, truncated (never), info.

        Raises:
            gymnasium.error.ResetNeeded: if the life is over.
            ValueError: for an action outside the action space.
        """
        if self.cohort.users["over"][0]:
            raise gym.error.ResetNeeded("this life is over: call reset() for the next person.")
        observation, reward, over, _, info = self.cohort.step(np.asarray(action)[None])
        return first(observation), float(reward[0]), bool(over[0]), False, first(info)


def first(batch: Any) -> Any:
    """The part of lane 0 of arrays (1, ...), or of dicts of them."""
    if isinstance(batch, dict):
        return {name: first(part) for name, part in batch.items()}
    return batch[0]
