"""Rank, condition, pseudo-inverse, least squares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from .linalg import LinAlgError, hermitian, need_matrix
from .matmul import adjoint
from .rules import matching
from .spectra import check_numbers, svdvals
from .table import Spec, call, row


def _cutoff(values: Any, shape: Any, atol: Any, rtol: Any) -> Any:
    """Below which singular values count as zero: max(atol, rtol * the largest)."""
    if rtol is None:
        given = atol is not None and (hasattr(atol, "ndim") or atol > 0)
        rtol = 0.0 if given else dtypes.finfo(values.dtype).eps * max(shape[-2:])
    largest = values.amax(-1) * rtol
    if atol is None:
        return largest
    return call.maximum(largest, atol) if hasattr(atol, "ndim") else largest.clamp(min=float(atol))


def _matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None  # noqa: N803
) -> Any:
    """How many singular values (of Hermitian matrices: eigenvalues) are above a tolerance."""
    if tol is not None:
        atol, rtol = tol, 0.0
    if A.ndim < 2:
        raise RuntimeError(
            f"linalg.matrix_rank: The input tensor input must have at least 2 dimensions, got {list(A.shape)}."
        )
    A = A.detach()  # noqa: N806
    values = call.linalg_eigvalsh(A).abs() if hermitian else svdvals(A)
    if not values.shape[-1]:
        return call.zeros(tuple(A.shape[:-2]), dtype=dtypes.int64)
    return (values > _cutoff(values, A.shape, atol, rtol).unsqueeze(-1)).sum(-1)


row("linalg_matrix_rank(Tensor A) -> Tensor", body=_matrix_rank, forms="fo", where="linalg",
    alias=("matrix_rank",), samples=lambda m: [((m(3, 2),), {})], doc="See body.")  # fmt: skip


_DEFAULT = -1.0
"""Stands for the usual relative tolerance: the dtype's epsilon times the larger size."""


def _relative(x: np.ndarray, rtol: float) -> float:
    return float(np.finfo(x.dtype).eps) * max(x.shape[-2:]) if rtol == _DEFAULT else rtol


def _pinv_rule(x: Aval, atol: float, rtol: float, lower: bool) -> Spec:
    need_matrix(x)
    *lead, n, m = x.shape
    if lower and n != m:
        raise RuntimeError(f"A must be batches of square matrices, but they are {n} by {m} matrices")
    return Spec(x.with_shape((*lead, m, n)))


def _pinv_numpy(x: np.ndarray, atol: float, rtol: float, lower: bool) -> np.ndarray:
    if not x.size:
        return np.swapaxes(x, -1, -2)
    if lower:
        below = np.tril(x, -1)
        x = below + hermitian(below) + np.eye(x.shape[-1], dtype=x.real.dtype) * x.real
    u, s, vh = np.linalg.svd(x, False)
    cut = np.maximum(s.max(-1, keepdims=True) * s.dtype.type(_relative(x, rtol)), s.dtype.type(atol))
    inverse = np.divide(1, s, out=np.zeros_like(s), where=s > cut)
    return hermitian(vh) * inverse[..., None, :] @ hermitian(u)


def _pinv_grad(grad: Any, a: Any, p: Any) -> Any:
    """From dP = -P dA P + P P^H dA^H (I - A P) + (I - P A) dA^H P^H P (Golub and Pereyra 1973)."""
    ph, gh = adjoint(p), adjoint(grad)
    second = gh @ p @ ph
    third = ph @ p @ gh
    return -(ph @ grad @ ph) + (second - a @ (p @ second)) + (third - (third @ p) @ a)


row(
    "pinv_above(Tensor A, float atol, float rtol, bool hermitian=False) -> Tensor", rule=_pinv_rule, numpy=_pinv_numpy, check=check_numbers,
    forms="", node="LinalgPinvBackward0", called="linalg.pinv",
    grads={"A": lambda grad, A, result: _pinv_grad(grad, A, result)},
    samples=lambda m: [((m(3, 2), 0.0, 1e-9), {})],
    doc="The pseudo-inverse, of singular values above max(atol, rtol * the largest).",
)  # fmt: skip


