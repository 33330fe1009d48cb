"""A cohort as a native Stable-Baselines3 VecEnv: no Python per user, except for finished ones."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

Vector = VectorEnv[Any, Any, Any]


class Clock:
    """What the last step of a CohortVecEnv says about time; the calendar buffers read it.

    A pickled clock comes back stopped, so that a saved model does not drag its users along.
    """

    discounts: npt.NDArray[np.float64] | None = None  # (n,) from this decision to the next, 0..1
    rewards: npt.NDArray[np.float32] | None = None  # (n,) as handed to the learner
    truncated: npt.NDArray[np.bool_] | None = None  # (n,) past the horizon, and not churned

    def __reduce__(self) -> tuple[type["Clock"], tuple[()]]:
        return Clock, ()


class CohortVecEnv(VecEnv):
    """Many users as one SB3 VecEnv.

    Autoreset is SAME_STEP: the observation after a last step is the next life's first. All infos
    are empty and shared between steps (read them, never write into them), except those of users
    who finished in this step, which hold

        terminal_observation   where the life ended
        TimeLimit.truncated    True past the horizon, False after churn
        episode                {"r": sum of rewards, "l": steps, "t": seconds since the start}

    The vector environment's own info of the last step, with gaps, hidden state and reward parts
    as arrays, is `venv.info`.

    Args:
        venv: a VectorEnv with autoreset mode SAME_STEP, e.g. a Cohort or `rewarded(cohort, ...)`.
        gamma_day: discount per day for `discounts`; None takes `info["discount"]`, the world's.
        reward_scale: multiplies the rewards handed out, not those in `episode`.

    Raises:
        TypeError: `venv` is no VectorEnv.
        ValueError: another autoreset mode, or a gamma_day or reward_scale out of range.
    """

    def __init__(
        self, venv: Vector, *, gamma_day: float | None = None, reward_scale: float = 1.0
    ) -> None:
        _check(venv, gamma_day, reward_scale)
        self.venv = venv
        self.gamma_day = gamma_day
        self.reward_scale = float(reward_scale)
        self.clock = Clock()
        self.info: dict[str, Any] = {}
        super().__init__(venv.num_envs, venv.single_observation_space, venv.single_action_space)
        self._empty: tuple[dict[str, Any], ...] = tuple({} for _ in range(self.num_envs))
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, np.int64)
        self._actions: npt.NDArray[Any] = np.zeros(0)
        self._seed: int | None = None
        self._began = time.perf_counter()

    @property
    def discounts(self) -> npt.NDArray[np.float64]:
        """Discount from the last decision to the next, (n,) in 0..1; 0 after churn."""
        if self.clock.discounts is None:
            raise RuntimeError("discounts belong to the last step and none was taken; call step")
        return self.clock.discounts

    def rewrap(self, wrap: Callable[[Vector], Vector]) -> "CohortVecEnv":
        """Another CohortVecEnv, over `wrap(venv)`; both share the users, so use one of them."""
        return CohortVecEnv(
            wrap(self.venv), gamma_day=self.gamma_day, reward_scale=self.reward_scale
        )

    def reset(self) -> VecEnvObs:
        """Begin every life anew, in the world of the last `seed`."""
        obs, self.info = self.venv.reset(seed=self._seed, options=self._options[0] or None)
        self._seed = None
        self._reset_options()
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return obs  # type: ignore[no-any-return]

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all users once."""
        obs, rewards, terminated, truncated, info = self.venv.step(self._actions)
        self.info = info
        self._returns += rewards
        self._lengths += 1
        done = terminated | truncated
        scaled = np.multiply(rewards, self.reward_scale).astype(np.float32)
        clock = self.clock
        clock.rewards = scaled.copy()  # SB3 adds what it bootstraps to the array it is given
        clock.truncated = truncated & ~terminated
        clock.discounts = self._discounts(info)
        infos: Any = self._empty
        if done.any():
            infos = list(self._empty)
            self._finish(np.flatnonzero(done), info, infos)
        return obs, scaled, done, infos

    def _discounts(self, info: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """(n,) of the step, also for users whose next life has begun."""
        if self.gamma_day is None:
            return np.array(_of_step(info, "discount"), np.float64)
        gap = _of_step(info, "gap_h")
        kept = self.gamma_day ** (gap / 24.0)
        return np.asarray(np.where(np.isinf(gap), 0.0, kept), np.float64)

    def _finish(self, rows: npt.NDArray[np.intp], info: Mapping[str, Any], infos: Any) -> None:
        """Give finished users their infos and start counting anew."""
        final, seconds = info["final_obs"], round(time.perf_counter() - self._began, 6)
        cut = self.clock.truncated
        assert cut is not None
        for i in rows.tolist():
            infos[i] = {
                "terminal_observation": final[i],
                "TimeLimit.truncated": bool(cut[i]),
                "episode": {
                    "r": float(self._returns[i]),
                    "l": int(self._lengths[i]),
                    "t": seconds,
                },
            }
        self._returns[rows] = 0.0
        self._lengths[rows] = 0

    def close(self) -> None:
        """Close the vector environment."""
        self.venv.close()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """The seed of the next `reset`: one world, in which every user has luck of their own."""
        if seed is None:
            seed = int(np.random.default_rng().integers(2**31))
        self._seed = int(seed)
        return [self._seed] * self.num_envs

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """What the vector environment renders, filled up with white to one size."""
        frames: Any = self.venv.render()
        if frames is None or isinstance(frames, np.ndarray):  # none, or one picture of all
            return [frames]
        height = max(frame.shape[0] for frame in frames)
        width = max(frame.shape[1] for frame in frames)
        sheets = np.full((len(frames), height, width, 3), 255, np.uint8)
        for sheet, frame in zip(sheets, frames, strict=True):
            sheet[: frame.shape[0], : frame.shape[1]] = frame
        return list(sheets)

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute, user by user if it is an array of one entry a user, else repeated."""
        value = getattr(self._owner(attr_name), attr_name)
        return [value[i] if self._dealt(value) else value for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set the attribute of the cohort.

        Raises:
            ValueError: `indices` is a part of the users; users share their cohort's attributes.
        """
        if indices is not None and sorted(self._get_indices(indices)) != list(range(self.num_envs)):
            raise ValueError(
                f"{attr_name!r} is to be set for users {indices}; the users of a cohort share its "
                "attributes: leave indices out"
            )
        try:
            owner = self._owner(attr_name)
        except AttributeError:
            owner = self.venv.unwrapped
        setattr(owner, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method of the cohort, once; deal its result out as `get_attr` does."""
        value = getattr(self._owner(method_name), method_name)(*method_args, **kwargs)
        return [value[i] if self._dealt(value) else value for i in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Whether such a layer lies around the cohort; True for Monitor: its work is done here."""
        wrapped = issubclass(wrapper_class, Monitor) or any(
            isinstance(layer, wrapper_class) for layer in self._layers()
        )
        return [wrapped for _ in self._get_indices(indices)]

    def _layers(self) -> Iterator[Any]:
        layer: Any = self.venv
        while True:
            yield layer
            if layer is layer.unwrapped:
                return
            layer = layer.env

    def _owner(self, name: str) -> Any:
        """The outermost layer that has the attribute."""
        for layer in self._layers():
            if hasattr(layer, name):
                return layer
        raise AttributeError(
            f"neither {type(self.venv.unwrapped).__name__} nor a wrapper of it has {name!r}"
        )

    def _dealt(self, value: Any) -> bool:
        sized = isinstance(value, (list, tuple)) or np.ndim(value) > 0
        return sized and len(value) == self.num_envs

    def _get_indices(self, indices: VecEnvIndices) -> Iterable[int]:
        return super()._get_indices(indices)


def _of_step(info: Mapping[str, Any], key: str) -> npt.NDArray[Any]:
    """`info[key]` of the step; finished users have theirs in final_info where that is given."""
    if key not in info:
        raise KeyError(
            f"the environment's info has no {key!r}; give a longplay environment, or one whose "
            f"info holds {key!r}, one number a user"
        )
    value: npt.NDArray[Any] = np.asarray(info[key])
    final = info.get("final_info")
    if final is not None and key in final:
        value = np.where(info["_final_info"], final[key], value)
    return value


def _check(venv: Any, gamma_day: float | None, reward_scale: float) -> None:
    if not isinstance(venv, VectorEnv):
        raise TypeError(
            f"{type(venv).__name__} is no VectorEnv; give a Cohort, or gym.make_vec(...)"
        )
    mode = venv.metadata.get("autoreset_mode")
    if mode != AutoresetMode.SAME_STEP:
        raise ValueError(
            f"autoreset_mode={mode} came; SB3 wants AutoresetMode.SAME_STEP: "
            'make the environment with autoreset_mode="SameStep"'
        )
    if not getattr(venv.unwrapped, "copy", True):
        raise ValueError(
            "copy=False came; SB3 keeps observations from one step to the next: leave copy True"
        )
    if gamma_day is not None and not 0.0 <= gamma_day <= 1.0:
        raise ValueError(f"gamma_day={gamma_day} came; a discount per day lies in 0..1")
    if not (np.isfinite(reward_scale) and reward_scale > 0.0):
        raise ValueError(f"reward_scale={reward_scale} came; give a finite number above 0")
