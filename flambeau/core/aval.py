"""Abstract values: what is known of a value before it is computed."""

from __future__ import annotations

import math
from typing import Any

from .device import CPU, device
from .dtypes import dtype
from .size import Size

BIG = 1 << 20
"""Bytes from which a pending value counts towards flushing by size."""


class Aval:
    """Shape, dtype and device. Interned by `aval()`, so that a lookup by identity is enough."""

    __slots__ = ("shape", "dtype", "device", "numel", "ndim", "nbytes", "big", "differentiable")

    def __init__(self, shape: tuple[int, ...], dt: dtype, where: device) -> None:
        self.shape = Size(shape)
        self.dtype = dt
        self.device = where
        self.ndim = len(shape)
        self.numel = math.prod(shape)
        self.nbytes = self.numel * dt.itemsize
        self.big = self.nbytes >= BIG
        self.differentiable = dt.is_differentiable

    def with_shape(self, shape: tuple[int, ...]) -> Aval:
        return aval(shape, self.dtype, self.device)

    def with_dtype(self, dt: dtype) -> Aval:
        return self if dt is self.dtype else aval(self.shape, dt, self.device)

    def __repr__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


_interned: dict[Any, Aval] = {}
_LIMIT = 100_000


def aval(shape: tuple[int, ...], dt: dtype, where: device = CPU) -> Aval:
    """The one Aval of this shape, dtype and device."""
    key = (shape, dt, where)
    found = _interned.get(key)
    if found is None:
        if len(_interned) >= _LIMIT:  # only costs lookups: nothing relies on identity for truth
            _interned.clear()
        found = _interned[key] = Aval(shape, dt, where)
    return found
