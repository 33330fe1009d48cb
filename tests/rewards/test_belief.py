"""The progressive filter beside direct conditioning, and what it pays along a life."""

import json

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st

import longplay.envs  # noqa: F401
from longplay.envs.cohort import Cohort
from longplay.envs.state import OUTCOME
from longplay.rewards import Minutes, Step, per_user, record, rewarded
from longplay.rewards.belief import TraceBelief, traces_of
from longplay.rewards.progressive import LABEL, progress, progressive

DAYS = 6


def belief(seed=0, days=DAYS, noise=1.0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, days, days))
    square = a @ a.T + np.eye(days)  # well conditioned: agreement is then to 1e-10
    return TraceBelief(rng.normal(size=days), square, noise * (b @ b.T + np.eye(days)))


def test_by_hand():
    # Two days, variances 1 and covariance 1/2, no noise; the first is seen to be 1, its mean is 0:
    # m = (1, 1/2), Sigma = (0, 0; 0, 3/4), so the total is 3/2 with variance 3/4.
    filter_ = TraceBelief([0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]], np.zeros((2, 2)))
    assert filter_.total([1, 0], [1.0, 9.0]) == pytest.approx((1.5, 0.75))
    # with noise of variance 1 of one member, half as much is learnt: 1.5 / 2; of two, 1.5 / 1.5
    noisy = TraceBelief([0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]], np.eye(2))
    assert noisy.total([1, 0], [1.0, 9.0])[0] == pytest.approx(0.75)
    assert noisy.total([2, 0], [1.0, 9.0])[0] == pytest.approx(1.0)
    assert filter_.expected([[1.0, 0.0]], [1]) == pytest.approx([1.5])


@given(st.integers(0, 1000), st.lists(st.integers(0, 9), min_size=DAYS, max_size=DAYS))
def test_it_is_conditioning_of_a_normal_vector(seed, counts):
    # Independently: the joint normal of the mean trace m and of ybar_k = m_k + e, in precision form
    counts = np.sort(counts)[::-1]
    filter_, k = belief(seed), int((counts > 0).sum())
    ybar = np.random.default_rng(seed).normal(size=DAYS)
    noise = filter_.noise[:k, :k] / np.maximum.outer(counts[:k], counts[:k])
    inverse = np.linalg.inv
    precision = inverse(filter_.covariance)
    pull = precision @ filter_.mean
    if k:
        precision[:k, :k] += inverse(noise)
        pull[:k] += inverse(noise) @ ybar[:k]
    mean, square = filter_.posterior(counts, ybar)
    assert square == pytest.approx(inverse(precision), abs=1e-10)
    assert mean == pytest.approx(inverse(precision) @ pull, abs=1e-10)


def test_it_agrees_with_scipys_conditional_density():
    # log p(m, y) - log p(y) is the normal density with the mean and covariance of `posterior`
    from scipy.stats import multivariate_normal as normal

    filter_, k = belief(3), 4
    y = np.random.default_rng(1).normal(size=k)
    square = filter_.covariance
    joint = np.block([[square, square[:, :k]], [square[:k], (square + filter_.noise)[:k, :k]]])
    both = np.concatenate([filter_.mean, filter_.mean[:k]])
    mean, left = filter_.posterior([1] * k + [0] * (DAYS - k), [*y, 0, 0])
    for m in mean + np.random.default_rng(2).normal(size=(5, DAYS)):
        wanted = normal(both, joint).logpdf([*m, *y])
        wanted -= normal(filter_.mean[:k], joint[DAYS:, DAYS:]).logpdf(y)
        assert normal(mean, left).logpdf(m) == pytest.approx(wanted, abs=1e-10)


@given(st.integers(0, 1000))
def test_variance_never_rises(seed):
    filter_, rng = belief(seed), np.random.default_rng(seed)
    counts, last = np.zeros(DAYS), np.inf
    for day in range(DAYS):
        for _ in range(2):
            counts[: day + 1] += rng.integers(1, 5)
            variance = filter_.total(counts, rng.normal(size=DAYS))[1]
            assert variance <= last + 1e-9
            last = variance


def test_all_seen_without_noise_is_the_sum():
    y = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    for noise, off in ((1e-2, 0.5), (1e-5, 1e-3), (0.0, 1e-9)):
        mean, variance = belief(1, noise=noise).total(np.ones(DAYS), y)
        assert mean == pytest.approx(4.0, abs=off)
        assert variance < off


