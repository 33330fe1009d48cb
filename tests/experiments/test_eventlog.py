"""A user's own log: what is read, what is left out and told, what is refused."""

import csv
import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from longplay.experiments.fitting.eventlog import COLUMNS, read_log
from longplay.experiments.run import Refused

pl = pytest.importorskip("polars")
pytestmark = pytest.mark.extras

GOOD = ("ann", "2026-03-02T18:00:00", "play", "x", "180")  # a Monday


def written(folder, rows, columns=COLUMNS, name="log.csv"):
    """A CSV file with these rows."""
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def at(time):
    """A good row at another time."""
    return ("ann", time, "play", "x", "180")


def starts(folder, times):
    """The starts read of plays at these times [h]."""
    return read_log(written(folder, [at(time) for time in times])).plays.start


def test_a_log_by_hand(tmp_path):
    rows = [
        ("bob", "2026-03-03 06:30", "play", "y", "12.5"),
        GOOD,
        ("ann", "2026-03-02T18:03:00.250", " PLAY ", "y", "30"),
        ("ann", "2026-03-02T18:04:00", "like", "", ""),
    ]
    log = read_log(written(tmp_path, rows))
    # ann is 0, bob 1; x is 0, y 1; hour 0 is Monday, 2026-03-02, 00:00.
    assert log.plays.user.tolist() == [1, 0, 0]
    assert log.plays.item.tolist() == [1, 0, 1]
    assert log.plays.start == approx([30.5, 18.0, 18.0 + 3.0 / 60 + 0.25 / 3600])
    assert log.plays.minutes == approx([12.5 / 60, 3.0, 0.5])
    said = log.summary
    assert (said.rows, said.plays, said.users, said.items) == (4, 3, 2, 2)
    assert said.kinds == {"play": 3, "like": 1}
    assert (said.first, said.last) == ("2026-03-02 18:00", "2026-03-03 06:30")
    assert said.bad == {} and log.left_out == []
    assert "Counted, not used: 1 'like'." in said.lines()


BAD = [
    (("", *GOOD[1:]), "no user"),
    (("ann", "  ", "play", "x", "180"), "no time"),
    (at("yesterday"), "time not understood"),
    (at("2026-13-02T18:00:00"), "time not understood"),
    (at("2026-03-02T25:00:00"), "time not understood"),
    (at("2026-03-02"), "time not understood"),
    (at("2026-03-02T18:00:00Z"), "time not understood"),  # the others have no zone
    (("ann", "2026-03-02T18:00:01", "", "x", "180"), "no kind"),
    (("ann", "2026-03-02T18:00:02", "play", "", "180"), "no item"),
    (("ann", "2026-03-02T18:00:03", "play", "x", ""), "no duration"),
    (("ann", "2026-03-02T18:00:04", "play", "x", "long"), "duration is no number"),
    (("ann", "2026-03-02T18:00:05", "play", "x", "inf"), "duration not finite"),
    (("ann", "2026-03-02T18:00:06", "play", "x", "nan"), "duration not finite"),
    (("ann", "2026-03-02T18:00:07", "play", "x", "-1"), "duration negative"),
    (("ann", "2026-03-02T18:00:08", "play", "x", "86401"), "duration above a day"),
    (GOOD, "the same as a row before"),
]


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_a_bad_row_is_told_and_listed(tmp_path, row, reason):
    rows = [GOOD, *[at(f"2026-03-{day:02d}T10:00:00") for day in range(1, 9)], row]
    log = read_log(written(tmp_path, rows))
    assert log.summary.bad == {reason: 1}
    assert log.summary.examples == {reason: (10,)}
    assert log.summary.plays == 9
    assert any(f"Left out, {reason}: 1 (rows 10)." == line for line in log.summary.lines())
    log.write_bad_rows(tmp_path / "bad_rows.csv")
    with (tmp_path / "bad_rows.csv").open(newline="", encoding="utf-8") as file:
        told = list(csv.reader(file))
    assert told == [["row", "reason", *COLUMNS], ["10", reason, *(v.strip() for v in row)]]


def test_only_the_first_few_row_numbers_are_told_and_all_are_listed(tmp_path):
    rows = [at(f"2026-03-02T18:{i:02d}:00") for i in range(50)] + [at("never")] * 8
    log = read_log(written(tmp_path, rows))
    assert log.summary.bad == {"time not understood": 8}
    assert log.summary.examples["time not understood"] == (51, 52, 53, 54, 55)
    assert "(rows 51, 52, 53, 54, 55, ...)" in " ".join(log.summary.lines())
    assert len(log.left_out) == 8


def test_zones_are_brought_to_utc(tmp_path):
    there = starts(tmp_path, ["2026-03-02T18:00:00+02:00", "2026-03-02T16:30:00Z",
                              "2026-03-02T11:00:00-0445", "2026-03-02T18:00:00+01"])  # fmt: skip
    assert there == approx([16.0, 16.5, 15.75, 17.0])


def test_epoch_seconds_and_milliseconds_are_told_apart_by_their_median(tmp_path):
    # 1 772 474 400 s is 2026-03-02 18:00 UTC.
    assert starts(tmp_path, ["1772474400", "1772474401.5"]) == approx([18.0, 18.0 + 1.5 / 3600])
    assert starts(tmp_path, ["1772474400000", "1772474401500"]) == approx([18, 18 + 1.5 / 3600])
    log = read_log(written(tmp_path, [at("1772474400000")]))
    assert log.summary.clock == "epoch milliseconds, in UTC"


def test_how_times_are_written_is_decided_once_a_file(tmp_path):
    times = [str(1772474400 + 3600 * i) for i in range(9)] + ["2026-03-02T18:00:00"]
    log = read_log(written(tmp_path, [at(time) for time in times]))
    assert log.summary.bad == {"time not understood": 1}


