"""The README's examples run as they stand."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S)


@pytest.mark.extras
@pytest.mark.parametrize("block", BLOCKS, ids=[b.splitlines()[0][:40] for b in BLOCKS])
def test_example_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    if "print(" in block:
        assert capsys.readouterr().out.strip()


DOCS = sorted((README.parent / "docs").glob("*.md"))


@pytest.mark.extras
@pytest.mark.parametrize("page", DOCS, ids=[page.stem for page in DOCS])
def test_what_a_page_imports_is_there(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.S):
        imports = [line for line in block.splitlines() if line.startswith(("import ", "from "))]
        exec(compile("\n".join(imports), page.name, "exec"), {})


def test_first_screen_is_the_commands() -> None:
    screen = README.read_text().splitlines()[:14]
    for target in ("make demo", "make test", "make check", "make bench"):
        assert any(line.startswith(target) for line in screen)


def test_change_a_law_takes_ten_lines() -> None:
    (block,) = [b for b in BLOCKS if "with_laws" in b]
    lines = [line for line in block.splitlines() if line and not line.startswith("import math")]
    assert len([line for line in lines if '"""' not in line]) <= 10


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)", README.read_text())
    missing = [t for t in targets if not (README.parent / t).exists()]
    assert not missing
