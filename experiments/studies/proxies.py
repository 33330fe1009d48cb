"""Which proxies follow how a session felt? Correlations by session, under random slates.

    python -m longplay.experiments.studies.proxies          (seed 1020, 600 people, 14 days)

One question: of two sessions, does the proxy tell which one felt better? `felt` is v of
envs/laws/satisfaction.py, which only the simulator knows; `value` is the sum of experienced value.
People were in no panel (another seed). Intervals are of 95 %, from a bootstrap over people.

Last seen (own: the table of the scenario's panel, else the pooled one), correlation with `felt`:

                                       bench                        music
    skips                              -.09 (-.10 .. -.07)          -.32 (-.34 .. -.29)
    skips given intent                 -.13 (-.14 .. -.11)          -.37 (-.40 .. -.35)
    skips given intent, own            -.19 (-.20 .. -.17)          -.47 (-.49 .. -.44)
    skips given intent, SIGNS          -.07 (-.09 .. -.06)          -.26 (-.29 .. -.23)
    scrolls                            -.08 (-.09 .. -.06)          -.15 (-.16 .. -.13)
    scrolls given intent               -.10 (-.11 .. -.08)          -.17 (-.19 .. -.16)
    scrolls given intent, own          -.10 (-.11 .. -.08)          -.22 (-.24 .. -.20)
    minutes                            +.07 (+.05 .. +.08)          +.12 (+.10 .. +.14)
    likes                              +.16 (+.15 .. +.18)          +.20 (+.18 .. +.22)
    finished                           +.07 (+.06 .. +.09)          +.13 (+.11 .. +.15)
    completion                         +.06 (+.04 .. +.07)          +.09 (+.07 .. +.11)
    completion - 0.5 * plays           +.22 (+.21 .. +.23)          +.41 (+.38 .. +.44)
    abandonment, bad                   -.12 (-.14 .. -.11)          -.58 (-.61 .. -.56)
    abandonment, good, own             +.44 (+.42 .. +.45)          +.63 (+.61 .. +.65)
    fast skips                         -.10 (-.12 .. -.09)          -.36 (-.38 .. -.32)
    fatigue, own                       +.00 (-.02 .. +.02)          -.05 (-.07 .. -.03)
    dissatisfaction                    -.10 (-.11 .. -.08)          -.34 (-.37 .. -.31)
    discovery                          +.04 (+.03 .. +.06)          +.10 (+.08 .. +.12)
    minutes * diversity multiplier     +.06 (+.05 .. +.08)          +.12 (+.10 .. +.14)
    minutes * revisit multiplier       +.19 (+.17 .. +.20)          +.31 (+.28 .. +.33)

What a skip means turns with the intent, and reading it so helps: by .04 and .06 with the pooled
table, by .10 and .15 with its own. The signs of the source do not (SIGNS): here passing over is no
gain even to browse (F15). Sums over a session grow with its length, so most follow `value` by .6
and more and say little about how it felt; what is taken per play or per end says most. Fatigue
hardly tells how a session felt: it decides when one ends, and enters no feeling.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from longplay.experiments.panels import Life, Panel, watch
from longplay.rewards import Objective, parse

Floats = npt.NDArray[np.float64]
PARTS = ("state", "next_state", "slots", "items", "topics", "next_topics")
FEED = Life("Feed", "fetch", {"action": "slate"})
RESAMPLES = 400
# of INTENTS, with the signs of Mehrotra et al., WWW 2019 [L]: a cost to listen now, a gain to
# browse; sizes, and the other two, free choices
SIGNS = (1.0, 0.5, -0.5, 1.0)


def formulas(scenario: str) -> list[str]:
    """What is set beside how sessions felt; with tables of the pooled panel, and of its own."""
    own = f"panel='{scenario}'"
    return [
        "minutes", "plays", "likes", "hides", "novelty",
        "skips", "skips(given='intent')", f"skips(given='intent', {own})",
        f"skips(given='intent', weights={SIGNS})",
        "skips(given='listen_now')", "skips(given='explore')",
        "scrolls", "scrolls(given='intent')", f"scrolls(given='intent', {own})",
        f"scrolls(given='intent', weights={SIGNS})",
        "finished", "completion", f"completion(panel='{scenario}')",
        "completion - 0.5 * plays",
        "abandonment", "abandonment(end='good')", f"abandonment(end='good', {own})",
        "fast_skips", "fatigue_estimate", f"fatigue_estimate({own})", "dissatisfaction",
        "discovery",
        "minutes * diversity_multiplier", "minutes * revisit_multiplier",
    ]  # fmt: skip


def sessions(panel: Panel) -> npt.NDArray[np.int64]:
    """The number of each row's session, counted over all people; -1 where it has no end."""
    order = np.argsort(panel.person, kind="stable")  # person by person, in order of time
    person = panel.person[order]
    ends = np.flatnonzero(panel.end[order] >= 0)
    number = np.searchsorted(ends, np.arange(len(order)))  # the next end: this session's, or
    closed = number < len(ends)  # another person's, where a life's last session has none
    closed[closed] = person[ends[number[closed]]] == person[closed]
    found = np.empty(len(order), np.int64)
    found[order] = np.where(closed, number, -1)
    return found


