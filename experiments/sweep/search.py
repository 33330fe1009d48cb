"""The trials of a sweep: determined by its settings and its seed alone.

grid     every combination, in the order of the file, the last setting fastest
random   drawn up front: a value depends on the seed, the trial's number and the setting's name
         alone, so that more trials, or a further setting, change no other value
optuna   TPE (Bergstra et al. 2011): asked for `batch` trials at a time, told of all of them in the
         order of their numbers, so that neither timing nor the number of processes matters
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longplay.experiments.run import Refused
from longplay.experiments.sweep.config import MOST_TRIALS, Choices, Range, Sweep


@dataclass(frozen=True)
class Trial:
    """One set of values."""

    number: int  # 0, 1, ...
    params: Mapping[str, Any]  # JSON values, by the names under [over]

    def __str__(self) -> str:
        """The trial in words."""
        return f"trial {self.number}"


def all_trials(config: Sweep) -> list[Trial]:
    """The trials of a grid or of a random search; of optuna none is known beforehand."""
    if config.search == "grid":
        return grid(config)
    if config.search == "random":
        assert config.trials is not None
        return [Trial(n, drawn(config, n)) for n in range(config.trials)]
    return []


def grid(config: Sweep) -> list[Trial]:
    """Every combination."""
    axes = [values.grid(name) for name, values in config.over.items()]
    size = math.prod(len(axis) for axis in axes)
    if size > MOST_TRIALS:
        raise Refused(f"the grid has {size:,} trials; wanted at most {MOST_TRIALS:,}.")
    names = tuple(config.over)
    return [
        Trial(n, dict(zip(names, values, strict=True)))
        for n, values in enumerate(itertools.product(*axes))
    ]


def drawn(config: Sweep, number: int) -> dict[str, Any]:
    """The values of a trial of a random search."""
    params: dict[str, Any] = {}
    for name, values in config.over.items():
        rng = np.random.default_rng([config.seed, number, *name.encode()])
        if isinstance(values, Choices):
            params[name] = values.values[int(rng.integers(len(values.values)))]
        elif values.whole and not values.log:
            params[name] = int(rng.integers(int(values.low), int(values.high) + 1))
        else:
            params[name] = values.at(float(rng.random()))
    return params


class Optuna:
    """Optuna's TPE sampler over a sweep's settings, in batches."""

    def __init__(self, config: Sweep) -> None:
        require_optuna()
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.config = config
        sampler = optuna.samplers.TPESampler(seed=config.seed)
        self.study = optuna.create_study(
            sampler=sampler, direction="maximize" if config.goal == "max" else "minimize"
        )
        self.asked: dict[int, Any] = {}
        self.next = 0

    def ask(self) -> list[Trial]:
        """The next batch; empty when all trials were asked for."""
        assert self.config.trials is not None
        last = min(self.next + self.config.batch, self.config.trials)
        batch = []
        for number in range(self.next, last):
            self.asked[number] = one = self.study.ask()
            batch.append(Trial(number, {n: self._one(one, n, v) for n, v in
                                        self.config.over.items()}))  # fmt: skip
        self.next = last
        return batch

    def _one(self, trial: Any, name: str, values: Choices | Range) -> Any:
        if isinstance(values, Choices):  # as text: optuna takes no lists
            texts = [json.dumps(value) for value in values.values]
            return values.values[texts.index(trial.suggest_categorical(name, texts))]
        if values.whole:
            low, high = int(values.low), int(values.high)
            return int(trial.suggest_int(name, low, high, log=values.log))
        return float(trial.suggest_float(name, values.low, values.high, log=values.log))

    def tell(self, scores: Sequence[float | None]) -> None:
        """What came of the last batch, in its order; None: the trial failed."""
        import optuna

        first = self.next - len(scores)
        for number, score in enumerate(scores, start=first):
            failed = score is None
            state = optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE
            self.study.tell(self.asked.pop(number), score, state)


def require_optuna() -> None:
    """Refused unless optuna can be found. Imports nothing."""
    if importlib.util.find_spec("optuna") is None:
        raise Refused(
            'search = "optuna" needs optuna, which is not installed; run: pip install '
            '"longplay[experiments]"'
        )
