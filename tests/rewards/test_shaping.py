"""Potentials: they telescope along real lives, and leave the optimum of Tiny where it was."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longplay.envs.cohort import Cohort
from longplay.envs.lanes import seen_after
from longplay.envs.reference.tiny import GONE, LOADS, STATES, model
from longplay.envs.spaces import HIDDEN_FEATURES, USER_FEATURES
from longplay.envs.state import OUTCOME
from longplay.rewards import Minutes, Potential, Revenue, State, Step, per_user, record, rewarded

AT = USER_FEATURES.index("tenure")
PHI = Potential(State("tenure"))


def step_of(now, then, discount):
    """A Step whose states show the potentials `now` and `then` as tenure."""
    now, then, discount = np.broadcast_arrays(now, then, discount)
    outcomes = np.zeros(now.shape, OUTCOME)
    outcomes["fetches"] = 1.0
    outcomes["discount"] = discount
    state = np.zeros((*now.shape, len(USER_FEATURES)))
    next_state = state.copy()
    state[..., AT], next_state[..., AT] = now, then
    return Step(outcomes, state, next_state)


def test_by_hand():
    # 0.99^(48/24) * 3 - 2 = 0.940300;  after churn the discount is 0: 0 * 5 - 2 = -2
    step = step_of([2.0, 2.0], [3.0, 5.0], [0.99**2, 0.0])
    assert PHI(step) == pytest.approx([0.9403, -2.0], abs=1e-12)


@given(st.lists(st.tuples(*[st.floats(-9, 9)] * 2, st.floats(0, 1)), min_size=1, max_size=9))
def test_a_batch_is_its_rows_and_it_is_linear_in_phi(rows):
    now, then, discount = np.array(rows).T
    step = step_of(now, then, discount)
    assert PHI(step).tolist() == [PHI(step[i : i + 1])[0] for i in range(len(rows))]
    assert Potential(3 * State("tenure"))(step) == pytest.approx(3 * PHI(step), abs=1e-9)
    bound = np.maximum(np.abs(now), np.abs(then)) * 2 + 1e-9
    assert np.all(np.abs(PHI(step)) <= bound)


def test_along_every_life_of_a_cohort_it_telescopes_to_minus_the_first_potential():
    phi = 2 * State("active_rate") - 0.5 * State("skip_rate") * State("tenure")
    cohort = Cohort(
        "AdLoad", 60, scenario="bench", horizon_days=30.0, autoreset_mode="Disabled", threads=1
    )
    rng = np.random.default_rng(3)
    shaping = Potential(phi)
    log = record(cohort, lambda obs: rng.integers(0, 22, 60), seed=3, parts=shaping.needs)
    weight, left = np.ones(len(log)), {}
    first, end = {}, {}
    for i in range(len(log)):  # rows of a user are in order
        out = log.outcomes[i]
        user = int(out["user"])
        weight[i] = left.setdefault(user, 1.0)
        left[user] *= float(out["discount"])
        first.setdefault(user, phi.on_states(log.state[i]))
        end[user] = phi.on_states(log.next_state[i])
    users, sums = per_user(log, weight * shaping(log))
    churned = [left[u] == 0.0 for u in users.tolist()]
    assert 0 < sum(churned) < 60  # some left, some were cut off at the horizon
    wanted = [left[u] * end[u] - first[u] for u in users.tolist()]
    assert sums == pytest.approx(wanted, abs=1e-9)


def readme_worth(layout):
    """Revenue and worth of each person, as the README's example of shaping comes to it."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", text, flags=re.S) if "Shaped" in b]
    found: dict = {}
    exec(block.replace("np.full(100, 9)", f"np.full(100, {layout})"), found)
    revenue = per_user(found["log"], Revenue()(found["log"]))[1]
    plain = per_user(found["log"], found["wish"](found["log"]))[1]
    return revenue.mean(), plain.mean(), found["worth"].mean()


def test_the_readmes_sums_keep_the_order_of_policies_and_undiscounted_ones_do_not():
    (revenue, plain, worth), (more, undiscounted, better) = readme_worth(9), readme_worth(21)
    assert more > revenue
    assert better > worth
    assert undiscounted < plain  # what Potential's page warns of


def solved(rewards, discounts, P):
    """Optimal values (S,) and action values (S, A) by value iteration, `discounts` (S, A)."""
    values = np.zeros(len(P))
    for _ in range(20_000):
        ahead = rewards + discounts * (P @ values)
        if np.abs(ahead.max(axis=1) - values).max() < 1e-13:
            break
        values = ahead.max(axis=1)
    return values, ahead


def shaped(phi, discounts, P, R):
    """R plus the expected Potential of every state and action, (S, A), asked of Potential itself.

    The discount of a step that leads to the end is 0, as in every world of ours.
    """
    pays = np.zeros_like(R)
    for ads in range(LOADS):
        d = np.repeat(discounts[:, ads, None], STATES, axis=1)
        d[:, GONE] = 0.0
        pays[:, ads] = (P[:, ads] * PHI(step_of(phi[:, None], phi[None, :], d))).sum(axis=1)
    pays[GONE] = 0.0
    return R + pays


def gaps():
    """A discount for each state and number of ads: more ads, a longer absence (S, A)."""
    return 0.98 ** (0.5 + np.arange(LOADS)[None, :] * np.linspace(0.5, 2.0, STATES)[:, None])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("calendar", [False, True])
