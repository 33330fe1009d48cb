"""Predicting yes or no from features, and how good a prediction is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
STEPS, NEAR = 50, 1e-8


@dataclass(frozen=True)
class Logistic:
    """log-odds = start + weights . (x - centre) / spread."""

    centre: Floats  # (f,)
    spread: Floats  # (f,)
    start: float
    weights: Floats  # (f,)

    def log_odds(self, x: Floats) -> Floats:
        """Of rows x (n, f), (n,)."""
        odds: Floats = self.start + (x - self.centre) / self.spread @ self.weights
        return odds


def logistic(x: Floats, y: Flags, ridge: float = 1.0) -> Logistic:
    """The most likely logistic regression of y (n,) on x (n, f), by Newton's method.

    ``ridge`` / 2 times the sum of squared weights of standardised features is taken off the log
    likelihood, so that classes that can be told apart without error have an answer, too.
    """
    centre, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    rows = np.column_stack([np.ones(len(x)), (x - centre) / spread])
    penalty = np.full(rows.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(rows @ weights, -30.0, 30.0)))
        slope = rows.T @ (y - p) - penalty * weights
        curvature = (rows * (p * (1.0 - p))[:, None]).T @ rows + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curvature, slope)
        weights += step
        if np.abs(step).max() < NEAR:
            break
    return Logistic(centre, spread, float(weights[0]), weights[1:])


def auc(scores: Floats, y: Flags) -> float:
    """Probability that a yes scores higher than a no, ties by half (Mann & Whitney)."""
    from scipy.stats import rankdata

    yes = int(y.sum())
    no = len(y) - yes
    return float((rankdata(scores)[y].sum() - yes * (yes + 1) / 2) / (yes * no))
