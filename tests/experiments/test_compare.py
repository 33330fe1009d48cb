"""Comparisons: agents looked up, trained at their own level, paired; failures and stops."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import dataclasses
import io
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for library in ("polars", "tensorboard", "scipy", "tyro", "rich"):
    pytest.importorskip(library)

from pytest import approx

from longplay.experiments.compare import (
    Job,
    all_jobs,
    compare,
    do_part,
)
from longplay.experiments.jobs import DONE, JobFailed, run_jobs
from longplay.experiments.run import Refused, RunFolder
from longplay.experiments.settings import Settings, check, cohort_maker, did_you_mean, find_entry
from longplay.experiments.summary import MYOPIC, ORACLES, summary

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


def test_a_worker_ended_from_outside_is_noticed(tmp_path: Path) -> None:
    def watch(job: Job, what: str, share: float) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    jobs = jobs_of(tmp_path, "random", "fixed-3-7", users=200, horizon_days=60.0)
    with pytest.raises(JobFailed, match=r"ended from outside \(exit code -9\)"):
        run_jobs(do_part, jobs, processes=2, watch=watch)


def test_an_interrupt_ends_the_workers(tmp_path: Path) -> None:
    def watch(job: Job, what: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(do_part, jobs_of(tmp_path, "random", "fixed-3-7"), processes=2, watch=watch)
    assert not multiprocessing.active_children()
