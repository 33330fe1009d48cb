"""Who lives in which lane of a vector environment: one seed, one life after another."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import VectorEnv

from longplay.envs.arguments import LIVES, SEEDS, check_seed, check_users

Array = npt.NDArray[Any]


class Lanes(VectorEnv[Any, Any, Any]):
    """Seeds and numbers of the people of a vector environment; it knows no world.

    Lane ``i`` starts with person ``first_user + i``; when that life is over, the lane goes on
    with person ``first_user + i + (1 << 32)`` and so on, whatever happens in other lanes.
    """

    first_user: int

    def _open_lanes(self) -> None:
        """Nobody lives here yet."""
        self._seeds = np.zeros(self.num_envs, np.int64)
        self._lives = np.full(self.num_envs, -1, np.int64)
        self._finished = np.zeros(self.num_envs, bool)

    def _next_people(
        self, seed: int | Sequence[int | None] | None, options: dict[str, Any] | None
    ) -> tuple[Array, Array]:
        """Who is to be born where at a reset: lanes (m,) and the numbers of the people (m,).

        Args:
            seed: one for all lanes or one a lane; None goes on to the next person of each lane
                (and draws a seed at the first reset).
            options: "reset_mask", bool (n,); "users", the numbers of the people to meet (n,).
        """
        options = options or {}
        unknown = set(options) - {"reset_mask", "users"}
        if unknown:
            raise ValueError(f"options {sorted(unknown)} are unknown: 'reset_mask' or 'users'.")
        mask = np.asarray(options.get("reset_mask", np.ones(self.num_envs, bool)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise ValueError(f"reset_mask must be bool of shape ({self.num_envs},).")
        if (self._lives[~mask] < 0).any():
            raise gym.error.ResetNeeded(
                "reset_mask leaves out users who were never reset: reset all of them first."
            )
        users = check_users(options["users"], self.num_envs) if "users" in options else None
        self._set_seeds(seed, mask)
        lanes = np.flatnonzero(mask)
        self._lives[lanes] += 1
        self._finished[lanes] = False
        return lanes, self._numbers(lanes) if users is None else users[lanes]

    def _set_seeds(self, seed: Any, mask: npt.NDArray[np.bool_]) -> None:
        if seed is None:
            fresh = mask & (self._lives < 0)
            if fresh.any():
                _, drawn = gym.utils.seeding.np_random(None)
                self._seeds[fresh] = drawn % SEEDS
            return
        seeds = np.asarray(seed if not np.isscalar(seed) else [seed] * self.num_envs, dtype=object)
        if seeds.shape != (self.num_envs,):
            raise ValueError(
                f"seed={seed!r} for {self.num_envs} lanes: give one whole number, or one a lane."
            )
        for number in seeds:
            check_seed(number)
        for lane in np.flatnonzero(mask):
            if seeds[lane] is not None:
                self._seeds[lane] = int(seeds[lane])
                self._lives[lane] = -1

    def _numbers(self, lanes: Array) -> Array:
        """Who lives in these lanes: lane after lane, and life after life."""
        numbers: Array = self.first_user + lanes + (self._lives[lanes] << LIVES)
        return numbers


def last_seen(num_envs: int, ended: Iterable[tuple[Array, Any]]) -> Array:
    """``final_obs`` as Gymnasium has it: objects (n,), None where a life goes on.

    Args:
        num_envs: n.
        ended: lanes (m,) whose lives ended, with their last observations, batched.
    """
    final = np.full(num_envs, None, object)
    for lanes, seen in ended:
        for lane, row in zip(lanes.tolist(), _one_by_one(seen), strict=True):
            final[lane] = row
    return final


def _one_by_one(seen: Any) -> Iterator[Any]:
    """The observations of a batch: an array, or a dict of these."""
    if not isinstance(seen, dict):
        yield from seen
        return
    for parts in zip(*seen.values(), strict=True):
        yield dict(zip(seen, parts, strict=True))


def rows_of(seen: Any, lanes: Array) -> Any:
    """The observations of some lanes, batched."""
    if isinstance(seen, dict):
        return {name: part[lanes] for name, part in seen.items()}
    return seen[lanes]


def seen_after(obs: Any, info: Mapping[str, Any]) -> Any:
    """What a step led to: ``obs``, but for a life that ended in it its last observation."""
    if "final_obs" not in info:
        return obs
    over = info["_final_obs"]
    last = info["final_obs"][over]
    if isinstance(obs, dict):
        return {name: _put(part, over, [one[name] for one in last]) for name, part in obs.items()}
    return _put(obs, over, list(last))


def _put(whole: Array, where: Array, rows: list[Any]) -> Array:
    """A copy with other rows in some places."""
    new = whole.copy()
    new[where] = rows
    return new
