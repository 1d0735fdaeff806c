"""Lowerings of gathering and scattering, and of scans. Indices were checked when they were given."""

from __future__ import annotations

import math
from typing import Any

from ...core.layout import Ints, broadcast, contiguous_strides
from .common import Lowering, Node, flat, for_floats, fraction_lost, scaled, widened, zeros
from .moves import part

_FEW = 4
"""So many indices are written by comparing them with positions."""


def _wrapped(b: Any, index: Node, size: int) -> Node:
    """Negative indices count from the end."""
    index = b.cast(index, "int64")
    return b.select(b.lt(index, 0), b.add(index, size), index)


def add_rows(b: Any, base: Node, index: Node, source: Node, dim: int) -> Node:
    """base with the rows of source added at indices of a dimension, in their order.

    The planner of "index_add": params (dim,), args base, a vector of int64, source.
    """
    if not source.numel or not base.numel:
        return base
    args = (base, b.cast(flat(b, index), "int64"), source)
    return b.special("index_add", (dim,), args, base.shape, base.dtype)


def _add_places(b: Any, base: Node, places: Node, values: Node) -> Node:
    """Values added at places of row-major memory."""
    values = b.expand(values, places.shape)
    out = add_rows(b, flat(b, base), flat(b, places), flat(b, values), 0)
    return b.reshape(out, base.shape)


# --- gathering ----------------------------------------------------------------------------------


def embedding(b: Any, weight: Node, indices: Node, *rest: Any) -> Node:
    if not indices.numel or not weight.numel:
        return zeros(b, (*indices.shape, weight.shape[1]), weight.dtype)
    return b.take(weight, b.cast(indices, "int64"), 0)


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
    return b.take(x, b.cast(flat(b, index), "int64"), d)


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
    if not x.numel or not indices or any(not i.numel for i in indices):
        return None
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
    return _add_places(b, base, _in_planes(b, places, base.shape, dims), g)


# --- scattering ---------------------------------------------------------------------------------


def _cut(b: Any, src: Node, index: Node) -> Node:
    """The part of a source that an index covers."""
    if not src.ndim or src.shape == index.shape:
        return src
    if not index.ndim:
        return b.view(src, (), (), 0)
    return b.view(src, index.shape, contiguous_strides(src.shape))


def _replaced(b: Any, x: Node, index: Node, src: Node, dim: int, op: str) -> Node | None:
    """x with few indices of a dimension, which cover all others, set to (or combined with) src: by
    comparing them with positions. The last index wins."""
    index = b.cast(index, "int64")
    src = _cut(b, src, index)
    if not x.ndim:
        x, index = b.reshape(x, (1,)), flat(b, index)
        found = _replaced(b, x, index, flat(b, src) if src.ndim else src, 0, op)
        return None if found is None else b.reshape(found, ())
    d = dim % x.ndim
    if index.ndim != x.ndim or index.shape[d] > _FEW:
        return None
    if any(n != x.shape[k] for k, n in enumerate(index.shape) if k != d):
        return None
    position = b.iota(x.shape, d)
    for i in range(index.shape[d]):
        value = part(b, src, d, i, 1) if src.ndim else src
        made = b.expand(value, x.shape) if op == "" else b.pointwise(op, x, value)
        x = b.select(b.eq(position, part(b, index, d, i, 1)), made, x)
    return x


def scatter(b: Any, x: Node, index: Node, src: Node, dim: int) -> Node | None:
    if not index.numel or not x.numel:
        return x
    if fraction_lost(src, x):
        return None
    return _replaced(b, x, index, b.cast(src, x.dtype), dim, "")


def scatter_add(b: Any, x: Node, index: Node, src: Node, dim: int) -> Node | None:
    if x.dtype == "bool" or fraction_lost(src, x):
        return None
    if not index.numel or not x.numel:
        return x
    src = b.cast(src, x.dtype)
    found = _replaced(b, x, index, src, dim, "add")
    if found is not None:
        return found
    return _add_places(b, x, _places(b, x.shape, index, dim), _cut(b, src, index))


