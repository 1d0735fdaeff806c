"""Convolutions as launches of native kernels: forward, by data, by weight.

All arrays are dense, channels before positions; nothing is laid out anew between layers. One and
two dimensions are three with sizes of one. A planner returns None for what it leaves to NumPy.
"""

from __future__ import annotations

import math
from itertools import product

from . import conv_pack, conv_plan, conv_plan_weight, conv_plan_winograd
from .conv_code import SIZE
from .conv_frame import Correlation, Tap
from .kernel import Buf, Launch
from .planning import Placed, Room

Ints = tuple[int, ...]


def _three(sizes: Ints, fill: int) -> Ints:
    """Sizes of three dimensions: one and two are the last ones."""
    return (fill,) * (3 - len(sizes)) + tuple(sizes)


def _buf(x: Placed) -> Buf:
    return Buf(x.slot, x.offset * x.itemsize)


def _label(x: Placed, w: Placed, stride: Ints, what: str) -> str:
    """As people write it: conv 64->128 3x3 s2 32x32 forward."""
    times = lambda sizes: "x".join(map(str, sizes))  # noqa: E731
    return (
        f"conv {x.shape[1]}->{w.shape[0]} {times(w.shape[2:])} s{stride[-1]} "
        f"{times(x.shape[2:])} {what}"
    )


def _able(*arrays: Placed | None) -> bool:
    """Whether the kernels can work on these arrays."""
    given = [a for a in arrays if a is not None]
    return given[0].dtype in SIZE and all(
        a.dense and a.dtype == given[0].dtype and a.shape and len(a.shape) <= 5 for a in given
    )


def _offsets(kernel: Ints, padding: Ints, dilation: Ints) -> list[Tap]:
    """Where taps read beside a position times the stride."""
    taps = []
    for i in range(math.prod(kernel)):
        z, rest = divmod(i, kernel[1] * kernel[2])
        y, x = divmod(rest, kernel[2])
        z, y, x = (k * d - p for k, d, p in zip((z, y, x), dilation, padding))
        taps.append(Tap(z, y, x, i))
    return taps


def _launches(room: Room, p: Correlation, label: str) -> list[Launch]:
    how = conv_plan_winograd if conv_plan_winograd.pays(p) else conv_plan
    return how.launches(room, p, label)


def plan_forward(
    room: Room, x: Placed, w: Placed, bias: Placed | None, y: Placed, stride: Ints, padding: Ints,
    dilation: Ints, groups: int,
) -> list[Launch] | None:  # fmt: skip
    """y (N, O, *) = x (N, C, *) correlated with w (O, C / groups, *kernel), plus bias (O,)."""
    if not _able(x, w, bias, y):
        return None
    if 0 in y.shape:
        return []
    if not w.shape[1]:
        return None
    p = _forward(x, w, bias, y, stride, padding, dilation, groups)
    return _launches(room, p, _label(x, w, stride, "forward"))


def _forward(
    x: Placed, w: Placed, bias: Placed | None, y: Placed, stride: Ints, padding: Ints,
    dilation: Ints, groups: int,
) -> Correlation:  # fmt: skip
    kernel, size, out = (_three(a.shape[2:], 1) for a in (w, x, y))
    channels, rows, count = w.shape[1], w.shape[0] // groups, math.prod(kernel)
    return Correlation(
        x.dtype, _buf(x), _buf(w), _buf(y), None if bias is None else _buf(bias), x.shape[0],
        groups, channels, rows, size, _three(stride, 1),
        (tuple(_offsets(kernel, _three(padding, 0), _three(dilation, 1))),), out,
        (channels * count, count, rows * channels * count),
    )  # fmt: skip


def plan_input(
    room: Room, g: Placed, w: Placed, dx: Placed, stride: Ints, padding: Ints, dilation: Ints,
    groups: int,
) -> list[Launch] | None:  # fmt: skip
    """dx (N, C, *): the gradient by the data, from g (N, O, *). With a stride, positions of dx
    that are equal modulo it form a phase: each is a correlation of g with the taps it meets."""
    if not _able(g, w, dx):
        return None
    if 0 in dx.shape:
        return []
    kernel, size, out = (_three(a.shape[2:], 1) for a in (w, dx, g))
    steps = _three(stride, 1)
    channels, rows, count = w.shape[1], w.shape[0] // groups, math.prod(kernel)
    if not rows or 0 in g.shape:
        return None
    offsets = _offsets(kernel, _three(padding, 0), _three(dilation, 1))
    phases = tuple(_phase(offsets, at, steps) for at in product(*map(range, steps)))
    part = tuple(-(-n // s) for n, s in zip(size, steps))
    p = Correlation(
        g.dtype, _buf(g), _buf(w), _buf(dx), None, g.shape[0], groups, rows, channels, out,
        (1, 1, 1), phases, part, (count, channels * count, rows * channels * count), steps, size,
    )  # fmt: skip
    label = _label(dx, w, stride, "by data")
    if len(phases) > 1 and conv_pack.pays(p):
        p, first = conv_pack.packed(room, p, label)
        return [first, *conv_plan.launches(room, p, label)]
    return _launches(room, p, label)


def _phase(offsets: list[Tap], at: Ints, steps: Ints) -> tuple[Tap, ...]:
    """The taps that a phase of the data meets, and where they are in the gradient."""
    found = []
    for t in offsets:
        back = [a - b for a, b in zip(at, t)]
        if all(b % s == 0 for b, s in zip(back, steps)):
            z, y, x = (b // s for b, s in zip(back, steps))
            found.append(Tap(z, y, x, t.a))
    return tuple(found)


def plan_weight(
    room: Room, g: Placed, x: Placed, dw: Placed, stride: Ints, padding: Ints, dilation: Ints,
    groups: int,
) -> list[Launch] | None:  # fmt: skip
    """dw (O, C / groups, *kernel): the gradient by the weight, from g (N, O, *) and x (N, C, *)."""
    if not _able(g, x, dw):
        return None
    if 0 in dw.shape:
        return []
    if 0 in g.shape:
        return None
    p = _forward(x, dw, None, g, stride, padding, dilation, groups)
    label = _label(x, dw, stride, "by weight")
    if conv_plan_winograd.pays(p):
        return conv_plan_winograd.weight_launches(room, p, label)
    return conv_plan_weight.launches(room, p, label)
