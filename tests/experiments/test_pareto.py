"""Fronts: who is on them, what a set is worth, and exchange rates with honest intervals."""

import itertools
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from longplay.experiments.paired import Panel
from longplay.experiments.pareto import (
    exchange_rate,
    expected_utility,
    front_of,
    hypervolume,
    judged,
    nondominated,
    on_the_hull,
    paired,
    simplex,
)
from longplay.experiments.pareto import page as pareto_page
from longplay.experiments.pareto.page import page, picture
from longplay.experiments.stats import Bootstrap
from longplay.rewards.scalarise import GGI, CVaR, Lexicographic, Linear

pytestmark = pytest.mark.extras  # intervals need SciPy

NUMBERS = st.integers(-20, 40).map(lambda i: i / 4)  # products and sums of them are exact


def points(d, most=6):
    return st.integers(1, most).flatmap(lambda k: arrays(np.float64, (k, d), elements=NUMBERS))


# --- who is on a front -----------------------------------------------------------------------

CONCAVE = [[0.0, 1.0], [0.4, 0.4], [1.0, 0.0], [0.3, 0.3]]


def test_front_and_hull_worked_example():
    # By hand: (.3, .3) is dominated by (.4, .4), which lies below the chord of the two ends.
    assert nondominated(CONCAVE).tolist() == [True, True, True, False]
    assert on_the_hull(CONCAVE).tolist() == [True, False, True, False]
    assert on_the_hull([[0, 1], [0.6, 0.6], [1, 0]]).all()
    assert nondominated([[1.0, 2.0], [1.0, 2.0], [1.0, 1.0]]).tolist() == [True, True, False]


@given(points(3))
def test_nondominated_is_what_no_other_beats(x):
    wanted = [not any((y >= p).all() and (y > p).any() for y in x) for p in x]
    assert nondominated(x).tolist() == wanted
    assert nondominated(np.stack([x, -x]))[0].tolist() == wanted


@given(points(2))
def test_the_hull_is_what_linear_weights_reach(x):
    """Against a search: the best for one of the weights at which the choice can change."""
    slopes = {
        Linear((abs(a[1] - b[1]), abs(a[0] - b[0])))
        for a, b in itertools.combinations(x.tolist(), 2)
        if a != b
    }
    reached = np.zeros(len(x), bool)
    for rule in slopes | {Linear((1.0, 1.0))}:
        reached |= rule(x) == rule(x).max()
    ends = (x[:, 0] == x[:, 0].max()) | (x[:, 1] == x[:, 1].max())
    assert np.array_equal(on_the_hull(x), (reached | ends) & nondominated(x))


# --- what a set is worth ---------------------------------------------------------------------


def test_hypervolume_worked_examples():
    # By hand: 3 * 1 + 2 * (2 - 1) + 1 * (3 - 2) = 6.
    assert hypervolume([[1, 3], [2, 2], [3, 1]], (0, 0)) == 6.0
    # Two boxes 2 * 1 * 1 and 1 * 2 * 2, which share 1 * 1 * 1: 2 + 4 - 1.
    assert hypervolume([[2, 1, 1], [1, 2, 2]], (0, 0, 0)) == 5.0
    assert hypervolume([[1.0, 3.0]], (2.0, 0.0)) == 0.0  # worse than the reference


def unions(x, reference):
    """The same volume by inclusion and exclusion over all subsets of boxes."""
    sides = np.maximum(x - np.asarray(reference), 0.0)
    return sum(
        (-1) ** (size + 1) * sides[list(some)].min(axis=0).prod()
        for size in range(1, len(x) + 1)
        for some in itertools.combinations(range(len(x)), size)
    )


