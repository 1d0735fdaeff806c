"""Max pooling and its gradient.

The largest element of a window is the first of equals, and the last NaN where there is one. Windows
of any geometry are looked at element by element; those of few steps along a row, without dilation,
in vectors of windows (see `pool_vectors`).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from . import pool_vectors
from .ir_text import ELEMENT, Code, Val, element_bytes, vector
from .kernel import Kernel, Launch, Target
from .planning import Placed, Room
from .pool_windows import (
    Sides,
    buffers,
    dense,
    each_tap,
    each_window,
    geometry,
    planes,
    sides,
    touched,
)

_LOWEST = {"uint8": 0, "int8": -(1 << 7), "int16": -(1 << 15), "int32": -(1 << 31), "int64": -(1 << 63)}


def _lowest(dtype: str) -> float:
    return _LOWEST.get(dtype, -float("inf"))


def _plan(
    what: str, room: Room, x: Placed, size: tuple[int, ...], arrays: list[Placed], params: Any
) -> list[Launch] | None:
    """A pooling of x; `arrays` are the kernel's buffers in its order."""
    kernel, stride, padding, dilation, _ = params
    floats = x.dtype in ("float32", "float64")
    if not floats and (x.dtype not in _LOWEST or "relu" in what or "backward" in what):
        return None
    if not dense(*arrays):
        return None
    g = geometry(x, size[len(size) - len(kernel) :], kernel, stride, padding, dilation)
    if not g.tasks:
        return []
    fast = None
    if what != "adaptive_max_pool":
        fast = pool_vectors.plan(what, room, x, g, buffers(arrays))
    if fast is not None:
        made, args = fast
    else:
        made = Kernel(what, ("max pool", what, x.dtype), partial(emit, what=what, dtype=x.dtype))
        args = (*buffers(arrays), *g.words)
    return [Launch(made, args, g.tasks, g.taps, touched(arrays), g.grain, what)]


def max_pool(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """x → the largest elements."""
    (x,), (y,) = inputs, outputs
    return _plan("max_pool", room, x, y.shape, [x, y], params)


def relu_max_pool(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """x → max(x, 0), and the largest of it."""
    (x,), (r, y) = inputs, outputs
    return _plan("relu_max_pool", room, x, y.shape, [x, r, y], params)


def places(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """x → where in its plane each window's largest element is, int64."""
    (x,), (y,) = inputs, outputs
    return _plan("max_pool_places", room, x, y.shape, [x, y], params)


def gather(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """source, x → the source's elements where each window of x is largest."""
    (source, x), (y,) = inputs, outputs
    return _plan("max_pool_gather", room, x, y.shape, [x, y, source], params)


def backward(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """g, x → each window's gradient to its largest element."""
    (g, x), (y,) = inputs, outputs
    return _plan("max_pool_backward", room, x, g.shape, [x, y, g], params)


def backward_relu(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """g, x → `backward`, and nothing where x <= 0."""
    (g, x), (y,) = inputs, outputs
    return _plan("max_pool_backward_relu", room, x, g.shape, [x, y, g], params)


def tiled(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """x, params (size,) → the largest elements of tiles, and where in its plane each is."""
    (x,), (y, p), (size,) = inputs, outputs, params
    n = len(size)
    ones, none = (1,) * n, (0,) * n
    return _plan("adaptive_max_pool", room, x, y.shape, [x, y, p], (ones, ones, none, ones, False))


PLANNERS = {
    "max_pool": max_pool, "relu_max_pool": relu_max_pool, "max_pool_places": places,
    "max_pool_gather": gather, "max_pool_backward": backward,
    "max_pool_backward_relu": backward_relu, "adaptive_max_pool": tiled,
}  # fmt: skip


# --- element by element -------------------------------------------------------------------------


def emit(target: Target, symbol: str, what: str, dtype: str) -> str:
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    x = c.buffer()
    rectified = c.buffer() if what == "relu_max_pool" else None
    y = c.buffer()
    more = "gather" in what or "backward" in what or what == "adaptive_max_pool"
    other = c.buffer() if more else None
    s = sides(c, what == "adaptive_max_pool")
    with planes(c, s) as plane:
        image = c.at(x, plane * s.area, e)
        if rectified is not None:
            positive = c.at(rectified, plane * s.area, e)
            relu(c, image, positive, s.area, e)
            image = positive
        one_plane(c, s, plane, image, y, other, what, dtype)
    return c.text()


def one_plane(
    c: Code, s: Sides, plane: Val, image: Val, y: Val, other: Val | None, what: str, dtype: str
) -> None:
    """All of a plane element by element."""
    e = ELEMENT[dtype]
    first = plane * s.windows
    if "backward" in what:
        zero(c, c.at(y, plane * s.area, e), s.area, e)
    with each_window(c, s) as w:
        best = c.var(c.const(e, _lowest(dtype)))
        place = c.var(c.int(-1))
        with each_tap(c, s, w) as at:
            v = c.load(e, image, at)
            m, known = best.get(), place.get()
            take = _beats(v, m, dtype) | known.compare("slt", 0)
            best.set(c.select(take, v, m))
            place.set(c.select(take, at, known))
        m, at = best.get(), place.get()
        if "backward" in what:
            _to_largest(c, c.at(y, plane * s.area, e), other, first + w.number, m, at, e, what)
        elif what == "max_pool_places":
            c.store(at.max(0), y, first + w.number)
        elif what == "max_pool_gather":
            assert other is not None
            c.store(c.load(e, other, plane * s.area + at.max(0)), y, first + w.number)
        else:
            c.store(m, y, first + w.number)
            if what == "adaptive_max_pool":
                assert other is not None
                c.store(at, other, first + w.number)


def _beats(v: Val, m: Val, dtype: str) -> Val:
    """Whether v, which comes after m, is the larger."""
    if v.is_float:
        return v.compare("ogt", m) | v.compare("uno", v)
    return v.compare("ugt" if dtype == "uint8" else "sgt", m)


def _to_largest(
    c: Code, y: Val, g: Val | None, number: Val, m: Val, at: Val, e: str, what: str
) -> None:
    """y[at] += g[number]"""
    assert g is not None
    counts = at.compare("sge", 0)
    if what == "max_pool_backward_relu":
        counts = counts & m.compare("ugt", 0)
    with c.when(counts):
        c.store(c.load(e, y, at) + c.load(e, g, number), y, at)


def zero(c: Code, y: Val, count: Val, e: str) -> None:
    """y[:count] = 0"""
    n = c.target.vector_bytes // element_bytes(e)
    whole = count - count % n
    with c.loop(0, whole, n) as i:
        c.store(c.const(vector(e, n), 0), y, i)
    with c.loop(whole, count) as i:
        c.store(c.const(e, 0), y, i)


def relu(c: Code, x: Val, y: Val, count: Val, e: str) -> None:
    """y[:count] = max(x[:count], 0), NaN where x is."""
    n = c.target.vector_bytes // element_bytes(e)
    whole = count - count % n

    def rectified(v: Val) -> Val:
        return c.select(v.compare("ugt", 0), v, 0)

    with c.loop(0, whole, n) as i:
        c.store(rectified(c.load(vector(e, n), x, i)), y, i)
    with c.loop(whole, count) as i:
        c.store(rectified(c.load(e, x, i)), y, i)
