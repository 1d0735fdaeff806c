"""Lowerings of gathering, scattering and scans. Indices were checked when they were given."""

from __future__ import annotations

import math
from typing import Any

from ...core.layout import Ints, broadcast, contiguous_strides
from .common import (
    Lowering,
    Node,
    flat,
    for_floats,
    fraction_lost,
    is_float,
    on_gpus,
    scaled,
    widened,
    zeros,
)


def _wrapped(b: Any, index: Node, size: int) -> Node:
    """Negative indices count from the end."""
    index = b.inside(b.cast(index, "int64"), size, -size)
    return b.select(b.lt(index, 0), b.add(index, size), index)


# Planners of "index_add", "index_copy" and "index_fill": params (dim,); args base, a vector of
# int64, and rows in the order of the index ("index_fill": a 0-d number). Those of "scatter" and
# "scatter_add": params (dim,); args base, an index as large as the base but for dim, and as many
# values.


def _rows(b: Any, how: str, base: Node, index: Node, source: Node, dim: int) -> Node:
    if not index.numel or not base.numel:
        return base
    args = (base, b.cast(flat(b, index), "int64"), source)
    return b.special(how, (dim,), args, base.shape, base.dtype)


def add_rows(b: Any, base: Node, index: Node, source: Node, dim: int) -> Node:
    """base with the rows of source added at indices of a dimension, in their order."""
    return _rows(b, "index_add", base, index, source, dim)


def _at_places(b: Any, how: str, base: Node, places: Node, values: Node) -> Node:
    """Values added or put at places of row-major memory."""
    values = flat(b, b.expand(values, places.shape))
    return b.reshape(_rows(b, how, flat(b, base), places, values, 0), base.shape)


# --- gathering ----------------------------------------------------------------------------------


def embedding(b: Any, weight: Node, indices: Node, *rest: Any) -> Node:
    if not indices.numel or not weight.numel:
        return zeros(b, (*indices.shape, weight.shape[1]), weight.dtype)
    return b.take(weight, b.inside(b.cast(indices, "int64"), weight.shape[0]), 0)


@for_floats
def embedding_backward(
    b: Any, g: Node, indices: Node, num: int, padding: int, scale: bool
) -> Node | None:
    index = b.cast(flat(b, indices), "int64")
    width = g.shape[-1]
    rows = b.reshape(g, (index.numel, width))
    if not index.numel or not width:
        return zeros(b, (num, width), g.dtype)
    if scale:
        ones = b.full((index.numel,), 1.0, g.dtype)
        counts = add_rows(b, zeros(b, (num,), g.dtype), index, ones, 0)
        rows = b.div(rows, b.reshape(b.take(counts, index, 0), (index.numel, 1)))
    if padding >= 0:
        rows = b.select(b.eq(b.reshape(index, (index.numel, 1)), padding), 0.0, rows)
    return add_rows(b, zeros(b, (num, width), g.dtype), index, rows, 0)


def _places(b: Any, shape: Ints, index: Node, dim: int) -> Node:
    """Places in memory of `shape`: [i][j] of the index stands for [index[i][j]][j] with dim 0."""
    index = b.cast(index, "int64")
    if not shape or not index.ndim:
        return index
    steps = contiguous_strides(shape)
    d = dim % len(shape)
    index = b.inside(index, shape[d])
    out = b.mul(index, steps[d]) if steps[d] != 1 else index
    for k, n in enumerate(index.shape):
        if k != d and n > 1:
            place = b.iota(index.shape, k)
            out = b.add(out, b.mul(place, steps[k]) if steps[k] != 1 else place)
    return out


def gather(b: Any, x: Node, index: Node, dim: int, sparse_grad: bool) -> Node:
    if not index.numel:
        return zeros(b, index.shape, x.dtype)
    return b.take(flat(b, x), _places(b, x.shape, index, dim), 0)


def index_select(b: Any, x: Node, index: Node, dim: int) -> Node:
    if not x.ndim:
        return x
    d = dim % x.ndim
    shape = (*x.shape[:d], index.numel, *x.shape[d + 1 :])
    if 0 in shape:
        return zeros(b, shape, x.dtype)
    return b.take(x, b.inside(b.cast(flat(b, index), "int64"), x.shape[d]), d)


def take(b: Any, x: Node, index: Node) -> Node:
    if not index.numel:
        return zeros(b, index.shape, x.dtype)
    return b.take(flat(b, x), _wrapped(b, index, x.numel), 0)


def masked_take(b: Any, x: Node, where: Node) -> Node:
    if not where.numel:
        return zeros(b, where.shape, x.dtype)
    return b.take(flat(b, x), b.cast(where, "int64"), 0)


