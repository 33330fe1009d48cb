"""What a cohort may be asked for: each check returns the tidy value, or says what was wanted."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from longplay.envs.scenarios import suggestion

TASKS = ("AdLoad", "Feed")
ACTIONS = ("slate", "weights", "item")
SEEDS = 1 << 62  # world seeds lie below
LIVES = 32  # the j-th life of a lane is person lane + (j << LIVES)


def one_of(name: str, value: Any, known: Sequence[str]) -> str:
    """``value`` if it is one of the known words, else a ValueError that lists them."""
    if value not in known:
        hint = suggestion(value, known) if isinstance(value, str) else f" There are: {known}."
        raise ValueError(f"{name}={value!r} is not offered.{hint}")
    return str(value)


def positive(name: str, value: Any) -> int:
    """``value`` as an int of at least 1, else an error that says what came."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}={value!r}: wanted a whole number.")
    if value < 1:
        raise ValueError(f"{name}={value}: wanted at least 1.")
    return int(value)


def at_most(name: str, value: int, most: int) -> int:
    """``value`` if it is no more than ``most``, else a ValueError."""
    if value > most:
        raise ValueError(f"{name}={value}: wanted at most {most}.")
    return value


def autoreset(mode: "AutoresetMode | str") -> AutoresetMode:
    """The mode, also by its name ("SAME_STEP") or value ("SameStep")."""
    for known in AutoresetMode:
        if mode in (known, known.name, known.value):
            return known
    names = ", ".join(known.name for known in AutoresetMode)
    raise ValueError(f"autoreset_mode={mode!r} is not offered. There are: {names}.")


def choose_interface(task: str, action: str | None, decision: str) -> str | None:
    """Feed's action interface; None for AdLoad."""
    if task == "AdLoad":
        if action is not None:
            raise ValueError(f"action={action!r}: AdLoad's action is a layout; leave it out.")
        return None
    interface = one_of("action", "weights" if action is None else action, ACTIONS)
    if decision == "session" and interface != "weights":
        raise ValueError(
            f"action={interface!r} with decision='session': candidates change with every fetch, so "
            "only 'weights' can hold for a session."
        )
    return interface


def check_first_user(number: Any) -> int:
    """The number of the first person, 0 .. 2^32 - 1."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise TypeError(f"first_user={number!r}: wanted a whole number.")
    if not 0 <= number < 1 << LIVES:
        raise ValueError(f"first_user={number}: wanted 0 .. 2^{LIVES} - 1.")
    return int(number)


def check_seed(seed: Any) -> None:
    """Refuse what is neither None nor a whole number in 0 .. 2^62 - 1."""
    if seed is None:
        return
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed={seed!r}: wanted a whole number of at least 0.")
    if seed >= SEEDS:
        raise ValueError(f"seed={seed}: wanted less than 2^62.")


def check_users(users: Any, lanes: int) -> npt.NDArray[np.int64]:
    """The numbers of the people to meet, one a lane."""
    numbers = np.asarray(users)
    if numbers.shape != (lanes,) or numbers.dtype.kind not in "iu":
        raise ValueError(f"options['users'] must be {lanes} whole numbers, one a lane.")
    if (numbers < 0).any() or (numbers >= 1 << 48).any():
        raise ValueError("options['users'] must lie in 0 .. 2^48 - 1.")
    return numbers.astype(np.int64)


def choose_threads(threads: int | None, users: int) -> int:
    """Slices to live through side by side: as asked, else one per 512 users and free core."""
    if threads is not None:
        return min(positive("threads", threads), users)
    free = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = int(os.environ.get("NUMBA_NUM_THREADS", free))
    return max(1, min(free, allowed, users // 512))
