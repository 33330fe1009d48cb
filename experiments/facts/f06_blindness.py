"""F6: people learn to overlook ads with a half-life of two months.

Google's users learned, and unlearned, at .012 a day: after 90 days they were about 65 % of the
way (Hohnhold, O'Brien, Tang, KDD 2015,
https://research.google.com/pubs/archive/43887.pdf [S]).

Simulated, in both designs of the paper, with the ad load raised from one ad a fetch to two:
post-period (PP): the exposed and the others meet the low load alike from day d on, for a week;
cookie-cookie-day (CCD): people exposed from day 0 against people who meet the high load from day
d on. The learned effect is the logarithm of the ratio of clicks per ad; a (1 - exp(-b d)) is
fitted to it, d the middle of the week.

Departures. The law of blindness has Hohnhold's rate as a parameter; what is found again here is
that whole people, who come when they like and meet what they meet, show it in both designs.
Clicks count by their probability; with real clicks it would take many times the people. The
designs' weeks replace the paper's days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, Layouts, by_arm, clock_days, watch
from longplay.experiments.facts.picture import Curve, chart

LOW, HIGH = (7,), (3, 7)
WEEK = 7.0
COLUMNS = ("expected_clicks", "ad_views")
RATES = np.geomspace(0.002, 0.08, 800)  # b that are tried [1/day]


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    after: tuple[float, ...]  # days of exposure after which is measured
    before: float = 60.0  # days before the arms part


SETTINGS = {
    "full": Settings(260, (7.0, 21.0, 45.0, 90.0, 135.0, 180.0)),
    "quick": Settings(45, (14.0, 90.0, 180.0)),
}
FACT = Fact(
    id="F6",
    title="People learn to overlook ads with a half-life of two months",
    source="Hohnhold, O'Brien, Tang, KDD 2015, https://research.google.com/pubs/archive/43887.pdf",
    mark="[S]",
    origin="fitted",
    expected="half-life about 60 days, 65 % of the way after 90; unlearned at the same rate",
    checks=(
        Check("half_life", "of the learned effect, cookie-cookie-day [day]", 40.0, 80.0),
        Check("after_90", "learned in 90 days, of the whole [1]", 0.55, 0.75),
        Check("designs", "post-period over cookie-cookie-day, after 90 days [1]", 0.85, 1.15),
        Check("effect", "clicks per ad after 90 days of the higher load [%]", -100.0, 0.0),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Learned effects by design and day, (2, days): PP, CCD, and the days' middle."""
    after = settings.after
    sums = lab.sums(live, settings.people, settings, seed, arms=4 * len(after))
    clicks, views = (sums[name] for name in COLUMNS)
    effects = np.zeros((2, len(after)))
    for at in range(len(after)):
        log_rate = np.log(clicks[4 * at : 4 * at + 4, 2 * at + 1])
        log_rate -= np.log(views[4 * at : 4 * at + 4, 2 * at + 1])
        effects[:, at] = log_rate[1] - log_rate[0], log_rate[3] - log_rate[2]
    return {"effects": effects, "days": np.asarray(after) + WEEK / 2}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """COLUMNS of some people by arm and period, (4 * days, 2 * days).

    Every other period, from the second on, is the week after a day of `settings.after`.
    """
    after, start = settings.after, settings.before
    days = np.repeat(after, 4 * len(people))
    # Four arms a day: exposed before or not, times low or high load in the week after.
    exposed = np.tile(np.repeat([0, 1, 0, 1], len(people)), len(after)) == 1
    high_then = np.tile(np.repeat([0, 0, 1, 1], len(people)), len(after)) == 1
    low, high = layout_index(LOW), layout_index(HIGH)

    def choose(cohort: Cohort) -> Layouts:
        since = clock_days(cohort) - start
        high_now = np.where(since < days, exposed & (since >= 0), high_then)
        return np.where(high_now, high, low)

    arms, end = 4 * len(after), start + after[-1] + WEEK
    cohort = lab.cohort(len(people), arms, end, seed, first=people.start)
    edges = [start, *(start + day + more for day in after for more in (0.0, WEEK))]
    sums = watch(cohort, choose, COLUMNS, edges, lab.told)
    return {name: by_arm(sums[name], arms) for name in COLUMNS}


def fitted(days: Floats, effect: Floats) -> tuple[float, float]:
    """a and b of a (1 - exp(-b d)), by least squares over a grid of b."""
    shapes = 1.0 - np.exp(-np.outer(RATES, days))
    whole = shapes @ effect / (shapes**2).sum(axis=1)
    misfit = ((effect - whole[:, None] * shapes) ** 2).sum(axis=1)
    best = int(misfit.argmin())
    return float(whole[best]), float(RATES[best])


def read(series: Series) -> dict[str, float]:
    """Half-life, what is learned after 90 days, and how the designs agree."""
    days, (post_period, cookies) = series["days"], series["effects"]
    whole, rate = fitted(days, cookies)
    at = int(np.abs(days - WEEK / 2 - 90.0).argmin())
    return {
        "half_life": float(np.log(2) / rate),
        "after_90": float(cookies[at] / whole),
        "designs": float(post_period[at] / cookies[at]),
        "effect": 100 * float(np.expm1(cookies[at])),
    }


def figure(series: Series, readings: Readings) -> str:
    """The learned effect by days of exposure."""
    days, (post_period, cookies) = series["days"], series["effects"]
    whole, rate = fitted(days, cookies)
    line = np.linspace(0.0, days[-1], 60)
    return chart(
        f"The learned effect grows with a half-life of {readings['half_life']:.0f} days.",
        "days of the higher load",
        "clicks per ad, log ratio",
        [
            Curve("fitted", line, whole * (1 - np.exp(-rate * line)), colour=0),
            Curve("cookie-cookie-day", days, cookies, points=True, colour=0),
            Curve("post-period", days, post_period, points=True, colour=1),
        ],
    )
