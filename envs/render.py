"""Pictures of a fetch: what was shown, what the user did with it, and how they feel.

`draw` gathers a `Scene` from a cohort once; `as_text` and `as_picture` are its two painters. Both
are for people: they show hidden moods and item values that no policy sees.
"""

import math
import textwrap
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from longplay.envs.state import INTENTS, TOPICS

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONGEST = 6.0  # [min] of play that fill a play bar
Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


class Card(NamedTuple):
    """One position of the fetch."""

    fate: str  # unseen, passed, skipped, played; for ads: unseen, overlooked, seen, clicked
    item: int = -1  # -1 for an ad
    topic: int = -1
    attraction: float = 0.0  # what draws the eye [1]
    value: float = 0.0  # how good it is once met [1]; hidden
    length: float = 0.0  # of the item [min]
    minutes: float = 0.0  # played [min]
    acts: tuple[str, ...] = ()  # of liked, saved, shared, hid
    revenue: float = 0.0  # [money]


class Mood(NamedTuple):
    """One bar: a level between two ends."""

    name: str
    level: float
    low: float
    high: float
    kind: int  # 1 good to have, -1 bad to have, 0 neither
    text: str  # the level with its unit


class Scene(NamedTuple):
    """Everything both painters need."""

    who: str
    when: str
    summary: tuple[str, ...]
    cards: tuple[Card, ...]
    moods: tuple[Mood, ...]


def draw(cohort: Any, lane: int, mode: str) -> Any:
    """The last fetch of one user, and the user now.

    Args:
        cohort: a longplay.envs.cohort.Cohort that was reset.
        lane: which of its users.
        mode: "ansi" or "rgb_array".

    Returns:
        text of at most 96 columns ("ansi"), or a picture, uint8 (height, width, 3) ("rgb_array").

    Raises:
        gymnasium.error.ResetNeeded: before the first reset.
        IndexError: if there is no such lane.
        ValueError: for another mode.
    """
    if mode not in ("ansi", "rgb_array"):
        raise ValueError(f"render_mode={mode!r}: wanted 'ansi' or 'rgb_array'.")
    if not 0 <= lane < cohort.num_envs:
        raise IndexError(f"lane={lane}: this cohort has lanes 0..{cohort.num_envs - 1}.")
    if cohort._lives[lane] < 0:
        raise gym.error.ResetNeeded("render() came before reset(): there is nobody to draw yet.")
    scene = look_at(cohort, lane)
    return as_text(scene) if mode == "ansi" else as_picture(scene)


# Gathering.


def look_at(cohort: Any, lane: int) -> Scene:
    """The scene of one lane."""
    user, out = cohort.users[lane], cohort.outcomes[lane]
    newcomer = user["session"] == 0 and user["fetch"] == 0  # nothing was shown to them yet
    before = out["user"] != user["user"]  # the fetch is of the life that ended in this lane
    cards = () if newcomer and not before else read_cards(cohort, lane)
    return Scene(
        who=f"user {user['user']}",
        when=tell_now(user, cohort.horizon_days),
        summary=tell_step(user, out, before, bool(cards)),
        cards=cards,
        moods=read_moods(cohort.world, user),
    )


def moment(user: Any, clock: float) -> str:
    """Weekday and time of day, such as 'Tue 18:34'."""
    minutes = int((clock + user["phase"]) * 60.0) % (168 * 60)
    return f"{WEEKDAYS[minutes // 1440]} {minutes // 60 % 24:02d}:{minutes % 60:02d}"


def tell_now(user: Any, days: float) -> str:
    """Where the user stands: day of the study, time, intent, how long they were away."""
    if user["over"]:
        return "churned, never to return" if user["gone"] else "the study is over"
    intent = INTENTS[user["intent"]].replace("_", " ")
    here = f"back after {hours(user['away'])}" if user["fetch"] == 0 else "still here"
    day = f"day {math.floor(user['clock'] / 24.0) + 1} of {days:g}"
    place = f"session {user['session'] + 1}, fetch {user['fetch'] + 1}"
    return f"{day}, {moment(user, user['clock'])}; {place}: {intent}, {here}"


