"""F35: a surrogate index of 14 days mostly decides as 63 days would.

In 200 A/B tests of Netflix the index of 14 days came to the inference of 63 days in about 95 %;
as a rule for launches it had 79 % precision and 65 % recall (Zhang et al.,
https://arxiv.org/abs/2311.11922 [L]).

Simulated: platforms change three things a little: how many sessions show two ads more or none at
all, how deep slates reach into a ranking, and how sharply they follow the estimate of taste. A
design of such changes is lived through by the same people with the same luck, and a quadratic
surface gives the effect of any change on the days and minutes of two weeks and on the active
days of weeks 8 and 9, the truth. An index is the regression of the truth on the first two weeks,
among people of the control. An A/B test draws a change, and adds to all its effects the noise of
two arms of so many users, jointly normal with the covariance of the control's people (all
corrected for what was known of each before). Index and truth are each called up, down or flat at
5 %; up is launched.

What sample noise means here: 200 tests with a hundred thousand people each cannot be lived through
one by one; means over so many are normal, so only the noise of the means is drawn, 40 times for
each of the 200 tests. The size of the arms is set so that 9.5 % of truths are significant gains:
the share that the paper's agreement, precision and recall imply [D]. Without that share none of
the three could be compared.

Departures. Three levers, whose effects are drawn about zero; real tests have thousands of kinds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import World
from longplay.envs.spaces import layout_index
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab, Layouts, luck, undying, watch
from longplay.experiments.facts.picture import Curve, chart

EDGES = (0.0, 7.0, 14.0, 49.0, 63.0)  # [day]
COLUMNS = ("active_day", "minutes", "ended")
KNOWN = ("active_rate", "visit_rate", "minutes_rate", "streak")  # of each user at the start
USUAL, MORE = (8,), (2, 3)
LEVERS = 3
TESTS, REPEATS = 200, 40
GAINS = 0.095  # share of truths that are significant gains [D]
Z = 1.959964  # of a two-sided test at 5 %


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int  # who live through each change of the design
    control: int  # people who give covariance and index
    changes: int = 24


SETTINGS = {"full": Settings(300, 4000), "quick": Settings(60, 500, changes=12)}
FACT = Fact(
    id="F35",
    title="A surrogate index of 14 days mostly decides as 63 days would",
    source="Zhang et al., https://arxiv.org/abs/2311.11922",
    mark="[L]",
    expected="about 95 % same inference, 79 % precision and 65 % recall of launches",
    checks=(
        Check("agreement", "share of tests with the same inference [1]", 0.9, 0.98),
        Check("recall", "share of true gains that are launched [1]", 0.5, 0.8),
        Check("precision", "share of launches that are true gains [1]", 0.7, 1.0),
        Check("harmful", "share of launches that are true losses [1]"),
        Check("arm", "users in each arm, in thousands"),
        Check("correlation", "of true effects on index and truth [1]"),
    ),
)


def outcomes_of(sums: dict[str, Floats]) -> Floats:
    """Active days, minutes and sessions of weeks 1 and 2, and the truth: (lanes, 7)."""
    early = [sums[name][:, week] for name in COLUMNS for week in (0, 1)]
    return np.stack([*early, sums["active_day"][:, 3]], axis=1)


def changed(lab: Lab, lever: Floats) -> World:
    """The platform with its retrieval changed."""
    world = lab.world
    return world.replace(
        "changed",
        serving={"reach": min(1.0, world.serving.reach * float(np.exp(lever[1])))},
        population={"focus": world.population.focus * float(np.exp(lever[2]))},
    )


def live(lab: Lab, people: int, lever: Floats, seed: int, first: int, mortal: bool) -> Floats:
    """`outcomes_of` people under a change; uncertain deaths unless they are ``mortal``."""
    world = changed(lab, lever)
    cohort = lab.cohort(
        people, 1, EDGES[-1], seed, world=world if mortal else undying(world), first=first
    )
    known = np.stack([cohort.users[name].astype(float) for name in KNOWN], axis=1)
    other = layout_index(MORE if lever[0] > 0 else ())
    usual = layout_index(USUAL)

    def choose(cohort: Cohort) -> Layouts:
        return np.where(luck(cohort, 35) < abs(lever[0]), other, usual)

    sums = watch(cohort, choose, COLUMNS, EDGES, mortal=None if mortal else world)
    outcomes = outcomes_of(sums)
    if not mortal:
        return outcomes
    before = np.column_stack([np.ones(people), known])
    residual: Floats = outcomes - before @ np.linalg.lstsq(before, outcomes, rcond=None)[0]
    return residual


def features(levers: Floats) -> Floats:
    """Linear, square and mixed terms, (n, 9)."""
    pairs = [levers[:, i] * levers[:, j] for i in range(LEVERS) for j in range(i, LEVERS)]
    return np.column_stack([levers, *pairs])


def drawn(rng: np.random.Generator, count: int) -> Floats:
    """Small changes: share of sessions [1], log of the reach, log of the sharpness; free choice."""
    levers = rng.normal(0.0, (0.25, 0.35, 0.25), (count, LEVERS))
    levers[:, 0] = np.clip(levers[:, 0], -1.0, 1.0)
    return levers


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """The surface of effects (9, 7), the covariance of the control (7, 7), the index (6,)."""
    rng = np.random.default_rng(seed)
    levers = 2.0 * drawn(rng, settings.changes)  # wider than the tests: the surface is surer
    levers[:, 0] = np.clip(levers[:, 0], -1.0, 1.0)
    base = live(lab, settings.people, np.zeros(LEVERS), seed, 0, mortal=False)
    effects = np.zeros((settings.changes, base.shape[1]))
    for at, lever in enumerate(levers):
        effects[at] = (live(lab, settings.people, lever, seed, 0, mortal=False) - base).mean(axis=0)
        lab.told((at + 1) / (settings.changes + 3))
    surface = np.linalg.lstsq(features(levers), effects, rcond=None)[0]
    control = live(lab, settings.control, np.zeros(LEVERS), seed, 1_000_000, mortal=True)
    index = np.linalg.lstsq(control[:, :-1], control[:, -1], rcond=None)[0]
    return {"surface": surface, "covariance": np.cov(control.T), "index": index}


@dataclass(frozen=True)
class Tests:
    """Many A/B tests: true effects and one draw of noise, for an arm of one user."""

    truth: Floats  # effect on the truth (n,)
    index: Floats  # and on the index (n,)
    truth_noise: Floats  # (n,)
    index_noise: Floats  # (n,)
    truth_sd: float
    index_sd: float
    users: float = 1.0  # in each arm

    def calls(self, effect: Floats, noise: Floats, sd: float) -> Floats:
        """1 up, -1 down, 0 flat."""
        estimate = effect + noise / np.sqrt(self.users)
        return np.sign(estimate) * (np.abs(estimate) > Z * sd / np.sqrt(self.users))

    def both(self) -> tuple[Floats, Floats]:
        """Calls by the index and by the truth."""
        return (
            self.calls(self.index, self.index_noise, self.index_sd),
            self.calls(self.truth, self.truth_noise, self.truth_sd),
        )


def tests_of(series: Series) -> Tests:
    """Draw changes and noise, with arms that make GAINS of the truths significant gains."""
    rng = np.random.default_rng(35)
    effects = features(drawn(rng, TESTS * REPEATS)) @ series["surface"]
    covariance, index = 2.0 * series["covariance"], series["index"]
    noise = rng.multivariate_normal(np.zeros(len(covariance)), covariance, TESTS * REPEATS)
    tests = Tests(
        effects[:, -1],
        effects[:, :-1] @ index,
        noise[:, -1],
        noise[:, :-1] @ index,
        float(np.sqrt(covariance[-1, -1])),
        float(np.sqrt(index @ covariance[:-1, :-1] @ index)),
    )
    low, high = np.log(10.0), np.log(1e9)
    for _ in range(60):
        middle = (low + high) / 2
        tests = replace(tests, users=float(np.exp(middle)))
        low, high = (low, middle) if (tests.both()[1] > 0).mean() > GAINS else (middle, high)
    return tests


def read(series: Series) -> dict[str, float]:
    """Agreement, recall and precision over all tests."""
    tests = tests_of(series)
    index, truth = tests.both()
    launched = index > 0
    return {
        "agreement": float((index == truth).mean()),
        "recall": float(launched[truth > 0].mean()),
        "precision": float((truth[launched] > 0).mean()),
        "harmful": float((truth[launched] < 0).mean()),
        "arm": tests.users / 1000,
        "correlation": float(np.corrcoef(tests.index, tests.truth)[0, 1]),
    }


def figure(series: Series, readings: Readings) -> str:
    """Estimated effects of 200 tests on index and truth."""
    tests = tests_of(series)
    x = (tests.index + tests.index_noise / np.sqrt(tests.users))[:TESTS]
    y = (tests.truth + tests.truth_noise / np.sqrt(tests.users))[:TESTS]
    index, truth = (call[:TESTS] for call in tests.both())
    same = index == truth
    return chart(
        f"Index and truth agree in {100 * readings['agreement']:.0f} % of tests.",
        "effect by the index of 14 days [active days]",
        "effect in weeks 8 and 9 [active days]",
        [
            Curve("same inference", x[same], y[same], points=True, colour=0),
            Curve("another", x[~same], y[~same], points=True, colour=1),
        ],
    )
