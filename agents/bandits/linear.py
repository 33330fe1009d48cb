"""Ridge regressions for bandits: K of them at once, learnt from whole cohorts.

    A_k = lam I + sum z z'     b_k = sum z (r - mean r)     over the rows given to model k    (1)
    theta_k = A_k^-1 b_k       mean_k(z) = mean r + z' theta_k                                 (2)
    width_k(z) = sd(r) sqrt(z' A_k^-1 z)                                                       (3)

(1) and (2) are disjoint linear ridge regression as in LinUCB (Li, Chu, Langford and Schapire 2010,
algorithm 1), with sums over a batch where the paper has one row.

Departures, all switched off by raw=True (then z = x, mean r = 0, sd(r) = 1, exactly the paper):
z = [1, (x - mean x) / sd x], so that one `lam` suits every feature; an intercept; rewards centred,
so that an arm with little data is thought to be average and not worthless; widths in units of the
reward's spread. Means and spreads are those of all rows learnt from, and move as rows come. That
makes nothing inconsistent: what is kept are raw moments, and every refit applies the present
standardisation to the whole past, exactly, by a linear map of the moments.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Ridge:
    """K ridge regressions on d features, from moments that batches add to.

    forget: weight of everything known at each new batch; 1 forgets nothing.
    refit_after: the fit is renewed when rows learnt from since the last one exceed this share of
    all rows; 0 renews at every batch.
    """

    def __init__(
        self,
        models: int,
        features: int,
        *,
        lam: float = 1.0,
        forget: float = 1.0,
        refit_after: float = 0.01,
        raw: bool = False,
    ) -> None:
        if lam <= 0.0:
            raise ValueError(f"lam={lam}; a ridge needs lam > 0, for instance 1.0")
        if not 0.0 < forget <= 1.0:
            raise ValueError(f"forget={forget}; wanted a weight in (0, 1]; 1 forgets nothing")
        self.models, self.features = models, features
        self.lam, self.forget, self.refit_after, self.raw = lam, forget, refit_after, raw
        size = features + 1
        self.origin = np.zeros(features)  # what is subtracted from x before moments are taken
        self.moments = np.zeros((models, size, size))  # sum [1, x] [1, x]'
        self.cross = np.zeros((models, size))  # sum r [1, x]
        self.squares = 0.0  # sum r^2
        self._new_rows = np.inf
        self._theta = np.zeros((models, size))
        self._root = np.zeros((models, size, size))  # W, with A^-1 = W' W
        self._map = np.eye(size)  # z = map [1, x - origin]
        self._reward = (0.0, 1.0)  # mean, sd

    @property
    def counts(self) -> Floats:
        """(K,) rows learnt from, discounted if `forget` < 1."""
        return self.moments[:, 0, 0]

    def update(self, x: Floats, model: npt.NDArray[np.int64], reward: Floats) -> None:
        """Learn rows x (n, d), each with the model (n,) it belongs to and its reward (n,)."""
        if len(x) == 0:
            return
        if not self.raw and not self.moments.any():
            self.origin = x.mean(axis=0)
        if self.forget < 1.0:
            self.moments *= self.forget
            self.cross *= self.forget
            self.squares *= self.forget
        rows = np.concatenate([np.ones((len(x), 1)), x - self.origin], axis=1)
        for k in np.unique(model):
            mine = model == k
            block = rows[mine]
            self.moments[k] += block.T @ block
            self.cross[k] += reward[mine] @ block
        self.squares += float(reward @ reward)
        self._new_rows += len(x)

    def standardise(self, x: Floats) -> Floats:
        """The rows z (..., d + 1) of x (..., d), as at the last fit; in raw, [0, x]."""
        self._fit()
        slope = self._map[1:, 1:].diagonal()
        lead = np.full((*x.shape[:-1], 1), 0.0 if self.raw else 1.0)
        return np.concatenate([lead, (x - self.origin) * slope + self._map[1:, 0]], axis=-1)

    def means(self, z: Floats) -> Floats:
        """(n, K) expected rewards of rows z (n, d + 1)."""
        self._fit()
        means: Floats = self._reward[0] + z @ self._theta.T
        return means

    def widths(self, z: Floats) -> Floats:
        """(n, K) equation (3) for rows z (n, d + 1)."""
        self._fit()
        turned = self._root @ z.T  # (K, d + 1, n)
        widths: Floats = self._reward[1] * np.sqrt(np.einsum("kdn,kdn->nk", turned, turned))
        return widths

    def sample(self, n: int, rng: np.random.Generator, scale: float) -> Floats:
        """(n, K, d + 1) draws of theta from N(theta_k, (scale sd(r))^2 A_k^-1).

        z' theta is a reward less the mean reward, which all models share.
        """
        self._fit()
        noise = rng.standard_normal((n, self.models, self.features + 1))
        spread: Floats = np.einsum("nkd,kde->nke", noise, self._root)
        return np.asarray(self._theta + scale * self._reward[1] * spread)

    def settle(self) -> None:
        """Renew the fit with every row that has come."""
        self._new_rows = np.inf
        self._fit()

    def _fit(self) -> None:
        """Renew the fit if enough rows have come."""
        rows = float(self.counts.sum())
        if self._new_rows <= self.refit_after * rows:
            return
        self._new_rows = 0.0
        mean, spread = 0.0, 1.0
        if not self.raw and rows > 0.0:
            mean, spread = self._standardisation(rows)
        self._reward = (mean, spread)
        a = self._map @ self.moments @ self._map.T
        b = (self.cross - mean * self.moments[:, 0]) @ self._map.T
        if self.raw:  # no intercept: its row is cut off from the rest
            a[:, 0, :] = a[:, :, 0] = b[:, 0] = 0.0
        a += self.lam * np.eye(self.features + 1)
        self._root = np.linalg.inv(np.linalg.cholesky((a + a.swapaxes(1, 2)) / 2.0))
        self._theta = np.einsum("kde,kd->ke", self._root, np.einsum("kde,ke->kd", self._root, b))

    def _standardisation(self, rows: float) -> tuple[float, float]:
        """Set the map to z from the moments of all rows; return mean and sd of the reward."""
        total = self.moments.sum(axis=0)
        centre = total[0, 1:] / rows
        variance = total.diagonal()[1:] / rows - centre**2
        still = variance <= 1e-9 * (1.0 + centre**2)  # a feature that has not varied
        slope = 1.0 / np.sqrt(np.where(still, 1.0, variance))
        self._map = np.eye(self.features + 1)
        self._map[1:, 1:] = np.diag(slope)
        self._map[1:, 0] = -centre * slope
        mean = float(self.cross[:, 0].sum()) / rows
        spread = self.squares / rows - mean**2
        return mean, float(np.sqrt(spread)) if spread > 1e-12 * (1.0 + mean**2) else 1.0

    def arrays(self) -> dict[str, npt.NDArray[np.float64]]:
        """What was learnt. Renews the fit, so that a policy saved and one loaded agree."""
        self.settle()
        return {
            "origin": self.origin,
            "moments": self.moments,
            "cross": self.cross,
            "squares": np.array(self.squares),
        }

    def set_arrays(self, arrays: Mapping[str, npt.NDArray[np.float64]]) -> None:
        """Take back what `arrays` gave; ValueError if it is of another size."""
        if arrays["moments"].shape != self.moments.shape:
            raise ValueError(
                f"moments of shape {arrays['moments'].shape} for {self.models} models of "
                f"{self.features} features; wanted {self.moments.shape}"
            )
        self.origin, self.moments = arrays["origin"].copy(), arrays["moments"].copy()
        self.cross, self.squares = arrays["cross"].copy(), float(arrays["squares"])
        self._new_rows = np.inf
