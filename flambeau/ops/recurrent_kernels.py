"""Recurrent networks over whole sequences, in NumPy: the steps of a packed sequence one after the
other, each for all sequences that still run.

A packed sequence has its rows step after step; `sizes[t]` of them belong to step t, and the
sequences are sorted so that those still running are the first. Going backward, a sequence begins
where it ends. What a step needs again for its derivative is kept in `reserve`: planes of rows, one
after the other. `length` is for the compiler (`lowering.recurrent`).
The four gates of an LSTM and the three of a GRU lie side by side, in PyTorch's order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _steps(sizes: Array, backward: bool) -> list[tuple[int, int]]:
    """Each step's rows, in the order in which they are computed."""
    ends = np.cumsum(sizes).tolist()
    rows = [(end - n, end) for end, n in zip(ends, sizes.tolist(), strict=True)]
    return rows[::-1] if backward else rows


def _halves(width: int, hidden: int, tanh_from: int, kind: Any) -> Array:
    """1 for the columns that go through tanh, 1/2 for those through sigmoid:
    sigmoid(x) = (1 + tanh(x / 2)) / 2, so one call of tanh serves all gates."""
    scale = np.full(width, 0.5, kind)
    scale[tanh_from : tanh_from + hidden] = 1
    return scale


# --- LSTM -----------------------------------------------------------------------------------------


def lstm(
    gates: Array, weight: Array, hidden: Array, cell: Array, sizes: Array, backward: bool,
    length: int = 0,
) -> tuple[Array, Array, Array, Array]:
    """Outputs (rows, H), the last h and c (batch, H), and reserve (5 rows, H): i, f, g, o and c."""
    n = hidden.shape[1]
    kind = gates.dtype
    turned = np.ascontiguousarray(weight.T)
    scale = _halves(4 * n, n, 2 * n, kind)
    shift = 1 - scale
    output = np.empty((len(gates), n), kind)
    reserve = np.empty((5, len(gates), n), kind)
    h, c = hidden.copy(), cell.copy()
    part = np.empty_like(h)
    for start, end in _steps(sizes, backward):
        b = end - start
        acts = h[:b] @ turned
        acts += gates[start:end]
        acts *= scale
        np.tanh(acts, out=acts)
        acts *= scale
        acts += shift
        reserve[:4, start:end] = acts.reshape(b, 4, n).transpose(1, 0, 2)
        now = c[:b]
        now *= acts[:, n : 2 * n]
        now += np.multiply(acts[:, :n], acts[:, 2 * n : 3 * n], out=part[:b])
        reserve[4, start:end] = now
        np.tanh(now, out=part[:b])
        np.multiply(part[:b], acts[:, 3 * n :], out=h[:b])
        output[start:end] = h[:b]
    return output, h, c, reserve.reshape(-1, n)


def _before(
    rows: list[tuple[int, int]], start: Array, kept: Array
) -> Iterator[tuple[int, int, Array]]:
    """Each step's rows with the state before it, the last step first: `start` for a sequence's
    first step, `kept` (a row for each row) of the step before for others."""
    for at in range(len(rows) - 1, -1, -1):
        first, end = rows[at]
        b = end - first
        if at == 0:
            yield first, end, start[:b]
            continue
        low, high = rows[at - 1]
        earlier = kept[low:high]
        if len(earlier) < b:  # backward: longer sequences have run, others begin here
            earlier = np.concatenate([earlier, start[len(earlier) : b]])
        yield first, end, earlier[:b]


