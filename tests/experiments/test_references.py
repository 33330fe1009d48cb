"""References: patience pays where a world says so, stored ones are used only where they hold."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for library in ("polars", "tensorboard", "scipy", "tyro", "rich"):
    pytest.importorskip(library)

from pytest import approx

from longplay.envs.reference.tiny import GONE, LOADS, STATES, model
from longplay.envs.scenarios import PATIENT, SCENARIOS, find_world
from longplay.experiments.cli import main
from longplay.experiments.compare import compare
from longplay.experiments.references import page, stored, study
from longplay.experiments.references.stored import (
    SHIPPED,
    coarse,
    find,
    key_of,
    lives_hash,
    read,
    unwritten,
    world_hash,
    written,
)
from longplay.experiments.run import Refused
from longplay.experiments.settings import Settings
from longplay.experiments.summary import summary

CLAIMS = [(scenario, task) for scenario, tasks in PATIENT.items() for task in tasks]
QUICK = Settings(agents=("random", "fixed-3-7"), seeds=2, users=8, horizon_days=4.0, train_steps=1)


def settings_of(kept: dict[str, Any]) -> Settings:
    """The comparison that stored references are for."""
    return Settings(world=f"longplay/{kept['key']['task']}-v0", scenario=kept["scenario"])


@pytest.mark.parametrize(("scenario", "task"), CLAIMS)
def test_patience_pays_where_a_scenario_claims_it(scenario: str, task: str) -> None:
    kept = read(SHIPPED / f"{task}-{scenario}.json")
    rule, myopic, oracle = (kept["roles"][role] for role in ("rule", "myopic", "oracle"))
    gains = [kept["gains"][f"{name} over {myopic}"]["value"] for name in (rule, oracle)]
    assert any(gain["low"] > 0.0 for gain in gains)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.json")), ids=lambda file: file.stem)
def test_stored_references_are_of_the_worlds_as_they_are(file: Path) -> None:
    kept = read(file)
    assert kept["key"] == key_of(settings_of(kept)), f"stale; renew with: {kept['renew']}"
    values = {name: np.array(unwritten(x)) for name, x in kept["value_by_user"].items()}
    for name, rows in values.items():
        assert rows.shape == (kept["seeds"], kept["users"])
        assert rows.mean() == approx(kept["reached"][name]["value"]["mean"], abs=1e-6)
    myopic, oracle = (values[kept["roles"][role]] for role in ("myopic", "oracle"))
    gain = kept["gains"][f"{kept['roles']['oracle']} over {kept['roles']['myopic']}"]["value"]
    assert (oracle - myopic).mean() == approx(gain["mean"], abs=1e-6)


def test_the_page_shows_what_is_stored() -> None:
    kept = Path(__file__).parents[2] / "docs" / "references.md"
    assert kept.read_text(encoding="utf-8") == page.page()  # else: make it anew, see page.py


def test_claims_are_about_scenarios_and_tasks_that_exist() -> None:
    assert set(PATIENT) <= set(SCENARIOS)
    assert {task for tasks in PATIENT.values() for task in tasks} <= set(stored.ROLES)


def test_in_tiny_patience_pays_exactly() -> None:
    found = study.exact("longplay/Tiny-v0")
    assert found["oracle"] == approx(18.467, abs=1e-3)  # as its page says
    assert found["myopic"] / found["oracle"] == approx(0.586, abs=1e-3)
    assert found["rule"] / found["oracle"] == approx(0.912, abs=1e-3)
    assert found["the rule's action"] == 1
    assert study.exact_worlds() == ["longplay/Tiny-v0"]


def test_chance_in_tiny_is_what_random_lives_earn() -> None:
    # An independent way to the same number: lives played in the matrices, 20 000 of them.
    mdp, rng = model(), np.random.default_rng(0)
    lives = 20_000
    state = rng.choice(STATES, lives, p=mdp.start)
    total, weight = np.zeros(lives), 1.0
    ladder = mdp.P.cumsum(axis=2)
    for _ in range(1200):  # 0.98^1200 is 3e-11
        action = rng.integers(0, LOADS, lives)
        total += weight * mdp.R[state, action]
        state = (rng.random((lives, 1)) > ladder[state, action]).sum(axis=1).clip(max=GONE)
        weight *= mdp.discount
        if (state == GONE).all():
            break
    error = total.std() / np.sqrt(lives)
    assert abs(total.mean() - study.worth_of_chance(mdp)) < 4 * error


def test_a_world_is_known_by_its_numbers_not_its_name() -> None:
    bench = find_world("bench")
    assert world_hash(bench) == world_hash(bench.replace("another name", about="another text"))
    others = [
        bench.replace("x", ads={"memory": 0.16}),
        bench.replace("x", gamma_day=0.96),
        bench.replace("x", horizon_days=76.0),
        bench.without("habit"),
        find_world("music"),
    ]
    assert len({world_hash(world) for world in [bench, *others]}) == 6


def test_references_outlive_new_code_and_no_new_law() -> None:
    bench = find_world("bench")
    same = lives_hash("AdLoad", bench)
    # The same law in other words differs in last bits at most; a law of other numbers, or of
    # another form, is lived by other people, and so is another interface.
    assert lives_hash("AdLoad", bench.with_laws("x", next_fatigue=fatigue_in_other_words)) == same
    others = [
        ("Feed", bench),
        ("AdLoad", bench.with_laws("x", next_fatigue=tiring_by_half)),
        ("AdLoad", bench.replace("x", feedback={"hide": bench.feedback.hide + 0.01})),
        ("AdLoad", bench.replace("x", survey={"noise": bench.survey.noise + 0.001})),
        ("AdLoad", bench.replace("x", churn={"ads": bench.churn.ads + 0.05})),
    ]
    assert len({lives_hash(task, world) for task, world in others} | {same}) == 1 + len(others)


def fatigue_in_other_words(fatigue, minutes, passed, ads, aversion, p):
    return (p.per_ad * aversion * ads + p.per_pass * passed) + (p.per_minute * minutes + fatigue)


def tiring_by_half(fatigue, minutes, passed, ads, aversion, p):
    return fatigue + 0.5 * p.per_minute * minutes + p.per_pass * passed + p.per_ad * ads * aversion


def test_numbers_count_to_five_digits() -> None:
    numbers = np.array([0.0, 1.0, -3.7e5, 2e-9, math.inf, -math.inf, math.nan])
    assert coarse(numbers) == coarse(numbers * (1.0 + 1e-9)) == coarse(numbers.astype(np.float32))
    assert coarse(np.array([-0.0])) == coarse(np.array([0.0]))
    assert coarse(np.array([1])) == coarse(np.array([1.0], np.float32))
    assert coarse(np.array([1.0])) != coarse(np.array([1.0001]))
    assert len(coarse(numbers)) == 4 * len(numbers)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """References of a quick world, made by the command itself, with few training people."""
    from longplay.agents.registry import AGENTS

    small = {
        "oracle": {"users": 30, "judges": 16, "days": 2.0, "rounds": 1},
        "myopic": {"users": 30, "replicas": 2},
        "best-fixed": {"users": 16},
    }
    before = {name: AGENTS[name] for name in small}
    folder = tmp_path_factory.mktemp("references") / "run"
    try:
        for name, settings in small.items():
            AGENTS.add(dataclasses.replace(before[name], settings=settings))
        words = "references --seeds 2 --users 12 --horizon-days 4 --jobs 1 --out"
        assert main([*words.split(), str(folder)]) == 0
    finally:
        for spec in before.values():
            AGENTS.add(spec)
    return folder / "references.json"


def test_the_command_keeps_what_it_found(made: Path) -> None:
    kept = read(made)
    assert kept["key"] == key_of(QUICK)
    assert list(kept["reached"]) == ["random", "best-fixed", "myopic", "oracle"]
    assert len(kept["chosen"]) == 2 and all(len(rule["positions"]) <= 2 for rule in kept["chosen"])
    reached = {name: parts["value"]["mean"] for name, parts in kept["reached"].items()}
    for pair, parts in kept["gains"].items():
        more, _, less = pair.partition(" over ")
        assert parts["value"]["mean"] == approx(reached[more] - reached[less], abs=2e-6)
        assert parts["value"]["low"] <= parts["value"]["mean"] <= parts["value"]["high"]
    assert "## `bench`, longplay/AdLoad-v0" in page.section(kept)


def test_stored_references_give_the_headroom_of_agents_that_took_part(
    made: Path, tmp_path: Path
) -> None:
    # The references' own run, read again: the same agents, now absent, must give the same scale.
    kept = read(made)
    values = {name: np.array(unwritten(x)) for name, x in kept["value_by_user"].items()}
    values["oracle"] = values["myopic"] + 0.5 + 0.01 * values["oracle"]
    kept["value_by_user"]["oracle"] = written(values["oracle"])
    file = tmp_path / "references.json"
    file.write_text(json.dumps(kept))
    data = compare(QUICK, tmp_path / "run", references=file)
    assert data.stored is not None and (data.myopic, data.oracle) == ("myopic", "oracle")
    assert data.stored.values.shape == (2, 2, 8)
    from longplay.experiments.report import find as findings

    (row,) = (row for row in findings(data).rows if row.name == "fixed-3-7")
    zero, one = values["myopic"][:, :8], values["oracle"][:, :8]
    wanted = (row.value.mean - zero.mean()) / (one.mean() - zero.mean())
    assert row.closed is not None and row.closed.mean == approx(wanted, rel=1e-6)
    _, notes, _ = summary(data)
    assert "references stored for this world" in notes
    report = (tmp_path / "run" / "report.html").read_text()
    assert "references stored for this world" in report


def test_a_run_on_more_people_than_were_stored_says_so(made: Path) -> None:
    found, note = find(dataclasses.replace(QUICK, users=13), made)
    assert found is None
    assert "cover 2 seeds of 12 people" in note
    assert find(QUICK, made)[0] is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"horizon_days": 5.0}, "horizon_days=4.0, not 5.0"),
        ({"decision": "fetch"}, "myopic=session, not fetch"),
        ({"scenario": "bench without habit"}, "world="),
    ],
)
def test_references_of_another_world_are_refused(
    made: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match="do not hold here") as error:
        find(dataclasses.replace(QUICK, **changes), made)
    assert words in str(error.value)


def test_stale_references_are_never_used_in_silence(
    monkeypatch: pytest.MonkeyPatch, made: Path, tmp_path: Path
) -> None:
    kept = read(made)
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "AdLoad-bench.json").write_text(json.dumps(kept))
    monkeypatch.setattr(stored, "SHIPPED", folder)
    assert find(QUICK)[0] is not None
    assert find(dataclasses.replace(QUICK, scenario="music")) == (None, "")  # none stored
    assert find(dataclasses.replace(QUICK, horizon_days=5.0)) == (None, "")  # for this horizon
    monkeypatch.setattr(stored, "lives_hash", lambda task, world: "0" * 16)
    found, note = find(QUICK)
    assert found is None
    assert f"were made with lives={kept['key']['lives']}, not {'0' * 16}, and are not used" in note
    data = compare(QUICK, tmp_path / "run")
    assert data.stored is None and list(data.limits) == [note]
    assert note in summary(data)[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("references --world longplay/ChocKale-v0", "reference world"),
        ("references --world longplay/Tiny-v0 --users 3", "takes no --users"),
        ("references --scenario bensh", "did you mean bench"),
        ("references --horizon-days 3", "--out"),
        ("references --jobs 0", "jobs=0"),
        ("references --resume", "without --out"),
        ("compare --agents random --references pyproject.toml", "holds no references"),
    ],
)
def test_mistakes_get_one_sentence(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1
