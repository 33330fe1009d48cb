"""The diary: two lives with the same luck, and a page that says exactly what they were."""

import base64
import dataclasses
import hashlib
import json
import math
import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from longplay.envs.cohort import Cohort
from longplay.envs.spaces import layout_index
from longplay.envs.state import LAYOUTS, OUTCOME, SLOT, USER
from longplay.experiments.diary import choose
from longplay.experiments.diary.choose import Diary, Story, look_up, tell
from longplay.experiments.diary.journal import ACTS, as_script, journal, position_row
from longplay.experiments.diary.page import headline, page, totals_table
from longplay.experiments.diary.record import PLACED, TOTALS, Life, Parting, live, parting
from longplay.experiments.diary.weeks import Days, calendar, visits
from longplay.experiments.evaluate import EVALUATION_SEED, HELD_OUT, evaluate
from longplay.experiments.run import Refused
from longplay.experiments.settings import cohort_maker

DAYS = 12.0
LIVED = [name for name in OUTCOME.names if name not in PLACED]  # of OUTCOME: the person's part


@cache
def story(agents=("fixed-3-7", "fixed-none"), user=5, **options) -> Story:
    """The lives of a person, by the options of the command."""
    asked = Diary(agents=agents, user=user, **{"days": DAYS, **options})
    settings, entries = look_up(asked)
    return tell(settings, entries, seed=asked.seed, user=user)


def days_of(told: Story) -> Days:
    phase = float(told.lives[0].before["phase"][0])
    part = parting(*told.lives) if len(told.lives) == 2 else None
    return Days(told.lives, told.horizon_days, phase, part)


def same(a, b) -> bool:
    """Whether two record arrays agree in every field, nan with nan."""
    return len(a) == len(b) and all(
        np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f")
        for name in a.dtype.names
    )


# --- the same luck ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"agents": ("fixed-3-7", "fixed-3-7")},
        {"agents": ("random", "random"), "decision": "session"},
        {"agents": ("affinity", "affinity"), "world": "longplay/Feed-v0", "days": 3.0},
    ],
    ids=str,
)
def test_the_same_policy_twice_is_the_same_life(options) -> None:
    told = story(**options)
    one, two = told.lives
    assert all(same(getattr(one, n), getattr(two, n)) for n in ("before", "outcomes", "slots"))
    assert parting(one, two) == Parting(None, None)
    data = journal(days_of(told), told.items, "AdLoad")
    assert data["lives"][0] == data["lives"][1]
    assert "they are the same life" in page(told)


@pytest.mark.parametrize("user", [0, 5, 21])
def test_two_policies_meet_the_same_newborn(user) -> None:
    one, two = story(user=user).lives
    assert one.before["user"][0] == HELD_OUT + user
    assert one.before["seed"][0] == EVALUATION_SEED
    assert same(one.before[:1], two.before[:1])
    # one luck: up to the first look at something else, all is the same
    part = parting(one, two)
    assert part.shown == 0  # fixed-3-7 shows ads at once
    first = part.lived
    assert first is not None
    assert same(one.before[: first + 1], two.before[: first + 1])
    organic = [s["shows"][s["shows"] >= 0] for s in (one.slots[0], two.slots[0])]
    np.testing.assert_array_equal(organic[0], organic[1][: len(organic[0])])


@pytest.mark.parametrize("user", [0, 2, 5, 7])
def test_lives_part_where_the_difference_is_first_looked_at(user) -> None:
    # An ad at 10 against none: an item there is always noted as seen once someone gets that far.
    one, two = story(agents=("fixed-none", "fixed-10"), user=user).lives
    reached = np.flatnonzero(one.slots["seen"][:, 9])
    part = parting(one, two)
    assert part == Parting(0, int(reached[0]) if len(reached) else None)
    n = len(one.before) if part.lived is None else part.lived
    assert same(one.outcomes[:n][LIVED], two.outcomes[:n][LIVED])


# --- what is recorded ------------------------------------------------------------------------


def summed(cohort, lane, action) -> dict[str, float]:
    """Sums of OUTCOME of one lane of a cohort served one constant action."""
    cohort.reset(seed=EVALUATION_SEED)
    total = np.zeros(len(OUTCOME.names))
    while not cohort.over.all():
        cohort.step(action)
        out = cohort.outcomes[lane]
        total += [np.nan_to_num(out[name], posinf=0.0) for name in OUTCOME.names]
    sums = dict(zip(OUTCOME.names, total.tolist(), strict=True))
    return {name: sums[field] for name, field in TOTALS.items()}


