"""Convolutions as launches of native kernels: forward, by data, by weight.

All arrays are dense, channels before positions; nothing is laid out anew between layers. One and
two dimensions are three with sizes of one. A planner returns None for what it leaves to NumPy.
"""

from __future__ import annotations

import math

from . import conv_plan, conv_plan_weight, conv_plan_winograd
from .conv_code import SIZE
from .conv_plan import Correlation, Tap
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
        at = [k * d - p for k, d, p in zip((z, y, x), dilation, padding)]
        taps.append(Tap(*at, i))
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
    positions = math.prod(out)
    return Correlation(
        x.dtype, _buf(x), _buf(w), _buf(y), None if bias is None else _buf(bias), x.shape[0],
        groups, channels, rows, size, _three(stride, 1),
        tuple(_offsets(kernel, _three(padding, 0), _three(dilation, 1))), out,
        (y.shape[1] * positions, positions, out[1] * out[2], out[2], 1),
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
    d, h, l = size
    strides = (dx.shape[1] * d * h * l, d * h * l, h * l * steps[0], l * steps[1], steps[2])
    offsets = _offsets(kernel, _three(padding, 0), _three(dilation, 1))
    found: list[Launch] = []
    for i in range(math.prod(steps)):
        z, rest = divmod(i, steps[1] * steps[2])
        phase = (z, *divmod(rest, steps[2]))
        part = tuple(-(-(n - a) // s) for n, a, s in zip(size, phase, steps))
        if min(part) <= 0:
            continue
        taps = []
        for t in offsets:
            back = [a - b for a, b in zip(phase, (t.z, t.y, t.x))]
            if all(b % s == 0 for b, s in zip(back, steps)):
                taps.append(Tap(*(b // s for b, s in zip(back, steps)), t.a))
        at = ((phase[0] * h + phase[1]) * l + phase[2]) * g.itemsize
        p = Correlation(
            g.dtype, _buf(g), _buf(w), Buf(dx.slot, dx.offset * dx.itemsize + at), None, g.shape[0],
            groups, rows, channels, out, (1, 1, 1), tuple(taps), part, strides,
            (count, channels * count, rows * channels * count),
        )  # fmt: skip
        found += _launches(room, p, _label(dx, w, stride, "by data"))
    return found


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
    return conv_plan_weight.launches(room, p, _label(x, dw, stride, "by weight"))
