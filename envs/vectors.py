"""The product of two vectors in one piece: all entries at once, and sums in a fixed order.

A compiler may not change the order of a sum, and so adds one number after the other. Here the
order is one that a processor with wide registers follows as it is: the products of entries 0-3,
4-7, ... are added four at a time, and the four sums two and two. The same bits come out of any
processor, and of plain Python.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic, overload

from longplay.envs.compiled import OPTIONS
from longplay.envs.state import TOPICS

_INLINE: Any = OPTIONS


def dot(one: Any, other: Any) -> float:
    """The sum of ``one`` times ``other``, float32 (TOPICS,): affinity is taste . vector."""
    a = b = c = d = np.float32(0.0)
    for k in range(0, TOPICS, 4):
        a += one[k] * other[k]
        b += one[k + 1] * other[k + 1]
        c += one[k + 2] * other[k + 2]
        d += one[k + 3] * other[k + 3]
    return float((a + b) + (c + d))


@overload(dot, jit_options=_INLINE)
def _dot(one, other):  # type: ignore[no-untyped-def]
    return lambda one, other: _wide_dot(one, other)  # type: ignore[call-arg]


@intrinsic
def _wide_dot(typing: Any, one: Any, other: Any) -> Any:
    """`dot` of two contiguous arrays, whose length is not looked at."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = ir.VectorType(ir.FloatType(), TOPICS)

        def entries(kind: Any, array: Any) -> Any:
            data = context.make_array(kind)(context, builder, array).data
            vector = builder.load(builder.bitcast(data, wide.as_pointer()))
            vector.align = 4
            return vector

        products = builder.fmul(*map(entries, signature.args, args))

        def part(of: Any, *which: int) -> Any:
            index = ir.Constant(ir.VectorType(ir.IntType(32), len(which)), which)
            return builder.shuffle_vector(of, ir.Constant(of.type, ir.Undefined), index)

        sums: Any = ir.Constant(ir.VectorType(ir.FloatType(), 4), [0.0] * 4)
        for k in range(0, TOPICS, 4):
            sums = builder.fadd(sums, part(products, k, k + 1, k + 2, k + 3))
        pairs = builder.fadd(part(sums, 0, 2), part(sums, 1, 3))
        total = builder.fadd(*(builder.extract_element(pairs, ir.IntType(32)(k)) for k in (0, 1)))
        return builder.fpext(total, ir.DoubleType())

    for array in (one, other):
        if not (isinstance(array, types.Array) and array.dtype == types.float32):
            return None
    return types.float64(one, other), generate
