"""Plans matrix products: c[batch..., M, N] (+)= a[batch..., M, K] b[batch..., K, N] (+ bias).

Any strides are fine. What is planned depends on shapes, strides and dtypes, never on the number of
threads. In order:

    fold        batch dimensions into rows or columns where memory allows, the rest into three
    widen       16-bit floats to float32
    orient      dot products, or broadcasts of A with C's columns contiguous, if need be of C^T = B^T
                A^T; else the product goes to a temporary, from there to c
    divide      into blocks, which are the tasks; long sums over few elements into chunks of K
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .gemm_kernels import BUFFERS, NUMBERS, PACK_NUMBERS, gemm_kernel, pack_kernel
from .gemm_sum import plan_sum
from .kernel import Buf, Launch
from .planning import Placed, Room, row_major

_PANEL = 32
"""Columns that a block is made of: a multiple of every target's panel, in float32."""
_NARROW = 48
"""Columns of a tile of three vectors."""
_ROWS = 14
"""Rows of the tallest tile."""
_DEPTH = 320
"""Elements of K in a block: a panel of B that fits the first-level cache."""
_STREAMED = 32
"""The same where B only streams by, and C stays in the cache instead."""
_CACHED = 1 << 20
"""Bytes of A that are passed again and again: half of a second-level cache."""
_TASK_FLOPS = 150_000
"""A task is worth so much work at least..."""
_TASKS = 24
"""...but there need not be more than so many."""


class Side(NamedTuple):
    """One matrix of the batch's: a stride for each batch dimension, of rows and of columns."""

    slot: int
    dtype: str
    offset: int
    batch: tuple[int, ...]
    rows: int
    columns: int

    def turned(self) -> Side:
        return self._replace(rows=self.columns, columns=self.rows)


class Product(NamedTuple):
    """C (+)= A B (+ bias)."""

    batch: tuple[int, ...]
    m: int
    n: int
    k: int
    a: Side
    b: Side
    c: Side
    bias: Side | None
    accumulate: bool

    def turned(self) -> Product:
        """C^T (+)= B^T A^T (+ bias^T)."""
        bias = self.bias and self.bias.turned()
        a, b, c = self.b.turned(), self.a.turned(), self.c.turned()
        return self._replace(m=self.n, n=self.m, a=a, b=b, c=c, bias=bias)

    @property
    def matrices(self) -> int:
        return math.prod(self.batch)

    @property
    def flops(self) -> float:
        return 2.0 * self.matrices * self.m * self.n * self.k

    def sides(self) -> list[Side]:
        return [self.a, self.b, self.c, *([self.bias] if self.bias else [])]

    def with_sides(self, sides: list[Side]) -> Product:
        return self._replace(
            a=sides[0], b=sides[1], c=sides[2], bias=sides[3] if self.bias else None
        )


def plan_matmul(
    room: Room, a: Placed, b: Placed, c: Placed, *, accumulate: bool = False,
    bias: Placed | None = None,
) -> list[Launch]:  # fmt: skip
    """The launches of c[batch..., M, N] (+)= a[batch..., M, K] b[batch..., K, N] (+ bias). Batches and
    bias broadcast. float32 and float64; 16-bit floats are summed in float32 and rounded once."""
    if 0 in c.shape:
        return []
    m, n = c.shape[-2:]
    k = a.shape[-1]
    batch = c.shape[:-2]
    product = Product(
        batch, m, n, k, _side(a, (*batch, m, k)), _side(b, (*batch, k, n)), _side(c, c.shape),
        _side(bias, c.shape) if bias else None, accumulate,
    )  # fmt: skip
    return [launch for part in fold(product) for launch in _plan(room, part)]


def _side(x: Placed, shape: tuple[int, ...]) -> Side:
    """x, broadcast to a shape."""
    lead = len(shape) - len(x.shape)
    strides = (0,) * lead + tuple(0 if n == 1 else s for n, s in zip(x.shape, x.strides))
    return Side(x.slot, x.dtype, x.offset, strides[:-2], *strides[-2:])


def fold(p: Product) -> list[Product]:
    """Products with exactly three batch dimensions that do the same."""
    p = _merged(p)
    while p.batch:
        turned = p.turned()
        into = _into_rows(p) or _into_rows(turned)
        if into is None:
            break
        p = into
    if len(p.batch) <= 3:
        missing = 3 - len(p.batch)
        sides = [s._replace(batch=(0,) * missing + s.batch) for s in p.sides()]
        return [p._replace(batch=(1,) * missing + p.batch).with_sides(sides)]
    parts = []
    for i in range(p.batch[0]):
        sides = [
            s._replace(batch=s.batch[1:], offset=s.offset + i * s.batch[0]) for s in p.sides()
        ]
        parts += fold(p._replace(batch=p.batch[1:]).with_sides(sides))
    return parts


