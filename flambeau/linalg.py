"""`torch.linalg`: linear algebra."""

from __future__ import annotations

from typing import Any

from .ops.linalg import LinAlgError
from .ops.table import call

__all__ = ["LinAlgError", "cholesky", "det", "eigh", "inv", "matmul", "matrix_norm", "norm", "qr",
           "solve", "svd", "svdvals", "vector_norm"]  # fmt: skip


def vector_norm(
    x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """(sum |x|^ord)^(1/ord) over all elements or dimensions."""
    x = x if dtype is None else x.to(dtype)
    return call.vector_norm(x, float(ord), (dim,) if isinstance(dim, int) else dim, keepdim)


def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """A vector norm, or with a matrix order ('fro', 'nuc') a matrix norm."""
    if isinstance(ord, str):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    """Frobenius ('fro'), nuclear ('nuc'), or operator norms (1, -1, inf, -inf, 2, -2)."""
    dims = tuple(dim)
    if ord == "fro":
        return call.vector_norm(A, 2.0, dims, keepdim)
    x = A.movedim(dims, (-2, -1))
    if ord == "nuc":
        out = svdvals(x).sum(-1)
    elif abs(ord) == 2:
        values = svdvals(x)
        out = values.amax(-1) if ord > 0 else values.amin(-1)
    else:
        sums = x.abs().sum(-2 if abs(ord) == 1 else -1)
        out = sums.amax(-1) if ord > 0 else sums.amin(-1)
    if keepdim:
        for d in sorted(d % A.ndim for d in dims):
            out = out.unsqueeze(d)
    return out


def inv(A: Any) -> Any:
    """The inverse of square matrices."""
    return call.inverse(A)


def det(A: Any) -> Any:
    """The determinant of square matrices."""
    return call.det(A)


def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """X with A X = B (or X A = B)."""
    if left:
        return call.linalg_solve(A, B)
    return call.linalg_solve(A.mT, B.mT).mT


def cholesky(A: Any, *, upper: bool = False) -> Any:
    """L with L L^H = A."""
    return call.linalg_cholesky(A, upper)


def svd(A: Any, full_matrices: bool = True, *, driver: Any = None) -> Any:
    """U, S, Vh with U diag(S) Vh = A."""
    return call.linalg_svd(A, full_matrices)


def svdvals(A: Any, *, driver: Any = None) -> Any:
    """Singular values."""
    return call.linalg_svd(A, False)[1]


def qr(A: Any, mode: str = "reduced") -> Any:
    """Q, R with Q R = A."""
    return call.linalg_qr(A, mode)


def eigh(A: Any, UPLO: str = "L") -> Any:  # noqa: N803
    """Eigenvalues and eigenvectors of symmetric matrices."""
    return call.linalg_eigh(A, UPLO)


def matmul(input: Any, other: Any) -> Any:
    return call.matmul(input, other)
