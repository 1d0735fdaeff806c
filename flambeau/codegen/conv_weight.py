"""The gradient of a convolution by its weight, and the sum of partial ones.

    dw[m, c, t] = sum over images n and positions p of g[n, m, p] * frame[n, c, t, p]

where the frame is the unfolded source. A task has some channels c and a fixed chunk of the blocks
of positions; chunks are added in order by a launch of their own, so that the bits don't depend on
threads. There are two kernels:

conv_dots    few output channels: vectors run along positions.
here         many: vectors run along m. g is transposed block by block, and conv_tile's product does
             the rest: its rows are (c, t), its k is p. The result lies transposed until the end.
"""

from __future__ import annotations

from typing import NamedTuple

from .conv_code import Lanes, invoke, module
from .conv_tile import emit_product
from .conv_unfold import SHIFT, Words, unfold
from .ir_text import Code, Val
from .kernel import Target
from .special_copy import transposed


class Shape(NamedTuple):
    """A kernel's structure: its key."""

    dtype: str
    rows: int
    """Height of the tile."""
    step: int
    """Between the source's columns: 1, 2, or 0 for any."""
    deep: bool
    """In three dimensions."""


WORDS = (
    "images channels rows groups "  # of the source; of it and of g, for each group
    "task_images task_rows image_blocks row_blocks "
    "some parts chunk chunks "  # channels of a task, tasks of channels; blocks of positions a task
    "xn xc xz xy row_step_z row_step_y step depth height "  # source: strides in bytes, bounds
    "gn gc "  # g: strides in bytes
    "chunk_pitch dw_group "  # output: bytes from chunk to chunk, from group to group
    "wrap lines width extra "  # rows a depth, rows in all, columns; more rows in the frame
    "span line "  # the frame's columns, bytes from line to line
    "shifts taps pitch some_at_once "  # channels to unfold at a time
    "left result left_pitch result_pitch "  # in scratch: g; the result, or spots
    "scratch_bytes"
).split()


class Walk:
    """What the two kernels share: arguments, and the walk over blocks of positions."""

    def __init__(self, target: Target, symbol: str, shape: Shape) -> None:
        c = self.c = Code(target, symbol)
        self.shape = shape
        self.g, self.source, self.dw = c.buffer(), c.buffer(), c.buffer()
        scratch = c.slot()
        w = self.w = Words(c, WORDS)
        self.shifts = c.at(Val(c, "ptr", "%args"), c._words, "i64")
        self.taps = c.at(self.shifts, w.shifts * SHIFT, "i64")
        self.v = Lanes(c, shape.dtype)
        base = c.value("ptr", f"inttoptr {scratch} to ptr")
        self.own = c.at(base, c.thread * w.scratch_bytes, "i8")

    def begin(self, task: Val) -> None:
        """Take a task's number apart: channels, chunk, group."""
        c, w = self.c, self.w
        part = task % w.parts
        rest = task // w.parts
        chunk, self.group = rest % w.chunks, rest // w.chunks
        self.first = part * w.some
        self.count = (w.channels - self.first).min(w.some)
        self.from_block = chunk * w.chunk
        self.to_block = (self.from_block + w.chunk).min(w.image_blocks * w.row_blocks)
        to = c.at(self.dw, chunk * w.chunk_pitch + self.group * w.dw_group, "i8")
        self.to = c.at(to, self.first * w.taps, self.v.element)

    def block(self, number: Val) -> None:
        """Take a block's number apart: images, rows; where they begin in g and the source."""
        c, w = self.c, self.w
        n = number // w.row_blocks * w.task_images
        self.r = number % w.row_blocks * w.task_rows
        self.images = (w.images - n).min(w.task_images)
        self.rows = (w.lines - self.r).min(w.task_rows)
        self.positions = self.rows * w.width
        g = c.at(self.g, n * w.gn + self.group * w.rows * w.gc, "i8")
        self.g_at = c.at(g, self.r * w.width, self.v.element)
        first = self.group * w.channels + self.first
        self.x_at = c.at(self.source, n * w.xn + first * w.xc, "i8")

    def unfold(self, from_channel: Val | int, channels: Val) -> None:
        c, w = self.c, self.w
        source = c.at(self.x_at, from_channel * w.xc if isinstance(from_channel, Val) else 0, "i8")
        at = (source, self.own, self.shifts)
        unfold(c, self.v, w, self.shape, at, channels, self.images, self.r, self.rows)


