"""Convolutions on a GPU as products whose factors are never unfolded (`gemm_index`).

Over one to three dimensions, channels second, arrays as they lie (row-major). With taps t of the
kernel, positions p of the output, q of the data:

    forward   y[o, (n, p)]  = sum over (c, t) of w[o, (c, t)]  x[(c, t), (n, p)]
    input     dx[c, (n, q)] = sum over (o, t) of w[(o, t), c]  g[(o, t), (n, q)]
    weight    dw[o, (c, t)] = sum over (n, p) of g[o, (n, p)]  x[(n, p), (c, t)]

Groups are a batch. With a stride s, positions of the data that are equal modulo s form a phase: such
a phase meets every s'th tap (s' = s / gcd(s, dilation)), or none, and is a product of its own.
"""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

from ..planning import Placed
from . import gemm_plan
from .gemm_code import SIZE
from .gemm_index import Axis, Bound, Digit, axis
from .gemm_plan import Bias, Operand, Problem, Result
from .kernel import GpuLaunch, Room

Ints = tuple[int, ...]


class Way(NamedTuple):
    """How one dimension is gone through: position i and tap j meet the coordinate
    start + i * step + j * turn, of `limit`, whose elements are `stride` apart."""

    positions: int
    step: int
    taps: int
    turn: int
    start: int
    limit: int
    stride: int

    @property
    def inside(self) -> bool:
        """Whether no coordinate is out of bounds."""
        moves = ((self.positions - 1) * self.step, (self.taps - 1) * self.turn)
        low = self.start + sum(m for m in moves if m < 0)
        high = self.start + sum(m for m in moves if m > 0)
        return low >= 0 and high < self.limit


def walked(x: Placed, ways: list[Way], images: Digit, channels: Digit, batch: Axis) -> Operand:
    """An array as (image, position) by (channel, tap)."""
    positions, taps = [images], [channels]
    bounds: list[Bound] = []
    for w in ways:
        checked = not w.inside
        on = len(bounds) if checked else -1
        positions.append(Digit(w.positions, w.step * w.stride, on, w.step * checked))
        taps.append(Digit(max(w.taps, 1), w.turn * w.stride, on, w.turn * checked))
        if checked:
            bounds.append(Bound(w.start, w.limit))
    start = sum(w.start * w.stride for w in ways)
    offset, shift = (x.offset, start) if bounds else (x.offset + start, 0)
    return Operand(x.slot, x.dtype, offset, axis(*positions), axis(*taps), batch, tuple(bounds), shift)


def strides(sizes: Ints) -> list[int]:
    """Of a row-major array."""
    return [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]


def label(x: Placed, w: Placed, stride: Ints, what: str) -> str:
    """As people write it: conv 64->128 3x3 s2 32x32 forward."""

    def times(sizes: Ints) -> str:
        return "x".join(map(str, sizes))

    return f"conv {x.shape[1]}->{w.shape[0]} {times(w.shape[2:])} s{stride[-1]} {times(x.shape[2:])} {what}"


def able(*arrays: Placed | None) -> bool:
    """Whether the kernels can work on these arrays."""
    given = [a for a in arrays if a is not None]
    floats = all(a.dtype in SIZE for a in given)
    return floats and all(a.dense and len(a.shape) <= 5 for a in given if len(a.shape) > 1)


def plan_forward(
    room: Room, x: Placed, w: Placed, bias: Placed | None, y: Placed, stride: Ints, padding: Ints,
    dilation: Ints, groups: int, tf32: bool = False, activation: str = "",
) -> list[GpuLaunch] | None:  # fmt: skip
    """y (N, O, *) = activation(x (N, C, *) correlated with w (O, C / groups, *kernel), plus bias (O,))."""
    if not able(x, w, bias, y):
        return None
    if 0 in y.shape:
        return []
    images, outputs, out = y.shape[0], w.shape[0] // groups, y.shape[2:]
    channels, count = w.shape[1], math.prod(w.shape[2:])
    size, positions = math.prod(x.shape[2:]), math.prod(out)
    ways = [
        Way(p, s, t, d, -pad, n, step)
        for p, s, t, d, pad, n, step in zip(
            out, stride, w.shape[2:], dilation, padding, x.shape[2:], strides(x.shape[2:]), strict=True
        )
    ]
    depth = channels * count
    a = Operand(
        w.slot, w.dtype, w.offset, axis(Digit(outputs, depth)), axis(Digit(depth, 1)),
        axis(Digit(groups, outputs * depth)),
    )  # fmt: skip
    by_group = axis(Digit(groups, channels * size))
    b = walked(x, ways, Digit(images, x.shape[1] * size), Digit(channels, size), by_group)
    result = Result(
        y.slot, y.dtype, y.offset, axis(Digit(outputs, positions)),
        axis(Digit(images, y.shape[1] * positions), Digit(positions, 1)),
        axis(Digit(groups, outputs * positions)),
    )  # fmt: skip
    added = None
    if bias is not None:
        step = bias.strides[0] if bias.shape[0] > 1 else 1
        added = Bias(bias.slot, bias.dtype, bias.offset, step, 0, axis(Digit(groups, outputs * step)))
    return gemm_plan.plan(room, Problem(
        outputs, images * positions, depth, groups, a, b, result, added, activation=activation, tf32=tf32,
        label=label(x, w, stride, "forward")))  # fmt: skip


