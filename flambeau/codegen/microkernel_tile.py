"""One tile of registers: its shape, and its function.

    for k: load the vectors of B; for each row: broadcast A's element, multiply and add
    C (+)= the sums
"""

from __future__ import annotations

from typing import NamedTuple

from .kernel import Target
from .llvm_text import Function, vector_attributes
from .microkernel import SIZES, Vectors, tile


class Shape(NamedTuple):
    """A tile of registers: rows by vectors of `lanes` columns each."""

    height: int
    vectors: int
    lanes: int
    sure: int
    """Vectors that are certainly whole. The others are masked: it does fewer columns, too."""

    @property
    def masked(self) -> bool:
        return self.sure < self.vectors

    @property
    def name(self) -> str:
        """Its part of the function's name."""
        return f"{self.height}x{self.vectors}x{self.lanes}{'m' * self.masked}"

    @property
    def columns(self) -> int:
        return self.vectors * self.lanes


GROUP = 3
"""Rows that share a pointer: one, two strides on are addressing modes."""

TILE = (
    "ptr a, i64 sam, i64 sak, ptr b, i64 sbk, i64 sbp, ptr c, i64 scm, i64 k, i64 add, i64 n, "
    "ptr next, i64 snext"
)
"""A tile function's parameters: strides in bytes, k > 0, n columns; `next` is what to prefetch."""


def emit_tile(target: Target, dtype: str, name: str, shape: Shape) -> str:
    """The function of a tile."""
    f = Function(name, TILE, vector_attributes(target) + " noinline")
    v = Vectors(f, shape.lanes, dtype)
    step = shape.lanes * SIZES[dtype]
    masks: list[str | None] = [None] * shape.sure
    masks += [v.mask(f.sub("%n", i * shape.lanes)) for i in range(shape.sure, shape.vectors)]
    per_panel = tile(target, dtype)[1] // shape.lanes
    # Opaque, or the optimiser makes one chain of additions through all the rows.
    twice = f.opaque("i64", f.mul("%sam", 2))
    heads = [
        f.opaque("ptr", f.gep("%a", f.mul("%sam", m))) for m in range(0, shape.height, GROUP)
    ]
    panels = [f.gep("%b", f.mul("%sbp", p)) for p in range(-(-shape.vectors // per_panel))]
    zero = "zeroinitializer" if shape.lanes > 1 else "0.0"
    sums = [(v.type, zero)] * (shape.height * shape.vectors)
    pointers = [("ptr", p) for p in ("%next", *heads, *panels)]
    with f.loop("%k", carry=[*pointers, *sums], sure=True) as loop:
        ahead, *values = loop.values
        if shape.height > 1 and shape.vectors > 1:  # others have no loads to spare
            prefetch(f, ahead, 2)
            ahead = f.gep(ahead, "%snext")
        heads, values = values[: len(heads)], values[len(heads) :]
        panels, out = values[: len(panels)], values[len(panels) :]
        right = [
            v.load(f.gep(panels[i // per_panel], i % per_panel * step), masks[i])
            for i in range(shape.vectors)
        ]
        for m in range(shape.height):
            at = f.gep(heads[m // GROUP], (0, "%sam", twice)[m % GROUP])
            left = v.broadcast(at)
            for i in range(shape.vectors):
                j = m * shape.vectors + i
                out[j] = v.fma(left, right[i], out[j])
        heads = [f.gep(p, "%sak") for p in heads]
        loop.next = [ahead, *heads, *(f.gep(p, "%sbk") for p in panels), *out]
    # C is read at the end, all of it before the first store: rows that lie 4 KiB apart would have
    # to wait for each other.
    with f.when(f.compare("ne", "%add", 0)) as branch:
        there = [
            v.load(at, masks[j % shape.vectors]) for j, at in enumerate(_places(f, shape, step))
        ]
        added = [v.add(x, y) for x, y in zip(out, there)]
    out = f.merge(branch, v.type, added, out)
    for j, at in enumerate(_places(f, shape, step)):
        v.store(out[j], at, masks[j % shape.vectors])
    return f.finish()


def prefetch(f: Function, at: str, level: int) -> None:
    """Bring a line to the first-level cache (3) or the second (2)."""
    f.do(f"call void @llvm.prefetch.p0(ptr {at}, i32 0, i32 {level}, i32 1)")


def _places(f: Function, shape: Shape, step: int) -> list[str]:
    """Where in C the vectors of a tile are."""
    out, row = [], f.opaque("ptr", "%c")  # opaque: not to be kept in registers from use to use
    for m in range(shape.height):
        row = f.gep(row, "%scm") if m else row
        out += [f.gep(row, i * step) for i in range(shape.vectors)]
    return out
