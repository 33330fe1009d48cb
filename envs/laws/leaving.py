"""Leaving: after each position the user may go; well, badly, or just so.

    h = sigmoid(bias[z] + a_F F - a_g g - stamina + a_A ad (1 + a_FA F) aversion + a_1 first)  (1)

F fatigue, g moving average of the experience, ad = 1 just after an ad, first = 1 at the first
play of a session. A session ends *well* when its goal is reached, *badly* when patience runs out
(too many titles passed over in a row), and otherwise by the hazard; the log shows only that it
ended. Good abandonment is a significant share of all (Li, Huffman, Tokuda, SIGIR 2009 [L]). Most
of the long-run cost of ads is in coming back less, not in shorter sessions (Huang, Reiley, Riabov
2018 [S]): a_A is small, and the rest is in returning.py. Coefficients are free choices.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.laws.choice import sigmoid


class Leaving(NamedTuple):
    """Parameters; tuples are for listen-now, background, explore, look-up."""

    # log-odds of leaving after a position, by intent [1]; free choice
    bias: tuple[float, ...] = (-3.0, -4.0, -3.2, -2.2)
    # a_F, log-odds per unit of fatigue [1]; free choice
    fatigue: float = 0.8
    # a_g, taken off the log-odds per unit of enjoyment [1]; free choice
    enjoyment: float = 0.5
    # a_A, log-odds after an ad, times the user's aversion [1]; free choice
    ad: float = 0.25
    # a_FA, how fatigue makes an ad worse [1]; free choice
    tired_ad: float = 1.0
    # a_1, log-odds at the first play of a session: a look and away [1]; free choice
    first: float = 0.8
    # probability of leaving when attention stops within a fetch [1]; free choice
    lapse: float = 0.3
    # nobody stays for longer than this [h]; free choice
    longest: float = 16.0


@law
def hazard_leaving(
    fatigue: float,
    enjoyment: float,
    stamina: float,
    ad: float,
    aversion: float,
    first: float,
    intent: int,
    p: Leaving,
) -> float:
    """Equation (1): probability of leaving after this position."""
    strain = p.ad * ad * (1.0 + p.tired_ad * fatigue) * aversion
    return sigmoid(
        p.bias[intent]
        + p.fatigue * fatigue
        - p.enjoyment * enjoyment
        - stamina
        + strain
        + p.first * first
    )
