"""F7: worse ads blind, more ads as such do not.

Google's "dropping" study held the number of ads and lowered their quality: users clicked the less
afterwards the worse the ads had been; as many other ads of equal quality changed nothing
(Hohnhold, O'Brien, Tang, KDD 2015, https://research.google.com/pubs/archive/43887.pdf [S]).

Simulated: the same people under one layout for 90 days, with ads of the usual quality (e), of
ever lower quality (e_1, e_2, ...), and of the usual quality and number at other places (e'): two
layouts mixed so that as many ads per hour are seen. Then all meet the usual ads at the usual place
for two weeks, and clicks per ad are compared with those of e.

Departures. Clicks count by their probability. Here blindness has the load as its second factor:
(1 - quality) times ads per hour; the paper finds quality alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, Layouts, clock_days, mixture, watch
from longplay.experiments.facts.picture import Curve, chart

USUAL, ELSEWHERE = (7,), ((8,), (5,))
COLUMNS = ("expected_clicks", "ad_views")  # of the weeks after
BEFORE = ("ad_views", "minutes")


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    worse: tuple[float, ...] = (0.8, 0.6, 0.4, 0.2)  # quality, in shares of the usual one
    early: float = 0.30  # share of ELSEWHERE's earlier layout at which as many ads are seen
    exposed: float = 90.0  # days
    after: float = 14.0  # days


SETTINGS = {"full": Settings(700), "quick": Settings(120, worse=(0.7, 0.4))}
FACT = Fact(
    id="F7",
    title="Worse ads blind, other ads of equal quality do not",
    source="Hohnhold, O'Brien, Tang, KDD 2015, https://research.google.com/pubs/archive/43887.pdf",
    mark="[S]",
    expected="clicks per ad fall with each step down in quality, and not at equal quality",
    checks=(
        Check("smallest_step", "largest (least negative) step between qualities [%]", -100.0, 0.0),
        Check("equal_quality", "clicks per ad after other ads of equal quality [%]", -0.5, 0.5),
        Check("worst", "clicks per ad after the worst ads [%]", -100.0, 0.0),
        Check("equal_load", "ads per hour at other places over the usual ones [1]", 0.98, 1.02),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Sums per person in the weeks after: e, e_1, ..., e' (arms,); ads per hour before."""
    quality = lab.world.ads.quality * np.array([1.0, *settings.worse, 1.0])
    sums = lab.sums(live, settings.people, quality, settings, seed)
    found = {name: sums["after"][:, at] / settings.people for at, name in enumerate(COLUMNS)}
    views, minutes = sums["before"].T
    return {**found, "load": 60 * views / minutes, "quality": quality}


def live(
    lab: Lab, people: range, quality: Floats, settings: Settings, seed: int
) -> dict[str, Floats]:
    """BEFORE and COLUMNS of some people by arm, (arms, 2) each."""
    found = []
    for arm in range(len(quality)):
        moved = arm == len(quality) - 1
        found.append(taught(lab, people, float(quality[arm]), moved, settings, seed))
        lab.told((arm + 1) / len(quality))
    return {name: np.stack([one[name] for one in found]) for name in ("before", "after")}


def taught(
    lab: Lab, people: range, quality: float, moved: bool, settings: Settings, seed: int
) -> dict[str, Floats]:
    """BEFORE and COLUMNS of people who meet ads of this quality first, (2,) each.

    moved: these ads are elsewhere.
    """
    elsewhere, then = mixture(*ELSEWHERE, settings.early), layout_index(USUAL)

    def choose(cohort: Cohort) -> Layouts:
        first = elsewhere(cohort) if moved else then
        return np.where(clock_days(cohort) < settings.exposed, first, then)

    end = settings.exposed + settings.after
    world = lab.world.replace("other ads", ads={"quality": quality})
    cohort = lab.cohort(len(people), 1, settings.exposed, seed, world=world, first=people.start)
    before = watch(cohort, choose, BEFORE, [0.0, settings.exposed])
    after = watch(lab.go_on(cohort, end, lab.world), choose, COLUMNS, [settings.exposed, end])
    return {
        "before": np.array([before[name].sum() for name in BEFORE]),
        "after": np.array([after[name].sum() for name in COLUMNS]),
    }


def changes(series: Series) -> Floats:
    """Clicks per ad against e [%], (arms,)."""
    rate = series["expected_clicks"] / series["ad_views"]
    change: Floats = 100 * (rate / rate[0] - 1)
    return change


def read(series: Series) -> dict[str, float]:
    """The steps from quality to quality, and the arm of equal quality."""
    change = changes(series)
    return {
        "smallest_step": float(np.diff(change[:-1]).max()),
        "equal_quality": float(change[-1]),
        "worst": float(change[-2]),
        "equal_load": float(series["load"][-1] / series["load"][0]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Clicks per ad by the quality people had lived with."""
    change, quality = changes(series), series["quality"]
    return chart(
        f"After the worst ads people click {-readings['worst']:.1f} % less.",
        "quality of the ads of the 90 days before",
        "clicks per ad, against e [%]",
        [
            Curve("same place", quality[:-1], change[:-1], colour=0),
            Curve("other place (e')", quality[-1:], change[-1:], points=True, colour=1),
        ],
    )
