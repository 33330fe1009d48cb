"""Studies: their arithmetic by hand, and a command that goes on where it stopped."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longplay.experiments.studies import habit_first, proxy_effects, proxy_weights
from longplay.experiments.studies.trainings import Study, command

pytestmark = pytest.mark.extras


@dataclass(frozen=True)
class Sizes:
    seeds: int = 2
    users: int = 3
    jobs: int = 1


def counted(arm: str, seed: int, settings: Sizes) -> dict[str, Any]:
    if arm == "broken":
        raise RuntimeError("no such arm")
    return {"arm": arm, "seed": seed, "users": settings.users}


def told(tables: Any, settings: Any) -> str:
    return json.dumps(tables) + "\n"


def study(*arms: str) -> Study:
    return Study("toy", "A toy.", arms, Sizes(), counted, told, told)


def test_a_study_trains_every_arm_once_a_seed_and_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", str(tmp_path / "out"), "--parts", str(tmp_path / "parts"), "--users", "5"]
    with pytest.raises(RuntimeError, match="no such arm"):
        command(study("a", "broken"), words)
    kept = list((tmp_path / "parts").iterdir())
    assert [json.loads(file.read_text()) for file in kept] == [{"arm": "a", "seed": 0, "users": 5}]
    kept[0].write_text(json.dumps({"kept": True}))  # what was done is not done again
    capsys.readouterr()
    assert command(study("a", "b"), words) == 0
    tables = json.loads(capsys.readouterr().out)
    assert tables["a"] == [{"kept": True}, {"arm": "a", "seed": 1, "users": 5}]
    assert [t["seed"] for t in tables["b"]] == [0, 1]
    assert (tmp_path / "out" / "toy.svg").exists()


def test_other_sizes_are_other_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for users in ("5", "6"):
        command(
            study("a"), ["--out", str(tmp_path), "--parts", str(tmp_path / "p"), "--users", users]
        )
        assert f'"users": {users}' in capsys.readouterr().out


def test_sizes_below_1_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command(study("a"), ["--out", str(tmp_path), "--seeds", "0"])
    assert end.value.code == 2
    assert "--seeds 0: wanted at least 1" in capsys.readouterr().err


def ages(early: list[float], late: list[float]) -> list[list[float]]:
    """A table of people (users, AGES): `early` in the first week, `late` in the third."""
    table = np.zeros((len(early), len(habit_first.AGES)))
    table[:, 0], table[:, 2] = early, late
    return table.tolist()


def test_habit_first_by_hand() -> None:
    # Ads a fetch: 1/2 then 2/2 = +.5;  0/1 then 3/3 = +1;  the third was never seen later.
    table = {"fetches": ages([2, 1, 4], [2, 3, 0]), "ads": ages([1, 0, 4], [2, 3, 0])}
    found = habit_first.later_less_early(table)
    assert found.mean == pytest.approx(0.75)
    # sd of (.5, 1) is .353553, over sqrt(2) people: 1.96 * .25 = .49
    assert (found.low, found.high) == pytest.approx((0.26, 1.24))
    assert habit_first.by_age([table], "ads")[[0, 2]] == pytest.approx([5 / 7, 1.0])


def test_proxy_weights_by_hand() -> None:
    def table(value: float) -> dict[str, list[float]]:
        part = {"revenue": [1.0], "satisfied_days": [2.0], "ads_per_fetch": [0.5]}
        return {"value": [value, value + 1.0, value + 2.0], **part}

    tables = {str(arm): [table(0.1 * at)] * 2 for at, arm in enumerate(proxy_weights.ARMS)}
    rows = proxy_weights.judged(tables, 3)
    assert [row["value"] for row in rows] == pytest.approx([1 + 0.1 * k for k in range(len(rows))])
    assert rows[0]["beyond"].mean == 0.0
    for at, row in enumerate(rows):  # the same for everybody: no doubt
        assert row["beyond"].mean == pytest.approx(0.1 * at)
        assert row["beyond"].low == pytest.approx(0.1 * at)


def test_one_clock_counts_decisions() -> None:
    people = proxy_weights.make_cohort("fetch", 16, horizon_days=2.0)
    counted = proxy_weights.Counted(people)
    counted.reset(seed=1)
    for _ in range(60):
        *_, terminated, _, info = counted.step(np.full(16, 21))
        assert info["discount"].tolist() == [0.0 if end else 0.998 for end in terminated]
        assert np.any(people.outcomes["discount"] != info["discount"])


def test_proxy_effects_by_hand() -> None:
    truth = np.array([-2.0, -1.0, 0.1, 1.0, 3.0])
    clear = np.full(5, 0.2)  # .1 is no clear effect
    found = {
        "agrees": np.column_stack([truth**3, clear]),
        "cost": np.column_stack([-truth, clear]),
        "first two turned": np.column_stack([[-1.0, -2.0, 0.0, 1.0, 3.0], clear]),
        "still": np.zeros((5, 2)),
        "true satisfied_day": np.column_stack([truth, clear]),
        "true active_day": np.column_stack([truth, clear]),
    }
    rows = {row.name: row for row in proxy_effects.scored(found)}
    assert list(rows) == ["agrees", "first two turned", "cost"]
    assert rows["agrees"].rank == pytest.approx(1.0)
    assert rows["agrees"].sign == 1.0
    assert rows["cost"].rank == pytest.approx(-1.0)
    assert rows["cost"].sign == 0.0
    # one pair of ranks swapped: 1 - 6 * 2 / (5 * 24) = 0.9
    assert rows["first two turned"].rank == pytest.approx(0.9)
    assert rows["first two turned"].with_active == pytest.approx(0.9)


def test_random_policies_are_production_and_a_change() -> None:
    base = proxy_effects.weights_of(-1)
    assert base.tolist() == pytest.approx([1.0, 0.5, 0.5, 0.0, 0.1, 0.0])
    changed = np.array([proxy_effects.weights_of(k) for k in range(400)])
    assert np.all(np.abs(changed) <= 1.0)
    assert changed[:, 3].mean() == pytest.approx(0.0, abs=0.08)  # 4 standard errors
    assert changed[:, 3].std() == pytest.approx(0.4, rel=0.15)
    assert np.array_equal(changed[7], proxy_effects.weights_of(7))


def test_nothing_is_used_that_is_not_known_within_the_week() -> None:
    days = {name: proxy_effects.known_after(s) / 24 for name, s in proxy_effects.proxies().items()}
    assert days["returned_1d"] == 1.0
    assert days["gap(cap_days=2)"] == 2.0
    assert days["minutes"] == 0.0
    assert max(days.values()) <= 2.0


def test_everything_is_paired_with_the_same_people() -> None:
    base = proxy_effects.walked("bench", -1, 20, 3)
    again = proxy_effects.walked("bench", -1, 20, 3)
    assert all(np.array_equal(base[name], again[name]) for name in base)
    sizes = proxy_effects.Settings(policies=proxy_effects.CHUNKS, users=20)
    table = proxy_effects.measured(proxy_effects.Chunk("bench", 0), 3, sizes)
    treated = proxy_effects.walked("bench", 3 * sizes.policies, 20, 3)
    assert table["minutes"][0][0] == pytest.approx((treated["minutes"] - base["minutes"]).mean())