@pytest.mark.parametrize("decision", ["fetch", "session"])
def test_totals_are_those_of_an_independent_cohort(decision) -> None:
    told = story(user=5, decision=decision)
    for life, positions in zip(told.lives, ((3, 7), ()), strict=True):
        cohort = Cohort("AdLoad", 4, scenario="bench", decision=decision, horizon_days=DAYS,
                        first_user=HELD_OUT + 3, autoreset_mode="DISABLED")  # fmt: skip
        wanted = summed(cohort, 2, np.full(4, layout_index(positions)))
        assert life.totals() == pytest.approx(wanted, rel=1e-12)
        assert life.totals()["sessions"] == len(visits(life)) > 3


def test_totals_are_those_of_the_evaluation() -> None:
    told = story(agents=("production",), user=1, world="longplay/Feed-v0")
    entry = told.entries[0]
    policy = choose.policy_of(told.settings, entry, 0, None)
    found = evaluate(policy, cohort_maker(told.settings, entry), users=3, seed=0).users[1]
    total = told.lives[0].totals()
    for name in ("revenue", "satisfied_days", "active_days", "minutes", "plays", "skips"):
        assert total[name] == pytest.approx(found[f"undiscounted_{name}"])
    assert told.lives[0].churned == bool(found["churned"])


def test_visits_fill_the_time_between_absences() -> None:
    for life in story().lives:
        found = visits(life)
        assert [v.fetches.start for v in found[1:]] == [v.fetches.stop for v in found[:-1]]
        assert found[-1].fetches.stop == len(life.before)
        for visit, later in pairwise(found):
            away = life.outcomes["away"][visit.fetches.stop - 1]
            assert later.start - visit.end == pytest.approx(away)
        for visit in found:
            played = life.outcomes["minutes"][visit.fetches].sum() / 60.0
            assert visit.end - visit.start >= played - 1e-9


def made_life(sessions, clocks, gone=True, **outcomes) -> Life:
    """A life put together by hand: the number of each fetch's session and its hour."""
    n = len(sessions)
    before, out = np.zeros(n, USER), np.zeros(n, OUTCOME)
    before["session"], before["clock"] = sessions, clocks
    out["clock"] = clocks
    for name, values in outcomes.items():
        out[name] = values
    after = np.zeros(1, USER)
    after["gone"], after["clock"] = gone, 31.0
    slots = np.zeros((n, 2), SLOT)
    return Life("made", before, out, slots, np.zeros(n, np.int64), after)


def test_a_life_by_hand() -> None:
    # Two fetches at 1 h and 1.5 h, gone until 10 h; one fetch at 30 h, then gone at 31 h.
    life = made_life(
        [4, 4, 5, 6], [1.0, 1.5, 10.0, 30.0],
        away=[0.0, 8.0, 19.5, math.inf], good_exit=[0, 1, 0, 0], bad_exit=[0, 0, 1, 0],
        ended=[0, 1, 1, 1], minutes=[3.0, 4.0, 5.0, 0.5], satisfied_day=[0, 0.6, 0, 0.5],
    )  # fmt: skip
    found = visits(life)
    assert [(v.start, v.end, v.exit) for v in found] == [
        (1.0, 2.0, "good"), (10.0, 10.5, "bad"), (30.0, 31.0, "left")
    ]  # fmt: skip
    total = life.totals()
    assert (total["sessions"], total["minutes"]) == (3.0, 12.5)
    assert total["satisfied_days"] == pytest.approx(1.1)
    assert headline([life], 77.0) == (
        "Under made this person leaves for good on day 2, with 1.1 satisfied days."
    )


def test_parting_by_hand() -> None:
    def life(minutes, shows):
        made = made_life([0, 1, 2], [0.0, 5.0, 9.0], minutes=minutes, survey=[math.nan, 0.5, 0.5])
        made.slots["shows"][:, 1] = shows
        return made

    one = life([1.0, 2.0, 3.0], [7, 8, 9])
    assert parting(one, life([1.0, 2.0, 3.0], [7, 8, 9])) == Parting(None, None)
    assert parting(one, life([1.0, 2.0, 3.5], [7, -1, 9])) == Parting(1, 2)
    assert parting(one, life([1.0, 2.0, 3.0], [7, 8, -1])) == Parting(2, None)


