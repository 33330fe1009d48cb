"""Simulated lives beside real ones, figure by figure.

    longplay realism --scenario music --out docs/realism.md

A world is run with no ads under the production ranker, and the figures of what is seen there are
set beside the figures of real logs that the project carries in targets/. There are three kinds of
logs: plays of those still alive at the end (playlog.py), impressions (impressions.py) and events of
newcomers (newcomers.py). A figure is *within* its band if its relative error is at most
10 %, or 20 % for a check: a figure that no parameter was chosen for. A profile of shares is within
if every bin that holds at least half of an even share is; the small bins count through the total
variation distance, which is given beside it.
"""

import json
import math
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from longplay.envs.scenarios import World, find_world
from longplay.experiments.fitting.lives import LEAST_DAYS, People, figures_of
from longplay.experiments.fitting.playlog import Figures, Floats
from longplay.experiments.run import Refused, exists, make_room

FITTED, CHECKED = 0.10, 0.20  # largest relative error of a figure that is within its band
TARGETS = resources.files("longplay.experiments.fitting") / "targets"
MOST_USERS = 10_000_000


@dataclass(frozen=True)
class Targets:
    """The figures of real logs, with where they come from."""

    name: str
    about: str
    source: str
    licence: str
    caveats: tuple[str, ...]
    scalars: dict[str, float]
    profiles: dict[str, Floats]
    standard_errors: dict[str, float]
    fitted: frozenset[str]  # figures that the scenario was fitted to; the others are checks
    reasons: dict[str, str] = field(default_factory=dict)  # why a figure misses, where known
    kind: str = "plays"  # of the logs: plays, impressions or newcomers (lives.py)
    watched_days: tuple[float, ...] = ()  # of newcomers: quantiles of how long each was watched


@dataclass(frozen=True)
class Row:
    """One figure: real, simulated, and how far apart."""

    name: str
    real: float  # of a profile: the share of the bin with the largest error
    simulated: float
    error: float  # (simulated - real) / real; of a profile: of that bin
    within: bool
    fitted: bool
    standard_error: float  # of the real figure; nan if not known
    distance: float = math.nan  # total variation distance of a profile [0, 1]


