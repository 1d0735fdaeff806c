"""What the kernels of specials share: `ir.Code` with indices of one type, and how work is laid out.

Counts and indices are i32 in kernels whose arrays are small enough (`narrow`), else i64: a GPU's
registers have 32 bits. The words of a launch are the same for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..ir_values import Val, parts
from ..kernel import Buf, Target
from ..planning import Placed, row_major
from . import ir
from .ir import Divisor, divisor_words
from .kernel import GpuKernel, GpuLaunch, Room

Words = tuple[int | Buf, ...]

NARROW = (1 << 31) - (1 << 20)
"""Below it i32 counts, with some room for what a kernel adds before it compares."""

THREADS = 256
"""Of a block, where nothing else says how many."""
EACH = 4
"""Units that a thread has under way."""


def narrow(*arrays: Placed) -> bool:
    """Whether i32 can count every element, and every byte on the way to it."""
    for a in arrays:
        reach = sum((n - 1) * abs(s) for n, s in zip(a.shape, a.strides, strict=True) if n)
        if (max(reach, math.prod(a.shape)) + 1) * a.itemsize >= NARROW:
            return False
    return True


def buffer(x: Placed) -> Buf:
    """Where an array begins, as a launch's argument."""
    return Buf(x.slot, x.offset * x.itemsize)


def touched(*arrays: Placed) -> float:
    """Bytes of all of them."""
    return float(sum(a.itemsize * math.prod(a.shape) for a in arrays))


def dense(*arrays: Placed) -> bool:
    """Whether all lie in row-major order without gaps, if they have elements."""
    return all(a.dense or 0 in a.shape for a in arrays)


def temporary(room: Room, dtype: str, *shape: int) -> Placed:
    """An array for the launches that are being planned; not initialised."""
    x = Placed(0, dtype, shape, row_major(shape))
    return x._replace(slot=room.temporary(max(1, math.prod(shape) * x.itemsize)))


def aligned(room: Room, x: Placed) -> int:
    """Bytes that the first element's address is a multiple of, as far as is known, up to 16. Slots
    that a run-time number has moved are aligned to their element alone."""
    known = getattr(room, "aligned", None)
    if known is not None and not known(x.slot):
        return x.itemsize
    return math.gcd(16, x.offset * x.itemsize)


def lanes(size: int, alignments: Iterable[int], counts: Iterable[int]) -> int:
    """Elements of `size` bytes that one access may move, where addresses are aligned so (bytes) and
    all these extents and strides (elements) are multiples of it."""
    most = math.gcd(16, *alignments) // size
    return max(1, math.gcd(most, *counts))


def wide(size: int, n: int) -> str:
    """What n elements of `size` bytes are moved as."""
    return {1: "i8", 2: "i16", 4: "i32", 8: "<2 x i32>", 16: "<4 x i32>"}[size * n]


def blocks_of(total: int, each: int = EACH * THREADS) -> int:
    """Blocks for so many units, `each` a block; one at least."""
    return max(1, -(-total // each))


def launch(
    kernel: GpuKernel, args: Sequence[int | Buf], grid: int | tuple[int, int, int],
    threads: int | tuple[int, int, int] = THREADS, moved: float = 0.0, label: str = "",
    flops: float = 0.0, shared: int = 0,
) -> GpuLaunch:  # fmt: skip
    """A launch; a grid or a block that is a number has one dimension."""
    blocks = (grid, 1, 1) if isinstance(grid, int) else grid
    block = (threads, 1, 1) if isinstance(threads, int) else threads
    return GpuLaunch(kernel, tuple(args), blocks, block, shared, flops, moved, label or kernel.name)


class Code(ir.Code):
    """One kernel in the making. `small`: its indices are i32."""

    def __init__(self, target: Target, symbol: str, small: bool = True, threads: int = THREADS) -> None:
        super().__init__(target, symbol, threads)
        self.index = "i32" if small else "i64"

    def whole(self) -> Val:
        """The next argument word as an index."""
        return self.word(self.index)

    def wholes(self, count: int) -> list[Val]:
        return self.words(count, self.index)

    def over(self) -> Divisor:
        """The next two argument words (of `divisor_words`) as a number that divides indices."""
        return self.divisor(self.index)

    @property
    def table(self) -> Val:
        """The run's table."""
        return Val(self, ir.GLOBAL, "%table")

    def words_ahead(self, count: int) -> Val:
        """Where the next `count` argument words are: for those that are chosen by a number."""
        name = f"%ahead{self._words}"
        self._entry.append(f"  {name} = getelementptr i64, ptr %args, i64 {self._words}")
        self._words += count
        return Val(self, "ptr", name)

    def number(self, value: int) -> Val:
        """An index that is known while writing."""
        return self.const(self.index, value)

    def spread(self, v: Val) -> Val:
        """An i32 that is not negative as an index."""
        return v if self.index == "i32" else self.wider(v)

    def thread_of(self, axis: str = "x") -> Val:
        """The thread's number in its block, as an index."""
        return self.spread(self.thread_id(axis))

    def block_of(self, axis: str = "x") -> Val:
        """The block's number, as an index."""
        return self.spread(self.block_id(axis))

    def place(self) -> Val:
        """The thread's number in the grid."""
        return self.block_of() * self.threads + self.thread_of()

    def fetch(self, type: str, pointer: Val, index: Val | int = 0, invariant: bool = False) -> Val:
        """The unit of this type at `index` (counted in units), in one access."""
        e, n = parts(type)
        size = n * ir.size_of(e)
        return self.load(type, self.at(pointer, index, type), invariant=invariant, align=size)

    def put(self, value: Val, pointer: Val, index: Val | int = 0) -> None:
        """The same, storing."""
        e, n = parts(value.type)
        self.store(value, self.at(pointer, index, value.type), align=n * ir.size_of(e))

    def end_unless(self, condition: Val) -> None:
        """Only threads for which it holds go on. No barrier may follow."""
        with self.when(~condition):
            self.leave()


def units(
    c: Code, total: Val, load: Callable[[Val], Any], store: Callable[[Val, Any], None], each: int = EACH
) -> None:  # fmt: skip
    """The block's units of `total`, `each` of them a thread, a block's width apart: first all are
    loaded, then stored. Beyond the end the last one is loaded again."""
    first = c.block_of() * (each * c.threads) + c.thread_of()
    places = [first + k * c.threads for k in range(each)]
    found = [load(p.min(total - 1)) for p in places]
    for p, v in zip(places, found, strict=True):
        with c.when(p < total):
            store(p, v)


def stepped(dims: list[tuple[Divisor, Val, Val]], i: Val) -> tuple[Val, Val]:
    """Two sums of steps for unit i of dimensions (size, step, other step), the last one fastest."""
    a = b = i.code.const(i.type, 0)
    for k, (size, step, other) in reversed(list(enumerate(dims))):
        i, at = size.split(i) if k else (i, i)
        a, b = a + at * step, b + at * other
    return a, b


__all__ = [
    "EACH", "NARROW", "THREADS", "Buf", "Code", "Divisor", "GpuKernel", "GpuLaunch", "Placed", "Room", "Target",
    "Val", "Words", "aligned", "blocks_of", "buffer", "dense", "divisor_words", "lanes", "launch", "narrow",
    "row_major", "stepped", "temporary", "touched", "units", "wide",
]  # fmt: skip
