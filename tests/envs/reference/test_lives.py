"""What the reference worlds share: the same lives however they are lived, and clear refusals."""

import copy
import pickle
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import longplay.envs  # noqa: F401  (registers the ids)
from longplay.envs.lanes import seen_after
from longplay.envs.reference.base import ReferenceCohort

WORLDS: dict[str, dict[str, Any]] = {
    "Tiny": {},
    "ChocKale": {"sensitivity": 0.3},
    "InterestEvolution": {"observe_budget": True},
}
EVERY = pytest.mark.parametrize("world", list(WORLDS))
STEPS = 130  # at least one life of each world ends


def make(world: str, num_envs: int, **more: Any) -> ReferenceCohort:
    made = gym.make_vec(f"longplay/{world}-v0", num_envs=num_envs, **(WORLDS[world] | more))
    assert isinstance(made, ReferenceCohort)
    return made


def single(world: str, **more: Any) -> Any:
    return gym.make(f"longplay/{world}-v0", **(WORLDS[world] | more)).unwrapped


def actions_of(cohort: ReferenceCohort) -> np.ndarray:
    """Actions that depend on who the user is and on the step, not on the lane."""
    who, step = cohort.users["user"] % 100_003, cohort.users["step"]
    space = cohort.single_action_space
    if isinstance(space, gym.spaces.MultiDiscrete):  # with some repeated choices
        columns = np.arange(len(space.nvec))
        return (who[:, None] * 13 + step[:, None] * 7 + columns * (3 + who[:, None] % 5)) % 10
    assert isinstance(space, gym.spaces.Discrete)
    return (who * 31 + step * 11) % space.n


def parts_of(obs: Any) -> list[np.ndarray]:
    return [np.asarray(part) for part in (obs.values() if isinstance(obs, dict) else [obs])]


Life = list[tuple[Any, ...]]


def lives_of(cohort: ReferenceCohort, seed: int = 3, steps: int = STEPS) -> dict[int, Life]:
    """What each person lived through: actions, observations, rewards, ends, discounts."""
    lives: dict[int, Life] = {}
    cohort.reset(seed=seed)
    mode = cohort.autoreset_mode
    for _ in range(steps):
        frozen = cohort.users["over"].astype(bool)
        who, acts = cohort.users["user"].copy(), actions_of(cohort)
        obs, reward, over, cut, info = cohort.step(acts)
        assert not cut.any()
        seen = seen_after(obs, info)
        assert ("final_obs" in info) == (mode == AutoresetMode.SAME_STEP and over.any())
        if "final_obs" in info:
            np.testing.assert_array_equal(info["_final_obs"], over)
            np.testing.assert_array_equal([last is None for last in info["final_obs"]], ~over)
        for i in np.flatnonzero(~frozen):
            row = tuple(part[i].tobytes() for part in parts_of(seen))
            told = (acts[i].tobytes(), *row, reward[i], bool(over[i]), info["discount"][i])
            lives.setdefault(int(who[i]), []).append(told)
        if frozen.any():
            assert (reward[frozen] == 0.0).all()
        if mode == AutoresetMode.DISABLED and over.any():
            cohort.reset(options={"reset_mask": over})
    return lives


def assert_same(one: dict[int, Life], other: dict[int, Life], finished: int) -> None:
    """The lives told by both agree, as far as both were watched."""
    shared = sorted(set(one) & set(other))
    assert len(shared) >= finished
    ended = 0
    for user in shared:
        n = min(len(one[user]), len(other[user]))
        assert one[user][:n] == other[user][:n]
        ended += one[user][n - 1][-2]
    assert ended >= finished


@EVERY
def test_lives_do_not_depend_on_the_batch(world: str) -> None:
    many = lives_of(make(world, 7))
    few = {}
    for i in range(7):
        few |= lives_of(make(world, 1, first_user=i))
    assert set(many) == set(few)
    assert_same(many, few, finished=7)


