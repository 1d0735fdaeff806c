"""Recurrent layers as one operation: against the same steps written out, in NumPy and with
operations, and their derivatives of both orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.ops.table import call

N = 3
SIZES = [3, 3, 2, 1]


def given(gates: int, *, grad: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(gates)

    def one(*shape: int) -> Any:
        return torch.from_numpy(rng.normal(size=shape)).requires_grad_(grad)

    return {
        "gates": one(sum(SIZES), gates * N), "weight": one(gates * N, N), "hidden": one(3, N),
        "cell": one(3, N), "bias": one(gates * N), "sizes": torch.tensor(SIZES),
    }  # fmt: skip


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def walked(x: dict[str, Any], backward: bool, step: Any) -> Any:
    """One sequence after the other, in NumPy."""
    gates, first = x["gates"].numpy(), [x["hidden"].numpy(), x["cell"].numpy()]
    ends = np.cumsum(SIZES)
    output = np.zeros((len(gates), N))
    last = [f.copy() for f in first]
    for b in range(3):
        state = [f[b] for f in first]
        rows = [int(e - n + b) for e, n in zip(ends, SIZES) if b < n]
        for r in rows[::-1] if backward else rows:
            state = step(gates[r], *state)
            output[r] = state[0]
        for part, value in zip(last, state):
            part[b] = value
    return [output, *last]


@pytest.mark.parametrize("backward", [False, True])
def test_lstm(backward: bool) -> None:
    x = given(4)
    w = x["weight"].numpy()

    def step(g: Any, h: Any, c: Any) -> Any:
        i, f, n, o = np.split(g + w @ h, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(n)
        return sigmoid(o) * np.tanh(c), c

    got = call.lstm_steps(x["gates"], x["weight"], x["hidden"], x["cell"], x["sizes"], backward, 0)
    for ours, theirs in zip(got[:3], walked(x, backward, step), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12)


@pytest.mark.parametrize("backward", [False, True])
def test_gru(backward: bool) -> None:
    x = given(3)
    w, bias = x["weight"].numpy(), x["bias"].numpy()

    def step(g: Any, h: Any, c: Any) -> Any:
        s = w @ h + bias
        r, z = sigmoid(g[:N] + s[:N]), sigmoid(g[N : 2 * N] + s[N : 2 * N])
        n = np.tanh(g[2 * N :] + r * s[2 * N :])
        return (1 - z) * n + z * h, c

    got = call.gru_steps(x["gates"], x["weight"], x["bias"], x["hidden"], x["sizes"], backward, 0)
    for ours, theirs in zip(got[:2], walked(x, backward, step)[:2], strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12)


@pytest.mark.parametrize("relu", [False, True])
def test_plain(relu: bool) -> None:
    x = given(1)
    w = x["weight"].numpy()

    def step(g: Any, h: Any, c: Any) -> Any:
        s = g + w @ h
        return np.maximum(s, 0) if relu else np.tanh(s), c

    got = call.rnn_steps(x["gates"], x["weight"], x["hidden"], x["sizes"], False, relu, 0)
    for ours, theirs in zip(got, walked(x, False, step)[:2], strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12)


def layers(backward: bool) -> dict[str, Any]:
    def lstm(gates: Any, weight: Any, hidden: Any, cell: Any) -> Any:
        return call.lstm_steps(gates, weight, hidden, cell, torch.tensor(SIZES), backward, 0)[:3]

    def gru(gates: Any, weight: Any, bias: Any, hidden: Any) -> Any:
        return call.gru_steps(gates, weight, bias, hidden, torch.tensor(SIZES), backward, 0)[:2]

    def plain(gates: Any, weight: Any, hidden: Any) -> Any:
        return tuple(call.rnn_steps(gates, weight, hidden, torch.tensor(SIZES), backward, False, 0))

    x4, x3, x1 = (given(n, grad=True) for n in (4, 3, 1))
    return {
        "lstm": (lstm, [x4[k] for k in ("gates", "weight", "hidden", "cell")]),
        "gru": (gru, [x3[k] for k in ("gates", "weight", "bias", "hidden")]),
        "plain": (plain, [x1[k] for k in ("gates", "weight", "hidden")]),
    }


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", ["lstm", "gru", "plain"])
def test_derivatives_of_both_orders(name: str, backward: bool) -> None:
    function, inputs = layers(backward)[name]
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


def test_lengths_are_data() -> None:
    from flambeau.engine import tiering

    x = given(4)
    names = set()
    for sizes in ([3, 3, 2, 1], [3, 2, 2, 2], [3, 3, 3, 0]):
        out = call.lstm_steps(
            x["gates"], x["weight"], x["hidden"], x["cell"], torch.tensor(sizes), False, 0
        )
        out[0].sum().item()
        names.add(str(tiering.programs()[-1]))
    assert len(names) == 1


def test_wrong_shapes() -> None:
    x = given(4)
    with pytest.raises(RuntimeError, match="lstm.*fit"):
        call.lstm_steps(x["gates"][:, 1:], x["weight"], x["hidden"], x["cell"], x["sizes"], False, 0)
