"""Max pooling and its gradient.

The largest element of a window is the first of equals, and the last NaN where there is one. The
gradient is gathered: each element of the input sums the gradients of those windows whose largest
element it is, in their order. Where windows overlap, a launch before has noted each one's place.
"""

from __future__ import annotations

import math
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
    aligned,
    blocks_of,
    buffer,
    dense,
    lanes,
    launch,
    narrow,
    temporary,
    touched,
    units,
)
from .special_copy import in_rows
from .special_scan import lowest
from .special_windows import Geometry, Shape, Sides, geometry, nested, shape_of, sides, words

INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
FLOATS = ("float32", "float64")

Launches = list[GpuLaunch]


def _geometry(x: Placed, size: tuple[int, ...], params: Any) -> Geometry:
    kernel, stride, padding, dilation, _ = params
    return geometry(x, size[len(size) - len(kernel) :], kernel, stride, padding, dilation)


def _windows(what: str, x: Placed, g: Geometry, arrays: list[Placed], tiled: bool = False) -> GpuLaunch:
    """A thread for each window; `arrays` are the kernel's buffers in its order, x first."""
    total = g.tasks * g.planes * math.prod(g.size)
    s = shape_of(g, narrow(*arrays), tiled)
    made = GpuKernel(what, ("max pool", what, x.dtype, s), partial(_emit, what=what, dtype=x.dtype, s=s, tiled=tiled))
    args: Words = (*(buffer(a) for a in arrays), total, *words(g))
    return launch(made, args, blocks_of(total, 256), moved=touched(*arrays), flops=g.taps)


def _ready(room: Room, x: Placed, y: Placed, floats: bool, launches: Launches) -> Placed | None:
    """x in rows, if this can be pooled."""
    if not dense(y) or x.dtype not in FLOATS and (floats or x.dtype not in INTEGERS):
        return None
    return in_rows(room, x, launches)


def _plan(what: str, room: Room, x: Placed, out: Placed, more: list[Placed], params: Any) -> Launches | None:
    launches: Launches = []
    found = _ready(room, x, out, False, launches)
    if found is None:
        return None
    g = _geometry(found, out.shape, params)
    if not g.tasks:
        return []
    more = [in_rows(room, m, launches) for m in more]
    return [*launches, _windows(what, found, g, [found, out, *more])]


