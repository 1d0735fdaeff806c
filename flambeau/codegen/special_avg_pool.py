"""Average pooling over windows, and its gradient.

Sums are taken in the reference's order, one dimension after the other: in a window first along the
depth, then the height, then the width; in the gradient the other way round. Windows of few steps
along a row go in vectors. The gradient first divides a plane's gradients, into scratch
memory whose rows have zeros on either side, and then gathers.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .ir_text import ELEMENT, Code, Val, masks_well, parts
from .kernel import Buf, Kernel, Launch, Target
from .planning import Placed, Room
from .pool_lanes import Lanes, Taps, short_steps
from .pool_windows import (
    FLOATS,
    Side,
    Sides,
    buffers,
    dense,
    element,
    geometry,
    nested,
    planes,
    sides,
    touched,
)
from .special_max_pool import zero

_MARGIN = 16
"""Elements beside a row of divided gradients."""

Words = tuple[int | Buf, ...]


def avg_pool(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """x → means; params kernel_size, stride, padding, ceil_mode, include_pad, divisor."""
    (x,), (y,) = inputs, outputs
    kernel, stride, padding, _, include_pad, divisor = params
    if x.dtype not in FLOATS or not dense(x, y):
        return None
    n = len(kernel)
    g = geometry(x, y.shape[len(y.shape) - n :], kernel, stride, padding, (1,) * n)
    if not g.tasks:
        return []
    shape = (kernel[-1], stride[-1]) if short_steps(g) else None
    key = ("avg pool", x.dtype, bool(include_pad), shape)
    emit = partial(_emit, dtype=x.dtype, include_pad=bool(include_pad), shape=shape)
    args: Words = (*buffers([x, y]), *g.words, int(divisor or 0))
    made = Kernel("avg_pool", key, emit)
    return [Launch(made, args, g.tasks, g.taps, touched([x, y]), g.grain, "avg_pool")]


def avg_pool_backward(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """g → by the input; params shape, and those of `avg_pool`."""
    (y,), (x,) = inputs, outputs
    _, kernel, stride, padding, _, include_pad, divisor = params
    if x.dtype not in FLOATS or not dense(x, y):
        return None
    n = len(kernel)
    g = geometry(x, y.shape[len(y.shape) - n :], kernel, stride, padding, (1,) * n)
    if not g.tasks:
        return []
    length = 3 * _MARGIN + -(-(g.size[2] + g.image[2] + g.padding[2]) // _MARGIN) * _MARGIN
    nbytes = -(-g.size[0] * g.size[1] * length * x.itemsize // 64) * 64
    shape = (kernel[-1], stride[-1]) if short_steps(g) else None
    key = ("avg pool backward", x.dtype, bool(include_pad), shape)
    emit = partial(_emit_backward, dtype=x.dtype, include_pad=bool(include_pad), shape=shape)
    args: Words = (*buffers([y, x]), *g.words, int(divisor or 0), room.scratch(nbytes), nbytes, length)
    made = Kernel("avg_pool_backward", key, emit)
    return [Launch(made, args, g.tasks, g.taps, touched([x, y]), g.grain, "avg_pool_backward")]


PLANNERS = {
    "avg_pool": avg_pool, "avg_pool_backward": avg_pool_backward,
}  # fmt: skip


# --- windows ------------------------------------------------------------------------------------


def _extent(side: Side, start: Val, include_pad: bool) -> Val:
    """By how many elements a window that begins at `start` divides, along one dimension. Works on
    vectors too."""
    c = side.code

    def spread(v: Val) -> Val:
        integer, lanes = parts(start.type)
        return c.splat(v.to(integer), lanes)

    end = start + spread(side.kernel)
    if include_pad:
        return end.min(spread(side.image + side.padding)) - start
    return end.min(spread(side.image)) - start.max(0)


def _divisor(c: Code, s: Sides, given: Val, at: list[Val], e: str, include_pad: bool) -> Val:
    """Of the window at (z, y, x)."""
    count = c.int(1)
    for side, o in zip((s.depth, s.height, s.width), at, strict=True):
        count = count * _extent(side, side.start(o), include_pad)
    return c.select(given.compare("ne", 0), given, count).to(e)


def _divisors(v: Lanes, s: Sides, given: Val, outer: Val, ox: Val, include_pad: bool) -> Val:
    """Of a vector of windows; `outer` is the count along the other dimensions."""
    c = v.code
    start = v.spread(s.width.start(ox)) + v.steps * v.spread(s.width.stride)
    count = _extent(s.width, start, include_pad) * v.spread(outer)
    fixed = c.splat(given.compare("ne", 0), v.count)
    return c.select(fixed, v.spread(given), count).to(v.type)


def _emit(
    target: Target, symbol: str, dtype: str, include_pad: bool, shape: tuple[int, int] | None
) -> str:
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    x, y = c.buffer(), c.buffer()
    s = sides(c)
    given = c.word()
    fast = shape if shape and masks_well(target, e) else None
    with planes(c, s) as plane:
        image = plane * s.area
        with c.loop(0, s.depth.size) as oz, c.loop(0, s.height.size) as oy:
            out = plane * s.windows + (oz * s.height.size + oy) * s.width.size
            if fast:
                _mean_row(c, s, dtype, x, y, (image, out, oy), given, include_pad, fast)
            else:
                with c.loop(0, s.width.size) as ox:
                    total = _window_sum(c, s, e, x, image, [oz, oy, ox])
                    by = _divisor(c, s, given, [oz, oy, ox], e, include_pad)
                    c.store(total / by, y, out + ox)
    return c.text()


def _window_sum(c: Code, s: Sides, e: str, x: Val, image: Val, at: list[Val]) -> Val:
    """Over the width of sums over the height of sums over the depth."""
    oz, oy, ox = at
    order = [s.width.taps(ox), s.height.taps(oy), s.depth.taps(oz)]
    return nested(c, e, order, partial(element, c, s, e, x, image, at))


def _mean_row(
    c: Code, s: Sides, dtype: str, x: Val, y: Val, at: tuple[Val, Val, Val], given: Val,
    include_pad: bool, shape: tuple[int, int],
) -> None:  # fmt: skip
    """A row of windows in vectors: a sum down each of their columns, then over the columns."""
    v = Lanes(c, dtype)
    image, out, oy = at
    first, last = s.height.taps(oy)
    top = image + s.height.start(oy) * s.width.image
    rows = _extent(s.height, s.height.start(oy), include_pad)
    with c.loop(0, s.width.size, v.count) as ox:
        taps = Taps(v, s, ox, *shape, beside=0.0)
        columns = [c.var(c.const(v.type, 0)) for _ in range(shape[0])]
        with c.loop(first, last) as ky:
            found = taps.load(x, top + ky * s.width.image)
            for total, f in zip(columns, found, strict=True):
                total.set(total.get() + f)
        whole = columns[0].get()
        for column in columns[1:]:
            whole = whole + column.get()
        by = _divisors(v, s, given, rows, ox, include_pad)
        c.store(whole / by, y, out + ox, v.inside(ox, s.width.size))


# --- the gradient by windows --------------------------------------------------------------------


def _emit_backward(
    target: Target, symbol: str, dtype: str, include_pad: bool, shape: tuple[int, int] | None
) -> str:
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    g, y = c.buffer(), c.buffer()
    s = sides(c)
    given = c.word()
    scratch = c.slot() + c.thread * c.word()
    length = c.word()
    kept = c.at(c.value("ptr", f"inttoptr {scratch} to ptr"), _MARGIN, e)
    fast = shape if shape and masks_well(target, e) else None
    zero(c, c.at(kept, -_MARGIN, e), s.depth.size * s.height.size * length, e)
    with planes(c, s) as plane:
        with c.loop(0, s.depth.size) as oz, c.loop(0, s.height.size) as oy:
            row = oz * s.height.size + oy
            first = c.at(g, plane * s.windows + row * s.width.size, e)
            _divide(c, s, dtype, first, c.at(kept, row * length, e), (oz, oy), given, include_pad, bool(fast))
        with c.loop(0, s.depth.image) as iz, c.loop(0, s.height.image) as iy:
            out = plane * s.area + (iz * s.height.image + iy) * s.width.image
            over = [_windows_of(s.depth, iz), _windows_of(s.height, iy)]
            if fast:
                _spread_row(c, s, dtype, kept, y, out, over[1], length, fast)
            else:
                with c.loop(0, s.width.image) as ix:
                    ranges = [*over, _windows_of(s.width, ix)]

                    def value(o: list[Val]) -> Val:
                        return c.load(e, kept, (o[0] * s.height.size + o[1]) * length + o[2])

                    c.store(nested(c, e, ranges, value, backwards=True), y, out + ix)
    return c.text()


def _divide(
    c: Code, s: Sides, dtype: str, g: Val, q: Val, at: tuple[Val, Val], given: Val,
    include_pad: bool, fast: bool,
) -> None:  # fmt: skip
    """A row of gradients by the windows' divisors."""
    v, e = Lanes(c, dtype), ELEMENT[dtype]
    if not fast:
        with c.loop(0, s.width.size) as ox:
            by = _divisor(c, s, given, [*at, ox], e, include_pad)
            c.store(c.load(e, g, ox) / by, q, ox)
        return
    rows = _extent(s.height, s.height.start(at[1]), include_pad)
    with c.loop(0, s.width.size, v.count) as ox:
        mask = v.inside(ox, s.width.size)
        by = _divisors(v, s, given, rows, ox, include_pad)
        c.store(c.load(v.type, g, ox, mask) / by, q, ox, mask)


