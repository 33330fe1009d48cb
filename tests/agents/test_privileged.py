"""The privileged references: their forks are true to life, and their answers to known ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.agents import privileged, rollouts
from longplay.agents.hidden import COLUMNS, Surface, describe
from longplay.agents.privileged import ARMS, Myopic, MyopicByForks, Patient, constant
from longplay.agents.registry import find_agent
from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import World, find_world
from longplay.envs.spaces import layout_index
from longplay.envs.state import USER

HELD_OUT = 1 << 24
MOST = layout_index((2, 3))
CLASSIC = layout_index((3, 7))

# The trade-off in short: three weeks, in which ads drive people away.
SHORT = find_world("bench").replace("short", horizon_days=21.0, gamma_day=0.9)
# Ads cost nobody anything: the most ads, as early as may be, are best at once and in the long run.
HARMLESS = SHORT.replace(
    "harmless",
    returning={"ads": 0.0},
    churn={"ads": 0.0},
    leaving={"ad": 0.0},
    fatigue={"per_ad": 0.0},
    satisfaction={"ads": 0.0},
    ads={"seconds": 0.0},
)
# An ad sends the averse away at once, and leaves the others cold. Clicks pay nothing.
TOUCHY = SHORT.replace(
    "touchy", leaving={"ad": 3.0}, population={"aversion_sd": 1.5}, ads={"price_click": 0.0}
)


def maker(world: World, **known: Any) -> Any:
    """make_cohort of a world."""

    def make_cohort(num_envs: int, **overrides: Any) -> Cohort:
        settings = {"scenario": world, "decision": "session", "threads": 1, **known}
        return Cohort("AdLoad", num_envs, **{**settings, **overrides})

    return make_cohort


def test_captured_states_are_moments_of_the_same_lives() -> None:
    make = maker(SHORT, decision="fetch")
    states = rollouts.capture(make, constant(CLASSIC), users=20, moments=2, seed=3)
    assert 20 < len(states["users"]) <= 40
    moments = {(u["user"], u["session"], u["fetch"]): u for u in states["users"]}
    cohort = make(20, autoreset_mode="DISABLED", horizon_days=42.0)
    cohort.reset(seed=3)
    met = 0
    while not cohort.over.all():
        for user in cohort.users[~cohort.over]:
            known = moments.get((user["user"], user["session"], user["fetch"]))
            if known is not None:
                assert all(np.array_equal(known[name], user[name]) for name in USER.names)
                met += 1
        cohort.step(np.full(20, CLASSIC))
    assert met == len(moments)


def test_moments_are_drawn_as_the_discount_weighs_days() -> None:
    # A life that visits about every hour and never ends meets its moments just after they were
    # drawn: clock ~ Exp(rate = -ln 0.9 / 24 per hour) cut at 21 days, so its mean [days] is
    # 1/r - 21 q / (1 - q) with r = -ln 0.9 and q = 0.9^21: 9.491 - 2.578 = 6.913; sd below 6.
    eager = SHORT.replace("eager", returning={"rate": 50.0}, churn={"period": 1e9})
    make = maker(eager, decision="fetch")
    states = rollouts.capture(make, constant(0), users=150, moments=4, seed=0)
    assert len(states["users"]) == 600
    days = states["users"]["clock"] / 24.0
    assert days.mean() == pytest.approx(6.913, abs=0.25 + 4 * 6 / np.sqrt(600))
    assert days.max() < 23.0


def test_branches_share_luck_over_actions_and_differ_over_lucks() -> None:
    make = maker(SHORT)
    states = rollouts.capture(make, constant(CLASSIC), users=30, moments=1, seed=1)
    n = len(states["users"])
    forks = rollouts.branch(make, states, 3, 2)
    forks.step(np.full(n * 6, CLASSIC))
    minutes = forks.outcomes["minutes"].reshape(n, 2, 3)
    assert (minutes == minutes[:, :, :1]).all()
    assert (minutes[:, 0, 0] != minutes[:, 1, 0]).mean() > 0.8


def test_expected_revenue_is_right_on_average_and_moves_less() -> None:
    cohort = maker(SHORT)(20_000)
    cohort.reset(seed=2)
    expected, _ = rollouts.step_for_money(cohort, np.full(20_000, MOST))
    plain = cohort.outcomes["revenue"]
    difference = plain - expected
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(20_000)
    assert expected.std() < 0.8 * plain.std()
    assert (expected[cohort.outcomes["ad_views"] == 0] == 0).all()


def test_no_ads_earn_nothing_and_two_earn_more_than_one() -> None:
    make = maker(HARMLESS)
    states = rollouts.capture(make, constant(CLASSIC), users=50, moments=1, seed=1)
    reward = rollouts.immediate(make, states, ARMS, 8)
    assert (reward[:, 0] == 0).all()
    assert (reward[:, MOST] >= reward[:, layout_index((2,))] - 1e-12).all()
    assert reward.mean(axis=0).argmax() == MOST


@pytest.mark.parametrize("hold_days", [0.0, 1.5, 99.0])
def test_onward_is_the_life_it_says(hold_days: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # No price on clicks: the expected revenue is the revenue, and a plain loop over one user at a
    # time, in public terms only, must come to the same value.
    monkeypatch.setattr(rollouts, "LANES", 100)  # several blocks
    make, days = maker(TOUCHY), 4.0
    states = rollouts.capture(make, constant(CLASSIC), users=12, moments=1, seed=5)
    lived = rollouts.onward(
        make, states, constant(CLASSIC), actions=ARMS, lucks=1, days=days, hold_days=hold_days
    )
    assert lived.value.shape == (len(states["users"]), 1, ARMS + 1)
    for arm in (0, MOST, ARMS):
        forks = rollouts.branch(make, states, 1, 1)
        start = forks.users["clock"].copy()
        for i in range(len(start)):
            total, first = 0.0, True
            while not forks.over[i] and forks.users["clock"][i] < start[i] + 24 * days:
                held = first or forks.users["clock"][i] < start[i] + 24 * hold_days
                action = np.full(len(start), arm if held and arm < ARMS else CLASSIC)
                others = forks.state()
                forks.step(action)
                out = forks.outcomes[i]
                worth = out["revenue"] + SHORT.day_value * out["satisfied_day"]
                total += 0.9 ** ((out["clock"] - start[i]) / 24) * worth
                for name in ("users", "outcomes", "slots", "rows"):  # time stood still for others
                    others[name][i] = forks.state()[name][i]
                for kept, new in zip(others["desk"], forks.state()["desk"], strict=True):
                    kept[i] = new[i]
                forks.restore(others)
                first = False
            assert lived.value[i, 0, arm] == pytest.approx(total, abs=1e-12)
            if forks.users["gone"][i]:
                assert lived.weight[i, 0, arm] == 0.0
            else:
                weight = 0.9 ** ((forks.users["clock"][i] - start[i]) / 24)
                assert lived.weight[i, 0, arm] == pytest.approx(weight)


def test_a_surface_finds_a_bent_function_and_says_how_well() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 4)) * [1.0, 10.0, 0.1, 1.0]
    truth = np.column_stack([np.abs(x[:, 0]) + 0.2 * x[:, 1], -5 * x[:, 2], x[:, 0] * 0 + 7])
    noise = rng.normal(size=truth.shape) * [1.0, 1.0, 0.0]
    surface = Surface(4, 3)
    explained = surface.fit(x, truth + noise)
    new = rng.normal(size=(1000, 4)) * [1.0, 10.0, 0.1, 1.0]
    wanted = np.column_stack(
        [np.abs(new[:, 0]) + 0.2 * new[:, 1], -5 * new[:, 2], np.full(1000, 7)]
    )
    assert np.mean((surface(new) - wanted) ** 2) < 0.05
    # the most that can be explained: variance of the truth over that of truth and noise
    most = 1 - noise.var(axis=0).sum() / (truth + noise).var(axis=0).sum()
    assert most - 0.05 < explained <= most + 0.02
    nothing = Surface(4, 1).fit(x, rng.normal(size=(3000, 1)))
    assert abs(nothing) < 0.02


def test_a_surface_of_low_rank_mixes_few_profiles() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 3))
    surface = Surface(3, 6, units=20)
    surface.fit(x, x @ rng.normal(size=(3, 6)) + 1.0 + rng.normal(size=(500, 6)), rank=2)
    spread = np.linalg.svd(surface(x) - surface(x).mean(axis=0), compute_uv=False)
    assert (spread > 1e-6 * spread[0]).sum() == 2


def test_a_future_that_repeats_is_summed() -> None:
    # Who stays as he is, brings gain(x) at every turn, of which 0.7 remains: gain / (1 - 0.7).
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4000, 2))
    gain = 1.0 + x[:, 0]
    surface = Surface(2, 1, units=10)
    surface.fit_future(x, gain, np.full(4000, 0.7), x)
    off = surface(x)[:, 0] - gain / 0.3
    assert np.sqrt(np.mean(off**2)) < 0.05


def test_description_has_a_column_for_everything_it_names() -> None:
    cohort = maker(SHORT)(7)
    cohort.reset(seed=0)
    table = describe(cohort.users)
    assert table.shape == (7, len(COLUMNS))
    assert np.isfinite(table).all()
    assert table[:, COLUMNS.index("stamina")] == pytest.approx(cohort.users["stamina"])


@pytest.fixture(scope="module")
def myopic() -> Myopic:
    """Fitted on people some of whom ads send away at once."""
    return Myopic.train(maker(TOUCHY), seed=0, budget_steps=1, users=300, replicas=8)


def earned_by(rule: rollouts.Rule, world: World, lucks: int = 32) -> float:
    """Mean expected reward of one decision of held-out users, under luck nobody has seen."""
    make = maker(world)
    states = rollouts.capture(
        make, constant(CLASSIC), users=150, moments=2, seed=9, first_user=HELD_OUT
    )
    reward = rollouts.immediate(make, states, ARMS, lucks)
    return float(reward[np.arange(len(reward)), rule(states["users"])].mean())


def test_fitted_myopic_earns_what_brute_force_earns(myopic: Myopic) -> None:
    brute = MyopicByForks(replicas=16)

    def by_forks(users: Any) -> Any:
        cohort = maker(TOUCHY)(len(users))
        cohort.reset(seed=9)
        cohort.users[:] = users
        brute.bind(cohort)
        return brute.act(np.zeros((len(users), 1)), np.random.default_rng(0)).action

    fitted, forked = earned_by(myopic.rule, TOUCHY), earned_by(by_forks, TOUCHY)
    poor = earned_by(constant(layout_index((10,))), TOUCHY)
    print(f"fitted {fitted:.5f}, by forks {forked:.5f}, one late ad {poor:.5f}")
    assert poor < 0.8 * forked
    assert fitted > 0.99 * forked


def test_myopic_shows_each_what_pays_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    # Known answer: the averse pay for no ads, all others for the most.
    def known(make: Any, states: dict[str, Any], actions: int, lucks: int) -> Any:
        averse = states["users"]["ad_aversion"] > 1.0
        reward = np.random.default_rng(0).normal(0, 0.2, (len(averse), actions))
        reward[:, 0] += averse
        reward[:, MOST] += ~averse
        return reward

    monkeypatch.setattr(rollouts, "immediate", known)
    policy = Myopic.train(maker(SHORT), seed=0, budget_steps=1, users=800)
    cohort = maker(SHORT)(500)
    cohort.reset(seed=1)
    chosen = policy.rule(cohort.users)
    averse = cohort.users["ad_aversion"] > 1.0
    assert (chosen == np.where(averse, 0, MOST)).mean() > 0.9


def test_myopic_keeps_one_layout_if_a_fit_earns_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def noise(make: Any, states: dict[str, Any], actions: int, lucks: int) -> Any:
        reward = np.random.default_rng(len(states["users"])).normal(size=(len(states["users"]), 22))
        reward[:, CLASSIC] += 1.0
        return reward

    monkeypatch.setattr(rollouts, "immediate", noise)
    policy = Myopic.train(maker(SHORT), seed=0, budget_steps=1, users=100)
    cohort = maker(SHORT)(50)
    cohort.reset(seed=1)
    assert (policy.rule(cohort.users) == CLASSIC).all()


def test_myopic_shows_the_most_where_ads_cost_nothing() -> None:
    policy = Myopic.train(maker(HARMLESS), seed=0, budget_steps=1, users=200, replicas=4)
    assert earned_by(policy.rule, HARMLESS, 8) > 0.99 * earned_by(constant(MOST), HARMLESS, 8)


def test_brute_force_acts_on_the_live_cohort_without_touching_it() -> None:
    cohort = maker(HARMLESS)(40)
    obs, _ = cohort.reset(seed=1)
    before = cohort.users.tobytes()
    policy = MyopicByForks(replicas=4)
    policy.bind(cohort)
    act = policy.act(obs, np.random.default_rng(0))
    assert cohort.users.tobytes() == before
    earned, _ = rollouts.step_for_money(cohort, act.action)
    cohort.reset(seed=1)
    chance, _ = rollouts.step_for_money(cohort, np.arange(40) % ARMS)
    assert earned.sum() > 1.3 * chance.sum()


def lives(world: World, rule: rollouts.Rule, users: int = 400) -> Any:
    """Value of each held-out life."""
    court = maker(world)(users, autoreset_mode="DISABLED", first_user=HELD_OUT)
    return rollouts.lives_under(court, rule, 10_000)


def test_patience_pays_where_ads_drive_people_away() -> None:
    told: list[tuple[str, float]] = []
    policy = Patient.train(
        maker(SHORT),
        seed=0,
        budget_steps=100,
        users=400,
        judges=128,
        log=lambda name, value, step: told.append((name, value)),
    )
    patient, most = lives(SHORT, policy.rule), lives(SHORT, constant(MOST))
    rule = lives(SHORT, constant(policy.default))
    print(f"most ads {most.mean():.4f}, best rule {rule.mean():.4f}, patient {patient.mean():.4f}")
    for worse, better in ((most, rule), (rule, patient)):
        gain = better - worse
        assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))
    assert {name for name, _ in told} == {"train/explained", "train/value"}


def test_rounds_go_on_until_one_gains_nothing_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    # The values of lives in turn: the fixed rule, then each round. All users alike, so a gain of
    # any size is sure, and a round without one ends the search.
    cohort = maker(SHORT)(20)
    cohort.reset(seed=0)
    people, gains = cohort.users, np.random.default_rng(0).normal(size=(20, ARMS))

    def rounds_of(values: list[float], **settings: Any) -> int:
        turn = iter(values)
        told: list[str] = []

        def lives_under(court: Any, rule: Any, seed: int, play: Any) -> Any:
            return np.full(8, next(turn))

        with monkeypatch.context() as patch:
            patch.setattr(privileged, "best_fixed", lambda *args, **known: CLASSIC)
            patch.setattr(rollouts, "lives_under", lives_under)
            patch.setattr(rollouts, "capture", lambda *args, **known: {"users": people})
            patch.setattr(rollouts, "onward", lambda *args, **known: None)
            patch.setattr(privileged, "gains_of_choices", lambda *args, **known: gains)
            Patient.train(
                maker(SHORT),
                seed=0,
                budget_steps=1,
                judges=8,
                log=lambda name, value, step: told.append(name),
                **settings,
            )
        return told.count("train/value")

    assert rounds_of([1.0, 2.0, 3.0]) == 2  # one for each of hold_days, gain or not
    assert rounds_of([1.0, 0.5, 0.5]) == 2
    assert rounds_of([1.0, 2.0, 3.0, 4.0, 4.0], rounds=6) == 4  # the fourth gains nothing
    assert rounds_of([1.0, 2.0, 3.0, 4.0], rounds=3) == 3  # no more than asked for
    assert rounds_of([1.0, 0.0, 0.0], rounds=6) == 2


def test_patience_has_nothing_to_wait_for_where_ads_are_harmless() -> None:
    policy = Patient.train(
        maker(HARMLESS), seed=0, budget_steps=1, users=200, judges=64, hold_days=(1.0,)
    )
    assert policy.default == MOST
    patient, most = lives(HARMLESS, policy.rule), lives(HARMLESS, constant(MOST))
    assert patient.mean() > 0.98 * most.mean()


def test_acts_only_on_the_cohort_it_is_bound_to(myopic: Myopic, tmp_path: Path) -> None:
    myopic.save(tmp_path / "p")
    policy = Myopic.load(tmp_path / "p")
    rng = np.random.default_rng(0)
    with pytest.raises(RuntimeError, match=r"call bind\(cohort\) first"):
        policy.act(np.zeros((3, 2)), rng)
    cohort = maker(TOUCHY)(60)
    obs, _ = cohort.reset(seed=4)
    policy.bind(cohort)
    with pytest.raises(ValueError, match="3 observations for a policy bound to 60 users"):
        policy.act(obs[:3], rng)
    policy.surface.b = np.random.default_rng(1).normal(size=policy.surface.b.shape)
    action = policy.act(np.zeros_like(obs), rng).action
    assert (action == policy.rule(cohort.users)).all()
    assert len(set(action)) > 1
    policy.save(tmp_path / "q")
    assert (Myopic.load(tmp_path / "q").rule(cohort.users) == action).all()
    with pytest.raises(ValueError, match="plays AdLoad, not Feed"):
        policy.bind(Cohort("Feed", 2))


@pytest.mark.parametrize("name", ["myopic", "patient"])
def test_references_say_that_they_are_privileged(name: str) -> None:
    assert find_agent(name).privileged
    assert "privileged" in find_agent(name).about