@pytest.mark.parametrize("d", [2, 3])
@given(data=st.data())
def test_hypervolume_is_the_volume_of_the_union(d, data):
    x = data.draw(points(d))
    reference = data.draw(arrays(np.float64, d, elements=NUMBERS))
    found = hypervolume(x, reference)
    assert found == pytest.approx(unions(x, reference), abs=1e-9)
    assert found == pytest.approx(hypervolume(x[nondominated(x)], reference), abs=1e-9)
    more = np.concatenate([x, x[:1] + 0.25])
    assert hypervolume(more, reference) >= found
    assert np.array_equal(hypervolume(np.stack([x, -x]), reference)[0], found)


def test_expected_utility_has_a_closed_form():
    # E max(w, 1 - w) = 3/4 over w uniform; centred and of even number, the lattice hits it.
    utilities = [Linear(tuple(w)) for w in simplex(2, 99)]
    assert expected_utility([[1.0, 0.0], [0.0, 1.0]], utilities) == pytest.approx(0.75)
    assert expected_utility([[0.6, 0.6]], utilities) == pytest.approx(0.6)
    # Of three unit vectors: the mean of the largest of three uniform shares, (1 + 1/2 + 1/3) / 3.
    # The lattice's error falls with 1 / (steps + 1), so half the steps show how large it is.
    coarse, fine = (
        expected_utility(np.eye(3), [Linear(tuple(w)) for w in simplex(3, steps)])
        for steps in (29, 59)
    )
    assert coarse - fine < 0.005
    assert 2 * fine - coarse == pytest.approx(11 / 18, abs=1e-3)


@given(st.integers(1, 4), st.integers(0, 6))
def test_the_lattice_lies_evenly_in_the_simplex(d, steps):
    weights = simplex(d, steps)
    assert (
        len(weights) == len(np.unique(weights.round(9), axis=0)) == math.comb(steps + d - 1, d - 1)
    )
    assert weights.sum(axis=1) == pytest.approx(1.0)
    assert (weights > 0).all()
    assert weights.mean(axis=0) == pytest.approx(1 / d)


# --- exchange rates --------------------------------------------------------------------------


def panel_of(means, seeds=1, users=200, sd=1.0, seed=0, names=None):
    """A study whose policies differ by noise of their own; means (k, d)."""
    rng = np.random.default_rng(seed)
    means = np.asarray(means, float)
    noise = rng.normal(0.0, sd, (*means.shape, seeds, users))
    noise -= noise.mean(axis=(2, 3), keepdims=True)  # so that the means are exact
    values = means[:, :, None, None] + noise
    names = names or [f"p{i}" for i in range(len(means))]
    columns = {part: values[:, i] for i, part in enumerate("abc"[: means.shape[1]])}
    return Panel(tuple(names), tuple(range(seeds)), columns)


def test_exchange_rates_worked_example():
    # By hand: from (0, 10) to (2, 9), 2 are gained for 1; then 1 for 2; (1, 1) is dominated.
    panel = panel_of([[3, 7], [0, 10], [2, 9], [1, 1]], sd=0.1, names=["c", "a", "b", "d"])
    front = front_of(panel, ("a", "b"))
    assert [(x.start, x.end) for x in front.exchanges] == [("a", "b"), ("b", "c")]
    assert [x.rate.mean for x in front.exchanges] == pytest.approx([2.0, 0.5])
    for exchange in front.exchanges:
        assert exchange.rate.low < exchange.rate.mean < exchange.rate.high
    assert [m.front for m in front.members] == [True, True, True, False]
    assert [m.linear for m in front.members] == [True, True, True, False]
    assert [m.share for m in front.members] == [1.0, 1.0, 1.0, 0.0]
    # 3 * 7 + 2 * (9 - 7) + 0 * (10 - 9)
    assert front.volume.mean == pytest.approx(25.0)
    assert front.volume.low < 25.0 < front.volume.high