# --- who is watched --------------------------------------------------------------------------


def test_the_person_chosen_differs_most(monkeypatch) -> None:
    monkeypatch.setattr(choose, "FIND", 9)
    settings, entries = look_up(Diary(agents=("fixed-3-7", "fixed-none"), days=DAYS))
    told = tell(settings, entries)
    gaps = []
    for user in range(9):
        one, two = (life.totals()["satisfied_days"] for life in story(user=user).lives)
        gaps.append(abs(one - two))
    assert told.person == HELD_OUT + int(np.argmax(gaps))
    assert f"person {int(np.argmax(gaps))} is the one" in told.why
    assert told.why in page(told)


def test_of_one_policy_the_middle_person_is_chosen(monkeypatch) -> None:
    monkeypatch.setattr(choose, "FIND", 9)
    settings, entries = look_up(Diary(agents=("fixed-none",), days=DAYS))
    days = {u: story(user=u).lives[1].totals()["satisfied_days"] for u in range(9)}
    told = tell(settings, entries)
    assert told.lives[0].totals()["satisfied_days"] == sorted(days.values())[4]


def test_a_person_has_two_numbers() -> None:
    short, long = story(user=5), story(user=HELD_OUT + 5)
    assert same(short.lives[0].outcomes, long.lives[0].outcomes)
    assert page(short) == page(long)


# --- the page --------------------------------------------------------------------------------


