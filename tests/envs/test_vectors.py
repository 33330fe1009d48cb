"""The product of two vectors: the bits of plain Python, by hand and at random."""

import numpy as np
import numpy.typing as npt
import pytest

from longplay.envs.compiled import law
from longplay.envs.state import TOPICS
from longplay.envs.vectors import dot

Floats = npt.NDArray[np.float32]


@law
def compiled_dot(one: Floats, other: Floats) -> float:
    return dot(one, other)


def test_by_hand() -> None:
    one = np.arange(TOPICS, dtype=np.float32)
    # 0 + 1 + 4 + ... + 225 = 15 * 16 * 31 / 6
    assert dot(one, one) == compiled_dot(one, one) == 1240.0


def test_compiled_is_plain_python_to_the_last_bit() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        one, other = (rng.standard_normal((2, TOPICS)) * 10.0 ** rng.integers(-3, 4)).astype("f4")
        assert compiled_dot(one, other) == dot(one, other)
        exact = float(one.astype("f8") @ other.astype("f8"))
        scale = float(np.abs(one.astype("f8") * other.astype("f8")).sum())
        assert dot(one, other) == pytest.approx(exact, abs=1e-6 * scale)


def test_vectors_may_begin_anywhere() -> None:
    # Fields of records are not aligned to the width of a register.
    room = np.random.default_rng(4).standard_normal(3 * TOPICS).astype(np.float32)
    for start in range(5):
        one, other = room[start : start + TOPICS], room[start + TOPICS : start + 2 * TOPICS]
        assert compiled_dot(one, other) == dot(one, other)


def test_other_kinds_of_numbers_are_refused() -> None:
    doubles = np.zeros(TOPICS)
    with pytest.raises(Exception, match="dot"):
        compiled_dot(doubles, doubles)
