"""Every reward has its page: formula, unit, range, source, and what it leaves invariant."""

import inspect
from pathlib import Path

import pytest

from longplay.rewards import SIGNALS, Objective, Preference, TraceBelief, progressive
from longplay.rewards.constraints import Floor, constrained

DOCS = Path(__file__).parents[2] / "docs" / "rewards.md"
OBJECTIVES = [kind for name, kind in sorted(Objective._kinds.items()) if name != "signal"]
OTHERS = [*Preference._kinds.values(), Floor, constrained, TraceBelief, progressive]
OURS = [kind for kind in [*OBJECTIVES, *OTHERS] if kind.__module__.startswith("longplay.")]
WORDS = ["Formula", "Unit", "Range", "Source", "leaves invariant"]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_what_is_no_signal_tells_all_in_its_docstring(kind):
    page = DOCS.read_text().partition(f"\n## {kind.__name__}\n")[2].partition("\n## ")[0]
    told = inspect.getdoc(kind)
    assert told in page
    if kind in (constrained, progressive):
        told = inspect.getdoc(inspect.getmodule(kind))
        assert told in DOCS.read_text()
    assert [word for word in WORDS if word not in " ".join(told.split())] == []


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_tell_it_in_their_tables(name):
    signal = SIGNALS[name]
    if signal.__module__.startswith("longplay."):
        assert signal.unit
        assert signal.source
        assert signal.leaves
        assert len(signal.range) == 2
        assert f"\n## `{name}`" in DOCS.read_text()
