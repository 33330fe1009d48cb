"""The page: who was measured, who could not be, and the speeds side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from longplay.envs.spaces import ITEM_FEATURES
from longplay.experiments.bench.peers.contests import PEERS, UNPUBLISHED, Contest
from longplay.experiments.bench.rows import Row

HEAD = """# Speed beside peers

Made by `{command}`. Do not edit by hand.

{processor}, {cpus} cores, {system}; Python {python}, numba {numba}, numpy {numpy}.

The command makes a throw-away environment, installs into it with pip what others have published,
and measures theirs and ours in turns: each world in a process of its own, one thread, random
actions drawn beforehand, {seconds:g} s of CPU time a turn, {turns} turns. Medians, and the range of
the turns.

A fetch is one slate shown to one person; new lives are part of the time. `x256` means 256 people
side by side in one cohort, as a policy is trained and evaluated here; `x1` is the single
environment. The peers measured here step one person at a time.

What is compared is speed. `InterestEvolution` and `ChocKale` are RecSim's own worlds, so that the
same thing is simulated and observed. `Feed` does more in a fetch (looks, plays, skips, ads, moods,
leaving, coming back) and shows {features} features of every candidate; SARDINE, reco-gym and recgym
choose from a catalogue and show none.
"""


def page(
    about: Mapping[str, Any],
    versions: Mapping[str, str],
    missing: Mapping[str, str],
    contests: Sequence[tuple[Contest, Sequence[Row]]],
    seconds: float,
) -> str:
    """docs/peers-speed.md."""
    turns = max((len(row.samples) for _, rows in contests for row in rows), default=0)
    head = HEAD.format(
        command=about["command"],
        features=len(ITEM_FEATURES),
        seconds=seconds,
        turns=turns,
        **about["machine"],
        **{name: about["versions"].get(name, "?") for name in ("python", "numba", "numpy")},
    )
    return "\n".join([head, *(_contest(*each) for each in contests), _packages(versions, missing)])


def _contest(contest: Contest, rows: Sequence[Row]) -> str:
    lines = [
        f"## {contest.about[0].upper()}{contest.about[1:]}: {contest.slate} of "
        f"{contest.candidates}\n",
        "| | median | range | |",
        "|---|---:|---:|---|",
    ]
    for row in rows:
        low, high = min(row.samples), max(row.samples)
        verdict = {True: "reached", False: "**missed**", None: ""}[row.met]
        goal = "" if row.target is None else f"wanted {row.target:g}: {verdict}"
        lines.append(
            f"| {row.name} | {_short(row.median)} {row.unit} | {_short(low)} .. {_short(high)} | "
            f"{goal} |"
        )
    return "\n".join(lines) + "\n"


def _short(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def _packages(versions: Mapping[str, str], missing: Mapping[str, str]) -> str:
    lines = ["## What pip installs, and what it does not\n", "| | package | |", "|---|---|---|"]
    for peer in PEERS:
        told = versions.get(peer.name) or missing.get(peer.name) or "gigabytes; tried by `--large`"
        lines.append(f"| {peer.name} | `{peer.package}` | {told} |")
    lines += [f"| {name} | none | {address} |" for name, address in UNPUBLISHED.items()]
    failed = [f"- {what}: {why}" for what, why in missing.items() if what not in _names()]
    if failed:
        lines += ["", "Installed, but not running:", "", *failed]
    lines += [
        "",
        "What a package imports but its worlds never use (RecSim: TensorFlow and dopamine;",
        "reco-gym: TensorFlow, PyTorch, matplotlib) is replaced by stand-ins that hold nothing and",
        "raise when something is decided by them.",
    ]
    return "\n".join(lines) + "\n"


def _names() -> set[str]:
    return {peer.name for peer in PEERS}