def lstm_backward(
    d_output: Array, d_hidden: Array, d_cell: Array, weight: Array, hidden: Array, cell: Array,
    sizes: Array, output: Array, reserve: Array, backward: bool, length: int = 0,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Gradients by the gates (rows, 4 H), the first h and c, and the h before each row."""
    n = hidden.shape[1]
    rows = _steps(sizes, backward)
    d_gates = np.empty((len(output), 4 * n), output.dtype)
    previous = np.empty_like(output)
    dh, dc = d_hidden.copy(), d_cell.copy()
    states = _before(rows, hidden, output)
    planes = reserve.reshape(5, -1, n)
    cells = _before(rows, cell, planes[4])
    for (start, end, h), (_, _, c) in zip(states, cells, strict=True):
        b = end - start
        previous[start:end] = h
        i, f, g, o, now = planes[:, start:end]
        through = np.tanh(now)
        at_h = dh[:b]
        at_h += d_output[start:end]
        at_c = dc[:b]
        at_c += at_h * o * (1 - through * through)
        d = d_gates[start:end]
        d[:, :n] = at_c * g * i * (1 - i)
        d[:, n : 2 * n] = at_c * c * f * (1 - f)
        d[:, 2 * n : 3 * n] = at_c * i * (1 - g * g)
        d[:, 3 * n :] = at_h * through * o * (1 - o)
        at_c *= f
        np.matmul(d, weight, out=at_h)
    return d_gates, dh, dc, previous


# --- GRU ------------------------------------------------------------------------------------------


def gru(
    gates: Array, weight: Array, bias: Array | None, hidden: Array, sizes: Array, backward: bool,
    length: int = 0,
) -> tuple[Array, Array, Array]:
    """Outputs (rows, H), the last h, and reserve (4 rows, H): r, z, n and h's part in n."""
    n = hidden.shape[1]
    kind = gates.dtype
    turned = np.ascontiguousarray(weight.T)
    output = np.empty((len(gates), n), kind)
    reserve = np.empty((4, len(gates), n), kind)
    h = hidden.copy()
    half = kind.type(0.5)
    for start, end in _steps(sizes, backward):
        b = end - start
        x, (r, z, new, inner) = gates[start:end], reserve[:, start:end]
        sums = h[:b] @ turned
        if bias is not None:
            sums += bias
        both = sums[:, : 2 * n]
        both += x[:, : 2 * n]
        both *= half
        np.tanh(both, out=both)
        both *= half
        both += half
        r[...], z[...], inner[...] = both[:, :n], both[:, n:], sums[:, 2 * n :]
        np.multiply(r, inner, out=new)
        new += x[:, 2 * n :]
        np.tanh(new, out=new)
        now = h[:b]
        now -= new
        now *= z
        now += new
        output[start:end] = now
    return output, h, reserve.reshape(-1, n)


def gru_backward(
    d_output: Array, d_hidden: Array, weight: Array, hidden: Array, sizes: Array, output: Array,
    reserve: Array, backward: bool, length: int = 0,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Gradients by the input's gates and by the hidden state's (rows, 3 H), by the first h, and
    the h before each row."""
    n = hidden.shape[1]
    d_gates = np.empty((len(output), 3 * n), output.dtype)
    d_sums = np.empty_like(d_gates)
    previous = np.empty_like(output)
    dh = d_hidden.copy()
    planes = reserve.reshape(4, -1, n)
    for start, end, h in _before(_steps(sizes, backward), hidden, output):
        b = end - start
        previous[start:end] = h
        r, z, new, inner = planes[:, start:end]
        at_h = dh[:b]
        at_h += d_output[start:end]
        d, s = d_gates[start:end], d_sums[start:end]
        at_new = d[:, 2 * n :]
        np.multiply(at_h * (1 - z), 1 - new * new, out=at_new)
        d[:, :n] = at_new * inner * r * (1 - r)
        d[:, n : 2 * n] = at_h * (h - new) * z * (1 - z)
        s[:, : 2 * n] = d[:, : 2 * n]
        np.multiply(at_new, r, out=s[:, 2 * n :])
        at_h *= z
        at_h += s @ weight
    return d_gates, d_sums, dh, previous


# --- plain ----------------------------------------------------------------------------------------


def plain(
    gates: Array, weight: Array, hidden: Array, sizes: Array, backward: bool, relu: bool,
    length: int = 0,
) -> tuple[Array, Array]:
    """Outputs (rows, H) and the last h of h' = tanh(gates + W h), or with relu."""
    turned = np.ascontiguousarray(weight.T)
    output = np.empty((len(gates), hidden.shape[1]), gates.dtype)
    h = hidden.copy()
    for start, end in _steps(sizes, backward):
        now = output[start:end]
        np.matmul(h[: end - start], turned, out=now)
        now += gates[start:end]
        if relu:
            np.maximum(now, 0, out=now)
        else:
            np.tanh(now, out=now)
        h[: end - start] = now
    return output, h


def plain_backward(
    d_output: Array, d_hidden: Array, weight: Array, hidden: Array, sizes: Array, output: Array,
    backward: bool, relu: bool, length: int = 0,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Gradients by the gates (rows, H) and by the first h, and the h before each row."""
    d_gates = np.empty_like(output)
    previous = np.empty_like(output)
    dh = d_hidden.copy()
    for start, end, h in _before(_steps(sizes, backward), hidden, output):
        previous[start:end] = h
        at_h = dh[: end - start]
        at_h += d_output[start:end]
        y, d = output[start:end], d_gates[start:end]
        np.multiply(at_h, y > 0 if relu else 1 - y * y, out=d)
        np.matmul(d, weight, out=at_h)
    return d_gates, dh, previous
