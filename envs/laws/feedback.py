"""Feedback: like, save, share, and the wish not to see it again.

    P(act) = sigmoid(bias_act + slope_act * delight),  delight = value + affinity/2 - satiation  (1)

Acts of delight follow an item played to its end; a hide follows a skip, and grows with the
gap between what attracted and what was found. Rates are of the order of short-video logs
(likes 2 % of impressions, shares 0.1 %, hides 0.07 %: KuaiRand, Gao et al., CIKM 2022 [L]);
slopes are free choices.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.laws.choice import sigmoid


class Feedback(NamedTuple):
    """Parameters of the four acts."""

    like: float = -3.0  # log-odds of a like at zero delight [1]; order of KuaiRand
    save: float = -4.0  # of a save [1]; free choice
    share: float = -6.5  # of a share [1]; order of KuaiRand
    hide: float = -5.5  # of a hide after a skip [1]; order of KuaiRand
    slope: float = 1.0  # of all of them, per unit of delight or let-down [1]; free choice


@law
def delight_of(affinity: float, value: float, satiation: float) -> float:
    """How glad the user is to have met the item [1]."""
    return value + 0.5 * affinity - satiation


@law
def p_like(delight: float, p: Feedback) -> float:
    """Probability of a like after a full play, equation (1)."""
    return sigmoid(p.like + p.slope * delight)


@law
def p_save(delight: float, p: Feedback) -> float:
    """Probability of a save after a full play, equation (1)."""
    return sigmoid(p.save + p.slope * delight)


@law
def p_share(delight: float, p: Feedback) -> float:
    """Probability of a share after a full play, equation (1)."""
    return sigmoid(p.share + p.slope * delight)


@law
def p_hide(delight: float, attraction: float, p: Feedback) -> float:
    """Probability of a hide after a skip: the let-down is attraction less delight."""
    return sigmoid(p.hide + p.slope * (attraction - delight))
