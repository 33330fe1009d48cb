"""F23: fewer notifications cost visits at first and gain some in the long run.

Facebook sent many of its users fewer notifications: usage was down at first and up after a year,
and satisfaction was up (Meta 2022, https://medium.com/@AnalyticsAtMeta/notifications-why-less-is-
more-how-facebook-has-been-increasing-both-user-satisfaction-and-app-9463f7325e7d [L, signs]).

Simulated: after 60 days with the world's notifications, half of the people's copies go on with a
quarter of them. Visits month by month for fifteen months, without ads, on everybody who was there
at the start; satisfaction as people feel it at the end of a month's last visit.

Departures. Sizes are not published: only the signs are checked, and that they change between one
and twelve months. Lift and wear of the law of notifications were set for this fact. Deaths count by
their probability (lab.watch).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import MONTH, Lab, Layouts, undying, watch
from longplay.experiments.facts.picture import Curve, chart

COLUMNS = ("ended", "satisfied_day", "active_day")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    months: int = 15
    before: float = 60.0  # days before the arms part
    left: float = 0.25  # share of the notifications that is left


SETTINGS = {"full": Settings(500), "quick": Settings(120)}
FACT = Fact(
    id="F23",
    title="Fewer notifications cost visits at first and gain some in the long run",
    source="Meta 2022, https://medium.com/@AnalyticsAtMeta/notifications-why-less-is-more-"
    "how-facebook-has-been-increasing-both-user-satisfaction-and-app-9463f7325e7d",
    mark="[L]",
    expected="usage down at first, up after a year; satisfaction up",
    origin="fitted",
    checks=(
        Check("first", "visits in the first month [%]", high=0.0),
        Check("last", "visits in months 13 to 15 [%]", low=0.0),
        Check("crossing", "month in which the loss has become a gain", 1.0, 12.0),
        Check("satisfaction", "satisfaction in months 13 to 15 [%]", low=0.0),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Visits, and satisfaction summed over active days with their number, by arm and month."""
    return lab.sums(live, settings.people, settings, seed)


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """COLUMNS of some people by arm and month, (2, months)."""
    start, usual = settings.before, lab.world.notifications.per_day
    edges = start + MONTH * np.arange(settings.months + 1)
    cohort = lab.cohort(len(people), 1, start, seed, world=undying(lab.world), first=people.start)
    watch(cohort, _no_ads, ("ended",), [0.0, start])
    sums: dict[str, list[Floats]] = {name: [] for name in COLUMNS}
    for arm, per_day in enumerate((usual, settings.left * usual)):
        world = lab.world.replace("arm", notifications={"per_day": per_day})
        later = lab.go_on(cohort, float(edges[-1]), undying(world))
        found = watch(later, _no_ads, COLUMNS, edges, mortal=world)
        for name in COLUMNS:
            sums[name].append(found[name].sum(axis=0))
        lab.told((arm + 1) / 2)
    return {name: np.stack(parts) for name, parts in sums.items()}


def _no_ads(cohort: Cohort) -> Layouts:
    return np.zeros(cohort.num_envs, np.int64)


def effects(series: Series) -> tuple[Floats, Floats]:
    """Of fewer notifications on visits and on satisfaction, by month [%]."""
    visits, mood = series["ended"], series["satisfied_day"] / series["active_day"]
    return 100.0 * (visits[1] / visits[0] - 1.0), 100.0 * (mood[1] / mood[0] - 1.0)


def read(series: Series) -> dict[str, float]:
    """The first month, the last three, and when a straight line through the months crosses 0."""
    visits, mood = effects(series)
    months = np.arange(len(visits)) + 0.5
    smooth = np.polynomial.Polynomial.fit(months, visits, 3)
    fine = np.linspace(0.0, len(visits), 3001)
    gain = np.flatnonzero(smooth(fine) > 0.0)
    return {
        "first": float(visits[0]),
        "last": float(visits[-3:].mean()),
        "crossing": float(fine[gain[0]]) if gain.size else float("inf"),
        "satisfaction": float(mood[-3:].mean()),
    }


def figure(series: Series, readings: Readings) -> str:
    """The effect on visits and on satisfaction by month."""
    visits, mood = effects(series)
    months = np.arange(len(visits)) + 0.5
    return chart(
        f"The loss of visits has become a gain after {readings['crossing']:.0f} months.",
        "month since notifications were cut",
        "effect [%]",
        [
            Curve("visits", months, visits),
            Curve("satisfaction", months, mood, colour=1),
            Curve("no effect", months, 0 * visits, dashed=True),
        ],
    )
