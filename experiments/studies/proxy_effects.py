"""Proxy against long term: does what moves in a week tell what moves in sixty days?

    python -m longplay.experiments.studies.proxy_effects --out docs

The offline/online plot that every practitioner draws. On Feed, random policies (production weights
of the scorers and a random change of each) are set against production, on the same people with the
same luck, in `bench` and in `clickbait`, where what draws the eye is worth little. Every signal of
longplay.rewards is summed over each person's first 7 days, as far as it is known by then; its
treatment effect is set beside the true one, on satisfied active days over 60 days, which no
platform sees. A good proxy ranks policies as the truth does and has its sign.

Last seen (120 policies, 600 people each, seed 0; docs/proxy-effects.md): likes, saves, shares,
sessions and returns within a day rank policies as the truth does in both worlds (.98 to 1.00), and
hides turned round (-.88 and -.98). Minutes do in `bench` (.89 [.81, .94]); in `clickbait` they rank
policies upside down (-.99 [-.99, -.98]), as do plays, what was looked at, and completion, whose
sign is wrong for 99 of 100 policies. Where clickbait pays, short-sighted engagement is a cost. A
sum of gaps counts sessions as well as absences, and so has the wrong sign (.19 and .97).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longplay.agents.fixed import production_weights
from longplay.envs.cohort import Cohort
from longplay.envs.spaces import SCORERS
from longplay.experiments.facts.picture import standing
from longplay.experiments.report.svg import Canvas, Scale
from longplay.experiments.studies.trainings import Study, Table, command
from longplay.rewards import SIGNALS, Gap, Signal, find_signal
from longplay.rewards.watching import Watcher

NAME = "proxy-effects"
EARLY_H = 24.0 * 7
DAYS = 60.0
WORLDS = ("bench", "clickbait")
WIDTH = 0.4  # standard deviation of a random change of a weight; free choice
CHUNKS = 8
TRUTHS = ("satisfied_day", "active_day")  # undiscounted, over DAYS; the first is the truth

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """Sizes of the study."""

    seeds: int = 1
    policies: int = 120  # with each seed
    users: int = 600  # who live under each
    jobs: int = 2


@dataclass(frozen=True)
class Chunk:
    """Some of the policies in a world: those with number `at`, `at + CHUNKS`, ..."""

    world: str
    at: int

    def __str__(self) -> str:
        return f"{self.world}, policies {self.at} and every {CHUNKS}th on"


def weights_of(policy: int) -> npt.NDArray[np.float32]:
    """The weights of a random policy (6,); -1 is production."""
    base = production_weights()
    if policy < 0:
        return base.astype(np.float32)
    change = np.random.default_rng((60, policy)).normal(0.0, WIDTH, len(SCORERS))
    return np.clip(base + change, -1.0, 1.0).astype(np.float32)


def proxies() -> dict[str, Signal]:
    """Every signal that can be summed and is known within the week.

    Not: factors of a product; ads, of which Feed has none; returns within a week.
    """
    factors = {"present_value", "survival", "diversity_multiplier", "revisit_multiplier"}
    adverts = {"duplicates", "ads", "ad_views", "ad_clicks", "revenue"}
    late = {"returned", "returned_7d", "gap"}
    names = [name for name in SIGNALS if name not in factors | adverts | late]
    return {name: find_signal(name) for name in names} | {"gap(cap_days=2)": Gap(cap_days=2.0)}


def known_after(signal: Signal) -> float:
    """Hours after a decision by which a signal of it is known."""
    days = signal.cap_days if isinstance(signal, Gap) else signal.window_days
    return 24.0 * days


def walked(world: str, policy: int, users: int, seed: int) -> dict[str, Floats]:
    """What each person gave: every proxy over a week and every truth over DAYS, (users,) each."""
    cohort = Cohort(
        "Feed", users, scenario=world, action="weights", autoreset_mode="Disabled",
        horizon_days=DAYS, threads=1,
    )  # fmt: skip
    judges = proxies()
    needs = frozenset().union(*(signal.needs for signal in judges.values()))
    watcher = Watcher(cohort, needs)
    sums = {name: np.zeros(users) for name in judges}
    truths = {f"true {name}": np.zeros(users) for name in TRUTHS}
    obs, _ = cohort.reset(seed=seed)
    watcher.begin(obs)
    actions = np.tile(weights_of(policy), (users, 1))
    while not cohort.over.all():
        obs, _, _, _, info = cohort.step(actions)
        out = cohort.outcomes
        lived = out["fetches"] > 0
        step = watcher.step(obs, info)
        for name in TRUTHS:
            truths[f"true {name}"] += np.where(lived, out[name], 0.0)
        rows = np.flatnonzero(lived & (out["clock"] < EARLY_H))
        if len(rows) == 0:
            continue
        some = step[rows]
        for name, signal in judges.items():
            known = out["clock"][rows] + known_after(signal) < EARLY_H
            sums[name][rows] += np.where(known, signal(some), 0.0)
    return sums | truths


def measured(chunk: Chunk, seed: int, settings: Settings) -> Table:
    """Effects of the policies of a chunk: by name, a list of [mean, standard error]."""
    base = walked(chunk.world, -1, settings.users, seed)
    found: Table = {name: [] for name in base}
    for number in range(chunk.at, settings.policies, CHUNKS):
        policy = seed * settings.policies + number  # other policies with another seed
        table = walked(chunk.world, policy, settings.users, seed)
        for name, values in table.items():
            change = values - base[name]
            error = float(change.std(ddof=1)) / math.sqrt(settings.users)
            found[name].append([float(change.mean()), error])
    return found


@dataclass(frozen=True)
class Score:
    """How a proxy's effects go with the true ones."""

    name: str
    rank: float  # Spearman's correlation
    low: float
    high: float
    sign: float  # share of policies with a clear true effect whose sign it has
    with_active: float  # rank correlation with the effect on active days


