"""Recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn.utils import rnn


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def array(t: Any) -> Any:
    return t.detach().numpy()


def test_lstm_is_its_equations() -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(2, 3)
    x = torch.randn(5, 1, 2)
    wi, wh, bi, bh = (array(w) for w in layer.parameters())
    h = c = np.zeros((1, 3), dtype="float32")
    outputs = []
    for step in array(x):
        i, f, g, o = np.split(step @ wi.T + bi + h @ wh.T + bh, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    found, (last_h, last_c) = layer(x)
    np.testing.assert_allclose(array(found), np.stack(outputs), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(array(last_h)[0], h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(array(last_c)[0], c, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "cell"), [("RNN", "RNNCell"), ("LSTM", "LSTMCell"), ("GRU", "GRUCell")]
)
def test_a_layer_is_its_cell_step_by_step(layer: str, cell: str) -> None:
    torch.manual_seed(0)
    whole, one = getattr(nn, layer)(2, 3), getattr(nn, cell)(2, 3)
    with torch.no_grad():
        for mine, other in zip(one.parameters(), whole.parameters(), strict=True):
            mine.copy_(other)
    x = torch.randn(4, 2, 2)
    outputs, _ = whole(x)
    state = None
    for step in range(4):
        state = one(x[step], state)
        h = state[0] if isinstance(state, tuple) else state
        np.testing.assert_allclose(array(h), array(outputs[step]), rtol=1e-5, atol=1e-6)


def test_names_of_parameters() -> None:
    layer = nn.GRU(2, 3, num_layers=2, bidirectional=True, bias=False)
    assert list(layer.state_dict()) == [
        "weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse",
        "weight_ih_l1", "weight_hh_l1", "weight_ih_l1_reverse", "weight_hh_l1_reverse",
    ]  # fmt: skip
    assert tuple(layer.weight_ih_l1.shape) == (9, 6)
    assert [len(weights) for weights in layer.all_weights] == [2, 2, 2, 2]


def test_packed_sequences_run_as_single_ones() -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(2, 3, bidirectional=True, num_layers=2)
    parts = [torch.randn(n, 2) for n in (2, 5, 3)]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    output, (h, _) = layer(packed)
    padded, lengths = rnn.pad_packed_sequence(output, batch_first=True)
    assert lengths.tolist() == [2, 5, 3]
    for i, part in enumerate(parts):
        alone, (alone_h, _) = layer(part)
        np.testing.assert_allclose(
            array(padded[i, : len(part)]), array(alone), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(array(h[:, i]), array(alone_h), rtol=1e-5, atol=1e-6)


def test_learns_to_remember() -> None:
    torch.manual_seed(0)
    layer, head = nn.RNN(1, 8, batch_first=True), nn.Linear(8, 1)
    parameters = [*layer.parameters(), *head.parameters()]
    x = torch.sign(torch.randn(32, 4, 1))
    losses = []
    for _ in range(40):
        loss = nn.functional.mse_loss(head(layer(x)[0][:, -1]), x[:, 0])
        for p in parameters:
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p in parameters:
                p -= 0.1 * p.grad
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda: nn.RNN(2, 3, nonlinearity="other")),
        (ValueError, lambda: nn.GRU(2, 3, proj_size=1)),
        (ValueError, lambda: nn.LSTM(2, 3, dropout=2)),
        (TypeError, lambda: nn.LSTM(2, 3.0)),
        (RuntimeError, lambda: nn.LSTM(2, 3)(torch.ones(1, 1, 5))),
        (RuntimeError, lambda: nn.GRU(2, 3)(torch.ones(1, 1, 2), torch.ones(1, 2, 3))),
        (ValueError, lambda: nn.GRU(2, 3)(torch.ones(1))),
        (RuntimeError, lambda: rnn.pack_padded_sequence(torch.ones(3, 2, 1), [1, 3])),
    ],
)
def test_wrong(error: type[Exception], call: Any) -> None:
    with pytest.raises(error):
        call()