def test_along_the_hull_rates_fall_and_tell_what_a_price_chooses():
    means = [[0, 10], [1, 8.5], [2, 9], [4, 8], [4.5, 5], [5, 6.5]]
    front = front_of(panel_of(means, sd=0.1), ("a", "b"))
    # By hand: p1 and p4 are dominated; (2, 9) and (4, 8) lie on the chords' upper side.
    assert [(x.start, x.end) for x in front.prices] == [("p0", "p2"), ("p2", "p3"), ("p3", "p5")]
    rates = [x.rate.mean for x in front.prices]
    assert rates == pytest.approx([2.0, 2.0, 1 / 1.5])
    for price, wanted in ((2.1, 0), (1.9, 3), (0.7, 3), (0.6, 5)):
        values = Linear((1.0, price))(np.array(means))
        assert values.argmax() == wanted


def test_a_rate_does_not_hang_on_the_units():
    panel = panel_of([[0, 10], [2, 9]], sd=2.0)
    scaled = Panel(panel.agents, panel.seeds, {"a": 1e6 * panel["a"], "b": 1e-3 * panel["b"]})
    (one,), (other,) = (front_of(p, ("a", "b")).exchanges for p in (panel, scaled))
    for end in ("low", "mean", "high"):
        assert getattr(other.rate, end) == pytest.approx(1e9 * getattr(one.rate, end), rel=1e-6)


@pytest.mark.parametrize("loss", [0.8, 0.25])
def test_intervals_of_a_rate_cover_it(loss):
    """300 studies of one seed: 95 % hold the true rate, of a clear loss and of an unclear one.

    Fieller's exact set for normal numbers is the independent judge: it holds the true rate in the
    same studies, and has no upper end in the same ones, those whose loss may be 0.
    """
    rng, held, endless, agreed = np.random.default_rng(1), 0, 0, 0
    for _ in range(300):
        gains = rng.normal(1.0, 3.0, 100)
        losses = rng.normal(loss, 2.0, 100)
        values = np.array([np.zeros(100), losses, gains, np.zeros(100)])[:, None, :]
        boot = Bootstrap(1, 100, rng, draws=400)
        draws = boot.means(values)
        if not (gains.mean() > 0 and losses.mean() > 0):
            low, high = -math.inf, math.inf
        else:
            rate = exchange_rate(boot, draws, 0, 1)
            low, high = rate.low, rate.high
        held += low <= 1.0 / loss <= high
        agreed += near_zero(gains - losses / loss) == (low <= 1.0 / loss <= high)
        endless += near_zero(losses) == math.isinf(high)
    assert 0.92 <= held / 300 <= 0.985
    assert agreed >= 290
    assert endless >= 290


def near_zero(values):
    """Whether the t interval of a mean of 100 holds 0."""
    return abs(values.mean()) <= 1.984 * values.std(ddof=1) / math.sqrt(len(values))  # t(99)


def test_three_parts_have_a_front_and_a_volume_but_no_exchange():
    panel = panel_of([[2, 1, 1], [1, 2, 2], [1, 1, 1]], seeds=3, users=50, sd=0.1)
    front = front_of(panel, ("a", "b", "c"))
    assert front.exchanges == ()
    assert [m.front for m in front.members] == [True, True, False]
    assert front.volume.mean == pytest.approx(5.0)
    assert front.volume.covers == "users and seeds"
    assert "Hypervolume above (0, 0, 0): 5 [" in page(front)
    with pytest.raises(ValueError, match="cannot be drawn"):
        picture(front)


def test_equal_policies_stand_on_the_front_once():
    panel = panel_of([[0, 10], [0, 10], [2, 9]], sd=0.0)
    assert [(x.start, x.end) for x in front_of(panel, ("a", "b")).exchanges] == [("p0", "p2")]


def test_a_front_of_one_policy_has_no_exchange():
    front = front_of(panel_of([[1, 1], [2, 2]], sd=0.1), ("a", "b"))
    assert front.exchanges == ()
    assert picture(front).startswith("<svg")


# --- judged by a scalariser ------------------------------------------------------------------