def effects(tables: Mapping[str, list[Table]], world: str) -> dict[str, Floats]:
    """[mean, standard error] of every name over all policies in a world, (policies, 2)."""
    parts = [t for name, seeds in tables.items() if name.startswith(world) for t in seeds]
    return {name: np.array([row for part in parts for row in part[name]]) for name in parts[0]}


def scored(found: Mapping[str, Floats]) -> list[Score]:
    """All proxies, best rank correlation first; intervals redraw policies."""
    from scipy.stats import spearmanr

    truth, active = (found[f"true {name}"] for name in TRUTHS)
    clear = np.abs(truth[:, 0]) > 1.96 * truth[:, 1]
    rng = np.random.default_rng(8)
    rows = []
    for name, effect in found.items():
        if name.startswith("true ") or not effect[:, 0].any():
            continue
        redrawn = []
        for _ in range(400):
            at = rng.integers(0, len(truth), len(truth))
            if np.ptp(effect[at, 0]) > 0.0:
                redrawn.append(spearmanr(effect[at, 0], truth[at, 0])[0])
        low, high = np.quantile(redrawn, [0.025, 0.975])
        same = np.sign(effect[clear, 0]) == np.sign(truth[clear, 0])
        rows.append(
            Score(
                name,
                float(spearmanr(effect[:, 0], truth[:, 0])[0]),
                float(low),
                float(high),
                float(same.mean()),
                float(spearmanr(effect[:, 0], active[:, 0])[0]),
            )
        )
    return sorted(rows, key=lambda row: -row.rank)


def page(tables: Mapping[str, list[Table]], settings: Settings) -> str:
    """The study as Markdown."""
    lines = [
        "# Does what moves in a week tell what moves in sixty days?",
        "",
        "Made by `python -m longplay.experiments.studies.proxy_effects` "
        f"({settings.seeds * settings.policies} random policies, {settings.users} people each). "
        "Do not edit by hand.",
        "",
        "Feed, with every policy production and a random change of each weight. The effect of each "
        "signal over a person's first 7 days is set against the true effect on satisfied active "
        "days over 60, both person by person against production. *rank* is Spearman's correlation "
        "over policies, with a 95 % interval; *sign* the share of the policies with a clear true "
        "effect on whose sign the proxy agrees; costs such as skips should lie near -1 and 0.",
        "",
        f"![Proxy effects over true effects]({NAME}.svg)",
        "",
        "| signal, first 7 days | "
        + " | ".join(f"{world}: rank | sign | rank with active days" for world in WORLDS)
        + " |",
        "|---|" + "---:|---:|---:|" * len(WORLDS),
    ]
    rows = [{row.name: row for row in scored(effects(tables, world))} for world in WORLDS]
    for name in rows[0]:
        cells = [
            f"{r.rank:+.2f} [{r.low:+.2f}, {r.high:+.2f}] | {r.sign:.2f} | {r.with_active:+.2f}"
            for r in (found[name] for found in rows)
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def figure(tables: Mapping[str, list[Table]], settings: Settings) -> str:
    """A scatter for each proxy: its effect over the true one, one point a policy."""
    found = [effects(tables, world) for world in WORLDS]
    rows = [{row.name: row for row in scored(mine)} for mine in found]
    columns, width, height, top = 4, 210.0, 150.0, 30.0
    lines = math.ceil(len(rows[0]) / columns)
    canvas = Canvas(columns * width + 20, lines * height + top + 40)
    for at, world in enumerate(WORLDS):
        canvas.marker((24 + 120 * at, 20), "point", f"c{at}", size=3.6)
        canvas.text((34 + 120 * at, 24), world)
    for at, name in enumerate(rows[0]):
        left, above = 10 + width * (at % columns), top + height * (at // columns)
        box = left + 8, above + 24, left + width - 10, above + height - 8
        title = f"{name}  " + "  ".join(f"{mine[name].rank:+.2f}" for mine in rows)
        panel(canvas, box, title, [(one["true satisfied_day"], one[name]) for one in found])
    canvas.text(
        (10, lines * height + top + 28),
        "across: true effect on satisfied days in 60; up: the proxy's effect in 7; each by its "
        "largest, both 0 at the lines",
    )
    return standing(canvas, "Effects of random policies on every proxy over their true effect.")


def panel(
    canvas: Canvas, box: tuple[float, ...], title: str, worlds: list[tuple[Floats, Floats]]
) -> None:
    """One proxy: its points in each world, and lines where nothing changes."""
    left, top, right, bottom = box
    across, up = Scale(-1.05, 1.05, left, right), Scale(-1.05, 1.05, bottom, top)
    canvas.text((left, top - 7), title)
    canvas.line((across(0.0), top), (across(0.0), bottom), "axis")
    canvas.line((left, up(0.0)), (right, up(0.0)), "axis")
    for at, (truth, effect) in enumerate(worlds):
        xs, ys = (each[:, 0] / np.abs(each[:, 0]).max() for each in (truth, effect))
        for x, y in zip(xs, ys, strict=True):
            canvas.marker((across(x), up(y)), "point", f"c{at}", size=1.8)


STUDY = Study(
    NAME,
    __doc__ or "",
    [Chunk(world, at) for world in WORLDS for at in range(CHUNKS)],
    Settings(),
    measured,
    page,
    figure,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
