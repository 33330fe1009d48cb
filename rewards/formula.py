"""Formulas: `parse("0.7 * minutes - 0.3 * skips")` reads what an objective prints.

A formula is made of signal names, with settings in brackets where wanted (`gap(cap_days=30)`),
numbers, `+`, `-`, `*` and `/` by a number, and brackets. Nothing else is understood or run.
"""

import ast
from typing import Any

from longplay.rewards.objective import Objective
from longplay.rewards.signals import find_signal


def parse(text: str) -> Objective:
    """The objective that `text` says.

    Raises:
        ValueError: it is no formula, longer than LONGEST, or names an unknown or hidden signal.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no formula, it is no text. {EXAMPLE}")
    if len(text) > LONGEST:
        raise ValueError(
            f"{text[:20]!r}... has {len(text)} characters; a formula has at most {LONGEST}"
        )
    try:
        value = _read(ast.parse(text.strip(), mode="eval").body)
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


def _read(node: ast.expr) -> Any:
    """An objective or a number."""
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return find_signal(name)
        case ast.Call(func=ast.Name(id=name), args=[], keywords=settings):
            return find_signal(name, **{str(s.arg): _read(s.value) for s in settings})
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_read(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _read(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _read(left) + _read(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _read(left) - _read(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _read(left) * _read(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _read(left) / _read(right)
    raise TypeError(f"{ast.unparse(node)!r} is neither signal nor number")
