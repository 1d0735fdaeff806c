"""Padding with a number: row by row of the output, which is written once."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from .ir_text import Code, Val, element_bytes, vector
from .kernel import Buf, Kernel, Launch, Target
from .odometer import INTEGER, Odometer
from .planning import Placed, Room
from .pool_windows import buffers, dense, touched
from .special_index import stretch


def pad(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """x, a 0-d number of the same dtype → x with so much of it in front of and behind each
    dimension; params: for each dimension (in front, behind)."""
    (x, number), (y,) = inputs, outputs
    if number.dtype != x.dtype or y.dtype != x.dtype or not dense(x, y):
        return None
    if not y.shape or 0 in y.shape:
        return [] if 0 in y.shape else None
    dims: list[tuple[int, int, int]] = []  # size, in front, size of the output
    for n, (low, _), size in zip(x.shape, params, y.shape, strict=True):
        last = dims[-1] if dims else None
        if last and low == 0 and n == size:  # a whole dimension joins the one before
            dims[-1] = (last[0] * n, last[1] * n, last[2] * n)
        else:
            dims.append((n, low, size))
    *outer, inner = dims
    kernel = Kernel(
        f"pad{8 * x.itemsize}", ("pad", x.itemsize, len(outer)),
        partial(_emit, size=x.itemsize, rank=len(outer)),
    )  # fmt: skip
    args: tuple[int | Buf, ...] = (*buffers([x, number, y]), *inner, *(w for d in outer for w in d))
    rows = math.prod(d[2] for d in outer)
    grain = max(1, (1 << 16) // (inner[2] * x.itemsize))
    return [Launch(kernel, args, rows, 0.0, touched([x, y]), grain, "pad")]


PLANNERS = {"pad": pad}


def _emit(target: Target, symbol: str, size: int, rank: int) -> str:
    """for each row of y: the number, or the number, a row of x, the number"""
    c = Code(target, symbol)
    e = INTEGER[size]
    x, number, y = c.buffer(), c.buffer(), c.buffer()
    n, low, width = c.words(3)
    dims = [c.words(3) for _ in range(rank)]
    steps = [n]
    for d in reversed(dims[1:]):
        steps.insert(0, steps[0] * d[0])
    rows = Odometer(c, [d[2] for d in dims], [steps[:rank]], c.begin)
    start = c.int(0)
    for d, step in zip(dims, steps, strict=False):
        start = start + d[1] * step
    only = c.load(e, number)
    with c.loop(c.begin, c.end) as row:
        to = c.at(y, row * width, e)
        (at,) = rows.get()
        known = c.const("i1", 1)
        for count, d in zip(rows.counts, dims, strict=True):
            known = known & (count.get() - d[1]).compare("ult", d[0])

        def inside() -> None:
            _spread(c, only, to, low, e)
            _moved(c, c.at(x, at - start, e), c.at(to, low, e), n, e)
            _spread(c, only, c.at(to, low + n, e), width - low - n, e)

        c.choose(known, inside, lambda: _spread(c, only, to, width, e))
        rows.advance()
    return c.text()


def _lanes(c: Code, e: str) -> int:
    return c.target.vector_bytes // element_bytes(e)


def _spread(c: Code, only: Val, y: Val, count: Val, e: str) -> None:
    def one(i: Val, n: int, mask: Val | None = None) -> None:
        c.store(c.splat(only, n), y, i, mask)

    stretch(c, count, _lanes(c, e), e, one)


def _moved(c: Code, x: Val, y: Val, count: Val, e: str) -> None:
    def one(i: Val, n: int, mask: Val | None = None) -> None:
        c.store(c.load(vector(e, n), x, i, mask), y, i, mask)

    stretch(c, count, _lanes(c, e), e, one)
