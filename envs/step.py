"""One fetch, as a story in numbered paragraphs, and the only loop over users.

`live_fetch` tells what a person does with a slate and its ads; `close_session` what the session
leaves behind; `stay_away` how long until the next one, or never. `advance` lives through one
decision of each user in a slice of a cohort: one fetch, or a session of them.

Names of laws are looked up here, so a law is replaced by giving this module another function of
the same name (see World.with_laws). Records are written in place; nothing is allocated.
"""

import math
from typing import Any

from longplay.envs import draws
from longplay.envs.compiled import compiled, law
from longplay.envs.elementary import exp, wrapped
from longplay.envs.laws.ads import next_ad_memory, next_blindness, p_click
from longplay.envs.laws.attention import minutes_paused, p_look_on
from longplay.envs.laws.choice import p_play, utility
from longplay.envs.laws.churn import p_gone
from longplay.envs.laws.discovery import joy_of, next_appetite, settled
from longplay.envs.laws.dwell import dwell_seconds, impatience, match_of, next_restless
from longplay.envs.laws.fatigue import next_fatigue, rested
from longplay.envs.laws.feedback import delight_of, p_hide, p_like, p_save, p_share
from longplay.envs.laws.habit import next_habit
from longplay.envs.laws.intent import choose_intent, next_goal
from longplay.envs.laws.leaving import hazard_leaving
from longplay.envs.laws.notifications import next_load, notified_pull, nuisance_of
from longplay.envs.laws.repeats import forget, is_known, remember
from longplay.envs.laws.returning import hours_away, log_return
from longplay.envs.laws.satiation import next_satiation, remaining
from longplay.envs.laws.satisfaction import experience_of, felt, next_satisfaction
from longplay.envs.laws.survey import answer, p_answer
from longplay.envs.memory import fetch_ahead
from longplay.envs.population import give_birth
from longplay.envs.spaces import ad_mask, observe, rank_by_weights, serve
from longplay.envs.state import PRODUCTION, TOPICS, WEIGHED
from longplay.envs.vectors import dot

STAYS, GOES, GOES_WELL, GOES_BADLY = 0, 1, 2, 3
YOUTH = -math.inf  # the horizon of those who grow up: see stay_away
MOMENT = 1e-3  # the shortest absence [h]
LOG_HOURS = 100.0  # the platform's tally of topics fades with this time [h]


@law
def live_fetch(
    u: Any, slate: Any, mask: int, slots: Any, out: Any, shop: Any, dice: Any, w: Any
) -> int:
    """A user meets one fetch: ``slate`` (k,) item ids, ads where ``mask`` has a bit.

    Returns:
        whether the user STAYS for another fetch, GOES, GOES_WELL or GOES_BADLY.
    """
    u.last_plays = 0.0
    u.last_skips = 0.0
    u.last_minutes = 0.0
    u.last_ads = 0.0
    out.fetches += 1.0
    out.ads += lay_out(slots, slate, mask, u.clock)
    k = len(slate)
    draws.many_words(u.seed, u.luck, u.user, u.session, u.fetch, draws.POSITION, k, dice)
    for position in range(k):
        # 1 Attention: the user looks here, because they looked on from the position above.
        slot = slots[position]
        slot.seen = 1
        w0, w1 = dice[0, position], dice[1, position]
        w2, w3 = dice[2, position], dice[3, position]
        if slot.shows < 0:
            # 4 Ads: seen, clicked, paid for; they take time and tire.
            advert = meet_ad(u, slot, w0, w1, out, w)
            played = 1.0
        else:
            # 2, 3 and 5: choice, dwell and feedback, mood.
            advert = 0.0
            played = meet_item(u, slot, w0, w1, w2, out, shop, w)

        # 6 Leaving: well (goal reached), badly (patience gone), or by the hazard.
        if u.goal >= u.goal_wanted:
            return GOES_WELL
        if u.patience <= 0.0:
            return GOES_BADLY
        is_play = slot.played == 1 and slot.shows >= 0
        first = 1.0 if is_play and u.session_plays == 1.0 else 0.0
        hazard = hazard_leaving(
            u.fatigue, u.enjoyment, u.stamina, advert, u.ad_aversion, first, u.intent, w.leaving
        )
        if draws.upper(w3) < hazard or u.clock - u.session_start > w.leaving.longest:
            return GOES

        # 1 again: on to the next position, or a lapse: another fetch or away.
        on = p_look_on(played, u.intent, w.attention)
        chance = draws.lower(w3)
        if chance >= on:
            return GOES if chance - on < w.leaving.lapse * (1.0 - on) else STAYS
        if is_play:
            u.clock += minutes_paused(chance / on, w.attention) / 60.0
    return STAYS


