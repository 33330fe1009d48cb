"""A line that tells how far a calibration is, and about how long it will take."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TextIO

PAUSE = 0.5  # least time between two reports on a terminal [s]
QUIET = 30.0  # least time between two where a file listens [s]


class Progress:
    """Counts simulations; tells on one line that renews itself, or now and then in a file.

    Those that were kept from an earlier run count as done and say nothing about the pace. Phases
    may end before they have spent what was planned, so the time left is an upper estimate.
    """

    def __init__(self, planned: int, stream: TextIO) -> None:
        self.planned, self.stream = planned, stream
        self.done = self.fresh = 0
        self.phase = ""
        self.began = time.monotonic()
        self.last = -QUIET
        self.renewed = 0  # characters on the line now
        self.lock = threading.Lock()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.renewed:
            self.stream.write("\n")

    def said(self, phase: str) -> None:
        """A phase begins."""
        self.phase = phase
        self._tell(always=True)

    def evaluated(self, fresh: bool) -> None:
        """A simulation was done, or found among those that were kept."""
        with self.lock:
            self.done += 1
            self.fresh += fresh
            self._tell()

    def line(self, now: float) -> str:
        """What there is to tell."""
        left = max(0, self.planned - self.done)
        text = f"{self.done} of at most {max(self.planned, self.done)} simulations"
        if self.done > self.fresh:
            text += f" ({self.done - self.fresh} kept)"
        if self.fresh:
            minutes = (now - self.began) / self.fresh * left / 60.0
            text += f", at most {minutes:.0f} min left" if minutes >= 1 else ", less than a minute"
        return f"{text}: {self.phase}"

    def _tell(self, always: bool = False) -> None:
        now = time.monotonic()
        screen = self.stream.isatty()
        if not always and now - self.last < (PAUSE if screen else QUIET):
            return
        self.last = now
        text = self.line(now)
        if screen:
            self.stream.write("\r" + text.ljust(self.renewed))
            self.renewed = len(text)
        else:
            self.stream.write(text + "\n")
        self.stream.flush()
