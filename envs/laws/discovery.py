"""Discovery: the liking of new things, which good surprises feed and familiar weeks starve.

    joy = weight d n                                     added to the experience of a play   (1)
    d' = d + grow n e (most - d)   if e > 0              after a play to satisfaction        (2)
       = d + grow n e (d - least)  if e < 0
    d' = d_u + (d - d_u) 2^(-t / half_life)              between sessions                    (3)

d appetite for novelty, d_u the person's own, n novelty of what was played (0 if it is known), e
its experience cut to [-1, 1], t days. Heterogeneous appetite for novelty and its slow drift are
reported for listeners (Anderson et al., WWW 2020; drift of genre mix over 17 quarters [L]); that
a platform can grow it is the view of practitioners, and the form here is our choice.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.laws.satiation import faded


class Discovery(NamedTuple):
    """Parameters."""

    # weight of appetite times novelty in the experience [1]; free choice, 0 is none
    joy: float = 0.0
    # how fast one good surprise moves the appetite [1]; free choice, 0 is none
    grow: float = 0.0
    # half-life of what was gained or lost [day]; free choice
    half_life: float = 60.0
    # largest appetite that can be grown [1]; free choice
    most: float = 2.0
    # smallest appetite that can be left [1]; free choice
    least: float = -1.0


@law
def joy_of(appetite: float, novelty: float, p: Discovery) -> float:
    """Equation (1)."""
    return p.joy * appetite * novelty


@law
def next_appetite(appetite: float, novelty: float, experience: float, p: Discovery) -> float:
    """Equation (2); an appetite beyond its bounds is moved no further out."""
    e = min(1.0, max(-1.0, experience))
    room = max(0.0, p.most - appetite) if e > 0.0 else max(0.0, appetite - p.least)
    return appetite + min(1.0, p.grow * novelty) * e * room


@law
def settled(appetite: float, own: float, hours: float, p: Discovery) -> float:
    """Equation (3), after ``hours`` away."""
    return own + faded(appetite - own, hours, 24.0 * p.half_life)
