"""The page of rewards: complete, and what the package says today."""

from pathlib import Path

import pytest

from longplay.experiments.cli import main
from longplay.experiments.rewards_page import anchor, page
from longplay.rewards import SIGNALS
from longplay.rewards.returns import Gap

pytestmark = pytest.mark.extras

DOCS = Path(__file__).parents[2] / "docs" / "rewards.md"


def test_the_page_of_the_docs_is_todays() -> None:
    assert DOCS.read_text() == page(), "run: python -m longplay.experiments.rewards_page"


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_has_its_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewards", name]) == 0
    told = capsys.readouterr().out
    for row in ("formula", "unit", "range of a row", "source", "leaves invariant"):
        assert f"| {row} |" in told


def test_the_list_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewards"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in SIGNALS)


def test_anchors_are_those_of_the_headings() -> None:
    assert anchor(Gap) == "gap-cap_days600"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["minuts"], "There is no signal 'minuts'; did you mean minutes?"),
        (["a", "b"], "takes at most one NAME; 'a b' came"),
        (["--all"], "takes at most one NAME"),
    ],
)
def test_mistakes_are_told(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rewards", *words]) == 2
    assert says in capsys.readouterr().err
