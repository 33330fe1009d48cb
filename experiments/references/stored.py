"""References kept in a file, and when they may stand in for agents that took no part.

A file holds what `longplay references` found for one task in one world, with a *key*: hashes of
the world's parameters and of the code of its laws, the horizon, and how often each reference
decides. References are used only where the key is the same to the last digit. They were
evaluated on the same held-out people with the same luck as every comparison, so headroom closed is
paired, user by user, as if they had taken part.

The code of the reference agents is not in the key: an oracle of an older version is still a policy
of that worth in that world.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import io
import json
import shlex
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.experiments.run import DAMAGED, Refused, first_difference
from longplay.experiments.settings import Settings, find_entry, find_scenario, find_task

FORMAT, VERSION = "longplay references", 1
DIGITS = 7  # of a user's value: more than any interval shows
SHIPPED = Path(__file__).parent
ROLES: Mapping[str, Mapping[str, str]] = {  # task -> role -> agent
    "AdLoad": {
        "chance": "random",
        "rule": "best-fixed",
        "myopic": "myopic",
        "oracle": "oracle",
    },
    "Feed": {
        "chance": "random",
        "rule": "best-fixed",
        "myopic": "myopic",
        "oracle": "patient",
    },
}
# the files of longplay.envs, beside laws/, that decide what becomes of people
PHYSICS = ("draws.py", "memory.py", "population.py", "spaces.py", "state.py", "step.py")


@dataclass(frozen=True)
class References:
    """The two ends of headroom closed, user by user."""

    myopic: str  # names of the agents
    oracle: str
    values: npt.NDArray[np.float64]  # (2, seeds, users) value of each held-out user [money]
    made_by: str  # the command

    def first(self, seeds: int, users: int) -> References | None:
        """The part that a comparison of so many seeds and users needs; None if there is less."""
        if seeds > self.values.shape[1] or users > self.values.shape[2]:
            return None
        return dataclasses.replace(self, values=self.values[:, :seeds, :users])


def key_of(settings: Settings) -> dict[str, Any]:
    """What must be the same for stored references to hold."""
    task, world = find_task(settings.world), find_scenario(settings.scenario)
    horizon = settings.horizon_days
    return {
        "task": task,
        "world": world_hash(world),
        "laws": laws_hash(),
        "horizon_days": float(world.horizon_days if horizon is None else horizon),
        "decisions": {
            ROLES[task][role]: find_entry(ROLES[task][role], settings.decision, task).decision
            for role in ("myopic", "oracle")
        },
    }


def world_hash(world: Any) -> str:
    """A short hash of every parameter and setting of a World; its name and text do not count."""
    parts = world.parameters()
    content: dict[str, Any] = {name: values._asdict() for name, values in parts.items()}
    for field in dataclasses.fields(world):
        if field.name not in (*parts, "name", "about", "laws"):
            content[field.name] = float(getattr(world, field.name))
    text = json.dumps(content, sort_keys=True, default=float)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def laws_hash() -> str:
    """A short hash of the code by which people live; comments and docstrings do not count."""
    from longplay.envs.compiled import ROOM

    digest = hashlib.sha256()
    for path in (*sorted((ROOM / "laws").glob("*.py")), *(ROOM / name for name in PHYSICS)):
        digest.update(path.name.encode())
        digest.update(bare(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def bare(source: str) -> str:
    """The lines of Python source without comments, docstrings, indentation and blank lines."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            for row in range(text.lineno - 1, text.end_lineno or text.lineno):
                lines[row] = ""
    return "\n".join(line.strip() for line in lines if line.strip())


def find(settings: Settings, path: Path | None = None) -> tuple[References | None, str]:
    """References for a comparison, and a sentence where some exist that cannot be used.

    path: a file of the user's; None looks through those of the package.

    Raises:
        Refused: if the user's own file cannot be read, or is of another world.
    """
    task = find_task(settings.world)
    if task not in ROLES or find_scenario(settings.scenario).laws:
        return None, ""
    key = key_of(settings)
    if path is not None:
        page = read(path)
        difference = first_difference(page["key"], key)
        if difference:
            raise Refused(
                f"the references in {path} were made with {difference} and do not hold here; "
                f"make new ones: {command_for(settings)} --out FOLDER."
            )
        return _fitting(page, settings, str(path))
    same_name = None
    for file in sorted(SHIPPED.glob("*.json")):
        page = read(file)
        if page["key"] == key:
            return _fitting(page, settings, "stored references")
        if (page["key"]["task"], page["scenario"]) == (task, settings.scenario):
            same_name = page
    if same_name is None:
        return None, ""
    world = {part: key[part] for part in ("world", "laws")}
    difference = first_difference({part: same_name["key"][part] for part in world}, world)
    if not difference:  # of this world as it is, but for another horizon or decision level
        return None, ""
    return None, (
        f"The stored references for {settings.scenario} were made with {difference} and are not "
        f"used; to renew them: {same_name['renew']}."
    )


def _fitting(
    page: Mapping[str, Any], settings: Settings, what: str
) -> tuple[References | None, str]:
    """The references of a page cut to the people of a comparison."""
    whole = references_of(page)
    part = whole.first(settings.seeds, settings.users)
    if part is not None:
        return part, ""
    _, seeds, users = whole.values.shape
    return None, (
        f"The {what} cover {seeds} seeds of {users} people, and this comparison has more: they "
        "are not used for headroom closed."
    )


def references_of(page: Mapping[str, Any]) -> References:
    """The two ends, from the content of a file."""
    roles, values = page["roles"], page["value_by_user"]
    ends = roles["myopic"], roles["oracle"]
    return References(*ends, np.array([unwritten(values[name]) for name in ends]), page["command"])


def written(values: npt.NDArray[np.float64]) -> list[str]:
    """Numbers (seeds, users) as text, one line a seed."""
    return [" ".join(f"{x:.{DIGITS}g}" for x in row) for row in values]


def unwritten(lines: list[str]) -> list[list[float]]:
    """The numbers of `written`."""
    return [[float(word) for word in line.split()] for line in lines]


def command_for(settings: Settings) -> str:
    """What makes references for the world of a comparison."""
    words = ["longplay", "references", "--world", settings.world, "--scenario", settings.scenario]
    if settings.decision != "session":
        words += ["--decision", settings.decision]
    if settings.horizon_days is not None:
        words += ["--horizon-days", f"{settings.horizon_days:g}"]
    return shlex.join(words)


def read(path: Path) -> dict[str, Any]:
    """The content of a file; Refused if it is none of ours."""
    try:
        page = json.loads(path.read_text(encoding="utf-8"))
        if (page["format"], page["version"]) != (FORMAT, VERSION):
            raise ValueError
        if references_of(page).values.ndim != 3 or not isinstance(page["key"], dict):
            raise ValueError
    except DAMAGED:
        raise Refused(
            f"{path} holds no references that this longplay reads; wanted the references.json that "
            "longplay references wrote."
        ) from None
    return dict(page)
