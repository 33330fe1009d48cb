"""Attention: who looks at which position (cascade).

    P(look at 1) = 1;  P(look at i+1 | looked at i) = on_passed[z]  if i was passed over     (1)
                                                    = on_played[z]  if i was played

Cascade: best of four hypotheses for position bias at early ranks, Craswell, Zoeter, Taylor,
Ramsey, WSDM 2008 [L]. No value of the continuation is published for feeds: chosen so that a
chooser sees 10-20 titles before giving up (Gomez-Uribe & Hunt 2015 [S]). A user who stops
looking asks for another fetch or leaves: see leaving.py. After a play some fall silent for a
while, the session still open.
"""

import math
from typing import NamedTuple

from longplay.envs.compiled import law


class Attention(NamedTuple):
    """Parameters; tuples are for listen-now, background, explore, look-up."""

    # lambda_e, probability of looking on from what was passed over [1];
    # fitted to 10-20 titles seen, Gomez-Uribe & Hunt 2015 [S]
    on_passed: tuple[float, ...] = (0.94, 0.97, 0.96, 0.92)
    # lambda_c, probability of looking on from what was played [1]; free choice
    on_played: tuple[float, ...] = (0.97, 0.995, 0.96, 0.90)
    # time to look at a title [s]; 60-90 s for 10-20 titles, Gomez-Uribe & Hunt 2015 [S]
    look: float = 4.5
    # probability of a silence after a play [1]; fitted by scenario
    pause_chance: float = 0.0
    # mean of the silence, exponential [min]; fitted by scenario
    pause_minutes: float = 10.0
    # longest silence: a longer one would end the session [min]; 30-minute rule of the data
    pause_longest: float = 29.0


@law
def p_look_on(played: float, intent: int, p: Attention) -> float:
    """Equation (1): probability of looking at the next position."""
    return p.on_played[intent] if played > 0.0 else p.on_passed[intent]


@law
def minutes_paused(u: float, p: Attention) -> float:
    """Silence after a play [min], most often none, drawn by ``u`` in (0, 1)."""
    if u >= p.pause_chance:
        return 0.0
    return min(p.pause_longest, -p.pause_minutes * math.log(u / p.pause_chance))
