"""The vector env: autoreset, Gymnasium's wrappers, clear refusals, no growth."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList, NormalizeObservation, RecordEpisodeStatistics

import longplay.envs  # noqa: F401  (registers the ids)
from longplay.envs.cohort import Cohort
from longplay.envs.scenarios import find_world
from longplay.envs.session import AdLoad, Feed
from longplay.envs.spaces import LAYOUTS

SHORT: dict[str, Any] = {"scenario": "bench", "horizon_days": 2.0}
KINDS: dict[str, dict[str, Any]] = {
    "AdLoad": {},
    "AdLoad session": {"decision": "session"},
    "Feed weights": {"candidates": 20},
    "Feed slate": {"candidates": 20, "action": "slate"},
    "Feed item": {"candidates": 20, "action": "item", "horizon_days": 0.2},
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def make(kind: str = "AdLoad", num_envs: int = 6, **more: Any) -> Cohort:
    settings = SHORT | {"threads": 1} | KINDS[kind] | more
    return Cohort(kind.split()[0], num_envs, **settings)


def action_of(cohort: Cohort, user: int, turn: int) -> Any:
    """What this user meets at this turn of their life, in whatever lane and mode."""
    rng = np.random.default_rng([user, turn])
    if isinstance(cohort.single_action_space, gym.spaces.Discrete):
        return rng.integers(cohort.single_action_space.n)
    if isinstance(cohort.single_action_space, gym.spaces.MultiDiscrete):
        return rng.integers(cohort.candidates, size=cohort.slate_size)
    return rng.uniform(-1, 1, cohort.single_action_space.shape).astype(np.float32)


def assert_same_records(one: np.ndarray, other: np.ndarray) -> None:
    """Field by field: the padding of records has no meaning."""
    for name in one.dtype.names or ():
        np.testing.assert_array_equal(one[name], other[name])


def lane_of(obs: Any, lane: int) -> Any:
    """One lane's observation, as bytes to compare."""
    if isinstance(obs, dict):
        return {name: part[lane].tobytes() for name, part in obs.items()}
    return obs[lane].tobytes()


def alone(obs: Any) -> Any:
    """One user's observation, likewise."""
    if isinstance(obs, dict):
        return {name: part.tobytes() for name, part in obs.items()}
    return obs.tobytes()


def lives_of(kind: str, mode: str, steps: int) -> dict[int, list[Any]]:
    """Every finished life: first observation, then (obs, reward, terminated, truncated) a turn."""
    cohort = make(kind, autoreset_mode=mode)
    n = cohort.num_envs
    obs, _ = cohort.reset(seed=7)
    open_lives = [[lane_of(obs, i)] for i in range(n)]
    who = cohort.users["user"].tolist()
    finished: dict[int, list[Any]] = {}
    over = np.zeros(n, bool)
    for _ in range(steps):
        turns = [len(life) - 1 for life in open_lives]
        actions = np.stack([action_of(cohort, who[i], turns[i]) for i in range(n)])
        if mode == "DISABLED" and over.any():
            obs, _ = cohort.reset(options={"reset_mask": over})
            for i in np.flatnonzero(over):
                open_lives[i] = [lane_of(obs, i)]
            who = cohort.users["user"].tolist()
            over[:] = False
            continue
        obs, reward, terminated, truncated, info = cohort.step(actions)
        resets = over if mode == "NEXT_STEP" else np.zeros(n, bool)
        over = terminated | truncated
        for i in range(n):
            if resets[i]:
                assert reward[i] == 0.0 and not over[i]
                assert cohort.outcomes["fetches"][i] == 0.0
                open_lives[i] = [lane_of(obs, i)]
                continue
            last = lane_of(obs, i)
            if mode == "SAME_STEP" and over[i]:
                assert info["_final_obs"][i]
                last = alone(info["final_obs"][i])
            open_lives[i].append((last, float(reward[i]), bool(terminated[i]), bool(truncated[i])))
            if over[i]:
                finished[who[i]] = open_lives[i]
                if mode == "SAME_STEP":
                    open_lives[i] = [lane_of(obs, i)]
        if mode == "SAME_STEP":
            assert "final_obs" in info or not over.any()
            over[:] = False
        who = cohort.users["user"].tolist()
    return finished


