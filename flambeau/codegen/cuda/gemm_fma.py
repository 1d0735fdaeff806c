"""The inner product of two tiles by multiply-adds: each thread keeps tm x tn sums in registers.

Both tiles lie with a line for each position of the sum. For each position a thread reads tm + tn
elements from shared memory in accesses of 16 bytes and does tm * tn multiply-adds: with 8 x 8 of
float32 4 reads to 64 multiply-adds. The lanes of a warp are a grid of ly x lx, which read the same
lines, so that no two banks collide; its rows are vw = 16 bytes of elements wide:

    rows of a thread in its warp's tile: q * ly * vw + y * vw + i for q < tm / vw, i < vw
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..ir_values import Val, vector
from .gemm_code import HELD, SIZE, Code
from .gemm_load import Tile

Cell = tuple[int, int, list[Val]]


class Shape(NamedTuple):
    """How a block divides its tile of m x n by depth among threads."""

    m: int
    n: int
    depth: int
    tm: int
    tn: int
    ly: int
    lx: int

    @property
    def warps(self) -> tuple[int, int]:
        return self.m // (self.ly * self.tm), self.n // (self.lx * self.tn)

    @property
    def threads(self) -> int:
        return 32 * self.warps[0] * self.warps[1]


def tiles(shape: Shape, dtype: str) -> tuple[Tile, Tile]:
    """Of A and B, in `dtype` ("float32", "float64")."""
    pad = 16 // SIZE[dtype]
    return (
        Tile(shape.m, shape.depth, "k", shape.m + pad, dtype),
        Tile(shape.n, shape.depth, "k", shape.n + pad, dtype),
    )


class Core:
    """Writes the inner product; `row` and `column` are a thread's first within the block's tile."""

    def __init__(self, code: Code, shape: Shape, dtype: str) -> None:
        self.code, self.shape, self.dtype = code, shape, dtype
        self.a, self.b = tiles(shape, dtype)
        self.element, self.size = HELD[dtype], SIZE[dtype]
        self.vm, self.vn = (min(16 // self.size, t) for t in (shape.tm, shape.tn))
        thread = code.thread_id()
        lane, warp = thread % 32, thread // 32
        across = shape.warps[1]
        y, x = lane // shape.lx, lane % shape.lx
        self.row = (warp // across) * (shape.ly * shape.tm) + y * self.vm
        self.column = (warp % across) * (shape.lx * shape.tn) + x * self.vn
        self.at_a, self.at_b = self.row * self.size, self.column * self.size + self.a.nbytes

    def zero(self) -> list[Val]:
        return [self.code.const(self.element, 0)] * (self.shape.tm * self.shape.tn)

    def step(self, sums: list[Val], slot: Val) -> list[Val]:
        """The sums and the products of the tiles that begin at `slot`."""
        s, c = self.shape, self.code
        sums = list(sums)
        at_a, at_b = slot + self.at_a, slot + self.at_b
        for k in range(s.depth):
            a = self._line(at_a, k * self.a.pitch, s.tm, self.vm, s.ly)
            b = self._line(at_b, k * self.b.pitch, s.tn, self.vn, s.lx)
            for i, x in enumerate(a):
                for j, y in enumerate(b):
                    n = i * s.tn + j
                    sums[n] = c.call(f"llvm.fma.f{8 * self.size}", self.element, x, y, sums[n])
        return sums

    def _line(self, at: Val, skip: int, count: int, wide: int, lanes: int) -> list[Val]:
        c, out = self.code, []
        for q in range(count // wide):
            p = c.shared_at(at + (skip + q * lanes * wide) * self.size)
            whole = c.load(vector(self.element, wide), p, align=wide * self.size)
            out += [c.lane(whole, i) for i in range(wide)]
        return out

    def cells(self, sums: list[Val]) -> Iterator[Cell]:
        """Neighbouring sums of a row: rows and columns beyond the thread's first, and the sums."""
        s = self.shape
        for i in range(s.tm):
            row = i // self.vm * s.ly * self.vm + i % self.vm
            for q in range(s.tn // self.vn):
                first = i * s.tn + q * self.vn
                yield row, q * s.lx * self.vn, sums[first : first + self.vn]
