"""The audit: finds what is gamed by construction, and nothing where nothing can be gamed."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for library in ("polars", "scipy", "tensorboard", "tyro", "rich"):
    pytest.importorskip(library)

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx

from longplay.agents.fixed import Weights
from longplay.envs.cohort import Cohort
from longplay.envs.files import write_world
from longplay.envs.scenarios import find_world
from longplay.envs.spaces import SCORERS, USER_FEATURES, layout_index
from longplay.experiments.audit import page
from longplay.experiments.audit.candidates import BASE_LAYOUT, Candidate, Threshold, candidates
from longplay.experiments.audit.score import MEASURES, intervals, score
from longplay.experiments.audit.study import (
    ALPHA,
    FINALISTS,
    Audit,
    Findings,
    Tried,
    audit,
    beside,
    checked,
    finalists,
)
from longplay.experiments.audit.trace import meeting, trace, typical, week
from longplay.experiments.cli import main, positional
from longplay.experiments.evaluate import EVALUATION_SEED, HELD_OUT, NotFinite, evaluate
from longplay.experiments.run import RunFolder
from longplay.experiments.settings import read_objective
from longplay.experiments.stats import Interval
from longplay.rewards import Minutes, Objective

BAIT = Audit(scenario="clickbait", users=120, policies=12, train_steps=0, days=21.0)
SOME = Candidate("some", "does something", Weights(affinity=1.0), {})


def made(formula: str, asked: Audit = BAIT) -> Findings:
    return audit(asked, read_objective(formula), checked(asked))


@pytest.fixture(scope="module")
def bait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an audit of minutes where clickbait pays."""
    folder = tmp_path_factory.mktemp("audit") / "run"
    words = f"audit minutes --scenario {BAIT.scenario} --users {BAIT.users} --days {BAIT.days}"
    words += f" --policies {BAIT.policies} --train-steps 0 --out {folder}"
    assert main(words.split()) == 0
    return folder


# --- what is known ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """A world in which value is revenue and nothing else: no reward of revenue can be gamed."""
    file = tmp_path_factory.mktemp("paid") / "paid.json"
    write_world(find_world("bench").replace("paid", day_value=0.0), file)
    return Audit(world="longplay/AdLoad-v0", scenario=str(file), users=100, policies=8,
                 train_steps=0, days=10.0)  # fmt: skip


def test_a_reward_that_is_the_value_cannot_be_gamed(paid: Audit) -> None:
    found = made("revenue", paid)
    assert found.worst is None and not any(one.gamed for one in found.searched)
    assert found.agreement == approx(1.0)
    for one in found.searched:
        assert (one.reward.mean, one.reward.low) == approx((one.value.mean, one.value.low))
    assert "can be gamed" not in page.answer(found)


def test_a_reward_that_is_the_loss_of_value_is_gamed_by_all_that_raise_it(paid: Audit) -> None:
    found = made("-1 * revenue", paid)
    assert found.agreement == approx(-1.0)
    assert found.worst is not None
    for one in found.searched:
        assert one.gamed == (one.reward.sign > 0)
    for one in found.confirmed:
        change = one.change
        assert change["value"].mean == approx(-change["reward"].mean)
        assert change["value"].mean >= found.worst.change["value"].mean
    told = trace(found, found.worst, checked(paid))
    assert "(ad mem.)" in told.text and f"{found.worst.candidate.name}: " in told.text
    assert "can be gamed" in page.answer(found)


def test_minutes_are_caught_where_clickbait_pays(bait: Path) -> None:
    told = json.loads((bait / "audit.json").read_text())
    assert told["gamed"]
    worst = next(one for one in told["confirmed"] if one["name"] == told["worst"])
    assert worst["change"]["reward"]["low"] > 0.0 > worst["change"]["value"]["high"]
    assert worst["change"]["satisfied_days"]["high"] < 0.0


@pytest.mark.parametrize("formula", ["returned_1d", "survey - 0.5 * answered"])
def test_returns_and_surveys_are_not(formula: str) -> None:
    found = made(formula)
    assert found.worst is None
    assert found.agreement > 0.8
    assert any(one.value.sign < 0 for one in found.searched)  # it was not for want of harm


