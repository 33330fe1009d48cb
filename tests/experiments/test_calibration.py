"""`longplay calibrate`: a log is fitted, the work can be stopped and gone on with."""

import json
import math
import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from pytest import approx

import longplay.envs  # noqa: F401 (registers the worlds)
from longplay.envs.files import write_world
from longplay.envs.scenarios import find_world
from longplay.experiments.fitting import calibration
from longplay.experiments.fitting.calibrate import KNOBS_OF, Knob, fit, get, simulator, turned
from longplay.experiments.fitting.calibration import Calibrate, command
from longplay.experiments.fitting.evaluations import Evaluations
from longplay.experiments.fitting.eventlog import read_log
from longplay.experiments.fitting.lives import simulate_plays
from longplay.experiments.fitting.logtargets import targets_of
from longplay.experiments.fitting.playlog import figures
from longplay.experiments.fitting.progress import Progress
from longplay.experiments.fitting.realism import Targets, read_targets
from longplay.experiments.run import Refused, RunFolder

pl = pytest.importorskip("polars")
pytest.importorskip("scipy")
pytestmark = pytest.mark.extras

MUSIC = find_world("music")
KNOBS = (
    Knob("returning.rate", 0.05, 2.0, log=True),
    Knob("population.skippiness_sd", 0.2, 5.0),
)
TRUTH = turned(MUSIC, {"returning.rate": 0.2, "population.skippiness_sd": 2.0})
SMALL = {"users": 24, "days": 66.0, "starts": 2, "evaluations": 6, "jobs": 1}
MONDAY = 1_767_571_200  # 2026-01-05 00:00 UTC [s]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log that the simulator made, with two rows too many and some likes."""
    plays = simulate_plays(TRUTH, users=24, days=66.0, seed=77, threads=1)
    n = plays.user.size
    table = {
        "user": [f"u{user}" for user in plays.user.tolist()],
        "time": (MONDAY + np.round(plays.start * 3600.0, 3)).tolist(),
        "kind": ["play"] * n,
        "item": plays.item,
        "duration": plays.minutes * 60.0,
    }
    frame = pl.DataFrame(table)
    like = frame.head(5).with_columns(kind=pl.lit("like"), duration=None)
    path = tmp_path_factory.mktemp("log") / "events.parquet"
    pl.concat([frame, frame.head(2), like]).write_parquet(path)
    return path


def asked(log, out, **more):
    """A small calibration of the log."""
    return Calibrate(log=log, out=out, **{**SMALL, **more})


@pytest.fixture(scope="module")
def done(log, tmp_path_factory):
    """The folder of a calibration that was never stopped."""
    out = tmp_path_factory.mktemp("done") / "ours"
    assert command(asked(log, out), ["--log", "events.parquet"], KNOBS) == 0
    return out


RESULTS = ("scenario.json", "result.json", "bad_rows.csv", "config.json")


def pages(folder):
    """What must come out bit for bit; the report but for the folder's own name."""
    told = {name: (folder / name).read_text() for name in RESULTS}
    told["report"] = (folder / "report.html").read_text().replace(str(folder), "OUT")
    return told


def test_the_fitted_world_can_be_played(done):
    env = gym.make("longplay/AdLoad-v0", scenario=str(done / "scenario.json"))
    env.reset(seed=1)
    assert env.step(0)[1] >= 0.0
    env.close()
    world = find_world(str(done / "scenario.json"))
    told = json.loads((done / "result.json").read_text())
    for knob in told["knobs"]:
        assert get(world, knob["knob"]) == approx(knob["after"])
    assert world.returning.day == approx(told["day"])
    assert world.leaving == MUSIC.leaving  # no knob of this fit


def test_the_log_s_bad_rows_and_settings_are_kept(done):
    assert (done / "bad_rows.csv").read_text().count("the same as a row before") == 2
    settings = json.loads((done / "config.json").read_text())
    assert settings["users"] == 24 and settings["knobs"] == [knob.path for knob in KNOBS]


def test_stopped_work_goes_on_to_the_same_files_bit_for_bit(log, done, tmp_path, monkeypatch):
    """Stopped after 7 simulations by Ctrl-C, then the last line is cut as a kill would."""
    out = tmp_path / "ours"
    real, count = simulator, []

    def stopping(*args):
        simulate = real(*args)

        def stop_or_simulate(world):
            count.append(1)
            if len(count) > 7:
                raise KeyboardInterrupt
            return simulate(world)

        return stop_or_simulate

    with monkeypatch.context() as patch:
        patch.setattr(calibration, "simulator", stopping)
        assert command(asked(log, out), (), KNOBS) == 130
    kept = out / "evaluations.jsonl"
    assert kept.read_text().count("\n") == 7
    assert not (out / "result.json").exists()
    kept.write_bytes(kept.read_bytes()[:-100])
    assert command(asked(log, out, resume=True, jobs=2), (), KNOBS) == 0
    assert pages(out) == pages(done)
    assert sorted(kept.read_text().splitlines()) == sorted(
        (done / "evaluations.jsonl").read_text().splitlines()
    )


