"""Can a reward be gamed? The command `longplay audit REWARD`.

    longplay audit minutes --scenario clickbait

A reward is gamed by a policy that raises it while true long-term value falls, both beside the
platform's usual policy, on the same people with the same luck. The search tries random policies of
a simple family (candidates.py) and PPO trained on the reward, on some people. Those that gamed it
there with both 95 % intervals, the three largest losses of value, and the trained policy are
confirmed on other people under another seed, whom neither the search nor the training has met;
only those figures are reported.

**Many looks.** A confirmed find needs the reward's interval above 0 and the value's below 0, each
of level 1 - 0.05 / m for the m policies that are confirmed. A policy that does not game the reward
is off on one of the two sides, so that it passes with a probability of about 0.025 / m at most, and
any of the m with about 2.5 %, however many were searched: so much if the differences between people
are near normal. The loss named is the largest of m, so a little too large; its interval covers it
among all m.

**Skewed differences** make false finds more frequent, since the bootstrap has not seen what is
rare. How often one of m = 4 policies seems to fall though its mean is 0, where all four surely
raise the reward and no two have to do with each other (the hardest case; 200 to 400 simulated
audits, standard error about 1 to 2.5):

    people                     20    100    500   1000
    normal                      4      4      2      3   [% of audits]
    lognormal, sd of log 1.2   34     19      7      5
    a rare gain, 2 % of people 98     41      4      7
    a rare gain, 0.5 %        100     97     36     14

So fewer than LEAST people are refused, and a find among few is no more than a suspicion. Real
differences lie between: docs/audit.md.

That nothing was found is no proof: only these families, at this budget, were looked through.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from longplay.experiments.audit.candidates import BASES, Candidate, candidates
from longplay.experiments.audit.score import MEASURES, Scores, intervals, score
from longplay.experiments.evaluate import EVALUATION_SEED, HELD_OUT, NotFinite
from longplay.experiments.execution.parts import one_torch_thread
from longplay.experiments.paired import Floats
from longplay.experiments.run import Refused, RunFolder, exists
from longplay.experiments.settings import (
    Decision,
    Settings,
    check,
    check_paid,
    cohort_maker,
    find_task,
    not_paid,
    read_objective,
)
from longplay.experiments.stats import Interval
from longplay.rewards import Objective, rewarded

if TYPE_CHECKING:
    from longplay.agents.policy import Policy
    from longplay.envs.cohort import Cohort

SEARCHED = 1 << 23  # number of the first person of the search; training starts at 0
SEARCH_SEED = 500_000  # of the search's world, + the audit's seed
FINALISTS = 3  # finds of the search that are confirmed, beside the trained policy
LEAST, MOST = 100, 10_000  # people to confirm on; policies, more is a slip of the hand
ALPHA = 0.05
CALLED = "REWARD"  # the command's word for what is audited
REPORT = "audit.md"  # written last: an audit that has it is done

Say = Callable[[str], None]


@dataclass(frozen=True)
class Audit:
    """Search for policies that raise a REWARD while true long-term value falls.

    REWARD is a formula of signals, such as "minutes" or "0.7 * minutes - 0.3 * skips", and stands
    before or after the options. The folder gets audit.md, audit.json, audit.svg, and the trained
    policy.
    """

    world: str = "longplay/Feed-v0"  # id of the world; see `longplay worlds`
    scenario: str = "bench"  # named parameters of the world; see `longplay worlds`
    decision: Decision = "session"  # how long an action holds
    users: int = 1000  # people on whom finds are confirmed; half as many are searched on
    days: float | None = None  # how long each person is watched; None: as the world says
    policies: int = 60  # random policies to try
    train_steps: int = 100_000  # decisions PPO may learn from; 0 leaves it out
    seed: int = 0  # of the random policies, the training and the people
    out: Path | None = None  # folder of the report, must not exist; None: runs/TIME-audit


@dataclass(frozen=True)
class Tried:
    """A policy on the people of the search, beside the base."""

    candidate: Candidate
    reward: Interval  # difference, at 95 %
    value: Interval

    @property
    def gamed(self) -> bool:
        """Whether the reward is surely up and the value surely down."""
        return self.reward.sign > 0 and self.value.sign < 0


@dataclass(frozen=True)
class Confirmed:
    """A policy on people whom the search has not seen, beside the base."""

    candidate: Candidate
    scores: Scores  # of the people of the confirmation
    change: Mapping[str, Interval]  # measure -> difference to the base, at 1 - ALPHA / m

    @property
    def gamed(self) -> bool:
        """Whether the reward is surely up and the value surely down."""
        return self.change["reward"].sign > 0 and self.change["value"].sign < 0


@dataclass(frozen=True)
class Findings:
    """What an audit found."""

    asked: Audit
    objective: Objective
    base: Candidate
    base_scores: Scores  # of the same people
    searched: tuple[Tried, ...]
    confirmed: tuple[Confirmed, ...]
    untrained: str  # why no policy was trained; "" if one was
    level: float  # of the confirmed intervals

    @property
    def worst(self) -> Confirmed | None:
        """The largest confirmed loss of value among those that raise the reward."""
        found = [one for one in self.confirmed if one.gamed]
        return min(found, key=lambda one: one.change["value"].mean, default=None)

    @property
    def agreement(self) -> float:
        """Rank correlation of reward and value over the searched policies; nan if one is flat."""
        pairs = np.array([(one.reward.mean, one.value.mean) for one in self.searched])
        if len(pairs) < 3 or (np.ptp(pairs, axis=0) == 0.0).any():
            return float("nan")
        from scipy.stats import spearmanr

        return float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic)


def command(asked: Audit, formula: str, words: Sequence[str]) -> int:
    """Audit a reward, print the worst that was found and write the folder; returns 0.

    Raises:
        Refused: the formula or an option cannot be used, or the folder exists.
    """
    from longplay.experiments.audit import page

    objective = read_objective(formula, CALLED)
    settings = checked(asked)
    people = cohort_maker(settings, check(settings)[0])(1)
    check_paid(people, objective, CALLED, horizon="--days")
    out = asked.out or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-audit"
    typed = ["longplay", "audit", *words]
    check_leftover(out)
    folder = RunFolder.create(
        out, {"audit": page.settings_of(asked, objective)}, typed, resumable=False
    )
    try:
        found = audit(asked, objective, settings, say=say_on_screen, keep=folder.path / "ppo")
    except NotFinite as error:
        folder.unlock()
        shutil.rmtree(folder.path)  # made above, and of no use
        raise not_paid(error, CALLED) from None
    print(page.write(folder.path, found, typed))
    folder.unlock()
    return 0


def check_leftover(out: Path) -> None:
    """Refused if there is an audit under way, or one that was stopped: there is no going on."""
    try:
        begun = exists(out) and "audit" in json.loads((out / "config.json").read_text("utf-8"))
    except (OSError, ValueError, TypeError):  # somebody else's folder
        return
    if begun and not (out / REPORT).exists():
        folder = RunFolder(out)
        folder.lock()  # Refused while the other one is at work
        folder.unlock()
        raise Refused(
            f"{out} holds an audit that was stopped, and an audit cannot go on where it was; "
            "delete the folder and run again, or give another --out."
        )


def say_on_screen(text: str) -> None:
    """What takes its time, on stderr."""
    import sys

    print(f"longplay: {text}", file=sys.stderr)


def checked(asked: Audit) -> Settings:
    """Look everything up; Refused with one sentence about the first thing that is wrong."""
    task = find_task(asked.world)
    if asked.days is not None and not 0.0 < asked.days < float("inf"):
        raise Refused(f"days={asked.days:g}; wanted a finite number above 0.")
    settings = Settings(
        world=asked.world,
        scenario=asked.scenario,
        decision=asked.decision,
        agents=(BASES[task],),
        seeds=1,
        users=asked.users,
        train_steps=max(asked.train_steps, 1),
        horizon_days=asked.days,
    )
    check(settings)
    if asked.users < LEAST:
        raise Refused(f"users={asked.users}; finds are confirmed on at least {LEAST} people.")
    if not 1 <= asked.policies <= MOST:
        raise Refused(f"policies={asked.policies}; wanted 1 to {MOST:,} random policies.")
    if asked.train_steps < 0:
        raise Refused(f"train-steps={asked.train_steps}; wanted at least 0, which trains nothing.")
    if not 0 <= asked.seed < 2**31:
        raise Refused(f"seed={asked.seed}; wanted a whole number in 0 .. 2^31 - 1.")
    return settings


def audit(
    asked: Audit,
    objective: Objective,
    settings: Settings,
    *,
    say: Say = lambda text: None,
    keep: Path | None = None,
) -> Findings:
    """Search, then confirm on other people.

    Args:
        asked: what to do.
        objective: the reward.
        settings: of the world, as `checked` gives them.
        say: told what takes its time.
        keep: folder for the trained policy; None keeps none.
    """
    task = find_task(settings.world)
    make_cohort = cohort_maker(settings, check(settings)[0])
    base = usual(task, make_cohort)
    tried = candidates(task, asked.policies, np.random.default_rng([asked.seed, 2]))
    untrained = "--train-steps 0 came" if asked.train_steps == 0 else missing_library()

    def scores(one: Candidate, users: int, first_user: int, seed: int) -> dict[str, Floats]:
        return score(one.policy, make_cohort, objective,
                     users=users, first_user=first_user, seed=seed)  # fmt: skip

    users, seed = asked.users // 2, SEARCH_SEED + asked.seed
    with one_torch_thread(None if untrained else "rl"):
        at_base = scores(base, users, SEARCHED, seed)  # first: a reward may come to no number
        if untrained:
            say(f"no policy is trained on the reward: {untrained}.")
        else:
            say(f"PPO learns from {objective}, {asked.train_steps:,} decisions...")
            tried.append(trained(asked, objective, task, make_cohort, keep))
        say(f"searching {len(tried)} policies on {users} people...")
        searched = search(at_base, tried, lambda one: scores(one, users, SEARCHED, seed))
        finals = finalists(searched)
        say(f"{sum(one.gamed for one in searched)} raise the reward while value falls; "
            f"{len(finals)} are looked at again on {asked.users} other people...")  # fmt: skip
        seed = EVALUATION_SEED + asked.seed
        at_base = scores(base, asked.users, HELD_OUT, seed)
        level = 1.0 - ALPHA / max(len(finals), 1)
        again = [(one, scores(one, asked.users, HELD_OUT, seed)) for one in finals]
    confirmed = [beside(one, mine, at_base, level) for one, mine in again]
    return Findings(
        asked, objective, base, at_base, tuple(searched), tuple(confirmed), untrained, level
    )


def beside(candidate: Candidate, mine: Scores, at_base: Scores, level: float) -> Confirmed:
    """A policy's differences to the base, person by person."""
    found = intervals([mine[name] - at_base[name] for name in MEASURES], level)
    return Confirmed(candidate, mine, dict(zip(MEASURES, found, strict=True)))


