"""Running sums, products, extrema and sums of exponentials along a dimension.

Arrays are seen as (outer, n, inner). With something inside, a thread goes down a column. Else a
block goes along a row, `ITEMS` elements a thread at a time, or a warp, where rows are short.

Where that leaves most of the device idle, columns are cut into pieces: one launch finds what each
piece comes to, a second one what there is before each, a third one goes through them again. All of
this is in an order that depends on sizes alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from .. import vectormath
from ..ir_text import ELEMENT
from ..special_index import split
from ..special_scan import combined as combined_simply
from .ir import WARP
from .special_code import (
    THREADS,
    Code,
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
    launch,
    narrow,
    row_major,
    temporary,
    touched,
)
from .special_copy import in_rows

KINDS = {"cumsum": "sum", "cumprod": "prod", "cummax": "max", "cummin": "min", "logcumsumexp": "logaddexp"}
ITEMS = 4
"""Consecutive elements of a thread."""
TILE = ITEMS * THREADS
AHEAD = 4
"""Rows that a column's thread loads before it uses the first."""
WAVES = 4
"""Blocks for each multiprocessor that keep a device busy."""


def lowest(dtype: str) -> float:
    """What is never more than anything else."""
    if dtype.startswith("float"):
        return -math.inf
    return 0 if dtype in ("bool", "uint8") else -(1 << int(dtype.removeprefix("int")) - 1)


def identity(how: str, dtype: str) -> float:
    """What makes no difference in front of anything. (-0.0 + x is x, also where x is -0.0.)"""
    if how in ("sum", "prod"):
        return 1 if how == "prod" else -0.0 if dtype.startswith("float") else 0
    least = lowest(dtype)
    return least if how in ("max", "logaddexp") else -least if math.isinf(least) else -1 - least


def combined(c: Code, how: str, a: Val, b: Val) -> Val:
    """What two values in a row come to."""
    if how != "logaddexp":
        return combined_simply(c, how, a, b)
    # log(exp(a) + exp(b)), as NumPy's: infinities that are equal stay.
    ahead = a.compare("oge", b)
    top, low = c.select(ahead, a, b), c.select(ahead, b, a)
    dtype = "float64" if a.type == "double" else "float32"
    x = low - top
    for name in ("exp", "log1p"):
        x = c.value(a.type, f"call {a.type} @{vectormath.symbol(name, 1, dtype)}({x})")
    return c.select(a.compare("oeq", b), a + math.log(2), top + x)


def _prepare(c: Code, s: _Scan) -> None:
    """Define what `combined` calls."""
    if s.how == "logaddexp":
        c.define(vectormath.functions(c.target, 1, s.dtype, ["exp", "log1p"])[0])


class _Scan(NamedTuple):
    """What a kernel scans: shared by all launches of one scan."""

    how: str
    dtype: str
    small: bool


