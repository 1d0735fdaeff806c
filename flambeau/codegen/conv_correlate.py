"""Correlation by taps: the kernel of a convolution's forward and of its gradient by the data.

    y[n, m, r, x] = bias[m] + sum over c and taps t of
        a[m, c, t] * source[n, c, r * row step + row_t, x * step + column_t]

A task is a block of rows of one image, or several small images. For some channels at a time it

1. unfolds what the block needs into thread-local memory: for each channel and each "shift" u, rows
   of the image that are cut to the output's width, with zeros where they lie outside. In a flat
   unfolding each tap has a shift of its own (a matrix, "im2col"); in a sliding one only each column
   offset has, and taps of other rows are found some rows further in the same frame; and with
   `lines` the frame is the image with its padding, in which taps are found by their offsets alone;
2. multiplies (conv_tile), adding to what earlier channels gave;
3. copies the result out, if it could not be computed in place.

The order of additions depends on the plan's numbers only, never on threads.
"""

from __future__ import annotations

from typing import NamedTuple

from .conv_code import Lanes, invoke, module
from .conv_tile import SPOT, emit_product
from .conv_unfold import SHIFT, Words, unfold
from .ir_text import Code, Val
from .kernel import Target


class Shape(NamedTuple):
    """A kernel's structure: its key."""

    dtype: str
    rows: int
    """Height of the tile, 1 to 8."""
    step: int
    """Between the source's columns: 1, 2, or 0 for any."""
    biased: bool
    plain: bool
    """The source itself is the matrix: nothing is unfolded."""
    spread: int
    """Steps between the output's columns: 0 if all its elements lie side by side, 1 if columns do,
    2, or 3 for any. Each phase of the output then has taps of its own."""
    deep: bool
    """In three dimensions."""
    lines: bool
    """Vectors begin anew with each line of the output."""
    ready: bool = False
    """The source has been unfolded before, block by block (`emit_unfolding`)."""


WORDS = (
    "images channels rows groups "  # of the source; of it and of the output, for each group
    "task_images task_rows image_blocks row_blocks some "  # some: channels at a time
    "part parts "  # output channels of a task, in how many parts
    "xn xc xz xy row_step_z row_step_y step depth height "  # source: strides in bytes, bounds
    "sam sac sag "  # a: strides of rows, channels, groups
    "yn yc yz yy "  # output: strides in bytes
    "spread_z spread_y spread_x full_z full_y full_x "  # steps of the output, its size
    "wrap lines width extra "  # rows a depth, rows in all, columns; more rows in the frame
    "span line "  # the frame's columns, bytes from line to line
    "shifts phases taps pitch result_pitch result phase_pitch spots "  # in bytes, of scratch
    "block_pitch "  # of what has been unfolded before, in bytes
    "scratch_bytes"
).split()