def max_pool(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    """x → the largest elements."""
    return _plan("max_pool", room, inputs[0], outputs[0], [], params)


def places(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    """x → where in its plane each window's largest element is, int64."""
    return _plan("max_pool_places", room, inputs[0], outputs[0], [], params)


def gather(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    """source, x → the source's elements where each window of x is largest."""
    source, x = inputs
    return _plan("max_pool_gather", room, x, outputs[0], [source], params)


def relu_max_pool(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    """x → max(x, 0), and the largest of it."""
    (x,), (r, y) = inputs, outputs
    launches: Launches = []
    found = _ready(room, x, y, True, launches)
    if found is None or not dense(r):
        return None
    g = _geometry(found, y.shape, params)
    launches.append(_relu(room, found, r))
    return launches if not g.tasks else [*launches, _windows("relu_max_pool", found, g, [found, y])]


def tiled(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Launches | None:
    """x, params (size,) → the largest elements of tiles, and where in its plane each is."""
    (x,), (y, p), (size,) = inputs, outputs, params
    launches: Launches = []
    found = _ready(room, x, y, False, launches)
    if found is None or not dense(p):
        return None
    ones, none = (1,) * len(size), (0,) * len(size)
    g = _geometry(found, y.shape, (ones, ones, none, ones, False))
    return launches if not g.tasks else [*launches, _windows("adaptive_max_pool", found, g, [found, y, p], True)]


def backward(
    relu: bool, room: Room, inputs: list[Placed], outputs: list[Placed], params: Any
) -> Launches | None:
    """g, x → each window's gradient to its largest element; `relu`: nothing where x <= 0."""
    (g, x), (y,) = inputs, outputs
    launches: Launches = []
    found = _ready(room, x, y, True, launches)
    if found is None:
        return None
    w = _geometry(found, g.shape, params)
    if not w.tasks:
        return []
    g = in_rows(room, g, launches)
    apart = all((k - 1) * d < s for k, d, s in zip(w.kernel, w.dilation, w.stride, strict=True))
    s = shape_of(w, narrow(g, found, y))
    arrays = [found, y, g]
    if not (apart and s.kernel):
        noted = temporary(room, "int32" if s.small else "int64", w.tasks * w.planes * math.prod(w.size))
        launches.append(_windows("max_pool_noted_relu" if relu else "max_pool_noted", found, w, [found, noted]))
        arrays = [noted, y, g]
    what = "gather" if arrays[0] is not found else "relu" if relu else "plain"
    total = math.prod(y.shape)
    made = GpuKernel(
        "max_pool_backward", ("max pool backward", what, x.dtype, s),
        partial(_emit_backward, what=what, dtype=x.dtype, s=s),
    )  # fmt: skip
    args: Words = (*(buffer(a) for a in arrays), total, *words(w))
    return [*launches, launch(made, args, blocks_of(total, 256), moved=touched(*arrays), flops=w.taps)]


PLANNERS: dict[str, Any] = {
    "max_pool": max_pool, "relu_max_pool": relu_max_pool, "max_pool_places": places,
    "max_pool_gather": gather, "max_pool_backward": partial(backward, False),
    "max_pool_backward_relu": partial(backward, True), "adaptive_max_pool": tiled,
}  # fmt: skip


# --- windows ------------------------------------------------------------------------------------


def _emit(target: Target, symbol: str, what: str, dtype: str, s: Shape, tiled: bool) -> str:
    c = Code(target, symbol, s.small)
    e = ELEMENT[dtype]
    x, y = c.buffer(), c.buffer()
    other = c.buffer() if what in ("max_pool_gather", "adaptive_max_pool") else None
    total = c.whole()
    k = sides(c, s, tiled)
    i = c.place()
    c.end_unless(i < total)
    plane, at = k.split(i, elements=False)
    image = c.at(x, plane * k.area, e)
    m, place = largest(c, k, image, at, dtype, s, tiled, rectified="relu_max" in what)
    if what.startswith("max_pool_noted"):
        if what.endswith("relu"):
            place = c.select(m.compare("ugt", 0), place, c.number(-1))
        c.store(place, y, i)
    elif what == "max_pool_places":
        c.store(_long(c, place.max(0)), y, i)
    elif what == "max_pool_gather":
        assert other is not None
        c.store(c.load(e, other, plane * k.area + place.max(0)), y, i)
    else:
        c.store(m, y, i)
        if what == "adaptive_max_pool":
            assert other is not None
            c.store(_long(c, place), other, i)
    return c.text()


def _long(c: Code, place: Val) -> Val:
    return place if place.type == "i64" else c.value("i64", f"sext {place} to i64")


def largest(
    c: Code, k: Sides, image: Val, at: tuple[Val, Val, Val], dtype: str, s: Shape, tiled: bool = False,
    rectified: bool = False,
) -> tuple[Val, Val]:  # fmt: skip
    """(the largest element, its place in the plane, -1 if there is none) of a window."""
    e = ELEMENT[dtype]
    starts = [side.start(o) for side, o in zip(k.all, at, strict=True)]
    taps = [side.taps for side in k.all]
    if tiled:
        taps = [side.count(o) for side, o in zip(k.all, at, strict=True)]  # type: ignore[attr-defined]
    found: list[tuple[Val, Val, Val]] = []
    best, where = c.var(c.const(e, lowest(dtype))), c.var(c.number(-1))

    def look(v: Val, place: Val, inside: Val) -> None:
        if rectified:
            v = c.select(v.compare("ugt", 0), v, 0)
        m, known = best.get(), where.get()
        take = inside & (_beats(v, m, dtype) | known.compare("slt", 0))
        best.set(c.select(take, v, m))
        where.set(c.select(take, place, known))

    def tap(n: list[Val]) -> None:
        p = [a + (b if tiled else b * side.dilation) for a, b, side in zip(starts, n, k.all, strict=True)]
        inside = k.height.inside(p[1]) & k.width.inside(p[2])
        if not k.flat:
            inside = inside & k.depth.inside(p[0])
        place = c.select(inside, k.place(p[0], p[1], p[2]), c.number(0))
        v = c.load(e, image, place, invariant=True)
        if s.kernel:
            found.append((v, place, inside))
        else:
            look(v, place, inside)

    first = c.number(0) if not s.kernel else 0
    ranges: list[Any] = [(first, n) for n in taps]
    if k.flat and not s.kernel:
        ranges[0] = (0, 1)
    nested(c, ranges, tap)
    for v, place, inside in found:
        look(v, place, inside)
    return best.get(), where.get()


def _beats(v: Val, m: Val, dtype: str) -> Val:
    """Whether v, which comes after m, is the larger."""
    if v.is_float:
        return v.compare("ogt", m) | v.compare("uno", v)
    return v.compare("ugt" if dtype == "uint8" else "sgt", m)


# --- the gradient -------------------------------------------------------------------------------


def _emit_backward(target: Target, symbol: str, what: str, dtype: str, s: Shape) -> str:
    """`what`: "gather" from places that were noted; or "plain" and "relu", where an element is in
    one window at most, which is looked at again."""
    c = Code(target, symbol, s.small)
    e = ELEMENT[dtype]
    x, y, g, total = c.buffer(), c.buffer(), c.buffer(), c.whole()
    k = sides(c, s)
    i = c.place()
    c.end_unless(i < total)
    plane, at = k.split(i, elements=True)
    here = k.place(*at)
    first = plane * k.windows
    if what == "gather":
        sum = c.var(c.const(e, 0))

        def window(n: list[Val]) -> None:
            number = first + k.number(n[0], n[1], n[2])
            with c.when(c.load(c.index, x, number, invariant=True).compare("eq", here)):
                sum.set(sum.get() + c.load(e, g, number, invariant=True))

        ranges: list[Any] = [side.windows(p) for side, p in zip(k.all, at, strict=True)]
        if k.flat:
            ranges[0] = (0, 1)
        nested(c, ranges, window)
        c.store(sum.get(), y, i)
        return c.text()
    windows, counts = [], c.const("i1", 1)
    for side, p in zip(k.all, at, strict=True):
        o = side.over_stride.split(p + side.padding)[0]
        counts = counts & (o < side.size)
        windows.append(o.min(side.size - 1))
    m, place = largest(c, k, c.at(x, plane * k.area, e), (windows[0], windows[1], windows[2]), dtype, s)
    counts = counts & place.compare("eq", here)
    if what == "relu":
        counts = counts & m.compare("ugt", 0)
    v = c.load(e, g, first + k.number(windows[0], windows[1], windows[2]), invariant=True)
    c.store(c.select(counts, v, 0), y, i)
    return c.text()


# --- the positive part --------------------------------------------------------------------------


def _relu(room: Room, x: Placed, y: Placed) -> GpuLaunch:
    count = math.prod(x.shape)
    n = lanes(x.itemsize, (aligned(room, x), aligned(room, y)), [count])
    small = narrow(x, y)
    emit = partial(_emit_relu, dtype=x.dtype, n=n, small=small)
    made = GpuKernel("relu", ("relu", x.dtype, n, small), emit)
    return launch(made, (buffer(x), buffer(y), count // n), blocks_of(count // n), moved=touched(x, y))


def _emit_relu(target: Target, symbol: str, dtype: str, n: int, small: bool) -> str:
    c = Code(target, symbol, small)
    e = ELEMENT[dtype]
    type = e if n == 1 else f"<{n} x {e}>"
    x, y, total = c.buffer(), c.buffer(), c.whole()

    def rectified(v: Val) -> Val:
        parts = [c.lane(v, k) for k in range(n)]
        return c.vector_of([c.select(p.compare("ugt", 0), p, 0) for p in parts])

    units(c, total, lambda i: c.fetch(type, x, i), lambda i, v: c.put(rectified(v), y, i))
    return c.text()
