"""Within which bounds a world can be lived: what no law, clock or array could survive otherwise."""

from typing import Any

import numpy as np

INF = float("inf")
TINY = 1e-12  # stands for: above 0

# Smallest and largest value of a parameter, by law and name; all others need only be finite.
BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(
        (
            "intent.goal", "intent.goal_unit", "dwell.weibull", "satiation.half_life",
            "fatigue.half_life", "leaving.longest", "returning.rate", "returning.pause",
            "churn.period", "repeats.cutoff",
            "discovery.half_life", "population.churn_a", "population.churn_b", "catalogue.minutes",
        ),
        (TINY, INF),
    ),
    **dict.fromkeys(
        (
            "intent.share", "intent.titles", "attention.look", "attention.pause_minutes",
            "attention.pause_longest", "dwell.scale", "dwell.skip", "dwell.least", "ads.seconds",
            "ads.click", "ads.memory", "ads.learning", "satiation.gain", "returning.slowing",
            "returning.least", "catalogue.short_minutes", "catalogue.short_spread",
            "returning.day", "returning.week", "repeats.decay", "notifications.per_day",
            "notifications.memory", "discovery.grow", "population.taste", "population.guess",
            "population.habit_median", "population.habit_start", "population.youth",
            "catalogue.spread", "catalogue.minutes_spread", "catalogue.seed", "survey.noise",
        ),
        (0.0, INF),
    ),
    **dict.fromkeys(
        (
            "attention.pause_chance", "ads.seen", "ads.quality", "leaving.lapse", "survey.rate",
            "satisfaction.kappa", "satisfaction.engaged", "population.satisfaction_start",
            "intent.daytime", "returning.insulation", "repeats.share", "feedback.early",
            "feedback.late", "catalogue.short_share", "dwell.pace", "dwell.start",
        ),
        (0.0, 1.0),
    ),
    **dict.fromkeys(
        ("attention.on_passed", "attention.on_played", "serving.reach", "serving.candidates_reach"),
        (TINY, 1.0),
    ),
    **dict.fromkeys(("catalogue.attraction_value", "catalogue.estimate"), (-1.0, 1.0)),
    "habit.fade": (0.0, 1.0 - TINY),
    "catalogue.items": (1.0, 1e8),
    "ads.price_view": (-1e9, 1e9),
    "ads.price_click": (-1e9, 1e9),
}  # fmt: skip


def check(part: str, name: str, value: Any, default: Any) -> None:
    """Refuse a parameter of another shape than its default, not finite, or out of its bounds.

    Raises:
        ValueError: saying what came and what was wanted.
    """
    if np.shape(value) != np.shape(default):
        wanted = f"{len(default)} numbers" if np.ndim(default) else "one number"
        raise ValueError(f"{part}.{name}={value!r}: wanted {wanted}.")
    if not np.isfinite(value).all():
        raise ValueError(f"{part}.{name}={value}: every parameter must be a finite number.")
    low, high = BOUNDS.get(f"{part}.{name}", (-INF, INF))
    if np.min(value) < low or np.max(value) > high:
        least = "more than 0" if low == TINY else f"at least {low:g}"
        most = "" if high == INF else f", at most {high:g}"
        raise ValueError(f"{part}.{name}={value}: wanted {least}{most}.")


def check_horizon(days: Any) -> float:
    """The days of a study, as a float.

    Raises:
        TypeError: if it is no number.
        ValueError: unless it is more than 0 and less than 10 000.
    """
    if isinstance(days, bool) or not isinstance(days, int | float | np.number):
        raise TypeError(f"horizon_days={days!r}: wanted a number of days.")
    if not 0.0 < float(days) < 10_000.0:
        raise ValueError(f"horizon_days={days}: wanted more than 0 and less than 10000 days.")
    return float(days)
