"""Lowerings of pooling. Params of the planners are the rows' own."""

from __future__ import annotations

import math
from typing import Any

from ...core.layout import Ints
from .common import Node, is_float


def _pooled(x: Node, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil: bool) -> Ints:
    """The shape of an array of windows."""
    from ..pooling import pooled_size

    n = x.ndim - len(kernel)
    return (*x.shape[:n], *pooled_size(x.shape[n:], kernel, stride, padding, dilation, ceil))


# --- the largest --------------------------------------------------------------------------------


def max_pool(b: Any, x: Node, *window: Any) -> Node | None:
    if not x.numel:
        return None
    return b.special("max_pool", window, (x,), _pooled(x, *window), x.dtype)


def max_pool_places(b: Any, x: Node, *window: Any) -> Node | None:
    if not x.numel:
        return None
    return b.special("max_pool_places", window, (x,), _pooled(x, *window), "int64")


def max_pool_backward(b: Any, g: Node, x: Node, *window: Any) -> Node | None:
    if not is_float(x) or g.dtype != x.dtype or not x.numel:
        return None
    return b.special("max_pool_backward", window, (g, x), x.shape, x.dtype)


def max_pool_gather(b: Any, source: Node, x: Node, *window: Any) -> Node | None:
    if source.dtype != x.dtype or not x.numel:
        return None
    return b.special("max_pool_gather", window, (source, x), _pooled(x, *window), x.dtype)


def adaptive_max_pool(b: Any, x: Node, size: Ints) -> tuple[Node, Node] | None:
    if not x.numel or 0 in size:
        return None
    shape = (*x.shape[: x.ndim - len(size)], *size)
    made = b.special("adaptive_max_pool", (tuple(size),), (x,), (shape, shape), (x.dtype, "int64"))
    return b.part(made, 0), b.part(made, 1)


# --- the mean -----------------------------------------------------------------------------------


def avg_pool(
    b: Any, x: Node, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool, *rest: Any
) -> Node | None:
    if not is_float(x) or not x.numel:
        return None
    shape = _pooled(x, kernel, stride, padding, (1,) * len(kernel), ceil_mode)
    params = (kernel, stride, padding, ceil_mode, *rest)
    return b.special("avg_pool", params, (x,), shape, x.dtype)


def avg_pool_backward(b: Any, g: Node, shape: Any, *settings: Any) -> Node | None:
    shape = tuple(shape)
    if not is_float(g) or 0 in shape:
        return None
    return b.special("avg_pool_backward", (shape, *settings), (g,), shape, g.dtype)


def adaptive_avg_pool(b: Any, x: Node, size: Ints) -> Node | None:
    if not x.numel or 0 in size:
        return None
    n = len(size)
    lead = x.ndim - n
    if all(s == 1 for s in size):
        dims = tuple(range(lead, x.ndim))
        return b.div(b.sum(x, dims, True), float(math.prod(x.shape[lead:])))
    shape = (*x.shape[:lead], *size)
    return b.special("adaptive_avg_pool", (tuple(size),), (x,), shape, x.dtype)


def adaptive_avg_pool_backward(b: Any, g: Node, shape: Any, dims: int) -> Node | None:
    shape = tuple(shape)
    if 0 in shape or not g.numel:
        return None
    lead = len(shape) - dims
    if all(s == 1 for s in g.shape[lead:]):
        return b.expand(b.div(g, float(math.prod(shape[lead:]))), shape)
    return b.special("adaptive_avg_pool_backward", (shape, dims), (g,), shape, g.dtype)