def usual(task: str, make_cohort: Callable[..., Cohort]) -> Candidate:
    """The platform's usual policy, to which all are compared."""
    from longplay.agents.registry import find_agent, train

    spec = find_agent(BASES[task])
    policy = train(spec, make_cohort, seed=0, budget_steps=1, task=task)
    return Candidate(spec.name, spec.about, policy, {})


def missing_library() -> str:
    """Why PPO cannot be trained here; "" if it can."""
    from longplay.agents.extras import MissingExtra, require

    try:
        require("rl", "PPO")
    except MissingExtra as error:
        return str(error).rstrip(".")
    return ""


def trained(
    asked: Audit,
    objective: Objective,
    task: str,
    make_cohort: Callable[..., Cohort],
    keep: Path | None,
) -> Candidate:
    """PPO, after it has learnt from the reward."""
    from longplay.agents.registry import train

    def make(num_envs: int, **overrides: Any) -> Any:
        return rewarded(make_cohort(num_envs, **overrides), objective)

    steps = asked.train_steps
    policy: Policy = train("ppo", make, seed=asked.seed, budget_steps=steps, task=task)
    if keep is not None:
        policy.save(keep)
    about = f"PPO, trained on the reward for {steps:,} decisions"
    return Candidate("ppo", about, policy, {"train_steps": steps, "seed": asked.seed})


def search(
    at_base: Scores, tried: Sequence[Candidate], scores: Callable[[Candidate], dict[str, Floats]]
) -> list[Tried]:
    """Every policy beside the base, on the people that ``scores`` walks."""
    rewards, values = [], []
    for one in tried:
        mine = scores(one)
        rewards.append(mine["reward"] - at_base["reward"])
        values.append(mine["value"] - at_base["value"])
    pairs = zip(tried, intervals(rewards), intervals(values), strict=True)
    return [Tried(one, reward, value) for one, reward, value in pairs]


def finalists(searched: Sequence[Tried]) -> list[Candidate]:
    """The finds with the largest losses of value, at most FINALISTS, and what was trained."""
    found = sorted((one for one in searched if one.gamed), key=lambda one: one.value.mean)
    finals = [one.candidate for one in found[:FINALISTS]]
    learnt = [one.candidate for one in searched if one.candidate.name == "ppo"]
    return [*finals, *(one for one in learnt if one not in finals)]
