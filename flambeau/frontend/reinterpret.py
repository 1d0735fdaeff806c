"""`x.view(dtype)`: the same bytes read as another dtype."""

from __future__ import annotations

from typing import Any

from ..core.aval import aval
from ..core.dtypes import dtype
from .memory import stride
from .tensor import Tensor


def view_dtype(x: Any, dt: dtype) -> Any:
    """The memory of `x` as `dt`. Sizes that differ scale the last dimension, which must then be
    contiguous and divide evenly."""
    old, new = x._aval.dtype.itemsize, dt.itemsize
    if dt is x._aval.dtype:
        return x._alias_view()
    shape, strides, offset = list(x._aval.shape), list(stride(x)), x._offset
    if old != new:
        if not shape:
            raise RuntimeError(
                f"self.dim() cannot be 0 to view {x._aval.dtype} as {dt} (different element sizes)"
            )
        if strides[-1] != 1:
            raise RuntimeError(
                f"self.stride(-1) must be 1 to view {x._aval.dtype} as {dt} (different element "
                f"sizes), but got {strides[-1]}"
            )
        numbers = [*strides[:-1], offset, shape[-1]]
        if any(n * old % new for n in numbers):
            raise RuntimeError(
                f"sizes, strides and offset must be divisible by {new // max(old, 1)} to view "
                f"{x._aval.dtype} as {dt} (different element sizes), got {shape} and {strides}"
            )
        shape[-1] = shape[-1] * old // new
        strides = [*(s * old // new for s in strides[:-1]), 1]
        offset = offset * old // new
    t: Any = object.__new__(Tensor)
    t._storage = x._storage
    t._aval = aval(tuple(shape), dt, x._aval.device)
    t._strides, t._offset, t._plain = tuple(strides), offset, False
    return t
