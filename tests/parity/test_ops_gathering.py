"""Gathering, scattering, embedding beside PyTorch's."""

from __future__ import annotations

import pytest

from .expressions import ALL, differing

GATHER = """
    T.gather(a32, 0, k22)
    T.gather(a32, 1, k34)
    T.gather(a32, -1, k34)
    T.gather(a32, dim=0, index=k12)
    T.gather(a32, 0, k22, sparse_grad=False)
    a32.gather(0, k22)
    T.gather(a32_t, 0, k22_t)
    T.gather(a234, 1, k224)
    T.gather(a, 0, T.tensor(0))
    T.gather(a, 0, T.tensor([0, 0]))
    T.gather(a3, 0, T.tensor(2))
    T.gather(a32, 0, T.tensor([], dtype=T.int64))
    T.gather(a32, 0, T.zeros(0, 2, dtype=T.int64))
    T.gather(a03, 1, T.zeros(0, 3, dtype=T.int64))
    T.gather(a32, 0, T.zeros(1, 2, dtype=T.int32))
    T.gather(a32, 2, k22)
    T.gather(a32, 0, k23)
    T.gather(a32, 0, k2)
    T.gather(a32, 0, T.tensor([[3, 0]]))
    T.gather(a32, 0, T.tensor([[-1, 0]]))
    T.gather(a32, 0, T.tensor([[0.5]]))
    T.gather(a32, 0, [[0]])
    T.gather(a32, 0)
    T.gather(a32, k22, 0)
    T.gather(a32, 0.5, k22)
    x = T.empty(0).to(dt); T.gather(c32, 0, T.tensor([[1, 0]]), out=x); x.tolist()
    T.take_along_dim(a32, T.tensor([[1, 0]]), 0)
    T.take_along_dim(a32, T.tensor([[1], [0], [1]]), 1)
    T.take_along_dim(a32, T.tensor([1, 5]))
    T.take_along_dim(a32, T.tensor([1, 5]), 0)
    T.take_along_dim(a32, T.tensor([[0.5]]), 0)
    a32.take_along_dim(a32.real.argsort(0), 0)
    T.take(a32, T.tensor([[0, 5], [-1, 2]]))
    T.take(a32_t, T.tensor([0, 1]))
    T.take(a32, T.tensor([6]))
    T.take(a32, T.tensor([-7]))
    T.take(a32, T.tensor(3))
    T.take(a32, T.tensor([1], dtype=T.int32))
    T.take(a32, T.tensor([0.5]))
    T.take(a32, T.tensor([], dtype=T.int64))
    T.take(a03, T.tensor([0]))
    T.take(a, T.tensor([0]))
    a32.take(k4)
    T.index_select(a32, 0, k4)
    T.index_select(a32, 1, k4)
    T.index_select(a32, -1, T.tensor(1))
    T.index_select(a32_t, 0, T.tensor([1, 1], dtype=T.int32))
    T.index_select(a32, 0, T.tensor([3]))
    T.index_select(a32, 0, T.tensor([-1]))
    T.index_select(a32, 2, k4)
    T.index_select(a32, 0, k22)
    T.index_select(a32, 0, T.tensor([0.5]))
    T.index_select(a32, 0, T.tensor([True]))
    T.index_select(a32, 0, [0])
    T.index_select(a32, 0, T.tensor([], dtype=T.int64))
    T.index_select(a, 0, T.tensor([0]))
    T.index_select(a, 0, T.tensor(0))
    T.index_select(a03, 1, k2)
    T.index_select(a03, 0, k2)
    a234.index_select(1, k2)
    T.masked_select(a32, b32)
    T.masked_select(a32, b2)
    T.masked_select(a2, b32)
    T.masked_select(a32, b3)
    T.masked_select(a32, k32)
    T.masked_select(a32, T.tensor(True))
    T.masked_select(a, T.tensor(True))
    T.masked_select(a, T.tensor([True, False, True]))
    T.masked_select(a32_t, b23)
    T.masked_select(a32, True)
    a32.masked_select(a32.real > 0)
    T.masked_select(a03, T.zeros(0, 3) > 0)
"""

