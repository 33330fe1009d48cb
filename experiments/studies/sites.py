"""Does what was fitted to some communities hold for another? Leave one site out.

    python -m longplay.experiments.studies.sites > docs/sites.md

For each of the ten sites behind the `community` scenario, its few knobs are fitted to the figures
of the other nine (from the scenario's own values, with one seed for all), and the figures of the
world so found are set beside those of the site left out. A figure's error is |ln(simulated /
real)|, and a site's is their median, over returns by day, gaps and visits. Two other predictions
are judged alike: the nine sites' own figures, which no model of them can be expected to beat, and
the untouched default of every law. Last seen: docs/sites.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from longplay.envs.scenarios import World, find_world
from longplay.experiments.fitting.calibrate import Knob, fit
from longplay.experiments.fitting.lives import People, figures_of
from longplay.experiments.fitting.newcomers import DAYS
from longplay.experiments.fitting.playlog import Figures
from longplay.experiments.fitting.readers import targets_folder
from longplay.experiments.fitting.realism import Targets, read_targets

PEOPLE = People(users=2500, days=0.0, seed=3, threads=1)
EVALUATIONS = 24  # simulations a site: two steps of the knobs
KNOBS = (
    Knob("returning.rate", 0.005, 1.0, log=True),
    Knob("returning.pause", 0.05, 10.0, log=True),
    Knob("returning.slowing", 0.1, 1.5),
    Knob("returning.habit", 0.0, 3.0),
    Knob("population.tempo_sd", 0.1, 2.0),
    Knob("churn.period", 0.1, 10.0, log=True),
    Knob("population.churn_a", 0.05, 2.0, log=True),
)
JUDGED = tuple(
    [f"later.{day}" for day in DAYS]
    + ["day.1", "day.7", "day.28"]
    + ["gap_hours.p50", "gap_hours.p75", "gap_hours.p90", "visits.p75", "visits.p90"]
)


def distance(predicted: Mapping[str, float], real: Mapping[str, float]) -> float:
    """Median |ln(predicted / real)| over JUDGED; a prediction of 0 counts as a factor of e."""
    errors = [
        abs(math.log(predicted[name] / real[name])) if predicted[name] > 0.0 else 1.0
        for name in JUDGED
        if real[name] > 0.0
    ]
    return float(np.median(errors))


def simulate(world: World, targets: Targets) -> Figures:
    """The figures of this world's newcomers: always the same people with the same luck."""
    return figures_of(world, "newcomers", PEOPLE, targets.watched_days)


def left_out(site: Mapping[str, Any], targets: Targets, start: World) -> dict[str, float]:
    """How far from this site the world fitted to the others is, and the two other predictions."""
    others = {name: value for name, value in site["without"].items() if name in targets.fitted}
    wanted = Targets(
        "", "", "", "", (), others, {}, {}, frozenset(others), {}, "newcomers", targets.watched_days
    )
    found = fit(
        start,
        wanted,
        KNOBS,
        lambda world: simulate(world, targets),
        evaluations=EVALUATIONS,
        report=lambda line: None,
    )
    alone = site["alone"]
    return {
        "users": site["users"],
        "fitted": distance(simulate(found.world, targets).scalars, alone),
        "others": distance(site["without"], alone),
        "default": distance(simulate(untouched(start), targets).scalars, alone),
    }


def untouched(world: World) -> World:
    """The world with the default of every law, but for how long its visits are and its youth."""
    plain = World("untouched", "")
    return plain.replace(
        "untouched",
        leaving=world.leaving,
        catalogue=world.catalogue,
        horizon_days=world.horizon_days,
        population={"youth": world.population.youth},
    )


def page(rows: Mapping[str, Mapping[str, float]]) -> str:
    """The table, as Markdown."""
    lines = [
        "# Leave one site out: the `community` scenario",
        "",
        "Made by `python -m longplay.experiments.studies.sites > docs/sites.md`. Do not edit by "
        "hand.",
        "",
        "Each row: the knobs are fitted to nine sites, and the world so found is set beside the "
        "tenth. Numbers are median errors over figures of return, gaps and visits, as factors: "
        "1.10 is 10 % off. *The nine themselves* predicts the tenth by the figures of the others, "
        "which shows how much sites differ; *not fitted* by the default of every law.",
        "",
        "| site | users | fitted to the others | the nine themselves | not fitted |",
        "|---|---:|---:|---:|---:|",
    ]
    for site, row in rows.items():
        lines.append(
            f"| {site} | {row['users']} | {math.exp(row['fitted']):.2f} "
            f"| {math.exp(row['others']):.2f} | {math.exp(row['default']):.2f} |"
        )
    kinds = ("fitted", "others", "default")
    means = {kind: math.exp(np.mean([row[kind] for row in rows.values()])) for kind in kinds}
    lines.append("| **mean** | | " + " | ".join(f"**{means[kind]:.2f}**" for kind in kinds) + " |")
    return "\n".join(lines)


def main() -> None:
    """Fit ten times; print the page."""
    targets, start = read_targets("community"), find_world("community")
    text = (targets_folder() / "community.json").read_text(encoding="utf-8")
    sites = json.loads(text)["sites"]
    print(page({name: left_out(site, targets, start) for name, site in sites.items()}))


if __name__ == "__main__":
    main()
