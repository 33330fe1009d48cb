"""The signals of an outcome: what a platform can log of one step, each by its name.

A signal reads an OUTCOME batch and gives one float64 a row. A row is one step of one user: a
fetch, or a whole session (`decision="session"`), of which counts and minutes are sums. Rows in
which nobody acted (`fetches == 0`) give 0. Hidden fields cannot be asked for.

A new signal is a subclass with a docstring, `name`, `unit`, `range`, the three lines of its page
(`formula`, `source`, `leaves`), and `evaluate` unless it is the outcome field of the same name; it
registers itself:

    @dataclass(frozen=True)
    class Binge(Signal):
        "1 if more than an hour was played."

        name, unit, range = "binge", "1", (0.0, 1.0)
        formula = "1[minutes > 60]"

        def evaluate(self, outcomes):
            return (outcomes["minutes"] > 60.0).astype(np.float64)

One that looks at more than outcomes names it in `needs` and gives `judge(step)` instead.
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from longplay.envs.state import HIDDEN, HIDDEN_OUTCOMES
from longplay.rewards.objective import Objective
from longplay.rewards.step import Outcomes, Values

ANY = (0.0, math.inf)
SPLIT = "a session judged fetch by fetch or as one step comes to the same sum"


class Registry(Mapping[str, type["Signal"]]):
    """Signal classes by name."""

    def __init__(self) -> None:
        self._signals: dict[str, type[Signal]] = {}

    def add(self, signal: type["Signal"]) -> None:
        """Enter a signal; ValueError if it is hidden or its name is taken."""
        name = signal.name
        if name in HIDDEN_OUTCOMES or name in HIDDEN:
            raise ValueError(_hidden(name))
        known = self._signals.get(name)
        if known is not None and known.__qualname__ != signal.__qualname__:
            raise ValueError(
                f"signal {name!r} is already {known.__qualname__}; "
                f"give {signal.__qualname__} another name"
            )
        self._signals[name] = signal

    def __getitem__(self, name: str) -> type["Signal"]:
        return self._signals[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._signals)

    def __len__(self) -> int:
        return len(self._signals)


SIGNALS = Registry()


@dataclass(frozen=True)
class Signal(Objective):
    """One signal. Its dataclass fields, if any, are its settings."""

    kind: ClassVar[str] = "signal"
    name: ClassVar[str] = ""
    unit: ClassVar[str] = "1"
    range: ClassVar[tuple[float, float]] = ANY  # of one row
    formula: ClassVar[str] = ""  # empty: the outcome field of the same name
    source: ClassVar[str] = "logged: a field of OUTCOME (envs/state.py)"
    leaves: ClassVar[str] = SPLIT  # what it leaves invariant

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        SIGNALS.add(cls)

    @property
    def label(self) -> str:
        """The name, with settings that differ from their defaults: `gap(cap_days=30.0)`."""
        changed = [
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if getattr(self, f.name) != f.default
        ]
        return f"{self.name}({', '.join(changed)})" if changed else self.name

    def evaluate(self, outcomes: Outcomes) -> Values:
        """The outcome field of the same name."""
        return np.asarray(outcomes[self.name], np.float64)

    def to_dict(self) -> dict[str, Any]:
        """{"kind": "signal", "name": ..., and its settings}."""
        settings = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"kind": self.kind, "name": self.name, **settings}

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> "Signal":
        settings = {key: value for key, value in data.items() if key not in ("kind", "name")}
        return find_signal(data["name"], **settings)

    def __str__(self) -> str:
        return self.label


def find_signal(name: str, **settings: Any) -> Signal:
    """The signal of that name.

    Raises:
        ValueError: there is none, it is hidden, or it has no such setting.
    """
    if name in SIGNALS:
        known = [f.name for f in fields(SIGNALS[name])]
        for setting in settings:
            if setting not in known:
                raise ValueError(
                    f"signal {name!r} has no setting {setting!r}; "
                    f"it has {', '.join(known) or 'none'}"
                )
        return SIGNALS[name](**settings)
    if name in HIDDEN_OUTCOMES or name in HIDDEN:
        raise ValueError(_hidden(name))
    near = difflib.get_close_matches(str(name), list(SIGNALS), n=2, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(SIGNALS)}."
    raise ValueError(f"There is no signal {name!r}. {hint}")


def _hidden(name: str) -> str:
    return (
        f"{name!r} is hidden: no platform can log it, so it may be used in evaluation only; "
        "reward a visible signal instead, e.g. survey or returned_7d"
    )


@dataclass(frozen=True)
class Minutes(Signal):
    """Minutes played."""

    name, unit = "minutes", "min"


@dataclass(frozen=True)
class Looked(Signal):
    """Organic positions looked at."""

    name = "looked"


@dataclass(frozen=True)
class Plays(Signal):
    """Items started."""

    name = "plays"


@dataclass(frozen=True)
class Likes(Signal):
    """Items liked."""

    name = "likes"


@dataclass(frozen=True)
class Saves(Signal):
    """Items saved."""

    name = "saves"


@dataclass(frozen=True)
class Shares(Signal):
    """Items shared."""

    name = "shares"


@dataclass(frozen=True)
class Hides(Signal):
    """Items the user asked not to see again."""

    name = "hides"


@dataclass(frozen=True)
class Novelty(Signal):
    """Sum of the novelty, 0..1 each, of the items played beyond the skip limit."""

    name = "novelty"


@dataclass(frozen=True)
class Duplicates(Signal):
    """Repeated choices in the slates; each was replaced by another item."""

    name = "duplicates"


@dataclass(frozen=True)
class Ads(Signal):
    """Ads placed, seen or not."""

    name = "ads"


@dataclass(frozen=True)
class AdViews(Signal):
    """Ads looked at."""

    name = "ad_views"


@dataclass(frozen=True)
class AdClicks(Signal):
    """Ads clicked."""

    name = "ad_clicks"


@dataclass(frozen=True)
class Revenue(Signal):
    """Money earned by ads."""

    name, unit = "revenue", "money"


@dataclass(frozen=True)
class Survey(Signal):
    """The survey answer; 0 where none was given (nan in the outcome).

    A sum over steps rewards being asked as much as being content. To pay for answers above a
    bar b, and nothing for silence, write `Survey() - b * Answered()`.
    """

    name, range = "survey", (0.0, 1.0)
    formula = "survey if answered, else 0"

    def evaluate(self, outcomes: Outcomes) -> Values:
        """The answer, or 0."""
        answer = np.asarray(outcomes["survey"], np.float64)
        return np.where(np.isnan(answer), 0.0, answer)


@dataclass(frozen=True)
class Answered(Signal):
    """1 if a survey answer was given."""

    name, range = "answered", (0.0, 1.0)
    formula = "1[survey answered]"

    def evaluate(self, outcomes: Outcomes) -> Values:
        """1 where there is an answer."""
        return np.where(np.isnan(outcomes["survey"]), 0.0, 1.0)


@dataclass(frozen=True)
class Ended(Signal):
    """1 if the session ended in this step."""

    name, range = "ended", (0.0, 1.0)


@dataclass(frozen=True)
class ActiveDay(Signal):
    """1 if the session that ended was the first of its calendar day.

    Summed over a life: the days on which the user came.
    """

    name, range = "active_day", (0.0, 1.0)
