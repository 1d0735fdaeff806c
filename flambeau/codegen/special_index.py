"""Rows added to, or put at, indices of a dimension; gathering and scattering along a dimension.

Arrays are seen as (outer, dimension, inner). What one place of the result gets it gets from one
task, in the order of the index, so that sums have the same bits for any number of threads. Indices
may be negative; those outside are skipped (gathered: taken at the nearest place).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from . import special_copy
from .ir_text import ELEMENT, Code, Val, element_bytes, masks_well, vector
from .kernel import Buf, Kernel, Launch, Target
from .planning import Placed, Room, row_major
from .pool_windows import buffers, dense, touched

_NUMBERS = ("float32", "float64", "int64", "int32", "int16", "int8", "uint8")

_COLUMNS = 512
"""Bytes of a row that a task takes, at least."""

_AHEAD = 8
"""Rows that are fetched ahead: 9 to 13 GB/s for 8192 rows of 768 in a table of 50000."""


def split(shape: Sequence[int], dim: int) -> tuple[int, int, int]:
    """(outer, dimension, inner)."""
    d = dim % max(len(shape), 1)
    return math.prod(shape[:d]), shape[d] if shape else 1, math.prod(shape[d + 1 :])


def _in_rows(room: Room, x: Placed, launches: list[Launch]) -> Placed:
    """x, or a copy of it without gaps."""
    if dense(x):
        return x
    slot = room.temporary(x.itemsize * math.prod(x.shape))
    y = Placed(slot, x.dtype, x.shape, row_major(x.shape))
    launches += special_copy.copy(room, [x], [y], ()) or []
    return y


def _begun(room: Room, base: Placed, out: Placed) -> list[Launch] | None:
    """The base in the output's memory."""
    if (base.slot, base.offset, base.strides) == (out.slot, out.offset, out.strides):
        return []
    return special_copy.copy(room, [base], [out], ())


# --- whole rows ---------------------------------------------------------------------------------


