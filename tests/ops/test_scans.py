"""Running sums, products, extrema."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

A = np.random.default_rng(2).normal(size=(3, 4))
X = torch.tensor(A)


def test_against_numpy() -> None:
    for dim in (0, -1):
        np.testing.assert_allclose(X.cumsum(dim).numpy(), A.cumsum(dim))
        np.testing.assert_allclose(X.cumprod(dim).numpy(), A.cumprod(dim))
        np.testing.assert_allclose(X.cummax(dim).values.numpy(), np.maximum.accumulate(A, dim))
        np.testing.assert_allclose(X.logcumsumexp(dim).exp().numpy(), np.exp(A).cumsum(dim))


def test_running_extrema_say_where() -> None:
    values, places = torch.tensor([3, 1, 3, 5, 2]).cummax(0)
    assert values.tolist() == [3, 3, 3, 5, 5] and places.tolist() == [0, 0, 2, 3, 3]
    assert torch.tensor([1.0, math.nan, 0.0]).cummin(0).indices.tolist() == [0, 1, 1]


def test_gradients_with_zeros_and_far_exponents() -> None:
    x = torch.tensor([2.0, 0.0, 3.0, 0.0], requires_grad=True)
    x.cumprod(0).sum().backward()
    assert x.grad.tolist() == [1, 8, 0, 0]
    y = torch.tensor([1000.0, -1000.0, 1000.0], dtype=torch.float64, requires_grad=True)
    y.logcumsumexp(0).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), [2.5, 0, 0.5])


def test_dtypes_and_wrong_calls() -> None:
    assert torch.ones(2, dtype=torch.int8).cumsum(0).dtype is torch.int64
    assert torch.ones(2).cumsum(0, dtype=torch.float64).dtype is torch.float64
    with pytest.raises(IndexError, match=r"cumsum\(\): .*2"):
        X.cumsum(2)
    with pytest.raises(TypeError, match=r"cumprod\(\) missing.*dim"):
        X.cumprod()
    assert torch.ones(2, dtype=torch.int8).cumsum_(0).dtype is torch.int8
