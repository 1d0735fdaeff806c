"""Rows behind `x[index]` and `x[index] = y` with index tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval
from ..errors import shape_text
from . import mask_kernels
from .lowering import indexing as low
from .table import Spec, call, row

Ints = tuple[int, ...]

# --- shapes -------------------------------------------------------------------------------------


def _indexed_shape(shape: Ints, indices: tuple[Ints, ...], positions: Ints) -> Ints:
    """The shape of `x[indices]` at the dimensions `positions`: the indices' common shape stands
    where they are, or in front if they are not side by side."""
    if not positions:
        return shape
    try:
        common = layout.broadcast(*indices)
    except RuntimeError:
        shapes = ", ".join(shape_text(i) for i in indices)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    empty = next((k for k in positions if shape[k] == 0), None)
    if empty is not None and 0 not in common:
        raise IndexError(f"index is out of bounds for dimension {empty} with size 0")
    rest = [s for k, s in enumerate(shape) if k not in positions]
    at = _start(positions)
    return (*rest[:at], *common, *rest[at:])


def _start(positions: Ints) -> int:
    """Where the indices' common dimensions begin in the result."""
    side_by_side = positions == tuple(range(positions[0], positions[-1] + 1))
    return positions[0] if side_by_side else 0


def _shape_of(x: Aval, indices: tuple[Aval, ...], positions: Ints) -> Ints:
    for i in indices:
        if i.dtype is not dtypes.int64 and i.dtype is not dtypes.int32:
            raise IndexError(
                f"tensors used as indices must be long, int, byte or bool tensors, got {i.dtype}"
            )
    return _indexed_shape(tuple(x.shape), tuple(tuple(i.shape) for i in indices), positions)


def _check_bounds(fetch: Any, first: int, x: Aval, indices: Any, positions: Ints) -> None:
    """IndexError for an index that is outside, unless nothing is picked at all."""
    if 0 in _shape_of(x, indices, positions):
        return
    for k, at in enumerate(positions):
        array, size = fetch(first + k), x.shape[at]
        low, high = int(array.min()), int(array.max())
        if low < -size or high >= size:
            wrong = low if low < -size else high
            raise IndexError(f"index {wrong} is out of bounds for dimension {at} with size {size}")


def fits(shape: Ints, target: Ints) -> bool:
    """Whether `shape` broadcasts to `target`."""
    extra = len(target) - len(shape)
    return extra >= 0 and all(
        s in (1, t) for s, t in zip(shape, target[extra:], strict=True)
    )


def need_mask_shape(mask: Ints, shape: Ints, at: int) -> None:
    """IndexError where a mask at dimension `at` has not the indexed tensor's sizes."""
    for k, size in enumerate(mask):
        if size != shape[at + k]:
            raise IndexError(
                f"The shape of the mask {shape_text(mask)} at index {k} does not match the shape "
                f"of the indexed tensor {shape_text(shape)} at index {at + k}"
            )


# --- arrays -------------------------------------------------------------------------------------


def places(shape: Ints, indices: list[np.ndarray], positions: Ints) -> np.ndarray:
    """Places in row-major memory of `shape` that `[indices]` at the dimensions `positions` picks.
    Indices may be negative."""
    picked = _indexed_shape(shape, tuple(i.shape for i in indices), positions)
    strides = layout.contiguous_strides(shape)
    at = _start(positions) if positions else 0
    rest = [k for k in range(len(shape)) if k not in positions]
    common = len(picked) - len(rest)
    out: Any = 0
    for index, k in zip(indices, positions, strict=True):
        inside = index % shape[k] if index.size and index.min() < 0 else index
        part = inside.astype(np.int64, copy=False) * strides[k]
        out = out + part.reshape((*part.shape, *[1] * (len(rest) - at)))
    for number, k in enumerate(rest):
        dim = number if number < at else number + common
        steps = np.arange(shape[k]) * strides[k]
        out = out + steps.reshape((-1, *[1] * (len(picked) - dim - 1)))
    return np.broadcast_to(out, picked)


def add_at(out: np.ndarray, where: np.ndarray, values: Any) -> None:
    """Add to places of C-contiguous `out`, again where a place comes again.

    One dimension is the case that NumPy has a quick loop for: 2 ns an element, where whole rows
    take 5 to 8 and sorting them first 7.
    """
    values = np.broadcast_to(values, where.shape).reshape(-1)
    np.add.at(out.reshape(-1), where.reshape(-1), values)


def _index(arrays: list[np.ndarray], positions: Ints) -> np.ndarray:
    x, *indices = arrays
    shape = _indexed_shape(x.shape, tuple(i.shape for i in indices), positions)
    if 0 in shape:  # NumPy would check the bounds of what is not picked
        return np.empty(shape, x.dtype)
    if len(indices) == 1:
        return x.take(indices[0], axis=positions[0])
    return x[_place(indices, positions, x.ndim)]


def _place(indices: Any, positions: Ints, ndim: int) -> tuple[Any, ...]:
    """NumPy's index: index arrays at their dimensions, whole slices elsewhere."""
    items: list[Any] = [slice(None)] * ndim
    for array, at in zip(indices, positions, strict=True):
        items[at] = array
    return tuple(items)


def _put(arrays: list[np.ndarray], positions: Ints, accumulate: bool) -> np.ndarray:
    x, values, *indices = arrays
    out = x.copy(order="C")
    if 0 in _indexed_shape(x.shape, tuple(i.shape for i in indices), positions):
        return out
    if accumulate:
        add_at(out, places(x.shape, indices, positions), values)
    else:
        out[_place(indices, positions, x.ndim)] = values
    return out


