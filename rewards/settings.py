"""Numbers and names that objectives are set to: checked, brought to one form, and printed.

A setting that came as an integer or as NumPy's number is kept as the float it is, so that equal
objectives print alike and what they print can be read back.
"""

import math
import sys
import unicodedata
from collections.abc import Sequence
from keyword import iskeyword
from numbers import Real

import numpy as np

RESERVED = ("state", "potential", "text")  # state.x and potential(x); parse's own argument


def real(value: object) -> float | None:
    """A real number as a float, beyond every float as infinity; None if it is none, or a bool."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:  # an int or a fraction beyond 1.8e308
        return math.inf


def positive(value: object, setting: str, of: str, example: float) -> float:
    """A setting above 0; ValueError if it is no such number, or not finite."""
    found = real(value)
    if found is None or not 0.0 < found <= sys.float_info.max:
        raise ValueError(
            f"{setting}={value!r} of {of}; wanted a finite number above 0, e.g. {example:g}"
        )
    return found


def share(value: object, setting: str, of: str, example: float) -> float:
    """A setting above 0, and at most 1; ValueError if it is none."""
    found = real(value)
    if found is None or not 0.0 < found <= 1.0:
        raise ValueError(
            f"{setting}={value!r} of {of}; wanted a number in (0, 1], e.g. {example:g}"
        )
    return found


def up_to(most: float, value: object, setting: str, of: str, example: float) -> float:
    """A setting of 0 .. most; ValueError if it is none."""
    found = real(value)
    if found is None or not 0.0 <= found <= most:
        raise ValueError(
            f"{setting}={value!r} of {of}; wanted a number of 0 .. {most:g}, e.g. {example:g}"
        )
    return found


def count(value: object, setting: str, of: str, example: int) -> int:
    """A whole number from 1; ValueError if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(
            f"{setting}={value!r} of {of}; wanted a whole number from 1, e.g. {example}"
        )
    return int(value)


def word(name: object, of: str = "") -> str:
    """A name as Python reads it in a formula (NFKC); ValueError if it is no identifier."""
    found = unicodedata.normalize("NFKC", name) if isinstance(name, str) else ""
    if not found.isidentifier() or iskeyword(found):
        raise ValueError(f"name={name!r}{of}; wanted one word of letters, digits and _")
    return found


def callable_word(name: object, of: str = "") -> str:
    """A name by which a formula can call what is handed in; ValueError if it cannot."""
    found = word(name, of)
    if found in RESERVED:
        raise ValueError(
            f"name={name!r}{of}; {', '.join(RESERVED)} have a meaning of their own in formulas: "
            "take another word"
        )
    return found


def sum_text(weights: Sequence[float], names: Sequence[str]) -> str:
    """Written as objectives write it: 0.7 * a - 0.3 * b."""
    text = ""
    for i, (weight, name) in enumerate(zip(weights, names, strict=True)):
        negative = math.copysign(1.0, weight) < 0
        sign = (" - " if negative else " + ") if i else ("-" if negative else "")
        text += f"{sign}{abs(weight)!r} * {name}"
    return text
