"""Copies between arrays of any strides.

Dimensions are brought into the order of the output's memory and merged. Then a copy is one of

    rows        the same dimension is contiguous on both sides: vectors
    transpose   another one is: square tiles, transposed in registers
    weave       the same with 2 to 8 interleaved rows, see special_weave
    strided     anything else: element by element
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from . import special_weave
from .ir_text import Code, Val, element_bytes, masks_well, vector
from .kernel import Buf, Kernel, Launch, Target
from .odometer import INTEGER, Dim, Odometer, Words
from .planning import Placed, Room

_CHUNK = 1 << 15
"""Bytes of a task of contiguous memory."""

_GRAIN = 1 << 16
"""Bytes that a thread takes at a time."""

_BLOCK = 64
"""Elements along the sides of a block of tiles: 64 rows of 256 bytes on either side."""


def ordered(x: Placed, y: Placed) -> tuple[list[Dim], int, int] | None:
    """The dimensions of a copy x → y in the order of y's memory, outermost first, merged where
    both sides allow it, and both offsets. None where y's elements lie on each other."""
    at, to = x.offset, y.offset
    dims: list[Dim] = []
    for n, s, d in zip(x.shape, x.strides, y.strides, strict=True):
        if n == 1:
            continue
        if d < 0:  # run it backwards
            at, to, s, d = at + (n - 1) * s, to + (n - 1) * d, -s, -d
        if d == 0:
            return None
        dims.append(Dim(n, s, d))
    dims.sort(key=lambda k: -k.to)
    merged: list[Dim] = []
    for k in dims:
        last = merged[-1] if merged else None
        if last and last.source == k.source * k.size and last.to == k.to * k.size:
            merged[-1] = Dim(last.size * k.size, k.source, k.to)
        else:
            merged.append(k)
    return merged or [Dim(1, 1, 1)], at, to


