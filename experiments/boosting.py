"""Gradient boosting, as a learner of fitted objectives: scikit-learn fits, plain arrays predict.

ValueModel.fit(log, Minutes(), learner=Boosting())
ReturnTime.fit(log, learner=Boosting(odds=True))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.agents.extras import MissingExtra
from longplay.rewards.models import Trees

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Boosting:
    """A learner (see rewards/models.py): Friedman's gradient boosting by scikit-learn.

    Least squares of y, or with `odds` the log-odds of y in {0, 1}. What comes back is a
    `Trees`, whose predictions are scikit-learn's. It takes one or two seconds for 100 trees on
    2,000 rows of 30 features, and grows with rows and features: fit to thousands of rows, not
    millions. As a reward, 100 trees take about as long as the step of AdLoad that they judge.

    Args:
        trees: how many.
        depth: of each.
        rate: learning rate.
        share: of the rows, drawn anew for each tree (Friedman 2002).
        least: rows a leaf has at least.
        odds: y is 0 or 1.
        seed: of the draws.
    """

    trees: int = 100
    depth: int = 3
    rate: float = 0.1
    share: float = 0.5
    least: int = 20
    odds: bool = False
    seed: int = 0

    def __call__(self, x: Floats, y: Floats) -> Trees:
        """The trees fitted to x (n, f) and y (n,)."""
        try:
            from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
        except ImportError:
            raise MissingExtra(
                "Boosting needs scikit-learn, which is not installed; "
                'run: pip install "longplay[experiments]", or take the learner ridge()'
            ) from None

        kind = GradientBoostingClassifier if self.odds else GradientBoostingRegressor
        fitted = kind(
            n_estimators=self.trees,
            max_depth=self.depth,
            learning_rate=self.rate,
            subsample=self.share,
            min_samples_leaf=self.least,
            random_state=self.seed,
        ).fit(x, y)
        return exported(fitted, start_of(y, self.odds))


def start_of(y: Floats, odds: bool) -> float:
    """What boosting begins with: the mean, or its log-odds."""
    mean = float(y.mean())
    return float(np.log(mean / (1.0 - mean))) if odds else mean


def exported(fitted: Any, start: float) -> Trees:
    """A fitted GradientBoostingRegressor, or a classifier of two classes, as plain arrays."""
    trees = [stage[0].tree_ for stage in fitted.estimators_]
    sizes = np.array([tree.node_count for tree in trees])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    shift = np.repeat(roots, sizes)
    feature = np.concatenate([tree.feature for tree in trees])
    inner = feature >= 0

    def joined(name: str) -> Any:
        return np.concatenate([getattr(tree, name) for tree in trees])

    return Trees(
        start,
        roots,
        np.where(inner, feature, -1),
        np.where(inner, joined("threshold"), 0.0),
        np.where(inner, joined("children_left") + shift, 0),
        np.where(inner, joined("children_right") + shift, 0),
        np.where(inner, 0.0, fitted.learning_rate * joined("value")[:, 0, 0]),
        int(fitted.n_features_in_),
    )
