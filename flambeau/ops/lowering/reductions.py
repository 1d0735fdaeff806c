"""Lowerings of sums, means, extrema, norms, softmax and their kin."""

from __future__ import annotations

import math
from typing import Any

from ...core.layout import Ints
from .common import Lowering, Node, dims_of, flat, for_floats, is_float
from .pointwise import isfinite

_LIMITS = {
    "uint8": (0, 2**8 - 1), "int8": (-(2**7), 2**7 - 1), "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1),
}  # fmt: skip


def limit(dtype: str, low: bool) -> Any:
    """The lowest or the highest number of a dtype."""
    if dtype in _LIMITS:
        return _LIMITS[dtype][0 if low else 1]
    return -math.inf if low else math.inf


def over(kind: str) -> Lowering:
    """A reduction over dimensions, (input, dim, keepdim, ...); the dtype is the input's."""

    def lower(b: Any, x: Node, dim: Any = None, keepdim: bool = False, *dtype: Any) -> Node:
        return reduced(b, kind, x, dims_of(x, dim), keepdim)

    return lower


def reduced(b: Any, kind: str, x: Node, dims: Ints, keepdim: bool) -> Node:
    """b.reduce, of booleans as well."""
    if x.dtype != "bool":
        return b.reduce(kind, x, dims, keepdim)
    logic = {"max": "any", "min": "all", "prod": "all"}.get(kind, kind)
    return b.reduce(logic, x, dims, keepdim)


def sum_of(b: Any, x: Node, dim: Any, keepdim: bool, dtype: Any) -> Node | None:
    return None if x.dtype == "bool" else b.sum(x, dims_of(x, dim), keepdim)


def nansum(b: Any, x: Node, dim: Any, keepdim: bool, dtype: Any) -> Node | None:
    if is_float(x):
        x = b.select(b.isnan(x), 0.0, x)
    return sum_of(b, x, dim, keepdim, dtype)


def count(x: Node, dims: Ints) -> int:
    return math.prod(x.shape[d] for d in dims)


def mean_over(b: Any, x: Node, dims: Ints, keepdim: bool) -> Node:
    """The mean; NaN over no elements."""
    return b.div(b.sum(x, dims, keepdim), float(count(x, dims)))


def mean(b: Any, x: Node, dim: Any, keepdim: bool, dtype: Any) -> Node | None:
    return mean_over(b, x, dims_of(x, dim), keepdim) if is_float(x) else None


def aminmax(b: Any, x: Node, dim: Any, keepdim: bool) -> tuple[Node, Node]:
    dims = dims_of(x, dim)
    return reduced(b, "min", x, dims, keepdim), reduced(b, "max", x, dims, keepdim)


def truth(kind: str) -> Lowering:
    """any or all, which is uint8 for uint8. Over () each element stands for itself."""

    def lower(b: Any, x: Node, dim: Any, keepdim: bool) -> Node:
        found = b.cast(x, "bool")
        if dim != ():
            found = b.reduce(kind, found, dims_of(x, dim), keepdim)
        return b.cast(found, "uint8") if x.dtype == "uint8" else found

    return lower


def arg(kind: str) -> Lowering:
    """argmax or argmin: along a dimension, or in the flattened input."""

    def lower(b: Any, x: Node, dim: int | None, keepdim: bool) -> Node:
        if dim is None or not x.ndim:
            found = b.reduce(kind, flat(b, x), (0,))
            return b.reshape(found, (1,) * x.ndim) if keepdim else found
        return b.reduce(kind, x, (dim,), keepdim)

    return lower


def extreme_dim(kind: str) -> Lowering:
    """max_dim or min_dim: the values are those at the indices, so that the sign of a zero is its
    own."""

    def lower(b: Any, x: Node, dim: int, keepdim: bool) -> tuple[Node, Node] | None:
        if x.dtype == "bool":
            return None
        if not x.ndim:
            return x, b.full((), 0, "int64")
        d = dim % x.ndim
        at = b.reduce("arg" + kind, x, (d,), True)
        there = b.select(b.eq(b.iota(x.shape, d), at), x, limit(x.dtype, kind == "max"))
        values = b.reduce(kind, there, (d,), keepdim)
        return values, at if keepdim else b.reshape(at, values.shape)

    return lower


