"""Draws: Philox against its published vectors, and numbers as random as they should be."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from scipy import stats

from longplay.envs import draws

Words = tuple[int, int, int, int]
SIZE = 4000
PURPOSES = {name: value for name, value in vars(draws).items() if name.isupper() and name != "MASK"}
COUNTERS = st.integers(0, 2**32 - 1)
MOMENTS = st.tuples(
    st.integers(0, 2**62 - 1),  # seed
    st.integers(0, 5),  # luck
    st.integers(0, 2**48 - 1),  # user
    st.integers(0, 10_000),  # session
    st.integers(0, 1000),  # fetch
    st.sampled_from(sorted(PURPOSES.values())),
    st.integers(0, 40),  # slot
)


def reference(counter: Words, key: tuple[int, int]) -> Words:
    """Philox4x32-10 of Salmon et al. 2011, on Python's whole numbers.

    Ten rounds: two words are multiplied to 64 bits, whose halves cross over, the high ones mixed
    with the other two words and the key; between rounds the key grows by the golden ratio and by
    sqrt(3) - 1.
    """
    x = list(counter)
    for i in range(10):
        k = [(key[0] + i * 0x9E3779B9) % 2**32, (key[1] + i * 0xBB67AE85) % 2**32]
        high0, low0 = divmod(0xD2511F53 * x[0], 2**32)
        high1, low1 = divmod(0xCD9E8D57 * x[2], 2**32)
        x = [high1 ^ x[1] ^ k[0], low1, high0 ^ x[3] ^ k[1], low0]
    return x[0], x[1], x[2], x[3]


@pytest.mark.parametrize(
    ("counter", "key", "wanted"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000",
         "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
         "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
         "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)  # fmt: skip
def test_known_answers(counter: str, key: str, wanted: str) -> None:
    """The vectors for philox4x32-10 of Random123 (tests/kat_vectors)."""
    numbers = [int(word, 16) for word in f"{counter} {key}".split()]
    assert draws.philox(*numbers) == tuple(int(word, 16) for word in wanted.split())


@given(COUNTERS, COUNTERS, COUNTERS, COUNTERS, COUNTERS, COUNTERS)
def test_philox_is_the_reference(a: int, b: int, c: int, d: int, k: int, m: int) -> None:
    wanted = reference((a, b, c, d), (k, m))
    assert draws.philox(a, b, c, d, k, m) == wanted
    assert draws.philox.py_func(a, b, c, d, k, m) == wanted  # type: ignore[attr-defined]


@given(MOMENTS)
def test_words_are_philox_of_who_when_and_what_for(moment: tuple[int, ...]) -> None:
    seed, luck, user, session, fetch, purpose, slot = moment
    key = (seed ^ (luck * 0x9E3779B97F4A7C1)) % 2**64
    counter = (user % 2**32, (user >> 32) * 2**16 + purpose * 2**8 + slot, session, fetch)
    assert draws.words(*moment) == reference(counter, (key % 2**32, key >> 32))


@given(MOMENTS)
def test_compiled_equals_plain(moment: tuple[int, ...]) -> None:
    compiled: Any = draws
    words = compiled.words(*moment)
    assert words == compiled.words.py_func(*moment)
    for law in (compiled.unit, compiled.lower, compiled.upper):
        assert law(words[0]) == law.py_func(words[0])
    assert compiled.normal(*words[:2]) == approx(compiled.normal.py_func(*words[:2]), rel=1e-12)
    shape = 0.2 + 3.0 * compiled.unit(words[3])
    seed, _, user, *_, slot = moment
    plain = compiled.gamma.py_func(shape, seed, user, slot)
    assert compiled.gamma(shape, seed, user, slot) == approx(plain, rel=1e-10)


def test_compiled_equals_plain_before_a_first_session() -> None:
    """At birth the session is number -1; and luck overflows 64 bits in forks of forks."""
    for moment in ((7, 0, 3, -1, 0, 5, 0), (7, 1_000_005, 3, 0, 0, 3, 0)):
        assert draws.words(*moment) == draws.words.py_func(*moment)  # type: ignore[attr-defined]


@given(MOMENTS, MOMENTS)
def test_different_moments_have_different_words(
    one: tuple[int, ...], other: tuple[int, ...]
) -> None:
    """128 bits agree by chance once in 10^38."""
    assert (draws.words(*one) == draws.words(*other)) == (one == other)


def test_every_purpose_has_its_own_number() -> None:
    assert len(PURPOSES) >= 5
    assert len(set(PURPOSES.values())) == len(PURPOSES)
    assert all(0 <= purpose < 256 for purpose in PURPOSES.values())


def test_people_above_2_to_the_32_are_themselves() -> None:
    low = draws.words(1, 0, 5, 0, 0, draws.BIRTH, 0)
    lives = {draws.words(1, 0, 5 + (life << 32), 0, 0, draws.BIRTH, 0) for life in range(100)}
    assert low in lives
    assert len(lives) == 100


def uniforms(**along: int) -> npt.NDArray[np.float64]:
    """(SIZE, 4) numbers of people 0, 1, 2 ..., for a moment shifted by ``along``."""
    moment = {"seed": 11, "luck": 0, "user": 0, "session": 4, "fetch": 2, "purpose": 3, "slot": 1}
    for name, shift in along.items():
        moment[name] += shift
    first = moment.pop("user")
    seed, luck, session, fetch, purpose, slot = moment.values()
    return np.array(
        [
            [draws.unit(word) for word in draws.words(seed, luck, u, session, fetch, purpose, slot)]
            for u in range(first, first + SIZE)
        ]
    )


def test_uniform() -> None:
    for column in uniforms().T:
        assert stats.kstest(column, "uniform").pvalue > 0.001
        counts, _ = np.histogram(column, 64, (0.0, 1.0))
        assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize(
    "along",
    [
        {"seed": 1}, {"luck": 1}, {"luck": 2}, {"user": 1}, {"user": 1 << 32}, {"session": 1},
        {"fetch": 1}, {"purpose": 1}, {"slot": 1}, {"session": 1, "fetch": -1},
    ],
    ids=lambda along: "-".join(along),
)  # fmt: skip
def test_neighbours_are_independent(along: dict[str, int]) -> None:
    """No correlation, of the numbers or of their distance from the middle, above 4.5 sigma."""
    here, there = uniforms(), uniforms(**along)
    for one, other in ((here, there), (np.abs(here - 0.5), np.abs(there - 0.5))):
        cross = np.corrcoef(one, other, rowvar=False)
        among = np.hstack([cross[:4, 4:], cross[:4, :4] - np.eye(4)])
        assert np.abs(among).max() < 4.5 / np.sqrt(SIZE)


def test_the_halves_of_a_word() -> None:
    # By hand: 0x5678 = 22136, 0x1234 = 4660.
    assert draws.lower(0x12345678) == (22136 + 0.5) / 65536
    assert draws.upper(0x12345678) == (4660 + 0.5) / 65536


@pytest.mark.parametrize("half", [draws.unit, draws.lower, draws.upper])
def test_0_and_1_are_never_drawn(half: Callable[[int], float]) -> None:
    """Logarithms are taken of these numbers, and of one less them."""
    assert half(0) > 0.0
    assert half(0xFFFFFFFF) < 1.0


def test_halves_are_uniform_and_independent() -> None:
    words = [draws.words(5, 0, u, 0, 0, draws.POSITION, 0)[0] for u in range(SIZE)]
    low, high = (np.array([half(w) for w in words]) for half in (draws.lower, draws.upper))
    assert stats.kstest(low, "uniform").pvalue > 0.001
    assert stats.kstest(high, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(low, high)[0, 1]) < 4.5 / np.sqrt(SIZE)


def test_normal() -> None:
    # By hand: the first word's log sets the size, the second's angle the sign: u1 = exp(-2)
    # gives sqrt(4) = 2, at u2 = 1/2 times cos(pi) = -1.
    word = round(np.exp(-2.0) * 2**32)
    assert draws.normal(word, 1 << 31) == approx(-2.0, abs=1e-6)
    quads = [draws.words(5, 0, u, 0, 0, draws.BIRTH, 16) for u in range(SIZE)]
    first, second = (np.array([draws.normal(*w[at : at + 2]) for w in quads]) for at in (0, 2))
    assert stats.kstest(first, "norm").pvalue > 0.001
    assert stats.kstest(second, "norm").pvalue > 0.001
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / np.sqrt(SIZE)
    assert np.isfinite([draws.normal(a, b) for a in (0, 2**32 - 1) for b in (0, 2**32 - 1)]).all()


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.764, 1.0, 1.296, 4.0, 30.0])
def test_gamma(shape: float) -> None:
    drawn = np.array([draws.gamma(shape, 5, u, 30) for u in range(SIZE)])
    assert (drawn > 0.0).all()
    assert stats.kstest(drawn, stats.gamma(shape).cdf).pvalue > 0.001


def test_gammas_of_two_slots_are_independent() -> None:
    pairs = np.array([[draws.gamma(0.764, 5, u, s) for s in (30, 31)] for u in range(SIZE)])
    assert abs(stats.spearmanr(pairs[:, 0], pairs[:, 1]).statistic) < 4.5 / np.sqrt(SIZE)


@given(MOMENTS, st.integers(1, 40))
def test_many_words_are_the_words_of_every_slot(moment: tuple[int, ...], n: int) -> None:
    *who_when_what, _ = moment
    dice = draws.blank_dice(3, n)[1]
    draws.many_words(*who_when_what, n, dice)
    for slot in range(n):
        assert tuple(dice[:, slot]) == draws.words(*who_when_what, slot)
