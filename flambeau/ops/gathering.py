"""Gathering: elements picked along a dimension, by place, or by a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval
from ..errors import shape_text
from .lowering import indexing as low
from .table import Spec, call, row

Ints = tuple[int, ...]


def check_range(array: np.ndarray, size: int, dim: int, negative: bool = False) -> None:
    """IndexError where an index is outside of dimension `dim`."""
    if not array.size:
        return
    low, high = int(array.min()), int(array.max())
    if high >= size or low < (-size if negative else 0):
        wrong = high if high >= size else low
        raise IndexError(f"index {wrong} is out of bounds for dimension {dim} with size {size}")


def size_along(x: Aval, dim: int) -> int:
    return x.shape[dim] if x.ndim else 1


def need_integers(i: Aval) -> None:
    """RuntimeError where an index tensor with elements is neither int64 nor int32."""
    if i.numel and i.dtype is not dtypes.int64 and i.dtype is not dtypes.int32:
        raise RuntimeError(f"Expected dtype int64 or int32 for index, but got {i.dtype}")


def same_dimensions(x: Aval, i: Aval, dim: int) -> int:
    """The dimension wrapped. RuntimeError unless the index has as many dimensions as `x`, and fits
    into it but for `dim`."""
    need_integers(i)
    d = layout.wrap_dim(dim, x.ndim)
    if max(x.ndim, 1) != max(i.ndim, 1) and i.numel:
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as input tensor: {i.ndim} "
            f"{shape_text(i.shape)} and {x.ndim} {shape_text(x.shape)}"
        )
    for k in range(min(x.ndim, i.ndim)):
        if k != d and i.shape[k] > x.shape[k]:
            raise RuntimeError(
                f"Size does not match at dimension {k} expected index {shape_text(i.shape)} to be "
                f"no larger than self {shape_text(x.shape)} apart from dimension {d}"
            )
    return d


def check_along(fetch: Any, x: Aval, i: Aval, dim: int) -> None:
    """RuntimeError where an index along `dim` is outside."""
    try:
        check_range(fetch(1), size_along(x, dim), dim % max(x.ndim, 1))
    except IndexError as error:
        raise RuntimeError(str(error)) from None


def places_along(shape: Ints, index: np.ndarray, dim: int) -> np.ndarray:
    """Places in row-major memory of `shape`: element [i][j] of `index` stands for
    [index[i][j]][j] with dim 0, and so on."""
    if not shape or not index.ndim:
        return index.astype(np.int64, copy=False)
    strides = layout.contiguous_strides(shape)
    dim %= len(shape)
    out = index.astype(np.int64, copy=False) * strides[dim]
    for k, n in enumerate(index.shape):
        if k != dim and n > 1:
            out += (np.arange(n) * strides[k]).reshape((-1, *[1] * (index.ndim - k - 1)))
    return out


# --- along a dimension --------------------------------------------------------------------------


def _gather_rule(x: Aval, i: Aval, dim: int, sparse_grad: bool) -> Spec:
    same_dimensions(x, i, dim)
    return Spec(x.with_shape(tuple(i.shape)))


def _gather(x: np.ndarray, index: np.ndarray, dim: int, sparse_grad: bool) -> np.ndarray:
    if not index.size:
        return np.empty(index.shape, x.dtype)
    return x.reshape(-1).take(places_along(x.shape, index, dim))


row(
    "gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
    rule=_gather_rule, numpy=_gather, moves=True, forms="fmo", out="apart",
    check=lambda fetch, x, i, dim, sparse: check_along(fetch, x, i, dim),
    lower=low.gather,
    grads={"input": lambda grad, index, input_shape, dim:
           call.zeros(input_shape, dtype=grad.dtype).scatter_add(dim, index, grad)},
    samples=lambda m: [((m(3, 2), 0, m.int(2, 2, high=3)), {}), ((m(2, 3), -1, m.int(2, 4, high=3)), {}),
                       ((m(), 0, m.int(high=1)), {}), ((m(2, 3).t(), 1, m.int(3, 1, high=2)), {}), ((m(2, 3, 2), 1, m.int(1, 4, 2, high=3)), {})],
    doc="out[i][j] = input[index[i][j]][j] for dim 0, and so on.",
)  # fmt: skip


def _take_along_dim(input: Any, indices: Any, dim: Any = None) -> Any:
    """gather() with broadcasting; without dim, of the flattened input."""
    if not indices.dtype.category == dtypes.INT:
        raise RuntimeError(
            f"take_along_dim(): expected an integer tensor of indices, but got {indices.dtype}"
        )
    if dim is None:
        return _take_along_dim(input.reshape(-1), indices.reshape(-1), 0)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of dimensions, but "
            f"got {input.ndim} dimensions for input and {indices.ndim} for indices"
        )
    d = layout.wrap_dim(dim, input.ndim)
    lead = tuple(s for k, s in enumerate(input.shape) if k != d)
    other = tuple(s for k, s in enumerate(indices.shape) if k != d)
    shape = layout.broadcast(lead, other)
    n = input.shape[d]
    whole = (*shape[:d], n, *shape[d:])
    indices = call.where_chosen(indices < 0, indices + n, indices)
    return input.expand(whole).gather(d, indices.expand((*shape[:d], indices.shape[d], *shape[d:])))


row("take_along_dim(Tensor input, Tensor indices, int? dim=None) -> Tensor", body=_take_along_dim,
    forms="fmo", out="exact", samples=lambda m: [((m(3, 2), m.int(1, 2, high=3), 0), {}), ((m(3, 2), m.int(2, high=6)), {})],
    doc="See body.")  # fmt: skip


def _select_rule(x: Aval, i: Aval, dim: int) -> Spec:
    if i.ndim > 1:
        raise IndexError(
            f"Index is supposed to be a vector, but has {i.ndim} dimensions: {shape_text(i.shape)}"
        )
    need_integers(i)
    d = layout.wrap_dim(dim, x.ndim)
    if not x.ndim:
        if i.numel != 1:
            raise RuntimeError(
                f"Index to scalar can have only 1 value, got {i.numel} value(s)"
            )
        return Spec(x)
    if not x.shape[d] and i.numel:
        raise RuntimeError(f"self indexing axis dim {d} should be positive, got size 0")
    return Spec(x.with_shape((*x.shape[:d], i.numel, *x.shape[d + 1 :])))


row(
    "index_select(Tensor input, int dim, Tensor index) -> Tensor",
    rule=_select_rule, moves=True, forms="fmo", out="apart",
    numpy=lambda x, i, dim: x.take(i.reshape(-1), axis=dim) if x.ndim and i.size else
        x if not x.ndim else x[(slice(None),) * (dim % x.ndim) + (slice(0, 0),)],
    check=lambda fetch, x, i, dim: check_range(fetch(1), size_along(x, dim), dim),
    lower=low.index_select,
    grads={"input": lambda grad, index, input_shape, dim:
           call.zeros(input_shape, dtype=grad.dtype).index_add(dim, index, grad)},
    samples=lambda m: [((m(3, 2), 0, m.int(4, high=3)), {}), ((m(2, 3), -1, m.int(2, high=3)), {}),
                       ((m(2, 3).t(), 0, m.int(high=3)), {}), ((m(), 0, m.int(1, high=1)), {}), ((m(3, 2), 0, m.int(0)), {})],
    doc="Indices of one dimension.",
)  # fmt: skip


# --- by place -----------------------------------------------------------------------------------


def check_flat(fetch: Any, x: Aval, i: Aval) -> None:
    """IndexError where a place is outside of the flattened tensor."""
    array = fetch(1)
    if array.size and (int(array.min()) < -x.numel or int(array.max()) >= x.numel):
        wrong = array.max() if array.max() >= x.numel else array.min()
        raise IndexError(
            f"out of range: tried to access index {int(wrong)} on a tensor of {x.numel} elements"
        )


def _take_rule(x: Aval, i: Aval) -> Spec:
    if i.dtype is not dtypes.int64:
        raise RuntimeError(f"Expected a long tensor for index, but got {i.dtype.legacy}")
    if not x.numel and i.numel:
        raise IndexError("tried to take from an empty tensor")
    return Spec(x.with_shape(tuple(i.shape)))


row(
    "take(Tensor input, Tensor index) -> Tensor",
    rule=_take_rule, moves=True, forms="fmo", out="apart", check=check_flat,
    numpy=lambda x, i: x.reshape(-1).take(i) if i.size else np.empty(i.shape, x.dtype),
    lower=low.take,
    grads={"input": lambda grad, index, input_shape:
           call.put(call.zeros(input_shape, dtype=grad.dtype), index, grad, True)},
    samples=lambda m: [((m(3, 2), m.int(4, low=-6, high=6)), {}), ((m(2, 3).t(), m.int(2, 2, high=6)), {}), ((m(), m.int(high=1)), {})],
    doc="Elements of the flattened input.",
)  # fmt: skip


# --- by a mask ----------------------------------------------------------------------------------

row(
    "masked_take(Tensor input, Tensor where) -> Tensor",
    rule=lambda x, i: Spec(x.with_shape(tuple(i.shape))), moves=True, forms="",
    numpy=lambda x, i: x.reshape(-1).take(i) if i.size else np.empty(i.shape, x.dtype),
    lower=low.masked_take,
    node="MaskedSelectBackward0", called="masked_select",
    grads={"input": lambda grad, where, input_shape:
           call.put(call.zeros(input_shape, dtype=grad.dtype), where, grad, True)},
    samples=lambda m: [((m(3, 2), m.int(4, high=6)), {})],
    doc="Elements of the flattened input, at places known to be inside.",
)  # fmt: skip


def _masked_select(input: Any, mask: Any) -> Any:
    """The elements where mask (broadcast with input) is true, as a vector."""
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, but got {mask.dtype}")
    shape = layout.broadcast(tuple(input.shape), tuple(mask.shape))
    where = call.nonzero(mask.expand(shape).reshape(-1)).reshape(-1)
    if shape != tuple(input.shape):  # places in the input instead of in the broadcast one
        numbers = call.arange(input.numel()).reshape(tuple(input.shape)).expand(shape)
        where = numbers.reshape(-1).index_select(0, where)
    return call.masked_take(input, where)


row("masked_select(Tensor input, Tensor mask) -> Tensor", body=_masked_select, forms="fmo", out="apart",
    samples=lambda m: [((m(3, 2), m.bool(3, 2)), {}), ((m(3, 2), m.bool(2)), {}), ((m(2), m.bool(3, 1)), {})],
    doc="See body.")  # fmt: skip

