"""Rows that make new tensors of old elements: reshape, clone, cat, stack, copy, fill."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..core import layout
from ..core.aval import Aval, aval
from ..core.dtypes import INT, check_number, dtype, narrow
from ..core.dtypes import int64 as INT64
from .lowering import moves as low
from .lowering.common import same as unchanged
from .rules import common_dtype, same
from .table import Spec, call, row


def _reshape(input: Any, *shape: Any, **keyword: Any) -> Any:
    """The same elements in another shape (one size may be -1): a view where memory allows it, else
    a copy. RuntimeError where the number of elements differs."""
    if input.is_contiguous():
        return call.reshape_view(input, *(shape if shape and not keyword else (_sizes(shape, keyword),)))
    new = layout.infer_size(_sizes(shape, keyword), input.numel())
    if layout.view_strides(tuple(input.shape), input.stride(), new) is not None:
        return call.reshape_alias(input, new)
    return call.unsafe_view(input, new)


def _sizes(given: tuple[Any, ...], keyword: dict[str, Any]) -> tuple[int, ...]:
    """The sizes from `reshape(2, 3)`, `reshape((2, 3))` or `reshape(shape=(2, 3))`."""
    if not given and "shape" not in keyword:
        raise TypeError("reshape() missing 1 required positional argument: 'shape'")
    if keyword and set(keyword) != {"shape"}:
        other = next(k for k in keyword if k != "shape")
        raise TypeError(f"reshape() got an unexpected keyword argument '{other}'")
    items = keyword["shape"] if keyword else given
    if len(items) == 1 and hasattr(items[0], "__iter__") and not hasattr(items[0], "__index__"):
        items = items[0]
    try:
        return tuple(operator.index(i) for i in items)
    except TypeError:
        kinds = ", ".join(type(i).__name__ for i in items)
        raise TypeError(
            f"reshape(): argument 'shape' must be tuple of ints, not ({kinds})"
        ) from None


row("reshape(Tensor input, int* shape) -> Tensor", body=_reshape,
    samples=lambda m: [((m(2, 3), (3, 2)), {}), ((m(2, 3).t(), (-1,)), {}), ((m(0, 2), (2, 0)), {}), ((m(), 1, -1), {})],
    doc="See body.")  # fmt: skip

row(
    "unsafe_view(Tensor input, int[] size) -> Tensor",
    rule=lambda x, size: Spec(x.with_shape(size)), numpy=np.reshape, moves=True, forms="",
    called="reshape",
    lower=low.reshaped,
    grads={"input": lambda grad, input_shape: grad.reshape(input_shape)},
    samples=lambda m: [((m(2, 3).t(), (6,)), {})],
    doc="The same elements in another shape, in memory of their own.",
)  # fmt: skip


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
    return input.reshape((*shape[:a], math.prod(shape[a : b + 1]), *shape[b + 1 :]))


row("flatten(Tensor input, int start_dim=0, int end_dim=-1) -> Tensor", body=_flatten,
    samples=lambda m: [((m(2, 3, 2), 1), {}), ((m(),), {}), ((m(2, 3).t(),), {})],
    doc="See body.")  # fmt: skip


def _unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """A dimension split into several, of which one may be -1."""
    d = layout.wrap_dim(dim, input.ndim)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if not input.ndim:
        raise RuntimeError("unflatten: Provided sizes don't fit a tensor without dimensions")
    try:
        new = layout.infer_size(tuple(sizes), input.shape[d])
    except RuntimeError as error:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({input.shape[d]}) in the input tensor: {error}"
        ) from None
    return call.view_as_size(input, (*input.shape[:d], *new, *input.shape[d + 1 :]))


row("unflatten(Tensor input, int dim, int[] sizes) -> Tensor", body=_unflatten,
    samples=lambda m: [((m(2, 6), 1, (2, -1)), {})], doc="See body.")  # fmt: skip

row("ravel(Tensor input) -> Tensor",
    body=lambda input: call.view_as_size(input.contiguous(), (-1,)),
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3).t(),), {})], doc="One dimension.")  # fmt: skip

row(
    "clone(Tensor input, *, any memory_format=None) -> Tensor",
    rule=same, numpy=lambda x, memory_format: x, moves=True,
    lower=unchanged,
    grads={"input": lambda grad: grad},
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3).t(),), {})],
    doc="A copy in memory of its own. Nothing is copied before one of the two is written.",
)  # fmt: skip


def _to_dtype_rule(x: Aval, dt: dtype) -> Spec:
    return Spec(x.with_dtype(dt), dt)


row(
    "to_dtype(Tensor input, dtype dtype) -> Tensor",
    rule=_to_dtype_rule, numpy=lambda x, dtype: x, moves=True, forms="", node="ToCopyBackward0",
    lower=low.to_dtype,
    grads={"input": lambda grad, input_dtype: grad.to(input_dtype)},
    samples=lambda m: [((m(2, 3), _float64()), {})],
    doc="The numbers in another dtype; see Tensor.to.",
)  # fmt: skip


def _float64() -> dtype:
    from ..core.dtypes import float64

    return float64


def _cat_rule(avals: tuple[Aval, ...], dim: int) -> Spec:
    if not avals:
        raise ValueError("expected a non-empty list of Tensors")
    for i, a in enumerate(avals):
        if a.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    dt = common_dtype(avals)
    # An empty vector fits everywhere, as it did in the first PyTorch.
    first = next((a for a in avals if a.shape != (0,)), avals[0])
    d = layout.wrap_dim(dim, first.ndim)
    total = 0
    for i, a in enumerate(avals):
        if a.shape == (0,):
            continue
        if a.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {a.ndim} "
                f"(shapes {list(first.shape)} and {list(a.shape)})"
            )
        for k, (x, y) in enumerate(zip(first.shape, a.shape, strict=True)):
            if k != d and x != y:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {d}. Expected size {x} but "
                    f"got size {y} for tensor number {i} in the list (shapes {list(first.shape)} "
                    f"and {list(a.shape)})."
                )
        total += a.shape[d]
    return Spec(aval((*first.shape[:d], total, *first.shape[d + 1 :]), dt, first.device), dt)


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
    lower=low.cat,
    alias=("concat", "concatenate"), out="cast apart",
    grads={"tensors": lambda grad, shapes, dim: _cat_backward(grad, shapes, dim)},
    samples=lambda m: [(([m(2, 3), m(1, 3)],), {}), (([m(2, 3), m(2, 1)], -1), {}), (([m(0), m(3)],), {})],
    doc="Tensors joined along a dimension.",
)  # fmt: skip


def _stack_rule(avals: tuple[Aval, ...], dim: int) -> Spec:
    if not avals:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = avals[0].shape
    for i, a in enumerate(avals):
        if a.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 "
                f"and {list(a.shape)} at entry {i}"
            )
    d = layout.wrap_dim(dim, len(shape) + 1)
    dt = common_dtype(avals)
    return Spec(aval((*shape[:d], len(avals), *shape[d:]), dt, avals[0].device), dt)


row(
    "stack(Tensor[] tensors, int dim=0) -> Tensor",
    rule=_stack_rule, numpy=lambda arrays, dim: np.stack(arrays, dim), moves=True, forms="fo",
    lower=low.stack,
    grads={"tensors": lambda grad, dim: list(grad.unbind(dim))},
    samples=lambda m: [(([m(2, 3), m(2, 3)],), {}), (([m(2), m(2)], -1), {}), (([m(), m()],), {}), (([m(0), m(0)], 1), {})],
    doc="Tensors of one shape joined along a new dimension.",
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
    rule=_copy_rule, numpy=_copied, moves=True, forms="", node="CopyBackwards", called="copy_",
    lower=low.copied,
    grads={"input": lambda grad: call.zeros_like(grad), "src": lambda grad: grad},
    samples=lambda m: [((m(2, 3), m(3)), {}), ((m(2, 1), m()), {})],
    doc="`src` broadcast to input's shape; see Tensor.copy_.",
)  # fmt: skip


def _fill_rule(x: Aval, value: Any) -> Spec:
    if isinstance(value, Aval) and value.ndim:
        raise RuntimeError(
            "fill only supports 0-dimension value tensor but got tensor with "
            f"{value.ndim} dimensions."
        )
    return Spec(x, x.dtype)


def _fill_check(fetch: Any, x: Aval, kind: Any) -> None:
    if not isinstance(kind, Aval):
        check_number(fetch(1), x.dtype)


def _filled(x: np.ndarray, value: Any) -> np.ndarray:
    out = np.empty(x.shape, x.dtype)
    out[...] = value.real if x.dtype.kind != "c" else value
    return out


row(
    "fill(Tensor input, Operand value) -> Tensor",
    rule=_fill_rule, numpy=_filled, forms="fi", uniform=True, check=_fill_check,
    lower=low.fill,
    node="FillBackward1", number_node="FillBackward0",
    grads={"input": lambda grad: call.zeros_like(grad), "value": lambda grad: grad.sum()},
    samples=lambda m: [((m(2, 3), 1.5), {}), ((m(2, 3), m()), {}), ((m(), 2), {}), ((m(0), True), {})],
    doc="input's shape filled with a number.",
)  # fmt: skip

row(
    "zero(Tensor input) -> Tensor",
    rule=same, numpy=np.zeros_like, forms="I", moves=True, uniform=True,
    lower=low.zero,
    grads={"input": lambda grad: call.zeros_like(grad)},
    samples=lambda m: [((m(2, 3),), {}), ((m(),), {})],
    doc="Zeros of input's shape.",
)  # fmt: skip


def _full_rule(value: Any, shape: Any, dt: dtype) -> Spec:
    return Spec(aval(shape, dt))


def _full(value: Any, shape: Any, dt: dtype) -> np.ndarray:
    return np.full(shape, narrow(value, dt) if dt.is_narrow else value, dt.np)


row(
    "constant(Scalar value, int[] shape, dtype dtype) -> Tensor",
    rule=_full_rule, numpy=_full, forms="", moves=True,
    lower=low.constant,
    doc="A tensor of one number; see torch.full.",
)  # fmt: skip


def _sequence(start: Any, step: Any, count: int, dt: dtype) -> np.ndarray:
    integral = dt.category <= INT
    values = np.arange(count, dtype=np.int64 if integral else np.float64) * step + start
    return values.astype(dt.np) if integral else narrow(values, dt)


row(
    "sequence(Scalar start, Scalar step, int count, dtype dtype) -> Tensor",
    rule=lambda start, step, count, dt: Spec(aval((count,), dt)), numpy=_sequence, forms="", moves=True,
    lower=low.sequence,
    samples=lambda m: [((2, 3, 5, INT64), {}), ((0.5, -0.25, 4, m(1).dtype), {})],
    doc="`count` numbers from start on by step, computed as int64 or float64; see torch.arange.",
)  # fmt: skip


def _applied(name: str, input: Any, others: tuple[Any, ...], function: Any) -> Any:
    if input.requires_grad:
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
        )
    columns = [t.detach().expand(input.shape).reshape(-1).tolist() for t in (input, *others)]
    values = [function(*numbers) for numbers in zip(*columns, strict=True)]
    return input.copy_(call.tensor(values, dtype=input.dtype).reshape(input.shape))


row("apply_(Tensor input, any callable) -> Tensor", forms="m",
    body=lambda input, callable: _applied("apply_", input, (), callable),
    doc="Each number replaced by what a Python function makes of it, one call each.")  # fmt: skip
row("map_(Tensor input, Tensor tensor, any callable) -> Tensor", forms="m",
    body=lambda input, tensor, callable: _applied("map_", input, (tensor,), callable),
    doc="Each number replaced by what a Python function makes of it and another tensor's.")  # fmt: skip
row("map2_(Tensor input, Tensor x, Tensor y, any callable) -> Tensor", forms="m",
    body=lambda input, x, y, callable: _applied("map2_", input, (x, y), callable),
    doc="map_() with two other tensors.")  # fmt: skip
