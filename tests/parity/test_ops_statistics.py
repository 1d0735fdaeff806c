"""Spreads, ranks, quantiles, covariances, histograms, against PyTorch."""

from __future__ import annotations

import pytest

from .expressions import ALL, differing

STATISTICS = r"""
a23.var()
a23.var(1)
a23.var((0, 1), keepdim=True)
a23.var(False)
a23.var(1, False)
a23.var(1, unbiased=False, keepdim=True)
a23.var(1, True, True)
a23.var(dim=1, correction=0)
a23.var(correction=2)
a23.var(1, correction=3)
a23.var(1, correction=4)
a234.var((0, 2), correction=0)
a.var()
a1.var()
a0.var()
a02.var(0)
a02.var(1)
n23.var(1)
a23.var(2)
a23.var(None)
T.var(a23, 1)
T.var(a23, dim=0, keepdim=True)
T.var(a23, axis=0)
T.var(a23, 1, out=T.empty(0, dtype=dt))
a23.std()
a23.std(1)
a23.std(False)
a23.std((0, 1), keepdim=True)
a23.std(1, correction=0)
a.std()
a1.std()
r23.std(1)
a02.std(0)
T.std(a23, 0, True)
T.std(a23, 0, unbiased=False)
T.var_mean(a23)
T.var_mean(a23, 1)
T.var_mean(a23, 1, keepdim=True)
T.var_mean(a23, (0, 1), correction=0)
T.var_mean(a23, False)
T.std_mean(a23)
T.std_mean(a23, 0)
T.std_mean(a23, 0, False)
T.std_mean(a23, dim=1, keepdim=True, correction=0)
a23.median()
a23.median(1)
a23.median(0, True)
a5.median()
a4.median()
n23.median()
n23.median(1)
r23.median(1)
a.median()
a.median(0)
a0.median()  # floats real
a02.median(0)
a02.median(1)
T.median(a23)
T.median(a23, dim=1)
T.median(a23, 1, out=(T.empty(0, dtype=dt), T.empty(0, dtype=T.int64)))  # flat
n23.nanmedian()
n23.nanmedian(1)
T.nanmedian(a23)
T.nanmedian(n23, 0, True)
T.nanmedian(n23, dim=1)
a0.nanmedian()  # floats real
a23.mode()
r23.mode()
r35.mode(0)
r35.mode(1, True)
n23.mode(1)
a.mode()  # real
a02.mode(0)
a02.mode(1)  # real
T.mode(r35, -1)
T.mode(r35, dim=0, keepdim=True)
a5.kthvalue(2)
a23.kthvalue(1, 0)
a23.kthvalue(3, 1, True)
a23.kthvalue(4, 1)
a23.kthvalue(0, 1)
n23.kthvalue(3)
n23.kthvalue(1)
a.kthvalue(1)  # real
a.kthvalue(2)
a02.kthvalue(1, 0)
T.kthvalue(a23, 2, dim=1)
T.kthvalue(a23, k=2, dim=-1, keepdim=True)
T.quantile(a5, 0.3)  # unnamed
T.quantile(a24, 0.5, 1)  # unnamed
T.quantile(a24, 0.5, dim=1, keepdim=True)  # unnamed
T.quantile(a32, 0.25, 0, True)  # unnamed
T.quantile(a24, T.tensor([0.1, 0.6], dtype=dt))  # unnamed
T.quantile(a24, T.tensor([0.1, 0.6], dtype=dt), dim=1)  # unnamed
T.quantile(a24, T.tensor([0.1, 0.6], dtype=dt), dim=0, keepdim=True)  # unnamed
T.quantile(a24, T.tensor([0.1, 0.6], dtype=dt), keepdim=True)  # unnamed
T.quantile(a24, T.tensor(0.6, dtype=dt), dim=1)  # unnamed
T.quantile(a5, 0.3, interpolation='lower')  # unnamed
T.quantile(a5, 0.3, interpolation='higher')  # unnamed
T.quantile(a5, 0.3, interpolation='nearest')  # unnamed
T.quantile(a5, 0.3, interpolation='midpoint')  # unnamed
T.quantile(a5, 0.5, interpolation='midpoint')  # unnamed
T.quantile(a5, 0.5, interpolation='nearest')  # unnamed
T.quantile(a5, 0.3, interpolation='zzz')
T.quantile(n23, 0.5)  # unnamed
T.quantile(n23, 0.5, 1)  # unnamed
T.quantile(n23, 0.5, 1, interpolation='lower')  # unnamed
T.quantile(a5, 1.5)
T.quantile(a5, -0.1)
T.quantile(a0, 0.5)
T.quantile(a, 0.5)  # unnamed
T.quantile(a5, T.tensor([[0.5]], dtype=dt))
T.quantile(a5, 0.0)  # unnamed
T.quantile(a5, 1.0)  # unnamed
T.quantile(a234, 0.3, 1)  # unnamed
T.quantile(a234, T.tensor([0.3, 0.8], dtype=dt), 1, keepdim=True)  # unnamed
a24.quantile(0.5)  # unnamed
a24.quantile(q=0.5, dim=0)  # unnamed
T.nanquantile(n23, 0.5)  # unnamed
T.nanquantile(n23, 0.5, 1)  # unnamed
T.nanquantile(n23, T.tensor([0.2, 0.5], dtype=dt), 0, True)  # unnamed
n23.nanquantile(0.3, dim=1, interpolation='higher')  # unnamed
T.nanquantile(T.full((2, 3), nan, dtype=dt), 0.5, 1)
T.cov(a23)
T.cov(a23, correction=0)
T.cov(a5)
T.cov(a)
T.cov(a23, fweights=T.tensor([1, 2, 3]))
T.cov(a23, aweights=T.tensor([1., 2., 3.], dtype=dt))
T.cov(a23, fweights=T.tensor([1, 2, 3]), aweights=T.tensor([1., 2., 3.], dtype=dt), correction=2)
T.cov(a234)
T.cov(a23, fweights=T.tensor([1, 2]))
T.cov(a23, fweights=T.tensor([1., 2, 3]))
T.cov(a23, fweights=T.tensor([-1, 2, 3]))
a23.cov()
T.corrcoef(a23)
T.corrcoef(a5)
a23.corrcoef()
T.corrcoef(a234)
T.bincount(k5)
T.bincount(T.tensor([1, 4, 1]))
T.bincount(T.tensor([1, 4, 1]), minlength=8)
T.bincount(T.tensor([1, 4, 1]), T.tensor([0.5, 1., 2.], dtype=dt))  # real
T.bincount(T.tensor([1, 4, 1]), weights=T.tensor([0.5, 1., 2.]), minlength=8)
T.tensor([1, 4, 1]).bincount()
T.bincount(T.tensor([], dtype=T.int64))
T.bincount(T.tensor([], dtype=T.int64), minlength=3)
T.bincount(T.tensor([-1, 2]))
T.bincount(T.tensor([[1, 2]]))
T.bincount(T.tensor([1., 2.]))
T.bincount(T.tensor([1, 2]), T.tensor([1.]))
T.bincount(T.tensor([1, 2]), minlength=-1)
T.histc(a23)  # wide
T.histc(a35, 4)  # wide
T.histc(a35, bins=4, min=-2, max=3)  # floats
T.histc(a35, 4, -2, 2)  # floats
a35.histc(3)
T.histc(n23, 3)
T.histc(T.ones(3, dtype=dt), 3)
T.histc(a0, 3)  # floats
T.histc(a35, 0)  # floats real
T.histc(a35, 4, 3, 1)  # floats real
T.histc(a35, 4, out=T.empty(0, dtype=dt))  # wide
T.histogram(a35, 4)  # flat
T.histogram(a35, 4, range=(-2., 3.))  # flat floats
T.histogram(a35, T.tensor([-3., 0., 1., 4.], dtype=dt))  # flat floats
T.histogram(a35, 4, density=True)  # flat
T.histogram(a35, 4, weight=p35)  # flat
a35.histogram(3)  # flat
"""


@pytest.mark.parametrize("dtype", ALL)
def test_values(dtype: str) -> None:
    assert differing(STATISTICS, dtype) == ""


@pytest.mark.parametrize("dtype", ("float64", "complex128"))
def test_derivatives_and_node_names(dtype: str) -> None:
    assert differing(STATISTICS, dtype, grad=True) == ""
