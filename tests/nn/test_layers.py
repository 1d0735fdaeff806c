"""Layers against their formulas in NumPy. Breadth is in test_stored.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn

RNG = np.random.default_rng(0)


def numbers(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype("float32")


def check(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


def test_linear() -> None:
    layer, x = nn.Linear(3, 4), numbers(2, 5, 3)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    check(layer(torch.tensor(x)), x @ weight.T + bias)
    assert abs(weight).max() <= 1 / np.sqrt(3)


def test_bilinear() -> None:
    layer, a, b = nn.Bilinear(3, 4, 2), numbers(5, 3), numbers(5, 4)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = np.einsum("ni,oij,nj->no", a, weight, b) + bias
    check(layer(torch.tensor(a), torch.tensor(b)), expected)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_conv2d_pads_in_every_mode(mode: str) -> None:
    layer, x = nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode), numbers(1, 2, 5, 6)
    numpy_mode = {"zeros": "constant", "replicate": "edge", "circular": "wrap"}.get(mode, mode)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)), mode=numpy_mode)  # type: ignore[call-overload]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]
    check(layer(torch.tensor(x)), expected)


def test_conv_same_keeps_the_size() -> None:
    for kernel in (2, 3, 4):
        layer = nn.Conv1d(1, 1, kernel, padding="same", dilation=2)
        assert tuple(layer(torch.ones(1, 1, 9)).shape) == (1, 1, 9)


def test_conv_transpose_is_the_transpose() -> None:
    x, y = numbers(1, 2, 7), numbers(1, 3, 4)
    weight = torch.tensor(numbers(3, 2, 3))
    forward = F.conv1d(torch.tensor(x), weight, stride=2, padding=1)
    back = F.conv_transpose1d(torch.tensor(y), weight, stride=2, padding=1)
    assert float((forward.numpy() * y).sum()) == pytest.approx(
        float((back.numpy() * x).sum()), 1e-4
    )


def test_batch_norm_keeps_running_statistics() -> None:
    norm, x = nn.BatchNorm2d(3, momentum=0.25), numbers(4, 3, 2, 5)
    axes = (0, 2, 3)
    mean, var = x.mean(axes), x.var(axes)
    centred = x - mean[:, None, None]
    check(norm(torch.tensor(x)), centred / np.sqrt(var[:, None, None] + 1e-5), 1e-4)
    check(norm.running_mean, 0.25 * mean)
    check(norm.running_var, 0.75 + 0.25 * var * 40 / 39)
    assert norm.num_batches_tracked.item() == 1
    norm.eval()
    again = norm(torch.tensor(x))
    scale = np.sqrt(norm.running_var.numpy()[:, None, None] + 1e-5)
    check(again, (x - norm.running_mean.numpy()[:, None, None]) / scale, 1e-4)
    norm.reset_running_stats()
    assert norm.running_var.tolist() == [1, 1, 1]


def test_batch_norm_without_momentum_takes_the_mean_of_all_batches() -> None:
    norm = nn.BatchNorm1d(1, momentum=None)
    for value in (1.0, 2.0, 6.0):
        norm(torch.tensor([[value], [value]]))
    assert norm.running_mean.item() == pytest.approx(3)


def test_norms_by_sample() -> None:
    x = numbers(2, 4, 3)
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    expected = (x - mean) / np.sqrt(var + 1e-5)
    check(nn.LayerNorm(3)(torch.tensor(x)), expected, 1e-4)
    check(nn.InstanceNorm1d(4)(torch.tensor(x)), expected, 1e-4)
    check(nn.GroupNorm(4, 4)(torch.tensor(x)), expected, 1e-4)
    rms = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.finfo("float32").eps)
    check(nn.RMSNorm(3)(torch.tensor(x)), rms, 1e-4)


def test_local_response_norm() -> None:
    x = numbers(1, 4, 2)
    padded = np.pad(x * x, ((0, 0), (1, 1), (0, 0)))
    mean = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    check(nn.LocalResponseNorm(3, 0.5, 0.75, 2.0)(torch.tensor(x)), x / (2 + 0.5 * mean) ** 0.75)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout1d, nn.AlphaDropout])
def test_dropout_in_evaluation_is_the_identity(kind: Any) -> None:
    x = torch.tensor(numbers(2, 3, 4))
    check(kind(0.9).eval()(x), x.numpy())


def test_dropout_scales_what_it_keeps() -> None:
    torch.manual_seed(0)
    dropped = nn.Dropout(0.25)(torch.ones(10000)).numpy()
    np.testing.assert_allclose(np.unique(dropped), [0, 4 / 3], rtol=1e-6)
    assert abs((dropped == 0).mean() - 0.25) < 0.02
    channels = nn.Dropout2d(0.5)(torch.ones(8, 8, 3, 3)).numpy().reshape(64, 9)
    assert ((channels == channels[:, :1]).all()) and 10 < (channels[:, 0] == 0).sum() < 54


def test_embedding() -> None:
    table = nn.Embedding(5, 3, padding_idx=1)
    assert table.weight[1].tolist() == [0, 0, 0]
    found = table(torch.tensor([[0, 1], [4, 0]]))
    check(found, table.weight.detach().numpy()[[[0, 1], [4, 0]]])
    found.sum().backward()
    assert table.weight.grad[:, 0].tolist() == [2, 0, 0, 0, 1]
    frozen = nn.Embedding.from_pretrained(torch.ones(2, 2))
    assert not frozen.weight.requires_grad


def test_embedding_with_a_norm() -> None:
    table = nn.Embedding(4, 3, max_norm=1.0, _weight=torch.full((4, 3), 5.0))
    table(torch.tensor([0, 2, 2]))
    norms = np.linalg.norm(table.weight.detach().numpy(), axis=1)
    np.testing.assert_allclose(norms, [1, 75**0.5, 1, 75**0.5], rtol=1e-5)


def test_unpooling_undoes_pooling() -> None:
    x = numbers(1, 2, 6, 6)
    values, indices = F.max_pool2d(torch.tensor(x), 2, return_indices=True)
    back = F.max_unpool2d(values, indices, 2).numpy()
    assert ((back == x) | (back == 0)).all() and (back != 0).sum() == 18


def test_fold_undoes_unfold() -> None:
    x = torch.tensor(numbers(1, 2, 4, 6))
    check(F.fold(F.unfold(x, 2, stride=2), (4, 6), 2, stride=2), x.numpy())


def test_flatten() -> None:
    x = torch.ones(2, 3, 4)
    assert tuple(nn.Flatten()(x).shape) == (2, 12)
    assert tuple(nn.Unflatten(2, (2, -1))(x).shape) == (2, 3, 2, 2)


def test_softmax_without_a_dimension_warns() -> None:
    x = torch.tensor(numbers(2, 3))
    with pytest.warns(UserWarning, match="Implicit dimension"):
        found = F.softmax(x)
    check(found, F.softmax(x, 1).numpy())
    with pytest.warns(UserWarning, match="Implicit dimension"):
        nn.LogSoftmax()(x)


def test_attention_is_the_formula() -> None:
    q, k, v = numbers(3, 4), numbers(5, 4), numbers(5, 2)
    scores = q @ k.T / 2
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    found = F.scaled_dot_product_attention(*(torch.tensor(each) for each in (q, k, v)))
    check(found, weights @ v)


def test_multihead_attention_masks() -> None:
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    x = torch.tensor(numbers(2, 3, 4))
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    _, weights = layer(x, x, x, attn_mask=mask)
    assert np.allclose(np.triu(weights.detach().numpy(), 1), 0)
    _, weights = layer(x, x, x, key_padding_mask=torch.tensor([[False, False, True]] * 2))
    assert float(weights[:, :, 2].abs().sum()) == 0
    assert layer(x, x, x, need_weights=False)[1] is None


def test_derivatives_by_differences() -> None:
    """A few composed functions, whose derivatives come from several rows."""
    cases = {
        "fold": lambda x: F.fold(x.reshape(1, 4, 9), (4, 4), 2),
        "unfold": lambda x: F.unfold(x.reshape(1, 1, 6, 6), 3, padding=1, stride=2),
        "normalize": lambda x: F.normalize(x.reshape(6, 6)),
        "lrn": lambda x: F.local_response_norm(x.reshape(2, 6, 3), 3, 0.3),
        "lp_pool": lambda x: F.lp_pool2d(x.abs().reshape(1, 1, 6, 6), 3, 2),
        "gaussian": lambda x: F.gaussian_nll_loss(x[:18], x[18:], x[:18].abs() + 0.1),
    }
    start = RNG.standard_normal(36)
    for name, function in cases.items():
        x = torch.tensor(start, requires_grad=True)
        weights = torch.tensor(np.cos(np.arange(function(x).numel())))
        total = (function(x).reshape(-1) * weights).sum()
        total.backward()
        for i in (0, 7, 20, 35):
            step = np.zeros(36)
            step[i] = 1e-6
            up, down = (
                (function(torch.tensor(start + sign * step)).reshape(-1) * weights).sum().item()
                for sign in (1, -1)
            )
            assert x.grad[i].item() == pytest.approx((up - down) / 2e-6, rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("shape", [(2, 1), (1, 2)])
def test_batch_norm_counts_the_elements_of_its_weights(shape: tuple[int, int]) -> None:
    x, weight = torch.tensor(numbers(3, 2)), torch.tensor([0.5, 2.0])
    wanted = torch.batch_norm(x, weight, weight, None, None, True, 0.1, 1e-5)
    odd = weight.reshape(shape)
    assert torch.equal(torch.batch_norm(x, odd, odd, None, None, True, 0.1, 1e-5), wanted)
    with pytest.raises(RuntimeError, match="running_mean of shape"):
        torch.batch_norm(x, None, None, odd, None, True, 0.1, 1e-5)


def test_a_stride_beyond_all_memory_takes_one_step() -> None:
    x, w = (torch.tensor(numbers(*s)).requires_grad_() for s in ((2, 3, 8), (4, 3, 3)))
    out = F.conv1d(x, w, None, 2**62, 1)
    check(out.detach(), F.conv1d(x, w, None, 8, 1).detach())
    out.sum().backward()
    assert x.grad.shape == x.shape and not x.grad[:, :, 2:].any()