SCATTER = """
    T.scatter(a32, 0, T.tensor([[2, 0]]), g12)
    T.scatter(a32, 0, T.tensor([[2, 0], [0, 1]]), 5)
    T.scatter(a32, 0, T.tensor([[2, 0], [0, 1]]), value=5)
    T.scatter(a32, 0, T.tensor([[2, 0], [0, 1]]), 1.5)
    T.scatter(a32, dim=1, index=T.tensor([[1], [0], [1]]), src=g31)
    T.scatter(a32, 0, T.tensor([[2, 0]]), g12, reduce='add')
    T.scatter(a32, 0, T.tensor([[2, 0]]), g12, reduce='multiply')
    T.scatter(a32, 0, T.tensor([[2, 0]]), 3, reduce='add')
    T.scatter(a32, 0, T.tensor([[2, 0]]), 3, reduce='multiply')
    T.scatter(a32, 0, T.tensor([[2, 0]]), g12, reduce='amax')
    T.scatter(a, 0, T.tensor(0), g)
    T.scatter(a, 0, T.tensor([0]), 2)
    T.scatter(a3, 0, T.tensor(1), 2)
    T.scatter(a3, 0, T.tensor(1), g)
    T.scatter(a32, 0, T.tensor([], dtype=T.int64), 1)
    T.scatter(a32, 0, T.tensor([[3, 0]]), g12)
    T.scatter(a32, 0, T.tensor([[-1, 0]]), g12)
    T.scatter(a32, 0, T.tensor([[1, 0, 1]]), g13)
    T.scatter(a32, 0, T.tensor([[1, 0], [1, 0]]), g12)
    T.scatter(a32, 0, T.tensor([1, 0]), g2)
    T.scatter(a32, 0, T.tensor([[1, 0]], dtype=T.int32), g12)
    T.scatter(a32, 0, T.tensor([[0.5]]), g12)
    T.scatter(a32, 0, T.tensor([[1, 0]]), T.ones(1, 2, dtype=T.int16))
    T.scatter(a32, 2, T.tensor([[1, 0]]), g12)
    T.scatter(a32, 0, T.tensor([[1, 0]]))
    T.scatter(a32, 0, [[1, 0]], g12)
    T.scatter(a32, 0, T.tensor([[1, 0]]), 'a')
    a32.scatter(0, T.tensor([[1, 0]]), g12)
    a32_t.scatter(0, T.tensor([[1, 0, 1]]), 2)
    x = a32.clone(); x.scatter_(0, T.tensor([[1, 0]]), g12); x
    x = a32.clone(); x.scatter_(0, T.tensor([[1, 0]]), 3); x
    x = a32.clone(); x.scatter_(0, T.tensor([[1, 0]]), value=3); x
    x = a32.clone(); x.scatter_(0, T.tensor([[1, 0]]), g12, reduce='add'); x
    x = c32.clone(); T.scatter(c32, 0, T.tensor([[1, 0]]), 2, out=x); x.tolist()
    T.scatter_add(a32, 0, T.tensor([[1, 0], [1, 0], [2, 0], [1, 1]]), g42)
    T.scatter_add(a32, 1, k34, g34)
    T.scatter_add(a32, 1, k34, g33)
    T.scatter_add(a32, 0, T.tensor([[3, 0]]), g12)
    T.scatter_add(a32, 0, T.tensor([[1, 0]]), 1.0)
    T.scatter_add(a32, 0, T.tensor([[1, 0]]), T.ones(1, 2, dtype=T.int16))
    T.scatter_add(a32_t, 0, k23_t, g23)
    T.scatter_add(a, 0, T.tensor(0), g)
    T.scatter_add(a, 0, T.tensor([0, 0]), g2)
    x = a32.clone(); x.scatter_add_(1, k34, g34); x
    x = a32.clone(); y = x.t(); y.scatter_add_(1, k23, g23); x
    T.index_add(a32, 0, T.tensor([0, 2, 0, 0]), g42)
    T.index_add(a32, 1, T.tensor([1, 1]), g32)
    T.index_add(a32, -1, T.tensor([1], dtype=T.int32), g31, alpha=2)
    T.index_add(a32, 0, T.tensor(1), g2)
    T.index_add(a32, 0, T.tensor([3]), g12)
    T.index_add(a32, 0, T.tensor([-1]), g12)
    T.index_add(a32, 0, T.tensor([1]), g22)
    T.index_add(a32, 0, T.tensor([1]), g13)
    T.index_add(a32, 0, k22, g22)
    T.index_add(a32, 2, T.tensor([1]), g12)
    T.index_add(a32, 0, T.tensor([0.5]), g12)
    T.index_add(a32, 0, T.tensor([1]), T.ones(1, 2, dtype=T.int16))
    T.index_add(a, 0, T.tensor([0]), g)
    T.index_add(a, 0, T.tensor([0]), g1)
    T.index_add(a3, 0, T.tensor([3]), g1)
    T.index_add(a234, 1, T.tensor([0, 0, 1]), g234)
    a32_t.index_add(0, k4, g43)
    x = a32.clone(); x.index_add_(0, T.tensor([0, 0]), g22); x
    x = a32.clone(); x.t().index_add_(0, T.tensor([0, 0]), g23); x
    T.index_copy(a32, 0, T.tensor([2, 0]), g22)
    T.index_copy(a32, 1, T.tensor([1]), g31)
    T.index_copy(a32, 0, T.tensor(1), g12)
    T.index_copy(a32, 0, T.tensor([3]), g12)
    T.index_copy(a32, 0, T.tensor([-1]), g12)
    T.index_copy(a32, 0, T.tensor([1, 0]), g12)
    T.index_copy(a32, 0, T.tensor([1]), g13)
    T.index_copy(a32, 0, T.tensor([1]), g2)
    T.index_copy(a32, 0, T.tensor([1]), g)
    T.index_copy(a32, 0, T.tensor([1], dtype=T.int32), g12)
    T.index_copy(a32, 0, T.tensor([1]), T.ones(1, 2, dtype=T.int16))
    T.index_copy(a, 0, T.tensor([0]), g)
    a32_t.index_copy(0, T.tensor([1]), g13)
    x = a32.clone(); x.index_copy_(0, T.tensor([1]), g12); x
    T.index_fill(a32, 0, T.tensor([2, 0]), 3)
    T.index_fill(a32, 1, T.tensor([1]), 1.5)
    T.index_fill(a32, 1, T.tensor([1]), g)
    T.index_fill(a32, 0, T.tensor(1), 2)
    T.index_fill(a32, 0, T.tensor([3]), 2)
    T.index_fill(a32, 0, T.tensor([-1]), 2)
    T.index_fill(a32, 0, T.tensor([1]), g2)
    T.index_fill(a32, 2, T.tensor([1]), 2)
    T.index_fill(a32, 0, T.tensor([0.5]), 2)
    T.index_fill(a32, 0, T.tensor([1], dtype=T.int32), 2)
    T.index_fill(a, 0, T.tensor([0]), 2)
    T.index_fill(a32, 0, T.tensor([], dtype=T.int64), 2)
    x = a32.clone(); x.index_fill_(0, T.tensor([1]), 4); x
    T.put(a32, T.tensor([0, 5]), g2) if hasattr(T, 'put') else a32.put(T.tensor([0, 5]), g2)
    a32.put(T.tensor([[0, -1]]), g12)
    a32.put(T.tensor([0, 0, 1]), g3, accumulate=True)
    a32.put(T.tensor([6]), g1)
    a32.put(T.tensor([0, 1]), g3)
    a32.put(T.tensor([0]), T.ones(1, dtype=T.int16))
    a32.put(T.tensor([0.5]), g1)
    x = a32.clone(); x.put_(T.tensor([0, 5]), g2); x
    x = a32.clone(); x.t().put_(T.tensor([0, 5]), g2); x
    T.masked_scatter(a32, b32, g6)
    T.masked_scatter(a32, b2, g23)
    T.masked_scatter(a2, b32, g6)
    T.masked_scatter(a32, b32, g2)
    T.masked_scatter(a32, k32, g6)
    T.masked_scatter(a32, b32, T.ones(6, dtype=T.int16))
    T.masked_scatter(a, T.tensor(True), g2)
    x = a32.clone(); x.masked_scatter_(a32.real > 0, g6); x
"""

