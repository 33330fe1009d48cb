"""F10: an ad load that looks at the person and the session beats any fixed one in both aims.

ShareChat chose the ad load of each feed fetch by the user and the position in the session, learned
off-policy; satisfaction and revenue both rose (Sagtani, Jhawar, Mehrotra, Jeunen, WSDM 2024,
https://arxiv.org/abs/2309.11518 [L abstract]; sizes are not published).

Simulated: fixed layouts against rules that see what a platform logs: the number of the fetch in
its session, and how long the user's sessions usually are. On some people the fixed layout that
earns most is found, and the rule whose smaller gain over it, in revenue or in satisfied active
days, is largest. Other people then live half a year under both.

Departures. The rule is found by trying rules on people, not by doubly robust learning from logs.
Layouts are ours. Clicks and deaths count by their probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, Layouts, by_arm, undying, watch
from longplay.experiments.facts.picture import Curve, chart
from longplay.experiments.facts.stages import OTHERS

COLUMNS = ("ad_views", "expected_clicks", "satisfied_day")


class Rule(NamedTuple):
    """A layout for the first fetch of a session, one for the others, and whom to spare."""

    first: tuple[int, ...]
    later: tuple[int, ...]
    short: float = 0.0  # who usually plays less than this meets no ad in the first fetch [min]


FIXED = tuple(Rule(one, one) for one in ((8, 10), (5, 7), (3, 7), (2, 3)))
RULES = tuple(Rule(*one) for one in product(((7,), (8, 10)), ((3, 7), (2, 3)), (0.0, 15.0)))


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    tried_on: int  # people
    people: int  # who live under the two that were chosen
    days: float = 182.0


SETTINGS = {"full": Settings(120, 900), "quick": Settings(20, 120, days=120.0)}
FACT = Fact(
    id="F10",
    title="A load that looks at person and session beats any fixed one in both aims",
    source="Sagtani et al., WSDM 2024, https://arxiv.org/abs/2309.11518",
    mark="[L] abstract",
    expected="satisfaction and revenue both rise; sizes are not published",
    checks=(
        Check("revenue", "gain over the fixed layout that earns most [%]", 0.0),
        Check("satisfaction", "gain in satisfied active days [%]", 0.0),
        Check("fixed_ads", "ads per person under the fixed layout"),
        Check("rule_ads", "ads per person under the rule"),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """What the best-earning fixed layout and the chosen rule lead to, (2, 3); all tried, too."""
    everything = (*FIXED, *RULES)
    tried = led_to(lab, everything, settings.tried_on, OTHERS, settings.days, seed)
    best = int(tried[: len(FIXED), 0].argmax())
    gains = tried[len(FIXED) :, :2] / tried[best, :2] - 1
    rule = RULES[int(gains.min(axis=1).argmax())]
    lived = led_to(lab, (everything[best], rule), settings.people, 0, settings.days, seed)
    return {"lived": lived, "tried": tried}


def led_to(
    lab: Lab, rules: tuple[Rule, ...], people: int, first: int, days: float, seed: int
) -> Floats:
    """Revenue, satisfied active days and ads of a person, by rule: (rules, 3)."""
    sums = lab.sums(live, people, rules, days, seed, arms=len(rules), first=first)
    views, clicks, happy = (sums[name] / people for name in COLUMNS)
    money = lab.world.ads.price_view * views + lab.world.ads.price_click * clicks
    return np.stack([money, happy, views], axis=1)


def live(
    lab: Lab, people: range, rules: tuple[Rule, ...], days: float, seed: int
) -> dict[str, Floats]:
    """COLUMNS of some people by rule, (rules,)."""
    arms = len(rules)
    opening = np.repeat([layout_index(rule.first) for rule in rules], len(people))
    later = np.repeat([layout_index(rule.later) for rule in rules], len(people))
    short = np.repeat([rule.short for rule in rules], len(people))
    none = layout_index(())

    def choose(cohort: Cohort) -> Layouts:
        users = cohort.users
        now = np.where(users["minutes_rate"] < short, none, opening)
        return np.where(users["fetch"] == 0, now, later)

    cohort = lab.cohort(len(people), arms, days, seed, world=undying(lab.world),
                        first=people.start, decision="fetch")  # fmt: skip
    sums = watch(cohort, choose, COLUMNS, [0.0, days], lab.told, mortal=lab.world)
    return {name: by_arm(sums[name], arms)[:, 0] for name in COLUMNS}


def read(series: Series) -> dict[str, float]:
    """Gains of the rule."""
    fixed, rule = series["lived"]
    return {
        "revenue": 100 * float(rule[0] / fixed[0] - 1),
        "satisfaction": 100 * float(rule[1] / fixed[1] - 1),
        "fixed_ads": float(fixed[2]),
        "rule_ads": float(rule[2]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Satisfied days and revenue of all that was tried."""
    money, happy, _ = series["tried"].T
    n = len(FIXED)
    return chart(
        f"The rule gains {readings['revenue']:.1f} % revenue and "
        f"{readings['satisfaction']:.1f} % satisfied days.",
        "revenue per person",
        "satisfied active days per person",
        [
            Curve("fixed layouts", money[:n], happy[:n], points=True, colour=1),
            Curve("rules", money[n:], happy[n:], points=True, colour=0),
        ],
    )
