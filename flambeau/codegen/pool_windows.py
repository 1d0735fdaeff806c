"""Windows of pooling: their geometry as argument words, and the loops over one plane's windows.

Everything is in three dimensions; two have a first one of one element. A task is some planes: the
channels of one sample, or one plane where there are few samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from .ir_text import Code, Val, Var
from .kernel import Buf
from .planning import Placed

Ints = tuple[int, ...]

FLOATS = ("float32", "float64")

_FEW_SAMPLES = 4


class Geometry(NamedTuple):
    """Of a pooling; each tuple has an entry for depth, height and width."""

    image: Ints
    size: Ints
    """Windows along each dimension."""
    kernel: Ints
    stride: Ints
    padding: Ints
    dilation: Ints
    tasks: int
    planes: int
    """Of a task."""

    @property
    def flat(self) -> bool:
        """Whether there is no depth."""
        return self.image[0] == self.kernel[0] == self.size[0] == 1 and not self.padding[0]

    @property
    def words(self) -> Ints:
        sides = (self.image, self.size, self.kernel, self.stride, self.padding, self.dilation)
        return (self.planes, *(s[i] for i in range(3) for s in sides))

    @property
    def taps(self) -> float:
        """Elements of all windows together."""
        return float(self.tasks * self.planes * math.prod(self.size) * math.prod(self.kernel))

    @property
    def grain(self) -> int:
        """Tasks that are worth a thread's while: some ten microseconds."""
        each = self.planes * math.prod(self.size) * math.prod(self.kernel)
        return max(1, (1 << 15) // max(each, 1))


def geometry(
    x: Placed | tuple[int, ...], size: Sequence[int], kernel: Sequence[int],
    stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int],
) -> Geometry:  # fmt: skip
    """`x`: the input's shape. `size`: the windows along the last dimensions."""
    shape = x.shape if isinstance(x, Placed) else x
    n = len(kernel)
    lead = shape[: len(shape) - n]
    planes = math.prod(lead)
    tasks = lead[0] if len(lead) > 1 and lead[0] >= _FEW_SAMPLES else planes

    def three(given: Sequence[int], missing: int) -> Ints:
        return (*[missing] * (3 - n), *(int(g) for g in given))

    return Geometry(
        three(shape[len(shape) - n :], 1), three(size, 1), three(kernel, 1), three(stride, 1),
        three(padding, 0), three(dilation, 1), tasks, planes // max(tasks, 1),
    )  # fmt: skip


def buffers(arrays: Sequence[Placed]) -> tuple[Buf, ...]:
    """Dense arrays as a launch's arguments."""
    return tuple(Buf(a.slot, a.offset * a.itemsize) for a in arrays)


def dense(*arrays: Placed) -> bool:
    """Whether all lie in row-major order without gaps, if they have elements."""
    return all(a.dense or 0 in a.shape for a in arrays)


def touched(arrays: Sequence[Placed]) -> float:
    """Bytes of all of them."""
    return float(sum(a.itemsize * math.prod(a.shape) for a in arrays))


class Side:
    """One dimension's words in a kernel."""

    def __init__(self, c: Code) -> None:
        self.code = c
        self.image, self.size, self.kernel, self.stride, self.padding, self.dilation = c.words(6)

    def start(self, o: Val) -> Val:
        """Where window `o` begins; negative in the padding."""
        return o * self.stride - self.padding

    def taps(self, o: Val) -> tuple[Val, Val]:
        """The range of the taps of window `o` that meet the image."""
        start, d = self.start(o), self.dilation
        first = ((self.code.int(0) - start).max(0) + d - 1) // d
        return first, (((self.image - start).max(0) + d - 1) // d).min(self.kernel)


class Bins(Side):
    """A dimension in `size` parts: part o is [floor(o * n / size), ceil((o + 1) * n / size))."""

    def start(self, o: Val) -> Val:
        return o * self.image // self.size

    def taps(self, o: Val) -> tuple[Val, Val]:
        end = ((o + 1) * self.image + self.size - 1) // self.size
        return self.code.int(0), end - self.start(o)


class Sides(NamedTuple):
    """A plane's dimensions in a kernel."""

    planes: Val
    depth: Side
    height: Side
    width: Side

    @property
    def area(self) -> Val:
        """Elements of an input's plane."""
        return self.depth.image * self.height.image * self.width.image

    @property
    def windows(self) -> Val:
        return self.depth.size * self.height.size * self.width.size

    @property
    def row(self) -> Val:
        """Elements of a plane's depth."""
        return self.height.image * self.width.image


def sides(c: Code, tiled: bool = False) -> Sides:
    """The words of `Geometry.words`. `tiled`: of adaptive pooling, where only sizes count."""
    side = Bins if tiled else Side
    return Sides(c.word(), side(c), side(c), side(c))


@contextmanager
def planes(c: Code, s: Sides) -> Iterator[Val]:
    """for each plane of tasks [begin, end)"""
    with c.loop(c.begin * s.planes, c.end * s.planes) as plane:
        yield plane


class Window(NamedTuple):
    """One window of a plane, while it is looked at."""

    number: Val
    """In its plane."""
    depth: tuple[Val, Val]
    height: tuple[Val, Val]
    width: tuple[Val, Val]
    """The ranges of the taps that meet the image."""
    at: tuple[Val, Val, Val]


@contextmanager
def each_window(c: Code, s: Sides) -> Iterator[Window]:
    """for each window of a plane"""
    with c.loop(0, s.depth.size) as oz, c.loop(0, s.height.size) as oy:
        dz, dy = s.depth.taps(oz), s.height.taps(oy)
        with c.loop(0, s.width.size) as ox:
            number = (oz * s.height.size + oy) * s.width.size + ox
            yield Window(number, dz, dy, s.width.taps(ox), (oz, oy, ox))


@contextmanager
def each_tap(c: Code, s: Sides, w: Window) -> Iterator[Val]:
    """for each element of a window that meets the image: its place in the plane"""
    oz, oy, ox = w.at
    with c.loop(*w.depth) as kz, c.loop(*w.height) as ky:
        z = s.depth.start(oz) + kz * s.depth.dilation
        y = s.height.start(oy) + ky * s.height.dilation
        base = (z * s.height.image + y) * s.width.image + s.width.start(ox)
        with c.loop(*w.width) as kx:
            yield base + kx * s.width.dilation


# --- sums ---------------------------------------------------------------------------------------


def nested(
    c: Code, e: str, ranges: list[tuple[Val, Val]], value: Callable[[list[Val]], Val],
    after: Callable[[int, Val], Val] = lambda level, total: total, backwards: bool = False,
    indices: tuple[Val, ...] = (),
) -> Val:  # fmt: skip
    """The sum over the first range of the sums over the second one, and so on, of `value`. Each
    sum goes through `after`, which gets its level too."""
    if not ranges:
        return value(list(indices))
    total: Var = c.var(c.const(e, 0))
    (first, last), *rest = ranges
    with c.loop(first, last) as i:
        k = last + first - 1 - i if backwards else i
        inner = nested(c, e, rest, value, after, backwards, (*indices, k))
        total.set(total.get() + after(len(rest), inner))
    return total.get()


def element(
    c: Code, s: Sides, e: str, x: Val, image: Val, at: list[Val], taps: list[Val]
) -> Val:
    """The element at taps (x, y, z) of the window at (z, y, x)."""
    (oz, oy, ox), (kx, ky, kz) = at, taps
    row = (s.depth.start(oz) + kz) * s.height.image + s.height.start(oy) + ky
    return c.load(e, x, image + row * s.width.image + s.width.start(ox) + kx)
