"""Pooling in NumPy, over the last dimensions: an extreme or a sum goes dimension by dimension."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .conv_kernels import Ints, Windows, framed

Array = np.ndarray

_PART = 1 << 15
"""Windows that are looked at together."""


def _along(axis_from_end: int, part: slice) -> tuple[Any, ...]:
    return (..., part, *[slice(None)] * (axis_from_end - 1))


def _reduced(frame: Array, w: Windows, combine: Callable[..., Array]) -> Array:
    """`combine` over the taps of each window."""
    n = len(w.size)
    for i in range(n):
        d, s, m = w.dilation[i], w.stride[i], w.size[i]
        found: Any = None
        for k in range(w.kernel[i]):
            part = frame[_along(n - i, slice(k * d, k * d + s * (m - 1) + 1, s))]
            if k < 2:  # the first result is a new array, the next ones go into it
                found = part if found is None else combine(found, part)
            else:
                combine(found, part, out=found)
        frame = found
    return frame


# --- the largest --------------------------------------------------------------------------------


def lowest(dt: np.dtype[Any]) -> Any:
    return -np.inf if dt.kind == "f" else np.iinfo(dt).min


def _frame(x: Array, w: Windows) -> Array:
    return framed(x, w.front, w.span, lowest(x.dtype))


def largest(x: Array, w: Windows) -> Array:
    """The largest element of each window; NaN where one is NaN."""
    return _reduced(_frame(x, w), w, np.maximum)


@lru_cache(512)
def _outside(w: Windows, image: Ints) -> list[Any]:
    """For each tap, which windows see padding there; None where none does."""
    out: list[Any] = []
    for at in np.ndindex(*w.kernel):
        seen: Any = True
        for i, (k, n) in enumerate(zip(at, image, strict=True)):
            place = np.arange(w.size[i]) * w.stride[i] + k * w.dilation[i] - w.front[i]
            inside = (place >= 0) & (place < n)
            seen = seen & inside.reshape((-1, *[1] * (len(image) - i - 1)))
        out.append(None if seen.all() else ~seen)
    return out


def taps_of(w: Windows) -> list[tuple[Any, ...]]:
    """For each tap, the elements of the frame that it meets."""
    return [
        (..., *(
            slice(k * d, k * d + s * (m - 1) + 1, s)
            for k, d, s, m in zip(at, w.dilation, w.stride, w.size, strict=True)
        ))
        for at in np.ndindex(*w.kernel)
    ]  # fmt: skip


def _winners(x: Array, w: Windows) -> Array:
    """The number of the tap where each window's largest element is: the first one, or the last
    NaN."""
    frame = _frame(x, w)
    values = _reduced(frame, w, np.maximum)
    taps, outside = taps_of(w), _outside(w, x.shape[x.ndim - len(w.size) :])
    code = np.zeros(values.shape, np.uint8 if len(taps) < 256 else np.int32)
    missed = np.ones(values.shape, bool)
    for tap, beyond in zip(taps[:-1], outside, strict=False):
        differs = frame[tap] != values
        if beyond is not None:
            differs |= beyond
        missed &= differs
        code += missed
    if x.dtype.kind == "f" and values.size and np.isnan(values.min()):
        for number, tap in enumerate(taps):
            code[np.isnan(frame[tap])] = number
    return code


def places_of_largest(x: Array, w: Windows) -> Array:
    """Where in its flattened plane each window's largest element is."""
    image = x.shape[x.ndim - len(w.size) :]
    origins, offsets = _origins(w, image)
    out = offsets.take(_winners(x, w))
    out += origins
    return out


@lru_cache(512)
def _origins(w: Windows, image: Ints) -> tuple[Array, Array]:
    """Where each window begins in the flattened plane, and where its taps are from there."""
    steps = [math.prod(image[i + 1 :]) for i in range(len(image))]
    origins: Any = 0
    for i, step in enumerate(steps):
        along = (np.arange(w.size[i]) * w.stride[i] - w.front[i]) * step
        origins = origins + along.reshape((-1, *[1] * (len(image) - i - 1)))
    offsets = [
        sum(k * d * step for k, d, step in zip(at, w.dilation, steps, strict=True))
        for at in np.ndindex(*w.kernel)
    ]
    return origins, np.array(offsets, np.int64)