def test_a_reward_that_nothing_moves_is_named() -> None:
    asked = dataclasses.replace(BAIT, users=100, policies=2, days=3.0)
    found = made("revenue", asked)  # Feed has no ads
    assert found.worst is None and np.isnan(found.agreement)
    assert "the same under all" in page.answer(found)


def test_a_policy_that_learns_is_tried_too(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    from longplay.agents.registry import load

    asked = dataclasses.replace(BAIT, users=100, policies=1, train_steps=50, days=3.0)
    found = audit(asked, Minutes(), checked(asked), keep=tmp_path / "ppo")
    assert [one.candidate.name for one in found.confirmed][-1] == "ppo"
    assert found.untrained == ""
    assert load(tmp_path / "ppo").name == "ppo"


def test_without_the_library_the_search_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from longplay.agents import extras

    def gone(extra: str | None, wanted_by: str) -> None:
        if extra == "rl":
            raise extras.MissingExtra(f"{wanted_by} needs torch.")

    monkeypatch.setattr(extras, "require", gone)
    asked = dataclasses.replace(BAIT, users=100, policies=2, train_steps=50, days=3.0)
    said: list[str] = []
    found = audit(asked, Minutes(), checked(asked), say=said.append)
    assert len(found.searched) == 2 and found.untrained == "PPO needs torch"
    assert any("needs torch" in text for text in said)
    assert "PPO needs torch." in page.page(found, None, ["longplay", "audit"])


# --- the same again --------------------------------------------------------------------------


def test_equal_seeds_give_equal_audits() -> None:
    asked = dataclasses.replace(BAIT, users=100, policies=3, days=4.0)
    one, again, other = (
        page.as_json(made("minutes", dataclasses.replace(asked, seed=seed)), None, [])
        for seed in (1, 1, 2)
    )
    assert one == again
    assert one["searched"] != other["searched"] and one["base"] != other["base"]


def test_a_person_is_scored_alike_in_any_batch() -> None:
    def make(num_envs: int, **more: Any) -> Cohort:
        return Cohort("Feed", num_envs, **{"scenario": "bench", "horizon_days": 4.0, **more})

    policy, formula = Weights(affinity=1.0), read_objective("0.5 * minutes - 2 * skips")
    whole, parts = (
        score(policy, make, formula, users=9, first_user=3, seed=5, batch=batch) for batch in (9, 2)
    )
    for name in MEASURES:
        assert np.array_equal(whole[name], parts[name])
    alone = score(policy, make, formula, users=1, first_user=7, seed=5)
    assert {name: alone[name][0] for name in MEASURES} == {n: whole[n][4] for n in MEASURES}


def test_a_reward_is_summed_as_an_evaluation_sums() -> None:
    def make(num_envs: int, **more: Any) -> Cohort:
        return Cohort("Feed", num_envs, **{"scenario": "bench", "horizon_days": 6.0, **more})

    policy = Weights(quality=1.0)
    mine = score(policy, make, Minutes(), users=12, first_user=HELD_OUT, seed=EVALUATION_SEED + 3)
    theirs = evaluate(policy, make, users=12, seed=3).users
    assert mine["reward"] == approx(theirs["minutes"])
    for name in MEASURES[1:]:
        assert np.array_equal(mine[name], theirs[name])


# --- the verdict -----------------------------------------------------------------------------

people = st.lists(st.floats(-5.0, 5.0), min_size=20, max_size=20).map(np.array)


def scores_of(reward: Any, value: Any) -> dict[str, Any]:
    return {**dict.fromkeys(MEASURES, np.zeros(20)), "reward": reward, "value": value}


@settings(max_examples=25)
@given(people, people, st.floats(0.1, 10.0), st.floats(-3.0, 3.0), people)
def test_a_verdict_knows_neither_the_unit_of_the_reward_nor_who_people_are(
    reward: Any, value: Any, unit: float, shift: float, own: Any
) -> None:
    zero = np.zeros(20)
    plain = beside(SOME, scores_of(reward, value), scores_of(zero, zero), 0.95)
    scaled = beside(SOME, scores_of(unit * reward, value), scores_of(zero, zero), 0.95)
    moved = beside(SOME, scores_of(reward + own + shift, value + own),
                   scores_of(own + shift, own), 0.95)  # fmt: skip
    for name, by in (("reward", unit), ("value", 1.0)):
        x, y, z = (one.change[name] for one in (plain, scaled, moved))
        for end in ("mean", "low", "high"):
            assert getattr(y, end) == approx(by * getattr(x, end), abs=1e-9)
            assert getattr(z, end) == approx(getattr(x, end), abs=1e-9)
    # Ends within rounding of 0 may fall on either side of it
    ends = [end for x in plain.change.values() if x.low != x.high for end in (x.low, x.high)]
    assume(all(abs(end) > 1e-6 for end in ends))
    assert scaled.gamed == moved.gamed == plain.gamed


def test_a_verdict_by_hand() -> None:
    # Both intervals must leave 0 out, on their own side: people gain 2 or 4, or lose as much.
    zero, sure, torn = np.zeros(20), np.tile([2.0, 4.0], 10), np.tile([-3.0, 3.1], 10)
    for reward, value, gamed in (
        (sure, -sure, True), (sure, sure, False), (-sure, -sure, False), (-sure, sure, False),
        (sure, -torn, False), (torn, -sure, False), (sure, zero, False), (zero, -sure, False),
    ):  # fmt: skip
        found = beside(SOME, scores_of(reward, value), scores_of(zero, zero), 0.95)
        assert found.gamed is gamed


@settings(max_examples=25)
@given(people, people)
def test_the_usual_policy_never_games(reward: Any, value: Any) -> None:
    same = scores_of(reward, value)
    assert not beside(SOME, same, same, 0.95).gamed


def test_noise_is_confirmed_as_seldom_as_is_said() -> None:
    # Three policies that surely raise the reward and leave value as it is: the hardest case.
    rng = np.random.default_rng(4)
    alarms, audits = 0, 400
    for _ in range(audits):
        values = list(rng.standard_normal((FINALISTS, 60)))
        found = intervals(values, 1.0 - ALPHA / FINALISTS)
        alarms += any(x.sign < 0 for x in found)
    assert alarms / audits < 0.025 + 3.0 * np.sqrt(0.025 * 0.975 / audits)


def test_skewed_differences_are_confirmed_as_often_as_is_said() -> None:
    # The module's table, 100 people: few gain much (lognormal, sd of log 1.2), means are 0. It says
    # 19 % of audits; that is far above the 2.5 % of normal ones.
    rng = np.random.default_rng(5)
    alarms, audits, said = 0, 300, 0.19
    for _ in range(audits):
        values = rng.lognormal(0.0, 1.2, (FINALISTS + 1, 100)) - np.exp(1.2**2 / 2)
        found = intervals(list(values), 1.0 - ALPHA / len(values))
        alarms += any(x.sign < 0 for x in found)
    assert abs(alarms / audits - said) < 3.0 * np.sqrt(said * (1 - said) / audits)


def test_the_largest_losses_and_what_learnt_are_looked_at_again() -> None:
    def one(name: str, reward: float, value: float) -> Tried:
        ends = (Interval(mean, mean - 0.1, mean + 0.1) for mean in (reward, value))
        return Tried(dataclasses.replace(SOME, name=name), *ends)

    searched = [
        one("a", 1.0, -1.0), one("b", 1.0, -3.0), one("c", 1.0, 0.0), one("d", -1.0, -9.0),
        one("e", 2.0, -2.0), one("f", 1.0, -4.0), one("ppo", 5.0, 5.0),
    ]  # fmt: skip
    assert [c.name for c in finalists(searched)] == ["f", "b", "e", "ppo"]
    searched[-1] = one("ppo", 5.0, -9.0)
    assert [c.name for c in finalists(searched)] == ["ppo", "f", "b"]


# --- candidates ------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["Feed", "AdLoad"])
def test_candidates_are_many_different_and_the_same_again(task: str) -> None:
    many = candidates(task, 60, np.random.default_rng(1))
    few = candidates(task, 7, np.random.default_rng(1))
    assert [c.name for c in many[:7]] == [c.name for c in few]
    assert [c.settings for c in many[:7]] == [c.settings for c in few]
    assert len({c.name for c in many}) == 60
    if task == "Feed":
        assert sum(c.name.startswith(("most-", "least-")) for c in many) == 2 * len(SCORERS)
        assert sum(c.name.startswith("near-") for c in many) == 24  # turns of three, then of two
        for c in many:
            assert max(abs(w) for w in c.settings["weights"].values()) == 1.0
            assert Weights(**c.settings["weights"]).config() == c.settings["weights"]
    else:
        assert sum(c.name.startswith("fixed-") for c in many) == 21
        assert list(BASE_LAYOUT) not in [c.settings.get("positions") for c in many]


def test_a_threshold_by_hand(tmp_path: Path) -> None:
    policy = Threshold({"survey": 1.0, "away": -0.5}, 0.2, (), (2, 3))
    obs = np.zeros((3, len(USER_FEATURES)), np.float32)
    obs[:, USER_FEATURES.index("survey")] = 0.5, 0.5, 0.2
    obs[:, USER_FEATURES.index("away")] = 0.4, 0.8, 0.0  # scores 0.3, 0.1, 0.2
    obs[2, USER_FEATURES.index("survey")] = 0.125  # 0.125, below
    low, high = layout_index(()), layout_index((2, 3))
    act = policy.act(obs, np.random.default_rng(0))
    assert act.action.tolist() == [high, low, low] and act.propensity.tolist() == [1.0] * 3
    policy.save(tmp_path / "kept")
    assert Threshold.load(tmp_path / "kept").config() == policy.config()
    with pytest.raises(ValueError, match="no feature 'mood'"):
        Threshold({"mood": 1.0}, 0.0, (), (2,))


# --- the life told ---------------------------------------------------------------------------


def test_the_life_told_is_the_life_that_was_scored() -> None:
    asked = dataclasses.replace(BAIT, decision="fetch", users=100, policies=6, days=14.0)
    of_world = checked(asked)
    found = audit(asked, read_objective("skips"), of_world)
    some = found.worst
    assert some is not None and some.candidate is not found.base
    told = trace(found, some, of_world)
    items = Cohort("Feed", 1, scenario="clickbait").shop.items
    for life, scores in zip(told.lives, (found.base_scores, some.scores), strict=True):
        weight = 0.95 ** (life.outcomes["clock"] / 24.0)
        for name, field in (("minutes", "minutes"), ("satisfied_days", "satisfied_day")):
            sums = float((weight * life.outcomes[field]).sum())
            assert sums == approx(scores[name][told.person - HELD_OUT])
        rows = [week(life, number, items) for number in range(2)]
        visits = [float(row["visits"]) for row in rows if row["visits"] != "gone"]
        assert sum(visits) == life.totals()["sessions"]
    one, other = (life.outcomes["minutes"] for life in told.lives)
    assert not np.array_equal(one, other)
    assert meeting(told.lives[0], told.lives[0]) == "The two lives never part."


def test_the_person_told_is_in_the_middle_of_the_hurt() -> None:
    base = scores_of(np.zeros(20), np.zeros(20))
    reward, value = np.ones(20), np.zeros(20)
    value[[3, 7, 11]] = -1.0, -5.0, -2.0
    reward[7] = -1.0  # loses both
    value[15] = -9.0
    at, why = typical(base, scores_of(reward, value))
    assert at == 11 and "of the 3 of 20 people" in why  # losses 1, 2 and 9
    at, why = typical(base, scores_of(-reward, value))
    assert at == 7  # the only one whose reward rises
    at, why = typical(base, scores_of(np.zeros(20), value))
    assert at == 15 and "loses most" in why


# --- what is written and refused -------------------------------------------------------------


def test_the_folder_holds_report_figures_and_numbers(bait: Path) -> None:
    text = (bait / "audit.md").read_text()
    told = json.loads((bait / "audit.json").read_text())
    for word in ("# Audit of `minutes`", "can be gamed", "longplay audit minutes", "**yes**",
                 "hidden from every platform", "(audit.svg)", "week ", told["worst"]):  # fmt: skip
        assert word in text
    assert told["trace"] and told["answer"] in text
    assert (bait / "audit.svg").read_text().startswith("<svg")
    assert len(told["searched"]) == BAIT.policies
    assert json.loads((bait / "config.json").read_text())["audit"]["reward"] == "minutes"


MISTAKES = {
    "": ["one REWARD", "none came"],
    "minutes skips": ["'minutes' and 'skips'", "quotes"],
    "--users 30": ["none came"],
    "minuts": ["'minuts'", "Did you mean minutes?"],
    "satisfied_day": ["'satisfied_day' is hidden"],
    "1": ["names no signal"],
    "minutes --polices 3": ["'--polices'", "did you mean --policies"],
    "--users many minutes": ["--users many", "whole number"],
    "minutes --users 5": ["users=5", "at least 100"],
    "minutes --users 0": ["users=0"],
    "minutes --users 99": ["users=99", "at least 100"],
    "-skips --days 0": ["days=0"],
    "(reward:=minutes)+skips": ["a part is called 'reward'", "rename it"],
    "1e308*minutes --users 100 --days 3 --out out": [
        "REWARD: 1e+308 * minutes sums to inf",
        "weigh it by less",
    ],
    "minutes --policies 0": ["policies=0"],
    "minutes --train-steps -1": ["train-steps=-1"],
    "minutes --seed -1": ["seed=-1"],
    "minutes --days 0": ["days=0"],
    "returned_7d --days 3": ["7 days ahead", "the study lasts 3", "give --days of"],
    "minutes --scenario clikbait": ["'clikbait'", "did you mean clickbait"],
    "minutes --world longplay/Tiny-v0": ["reference world"],
    "minutes --decision day": ["fetch or session"],
    "minutes --out taken": ["taken exists already", "give another --out."],
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_gets_one_sentence(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    assert main(["audit", *typed.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("longplay: ") and err.count("\n") == 1
    assert err.rstrip()[-1] in '.?"'
    assert "--resume" not in err
    for word in MISTAKES[typed]:
        assert word in err
    assert [path.name for path in tmp_path.rglob("*")] == ["taken"]
    shutil.rmtree(tmp_path / "taken")


def test_what_a_stopped_audit_left_is_named_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["audit", "minutes", "--out", str(tmp_path / "out")]
    begun = RunFolder.create(tmp_path / "out", {"audit": {}}, ["longplay"], resumable=False)
    assert main(words) == 2  # at work
    assert "another longplay is working in" in capsys.readouterr().err
    begun.unlock()
    assert main(words) == 2  # killed
    err = capsys.readouterr().err
    assert "an audit that was stopped" in err and "delete the folder and run again" in err
    assert (tmp_path / "out" / "config.json").is_file()
    for left, text in (("config.json", '{"settings": {}}'), ("config.json", "{"), ("x", "mine")):
        (tmp_path / "out" / "config.json").unlink(missing_ok=True)
        (tmp_path / "out" / left).write_text(text)  # not an audit's: nothing is said of deleting
        assert main(words) == 2
        err = capsys.readouterr().err
        assert "exists already" in err and "delete" not in err and "--resume" not in err


def test_a_reward_of_no_number_is_refused_before_anything_is_learnt() -> None:
    class Lost(Objective):
        label = "lost"  # type: ignore[assignment]

        def evaluate(self, outcomes: Any) -> Any:
            return np.where(outcomes["minutes"] > 0, np.nan, 0.0)

        def to_dict(self) -> dict[str, Any]:
            return {}

    said: list[str] = []
    asked = dataclasses.replace(BAIT, users=100, train_steps=10**9, days=3.0)
    with pytest.raises(NotFinite, match="lost sums to nan"):
        audit(asked, Lost(), checked(asked), say=said.append)
    assert said == []


def test_a_formula_stands_before_or_after_the_options() -> None:
    options = ["--users", "30", "--seed=2"]
    for words in (["-1 * skips", *options], [*options, "-1 * skips"]):
        assert positional(words) == (["-1 * skips"], options)
    assert positional(["minutes", "--help"]) == ([], ["--help"])
