"""Adaptive average pooling: means over windows that tile each dimension, and the gradient.

Means are taken in the reference's order: along the depth, then the height, then the width.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .ir_text import ELEMENT, Code, Val
from .kernel import Buf, Kernel, Launch, Target
from .planning import Placed, Room
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


def _tiled(name: str, emit: Any, image: Placed, parts: Placed, arrays: list[Placed], n: int) -> Any:
    if image.dtype not in FLOATS or not dense(image, parts):
        return None
    ones, none = (1,) * n, (0,) * n
    g = geometry(image, parts.shape[len(parts.shape) - n :], ones, ones, none, ones)
    if not g.tasks:
        return []
    made = Kernel(name, (name, image.dtype), partial(emit, dtype=image.dtype))
    args: tuple[int | Buf, ...] = (*buffers(arrays), *g.words)
    return [Launch(made, args, g.tasks, g.taps, touched(arrays), g.grain, name)]


def tiled_mean(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """x → means of tiles; params (size,)."""
    (x,), (y,), (size,) = inputs, outputs, params
    return _tiled("adaptive_avg_pool", _emit_tiled, x, y, [x, y], len(size))


def tiled_mean_backward(
    room: Room, inputs: list[Placed], outputs: list[Placed], params: Any
) -> Any:
    """g → by the input; params shape, number of dimensions."""
    (g,), (x,), (_, n) = inputs, outputs, params
    return _tiled("adaptive_avg_pool_backward", _emit_tiled_backward, x, g, [g, x], n)


PLANNERS = {
    "adaptive_avg_pool": tiled_mean, "adaptive_avg_pool_backward": tiled_mean_backward,
}  # fmt: skip


def _part(side: Side, o: Val, e: str) -> Val:
    """Elements of a part of a dimension."""
    return side.taps(o)[1].to(e)


def _emit_tiled(target: Target, symbol: str, dtype: str) -> str:
    """Means over the width of means over the height of means over the depth."""
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    x, y = c.buffer(), c.buffer()
    s = sides(c, tiled=True)
    with planes(c, s) as plane, c.loop(0, s.depth.size) as oz, c.loop(0, s.height.size) as oy:
        with c.loop(0, s.width.size) as ox:
            at = [oz, oy, ox]
            by = [_part(side, o, e) for side, o in zip((s.depth, s.height), at, strict=False)]

            order = [s.width.taps(ox), s.height.taps(oy), s.depth.taps(oz)]
            value = partial(element, c, s, e, x, plane * s.area, at)
            total = nested(c, e, order, value, lambda level, t: _mean(level, t, by))
            out = plane * s.windows + (oz * s.height.size + oy) * s.width.size + ox
            c.store(total / _part(s.width, ox, e), y, out)
    return c.text()


def _mean(level: int, total: Val, by: list[Val]) -> Val:
    """Divide a sum over the depth (level 1) or the height (level 2)."""
    return total if level == 0 else total / by[level - 1]


def _emit_tiled_backward(target: Target, symbol: str, dtype: str) -> str:
    """Sums over the parts that an element is in, each divided by its size."""
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    g, y = c.buffer(), c.buffer()
    s = sides(c, tiled=True)
    with planes(c, s) as plane:
        with c.loop(0, s.depth.image) as iz, c.loop(0, s.height.image) as iy:
            with c.loop(0, s.width.image) as ix:
                ranges = [
                    _parts_of(side, i)
                    for side, i in zip((s.depth, s.height, s.width), (iz, iy, ix), strict=True)
                ]
                total = _sum_of_parts(c, s, e, g, plane * s.windows, ranges)
                c.store(total, y, plane * s.area + (iz * s.height.image + iy) * s.width.image + ix)
    return c.text()


def _parts_of(side: Side, i: Val) -> tuple[Val, Val]:
    """The range of parts that element i is in."""
    return i * side.size // side.image, ((i + 1) * side.size + side.image - 1) // side.image


def _sum_of_parts(
    c: Code, s: Sides, e: str, g: Val, first: Val, ranges: list[tuple[Val, Val]]
) -> Val:
    over_z, over_y, over_x = ranges
    depth = c.var(c.const(e, 0))
    with c.loop(*over_z) as oz:
        height = c.var(c.const(e, 0))
        with c.loop(*over_y) as oy:
            width = c.var(c.const(e, 0))
            with c.loop(*over_x) as ox:
                at = first + (oz * s.height.size + oy) * s.width.size + ox
                width.set(width.get() + c.load(e, g, at) / _part(s.width, ox, e))
            height.set(height.get() + width.get() / _part(s.height, oy, e))
        depth.set(depth.get() + height.get() / _part(s.depth, oz, e))
    return depth.get()
