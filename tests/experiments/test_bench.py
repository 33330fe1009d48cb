"""The benchmark as a harness: what it prints and writes. Never how fast anything is."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from longplay.experiments import bench
from longplay.experiments.bench import main, measured, processes, report, steps
from longplay.experiments.bench.rows import Row, Sizes, reference

TINY = Sizes(
    users=8, crowd=16, lanes=4, warm=1, steps=2, quick_steps=3, long_run=3, repetitions=3,
    pairs=2, processes=1, cold=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(measured(TINY))


def test_every_figure_is_a_positive_number_or_says_why_not(rows: list[Row]) -> None:
    assert len(rows) == len({row.name for row in rows}) == 25 - 1  # without the cold start
    for row in rows:
        assert all(math.isfinite(sample) for sample in row.samples)
        if not row.samples:
            assert row.note.startswith("not measured")
        elif "growth" not in row.name and "over its cohort" not in row.name and row.unit[0] != "%":
            assert min(row.samples) > 0.0
        assert row.reference is None or row.reference > 0.0


def test_targets_are_those_promised(rows: list[Row]) -> None:
    promised = {(row.unit, row.better, row.target) for row in rows if row.target is not None}
    assert promised == {
        ("M fetches/s", "more", 1.0),
        ("M fetches/s", "more", 0.25),
        ("x", "more", 1.7),
        ("us/step", "less", 25.0),
        ("us/step", "less", 60.0),
        ("MB", "less", 1000.0),
        ("MB", "less", 1.0),
        ("s", "less", 2.0),
        ("% of a step", "less", 10.0),
    }


def test_the_report_is_plain_json(rows: list[Row]) -> None:
    told = json.loads(json.dumps(report(rows, (0.5, 0.4, 0.3)), allow_nan=False))
    assert set(told["machine"]) >= {"system", "processor", "cpus"}
    assert set(told["versions"]) >= {"python", "numba", "numpy", "gymnasium", "longplay"}
    assert told["load_average"] == [0.5, 0.4, 0.3]
    for row, written in zip(rows, told["rows"], strict=True):
        assert written["name"] == row.name
        assert written["samples"] == list(row.samples)
        assert written["median"] == row.median
        if row.samples:
            assert written["min"] <= written["median"] <= written["max"]


def test_a_row_by_hand() -> None:
    row = Row("speed", "M/s", (0.9, 1.4, 1.1), 1.0, "more", 55.0, "a note")
    assert row.median == 1.1
    assert row.met is True
    assert Row("time", "us", (0.9, 1.4, 1.1), 1.0, "less").met is False
    assert Row("time", "us", (0.9, 1.4, 1.1)).met is None
    assert Row("time", "us", target=1.0).met is None
    text = str(row)
    for word in ("speed", "1.1", "M/s", "0.9 .. 1.4", ">= 1", "reached", "55", "a note"):
        assert word in text
    assert "MISSED" in str(Row("time", "us", (1.1,), 1.0))
    assert str(Row("time", "us", target=1.0, note="not measured: no clock")).endswith("no clock")


def test_the_vecenv_row_is_skipped_with_a_sentence_without_sb3(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "longplay.agents.rl", None)  # as if it could not be imported
    (row,) = steps.vecenv(TINY)
    assert row.samples == ()
    assert row.note == 'not measured: install the extra "rl" (pip install "longplay[rl]").'


def test_one_core_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps.os, "sched_getaffinity", lambda _: {0}, raising=False)
    for row in steps.two_threads(TINY):
        assert row.samples == ()
        assert row.note == "not measured: one core here."


def test_the_command_prints_a_table_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def few(sizes: Sizes) -> Iterator[Row]:
        yield Row("speed", "M/s", (1.0, 2.0, 3.0), 1.5, "more")

    monkeypatch.setattr(bench, "PARTS", (few,))
    main(["--json", str(tmp_path / "bench.json")])
    printed = capsys.readouterr().out
    assert "reached" in printed
    assert "numba" in printed
    told = json.loads((tmp_path / "bench.json").read_text())
    assert [row["median"] for row in told["rows"]] == [2.0]


def test_a_folder_that_is_not_there_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PARTS", (lambda sizes: pytest.fail("measured"),))
    with pytest.raises(SystemExit) as end:
        main(["--json", str(tmp_path / "nowhere" / "bench.json")])
    assert end.value.code == 2
    assert "there is no folder" in capsys.readouterr().err


def test_a_process_that_fails_is_reported_with_its_last_words() -> None:
    with pytest.raises(RuntimeError, match="no such luck"):
        processes.run("raise SystemExit('no such luck')")


def test_the_reference_is_a_speed() -> None:
    assert 0.0 < reference(1000) < math.inf
