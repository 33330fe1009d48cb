"""F19: what is consumed again was consumed of late, and its gaps lengthen before it is dropped.

Recency is the strongest predictor of what is consumed again: its weight falls with the lag as a
power law with exponential cut-off (Anderson, Kumar, Tomkins, Vassilvitskii, WWW 2014,
https://studylib.net/doc/18144049/the-dynamics-of-repeat-consumption [L]). Repeats are 15 to 59 %
of consumption, and gaps grow before an item is abandoned (Benson, Kumar, Tomkins, WWW 2016,
https://fdocuments.net/document/modeling-user-consumption-arbpaperssequences-modeling-user-
consumption-sequences.html [L]).

Simulated: logs of what people listened to beyond the skip limit, without ads. Of an item last heard
d listens ago the chance to be the next one is counted at each lag; a power law with cut-off and an
exponential are fitted to it on half of the people, and their likelihoods compared on the other
half. For a repeat that happened, all items heard before are ordered by recency and by how often
they were heard: the share of them that lies behind the one chosen, 1/2 if the order tells nothing.
Items heard at least LEAST times and then no more for QUIET listens are abandoned: their last gap
beside the median of the gaps before.

Departures. That offers repeat by a power law of the lag is the law of repeats, its form set to
this source. Yet at lags of a few listens the chance rises: a slate of ten is laid out at once, and
what is heard in it comes back in a later one at the soonest. So the exponent misses, and `form`
gains by the rise; counted from when a slate was laid out the chance falls from lag 1 on. The
`later` numbers leave out the lags within a slate. People of this world remember their last 64
listens: nothing comes back from beyond that but by chance, and the curves are fitted up to there.
No boredom of single items is planted, so longer last gaps are what a falling chance to come back
leaves behind (as Benson et al. warn).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs.state import PAST, SLATE
from longplay.experiments.facts.fact import Check, Fact, Floats, Readings, Series
from longplay.experiments.facts.lab import Lab
from longplay.experiments.facts.picture import Curve, chart

LAGS = np.arange(1.0, PAST + 1.0)  # [listens]
LEAST = 4  # listens of an item whose gaps are looked at; free choice
QUIET = 2 * PAST  # listens without it after which it counts as abandoned; free choice
ASKED = 40  # repeats of each person whose predictors are compared

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    people: int
    days: float = 60.0


SETTINGS = {"full": Settings(250), "quick": Settings(40)}
FACT = Fact(
    id="F19",
    title="What is consumed again was consumed of late, and gaps lengthen before the end",
    source="Anderson et al., WWW 2014, https://studylib.net/doc/18144049/the-dynamics-of-repeat-"
    "consumption; Benson, Kumar, Tomkins, WWW 2016",
    mark="[L]",
    expected="power law with cut-off beats exponential; 15 to 59 % repeats; last gap above median",
    tier="report",
    origin="fitted",
    checks=(
        Check("form", "log-likelihood, power law less exponential, per 1000 repeats", low=0.0),
        Check("exponent", "of the power law, above 0 if recent is likelier [1]", low=0.0),
        Check("share", "of listens that are repeats [1]", 0.15, 0.59),
        Check(
            "last_gap",
            "last gap before abandonment over the median before, geometric mean [1]",
            low=1.0,
        ),
        Check("recency", "share of known items that are less recent than the one chosen [1]"),
        Check("predictor", "that share by recency less that by frequency [1]", low=0.0),
        Check("form_later", "`form` at lags beyond a slate"),
        Check("exponent_later", "`exponent` at lags beyond a slate [1]"),
    ),
)


class Listens(NamedTuple):
    """Listens of all people, each one's own in the order of time, one person after the other."""

    person: Ints  # (n,)
    number: Ints  # of the listen among the person's own, from 0 (n,)
    of: Ints  # how many the person has in all (n,)
    thing: Ints  # (n,)


def ordered(person: Ints, thing: Ints) -> Listens:
    """Listens (n,) in the order of time, put one person after the other."""
    order = np.argsort(person, kind="stable")
    person, thing = person[order], thing[order]
    many = np.bincount(person)
    first = np.cumsum(many) - many
    return Listens(person, np.arange(len(person)) - first[person], many[person], thing)


