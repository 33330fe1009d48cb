"""What RLlib's own env runners make of a cohort: every life whole, with an end of its own."""

from collections import defaultdict
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("ray")

from gymnasium.vector import AutoresetMode
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.rllib.utils.replay_buffers.episode_replay_buffer import EpisodeReplayBuffer

from longplay.agents.rl._rllib_env import DISCOUNT, People, flat, random_returns
from longplay.envs.cohort import Cohort
from longplay.rewards import Minutes, rewarded

pytestmark = [pytest.mark.extras, pytest.mark.filterwarnings("ignore")]  # RLlib's own

LANES, SEED = 24, 5
WORLDS: dict[str, dict[str, Any]] = {
    "visits": {"task": "AdLoad", "decision": "session", "horizon_days": 3.0},
    "fetches": {"task": "AdLoad", "decision": "fetch", "horizon_days": 0.5},
    "weights": {"task": "Feed", "action": "weights", "horizon_days": 1.0},
    "slates": {"task": "Feed", "action": "slate", "horizon_days": 1.0, "slate_size": 3},
}


def maker(**settings: Any) -> Any:
    def make(num_envs: int, **overrides: Any) -> Cohort:
        base = {"scenario": "bench", "threads": 1}
        if settings["task"] == "Feed":
            base["candidates"] = 12
        return Cohort(num_envs=num_envs, **{**base, **settings, **overrides})

    return make


class WhoIsWhere(RLlibCallback):
    """Remembers of which lane an episode is, and which life there."""

    seen: dict[str, tuple[int, int]] = {}
    lives: dict[int, int] = {}

    def on_episode_created(self, *, episode: Any, env_index: int, **kwargs: Any) -> None:
        life = self.lives.get(env_index, 0)
        self.seen[episode.id_] = (env_index, life)
        self.lives[env_index] = life + 1


def sampled(env: Any, samples: int, steps: int) -> dict[tuple[int, int], list[Any]]:
    """Pieces of every life, in order, by lane and life, from an RLlib env runner."""
    WhoIsWhere.seen, WhoIsWhere.lives = {}, {}
    config = PPOConfig().environment(env=lambda asked: env(asked["num_envs"]))
    config.env_runners(
        num_env_runners=0,
        num_envs_per_env_runner=LANES,
        gym_env_vectorize_mode="vector_entry_point",
    ).callbacks(WhoIsWhere)
    runner = SingleAgentEnvRunner(config=config, worker_index=0)
    runner.env.action_space.seed(0)
    pieces = defaultdict(list)
    for _ in range(samples):
        for piece in runner.sample(num_timesteps=steps, random_actions=True):
            pieces[WhoIsWhere.seen[piece.id_]].append(piece)
    runner.stop()
    return pieces


def joined(pieces: list[Any]) -> dict[str, Any]:
    """One life: observations (n + 1, ...), actions, rewards, discounts (n, ...)."""
    last = pieces[-1]
    first = pieces[0].get_observations(0)[None]
    told = [np.asarray(piece.get_observations(slice(1, None))) for piece in pieces]
    infos = [info for piece in pieces for info in piece.get_infos(slice(1, None))]
    return {
        "obs": np.concatenate([first, *told]),
        "actions": np.concatenate([np.asarray(piece.get_actions()) for piece in pieces]),
        "rewards": np.concatenate([np.asarray(piece.get_rewards()) for piece in pieces]),
        "discounts": np.array([info[DISCOUNT] for info in infos]),
        "ends": (bool(last.is_terminated), bool(last.is_truncated)),
    }


def lived(make: Any, lane: int, life: int, actions: Any) -> dict[str, Any]:
    """The same person, alone, without any autoreset, treated the same."""
    alone = make(1, autoreset_mode="Disabled")
    obs, _ = alone.reset(seed=SEED, options={"users": [lane + (life << 32)]})
    seen, rewards, discounts, ends = [flat(obs)[0]], [], [], (False, False)
    for action in actions:
        assert ends == (False, False)  # nobody acts on after the end
        obs, reward, terminated, truncated, info = alone.step(np.asarray(action)[None])
        seen.append(flat(obs)[0])
        rewards.append(float(reward[0]))
        discounts.append(float(info["discount"][0]))
        ends = bool(terminated[0]), bool(truncated[0])
    told = {"obs": np.array(seen), "rewards": np.array(rewards), "discounts": np.array(discounts)}
    return {**told, "ends": ends}


@pytest.mark.parametrize("world", WORLDS)
def test_every_life_is_whole_and_ends_where_it_ended(world: str) -> None:
    make = maker(**WORLDS[world])
    lives = sampled(lambda n: People(make, n, seed=SEED), samples=3, steps=LANES * 25)
    ends = defaultdict(int)
    for (lane, life), pieces in lives.items():
        told = joined(pieces)
        wanted = lived(make, lane, life, told["actions"])
        assert len(told["obs"]) == len(told["rewards"]) + 1
        for key in ("obs", "rewards", "discounts"):
            np.testing.assert_array_equal(told[key], wanted[key])
        assert told["ends"] == wanted["ends"]
        ends[told["ends"]] += 1
    # the lives of a lane follow each other without a gap, and all but its last one are over
    assert {lane for lane, _ in lives} == set(range(LANES))
    for lane in range(LANES):
        numbers = sorted(life for at, life in lives if at == lane)
        assert numbers == list(range(len(numbers)))
    assert ends[(False, False)] <= LANES
    assert ends[(False, True)] + ends[(True, False)] > 10
    if world in ("visits", "fetches"):
        assert ends[(True, False)] > 0
        assert ends[(False, True)] > 0
    # every decision asked for is there once
    assert sum(len(joined(p)["rewards"]) for p in lives.values()) >= 3 * LANES * 25


