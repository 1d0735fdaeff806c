"""Abstract values: what is known of a value before it is computed."""

from __future__ import annotations

import math
from typing import Any

from .device import CPU, device
from .dtypes import dtype
from .size import Size

BIG = 64 << 10
"""Bytes from which a pending value counts towards flushing by size: counting takes 0.1 us, computing
so many bytes 10. So what is not counted is 512 MiB at most, as 8192 operations may be pending."""


MOST_DIMENSIONS = 63
"""NumPy takes 64, but as many index arrays only. In PyTorch reductions stop at 64."""


class Aval:
    """Shape, dtype and device. Interned by `aval()`, so that a lookup by identity is enough."""

    __slots__ = ("shape", "dtype", "device", "numel", "ndim", "nbytes", "big", "differentiable")

    def __init__(self, shape: tuple[int, ...], dt: dtype, where: device) -> None:
        if len(shape) > MOST_DIMENSIONS:
            raise RuntimeError(
                f"tensors have at most {MOST_DIMENSIONS} dimensions, got {len(shape)}"
            )
        self.shape = Size(shape)
        self.dtype = dt
        self.device = where
        self.ndim = len(shape)
        self.numel = math.prod(shape)
        self.nbytes = self.numel * dt.itemsize
        reach = self.nbytes or math.prod(filter(None, shape)) * dt.itemsize  # of the strides
        if reach >= 1 << 63:
            raise RuntimeError(f"numel: integer multiplication overflow with sizes={list(shape)}")
        self.big = self.nbytes >= BIG and where is CPU  # of GPUs see `graph.trace.note_uploaded`
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
