"""The report's small print: how it was made, what the columns mean, and where it ends."""

from __future__ import annotations

import math
from html import escape

from longplay.experiments.report.findings import Findings
from longplay.experiments.report.wording import amount
from longplay.experiments.stats import DRAWS

WORLDS = {
    "bench": "bench has pronounced trade-offs on purpose, to tell methods apart: its effects are "
    "larger than in life, and its size of gain carries over to no real service",
    "music": "music is fitted to published figures of listening histories (rhythm, session length, "
    "return), not to experiments: what ads and recommendations do to people in it is taken from "
    "the literature or chosen",
}
CODE = ("command", "commit")  # facts set in type-writer letters


def how_made(found: Findings) -> list[tuple[str, str]]:
    """Facts as (label, HTML)."""
    data, panel = found.data, found.panel
    facts = [
        (k, f"<code>{escape(v)}</code>" if k in CODE else escape(v)) for k, v in data.made.items()
    ]
    seeds = ", ".join(str(s) for s in panel.seeds)
    half_life = f"; half of the weight lies in the first {_half(data.gamma_day)} days"
    facts += [
        ("seeds", f"{seeds} (each a training run of its own, judged on people of its own)"),
        ("users", f"{amount(found.users, 0)} in each seed, none of them met in training; every "
                  "agent gets the same people with the same luck"),
        ("horizon", f"each user is watched for {data.horizon_days:g} days"),
        ("discount", f"{data.gamma_day:g} per calendar day"
                     + (half_life if 0 < data.gamma_day < 1 else "")),
        ("cut off", _cut_off(found)),
        ("intervals", escape(_intervals(found))),
    ]  # fmt: skip
    for duel in found.duels:
        if math.isfinite(duel.gain):
            facts.append((
                "pairing",
                f"comparing {escape(found.leader.name)} and {escape(duel.other.name)} on different "
                f"users would need {duel.gain:.1f} times as many for the same precision "
                "(variance independent / paired, within seeds)",
            ))  # fmt: skip
    return facts


def _half(gamma: float) -> str:
    return f"{math.log(0.5) / math.log(gamma):.0f}"


def _cut_off(found: Findings) -> str:
    name, share = found.cut_off
    if math.isnan(share):
        return "unknown: how much value lies beyond the horizon was not estimated"
    return (
        f"an estimated {100 * share:.1f} % of the value lies beyond the horizon, at most "
        f"({escape(name)}), had the last week gone on"
    )


def _intervals(found: Findings) -> str:
    n = len(found.panel.seeds)
    what = (
        f"95 %, hierarchical bootstrap: {amount(DRAWS, 0)} draws of seeds, then of users within "
        "them, the same for all agents; percentiles, stretched to the right variance and to the t "
        f"distribution of {n} seeds"
    )
    if n == 1:
        what = (
            f"95 %, bootstrap: {amount(DRAWS, 0)} draws of users, the same for all agents. One "
            "training seed: the intervals cover users only, and say nothing about how much another "
            "training run would differ"
        )
    if found.data.people:
        what += (
            f". A user here is a group: the mean over one of {amount(found.panel.users, 0)} groups "
            f"of {amount(found.data.people / found.panel.users, 0)} users each, the same people in "
            "it for all agents"
        )
    return what + ". Differences are taken user by user."


def definitions(found: Findings) -> dict[str, str]:
    """Every column of the tables, in words."""
    data = found.data
    terms = {
        "value": f"revenue + {data.day_value:g} × satisfied days: what a user is worth to platform "
        "and user together [money], discounted by calendar",
        "revenue": "what ads bring in, per user [money], discounted",
        "satisfied days": "active days, each times the user's satisfaction at the end of the day's "
        "first session (0 to 1), discounted; hidden from every policy that is not privileged",
        "played": "minutes played per user, discounted",
        "ads per hour": "ads seen per hour played, all users together",
    }
    if found.by_reward:
        terms["reward and its parts"] = (
            f"what learners of this run were paid, {data.reward}: summed over a user's decisions "
            "and discounted by calendar like the value; each part with its weight"
        )
    if any(row.retention for row in found.rows):
        terms["D7, D28, D60"] = (
            "share of users with a session on exactly that day, counted from their first day in "
            "the study; those who left for good count as not active"
        )
    if any(row.closed is not None for row in found.rows):
        terms["headroom closed"] = (
            f"(J − J of {data.myopic}) / (J of {data.oracle} − J of {data.myopic}), J the mean "
            f"value: 0 % is {data.myopic}, 100 % is {data.oracle}; below 0 and above 100 happen"
        )
        if data.stored is not None:
            terms["headroom closed"] += (
                "; both are references stored for this world, on the same people with the same "
                f"luck, made by {data.stored.made_by}"
            )
    if found.best_bandit is not None:
        terms[f"against {found.best_bandit.name}"] = (
            "value minus that of the best bandit, user by user; better or worse when the 95 % "
            "interval leaves out 0"
        )
    if found.baseline is not None:
        terms["worse off, better off"] = (
            f"share of users with fewer, or more, satisfied days than the same user has under "
            f"{found.baseline.name}; the rest have exactly as many"
        )
        terms["lower decile"] = "a tenth of users have at most this many satisfied days"
    return terms


def limits(found: Findings) -> list[str]:
    """What the numbers do not say."""
    data = found.data
    world = WORLDS.get(data.world, f"the scenario is {data.world}")
    said = [
        f"The people are simulated: {world}. No number here was measured on people.",
        f"The exchange rate, {data.day_value:g} money per satisfied day, is a free choice"
        + _turning(found),
    ]
    n = len(found.panel.seeds)
    if n == 1:
        said.append("One training seed: another run may train another policy. Use three or more.")
    elif n == 2:
        said.append(
            "Two training seeds: how far runs differ is hardly known from two, so the intervals "
            "must be several times as wide as with three. Use three or more."
        )
    elif n < 5:
        said.append(
            f"{n} training seeds: where runs differ, the intervals are wide because {n} is few, "
            "and more seeds would narrow them faster than more users."
        )
    if found.duels:
        said.append(
            "The leader and the best bandit were picked by the numbers that they are then tested "
            "on, and tests are not corrected for their number: with many agents of like value, "
            "repeat the close ones on fresh seeds."
        )
    if found.baseline is not None:
        said.append(
            "Worse off means fewer satisfied days in this one life. Even two policies of equal "
            "merit make about half of the users worse off, by chance; look at the quantile effects "
            "for groups that lose."
        )
    if data.people:
        said.append(
            f"With {amount(data.people, 0)} users, sums over groups are kept and not each user's: "
            "who is better or worse off is not told. Quantiles over users are in "
            "quantiles.parquet, within 0.8 %."
        )
    said += list(data.limits)
    return said


def _turning(found: Findings) -> str:
    """Where the order of the first two would turn, if the exchange rate were another."""
    parts = [
        f"at {duel.turning_rate:.3g} {found.leader.name} and {duel.other.name} would be even"
        for duel in found.duels
        if math.isfinite(duel.turning_rate)
    ]
    if parts:
        return f"; with the same policies, {' and '.join(parts)}."
    if found.duels:
        return "; the leader would lead at any rate, with the same policies."
    return "."
