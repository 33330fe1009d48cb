"""Fatigue: sessions tire, rest restores.

    F' = F + per_minute minutes + per_pass passed + per_ad ads aversion      in a session    (1)
    F' = F 2^(-gap / half_life)                                              between them    (2)

A stock to which time, mismatch and ads add, and which rest lets fade. Free choices throughout;
not validated against data.
"""

from typing import NamedTuple

from longplay.envs.compiled import law
from longplay.envs.laws.satiation import faded


class Fatigue(NamedTuple):
    """Parameters."""

    # added by a minute played [1/min]; free choice
    per_minute: float = 0.004
    # added by a title passed over or skipped: mismatch [1]; free choice
    per_pass: float = 0.01
    # added by an ad seen, times the user's aversion [1]; free choice
    per_ad: float = 0.10
    # half-life of fatigue at rest [h]; free choice
    half_life: float = 3.0


@law
def next_fatigue(
    fatigue: float, minutes: float, passed: float, ads: float, aversion: float, p: Fatigue
) -> float:
    """Equation (1)."""
    return fatigue + p.per_minute * minutes + p.per_pass * passed + p.per_ad * ads * aversion


@law
def rested(fatigue: float, gap: float, p: Fatigue) -> float:
    """Equation (2), ``gap`` in hours."""
    return faded(fatigue, gap, p.half_life)
