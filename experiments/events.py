"""TensorBoard event files, written without torch: scalars by name and step, and hparams.

One folder of events is one run in TensorBoard; ours are ``tensorboard/<agent>/seed-<s>``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HParam = bool | int | float | str


class EventLog:
    """Appends to one folder of events; use it as a context manager.

    ``log(name, value, step)`` has the signature that agents train with.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._writer: Any = EventFileWriter(str(folder), flush_secs=10)

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def log(self, name: str, value: float, step: int) -> None:
        """One point of the curve ``name``."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._add(Summary(value=[Summary.Value(tag=name, simple_value=float(value))]), step)

    def hparams(self, values: Mapping[str, HParam]) -> None:
        """The settings of this run, for TensorBoard's HPARAMS tab."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        self._add(hparams_pb(dict(values)), 0)

    def experiment(self, choices: Mapping[str, Sequence[HParam]], metrics: Sequence[str]) -> None:
        """What the HPARAMS tab lists: settings with the values they take, and metrics by tag."""
        from tensorboard.plugins.hparams import summary_v2 as hp

        hparams = [hp.HParam(name, hp.Discrete(list(values))) for name, values in choices.items()]
        shown = [hp.Metric(tag, display_name=tag.rpartition("/")[2]) for tag in metrics]
        self._add(hp.hparams_config_pb(hparams=hparams, metrics=shown), 0)

    def _add(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        # hparams come from TensorBoard's own protos, of the same type as ours
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Write out what is left."""
        self._writer.close()