def index_rows(
    how: str, room: Room, inputs: list[Placed], outputs: list[Placed], params: Any
) -> list[Launch] | None:
    """base (any strides), index (a vector of int64), source (rows in the order of the index, or one
    0-d number); params (dim,). `how`: "add" or "set"."""
    (base, index, source), (out,), (dim, *_) = inputs, outputs, params
    if index.dtype != "int64" or source.dtype != out.dtype or not dense(out):
        return None
    if out.dtype not in _NUMBERS and (how == "add" or out.dtype != "bool"):
        return None
    launches = _begun(room, base, out)
    if launches is None or 0 in out.shape or 0 in index.shape:
        return launches
    outer, n, inner = split(out.shape, dim)
    count = math.prod(index.shape)
    index = _in_rows(room, index, launches)
    single = not source.shape and (outer, count, inner) != (1, 1, 1)
    if not single:
        source = _in_rows(room, source, launches)
    wide = min(inner, max(_COLUMNS // out.itemsize, -(-inner // max(2 * room.threads // outer, 1))))
    wide = min(inner, -(-wide // 16) * 16)
    parts = -(-inner // wide)
    kind = "single" if single else "numbers" if inner == 1 else "rows"
    key = ("index rows", how, kind, out.dtype)
    emit = partial(_emit_rows, how=how, kind=kind, dtype=out.dtype)
    args: tuple[int | Buf, ...] = (*buffers([out, index, source]), n, inner, count, wide, parts)
    moved = float(outer * count * (3 * inner * out.itemsize + 8))
    grain = max(1, (1 << 14) // max(1, count * wide * out.itemsize))
    made = Kernel(f"index_{how}", key, emit)
    return [*launches, Launch(made, args, outer * parts, 0.0, moved, grain, f"index {how}")]


def _inside(c: Code, index: Val, n: Val) -> tuple[Val, Val]:
    """(an index from the front, whether it is inside)."""
    wrapped = index + c.select(index < 0, n, 0)
    return wrapped, wrapped.compare("ult", n)


def _emit_rows(target: Target, symbol: str, how: str, kind: str, dtype: str) -> str:
    """for each part of the columns: for each index: out[index] = out[index] + source[number]"""
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    out, index, source = c.buffer(), c.buffer(), c.buffer()
    n, inner, count, wide, parts = c.words(5)
    with c.loop(c.begin, c.end) as task:
        outer, part = task // parts, task % parts
        first = part * wide
        width = (first + wide).min(inner) - first
        rows = c.at(out, outer * n * inner + first, e)
        given = source if kind == "single" else c.at(source, outer * count * inner + first, e)
        with c.loop(0, count) as j:
            at, good = _inside(c, c.load("i64", index, j), n)
            with c.when(good):
                if kind == "rows":
                    ahead = c.load("i64", index, (j + _AHEAD).min(count - 1))
                    _fetch(c, c.at(rows, ahead * inner, e), width, e)
                to = c.at(rows, at * inner, e)
                if kind == "numbers":
                    v = c.load(e, given, j)
                    c.store(c.load(e, to) + v if how == "add" else v, to)
                else:
                    _row(c, to, given, j * inner, width, e, how, kind == "single")
    return c.text()


def _fetch(c: Code, row: Val, width: Val, e: str) -> None:
    """Begin to load a row."""
    line = 64 // element_bytes(e)
    with c.loop(0, width, line) as i:
        c.prefetch(c.at(row, i, e), write=True)


def _row(
    c: Code, to: Val, source: Val, at: Val, width: Val, e: str, how: str, single: bool
) -> None:
    lanes = c.target.vector_bytes // element_bytes(e)

    def one(i: Val, n: int, mask: Val | None = None) -> None:
        type = vector(e, n)
        v = c.splat(c.load(e, source), n) if single else c.load(type, source, at + i, mask)
        c.store(c.load(type, to, i, mask) + v if how == "add" else v, to, i, mask)

    stretch(c, width, lanes, e, one)


def stretch(c: Code, count: Val, lanes: int, e: str, one: Any) -> None:
    """one(i, lanes[, mask]) over [0, count): whole vectors, then a masked one or single elements."""
    whole = count - count % lanes
    with c.loop(0, whole, lanes) as i:
        one(i, lanes)
    if masks_well(c.target, e):
        with c.when(whole < count):
            one(whole, lanes, c.below(count - whole, lanes))
    else:
        with c.loop(whole, count) as i:
            one(i, 1)


# --- along a dimension --------------------------------------------------------------------------


def along(
    how: str, room: Room, inputs: list[Placed], outputs: list[Placed], params: Any
) -> list[Launch] | None:
    """"take": x, index → x[index[i][j]][j] for dim 0, and so on. "add" and "set": base, index,
    source → base with source at those places. The index is as large as x but for `dim`, the source
    as the index; params (dim,)."""
    dim, *_ = params
    out, index, x = outputs[0], inputs[1], inputs[0]
    if index.dtype != "int64" or out.dtype not in (*_NUMBERS, "bool") or not dense(out):
        return None
    d = dim % max(len(out.shape), 1)
    if index.shape[:d] != x.shape[:d] or index.shape[d + 1 :] != x.shape[d + 1 :]:
        return None
    if how == "add" and out.dtype == "bool":
        return None
    if how == "take":
        launches: list[Launch] | None = []
    else:
        launches = _begun(room, x, out)
    if launches is None or 0 in index.shape or 0 in x.shape:
        return launches
    source = _in_rows(room, inputs[-1] if how != "take" else x, launches)
    index = _in_rows(room, index, launches)
    if how != "take" and source.shape != index.shape:
        return None
    outer, n, inner = split(x.shape, d)
    count = math.prod(index.shape) // (outer * inner)
    wide = min(inner, max(64, -(-inner // max(2 * room.threads // outer, 1))))
    parts = -(-inner // wide)
    key = ("along", how, out.dtype, inner == 1)
    emit = partial(_emit_along, how=how, dtype=out.dtype, line=inner == 1)
    args: tuple[int | Buf, ...] = (*buffers([out, index, source]), n, inner, count, wide, parts)
    grain = max(1, (1 << 13) // max(1, count * wide))
    name = {"take": "gather", "add": "scatter_add", "set": "scatter"}[how]
    moved = touched([index, index, index])
    made = Kernel(name, key, emit)
    return [*launches, Launch(made, args, outer * parts, 0.0, moved, grain, name)]


def _emit_along(target: Target, symbol: str, how: str, dtype: str, line: bool) -> str:
    """for each part of the columns, for each row of the index, for each of its elements; `line`:
    rows are single elements"""
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    out, index, source = c.buffer(), c.buffer(), c.buffer()
    n, inner, count, wide, parts = c.words(5)

    def one(table: Val, at: Val, place: Callable[[Val], Val], number: Val) -> None:
        """`table` holds the places that an index counts."""
        found, good = _inside(c, at, n)
        if how == "take":
            c.store(c.load(e, table, place(found.max(0).min(n - 1))), out, number)
            return
        with c.when(good):
            v, to = c.load(e, source, number), place(found)
            c.store(c.load(e, table, to) + v if how == "add" else v, table, to)

    base = source if how == "take" else out
    with c.loop(c.begin, c.end) as task:
        outer, first = task // parts, task % parts * wide
        last = (first + wide).min(inner)
        table = c.at(base, outer * n * inner, e)
        with c.loop(0, count) as j:
            row = (outer * count + j) * inner
            if line:
                one(table, c.load("i64", index, row), lambda k: k, row)
            else:
                with c.loop(first, last) as i:
                    one(table, c.load("i64", index, row + i), lambda k: k * inner + i, row + i)
    return c.text()


PLANNERS = {
    "index_add": partial(index_rows, "add"), "index_copy": partial(index_rows, "set"),
    "index_fill": partial(index_rows, "set"), "gather": partial(along, "take"),
    "scatter_add": partial(along, "add"), "scatter": partial(along, "set"),
}  # fmt: skip