def _merged(p: Product) -> Product:
    """Without batch dimensions of size one, and neighbours as one where all strides allow it."""
    batch: list[int] = []
    strides: list[list[int]] = []
    for i, n in enumerate(p.batch):
        if n == 1:
            continue
        own = [s.batch[i] for s in p.sides()]
        if batch and all(outer == n * inner for outer, inner in zip(strides[-1], own)):
            batch[-1] *= n
            strides[-1] = own
        else:
            batch.append(n)
            strides.append(own)
    sides = [s._replace(batch=tuple(x[j] for x in strides)) for j, s in enumerate(p.sides())]
    return p._replace(batch=tuple(batch)).with_sides(sides)


def _into_rows(p: Product) -> Product | None:
    """The last batch dimension as more rows, if b is the same for all of it."""
    last = p.batch[-1]
    others = [p.a, p.c, *([p.bias] if p.bias else [])]
    fits = p.m == 1 or all(s.batch[-1] == p.m * s.rows for s in others)
    if p.b.batch[-1] or not fits:
        return None
    sides = [
        s._replace(batch=s.batch[:-1], rows=s.batch[-1] if p.m == 1 and s is not p.b else s.rows)
        for s in p.sides()
    ]
    return p._replace(batch=p.batch[:-1], m=p.m * last).with_sides(sides)


def _plan(room: Room, p: Product) -> list[Launch]:
    """The launches of a folded product."""
    dtype = "float64" if p.c.dtype == "float64" else "float32"
    launches: list[Launch] = []
    a = _widened(room, p.a, (*p.batch, p.m, p.k), dtype, launches)
    b = _widened(room, p.b, (*p.batch, p.k, p.n), dtype, launches)
    p = p._replace(a=a, b=b)
    if p.bias and p.c.dtype == dtype:
        bias = _widened(room, p.bias, (*p.batch, p.m, p.n), dtype, launches)
        p = p._replace(bias=bias)
    found = _oriented(p) if p.c.dtype == dtype else None
    if found is None:
        shape = (*p.batch, p.m, p.n)
        slot = room.temporary(math.prod(shape) * (8 if dtype == "float64" else 4))
        strides = row_major(shape)
        there = Side(slot, dtype, 0, strides[:3], *strides[3:])
        inner = p._replace(c=there, accumulate=False, bias=None)
        launches += _divided(room, *(_oriented(inner) or (inner, False)))
        return [*launches, _brought(p, slot, dtype, 1)]
    return launches + _divided(room, *found)


def _widened(
    room: Room, x: Side, shape: tuple[int, ...], dtype: str, launches: list[Launch]
) -> Side:
    """x itself, or its elements in another dtype. What is broadcast stays so."""
    if x.dtype == dtype or 0 in shape:
        return x._replace(dtype=dtype)
    strides = (*x.batch, x.rows, x.columns)
    small = tuple(n if s else 1 for n, s in zip(shape, strides))
    slot = room.temporary(math.prod(small) * (8 if dtype == "float64" else 4))
    order = sorted(range(len(small)), key=lambda i: -abs(strides[i]) if small[i] > 1 else 0)
    to = [0] * len(small)
    step = 1
    for i in reversed(order):
        to[i] = step if small[i] > 1 else 0
        step *= small[i]
    source = Placed(x.slot, x.dtype, small, strides, x.offset)
    launches.append(
        plan_sum(_ordered(source, order), _ordered(Placed(slot, dtype, small, tuple(to)), order),
                 label=f"{x.dtype} to {dtype}")
    )  # fmt: skip
    return Side(slot, dtype, 0, tuple(to[:3]), *to[3:])


def _ordered(x: Placed, order: list[int]) -> Placed:
    shape, strides = (tuple(t[i] for i in order) for t in (x.shape, x.strides))
    return x._replace(shape=shape, strides=strides)


def _brought(p: Product, slot: int, dtype: str, chunks: int) -> Launch:
    """From one or more temporary products to c."""
    shape = (*p.batch, p.m, p.n)
    source = Placed(slot, dtype, shape, row_major(shape))

    def placed(s: Side) -> Placed:
        return Placed(s.slot, s.dtype, shape, (*s.batch, s.rows, s.columns), s.offset)

    return plan_sum(
        source, placed(p.c), count=chunks, apart=math.prod(shape), accumulate=p.accumulate,
        bias=placed(p.bias) if p.bias else None, label=f"sum of {chunks} products",
    )  # fmt: skip


# --- how a product is done ------------------------------------------------------------------


