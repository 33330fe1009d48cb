"""How the world is compiled: every numba option in one place, with its reason.

A law is a scalar function; the step calls laws; one loop calls the step. All of them pass
through :func:`law`, which compiles with

- ``nogil``: slices of a cohort run in threads side by side;
- ``error_model="numpy"``: a division by zero gives inf, not a hidden branch per division;
- ``_nrt=False``: nothing is allocated, so nobody counts references to arrays (which had cost a
  sixth of the time of a step); a law from a user's notebook may allocate;
- ``no_cfunc_wrapper``: nobody calls a law from C; compiling is quicker by an eighth;
- ``forceinline``: laws are short and called from few places; a step is a tenth faster as one piece;
- ``cache``: the machine code is kept on disk. numba keys an entry by the file of the *caller*
  alone, so an edited law would go unseen. We therefore keep each state of the sources in a
  folder of its own, named by a hash over every source file of this room.

fastmath is off: nan and inf have meaning (no survey, never back), and the same numbers come out
on every machine of a kind.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core import config, types

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "no_cfunc_wrapper": True,
    "forceinline": True,
}
ROOM = Path(__file__).parent


def sources_hash(room: Path | None = None) -> str:
    """A short hash of all source files of a room (this one), numba's version and NumPy's."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    room = room or ROOM
    for path in sorted(room.rglob("*.py")):
        digest.update(str(path.relative_to(room)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where compiled code lives: below $XDG_CACHE_HOME or ~/.cache.

    A private temporary folder if neither can be written to.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "longplay" / "kernels" / sources_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="longplay-kernels-"))


CACHE = cache_folder()


def compiled(function: F, **options: Any) -> F:
    """``function`` compiled and cached under the hash of the sources."""
    elsewhere = config.CACHE_DIR  # type: ignore[attr-defined]
    config.CACHE_DIR = str(CACHE)  # type: ignore[attr-defined]
    try:
        dispatcher = numba.njit(cache=True, **(OPTIONS | options))(function)
    finally:
        config.CACHE_DIR = elsewhere  # type: ignore[attr-defined]
    shared: F = for_all_numbers(dispatcher)
    return shared


def for_all_numbers(dispatcher: Any) -> Any:
    """Let compiled callers share one version of a law, whatever constants they call it with.

    numba would make a version for ``words(..., 16)``, one for ``words(..., 17)`` and so on, which
    took a quarter of the time of compiling.
    """
    versions = getattr(dispatcher, "get_call_template", None)
    plain: Any = types.unliteral
    if versions is not None:  # else NUMBA_DISABLE_JIT

        def ask(args: Any, kws: Any) -> Any:
            return versions(tuple(map(plain, args)), {name: plain(kws[name]) for name in kws})

        dispatcher.get_call_template = ask
    return dispatcher


def law(function: F) -> F:
    """A scalar law: compiled, and still readable and callable as plain Python (``.py_func``)."""
    return compiled(function)


def recompiled(
    namespace: dict[str, Any], replaced: dict[str, Callable[..., Any]]
) -> dict[str, Any]:
    """The compiled functions of a module, built anew around replaced ones.

    A user's own law takes the place of the name it replaces; every function of ``namespace``
    that is compiled from it is copied with the new names in sight. The copies are not cached on
    disk: compiling takes some seconds, once per process.

    Args:
        namespace: a module's ``__dict__``.
        replaced: law name to plain or compiled function.

    Returns:
        the new namespace, compiled lazily at the first call.
    """
    fresh = dict(namespace)
    for name, function in replaced.items():
        plain = getattr(function, "py_func", function)
        fresh[name] = for_all_numbers(numba.njit(**(OPTIONS | {"_nrt": True}))(plain))
    for name, function in namespace.items():
        plain = getattr(function, "py_func", None)
        if plain is None or name in replaced or plain.__module__ != namespace["__name__"]:
            continue
        copy = FunctionType(plain.__code__, fresh, name, plain.__defaults__, plain.__closure__)
        fresh[name] = for_all_numbers(numba.njit(**OPTIONS)(copy))
    return fresh
