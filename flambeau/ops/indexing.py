"""Rows behind `x[index]` and `x[index] = y` with index tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import layout
from ..core.aval import Aval, aval
from .table import Spec, call, row


def _place(indices: Any, positions: tuple[int, ...], ndim: int) -> tuple[Any, ...]:
    """NumPy's index: index arrays at their dimensions, whole slices elsewhere."""
    items: list[Any] = [slice(None)] * ndim
    for array, at in zip(indices, positions, strict=True):
        items[at] = array
    return tuple(items)


def _indexed_shape(x: Aval, indices: tuple[Aval, ...], positions: tuple[int, ...]) -> Any:
    try:
        common = layout.broadcast(*[i.shape for i in indices])
    except RuntimeError:
        shapes = ", ".join(str(list(i.shape)) for i in indices)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    rest = [s for i, s in enumerate(x.shape) if i not in positions]
    together = positions == tuple(range(positions[0], positions[-1] + 1))
    at = positions[0] if together else 0
    return (*rest[:at], *common, *rest[at:])


def _index_rule(x: Aval, indices: Any, positions: tuple[int, ...]) -> Spec:
    return Spec(aval(_indexed_shape(x, indices, positions), x.dtype, x.device))


def _check_bounds(fetch: Any, first: int, x: Aval, indices: Any, positions: Any) -> None:
    for k, at in enumerate(positions):
        array = fetch(first + k)
        size = x.shape[at]
        if array.size and size == 0 and 0 not in x.shape[:at] + x.shape[at + 1 :]:
            raise IndexError(f"index is out of bounds for dimension {at} with size 0")
        if array.size:
            low, high = int(array.min()), int(array.max())
            if low < -size or high >= size:
                wrong = low if low < -size else high
                raise IndexError(
                    f"index {wrong} is out of bounds for dimension {at} with size {size}"
                )


def _index(arrays: list[np.ndarray], positions: tuple[int, ...]) -> np.ndarray:
    x, *indices = arrays
    return x[_place(indices, positions, x.ndim)]


row(
    "index_at(Tensor input, Tensor[] indices, any positions) -> Tensor",
    rule=_index_rule, numpy=_index, moves=True, forms="", node="IndexBackward0",
    check=lambda fetch, x, indices, positions: _check_bounds(fetch, 1, x, indices, positions),
    grads={"input": lambda grad, input_shape, indices, positions:
           call.index_put_at(call.zeros(input_shape, dtype=grad.dtype), grad, indices, positions, True)},
    doc="Elements picked by index tensors along the dimensions `positions`.",
)  # fmt: skip


def index(input: Any, indices: Any) -> Any:
    """Elements picked by a list of index tensors, None for a whole dimension."""
    positions = tuple(i for i, t in enumerate(indices) if t is not None)
    return call.index_at(input, [indices[i] for i in positions], positions)


row("index(Tensor input, any indices) -> Tensor", body=index, forms="f", doc="x[indices].")


def _put_rule(x: Aval, values: Aval, indices: Any, positions: Any, accumulate: bool) -> Spec:
    if values.dtype is not x.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, "
            f"got {x.dtype.legacy} for the destination and {values.dtype.legacy} for the source."
        )
    shape = _indexed_shape(x, indices, positions)
    try:
        fits = layout.broadcast(shape, values.shape) == tuple(shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to "
            f"indexing result of shape {list(shape)}"
        )
    return Spec(x)


def _put(arrays: list[np.ndarray], positions: Any, accumulate: bool) -> np.ndarray:
    x, values, *indices = arrays
    out = x.copy(order="C")
    where = _place(indices, positions, x.ndim)
    if not accumulate:
        out[where] = values
    elif len(indices) == 1 and positions == (0,) and x.ndim > 1:
        _add_rows(out, indices[0], values)
    else:
        np.add.at(out, where, values)
    return out


def _add_rows(out: np.ndarray, index: np.ndarray, values: np.ndarray) -> None:
    """out[index] += values with repeated rows summed: sorted runs instead of one row at a time."""
    flat = index.reshape(-1)
    if not flat.size:
        return
    rows = np.broadcast_to(values, (*index.shape, *out.shape[1:])).reshape(
        flat.size, *out.shape[1:]
    )
    flat = np.where(flat < 0, flat + out.shape[0], flat)
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    out[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)


row(
    "index_put_at(Tensor input, Tensor values, Tensor[] indices, any positions, bool accumulate=False) -> Tensor",
    rule=_put_rule, numpy=_put, forms="", node="IndexPutBackward0",
    check=lambda fetch, x, v, indices, positions, accumulate:
        _check_bounds(fetch, 2, x, indices, positions),
    grads={
        "input": lambda grad, indices, positions, accumulate:
            grad if accumulate else call.index_put_at(
                grad, call.zeros((), dtype=grad.dtype), indices, positions, False),
        "values": lambda grad, indices, positions: call.index_at(grad, indices, positions),
    },
    doc="input with elements at index tensors replaced by (or increased by) values.",
)  # fmt: skip


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """input with the elements at `indices` (None for a whole dimension) set to values."""
    indices = [_ints(i) for i in indices]
    flat: list[Any] = []
    for i in indices:
        flat.extend(i) if isinstance(i, tuple) else flat.append(i)
    positions = tuple(k for k, t in enumerate(flat) if t is not None)
    if len(flat) > input.ndim:
        raise IndexError(
            f"too many indices for tensor of dimension {input.ndim} (got {len(flat)})"
        )
    if not positions:
        grown = values.expand(input.shape)
        return input + grown if accumulate else call.copy_same(input, grown)
    return call.index_put_at(input, values, [flat[k] for k in positions], positions, accumulate)


def _ints(i: Any) -> Any:
    """Boolean masks as integer index tensors."""
    if i is not None and i.dtype.category == 0:
        return tuple(call.nonzero(i).unbind(1))
    return i


row("index_put(Tensor input, any indices, Tensor values, bool accumulate=False) -> Tensor",
    body=index_put, forms="fmi", doc="input with the elements at indices replaced.")  # fmt: skip
