"""Survey: sparse, and kinder than the truth."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from scipy import stats

from longplay.envs.laws.survey import Survey, answer, p_answer

SURVEY = Survey()
UNIT = st.floats(0.0, 1.0)


def test_worked_example() -> None:
    # By hand: 0.02 / (1 + exp(1 - 0.5)) = 0.02 / 2.6487213.
    assert p_answer(0.5, SURVEY) == approx(0.00755081, abs=1e-8)
    # By hand: 0.6 + 0.05 + 0.15 * 1.
    assert answer(0.6, 1.0, SURVEY) == approx(0.8)


def test_compiled_equals_plain(agrees: Callable[..., None]) -> None:
    agrees(p_answer, (0.0, 1.0), SURVEY)
    agrees(answer, (0.0, 1.0), (-4.0, 4.0), SURVEY)


@given(UNIT, st.floats(-10.0, 10.0))
def test_answers_lie_on_the_scale(s: float, z: float) -> None:
    assert 0.0 <= answer(s, z, SURVEY) <= 1.0
    assert 0.0 <= p_answer(s, SURVEY) <= SURVEY.rate


@given(UNIT, st.floats(-3.0, 3.0), st.floats(0.0, 1.0))
def test_monotone(s: float, z: float, more: float) -> None:
    assert p_answer(min(1.0, s + more), SURVEY) >= p_answer(s, SURVEY)
    assert answer(min(1.0, s + more), z, SURVEY) >= answer(s, z, SURVEY)


def test_answers_are_a_normal_cut_to_the_scale() -> None:
    z = np.random.default_rng(5).standard_normal(20_000)
    answers = np.array([answer(0.6, x, SURVEY) for x in z])
    normal = stats.norm(0.65, 0.15)
    assert stats.binomtest(int((answers == 1.0).sum()), len(z), normal.sf(1.0)).pvalue > 0.001
    inside = answers[(answers > 0.0) & (answers < 1.0)]
    low, high = normal.cdf([0.0, 1.0])
    assert stats.kstest(inside, lambda a: (normal.cdf(a) - low) / (high - low)).pvalue > 0.001


def test_without_noise_and_bias_people_say_what_they_feel() -> None:
    frank = Survey(bias=0.0, noise=0.0)
    assert answer(0.37, 2.0, frank) == 0.37
    assert p_answer(0.37, Survey(rate=0.0)) == 0.0
