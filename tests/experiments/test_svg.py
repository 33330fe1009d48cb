"""The canvas: scales, ticks and labels."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.experiments.report.svg import Canvas, Scale, nice_ticks, spread, tick_texts


def test_ticks_are_round_numbers():
    assert nice_ticks(0.0, 1.0, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert nice_ticks(-3.0, 7.0, 4) == [0.0, 5.0]
    assert nice_ticks(0.73, 0.79, 3) == [0.74, 0.76, 0.78]
    assert nice_ticks(2.0, 2.0, 5) == [2.0]


def test_ticks_are_written_with_the_digits_that_tell_them_apart():
    assert tick_texts([0.0, 0.05, 0.1]) == ["0.00", "0.05", "0.10"]
    assert tick_texts([-5.0, 0.0, 5.0]) == ["−5", "0", "5"]
    assert tick_texts([0.0, 200_000.0, 400_000.0]) == ["0", "200k", "400k"]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(1, 10))
def test_ticks_lie_within_and_keep_their_distance(low, width, about):
    ticks = nice_ticks(low, low + width, about)
    assert all(low - 1e-6 * width <= t <= low + width * (1 + 1e-6) for t in ticks)
    assert len(ticks) <= about + 1
    gaps = [b - a for a, b in pairwise(ticks)]
    assert not gaps or max(gaps) == pytest.approx(min(gaps), rel=1e-3)


@given(st.lists(st.floats(0.0, 300.0), min_size=1, max_size=15))
def test_labels_are_pushed_apart_in_order(wanted):
    placed = spread(wanted, 14.0, 0.0, 400.0)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    for i, j in pairwise(order):
        assert placed[j] - placed[i] >= 14.0 - 1e-6
    assert min(placed) >= -1e-9 and max(placed) <= 400.0 + 1e-9


def test_labels_with_room_stay_where_they_are():
    assert spread([10.0, 50.0, 90.0], 14.0, 0.0, 100.0) == [10.0, 50.0, 90.0]


def test_a_scale_maps_its_ends_to_its_pixels():
    scale = Scale(2.0, 4.0, 100.0, 300.0)
    assert (scale(2.0), scale(3.0), scale(4.0)) == (100.0, 200.0, 300.0)
    around = Scale.around([1.0, 3.0], 0.0, 100.0, 0.1)
    assert (around.low, around.high) == pytest.approx((0.8, 3.2))
    assert Scale.around([5.0, 5.0], 0.0, 100.0)(5.0) == pytest.approx(50.0)


def test_every_kind_has_a_shape_of_its_own_and_text_is_escaped():
    canvas = Canvas(100.0, 50.0)
    for kind in ("learner", "bandit", "fixed", "reference"):
        canvas.marker((10.0, 10.0), kind, "dot", title="a < b & c")
    assert len(set(canvas.parts)) == 4
    canvas.text((1.0, 2.0), '<i>"&')
    root = ET.fromstring(canvas.render("wide", 'says "<>"'))
    assert root.get("aria-label") == 'says "<>"'
    assert [t.text for t in root.iter("title")] == ["a < b & c"] * 4
    assert root.find("text").text == '<i>"&'
