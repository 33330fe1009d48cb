"""Surrogates in A/B tests: what they say of a treatment, and how well they are calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.experiments.abtest import LEVEL, Effect, effect_of, is_paired
from longplay.experiments.facts.picture import Curve, chart

Floats = npt.NDArray[np.float64]
Scores = tuple[npt.NDArray[np.int64], Floats]  # users (n,), sorted, and a number of each (n,)


def effect(treated: Scores, control: Scores, label: str = "index") -> Effect:
    """Mean of the treatment less that of the control, with its interval of 95 % over users.

    For scores that are no sum over steps, as those of a boosted index or of a belief; a linear
    index is an objective, and `abtest(index, control, treatment)` says the same. Paired where both
    hold the same people, else Welch (see abtest.py). The interval covers the noise of who was
    tested, not that of a surrogate's fit.

    Raises:
        ValueError: an arm has fewer than two users, or the arms share some users but not all.
    """
    (theirs, y), (ours, x) = treated, control
    if min(len(x), len(y)) < 2:
        raise ValueError(f"arms of {len(y)} and {len(x)} users; give two users or more in each")
    return effect_of(label, x, y, is_paired((ours, theirs), None), LEVEL)


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
