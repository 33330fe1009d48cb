"""Sweeps in processes: the numbers, the files, early stopping, and going on."""

import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pytest import approx

from longplay.experiments.cli import main
from longplay.experiments.compare import compare
from longplay.experiments.execution.ray_jobs import with_address
from longplay.experiments.run import Refused
from longplay.experiments.settings import Settings
from longplay.experiments.stats import Bootstrap
from longplay.experiments.sweep.carry import (
    Findings,
    budgets_of,
    carry_out,
    check_sweep,
    open_run,
)
from longplay.experiments.sweep.config import Choices, Range, Sweep
from longplay.experiments.sweep.processes import in_processes
from longplay.experiments.sweep.results import interval
from longplay.experiments.sweep.trial import Job

pytestmark = pytest.mark.extras

SMALL = Sweep(
    agent="linucb",
    seeds=2,
    users=8,
    train_steps=540,
    horizon_days=4.0,
    over={"agent.alpha": Choices((0.1, 2.0)), "world.fatigue.per_ad": Choices((0.05, 0.6))},
)


def swept(
    config: Sweep, folder: Path, resume: bool = False, doing: list[str] | None = None
) -> Findings:
    """Carry out a sweep in this process, noting what was done."""
    check_sweep(config)
    run = open_run(config, folder, ["longplay", "sweep", "x.toml"], resume)
    here = in_processes(1)

    def execute(jobs: Sequence[Job], done: Callable[[Job], None]) -> None:
        if doing is not None:
            doing.extend(map(str, jobs))
        here(jobs, done)

    return carry_out(config, run, execute, execute)


def test_a_sweep_leaves_one_file_a_trial_one_table_and_one_page(tmp_path: Path) -> None:
    found = swept(SMALL, tmp_path / "run")
    assert [row.params for row in found.rows] == [
        {"agent.alpha": a, "world.fatigue.per_ad": f} for a in (0.1, 2.0) for f in (0.05, 0.6)
    ]
    files = sorted(file.name for file in (tmp_path / "run" / "trials").iterdir())
    assert files == [f"{n:05d}.json" for n in range(4)]
    table = pl.read_parquet(tmp_path / "run" / "trials.parquet")
    assert table["trial"].to_list() == [0, 1, 2, 3]
    assert table["mean_value"].to_list() == [row.metric.mean for row in found.rows]
    assert found.best is not None
    assert found.best.metric.mean == table["mean_value"].max()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "fatigue.per_ad" in page
    assert page.count("<svg") == 2  # one figure, wide and narrow
    # more ads' fatigue cannot please anybody: same people, same luck, other world
    assert len({row.metric.mean for row in found.rows}) == 4


def test_results_do_not_depend_on_processes(tmp_path: Path) -> None:
    one = swept(SMALL, tmp_path / "one")
    run = open_run(SMALL, tmp_path / "two", ["longplay", "sweep", "x.toml"], False)
    two = carry_out(SMALL, run, in_processes(2), in_processes(1))
    assert one.rows == two.rows
    assert one.winner == two.winner
    a, b = (pl.read_parquet(tmp_path / n / "trials.parquet") for n in ("one", "two"))
    assert a.equals(b)


def test_the_best_is_judged_as_compare_would(tmp_path: Path) -> None:
    """With one trial of nothing but defaults, the confirmed number is compare's for that seed."""
    config = replace(SMALL, seeds=1, over={"agent.alpha": Choices((1.0,))})
    found = swept(config, tmp_path / "sweep")
    settings = Settings(
        agents=("linucb",), seeds=2, users=8, train_steps=540, horizon_days=4.0
    )  # fmt: skip
    data = compare(settings, tmp_path / "compare")
    values = data.metrics["value"][data.metrics["seed"] == 1]  # the sweep's trials had seed 0
    assert found.winner is not None
    assert found.winner.by_seed == (values.mean(),)
    assert found.winner.metric.mean != found.rows[0].metric.mean  # other people

    from longplay.agents.registry import load

    assert load(tmp_path / "sweep" / "winner" / "seed-1").name == "linucb"


def test_going_on_does_only_what_is_missing(tmp_path: Path) -> None:
    whole = swept(SMALL, tmp_path / "whole")
    swept(SMALL, tmp_path / "torn")
    torn = tmp_path / "torn"
    for name in ("trials/00002.json", "winner.json"):
        (torn / name).unlink()
    kept = (torn / "trials" / "00001.json").stat().st_mtime_ns
    doing: list[str] = []
    assert swept(SMALL, torn, resume=True, doing=doing).rows == whole.rows
    assert doing == ["trial 2", f"trial {whole.best.number}, once more"] if whole.best else False
    assert (torn / "trials" / "00001.json").stat().st_mtime_ns == kept


