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

from collections.abc import Callable
from typing import NamedTuple, Protocol

from .conv_code import Lanes, module
from .conv_tile import SPOT, emit_product
from .ir_text import Code, Val, Var
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
    strided: bool
    """The output's elements don't lie side by side."""
    deep: bool
    """In three dimensions."""
    lines: bool
    """Vectors begin anew with each line of the output."""


class Unfolds(Protocol):
    """What `unfold` knows of a kernel's structure."""

    @property
    def step(self) -> int: ...
    @property
    def deep(self) -> bool: ...


WORDS = (
    "images channels rows groups "  # of the source; of it and of the output, for each group
    "task_images task_rows image_blocks row_blocks some "  # some: channels at a time
    "xn xc xz xy row_step_z row_step_y step depth height "  # source: strides in bytes, bounds
    "sam sac sag "  # a: strides of rows, channels, groups
    "yn yc yz yy yx "  # output: strides in bytes
    "wrap lines width extra "  # rows a depth, rows in all, columns; more rows in the frame
    "span line "  # the frame's columns, bytes from line to line
    "shifts taps pitch result_pitch result spots "  # pitches and places in scratch, in bytes
    "scratch_bytes"
).split()


class Words:
    """A kernel's run-time numbers by name."""

    def __init__(self, c: Code, names: list[str]) -> None:
        self._named = {name: c.word() for name in names}

    def __getattr__(self, name: str) -> Val:
        return self._named[name]


def emit(target: Target, symbol: str, shape: Shape) -> str:
    """The kernel. Arguments: source, a, output, [bias], scratch, WORDS, then for each shift the
    words of `_Shift`, then for each tap (offset in a, in the
    frame), in bytes."""
    c = Code(target, symbol)
    source, a, y = c.buffer(), c.buffer(), c.buffer()
    bias = c.buffer() if shape.biased else a
    scratch = c.slot()
    w = Words(c, WORDS)
    shifts = c.at(Val(c, "ptr", "%args"), c._words, "i64")
    taps = c.at(shifts, w.shifts * SHIFT, "i64")
    v = Lanes(c, shape.dtype)
    base = c.value("ptr", f"inttoptr {scratch} to ptr")
    own = c.at(base, c.thread * w.scratch_bytes, "i8")
    spots = c.at(own, w.spots, "i8") if shape.lines else own
    parts = (w.width + (v.count - 1)) // v.count
    if shape.lines:
        _list_spots(c, v, w, spots, parts)
    with c.loop(c.begin, c.end) as task:
        block = task % w.row_blocks
        rest = task // w.row_blocks
        n = rest % w.image_blocks * w.task_images
        group = rest // w.image_blocks
        images = (w.images - n).min(w.task_images)
        r = block * w.task_rows
        rows = (w.lines - r).min(w.task_rows)
        inside = c.at(source, n * w.xn + group * w.channels * w.xc, "i8")
        outside = c.at(y, n * w.yn + group * w.rows * w.yc, "i8")
        left = c.at(a, group * w.sag, "i8")
        start = c.at(bias, group * w.rows, v.element) if shape.biased else bias
        place = c.var(c.at(own, w.result, "i8"))
        pitch = c.var(w.result_pitch)
        if not shape.strided:
            with c.when(w.task_images <= 1):
                place.set(c.at(outside, r * w.width, v.element))
                pitch.set(w.yc)
        columns = images * rows * w.width
        with c.loop(0, w.channels, w.some) as k:
            some = (w.channels - k).min(w.some)
            first = c.at(inside, k * w.xc, "i8")
            if shape.plain:
                matrix, below = c.at(first, r * w.width, v.element), w.xc
            else:
                unfold(c, v, w, shape, (first, own, shifts), some, images, r, rows)
                matrix, below = own, w.shifts * w.pitch
            args = (
                c.at(left, k * w.sac, "i8"), w.sam, w.rows, taps, w.taps, w.sac, matrix, below,
                some, place.get(), pitch.get(), k, rows * parts if shape.lines else columns, start,
                spots,
            )  # fmt: skip
            c.line(f"call void @product({', '.join(map(repr, args))})")
        if shape.strided:
            _scatter(c, v, w, c.at(own, w.result, "i8"), outside, images, r, rows)
        else:
            with c.when(w.task_images > 1):
                _copy_out(c, v, w, c.at(own, w.result, "i8"), outside, images, rows)
    tiles = emit_product(target, shape.dtype, shape.rows, shape.biased, shape.lines)
    return module(c, tiles)


