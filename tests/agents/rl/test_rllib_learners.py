"""RLlib's learners in calendar time: by hand, against brute force, and against RLlib's own."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("ray")

import torch
from ray.rllib.algorithms.appo.torch import appo_torch_learner
from ray.rllib.core.columns import Columns
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.evaluation.postprocessing import Postprocessing
from ray.rllib.utils.postprocessing.value_predictions import compute_value_targets

from longplay.agents.rl import _rllib_configs as configs
from longplay.agents.rl._rllib_env import DISCOUNT, People
from longplay.agents.rl._rllib_learners import calendar_gae
from longplay.agents.rl._towers import Layers, forward, relu, softmax
from longplay.agents.rl.rllib import RLlibAPPOSettings, RLlibDQNSettings, RLlibPPOSettings
from longplay.envs.cohort import Cohort

pytestmark = [pytest.mark.extras, pytest.mark.filterwarnings("ignore")]  # RLlib's own


def row(*numbers: float) -> Any:
    return np.array(numbers, np.float32)


D = np.array([0.9, 0.5, 0.25])


def test_three_steps_by_hand() -> None:
    # delta_2 = 3 + .25 * .8 - .7 = 2.5                     A_2 = 2.5
    # delta_1 = 2 + .5  * .7 - .6 = 1.75                    A_1 = 1.75 + .5 * .8 * 2.5  = 2.75
    # delta_0 = 1 + .9  * .6 - .5 = 1.04                    A_0 = 1.04 + .9 * .8 * 2.75 = 3.02
    told = calendar_gae(row(1, 2, 3), row(0.5, 0.6, 0.7, 0.8), D, False, 0.8)
    assert told == pytest.approx([3.02, 2.75, 2.5], abs=1e-6)
    # churned: delta_2 = 3 - .7 = 2.3, A_1 = 1.75 + .4 * 2.3 = 2.67, A_0 = 1.04 + .72 * 2.67
    told = calendar_gae(row(1, 2, 3), row(0.5, 0.6, 0.7, 0.8), np.array([0.9, 0.5, 0.0]), True, 0.8)
    assert told == pytest.approx([2.9624, 2.67, 2.3], abs=1e-6)


UNIT = st.floats(0.0, 1.0, width=32)
STEPS = st.lists(st.tuples(UNIT, UNIT, UNIT), min_size=1, max_size=12)


@given(STEPS, UNIT, st.booleans())
def test_with_lambda_1_the_return_is_the_discounted_sum(steps: Any, last: Any, over: bool) -> None:
    rewards, values, d = (row(*column) for column in zip(*steps, strict=True))
    d = d.astype(np.float64)
    told = calendar_gae(rewards, np.append(values, row(last)), d, over, 1.0) + values
    wanted = 0.0 if over else float(last)
    for t in reversed(range(len(steps))):
        wanted = rewards[t] + (0.0 if over and t == len(steps) - 1 else d[t] * wanted)
        assert told[t] == pytest.approx(wanted, abs=1e-5)


@given(STEPS, UNIT, st.booleans(), st.sampled_from([0.0, 0.5, 0.95, 1.0]), UNIT)
def test_equal_gaps_are_rllibs_own(
    steps: Any, last: Any, over: bool, lam: float, gamma: float
) -> None:
    rewards, values, _ = (row(*column) for column in zip(*steps, strict=True))
    n = len(steps)
    values = np.append(values, row(last))
    told = calendar_gae(rewards, values, np.full(n, gamma), over, lam)
    ends = np.zeros(n + 1)
    ends[n - 1] = 1.0
    theirs = compute_value_targets(
        values=values,
        rewards=np.append(rewards, row(0.0)),
        terminateds=ends * over,
        truncateds=ends * (not over),
        gamma=gamma,
        lambda_=lam,
    )
    assert told == pytest.approx(theirs[:n] - values[:n], abs=1e-5)


def make(num_envs: int = 1, **asked: Any) -> Cohort:
    settings = {"scenario": "bench", "decision": "session", "threads": 1}
    return Cohort("AdLoad", num_envs, **{**settings, **asked})


def learner(configure: Any, settings: Any) -> Any:
    people = People(make, settings.lanes, seed=0)
    config = configure(people, settings, 10_000, 0.5)
    config.environment(
        observation_space=people.single_observation_space,
        action_space=people.single_action_space,
    )
    spaces = (people.single_observation_space, people.single_action_space)
    built = config.build_learner(spaces={"default_policy": spaces, "__env__": spaces})
    return built


def life(rng: Any, n: int, ends: str = "", name: str | None = None) -> tuple[Any, Any]:
    """An episode of n random steps, "" cut off by the rollout, and the discounts of its steps."""
    space = make().single_observation_space
    d = rng.random(n)
    if ends == "terminated":
        d[-1] = 0.0
    infos = [{DISCOUNT: 1.0}, *({DISCOUNT: one} for one in d)]
    logits = np.zeros((n, 22), np.float32)
    episode = SingleAgentEpisode(
        id_=name,
        observations=[rng.normal(size=space.shape).astype(np.float32) for _ in range(n + 1)],
        observation_space=space,
        infos=infos,
        actions=list(rng.integers(22, size=n)),
        action_space=make().single_action_space,
        rewards=list(rng.random(n)),
        terminated=ends == "terminated",
        truncated=ends == "truncated",
        extra_model_outputs={
            Columns.ACTION_DIST_INPUTS: list(logits),
            Columns.ACTION_LOGP: list(np.full(n, -np.log(22.0), np.float32)),
            "n_step": [1.0] * n,
            "weights": [1.0] * n,
        },
        len_lookback_buffer=0,
    )
    return episode.to_numpy(), d


LIVES = [(6, ""), (1, "terminated"), (4, "truncated"), (9, "terminated"), (4, "")]


def values_of(built: Any, episode: Any) -> Any:
    module = built.module["default_policy"]
    with torch.no_grad():
        seen = torch.as_tensor(np.asarray(episode.get_observations()))
        return module.compute_values({Columns.OBS: seen}).numpy()


def test_ppo_learns_from_calendar_advantages() -> None:
    built = learner(configs.ppo, RLlibPPOSettings(lanes=4, n_steps=6))
    rng = np.random.default_rng(0)
    lives = [life(rng, n, ends) for n, ends in LIVES]
    wanted = []
    for (episode, d), (_, ends) in zip(lives, LIVES, strict=True):
        values = values_of(built, episode)
        rewards = np.asarray(episode.get_rewards(), np.float32)
        wanted.append(calendar_gae(rewards, values, d, ends == "terminated", 0.9))
    targets = [a + values_of(built, e)[:-1] for a, (e, _) in zip(wanted, lives, strict=True)]
    batch = built._learner_connector(
        rl_module=built.module, batch={}, episodes=[e for e, _ in lives], shared_data={}
    )["default_policy"]
    real = batch[Columns.LOSS_MASK].numpy()
    assert real.sum() == sum(n for n, _ in LIVES)
    told = batch[Postprocessing.VALUE_TARGETS].numpy()[real]
    assert told == pytest.approx(np.concatenate(targets), abs=1e-5)
    flat = np.concatenate(wanted)
    told = batch[Postprocessing.ADVANTAGES].numpy()[real]
    assert told == pytest.approx((flat - flat.mean()) / flat.std(), abs=1e-4)


def test_appo_learns_from_v_trace_in_calendar_time(monkeypatch: Any) -> None:
    built = learner(configs.appo, RLlibAPPOSettings(lanes=4, n_steps=8))
    seen: dict[str, Any] = {}
    theirs = appo_torch_learner.vtrace_torch

    def spy(**asked: Any) -> Any:
        seen["targets"], seen["advantages"] = theirs(**asked)
        return seen["targets"], seen["advantages"]

    monkeypatch.setattr(appo_torch_learner, "vtrace_torch", spy)
    module = built.module["default_policy"]
    module.policy[-1].weight.data.zero_()  # as likely as those who sampled found it: on policy
    module.older[-1].weight.data.zero_()
    rng = np.random.default_rng(0)
    lives = [life(rng, n, ends) for n, ends in LIVES]
    whole = {}
    at = 0
    for (episode, d), (n, ends) in zip(lives, LIVES, strict=True):
        values = values_of(built, episode)
        rewards = np.asarray(episode.get_rewards())
        follows = 0.0 if ends == "terminated" else values[-1]
        for t in reversed(range(n)):
            if (at + t + 1) % 8 == 0:  # RLlib cuts its rows here, and goes on from the value
                follows = values[t + 1]
            if t == n - 1 and ends == "terminated":
                follows = 0.0
            follows = rewards[t] + d[t] * follows
            whole[at + t] = (follows, follows - values[t])
        at += n + 1
    batch = built._learner_connector(
        rl_module=built.module, batch={}, episodes=[e for e, _ in lives], shared_data={}
    )["default_policy"]
    built.compute_loss_for_module(
        module_id="default_policy",
        config=built.config,
        batch=batch,
        fwd_out=module.forward_train(batch),
    )
    built.shutdown()
    targets = seen["targets"].T.flatten().numpy()
    advantages = seen["advantages"].T.flatten().numpy()
    assert len(whole) == sum(n for n, _ in LIVES)
    for at, (target, advantage) in whole.items():
        assert targets[at] == pytest.approx(target, abs=1e-5)
        assert advantages[at] == pytest.approx(advantage, abs=1e-5)


def test_dqn_learns_from_calendar_targets() -> None:
    built = learner(configs.dqn, RLlibDQNSettings(lanes=4))
    rng = np.random.default_rng(0)
    ends_of = ("", "terminated", "truncated", "", "terminated", "")
    # steps of a few lives, out of order, as a replay buffer gives them
    lives = [life(rng, 1, ends, f"{i % 2}") for i, ends in enumerate(ends_of)]
    batch = built._learner_connector(
        rl_module=built.module, batch={}, episodes=[e for e, _ in lives], shared_data={}
    )["default_policy"]
    assert batch[DISCOUNT].numpy() == pytest.approx(np.concatenate([d for _, d in lives]))
    module = built.module["default_policy"]
    loss = built.compute_loss_for_module(
        module_id="default_policy",
        config=built.config,
        batch=batch,
        fwd_out=module.forward_train(batch),
    )
    errors = []
    for (episode, d), ends in zip(lives, ends_of, strict=True):
        with torch.no_grad():
            now, then = module.af(torch.as_tensor(np.asarray(episode.get_observations()))).numpy()
        ahead = 0.0 if ends == "terminated" else d[0] * then.max()  # both nets are still the same
        errors.append(now[episode.get_actions(0)] - episode.get_rewards(0) - ahead)
    huber = [0.5 * e**2 if abs(e) < 1 else abs(e) - 0.5 for e in errors]
    assert float(loss) == pytest.approx(np.mean(huber), abs=1e-5)


def layers(rng: Any, *sizes: int) -> Layers:
    return [
        (rng.normal(size=(a, b)).astype(np.float32), rng.normal(size=b).astype(np.float32))
        for a, b in pairwise(sizes)
    ]


@pytest.mark.parametrize(("bend", "theirs"), [(np.tanh, torch.tanh), (relu, torch.relu)])
def test_a_tower_of_arrays_is_torchs(bend: Any, theirs: Any) -> None:
    rng = np.random.default_rng(0)
    ours = layers(rng, 7, 16, 16, 5)
    x = rng.normal(size=(50, 7)).astype(np.float32)
    told = torch.as_tensor(x)
    for i, (weight, bias) in enumerate(ours):
        told = told @ torch.as_tensor(weight) + torch.as_tensor(bias)
        told = theirs(told) if i < 2 else told
    assert forward(x, ours, bend) == pytest.approx(told.numpy(), abs=1e-3)


def test_a_row_is_the_same_bits_in_any_company() -> None:
    rng = np.random.default_rng(1)
    ours = layers(rng, 60, 64, 64, 22)
    x = rng.normal(size=(257, 60)).astype(np.float32)
    whole = forward(x, ours)
    for some in ([0], [256], range(100), range(31, 48), range(0, 257, 3)):
        part = forward(x[list(some)], ours)
        assert np.array_equal(part, whole[list(some)])


def test_chances_sum_to_one_and_follow_the_scores() -> None:
    chances = softmax(np.array([[0.0, np.log(3.0)], [1000.0, -1000.0]]))
    assert chances == pytest.approx(np.array([[0.25, 0.75], [1.0, 0.0]]))