@law
def lay_out(slots: Any, slate: Any, mask: int, clock: float) -> float:
    """Lay ads and items out over the positions, none met yet. Returns the number of ads."""
    ads = 0.0
    organic = 0
    for position in range(len(slate)):
        slot = slots[position]
        if (mask >> (position + 1)) & 1 == 1:
            slot.shows = -1
            ads += 1.0
        else:
            slot.shows = slate[organic]
            organic += 1
        slot.seen = 0
        slot.played = 0
        slot.skipped = 0
        slot.liked = 0
        slot.saved = 0
        slot.shared = 0
        slot.hid = 0
        slot.minutes = 0.0
        slot.start = clock
    return ads


@law
def meet_ad(u: Any, slot: Any, w0: int, w1: int, out: Any, w: Any) -> float:
    """The user comes to an ad. Returns 1 if it was seen, else 0."""
    if draws.unit(w0) >= w.ads.seen:
        slot.seen = 0
        return 0.0
    u.clock += w.ads.seconds / 3600.0
    out.ad_views += 1.0
    out.revenue += w.ads.price_view
    if draws.unit(w1) < p_click(u.blindness, w.ads):
        slot.played = 1
        out.ad_clicks += 1.0
        out.revenue += w.ads.price_click
        u.session_clicks += 1.0
    u.session_ads += 1.0
    u.last_ads += 1.0
    u.since_ad = 0.0
    u.fatigue = next_fatigue(u.fatigue, 0.0, 0.0, 1.0, u.ad_aversion, w.fatigue)
    return 1.0


@law
def meet_item(u: Any, slot: Any, w0: int, w1: int, w2: int, out: Any, shop: Any, w: Any) -> float:
    """The user comes to an item. Returns 1 if it was played to satisfaction, else 0."""
    item = shop.items[slot.shows]
    topic = item.topic
    affinity = dot(u.taste, item.vector)
    bored = float(u.satiation[topic])
    out.looked += 1.0
    u.since_ad = min(99.0, u.since_ad + 1.0)
    u.clock += w.attention.look / 3600.0

    # 2 Choice: played or passed over. What is remembered is not new, and has its own pull.
    known = w.repeats.share > 0.0 and is_known(u.past, slot.shows)
    novelty = 0.0 if known else item.novelty
    draw = utility(affinity, item.attraction, novelty, bored, u.appetite, u.intent, w.choice)
    if known:
        draw += w.repeats.warmth
    if draws.unit(w0) >= p_play(draw, u.intent, w.choice):
        u.fatigue = next_fatigue(u.fatigue, 0.0, 1.0, 0.0, 0.0, w.fatigue)
        u.patience -= 1.0
        feel(u, w.satisfaction.passed[u.intent], w.satisfaction.glance, w)
        return 0.0

    # 3 Dwell: for how long; a skip if it is short.
    match = match_of(affinity, item.value, bored)
    length = item.minutes * 60.0
    haste = impatience(u.skippiness, u.restless, w.dwell)
    seconds = dwell_seconds(draws.unit(w1), match, haste, length, u.intent, w.dwell)
    if not seconds >= 0.0:
        seconds = 0.0
    minutes = seconds / 60.0
    slot.start = u.clock
    slot.played = 1
    slot.minutes = minutes
    u.clock += seconds / 3600.0
    out.plays += 1.0
    out.minutes += minutes
    u.session_plays += 1.0
    u.session_minutes += minutes
    u.last_plays += 1.0
    u.last_minutes += minutes
    u.topic_minutes[topic] += minutes
    delight = delight_of(affinity, item.value, bored)
    full = seconds >= length
    slot.skipped = 1 if seconds < w.dwell.skip else 0
    react(slot, delight, item.attraction, full, w2, out, w)
    u.session_likes += slot.liked

    # 5 Mood: satiation, fatigue and the experience itself; value, not minutes, decides it.
    if slot.skipped == 1:
        out.skips += 1.0
        u.session_skips += 1.0
        u.last_skips += 1.0
        u.fatigue = next_fatigue(u.fatigue, minutes, 1.0, 0.0, 0.0, w.fatigue)
        u.patience -= 1.0
        u.restless = next_restless(u.restless, 1.0, w.dwell)
        if known:
            forget(u.past, slot.shows)
        feel(u, w.satisfaction.skipped[u.intent], 1.0, w)
        return 0.0

    out.novelty += novelty
    if known:
        out.repeats += 1.0
    experience = experience_of(affinity, item.value, bored, minutes, w.satisfaction)
    experience += joy_of(u.appetite, novelty, w.discovery)
    feel(u, experience, 1.0, w)
    u.appetite = next_appetite(u.appetite, novelty, experience, w.discovery)
    u.restless = next_restless(u.restless, 0.0, w.dwell)
    if w.repeats.share > 0.0:
        remember(u.past, u.plays, slot.shows)
        u.plays += 1
    out.value += experience
    u.goal += minutes / w.intent.goal_unit * min(1.0, max(0.0, 0.5 + 0.25 * experience))
    u.patience = w.intent.titles[u.intent]
    u.satiation[topic] = next_satiation(bored, 1.0, w.satiation)
    u.fatigue = next_fatigue(u.fatigue, minutes, 0.0, 0.0, 0.0, w.fatigue)
    return 1.0


