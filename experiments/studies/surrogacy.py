"""How far are surrogates fooled if ads lead to churn by a path that no early signal shows?

    python -m longplay.experiments.studies.surrogacy --out docs    (90 s of one core, seed 1)

An A/B test: two ads in every session in place of every fifth. Truth is the change in a user's
active days of 60, of the same people with the same luck. Each surrogate looks at 7 or 14 days, and
is fitted to 60 days of other people who live as the control does:

- plain proxies: minutes, active days, and minus the mean time away of a session;
- surrogate indices of active days by seven signals (minutes, active days, sessions, plays, skips,
  likes, returns within a day), ridge and boosted;
- the progressive filter: active days expected from the trace so far;
- minus RLUR's normalised return time, mean of a session; also with averages of ads, minutes, skips
  and likes among what the normalisation knows of a user (ads in x);
- indices with ads seen among their signals (ads counted), fitted to a log in which each user's ads
  were drawn at random.

Two worlds, alike in the control: in `seen`, ads tire, end sessions and spoil satisfaction, which
shows at once; in `hidden`, a memory of more than 3.2 ads an hour adds to churn, too. That memory
takes weeks to fill, so that the first fortnight is nearly the same in both.

Every effect is in percent of the control, and *told* is a surrogate's effect over the true one.
*Wrong* and *found* are what a test of 5000 other people in each arm would say: the probability that
the surrogate's effect has the wrong sign, and that it is significant at 5 % with the right one.

Last seen: the truth is -6.8 % in `seen` and -18.3 % in `hidden`. The indices of
14 days tell 0.95 (ridge) and 1.00 (boosted) of it in `seen`, and 0.36 and 0.39 in `hidden`; the
filter 0.86 and 0.33; active days 0.83 and 0.32; RLUR's return time 0.17 and 0.06. With ads counted
the indices tell 0.63 and 0.72 in `hidden`. The one wrong sign is that of RLUR with ads in x.
Minutes, three times too harsh in `seen`, look right in `hidden` by accident.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longplay.envs.cohort import Cohort
from longplay.envs.laws.churn import Churn
from longplay.envs.scenarios import World, find_world
from longplay.envs.spaces import USER_FEATURES
from longplay.experiments.boosting import Boosting
from longplay.experiments.facts.lab import mixture
from longplay.experiments.facts.picture import standing
from longplay.experiments.report.svg import Canvas, Scale
from longplay.experiments.stats import Bootstrap, Interval
from longplay.experiments.surrogates import calibration_figure
from longplay.rewards import (
    ActiveDay,
    AdViews,
    Ended,
    Gap,
    Likes,
    Minutes,
    Objective,
    Plays,
    Returned1d,
    Skips,
    Step,
    record,
)
from longplay.rewards.belief import TraceBelief, traces_of
from longplay.rewards.models import Learner, ridge
from longplay.rewards.rlur import ReturnTime
from longplay.rewards.surrogates import SurrogateIndex, early_sums

Floats = npt.NDArray[np.float64]
DAYS = 60
WINDOWS = (7, 14)  # [day]
USUAL, MORE = 0.2, 1.0  # share of sessions with two ads
ONE, TWO = (8,), (3, 7)  # ad positions of other sessions, and of those
LIMIT = 3.2  # remembered ads per hour that are put up with; free choice, above all of the control
HARM = 0.3  # churn probability per renewal period, an ad per hour beyond; free choice
SIGNALS = (Minutes(), ActiveDay(), Ended(), Plays(), Skips(), Likes(), Returned1d())
LEARNERS: dict[str, Learner] = {"ridge": ridge(), "boosted": Boosting()}
ARM = 5_000  # people in each arm of a test
OTHERS = 1_000_000  # number of the first person whom surrogates are fitted to
BATCH = 1_000  # people simulated at a time


@dataclass(frozen=True)
class Settings:
    """Sizes of the study."""

    people: int = 4000  # who live under both policies
    logged: int = 3000  # whom surrogates are fitted to
    seed: int = 1


def p_gone(
    propensity: float,
    satisfaction: float,
    habit: float,
    ad_memory: float,
    aversion: float,
    days: float,
    p: Churn,
) -> float:
    """The law of churn, and b_A per remembered ad per hour beyond LIMIT added to p_u exp(...)."""
    exponent = -p.satisfaction * satisfaction - p.habit * habit
    fed_up = p.ads * max(0.0, ad_memory - LIMIT)
    per_period = min(0.999, propensity * math.exp(exponent) + fed_up)
    return 1.0 - math.exp(days / p.period * math.log(1.0 - per_period))


def worlds() -> dict[str, World]:
    """`seen` and `hidden`."""
    seen = find_world("bench").replace(
        "seen",
        ads={"memory": 0.03},
        returning={"ads": 0.0},
        churn={"ads": 0.0, "satisfaction": 0.0},
        satisfaction={"ads": 0.03, "kappa": 0.2},
    )
    hidden = seen.replace("hidden", churn={"ads": HARM}).with_laws("hidden", p_gone=p_gone)
    return {"seen": seen, "hidden": hidden}


def live(world: World, people: int, first: int, seed: int, share: float | None) -> Step:
    """A log of people with two ads in a share of their sessions; None draws each user's share."""
    cohort = Cohort(
        "AdLoad",
        people,
        scenario=world,
        decision="session",
        autoreset_mode="DISABLED",
        horizon_days=float(DAYS),
        first_user=first,
        threads=1,
        copy=False,
    )
    drawn = np.random.default_rng(first).random(people) if share is None else share
    choose = mixture(ONE, TWO, drawn)
    return record(cohort, lambda obs: choose(cohort), seed=seed, parts=("state",))


