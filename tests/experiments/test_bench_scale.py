"""Cost against scale: fits by hand, people shared out, the page. Never how fast anything is."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from longplay.experiments.bench import scale
from longplay.experiments.bench.scale import curves, main
from longplay.experiments.bench.scale.curves import SCENARIOS, Found, Sizes, crews, shapes
from longplay.experiments.bench.scale.fits import Estimate, fitted
from longplay.experiments.bench.scale.page import cores_in_an_hour, cpu_hours, feed_hours, sharing
from longplay.experiments.bench.scale.walk import Job, Walked, shared, walk, walked

pytestmark = pytest.mark.extras  # the intervals come from scipy

TINY = Sizes(
    users=((3, 1), (6, 1), (9, 1), (12, 1)), alone=9, workers=(1, 2), days=1.0,
    horizons=(1.0, 2.0, 3.0), crowd=5, repetitions=1, slates=(1, 2, 3), candidates=(4, 6, 8),
    lanes=4, warm=1, steps=2,
)  # fmt: skip


# Fits.


def test_a_constant_by_hand() -> None:
    # Relative errors of y = 1 and 2 about b: b sum(1/y^2) = sum(1/y), so b = 1.5 / 1.25 = 1.2.
    # Residuals 1.2 / 1 - 1 = 0.2 and 1.2 / 2 - 1 = -0.4; s^2 = 0.04 + 0.16 = 0.2 with one degree
    # of freedom, variance 0.2 / 1.25 = 0.16, and t at 97.5 % is 12.7062: half width 5.08248.
    fit = fitted(("b",), [[1.0], [1.0]], [1.0, 2.0])
    assert fit.worst == approx(0.4)
    rate = fit.rate("b")
    assert rate.mid == approx(1.2)
    assert (rate.low, rate.high) == (approx(1.2 - 5.08248, abs=1e-4), approx(6.28248, abs=1e-4))


def test_a_line_that_is_one_has_no_width() -> None:
    users = np.array([1e3, 1e4, 1e5, 1e6])
    fit = fitted(("day", "start"), np.stack([np.ones(4), 1e6 / users], 1), 2.0 + 0.7e6 / users)
    assert fit.worst == approx(0.0, abs=1e-9)
    for name, truth in (("day", 2.0), ("start", 0.7)):
        rate = fit.rate(name)
        assert (rate.low, rate.mid, rate.high) == (approx(truth),) * 3
    assert fit.at(1.0, 10.0).mid == approx(9.0)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    x = np.stack([np.ones(12), np.arange(1.0, 13.0)], 1)
    truth = x @ [5.0, 3.0]
    held = 0
    for _ in range(400):
        noisy = truth / (1.0 + 0.05 * rng.standard_normal(12))
        rate = fitted(("a", "b"), x, noisy).rate("b")
        held += rate.low <= 3.0 <= rate.high
    assert abs(held / 400 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 400)  # four standard errors


def test_points_that_tell_nothing_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="2 points do not tell 2 rates and an error apart"):
        fitted(("a", "b"), [[1.0, 1.0], [1.0, 2.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match="do not tell"):
        fitted(("a", "b"), [[1.0, 2.0]] * 3, [1.0, 2.0, 3.0])


# People.


def test_every_person_is_walked_once() -> None:
    parts = shared(Job(10, 2.0, first=5, scenario="music", block=3, counted=True), 3)
    assert [(part.first, part.users) for part in parts] == [(5, 3), (8, 3), (11, 4)]
    assert {(part.days, part.scenario, part.block, part.counted) for part in parts} == {
        (2.0, "music", 3, True)
    }


def test_people_do_the_same_in_blocks_of_any_size() -> None:
    job = Job(11, 3.0, first=2)
    whole = walk(job)
    assert whole > 11
    assert walk(replace(job, block=4)) == whole
    assert sum(walk(part) for part in shared(job, 3)) == whole


def test_an_evaluation_counts_the_same_kind_of_people() -> None:
    job = Job(40, 2.0, counted=True)
    counted = walk(job)
    assert counted == walk(replace(job, block=7))
    assert 0.5 < counted / walk(replace(job, counted=False)) < 2.0  # other people, alike


def test_people_do_the_same_in_two_processes() -> None:
    job = Job(6, 1.0)
    two = walked(job, 2)
    assert (two.fetches, two.workers, two.users) == (walk(job), 2, 6)
    assert two.cpu > two.start > 0.0
    assert two.wall > 0.0


def test_a_worker_that_fails_is_reported_with_its_last_words() -> None:
    with pytest.raises(RuntimeError, match="no-such-world"):
        walked(Job(1, 1.0, scenario="no-such-world"))


def test_another_total_under_another_number_of_workers_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curves, "cores", lambda: 2)
    monkeypatch.setattr(curves, "walked", lambda job, workers: fake(job, workers, workers))
    with pytest.raises(RuntimeError, match="they should do the same"):
        curves.walk_users(TINY, Found(), lambda _: None)


def test_crews() -> None:
    assert crews(replace(TINY, workers=(1,)), 3) == (1,)


def test_most_people_are_walked_by_all_workers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "cores", lambda: 2)
    assert (crews(TINY, 9), crews(TINY, 10)) == ((1, 2), (2,))
    monkeypatch.setattr(curves, "cores", lambda: 1)
    assert (crews(TINY, 9), crews(TINY, 10)) == ((1,), (1,))


def test_shapes_vary_one_number_at_a_time() -> None:
    assert list(shapes(TINY)) == [(1, 6), (2, 6), (3, 6), (2, 4), (2, 8), (3, 8)]


# The page.


def fake(job: Job, workers: int = 1, more: int = 0) -> Walked:
    """Costs 2 us a user-day, 18 us a birth and a second a start; half as much again, counted."""
    cpu = job.users * (18.0 + 2.0 * job.days) * (1.5 if job.counted else 1.0) / 1e6
    return Walked(job.users, 3 * job.users + more, cpu + workers, float(workers),
                  cpu / workers + 1.0, 200.0, workers)  # fmt: skip


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "cores", lambda: 2)
    monkeypatch.setattr(curves, "walked", fake)


def test_a_billion_people_by_hand(faked: None) -> None:
    sizes = replace(TINY, users=((1000, 1), (10_000, 1), (100_000, 1), (1_000_000, 1)),
                    alone=1_000_000)  # fmt: skip
    found = Found()
    curves.walk_users(sizes, found, lambda _: None)
    curves.walk_days(sizes, found, lambda _: None)
    found.fetches = [(k, m, [1.0 + 0.1 * k + 0.02 * m]) for k, m in shapes(sizes)]
    fits = curves.fit_curves(sizes, found)
    for workers in (1, 2):
        assert fits.users[workers].rate("day").mid == approx(20.0)  # 18 us over 1 day, and 2
        assert fits.users[workers].rate("start").mid == approx(1.0)
    for scenario in SCENARIOS:
        # 1e9 (18 + 2 * 28) us = 74 000 s = 20.5556 h
        assert cpu_hours(fits, scenario, 28.0).mid == approx(20.5556, abs=1e-4)
    # 1e9 * 28 * 3 fetches of 1 + 0.1 * 10 + 0.02 * 100 = 4 us: 336 000 s = 93.3333 h
    assert feed_hours(fits, 3.0, 28.0).mid == approx(93.3333, abs=1e-4)
    curves.keep_books(sizes, found, lambda _: None)
    assert curves.counting(found) == approx(1.5)
    # A million for a day cost 20 s, and a second for every worker's start: 22 / 21.
    assert sharing(found) == approx(22.0 / 21.0)


def test_cores_are_whole() -> None:
    assert (cores_in_an_hour(20.56), cores_in_an_hour(3.0)) == (21, 3)


def test_an_estimate_in_another_unit() -> None:
    assert Estimate(2.0, 1.0, 4.0).times(3.0, plus=1.0) == Estimate(7.0, 4.0, 13.0)


def test_the_command_writes_page_figure_and_json(
    faked: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--out", str(tmp_path / "new")], TINY)
    assert "a billion people for 28 days: 20.6 CPU-hours" in capsys.readouterr().out
    told = json.loads((tmp_path / "new" / "scale.json").read_text())
    assert set(told["machine"]) >= {"system", "processor", "cpus"}
    assert [point["users"] for point in told["users"]] == [3, 3, 6, 6, 9, 9, 12]
    assert len(told["feed"]) == 6 and told["reference"] > 0.0
    page = (tmp_path / "new" / "scale.md").read_text()
    assert "| 12 | 2 | 1 |" in page
    assert "of a user-day is 1.50 times that" in page
    assert page.count("\n10. ") == 1  # ten assumptions, one by one
    picture = (tmp_path / "new" / "scale.svg").read_text()
    assert picture.count("<circle") == 7 + 6 + 3 + 3 + 6  # every point, and those of the legends
    assert "nan" not in picture


def test_nothing_is_measured_for_a_refused_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "measured", lambda *_: pytest.fail("measured"))
    with pytest.raises(SystemExit):
        main(["--users", "3"])
