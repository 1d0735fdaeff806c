"""Functions of the main namespace with C++ arguments do what those of nn.functional do."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

same = torch.testing.assert_close


def test_losses() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(4, 3), torch.rand(4, 3)
    y = torch.tensor([1.0, -1.0, 1.0, -1.0])
    for number, name in enumerate(("none", "mean", "sum")):
        same(torch.binary_cross_entropy_with_logits(a, b, None, None, number), F.binary_cross_entropy_with_logits(a, b, reduction=name))
        same(torch.cosine_embedding_loss(a, b, y, 0.1, number), F.cosine_embedding_loss(a, b, y, 0.1, reduction=name))
        same(torch.hinge_embedding_loss(a[:, 0], y, 1.0, number), F.hinge_embedding_loss(a[:, 0], y, reduction=name))
        same(torch.margin_ranking_loss(a[:, 0], b[:, 0], y, 0.1, number), F.margin_ranking_loss(a[:, 0], b[:, 0], y, 0.1, reduction=name))
        same(torch.poisson_nll_loss(a, b, True, True, 1e-8, number), F.poisson_nll_loss(a, b, full=True, reduction=name))
        same(torch.triplet_margin_loss(a, b, a + 1, reduction=number), F.triplet_margin_loss(a, b, a + 1, reduction=name))
        same(torch.kl_div(a, b, number), F.kl_div(a, b, reduction=name))
    log_probs = torch.randn(5, 2, 4).log_softmax(-1)
    targets = torch.tensor([[1, 2], [3, 1]])
    same(torch.ctc_loss(log_probs, targets, (5, 5), (2, 2)), F.ctc_loss(log_probs, targets, (5, 5), (2, 2)))
    with pytest.raises(ValueError, match="reduction"):
        torch.kl_div(a, b, 3)


def test_embeddings_and_grids() -> None:
    weight = torch.arange(12.0).view(6, 2)
    indices, offsets = torch.tensor([0, 5, 2, 1]), torch.tensor([0, 3])
    for mode, name in enumerate(("sum", "mean", "max")):
        out, bag_of, sizes, largest = torch.embedding_bag(weight, indices, offsets, mode=mode)
        same(out, F.embedding_bag(indices, weight, offsets, mode=name))
    assert bag_of.tolist() == [0, 0, 0, 1] and sizes.tolist() == [3, 1]
    assert largest.tolist() == [[5, 5], [1, 1]]
    assert torch.embedding_renorm_(weight.clone(), indices, 1.0, 2.0).norm(dim=1).max() > 8  # rows 3, 4
    theta = torch.eye(2, 3).unsqueeze(0)
    grid = torch.affine_grid_generator(theta, (1, 1, 4, 4), True)
    image = torch.arange(16.0).view(1, 1, 4, 4)
    same(torch.grid_sampler_2d(image, grid, 0, 0, True), image)
    same(torch.grid_sampler(image, grid, 1, 1, False), F.grid_sample(image, grid, "nearest", "border", False))


def test_convolutions_and_pools() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(2, 3, 8), torch.randn(4, 3, 3)
    same(torch.convolution(x, w, None, (2,), (1,), (1,), False, (0,), 1), F.conv1d(x, w, None, 2, 1))
    same(torch.convolution(x, w.transpose(0, 1), None, (2,), (1,), (1,), True, (1,), 1), F.conv_transpose1d(x, w.transpose(0, 1), None, 2, 1, 1))
    tbc = torch.conv_tbc(x.permute(2, 0, 1), w.permute(2, 1, 0), torch.zeros(4), 1)
    same(tbc.permute(1, 2, 0), F.conv1d(x, w, padding=1))
    same(torch.max_pool1d_with_indices(x, 2)[1], F.max_pool1d(x, 2, return_indices=True)[1])
    same(torch.adaptive_max_pool1d(x, 3)[0], F.adaptive_max_pool1d(x, 3))


def test_normalisations() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 6, 5)
    out, mean, rstd = torch.native_layer_norm(x, (5,), None, None, 1e-5)
    same(out, (x - mean) * rstd)
    out, mean, rstd = torch.native_group_norm(x, None, None, 4, 6, 5, 2, 1e-5)
    same(out.view(4, 2, -1), (x.view(4, 2, -1) - mean.unsqueeze(-1)) * rstd.unsqueeze(-1))
    out, mean, rstd = torch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)
    same(out, (x - mean.view(1, -1, 1)) * rstd.view(1, -1, 1))
    dropped, kept = torch.native_dropout(x, 0.5, True)
    same(dropped, x * kept * 2)
    assert torch.native_dropout(x, 0.5, False)[1].all()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_recurrent_networks(kind: str, bidirectional: bool) -> None:
    torch.manual_seed(0)
    net = getattr(nn, kind)(3, 4, 2, bidirectional=bidirectional, bias=kind != "GRU")
    function: Any = {"RNN": torch.rnn_tanh, "GRU": torch.gru, "LSTM": torch.lstm}[kind]
    x, h = torch.randn(5, 2, 3), torch.randn(4 if bidirectional else 2, 2, 4)
    state: Any = (h, h) if kind == "LSTM" else h
    tail = (net._flat_weights, kind != "GRU", 2, 0.0, False, bidirectional)
    found = function(x, state, *tail, False)
    want, last = net(x, state)
    same(found[0], want)
    same(found[1], last[0] if kind == "LSTM" else last)
    same(function(x.transpose(0, 1), state, *tail, batch_first=True)[0], want.transpose(0, 1))
    packed = nn.utils.rnn.pack_padded_sequence(x, [5, 3])
    same(function(packed.data, packed.batch_sizes, state, *tail)[0], net(packed, state)[0].data)
    with pytest.raises(RuntimeError, match="weights"):
        function(x, state, net._flat_weights[:-1], *tail[1:], False)
    with pytest.raises(TypeError, match="missing"):
        function(x, state, net._flat_weights)


def test_cells() -> None:
    torch.manual_seed(0)
    x, h = torch.randn(2, 3), torch.randn(2, 4)
    for kind, function in (("RNN", torch.rnn_tanh_cell), ("GRU", torch.gru_cell), ("LSTM", torch.lstm_cell)):
        cell = getattr(nn, kind + "Cell")(3, 4)
        weights = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
        state: Any = (h, h + 1) if kind == "LSTM" else h
        same(function(x, state, *weights), cell(x, state))
    same(torch.rnn_relu_cell(x, h, *[w.detach()[:4] for w in weights]), torch.relu(x @ weights[0][:4].T + weights[2][:4] + h @ weights[1][:4].T + weights[3][:4]))
