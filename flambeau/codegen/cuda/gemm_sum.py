"""The sum of the chunks of a product, in their order, and what becomes of it (`gemm_store`).

    out[z, i, j] = activation(part[0, z, i, j] + part[1, z, i, j] + ... + bias + out)

A thread makes `vector` neighbouring columns. The one chunk of a product that is already whole may be
out itself.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..ir_values import vector
from ..kernel import Target
from .gemm_code import HELD, SIZE, Code
from .gemm_index import Reader
from .gemm_store import Out, Writer
from .kernel import GpuKernel

THREADS = 256


class Spec(NamedTuple):
    """A kernel, as far as its code depends on it."""

    dtype: str
    """Of the chunks."""
    vector: int
    out: Out
    batch: tuple[tuple[int, ...], ...]
    """Keys of the batch's axis for out, and the bias if there is one; () if there is no batch."""
    wide: bool


def kernel(spec: Spec) -> GpuKernel:
    """Its words: m, n, how many chunks; elements of one; threads in all; divisors: threads a row, rows;
    the chunks; out (see `Writer`); the batch's axes."""
    return GpuKernel(f"gemm_sum_{spec.dtype}", ("gemm_sum", spec), partial(_emit, spec))


def _emit(spec: Spec, target: Target, symbol: str) -> str:
    c = Code(target, symbol, THREADS)
    m, n, count = c.words(3, "i32")
    apart, all = c.word(), c.word("i32")
    per_row, rows = c.divisor(), c.divisor()
    parts = c.buffer()
    out = Writer(c, spec.out, spec.wide)
    batch = [Reader(c, key, True) for key in spec.batch]
    i = c.block_id() * THREADS + c.thread_id()
    with c.when(i >= all):
        c.leave()
    rest, column = per_row.split(i)
    z, row = rows.split(rest)
    zero = c.const("i64", 0)
    offsets = [r.at(z).offset for r in batch] or [zero] * 2
    out.begin(offsets[0], offsets[1] if len(offsets) > 1 else None, m, n)
    v, element = spec.vector, HELD[spec.dtype]
    first = i.to("i64") * v
    sums = [c.var(c.const("double" if spec.dtype == "float64" else "float", 0)) for _ in range(v)]
    with c.loop(c.i32(0), count) as part:
        at = first + part.to("i64") * apart
        whole = c.load(vector(element, v), c.at(parts, at, element), align=v * SIZE[spec.dtype])
        for j, var in enumerate(sums):
            var.set(var.get() + c.widened(c.lane(whole, j), spec.dtype))
    out.store(row, column * v, [(0, 0, [x.get() for x in sums])])
    out.finish()
    return c.text()