def test_same_step_would_have_put_the_next_user_at_the_end() -> None:
    """The check above is no formality: RLlib's runner takes SAME_STEP without a word."""
    make = maker(**WORLDS["visits"])

    class SameStep(People):
        def take_place(self, place: int) -> None:
            super().take_place(place)
            self.venv = make(self.num_envs, autoreset_mode="SameStep")

    lives = sampled(lambda n: SameStep(make, n, seed=SEED), samples=1, steps=LANES * 50)
    wrong = 0
    for (lane, life), pieces in lives.items():
        told = joined(pieces)
        if life == 0 and any(told["ends"]):
            wanted = lived(make, lane, life, told["actions"])
            assert not np.array_equal(told["obs"][-1], wanted["obs"][-1])
            newborn = lived(make, lane, life + 1, [])["obs"]
            assert np.array_equal(told["obs"][-1], newborn[0])
            if (lane, 1) in lives:  # whose own first observation is gone, and what was done there
                assert not np.array_equal(joined(lives[lane, 1])["obs"][0], newborn[0])
            wrong += 1
    assert wrong > 5


def test_what_dqn_remembers_is_what_happened() -> None:
    """Single steps at a time, as RLlib samples for its replay buffer, and back out of it."""
    make = maker(**WORLDS["visits"])
    lives = sampled(lambda n: People(make, n, seed=SEED), samples=60, steps=LANES)
    buffer = EpisodeReplayBuffer(capacity=10_000)
    for pieces in lives.values():
        for piece in pieces:
            buffer.add([piece])
    buffer.rng = np.random.default_rng(0)
    told = {where: joined(pieces) for where, pieces in lives.items()}
    ended, met = 0, set()
    for step in buffer.sample(num_items=8000, n_step=1, gamma=1.0, sample_episodes=True):
        where, t = WhoIsWhere.seen[step.id_], step.t_started
        life = told[where]
        last = t == len(life["rewards"]) - 1
        assert np.array_equal(step.get_observations(0), life["obs"][t])
        assert np.array_equal(step.get_observations(-1), life["obs"][t + 1])
        assert step.get_actions(0) == life["actions"][t]
        assert step.get_rewards(0) == life["rewards"][t]
        assert step.get_infos(-1)[DISCOUNT] == life["discounts"][t]
        assert (step.is_terminated, step.is_truncated) == (life["ends"] if last else (False, False))
        ended += step.is_terminated
        met.add((where, t))
    assert ended > 0
    assert len(met) > 0.9 * sum(len(life["rewards"]) for life in told.values())


def test_runners_have_users_of_their_own() -> None:
    make = maker(**WORLDS["visits"])
    seen = [People(make, 8, seed=1, place=place).reset()[0] for place in (0, 1, 2)]
    whole = make(24).reset(seed=1)[0]
    assert np.array_equal(np.concatenate(seen), whole)
    moved = People(make, 8, seed=1)
    moved.take_place(2)
    assert np.array_equal(moved.reset(seed=99)[0], seen[2])  # RLlib's seed is not heeded


def test_discounts_are_the_worlds_or_those_asked_for() -> None:
    make = maker(**WORLDS["visits"])
    worlds, short, steep = (People(make, 40, seed=1, gamma_day=g) for g in (None, 0.0, 0.5))
    for people in (worlds, short, steep):
        people.reset()
    for _ in range(20):
        action = worlds.action_space.sample()
        told, none, half = (people.step(action)[4][DISCOUNT] for people in (worlds, short, steep))
        days = np.log(np.maximum(told, 1e-300)) / np.log(worlds.venv.world.gamma_day)
        assert np.array_equal(none, (days == 0).astype(float))
        assert half[told > 0] == pytest.approx(0.5 ** days[told > 0])
        assert (half[told == 0] == 0).all()
    with pytest.raises(ValueError, match=r"gamma_day=1.5 came; a discount per day lies in 0..1"):
        People(make, 1, seed=0, gamma_day=1.5)


def test_rewards_are_scaled_and_their_parts_told() -> None:
    make = maker(**WORLDS["visits"])

    def paid(num_envs: int, **asked: Any) -> Any:
        return rewarded(make(num_envs, **asked), Minutes())

    one, ten = People(paid, 16, seed=1), People(paid, 16, seed=1, reward_scale=10.0)
    one.reset(), ten.reset()
    total, acted, resting = 0.0, 0, np.zeros(16, bool)
    for _ in range(30):
        action = one.action_space.sample()
        _, reward, terminated, truncated, _ = one.step(action)
        assert ten.step(action)[1] == pytest.approx(10.0 * reward)
        total, acted = total + reward.sum(), acted + (~resting).sum()
        resting = terminated | truncated
    assert one.taken_parts() == {"minutes": pytest.approx(total / acted)}
    assert one.taken_parts() == {}


def test_a_maker_that_forgets_the_mode_is_told() -> None:
    with pytest.raises(ValueError, match=r"RLlib wants NEXT_STEP: hand on the keyword arguments"):
        People(lambda n, **_: maker(**WORLDS["visits"])(n), 4, seed=0)


def test_dicts_become_rows_and_scales_are_known() -> None:
    people = People(maker(**WORLDS["slates"]), 6, seed=0)
    inner = people.venv.single_observation_space
    assert people.single_observation_space.shape == (
        inner["user"].shape[0] + inner["candidates"].shape[0],
    )
    obs, _ = people.reset()
    assert obs in people.observation_space
    returns = random_returns(people)
    assert returns.size >= abs(returns.mean) > 0
    assert people.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert isinstance(people.single_action_space, gym.spaces.MultiDiscrete)
