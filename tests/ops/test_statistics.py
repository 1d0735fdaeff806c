"""Variances and covariances against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

A = np.random.default_rng(1).normal(size=(3, 5))
X = torch.tensor(A)


def test_spreads() -> None:
    for dim in (None, 0, (0, 1)):
        for ddof in (0, 1):
            np.testing.assert_allclose(X.var(dim, correction=ddof).numpy(), A.var(dim, ddof=ddof))
            np.testing.assert_allclose(X.std(dim, correction=ddof).numpy(), A.std(dim, ddof=ddof))
    spread, mean = torch.var_mean(X, 1, unbiased=False)
    np.testing.assert_allclose(spread.numpy(), A.var(1))
    np.testing.assert_allclose(mean.numpy(), A.mean(1))
    assert X.std(False).item() == pytest.approx(A.std())
    assert math.isnan(torch.ones(1).std().item())
    with pytest.raises(RuntimeError, match=r"var\(\): .*floating"):
        torch.ones(2, dtype=torch.int64).var()
    with pytest.raises(TypeError, match="not both"):
        X.var(1, True, correction=0)


def test_covariances() -> None:
    np.testing.assert_allclose(torch.cov(X).numpy(), np.cov(A))
    np.testing.assert_allclose(torch.corrcoef(X).numpy(), np.corrcoef(A))
    f, a = torch.tensor([1, 2, 1, 3, 1]), torch.tensor(np.arange(1.0, 6))
    np.testing.assert_allclose(
        torch.cov(X, correction=0, fweights=f, aweights=a).numpy(),
        np.cov(A, ddof=0, fweights=f.numpy(), aweights=a.numpy()),
    )
