"""What tests of rewards share: outcomes with all the other parts of a step around them."""

import numpy as np
import pytest

from longplay.envs.spaces import USER_FEATURES
from longplay.envs.state import ITEM, SLATE, SLOT, TOPICS
from longplay.rewards import Step


def around(outcomes, seed=0):
    """A Step of these outcomes (n,) whose other parts are drawn at random."""
    rng = np.random.default_rng(seed)
    n, k = len(outcomes), SLATE
    items = np.zeros(50, ITEM)
    for name in ("novelty", "value"):
        items[name] = rng.random(50)
    items["minutes"] = rng.uniform(0.5, 8.0, 50)
    items["vector"] = rng.normal(size=(50, TOPICS))
    slots = np.zeros((n, k), SLOT)
    slots["shows"] = rng.integers(-1, 50, (n, k))
    for name in ("seen", "played", "skipped", "liked", "saved", "hid"):
        slots[name] = rng.integers(0, 2, (n, k))
    slots["minutes"] = rng.exponential(2.0, (n, k)) * slots["played"]
    return Step(
        outcomes,
        rng.uniform(-1.0, 1.0, (n, len(USER_FEATURES))).astype(np.float32),
        rng.uniform(-1.0, 1.0, (n, len(USER_FEATURES))).astype(np.float32),
        slots,
        rng.exponential(20.0, (n, TOPICS)).astype(np.float32),
        rng.exponential(20.0, (n, TOPICS)).astype(np.float32),
        items,
    )


@pytest.fixture(scope="session", name="around")
def around_():
    return around