# A surrogate maps a log to two columns, (users, 2), whose ratio of means it tells: a number of each
# user over 1, or a sum over how many it is of.
Surrogate = Callable[[Step], Floats]


def mean_of(objective: Objective, days: float) -> Surrogate:
    """The sum of an objective over a user's first days."""

    def told(log: Step) -> Floats:
        _, sums = early_sums(log, [objective], days)
        return np.column_stack([sums, np.ones(len(sums))])

    return told


def index_of(index: SurrogateIndex) -> Surrogate:
    """The index of a user."""

    def told(log: Step) -> Floats:
        _, worth = index.score(log)
        return np.column_stack([worth, np.ones(len(worth))])

    return told


def filtered(belief: TraceBelief, days: int) -> Surrogate:
    """Active days expected from a user's first days."""

    def told(log: Step) -> Floats:
        _, traces = traces_of(log, DAYS)
        worth = belief.expected(traces, np.full(len(traces), days))
        return np.column_stack([worth, np.ones(len(worth))])

    return told


def away_of(cost: Objective, days: float) -> Surrogate:
    """Minus the mean of a cost over sessions in a user's first days."""

    def told(log: Step) -> Floats:
        _, sums = early_sums(log, [cost, Ended()], days)
        return np.column_stack([-sums[:, 0], sums[:, 1]])

    return told


def surrogates(log: Step, at_random: Step) -> tuple[dict[str, Surrogate], dict[str, Any]]:
    """All surrogates by name, fitted to logs; the report of the ridge of 14 days."""
    found: dict[str, Surrogate] = {}
    reports = {}
    belief = TraceBelief.of_users(traces_of(log, DAYS)[1])
    cost = ReturnTime.fit(log)
    all_in = ReturnTime.fit(log, features=USER_FEATURES[:16])
    for days in WINDOWS:
        found[f"minutes, {days} days"] = mean_of(Minutes(), days)
        found[f"active days, {days} days"] = mean_of(ActiveDay(), days)
        found[f"time away, {days} days"] = away_of(Gap(cap_days=days), days)
        found[f"return time of RLUR, {days} days"] = away_of(cost, days)
        found[f"progressive filter, {days} days"] = filtered(belief, days)
        for kind, learner in LEARNERS.items():
            index = SurrogateIndex.fit(
                log, SIGNALS, ActiveDay(), days=days, horizon_days=DAYS, learner=learner
            )
            reports[f"{kind} {days}"] = index.report
            found[f"index, {kind}, {days} days"] = index_of(index)
    found["return time of RLUR, 14 days, ads in x"] = away_of(all_in, 14)
    for kind, learner in LEARNERS.items():
        index = SurrogateIndex.fit(
            at_random,
            (*SIGNALS, AdViews()),
            ActiveDay(),
            days=14,
            horizon_days=DAYS,
            learner=learner,
        )
        found[f"index, {kind}, 14 days, ads counted"] = index_of(index)
    return found, reports


