"""Which proxies follow how a session felt? Correlations by session, under random slates.

    python -m longplay.experiments.studies.proxies          (seed 1020, 600 people, 14 days)

One question: of two sessions, does the proxy tell which one felt better? `felt` is v of
envs/laws/satisfaction.py, which only the simulator knows; `value` is the sum of experienced value.
People were in no panel (another seed). Intervals are of 95 %, from a bootstrap over people.

RESULT
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


def formulas(scenario: str) -> list[str]:
    """What is set beside how sessions felt; with tables of the pooled panel, and of its own."""
    own = f"panel='{scenario}'"
    return [
        "minutes", "plays", "likes", "hides", "novelty",
        "skips", "skips(given='intent')", f"skips(given='intent', {own})",
        "skips(given='listen_now')", "skips(given='explore')",
        "scrolls", "scrolls(given='intent')", f"scrolls(given='intent', {own})",
        "finished", "completion", f"completion(panel='{scenario}')",
        "completion - 0.5 * plays",
        "abandonment", "abandonment(end='good')", f"abandonment(end='good', {own})",
        "fast_skips", "fatigue_estimate", f"fatigue_estimate({own})", "dissatisfaction",
        "discovery",
        "minutes * diversity_multiplier", "minutes * revisit_multiplier",
    ]  # fmt: skip


def sessions(panel: Panel) -> npt.NDArray[np.int64]:
    """The number of each row's session, counted over all people; -1 where it has no end."""
    order = np.argsort(panel.person, kind="stable")
    ended = (panel.end >= 0)[order]
    number = np.cumsum(ended) - ended
    person = panel.person[order]
    last = np.r_[person[1:] != person[:-1], True]
    open_ = last & ~ended  # a life's last session without an end joins nobody's
    found = np.empty(len(order), np.int64)
    found[order] = np.where(_tail(open_, person, ended), -1, number)
    return found


def _tail(open_: Floats, person: Floats, ended: Floats) -> npt.NDArray[np.bool_]:
    """Rows of a session that has no end, given rows in order of person and time."""
    out = np.zeros(len(person), bool)
    for at in np.flatnonzero(open_):
        back = at
        while back >= 0 and person[back] == person[at] and not ended[back]:
            out[back] = True
            back -= 1
    return out


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
            f"  {text:<40} felt {found[text][0]:+.3f} ({low:+.3f} .. {high:+.3f})  "
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
