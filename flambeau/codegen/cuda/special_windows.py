"""Windows of pooling on a GPU: their geometry as argument words, and loops over taps.

Everything is in three dimensions, as on the CPU; `flat` kernels leave the first one out. A thread
has one window, or one element of the input. Small windows without dilation are written out, so that
all of their elements are under way at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..pool_windows import Geometry, geometry
from .special_code import Code, Divisor, Val, Words, divisor_words

__all__ = ["Geometry", "Shape", "Side", "Sides", "geometry", "nested", "shape_of", "sides", "words"]

WRITTEN_OUT = 16
"""Taps of a window that is written out, at most."""

Range = tuple[Val | int, Val | int]


class Shape(NamedTuple):
    """What of a geometry is in a kernel's key."""

    flat: bool
    kernel: tuple[int, int, int] | None
    """None: a run-time number."""
    small: bool


def shape_of(g: Geometry, small: bool, tiled: bool = False) -> Shape:
    fits = math.prod(g.kernel) <= WRITTEN_OUT and not tiled
    return Shape(g.flat, g.kernel if fits else None, small)  # type: ignore[arg-type]


def words(g: Geometry) -> Words:
    out: Words = ()
    for k in range(3):
        out = (
            *out, *divisor_words(g.image[k]), *divisor_words(g.size[k]), *divisor_words(g.stride[k]),
            g.kernel[k], g.padding[k], g.dilation[k],
        )  # fmt: skip
    return out


class Side:
    """One dimension's words in a kernel."""

    def __init__(self, c: Code, written: int | None) -> None:
        self.code = c
        self.over_image, self.over_size, self.over_stride = c.over(), c.over(), c.over()
        self.image, self.size, self.stride = (d.size for d in (self.over_image, self.over_size, self.over_stride))
        self.kernel, self.padding, self.dilation = c.wholes(3)
        self.taps: int | Val = self.kernel if written is None else written

    def start(self, o: Val) -> Val:
        """Where window `o` begins; negative in the padding."""
        return o * self.stride - self.padding

    def inside(self, i: Val) -> Val:
        return i.compare("ult", self.image)

    def windows(self, i: Val) -> tuple[Val, Val]:
        """The range of windows that reach over element i."""
        place = i + self.padding
        behind = place - (self.kernel - 1) * self.dilation
        first = self.over_stride.split((behind + self.stride - 1).max(0))[0]
        return first, (self.over_stride.split(place)[0] + 1).min(self.size)


class Bins(Side):
    """A dimension in `size` parts: part o is [floor(o * n / size), ceil((o + 1) * n / size))."""

    def start(self, o: Val) -> Val:
        return self.over_size.split(o * self.image)[0]

    def count(self, o: Val) -> Val:
        end = self.over_size.split((o + 1) * self.image + self.size - 1)[0]
        return end - self.start(o)

    def windows(self, i: Val) -> tuple[Val, Val]:
        first = self.over_image.split(i * self.size)[0]
        return first, self.over_image.split((i + 1) * self.size + self.image - 1)[0]


class Sides(NamedTuple):
    """A plane's dimensions in a kernel."""

    depth: Side
    height: Side
    width: Side
    flat: bool

    @property
    def all(self) -> tuple[Side, Side, Side]:
        return self.depth, self.height, self.width

    @property
    def area(self) -> Val:
        """Elements of an input's plane."""
        return self.depth.image * self.height.image * self.width.image

    @property
    def windows(self) -> Val:
        return self.depth.size * self.height.size * self.width.size

    def place(self, z: Val, y: Val, x: Val) -> Val:
        """An element's number in its plane."""
        row = y if self.flat else z * self.height.image + y
        return row * self.width.image + x

    def number(self, z: Val, y: Val, x: Val) -> Val:
        """A window's number in its plane."""
        row = y if self.flat else z * self.height.size + y
        return row * self.width.size + x

    def split(self, i: Val, elements: bool) -> tuple[Val, tuple[Val, Val, Val]]:
        """(plane, place in it) of element or window i of all."""

        def by(side: Side, i: Val) -> tuple[Val, Val]:
            over: Divisor = side.over_image if elements else side.over_size
            return over.split(i)

        rest, x = by(self.width, i)
        rest, y = by(self.height, rest)
        if self.flat:
            return rest, (i.code.const(i.type, 0), y, x)
        rest, z = by(self.depth, rest)
        return rest, (z, y, x)


def sides(c: Code, s: Shape, tiled: bool = False) -> Sides:
    """The words of `words`. `tiled`: of adaptive pooling, where only sizes count."""
    side = Bins if tiled else Side
    d, h, w = (side(c, s.kernel[k] if s.kernel else None) for k in range(3))
    return Sides(d, h, w, s.flat)


def nested(c: Code, ranges: Sequence[Range], body: Callable[[list[Val]], None], at: tuple[Val, ...] = ()) -> None:
    """body(indices) over ranges, the last one fastest. Ranges of Python's numbers are written out."""
    if not ranges:
        body(list(at))
        return
    (first, last), *rest = ranges
    if isinstance(first, int) and isinstance(last, int):
        for k in range(first, last):
            nested(c, rest, body, (*at, c.number(k)))
        return
    begin = first if isinstance(first, Val) else c.number(first)
    with c.loop(begin, last) as i:
        nested(c, rest, body, (*at, i))


