"""Padding with a number: a unit of the output is either the number or a unit of the input."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ..odometer import INTEGER
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
    divisor_words,
    lanes,
    launch,
    narrow,
    touched,
    units,
    wide,
)
from .special_copy import copy, splat


def pad(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> list[GpuLaunch] | None:
    """x, a 0-d number of the same dtype → x with so much of it in front of and behind each
    dimension; params: for each dimension (in front, behind)."""
    (x, number), (y,) = inputs, outputs
    if number.dtype != x.dtype or y.dtype != x.dtype or not dense(x, y):
        return None
    if not y.shape or 0 in y.shape:
        return [] if 0 in y.shape else None
    if 0 in x.shape:
        return copy(room, number._replace(shape=y.shape, strides=(0,) * len(y.shape)), y)
    dims: list[tuple[int, int, int]] = []  # size, in front, size of the output
    for n, (low, _), size in zip(x.shape, params, y.shape, strict=True):
        last = dims[-1] if dims else None
        if last and low == 0 and n == size:  # a whole dimension joins the one before
            dims[-1] = (last[0] * n, last[1] * n, last[2] * n)
        else:
            dims.append((n, low, size))
    k = lanes(x.itemsize, (aligned(room, x), aligned(room, y)), dims[-1])
    dims[-1] = (dims[-1][0] // k, dims[-1][1] // k, dims[-1][2] // k)
    total = math.prod(d[2] for d in dims)
    args: Words = (buffer(x), buffer(number), buffer(y), total, math.prod(d[0] for d in dims))
    for n, low, size in dims:
        args = (*args, n, low, *divisor_words(size))
    small, size = narrow(x, y), x.itemsize
    emit = partial(_emit, size=size, n=k, rank=len(dims), small=small)
    made = GpuKernel(f"pad{8 * size * k}", ("pad", size, k, len(dims), small), emit)
    return [launch(made, args, blocks_of(total), moved=touched(x, y))]


PLANNERS = {"pad": pad}


def _emit(target: Target, symbol: str, size: int, n: int, rank: int, small: bool) -> str:
    """for each unit of y: y = x's unit, if there is one, or the number"""
    c = Code(target, symbol, small)
    x, number, y = c.buffer(), c.buffer(), c.buffer()
    total, known = c.whole(), c.whole()
    dims = [(c.whole(), c.whole(), c.over()) for _ in range(rank)]
    unit = wide(size, n)
    only = splat(c, c.load(INTEGER[size], number), unit, n)

    def load(i: Val) -> Val:
        inside, at, step = c.const("i1", 1), c.number(0), c.number(1)
        for k, (count, low, over) in reversed(list(enumerate(dims))):
            i, p = over.split(i) if k else (i, i)
            p = p - low
            inside = inside & p.compare("ult", count)
            at = at + p * step
            step = step * count
        found = c.fetch(unit, x, at.max(0).min(known - 1))
        return c.select(inside, found, only)

    units(c, total, load, lambda i, v: c.put(v, y, i))
    return c.text()