def _pinv_each(A: Any, atol: Any, rtol: Any) -> Any:  # noqa: N803
    """The pseudo-inverse with tolerances for each matrix: from V diag(1 / s) U^H."""
    u, s, vh = call.linalg_svd(A, False)
    keep = s > _cutoff(s, A.shape, atol, rtol).unsqueeze(-1)
    inverse = call.where(keep, 1 / call.where(keep, s, 1), 0)
    return adjoint(vh) @ (inverse.unsqueeze(-1) * adjoint(u))


def _pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None  # noqa: N803
) -> Any:
    """The pseudo-inverse of Moore and Penrose. Singular values up to max(atol, rtol * the largest)
    count as zero. A Hermitian matrix is given by its lower triangle."""
    if rcond is not None:
        atol, rtol = 0.0, rcond
    if any(getattr(t, "ndim", 0) for t in (atol, rtol)):
        below = A.tril(-1)
        middle = call.diag_embed(A.diagonal(0, -2, -1).real).to(A.dtype)
        return _pinv_each(below + adjoint(below) + middle if hermitian else A, atol, rtol)
    if rtol is None:
        rtol = 0.0 if atol is not None and float(atol) > 0 else _DEFAULT
    return call.pinv_above(A, float(0.0 if atol is None else atol), float(rtol), bool(hermitian))


row("linalg_pinv(Tensor A) -> Tensor", body=_pinv, forms="fo", where="linalg", alias=("pinv",),
    samples=lambda m: [((m(3, 2),), {}), ((m(2, 3),), {}), ((m(2, 2, 2),), {}), ((m.complex(3, 2),), {})],
    doc="See body.")  # fmt: skip
row("pinverse(Tensor input, float rcond=1e-15) -> Tensor", forms="fm",
    body=lambda input, rcond=1e-15: _pinv(input, rcond),
    samples=lambda m: [((m(3, 2),), {})], doc="See linalg.pinv.")  # fmt: skip


def _cond(A: Any, p: Any = None) -> Any:  # noqa: N803
    """The condition number: norm(A) * norm(A^-1); for p 2 (None) and -2 the ratio of the largest
    and smallest singular values."""
    if A.ndim < 2:
        raise RuntimeError(
            f"linalg.cond: The input tensor A must have at least 2 dimensions, got {list(A.shape)}."
        )
    if p is None or p in (2, -2):
        values = svdvals(A)
        if not values.shape[-1]:
            return call.zeros(tuple(A.shape[:-2]), dtype=values.dtype)
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.cond: A must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices (for p={p})"
        )
    inverse, info = call.linalg_inv_ex(A)
    out = call.matrix_norm(A, p) * call.matrix_norm(inverse, p)
    return out.masked_fill(info > 0, math.inf)


row("linalg_cond(Tensor A, any p=None) -> Tensor", body=_cond, forms="fo", where="linalg",
    alias=("cond",),
    samples=lambda m: [((m(3, 2),), {}), ((m(2, 2), "fro"), {}), ((m(2, 2), -2), {})], doc="See body.")  # fmt: skip


def _lstsq_rule(a: Aval, b: Aval, rcond: float) -> Spec:
    need_matrix(a)
    dt = matching(a, b)
    if b.ndim < 1 or b.ndim not in (a.ndim, a.ndim - 1):
        raise RuntimeError(
            f"input.dim() must be greater or equal to other.dim() and (input.dim() - "
            f"other.dim()) <= 1: got {list(a.shape)} and {list(b.shape)}"
        )
    vector = a.ndim - 1 == b.ndim
    rows = b.shape[-1] if vector else b.shape[-2]
    if rows != a.shape[-2]:
        raise RuntimeError(
            f"input.size(-2) should match other.size({-1 if vector else -2}): got "
            f"{list(a.shape)} and {list(b.shape)}"
        )
    shape = (*a.shape[:-2], a.shape[-1]) if vector else (*a.shape[:-2], a.shape[-1], b.shape[-1])
    return Spec(aval(shape, dt, a.device))


