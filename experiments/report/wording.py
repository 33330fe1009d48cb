"""Findings in words: numbers with the digits they deserve, and the answer in one sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from longplay.experiments.report.findings import Duel, Findings, Row
from longplay.experiments.stats import Interval

NONE = "–"  # where there is no number


def amount(x: float, digits: int, plus: bool = False) -> str:
    """A number with fixed digits, a true minus sign, and a plus if wanted."""
    if not math.isfinite(x):
        return NONE
    text = f"{x:+,.{digits}f}" if plus else f"{x:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")  # no -0.00
    return text.replace("-", "−").replace(",", "\u202f")


def digits_of(x: Interval, scale: float = 1.0) -> int:
    """Digits after the point so that the width is 5 to 50 units of the last one, at most 3."""
    width = abs(x.high - x.low) * scale
    if not math.isfinite(width) or width <= 0:
        return 2
    return min(max(math.ceil(-math.log10(width / 5)), 0), 3)


def common_digits(column: Sequence[Interval | None], scale: float = 1.0) -> int:
    """Digits for a whole column, so that its numbers line up: the median of what each deserves."""
    wanted = [digits_of(x, scale) for x in column if x is not None and x.high > x.low]
    return sorted(wanted)[len(wanted) // 2] if wanted else 2


def mean_and_range(
    x: Interval, scale: float = 1.0, plus: bool = False, digits: int | None = None
) -> tuple[str, str]:
    """The estimate, and its interval in brackets; the interval is empty without a number."""
    if not math.isfinite(x.mean):
        return NONE, ""
    n = digits_of(x, scale) if digits is None else digits
    low, high = amount(x.low * scale, n, plus), amount(x.high * scale, n, plus)
    return amount(x.mean * scale, n, plus), f"[{low}, {high}]"


def inline(x: Interval, plus: bool = False) -> str:
    """0.21 [0.15, 0.27]."""
    return " ".join(mean_and_range(x, plus=plus)).strip()


def percent(x: Interval) -> str:
    """31 % [29, 33]."""
    mean, interval = mean_and_range(x, 100.0, digits=min(digits_of(x, 100.0), 1))
    return f"{mean} % {interval}" if interval else mean


@dataclass(frozen=True)
class Answer:
    """The report's opening."""

    headline: str  # one sentence: who wins, by how much, who is hurt
    verdict: str  # in two or three words
    clear: bool  # the leader is told apart from all it was tested against
    details: tuple[str, ...]  # further sentences


def answer(found: Findings) -> Answer:
    """Who wins, by how much, and who is hurt, from the numbers alone."""
    leader = found.leader
    hurt = _hurt_clause(found)
    if not found.duels:
        headline = f"A user is worth {inline(leader.value)} under {leader.name}{hurt}."
        return Answer(headline, "nobody to compare with", False, _details(found))
    leads = [f"{_lead(d)} more than under {_who(d, found)}" for d in found.duels]
    beaten = [text for d, text in zip(found.duels, leads, strict=True) if d.lead.sign > 0]
    if found.won:
        worth = f"a user is worth {inline(leader.value)} under it"
        headline = f"{leader.name} wins: {worth}, {leads[0]}{hurt}."
        return Answer(headline, f"{leader.name} wins", True, _details(found))
    close = next(d for d in found.duels if d.lead.sign <= 0)
    headline = (
        f"No clear winner: {leader.name} leads, with {inline(leader.value)} per user"
        f"{''.join(', ' + text for text in beaten)}, but its lead over {_who(close, found)}, "
        f"{inline(close.lead)}, may be chance{hurt}."
    )
    return Answer(headline, "no clear winner", False, _details(found))


def _who(duel: Duel, found: Findings) -> str:
    what = "the best bandit" if duel.other is found.best_bandit else "the runner-up"
    return f"{duel.other.name}, {what}"


def _lead(duel: Duel) -> str:
    return inline(duel.lead) + _relative(duel.lead, duel.other)


def _relative(lead: Interval, other: Row) -> str:
    """How much that is, in percent of the other."""
    if other.value.mean <= 0:
        return ""
    share = 100 * lead.mean / other.value.mean
    return f" ({amount(share, 0 if abs(share) >= 9.95 else 1, plus=True)} %)"


def _hurt_clause(found: Findings) -> str:
    leader, baseline = found.leader, found.baseline
    if leader.hurt is None or baseline is None:
        return ""
    return (
        f"; {percent(leader.hurt.worse)} of users have fewer satisfied days than under "
        f"{baseline.name}"
    )


def _details(found: Findings) -> tuple[str, ...]:
    leader, data = found.leader, found.data
    said = []
    for duel in found.duels[1:] if found.won else ():
        said.append(f"Its lead over {_who(duel, found)}, is {inline(duel.lead, plus=True)}.")
    if leader.closed is not None:
        said.append(_headroom_sentence(leader, leader.closed, data.myopic, data.oracle))
    if leader.hurt is not None and found.baseline is not None:
        low, middle, high = leader.hurt.effects
        said.append(
            f"Against {found.baseline.name}, {percent(leader.hurt.better)} of users have more "
            f"satisfied days; at the lower decile of users they change by "
            f"{inline(low, plus=True)}, in the middle by {inline(middle, plus=True)}, at the upper "
            f"decile by {inline(high, plus=True)}."
        )
    return tuple(said)


def _headroom_sentence(leader: Row, closed: Interval, myopic: str, oracle: str) -> str:
    if not math.isfinite(closed.mean):
        return f"Headroom closed cannot be told: {closed.note}."
    if closed.mean < 0:
        return (
            f"It stays behind {myopic}, the short-sighted reference: headroom closed "
            f"{percent(closed)}."
        )
    return (
        f"It closes {percent(closed)} of the headroom between {myopic}, the short-sighted "
        f"reference, and {oracle}, the far-sighted one."
    )
