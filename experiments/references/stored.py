"""References kept in a file, and when they may stand in for agents that took no part.

A file holds what `longplay references` found for one task in one world, with a *key*: hashes of
the world's parameters and of how some people live in it, the horizon, and how often each reference
decides. References are used only where the key is the same to the last digit. Code that is written
anew and leads to the same lives makes no reference stale; a law that changes anybody's does.
References were evaluated on the same held-out people with the same luck as every comparison, so
headroom closed is paired, user by user, as if they had taken part.

The code of the reference agents is not in the key: an oracle of an older version is still a policy
of that worth in that world.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.state import LAYOUTS
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
PEOPLE, DECISIONS = 200, 60  # whose lives, and how much of them, tell a world from another


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
        "lives": lives_hash(task, world),
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
def lives_hash(task: str, world: Any) -> str:
    """A short hash of what 200 people see, do and become in 60 decisions taken at random.

    Numbers count to 16 bits, five digits, so that the last bits, in which processors and libraries
    may differ, do not. What alters none of these 12 000 decisions is not seen: it is too small for
    the intervals of a reference.
    """
    from longplay.envs.cohort import Cohort

    action = "slate" if task == "Feed" else None
    people = Cohort(task, PEOPLE, scenario=world, action=action, observe="oracle", threads=1)
    rng = np.random.default_rng(0)
    digest = hashlib.sha256()
    people.reset(seed=0)
    for _ in range(DECISIONS):
        shape = people.action_space.shape
        choices = rng.integers(people.candidates or len(LAYOUTS), size=shape)
        seen, *_ = people.step(choices)
        for part in seen.values() if isinstance(seen, dict) else (seen,):
            digest.update(coarse(part))
        for records in (people.outcomes, people.slots):
            for name in records.dtype.names or ():
                digest.update(coarse(records[name]))
    return digest.hexdigest()[:16]


def coarse(numbers: npt.NDArray[Any]) -> bytes:
    """Numbers rounded to a mantissa of 16 bits; those that are none (nan) are all the same."""
    single = np.where(np.isnan(numbers), np.nan, numbers + 0.0).astype(np.float32)
    bits = np.ascontiguousarray(single).view(np.uint32)
    return bytes(((bits.astype(np.uint64) + 0x80) >> 8).astype(np.uint32))


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
    world = {part: key[part] for part in ("world", "lives")}
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
