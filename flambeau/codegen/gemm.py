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

from .gemm_divide import chunks_of, launches_of, oriented
from .gemm_product import Product, Side, fold, side
from .gemm_sum import plan_sum
from .kernel import Launch
from .planning import Placed, Room, row_major


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
        batch, m, n, k, side(a, (*batch, m, k)), side(b, (*batch, k, n)), side(c, c.shape),
        side(bias, c.shape) if bias else None, accumulate,
    )  # fmt: skip
    return [launch for part in fold(product) for launch in _plan(room, part)]


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
    found = oriented(p) if p.c.dtype == dtype else None
    if found is None:
        shape = (*p.batch, p.m, p.n)
        slot = room.temporary(math.prod(shape) * (8 if dtype == "float64" else 4))
        strides = row_major(shape)
        there = Side(slot, dtype, 0, strides[:3], *strides[3:])
        inner = p._replace(c=there, accumulate=False, bias=None)
        launches += _divided(room, *(oriented(inner) or (inner, False)))
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


def _divided(room: Room, p: Product, dots: bool) -> list[Launch]:
    """The launch, or those of chunks of K and their sum."""
    chunks = chunks_of(p, dots)
    if chunks == 1:
        return launches_of(room, p, dots, p.k, 0)
    chunk = -(-p.k // (16 * chunks)) * 16
    chunks = -(-p.k // chunk)
    shape = (*p.batch, p.m, p.n)
    each = math.prod(shape)
    slot = room.temporary(chunks * each * p.size)
    strides = row_major(shape)
    part = p._replace(
        c=Side(slot, p.c.dtype, 0, strides[:3], *strides[3:]), accumulate=False, bias=None
    )
    return [
        *launches_of(room, part, dots, chunk, each), _brought(p, slot, p.c.dtype, chunks)
    ]  # fmt: skip