def test_priors_of_groups_come_back():
    # groups' means N(0.5, 0.04 (1 + same)), members' noise of variance 0.09, 3 days
    rng = np.random.default_rng(0)
    between = 0.04 * (np.eye(3) + 1.0)
    means = rng.multivariate_normal(np.full(3, 0.5), between, 800)
    groups = np.repeat(np.arange(800), 50)
    traces = means[groups] + 0.3 * rng.normal(size=(40_000, 3))
    found = TraceBelief.fit(traces, groups)
    assert found.mean == pytest.approx(means.mean(axis=0), abs=0.006)  # 4 sd of 40 000 members
    assert found.noise == pytest.approx(0.09 * np.eye(3), abs=0.003)
    # as in the source, the covariance of groups' means holds 1/50 of the members' noise
    wanted = np.cov(means.T) + 0.09 / 50 * np.eye(3)
    assert found.covariance == pytest.approx(wanted, abs=0.004)
    # by hand: two groups of two members, one day: means 1 and 4, covariance 4.5; within 2 and 2
    small = TraceBelief.fit([[0.0], [2.0], [3.0], [5.0]], np.array([7, 7, 9, 9]))
    assert (small.mean[0], small.covariance[0, 0], small.noise[0, 0]) == (2.5, 4.5, 2.0)


def test_the_belief_covers_the_truth_as_often_as_it_says():
    # 600 items, of each 12 listeners who came on different days, so that later days are seen by few
    filter_, rng = belief(7), np.random.default_rng(0)
    inside = 0
    for _ in range(600):
        truth = rng.multivariate_normal(filter_.mean, filter_.covariance)
        traces = rng.multivariate_normal(truth, filter_.noise, 12)
        shown = rng.integers(0, 5, 12)
        counts = (shown[:, None] > np.arange(DAYS)).sum(axis=0)
        seen = np.where(shown[:, None] > np.arange(DAYS), traces, 0.0).sum(axis=0)
        mean, variance = filter_.total(counts, seen / np.maximum(counts, 1))
        inside += abs(truth.sum() - mean) < 1.959964 * np.sqrt(variance)
    assert 549 <= inside <= 591  # 570, 4 sd of a binomial to either side


def test_a_batch_is_its_rows_and_json_comes_back():
    filter_, rng = belief(5), np.random.default_rng(0)
    traces, known = rng.random((20, DAYS)), rng.integers(0, DAYS + 1, 20)
    values = filter_.expected(traces, known)
    rows = [filter_.expected(traces[i : i + 1], known[i : i + 1])[0] for i in range(20)]
    assert np.array_equal(values, rows)
    for trace, k, value in zip(traces, known, values, strict=True):
        seen = np.arange(DAYS) < k
        assert value == pytest.approx(filter_.total(seen.astype(int), trace)[0], abs=1e-9)
    again = TraceBelief.from_dict(json.loads(json.dumps(filter_.to_dict())))
    assert again == filter_
    assert np.array_equal(again.expected(traces, known), values)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TraceBelief([0.0], [[1.0, 0.0]], [[0.0]]), "make it with TraceBelief.fit"),
        (lambda: TraceBelief([0.0], [[-1.0]], [[0.0]]), "no covariance"),
        (lambda: TraceBelief([np.nan], [[1.0]], [[0.0]]), "not finite"),
        (lambda: TraceBelief.fit(np.eye(3), np.arange(3)), "0 groups have two members"),
        (lambda: TraceBelief.of_users(np.ones((1, 3))), "two users or more"),
        (lambda: belief().posterior([1, 2, 0, 0, 0, 0], np.ones(6)), "counts rise"),
        (lambda: belief().posterior([1], [1.0]), "wanted \\(6,\\)"),
        (lambda: belief().expected(np.ones((2, 5)), [1, 1]), "wanted \\(users, 6\\)"),
        (lambda: TraceBelief.from_dict({"mean": [0.0]}), "a damaged belief"),
    ],
)
def test_what_is_no_belief_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


# Paid along a life.

SMALL = TraceBelief([0.6, 0.4, 0.4], [[0.24, 0.1, 0.1], [0.1, 0.24, 0.1], [0.1, 0.1, 0.24]],
                    np.zeros((3, 3)))  # fmt: skip


def visits(*rows):
    """Outcomes of (user, clock, gap)."""
    out = np.zeros(len(rows), OUTCOME)
    for row, (user, clock, gap) in zip(out, rows, strict=True):
        row["user"], row["clock"], row["gap"], row["fetches"] = user, clock, gap, 1
    return out


def test_payments_by_hand():
    # E[3 days | day 0] = 1 + 2 (0.4 + 0.1/0.24 (1 - 0.6)) = 2 + 2/15. User 1 comes again within
    # the day (0), then on day 2, so that day 1 is empty and all is known: 2 days. User 2 is lost.
    out = visits((1, 0.0, 5.0), (2, 1.0, np.inf), (1, 5.0, 44.0), (1, 49.0, 30.0))
    first = 1.0 + 2.0 * (0.4 + 0.1 / 0.24 * 0.4)
    assert progress(Step(out), SMALL) == pytest.approx([0.0, 1.0 - first, 2.0 - first, 0.0])


def cohort(n, mode=AutoresetMode.DISABLED, days=8.0, decision="fetch"):
    return Cohort(
        "AdLoad", n, scenario="bench", decision=decision, autoreset_mode=mode, threads=1,
        horizon_days=days,
    )  # fmt: skip


