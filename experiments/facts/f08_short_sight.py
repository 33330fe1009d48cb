"""F8: the ad load that earns most at once is more than the one that earns most in the long run.

Google halved the ads on phones in launches that were judged a gain in long-run revenue (abstract
[L]); in one of them clicks per ad of the oldest cohort rose by 18 to 20 %, at once and by
learning (Hohnhold, O'Brien, Tang, KDD 2015,
https://research.google.com/pubs/archive/43887.pdf [S]).

Simulated: after 60 days at a middle load the same people go on under loads of 2 to 8 ads per
hour. Revenue is that of the first two weeks, and that of the twelfth month. One more arm lives
with two ads a fetch for half a year, and then with one: clicks per ad before, in the week after
the cut, and half a year later.

Departures. Which ads are left out at a cut is not modelled, so clicks per ad make no step at
once: `at_once` is shown, not gated. Clicks and deaths count by their probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import MONTH, Lab, Layouts, by_arm, clock_days, undying, watch
from longplay.experiments.facts.picture import Curve, chart

LAYOUTS = ((10,), (5,), (8, 10), (5, 7), (3, 7), (2, 3))  # by rising load
MIDDLE, FULL, CUT = (8,), (5, 7), (7,)
COLUMNS = ("minutes", "ad_views", "expected_clicks")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    before: float = 60.0  # days before the arms part
    cut: float = 182.0  # days after that until the cut


SETTINGS = {"full": Settings(350), "quick": Settings(35)}
FACT = Fact(
    id="F8",
    title="The ad load that earns most at once is more than earns most in the long run",
    source="Hohnhold, O'Brien, Tang, KDD 2015, https://research.google.com/pubs/archive/43887.pdf",
    mark="[L] abstract, [S] figures",
    expected="long-run best load below the short-run best; clicks per ad rise after a cut",
    origin="fitted",
    checks=(
        Check("too_much", "best load at two weeks less that at one year [ads/h]", 0.0),
        Check("lost", "revenue of month 12 given up by the short-run best load [%]", 0.0),
        Check("climb", "clicks per ad in the half-year after the cut [%]", 0.0),
        Check("at_once", "clicks per ad in the week after the cut [%]"),
        Check("short_best", "load that earns most in two weeks [ads/h]"),
        Check("long_best", "load that earns most in month 12 [ads/h]"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Sums per person by arm and period (arms, 6).

    Two weeks, all until two weeks before the cut, these two weeks, the week after it, all until
    month 12, and that month.
    """
    sums = lab.sums(live, settings.people, settings, seed, arms=len(LAYOUTS) + 1)
    found = {name: sums[name] / settings.people for name in COLUMNS}
    prices = lab.world.ads
    money = prices.price_view * found["ad_views"] + prices.price_click * found["expected_clicks"]
    return {**found, "money": money}


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """COLUMNS of some people by arm and period, (arms, periods)."""
    start, cut = settings.before, settings.before + settings.cut
    arms = len(LAYOUTS) + 1
    layouts = np.repeat([layout_index(one) for one in (*LAYOUTS, FULL)], len(people))
    is_cut = np.repeat(np.arange(arms) == arms - 1, len(people))
    middle, less = layout_index(MIDDLE), layout_index(CUT)

    def choose(cohort: Cohort) -> Layouts:
        days = clock_days(cohort)
        later = np.where(is_cut & (days >= cut), less, layouts)
        return np.where(days < start, middle, later)

    end = start + 12 * MONTH
    edges = [start, start + 14, cut - 14, cut, cut + 7, end - MONTH, end]
    cohort = lab.cohort(len(people), arms, end, seed, world=undying(lab.world), first=people.start)
    sums = watch(cohort, choose, COLUMNS, edges, lab.told, mortal=lab.world)
    return {name: by_arm(sums[name], arms) for name in COLUMNS}


def best_load(load: Floats, money: Floats) -> float:
    """The load at the top of the parabola through the best arm and its neighbours."""
    top = int(money.argmax())
    if top in (0, len(money) - 1):
        return float(load[top])
    around = slice(top - 1, top + 2)
    bend, slope, _ = np.polyfit(load[around], money[around], 2)
    return float(-slope / (2 * bend))


def loads(series: Series) -> Floats:
    """Ads per hour of songs in the first two weeks, (loads,)."""
    load: Floats = 60 * series["ad_views"][:-1, 0] / series["minutes"][:-1, 0]
    return load


def read(series: Series) -> dict[str, float]:
    """Best loads at both horizons, and what a cut does."""
    money, load = series["money"][:-1], loads(series)
    short, long = money[:, 0] / 14.0, money[:, -1] / MONTH
    per_ad = series["expected_clicks"][-1] / series["ad_views"][-1]
    short_best, long_best = best_load(load, short), best_load(load, long)
    return {
        "too_much": short_best - long_best,
        "lost": 100 * float(long.max() / long[short.argmax()] - 1),
        "climb": 100 * float(per_ad[5] / per_ad[3] - 1),
        "at_once": 100 * float(per_ad[3] / per_ad[2] - 1),
        "short_best": short_best,
        "long_best": long_best,
    }


def figure(series: Series, readings: Readings) -> str:
    """Revenue by load at both horizons, in shares of the best."""
    money, load = series["money"][:-1], loads(series)
    return chart(
        f"At once {readings['short_best']:.1f} ads per hour earn most, in the long run "
        f"{readings['long_best']:.1f}.",
        "ads per hour",
        "revenue, best load = 1",
        [
            Curve("first two weeks", load, money[:, 0] / money[:, 0].max()),
            Curve("month 12", load, money[:, -1] / money[:, -1].max()),
        ],
    )
