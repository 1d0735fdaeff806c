"""Lowerings of matrix products and convolutions."""

from __future__ import annotations

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
# shape comes first. One dimension is two, of which the first has size one. Volumes have specials with
# names of their own (`VOLUMES`), which only GPUs have kernels for.

VOLUMES = {
    "conv_forward": "conv3_forward", "conv_input": "conv3_input", "conv_weight": "conv3_weight",
}  # fmt: skip


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
    empty = 0 in shape or not x.numel or not y.numel
    if not is_float(x) or n > 3 or empty and n == 3:
        return None
    if empty:
        return zeros(b, shape, x.dtype)
    flat = (*shape[:2], 1, shape[2]) if n == 1 else shape
    params = _settings(*settings)
    args = _planar(b, x, y)
    name = VOLUMES[name] if n == 3 else name
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
