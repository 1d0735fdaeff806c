"""Vectors of windows along a row, and of what their taps meet."""

from __future__ import annotations

from collections.abc import Sequence

from .ir_text import ELEMENT, Code, Val, vector
from .pool_windows import Geometry, Sides
from .special_weave import regrouped

_WIDEST = 8
"""Taps along a row that are written out."""

_FARTHEST = 4
"""Steps from a window to the next, of which as many vectors are loaded and taken apart."""


def short_steps(g: Geometry) -> bool:
    """Whether vectors of windows can be loaded."""
    near = g.stride[2] <= _FARTHEST and g.kernel[2] <= _WIDEST and set(g.dilation) == {1}
    return g.flat and near and g.image[1] * g.image[2] < 1 << 30


class Lanes:
    """Vectors of elements or windows of one dtype."""

    def __init__(self, c: Code, dtype: str) -> None:
        self.code = c
        self.element = ELEMENT[dtype]
        self.integer = "i32" if dtype == "float32" else "i64"
        self.count = c.target.vector_bytes // (4 if dtype == "float32" else 8)
        self.type = vector(self.element, self.count)
        self.whole = vector(self.integer, self.count)
        self.lowest = c.const(self.type, -float("inf"))
        self.none = c.const(vector("i1", self.count), 0)
        self.steps = c.lanes(self.integer, range(self.count))

    def spread(self, number: Val) -> Val:
        return self.code.splat(number.to(self.integer), self.count)

    def inside(self, first: Val, size: Val) -> Val:
        """The mask of positions first, first + 1, ... that are in [0, size)."""
        return (self.spread(first) + self.steps).compare("ult", self.spread(size))

    def parted(self, vectors: Sequence[Val]) -> list[Val]:
        """Each how-manieth element of consecutive ones, beginning with the first, the second..."""
        many, n = len(vectors), self.count
        return regrouped(self.code, vectors, [f % n * many + f // n for f in range(many * n)])

    def woven(self, vectors: Sequence[Val]) -> list[Val]:
        """The reverse: a0 b0 c0 a1 b1 c1 ..."""
        many, n = len(vectors), self.count
        return regrouped(self.code, vectors, [f % many * n + f // many for f in range(many * n)])


class Taps:
    """The taps of a vector of windows that begins with window `ox` of a row."""

    def __init__(
        self, v: Lanes, s: Sides, ox: Val, kernel: int, step: int,
        beside: float = -float("inf"),
    ) -> None:  # fmt: skip
        self.lanes, self.kernel, self.step = v, kernel, step
        self.beside = v.code.const(v.type, beside)
        self.first = ox * step - s.width.padding
        parts = -(-kernel // step) * step
        jumps = [k // step * step + k % step * v.count for k in range(parts)]
        self.places = [self.first + j for j in jumps]
        self.masks = [v.inside(p, s.width.image) for p in self.places]

    def load(self, x: Val, row: Val) -> list[Val]:
        """A vector for each tap; `beside` where it is outside of the row that begins at element
        `row`."""
        v, c = self.lanes, self.lanes.code
        found = [
            c.load(v.type, x, row + at, mask, self.beside)
            for at, mask in zip(self.places, self.masks, strict=True)
        ]
        groups = (found[k : k + self.step] for k in range(0, len(found), self.step))
        return [tap for group in groups for tap in v.parted(group)][: self.kernel]