def _check_lstsq(fetch: Any, *params: Any) -> None:
    """LinAlgError for equations that LAPACK finds no singular values of."""
    if not np.isfinite(fetch(0)).all():
        raise LinAlgError("the matrix A holds infinities or NaN")


def _lstsq_numpy(a: np.ndarray, b: np.ndarray, rcond: float) -> np.ndarray:
    vector = a.ndim - 1 == b.ndim
    sides = b[..., None] if vector else b
    out = np.empty((*a.shape[:-2], a.shape[-1], sides.shape[-1]), b.dtype)
    for place in np.ndindex(*a.shape[:-2]):
        out[place] = np.linalg.lstsq(a[place], sides[place], _relative(a, rcond))[0]
    return out[..., 0] if vector else out


def _lstsq_grads(grad: Any, a: Any, b: Any, rcond: float) -> tuple[Any, Any]:
    """X = pinv(A) B."""
    vector = a.ndim - 1 == b.ndim
    g, sides = (grad.unsqueeze(-1), b.unsqueeze(-1)) if vector else (grad, b)
    p = call.pinv_above(a, 0.0, rcond)
    to_b = adjoint(p) @ g
    return _pinv_grad(g @ adjoint(sides), a, p), to_b.squeeze(-1) if vector else to_b


row(
    "lstsq_solution(Tensor A, Tensor B, float rcond) -> Tensor", rule=_lstsq_rule,
    numpy=_lstsq_numpy, check=_check_lstsq, forms="", node="LinalgLstsqBackward0", called="linalg.lstsq",
    grads={("A", "B"): lambda grad, A, B, rcond: _lstsq_grads(grad, A, B, rcond)},
    samples=lambda m: [((m(3, 2), m(3, 2), 1e-9), {}), ((m(2, 3), m(2), 1e-9), {})],
    doc="The X of least norm that makes the norm of A X - B least.",
)  # fmt: skip

_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _lstsq(A: Any, B: Any, rcond: Any = None, *, driver: Any = None) -> Any:  # noqa: N803
    """The X (of least norm) that makes |A X - B| least, and what the LAPACK driver of this name
    would tell besides: squared residuals where there are more equations than unknowns (all but
    gelsy), the rank (all but gels), singular values (gelsd, gelss)."""
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(
            f"linalg.lstsq: parameter `driver` should be one of {_DRIVERS}, got {driver}"
        )
    cut = _DEFAULT if rcond is None else float(rcond)
    x = call.lstsq_solution(A, B, cut)
    n, m = A.shape[-2:]
    driver = driver or "gelsy"
    none = call.empty((0,), dtype=A.dtype.to_real())
    rank = call.empty((0,), dtype=dtypes.int64)
    if driver != "gels":
        rank = _matrix_rank(A, rtol=rcond)
    values = svdvals(A.detach()) if driver in ("gelsd", "gelss") else none
    residuals = none
    if n > m and driver != "gelsy" and (driver == "gels" or bool((rank == m).all())):
        vector = A.ndim - 1 == B.ndim
        miss = A @ (x.unsqueeze(-1) if vector else x) - (B.unsqueeze(-1) if vector else B)
        residuals = (miss.abs() ** 2).sum(-2)
        if vector:
            residuals = residuals.squeeze(-1)
    names = ("solution", "residuals", "rank", "singular_values")
    return call.named("linalg_lstsq", names, [x, residuals, rank, values])


row("linalg_lstsq(Tensor A, Tensor B, any rcond=None) -> Tensors", body=_lstsq, forms="fo",
    where="linalg", alias=("lstsq",),
    samples=lambda m: [((m(3, 2), m(3, 2)), {}), ((m(2, 3), m(2)), {})], doc="See body.")  # fmt: skip
