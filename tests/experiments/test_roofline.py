"""What the note on speed counts: by hand. Never how fast anything is."""

import numpy as np

from longplay.envs.cohort import Cohort
from longplay.envs.laws.choice import sigmoid
from longplay.envs.laws.fatigue import next_fatigue, rested
from longplay.envs.laws.leaving import hazard_leaving
from longplay.envs.spaces import describe
from longplay.experiments.bench.roofline import ELEMENTARY, LINE, arithmetic, lived, ring, work


def test_arithmetic_by_hand() -> None:
    assert arithmetic(next_fatigue) == 7  # three sums, four products
    assert arithmetic(sigmoid) == ELEMENTARY["exp"] + 2  # a sum and a quotient
    # level * exp(-ln2 * gap / half_life): two products, a quotient, an exponential
    assert arithmetic(rested) == ELEMENTARY["exp"] + 3
    # the strain has four products and a sum; the odds five terms more, three of them products
    assert arithmetic(hazard_leaving) == 5 + 8 + arithmetic(sigmoid)


def test_a_list_counts_by_its_length() -> None:
    one, ten, hundred = (arithmetic(describe, listed) for listed in (1, 10, 100))
    assert (hundred - one) == 11 * (ten - one)
    assert (ten - one) / 9 >= ELEMENTARY["dot"]  # an affinity a candidate


def test_a_walk_visits_every_line_once() -> None:
    size = 64 * LINE
    following = ring(size)
    at, seen = 0, set()
    for _ in range(64):
        at = int(following[at])
        seen.add(at)
    assert at == 0 and sorted(seen) == list(range(0, size // 8, LINE // 8))


def test_a_fetch_is_counted_from_lives() -> None:
    mean = lived(Cohort("AdLoad", 64, scenario="bench"), 20)
    assert 1.0 < mean["looked"] + mean["ad_views"] <= 10.0
    assert 0.0 < mean["plays"] <= mean["looked"] and 0.0 < mean["ended"] < 1.0
    facts = {fact.name: fact.value for fact in work("Feed", action="slate")}
    assert all(np.isfinite(value) and value >= 0.0 for value in facts.values())
    assert facts["memory: lines of the catalogue"] == 100 * 2 * 64
    assert facts["memory: observation written"] == 4 * (100 * 8 + 30)
