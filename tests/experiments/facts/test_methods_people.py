"""What facts about people's repeats, exits and ways compute, against hand-worked examples."""

import itertools

import numpy as np
from pytest import approx

from longplay.agents.best_fixed import score_weights
from longplay.agents.fixed import PRODUCTION
from longplay.envs.scenarios import find_world
from longplay.experiments.facts import f04_ad_breaks as breaks
from longplay.experiments.facts import f09_valuation as valuation
from longplay.experiments.facts import f16_abandonment as exits
from longplay.experiments.facts import f17_cascade as ranks
from longplay.experiments.facts import f19_repeats as repeats
from longplay.experiments.facts import f20_rotation as rotation
from longplay.experiments.facts import f27_conversion as often
from longplay.experiments.facts import f28_small_wins as wins
from longplay.experiments.facts import f31_generalists as breadth
from longplay.experiments.facts.lab import Lab


def of_one(things: list[int]) -> repeats.Listens:
    """One person's listens."""
    return repeats.ordered(np.zeros(len(things), np.int64), np.array(things))


def test_repeats_and_their_chances_are_counted_by_lag() -> None:
    # By hand, of a b a a: a comes back at lag 2, then at lag 1; b could have at lags 1 and 2.
    listens = of_one([7, 8, 7, 7])
    counted, chances = repeats.by_lag(listens, np.ones(4, bool))
    assert counted[:3].tolist() == [1, 1, 0]
    assert chances[:3].tolist() == [3, 2, 0]
    assert repeats.repeats_of(listens).tolist() == [False, False, True, True]


def test_people_do_not_repeat_each_other() -> None:
    both = repeats.ordered(np.array([0, 1, 0, 1]), np.array([5, 5, 6, 5]))
    assert both.person.tolist() == [0, 0, 1, 1]
    assert repeats.repeats_of(both).tolist() == [False, False, False, True]


def test_the_form_of_the_chance_to_come_back_is_found_again() -> None:
    chances = np.full(len(repeats.LAGS), 1e6)
    power = 0.02 * repeats.LAGS**-0.6 * np.exp(-repeats.LAGS / 40.0)
    plain = 0.02 * np.exp(-repeats.LAGS / 20.0)
    half = np.stack([power * chances, chances])
    gain, exponent = repeats.gain_and_exponent(np.stack([half, half]), 1)
    assert exponent == approx(0.6, abs=1e-6)
    assert gain > 1.0
    half = np.stack([plain * chances, chances])
    gain, exponent = repeats.gain_and_exponent(np.stack([half, half]), 1)
    assert (gain, exponent) == approx((0.0, 0.0), abs=1e-6)


def test_only_what_was_left_has_a_last_gap() -> None:
    # Gaps of 2, 4 and 9 listens, then quiet: 9 over their median 3. The rest is heard once.
    things = list(range(100, 116 + repeats.QUIET))
    for at in (0, 2, 6, 15):
        things[at] = 1
    assert repeats.last_gaps(of_one(things)) == approx([3.0])
    assert len(repeats.last_gaps(of_one(things[:-1]))) == 0


def test_orders_of_recency_and_frequency() -> None:
    # Before the last listen a was heard three times, b once, c once and last of all. b is chosen:
    # a lies behind it by recency, c before; by frequency c is as good, a better.
    things = np.array([1, 1, 1, 2, 3, 2])
    assert repeats.told_by(things, np.array([5])) == approx([0.5, 0.25])


def test_what_a_break_does_is_told_from_what_its_load_does() -> None:
    # By hand: 2 % fewer hours per ad and hour; one long break has 1 ad per hour more, and 3 % less.
    hours, load = np.array([97.0, 100.0, 106.0]), np.array([7.0, 6.0, 3.0])
    assert breaks.beyond_load(hours, load) == approx((-1.0, -2.0))


def test_each_person_of_an_arm_counts_alike() -> None:
    # By hand: people of the first arm state .5 and .9, of the second .6, and one says nothing.
    total, count = np.array([0.5, 9.0, 1.2, 0.0]), np.array([1.0, 10.0, 2.0, 0.0])
    means, people = valuation.per_person(total, count)
    assert people.tolist() == [2, 1]
    assert means / people == approx([0.7, 0.6])


