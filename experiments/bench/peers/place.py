"""The throw-away environment: made by venv, filled by pip from the index that pip is set to."""

from __future__ import annotations

import os
import re
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path

from longplay.experiments.bench.peers.standins import write
from longplay.experiments.bench.processes import variables

PATIENCE = 600.0  # for one call of pip [s]
UNREACHABLE = re.compile(
    r"connection broken|establish a new connection|name resolution|network is unreachable|"
    r"connection refused|timed out|proxyerror",
    re.IGNORECASE,
)
NOTHING_FOUND = "(from versions: none)"
COMPLAINT = re.compile(r"(?:[\w.]*(?:Error|Exception)|ERROR|error): .+")


class NoNetwork(RuntimeError):
    """pip could not reach its index."""


class NotThere(RuntimeError):
    """A package cannot be installed, or does not start; the message says why, in one line."""


@dataclass(frozen=True)
class Peer:
    """A package and what it takes to run its worlds."""

    name: str
    package: str  # as pip knows it; its published wheel
    needs: tuple[str, ...] = ()  # what its worlds stand on, installed beside it
    standins: tuple[str, ...] = ()  # what it imports but its worlds do not use
    whole: bool = False  # with everything that it asks for, instead of needs and stand-ins
    module: str = ""  # to be imported, where no contest shows whether it runs
    large: bool = False  # gigabytes: only when asked for


def reason(text: str) -> str:
    """The line that says why: the last exception, else the last complaint, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    complaints = [line for line in lines if COMPLAINT.match(line)]
    exceptions = [line for line in complaints if not line.lower().startswith("error:")]
    told = (exceptions or complaints or lines or ["no reason was given"])[-1]
    return told if len(told) <= 200 else f"{told[:199]}…"


class Place:
    """A virtual environment in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
        windows = os.name == "nt"
        self.python = folder / ("Scripts/python.exe" if windows else "bin/python")
        self.modules = Path(self._says("import sysconfig; print(sysconfig.get_path('purelib'))"))

    def install(self, peer: Peer) -> str:
        """Install a peer, and say which version that is.

        Raises:
            NoNetwork: pip cannot reach its index.
            NotThere: with pip's reason, or that of Python.
        """
        if peer.whole:
            self._pip(peer.package)
        else:
            if peer.needs:
                self._pip(*peer.needs)
            self._pip("--no-deps", "--only-binary", peer.package, peer.package)
            write(self.modules, peer.standins)
        if peer.module:
            done = self._run("-c", f"import {peer.module}")
            if done.returncode != 0:
                raise NotThere(f"it does not start: {reason(done.stderr)}")
        return self._says(f"import importlib.metadata as m; print(m.version({peer.package!r}))")

    def _pip(self, *words: str) -> None:
        try:
            done = self._run("-m", "pip", "install", "--quiet", "--retries", "1", *words)
        except subprocess.TimeoutExpired as error:
            raise NotThere(f"pip took more than {PATIENCE:.0f} s") from error
        if done.returncode != 0:
            told = f"{done.stdout}\n{done.stderr}"
            if UNREACHABLE.search(told) and NOTHING_FOUND in told:
                raise NoNetwork(reason(told))
            raise NotThere(f"pip does not install it: {reason(told)}")

    def _says(self, code: str) -> str:
        return self._run("-c", code).stdout.strip()

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *words],
            capture_output=True,
            text=True,
            env=variables(self.python),
            timeout=PATIENCE,
        )
