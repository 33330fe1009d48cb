"""F33: choc and kale have a trade-off only above a threshold of sensitivity.

In RecSim's world of long-term satisfaction chocolate engages more now and lowers the mood that
scales all later engagement; kale does the reverse. At the published sensitivity of 0.01 always
serving chocolate is best, so there is nothing to be patient for; the two diets break even at
(1 - m) ln(mu_choc / mu_kale) = 0.0669 (the code of google-research/recsim [L]; the threshold [D]).

Simulated: our longplay/ChocKale-v0, which has the published dynamics, with an item of each kind on
offer: mean engagement an item under each pure diet, over a sweep of sensitivities.

Departures. A life is 60 items, and its first ones are lived before the mood has settled, so the
diets break even a little above the threshold of the settled mood. Between about 0.04 and the
threshold switching between the two with the mood beats both: "myopic is optimal below the
threshold" holds of pure diets alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longplay.envs.reference.chockale import ChocKaleCohort, Taste, break_even
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

SWEEP = np.array([0.01, 0.03, 0.05, 0.06, 0.07, 0.08, 0.1, 0.2, 0.3])
KALE, CHOC = 0, 1


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int


SETTINGS = {"full": Settings(4000), "quick": Settings(1000)}
FACT = Fact(
    id="F33",
    title="Choc and kale have a trade-off only above a threshold of sensitivity",
    source="google-research/recsim, recsim/environments/long_term_satisfaction.py",
    mark="[L], [D]",
    expected="always chocolate is best at 0.01; the diets break even at 0.0669; kale 4x at 0.3",
    checks=(
        Check("published", "chocolate over kale at the published 0.01 [1]", 1.45, 1.65),
        Check("crossing", "sensitivity at which the diets break even [1]", 0.0669, 0.0736),
        Check("high", "kale over chocolate at 0.3 [1]", 3.9, 4.6),
    ),
)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Mean engagement an item by diet and sensitivity, (2, sensitivities)."""
    sums = lab.sums(live, settings.people, seed)
    return {"engagement": sums["engagement"] / (settings.people * Taste().items)}


def live(lab: Lab, people: range, seed: int) -> dict[str, Floats]:
    """Engagement of some people in a life, by diet and sensitivity, (2, sensitivities)."""
    engagement = np.zeros((2, len(SWEEP)))
    for at, sensitivity in enumerate(SWEEP):
        for diet in (KALE, CHOC):
            cohort = ChocKaleCohort(
                len(people), clickbait=(0.0, 1.0), sensitivity=float(sensitivity),
                first_user=people.start,
            )  # fmt: skip
            cohort.reset(seed=seed)
            choice = np.full(len(people), diet)
            for _ in range(Taste().items):
                _, reward, *_ = cohort.step(choice)
                engagement[diet, at] += reward.sum()
        lab.told((at + 1) / len(SWEEP))
    return {"engagement": engagement}


def read(series: Series) -> dict[str, float]:
    """The ends of the sweep, and where the log ratio of the diets crosses 0, between two points."""
    gap = np.log(series["engagement"][KALE] / series["engagement"][CHOC])
    over = int(np.argmax(gap > 0.0))
    (x0, x1), (y0, y1) = SWEEP[over - 1 : over + 1], gap[over - 1 : over + 1]
    return {
        "published": float(np.exp(-gap[0])),
        "crossing": float(x0 - y0 * (x1 - x0) / (y1 - y0)),
        "high": float(np.exp(gap[-1])),
    }


def figure(series: Series, readings: Readings) -> str:
    """Engagement of both diets over sensitivity."""
    kale, choc = series["engagement"]
    threshold = break_even()
    top = float(max(kale.max(), choc.max()))
    return chart(
        f"The diets break even at a sensitivity of {readings['crossing']:.3f}.",
        "sensitivity",
        "engagement an item",
        [
            Curve("always kale", SWEEP, kale),
            Curve("always chocolate", SWEEP, choc, colour=1),
            Curve("threshold", [threshold, threshold], [0.0, top], dashed=True),
        ],
    )