def next_of(listens: Listens) -> Ints:
    """The number of the next listen to the same thing by the same person, -1 for none (n,)."""
    order = np.lexsort((listens.number, listens.thing, listens.person))
    person, thing = listens.person[order], listens.thing[order]
    same = (person[1:] == person[:-1]) & (thing[1:] == thing[:-1])
    following = np.full(len(order), -1)
    following[order[:-1][same]] = listens.number[order[1:][same]]
    return following


def by_lag(listens: Listens, among: npt.NDArray[np.bool_]) -> Floats:
    """Repeats at each lag, and chances for one: (2, lags), of the listens ``among`` (n,)."""
    following = next_of(listens)[among]
    number, of = listens.number[among], listens.of[among]
    comes_back = following >= 0
    waited = np.where(comes_back, following, of - 1) - number  # lags at which it could come back
    end = PAST + 1
    repeats = np.bincount(np.minimum(waited[comes_back], end), minlength=end + 1)
    chances = np.cumsum(np.bincount(np.minimum(waited, end), minlength=end + 1)[::-1])[::-1]
    return np.stack([repeats, chances])[:, 1:end].astype(np.float64)


def fitted(counts: Floats, terms: Floats) -> Floats:
    """Weights of ``terms`` (lags, k) in log(repeats / chances), Poisson likelihood, by Newton."""
    repeats, chances = counts
    weights = np.zeros(terms.shape[1])
    weights[0] = np.log(repeats.sum() / chances.sum())
    for _ in range(50):
        expected = chances * np.exp(terms @ weights)
        step = np.linalg.solve(
            (terms * expected[:, None]).T @ terms, terms.T @ (repeats - expected)
        )
        weights += step
        if np.abs(step).max() < 1e-10:
            break
    return weights


def log_likelihood(counts: Floats, terms: Floats, weights: Floats) -> float:
    """Poisson log-likelihood of the repeats, up to what depends on the data alone."""
    repeats, chances = counts
    level = terms @ weights
    return float((repeats * level - chances * np.exp(level)).sum())


def gain_and_exponent(halves: Floats, first: int) -> tuple[float, float]:
    """Of a power law with cut-off, from lag ``first`` on, given (2, 2, lags) by half of the people.

    Log-likelihood gained on an exponential per 1000 repeats, each fitted on one half for the
    other; and the exponent, fitted on both.
    """
    halves = halves[:, :, first - 1 :]
    lags = LAGS[first - 1 :]
    plain = np.column_stack([np.ones(len(lags)), -lags])
    power = np.column_stack([plain, -np.log(lags)])
    gain = 0.0
    for learn, test in (halves, halves[::-1]):
        gain += log_likelihood(test, power, fitted(learn, power))
        gain -= log_likelihood(test, plain, fitted(learn, plain))
    return 1000.0 * gain / float(halves[:, 0].sum()), float(fitted(halves.sum(axis=0), power)[2])


def last_gaps(listens: Listens) -> Floats:
    """Last gap over the median of those before it, of each abandoned item."""
    order = np.lexsort((listens.number, listens.thing, listens.person))
    person, thing = listens.person[order], listens.thing[order]
    new = np.ones(len(order), bool)
    new[1:] = (person[1:] != person[:-1]) | (thing[1:] != thing[:-1])
    starts = np.flatnonzero(new)
    many = np.diff(np.r_[starts, len(order)])
    last = order[starts + many - 1]
    quiet = listens.of[last] - 1 - listens.number[last] >= QUIET
    ratios = []
    for start, count in zip(starts[quiet], many[quiet], strict=True):
        if count >= LEAST:
            gaps = np.diff(listens.number[order[start : start + count]])
            ratios.append(gaps[-1] / np.median(gaps[:-1]))
    return np.array(ratios)


def told_by(things: Ints, asked: Ints) -> Floats:
    """Share of the items known that lie behind the one chosen, by recency and frequency: (2,).

    ``things`` (n,) in the order of time, ``asked`` the places in it of repeats; ties count half.
    """
    found = np.zeros(2)
    for at in asked:
        known, last, often = np.unique(things[:at][::-1], return_index=True, return_counts=True)
        chosen = np.searchsorted(known, things[at])
        others = max(len(known) - 1, 1)
        found[0] += (last > last[chosen]).sum() / others
        ties = (often == often[chosen]).sum() - 1
        found[1] += ((often < often[chosen]).sum() + 0.5 * ties) / others
    return found / max(len(asked), 1)


