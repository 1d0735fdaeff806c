"""Lowerings of sorting, ranks and searching.

Most stand on four specials that go along the last dimension: "sort", "topk", "ranked" and
"searchsorted". GPUs have kernels for them; elsewhere the rows are called through NumPy.
"""

from __future__ import annotations

import math
from typing import Any

from ...core.layout import Ints, contiguous_strides
from .common import Lowering, Node, flat, is_float, is_narrow, on_gpus, widened, zeros

# --- dimensions ---------------------------------------------------------------------------------


def _last(b: Any, x: Node, d: int) -> Node:
    """x with dimension d last."""
    return x if d == x.ndim - 1 else b.permute(x, [k for k in range(x.ndim) if k != d] + [d])


def _back(b: Any, x: Node, d: int) -> Node:
    """x with its last dimension at d."""
    order = list(range(x.ndim - 1))
    order.insert(d, x.ndim - 1)
    return x if d == x.ndim - 1 else b.permute(x, order)


def _pair(b: Any, name: str, params: tuple[Any, ...], args: tuple[Node, ...], shape: Ints) -> tuple[Node, Node]:
    """A special's values and indices."""
    whole = b.special(name, params, args, (shape, shape), (args[0].dtype, "int64"))
    return b.part(whole, 0), b.part(whole, 1)


def _row_numbers(b: Any, lead: Ints) -> Node:
    """The number of each row of a row-major array, in the shape of rows."""
    return b.reshape(b.iota((math.prod(lead),), 0), lead)


# --- order --------------------------------------------------------------------------------------


@on_gpus
def sort(b: Any, x: Node, dim: int, descending: bool, stable: bool) -> tuple[Node, Node]:
    if not x.numel or not x.ndim:
        return x, zeros(b, x.shape, "int64")
    d = dim % x.ndim
    rows = _last(b, x, d)
    values, at = _pair(b, "sort", (descending,), (rows,), tuple(rows.shape))
    return _back(b, values, d), _back(b, at, d)


@on_gpus
def topk(b: Any, x: Node, k: int, dim: int, largest: bool, ordered: bool) -> tuple[Node, Node]:
    if not x.ndim:
        return x, zeros(b, (), "int64")
    d = dim % x.ndim
    rows = _last(b, x, d)
    shape = (*rows.shape[:-1], k)
    if 0 in shape:
        shape = (*x.shape[:d], k, *x.shape[d + 1 :])
        return zeros(b, shape, x.dtype), zeros(b, shape, "int64")
    values, at = _pair(b, "topk", (k, largest), (rows,), shape)
    return _back(b, values, d), _back(b, at, d)


# --- ranks --------------------------------------------------------------------------------------


def _ranked(b: Any, x: Node, rank: Node | int, d: int, keepdim: bool) -> tuple[Node, Node]:
    """What stands at a rank, from 0, of each row along dimension d, and where it is. A rank that is
    a node has the shape of the rows."""
    rows = _last(b, x, d)
    lead = tuple(rows.shape[:-1])
    if isinstance(rank, int):
        rank = b.full(lead, rank, "int64")
    found = _pair(b, "ranked", (), (rows, rank), lead)
    return _kept(b, found, x, d, keepdim)


def _kept(b: Any, found: tuple[Node, Node], x: Node, d: int, keepdim: bool) -> tuple[Node, Node]:
    """Results without dimension d, or with one of size 1 for it."""
    if not keepdim:
        return found
    shape = (*x.shape[:d], 1, *x.shape[d + 1 :])
    return b.reshape(found[0], shape), b.reshape(found[1], shape)


@on_gpus
def kthvalue(b: Any, x: Node, k: int, dim: int, keepdim: bool) -> tuple[Node, Node] | None:
    if not x.numel:
        return None
    if not x.ndim:
        return x, zeros(b, (), "int64")
    return _ranked(b, x, k - 1, dim % x.ndim, keepdim)