def _picked(b: Any, shape: Ints, indices: list[Node], positions: Ints) -> tuple[Node, Ints]:
    """Places in memory of `shape` that indices at dimensions pick, and the shape of the result:
    the indices' common shape stands where they are, or in front if they are not side by side."""
    common = broadcast(*[i.shape for i in indices])
    beside = positions == tuple(range(positions[0], positions[-1] + 1))
    at = positions[0] if beside else 0
    rest = [k for k in range(len(shape)) if k not in positions]
    out = (*(shape[k] for k in rest[:at]), *common, *(shape[k] for k in rest[at:]))
    steps = contiguous_strides(shape)
    behind = len(rest) - at
    places = None
    for index, k in zip(indices, positions, strict=True):
        step = b.mul(_wrapped(b, index, shape[k]), steps[k])
        wide = b.reshape(step, (*step.shape, *[1] * behind))
        places = wide if places is None else b.add(places, wide)
    for number, k in enumerate(rest):
        d = number if number < at else number + len(common)
        places = b.add(places, b.mul(b.iota(out, d), steps[k]))
    return places, out


def index_at(b: Any, nodes: list[Node], positions: Ints) -> Node | None:
    x, *indices = nodes
    if not x.numel or not indices:
        return None
    if any(not i.numel for i in indices):
        return zeros(b, _picked(b, x.shape, indices, positions)[1], x.dtype)
    if len(indices) == 1:
        return b.take(x, _wrapped(b, indices[0], x.shape[positions[0]]), positions[0])
    places, shape = _picked(b, x.shape, indices, positions)
    return b.take(flat(b, x), b.expand(places, shape), 0)


def pool_gather(b: Any, x: Node, places: Node, dims: int) -> Node:
    if not places.numel:
        return zeros(b, places.shape, x.dtype)
    return b.take(flat(b, x), _in_planes(b, places, x.shape, dims), 0)


def _in_planes(b: Any, places: Node, shape: Ints, dims: int) -> Node:
    """Places in planes of the last dimensions as places in all of the memory."""
    area = math.prod(shape[len(shape) - dims :])
    lead = math.prod(places.shape[: places.ndim - dims])
    inside = b.reshape(places, (lead, math.prod(places.shape[places.ndim - dims :])))
    start = b.mul(b.iota((lead, 1), 0), area)
    return b.reshape(b.add(inside, start), places.shape)


def pool_scatter(b: Any, g: Node, places: Node, shape: Any, dims: int) -> Node:
    base = zeros(b, tuple(shape), g.dtype)
    if not g.numel:
        return base
    return _at_places(b, "index_add", base, _in_planes(b, places, base.shape, dims), g)


# --- scattering ---------------------------------------------------------------------------------


def _cut(b: Any, src: Node, index: Node) -> Node:
    """The part of a source that an index covers."""
    if not src.ndim or src.shape == index.shape:
        return src
    if not index.ndim:
        return b.view(src, (), (), 0)
    return b.view(src, index.shape, contiguous_strides(src.shape))


def _along(b: Any, how: str, x: Node, index: Node, src: Node, dim: int) -> Node | None:
    """x with src put or added at places along a dimension. One index is compared with positions:
    that may be part of other loops."""
    if not index.numel or not x.numel:
        return x
    index, src = b.cast(index, "int64"), _cut(b, src, index)
    if not x.ndim or not index.ndim:
        return _at_places(b, _ROWS_OF[how], x, _places(b, x.shape, index, dim), src)
    d = dim % x.ndim
    if all(n == m for k, (n, m) in enumerate(zip(index.shape, x.shape, strict=True)) if k != d):
        index = b.inside(index, x.shape[d])
        if index.shape[d] > 1:
            args = (x, index, b.expand(src, index.shape))
            return b.special(how, (d,), args, x.shape, x.dtype)
        made = b.expand(src, x.shape) if how == "scatter" else b.add(x, src)
        return b.select(b.eq(b.iota(x.shape, d), index), made, x)
    return _at_places(b, _ROWS_OF[how], x, _places(b, x.shape, index, d), src)


_ROWS_OF = {"scatter": "index_copy", "scatter_add": "index_add"}


def scatter(b: Any, x: Node, index: Node, src: Node, dim: int) -> Node | None:
    if fraction_lost(src, x):
        return None
    return _along(b, "scatter", x, index, b.cast(src, x.dtype), dim)


def scatter_add(b: Any, x: Node, index: Node, src: Node, dim: int) -> Node | None:
    if x.dtype == "bool" or fraction_lost(src, x):
        return None
    return _along(b, "scatter_add", x, index, b.cast(src, x.dtype), dim)


def scatter_by(b: Any, x: Node, index: Node, src: Node, dim: int, reduce: str) -> Node | None:
    return scatter_add(b, x, index, src, dim) if reduce == "add" else None


def scatter_reduce(
    b: Any, x: Node, index: Node, src: Node, dim: int, reduce: str, include_self: bool
) -> Node | None:
    if reduce == "sum" and include_self:
        return scatter_add(b, x, index, src, dim)
    return None


