"""Triangles and diagonals against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch

A = np.arange(12.0).reshape(3, 4)
X = torch.tensor(A)


@pytest.mark.parametrize("k", [-2, 0, 1, 5])
def test_triangles(k: int) -> None:
    np.testing.assert_array_equal(X.triu(k).numpy(), np.triu(A, k))
    np.testing.assert_array_equal(X.tril(k).numpy(), np.tril(A, k))
    np.testing.assert_array_equal(torch.triu_indices(3, 4, k).numpy(), np.triu_indices(3, k, 4))
    np.testing.assert_array_equal(torch.tril_indices(3, 4, k).numpy(), np.tril_indices(3, k, 4))


def test_diagonals_of_vectors_and_matrices() -> None:
    np.testing.assert_array_equal(torch.diag(X, 1).numpy(), np.diag(A, 1))
    np.testing.assert_array_equal(torch.diag(X[0], -1).numpy(), np.diag(A[0], -1))
    np.testing.assert_array_equal(torch.diagflat(X).numpy(), np.diagflat(A))
    assert torch.diag_embed(X, 1).shape == (3, 5, 5)
    assert torch.equal(torch.diag_embed(X, -1, 0, 2).diagonal(-1, 0, 2), X)
    assert X.trace().item() == np.trace(A)
    assert torch.ones(2, 2, dtype=torch.int8).trace().dtype is torch.int64


def test_fill_diagonal_starts_again_when_wrapped() -> None:
    tall = np.zeros((5, 2))
    np.fill_diagonal(tall, 3, wrap=True)
    assert torch.zeros(5, 2).fill_diagonal_(3, wrap=True).tolist() == tall.tolist()
    assert torch.zeros(2, 2, 2).fill_diagonal_(1).nonzero().tolist() == [[0, 0, 0], [1, 1, 1]]


def test_wrong_calls() -> None:
    for call, text in (
        (lambda: torch.ones(3).triu(), r"triu\(\): .*2 dimensions"),
        (lambda: torch.diag(torch.ones(1, 1, 1)), r"diag\(\): .*3D"),
        (lambda: torch.trace(torch.ones(3)), r"trace\(\): .*dim 1"),
        (lambda: torch.triu_indices(-1, 2), "row.*-1"),
        (lambda: torch.zeros(2, 3, 2).fill_diagonal_(1), "equal length"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()


def test_sizes_of_unsigned_numbers_do_not_wrap_around() -> None:
    assert torch.equal(torch.tril_indices(np.uint64(3), 4), torch.tril_indices(3, 4))
    with pytest.raises(torch.OutOfMemoryError):
        torch.tril_indices(np.uint64(2**63), 4)
