"""Memory: where it lies, when it is asked for, and whether it is new.

A step reads a few thousand people and some items of a large catalogue each, in no order a
processor could guess, and hands out large observations. Waiting for memory would cost more than
living. None of this changes a result.
"""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

Array = npt.NDArray[Any]

LINE = 64  # memory comes in lines of so many bytes
LARGE = 1 << 17  # a smaller copy is cheap as it is [bytes]
KEPT = 4  # so many buffers of a shape are remembered


def fetch_ahead(record: Any) -> None:
    """Ask for a record that will soon be read; waits for nothing (plain Python: does nothing)."""


@overload(fetch_ahead)
def _fetch_ahead(record):  # type: ignore[no-untyped-def]
    return lambda record: _prefetch(record)  # type: ignore[call-arg]


@intrinsic
def _prefetch(typing: Any, record: Any) -> Any:
    """LLVM's prefetch of every line of a record."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        find: Any = cgutils.get_or_insert_function
        call = find(builder.module, kind, "llvm.prefetch.p0i8")
        start = builder.bitcast(args[0], byte)
        read, keep, data = number(0), number(3), number(1)
        for offset in range(0, record.size, LINE):
            builder.call(call, [builder.gep(start, [number(offset)]), read, keep, data])
        return context.get_dummy_value()

    return types.void(record), generate


def aligned_zeros(n: int, dtype: np.dtype[Any]) -> Array:
    """Blank records (n,) that begin at the start of a line."""
    room = np.zeros(n * dtype.itemsize + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + n * dtype.itemsize].view(dtype)


def as_bytes(records: Array) -> Array:
    """Records (n, ...) as bytes (n, b), the same memory: rows of bytes move as one piece."""
    return records.view(np.uint8).reshape(len(records), -1)


class Lender:
    """Copies to hand out, in memory that serves again once nobody holds it.

    The system clears every page of a new large array before it can be written, which costs
    several times the copy. A policy lets go of an observation a step or two later; then its
    memory is used for the next. While the receiver, or any view of theirs, holds a copy, it is
    theirs alone.
    """

    def __init__(self) -> None:
        self._lent: dict[Any, list[Array]] = {}

    def copy_of(self, array: Array) -> Array:
        """A copy of ``array`` that nobody else holds."""
        room = self.room_for(array)
        np.copyto(room, array)
        return room

    def room_for(self, array: Array) -> Array:
        """An array like ``array`` that nobody else holds; what stands in it has no meaning."""
        if array.nbytes < LARGE:
            return np.empty_like(array)
        lent = self._lent.setdefault((array.shape, array.dtype), [])
        for at in range(len(lent)):
            if _holders(lent, at) == ALONE:
                return lent[at]
        if len(lent) == KEPT:  # the receiver collects them: forget the oldest
            del lent[0]
        lent.append(np.empty_like(array))
        return lent[-1]


def _holders(arrays: list[Array], at: int) -> int:
    """How many hold this array, as the interpreter counts them from here; its views hold it."""
    return sys.getrefcount(arrays[at])


ALONE = _holders([np.zeros(1)], 0)