def _inside(b: Any, index: Node, size: int) -> Node:
    """A vector of indices, which may count from the end."""
    return b.inside(b.cast(flat(b, index), "int64"), size, -size)  # type: ignore[no-any-return]


def _source_rows(b: Any, x: Node, index: Node, src: Node, d: int) -> Node:
    """A source in the shape of rows in the order of an index."""
    return b.reshape(src, (*x.shape[:d], index.numel, *x.shape[d + 1 :]))


def index_add(b: Any, x: Node, index: Node, src: Node, alpha: Node, dim: int) -> Node | None:
    if x.dtype == "bool" or not x.ndim or fraction_lost(alpha, x):
        return None
    d = dim % x.ndim
    index = _inside(b, index, x.shape[d])
    return add_rows(b, x, index, scaled(b, _source_rows(b, x, index, src, d), alpha), d)


def _index_copy(b: Any, x: Node, index: Node, src: Node, dim: int) -> Node | None:
    if not x.ndim:
        return None
    d = dim % x.ndim
    index = _inside(b, index, x.shape[d])
    return _rows(b, "index_copy", x, index, _source_rows(b, x, index, src, d), d)


index_copy = widened(_index_copy)


def index_fill(b: Any, x: Node, index: Node, value: Node, dim: int) -> Node | None:
    if fraction_lost(value, x) or not x.ndim:
        return None
    d = dim % x.ndim
    return _rows(b, "index_fill", x, _inside(b, index, x.shape[d]), b.cast(value, x.dtype), d)


def put(b: Any, x: Node, index: Node, src: Node, accumulate: bool) -> Node | None:
    if accumulate and x.dtype == "bool":
        return None
    how = "index_add" if accumulate else "index_copy"
    return _at_places(b, how, x, _wrapped(b, flat(b, index), x.numel), flat(b, src))


def index_put_at(b: Any, nodes: list[Node], positions: Ints, accumulate: bool) -> Node | None:
    x, values, *indices = nodes
    if not x.numel or not indices or (accumulate and x.dtype == "bool"):
        return None
    if any(not i.numel for i in indices):
        return x
    how = "index_add" if accumulate else "index_copy"
    if positions == (0,):
        index = indices[0]
        rows = b.expand(values, (*index.shape, *x.shape[1:]))
        rows = b.reshape(rows, (index.numel, *x.shape[1:]))
        return _rows(b, how, x, _wrapped(b, index, x.shape[0]), rows, 0)
    places, shape = _picked(b, x.shape, indices, positions)
    return _at_places(b, how, x, b.expand(places, shape), b.expand(values, shape))


def index_put_mask(b: Any, x: Node, mask: Node, value: Node) -> Node | None:
    if fraction_lost(value, x):
        return None
    return b.select(mask, b.cast(value, x.dtype), x)


# --- scans --------------------------------------------------------------------------------------


def _running(b: Any, kind: str, x: Node, d: int) -> Node:
    """The planner of "scan": params (kind, dim), args x."""
    return b.special("scan", (kind, d), (x,), x.shape, x.dtype)


_SCANNED = ("float32", "float64", "int64", "int32")


def scan(kind: str) -> Lowering:
    """Running sums or products."""

    def lower(b: Any, x: Node, dim: int, dtype: Any) -> Node | None:
        if x.dtype not in _SCANNED:
            return None
        return x if not x.ndim or not x.numel else _running(b, kind, x, dim % x.ndim)

    return lower


def extreme_scan(kind: str) -> Lowering:
    """Running extrema, and the last places where they were met."""

    def lower(b: Any, x: Node, dim: int) -> tuple[Node, Node] | None:
        if x.dtype not in _SCANNED or not x.numel:
            return None
        if not x.ndim:
            return x, b.full((), 0, "int64")
        d = dim % x.ndim
        values = _running(b, kind, x, d)
        new = b.eq(x, values)
        if is_float(x):
            new = b.or_(new, b.isnan(x))
        return values, _running(b, "max", b.select(new, b.iota(x.shape, d), 0), d)

    return lower


@on_gpus
def logcumsumexp(b: Any, x: Node, dim: int) -> Node | None:
    """The planner of "logcumsumexp": params (dim,)."""
    if not is_float(x) or not x.numel:
        return None
    return b.special("logcumsumexp", (dim % x.ndim,), (x,), x.shape, x.dtype) if x.ndim else x


@on_gpus
def recurrence(b: Any, factor: Node, term: Node, dim: int) -> Node | None:
    """The planner of "recurrence": params (dim,), args factor, term."""
    if not is_float(term) or factor.dtype != term.dtype or not term.numel:
        return None
    d = dim % term.ndim
    return b.special("recurrence", (d,), (factor, term), term.shape, term.dtype)
