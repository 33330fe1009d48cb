"""Survey: a sparse and biased word from the user.

    P(asked and answering) = rate sigmoid(willing + eager S)         after a session         (1)
    answer = S + bias + noise N(0, 1), cut to [0, 1]                                         (2)

A survey of intent to return is nearly orthogonal to likes and shares, yet improves the
prediction of retention (Meta 2025, arXiv 2510.07621 [S]). Numbers are free choices.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.laws.choice import sigmoid


class Survey(NamedTuple):
    """Parameters."""

    # probability of being asked after a session [1]; free choice
    rate: float = 0.02
    # log-odds of answering at S = 0 [1]; free choice
    willing: float = -1.0
    # log-odds of answering per unit of S: the satisfied answer more [1]; free choice
    eager: float = 1.0
    # how much kinder answers are than feelings [1]; free choice
    bias: float = 0.05
    # standard deviation of an answer [1]; free choice
    noise: float = 0.15


@law
def p_answer(satisfaction: float, p: Survey) -> float:
    """Equation (1): probability of being asked and answering."""
    return p.rate * sigmoid(p.willing + p.eager * satisfaction)


@law
def answer(satisfaction: float, z: float, p: Survey) -> float:
    """Equation (2), ``z`` standard normal."""
    return min(1.0, max(0.0, satisfaction + p.bias + p.noise * z))
