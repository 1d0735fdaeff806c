"""Sparse tensors against the dense ones that they stand for."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn

INDICES = torch.tensor([[0, 1, 1, 2, 1], [2, 0, 2, 2, 0]])
VALUES = torch.tensor([3.0, 4.0, 5.0, 1.0, 2.0])
DENSE = torch.tensor([[0.0, 0.0, 3.0], [6.0, 0.0, 5.0], [0.0, 0.0, 1.0]])


def matrix(values: Any = VALUES) -> Any:
    return torch.sparse_coo_tensor(INDICES, values, (3, 3))


def same(found: Any, expected: Any, tolerance: float = 1e-6) -> None:
    dense = found.to_dense() if found.is_sparse else found
    assert dense.shape == expected.shape
    assert torch.allclose(dense, expected, atol=tolerance)


def test_what_it_says_of_itself() -> None:
    x = matrix()
    assert isinstance(x, torch.Tensor)
    assert (x.shape, x.size(0), x.dim(), x.numel()) == ((3, 3), 3, 2, 9)
    assert (x.is_sparse, x.layout, x.dtype) == (True, torch.sparse_coo, torch.float32)
    assert (x.sparse_dim(), x.dense_dim(), x._nnz(), x.is_coalesced()) == (2, 0, 5, False)
    with pytest.raises(RuntimeError, match="please call .coalesce"):
        x.indices()
    summed = x.coalesce()
    assert summed.indices().tolist() == [[0, 1, 1, 2], [2, 0, 2, 2]]
    assert summed.values().tolist() == [3.0, 6.0, 5.0, 1.0]
    assert repr(summed) == (
        "tensor(indices=tensor([[0, 1, 1, 2],\n"
        "                       [2, 0, 2, 2]]),\n"
        "       values=tensor([3., 6., 5., 1.]),\n"
        "       size=(3, 3), nnz=4, layout=torch.sparse_coo)"
    )


def test_to_and_from_dense() -> None:
    same(matrix(), DENSE)
    same(DENSE.to_sparse(), DENSE)
    assert DENSE.to_sparse().is_coalesced()
    hybrid = torch.ones(2, 3).to_sparse(1)
    assert hybrid.dense_dim() == 1
    same(hybrid, torch.ones(2, 3))
    same(torch.sparse_coo_tensor([[0, 1], [1, 0]], [1.0, 2.0]), torch.tensor([[0.0, 1.0], [2.0, 0.0]]))
    same(torch.sparse.FloatTensor(INDICES, VALUES, torch.Size([3, 3])), DENSE)
    same(torch.sparse_coo_tensor(torch.zeros(2, 0), torch.zeros(0), (2, 2)), torch.zeros(2, 2))


def test_products() -> None:
    x, other, vector = matrix(), torch.randn(3, 2), torch.randn(3)
    expected = DENSE @ other
    for found in (
        torch.mm(x, other), torch.spmm(x, other), torch.sparse.mm(x, other), x @ other,
        torch.matmul(x, other), x.mm(other),
    ):  # fmt: skip
        assert type(found) is torch.Tensor
        same(found, expected, 1e-5)
    same(other.t() @ x, other.t() @ DENSE, 1e-5)
    same(torch.mv(x, vector), DENSE @ vector, 1e-5)
    same(torch.sparse.addmm(other, x, other, beta=2, alpha=3), 2 * other + 3 * expected, 1e-5)
    assert torch.sparse.mm(x, x).is_sparse
    same(torch.sparse.mm(x, x), DENSE @ DENSE)


def test_arithmetic() -> None:
    x = matrix()
    same(x + x, 2 * DENSE)
    same(torch.ones(3, 3) + x, 1 + DENSE)
    same(x - x.t(), DENSE - DENSE.t())
    same(2 * x / 4, DENSE / 2)
    same(x * x, DENSE * DENSE)
    same(x * torch.full((3, 3), 2.0), 2 * DENSE)
    same(torch.sqrt(x), DENSE.sqrt())
    same(x.transpose(0, 1), DENSE.t())
    assert x.double().dtype is torch.float64
    assert x.to(torch.float16)._values().dtype is torch.float16


def test_sums_and_softmax() -> None:
    x = matrix()
    assert x.sum().item() == DENSE.sum().item()
    same(torch.sparse.sum(x, 1), DENSE.sum(1))
    same(torch.sparse.sum(x, dim=[0]), DENSE.sum(0))
    lowest = DENSE.masked_fill(DENSE == 0, float("-inf"))
    for dim in (0, 1):
        expected = torch.softmax(lowest, dim).nan_to_num(0.0)
        same(torch.sparse.softmax(x, dim), expected)
        same(torch.sparse.log_softmax(x, dim).coalesce().values().exp(), expected[expected > 0])


def test_gradients_reach_both_operands() -> None:
    values = VALUES.clone().requires_grad_()
    other = torch.randn(3, 2, requires_grad=True)
    torch.sparse.mm(matrix(values), other).pow(2).sum().backward()
    dense = DENSE.clone().requires_grad_()
    again = other.detach().clone().requires_grad_()
    (dense @ again).pow(2).sum().backward()
    assert torch.allclose(other.grad, again.grad, atol=1e-4)
    assert torch.allclose(values.grad, dense.grad[tuple(INDICES)], atol=1e-4)
    leaf = torch.sparse_coo_tensor(INDICES, VALUES, (3, 3), requires_grad=True)
    (leaf @ torch.ones(3, 1)).sum().backward()
    same(leaf.grad.coalesce(), torch.tensor([[0.0, 0, 1], [2, 0, 1], [0, 0, 1]]))


def test_as_a_buffer(tmp_path: Any) -> None:
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("adjacency", matrix())

    graph, other = Graph().double(), Graph()
    assert graph.adjacency.dtype is torch.float64
    torch.save(graph.state_dict(), tmp_path / "a.pt")
    other.adjacency = other.adjacency * 0
    other.load_state_dict(torch.load(tmp_path / "a.pt"))
    same(other.adjacency, DENSE)
    same(copy.deepcopy(graph).adjacency, DENSE.double())


def test_refusals() -> None:
    x = matrix()
    with pytest.raises(NotImplementedError, match=r"cumsum\(\) takes no sparse tensor: call to_dense"):
        torch.cumsum(x, 0)
    with pytest.raises(RuntimeError, match="for dim 0, size is 2 but found index 5"):
        torch.sparse_coo_tensor([[5], [0]], [1.0], (2, 2))
    with pytest.raises(RuntimeError, match="negative"):
        torch.sparse_coo_tensor([[-1], [0]], [1.0], (2, 2))
    with pytest.raises(RuntimeError, match="sparse_dim"):
        torch.sparse_coo_tensor([[0], [0]], [1.0], (2,))
    with pytest.raises(RuntimeError, match="number of values 2"):
        torch.sparse_coo_tensor([[0], [0]], [1.0, 2.0], (2, 2))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        x @ torch.ones(4, 2)
    with pytest.raises(RuntimeError, match="same size"):
        x + torch.sparse_coo_tensor(INDICES, VALUES, (3, 4))
    with pytest.raises(NotImplementedError, match="layout"):
        DENSE.to_sparse(layout="csr")


@pytest.mark.parametrize(
    ("dim", "error"),
    [(2, IndexError), (-3, IndexError), (1.0, TypeError), ("a", TypeError), (True, TypeError),
     (np.datetime64("2020-01-01"), TypeError)],
)  # fmt: skip
def test_dimensions_that_a_matrix_lacks(dim: Any, error: type[Exception]) -> None:
    x = torch.eye(3).to_sparse()
    for function in (torch.sparse.softmax, torch.sparse.log_softmax, torch.sparse.sum):
        with pytest.raises(error):
            function(x, dim)
    with pytest.raises(error):
        torch.sparse.sum(x, [0, dim])
    assert torch.equal(torch.sparse.sum(x, []).to_dense(), x.to_dense())