def test_the_optimum_of_tiny_is_unchanged_whatever_the_potential(seed, calendar):
    mdp = model()
    discounts = gaps() if calendar else np.full((STATES, LOADS), mdp.discount)
    phi = np.random.default_rng(seed).normal(0.0, 10.0, STATES)
    plain, plain_ahead = solved(mdp.R, discounts, mdp.P)
    values, ahead = solved(shaped(phi, discounts, mdp.P, mdp.R), discounts, mdp.P)
    assert values[:GONE] == pytest.approx((plain - phi)[:GONE], abs=1e-9)
    assert ahead.argmax(axis=1)[:GONE].tolist() == plain_ahead.argmax(axis=1)[:GONE].tolist()
    if not calendar:
        assert plain == pytest.approx(mdp.optimum().values, abs=1e-9)


def test_a_constant_gamma_in_a_world_of_unequal_gaps_moves_the_optimum_of_tiny():
    # The shaping a learner would get that counts decisions instead of days: by hand, not ours.
    mdp, discounts = model(), gaps()
    phi = np.where(np.arange(STATES) < GONE, 100.0 * np.arange(STATES) / GONE, 0.0)
    constant = mdp.P @ phi * 0.98 - phi[:, None]
    best = solved(mdp.R, discounts, mdp.P)[1].argmax(axis=1)
    led_astray = solved(mdp.R + constant, discounts, mdp.P)[1].argmax(axis=1)

    def worth(policy):
        every = np.arange(STATES)
        d, P, R = discounts[every, policy], mdp.P[every, policy], mdp.R[every, policy]
        return float(mdp.start @ np.linalg.solve(np.eye(STATES) - d[:, None] * P, R))

    assert worth(led_astray) < 0.85 * worth(best)  # 0.813
    ours = solved(shaped(phi, discounts, mdp.P, mdp.R), discounts, mdp.P)[1].argmax(axis=1)
    assert worth(ours) == pytest.approx(worth(best))


def test_a_potential_that_outlives_the_user_moves_the_optimum_of_tiny():
    mdp = model()
    phi = np.where(np.arange(STATES) == GONE, 100.0, 0.0)  # phi(end) = 0 is not kept
    wrong = mdp.R + mdp.discount * mdp.P @ phi - phi[:, None]
    wrong[GONE] = 0.0
    policy = solved(wrong, np.full((STATES, LOADS), mdp.discount), mdp.P)[1].argmax(axis=1)
    assert mdp.worth_of(policy) < 0.7 * mdp.optimum().worth  # 0.586


@pytest.mark.parametrize("name", HIDDEN_FEATURES)
def test_hidden_features_are_no_states(name):
    with pytest.raises(ValueError, match="hidden"):
        State(name)


def test_what_is_no_state_is_refused():
    with pytest.raises(ValueError, match=r"no state.tenur; did you mean tenure\?"):
        State("tenur")
    with pytest.raises(TypeError, match="minutes is no function of a state"):
        Potential(Minutes())
    with pytest.raises(TypeError, match="no function of a state"):
        Potential(State("tenure") + Minutes())
    with pytest.raises(TypeError, match="is no potential"):
        Potential(2.0)
    with pytest.raises(ValueError, match=r"needs state, .*outcomes without it came"):
        State("tenure")(np.zeros(3, OUTCOME))


@pytest.mark.parametrize("mode", ["SameStep", "NextStep", "Disabled"])
@pytest.mark.parametrize("copy", [True, False])
def test_a_wrapper_pays_it_from_the_observations_of_one_life(mode, copy):
    cohort = Cohort(
        "AdLoad", 12, scenario="bench", horizon_days=4.0, autoreset_mode=mode, copy=copy, threads=1
    )
    env = rewarded(cohort, 1.0 * PHI)
    before = env.reset(seed=2)[0].copy()
    rng, ends = np.random.default_rng(0), 0
    for _ in range(100):
        obs, reward, terminated, truncated, info = env.step(rng.integers(0, 22, 12))
        last = seen_after(obs, info)
        wanted = cohort.outcomes["discount"] * last[:, AT].astype(float) - before[:, AT]
        lived = cohort.outcomes["fetches"] > 0
        assert reward == pytest.approx(np.where(lived, wanted, 0.0), abs=1e-12)
        ends += int((terminated | truncated).sum())
        before = obs.copy()
    assert ends > 0


def test_one_user_is_paid_like_the_same_user_in_a_cohort():
    from longplay.envs.session import Feed

    settings = {"scenario": "bench", "action": "weights", "horizon_days": 4.0}
    one = rewarded(Feed(**settings), 1.0 * PHI)
    many = rewarded(Cohort("Feed", 3, autoreset_mode="Disabled", **settings), 1.0 * PHI)
    one.reset(seed=5)
    many.reset(seed=5)
    action, over = np.array([1, 0.5, 0.5, 0, 0.1, 0], np.float32), False
    while not over:
        _, reward, terminated, truncated, _ = one.step(action)
        assert reward == many.step(np.tile(action, (3, 1)))[1][0]
        over = terminated or truncated


def test_observations_that_were_changed_on_their_way_are_refused():
    from gymnasium.wrappers.vector import FlattenObservation

    cohort = Cohort("Feed", 3, scenario="bench", action="item", autoreset_mode="NextStep")
    with pytest.raises(TypeError, match="reward the inner environment first"):
        rewarded(FlattenObservation(cohort), 1.0 * PHI)
