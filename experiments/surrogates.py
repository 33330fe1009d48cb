"""Surrogates in A/B tests: what they say of a treatment, and how well they are calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.stats import Bootstrap, Interval

Floats = npt.NDArray[np.float64]
Scores = tuple[npt.NDArray[np.int64], Floats]  # users (n,), sorted, and a number of each (n,)


def effect(treated: Scores, control: Scores) -> Interval:
    """Mean of the treatment less that of the control, with its interval of 95 % over users.

    People who are in both (the same people with the same luck, as only a simulator has them) are
    compared with themselves; other arms by Welch's interval. It covers the noise of who was
    tested, not that of a surrogate's fit.

    Raises:
        ValueError: an arm has fewer than two users, or the arms share some users but not all.
    """
    (theirs, a), (ours, b) = treated, control
    if min(len(a), len(b)) < 2:
        raise ValueError(f"arms of {len(a)} and {len(b)} users; give two users or more in each")
    if np.array_equal(theirs, ours):
        return paired(a - b)
    if np.isin(theirs, ours).any():
        raise ValueError("the arms share some users but not all; give the same people, or others")
    from scipy.stats import t

    parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    freedom = parts.sum() ** 2 / (parts**2 / (np.array([len(a), len(b)]) - 1)).sum()
    reach = float(np.sqrt(parts.sum()) * t.ppf(0.975, freedom)) if parts.sum() > 0 else 0.0
    mean = float(a.mean() - b.mean())
    return Interval(mean, mean - reach, mean + reach, users=min(len(a), len(b)))


def paired(differences: Floats, seed: int = 0) -> Interval:
    """The mean of users' own differences, with its bootstrap interval."""
    boot = Bootstrap(1, len(differences), np.random.default_rng(seed))
    return boot.mean(differences[None])


def calibration_figure(report: dict[str, Any], unit: str) -> str:
    """Predicted and actual by decile of users out of fold, as an SVG.

    Args:
        report: of a fitted objective.
        unit: of what it predicts.
    """
    predicted, actual, error = np.array(report["deciles"]).T
    ends = [float(min(predicted.min(), actual.min())), float(max(predicted.max(), actual.max()))]
    return chart(
        f"Out of fold it explains {100 * report['r2']:.0f} % of the variance; each point is a "
        "tenth of the rows.",
        f"predicted [{unit}]",
        f"actual [{unit}]",
        [
            Curve("a tenth of the rows", predicted, actual, points=True, colour=0),
            Curve("as predicted", ends, ends, dashed=True, colour=1),
            *_errors(predicted, actual, 1.96 * error),
        ],
    )


def _errors(x: Floats, y: Floats, reach: Floats) -> Sequence[Curve]:
    """Upright lines of 95 %."""
    return [
        Curve("", [a, a], [b - r, b + r], colour=0) for a, b, r in zip(x, y, reach, strict=True)
    ]
