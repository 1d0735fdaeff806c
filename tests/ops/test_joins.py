"""Stacks, grids, products and blocks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import flambeau as torch


def test_stacks_against_numpy() -> None:
    a, b = torch.arange(3), torch.arange(3, 6)
    for name in ("hstack", "vstack", "dstack", "column_stack"):
        np.testing.assert_array_equal(
            getattr(torch, name)([a, b]).numpy(), getattr(np, name)([a.numpy(), b.numpy()])
        )
    assert torch.atleast_2d(a).shape == (1, 3) and torch.atleast_3d(a).shape == (1, 3, 1)
    assert [t.shape for t in torch.atleast_1d(torch.tensor(1), a)] == [(1,), (3,)]


@pytest.mark.parametrize("indexing", ["ij", "xy"])
def test_meshgrid(indexing: str) -> None:
    a, b, c = torch.arange(2), torch.arange(3), torch.arange(4)
    ours = torch.meshgrid(a, b, c, indexing=indexing)
    theirs = np.meshgrid(a.numpy(), b.numpy(), c.numpy(), indexing=indexing)
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(x.numpy(), y)


def test_meshgrid_wants_to_be_told_its_indexing() -> None:
    x = torch.arange(2)
    with pytest.warns(UserWarning, match="indexing") as caught:
        assert torch.meshgrid(x, x)[0].tolist() == [[0, 0], [1, 1]]
    assert caught[0].filename == __file__


def test_combinations_and_products() -> None:
    x = torch.tensor([3, 1, 2])
    assert torch.combinations(x).tolist() == [list(c) for c in itertools.combinations([3, 1, 2], 2)]
    assert torch.combinations(x, 2, True).shape == (6, 2)
    assert torch.combinations(x, 4).shape == (0, 4)
    assert torch.cartesian_prod(x, x[:1]).tolist() == [[3, 3], [1, 3], [2, 3]]


def test_blocks() -> None:
    out = torch.block_diag(torch.ones(2, 1), torch.tensor([2.0, 3.0]), torch.tensor(4.0))
    assert out.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 2, 3, 0], [0, 0, 0, 4]]
    assert torch.block_diag().shape == (1, 0)


def test_wrong_calls() -> None:
    with pytest.raises(TypeError, match="atleast_2d.*element 0.*int"):
        torch.atleast_2d(3)
    with pytest.raises(RuntimeError, match="hstack.*non-empty"):
        torch.hstack([])
    with pytest.raises(RuntimeError, match="meshgrid.*zz"):
        torch.meshgrid(torch.ones(2), indexing="zz")
    with pytest.raises(RuntimeError, match="1D vector"):
        torch.combinations(torch.ones(2, 2))
    with pytest.raises(RuntimeError, match="block_diag.*3 dimensions"):
        torch.block_diag(torch.ones(1, 1, 1))
