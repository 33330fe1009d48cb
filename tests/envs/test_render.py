"""Pictures of a fetch say what happened in it."""

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import longplay.envs  # noqa: F401  (registers the ids)
from longplay.envs.cohort import Cohort
from longplay.envs.render import (
    BAD,
    COLUMNS,
    GOOD,
    INK,
    PAPER,
    Card,
    Mood,
    Scene,
    as_picture,
    as_text,
    box,
    draw,
    filled,
    topic_colour,
    write,
)
from longplay.envs.session import AdLoad, Feed
from longplay.envs.spaces import layout_index

KINDS: dict[str, dict[str, Any]] = {
    "AdLoad": {"task": "AdLoad"},
    "AdLoad session": {"task": "AdLoad", "decision": "session"},
    "weights": {"task": "Feed", "action": "weights"},
    "slate": {"task": "Feed", "action": "slate"},
    "item": {"task": "Feed", "action": "item"},
    "long slate": {"task": "Feed", "action": "slate", "slate_size": 25},
}


def lived(kind: str = "AdLoad", steps: int = 6, num_envs: int = 12, **more: Any) -> Cohort:
    settings = {"scenario": "bench", "threads": 1} | KINDS[kind] | more
    cohort = Cohort(num_envs=num_envs, **settings)
    cohort.reset(seed=7)
    cohort.action_space.seed(1)
    for _ in range(steps):
        cohort.step(cohort.action_space.sample())
    return cohort


@pytest.mark.parametrize("kind", KINDS)
def test_every_lane_is_drawn_in_both_modes(kind: str) -> None:
    for steps in (0, 1, 9):
        cohort = lived(kind, steps)
        for lane in range(cohort.num_envs):
            text = draw(cohort, lane, "ansi")
            assert isinstance(text, str)
            assert max(map(len, text.splitlines())) <= 96
            picture = draw(cohort, lane, "rgb_array")
            assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3


def test_text_tells_every_position() -> None:
    # Against the slots, over enough fetches that everything happens.
    cohort = lived(num_envs=200, horizon_days=5.0)
    told = set()
    for lane in range(200):
        lines = [
            line for line in draw(cohort, lane, "ansi").splitlines() if line[:3].strip().isdigit()
        ]
        slots = cohort.slots[lane]
        if not lines:
            continue
        assert len(lines) == 10
        for line, slot in zip(lines, slots, strict=True):
            if slot["shows"] < 0:
                assert " ad " in line
                fate = "clicked" if slot["played"] else "seen, " if slot["seen"] else ""
                assert fate in line if fate else ("not seen" in line or "overlooked" in line)
            else:
                assert int(line[3:11]) == slot["shows"]
                item = cohort.shop.items[slot["shows"]]
                topic, attraction, value = line[11:29].split()
                assert int(topic) == item["topic"]
                assert float(attraction) == pytest.approx(item["attraction"], abs=0.051)
                assert float(value) == pytest.approx(item["value"], abs=0.051)
                assert ("not seen" in line) == (not slot["seen"])
                assert ("skipped" in line) == bool(slot["skipped"])
                assert ("passed over" in line) == bool(slot["seen"] and not slot["played"])
                for act in ("liked", "saved", "shared", "hid"):
                    assert (act in line) == bool(slot[act])
                if slot["played"]:
                    minutes = re.search(r"(?:played|skipped) ([\d.]+) of ([\d.]+) min", line)
                    assert minutes
                    assert float(minutes[1]) == pytest.approx(slot["minutes"], abs=0.051)
                    assert float(minutes[2]) == pytest.approx(item["minutes"], abs=0.051)
            told |= set(re.findall("clicked|overlooked|not seen|skipped|passed|liked|saved", line))
    assert told == {"clicked", "overlooked", "not seen", "skipped", "passed", "liked", "saved"}


