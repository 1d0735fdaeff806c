"""Powers and exponentials of matrices, equations between tensors."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch

RNG = np.random.default_rng(8)
A = RNG.normal(size=(2, 4, 4))
X = torch.tensor(A)


@pytest.mark.parametrize("scale", [1e-3, 0.1, 0.5, 1.0, 3.0, 30.0])
def test_matrix_exponential(scale: float) -> None:
    half = RNG.normal(size=(3, 3)) * scale
    symmetric = half + half.T
    values, vectors = np.linalg.eigh(symmetric)
    want = (vectors * np.exp(values)) @ vectors.T
    found = torch.matrix_exp(torch.tensor(symmetric)).numpy()
    np.testing.assert_allclose(found, want, rtol=1e-10, atol=1e-12 * np.abs(want).max())


def test_matrix_powers() -> None:
    np.testing.assert_allclose(torch.matrix_power(X, 5).numpy(), np.linalg.matrix_power(A, 5))
    np.testing.assert_allclose(torch.matrix_power(X, -2).numpy(), np.linalg.matrix_power(A, -2))
    assert torch.matrix_power(X, 0)[1].tolist() == np.eye(4).tolist()


def test_equations_between_tensors() -> None:
    a, b = RNG.normal(size=(2, 3, 6)), RNG.normal(size=(2, 3))
    x = torch.linalg.tensorsolve(torch.tensor(a), torch.tensor(b))
    np.testing.assert_allclose(x.numpy(), np.linalg.tensorsolve(a, b))
    np.testing.assert_allclose(torch.linalg.tensorinv(torch.tensor(a)).numpy(), np.linalg.tensorinv(a))
