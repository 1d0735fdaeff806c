"""Weights laid out anew for the gradient by the data of a convolution with a stride.

Its phases each meet few taps, and walk through them by output channel: w (O, C / groups, taps)
becomes, group by group, (C / groups, taps, O / groups).
"""

from __future__ import annotations

from functools import partial

from .conv_code import SIZE, Lanes
from .conv_frame import Correlation, odd_pitch
from .conv_weight import transpose
from .ir_text import Code
from .kernel import Buf, Kernel, Launch, Target
from .planning import Room

_BLOCK = 256
"""Columns of a task."""


def pays(p: Correlation) -> bool:
    """Whether the weights don't fit into the first-level cache as they are."""
    count = sum(map(len, p.phases))
    return count > 1 and p.rows * p.channels * count * SIZE[p.dtype] > (32 << 10)


def packed(room: Room, p: Correlation, label: str) -> tuple[Correlation, Launch]:
    """The correlation with its weights laid out anew, and the launch that does it."""
    size, (taps, across, group) = SIZE[p.dtype], p.a_strides
    pitch = odd_pitch(p.channels, size)
    step = pitch // size
    to = Buf(room.temporary(p.groups * across * pitch))
    blocks = -(-across // _BLOCK)
    kernel = Kernel("conv_pack", ("conv pack", p.dtype), partial(_emit, dtype=p.dtype))
    steps = (group * size, across * pitch, pitch)
    args: tuple[int | Buf, ...] = (p.a, to, p.channels, across, blocks, *steps)
    moved = 2.0 * size * p.groups * group
    first = Launch(kernel, args, p.groups * blocks, 0.0, moved, 1, label + ": weights")
    phases = tuple(tuple(t._replace(a=t.a * step) for t in phase) for phase in p.phases)
    strides = (taps * step, 1, across * step)
    return p._replace(a=to, phases=phases, a_strides=strides), first


def _emit(target: Target, symbol: str, dtype: str) -> str:
    """to[group][j][i] = w[group][i][j] for `rows` i and `columns` j. Arguments: w, to, rows,
    columns, blocks of columns, bytes from group to group in w and in to, bytes from j to j."""
    c = Code(target, symbol)
    w, to = c.buffer(), c.buffer()
    rows, columns, blocks, from_group, to_group, pitch = c.words(6)
    v = Lanes(c, dtype)
    with c.loop(c.begin, c.end) as task:
        group, j = task // blocks, task % blocks * _BLOCK
        transpose(
            c, v, c.at(c.at(w, group * from_group, "i8"), j, v.element), columns * v.size,
            c.at(to, group * to_group + j * pitch, "i8"), pitch, rows, (columns - j).min(_BLOCK),
        )  # fmt: skip
    return c.text()
