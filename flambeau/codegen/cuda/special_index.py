"""Rows added to, or put at, indices of a dimension; gathering and scattering along a dimension.

Arrays are seen as (outer, n, inner), the index as rows of it. What one place of the result gets it
gets in the order of the index, whatever the order of blocks: the last of several that are put there,
the same bits of a sum. So no sum of floats is made by atomic operations. (Those of int32 and int64
are: they come to the same in any order.)

    few         a thread owns some columns and goes through the index
    many        entries are sorted by their places, see `special_sort` and `special_segments`

Indices may be negative; those outside are skipped (gathered: taken at the nearest place).
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ..ir_text import ELEMENT
from ..special_copy import ordered
from ..special_index import split
from . import special_segments
from .special_code import (
    THREADS,
    Buf,
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
    lanes,
    launch,
    narrow,
    stepped,
    temporary,
    touched,
    units,
)
from .special_copy import copy, in_rows
from .special_segments import Table
from .special_sort import sort

NUMBERS = ("float32", "float64", "int64", "int32", "int16", "int8", "uint8")
ATOMIC = ("int64", "int32")

FEW = 32
"""So many entries a thread goes through by itself."""
COLUMNS = 1 << 15
"""So many columns keep a device busy."""
LONG = 1 << 12
"""More entries than that are too many for a thread, however many columns there are."""


def _begun(room: Room, base: Placed, out: Placed) -> list[GpuLaunch] | None:
    """The base in the output's memory."""
    if (base.slot, base.offset, base.strides) == (out.slot, out.offset, out.strides):
        return []
    return copy(room, base, out)


# --- whole rows ---------------------------------------------------------------------------------


def index_rows(
    how: str, room: Room, inputs: list[Placed], outputs: list[Placed], params: Any
) -> list[GpuLaunch] | None:
    """base (any strides), index (a vector of int64), source (rows in the order of the index, or one
    0-d number); params (dim,). `how`: "add" or "put"."""
    (base, index, source), (out,), (dim, *_) = inputs, outputs, params
    if index.dtype != "int64" or source.dtype != out.dtype or not dense(out):
        return None
    if how == "add" and out.dtype not in NUMBERS:
        return None
    launches = _begun(room, base, out)
    if launches is None or 0 in out.shape or 0 in index.shape:
        return launches
    outer, n, inner = split(out.shape, dim)
    count = math.prod(index.shape)
    index = in_rows(room, index, launches)
    single = not source.shape and (outer, count, inner) != (1, 1, 1)
    if not single:
        source = in_rows(room, source, launches)
    t = Table(out, source, outer, n, inner, count)
    if how == "add" and out.dtype in ATOMIC:
        return [*launches, _each("add", t, index, single, "rows")]
    if how == "put" and single:
        return [*launches, _each("put", t, index, single, "rows")]
    if single:
        source = _spread(room, source, outer, count, inner, launches)
        t = t._replace(source=source)
    if count <= FEW:
        return [*launches, _few(room, how, t, index)]
    keys = _keys(room, index, n, launches)
    made = sort(room, keys, n, launches)
    return launches + (special_segments.add_all if how == "add" else special_segments.put_last)(room, t, made)


def _spread(room: Room, x: Placed, outer: int, count: int, inner: int, launches: list[GpuLaunch]) -> Placed:
    y = temporary(room, x.dtype, outer, count, inner)
    launches += copy(room, x._replace(shape=y.shape, strides=(0, 0, 0)), y) or []
    return y


def _wrapped(c: Code, given: Val, n: Val) -> tuple[Val, Val]:
    """(an index from the front, whether it is inside) of an int64."""
    size = c.wider(n)
    wrapped = given + c.select(given < 0, size, 0)
    inside = wrapped.compare("ult", size)
    return (wrapped if c.index == "i64" else c.value("i32", f"trunc {wrapped} to i32")), inside


