"""Lowerings of rows that put elements in other places: views, writes, joins, paddings, turns."""

from __future__ import annotations

from typing import Any

from ...core.dtypes import INT
from ...core.layout import Ints, contiguous_strides
from .common import (
    Lowering,
    Node,
    flat,
    fraction_lost,
    is_narrow,
    known,
    widened,
    zeros,
)  # fmt: skip

_DENSE = contiguous_strides

# --- the mechanism's own rows -------------------------------------------------------------------


def view(b: Any, x: Node, offset: Node | None, shape: Ints, strides: Ints) -> Node:
    if 0 in shape:
        return zeros(b, shape, x.dtype)
    at = 0 if offset is None else known(offset)
    if at is None:
        return b.view(x, shape, strides, 0, run_time=offset)
    return b.view(x, shape, strides, at)


def write(
    b: Any, base: Node, value: Node, offset: Node | None, shape: Ints, strides: Ints
) -> Node:
    if 0 in shape:
        return base
    args = [base, b.expand(value, shape)]
    if offset is not None and known(offset) != 0:
        args.append(offset)
    params = (tuple(shape), tuple(strides))
    return b.special("write", params, args, base.shape, base.dtype)


def convert(b: Any, x: Node, source: Any, target: Any) -> Node | None:
    if not (source.native and target.native):
        return None
    name = target.name
    if target.name in ("int8", "int16", "uint8") and source.is_floating_point:
        x = b.cast(x, "int64")  # by way of a wider integer, so that it wraps
    elif name == "bfloat16" and x.dtype == "float64" or name == "float64" and is_narrow(x):
        x = b.cast(x, "float32")
    elif target.is_narrow and not source.is_floating_point:
        x = b.cast(x, "float32" if name == "bfloat16" else "float64")
    return b.cast(x, name)


def pick(b: Any, results: tuple[Node, ...], position: int) -> Node:
    return results[position]


# --- constants ----------------------------------------------------------------------------------


def sequence(b: Any, start: Node, step: Node, count: int, dtype: Any) -> Node:
    """start + i * step."""
    kind = "int64" if dtype.category <= INT else "float64"
    i = b.cast(b.iota((count,), 0), kind)
    return b.cast(b.add(b.mul(i, b.cast(step, kind)), b.cast(start, kind)), dtype.name)  # type: ignore[no-any-return]


def constant(b: Any, value: Node, shape: Ints, dtype: Any) -> Node | None:
    if not dtype.native:
        return None
    number = b.cast(value, "float32") if dtype.name == "bfloat16" else value
    return b.full(shape, b.cast(number, dtype.name), dtype.name)


def fill(b: Any, x: Node, value: Node) -> Node:
    return b.full(x.shape, b.cast(value, x.dtype), x.dtype)


def zero(b: Any, x: Node) -> Node:
    return zeros(b, x.shape, x.dtype)


def to_dtype(b: Any, x: Node, dtype: Any) -> Node | None:
    return x if x.dtype == dtype.name else None


def reshaped(b: Any, x: Node, size: Ints) -> Node:
    return b.reshape(x, size)


def copied(b: Any, x: Node, src: Node) -> Node:
    return b.expand(src, x.shape)


# --- joins --------------------------------------------------------------------------------------


def cat(b: Any, nodes: list[Node], dim: int) -> Node:
    real = [x for x in nodes if x.shape != (0,)] or nodes[:1]
    d = dim % real[0].ndim
    return joined(b, real, d)


def joined(b: Any, nodes: list[Node], d: int) -> Node:
    """Nodes of equal shapes but for dimension d put together along it."""
    there = [x for x in nodes if x.shape[d]]
    if len(there) < 2:
        return (there or nodes)[0]
    first = there[0].shape
    shape = (*first[:d], sum(x.shape[d] for x in there), *first[d + 1 :])
    return b.special("cat", (d,), there, shape, there[0].dtype)


def stack(b: Any, nodes: list[Node], dim: int) -> Node:
    shape = nodes[0].shape
    d = dim % (len(shape) + 1)
    return joined(b, [b.reshape(x, (*shape[:d], 1, *shape[d:])) for x in nodes], d)


