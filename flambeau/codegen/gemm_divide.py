"""How a matrix product is divided into blocks, and the launches that do them.

The figures here were measured with AVX-512 (48 KiB and 2 MiB of caches), sizes as (M, N, K).
"""

from __future__ import annotations

from typing import NamedTuple

from .gemm_kernels import BUFFERS, NUMBERS, PACK_NUMBERS, gemm_kernel, pack_kernel
from .gemm_product import Product
from .kernel import Buf, Launch
from .planning import Room

_PANEL = 32
"""Columns that a block is made of: a multiple of every target's panel, in float32."""
_NARROW = 48
"""Columns of a tile of three vectors."""
_ROWS = 14
"""Rows of the tallest tile."""
_DEPTH = 384
"""Elements of K in a block: a panel of B that fits the first-level cache."""
_STREAMED = 32
"""The same where B only streams by, and C stays in the cache instead."""
_CACHED = 1 << 20
"""Bytes of A that are passed again and again: half of a second-level cache."""
_TASK_FLOPS = 150_000
"""A task is worth so much work at least..."""
_TASKS = 24
"""...but there need not be more than so many."""


def oriented(p: Product) -> tuple[Product, bool] | None:
    """The product as it is or turned, and whether by dot products. None if c's strides fit no way."""
    ways = [q for q in (p, p.turned()) if q.c.columns == 1 or q.n == 1]
    by_rows = max(ways, key=lambda q: (q.n > 1, q is p), default=None)
    dots = p.k == 1 or (p.a.columns == 1 and p.b.rows == 1)
    if dots and p.k >= 16:
        small, large = min(p.m, p.n), max(p.m, p.n)
        if by_rows is None or by_rows.m <= 24 or by_rows.n < 12 or small == 1:
            return (p if p.n == large else p.turned()), True
    return (by_rows, False) if by_rows is not None else None


def wanted_tasks(p: Product) -> int:
    """How many tasks a product is worth."""
    return max(1, min(_TASKS, int(p.flops / _TASK_FLOPS)))


