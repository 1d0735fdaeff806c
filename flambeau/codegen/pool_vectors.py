"""Max pooling in vectors of windows along a row: no dilation, up to four steps a window.

The gradient is gathered, so that each of its elements is written once. A window's winner is the
number of its tap, ky * kernel_width + kx; winners of the few rows of windows that meet a row of the
image are kept in a ring in scratch memory, with their gradients beside them, -1 on either side.
For windows of 2x2 that tile the image nothing needs to be kept.
"""

from __future__ import annotations

from functools import partial

from .ir_text import ELEMENT, Code, Val, masks_well
from .kernel import Buf, Kernel, Target
from .planning import Placed, Room
from .pool_lanes import Lanes, Taps, short_steps
from .pool_windows import Geometry, Sides, planes, sides

_MARGIN = 16
"""Elements beside a row of winners: as many as a vector has, or windows meet an element."""

Planned = tuple[Kernel, tuple[int | Buf, ...]]


def plan(
    what: str, room: Room, x: Placed, g: Geometry, buffers: tuple[Buf, ...]
) -> Planned | None:
    """A kernel and its arguments; None for other windows and dtypes."""
    kernel, step = g.kernel[2], g.stride[2]
    if x.dtype not in ("float32", "float64") or not short_steps(g):
        return None
    if what in ("max_pool_places", "max_pool_gather"):
        return None
    tiles = g.kernel[1:] == g.stride[1:] == (2, 2) and g.padding[1:] == (0, 0)
    args: tuple[int | Buf, ...] = (*buffers, *g.words)
    if tiles:
        emit_tiles = partial(_emit_tiles, what=what, dtype=x.dtype)
        return Kernel(f"{what}_2x2", ("max pool tiles", what, x.dtype), emit_tiles), args
    key = ("max pool rows", what, x.dtype, kernel, step)
    emit = partial(_emit_rows, what=what, dtype=x.dtype, kernel=kernel, step=step)
    if "backward" in what:
        args += _ring(room, x, g)
    return Kernel(f"{what}_{kernel}s{step}", key, emit), args


