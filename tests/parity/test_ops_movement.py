"""Joining, copying, filling and scattering into views, against PyTorch."""

from __future__ import annotations

import pytest

from .expressions import ALL, differing

MOVEMENT = r"""
x = a33.clone(); x.triu_(1)
x = a33.clone(); x.tril_()
T.cat([a23, c13])
T.cat([a23, a21], 1)
T.cat((a23, a23_t), dim=-1)
T.cat([a23, a23], axis=1)
T.cat([a0, a23])
T.cat([a0, a3])
T.cat([a0, a0])
T.cat([a02, a32])
T.cat([a23, a23], 2)
T.cat([a23, a33], 1)
T.cat([a23, a3])
T.cat([a, a])
T.cat([])
T.cat(a23)
T.cat(a23, 0)
T.cat([a23, 1])
T.cat([a23, i13])
T.cat([a23, b13])
T.cat([a23, z13])
T.cat([a23, w13])
T.concat([a23, a13])
T.concatenate([a23, a13], 0)
T.concatenate([a23, a21], axis=1)
T.cat([a23, a13], out=T.empty(0, dtype=dt))
T.cat(tensors=[a23, a13], dim=0)
T.stack([a23, c23])
T.stack([a23, c23], 1)
T.stack([a23, c23], -1)
T.stack((a, c))
T.stack([a23, a13])
T.stack([a23, c23], 3)
T.stack([a23, c23], -4)
T.stack([])
T.stack([a23, i23])
T.stack([a23, 3])
T.stack(a23)
T.stack([a23, c23], out=T.empty(0, dtype=dt))
T.stack([a0, a0], 1)
a23.clone()
a23_t.clone()
T.clone(a23)
a23.fill_(2)
x = a23.clone(); x.fill_(1.5)  # unnamed
x = a23.clone(); x.fill_(T.tensor(2))  # unnamed
x = a23.clone(); x.fill_(T.tensor([2]))
x = a23.clone(); x.fill_(2 + 1j)  # unnamed
x = a23.clone(); x.fill_(c)  # unnamed
T.fill(a23, 3)
x = a23.clone(); T.fill_(x, 3)  # unnamed
x = a23.clone(); x.zero_()
x = a23.clone(); T.zero_(x)
x = a33.clone(); x.fill_diagonal_(5)  # unnamed
x = a53.clone(); x.fill_diagonal_(5, wrap=True)  # unnamed
x = a35.clone(); x.fill_diagonal_(5)  # unnamed
x = a33.clone(); x.fill_diagonal_(1.5)  # unnamed
T.select_scatter(a23, a3, 0, 1)
a23.select_scatter(a2, 1, -1)
a23.select_scatter(a3, 1, 0)
a23.select_scatter(a3, 0, 5)
T.slice_scatter(a53, a23, 0, 1, 3)
a53.slice_scatter(a23, start=1, end=5, step=2)
a53.slice_scatter(a13, 0, 1, 3)
T.diagonal_scatter(a33, a3)
a34.diagonal_scatter(a3, 1)
a34.diagonal_scatter(a2, 1)
T.as_strided_scatter(a6, a22, (2, 2), (3, 1), 1)  # flat
a33.as_strided_scatter(a2, (2,), (1,))  # flat
a33.as_strided_scatter(a2, (3,), (1,))
a53.narrow_copy(0, 1, 3)  # unnamed
T.narrow_copy(a53, 1, -1, 1)  # flat
a23.sum_to_size(3)
a23.sum_to_size(1, 3)
a23.sum_to_size(2, 1)
a23.sum_to_size(1, 1)
a23.sum_to_size((2, 3))
a23.sum_to_size(2)
a23.sum_to_size(1, 2, 3)
x = a23.clone(); x.copy_(c23)
x = a23.clone(); x.copy_(c3)
x = a23.clone(); x.copy_(c2)
x = a23.clone(); x.copy_(i23)
a23.contiguous()
"""


@pytest.mark.parametrize("dtype", ALL)
def test_values(dtype: str) -> None:
    assert differing(MOVEMENT, dtype) == ""


@pytest.mark.parametrize("dtype", ("float64", "complex128"))
def test_derivatives_and_node_names(dtype: str) -> None:
    assert differing(MOVEMENT, dtype, grad=True) == ""