def test_another_sweep_cannot_go_on_there(tmp_path: Path) -> None:
    config = replace(SMALL, seeds=1, confirm=False, over={"agent.alpha": Choices((1.0,))})
    swept(config, tmp_path / "run")
    with pytest.raises(Refused, match="was begun with seed=0, not 1"):
        swept(replace(config, seed=1), tmp_path / "run", resume=True)
    with pytest.raises(Refused, match="exists already"):
        swept(config, tmp_path / "run")
    run = open_run(config, tmp_path / "run", ["longplay"], True)
    with pytest.raises(Refused, match="another longplay is working in"):
        swept(config, tmp_path / "run", resume=True)
    run.unlock()
    (tmp_path / "run" / "trials" / "00000.json").write_text("{")
    with pytest.raises(Refused, match=r"00000\.json is damaged; delete it"):
        swept(config, tmp_path / "run", resume=True)
    (tmp_path / "run" / "trials" / "00000.json").unlink()
    (tmp_path / "run" / "trials" / "00007.json").write_text("{}")
    with pytest.raises(Refused, match=r"one file a trial: see 00007\.json"):
        swept(config, tmp_path / "run", resume=True)


def test_halving_ends_what_is_poor_and_changes_no_other_number(tmp_path: Path) -> None:
    over = {"agent.alpha": Choices((0, 0.5, 1.0, 2))}  # TOML tells 0 from 0.0
    config = replace(SMALL, stop="halving", eta=2, rungs=3, train_steps=8_000, over=over)
    assert budgets_of(config) == [2_000, 4_000, 8_000]
    doing: list[str] = []
    found = swept(config, tmp_path / "halved", doing=doing)
    assert [job for job in doing if "2,000" in job] == [
        f"trial {n}, 2,000 decisions" for n in range(4)
    ]
    assert sorted(row.train_steps for row in found.rows) == [2_000, 2_000, 4_000, 8_000]
    assert [row.status for row in found.ranked] == ["done", "stopped", "stopped", "stopped"]
    assert len(doing) == 4 + 2 + 1 + 1  # rungs, and the best once more
    # at the first rung the better half went on
    rung = [json.loads(f.read_text()) for f in (tmp_path / "halved/rungs").glob("*-2000.json")]
    score = {x["number"]: np.mean([s["figures"]["value"] for s in x["seeds"]]) for x in rung}
    went_on = {row.number for row in found.rows if row.train_steps > 2_000}
    assert went_on == set(sorted(score, key=lambda n: (-score[n], n))[:2])
    # who reached the end is what it would be without early stopping
    plain = swept(replace(config, stop="no", confirm=False), tmp_path / "plain")
    assert found.best == plain.rows[found.best.number if found.best else -1]
    assert swept(config, tmp_path / "halved", resume=True, doing=doing).rows == found.rows
    assert len(doing) == 8


