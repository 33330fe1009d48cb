"""Who lives in which lane of a vector environment: one seed, one life after another."""

from collections.abc import Sequence
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