def test_text_tells_who_when_and_how_they_feel() -> None:
    cohort = lived(steps=8)
    ends = set()
    for lane in range(cohort.num_envs):
        user, out = cohort.users[lane], cohort.outcomes[lane]
        text = draw(cohort, lane, "ansi")
        head, step, sums = text.splitlines()[:3]
        assert head.startswith(f"user {user['user']}, day ")
        hour = (user["clock"] + user["phase"]) % 168.0
        day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[int(hour // 24)]
        assert f", {day} {int(hour % 24):02d}:{int(hour * 60 % 60):02d}; " in head
        assert ("listen now", "background", "explore", "look up")[user["intent"]] in head
        ended = bool(out["ended"])
        assert ("back after" in head) == ("left" in step) == ended
        assert ("the session goes on" in step) == (not ended)
        assert ("goal reached" in step) == bool(out["good_exit"])
        assert ("patience gone" in step) == bool(out["bad_exit"])
        assert sums.startswith(f"{out['minutes']:.1f} min, {out['plays']:.0f} play")
        assert (f"revenue {out['revenue']:.2f}" in sums) == bool(out["ads"])
        for name in ("satisfaction", "habit", "fatigue"):
            level = re.search(rf"{name} [█░]{{18}} (\S+)", text)
            assert level and float(level[1]) == pytest.approx(user[name], abs=0.0051)
        assert f"{user['ad_memory']:.1f} ads/h" in text
        ends.add(ended)
    assert ends == {True, False}


def test_nothing_was_shown_to_a_newcomer() -> None:
    cohort = lived(steps=0, num_envs=300)
    fresh = np.flatnonzero(cohort.users["session"] == 0)
    assert len(fresh)  # somebody's account was opened just before the study
    assert "nothing was shown yet" in draw(cohort, int(fresh[0]), "ansi")
    other = np.flatnonzero(cohort.users["session"] > 0)
    assert "the study begins; below, the fetch before" in draw(cohort, int(other[0]), "ansi")


def test_end_of_a_life_is_told() -> None:
    frozen = lived(horizon_days=2.0, autoreset_mode="DISABLED", decision="session", steps=40)
    assert frozen.over.all()
    gone = frozen.users["gone"] == 1
    texts = [draw(frozen, lane, "ansi") for lane in range(12)]
    for text, lost in zip(texts, gone, strict=True):
        assert ("churned, never to return" in text) == lost
        assert ("the study is over" in text) == (not lost)

    same = lived(horizon_days=2.0, decision="session", steps=0)
    while not (changed := same.users["user"] != same.outcomes["user"]).any():
        same.step(same.action_space.sample())
    lane = int(np.flatnonzero(changed)[0])
    text = draw(same, lane, "ansi")
    assert text.startswith(f"user {lane + (1 << 32)}, day")
    assert f"earlier here, user {lane}: " in text


def card_with(**facts: Any) -> Card:
    return Card(
        **({"fate": "played", "item": 5, "topic": 3, "length": 4.0, "minutes": 2.0} | facts)
    )


def picture_of(*cards: Card, moods: tuple[Mood, ...] = ()) -> np.ndarray:
    return as_picture(Scene("user 1", "now", ("then",), cards, moods))


def pixels(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=2).sum())


def test_play_bar_grows_with_minutes() -> None:
    colour = topic_colour(3)
    tile = pixels(picture_of(card_with(fate="passed")), colour)
    bars = [pixels(picture_of(card_with(minutes=m, length=6.0)), colour) - tile for m in (1, 2, 4)]
    assert bars == [480, 960, 1920]  # 30 pixels a minute, 16 high


def test_ads_and_unseen_positions_look_different() -> None:
    seen, passed = picture_of(card_with(fate="seen", item=-1)), picture_of(card_with(fate="passed"))
    assert (seen != passed).any(axis=2).mean() > 0.02
    unseen = picture_of(card_with(fate="unseen"))
    assert pixels(unseen, topic_colour(3)) == 0 < pixels(passed, topic_colour(3))
    # Dimmed is nearer to the paper everywhere.
    far = [np.abs(p.astype(int) - PAPER).sum() for p in (unseen, passed)]
    assert far[0] < far[1]
    shapes = [picture_of(card_with(acts=(act,))) for act in ("liked", "saved", "shared", "hid")]
    shapes.append(picture_of(card_with()))
    assert len({shape.tobytes() for shape in shapes}) == 5


def test_topics_have_colours_of_their_own() -> None:
    colours = np.array([topic_colour(k) for k in range(16)])
    apart = np.abs(colours[:, None] - colours[None]).sum(axis=2)[np.triu_indices(16, 1)]
    assert apart.min() > 40
    assert colours.min() >= 0 and colours.max() <= 255


def test_mood_bars() -> None:
    def bar(level: float, low: float, high: float, kind: int) -> np.ndarray:
        return picture_of(moods=(Mood("mood", level, low, high, kind, ""),))

    assert pixels(bar(0.5, 0, 1, 1), GOOD) == 168 * 10  # half of 336
    assert pixels(bar(5.0, 0, 1, -1), BAD) == 336 * 10  # cut at the end
    assert pixels(bar(-1.0, -2, 2, 1), BAD) == 84 * 10  # below zero, from the middle
    assert filled(Mood("", 1.0, -2.0, 2.0, 1, "")) == (0.5, 0.75)
    assert filled(Mood("", -2.0, -2.0, 2.0, 1, "")) == (0.0, 0.5)
    text = as_text(Scene("a", "b", (), (), (Mood("mood", 0.5, 0, 1, 1, "half"),) * 2))
    assert text.splitlines()[-1].count("█" * 9 + "░" * 9) == 2


def test_letters() -> None:
    # By eye: an upright with a foot is an L, and no two letters are alike.
    picture = np.zeros((8, 6, 3), np.uint8)
    write(picture, 0, 0, "L", (255, 255, 255), 1)
    rows = ["".join("#" if p else "." for p in row) for row in picture[:, :, 0]]
    assert rows == ["#.....", *["#....."] * 5, "#####.", "......"]
    assert len({column.tobytes() for column in COLUMNS}) == 95
    sure = np.zeros((8, 12, 3), np.uint8)
    write(sure, 0, 0, "a long text is cut at the edge", INK, 1)
    box(sure, 8, 2, 50, 50, INK)  # and so is a box


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_drawing_changes_nothing(mode: str) -> None:
    one, other = lived("slate"), lived("slate")
    for lane in range(12):
        draw(one, lane, mode)
    actions = one.action_space.sample()
    for mine, his in zip(one.step(actions)[1:4], other.step(actions)[1:4], strict=True):
        np.testing.assert_array_equal(mine, his)


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_render_of_envs(mode: str) -> None:
    cohort = lived(render_mode=mode)
    pictures = cohort.render()
    assert pictures is not None and len(pictures) == 12
    env = AdLoad(scenario="bench", render_mode=mode)
    env.reset(seed=7)
    env.step(layout_index((3, 7)))
    np.testing.assert_array_equal(env.render(), draw(env.cohort, 0, mode))
    assert AdLoad().render() is None  # without a render mode


def test_mistakes_are_told() -> None:
    with pytest.raises(gym.error.ResetNeeded, match=r"render\(\) came before reset\(\)"):
        Feed(render_mode="ansi").render()
    cohort = lived()
    with pytest.raises(IndexError, match=r"lane=12: this cohort has lanes 0\.\.11"):
        draw(cohort, 12, "ansi")
    with pytest.raises(ValueError, match="'human': wanted 'ansi' or 'rgb_array'"):
        draw(cohort, 0, "human")
