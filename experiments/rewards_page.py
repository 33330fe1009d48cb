"""Every reward on one page: what it says, its unit and range, where it is from, what it leaves.

longplay rewards                                            the list
longplay rewards survival                                   one of them
python -m longplay.experiments.rewards_page > docs/rewards.md
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from longplay.rewards import (
    GGI,
    SIGNALS,
    Chebyshev,
    CVaR,
    FittedCompletion,
    Lexicographic,
    Linear,
    Named,
    Potential,
    Product,
    ReturnTime,
    Signal,
    State,
    SurrogateIndex,
    TraceBelief,
    ValueModel,
    WeightedSum,
    progressive,
)
from longplay.rewards.constraints import Floor, constrained

Told = Callable[..., Any]  # a class or a function with a docstring
ONE_MODULE: tuple[tuple[str, str, tuple[Told, ...]], ...] = (  # a module's docstring, then theirs
    ("Potentials", "", (State, Potential)),
    (
        "Several rewards at once",
        "See [objectives-several.md](objectives-several.md) for their use.",
        (Linear, Chebyshev, GGI, CVaR, Lexicographic),
    ),
    ("Floors", "", (Floor, constrained)),
)
COMBINED: tuple[Told, ...] = (WeightedSum, Product, Named)
FITTED: tuple[Told, ...] = (
    SurrogateIndex,
    ValueModel,
    ReturnTime,
    FittedCompletion,
    TraceBelief,
    progressive,
)


def first_line(signal: type[Signal]) -> str:
    """What a signal is, in a sentence."""
    return (inspect.getdoc(signal) or "").partition("\n\n")[0].replace("\n", " ")


def spans(signal: type[Signal]) -> str:
    """The range of one row, e.g. `0 .. 1`."""
    low, high = (f"{x:g}".replace("inf", "∞") for x in signal.range)
    return f"{low} .. {high}"


def settings(signal: type[Signal]) -> str:
    """The settings with their defaults, e.g. `days=7.0`."""
    return ", ".join(f"{f.name}={f.default!r}" for f in fields(signal))


def formula(signal: type[Signal]) -> str:
    """What it computes; signals that are an outcome field are that field."""
    return signal.formula or signal.name


def page_of(signal: type[Signal]) -> list[str]:
    """One signal as Markdown."""
    asked = settings(signal)
    seen = sorted(signal.needs) if isinstance(signal.needs, frozenset) else []
    lines = [
        f"## `{signal.name}`{f' ({asked})' if asked else ''}",
        "",
        inspect.getdoc(signal) or "",
        "",
        "| | |",
        "|---|---|",
        f"| class | `{signal.__name__}({asked})` |",
        f"| formula | `{formula(signal)}` |",
        f"| unit | {signal.unit} |",
        f"| range of a row | {spans(signal)} |",
        f"| source | {signal.source} |",
        f"| leaves invariant | {signal.leaves} |",
    ]
    if seen:
        lines.append(f"| looks at | {', '.join(seen)}, beyond outcomes |")
    return [*lines, ""]


def page() -> str:
    """All of them as Markdown."""
    lines = [
        "# Rewards",
        "",
        "Made by `python -m longplay.experiments.rewards_page > docs/rewards.md`. Do not edit by "
        "hand.",
        "",
        "A signal gives one number a row; a row is one step of one user. Rows in which nobody "
        "acted give 0, and no signal sees a hidden field. Signals add up, multiply and take names: "
        "`0.7 * minutes - 0.3 * skips`, `minutes * survival`, `(joy := likes + saves)`.",
        "",
        "| signal | what it is | unit | range |",
        "|---|---|---|---|",
    ]
    for name, signal in SIGNALS.items():
        what = first_line(signal).replace("|", "\\|")
        lines.append(
            f"| [`{name}`](#{anchor(signal)}) | {what} | {signal.unit} | {spans(signal)} |"
        )
    lines.append("")
    for signal in SIGNALS.values():
        lines += page_of(signal)
    lines += ["# Combinations", ""]
    for kind in COMBINED:
        lines += told(kind)
    for title, more, kinds in ONE_MODULE:
        lines += [f"# {title}", "", *([more, ""] if more else []), about(kinds[0]), ""]
        for kind in kinds:
            lines += told(kind)
    lines += ["# Fitted to a log", "", "See [surrogates.md](surrogates.md) for their use.", ""]
    for kind in FITTED:
        lines += told(kind, f"{about(kind)}\n\n")
    return "\n".join(lines).rstrip() + "\n"


def told(kind: Told, before: str = "") -> list[str]:
    """A class or function as Markdown, in the words of its docstring."""
    return [f"## {kind.__name__}", "", f"{before}{inspect.getdoc(kind)}", ""]


def about(kind: Told) -> str:
    """The docstring of its module, which has the equations."""
    return inspect.getdoc(inspect.getmodule(kind)) or ""


def anchor(signal: type[Signal]) -> str:
    """The address of a signal's heading on the page, as Markdown viewers make it."""
    heading = f"{signal.name}{f' ({settings(signal)})' if settings(signal) else ''}".lower()
    kept = [c for c in heading if c.isalnum() or c in " -_"]
    return "".join(kept).replace(" ", "-")


def show(console: Any, name: str | None) -> None:
    """The list on a terminal, or one signal's page."""
    from rich.table import Table

    if name is not None:
        console.print("\n".join(page_of(SIGNALS[name])), markup=False, highlight=False)
        return
    table = Table(box=None, pad_edge=False)
    for head in ("signal", "unit", "range", ""):
        table.add_column(head, no_wrap=bool(head))
    for known, signal in SIGNALS.items():
        table.add_row(f"[bold]{known}[/]", signal.unit, spans(signal), first_line(signal))
    console.print(table)
    console.print("\nOne of them: [bold]longplay rewards gap[/]. They add up, multiply and take "
                  "names: minutes * survival - 0.3 * (bother := skips + 5 * hides)")  # fmt: skip


if __name__ == "__main__":
    print(page(), end="")
