"""Models of numbers from numbers, as plain arrays: what a fitted objective predicts with.

    LinearModel   start + x . weights
    Trees         start + the sum of one leaf a tree (gradient boosting)

A *learner* makes one from rows: `learner(x, y) -> Model`. `ridge()` and `logistic()` are here;
gradient boosting, which needs scikit-learn, is `longplay.experiments.boosting.Boosting`. `crossfit`
says how much a learner explains of users it was not fitted to.

Every row is predicted by itself, in one order of sums: a batch equals its rows to the last bit.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NORMAL = 1.959964  # of a two-sided interval of 95 %


@dataclass(frozen=True, eq=False)
class LinearModel:
    """start + x . weights.

    Raises:
        ValueError: a number is nan or infinite.
    """

    start: float
    weights: Floats  # (f,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", float(self.start))
        object.__setattr__(self, "weights", np.array(self.weights, np.float64).reshape(-1))
        if not (math.isfinite(self.start) and np.isfinite(self.weights).all()):
            raise ValueError(
                "a linear model has a weight that is not finite; fit it to finite rows"
            )

    @property
    def features(self) -> int:
        """How many numbers a row has."""
        return len(self.weights)

    def predict(self, x: npt.ArrayLike) -> Floats:
        """Of rows x (..., f), (...)."""
        rows, shape = _rows(x, self.features)
        out = np.empty(len(rows))
        _lines(rows, self.weights, self.start, out)
        return out.reshape(shape)

    def to_dict(self) -> dict[str, Any]:
        """{"model": "linear", ...}."""
        return {"model": "linear", "start": self.start, "weights": self.weights.tolist()}


@dataclass(frozen=True, eq=False)
class Trees:
    """start + the sum of one leaf a tree.

    The nodes of all trees stand in one row of arrays. At an inner node a row goes left if its
    feature, rounded to single precision as scikit-learn does, is at most the threshold.

    Raises:
        ValueError: the arrays are no trees: a child that is none, or before its parent.
    """

    start: float
    roots: Ints  # (t,) node numbers
    feature: Ints  # (nodes,) -1 at a leaf
    threshold: Floats  # (nodes,)
    left: Ints  # (nodes,) node numbers; children come after their parent
    right: Ints  # (nodes,)
    value: Floats  # (nodes,) of a leaf, the learning rate included
    features: int  # how many numbers a row has

    def __post_init__(self) -> None:
        for name, kind in _TREE_ARRAYS.items():
            object.__setattr__(self, name, np.array(getattr(self, name), kind).reshape(-1))
        object.__setattr__(self, "start", float(self.start))
        inner, nodes = np.flatnonzero(self.feature >= 0), len(self.feature)
        same = all(len(getattr(self, name)) == nodes for name in _TREE_ARRAYS if name != "roots")
        if not same or not math.isfinite(self.start) or not np.isfinite(self.value).all():
            raise ValueError("trees need arrays of one length, with finite values")
        children = np.concatenate([self.left[inner], self.right[inner]])
        if (
            (self.feature >= self.features).any()
            or (children <= np.tile(inner, 2)).any()
            or (np.concatenate([children, self.roots]) >= nodes).any()
            or (self.roots < 0).any()
        ):
            raise ValueError("a tree has a child before its parent, or a node or feature too many")

    def predict(self, x: npt.ArrayLike) -> Floats:
        """Of rows x (..., f), (...)."""
        rows, shape = _rows(np.asarray(x, np.float32), self.features)
        out = np.empty(len(rows))
        _leaves(
            rows, self.roots, self.feature, self.threshold, self.left, self.right, self.value,
            self.start, out,
        )  # fmt: skip
        return out.reshape(shape)

    def to_dict(self) -> dict[str, Any]:
        """{"model": "trees", ...}."""
        arrays = {name: getattr(self, name).tolist() for name in _TREE_ARRAYS}
        return {"model": "trees", "start": self.start, "features": self.features, **arrays}


_TREE_ARRAYS: dict[str, Any] = {
    "roots": np.int64,
    "feature": np.int64,
    "threshold": np.float64,
    "left": np.int64,
    "right": np.int64,
    "value": np.float64,
}
Model = LinearModel | Trees


def spread_out(model: Model, columns: Ints, features: int) -> Model:
    """The model of `columns` of a row, as one of the whole row of so many features."""
    if isinstance(model, LinearModel):
        weights = np.zeros(features)
        np.add.at(weights, columns, model.weights)
        return LinearModel(model.start, weights)
    feature = np.where(model.feature >= 0, columns[model.feature], -1)
    return replace(model, feature=feature, features=features)


Learner = Callable[[Floats, Floats], Model]  # x (n, f), y (n,)


def read_model(data: Mapping[str, Any]) -> Model:
    """The model that `to_dict` wrote; ValueError if it is none."""
    kinds: dict[Any, type[Model]] = {"linear": LinearModel, "trees": Trees}
    if data.get("model") not in kinds:
        raise ValueError(f"model {data.get('model')!r} is unknown; there are {', '.join(kinds)}")
    return kinds[data["model"]](**{key: value for key, value in data.items() if key != "model"})


@compiled
def _lines(rows: Any, weights: Any, start: float, out: Any) -> None:
    for i in range(len(rows)):
        total = start
        for j in range(len(weights)):
            total += weights[j] * rows[i, j]
        out[i] = total


@compiled
def _leaves(
    rows: Any,
    roots: Any,
    feature: Any,
    threshold: Any,
    left: Any,
    right: Any,
    value: Any,
    start: float,
    out: Any,
) -> None:
    for i in range(len(rows)):
        total = start
        for root in roots:
            node = root
            while feature[node] >= 0:
                node = left[node] if rows[i, feature[node]] <= threshold[node] else right[node]
            total += value[node]
        out[i] = total


def _rows(x: npt.ArrayLike, features: int) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """x (..., f) as (n, f), and the shape (...)."""
    array = np.asarray(x)
    if array.ndim < 1 or array.shape[-1] != features:
        raise ValueError(
            f"rows of shape {array.shape}; the model was fitted to {features} features"
        )
    kind = array.dtype if array.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    return np.ascontiguousarray(array.reshape(-1, features), kind), array.shape[:-1]


# Learners.


def ridge(penalty: float = 1.0) -> Learner:
    """Linear least squares with `penalty` times the sum of squared weights of standardised x.

    minimises sum (y - b - z . w)^2 + penalty |w|^2,  z = (x - mean) / sd. A column that does not
    vary gets weight 0.

    Raises:
        ValueError: the penalty is below 0, or not finite.
    """
    _check_penalty(penalty)

    def learn(x: Floats, y: Floats) -> LinearModel:
        centre, spread = _scales(x)
        z = (x - centre) / spread
        square = z.T @ z + np.diag(np.where(x.std(axis=0) > 0, penalty, 1.0))
        return _unscaled(np.linalg.lstsq(square, z.T @ (y - y.mean()))[0], y.mean(), centre, spread)

    return learn


def logistic(penalty: float = 1.0) -> Learner:
    """Log-odds of y in {0, 1}: logistic regression by Newton's method.

    `penalty` / 2 times the sum of squared weights of standardised features is taken off the log
    likelihood, so that classes that can be told apart without error have an answer, too.

    Raises:
        ValueError: the penalty is below 0, or not finite.
    """
    _check_penalty(penalty)

    def learn(x: Floats, y: Floats) -> LinearModel:
        centre, spread = _scales(x)
        rows = np.column_stack([np.ones(len(x)), (x - centre) / spread])
        held = np.full(rows.shape[1], penalty)
        held[0] = 0.0
        weights = np.zeros(rows.shape[1])
        for _ in range(50):
            p = chance(rows @ weights)
            slope = rows.T @ (y - p) - held * weights
            curvature = (rows * (p * (1.0 - p))[:, None]).T @ rows + np.diag(held + 1e-9)
            step = np.linalg.solve(curvature, slope)
            weights += step
            if np.abs(step).max() < 1e-10:
                break
        return _unscaled(weights[1:], weights[0], centre, spread)

    return learn


def chance(log_odds: npt.ArrayLike) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0))), np.float64)


def _check_penalty(penalty: float) -> None:
    if not (isinstance(penalty, (int, float)) and 0.0 <= penalty < math.inf):
        raise ValueError(f"penalty={penalty!r}; wanted a finite number of at least 0, e.g. 1.0")


def _scales(x: Floats) -> tuple[Floats, Floats]:
    spread = x.std(axis=0)
    return x.mean(axis=0), np.where(spread > 0, spread, 1.0)


def _unscaled(weights: Floats, start: Any, centre: Floats, spread: Floats) -> LinearModel:
    """The model of z = (x - centre) / spread, as one of x."""
    return LinearModel(float(start - (weights / spread) @ centre), weights / spread)


# How much a learner explains.


@dataclass(frozen=True, eq=False)
class Crossfit:
    """What each row was predicted to be by a model that never saw its user, and how well."""

    model: Model  # of all rows
    predicted: Floats  # (n,) out of fold
    actual: Floats  # (n,)
    r2: float  # 1 - sum (y - predicted)^2 / sum (y - mean of the other folds)^2
    low: float  # of its interval of 95 %, over users
    high: float
    users: int

    def deciles(self, bins: int = 10) -> Floats:
        """Calibration: rows in `bins` equal parts by prediction, (bins, 3).

        Columns: mean predicted, mean actual, and the standard error of the latter (as if rows
        were independent).
        """
        parts = np.array_split(np.argsort(self.predicted, kind="stable"), bins)
        return np.array(
            [
                [
                    self.predicted[part].mean(),
                    self.actual[part].mean(),
                    self.actual[part].std(ddof=1) / math.sqrt(len(part)),
                ]
                for part in parts
                if len(part) > 1
            ]
        )


def crossfit(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    users: npt.NDArray[Any],
    learner: Learner,
    *,
    folds: int = 5,
    seed: int = 0,
    odds: bool = False,
    what: str = "this model",
) -> Crossfit:
    """Fit by folds of users, each row predicted by the model of the other folds.

    The interval of R2 is that of a ratio of sums over users (delta method): rows of one user are
    one observation. It holds for the folds at hand.

    Args:
        x: (n, f), finite.
        y: (n,), finite; in {0, 1} with `odds`.
        users: (n,) whose rows.
        learner: makes a model of rows.
        folds: at least 2.
        seed: who is in which fold.
        odds: the learner gives log-odds of y in {0, 1}.
        what: names it in messages.

    Raises:
        ValueError: too few users, a number that is not finite, y that never varies, or a model
            that explains nothing: the interval of R2 reaches down to 0.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    names, who = np.unique(users, return_inverse=True)
    if folds < 2 or len(names) < 2 * folds:
        raise ValueError(
            f"{what}: {len(names)} users came for {folds} folds; give a log of at least "
            f"{2 * max(folds, 2)} users and at least 2 folds"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"{what} met numbers that are not finite; fit it to finite signals")
    if np.ptp(y) == 0.0:
        raise ValueError(
            f"{what}: the outcome is {y[0]:g} in every row, so there is nothing to explain; "
            "choose an outcome that varies"
        )
    fold = (np.random.default_rng(seed).permutation(len(names)) % folds)[who]
    predicted, usual = np.empty(len(y)), np.empty(len(y))
    for k in range(folds):
        out, rest = fold == k, fold != k
        guess = learner(x[rest], y[rest]).predict(x[out])
        predicted[out] = chance(guess) if odds else guess
        usual[out] = y[rest].mean()
    n = len(names)
    r2, reach = explained(who, y - usual, y - predicted)
    if not r2 - reach > 0.0:
        raise ValueError(
            f"{what} explains nothing: out-of-fold R2 is {r2:.3f} "
            f"[{r2 - reach:.3f}, {r2 + reach:.3f}] over {n} users; give other signals, a longer "
            "look or more users"
        )
    model = learner(x, y)
    return Crossfit(model, predicted, y, r2, r2 - reach, r2 + reach, n)


def explained(who: npt.NDArray[Any], missed: Floats, left: Floats) -> tuple[float, float]:
    """R2 of rows, and half its 95 % interval over the users `who` (n,), numbered from 0.

    `missed` are the errors of the mean and `left` those of the model, (n,) each.
    """
    base = np.bincount(who, missed**2)
    gain = base - np.bincount(who, left**2)
    r2 = gain.sum() / base.sum()
    off = gain - r2 * base
    reach = NORMAL * math.sqrt(len(base) / (len(base) - 1) * float(off @ off)) / base.sum()
    return float(r2), float(reach)
