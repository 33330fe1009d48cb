"""Reading minds: numbers that describe a user whole, and regressions on them. Privileged only.

`describe` turns USER records, hidden fields included, into a table; `Surface` learns one number
per action from such a table. Both serve the privileged references, which know what no platform
knows; no contender may import this module.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.state import INTENTS, USER

Floats = npt.NDArray[np.float64]

SEEDED = 20  # of the random units: a Surface saved and one loaded must agree
CLIP = 4.0  # standard deviations; nothing is extrapolated beyond
SHRINKS = 10.0 ** np.arange(-6.0, 2.0)  # ridges tried, per row
FUTURE_RIDGE = 1e-4


def describe(users: npt.NDArray[np.void]) -> Floats:
    """(n, d) what a user is and feels, and where in a session, for USER rows (n,)."""
    return np.column_stack([np.asarray(column, np.float64) for column in _columns(users).values()])


def _columns(users: npt.NDArray[np.void]) -> dict[str, npt.NDArray[Any]]:
    hour = 2.0 * np.pi * (users["clock"] + users["phase"]) / 24.0
    spent = np.maximum(users["clock"] - users["session_start"], 0.0)
    aversion = users["ad_aversion"]
    return {
        **{name: users["intent"] == z for z, name in enumerate(INTENTS)},
        "fatigue": users["fatigue"],
        "fatigue x aversion": users["fatigue"] * aversion,
        "enjoyment": users["enjoyment"],
        "goal left": np.log1p(np.maximum(users["goal_wanted"] - users["goal"], 0.0)),
        "patience": np.log1p(np.maximum(users["patience"], 0.0)),
        "boredom": users["satiation"].mean(axis=1),
        "satisfaction": users["satisfaction"],
        "habit": users["habit"],
        "memory": np.log1p(users["ad_memory"]),
        "memory x aversion": users["ad_memory"] * aversion,
        "blindness": users["blindness"],
        "bad exit": users["bad_exit"],
        "stamina": users["stamina"],
        "tempo": users["tempo"],
        "aversion": np.log(np.maximum(aversion, 1e-3)),
        "churn": users["churn_propensity"],
        "habit rate": users["habit_rate"],
        "skippiness": users["skippiness"],
        "lean": users["lean"],
        "fetch": np.log1p(users["fetch"]),
        "ads": np.log1p(users["session_ads"]),
        "hours": np.log1p(spent),
        "ads per hour": users["session_ads"] / np.maximum(spent, 0.1),
        "first": users["session_plays"] == 0.0,
        "away": np.log1p(users["away"]),
        "visits": users["visit_rate"],
        "hour sin": np.sin(hour),
        "hour cos": np.cos(hour),
    }


COLUMNS = tuple(_columns(np.zeros(1, USER)))


class Surface:
    """A regression of `outputs` numbers on a table: linear, plus random rectified units.

        y(x) = [1, z, max(0, z W + c)] B,   z = clipped, standardised x                      (1)

    W and c are drawn once; B is a ridge, with the ridge chosen by leave-one-out error over rows.
    Random features: Rahimi and Recht 2008, weighted sums of random nonlinearities.
    """

    def __init__(self, features: int, outputs: int, units: int = 200) -> None:
        self.features, self.outputs, self.units = features, outputs, units
        rng = np.random.default_rng(SEEDED)
        self._w = rng.normal(size=(features, units)) / np.sqrt(features)
        self._c = rng.normal(size=units)
        self.centre = np.zeros(features)
        self.spread = np.ones(features)
        self.b: Floats = np.zeros((1 + features + units, outputs))

    def basis(self, x: Floats) -> Floats:
        """(n, 1 + d + units) the bracket in (1)."""
        z = np.clip((x - self.centre) / self.spread, -CLIP, CLIP)
        return np.concatenate(
            [np.ones((len(z), 1)), z, np.maximum(0.0, z @ self._w + self._c)], axis=1
        )

    def standardise(self, x: Floats) -> None:
        """Take centre and spread from the rows x (n, d)."""
        self.centre = x.mean(axis=0)
        spread = x.std(axis=0)
        self.spread = np.where(spread > 1e-9, spread, 1.0)

    def fit(self, x: Floats, y: Floats, rank: int | None = None) -> float:
        """Fit rows x (n, d) to y (n, outputs).

        rank: of the fit over outputs: how many profiles over the outputs the rows may mix, so
        that outputs that move together share their data; None for as many as outputs.

        Returns:
            share of variance explained out of sample (leave one out, before the rank is cut).
        """
        self.standardise(x)
        phi = self.basis(x)
        mean = y.mean(axis=0)
        values, vectors = np.linalg.eigh(phi.T @ phi / len(x))
        turned = phi @ vectors  # (n, p)
        right = turned.T @ (y - mean) / len(x)
        best = (np.inf, 0.0)
        for shrink in SHRINKS:
            scale = 1.0 / (np.maximum(values, 0.0) + shrink)
            leverage = (turned**2 @ scale) / len(x)
            left = (y - mean - turned @ (scale[:, None] * right)) / (1.0 - leverage)[:, None]
            best = min(best, (float(np.mean(left**2)), shrink))
        scale = 1.0 / (np.maximum(values, 0.0) + best[1])
        self.b = vectors @ (scale[:, None] * right)
        if rank is not None:
            fitted = phi @ self.b
            profiles = np.linalg.svd(fitted - fitted.mean(axis=0), full_matrices=False)[2][:rank]
            level = fitted.mean(axis=0)
            self.b = self.b @ profiles.T @ profiles
            self.b[0] += level - level @ profiles.T @ profiles
        self.b[0] += mean
        return 1.0 - best[0] / float(np.mean((y - mean) ** 2) + 1e-300)

    def fit_future(self, x: Floats, gain: Floats, weight: Floats, then: Floats) -> None:
        """Fit the one output to a future that repeats: y(x) = gain + weight y(then), on average.

        Least-squares temporal differences (Bradtke and Barto 1996): x, then (n, d) are users now
        and some days on, gain (n,) what they brought meanwhile, weight (n,) its discount, 0 for
        the churned.
        """
        self.standardise(x)
        phi = self.basis(x)
        change = phi - weight[:, None] * self.basis(then)
        size = phi.shape[1]
        a = phi.T @ change / len(x) + FUTURE_RIDGE * np.eye(size)
        self.b = np.asarray(np.linalg.solve(a, phi.T @ gain / len(x)))[:, None]

    def __call__(self, x: Floats) -> Floats:
        """(n, outputs) of rows x (n, d)."""
        out: Floats = self.basis(x) @ self.b
        return out

    def arrays(self, prefix: str) -> dict[str, Floats]:
        """What was learnt, each name after `prefix`."""
        return {prefix + name: getattr(self, name) for name in ("centre", "spread", "b")}

    def set_arrays(self, arrays: Mapping[str, Floats], prefix: str) -> None:
        """Take back what `arrays` gave."""
        if arrays[prefix + "b"].shape != self.b.shape:
            raise ValueError(
                f"{prefix}b has shape {arrays[prefix + 'b'].shape}, wanted {self.b.shape}: saved "
                "by another version; train it anew"
            )
        for name in ("centre", "spread", "b"):
            setattr(self, name, np.asarray(arrays[prefix + name], np.float64))
