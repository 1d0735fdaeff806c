"""A tensor with the elements that a view looks at replaced, as a new tensor; copies of views."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.aval import Aval
from ..core.layout import Ints, contiguous_strides, span
from .core import strided
from .lowering import moves as low
from .table import Layout, Spec, call, row, table
from .views import diagonal_layout, select_layout, slice_layout


def _rule(view: Callable[..., Layout]) -> Callable[..., Spec]:
    def rule(x: Aval, src: Aval, *params: Any) -> Spec:
        size = view(tuple(x.shape), contiguous_strides(x.shape), 0, *params).shape
        if tuple(src.shape) != size:
            raise RuntimeError(
                f"expected src to have a size equal to the slice of self. src size = "
                f"{list(src.shape)}, slice size = {list(size)}"
            )
        return Spec(x, x.dtype)

    return rule


def _replaced(view: Callable[..., Layout]) -> Callable[..., np.ndarray]:
    def replaced(x: np.ndarray, src: np.ndarray, *params: Any) -> np.ndarray:
        out = x.copy(order="C")
        found = view(x.shape, contiguous_strides(x.shape), 0, *params)
        if 0 not in found.shape:
            strided(out, *found)[...] = src
        return out

    return replaced


def _as_strided_layout(shape: Ints, strides: Ints, offset: int, *params: Any) -> Layout:
    size, stride, start = params
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape: {list(size)}, {list(stride)}")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported, got {list(stride)}")
    found = Layout(size, stride, start or 0)
    low, high = span(*found)
    held = math.prod(shape)
    if 0 not in size and (low < 0 or high > held):
        raise RuntimeError(
            f"sizes {list(size)}, strides {list(stride)} and storage offset {start or 0} name elements "
            f"{low} to {high - 1}, out of bounds for an input of {held} elements"
        )
    return found


def _zeros(shape: Ints, grad: Any) -> Any:
    return call.zeros(tuple(shape), dtype=grad.dtype)


row(
    "select_scatter(Tensor input, Tensor src, int dim, int index) -> Tensor",
    rule=_rule(select_layout), numpy=_replaced(select_layout), moves=True,
    lower=low.scattered(select_layout),
    grads={"input": lambda grad, src_shape, dim, index:
           call.select_scatter(grad, _zeros(src_shape, grad), dim, index),
           "src": lambda grad, dim, index: grad.select(dim, index)},
    samples=lambda m: [((m(2, 3), m(2), 1, -1), {}), ((m(3), m(), 0, 1), {})],
    doc="input with one index of a dimension replaced by src.",
)  # fmt: skip

row(
    "slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    rule=_rule(slice_layout), numpy=_replaced(slice_layout), moves=True, forms="fmo",
    lower=low.scattered(slice_layout),
    grads={"input": lambda grad, src_shape, dim, start, end, step:
           call.slice_scatter(grad, _zeros(src_shape, grad), dim, start, end, step),
           "src": lambda grad, dim, start, end, step: call.slice(grad, dim, start, end, step)},
    samples=lambda m: [((m(5, 2), m(2, 2), 0, 1, 5, 2), {}), ((m(2, 3), m(2, 1)), {"dim": 1, "end": 1})],
    doc="input with every step-th index of a dimension from start to end replaced by src.",
)  # fmt: skip

row(
    "diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    rule=_rule(diagonal_layout), numpy=_replaced(diagonal_layout), moves=True,
    lower=low.scattered(diagonal_layout),
    grads={"input": lambda grad, src_shape, offset, dim1, dim2:
           call.diagonal_scatter(grad, _zeros(src_shape, grad), offset, dim1, dim2),
           "src": lambda grad, offset, dim1, dim2: grad.diagonal(offset, dim1, dim2)},
    samples=lambda m: [((m(3, 4), m(3)), {}), ((m(2, 3, 4), m(3, 2), -1, 2, 0), {})],
    doc="input with a diagonal of two dimensions replaced by src.",
)  # fmt: skip

row(
    "as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    rule=_rule(_as_strided_layout), numpy=_replaced(_as_strided_layout), moves=True,
    lower=low.scattered(_as_strided_layout),
    grads={"input": lambda grad, src_shape, size, stride, storage_offset:
           call.as_strided_scatter(grad, _zeros(src_shape, grad), size, stride, storage_offset),
           "src": lambda grad, size, stride, storage_offset:
           grad.contiguous().as_strided(size, stride, storage_offset or 0).clone()},
    samples=lambda m: [((m(6), m(2, 2), (2, 2), (3, 1), 1), {})],
    doc="input, taken as row-major memory, with the elements of a layout replaced by src.",
)  # fmt: skip


def _disjoint(size: Ints, stride: Ints) -> bool:
    """Whether a layout surely names no element twice: each stride steps over what lies inside."""
    reach = 0
    for step, n in sorted((st, sz) for sz, st in zip(size, stride, strict=True) if sz != 1):
        if step <= reach:
            return False
        reach += (n - 1) * step
    return True


def _unstrided(grad: np.ndarray, offset: int, shape: Any, size: Any, stride: Any) -> np.ndarray:
    out = np.zeros(shape, grad.dtype)
    if 0 in size:
        return out
    if _disjoint(size, stride):
        strided(out, size, stride, offset)[...] = grad
        return out
    index = np.arange(out.size)
    np.add.at(out.reshape(-1), strided(index, size, stride, offset), grad)
    return out


row(
    "as_strided_backward(Tensor grad, Scalar offset, int[] shape, int[] size, int[] stride) -> Tensor",
    rule=lambda g, offset, shape, size, stride: Spec(g.with_shape(shape)),
    numpy=_unstrided, forms="",
    lower=low.as_strided_backward,
    grads={"grad": lambda grad, size, stride, offset:
           grad.contiguous().as_strided(size, stride, offset).clone()},
    samples=lambda m: [((m(2, 2), 1, (5,), (2, 2), (1, 1)), {}), ((m(2, 2), 0, (5,), (2, 2), (2, 1)), {})],
    doc="Gradient of as_strided: every element gets the sum over its places in the layout.",
)  # fmt: skip


row("narrow_copy(Tensor input, int dim, index start, int length) -> Tensor", forms="fmo", out="exact",
    body=lambda input, dim, start, length: input.narrow(dim, start, length).clone(),
    node="NarrowCopy", grads=table["narrow"].grads,
    samples=lambda m: [((m(5, 3), 0, 1, 3), {}), ((m(5), 0, -2, 2), {})],
    doc="narrow() as a tensor of its own.")  # fmt: skip