def test_a_finished_folder_resumed_simulates_nothing_and_changes_nothing(log, done, monkeypatch):
    before = pages(done)
    monkeypatch.setattr(calibration, "simulator", lambda *args: pytest.fail)
    assert command(asked(log, done, resume=True), (), KNOBS) == 0
    assert pages(done) == before


def test_a_folder_is_neither_overwritten_nor_gone_on_with_otherwise(log, done, tmp_path):
    with pytest.raises(Refused, match="exists already and nothing in it was touched"):
        command(asked(log, done), (), KNOBS)
    for change in ({"users": 30}, {"scenario": "bench"}):
        with pytest.raises(Refused, match=f"was begun with {next(iter(change))}="):
            command(asked(log, done, resume=True, **change), (), KNOBS)
    with pytest.raises(Refused, match="is no folder of a run"):
        command(asked(log, tmp_path / "none", resume=True), (), KNOBS)
    with pytest.raises(Refused, match="was begun with targets="):
        command(Calibrate(out=done, resume=True, **SMALL), (), KNOBS)


def test_two_do_not_work_in_one_folder(log, done):
    first = RunFolder(done)
    first.lock()
    with pytest.raises(Refused, match="another longplay is working"):
        command(asked(log, done, resume=True), (), KNOBS)
    first.unlock()


def test_the_report_stands_alone_and_says_what_the_result_says(done):
    page = (done / "report.html").read_text()
    told = json.loads((done / "result.json").read_text())
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert "$" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    errors = [row["error"] for row in told["rows"]]
    near = sum(error is not None and abs(error) <= 0.1 for error in errors)
    assert f"{near} of {len(told['rows'])} figures are within 10 %" in page
    for row in told["rows"]:
        assert f">{row['name']}" in page
    for words in told["words"]:
        assert words.replace("'", "&#x27;") in page
    assert "2 of the" not in page and "the same as a row before: 2 (rows" in page


def test_the_log_becomes_targets_and_its_own_window(log):
    read = read_log(log)
    targets, days = targets_of(read)
    plain = simulate_plays(TRUTH, users=24, days=66.0, seed=77, threads=1)
    there = figures(plain)
    assert 60.0 < days <= 67.0
    for name, value in targets.scalars.items():
        assert value == approx(there.scalars[name], rel=0.01), name
    assert targets.fitted == {
        name
        for name in calibration.read_targets("music").fitted
        if name in targets.scalars or name in targets.profiles
    }
    assert not [name for name in targets.scalars if not targets.scalars[name] > 0]
    # The share of plays that are skips differs between users by about its standard error times
    # the root of their number.
    number = np.unique(plain.user).size
    rates = [(plain.minutes[plain.user == u] < 0.5).mean() for u in np.unique(plain.user)]
    expected = np.std(rates, ddof=1) / math.sqrt(number)
    assert targets.standard_errors["skip_rate.mean"] == approx(expected, rel=0.3)


def test_a_short_log_is_refused(tmp_path):
    rows = [("a", f"2026-03-{day:02d}T10:00:00", "play", "x", 60.0) for day in range(1, 31)]
    frame = pl.DataFrame(rows, schema=["user", "time", "kind", "item", "duration"], orient="row")
    frame.write_csv(tmp_path / "short.csv")
    words = r"0 users have 60 days or more .* \(the longest: 29.0 days\); wanted at least 10"
    with pytest.raises(Refused, match=words):
        command(Calibrate(log=tmp_path / "short.csv", out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"days": 30.0}, "--days 30"),
        ({"users": 99_999_999_999_999}, "at most 10,000,000"),
        ({"users": 1}, "--users 1: wanted at least 2"),
        ({"seed": -1}, "--seed -1: wanted at least 0"),
        ({"evaluations": -1}, "--evaluations -1: wanted at least 1"),
        ({"starts": 0}, "--starts 0: wanted at least 1"),
        ({"jobs": 0}, "--jobs 0: wanted at least 1"),
        ({"targets": "music", "log": Path("x.csv")}, "came both"),
        ({"targets": "nothing"}, "No target figures called 'nothing'"),
        ({"scenario": "nowhere"}, "nowhere"),
        ({"log": Path("none.csv")}, "There is no file none.csv"),
        ({"out": Path("/proc/x")}, "/proc/x cannot be made"),
        ({"out": Path("/proc/x/y")}, "cannot be made"),
        ({"out": Path("/tmp")}, "exists"),
    ],
)
def test_wrong_settings_are_named_before_anything_is_simulated(wrong, words):
    with pytest.raises(Refused, match=words):
        command(Calibrate(**wrong))