def columns(
    world: World, settings: Settings, told: Mapping[str, Surrogate], share: float
) -> dict[str, Floats]:
    """What each surrogate, and the truth, say of people under a share of ads: (users, 2) each."""
    asked = {"truth": mean_of(ActiveDay(), DAYS), **told}
    parts: dict[str, list[Floats]] = {name: [] for name in asked}
    for first in range(0, settings.people, BATCH):
        log = live(world, min(BATCH, settings.people - first), first, settings.seed, share)
        for name, surrogate in asked.items():
            parts[name].append(surrogate(log))
    return {name: np.concatenate(part) for name, part in parts.items()}


@dataclass(frozen=True)
class Told:
    """What one surrogate says of the treatment."""

    effect: Interval  # [% of the control]
    told: Interval  # over the true effect [1]
    wrong: float  # probability of the wrong sign, arms of ARM people [1]
    found: float  # probability of the right sign, significant at 5 % [1]


def judged(control: Mapping[str, Floats], treated: Mapping[str, Floats]) -> dict[str, Told]:
    """Every surrogate beside the truth, on the same people."""
    names, users = list(control), len(control["truth"])
    stacked = np.concatenate([both[name].T for name in names for both in (control, treated)])
    boot = Bootstrap(1, users, np.random.default_rng(60))
    draws = boot.means(stacked[:, None, :]).of(percent)
    effects = boot.intervals(draws)
    ratios = boot.intervals(draws.of(lambda m: m / m[..., :1]))
    sign = math.copysign(1.0, effects[0].mean)
    found = {}
    for name, effect, ratio in zip(names, effects, ratios, strict=True):
        noise = math.hypot(relative_sd(control[name]), relative_sd(treated[name]))
        z = sign * effect.mean / (100.0 * noise / math.sqrt(ARM))
        found[name] = Told(effect, ratio, below(-z), below(z - 1.959964))
    return found


def percent(means: Floats) -> Floats:
    """Effects [% of the control] from means (..., 4 k): control's two columns, treatment's two."""
    usual, of, more, of_more = (means[..., i::4] for i in range(4))
    effects: Floats = 100.0 * (more / of_more - usual / of) / np.abs(usual / of)
    return effects


def relative_sd(column: Floats) -> float:
    """The standard deviation of a user's part in a ratio of means, over that ratio."""
    a, b = column.mean(axis=0)
    return float((column[:, 0] / a - column[:, 1] / b).std(ddof=1))


