"""F36: metrics that move easily tend to move the wrong way, and a good mixture of them is a proxy.

A metric is sensitive if many A/B tests move it significantly, and directional if it moves as the
north star does. The two trade off. A proxy on the Pareto front, a mixture of metrics, was 8.5 times
as sensitive as the north star (https://arxiv.org/abs/2307.01000 [S]; abstract: eight times); it
found 72 % of what the north star showed, against 40 %, and was never wrong about it.

Simulated: the levers, the design of changes and the drawn noise of F35. The north star is the
active days of weeks 8 and 9; thirteen metrics are sums over the first two weeks. Noise is jointly
normal with the covariance of the people of the control; arms are so large that a tenth of all tests
move the north star significantly (free choice). Sensitivity is the share of tests that move a
metric; directionality is the share that move it as they move the north star, less that of the
others, each weighted by how far the north star moved. All metrics are turned so that they agree
with the north star by 300 past tests, and of 3000 random mixtures, each of three metrics at most,
that with the highest product of the two by these tests is the proxy. It is judged on 500 new tests.

Departures. Three levers; real tests have thousands of kinds. Directionality is of true effects,
which only a simulator knows, and of estimates where the proxy is chosen. The front is searched for
one point of it. That sensitive metrics point the wrong way is not found: of thirteen metrics two,
what is looked at and what is skipped, tell nothing of the north star (.02), and a third, the
fetches, is turned the wrong way by 300 past tests (-.8); none of the three moves easily, and a list
of other metrics would give another correlation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from longplay.experiments.facts.abtests import (
    Settings,
    Watched,
    Z,
    arm_between,
    drawn,
    features,
    surface_of,
)
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

EDGES = (0.0, 14.0, 49.0, 63.0)  # [day]
METRICS = (
    "minutes", "looked", "plays", "skips", "likes", "saves", "shares", "hides", "novelty",
    "repeats", "fetches", "ended", "active_day",
)  # fmt: skip
STAR = -1  # column of the north star
PAST, NEW, REPEATS = 300, 500, 20
MIXTURES, IN_MIXTURE = 3000, 3
MOVED = 0.1  # share of tests that move the north star significantly; free choice
SETTINGS = {"full": Settings(250, 3000), "quick": Settings(40, 300, changes=10)}
FACT = Fact(
    id="F36",
    title="Metrics that move easily tend to move the wrong way; a good mixture is a proxy",
    source="Pareto optimal proxy metrics, https://arxiv.org/abs/2307.01000",
    mark="[S]",
    expected="sensitivity falls with directionality; the proxy is 8.5 times as sensitive (over 3)",
    tier="report",
    checks=(
        # quick: effects of 40 people; a correlation of 13 metrics, sd .25
        Check("trade_off", "correlation of sensitivity and directionality", -1.0, 0.0, (-1.0, 0.6)),
        Check("gain", "sensitivity of the proxy over that of the north star [1]", low=3.0),
        Check("direction", "directionality of the proxy, -1 to 1"),
        Check("recall", "tests that move the north star, found by the proxy [1]"),
        Check("precision", "of those, moved the right way [1]"),
        Check("arm", "users in each arm, in thousands"),
    ),
)


def metrics_of(sums: Mapping[str, Floats]) -> Floats:
    """METRICS of the first two weeks and the north star, (lanes, 14)."""
    metrics = [sums[name][:, 0] for name in METRICS]
    return np.column_stack([*metrics, sums["active_day"][:, -1]])


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """The surface of effects (9, 14), and the covariance of the control's people (14, 14)."""
    return surface_of(lab, settings, seed, Watched(METRICS, EDGES, metrics_of))


@dataclass(frozen=True)
class Trials:
    """A/B tests: true effects and their estimates, (tests, metrics), in standard errors."""

    true: Floats
    seen: Floats


def trials_of(series: Series, count: int, rng: np.random.Generator) -> tuple[Trials, float]:
    """``count`` tests, and the users an arm needs for MOVED."""
    covariance = 2.0 * series["covariance"]
    errors = np.sqrt(np.diag(covariance))  # of an arm of one user
    effects = features(drawn(rng, count)) @ series["surface"] / errors
    correlation = covariance / np.outer(errors, errors)
    noise = rng.multivariate_normal(np.zeros(len(errors)), correlation, count)

    def moved(log_users: float) -> float:
        star = np.exp(log_users / 2) * effects[:, STAR] + noise[:, STAR]
        return float((np.abs(star) > Z).mean())

    low, _ = arm_between(moved, MOVED)
    true = np.exp(low / 2) * effects
    return Trials(true, true + noise), float(np.exp(low))


