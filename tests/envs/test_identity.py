"""Same users, same luck: the same lives to the last bit, however they are lived."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from longplay.envs.cohort import Cohort
from longplay.envs.session import AdLoad, Feed, Session

STEPS = 24
SETTINGS: dict[str, dict[str, Any]] = {
    "AdLoad fetch": {"task": "AdLoad"},
    "AdLoad session": {"task": "AdLoad", "decision": "session"},
    "Feed weights": {"task": "Feed", "action": "weights"},
    "Feed weights session": {"task": "Feed", "action": "weights", "decision": "session"},
    "Feed slate": {"task": "Feed", "action": "slate"},
    "Feed item": {"task": "Feed", "action": "item"},
}
BOTH_VIEWS = [
    pytest.param(settings | {"observe": observe}, id=f"{name} {observe}")
    for name, settings in SETTINGS.items()
    for observe in ("platform", "oracle")
]
EVERY_TASK = [pytest.param(settings, id=name) for name, settings in SETTINGS.items()]


def make(settings: dict[str, Any], num_envs: int, **more: Any) -> Cohort:
    """A cohort of short lives, so that many of them end and begin within a test."""
    task = settings.get("task", "AdLoad")
    small = {"scenario": "bench", "horizon_days": 2.0, "threads": 1}
    small |= {"candidates": 30} if task == "Feed" else {}
    return Cohort(num_envs=num_envs, **(small | settings | more))


def actions_of(cohort: Cohort, t: int) -> np.ndarray:
    """Actions that depend on who the user is and on the step, not on the lane."""
    who = cohort.users["user"] % 100_003
    if cohort.interface == "weights":
        return np.sin(np.outer(who, [0.7, 1.9, 0.3, 2.3, 1.1, 0.9]) + t).astype(np.float32)
    if cohort.interface == "slate":  # with some repeated choices
        steps = np.arange(cohort.slate_size)
        return (who[:, None] * 13 + t * 7 + steps * (3 + who[:, None] % 5)) % cohort.candidates
    if cohort.interface == "item":
        return (who * 31 + t * 11) % cohort.candidates
    return (who * 7 + t * 5) % 22


def parts_of(obs: Any) -> list[np.ndarray]:
    return [np.asarray(part) for part in (obs.values() if isinstance(obs, dict) else [obs])]


def take(lived: list[tuple[Any, ...]], lanes: Any) -> list[tuple[Any, ...]]:
    """The same log for some lanes only."""
    return [tuple(part[lanes] for part in step) for step in lived]


def live(cohort: Cohort, steps: int = STEPS, start: int = 0) -> list[tuple[Any, ...]]:
    """Step a cohort; per step its outcomes, slots, observation parts, rewards and ends."""
    log = []
    for t in range(start, start + steps):
        obs, reward, terminated, truncated, info = cohort.step(actions_of(cohort, t))
        gap = info["gap_h"]
        seen = parts_of(obs)
        ends = (reward, terminated, truncated, gap)
        log.append((cohort.outcomes.copy(), cohort.slots.copy(), *seen, *ends))
    return log


def flat(array: np.ndarray) -> dict[str, np.ndarray]:
    """A record array as plain arrays: padding bytes have no meaning."""
    if array.dtype.names is None:
        return {"": array}
    return {name: array[name] for name in array.dtype.names}


def assert_same(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> None:
    assert len(one) == len(other)
    for t, (a, b) in enumerate(zip(one, other, strict=True)):
        for x, y in zip(a, b, strict=True):
            fields, others = flat(x), flat(y)
            for name, values in fields.items():
                assert values.shape == others[name].shape
                assert values.tobytes() == others[name].tobytes(), f"step {t}: {name} differs"


def differs(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> bool:
    try:
        assert_same(one, other)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("settings", BOTH_VIEWS)
def test_cohort_size_and_threads_change_nothing(settings: dict[str, Any]) -> None:
    large = make(settings, 256)
    large.reset(seed=7)
    lived = live(large)
    # The lives of this test end and begin, and people do things in them.
    assert (large.users["user"] >> 32 > 0).any()
    assert sum(step[0]["plays"].sum() for step in lived) > 256

    threaded = make(settings, 256, threads=2)
    threaded.reset(seed=7)
    assert_same(lived, live(threaded))

    for first, size in ((37, 1), (100, 7), (100, 2)):
        small = make(settings, size, first_user=first, threads=min(size, 2))
        small.reset(seed=7)
        assert_same(take(lived, slice(first, first + size)), live(small))


@pytest.mark.parametrize("settings", EVERY_TASK)
def test_order_of_users_changes_nothing(settings: dict[str, Any]) -> None:
    n = 64
    straight = make(settings, n, autoreset_mode="DISABLED")
    straight.reset(seed=7)
    order = np.random.default_rng(1).permutation(n)
    shuffled = make(settings, n, autoreset_mode="DISABLED", threads=2)
    shuffled.reset(seed=7, options={"users": order})
    np.testing.assert_array_equal(shuffled.users["user"], order)
    assert_same(take(live(straight), order), live(shuffled))


def test_people_differ_by_number_and_by_seed() -> None:
    # What the other tests compare is not the same for everybody.
    cohort = make({}, 8)
    cohort.reset(seed=7)
    assert len({row.tobytes() for row in cohort.users["taste"]}) == 8
    before = cohort.users["taste"].copy()
    cohort.reset(seed=8)
    assert (cohort.users["taste"] != before).all()
    cohort.reset(seed=[7] * 4 + [8] * 4)
    np.testing.assert_array_equal((cohort.users["taste"] == before).all(axis=1), [1] * 4 + [0] * 4)


@pytest.mark.parametrize("settings", BOTH_VIEWS)
def test_single_env_lives_the_life_of_a_lane(settings: dict[str, Any]) -> None:
    cohort = make(settings, 5, autoreset_mode="NEXT_STEP")
    first, _ = cohort.reset(seed=7)
    lane = 3
    lived = take(live(cohort, 40), slice(lane, lane + 1))

    env_class: type[Session] = {"AdLoad": AdLoad, "Feed": Feed}[settings["task"]]
    few = {"candidates": 30} if settings["task"] == "Feed" else {}
    rest = {k: v for k, v in settings.items() if k != "task"} | few
    env = env_class(scenario="bench", horizon_days=2.0, first_user=lane, **rest)
    obs, _ = env.reset(seed=7)
    for mine, theirs in zip(parts_of(obs), parts_of(first), strict=True):
        np.testing.assert_array_equal(mine, theirs[lane])
    over, lives = False, 1
    for t, (outcomes, slots, *seen, reward, terminated, truncated, gap) in enumerate(lived):
        if over:  # NEXT_STEP spends this step on the reset
            obs, _ = env.reset()
            over = False
            lives += 1
            for mine, theirs in zip(parts_of(obs), seen, strict=True):
                np.testing.assert_array_equal(mine, theirs[0])
            continue
        action = actions_of(env.cohort, t)[0]
        obs, mine_reward, gone, ended, info = env.step(action)
        for mine, theirs in zip(parts_of(obs), seen, strict=True):
            assert mine.tobytes() == theirs[0].tobytes()
        assert flat(env.outcomes)["minutes"] == outcomes["minutes"]
        assert env.outcomes[0].item() == pytest.approx(outcomes[0].item(), rel=0, nan_ok=True)
        assert env.slots.tolist() == slots.tolist()
        assert (mine_reward, gone, ended) == (reward[0], terminated[0], truncated[0])
        assert info["gap_h"] == gap[0]
        over = gone or ended
    assert lives > 1


def by_pickle(cohort: Cohort) -> Cohort:
    return pickle.loads(pickle.dumps(cohort))


def by_deepcopy(cohort: Cohort) -> Cohort:
    return copy.deepcopy(cohort)


def by_restore(cohort: Cohort) -> Cohort:
    other = Cohort(**cohort.__getstate__()["settings"])
    other.restore(cohort.state())
    return other


def by_restore_after_detour(cohort: Cohort) -> Cohort:
    state = cohort.state()
    other = by_pickle(cohort)
    live(other, 5, 900)
    other.reset(seed=99)
    other.restore(state)
    return other


@pytest.mark.parametrize("again", [by_pickle, by_deepcopy, by_restore, by_restore_after_detour])
@pytest.mark.parametrize("settings", EVERY_TASK)
def test_life_goes_on_after_a_copy(
    settings: dict[str, Any], again: Callable[[Cohort], Cohort]
) -> None:
    cohort = make(settings, 12, autoreset_mode="NEXT_STEP", observe="oracle")
    cohort.reset(seed=7)
    live(cohort, 9)
    copied = again(cohort)
    for name in ("task", "decision", "view", "interface", "autoreset_mode", "horizon_days"):
        assert getattr(copied, name) == getattr(cohort, name)
    now = zip(parts_of(cohort._observation()), parts_of(copied._observation()), strict=True)
    assert all(mine.tobytes() == theirs.tobytes() for mine, theirs in now)
    after = live(copied, 15, 9)
    assert_same(live(cohort, 15, 9), after)  # and the copy took nothing away from the original


@pytest.mark.parametrize("env_class", [AdLoad, Feed])
def test_pickled_single_env_goes_on(env_class: type[Session]) -> None:
    env = env_class(scenario="bench")
    env.action_space.seed(3)
    env.reset(seed=7)
    actions = [env.action_space.sample() for _ in range(8)]
    for action in actions[:4]:
        env.step(action)
    twin = pickle.loads(pickle.dumps(env))
    for action in actions[4:]:
        one, other = env.step(action), twin.step(action)
        for mine, theirs in zip(parts_of(one[0]), parts_of(other[0]), strict=True):
            assert mine.tobytes() == theirs.tobytes()
        assert one[1:4] == other[1:4]


@pytest.mark.parametrize("settings", EVERY_TASK)
def test_forks_with_same_actions_live_the_same_life(settings: dict[str, Any]) -> None:
    cohort = make(settings, 9, autoreset_mode="DISABLED")
    cohort.reset(seed=7)
    live(cohort, 6)
    forks = cohort.fork(3)
    assert_same(take(live(cohort, 12, 6), np.repeat(np.arange(9), 3)), live(forks, 12, 6))


@pytest.mark.parametrize("settings", EVERY_TASK)
def test_fresh_luck_differs_between_forks_and_repeats_itself(settings: dict[str, Any]) -> None:
    cohort = make(settings, 9, autoreset_mode="DISABLED")
    cohort.reset(seed=7)
    live(cohort, 6)
    lived = live(cohort.fork(3, "fresh"), 12, 6)
    assert_same(lived, live(cohort.fork(3, "fresh"), 12, 6))
    forks = [take(lived, slice(j, None, 3)) for j in range(3)]
    real = live(cohort, 12, 6)
    assert all(differs(one, other) for one in forks for other in (*forks, real) if one is not other)
    # A fork of a fork has luck of its own too.
    second = cohort.fork(2, "fresh").fork(2, "fresh")
    assert len(np.unique(second.users["luck"])) == 4


def test_forks_share_luck_until_their_actions_matter() -> None:
    # No layout shows an ad at position 1: what happens there is the same under all of them, and
    # under two that first differ at position p, everything above p is.
    cohort = make({}, 40)
    cohort.reset(seed=7)
    live(cohort, 5)
    forks = cohort.fork(22)
    forks.step(np.tile(np.arange(22), 40))
    slots = forks.slots.reshape(40, 22, 10)
    start = slots[:, :, 0]
    assert all((flat(start)[f] == flat(start)[f][:, :1]).all() for f in start.dtype.names)
    none, ten = slots[:, 0, :9], slots[:, 6, :9]  # no ad, and one at position 10
    assert none.tolist() == ten.tolist()
    assert (flat(slots)["shows"][:, 6, 9] == -1).all()
    assert slots[:, 1].tolist() != slots[:, 0].tolist()  # and from position 2 on they part


def test_forks_of_a_feed_share_luck_until_their_slates_differ() -> None:
    cohort = make({"task": "Feed", "action": "slate"}, 40)
    cohort.reset(seed=7)
    live(cohort, 5)
    forks = cohort.fork(2)
    slates = np.tile(np.arange(10), (80, 1))
    slates[1::2, 4:] = np.arange(20, 26)
    forks.step(slates)
    one, other = forks.slots[0::2], forks.slots[1::2]
    assert one[:, :4].tolist() == other[:, :4].tolist()
    reached = one["seen"][:, 4] == 1
    assert reached.any()
    assert (one["shows"][:, 4] != other["shows"][:, 4]).all()


@pytest.mark.parametrize("mode", ["SAME_STEP", "NEXT_STEP"])
def test_next_person_of_a_lane_does_not_depend_on_other_lanes(mode: str) -> None:
    def people(others: int) -> list[Any]:
        cohort = make({}, 6, autoreset_mode=mode)
        cohort.reset(seed=7)
        lived = []
        for t in range(60):
            actions = actions_of(cohort, t)
            actions[[0, 1, 3, 4, 5]] = (actions[[0, 1, 3, 4, 5]] + others) % 22
            cohort.step(actions)
            lived.append((cohort.outcomes[2].item(), cohort.users["taste"][2].tobytes()))
        assert cohort.users["user"][2] == 2 + (cohort._lives[2] << 32)
        assert cohort._lives[2] >= 2
        return [repr(one) for one in lived]

    assert people(0) == people(9)


def test_reset_without_seed_goes_on_to_the_next_person() -> None:
    cohort = make({}, 4)
    cohort.reset(seed=7)
    cohort.reset()
    np.testing.assert_array_equal(cohort.users["user"], np.arange(4) + (1 << 32))
    later = cohort.users["taste"].copy()
    cohort.reset(seed=7)
    np.testing.assert_array_equal(cohort.users["user"], np.arange(4))
    cohort.reset(options={"reset_mask": np.array([True, False, True, False])})
    np.testing.assert_array_equal(cohort.users["user"] >> 32, [1, 0, 1, 0])
    np.testing.assert_array_equal(cohort.users["taste"][[0, 2]], later[[0, 2]])


def test_unseeded_cohorts_meet_different_people() -> None:
    one, other = make({}, 2), make({}, 2)
    one.reset()
    other.reset()
    assert (one.users["taste"] != other.users["taste"]).any()
