"""Stand-ins: modules that a package imports but its environments never use.

Old packages import whole frameworks beside their worlds: RecSim takes TensorFlow and dopamine for
its agents. A stand-in is a small module of that name in the throw-away environment. From it any
name can be imported, subclassed, called and used as a decorator (which leaves what it decorates as
it is); all of it is `Nothing`, which is no number, has no items and is neither true nor false, so
that nothing that is measured can rest on a stand-in unseen.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

TEXT = '''"""A stand-in for {name}, whose contents are not needed here."""


class _Nothing(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing

    def __call__(cls, *args, **kwargs):
        if len(args) == 1 and callable(args[0]) and not kwargs:
            return args[0]  # a decorator
        return Nothing

    def __bool__(cls):
        raise RuntimeError("{name} is a stand-in without contents: install it to use it.")


class Nothing(metaclass=_Nothing):
    pass


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Nothing
'''


def write(folder: Path, modules: Iterable[str]) -> list[str]:
    """Write stand-ins into a folder of modules (site-packages), parents included.

    Args:
        folder: where Python looks for modules.
        modules: their names, such as "tensorflow.compat.v1".

    Returns:
        the names written, parents before children; packages that are really there are left alone.
    """
    written: list[str] = []
    for module in modules:
        parts = module.split(".")
        if parts[0] not in written and _present(folder, parts[0]):
            continue
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if name not in written:
                package = folder.joinpath(*parts[:depth])
                package.mkdir(exist_ok=True)
                (package / "__init__.py").write_text(TEXT.format(name=name))
                written.append(name)
    return written


def _present(folder: Path, name: str) -> bool:
    return (folder / name).exists() or (folder / f"{name}.py").exists()