def _oriented(p: Product) -> tuple[Product, bool] | None:
    """The product as it is or turned, and whether by dot products. None if c's strides fit no way."""
    ways = [q for q in (p, p.turned()) if q.c.columns == 1 or q.n == 1]
    by_rows = max(ways, key=lambda q: (q.n > 1, q is p), default=None)
    dots = p.k == 1 or (p.a.columns == 1 and p.b.rows == 1)
    if dots and p.k >= 16:
        small, large = min(p.m, p.n), max(p.m, p.n)
        if by_rows is None or by_rows.m <= 24 or by_rows.n < 12 or small == 1:
            return (p if p.n == large else p.turned()), True
    return (by_rows, False) if by_rows is not None else None


def _divided(room: Room, p: Product, dots: bool) -> list[Launch]:
    """The launch, or those of chunks of K and their sum."""
    size = _size(p)
    wanted = max(1, min(_TASKS, int(p.flops / _TASK_FLOPS)))
    blocks = p.matrices * -(-p.m // (4 * _ROWS)) * -(-p.n // _PANEL)
    chunks = 1
    if _streams(p, dots):
        chunks = max(1, min(16, p.k // 64, p.k * p.n * size // _CACHED))
    elif 4 * blocks <= wanted and p.k >= 1024:
        chunks = min(16, p.k // 512, -(-wanted // blocks))
    if chunks == 1:
        return _launch(room, p, dots, wanted, p.k, 0)
    chunk = -(-p.k // (16 * chunks)) * 16
    chunks = -(-p.k // chunk)
    shape = (*p.batch, p.m, p.n)
    each = math.prod(shape)
    slot = room.temporary(chunks * each * size)
    strides = row_major(shape)
    part = p._replace(
        c=Side(slot, p.c.dtype, 0, strides[:3], *strides[3:]), accumulate=False, bias=None
    )
    return [
        *_launch(room, part, dots, wanted, chunk, each),
        _brought(p, slot, p.c.dtype, chunks),
    ]


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


def divide(p: Product, dots: bool, wanted: int, chunk: int) -> Division:
    """Blocks: tasks enough, each with its part of A in the second-level cache."""
    size = _size(p)
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


def _size(p: Product) -> int:
    return 8 if p.c.dtype == "float64" else 4


def _streams(p: Product, dots: bool) -> bool:
    """Whether B does nothing but stream by, best by whole rows."""
    big = p.k >= 64 and p.n >= 8 * _PANEL and p.k * p.n * _size(p) >= _CACHED // 8
    return not dots and p.m <= _ROWS and p.matrices == 1 and p.b.columns == 1 and big


def _packs(p: Product) -> bool:
    """Whether B is packed. It must be where its columns are not contiguous. Else it is worth it
    where rows lie far apart, or such that they collide in the cache: (512, 512, 512) gains 5 %,
    (128, 1024, 1024) 15 %; (256, 256, 256) would lose 10 %."""
    if p.n == 1:
        return False
    apart = abs(p.b.rows) * _size(p)
    collides = apart >= 4096 or (apart >= 2048 and apart % 2048 == 0)
    return p.b.columns != 1 or (p.m >= 96 and p.k >= 64 and collides)


def _packs_rows(p: Product) -> bool:
    """Whether A is packed beforehand. Worth it where its rows aren't contiguous, and it is read often
    enough: (1024, 1024, 128) gains 30 %, (256, 256, 256) nothing."""
    if p.m < 2 * _ROWS or p.n < 8 * _PANEL or p.k < 96:
        return False
    apart = abs(p.a.rows) * _size(p)
    return p.a.columns != 1 or (apart % 4096 == 0 and p.n >= 16 * _PANEL)


def _launch(
    room: Room, p: Product, dots: bool, wanted: int, chunk: int, chunk_c: int
) -> list[Launch]:
    """The launch of a product, of which each chunk of K has a C of its own; and before it maybe one
    that packs A."""
    size = _size(p)
    d = divide(p, dots, wanted, max(chunk, 1))
    row_blocks, column_blocks = -(-p.m // d.rows), -(-p.n // d.columns)
    chunks = -(-p.k // chunk) if chunk else 1
    scratch = -(-d.depth * d.step * size // 64) * 64 if d.packs else 0
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
    size = _size(p)
    depth_blocks = -(-p.k // d.depth)
    given = numbers | {"depth_blocks": depth_blocks}
    return Launch(
        pack_kernel(p.c.dtype), (a, Buf(slot), *(given[x] for x in PACK_NUMBERS)),
        p.matrices * depth_blocks * numbers["row_blocks"], 0.0,
        2.0 * size * p.matrices * p.m * p.k, max(1, 8192 // (d.rows * d.depth)),
        f"pack {p.m}x{p.k}",
    )  # fmt: skip
