"""Satisfaction: a slow mood fed by value, not by engagement.

    experience = w_q value + w_f affinity - w_x satiation + link minutes    of what was played (1)
               = skipped[z], below 0 or about 0                             of what was skipped
               = passed[z]                                         of a title passed over
    v = sigmoid(mean experience + centre) + good [goal reached] - bad [patience gone]
        - ads a aversion,  cut to [0, 1]                                                     (2)
    S' = S + kappa (v - S)                                                  once a session   (3)

a ads per hour of the session. That an item has a value apart from its attraction, and that the
slow mood follows the value, is the idea of RecSim's long-term satisfaction world [L, its code];
the form here is our choice. `link` couples engagement to satisfaction; it is 0, and may be
negative: with a positive link retention would follow from the very clicks that are rewarded.
What is skipped or passed over disappoints who wants music now and costs nothing, or pleases, who
browses (Mehrotra et al., WWW 2019 [L, sign]). Magnitudes are free choices.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.laws.choice import sigmoid


class Satisfaction(NamedTuple):
    """Parameters; tuples are for listen-now, background, explore, look-up."""

    # weight of one session in the slow mood [1]; free choice
    kappa: float = 0.06
    # w_q, of an item's value [1]; free choice
    value: float = 1.0
    # w_f, of the affinity to an item [1]; free choice
    affinity: float = 0.6
    # w_x, of the boredom of its topic [1]; free choice
    satiation: float = 0.5
    # of engagement: of a minute played [1/min]; free choice, 0 is none
    link: float = 0.0
    # a skip as an experience, by intent [1]; sign Mehrotra et al. 2019 [L], size free choice
    skipped: tuple[float, ...] = (-0.8, -0.6, -0.1, -0.6)
    # a title passed over, by intent [1]; sign Mehrotra et al. 2019 [L], size free choice
    passed: tuple[float, ...] = (-0.3, 0.0, 0.15, -0.3)
    # weight of a title passed over beside one played [1]; free choice
    glance: float = 0.2
    # added to the mean experience before it is squeezed into [0, 1] [1]; free choice
    centre: float = 0.0
    # added for reaching the goal [1]; free choice
    good: float = 0.10
    # taken off for leaving with patience gone [1]; free choice
    bad: float = 0.25
    # taken off per ad and hour of the session, times aversion [h]; free choice
    ads: float = 0.004
    # weight of one experience in the moving average g [1]; free choice
    engaged: float = 0.2


@law
def experience_of(
    affinity: float, value: float, satiation: float, minutes: float, p: Satisfaction
) -> float:
    """Equation (1) for an item that was played."""
    return p.value * value + p.affinity * affinity - p.satiation * satiation + p.link * minutes


@law
def felt(
    mean_experience: float,
    good_exit: float,
    bad_exit: float,
    ads_per_hour: float,
    aversion: float,
    p: Satisfaction,
) -> float:
    """Equation (2): how the session felt [0, 1]."""
    v = (
        sigmoid(mean_experience + p.centre)
        + p.good * good_exit
        - p.bad * bad_exit
        - p.ads * ads_per_hour * aversion
    )
    return min(1.0, max(0.0, v))


@law
def next_satisfaction(satisfaction: float, felt: float, p: Satisfaction) -> float:
    """Equation (3)."""
    return satisfaction + p.kappa * (felt - satisfaction)
