"""The gradient of a convolution by its weight: two kernels, and one that adds up partial sums.

    dw[m, c, t] = sum over images n and positions p of g[n, m, p] * frame[n, c, t, p]

where the frame is the unfolded source (conv_correlate). A task has some channels c and a fixed
chunk of the blocks of positions; chunks are added in order by a launch of their own, so that the
bits don't depend on threads.

dots    few output channels: vectors run along positions; a tile is some rows of g times some rows
        of the frame, and its lanes are added up in the end.
wide    many: vectors run along m. g is transposed block by block, and conv_tile's product does
        the rest: its rows are (c, t), its k is p. The result lies transposed until the task's end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .conv_code import Lanes, Routine, invoke, module
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


class _Task:
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


# --- dots ---------------------------------------------------------------------------------------


def dots_shape(target: Target, rows: int) -> tuple[int, int]:
    """(rows of g, rows of the frame) of a tile of accumulators."""
    height = rows if target.registers >= 32 else min(rows, 4)
    best = 1
    for n in range(1, 9):
        if height * n + min(height, n) + 1 <= target.registers and height * n <= 25:
            best = n
    return height, best


DOTS = (
    ("ptr", "g"), ("i64", "gc"), ("i64", "rows"), ("ptr", "frame"), ("ptr", "at"),
    ("i64", "across"), ("ptr", "spots"), ("i64", "full"), ("i64", "partial"), ("i64", "count"),
    ("ptr", "d"), ("i64", "sdm"), ("i64", "add"),
)  # fmt: skip
"""`at`: offsets in bytes of the frame's `across` rows. g has its vectors of positions one after the
other; `spots` are their offsets in the frame; `full` whole vectors come first, then `partial` ones
of `count` lanes, beyond which g is zero."""


def emit_dots_tile(target: Target, dtype: str, rows: int) -> Routine:
    """d[m][j] (+)= sum over positions p of g[m][p] * frame[j][p]."""
    height, width = dots_shape(target, rows)
    f = Routine(target, "dots", DOTS)
    v = Lanes(f, dtype)
    g, gc, rows_, frame, at, across, spots, full, partial, count, d, sdm, add = f.given()
    heads = [f.at(g, gc * (rows_ - 1).min(m), "i8") for m in range(height)]
    lines = [f.at(frame, f.load("i64", at, (across - 1).min(j)), "i8") for j in range(width)]
    sums = [[f.var(v.zero()) for _ in range(width)] for _ in range(height)]
    def step(left: Val, right: Val, mask: Val | None) -> None:
        a = [lambda i=i: f.load(v.type, f.at(heads[i], left, "i8")) for i in range(height)]
        b = [lambda j=j: f.load(v.type, f.at(lines[j], right, "i8"), 0, mask) for j in range(width)]
        if height >= width:
            cells = [load() for load in b]
            for m in range(height):
                x = a[m]()
                for j in range(width):
                    sums[m][j].set(v.fma(x, cells[j], sums[m][j].get()))
        else:
            cells = [load() for load in a]
            for j in range(width):
                x = b[j]()
                for m in range(height):
                    sums[m][j].set(v.fma(cells[m], x, sums[m][j].get()))

    bytes_ = v.size * v.count
    with f.loop(0, full) as i:
        step(i * bytes_, f.load("i64", spots, i), None)
    mask = v.first(count)
    with f.loop(full, full + partial) as i:
        step(i * bytes_, f.load("i64", spots, i), mask)
    found = added_lanes(f, v, [s.get() for row in sums for s in row])
    room = f.var(f.const(f"<{v.count * (len(found) + 1)} x {v.element}>", 0.0))
    stack = Val(f, "ptr", room.slot)
    for i, x in enumerate(found):
        f.store(x, stack, i * v.count)
    for m in range(height):
        with f.when(rows_ > m):
            to = f.at(d, sdm * m, "i8")
            for j in range(0, width, v.count):
                keep = v.first(across - j)
                total = f.var(f.load(v.type, stack, m * width + j))
                with f.when(add.compare("ne", 0)):
                    total.set(total.get() + f.load(v.type, to, j, keep))
                f.store(total.get(), to, j, keep)
    return f


def added_lanes(f: Code, v: Lanes, vectors: list[Val]) -> list[Val]:
    """The sums of each vector's lanes, packed into vectors in order. Of two vectors, halves of
    every run of lanes are laid side by side and added, log2(lanes) times."""
    n = v.count
    out = []
    for at in range(0, len(vectors), n):
        part = vectors[at : at + n]
        part += [v.zero()] * (n - len(part))
        owner = [[i] * n for i in range(n)]  # whose partial sum each lane is
        half = n // 2
        while half:
            k, run = len(part) // 2, range(half)
            low = [j + i + way for j in range(0, n, 2 * half) for way in (0, n) for i in run]
            high = [j + half for j in low]
            pairs = list(zip(part[:k], part[k:]))
            part = [f.shuffle(a, b, low) + f.shuffle(a, b, high) for a, b in pairs]
            owner = [[(owner[i] + owner[i + k])[j] for j in low] for i in range(k)]
            half //= 2
        out.append(f.shuffle(part[0], part[0], [owner[0].index(i) for i in range(n)]))
    return out


def emit_dots(target: Target, symbol: str, shape: Shape) -> str:
    """The kernel for few output channels. Arguments: g, source, output, scratch, WORDS, shifts (as
    conv_correlate), then for each row (c, t) of a task's frame its offset in bytes."""
    t = _Task(target, symbol, shape)
    c, w = t.c, t.w
    height, width = dots_shape(target, shape.rows)
    with c.loop(c.begin, c.end) as task:
        t.begin(task)
        with c.loop(t.from_block, t.to_block) as number:
            t.block(number)
            t.unfold(0, t.count)
            across = t.count * w.taps
            spots, g = c.at(t.own, w.result, "i8"), c.at(t.own, w.left, "i8")
            full, partial, count, pitch = _gather_g(t, spots, g)
            with c.loop(0, w.rows, height) as m, c.loop(0, across, width) as j:
                invoke(
                    c, "dots", c.at(g, m * pitch, "i8"), pitch, (w.rows - m).min(height), t.own,
                    c.at(t.taps, j, "i64"), (across - j).min(width), spots, full, partial, count,
                    c.at(c.at(t.to, m * w.result_pitch, "i8"), j, t.v.element), w.result_pitch,
                    number - t.from_block,
                )  # fmt: skip
    return module(c, [emit_dots_tile(target, shape.dtype, shape.rows)])