# --- spread and norms ---------------------------------------------------------------------------


def _variance(b: Any, x: Node, dim: Any, correction: float, keepdim: bool) -> Node:
    dims = dims_of(x, dim)
    n = count(x, dims)
    centred = b.sub(x, mean_over(b, x, dims, True))
    total = b.sum(b.mul(centred, centred), dims, keepdim)
    return b.div(total, float(max(n - correction, 0)))


def var(b: Any, x: Node, dim: Any, correction: float, keepdim: bool) -> Node:
    return _variance(b, x, dim, correction, keepdim)


def std(b: Any, x: Node, dim: Any, correction: float, keepdim: bool) -> Node:
    return b.sqrt(_variance(b, x, dim, correction, keepdim))


def with_mean(spread: Lowering) -> Lowering:
    return lambda b, x, dim, correction, keepdim: (
        spread(b, x, dim, correction, keepdim), mean_over(b, x, dims_of(x, dim), keepdim)
    )  # fmt: skip


def vector_norm(b: Any, x: Node, p: float, dim: Any, keepdim: bool, dtype: Any) -> Node:
    dims = dims_of(x, dim)
    if not x.ndim:
        return b.abs(x) if p != 0 else b.cast(b.ne(x, 0), x.dtype)
    if p == 2:
        return b.sqrt(b.sum(b.mul(x, x), dims, keepdim))
    size = b.abs(x)
    if math.isinf(p):
        return b.reduce("max" if p > 0 else "min", size, dims, keepdim)
    if p == 0:
        return b.sum(b.cast(b.ne(size, 0), x.dtype), dims, keepdim)
    if p == 1:
        return b.sum(size, dims, keepdim)
    return b.pow(b.sum(b.pow(size, p), dims, keepdim), 1 / p)


# --- softmax ------------------------------------------------------------------------------------


def _shifted(b: Any, x: Node, dims: Ints) -> Node:
    return b.sub(x, b.amax(x, dims, True))


def softmax(b: Any, x: Node, dim: int, dtype: Any) -> Node:
    if not x.numel:
        return x
    dims = dims_of(x, dim)
    e = b.exp(_shifted(b, x, dims))
    return b.div(e, b.sum(e, dims, True))


def log_softmax(b: Any, x: Node, dim: int, dtype: Any) -> Node:
    if not x.numel:
        return x
    dims = dims_of(x, dim)
    e = _shifted(b, x, dims)
    return b.sub(e, b.log(b.sum(b.exp(e), dims, True)))


@for_floats
def softmax_backward(b: Any, g: Node, y: Node, dim: int) -> Node:
    along = b.sum(b.mul(g, y), dims_of(y, dim), True)
    return b.mul(b.sub(g, along), y)


@for_floats
def log_softmax_backward(b: Any, g: Node, y: Node, dim: int) -> Node:
    return b.sub(g, b.mul(b.exp(y), b.sum(g, dims_of(y, dim), True)))


def logsumexp(b: Any, x: Node, dim: Any, keepdim: bool) -> Node:
    dims = dims_of(x, dim)
    if not x.numel:
        return b.log(b.sum(b.exp(x), dims, keepdim))
    top = b.amax(x, dims, True)
    top = b.select(isfinite(b, top), top, 0.0)
    out = b.add(b.log(b.sum(b.exp(b.sub(x, top)), dims, True)), top)
    shape = tuple(s for i, s in enumerate(x.shape) if i not in dims)
    return out if keepdim else b.reshape(out, shape)


def trace(b: Any, x: Node) -> Node:
    n, width = min(x.shape), x.shape[1]
    return b.sum(b.view(x, (n,), (width + 1,)))
