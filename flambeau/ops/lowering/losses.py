"""Lowerings of losses. A class is found by comparing it with positions, so that the loss may be
computed in the loop that computes the logarithms."""

from __future__ import annotations

import math
from typing import Any

from .common import Node, is_float

_SCANNED = 1024
"""So many classes are compared with the target; of more, the one element is fetched."""

# --- negative log likelihood --------------------------------------------------------------------


def _class_dim(ndim: int) -> int:
    return 1 if ndim > 1 else 0


def _kept(b: Any, target: Node, ignore: int) -> tuple[Node, Node]:
    """The target as int64, and which positions count."""
    t = b.cast(target, "int64")
    return t, b.ne(t, ignore)


def _at_class(b: Any, t: Node, shape: Any) -> Node:
    """Where in `shape` the target's class is."""
    d = _class_dim(len(shape))
    wide = b.reshape(t, (*t.shape[:d], 1, *t.shape[d:]))
    return b.eq(b.iota(shape, d), wide)


def _class_weights(b: Any, weight: Node, t: Node, kept: Node) -> Node:
    return b.take(weight, b.select(kept, t, 0), 0)


def _picked(b: Any, x: Node, t: Node, kept: Node) -> Node:
    """The elements of x at the targets; any number where a position does not count."""
    d = _class_dim(x.ndim)
    if x.shape[d] <= _SCANNED:
        return b.sum(b.select(_at_class(b, t, x.shape), x, 0.0), (d,))
    place = b.select(kept, t, 0)
    step = math.prod(x.shape[d + 1 :])
    place = b.mul(place, step) if step != 1 else place
    for k, n in enumerate(t.shape):
        if n > 1:
            jump = math.prod(x.shape[k + (k >= d) + 1 :])
            place = b.add(place, b.mul(b.iota(t.shape, k), jump))
    return b.take(b.reshape(x, (x.numel,)), place, 0)


def nll_loss_total(
    b: Any, x: Node, target: Node, weight: Node | None, ignore: int, reduction: str
) -> tuple[Node, Node] | None:
    if not x.numel:
        return None
    t, kept = _kept(b, target, ignore)
    b.inside(b.select(kept, t, 0), x.shape[_class_dim(x.ndim)])
    each = b.neg(_picked(b, x, t, kept))
    if weight is None:
        total = b.cast(b.sum(b.cast(kept, "int64")), x.dtype)
    else:
        w = b.select(kept, _class_weights(b, weight, t, kept), 0.0)
        each = b.mul(each, w)
        total = b.sum(w)
    each = b.select(kept, each, 0.0)
    if reduction == "none":
        return each, total
    loss = b.sum(each)
    return b.div(loss, total) if reduction == "mean" else loss, total


def nll_loss_backward(
    b: Any, g: Node, target: Node, weight: Node | None, total: Node, shape: Any, ignore: int,
    reduction: str,
) -> Node | None:  # fmt: skip
    shape = tuple(shape)
    if 0 in shape:
        return None
    t, kept = _kept(b, target, ignore)
    each = b.neg(g)
    if weight is not None:
        each = b.mul(each, _class_weights(b, weight, t, kept))
    if reduction == "mean":
        each = b.div(each, total)
    d = _class_dim(len(shape))
    if each.shape:
        each = b.reshape(each, (*t.shape[:d], 1, *t.shape[d:]))
    there = _at_class(b, b.select(kept, t, -1), shape)
    return b.select(there, each, 0.0)


# --- losses of elements -------------------------------------------------------------------------


def reduce(b: Any, each: Node, reduction: str) -> Node:
    if reduction == "none":
        return each
    total = b.sum(each)
    return b.div(total, float(each.numel)) if reduction == "mean" else total


def mse_loss(b: Any, x: Node, y: Node, reduction: str) -> Node:
    d = b.sub(x, y)
    return reduce(b, b.mul(d, d), reduction)


def _distance(b: Any, x: Node, y: Node) -> Node | None:
    return b.abs(b.sub(x, y)) if is_float(x) else None


def smooth_l1(b: Any, x: Node, y: Node, beta: float, reduction: str) -> Node | None:
    d = _distance(b, x, y)
    if d is None:
        return None
    if beta != 0:
        near = b.mul(b.mul(d, d), 0.5 / beta)
        d = b.select(b.lt(d, beta), near, b.sub(d, 0.5 * beta))
    return reduce(b, d, reduction)


def huber(b: Any, x: Node, y: Node, delta: float, reduction: str) -> Node | None:
    d = _distance(b, x, y)
    if d is None:
        return None
    near, far = b.mul(b.mul(d, 0.5), d), b.mul(b.sub(d, 0.5 * delta), delta)
    return reduce(b, b.select(b.lt(d, delta), near, far), reduction)


def binary_cross_entropy(b: Any, x: Node, y: Node, w: Node | None, reduction: str) -> Node | None:
    if w is not None and w.dtype != x.dtype:
        return None
    yes = b.mul(y, b.max(b.log(x), -100.0))
    no = b.mul(b.sub(1.0, y), b.max(b.log1p(b.neg(x)), -100.0))
    each = b.neg(b.add(yes, no))
    return reduce(b, each if w is None else b.mul(each, w), reduction)


def cross_entropy_with_logits(
    b: Any, x: Node, y: Node, w: Node | None, p: Node | None, reduction: str
) -> Node | None:
    given = [v for v in (x, y, w, p) if v is not None]
    if any(v.dtype != x.dtype for v in given) or not is_float(x):
        return None
    soft = b.add(b.max(b.neg(x), 0.0), b.log1p(b.exp(b.neg(b.abs(x)))))
    if p is not None:
        soft = b.mul(b.add(b.mul(b.sub(p, 1.0), y), 1.0), soft)
    each = b.add(b.mul(b.sub(1.0, y), x), soft)
    return reduce(b, each if w is None else b.mul(each, w), reduction)

