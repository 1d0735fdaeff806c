"""Matrix products on a GPU: the kernel that all contractions stand on.

    out[z, i, j] = activation(sum over k of a[z, i, k] * b[z, k, j] + bias + out)

A block makes a tile of `out` (`shape.m` by `shape.n`), going along the sum by `shape.depth`. While it
multiplies one pair of tiles in shared memory, the next ones are on their way there: through registers
with two places for tiles, or by copies of their own (sm_80) with `stages` of them. One barrier a
turn. How elements are found is `gemm_index`'s, so that a convolution is a product, too.

Blocks that read the same rows and columns run at about the same time: tiles are numbered down eight
rows of them, then along.

Where there would be few blocks, the sum is cut into `splits` chunks, which are results of their own
and added by `gemm_sum` in their order.

Intensity (multiply-adds to elements that come from global memory, a turn): m * n / (m + n), 64 for
128 x 128; from shared memory to registers see `gemm_fma` and `mma`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..ir_values import Val
from ..kernel import Target
from . import gemm_fma, mma
from .gemm_code import Code
from .gemm_index import Reader
from .gemm_load import Loader, Side, Tile
from .gemm_store import Out, Writer
from .kernel import GpuKernel

GROUP = 8
"""Rows of tiles that are gone through together."""


class Spec(NamedTuple):
    """A kernel, as far as its code depends on it."""

    kind: str
    """How products are made: "float32" and "float64" (multiply-add), or on tensor cores "tf32",
    "float16", "bfloat16"."""
    shape: gemm_fma.Shape | mma.Shape
    a: Side
    b: Side
    out: Out
    batch: tuple[tuple[int, ...], ...]
    """Keys of the batch's axis for a, b, out, and the bias if there is one; () if there is no batch."""
    wide: bool
    """Whether offsets need 64 bits."""
    stages: int = 2
    copies: tuple[bool, bool] = (False, False)
    """Whether a and b are copied without registers."""
    blocks: int = 1
    """That should fit on a multiprocessor."""


def tiles(spec: Spec) -> tuple[Tile, Tile]:
    if isinstance(spec.shape, gemm_fma.Shape):
        return gemm_fma.tiles(spec.shape, spec.kind)
    s = spec.shape
    return mma.tile(s.m, s.depth, spec.a.along, spec.kind), mma.tile(s.n, s.depth, spec.b.along, spec.kind)


def shared_bytes(spec: Spec) -> int:
    """Dynamic shared memory of a block."""
    return spec.stages * sum(t.nbytes for t in tiles(spec))


def kernel(spec: Spec) -> GpuKernel:
    """Its words: m, n, k, the chunk's length; divisors: tiles of a matrix, splits, 8 * tiles along n;
    tiles along m; elements between results of chunks; a, b, out (see `Loader`, `Writer`); the batch's
    axes."""
    how = "fma" if isinstance(spec.shape, gemm_fma.Shape) else "mma"
    name = f"gemm_{spec.kind}_{how}_{spec.shape.m}x{spec.shape.n}"
    return GpuKernel(name, ("gemm", spec), partial(_emit, spec))


def _emit(spec: Spec, target: Target, symbol: str) -> str:
    s = spec.shape
    c = Code(target, symbol, s.threads, spec.blocks)
    m, n, k, chunk = c.words(4, "i32")
    per_matrix, splits, per_group = c.divisor(), c.divisor(), c.divisor()
    down, apart = c.word("i32"), c.word()
    tile_a, tile_b = tiles(spec)
    a = Loader(c, spec.a, tile_a, 0, spec.wide, spec.copies[0])
    b = Loader(c, spec.b, tile_b, tile_a.nbytes, spec.wide, spec.copies[1])
    out = Writer(c, spec.out, spec.wide)
    batch = [Reader(c, key, True) for key in spec.batch]
    # Which tile.
    rest, tile = per_matrix.split(c.block_id())
    z, part = splits.split(rest)
    group, within = per_group.split(tile)
    first = group * GROUP
    height = (down - first).min(GROUP)
    across = within // height
    row = (first + (within - across * height)) * s.m
    column = across * s.n
    begin = part * chunk
    end = (begin + chunk).min(k)
    zero = c.const("i64", 0)
    offsets = [r.at(z).offset for r in batch] or [zero] * 4
    a.begin(row, m, offsets[0])
    b.begin(column, n, offsets[1])
    out.begin(offsets[2] + part.to("i64") * apart, offsets[3] if len(offsets) > 3 else None, m, n)
    core: gemm_fma.Core | mma.Core
    if isinstance(s, gemm_fma.Shape):
        core = gemm_fma.Core(c, s, spec.kind)
    else:
        core = mma.Core(c, s, spec.kind, tile_a, tile_b)
    sums = _along(c, spec, core, a, b, begin, end)
    out.store(row + core.row, column + core.column, core.cells(sums))
    out.finish()
    return c.text()


def _along(
    c: Code, spec: Spec, core: gemm_fma.Core | mma.Core, a: Loader, b: Loader, begin: Val, end: Val
) -> list[Val]:
    """The sums of all turns.

        load the first stages - 1 tiles
        for each turn: barrier; load a tile, stages - 1 turns ahead; multiply; put what was loaded
    """
    depth, ahead = spec.shape.depth, spec.stages - 1
    nbytes = shared_bytes(spec) // spec.stages
    copying = any(spec.copies)
    for i in range(ahead):
        slot, k = c.i32(i * nbytes), begin + i * depth
        fetched = [x.fetch(k, end, slot) for x in (a, b)]
        if copying:
            c.commit()
        for x, values in zip((a, b), fetched):
            x.put(values, slot)
    sums = [c.var(x) for x in core.zero()]
    now = c.var(c.i32(0))
    with c.loop(begin, end, depth) as k:
        if copying:
            c.wait(ahead - 1)
        c.barrier()
        here = now.get()
        last, following = here - nbytes, here + nbytes
        then = c.select(here.compare("eq", 0), c.i32(ahead * nbytes), last)
        fetched = [x.fetch(k + ahead * depth, end, then) for x in (a, b)]
        if copying:
            c.commit()
        for var, value in zip(sums, core.step([v.get() for v in sums], here)):
            var.set(value)
        for x, values in zip((a, b), fetched):
            x.put(values, then)
        now.set(c.select(here.compare("eq", ahead * nbytes), c.i32(0), following))
    if copying:
        c.wait(0)
    return [v.get() for v in sums]
