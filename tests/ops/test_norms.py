"""Norms and distances against NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import flambeau as torch

A = np.random.default_rng(7).normal(size=(3, 4))
X = torch.tensor(A)


@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, math.inf, -math.inf, -1])
def test_vector_norms(p: float) -> None:
    np.testing.assert_allclose(torch.linalg.vector_norm(X, p, 1).numpy(), np.linalg.norm(A, p, 1))
    assert torch.linalg.vector_norm(X, p).item() == pytest.approx(np.linalg.norm(A.reshape(-1), p))


@pytest.mark.parametrize("p", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_matrix_norms(p: Any) -> None:
    assert torch.linalg.matrix_norm(X, p).item() == pytest.approx(np.linalg.norm(A, p))
    turned = torch.linalg.matrix_norm(X.t().unsqueeze(1), p, (2, 0), True)
    assert turned.shape == (1, 1, 1) and turned.item() == pytest.approx(np.linalg.norm(A, p))


def test_norm_of_zero_has_a_gradient() -> None:
    x = torch.zeros(3, requires_grad=True)
    x.norm().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_distances() -> None:
    pairs = np.linalg.norm(A[:, None] - A[None], axis=-1)
    np.testing.assert_allclose(torch.cdist(X, X).numpy(), pairs)
    np.testing.assert_allclose(torch.pdist(X).numpy(), pairs[np.triu_indices(3, 1)])
    assert torch.dist(X, X + 1, 1).item() == pytest.approx(12)
    np.testing.assert_allclose(torch.cosine_similarity(X, 2 * X).numpy(), 1)


def test_renorm_leaves_short_vectors_alone() -> None:
    x = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    assert torch.allclose(x.renorm(2, 0, 1.0), torch.tensor([[0.6, 0.8], [0.3, 0.4]]))


def test_wrong_calls() -> None:
    for call, text in (
        (lambda: torch.linalg.vector_norm(torch.ones(2, dtype=torch.int64)), "vector_norm.*int64"),
        (lambda: torch.linalg.vector_norm(torch.ones(0), math.inf), r"inf norm.*\[0\]"),
        (lambda: torch.linalg.matrix_norm(X, 3), "Order 3"),
        (lambda: torch.linalg.matrix_norm(X[0]), "2 dimensions"),
        (lambda: torch.linalg.norm(torch.ones(2, 2, 2), 2), "3D"),
        (lambda: torch.cdist(X, X[:, :2]), "cdist.*4.*2"),
        (lambda: X.renorm(0, 0, 1.0), "renorm.*0"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()
