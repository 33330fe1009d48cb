"""What worlds there are, and their knobs, as text: the sources of the laws are the documentation.

A knob's line is read from its declaration, ``view: float = 0.95  # meaning [unit]; source``, so
that nothing is written twice.
"""

from __future__ import annotations

import ast
import inspect
import io
import itertools
import re
import textwrap
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from longplay.agents.registry import AgentSpec

PRAGMA = re.compile(r"\s*#\s*(fmt|noqa|type|mypy|ruff|pragma)\b.*")


@dataclass(frozen=True)
class Knob:
    """One parameter of a law."""

    law: str
    name: str
    value: Any  # in this scenario
    default: Any
    about: str  # meaning [unit]; source or "free choice"

    @property
    def changed(self) -> bool:
        """Whether the scenario sets it otherwise than its law does."""
        return bool(self.value != self.default)


def knobs(world: Any) -> list[Knob]:
    """Every parameter of every law of a World, and the plain settings of the world itself."""
    found = []
    for law, values in world.parameters().items():
        notes = comments(type(values))
        for name, value in values._asdict().items():
            default = type(values)._field_defaults.get(name)
            found.append(Knob(law, name, value, default, notes.get(name, "")))
    notes = comments(type(world))
    for name, field in type(world).__dataclass_fields__.items():
        value = getattr(world, name)
        if isinstance(value, int | float):
            found.append(Knob("world", name, value, field.default, notes.get(name, "")))
    return found


def comments(cls: type) -> dict[str, str]:
    """The comment of each annotated field of a class: behind it, or on the lines above it."""
    source = textwrap.dedent(inspect.getsource(cls))
    at_line: dict[int, str] = {}
    alone: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            at_line[token.start[0]] = PRAGMA.sub("", token.string).lstrip("# ").strip()
            if token.line.lstrip().startswith("#"):
                alone.add(token.start[0])
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above = itertools.takewhile(alone.__contains__, itertools.count(node.lineno - 1, -1))
            lines = [at_line[line] for line in reversed(list(above))]
            behind = at_line.get(node.end_lineno or node.lineno, "")
            found[node.target.id] = " ".join(filter(None, [*lines, behind]))
    return found


def first_line(thing: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def show_worlds(console: Console, ids: list[str], scenarios: dict[str, Any]) -> None:
    """The list of worlds and scenarios."""
    from rich.table import Table

    table = Table("world", "", box=None, title="Worlds", title_justify="left", show_header=False)
    for name in ids:
        table.add_row(f"[bold]{name}[/]", first_line(entry_point(name)))
    console.print(table, "")
    table = Table(box=None, title="Scenarios", title_justify="left", show_header=False)
    for name, world in scenarios.items():
        set_here = sum(knob.changed for knob in knobs(world))
        table.add_row(
            f"[bold]{name}[/]",
            f"{world.about} {len(knobs(world))} knobs, {set_here} set by the scenario; "
            f"{world.horizon_days:g} days, discount {world.gamma_day:g} a day.",
        )
    console.print(table, "")
    console.print(
        "A scenario's knobs: [bold]longplay worlds bench[/]. "
        "A world's actions and observations: [bold]longplay worlds AdLoad-v0[/]."
    )


def show_world(console: Console, name: str) -> None:
    """The public page of a world: the docstring of its environment."""
    console.print(f"[bold]{name}[/]\n")
    text = inspect.getdoc(entry_point(name)) or ""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def entry_point(name: str) -> Any:
    """The class or function behind an id."""
    import gymnasium
    from gymnasium.envs.registration import load_env_creator

    spec = gymnasium.registry[name]
    entry = spec.entry_point or spec.vector_entry_point
    return load_env_creator(entry) if isinstance(entry, str) else entry


def show_scenario(console: Console, world: Any) -> None:
    """All knobs of a scenario, law by law; those it sets itself are marked."""
    from rich.table import Table

    console.print(f"[bold]{world.name}[/]: {world.about}")
    console.print(r"Each knob: its value, what it means \[unit], where the number is from.")
    about = {law: purpose(type(values)) for law, values in world.parameters().items()}
    for law, group in itertools.groupby(knobs(world), key=lambda knob: knob.law):
        console.print(f"\n[bold]{law}[/]  {about.get(law, 'How a study is judged.')}")
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, min_width=18)
        table.add_column(no_wrap=True, min_width=8)
        table.add_column()
        for knob in group:
            value, meaning = number(knob.value), knob.about.replace("[", r"\[")
            if knob.changed:
                value = f"[bold]{value}[/]"
                meaning = f"{meaning} [bold](set here; default {number(knob.default)})[/]"
            table.add_row(f"  {knob.name}", value, meaning)
        console.print(table)
    console.print(f'\nChange one: find_world("{world.name}").replace("mine", ads={{"view": 0.5}})')


def purpose(parameters: type) -> str:
    """What a law does: the first line of its file, or of a class that says more than its file."""
    own = first_line(parameters)
    return first_line(inspect.getmodule(parameters)) if own.startswith("Parameters") else own


def show_agents(console: Console, agents: Mapping[str, AgentSpec]) -> None:
    """All agents; ad layouts, which are many, in one row."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for head in ("agent", "plays", "needs", ""):
        table.add_column(head, no_wrap=bool(head))
    layouts = [name for name in agents if name.startswith("fixed-")]
    for name, spec in agents.items():
        if name in layouts[1:]:
            continue
        about = spec.about if not spec.privileged else spec.about.removeprefix("privileged: ")
        about += " (privileged: a reference)" if spec.privileged else ""
        if name in layouts:
            name, about = "fixed-...", f"the same ad layout in every fetch: {', '.join(layouts)}"
        needs = rf'"longplay\[{spec.extra}]"' if spec.extra else ""
        table.add_row(f"[bold]{name}[/]", ", ".join(spec.tasks), needs, about)
    console.print(table)


def number(value: Any) -> str:
    """A parameter in few characters."""
    if isinstance(value, tuple):
        shown = ", ".join(f"{x:g}" for x in value[:4])
        return f"({shown}{', ...' if len(value) > 4 else ''})"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
