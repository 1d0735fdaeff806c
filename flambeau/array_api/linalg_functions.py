"""The linear algebra extension of the array API standard."""

from __future__ import annotations

from typing import Any, NamedTuple

import flambeau as torch
from flambeau.errors import shown

from .dtypes import accumulator, axes_of, promoted
from .products import matmul, matrix_transpose, tensordot, vecdot

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm",
    "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve",
    "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip

_linalg = torch.linalg


class EighResult(NamedTuple):
    eigenvalues: torch.Tensor
    eigenvectors: torch.Tensor


class QRResult(NamedTuple):
    Q: torch.Tensor
    R: torch.Tensor


class SlogdetResult(NamedTuple):
    sign: torch.Tensor
    logabsdet: torch.Tensor


class SVDResult(NamedTuple):
    U: torch.Tensor
    S: torch.Tensor
    Vh: torch.Tensor


def cholesky(x: Any, /, *, upper: bool = False) -> torch.Tensor:
    """The triangular factor of Hermitian positive definite matrices."""
    return _linalg.cholesky(x, upper=upper)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> torch.Tensor:
    """Cross products of vectors of three along an axis. ValueError for other sizes."""
    a, b = promoted((x1, x2))
    for x in (a, b):
        axes_of(x, axis)
        if x.shape[axis] != 3:
            raise ValueError(f"cross(): axis {axis} must have size 3, got {x.shape[axis]}")
    a, b = torch.broadcast_tensors(a, b)
    return _linalg.cross(a, b, dim=axis)


def det(x: Any, /) -> torch.Tensor:
    """Determinants of square matrices."""
    return _linalg.det(x)


def diagonal(x: Any, /, *, offset: int = 0) -> torch.Tensor:
    """Diagonals of matrices, in the last axis."""
    return torch.diagonal(x, offset, -2, -1)


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues in ascending order, and eigenvectors in columns, of Hermitian matrices."""
    return EighResult(*_linalg.eigh(x))


def eigvalsh(x: Any, /) -> torch.Tensor:
    """Eigenvalues of Hermitian matrices in ascending order."""
    return _linalg.eigvalsh(x)


def inv(x: Any, /) -> torch.Tensor:
    """Inverses of square matrices."""
    return _linalg.inv(x)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> torch.Tensor:
    """Norms of matrices: "fro", "nuc", 1, -1, 2, -2, inf, -inf."""
    return _linalg.matrix_norm(x, ord, keepdim=keepdims)


def matrix_power(x: Any, n: int, /) -> torch.Tensor:
    """Powers of square matrices; inverses where n is negative."""
    return _linalg.matrix_power(x, n)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> torch.Tensor:
    """Ranks: how many singular values exceed rtol times the largest."""
    return _linalg.matrix_rank(x, rtol=rtol)


def outer(x1: Any, x2: Any, /) -> torch.Tensor:
    """All products of elements of two vectors."""
    return torch.outer(*promoted((x1, x2)))


def pinv(x: Any, /, *, rtol: Any = None) -> torch.Tensor:
    """Pseudo-inverses; singular values below rtol times the largest count as zero."""
    return _linalg.pinv(x, rtol=rtol)


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """QR decomposition: "reduced" or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr(): mode must be 'reduced' or 'complete', got {shown(mode)}")
    return QRResult(*_linalg.qr(x, mode))


def slogdet(x: Any, /) -> SlogdetResult:
    """Signs of determinants, and logarithms of their moduli."""
    return SlogdetResult(*_linalg.slogdet(x))


def solve(x1: Any, x2: Any, /) -> torch.Tensor:
    """Solutions of x1 @ y = x2: x2 is one vector where it has one dimension, else matrices."""
    a, b = promoted((x1, x2))
    if b.ndim == 1:
        return torch.squeeze(_linalg.solve(a, torch.unsqueeze(b, -1)), -1)
    lead = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return _linalg.solve(
        torch.broadcast_to(a, (*lead, *a.shape[-2:])), torch.broadcast_to(b, (*lead, *b.shape[-2:]))
    )


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular value decomposition."""
    return SVDResult(*_linalg.svd(x, full_matrices=full_matrices))


def svdvals(x: Any, /) -> torch.Tensor:
    """Singular values in descending order."""
    return _linalg.svdvals(x)


def trace(x: Any, /, *, offset: int = 0, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Sums of diagonals."""
    dt = accumulator(x, dtype)
    return torch.sum(torch.diagonal(x.to(dt), offset, -2, -1), -1, dtype=dt)


def vector_norm(
    x: Any, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, ord: Any = 2
) -> torch.Tensor:
    """Norms of vectors along axes (of all elements)."""
    axes = axes_of(x, axis)
    if not axes:
        return torch.abs(x) if ord != 0 else torch.ne(x, 0).to(torch.abs(x).dtype)
    return _linalg.vector_norm(x, ord, axes, keepdims)