def emit(target: Target, symbol: str, shape: Shape) -> str:
    """The kernel. Arguments: source, a, output, [bias], scratch, WORDS; for each shift the words of
    `conv_unfold.Shift`; for each phase its first tap and how many it has; for each tap its offsets
    in a and in the frame, in bytes; with `lines`, for each line of the output the first tap that it
    needs and the one after the last."""
    c = Code(target, symbol)
    source, a, y = c.buffer(), c.buffer(), c.buffer()
    bias = c.buffer() if shape.biased else a
    scratch = c.slot()
    w = Words(c, WORDS)
    shifts = c.at(Val(c, "ptr", "%args"), c._words, "i64")
    phases = c.at(shifts, w.shifts * SHIFT, "i64")
    taps = c.at(phases, w.phases * 2, "i64")
    v = Lanes(c, shape.dtype)
    base = c.value("ptr", f"inttoptr {scratch} to ptr")
    own = c.at(base, c.thread * w.scratch_bytes, "i8")
    results = c.at(own, w.result, "i8")
    spots = c.at(own, w.spots, "i8") if shape.lines else own
    parts = (w.width + (v.count - 1)) // v.count
    line_taps = c.at(taps, w.taps * 2, "i64")
    with c.loop(c.begin, c.end) as task:
        r, rest = task % w.row_blocks * w.task_rows, task // w.row_blocks
        n, rest = rest % w.image_blocks * w.task_images, rest // w.image_blocks
        m, group = rest % w.parts * w.part, rest // w.parts
        images = (w.images - n).min(w.task_images)
        rows = (w.lines - r).min(w.task_rows)
        height = (w.rows - m).min(w.part)
        first_row = group * w.rows + m
        inside = c.at(source, n * w.xn + group * w.channels * w.xc, "i8")
        outside = c.at(y, n * w.yn + first_row * w.yc, "i8")
        left = c.at(a, group * w.sag + m * w.sam, "i8")
        start = c.at(bias, first_row, v.element) if shape.biased else bias
        if shape.lines:
            _list_spots(c, v, w, spots, parts, rows, c.at(line_taps, r * 2, "i64"))
        place, pitch = c.var(results), c.var(w.result_pitch)
        if not shape.spread:
            with c.when(w.task_images <= 1):
                place.set(c.at(outside, r * w.width, v.element))
                pitch.set(w.yc)
        columns = rows * parts if shape.lines else images * rows * w.width
        with c.loop(0, w.channels, w.some) as k:
            some = (w.channels - k).min(w.some)
            first = c.at(inside, k * w.xc, "i8")
            if shape.plain:
                matrix, below = c.at(first, r * w.width, v.element), w.xc
            elif shape.ready:
                block = (group * w.image_blocks + n // w.task_images) * w.row_blocks
                block = block + r // w.task_rows
                below = w.shifts * w.pitch
                matrix = c.at(source, block * w.block_pitch + k * below, "i8")
            else:
                unfold(c, v, w, shape, (first, own, shifts), some, images, r, rows)
                matrix, below = own, w.shifts * w.pitch
            with c.loop(0, w.phases) as phase:
                at, count = (c.load("i64", phases, phase * 2 + i) for i in range(2))
                invoke(
                    c, "product", c.at(left, k * w.sac, "i8"), w.sam, height,
                    c.at(taps, at * 2, "i64"), count, w.sac, matrix, below, some,
                    c.at(place.get(), phase * w.phase_pitch, "i8"), pitch.get(), k, columns, start,
                    spots,
                )  # fmt: skip
        if shape.spread:
            _spread(c, v, w, shape.spread, results, outside, images, height, r, rows)
        else:
            with c.when(w.task_images > 1):
                _copy_out(c, v, w, results, outside, images, height, rows)
    tiles = emit_product(target, shape.dtype, shape.rows, shape.biased, shape.lines)
    return module(c, tiles)


def emit_unfolding(target: Target, symbol: str, shape: Shape) -> str:
    """What `emit` does with the source, for all blocks at once: a task is one channel of a block.
    Arguments: source, what is unfolded, WORDS, the words of shifts."""
    c = Code(target, symbol)
    source, to = c.buffer(), c.buffer()
    w = Words(c, WORDS)
    shifts = c.at(Val(c, "ptr", "%args"), c._words, "i64")
    v = Lanes(c, shape.dtype)
    with c.loop(c.begin, c.end) as task:
        k, block = task % w.channels, task // w.channels
        r, rest = block % w.row_blocks * w.task_rows, block // w.row_blocks
        n, group = rest % w.image_blocks * w.task_images, rest // w.image_blocks
        image = c.at(source, n * w.xn + (group * w.channels + k) * w.xc, "i8")
        frame = c.at(to, block * w.block_pitch + k * w.shifts * w.pitch, "i8")
        images, rows = (w.images - n).min(w.task_images), (w.lines - r).min(w.task_rows)
        unfold(c, v, w, shape, (image, frame, shifts), c.int(1), images, r, rows)
    return c.text()


def _list_spots(
    c: Code, v: Lanes, w: Words, spots: Val, parts: Val, rows: Val, line_taps: Val
) -> None:
    """For each vector of each line: its place in the frame and in the output, its columns, and the
    taps that meet the source in this line."""
    with c.loop(0, rows) as r, c.loop(0, parts) as k:
        x = k * v.count
        words = (
            r * w.line + x * v.size, (r * w.width + x) * v.size, w.width - x,
            c.load("i64", line_taps, r * 2), c.load("i64", line_taps, r * 2 + 1),
        )  # fmt: skip
        for i, word in enumerate(words):
            c.store(word, spots, (r * parts + k) * SPOT + i)


def _copy_out(
    c: Code, v: Lanes, w: Words, result: Val, y: Val, images: Val, height: Val, rows: Val
) -> None:
    """Results that lie image after image in each channel's line, to the images."""
    count = rows * w.width
    with c.loop(0, images) as n, c.loop(0, height) as m:
        source = c.at(result, m * w.result_pitch + n * count * v.size, "i8")
        to = c.at(y, n * w.yn + m * w.yc, "i8")
        with c.loop(0, count, v.count) as x:
            mask = v.first(count - x)
            c.store(c.load(v.type, source, x, mask), to, x, mask)


def _spread(
    c: Code, v: Lanes, w: Words, spread: int, result: Val, y: Val, images: Val, height: Val,
    r: Val, rows: Val,
) -> None:  # fmt: skip
    """The phases' results, each line after line, to where they belong."""
    with c.loop(0, images) as n, c.loop(0, height) as m, c.loop(0, rows) as i:
        z, row = (r + i) // w.wrap, (r + i) % w.wrap
        line = (n * rows + i) * w.width * v.size
        to = c.at(y, n * w.yn + m * w.yc, "i8")
        with c.loop(0, w.spread_z) as pz, c.loop(0, w.spread_y) as py:
            z_at, y_at = z * w.spread_z + pz, row * w.spread_y + py
            phase = (pz * w.spread_y + py) * w.spread_x
            source = c.at(result, phase * w.phase_pitch + m * w.result_pitch + line, "i8")
            with c.when((z_at < w.full_z) & (y_at < w.full_y)):
                _spread_line(c, v, w, spread, source, c.at(to, z_at * w.yz + y_at * w.yy, "i8"))


def _spread_line(c: Code, v: Lanes, w: Words, spread: int, source: Val, to: Val) -> None:
    """A line of the output from one of each of its phases."""
    n = v.count
    with c.loop(0, w.width, n) as x:
        at = c.at(source, x, v.element)
        if spread == 3:
            with c.loop(0, w.spread_x) as px:
                mask = v.first((w.full_x - px + (w.spread_x - 1)) // w.spread_x - x)
                cell = c.load(v.type, c.at(at, px * w.phase_pitch, "i8"), 0, mask)
                v.scatter(cell, c.at(to, x * w.spread_x + px, v.element), w.spread_x, mask)
        else:
            mask = v.first(w.width - x)
            cells = [
                c.load(v.type, c.at(at, w.phase_pitch * k, "i8"), 0, mask) for k in range(spread)
            ]
            if spread == 2:
                order = [lane for i in range(n) for lane in (i, i + n)]
                cells = [c.shuffle(cells[0], cells[1], half) for half in (order[:n], order[n:])]
            for k, cell in enumerate(cells):
                place = x * spread + k * n
                c.store(cell, to, place, v.first(w.full_x - place))
