"""Elements of views replaced in new tensors."""

from __future__ import annotations

import pytest

import flambeau as torch
from flambeau.ops.scatter_views import _disjoint


def test_scatters_leave_their_input_alone() -> None:
    x = torch.zeros(3, 3)
    assert x.select_scatter(torch.ones(3), 0, 1).tolist() == [[0] * 3, [1] * 3, [0] * 3]
    assert x.slice_scatter(torch.ones(3, 1), 1, 2).sum(0).tolist() == [0, 0, 3]
    assert x.diagonal_scatter(torch.ones(2), 1).nonzero().tolist() == [[0, 1], [1, 2]]
    assert x.as_strided_scatter(torch.ones(2), (2,), (4,), 1).nonzero().tolist() == [[0, 1], [1, 2]]
    assert not x.any()


def test_overlapping_layouts_gather_sums() -> None:
    x = torch.arange(5.0).requires_grad_()
    x.unfold(0, 3, 1).sum().backward()
    assert x.grad.tolist() == [1, 2, 3, 2, 1]
    assert _disjoint((2, 3), (3, 1)) and _disjoint((2, 2), (1, 2))
    assert not _disjoint((3, 3), (1, 1)) and not _disjoint((2,), (0,))


def test_wrong_sizes() -> None:
    with pytest.raises(RuntimeError, match=r"select_scatter\(\): .*\[2\].*\[3\]"):
        torch.zeros(3, 3).select_scatter(torch.ones(2), 0, 1)
