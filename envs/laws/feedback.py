"""Feedback: like, save, share, and the wish not to see it again.

    P(act) = sigmoid(bias_act + slope delight),  delight = value + affinity/2 - satiation    (1)
    P(hide) = sigmoid(bias_hide + slope (attraction - delight))                              (2)

Acts of delight follow an item played to its end, a share only a save; a hide follows a skip, and
grows with the gap between what attracted and what was found. Watching is not liking: in short
video 55 % of what is liked was not watched to its end, and 68 % of what is hated was watched for
more than a moment (KuaiRand-27K, liked and hated impressions of selected users [L]). So a share
`early` of the chance of a like is left where the end was not reached, and `late` of that of a
hide where it was no skip. Rates are of the order of short-video logs (likes 2 % of impressions,
shares 0.1 %, hides 0.07 %: KuaiRand, Gao et al., CIKM 2022 [L]); the slope is a free choice.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.laws.choice import sigmoid


class Feedback(NamedTuple):
    """Parameters of the four acts."""

    # log-odds of a like at zero delight [1]; order of KuaiRand 2022 [L]
    like: float = -3.0
    # log-odds of a save at zero delight [1]; free choice
    save: float = -4.0
    # log-odds of a share at zero delight [1]; order of KuaiRand 2022 [L]
    share: float = -6.5
    # log-odds of a hide after a skip at zero let-down [1]; order of KuaiRand 2022 [L]
    hide: float = -5.5
    # share of a like's chance left before the item's end [1]; fitted by scenario, 0 is none
    early: float = 0.0
    # share of a hide's chance left where it was no skip [1]; fitted by scenario, 0 is none
    late: float = 0.0
    # log-odds of all four per unit of delight or let-down [1]; free choice
    slope: float = 1.0


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
    """Probability of a hide after a skip, equation (2)."""
    return sigmoid(p.hide + p.slope * (attraction - delight))