def hours(h: float) -> str:
    """A time away in words: minutes, hours or days."""
    if h < 1.0:
        return f"{60.0 * h:.0f} min"
    return f"{h:.1f} h" if h < 48.0 else f"{h / 24.0:.1f} days"


def tell_step(user: Any, out: Any, before: bool, shown: bool) -> tuple[str, ...]:
    """What the last step led to: how it ended, and its sums."""
    if not shown:
        return ("the first visit: nothing was shown yet",)
    if out["fetches"] == 0.0:
        if before:
            return (f"a new person; below, the last fetch of user {out['user']}",)
        rest = "the life is over" if user["over"] else "the study begins"
        return (f"{rest}; below, the fetch before",)
    whose = f"earlier here, user {out['user']}: " if before else "the last step: "
    over = bool(user["over"]) and not before
    counts = [
        f"{out['minutes']:.1f} min",
        number(out["plays"], "play"),
        number(out["skips"], "skip"),
        number(out["likes"], "like"),
    ]
    if out["ads"]:
        counts.append(f"{out['ad_views']:.0f} of {number(out['ads'], 'ad')} seen")
        counts.append(f"revenue {out['revenue']:.2f}")
    if out["duplicates"]:
        counts.append(f"{number(out['duplicates'], 'duplicate')} replaced")
    span = "one fetch" if out["fetches"] == 1.0 else f"{out['fetches']:.0f} fetches, the last below"
    return f"{whose}{span}; {tell_end(out, over)}", ", ".join(counts)


def number(count: float, word: str) -> str:
    """A count with its word, such as '2 plays'."""
    return f"{count:.0f} {word}" if count == 1.0 else f"{count:.0f} {word}s"


def tell_end(out: Any, over: bool) -> str:
    """How the step ended, and what followed."""
    if not out["ended"]:
        return "the session goes on"
    how = "left well, goal reached" if out["good_exit"] else "left"
    how = "left badly, patience gone" if out["bad_exit"] else how
    if math.isinf(out["away"]):
        return f"{how}; will never return"
    tail = ", after the study's end" if over else ""
    return f"{how}; back after {hours(out['away'])}{tail}"


def read_cards(cohort: Any, lane: int) -> tuple[Card, ...]:
    """The positions of the last fetch."""
    slots = cohort.slots[lane]
    reached = int(np.flatnonzero(slots["seen"]).max(initial=-1))
    return tuple(
        read_ad(cohort.world.ads, slot, position < reached)
        if slot["shows"] < 0
        else read_item(cohort.shop.items[slot["shows"]], slot)
        for position, slot in enumerate(slots)
    )


def read_ad(ads: Any, slot: Any, passed: bool) -> Card:
    """An ad; ``passed`` if the user looked further down."""
    seen, clicked = bool(slot["seen"]), bool(slot["played"])
    missed = "overlooked" if passed else "unseen"
    fate = "clicked" if clicked else "seen" if seen else missed
    return Card(fate, revenue=ads.price_view * seen + ads.price_click * clicked)


def read_item(item: Any, slot: Any) -> Card:
    """An item, and what the user did with it."""
    fate = "skipped" if slot["skipped"] else "played" if slot["played"] else "passed"
    return Card(
        fate=fate if slot["seen"] else "unseen",
        item=int(slot["shows"]),
        topic=int(item["topic"]),
        attraction=float(item["attraction"]),
        value=float(item["value"]),
        length=float(item["minutes"]),
        minutes=float(slot["minutes"]),
        acts=tuple(act for act in ("liked", "saved", "shared", "hid") if slot[act]),
    )


def read_moods(world: Any, user: Any) -> tuple[Mood, ...]:
    """The user's moods now."""
    titles = world.intent.titles[user["intent"]]
    wanted = max(float(user["goal_wanted"]), 1e-9)

    def mood(name: str, level: float, low: float, high: float, kind: int, text: str = "") -> Mood:
        return Mood(name, float(level), low, high, kind, text or f"{level:.2f}")

    return (
        mood("satisfaction", user["satisfaction"], 0.0, 1.0, 1),
        mood("habit", user["habit"], 0.0, 1.0, 1),
        mood("enjoyment", user["enjoyment"], -2.0, 2.0, 1, f"{user['enjoyment']:+.2f}"),
        mood("goal", user["goal"] / wanted, 0.0, 1.0, 1, f"{user['goal']:.1f} of {wanted:.1f}"),
        mood("patience", user["patience"], 0.0, titles, 1, f"{user['patience']:.0f} titles"),
        mood("fatigue", user["fatigue"], 0.0, 2.0, -1),
        mood("satiation", user["satiation"].mean(), 0.0, 0.5, -1),
        mood("ad memory", user["ad_memory"], 0.0, 12.0, -1, f"{user['ad_memory']:.1f} ads/h"),
    )


