"""Linear recurrences along a dimension: y[i] = term[i] + factor[i] * y[i - 1], and y[0] = term[0].

Two stretches in a row, (f, t) and (g, u), come to (f * g, u + g * t): a scan of such pairs. Arrays are
seen as (outer, n, inner). With something inside, a thread goes down a column, one step after the other.
Else a block goes along a row, `ITEMS` elements a thread at a time: there the sums are in another order,
but one that depends on n alone. A product of factors may overflow where the elements themselves do not:
infinite factors times zero are zero.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ..ir_text import ELEMENT
from ..special_index import split
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
    blocks_of,
    buffer,
    dense,
    divisor_words,
    launch,
    narrow,
    touched,
)
from .special_copy import in_rows
from .special_scan import AHEAD, ITEMS, TILE, exclusive, items, put_items

Pair = tuple[Val, Val]


def recurrence(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """factor, term → y; params (dim,)."""
    (f, t), (y,), (dim,) = inputs, outputs, params
    if y.dtype not in ("float32", "float64") or not f.dtype == t.dtype == y.dtype or not dense(y):
        return None
    launches: list[GpuLaunch] = []
    if 0 in y.shape:
        return launches
    f, t = in_rows(room, f, launches), in_rows(room, t, launches)
    outer, n, inner = split(y.shape, dim)
    small = narrow(f, t, y)
    name = "rows" if inner == 1 else "columns"
    emit = partial(_emit_rows if inner == 1 else _emit_columns, dtype=y.dtype, small=small)
    grid = outer if inner == 1 else blocks_of(outer * inner, THREADS)
    made = GpuKernel("recurrence", ("recurrence", name, y.dtype, small), emit)
    args: Words = (buffer(f), buffer(t), buffer(y), n)
    if inner > 1:
        args = (*args, inner, outer * inner, *divisor_words(inner))
    flops = 2.0 * math.prod(y.shape)
    return [*launches, launch(made, args, grid, moved=touched(f, t, y), flops=flops)]


PLANNERS = {"recurrence": recurrence}


def _after(c: Code, first: Pair, then: Pair) -> Pair:
    """What two stretches in a row come to."""
    (f, t), (g, u) = first, then
    return _product(c, g, f, _product(c, f, g, f * g)), u + _product(c, g, t, g * t)


def _product(c: Code, far: Val, none: Val, otherwise: Val) -> Val:
    """0 where `far` is infinite and `none` 0."""
    infinite = far.compare("oeq", math.inf) | far.compare("oeq", -math.inf)
    return c.select(infinite & none.compare("oeq", 0), none, otherwise)


def _emit_rows(target: Target, symbol: str, dtype: str, small: bool) -> str:
    """for each tile of a row: y = term + factor * what there is before, for all of its elements"""
    c = Code(target, symbol, small)
    e = ELEMENT[dtype]
    factor, term, y, n = c.buffer(), c.buffer(), c.buffer(), c.whole()
    begin = c.block_of() * n
    p, q, r = (c.at(x, begin, e) for x in (factor, term, y))
    one, none = c.const(e, 1), c.const(e, 0)
    warps = THREADS // WARP
    totals = c.shared(e, warps), c.shared(e, warps)
    lane, warp = c.warp_lane(), c.thread_id() // WARP
    carry = c.var(none)
    with c.loop(0, n, TILE) as tile:
        first = tile + c.thread_of() * ITEMS
        factors = items(c, e, p, first, n, one, False)
        factors[0] = c.select(first.compare("eq", 0), one, factors[0])
        running: list[Pair] = []
        for pair in zip(factors, items(c, e, q, first, n, none, False), strict=True):
            running.append(_after(c, running[-1], pair) if running else pair)
        whole = running[-1]
        for step in (1, 2, 4, 8, 16):
            before = c.shuffle_up(whole[0], step), c.shuffle_up(whole[1], step)
            joined, inside = _after(c, before, whole), lane.compare("uge", step)
            whole = c.select(inside, joined[0], whole[0]), c.select(inside, joined[1], whole[1])
        with c.when(lane.compare("eq", WARP - 1)):
            for place, v in zip(totals, whole, strict=True):
                c.store(v, place, warp)
        c.barrier()
        ahead = reached = (one, carry.get())
        for w in range(warps):
            reached = _after(c, reached, (c.load(e, totals[0], w), c.load(e, totals[1], w)))
            behind = warp.compare("ugt", w)
            ahead = c.select(behind, reached[0], ahead[0]), c.select(behind, reached[1], ahead[1])
        ahead = _after(c, ahead, (exclusive(c, whole[0], one), exclusive(c, whole[1], none)))
        put_items(c, [_after(c, ahead, pair)[1] for pair in running], r, first, n, False)
        carry.set(reached[1])
        c.barrier()
    return c.text()


def _emit_columns(target: Target, symbol: str, dtype: str, small: bool) -> str:
    c = Code(target, symbol, small)
    e = ELEMENT[dtype]
    factor, term, y = c.buffer(), c.buffer(), c.buffer()
    n, inner, total = c.wholes(3)
    columns = c.over()
    i = c.place()
    c.end_unless(i < total)
    row, column = columns.split(i)
    base = row * n * inner + column
    carry = c.var(c.const(e, 0))
    with c.loop(0, n, AHEAD) as j:
        places = [base + (j + k).min(n - 1) * inner for k in range(AHEAD)]
        found = [(c.load(e, factor, at), c.load(e, term, at)) for at in places]
        for k, (at, (f, t)) in enumerate(zip(places, found, strict=True)):
            with c.when(j + k < n):
                carry.set(c.select((j + k).compare("eq", 0), t, t + f * carry.get()))
                c.store(carry.get(), y, at)
    return c.text()