def test_optuna_goes_on_as_if_never_stopped(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    over = {"agent.alpha": Range(0.0, 2.0), "decision": Choices(("fetch", "session"))}
    config = replace(SMALL, search="optuna", trials=5, batch=2, confirm=False, over=over)
    whole = swept(config, tmp_path / "run")
    assert len(whole.rows) == 5
    for number in (1, 4):
        (tmp_path / "run" / "trials" / f"{number:05d}.json").unlink()
    doing: list[str] = []
    assert swept(config, tmp_path / "run", resume=True, doing=doing).rows == whole.rows
    assert doing == ["trial 1", "trial 4"]


def test_a_trial_that_is_not_a_number_has_failed(tmp_path: Path) -> None:
    over = {"reward": Choices(("minutes", "minutes * 1e300"))}
    config = replace(SMALL, agent="random", seeds=1, over=over, goal="min")
    found = swept(config, tmp_path / "run")
    assert [row.status for row in found.rows] == ["done", "failed"]
    assert "weigh it by less" in found.rows[1].error
    assert found.best is found.rows[0]
    assert "1 failed; the first: trial 1" in found.answer()


def test_intervals_from_means_and_variances() -> None:
    # By hand: V_users = 4 / (2 * 100) = 0.02, V_seeds = 2 / 2 = 1, t(1) = 12.706
    wide = interval((1.0, 3.0), (4.0, 4.0), 100)
    assert (wide.mean, wide.high) == approx((2.0, 2.0 + 12.706), abs=1e-3)
    # V_seeds = 0: t(198) sqrt(0.02) = 1.97202 * 0.141421
    narrow = interval((2.0, 2.0), (3.0, 5.0), 100)
    assert narrow.low == approx(2.0 - 0.27888, abs=1e-4)
    assert np.isnan(interval((), (), 10).mean)


def test_intervals_are_as_wide_as_those_of_the_bootstrap() -> None:
    rng = np.random.default_rng(5)
    for spread in (0.0, 1.0):
        values = rng.normal(2.0, 1.0, (3, 100)) + spread * np.array([[-1.0], [0.2], [0.9]])
        ours = interval(tuple(values.mean(axis=1)), tuple(values.var(axis=1, ddof=1)), 100)
        theirs = Bootstrap(3, 100, np.random.default_rng(0), draws=20_000).mean(values)
        assert ours.mean == approx(theirs.mean, abs=1e-12)
        assert ours.high - ours.low == approx(theirs.high - theirs.low, rel=0.02)


FILE = """
[sweep]
agent = "linucb"
seeds = 1
users = 5
train_steps = 300
horizon_days = 4
[over]
agent.alpha = [0.5, 1.0]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    return str(path)


def test_the_command_tells_a_table_and_goes_on(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    assert main(["sweep", file, "--out", out, "--jobs", "1"]) == 0
    told = capsys.readouterr()
    assert told.err.count("longplay: trial") == 3
    assert "Best of 2: trial" in told.out
    assert "new seeds and judged on people no trial has met" in told.out
    assert main(["sweep", "--resume", file, "--out", out, "--jobs", "1"]) == 0
    again = capsys.readouterr()
    assert again.err == ""
    assert again.out == told.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "takes one CONFIG.toml; none came"),
        (["a.toml", "b.toml"], "'a.toml' and 'b.toml' came"),
        (["FILE", "--resume"], "--resume came without --out"),
        (["FILE", "--jobs", "0"], "wanted at least 1 process"),
        (["FILE", "--cpus", "2"], "came without --ray"),
        (["FILE", "--ray", "--cpus", "0"], "cpus=0"),
        (["FILE", "--ray", "host:1", "--jobs", "2"], "as many trials at a time"),
        (["FILE", "--stop", "asha"], "is done by Ray; add --ray"),
        (["FILE", "--stop", "soon"], "wanted no or halving or asha"),
        (["FILE", "--trials", "3"], "no option '--trials'"),
        (["FILE", "--resume", "--out", "nowhere"], "is no folder of a run"),
    ],
)
def test_slips_of_the_command(
    words: list[str], said: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [file if word == "FILE" else word for word in words]
    assert main(["sweep", *words]) == 2
    assert said in capsys.readouterr().err


def test_ray_may_come_without_an_address() -> None:
    assert with_address(["a.toml", "--ray"]) == ["a.toml", "--ray=here"]
    assert with_address(["--ray", "a.toml"]) == ["--ray=here", "a.toml"]
    assert with_address(["--ray", "--jobs", "2"]) == ["--ray=here", "--jobs", "2"]
    assert with_address(["--ray", "auto"]) == ["--ray", "auto"]


@pytest.mark.parametrize(
    ("library", "text", "words"),
    [
        ("optuna", 'search = "optuna"\ntrials = 2\n', []),
        ("ray", "", ["--ray"]),
    ],
)
def test_a_missing_library_is_named(
    library: str,
    text: str,
    words: list[str],
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path(file).write_text(FILE.replace("[over]", f"{text}[over]"))
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == library else real(name)
    )
    assert main(["sweep", file, "--out", str(tmp_path / "run"), *words]) == 2
    told = capsys.readouterr().err
    assert f"{library}, which is not installed; run: pip install" in told
    assert not (tmp_path / "run").exists()


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sweep", "--help"])
    told: Any = capsys.readouterr().out
    assert "--ray" in told
    assert "docs/sweeps.md" in told


def test_a_metric_per_trial_for_tensorboard(tmp_path: Path) -> None:
    config = replace(SMALL, seeds=1, over={"agent.alpha": Choices((0.5, 1.0))})
    swept(config, tmp_path / "run")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runs = sorted(p.name for p in (tmp_path / "run" / "tensorboard").iterdir())
    assert runs == ["overview", "trial-00000", "trial-00001", "winner"]
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "trial-00001"))
    events.Reload()
    tags = events.Tags()["scalars"]
    assert {"final/value", "seed-0/train/reward"} <= set(tags)
    table = pl.read_parquet(tmp_path / "run" / "trials.parquet")
    (last,) = events.Scalars("final/value")
    assert last.value == approx(table["mean_value"][1], rel=1e-6)
