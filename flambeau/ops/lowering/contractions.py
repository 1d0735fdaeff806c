"""Lowerings of matrix products and convolutions."""

from __future__ import annotations

import math
from typing import Any

from ...core.layout import Ints
from .common import Node, along, is_constant, is_float, scaled, zeros

# --- matrices -----------------------------------------------------------------------------------


def matmul(b: Any, x: Node, y: Node) -> Node | None:
    """(batch..., M, K) by (batch..., K, N)."""
    shape = (*x.shape[:-1], y.shape[-1])
    if x.dtype == "bool":
        return None
    if not x.shape[-1] or 0 in shape:
        return zeros(b, shape, x.dtype)
    if is_float(x):
        return b.matmul(x, y)
    wide = b.reshape(x, (*x.shape, 1))
    tall = b.reshape(y, (*y.shape[:-2], 1, *y.shape[-2:]))
    return b.sum(b.mul(wide, tall), (x.ndim - 1,))


def mv(b: Any, x: Node, v: Node) -> Node | None:
    return None if x.dtype == "bool" else b.sum(b.mul(x, v), (1,))


def dot(b: Any, x: Node, y: Node) -> Node | None:
    return None if x.dtype == "bool" else b.sum(b.mul(x, y))


def outer(b: Any, x: Node, y: Node) -> Node:
    return b.mul(b.reshape(x, (x.numel, 1)), y)


def summed_bmm(b: Any, x: Node, y: Node) -> Node | None:
    found = matmul(b, x, y)
    return None if found is None else b.sum(found, (0,))


def added(product: Any) -> Any:
    """beta * input + alpha * product. With beta zero, what input holds doesn't matter."""

    def lower(b: Any, c: Node, x: Node, y: Node, beta: Node, alpha: Node) -> Node | None:
        found = None if c.dtype == "bool" else product(b, x, y)
        if found is None:
            return None
        found = scaled(b, found, alpha)
        if is_constant(beta, 1):
            return b.add(found, c)
        beta = b.cast(beta, c.dtype)
        return b.select(b.eq(beta, 0), found, b.add(found, b.mul(c, beta)))

    return lower


# --- convolutions -------------------------------------------------------------------------------
#
# Params of the planners: (stride, padding, dilation, groups); for the two gradients the result's
# shape comes first. All are for two dimensions: one is two, of which the first has size one.


def _planar(b: Any, *nodes: Node) -> list[Node]:
    """(N, C, L) as (N, C, 1, L)."""
    return [
        b.reshape(x, (*x.shape[:2], 1, x.shape[2])) if x.ndim == 3 else x for x in nodes
    ]


def _settings(stride: Ints, padding: Ints, dilation: Ints, groups: int) -> tuple[Any, ...]:
    if len(stride) == 1:
        return (1, *stride), (0, *padding), (1, *dilation), groups
    return tuple(stride), tuple(padding), tuple(dilation), groups


def _planned(
    b: Any, name: str, x: Node, y: Node, shape: Ints, settings: tuple[Any, ...], shaped: bool
) -> Node | None:
    n = len(shape) - 2
    if n > 2 or not is_float(x):
        return None
    if 0 in shape or not x.numel or not y.numel:
        return zeros(b, shape, x.dtype)
    flat = (*shape[:2], 1, shape[2]) if n == 1 else shape
    params = _settings(*settings)
    args = _planar(b, x, y)
    made = b.special(name, (flat, *params) if shaped else params, args, flat, x.dtype)
    return b.reshape(made, shape)


def _biased(b: Any, out: Node | None, bias: Node | None) -> Node | None:
    return out if out is None or bias is None else b.add(out, along(b, bias, out.ndim))


def convolution(
    b: Any, x: Node, w: Node, bias: Node | None, stride: Ints, padding: Ints, dilation: Ints,
    groups: int,
) -> Node | None:  # fmt: skip
    size = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    )
    settings = (stride, padding, dilation, groups)
    shape = (x.shape[0], w.shape[0], *size)
    return _biased(b, _planned(b, "conv_forward", x, w, shape, settings, False), bias)


