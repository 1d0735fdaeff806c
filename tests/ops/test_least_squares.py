"""Rank, condition, pseudo-inverses, least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch

RNG = np.random.default_rng(9)


def matrix(*shape: int) -> Any:
    return torch.tensor(RNG.normal(size=shape))


def test_pseudo_inverse_rank_and_condition() -> None:
    a = matrix(4, 2)
    low = a @ a.mT  # rank 2
    np.testing.assert_allclose(torch.linalg.pinv(low).numpy(), np.linalg.pinv(low.numpy()), atol=1e-9)
    assert torch.linalg.matrix_rank(low).item() == 2
    assert torch.linalg.matrix_rank(low, hermitian=True).item() == 2
    square = matrix(3, 3)
    for p in (None, 2, -2, "fro", "nuc", 1, np.inf):
        assert torch.linalg.cond(square, p).item() == pytest.approx(np.linalg.cond(square.numpy(), p))
    assert torch.linalg.cond(torch.zeros(2, 2), 1).item() == np.inf


def test_least_squares() -> None:
    a, b = matrix(5, 3), matrix(5, 2)
    want = np.linalg.lstsq(a.numpy(), b.numpy(), None)
    found = torch.linalg.lstsq(a, b, driver="gelsd")
    np.testing.assert_allclose(found.solution.numpy(), want[0])
    np.testing.assert_allclose(found.residuals.numpy(), want[1])
    assert found.rank.item() == 3
    np.testing.assert_allclose(found.singular_values.numpy(), want[3])
    with pytest.raises(RuntimeError, match=r"lstsq\(\): .*\[5, 3\] and \[4, 2\]"):
        torch.linalg.lstsq(a, b[:4])