def _list_spots(c: Code, v: Lanes, w: Words, spots: Val, parts: Val) -> None:
    """For each vector of each line: its place in the frame, in the output, and its columns."""
    with c.loop(0, w.task_rows) as r, c.loop(0, parts) as k:
        at = (r * parts + k) * SPOT
        x = k * v.count
        c.store(r * w.line + x * v.size, spots, at)
        c.store((r * w.width + x) * v.size, spots, at + 1)
        c.store(w.width - x, spots, at + 2)


def unfold(
    c: Code, v: Lanes, w: Words, shape: Unfolds, at: tuple[Val, Val, Val], channels: Val,
    images: Val, r: Val, rows: Val,
) -> None:  # fmt: skip
    """for each channel, shift, image, row of the frame: one line of `span` elements."""
    source, frame, shifts = at
    end = r + rows + w.extra
    with c.loop(0, channels) as k, c.loop(0, w.shifts) as u:
        shift = _Shift(*(c.load("i64", shifts, u * SHIFT + i) for i in range(SHIFT)))
        start = c.at(source, k * w.xc + shift.x * v.size, "i8")
        to = c.at(frame, (k * w.shifts + u) * w.pitch, "i8")

        def fill(offsets: list[Val], shift: _Shift = shift, start: Val = start, to: Val = to) -> None:
            parts = [_Part(c, v, w, shape, x, shift.low, shift.high) for x in offsets]
            place = c.var(to)
            with c.loop(0, images) as n:
                image = c.at(start, n * w.xn, "i8")
                if shape.deep:
                    _slices(c, v, w, parts, place, shift, image, r, end)
                else:
                    _rows(c, v, w, parts, place, shift, image, r, end)

        def by_parts(fill: Callable[[list[Val]], None] = fill) -> None:
            # A vector at a line's end writes into the next line: those come first.
            whole = (w.span - 1) // v.count * v.count
            with c.loop(0, w.span, v.count) as back:
                fill([whole - back])

        n = v.count
        c.choose(
            w.span <= n,
            lambda fill=fill: fill([c.int(0)]),  # type: ignore[misc]
            lambda fill=fill, rest=by_parts: c.choose(  # type: ignore[misc]
                w.span <= 2 * n, lambda: fill([c.int(0), c.int(n)]), rest
            ),
        )


class _Shift(NamedTuple):
    """What one shift's words say."""

    z: Val
    y: Val
    x: Val
    low: Val
    high: Val
    """Columns within the source: low <= x * step < high."""
    top: Val
    bottom: Val
    """Rows within the source: top <= r < bottom."""


SHIFT = len(_Shift._fields)


def _slices(
    c: Code, v: Lanes, w: Words, parts: list[_Part], place: Var, shift: _Shift, image: Val,
    r: Val, end: Val,
) -> None:  # fmt: skip
    """Rows r to end, counted through all depth slices of `wrap` rows."""
    row = c.var(r)
    with c.loop_while(lambda: row.get() < end):
        z = row.get() // w.wrap
        first = z * w.wrap
        stop = (end - first).min(w.wrap)
        iz = z * w.row_step_z + shift.z
        slice = c.at(image, iz * w.xz, "i8")
        c.choose(
            (iz >= 0) & (iz < w.depth),
            lambda: _rows(c, v, w, parts, place, shift, slice, row.get() - first, stop),
            lambda: _zeros(c, v, w, parts, place, stop - (row.get() - first)),
        )
        row.set(first + stop)