@pytest.mark.parametrize("decision", ["fetch", "session"])
def test_a_life_is_paid_its_days_and_a_log_says_the_same(decision):
    log = record(cohort(60, decision=decision), lambda obs: np.full(60, 21), seed=3)
    users, traces = traces_of(log, 8)
    filter_ = TraceBelief.of_users(traces)
    sums = per_user(log, progress(log, filter_))[1]
    start = filter_.expected(traces, np.ones(60, int))
    assert sums == pytest.approx(traces.sum(axis=1) - start, abs=1e-9)
    assert 1.0 < traces.sum(axis=1).mean() < 8.0
    paid = dict.fromkeys(users.tolist(), 0.0)
    env = progressive(cohort(60, decision=decision), filter_)
    env.reset(seed=3)
    while not env.unwrapped.over.all():
        _, reward, _, _, info = env.step(np.full(60, 21))
        assert info["reward_parts"][LABEL] is reward
        for user, pay in zip(env.unwrapped.outcomes["user"].tolist(), reward, strict=True):
            paid[user] += pay
    assert list(paid.values()) == pytest.approx(sums, abs=1e-9)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_lanes_that_go_on_pay_each_life_by_itself(mode):
    filter_ = belief(2)
    env = progressive(cohort(12, mode, decision="session"), filter_)
    env.reset(seed=5)
    paid, lived = {}, {}
    for _ in range(150):
        if mode == AutoresetMode.DISABLED and env.unwrapped.over.any():
            env.reset(options={"reset_mask": env.unwrapped.over})
        _, reward, *_ = env.step(np.full(12, 21))
        out = env.unwrapped.outcomes
        assert np.all(reward[out["fetches"] == 0] == 0.0)
        for row, pay in zip(out[out["fetches"] > 0], reward[out["fetches"] > 0], strict=True):
            paid[row["user"]] = paid.get(row["user"], 0.0) + pay
            lived.setdefault(row["user"], []).append(row.copy())
    whole = [rows for rows in lived.values() if np.isinf(rows[-1]["gap"])]
    assert len(lived) > 12 and whole
    for rows in lived.values():
        assert paid[rows[0]["user"]] == pytest.approx(progress(Step(np.array(rows)), filter_).sum())


def test_one_user_is_paid_like_the_same_user_among_many():
    filter_ = belief(4)
    many = progressive(cohort(5, decision="session"), filter_, weight=2.0)
    settings = {"scenario": "bench", "decision": "session", "horizon_days": 8.0}
    one = progressive(gym.make("longplay/AdLoad-v0", **settings), filter_, weight=2.0)
    many.reset(seed=4)
    one.reset(seed=4)
    for _ in range(200):
        _, rewards, *_ = many.step(np.full(5, 9))
        _, reward, ended, cut, info = one.step(9)
        assert reward == rewards[0] == info["reward_parts"][LABEL]
        if ended or cut:
            break
    assert ended or cut


def test_it_adds_to_another_reward():
    filter_ = belief(4)
    both = progressive(rewarded(cohort(9), Minutes()), filter_, weight=0.5, keep=True)
    alone = progressive(cohort(9), filter_)
    both.reset(seed=1)
    alone.reset(seed=1)
    for _ in range(30):
        _, reward, _, _, info = both.step(np.full(9, 9))
        _, pay, *_ = alone.step(np.full(9, 9))
        assert list(info["reward_parts"]) == ["minutes", LABEL]
        assert reward == pytest.approx(both.unwrapped.outcomes["minutes"] + 0.5 * pay)


@pytest.mark.extras
def test_an_sb3_vec_env_is_paid_alike():
    from longplay.agents.rl import CohortVecEnv

    filter_, mode = belief(4), AutoresetMode.SAME_STEP
    vec = progressive(CohortVecEnv(cohort(7, mode)), filter_)
    plain = progressive(cohort(7, mode), filter_)
    vec.seed(3)
    vec.reset()
    plain.reset(seed=3)
    total = 0.0
    for _ in range(40):
        _, ours, *_ = vec.step(np.full(7, 9))
        _, theirs, *_ = plain.step(np.full(7, 9))
        assert ours == pytest.approx(theirs, abs=1e-6)
        total += np.abs(ours).sum()
    assert total > 0


def test_what_cannot_be_paid_is_refused():
    with pytest.raises(ValueError, match="is about 6 days, the study lasts 3; give horizon_days"):
        progressive(cohort(2, days=3.0), belief())
    with pytest.raises(TypeError, match="is no belief; make one with TraceBelief.of_users"):
        progressive(cohort(2), Minutes())
    with pytest.raises(ValueError, match="weight=nan"):
        progressive(cohort(2), belief(), weight=np.nan)
    with pytest.raises(TypeError, match="reports no outcomes"):
        progressive(gym.make("CartPole-v1"), belief())
    with pytest.raises(TypeError, match="cannot be rewarded"):
        progressive(7, belief())
    log = record(cohort(4, days=2.0, decision="session"), lambda obs: np.full(4, 0), seed=1)
    with pytest.raises(ValueError, match=r"a trace of 6 days looks 6 days ahead, and the log ends"):
        traces_of(log, 6)