def largest_backward(g: Array, x: Array, w: Windows) -> Array:
    """Each window's gradient to its largest element. Some planes at a time: temporaries of
    megabytes cost more in page faults than the arithmetic on them."""
    n = len(w.size)
    image = x.shape[x.ndim - n :]
    area, planes = math.prod(image), math.prod(x.shape[: x.ndim - n])
    out = np.zeros((planes, area), g.dtype)
    xs, gs = x.reshape(planes, *image), g.reshape(planes, w.positions)
    step = max(1, _PART // max(w.positions, 1))
    rows = np.arange(min(step, planes))[:, None] * area
    apart = disjoint(w)
    for start in range(0, planes, step):
        part = slice(start, start + step)
        flat = places_of_largest(xs[part], w).reshape(-1, w.positions)
        flat += rows[: len(flat)]
        target = out[part].reshape(-1)
        if apart:
            target[flat] = gs[part]
        else:
            np.add.at(target, flat.reshape(-1), gs[part].reshape(-1))
    return out.reshape(x.shape)


def _flat(places: Array, dims: int, area: int) -> Array:
    """Places in planes as places in all of the memory."""
    lead = places.shape[: places.ndim - dims]
    planes = math.prod(lead)
    return places.reshape(planes, -1) + np.arange(planes)[:, None] * area


def disjoint(w: Windows) -> bool:
    """Whether no element is in two windows."""
    return all(
        s >= (k - 1) * d + 1 or m == 1
        for s, k, d, m in zip(w.stride, w.kernel, w.dilation, w.size, strict=True)
    )


def scatter(g: Array, places: Array, shape: Ints, dims: int) -> Array:
    """Gradients added to places in planes of the last `dims` dimensions of `shape`."""
    out = np.zeros(shape, g.dtype)
    if g.size:
        flat = _flat(places, dims, math.prod(shape[len(shape) - dims :])).reshape(-1)
        np.add.at(out.reshape(-1), flat, g.reshape(-1))
    return out


def gather(x: Array, places: Array, dims: int) -> Array:
    """The elements at places in planes of the last `dims` dimensions."""
    if not places.size:
        return np.empty(places.shape, x.dtype)
    flat = _flat(places, dims, math.prod(x.shape[x.ndim - dims :]))
    return x.reshape(-1).take(flat).reshape(places.shape)


# --- the mean -----------------------------------------------------------------------------------


@lru_cache(512)
def divisors(
    image: Ints, size: Ints, kernel: Ints, stride: Ints, padding: Ints, include_pad: bool,
    divisor: int | None,
) -> Any:  # fmt: skip
    """By what each window's sum is divided: a number, or an array where windows differ."""
    if divisor is not None:
        return float(divisor)
    total: Any = 1.0
    n = len(kernel)
    for i in range(n):
        start = np.arange(size[i]) * stride[i] - padding[i]
        end = np.minimum(start + kernel[i], image[i] + padding[i])
        if not include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, image[i])
        total = total * (end - start).reshape(-1, *[1] * (n - 1 - i))
    return float(total.flat[0]) if total.size and (total == total.flat[0]).all() else total


def mean(x: Array, w: Windows, by: Any) -> Array:
    sums = _reduced(framed(x, w.front, w.span), w, np.add)
    if x.dtype.kind in "iu":
        return np.trunc(sums / by).astype(x.dtype)
    return (sums / by).astype(x.dtype, copy=False)


def mean_backward(g: Array, image: Ints, w: Windows, by: Any) -> Array:
    """Each window's gradient spread over its elements, dimension by dimension."""
    out = (g / by).astype(g.dtype, copy=False)
    n = len(w.size)
    for i in reversed(range(n)):
        axis = out.ndim - n + i
        wide = np.zeros((*out.shape[:axis], w.span[i], *out.shape[axis + 1 :]), g.dtype)
        d, s, m = w.dilation[i], w.stride[i], w.size[i]
        for k in range(w.kernel[i]):
            wide[_along(n - i, slice(k * d, k * d + s * (m - 1) + 1, s))] += out
        out = wide
    return framed(out, tuple(-f for f in w.front), image)


# --- windows that tile --------------------------------------------------------------------------


def bins(size: int, count: int) -> list[tuple[int, int]]:
    """From floor(i * size / count) to ceil((i + 1) * size / count)."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def tiled_mean(x: Array, size: Ints) -> Array:
    n = len(size)
    out = x
    for i, count in enumerate(size):
        axis = x.ndim - n + i
        width = x.shape[axis]
        if count and width % count == 0:
            shape = (*out.shape[:axis], count, width // count, *out.shape[axis + 1 :])
            out = out.reshape(shape).mean(axis + 1)
            continue
        made = np.empty((*out.shape[:axis], count, *out.shape[axis + 1 :]), x.dtype)
        for k, (a, b) in enumerate(bins(width, count)):
            made[_along(n - i, slice(k, k + 1))] = out[_along(n - i, slice(a, b))].mean(
                axis, keepdims=True
            )
        out = made
    return out.astype(x.dtype, copy=False)


def tiled_mean_backward(g: Array, shape: Ints, dims: int) -> Array:
    out = g
    for i in reversed(range(dims)):
        axis = len(shape) - dims + i
        width, count = shape[axis], out.shape[axis]
        if count and width % count == 0:
            out = np.repeat(out / (width // count), width // count, axis)
            continue
        wide = np.zeros((*out.shape[:axis], width, *out.shape[axis + 1 :]), g.dtype)
        for k, (a, b) in enumerate(bins(width, count)):
            part = out[_along(dims - i, slice(k, k + 1))]
            wide[_along(dims - i, slice(a, b))] += part / (b - a)
        out = wide
    return out.astype(g.dtype, copy=False)


def tiled_largest(x: Array, size: Ints) -> tuple[Array, Array]:
    """The largest elements of the tiles and where they are: the first, or the last NaN."""
    n = len(size)
    image = x.shape[x.ndim - n :]
    numbers = np.arange(math.prod(image)).reshape(image)
    values, places = x, np.broadcast_to(numbers, x.shape)
    for i in reversed(range(n)):  # from the innermost on: the first of the first row that has one
        axis = x.ndim - n + i
        tiles = [slice(a, b) for a, b in bins(image[i], size[i])]
        whole = (*values.shape[:axis], len(tiles), *values.shape[axis + 1 :])
        kept, where = np.empty(whole, x.dtype), np.empty(whole, np.int64)
        for k, tile in enumerate(tiles):
            part = values[_along(n - i, tile)]
            best = np.expand_dims(_largest_place(part, axis), axis)
            at = _along(n - i, slice(k, k + 1))
            kept[at] = np.take_along_axis(part, best, axis)
            where[at] = np.take_along_axis(places[_along(n - i, tile)], best, axis)
        values, places = kept, where
    return values, places


def _largest_place(part: Array, axis: int) -> Array:
    """Where the first largest element along an axis is, or the last NaN."""
    best = part.argmax(axis)
    if part.dtype.kind != "f":
        return best  # type: ignore[no-any-return]
    nan = np.isnan(part)
    last = part.shape[axis] - 1 - np.flip(nan, axis).argmax(axis)
    return np.where(nan.any(axis), last, best)