def test_policies_are_judged_over_the_users_whom_a_scalariser_means():
    half = np.repeat([[1.0, 0.0], [0.0, 1.0]], 100, axis=0)  # who gets one, or the other
    both = np.full((200, 2), 0.4)
    values = np.array([half, both])  # (policies, users, d)
    columns = {"a": values[:, None, :, 0], "b": values[:, None, :, 1]}
    panel = Panel(("mixed", "third"), (0,), columns)
    found = {
        rule: judged(panel, ("a", "b"), rule)
        for rule in (
            Linear((1.0, 1.0)),
            GGI((1.0, 0.5)),
            GGI((1.0, 0.5), criterion="esr"),
            CVaR(0.1, (2.0, 1.0)),
        )
    }
    assert [[x.mean for x in by.values()] for by in found.values()] == [
        pytest.approx([1.0, 0.8]),
        pytest.approx([0.75, 0.6]),  # of the mean vector
        pytest.approx([0.5, 0.6]),  # of every user's own
        pytest.approx([1.0, 1.2]),  # the worst tenth have (0, 1)
    ]
    for by in found.values():
        assert all(x.low <= x.mean + 1e-12 and x.mean <= x.high + 1e-12 for x in by.values())
    with pytest.raises(TypeError, match="`best` policy"):
        judged(panel, ("a", "b"), Lexicographic((0.1,)))
    with pytest.raises(ValueError, match="judges 1 parts, 2 came"):
        judged(panel, ("a", "b"), Linear((1.0,)))


def test_intervals_of_cvar_cover_it():
    """150 studies: 95 % hold the CVaR of a normal, -pdf(quantile) / share."""
    from scipy.stats import norm

    true, rng, held = -norm.pdf(norm.ppf(0.2)) / 0.2, np.random.default_rng(2), 0
    for _ in range(150):
        panel = Panel(("one",), (0,), {"a": rng.normal(size=(1, 1, 300))})
        found = judged(panel, ("a",), CVaR(0.2), seed=int(rng.integers(2**31)))["one"]
        held += found.low <= true <= found.high
    assert 0.90 <= held / 150 <= 0.99


# --- from evaluations, told, refused ---------------------------------------------------------


def records(users, revenue):
    rows = np.zeros(len(users), [("user", "u8"), ("revenue", "f8"), ("satisfied_days", "f8")])
    rows["user"], rows["revenue"] = users, revenue
    return rows


def test_evaluations_become_a_panel_only_of_the_same_people():
    lives = {"x": [records([1, 2], 3.0)] * 2, "y": [records([1, 2], 4.0)] * 2}
    panel = paired(lives)
    assert panel["revenue"].tolist() == [[[3.0] * 2] * 2, [[4.0] * 2] * 2]
    assert (panel.agents, panel.seeds, panel.users) == (("x", "y"), (0, 1), 2)
    for wrong, says in (
        ({}, "no evaluations"),
        ({"x": []}, "no evaluations"),
        ({"x": lives["x"], "y": [records([1, 3], 4.0)] * 2}, "'y' met other users"),
        ({"x": [records([1, 2], 3.0), records([1], 3.0)]}, "different numbers"),
    ):
        with pytest.raises(ValueError, match=says):
            paired(wrong)


def test_the_picture_shows_policies_and_rates():
    front = front_of(panel_of([[0, 10], [2, 9], [1, 1]], sd=0.1), ("a", "b"))
    drawn = picture(front, ["money", "days"])
    assert f"1: p0 to p1: 2 [{front.prices[0].rate.low:.2g}, " in drawn
    assert drawn.count("<circle") == 5  # two on the front, one dominated, two in the legend
    assert "money" in drawn