def test_ends_are_shares_of_the_visits_of_an_intent() -> None:
    assert exits.shares(np.array([[1.0, 1.0, 2.0]])).tolist() == [[25.0, 25.0, 50.0]]


def test_chances_of_a_click_by_hand() -> None:
    # Items of .5, .2 and .4 in this order: .5, .5 x .2, .5 x .8 x .4; with stops .9 at each step.
    r, things = np.array([0.5, 0.2, 0.4]), np.array([[0, 1, 2]])
    assert ranks.p_cascade(r, things) == approx(np.array([[0.5, 0.1, 0.16]]))
    assert ranks.p_cascade(r, things, 0.9) == approx(np.array([[0.5, 0.09, 0.1296]]))
    clicks = ranks.clicks_of(np.zeros((3, 3), np.int64), np.array([0, 2, 3]))
    assert clicks.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    # By hand: a click told with 1/2 costs 1 bit, with 1/4 costs 2; no click told with 3/4 .415.
    bits = ranks.cross_entropy(np.array([[0.5, 0.25], [0.5, 0.25]]), np.array([[1, 1], [0, 0.0]]))
    assert bits == approx([1.0, (2 + 0.4150375) / 2])


def drawn(chance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """First clicks of slates whose titles are clicked, once looked at, with this chance each."""
    hit = rng.random(chance.shape) < chance
    first = np.where(hit.any(axis=1), hit.argmax(axis=1), chance.shape[1])
    return ranks.clicks_of(chance, first)


def test_click_models_find_their_own_parameters_again() -> None:
    rng = np.random.default_rng(0)
    r = rng.uniform(0.1, 0.6, 12)
    things = rng.integers(0, 12, (60_000, 5))
    clicks = drawn(r[things], rng)
    assert ranks.cascade(things, clicks, 12) == approx(r, abs=0.02)
    stays = np.cumprod(np.column_stack([np.ones(60_000), rng.random((60_000, 4)) < 0.8]), axis=1)
    clicks = drawn(r[things] * stays, rng)
    found, on = ranks.stopping(things, clicks, 12)
    assert on == approx(0.8, abs=0.02)
    assert found == approx(r, abs=0.02)
    x = np.array([1.0, 0.7, 0.5, 0.35, 0.2])
    clicks = (rng.random((60_000, 5)) < r[things] * x).astype(float)
    found, fell = ranks.examination(things, clicks, 12)
    assert found[:, None] * fell == approx(r[:, None] * x, abs=0.03)


def test_the_model_that_made_the_clicks_fits_best() -> None:
    rng = np.random.default_rng(1)
    r = rng.uniform(0.1, 0.7, 20)
    things = rng.integers(0, 20, (40_000, 5))
    clicks = drawn(r[things], rng)
    half = slice(0, 20_000), slice(20_000, None)
    bits = ranks.compared(*((things[at], clicks[at]) for at in half), 20).mean(axis=1)
    assert bits[ranks.CASCADE] < bits[1 : ranks.STOPS].min()
    b = np.array([0.5, 0.3, 0.2, 0.1, 0.05])
    own = np.where(rng.random(things.shape) < 0.5, r[things], b)
    clicks = (rng.random(things.shape) < own).astype(float)
    bits = ranks.compared(*((things[at], clicks[at]) for at in half), 20).mean(axis=1)
    assert bits[ranks.MIXTURE] < min(bits[0], bits[1], bits[3])


def test_the_week_of_a_conversion() -> None:
    # By hand: one day a week, then five: four weeks hold 1+1+1+5, 1+1+5+5, 1+5+5+5 = 16: week 3.
    rises = [1.0, 1.0, 1.0, 1.0] + [5.0] * often.AFTER
    never = [1.0] * (often.BEFORE + often.AFTER)
    daily = [7.0] * (often.BEFORE + often.AFTER)
    days = np.array([rises, never, daily, [0.0] * len(daily)])
    light = often.followed(days, 0)
    assert light.tolist() == [rises, never]  # neither the daily user nor who is gone
    assert often.conversion(light, often.HEAVY).tolist() == [3.0, np.inf]
    by_week = often.converted(light)
    assert (by_week[0, 2], by_week[0].sum()) == (1.0, 1.0)


def test_a_penalty_is_half_after_fifteen_days() -> None:
    assert rotation.penalties(np.array([0.0, 15.0, 30.0, np.inf])) == approx([1, 0.5, 0.25, 0])


def test_themes_repeat_recover_or_come_at_random() -> None:
    people = 2
    cohort = Lab(find_world("music")).cohort(
        people, rotation.ARMS, 28.0, 0, task="Feed", action="slate", decision="fetch",
        candidates=rotation.CANDIDATES, slate_size=rotation.SLATE,
    )  # fmt: skip
    themes = rotation.Themes(cohort, people)
    lane = people * rotation.RECOVERING
    seen: list[int] = []
    at_random: list[int] = []
    while len(seen) < 12:
        new = cohort.users["fetch"] == 0
        topics = themes.choose(cohort)
        assert (themes.theme[: people * rotation.THEMES] == themes.arm[:-4]).all()
        if new[lane]:
            seen.append(int(themes.theme[lane]))
        if new[people * rotation.RANDOM]:
            at_random.append(int(themes.theme[people * rotation.RANDOM]))
        chosen = rotation.slates(cohort, topics)
        cohort.step(chosen)
        lead = cohort.shop.items["topic"][cohort.slots["shows"][:, 0]]
        lived = cohort.outcomes["fetches"] > 0
        assert (lead == topics)[lived].mean() > 0.8  # some have no candidate of the topic
    for at in range(len(seen) - 3):
        assert sorted(seen[at : at + 4]) == [0, 1, 2, 3]  # who was used last comes last
    assert any(a == b for a, b in itertools.pairwise(at_random))


def test_the_ranker_of_production_is_among_the_rules_that_are_searched() -> None:
    assert PRODUCTION in score_weights()


def test_a_change_is_that_of_sums_over_weeks() -> None:
    # By hand: visits 10 and 30 become 11 and 33, +10 %; active days 4 and 4 become 4 and 2, -25 %.
    lived = np.array([[[10.0, 30.0], [4.0, 4.0]], [[11.0, 33.0], [4.0, 2.0]]])
    assert wins.change(lived, slice(None)) == approx((10.0, -25.0))
    assert wins.change(lived, slice(-1, None)) == approx((10.0, -50.0))


def test_the_score_of_generalists_and_specialists_by_hand() -> None:
    # By hand. In one place: 1. 3 and 4 in places at right angles: m ~ (3, 4), cosines .6 and .8,
    # (3 x .6 + 4 x .8) / 7 = 5/7. 1 and 1 in places (1, 0) and (.6, .8): m ~ (1.6, .8), which
    # has the cosine 2/sqrt 5 with both: close together is more of a specialist. Nothing: nan.
    centres = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    activity = np.array([[0, 7, 0], [3, 4, 0], [1, 0, 1], [0, 0, 0]], float)
    by_hand = [1.0, 5 / 7, 2 / 5**0.5, np.nan]
    assert breadth.gs_score(activity, centres) == approx(by_hand, nan_ok=True)
    assert breadth.gs_score(10 * activity, centres) == approx(by_hand, nan_ok=True)


def test_topics_are_at_right_angles() -> None:
    cohort = Lab(find_world("music")).cohort(1, 1, 1.0, 0)
    centres = breadth.centres_of(cohort.shop)
    items = cohort.shop.items
    assert centres[3] == approx(items["vector"][items["topic"] == 3].mean(axis=0), abs=1e-5)
    assert centres == approx(np.eye(len(centres)), abs=0.01)


def test_thirds_are_weighed_and_alike_means_alike_in_amount() -> None:
    # By hand: nine people in the order of their scores; the first three weigh 1, 2, 1, one says 1.
    score = np.array([9, 1, 8, 2, 7, 3, 6, 4, 5.0])
    value = (score == 1).astype(float)
    weight = np.where(score == 2, 2.0, 1.0)
    sums = breadth.by_group(breadth.standing(score), value, weight)
    assert sums[1].tolist() == [1, 2, 1, 1, 1, 1, 1, 1, 1]
    assert breadth.generalists_less_specialists(sums) == approx(1 / 4)
    # Ten people in five pairs of an amount: in each pair one is below, one above the other.
    amount = np.repeat(np.arange(5.0), 2)
    place = breadth.standing_among_alike(np.arange(10.0)[::-1], amount)
    assert place.tolist() == [0.5, 0.0] * 5
