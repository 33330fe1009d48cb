"""Choice: what is played of what was looked at.

    P(play) = sigmoid(bias[z] + utility)                                                     (1)
    utility = w_f affinity + w_a attraction + novelty (d_u + explore[z]) - w_x x_c           (2)

Logistic attractiveness inside a cascade (attention.py). Attraction is not value: an item may
draw the eye and disappoint. d_u the user's appetite for novelty, x_c the satiation of the item's
topic, which enters as in Leqi, Kilinc-Karzan, Lipton, Montgomery, NeurIPS 2021 [L for the model
class]. All coefficients are free choices.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.elementary import exp


class Choice(NamedTuple):
    """Parameters; tuples are for listen-now, background, explore, look-up."""

    # log-odds of a play at zero utility, by intent [1]; free choice
    bias: tuple[float, ...] = (0.8, 3.0, 0.0, -0.5)
    # w_f, pull of an item near the user's taste [1]; free choice
    affinity: float = 1.0
    # w_a, pull of what draws the eye [1]; free choice
    attraction: float = 0.5
    # w_x, push of a topic that bores [1]; free choice
    satiation: float = 0.6
    # added to the liking of novelty, by intent [1]; free choice
    explore: tuple[float, ...] = (-0.2, 0.0, 0.8, -0.5)


@law
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + exp(-x))


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
    """What draws the user to the item [log-odds], equation (2)."""
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
