"""Jacobians and Hessians against NumPy's formulas."""

from __future__ import annotations

import numpy as np

import flambeau as torch
from flambeau.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp

A = np.random.default_rng(0).standard_normal((3, 4))
X = np.random.default_rng(1).standard_normal(4)


def _f(x: torch.Tensor) -> torch.Tensor:
    return (torch.from_numpy(A) @ x).tanh()


def _jacobian() -> np.ndarray:
    return (1 - np.tanh(A @ X) ** 2)[:, None] * A


def _g(x: torch.Tensor) -> torch.Tensor:
    return (torch.from_numpy(A) @ x).exp().sum()


def _hessian() -> np.ndarray:
    return A.T @ np.diag(np.exp(A @ X)) @ A


def test_jacobian_and_its_products() -> None:
    x = torch.from_numpy(X)
    np.testing.assert_allclose(jacobian(_f, x).numpy(), _jacobian())
    u, v = np.arange(3.0), np.arange(4.0)
    out, product = vjp(_f, x, torch.from_numpy(u))
    np.testing.assert_allclose(out.numpy(), np.tanh(A @ X))
    np.testing.assert_allclose(product.numpy(), u @ _jacobian())
    out, product = jvp(_f, x, torch.from_numpy(v))
    np.testing.assert_allclose(product.numpy(), _jacobian() @ v)


def test_hessian_and_its_products() -> None:
    x = torch.from_numpy(X)
    np.testing.assert_allclose(hessian(_g, x).numpy(), _hessian())
    v = torch.arange(4.0, dtype=torch.float64)
    for product in (hvp, vhp):
        out, found = product(_g, x, v)
        np.testing.assert_allclose(out.numpy(), np.exp(A @ X).sum())
        np.testing.assert_allclose(found.numpy(), _hessian() @ np.arange(4.0))


def test_results_and_inputs_stay_out_of_graphs() -> None:
    x = torch.from_numpy(X).requires_grad_()
    assert not jacobian(_f, x).requires_grad and x.grad is None
    assert jacobian(_f, x, create_graph=True).requires_grad