def filled(mood: Mood) -> tuple[float, float]:
    """Where a mood's bar begins and ends, in 0..1; from the middle if it has two signs."""
    at = min(1.0, max(0.0, (mood.level - mood.low) / (mood.high - mood.low)))
    zero = -mood.low / (mood.high - mood.low)
    return min(at, zero), max(at, zero)


# Text.


def as_text(scene: Scene) -> str:
    """The scene in at most 96 columns."""
    lines = [f"{scene.who}, {scene.when}", *scene.summary]
    if scene.cards:
        lines += ["", "  #    item topic  draw value  what happened"]
    lines += [text_of(position, card) for position, card in enumerate(scene.cards, 1)]
    lines.append("")
    half = (len(scene.moods) + 1) // 2
    for left, right in zip(scene.moods[:half], scene.moods[half:], strict=True):
        lines.append(f"{bar_of(left)}   {bar_of(right)}".rstrip())
    return "\n".join(line[:96] for line in lines) + "\n"


def text_of(position: int, card: Card) -> str:
    """One position as a line."""
    if card.item < 0:
        note = {"clicked": "seen and clicked", "unseen": "not seen"}.get(card.fate, card.fate)
        paid = f", revenue {card.revenue:.2f}" if card.revenue else ""
        return f"{position:3d}  -- ad {'-' * 20}  {note}{paid}"
    draw, value = (f"{round(x, 1) + 0.0:+5.1f}" for x in (card.attraction, card.value))
    what = f"{position:3d} {card.item:7d} {card.topic:5d} {draw} {value}"
    if card.fate == "unseen":
        return f"{what}  not seen"
    if card.fate == "passed":
        return f"{what}  passed over"
    bar = blocks(min(1.0, card.minutes / LONGEST), 20, min(1.0, card.length / LONGEST))
    acts = "".join(f", {act}" for act in card.acts)
    return f"{what}  {bar} {card.fate} {card.minutes:.1f} of {card.length:.1f} min{acts}"


def blocks(share: float, width: int, of: float = 1.0) -> str:
    """A bar of text: full to ``share``, light to ``of``, then blank."""
    full, light = round(share * width), max(1, round(of * width))
    return ("█" * full).ljust(light, "░").ljust(width)


def bar_of(mood: Mood) -> str:
    """One mood as text, 46 columns."""
    low, high = filled(mood)
    width = 18
    start, end = round(low * width), round(high * width)
    bar = ("░" * start + "█" * (end - start)).ljust(width, "░")
    return f"{mood.name:>12} {bar} {mood.text:<14}"


# Pictures. Sizes are in pixels; text is a 5 x 7 bitmap font, enlarged.

PAPER, INK, GREY, FAINT = (247, 247, 244), (33, 37, 46), (116, 122, 134), (224, 226, 226)
WHITE, GOOD, BAD, AMBER = (255, 255, 255), (52, 148, 110), (206, 92, 72), (214, 140, 16)
AD_PAPER, AD_STRIPE = (255, 243, 209), (252, 233, 182)
WIDTH, MARGIN, ROW, CARD, FEED, SIDE = 1040, 24, 38, 32, 632, 336

