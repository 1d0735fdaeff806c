"""Counting through the dimensions of a copy."""

from __future__ import annotations

from typing import NamedTuple

from .ir_text import Code, Val
from .kernel import Buf

Words = tuple[int | Buf, ...]

INTEGER = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
"""What an element of so many bytes is copied as."""


class Dim(NamedTuple):
    size: int
    source: int
    """Stride in elements, as the next."""
    to: int


class Odometer:
    """Counts through dimensions, the last one fastest, and keeps what each step adds up to."""

    def __init__(self, c: Code, sizes: list[Val], steps: list[list[Val]], start: Val) -> None:
        """`steps`: for each sum, a step for each dimension. `start`: the first number."""
        self.c, self.sizes, self.steps = c, sizes, steps
        counts: list[Val] = []
        for size in reversed(sizes):
            counts.insert(0, start % size)
            start = start // size
        self.counts = [c.var(k) for k in counts]
        self.sums = []
        for s in steps:
            total = c.int(0)
            for k, step in zip(counts, s, strict=True):
                total = total + k * step
            self.sums.append(c.var(total))

    def get(self) -> list[Val]:
        return [s.get() for s in self.sums]

    def advance(self, dim: int | None = None) -> None:
        """One further along the last dimension, with carry."""
        k = len(self.sizes) - 1 if dim is None else dim
        if k < 0:
            return
        c, size = self.c, self.sizes[k]
        count = self.counts[k].get() + 1
        self.counts[k].set(count)
        for s, step in zip(self.sums, self.steps, strict=True):
            s.set(s.get() + step[k])
        with c.when(count >= size):
            self.counts[k].set(c.int(0))
            for s, step in zip(self.sums, self.steps, strict=True):
                s.set(s.get() - size * step[k])
            self.advance(k - 1)
