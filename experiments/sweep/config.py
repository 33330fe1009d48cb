"""What a sweep varies, and how: one typed file.

    [sweep]                                   # fields of Sweep, each with a default
    agent = "ppo"
    scenario = "bench"
    search = "random"
    trials = 20

    [over]                                    # what varies
    agent.learning_rate = {low = 1e-4, high = 1e-2, log = true}    # a range
    agent.net = [[64, 64], [128]]                                  # a list of choices
    world.fatigue.per_ad = {choices = [0.05, 0.1]}                 # the same, spelt out

Under [over] stand settings of the agent (`agent.NAME`), parameters of the world's laws
(`world.LAW.NAME`, or a number of the world itself, `world.day_value`), and some fields of [sweep]
(PLAIN). A range of whole numbers (`low = 1, high = 8`) gives whole numbers.

Everything is refused with one sentence before anything is written or trained.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from longplay.experiments.run import Refused
from longplay.experiments.settings import Decision, Observe, Settings, did_you_mean

Search = Literal["grid", "random", "optuna"]
Goal = Literal["max", "min"]
Stop = Literal["no", "halving", "asha"]

# fields of [sweep] that may stand under [over]
PLAIN = ("agent", "scenario", "decision", "observe", "train_steps", "horizon_days", "reward")
RANGE = ("low", "high", "log", "points", "choices")  # keys of what a setting ranges over
MOST_TRIALS = 100_000  # more is a slip of the hand
KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True)
class Choices:
    """One of these values."""

    values: tuple[Any, ...]

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values to try out beforehand: all."""
        return self.values

    def grid(self, name: str) -> tuple[Any, ...]:
        """The values of a grid."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A number between two others, both included."""

    low: float
    high: float
    log: bool = False  # evenly in its logarithm
    points: int | None = None  # of a grid

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values to try out beforehand: the ends."""
        return self.low, self.high

    def grid(self, name: str) -> tuple[Any, ...]:
        """The values of a grid: `points` of them, evenly from low to high.

        Raises:
            Refused: without `points`.
        """
        if self.points is None:
            raise Refused(
                f"{name}: a grid needs a list of values, or points = N beside low and high; or "
                'choose search = "random".'
            )
        found = dict.fromkeys(self.at(i / (self.points - 1)) for i in range(self.points))
        return tuple(found)

    def at(self, share: float) -> float:
        """The value at a share [0, 1] of the way from low to high, with six digits."""
        if self.log:
            x = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            x = self.low + share * (self.high - self.low)
        x = round(x) if self.whole else float(f"{x:.6g}")
        return min(max(x, self.low), self.high)


@dataclass(frozen=True)
class Sweep:
    """What is swept: two sweeps with equal settings give equal numbers."""

    world: str = "longplay/AdLoad-v0"  # id of the world; see `longplay worlds`
    scenario: str = "bench"  # named parameters of the world, or a scenario file
    decision: Decision = "session"  # how long an action holds
    observe: Observe = "platform"  # what policies see; oracle adds hidden moods
    agent: str = "ppo"  # see `longplay agents`
    seeds: int = 2  # training seeds of each trial, each with its own people
    users: int = 500  # people per seed, on whom a trial is judged
    train_steps: int = 100_000  # decisions an agent may learn from, per seed
    horizon_days: float | None = None  # how long each user is watched; None: as the world says
    reward: str | None = None  # formula that learners are paid by; None: the world's own
    metric: str = "value"  # mean over users by which trials are ranked
    goal: Goal = "max"
    search: Search = "grid"
    trials: int | None = None  # of random and optuna; a grid has as many as it has
    seed: int = 0  # of the search
    batch: int = 4  # trials that optuna asks for at a time, whatever the number of processes
    stop: Stop = "no"  # poor trials early: halving, or asha (on Ray)
    rungs: int = 3  # of early stopping: at train_steps, a third of it, a ninth, ...
    eta: int = 3  # of early stopping: one in so many goes on from rung to rung
    confirm: bool = True  # train the best with new seeds and judge it on people no trial has met
    over: Mapping[str, Choices | Range] = field(default_factory=dict)

    @property
    def varied(self) -> list[str]:
        """Names of what takes more than one value."""
        return [n for n, r in self.over.items() if isinstance(r, Range) or len(r.values) > 1]

    def settings(self, params: Mapping[str, Any]) -> Settings:
        """What a trial of these values compares, in the words of `longplay compare`."""
        own = {name: params.get(name, getattr(self, name)) for name in PLAIN}
        agent = own.pop("agent")
        return Settings(
            world=self.world, agents=(agent,), seeds=self.seeds, users=self.users, **own
        )


def read_config(path: Path) -> Sweep:
    """Read a sweep's file; Refused with one sentence if it is none."""
    try:
        page = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(
            f"{path} cannot be read ({error.strerror}); name a sweep's TOML file."
        ) from None
    except ValueError as error:  # no TOML, or no text
        raise Refused(f"{path} is no TOML file: {error}; see docs/sweeps.md.") from None
    try:
        return config_of(page)
    except Refused as error:
        raise Refused(f"{path}: {error}") from None


def config_of(page: Mapping[str, Any]) -> Sweep:
    """The sweep that a parsed file says; Refused with one sentence if it says none."""
    for name in page:
        if name not in ("sweep", "over"):
            raise Refused(f"there is no table [{name}]{did_you_mean(name, ('sweep', 'over'))}")
    for name in ("sweep", "over"):
        if not isinstance(page.get(name, {}), dict):
            raise Refused(f"{name} holds {page[name]!r}; wanted a table, [{name}].")
    hints = typing.get_type_hints(Sweep)
    known = [f.name for f in dataclasses.fields(Sweep) if f.name != "over"]
    plain = dict(page.get("sweep", {}))
    for name, value in plain.items():
        if name not in known:
            raise Refused(f"[sweep] has no setting {name!r}{did_you_mean(name, known)}")
        check_type(f"{name}", value, hints[name])
    over = {name: read_values(name, value) for name, value in leaves(page.get("over", {}))}
    config = Sweep(**plain, over=over)
    check_numbers(config)
    return config


def leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """What stands under [over], by its name with dots."""
    for name, value in table.items():
        where = f"{above}{name}"
        if isinstance(value, dict) and not set(RANGE) & set(value):
            if not value:
                raise Refused(f"{where} is empty; wanted a list of values, or low and high.")
            yield from leaves(value, f"{where}.")
        else:
            yield where, value


def read_values(name: str, came: Any) -> Choices | Range:
    """What a setting takes: a list of choices, or a range; Refused if it is neither."""
    if isinstance(came, dict):
        for key in came:
            if key not in RANGE:
                raise Refused(f"{name} has no {key!r}{did_you_mean(key, RANGE)}")
        if "choices" not in came:
            return read_range(name, came)
        if len(came) > 1:
            raise Refused(f"{name}: choices came with {', '.join(came)}; leave one of both away.")
        came = came["choices"]
    if not isinstance(came, list):
        raise Refused(
            f"{name}={came!r}; wanted a list of values, such as [{came!r}], or low and high."
        )
    if not came:
        raise Refused(f"{name}: the list is empty; wanted at least one value.")
    twice = [value for value in came if came.count(value) > 1]
    if twice:
        raise Refused(f"{name}: {twice[0]!r} came twice; name each value once.")
    return Choices(tuple(came))


def read_range(name: str, came: Mapping[str, Any]) -> Range:
    """A range; Refused if it is empty, or has no logarithm."""
    hints = typing.get_type_hints(Range)
    for key in ("low", "high"):
        if key not in came:
            raise Refused(f"{name} has no {key!r}; a range needs low and high.")
    for key, value in came.items():
        check_type(f"{name}.{key}", value, hints[key])
    found = Range(**came)
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise Refused(f"{name}: low={found.low:g}, high={found.high:g}; wanted finite numbers.")
    if not found.low < found.high:
        raise Refused(
            f"{name}: low={found.low:g}, high={found.high:g}; wanted low below high (for one value "
            "give a list of it)."
        )
    if found.log and found.low <= 0:
        raise Refused(
            f"{name}: low={found.low:g} has no logarithm; wanted low above 0, or leave log away."
        )
    if found.points is not None and found.points < 2:
        raise Refused(f"{name}: points={found.points}; wanted at least 2.")
    return found


def check_numbers(config: Sweep) -> None:
    """Refuse numbers out of range, and settings that do not go together."""
    for name, least in (("batch", 1), ("rungs", 1), ("eta", 2), ("trials", 1), ("seed", 0)):
        came = getattr(config, name)
        if came is not None and came < least:
            raise Refused(f"{name}={came}; wanted at least {least}.")
    if not config.over:
        raise Refused("nothing stands under [over]; name at least one setting that varies.")
    if config.search == "grid" and config.trials is not None:
        raise Refused(
            f"trials={config.trials} came with a grid, which has as many trials as it has points; "
            'leave trials away, or choose search = "random".'
        )
    if config.search != "grid" and config.trials is None:
        raise Refused(f'search = "{config.search}" came without trials; say how many.')
    if (config.trials or 0) > MOST_TRIALS:
        raise Refused(f"trials={config.trials}; wanted at most {MOST_TRIALS:,}.")
    for name, values in config.over.items():
        if isinstance(values, Range) and values.points and config.search != "grid":
            raise Refused(f"{name}: points are of a grid, not of search = {config.search!r}.")
    if config.stop == "no":
        return
    if config.search == "optuna":
        raise Refused(
            f'stop = "{config.stop}" came with search = "optuna"; take a grid or random search.'
        )
    if "train_steps" in config.over:
        raise Refused("train_steps varies, and early stopping varies it too; leave one of both.")
    if config.train_steps < config.eta ** (config.rungs - 1):
        raise Refused(
            f"train_steps={config.train_steps} cannot be parted in {config.rungs} rungs by "
            f"{config.eta}; take more steps or fewer rungs."
        )


def check_type(name: str, came: Any, hint: Any) -> None:
    """Refused unless a value is of a type."""
    if not fits(came, hint):
        raise Refused(f"{name}={came!r}; wanted {spoken(hint)}.")


def fits(came: Any, hint: Any) -> bool:
    """Whether a value read from TOML is of a type: lists are tuples, whole numbers are numbers."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (types.UnionType, typing.Union):
        return any(fits(came, one) for one in inner)
    if origin is Literal:
        return came in inner
    if origin in (tuple, list):
        of = inner[0] if inner else Any
        return isinstance(came, list | tuple) and all(fits(one, of) for one in came)
    if isinstance(came, bool):
        return hint is bool
    if hint is float:
        return isinstance(came, int | float)
    kind = origin or hint
    if kind is types.NoneType:
        return came is None
    if isinstance(kind, type) and issubclass(dict, kind):
        return isinstance(came, dict)
    return isinstance(came, kind)


def spoken(hint: Any) -> str:
    """A type in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        kinds = dict.fromkeys(spoken(one) for one in inner if one is not types.NoneType)
        return " or ".join(kinds)
    if origin is Literal:
        return " or ".join(f'"{one}"' for one in inner)
    if origin in (tuple, list):
        return "a list of " + (spoken(inner[0]).partition(" ")[2] if inner else "value") + "s"
    return KINDS.get(hint, "a table")