def _windows_of(side: Side, i: Val) -> tuple[Val, Val]:
    """The range of windows that element i is in."""
    place = i + side.padding
    first = (place - side.kernel + side.stride).max(0) // side.stride
    return first, (place // side.stride + 1).min(side.size)


def _spread_row(
    c: Code, s: Sides, dtype: str, kept: Val, y: Val, out: Val, over: tuple[Val, Val],
    length: Val, shape: tuple[int, int],
) -> None:  # fmt: skip
    """A row of the gradient from the rows of windows that meet it, the last one first."""
    v = Lanes(c, dtype)
    kernel, step = shape
    padding, width = s.width.padding, s.width.image
    first, last = over
    with c.loop(padding // step, (width + padding - 1) // step + 1, v.count) as j:
        sums = [c.var(c.const(v.type, 0)) for _ in range(step)]
        with c.loop(first, last) as i:
            at = (last + first - 1 - i) * length + j
            for k in range(min(step, kernel)):
                found = [c.load(v.type, kept, at - kx // step) for kx in range(k, kernel, step)]
                total = found[0]
                for f in found[1:]:
                    total = total + f
                sums[k].set(sums[k].get() + total)
        start = j * step - padding
        made = [t.get() for t in sums]
        for k, f in enumerate(v.woven(made)):
            c.store(f, y, out + start + k * v.count, v.inside(start + k * v.count, width))
