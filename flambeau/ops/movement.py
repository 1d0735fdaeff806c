"""Rows that make new tensors of old elements: reshape, cat, stack, fill, copy, scatter of views."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import layout
from ..core.aval import Aval, aval
from ..core.dtypes import dtype, narrow
from .core import strided
from .rules import common_dtype, same
from .table import Spec, call, row


def _reshape(input: Any, *shape: Any, **kwargs: Any) -> Any:
    """The same elements in another shape (one size may be -1): a view where memory allows it, else
    a copy. RuntimeError where the number of elements differs."""
    from ..ops.signature import parse
    from .table import table

    size = _ints("reshape", shape, kwargs.get("shape"))
    new = layout.infer_size(size, input.numel())
    del parse, table
    if layout.view_strides(tuple(input.shape), input.stride(), new) is not None:
        return call.view_as_size(input, new)
    return call.view_as_size(input.clone(), new)


def _ints(name: str, given: tuple[Any, ...], keyword: Any) -> tuple[int, ...]:
    import operator

    items = keyword if keyword is not None else given
    if len(items) == 1 and not isinstance(items[0], int) and hasattr(items[0], "__iter__"):
        items = items[0]
    try:
        return tuple(operator.index(i) for i in items)
    except TypeError:
        kinds = ", ".join(type(i).__name__ for i in items)
        raise TypeError(
            f"{name}(): argument 'shape' must be tuple of ints, not ({kinds})"
        ) from None


row("reshape(Tensor input, int* shape) -> Tensor", body=_reshape,
    samples=lambda m: [((m(2, 3), (3, 2)), {}), ((m(2, 3).t(), (-1,)), {}), ((m(0, 2), (2, 0)), {})],
    doc="See the body.")  # fmt: skip


def _flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions start_dim to end_dim joined into one."""
    n = input.dim()
    a, b = layout.wrap_dim(start_dim, n), layout.wrap_dim(end_dim, n)
    if a > b:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if n == 0:
        return input.reshape((1,))
    if a == b:
        return input
    shape = tuple(input.shape)
    size = 1
    for s in shape[a : b + 1]:
        size *= s
    return input.reshape((*shape[:a], size, *shape[b + 1 :]))


row("flatten(Tensor input, int start_dim=0, int end_dim=-1) -> Tensor", body=_flatten,
    doc="Dimensions joined into one.")  # fmt: skip

row(
    "clone(Tensor input, *, any memory_format=None) -> Tensor",
    rule=same, numpy=lambda x, memory_format: x, moves=True,
    grads={"input": lambda grad: grad},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3).t(),), {})],
    doc="A copy in memory of its own. Nothing is copied before one of the two is written.",
)  # fmt: skip


def _to_dtype_rule(x: Aval, dt: dtype) -> Spec:
    return Spec(x.with_dtype(dt), dt)


row(
    "to_dtype(Tensor input, dtype dtype) -> Tensor",
    rule=_to_dtype_rule, numpy=lambda x, dtype: x, moves=True, forms="", node="ToCopyBackward0",
    grads={"input": lambda grad, input_dtype: grad.to(input_dtype)},
    samples=lambda m: [((m(2, 3), _float64()), {})],
    doc="The numbers in another dtype; see Tensor.to.",
)  # fmt: skip


def _float64() -> dtype:
    from ..core.dtypes import float64

    return float64


def _cat_rule(*args: Any) -> Spec:
    avals, dim = args[0], args[1]
    if not avals:
        raise ValueError("expected a non-empty list of Tensors")
    dt = common_dtype(avals)
    for a in avals:
        if a.ndim == 0:
            raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    real = [a for a in avals if a.shape != (0,)] or [avals[0]]
    first = real[0]
    d = layout.wrap_dim(dim, first.ndim)
    total = 0
    for i, a in enumerate(real):
        if a.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {a.ndim}"
            )
        for k, (x, y) in enumerate(zip(first.shape, a.shape, strict=True)):
            if k != d and x != y:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {d}. Expected size {x} but "
                    f"got size {y} for tensor number {i} in the list (shapes {list(first.shape)} "
                    f"and {list(a.shape)})."
                )
        total += a.shape[d]
    shape = list(first.shape)
    shape[d] = total
    return Spec(aval(tuple(shape), dt, first.device), dt)


def _cat(arrays: list[np.ndarray], dim: int) -> np.ndarray:
    real = [a for a in arrays if a.shape != (0,)] or arrays[:1]
    return np.concatenate(real, axis=dim)


def _cat_backward(grad: Any, shapes: Any, dim: int) -> Any:
    out, at = [], 0
    d = dim % grad.dim()
    for shape in shapes:
        if tuple(shape) == (0,):
            out.append(call.zeros((0,), dtype=grad.dtype))
            continue
        out.append(grad.narrow(d, at, shape[d]))
        at += shape[d]
    return out


row(
    "cat(Tensor[] tensors, int dim=0) -> Tensor",
    rule=_cat_rule, numpy=_cat, moves=True, forms="fo",
    alias=("concat", "concatenate"),
    grads={"tensors": lambda grad, shapes, dim: _cat_backward(grad, shapes, dim)},
    samples=lambda m: [(([m(2, 3), m(1, 3)],), {}), (([m(2, 3), m(2, 1)], -1), {}), (([m(0), m(3)],), {})],
    doc="Tensors joined along a dimension.",
)  # fmt: skip


def _stack(tensors: Any, dim: int = 0) -> Any:
    """Tensors of one shape joined along a new dimension."""
    items = list(tensors)
    if not items:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = items[0].shape
    for i, t in enumerate(items):
        if t.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 "
                f"and {list(t.shape)} at entry {i}"
            )
    d = layout.wrap_dim(dim, len(shape) + 1)
    return call.stack_equal(items, d)


