"""The first few of a long row, or the one of a rank, without putting all in order: a block for each
row goes along it once for every digit of the keys, highest first, and counts. So it learns the key of
the last element that is wanted; a last time along it takes what comes before that key, and of those
that have it the first ones. What was taken is sorted in shared memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

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
    launch,
    narrow,
    touched,
)
from .special_order_keys import Keys, key, load_key
from .special_order_pairs import Pairs, pair_bytes, sort_pairs
from .special_scan import block_scan

MOST = 2048
"""Elements that may be taken of a row."""
BLOCK = 1024
"""Threads."""
DIGIT = 11
"""Bits: of a float32 with the sign and the exponent two of the fraction, so that few of a row's
numbers are counted in one place."""
DIGITS = 1 << DIGIT
EACH = 4
"""Elements that a thread loads at a time."""
TILE = EACH * BLOCK


def first(room: Room, k: Keys, x: Placed, outputs: list[Placed], count: int) -> GpuLaunch:
    """The first `count` of each row in order, at most `MOST`."""
    values, at = outputs
    power = max(2, 1 << (count - 1).bit_length())
    return _launch(room, k, x, x, outputs, count, power, "first", power * pair_bytes(k), touched(x, values, at))


def of_rank(room: Room, k: Keys, x: Placed, rank: Placed, outputs: list[Placed]) -> GpuLaunch:
    """The element of its rank of each row."""
    return _launch(room, k, x, rank, outputs, 1, 0, "rank", 0, touched(x))


def _launch(
    room: Room, k: Keys, x: Placed, rank: Placed, outputs: list[Placed], count: int, power: int, what: str, shared: int,
    moved: float,
) -> GpuLaunch:  # fmt: skip
    small = narrow(x, *outputs)
    together = x.shape[-1] % EACH == 0 and aligned(room, x) == 16
    kernel = GpuKernel(
        "select_" + what, ("select", what, small, together, *k),
        partial(_emit, k=k, what=what, small=small, together=together),
    )  # fmt: skip
    args: Words = (buffer(x), buffer(rank), *map(buffer, outputs), x.shape[-1], count, power)
    return launch(kernel, args, math.prod(x.shape[:-1]), BLOCK, moved, "select", shared=shared)


class _Row(NamedTuple):
    """A block's row."""

    c: Code
    k: Keys
    x: Val
    begin: Val
    n: Val
    together: bool
    """Whether `EACH` consecutive elements may be loaded in accesses of 16 bytes."""

    def key(self, place: Val) -> Val:
        return load_key(self.c, self.k, self.x, self.begin + place)


def _emit(target: Target, symbol: str, k: Keys, what: str, small: bool, together: bool) -> str:
    c = Code(target, symbol, small, BLOCK)
    x, rank, values, at = (c.buffer() for _ in range(4))
    n, count = c.wholes(2)
    power = c.word("i32")
    row_number = c.block_of()
    row = _Row(c, k, x, row_number * n, n, together)
    if what == "rank":
        wanted = c.load("i64", rank, row_number, invariant=True).max(0).min(c.wider(n) - 1).to(c.index) + 1
    else:
        wanted = count
    limit, ties = _limit(row, wanted)
    to = row_number * count

    def put(place: Val, index: Val) -> None:
        v = c.load(k.raw, x, row.begin + index, invariant=True)
        c.store(v, values, to + place)
        c.store(c.wider(index), at, to + place)

    if what == "rank":
        _equal(row, limit, ties - 1, put)
        return c.text()
    pairs = Pairs(c, k, c.dynamic_shared(), power)
    with c.loop(c.thread_id(), power, BLOCK) as i:
        with c.when(c.spread(i) >= count):
            pairs.put(i, c.const(k.type, -1), i | c.i32(-1 << 31))
    _take(row, limit, wanted - ties, ties, pairs)
    sort_pairs(c, pairs)
    with c.loop(c.thread_of(), count, BLOCK) as place:
        put(place, c.spread(pairs.index(place.to("i32"))))
    return c.text()


