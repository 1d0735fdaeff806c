"""Sorting, and selecting by rank, along the last dimension.

Rows up to `WARP` elements go to a part of a warp each: every lane counts how many come before its
own. Up to `SHORT` elements a block sorts a row in shared memory, by comparing in pairs. Longer rows
are sorted by digits (`special_order_radix`), unless a few elements of them are wanted: then those are
looked for (`special_order_select`).

Indices are part of the comparison, so the order is stable and one only, whatever runs first.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from . import special_order_radix as radix
from . import special_order_search as search
from . import special_order_select as select
from .ir import WARP
from .special_code import (
    NARROW,
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
    narrow,
    temporary,
    touched,
)
from .special_copy import copy, in_rows
from .special_order_keys import Keys, before, keys_of, last_key, load_key
from .special_order_pairs import Pairs, pair_bytes, sort_pairs

SHORT = 4096
"""Elements of a row that a block holds in shared memory: 48 KiB with keys of 8 bytes."""
LONGEST = 1 << 20
"""Elements of a row that one block goes through alone."""


def sort(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """x → values, indices; params (descending,)."""
    (x,), (descending,) = inputs, params
    return _first(room, x, outputs, x.shape[-1], keys_of(x, bool(descending)))


def topk(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """x → the first k values and indices; params (k, largest)."""
    (x,), (k, largest) = inputs, params
    return _first(room, x, outputs, k, keys_of(x, bool(largest)))


def ranked(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """x, rank of each row (int64) → the value of that rank and its index. A rank outside of the row is
    taken for the nearest one."""
    x, rank = inputs
    if 0 in x.shape:
        return []
    if x.shape[-1] >= NARROW:
        return None
    launches: list[GpuLaunch] = []
    x, rank = in_rows(room, x, launches), in_rows(room, rank, launches)
    k, n = keys_of(x), x.shape[-1]
    if n <= SHORT:
        launches.append(_rows(k, x, outputs, 1, rank))
    elif n <= LONGEST or _rows_of(x) >= room.gpu.multiprocessors:
        launches.append(select.of_rank(room, k, x, rank, outputs))
    else:
        at = temporary(room, "int64", *x.shape)
        values = temporary(room, x.dtype, *x.shape)
        launches += radix.sort(room, k, x, [values, at])
        launches.append(select.pick(values, at, rank, outputs))
    return launches


def _first(room: Room, x: Placed, outputs: list[Placed], count: int, k: Keys) -> list[GpuLaunch] | None:
    """The first `count` elements in order."""
    if 0 in x.shape or not count:
        return []
    n = x.shape[-1]
    if n >= NARROW:
        return None
    launches: list[GpuLaunch] = []
    x = in_rows(room, x, launches)
    alone = n <= LONGEST or _rows_of(x) >= room.gpu.multiprocessors
    if n <= SHORT:
        launches.append(_rows(k, x, outputs, count, None))
    elif count == n:
        launches += radix.sort(room, k, x, outputs)
    elif count <= select.MOST and alone:
        launches.append(select.first(room, k, x, outputs, count))
    else:
        whole = [temporary(room, o.dtype, *x.shape) for o in outputs]
        launches += radix.sort(room, k, x, whole)
        for w, o in zip(whole, outputs, strict=True):
            launches += copy(room, w._replace(shape=o.shape), o) or []
    return launches


def _rows_of(x: Placed) -> int:
    return math.prod(x.shape[:-1])


# --- short rows ---------------------------------------------------------------------------------


def _rows(k: Keys, x: Placed, outputs: list[Placed], count: int, rank: Placed | None) -> GpuLaunch:
    """The first `count` of each row, or the one of its rank."""
    n, rows = x.shape[-1], _rows_of(x)
    values, at = outputs
    small = narrow(x, values, at)
    ranked = rank is not None
    what = ("rank" if ranked else "first", small, *k)
    args = (buffer(x), buffer(rank or x), buffer(values), buffer(at), rows, n, count)
    moved = touched(x, values, at)
    if n <= WARP:
        width = max(4, 1 << (n - 1).bit_length())
        kernel = GpuKernel(
            "sort_lanes", ("sort lanes", width, *what), partial(_emit_lanes, k=k, small=small, ranked=ranked, width=width)
        )  # fmt: skip
        return launch(kernel, args, blocks_of(rows, THREADS // width), THREADS, moved, "sort")
    power = 1 << (n - 1).bit_length()
    kernel = GpuKernel("sort_block", ("sort block", *what), partial(_emit_block, k=k, small=small, ranked=ranked))
    threads = max(WARP, min(512, power // 4))
    return launch(kernel, (*args, power), rows, threads, moved, "sort", shared=power * pair_bytes(k))


class _Kernel:
    """What both kernels begin with, and how they end."""

    def __init__(self, target: Target, symbol: str, k: Keys, small: bool, threads: int) -> None:
        self.c = c = Code(target, symbol, small, threads)
        self.k = k
        self.x, self.rank, self.values, self.at = (c.buffer() for _ in range(4))
        self.rows, self.n, self.count = c.wholes(3)

    def put(self, row: Val, place: Val, index: Val) -> None:
        """The element `index` of a row, at a place of its results."""
        c = self.c
        to = row * self.count + place
        v = c.load(self.k.raw, self.x, row * self.n + index, invariant=True)
        c.store(v, self.values, to)
        c.store(c.wider(index), self.at, to)

    def rank_of(self, row: Val) -> Val:
        """The rank that is wanted of a row."""
        c = self.c
        wanted = c.load("i64", self.rank, row, invariant=True).max(0)
        return wanted.min(c.wider(self.n) - 1).to(c.index)


def _emit_lanes(target: Target, symbol: str, k: Keys, small: bool, ranked: bool, width: int) -> str:
    """A row for each `width` lanes."""
    m = _Kernel(target, symbol, k, small, THREADS)
    c = m.c
    lane = c.warp_lane() & (width - 1)
    row = c.block_of() * (THREADS // width) + c.thread_of() // width
    here = row.min(m.rows - 1)
    mine = c.spread(lane)
    own = load_key(c, k, m.x, here * m.n + mine.min(m.n - 1))
    own = c.select(mine < m.n, own, last_key(c, k))
    first = c.warp_lane() - lane
    place = c.const("i32", 0)
    for j in range(width):
        other = c.shuffle_from(own, first + j)
        ahead = before(c, other, c.i32(j), own, lane)
        place = place + c.value("i32", f"zext {ahead} to i32")
    to = c.spread(place)
    inside = (row < m.rows) & (mine < m.n)
    if ranked:
        with c.when(inside & to.compare("eq", m.rank_of(here))):
            m.put(row, c.number(0), mine)
    else:
        with c.when(inside & (to < m.count)):
            m.put(row, to, mine)
    return c.text()


def _emit_block(target: Target, symbol: str, k: Keys, small: bool, ranked: bool) -> str:
    """A row for each block; beyond its end there are keys that come last."""
    m = _Kernel(target, symbol, k, small, 512)
    c = m.c
    power = c.word("i32")
    row = c.block_of()
    pairs = Pairs(c, k, c.dynamic_shared(), power)
    with c.loop(c.thread_id(), power, c.block_size()) as i:
        at = c.spread(i)
        own = load_key(c, k, m.x, row * m.n + at.min(m.n - 1))
        pairs.put(i, c.select(at < m.n, own, last_key(c, k)), i)
    sort_pairs(c, pairs)
    if ranked:
        with c.when(c.thread_id().compare("eq", 0)):
            m.put(row, c.number(0), c.spread(pairs.index(m.rank_of(row).to("i32"))))
    else:
        with c.loop(c.thread_of(), m.count, c.spread(c.block_size())) as to:
            m.put(row, to, c.spread(pairs.index(to.to("i32"))))
    return c.text()


PLANNERS = {"sort": sort, "topk": topk, "ranked": ranked, **search.PLANNERS}