def test_the_command_prints_the_front_of_a_run(tmp_path, monkeypatch, capsys):
    pl = pytest.importorskip("polars")
    panel = panel_of([[0, 10], [2, 9], [1, 1]], seeds=2, users=20, sd=0.1)
    cells = list(itertools.product(range(3), range(2), range(20)))
    table = {
        "agent": [panel.agents[i] for i, _, _ in cells],
        "seed": [s for _, s, _ in cells],
        "user": [u for _, _, u in cells],
        "revenue": [panel["a"][c] for c in cells],
        "satisfied_days": [panel["b"][c] for c in cells],
    }
    pl.DataFrame(table).write_parquet(tmp_path / "metrics.parquet")
    command = ["pareto", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*command, "--figure", str(tmp_path / "front.svg")])
    assert pareto_page.main() == 0
    assert capsys.readouterr().out.count("| p0 | p1 | 2 [") == 2  # along the front and the hull
    assert (tmp_path / "front.svg").read_text().startswith("<svg")
    monkeypatch.setattr(sys, "argv", [*command, "--parts", "revenue", "joy"])
    assert pareto_page.main() == 2
    assert "no column 'joy'" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["pareto", str(tmp_path / "none")])
    assert pareto_page.main() == 2
    assert "name a finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: nondominated([1.0, 2.0]), "wanted"),
        (lambda: nondominated(np.zeros((0, 2))), "at least one"),
        (lambda: nondominated([[math.nan, 1.0]]), "nan"),
        (lambda: on_the_hull(np.zeros((2, 3))), "two parts"),
        (lambda: hypervolume(np.zeros((2, 4)), (0,) * 4), "d 2 or 3"),
        (lambda: hypervolume(np.zeros((2, 2)), (0,) * 3), "d 2 or 3"),
        (lambda: hypervolume(np.zeros((2, 2)), (0, -math.inf)), "finite"),
        (lambda: expected_utility(np.zeros((2, 2)), []), "no utilities"),
        (lambda: simplex(0, 3), "at least one part"),
        (lambda: front_of(panel_of([[0, 1]]), ("a",)), "two or three"),
        (lambda: front_of(panel_of([[0, 1]]), ("a", "a")), "different"),
        (lambda: front_of(panel_of([[0, 1]]), ("a", "z")), "no part 'z'"),
        (lambda: front_of(panel_of([[0, 1]]), ("a", "b"), reference=(0.0,)), "a number for each"),
    ],
)
def test_what_means_nothing_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_step_that_gains_nothing_has_no_rate():
    boot = Bootstrap(1, 5, np.random.default_rng(0), draws=10)
    draws = boot.means(np.zeros((4, 1, 5)))
    with pytest.raises(ValueError, match="both above 0"):
        exchange_rate(boot, draws, 0, 1)


def test_the_examples_of_the_page_run_and_say_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / "objectives-several.md").read_text()
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(compile(block, "objectives-several.md", "exec"), {"__name__": "page"})
    said = capsys.readouterr().out
    figures = re.compile(r"^(?:\| fixed-|Hypervolume ).*", flags=re.M)
    number = re.compile(r"(?<![\w-])(?:\d+(?:\.\d+)?|inf)")
    rows = list(zip(figures.findall(text), figures.findall(said), strict=True))
    assert len(rows) == 6 + 5 + 3 + 1
    for told, seen in rows:
        assert number.sub("#", seen) == number.sub("#", told)
        wanted = [float(x) for x in number.findall(told)]
        assert [float(x) for x in number.findall(seen)] == pytest.approx(wanted, rel=0.01)
    # What the text says of them
    prose = " ".join(text.split())
    worth = sorted(map(float, re.findall(r"^fixed-\S+ (\S+) \[", said, flags=re.M)))
    told = re.findall(r"it is worth (\S+), and the next best (\S+)\. ", prose)[0]
    assert worth[:-3:-1] == pytest.approx([float(x) for x in told], rel=0.01)
    (days,) = re.findall(r"^\| fixed-none \| 0 \[0, 0\] \| (\S+) ", said, flags=re.M)
    (utility,) = re.findall(r"Expected utility: (\S+) ", said)
    halved = [float(x) for x in re.findall(r"of the (\S+) above, (\S+) are half", prose)[0]]
    assert halved == pytest.approx([float(utility), float(days) / 2], rel=0.01)
    assert (tmp_path / "front.svg").read_text().startswith("<svg")
