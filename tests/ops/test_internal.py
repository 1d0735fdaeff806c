"""Operations under PyTorch's internal names."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch

X = np.random.default_rng(0).normal(size=(3, 4))


def test_softmax_backwards_are_the_gradients() -> None:
    x = torch.from_numpy(X).requires_grad_()
    g = torch.from_numpy(X[::-1].copy())
    for name in ("softmax", "log_softmax"):
        y = getattr(torch, name)(x, 1)
        (want,) = torch.autograd.grad(y, x, g)
        got = getattr(torch, f"_{name}_backward_data")(g, y.detach(), 1, torch.float64)
        np.testing.assert_allclose(got.numpy(), want.numpy())


def test_safe_softmax_of_nothing_is_zero() -> None:
    x = torch.tensor([[1.0, 1.0], [-torch.inf, -torch.inf]])
    assert torch._safe_softmax(x, 1).tolist() == [[0.5, 0.5], [0, 0]]


def test_masked_indices_may_be_out_of_bounds() -> None:
    x = torch.arange(3.0)
    mask, index = torch.tensor([True, False, True]), torch.tensor([2, 9, 0])
    assert torch._unsafe_masked_index(x, mask, [index], -1.0).tolist() == [2, -1, 0]
    added = torch._unsafe_masked_index_put_accumulate(x, mask, [index], torch.ones(3))
    assert added.tolist() == [1, 1, 3]


def test_chunk_cat_pads_with_zeros() -> None:
    joined = torch._chunk_cat([torch.ones(3, 2), torch.ones(2)], 0, 2)
    assert joined.tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 1]]
    with pytest.raises(RuntimeError, match="num_chunks"):
        torch._chunk_cat([torch.ones(2)], 0, 0)
