"""Copies between arrays of any strides, joins and fills.

Dimensions are brought into the order of the output's memory and merged, as on the CPU. Then a copy is

    vectors     the same dimension is contiguous on both sides: accesses of up to 16 bytes
    splat       one element goes to a whole row: the same, storing
    transpose   another dimension is contiguous: tiles go through shared memory
    any         element by element, stores side by side

Each thread moves several units, all of which it loads before it stores the first.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ..odometer import INTEGER, Dim
from ..special_copy import ordered
from .ir import GLOBAL
from .special_code import (
    EACH,
    THREADS,
    Code,
    Divisor,
    GpuKernel,
    GpuLaunch,
    Placed,
    Room,
    Target,
    Val,
    Words,
    aligned,
    blocks_of,
    buffer,
    dense,
    divisor_words,
    lanes,
    launch,
    narrow,
    stepped,
    temporary,
    units,
    wide,
)

TILE = 32
ROWS = 8
"""Rows of threads of a tile's block."""
FEW = 8
"""Below so many rows or columns a tile is mostly empty."""
JOINED = 8
"""Arrays that one launch puts side by side."""


def copy(room: Room, source: Placed, target: Placed) -> list[GpuLaunch] | None:
    """The elements of `source` to `target`, of the same shape and dtype, both of any strides (the
    target's elements apart). None where the target's elements lie on each other."""
    x, y = source, target
    if x.dtype != y.dtype or x.shape != y.shape:
        return None
    if 0 in x.shape:
        return []
    found = ordered(x, y)
    if found is None:
        return None
    dims, at, to = found
    x, y = x._replace(offset=at), y._replace(offset=to)
    *outer, inner = dims
    crossed = next((k for k in outer if k.source == 1), None)
    if crossed and inner.to == 1 and inner.source not in (0, 1) and min(crossed.size, inner.size) >= FEW:
        return [_transpose(x, y, outer, inner, crossed)]
    return [_units(room, x, y, dims)]


def in_rows(room: Room, x: Placed, launches: list[GpuLaunch]) -> Placed:
    """x, or a copy of it without gaps, whose launches are added."""
    if dense(x):
        return x
    y = temporary(room, x.dtype, *x.shape)
    launches += copy(room, x, y) or []
    return y


def _moved(x: Placed) -> float:
    return 2.0 * x.itemsize * math.prod(x.shape)


# --- units --------------------------------------------------------------------------------------


