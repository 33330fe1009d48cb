"""The diary in a real browser: keys, clicks and pointers do what the page says, without an error.

A copy of the page gets two scripts more: one that collects errors before anything runs, one that
drives the page and tells what it saw to a page around it, which headless Chromium prints. The page
around it is there for its frame: a window of the browser cannot be as narrow as a phone.
"""

import json
import re
import shutil
import subprocess
from functools import cache
from html import unescape
from pathlib import Path

import pytest

from longplay.experiments.diary.choose import Diary, Story, look_up, tell
from longplay.experiments.diary.page import page
from longplay.experiments.diary.record import parting
from longplay.experiments.diary.weeks import visits

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)  # fmt: skip
pytestmark = [
    pytest.mark.extras,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome"),
]

WATCH = """<script>
window.faults = [];
addEventListener("error", (event) => faults.push(String(event.message)));
addEventListener("unhandledrejection", (event) => faults.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => faults.push(event.violatedDirective));
</script>"""
DRIVE = """<script>
const seen = {};
const $ = (query) => document.querySelector(query);
const weeks = $("#weeks");
const press = (key, on = weeks, more = {}) =>
  on.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true, ...more}));
const active = () => {
  const article = $(".visit.active");
  if (!article) return null;
  const strips = Array.from(article.querySelectorAll(".strip"));
  return [Number(article.dataset.side), Number(article.dataset.visit),
          strips.findIndex((strip) => strip.getAttribute("aria-pressed") === "true")];
};
const picture = () => Array.from(weeks.querySelectorAll("svg")).find((svg) => svg.clientWidth > 0);
const middle = (name) => {
  const box = picture().querySelector(`[data-s="${name}"]`).getBoundingClientRect();
  return {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true};
};
addEventListener("load", () => {
  try {
    DO
  } catch (error) { faults.push(String(error)); }
  parent.postMessage(JSON.stringify({seen, faults}), "*");
});
</script>"""
FRAME = """<!doctype html><pre id="told"></pre><script>
addEventListener("message", (event) => {
  document.getElementById("told").textContent = event.data;
});
</script><iframe src="diary.html" style="border:0" width="WIDTH" height="1000"></iframe>"""


@cache
def story(agents=("fixed-none", "fixed-10"), days=14.0, user=3, world=None) -> Story:
    settings, entries = look_up(Diary(agents=agents, days=days, user=user, world=world))
    return tell(settings, entries, user=user)


def dumped(file: Path) -> str:
    """The document of a file after its scripts have run."""
    return subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", f"--user-data-dir={file.parent / 'profile'}",
         "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip


def driven(told: Story, folder: Path, what: str, width: int = 1280) -> dict:
    """What a script saw in the page, opened from a file in a frame of this width."""
    text = page(told)
    text, allowed = re.subn(r"script-src '[^']+'", "script-src 'unsafe-inline'", text)
    assert allowed == 1
    text = text.replace("<title>", WATCH + "<title>", 1)
    text = text.replace("</body>", DRIVE.replace("DO", what) + "</body>")
    file = folder / "diary.html"
    file.write_text(text, encoding="utf-8")
    around = folder / "around.html"
    around.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    found = re.search(r'<pre id="told">(.+?)</pre>', dumped(around), flags=re.S)
    assert found, "the page told nothing"
    told_back = json.loads(unescape(found[1]))
    assert told_back["faults"] == []
    return told_back["seen"]


def test_keys_go_through_the_visits(tmp_path) -> None:
    told = story(user=6)  # their lives part at the third visit
    one, two = (visits(life) for life in told.lives)
    part = parting(*told.lives)
    assert part.lived is not None
    parted = next(v for v in one if part.lived < v.fetches.stop)
    seen = driven(
        told, tmp_path,
        """
        seen.start = active();
        press("Home"); seen.home = active();
        press("ArrowLeft"); seen.before_home = active();
        press("ArrowRight"); seen.right = active();
        press("ArrowDown"); seen.down = active();
        press("ArrowUp"); seen.up = active();
        press("End"); seen.end = active();
        press("ArrowRight"); seen.after_end = active();
        press("ArrowDown"); seen.down_late = active();
        press("ArrowUp"); seen.up_late = active(); press("ArrowUp");
        press("Home"); seen.home_two = active();
        press("ArrowRight", document.body); seen.anywhere = active();
        press("ArrowDown", document.body); press("End", document.body); seen.scrolls = active();
        press("ArrowRight", weeks, {ctrlKey: true}); seen.with_control = active();
        press("Escape"); seen.escaped = active(); seen.said = $("#said").textContent;
        seen.marks = document.querySelectorAll("#weeks .on, #weeks .beside, .cursor.on").length;
        press("ArrowLeft"); seen.again = active();
        """,
    )  # fmt: skip
    assert parted.number > 1
    assert seen["start"] == [0, parted.number, part.lived - parted.fetches.start]
    assert seen["home"] == seen["before_home"] == [0, 0, 0]
    assert seen["right"] == seen["up"] == [0, 1, 0]
    assert seen["down"] == [1, 1, 0]
    assert seen["end"] == seen["after_end"] == [0, len(one) - 1, 0]
    last = one[-1].start
    assert seen["down_late"][:2] == [1, min(two, key=lambda v: abs(v.start - last)).number]
    assert seen["up_late"] == seen["end"]
    assert seen["home_two"] == [1, 0, 0]
    assert seen["anywhere"] == seen["scrolls"] == seen["with_control"] == [1, 1, 0]
    assert (seen["escaped"], seen["marks"]) == (None, 0)
    assert seen["said"] == "No visit is chosen."
    assert seen["again"] == seen["start"]


