"""Behaviour: features and scores of many rows, against plain NumPy and row by row."""

import numpy as np
import pytest

from longplay.envs.spaces import USER_FEATURES
from longplay.envs.state import OUTCOME
from longplay.rewards.behaviour import (
    ENDING,
    HALVES,
    HISTORY,
    ROWS,
    SESSION,
    at_the_end,
    chances,
    features,
    scores,
)
from longplay.rewards.panels import table
from longplay.rewards.step import Step

N = 2 * ROWS + 6  # two whole blocks of the loop, and a part of one


@pytest.fixture(scope="module")
def step(around):
    rng = np.random.default_rng(1)
    out = np.zeros(N, OUTCOME)
    for name in ("plays", "skips", "likes", "ad_views", "fetches"):
        out[name] = rng.integers(0, 9, N)
    out["looked"] = out["plays"] + rng.integers(0, 9, N)
    out["minutes"], out["ended"] = rng.exponential(9.0, N), rng.integers(0, 2, N)
    made = around(out)
    shares = np.minimum(np.abs(made.state), np.float32(0.99))
    known = Step(made.outcomes, shares, slots=made.slots)
    known.state[:3] = 1.0  # beyond all sums
    return known


def told(step, i):
    """SESSION and ENDING of row i, written out once more."""
    before = dict(zip(USER_FEATURES, step.state[i].astype(float), strict=True))
    out = step.outcomes[i]
    names = ("session_minutes", "session_plays", "session_skips", "session_likes", "fetch",
             "session_ads")  # fmt: skip
    fresh = [out[name] for name in ("minutes", "plays", "skips", "likes", "fetches", "ad_views")]
    shares = [min(before[name], 0.99999) for name in names]
    sums = [
        half * share / (1 - share) + new
        for half, share, new in zip(HALVES, shares, fresh, strict=True)
    ]
    minutes, plays, skips, _, fetches, ads = sums
    pace = minutes / max(plays, 1)
    passed = (out["looked"] - out["plays"]) / max(out["looked"], 1)
    row = [before[name] for name in HISTORY]
    row += [s / (s + half) for s, half in zip(sums, HALVES, strict=True)]
    row += [skips / max(plays, 1), pace / (pace + 3), plays / max(fetches, 1) / 10]
    row += [minutes / 100, fetches / 10, ads / 10, passed, out["ended"]]
    seen = [slot for slot in step.slots[i] if slot["seen"]]
    organic = [slot for slot in seen if slot["shows"] >= 0]
    played = [slot for slot in organic if slot["played"]]
    kept = [bool(slot["played"]) and not slot["skipped"] for slot in organic]
    missed = kept[::-1].index(True) if any(kept) else len(kept)
    last = seen[-1] if seen else None
    end_kept = last is not None and last["shows"] >= 0 and bool(kept[-1])
    end_ad = last is not None and last["shows"] < 0
    final = float(played[-1]["minutes"]) if played else 0.0
    row += [len(seen) / 10, len(played) / 10, sum(kept) / 10, missed / 10, end_kept, end_ad]
    return [*row, len(seen) == len(step.slots[i]), final / (final + 3)]


def test_features_are_those_of_plain_numpy_in_every_block(step):
    wanted = np.array([told(step, i) for i in range(N)], np.float64)
    assert wanted.shape == (N, len(SESSION) + len(ENDING))
    # Single precision; 1 - share of what is beyond all sums is known to 1e-5 / 2^-24 = 0.6 %.
    assert features(step, True)[3:] == pytest.approx(wanted[3:], rel=2e-6, abs=1e-7)
    assert features(step, True)[:3] == pytest.approx(wanted[:3], rel=6e-3)
    assert np.array_equal(features(step, False), features(step, True)[:, : len(SESSION)])


@pytest.mark.parametrize("model", ["intent", "endings", "fatigue"])
def test_a_row_scores_alone_as_it_does_among_others(step, model):
    weights = table(model, "pooled")
    every = scores(step, weights)
    assert every.shape == (4, N)
    for i in range(N):
        assert np.array_equal(every[:, i], scores(step[i : i + 1], weights)[:, 0])


@pytest.mark.parametrize(("model", "ending"), [("intent", False), ("endings", True)])
def test_a_chance_is_off_by_twice_what_a_score_is(step, model, ending):
    weights = table(model, "pooled")
    x = np.column_stack([features(step, ending), np.ones(N)])
    real = (np.abs(weights[-1]) < 1e8).nonzero()[0]  # classes that there are
    raw = x @ weights[:, real]
    wanted = np.exp(raw - raw.max(axis=1, keepdims=True))
    wanted /= wanted.sum(axis=1, keepdims=True)
    lost = (len(weights) + 1) * 2.0**-24 * (np.abs(x) @ np.abs(weights[:, real])).max(axis=1)
    off = np.abs(chances(step, weights)[real].T - wanted)
    assert np.all(off <= (2.0 * lost[:, None] + 1e-6) * wanted + 2.0**-126)  # the least number


def test_only_ended_rows_count_whatever_stands_in_others(step):
    values = np.where(step.outcomes["ended"] > 0, 2.5, np.nan)
    assert np.array_equal(at_the_end(step, values), 2.5 * step.outcomes["ended"])
