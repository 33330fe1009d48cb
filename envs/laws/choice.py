"""Choice: what is played of what was looked at.

    P(play) = sigmoid(bias[z] + affinity w_f + attraction w_a + novelty (d_u + explore[z]) - w_x x_c)  (1)

Logistic attractiveness inside a cascade (science of M1); attraction is not value: an item may
draw the eye and disappoint. Satiation x_c enters as in Leqi, Kilinc-Karzan, Lipton, Montgomery,
NeurIPS 2021 [L for the model class]. All coefficients are free choices or fitted by the scenario.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law


class Choice(NamedTuple):
    """Parameters; tuples are for listen-now, background, explore, look-up."""

    bias: tuple[float, ...] = (0.8, 3.0, 0.0, -0.5)  # log-odds at zero utility [1]; free choice
    affinity: float = 1.0  # w_f [1]; free choice
    attraction: float = 0.5  # w_a [1]; free choice
    satiation: float = 0.6  # w_x [1]; free choice
    explore: tuple[float, ...] = (-0.2, 0.0, 0.8, -0.5)  # liking of novelty by intent [1]; free choice


@law
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + math.exp(-x))


@law
def utility(
    affinity: float,
    attraction: float,
    novelty: float,
    satiation: float,
    appetite: float,
    intent: int,
    p: Choice,
) -> float:
    """What draws the user to the item [log-odds]: the sum in (1) without the bias."""
    return (
        p.affinity * affinity
        + p.attraction * attraction
        + novelty * (appetite + p.explore[intent])
        - p.satiation * satiation
    )


@law
def p_play(utility: float, intent: int, p: Choice) -> float:
    """Equation (1)."""
    return sigmoid(p.bias[intent] + utility)
