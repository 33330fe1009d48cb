"""What is fitted to panels, and how proxies are set beside how sessions felt."""

import json

import numpy as np
import pytest

from longplay.envs.state import OUTCOME
from longplay.experiments import panels
from longplay.experiments.panels import ENDS, LIVES, Life, Panel, watch
from longplay.experiments.studies import proxies
from longplay.rewards import Scrolls, Skips, Step
from longplay.rewards import panels as shipped
from longplay.rewards.behaviour import CLASSES, SESSION

RNG = np.random.default_rng(0)


def test_a_softmax_is_found_again():
    true = np.array([[1.0, -1.0, 0.0], [0.5, 0.0, -0.5], [0.2, 0.0, -0.2]])
    x = RNG.normal(size=(40_000, 2)) * [1.0, 3.0] + [0.0, 5.0]
    raw = np.column_stack([x, np.ones(len(x))]) @ true
    classes = (raw + RNG.gumbel(size=raw.shape)).argmax(axis=1)  # exactly softmax of the scores
    found = panels.softmax_fit(x, classes, 3, np.ones(len(x)))
    assert found.shape == (3, CLASSES)
    assert found[-1, 3] == panels.NOTHING  # a class that there is not
    less = found[:, :3] - found[:, :3].mean(axis=1, keepdims=True)  # only differences count
    assert less == pytest.approx(true - true.mean(axis=1, keepdims=True), abs=0.08)


def test_a_line_is_found_again():
    x = RNG.normal(size=(5000, 3)) * [1.0, 10.0, 0.1] + 4.0
    y = x @ [2.0, -0.3, 7.0] + 1.5
    found = panels.linear_fit(x, y, np.ones(5000))
    assert found[:, 0] == pytest.approx([2.0, -0.3, 7.0, 1.5], rel=0.01)


def test_rows_weigh_as_they_are_told():
    x, y = np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([0.0, 1.0, 0.0, 3.0])
    found = panels.linear_fit(x, y, np.array([1.0, 3.0, 1.0, 1.0]))
    assert found[:, 0] == pytest.approx([1.5, 0.0], abs=1e-3)  # (3 * 1 + 1 * 3) / 4


def test_what_a_skip_means_by_hand():
    # A skip takes .4 off for the first intent, .1 for the second, and gives .2 to the third. That
    # sessions of one feel better than those of another (the start) is not the skips' doing.
    skips = np.array([0.0, 1.0, 2.0] * 3 + [0.0])
    intent = np.array([0] * 3 + [1] * 3 + [2] * 3 + [3])
    start = np.array([0.9, 0.2, 0.5, 0.1])[intent]
    felt = start - skips * np.array([0.4, 0.1, -0.2, 0.0])[intent]
    group = {"skips": skips, "intent": intent, "felt": felt}
    assert panels.meaning_of([group], "skips").tolist() == [1.0, 0.25, -0.5, 0.0]
    happier = group | {"felt": felt + 3.0}
    assert panels.meaning_of([group, happier], "skips").tolist() == [1.0, 0.25, -0.5, 0.0]
    none = group | {"skips": np.zeros(10)}
    assert panels.meaning_of([none], "skips").tolist() == [0.0] * 4


def test_judgement_by_hand():
    chances = np.array([[0.5, 0.2], [0.5, 0.8]])
    found = panels.judged(chances, np.array([0, 1]), np.array([0.75, 0.25]))
    # both guessed right (a tie goes to the first); -log .5 and -log .8; of shares, one of two
    assert found == {
        "accuracy": 1.0, "base_accuracy": 0.5, "log_loss": 0.4581, "base_log_loss": 0.837
    }  # fmt: skip


