"""From scores to actions for a whole cohort, with the probability of what was done.

Ties are broken at random, and the probabilities count them: before any data all scores are equal,
and a greedy choice is a uniform one.
"""

import math

import numpy as np
import numpy.typing as npt

from longplay.agents.policy import Act
from longplay.envs.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TAIL = 6.5  # standard normals beyond this are left out: 4e-11 a side


def greedy(score: Floats, rng: np.random.Generator) -> Act:
    """The best of each row (n, K), and 1 / (number of equally good ones)."""
    best = score == score.max(axis=1, keepdims=True)
    ties: Ints = np.sum(best, axis=1)
    action = score.argmax(axis=1)
    tied = ties > 1
    if tied.any():
        action[tied] = np.where(best[tied], rng.random((tied.sum(), score.shape[1])), -1.0).argmax(
            axis=1
        )
    return Act(action, 1.0 / ties)


def epsilon_greedy(score: Floats, epsilon: float, rng: np.random.Generator) -> Act:
    """Greedy, but with probability epsilon uniform; propensity of the arm that came out."""
    n, arms = score.shape
    action = greedy(score, rng).action
    stray = rng.random(n) < epsilon
    action = np.where(stray, rng.integers(0, arms, n), action)
    best = score == score.max(axis=1, keepdims=True)
    share = best[np.arange(n), action] / best.sum(axis=1)
    return Act(action, epsilon / arms + (1.0 - epsilon) * share)


def random_slate(n: int, candidates: int, k: int, rng: np.random.Generator) -> Ints:
    """(n, k) candidates drawn uniformly, in order, without replacement."""
    slate: Ints = rng.random((n, candidates)).argsort(axis=1)[:, :k]
    return slate


def p_random_slate(candidates: int, k: int) -> float:
    """(M - K)! / M!, the probability of any one ordered slate."""
    return 1.0 / math.perm(candidates, k)


def top_k(score: Floats, k: int, rng: np.random.Generator) -> Ints:
    """(n, k) the best candidates of each row, best first."""
    order: Ints = np.argsort(-score, axis=1)
    ranked = np.take_along_axis(score, order, axis=1)
    tied = np.asarray(ranked[:, 1:] == ranked[:, :-1]).any(axis=1)
    order[tied] = np.lexsort((rng.random(score[tied].shape), -score[tied]), axis=1)
    return order[:, :k]


def p_top_k(score: Floats, slate: Ints) -> Floats:
    """(n,) probability that `top_k` gives just this slate: 0 if not best, 1 without ties."""
    k = slate.shape[1]
    chosen = np.take_along_axis(score, slate, axis=1)
    best = -np.sort(-score, axis=1)[:, :k]
    open_to_it = (score[:, None, :] >= chosen[:, :, None]).sum(axis=2) - np.arange(k)
    share = np.where(chosen == best, 1.0 / np.maximum(open_to_it, 1), 0.0)
    return np.asarray(share.prod(axis=1), np.float64)


def epsilon_slate(score: Floats, k: int, epsilon: float, rng: np.random.Generator) -> Act:
    """The greedy slate, but with probability epsilon a uniform one; exact joint propensity."""
    n, candidates = score.shape
    slate = top_k(score, k, rng)
    stray = np.flatnonzero(rng.random(n) < epsilon)
    slate[stray] = random_slate(len(stray), candidates, k, rng)
    propensity = (1.0 - epsilon) * p_top_k(score, slate)
    return Act(slate, propensity + epsilon * p_random_slate(candidates, k))


def p_best(mean: Floats, sd: Floats, arm: Ints) -> Floats:
    """(n,) probability that independent normals N(mean, sd^2) (n, K) are greatest at `arm` (n,).

        P = integral phi(t) prod_{b != a} Phi((m_a + s_a t - m_b) / s_b) dt

    by the trapezoid rule. The integrand is analytic, and the spread of its spectrum is at most
    S = sqrt(1 + sum (s_a / s_b)^2) over the arms that matter, so a step of 1.1 / S leaves an error
    below 1e-7, whatever the ratios (a Gauss-Hermite rule of fixed size does not).
    """
    out = np.empty(len(mean))
    rivals = np.empty((2, mean.shape[1]))
    _p_best(
        np.ascontiguousarray(mean), np.ascontiguousarray(sd), np.asarray(arm, np.int64), rivals, out
    )
    return out


@compiled
def _p_best(mean: Floats, sd: Floats, arm: Ints, rival: Floats, out: Floats) -> None:
    n, arms = mean.shape
    for i in range(n):
        m, s = mean[i, arm[i]], sd[i, arm[i]]
        low = -TAIL
        for b in range(arms):
            if b != arm[i]:
                low = max(low, (mean[i, b] - m - TAIL * sd[i, b]) / s)
        rivals = 0
        spectrum = 1.0
        for b in range(arms):
            if b != arm[i] and m + s * low - mean[i, b] < TAIL * sd[i, b]:
                rival[0, rivals], rival[1, rivals] = mean[i, b], sd[i, b]
                spectrum += (s / sd[i, b]) ** 2
                rivals += 1
        if low >= TAIL:
            out[i] = 0.0
            continue
        points = math.ceil((TAIL - low) * math.sqrt(spectrum) / 1.1) + 1
        step = (TAIL - low) / points
        total = 0.0
        for j in range(points + 1):
            t = low + step * j
            density = math.exp(-0.5 * t * t)
            for r in range(rivals):
                gap = (m + s * t - rival[0, r]) / rival[1, r]
                density *= 0.5 * math.erfc(-gap * math.sqrt(0.5))
                if density < 1e-14:
                    break
            total += density if 0 < j < points else 0.5 * density
        out[i] = total * step / math.sqrt(2.0 * math.pi)