@EVERY_KIND
def test_autoreset_modes_tell_the_same_lives(kind: str) -> None:
    told = [lives_of(kind, mode, 90) for mode in ("SAME_STEP", "NEXT_STEP", "DISABLED")]
    common = set.intersection(*(set(lives) for lives in told))
    assert len(common) >= 10
    assert any(user >> 32 for user in common)  # later lives of a lane, too
    for user in common:
        assert told[0][user] == told[1][user] == told[2][user]
    ends = [life[-1][2:] for life in told[0].values()]
    assert (False, True) in ends  # the horizon is a truncation
    assert all(end in [(False, True), (True, False)] for end in ends)


def test_churn_is_a_termination() -> None:
    fickle = find_world("bench").replace("fickle", churn={"period": 0.2})
    cohort = make(scenario=fickle, num_envs=64, autoreset_mode="DISABLED", horizon_days=40.0)
    cohort.reset(seed=7)
    while not cohort.over.all():
        _, _, terminated, truncated, info = cohort.step(np.zeros(64, np.int64))
        gone = cohort.users["gone"] == 1
        np.testing.assert_array_equal(terminated, gone)
        np.testing.assert_array_equal(truncated, cohort.over & ~gone)
        lost = gone & (cohort.outcomes["fetches"] > 0)  # in this step
        assert np.isinf(info["gap_h"][lost]).all()
        assert (info["discount"][lost] == 0.0).all()
        assert np.isinf(cohort.outcomes["away"][lost]).all()
    assert terminated.mean() > 0.5


def test_frozen_lanes_stay_frozen() -> None:
    cohort = make(num_envs=16, autoreset_mode="DISABLED")
    cohort.reset(seed=7)
    while not cohort.over.any():
        cohort.step(np.ones(16, np.int64))
    frozen = np.flatnonzero(cohort.over)
    users, rows = cohort.users[frozen].copy(), cohort._rows[frozen].copy()
    for _ in range(5):
        obs, reward, terminated, truncated, _ = cohort.step(np.ones(16, np.int64))
        assert (reward[frozen] == 0.0).all()
        assert (cohort.outcomes["fetches"][frozen] == 0.0).all()
        assert (terminated | truncated)[frozen].all()
    assert_same_records(cohort.users[frozen], users)
    np.testing.assert_array_equal(obs[frozen], rows)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@EVERY_KIND
def test_autoreset_is_that_of_gymnasium(kind: str, mode: AutoresetMode) -> None:
    # Gymnasium's own vector env over single envs is an independent implementation.
    cohort = make(kind, 3, autoreset_mode=mode)
    env_class = {"AdLoad": AdLoad, "Feed": Feed}[cohort.task]
    single = SHORT | KINDS[kind]
    singles = SyncVectorEnv(
        [lambda i=i: env_class(first_user=i, **single) for i in range(3)],
        autoreset_mode=mode,
    )
    assert singles.single_observation_space == cohort.single_observation_space
    assert singles.single_action_space == cohort.single_action_space
    one, _ = cohort.reset(seed=7)
    other, _ = singles.reset(seed=[7, 7, 7])
    ended = 0
    cohort.action_space.seed(5)
    for _ in range(90):
        for lane in range(3):
            assert lane_of(one, lane) == lane_of(other, lane)
        actions = cohort.action_space.sample()
        one, *ours, info = cohort.step(actions)
        other, *theirs, their_info = singles.step(actions)
        for mine, his in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, his)
        np.testing.assert_array_equal(
            info.get("_final_obs", False), their_info.get("_final_obs", False)
        )
        for lane in np.flatnonzero(info.get("_final_obs", [])):
            assert alone(info["final_obs"][lane]) == alone(their_info["final_obs"][lane])
        ended += (ours[1] | ours[2]).sum()
    assert ended > 3


# Through Gymnasium.


@pytest.mark.parametrize("name", ["longplay/AdLoad-v0", "longplay/Feed-v0"])
@pytest.mark.parametrize("prefix", ["", "longplay.envs:"])
def test_make_vec_gives_the_native_cohort(name: str, prefix: str) -> None:
    envs = gym.make_vec(prefix + name, num_envs=5, scenario="bench", autoreset_mode="NEXT_STEP")
    assert isinstance(envs, Cohort)
    assert envs.task in name
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert envs.world is find_world("bench")
    mine = Cohort(envs.task, 5, scenario="bench")
    np.testing.assert_array_equal(envs.reset(seed=3)[0], mine.reset(seed=3)[0])
    envs.close()


