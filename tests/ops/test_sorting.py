"""Sorting, searching, unique values."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

A = np.random.default_rng(4).integers(0, 4, (3, 6))
X = torch.tensor(A)


def test_sorts_are_stable() -> None:
    for descending in (False, True):
        values, places = X.sort(1, descending)
        order = np.argsort(-A if descending else A, 1, kind="stable")
        np.testing.assert_array_equal(places.numpy(), order)
        np.testing.assert_array_equal(values.numpy(), np.take_along_axis(A, order, 1))
    assert torch.tensor([200, 3, 255], dtype=torch.uint8).sort(descending=True)[0].tolist() == [255, 200, 3]


def test_nan_is_the_largest() -> None:
    x = torch.tensor([1.0, math.nan, math.inf, -1.0])
    assert x.argsort().tolist() == [3, 0, 2, 1] and x.argsort(descending=True).tolist() == [1, 2, 0, 3]
    assert x.topk(2).indices.tolist() == [1, 2] and x.topk(1, largest=False).indices.item() == 3
    assert x.topk(1).indices.item() == 1


def test_topk_of_a_dimension() -> None:
    x = torch.tensor([[1.0, 9.0], [5.0, 2.0], [3.0, 4.0]], requires_grad=True)
    values, places = x.topk(2, 0)
    assert values.tolist() == [[5, 9], [3, 4]] and places.tolist() == [[1, 0], [2, 2]]
    values.sum().backward()
    assert x.grad.tolist() == [[0, 1], [1, 0], [1, 1]]
    with pytest.raises(RuntimeError, match=r"topk\(\): .*k=4.*size 3"):
        x.topk(4, 0)


def test_nonzero() -> None:
    np.testing.assert_array_equal(X.nonzero().numpy(), np.argwhere(A))
    for ours, theirs in zip(X.nonzero(as_tuple=True), np.nonzero(A), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)
    assert torch.tensor(3).nonzero().shape == (1, 0)
    assert [t.tolist() for t in torch.tensor(3).nonzero(as_tuple=True)] == [[0]]


def test_unique() -> None:
    values, inverse, counts = torch.unique(X, return_inverse=True, return_counts=True)
    assert values[inverse].tolist() == A.tolist() and counts.sum().item() == A.size
    rows = torch.tensor([[1, 2], [0, 5], [1, 2]])
    assert rows.unique(dim=0).tolist() == [[0, 5], [1, 2]]
    runs, lengths = torch.tensor([1, 1, 2, 1]).unique_consecutive(return_counts=True)
    assert runs.tolist() == [1, 2, 1] and lengths.tolist() == [2, 1, 1]


def test_unique_values_have_gradients() -> None:
    x = torch.tensor([3.0, 1.0, 3.0], requires_grad=True)
    (x.unique() * torch.tensor([1.0, 2.0])).sum().backward()
    assert x.grad.tolist() == [2, 1, 0]


def test_searches() -> None:
    edges = torch.tensor([1.0, 3.0, 5.0])
    assert torch.searchsorted(edges, torch.tensor([0.0, 3.0, 9.0])).tolist() == [0, 1, 3]
    assert torch.bucketize(3.0, edges, right=True).item() == 2
    assert torch.searchsorted(edges.expand(2, 3).contiguous(), torch.tensor([[2.0], [4.0]])).tolist() == [[1], [2]]
    assert torch.isin(X, torch.tensor([0, 3])).tolist() == np.isin(A, [0, 3]).tolist()
    with pytest.raises(RuntimeError, match="searchsorted.*'left' or 'right'"):
        torch.searchsorted(edges, 1.0, side="middle")
    with pytest.raises(RuntimeError, match=r"bucketize\(\): .*1 dimension.*2"):
        torch.bucketize(edges, torch.ones(1, 1))
