"""Reinforcement learning: a native SB3 VecEnv over a cohort, and buffers that know calendar time.

    from stable_baselines3 import PPO
    from longplay.agents.rl import CalendarRolloutBuffer, CohortVecEnv

    venv = CohortVecEnv(Cohort("AdLoad", num_envs=128, scenario="bench", decision="session"))
    model = PPO(
        "MlpPolicy", venv, gamma=1.0, n_steps=32,
        rollout_buffer_class=CalendarRolloutBuffer, rollout_buffer_kwargs={"clock": venv.clock},
    )
    model.learn(200_000)

With SB3's own buffers every step counts alike: gamma is then a discount per decision, and a user
who is away for a week costs no more than one who is back within the hour.

These names need the extra `rl`; they are imported when first asked for.
"""

from typing import TYPE_CHECKING, Any

from longplay.agents.extras import require

if TYPE_CHECKING:
    from longplay.agents.rl._buffers import (
        CalendarDictRolloutBuffer,
        CalendarReplayBuffer,
        CalendarRolloutBuffer,
    )
    from longplay.agents.rl._vecenv import Clock, CohortVecEnv

__all__ = [
    "CalendarDictRolloutBuffer",
    "CalendarReplayBuffer",
    "CalendarRolloutBuffer",
    "Clock",
    "CohortVecEnv",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("rl", f"longplay.agents.rl.{name}")
    from longplay.agents.rl import _buffers, _vecenv

    return getattr(_vecenv if hasattr(_vecenv, name) else _buffers, name)
