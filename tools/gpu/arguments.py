"""What ctypes makes of a call's arguments, for a stand-in that gets them as Python's objects.

A real library is called through its prototypes: a float in the place of a number, or a NumPy integer in that
of an address, is an error, and a number that is too large loses its upper bits without a word. Here all are
errors.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from flambeau.runtime.cuda_prototypes import PROTOTYPES

_RANGES = {
    ctypes.c_int: (-(1 << 31), 1 << 31), ctypes.c_uint: (0, 1 << 32),
    ctypes.c_uint64: (0, 1 << 64), ctypes.c_size_t: (0, 1 << 64),
}  # fmt: skip


def check(name: str, arguments: tuple[Any, ...]) -> None:
    """Raise what ctypes raises, and OverflowError where it would cut a number."""
    kinds = PROTOTYPES.get(name)
    if kinds is None:
        return
    if len(kinds) != len(arguments):
        raise TypeError(f"{name} takes {len(kinds)} arguments ({len(arguments)} given)")
    for n, (kind, x) in enumerate(zip(kinds, arguments, strict=True)):
        try:
            kind.from_param(x)
        except TypeError as error:
            raise ctypes.ArgumentError(f"{name}: argument {n + 1}: {type(error).__name__}: {error}") from None
        low, high = _RANGES.get(kind, (0, 0))
        if high and isinstance(x, (int, np.integer)) and not low <= x < high:
            raise OverflowError(f"{name}: argument {n + 1}: {x} is cut to {ctypes.sizeof(kind)} bytes")
        if kind is ctypes.c_void_p and isinstance(x, int) and not 0 <= x < 1 << 64:
            raise OverflowError(f"{name}: argument {n + 1}: {x} is no address")