def test_episode_statistics_are_sums_over_lives() -> None:
    cohort = make(num_envs=4, autoreset_mode="NEXT_STEP")
    envs = RecordEpisodeStatistics(cohort)
    envs.reset(seed=7)
    revenue: dict[int, list[float]] = {}
    told: dict[int, tuple[float, int]] = {}
    for _ in range(80):
        who = cohort.users["user"].copy()
        _, _, terminated, truncated, info = envs.step(envs.action_space.sample())
        for lane in np.flatnonzero(cohort.outcomes["fetches"] > 0):
            revenue.setdefault(who[lane], []).append(cohort.outcomes["revenue"][lane])
        for lane in np.flatnonzero(terminated | truncated):
            episode = info["episode"]
            told[who[lane]] = (episode["r"][lane], episode["l"][lane])
    assert len(told) > 4
    for user, (total, length) in told.items():
        assert length == len(revenue[user])
        assert total == pytest.approx(sum(revenue[user]), rel=1e-12)


def test_observations_can_be_normalised() -> None:
    cohort = make("Feed weights", 64, autoreset_mode="NEXT_STEP", horizon_days=9.0)
    envs = NormalizeObservation(cohort)
    obs, _ = envs.reset(seed=7)
    seen = []
    for _ in range(120):
        obs, *_ = envs.step(envs.action_space.sample())
        seen.append(obs)
    late = np.concatenate(seen[60:])
    assert np.isfinite(late).all()
    spread = late.std(axis=0)
    # Columns that vary at all end up near unit spread and zero mean.
    assert ((spread < 0.01) | ((spread > 0.5) & (spread < 2.0))).mean() > 0.9
    assert np.abs(late.mean(axis=0)).max() < 0.5


@EVERY_KIND
def test_infos_come_apart_into_one_dict_a_lane(kind: str) -> None:
    cohort = make(kind, autoreset_mode="SAME_STEP")
    envs = DictInfoToList(cohort)
    envs.reset(seed=7)
    finals = 0
    for _ in range(40):
        *_, terminated, truncated, infos = envs.step(envs.action_space.sample())
        gaps = [info["gap_h"] for info in infos]
        np.testing.assert_array_equal(gaps, cohort.outcomes["gap"])
        fatigue = [info["hidden"]["fatigue"] for info in infos]
        np.testing.assert_array_equal(fatigue, cohort.users["fatigue"])
        np.testing.assert_array_equal(["final_obs" in i for i in infos], terminated | truncated)
        finals += (terminated | truncated).sum()
    assert finals > 0


@EVERY_KIND
@pytest.mark.parametrize("mode", ["SAME_STEP", "NEXT_STEP", "DISABLED"])
def test_copies_are_the_callers_own(kind: str, mode: str) -> None:
    def parts(obs: Any) -> list[np.ndarray]:
        return list(obs.values()) if isinstance(obs, dict) else [obs]

    cohort = make(kind, autoreset_mode=mode)
    kept: list[tuple[np.ndarray, bytes]] = []
    obs, info = cohort.reset(seed=7)
    for _ in range(20):
        arrays = [*parts(obs), info["gap_h"], info["discount"]]
        for lane in np.flatnonzero(info.get("_final_obs", [])):
            arrays += parts(info["final_obs"][lane])
        kept += [(a, a.tobytes()) for a in arrays]
        obs, *ends, info = cohort.step(cohort.action_space.sample())
        kept += [(a, a.tobytes()) for a in ends]
    assert all(array.tobytes() == before for array, before in kept)


def test_buffers_on_request() -> None:
    thrifty, plain = make(copy=False), make()
    obs, _ = thrifty.reset(seed=7)
    plain.reset(seed=7)
    for _ in range(5):
        now, *_ = thrifty.step(np.ones(6, np.int64))
        wanted, *_ = plain.step(np.ones(6, np.int64))
        np.testing.assert_array_equal(now, wanted)
    assert np.shares_memory(obs, now)


