"""Linear algebra against PyTorch."""

from __future__ import annotations

import pytest

from .expressions import ALL, differing

LINALG = r"""
a23.norm()
a23.norm(1)
a23.norm(p=1, dim=1)
a23.norm(2, 0, True)
a23.norm('fro')
a23.norm('nuc')
a23.norm('fro', dim=(0, 1))
a23.norm(inf)
a23.norm(-inf, 1)
a23.norm(0)
a23.norm(0, 1)
a23.norm(3)
a23.norm(0.5, 1)
a23.norm(2.5, (0, 1))
a23.norm(dim=1)
a234.norm(dim=(1, 2))
a234.norm('nuc', dim=(1, 2))
a23.norm('zzz')
a23.norm(dtype=T.float64)
a.norm()
a0.norm()
a02.norm(dim=0)
a0.norm(inf)
r23.norm(1)
r23.norm(2, 1)
T.norm(a23)
T.norm(a23, 1, 0)
T.norm(a23, p=inf, dim=1, keepdim=True)
T.norm(a23, dim=1)
T.norm(a23, 2, 1, out=T.empty(0, dtype=dt))  # real
T.dist(a23, c23)  # unnamed
T.dist(a23, c23, 1)  # unnamed
T.dist(a23, c3, inf)  # unnamed
T.dist(a23, a23)  # unnamed
T.dist(a23, c23, 0)  # flat
T.renorm(a23, 2, 0, 1.0)  # unnamed
T.renorm(a23, 1, 1, 100.0)  # unnamed
a23.renorm(2, 0, 1.0)  # unnamed
x = a23.clone(); x.renorm_(2, 0, 1)  # unnamed
T.renorm(a23, 0.5, -1, 3.0)  # unnamed
T.renorm(a3, 2, 0, 1.0)
T.renorm(a23, -1, 0, 1.0)
T.renorm(a23, 2, 0, -1.0)
T.inverse(s33)
T.linalg.inv(s33)
s33.inverse()
T.linalg.inv(s233)
T.linalg.inv(T.zeros(2, 2, dtype=dt))  # wide
T.linalg.inv(T.zeros(3, 2, 2, dtype=dt))  # wide
T.linalg.inv(a23)
T.linalg.inv(a3)
T.linalg.inv(a00)
T.linalg.inv(a022)
T.linalg.inv_ex(s33)
T.linalg.inv_ex(T.zeros(2, 2, dtype=dt)).info
T.linalg.inv(s33, out=T.empty(0, dtype=dt))
T.det(s33)
T.linalg.det(s33)
T.linalg.det(a33)
T.linalg.det(a233)
T.linalg.det(T.ones(3, 3, dtype=dt))
T.linalg.det(a11)
T.linalg.det(a23)
T.linalg.det(a00)
a33.det()
T.logdet(s33)
T.logdet(-s33)
s33.logdet()
T.slogdet(a33)
a33.slogdet()
T.linalg.slogdet(a233)
T.linalg.slogdet(T.zeros(2, 2, dtype=dt))
T.linalg.solve(s33, a32)
T.linalg.solve(s33, a3)
T.linalg.solve(s233, a23)
T.linalg.solve(s233, a232)
T.linalg.solve(s233, a32)
T.linalg.solve(s233, a3)
T.linalg.solve(s33, a23, left=False)
T.linalg.solve(s33, a22)
T.linalg.solve(a23, a2)
T.linalg.solve(T.zeros(2, 2, dtype=dt), a2)  # wide
T.linalg.solve(s33, w32)
T.linalg.solve_ex(s33, a32)
T.linalg.solve_triangular(s33, a32, upper=True)
T.linalg.solve_triangular(s33, a32, upper=False)
T.linalg.solve_triangular(s33, a23, upper=True, left=False)
T.linalg.solve_triangular(s33, a32, upper=True, unitriangular=True)
T.linalg.solve_triangular(s233, a32, upper=False)
T.linalg.solve_triangular(T.zeros(2, 2, dtype=dt), a22, upper=True)  # real
T.linalg.solve_triangular(s33, a3, upper=True)  # floats
T.linalg.solve_triangular(s33, a22, upper=True)  # floats
T.linalg.solve_triangular(s33, a32)
T.triangular_solve(a32, s33)  # unnamed
T.triangular_solve(a32, s33, upper=False)  # unnamed
T.triangular_solve(a32, s33, transpose=True)  # unnamed
T.matrix_power(a33, 3)
T.matrix_power(a33, 0)  # flat
T.matrix_power(s33, -2)
T.matrix_power(a233, 1)
T.linalg.matrix_power(a33, 2)
a33.matrix_power(5)
T.matrix_power(a23, 2)
T.matrix_power(a33, 1.5)
T.matrix_exp(a33 / 3)  # wide
T.linalg.matrix_exp(a233 / 3)  # wide
a33.matrix_exp()  # wide
T.matrix_exp(a33 * 5)  # wide
T.matrix_exp(a00)
T.matrix_exp(a23)
T.linalg.cholesky(s33)  # flat
T.linalg.cholesky(s233)  # flat
T.linalg.cholesky(s33, upper=True)  # flat
T.cholesky(s33)  # flat floats
T.linalg.cholesky(-s33)  # wide
T.linalg.cholesky(T.stack([s33, -s33]))  # wide
T.linalg.cholesky_ex(s33)  # flat
T.linalg.cholesky_ex(-s33).info
T.linalg.cholesky(a23)
T.cholesky_solve(a32, T.linalg.cholesky(s33))  # unnamed
T.cholesky_solve(a32, T.linalg.cholesky(s33, upper=True), upper=True)  # unnamed
T.cholesky_inverse(T.linalg.cholesky(s33))  # unnamed
T.linalg.svdvals(a34)
T.linalg.svdvals(a234)
T.linalg.svd(a34)[1]
T.linalg.svd(a34, full_matrices=False)[1]
[t.shape for t in T.linalg.svd(a34)]
[t.shape for t in T.linalg.svd(a243, full_matrices=False)]
(lambda u, s, v: (u * s) @ v)(*T.linalg.svd(a34, full_matrices=False))
(lambda u, s, v: u @ v)(*T.linalg.svd(a34, full_matrices=False))
(lambda u, s, v: u @ v)(*T.linalg.svd(a43, full_matrices=False))
(lambda u, s, v: u.abs())(*T.linalg.svd(a33, full_matrices=False))
(lambda u, s, v: (u * s) @ v.mH)(*T.svd(a34))
[t.shape for t in T.svd(a34, some=False)]
[t.shape for t in T.svd(a34)]
T.svd(a34).S
T.linalg.svd(a3)
T.linalg.svd(a34, driver='gesvd')
T.linalg.svdvals(a03)
T.linalg.svd(a03)  # flat
(lambda q, r: q @ r)(*T.linalg.qr(a43))
(lambda q, r: (q.abs(), r.abs()))(*T.linalg.qr(a43))
(lambda q, r: (q.abs(), r.abs()))(*T.linalg.qr(a34))
(lambda q, r: (q.abs(), r.abs()))(*T.linalg.qr(a34, mode='complete'))
[t.shape for t in T.linalg.qr(a43, mode='complete')]
T.linalg.qr(a43, mode='r')[1].abs()
[t.shape for t in T.linalg.qr(a43, mode='r')]
T.linalg.qr(a43, mode='zzz')
[t.shape for t in T.qr(a43)]
[t.shape for t in T.qr(a43, some=False)]
T.linalg.qr(a3)
T.linalg.eigh(s33)[0]
T.linalg.eigh(s33).eigenvectors.abs()
(lambda l, v: (v * l) @ v.mH)(*T.linalg.eigh(s33))
T.linalg.eigvalsh(s233)
T.linalg.eigvalsh(s33, UPLO='U')
T.linalg.eigh(a33)[0]
T.linalg.eigh(a23)  # floats
T.linalg.eigh(s33, UPLO='Z')  # floats
(lambda l, v: (v * l) @ T.linalg.inv(v))(*T.linalg.eig(a33))
T.linalg.eigvals(a33).abs().sort()[0]
T.linalg.eig(a33).eigenvectors.abs().sum()
T.linalg.eigvals(a23)
T.linalg.pinv(a34)  # wide
T.linalg.pinv(a43)  # wide
T.linalg.pinv(a234)  # wide
T.linalg.pinv(T.ones(3, 2, dtype=dt))  # wide
T.linalg.pinv(a34, rtol=0.5)  # wide
T.linalg.pinv(a34, atol=1.0)  # wide
T.linalg.pinv(a34, 0.5)  # wide
T.linalg.pinv(s33, hermitian=True)  # wide
T.pinverse(a34)  # wide
a34.pinverse()  # wide
T.linalg.pinv(a03)  # wide
T.linalg.matrix_rank(a34)  # wide
T.linalg.matrix_rank(T.ones(3, 3, dtype=dt))  # wide
T.linalg.matrix_rank(a234)  # wide
T.linalg.matrix_rank(s33, hermitian=True)  # wide
T.linalg.matrix_rank(a34, atol=100.0)  # wide
T.linalg.matrix_rank(a34, rtol=0.9)
T.linalg.matrix_rank(a34, tol=100.0)
T.linalg.matrix_rank(a3)
T.linalg.cond(a33)  # unnamed
T.linalg.cond(a33, 'fro')  # flat
T.linalg.cond(a33, 'nuc')  # unnamed
T.linalg.cond(a33, inf)  # flat
T.linalg.cond(a33, -1)  # flat
T.linalg.cond(a33, -2)  # unnamed
T.linalg.cond(a34)  # unnamed
T.linalg.cond(a34, 'fro')
T.linalg.cond(T.zeros(2, 2, dtype=dt), 1)
T.linalg.cond(T.zeros(2, 2, dtype=dt))
T.linalg.lstsq(a43, c42)  # flat wide
T.linalg.lstsq(a43, c4)  # flat wide
T.linalg.lstsq(a34, c32)  # flat wide
T.linalg.lstsq(a43, c42).solution  # wide
T.linalg.lstsq(a43, c42, driver='gelsd')  # unnamed wide
T.linalg.lstsq(a43, c42, driver='gels')  # unnamed wide
T.linalg.lstsq(a243, c242)  # flat wide
T.linalg.lstsq(a43, c42, rcond=0.5).rank  # floats
T.linalg.lstsq(a43, c32)
T.linalg.lstsq(a43, c42, driver='zzz')
T.linalg.lu(a33)  # unnamed
T.linalg.lu(a43)  # unnamed
T.linalg.lu(a34)  # unnamed
T.linalg.lu(a233)  # unnamed
T.linalg.lu(s33, pivot=False)  # wide
T.linalg.lu_factor(a33)
T.linalg.lu_factor_ex(a33)
T.lu(a33)
T.lu_unpack(*T.linalg.lu_factor(a33))  # unnamed
T.lu_unpack(*T.linalg.lu_factor(a34))  # unnamed
T.linalg.lu_solve(*T.linalg.lu_factor(a33), c32)  # unnamed
T.linalg.lu_solve(*T.linalg.lu_factor(a33), c23, left=False)  # unnamed
T.linalg.lu_solve(*T.linalg.lu_factor(a33), c32, adjoint=True)  # unnamed
T.linalg.lu_solve(*T.linalg.lu_factor(a33), c23, left=False, adjoint=True)  # unnamed
T.lu_solve(c32, *T.linalg.lu_factor(a33))  # unnamed
T.linalg.tensorinv(a224.reshape(4, 2, 2), ind=1)  # unnamed
T.linalg.tensorinv(a224)  # unnamed
T.linalg.tensorinv(a23)
T.linalg.tensorsolve(a236, c23)
T.linalg.tensorsolve(a326.permute(1, 0, 2), c23)
T.linalg.tensorsolve(a623, c23, dims=(0,))
T.linalg.norm(a23)
T.linalg.norm(a23, 2)
T.linalg.norm(a23, 'fro')
T.linalg.norm(a23, 'nuc')
T.linalg.norm(a23, inf)
T.linalg.norm(a23, 1, dim=0)
T.linalg.norm(a23, dim=1, keepdim=True)
T.linalg.norm(a234, dim=(1, 2))
T.linalg.norm(a234, 2, dim=(0, 2))
T.linalg.norm(a3, 3)
T.linalg.norm(a3, 'fro')
T.linalg.norm(a234, 2)
T.linalg.norm(a234, 'fro', (0, 1, 2))
T.linalg.norm(a, 2)
T.linalg.vector_norm(a23)
T.linalg.vector_norm(a23, 3, dim=1)
T.linalg.vector_norm(a23, ord=inf, dim=(0, 1), keepdim=True)
T.linalg.vector_norm(a23, 0)
T.linalg.vector_norm(a23, 1, 0, dtype=T.float64)
T.linalg.vector_norm(a0, inf)
T.linalg.vector_norm(a0, 1)
T.linalg.vector_norm(i23)
T.linalg.matrix_norm(a23)
T.linalg.matrix_norm(a23, 'nuc')
T.linalg.matrix_norm(a23, 1)
T.linalg.matrix_norm(a23, -1)
T.linalg.matrix_norm(a23, inf)
T.linalg.matrix_norm(a23, -inf)
T.linalg.matrix_norm(a23, 2)
T.linalg.matrix_norm(a23, -2)
T.linalg.matrix_norm(a234, 'nuc', dim=(0, 2))
T.linalg.matrix_norm(a234, 1, dim=(2, 0), keepdim=True)  # unnamed
T.linalg.matrix_norm(a234, 1, dim=(0, 1))
T.linalg.matrix_norm(a234, inf, dim=(1, 0))
T.linalg.matrix_norm(a23, 3)
T.linalg.matrix_norm(a23, 'zzz')
T.linalg.matrix_norm(a3)
T.linalg.matrix_norm(a23, dim=(0, 0))
T.linalg.LinAlgError.__name__.strip('_')
"""


@pytest.mark.parametrize("dtype", ALL)
def test_values(dtype: str) -> None:
    assert differing(LINALG, dtype, loose=30) == ""


@pytest.mark.parametrize("dtype", ("float64", "complex128"))
def test_derivatives_and_node_names(dtype: str) -> None:
    assert differing(LINALG, dtype, grad=True, loose=30) == ""
