"""How a run that does not come to its end is told of, with what to do: exit codes 130 and 1."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any

from longplay.experiments.execution.jobs import JobFailed

FAILURE = "failure.txt"  # in the run's folder: the traceback of what failed last


def interrupted(screen: Any, out: Path, kept: str) -> int:
    """Ctrl-C: say what is ``kept``; returns the exit code."""
    _say(screen, f"stopped; {kept} in {out}", out)
    return 130


def failed(screen: Any, out: Path, failure: JobFailed, what: str) -> int:
    """A job raised, ``what`` says which: keep its traceback; returns the exit code."""
    _say(screen, noted(out, failure, what), out)
    return 1


def no_room(screen: Any, out: Path, error: OSError) -> int:
    """The system refused something, as a full disk does; returns the exit code."""
    where = f" ({error.filename})" if error.filename else ""
    _say(screen, f"the system refused: {error.strerror or error}{where}", out)
    return 1


def noted(out: Path, failure: JobFailed, what: str) -> str:
    """What failed, and where its traceback is: in the run's folder, unless its disk is full."""
    text = f"{what} failed ({failure})"
    with contextlib.suppress(OSError):
        (out / FAILURE).write_text(failure.detail or str(failure), encoding="utf-8")
        text += f"; see {out / FAILURE}"
    return text


def _say(screen: Any, text: str, out: Path) -> None:
    go_on = f"go on with --resume --out {shlex.quote(str(out))} and the same options"
    screen.print(f"longplay: {text}; {go_on}.", soft_wrap=True, highlight=False, markup=False)
