"""The rows that the mechanism itself records: views, writes, conversions, picks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from .lowering import moves as low
from .table import Row


def strided(
    flat: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> np.ndarray:
    """A window on C-contiguous memory, in elements."""
    size = flat.dtype.itemsize
    if 0 in shape:
        return np.empty(shape, flat.dtype)
    try:
        return np.ndarray(shape, flat.dtype, flat, offset * size, [s * size for s in strides])
    except (ValueError, OverflowError):  # strides of one step may be more than there are bytes
        steps = [s * size if n > 1 else 0 for n, s in zip(shape, strides, strict=True)]
        return np.ndarray(shape, flat.dtype, flat, offset * size, steps)


def _view(base: np.ndarray, offset: int | None, shape: Any, strides: Any) -> np.ndarray:
    if not base.flags.c_contiguous:
        base = np.ascontiguousarray(base)
    return strided(base, shape, strides, offset or 0)


def _write(
    base: np.ndarray, value: np.ndarray, offset: int | None, shape: Any, strides: Any,
    reuse: bool = False,
) -> np.ndarray:  # fmt: skip
    if not (reuse and base.flags.c_contiguous):
        base = base.copy(order="C")
    if 0 not in shape:
        strided(base, shape, strides, offset or 0)[...] = value
    return base


def as_elements(x: np.ndarray, target: dtypes.dtype) -> np.ndarray:
    """C-contiguous memory as elements of a dtype, flat; a rest is left out."""
    memory = x.reshape(-1).view(np.uint8)
    return memory[: memory.size - memory.size % target.itemsize].view(target.np)


def _write_as(
    base: np.ndarray, value: np.ndarray, offset: int | None, target: Any, shape: Any, strides: Any
) -> np.ndarray:
    base = base.copy(order="C")
    if 0 not in shape:
        strided(as_elements(base, target), shape, strides, offset or 0)[...] = value
    return base


VIEW = Row(
    "view(Tensor base, Scalar offset, int[] shape, int[] strides) -> Tensor",
    numpy=_view, moves=True, lower=low.view,
    doc="Elements of a value's row-major memory, seen through a layout. The offset is a run-time "
    "number, so that x[0] and x[1] are one program; it is None where it is zero.",
)  # fmt: skip

WRITE = Row(
    "write(Tensor base, Tensor value, Scalar offset, int[] shape, int[] strides) -> Tensor",
    numpy=_write, moves=True, writes=True, lower=low.write,
    doc="`base` with the elements of a layout replaced by `value`.",
)  # fmt: skip

CONVERT = Row(
    "convert(Tensor input, dtype source, dtype target) -> Tensor",
    numpy=dtypes.convert, moves=True, lower=low.convert,
    doc="The same numbers in another dtype.",
)  # fmt: skip

REINTERPRET = Row(
    "reinterpret(Tensor input, dtype target) -> Tensor",
    numpy=lambda x, target: as_elements(np.ascontiguousarray(x), target), moves=True,
    doc="A value's row-major memory as elements of another dtype, flat; a rest is left out.",
)

WRITE_AS = Row(
    "write_as(Tensor base, Tensor value, Scalar offset, dtype target, int[] shape, int[] strides) "
    "-> Tensor",
    numpy=_write_as, moves=True,
    doc="`write` into memory that is seen as elements of another dtype.",
)

PICK = Row(
    "pick(Tensor results, int position) -> Tensor",
    numpy=lambda results, position: results[position], moves=True, lower=low.pick,
    doc="One of an operation's several results.",
)  # fmt: skip
