"""What a retention floor costs: the arithmetic by hand, and the study in small."""

import math

import numpy as np
import pytest

from longplay.experiments.studies import floors
from longplay.experiments.studies.floors import Run, Settings, by_floor, figure, page, settled

NAN = math.nan


def test_the_drift_of_the_last_quarter_by_hand():
    # of 16 entries the last four: mean 2.5; from (2 + 2) / 2 to (3 + 3) / 2
    assert settled([9.0] * 12 + [2.0, 2.0, 3.0, 3.0]) == (2.5, pytest.approx(0.4))
    assert settled([0.0] * 8) == (0.0, 0.0)
    assert np.isnan(settled([1.0] * 7)).all()
    assert np.isnan(settled([])).all()


def test_means_over_seeds_by_rising_floor():
    runs = [
        Run(0.9, 0.91, 0.9, 2.0, 1.0, 0.1),
        Run(NAN, 0.80, NAN, 3.0, NAN, NAN),
        Run(0.85, 0.86, 0.85, 2.5, 0.5, 0.1),
        Run(0.9, 0.93, 0.9, 1.0, 2.0, 0.3),
    ]
    means = by_floor(runs)
    assert [m.revenue for m in means] == [3.0, 2.5, 1.5]
    assert means[2] == pytest.approx(Run(0.9, 0.92, 0.9, 1.5, 1.5, 0.2))
    tables = {"arms": [run._asdict() for run in runs]}
    assert figure(tables, Settings()).count("<circle") == 5  # four runs, and the legend
    told = page(tables, Settings())
    assert "2 of 2 floors are kept" in told
    assert "| 0.90 | 0.920 (0.910, 0.930) | 0.900 (0.900, 0.900) | 1.50 (2.00, 1.00) |" in told
    assert "| none | 0.800 (0.800) | - (-) | 3.00 (3.00) | - (-) | - (-) |" in told


@pytest.mark.extras
def test_the_study_in_small(monkeypatch):
    pytest.importorskip("stable_baselines3")
    monkeypatch.setattr(floors, "WINDOW", 500)
    monkeypatch.setattr(floors, "EVERY", 100)
    small = Settings(decisions=1, users=5)
    free, held = (Run(**floors.run(at_least, 3, small)) for at_least in (0.0, 0.9))
    assert math.isnan(free.floor) and math.isnan(free.trained)
    assert held.floor == 0.9
    assert 0.0 < held.trained < 1.0
    for run in (free, held):
        assert 0.0 < run.achieved < 1.0
        assert run.revenue > 0.0


@pytest.mark.slow
@pytest.mark.extras
def test_floors_are_kept_and_cost_revenue():
    pytest.importorskip("stable_baselines3")
    settings = Settings(decisions=600_000, users=500)
    runs = [Run(**floors.run(at_least, 0, settings)) for at_least in floors.FLOORS]
    print(*runs, sep="\n")  # told by pytest where the test fails
    assert sum(run.achieved >= run.floor - 0.01 for run in runs) >= 4
    revenue = [run.revenue for run in runs]
    ranks = np.argsort(np.argsort(revenue))
    assert np.corrcoef(ranks, np.arange(len(runs)))[0, 1] <= -0.8
    assert revenue[-1] < 0.6 * revenue[0]
