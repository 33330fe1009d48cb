"""Proxy against long term: does what moves in a week tell what moves in sixty days?

    python -m longplay.experiments.studies.proxy_effects --out docs

The offline/online plot that every practitioner draws. In Feed `bench`, random policies (production
weights of the scorers and a random change of each) are set against production, on the same people
with the same luck. Every signal of longplay.rewards is summed over each person's first 7 days; its
treatment effect is set beside the true one, on satisfied active days over 60 days, which no
platform sees. A good proxy ranks policies as the truth does and has its sign.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longplay.agents.fixed import PRODUCTION
from longplay.envs.cohort import Cohort
from longplay.envs.spaces import SCORERS
from longplay.experiments.facts.picture import standing
from longplay.experiments.report.svg import Canvas, Scale
from longplay.experiments.studies.trainings import Study, Table, command
from longplay.rewards import SIGNALS, Signal, find_signal
from longplay.rewards.watching import Watcher

NAME = "proxy-effects"
EARLY_H = 24.0 * 7
DAYS = 60.0
WIDTH = 0.4  # standard deviation of a random change of a weight; free choice
CHUNKS = 8
TRUTHS = ("satisfied_day", "active_day")  # undiscounted, over DAYS; the first is the truth

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """Sizes of the study."""

    seeds: int = 1
    policies: int = 120
    users: int = 600
    jobs: int = 2


@dataclass(frozen=True)
class Chunk:
    """Some of the policies: those with number `at`, `at + CHUNKS`, ..."""

    at: int

    def __str__(self) -> str:
        return f"policies {self.at} and every {CHUNKS}th on"


def weights_of(policy: int) -> npt.NDArray[np.float32]:
    """The weights of a random policy (6,); -1 is production."""
    base = np.array([PRODUCTION.get(name, 0.0) for name in SCORERS])
    if policy < 0:
        return base.astype(np.float32)
    change = np.random.default_rng((60, policy)).normal(0.0, WIDTH, len(SCORERS))
    return np.clip(base + change, -1.0, 1.0).astype(np.float32)


def proxies() -> dict[str, Signal]:
    """Every signal but those that compare nothing here (factors of a product, no ads in Feed)."""
    left_out = {
        "present_value",
        "survival",
        "duplicates",
        "ads",
        "ad_views",
        "ad_clicks",
        "revenue",
    }
    return {name: find_signal(name) for name in SIGNALS if name not in left_out}


def walked(policy: int, users: int, seed: int) -> dict[str, Floats]:
    """What each person gave: every proxy over a week and every truth over DAYS, (users,) each."""
    cohort = Cohort(
        "Feed", users, scenario="bench", action="weights", autoreset_mode="Disabled",
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
        early = lived & (out["clock"] < EARLY_H)
        if early.any():
            rows = np.flatnonzero(early)
            some = step[rows]
            for name, signal in judges.items():
                sums[name][rows] += signal(some)
    return sums | truths


def measured(chunk: Chunk, seed: int, settings: Settings) -> Table:
    """Effects of the policies of a chunk: by name, a list of [mean, standard error]."""
    base = walked(-1, settings.users, seed)
    found: Table = {name: [] for name in base}
    for policy in range(chunk.at, settings.policies, CHUNKS):
        table = walked(policy, settings.users, seed)
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


def effects(tables: Mapping[str, list[Table]]) -> dict[str, Floats]:
    """[mean, standard error] of every name over all policies, (policies, 2)."""
    parts = [table for seeds in tables.values() for table in seeds]
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
    found = effects(tables)
    truth = found["true satisfied_day"]
    clear = int((np.abs(truth[:, 0]) > 1.96 * truth[:, 1]).sum())
    lines = [
        "# Does what moves in a week tell what moves in sixty days?",
        "",
        f"Made by `python -m longplay.experiments.studies.proxy_effects` ({len(truth)} random "
        f"policies, {settings.users} people each). Do not edit by hand.",
        "",
        "Feed, scenario `bench`. Every policy is production with a random change of each weight. "
        "The effect of each signal over a person's first 7 days is set against the true effect on "
        "satisfied active days over 60, both person by person against production. *rank* is "
        "Spearman's correlation over policies, with a 95 % interval; *sign* the share of the "
        f"{clear} policies with a clear true effect on whose sign the proxy agrees; costs such as "
        "skips should lie near -1 and 0.",
        "",
        f"![Proxy effects over true effects]({NAME}.svg)",
        "",
        "| signal, first 7 days | rank | sign | rank with active days |",
        "|---|---:|---:|---:|",
    ]
    for row in scored(found):
        lines.append(
            f"| {row.name} | {row.rank:+.2f} [{row.low:+.2f}, {row.high:+.2f}] | "
            f"{row.sign:.2f} | {row.with_active:+.2f} |"
        )
    return "\n".join(lines) + "\n"


def figure(tables: Mapping[str, list[Table]], settings: Settings) -> str:
    """A scatter for each proxy: its effect over the true one, one point a policy."""
    found = effects(tables)
    rows = scored(found)
    columns, width, height = 4, 200.0, 150.0
    lines = math.ceil(len(rows) / columns)
    canvas = Canvas(columns * width + 20, lines * height + 40)
    truth = found["true satisfied_day"][:, 0]
    for at, row in enumerate(rows):
        left, top = 10 + width * (at % columns), 10 + height * (at // columns)
        box = left + 8, top + 24, left + width - 10, top + height - 8
        panel(canvas, box, row, truth, found[row.name][:, 0])
    canvas.text(
        (10, lines * height + 30),
        "across: true effect on satisfied days in 60; up: the proxy's effect in 7; both 0 at "
        "the lines",
    )
    return standing(canvas, "Effects of random policies on every proxy over their true effect.")


def panel(
    canvas: Canvas, box: tuple[float, ...], row: Score, truth: Floats, effect: Floats
) -> None:
    """One proxy: points, and lines where nothing changes."""
    left, top, right, bottom = box
    across = Scale.around([*truth, 0.0], left, right)
    up = Scale.around([*effect, 0.0], bottom, top)
    canvas.text((left, top - 7), f"{row.name}  {row.rank:+.2f}")
    canvas.rect((left, top), (right, bottom), "range")
    canvas.line((across(0.0), top), (across(0.0), bottom), "axis")
    canvas.line((left, up(0.0)), (right, up(0.0)), "axis")
    colour = "c0" if row.low > 0 else "c1" if row.high < 0 else "c3"
    for x, y in zip(truth, effect, strict=True):
        canvas.marker((across(x), up(y)), "point", colour, size=2.2)


STUDY = Study(
    NAME, __doc__ or "", [Chunk(at) for at in range(CHUNKS)], Settings(), measured, page, figure
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
