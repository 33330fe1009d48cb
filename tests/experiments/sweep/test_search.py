"""Which trials there are: a function of the settings and the seed alone."""

import math
from typing import Any

import numpy as np
import pytest
from pytest import approx
from scipy.stats import kstest

from longplay.experiments.run import Refused
from longplay.experiments.sweep.config import Choices, Range, Sweep
from longplay.experiments.sweep.search import Optuna, all_trials

pytestmark = pytest.mark.extras


def params(config: Sweep) -> list[dict[str, Any]]:
    trials = all_trials(config)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    return [dict(trial.params) for trial in trials]


def test_a_grid_is_every_combination_the_last_setting_fastest() -> None:
    over = {"a": Choices((1, 2)), "b": Range(1, 100, log=True, points=3)}
    assert params(Sweep(over=over)) == [
        {"a": a, "b": b} for a in (1, 2) for b in (1, 10, 100)
    ]  # fmt: skip


def test_points_of_a_range() -> None:
    assert Range(0.0, 1.0, points=5).grid("x") == (0.0, 0.25, 0.5, 0.75, 1.0)
    # by hand: 1e-4 10^(i), i = 0, 1, 2
    assert Range(1e-4, 1e-2, log=True, points=3).grid("x") == approx((1e-4, 1e-3, 1e-2))
    assert Range(1, 3, points=9).grid("x") == (1, 2, 3)  # whole numbers, each once


def test_a_grid_too_large_is_a_slip() -> None:
    over = {name: Choices(tuple(range(100))) for name in "abc"}
    with pytest.raises(Refused, match="1,000,000 trials"):
        all_trials(Sweep(over=over))


def random(trials: int, seed: int = 0, **more: Any) -> Sweep:
    over = {
        "x": Range(2.0, 4.0),
        "y": Range(1e-4, 1e-1, log=True),
        "n": Range(1, 6),
        "k": Choices(("a", "b")),
        **more,
    }
    return Sweep(search="random", trials=trials, seed=seed, over=over)


def test_random_values_have_the_distributions_asked_for() -> None:
    found = params(random(4_000))
    assert kstest([p["x"] for p in found], "uniform", (2.0, 2.0)).pvalue > 0.01
    logs = [math.log10(p["y"]) for p in found]
    assert kstest(logs, "uniform", (-4.0, 3.0)).pvalue > 0.01
    whole = [p["n"] for p in found]
    assert all(isinstance(n, int) for n in whole)
    # six faces, 4000 throws: each within 4 standard deviations of 667
    assert np.bincount(whole, minlength=7)[1:] == approx(4000 / 6, abs=4 * 23.6)
    assert sum(p["k"] == "a" for p in found) == approx(2000, abs=4 * 31.6)


def test_more_trials_or_settings_change_no_other_value() -> None:
    few, many = params(random(5)), params(random(9, z=Range(0.0, 1.0)))
    assert [{k: v for k, v in p.items() if k != "z"} for p in many[:5]] == few
    assert params(random(5)) == few
    assert params(random(5, seed=1)) != few


def best_of(config: Sweep, score: Any, upset: Any = None) -> list[dict[str, Any]]:
    search, found = Optuna(config), []
    while batch := search.ask():
        assert len(batch) <= config.batch
        found += [dict(trial.params) for trial in batch]
        search.tell([score(trial.params) for trial in batch])
    return found


def test_optuna_repeats_itself_and_finds_the_better_end() -> None:
    pytest.importorskip("optuna")
    over = {
        "x": Range(-10.0, 10.0),
        "n": Range(1, 8),
        "net": Choices(([8], [8, 8], None)),
    }
    config = Sweep(search="optuna", trials=42, batch=4, over=over)

    def score(p: Any) -> float | None:
        return None if p["net"] is None else -((p["x"] - 7.0) ** 2) - abs(p["n"] - 3)

    first = best_of(config, score)
    assert first == best_of(config, score)
    assert len(first) == 42
    assert {type(p["n"]) for p in first} == {int}
    late = [abs(p["x"] - 7.0) for p in first[-20:]]
    early = [abs(p["x"] - 7.0) for p in first[:10]]  # drawn at random
    assert np.median(late) < np.median(early) / 2