def block_diag(b: Any, nodes: list[Node]) -> Node:
    shape = (sum(x.shape[0] for x in nodes), sum(x.shape[1] for x in nodes))
    out = zeros(b, shape, nodes[0].dtype)
    i = j = 0
    for x in nodes:
        out = _put(b, out, x, x.shape, _DENSE(shape), i * shape[1] + j)
        i, j = i + x.shape[0], j + x.shape[1]
    return out


def _put(b: Any, base: Node, value: Node, shape: Ints, strides: Ints, offset: int) -> Node:
    return write(b, base, value, b.const(offset, "int64") if offset else None, shape, strides)


# --- parts --------------------------------------------------------------------------------------


def part(b: Any, x: Node, dim: int, start: int, length: int, step: int = 1) -> Node:
    """`length` indices of a dimension, every step-th from `start`; the step may be negative."""
    d = dim % x.ndim
    strides = _DENSE(x.shape)
    shape = (*x.shape[:d], length, *x.shape[d + 1 :])
    if 0 in shape:
        return zeros(b, shape, x.dtype)
    steps = (*strides[:d], strides[d] * step, *strides[d + 1 :])
    return b.view(x, shape, steps, start * strides[d])


def flip(b: Any, x: Node, dims: Ints) -> Node:
    for d in {d % x.ndim for d in dims} if x.ndim and x.numel else ():
        x = part(b, x, d, x.shape[d] - 1, x.shape[d], -1)
    return x


def roll(b: Any, x: Node, shifts: Ints, dims: Ints) -> Node:
    if not x.numel or not x.ndim:
        return x
    if not dims:
        return b.reshape(roll(b, flat(b, x), shifts[:1], (0,)), x.shape)
    for shift, dim in zip(shifts, dims, strict=True):
        d = dim % x.ndim
        n = x.shape[d]
        cut = -shift % n
        if cut:
            x = joined(b, [part(b, x, d, cut, n - cut), part(b, x, d, 0, cut)], d)
    return x


def _exchanged(b: Any, x: Node, i: int, j: int) -> Node:
    order = list(range(x.ndim))
    order[i], order[j] = order[j], order[i]
    return b.permute(x, order)


def rot90(b: Any, x: Node, k: int, dims: Ints) -> Node:
    i, j = (d % x.ndim for d in dims)
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return flip(b, x, (i, j))
    if turns == 1:
        return _exchanged(b, flip(b, x, (j,)), i, j)
    return flip(b, _exchanged(b, x, i, j), (j,))


def repeat(b: Any, x: Node, repeats: Ints) -> Node:
    full = (1,) * (len(repeats) - x.ndim) + x.shape
    out = tuple(t * s for t, s in zip(repeats, full, strict=True))
    if 0 in out:
        return zeros(b, out, x.dtype)
    split = tuple(n for pair in zip(repeats, full, strict=True) for n in pair)
    steps = tuple(n for s in _DENSE(full) for n in (0, s))
    return b.reshape(b.view(x, split, steps), out)


