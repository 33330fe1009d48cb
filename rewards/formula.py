"""Formulas: `parse("0.7 * minutes - 0.3 * skips")` reads what an objective prints.

A formula is made of signal names, with settings in brackets where wanted (`gap(cap_days=30)`),
features of the user (`state.tenure`), `potential(...)` of these, numbers, `+`, `-`, `*`, `/` by a
number, and brackets; `(joy := ...)` names a part. Fitted objectives, which no formula can hold, are
handed in by name: `parse("minutes + 2 * index", index=fitted)`. Nothing else is understood or run.

A product of long sums may print more than LONGEST characters; `to_dict` keeps it all the same.
"""

import ast
from collections.abc import Mapping
from typing import Any

from longplay.rewards.objective import Objective
from longplay.rewards.settings import RESERVED
from longplay.rewards.shaping import Potential, State
from longplay.rewards.signals import find_signal


def parse(text: str, **fitted: Objective) -> Objective:
    """The objective that `text` says.

    Args:
        text: the formula.
        fitted: objectives that the formula may name, and signals that it may shadow; none called
            `state`, `potential` or `text`.

    Raises:
        ValueError: it is no formula, longer than LONGEST, or names an unknown or hidden signal.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no formula, it is no text. {EXAMPLE}")
    if len(text) > LONGEST:
        raise ValueError(
            f"{text[:20]!r}... has {len(text)} characters; a formula has at most {LONGEST}"
        )
    for name in RESERVED:
        if name in fitted:
            raise ValueError(
                f"{name} has a meaning of its own in formulas; hand the objective in by another "
                f"name, e.g. my_{name}="
            )
    try:
        value = _read(_parsed(text), fitted)
    except SyntaxError as error:
        raise ValueError(f"{text!r} is no formula: {error.msg}. {EXAMPLE}") from None
    except (RecursionError, MemoryError):  # of _read, or of Python's own parser
        raise ValueError(f"{text[:20]!r}... is nested too deeply. {EXAMPLE}") from None
    except (TypeError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(f"{text!r} is no objective: {error}. {EXAMPLE}") from None
    if not isinstance(value, Objective):
        raise ValueError(f"{text!r} names no signal. {EXAMPLE}")
    return value


LONGEST = 2000  # characters; far beyond a sum of all signals
EXAMPLE = "Write signals and weights, e.g. 0.7 * minutes - 0.3 * skips"


def _parsed(text: str) -> ast.expr:
    """As Python reads it; SyntaxError if it cannot."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except ValueError as error:  # a null byte, or half a character (a lone surrogate)
        raise SyntaxError("it holds a character that no text can have") from error


def _read(node: ast.expr, fitted: Mapping[str, Objective]) -> Any:
    """An objective or a number."""
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return fitted[name] if name in fitted else find_signal(name)
        case ast.Attribute(value=ast.Name(id="state"), attr=name):
            return State(name)
        case ast.Call(func=ast.Name(id="potential"), args=[phi], keywords=[]):
            return Potential(_read(phi, fitted))
        case ast.Call(func=ast.Name(id=name), args=[], keywords=settings):
            return _signal(name, settings, fitted)
        case ast.NamedExpr(target=ast.Name(id=name), value=inner):
            return _named(name, _read(inner, fitted))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_read(operand, fitted)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _read(operand, fitted)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _read(left, fitted) + _read(right, fitted)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _read(left, fitted) - _read(right, fitted)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _read(left, fitted) * _read(right, fitted)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _read(left, fitted) / _read(right, fitted)
    raise TypeError(f"{ast.unparse(node)!r} is neither signal nor number")


def _signal(name: str, settings: list[ast.keyword], fitted: Mapping[str, Objective]) -> Objective:
    if name in fitted:
        raise TypeError(f"{name} was handed in and takes no settings: write {name} alone")
    found = {str(s.arg): _setting(s.value) for s in settings}
    for setting in found:
        if [str(s.arg) for s in settings].count(setting) > 1:
            raise TypeError(f"{setting} of {name} is set more than once; set it once")
    return find_signal(name, **found)


def _named(name: str, inner: Any) -> Objective:
    if not isinstance(inner, Objective):
        raise TypeError(f"{name} names no objective")
    return inner.named(name)


def _setting(node: ast.expr) -> Any:
    """What a signal is set to: a number, a word in quotes, None, or a tuple of them."""
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Tuple(elts=elements):
            return tuple(_setting(element) for element in elements)
    raise TypeError(f"{ast.unparse(node)!r} is neither signal nor number")