def chunks_of(p: Product, dots: bool) -> int:
    """Into how many chunks K is divided: more than one where the sums are long and few, or where B
    does nothing but stream by."""
    wanted = wanted_tasks(p)
    blocks = p.matrices * -(-p.m // (4 * _ROWS)) * -(-p.n // _PANEL)
    if _streams(p, dots):
        return max(1, min(16, p.k // 64, p.k * p.n * p.size // _CACHED))
    if 4 * blocks <= wanted and p.k >= 1024:
        return min(16, p.k // 512, -(-wanted // blocks))
    return 1


class Division(NamedTuple):
    """How a product is divided into blocks."""

    rows: int
    columns: int
    depth: int
    packs: bool
    """Whether B is packed, block by block."""
    packed: bool
    """Whether A is packed beforehand."""
    narrow: bool
    """Whether the columns are those of one tile of three vectors."""

    @property
    def step(self) -> int:
        """Columns at a time: a panel, if there are several tiles of rows to it."""
        if self.rows <= _ROWS:
            return max(self.columns, 1)
        return _NARROW if self.narrow else _PANEL


def divide(p: Product, dots: bool, chunk: int) -> Division:
    """Blocks: tasks enough, each with its part of A in the second-level cache."""
    wanted = wanted_tasks(p)
    size = p.size
    chunks = -(-p.k // chunk) if p.k else 1
    packs = not dots and _packs(p)
    packed = not dots and chunks == 1 and _packs_rows(p)
    depth = -(-chunk // -(-chunk // _DEPTH)) if chunk > _DEPTH * 1.4 else max(chunk, 1)
    if _streams(p, dots):
        depth = _STREAMED if p.m > 6 else max(chunk, 1)
        wanted = max(1, min(wanted, p.n // (8 * _PANEL)))
    least = 4 * _ROWS if not packs else 8 * _ROWS
    cached = _CACHED // (size * max(depth if packed else p.k, 1))
    row_blocks = 1 if dots else -(-p.m // max(least, cached))
    others = p.matrices * chunks
    panels = -(-p.n // _PANEL)
    column_blocks = max(1, min(panels, -(-wanted // (others * row_blocks))))
    short = -(-wanted // (others * row_blocks * column_blocks))
    if short > 1:
        row_blocks = max(row_blocks, min(-(-p.m // least), short * row_blocks))
    columns = -(-panels // column_blocks) * _PANEL
    if packs and p.m <= _ROWS:
        columns = min(columns, 4 * _PANEL)
    narrow = _PANEL < p.n <= _NARROW and not packed
    if narrow:
        columns = _NARROW
    return Division(-(-p.m // row_blocks), columns, depth, packs, packed, narrow)


def _streams(p: Product, dots: bool) -> bool:
    """Whether B does nothing but stream by, best by whole rows."""
    big = p.k >= 64 and p.n >= 8 * _PANEL and p.k * p.n * p.size >= _CACHED // 8
    return not dots and p.m <= _ROWS and p.matrices == 1 and p.b.columns == 1 and big


def _packs(p: Product) -> bool:
    """Whether B is packed. It must be where its columns are not contiguous. Else it is worth it
    where rows lie far apart, or such that they collide in the cache: (512, 512, 512) gains 5 %,
    (128, 1024, 1024) 15 %; (256, 256, 256) would lose 10 %. Many rows pay for it anyway:
    (1024, 768, 192) gains 20 %, (1024, 192, 768) 7 %."""
    if p.n == 1:
        return False
    apart = abs(p.b.rows) * p.size
    collides = apart >= 4096 or (apart >= 2048 and apart % 2048 == 0)
    rows = 96 if collides else 384
    return p.b.columns != 1 or (p.m >= rows and p.k >= 64)


def _packs_rows(p: Product) -> bool:
    """Whether A is packed beforehand. Worth it where its rows aren't contiguous, and it is read often
    enough: (1024, 1024, 128) gains 30 %, (768, 192, 1024) 10 %, (256, 256, 256) nothing."""
    if p.m < 2 * _ROWS or p.n < 6 * _PANEL or p.k < 96:
        return False
    apart = abs(p.a.rows) * p.size
    return p.a.columns != 1 or (apart > 0 and apart % 4096 == 0 and p.n >= 16 * _PANEL)


def launches_of(room: Room, p: Product, dots: bool, chunk: int, chunk_c: int) -> list[Launch]:
    """The launch of a product, of which each chunk of K has a C of its own; and before it maybe one
    that packs A."""
    size = p.size
    d = divide(p, dots, max(chunk, 1))
    row_blocks, column_blocks = -(-p.m // d.rows), -(-p.n // d.columns)
    chunks = -(-p.k // chunk) if chunk else 1
    panels = -(-d.step // _PANEL) * _PANEL  # whole ones are packed
    scratch = -(-d.depth * panels * size // 64) * 64 if d.packs else 0
    bias = p.bias or p.c._replace(batch=(0, 0, 0), rows=0, columns=0)
    numbers = {
        "M": p.m, "N": p.n, "K": p.k, "sam": p.a.rows, "sak": p.a.columns, "sbk": p.b.rows,
        "sbn": p.b.columns, "scm": p.c.rows, "scn": p.c.columns, "bias_m": bias.rows,
        "bias_n": bias.columns, "n1": p.batch[1], "n2": p.batch[2],
        **{f"{x}{i}": s.batch[i] for x, s in zip(("a", "b", "c", "bias_"), (p.a, p.b, p.c, bias))
           for i in range(3)},
        "rows": d.rows, "columns": d.columns, "depth": d.depth, "step": d.step,
        "row_blocks": row_blocks, "column_blocks": column_blocks, "chunk": max(chunk, 1),
        "chunk_c": chunk_c, "batches": p.matrices, "packs": int(d.packs), "packed": int(d.packed),
        "accumulate": int(p.accumulate), "has_bias": int(p.bias is not None),
        "scratch_bytes": scratch,
    }  # fmt: skip
    buffers = {x: Buf(s.slot, s.offset * size) for x, s in zip(BUFFERS, (p.a, p.b, p.c, bias))}
    buffers["scratch"] = Buf(room.scratch(scratch)) if d.packs else Buf(p.c.slot)
    before = []
    if d.packed:
        slot = room.temporary(p.matrices * p.m * p.k * size)
        before = [_packing(p, d, numbers, buffers["a"], slot)]
        buffers["a"] = Buf(slot)
        each = p.m * p.k
        numbers |= {"a0": each * p.batch[1] * p.batch[2], "a1": each * p.batch[2], "a2": each}
    moved = p.matrices * (p.m * p.k + p.k * p.n + p.m * p.n * (1 + p.accumulate)) * size
    launch = Launch(
        gemm_kernel(p.c.dtype, dots),
        (*(buffers[x] for x in BUFFERS), *(numbers[x] for x in NUMBERS)),
        p.matrices * chunks * row_blocks * column_blocks, p.flops, float(moved), 1,
        f"matmul {p.m}x{p.n}x{p.k}",
    )  # fmt: skip
    return [*before, launch]


def _packing(p: Product, d: Division, numbers: dict[str, int], a: Buf, slot: int) -> Launch:
    """The launch that packs A."""
    size = p.size
    depth_blocks = -(-p.k // d.depth)
    given = numbers | {"depth_blocks": depth_blocks}
    return Launch(
        pack_kernel(p.c.dtype), (a, Buf(slot), *(given[x] for x in PACK_NUMBERS)),
        p.matrices * depth_blocks * numbers["row_blocks"], 0.0,
        2.0 * size * p.matrices * p.m * p.k, max(1, 8192 // (d.rows * d.depth)),
        f"pack {p.m}x{p.k}",
    )  # fmt: skip