row("stack(Tensor[] tensors, int dim=0) -> Tensor", body=_stack, forms="fo",
    samples=lambda m: [(([m(2, 3), m(2, 3)],), {}), (([m(2), m(2)], -1), {}), (([m(), m()],), {})],
    doc="Tensors joined along a new dimension.")  # fmt: skip


def _stack_rule(avals: Any, dim: int) -> Spec:
    dt = common_dtype(avals)
    shape = (*avals[0].shape[:dim], len(avals), *avals[0].shape[dim:])
    return Spec(aval(shape, dt, avals[0].device), dt)


row(
    "stack_equal(Tensor[] tensors, int dim) -> Tensor",
    rule=_stack_rule, numpy=lambda arrays, dim: np.stack(arrays, dim), moves=True, forms="",
    node="StackBackward0",
    grads={"tensors": lambda grad, dim: list(grad.unbind(dim))},
    doc="stack() with its arguments checked.",
)  # fmt: skip


def _copy_rule(x: Aval, src: Aval) -> Spec:
    if layout.broadcast(x.shape, src.shape) != x.shape:
        raise RuntimeError(
            f"output with shape {list(x.shape)} doesn't match the broadcast shape "
            f"{list(layout.broadcast(x.shape, src.shape))}"
        )
    return Spec(x)


def _copied(x: np.ndarray, src: np.ndarray) -> np.ndarray:
    return np.broadcast_to(src, x.shape)


row(
    "copy_same(Tensor input, Tensor src) -> Tensor",
    rule=_copy_rule, numpy=_copied, moves=True, forms="", node="CopyBackwards",
    grads={"input": lambda grad: call.zeros_like(grad), "src": lambda grad: grad},
    doc="`src` broadcast to input's shape; see Tensor.copy_.",
)  # fmt: skip


def _fill_rule(x: Aval, value: Any) -> Spec:
    if isinstance(value, Aval) and value.ndim:
        raise RuntimeError(
            "fill only supports 0-dimension value tensor but got tensor with "
            f"{value.ndim} dimensions."
        )
    return Spec(x, x.dtype)


def _filled(x: np.ndarray, value: Any) -> np.ndarray:
    out = np.empty(x.shape, x.dtype)
    out[...] = value
    return out


row(
    "fill(Tensor input, Operand value) -> Tensor",
    rule=_fill_rule, numpy=_filled, forms="fi", uniform=True,
    grads={"input": lambda grad: call.zeros_like(grad), "value": lambda grad: grad.sum()},
    samples=lambda m: [((m(2, 3), 1.5), {}), ((m(2, 3), m()), {})],
    doc="input's shape filled with a number.",
)  # fmt: skip

row(
    "zero(Tensor input) -> Tensor",
    rule=same, numpy=np.zeros_like, forms="i", moves=True, uniform=True,
    grads={"input": lambda grad: call.zeros_like(grad)},
    doc="Zeros of input's shape.",
)  # fmt: skip


def _scatter_rule(x: Aval, src: Aval, size: Any, stride: Any, offset: Any) -> Spec:
    if tuple(src.shape) != tuple(size):
        raise RuntimeError(
            f"expected src to have size {list(size)}, but got {list(src.shape)}"
        )
    return Spec(x, x.dtype)


def _scatter(x: np.ndarray, src: np.ndarray, size: Any, stride: Any, offset: Any) -> np.ndarray:
    out = x.copy(order="C")
    if 0 not in size:
        strided(out, size, stride, offset or 0)[...] = src
    return out


row(
    "as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    rule=_scatter_rule, numpy=_scatter, moves=True,
    grads={
        "input": lambda grad, src_shape, size, stride, storage_offset:
            call.as_strided_scatter(grad, call.zeros(src_shape, dtype=grad.dtype), size, stride, storage_offset),
        "src": lambda grad, size, stride, storage_offset:
            grad.contiguous().as_strided(size, stride, storage_offset or 0).clone(),
    },
    samples=lambda m: [((m(6), m(2, 2), (2, 2), (3, 1), 1), {})],
    doc="input, taken as row-major memory, with the elements of a layout replaced by src.",
)  # fmt: skip


def _unstrided(grad: np.ndarray, shape: Any, size: Any, stride: Any, offset: int) -> np.ndarray:
    out = np.zeros(shape, grad.dtype)
    if 0 in size:
        return out
    index = np.arange(out.size)
    np.add.at(out.reshape(-1), strided(index, size, stride, offset), grad)
    return out


row(
    "as_strided_backward(Tensor grad, int[] shape, int[] size, int[] stride, int offset) -> Tensor",
    rule=lambda g, shape, size, stride, offset: Spec(g.with_shape(shape)),
    numpy=_unstrided, forms="",
    grads={"grad": lambda grad, size, stride, offset:
           grad.contiguous().as_strided(size, stride, offset).clone()},
    doc="Gradient of as_strided: every element gets the sum over its places in the layout.",
)  # fmt: skip


def _full_rule(value: Any, shape: Any, dt: dtype) -> Spec:
    return Spec(aval(shape, dt))


def _full(value: Any, shape: Any, dt: dtype) -> np.ndarray:
    return np.full(shape, narrow(value, dt) if dt.is_narrow else value, dt.np)


row(
    "constant(Scalar value, int[] shape, dtype dtype) -> Tensor",
    rule=_full_rule, numpy=_full, forms="", moves=True,
    doc="A tensor of one number; see torch.full.",
)  # fmt: skip
