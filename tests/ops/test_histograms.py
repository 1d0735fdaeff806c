"""Counting against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

A = np.random.default_rng(1).normal(size=(3, 5))
X = torch.tensor(A)


def test_histograms() -> None:
    np.testing.assert_array_equal(torch.histc(X, 4).numpy(), np.histogram(A, 4)[0])
    counts, edges = torch.histogram(X, 4, range=(-1.0, 1.0), density=True)
    want = np.histogram(A, 4, (-1.0, 1.0), density=True)
    np.testing.assert_allclose(counts.numpy(), want[0])
    np.testing.assert_allclose(edges.numpy(), want[1])
    assert torch.bincount(torch.tensor([1, 3, 1]), minlength=5).tolist() == [0, 2, 0, 1, 0]
    assert torch.bincount(torch.tensor([1, 0]), torch.tensor([0.5, 2.0])).tolist() == [2, 0.5]
    with pytest.raises(RuntimeError, match="finite"):
        torch.histc(torch.tensor([math.inf]))
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.bincount(torch.tensor([-1]))
