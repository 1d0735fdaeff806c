"""Lowerings of recurrent layers over sequences of one length: their steps one after the other, so
that products are kernels of ours and each step's gates one loop. Where lengths differ, or are so
many that the program would be long, the reference is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .common import Node
from .moves import cat, part
from .pointwise import sigmoid

LONGEST = 200
"""Steps of a sequence up to which they are written out."""


def _order(length: int, backward: bool) -> Sequence[int]:
    return range(length - 1, -1, -1) if backward else range(length)


def _rows(b: Any, x: Node, t: int, batch: int, plane: int = 0) -> Node:
    """The rows of step t, in the plane of that number of a reserve."""
    return part(b, x, 0, (plane * (x.shape[0] // batch) + t) * batch, batch)


def _gates(b: Any, x: Node, count: int) -> list[Node]:
    n = x.shape[1] // count
    return [part(b, x, 1, k * n, n) for k in range(count)]


def _turned(b: Any, weight: Node) -> Node:
    return b.permute(weight, (1, 0))


def _fits(length: int, batch: int) -> bool:
    return 0 < length <= LONGEST and batch > 0


def _one_less_square(b: Any, y: Node) -> Node:
    return b.sub(1.0, b.mul(y, y))


def _slope(b: Any, y: Node) -> Node:
    """The derivative of a sigmoid from its result."""
    return b.mul(y, b.sub(1.0, y))


def _planes(b: Any, steps: Sequence[Sequence[Node]]) -> Node:
    """A reserve: plane after plane, each with the rows of all steps in the order of time."""
    return cat(b, [step[k] for k in range(len(steps[0])) for step in steps], 0)


def _shifted(b: Any, first: Node, output: Node, backward: bool) -> Node:
    """The state before each row, from the first and the outputs."""
    batch, kept = first.shape[0], output.shape[0] - first.shape[0]
    if not kept:
        return first
    if backward:
        return cat(b, [part(b, output, 0, batch, kept), first], 0)
    return cat(b, [first, part(b, output, 0, 0, kept)], 0)


def _before(t: int, length: int, backward: bool) -> int | None:
    """The step that is computed before step t, None if there is none."""
    at = t + 1 if backward else t - 1
    return at if 0 <= at < length else None


# --- LSTM -----------------------------------------------------------------------------------------


def lstm(
    b: Any, gates: Node, weight: Node, h: Node, c: Node, sizes: Node, backward: bool, length: int
) -> tuple[Node, ...] | None:
    batch = h.shape[0]
    if not _fits(length, batch):
        return None
    turned = _turned(b, weight)
    outputs: list[Any] = [None] * length
    kept: list[Any] = [None] * length
    for t in _order(length, backward):
        i, f, g, o = _gates(b, b.add(b.matmul(h, turned), _rows(b, gates, t, batch)), 4)
        i, f, g, o = sigmoid(b, i), sigmoid(b, f), b.tanh(g), sigmoid(b, o)
        c = b.add(b.mul(f, c), b.mul(i, g))
        outputs[t] = h = b.mul(o, b.tanh(c))
        kept[t] = (i, f, g, o, c)
    return cat(b, outputs, 0), h, c, _planes(b, kept)


def lstm_backward(
    b: Any, d_output: Node, dh: Node, dc: Node, weight: Node, hidden: Node, cell: Node, sizes: Node,
    output: Node, reserve: Node, backward: bool, length: int,
) -> tuple[Node, ...] | None:  # fmt: skip
    batch = hidden.shape[0]
    if not _fits(length, batch):
        return None
    planes = 5
    whole = reserve.shape[0] // planes

    def at(plane: int, t: int) -> Node:
        return part(b, reserve, 0, plane * whole + t * batch, batch)

    found: list[Any] = [None] * length
    for t in reversed(_order(length, backward)):
        i, f, g, o, now = (at(k, t) for k in range(planes))
        earlier = _before(t, length, backward)
        before = cell if earlier is None else at(4, earlier)
        through = b.tanh(now)
        dh = b.add(dh, _rows(b, d_output, t, batch))
        dc = b.add(dc, b.mul(b.mul(dh, o), _one_less_square(b, through)))
        found[t] = d = cat(b, [
            b.mul(b.mul(dc, g), _slope(b, i)), b.mul(b.mul(dc, before), _slope(b, f)),
            b.mul(b.mul(dc, i), _one_less_square(b, g)), b.mul(b.mul(dh, through), _slope(b, o)),
        ], 1)  # fmt: skip
        dc = b.mul(dc, f)
        dh = b.matmul(d, weight)
    return cat(b, found, 0), dh, dc, _shifted(b, hidden, output, backward)


# --- GRU ------------------------------------------------------------------------------------------


def gru(
    b: Any, gates: Node, weight: Node, bias: Node | None, h: Node, sizes: Node, backward: bool,
    length: int,
) -> tuple[Node, ...] | None:  # fmt: skip
    batch = h.shape[0]
    if not _fits(length, batch):
        return None
    turned = _turned(b, weight)
    outputs: list[Any] = [None] * length
    kept: list[Any] = [None] * length
    for t in _order(length, backward):
        sums = b.matmul(h, turned)
        if bias is not None:
            sums = b.add(sums, bias)
        x_r, x_z, x_n = _gates(b, _rows(b, gates, t, batch), 3)
        h_r, h_z, inner = _gates(b, sums, 3)
        r, z = sigmoid(b, b.add(x_r, h_r)), sigmoid(b, b.add(x_z, h_z))
        n = b.tanh(b.add(x_n, b.mul(r, inner)))
        outputs[t] = h = b.add(n, b.mul(z, b.sub(h, n)))
        kept[t] = (r, z, n, inner)
    return cat(b, outputs, 0), h, _planes(b, kept)


def gru_backward(
    b: Any, d_output: Node, dh: Node, weight: Node, hidden: Node, sizes: Node, output: Node,
    reserve: Node, backward: bool, length: int,
) -> tuple[Node, ...] | None:  # fmt: skip
    batch = hidden.shape[0]
    if not _fits(length, batch):
        return None
    planes = 4
    whole = reserve.shape[0] // planes
    by_gates: list[Any] = [None] * length
    by_sums: list[Any] = [None] * length
    for t in reversed(_order(length, backward)):
        r, z, n, inner = (
            part(b, reserve, 0, k * whole + t * batch, batch) for k in range(planes)
        )
        earlier = _before(t, length, backward)
        before = hidden if earlier is None else _rows(b, output, earlier, batch)
        dh = b.add(dh, _rows(b, d_output, t, batch))
        d_n = b.mul(b.mul(dh, b.sub(1.0, z)), _one_less_square(b, n))
        d_r = b.mul(b.mul(d_n, inner), _slope(b, r))
        d_z = b.mul(b.mul(dh, b.sub(before, n)), _slope(b, z))
        by_gates[t] = cat(b, [d_r, d_z, d_n], 1)
        by_sums[t] = s = cat(b, [d_r, d_z, b.mul(d_n, r)], 1)
        dh = b.add(b.mul(dh, z), b.matmul(s, weight))
    previous = _shifted(b, hidden, output, backward)
    return cat(b, by_gates, 0), cat(b, by_sums, 0), dh, previous


# --- plain ----------------------------------------------------------------------------------------


def plain(
    b: Any, gates: Node, weight: Node, h: Node, sizes: Node, backward: bool, relu: bool, length: int
) -> tuple[Node, ...] | None:
    batch = h.shape[0]
    if not _fits(length, batch):
        return None
    turned = _turned(b, weight)
    curve: Callable[[Node], Node] = (lambda x: b.max(x, 0.0)) if relu else b.tanh
    outputs: list[Any] = [None] * length
    for t in _order(length, backward):
        outputs[t] = h = curve(b.add(b.matmul(h, turned), _rows(b, gates, t, batch)))
    return cat(b, outputs, 0), h


def plain_backward(
    b: Any, d_output: Node, dh: Node, weight: Node, hidden: Node, sizes: Node, output: Node,
    backward: bool, relu: bool, length: int,
) -> tuple[Node, ...] | None:  # fmt: skip
    batch = hidden.shape[0]
    if not _fits(length, batch):
        return None
    found: list[Any] = [None] * length
    for t in reversed(_order(length, backward)):
        y = _rows(b, output, t, batch)
        dh = b.add(dh, _rows(b, d_output, t, batch))
        if relu:
            d = b.select(b.gt(y, 0.0), dh, 0.0)
        else:
            d = b.mul(dh, _one_less_square(b, y))
        found[t] = d
        dh = b.matmul(d, weight)
    return cat(b, found, 0), dh, _shifted(b, hidden, output, backward)
