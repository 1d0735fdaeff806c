"""Recurrent networks over whole sequences: one operation a layer and direction.

Lengths are data, not structure, so a network over sequences of any lengths is one program. Inputs
come packed (see `recurrent_kernels`), already through their linear map. `length` is the number of
steps where all sequences have the same, else 0. The second derivative is
that of the same steps written with other operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import dtypes
from ..core.aval import Aval
from . import recurrent_kernels as kernels
from .lowering import recurrent as low
from .rules import matching
from .table import Spec, call, row

Parts = tuple[Any, ...]


def _sizes(
    name: str, count: int, length: int, gates: Aval, weight: Aval, sizes: Aval, *states: Aval
) -> None:
    """RuntimeError where the shapes of a layer don't fit each other. `length` steps of as many rows
    each, or 0."""
    dt = matching(gates, weight, *states)
    if dt.category != dtypes.FLOAT:
        raise NotImplementedError(f'"{name}" not implemented for \'{dt.legacy}\'')
    n = weight.shape[-1]
    fits = (
        weight.ndim == 2
        and tuple(weight.shape) == (count * n, n)
        and gates.ndim == 2
        and gates.shape[1] == count * n
        and sizes.ndim == 1
        and sizes.dtype is dtypes.int64
        and all(s.ndim == 2 and s.shape[1] == n for s in states)
        and all(s.shape[0] * length == gates.shape[0] for s in states if length)
    )
    if not fits:
        shapes = ", ".join(str(list(a.shape)) for a in (gates, weight, *states))
        raise RuntimeError(f"shapes of gates, weight and states don't fit each other: {shapes}")


def _zeros(grads: Any, *likes: Any) -> list[Any]:
    """Gradients with zeros where there is none."""
    return [call.zeros_like(x) if g is None else g for g, x in zip(grads, likes)]


# --- the same steps, written with operations ------------------------------------------------------


def _walked(gates: Any, states: Parts, sizes: Any, backward: bool, step: Callable[..., Parts]) -> Parts:
    """Outputs and last states of `step(gates of a step, states) -> states`."""
    counts = call.observe(sizes, "a second derivative of a recurrent network").tolist()
    parts = call.split_with_sizes(gates, tuple(counts), 0)
    order = range(len(counts) - 1, -1, -1) if backward else range(len(counts))
    outputs: list[Any] = [None] * len(counts)
    for t in order:
        b = counts[t]
        moved = step(parts[t], tuple(s.narrow(0, 0, b) for s in states))
        states = tuple(
            new if b == old.shape[0] else call.cat([new, old.narrow(0, b, old.shape[0] - b)], 0)
            for new, old in zip(moved, states)
        )
        outputs[t] = moved[0]
    return (call.cat(outputs, 0), *states)


def _lstm_step(weight: Any) -> Callable[..., Parts]:
    def step(x: Any, states: Parts) -> Parts:
        h, c = states
        i, f, g, o = call.chunk(x + h.mm(weight.t()), 4, 1)
        c = call.sigmoid(f) * c + call.sigmoid(i) * call.tanh(g)
        return call.sigmoid(o) * call.tanh(c), c

    return step


def _gru_step(weight: Any, bias: Any) -> Callable[..., Parts]:
    def step(x: Any, states: Parts) -> Parts:
        (h,) = states
        sums = h.mm(weight.t())
        x_r, x_z, x_n = call.chunk(x, 3, 1)
        h_r, h_z, h_n = call.chunk(sums if bias is None else sums + bias, 3, 1)
        r, z = call.sigmoid(x_r + h_r), call.sigmoid(x_z + h_z)
        n = call.tanh(x_n + r * h_n)
        return (n + z * (h - n),)

    return step


def _plain_step(weight: Any, relu: bool) -> Callable[..., Parts]:
    def step(x: Any, states: Parts) -> Parts:
        sums = x + states[0].mm(weight.t())
        return (call.relu(sums) if relu else call.tanh(sums),)

    return step


def _through(
    step: Callable[..., Parts], gates: Any, states: Parts, sizes: Any, backward: bool,
    inputs: Parts, grads: Parts, needs: Any,
) -> Parts:  # fmt: skip
    """Gradients for `inputs` through the steps, with a graph of their own."""
    outputs = _walked(gates, states, sizes, backward, step)
    wanted = [x for x, need in zip(inputs, needs) if need]
    pairs = [(y, g) for y, g in zip(outputs, grads) if g is not None]
    found = iter(call.autograd_grad(
        [y for y, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True
    ))  # fmt: skip
    return tuple(next(found) if need else None for need in needs)


# --- LSTM -----------------------------------------------------------------------------------------


def _lstm_rule(g: Aval, w: Aval, h: Aval, c: Aval, sizes: Aval, backward: bool, length: int) -> Spec:
    _sizes("lstm", 4, length, g, w, sizes, h, c)
    n = h.shape[1]
    return Spec((g.with_shape((g.shape[0], n)), h, c, g.with_shape((5 * g.shape[0], n))))


def _lstm_grads(
    grads: Any, gates: Any, weight: Any, hidden: Any, cell: Any, sizes: Any, output: Any,
    reserve: Any, backward: bool, length: int, needs: Any,
) -> Parts:  # fmt: skip
    if call.grad_enabled():
        inputs = (gates, weight, hidden, cell)
        step = _lstm_step(weight)
        return _through(step, gates, (hidden, cell), sizes, backward, inputs, grads[:3], needs)
    d = _zeros(grads[:3], output, hidden, cell)
    by_gates, by_h, by_c, previous = call.lstm_steps_backward(
        *d, weight, hidden, cell, sizes, output, reserve, backward, length
    )
    return by_gates, by_gates.t().mm(previous), by_h, by_c


row(
    "lstm_steps_backward(Tensor d_output, Tensor d_hidden, Tensor d_cell, Tensor weight, Tensor hidden, "
    "Tensor cell, Tensor sizes, Tensor output, Tensor reserve, bool backward, int length) -> (d_gates, d_first, d_cell_first, previous)",
    rule=lambda d, dh, dc, w, h, c, sizes, output, reserve, backward, length: Spec(
        (d.with_shape((d.shape[0], w.shape[0])), h, c, output)),
    numpy=kernels.lstm_backward, lower=low.lstm_backward, forms="", keeps=("sizes",),
    not_differentiable="the steps themselves are, see lstm_steps", doc="Gradients of lstm_steps.",
)  # fmt: skip

row(
    "lstm_steps(Tensor gates, Tensor weight, Tensor hidden, Tensor cell, Tensor sizes, bool backward, int length) "
    "-> (output, last_hidden, last_cell, reserve)",
    rule=_lstm_rule, numpy=kernels.lstm, lower=low.lstm, forms="", keeps=("sizes",), called="lstm",
    grads={("gates", "weight", "hidden", "cell"): _lstm_grads},
    doc="A layer of an LSTM over packed sequences, in one direction.",
)  # fmt: skip


# --- GRU ------------------------------------------------------------------------------------------


def _gru_rule(g: Aval, w: Aval, bias: Any, h: Aval, sizes: Aval, backward: bool, length: int) -> Spec:
    _sizes("gru", 3, length, g, w, sizes, h)
    n = h.shape[1]
    return Spec((g.with_shape((g.shape[0], n)), h, g.with_shape((4 * g.shape[0], n))))


def _gru_grads(
    grads: Any, gates: Any, weight: Any, bias: Any, hidden: Any, sizes: Any, output: Any,
    reserve: Any, backward: bool, length: int, needs: Any,
) -> Parts:  # fmt: skip
    if call.grad_enabled():
        inputs = (gates, weight, bias, hidden)
        step = _gru_step(weight, bias)
        return _through(step, gates, (hidden,), sizes, backward, inputs, grads[:2], needs)
    by_gates, by_sums, by_h, previous = call.gru_steps_backward(
        *_zeros(grads[:2], output, hidden), weight, hidden, sizes, output, reserve, backward, length
    )
    return by_gates, by_sums.t().mm(previous), by_sums.sum(0) if needs[2] else None, by_h


row(
    "gru_steps_backward(Tensor d_output, Tensor d_hidden, Tensor weight, Tensor hidden, Tensor sizes, "
    "Tensor output, Tensor reserve, bool backward, int length) -> (d_gates, d_sums, d_first, previous)",
    rule=lambda d, dh, w, h, sizes, output, reserve, backward, length: Spec(
        (d.with_shape((d.shape[0], w.shape[0])), d.with_shape((d.shape[0], w.shape[0])), h, output)),
    numpy=kernels.gru_backward, lower=low.gru_backward, forms="", keeps=("sizes",),
    not_differentiable="the steps themselves are, see gru_steps", doc="Gradients of gru_steps.",
)  # fmt: skip

row(
    "gru_steps(Tensor gates, Tensor weight, Tensor? bias, Tensor hidden, Tensor sizes, bool backward, int length) "
    "-> (output, last_hidden, reserve)",
    rule=_gru_rule, numpy=kernels.gru, lower=low.gru, forms="", keeps=("sizes",), called="gru",
    grads={("gates", "weight", "bias", "hidden"): _gru_grads},
    doc="A layer of a GRU over packed sequences, in one direction; `bias` is the hidden state's.",
)  # fmt: skip


# --- plain ----------------------------------------------------------------------------------------


def _plain_rule(g: Aval, w: Aval, h: Aval, sizes: Aval, backward: bool, relu: bool, length: int) -> Spec:
    _sizes("rnn", 1, length, g, w, sizes, h)
    return Spec((g, h))


def _plain_grads(
    grads: Any, gates: Any, weight: Any, hidden: Any, sizes: Any, output: Any, backward: bool,
    relu: bool, length: int, needs: Any,
) -> Parts:  # fmt: skip
    if call.grad_enabled():
        inputs = (gates, weight, hidden)
        step = _plain_step(weight, relu)
        return _through(step, gates, (hidden,), sizes, backward, inputs, grads, needs)
    by_gates, by_h, previous = call.rnn_steps_backward(
        *_zeros(grads, output, hidden), weight, hidden, sizes, output, backward, relu, length
    )
    return by_gates, by_gates.t().mm(previous), by_h


row(
    "rnn_steps_backward(Tensor d_output, Tensor d_hidden, Tensor weight, Tensor hidden, Tensor sizes, "
    "Tensor output, bool backward, bool relu, int length) -> (d_gates, d_first, previous)",
    rule=lambda d, dh, w, h, sizes, output, backward, relu, length: Spec((d, h, output)),
    numpy=kernels.plain_backward, lower=low.plain_backward, forms="", keeps=("sizes",),
    not_differentiable="the steps themselves are, see rnn_steps", doc="Gradients of rnn_steps.",
)  # fmt: skip

row(
    "rnn_steps(Tensor gates, Tensor weight, Tensor hidden, Tensor sizes, bool backward, bool relu, int length) "
    "-> (output, last_hidden)",
    rule=_plain_rule, numpy=kernels.plain, lower=low.plain, forms="", keeps=("sizes",), called="rnn",
    grads={("gates", "weight", "hidden"): _plain_grads},
    doc="A layer of a plain recurrent network over packed sequences, in one direction.",
)  # fmt: skip


# --- what nn asks for -----------------------------------------------------------------------------


def _samples(gates: int, names: str, *settings: Any) -> Callable[[Any], list[Any]]:
    """Two sequences of two steps and one, and two of two steps, both ways."""
    shapes = {"w": (2 * gates, 2), "b": (2 * gates,), "h": (2, 2), "c": (2, 2)}

    def samples(m: Any) -> list[Any]:
        found: list[Any] = []
        for sizes, length in (([2, 1], 0), ([2, 2], 2)):
            for backward in (False, True):
                given = [m(sum(sizes), 2 * gates) if n == "g" else m(*shapes[n]) for n in names]
                found.append(((*given, call.tensor(sizes), backward, *settings, length), {}))
        return found

    return samples


row("lstm_layer(Tensor gates, Tensor weight, Tensor hidden, Tensor cell, Tensor sizes, bool backward, int length=0) -> Tensors",
    body=lambda gates, weight, hidden, cell, sizes, backward, length=0:
        call.lstm_steps(gates, weight, hidden, cell, sizes, backward, length)[:3],
    where="sequences", forms="f", samples=_samples(4, "gwhc"), doc="lstm_steps without its reserve.")  # fmt: skip
row("gru_layer(Tensor gates, Tensor weight, Tensor? bias, Tensor hidden, Tensor sizes, bool backward, int length=0) -> Tensors",
    body=lambda gates, weight, bias, hidden, sizes, backward, length=0:
        call.gru_steps(gates, weight, bias, hidden, sizes, backward, length)[:2],
    where="sequences", forms="f", samples=_samples(3, "gwbh"), doc="gru_steps without its reserve.")  # fmt: skip
row("rnn_layer(Tensor gates, Tensor weight, Tensor hidden, Tensor sizes, bool backward, bool relu, int length=0) -> Tensors",
    body=lambda gates, weight, hidden, sizes, backward, relu, length=0:
        tuple(call.rnn_steps(gates, weight, hidden, sizes, backward, relu, length)),
    where="sequences", forms="f", samples=_samples(1, "gwh", False), doc="See rnn_steps.")  # fmt: skip
