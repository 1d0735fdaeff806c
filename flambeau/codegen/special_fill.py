"""Filling dense memory with one number."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from .ir_text import Code
from .kernel import Buf, Kernel, Launch, Target
from .odometer import INTEGER
from .planning import Placed, Room

_CHUNK = 1 << 16
"""Bytes of a task."""


def fill(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[Launch] | None:
    """params (bits,): the element's bits as an unsigned or signed integer; the output is dense."""
    (y,), (bits,) = outputs, params
    count = math.prod(y.shape)
    if not count:
        return []
    if not y.dense:
        return None
    size = y.itemsize
    chunk = max(1, min(count, _CHUNK // size))
    kernel = Kernel(f"fill{8 * size}", ("fill", size), partial(_emit_fill, size=size))
    args = (Buf(y.slot, y.offset * size), count, chunk, bits)
    return [Launch(kernel, args, -(-count // chunk), 0.0, float(size * count), 1, "fill")]


def _emit_fill(target: Target, symbol: str, size: int) -> str:
    c = Code(target, symbol)
    e = INTEGER[size]
    y = c.buffer()
    count, chunk, bits = c.words(3)
    lanes = target.vector_bytes // size
    one = bits.to(e)
    all_lanes = c.splat(one, lanes)
    with c.loop(c.begin, c.end) as task:
        first = task * chunk
        last = (first + chunk).min(count)
        whole = last - (last - first) % lanes
        with c.loop(first, whole, lanes) as i:
            c.store(all_lanes, y, i)
        with c.loop(whole, last) as i:
            c.store(one, y, i)
    return c.text()


PLANNERS = {"fill": fill}
