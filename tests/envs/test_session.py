"""One user as a gymnasium.Env."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import longplay.envs  # noqa: F401  (registers the ids)
from longplay.envs.session import AdLoad, Feed, Session
from longplay.envs.state import HIDDEN, LAYOUTS

IDS = ("longplay/AdLoad-v0", "longplay/Feed-v0")


def live_until_over(env: gym.Env[Any, Any], turns: int = 100_000) -> dict[str, Any]:
    """Act at random to the end of a life; what came of it."""
    told: dict[str, Any] = {"rewards": [], "clocks": [], "infos": []}
    for _ in range(turns):
        told["obs"], reward, gone, ended, info = env.step(env.action_space.sample())
        told["rewards"].append(reward)
        told["infos"].append(info)
        told["clocks"].append(float(env.unwrapped.outcomes["clock"][0]))
        if gone or ended:
            return told | {"gone": gone, "ended": ended}
    raise AssertionError("a life without end")


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("prefix", ["", "longplay.envs:"])
def test_gym_make(name: str, prefix: str) -> None:
    env = gym.make(prefix + name, scenario="bench", horizon_days=3.0)
    assert isinstance(env.unwrapped, {"AdLoad": AdLoad, "Feed": Feed}[name[9:-3]])
    assert env.spec is not None and env.spec.id == name
    env.action_space.seed(3)
    env.reset(seed=7)
    told = live_until_over(env)
    assert told["gone"] != told["ended"]
    env.close()


def test_a_life_from_end_to_end() -> None:
    env = AdLoad(scenario="bench", horizon_days=9.0)
    env.action_space.seed(1)
    env.reset(seed=7)
    ends, total = [], 0.0
    for _ in range(12):
        told = live_until_over(env)
        assert told["gone"] != told["ended"]
        ends.append(told["ended"])
        gaps = [info["gap_h"] for info in told["infos"]]
        # The gap leads from one decision to the next, and the last beyond the horizon or away.
        np.testing.assert_allclose(np.diff(told["clocks"]), gaps[:-1], atol=1e-9)
        last = told["clocks"][-1] + gaps[-1]
        assert np.isinf(last) if told["gone"] else last >= 9.0 * 24.0
        assert min(told["clocks"]) >= 0.0 and max(told["clocks"]) < 9.0 * 24.0
        total += sum(told["rewards"])
        with pytest.raises(gym.error.ResetNeeded, match="this life is over: call reset"):
            env.step(0)
        env.reset()
    assert any(ends) and total > 0.0


@pytest.mark.parametrize(("env_class", "field"), [(AdLoad, "revenue"), (Feed, "minutes")])
def test_default_rewards(env_class: type[Session], field: str) -> None:
    env = env_class(scenario="bench")
    env.action_space.seed(1)
    env.reset(seed=7)
    total = 0.0
    for _ in range(20):
        _, reward, *_ = env.step(env.action_space.sample())
        assert type(reward) is float
        assert reward == env.outcomes[field][0]
        total += reward
    assert total > 0.0


def test_what_a_step_returns_is_the_callers_own() -> None:
    env = Feed(scenario="bench", action="slate")
    obs, info = env.reset(seed=7)
    kept = [(part, part.copy()) for part in obs.values()]
    kept.append((info["hidden"]["satiation"], info["hidden"]["satiation"].copy()))
    for _ in range(10):
        env.step(env.action_space.sample())
    for now, then in kept:
        np.testing.assert_array_equal(now, then)


def test_info_tells_gap_discount_and_hidden_state() -> None:
    env = AdLoad(scenario="bench")
    env.reset(seed=7)
    for _ in range(12):
        _, _, gone, ended, info = env.step(13)
        assert set(info) == {"gap_h", "discount", "hidden"}
        assert set(info["hidden"]) == set(HIDDEN)
        for name in ("fatigue", "satisfaction", "ad_memory"):
            assert info["hidden"][name] == env.cohort.users[name][0]
        gamma = env.cohort.world.gamma_day
        assert info["discount"] == pytest.approx(gamma ** (info["gap_h"] / 24.0), rel=1e-12)
        if gone or ended:
            break


def test_people_are_met_by_number() -> None:
    env = AdLoad(scenario="bench", first_user=5)
    env.reset(seed=7)
    fifth = env.cohort.users["taste"][0].copy()
    other = AdLoad(scenario="bench")
    other.reset(seed=7, options={"users": [5]})
    np.testing.assert_array_equal(other.cohort.users["taste"][0], fifth)
    other.reset(seed=7)
    assert (other.cohort.users["taste"][0] != fifth).any()


def test_seeding_twice_repeats_and_reset_goes_on() -> None:
    env = Feed(scenario="bench")
    first, _ = env.reset(seed=7)
    second, _ = env.reset()
    again, _ = env.reset(seed=7)
    assert (first != second).any()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(second, env.reset()[0])


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "crowd": (lambda: AdLoad(num_envs=3), TypeError, "num_envs belongs to a cohort"),
    "autoreset": (lambda: Feed(autoreset_mode="SAME_STEP"), TypeError, "autoreset_mode belongs"),
    "task": (lambda: Feed(task="AdLoad"), TypeError, "task belongs to a cohort"),
    "keyword": (lambda: AdLoad(scenrio="bench"), TypeError, "unexpected keyword.*'scenrio'"),
    "scenario": (lambda: gym.make(IDS[0], scenario="bnech"), ValueError, r"'bnech'.*'bench'\?"),
    "step first": (lambda: AdLoad().step(0), gym.error.ResetNeeded, r"step\(\) came before reset"),
    "negative seed": (lambda: AdLoad().reset(seed=-1), gym.error.Error, "greater or equal to zero"),
    "half seed": (lambda: AdLoad().reset(seed=1.5), gym.error.Error, "must be a python integer"),
    "true seed": (lambda: AdLoad().reset(seed=True), ValueError, "seed=True: wanted a whole"),
    "option": (lambda: AdLoad().reset(options={"foo": 1}), ValueError, r"\['foo'\] are unknown"),
    "layout": (
        lambda: ready().step(len(LAYOUTS)),
        ValueError,
        r"layout=22 for user 0; .* Did you mean 21\?",
    ),
    "half layout": (lambda: ready().step(1.0), ValueError, "dtype float64: wanted whole numbers"),
    "true layout": (lambda: ready().step(True), ValueError, "dtype bool: wanted whole numbers"),
    "array layout": (lambda: ready().step([1]), ValueError, r"shape \(1, 1\), wanted \(1,\)"),
    "weights": (
        lambda: ready(Feed).step(np.zeros(5)),
        ValueError,
        r"shape \(1, 5\), wanted \(1, 6\)",
    ),
    "nan weights": (
        lambda: ready(Feed).step(np.full(6, np.nan)),
        ValueError,
        "for user 0: wanted finite numbers",
    ),
}


def ready(env_class: type[Session] = AdLoad) -> Session:
    env = env_class(scenario="bench")
    env.reset(seed=7)
    return env


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments_are_refused(case: str) -> None:
    call, error, says = REFUSED[case]
    with pytest.raises(error, match=says):
        call()
