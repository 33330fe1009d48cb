"""Wrong beliefs: each policy tested in each world on the same people, losses paired."""

# ruff: noqa: E402  (skipped before the imports where the extras are missing)

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for library in ("polars", "tensorboard", "scipy", "tyro", "rich"):
    pytest.importorskip(library)

import polars
from pytest import approx

from longplay.envs.files import write_world
from longplay.envs.scenarios import find_world
from longplay.experiments.cli import main
from longplay.experiments.compare import compare
from longplay.experiments.misspecify import study
from longplay.experiments.misspecify.cells import Cell, Matrix, column
from longplay.experiments.misspecify.study import Misspecify, folder_of
from longplay.experiments.run import Refused, RunFolder
from longplay.experiments.stats import Bootstrap, Interval

WORLDS = ("bench", "bench without ad-memory")
QUICK = Misspecify(
    train=WORLDS,
    test=(*WORLDS, "bench shifted 6"),
    agents=("fixed-3-7", "linucb"),
    seeds=2,
    users=10,
    train_steps=600,
    horizon_days=4.0,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Matrix]:
    folder = tmp_path_factory.mktemp("misspecify") / "run"
    return folder, study.study(QUICK, folder)


def test_there_is_a_cell_for_each_agent_and_pair_of_worlds(made: tuple[Path, Matrix]) -> None:
    folder, matrix = made
    assert len(matrix.cells) == 2 * 2 * 3
    table = polars.read_parquet(folder / "cells.parquet")
    assert table.height == 12
    assert table["loss"].is_nan().sum() == 2 * (2 + 2)  # own worlds, and one nobody trained in
    assert (table["value_low"] <= table["value"]).all()


def test_a_rule_that_learns_nothing_loses_nothing(made: tuple[Path, Matrix]) -> None:
    _, matrix = made
    for cell in matrix.cells:
        if cell.agent == "fixed-3-7" and cell.loss is not None:
            assert (cell.loss.mean, cell.loss.low, cell.loss.high) == (0.0, 0.0, 0.0)


def test_the_diagonal_is_an_ordinary_comparison(made: tuple[Path, Matrix], tmp_path: Path) -> None:
    _, matrix = made
    for world in WORLDS:
        metrics = compare(QUICK.settings(world), tmp_path / world.replace(" ", "-")).metrics
        for agent in QUICK.agents:
            mean = metrics["value"][metrics["agent"] == agent].mean()
            assert matrix.of(agent, world, world).value.mean == approx(mean, rel=1e-12)


def test_all_meet_the_same_people_in_a_test_world(made: tuple[Path, Matrix]) -> None:
    folder, matrix = made
    run = RunFolder(folder)
    for tested in QUICK.tests:
        rows = [
            folder_of(run, QUICK, trained, tested).load_part("linucb", seed).evaluation.users
            for trained in WORLDS for seed in (0, 1)
        ]  # fmt: skip
        assert all(np.array_equal(row["user"], rows[0]["user"]) for row in rows)
    # the loss is the mean of differences person by person
    tested = WORLDS[1]
    wrong, right = (
        [folder_of(run, QUICK, name, tested).load_part("linucb", s).evaluation.users["value"]
         for s in (0, 1)]
        for name in WORLDS
    )  # fmt: skip
    loss = matrix.of("linucb", WORLDS[0], tested).loss
    assert loss is not None and loss.mean == approx(np.mean(np.array(wrong) - np.array(right)))


def test_the_page_says_everything_and_asks_nothing_of_the_network(
    made: tuple[Path, Matrix],
) -> None:
    folder, matrix = made
    text = (folder / "report.html").read_text()
    for word in (*QUICK.agents, *QUICK.tests, "own world", "longplay misspecify"):
        assert word in text
    assert "http" not in text.replace("http-equiv", "") and "<script" not in text
    assert text.count("<svg") == 2 * 2  # wide and narrow
    assert matrix.answer().endswith(".")


def test_a_stopped_study_goes_on_where_it_was(made: tuple[Path, Matrix]) -> None:
    folder, matrix = made
    run = RunFolder(folder)
    done: list[str] = []
    lost = folder_of(run, QUICK, WORLDS[0], WORLDS[1]).part("linucb", 1)
    lost.unlink()
    again = study.study(
        dataclasses.replace(QUICK, resume=True),
        folder,
        watch=lambda job, what, share: done.append(study.spoken(job)) if what == "done" else None,
    )
    assert done == [f"linucb trained under 'bench', seed 1, tested in {WORLDS[1]!r}"]
    assert again.cells == matrix.cells
    with pytest.raises(Refused, match="was begun with users=10, not 11"):
        study.study(dataclasses.replace(QUICK, resume=True, users=11), folder)


def test_a_file_that_changed_cannot_be_resumed(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    write_world(find_world("bench").replace("mine"), file)
    asked = dataclasses.replace(QUICK, train=(str(file),), test=(), agents=("random",), users=2)
    study.study(asked, tmp_path / "run")
    file.unlink()
    write_world(find_world("bench").replace("mine", gamma_day=0.9), file)
    with pytest.raises(Refused, match="cannot be resumed"):
        study.study(dataclasses.replace(asked, resume=True), tmp_path / "run")


def test_losses_by_hand() -> None:
    # Two seeds of three people. Tested in "b": trained under a 1, 2, 3; 2, 3, 4; under b 1 more.
    values = np.array([[[1.0, 2, 3], [2, 3, 4]], [[2, 3, 4], [3, 4, 5]]])
    boot = Bootstrap(2, 3, np.random.default_rng(0))
    wrong, right = column(boot, values, "x", ("a", "b"), "b")
    assert (wrong.value.mean, right.value.mean) == (2.5, 3.5)
    assert right.own and right.loss is None
    assert wrong.loss is not None
    assert (wrong.loss.mean, wrong.loss.low, wrong.loss.high) == approx((-1.0, -1.0, -1.0))
    assert [cell.loss for cell in column(boot, values, "x", ("a", "b"), "c")] == [None, None]


def test_the_answer_names_the_worst_sure_loss() -> None:
    def cell(loss: tuple[float, float, float] | None, agent: str) -> Cell:
        value = Interval(1.0, 0.9, 1.1)
        return Cell(agent, "a", "b", value, None if loss is None else Interval(*loss))

    def answer(*cells: Cell) -> str:
        return Matrix(QUICK, "longplay misspecify", cells).answer()

    worse, worst = cell((-0.2, -0.3, -0.1), "x"), cell((-0.4, -0.5, -0.3), "y")
    unsure = cell((-0.9, -2.0, 0.2), "z")
    said = answer(worse, worst, unsure, cell(None, "w"))
    assert said.startswith("2 of 3 wrong beliefs cost value. The dearest: y, trained under a")
    assert "No wrong belief" in answer(unsure)
    assert "no losses" in answer(cell(None, "w"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--train bensh", "did you mean bench"),
        ("--train bench bench", "--train 'bench' came twice"),
        ("--train bench --test music music", "--test 'music' came twice"),
        ("--agents linucbb", "did you mean linucb"),
        ("--resume", "without --out"),
        ("--jobs 0", "jobs=0"),
        ("--users 0", "users=0"),
    ],
)
def test_mistakes_get_one_sentence(
    words: str, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["misspecify", *words.split()]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--agents random --seeds 1 --users 4 --horizon-days 2 --train-steps 1 --jobs 1 --out"
    assert main(["misspecify", *words.split(), str(tmp_path / "run")]) == 0
    told = capsys.readouterr()
    assert "trained under 'bench', seed 0, tested in 'bench without habit': done" in told.err
    assert "report.html" in told.out and "random" in told.out