@dataclass(frozen=True)
class Comparison:
    """Every target figure beside its simulated counterpart."""

    scenario: str
    seed: int
    users: int
    days: float
    targets: Targets
    figures: Figures
    rows: tuple[Row, ...]

    def misses(self) -> tuple[Row, ...]:
        """The rows that are not within their bands."""
        return tuple(row for row in self.rows if not row.within)

    def as_json(self) -> dict[str, Any]:
        """Plain data for a JSON file; unknown numbers are null."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "users": self.users,
            "days": self.days,
            "survivors": self.figures.users,
            "plays": self.figures.plays,
            "sessions": self.figures.sessions,
            "rows": [{k: _or_none(v) for k, v in vars(row).items()} for row in self.rows],
            "profiles": {
                name: {"real": real.tolist(), "simulated": self.figures.profiles[name].tolist()}
                for name, real in self.targets.profiles.items()
            },
        }


def target_names() -> list[str]:
    """The names of the targets that the project carries."""
    return sorted(p.name[:-5] for p in TARGETS.iterdir() if p.name.endswith(".json"))


def read_targets(name: str | Path) -> Targets:
    """The target figures of that name (``"music"``), or of a JSON file of the same shape.

    Raises:
        ValueError: there is no such target, or the file lacks a part.
    """
    here, known = TARGETS, target_names()
    if str(name) in known:
        text = (here / f"{name}.json").read_text(encoding="utf-8")
    elif exists(Path(name)) and Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        raise ValueError(
            f"No target figures called {str(name)!r}; known are {', '.join(known)}, "
            "or give the path of a JSON file of the same shape."
        )
    try:
        data = json.loads(text)
        return Targets(
            name=data["name"],
            about=data["about"],
            source=data["source"],
            licence=data["licence"],
            caveats=tuple(data["caveats"]),
            scalars={k: float(v) for k, v in data["scalars"].items()},
            profiles={k: np.array(v, float) for k, v in data["profiles"].items()},
            standard_errors=data["standard_errors"],
            fitted=frozenset(data["fitted"]),
            reasons=data.get("reasons", {}),
            kind=data.get("kind", "plays"),
            watched_days=tuple(data.get("watched_days", ())),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        raise ValueError(
            f"Target figures in {str(name)!r} cannot be read ({fault!r}); "
            "wanted a JSON object like experiments/fitting/targets/music.json."
        ) from fault


def rows_of(targets: Targets, simulated: Figures) -> tuple[Row, ...]:
    """One row a target figure, profiles last."""
    rows = []
    for name, real in targets.scalars.items():
        value = simulated.scalars.get(name, math.nan)
        rows.append(_row(targets, name, real, value))
    for name, shares in targets.profiles.items():
        other = simulated.profiles[name]
        sizeable = shares >= 0.5 / shares.size
        errors = np.where(sizeable, other / shares - 1.0, 0.0)
        worst = int(np.argmax(np.abs(errors)))
        distance = 0.5 * float(np.abs(other - shares).sum())
        rows.append(_row(targets, name, float(shares[worst]), float(other[worst]), distance))
    return tuple(rows)


def _row(
    targets: Targets, name: str, real: float, simulated: float, distance: float = math.nan
) -> Row:
    error = (simulated - real) / real if real else math.nan
    return Row(
        name=name,
        real=real,
        simulated=simulated,
        error=error,
        within=abs(error) <= (FITTED if name in targets.fitted else CHECKED),
        fitted=name in targets.fitted,
        standard_error=targets.standard_errors.get(name, math.nan),
        distance=distance,
    )


def compare(
    world: World | str,
    targets: Targets,
    users: int = 400,
    days: float = 366.0,
    seed: int = 11,
    threads: int | None = None,
) -> Comparison:
    """Simulate a world and set its figures beside ``targets``."""
    world = find_world(world)
    people = People(users, days, seed, threads=threads)
    simulated = figures_of(world, targets.kind, people, targets.watched_days)
    return Comparison(
        world.name, seed, users, days, targets, simulated, rows_of(targets, simulated)
    )


def _or_none(value: Any) -> Any:
    """``value``, or None for a float that JSON cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(rows: tuple[Row, ...]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| figure | real | ± | simulated | error | within |",
        "|---|---:|---:|---:|---:|:---:|",
    ]
    for row in rows:
        spread = "" if math.isnan(row.standard_error) else f"{1.96 * row.standard_error:.3g}"
        name = row.name
        if not math.isnan(row.distance):
            name += f" (worst sizeable bin; total variation {row.distance:.3f})"
        lines.append(
            f"| {name} | {row.real:.4g} | {spread} | {row.simulated:.4g} "
            f"| {100 * row.error:+.1f} % | {'yes' if row.within else '**no**'} |"
        )
    return "\n".join(lines)


def page(result: Comparison, command_line: str) -> str:
    """The comparison as a Markdown page."""
    fitted = tuple(row for row in result.rows if row.fitted)
    checks = tuple(row for row in result.rows if not row.fitted)
    targets = result.targets
    parts = [
        f"# Simulated and real: the `{result.scenario}` scenario",
        f"Made by `{command_line}`. Do not edit by hand.",
        f"**Real.** {targets.about} {targets.source} {targets.licence}",
        "\n".join(f"- {caveat}" for caveat in targets.caveats),
        f"**Simulated.** {_simulated(result)}",
        "**Reading the tables.** error = (simulated − real) / real. ± is half the 95 % interval "
        "of the real figure, where it is known: nobody can be nearer than that on purpose. "
        + _reading(result.targets.kind)
        + "*Within* means within 10 % if fitted and 20 % if not; for a profile, that every bin "
        "with at least half of an even share is; smaller bins count through the total variation "
        "distance alone, the share of cases that would have to move for the profiles to agree. "
        f"Definitions: `experiments/fitting/{DEFINED[result.targets.kind]}`.",
        f"## Fitted\n\n{_score(fitted, FITTED)} The scenario's parameters were chosen for these, "
        "on another seed, by least squares (`experiments/fitting/calibrate.py`).",
        table(fitted),
        f"## Checks\n\n{_score(checks, CHECKED)} No parameter was chosen for these.",
        table(checks),
        "## Profiles",
        _profiles(result),
        "## What misses, and why",
        _reasons(result),
    ]
    return "\n\n".join(parts) + "\n"


DEFINED = {"plays": "playlog.py", "impressions": "impressions.py", "newcomers": "newcomers.py"}


