"""How an index of a product becomes a place in memory.

Both factors of C = A B are read at a row or column (the axis "mn") and at a position of the sum (the
axis "k"). Along an axis an index is written in digits of mixed radix, outermost first, each of which
moves the place by a stride. A matrix has one digit a side. A convolution reads its data without
unfolding them: its columns are (image, row, column of the output), its sum goes over (channel, row,
column of the kernel), and the digits of both move the same coordinates of the image:

    row of the image = start + stride * (row of the output) + dilation * (row of the kernel)

Where a coordinate is outside of its bounds, the element is 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..ir_values import Val
from .gemm_code import SIZE, Code
from .ir import divisor_words


class Digit(NamedTuple):
    """One digit of an index."""

    size: int
    stride: int
    """In elements."""
    on: int = -1
    """The coordinate that it moves; -1: none."""
    step: int = 0
    """By how much."""


Axis = tuple[Digit, ...]


class Bound(NamedTuple):
    """A coordinate counts from `start`, and must be within [0, limit)."""

    start: int
    limit: int


def axis(*digits: Digit) -> Axis:
    """Digits without those of size one, and neighbours as one where that is the same."""
    out: list[Digit] = []
    for d in digits:
        if d.size == 1:
            continue
        if out and out[-1].stride == d.size * d.stride and out[-1].on == d.on and (
            out[-1].step == d.size * d.step
        ):  # fmt: skip
            out[-1] = d._replace(size=d.size * out[-1].size)
        else:
            out.append(d)
    return tuple(out) or (Digit(1, 0),)


def key_of(of: Axis) -> tuple[int, ...]:
    """What code depends on: which coordinate each digit moves."""
    return tuple(d.on for d in of)


def words_of(of: Axis) -> list[int]:
    """The argument words of an axis."""
    out: list[int] = []
    for i, d in enumerate(of):
        out.append(d.stride)
        if d.on >= 0:
            out.append(d.step)
        if i:
            out += divisor_words(d.size)
    return out


def reach(of: Axis) -> int:
    """The furthest element of an axis, in elements."""
    return sum((d.size - 1) * abs(d.stride) for d in of)


def size(of: Axis) -> int:
    return math.prod(d.size for d in of)


def evenness(of: Axis, inner: bool) -> int:
    """A number that divides all moves; of the contiguous axis (`inner`) the moves between runs of its
    last digit, and the run itself. 0: anything."""
    moves = [d.stride for d in of[:-1]] if inner else [d.stride for d in of]
    if inner:
        last = of[-1]
        if last.on >= 0 or (last.stride != 1 and last.size > 1):
            return 1
        moves.append(last.size)
    return math.gcd(*moves) if moves else 0


def vector(dtype: str, even: int, most: int = 16) -> int:
    """Elements of an access, where all of memory's moves are multiples of `even`."""
    v = most // SIZE[dtype]
    while v > 1 and even % v:
        v //= 2
    return v


class Place(NamedTuple):
    """What one axis adds to an address."""

    offset: Val
    """In elements."""
    coordinates: dict[int, Val]

    def __add__(self, other: Place) -> Place:  # type: ignore[override]
        mixed = dict(self.coordinates)
        for on, x in other.coordinates.items():
            mixed[on] = mixed[on] + x if on in mixed else x
        return Place(self.offset + other.offset, mixed)


class Reader:
    """An axis in a kernel: its words are the next of the arguments'. Offsets are i32, or i64."""

    def __init__(self, code: Code, key: tuple[int, ...], wide: bool) -> None:
        self.code, self.key, self.type = code, key, "i64" if wide else "i32"
        self.strides, self.steps, self.divisors = [], [], []
        for i, on in enumerate(key):
            self.strides.append(code.word(self.type))
            self.steps.append(code.word("i32") if on >= 0 else None)
            self.divisors.append(code.divisor() if i else None)

    def at(self, index: Val) -> Place:
        """Where an i32 index, not negative, is."""
        offset: Val | None = None
        coordinates: dict[int, Val] = {}
        for stride, step, divisor, on in reversed(
            list(zip(self.strides, self.steps, self.divisors, self.key, strict=True))
        ):
            if divisor is None:
                digit = index
            else:
                index, digit = divisor.split(index)
            moved = digit.to(self.type) * stride
            offset = moved if offset is None else offset + moved
            if step is not None:
                by = digit * step
                coordinates[on] = coordinates[on] + by if on in coordinates else by
        assert offset is not None
        return Place(offset, coordinates)