def _gather_g(t: _Task, spots: Val, to: Val) -> tuple[Val, Val, Val, Val]:
    """Copy a block of g, vector by vector, so that loads are aligned; list where each vector's
    positions are in the frame. (whole vectors, partial ones, lanes of those, bytes of a row)"""
    c, w, v = t.c, t.w, t.v
    bytes_ = v.size * v.count
    # Without gaps between its lines, a frame has one line for each image.
    gaps = (w.line > w.width * v.size).to("i64")
    down = (t.rows - 1) * gaps + 1
    count = t.positions // down
    whole, tail = count // v.count, count % v.count
    full, partial = t.images * down * whole, t.images * down * (tail > 0).to("i64")
    pitch = ((full + partial) | 1) * bytes_
    mask = v.first(tail)
    with c.loop(0, t.images) as n, c.loop(0, down) as r:
        g = c.at(c.at(t.g_at, n * w.gn, "i8"), r * w.width, v.element)
        frame = (n * (t.rows + w.extra) + r) * w.line
        line = n * down + r

        def put(at: Val, x: Val, mask: Val | None, g: Val = g, frame: Val = frame) -> None:
            c.store(frame + x * v.size, spots, at)
            with c.loop(0, w.rows) as m:
                row = c.at(c.at(g, m * w.gc, "i8"), x, v.element)
                c.store(c.load(v.type, row, 0, mask), c.at(to, m * pitch + at * bytes_, "i8"))

        with c.loop(0, whole) as k:
            put(line * whole + k, k * v.count, None)
        with c.when(tail > 0):
            put(full + line, whole * v.count, mask)
    return full, partial, tail, pitch


# --- wide ---------------------------------------------------------------------------------------


def emit_wide(target: Target, symbol: str, shape: Shape) -> str:
    """The kernel for many output channels. Arguments: g, source, output, scratch, WORDS, shifts,
    then one tap of zeros."""
    t = _Task(target, symbol, shape)
    c, w, v = t.c, t.w, t.v
    with c.loop(c.begin, c.end) as task:
        t.begin(task)
        left, result = c.at(t.own, w.left, "i8"), c.at(t.own, w.result, "i8")
        with c.loop(t.from_block, t.to_block) as number:
            t.block(number)
            with c.loop(0, t.images) as n:
                to = c.at(left, n * t.positions * w.left_pitch, "i8")
                transpose(c, v, c.at(t.g_at, n * w.gn, "i8"), w.gc, to, w.left_pitch, w.rows, t.positions)
            with c.loop(0, t.count, w.some_at_once) as k:
                some = (t.count - k).min(w.some_at_once)
                t.unfold(k, some)
                invoke(
                    c, "product", t.own, w.pitch, some * w.taps, t.taps, 1, v.size, left,
                    w.left_pitch, t.positions * t.images, c.at(result, k * w.taps * w.result_pitch, "i8"),
                    w.result_pitch, number - t.from_block, w.rows, t.own, t.own,
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
            cells = [
                c.load(v.type, c.at(c.at(source, (i + k).min(last) * from_pitch, "i8"), j, v.element), 0, keep)
                for k in range(n)
            ]  # fmt: skip
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


Emit = Callable[[Target, str, Shape], str]
