"""Sorting, searching, unique values, against PyTorch."""

from __future__ import annotations

import pytest

from .expressions import ALL, differing

SORTING = r"""
a4.sort()
a23.sort(0)
a23.sort(descending=True)
a23.sort(dim=1, descending=True)
a23.sort(-1, True)
r35.sort(dim=1, stable=True)
r35.sort(stable=True, dim=0, descending=True)
n23.sort()
n23.sort(descending=True)
n35.sort(0, True)
a.sort()
a.sort(0)
a0.sort()
a02.sort(0)
a23.sort(2)
a23_t.sort()
T.sort(a23)
T.sort(a23, dim=0, descending=True)
T.sort(a23, stable=True)
T.sort(a23, 1).values
T.sort(a23, 1, out=(T.empty(0, dtype=dt), T.empty(0, dtype=T.int64)))
a4.argsort()
a23.argsort(0)
a23.argsort(-1, True)
a23.argsort(dim=1, descending=True)
r35.argsort(dim=1, stable=True)
T.argsort(a23, dim=0)
T.argsort(a23, stable=True)
a.argsort()
n23.argsort()
T.msort(a42)
a42.msort()
T.msort(a0)
a4.topk(2)  # floats
a23.topk(2)
a23.topk(1, 0)
a23.topk(2, 1, False)
a23.topk(k=2, dim=-1, largest=False, sorted=True)
a23.topk(0)
a23.topk(4)
a23.topk(-1)
a23.topk(1, 2)
n23.topk(2)
n23.topk(1)
n23.topk(1, largest=False)
n23.topk(3, largest=False)
a.topk(1)
a.topk(2)
T.topk(a23, 2)
T.topk(a23, 1, dim=0)
T.topk(a23, 1, out=(T.empty(0, dtype=dt), T.empty(0, dtype=T.int64)))
r35.nonzero()
r35.nonzero(as_tuple=True)
T.nonzero(r35)
T.nonzero(r35, as_tuple=True)
T.nonzero(r35, as_tuple=False)
b23.nonzero()
n23.nonzero()
a.nonzero()
a.nonzero(as_tuple=True)
T.tensor(0).nonzero()
T.tensor(0).nonzero(as_tuple=True)
a0.nonzero()
a02.nonzero()
T.argwhere(r35)
a.argwhere()
T.nonzero(r35, out=T.empty(0, dtype=T.int64))
r35.unique()  # flat
T.unique(r35)  # flat
T.unique(r35, return_inverse=True)  # flat
T.unique(r35, return_counts=True)  # flat
T.unique(r35, return_inverse=True, return_counts=True)  # flat
T.unique(r35, dim=0)  # flat
T.unique(r35, dim=1, return_inverse=True, return_counts=True)  # flat
T.unique(r35, True, True)  # flat
T.unique(r35, sorted=True, return_inverse=True, dim=-1)  # flat
T.unique(a)  # flat
T.unique(a0)  # flat
T.unique(a0, return_inverse=True, return_counts=True)  # flat
T.unique(a02, dim=0)  # flat
T.unique(a02, dim=1)
T.unique(n23)  # flat
T.unique(b23)
T.unique(r35, dim=2)
r35.unique(return_counts=True)  # flat
r35.unique(dim=0)  # flat
T.unique_consecutive(r35)  # flat
T.unique_consecutive(r35, return_inverse=True, return_counts=True)  # flat
T.unique_consecutive(r35, dim=0)  # flat
T.unique_consecutive(r35, dim=1, return_inverse=True, return_counts=True)  # flat
r35.unique_consecutive(return_inverse=True)  # flat
T.unique_consecutive(a0, return_counts=True)  # flat
T.unique_consecutive(n23)  # flat
T.searchsorted(T.tensor([1., 3., 5.], dtype=dt), a23)
T.searchsorted(T.tensor([1., 3., 5.], dtype=dt), T.tensor([1., 3., 6.], dtype=dt), right=True)
T.searchsorted(T.tensor([1., 3., 5.], dtype=dt), T.tensor([1., 3., 6.], dtype=dt), side='right')
T.searchsorted(T.tensor([1., 3., 5.], dtype=dt), 3)
T.searchsorted(T.tensor([1., 3., 5.], dtype=dt), 3, out_int32=True)
T.searchsorted(a23.sort()[0], c23)
T.searchsorted(a23, c23, sorter=a23.argsort())
T.searchsorted(a23.sort()[0], c3)
T.searchsorted(a23.sort()[0], c32)
T.searchsorted(a, c3)
T.searchsorted(a3.sort()[0], c)
T.searchsorted(a3.sort()[0], c3, side='zzz')
T.searchsorted(a3.sort()[0], c3, side='left', right=True)
T.searchsorted(a3.sort()[0], n3)
T.searchsorted(a3.sort()[0], w3)
T.searchsorted(a0, c3)
T.searchsorted(a3.sort()[0], c3, out=T.empty(0, dtype=T.int64))
T.bucketize(a23, T.tensor([1., 3., 5.], dtype=dt))
T.bucketize(a23, boundaries=T.tensor([1., 3., 5.], dtype=dt), right=True)
T.bucketize(3, T.tensor([1., 3., 5.], dtype=dt))
T.bucketize(a23, c22)
T.bucketize(a23, T.tensor([1., 3., 5.], dtype=dt), out_int32=True)
T.isin(a23, c3)
T.isin(r23, T.tensor([1, 0]).to(dt))
T.isin(r23, 1)  # floats
T.isin(1, r23)  # floats
T.isin(r23, T.tensor([1, 0]).to(dt), invert=True)
T.isin(r23, T.tensor([1, 0]).to(dt), assume_unique=False)
T.isin(elements=r23, test_elements=r3)
T.isin(a0, a3)
T.isin(a3, a0)
T.isin(n3, n3)
"""


@pytest.mark.parametrize("dtype", ALL)
def test_values(dtype: str) -> None:
    assert differing(SORTING, dtype) == ""


@pytest.mark.parametrize("dtype", ("float64", "complex128"))
def test_derivatives_and_node_names(dtype: str) -> None:
    assert differing(SORTING, dtype, grad=True) == ""