def pixel_shuffle(b: Any, x: Node, r: int) -> Node:
    *lead, c, h, w = x.shape
    n = len(lead)
    out = b.reshape(x, (*lead, c // (r * r), r, r, h, w))
    out = b.permute(out, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return b.reshape(out, (*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(b: Any, x: Node, r: int) -> Node:
    *lead, c, h, w = x.shape
    n = len(lead)
    out = b.reshape(x, (*lead, c, h // r, r, w // r, r))
    out = b.permute(out, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return b.reshape(out, (*lead, c * r * r, h // r, w // r))


def channel_shuffle(b: Any, x: Node, groups: int) -> Node:
    parts = b.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return b.reshape(_exchanged(b, parts, 1, 2), x.shape)


# --- triangles and diagonals --------------------------------------------------------------------


def triangle(upper: bool) -> Lowering:
    def lower(b: Any, x: Node, diagonal: int) -> Node:
        n = x.ndim
        ahead = b.sub(b.iota(x.shape[n - 2 :], 1), b.iota(x.shape[n - 2 :], 0))
        kept = b.ge(ahead, diagonal) if upper else b.le(ahead, diagonal)
        return b.select(kept, x, False if x.dtype == "bool" else 0)

    return widened(lower)


def diag_embed(b: Any, x: Node, offset: int, dim1: int, dim2: int) -> Node:
    from ..views import diagonal_layout

    n = x.ndim + 1
    shape = list(x.shape[:-1])
    for d in sorted((dim1 % n, dim2 % n)):
        shape.insert(d, x.shape[-1] + abs(offset))
    whole = tuple(shape)
    found = diagonal_layout(whole, _DENSE(whole), 0, offset, dim1, dim2)
    return _put(b, zeros(b, whole, x.dtype), x, found.shape, found.strides, found.offset)


def fill_diagonal(b: Any, x: Node, value: Node, wrap: bool) -> Node | None:
    if fraction_lost(value, x) or not x.numel:
        return None
    step, end = 1 + sum(_DENSE(x.shape)[:-1]), x.numel
    if x.ndim == 2:
        step = x.shape[1] + 1
        end = x.numel if wrap else x.shape[1] * x.shape[1]
    place = b.iota((x.numel,), 0)
    hit = b.and_(b.eq(b.remainder(place, step), 0), b.lt(place, end))
    return b.reshape(b.select(hit, b.cast(value, x.dtype), flat(b, x)), x.shape)


def scattered(layout: Any) -> Lowering:
    """x with the elements that a view looks at replaced."""

    def lower(b: Any, x: Node, src: Node, *params: Any) -> Node:
        found = layout(x.shape, _DENSE(x.shape), 0, *params)
        return _put(b, x, src, found.shape, found.strides, found.offset)

    return lower


def as_strided_backward(
    b: Any, g: Node, offset: Node, shape: Ints, size: Ints, strides: Ints
) -> Node | None:
    from ..scatter_views import _disjoint

    if not _disjoint(size, strides):
        return None
    return write(b, zeros(b, shape, g.dtype), g, offset, size, strides)


# --- paddings -----------------------------------------------------------------------------------
#
# Params of the planner of "pad": for each dimension how much in front and behind, not negative.
# Its arguments: x, and the 0-d number to pad with.


def constant_pad(b: Any, x: Node, value: Node, pad: Ints) -> Node:
    room: list[tuple[int, int]] = [(0, 0)] * x.ndim
    for i in range(len(pad) // 2):
        d, low, high = x.ndim - 1 - i, pad[2 * i], pad[2 * i + 1]
        first, end = max(-low, 0), max(x.shape[d] - max(-high, 0), 0)
        if (first, end) != (0, x.shape[d]):
            if end <= first:
                shape = (*x.shape[:d], 0, *x.shape[d + 1 :])
                x, end = zeros(b, shape, x.dtype), first
                low += first
            else:
                x = part(b, x, d, first, end - first)
        room[d] = (max(low, 0), max(high, 0))
    shape = tuple(low + n + high for n, (low, high) in zip(x.shape, room, strict=True))
    if shape == x.shape:
        return x
    number = b.cast(value, x.dtype)
    if not x.numel:
        return b.full(shape, number, x.dtype)
    return b.special("pad", tuple(room), [x, number], shape, x.dtype)


def _sources(b: Any, n: int, low: int, high: int, mode: str) -> Node:
    """For each place of a padded dimension, the place of the input that it shows."""
    at = b.sub(b.iota((low + n + high,), 0), low)
    if mode == "replicate":
        return b.min(b.max(at, 0), n - 1)
    if mode == "circular":
        first, kept = max(-low, 0), n + min(low, 0) + min(high, 0)
        return b.add(b.remainder(b.sub(at, first), kept), first)
    at = b.abs(at)
    return b.select(b.ge(at, n), b.sub(2 * (n - 1), at), at)


def edge_pad(b: Any, x: Node, pad: Ints, mode: str) -> Node:
    for i in range(len(pad) // 2):
        d = x.ndim - 1 - i
        if pad[2 * i] or pad[2 * i + 1]:
            x = b.take(x, _sources(b, x.shape[d], pad[2 * i], pad[2 * i + 1], mode), d)
    return x


def edge_pad_backward(b: Any, g: Node, shape: Ints, pad: Ints, mode: str) -> Node:
    from .indexing import add_rows

    for i in range(len(pad) // 2):
        d = g.ndim - 1 - i
        if pad[2 * i] or pad[2 * i + 1]:
            index = _sources(b, shape[d], pad[2 * i], pad[2 * i + 1], mode)
            base = zeros(b, (*g.shape[:d], shape[d], *g.shape[d + 1 :]), g.dtype)
            g = add_rows(b, base, index, g, d)
    return g

