"""exp in line: the bits of the system's library where that is glibc's, and nowhere far from e^x."""

import math
from decimal import Decimal, localcontext

import numpy as np
import numpy.typing as npt
import pytest

from longplay.envs.compiled import law
from longplay.envs.elementary import POWERS, exp, wrapped

Floats = npt.NDArray[np.float64]
RANGES = [(-1.0, 1.0), (-30.0, 30.0), (-511.0, 511.0), (-800.0, 800.0)]


@law
def exp_all(x: Floats, out: Floats) -> None:
    for i in range(len(x)):
        out[i] = exp(x[i])


@law
def wrapped_all(x: Floats, period: float, out: Floats) -> None:
    for i in range(len(x)):
        out[i] = wrapped(x[i], period)


def compiled_exp(x: Floats) -> Floats:
    out = np.empty_like(x)
    exp_all(x, out)
    return out


@pytest.mark.parametrize("bounds", RANGES)
def test_within_six_tenths_of_the_last_place(bounds: tuple[float, float]) -> None:
    x = np.random.default_rng(1).uniform(*bounds, 2000)
    ours = compiled_exp(x)
    with localcontext() as context:
        context.prec = 50
        for mine, at in zip(ours, x, strict=True):
            exact = Decimal(at).exp()
            if 1e-300 < exact < Decimal("1e300"):
                assert abs(Decimal(mine) - exact) < Decimal(0.6 * math.ulp(mine))


@pytest.mark.parametrize("bounds", RANGES)
def test_never_more_than_the_last_bit_from_the_library(bounds: tuple[float, float]) -> None:
    x = np.random.default_rng(2).uniform(*bounds, 200_000)
    x = x[x < 709.0]
    library = np.array([math.exp(at) for at in x])
    assert (np.abs(compiled_exp(x) - library) <= np.spacing(library)).all()


def test_what_lies_beyond_and_what_is_no_number() -> None:
    x = np.array([0.0, -0.0, 5e-324, -1e-30, math.inf, -math.inf, 1000.0, -1000.0, 512.0, -745.1])
    wanted = [1.0, 1.0, 1.0, 1.0, math.inf, 0.0, math.inf, 0.0, math.exp(512.0), math.exp(-745.1)]
    assert compiled_exp(x).tolist() == wanted
    assert math.isnan(compiled_exp(np.array([math.nan]))[0])


def test_plain_python_is_the_library() -> None:
    assert exp(0.3) == math.exp(0.3)


def test_table_by_hand() -> None:
    # 2^(64/128) is the root of 2; its exponent is less by 64/128 of the step of an exponent.
    near = np.int64(POWERS[64, 1] + (64 << 45)).view(np.float64)
    lacks = POWERS[64, 0].view(np.float64)
    assert near == math.sqrt(2.0)
    with localcontext() as context:
        context.prec = 50
        assert float(Decimal(2).sqrt() / Decimal(float(near)) - 1) == lacks
    assert POWERS[0].tolist() == [0, np.float64(1.0).view(np.int64)]


@pytest.mark.parametrize("period", [24.0, 168.0, 0.1])
def test_remainders_are_those_of_python_to_the_last_bit(period: float) -> None:
    rng = np.random.default_rng(5)
    multiples = period * rng.integers(-5000, 5000, 3000)
    x = np.concatenate([rng.uniform(-3000.0, 3000.0, 20_000), multiples])
    x = np.concatenate([x, np.nextafter(x, math.inf), np.nextafter(x, -math.inf), [-1e-20, -0.5]])
    out = np.empty_like(x)
    wrapped_all(x, period, out)
    assert out.tolist() == [wrapped(at, period) for at in x.tolist()]
