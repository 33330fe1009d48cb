"""A net as plain arrays, and acting with it: NumPy and numba alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.agents.rl._rllib_env import flat_space
from longplay.envs.compiled import compiled

Rows = npt.NDArray[np.float32]
Layers = list[tuple[Rows, Rows]]  # weights (in, out) and biases (out,)


@dataclass(frozen=True)
class Shape:
    """What a net takes and gives: how many numbers it sees, and the kind of its actions."""

    inputs: int
    kind: str  # "one" of n choices, "several" choices at once, or "weights"
    sizes: tuple[int, ...]  # choices of each decision, or (weights,)

    @classmethod
    def of(cls, venv: Any) -> "Shape":
        """That of a vector environment."""
        seen, space = flat_space(venv.single_observation_space), venv.single_action_space
        if hasattr(space, "nvec"):
            return cls(seen.shape[0], "several", tuple(int(n) for n in space.nvec))
        if hasattr(space, "n"):
            return cls(seen.shape[0], "one", (int(space.n),))
        return cls(seen.shape[0], "weights", (int(space.shape[0]),))


@compiled
def dense(x: Any, weight: Any, bias: Any, out: Any) -> None:
    """out = x weight + bias, summed in the order of the inputs.

    A row comes out the same to the last bit whatever rows stand around it, which a library's
    matrix product does not promise.
    """
    for i in range(x.shape[0]):
        for k in range(weight.shape[1]):
            out[i, k] = bias[k]
        for j in range(weight.shape[0]):
            for k in range(weight.shape[1]):
                out[i, k] += x[i, j] * weight[j, k]


def forward(x: Rows, layers: Layers, bend: Callable[[Rows], Rows] = np.tanh) -> Rows:
    """What the last layer gives, (n, out), for rows (n, in); `bend` lies between layers."""
    x = np.ascontiguousarray(x, np.float32)
    for i, (weight, bias) in enumerate(layers):
        out = np.empty((len(x), len(bias)), np.float32)
        dense(x, weight, bias, out)
        x = bend(out) if i < len(layers) - 1 else out
    return x


def relu(x: Rows) -> Rows:
    """What lies above 0."""
    return np.maximum(x, np.float32(0.0))


def softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Chances of each row of scores (n, a)."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
