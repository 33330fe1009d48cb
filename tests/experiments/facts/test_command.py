"""Discovery, refusals, files: the parts of `longplay facts` around the experiments."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for library in ("scipy", "tyro", "rich"):
    pytest.importorskip(library)

from longplay.experiments.cli import main
from longplay.experiments.facts import fact as facts_module
from longplay.experiments.facts import harness
from longplay.experiments.facts.fact import Check, Fact, Found, choose, find_facts
from longplay.experiments.facts.judge import judge
from longplay.experiments.facts.page import number, page, summary
from longplay.experiments.run import Refused

FOLDER = Path(facts_module.__file__).parent


def found(tier: Any = "gate", origin: Any = "predicted", low: float = 0.0) -> Found:
    checks = (Check("x", "a number", low, 3.0), Check("y", "another"))
    fact = Fact("F99", "made up", "nobody", "[M]", "x > 0", checks, tier, origin)
    settings = {"full": some_settings(), "quick": some_settings()}
    return Found(fact, "F99: made up.\n\nTold.", settings, lambda *_: {}, dict, lambda *_: "<svg/>")


def some_settings() -> Any:
    return next(iter(find_facts().values())).settings["quick"]


def judged(**more: Any) -> Any:
    parts = [{"x": np.array(x), "y": np.array(math.nan)} for x in (1.0, 2.0)]
    return judge(found(**more), parts, quick=True)


def test_every_file_of_a_fact_is_found() -> None:
    files = {path.stem for path in FOLDER.glob("f[0-9]*_*.py")}
    every = find_facts()
    assert len(every) == len(files) > 0
    assert {f"f{int(name[1:]):02d}" for name in every} == {stem.split("_")[0] for stem in files}
    assert list(every) == sorted(every, key=lambda name: int(name[1:]))


@pytest.mark.parametrize("name", find_facts())
def test_a_fact_says_what_it_must(name: str) -> None:
    one = find_facts()[name]
    assert one.about.startswith(f"{name}: ")
    for word in ("Simulated", "Departures", "["):
        assert word in one.about
    assert set(one.settings) == {"full", "quick"}
    assert any(check.range(False) != (-math.inf, math.inf) for check in one.fact.checks)


def test_at_least_half_of_the_gates_are_predictions() -> None:
    gates = [one.fact for one in find_facts().values() if one.fact.tier == "gate"]
    assert 2 * sum(gate.origin == "predicted" for gate in gates) >= len(gates)


def test_facts_are_named_in_any_case_or_by_commas() -> None:
    assert list(choose(("f5,F1",))) == ["F1", "F5"]
    with pytest.raises(Refused, match="There is no fact 'F3'; did you mean"):
        choose(("F3",))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", ["--out"]),
        ("--out {} --only F999", ["'F999'"]),
        ("--out {} --seeds 1", ["seeds=1", "at least 2"]),
        ("--out {} --jobs 0", ["jobs=0", "at least 1"]),
        ("--out {} --page facts", ["page=facts", ".md"]),
        ("--out {0} --page {0}/page.md", ["page=", "lies in --out"]),
        ("--out {} --only ,", ["only=','", "names no fact"]),
        ("--out {} --scenario musik", ["'musik'", "Did you mean 'music'"]),
        ("--out {} --qiuck", ["'--qiuck'", "did you mean --quick"]),
    ],
)
def test_a_mistake_gets_one_sentence(
    typed: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["facts", *typed.format(out).split()]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    for word in words:
        assert word in told
    assert not out.exists()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["facts", "--only", "F12", "--quick", "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_page_to_keep_links_to_pictures_beside_it_and_is_replaced_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from longplay.experiments.facts import command

    monkeypatch.setattr(command, "measure_all", lambda *_, **__: [judged()])
    kept, pictures = tmp_path / "docs" / "my facts.md", tmp_path / "docs" / "my facts"
    words = ["facts", "--only", "F12", "--jobs", "1", "--page", str(kept), "--out"]
    assert main([*words, str(tmp_path / "one")]) == 0
    assert (pictures / "F99.svg").read_text() == "<svg/>"
    assert "![made up](my%20facts/F99.svg)" in kept.read_text()
    assert "![made up](F99.svg)" in (tmp_path / "one" / "facts.md").read_text()

    def refused(mine: Path) -> None:
        mine.write_text("mine")
        capsys.readouterr()
        assert main([*words, str(tmp_path / "two")]) == 2
        assert f"{mine} exists; pass --overwrite" in capsys.readouterr().err
        assert mine.read_text() == "mine"
        assert not (tmp_path / "two").exists()

    refused(kept)
    kept.unlink()
    refused(pictures / "F12.svg")
    kept.write_text("old")
    assert main([*words, str(tmp_path / "two"), "--overwrite"]) == 0
    assert "my%20facts/F99.svg" in kept.read_text()


def test_the_page_of_the_docs_links_to_pictures_that_are_there() -> None:
    docs = Path(__file__).parents[3] / "docs"
    told = (docs / "facts.md").read_text(encoding="utf-8")
    for name, one in find_facts().items():
        assert f"![{one.fact.title}](facts/{name}.svg)" in told
        assert (docs / "facts" / f"{name}.svg").is_file()


def test_a_run_leaves_table_page_picture_and_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["--only", "F21", "--quick", "--seeds", "2", "--jobs", "1", "--out", str(out)]
    assert main(["facts", *words]) in (0, 1)
    content = json.loads((out / "facts.json").read_text())
    (one,) = content["facts"]
    assert (one["id"], content["kind"], content["seeds"]) == ("F21", "quick", 2)
    for check in one["checks"]:
        assert check["interval"][0] <= check["measured"] <= check["interval"][1]
    assert (out / "F21.svg").read_text().startswith("<svg")
    assert "![" in (out / "facts.md").read_text()
    assert sorted(path.name for path in (out / "parts").iterdir()) == ["F21-0.npz", "F21-1.npz"]
    assert "F21" in capsys.readouterr().out


def test_what_is_unknown_or_open_is_null_in_json() -> None:
    one = harness.one_as_json(judged(), "quick")
    x, y = one["checks"]
    assert x["range"] == [0.0, 3.0]
    assert y["measured"] is None
    assert y["range"] == [None, None]
    assert json.loads(json.dumps(one, allow_nan=False)) == one


def test_the_summary_counts_gates_and_predictions() -> None:
    some = [judged(), judged(origin="fitted"), judged(tier="report")]
    assert summary(some) == "2 of 2 gates hold; 1 of these are predictions."
    bad = judge(found(low=2.0), [{"x": 1.0, "y": 0.0}, {"x": 1.1, "y": 0.0}], quick=True)
    assert summary([judged(), bad]).endswith("Missing: F99.")


def test_the_page_shows_a_miss() -> None:
    bad = judge(found(low=2.0), [{"x": 1.0, "y": 0.0}, {"x": 1.1, "y": 0.0}], quick=True)
    content = {"environment": {"command": "longplay facts"}, "scenario": "music", "kind": "quick",
               "seeds": 2}  # fmt: skip
    told = page([bad], content)
    assert "**misses**" in told
    assert "| 2 to 3 |" in told


def test_the_exit_code_tells_a_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from longplay.experiments.facts import command

    for one, code in ((judged(), 0), (judged(low=2.999, tier="report"), 0)):
        monkeypatch.setattr(command, "measure_all", lambda *_, one=one, **__: [one])
        out = tmp_path / f"{code}-{one.found.fact.tier}"
        assert main(["facts", "--only", "F12", "--jobs", "1", "--out", str(out)]) == code
    bad = judge(found(low=2.0), [{"x": 1.0, "y": 0.0}, {"x": 1.1, "y": 0.0}], quick=True)
    monkeypatch.setattr(command, "measure_all", lambda *_, **__: [bad])
    out = tmp_path / "bad"
    assert main(["facts", "--only", "F12", "--jobs", "1", "--out", str(out)]) == 1


@pytest.mark.parametrize(
    ("x", "text"), [(-2.0751, "-2.08"), (0.0, "0"), (1234.5, "1234"), (math.nan, "unknown")]
)
def test_numbers_are_short(x: float, text: str) -> None:
    assert number(x) == text