def correlation(x: Floats, y: Floats, weight: Floats) -> float:
    """Pearson's, weighted; nan where nothing varies."""
    total = weight.sum()
    dx = x - (weight * x).sum() / total
    dy = y - (weight * y).sum() / total
    spread = np.sqrt((weight * dx * dx).sum() * (weight * dy * dy).sum())
    return float((weight * dx * dy).sum() / spread) if spread > 0 else float("nan")


class Table:
    """Sessions of some people: hidden columns, and any proxy's."""

    def __init__(self, panel: Panel) -> None:
        at = sessions(panel)
        self.kept = at >= 0
        _, self.at = np.unique(at[self.kept], return_inverse=True)
        self.panel = panel
        ends = self.kept & (panel.end >= 0)
        self.felt = panel.felt[ends][np.argsort(at[ends])]
        self.person = panel.person[ends][np.argsort(at[ends])]
        self.value = self.summed(panel.value)

    def summed(self, values: Floats) -> Floats:
        """Values of rows, by session."""
        return np.asarray(np.bincount(self.at, values[self.kept]), np.float64)

    def of(self, objective: Objective) -> Floats:
        """What the objective pays a session."""
        return self.summed(objective(self.panel.log))


def study(scenario: str, people: int, days: float, seed: int) -> list[str]:
    """Lines of a table: each formula's correlations with how sessions felt, and their value."""
    table = Table(watch(FEED, scenario, people, days, seed, PARTS))
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(people, np.full(people, 1.0 / people), RESAMPLES)
    weights = [np.ones(len(table.felt)), *(d[table.person].astype(float) for d in draws)]
    found: dict[str, Floats] = {}
    lines = [f"{scenario}: {len(table.felt)} sessions of {people} people"]
    for text in formulas(scenario):
        x = table.of(parse(text))
        found[text] = np.array([correlation(x, table.felt, w) for w in weights])
        low, high = np.nanquantile(found[text][1:], [0.025, 0.975])
        value = correlation(x, table.value, weights[0])
        lines.append(
            f"  {text:<58} felt {found[text][0]:+.3f} ({low:+.3f} .. {high:+.3f})  "
            f"value {value:+.3f}"
        )
    for plain in ("skips", "scrolls"):
        for text in formulas(scenario):
            if text.startswith(f"{plain}(given='intent'"):
                gain = found[text] - found[plain]
                low, high = np.nanquantile(gain[1:], [0.025, 0.975])
                lines.append(f"  {text} less {plain}: {gain[0]:+.3f} ({low:+.3f} .. {high:+.3f})")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each scenario."""
    parser = argparse.ArgumentParser(
        prog="python -m longplay.experiments.studies.proxies",
        description=(__doc__ or "").splitlines()[0],
    )
    parser.add_argument("--scenarios", nargs="+", default=["bench", "music"])
    parser.add_argument("--people", type=int, default=600)
    parser.add_argument("--days", type=float, default=14.0)
    parser.add_argument("--seed", type=int, default=1020)
    options = parser.parse_args(arguments)
    for scenario in options.scenarios:
        for line in study(scenario, options.people, options.days, options.seed):
            print(line, flush=True)


if __name__ == "__main__":
    main()
