"""F21: habits of daily users follow an asymptotic curve; a miss does little harm.

People who took up a daily behaviour for 84 days: y = a - b exp(-c x), 95 % of the asymptote after
18 to 254 days [L], median 66 [S]; missing one opportunity did not materially affect the habit [L]
(Lally, van Jaarsveld, Potts, Wardle, EJSP 2010, doi 10.1002/ejsp.674; https://whatworks.site/
habit-automaticity/; https://studylib.net/doc/8103714/modelling-habit-formation-in-the-real-world).

Simulated: new users for 84 days, who like the paper's participants were asked to come daily:
their return is quick and does not wait for the habit. Those who were there on nine days of ten are
the daily users; the curve is fitted to each one's habit on his active days. For one miss, the law
is replayed along each one's days with a day in the middle taken away.

Departures. The spread of the rates is the paper's, so median and range are found again rather
than predicted. The habit is read from inside, where the paper asked. Of people whom nobody asked,
those with quick habits become the daily users: their 5 % quantile was 13 days, their median 54.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.cohort import Cohort
from longplay.envs.laws.habit import Habit, next_habit
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.populations import sketch

DAYS = 84
RATES = np.geomspace(0.002, 0.5, 400)  # c that are tried [1/day]
ASKED = 3.0  # how much quicker people return who are asked to come daily; free choice
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    daily: float = 0.9  # share of days that a daily user is there


SETTINGS = {"full": Settings(1500), "quick": Settings(250)}
FACT = Fact(
    id="F21",
    title="Habits of daily users follow an asymptotic curve; a miss does little harm",
    source="Lally et al., EJSP 2010, doi 10.1002/ejsp.674; https://whatworks.site/"
    "habit-automaticity/; "
    "https://studylib.net/doc/8103714/modelling-habit-formation-in-the-real-world",
    mark="[L], [S] the median",
    expected="95 % of the asymptote after 18 to 254 days, median 66; one miss immaterial",
    origin="fitted",
    checks=(
        Check("median", "days to 95 % of the asymptote, median", 55.0, 80.0),
        Check("early", "5 % of people are there after so many days", 18.0, 66.0),
        Check("late", "95 % of people are there after so many days", 66.0, 254.0),
        Check("one_miss", "habit lost at the end by one miss in the middle [%]", 0.0, 2.0),
        Check("fit", "R2 of the curve, median person [1]", 0.9, 1.0),
        Check("daily_users", "share of new users who are daily users [%]"),
    ),
)


def fitted(days: npt.NDArray[np.intp], habit: Floats) -> tuple[float, float]:
    """Days to 95 % of a in y = a - b exp(-c x), least squares over a grid of c; and R2."""
    shape = np.exp(-np.outer(RATES, days))
    centred = shape - shape.mean(axis=1, keepdims=True)
    y = habit - habit.mean()
    b = -(centred @ y) / (centred**2).sum(axis=1)
    misfit = ((y + b[:, None] * centred) ** 2).sum(axis=1)
    best = int(misfit.argmin())
    a = habit.mean() + b[best] * shape[best].mean()
    reached = float(np.log(20.0 * b[best] / a) / RATES[best])
    return reached, 1.0 - float(misfit[best] / (y**2).sum())


def replayed(days: npt.NDArray[np.intp], start: float, rate: float, law: Habit) -> float:
    """Habit after these active days, by the law."""
    habit, last = start, days[0] - 1
    for day in days:
        habit = next_habit(habit, rate, float(day - last - 1), law)
        last = day
    return habit


def one_miss(days: npt.NDArray[np.intp], start: float, rate: float, law: Habit) -> float:
    """Habit lost at the end by missing the day in the middle [%]."""
    middle = len(days) // 2
    missed = np.delete(days, middle)
    return 100 * (1 - replayed(missed, start, rate, law) / replayed(days, start, rate, law))


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Days to 95 % at SHARES of people, loss by a miss, fit, share of daily users, mean curve.

    Days and 1 - fit to 0.8 %, as a sketch tells them.
    """
    sums = lab.sums(live, settings.people, settings, seed)
    return {
        "reached": sketch.quantiles(sums["reached"].astype(np.int64), SHARES),
        "one_miss": sums["losses"] / sums["daily_users"],
        "fit": 1.0 - sketch.quantiles(sums["misfits"].astype(np.int64), [0.5])[0],
        "daily_users": 100.0 * sums["daily_users"] / settings.people,
        "curve": sums["habits"] / sums["there"],
    }


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Any]:
    """Of the daily users among some people: sketches of their fits, and sums."""
    world = lab.world.replace(
        "asked to come",
        population={"youth": 0.0},
        returning={"habit": 0.0, "rate": ASKED * lab.world.returning.rate},
    )
    cohort = lab.cohort(len(people), 1, DAYS, seed, world=world, first=people.start)
    start, rate = cohort.users["habit"].copy(), cohort.users["habit_rate"].copy()
    habit = habits(cohort, lab)
    active = np.isfinite(habit)
    daily = np.flatnonzero(active.mean(axis=1) >= settings.daily)
    reached, fits, losses = np.zeros((3, len(daily)))
    for at, person in enumerate(daily):
        days = np.flatnonzero(active[person])
        reached[at], fits[at] = fitted(days + 1, habit[person, days])
        losses[at] = one_miss(days, float(start[person]), float(rate[person]), world.habit)
    return {
        "daily_users": len(daily),
        "reached": sketch.counted(reached),
        "misfits": sketch.counted(1.0 - fits),
        "losses": losses.sum(),
        "habits": np.nansum(habit[daily], axis=0),
        "there": active[daily].sum(axis=0),
    }


def habits(cohort: Cohort, lab: Lab) -> Floats:
    """Everybody's habit at the end of each day, nan for days without a visit (lanes, DAYS)."""
    users = cohort.users
    habit = np.full((cohort.num_envs, DAYS), np.nan)
    without_ads = np.zeros(cohort.num_envs, np.int64)
    while not cohort.over.all():
        cohort.step(without_ads)
        came = np.flatnonzero(cohort.outcomes["active_day"] > 0)
        day = np.floor(users["day"][came] - users["phase"][came] // 24).astype(int)
        inside = (day >= 0) & (day < DAYS)
        habit[came[inside], day[inside]] = users["habit"][came[inside]]
        lab.told(float(cohort.over.mean()))
    return habit


def read(series: Series) -> dict[str, float]:
    """The checked numbers."""
    early, _, median, _, late = (float(x) for x in series["reached"])
    rest = {name: float(series[name]) for name in ("one_miss", "fit", "daily_users")}
    return {"median": median, "early": early, "late": late, **rest}


def figure(series: Series, readings: Readings) -> str:
    """The mean habit of daily users."""
    return chart(
        f"Half of the daily users reach 95 % of their habit in {readings['median']:.0f} days.",
        "day",
        "mean habit of daily users",
        [Curve("measured", np.arange(1, DAYS + 1), series["curve"])],
    )