class Cells(HTMLParser):
    """Rows of the totals table, as text."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag, attrs) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_the_table_says_the_totals() -> None:
    told = story()
    parser = Cells()
    parser.feed(totals_table(told.lives, "AdLoad"))
    heads, one, two, gap = parser.rows
    assert totals_table(told.lives, "AdLoad") in page(told)
    for life, row in zip(told.lives, (one, two), strict=True):
        total = life.totals()
        assert row[0] == life.agent
        said = dict(zip(heads, (cell.replace("\u202f", "") for cell in row), strict=True))
        assert said["visits"] == f"{total['sessions']:.0f}"
        assert said["satisfied days"] == f"{total['satisfied_days']:.1f}"
        assert said["revenuemoney"] == f"{total['revenue']:.2f}"
        assert said["ads seen"] == f"{total['ad_views']:.0f}"
    assert two[heads.index("ads placed")] == "0"
    assert gap[heads.index("ads placed")] == "−" + one[heads.index("ads placed")]


def test_the_journal_holds_every_fetch() -> None:
    told = story()
    text = page(told)
    (raw,) = re.findall(r'<script type="application/json" id="journal">(.*?)</script>', text)
    data = json.loads(raw)
    assert data == json.loads(as_script(journal(days_of(told), told.items, "AdLoad")))
    for life, rows in zip(told.lives, data["lives"], strict=True):
        assert len(rows["fetches"]) == len(life.before)
        assert sum(visit[7] for visit in rows["visits"]) == len(life.before)
        positions = [p for fetch in rows["fetches"] for p in fetch[7]]
        bits = {act: 1 << i for i, act in enumerate(ACTS)}
        items = [p for p in positions if len(p) > 1]
        adverts = [p[0] for p in positions if len(p) == 1]
        total = life.totals()
        assert len(positions) - len(items) == total["ads"]
        assert sum(bool(p & bits["seen"]) for p in adverts) == total["ad_views"]
        assert sum(bool(p[0] & bits["played"]) for p in items) == total["plays"]
        assert sum(bool(p[0] & bits["skipped"]) for p in items) == total["skips"]
        assert sum(bool(p[0] & bits["liked"]) for p in items) == total["likes"]
        minutes = sum(p[3] for p in items if p[0] & bits["seen"])
        assert minutes == pytest.approx(total["minutes"], abs=0.006 * len(items))


def test_a_position_by_hand() -> None:
    told = story()
    slot = np.zeros(1, SLOT)[0]
    slot["shows"] = -1
    assert position_row(slot, told.items) == [0]
    slot["seen"] = slot["played"] = 1
    assert position_row(slot, told.items) == [3]
    slot["shows"], slot["liked"], slot["minutes"] = 42, 1, 2.345
    row = position_row(slot, told.items)
    assert row[:4] == [1 + 2 + 8, 42, int(told.items["topic"][42]), 2.35]


def test_the_calendar_has_a_bar_for_every_visit() -> None:
    told = story()
    days = days_of(told)
    drawn = calendar(days)
    wanted = {f"{i}-{v.number}" for i, found in enumerate(days.visits) for v in found}
    for picture in (drawn.wide, drawn.narrow):
        bars = re.findall(r'<rect class="(\w+)" data-s="([\d-]+)"', picture)
        assert {name for _, name in bars} == wanted and len(bars) == len(wanted)
        for css, name in bars:
            side, number = map(int, name.split("-"))
            assert css == days.visits[side][number].exit


def test_the_page_is_repeatable_whole_and_alone() -> None:
    told = story()
    text = page(told)
    settings, entries = look_up(Diary(agents=("fixed-3-7", "fixed-none"), user=5, days=DAYS))
    assert page(tell(settings, entries, user=5)) == text
    assert "$" not in re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert not re.search(r"(?:https?:)?//\w", re.sub(r"<script>.*?</script>", "", text, flags=re.S))
    assert not re.search(r"\b(?:src|href)=(?!\"data:,\")", text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    for forbidden in ("innerHTML", "fetch(", "XMLHttpRequest", "import("):
        assert forbidden not in script
    assert "Hidden moods are shown" in text


def test_a_whole_study_is_below_three_megabytes() -> None:
    # of the first people, the one with the most fetches, under two policies
    told = story(user=0, days=77.0)
    found = evaluate(
        choose.policy_of(told.settings, told.entries[1], 0, None),
        cohort_maker(told.settings, told.entries[1]),
        users=100, seed=0,
    ).users  # fmt: skip
    busiest = int(found["undiscounted_fetches"].argmax())
    told = story(user=busiest, days=77.0)
    assert len(told.lives[1].before) == found["undiscounted_fetches"][busiest] > 400
    assert len(page(told).encode()) < 3_000_000


def test_names_cannot_become_markup() -> None:
    nasty = "</script><img src=x onerror=alert(1)>&'\""
    told = story()
    lives = tuple(dataclasses.replace(life, agent=nasty) for life in told.lives)
    entries = tuple(dataclasses.replace(entry, label=nasty) for entry in told.entries)
    settings = dataclasses.replace(told.settings, scenario=nasty)
    why = f"Because {nasty}"
    text = page(dataclasses.replace(told, lives=lives, entries=entries, settings=settings, why=why))
    assert "<img" not in text and "onerror=alert(1)>" not in text
    assert text.count("</script>") == 2
    raw = re.findall(r'id="journal">(.*?)</script>', text)[0]
    assert json.loads(raw)["agents"] == [nasty, nasty]


def test_numbers_json_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError):
        as_script({"mood": math.nan})


def test_weights_are_told() -> None:
    told = story(agents=("production", "clickbait"), world="longplay/Feed-v0", days=2.0)
    data = journal(days_of(told), told.items, "Feed")
    assert data["lives"][0]["actions"] == ["affinity 1, attraction 0.5, quality 0.5, freshness 0.1"]
    assert data["lives"][1]["actions"] == ["attraction 1"]
    assert "ads placed" not in page(told)


def test_a_world_without_a_mechanism_is_told_by_its_name() -> None:
    told = story(agents=("fixed-none",), scenario="bench without habit")
    usual = story(agents=("fixed-none",))
    assert not same(told.lives[0].outcomes[:50], usual.lives[0].outcomes[:50])
    text = page(told)
    assert "AdLoad on bench without habit" in text
    assert "--scenario &#x27;bench without habit&#x27;" in text


def test_an_action_holds_for_a_session_if_asked() -> None:
    (life,) = story(agents=("random",), decision="session", user=3).lives
    held = [np.unique(life.actions[v.fetches]) for v in visits(life)]
    assert all(len(kinds) == 1 for kinds in held)
    assert len(np.unique([kinds[0] for kinds in held])) > 2
    for slots, action in zip(life.slots, life.actions, strict=True):
        assert tuple(np.flatnonzero(slots["shows"] < 0) + 1) == LAYOUTS[action]


# --- the command -----------------------------------------------------------------------------

MISTAKES = {
    "--agents fixed-3-7 fixed-none random": ["3 agents", "at most 2"],
    "--agents linucb": ["'linucb'", "learns", "no --run came", "--run FOLDER"],
    "--agents fixed-3-7 --days 0": ["days=0", "more than 0"],
    "--agents fixed-3-7 --days 401": ["days=401", "at most 400"],
    "--agents fixed-3-7 --user -1": ["user=-1", "0 .."],
    "--agents fixed-3-7 --seed -1": ["seed=-1"],
    "--agents fixed-3-7 --run nowhere": ["nowhere", "longplay compare"],
    "--agents production": ["'production'", "Feed, not AdLoad"],
    "--agents fixed-37": ["'fixed-37'"],
    "--scenario bensh": ["'bensh'", "did you mean bench"],
    "--agents fixed-3-7 --out taken.html": ["taken.html exists already"],
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_gets_one_sentence(typed, tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("tyro")
    from longplay.experiments.cli import main

    monkeypatch.chdir(tmp_path)
    Path("taken.html").write_text("mine")
    assert main(["diary", *typed.split()]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and told.err[-2] in ".?"
    for word in MISTAKES[typed]:
        assert word in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["taken.html"]
    assert Path("taken.html").read_text() == "mine"


def test_the_command_writes_the_page(tmp_path, capsys) -> None:
    pytest.importorskip("tyro")
    from longplay.experiments.cli import main

    out = tmp_path / "deep" / "life.html"
    words = ["--agents", "fixed-3-7,fixed-none", "--user", "5", "--days", "12"]
    assert main(["diary", *words, "--out", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    assert out.read_text(encoding="utf-8") == page(story())
    assert [path.name for path in out.parent.iterdir()] == ["life.html"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a small finished comparison."""
    for library in ("polars", "tensorboard", "scipy"):
        pytest.importorskip(library)
    from longplay.experiments.compare import compare
    from longplay.experiments.settings import Settings

    folder = tmp_path_factory.mktemp("runs") / "small"
    compare(
        Settings(agents=("linucb", "fixed-3-7"), seeds=1, users=4, train_steps=2000,
                 horizon_days=DAYS),
        folder,
    )  # fmt: skip
    return folder


