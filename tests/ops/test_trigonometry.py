"""Functions of two sides and angles, and sinc; the one-argument ones are in test_pointwise."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

Y = np.array([0.0, 1.0, -1.0, 0.0, -0.0, 2.0])
X = np.array([1.0, 0.0, 0.0, -1.0, -1.0, -3.0])


def test_atan2() -> None:
    have = torch.atan2(torch.tensor(Y), torch.tensor(X))
    np.testing.assert_allclose(have.numpy(), np.arctan2(Y, X))
    assert torch.arctan2(torch.tensor([1]), torch.tensor([1])).dtype is torch.float32


def test_gradient_of_atan2_at_the_origin_is_zero() -> None:
    y = torch.zeros(1, requires_grad=True)
    x = torch.zeros(1, requires_grad=True)
    torch.atan2(y, x).sum().backward()
    assert y.grad.tolist() == [0.0] and x.grad.tolist() == [0.0]


def test_hypot() -> None:
    x = torch.tensor([3.0, 3e200], dtype=torch.float64)
    np.testing.assert_allclose(torch.hypot(x, x * 4 / 3).numpy(), [5.0, 5e200])
    with pytest.raises(NotImplementedError):
        torch.hypot(torch.tensor([3]), torch.tensor([4]))


def test_sinc() -> None:
    x = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
    y = torch.sinc(x)
    np.testing.assert_allclose(y.tolist(), [1, 2 / math.pi, 0], atol=1e-15)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), [0, -4 / math.pi, -1])


def test_complex_branches() -> None:
    z = np.array([-1 + 0.5j, 0.3 - 2j])
    for name, function in (("acosh", np.arccosh), ("asin", np.arcsin), ("atanh", np.arctanh)):
        np.testing.assert_allclose(getattr(torch, name)(torch.tensor(z)).numpy(), function(z))
