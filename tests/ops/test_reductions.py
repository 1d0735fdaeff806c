"""Sums, means, extrema, truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

A = np.random.default_rng(0).normal(size=(2, 3, 4))
X = torch.tensor(A)
NAMES = {"sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min, "any": np.any, "all": np.all,
         "nansum": np.nansum, "nanmean": np.nanmean}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_against_numpy(name: str) -> None:
    for dim in (None, 0, -1, (0, 2), (0, 1, 2)):
        for keepdim in (False, True):
            ours = getattr(X, name)(dim, keepdim)
            theirs = np.asarray(NAMES[name](A, axis=dim, keepdims=keepdim))  # type: ignore[operator]
            if dim is None and keepdim:
                theirs = theirs.reshape(1, 1, 1)
            np.testing.assert_allclose(ours.numpy(), theirs, 1e-12)


def test_dtypes_of_results() -> None:
    ints = torch.ones(2, 3, dtype=torch.int8)
    assert ints.sum().dtype is ints.prod().dtype is torch.int64
    assert ints.sum(dtype=torch.float16).dtype is torch.float16
    assert torch.ones(2, dtype=torch.bool).sum().item() == 2
    assert ints.any().dtype is torch.bool and ints.to(torch.uint8).any().dtype is torch.uint8
    with pytest.raises(RuntimeError, match=r"mean\(\): .*Char"):
        ints.mean()


def test_nothing_to_reduce() -> None:
    none = torch.ones(0, 2)
    assert none.sum(0).tolist() == [0, 0] and none.prod(0).tolist() == [1, 1]
    assert math.isnan(none.mean().item()) and none.all().item() and not none.any().item()
    for call in (none.max, none.amax, none.aminmax):
        with pytest.raises(RuntimeError, match=r"max\(\): .*\[0, 2\]"):
            call()
    for call in (none.max, none.argmax, none.amin):
        with pytest.raises(IndexError, match="dim 0.*non-zero size"):
            call(0)


def test_nan_wins() -> None:
    x = torch.tensor([[1.0, math.nan, 3.0], [4.0, 5.0, 6.0]])
    assert x.max(1).indices.tolist() == [1, 2] and math.isnan(x.max().item())
    assert x.argmin().item() == 1
    assert x.nansum(1).tolist() == [4, 15] and x.nanmean(0).tolist() == [2.5, 5, 4.5]


def test_three_kinds_of_max() -> None:
    x = torch.tensor([[1.0, 5.0], [7.0, 2.0]])
    values, indices = x.max(dim=1, keepdim=True)
    assert values.tolist() == [[5], [7]] and indices.tolist() == [[1], [0]]
    assert x.max().item() == 7
    assert torch.max(x, torch.tensor(3.0)).tolist() == [[3, 5], [7, 3]]
    assert "torch.return_types.max(" in repr(x.max(0))
    low, high = torch.aminmax(x, dim=0)
    assert low.tolist() == [1, 2] and high.tolist() == [7, 5]


def test_ties_share_the_gradient_of_amax_but_not_of_max_along_a_dimension() -> None:
    x = torch.tensor([2.0, 2.0, 1.0], requires_grad=True)
    x.amax().backward()
    assert x.grad.tolist() == [0.5, 0.5, 0]
    x.grad = None
    x.max(0).values.backward()
    assert x.grad.tolist() == [1, 0, 0]


def test_gradient_of_a_product_with_zeros() -> None:
    x = torch.tensor([2.0, 0.0, 3.0], requires_grad=True)
    x.prod().backward()
    assert x.grad.tolist() == [0, 6, 0]


def test_long_float32_sums_stay_close() -> None:
    column = torch.full((1_000_000, 3), 0.1)
    np.testing.assert_allclose(column.sum(0).numpy(), 100_000, 1e-5)
    np.testing.assert_allclose(column.mean(0).numpy(), 0.1, 1e-5)


def test_numpys_names_of_arguments() -> None:
    assert torch.equal(X.sum(axis=1, keepdims=True), X.sum(1, True))
    assert torch.equal(torch.cumsum(X, axis=0), X.cumsum(0))


def test_wrong_dimensions() -> None:
    with pytest.raises(IndexError, match=r"sum\(\): .*\[-3, 2\].*3"):
        X.sum(3)
    with pytest.raises(RuntimeError, match=r"sum\(\): .*multiple"):
        X.sum((0, 0))
    with pytest.raises(TypeError, match=r"sum\(\): .*dim.*str"):
        X.sum("x")
    with pytest.raises(RuntimeError, match=r"argmax\(\): .*bool"):
        torch.ones(2, dtype=torch.bool).argmax()
    with pytest.raises(RuntimeError, match=r"sum_to_size\(\): .*\[5\].*\[2, 3, 4\]"):
        X.sum_to_size(5)