LARGER = """
    T.scatter(a32, 0, T.tensor([[2, 0]]), g22)
    T.scatter(a32, -1, T.tensor([[1], [0], [1]]), g32)
    T.scatter(a32, 0, T.zeros(0, 2, dtype=T.int64), g32)
    T.scatter_add(a32, 0, T.tensor([[1, 0]]), g42)
    T.scatter_reduce(a32, 0, T.tensor([[1, 0]]), g42, 'sum')
"""
"""Sources larger than the index: PyTorch's derivative is wrong about them."""

REDUCE = """
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'sum')
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'prod')
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'mean')
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'amax')
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'amin')
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'sum', include_self=False)
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'mean', include_self=False)
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'amax', include_self=False)
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'prod', include_self=False)
    T.scatter_reduce(a32, 0, T.tensor([[2, 0], [2, 0]]), g22, 'max')
    T.scatter_reduce(a32, 0, T.tensor([[3, 0]]), g22, 'sum')
    T.scatter_reduce(r32, 0, T.tensor([[2, 0], [2, 0]]), r22, 'amax')
    x = a32.clone(); x.scatter_reduce_(0, T.tensor([[2, 0], [2, 0]]), g22, 'amin'); x
"""

EMBEDDING = """
    T.embedding(a43, k23)
    T.embedding(a43, T.tensor(2))
    T.embedding(a43, T.tensor([3, 0, 3, 3]), 3)
    T.embedding(a43, T.tensor([3, 0, 3, 3]), padding_idx=-1)
    T.embedding(a43, T.tensor([3, 0, 3, 3]), scale_grad_by_freq=True)
    T.embedding(a43, T.tensor([[3, 0], [3, 3]]), 0, True)
    T.embedding(a43, T.tensor([], dtype=T.int64))
    T.embedding(a43, T.tensor([4]))
    T.embedding(a43, T.tensor([-1]))
    T.embedding(a43, T.tensor([1], dtype=T.int32))
    T.embedding(a43, T.tensor([0.5]))
    T.embedding(a43_t, k5)
    T.embedding(a432, k2)
    T.embedding(a3, k2)
    T.embedding([1], k2)
    T.embedding(a43, [1])
"""