@EVERY
def test_autoreset_modes_tell_the_same_lives(world: str) -> None:
    told = {mode.name: lives_of(make(world, 5, autoreset_mode=mode)) for mode in AutoresetMode}
    assert_same(told["SAME_STEP"], told["NEXT_STEP"], finished=5)
    assert_same(told["SAME_STEP"], told["DISABLED"], finished=5)


@EVERY
def test_single_env_lives_the_life_of_a_lane(world: str) -> None:
    env, cohort = single(world, first_user=2), make(world, 4, autoreset_mode="DISABLED")
    seen, told = env.reset(seed=3)
    every, infos = cohort.reset(seed=3)
    for life in range(2):
        gone = False
        while not gone:
            for mine, ours in zip(parts_of(seen), parts_of(every), strict=True):
                np.testing.assert_array_equal(mine, ours[2])
            acts = actions_of(cohort)
            seen, reward, gone, cut, told = env.step(acts[2])
            every, rewards, over, _, infos = cohort.step(acts)
            assert (reward, gone, cut) == (rewards[2], over[2], False)
            assert told["discount"] == infos["discount"][2] == (0.0 if gone else told["discount"])
            for name, value in told.get("hidden", {}).items():
                assert value == infos["hidden"][name][2]
        with pytest.raises(gym.error.ResetNeeded, match="this life is over: call reset"):
            env.step(acts[2])
        seen, _ = env.reset()
        every, _ = cohort.reset(options={"reset_mask": np.arange(4) == 2})
        assert cohort.users["user"][2] == 2 + ((life + 1) << 32)


@EVERY
def test_observations_lie_in_their_space(world: str) -> None:
    cohort = make(world, 50)
    obs, _ = cohort.reset(seed=1)
    for _ in range(100):
        assert cohort.observation_space.contains(obs)
        obs, *_, info = cohort.step(actions_of(cohort))
        for last in info.get("final_obs", []):
            assert last is None or cohort.single_observation_space.contains(last)


@EVERY
def test_next_step_resets_a_lane_without_acting(world: str) -> None:
    cohort = make(world, 6, autoreset_mode="NEXT_STEP")
    cohort.reset(seed=1)
    waiting, births = np.zeros(6, bool), 0
    for _ in range(STEPS):
        _, reward, over, *_ = cohort.step(actions_of(cohort))
        assert (reward[waiting] == 0.0).all() and not over[waiting].any()
        assert (cohort.users["step"][waiting] == 0).all()
        births += waiting.sum()
        waiting = over
    assert births > 3


@EVERY
def test_seeds_and_first_users_tell_people_apart(world: str) -> None:
    one, _ = make(world, 8).reset(seed=1)
    other, _ = make(world, 8).reset(seed=2)
    later, _ = make(world, 6, first_user=2).reset(seed=1)
    assert any((a != b).any() for a, b in zip(parts_of(one), parts_of(other), strict=True))
    for a, b in zip(parts_of(one), parts_of(later), strict=True):
        np.testing.assert_array_equal(a[2:], b)
    named, _ = make(world, 2).reset(seed=1, options={"users": np.array([5, 0])})
    for a, b in zip(parts_of(one), parts_of(named), strict=True):
        np.testing.assert_array_equal(a[[5, 0]], b)


@EVERY
def test_what_was_handed_out_stays_as_it_was(world: str) -> None:
    cohort = make(world, 5)
    obs, _ = cohort.reset(seed=1)
    for _ in range(70):
        kept = copy.deepcopy(obs)
        after, reward, *_ = cohort.step(actions_of(cohort))
        for now, then in zip(parts_of(obs), parts_of(kept), strict=True):
            np.testing.assert_array_equal(now, then)
        assert not any(np.shares_memory(reward, cohort.outcomes[f]) for f in ("reward", "discount"))
        obs = after


