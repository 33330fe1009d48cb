"""F15: what scrolling past means depends on what one came for.

"Scrolling can indicate negative experience when the goal is to quickly listen to music now, but
positive when the goal is to browse"; a model of satisfaction that knows the intent beats one that
does not (Mehrotra et al., WWW 2019, doi 10.1145/3308558.3313613 [L, signs]).

Simulated: two weeks of visits without ads. For each visit the share of titles passed over, and how
it felt: the mean experience of all that was met. Straight lines by intent; and the share of the
variance that is explained by lines of each intent's own, and by one line for all.

Departures. How a visit felt is read from the simulator; theirs was asked. Explained variance stands
for the area under their curve. The sign of each intent is a parameter of the law of satisfaction,
set to this source; whether it shows through plays, skips and boredom is what is measured. To
browse it does not: passing a title pleases there (0.15), but less than an average play (0.8), so
that a visit of more passing is still a poorer one. The visit's last fetch is left out of how it
felt: its sums are gone when the visit is over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.state import INTENTS
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

NOW, BROWSE = INTENTS.index("listen_now"), INTENTS.index("explore")
BINS = np.linspace(0.0, 1.0, 11)


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 14.0


SETTINGS = {"full": Settings(1000), "quick": Settings(150)}
FACT = Fact(
    id="F15",
    title="What scrolling past means depends on what one came for",
    source="Mehrotra et al., WWW 2019, doi 10.1145/3308558.3313613",
    mark="[L]",
    expected="slope below 0 to listen now, above 0 to browse; knowing the intent explains more",
    tier="report",
    origin="fitted",
    checks=(
        Check("now", "slope of feeling over the share passed over, listen-now", high=0.0),
        Check("browse", "slope of feeling over the share passed over, explore", low=0.0),
        Check(
            "gain", "variance explained by lines of each intent's own, beyond one line [%]", low=0.0
        ),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Moments of (passed, felt) by intent (4, 6); mean feeling by share passed (2, bins)."""
    sums = lab.sums(live, settings.people, settings, seed)
    curves = sums["felt"] / np.maximum(sums["visits"], 1)
    return {"moments": sums["moments"], "curves": curves}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """Of the visits of some people: `moments_of`, and `in_bins` to listen now and to browse."""
    intent, passed, felt = visits(lab, people, settings, seed).T
    own = [(passed[intent == z], felt[intent == z]) for z in range(len(INTENTS))]
    number, sums = np.stack([in_bins(*own[z]) for z in (NOW, BROWSE)], axis=1)
    return {
        "moments": np.stack([moments_of(x, y) for x, y in own]),
        "visits": number,
        "felt": sums,
    }


def visits(lab: Lab, people: range, settings: Settings, seed: int) -> Floats:
    """Intent, share of titles passed over and feeling of each visit of some people, (n, 3)."""
    cohort = lab.cohort(len(people), 1, settings.days, seed, decision="fetch", first=people.start)
    no_ads = np.zeros(len(people), np.int64)
    totals = np.zeros((2, len(people)))  # looked, plays so far in this visit
    rows: list[Floats] = []
    while not cohort.over.all():
        intent = cohort.users["intent"].copy()
        before = cohort.users["session_value"].copy(), cohort.users["session_weight"].copy()
        cohort.step(no_ads)
        out = cohort.outcomes
        totals[0] += out["looked"]
        totals[1] += out["plays"]
        ended = np.flatnonzero((out["fetches"] > 0) & (out["ended"] > 0) & (totals[0] >= 3))
        felt = before[0][ended] / np.maximum(before[1][ended], 1.0)
        passed = 1.0 - totals[1, ended] / totals[0, ended]
        known = before[1][ended] > 0
        rows.append(np.column_stack([intent[ended], passed, felt])[known])
        totals[:, (out["fetches"] > 0) & (out["ended"] > 0)] = 0.0
        lab.told(float(cohort.over.mean()))
    return np.concatenate(rows)


def moments_of(x: Floats, y: Floats) -> Floats:
    """Number, and sums of x, y, xx, xy and yy (6,)."""
    return np.array([len(x), x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum()])


def in_bins(x: Floats, y: Floats) -> Floats:
    """Number, and sum of y, by bin of x (2, bins)."""
    many = len(BINS) - 1
    where = np.clip(np.digitize(x, BINS) - 1, 0, many - 1)
    return np.stack([np.bincount(where, minlength=many), np.bincount(where, y, many)])


def slope_and_rest(moments: Floats) -> tuple[float, float]:
    """The slope of a straight line, and the sum of squares that it leaves, from moments (6,)."""
    n, x, y, xx, xy, yy = moments
    sxx, sxy, syy = xx - x * x / n, xy - x * y / n, yy - y * y / n
    return float(sxy / sxx), float(syy - sxy**2 / sxx)


def read(series: Series) -> dict[str, float]:
    """Slopes of two intents, and what knowing the intent explains."""
    moments = series["moments"]
    n, _, y, _, _, yy = moments.sum(axis=0)
    whole = yy - y * y / n
    _, pooled = slope_and_rest(moments.sum(axis=0))
    own = sum(slope_and_rest(row)[1] for row in moments)
    return {
        "now": slope_and_rest(moments[NOW])[0],
        "browse": slope_and_rest(moments[BROWSE])[0],
        "gain": 100.0 * float((pooled - own) / whole),
    }


def figure(series: Series, readings: Readings) -> str:
    """How visits felt, by the share passed over."""
    middles = (BINS[1:] + BINS[:-1]) / 2
    now, browse = series["curves"]
    return chart(
        f"Slopes: {readings['now']:.2f} to listen now, {readings['browse']:.2f} to browse.",
        "share of titles passed over",
        "how the visit felt",
        [Curve("listen now", middles, now), Curve("explore", middles, browse, colour=1)],
    )
