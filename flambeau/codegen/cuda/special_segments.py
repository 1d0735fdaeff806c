"""Rows that go to places, when entries have been sorted by their place: sums, or the last one.

The sorted entries are cut into chunks. A thread goes through a chunk for some columns. What has all
of its entries there is written at once. Of the rest, each chunk leaves two sums: that of the entries
in front which go on with what was before, and that of the entries behind which go on. A second
launch adds up those, chunk after chunk. So a sum's order depends on the index alone.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..ir_text import ELEMENT, element_bytes, parts
from .special_code import (
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
    divisor_words,
    lanes,
    launch,
    narrow,
    temporary,
    touched,
    wide,
)
from .special_sort import Sorted

AHEAD = 4
"""Entries whose rows a thread loads before it uses the first."""
CHUNK = 32
"""Entries of a chunk, at least."""
CHUNKS = 1 << 14
"""More are only made where entries of one place would otherwise be too many for a thread."""


class Table(NamedTuple):
    """Where rows go: out is (outer, n, inner), the source (outer, entries, inner)."""

    out: Placed
    source: Placed
    outer: int
    n: int
    inner: int
    entries: int


def _vector(room: Room, t: Table) -> int:
    size = t.out.itemsize
    return lanes(size, (aligned(room, t.out), aligned(room, t.source)), [t.inner])


def _small(t: Table) -> bool:
    return narrow(t.out, t.source)


# --- the last one -------------------------------------------------------------------------------


def put_last(room: Room, t: Table, made: Sorted) -> list[GpuLaunch]:
    """Of each place's rows the last one is put there."""
    v, size, small = _vector(room, t), t.out.itemsize, _small(t)
    total = t.outer * t.entries * t.inner // v
    args: Words = (
        buffer(t.out), buffer(t.source), buffer(made.keys), buffer(made.numbers), t.n, t.inner // v, t.entries, total,
        *divisor_words(t.inner // v), *divisor_words(t.entries),
    )  # fmt: skip
    emit = partial(_emit_last, size=size, v=v, dtype=made.keys.dtype, small=small)
    kernel = GpuKernel("index_put", ("put last", size, v, made.keys.dtype, small), emit)
    return [launch(kernel, args, blocks_of(total, 256), moved=2 * touched(t.source))]


def _emit_last(target: Target, symbol: str, size: int, v: int, dtype: str, small: bool) -> str:
    """for each unit of each entry: out[key] = source[number], if no later entry has this key"""
    c = Code(target, symbol, small)
    e, unit = ELEMENT[dtype], wide(size, v)
    out, source, keys, numbers = (c.buffer() for _ in range(4))
    n, inner, count, total = c.wholes(4)
    over_inner, over_count = c.over(), c.over()
    i = c.place()
    c.end_unless(i < total)
    rest, column = over_inner.split(i)
    outer, entry = over_count.split(rest)
    key = fitted(c, c.load(e, keys, entry))
    after = fitted(c, c.load(e, keys, (entry + 1).min(count - 1)))
    last = key.compare("ne", after) | entry.compare("eq", count - 1)
    c.end_unless(last & (key < n))
    number = fitted(c, c.load(e, numbers, entry))
    row = c.fetch(unit, source, (outer * count + number) * inner + column)
    c.put(row, out, (outer * n + key) * inner + column)
    return c.text()


def fitted(c: Code, v: Val) -> Val:
    """A key or number, that is known to fit, as an index."""
    if v.type == c.index:
        return v
    return c.value(c.index, f"{'trunc' if c.index == 'i32' else 'zext'} {v} to {c.index}")


# --- sums ---------------------------------------------------------------------------------------


def add_all(room: Room, t: Table, made: Sorted) -> list[GpuLaunch]:
    """To each place all of its rows are added, in their order."""
    v, small, dtype = _vector(room, t), _small(t), t.out.dtype
    chunk = CHUNK
    while t.entries // chunk > CHUNKS and chunk < 512:
        chunk *= 2
    chunks = -(-t.entries // chunk)
    left = temporary(room, dtype, t.outer, chunks, 2, t.inner)
    columns = t.inner // v
    total = t.outer * chunks * columns
    args: Words = (
        buffer(t.out), buffer(t.source), buffer(made.keys), buffer(made.numbers), buffer(left),
        t.n, columns, t.entries, total, chunk, *divisor_words(columns), *divisor_words(chunks),
    )  # fmt: skip
    key = (dtype, v, made.keys.dtype, small)
    threads = 128
    first = GpuKernel("index_add", ("segment sums", *key), partial(_emit_sums, key=key, threads=threads))
    adds = float(t.entries * t.inner * t.outer)
    launches = [launch(first, args, blocks_of(total, threads), threads, 2 * touched(t.source), flops=adds)]
    if chunks > 1:
        second = GpuKernel("index_add_rest", ("segment rests", *key), partial(_emit_rests, key=key, threads=threads))
        launches.append(launch(second, args, blocks_of(total, threads), threads, touched(left)))
    return launches


Key = tuple[str, int, str, bool]


class _Sums:
    """A kernel over (outer, chunk, columns), and what the two have in common."""

    def __init__(self, target: Target, symbol: str, key: Key, threads: int) -> None:
        dtype, self.v, keys, small = key
        c = self.c = Code(target, symbol, small, threads)
        self.e, self.k = ELEMENT[dtype], ELEMENT[keys]
        self.type = self.e if self.v == 1 else f"<{self.v} x {self.e}>"
        self.out, self.source, self.keys, self.numbers, self.left = (c.buffer() for _ in range(5))
        self.n, self.inner, self.count, self.total, self.chunk = c.wholes(5)
        over_inner, self.chunks = c.over(), c.over()
        i = c.place()
        c.end_unless(i < self.total)
        rest, self.column = over_inner.split(i)
        self.outer, self.number = self.chunks.split(rest)
        self.begin = self.number * self.chunk
        self.end = (self.begin + self.chunk).min(self.count)

    def key(self, at: Val) -> Val:
        return fitted(self.c, self.c.load(self.k, self.keys, at))

    def place(self, key: Val) -> Val:
        """Where a place's columns are, in units."""
        return (self.outer * self.n + key) * self.inner + self.column

    def there(self, key: Val) -> Val:
        """What a place has so far; 0 for what is beyond all (its memory is not touched)."""
        unit = self.c.at(self.out, self.place(key), self.type)
        e, n = parts(self.type)
        return self.c.load(self.type, unit, mask=key < self.n, align=n * element_bytes(e))

    def half(self, behind: bool, chunk: Val) -> Val:
        """Where a chunk leaves a sum, in units."""
        row = (self.outer * self.chunks.size + chunk) * 2
        return (row + int(behind)) * self.inner + self.column


def _emit_sums(target: Target, symbol: str, key: Key, threads: int) -> str:
    """for each entry of the chunk: add its row, or, with a new place, write the sum so far"""
    s = _Sums(target, symbol, key, threads)
    c = s.c
    zero = c.const(s.type, 0)
    first = s.key(s.begin)
    goes_on = (s.begin > 0) & s.key((s.begin - 1).max(0)).compare("eq", first)
    current = c.var(first)
    front = c.var(goes_on)  # the run's sum belongs to an earlier chunk
    begun = s.there(first)
    total = c.var(c.select(goes_on, zero, begun))
    fresh = c.var(goes_on)  # nothing has been added to it
    rows = s.outer * s.count

    def finish() -> None:
        k = current.get()
        with c.when(k < s.n):
            c.choose(
                front.get(),
                lambda: c.put(total.get(), s.left, s.half(False, s.number)),
                lambda: c.put(total.get(), s.out, s.place(k)),
            )

    with c.loop(s.begin, s.end, AHEAD) as j:
        places = [(j + k).min(s.end - 1) for k in range(AHEAD)]
        keys = [s.key(p) for p in places]
        numbers = [fitted(c, c.load(s.k, s.numbers, p)) for p in places]
        found = [c.fetch(s.type, s.source, (rows + m) * s.inner + s.column, invariant=True) for m in numbers]
        for k in range(AHEAD):
            with c.when(j + k < s.end):
                with c.when(keys[k].compare("ne", current.get())):
                    finish()
                    current.set(keys[k])
                    front.set(c.const("i1", 0))
                    fresh.set(c.const("i1", 0))
                    total.set(s.there(keys[k]))
                total.set(c.select(fresh.get(), found[k], total.get() + found[k]))
                fresh.set(c.const("i1", 0))
    after = s.key(s.end.min(s.count - 1))
    more = (s.end < s.count) & after.compare("eq", current.get()) & ~front.get()
    # A run that goes on has begun with what was there: the rest is added to it by the other launch.
    c.choose(more, lambda: c.put(total.get(), s.left, s.half(True, s.number)), finish)
    return c.text()


def _emit_rests(target: Target, symbol: str, key: Key, threads: int) -> str:
    """Where a run begins in this chunk and goes on: the sum so far, and those of the chunks after it
    as far as they go on with it."""
    s = _Sums(target, symbol, key, threads)
    c = s.c
    c.end_unless(s.end < s.count)
    last = s.key(s.end - 1)
    c.end_unless(s.key(s.end).compare("eq", last) & (last < s.n))
    whole = s.key(s.begin).compare("eq", last)
    before = s.key((s.begin - 1).max(0)).compare("eq", last) & (s.begin > 0)
    c.end_unless(~(whole & before))
    total = c.var(c.fetch(s.type, s.left, s.half(True, s.number)))
    chunk = c.var(s.number + 1)

    def goes_on() -> Val:
        at = chunk.get() * s.chunk
        return (at < s.count) & s.key(at.min(s.count - 1)).compare("eq", last)

    with c.loop_while(goes_on):
        total.set(total.get() + c.fetch(s.type, s.left, s.half(False, chunk.get())))
        chunk.set(chunk.get() + 1)
    c.put(total.get(), s.out, s.place(last))
    return c.text()