def _rows(
    c: Code, v: Lanes, w: Words, parts: list[_Part], place: Var, shift: _Shift, image: Val,
    r: Val, end: Val,
) -> None:  # fmt: skip
    """Rows r to end of one slice: zeros above and below the source."""
    a = shift.top.max(r).min(end)
    b = shift.bottom.max(a).min(end)
    _zeros(c, v, w, parts, place, a - r)
    line = c.var(c.at(image, (a * w.row_step_y + shift.y) * w.xy, "i8"))
    with c.loop(a, b):
        for p in reversed(parts):
            c.store(p.load(line.get()), place.get(), p.x)
        line.set(c.at(line.get(), w.row_step_y * w.xy, "i8"))
        place.set(c.at(place.get(), w.line, "i8"))
    _zeros(c, v, w, parts, place, end - b)


def _zeros(
    c: Code, v: Lanes, w: Words, parts: list[_Part], place: Var, count: Val
) -> None:
    with c.loop(0, count):
        for p in parts:
            c.store(v.zero(), place.get(), p.x)
        place.set(c.at(place.get(), w.line, "i8"))


class _Part:
    """A vector at x of a line, and how it is loaded: [x * step] where low <= x * step < high, else 0."""

    def __init__(
        self, c: Code, v: Lanes, w: Words, shape: Unfolds, x: Val, low: Val, high: Val
    ) -> None:
        self.c, self.v, self.step, self.x = c, v, shape.step, x
        stride = w.step if shape.step == 0 else c.int(shape.step)
        self.offset, self.stride = x * stride, stride
        low, high = low - self.offset, high - self.offset
        if shape.step == 1:
            self.masks = [v.inside(low, high)]
            self.full = (low <= 0) & (high >= v.count)
        elif shape.step == 2 and c.target.masks:
            self.masks = [v.inside(low - n, high - n) for n in (0, v.count)]
        else:
            low, high = ((b + (stride - 1)).max(0) // stride for b in (low, high))
            self.masks = [v.inside(low, high)]

    def load(self, row: Val) -> Val:
        c, v = self.c, self.v
        p = c.at(row, self.offset, v.element)
        if self.step == 1:
            if c.target.masks:
                return c.load(v.type, p, 0, self.masks[0])
            out = c.var(v.zero())
            c.choose(
                self.full,
                lambda: out.set(c.load(v.type, p)),
                lambda: out.set(c.load(v.type, p, 0, self.masks[0])),
            )
            return out.get()
        if self.step == 2 and c.target.masks:
            one, two = (c.load(v.type, p, i * v.count, m) for i, m in enumerate(self.masks))
            return c.shuffle(one, two, range(0, 2 * v.count, 2))
        return v.gather(p, self.stride, self.masks[0])


def _copy_out(
    c: Code, v: Lanes, w: Words, result: Val, y: Val, images: Val, rows: Val
) -> None:
    """Results that lie image after image in each channel's line, to the images."""
    count = rows * w.width
    with c.loop(0, images) as n, c.loop(0, w.rows) as m:
        source = c.at(result, m * w.result_pitch + n * count * v.size, "i8")
        to = c.at(y, n * w.yn + m * w.yc, "i8")
        with c.loop(0, count, v.count) as x:
            mask = v.first(count - x)
            c.store(c.load(v.type, source, x, mask), to, x, mask)


def _scatter(
    c: Code, v: Lanes, w: Words, result: Val, y: Val, images: Val, r: Val, rows: Val
) -> None:
    """The same for outputs that are spread by strides."""
    size = v.size
    with c.loop(0, images) as n, c.loop(0, w.rows) as m:
        source = c.var(c.at(result, m * w.result_pitch + n * rows * w.width * size, "i8"))
        to = c.at(y, n * w.yn + m * w.yc, "i8")
        depth, row = c.var(r // w.wrap), c.var(r % w.wrap)
        with c.loop(0, rows):
            line = c.at(to, depth.get() * w.yz + row.get() * w.yy, "i8")
            with c.loop(0, w.width, v.count) as x:
                mask = v.first(w.width - x)
                value = c.load(v.type, source.get(), x, mask)
                v.scatter(value, c.at(line, x * w.yx, "i8"), w.yx // size, mask)
            source.set(c.at(source.get(), w.width * size, "i8"))
            row.set(row.get() + 1)
            with c.when(row.get() >= w.wrap):
                row.set(c.int(0))
                depth.set(depth.get() + 1)