def _ring(room: Room, x: Placed, g: Geometry) -> tuple[int, ...]:
    """Scratch's slot and bytes, the rows' number (a power of two) and length."""
    rows = 1
    while rows < -(-g.kernel[1] // g.stride[1]):
        rows *= 2
    reach = max(g.size[2], (g.image[2] + g.padding[2]) // g.stride[2] + 1)
    length = 3 * _MARGIN + -(-reach // _MARGIN) * _MARGIN + g.padding[2]
    nbytes = -(-2 * rows * length * x.itemsize // 64) * 64
    return room.scratch(nbytes), nbytes, rows, length


def _slow(target: Target, symbol: str, what: str, dtype: str) -> str:
    """Where masks are dear: the same arguments, element by element."""
    from .special_max_pool import emit

    return emit(target, symbol, what, dtype)


def _beats(v: Val, m: Val) -> Val:
    return v.compare("ogt", m) | v.compare("uno", v)


# --- windows of 2x2 that tile -------------------------------------------------------------------


def _emit_tiles(target: Target, symbol: str, what: str, dtype: str) -> str:
    """for each pair of rows, for each vector of windows: two vectors of each row"""
    if not masks_well(target, ELEMENT[dtype]):
        return _slow(target, symbol, what, dtype)
    c = Code(target, symbol)
    v = Lanes(c, dtype)
    x = c.buffer()
    rectified = c.buffer() if what == "relu_max_pool" else None
    y = c.buffer()
    g = c.buffer() if "backward" in what else None
    s = sides(c)
    height, width, n = s.height.image, s.width.image, v.count
    with planes(c, s) as plane:
        image = plane * s.area
        with c.loop(0, (height + 1) // 2) as oy:
            second = oy * 2 + 1 < height
            above = image + oy * 2 * width
            below = image + (oy * 2 + 1).min(height - 1) * width
            has_row = oy < s.height.size
            windows = plane * s.windows + oy.min(s.height.size - 1) * s.width.size
            with c.loop(0, (width + 1) // 2, n) as ox:
                ends = [v.inside(ox * 2, width), v.inside(ox * 2 + n, width)]
                masks = [*ends, *(c.select(second, m, v.none) for m in ends)]
                rows = [above + ox * 2, above + ox * 2 + n, below + ox * 2, below + ox * 2 + n]
                found = [
                    c.load(v.type, x, at, m, v.lowest) for at, m in zip(rows, masks, strict=True)
                ]
                known = c.select(has_row, v.inside(ox, s.width.size), v.none)
                if rectified is not None:
                    found = [c.select(f.compare("ugt", 0), f, 0) for f in found]
                    for f, at, m in zip(found, rows, masks, strict=True):
                        c.store(f, rectified, at, m)
                taps = [*v.parted(found[:2]), *v.parted(found[2:])]
                best, wins = _tournament(c, taps)
                if g is None:
                    c.store(best, y, windows + ox, known)
                else:
                    given = c.load(v.type, g, windows + ox, known)
                    if what == "max_pool_backward_relu":
                        given = c.select(best.compare("ugt", 0), given, 0)
                    parts = _shares(c, given, wins)
                    made = [*v.woven(parts[:2]), *v.woven(parts[2:])]
                    for f, at, m in zip(made, rows, masks, strict=True):
                        c.store(f, y, at, m)
    return c.text()


def _tournament(c: Code, taps: list[Val]) -> tuple[Val, list[Val]]:
    """The largest, and for each tap but the first whether it beat those before it."""
    best, wins = taps[0], []
    for tap in taps[1:]:
        wins.append(_beats(tap, best))
        best = c.select(wins[-1], tap, best)
    return best, wins


def _shares(c: Code, given: Val, wins: list[Val]) -> list[Val]:
    """What each tap gets: the last that won gets all."""
    out: list[Val] = []
    for w in reversed(wins):
        out.insert(0, c.select(w, given, 0))
        given = c.select(w, c.const(given.type, 0), given)
    return [given, *out]


# --- rows ---------------------------------------------------------------------------------------


def _emit_rows(target: Target, symbol: str, what: str, dtype: str, kernel: int, step: int) -> str:
    if not masks_well(target, ELEMENT[dtype]):
        return _slow(target, symbol, what, dtype)
    c = Code(target, symbol)
    v = Lanes(c, dtype)
    x = c.buffer()
    rectified = c.buffer() if what == "relu_max_pool" else None
    y = c.buffer()
    g = c.buffer() if "backward" in what else None
    s = sides(c)
    if g is not None:
        _Backward(v, s, x, y, g, what, kernel, step).emit()
        return c.text()
    with planes(c, s) as plane:
        source, image = x, plane * s.area
        if rectified is not None:
            from .special_max_pool import relu

            relu(c, c.at(x, image, v.element), c.at(rectified, image, v.element), s.area, v.element)
            source = rectified
        with c.loop(0, s.height.size) as oy:
            first, last = s.height.taps(oy)
            top = image + s.height.start(oy) * s.width.image
            out = plane * s.windows + oy * s.width.size
            with c.loop(0, s.width.size, v.count) as ox:
                taps = Taps(v, s, ox, kernel, step)
                best = _largest(c, taps, source, top, first, last, s.width.image)
                c.store(best, y, out + ox, v.inside(ox, s.width.size))
    return c.text()


def _largest(c: Code, taps: Taps, x: Val, top: Val, first: Val, last: Val, width: Val) -> Val:
    """NaN is kept aside, so that the maximum is one instruction."""
    v = taps.lanes
    best, nan = c.var(v.lowest), c.var(v.none)
    with c.loop(first, last) as ky:
        found = taps.load(x, top + ky * width)
        m, unordered = best.get(), nan.get()
        for k, f in enumerate(found):
            m = c.select(m.compare("ogt", f), m, f)
            if k % 2:
                unordered = unordered | found[k - 1].compare("uno", f)
            elif k == len(found) - 1:
                unordered = unordered | f.compare("uno", f)
        best.set(m)
        nan.set(unordered)
    return c.select(nan.get(), c.const(v.type, float("nan")), best.get())


class _Backward:
    """for each row of the image: winners of the rows of windows that begin there, then, for each
    of its elements, the gradients of the windows that it won, in the windows' order"""

    def __init__(
        self, v: Lanes, s: Sides, x: Val, y: Val, g: Val, what: str, kernel: int, step: int
    ) -> None:
        self.lanes, self.sides, self.x, self.y, self.g = v, s, x, y, g
        self.relu = what == "max_pool_backward_relu"
        self.kernel, self.step = kernel, step
        c = self.code = v.code
        base = c.slot() + c.thread * c.word()
        self.rows, self.length = c.words(2)
        self.winners = c.value("ptr", f"inttoptr {base} to ptr")
        self.given = c.at(self.winners, self.rows * self.length, v.element)

    def emit(self) -> None:
        c, v, s = self.code, self.lanes, self.sides
        with c.loop(0, self.rows * self.length - v.count + 1, v.count) as i:
            c.store(c.const(v.whole, -1), self.winners, i)
        with planes(c, s) as plane:
            image, windows = plane * s.area, plane * s.windows
            ready = c.var(c.int(0))
            with c.loop(0, s.height.image) as iy:
                place = iy + s.height.padding
                last = (place // s.height.stride).min(s.height.size - 1)
                with c.loop_while(lambda: ready.get() <= last):
                    self.find(image, windows, ready.get())
                    ready.set(ready.get() + 1)
                reach = (place - s.height.kernel + s.height.stride).max(0)
                self.collect(image + iy * s.width.image, place, reach // s.height.stride, last + 1)

    def row(self, oy: Val) -> Val:
        """Where a row of windows is in the ring."""
        return (oy & (self.rows - 1)) * self.length + _MARGIN

    def find(self, image: Val, windows: Val, oy: Val) -> None:
        """The winners of a row of windows."""
        c, v, s = self.code, self.lanes, self.sides
        first, last = s.height.taps(oy)
        top = image + s.height.start(oy) * s.width.image
        ring = self.row(oy)
        with c.loop(0, s.width.size, v.count) as ox:
            taps = Taps(v, s, ox, self.kernel, self.step)
            outside = c.const(v.whole, 0) - (v.spread(taps.first) + v.steps * self.step)
            best = c.var(v.lowest)
            code = c.var(v.spread(first * self.kernel) + outside.max(0))
            with c.loop(first, last) as ky:
                m, winner = best.get(), code.get()
                for kx, f in enumerate(taps.load(self.x, top + ky * s.width.image)):
                    take = _beats(f, m)
                    m = c.select(take, f, m)
                    winner = c.select(take, v.spread(ky * self.kernel + kx), winner)
                best.set(m)
                code.set(winner)
            known = v.inside(ox, s.width.size)
            counts = known & best.get().compare("ugt", 0) if self.relu else known
            given = c.load(v.type, self.g, windows + oy * s.width.size + ox, known)
            c.store(c.select(counts, code.get(), -1), self.winners, ring + ox)
            c.store(given, self.given, ring + ox)

    def collect(self, row: Val, place: Val, first: Val, end: Val) -> None:
        """A row of the result from the rows of windows [first, end)."""
        c, v, s, step = self.code, self.lanes, self.sides, self.step
        width, padding = s.width.image, s.width.padding
        start = padding // step
        with c.loop(start, (width + padding - 1) // step + 1, v.count) as j:
            sums = [c.var(c.const(v.type, 0)) for _ in range(step)]
            with c.loop(first, end) as oy:
                ring, ky = self.row(oy) + j, place - oy * s.height.stride
                for kx in reversed(range(self.kernel)):
                    at, total = ring - kx // step, sums[kx % step]
                    won = c.load(v.whole, self.winners, at).compare(
                        "eq", v.spread(ky * self.kernel + kx)
                    )
                    t = total.get()
                    total.set(c.select(won, t + c.load(v.type, self.given, at), t))
            found = [t.get() for t in sums]
            at = j * step - padding
            for k, f in enumerate(v.woven(found)):
                c.store(f, self.y, row + at + k * v.count, v.inside(at + k * v.count, width))
