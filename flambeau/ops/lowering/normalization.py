"""Lowerings of normalisations and their gradients. Statistics keep their dimensions at size one, so
that they broadcast."""

from __future__ import annotations

from typing import Any

from ...core.layout import Ints
from .common import Node, along
from .reductions import count

Results = tuple[Node, Node, Node]


def _share(x: Node, dims: Ints) -> float:
    return 1 / max(count(x, dims), 1)


def _mean(b: Any, x: Node, dims: Ints) -> Node:
    return b.div(b.sum(x, dims, True), float(max(count(x, dims), 1)))


def _scale(b: Any, var: Node, eps: float) -> Node:
    return b.div(1.0, b.sqrt(b.add(var, eps)))


# --- batch --------------------------------------------------------------------------------------


def _channels(x: Node) -> Ints:
    """All dimensions but the second."""
    return (0, *range(2, x.ndim))


def _per_channel(b: Any, v: Node | None, x: Node) -> Node | None:
    return None if v is None else along(b, b.cast(v, x.dtype), x.ndim)


def batch_norm(
    b: Any, x: Node, w: Node | None, bias: Node | None, mean: Node | None, var: Node | None,
    training: bool, eps: float,
) -> Results | None:  # fmt: skip
    dims, channels = _channels(x), (x.shape[1],)
    if training:
        if not count(x, dims):
            return None
        centre = _mean(b, x, dims)
        centred = b.sub(x, centre)
        spread = _mean(b, b.mul(centred, centred), dims)
    else:
        if mean is None or var is None or mean.dtype != x.dtype or var.dtype != x.dtype:
            return None
        centre, spread = along(b, mean, x.ndim), along(b, var, x.ndim)
        centred = b.sub(x, centre)
    scale = _scale(b, spread, eps)
    if w is not None:
        scale = b.mul(scale, _per_channel(b, w, x))
    out = b.mul(centred, scale)
    if bias is not None:
        out = b.add(out, _per_channel(b, bias, x))
    return out, b.reshape(centre, channels), b.reshape(spread, channels)


def batch_norm_backward(
    b: Any, g: Node, x: Node, w: Node | None, mean: Node, var: Node, training: bool, eps: float
) -> Results | None:
    """Ioffe and Szegedy 2015, section 3."""
    if var.dtype != x.dtype:
        return None
    dims, channels = _channels(x), (x.shape[1],)
    centred = b.sub(x, _per_channel(b, mean, x))
    inverse = _scale(b, along(b, var, x.ndim), eps)
    total = b.sum(g, dims, True)
    turn = b.mul(b.sum(b.mul(g, centred), dims, True), inverse)
    scale = inverse if w is None else b.mul(inverse, _per_channel(b, w, x))
    out = b.mul(g, scale)
    if training:
        share = _share(x, dims)
        slope = b.mul(b.mul(b.mul(b.neg(scale), inverse), turn), share)
        out = b.add(out, b.mul(centred, slope))
        out = b.sub(out, b.mul(b.mul(scale, total), share))
    return out, b.reshape(turn, channels), b.reshape(total, channels)


# --- rows ---------------------------------------------------------------------------------------


def _standardised(b: Any, x: Node, dims: Ints, eps: float) -> Results:
    """x with mean 0 and variance 1 over `dims`, its mean, and 1 / std."""
    mean = _mean(b, x, dims)
    centred = b.sub(x, mean)
    inverse = _scale(b, _mean(b, b.mul(centred, centred), dims), eps)
    return b.mul(centred, inverse), mean, inverse


def _restored(b: Any, g: Node, xhat: Node, inverse: Node, dims: Ints) -> Node:
    """The gradient by what was standardised; `g` is that by xhat."""
    share = _share(xhat, dims)
    turn = b.mul(b.sum(b.mul(g, xhat), dims, True), share)
    shift = b.mul(b.sum(g, dims, True), share)
    return b.mul(b.sub(b.sub(g, b.mul(xhat, turn)), shift), inverse)


def layer_norm(
    b: Any, x: Node, w: Node | None, bias: Node | None, shape: Ints, eps: float
) -> Results:
    dims = tuple(range(x.ndim - len(shape), x.ndim))
    out, mean, inverse = _standardised(b, x, dims, eps)
    if w is not None:
        out = b.mul(out, b.cast(w, x.dtype))
    if bias is not None:
        out = b.add(out, b.cast(bias, x.dtype))
    return out, mean, inverse


def layer_norm_backward(
    b: Any, g: Node, x: Node, w: Node | None, mean: Node, rstd: Node, shape: Ints
) -> Results:
    lead = x.ndim - len(shape)
    dims, outer = tuple(range(lead, x.ndim)), tuple(range(lead))
    xhat = b.mul(b.sub(x, mean), rstd)
    scaled = g if w is None else b.mul(g, b.cast(w, x.dtype))
    dx = _restored(b, scaled, xhat, rstd, dims)
    return dx, b.sum(b.mul(g, xhat), outer), b.sum(g, outer)


def _grouped(x: Node, groups: int) -> Ints:
    return (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def group_norm(
    b: Any, x: Node, w: Node | None, bias: Node | None, groups: int, eps: float
) -> Results:
    n = x.shape[0]
    shape = _grouped(x, groups)
    dims = tuple(range(2, len(shape)))
    out, mean, inverse = _standardised(b, b.reshape(x, shape), dims, eps)
    if w is not None:
        out = b.mul(out, _in_groups(b, w, x, shape))
    if bias is not None:
        out = b.add(out, _in_groups(b, bias, x, shape))
    return b.reshape(out, x.shape), b.reshape(mean, (n, groups)), b.reshape(inverse, (n, groups))


def _in_groups(b: Any, v: Node, x: Node, shape: Ints) -> Node:
    """A vector over channels in a shape that broadcasts to (N, groups, channels, *)."""
    return b.reshape(b.cast(v, x.dtype), (*shape[1:3], *[1] * (len(shape) - 3)))


def group_norm_backward(
    b: Any, g: Node, x: Node, w: Node | None, mean: Node, rstd: Node, groups: int
) -> Results:
    shape = _grouped(x, groups)
    stat = (*shape[:2], *[1] * (len(shape) - 2))
    inverse = b.reshape(rstd, stat)
    xhat = b.mul(b.sub(b.reshape(x, shape), b.reshape(mean, stat)), inverse)
    gs = b.reshape(g, shape)
    outer = (0, *range(3, len(shape)))
    by_weight = b.reshape(b.sum(b.mul(gs, xhat), outer), (x.shape[1],))
    by_bias = b.reshape(b.sum(gs, outer), (x.shape[1],))
    scaled = gs if w is None else b.mul(gs, _in_groups(b, w, x, shape))
    dx = _restored(b, scaled, xhat, inverse, tuple(range(2, len(shape))))
    return b.reshape(dx, x.shape), by_weight, by_bias

