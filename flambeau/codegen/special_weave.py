"""Copies between 2 to 8 rows and their interleaving: channels of images, parts of complex numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from .ir_text import Code, Val, vector
from .kernel import Buf, Kernel, Launch, Target
from .odometer import INTEGER, Dim, Odometer, Words

_MOST = 8
"""Rows: 5 shuffles for 16 elements at 6 of them, where a square of 16 that is filled so far costs
11."""

_LONG = 64
"""Elements of a row that make it worth while."""

_BLOCK = 4096
"""Elements of a row in a task."""


def plan(
    outer: Sequence[Dim], inner: Dim, crossed: Dim, buffers: tuple[Buf, Buf], size: int, moved: float
) -> Launch | None:
    """The source is contiguous along `crossed`, the output along `inner`. None unless one of them
    is short, and lies densely beside the other."""
    weaving = 2 <= inner.size <= _MOST and crossed.to == inner.size and crossed.size >= _LONG
    parting = 2 <= crossed.size <= _MOST and inner.source == crossed.size and inner.size >= _LONG
    if not (weaving or parting):
        return None
    many, long, step = (
        (inner.size, crossed.size, inner.source) if weaving
        else (crossed.size, inner.size, crossed.to)
    )  # fmt: skip
    rest = [k for k in outer if k is not crossed]
    block = min(long, _BLOCK)
    blocks = -(-long // block)
    name = f"{'weave' if weaving else 'part'}{many}_{8 * size}"
    emit = partial(_emit, size=size, many=many, weaving=weaving, rank=len(rest))
    args: Words = (*buffers, long, step, block, blocks, *(word for k in rest for word in k))
    tasks = math.prod(k.size for k in rest) * blocks
    grain = max(1, (1 << 16) // (block * many * size))
    kernel = Kernel(name, ("copy weave", size, many, weaving, len(rest)), emit)
    return Launch(kernel, args, tasks, 0.0, moved, grain, "copy")


def _emit(
    target: Target, symbol: str, size: int, many: int, weaving: bool, rank: int
) -> str:
    """for each block: y[i * many + k] = x[k * step + i], or y[k * step + i] = x[i * many + k]"""
    c = Code(target, symbol)
    e = INTEGER[size]
    n = min(16, target.vector_bytes // size)
    x, y = c.buffer(), c.buffer()
    long, step, block, blocks = c.words(4)
    dims = [c.words(3) for _ in range(rank)]
    zero = c.int(0)
    tasks = Odometer(
        c, [*(d[0] for d in dims), blocks],
        [[*(d[1] for d in dims), zero], [*(d[2] for d in dims), zero],
         [*(zero for _ in dims), block]], c.begin,
    )  # fmt: skip
    flat = [v * n + lane for v in range(many) for lane in range(n)]
    woven = [f % many * n + f // many for f in flat]
    parted = [f % n * many + f // n for f in flat]
    with c.loop(c.begin, c.end):
        source, to, first = tasks.get()
        p, q = c.at(x, source, e), c.at(y, to, e)
        last = (first + block).min(long)

        def at(i: Val, k: int, rows: bool, lanes: int) -> Val:
            """Of row k from i on, or of the k-th vector of what is interleaved from there on."""
            return i + step * k if rows else i * many + k * lanes

        def move(i: Val, lanes: int) -> None:
            type = vector(e, lanes)
            found = [c.load(type, p, at(i, k, weaving, lanes)) for k in range(many)]
            if lanes > 1:
                found = regrouped(c, found, woven if weaving else parted)
            for k, v in enumerate(found):
                c.store(v, q, at(i, k, not weaving, lanes))

        whole = last - (last - first) % n
        with c.loop(first, whole, n) as i:
            move(i, n)
        with c.loop(whole, last) as i:
            move(i, 1)
        tasks.advance()
    return c.text()


def regrouped(c: Code, vectors: Sequence[Val], order: Sequence[int]) -> list[Val]:
    """Vectors of the lanes `order` of all vectors together: from two of them at a time."""
    n = len(order) // len(vectors)
    out = []
    for k in range(len(vectors)):
        wanted = order[k * n : (k + 1) * n]
        made = vectors[0]
        for v in range(1, len(vectors)):
            lanes = []
            for lane, f in enumerate(wanted):
                if f // n == v:
                    lanes.append(n + f % n)
                elif f // n < v:
                    lanes.append(f % n if v == 1 else lane)
                else:
                    lanes.append(-1)
            made = c.shuffle(made, vectors[v], lanes)
        out.append(made)
    return out
