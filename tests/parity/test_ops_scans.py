"""Running sums and products, differences, integrals, against PyTorch."""

from __future__ import annotations

import pytest

from .expressions import ALL, differing

SCANS = r"""
a4.cumsum(0)
a23.cumsum(-1)
a23.cumsum(0)
a.cumsum(0)
a.cumsum(-1)
a0.cumsum(0)
a02.cumsum(1)
a23.cumsum(2)
a23.cumsum(1, dtype=T.float64)
a23.cumsum(dim=1, dtype=T.float32)
n23.cumsum(1)
T.cumsum(a23, 1)
T.cumsum(a23, dim=1, out=T.empty(0, dtype=a23.sum().dtype))
x = a23.clone(); x.cumsum_(0)  # floats
a4.cumprod(0)
a23.cumprod(-1)
r23.cumprod(1)
r23.cumprod(0)
a.cumprod(0)
a0.cumprod(0)
n23.cumprod(1)  # flat real
a23.cumprod(1, dtype=T.float64)  # flat
T.cumprod(a23, 1)
x = a23.clone(); x.cumprod_(1)  # floats
a4.cummax(0)
a23.cummax(1)
r35.cummax(1)
r35.cummin(0)
n23.cummax(1)
n35.cummin(1)
n35.cummax(0)
a.cummax(0)  # real
a02.cummax(0)  # real
a02.cummax(1)  # real
a23.cummax(2)
T.cummax(a23, dim=0)
T.cummin(a23, 1)
T.cummax(a23, 0, out=(T.empty(0, dtype=dt), T.empty(0, dtype=T.int64)))  # flat
a4.logcumsumexp(0)  # real
a23.logcumsumexp(1)  # real
n23.logcumsumexp(1)  # real
(a23 * 100).logcumsumexp(1)  # real
a.logcumsumexp(0)  # real
a0.logcumsumexp(0)  # real
a23.logcumsumexp(2)
T.logcumsumexp(a23, -1)  # real
a5.diff()
a24.diff()
a24.diff(2)
a24.diff(n=1, dim=0)
a24.diff(0)  # unnamed
a24.diff(5)
a24.diff(-1)
a24.diff(prepend=a22)
a24.diff(append=a21)
a24.diff(1, 0, prepend=a14, append=a14)
a.diff()
a24.diff(dim=2)
T.diff(a24, n=2, dim=1)
T.diff(b24)
T.trapezoid(a5)  # unnamed
T.trapezoid(a24)  # unnamed
T.trapezoid(a24, dim=0)  # unnamed
T.trapezoid(a5, c5)  # unnamed
T.trapezoid(a24, c4)  # unnamed
T.trapezoid(a24, c24)  # unnamed
T.trapezoid(a24, c2, dim=0)  # unnamed
T.trapezoid(a24, dx=0.5)  # unnamed
T.trapezoid(a24, dx=2)  # unnamed
T.trapezoid(a, a)
T.trapz(a24)  # unnamed
T.trapz(a24, c4)  # unnamed
T.trapezoid(a24, c5)
T.trapezoid(a21)  # unnamed
T.trapezoid(a20)  # flat floats
T.cumulative_trapezoid(a5)
T.cumulative_trapezoid(a24)
T.cumulative_trapezoid(a24, c4)  # unnamed
T.cumulative_trapezoid(a24, dx=0.5, dim=0)
T.cumulative_trapezoid(a24, c24, dim=1)  # unnamed
T.cumulative_trapezoid(a21)
T.gradient(a5)
T.gradient(a34)
T.gradient(a34, dim=0)
T.gradient(a34, spacing=2.0)
T.gradient(a34, spacing=0.5, dim=1)
T.gradient(a34, spacing=(2.0, 0.5))
T.gradient(a34, spacing=[2, 1], dim=(1, 0))
T.gradient(a34, spacing=(T.tensor([0., 1., 3.], dtype=dt), T.tensor([0., 1., 3., 4.], dtype=dt)))
T.gradient(a34, edge_order=2)
T.gradient(a34, spacing=2.0, dim=1, edge_order=2)
T.gradient(a5, spacing=(T.tensor([0., 1., 3., 4., 6.], dtype=dt),), edge_order=2)
T.gradient(a1)
T.gradient(a2, edge_order=2)
T.gradient(a34, edge_order=3)
T.gradient(a34, dim=(0, 0))
T.gradient(a34, spacing=(1.0,))
T.gradient(a34, dim=2)
T.vander(a3)  # flat
T.vander(a3, 2)  # flat
T.vander(a3, N=4, increasing=True)  # flat
T.vander(a23)
T.vander(a3, 0)  # floats
T.vander(a3, -1)
"""


@pytest.mark.parametrize("dtype", ALL)
def test_values(dtype: str) -> None:
    assert differing(SCANS, dtype) == ""


@pytest.mark.parametrize("dtype", ("float64", "complex128"))
def test_derivatives_and_node_names(dtype: str) -> None:
    assert differing(SCANS, dtype, grad=True) == ""
