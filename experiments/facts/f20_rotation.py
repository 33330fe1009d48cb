"""F20: what was just used works less; an order that lets it recover works best.

Of Duolingo's reminders, to use the last text again cost half a percent of the reward; a bandit that
takes a penalty off what was used of late, halving every 15 days, had 1.9 % more than choice at
random in replay, and an A/B test .5 % more daily users (Yancey & Settles, KDD 2020 [S]).

Simulated: each visit of Feed has a theme: its slates hold one of the THEMES topics which the
platform takes the user to like best. The same people with the same luck live with the theme of the
last visit again and again (each of their themes in an arm of its own), with a theme at random, and
with the recovering score of the source: as all texts start alike, the theme goes first whose
penalty has faded most. Reward is the share of the titles looked at in a visit's first fetch that
are heard beyond the skip limit, each person weighed alike.

Departures. This world has no texts to remind people with; reminders are a setting of the world, and
a theme stands for a text. Boredom of a topic halves every 6 hours, a free choice, where the
source's texts recover in 15 days: what is left of it from visit to visit is what can differ. Songs
known from a theme's last time pull the other way: in a world without boredom the signs turn. A
theme of one's own best topics is narrower than what the production ranker offers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longplay.envs.cohort import Cohort
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, luck
from longplay.experiments.facts.picture import Curve, chart

THEMES = 4  # free choice
ARMS = THEMES + 2  # each theme again and again, at random, recovering
RANDOM, RECOVERING = THEMES, THEMES + 1
HALF_LIFE = 15.0  # of the penalty [day]; Yancey & Settles 2020 [S]
SLATE, CANDIDATES = 5, 60  # a topic has a few of so many; free choice

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 42.0


SETTINGS = {"full": Settings(500), "quick": Settings(70, days=28.0)}
FACT = Fact(
    id="F20",
    title="What was just used works less; an order that lets it recover works best",
    source="Yancey & Settles, KDD 2020",
    mark="[S]",
    expected="the last again below random below recovering, by 0.3 to 3 %",
    tier="report",
    checks=(
        Check("again", "reward with the last theme again, against random [%]", -3.0, -0.3),
        Check("recovering", "reward with the recovering score, against random [%]", 0.3, 3.0),
        Check("again_days", "active days with the last theme again, against random [%]"),
        Check("recovering_days", "active days with the recovering score, against random [%]"),
        Check("random", "of titles looked at that are heard, themes at random [%]"),
    ),
)


def penalties(since: Floats) -> Floats:
    """What is taken off a theme used ``since`` days ago, inf for never."""
    faded: Floats = np.exp2(-since / HALF_LIFE)
    return faded


class Themes:
    """Which theme each lane's present visit has."""

    def __init__(self, cohort: Cohort, people: int) -> None:
        guess = cohort.users["guess"]
        self.topics = np.argsort(-guess, axis=1, kind="stable")[:, :THEMES]  # (lanes, THEMES)
        self.arm = np.repeat(np.arange(ARMS), people)
        self.last = np.full((len(guess), THEMES), -np.inf)  # when each was used last [day]
        self.theme = np.minimum(self.arm, THEMES - 1)

    def choose(self, cohort: Cohort) -> Ints:
        """The topic of each lane's visit, (lanes,); a new visit draws a new theme."""
        new = cohort.users["fetch"] == 0
        now = cohort.users["clock"] / 24.0
        drawn = luck(cohort, 20)
        at_random = (THEMES * drawn).astype(np.int64)
        # ties, of themes never used, are broken by the same draw
        order = (np.arange(THEMES) - at_random[:, None]) % THEMES
        recovering = (penalties(now[:, None] - self.last) + 1e-9 * order).argmin(axis=1)
        self.theme = np.where(new & (self.arm == RANDOM), at_random, self.theme)
        self.theme = np.where(new & (self.arm == RECOVERING), recovering, self.theme)
        lanes = np.arange(len(now))
        self.last[lanes, self.theme] = now
        topics: Ints = self.topics[lanes, self.theme]
        return topics


def slates(cohort: Cohort, topics: Ints) -> Ints:
    """The best-ranked candidates of each lane's topic; others where there are too few."""
    offered = cohort.shop.items["topic"][cohort._desk.candidates]
    chosen: Ints = np.argsort(offered != topics[:, None], axis=1, kind="stable")[:, :SLATE]
    return chosen


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Reward and active days by arm, each person weighed alike, (ARMS,)."""
    sums = lab.sums(live, settings.people, settings, seed, arms=ARMS)
    return {
        "reward": sums["reward"] / sums["rewarded"],
        "days": sums["days"] / settings.people,
    }


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Floats]:
    """By arm: rewards of those of some people who have one, how many, and days; (ARMS,)."""
    cohort = lab.cohort(len(people), ARMS, settings.days, seed, task="Feed", action="slate",
                        decision="fetch", candidates=CANDIDATES, slate_size=SLATE,
                        first=people.start)  # fmt: skip
    themes = Themes(cohort, len(people))
    looked, heard, days = np.zeros((3, ARMS * len(people)))
    while not cohort.over.all():
        first = cohort.users["fetch"] == 0
        cohort.step(slates(cohort, themes.choose(cohort)))
        out = cohort.outcomes
        looked += first * out["looked"]
        heard += first * (out["plays"] - out["skips"])
        days += out["active_day"]
        lab.told(float(cohort.over.mean()))
    reward = heard / np.maximum(looked, 1.0)
    found = {"reward": reward, "rewarded": looked > 0, "days": days}
    return {name: x.reshape(ARMS, len(people)).sum(axis=1) for name, x in found.items()}


def read(series: Series) -> dict[str, float]:
    """Against themes at random [%]; the arms of one theme count as one."""

    def against(values: Floats) -> tuple[float, float]:
        change = 100.0 * (values / values[RANDOM] - 1.0)
        return float(change[:THEMES].mean()), float(change[RECOVERING])

    again, recovering = against(series["reward"])
    again_days, recovering_days = against(series["days"])
    return {
        "again": again,
        "recovering": recovering,
        "again_days": again_days,
        "recovering_days": recovering_days,
        "random": 100.0 * float(series["reward"][RANDOM]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Reward by policy."""
    reward = 100.0 * (series["reward"] / series["reward"][RANDOM] - 1.0)
    return chart(
        f"The last theme again changes the reward by {readings['again']:.1f} %.",
        "0 to 3: one theme again and again, best-liked first; 4 random; 5 recovering",
        "reward, against random [%]",
        [
            Curve("one theme", np.arange(THEMES), reward[:THEMES], points=True),
            Curve("random", [RANDOM], [0.0], points=True, colour=1),
            Curve("recovering", [RECOVERING], reward[RECOVERING:], points=True, colour=2),
        ],
    )