def _limit(row: _Row, wanted: Val) -> tuple[Val, Val]:
    """The key of the element that is the `wanted`-th (from 1), and which one of its equals that is."""
    c, k = row.c, row.k
    held = c.shared("i32", DIGITS)
    sums = c.shared(c.index, BLOCK // WARP)
    found = c.shared(c.index, 2)
    prefix, left = c.var(c.const(k.type, 0)), c.var(wanted)
    t = c.thread_id()
    high = k.bits
    while high > 0:
        low = max(0, high - DIGIT)
        for part in range(DIGITS // BLOCK):
            c.store(c.i32(0), held, t + part * BLOCK)
        c.barrier()
        begun = prefix.get()
        with c.loop(c.number(0), row.n, EACH * BLOCK) as tile:
            places = [tile + c.thread_of() + j * BLOCK for j in range(EACH)]
            keys = [row.key(p.min(row.n - 1)) for p in places]
            for p, v in zip(places, keys, strict=True):
                inside = p < row.n
                if high < k.bits:
                    inside = inside & c.shifted("lshr", v, high).compare("eq", begun)
                digit = (c.shifted("lshr", v, low) & ((1 << high - low) - 1)).to("i32")
                with c.when(inside):
                    c.line(f"atomicrmw add {c.at(held, digit, 'i32')}, i32 1 monotonic, align 4")
        c.barrier()
        each = DIGITS // BLOCK
        own = [c.spread(c.load("i32", held, t * each + j)) for j in range(each)]
        total = own[0]
        for v in own[1:]:
            total = total + v
        ahead, _ = block_scan(c, total, lambda a, b: a + b, c.number(0), sums)
        for j, v in enumerate(own):
            with c.when((ahead < left.get()) & (left.get() <= ahead + v)):
                c.store(c.spread(t * each + j), found, 0)
                c.store(ahead, found, 1)
            ahead = ahead + v
        c.barrier()
        digit = c.load(c.index, found, 0).to(k.type)
        prefix.set(digit if high == k.bits else c.shifted("shl", begun, high - low) | digit)
        left.set(left.get() - c.load(c.index, found, 1))
        c.barrier()
        high = low
    return prefix.get(), left.get()


def _tile(row: _Row, start: Val) -> tuple[list[Val], list[Val], list[Val]]:
    """Places from a place on, consecutive ones for each thread, with their keys, and whether they are
    in the row."""
    c, k = row.c, row.k
    mine = start + c.thread_of() * EACH
    places = [mine + j for j in range(EACH)]
    if row.together:
        each = min(EACH, 16 * 8 // k.bits)
        at = row.begin + mine.min(row.n - EACH)
        raw = []
        for j in range(0, EACH, each):
            v = c.load(f"<{each} x {k.raw}>", row.x, at + j, invariant=True, align=each * k.bits // 8)
            raw += [c.lane(v, lane) for lane in range(each)]
        keys = [key(c, k, v) for v in raw]
    else:
        keys = [row.key(p.min(row.n - 1)) for p in places]
    return places, keys, [p < row.n for p in places]


def _counted(c: Code, numbers: list[Val], sums: Val) -> tuple[list[Val], Val]:
    """What the numbers (i32) before each add up to, and all of the block."""
    total = numbers[0]
    for v in numbers[1:]:
        total = total + v
    at, whole = block_scan(c, total, lambda a, b: a + b, c.i32(0), sums)
    out = []
    for v in numbers:
        out.append(at)
        at = at + v
    return out, whole


def _equal(row: _Row, limit: Val, number: Val, put: Callable[[Val, Val], None]) -> None:
    """Put the element with the key `limit` that is the `number`-th (from 0) of such."""
    c = row.c
    sums = c.shared("i32", BLOCK // WARP)
    seen, start = c.var(c.number(0)), c.var(c.number(0))
    with c.loop_while(lambda: (seen.get() <= number) & (start.get() < row.n)):
        places, keys, inside = _tile(row, start.get())
        equal = [i & v.compare("eq", limit) for i, v in zip(inside, keys, strict=True)]
        ahead, whole = _counted(c, [c.value("i32", f"zext {e} to i32") for e in equal], sums)
        so_far = seen.get()
        for p, e, a in zip(places, equal, ahead, strict=True):
            with c.when(e & (so_far + c.spread(a)).compare("eq", number)):
                put(c.number(0), p)
        seen.set(so_far + c.spread(whole))
        start.set(start.get() + TILE)
        c.barrier()


def _take(row: _Row, limit: Val, lower: Val, ties: Val, pairs: Pairs) -> None:
    """All elements whose keys are below `limit`, of which there are `lower`, and the first `ties` of
    those that have it. Both are counted in one word."""
    c = row.c
    sums = c.shared("i32", BLOCK // WARP)
    below, level = c.var(c.number(0)), c.var(c.number(0))
    with c.loop(c.number(0), row.n, TILE) as start:
        places, keys, inside = _tile(row, start)
        less = [i & c.unsigned("lt", v, limit) for i, v in zip(inside, keys, strict=True)]
        equal = [i & v.compare("eq", limit) for i, v in zip(inside, keys, strict=True)]
        numbers = [
            c.select(a, c.i32(1 << 16), c.value("i32", f"zext {b} to i32")) for a, b in zip(less, equal, strict=True)
        ]
        ahead, whole = _counted(c, numbers, sums)
        m, n = below.get(), level.get()
        for p, v, a, b, before in zip(places, keys, less, equal, ahead, strict=True):
            tie = n + c.spread(before & 0xFFFF)
            to = c.select(a, m + c.spread(c.shifted("lshr", before, 16)), lower + tie)
            with c.when(a | (b & (tie < ties))):
                pairs.put(to.to("i32"), v, p.to("i32"))
        below.set(m + c.spread(c.shifted("lshr", whole, 16)))
        level.set(n + c.spread(whole & 0xFFFF))
        c.barrier()


# --- rows that are in order ---------------------------------------------------------------------


def pick(values: Placed, at: Placed, rank: Placed, outputs: list[Placed]) -> GpuLaunch:
    """From sorted rows, what stands at the rank of each."""
    rows = math.prod(rank.shape)
    small, e = narrow(values, at), f"i{8 * values.itemsize}"
    kernel = GpuKernel("pick_rank", ("pick rank", e, small), partial(_emit_pick, e=e, small=small))
    args: Words = (*map(buffer, (values, at, rank, *outputs)), rows, values.shape[-1])
    return launch(kernel, args, blocks_of(rows, THREADS), moved=2 * touched(*outputs))


def _emit_pick(target: Target, symbol: str, e: str, small: bool) -> str:
    c = Code(target, symbol, small)
    values, at, rank, out, out_at = (c.buffer() for _ in range(5))
    rows, n = c.wholes(2)
    i = c.place()
    c.end_unless(i < rows)
    place = i * n + c.load("i64", rank, i).max(0).min(c.wider(n) - 1).to(c.index)
    c.store(c.load(e, values, place), out, i)
    c.store(c.load("i64", at, place), out_at, i)
    return c.text()