def test_ids_may_be_whole_numbers_and_timestamps_may_be_timestamps(tmp_path):
    when = dt.datetime(2026, 3, 2, 18)
    table = {"user": [7, 12], "time": [when, when], "kind": ["play"] * 2, "item": [1, 1],
             "duration": [30, 60]}  # fmt: skip
    for zone, hour in ((None, 18.0), ("Europe/Helsinki", 16.0)):
        path = tmp_path / f"{hour}.parquet"
        frame = pl.DataFrame(table)
        if zone:
            frame = frame.with_columns(pl.col("time").dt.replace_time_zone(zone))
        frame.write_parquet(path)
        log = read_log(path)
        assert log.plays.start == approx([hour, hour])
        assert log.plays.user.tolist() == [1, 0]  # as text, "12" comes before "7"
        assert log.plays.minutes == approx([0.5, 1.0])


EVENT = st.tuples(
    st.text("abcXYZ019 é,\"'", min_size=1, max_size=4).filter(str.strip),
    st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2090, 1, 1)),
    st.sampled_from(["play", "play", "like"]),
    st.sampled_from(["song 1", "song,2", "3"]),
    st.floats(0.0, 7200.0),
)


@settings(max_examples=40, deadline=None)
@given(events=st.lists(EVENT, min_size=1, max_size=12, unique_by=lambda e: (e[0].strip(), e[1])))
def test_csv_and_parquet_read_the_same_whatever_the_clock(tmp_path_factory, events):
    folder = tmp_path_factory.mktemp("log")
    events = [("someone", dt.datetime(2026, 3, 2), "play", "3", 60.0), *events]
    epoch = dt.datetime(1970, 1, 1)
    frame = pl.DataFrame(events, schema=list(COLUMNS), orient="row")
    micros = [(e[1] - epoch) // dt.timedelta(microseconds=1) for e in events]
    clocks = {
        "stamp": frame["time"],
        "plain": pl.Series([e[1].isoformat() for e in events]),
        "utc": pl.Series([e[1].isoformat() + "Z" for e in events]),
        "east": pl.Series([(e[1] + dt.timedelta(hours=5, minutes=45)).isoformat() + "+05:45"
                           for e in events]),
        "seconds": pl.Series([f"{m // 10**6}.{m % 10**6:06d}" for m in micros]),
    }  # fmt: skip
    told = []
    for name, times in clocks.items():
        one = frame.with_columns(times.alias("time"))
        one.write_parquet(folder / f"{name}.parquet")
        told.append(read_log(folder / f"{name}.parquet"))
        if name != "stamp":
            one.write_csv(folder / f"{name}.csv")
            told.append(read_log(folder / f"{name}.csv"))
    for log in told:
        assert log.summary.bad == {}
        assert log.summary.kinds == told[0].summary.kinds
        for ours, first in zip(log.plays, told[0].plays, strict=True):
            assert np.array_equal(ours, first)
    assert told[0].plays.start.min() >= 0.0
    hours = [(m - micros[0]) / 3.6e9 for m, e in zip(micros, events, strict=True) if e[2] == "play"]
    assert told[0].plays.start - told[0].plays.start[0] == approx(hours, abs=1e-6)


def test_what_is_no_log_is_refused_in_one_sentence(tmp_path):
    long = [("ann", f"2026-03-{d:02d}T18:00:00", "play", "x", "180000") for d in range(1, 9)]
    files = {
        "There is no file": tmp_path / "none.csv",
        "wanted .parquet or .csv": written(tmp_path, [GOOD], name="log.txt"),
        "lacks the columns item, duration": written(
            tmp_path, [GOOD[:3]], COLUMNS[:3], "three.csv"
        ),
        "has columns and no rows": written(tmp_path, [], name="bare.csv"),
        'holds no row of kind "play"; kinds found: listen': written(
            tmp_path, [("ann", GOOD[1], "listen", "x", "1")], name="kind.csv"
        ),
        "8 of 8 rows are bad (duration above a day: 8)": written(tmp_path, long, name="long.csv"),
        "median of 5;": written(tmp_path, [at("5")], name="small.csv"),
        "wanted duration in seconds": written(
            tmp_path, [(*GOOD[:4], "20000")], name="hours.csv"
        ),
    }  # fmt: skip
    latin = ",".join(COLUMNS).encode() + b"\n\xe9,1,play,x,1\n"
    contents = {"empty.csv": b"", "empty.parquet": b"", "no.parquet": b"PAR?", "latin.csv": latin}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files["empty.csv is empty"] = tmp_path / "empty.csv"
    files["empty.parquet is empty"] = tmp_path / "empty.parquet"
    files["cannot be read as parquet"] = tmp_path / "no.parquet"
    files["cannot be read as csv"] = tmp_path / "latin.csv"
    for words, path in files.items():
        with pytest.raises(Refused) as refused:
            read_log(path)
        assert words in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_column_of_another_type_is_refused(tmp_path):
    frame = pl.DataFrame([GOOD], schema=list(COLUMNS), orient="row")
    for name, column in (("time", pl.Series([[1]])), ("duration", pl.Series([True]))):
        path = tmp_path / f"{name}.parquet"
        frame.with_columns(column.alias(name)).write_parquet(path)
        with pytest.raises(Refused, match=f"column {name} is of type"):
            read_log(path)


def test_just_a_fifth_of_bad_rows_is_let_through(tmp_path):
    rows = [at(f"2026-03-{d:02d}T18:00:00") for d in range(1, 9)] + [at("?"), at("")]
    assert read_log(written(tmp_path, rows)).summary.bad_rows == 2
    with pytest.raises(Refused, match="3 of 11 rows are bad"):
        read_log(written(tmp_path, [*rows, at("!")]))
