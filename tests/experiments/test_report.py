"""The report: its numbers, its words, its pictures, and that it needs nothing from outside."""

import dataclasses
import math
import re
import xml.etree.ElementTree as ET
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("scipy")
pytestmark = pytest.mark.extras

from longplay.experiments.report import (  # noqa: E402
    Agent,
    ReportData,
    figures,
    find,
    write_report,
)
from longplay.experiments.report.svg import Canvas, Scale, text_width  # noqa: E402
from longplay.experiments.report.wording import answer  # noqa: E402

# A comparison made up for these tests: plausible numbers that nothing simulated.
SHAPES = {  # name: (kind, privileged, revenue, satisfied days, D1, D60, ads per hour)
    "random": ("fixed", False, 0.86, 9.6, 0.52, 0.19, 9.0),
    "fixed-3-7": ("fixed", False, 0.98, 10.2, 0.54, 0.22, 8.1),
    "fixed-none": ("fixed", False, 0.0, 14.6, 0.66, 0.44, 0.0),
    "eps-greedy": ("bandit", False, 1.12, 9.2, 0.51, 0.17, 12.9),
    "linucb": ("bandit", False, 1.17, 9.3, 0.51, 0.18, 12.2),
    "lints": ("bandit", False, 1.15, 9.25, 0.51, 0.175, 12.4),
    "dqn": ("learner", False, 1.01, 12.1, 0.60, 0.33, 5.4),
    "ppo": ("learner", False, 1.10, 12.9, 0.62, 0.36, 4.6),
    "myopic": ("fixed", True, 1.22, 9.0, 0.50, 0.16, 13.1),
    "patient": ("fixed", True, 1.19, 13.6, 0.64, 0.41, 4.1),
}
ABOUT = {
    "random": "every layout alike",
    "linucb": "linear upper confidence bounds on revenue",
    "ppo": "proximal policy optimisation, one decision per session",
    "myopic": "the layout with the highest expected revenue of the fetch",
    "patient": "rolls out each layout on forked users",
}


def made_up(names=tuple(SHAPES), seeds=3, users=400, edge=1.0, **changes) -> ReportData:
    """Report data of these agents; ``edge`` scales how far they differ."""
    rng = np.random.default_rng(5)
    rows = {k: [] for k in ("agent", "seed", "user", "value", "revenue", "satisfied_days",
                            "active_days", "minutes", "ad_views", "cut_off")}  # fmt: skip
    kept = {k: [] for k in ("agent", "seed", "day", "active", "users")}
    middle = np.mean([SHAPES[n][2:] for n in names], axis=0)
    for seed in range(seeds):
        taste = rng.gamma(6.0, 1 / 6.0, users)  # what users have in common under every agent
        for name in names:
            revenue, days, d1, d60, ads = middle + edge * (np.array(SHAPES[name][2:]) - middle)
            shift = 1 + 0.004 * rng.normal()
            own = taste * rng.gamma(60.0, 1 / 60.0, users) * shift
            money = revenue * own * rng.gamma(40.0, 1 / 40.0, users)
            good = days * own**0.8
            minutes = 46.0 * good
            table = {
                "agent": np.full(users, name), "seed": np.full(users, seed),
                "user": (1 << 24) + np.arange(users), "value": money + 0.05 * good,
                "revenue": money, "satisfied_days": good, "active_days": 1.4 * good,
                "minutes": minutes,
                "ad_views": ads * minutes / 60 * rng.gamma(30.0, 1 / 30.0, users),
                "cut_off": np.full(users, 0.021 + 0.01 * d60),
            }  # fmt: skip
            for key, column in table.items():
                rows[key].append(column)
            day = np.arange(61)
            share = d60 + (d1 - d60) * np.exp(-day / 14.0)
            share = np.where(day == 0, 1.0, share * (1 + 0.03 * np.cos(day * 2 * np.pi / 7)))
            for key, column in zip(kept, (np.full(61, name), np.full(61, seed), day,
                                          rng.binomial(users, share), np.full(61, users)),
                                   strict=True):  # fmt: skip
                kept[key].append(column)
    fields = {
        "question": "Does patience pay in AdLoad on bench?",
        "task": "AdLoad",
        "world": "bench",
        "agents": [Agent(n, "reference" if SHAPES[n][1] else SHAPES[n][0], SHAPES[n][1],
                         ABOUT.get(n, "")) for n in names],
        "metrics": {k: np.concatenate(v) for k, v in rows.items()},
        "retention": {k: np.concatenate(v) for k, v in kept.items()},
        "day_value": 0.05,
        "gamma_day": 0.95,
        "horizon_days": 70.0,
        "made": {
            "command": "longplay compare --scenario bench --agents ppo linucb --seeds 3",
            "begun": "2026-01-31 12:00 UTC",
            "wall time": "212 s",
            "versions": "longplay 0.1.0, numpy 2.4.6, gymnasium 1.2.2",
        },
        "oracle": "patient",
        "curves": curves([n for n in names if SHAPES[n][0] != "fixed"], seeds, rng),
        "behaviour": behaviour(names, rng),
    }  # fmt: skip
    return ReportData(**{**fields, **changes})


