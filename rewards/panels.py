"""Panels: what people of whom more was known than a log tells have taught, as tables of numbers.

A platform asks a few thousand of its users what they came for and how it was, and fits a small
model that foretells the answers from behaviour. Here the panel is simulated, and its answers are
read from the hidden state once, by

    python -m longplay.experiments.panels

which writes rewards/tables/*.json: the coefficients, and how well they do on people they were not
fitted to. At run time nothing hidden is read. There is a table for each scenario, and one for all
together ("pooled"), which is the default, since a reward does not know in which world it is paid.
"""

import difflib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent / "tables"
POOLED = "pooled"


@lru_cache(maxsize=8)
def read(model: str) -> dict[str, Any]:
    """A fitted file: "intent", "endings", "fatigue" or "durations"."""
    data: dict[str, Any] = json.loads((FOLDER / f"{model}.json").read_text())
    return data


@lru_cache(maxsize=64)
def table(model: str, panel: str, part: str = "weights") -> npt.NDArray[np.float64]:
    """The numbers of one panel, not to be written to.

    Raises:
        ValueError: there is no panel of that name.
    """
    numbers = np.array(read(model)["panels"][known(panel, model)][part], np.float64)
    numbers.setflags(write=False)
    return numbers


def known(panel: object, model: str) -> str:
    """`panel`, if there is one of that name; ValueError otherwise."""
    names = list(read(model)["panels"])
    if not (isinstance(panel, str) and panel in names):
        near = difflib.get_close_matches(str(panel), names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
        raise ValueError(f"panel={panel!r} is unknown; {hint}")
    return panel
