"""Intent: what a session is for.

    P(z) ~ share_z exp(lean [z = background]) (1 + daytime_z (1 - d(h, noon_z) / 6))         (1)
    G* ~ exponential of mean goal_z                                                          (2)

z is one of four intents and stays for the session; h hour of the day, d the distance of two hours
on the clock, 0 to 12, so that the swing goes from +1 to -1; G* what makes the session a good one.
Intent sets how a user looks, what counts as enough and what a pass-over means: "scrolling can
indicate negative experience when the goal is to quickly listen to music now, but positive when
the goal is to browse" (Mehrotra, Lalmas, Kenney, Lim-Meng, Hashemian, WWW 2019, doi
10.1145/3308558.3313613 [L]). The four intents are a minimal set of theirs (list [M]); the form of
(1) and (2) is our choice.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.elementary import exp


class Intent(NamedTuple):
    """Parameters; tuples are for listen-now, background, explore, look-up."""

    # relative frequency [1]; free choice
    share: tuple[float, ...] = (0.40, 0.30, 0.20, 0.10)
    # size of the daily swing [1]; free choice
    daytime: tuple[float, ...] = (0.1, 0.4, 0.2, 0.0)
    # hour at which the swing is highest [h]; free choice
    noon: tuple[float, ...] = (18.0, 14.0, 21.0, 12.0)
    # passed over in a row before patience ends [titles];
    # 10-20 titles, Gomez-Uribe & Hunt 2015 [S], split by intent a free choice
    titles: tuple[float, ...] = (12.0, 20.0, 30.0, 8.0)
    # mean of G*, in units of `goal_unit` of good play [1]; free choice
    goal: tuple[float, ...] = (10.0, 25.0, 10.0, 2.0)
    # well-liked play that adds 1 to the goal [min]; free choice
    goal_unit: float = 3.0


@law
def weight_intent(intent: int, lean: float, hour: float, p: Intent) -> float:
    """Equation (1), not normalised."""
    weight = p.share[intent]
    if intent == 1:
        weight *= exp(lean)
    apart = abs(hour - p.noon[intent])
    swing = 1.0 - min(apart, 24.0 - apart) / 6.0
    return weight * (1.0 + p.daytime[intent] * swing)


@law
def choose_intent(u: float, lean: float, hour: float, p: Intent) -> int:
    """The intent drawn by ``u``, uniform in (0, 1)."""
    w0 = weight_intent(0, lean, hour, p)
    w1 = weight_intent(1, lean, hour, p)
    w2 = weight_intent(2, lean, hour, p)
    w3 = weight_intent(3, lean, hour, p)
    at = u * (w0 + w1 + w2 + w3)
    if at < w0:
        return 0
    if at < w0 + w1:
        return 1
    if at < w0 + w1 + w2:
        return 2
    return 3


@law
def next_goal(u: float, intent: int, p: Intent) -> float:
    """Equation (2): G*, exponential, by inversion of ``u`` in (0, 1)."""
    return -p.goal[intent] * math.log(u)