def _keys(room: Room, index: Placed, n: int, launches: list[GpuLaunch]) -> Placed:
    """Indices from the front, n for those outside."""
    count = math.prod(index.shape)
    small = narrow(index) and n < 1 << 30
    keys = temporary(room, "int32" if small else "int64", count)
    kernel = GpuKernel("keys_of_rows", ("keys of rows", small), partial(_emit_keys, small=small))
    launches.append(launch(kernel, (buffer(index), buffer(keys), n, count), blocks_of(count)))
    return keys


def _emit_keys(target: Target, symbol: str, small: bool) -> str:
    c = Code(target, symbol, small)
    index, keys = c.buffer(), c.buffer()
    n, count = c.wholes(2)

    def load(i: Val) -> Val:
        at, inside = _wrapped(c, c.load("i64", index, i, invariant=True), n)
        return c.select(inside, at, n)

    units(c, count, load, lambda i, v: c.store(v, keys, i))
    return c.text()


def _few(room: Room, how: str, t: Table, index: Placed) -> GpuLaunch:
    size = t.out.itemsize
    v = lanes(size, (aligned(room, t.out), aligned(room, t.source)), [t.inner])
    columns, small = t.inner // v, narrow(t.out, t.source)
    args: Words = (
        buffer(t.out), buffer(index), buffer(t.source), t.n, t.entries, columns, t.outer * columns,
        *divisor_words(columns),
    )  # fmt: skip
    kind = t.out.dtype if how == "add" else f"int{8 * size}"
    emit = partial(_emit_few, how=how, dtype=kind, v=v, small=small)
    kernel = GpuKernel(f"index_{how}", ("index few", how, kind, v, small), emit)
    moved = 3 * touched(t.source)
    return launch(kernel, args, blocks_of(t.outer * columns, 128), 128, moved)


def _emit_few(target: Target, symbol: str, how: str, dtype: str, v: int, small: bool) -> str:
    """for each entry: out[index] = out[index] + source, or source"""
    c = Code(target, symbol, small, 128)
    e = ELEMENT[dtype]
    type = e if v == 1 else f"<{v} x {e}>"
    out, index, source = c.buffer(), c.buffer(), c.buffer()
    n, count, columns, total = c.wholes(4)
    over = c.over()
    i = c.place()
    c.end_unless(i < total)
    outer, column = over.split(i)
    with c.loop(c.number(0), count) as j:
        at, inside = _wrapped(c, c.load("i64", index, j, invariant=True), n)
        row = c.fetch(type, source, (outer * count + j) * columns + column)
        with c.when(inside):
            to = (outer * n + at) * columns + column
            c.put(c.fetch(type, out, to) + row if how == "add" else row, out, to)
    return c.text()


def _each(how: str, t: Table, index: Placed, single: bool, places: str) -> GpuLaunch:
    """Every element by a thread: integers are added atomically, one number is put. `places`: the
    index is a vector for "rows", of the source's shape "along" the dimension."""
    total = t.outer * t.entries * t.inner
    small = narrow(t.out, t.source) and total < 1 << 30
    args: Words = (
        buffer(t.out), buffer(index), buffer(t.source), t.n, t.entries, total, *divisor_words(t.inner),
        *divisor_words(t.entries),
    )  # fmt: skip
    size = t.out.itemsize
    emit = partial(_emit_each, how=how, size=size, single=single, places=places, small=small)
    kernel = GpuKernel(f"index_{how}", ("index each", how, size, single, places, small), emit)
    return launch(kernel, args, blocks_of(total, THREADS), moved=3.0 * size * total)


