"""Lowerings of recurrent layers over sequences of one length: their steps one after the other, so
that products are kernels of ours and each step's gates one loop. Where lengths differ, or are so
many that the program would be long, the reference is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .common import Node
from .moves import cat, part
from .pointwise import sigmoid, sigmoid_backward, tanh_backward

LONGEST = 200
"""Steps of a sequence up to which they are written out."""


def _order(length: int, backward: bool) -> Sequence[int]:
    return range(length - 1, -1, -1) if backward else range(length)


def _rows(b: Any, x: Node, t: int, batch: int) -> Node:
    """The rows of step t."""
    return part(b, x, 0, t * batch, batch)


def _kept(b: Any, reserve: Node, t: int, batch: int, length: int) -> list[Node]:
    """The rows of step t in each plane of a reserve."""
    planes = reserve.shape[0] // (length * batch)
    return [_rows(b, reserve, plane * length + t, batch) for plane in range(planes)]


def _gates(b: Any, x: Node, count: int) -> list[Node]:
    n = x.shape[1] // count
    return [part(b, x, 1, k * n, n) for k in range(count)]


def _turned(b: Any, weight: Node) -> Node:
    return b.permute(weight, (1, 0))


def _fits(length: int, batch: int) -> bool:
    return 0 < length <= LONGEST and batch > 0


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
    found: list[Any] = [None] * length
    for t in reversed(_order(length, backward)):
        i, f, g, o, now = _kept(b, reserve, t, batch, length)
        earlier = _before(t, length, backward)
        before = cell if earlier is None else _kept(b, reserve, earlier, batch, length)[4]
        through = b.tanh(now)
        dh = b.add(dh, _rows(b, d_output, t, batch))
        dc = b.add(dc, tanh_backward(b, b.mul(dh, o), through))
        found[t] = d = cat(b, [
            sigmoid_backward(b, b.mul(dc, g), i), sigmoid_backward(b, b.mul(dc, before), f),
            tanh_backward(b, b.mul(dc, i), g), sigmoid_backward(b, b.mul(dh, through), o),
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
    by_gates: list[Any] = [None] * length
    by_sums: list[Any] = [None] * length
    for t in reversed(_order(length, backward)):
        r, z, n, inner = _kept(b, reserve, t, batch, length)
        earlier = _before(t, length, backward)
        before = hidden if earlier is None else _rows(b, output, earlier, batch)
        dh = b.add(dh, _rows(b, d_output, t, batch))
        d_n = tanh_backward(b, b.mul(dh, b.sub(1.0, z)), n)
        d_r = sigmoid_backward(b, b.mul(d_n, inner), r)
        d_z = sigmoid_backward(b, b.mul(dh, b.sub(before, n)), z)
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
            d = tanh_backward(b, dh, y)
        found[t] = d
        dh = b.matmul(d, weight)
    return cat(b, found, 0), dh, _shifted(b, hidden, output, backward)
