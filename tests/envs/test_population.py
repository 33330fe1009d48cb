"""Population: people as a function of (seed, number), and the catalogue they share."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pytest import approx
from scipy import stats

from longplay.envs.population import Catalogue, Population, Shop, give_birth, open_shop
from longplay.envs.scenarios import find_world, packed
from longplay.envs.state import SHELF, TOPICS, USER

PEOPLE = 4000
WORLD = find_world("music").replace("people", population=Population()._asdict())
P = WORLD.population
SMALL = Catalogue(items=20_000.0)


def births(numbers: Any, seed: int = 7, law: Any = give_birth, **traits: float) -> Any:
    """USER rows of newborns."""
    world = WORLD.replace("other", population=traits) if traits else WORLD
    parameters = packed(world)[0]
    rows: npt.NDArray[np.void] = np.zeros(len(numbers), USER)
    for row, number in zip(rows, numbers, strict=True):
        law(row, int(number), seed, parameters)
    return rows


@pytest.fixture(scope="module")
def people() -> Any:
    return births(range(PEOPLE))


def test_a_person_is_a_function_of_seed_and_number(people: Any) -> None:
    """In whatever order and company: the same person."""
    assert (births([3999, 12, 700]) == people[[3999, 12, 700]]).all()
    one, again, other_seed, other_life = (
        births([12])[0], births([12])[0], births([12], seed=8)[0], births([12 + (1 << 32)])[0],
    )  # fmt: skip
    assert one == again
    for stranger in (other_seed, other_life):
        assert stranger["tempo"] != one["tempo"]
        assert stranger["churn_propensity"] != one["churn_propensity"]
        assert (stranger["taste"] != one["taste"]).all()


def test_compiled_equals_plain(people: Any) -> None:
    plain: Any = births(range(20), law=give_birth.py_func)  # type: ignore[attr-defined]
    for name in USER.names or ():
        assert plain[name] == approx(people[name][:20], rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize(
    ("trait", "law"),
    [
        ("appetite", stats.norm(P.appetite, P.appetite_sd)),
        ("skippiness", stats.norm(0.0, P.skippiness_sd)),
        ("lean", stats.norm(0.0, P.lean_sd)),
        ("stamina", stats.norm(0.0, P.stamina_sd)),
        ("tempo", stats.norm(0.0, P.tempo_sd)),
        ("chronotype", stats.norm(0.0, P.chronotype_sd)),
        ("churn_propensity", stats.beta(P.churn_a, P.churn_b)),
        ("ad_aversion", stats.lognorm(P.aversion_sd, scale=np.exp(-0.5 * P.aversion_sd**2))),
        ("birth", stats.uniform(-24.0 * P.youth, 24.0 * P.youth)),
        ("phase", stats.uniform(0.0, 168.0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_traits_follow_their_law(people: Any, trait: str, law: Any) -> None:
    assert stats.kstest(people[trait], law.cdf).pvalue > 0.001


def test_habits_form_at_the_speeds_of_lally_2010(people: Any) -> None:
    """Log-normal; 5 to 95 % of people need 254 to 18 days, that is 0.012 to 0.153 a day."""
    rates = people["habit_rate"]
    law = stats.lognorm(P.habit_spread, scale=P.habit_median)
    slow = rates < 0.9  # the few at the bound are those beyond it
    assert stats.kstest(rates[slow], lambda x: law.cdf(x) / law.cdf(0.9)).pvalue > 0.001
    assert rates.max() <= 0.9
    assert np.quantile(rates, [0.05, 0.5, 0.95]) == approx([0.0123, 0.044, 0.157], rel=0.06)


def test_aversion_has_mean_1_whatever_its_spread() -> None:
    for spread in (0.0, 0.3, 0.7):
        aversion = births(range(PEOPLE), aversion_sd=spread)["ad_aversion"]
        error = np.sqrt(np.expm1(spread**2) / PEOPLE)  # standard error of a log-normal of mean 1
        assert aversion.mean() == approx(1.0, abs=4.0 * error + 1e-12)


def test_habits_at_birth_are_exponential_and_at_most_1(people: Any) -> None:
    assert (people["habit"] == 0.0).all()  # by default an account opens without any
    mean = 0.3
    habit = births(range(PEOPLE), habit_start=mean)["habit"]
    full = int((habit == 1.0).sum())
    assert stats.binomtest(full, PEOPLE, np.exp(-1.0 / mean)).pvalue > 0.001
    law = stats.truncexpon(b=1.0 / mean, scale=mean)
    assert stats.kstest(habit[habit < 1.0], law.cdf).pvalue > 0.001


def test_tastes_are_normal_and_topics_independent(people: Any) -> None:
    taste = people["taste"].astype(np.float64)
    assert stats.kstest(taste.ravel(), stats.norm(0.0, P.taste).cdf).pvalue > 0.001
    among = np.corrcoef(taste, rowvar=False) - np.eye(TOPICS)
    assert np.abs(among).max() < 4.5 / np.sqrt(PEOPLE)


def test_traits_are_independent(people: Any) -> None:
    names = ("appetite", "skippiness", "lean", "stamina", "tempo", "chronotype", "habit_rate",
             "ad_aversion", "churn_propensity", "birth", "phase")  # fmt: skip
    ranks = stats.spearmanr(np.stack([people[name] for name in names], axis=1)).statistic
    assert np.abs(ranks - np.eye(len(names))).max() < 4.5 / np.sqrt(PEOPLE)


@pytest.mark.parametrize("error", [0.0, 0.5, 1.5])
def test_the_platform_guesses_taste_as_well_as_its_error_allows(error: float) -> None:
    """Guess = (taste + error) / (1 + e^2), so its correlation is s / sqrt(s^2 + e^2)."""
    people = births(range(2000), guess=error)
    taste, guess = (people[name].astype(np.float64).ravel() for name in ("taste", "guess"))
    wanted = P.taste / np.hypot(P.taste, error)
    assert np.corrcoef(taste, guess)[0, 1] == approx(wanted, abs=0.01)
    assert guess.std() == approx(np.hypot(P.taste, error) / (1.0 + error**2), rel=0.02)


@pytest.mark.parametrize("focus", [0.0, 1.2, 5.0])
def test_the_shelf_is_the_softmax_of_the_guess_in_64ths(focus: float) -> None:
    people = births(range(300), focus=focus)
    scores = focus * people["guess"].astype(np.float64)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    for person, share in zip(people, shares, strict=True):
        shelf = person["shelf"]
        assert (np.diff(shelf.astype(int)) >= 0).all()
        counts = np.bincount(shelf, minlength=TOPICS)
        assert len(counts) == TOPICS
        assert np.abs(counts - SHELF * share).max() <= 1.0
        # By quantiles, no error adds up: the first topics together are right to half an entry.
        assert np.abs(np.cumsum(counts - SHELF * share)).max() <= 0.5 + 1e-6


# The catalogue.


@pytest.mark.parametrize("correlation", [-1.0, -0.6, 0.0, 0.3, 1.0])
def test_attraction_and_value_correlate_as_asked(correlation: float) -> None:
    """Below 0 lies clickbait: what draws the eye disappoints."""
    items = open_shop(SMALL._replace(attraction_value=correlation)).items
    assert np.corrcoef(items["attraction"], items["value"])[0, 1] == approx(correlation, abs=0.02)
    for name in ("attraction", "value", "quality"):
        assert stats.kstest(items[name].astype(np.float64), "norm").pvalue > 0.001


@pytest.mark.parametrize("estimate", [0.0, 0.7, 1.0])
def test_the_platform_knows_value_as_well_as_asked(estimate: float) -> None:
    items = open_shop(SMALL._replace(estimate=estimate)).items
    assert np.corrcoef(items["quality"], items["value"])[0, 1] == approx(estimate, abs=0.02)


@pytest.fixture
def shop() -> Shop:
    return open_shop(SMALL)


def test_a_topic_is_sorted_by_what_a_production_ranker_would_show(shop: Shop) -> None:
    for topic, (start, end) in enumerate(zip(shop.starts[:-1], shop.starts[1:], strict=True)):
        shelf = shop.items[start:end]
        assert (shelf["topic"] == topic).all()
        popularity = shelf["quality"].astype(np.float64) + shelf["attraction"]
        assert (np.diff(popularity) <= 1e-6).all()
    assert shop.starts[0] == 0
    assert shop.starts[-1] == len(shop.items) == 20_000


def test_novelty_rises_down_a_topic(shop: Shop) -> None:
    topic = shop.items["novelty"][: shop.starts[1]]
    first, last = topic[:100], topic[-100:]
    assert first.mean() < 0.2
    assert last.mean() > 0.8


def test_items_lie_where_they_may(shop: Shop) -> None:
    items = shop.items
    for name in ("novelty", "freshness"):
        assert items[name].min() >= 0.0
        assert items[name].max() <= 1.0
    assert np.median(items["minutes"]) == approx(SMALL.minutes, rel=0.02)
    assert np.log(items["minutes"]).std() == approx(SMALL.minutes_spread, rel=0.05)
    centred = items["vector"] - np.eye(TOPICS, dtype=np.float32)[items["topic"]]
    assert centred.mean() == approx(0.0, abs=1e-3)
    # An item's distance from its topic's middle is `spread`, whatever the number of topics.
    assert np.linalg.norm(centred, axis=1).mean() == approx(SMALL.spread, rel=0.03)


def test_the_same_parameters_are_the_same_shop(shop: Shop) -> None:
    assert open_shop(Catalogue(items=20_000.0)) is shop
    fresh = open_shop.__wrapped__(SMALL)
    assert fresh is not shop
    assert (fresh.items == shop.items).all()
    other = open_shop(SMALL._replace(seed=21.0))
    assert (other.items["value"] != shop.items["value"]).mean() > 0.99


def test_nobody_can_write_into_a_shop(shop: Shop) -> None:
    with pytest.raises(ValueError, match="read-only"):
        shop.items["value"][0] = 9.0
    with pytest.raises(ValueError, match="read-only"):
        shop.starts[0] = 1
