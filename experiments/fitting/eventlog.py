"""A user's own event log, read from Parquet or CSV.

One row an event, five columns, others are ignored:

    user      any id, text or whole number
    time      when it began: ISO, "2026-03-01T18:05:00", with or without a zone, or epoch numbers
    kind      "play"; other kinds ("like", "skip", "hide", "view", ...) are counted, not used
    item      any id of what was played
    duration  seconds played

How times are written is decided once per file, and told: ISO with a zone is brought to UTC; ISO
without one is taken as it stands, best the users' local time, because days and weeks are cut at
midnight; numbers are epoch seconds, or milliseconds if their median is above 1e11, in UTC.

A row that cannot be used is *bad*: it is counted by its first reason, listed in `bad_rows.csv`,
and left out. Rows are numbered from 1, the header not counted. A row of another kind than play
needs no item and no duration.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longplay.experiments.fitting.playlog import Plays
from longplay.experiments.run import Refused, exists, replacing

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("user", "time", "kind", "item", "duration")
PLAY = "play"
MOST_BAD = 0.20  # a log with a larger share of bad rows is refused; free choice
SHOWN = 5  # row numbers told for each reason
EPOCH_MS = 1e11  # a median above this is milliseconds; in seconds it would be the year 5138
EPOCH_RANGE = (1e8, 1e14)  # medians outside of it (before 1973; microseconds) are no epoch we take
LONGEST = 86_400.0  # a play that lasts longer is bad [s]
ISO = (
    r"^\s*(?P<date>\d{4}-\d{2}-\d{2})[T ](?P<hour>\d{2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2}(?:\.\d{1,9})?))?\s*(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)?\s*$"
)
MICRO = 1_000_000
DAY = 86_400 * MICRO  # [us]
MONDAY = 4 * DAY  # 1970-01-05 [us since 1970]


@dataclass(frozen=True)
class LogSummary:
    """What was found in a log."""

    path: str
    rows: int
    plays: int  # that are used
    users: int  # with at least one of them
    items: int
    clock: str  # how times were taken, in words
    first: str  # the first play's time, ISO
    last: str
    kinds: dict[str, int]  # rows that are not bad, by kind, most frequent first
    bad: dict[str, int]  # bad rows by reason
    examples: dict[str, tuple[int, ...]]  # the first few row numbers of each reason

    @property
    def bad_rows(self) -> int:
        """All of them."""
        return sum(self.bad.values())

    def lines(self) -> list[str]:
        """The summary in sentences."""
        others = [f"{count:,} {kind!r}" for kind, count in self.kinds.items() if kind != PLAY]
        said = [
            f"{self.path}: {self.rows:,} rows, of which {self.plays:,} plays of {self.items:,} "
            f"items by {self.users:,} users are used, from {self.first} to {self.last}.",
            f"Times are {self.clock}.",
        ]
        if others:
            said.append(f"Counted, not used: {', '.join(others)}.")
        for reason, count in self.bad.items():
            some = ", ".join(map(str, self.examples[reason]))
            more = ", ..." if count > len(self.examples[reason]) else ""
            said.append(f"Left out, {reason}: {count:,} (rows {some}{more}).")
        return said


@dataclass(frozen=True)
class EventLog:
    """A log that was read: its plays, what was found, and the rows left out."""

    plays: Plays  # users and items numbered 0, 1, ... in the order of their ids as text
    summary: LogSummary
    left_out: list[tuple[str, ...]]  # row number, reason, and the five values as text

    def write_bad_rows(self, path: Path) -> None:
        """Write the rows left out, as CSV; a header alone if there are none."""
        with replacing(path) as half, half.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("row", "reason", *COLUMNS))
            writer.writerows(self.left_out)


def read_log(path: Path) -> EventLog:
    """Read a log; see the top of this file.

    Raises:
        Refused: the file cannot be read, lacks a column, holds no play, or mostly bad rows.
    """
    try:
        import polars as pl
    except ImportError:
        raise Refused(
            "Logs are read by polars, which is not installed; run: pip install "
            '"longplay[experiments]"'
        ) from None
    raw = _table(path)
    text = raw.select(pl.col(name).cast(pl.String).str.strip_chars() for name in COLUMNS)
    micros, clock = _times(raw["time"], path)
    rows = text.with_columns(
        pl.int_range(1, pl.len() + 1).alias("row"),
        micros.alias("micros"),
        pl.col("kind").str.to_lowercase().alias("kind"),
        pl.col("duration").cast(pl.Float64, strict=False).alias("seconds"),
    )
    rows = rows.with_columns(_reason().alias("reason"))
    bad = rows.filter(pl.col("reason").is_not_null())
    good = rows.filter(pl.col("reason").is_null())
    counts = _counted(bad["reason"])
    if bad.height > MOST_BAD * rows.height:
        told = ", ".join(f"{reason}: {n:,}" for reason, n in counts.items())
        raise Refused(
            f"{path}: {bad.height:,} of {rows.height:,} rows are bad ({told}); at most "
            f"{MOST_BAD:.0%} may be, so mend the log first."
        )
    played = good.filter(pl.col("kind") == PLAY)
    kinds = _counted(good["kind"])
    _check_plays(played, kinds, path)
    examples = {
        reason: tuple(bad.filter(pl.col("reason") == reason)["row"].head(SHOWN).to_list())
        for reason in counts
    }
    summary = LogSummary(
        path=str(path),
        rows=rows.height,
        plays=played.height,
        users=played["user"].n_unique(),
        items=played["item"].n_unique(),
        clock=clock,
        first=_iso(played["micros"].min()),
        last=_iso(played["micros"].max()),
        kinds=kinds,
        bad=counts,
        examples=examples,
    )
    numbers = bad["row"].to_list()
    listed = text[[n - 1 for n in numbers]].fill_null("").rows() if numbers else []
    left_out = [
        (str(n), str(why), *values)
        for n, why, values in zip(numbers, bad["reason"], listed, strict=True)
    ]
    return EventLog(_plays(played), summary, left_out)


def _table(path: Path) -> pl.DataFrame:
    """The five columns as they stand in the file; of CSV, all of them text."""
    import polars as pl

    if not exists(path) or not path.is_file():
        raise Refused(f"There is no file {path}; wanted an event log, Parquet or CSV.")
    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv"):
        raise Refused(f"{path} ends in {kind or 'nothing'!r}; wanted .parquet or .csv.")
    if path.stat().st_size == 0:
        raise Refused(f"{path} is empty; wanted an event log with rows.")
    try:
        if kind == ".parquet":
            found = list(pl.read_parquet_schema(path))
        else:
            found = pl.read_csv(path, n_rows=0, infer_schema=False).columns
        missing = [name for name in COLUMNS if name not in found]
        if missing:
            raise Refused(
                f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; wanted "
                f"{', '.join(COLUMNS)}, found {', '.join(found)[:200]}."
            )
        if kind == ".parquet":
            table = pl.read_parquet(path, columns=list(COLUMNS)).select(COLUMNS)
        else:
            table = pl.read_csv(path, columns=list(COLUMNS), infer_schema=False).select(COLUMNS)
    except (pl.exceptions.PolarsError, OSError) as fault:
        first = (str(fault).splitlines() or [type(fault).__name__])[0].rstrip(".")
        raise Refused(f"{path} cannot be read as {kind[1:]} ({first[:160]}).") from None
    if table.height == 0:
        raise Refused(f"{path} has columns and no rows; wanted an event log with rows.")
    for name, dtype in table.schema.items():
        plain = dtype.is_numeric() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)
        if not (plain or (name == "time" and dtype == pl.Datetime)):
            wanted = {"time": "text, numbers or timestamps", "duration": "numbers"}
            raise Refused(
                f"{path}: column {name} is of type {dtype}; wanted "
                f"{wanted.get(name, 'text or numbers')}."
            )
    return table


def _reason() -> pl.Expr:
    """Why a row is bad, the first reason counts; null for a good one."""
    import polars as pl

    col = pl.col
    play = col("kind") == PLAY

    def blank(name: str) -> pl.Expr:
        empty: pl.Expr = col(name).is_null() | (col(name) == "")
        return empty

    checks = (
        (blank("user"), "no user"),
        (blank("time"), "no time"),
        (col("micros").is_null(), "time not understood"),
        (blank("kind"), "no kind"),
        (play & blank("item"), "no item"),
        (play & blank("duration"), "no duration"),
        (play & col("seconds").is_null(), "duration is no number"),
        (play & ~col("seconds").is_finite(), "duration not finite"),
        (play & (col("seconds") < 0), "duration negative"),
        (play & (col("seconds") > LONGEST), "duration above a day"),
        (~pl.struct("user", "micros", "kind", "item", "duration").is_first_distinct(),
         "the same as a row before"),
    )  # fmt: skip
    reason = pl.lit(None, dtype=pl.String)
    for test, words in reversed(checks):
        reason = pl.when(test).then(pl.lit(words)).otherwise(reason)
    return reason


def _times(times: pl.Series, path: Path) -> tuple[pl.Series, str]:
    """Microseconds since 1970, null where not understood, and how they were taken, in words."""
    import polars as pl

    if times.dtype == pl.Datetime:
        zone = getattr(times.dtype, "time_zone", None)
        micros = times.dt.epoch("us")  # of a column with a zone: in UTC
        return micros, "timestamps with a zone, in UTC" if zone else "timestamps, as they stand"
    text = times.cast(pl.String).str.strip_chars()
    number = times.cast(pl.Float64) if times.dtype.is_numeric() else text.cast(
        pl.Float64, strict=False
    )  # fmt: skip
    number = number.set(~number.is_finite().fill_null(True), None)
    if number.count() * 2 > (text.drop_nulls() != "").sum():
        return _epoch(number, path)
    return _iso_times(text)


def _epoch(number: pl.Series, path: Path) -> tuple[pl.Series, str]:
    """Epoch seconds or milliseconds, as the median says."""
    import polars as pl

    middle = abs(float(number.to_frame().select(pl.median(number.name)).item() or 0.0))
    if not EPOCH_RANGE[0] <= middle < EPOCH_RANGE[1]:
        raise Refused(
            f"{path}: times are numbers with a median of {middle:.4g}; wanted epoch seconds or "
            "milliseconds, or ISO timestamps."
        )
    in_ms = middle >= EPOCH_MS
    scale = MICRO // 1000 if in_ms else MICRO
    limit = EPOCH_RANGE[1] * 1000.0  # the year 5138 [us]
    micros = (number * scale).round()
    micros = micros.set((micros.abs() > limit).fill_null(False), None).cast(pl.Int64)
    return micros, f"epoch {'milliseconds' if in_ms else 'seconds'}, in UTC"


def _iso_times(text: pl.Series) -> tuple[pl.Series, str]:
    """ISO timestamps; those with a zone or those without, whichever are more."""
    import polars as pl

    parts = text.str.extract_groups(ISO).struct.unnest()
    clock = parts.select(
        pl.col("date").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64).alias("day"),
        pl.col("hour").cast(pl.Int64),
        pl.col("minute").cast(pl.Int64),
        (pl.col("second").fill_null("0").cast(pl.Float64) * MICRO).round().cast(pl.Int64),
        pl.col("zone"),
        _offset_minutes().alias("offset"),
    )
    zoned = bool(clock["zone"].count() * 2 > clock["day"].count())
    whole = pl.col("day") * DAY + (pl.col("hour") * 60 + pl.col("minute")) * 60 * MICRO
    fits = (
        (pl.col("hour") < 24)
        & (pl.col("minute") < 60)
        & (pl.col("second") < 60 * MICRO)
        & (pl.col("offset").abs() <= 18 * 60)
        & (pl.col("zone").is_not_null() == zoned)
    )
    micros = whole + pl.col("second") - pl.col("offset") * 60 * MICRO
    taken = clock.select(pl.when(fits).then(micros).alias("micros"))["micros"]
    return taken, "ISO with a zone, in UTC" if zoned else "ISO without a zone, as they stand"


def _offset_minutes() -> pl.Expr:
    """Minutes a zone is ahead of UTC; 0 without one."""
    import polars as pl

    digits = pl.col("zone").str.replace_all(r"[^0-9]", "")
    hours = digits.str.slice(0, 2).cast(pl.Int64, strict=False).fill_null(0)
    minutes = digits.str.slice(2, 2).cast(pl.Int64, strict=False).fill_null(0)
    sign = pl.when(pl.col("zone").str.starts_with("-")).then(-1).otherwise(1)
    offset: pl.Expr = (sign * (hours * 60 + minutes)).fill_null(0)
    return offset


def _counted(column: pl.Series) -> dict[str, int]:
    """How often each value occurs, most frequent first, then by name."""
    counts = {str(row[0]): int(row[1]) for row in column.value_counts().rows()}
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _check_plays(played: pl.DataFrame, kinds: dict[str, int], path: Path) -> None:
    """Refused unless there are plays whose durations can be seconds."""
    if played.height == 0:
        found = ", ".join(list(kinds)[:8]) or "none"
        raise Refused(f'{path} holds no row of kind "play"; kinds found: {found}.')
    middle = float(np.median(played["seconds"].to_numpy()))
    if middle > 3 * 3600:
        raise Refused(
            f"{path}: half of the plays last more than {middle / 3600:.1f} hours; wanted duration "
            "in seconds."
        )


def _plays(played: pl.DataFrame) -> Plays:
    """Users and items numbered by their text; hours since a Monday 00:00."""
    micros = played["micros"].to_numpy()
    monday = (int(micros.min()) - MONDAY) // (7 * DAY) * (7 * DAY) + MONDAY
    number: Callable[[str], Any] = lambda name: played[name].rank("dense").to_numpy()  # noqa: E731
    return Plays(
        user=number("user").astype(np.int64) - 1,
        start=(micros - monday) / (3600.0 * MICRO),
        minutes=played["seconds"].to_numpy() / 60.0,
        item=number("item").astype(np.int64) - 1,
    )


def _iso(micros: Any) -> str:
    return datetime.fromtimestamp(int(micros) / MICRO, UTC).strftime("%Y-%m-%d %H:%M")