# --- rows ---------------------------------------------------------------------------------------

row(
    "index_at(Tensor input, Tensor[] indices, any positions) -> Tensor",
    rule=lambda x, indices, positions: Spec(x.with_shape(_shape_of(x, indices, positions))),
    numpy=_index, moves=True, forms="", node="IndexBackward0", called="index",
    check=lambda fetch, x, indices, positions: _check_bounds(fetch, 1, x, indices, positions),
    lower=low.index_at,
    grads={"input": lambda grad, input_shape, indices, positions: call.index_put_at(
        call.zeros(input_shape, dtype=grad.dtype), grad, indices, positions, True)},
    samples=lambda m: [((m(3, 2), [m.int(4, high=3)], (0,)), {}),
                       ((m(2, 3, 2), [m.int(2, high=2), m.int(2, 1, high=2)], (0, 2)), {}),
                       ((m(2, 3), [m.int(2, low=-3, high=3)], (1,)), {}), ((m(2, 3).t(), [m.int(0, high=3)], (0,)), {})],
    doc="Elements picked by index tensors along the dimensions `positions`.",
)  # fmt: skip


def _put_rule(x: Aval, values: Aval, indices: Any, positions: Ints, accumulate: bool) -> Spec:
    if values.dtype is not x.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, "
            f"got {x.dtype.legacy} for the destination and {values.dtype.legacy} for the source."
        )
    shape = _shape_of(x, indices, positions)
    if not fits(tuple(values.shape), shape):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {shape_text(values.shape)} cannot be broadcast "
            f"to indexing result of shape {shape_text(shape)}"
        )
    return Spec(x)


row(
    "index_put_at(Tensor input, Tensor values, Tensor[] indices, any positions, bool accumulate=False) -> Tensor",
    rule=_put_rule, numpy=_put, forms="", node="IndexPutBackward0", called="index_put",
    check=lambda fetch, x, v, indices, positions, accumulate:
        _check_bounds(fetch, 2, x, indices, positions),
    lower=low.index_put_at,
    grads={
        "input": lambda grad, indices, positions, accumulate:
            grad if accumulate else call.index_put_at(
                grad, call.zeros((), dtype=grad.dtype), indices, positions, False),
        "values": lambda grad, indices, positions: call.index_at(grad, indices, positions),
    },
    doc="input with elements at index tensors replaced by (or increased by) values.",
)  # fmt: skip


def _put_mask(x: np.ndarray, mask: np.ndarray, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        value = np.asarray(value).astype(x.dtype)
    return mask_kernels.chosen(mask, value, x)


row(
    "index_put_mask(Tensor input, Tensor mask, Operand value) -> Tensor",
    rule=lambda x, mask, value: Spec(x, x.dtype), numpy=_put_mask, keeps=("mask",),
    forms="", node="IndexPutBackward0", called="index_put",
    lower=low.index_put_mask,
    grads={"input": lambda grad, mask: grad.masked_fill(mask, 0),
           "value": lambda grad, mask: call.where(mask, grad, 0).sum()},
    doc="input with the elements under a mask, of a shape that broadcasts, set to one value.",
)  # fmt: skip


# --- the functions ------------------------------------------------------------------------------


def integer_indices(input: Any, indices: Any) -> list[Any]:
    """Index tensors for the dimensions of input in order, masks as the integers of the places
    where they are true. IndexError for masks of another shape, and too many indices."""
    listed: list[Any] = []
    for i in indices:
        if i.dtype is not dtypes.bool_ and i.dtype is not dtypes.uint8:
            listed.append(i)
            continue
        if len(listed) + i.ndim <= input.ndim:
            need_mask_shape(tuple(i.shape), tuple(input.shape), len(listed))
        listed.extend(call.nonzero(i).unbind(1))
    if len(listed) > input.ndim:
        raise IndexError(
            f"too many indices for tensor of dimension {input.ndim} (got {len(listed)})"
        )
    return listed


def _is_one_mask(indices: Any) -> bool:
    return len(indices) == 1 and indices[0].dtype is dtypes.bool_


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """input with the elements at `indices` set to values, or with `accumulate` increased by
    them."""
    if not isinstance(indices, (tuple, list)):
        raise TypeError(
            f"index_put(): argument 'indices' (position 2) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    for k, i in enumerate(indices):
        if not hasattr(i, "_aval"):
            raise TypeError(
                f"index_put(): expected Tensor as element {k} in argument 'indices', but got "
                f"{type(i).__name__}"
            )
    if indices and _is_one_mask(indices) and values.numel() == 1 and not accumulate:
        mask = indices[0].reshape((*indices[0].shape, *[1] * (input.ndim - indices[0].ndim)))
        need_mask_shape(tuple(indices[0].shape), tuple(input.shape), 0)
        return call.index_put_mask(input, mask, values.reshape(()).to(input.dtype))
    listed = integer_indices(input, indices)
    return call.index_put_at(input, values, listed, tuple(range(len(listed))), bool(accumulate))


row("index_put(Tensor input, any indices, Tensor values, bool accumulate=False) -> Tensor",
    body=index_put, forms="fmi", doc="input with the elements at indices replaced.",
    samples=lambda m: [((m(3, 2), (m.int(1, high=3),), m(2)), {}), ((m(3, 2), (m.int(4, high=3),), m(4, 2)), {"accumulate": True}),
                       ((m(2, 3, 2), (m.int(3, high=2), m.int(2, 1, low=-3, high=3)), m(3, 2)), {"accumulate": True}),
                       ((m(3, 2), [m.bool(3)], m()), {}), ((m(3, 2), [m.bool(3, 2)], m(1)), {"accumulate": True})])  # fmt: skip