def scatter_by(b: Any, x: Node, index: Node, src: Node, dim: int, reduce: str) -> Node | None:
    if reduce == "add":
        return scatter_add(b, x, index, src, dim)
    if x.dtype == "bool" or not index.numel or not x.numel or fraction_lost(src, x):
        return None
    return _replaced(b, x, index, b.cast(src, x.dtype), dim, "mul")


def scatter_reduce(
    b: Any, x: Node, index: Node, src: Node, dim: int, reduce: str, include_self: bool
) -> Node | None:
    if reduce == "sum" and include_self:
        return scatter_add(b, x, index, src, dim)
    return None


def index_add(b: Any, x: Node, index: Node, src: Node, alpha: Node, dim: int) -> Node | None:
    if x.dtype == "bool" or not x.ndim or fraction_lost(alpha, x):
        return None
    d = dim % x.ndim
    rows = (*x.shape[:d], index.numel, *x.shape[d + 1 :])
    return add_rows(b, x, index, scaled(b, b.reshape(src, rows), alpha), d)


def _rows_replaced(b: Any, x: Node, index: Node, src: Node, dim: int) -> Node | None:
    """x with few indices of a dimension set to rows of src."""
    if not x.ndim or not x.numel or index.numel > _FEW:
        return None
    d = dim % x.ndim
    index, position = _wrapped(b, flat(b, index), x.shape[d]), b.iota(x.shape, d)
    if src.ndim:
        src = b.reshape(src, (*x.shape[:d], index.numel, *x.shape[d + 1 :]))
    for i in range(index.numel):
        at = b.view(index, (), (), i)
        value = part(b, src, d, i, 1) if src.ndim else src
        x = b.select(b.eq(position, at), value, x)
    return x


index_copy = widened(
    lambda b, x, index, src, dim: _rows_replaced(b, x, index, src, dim)
)


def index_fill(b: Any, x: Node, index: Node, value: Node, dim: int) -> Node | None:
    if fraction_lost(value, x):
        return None
    return _rows_replaced(b, x, index, b.cast(value, x.dtype), dim)


def put(b: Any, x: Node, index: Node, src: Node, accumulate: bool) -> Node | None:
    if not accumulate or x.dtype == "bool" or not x.numel:
        return None
    places = _wrapped(b, flat(b, index), x.numel)
    return _add_places(b, x, places, flat(b, src))


def index_put_at(b: Any, nodes: list[Node], positions: Ints, accumulate: bool) -> Node | None:
    x, values, *indices = nodes
    if not accumulate or x.dtype == "bool" or not x.numel or not indices:
        return None
    if any(not i.numel for i in indices):
        return x
    if positions == (0,):
        index = indices[0]
        rows = b.expand(values, (*index.shape, *x.shape[1:]))
        rows = b.reshape(rows, (index.numel, *x.shape[1:]))
        return add_rows(b, x, _wrapped(b, index, x.shape[0]), rows, 0)
    places, shape = _picked(b, x.shape, indices, positions)
    return _add_places(b, x, b.expand(places, shape), b.expand(values, shape))


def index_put_mask(b: Any, x: Node, mask: Node, value: Node) -> Node | None:
    if fraction_lost(value, x):
        return None
    return b.select(mask, b.cast(value, x.dtype), x)


# --- scans --------------------------------------------------------------------------------------


def scan(kind: str) -> Lowering:
    """Running sums or products. The planner of "scan": params (kind, dim), args x."""

    def lower(b: Any, x: Node, dim: int, dtype: Any) -> Node | None:
        if x.dtype == "bool":
            return None
        if not x.ndim or not x.numel:
            return x
        return b.special("scan", (kind, dim % x.ndim), (x,), x.shape, x.dtype)

    return lower