@EVERY
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_a_copy_goes_on_alike(world: str, clone: Any) -> None:
    cohort = make(world, 5)
    cohort.reset(seed=1)
    for _ in range(20):
        cohort.step(actions_of(cohort))
    twin = clone(cohort)
    for _ in range(20):
        one, other = cohort.step(actions_of(cohort)), twin.step(actions_of(twin))
        for a, b in zip(parts_of(one[0]), parts_of(other[0]), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(one[1], other[1])


@EVERY
def test_compiled_and_plain_python_live_the_same_lives(world: str) -> None:
    def lived(plain: bool) -> list[np.ndarray]:
        cohort = make(world, 6, autoreset_mode="DISABLED")
        file = sys.modules[type(cohort).__module__]
        with pytest.MonkeyPatch.context() as patch:
            if plain:
                cohort.users = cohort.users.view(np.recarray)
                cohort.outcomes = cohort.outcomes.view(np.recarray)
                for loop in ("admit", "offer", "advance"):
                    if hasattr(file, loop):
                        patch.setattr(file, loop, getattr(file, loop).py_func)
            obs, _ = cohort.reset(seed=9)
            told = parts_of(obs)
            for _ in range(12):
                obs, reward, *_ = cohort.step(actions_of(cohort))
                told += [*parts_of(obs), reward]
        return told

    for compiled, plain in zip(lived(False), lived(True), strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-6)


# Refusals.


@EVERY
def test_a_wrong_action_is_refused_in_a_sentence(world: str) -> None:
    cohort = make(world, 3)
    with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(seed=...\) first"):
        cohort.step(actions_of(cohort))
    cohort.reset(seed=1)
    right = actions_of(cohort)
    most = 3 if world == "Tiny" else 9
    for wrong in (-1, most + 1):
        acts = right.copy()
        acts.reshape(3, -1)[1, -1] = wrong
        with pytest.raises(ValueError, match=rf"={wrong} for user 1: wanted 0\.\.{most}\.$"):
            cohort.step(acts)
    with pytest.raises(ValueError, match="wanted whole numbers"):
        cohort.step(right.astype(float))
    with pytest.raises(ValueError, match=r"actions have shape .* one row a user"):
        cohort.step(right[:2])
    assert (cohort.users["step"] == 0).all()  # nobody lived through a refused step


@EVERY
def test_words_of_a_crowd_are_refused_by_a_single_env(world: str) -> None:
    for word in ("num_envs", "autoreset_mode"):
        with pytest.raises(TypeError, match=f"{word} belongs to a cohort of many users"):
            single(world, **{word: 1})
    with pytest.raises(ValueError, match="render_mode='ansi': this world is not drawn"):
        type(single(world))(render_mode="ansi")


@pytest.mark.parametrize(
    ("world", "wrong", "told"),
    [
        ("Tiny", {"first_user": -1}, "first_user=-1: wanted 0"),
        ("Tiny", {"autoreset_mode": "never"}, "autoreset_mode='never' is not offered"),
        ("ChocKale", {"sensitivity": -0.1}, "sensitivity=-0.1: wanted a finite number"),
        ("ChocKale", {"sensitivity": float("nan")}, "sensitivity=nan: wanted a finite number"),
        ("ChocKale", {"clickbait": (0.0, 1.5)}, "wanted numbers in 0..1, one a candidate"),
        ("ChocKale", {"clickbait": ()}, "wanted numbers in 0..1, one a candidate"),
        ("ChocKale", {"clickbait": "sweet"}, "wanted numbers in 0..1, one a candidate"),
        ("ChocKale", {"candidates": 0}, "candidates=0: wanted at least 1"),
        ("InterestEvolution", {"candidates": 2}, "slate_size=3 is larger than candidates=2"),
        ("InterestEvolution", {"candidates": 1001}, "candidates=1001: wanted at most 1000"),
    ],
)
def test_a_wrong_argument_is_refused_in_a_sentence(
    world: str, wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        make(world, 2, **wrong)


def test_a_sensitivity_that_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match="sensitivity='high': wanted a number"):
        make("ChocKale", 2, sensitivity="high")