# Refusals: what came, what was wanted, what to do.


def ready(kind: str = "AdLoad", **more: Any) -> Cohort:
    cohort = make(kind, 3, **more)
    cohort.reset(seed=7)
    return cohort


MASK = np.array([True, False, False])
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "scenario": (lambda: make(scenario="bnech"), ValueError, r"scenario='bnech'.*'bench'\?"),
    "far scenario": (
        lambda: make(scenario="zzz"),
        ValueError,
        r"'zzz'.*There are: music, short",
    ),
    "no scenario": (lambda: make(scenario=None), TypeError, r"scenario=None: wanted the name"),
    "task": (lambda: Cohort("adload"), ValueError, r"task='adload'.*'AdLoad'\?"),
    "no users": (lambda: make(num_envs=0), ValueError, r"num_envs=0: wanted at least 1"),
    "fewer users": (lambda: make(num_envs=-4), ValueError, r"num_envs=-4: wanted at least 1"),
    "half users": (lambda: make(num_envs=2.0), TypeError, r"num_envs=2.0: wanted a whole number"),
    "true users": (lambda: make(num_envs=True), TypeError, r"num_envs=True: wanted a whole"),
    "decision": (lambda: make(decision="sesion"), ValueError, r"'sesion'.*'session'\?"),
    "observe": (lambda: make(observe="all"), ValueError, r"observe='all'.*platform, oracle"),
    "interface": (lambda: make("Feed slate", action="slat"), ValueError, r"'slat'.*'slate'\?"),
    "AdLoad interface": (lambda: make(action="slate"), ValueError, r"AdLoad's action is a layout"),
    "held slate": (
        lambda: make("Feed slate", decision="session"),
        ValueError,
        r"only 'weights' can hold for a session",
    ),
    "autoreset": (lambda: make(autoreset_mode="LATER"), ValueError, r"'LATER'.*DISABLED"),
    "no horizon": (lambda: make(horizon_days=0), ValueError, r"horizon_days=0: wanted more"),
    "nan horizon": (lambda: make(horizon_days=float("nan")), ValueError, r"horizon_days=nan"),
    "named horizon": (lambda: make(horizon_days="7"), TypeError, r"horizon_days='7'"),
    "true horizon": (lambda: make(horizon_days=True), TypeError, r"horizon_days=True"),
    "first user": (lambda: make(first_user=-1), ValueError, r"first_user=-1: wanted 0"),
    "true first user": (lambda: make(first_user=True), TypeError, r"first_user=True"),
    "far first user": (lambda: make(first_user=1 << 32), ValueError, r"2\^32 - 1"),
    "threads": (lambda: make(threads=0), ValueError, r"threads=0: wanted at least 1"),
    "half threads": (lambda: make(threads=1.5), TypeError, r"threads=1.5: wanted a whole"),
    "candidates": (lambda: make("Feed slate", candidates=0), ValueError, r"candidates=0"),
    "true candidates": (lambda: make("Feed slate", candidates=True), TypeError, r"candidates=True"),
    "many candidates": (
        lambda: make("Feed slate", candidates=90_000),
        ValueError,
        r"candidates=90000: wanted at most 1000",
    ),
    "small catalogue": (
        lambda: make(
            "Feed slate", scenario=find_world("bench").replace("s", catalogue={"items": 320})
        ),
        ValueError,
        r"lists of 20 items.* smallest topic has 20: lower candidates or raise",
    ),
    "long slate": (
        lambda: make("Feed slate", slate_size=21),
        ValueError,
        r"slate_size=21 is larger than candidates=20",
    ),
    "render mode": (lambda: make(render_mode="human"), ValueError, r"'human'.*ansi, rgb_array"),
    "keyword": (lambda: make(senario="bench"), TypeError, r"unexpected keyword.*'senario'"),
    "seed": (lambda: make().reset(seed=-1), ValueError, r"seed=-1: wanted a whole number"),
    "half seed": (lambda: make().reset(seed=1.5), ValueError, r"seed=1.5: wanted a whole"),
    "true seed": (lambda: make().reset(seed=True), ValueError, r"seed=True: wanted a whole"),
    "few seeds": (lambda: make().reset(seed=[1, 2]), ValueError, r"seed=\[1, 2\] for 6 lanes"),
    "one bad seed": (lambda: make().reset(seed=[0, 1, 2, 3, 4, -5]), ValueError, r"seed=-5"),
    "odd seed": (lambda: make().reset(seed=np.array(5)), ValueError, r"seed=array\(5\)"),
    "option": (lambda: make().reset(options={"mask": 1}), ValueError, r"\['mask'\] are unknown"),
    "mask shape": (
        lambda: ready().reset(options={"reset_mask": np.ones(2, bool)}),
        ValueError,
        r"reset_mask must be bool of shape \(3,\)",
    ),
    "mask dtype": (
        lambda: ready().reset(options={"reset_mask": np.ones(3, int)}),
        ValueError,
        r"reset_mask must be bool of shape \(3,\)",
    ),
    "mask first": (
        lambda: make(num_envs=3).reset(seed=7, options={"reset_mask": MASK}),
        gym.error.ResetNeeded,
        r"never reset: reset all of them first",
    ),
    "users shape": (
        lambda: ready().reset(options={"users": [1, 2]}),
        ValueError,
        r"options\['users'\] must be 3 whole numbers",
    ),
    "users dtype": (
        lambda: ready().reset(options={"users": [1.0, 2.0, 3.0]}),
        ValueError,
        r"options\['users'\] must be 3 whole numbers",
    ),
    "users range": (
        lambda: ready().reset(options={"users": [1, 2, -3]}),
        ValueError,
        r"must lie in 0 \.\. 2\^48 - 1",
    ),
    "too early": (lambda: make().step(np.zeros(6, int)), gym.error.ResetNeeded, r"before reset"),
    "layout": (
        lambda: ready().step([0, 1, 22]),
        ValueError,
        r"layout=22 for user 2; AdLoad has 22 layouts, 0\.\.21\. Did you mean 21\?",
    ),
    "negative layout": (
        lambda: ready().step([0, -3, 22]),
        ValueError,
        r"layout=-3 for user 1; .*Did you mean 0\?",
    ),
    "half layout": (lambda: ready().step([0.0, 1.0, 2.0]), ValueError, r"dtype float64: wanted w"),
    "true layout": (lambda: ready().step([True] * 3), ValueError, r"dtype bool: wanted whole"),
    "few layouts": (lambda: ready().step([0, 1]), ValueError, r"shape \(2,\), wanted \(3,\)"),
    "tall layouts": (lambda: ready().step([[0], [1], [2]]), ValueError, r"wanted \(3,\)"),
    "ragged layouts": (lambda: ready().step([0, [1, 2], 3]), ValueError, r"wanted an array of sh"),
    "no layouts": (lambda: ready().step(None), ValueError, r"wanted \(3,\)"),
    "nan weights": (
        lambda: ready("Feed weights").step([[0.0] * 6, [np.nan] + [0.0] * 5, [0.0] * 6]),
        ValueError,
        r"weights=.*nan.* for user 1: wanted finite numbers",
    ),
    "few weights": (
        lambda: ready("Feed weights").step(np.zeros((3, 5))),
        ValueError,
        r"shape \(3, 5\), wanted \(3, 6\)",
    ),
    "named weights": (
        lambda: ready("Feed weights").step(np.full((3, 6), "a")),
        ValueError,
        r"weights have dtype <U1: wanted real numbers",
    ),
    "slate": (
        lambda: ready("Feed slate").step(np.full((3, 10), 20)),
        ValueError,
        r"slate=\[20, .*\] for user 0; there are 20 candidates, 0\.\.19",
    ),
    "short slate": (
        lambda: ready("Feed slate").step(np.zeros((3, 9), int)),
        ValueError,
        r"shape \(3, 9\), wanted \(3, 10\)",
    ),
    "half slate": (
        lambda: ready("Feed slate").step(np.zeros((3, 10))),
        ValueError,
        r"dtype float64: wanted whole numbers",
    ),
    "item": (
        lambda: ready("Feed item").step([0, 1, -1]),
        ValueError,
        r"item=-1 for user 2; there are 20 candidates",
    ),
    "state of fewer": (
        lambda: make(num_envs=3).restore(make(num_envs=2).state()),
        ValueError,
        r"shape \(2,\) where this cohort has \(3,\)",
    ),
    "state of another task": (
        lambda: make().restore(make("Feed weights").state()),
        ValueError,
        r"made with the same arguments",
    ),
    "state of another view": (
        lambda: make().restore(make(observe="oracle").state()),
        ValueError,
        r"made with the same arguments",
    ),
    "half a state": (
        lambda: make().restore({"users": make().users}),
        ValueError,
        r"restore\(\) takes what state\(\) gave",
    ),
    "no copies": (lambda: ready().fork(0), ValueError, r"copies=0: wanted at least 1"),
    "luck": (lambda: ready().fork(2, "frsh"), ValueError, r"luck='frsh'.*'fresh'\?"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments_are_refused_in_one_sentence(case: str) -> None:
    call, error, says = REFUSED[case]
    with pytest.raises(error, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_refused_action_changes_nothing() -> None:
    cohort, twin = ready("Feed slate"), ready("Feed slate")
    spoilt = np.zeros((3, 10), np.int64)
    spoilt[2, 5] = 99
    with pytest.raises(ValueError, match="slate="):
        cohort.step(spoilt)
    good = np.tile(np.arange(10), (3, 1))
    for mine, his in zip(cohort.step(good)[1:4], twin.step(good)[1:4], strict=True):
        np.testing.assert_array_equal(mine, his)
    assert_same_records(cohort.users, twin.users)


def test_memory_does_not_grow() -> None:
    # What one step leaves behind, if anything, it leaves 1,000 times in every round: a single float
    # a step would be 24 kB, one user's record 700 kB. Caches are filled once, in whatever round:
    # what counts is the round that grew least.
    cohort = make("Feed weights", 4, horizon_days=0.5, candidates=12)
    cohort.reset(seed=7)
    actions = [cohort.action_space.sample() for _ in range(10)]

    def live(steps: int) -> int:
        ends = 0
        for t in range(steps):
            _, _, terminated, truncated, _ = cohort.step(actions[t % 10])
            ends += int((terminated | truncated).sum())
        gc.collect()
        return ends

    live(20)
    tracemalloc.start()
    traced = []
    for _ in range(4):
        assert live(1000) > 100  # new lives among them
        traced.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert np.diff(traced).min() < 12_000


def test_every_layout_is_an_action() -> None:
    cohort = make(num_envs=len(LAYOUTS))
    cohort.reset(seed=7)
    cohort.step(np.arange(len(LAYOUTS)))
    np.testing.assert_array_equal(cohort.outcomes["ads"], [len(ads) for ads in LAYOUTS])


@pytest.mark.parametrize("mode", ["SAME_STEP", "NEXT_STEP", "DISABLED"])
def test_tables_of_candidates_are_their_holders_own(mode: str) -> None:
    # More than memory.LARGE, so that pages take turns; lives end and begin within the test.
    settings = {"scenario": "bench", "action": "slate", "candidates": 60, "horizon_days": 1.0}
    shown, buffered = (
        Cohort("Feed", 128, autoreset_mode=mode, copy=copy, threads=2, **settings)
        for copy in (True, False)
    )
    held, kept = [], []

    def look(obs: Any, other: Any) -> None:
        np.testing.assert_array_equal(obs["candidates"], other["candidates"])
        held.append(obs["candidates"])
        kept.append(obs["candidates"].copy())

    look(shown.reset(seed=3)[0], buffered.reset(seed=3)[0])
    over = 0
    for t in range(24):
        actions = (np.arange(10) * 5 + t + np.arange(128)[:, None]) % 60
        (obs, *ends, info), (other, *_, their_info) = shown.step(actions), buffered.step(actions)
        look(obs, other)
        over += int(np.sum(ends[1:]))
        for lane in np.flatnonzero(info.get("_final_obs", [])):
            for part in ("user", "candidates"):
                np.testing.assert_array_equal(
                    info["final_obs"][lane][part], their_info["final_obs"][lane][part]
                )
        if t == 11:
            state = shown.state()
        if t == 17:
            mask = {"reset_mask": np.arange(128) % 3 == 0}
            look(shown.reset(options=mask)[0], buffered.reset(options=mask)[0])
    assert over > 20
    shown.restore(state)
    assert all((one == other).all() for one, other in zip(held, kept, strict=True))
