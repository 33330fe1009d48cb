"""Satiation: each topic bores with exposure and rebounds with rest.

    x' = x 2^(-dt / half_life) + gain e                                                      (1)

x satiation of a topic [1], e exposures to it. The rebounding linear dynamics of Leqi,
Kilinc-Karzan, Lipton, Montgomery, NeurIPS 2021 [L for the class, M for symbols],
x' = gamma (x + e), in real time: gamma = 2^(-dt / half_life). Under one exposure every dt the
state just after it tends to gain / (1 - gamma). The half-life of a topic is not published; 15
days is known for notification copy (Yancey & Settles, KDD 2020 [S]).
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.elementary import exp


class Satiation(NamedTuple):
    """Parameters."""

    # half-life of the boredom of a topic [h]; free choice
    half_life: float = 6.0
    # added by one play of the topic [1]; free choice
    gain: float = 0.06


@law
def faded(level: float, gap: float, half_life: float) -> float:
    """``level`` after ``gap`` of rest, halving every ``half_life`` (same unit)."""
    return level * exp(-0.6931471805599453 * gap / half_life)


@law
def next_satiation(satiation: float, exposure: float, p: Satiation) -> float:
    """Equation (1) without the rest between sessions, which is `faded`."""
    return satiation + p.gain * exposure


@law
def remaining(gap: float, p: Satiation) -> float:
    """Share of a satiation that is left after ``gap`` hours of rest."""
    return faded(1.0, gap, p.half_life)