def test_known_parameters_are_found_again_from_the_figures_of_other_people():
    """Two knobs that the slopes call pinned: 300 people of seed 77 are the log, 300 of seed 1 fit.

    Left out is what so few people cannot tell within 10 %: spreads over people, such as
    population.skippiness_sd, and runs of skips (docs/calibration.md).
    """
    truth = {"returning.rate": 0.15, "leaving.bias": -4.3}
    knobs = tuple(knob for knob in KNOBS_OF["plays"] if knob.path in truth)
    assert len(knobs) == len(truth)
    real = simulator(300, 66.0, 77, 1)(turned(MUSIC, truth))
    known = {name: value for name, value in real.scalars.items() if value > 0}
    fitted = calibration.read_targets("music").fitted & set(known)
    targets = Targets("log", "", "", "", (), known, real.profiles, {}, frozenset(fitted))
    found = fit(MUSIC, targets, knobs, simulator(300, 66.0, 1, 1), evaluations=18)
    for path, value in truth.items():
        assert found.values[path] == approx(value, rel=0.10), path
        assert get(MUSIC, path) != approx(value, rel=0.10)  # it was not there to begin with


class Listener:
    """A stream that keeps what it is told."""

    def __init__(self, screen):
        self.screen, self.text = screen, ""

    def isatty(self):
        return self.screen

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_progress_counts_what_was_kept_apart_and_tells_the_time_left():
    with Progress(10, Listener(screen=True)) as progress:
        progress.said("knobs")
        for fresh in (False, True, True):
            progress.evaluated(fresh)
        progress.began = 0.0
        # Two simulations took 240 s, seven are left: 840 s.
        told = progress.line(now=240.0)
    assert told == "3 of at most 10 simulations (1 kept), at most 14 min left: knobs"
    assert "\r" in progress.stream.text and progress.stream.text.endswith("\n")
    with Progress(10, Listener(screen=False)) as progress:
        progress.said("knobs")
        progress.evaluated(True)  # too soon to be told again in a file
    assert progress.stream.text == "0 of at most 10 simulations: knobs\n"


def test_kept_figures_do_not_depend_on_how_many_work_side_by_side(tmp_path):
    """Three worlds at once give the same lines as one after the other."""
    worlds = [turned(MUSIC, {"returning.rate": rate}) for rate in (0.1, 0.15, 0.2)]
    lines = []
    for jobs in (1, 3):
        kept = Evaluations(tmp_path / f"{jobs}.jsonl", "code")
        simulate = kept.remembered(simulator(12, 62.0, 1, 1), {"users": 12})
        calibration.side_by_side(simulate, worlds, jobs)
        lines.append(sorted((tmp_path / f"{jobs}.jsonl").read_text().splitlines()))
    assert lines[0] == lines[1] and len(lines[0]) == 3


@pytest.mark.parametrize("name", ["shortvideo", "community"])
def test_other_kinds_of_figures_are_fitted_by_their_own_knobs(name, tmp_path, capsys):
    """Two knobs of each kind, begun far off, come nearer; the report knows the kind."""
    paths = {
        "shortvideo": ("dwell.scale", "dwell.least"),
        "community": ("returning.rate", "churn.period"),
    }
    knobs = tuple(knob for knob in KNOBS_OF[read_targets(name).kind] if knob.path in paths[name])
    far = turned(find_world(name), {knob.path: knob.from_unit(0.8) for knob in knobs})
    write_world(far, tmp_path / "far.json")
    out = tmp_path / "fit"
    wanted = Calibrate(
        scenario=str(tmp_path / "far.json"), targets=name, users=300, evaluations=9, starts=1,
        jobs=1, out=out,
    )  # fmt: skip
    assert command(wanted, (), knobs) == 0
    capsys.readouterr()
    result = json.loads((out / "result.json").read_text())
    before, after = (
        np.median([abs(math.log(row["simulated"] / row["real"]))
                   for row in result[when] if row["fitted"] and row["simulated"]])
        for when in ("rows_before", "rows")
    )  # fmt: skip
    assert after < 0.7 * before
    assert "alive at the end" not in (out / "report.html").read_text()