@law
def react(
    slot: Any, delight: float, attraction: float, full: bool, word: int, out: Any, w: Any
) -> None:
    """Like, save, share, or ask not to see it again; one draw for like and hide: never both."""
    p = w.feedback
    draw = draws.lower(word)
    for_like, for_hide = (1.0 - draw, draw) if slot.skipped == 1 else (draw, 1.0 - draw)
    left = 1.0 if full else p.early
    if left > 0.0 and for_like < left * p_like(delight, p):
        slot.liked = 1
        out.likes += 1.0
    left = 1.0 if slot.skipped == 1 else p.late
    if left > 0.0 and for_hide < left * p_hide(delight, attraction, p):
        slot.hid = 1
        out.hides += 1.0
    if full and slot.skipped == 0:
        draw = draws.upper(word)
        if draw < p_save(delight, p):
            slot.saved = 1
            out.saves += 1.0
            if draw < p_share(delight, p):
                slot.shared = 1
                out.shares += 1.0


@law
def feel(u: Any, experience: float, weight: float, w: Any) -> None:
    """An experience enters the session's mean and the moving average g."""
    u.session_value += weight * experience
    u.session_weight += weight
    u.enjoyment += weight * w.satisfaction.engaged * (experience - u.enjoyment)


@law
def close_session(u: Any, exit_: int, out: Any, w: Any) -> None:
    """What a session leaves behind: satisfaction, ad memory, habit, and the platform's logs."""
    hours = max(u.clock - u.session_start, 1.0 / 60.0)
    days = (hours + u.away) / 24.0
    ads_per_hour = u.session_ads / max(hours, 0.1)
    good = 1.0 if exit_ == GOES_WELL else 0.0
    bad = 1.0 if exit_ == GOES_BADLY else 0.0
    u.open = 0
    u.bad_exit = bad
    out.ended = 1.0
    out.good_exit += good
    out.bad_exit += bad

    mean = u.session_value / max(u.session_weight, 1.0)
    v = felt(mean, good, bad, ads_per_hour, u.ad_aversion, w.satisfaction)
    v = max(0.0, v - nuisance_of(w.notifications))
    u.satisfaction = next_satisfaction(u.satisfaction, v, w.satisfaction)
    u.ad_memory = next_ad_memory(u.ad_memory, ads_per_hour, days, w.ads)
    u.blindness = next_blindness(u.blindness, ads_per_hour, days, w.ads)
    u.notified = next_load(u.notified, days, w.notifications)

    day = int(math.floor((u.session_start + u.phase) / 24.0))
    if u.session_plays > 0.0 and day > u.day:
        missed = min(float(day - u.day - 1), 1000.0)
        u.habit = next_habit(u.habit, u.habit_rate, missed, w.habit)
        u.streak = u.streak + 1.0 if missed == 0.0 else 1.0
        u.active_rate = 1.0 - (1.0 - u.active_rate * 0.9**missed) * 0.9
        u.day = day
        out.active_day = 1.0
        out.satisfied_day = u.satisfaction

    some = 0.1
    u.visit_rate += some * (min(1.0 / days, 8.0) - u.visit_rate)
    u.minutes_rate += some * (u.session_minutes - u.minutes_rate)
    u.ad_rate += some * (ads_per_hour - u.ad_rate)
    if u.session_plays > 0.0:
        u.skip_rate += some * (u.session_skips / u.session_plays - u.skip_rate)
        u.like_rate += some * (u.session_likes / u.session_plays - u.like_rate)
    if u.session_ads > 0.0:
        u.click_rate += some * (u.session_clicks / u.session_ads - u.click_rate)

    w0, w1, w2, _ = draws.words(u.seed, u.luck, u.user, u.session, u.fetch, draws.SURVEY, 0)
    if draws.unit(w0) < p_answer(u.satisfaction, w.survey):
        u.survey = answer(u.satisfaction, draws.normal(w1, w2), w.survey)
        u.survey_day = u.clock
        out.survey = u.survey


