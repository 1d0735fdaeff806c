"""Where numbers would stand in sequences that are in order."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from .special_code import (
    THREADS,
    Code,
    GpuKernel,
    GpuLaunch,
    Placed,
    Room,
    Target,
    blocks_of,
    buffer,
    divisor_words,
    launch,
    narrow,
    touched,
)
from .special_copy import in_rows
from .special_order_keys import Keys, keys_of, load_key


def searchsorted(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """A sequence, or rows of them, and values of its dtype → int64 places; params (right,)."""
    (seq, v), (out,), (right,) = inputs, outputs, params
    if 0 in out.shape:
        return []
    if out.dtype != "int64" or v.dtype != seq.dtype:
        return None
    launches: list[GpuLaunch] = []
    seq, v = in_rows(room, seq, launches), in_rows(room, v, launches)
    total, n = math.prod(out.shape), seq.shape[-1]
    each = total if len(seq.shape) == 1 else total // math.prod(seq.shape[:-1])
    k, small = keys_of(seq), narrow(seq, v, out)
    kernel = GpuKernel(
        "searchsorted", ("searchsorted", bool(right), small, *k), partial(_emit, k=k, right=bool(right), small=small)
    )  # fmt: skip
    args = (buffer(seq), buffer(v), buffer(out), total, n, *divisor_words(each))
    return [*launches, launch(kernel, args, blocks_of(total, THREADS), THREADS, touched(v, out))]


def _emit(target: Target, symbol: str, k: Keys, right: bool, small: bool) -> str:
    c = Code(target, symbol, small)
    seq, v, out = c.buffer(), c.buffer(), c.buffer()
    total, n = c.wholes(2)
    each = c.over()
    i = c.place()
    c.end_unless(i < total)
    row, _ = each.split(i)
    wanted = load_key(c, k, v, i)
    first = row * n
    low, high = c.var(c.number(0)), c.var(n)
    with c.loop_while(lambda: low.get() < high.get()):
        a, b = low.get(), high.get()
        middle = a + (b - a) // 2
        found = load_key(c, k, seq, first + middle)
        behind = c.unsigned("le" if right else "lt", found, wanted)
        low.set(c.select(behind, middle + 1, a))
        high.set(c.select(behind, b, middle))
    c.store(c.wider(low.get()), out, i)
    return c.text()


PLANNERS = {"searchsorted": searchsorted}