def _simulated(result: Comparison) -> str:
    """Who and what was simulated."""
    sim, how = result.figures, f"world seed {result.seed}, no ads, the production ranker"
    if result.targets.kind == "impressions":
        return f"{result.users} users, {how}: {sim.plays:,} impressions."
    if result.targets.kind == "newcomers":
        return (
            f"{result.users} newcomers, each watched for as long as one of the real ones, {how}: "
            f"{sim.sessions:,} visits."
        )
    return (
        f"{result.users} users over {result.days:g} days, {how}; {sim.users} of them are alive at "
        f"the end and were active for {LEAST_DAYS} days or more, and only these are compared: "
        f"{sim.plays:,} plays in {sim.sessions:,} sessions."
    )


def _reading(kind: str) -> str:
    """What the names of the figures mean, where they need it."""
    if kind != "plays":
        return ""
    return (
        "`user` figures take each user's quantile and average over users, `pooled` ones take all "
        "sessions together; p10, p50, p90 of a figure a user has one of (sessions per day, skip "
        "rate) are over users. "
    )


def _score(rows: tuple[Row, ...], band: float) -> str:
    return f"{sum(row.within for row in rows)} of {len(rows)} are within {100 * band:g} %."


def _profiles(result: Comparison) -> str:
    blocks = [] if result.targets.profiles else ["There are none."]
    for name, real in result.targets.profiles.items():
        lines = [f"| {name[:-1]} | real | simulated | error |", "|---:|---:|---:|---:|"]
        for i, (a, b) in enumerate(zip(real, result.figures.profiles[name], strict=True)):
            lines.append(f"| {i} | {a:.4f} | {b:.4f} | {100 * (b / a - 1):+.0f} % |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _reasons(result: Comparison) -> str:
    misses = result.misses()
    if not misses:
        return "Nothing does."
    reasons = result.targets.reasons
    return "The reasons are our reading of the laws; none was tested by itself.\n\n" + "\n".join(
        f"- `{row.name}` ({100 * row.error:+.0f} %{'' if row.fitted else ', a check'}): "
        + reasons.get(row.name, "not explained yet.")
        for row in misses
    )


@dataclass(frozen=True)
class Realism:
    """Set a scenario's figures beside those of real logs, with relative errors."""

    scenario: str = "music"  # world to simulate; see `longplay worlds`
    targets: str | None = None  # figures: a name or the path of a JSON file; None: the scenario's
    users: int = 600  # simulated users
    days: float = 366.0  # length of the window of plays, at least 60
    seed: int = 11  # of the world
    out: Path | None = None  # Markdown page to write, such as docs/realism.md
    json_out: Path | None = None  # JSON file to write
    overwrite: bool = False  # replace files that exist

    def line(self) -> str:
        """The command that gives the same page again."""
        words = ["longplay realism"]
        for name in ("scenario", "targets", "users", "days", "seed", "out"):
            value = getattr(self, name)
            if value is not None:
                words.append(f"--{name} {value:g}" if name == "days" else f"--{name} {value}")
        return " ".join(words) + (" --overwrite" if self.out is not None else "")


def check_ranges(users: int, days: float, seed: int) -> None:
    """Refused with one sentence unless the people can be simulated and compared."""
    if not LEAST_DAYS <= days < math.inf:
        raise Refused(f"--days {days:g}: wanted at least {LEAST_DAYS}, as in the real logs.")
    if not 1 <= users <= MOST_USERS:
        raise Refused(f"--users {users}: wanted at least 1 and at most {MOST_USERS:,}.")
    if not 0 <= seed < 2**62:
        raise Refused(f"--seed {seed}: wanted at least 0 and less than 2^62.")


def command(asked: Realism) -> int:
    """Simulate, print the table, and write what is asked for; returns the exit code 0.

    Raises:
        Refused: a setting is out of range, a name is unknown, or a file exists.
    """
    check_ranges(asked.users, asked.days, asked.seed)
    outs = [path for path in (asked.out, asked.json_out) if path is not None]
    for path in outs:
        if exists(path) and not asked.overwrite:
            raise Refused(f"{path} exists; pass --overwrite to replace it, or name another.")
    try:
        world = find_world(asked.scenario)
        targets = read_targets(asked.targets or world.name)
    except ValueError as fault:
        raise Refused(str(fault)) from None
    for path in outs:
        make_room(path)
    result = compare(world, targets, asked.users, asked.days, asked.seed)
    print(table(result.rows))
    near = len(result.rows) - len(result.misses())
    print(f"{near} of {len(result.rows)} figures are within their bands.")
    if asked.out is not None:
        _write(asked.out, page(result, asked.line()))
    if asked.json_out is not None:
        _write(asked.json_out, json.dumps(result.as_json(), indent=1) + "\n")
    return 0


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
