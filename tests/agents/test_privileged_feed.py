"""Slates by foresight: what is foreseen is what happens, and patience pays on Feed too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.agents import registry, rollouts
from longplay.agents.privileged import JUDGES, Myopic, constant
from longplay.agents.privileged_feed import (
    MENU,
    MyopicSlate,
    OracleSlate,
    PatientSlate,
    foresee,
    slates,
    weighing,
)
from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import find_world

SHORT = find_world("bench").replace("short", horizon_days=21.0, gamma_day=0.9)
LUCKS = 4000


def maker(**known: Any) -> Any:
    """make_cohort of Feed."""

    def make_cohort(num_envs: int, **overrides: Any) -> Cohort:
        settings = {"scenario": SHORT, "action": "slate", "threads": 1, "candidates": 30, **known}
        return Cohort("Feed", num_envs, **{**settings, **overrides})

    return make_cohort


@pytest.mark.parametrize("candidate", [0, 11, 29])
def test_what_is_foreseen_is_what_happens(candidate: int) -> None:
    # One item, one position, thousands of lucks.
    cohort = maker(action="item")(6)
    cohort.reset(seed=1)
    signals = foresee(cohort, np.arange(6))[:, candidate]
    forks = cohort.fork(LUCKS, luck="fresh")
    forks.step(np.full(6 * LUCKS, candidate))
    w = SHORT.satisfaction
    intent = cohort.users["intent"]
    slot = forks.slots[:, 0].reshape(6, LUCKS)
    played, skipped = slot["played"] == 1, slot["skipped"] == 1
    worth = np.where(
        ~played,
        w.glance * np.array(w.passed)[intent][:, None],
        np.where(
            skipped,
            np.array(w.skipped)[intent][:, None],
            forks.outcomes["value"].reshape(6, LUCKS),
        ),
    )
    for column, drawn in ((0, slot["minutes"]), (1, worth)):
        error = drawn.std(axis=1) / np.sqrt(LUCKS)
        # besides five standard errors, what 25 points miss of the dwell time's distribution
        assert np.all(np.abs(drawn.mean(axis=1) - signals[:, column]) < 5 * error + 0.12)
    assert np.corrcoef(slot["minutes"].mean(axis=1), signals[:, 0])[0, 1] > 0.97


def test_a_replaced_law_is_foreseen() -> None:
    def p_play(utility: float, intent: int, p: Any) -> float:
        return 1.0

    sure = SHORT.with_laws("sure", p_play=p_play)
    usual, certain = maker()(5), maker(scenario=sure)(5)
    usual.reset(seed=0)
    certain.reset(seed=0)
    rows = np.arange(5)
    certain.users[:] = usual.users
    certain.restore({**certain.state(), "desk": usual.state()["desk"]})
    assert (foresee(certain, rows)[:, :, 0] > foresee(usual, rows)[:, :, 0]).all()


def test_slates_hold_the_best_first() -> None:
    cohort = maker()(9)
    obs, _ = cohort.reset(seed=2)
    policy = MyopicSlate()
    policy.bind(cohort)
    action = policy.act(obs, np.random.default_rng(0)).action
    minutes = foresee(cohort, np.arange(9))[:, :, 0]
    assert np.take_along_axis(minutes, action, 1) == pytest.approx(-np.sort(-minutes)[:, :10])
    assert (slates(cohort, np.array([0.0, 1.0])) != action).any()


def value_of(policy: Any, users: int = 150) -> Any:
    """Value of each held-out life."""
    court = maker()(users, autoreset_mode="DISABLED", first_user=1 << 24)
    return rollouts.whole_lives(court, lambda c: slates(c, np.array(policy.weights)), 10_000)


def test_patience_pays_on_feed() -> None:
    policy = PatientSlate.train(maker(), seed=0, budget_steps=1, judges=48, days=21.0)
    gain = value_of(policy) - value_of(MyopicSlate())
    print(f"patient over myopic: {gain.mean():+.4f}, weights {policy.weights}")
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(gain))


def test_an_oracle_plays_the_weighing_that_each_user_is_dealt() -> None:
    cohort = maker()(len(MENU))
    cohort.reset(seed=4)
    spread = np.array([0.8, 0.5])
    policy = OracleSlate(spread=tuple(spread))
    dealt = np.array([3, 0, 7, 1, 1, 6, 2, 5])
    played = policy.play(cohort, dealt)
    for user, choice in enumerate(dealt):
        alone = slates(cohort, weighing(MENU[choice]) / spread)
        assert (played[user] == alone[user]).all()
    # By hand: at 90 degrees minutes do not count, so the best are those of the highest worth.
    worth = foresee(cohort, np.arange(len(MENU)))[:, :, 1]
    best = policy.play(cohort, np.full(len(MENU), MENU.index(90.0)))
    assert np.take_along_axis(worth, best, 1) == pytest.approx(-np.sort(-worth)[:, :10])


def test_an_oracle_is_no_worse_than_its_best_weighing_on_those_it_learnt_from() -> None:
    told: dict[str, list[float]] = {}
    policy = OracleSlate.train(
        maker(),
        seed=0,
        budget_steps=1,
        users=30,
        judges=24,
        days=2.0,
        rounds=1,
        hold_days=(1.0,),
        log=lambda name, value, step: told.setdefault(name, []).append(value),
    )
    court = maker()(24, autoreset_mode="DISABLED", first_user=JUDGES)

    def value(rule: rollouts.Rule) -> float:
        return float(rollouts.lives_under(court, rule, 0, policy.play).mean())

    base, reached = value(constant(policy.default)), value(policy.rule)
    assert reached == pytest.approx(max(base, told["train/value"][0]))
    again = OracleSlate(**policy.config())
    again.set_arrays(policy.arrays())
    policy.bind(court)
    again.bind(court)
    obs, _ = court.reset(seed=1)
    assert again.spread == policy.spread != (1.0, 1.0)
    dealt = np.arange(24) % len(MENU)
    assert (again.play(court, dealt) == policy.play(court, dealt)).all()
    rng = np.random.default_rng(0)
    assert (again.act(obs, rng).action == policy.act(obs, rng).action).all()


def test_one_name_stands_for_a_reference_on_each_task(tmp_path: Path) -> None:
    spec = registry.find_agent("myopic")
    assert set(spec.tasks) == {"AdLoad", "Feed"}
    assert spec.cohort_kwargs("Feed") == {"action": "slate", "decision": "fetch"}
    assert spec.cohort_kwargs("AdLoad") == {}
    policy = registry.train("myopic", maker(), seed=0, budget_steps=1, task="Feed")
    assert isinstance(policy, MyopicSlate)
    policy.save(tmp_path / "p")
    assert isinstance(registry.load(tmp_path / "p"), MyopicSlate)
    Myopic().save(tmp_path / "q")
    with pytest.raises(ValueError, match="plays Feed, not AdLoad"):
        policy.bind(Cohort("AdLoad", 2))