# The printable ASCII characters from the space on, five columns each as hexadecimal bytes, the
# lowest bit on top: the familiar font of LCD modules.
FONT = """
0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649562050 0008070300
001c224100 0041221c00 2a1c7f1c2a 08083e0808 0080703000 0808080808 0060600000 2010080402
3e5149453e 00427f4000 4261514946 2141454b31 1814127f10 2745454539 3c4a494930 0171090503
3649494936 064949291e 0036360000 0056360000 0814224100 1414141414 0041221408 0201510906
324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090901 3e4149497a
7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f020c027f 7f0408107f 3e4141413e
7f09090906 3e4151215e 7f09192946 4649494931 01017f0101 3f4040403f 1f2040201f 3f4038403f
6314081463 0708700807 6151494543 007f414100 0204081020 0041417f00 0402010204 4040404040
0001020400 2054547840 7f48444438 3844444420 384444487f 3854545418 087e090102 18a4a4a47c
7f08040478 00447d4000 4080847d00 7f10284400 00417f4000 7c04180478 7c08040478 3844444438
fc24242418 18242418fc 7c08040408 4854545420 043f444020 3c4040207c 1c2040201c 3c4030403c
4428102844 1ca0a0a07c 4464544c44 0008364100 0000770000 0041360800 1008081008
"""
KEY = "draw: how it pulls the eye; value: how good it proves (no policy sees it)"
COLUMNS = np.frombuffer(bytes.fromhex(FONT), np.uint8).reshape(-1, 5)  # (95, 5)
ICONS = {  # columns, as in the font, but seven
    "liked": "0e1f3e7c3e1f0e",  # a heart
    "saved": "007f3f1f3f7f00",  # a bookmark
    "shared": "080808082a1c08",  # an arrow
    "hid": "41221408142241",  # a cross
}
INKS = {"liked": BAD, "saved": (60, 110, 180), "shared": GOOD, "hid": INK}


def topic_colour(topic: int) -> Colour:
    """One of sixteen hues; neighbours differ."""
    turn = 2.0 * math.pi * (topic * 7 % TOPICS) / TOPICS
    light = 142 - 44 * (topic % 2)
    red, green, blue = (int(light + 80 * math.cos(turn - math.pi * k / 1.5)) for k in range(3))
    return red, green, blue


def as_picture(scene: Scene) -> Pixels:
    """The scene as uint8 (height, width, 3)."""
    lines = [line for text in (scene.when, *scene.summary) for line in textwrap.wrap(text, 82)]
    top = 64 + 22 * len(lines) + 20
    rows = max(ROW * len(scene.cards), 44 * len(scene.moods))
    picture = np.empty((top + 30 + rows + 2 * MARGIN, WIDTH, 3), np.uint8)
    picture[:] = PAPER
    write(picture, MARGIN, MARGIN, scene.who, INK, 4)
    for k, line in enumerate(lines):
        write(picture, MARGIN, 66 + 22 * k, line, INK if k == 0 else GREY)
    x = MARGIN + 36
    for name, at in (
        ("topic", 0),
        ("item", 70),
        ("draw", 156),
        ("value", 222),
        ("minutes played", 300),
    ):
        if scene.cards:
            write(picture, x + at, top, name, GREY)
    if scene.cards:
        write(picture, x, len(picture) - 34, KEY, GREY)
    for position, card in enumerate(scene.cards):
        paint_card(picture, top + 30 + ROW * position, position + 1, card)
    left = WIDTH - MARGIN - SIDE
    write(picture, left, top, "moods now", GREY)
    for k, mood in enumerate(scene.moods):
        paint_mood(picture, left, top + 30 + 44 * k, mood)
    return picture


def paint_card(picture: Pixels, y: int, position: int, card: Card) -> None:
    """One position: number, topic, item, draw and value, play length, what the user did."""
    x = MARGIN + 36
    write(picture, x - 12 * len(str(position)) - 8, y + 9, str(position), GREY)
    box(picture, x, y, FEED - 36, CARD, FAINT)
    box(picture, x + 1, y + 1, FEED - 38, CARD - 2, WHITE if card.item >= 0 else AD_PAPER)
    if card.item < 0:
        paint_ad(picture, x, y, card)
    else:
        paint_item(picture, x, y, card)
    if card.fate in ("unseen", "overlooked"):
        row = picture[y : y + CARD, x : x + FEED - 36]
        row[:] = 0.3 * row + 0.7 * np.array(PAPER)