ONE_HOT = """
    T.nn.functional.one_hot(k23)
    T.nn.functional.one_hot(k23, 4)
    T.nn.functional.one_hot(T.tensor(2))
    T.nn.functional.one_hot(T.tensor([2]), 2)
    T.nn.functional.one_hot(T.tensor([-1]))
    T.nn.functional.one_hot(T.tensor([], dtype=T.int64))
    T.nn.functional.one_hot(T.zeros(0, 2, dtype=T.int64), 3)
    T.nn.functional.one_hot(T.tensor([2]), -2)
    T.nn.functional.one_hot(T.tensor([0.5]))
    T.nn.functional.one_hot(T.tensor([1], dtype=T.int32))
"""


@pytest.mark.parametrize(
    "block", [GATHER, SCATTER, REDUCE, EMBEDDING], ids=["gather", "scatter", "reduce", "embedding"]
)
def test_values_and_gradients(block: str) -> None:
    assert differing(block, "float32", grad=True) == ""


@pytest.mark.parametrize("block", [ONE_HOT, LARGER], ids=["one_hot", "larger"])
def test_values(block: str) -> None:
    assert differing(block, "float32") == ""


def test_dtypes() -> None:
    block = """
        T.gather(a32, 0, k22)
        T.index_select(a32, 1, k4)
        T.masked_select(a32, b32)
        T.scatter(a32, 0, T.tensor([[2, 0]]), g12)
        T.scatter(a32, 0, T.tensor([[2, 0]]), 2)
        T.scatter_add(a32, 1, k34, g34)
        T.index_add(a32, 0, T.tensor([0, 2, 0, 0]), g42)
        T.index_copy(a32, 0, T.tensor([2, 0]), g22)
        T.index_fill(a32, 0, T.tensor([2, 0]), 3)
        a32.put(T.tensor([0, 0, 1]), g3, accumulate=True)
        T.masked_scatter(a32, b32, g6)
        T.take(a32, T.tensor([[0, 5], [-1, 2]]))
        T.embedding(a43, k23)
    """
    assert differing(block, *ALL, grad=True, node=False) == ""


def test_second_derivatives() -> None:
    block = """
        T.autograd.grad((T.gather(a32, 0, k22) ** 3).sum(), a32, create_graph=True)[0]
        T.autograd.grad((T.scatter(a32, 0, T.tensor([[2, 0]]), g12) ** 3).sum(), [a32, g12], create_graph=True)
        T.autograd.grad((T.scatter_add(a32, 1, k34, g34) ** 3).sum(), [a32, g34], create_graph=True)
        T.autograd.grad((T.index_add(a32, 0, T.tensor([0, 0]), g22, alpha=2) ** 3).sum(), [a32, g22], create_graph=True)
        T.autograd.grad((T.embedding(a43, T.tensor([3, 0, 3, 3]), 0) ** 3).sum(), a43, create_graph=True)[0]
        T.autograd.grad((T.masked_select(a32, b32) ** 3).sum(), a32, create_graph=True)[0]
    """
    assert differing(block, "float64", grad=True, node=False) == ""