def test_learners_come_from_a_run(run) -> None:
    import polars

    settings, entries = look_up(Diary(run=run, user=2))
    assert [entry.label for entry in entries] == ["linucb", "fixed-3-7"]
    assert (settings.decision, settings.horizon_days) == ("session", DAYS)
    told = tell(settings, entries, user=2, run=run)
    table = polars.read_parquet(run / "metrics.parquet")
    for life in told.lives:
        (row,) = table.filter(agent=life.agent, user=HELD_OUT + 2).to_dicts()
        assert row["undiscounted_minutes"] == pytest.approx(life.totals()["minutes"])
        assert row["undiscounted_revenue"] == pytest.approx(life.totals()["revenue"])
    assert f"--run {run}" in page(told)


def test_a_run_keeps_its_world_decision_and_seeds(run) -> None:
    with pytest.raises(Refused, match="--decision fetch came.*learnt with session"):
        look_up(Diary(run=run, decision="fetch"))
    with pytest.raises(Refused, match="--world longplay/Feed-v0 came"):
        look_up(Diary(run=run, world="longplay/Feed-v0"))
    with pytest.raises(Refused, match="holds none for seed 3"):
        look_up(Diary(run=run, seed=3))


def test_a_damaged_checkpoint_is_one_sentence(run, tmp_path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "checkpoints" / "linucb" / "seed-0" / "policy.json").write_text("{")
    settings, entries = look_up(Diary(run=copy, user=2))
    with pytest.raises(Refused, match="'linucb' cannot be loaded"):
        tell(settings, entries, user=2, run=copy)


def test_a_privileged_reference_reads_its_own_person() -> None:
    told = story(agents=("myopic",), world="longplay/Feed-v0", days=2.0, user=4)
    cohort = cohort_maker(told.settings, told.entries[0])(1, autoreset_mode="Disabled")
    policy = choose.policy_of(told.settings, told.entries[0], 0, None)
    again = live(policy, cohort, agent="myopic", seed=0, person=HELD_OUT + 4)
    assert same(again.outcomes, told.lives[0].outcomes)
    assert told.entries[0].spec.privileged and '<span class="badge">privileged' in page(told)