def median(skip: bool) -> Lowering:
    """The lower median: of numbers alone (`skip`), or the first NaN where there is one."""

    def lower(b: Any, x: Node, dim: int, keepdim: bool) -> tuple[Node, Node] | None:
        if not x.numel:
            return None
        if not x.ndim:
            return x, zeros(b, (), "int64")
        d = dim % x.ndim
        n = x.shape[d]
        if not is_float(x):
            return _ranked(b, x, (n - 1) // 2, d, keepdim)
        missing = b.sum(b.cast(b.isnan(x), "int64"), (d,))
        there = b.sub(b.full(missing.shape, n, "int64"), missing)
        rank = b.shr(b.max(b.sub(there, 1), 0), 1)
        if not skip:
            rank = b.select(b.eq(missing, 0), rank, there)
        return _ranked(b, x, rank, d, keepdim)

    return on_gpus(lower)


def median_all(skip: bool) -> Lowering:
    """The same of all elements."""
    along = median(skip)

    def lower(b: Any, x: Node) -> Node | None:
        found = along(b, flat(b, x), 0, False)
        return None if found is None else found[0]

    return on_gpus(lower)


@on_gpus
def mode(b: Any, x: Node, dim: int, keepdim: bool) -> tuple[Node, Node] | None:
    """In order, runs of equal values are as long as these are frequent: the first of the longest."""
    if not x.numel:
        return None
    if not x.ndim:
        return x, zeros(b, (), "int64")
    d = dim % x.ndim
    rows = _last(b, x, d)
    shape = tuple(rows.shape)
    n, last = shape[-1], rows.ndim - 1
    values, order = _pair(b, "sort", (False,), (rows,), shape)
    before = b.take(values, b.max(b.sub(b.iota((n,), 0), 1), 0), last)
    number = b.iota(shape, last)
    new = b.or_(b.ne(values, before), b.eq(number, 0))
    first = b.special("scan", ("max", last), (b.select(new, number, 0),), shape, "int64")
    best = b.reduce("argmax", b.sub(number, first), (last,))
    lead = shape[:-1]
    place = b.add(best, b.mul(_row_numbers(b, lead), n))
    found = b.take(flat(b, values), place, 0), b.take(flat(b, order), place, 0)
    return _kept(b, found, x, d, keepdim)


# --- searching ----------------------------------------------------------------------------------


@on_gpus
def searchsorted(b: Any, seq: Node, v: Node, right: bool, int32: bool) -> Node | None:
    if not seq.numel or not v.numel:
        return zeros(b, v.shape, "int64")
    v = b.cast(v, seq.dtype)
    return b.special("searchsorted", (right,), (seq, v), v.shape, "int64")  # type: ignore[no-any-return]


@on_gpus
def isin(b: Any, elements: Node, test: Node, unique: bool, invert: bool) -> Node | None:
    """Whether the element at the place where each would be put is equal to it."""
    elements, test = _one_dtype(b, elements, test)
    if not elements.numel or not test.numel:
        return b.full(elements.shape, invert, "bool")  # type: ignore[no-any-return]
    test = flat(b, test)
    if test.numel > 1:
        test = sort(b, test, 0, False, True)[0]
    place = searchsorted(b, test, elements, False, False)
    found = b.eq(b.take(test, b.min(place, test.numel - 1), 0), elements)
    return b.not_(found) if invert else found  # type: ignore[no-any-return]


def _one_dtype(b: Any, x: Node, y: Node) -> tuple[Node, Node]:
    """Numbers take the dtype of the tensor beside them."""
    if not x.shape and x.dtype != y.dtype and y.shape:
        return b.cast(x, y.dtype), y
    return x, b.cast(y, x.dtype)


def _place_of(b: Any, flags: Node, count: int) -> Node:
    """The places of the first `count` that hold, of a vector; its size where there are no more."""
    running = b.special("scan", ("sum", 0), (b.cast(flags, "int64"),), flags.shape, "int64")
    wanted = b.add(b.iota((count,), 0), 1)
    return b.special("searchsorted", (False,), (running, wanted), (count,), "int64")  # type: ignore[no-any-return]


@on_gpus
def nonzero_static(b: Any, x: Node, size: int, fill_value: int) -> Node | None:
    if not x.ndim:
        return None
    if not x.numel or not size:
        return b.full((size, x.ndim), fill_value, "int64")  # type: ignore[no-any-return]
    if is_narrow(x):
        x = b.cast(x, "float32")
    shape = (size, x.ndim)
    flags = flat(b, x if x.dtype == "bool" else b.ne(x, 0))
    place = b.reshape(_place_of(b, flags, size), (size, 1))
    column = b.iota(shape, 1)
    found = b.full(shape, 0, "int64")
    for k, (n, step) in enumerate(zip(x.shape, contiguous_strides(tuple(x.shape)), strict=True)):
        along = b.remainder(b.floordiv(place, max(step, 1)), n)
        found = b.select(b.eq(column, k), b.expand(along, shape), found)
    return b.select(b.lt(place, x.numel), found, fill_value)  # type: ignore[no-any-return]


# --- under a mask -------------------------------------------------------------------------------


def _masked_scatter(b: Any, x: Node, mask: Node, src: Node) -> Node | None:
    if not src.numel or not x.numel or not mask.numel:
        return None
    shape = tuple(b.select(mask, x, x).shape)
    flags = flat(b, b.expand(mask, shape))
    # Where the mask holds for the k-th time, k - 1 is the element of the source.
    running = b.special("scan", ("sum", 0), (b.cast(flags, "int64"),), flags.shape, "int64")
    place = b.min(b.max(b.sub(running, 1), 0), src.numel - 1)
    taken = b.reshape(b.take(flat(b, src), place, 0), shape)
    return b.select(mask, taken, x)  # type: ignore[no-any-return]


def _collected(b: Any, g: Node, mask: Node, shape: Ints) -> Node | None:
    if not g.numel or 0 in shape:
        return None
    place = _place_of(b, flat(b, b.expand(mask, g.shape)), math.prod(shape))
    taken = b.take(flat(b, g), b.min(place, g.numel - 1), 0)
    return b.reshape(b.select(b.lt(place, g.numel), taken, 0), tuple(shape))  # type: ignore[no-any-return]


masked_scatter = widened(_masked_scatter)
masked_scatter_backward = on_gpus(widened(_collected))


# --- products of vectors ------------------------------------------------------------------------


def cross(b: Any, x: Node, y: Node, dim: int) -> Node | None:
    """Elements d + 1 and d + 2 of each vector, counted round, for element d of the result."""
    x, y = b.cast(x, y.dtype), y
    shape = tuple(b.add(x, y).shape)
    if 0 in shape:
        return zeros(b, shape, x.dtype)
    d = dim % len(shape)
    x, y = b.expand(x, shape), b.expand(y, shape)
    turns = [b.remainder(b.add(b.iota((3,), 0), k), 3) for k in (1, 2)]
    (x1, x2), (y1, y2) = ([b.take(v, t, d) for t in turns] for v in (x, y))
    return b.sub(b.mul(x1, y2), b.mul(x2, y1))  # type: ignore[no-any-return]