def below(z: float) -> float:
    """The normal distribution function."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def study(settings: Settings) -> tuple[dict[str, dict[str, Told]], dict[str, Any]]:
    """What is told in each world, and how well the ridge of 14 days is calibrated."""
    found, report = {}, {}
    for name, world in worlds().items():
        log, at_random = (
            live(world, settings.logged, OTHERS, settings.seed, share) for share in (USUAL, None)
        )
        told, reports = surrogates(log, at_random)
        del log, at_random
        usual, more = (columns(world, settings, told, share) for share in (USUAL, MORE))
        found[name] = judged(usual, more)
        report = reports
    return found, report


def figure(found: Mapping[str, Mapping[str, Told]]) -> str:
    """The share of the true effect that each surrogate tells, by world: a line a surrogate."""
    names = [name for name in found["seen"] if name != "truth"]
    left, right, top, line = 268.0, 622.0, 44.0, 25.0
    bottom = top + line * len(names)
    canvas = Canvas(640.0, bottom + 52.0)
    ends = [
        x for told in found.values() for row in told.values() for x in (row.told.low, row.told.high)
    ]
    across = Scale.around([0.0, *ends], left, right)
    canvas.x_axis(across, bottom, "told effect over true effect", top)
    canvas.line((across(1.0), top), (across(1.0), bottom), "axis")
    canvas.text((across(1.0), top - 6), "the truth", "tick", "middle")
    for at, name in enumerate(names):
        y = top + line * (at + 0.5)
        canvas.text((0.0, y + 4), name)
        for number, told in enumerate(found.values()):
            row, height = told[name].told, y + 4.5 * (2 * number - 1)
            canvas.path([(across(row.low), height), (across(row.high), height)], f"c{number}")
            canvas.marker((across(row.mean), height), "point", f"c{number}", str(row), 3.6)
    for number, name in enumerate(found):
        canvas.marker((right - 130 + 75 * number, 14), "point", f"c{number}", size=3.6)
        canvas.text((right - 122 + 75 * number, 18), name)
    return standing(
        canvas,
        "What surrogates tell of an effect of ads, in a world in which ads show at once and in one "
        "in which they also lead to churn later.",
    )


def page(
    found: Mapping[str, Mapping[str, Told]], reports: Mapping[str, Any], size: Settings
) -> str:
    """The table, as Markdown."""
    fit = ", ".join(
        f"{name} days {r['r2']:.2f} [{r['low']:.2f}, {r['high']:.2f}]"
        for name, r in reports.items()
    )
    lines = [
        "# How far are surrogates fooled?",
        "",
        "Made by `python -m longplay.experiments.studies.surrogacy --out docs`. Do not edit by "
        "hand.",
        "",
        (__doc__ or "").partition("\n\n")[2].partition("\n\n")[2].strip(),
        "",
        f"{size.people} people live under both policies, {size.logged} others were logged, "
        f"seed {size.seed}. Intervals cover 95 %, over the people tested, not over those a "
        f"surrogate was fitted to. Out-of-fold R2 of indices: {fit}.",
        "",
        "![Told over true effect, by surrogate and world](surrogacy.svg)",
        "",
        "![Calibration of the index](surrogacy-calibration.svg)",
    ]
    for world, told in found.items():
        lines += [
            "",
            f"## `{world}`",
            "",
            "| | surrogate | effect [%] | told [1] | wrong | found |",
            "|---:|---|---:|---:|---:|---:|",
        ]
        for at, (name, row) in enumerate(told.items()):
            lines.append(
                f"| {at or ''} | {name} | {spoken(row.effect)} | {spoken(row.told) if at else '1'} "
                f"| {row.wrong:.2f} | {row.found:.2f} |"
            )
    return "\n".join(lines) + "\n"


def spoken(x: Interval) -> str:
    """-1.20 [-1.50, -0.90]."""
    return f"{x.mean:.2f} [{x.low:.2f}, {x.high:.2f}]"


def main() -> None:
    """Run the study; write its page and figures."""
    asked = argparse.ArgumentParser(description="How far are surrogates fooled?")
    asked.add_argument("--out", type=Path, required=True, help="folder of the page and figures")
    asked.add_argument("--people", type=int, default=Settings.people)
    asked.add_argument("--logged", type=int, default=Settings.logged)
    given = asked.parse_args()
    settings = Settings(given.people, given.logged)
    found, reports = study(settings)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "surrogacy.svg").write_text(figure(found), encoding="utf-8")
    calibration = calibration_figure(reports["ridge 14"], "active days of 60")
    (given.out / "surrogacy-calibration.svg").write_text(calibration, encoding="utf-8")
    (given.out / "surrogacy.md").write_text(page(found, reports, settings), encoding="utf-8")


if __name__ == "__main__":
    main()
