"""Large matrices by few vectors: the largest singular values from random vectors (Halko, Martinsson
and Tropp 2011), the outermost eigenvalues by conjugate gradients (Knyazev 2001)."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from ..errors import shown
from ..ops.table import call
from . import random
from .tensor import Tensor


def _basis(a: Tensor, q: int, niter: int, m: Tensor | None) -> Tensor:
    """q orthonormal columns that nearly span those of A - M (Halko et al., algorithm 4.4)."""
    r = random.randn(a.shape[-1], q, dtype=a.dtype, device=a.device)
    less = lambda x, y: x @ y if m is None else x @ y - m @ y  # noqa: E731
    less_turned = lambda y: a.mH @ y if m is None else a.mH @ y - m.mH @ y  # noqa: E731
    found = call.linalg_qr(less(a, r))[0]
    for _ in range(niter):
        found = call.linalg_qr(less_turned(found))[0]
        found = call.linalg_qr(less(a, found))[0]
    return found  # type: ignore[no-any-return]


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None  # noqa: N803
) -> tuple[Tensor, Tensor, Tensor]:
    """U, S, V with U diag(S) V^H near A (A - M), of (at most) the q largest singular values, after
    `niter` iterations."""
    q, niter = 6 if q is None else int(q), 2 if niter is None else int(niter)
    m, n = A.shape[-2:]
    if not 0 <= q <= min(m, n):
        raise ValueError(f"svd_lowrank(): q must be between 0 and min(m, n) = {min(m, n)}, got {q}")
    mean = None if M is None else M.broadcast_to(A.shape)
    wide = m < n
    if wide:
        A, mean = A.mH, None if mean is None else mean.mH  # noqa: N806
    basis = _basis(A, q, niter, mean)
    b = basis.mH @ A
    if mean is not None:
        b = b - basis.mH @ mean
    u, s, vh = call.linalg_svd(b, False)
    u, v = basis @ u, vh.mH
    return (v, s, u) if wide else (u, s, v)


def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2  # noqa: N803
) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components: svd_lowrank() of A (*, m, n), whose columns have their mean subtracted
    if `center`. ValueError for q beyond the matrix."""
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(
            f"pca_lowrank(): q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"pca_lowrank(): niter(={niter}) must be non-negative integer")
    if not (A.is_floating_point() or A.is_complex()):
        A = A.to(dtypes.get_default())  # noqa: N806
    if center:
        A = A - A.mean(-2, keepdim=True)  # noqa: N806
    return svd_lowrank(A, q, niter, None)


# --- eigenvalues ------------------------------------------------------------------------------


def lobpcg(
    A: Tensor, k: int | None = None, B: Tensor | None = None, X: Tensor | None = None,  # noqa: N803
    n: int | None = None, iK: Tensor | None = None, niter: int | None = None,  # noqa: N803
    tol: float | None = None, largest: bool | None = None, method: str | None = None,
    tracker: Any = None, ortho_iparams: Any = None, ortho_fparams: Any = None,
    ortho_bparams: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The k largest (or smallest) eigenvalues (*, k) of symmetric A (*, m, m), and eigenvectors
    (*, m, k); with a positive definite B those of A x = B x E.

    `X` (*, m, n) is what the iteration starts from, `iK` a preconditioner, `tol` where residuals
    are small enough. Where A or B requires grad, the whole spectrum is computed instead: that is
    differentiable.
    """
    for name, given in (("A", A), ("B", B), ("X", X), ("iK", iK)):
        if not isinstance(given, Tensor) and (given is not None or name == "A"):
            raise TypeError(
                f"lobpcg(): argument '{name}' must be Tensor, not {type(given).__name__}"
            )
    largest = True if largest is None else bool(largest)
    k = (1 if X is None else X.shape[-1]) if k is None else int(k)
    size = A.shape[-1]
    if A.ndim < 2 or A.shape[-2] != size:
        raise RuntimeError(f"lobpcg(): A must be square matrices, got shape {list(A.shape)}")
    n = (k if X is None else X.shape[-1]) if n is None else int(n)
    if size < 3 * n:
        raise ValueError(
            f"LPBPCG algorithm is not applicable when the number of A rows (={size}) is smaller "
            f"than 3 x the number of requested eigenpairs (={n})"
        )
    if tracker is not None:
        raise NotImplementedError("lobpcg(): flambeau has no tracker; leave it None")
    if method not in (None, "basic", "ortho"):
        raise ValueError(f"lobpcg(): method is 'basic' or 'ortho', got {shown(method)}")
    if A.requires_grad or (B is not None and B.requires_grad):
        return _whole(A, B, k, largest)
    if X is None:
        X = random.randn(*A.shape[:-1], n, dtype=A.dtype, device=A.device)  # noqa: N806
    tol = dtypes.finfo(A.dtype).eps ** 0.5 if tol is None else float(tol)
    values, vectors = _iterated(A, B, X, iK, tol, 1000 if niter is None else niter, largest)
    return values[..., :k], vectors[..., :k]


def _whole(a: Tensor, b: Tensor | None, k: int, largest: bool) -> tuple[Tensor, Tensor]:
    """By L with B = L L^T: the eigenvalues of L^-1 A L^-T."""
    a = (a + a.mT) / 2
    if b is None:
        values, vectors = call.linalg_eigh(a)
    else:
        low = call.linalg_cholesky(b)
        half = call.linalg_solve_triangular(low, a, upper=False)
        inner = call.linalg_solve_triangular(low, half.mT, upper=False)
        values, vectors = call.linalg_eigh((inner + inner.mT) / 2)
        vectors = call.linalg_solve_triangular(low.mT, vectors, upper=True)
    if largest:
        values, vectors = values.flip(-1), vectors.flip(-1)
    return values[..., :k], vectors[..., :k]


def _orthonormal(s: Tensor, b: Tensor | None) -> tuple[Tensor, Tensor]:
    """Columns that span those of S, orthonormal with respect to B: by the eigenvectors of their
    products, of which those near zero are shrunk to nothing (Stathopoulos and Wu 2002). Also 1 for
    each that was, 0 for the others."""
    s = s / call.vector_norm(s, 2, -2, True).clamp(min=dtypes.finfo(s.dtype).tiny)
    for _ in range(2):
        gram = s.mT @ (s if b is None else b @ s)
        values, vectors = call.linalg_eigh((gram + gram.mT) / 2)
        least = values[..., -1:] * (dtypes.finfo(s.dtype).eps * 10)
        scale = call.where(values > least, values.clamp(min=dtypes.finfo(s.dtype).tiny).rsqrt(), 0.0)
        s = s @ (vectors * scale.unsqueeze(-2))
    return s, (scale == 0).to(s.dtype)


def _ritz(
    a: Tensor, s: Tensor, empty: Tensor, n: int, largest: bool
) -> tuple[Tensor, Tensor]:
    """The n outermost eigenvalues of A on the span of S, and their vectors' coordinates. Columns
    that are `empty` come last."""
    inner = s.mT @ (a @ s)
    inner = (inner + inner.mT) / 2
    bound = inner.abs().sum(-1).amax(-1, keepdim=True) + 1
    inner = inner + call.diag_embed(empty * (-bound if largest else bound))
    values, vectors = call.linalg_eigh(inner)
    if largest:
        values, vectors = values.flip(-1), vectors.flip(-1)
    return values[..., :n], vectors[..., :n]


def _iterated(
    a: Tensor, b: Tensor | None, x: Tensor, preconditioner: Tensor | None, tol: float, niter: int,
    largest: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Knyazev 2001, algorithm 5.1: the next vectors are the best of the span of the present ones,
    their residuals, and the last step."""
    n = x.shape[-1]
    x, empty = _orthonormal(x, b)
    values, turn = _ritz(a, x, empty, n, largest)
    x = x @ turn
    step = None
    size = call.matrix_norm(a)
    for _ in range(niter if niter >= 0 else 1 << 30):
        residual = a @ x - (x if b is None else b @ x) * values.unsqueeze(-2)
        norms = call.vector_norm(residual, 2, -2)
        scale = size.unsqueeze(-1) + values.abs()
        if bool((norms <= tol * scale).all()):
            break
        moved = residual if preconditioner is None else preconditioner @ residual
        parts = [x, moved] if step is None else [x, moved, step]
        s, empty = _orthonormal(call.cat(parts, -1), b)
        values, turn = _ritz(a, s, empty, n, largest)
        new = s @ turn
        onto = x.mT @ (new if b is None else b @ new)
        step = new - x @ onto
        x = new
    return values, x
