"""Average pooling over windows and over tiles, and the gradients.

Sums are taken in the order of the CPU's kernels, one dimension after the other: in a window first
along the depth, then the height, then the width; in the gradient the other way round, from the last
window on. The gradients are gathered: a thread has an element of the input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from ..ir_text import ELEMENT
from .special_code import (
    Code,
    GpuKernel,
    GpuLaunch,
    Placed,
    Room,
    Target,
    Val,
    Words,
    blocks_of,
    buffer,
    dense,
    launch,
    narrow,
    touched,
)
from .special_copy import in_rows
from .special_windows import Geometry, Shape, Side, Sides, geometry, shape_of, sides, words

FLOATS = ("float32", "float64")

Launches = list[GpuLaunch]


def _planned(
    name: str, room: Room, source: Placed, target: Placed, g: Geometry, how: tuple[Any, ...], emit: Any, divisor: int,
    tiled: bool = False,
) -> Launches | None:  # fmt: skip
    """A thread for each element of the target."""
    if source.dtype not in FLOATS or not dense(target):
        return None
    if not g.tasks:
        return []
    launches: Launches = []
    source = in_rows(room, source, launches)
    total = math.prod(target.shape)
    s = shape_of(g, narrow(source, target), tiled)
    made = GpuKernel(name, (name, source.dtype, *how, s), partial(emit, dtype=source.dtype, s=s, how=how))
    args: Words = (buffer(source), buffer(target), total, *words(g), divisor)
    moved = touched(source, target)
    return [*launches, launch(made, args, blocks_of(total, 256), moved=moved, flops=g.taps)]


def _last(shape: tuple[int, ...], n: int) -> tuple[int, ...]:
    return shape[len(shape) - n :]


def avg_pool(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    """x → means; params kernel_size, stride, padding, ceil_mode, include_pad, divisor."""
    (x,), (y,) = inputs, outputs
    kernel, stride, padding, _, include_pad, divisor = params
    n = len(kernel)
    g = geometry(x, _last(y.shape, n), kernel, stride, padding, (1,) * n)
    how = (bool(include_pad),)
    return _planned("avg_pool", room, x, y, g, how, _emit, int(divisor or 0))


def avg_pool_backward(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    """g → by the input; params shape, and those of `avg_pool`."""
    (y,), (x,) = inputs, outputs
    _, kernel, stride, padding, _, include_pad, divisor = params
    n = len(kernel)
    g = geometry(x, _last(y.shape, n), kernel, stride, padding, (1,) * n)
    how = (bool(include_pad),)
    return _planned("avg_pool_backward", room, y, x, g, how, _emit_backward, int(divisor or 0))


def tiled_mean(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    """x → means of tiles; params (size,)."""
    (x,), (y,), (size,) = inputs, outputs, params
    n = len(size)
    g = geometry(x, _last(y.shape, n), (1,) * n, (1,) * n, (0,) * n, (1,) * n)
    return _planned("adaptive_avg_pool", room, x, y, g, (), _emit_tiled, 0, tiled=True)


def tiled_mean_backward(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    """g → by the input; params shape, number of dimensions."""
    (y,), (x,), (_, n) = inputs, outputs, params
    g = geometry(x, _last(y.shape, n), (1,) * n, (1,) * n, (0,) * n, (1,) * n)
    return _planned("adaptive_avg_pool_backward", room, y, x, g, (), _emit_tiled_backward, 0, tiled=True)


PLANNERS: dict[str, Any] = {
    "avg_pool": avg_pool, "avg_pool_backward": avg_pool_backward, "adaptive_avg_pool": tiled_mean,
    "adaptive_avg_pool_backward": tiled_mean_backward,
}  # fmt: skip


# --- sums ---------------------------------------------------------------------------------------

Bounds = tuple[Val | int, Val | int]


def summed(
    c: Code, e: str, ranges: list[Bounds], value: Callable[[list[Val]], Val],
    after: Callable[[int, Val, list[Val]], Val] = lambda level, total, at: total, backwards: bool = False,
    at: tuple[Val, ...] = (),
) -> Val:  # fmt: skip
    """The sum over the first range of the sums over the second one, and so on, of `value`. Each term
    goes through `after`, which gets the number of ranges within it and the indices down to it."""
    if not ranges:
        return value(list(at))
    total = c.var(c.const(e, 0))
    (first, last), *rest = ranges

    def one(i: Val) -> None:
        inner = summed(c, e, rest, value, after, backwards, (*at, i))
        total.set(total.get() + after(len(rest), inner, [*at, i]))

    if isinstance(first, int) and isinstance(last, int):
        for k in range(first, last):
            one(c.number(last + first - 1 - k if backwards else k))
        return total.get()
    begin = first if isinstance(first, Val) else c.number(first)
    end = last if isinstance(last, Val) else c.number(last)
    with c.loop(begin, end) as i:
        one(end + begin - 1 - i if backwards else i)
    return total.get()


def _begin(target: Target, symbol: str, dtype: str, s: Shape, tiled: bool, elements: bool) -> tuple[Any, ...]:
    c = Code(target, symbol, s.small)
    source, out, total = c.buffer(), c.buffer(), c.whole()
    k = sides(c, s, tiled)
    given = c.whole()
    i = c.place()
    c.end_unless(i < total)
    plane, at = k.split(i, elements)
    return c, ELEMENT[dtype], source, out, k, given, i, plane, at


# --- windows ------------------------------------------------------------------------------------


def _extent(side: Side, o: Val, include_pad: bool) -> Val:
    """By how many elements window `o` divides, along one dimension."""
    start = side.start(o)
    end = start + side.kernel
    if include_pad:
        return end.min(side.image + side.padding) - start
    return end.min(side.image) - start.max(0)


def _divisor(c: Code, k: Sides, given: Val, at: tuple[Val, ...], e: str, include_pad: bool) -> Val:
    """Of the window at (z, y, x)."""
    count = c.number(1)
    for number, (side, o) in enumerate(zip(k.all, at, strict=True)):
        if number or not k.flat:
            count = count * _extent(side, o, include_pad)
    return c.select(given.compare("ne", 0), given, count).to(e)


def _emit(target: Target, symbol: str, dtype: str, s: Shape, how: tuple[bool]) -> str:
    """The sum over the width of sums over the height of sums over the depth; elements in the padding
    are zeros."""
    c, e, x, y, k, given, i, plane, at = _begin(target, symbol, dtype, s, False, False)
    image = c.at(x, plane * k.area, e)
    starts = [side.start(o) for side, o in zip(k.all, at, strict=True)]

    def element(taps: list[Val]) -> Val:
        z, row, column = (a + b for a, b in zip(starts, reversed(taps), strict=True))
        inside = k.height.inside(row) & k.width.inside(column)
        if not k.flat:
            inside = inside & k.depth.inside(z)
        v = c.load(e, image, c.select(inside, k.place(z, row, column), c.number(0)), invariant=True)
        return c.select(inside, v, 0)  # type: ignore[no-any-return]

    ranges: list[Bounds] = [(0, side.taps) for side in reversed(k.all)]
    if k.flat:
        ranges[2] = (0, 1)
    c.store(summed(c, e, ranges, element) / _divisor(c, k, given, at, e, *how), y, i)
    return c.text()  # type: ignore[no-any-return]


def _emit_backward(target: Target, symbol: str, dtype: str, s: Shape, how: tuple[bool]) -> str:
    """The sum over the windows that an element is in of their gradients, each divided."""
    c, e, g, y, k, given, i, plane, at = _begin(target, symbol, dtype, s, False, True)
    first = plane * k.windows

    def gradient(o: list[Val]) -> Val:
        v = c.load(e, g, first + k.number(o[0], o[1], o[2]), invariant=True)
        return v / _divisor(c, k, given, tuple(o), e, *how)  # type: ignore[no-any-return]

    ranges: list[Bounds] = [side.windows(p) for side, p in zip(k.all, at, strict=True)]
    if k.flat:
        ranges[0] = (0, 1)
    c.store(summed(c, e, ranges, gradient, backwards=True), y, i)
    return c.text()  # type: ignore[no-any-return]


# --- tiles --------------------------------------------------------------------------------------


def _emit_tiled(target: Target, symbol: str, dtype: str, s: Shape, how: tuple[()]) -> str:
    """Means over the width of means over the height of means over the depth."""
    c, e, x, y, k, _, i, plane, at = _begin(target, symbol, dtype, s, True, False)
    image = c.at(x, plane * k.area, e)
    starts = [side.start(o) for side, o in zip(k.all, at, strict=True)]
    counts = [side.count(o) for side, o in zip(k.all, at, strict=True)]

    def element(taps: list[Val]) -> Val:
        z, row, column = (a + b for a, b in zip(starts, reversed(taps), strict=True))
        return c.load(e, image, k.place(z, row, column), invariant=True)  # type: ignore[no-any-return]

    def mean(level: int, total: Val, _: list[Val]) -> Val:
        """A sum over the depth (level 1) or the height (level 2), divided."""
        return total if level == 0 or level == 1 and k.flat else total / counts[level - 1].to(e)

    ranges: list[Bounds] = [(0, n) for n in reversed(counts)]
    if k.flat:
        ranges[2] = (0, 1)
    c.store(summed(c, e, ranges, element, mean) / counts[2].to(e), y, i)
    return c.text()  # type: ignore[no-any-return]


def _emit_tiled_backward(target: Target, symbol: str, dtype: str, s: Shape, how: tuple[()]) -> str:
    """Sums over the parts that an element is in, each divided by its size."""
    c, e, g, y, k, _, i, plane, at = _begin(target, symbol, dtype, s, True, True)
    first = plane * k.windows

    def gradient(o: list[Val]) -> Val:
        return c.load(e, g, first + k.number(o[0], o[1], o[2]), invariant=True)  # type: ignore[no-any-return]

    def share(level: int, total: Val, o: list[Val]) -> Val:
        number = 2 - level
        if number == 0 and k.flat:
            return total
        return total / k.all[number].count(o[number]).to(e)  # type: ignore[no-any-return]

    ranges: list[Bounds] = [side.windows(p) for side, p in zip(k.all, at, strict=True)]
    if k.flat:
        ranges[0] = (0, 1)
    c.store(summed(c, e, ranges, gradient, share), y, i)
    return c.text()  # type: ignore[no-any-return]