def test_fetches_and_what_they_say(tmp_path) -> None:
    told = story()
    life = told.lives[0]
    longest = max(visits(life), key=lambda v: v.fetches.stop - v.fetches.start)
    n = longest.fetches.stop - longest.fetches.start
    assert n >= 3
    seen = driven(
        told, tmp_path,
        f"""
        press("Home");
        for (let i = 0; i < {longest.number}; i++) press("ArrowRight");
        press("j"); press("j"); seen.two_down = active();
        press("k"); seen.up = active();
        for (let i = 0; i < 99; i++) press("j");
        seen.bottom = active();
        for (let i = 0; i < 99; i++) press("k");
        seen.top = active();
        const strips = document.querySelectorAll(".visit.active .strip");
        strips[1].focus(); strips[1].click(); seen.clicked = active();
        seen.focused = document.activeElement.getAttribute("aria-pressed");
        press("j", document.activeElement); seen.from_strip = active();
        seen.focused_on = Array.from(document.querySelectorAll(".visit.active .strip"))
          .indexOf(document.activeElement);
        press("k"); press("k");
        seen.cells = Array.from(document.querySelector(".visit.active .strip")
          .querySelectorAll(".cell"), (cell) => cell.className + "|" + cell.title);
        seen.rows = Array.from(document.querySelectorAll(".visit.active tbody tr"),
          (row) => row.lastChild.textContent);
        seen.heading = document.querySelector(".visit.active h3").textContent;
        """,
    )  # fmt: skip
    number = longest.number
    assert seen["two_down"] == [0, number, 2] and seen["up"] == [0, number, 1]
    assert seen["bottom"] == [0, number, n - 1] and seen["top"] == [0, number, 0]
    assert seen["clicked"] == [0, number, 1] and seen["focused"] == "true"
    assert seen["from_strip"] == [0, number, 2] and seen["focused_on"] == 2
    assert f"visit {number + 1} of {len(visits(life))}" in seen["heading"]
    slots = life.slots[longest.fetches.start]
    assert len(seen["cells"]) == len(seen["rows"]) == 10
    for slot, cell, row in zip(slots, seen["cells"], seen["rows"], strict=True):
        css, _, title = cell.partition("|")
        assert title.endswith(row)
        wanted = "skipped" if slot["skipped"] else "played" if slot["played"] else "passed"
        assert css == f"cell {wanted if slot['seen'] else 'unlooked'}"
        assert ("liked" in row) == bool(slot["liked"]) and ("saved" in row) == bool(slot["saved"])
        if slot["played"] and slot["minutes"] >= 1:
            said = re.findall(r"played ([\d.]+) of", row) or re.findall(r"after ([\d.]+)", row)
            assert float(said[0]) == pytest.approx(slot["minutes"], abs=0.056)  # two roundings