def sensitivity(seen: Floats) -> Floats:
    """Share of tests (n, m) that move each metric, (m,)."""
    share: Floats = (np.abs(seen) > Z).mean(axis=0)
    return share


def directionality(metric: Floats, star: Floats) -> Floats:
    """How far metrics (n, m) move as the north star (n,) does, weighted by its moves, (m,)."""
    agreed: Floats = star @ np.sign(metric) / np.abs(star).sum()
    return agreed


def mixtures(rng: np.random.Generator) -> Floats:
    """Weights of metrics in standard errors, (MIXTURES, metrics), three of them at most."""
    weights = rng.exponential(size=(MIXTURES, len(METRICS)))
    rank = np.argsort(np.argsort(rng.random(weights.shape), axis=1), axis=1)
    some: Floats = weights * (rank < rng.integers(1, IN_MIXTURE + 1, (MIXTURES, 1)))
    return some


def in_errors(values: Floats, weights: Floats, correlation: Floats) -> Floats:
    """Mixtures (n, k) of metrics (n, m), in their own standard errors."""
    spread = np.sqrt(np.einsum("km,mj,kj->k", weights, correlation, weights))
    mixed: Floats = values @ weights.T / spread
    return mixed


def read(series: Series) -> dict[str, float]:
    """Choose a proxy by past tests and judge it by new ones, REPEATS times over."""
    rng = np.random.default_rng(36)
    errors = np.sqrt(np.diag(series["covariance"]))
    correlation = (series["covariance"] / np.outer(errors, errors))[:STAR, :STAR]
    every, users = trials_of(series, REPEATS * (PAST + NEW), rng)
    candidates = mixtures(rng)
    found = []
    for at in range(REPEATS):
        rows = slice(at * (PAST + NEW), at * (PAST + NEW) + PAST)
        new = slice(rows.stop, rows.stop + NEW)
        past, past_star = every.seen[rows, :STAR], every.seen[rows, STAR]
        turned = candidates * np.sign(directionality(past, past_star))
        tried = in_errors(past, turned, correlation)
        best = turned[[np.argmax(sensitivity(tried) * directionality(tried, past_star))]]
        found.append(judged(every, new, in_errors(every.seen[new, :STAR], best, correlation)[:, 0],
                            in_errors(every.true[new, :STAR], best, correlation)))  # fmt: skip
    means = np.mean(found, axis=0)
    alone, agreed = scores(every)
    return {
        "trade_off": float(np.corrcoef(alone, agreed)[0, 1]),
        "gain": float(means[0]),
        "direction": float(means[1]),
        "recall": float(means[2]),
        "precision": float(means[3]),
        "arm": users / 1000,
    }


def judged(trials: Trials, rows: slice, seen: Floats, true: Floats) -> list[float]:
    """Gain in sensitivity, directionality, recall and precision of a proxy on some tests."""
    star, moved = trials.seen[rows, STAR], np.abs(seen) > Z
    star_moved = np.abs(star) > Z
    found = moved & star_moved
    return [
        float(moved.mean() / max(star_moved.mean(), 1 / len(star))),
        float(directionality(true, trials.true[rows, STAR])[0]),
        float(moved[star_moved].mean()),
        float((np.sign(seen) == np.sign(star))[found].mean()),
    ]


def scores(trials: Trials) -> tuple[Floats, Floats]:
    """Sensitivity, and directionality of true effects, of each metric turned by past tests."""
    past = trials.seen[:PAST]
    turned = np.sign(directionality(past[:, :STAR], past[:, STAR]))
    agreed: Floats = turned * directionality(trials.true[:, :STAR], trials.true[:, STAR])
    return sensitivity(trials.seen[:, :STAR]), agreed


def figure(series: Series, readings: Readings) -> str:
    """Directionality of each metric over its sensitivity."""
    trials, _ = trials_of(series, REPEATS * (PAST + NEW), np.random.default_rng(36))
    alone, agreed = scores(trials)
    proxy = readings["gain"] * MOVED
    return chart(
        f"The proxy is {readings['gain']:.1f} times as sensitive as the north star.",
        "sensitivity: share of tests that move it",
        "directionality",
        [
            Curve("metrics", alone, agreed, points=True),
            Curve("north star", [MOVED], [1.0], points=True, colour=2),
            Curve("proxy", [proxy], [readings["direction"]], points=True, colour=1),
        ],
    )
