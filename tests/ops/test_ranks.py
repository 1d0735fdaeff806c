"""Medians, quantiles and other ranks against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

A = np.random.default_rng(1).normal(size=(3, 5))
X = torch.tensor(A)


def test_medians() -> None:
    assert torch.tensor([4, 1, 3, 2]).median().item() == 2  # the lower one
    x = torch.tensor([[3.0, math.nan, 1.0], [5.0, 4.0, 6.0]])
    values, places = x.median(1)
    assert math.isnan(values[0].item()) and places.tolist() == [1, 0]
    assert x.nanmedian(1).values.tolist() == [1, 5]
    assert x.nanmedian().item() == 4


def test_ranks() -> None:
    x = torch.tensor([3, 1, 2, 1])
    assert tuple(v.item() for v in x.kthvalue(3)) == (2, 2)
    assert tuple(v.item() for v in x.mode()) == (1, 3)
    with pytest.raises(RuntimeError, match=r"kthvalue\(\): .*k=5, size 4"):
        x.kthvalue(5)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "nearest", "midpoint"])
def test_quantiles(interpolation: str) -> None:
    for q in (0.0, 0.3, 0.5, 1.0):
        ours = torch.quantile(X, q, 1, interpolation=interpolation)
        np.testing.assert_allclose(ours.numpy(), np.quantile(A, q, 1, method=interpolation))
    several = torch.quantile(X, torch.tensor([0.2, 0.9], dtype=torch.float64), 0, True)
    np.testing.assert_allclose(several.numpy(), np.quantile(A, [0.2, 0.9], 0, keepdims=True))


def test_quantiles_and_nan() -> None:
    x = torch.tensor([[1.0, math.nan, 3.0], [4.0, 5.0, 6.0]])
    found = torch.quantile(x, 0.5, 1)
    assert math.isnan(found[0].item()) and found[1].item() == 5
    assert torch.nanquantile(x, 0.5, 1).tolist() == [2, 5]
    with pytest.raises(RuntimeError, match=r"quantile\(\) q.*\[0, 1\].*1.5"):
        torch.quantile(x, 1.5)
    with pytest.raises(RuntimeError, match="float or double"):
        torch.quantile(torch.tensor([1, 2]), 0.5)
