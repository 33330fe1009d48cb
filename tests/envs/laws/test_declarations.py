"""Every parameter of every law says what it is, in which unit, and where its value is from."""

import ast
import re
from pathlib import Path

import pytest

from longplay.envs import laws

FILES = sorted(path for path in Path(laws.__file__).parent.glob("*.py") if path.stem != "__init__")
MARKED = re.compile(
    r"\w.* \[[^\]]+\]; "  # a meaning and a unit, then where it is from:
    r".*(free choice|fitted|order of|rule of the data|\[[LSDM][^\]]*\])"
)


def declared(path: Path) -> dict[str, str]:
    """The fields of the parameters in a law's file, with the comment lines above them."""
    source = path.read_text()
    lines = source.splitlines()
    found = {}
    for thing in ast.parse(source).body:
        if not isinstance(thing, ast.ClassDef):
            continue
        for field in thing.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                above: list[str] = []
                at = field.lineno - 2
                while lines[at].strip().startswith("#"):
                    above.insert(0, lines[at].strip().lstrip("# "))
                    at -= 1
                found[field.target.id] = " ".join(above)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_parameters_carry_meaning_unit_and_source(path: Path) -> None:
    fields = declared(path)
    assert fields
    assert {name: text for name, text in fields.items() if not MARKED.match(text)} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_law_numbers_its_equations(path: Path) -> None:
    """The file states them, (1) and on, and its functions name none that it does not state."""
    tree = ast.parse(path.read_text())
    page = ast.get_docstring(tree) or ""
    stated = set(re.findall(r"\((\d)\)$", page, flags=re.MULTILINE))
    assert "1" in stated
    functions = [thing for thing in tree.body if isinstance(thing, ast.FunctionDef)]
    for function in functions:
        about = ast.get_docstring(function) or ""
        for named in re.findall(r"[Ee]quations? \((\d)\)(?: and \((\d)\))?", about):
            assert {number for number in named if number} <= stated, function.name


def test_the_gate_refuses_what_it_should() -> None:
    assert MARKED.match("added by an ad seen [1]; free choice")
    for poor in ("[1]; free choice", "added by an ad; free choice", "added by an ad [1]", "same"):
        assert not MARKED.match(poor)
