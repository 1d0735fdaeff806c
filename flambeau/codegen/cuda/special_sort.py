"""Putting keys in order, each with the number it had: equal keys stay as they were.

Up to `RANKED` keys each counts how many come before it: one launch. More go by digits, the lowest
one first: for each digit, tiles count theirs, the counts are summed, and the keys move. Nothing
depends on the order in which blocks run.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

from .special_code import (
    THREADS,
    Code,
    GpuKernel,
    GpuLaunch,
    Placed,
    Room,
    Target,
    Val,
    blocks_of,
    buffer,
    launch,
    temporary,
    touched,
)
from .special_scan import block_scan

RANKED = 8192
"""A thread for each of so many keys, each of which looks at all: some twenty microseconds."""
RANKERS = 64
"""Threads of such a block: few, so that all multiprocessors have some."""
LOOKED_AT = 256
"""Keys that lie in shared memory at a time."""
DIGIT = 6
"""Bits."""
DIGITS = 1 << DIGIT
OWN = 16
"""Keys of a thread, in order."""
TILE = OWN * THREADS


class Sorted(NamedTuple):
    keys: Placed
    numbers: Placed
    """Of each key before: the same dtype."""


def sort(room: Room, keys: Placed, most: int, launches: list[GpuLaunch]) -> Sorted:
    """Keys of int32 or int64, dense, not negative and at most `most` (below the dtype's largest); of
    int32 only below 2**31 many. The launches are added."""
    (count,) = keys.shape
    if count <= RANKED:
        made = Sorted(temporary(room, keys.dtype, count), temporary(room, keys.dtype, count))
        launches.append(_rank(keys, made))
        return made
    tiles = -(-count // TILE)
    counts = temporary(room, "int32" if keys.dtype == "int32" else "int64", DIGITS, tiles)
    given: Sorted | None = None
    rooms = [Sorted(temporary(room, keys.dtype, count), temporary(room, keys.dtype, count)) for _ in range(2)]
    for k in range(max(1, math.ceil(most.bit_length() / DIGIT))):
        source = given.keys if given else keys
        launches.append(_count(source, counts, tiles, k * DIGIT))
        launches.append(_sum(counts))
        made = rooms[k % 2]
        launches.append(_move(source, given, counts, made, tiles, k * DIGIT))
        given = made
    assert given is not None
    return given


def _element(dtype: str) -> str:
    return "i32" if dtype == "int32" else "i64"


# --- few ----------------------------------------------------------------------------------------


def _rank(keys: Placed, made: Sorted) -> GpuLaunch:
    (count,) = keys.shape
    kernel = GpuKernel("rank", ("rank", keys.dtype), partial(_emit_rank, dtype=keys.dtype))
    args = (buffer(keys), buffer(made.keys), buffer(made.numbers), count)
    return launch(kernel, args, blocks_of(count, RANKERS), RANKERS, touched(keys, *made))


def _emit_rank(target: Target, symbol: str, dtype: str) -> str:
    """for each key: out[number of keys before it] = it"""
    e = _element(dtype)
    c = Code(target, symbol, e == "i32", RANKERS)
    keys, sorted_keys, numbers = c.buffer(), c.buffer(), c.buffer()
    count = c.whole()
    here = c.place()
    mine = c.load(e, keys, here.min(count - 1), invariant=True)
    beyond = c.const(e, (1 << 31) - 1 if e == "i32" else (1 << 63) - 1)
    tile = c.shared(e, LOOKED_AT)
    rank = c.var(c.number(0))
    with c.loop(c.number(0), count, LOOKED_AT) as first:
        c.barrier()
        for k in range(LOOKED_AT // RANKERS):
            at = c.thread_of() + k * RANKERS
            v = c.load(e, keys, (first + at).min(count - 1), invariant=True)
            c.store(c.select(first + at < count, v, beyond), tile, at)
        c.barrier()
        with c.loop(c.number(0), LOOKED_AT, 8) as s:
            total = rank.get()
            for v, i in _eight(c, e, tile, s):
                before = v.compare("slt", mine) | (v.compare("eq", mine) & (first + i).compare("slt", here))
                total = total + c.value(c.index, f"zext {before} to {c.index}")
            rank.set(total)
    with c.when(here < count):
        c.store(mine, sorted_keys, rank.get())
        c.store(here, numbers, rank.get())
    return c.text()


def _eight(c: Code, e: str, tile: Val, s: Val) -> list[tuple[Val, Val]]:
    """Eight keys from number s on, and their numbers."""
    each = 4 if e == "i32" else 2
    out = []
    for k in range(0, 8, each):
        v = c.load(f"<{each} x {e}>", tile, s + k, align=16)
        out += [(c.lane(v, j), s + (k + j)) for j in range(each)]
    return out


# --- many ---------------------------------------------------------------------------------------


def _digit(c: Code, key: Val, low: Val) -> Val:
    return c.shifted("lshr", key, low) & (DIGITS - 1)


def _count(keys: Placed, counts: Placed, tiles: int, low: int) -> GpuLaunch:
    """counts[digit][tile]"""
    (count,) = keys.shape
    kernel = GpuKernel("count_digits", ("count digits", keys.dtype), partial(_emit_count, dtype=keys.dtype))
    return launch(kernel, (buffer(keys), buffer(counts), count, tiles, low), tiles, moved=touched(keys))


def _emit_count(target: Target, symbol: str, dtype: str) -> str:
    e = _element(dtype)
    c = Code(target, symbol, e == "i32")
    keys, counts = c.buffer(), c.buffer()
    count, tiles, low = c.wholes(3)
    held = c.shared("i32", DIGITS)
    t = c.thread_of()
    with c.when(t < DIGITS):
        c.store(c.const("i32", 0), held, t)
    c.barrier()
    first = c.block_of() * TILE + t
    places = [first + k * THREADS for k in range(OWN)]
    found = [c.load(e, keys, p.min(count - 1)) for p in places]
    for p, v in zip(places, found, strict=True):
        with c.when(p < count):
            at = c.at(held, _digit(c, v, low), "i32")
            c.line(f"atomicrmw add {at}, i32 1 monotonic, align 4")
    c.barrier()
    with c.when(t < DIGITS):
        n = c.load("i32", held, t)
        c.store(c.spread(n), counts, t * tiles + c.block_of())
    return c.text()


def _sum(counts: Placed) -> GpuLaunch:
    """How many come before each, in place, by one block."""
    total = math.prod(counts.shape)
    kernel = GpuKernel("sum_counts", ("sum counts", counts.dtype), partial(_emit_sum, dtype=counts.dtype))
    return launch(kernel, (buffer(counts), total), 1, moved=2 * touched(counts))


def _emit_sum(target: Target, symbol: str, dtype: str) -> str:
    e = _element(dtype)
    c = Code(target, symbol, e == "i32")
    counts, total = c.buffer(), c.whole()
    held = c.shared(e, THREADS // 32)
    carry = c.var(c.number(0))
    with c.loop(c.number(0), total, 4 * THREADS) as tile:
        first = tile + c.thread_of() * 4
        mine = []
        for k in range(4):
            inside = first + k < total
            mine.append(c.select(inside, c.load(e, counts, c.select(inside, first + k, c.number(0))), c.number(0)))
        whole = mine[0] + mine[1] + mine[2] + mine[3]
        ahead, all_of_it = block_scan(c, whole, lambda a, b: a + b, c.number(0), held)
        at = carry.get() + ahead
        for k, v in enumerate(mine):
            with c.when(first + k < total):
                c.store(at, counts, first + k)
            at = at + v
        carry.set(carry.get() + all_of_it)
        c.barrier()
    return c.text()


def _move(keys: Placed, given: Sorted | None, counts: Placed, made: Sorted, tiles: int, low: int) -> GpuLaunch:
    (count,) = keys.shape
    numbers = given.numbers if given else keys
    kernel = GpuKernel(
        "move_digits", ("move digits", keys.dtype, given is None),
        partial(_emit_move, dtype=keys.dtype, first=given is None),
    )  # fmt: skip
    args = (
        buffer(keys), buffer(numbers), buffer(counts), buffer(made.keys), buffer(made.numbers), count, tiles, low,
    )  # fmt: skip
    return launch(kernel, args, tiles, moved=2 * touched(keys, numbers))


def _emit_move(target: Target, symbol: str, dtype: str, first: bool) -> str:
    """Each thread has `OWN` keys in order. In shared memory there is for each digit and thread how
    many such keys the threads before have; then each thread counts on from there."""
    e = _element(dtype)
    c = Code(target, symbol, e == "i32")
    keys, numbers, counts, out_keys, out_numbers = (c.buffer() for _ in range(5))
    count, tiles, low = c.wholes(3)
    held = c.shared("i16", DIGITS * THREADS)
    bases = c.shared(e, DIGITS)
    sums = c.shared("i16", THREADS)
    t = c.thread_of()
    with c.when(t < DIGITS):
        c.store(c.load(e, counts, t * tiles + c.block_of()), bases, t)
    zeros = c.const("<4 x i32>", 0)
    with c.loop(t, c.number(DIGITS * THREADS // 8), THREADS) as i:
        c.put(zeros, held, i)
    c.barrier()
    mine = c.block_of() * TILE + t * OWN
    last = (mine + OWN).min(count)

    def counted(v: Val) -> Val:
        """How many of this digit there were so far, this one not counted."""
        at = c.at(held, _digit(c, v, low) * THREADS + t, "i16")
        n = c.load("i16", at)
        c.store(n + c.const("i16", 1), at)
        return n

    with c.loop(mine, last) as i:
        counted(c.load(e, keys, i))
    c.barrier()
    # Some threads for each digit, each with its part of the threads' counts.
    quarters = THREADS // DIGITS
    part = THREADS // quarters
    begin = t * part
    total = c.var(c.const("i16", 0))
    with c.loop(c.number(0), part) as i:
        total.set(total.get() + c.load("i16", held, begin + i))
    c.store(total.get(), sums, t)
    c.barrier()
    ahead = c.const("i16", 0)
    for k in range(1, quarters):
        other = c.load("i16", sums, (t - k).max(0))
        ahead = ahead + c.select((t % quarters).compare("uge", k), other, c.const("i16", 0))
    total.set(ahead)
    with c.loop(c.number(0), part) as i:
        n = c.load("i16", held, begin + i)
        c.store(total.get(), held, begin + i)
        total.set(total.get() + n)
    c.barrier()
    with c.loop(mine, last) as i:
        v = c.load(e, keys, i)
        n = c.value(c.index, f"zext {counted(v)} to {c.index}")
        to = c.load(e, bases, _digit(c, v, low)) + n
        c.store(v, out_keys, to)
        c.store(i if first else c.load(e, numbers, i), out_numbers, to)
    return c.text()


__all__ = ["RANKED", "Sorted", "sort"]