def emit_wide(target: Target, symbol: str, shape: Shape) -> str:
    """The kernel for many output channels. Arguments: g, source, output, scratch, WORDS, shifts,
    then one tap of zeros."""
    t = Walk(target, symbol, shape)
    c, w, v = t.c, t.w, t.v
    with c.loop(c.begin, c.end) as task:
        t.begin(task)
        left, result = c.at(t.own, w.left, "i8"), c.at(t.own, w.result, "i8")
        with c.loop(t.from_block, t.to_block) as number:
            t.block(number)
            with c.loop(0, t.images) as n:
                to = c.at(left, n * t.positions * w.left_pitch, "i8")
                g = c.at(t.g_at, n * w.gn, "i8")
                transpose(c, v, g, w.gc, to, w.left_pitch, w.rows, t.positions)
            with c.loop(0, t.count, w.some_at_once) as k:
                some = (t.count - k).min(w.some_at_once)
                t.unfold(k, some)
                invoke(
                    c, "product", t.own, w.pitch, some * w.taps, t.taps, 1, v.size, left,
                    w.left_pitch, t.positions * t.images,
                    c.at(result, k * w.taps * w.result_pitch, "i8"), w.result_pitch,
                    number - t.from_block, w.rows, t.own, t.own,
                )  # fmt: skip
        pitch = w.channels * w.taps * v.size
        transpose(c, v, result, w.result_pitch, t.to, pitch, t.count * w.taps, w.rows)
    return module(c, emit_product(target, shape.dtype, shape.rows, False))


def transpose(
    c: Code, v: Lanes, source: Val, from_pitch: Val, to: Val, to_pitch: Val, rows: Val, columns: Val
) -> None:
    """to[j][i] = source[i][j] in squares, for i < rows and j < columns. Pitches in bytes."""
    n = v.count
    last = rows - 1
    with c.loop(0, rows, n) as i, c.loop(0, columns, n) as j:
        keep, fill = v.first(columns - j), v.first(rows - i)

        def whole(i: Val = i, j: Val = j) -> None:
            at = c.at(c.at(source, i * from_pitch, "i8"), j, v.element)
            cells = [c.load(v.type, c.at(at, from_pitch * k, "i8")) for k in range(n)]
            to_at = c.at(c.at(to, j * to_pitch, "i8"), i, v.element)
            for k, x in enumerate(transposed(c, cells)):
                c.store(x, c.at(to_at, to_pitch * k, "i8"))

        def partly(i: Val = i, j: Val = j, keep: Val = keep, fill: Val = fill) -> None:
            rows_at = [c.at(source, (i + k).min(last) * from_pitch, "i8") for k in range(n)]
            cells = [c.load(v.type, at, j, keep) for at in rows_at]
            for k, x in enumerate(transposed(c, cells)):
                with c.when(columns - j > k):
                    c.store(x, c.at(c.at(to, (j + k) * to_pitch, "i8"), i, v.element), 0, fill)

        c.choose((i + n <= rows) & (j + n <= columns), whole, partly)


# --- sums ---------------------------------------------------------------------------------------

SUM_BLOCK = 4096
"""Elements of a task of `emit_sum`."""


def emit_sum(target: Target, symbol: str, dtype: str) -> str:
    """y[i] = parts[0][i] + parts[1][i] + ... in order. Arguments: parts, y, elements, how many
    parts there are, bytes from one to the next."""
    c = Code(target, symbol)
    parts, y = c.buffer(), c.buffer()
    size, count, pitch = c.words(3)
    v = Lanes(c, dtype)
    with c.loop(c.begin, c.end) as task:
        first = task * SUM_BLOCK
        stop = (first + SUM_BLOCK).min(size)

        def add(i: Val, mask: Val | None) -> None:
            total = c.var(c.load(v.type, parts, i, mask))
            with c.loop(1, count) as k:
                at = c.at(parts, k * pitch, "i8")
                total.set(total.get() + c.load(v.type, at, i, mask))
            c.store(total.get(), y, i, mask)

        whole = first + (stop - first) // v.count * v.count
        with c.loop(first, whole, v.count) as i:
            add(i, None)
        with c.when(whole < stop):
            add(whole, v.first(stop - whole))
    return c.text()