@pytest.mark.parametrize("life", LIVES)
def test_a_panel_is_asked_what_only_the_world_knows(life):
    panel = watch(life, "bench", 30, 4.0, 5)
    out = panel.log.outcomes
    ended = out["ended"] > 0
    assert np.array_equal(panel.end >= 0, ended)
    assert np.array_equal(np.isfinite(panel.felt), ended)
    # v lies in [0, 1]; it is found from a difference that was multiplied by 1 / .06
    assert np.all((panel.felt[ended] > -1e-9) & (panel.felt[ended] < 1 + 1e-9))
    assert np.all(panel.fatigue >= 0.0)
    # tired at the end: each minute adds .004, so more than the last step's minutes alone
    assert np.all(panel.fatigue[ended] >= 0.004 * out["minutes"][ended] - 1e-9)
    assert set(np.unique(panel.end)) <= {-1, *range(len(ENDS))}
    assert np.all(panel.whole == (life.decision == "session"))
    learnt, held = panels.split(panel)
    assert not set(learnt.person) & set(held.person)
    assert len(learnt.log) + len(held.log) == len(panel.log)


def test_the_command_writes_tables_that_rewards_can_read(tmp_path, capsys):
    panels.main(["--share", "0.01", "--seed", "3", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "intent   pooled     in music      accuracy" in printed
    assert "fatigue  bench      in bench      r2" in printed
    for model in ("intent", "endings", "fatigue", "durations"):
        new = json.loads((tmp_path / f"{model}.json").read_text())
        old = shipped.read(model)
        assert set(new) == set(old)
        assert list(new["panels"]) == list(old["panels"])
        for panel, parts in new["panels"].items():
            assert set(parts) == set(old["panels"][panel])
        if model == "intent":
            weights = np.array(new["panels"]["music"]["weights"])
    assert weights.shape == (len(SESSION) + 1, CLASSES)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SystemExit):
        panels.main(["--out", str(tmp_path / "none")])


def panel_of(person, end):
    n = len(person)
    out = np.zeros(n, OUTCOME)
    out["fetches"] = 1.0
    zeros = np.zeros(n)
    felt = np.where(np.array(end) >= 0, 0.1 * np.arange(n), np.nan)
    return Panel(
        Step(out), np.array(person), zeros.astype(int), zeros, np.array(end), felt,
        np.arange(n, dtype=float), zeros.astype(bool),
    )  # fmt: skip


def test_sessions_are_numbered_by_hand():
    # Two people by turns. The first has a session of rows 0 and 2, one of row 4; the second one of
    # rows 1, 3 and 5, and row 6 belongs to one that never ends.
    panel = panel_of([0, 1, 0, 1, 0, 1, 1], [-1, -1, 2, -1, 0, 1, -1])
    assert proxies.sessions(panel).tolist() == [0, 2, 0, 2, 1, 2, -1]
    table = proxies.Table(panel)
    assert table.felt == pytest.approx([0.2, 0.4, 0.5])
    assert table.person.tolist() == [0, 0, 1]
    assert table.value.tolist() == [2.0, 4.0, 9.0]


def test_correlation_is_that_of_numpy():
    x, y = RNG.normal(size=(2, 50))
    times = RNG.integers(0, 4, 50)
    wanted = np.corrcoef(np.repeat(x, times), np.repeat(y, times))[0, 1]
    assert proxies.correlation(x, y, times.astype(float)) == pytest.approx(wanted)
    assert np.isnan(proxies.correlation(np.ones(5), y[:5], np.ones(5)))


def test_skips_by_intent_follow_how_a_session_felt_better_than_skips():
    table = proxies.Table(watch(Life("Feed", "fetch", {"action": "slate"}), "music", 150, 7.0, 77))
    even = np.ones(len(table.felt))
    # half of what the study last saw: .059 and .152 of skips, .029 and .076 of scrolls
    least = {Skips: {"pooled": 0.03, "music": 0.075}, Scrolls: {"pooled": 0.015, "music": 0.038}}
    for signal, gains in least.items():
        plain = proxies.correlation(table.of(signal()), table.felt, even)
        for panel, gain in gains.items():
            meant = proxies.correlation(table.of(signal("intent", panel=panel)), table.felt, even)
            assert meant < plain - gain < 0.0


def test_the_study_prints_a_line_for_each_proxy(capsys):
    proxies.main(["--scenarios", "bench", "--people", "20", "--days", "3"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("bench: ")
    assert len(printed) == 1 + len(proxies.formulas("bench")) + 6