@pytest.mark.parametrize("width", [1280, 390])
def test_pointing_and_clicking(tmp_path, width) -> None:
    told = story(days=77.0)
    last = len(visits(told.lives[1])) - 1
    seen = driven(
        told, tmp_path,
        f"""
        const bar = (name) => picture().querySelector(`[data-s="${{name}}"]`);
        bar("1-4").dispatchEvent(new MouseEvent("click", middle("1-4"))); seen.click = active();
        seen.on = Array.from(weeks.querySelectorAll(".on"), (bar) => bar.dataset.s);
        seen.beside = weeks.querySelectorAll(".beside").length;
        const near = middle("1-{last}"); near.clientX += 3;
        picture().dispatchEvent(new MouseEvent("click", near)); seen.near = active();
        const cursor = Array.from(document.querySelectorAll("#moods .cursor.on"))
          .map((line) => Number(line.getAttribute("x1")));
        seen.cursors = cursor.length; seen.cursor = Math.max(...cursor) > 0;
        bar("0-1").dispatchEvent(new PointerEvent("pointermove", middle("0-1")));
        seen.tip = $("#tip").className + "|" + $("#tip").textContent;
        const box = $("#tip").getBoundingClientRect();
        seen.inside = box.left >= 0 && box.right <= innerWidth;
        weeks.dispatchEvent(new PointerEvent("pointerleave")); seen.left = $("#tip").className;
        const tap = new PointerEvent("click", {{...middle("0-2"), pointerType: "touch"}});
        bar("0-2").dispatchEvent(tap); seen.tapped = [active()[1], $("#tip").className];
        dispatchEvent(new Event("scroll")); seen.scrolled = $("#tip").className;
        press("ArrowDown");
        $("[data-do=other]").click(); seen.other = active()[0];
        $("[data-do=previous]").click(); const back = active()[1];
        $("[data-do=next]").click(); seen.next = active()[1] - back;
        $("[data-do=parting]").click(); seen.parting = active();
        seen.sideways = document.documentElement.scrollWidth - innerWidth;
        seen.pictures = Array.from(document.querySelectorAll("svg.wide, svg.narrow"))
          .filter((svg) => svg.clientWidth > 0).length;
        seen.width = innerWidth;
        seen.small = Array.from(document.querySelectorAll(".bar button"))
          .filter((button) => button.getBoundingClientRect().height < 40).length;
        """,
        width,
    )  # fmt: skip
    assert seen["click"] == [1, 4, 0]
    assert seen["on"] == ["1-4", "1-4"] and seen["beside"] == 2  # wide and narrow picture
    assert seen["near"] == [1, last, 0]
    assert seen["cursors"] == 12 and seen["cursor"]
    assert seen["tip"].startswith("tip on|fixed-none, visit 2 of") and seen["left"] == "tip"
    assert seen["inside"]
    assert seen["tapped"] == [2, "tip on"] and seen["scrolled"] == "tip"
    assert seen["other"] == 0 and seen["next"] == 1
    assert seen["parting"][0] == 0
    assert seen["width"] == width
    assert seen["sideways"] <= 0, "the page scrolls sideways"
    assert seen["pictures"] == 2
    assert seen["small"] == 0


def test_a_reader_without_eyes_is_told(tmp_path) -> None:
    seen = driven(
        story(), tmp_path,
        """
        press("Home"); press("ArrowRight");
        seen.said = $("#said").textContent; seen.live = $("#said").getAttribute("aria-live");
        seen.role = [weeks.tabIndex, weeks.getAttribute("role"), weeks.getAttribute("aria-label")];
        const keys = document.getElementById(weeks.getAttribute("aria-describedby"));
        seen.described = keys.textContent.includes("Home");
        seen.unnamed = Array.from(document.querySelectorAll("button, [role], svg[role=img]"))
          .filter((x) => !(x.getAttribute("aria-label") || x.textContent.trim() || x.id === "said"))
          .length;
        seen.strip = $(".strip").getAttribute("aria-label");
        weeks.focus();
        seen.outline = getComputedStyle(weeks).outlineStyle;
        seen.ids = Array.from(document.querySelectorAll("[id]"), (x) => x.id);
        """,
    )  # fmt: skip
    assert seen["said"].startswith("fixed-none, visit 2 of") and seen["live"] == "polite"
    assert seen["role"] == [0, "application", "Calendar of visits"]
    assert seen["described"] and seen["unnamed"] == 0
    assert re.fullmatch(r"fetch 1: \d+ of 10 looked at.*", seen["strip"])
    assert len(set(seen["ids"])) == len(seen["ids"])


def test_one_policy_alone(tmp_path) -> None:
    seen = driven(
        story(agents=("production",), world="longplay/Feed-v0"), tmp_path,
        """
        seen.start = active(); press("ArrowDown"); press("ArrowRight"); seen.right = active();
        seen.columns = document.querySelectorAll(".visit").length;
        seen.off = Array.from(document.querySelectorAll(".bar [hidden]"), (b) => b.dataset.do);
        seen.did = $(".visit").textContent.includes("affinity 1, attraction 0.5");
        """,
    )  # fmt: skip
    assert (seen["start"], seen["right"], seen["columns"]) == ([0, 0, 0], [0, 1, 0], 1)
    assert seen["off"] == ["other", "parting"]
    assert seen["did"]


def test_the_page_as_written_runs_under_its_own_policy(tmp_path) -> None:
    # not a copy: the script's hash in the page's content policy must let it run
    file = tmp_path / "diary.html"
    file.write_text(page(story()), encoding="utf-8")
    assert dumped(file).count('<article class="visit') == 2
