"""Comparisons: agents looked up, trained at their own level, paired; failures and stops."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import dataclasses
import io
import json
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for library in ("polars", "tensorboard", "scipy", "tyro", "rich"):
    pytest.importorskip(library)

from pytest import approx

from longplay.envs.cohort import Cohort
from longplay.experiments.compare import compare
from longplay.experiments.evaluate import METRIC, reward_columns
from longplay.experiments.execution.jobs import DONE, LOST, JobFailed, run_jobs
from longplay.experiments.execution.parts import Job, all_jobs, do_part
from longplay.experiments.run import Refused, RunFolder
from longplay.experiments.settings import (
    Settings,
    check,
    cohort_maker,
    did_you_mean,
    find_entry,
    training_maker,
)
from longplay.experiments.summary import MYOPIC, ORACLES, summary
from longplay.rewards.wrappers import RewardedVector

SMALL = Settings(
    agents=("random", "fixed-none", "fixed-3-7"),
    seeds=2,
    users=10,
    train_steps=500,
    horizon_days=4.0,
)


def test_an_agent_may_have_a_decision_level_of_its_own() -> None:
    entry = find_entry("linucb@fetch", "session", "AdLoad")
    assert (entry.label, entry.spec.name, entry.decision) == ("linucb@fetch", "linucb", "fetch")
    assert find_entry("linucb", "session", "AdLoad").decision == "session"
    cohort = cohort_maker(SMALL, entry)(3, first_user=5)
    assert (cohort.decision, cohort.task, cohort.first_user) == ("fetch", "AdLoad", 5)
    assert cohort.horizon_days == 4.0


def test_agents_that_order_candidates_decide_every_fetch() -> None:
    assert find_entry("affinity", "session", "Feed").decision == "fetch"
    assert find_entry("production", "session", "Feed").decision == "session"
    settings = dataclasses.replace(SMALL, world="longplay/Feed-v0", agents=("affinity@session",))
    with pytest.raises(Refused, match="'affinity@session' cannot play here: .*candidates"):
        check(settings)


def test_kinds() -> None:
    labels = {"random": "fixed", "fixed-3-7": "fixed", "linucb": "bandit", "lints@fetch": "bandit"}
    for label, kind in labels.items():
        assert find_entry(label, "session", "AdLoad").kind == kind


def test_the_same_agent_at_two_levels_is_two_agents() -> None:
    settings = dataclasses.replace(SMALL, agents=("linucb", "linucb@fetch"))
    assert [entry.label for entry in check(settings)] == ["linucb", "linucb@fetch"]


@pytest.mark.parametrize(
    ("came", "known", "end"),
    [
        ("bensh", ["music", "bench"], "; did you mean bench?"),
        ("adload", ["longplay/AdLoad-v0", "longplay/X"], "; did you mean longplay/AdLoad-v0?"),
        ("zzz", ["music", "bench"], "; there are: music, bench."),
    ],
)  # fmt: skip
def test_did_you_mean(came: str, known: list[str], end: str) -> None:
    assert did_you_mean(came, known) == end


def test_nothing_is_written_when_the_settings_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="users=0"):
        compare(dataclasses.replace(SMALL, users=0), tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_long_parts_go_first(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    settings = dataclasses.replace(SMALL, agents=("random", "linucb", "ppo"), seeds=2)
    jobs = all_jobs(settings, check(settings), RunFolder(tmp_path))
    assert [job.label for job in jobs] == ["ppo", "ppo", "linucb", "linucb", "random", "random"]
    assert [job.seed for job in jobs] == [0, 1] * 3


def test_a_comparison_is_paired_and_complete(tmp_path: Path) -> None:
    settings = dataclasses.replace(SMALL, agents=("fixed-3-7", "fixed-3-7@fetch", "fixed-none"))
    seen: list[tuple[str, int, str, float]] = []

    def watch(job: Job, what: str, share: float) -> None:
        seen.append((job.label, job.seed, what, share))

    data = compare(settings, tmp_path / "run", watch=watch)
    metrics = data.metrics
    rows = {name: metrics["agent"] == name for name in settings.agents}
    assert all(mask.sum() == 2 * 10 for mask in rows.values())
    for column in ("user", "seed"):
        first = metrics[column][rows["fixed-3-7"]]
        assert all(np.array_equal(metrics[column][mask], first) for mask in rows.values())
    # A rule that never changes its mind does the same to the same people at either level
    for column in ("undiscounted_revenue", "undiscounted_minutes", "churned"):
        by_session, by_fetch = (metrics[column][rows[n]] for n in settings.agents[:2])
        assert by_session == approx(by_fetch, rel=1e-9)
    assert not metrics["revenue"][rows["fixed-none"]].any()
    assert metrics["revenue"][rows["fixed-3-7"]].any()
    done = [(label, seed) for label, seed, what, _ in seen if what == DONE]
    assert sorted(done) == sorted((name, seed) for name in settings.agents for seed in (0, 1))
    assert data.behaviour is not None
    ads = data.behaviour["agent"] == "fixed-3-7"
    assert data.behaviour["y"][ads] == approx(2.0)  # two ads in every fetch, at every age


def test_the_table_in_the_terminal_has_one_line_an_agent(tmp_path: Path) -> None:
    from rich.console import Console

    data = compare(SMALL, tmp_path / "run")
    for width in (80, 150):
        table, notes, answer = summary(data, width)
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(table)
        lines = [line.split() for line in console.export_text().splitlines()]
        values = {words[0]: words[1] for words in lines if words and words[0] in SMALL.agents}
        for name in SMALL.agents:
            mean = data.metrics["value"][data.metrics["agent"] == name].mean()
            assert float(values[name]) == approx(mean, abs=0.05)
        order = [words[0] for words in lines if words and words[0] in SMALL.agents]
        assert sorted(order, key=lambda name: -float(values[name])) == order
        assert "over users and seeds" in notes and "the horizon cuts off" in notes
        assert answer.endswith(".")


def test_references_are_marked_and_kept_apart() -> None:
    for label in (MYOPIC, *ORACLES):
        entry = find_entry(label, "session", "AdLoad")
        assert entry.kind == "reference" and entry.spec.privileged


def jobs_of(folder: Path, *labels: str, **changes: Any) -> list[Job]:
    return [Job(dataclasses.replace(SMALL, **changes), label, 0, folder) for label in labels]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_failing_part_tells_its_error(tmp_path: Path, processes: int) -> None:
    jobs = jobs_of(tmp_path, "no-such-agent", "random")
    with pytest.raises(JobFailed, match="no-such-agent") as failure:
        run_jobs(do_part, jobs, processes=processes, watch=lambda job, what, share: None)
    assert failure.value.job.label == "no-such-agent"
    assert "find_entry" in failure.value.detail  # the worker's own traceback
    assert not multiprocessing.active_children()


def test_a_job_that_loses_two_workers_is_given_up(tmp_path: Path) -> None:
    seen: list[str] = []

    def watch(job: Job, what: str, share: float) -> None:
        seen.append(what)
        for child in multiprocessing.active_children():
            child.kill()

    jobs = jobs_of(tmp_path, "random", "fixed-3-7", users=200, horizon_days=60.0)
    with pytest.raises(JobFailed, match=r"ended from outside \(exit code -9\), twice; is the"):
        run_jobs(do_part, jobs, processes=2, watch=watch)
    assert LOST in seen and not multiprocessing.active_children()


def test_an_interrupt_ends_the_workers(tmp_path: Path) -> None:
    def watch(job: Job, what: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(do_part, jobs_of(tmp_path, "random", "fixed-3-7"), processes=2, watch=watch)
    assert not multiprocessing.active_children()


# --- a reward of one's own --------------------------------------------------------------------

WISH = "0.7 * minutes - 0.3 * skips + 2 * returned_1d"


def test_only_those_who_learn_from_a_step_are_paid_by_the_reward() -> None:
    paid = {"linucb": True, "linucb@fetch": True, "random": False, "fixed-3-7": False,
            "myopic": False, "patient": False}  # fmt: skip
    settings = dataclasses.replace(SMALL, reward=WISH)
    for label, whether in paid.items():
        entry = find_entry(label, "session", "AdLoad")
        cohort = training_maker(settings, entry)(2)
        assert isinstance(cohort, RewardedVector) == whether == entry.paid
        assert cohort.unwrapped.decision == entry.decision
        assert type(training_maker(SMALL, entry)(2)) is Cohort
    items = find_entry("linucb", "session", "Feed")  # learns from what each position earned
    assert items.kind == "bandit" and not items.paid


@pytest.mark.parametrize("agent", ["linucb", "ppo"])
def test_the_worlds_own_reward_as_a_formula_gives_the_same_numbers(
    agent: str, tmp_path: Path
) -> None:
    if agent == "ppo":
        pytest.importorskip("stable_baselines3")
    plain = dataclasses.replace(SMALL, agents=(agent,), seeds=1, train_steps=8000)
    ours = compare(dataclasses.replace(plain, reward="revenue"), tmp_path / "ours").metrics
    theirs = compare(plain, tmp_path / "theirs").metrics
    assert list(theirs) == ["agent", "seed", *(METRIC.names or ()), "cut_off"]
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert np.array_equal(ours["reward"], ours["revenue"])


@pytest.mark.parametrize("agent", ["linucb", "ppo"])
def test_learners_learn_what_they_are_paid_for(agent: str, tmp_path: Path) -> None:
    if agent == "ppo":
        pytest.importorskip("stable_baselines3")
    ads = {}
    for reward in ("ad_views", "-1 * ad_views"):
        settings = dataclasses.replace(
            SMALL, agents=(agent,), seeds=1, users=60, train_steps=24_000, reward=reward
        )
        data = compare(settings, tmp_path / reward)
        seen, minutes = (data.metrics[f"undiscounted_{n}"].sum() for n in ("ad_views", "minutes"))
        ads[reward] = 60.0 * seen / minutes  # an hour
        assert np.abs(data.metrics["reward"]) == approx(data.metrics["ad_views"])
    print(f"{agent}: {ads}")
    assert ads["-1 * ad_views"] < 0.5 * ads["ad_views"]


def test_a_reward_is_kept_told_and_needed_to_resume(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = dataclasses.replace(
        SMALL, agents=("random", "linucb"), train_steps=8000, reward=WISH
    )
    run = tmp_path / "run"
    data = compare(settings, run)
    metrics, parts = data.metrics, ["minutes", "skips", "returned_1d"]
    assert list(reward_columns(metrics)) == ["reward", *(f"reward:{part}" for part in parts)]
    assert metrics["reward"] == approx(sum(metrics[f"reward:{part}"] for part in parts))
    assert metrics["reward:minutes"] == approx(0.7 * metrics["minutes"])
    assert data.reward == "0.7 * minutes - 0.3 * skips + 2.0 * returned_1d"
    assert [agent.paid for agent in data.agents] == [False, True]
    assert json.loads((run / "config.json").read_text())["settings"]["reward"] == WISH

    events = EventAccumulator(str(run / "tensorboard" / "linucb" / "seed-0"))
    events.Reload()
    own = (metrics["agent"] == "linucb") & (metrics["seed"] == 0)
    for name in reward_columns(metrics):
        assert events.Scalars(f"final/{name}")[0].value == approx(metrics[name][own].mean())
    curves = [events.Scalars(f"reward/{part}") for part in parts]
    for whole, *pieces in zip(events.Scalars("train/reward"), *curves, strict=True):
        assert whole.value == approx(sum(piece.value for piece in pieces), rel=1e-5)
        assert {piece.step for piece in pieces} == {whole.step}

    for other, words in ((None, "not None"), ("minutes", "not minutes")):
        with pytest.raises(Refused, match=f"begun with reward=0.7.*{words}"):
            compare(dataclasses.replace(settings, reward=other), run, resume=True)
    again = compare(settings, run, resume=True)
    assert all(np.array_equal(again.metrics[name], metrics[name]) for name in metrics)


def test_the_terminal_tells_the_parts_of_a_reward(tmp_path: Path) -> None:
    from rich.console import Console

    data = compare(dataclasses.replace(SMALL, reward=WISH), tmp_path / "run")
    for width in (80, 150):
        table, notes, _ = summary(data, width)
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(table)
        first, second = console.export_text().split("\n\n", 1)
        heads = next(line.split() for line in second.splitlines() if "agent" in line)
        assert heads == ["agent", "reward", "minutes", "skips", "returned_1d"]
        rows = [line.split() for line in second.splitlines() if line.startswith(SMALL.agents)]
        means = {n: data.metrics["reward"][data.metrics["agent"] == n].mean() for n in SMALL.agents}
        assert [row[0] for row in rows] == sorted(means, key=lambda name: -means[name])
        for name, mean, *_ in rows:
            assert float(mean) == approx(means[name], abs=0.5)
        assert "agent" in first and "value" in first
        assert "reward: 0.7 * minutes" in notes


def test_what_a_reward_does_not_reach_is_said(tmp_path: Path) -> None:
    settings = dataclasses.replace(
        SMALL, world="longplay/Feed-v0", agents=("random", "linucb"), seeds=1, users=4,
        horizon_days=2.0, reward="minutes",
    )  # fmt: skip
    data = compare(settings, tmp_path / "run")
    assert [agent.paid for agent in data.agents] == [False, False]
    assert any("did not reach linucb: bandits that pick items" in said for said in data.limits)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reward": "minuts"}, "reward: There is no signal 'minuts'. Did you mean minutes?"),
        ({"reward": "returned_7d"}, "reward: returned_7d looks 7 days ahead, the study lasts 4;"),
        ({"reward": "2 * satisfaction"}, "reward: 'satisfaction' is hidden"),
    ],
)
def test_a_reward_that_cannot_be_is_refused(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused) as refused:
        compare(dataclasses.replace(SMALL, **changes), tmp_path / "run")
    assert str(refused.value).startswith(words)
    assert not list(tmp_path.iterdir())