def curves(names, seeds, rng):
    steps = np.arange(0, 500_001, 5_000)
    rows = []
    for name in names:
        for seed in range(seeds):
            level = SHAPES[name][2] * (0.6 + 0.4 * (1 - np.exp(-steps / 9e4)))
            level += 0.02 * rng.normal(size=len(steps))
            rows += [(name, seed, s, v) for s, v in zip(steps, level, strict=True)]
    return {k: np.array([r[i] for r in rows]) for i, k in
            enumerate(("agent", "seed", "step", "value"))}  # fmt: skip


def behaviour(names, rng):
    rows = []
    for name in names:
        ads = SHAPES[name][6] / 7
        for x in (0, 7, 14, 30, 60, 120):
            y = ads * (1 + 0.1 * x / 120) + 0.01 * rng.normal() * (ads > 0)
            rows.append((name, "age of the account [days]", x, "ads per fetch", y))
        for x in range(1, 11):
            y = ads * (1 - (0.05 * x if SHAPES[name][0] == "learner" else 0.0))
            rows.append((name, "fetch of the session", x, "ads per fetch", y))
    return {k: np.array([r[i] for r in rows]) for i, k in
            enumerate(("agent", "axis", "x", "measure", "y"))}  # fmt: skip


FEW = ("random", "linucb", "ppo", "myopic", "patient")
VOID = {"meta", "link", "br"}  # HTML's own; in pictures everything is closed