def copy(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[Launch] | None:
    """inputs x, outputs y of the same shape and dtype, of any strides."""
    (x,), (y,) = inputs, outputs
    if x.dtype != y.dtype or x.shape != y.shape:
        return None
    if 0 in x.shape:
        return []
    found = ordered(x, y)
    if found is None:
        return None
    dims, at, to = found
    size = x.itemsize
    buffers = (Buf(x.slot, at * size), Buf(y.slot, to * size))
    moved = 2.0 * size * math.prod(x.shape)
    *outer, inner = dims
    crossed = [k for k in outer if k.source == 1]
    if inner.to == 1 and inner.source not in (0, 1) and crossed:
        few = special_weave.plan(outer, inner, crossed[0], buffers, size, moved)
        return [few or _transpose(outer, inner, crossed[0], buffers, size, moved)]
    return [_rows(outer, inner, buffers, size, moved)]


# --- rows ---------------------------------------------------------------------------------------


def _rows(
    outer: list[Dim], inner: Dim, buffers: tuple[Buf, Buf], size: int, moved: float
) -> Launch:
    kind = "any"
    if inner.to == 1:
        kind = {1: "same", 0: "splat", -1: "turned"}.get(inner.source, "any")
    chunk = inner.size
    if inner.size * size > 2 * _CHUNK:
        chunk = _CHUNK // size
    chunks = -(-inner.size // chunk)
    rows = math.prod(k.size for k in outer)
    key = ("copy rows", size, kind, len(outer))
    name = f"copy_{kind}{8 * size}"
    args: Words = (
        *buffers, inner.size, inner.source, inner.to, chunk, chunks,
        *(word for k in outer for word in k),
    )  # fmt: skip
    grain = max(1, _GRAIN // max(1, min(chunk, inner.size) * size))
    return Launch(
        Kernel(name, key, partial(_emit_rows, size=size, kind=kind, rank=len(outer))),
        args, rows * chunks, 0.0, moved, grain, "copy",
    )  # fmt: skip


def _emit_rows(target: Target, symbol: str, size: int, kind: str, rank: int) -> str:
    """for each row, for each of its chunks: y[row][...] = x[row][...]"""
    c = Code(target, symbol)
    e = INTEGER[size]
    x, y = c.buffer(), c.buffer()
    length, source, to, chunk, chunks = c.words(5)
    dims = [c.words(3) for _ in range(rank)]
    one = c.int(1)
    rows = Odometer(
        c, [*(d[0] for d in dims), chunks], [[*(d[1] for d in dims), c.int(0)],
        [*(d[2] for d in dims), c.int(0)], [*(c.int(0) for d in dims), one]], c.begin,
    )  # fmt: skip
    with c.loop(c.begin, c.end):
        from_row, to_row, part = rows.get()
        first = part * chunk
        last = (first + chunk).min(length)
        p, q = c.at(x, from_row, e), c.at(y, to_row, e)
        if kind == "any":
            with c.loop(first, last) as i:
                c.store(c.load(e, p, i * source), q, i * to)
        else:
            _contiguous(c, p, q, first, last, e, kind)
        rows.advance()
    return c.text()


def _contiguous(c: Code, x: Val, y: Val, first: Val, last: Val, e: str, kind: str) -> None:
    """y[first:last] = x[first:last], or x[0] ("splat"), or x[-first], x[-first - 1]...  ("turned")."""
    lanes = c.target.vector_bytes // element_bytes(e)
    only = c.load(e, x) if kind == "splat" else None

    def value(i: Val, n: int, mask: Val | None = None) -> Val:
        if only is not None:
            return c.splat(only, n)
        if kind == "same":
            return c.load(vector(e, n), x, i, mask)
        if n == 1:
            return c.load(e, x, c.int(0) - i)
        return turned(c, c.load(vector(e, n), x, c.int(1 - n) - i))

    whole = last - (last - first) % lanes
    four = last - (last - first) % (4 * lanes)
    with c.loop(first, four, 4 * lanes) as i:
        found = [value(i + k * lanes, lanes) for k in range(4)]
        for k, v in enumerate(found):
            c.store(v, y, i + k * lanes)
    with c.loop(four, whole, lanes) as i:
        c.store(value(i, lanes), y, i)
    if masks_well(c.target, e) and kind != "turned":
        with c.when(whole < last):
            mask = c.below(last - whole, lanes)
            c.store(value(whole, lanes, mask), y, whole, mask)
    else:
        with c.loop(whole, last) as i:
            c.store(value(i, 1), y, i)


def turned(c: Code, v: Val) -> Val:
    """A vector's lanes in reverse."""
    n = int(v.type[1:].split()[0])
    return c.shuffle(v, v, range(n - 1, -1, -1))


# --- transpose ----------------------------------------------------------------------------------


def _transpose(
    outer: list[Dim], inner: Dim, crossed: Dim, buffers: tuple[Buf, Buf], size: int, moved: float
) -> Launch:
    """Rows j of the source (contiguous along i) become columns of the output (contiguous along
    j)."""
    rest = [k for k in outer if k is not crossed]
    across = min(_BLOCK, crossed.size)
    down = min(_BLOCK, inner.size)
    blocks = (-(-crossed.size // across), -(-inner.size // down))
    args: Words = (
        *buffers, crossed.size, crossed.to, inner.size, inner.source, across, down, *blocks,
        *(word for k in rest for word in k),
    )  # fmt: skip
    kernel = Kernel(
        f"transpose{8 * size}", ("copy transpose", size, len(rest)),
        partial(_emit_transpose, size=size, rank=len(rest)),
    )  # fmt: skip
    tasks = math.prod(k.size for k in rest) * blocks[0] * blocks[1]
    grain = max(1, _GRAIN // (across * down * size))
    return Launch(kernel, args, tasks, 0.0, moved, grain, "transpose")


def transposed(c: Code, rows: list[Val]) -> list[Val]:
    """A square of vectors, rows for columns: log2(n) rounds of exchanges."""
    n = len(rows)
    rows = list(rows)
    h = n // 2
    while h:
        low = [k + n - h if k & h else k for k in range(n)]
        high = [k + n if k & h else k + h for k in range(n)]
        for i in range(n):
            if not i & h:
                a, b = rows[i], rows[i + h]
                rows[i], rows[i + h] = c.shuffle(a, b, low), c.shuffle(a, b, high)
        h //= 2
    return rows


def _emit_transpose(target: Target, symbol: str, size: int, rank: int) -> str:
    """for each block, for each tile of it: y[i][j] = x[j][i]"""
    c = Code(target, symbol)
    e = INTEGER[size]
    n = min(16, target.vector_bytes // size)
    x, y = c.buffer(), c.buffer()
    width, y_step, height, x_step, across, down, blocks_i, blocks_j = c.words(8)
    dims = [c.words(3) for _ in range(rank)]
    zero, one = c.int(0), c.int(1)
    blocks = Odometer(
        c, [*(d[0] for d in dims), blocks_i, blocks_j],
        [[*(d[1] for d in dims), zero, zero], [*(d[2] for d in dims), zero, zero],
         [*(zero for d in dims), one, zero], [*(zero for d in dims), zero, one]], c.begin,
    )  # fmt: skip
    with c.loop(c.begin, c.end):
        source, to, block_i, block_j = blocks.get()
        p, q = c.at(x, source, e), c.at(y, to, e)
        i0, j0 = block_i * across, block_j * down
        i1, j1 = (i0 + across).min(width), (j0 + down).min(height)
        _tiles(c, p, q, x_step, y_step, (i0, i1), (j0, j1), e, n)
        blocks.advance()
    return c.text()


def _tiles(
    c: Code, x: Val, y: Val, x_step: Val, y_step: Val, over_i: tuple[Val, Val],
    over_j: tuple[Val, Val], e: str, n: int,
) -> None:  # fmt: skip
    """y[i * y_step + j] = x[j * x_step + i] in squares of n.

    The output's lines of the next square are fetched ahead, as no line of it follows the last one
    that was written: 16 to 23 GB/s at (512, 784), 9 to 18 at (1000, 1000) of float64.
    """
    (i0, i1), (j0, j1) = over_i, over_j

    def full(i: Val, j: Val) -> None:
        rows = [c.load(vector(e, n), x, (j + k) * x_step + i) for k in range(n)]
        for k in range(n):
            c.prefetch(c.at(y, (i + k) * y_step + j + n, e), write=True)
        for k, v in enumerate(transposed(c, rows)):
            c.store(v, y, (i + k) * y_step + j)

    def partial_tile(i: Val, j: Val) -> None:
        left_i, left_j = i1 - i, j1 - j
        mask_i, mask_j = c.below(left_i, n), c.below(left_j, n)
        none = c.const(vector("i1", n), 0)
        rows = []
        for k in range(n):  # rows beyond the last are read nowhere: the last one's address
            mask = c.select(left_j > k, mask_i, none)
            rows.append(c.load(vector(e, n), x, (j + k).min(j1 - 1) * x_step + i, mask))
        for k, v in enumerate(transposed(c, rows)):
            with c.when(left_i > k):
                c.store(v, y, (i + k) * y_step + j, mask_j)

    if masks_well(c.target, e):
        with c.loop(i0, i1, n) as i, c.loop(j0, j1, n) as j:
            inside = (i + n <= i1) & (j + n <= j1)
            c.choose(inside, partial(full, i, j), partial(partial_tile, i, j))
        return
    end_i, end_j = i1 - (i1 - i0) % n, j1 - (j1 - j0) % n
    with c.loop(i0, end_i, n) as i, c.loop(j0, end_j, n) as j:
        full(i, j)
    for first_i, last_i, first_j in ((i0, end_i, end_j), (end_i, i1, j0)):
        with c.loop(first_i, last_i) as i, c.loop(first_j, j1) as j:
            c.store(c.load(e, x, j * x_step + i), y, i * y_step + j)