def scan(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """x → its scan; params (kind, dim), kind of sum, prod, max, min; also cumsum and so on."""
    (x,), (y,), (kind, dim) = inputs, outputs, params
    how = KINDS.get(kind, kind)
    if how not in KINDS.values() or x.dtype != y.dtype or not dense(y):
        return None
    if x.dtype not in (("float32", "float64") if how == "logaddexp" else ("float32", "float64", "int64", "int32")):
        return None
    launches: list[GpuLaunch] = []
    if 0 in x.shape:
        return launches
    x = in_rows(room, x, launches)
    outer, n, inner = split(x.shape, dim)
    s = _Scan(how, x.dtype, narrow(x, y))
    if inner == 1 and n <= ITEMS * WARP:
        return [*launches, _rows(room, s, x, y, outer, n, n, None, "warps")]
    piece = _piece(room, outer, n, inner)
    run = partial(_columns if inner > 1 else _rows, room, s)
    if piece >= n:
        return [*launches, run(x, y, *_size(outer, n, inner), n, None, "whole")]
    pieces = -(-n // piece)
    totals = temporary(room, x.dtype, outer, pieces, inner)
    return [
        *launches,
        run(x, totals, *_size(outer, n, inner), piece, None, "totals"),
        _between(s, totals, outer, pieces, inner),
        run(x, y, *_size(outer, n, inner), piece, totals, "pieces"),
    ]


def _logcumsumexp(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """x → its scan; params (dim,)."""
    return scan(room, inputs, outputs, ("logaddexp", *params))


PLANNERS = {"scan": scan, "logcumsumexp": _logcumsumexp}


def _size(outer: int, n: int, inner: int) -> tuple[int, ...]:
    return (outer, n) if inner == 1 else (outer, n, inner)


def _piece(room: Room, outer: int, n: int, inner: int) -> int:
    """How much of a column one thread, or of a row one block, goes along."""
    wanted = WAVES * room.gpu.multiprocessors
    if inner == 1:
        pieces = max(1, wanted // outer)
        return n if n <= 4 * TILE else -(-n // (min(pieces, n // (2 * TILE)) * TILE)) * TILE
    blocks = outer * -(-inner // THREADS)
    pieces = max(1, wanted // blocks)
    return n if n <= 256 else -(-n // min(pieces, n // 128))


# --- parts of kernels ---------------------------------------------------------------------------

Combine = Callable[[Val, Val], Val]


def warp_scan(c: Code, v: Val, combine: Combine) -> Val:
    """Each lane's value combined with those of all lanes before it."""
    lane = c.warp_lane()
    for step in (1, 2, 4, 8, 16):
        before = c.shuffle_up(v, step)
        v = c.select(lane.compare("uge", step), combine(before, v), v)
    return v


def exclusive(c: Code, inclusive: Val, start: Val) -> Val:
    """What there is before each lane."""
    before = c.shuffle_up(inclusive, 1)
    return c.select(c.warp_lane().compare("eq", 0), start, before)


def block_scan(c: Code, v: Val, combine: Combine, start: Val, totals: Val) -> tuple[Val, Val]:
    """(what there is before each thread, what all come to). `totals` is shared memory of a value for
    each warp; it may be used again after a barrier."""
    warps = c.threads // WARP
    inclusive = warp_scan(c, v, combine)
    lane, warp = c.warp_lane(), c.thread_id() // WARP
    with c.when(lane.compare("eq", WARP - 1)):
        c.store(inclusive, totals, warp)
    c.barrier()
    before, all_of_it = start, start
    for w in range(warps):
        all_of_it = combine(all_of_it, c.load(v.type, totals, w))
        before = c.select(warp.compare("ugt", w), all_of_it, before)
    return combine(before, exclusive(c, inclusive, start)), all_of_it


def items(c: Code, e: str, x: Val, first: Val, last: Val, other: Val, together: bool) -> list[Val]:
    """The elements x[first:first + ITEMS], `other` from `last` on; `together` in whole accesses,
    where all or none of them are below `last`."""
    if together:
        size = 4 if e in ("float", "i32") else 8
        each = min(ITEMS, 16 // size)
        t = f"<{each} x {e}>"
        found: list[Val] = []
        inside = first < last
        at = c.select(inside, first, c.number(0))
        for k in range(0, ITEMS, each):
            v = c.load(t, x, at + k, align=each * size)
            found += [c.select(inside, c.lane(v, j), other) for j in range(each)]
        return found
    out = []
    for k in range(ITEMS):
        inside = first + k < last
        out.append(c.select(inside, c.load(e, x, c.select(inside, first + k, c.number(0))), other))
    return out


def put_items(c: Code, values: list[Val], y: Val, first: Val, last: Val, together: bool) -> None:
    """y[first:first + ITEMS] = values, but from `last` on."""
    if together:
        size = 4 if values[0].type in ("float", "i32") else 8
        each = min(ITEMS, 16 // size)
        with c.when(first < last):
            for k in range(0, ITEMS, each):
                c.store(c.vector_of(values[k : k + each]), y, first + k, align=each * size)
        return
    for k, v in enumerate(values):
        with c.when(first + k < last):
            c.store(v, y, first + k)


# --- rows ---------------------------------------------------------------------------------------


def _rows(
    room: Room, s: _Scan, x: Placed, y: Placed, outer: int, n: int, piece: int, before: Placed | None, what: str
) -> GpuLaunch:  # fmt: skip
    """`what`: "warps" (a row each), "whole" rows, "totals" of pieces, or "pieces" that have something
    `before` them."""
    pieces = -(-n // piece)
    together = n % ITEMS == 0 and min(aligned(room, x), aligned(room, y)) == 16
    key = ("scan rows", what, together, *s)
    emit = partial(_emit_rows, s=s, what=what, together=together)
    args: Words = (buffer(x), buffer(y), buffer(before or x), outer, n, piece, *divisor_words(pieces))
    each = THREADS // WARP if what == "warps" else 1
    grid = blocks_of(outer * pieces, each)
    made = GpuKernel(f"scan_{s.how}", key, emit)
    return launch(made, args, grid, moved=touched(x, y), label="scan", flops=float(outer * n))


def _emit_rows(target: Target, symbol: str, s: _Scan, what: str, together: bool) -> str:
    c = Code(target, symbol, s.small)
    _prepare(c, s)
    e = ELEMENT[s.dtype]
    x, y, before = c.buffer(), c.buffer(), c.buffer()
    outer, n, piece = c.wholes(3)
    pieces = c.over()
    start = c.const(e, identity(s.how, s.dtype))

    def combine(a: Val, b: Val) -> Val:
        return combined(c, s.how, a, b)

    def running(found: list[Val]) -> list[Val]:
        out = [found[0]]
        for v in found[1:]:
            out.append(combine(out[-1], v))
        return out

    if what == "warps":
        row = c.block_of() * (THREADS // WARP) + c.thread_of() // WARP
        here = row.min(outer - 1) * n
        p, q = c.at(x, here, e), c.at(y, here, e)
        first = c.spread(c.warp_lane()) * ITEMS
        sums = running(items(c, e, p, first, n, start, together))
        ahead = exclusive(c, warp_scan(c, sums[-1], combine), start)
        with c.when(row < outer):
            put_items(c, [combine(ahead, v) for v in sums], q, first, n, together)
        return c.text()
    totals = c.shared(e, THREADS // WARP)
    row, part = pieces.split(c.block_of())
    begin = part * piece
    end = (begin + piece).min(n)
    p, q = c.at(x, row * n, e), c.at(y, row * n, e)
    carry = c.var(c.load(e, before, c.block_of()) if what == "pieces" else start)
    with c.loop(begin, end, TILE) as tile:
        first = tile + c.thread_of() * ITEMS
        sums = running(items(c, e, p, first, end, start, together))
        ahead, total = block_scan(c, sums[-1], combine, start, totals)
        so_far = carry.get()
        if what != "totals":
            ahead = combine(so_far, ahead)
            put_items(c, [combine(ahead, v) for v in sums], q, first, end, together)
        carry.set(combine(so_far, total))
        c.barrier()
    if what == "totals":
        with c.when(c.thread_id().compare("eq", 0)):
            c.store(carry.get(), y, c.block_of())
    return c.text()


# --- columns ------------------------------------------------------------------------------------


def _columns(
    room: Room, s: _Scan, x: Placed, y: Placed, outer: int, n: int, inner: int, piece: int,
    before: Placed | None, what: str,
) -> GpuLaunch:  # fmt: skip
    pieces = -(-n // piece)
    emit = partial(_emit_columns, s=s, what=what)
    args: Words = (
        buffer(x), buffer(y), buffer(before or x), n, inner, piece, outer * pieces * inner,
        *divisor_words(inner), *divisor_words(pieces),
    )  # fmt: skip
    made = GpuKernel(f"scan_{s.how}", ("scan columns", what, *s), emit)
    grid = blocks_of(outer * pieces * inner, THREADS)
    return launch(made, args, grid, moved=touched(x, y), label="scan", flops=float(outer * n * inner))


def _emit_columns(target: Target, symbol: str, s: _Scan, what: str) -> str:
    c = Code(target, symbol, s.small)
    _prepare(c, s)
    e = ELEMENT[s.dtype]
    x, y, before = c.buffer(), c.buffer(), c.buffer()
    n, inner, piece, total = c.wholes(4)
    columns, pieces = c.over(), c.over()
    i = c.place()
    c.end_unless(i < total)
    rest, column = columns.split(i)
    row, part = pieces.split(rest)
    begin = part * piece
    end = (begin + piece).min(n)
    base = row * n * inner + column
    start = c.const(e, identity(s.how, s.dtype))
    carry = c.var(c.load(e, before, i) if what == "pieces" else start)
    with c.loop(begin, end, AHEAD) as j:
        rows = [base + (j + k).min(end - 1) * inner for k in range(AHEAD)]
        found = [c.load(e, x, at) for at in rows]
        so_far = carry.get()
        for k, (at, v) in enumerate(zip(rows, found, strict=True)):
            inside = j + k < end
            so_far = c.select(inside, combined(c, s.how, so_far, v), so_far)
            if what != "totals":
                c.store(so_far, y, at)
        carry.set(so_far)
    if what == "totals":
        c.store(carry.get(), y, i)
    return c.text()


def _between(s: _Scan, totals: Placed, outer: int, pieces: int, inner: int) -> GpuLaunch:
    """What pieces come to → what there is before each, in place."""
    args: Words = (buffer(totals), pieces, inner, outer * inner, *divisor_words(inner))
    made = GpuKernel("scan_between", ("scan between", *s), partial(_emit_between, s=s))
    return launch(made, args, blocks_of(outer * inner, THREADS), moved=2 * touched(totals), label="scan")


def _emit_between(target: Target, symbol: str, s: _Scan) -> str:
    c = Code(target, symbol, s.small)
    _prepare(c, s)
    e = ELEMENT[s.dtype]
    x, pieces, inner, total = c.buffer(), *c.wholes(3)
    columns = c.over()
    i = c.place()
    c.end_unless(i < total)
    row, column = columns.split(i)
    base = row * pieces * inner + column
    carry = c.var(c.const(e, identity(s.how, s.dtype)))
    with c.loop(0, pieces) as k:
        at = base + k * inner
        v, so_far = c.load(e, x, at), carry.get()
        c.store(so_far, x, at)
        carry.set(combined(c, s.how, so_far, v))
    return c.text()


__all__ = ["PLANNERS", "block_scan", "identity", "lowest", "row_major", "scan", "warp_scan"]