def convolution_input(
    b: Any, g: Node, w: Node, shape: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Node | None:
    return _planned(
        b, "conv_input", g, w, tuple(shape), (stride, padding, dilation, groups), True
    )


def convolution_weight(
    b: Any, g: Node, x: Node, shape: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Node | None:
    return _planned(
        b, "conv_weight", g, x, tuple(shape), (stride, padding, dilation, groups), True
    )


def convolution_transposed(
    b: Any, x: Node, w: Node, bias: Node | None, stride: Ints, padding: Ints, extra: Ints,
    dilation: Ints, groups: int,
) -> Node | None:  # fmt: skip
    size = tuple(
        (m - 1) * s - 2 * p + d * (k - 1) + e + 1
        for m, s, p, d, k, e in zip(
            x.shape[2:], stride, padding, dilation, w.shape[2:], extra, strict=True
        )
    )
    shape = (x.shape[0], w.shape[1] * groups, *size)
    out = convolution_input(b, x, w, shape, stride, padding, dilation, groups)
    return _biased(b, out, bias)


# --- pooling ------------------------------------------------------------------------------------
#
# Params of the planners are the rows' own, for two dimensions; arrays have four.


def _image(b: Any, x: Node) -> Node:
    """(C, H, W) as (1, C, H, W)."""
    return b.reshape(x, (1, *x.shape)) if x.ndim == 3 else x


def _pooled(b: Any, name: str, params: tuple[Any, ...], args: list[Node], shape: Ints) -> Node:
    """`shape` is the result's, with the dimensions of the first argument."""
    wide = [_image(b, x) for x in args]
    full = (1, *shape) if len(shape) == 3 else shape
    return b.reshape(b.special(name, params, wide, full, args[0].dtype), shape)


def _windows(
    image: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Ints:
    from ..pooling import pooled_size

    return pooled_size(image, kernel, stride, padding, dilation, ceil_mode)


def max_pool(b: Any, x: Node, *window: Any) -> Node | None:
    if len(window[0]) != 2 or not is_float(x) or not x.numel:
        return None
    shape = (*x.shape[:-2], *_windows(x.shape[-2:], *window))
    return _pooled(b, "max_pool", window, [x], shape)


def max_pool_backward(b: Any, g: Node, x: Node, *window: Any) -> Node | None:
    if len(window[0]) != 2 or not is_float(x) or not x.numel:
        return None
    return _pooled(b, "max_pool_backward", window, [g, x], x.shape)


def avg_pool(
    b: Any, x: Node, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool, *rest: Any
) -> Node | None:
    if len(kernel) != 2 or not is_float(x) or not x.numel:
        return None
    size = _windows(x.shape[-2:], kernel, stride, padding, (1, 1), ceil_mode)
    params = (kernel, stride, padding, ceil_mode, *rest)
    return _pooled(b, "avg_pool", params, [x], (*x.shape[:-2], *size))


def avg_pool_backward(b: Any, g: Node, shape: Any, kernel: Ints, *rest: Any) -> Node | None:
    shape = tuple(shape)
    if len(kernel) != 2 or not is_float(g) or 0 in shape:
        return None
    full = (1, *shape) if len(shape) == 3 else shape
    return _pooled(b, "avg_pool_backward", (full, kernel, *rest), [g], shape)


def adaptive_avg_pool(b: Any, x: Node, size: Ints) -> Node | None:
    if len(size) != 2 or not x.numel or 0 in size:
        return None
    if all(s == 1 for s in size):
        return b.div(b.sum(x, (-2, -1), True), float(math.prod(x.shape[-2:])))
    return _pooled(b, "adaptive_avg_pool", (tuple(size),), [x], (*x.shape[:-2], *size))


def adaptive_avg_pool_backward(b: Any, g: Node, shape: Any, dims: int) -> Node | None:
    shape = tuple(shape)
    if dims != 2 or 0 in shape or not g.numel:
        return None
    if g.shape[-2:] == (1, 1):
        return b.expand(b.div(g, float(math.prod(shape[-2:]))), shape)
    full = (1, *shape) if len(shape) == 3 else shape
    return _pooled(b, "adaptive_avg_pool_backward", (full, dims), [g], shape)