def listened(lab: Lab, people: range, settings: Settings, seed: int) -> Listens:
    """Some people's listens beyond the skip limit; the first of them is person 0."""
    cohort = lab.cohort(len(people), 1, settings.days, seed, decision="fetch", first=people.start)
    no_ads = np.zeros(len(people), np.int64)
    persons, things = [], []
    while not cohort.over.all():
        cohort.step(no_ads)
        slots = cohort.slots[cohort.outcomes["fetches"] > 0]
        lanes = np.flatnonzero(cohort.outcomes["fetches"] > 0)
        heard = (slots["played"] == 1) & (slots["skipped"] == 0) & (slots["shows"] >= 0)
        persons.append(np.repeat(lanes, heard.sum(axis=1)))
        things.append(slots["shows"][heard].astype(np.int64))
        lab.told(float(cohort.over.mean()))
    return ordered(np.concatenate(persons), np.concatenate(things))


def repeats_of(listens: Listens) -> npt.NDArray[np.bool_]:
    """Which listens are to something the person has listened to before (n,)."""
    following = next_of(listens)
    back = np.flatnonzero(following >= 0)
    repeat = np.zeros(len(following), bool)
    repeat[back + following[back] - listens.number[back]] = True
    return repeat


def orders_of(listens: Listens, repeat: npt.NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """`told_by` of each person with a repeat, at ASKED of them at random: (people, 2)."""
    orders = []
    for start in np.flatnonzero(listens.number == 0):
        own = slice(start, start + listens.of[start])
        places = np.flatnonzero(repeat[own])
        if len(places):
            asked = rng.choice(places, min(ASKED, len(places)), replace=False)
            orders.append(told_by(listens.thing[own], asked))
    return np.array(orders).reshape(-1, 2)


def measure(lab: Lab, settings: Settings, seed: int) -> dict[str, Floats]:
    """Repeats and chances by half of the people and lag, (2, 2, lags), and the other numbers."""
    sums = lab.sums(live, settings.people, settings, seed)
    return {
        "halves": sums["halves"],
        "share": sums["repeats"] / sums["listens"],
        "last_gap": np.exp(sums["log_gaps"] / sums["abandoned"]),
        "orders": sums["orders"] / sums["repeaters"],
    }


def live(lab: Lab, people: range, settings: Settings, seed: int) -> dict[str, Any]:
    """Counts and sums of some people's listens; even and odd people are the halves."""
    listens = listened(lab, people, settings, seed)
    repeat = repeats_of(listens)
    half = (people.start + listens.person) % 2
    log_gaps = np.log(last_gaps(listens))
    orders = orders_of(listens, repeat, np.random.default_rng((seed, people.start)))
    return {
        "halves": np.stack([by_lag(listens, half == one) for one in (0, 1)]),
        "listens": len(repeat),
        "repeats": repeat.sum(),
        "abandoned": len(log_gaps),
        "log_gaps": log_gaps.sum(),
        "repeaters": len(orders),
        "orders": orders.sum(axis=0),
    }


def read(series: Series) -> dict[str, float]:
    """The forms of the chance to come back, and how well two orders tell what does."""
    form, exponent = gain_and_exponent(series["halves"], 1)
    form_later, exponent_later = gain_and_exponent(series["halves"], SLATE + 1)
    recency, frequency = (float(x) for x in series["orders"])
    return {
        "form": form,
        "exponent": exponent,
        "share": float(series["share"]),
        "last_gap": float(series["last_gap"]),
        "recency": recency,
        "predictor": recency - frequency,
        "form_later": form_later,
        "exponent_later": exponent_later,
    }


def figure(series: Series, readings: Readings) -> str:
    """The chance to come back by lag."""
    counts = series["halves"].sum(axis=0)
    later = counts[:, SLATE:]
    lags = LAGS[SLATE:]
    power = np.column_stack([np.ones(len(lags)), -lags, -np.log(lags)])
    fit = np.exp(power @ fitted(later, power))
    return chart(
        f"{100 * readings['share']:.0f} % of listens are repeats.",
        "listens since the item was heard last",
        "heard next [%]",
        [
            Curve("measured", LAGS, 100 * counts[0] / counts[1], points=True),
            Curve("power law with cut-off, beyond a slate", lags, 100 * fit, colour=1),
        ],
    )