def _emit_each(target: Target, symbol: str, how: str, size: int, single: bool, places: str, small: bool) -> str:
    c = Code(target, symbol, small)
    e = f"i{8 * size}"
    out, index, source = c.buffer(), c.buffer(), c.buffer()
    n, count, total = c.wholes(3)
    inner, entries = c.over(), c.over()
    i = c.place()
    c.end_unless(i < total)
    rest, column = inner.split(i)
    outer, entry = entries.split(rest)
    at, inside = _wrapped(c, c.load("i64", index, entry if places == "rows" else i, invariant=True), n)
    with c.when(inside):
        v = c.load(e, source, c.number(0) if single else i)
        to = (outer * n + at) * inner.size + column
        if how == "add":
            p = c.at(out, to, e)
            c.line(f'atomicrmw add {p}, {v} syncscope("device") monotonic, align {size}')
        else:
            c.store(v, out, to)
    return c.text()


# --- along a dimension --------------------------------------------------------------------------


def along(
    how: str, room: Room, inputs: list[Placed], outputs: list[Placed], params: Any
) -> list[GpuLaunch] | None:
    """"take": x, index → x[index[i][j]][j] for dim 0, and so on. "add" and "put": base, index, source
    → base with source at those places. The index is as large as x but for `dim`, the source as the
    index; params (dim,)."""
    dim, *_ = params
    out, index, x = outputs[0], inputs[1], inputs[0]
    if index.dtype != "int64" or not dense(out):
        return None
    d = dim % max(len(out.shape), 1)
    if index.shape[:d] != x.shape[:d] or index.shape[d + 1 :] != x.shape[d + 1 :]:
        return None
    if how == "add" and out.dtype not in NUMBERS:
        return None
    launches = [] if how == "take" else _begun(room, x, out)
    if launches is None or 0 in index.shape or 0 in x.shape:
        return launches
    source = in_rows(room, x if how == "take" else inputs[2], launches)
    index = in_rows(room, index, launches)
    outer, n, inner = split(x.shape, d)
    count = math.prod(index.shape) // (outer * inner)
    t = Table(out, source, outer, n, inner, count)
    if how == "take":
        return [*launches, _line("take", t, index)]
    if source.shape != index.shape:
        return None
    if how == "add" and out.dtype in ATOMIC:
        return [*launches, _each("add", t, index, False, "along")]
    if count <= FEW or (outer * inner >= COLUMNS and count <= LONG):
        return [*launches, _line(how, t, index)]
    keys = _places(room, t, index, launches)
    flat = Table(out, source, 1, outer * n * inner, 1, outer * count * inner)
    made = sort(room, keys, flat.n, launches)
    return launches + (special_segments.add_all if how == "add" else special_segments.put_last)(room, flat, made)


def _line(how: str, t: Table, index: Placed) -> GpuLaunch:
    """A thread for each column; of what is taken, for each element."""
    small = narrow(t.out, t.source, index)
    total = t.outer * t.inner * (t.entries if how == "take" else 1)
    args: Words = (
        buffer(t.out), buffer(index), buffer(t.source), t.n, t.entries, total, *divisor_words(t.inner),
        *divisor_words(t.entries),
    )  # fmt: skip
    kind = t.out.dtype if how == "add" else f"int{8 * t.out.itemsize}"
    name = {"take": "gather", "add": "scatter_add", "put": "scatter"}[how]
    kernel = GpuKernel(name, ("along", how, kind, small), partial(_emit_line, how=how, dtype=kind, small=small))
    return launch(kernel, args, blocks_of(total, THREADS), moved=2 * touched(index))


def _emit_line(target: Target, symbol: str, how: str, dtype: str, small: bool) -> str:
    c = Code(target, symbol, small)
    e = ELEMENT[dtype]
    out, index, source = c.buffer(), c.buffer(), c.buffer()
    n, count, total = c.wholes(3)
    over, entries = c.over(), c.over()
    inner = over.size
    i = c.place()
    c.end_unless(i < total)
    rest, column = over.split(i)
    if how == "take":
        outer, _ = entries.split(rest)
        given = c.load("i64", index, i, invariant=True)
        size = c.wider(n)
        near = (given + c.select(given < 0, size, 0)).max(0).min(size - 1)
        at = near if c.index == "i64" else c.value("i32", f"trunc {near} to i32")
        c.store(c.load(e, source, (outer * n + at) * inner + column, invariant=True), out, i)
        return c.text()
    with c.loop(c.number(0), count) as j:
        here = (rest * count + j) * inner + column
        at, inside = _wrapped(c, c.load("i64", index, here, invariant=True), n)
        v = c.load(e, source, here)
        with c.when(inside):
            to = (rest * n + at) * inner + column
            c.store(c.load(e, out, to) + v if how == "add" else v, out, to)
    return c.text()


