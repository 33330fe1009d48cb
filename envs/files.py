"""Worlds as files: a scenario that can be kept, sent and given to gym.make by its path.

A scenario file is JSON, written with every parameter of every law, so that it means the same when
a default changes. A parameter that is not in the file, being younger than it, has its default:

    {"format": "longplay scenario", "version": 1, "name": "mine", "about": "...",
     "settings": {"horizon_days": 77.0, ...}, "laws": {"ads": {"seen": 0.95, ...}, ...}}

Laws that were replaced by functions cannot be written.
"""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longplay.envs.scenarios import World

FORMAT = "longplay scenario"
VERSION = 1
KEYS = ("format", "version", "name", "about", "settings", "laws")


def write_world(world: "World", path: str | Path) -> None:
    """Write a scenario file.

    Raises:
        ValueError: if the world has replaced laws.
        FileExistsError: if there is such a file already.
    """
    page = page_of(world)
    with open(path, "x", encoding="utf-8") as file:
        file.write(json.dumps(page, indent=1) + "\n")


def page_of(world: "World") -> dict[str, Any]:
    """What stands in the scenario file of a world.

    Raises:
        ValueError: if the world has replaced laws.
    """
    if world.laws:
        names = ", ".join(name for name, _ in world.laws)
        raise ValueError(
            f"world {world.name!r} has laws of its own ({names}); a file holds parameters only."
        )
    parts = world.parameters()
    settings = {
        field.name: getattr(world, field.name)
        for field in dataclasses.fields(world)
        if field.name not in (*parts, "name", "about", "laws")
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": world.name,
        "about": world.about,
        "settings": settings,
        "laws": {part: values._asdict() for part, values in parts.items()},
    }


def read_world(path: str | Path) -> "World":
    """The world of a scenario file.

    Raises:
        ValueError: if the file cannot be read, is no scenario file, or holds a law or parameter
            that does not exist, or has a value no world can have.
    """
    from longplay.envs.scenarios import World

    path = Path(path)
    try:
        page = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"scenario {str(path)!r} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ValueError(f"scenario {str(path)!r} is no JSON file: {error}.") from None
    if not isinstance(page, dict) or page.get("format") != FORMAT:
        raise ValueError(f'{path} is no scenario file: wanted "format": "{FORMAT}" in it.')
    if page.get("version") != VERSION:
        raise ValueError(
            f"{path} has version {page.get('version')!r}; this longplay reads version {VERSION}."
        )
    try:
        for key in KEYS:
            if key not in page:
                raise ValueError(f"the file lacks {key!r}.")
        compare(KEYS, page, "the file")
        blank = World("", "")
        parts = blank.parameters()
        plain = [
            field.name
            for field in dataclasses.fields(blank)
            if field.name not in (*parts, "name", "about", "laws")
        ]
        compare(plain, page["settings"], "settings")
        compare(parts, page["laws"], "laws")
        for part, values in page["laws"].items():
            compare(parts[part]._fields, values, part)
        texts = {"name": str(page["name"]), "about": str(page["about"])}
        changes = {**page["laws"], **page["settings"], "about": texts["about"]}
        return blank.replace(texts["name"], **changes)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def compare(wanted: Any, came: Any, where: str) -> None:
    """Refuse what is no mapping, or has keys that are not wanted."""
    if not isinstance(came, dict):
        raise ValueError(f"{where} holds {came!r}; wanted names with values.")
    for name in came:
        if name not in wanted:
            raise ValueError(f"{where} has {name!r}, which does not exist.")
