"""Optional libraries: one sentence that says which extra brings a missing one."""

import importlib.util

LIBRARIES = {
    "rl": ("stable_baselines3", "torch"),
    "bandits": ("vowpalwabbit",),
    "ray": ("ray", "torch"),
}


class MissingExtra(ImportError):
    """An optional library is wanted and not installed."""


def require(extra: str | None, wanted_by: str) -> None:
    """Raise MissingExtra unless every library of `extra` can be found. Imports nothing."""
    if extra is None:
        return
    for library in LIBRARIES[extra]:
        if importlib.util.find_spec(library) is None:
            raise MissingExtra(
                f"{wanted_by} needs {library}, which is not installed; "
                f'run: pip install "longplay[{extra}]"'
            )
