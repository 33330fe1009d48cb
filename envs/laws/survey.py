"""Survey: a sparse and biased word from the user.

    asked at the end of a session with probability `rate`; answers with probability
    sigmoid(willing + eager * S); answer = clip(S + bias + noise * N(0, 1), 0, 1)                 (1)

A survey of intent to return is nearly orthogonal to likes and shares, yet improves the
prediction of retention (Meta 2025, arXiv 2510.07621 [S]). Numbers are free choices.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.laws.choice import sigmoid


class Survey(NamedTuple):
    """Parameters."""

    rate: float = 0.02  # probability of being asked after a session [1]; free choice
    willing: float = -1.0  # log-odds of answering at S = 0 [1]; free choice
    eager: float = 1.0  # the satisfied answer more often [1]; free choice
    bias: float = 0.05  # answers are kinder than feelings [1]; free choice
    noise: float = 0.15  # [1]; free choice


@law
def p_answer(satisfaction: float, p: Survey) -> float:
    """Probability of being asked and answering."""
    return p.rate * sigmoid(p.willing + p.eager * satisfaction)


@law
def answer(satisfaction: float, z: float, p: Survey) -> float:
    """The answer in (1), ``z`` standard normal."""
    return min(1.0, max(0.0, satisfaction + p.bias + p.noise * z))
