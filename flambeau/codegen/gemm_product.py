"""A matrix product as the planner sees it, and folding its batch away."""

from __future__ import annotations

import math
from typing import NamedTuple

from .planning import Placed


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

    @property
    def size(self) -> int:
        """Bytes of an element that is summed."""
        return 8 if self.c.dtype == "float64" else 4

    def sides(self) -> list[Side]:
        return [self.a, self.b, self.c, *([self.bias] if self.bias else [])]

    def with_sides(self, sides: list[Side]) -> Product:
        return self._replace(
            a=sides[0], b=sides[1], c=sides[2], bias=sides[3] if self.bias else None
        )


def side(x: Placed, shape: tuple[int, ...]) -> Side:
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
