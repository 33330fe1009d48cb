"""What can be done of a job by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Piece:
    """A piece of a job, of the same seed and in the same run; it can be done elsewhere, too."""

    job: Any  # ray_jobs.Portable, with a seed

    @property
    def seed(self) -> int:
        """The job's seed."""
        seed: int = self.job.seed
        return seed

    @property
    def folder(self) -> Path:
        """Of the run."""
        folder: Path = self.job.folder
        return folder

    def needs(self) -> Mapping[str, Path]:
        """What it reads: what its job does."""
        needs: Mapping[str, Path] = self.job.needs()
        return needs

    def moved(self, folder: Path) -> Self:
        """The same in another folder."""
        return replace(self, job=self.job.moved(folder))