@law
def stay_away(u: Any, out: Any, horizon: float, mortal: bool, w: Any) -> None:
    """7 Absence: the hour of the next visit, or never again.

    Nobody stays away for more than eight days beyond the horizon, so that a return within a week
    is known of all. Youth has no horizon ahead and its people are not mortal: there eight days is
    the longest absence, and whoever enters a study was seen in the week before.
    """
    w0, w1, _, _ = draws.words(u.seed, u.luck, u.user, u.session, 0, draws.ABSENCE, 0)
    pull = log_return(
        u.tempo, u.habit, u.satisfaction, u.bad_exit, u.ad_memory, u.ad_aversion, w.returning
    )
    pull += notified_pull(u.notified, w.notifications)
    week_hour = wrapped(u.clock + u.phase, 168.0)
    limit = max(horizon - u.clock, 0.0) + 192.0
    u0 = draws.unit(w0)
    table = w.tables.slowing
    away = hours_away(u0, pull, week_hour, u.chronotype, limit, table, w.returning)
    if not away >= MOMENT:  # nor if it is nan: time never runs backwards
        away = MOMENT
    gone = p_gone(
        u.churn_propensity,
        u.satisfaction,
        u.habit,
        u.ad_memory,
        u.ad_aversion,
        away / 24.0,
        w.churn,
    )
    if mortal and draws.unit(w1) < gone:
        u.gone = 1
        u.over = 1
        out.away = math.inf
        return
    out.away = away
    open_session(u, away, w)
    if mortal and u.clock >= horizon:
        u.over = 1


@law
def open_session(u: Any, away: float, w: Any) -> None:
    """The user is back after ``away`` hours, rested, with an intent."""
    u.clock += away
    u.away = away
    u.session += 1
    u.fetch = 0
    u.open = 1
    w0, w1, _, _ = draws.words(u.seed, u.luck, u.user, u.session, 0, draws.VISIT, 0)
    hour = wrapped(u.clock + u.phase - u.chronotype, 24.0)
    u.intent = choose_intent(draws.unit(w0), u.lean, hour, w.intent)
    u.goal = 0.0
    u.goal_wanted = next_goal(draws.unit(w1), u.intent, w.intent)
    u.patience = w.intent.titles[u.intent]
    u.enjoyment = 0.0
    u.restless = w.dwell.start
    u.appetite = settled(u.appetite, u.curiosity, away, w.discovery)
    u.session_value = 0.0
    u.session_weight = 0.0
    u.fatigue = rested(u.fatigue, away, w.fatigue)
    kept = remaining(away, w.satiation)
    kept_logs = exp(-away / LOG_HOURS)
    for k in range(TOPICS):
        u.satiation[k] *= kept
        u.topic_minutes[k] *= kept_logs
    u.session_start = u.clock
    u.session_minutes = 0.0
    u.session_plays = 0.0
    u.session_skips = 0.0
    u.session_likes = 0.0
    u.session_ads = 0.0
    u.session_clicks = 0.0
    u.last_plays = 0.0
    u.last_skips = 0.0
    u.last_minutes = 0.0
    u.last_ads = 0.0


@law
def blank(out: Any, u: Any) -> None:
    """An outcome in which nothing happened."""
    out.user = u.user
    out.clock = u.clock
    out.fetches = 0.0
    out.minutes = 0.0
    out.looked = 0.0
    out.plays = 0.0
    out.skips = 0.0
    out.likes = 0.0
    out.saves = 0.0
    out.shares = 0.0
    out.hides = 0.0
    out.novelty = 0.0
    out.repeats = 0.0
    out.ads = 0.0
    out.ad_views = 0.0
    out.ad_clicks = 0.0
    out.revenue = 0.0
    out.duplicates = 0.0
    out.survey = math.nan
    out.ended = 0.0
    out.away = 0.0
    out.gap = 0.0
    out.discount = 1.0
    out.active_day = 0.0
    out.value = 0.0
    out.good_exit = 0.0
    out.bad_exit = 0.0
    out.satisfied_day = 0.0


