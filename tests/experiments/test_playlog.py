"""The figures of a play log: tiny logs worked out by hand, and a slow second implementation."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from longplay.experiments.fitting.playlog import (
    IDLE,
    LATER,
    POSITIONS,
    STREAKS,
    Plays,
    figures,
    hour_profile,
    ordered,
    sessions_of,
    user_quantiles,
)


def log(*rows):
    """Plays from (user, start [h], minutes) rows."""
    user, start, minutes = zip(*rows, strict=True)
    return Plays(np.array(user), np.array(start, float), np.array(minutes, float))


def days_log(days, user=0):
    """One play of three minutes at 12:00 on each of ``days``."""
    return [(user, 24.0 * day + 12.0, 3.0) for day in days]


def test_a_pause_of_thirty_minutes_is_within_a_session_and_a_longer_one_is_not():
    # 10:00-10:15, 10:45 (30 min later) -11:00, 11:30:36 (30.6 min later)
    s = sessions_of(ordered(log((0, 10.0, 15.0), (0, 10.75, 15.0), (0, 11.51, 3.0))))
    assert s.plays.tolist() == [2, 1]
    assert s.minutes == approx([60.0, 3.0])
    assert s.gaps()[1] == approx([0.51])


def test_a_long_play_reaches_over_a_short_one_inside_it():
    # 10:00-12:00; 10:30-10:33 lies inside; 12:20 is 20 min after the latest end: one session.
    s = sessions_of(ordered(log((0, 10.0, 120.0), (0, 10.5, 3.0), (0, 12.0 + 1 / 3, 6.0))))
    assert s.plays.tolist() == [3]
    assert s.minutes == approx([146.0])


def test_users_never_share_a_session():
    f = figures(log((0, 10.0, 15.0), (1, 10.3, 15.0)))
    assert (f.users, f.sessions, f.plays) == (2, 2, 2)
    assert math.isnan(f.scalars["gap_hours.pooled.p50"])


def test_sessions_per_day_counts_the_days_between_first_and_last_play():
    # User 0: 3 sessions, first start 0 h, last end 48 h + 60 min = 49 h -> 3 / (49 / 24).
    # User 1: 2 sessions over 24 h -> 2.
    f = figures(log((0, 0, 3), (0, 24, 3), (0, 48, 60), (1, 0, 3), (1, 23.5, 30)))
    assert f.scalars["sessions_per_day.mean"] == approx((72 / 49 + 2) / 2)
    assert f.scalars["sessions_per_day.p50"] == approx((72 / 49 + 2) / 2)


def test_user_figures_average_quantiles_and_pooled_ones_mix_sessions():
    # Minutes of user 0: 10, 20, 30; of user 1: 100. p50: user (20 + 100) / 2, pooled 25.
    f = figures(log((0, 0, 10), (0, 5, 20), (0, 10, 30), (1, 0, 100)))
    assert f.scalars["session_minutes.user.p50"] == approx(60.0)
    assert f.scalars["session_minutes.pooled.p50"] == approx(25.0)
    # p10 of 10, 20, 30 lies 0.2 of the way from 10 to 20.
    assert f.scalars["session_minutes.user.p10"] == approx((12.0 + 100.0) / 2)
    # Gaps of user 0: 5 h - 10 min, 5 h - 20 min.
    assert f.scalars["gap_hours.user.p50"] == approx(4.75)


def test_streaks_and_idle_days_by_hand():
    # Active on days 0, 1, 2, 5, 6, 13. Streaks: 1 2 3, 1 2, 1; the last day has no tomorrow.
    f = figures(log(*days_log([0, 1, 2, 5, 6, 13])))
    p, n = f.scalars, f.counts
    assert (p["active_next.streak.1"], n["active_next.streak.1"]) == (1.0, 2)
    assert (p["active_next.streak.2"], n["active_next.streak.2"]) == (0.5, 2)
    assert (p["active_next.streak.3"], n["active_next.streak.3"]) == (0.0, 1)
    assert n["active_next.streak.5"] == 0 and math.isnan(p["active_next.streak.5"])
    # Absences of 2 days (3, 4) and of 6 days (7 .. 12).
    assert (p["active_next.idle.1"], n["active_next.idle.1"]) == (0.0, 2)
    assert (p["active_next.idle.2"], n["active_next.idle.2"]) == (0.5, 2)
    assert (p["active_next.idle.3"], n["active_next.idle.3"]) == (0.0, 1)
    assert n["active_next.idle.7"] == 0
    # Six of the 14 days from day 0 to day 13; one day later: 3 of the 5 that have a morrow
    # within the log; seven days later: days 0, 1, 2, 5, 6 -> 7, 8, 9, 12, 13 -> 1 of 5.
    assert p["active_share.mean"] == approx(6 / 14)
    assert p["active_after.1"] == approx(3 / 5)
    assert p["active_after.7"] == approx(1 / 5)


def test_streaks_of_two_users_are_apart():
    f = figures(log(*days_log([0, 1], user=0), *days_log([2, 3], user=1)))
    assert f.counts["active_next.streak.1"] == 2
    assert f.scalars["active_next.streak.1"] == 1.0
    assert f.counts["active_next.streak.2"] == 0


def test_skips_by_user_position_and_run():
    # User 0, one session: skip, skip, play, skip. User 1: one play. 30 s sharp is no skip.
    rows = [(0, 0, 0.1), (0, 0.1, 0.4), (0, 0.2, 3.0), (0, 0.3, 0.2), (1, 0, 0.5)]
    p = figures(log(*rows)).scalars
    assert p["skip_rate.pooled"] == approx(3 / 5)
    assert p["skip_rate.mean"] == approx(3 / 8)
    assert p["skip_by_position.0"] == approx(1 / 2)
    assert p["skip_by_position.2"] == 0.0
    assert p["skip_after.skip"] == approx(1 / 2)
    assert p["skip_after.play"] == 1.0


def test_where_sessions_end():
    # User 0: sessions of 1, 1, 3 plays; user 1: one of 2.
    rows = [(0, 0, 1), (0, 5, 1), (0, 10, 1), (0, 10.1, 1), (0, 10.2, 1), (1, 0, 1), (1, 0.1, 1)]
    p = figures(log(*rows)).scalars
    assert p["end_hazard.0"] == approx((2 / 3 + 0) / 2)
    assert p["end_hazard.1"] == approx((0 + 1) / 2)
    assert p["end_hazard.2"] == approx(1.0)
    assert math.isnan(p["end_hazard.3"])


def test_hour_profile_turns_each_user_to_the_quietest_five_hours():
    # User 0 plays in every hour but 2..6 (quiet, middle 4); user 1 in every hour but 20..0
    # (middle 22): both turned, the quiet hours are 22, 23, 0, 1, 2.
    rows = [(0, h + 0.5, 1.0) for h in range(24) if not 2 <= h <= 6]
    rows += [(1, h + 0.5, 1.0) for h in range(24) if 1 <= h <= 19]
    plays = ordered(log(*rows))
    profile = hour_profile(plays.user, plays.start, 2)
    assert profile[[22, 23, 0, 1, 2]] == approx(0.0)
    assert profile[3:22] == approx(1 / 19)


def test_weekdays_begin_on_monday():
    # 3 plays on Monday, 1 on Sunday of the next week; the other user on a Thursday alone.
    f = figures(log((0, 1, 1), (0, 5, 1), (0, 23.9, 1), (0, 24 * 13 + 1, 1), (1, 24 * 3 + 1, 1)))
    assert f.profiles["weekdays"] == approx([3 / 8, 0, 0, 1 / 2, 0, 0, 1 / 8])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-5, 5)), min_size=1, max_size=40),
    st.floats(0, 1),
)
def test_user_quantiles_agree_with_numpy(rows, q):
    user = np.array([u for u, _ in rows])
    value = np.array([v for _, v in rows])
    ours = user_quantiles(user, value, 5, q)
    for u in range(5):
        own = value[user == u]
        if own.size:
            assert ours[u] == approx(np.quantile(own, q), abs=1e-9)
        else:
            assert math.isnan(ours[u])


# Quarter hours and whole quarter-hours of play are exact in binary, so that pauses of exactly
# 30 minutes occur and neither implementation can hide behind rounding.
PLAY = st.tuples(
    st.integers(0, 3),
    st.integers(0, 24 * 4 * 12).map(lambda x: x / 4.0),
    st.sampled_from([0.0, 15.0, 30.0, 45.0, 90.0, 0.25]),
)


def slow_figures(rows):
    """The definitions once more, one play at a time, for a list of (user, start, minutes)."""
    lives = defaultdict(list)
    for user, start, minutes in sorted(rows, key=lambda r: (r[0], r[1], r[2])):
        lives[user].append((start, minutes))
    out = defaultdict(list)
    scalars = {}
    for plays in lives.values():
        sessions, end = [], -math.inf
        for start, minutes in plays:
            if start - end > 0.5:
                sessions.append([])
                end = -math.inf
            sessions[-1].append((start, minutes))
            end = max(end, start + minutes / 60.0)
        ends = [max(s + m / 60.0 for s, m in session) for session in sessions]
        starts = [session[0][0] for session in sessions]
        gaps = [b - a for a, b in zip(ends[:-1], starts[1:], strict=True)]
        lengths = [60.0 * (b - a) for a, b in zip(starts, ends, strict=True)]
        for q in (0.1, 0.5, 0.9):
            out[f"session_minutes.user.p{100 * q:.0f}"].append(np.quantile(lengths, q))
            if gaps:
                out[f"gap_hours.user.p{100 * q:.0f}"].append(np.quantile(gaps, q))
        for k in POSITIONS:
            reached = [s for s in sessions if len(s) > k]
            if reached:
                out[f"end_hazard.{k}"].append(sum(len(s) == k + 1 for s in reached) / len(reached))
                out[f"skip_by_position.{k}"].append(
                    sum(s[k][1] < 0.5 for s in reached) / len(reached)
                )
        for before, name in ((True, "skip_after.skip"), (False, "skip_after.play")):
            pairs = [
                b[1] < 0.5
                for s in sessions
                for a, b in itertools.pairwise(s)
                if (a[1] < 0.5) == before
            ]
            if pairs:
                out[name].append(sum(pairs) / len(pairs))
        active = sorted({math.floor(start / 24.0) for start, _ in plays})
        out["active_share.mean"].append(len(active) / (active[-1] - active[0] + 1))
    for name, values in out.items():
        scalars[name] = float(np.mean(values))
    return scalars | slow_days(lives)


def slow_days(lives):
    """Streaks, idle days and days later, day by day."""
    hits = defaultdict(list)
    for plays in lives.values():
        active = {math.floor(start / 24.0) for start, _ in plays}
        streak = idle = 0
        for day in range(min(active), max(active)):
            streak, idle = (streak + 1, 0) if day in active else (0, idle + 1)
            if streak:
                hits[f"active_next.streak.{streak}"].append(day + 1 in active)
            else:
                hits[f"active_next.idle.{idle}"].append(day + 1 in active)
        for day in active:
            for k in LATER:
                if day + k <= max(active):
                    hits[f"active_after.{k}"].append(day + k in active)
    known = {f"active_next.streak.{k}" for k in STREAKS}
    known |= {f"active_next.idle.{k}" for k in IDLE} | {f"active_after.{k}" for k in LATER}
    return {k: sum(v) / len(v) for k, v in hits.items() if k in known}


@settings(max_examples=150, deadline=None)
@given(st.lists(PLAY, min_size=1, max_size=60))
def test_agrees_with_the_definitions_read_play_by_play(rows):
    fast = figures(log(*rows)).scalars
    slow = slow_figures(rows)
    for name, value in slow.items():
        assert fast[name] == approx(value, abs=1e-9), name
    unseen = [k for k in fast if k.startswith(("active_", "end_", "skip_b")) and k not in slow]
    assert all(math.isnan(fast[k]) for k in unseen if not k.startswith("active_share"))


@settings(max_examples=50, deadline=None)
@given(st.lists(PLAY, min_size=2, max_size=40), st.randoms(), st.integers(-3, 3))
def test_row_order_user_numbers_and_whole_weeks_do_not_matter(rows, random, weeks):
    there = figures(log(*rows))
    other = [(7 * u + 1_000_000_007, s + 168.0 * weeks, m) for u, s, m in rows]
    random.shuffle(other)
    here = figures(log(*other))
    assert here.scalars.keys() == there.scalars.keys()
    for name, value in there.scalars.items():
        assert here.scalars[name] == approx(value, abs=1e-9, nan_ok=True), name
    for name, shares in there.profiles.items():
        assert here.profiles[name] == approx(shares)
        assert shares.sum() == approx(1.0)


@pytest.mark.parametrize(
    ("plays", "words"),
    [
        (Plays(np.zeros(0, int), np.zeros(0), np.zeros(0)), "without plays"),
        (Plays(np.zeros(2, int), np.zeros(2), np.zeros(3)), "columns of one length"),
        (Plays(np.zeros(1, int), np.array([np.nan]), np.ones(1)), "drop these rows"),
        (Plays(np.zeros(1, int), np.zeros(1), np.array([-1.0])), "drop these rows"),
    ],
)
def test_a_log_that_is_none_is_refused(plays, words):
    with pytest.raises(ValueError, match=words):
        figures(plays)


def test_repeats_by_hand():
    """One user, hour 0 to day 100; judged are the four plays from day 90 on.

    Item 7 at days 0, 95 (first repeat, 95 days), 95.5 (half a day); item 8 at day 96, new; item 9
    at days 80 and 100 (20 days): 3 of 4 are repeats, 1 within a day and a week, median gap 20.
    """
    days = np.array([0.0, 80.0, 95.0, 95.5, 96.0, 100.0])
    item = np.array([7, 9, 7, 7, 8, 9])
    order = np.array([3, 0, 5, 2, 4, 1])  # in any order
    plays = Plays(np.zeros(6, np.int64), 24.0 * days, np.full(6, 3.0), item)
    found = figures(Plays(*(column[order] for column in plays))).scalars
    assert found["repeats"] == approx(0.75)
    assert found["repeats.within.1"] == approx(0.25)
    assert found["repeats.within.7"] == approx(0.25)
    assert found["repeats.gap_days.p50"] == approx(20.0)


def test_one_users_items_are_not_anothers_repeats():
    plays = Plays(np.array([0, 0, 1, 1]), np.array([0.0, 2400.0, 0.0, 2400.0]), np.full(4, 3.0),
                  np.array([1, 2, 2, 1]))  # fmt: skip
    assert figures(plays).scalars["repeats"] == 0.0


def test_without_items_there_are_no_repeat_figures():
    plain = figures(Plays(np.array([0, 0]), np.array([0.0, 2400.0]), np.full(2, 3.0))).scalars
    assert not [name for name in plain if name.startswith("repeats")]


def test_items_of_another_length_are_refused():
    with pytest.raises(ValueError, match="wanted columns of one length"):
        figures(Plays(np.zeros(2, np.int64), np.zeros(2), np.ones(2), np.zeros(3, np.int64)))