class Page(HTMLParser):
    """Text, attributes and balance of a page."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@cache
def found_in(names=tuple(SHAPES), **options):
    return find(made_up(names, **options))


def written(folder, **options):
    return write_report(folder, made_up(**options)).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return written(tmp_path_factory.mktemp("report"))


def pictures(text):
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.S)]


def table(text, label):
    """Rows of a table: name -> cells, each the list of its lines."""
    part = text[text.index(f'aria-label="{label}"><table>') :]
    part = part[part.index("<table>") : part.index("</table>") + 8]
    heads = ["".join(h.itertext()) for h in ET.fromstring(part).find("thead/tr")]
    rows = {}
    for row in ET.fromstring(part).iter("tr"):
        if row.find("td") is not None:
            rows[row.find("th").text.strip()] = [
                [t for t in cell.itertext() if t] for cell in row.iter("td")
            ]
    return heads[1:], rows


# --- the page --------------------------------------------------------------------------------


def test_the_page_is_whole(text):
    page = Page(text)
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_it_asks_nothing_of_the_network(text):
    for tag, attrs in Page(text).tags:
        assert tag not in {"script", "iframe", "object", "embed", "img", "base"}
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert attrs.get(name, "#").startswith(("#", "data:,"))
        assert not any(name.startswith("on") for name in attrs)
    assert "@import" not in text and "url(" not in text
    assert "default-src 'none'" in text


def test_it_is_written_beside_the_tables(tmp_path):
    path = write_report(tmp_path, made_up(FEW, users=20))
    assert path == tmp_path / "report.html"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_the_same_tables_give_the_same_page(tmp_path):
    first = written(tmp_path, names=FEW, users=50)
    assert written(tmp_path, names=FEW, users=50) == first


def test_a_failure_leaves_the_old_report(tmp_path):
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(ValueError, match="baseline='nobody' took no part; choose among random"):
        write_report(tmp_path, made_up(FEW, users=20, baseline="nobody"))
    assert (tmp_path / "report.html").read_text() == "old"


NASTY = '<script>alert("1")</script>&amp;<b>'


def test_whatever_comes_from_outside_is_escaped(tmp_path):
    data = made_up(("random", "linucb", "ppo"), users=30)
    rename = {"ppo": NASTY}
    agents = [Agent(rename.get(a.name, a.name), a.kind, about=NASTY) for a in data.agents]
    tables = {}
    for name in ("metrics", "retention", "curves", "behaviour"):
        columns = dict(getattr(data, name))
        columns["agent"] = np.array([rename.get(a, a) for a in columns["agent"].tolist()])
        tables[name] = columns
    evil = ReportData(
        question=NASTY, task=NASTY, world=NASTY, agents=agents, day_value=0.05, gamma_day=0.95,
        horizon_days=70.0, made={NASTY: NASTY, "command": NASTY}, limits=[NASTY], **tables,
    )  # fmt: skip
    text = write_report(tmp_path, evil).read_text(encoding="utf-8")
    page = Page(text)
    assert "<script" not in text and "<b>" not in text
    assert page.open == []
    assert page.text.count('<script>alert("1")</script>&amp;<b>') > 10
    assert len(pictures(text)) >= 12  # each still well-formed


# --- numbers ---------------------------------------------------------------------------------


def number(text):
    return float(text.replace("\u202f", "").replace("−", "-"))


def test_the_table_holds_the_means_of_the_metrics(text):
    data = made_up()
    heads, rows = table(text, "Agents")
    column = {"valuemoney": "value", "revenuemoney": "revenue", "satisfied days": "satisfied_days",
              "playedmin": "minutes"}  # fmt: skip
    assert list(rows) == sorted(rows, key=lambda n: -mean_of(data, n, "value"))
    for name, cells in rows.items():
        for head, cell in zip(heads, cells, strict=True):
            if head in column:
                mean = mean_of(data, name, column[head])
                assert number(cell[0]) == pytest.approx(mean, abs=0.51 * unit(cell[0]))
                if len(cell) > 1:
                    low, high = cell[1].strip("[]").split(", ")
                    assert number(low) <= number(cell[0]) <= number(high)


def mean_of(data, name, column):
    return data.metrics[column][data.metrics["agent"] == name].mean()


def unit(text):
    return 10.0 ** -len(text.partition(".")[2])


def test_retention_of_the_table_comes_from_the_counts(text):
    kept = made_up().retention
    heads, rows = table(text, "Agents")
    for name, cells in rows.items():
        for day in (7, 28, 60):
            mine = (kept["agent"] == name) & (kept["day"] == day)
            share = 100 * (kept["active"][mine] / kept["users"][mine]).mean()
            shown = cells[heads.index(f"D{day}% active")][0]
            assert number(shown) == pytest.approx(share, abs=0.51 * unit(shown))


def test_ads_per_hour_are_those_of_all_users_together():
    data = made_up(FEW)
    mine = data.metrics["agent"] == "ppo"
    per_hour = 60 * data.metrics["ad_views"][mine].sum() / data.metrics["minutes"][mine].sum()
    assert found_in(FEW).row("ppo").ads_per_hour.mean == pytest.approx(per_hour)


def test_headroom_is_zero_and_one_at_the_references(text):
    heads, rows = table(text, "Agents")
    at = heads.index("headroom closed%")
    assert rows["myopic"][at][0] == "0" and rows["patient"][at][0] == "100"
    data = made_up()
    j = {n: mean_of(data, n, "value") for n in ("myopic", "patient", "ppo")}
    wanted = 100 * (j["ppo"] - j["myopic"]) / (j["patient"] - j["myopic"])
    assert number(rows["ppo"][at][0]) == pytest.approx(wanted, abs=0.51)


def test_what_cannot_be_negative_is_not_said_to_be():
    # Two seeds that differ: t with one degree of freedom reaches far below 0.
    data = made_up(("random", "ppo"), seeds=2, users=30)
    metrics = dict(data.metrics)
    lucky = 1.0 + 4.0 * metrics["seed"]
    metrics |= {n: metrics[n] * lucky for n in ("value", "revenue", "satisfied_days")}
    found = find(made_up(("random", "ppo"), seeds=2, users=30, metrics=metrics))
    for row in found.rows:
        assert row.value.low == row.means["revenue"].low == 0.0
    loss = {**metrics, "value": metrics["value"] - 2.0}
    found = find(made_up(("random", "ppo"), seeds=2, users=30, metrics=loss))
    assert found.leader.value.low < 0.0  # a value can be


def test_days_without_users_are_left_out():
    data = made_up(FEW, users=40)
    short = dict(data.retention)
    late = short["day"] > 30
    short |= {n: np.where(late, 0, short[n]) for n in ("active", "users")}
    found = find(made_up(FEW, users=40, retention=short))
    assert max(found.leader.retention) == 30 and 60 not in found.leader.retention


def test_the_rate_at_which_the_order_turns():
    # By hand: a earns 0.1 less a user and gives 2 days more: even at 0.1 / 2 = 0.05 a day.
    data = made_up(("linucb", "ppo"), seeds=2, users=30)
    is_ppo = data.metrics["agent"] == "ppo"
    noise = np.tile(np.repeat(np.linspace(0, 1, 30)[None], 2, 0), (2, 1)).ravel()
    days = np.where(is_ppo, 12.0, 10.0) + noise
    money = np.where(is_ppo, 0.9, 1.0) + noise
    metrics = {**data.metrics, "revenue": money, "satisfied_days": days,
               "value": money + 0.08 * days}  # fmt: skip
    found = find(made_up(("linucb", "ppo"), seeds=2, users=30, metrics=metrics, day_value=0.08))
    assert found.leader.name == "ppo"
    assert found.duels[0].turning_rate == pytest.approx(0.05)
    assert found.duels[0].lead.mean == pytest.approx(0.06)


def test_an_agent_nobody_introduced_is_refused():
    with pytest.raises(ValueError, match="'ppo', which is not in data.agents: random"):
        find(made_up(("random", "ppo"), users=10, agents=[Agent("random")]))


# --- words -----------------------------------------------------------------------------------


def said(**options):
    return answer(found_in(**options))


def test_a_clear_winner_is_named_with_its_lead_and_who_is_hurt():
    told = said()
    assert told.clear and told.verdict == "ppo wins"
    assert re.fullmatch(
        r"ppo wins: a user is worth 1\.\d+ \[1\.\d+, 1\.\d+\] under it, 0\.\d+ \[0\.\d+, 0\.\d+\] "
        r"\(\+\d.*? %\) more than under linucb, the best bandit; .* % \[.*\] of users have fewer "
        r"satisfied days than under linucb\.",
        told.headline,
    )


def test_equal_agents_have_no_winner():
    told = said(names=("random", "linucb", "ppo"), edge=0.0)
    assert not told.clear and told.headline.startswith("No clear winner: ")
    assert "may be chance" in told.headline


def test_the_privileged_never_win():
    found = found_in(FEW)
    assert found.rows[0].name == "patient" and found.leader.name == "ppo"


def test_a_bandit_can_win():
    found = found_in(("random", "linucb", "fixed-none"))
    assert found.leader.name == "linucb" and found.leader.lead is None
    assert found.baseline.name == "random"  # the best fixed rule, as the best bandit leads
    assert "more than under random, the runner-up" in answer(found).headline


def test_an_agent_alone_is_told_without_comparison(tmp_path):
    text = written(tmp_path, names=("ppo",), users=30)
    assert "A user is worth" in text and "wins:" not in text and "Who is hurt" not in text


def test_without_references_nobody_speaks_of_headroom(tmp_path):
    text = written(tmp_path, names=("random", "linucb", "ppo"), users=60)
    assert "headroom" not in Page(text).text


def test_references_without_room_are_owned_up_to(tmp_path):
    page = Page(written(tmp_path, names=FEW, edge=0.0, users=60))
    assert "Headroom closed cannot be told: oracle - myopic is" in page.text


def test_one_seed_says_that_it_speaks_for_users_only(tmp_path):
    page = Page(written(tmp_path, names=FEW, seeds=1, users=60))
    assert "intervals over users only (one training seed)" in page.text
    assert "One training seed: another run may train another policy." in page.text
    assert "seeds on its own" not in page.text


def test_the_small_print_names_what_was_run(text):
    page = Page(text)
    for words in ("longplay compare --scenario bench", "numpy 2.4.6", "0, 1, 2 (each a training",
                  "400 in each seed", "watched for 70 days", "2.5 % of the value lies beyond",
                  "0.05 money per satisfied day, is a free choice", "larger than in life",
                  "times as many for the same precision"):  # fmt: skip
        assert words in page.text, words


def test_every_column_is_defined(text):
    terms = text[text.index('<section id="terms"') :]
    defined = Page(terms[: terms.index("</section>") + 10]).text.lower()
    heads, _ = table(text, "Agents")
    for head in heads:
        name = re.sub(r"(value, same users|money|min|per hour|% active|%)$", "", head)
        assert name.lower() in defined, head


# --- pictures --------------------------------------------------------------------------------


def test_every_picture_comes_wide_and_narrow_and_says_what_it_shows(text):
    drawn = [p for p in pictures(text) if p.get("aria-hidden") is None]
    assert len(drawn) == 12
    for wide, narrow in zip(drawn[::2], drawn[1::2], strict=True):
        assert (wide.get("class"), narrow.get("class")) == ("wide", "narrow")
        assert wide.get("aria-label") == narrow.get("aria-label")
        assert wide.get("role") == "img" and "ppo" in wide.get("aria-label")


def test_colours_follow_the_page(text):
    for picture in pictures(text):
        for part in picture.iter():
            assert not {"fill", "stroke", "color"} & set(part.attrib)
            assert "#" not in part.get("style", "")


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_text_has_contrast_in_light_and_dark(text):
    schemes = re.findall(r":root \{(.*?)\}", text[: text.index("* {")], re.S)
    assert len(schemes) == 2
    names = []
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        names.append(set(colours))
        for name in set(colours) - {"paper", "wash", "hair", "same"}:  # those are not text
            for under in ("paper", "wash"):
                dark, light = sorted(luminance(colours[n]) for n in (name, under))
                contrast = (light + 0.05) / (dark + 0.05)
                assert contrast >= 4.5, (name, under, contrast)  # WCAG 2.2, AA for text
    assert names[0] == names[1]
    assert set(re.findall(r"var\(--(\w+)\)", text)) <= names[0] | {"c"}


@pytest.mark.parametrize("names", [tuple(SHAPES), FEW, ("linucb", "ppo")])
def test_words_stay_within_their_picture(tmp_path, names):
    long = {n: f"{n}-with-a-rather-long-name" if n in ("ppo", "linucb") else n for n in SHAPES}
    data = made_up(names, users=40)
    tables = {}
    for name in ("metrics", "retention", "curves", "behaviour"):
        columns = dict(getattr(data, name))
        columns["agent"] = np.array([long[a] for a in columns["agent"].tolist()])
        tables[name] = columns
    agents = [Agent(long[a.name], a.kind, a.privileged) for a in data.agents]
    text = written(tmp_path, names=names, users=40, agents=agents, **tables)
    for picture in pictures(text):
        assert_words_stay_within(picture)


def assert_words_stay_within(picture):
    _, _, width, height = map(float, picture.get("viewBox").split())
    for part in picture.iter("text"):
        size = text_width(part.text)
        shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[part.get("text-anchor", "start")]
        left = float(part.get("x")) - shift * size
        assert left >= -12 and left + size <= width + 12, part.text
        assert 0 <= float(part.get("y")) <= height, part.text


def test_the_forest_is_drawn_to_scale(text):
    wide = next(p for p in pictures(text) if p.get("class") == "wide")
    marks = [p for p in wide.iter("line") if "whisker" in p.get("class", "")]
    low, high = ([float(m.get(k)) for m in marks] for k in ("x1", "x2"))
    found = found_in()
    rows = [r for r in found.rows if not r.agent.privileged]
    ends = [(r.value.low, r.value.high) for r in rows]
    scale = (high[0] - low[-1]) / (ends[0][1] - ends[-1][0])
    for x1, x2, (a, b) in zip(low, high, ends, strict=True):
        assert x1 == pytest.approx(low[-1] + scale * (a - ends[-1][0]), abs=0.11)
        assert x2 == pytest.approx(low[-1] + scale * (b - ends[-1][0]), abs=0.11)


def test_equal_value_lines_are_lines_of_equal_value(text):
    # On each dashed line revenue + 0.05 * days is the same at both ends, in data units.
    svg = next(p for p in pictures(text) if "Scatter" in (p.get("aria-label") or ""))
    ticks = [p for p in svg.iter("text") if p.get("class") == "tick"]
    across = {number(p.text): float(p.get("x")) for p in ticks if p.get("text-anchor") == "middle"}
    up = {number(p.text): float(p.get("y")) - 4 for p in ticks if p.get("text-anchor") == "end"}

    def unscaled(places, pixel):
        (a, pa), (b, pb) = list(places.items())[:2]
        return a + (pixel - pa) * (b - a) / (pb - pa)

    lines = [p for p in svg.iter("line") if p.get("class") == "iso"]
    assert len(lines) >= 2
    for line in lines:
        value = float(line.find("title").text.split()[-1])
        for i in "12":
            x, y = float(line.get("x" + i)), float(line.get("y" + i))
            assert unscaled(across, x) + 0.05 * unscaled(up, y) == pytest.approx(value, abs=2e-3)


def test_equal_value_lines_that_lie_close_are_told_apart():
    canvas = Canvas(400, 300)
    xs, ys = Scale(0.4734, 0.4742, 0, 400), Scale(3.789, 3.793, 300, 0)
    figures._iso_value(canvas, xs, ys, 0.05, 6)
    texts = re.findall(r">(value [0-9.]+)</text>", "".join(canvas.parts))
    assert len(texts) >= 3
    assert len(set(texts)) == len(texts)


def test_changes_are_counted_on_the_right_side(text):
    # ppo's histogram against linucb: the shares of its bars add up to 100 %.
    svg = next(p for p in pictures(text) if "Distributions" in (p.get("aria-label") or ""))
    bars = [p for p in svg.iter("rect") if p.get("class") in ("worse", "same", "better")]
    shares = [float(p.find("title").text.split()[0]) for p in bars]
    base = {}
    for bar, share in zip(bars, shares, strict=True):
        foot = round(float(bar.get("y")) + float(bar.get("height")))
        base.setdefault(foot, []).append((bar.get("class"), share))
    assert len(base) == 7  # contenders other than the baseline
    for row in base.values():
        assert sum(s for _, s in row) == pytest.approx(100.0, abs=0.06 * len(row))
    found = found_in()
    first = base[min(base)]
    worse = sum(s for side, s in first if side == "worse")
    assert worse <= 100 * found.leader.hurt.worse.mean + 0.2
    assert math.isclose(found.leader.hurt.worse.mean, (found.change(found.leader) < -1e-9).mean())


# --- a reward of the run's own ---------------------------------------------------------------

WISH = "0.7 * minutes - 0.3 * skips + 2.0 * returned_1d"


def asked(names=FEW, parts=("minutes", "skips", "returned_1d"), **options):
    """A comparison whose learners were paid by WISH, or by as many of its parts."""
    data = made_up(names, **options)
    m = data.metrics
    made = {
        "minutes": 0.7 * m["minutes"],
        "skips": -0.2 * m["ad_views"],
        "returned_1d": 2.0 * m["active_days"],
    }
    columns = {f"reward:{part}": made[part] for part in parts}
    metrics = {**m, "reward": sum(columns.values()), **columns}
    agents = [dataclasses.replace(a, paid=a.kind == "learner") for a in data.agents]
    return dataclasses.replace(data, metrics=metrics, agents=agents, reward=WISH)


@pytest.fixture(scope="module")
def rewarded_text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rewarded")
    return write_report(folder, asked(tuple(SHAPES))).read_text(encoding="utf-8")


def test_the_parts_of_a_reward_stand_in_a_table_most_reward_first(rewarded_text):
    data = asked(tuple(SHAPES))
    heads, rows = table(rewarded_text, "Reward")
    assert heads == ["reward", "minutes", "skips", "returned_1d", "valuemoney"]
    assert list(rows) == sorted(rows, key=lambda n: -mean_of(data, n, "reward"))
    columns = ["reward", "reward:minutes", "reward:skips", "reward:returned_1d", "value"]
    for name, cells in rows.items():
        for column, cell in zip(columns, cells, strict=True):
            mean = mean_of(data, name, column)
            assert number(cell[0]) == pytest.approx(mean, abs=0.51 * unit(cell[0]))
    page = Page(rewarded_text)
    assert page.open == []
    assert WISH in page.text and "Learnt from it: ppo, dqn." in page.text


def test_the_parts_of_a_reward_are_drawn_to_scale(rewarded_text):
    svg = next(p for p in pictures(rewarded_text) if "multiples" in (p.get("aria-label") or ""))
    found = find(asked(tuple(SHAPES)))
    rows = found.by_reward
    marks = [p for p in svg.iter("line") if "whisker" in p.get("class", "")]
    assert len(marks) == 4 * len(rows)
    places = [(float(m.get("x1")), float(m.get("x2"))) for m in marks]
    for i, part in enumerate((None, "minutes", "skips", "returned_1d")):
        here = places[i * len(rows) : (i + 1) * len(rows)]
        ends = [row.reward if part is None else row.parts[part] for row in rows]
        scale = (here[0][1] - here[-1][0]) / (ends[0].high - ends[-1].low)
        for (x1, x2), x in zip(here, ends, strict=True):
            assert x1 == pytest.approx(here[-1][0] + scale * (x.low - ends[-1].low), abs=0.11)
            assert x2 == pytest.approx(here[-1][0] + scale * (x.high - ends[-1].low), abs=0.11)


def test_a_reward_changes_no_other_number_of_the_page(tmp_path):
    plain, paid = find(made_up(FEW, users=60)), find(asked(FEW, users=60))
    for a, b in zip(plain.rows, paid.rows, strict=True):
        assert (a.means, a.retention, a.hurt, a.lead) == (b.means, b.retention, b.hurt, b.lead)
        assert a.reward is None and a.parts == {} and b.reward is not None
    assert answer(plain) == answer(paid)
    assert "What was asked for" not in written(tmp_path, names=FEW, users=60)


def test_a_reward_of_one_part_is_told_once(tmp_path):
    text = write_report(tmp_path, asked(parts=("skips",), users=60)).read_text(encoding="utf-8")
    heads, _ = table(text, "Reward")
    assert heads == ["reward", "valuemoney"]


def test_parts_of_one_sign_stay_on_their_side():
    # Two seeds that differ: t with one degree of freedom reaches across 0.
    data = asked(("random", "ppo"), seeds=2, users=30)
    lucky = 1.0 + 4.0 * data.metrics["seed"]
    names = ("reward:minutes", "reward:skips", "reward:returned_1d")
    metrics = {**data.metrics, **{n: data.metrics[n] * lucky for n in names}}
    metrics["reward"] = sum(metrics[n] for n in names)
    found = find(dataclasses.replace(data, metrics=metrics))
    for row in found.rows:
        assert row.parts["minutes"].low == 0.0 and row.parts["skips"].high == 0.0


def test_parts_with_long_names_stay_within_the_picture(tmp_path):
    data = asked(("linucb", "ppo"), users=40)
    long = {f"reward:{'potential(0.5 * state.active_rate) * ' * i}x": data.metrics["reward"] / 7
            for i in range(7)}  # fmt: skip
    metrics = {n: c for n, c in data.metrics.items() if not n.startswith("reward:")} | long
    metrics |= {"agent": np.array([f"{a}-{'x' * 40}" for a in metrics["agent"].tolist()])}
    kept = {**data.retention}
    kept["agent"] = np.array([f"{a}-{'x' * 40}" for a in kept["agent"].tolist()])
    agents = [dataclasses.replace(a, name=f"{a.name}-{'x' * 40}") for a in data.agents]
    data = dataclasses.replace(
        data, metrics=metrics, retention=kept, agents=agents, curves=None, behaviour=None,
        reward="<b>" + WISH,
    )  # fmt: skip
    text = write_report(tmp_path, data).read_text(encoding="utf-8")
    assert "<b>" not in text and Page(text).open == []
    for svg in pictures(text):
        if "multiples" in (svg.get("aria-label") or ""):
            assert_words_stay_within(svg)