@law
def live_on(
    u: Any,
    slate: Any,
    mask: int,
    slots: Any,
    out: Any,
    shop: Any,
    horizon: float,
    mortal: bool,
    dice: Any,
    w: Any,
) -> None:
    """One fetch, and what follows from its end: another fetch of the session, or an absence."""
    exit_ = live_fetch(u, slate, mask, slots, out, shop, dice, w)
    if exit_ == STAYS:
        u.fetch += 1
    else:
        close_session(u, exit_, out, w)
        stay_away(u, out, horizon, mortal, w)


@compiled
def advance(
    users: Any,
    lo: int,
    hi: int,
    dice: Any,
    desk: Any,
    slots: Any,
    outs: Any,
    rows: Any,
    shop: Any,
    study: Any,
    world: Any,
) -> None:
    """Live through one decision of users ``lo .. hi-1`` and set out what the next one may see.

    Args:
        users: USER (n,), changed in place.
        lo, hi: the slice of users to live through; slices may run in threads side by side.
        dice: int64 (4, j), room for the draws of one list, the slice's own (see draws.py).
        desk: Desk of arrays (n, ...), the platform's side: actions in, the next choice out.
        slots: SLOT (n, k), the last fetch.
        outs: OUTCOME (n,), sums over the decision.
        rows: float32 (n, d), the observation.
        shop: the catalogue, a population.Shop.
        study: STUDY (1,), how this cohort is watched.
        world: the parameters of all laws (1,).
    """
    w = world[0]
    s = study[0]
    for i in range(lo, hi):
        u = users[i]
        out = outs[i]
        if i + 1 < hi:
            fetch_ahead(users[i + 1])
            fetch_ahead(outs[i + 1])
            for item in desk.slates[i + 1]:
                fetch_ahead(shop.items[item])
        blank(out, u)
        if u.over == 1:
            continue
        out.duplicates = desk.duplicates[i]
        mask = ad_mask(desk.layouts[i])
        if s.ranker == WEIGHED:
            rank_by_weights(desk, i)
        live_on(u, desk.slates[i], mask, slots[i], out, shop, s.horizon, True, dice, w)
        while s.hold == 1 and out.ended == 0.0:
            serve(u, desk, i, s.ranker, shop, dice, w)
            if s.ranker == WEIGHED:
                rank_by_weights(desk, i)
            live_on(u, desk.slates[i], mask, slots[i], out, shop, s.horizon, True, dice, w)
        if u.gone == 1:
            out.gap = math.inf
            out.discount = 0.0
        else:
            out.gap = u.clock - out.clock
            out.discount = exp(s.log_gamma * out.gap)
            serve(u, desk, i, s.ranker, shop, dice, w)
        observe(u, desk, i, rows[i], s.oracle, w)


@law
def enrol(u: Any) -> None:
    """The study begins with the first visit after youth: that moment becomes hour 0.

    Time moves from the clock to the phase, so that hours, weekdays and days stay what they are.
    """
    late = u.clock
    u.clock -= late
    u.birth -= late
    u.session_start -= late
    u.survey_day -= late
    u.phase += late


@compiled
def admit(
    users: Any,
    lo: int,
    hi: int,
    dice: Any,
    lanes: Any,
    desk: Any,
    slots: Any,
    outs: Any,
    rows: Any,
    shop: Any,
    study: Any,
    world: Any,
) -> None:
    """Bear the users of ``lanes[lo:hi]``, and let them live their youth.

    USER rows must be blank but for `seed`, `user` and `luck`; other arguments as for `advance`.
    Youth is spent under the production ranker and a fixed layout, and is survived by all; the
    study begins with the first session that starts after it.
    """
    w = world[0]
    s = study[0]
    mask = ad_mask(s.youth_layout)
    for i in lanes[lo:hi]:
        u = users[i]
        blank(outs[i], u)
        give_birth(u, u.user, u.seed, w)
        stay_away(u, outs[i], YOUTH, False, w)
        while u.clock < 0.0 or u.fetch > 0:
            serve(u, desk, i, PRODUCTION, shop, dice, w)
            live_on(u, desk.slates[i], mask, slots[i], outs[i], shop, YOUTH, False, dice, w)
        enrol(u)
        blank(outs[i], u)
        serve(u, desk, i, s.ranker, shop, dice, w)
        observe(u, desk, i, rows[i], s.oracle, w)
