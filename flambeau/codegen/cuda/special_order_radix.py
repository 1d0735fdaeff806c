"""Long rows in order: by digits of their keys, the lowest one first.

For each digit, tiles of a row count theirs, the counts of the tiles before are summed, and the keys
move, with their indices. Within a tile a warp goes along its part in order: lanes with the same digit
find each other by ballots. So equal keys stay as they were, and nothing depends on what runs first.
"""

from __future__ import annotations

import math
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
    buffer,
    divisor_words,
    launch,
    narrow,
    temporary,
    touched,
)
from .special_order_keys import Keys, load_key
from .special_scan import block_scan

DIGIT = 8
"""Bits."""
DIGITS = 1 << DIGIT
"""As many as a block has threads."""
ROUNDS = 16
"""Keys of a lane."""
PART = ROUNDS * WARP
"""Keys of a warp."""
WARPS = THREADS // WARP
TILE = PART * WARPS


class _Work(NamedTuple):
    """What the kernels of one sort share."""

    k: Keys
    small: bool
    """Whether i32 counts all elements."""


def sort(room: Room, k: Keys, x: Placed, outputs: list[Placed]) -> list[GpuLaunch]:
    """Dense rows → values and int64 indices, in order along the last dimension."""
    rows, n = math.prod(x.shape[:-1]), x.shape[-1]
    tiles = -(-n // TILE)
    counts = temporary(room, "int32", rows, DIGITS, tiles)
    totals = temporary(room, "int32", rows, DIGITS)
    passes = k.bits // DIGIT
    held = [
        [temporary(room, k.held, rows, n), temporary(room, "int32", rows, n)] for _ in range(min(2, passes - 1))
    ]
    w = _Work(k, narrow(x, *outputs, counts))
    launches: list[GpuLaunch] = []
    source = [x, x]
    for number in range(passes):
        first, last = number == 0, number == passes - 1
        target = [x, x] if last else held[number % 2]
        shape = (n, tiles, number * DIGIT, *divisor_words(tiles))
        launches.append(_launch(w, "count", first, last, (source[0], counts), shape, rows * tiles))
        launches.append(_launch(w, "sum", first, last, (counts, totals), (tiles,), rows * DIGITS))
        arrays = (*source, counts, totals, *target, x, *outputs)
        launches.append(_launch(w, "move", first, last, arrays, shape, rows * tiles))
        source = target
    return launches


def _launch(
    w: _Work, what: str, first: bool, last: bool, arrays: tuple[Placed, ...], words: tuple[int, ...], grid: int
) -> GpuLaunch:  # fmt: skip
    if what == "sum":
        key: tuple[object, ...] = (w.small,)
    elif what == "count":
        last = False
        key = (first, w.small, w.k if first else (w.k.type,))
    else:
        key = (first, last, w.small, w.k if first or last else (w.k.type,))
    emit = partial(_EMIT[what], w=w, first=first, last=last)
    kernel = GpuKernel(f"sort_{what}", ("sort digits", what, *map(_plain, key)), emit)
    moved = {"count": arrays[:1], "sum": (arrays[0],) * 2, "move": arrays[:2] * 2}[what]
    return launch(kernel, (*map(buffer, arrays), *words), grid, moved=touched(*moved), label="sort")


def _plain(x: object) -> object:
    return tuple(x) if isinstance(x, tuple) else x


class _Tile:
    """A block's tile of a row, as the kernels' arguments tell."""

    def __init__(self, c: Code, w: _Work, first: bool, keys: Val) -> None:
        self.c, self.w, self.first, self.keys = c, w, first, keys
        self.n, self.tiles = c.wholes(2)
        self.low = c.word(w.k.type)
        self.row, self.tile = c.over().split(c.block_of())
        self.begin = self.row * self.n
        self.start = self.tile * TILE

    def key(self, place: Val) -> Val:
        """The key at a place of the row."""
        c, k = self.c, self.w.k
        if self.first:
            return load_key(c, k, self.keys, self.begin + place)
        return c.load(k.type, self.keys, self.begin + place, invariant=True)

    def digit(self, key: Val) -> Val:
        """The digit (i32) of a key."""
        return (self.c.shifted("lshr", key, self.low) & (DIGITS - 1)).to("i32")

    def count_of(self, digit: Val) -> Val:
        """Where the tile's count of a digit is."""
        return (self.row * DIGITS + self.c.spread(digit)) * self.tiles + self.tile


def _emit_count(target: Target, symbol: str, w: _Work, first: bool, last: bool) -> str:
    """counts[row][digit][tile]"""
    c = Code(target, symbol, w.small)
    keys, counts = c.buffer(), c.buffer()
    t = _Tile(c, w, first, keys)
    held = c.shared("i32", DIGITS)
    thread = c.thread_id()
    c.store(c.i32(0), held, thread)
    c.barrier()
    places = [t.start + c.thread_of() + k * THREADS for k in range(TILE // THREADS)]
    for part in range(0, len(places), 4):
        found = [(p, t.digit(t.key(p.min(t.n - 1)))) for p in places[part : part + 4]]
        for p, digit in found:
            with c.when(p < t.n):
                c.line(f"atomicrmw add {c.at(held, digit, 'i32')}, i32 1 monotonic, align 4")
    c.barrier()
    c.store(c.load("i32", held, thread), counts, t.count_of(thread))
    return c.text()


def _emit_sum(target: Target, symbol: str, w: _Work, first: bool, last: bool) -> str:
    """For a row and a digit by a block: what the tiles before each have, in place; and all."""
    c = Code(target, symbol, w.small)
    counts, totals = c.buffer(), c.buffer()
    tiles = c.whole()
    begin = c.block_of() * tiles
    held = c.shared("i32", WARPS)
    carry = c.var(c.i32(0))
    with c.loop(c.number(0), tiles, THREADS) as start:
        place = start + c.thread_of()
        inside = place < tiles
        own = c.select(inside, c.load("i32", counts, begin + place.min(tiles - 1)), c.i32(0))
        ahead, whole = block_scan(c, own, lambda a, b: a + b, c.i32(0), held)
        so_far = carry.get()
        with c.when(inside):
            c.store(so_far + ahead, counts, begin + place)
        carry.set(so_far + whole)
        c.barrier()
    with c.when(c.thread_id().compare("eq", 0)):
        c.store(carry.get(), totals, c.block_of())
    return c.text()


def _emit_move(target: Target, symbol: str, w: _Work, first: bool, last: bool) -> str:
    c = Code(target, symbol, w.small)
    k = w.k
    keys, numbers, counts, totals, out_keys, out_numbers, x, values, at = (c.buffer() for _ in range(9))
    t = _Tile(c, w, first, keys)
    held = c.shared("i32", WARPS * DIGITS)
    sums = c.shared("i32", WARPS)
    thread, lane = c.thread_id(), c.warp_lane()
    own = c.at(held, (thread // WARP) * DIGITS, "i32")
    for part in range(WARPS):
        c.store(c.i32(0), held, thread + part * THREADS)
    c.barrier()
    before_lane = c.shifted("shl", c.i32(1), lane) - 1
    start = t.start + c.thread_of() // WARP * PART + c.spread(lane)
    moved: list[tuple[Val, Val, Val, Val]] = []
    for k_ in range(ROUNDS):
        place = start + k_ * WARP
        inside = place < t.n
        key = t.key(place.min(t.n - 1))
        digit = t.digit(key)
        same = _alike(c, digit, inside)
        ahead = c.call("llvm.ctpop.i32", "i32", same & before_lane)
        so_far = c.load("i32", own, digit)
        c.warp_barrier()
        with c.when(inside & ahead.compare("eq", 0)):
            c.store(so_far + c.call("llvm.ctpop.i32", "i32", same), own, digit)
        c.warp_barrier()
        moved.append((place, key, digit, so_far + ahead))
    c.barrier()
    # A thread for each digit: where its keys begin, in the row and of each warp.
    all_of_it = c.load("i32", totals, t.row * DIGITS + c.thread_of(), invariant=True)
    begin, _ = block_scan(c, all_of_it, lambda a, b: a + b, c.i32(0), sums)
    begin = begin + c.load("i32", counts, t.count_of(thread), invariant=True)
    for warp in range(WARPS):
        spot = thread + warp * DIGITS
        here = c.load("i32", held, spot)
        c.store(begin, held, spot)
        begin = begin + here
    c.barrier()
    for place, key, digit, number in moved:
        with c.when(place < t.n):
            to = t.begin + c.spread(c.load("i32", own, digit) + number)
            index = place.to("i32") if first else c.load("i32", numbers, t.begin + place, invariant=True)
            if last:
                v = c.load(k.raw, x, t.begin + c.spread(index), invariant=True)
                c.store(v, values, to)
                c.store(c.wider(index), at, to)
            else:
                c.store(key, out_keys, to)
                c.store(index, out_numbers, to)
    return c.text()


def _alike(c: Code, digit: Val, inside: Val) -> Val:
    """A bit for each lane (of those inside) that has the lane's digit."""
    same = c.ballot(inside)
    for bit in range(DIGIT):
        has = (digit & (1 << bit)).compare("ne", 0)
        others = c.ballot(has)
        same = same & c.select(has, others, others ^ -1)
    return same


_EMIT = {"count": _emit_count, "sum": _emit_sum, "move": _emit_move}
