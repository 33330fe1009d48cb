"""Simulated beside real: the comparison's arithmetic, the simulated log, the page, the command."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from longplay.envs.cohort import Cohort
from longplay.experiments.fitting.lives import long_lives, simulate_plays
from longplay.experiments.fitting.playlog import Figures, Plays, figures
from longplay.experiments.fitting.realism import (
    Comparison,
    Realism,
    Targets,
    command,
    compare,
    page,
    read_targets,
    rows_of,
    table,
)
from longplay.experiments.run import Refused

PAGE = Path(__file__).parents[2] / "docs" / "realism.md"


def targets_of(scalars, profiles=None, **more):
    """Targets with these values; what is fitted, doubtful or explained comes by keyword."""
    profiles = {k: np.array(v) for k, v in (profiles or {}).items()}
    settings = {"fitted": frozenset(), "standard_errors": {}, "reasons": {}} | more
    return Targets(
        "t", "About.", "Source.", "Licence.", ("Caveat.",), scalars, profiles, **settings
    )


def figures_of(scalars, profiles=None):
    """Figures with these values and nothing else."""
    profiles = {k: np.array(v) for k, v in (profiles or {}).items()}
    return Figures(1, 2, 3, scalars, profiles, {})


def test_relative_error_and_band():
    real = {"a": 2.0, "b": 2.0, "c": 2.0, "d": 2.0}
    simulated = {"a": 2.19, "b": 1.79, "c": 1.61, "d": 2.41}
    rows = rows_of(targets_of(real, fitted=frozenset("ab")), figures_of(simulated))
    assert [row.error for row in rows] == approx([0.095, -0.105, -0.195, 0.205])
    assert [row.within for row in rows] == [True, False, True, False]  # 10 % if fitted, else 20 %
    assert [row.fitted for row in rows] == [True, True, False, False]


def test_a_figure_the_simulation_lacks_is_a_miss():
    (row,) = rows_of(targets_of({"a": 2.0}), figures_of({}))
    assert math.isnan(row.error)
    assert not row.within


def test_a_profile_is_judged_by_its_sizeable_bins_and_by_total_variation():
    # Four bins, an even share is .25, half of it .125: the last bin is too small to judge.
    real = {"hours": [0.40, 0.30, 0.25, 0.05]}
    hours = frozenset({"hours"})
    (row,) = rows_of(
        targets_of({}, real, fitted=hours), figures_of({}, {"hours": [0.36, 0.33, 0.21, 0.10]})
    )
    assert row.error == approx(-0.16)  # .21 for .25, the worst of -10 %, +10 %, -16 %
    assert (row.real, row.simulated) == (0.25, 0.21)
    assert row.distance == approx(0.5 * (0.04 + 0.03 + 0.04 + 0.05))
    assert not row.within
    (row,) = rows_of(
        targets_of({}, real, fitted=hours), figures_of({}, {"hours": [0.37, 0.32, 0.23, 0.08]})
    )
    assert row.within


def test_the_table_and_the_page_show_misses_with_their_reason():
    targets = targets_of(
        {"good": 2.0, "bad": 2.0},
        {"hours": [0.5, 0.5]},
        fitted=frozenset(["good"]),
        standard_errors={"good": 0.1},
        reasons={"bad": "the law has no term for it."},
    )
    simulated = figures_of({"good": 2.1, "bad": 3.0}, {"hours": [0.5, 0.5]})
    rows = rows_of(targets, simulated)
    assert "| good | 2 | 0.196 | 2.1 | +5.0 % | yes |" in table(rows)
    assert "| bad | 2 |  | 3 | +50.0 % | **no** |" in table(rows)
    text = page(Comparison("w", 7, 9, 60.0, targets, simulated, rows), "the command")
    assert "`bad` (+50 %, a check): the law has no term for it." in text
    assert "1 of 1 are within 10 %" in text  # the fitted ones
    assert "1 of 2 are within 20 %" in text  # the checks, the profile among them
    for part in ("About.", "Source.", "Licence.", "- Caveat.", "the command"):
        assert part in text


def test_short_lives_are_left_out():
    # User 0 plays on day 0 and day 60, user 1 on day 0 and day 59.
    plays = Plays(
        np.array([0, 0, 1, 1]), np.array([0.0, 60 * 24.0, 5.0, 5.0 + 59 * 24.0]), np.ones(4)
    )
    assert long_lives(plays).user.tolist() == [0, 0]


@pytest.fixture(scope="module")
def lived():
    """Ten music listeners, 80 days of plays."""
    return simulate_plays("music", users=10, days=80.0, seed=5)


def test_the_simulated_log_holds_what_the_cohort_counted(lived):
    cohort = Cohort(
        task="AdLoad", num_envs=10, scenario="music", autoreset_mode="Disabled", horizon_days=80.0
    )
    cohort.reset(seed=5)
    minutes = np.zeros(10)
    plays = np.zeros(10)
    skips = np.zeros(10)
    late = np.zeros(10)  # plays of sessions that ran over the end of the window
    while not cohort.users["over"].all():
        cohort.step(np.zeros(10, np.int64))
        minutes += cohort.outcomes["minutes"]
        plays += cohort.outcomes["plays"]
        skips += cohort.outcomes["skips"]
        over = (cohort.slots["start"] >= 80 * 24.0) & (cohort.slots["played"] != 0)
        late += over.sum(axis=1) * (cohort.outcomes["fetches"] > 0)
    alive = np.flatnonzero(cohort.users["gone"] == 0)
    whole = [i for i in alive if late[i] == 0 and i in lived.user]
    assert len(whole) >= 3
    for i in whole:
        mine = lived.user == i
        assert mine.sum() == plays[i]
        assert lived.minutes[mine].sum() == approx(minutes[i], rel=1e-5)
        assert (lived.minutes[mine] < 0.5).sum() == skips[i]
    gone = np.flatnonzero(cohort.users["gone"])
    assert not np.isin(lived.user, gone).any()


def test_plays_of_a_simulated_user_follow_one_another(lived):
    same = lived.user[1:] == lived.user[:-1]
    ends = lived.start[:-1] + lived.minutes[:-1] / 60.0
    assert (lived.start[1:][same] >= ends[same] - 1e-4).all()


def test_same_seed_same_log_and_another_seed_another():
    one, two, three = (simulate_plays("music", 4, 62.0, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.start, two.start)
    assert not np.array_equal(one.start, three.start)


def test_rhythm_reaches_the_figures():
    from longplay.envs.scenarios import find_world

    # Nobody comes back on Saturdays and Sundays: sessions running past Friday midnight remain.
    world = find_world("music").replace("workers", returning={"week": (1, 1, 1, 1, 1, 0, 0)})
    shares = figures(simulate_plays(world, 20, 70.0, seed=3)).profiles["weekdays"]
    assert shares[5] < 0.02
    assert shares[6] < 0.005


@pytest.fixture(scope="module")
def music():
    """The music world beside its targets: fewer users than the page, on a seed of its own."""
    return compare("music", read_targets("music"), users=400, days=300.0, seed=13)


def test_music_is_near_the_histories(music):
    # The page's bands hold for its own number of users and days; with fewer, chance adds to it.
    errors = {row.name: round(row.error, 3) for row in music.rows if row.fitted}
    far = {name: error for name, error in errors.items() if not abs(error) <= 0.15}
    far.pop("active_next.idle.7", None)  # few are ever idle for a week
    assert len(far) <= 3, far
    assert all(abs(error) < 0.25 for error in far.values()), far


def test_the_page_in_the_docs_is_of_these_targets(music):
    text = PAGE.read_text(encoding="utf-8")
    for row in music.rows:
        assert f"| {row.name} " in text
    assert "not explained yet" not in text


def test_the_command_writes_a_page_and_json_and_replaces_nothing(tmp_path, capsys):
    out, json_out = tmp_path / "docs" / "page.md", tmp_path / "page.json"
    assert command(Realism(users=5, days=61.0, out=out, json_out=json_out)) == 0
    assert "figures are within their bands" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8").startswith("# Simulated and real: the `music` scenario")
    data = json.loads(json_out.read_text(encoding="utf-8"))
    assert data["users"] == 5
    assert len(data["rows"]) == len(read_targets("music").scalars) + 2
    with pytest.raises(Refused, match="--overwrite"):
        command(Realism(users=5, days=61.0, out=out))
    command(Realism(users=5, days=61.0, out=out, overwrite=True))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"days": 30.0}, "--days 30: wanted at least 60"),
        ({"days": math.inf}, "--days inf"),
        ({"users": 0}, "--users 0"),
        ({"users": 99_999_999_999_999}, "at most 10,000,000"),
        ({"seed": -1}, "--seed -1: wanted at least 0"),
        ({"seed": 2**62}, "less than 2\\^62"),
        ({"out": Path("/proc/x")}, "/proc/x cannot be written"),
        ({"out": Path("/tmp"), "overwrite": True}, "it is a folder"),
        ({"targets": "musik"}, "known are community, music"),
        ({"scenario": "musik"}, "musik"),
    ],
)
def test_wrong_settings_are_named(wrong, words):
    with pytest.raises(Refused, match=words):
        command(Realism(**wrong))


@pytest.mark.parametrize(
    ("text", "word"),
    [('{"name": "mine"}', "about"), ("[]", "TypeError"), ("{", "JSONDecodeError"), ("3", "Type")],
)
def test_a_broken_targets_file_is_named(tmp_path, text, word):
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"mine.json.*{word}"):
        read_targets(path)
    with pytest.raises(Refused, match=rf"mine.json.*{word}"):
        command(Realism(targets=str(path)))