def paint_ad(picture: Pixels, x: int, y: int, card: Card) -> None:
    """An ad: striped, with what came of it."""
    inner = picture[y + 1 : y + CARD - 1, x + 1 : x + FEED - 37]
    down, right = np.indices(inner.shape[:2])
    inner[(down + right) % 24 < 10] = AD_STRIPE
    box(picture, x, y, 56, CARD, AMBER)
    write(picture, x + 16, y + 9, "AD", WHITE)
    note = {"unseen": "not seen", "seen": "seen", "clicked": "seen and clicked"}
    write(picture, x + 70, y + 9, note.get(card.fate, card.fate), INK)
    if card.revenue:
        text = f"+{card.revenue:.2f}"
        write(picture, x + FEED - 46 - 12 * len(text), y + 9, text, AMBER)


def paint_item(picture: Pixels, x: int, y: int, card: Card) -> None:
    """An item: its topic, number, scores, how long it was played, and the acts."""
    colour = topic_colour(card.topic)
    box(picture, x, y, 56, CARD, colour)
    write(picture, x + 28 - 6 * len(str(card.topic)), y + 9, str(card.topic), WHITE)
    write(picture, x + 70, y + 9, str(card.item), INK)
    for at, score in ((156, card.attraction), (222, card.value)):
        box(picture, x + at, y + 12, 56, 8, FAINT)
        size = round(28 * min(1.0, abs(score) / 3.0))
        ink = GOOD if score > 0 else BAD
        box(picture, x + at + 28 - (size if score < 0 else 0), y + 12, size, 8, ink)
        box(picture, x + at + 27, y + 9, 2, 14, GREY)
    if card.fate == "passed":
        write(picture, x + 300, y + 9, "passed over", GREY)
    if card.fate not in ("played", "skipped"):
        return
    unit = 180 / LONGEST
    size = max(4, round(unit * min(LONGEST, card.minutes)))
    if card.fate == "skipped":
        write(picture, x + 308 + size, y + 9, "skipped", BAD)
    else:
        box(picture, x + 300, y + 8, round(unit * min(LONGEST, card.length)), 16, FAINT)
    box(picture, x + 300, y + 8, size, 16, BAD if card.fate == "skipped" else colour)
    text = f"{card.minutes:.1f}"
    write(picture, x + 524 - 12 * len(text), y + 9, text, INK)
    for k, act in enumerate(card.acts):
        bits = np.frombuffer(bytes.fromhex(ICONS[act]), np.uint8)
        stamp(picture, x + 534 + 18 * k, y + 9, bits, INKS[act], 2)


def paint_mood(picture: Pixels, x: int, y: int, mood: Mood) -> None:
    """A labelled bar, green if the mood is good to have, red if not."""
    write(picture, x, y, mood.name, INK)
    write(picture, x + SIDE - 12 * len(mood.text) + 2, y, mood.text, GREY)
    box(picture, x, y + 20, SIDE, 10, FAINT)
    start, end = (round(SIDE * share) for share in filled(mood))
    ink = BAD if mood.kind < 0 or mood.level < 0.0 else GOOD
    box(picture, x + start, y + 20, max(2, end - start), 10, ink)


def box(picture: Pixels, x: int, y: int, width: int, height: int, colour: Colour) -> None:
    """A filled rectangle."""
    picture[y : y + height, x : x + width] = colour


def write(picture: Pixels, x: int, y: int, text: str, colour: Colour, size: int = 2) -> None:
    """ASCII text with its upper left corner at (x, y), cut at the picture's edge."""
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8) - 32
    columns = np.zeros((len(codes), 6), np.uint8)
    columns[:, :5] = COLUMNS[codes]
    stamp(picture, x, y, columns.ravel(), colour, size)


def stamp(picture: Pixels, x: int, y: int, columns: Pixels, colour: Colour, size: int) -> None:
    """Columns of eight bits, the lowest on top, each bit a square of ``size`` pixels."""
    bits = np.unpackbits(columns[None, :], axis=0, bitorder="little")  # (8, n)
    mask = bits.repeat(size, axis=0).repeat(size, axis=1).astype(bool)
    place = picture[y : y + mask.shape[0], x : x + mask.shape[1]]
    place[mask[: place.shape[0], : place.shape[1]]] = colour
