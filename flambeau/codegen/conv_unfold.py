"""Unfolding: what a task needs of the source, copied so that its lines are as long as the output's.

For each channel and shift a frame has one line for each row of the output, cut from the source's
row that the shift's offset leads to, with zeros where it lies outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from .conv_code import Lanes
from .ir_text import Code, Val, Var


class Words:
    """A kernel's run-time numbers by name."""

    def __init__(self, c: Code, names: list[str]) -> None:
        self._named = {name: c.word() for name in names}

    def __getattr__(self, name: str) -> Val:
        return self._named[name]


class Unfolds(Protocol):
    """What `unfold` knows of a kernel's structure."""

    @property
    def step(self) -> int: ...
    @property
    def deep(self) -> bool: ...


def unfold(
    c: Code, v: Lanes, w: Words, shape: Unfolds, at: tuple[Val, Val, Val], channels: Val,
    images: Val, r: Val, rows: Val,
) -> None:  # fmt: skip
    """for each channel, shift, image, row of the frame: one line of `span` elements."""
    source, frame, shifts = at
    end = r + rows + w.extra
    with c.loop(0, channels) as k, c.loop(0, w.shifts) as u:
        shift = Shift(*(c.load("i64", shifts, u * SHIFT + i) for i in range(SHIFT)))
        start = c.at(source, k * w.xc + shift.x * v.size, "i8")
        to = c.at(frame, (k * w.shifts + u) * w.pitch, "i8")

        def fill(
            offsets: list[Val], shift: Shift = shift, start: Val = start, to: Val = to
        ) -> None:
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


class Shift(NamedTuple):
    """What one shift's words say: offsets in the source, and what lies within it."""

    z: Val
    y: Val
    x: Val
    low: Val
    high: Val
    """Columns within the source: low <= x * step < high."""
    top: Val
    bottom: Val
    """Rows within the source: top <= r < bottom."""


SHIFT = len(Shift._fields)


def _slices(
    c: Code, v: Lanes, w: Words, parts: list[_Part], place: Var, shift: Shift, image: Val,
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
    c: Code, v: Lanes, w: Words, parts: list[_Part], place: Var, shift: Shift, image: Val,
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
    """A vector at x of a line, how it is loaded: [x * step] where low <= x * step < high, or 0."""

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
