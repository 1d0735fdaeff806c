"""Differences, gradients, integrals against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch

A = np.random.default_rng(3).normal(size=(4, 5))
X = torch.tensor(A)
PLACES = np.array([0.0, 1.0, 1.5, 4.0, 4.5])


def test_differences() -> None:
    np.testing.assert_allclose(torch.diff(X, 2, 0).numpy(), np.diff(A, 2, 0))
    np.testing.assert_allclose(
        torch.diff(X, prepend=X[:, :1], append=X[:, :2]).numpy(),
        np.diff(A, prepend=A[:, :1], append=A[:, :2]),
    )
    assert torch.diff(torch.tensor([True, False, False])).tolist() == [True, False]


@pytest.mark.parametrize("order", [1, 2])
def test_gradients(order: int) -> None:
    for ours, theirs in zip(
        torch.gradient(X, spacing=0.5, edge_order=order), np.gradient(A, 0.5, edge_order=order), strict=True
    ):
        np.testing.assert_allclose(ours.numpy(), theirs)
    (uneven,) = torch.gradient(X, spacing=[torch.tensor(PLACES)], dim=1, edge_order=order)
    np.testing.assert_allclose(uneven.numpy(), np.gradient(A, PLACES, axis=1, edge_order=order))
    with pytest.raises(RuntimeError, match="edge_order"):
        torch.gradient(torch.ones(order), edge_order=order)


def test_integrals() -> None:
    np.testing.assert_allclose(torch.trapezoid(X, dx=0.5, dim=0).numpy(), np.trapezoid(A, dx=0.5, axis=0))
    np.testing.assert_allclose(torch.trapz(X, torch.tensor(PLACES)).numpy(), np.trapezoid(A, PLACES))
    steps = torch.cumulative_trapezoid(X, torch.tensor(PLACES))
    np.testing.assert_allclose(steps[:, -1].numpy(), np.trapezoid(A, PLACES))
    with pytest.raises(RuntimeError, match="one `x` value"):
        torch.trapezoid(X, torch.ones(3))


def test_vandermonde() -> None:
    np.testing.assert_allclose(torch.vander(X[0], 4).numpy(), np.vander(A[0], 4))
    np.testing.assert_allclose(
        torch.linalg.vander(X[0]).numpy(), np.vander(A[0], increasing=True)
    )