class Phase(NamedTuple):
    """Positions of the data, along one dimension, that are equal modulo the stride."""

    first: int
    step: int
    """From one to the next: the stride."""
    length: int
    tap: int
    """The first tap that they meet..."""
    taps: int
    """...and how many, `apart`."""
    apart: int
    start: int
    """Where the first tap meets the gradient, for the first of them."""
    turn: int
    """Moved by each further tap."""


def phases(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[Phase]:
    """The phases of a dimension of the data: position q and tap t meet the gradient's position
    (q + padding - t * dilation) / stride, where that is whole."""
    out = []
    common = math.gcd(stride, dilation)
    apart = stride // common
    for first in range(min(stride, size)):
        met = [t for t in range(min(apart, kernel)) if (first + padding - t * dilation) % stride == 0]
        tap = met[0] if met else 0
        taps = -(-(kernel - tap) // apart) if met else 0
        start = (first + padding - tap * dilation) // stride
        count = -(-(size - first) // stride)
        out.append(Phase(first, stride, count, tap, taps, apart, start, -dilation // common))
    return out


def plan_input(
    room: Room, g: Placed, w: Placed, dx: Placed, stride: Ints, padding: Ints, dilation: Ints, groups: int,
    tf32: bool = False,
) -> list[GpuLaunch] | None:  # fmt: skip
    """dx (N, C, *): the gradient by the data, from g (N, O, *)."""
    if not able(g, w, dx):
        return None
    if 0 in dx.shape:
        return []
    found: list[GpuLaunch] = []
    each = [
        phases(n, t, s, p, d)
        for n, t, s, p, d in zip(dx.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    ]
    for phase in product(*each):
        part = gemm_plan.plan(room, _phase(g, w, dx, phase, groups, tf32, label(dx, w, stride, "by data")))
        if part is None:
            return None
        found += part
    return found


def _phase(
    g: Placed, w: Placed, dx: Placed, phase: tuple[Phase, ...], groups: int, tf32: bool, name: str
) -> Problem:
    """The product that makes the positions of one phase."""
    images, outputs, channels = dx.shape[0], w.shape[0] // groups, w.shape[1]
    out, size, count = g.shape[2:], dx.shape[2:], math.prod(w.shape[2:])
    positions, total = math.prod(out), math.prod(size)
    ways = [
        Way(f.length, 1, f.taps, f.turn, f.start, n, step)
        for f, n, step in zip(phase, out, strides(out), strict=True)
    ]
    tap = strides(w.shape[2:])
    taps = [Digit(max(f.taps, 1), f.apart * s) for f, s in zip(phase, tap, strict=True)]
    a = Operand(
        w.slot, w.dtype, w.offset + sum(f.tap * s for f, s in zip(phase, tap, strict=True)),
        axis(Digit(channels, count)), axis(Digit(outputs, channels * count), *taps),
        axis(Digit(groups, outputs * channels * count)),
    )  # fmt: skip
    by_group = axis(Digit(groups, outputs * positions))
    b = walked(g, ways, Digit(images, g.shape[1] * positions), Digit(outputs, positions), by_group)
    to = strides(size)
    moved = [Digit(f.length, s * f.step) for f, s in zip(phase, to, strict=True)]
    result = Result(
        dx.slot, dx.dtype, dx.offset + sum(f.first * s for f, s in zip(phase, to, strict=True)),
        axis(Digit(channels, total)), axis(Digit(images, dx.shape[1] * total), *moved),
        axis(Digit(groups, channels * total)),
    )  # fmt: skip
    depth = outputs * math.prod(f.taps for f in phase)
    columns = images * math.prod(f.length for f in phase)
    return Problem(channels, columns, depth, groups, a, b, result, tf32=tf32, label=name)


def plan_weight(
    room: Room, g: Placed, x: Placed, dw: Placed, stride: Ints, padding: Ints, dilation: Ints, groups: int,
    tf32: bool = False,
) -> list[GpuLaunch] | None:  # fmt: skip
    """dw (O, C / groups, *kernel): the gradient by the weight, from g (N, O, *) and x (N, C, *)."""
    if not able(g, x, dw):
        return None
    if 0 in dw.shape:
        return []
    images, outputs, out = g.shape[0], dw.shape[0] // groups, g.shape[2:]
    channels, count = dw.shape[1], math.prod(dw.shape[2:])
    size, positions = math.prod(x.shape[2:]), math.prod(out)
    ways = [
        Way(p, s, t, d, -pad, n, step)
        for p, s, t, d, pad, n, step in zip(
            out, stride, dw.shape[2:], dilation, padding, x.shape[2:], strides(x.shape[2:]), strict=True
        )
    ]
    a = Operand(
        g.slot, g.dtype, g.offset, axis(Digit(outputs, positions)),
        axis(Digit(images, g.shape[1] * positions), Digit(positions, 1)),
        axis(Digit(groups, outputs * positions)),
    )  # fmt: skip
    by_group = axis(Digit(groups, channels * size))
    b = walked(x, ways, Digit(images, x.shape[1] * size), Digit(channels, size), by_group)
    b = b._replace(mn=b.k, k=b.mn)
    columns = channels * count
    result = Result(
        dw.slot, dw.dtype, dw.offset, axis(Digit(outputs, columns)), axis(Digit(columns, 1)),
        axis(Digit(groups, outputs * columns)),
    )  # fmt: skip
    return gemm_plan.plan(room, Problem(
        outputs, columns, images * positions, groups, a, b, result, tf32=tf32,
        label=label(x, dw, stride, "by weight")))  # fmt: skip