def _places(room: Room, t: Table, index: Placed, launches: list[GpuLaunch]) -> Placed:
    """For each element of the index its place in all of the output, behind the end for those that
    are outside."""
    count = math.prod(index.shape)
    size = t.outer * t.n * t.inner
    small = narrow(index) and size < 1 << 30
    keys = temporary(room, "int32" if small else "int64", count)
    kernel = GpuKernel("keys_of_places", ("keys of places", small), partial(_emit_places, small=small))
    args: Words = (
        buffer(index), buffer(keys), t.n, count, size, *divisor_words(t.inner), *divisor_words(t.entries),
    )  # fmt: skip
    launches.append(launch(kernel, args, blocks_of(count)))
    return keys


def _emit_places(target: Target, symbol: str, small: bool) -> str:
    c = Code(target, symbol, small)
    index, keys = c.buffer(), c.buffer()
    n, count, beyond = c.wholes(3)
    inner, entries = c.over(), c.over()

    def load(i: Val) -> Val:
        rest, column = inner.split(i)
        outer, _ = entries.split(rest)
        at, inside = _wrapped(c, c.load("i64", index, i, invariant=True), n)
        return c.select(inside, (outer * n + at) * inner.size + column, beyond)

    units(c, count, load, lambda i, v: c.store(v, keys, i))
    return c.text()


PLANNERS: dict[str, Any] = {
    "index_add": partial(index_rows, "add"), "index_copy": partial(index_rows, "put"),
    "index_fill": partial(index_rows, "put"), "gather": partial(along, "take"),
    "scatter_add": partial(along, "add"), "scatter": partial(along, "put"),
}  # fmt: skip


# --- checks -------------------------------------------------------------------------------------


def check_index(room: Room, index: Placed, size: int, flag_slot: int) -> list[GpuLaunch]:
    """Look whether all of an int64 index (of any strides) is within 0 and `size`. Where one is not,
    the two int64 at the flag become 1 and (one of) the offending numbers; else they stay."""
    if 0 in index.shape:
        return []
    plain = index._replace(slot=-1, strides=tuple(_ones(index.shape)), offset=0)
    found = ordered(index, plain)
    assert found is not None
    dims, at, _ = found
    index = index._replace(offset=at)
    total = math.prod(index.shape)
    small = narrow(index, plain)
    args: Words = (buffer(index), Buf(flag_slot), size, total)
    for k in dims:
        args = (*args, *divisor_words(k.size), k.source)
    emit = partial(_emit_check, rank=len(dims), small=small)
    kernel = GpuKernel("check_index", ("check index", len(dims), small), emit)
    return [launch(kernel, args, blocks_of(total), moved=touched(index))]


def _ones(shape: tuple[int, ...]) -> list[int]:
    steps, step = [], 1
    for n in reversed(shape):
        steps.append(step)
        step *= n
    return steps[::-1]


def _emit_check(target: Target, symbol: str, rank: int, small: bool) -> str:
    c = Code(target, symbol, small)
    index, flag, size, total = c.buffer(), c.buffer(), c.word(), c.whole()
    dims = [(c.over(), c.whole()) for _ in range(rank)]
    steps = [(over, step, c.number(0)) for over, step in dims]

    def look(_: Val, v: Val) -> None:
        with c.when(v.compare("uge", size)):
            c.store(v, flag, 1)
            c.store(c.const("i64", 1), flag, 0)

    units(c, total, lambda i: c.load("i64", index, stepped(steps, i)[0], invariant=True), look)
    return c.text()