def _units(room: Room, x: Placed, y: Placed, dims: list[Dim]) -> GpuLaunch:
    *outer, inner = dims
    size, rest = x.itemsize, 0
    kind = "any"
    if inner.to == 1 and inner.source in (0, 1):
        kind = "vectors" if inner.source else "splat"
    extents = [] if not outer else [inner.size, *(k.to for k in outer)]
    if kind == "vectors":
        n = lanes(size, (aligned(room, x), aligned(room, y)), [*extents, *(k.source for k in outer)])
    else:
        n = lanes(size, [aligned(room, y)], extents) if kind == "splat" else 1
    if not outer and kind != "any":
        rest = inner.size % n
    inner = inner._replace(size=inner.size // n)
    steps = [(k.source // n if kind == "vectors" else k.source, k.to // n) for k in outer]
    total = math.prod(k.size for k in outer) * inner.size
    last = (inner.source, inner.to)
    small = narrow(x, y)
    args: Words = (buffer(x), buffer(y), total, rest)
    for k, (a, b) in zip([*outer, inner], [*steps, last], strict=True):
        args = (*args, *divisor_words(k.size), a, b)
    key = ("copy", kind, size, n, len(dims), small)
    emit = partial(_emit_units, kind=kind, size=size, n=n, rank=len(dims), small=small)
    made = GpuKernel(f"copy_{kind}{8 * size * n}", key, emit)
    return launch(made, args, blocks_of(total), THREADS, _moved(x), "copy")


def _emit_units(
    target: Target, symbol: str, kind: str, size: int, n: int, rank: int, small: bool
) -> str:
    """for each unit: y[unit's place] = x[unit's place]"""
    c = Code(target, symbol, small)
    x, y, total, rest = c.buffer(), c.buffer(), c.whole(), c.whole()
    dims = [(c.over(), c.whole(), c.whole()) for _ in range(rank)]
    element, unit = INTEGER[size], wide(size, n)
    if rank == 1 and kind == "vectors":  # the same memory: there is nothing to do
        c.end_unless(c.value("i1", f"icmp ne {x}, {y.text}"))

    def load(i: Val) -> tuple[Val, Val]:
        source, to = stepped(dims, i)
        if kind == "vectors":
            return c.fetch(unit, x, source), to
        one = c.load(element, x, source)
        return (splat(c, one, unit, n) if kind == "splat" else one), to

    with c.when(total > 0):
        units(c, total, load, lambda _, found: c.put(found[0], y, found[1]))
    if rank == 1 and n > 1:
        last = c.block_of() * THREADS + c.thread_of()
        with c.when(last < rest):
            i = total * n + last
            c.store(c.load(element, x, i if kind == "vectors" else 0), y, i)
    return c.text()


def splat(c: Code, one: Val, unit: str, n: int) -> Val:
    """An element, n times, as the type that moves them."""
    return c.bits(one if n == 1 else c.splat(one, n), unit)


# --- transpose ----------------------------------------------------------------------------------


def _transpose(x: Placed, y: Placed, outer: list[Dim], inner: Dim, crossed: Dim) -> GpuLaunch:
    """Rows j of the source (contiguous along i) become columns of the output (contiguous along j)."""
    rest = [k for k in outer if k is not crossed]
    tiles = (-(-crossed.size // TILE), -(-inner.size // TILE))
    size, small = x.itemsize, narrow(x, y)
    args: Words = (
        buffer(x), buffer(y), crossed.size, crossed.to, inner.size, inner.source,
        *divisor_words(tiles[0]), *divisor_words(tiles[1]),
    )  # fmt: skip
    for k in rest:
        args = (*args, *divisor_words(k.size), k.source, k.to)
    key = ("transpose", size, len(rest), small)
    emit = partial(_emit_transpose, size=size, rank=len(rest), small=small)
    grid = math.prod(k.size for k in rest) * tiles[0] * tiles[1]
    made = GpuKernel(f"transpose{8 * size}", key, emit)
    return launch(made, args, grid, (TILE, ROWS, 1), _moved(x), "transpose")


def _emit_transpose(target: Target, symbol: str, size: int, rank: int, small: bool) -> str:
    """for each tile: y[i][j] = x[j][i]"""
    c = Code(target, symbol, small, TILE * ROWS)
    e = INTEGER[size]
    x, y = c.buffer(), c.buffer()
    width, y_step, height, x_step = c.wholes(4)
    over_i, over_j = c.over(), c.over()
    dims = [(c.over(), c.whole(), c.whole()) for _ in range(rank)]
    tile = c.shared(e, TILE * (TILE + 1))
    left, block_j = over_j.split(c.block_of())
    left, block_i = over_i.split(left) if dims else (left, left)
    source, to = stepped(dims, left)
    x, y = c.at(x, source, e), c.at(y, to, e)
    tx, ty = c.thread_of("x"), c.thread_of("y")
    i0, j0 = block_i * TILE, block_j * TILE
    rows = [ty + k * ROWS for k in range(TILE // ROWS)]
    i = (i0 + tx).min(width - 1)
    found = [c.load(e, x, (j0 + r).min(height - 1) * x_step + i) for r in rows]
    for r, v in zip(rows, found, strict=True):
        c.store(v, tile, r * (TILE + 1) + tx)
    c.barrier()
    j = j0 + tx
    for r in rows:
        with c.when((j < height) & (i0 + r < width)):
            c.store(c.load(e, tile, tx * (TILE + 1) + r), y, (i0 + r) * y_step + j)
    return c.text()


# --- joins --------------------------------------------------------------------------------------


def cat(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """Arrays one after the other along a dimension; params (dim,). Those that lie in rows go several
    at a time."""
    (dim,), (out,) = params, outputs
    at, launches = 0, []
    rows: list[tuple[Placed, int]] = []
    step = math.prod(out.shape[dim + 1 :])
    for x in inputs:
        if math.prod(x.shape):
            part = out._replace(shape=x.shape, offset=out.offset + at * out.strides[dim])
            if x.dense and out.dense:
                rows.append((x, at * step))
            else:
                found = copy(room, x, part)
                if found is None:
                    return None
                launches += found
        at += x.shape[dim]
    outer = math.prod(out.shape[:dim])
    for k in range(0, len(rows), JOINED):
        launches.append(_join(room, rows[k : k + JOINED], out, outer, out.shape[dim] * step))
    return launches


def _join(room: Room, rows: list[tuple[Placed, int]], out: Placed, outer: int, row: int) -> GpuLaunch:
    size = out.itemsize
    widths = [math.prod(x.shape) // outer for x, _ in rows]
    addresses = [aligned(room, out), *(aligned(room, x) for x, _ in rows)]
    n = lanes(size, addresses, [row, *widths, *(at for _, at in rows)])
    small = narrow(out)
    args: Words = (buffer(out), row // n, outer)
    for (x, at), w in zip(rows, widths, strict=True):
        args = (*args, x.slot, x.offset * size, *divisor_words(w // n), at // n)
    args = (*args, *[0] * (5 * (JOINED - len(rows))))
    made = GpuKernel(
        f"cat{8 * size * n}", ("cat", size, n, small), partial(_emit_join, size=size, n=n, small=small)
    )
    blocks = blocks_of(outer * max(widths) // n)
    moved = sum(_moved(x) for x, _ in rows)
    return launch(made, args, (blocks, len(rows), 1), THREADS, moved, "cat")


def _emit_join(target: Target, symbol: str, size: int, n: int, small: bool) -> str:
    """The block's second number says which array it copies."""
    c = Code(target, symbol, small)
    out, row, outer = c.buffer(), c.whole(), c.whole()
    unit = wide(size, n)
    x, width, at = _chosen(c, c.block_id("y"))
    total = width.size * outer

    def load(i: Val) -> Any:
        line, column = width.split(i)
        return c.fetch(unit, x, i), line * row + at + column

    with c.when(total > 0):
        units(c, total, load, lambda _, found: c.put(found[0], out, found[1]))
    return c.text()


def _chosen(c: Code, number: Val) -> tuple[Val, Divisor, Val]:
    """One of the arrays: where it is, its row's units, and where that begins in a row of all."""
    first = c.words_ahead(5 * JOINED)

    def word(k: int) -> Val:
        at = c.at(first, number * 5 + k, "i64")
        return c.load("i64", at, align=8)

    def whole(v: Val) -> Val:
        return v if c.index == "i64" else c.value("i32", f"trunc {v} to i32")

    base = c.load("i64", c.at(c.table, word(0), "i64"), invariant=True, align=8)
    x = c.value(GLOBAL, f"inttoptr {base} to {GLOBAL}")
    packed = word(3)
    width = Divisor(
        whole(word(2)), c.value("i32", f"trunc {packed} to i32"),
        c.value("i32", f"trunc {c.shifted('lshr', packed, 32)} to i32"),
    )  # fmt: skip
    return c.at(x, word(1), "i8"), width, whole(word(4))


# --- fills --------------------------------------------------------------------------------------


def fill(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """params (bits,): the element's bits as an integer; the output is dense."""
    (y,), (bits,) = outputs, params
    count = math.prod(y.shape)
    if not count:
        return []
    if not y.dense:
        return None
    size = y.itemsize
    n = lanes(size, [aligned(room, y)], [])
    small = narrow(y)
    args = (buffer(y), count // n, count % n, bits)
    made = GpuKernel(f"fill{8 * size}", ("fill", size, n, small), partial(_emit_fill, size=size, n=n, small=small))
    return [launch(made, args, blocks_of(count // n), THREADS, float(size * count), "fill")]


def _emit_fill(target: Target, symbol: str, size: int, n: int, small: bool) -> str:
    c = Code(target, symbol, small)
    y, total, rest, bits = c.buffer(), c.whole(), c.whole(), c.word()
    one = bits.to(INTEGER[size])
    all_lanes = splat(c, one, wide(size, n), n)
    first = c.block_of() * (EACH * THREADS) + c.thread_of()
    for k in range(EACH):
        with c.when(first + k * THREADS < total):
            c.put(all_lanes, y, first + k * THREADS)
    last = c.block_of() * THREADS + c.thread_of()
    with c.when(last < rest):
        c.store(one, y, total * n + last)
    return c.text()


PLANNERS = {"cat": cat, "fill": fill}
